"""The translations that all kinds share: fitting a value to AccountView, finding a parent's key across. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from avsync.records import fit
from avsync.records.fit import Column
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side

FieldType = Literal["line", "free", "code", "date", "quantity", "flag"]
Direction = Literal["off", "import", "export", "both"]
Fate = Literal["plan", "keep", "drop"]
Value = str | Decimal | date | bool | None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind: its name on each side (None: that side has no such field), its type, and what it refers to.

    `line` must fit or is refused, `free` may be cut; `owner`: the side whose value is always handed on, whatever the
    flow's direction (numbers that only AccountView gives).
    """

    name: str
    accountview: str | None
    crafter: str | None
    type: FieldType = "line"
    refers_to: str | None = None
    owner: Side | None = None


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

    def imports(self, flow: str) -> bool:
        """Whether the flow may write to Crafter."""
        return self.flows[flow] in ("import", "both")

    def exports(self, flow: str) -> bool:
        """Whether the flow may write to AccountView."""
        return self.flows[flow] in ("export", "both")


@dataclass(frozen=True, slots=True)
class Parent:
    """A record that another refers to, as known on both sides.

    `state`: `linked`, `found` (known by look-up only), `coming` (its flow will still bring it), `gone` (deleted in
    AccountView), `missing`, `several`. `extra` carries what a kind needs besides (an hour's work order's project).
    """

    state: str
    accountview: str = ""
    crafter: str = ""
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether it can be referred to on either side."""
        return self.state in ("linked", "found")


Need = tuple[str, Side, str]  # kind, side that names it, that side's id or key


@dataclass(frozen=True, slots=True)
class Known:
    """Everything planning may ask about: the parents looked up beforehand, AccountView's columns, the policy."""

    policy: Policy
    parents: Mapping[Need, Parent]
    columns: Callable[[str, str], Column]
    absent: frozenset[tuple[str, str]] = frozenset()

    def parent(self, kind: str, side: Side, key: str) -> Parent:
        """The parent, or one that is missing."""
        return self.parents.get((kind, side, key), Parent("missing"))


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning that goes with a record. `again`: its cause lies elsewhere, so the record is planned anew every run."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False


class Refuse(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """This record cannot go as it stands; `code` is a row of problems.yaml."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class WaitFor(Exception):  # noqa: N818 - an outcome of planning, not a failure of the program
    """This record's parent is not there yet."""

    def __init__(self, kind: str, key: str, name: str = "") -> None:
        super().__init__(kind, key)
        self.kind = kind
        self.key = key
        self.name = name


@dataclass(frozen=True, slots=True)
class Translated:
    """A value in the other side's terms. `leave`: the other side's value stays as it is."""

    value: Canonical
    remark: Remark | None = None
    leave: bool = False


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as planning sees it. The bases are the values each side told when last in step; None: never met."""

    id: int
    kind: str
    accountview: str
    crafter: str
    accountview_base: Mapping[str, Canonical] | None
    crafter_base: Mapping[str, Canonical] | None
    origin: Side
    adopted: bool = False
    gone: bool = False
    parent: str = ""

    def end(self, side: Side) -> str:
        """The id on one side, empty while it has none."""
        return self.accountview if side == ACCOUNTVIEW else self.crafter


Translate = Callable[[Field, Record, Known], Translated]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its fields and the few decisions in which kinds differ. All functions are pure.

    `protected`: AccountView's value of a field is left as it is; `silent`: why a linked record sends nothing more.
    """

    name: str
    flow: str
    fields: tuple[Field, ...]
    fate: Callable[[Record, Policy], Fate]
    needs: Callable[[Record], list[Need]]
    to_crafter: Translate
    to_accountview: Translate
    may_write: Callable[[Field, LinkView, Policy], tuple[bool, bool]]
    new_in_crafter: Callable[[Record, Known], dict[str, Value]]
    new_in_accountview: Callable[[Record, Known], dict[str, Value]]
    entity: str | None = None
    accountview_table: str = ""
    accountview_column: Callable[[Field, str], str | None] | None = None
    has_reference: bool = True
    link_needs: Callable[[LinkView], list[Need]] = field(default=lambda link: [])
    protected: Callable[[Field, Canonical, Known], bool] = field(default=lambda wanted, value, known: False)
    silent: Callable[[Record, LinkView], Remark | None] = field(default=lambda record, link: None)

    @property
    def table(self) -> str:
        """The AccountView kind of the schema that holds it (a location lives in the customer's row)."""
        return self.accountview_table or self.name

    def column(self, wanted: Field, accountview_id: str) -> str | None:
        """The neutral AccountView column of a field."""
        return self.accountview_column(wanted, accountview_id) if self.accountview_column else wanted.accountview

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(one for one in self.fields if one.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in order."""
        return tuple(one.name for one in self.fields)


def by_direction(flow: str) -> Callable[[Field, LinkView, Policy], tuple[bool, bool]]:
    """Who may be written follows from the flow's direction; an owned field is always handed on by its owner."""

    def may_write(wanted: Field, _: LinkView, policy: Policy) -> tuple[bool, bool]:
        if wanted.owner == ACCOUNTVIEW:
            return False, True
        return (
            policy.exports(flow) and wanted.accountview is not None,
            policy.imports(flow) and wanted.crafter is not None,
        )

    return may_write


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


def plain(wanted: Field, record: Record, _: Known) -> Translated:
    """The same value on both sides (Crafter's fields are wider than AccountView's)."""
    return Translated(record.fields.get(wanted.name))


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


def parent_key(kind: str, from_side: Side, key: str, known: Known) -> str:
    """The parent's key on the other side; raises WaitFor while it is not there yet, Refuse when it never comes."""
    parent = known.parent(kind, from_side, key)
    if parent.known:
        return parent.crafter if from_side == ACCOUNTVIEW else parent.accountview
    if parent.state == "gone":
        raise Refuse("parent_gone", parent_kind=kind, parent=parent.accountview or key, parent_name=parent.name)
    if kind == "customer" and known.policy.flows["customers"] == "off":
        raise Refuse("customer_not_found", parent=parent.accountview, parent_name=parent.name)
    raise WaitFor(kind, parent.accountview or (key if from_side == ACCOUNTVIEW else ""), parent.name)


def found(kind: str, side: Side, key: Canonical, known: Known) -> Parent:
    """The parent as far as it is known; an empty key is missing."""
    return known.parent(kind, side, key) if key else Parent("missing")


def needs_of(record: Record, fields: tuple[Field, ...]) -> list[tuple[str, Side, str]]:
    """What the reference fields of a record ask for."""
    wanted = [(one.refers_to, record.fields.get(one.name)) for one in fields if one.refers_to]
    return [(kind, record.side, key) for kind, key in wanted if kind and key]
