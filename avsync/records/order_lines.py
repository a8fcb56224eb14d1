"""The ticked lines of checked work orders, onto the linked sales order. A doubled line is a double invoice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync.records import fit
from avsync.records.kind import Fate, Known, LinkView, Policy, Remark
from avsync.records.orders import read_crafter as read_order
from avsync.records.values import CRAFTER, Malformed, Record, code, quantity, required, text

FLOW = "invoice"
KIND = "order_line"
CHECKED = "checked"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as both sides know it; `id` is Crafter's line id or AccountView's REC_ID."""

    id: str
    article: str
    quantity: str


@dataclass(frozen=True, slots=True)
class LinePlan:
    """What must happen to one sales order. `add`: Crafter lines to send; `change`: (REC_ID, line); `adopt`: the same
    for lines that already stand there."""

    add: tuple[Line, ...] = ()
    change: tuple[tuple[str, Line], ...] = ()
    adopt: tuple[tuple[str, Line], ...] = ()
    remarks: tuple[Remark, ...] = field(default=())

    @property
    def writes(self) -> bool:
        """Whether AccountView must be written."""
        return bool(self.add or self.change)

    @property
    def looks(self) -> bool:
        """Whether what stands on the order matters."""
        return self.writes or any(remark.code == "line_unticked" for remark in self.remarks)

    @property
    def again(self) -> bool:
        """Whether the work order must be planned again in every run."""
        return any(remark.again for remark in self.remarks)


