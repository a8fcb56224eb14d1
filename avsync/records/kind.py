"""How a kind of record is declared, and the values that planning hands around. Pure.

A kind is one declaration: its fields with their name and type on each side, what they refer to, who may write what, its
listings, its mark, where its problems are told, and as small functions the few decisions that are its own. Reading,
references, rights and look-ups follow from it; no other module lists kinds or compares a kind's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from avsync.records import fit
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    LEFT,
    Canonical,
    Malformed,
    Record,
    Side,
    amsterdam_day,
    bare,
    code,
    crafter_reference,
    other,
    text,
)

FieldType = Literal["line", "bare", "name", "free", "code", "date", "quantity", "flag", "moment"]
Direction = Literal["off", "import", "export", "both"]
Fate = Literal["plan", "keep", "drop"]
Verdict = Literal["same", "other", "unclear"]  # is a row under a known key still the record it was (behaviour 36)
Value = str | Decimal | date | bool | None
Row = Mapping[str, Any]
SAME = ""  # the neutral name on that side is the field's own
DECIDED = "decision"  # by what two meet that a person has said are one
RETIRED = "\u2020"  # what stands behind a key that was given out again, of the link that had it before
BOTH: tuple[Side, ...] = (ACCOUNTVIEW, CRAFTER)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the config says, as planning needs it. `today` is the day in Europe/Amsterdam, handed in."""

    flows: Mapping[str, Direction]
    start_date: str
    today: str
    time_codes: Mapping[str, str] = field(default_factory=dict)
    open_statuses: frozenset[str] = frozenset()
    debtor_account: str = ""
    default_project_type: str = ""
    new_project_status: str = ""
    company: str = ""

    def writes(self, flow: str, side: Side) -> bool:
        """Whether the flow may write to this side."""
        return self.flows[flow] in ("both", "import" if side == CRAFTER else "export")


# --- what planning asks, and what it is told


What = Literal["ref", "link", "record", "children", "row", "details"]


class Ask(NamedTuple):
    """A question that planning cannot answer itself; `key` is the side's own id or key.

    `ref`: what a record is on the other side; `link`: as far as our own state knows. `record`: its newest version on
    its own side. `children`: what belongs to it. `row`: a row of a list that is looked up and never linked. `details`:
    the detail rows that stand under it.
    """

    what: What
    kind: str
    side: Side
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a record: `linked`, `found` (by look-up only), `coming` (its flow will still bring it), `gone`
    (deleted in AccountView), `unclear` (a person must say whether its two halves are still one), `missing`, `several`,
    `unavailable` (AccountView answered with an error, `said`), `unasked` (this installation has no such list), `former`
    (a list had it under this name), `buried` (deleted in Crafter, which still tells who it was).

    `there` is the version that a look-up showed on the side across, `here` the one on the asker's side.
    """

    state: str = "missing"
    accountview: str = ""
    crafter: str = ""
    name: str = ""
    here: Record | None = None
    there: Record | None = None
    link: Link | None = None
    records: tuple[Record, ...] = ()
    rows: tuple[Row, ...] = ()
    fault: Malformed | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether it can be referred to on either side."""
        return self.state in ("linked", "found", "buried")


MISSING = Answer()


