"""From two versions, a link, the answers and the policy to an action. Pure: every effect is in `write`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from avsync.records.kind import (
    DECIDED,
    MISSING,
    RETIRED,
    Change,
    End,
    Field,
    Hold,
    Kind,
    Known,
    Link,
    Match,
    Part,
    Planned,
    Policy,
    Refuse,
    Remark,
    Translated,
    Value,
    WaitFor,
    What,
    Write,
    as_meant,
    asks_of,
    in_order,
    known_as,
    spoken,
    translate,
    typed,
)
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Canonical,
    Record,
    Side,
    crafter_reference,
    of_other_company,
    other,
    squeeze,
)
from avsync.sync.merge import Conflict, Merged, Versions, merge

Told = Mapping[Side, Mapping[str, Canonical]]
WAITING = "waiting_for_parent"
HELD = "held"  # goes later, by itself
PARTED = "parted"  # its two halves are two records
KEPT, LATER = "kept", "later"  # not made: kept to be met, or looked at again in the next run
ALONE = "left_alone"  # until the person who said so takes it back


class Verb(StrEnum):
    """What happens to a record."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    SKIP = "skip"
    WAIT = "wait"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with one record, and why (`reason` is a word of the report, or the problem's code).

    `link`: the one it goes under; with id 0 it is still to be written down, in place of `replaces`. `told` holds at
    once, what the writes tell holds once they are done; nothing is told any more under `freed`. `pairs`: records it
    refers to that were found on both sides, and are linked with it. `lost`: a link that turned out to be gone. `match`:
    of a first meeting, or a question about one, with whom and by what; what it fills and replaces on either side stands
    with the writes; `choices`: of a question in a dry run, by the candidate's id what picking that one would write.
    `unfinished`: once it is done the record is planned again.
    """

    verb: Verb
    kind: Kind
    record: Record
    reason: str
    link: Link | None = None
    writes: tuple[Write, ...] = ()
    told: Told = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    partner: Record | None = None
    replaces: int = 0
    lost: Link | None = None
    unfinished: bool = False
    pairs: tuple[tuple[Record, Record], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    match: Match | None = None
    freed: tuple[str, ...] = ()
    choices: Mapping[str, tuple[Write, ...]] = field(default_factory=dict)

    @property
    def again(self) -> bool:
        """Whether the record must be planned again in every run, because a remark's cause lies elsewhere."""
        return any(remark.again for remark in self.remarks)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a first meeting goes by: the match, what AccountView no longer has although our mark names it, and the write
    of ours that made one of the two, where only its answer was lost."""

    match: Match = field(default_factory=Match)
    deleted: str = ""
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A write whose trace was found: the side it was made from, and what either side told then."""

    record_side: Side
    told: Told


def plan(
    kind: Kind, record: Record, link: Link | None, partner: Record | None, known: Known, meeting: Meeting
) -> Action:
    """Decide one version. Refusals and waits are actions too; nothing else is raised for what data does."""
    action = _plan(kind, record, link, partner, known, meeting)
    if action.match is not None:
        action = replace(action, match=replace(action.match, of=action.match.of or known_as(kind, record, known)))
    if not kind.facts:
        return action
    return replace(action, record=_with_facts(kind, action, link, known))


def _with_facts(kind: Kind, action: Action, link: Link | None, known: Known) -> Record:
    """The record as people know it; what only its Crafter half tells as well."""
    record, half = action.record, action.partner
    told = half.fields if half else link.told(CRAFTER) if link else {}
    if record.side == ACCOUNTVIEW and told:
        there = {one.name: told.get(one.name) for one in kind.fields}
        only = {name: there[name] or "" for name in kind.facts if kind.field(name).accountview is None}
        name = (half.name if half else kind.title(CRAFTER, there)) or record.name
        record = replace(record, name=name, facts={**record.facts, **only})
    return known_as(kind, record, known)


def _plan(
    kind: Kind, record: Record, link: Link | None, partner: Record | None, known: Known, meeting: Meeting
) -> Action:
    record, partner = as_meant(kind, record, link, known), partner and as_meant(kind, partner, link, known)
    try:
        for version in filter(None, (record, partner) if known.refused else ()):
            _see_all(kind, version, link, known)
        action = _decide(kind, record, link, partner, known, meeting)
    except Refuse as no:
        match = meeting.match if meeting.match.candidates or meeting.match.question else None
        match = Match((no.pair[1],), "number", against=no, of=no.pair[0]) if no.pair else match
        met = next(iter(meeting.match.candidates), None) if no.side else None
        record, partner = _where(no.side, record, partner or met)
        return Action(
            Verb.REJECT, kind, record, no.code, link, params=no.params, partner=partner, lost=no.lost, match=match
        )
    except WaitFor as wait:
        record, partner = _where(wait.side, record, partner)
        return Action(
            Verb.WAIT, kind, record, WAITING, link, params=wait.params, partner=partner,
            match=meeting.match if meeting.match.candidates else None,
        )  # fmt: skip
    except Hold:
        return Action(Verb.WAIT, kind, record, HELD, link, partner=partner)
    except Part:
        return Action(Verb.SKIP, kind, record, PARTED, link, partner=partner)
    return replace(action, pairs=_pairs(kind, record, known)) if action.writes else action


def _see_all(kind: Kind, record: Record, link: Link | None, known: Known) -> None:
    """Nothing is decided on what could not be looked at (behaviour 8)."""
    for ask in asks_of(kind, record, link, known):
        if ask in known.refused:
            raise Refuse("record_unavailable", **known.answers[ask].said)


def _where(side: Side | None, record: Record, half: Record | None) -> tuple[Record, Record | None]:
    """The half that it is told of, and the other."""
    return (half, record) if half is not None and half.side == side else (record, half)


def _pairs(kind: Kind, record: Record, known: Known) -> tuple[tuple[Record, Record], ...]:
    """What the record refers to, found on both sides without a link (behaviour 19): (AccountView's, Crafter's)."""
    found = [known.ref(one.ref, record.side, record.fields.get(one.name)) for one in kind.fields if one.ref]
    pairs = [in_order(one.here, one.there) for one in found if one.here is not None and one.there is not None]
    skipped = {(name, identity) for name, _, identity in known.decided.skipped}
    return tuple(pair for pair in pairs if not any((one.kind, one.id) in skipped for one in pair))


def _decide(
    kind: Kind, record: Record, link: Link | None, partner: Record | None, known: Known, meeting: Meeting
) -> Action:
    here = record if record.side == CRAFTER else partner
    foreign = of_other_company(here.reference, known.policy.company) if here else ""
    if foreign:
        raise Refuse("of_other_administration", company=foreign)
    whole = link is not None and bool(link.crafter and link.accountview)
    if known.decided.leaves(kind, record) and not whole and meeting.made is None:
        return Action(Verb.SKIP, kind, record, ALONE, link)
    for one in (record, partner) if kind.belongs_to else ():
        _wait_for_its_owner(kind, one, known)
    if kind.plan is None and link is not None and whole:
        return replace(_linked(kind, link, record, partner, known), partner=partner)
    written = kind.plan is not None and link is not None  # details went: what became of the record since is looked at
    fate = "drop" if record.absent else (kind.fate or kind.usual_fate)(record, known.policy)
    said = meeting.match.by == DECIDED  # by a person
    if not (written or said) and meeting.made is None and fate != "plan":
        reason = KEPT if fate == "keep" else "not_wanted"
        return Action(Verb.SKIP, kind, record, reason, replaces=link.id if link and kind.plan is None else 0)
    if kind.plan is not None:
        return _own(kind, record, link, kind.plan(record, link, known))
    if link is not None and link.gone:
        return Action(Verb.SKIP, kind, record, "gone", link)
    met = meeting.match.by in ("reference", DECIDED)
    if not met and kind.makeable is not None and not kind.makeable(record, known.policy):
        return Action(Verb.SKIP, kind, record, "not_wanted", replaces=link.id if link else 0)
    match, made = meeting.match, meeting.made
    alone = [one for one in match.candidates if known.decided.leaves(kind, one)]
    if alone and made is None:
        raise Refuse("candidate_left_alone", candidates=_all_of(_named(one) for one in alone))
    if match.sure or made and len(match.candidates) == 1 and not match.question:
        return _adopt(kind, record, match, link, known, made)
    if match.candidates or match.question:
        raise _question(match)
    if meeting.deleted:
        gone = Link(kind.name, {ACCOUNTVIEW: End(meeting.deleted), CRAFTER: End(record.id, record.fields)}, ACCOUNTVIEW,
                    adopted=True, gone=True)  # fmt: skip
        return Action(Verb.SKIP, kind, record, "gone", gone)
    named = kind.named(record, known) if kind.named else None
    if named is not None and not known.decided.keeps_apart(record, named):
        if known.decided.leaves(kind, named):
            raise Refuse("candidate_left_alone", candidates=_named(named))
        return _adopt(kind, record, Match((named,), "number"), link, known, made)
    for identity in known.decided.apart.get((kind.name, record.side, record.id), ()):
        there = known.of("record", kind.name, other(record.side), identity).here
        numbers = {there.id, *(there.fields.get(name) for name in kind.known_by)} if there else set()
        if record.key and record.key in {(one or "").upper() for one in numbers}:
            raise Refuse("key_kept_apart", parent_kind=kind.name, number=record.key)
    return _create(kind, record, known, link)


def _wait_for_its_owner(kind: Kind, record: Record | None, known: Known) -> None:
    """Nothing is written for what belongs to a record while it is unclear which that is (behaviour 36)."""
    of = kind.field(kind.belongs_to).ref
    owner = known.ref(of, record.side, record.owner) if record else MISSING
    if record is not None and owner.state == "unclear":
        raise WaitFor(of, record.side, record.owner, owner.accountview, owner.name)


def _all_of(names: Iterable[str]) -> str:
    """Each name once, with how many bear it."""
    return ", ".join(f"{name} ({count}×)" if count > 1 else name for name, count in Counter(names).items())


def _question(match: Match) -> Refuse:
    """What only a person can decide (behaviour 6); what speaks against a match is told where people work with it."""
    if match.against is not None and len(match.candidates) == 1 and not match.question:
        match.against.side = CRAFTER
        return match.against
    return Refuse("several_candidates", candidates=match.question or _all_of(map(_named, match.candidates)))


def _named(record: Record) -> str:
    return f"{record.key} {record.name}".strip()


def _own(kind: Kind, record: Record, link: Link | None, planned: Planned) -> Action:
    """What a kind with a plan of its own decided, as an action."""
    counts = planned.counts
    verb = next((verb for name, verb in _COUNTED.items() if counts.get(name)), None)
    reason = "checked" if planned.writes or not planned.remarks else planned.remarks[0].code
    params = planned.remarks[0].params if planned.remarks else {}
    return Action(
        verb or (Verb.REJECT if planned.remarks else Verb.SKIP), kind, record, reason, planned.link or link,
        planned.writes, planned.told, planned.remarks, params, counts=counts, freed=planned.freed,
    )  # fmt: skip


_COUNTED = {"created": Verb.CREATE, "updated": Verb.UPDATE, "adopted": Verb.ADOPT}


def _create(kind: Kind, record: Record, known: Known, link: Link | None) -> Action:
    """A record that has no counterpart on the other side is made there."""
    target = other(record.side)
    if target not in kind.made:
        return Action(Verb.SKIP, kind, record, _until(kind, record, known), link)
    values: dict[str, Value] = {}
    remarks: list[Remark] = []
    unsettled: set[str] = set()
    there: dict[str, Canonical] = {}
    for name, made in translate(kind, record, known).items():
        if not isinstance(made, Translated):
            raise made
        if made.remark:
            remarks.append(made.remark)
            unsettled |= {name} if made.remark.again else set()
        wanted = kind.field(name)
        column = wanted.crafter if target == CRAFTER else kind.column(wanted, "")
        there[name] = None if made.leave else made.value
        if column and made.value is not None and not made.leave:
            values[column] = typed(wanted, made.value, target)
    values |= kind.new(target, record, known) if kind.new else {}
    if target == CRAFTER:
        values["external_ref"] = record.mark
    else:
        values |= {"reference": record.mark} if kind.bears else {}
        values = {name: value for name, value in values.items() if (kind.table, name) not in known.absent}
    own = {name: value for name, value in record.fields.items() if name not in unsettled}
    told = {record.side: own, target: there}
    write = Write(target, None, values, tuple(sorted(values)), told, day=kind.booked_on({record.side: record.fields}))
    return Action(Verb.CREATE, kind, record, f"new_in_{record.side}", link, (write,), remarks=tuple(remarks))


def _until(kind: Kind, record: Record, known: Known) -> str:
    """What may not be made is kept to be met; while its owner is not linked, that may still tell more."""
    owner = known.ref(kind.field(kind.belongs_to).ref, record.side, record.owner) if kind.belongs_to else None
    return KEPT if owner is None or owner.link is not None else LATER


def _was_left(kind: Kind, record: Record) -> bool:
    """Whether it is the row that a line deleted in Crafter has left (behaviour 24)."""
    return record.side == ACCOUNTVIEW and bool(kind.taken_by) and record.alike == kind.left_as(record.fields)


def met(kind: Kind, av: Record, cr: Record, policy: Policy) -> Link:
    """The link of two that meet for the first time: the leading side never told any of its fields."""
    leads: Side = CRAFTER if policy.flows[kind.flow] == "export" else ACCOUNTVIEW
    first, second = (av, cr) if leads == ACCOUNTVIEW else (cr, av)
    missing = {*kind.blank(first), *(name for name in kind.names if first.fields.get(name) is None)}
    alone = {name for name in missing if second.fields.get(name) is not None}  # it still has to go across, or stay
    told: dict[Side, Mapping[str, Canonical] | None] = {leads: None}
    told[second.side] = {name: value for name, value in second.fields.items() if name not in alone}
    if _was_left(kind, av):  # ours, so what differs was corrected in Crafter
        told[CRAFTER] = dict(av.fields)
    marked = not kind.marked or cr.reference == av.mark  # until it is, its row must not count as known (behaviour 2)
    prints = {ACCOUNTVIEW: av.fingerprint, CRAFTER: cr.fingerprint if marked else ""}
    return Link(kind.name, {one.side: End(one.id, told[one.side], prints[one.side]) for one in (av, cr)}, leads,
                adopted=True)  # fmt: skip


def _adopt(kind: Kind, record: Record, match: Match, old: Link | None, known: Known, made: Made | None) -> Action:
    """Link the two. The leading side never told any of its fields, so its values win where it has any (behaviour 6);
    unless a write of ours made one of them, and only its answer was lost: then they do not meet for the first time."""
    (there,) = match.candidates
    if there.absent:
        _fits_whole(kind, record, known)
    av, cr = in_order(record, there)
    link = met(kind, av, cr, known.policy)
    if made is not None:
        ends = {side: replace(end, told=made.told[side]) for side, end in link.end.items()}
        origin = old.origin if old else made.record_side
        link = replace(link, end=ends, origin=origin, adopted=bool(old and old.adopted))
    silent = kind.silent(cr, link) if kind.silent else None
    if silent or record.absent:  # what happened to it while nobody knew that its write had gone (behaviour 44)
        link, remarks = replace(link, gone=record.absent), (silent,) if silent else ()
        action = Action(Verb.ADOPT, kind, record, "first_meeting", link, remarks=remarks)
    else:
        action = _pair(kind, link, av, cr, known)
        action = replace(action, record=record) if there.absent else action
    replaces = old.id if old else 0
    return replace(action, verb=Verb.ADOPT, reason="first_meeting", partner=there, replaces=replaces, match=match)


def _fits_whole(kind: Kind, record: Record, known: Known) -> None:
    """What is made of nothing goes whole or not at all, as a create does (behaviour 43)."""
    for made in translate(kind, record, known).values():
        if not isinstance(made, Translated):
            raise made


def _linked(kind: Kind, link: Link, record: Record, partner: Record | None, known: Known) -> Action:
    """A linked record: each side's edits go to the other, as far as the flow's direction allows."""
    if link.gone:
        return _gone(kind, link, record, known)
    av, cr = (record, partner) if record.side == ACCOUNTVIEW else (partner, record)
    remark = kind.silent(cr, link) if cr and kind.silent else None
    if remark:
        return Action(Verb.SKIP, kind, record, remark.code, link, remarks=(remark,))
    return _pair(kind, link, av, cr, known)


def _gone(kind: Kind, link: Link, record: Record, known: Known) -> Action:
    """Nothing is sent for what is gone in AccountView; where another has its key by now, that is said as soon as
    something would have to be (behaviour 36)."""
    number, retired, _ = link.accountview.partition(RETIRED)
    if retired and record.side == CRAFTER:
        told = link.told(CRAFTER)
        exported = [one.name for one in kind.fields if one.merged and kind.may_write(one, link, known.policy)[0]]
        if any(name in told and record.fields.get(name) != told[name] for name in exported):
            raise Refuse("key_of_another", number=number)
    return Action(Verb.SKIP, kind, record, "gone", link)


def _pair(kind: Kind, link: Link, av: Record | None, cr: Record | None, known: Known) -> Action:
    pair = _Pair(kind, link, av, cr, known)
    _ask_which(kind, link, av, pair.now, known)
    apart = kind.apart(link, pair.now, known) if kind.apart else None
    if apart is not None:
        apart.side = CRAFTER  # where people work with it
        raise apart
    if pair.moves and pair.now[ACCOUNTVIEW].fields.get(kind.counted_by) == "0":  # nothing is left where it was
        made = _create(kind, pair.now[CRAFTER], known, None)
        left = (kind.left_on_sheet(pair.now[CRAFTER], link, known),) if kind.left_on_sheet else ()
        return replace(made, replaces=link.id, remarks=(*made.remarks, *left))
    return pair.action()


def _ask_which(kind: Kind, link: Link, av: Record | None, now: Mapping[Side, Record], known: Known) -> None:
    """Where AccountView's row may be another record by now, a person says: they agree, or Crafter's lets go of the key
    (behaviour 36); or by a decision about the two."""
    if av is None or kind.identity is None or kind.question is None or kind.identity(av, link) != "unclear":
        return
    question = kind.question(link, now, known)
    if question is None or known.decided.picked.get((kind.name, ACCOUNTVIEW, av.id)) == link.crafter:
        return
    key, told = kind.known_by[0], link.told(CRAFTER).get(kind.known_by[0])
    if told is not None and now[CRAFTER].fields.get(key) != told and now[CRAFTER].key != av.key:
        raise Part
    if known.decided.keeps_apart(av, now[CRAFTER]):
        raise Part
    question.pair = av, now[CRAFTER]
    question.side = CRAFTER  # where people work with it
    raise question


class _Pair:
    """The two versions of one linked record. A side that sent no new version stands for what it told."""

    def __init__(self, kind: Kind, link: Link, av: Record | None, cr: Record | None, known: Known) -> None:
        self.kind, self.link, self.known = kind, link, known
        self.read: dict[Side, Record | None] = {ACCOUNTVIEW: av, CRAFTER: cr}
        self.now = {
            ACCOUNTVIEW: av or _remembered(kind, link, ACCOUNTVIEW, cr),
            CRAFTER: cr or _remembered(kind, link, CRAFTER, av),
        }
        self.made = {side: translate(kind, self.now[side], known) for side in (CRAFTER, ACCOUNTVIEW)}
        self.tried: dict[tuple[Side, str], Translated] = {}
        self.used: dict[tuple[Side, str], Translated] = {}
        self.stopped: list[Refuse | WaitFor] = []
        self.at: Side | None = None  # the side of the first of them
        self.edited_cuts: list[Remark] = []
        self.quiet: dict[Side, dict[str, Canonical]] = {ACCOUNTVIEW: {}, CRAFTER: {}}  # told without a write
        exported = kind.exported is None or kind.exported(link, self.now)
        may = {name: kind.may_write(kind.field(name), link, known.policy) for name in kind.names}
        self.may = {name: (exported and there, here) for name, (there, here) in may.items()}
        self.moves = self._moves()

    def translated(self, name: str, from_side: Side) -> Translated | None:
        """A field in the other side's terms; None when it cannot go, which stops that field alone (behaviour 43)."""
        made = self.made[from_side][name]
        if not isinstance(made, Translated):
            self.stopped.append(made)
            self.at = self.at or from_side
            return None
        self.used[from_side, name] = made
        return made

    def _moves(self) -> bool:
        """Whether it belongs on another sheet in AccountView than the one it stands on; a row stays where it is."""
        cr, kind = self.read[CRAFTER], self.kind
        made = {name: one.value for name, one in self.made[CRAFTER].items() if isinstance(one, Translated)}
        before = self.known.sheets(kind.table, self.now[ACCOUNTVIEW].fields)
        after = self.known.sheets(kind.table, made)
        mine = cr is not None and self.known.policy.writes(kind.flow, ACCOUNTVIEW)
        return mine and None not in (before, after) and before != after

    def _same(self) -> set[str]:
        """The fields of which both sides tell the same, as far as either can hold it."""
        return {
            one.name
            for one in self.kind.fields
            if one.merged and any(self._compares(one, side) for side in (CRAFTER, ACCOUNTVIEW))
        }

    def _compares(self, wanted: Field, side: Side) -> bool:
        """Whether a side's value, put in the other's terms, is what the other tells; a reference needs answers,
        which are asked for what is new and may be written."""
        if wanted.ref or wanted.list:
            can = self.read[side] is not None and self.known.policy.writes(self.kind.flow, other(side))
        else:
            can = self.read[side] is not None or (wanted.crafter is not None and wanted.name in self.link.told(side))
        made = self.made[side][wanted.name]
        if not can or not isinstance(made, Translated):
            return False
        self.tried[side, wanted.name] = made
        value = self.now[other(side)].fields.get(wanted.name)
        if made.leave:
            return side == ACCOUNTVIEW
        if wanted.type == "code":
            return (made.value or "").upper() == (value or "").upper()
        return made.value == value

    def action(self) -> Action:
        """Merge and build the writes."""
        kind, link = self.kind, self.link
        merged = merge(
            kind.names,
            self._versions(ACCOUNTVIEW),
            self._versions(CRAFTER),
            self._same().__contains__,
            self.may.__getitem__,
        )
        edited = {*merged.settled, *merged.to_crafter, *merged.to_accountview}
        self.used |= {key: made for key, made in self.tried.items() if key[1] in edited}
        writes = tuple(filter(None, (self._to_crafter(merged), self._to_accountview(merged))))
        if self.stopped and not writes:
            self.stopped[0].side = self.at
            raise self.stopped[0]
        settled = [name for name in merged.settled if not self._again(name)]
        remarks = tuple(self._remarks(merged))
        facts = [one.name for one in kind.fields if not one.merged]
        owed: dict[str, Canonical] = {remark.fact: None for remark in remarks if remark.fact}
        told = {
            side: {name: record.fields.get(name) for name in settled + (facts if self.read[side] else [])}
            | self.quiet[side]
            | owed
            for side, record in self.now.items()
        }
        booked = self.read[ACCOUNTVIEW] if CRAFTER in self.kind.changed else None  # else people know only Crafter's
        record = (self.read[self.at] if self.at else None) or booked or self.now[CRAFTER]
        if owed and not self.at:
            here = self.now[CRAFTER]  # told of one and the same half, whichever was read
            record = replace(here, key=here.key or self.now[ACCOUNTVIEW].key)
        first = any(end.told is None for end in link.end.values())
        verb = Verb.ADOPT if first else Verb.UPDATE if writes else Verb.SKIP
        reason = "first_meeting" if first else _reason(writes)
        moves = self.moves and bool(writes)
        return Action(verb, kind, record, reason, link, writes, told, remarks, unfinished=moves)

    def _versions(self, side: Side) -> Versions:
        """What AccountView owns is told anew each time, so that it is put back when Crafter changed it."""
        owned = [one.name for one in self.kind.fields if one.owner == side == ACCOUNTVIEW]
        now = self.now[side]
        return Versions(now.fields, self.link.end[side].told, self.kind.blank(now), owned)

    def _to_crafter(self, merged: Merged) -> Write | None:
        values: dict[str, Value] = {}
        told: dict[Side, dict[str, Canonical]] = {ACCOUNTVIEW: {}, CRAFTER: {}}
        sent: dict[str, Canonical] = {}
        for name in merged.to_crafter:
            made, wanted = self.translated(name, ACCOUNTVIEW), self.kind.field(name)
            if made is None or self._is_owed(wanted, made, ACCOUNTVIEW):
                continue
            if not made.leave and wanted.crafter and not self._is_cut(name):
                values[wanted.crafter] = typed(wanted, made.value, CRAFTER)
                told[CRAFTER][name] = made.value
                sent[name] = made.value
            told[ACCOUNTVIEW][name] = self.now[ACCOUNTVIEW].fields.get(name)
            told[CRAFTER].setdefault(name, self.now[CRAFTER].fields.get(name))
        read = self.read[CRAFTER]
        mark = crafter_reference(self.known.policy.company, self.kind.name, self.link.accountview)
        if read is not None and self.kind.marked and read.reference != mark:
            values["external_ref"] = mark
        for side, values_told in told.items() if not values else ():
            self.quiet[side] |= values_told
        if not values:
            return None
        changes = self._changes(sent, CRAFTER)
        lost = [one for one in merged.conflicts if one.field in sent]
        return Write(
            CRAFTER, self.link.crafter, values, tuple(values), told, seen=self._seen(merged.to_crafter, CRAFTER),
            changes=changes, remarks=(*self._conflicts(lost), *_replaced(changes, CRAFTER)),
        )  # fmt: skip

    def _conflicts(self, lost: Iterable[Conflict]) -> Iterable[Remark]:
        if self.known.policy.flows[self.kind.flow] == "both":
            for one in lost:
                wanted = self.kind.field(one.field)
                said = {"kept": spoken(wanted, one.kept, ACCOUNTVIEW, self.known) or None,
                        "lost": spoken(wanted, one.lost, CRAFTER, self.known) or None}  # fmt: skip
                yield Remark("conflict", {"field": one.field, **said})

    def _changes(self, sent: Mapping[str, Canonical], side: Side) -> tuple[Change, ...]:
        """What is written there of fields that the two never had in common: flags apart, nobody entered those."""
        across, there = other(side), self.now[side]
        blank, found = self.kind.blank(there), []
        for name, value in sent.items():
            wanted = self.kind.field(name)
            first = name not in self.link.told(across) or name not in self.link.told(side)
            if first and wanted.type != "flag":
                old, new = there.fields.get(name), value  # AccountView's numbers and codes are known to people
                if side == CRAFTER:
                    old, new = self._as_read(wanted, there), self._as_read(wanted, self.now[across])
                found.append(Change(name, None if name in blank else old, new))
        return tuple(found)

    def _as_read(self, wanted: Field, record: Record) -> Canonical:
        """A value as people read it, who know nothing of ids: the number or code in AccountView, and the name."""
        value, side = record.fields.get(wanted.name), record.side
        if value is None or not (wanted.ref or wanted.list):
            return value
        asked: tuple[What, ...] = ("row",) if wanted.list else ("link", "ref")
        answers = (self.known.of(what, wanted.ref or wanted.list, side, value) for what in asked)
        found = next((one for one in answers if one.accountview or one.name), MISSING)
        number = found.accountview or (value if side == ACCOUNTVIEW else "")
        return " ".join(dict.fromkeys(filter(None, (number, found.name)))) or "?"

    def _is_owed(self, wanted: Field, made: Translated, from_side: Side) -> bool:
        """Owed, not edited: nothing is emptied for it, and it is written once it can be, if the side across still shows
        what we left there; else somebody's choice stands, and the debt is over (behaviour 15)."""
        name, across = wanted.name, other(from_side)
        waits = bool(made.remark and made.remark.again)
        told, left = self.link.end[from_side].told, self.link.end[across].told
        refers = bool(wanted.ref or wanted.list)  # only that can be lacking there
        was_owed = refers and wanted.owner is None and told is not None and name not in told
        chosen = left is not None and name in left and self.now[across].fields.get(name) != left[name]
        if not chosen or not (waits or was_owed):
            return waits
        self.used.pop((from_side, name), None)
        for side in (from_side, across):
            self.quiet[side][name] = self.now[side].fields.get(name)
        return True

    def _is_cut(self, name: str) -> bool:
        """An edit of what AccountView holds cut: Crafter keeps its whole text, and the edit is told (behaviour 13)."""
        whole = self.made[CRAFTER][name]
        cut = isinstance(whole, Translated) and whole.remark is not None and whole.remark.code == "cut"
        there = self.link.told(ACCOUNTVIEW).get(name)
        if cut and isinstance(whole, Translated) and there is not None and there == whole.value:
            texts = {"kept": self.now[CRAFTER].fields.get(name), "lost": self.now[ACCOUNTVIEW].fields.get(name)}
            self.edited_cuts.append(Remark("cut_text_edited", {"field": name, **texts}))
            return True
        return False

    def _to_accountview(self, merged: Merged) -> Write | None:
        values: dict[str, Value] = {}
        told: dict[Side, dict[str, Canonical]] = {ACCOUNTVIEW: {}, CRAFTER: {}}
        for name in merged.to_accountview:
            wanted = self.kind.field(name)
            made, column = self.translated(name, CRAFTER), self.kind.column(wanted, self.link.accountview)
            if made is None or self._is_owed(wanted, made, CRAFTER):
                continue
            told[CRAFTER][name] = self.now[CRAFTER].fields.get(name)
            there = self.now[ACCOUNTVIEW].fields.get(name)
            protected = self.kind.protected is not None and self.kind.protected(wanted, there, self.known)
            if protected or made.leave or column is None:
                continue
            values[column] = typed(wanted, made.value, ACCOUNTVIEW)
            told[ACCOUNTVIEW][name] = made.value
        values |= self._mark_in_accountview()
        if not values:
            return None
        row = self.kind.row_key(self.link.accountview)
        if self.moves:
            return self._emptied(row)
        changes = self._changes(told[ACCOUNTVIEW], ACCOUNTVIEW)  # told there: just what is sent
        return Write(
            ACCOUNTVIEW, row, values, tuple(values), told,
            seen=self._seen(merged.to_accountview, ACCOUNTVIEW),
            day=self.kind.booked_on({side: record.fields for side, record in self.now.items()}),
            changes=changes, remarks=tuple(_replaced(changes, ACCOUNTVIEW)),
        )  # fmt: skip

    def _emptied(self, row: str) -> Write:
        """It is made on the sheet where it belongs once this one no longer counts it, nor bears its mark."""
        there = self.now[ACCOUNTVIEW].fields
        marked = self.kind.bears and (self.kind.table, "reference") not in self.known.absent
        counted = self.kind.counted_by
        values: dict[str, Value] = {counted: Decimal(0), **({"reference": None} if marked else {})}
        seen = {counted: there.get(counted)}
        told: Told = {ACCOUNTVIEW: {counted: "0"}, CRAFTER: {}}
        day = self.kind.booked_on({ACCOUNTVIEW: there, CRAFTER: self.now[CRAFTER].fields})
        return Write(ACCOUNTVIEW, row, values, tuple(values), told, seen=seen, day=day)

    def _mark_in_accountview(self) -> dict[str, Value]:
        """Where Crafter's record bears no mark, AccountView's must bear this one's and not that of one before it."""
        kind, av, cr = self.kind, self.read[ACCOUNTVIEW], self.read[CRAFTER]
        absent = (kind.table, "reference") in self.known.absent
        bears = kind.bears and not kind.marked and not absent and self.known.policy.writes(kind.flow, ACCOUNTVIEW)
        return {"reference": cr.mark} if bears and av and cr and cr.mark and av.reference != cr.mark else {}

    def _seen(self, names: Iterable[str], side: Side) -> dict[str, Canonical]:
        return {name: self.now[side].fields[name] for name in names if name in self.now[side].fields}

    def _again(self, name: str) -> bool:
        return any(
            made.remark is not None and made.remark.again for (_, field), made in self.used.items() if field == name
        )

    def _remarks(self, merged: Merged) -> Iterable[Remark]:
        yield from (made.remark for made in self.used.values() if made.remark and made.remark.again)
        yield from self._cuts(merged)
        yield from self.edited_cuts
        yield from self.kind.noted(self.link, self.now, self.known) if self.kind.noted else ()
        for no in self.stopped:
            code = no.code if isinstance(no, Refuse) else WAITING
            yield Remark(code, no.params, again=True)

    def _cuts(self, merged: Merged) -> Iterable[Remark]:
        """What AccountView cannot hold whole, said as long as it is so, whichever side told something new."""
        for one in self.kind.fields:
            if one.merged and one.type == "free" and self.may[one.name][0] and one.name not in merged.to_crafter:
                made = self.made[CRAFTER][one.name]
                if isinstance(made, Translated) and made.remark and not made.remark.again:
                    yield made.remark


def _replaced(changes: Iterable[Change], side: Side) -> Iterable[Remark]:
    """What a first meeting replaces is told once (behaviour 6); capitals and spaces that change are no loss."""
    lost = [one for one in changes if one.old is not None and squeeze(one.old) != squeeze(one.new)]
    if lost:
        slot = f"{side}:{','.join(one.field for one in lost)}"  # a field that could not go yet has its own day
        yield Remark("values_replaced", {"side": side, "changes": [list(one) for one in lost], "slot": slot})


def true_of(remark: Remark, fields: Collection[str]) -> Remark | None:
    """What remains of a write's remark when only these fields of it are known to have arrived."""
    if "changes" not in remark.params:
        return remark if remark.params.get("field") in fields else None
    arrived = [Change(*one) for one in remark.params["changes"] if one[0] in fields]
    return next(iter(_replaced(arrived, remark.params["side"])), None)


def _remembered(kind: Kind, link: Link, side: Side, like: Record | None) -> Record:
    """A side that sent nothing new still tells what it told last; the other version lends key and name."""
    told = link.told(side)
    key, name = (like.key, like.name) if like else ("", "")
    owner = told.get(kind.belongs_to) or ""
    return Record(kind.name, side, link.end[side].id, key, name, dict(told), owner=owner)


def _reason(writes: tuple[Write, ...]) -> str:
    if len(writes) == 2:
        return "changed_on_both"
    if not writes:
        return "in_step"
    return "changed_in_accountview" if writes[0].side == CRAFTER else "changed_in_crafter"


def rows_of(action: Action) -> Iterable[dict[str, Any]]:
    """An action as rows of a dry run's plan, one per direction in which something would be written."""
    record = action.record
    row: dict[str, Any] = {
        "flow": action.kind.flow, "direction": "import" if record.side == ACCOUNTVIEW else "export",
        "kind": record.kind, "side": record.side, "key": record.key or record.id, "name": record.name,
        "action": str(action.verb),
        "fields": [], "reason": action.reason, "params": dict(action.params),
    }  # fmt: skip
    for side in dict.fromkeys(write.side for write in action.writes):
        fields = [name for write in action.writes if write.side == side for name in write.fields]
        yield {**row, "direction": "import" if side == CRAFTER else "export", "fields": fields}
    if not action.writes:
        yield row