def read_crafter(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """The lines of a work order as one record, `extra.lines`; a line that cannot be read keeps its fault instead."""
    order = read_order(row, policy)[0]
    lines = row.get("lines") or []
    if not isinstance(lines, list):
        raise Malformed("lines", type(lines).__name__)
    return [
        Record(
            KIND, CRAFTER, order.id, order.key, order.name, {"status": order.fields["status"]}, parent=order.id,
            changed_at=order.changed_at, extra={"day": order.extra["day"], "lines": [_read_line(one) for one in lines]},
        )
    ]  # fmt: skip


def _read_line(raw: object) -> dict[str, Any]:
    """A line, or `{"fault": …}`; only what is ticked is judged, because the rest goes nowhere."""
    if not isinstance(raw, dict):
        return {"id": "", "fault": "?", "ticked": True}
    ticked = raw.get("checked") is True
    try:
        amount = quantity(raw.get("quantity"), "quantity")
        if amount is None:
            raise Malformed("quantity", "-")
        return {
            "id": required(raw.get("id"), "id"),
            "article": code(raw.get("article_number"), "article_number") or "",
            "description": text(raw.get("description"), "description") or "",
            "quantity": amount,
            "ticked": ticked,
        }
    except Malformed as error:
        return {"id": str(raw.get("id") or ""), "fault": str(error), "ticked": ticked}


def fate(record: Record, policy: Policy) -> Fate:
    """Only checked work orders are looked at."""
    return "plan" if policy.exports(FLOW) and record.fields["status"] == CHECKED else "drop"


def ticked(record: Record) -> list[dict[str, Any]]:
    """The ticked lines of a work order that could be read."""
    return [line for line in record.extra["lines"] if line["ticked"] and "fault" not in line]


def plan_lines(
    record: Record,
    order: LinkView,
    links: Sequence[LinkView],
    standing: Sequence[Line] | None,
    articles: set[str],
    known: Known,
) -> LinePlan:
    """Compare the ticked lines with what was sent (`links`) and what stands on the order (None: not looked at yet).

    On an adopted order an equal line that nobody sent counts as sent (behaviour 4). Lines of unknown articles and lines
    that are no longer ticked become remarks; nothing is ever removed, and what was deleted there is not sent again.
    """
    planner = _Planner(order, links, standing, articles)
    for position, raw in enumerate(record.extra["lines"]):
        if raw["ticked"] and "fault" in raw:
            planner.unreadable(raw, position)
        elif raw["ticked"]:
            planner.line(raw, known)
    return planner.plan()


class _Planner:
    """Sorts the ticked lines of one work order into what is added, changed, adopted and remarked on."""

    def __init__(
        self, order: LinkView, links: Sequence[LinkView], standing: Sequence[Line] | None, articles: set[str]
    ) -> None:
        self.articles = articles
        self.sent = {line_id(link): link for link in links}
        self.there = None if standing is None else {line.id for line in standing}
        taken = {_record_id(link) for link in links}
        self.free = [line for line in standing or () if line.id not in taken] if order.adopted else []
        self.add: list[Line] = []
        self.change: list[tuple[str, Line]] = []
        self.adopt: list[tuple[str, Line]] = []
        self.remarks: list[Remark] = []

    def unreadable(self, raw: Mapping[str, Any], position: int) -> None:
        """It may have been sent when it could still be read; then it is not unticked."""
        self.sent.pop(raw["id"], None)
        slot = raw["id"] or f"#{position}"
        self.remarks.append(Remark("line_unreadable", {"detail": raw["fault"], "slot": slot}, again=True))

    def line(self, raw: Mapping[str, Any], known: Known) -> None:
        """A ticked line that can be read."""
        line, rounded = _fitted(raw, known)
        link = self.sent.pop(line.id, None)
        if link is not None and not _differs(line, link):
            pass
        elif link is not None and self.there is not None and _record_id(link) not in self.there:
            self.remarks.append(Remark("line_gone", _shown(line)))
            return
        elif line.article not in self.articles and (link is None or _other_article(raw, link)):
            self.remarks.append(_unknown_article(raw))
            return
        elif link is not None:
            self.change.append((_record_id(link), line))
        elif twin := _equal(self.free, line):
            self.free.remove(twin)
            self.adopt.append((twin.id, line))
        else:
            self.add.append(line)
        self.remarks += [rounded] if rounded else []

    def plan(self) -> LinePlan:
        """What came of it; lines that were sent and are not ticked any more are remarked on as long as they stand."""
        for identity, link in self.sent.items():
            if self.there is None or _record_id(link) in self.there:
                base = link.crafter_base or {}
                line = Line(identity, base.get("article") or "-", base.get("quantity") or "-")
                self.remarks.append(Remark("line_unticked", _shown(line)))
        return LinePlan(tuple(self.add), tuple(self.change), tuple(self.adopt), tuple(self.remarks))


def recognise(sent: Sequence[Line], before: set[str], standing: Iterable[Line]) -> dict[str, Line]:
    """After an unclear outcome: Crafter line id → the line that stands there now and did not before."""
    free = [line for line in standing if line.id not in before]
    found: dict[str, Line] = {}
    for line in sent:
        if twin := _equal(free, line):
            free.remove(twin)
            found[line.id] = twin
    return found


def recognise_stored(sent: Sequence[Line], before: set[str], standing: Sequence[Line]) -> dict[str, Line]:
    """After a success, when each line must be there: what is left over may have been stored with another quantity."""
    found = recognise(sent, before, standing)
    taken = before | {line.id for line in found.values()}
    free = [line for line in standing if line.id not in taken]
    for line in sent:
        twin = next((one for one in free if one.article == line.article), None)
        if line.id not in found and twin is not None:
            free.remove(twin)
            found[line.id] = twin
    return found


def rounded(line: Line, quantity: str) -> Remark:
    """AccountView holds another quantity than the work order says."""
    return Remark("line_rounded", {**_shown(line), "rounded": quantity})


def wanted_articles(record: Record, links: Sequence[LinkView]) -> set[str]:
    """The article numbers that must be known before the lines can be planned."""
    sent = {line_id(link): link for link in links}
    return {
        line["article"]
        for line in ticked(record)
        if line["article"] and (line["id"] not in sent or _other_article(line, sent[line["id"]]))
    }


def crafter_key(work_order: str, line: str) -> str:
    """A line in Crafter as a link holds it: nobody says that line ids are unique among work orders."""
    return f"{work_order}/{line}"


def line_id(link: LinkView) -> str:
    """The Crafter line of a link."""
    return link.crafter.removeprefix(f"{link.parent}/")


def line_key(order_number: str, record_id: str) -> str:
    """A line's key in AccountView as a link holds it."""
    return f"{order_number}/{record_id}"


def read_standing(row: Mapping[str, Any]) -> Line:
    """A line as it stands on the sales order."""
    return Line(
        required(row.get("id"), "id"),
        code(row.get("article"), "article") or "",
        quantity(row.get("quantity"), "quantity") or "0",
    )


def _record_id(link: LinkView) -> str:
    return link.accountview.rpartition("/")[2]


def _fitted(raw: Mapping[str, Any], known: Known) -> tuple[Line, Remark | None]:
    made = fit.fit_quantity(raw["quantity"], known.columns(KIND, "quantity"))
    line = Line(raw["id"], raw["article"], made.value or "0")
    original = Line(raw["id"], raw["article"], raw["quantity"])
    return line, rounded(original, line.quantity) if made.remark else None


def _differs(line: Line, link: LinkView) -> bool:
    base = link.crafter_base or {}
    return (line.article, line.quantity) != (base.get("article"), base.get("quantity"))


def _other_article(raw: Mapping[str, Any], link: LinkView) -> bool:
    return bool(raw["article"] != (link.crafter_base or {}).get("article"))


def _shown(line: Line) -> dict[str, str]:
    return {"article": line.article, "quantity": line.quantity, "slot": line.id}


def _equal(lines: Sequence[Line], wanted: Line) -> Line | None:
    return next((one for one in lines if (one.article, one.quantity) == (wanted.article, wanted.quantity)), None)


def _unknown_article(raw: Mapping[str, Any]) -> Remark:
    line = Line(raw["id"], raw["article"] or "-", raw["quantity"])
    return Remark("article_unknown", {**_shown(line), "line": raw["description"] or "-"}, again=True)
