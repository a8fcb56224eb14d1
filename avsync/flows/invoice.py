"""The ticked lines of checked work orders, onto the linked sales order. A doubled line is a double invoice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync import fit
from avsync.flows.orders import read_crafter as read_order
from avsync.flows.spec import Fate, Known, LinkView, Policy, Remark
from avsync.model import CRAFTER, Malformed, Record, code, quantity, required, text

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
    for lines that already stand there; `unticked`: links whose line is no longer ticked."""

    add: tuple[Line, ...] = ()
    change: tuple[tuple[str, Line], ...] = ()
    adopt: tuple[tuple[str, Line], ...] = ()
    remarks: tuple[Remark, ...] = field(default=())

    @property
    def writes(self) -> bool:
        """Whether AccountView must be written."""
        return bool(self.add or self.change)


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
        return {"fault": "?", "ticked": True}
    ticked = raw.get("checked") is True
    try:
        return {
            "id": required(raw.get("id"), "id"),
            "article": code(raw.get("article_number"), "article_number") or "",
            "description": text(raw.get("description"), "description") or "",
            "quantity": quantity(raw.get("quantity"), "quantity") or "0",
            "ticked": ticked,
        }
    except Malformed as error:
        return {"fault": str(error), "ticked": ticked}


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
    standing: Iterable[Line],
    articles: set[str],
    known: Known,
) -> LinePlan:
    """Compare the ticked lines with what was sent (`links`, by Crafter line id) and what stands on the order.

    On an adopted order an equal line that nobody sent counts as sent (behaviour 4). Lines of unknown articles and lines
    that are no longer ticked become remarks; nothing is ever removed.
    """
    sent = {link.crafter: link for link in links if not link.gone}
    taken = {_record_id(link) for link in links}
    free = [line for line in standing if line.id not in taken] if order.adopted else []
    add: list[Line] = []
    change: list[tuple[str, Line]] = []
    adopt: list[tuple[str, Line]] = []
    remarks = [Remark("line_unreadable", {"detail": one["fault"]}) for one in record.extra["lines"] if _faulty(one)]
    for raw in ticked(record):
        line, remark = _fitted(raw, known)
        remarks += [remark] if remark else []
        link = sent.pop(line.id, None)
        if link is not None:
            if _differs(line, link):
                change.append((_record_id(link), line))
        elif line.article not in articles:
            remarks.append(_unknown_article(raw))
        elif twin := _equal(free, line):
            free.remove(twin)
            adopt.append((twin.id, line))
        else:
            add.append(line)
    remarks += [_unticked(link) for link in sent.values()]
    return LinePlan(tuple(add), tuple(change), tuple(adopt), tuple(remarks))


def recognise(sent: Sequence[Line], before: set[str], standing: Iterable[Line]) -> dict[str, str]:
    """After an unclear outcome: Crafter line id → REC_ID for the lines that stand there now and did not before."""
    free = [line for line in standing if line.id not in before]
    found: dict[str, str] = {}
    for line in sent:
        if twin := _equal(free, line):
            free.remove(twin)
            found[line.id] = twin.id
    return found


def wanted_articles(record: Record, links: Sequence[LinkView]) -> set[str]:
    """The article numbers that must be known before the lines can be planned."""
    sent = {link.crafter for link in links}
    return {line["article"] for line in ticked(record) if line["article"] and line["id"] not in sent}


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


def _faulty(line: Mapping[str, Any]) -> bool:
    return "fault" in line and bool(line["ticked"])


def _fitted(raw: Mapping[str, Any], known: Known) -> tuple[Line, Remark | None]:
    made = fit.fit_quantity(raw["quantity"], known.columns(KIND, "quantity"))
    remark = Remark(made.remark, {"field": "quantity", "detail": made.detail}) if made.remark else None
    return Line(raw["id"], raw["article"], made.value or "0"), remark


def _differs(line: Line, link: LinkView) -> bool:
    base = link.crafter_base or {}
    return (line.article, line.quantity) != (base.get("article"), base.get("quantity"))


def _equal(lines: Sequence[Line], wanted: Line) -> Line | None:
    return next((one for one in lines if (one.article, one.quantity) == (wanted.article, wanted.quantity)), None)


def _unknown_article(raw: Mapping[str, Any]) -> Remark:
    article, name = raw["article"] or "-", raw["description"] or "-"
    return Remark("article_unknown", {"article": article, "line": name, "quantity": raw["quantity"]}, again=True)


def _unticked(link: LinkView) -> Remark:
    base = link.crafter_base or {}
    return Remark("line_unticked", {"article": base.get("article") or "-", "quantity": base.get("quantity") or "-"})
