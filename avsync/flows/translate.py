"""The translations that all kinds share: fitting a value to AccountView, finding a parent's key across. Pure."""

from __future__ import annotations

from avsync import fit
from avsync.flows.spec import Field, Known, Parent, Refuse, Remark, Translated, WaitFor
from avsync.model import ACCOUNTVIEW, Canonical, Record, Side


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