@dataclass(frozen=True, slots=True)
class Decided:
    """What people have decided, by kind, side and id: from whom across a record is kept `apart`, with whom it is one
    (`picked`), and who is `skipped`, left alone until that is taken back."""

    apart: Mapping[tuple[str, Side, str], frozenset[str]] = field(default_factory=dict)
    picked: Mapping[tuple[str, Side, str], str] = field(default_factory=dict)
    skipped: frozenset[tuple[str, Side, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.apart or self.picked or self.skipped)

    def keeps_apart(self, one: Record, two: Record) -> bool:
        """Whether these two never meet."""
        return two.id in self.apart.get((one.kind, one.side, one.id), ())

    def leaves(self, kind: Kind, record: Record) -> bool:
        """Whether the record is left alone, or what it is a part of, or whom it belongs to."""
        if not self.skipped:
            return False
        names = [(kind.name, record.id), (kind.details_of, record.id)]
        names += [(kind.field(kind.belongs_to).ref, record.owner)] if kind.belongs_to else []
        return any((name, record.side, identity) in self.skipped for name, identity in names)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything planning may go by: the policy, the answers, AccountView's columns and those it does not have, on
    which sheet a row with these values stands (None: on none), the moment by Crafter's clock (empty when unknown), and
    what people have decided.
    """

    policy: Policy
    answers: Mapping[Ask, Answer] = field(default_factory=dict)
    columns: Callable[[str, str], fit.Column] = field(default=lambda kind, column: fit.Column())
    absent: frozenset[tuple[str, str]] = frozenset()
    sheets: Callable[[str, Mapping[str, Canonical]], object] = field(default=lambda kind, values: None)
    refused: frozenset[Ask] = frozenset()  # what AccountView answered with an error
    now: str = ""
    decided: Decided = field(default_factory=Decided)

    def of(self, what: str, kind: str, side: Side, key: Canonical) -> Answer:
        """The answer; missing when it was not asked, or there is no key to ask for."""
        return self.answers.get((what, kind, side, key), MISSING) if key else MISSING  # type: ignore[call-overload]

    def ref(self, kind: str, side: Side, key: Canonical) -> Answer:
        """What this record is on the other side."""
        return self.of("ref", kind, side, key)


# --- links


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link: the id there, what that side told when the two were last in step (None: they never met), and
    the fingerprint of the row last taken in."""

    id: str = ""
    told: Mapping[str, Canonical] | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Which record here is which record there. `id` 0: not written down yet. `origin`: the side it was made on
    first."""

    kind: str
    end: Mapping[Side, End]
    origin: Side
    id: int = 0
    adopted: bool = False
    gone: bool = False

    @property
    def accountview(self) -> str:
        """The key in AccountView, empty while it has none."""
        return self.end[ACCOUNTVIEW].id

    @property
    def crafter(self) -> str:
        """The id in Crafter, empty while it has none."""
        return self.end[CRAFTER].id

    def told(self, side: Side) -> Mapping[str, Canonical]:
        """What one side told last, empty when they never met."""
        return self.end[side].told or {}


# --- outcomes of a decision


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning that goes with a record. `again`: its cause lies elsewhere, so the record is planned anew every run;
    `fact`: what counts as not told while it is so, which keeps the record there in a full pass as well."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    fact: str = ""


class Refuse(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """This record cannot go as it stands; `code` is a row of problems.yaml, `lost` a link that turned out to be
    gone."""

    def __init__(self, code: str, lost: Link | None = None, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params
        self.lost = lost
        self.side: Side | None = None  # where it must be mended, when not where the record was read
        self.pair: tuple[Record, Record] | None = None  # of a question whether these two are one


class WaitFor(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """What this record refers to is not there yet: on `asker`'s side it is `identity`, and people know it by key or
    name."""

    def __init__(self, kind: str, asker: Side, identity: str, key: str, name: str = "") -> None:
        super().__init__(kind, identity)
        self.params = {
            "parent_kind": kind, "parent": key or name, "parent_name": name,
            "parent_side": asker, "parent_id": identity, "parent_key": key or identity,
        }  # fmt: skip
        self.side: Side | None = None


class Part(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """What was linked is two records, a person has said: AccountView's gets a counterpart of its own."""


class Hold(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """This record goes later, by itself: it is counted as waiting, and nobody is told."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A value in the other side's terms. `leave`: the other side's value stays as it is."""

    value: Canonical
    remark: Remark | None = None
    leave: bool = False


class Change(NamedTuple):
    """What a first meeting does to a field of one side: it is filled where `old` is None, else replaced. Both values
    as people read them."""

    field: str
    old: Canonical
    new: Canonical


@dataclass(frozen=True, slots=True)
class Write:
    """One request: `values` in the target's neutral names; `id` (in AccountView the row's key) None creates. `told`
    holds once it is done, and only then `remarks` are true; `changes`: what of it comes of a first meeting.

    `lines`: what a look-up needs afterwards where the record's details are written, not the record itself. `day`: the
    one it stands under in the books, empty for a record without (behaviour 52).
    """

    side: Side
    id: str | None
    values: Mapping[str, Any]
    fields: tuple[str, ...]
    told: Mapping[Side, Mapping[str, Canonical]]
    lines: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, Canonical] = field(default_factory=dict)  # what an update would replace, as it was planned
    day: str = ""
    changes: tuple[Change, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """What a kind with a plan of its own decided. `told` holds at once, and nothing is told under the names in `freed`
    any more; `link`: the one it is written under; `counts`: how many things it makes, changes and adopts. Of several
    writes one goes at a time, and then the record is planned again."""

    writes: tuple[Write, ...] = ()
    told: Mapping[Side, Mapping[str, Canonical]] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    link: Link | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    freed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """What stands there after a write of details: `told` of what was found, whether all of it `shows`, and remarks."""

    told: Mapping[Side, Mapping[str, Canonical]]
    shows: bool
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """What a first meeting found, and by what (`reference`, `number`, `name`, …). More than one, a `question`, or
    something that speaks `against` it, is for a person to decide. `of`: whose counterpart was looked for."""

    candidates: tuple[Record, ...] = ()
    by: str = ""
    question: str = ""
    against: Refuse | None = None
    of: Record | None = field(default=None, compare=False)

    @property
    def sure(self) -> bool:
        """Whether nobody need be asked."""
        return len(self.candidates) == 1 and not self.question and self.against is None


class Over(NamedTuple):
    """What a field is taken from where the record has none of its own: the same field of another record in Crafter.

    `kind` of that record, the field that names it, and the field that holds the record's own.
    """

    kind: str
    by: str
    own: str


Versions = Mapping[Side, Record]  # both halves, as read or as last told
Look = Callable[[str, Side, str, str], list[Record]]  # kind, side, column, value: free records of that side
Translate = Callable[[Canonical, Record, Known], Translated]


# --- the declaration


@dataclass(frozen=True, repr=False, eq=False)  # of each there is one
class Field:
    """One field of a kind: its neutral name on each side (None: there is no such field there), its type, what it is.

    `line`, `bare` (what people paste) and `name` must fit or are refused, `free` may be cut; a `line` that refers to
    something is a key.
    """

    name: str
    type: FieldType = "line"
    accountview: str | None = SAME
    crafter: str | None = SAME
    ref: str = ""  # the kind it refers to
    names: str = ""  # the kind whose id it is, where it refers to nothing across
    list: str = ""  # the list it is looked up in
    against: str = ""  # AccountView's list that what was looked up must be in
    over: Over | None = None  # Crafter's is taken from another record
    owner: Side | None = None  # the side whose value is always handed on, whatever the flow's direction
    needed: tuple[Side, ...] = ()  # sides on which a row without it cannot be read
    instead: str = ""  # the field that stands in for it where AccountView's is empty
    only: tuple[str, ...] = ()  # Crafter's words for it
    merged: bool = True  # else it is read, but never written
    fixed: bool = False  # given on creation, never changed
    used: Callable[[Policy], bool] | None = None  # whether its flow needs AccountView's column, where not always
    empty: str = ""  # the problem when there is nothing to send to Crafter
    writes: Callable[[Link, Policy], tuple[bool, bool]] | None = None  # who may be written, where it decides for itself
    to_accountview: Translate | None = None
    to_crafter: Translate | None = None

    def __post_init__(self) -> None:
        for side in BOTH:
            if getattr(self, side) == SAME:
                object.__setattr__(self, side, self.name)

    def on(self, side: Side) -> str | None:
        """Its neutral name on a side."""
        return self.accountview if side == ACCOUNTVIEW else self.crafter


@dataclass(frozen=True, repr=False, eq=False)
class Kind:
    """One kind of record: what it is made of, where it stands, and the few decisions that are its own. All pure."""

    name: str
    flow: str
    fields: tuple[Field, ...]
    title: Callable[[Side, Mapping[str, Canonical]], Canonical]  # what people call it

    # where it stands
    id: str = "number"  # AccountView's key column
    known_by: tuple[str, ...] = ()  # what people know a Crafter record by: the first field that is filled, `id` its id
    listed: Mapping[Side, str] = field(default_factory=dict)  # the listing whose rows hold it, where not its own
    within: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # one row of AccountView's holds several
    details_of: str = ""  # the kind whose detail rows they are in AccountView
    belongs_to: str = ""  # the field that names its owner
    facts: tuple[str, ...] = ()  # the fields that tell people which it is, where key and name do not
    told_on: str = ""  # whose tijdlijn its problems belong in: its own, or its owner's
    told_first: tuple[tuple[str, str], ...] = ()  # (whose, field) where rather, if the record names one
    changed_at: bool = True  # AccountView tells when it was changed
    recent: bool = False  # AccountView keeps them for ever: read only to recognise what is ours
    optional: bool = False  # AccountView may lack the module
    findable: bool = True  # Crafter can be asked for one by its key
    awaited: bool = False  # its flow brings every one of them, so a missing one is waited for
    lists: tuple[str, ...] = ()  # what it looks up besides its fields

    # what may be done with it
    made: frozenset[Side] = frozenset(BOTH)  # sides it may be created on
    changed: frozenset[Side] = frozenset(BOTH)  # sides it may be changed on
    exported: Callable[[Link, Versions], bool] | None = None  # which may be changed in AccountView, where not all may
    marked: bool = True  # in Crafter it carries our reference
    bears: bool = False  # and in AccountView, where there is a column
    day: Mapping[Side, str] = field(default_factory=dict)  # the field that start_date is compared with
    configured: Callable[[Policy], Iterable[tuple[str, str, str]]] | None = None  # (column, key of the config, value)

    # its own decisions
    alike: Callable[[Side, Mapping[str, Canonical]], str] | None = None  # by which two are alike without mark and key
    read: Callable[[list[Record], Side, Row], list[Record]] | None = None  # what else a row says of its records
    vacant: Callable[[Mapping[str, Canonical]], bool] | None = None  # what AccountView told of it is nothing at all
    fate: Callable[[Record, Policy], Fate] | None = None  # of a record without a link
    makeable: Callable[[Record, Policy], bool] | None = None  # whether it may be made across, and not only met there
    late: Callable[[Record], bool] | None = None  # written after the others
    asks: Callable[[Record, Link | None, Known], Iterable[Ask]] | None = None  # besides what its fields refer to
    match: Callable[[Record, Look, Known], Match] | None = None  # a first meeting, where not by key
    named: Callable[[Record, Known], Record | None] | None = None  # the one across that a person named
    shown: Callable[[Record, Known], Record] | None = None  # as people know it by now
    silent: Callable[[Record, Link], Remark | None] | None = None  # why nothing more is sent for it
    left: Callable[[Record, Link, Known], Remark] | None = None  # what is said of its row once it is deleted in Crafter
    left_on_sheet: Callable[[Record, Link, Known], Remark] | None = None  # and of it when it moved to another sheet
    counted_by: str = ""  # what is 0 then: how much a row on a sheet counts for
    taken_by: tuple[str, ...] = ()  # a new record that is equal in these fields takes that row over
    identity: Callable[[Record, Link], Verdict] | None = None  # of a row under a known key, by what it told before
    unlike: Callable[[Record, Record, Known], Refuse | None] | None = None  # of two that met by a mark
    question: Callable[[Link, Versions, Known], Refuse | None] | None = None  # where unclear; None once it is answered
    apart: Callable[[Link, Versions, Known], Refuse | None] | None = None  # why its two halves are not one record
    noted: Callable[[Link, Versions, Known], Iterable[Remark]] | None = None  # what is to be said of a linked one
    protected: Callable[[Field, Canonical, Known], bool] | None = None  # AccountView's value is left as it is
    new: Callable[[Side, Record, Known], dict[str, Value]] | None = None  # what else goes along on creation
    moved: Callable[[Record, Link, Iterable[Record], Known], bool] | None = (
        None  # is it a linked one's under a new key?
    )
    twin: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None  # how one that we made is looked for
    same: Callable[[Record, Mapping[str, Any], Mapping[str, Any], str], bool] | None = None  # and recognised

    # of a kind whose records are written as details of another
    plan: Callable[[Record, Link | None, Known], Planned] | None = None
    saved: Callable[[Write, Sequence[Row]], Stored] | None = None
    look_up: Callable[[Mapping[str, Any], Sequence[Row], Link | None], Stored] | None = None
    split: Callable[[Write], list[Write]] | None = None
    part: Callable[[str], str] | None = None  # how people read one of the details
    values: Callable[[str], dict[str, Canonical]] | None = None  # what is remembered of one, field by field

    @property
    def table(self) -> str:
        """The AccountView kind of the schema whose rows hold it."""
        return self.listed.get(ACCOUNTVIEW, self.name)

    @property
    def resource(self) -> str:
        """The Crafter resource that holds it."""
        return self.listed.get(CRAFTER, self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are merged, in order."""
        return tuple(one.name for one in self.fields if one.merged)

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(one for one in self.fields if one.name == name)

    def blank(self, record: Record) -> frozenset[str]:
        """The fields of which the record has no value but a stand-in: a project's code where it has no name."""
        stand_ins = {one.name: one.instead for one in self.fields if one.instead and record.side == ACCOUNTVIEW}
        told = record.fields
        return frozenset(name for name, instead in stand_ins.items() if told.get(name) == told.get(instead))

    def column(self, wanted: Field, identity: str) -> str | None:
        """The neutral AccountView column of a field; where a row holds several, that depends on which it is."""
        return self.within[identity.rpartition(":")[2]].get(wanted.name) if self.within else wanted.accountview

    def comes(self, record: Record, policy: Policy) -> bool:
        """Whether its flow will make it across."""
        fate = (self.fate or self.usual_fate)(record, policy)
        return fate == "plan" and (self.makeable is None or self.makeable(record, policy))

    def usual_fate(self, record: Record, policy: Policy) -> Fate:
        """A record without a link is made across where the flow may do that, else kept to be met."""
        across = other(record.side)
        return "plan" if across in self.made and policy.writes(self.flow, across) else "keep"

    def may_write(self, wanted: Field, link: Link, policy: Policy) -> tuple[bool, bool]:
        """Whether (AccountView, Crafter) may be written for a linked record: by the flow's direction, unless the field
        decides for itself; a field that a side owns is handed on by its owner, whatever the direction."""
        if wanted.owner is not None:
            return wanted.owner == CRAFTER, wanted.owner == ACCOUNTVIEW
        if wanted.fixed:
            return False, False
        if wanted.writes is not None:
            return wanted.writes(link, policy)
        exports = ACCOUNTVIEW in self.changed and self.column(wanted, link.accountview) is not None
        imports = CRAFTER in self.changed and wanted.crafter is not None
        return (
            exports and policy.writes(self.flow, ACCOUNTVIEW),
            imports and policy.writes(self.flow, CRAFTER),
        )

    def left_as(self, values: Mapping[str, Canonical]) -> str:
        """`alike` of what it has left in AccountView, by the values there; empty where nothing takes that over."""
        return LEFT + "|".join(values.get(name) or "" for name in self.taken_by) if self.taken_by else ""

    def otherwise(self, record: Record) -> str:
        """What people know a record by besides its key: another number it has, and its name."""
        known = (record.fields.get(name) or "" for name in self.known_by if name != "id")
        number = next((one for one in known if one and one.upper() != record.key), "")
        return f"{number} ({record.name})" if number and record.name not in ("", number) else number or record.name

    def booked_on(self, versions: Mapping[Side, Mapping[str, Canonical]]) -> str:
        """The day a record stands under in the books: AccountView's own where it tells one, else Crafter's."""
        found = (versions.get(side, {}).get(self.day.get(side, "")) or "" for side in BOTH)
        day = next(filter(None, found), "")
        return amsterdam_day(day) if len(day) > len("YYYY-MM-DD") else day

    def item(self, own: str, values: Mapping[str, Canonical]) -> tuple[str, str]:
        """(entity, id) in Crafter in whose tijdlijn a record is told; `own`: its own id there, or its owner's."""
        first = [(entity, values.get(name) or "") for entity, name in self.told_first]
        return next(((entity, item) for entity, item in (*first, (self.told_on, own)) if entity and item), ("", ""))

    def row_key(self, identity: str) -> str:
        """The key of AccountView's row that holds the record (`10001:postal` stands in the row of 10001)."""
        return identity if self.table == self.name else identity.partition(":")[0]


def key_in(column: str) -> Callable[[Row], Canonical]:
    """How a key is read from a row."""
    return lambda row: code(bare(row.get(column), column), column)


@dataclass(frozen=True, slots=True)
class LookUp:
    """A list that is read and never linked. A row that cannot be read is not there."""

    name: str
    side: Side
    number: Callable[[Row], Canonical]  # what AccountView calls it
    keys: Mapping[Side, Callable[[Row], Canonical]]  # how a row is known on a side, None where it cannot be
    whole: bool = True  # read once a run, else asked by key
    unique: bool = True  # two rows under one key are as good as none
    optional: bool = False  # AccountView may lack it
    buried: bool = False  # what was deleted in Crafter still tells who it was
    remembered: bool = False  # a name that a row had once is known again
    alike: Callable[[str], str] = field(default=lambda key: key)
    title: Callable[[Row], Canonical] = field(default=lambda row: text(row.get("name"), "name"))


# --- references


def asks_of(kind: Kind, record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """Everything planning this record needs to know, as far as that can be said already: what it refers to, where the
    flow may write to the side across, and what the kind asks besides."""
    for one in kind.fields if known.policy.writes(kind.flow, other(record.side)) else ():
        value = record.fields.get(one.name)
        if one.over and record.side == CRAFTER:
            if _behind(one.over, record):
                yield Ask("record", one.over.kind, CRAFTER, _behind(one.over, record))
            value = _taken_over(one, one.over, record, link, known)
        if value and one.ref:
            yield Ask("ref", one.ref, record.side, value)
        elif value and one.list:
            yield Ask("row", one.list, record.side, value)
            number = known.of("row", one.list, record.side, value).accountview if one.against else ""
            if number and record.side == CRAFTER:
                yield Ask("row", one.against, ACCOUNTVIEW, number)
    if link is None:
        for identity in known.decided.apart.get((kind.name, record.side, record.id), ()):
            yield Ask("record", kind.name, other(record.side), identity)  # has it the same key?
    if link is not None and any(end.told is None for end in link.end.values()):
        yield from _asks_of_first_meeting(kind, record)
    start = crafter_reference(known.policy.company, kind.name, "")
    if record.side == CRAFTER and link is None and record.reference.startswith(start):
        yield Ask("record", kind.name, ACCOUNTVIEW, record.reference.removeprefix(start))  # is it still there?
    if kind.asks is not None:
        yield from kind.asks(record, link, known)


def _behind(over: Over, record: Record) -> str:
    """The record that the field is taken from, empty where this one has its own."""
    return "" if record.fields.get(over.own) else record.fields.get(over.by) or ""


def _taken_over(wanted: Field, over: Over, record: Record, link: Link | None, known: Known) -> Canonical:
    """The record's own, or that of the one it is taken from. Where that is there no more, the value it had stays."""
    behind = _behind(over, record)
    if not behind:
        return record.fields.get(over.own)
    there = known.of("record", over.kind, CRAFTER, behind).here
    if there is not None:
        return there.fields[wanted.name]
    return link.told(CRAFTER).get(wanted.name) if link else None


def as_meant(kind: Kind, record: Record, link: Link | None, known: Known) -> Record:
    """A version with what it takes over from other records, and as people know it by now."""
    if record.side == CRAFTER:
        taken = {one.name: _taken_over(one, one.over, record, link, known) for one in kind.fields if one.over}
        record = replace(record, fields={**record.fields, **taken}) if taken else record
    return kind.shown(record, known) if kind.shown else record


def _asks_of_first_meeting(kind: Kind, record: Record) -> Iterable[Ask]:
    """By what name people know what it refers to, wherever the flow may write: it may be replaced, and that is told."""
    for one in kind.fields:
        value = record.fields.get(one.name)
        if value and one.ref and not one.over:
            yield Ask("link", one.ref, record.side, value)
        elif value and one.list and not one.over:
            yield Ask("row", one.list, record.side, value)


def named_by_mark(kind: Kind, record: Record, known: Known) -> str:
    """The AccountView key that our mark on a free Crafter record names although it is no longer there: it was linked
    once, so it was deleted there, and losing the state must not send it again (behaviour 10)."""
    start = crafter_reference(known.policy.company, kind.name, "")
    key = record.reference.removeprefix(start) if record.reference.startswith(start) else ""
    found = known.of("record", kind.name, ACCOUNTVIEW, key)
    return "" if found.here or found.link or found.fault else key


def key_across(kind: str, side: Side, key: str, known: Known) -> str:
    """A record's key on the other side; raises WaitFor while it is not there yet, Refuse when it never comes."""
    found = known.ref(kind, side, key)
    if found.known:
        return found.crafter if side == ACCOUNTVIEW else found.accountview
    number = found.accountview or (key if side == ACCOUNTVIEW else "")
    if found.state == "gone":
        raise Refuse(
            "parent_gone", parent_kind=kind, parent=number or found.name, parent_name=found.name, parent_id=key
        )
    if found.state == "off":
        raise Refuse("customer_not_found", parent=number or found.name, parent_name=found.name, parent_id=key)
    raise WaitFor(kind, side, key, number, found.name)


# --- translating


def translate(kind: Kind, record: Record, known: Known) -> dict[str, Translated | Refuse | WaitFor]:
    """Every merged field in the terms of the side across, or why it cannot go there."""
    made: dict[str, Translated | Refuse | WaitFor] = {}
    to_crafter = record.side == ACCOUNTVIEW
    for one in kind.fields:
        if not one.merged:
            continue
        value, own = record.fields.get(one.name), one.to_crafter if to_crafter else one.to_accountview
        try:
            if own is not None:
                made[one.name] = own(value, record, known)
            elif one.ref and value is None and to_crafter and one.empty:
                raise Refuse(one.empty)
            elif one.ref:
                made[one.name] = Translated(key_across(one.ref, record.side, value, known) if value else None)
            elif to_crafter:
                made[one.name] = Translated(value)  # Crafter's fields are wider than AccountView's
            else:
                made[one.name] = fitted(kind.table, one, one.accountview, value, known)
        except (Refuse, WaitFor) as no:
            made[one.name] = no
    return made


def fitted(table: str, wanted: Field, column: str | None, value: Canonical, known: Known) -> Translated:
    """A value as AccountView's column can hold it; raises Refuse when it may not be cut or respelled."""
    if value is None or column is None or wanted.type in ("date", "flag"):
        return Translated(value)
    shape = known.columns(table, column)
    if wanted.type == "quantity":
        made = fit.fit_quantity(value, shape)
    else:
        try:
            made = fit.fit(value, shape, free=wanted.type == "free")
        except fit.DoesNotFit as error:
            raise Refuse(error.code, field=wanted.name, value=value, detail=error.detail) from error
    remark = Remark(made.remark, {"field": wanted.name, "detail": made.detail}) if made.remark else None
    return Translated(made.value, remark)


def typed(wanted: Field, value: Canonical, side: Side) -> Value:
    """A canonical value as a client takes it: AccountView gets dates and decimals, Crafter its decimal strings."""
    if value is None:
        return None
    if wanted.type == "flag":
        return value == "true"
    if side == CRAFTER:
        return value
    if wanted.type == "date":
        return date.fromisoformat(value)
    return Decimal(value) if wanted.type == "quantity" else value


def as_sent(kind: Kind, record: Record, told: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether AccountView's record says what was sent; what was not, it may have filled in by itself (behaviour 5)."""
    sent = [name for name in told if kind.column(kind.field(name), "") in values]
    return all(record.fields.get(name) == told[name] for name in sent)


# --- as people know it


def spoken(wanted: Field, value: Canonical, side: Side, known: Known) -> str:
    """A value of a side as people know it: what it refers to by number, code or name; empty when nobody can tell."""
    if value and wanted.ref and side == CRAFTER:
        found = known.ref(wanted.ref, side, value)
        return found.accountview or found.name
    if value and wanted.list and side == CRAFTER:
        return known.of("row", wanted.list, side, value).name
    return value or ""


def known_as(kind: Kind, record: Record, known: Known) -> Record:
    """With the facts that people know it by."""
    if not kind.facts:
        return record
    told = {}
    for one in (kind.field(name) for name in kind.facts):
        value = record.fields.get(one.name)
        if one.over and not value and record.side == CRAFTER:
            value = _taken_over(one, one.over, record, None, known)
        told[one.name] = spoken(one, value, record.side, known)
    return replace(record, facts={**record.facts, **{name: value for name, value in told.items() if value}})


# --- first meeting


def _left(kind: Kind, record: Record, look: Look, known: Known) -> Record | None:
    """What a deleted record left in AccountView that this one takes over: of several the one that says most of it."""
    made = translate(kind, record, known)
    values = {name: one.value for name, one in made.items() if isinstance(one, Translated)}
    found = look(kind.name, ACCOUNTVIEW, "alike", kind.left_as(values)) if len(values) == len(made) else []
    equal = [(sum(one.fields[name] == value for name, value in values.items()), one) for one in found]
    return max(equal, key=lambda pair: pair[0])[1] if equal else None


def _against(kind: Kind, record: Record, there: Record, known: Known) -> Refuse | None:
    """Why two that bear one mark may be two: the key may have been given out again since (behaviour 36)."""
    return kind.unlike(*in_order(record, there), known) if kind.unlike is not None else None


def _let_go(kind: Kind, record: Record, there: Record, known: Known) -> bool:
    """Whether it is, as a person has said, by taking the key away in Crafter."""
    return record.key != there.key and _against(kind, record, there, known) is not None


def _where_it_belongs(kind: Kind, record: Record, found: list[Record], known: Known) -> list[Record]:
    """Of several that bear our mark the one of its own owner, for what could not be moved bears it too (behaviour 45).
    What cannot be moved at all is never another owner's."""
    if not found or not kind.belongs_to:
        return found
    of = kind.field(kind.belongs_to)
    owner = known.ref(of.ref, record.side, record.owner)
    ids = {ACCOUNTVIEW: owner.accountview, CRAFTER: owner.crafter} if owner.known else {}
    there = [one for one in found if one.owner and one.owner == ids.get(one.side)]
    return there if not of.merged or len(found) > 1 and there else found


def recognise(kind: Kind, record: Record, look: Look, known: Known) -> Match:
    """Which free record of the other side is this one? The one that a person has said, else by our mark, else as the
    kind says, else by its key, among those that may meet.

    Two candidates are a question for a person, never a guess (behaviour 6).
    """
    if not known.decided:
        return _recognise(kind, record, look, known)
    picked = _picked(record, look, known)
    if picked:
        return Match(tuple(picked), DECIDED)

    def may_meet(name: str, side: Side, column: str, value: str) -> list[Record]:
        found = look(name, side, column, value)
        if name != kind.name or side == record.side:
            return found
        return [one for one in found if _may_meet(record, one, look, known)]

    match = _recognise(kind, record, may_meet, known)
    across = [one for one in match.candidates if one.side != record.side]
    rivals = [one for one in match.candidates if one.side == record.side]
    left = [one for one in rivals if any(_may_meet(one, there, look, known) for there in across)]
    return match if len(left) == len(rivals) else replace(match, candidates=(*across, *left))


def _picked(record: Record, look: Look, known: Known) -> list[Record]:
    """With whom it is one, as a person has said, while that one is there and free."""
    chosen = known.decided.picked.get((record.kind, record.side, record.id))
    return look(record.kind, other(record.side), "id", chosen) if chosen else []


def _may_meet(one: Record, two: Record, look: Look, known: Known) -> bool:
    """Whether a person has neither kept them apart nor said that either is one with another."""
    if known.decided.keeps_apart(one, two):
        return False
    pairs = ((one, two), (two, one))
    return not any(chosen.id != there.id for here, there in pairs for chosen in _picked(here, look, known))


def _recognise(kind: Kind, record: Record, look: Look, known: Known) -> Match:
    across = other(record.side)
    ours = look(kind.name, across, "reference", record.mark)
    if record.reference:
        named = [one for one in look(kind.name, across, "mark", record.reference) if one not in ours]
        rivals = look(kind.name, record.side, "reference", record.reference) if named else []
        ours += named + [one for one in rivals if one.id != record.id]
    met = [one for one in _where_it_belongs(kind, record, ours, known) if not _let_go(kind, record, one, known)]
    if len(met) > 1 and any(one.key == record.key for one in met):  # a copy, or one that lost its key, has none
        met = [one for one in met if one.key]
    if met:
        return Match(tuple(met), "reference", against=_against(kind, record, met[0], known))
    if kind.taken_by and record.side == CRAFTER and (left := _left(kind, record, look, known)):
        return Match((left,), "left")
    if kind.bears and record.side == CRAFTER and (kind.table, "reference") not in known.absent:
        return Match()  # it would bear our mark
    if kind.match is not None:
        return kind.match(record, look, known)
    return Match(by_number(record, look), "number")


def in_order(one: Record, two: Record) -> tuple[Record, Record]:
    """Of two halves AccountView's, then Crafter's."""
    return (one, two) if one.side == ACCOUNTVIEW else (two, one)


def by_number(record: Record, look: Look) -> tuple[Record, ...]:
    """Who bears the same number or code on the side across, and then on the record's own side: one that is not the only
    one there either."""
    across = look(record.kind, other(record.side), "key", record.key) if record.key else []
    here = look(record.kind, record.side, "key", record.key) if across else []
    return (*across, *(one for one in here if one.id != record.id))
