"""The ticked lines of checked work orders, onto the linked sales order. A doubled line is a double invoice.

A record is all lines of one work order, one field for each. Its link joins them with the lines of the sales order: what
Crafter told is what was sent, what AccountView told is the REC_ID of each. AccountView's lines have no reference, so
those that stand on an order are read before any are added, and their ids kept with the write: after an unclear outcome
only lines outside that set count as ours (behaviour 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from avsync.records import fit
from avsync.records.kind import (
    Answer,
    Ask,
    End,
    Fate,
    Field,
    Kind,
    Known,
    Link,
    LookUp,
    Planned,
    Policy,
    Refuse,
    Remark,
    Row,
    Stored,
    WaitFor,
    Write,
    key_in,
)
from avsync.records.orders import CANCELLED, MADE_ON, customers_apart
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Canonical,
    Malformed,
    Record,
    Side,
    bare,
    code,
    quantity,
    required,
    text,
)

FLOW = "invoice"
CHECKED = "checked"
_STATUS = "status"  # the one field that is no line
_TICKED, _FAULT, _UNTICKED = "+", "!", "-"  # how a line's field begins
_TWICE = "id_twice"  # what is wrong with lines that have one id together


@dataclass(frozen=True, slots=True)
class Line:
    """A line as both sides know it; `id` is Crafter's line id or AccountView's REC_ID."""

    id: str
    article: str
    quantity: str
    description: str = ""

    @property
    def told(self) -> str:
        """What is remembered of it."""
        return f"{self.article}\t{self.quantity}"

    def params(self) -> dict[str, str]:
        """What a message says of it."""
        return {"article": self.article or "-", "quantity": self.quantity, "slot": self.id}


def _line(identity: str, told: str | None) -> Line:
    article, _, rest = (told or "").partition("\t")
    amount, _, description = rest.partition("\t")
    return Line(identity, article, amount, description)


def _fault(told: str) -> dict[str, str]:
    """What cannot be read of a line."""
    name, found, article = told.split("\t")
    return {"field": name, "found": found, "article": article}


# --- reading


def _of_the_row(found: list[Record], side: Side, row: Row) -> list[Record]:
    """The lines of a work order. Only what is ticked is judged, because the rest goes nowhere."""
    lines = row.get("lines") or []
    if not isinstance(lines, list):
        raise Malformed("lines", type(lines).__name__)
    record = found[0]
    read = _told_apart([_read_line(raw, position) for position, raw in enumerate(lines)])
    hidden = ("number", "own_number", "description", "made_at")
    kept = {name: value for name, value in record.fields.items() if name not in hidden}
    facts = {name: record.fields[name] or "" for name in ("number", "own_number")}
    return [replace(record, fields={**read, **kept}, mark="", reference="", facts=facts)]


def _told_apart(lines: Sequence[tuple[str, str]]) -> dict[str, str]:
    """By id. Of several under one id nobody can say which of them was sent: none goes, and each is said."""
    count, found = Counter(name for name, _ in lines), dict(lines)
    for name in [one for one in found if count[one] > 1]:
        ticked = [told for one, told in lines if one == name and told != _UNTICKED]
        articles = {told[1:].split("\t")[2 if told[0] == _FAULT else 0] for told in ticked}
        if ticked:
            found[name] = f"{_FAULT}{_TWICE}\t{count[name]}\t{', '.join(sorted(filter(None, articles)))}"
    return found


def _read_line(raw: object, position: int) -> tuple[str, str]:
    """The line's id, and what it says: of one that is ticked and cannot be read the fault, of one not ticked
    nothing."""
    if not isinstance(raw, dict):
        return f"#{position}", f"{_FAULT}lines\t?\t"
    name = str(raw.get("id") or f"#{position}")
    try:
        identity, amount = required(raw.get("id"), "id"), quantity(raw.get("quantity"), "quantity")
        if amount is None:
            raise Malformed("quantity", "-")
        article = code(bare(raw.get("article_number"), "article_number"), "article_number") or ""
        description = text(raw.get("description"), "description") or ""
    except Malformed as fault:
        legible = raw.get("article_number")
        article = legible if isinstance(legible, str) and legible.isprintable() else ""
        told = "\t".join((fault.field, fault.found, article))
        return name, f"{_FAULT}{told}" if raw.get("checked") is True else _UNTICKED
    ticked = raw.get("checked") is True
    return identity, f"{_TICKED}{article}\t{amount}\t{description}" if ticked else _UNTICKED


def read_standing(row: Row) -> Line:
    """A line as it stands on the sales order."""
    return Line(
        required(row.get("id"), "id"),
        code(row.get("article"), "article") or "",
        quantity(row.get("quantity"), "quantity") or "0",
    )


def _fate(record: Record, policy: Policy) -> Fate:
    """Only checked work orders are looked at, and those that were (behaviour 21)."""
    return "plan" if policy.writes(FLOW, ACCOUNTVIEW) and record.fields[_STATUS] == CHECKED else "drop"


# --- planning


def _asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """The order; then what stands on it and whether the articles are there, but only when something differs."""
    yield Ask("link", "order", CRAFTER, record.id)
    order = known.of("link", "order", CRAFTER, record.id)
    if not order.known and order.state != "gone":
        return
    lines = _Lines(record, order.link, link, known)
    if record.fields[_STATUS] != CHECKED:
        if lines.sent and order.known:
            yield Ask("details", "order_line", ACCOUNTVIEW, order.accountview)
        return
    yield from (Ask("row", "article", ACCOUNTVIEW, article) for article in lines.articles())
    if lines.differs() and order.known:
        yield Ask("details", "order_line", ACCOUNTVIEW, order.accountview)
        yield Ask("record", "order", ACCOUNTVIEW, order.accountview)
        yield Ask("record", "order", CRAFTER, record.id)
        for side, half in _halves(order, known).items():
            if customer := half.fields.get("customer"):
                yield Ask("ref", "customer", side, customer)


def _halves(order: Answer, known: Known) -> dict[Side, Record]:
    """The order on both sides, as far as it is known."""
    ids: list[tuple[Side, str]] = [(ACCOUNTVIEW, order.accountview), (CRAFTER, order.crafter)]
    found = [(side, known.of("record", "order", side, key).here) for side, key in ids]
    return {side: one for side, one in found if one is not None}


def _plan(record: Record, link: Link | None, known: Known) -> Planned:
    """Compare the ticked lines with what was sent and with what stands on the order.

    Lines of unknown articles and lines that are no longer ticked become remarks; nothing is ever removed, and what was
    deleted there is not sent again. Nothing is written for a work order that is not checked any more.
    """
    order = known.of("link", "order", CRAFTER, record.id)
    if order.state == "unclear":
        raise WaitFor("order", CRAFTER, record.id, order.accountview, order.name)
    if not order.known and order.state != "gone":
        if record.day < known.policy.start_date:  # older: nothing travels
            return Planned()
        raise Refuse("order_not_linked")  # somebody must see to it that there is an order (behaviour 21)
    if order.state == "gone" and order.link is not None and order.link.end[ACCOUNTVIEW].told is None:
        return Planned()  # deleted before the state was lost: who knows what was sent
    found = known.of("details", "order_line", ACCOUNTVIEW, order.accountview)
    if found.fault is not None:
        raise Refuse("unreadable", field=found.fault.field, found=found.fault.found)
    standing = [read_standing(row) for row in found.rows] if found.known else None
    lines = _Lines(record, order.link, link, known)
    if record.fields[_STATUS] != CHECKED:
        return Planned(remarks=tuple(lines.left_behind(order.accountview, standing or [])), link=link)
    halves = _halves(order, known)
    apart = customers_apart(order.accountview, halves, known) if len(halves) == 2 else None
    if apart is not None:
        raise apart
    planned = lines.plan(order.accountview, standing or [])
    changed = any(one.code == "line_gone" for one in planned.remarks)
    if (planned.writes or changed) and standing is None:  # there is something to write, and no order to write it on
        raise Refuse("order_closed", lost=None if order.state == "gone" else order.link, order=order.accountview)
    return planned


@dataclass(slots=True)
class _Work:
    """What is to be done on the order, and to be said of it. A pair is the REC_ID of a line there and what it becomes
    (`change`), or is already (`adopt`)."""

    add: list[Line] = field(default_factory=list)
    change: list[tuple[str, Line]] = field(default_factory=list)
    adopt: list[tuple[str, Line]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


class _Lines:
    """The ticked lines of one work order beside what was sent, under the ids that they have in Crafter now."""

    def __init__(self, record: Record, order: Link | None, link: Link | None, known: Known) -> None:
        self.record, self.order, self.link, self.known = record, order, link, known
        self.sent = dict(link.told(CRAFTER)) if link else {}
        self.ids = dict(link.told(ACCOUNTVIEW)) if link else {}
        self.lines = {name: told for name, told in record.fields.items() if name != _STATUS}
        self.former = self._former_ids()
        for new, old in self.former.items():
            self.sent[new], self.ids[new] = self.sent.pop(old), self.ids.pop(old, None)

    def _former_ids(self) -> dict[str, str]:
        """The new id of a line → the one it was sent under, where Crafter gave out its ids anew: that one is on the
        work order no more, and article and quantity are equal (behaviour 4)."""
        vanished: dict[Canonical, list[str]] = {}
        for name in self.sent.keys() - self.lines.keys():
            vanished.setdefault(self.sent[name], []).append(name)
        new = [line for line in self.ticked() if line.id not in self.sent] if vanished else []
        found: dict[str, str] = {}
        for line in new:
            if same := sorted(vanished.get(self._fitted(line)[0].told, ())):
                found[line.id] = same[0]
                vanished[self.sent[same[0]]].remove(same[0])
        return found

    def ticked(self) -> list[Line]:
        """The ticked lines that can be read."""
        return [_line(name, told[1:]) for name, told in self.lines.items() if told and told[0] == _TICKED]

    def _faulty(self) -> dict[str, str]:
        """The ticked lines that cannot, and what is wrong with them."""
        return {name: told[1:] for name, told in self.lines.items() if told and told[0] == _FAULT}

    def articles(self) -> set[str]:
        """The article numbers that must be known before the lines can be planned."""
        return {line.article for line in self.ticked() if line.article and self._new_article(line)}

    def _new_article(self, line: Line) -> bool:
        return line.id not in self.sent or _line(line.id, self.sent[line.id]).article != line.article

    def differs(self) -> bool:
        """Whether what stands on the order matters: something may be written, or a line that was sent is not ticked."""
        changed = any(self.sent.get(line.id) != self._fitted(line)[0].told for line in self.ticked())
        return changed or bool(self._unticked())

    def _unticked(self) -> list[Line]:
        """Those that were sent and are not ticked any more; one that cannot be read may well be."""
        gone = self.sent.keys() - {line.id for line in self.ticked()} - self._faulty().keys()
        return [_line(name, self.sent[name]) for name in self.sent if name in gone]

    def _fitted(self, line: Line) -> tuple[Line, Remark | None]:
        made = fit.fit_quantity(line.quantity, self.known.columns("order_line", "quantity"))
        fitting = replace(line, quantity=made.value or "0")
        return fitting, _rounded(line, fitting.quantity) if made.remark else None

    def plan(self, number: str, standing: Sequence[Line]) -> Planned:
        """What is added, changed, adopted and remarked on, given what stands on the order."""
        there = {line.id: line for line in standing}
        free, work = self._free(standing), _Work()
        for name, fault in self._faulty().items():
            said = _fault(fault)
            code = "lines_alike" if said["field"] == _TWICE else "line_unreadable"
            work.remarks.append(Remark(code, {**said, "slot": name}, again=True))
        for raw in self.ticked():
            line, rounded = self._fitted(raw)
            if line.id not in self.sent:
                no = self._new(raw, line, free, work)
            elif self.sent[line.id] != line.told:
                no = self._changed(raw, line, there.get(self.ids.get(line.id) or ""), work)
            else:
                no = None
            work.remarks += filter(None, [no or rounded])
        # said for as long as it stands there
        work.remarks += [Remark("line_unticked", one.params()) for one in self._unticked() if self.ids[one.id] in there]
        if work.adopt:
            counted = {"order": number, "lines": _named(line for _, line in work.adopt)}
            work.remarks.append(Remark("lines_counted", {**counted, "slot": " ".join(one for one, _ in work.adopt)}))
        return self._planned(number, sorted(there), work)

    def _free(self, standing: Sequence[Line]) -> list[Line]:
        """What may be ours although nothing here knows it: of an order that was met, or of a state that was lost."""
        adopted = self.order is not None and self.order.adopted
        return [line for line in standing if line.id not in self.ids.values()] if adopted else []

    def _new(self, raw: Line, line: Line, free: list[Line], work: _Work) -> Remark | None:
        """A line that was not sent yet, or why it is not sent."""
        if not self._is_article(raw):
            return _without_article(raw)
        twin = _equal(free, line)
        if twin is None:
            work.add.append(line)
        else:
            free.remove(twin)
            work.adopt.append((twin.id, line))
        return None

    def _changed(self, raw: Line, line: Line, there: Line | None, work: _Work) -> Remark | None:
        """A line that was sent otherwise; what somebody did to it there meanwhile stays (behaviour 42)."""
        if there is None:
            return Remark("line_gone", line.params())
        if there.told not in (self.sent[line.id], line.told):
            return Remark("line_edited", {**line.params(), "there": there.article, "number": there.quantity})
        if self._new_article(raw) and not self._is_article(raw):
            return _without_article(raw)
        work.change.append((there.id, line))
        return None

    def left_behind(self, number: str, standing: Sequence[Line]) -> list[Remark]:
        """What is said of a work order that is not checked any more although its lines went (behaviour 21). One that
        is cancelled is told as such (behaviour 20)."""
        there = {line.id for line in standing}
        left = [_line(name, told) for name, told in self.sent.items() if self.ids.get(name) in there]
        if not left or self.record.fields[_STATUS] == CANCELLED:
            return []
        return [Remark("order_unchecked", {"order": number, "lines": _named(left)})]

    def _is_article(self, line: Line) -> bool:
        return self.known.of("row", "article", ACCOUNTVIEW, line.article).known

    def _planned(self, number: str, before: list[str], work: _Work) -> Planned:
        """Lines to change and lines to add never share a request: the format is positional."""
        day = (self.order.told(ACCOUNTVIEW).get(MADE_ON[ACCOUNTVIEW]) if self.order else "") or self.record.day
        writes = [_write(number, day, before, [], work.change)] if work.change else []
        writes += [_write(number, day, before, work.add, [])] if work.add else []
        link = self.link
        if link is None and (writes or work.adopt):
            link = Link("order_line", {ACCOUNTVIEW: End(number, {}), CRAFTER: End(self.record.id, {})}, CRAFTER)
        counts = {"created": len(work.add), "updated": len(work.change), "adopted": len(work.adopt)}
        told = _told(work.adopt)
        for side, known in ((CRAFTER, self.sent), (ACCOUNTVIEW, self.ids)):
            told[side] |= {new: known[new] for new in self.former}
        return Planned(tuple(writes), told, tuple(work.remarks), link, counts, tuple(self.former.values()))


def _named(lines: Iterable[Line]) -> str:
    """Lines in a sentence."""
    return ", ".join(f"{line.article} ({line.quantity})" for line in lines)


def _without_article(line: Line) -> Remark:
    params = {**line.params(), "line": line.description or "-"}
    return Remark("article_unknown" if line.article else "article_missing", params, again=True)


def _rounded(line: Line, quantity: str) -> Remark:
    """AccountView holds another quantity than the work order says."""
    return Remark("line_rounded", {**line.params(), "rounded": quantity})


def _equal(lines: Iterable[Line], wanted: Line) -> Line | None:
    return next((one for one in lines if one.told == wanted.told), None)


def _told(pairs: Iterable[tuple[str, Line]]) -> dict[Side, dict[str, str | None]]:
    """What either side tells of lines that stand there, given their REC_IDs."""
    found = list(pairs)
    return {
        CRAFTER: {line.id: line.told for _, line in found},
        ACCOUNTVIEW: {line.id: record_id for record_id, line in found},
    }


def _write(
    number: str, day: str, before: Sequence[str], add: Sequence[Line], change: Sequence[tuple[str, Line]]
) -> Write:
    """One PUT; with `id` a line is changed, without it added (AccountView contract 4)."""
    rows = [{"id": record_id, **_values(line)} for record_id, line in change] + [_values(line) for line in add]
    detail = {
        "before": list(before),
        "add": [[line.id, line.article, line.quantity] for line in add],
        "change": [[record_id, line.id, line.article, line.quantity] for record_id, line in change],
    }
    articles = tuple(line.article for line in (*add, *(line for _, line in change)))
    counts = {"created": len(add), "updated": len(change)}
    return Write(ACCOUNTVIEW, number, {"lines": rows}, articles, {}, detail, counts, day=day)


def _values(line: Line) -> dict[str, Any]:
    return {"article": line.article, "quantity": Decimal(line.quantity)}


# --- after the write


def _parts(detail: Mapping[str, Any]) -> tuple[list[Line], list[tuple[str, Line]]]:
    return [Line(*one) for one in detail["add"]], [(one[0], Line(*one[1:])) for one in detail["change"]]


def _recognise(sent: Sequence[Line], others: set[str], standing: Iterable[Line]) -> dict[str, Line]:
    """Crafter line id → the line that stands there now and is none of the others."""
    free = [line for line in standing if line.id not in others]
    found: dict[str, Line] = {}
    for line in sent:
        if twin := _equal(free, line):
            free.remove(twin)
            found[line.id] = twin
    return found


def _saved(write: Write, rows: Sequence[Row]) -> Stored:
    """After a success, when each line must be there: what is left over may have been stored with another quantity."""
    detail = write.lines or {}
    add, change = _parts(detail)
    standing, before = [read_standing(row) for row in rows], set(detail["before"])
    found = _recognise(add, before, standing)
    taken = before | {line.id for line in found.values()}
    free = [line for line in standing if line.id not in taken]
    for line in add:
        twin = next((one for one in free if one.article == line.article), None)
        if line.id not in found and twin is not None:
            free.remove(twin)
            found[line.id] = twin
    stored = [(found[line.id].id, line) for line in add if line.id in found]
    otherwise = [_rounded(line, found[line.id].quantity) for line in add
                 if line.id in found and found[line.id].quantity != line.quantity]  # fmt: skip
    return Stored(_told([*stored, *change]), len(found) == len(add), tuple(otherwise))


def _look_up(detail: Mapping[str, Any], rows: Sequence[Row], link: Link | None) -> Stored:
    """Lines whose outcome nobody saw: only lines that did not stand there before, and that no link knows, count."""
    add, change = _parts(detail)
    standing = [read_standing(row) for row in rows]
    known = {record_id for record_id in (link.told(ACCOUNTVIEW).values() if link else ()) if record_id}
    found = _recognise(add, set(detail["before"]) | known, standing)
    there = {line.id: line for line in standing}
    changed = all(record_id in there and there[record_id].quantity == line.quantity for record_id, line in change)
    shows = len(found) == len(add) and changed
    told = [(found[line.id].id, line) for line in add if line.id in found] + (change if shows else [])
    return Stored(_told(told), shows)


def _split(write: Write) -> list[Write]:
    """Each line by itself, so that one bad line does not hold back the others."""
    detail = write.lines or {}
    add, change = _parts(detail)
    here = write.id or "", write.day, detail["before"]
    parts = [_write(*here, [], [one]) for one in change] + [_write(*here, [one], []) for one in add]
    return parts if len(parts) > 1 else []


def _fields(told: str) -> dict[str, Canonical]:
    line = _line("", told)
    return {"article": line.article, "quantity": line.quantity}


def _shown(record: Record, known: Known) -> Record:
    """Under the order's number, also when the work order was read before it had one: people know it by that."""
    order = known.of("link", "order", CRAFTER, record.id)
    if not order.accountview[:1].isalnum():
        return record
    return replace(record, key=order.accountview, facts={**record.facts, "number": order.accountview})


