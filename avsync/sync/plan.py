"""What an action tells: its remarks as the problems of its record, and itself as rows of a dry run's plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from avsync.records.kind import Field, Kind, Known, LinkView, Refuse, Remark, Translated, Value, WaitFor, typed
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, crafter_reference, other
from avsync.state.problems import Cause
from avsync.sync.merge import Merged, Versions, merge


class Verb(StrEnum):
    """What happens to a record."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    SKIP = "skip"
    WAIT = "wait"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Write:
    """One request: `values` in the target's neutral field names; `id` None creates. The bases hold once it is done."""

    side: Side
    id: str | None
    values: Mapping[str, Value]
    fields: tuple[str, ...]
    accountview_base: Mapping[str, Canonical] = field(default_factory=dict)
    crafter_base: Mapping[str, Canonical] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with one record, and why (`reason` is a row of reasons in the report, or the problem's code)."""

    verb: Verb
    kind: Kind
    record: Record
    reason: str
    link: LinkView | None = None
    writes: tuple[Write, ...] = ()
    accountview_base: Mapping[str, Canonical] = field(default_factory=dict)
    crafter_base: Mapping[str, Canonical] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    partner: Record | None = None

    @property
    def again(self) -> bool:
        """Whether the record must be planned again in every run, because a remark's cause lies elsewhere."""
        return any(remark.again for remark in self.remarks)


def plan_new(kind: Kind, record: Record, known: Known, link: LinkView | None = None) -> Action:
    """A record that has no counterpart on the other side is created there."""
    try:
        return _create(kind, record, known, link)
    except Refuse as refusal:
        return Action(Verb.REJECT, kind, record, refusal.code, link, params=refusal.params)
    except WaitFor as parent:
        return _wait(kind, record, link, parent)


def _create(kind: Kind, record: Record, known: Known, link: LinkView | None) -> Action:
    target = other(record.side)
    values: dict[str, Value] = {}
    remarks: list[Remark] = []
    unsettled: set[str] = set()
    told: dict[str, Canonical] = {}
    for wanted in kind.fields:
        made = _translate(kind, wanted, record, known)
        if made.remark:
            remarks.append(made.remark)
            unsettled |= {wanted.name} if made.remark.again else set()
        column = wanted.crafter if target == CRAFTER else kind.column(wanted, "")
        told[wanted.name] = None if made.leave else made.value
        if column and made.value is not None and not made.leave:
            values[column] = typed(wanted, made.value, target)
    own = {name: value for name, value in record.fields.items() if name not in unsettled}
    if target == CRAFTER:
        values |= kind.new_in_crafter(record, known)
        values["external_ref"] = crafter_reference(kind.name, record.id)
        write = Write(CRAFTER, None, values, tuple(sorted(values)), own, told)
    else:
        values |= kind.new_in_accountview(record, known)
        values = {name: value for name, value in values.items() if (kind.table, name) not in known.absent}
        write = Write(ACCOUNTVIEW, None, values, tuple(sorted(values)), told, own)
    return Action(Verb.CREATE, kind, record, f"new_in_{record.side}", link, (write,), remarks=tuple(remarks))


def plan_linked(kind: Kind, link: LinkView, av: Record | None, cr: Record | None, known: Known) -> Action:
    """A linked record: each side's edits go to the other, as far as the flow's direction allows."""
    record = av or cr
    assert record is not None  # noqa: S101 - one of the two is why we are here
    if link.gone:
        return Action(Verb.SKIP, kind, record, "gone", link)
    remark = kind.silent(cr, link) if cr else None
    if remark:
        return Action(Verb.SKIP, kind, record, remark.code, link, remarks=(remark,))
    try:
        return _Pair(kind, link, av, cr, known).action(record)
    except Refuse as refusal:
        return Action(Verb.REJECT, kind, record, refusal.code, link, params=refusal.params)
    except WaitFor as parent:
        return _wait(kind, record, link, parent)


def _wait(kind: Kind, record: Record, link: LinkView | None, parent: WaitFor) -> Action:
    params = {"parent_kind": parent.kind, "parent": parent.key or parent.name, "parent_name": parent.name}
    return Action(Verb.WAIT, kind, record, "waiting_for_parent", link, params=params)


def _translate(kind: Kind, wanted: Field, record: Record, known: Known) -> Translated:
    translate = kind.to_crafter if record.side == ACCOUNTVIEW else kind.to_accountview
    return translate(wanted, record, known)


class _Pair:
    """The two versions of one linked record. A side that sent no new version stands for its base."""

    def __init__(self, kind: Kind, link: LinkView, av: Record | None, cr: Record | None, known: Known) -> None:
        self.kind, self.link, self.known = kind, link, known
        self.av_read, self.cr_read = av, cr
        self.av = av or _remembered(kind, ACCOUNTVIEW, link.accountview, link.accountview_base, cr)
        self.cr = cr or _remembered(kind, CRAFTER, link.crafter, link.crafter_base, av)
        self.made: dict[tuple[Side, str], Translated] = {}

    def translated(self, name: str, from_side: Side) -> Translated:
        """A field in the other side's terms, made once."""
        key = (from_side, name)
        if key not in self.made:
            record = self.av if from_side == ACCOUNTVIEW else self.cr
            self.made[key] = _translate(self.kind, self.kind.field(name), record, self.known)
        return self.made[key]

    def same(self, name: str) -> bool:
        """Whether both sides tell the same, as far as either can hold it."""
        wanted = self.kind.field(name)
        av_now, cr_now = self.av.fields.get(name), self.cr.fields.get(name)
        return (
            self._can_compare(wanted, self.cr_read, self.link.crafter_base)
            and self._matches(wanted, name, CRAFTER, av_now)
        ) or (
            self._can_compare(wanted, self.av_read, self.link.accountview_base)
            and self._matches(wanted, name, ACCOUNTVIEW, cr_now)
        )

    def _can_compare(self, wanted: Field, read: Record | None, base: Mapping[str, Canonical] | None) -> bool:
        """Whether a side's value can be put in the other's terms; a reference needs parents, known for what is new."""
        plain = wanted.refers_to is None and wanted.crafter is not None
        return read is not None or (plain and wanted.name in (base or {}))

    def _matches(self, wanted: Field, name: str, from_side: Side, value: Canonical) -> bool:
        try:
            made = self.translated(name, from_side)
        except (Refuse, WaitFor):
            return False
        if made.leave:
            return from_side == ACCOUNTVIEW
        if wanted.type == "code":
            return (made.value or "").upper() == (value or "").upper()
        return made.value == value

    def action(self, record: Record) -> Action:
        """Merge and build the writes."""
        policy = self.known.policy
        merged = merge(
            self.kind.names,
            Versions(self.av.fields, self._base_of_accountview()),
            Versions(self.cr.fields, self.link.crafter_base),
            self.same,
            lambda name: self.kind.may_write(self.kind.field(name), self.link, policy),
        )
        writes = tuple(filter(None, (self._to_crafter(merged), self._to_accountview(merged))))
        settled = [name for name in merged.settled if not self._again(name)]
        first = self.link.accountview_base is None or self.link.crafter_base is None
        verb = Verb.UPDATE if writes else Verb.SKIP
        return Action(
            Verb.ADOPT if first else verb, self.kind, record, _reason(writes, first), self.link, writes,
            {name: self.av.fields.get(name) for name in settled}, {name: self.cr.fields.get(name) for name in settled},
            tuple(self._remarks(merged)),
        )  # fmt: skip

    def _base_of_accountview(self) -> Mapping[str, Canonical] | None:
        """What AccountView owns counts as told anew each time, so that it is put back when Crafter changed it."""
        base = self.link.accountview_base
        owned = {one.name for one in self.kind.fields if one.owner == ACCOUNTVIEW}
        return None if base is None else {name: value for name, value in base.items() if name not in owned}

    def _to_crafter(self, merged: Merged) -> Write | None:
        values: dict[str, Value] = {}
        av_base: dict[str, Canonical] = {}
        cr_base: dict[str, Canonical] = {}
        for name in merged.to_crafter:
            made, wanted = self.translated(name, ACCOUNTVIEW), self.kind.field(name)
            if not made.leave and wanted.crafter:
                values[wanted.crafter] = typed(wanted, made.value, CRAFTER)
                cr_base[name] = made.value
            if not (made.remark and made.remark.again):
                av_base[name] = self.av.fields.get(name)
                cr_base.setdefault(name, self.cr.fields.get(name))
        mark = crafter_reference(self.kind.name, self.link.accountview)
        if self.cr_read is not None and self.kind.name != "hour" and self.cr_read.reference != mark:
            values["external_ref"] = mark
        return Write(CRAFTER, self.link.crafter, values, tuple(values), av_base, cr_base) if values else None

    def _to_accountview(self, merged: Merged) -> Write | None:
        values: dict[str, Value] = {}
        av_base: dict[str, Canonical] = {}
        cr_base: dict[str, Canonical] = {}
        for name in merged.to_accountview:
            wanted = self.kind.field(name)
            made, column = self.translated(name, CRAFTER), self.kind.column(wanted, self.link.accountview)
            if self.kind.protected(wanted, self.av.fields.get(name), self.known) or made.leave or column is None:
                if not (made.remark and made.remark.again):
                    cr_base[name] = self.cr.fields.get(name)
                continue
            values[column] = typed(wanted, made.value, ACCOUNTVIEW)
            if not (made.remark and made.remark.again):
                av_base[name], cr_base[name] = made.value, self.cr.fields.get(name)
        return Write(ACCOUNTVIEW, self.link.accountview, values, tuple(values), av_base, cr_base) if values else None

    def _again(self, name: str) -> bool:
        return any(
            made.remark is not None and made.remark.again
            for (_, field_name), made in self.made.items()
            if field_name == name
        )

    def _remarks(self, merged: Merged) -> list[Remark]:
        remarks = [made.remark for made in self.made.values() if made.remark and made.remark.again]
        remarks += self._cuts(merged)
        both = self.known.policy.flows[self.kind.flow] == "both" and self.link.crafter_base is not None
        if both:
            remarks += [
                Remark("conflict", {"field": one.field, "kept": one.kept, "lost": one.lost}) for one in merged.conflicts
            ]
        return remarks

    def _exports(self, wanted: Field) -> bool:
        return self.kind.may_write(wanted, self.link, self.known.policy)[0]

    def _cuts(self, merged: Merged) -> list[Remark]:
        """What AccountView cannot hold whole, said as long as it is so, whichever side told something new."""
        made = [
            self.translated(one.name, CRAFTER)
            for one in self.kind.fields
            if one.type == "free" and self._exports(one) and one.name not in merged.to_crafter
        ]
        return [one.remark for one in made if one.remark and not one.remark.again]


def _remembered(
    kind: Kind, side: Side, identity: str, base: Mapping[str, Canonical] | None, like: Record | None
) -> Record:
    """A side that sent nothing new still tells what it told last."""
    key, name = (like.key, like.name) if like else ("", "")
    return Record(kind.name, side, identity, key, name, dict(base or {}), parent=_parent(side, base, like))


def _parent(side: Side, base: Mapping[str, Canonical] | None, like: Record | None) -> str:
    return (base or {}).get("customer") or (like.parent if like and like.side == side else "")


def _reason(writes: tuple[Write, ...], first: bool) -> str:
    if first:
        return "first_meeting"
    if len(writes) == 2:
        return "changed_on_both"
    if not writes:
        return "in_step"
    return "changed_in_accountview" if writes[0].side == CRAFTER else "changed_in_crafter"


def causes_of(action: Action) -> list[Cause]:
    """A record's remarks as warnings."""
    return [
        Cause(one.code, "warning", one.params, str(one.params.get("field") or one.params.get("article") or ""))
        for one in action.remarks
    ]


def report_rows(action: Action, flow: str) -> Iterable[dict[str, Any]]:
    """An action as rows of the plan, one per direction in which something would be written."""
    record = action.record
    direction = "import" if record.side == ACCOUNTVIEW else "export"
    row: dict[str, Any] = {"flow": flow, "direction": direction, "kind": record.kind,
           "key": record.key or record.id, "name": record.name, "action": str(action.verb), "fields": [],
           "reason": action.reason, "params": dict(action.params)}  # fmt: skip
    writes: tuple[Write, ...] = action.writes
    if not writes:
        yield row
    for write in writes:
        towards = "import" if write.side == CRAFTER else "export"
        yield {**row, "direction": towards, "fields": list(write.fields)}