def _part(told: str) -> str:
    """A ticked line, or one that was sent; nothing of one that is not ticked or cannot be read."""
    if told.startswith((_UNTICKED, _FAULT)):
        return ""
    line = _line("", told.removeprefix(_TICKED))
    return f"{line.quantity} × {line.article or '-'} {line.description}".rstrip()


ORDER_LINE = Kind(
    name="order_line", flow=FLOW, id="id", known_by=("number", "own_number"), told_on="work_order",
    listed={CRAFTER: "order"}, marked=False, made=frozenset({ACCOUNTVIEW}), changed=frozenset({ACCOUNTVIEW}),
    fields=(
        Field(_STATUS, accountview=None, merged=False),
        Field("number", "code", accountview=None, crafter="order_number", merged=False),
        Field("own_number", accountview=None, crafter="number", merged=False),
        Field("description", accountview=None, merged=False),
        Field("made_at", "moment", accountview=None, crafter="created_at", merged=False),
    ),
    title=lambda side, fields: fields["description"] or fields["own_number"] or "", day=MADE_ON, read=_of_the_row,
    fate=_fate, asks=_asks, plan=_plan, saved=_saved, look_up=_look_up, split=_split, part=_part,
    values=_fields, shown=_shown, details_of="order", lists=("article",),
)  # fmt: skip

ARTICLE = LookUp("article", ACCOUNTVIEW, key_in("number"), {ACCOUNTVIEW: key_in("number")}, whole=False)

KINDS = (ORDER_LINE,)
LISTS = (ARTICLE,)
