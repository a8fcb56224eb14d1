"""Brings back what was deleted in Crafter only: AccountView leads, so the next run makes it again (behaviour 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from avsync.boundary import ROW, cause_of, each
from avsync.flows.spec import LinkView, Policy
from avsync.intake import Gathered, Reading, take_records
from avsync.model import ACCOUNTVIEW, CRAFTER, Malformed, Record
from avsync.sources import FLOW_OF, KINDS, Source, find
from avsync.state.problems import About
from avsync.state.store import Store

Rows = list[tuple[Source, Mapping[str, Any]]]

# kind → what refers to it in Crafter, and by which field: that must point at the record made anew
_REFERRING = {
    "customer": (("project", "customer"),),
    "project_type": (("project", "type"),),
    "project": (("order", "project"),),
}


def recover(lost: Iterable[LinkView], reading: Reading) -> None:
    """Records deleted in Crafter: fetched again from AccountView, so that this run makes them again."""

    def failed(link: LinkView, error: Exception) -> None:
        cause = replace(cause_of(error, f"{link.kind} {link.accountview}, deleted in Crafter"), slot=ROW)
        about = About(FLOW_OF[link.kind], link.kind, CRAFTER, link.crafter, link.accountview, "")
        with reading.store.transaction():
            reading.store.problems.replace(about, [cause], reading.now)

    for link in lost:
        now = reading.store.links.by_id(link.id)  # it may have got another number since the listing
        if now is not None:
            each([now], lambda some: _recover(some[0], reading), failed)


def _recover(link: LinkView, reading: Reading) -> None:
    if link.kind not in KINDS or link.gone or not _comes_back(link, reading.policy):
        with reading.store.transaction():
            _let_go(link, reading)
        return
    rows = _rows_of(link, reading)
    records = [record for source, row in rows for record in _readable(source, row, reading)]
    referring = _referring(link, reading) if rows else []
    with reading.store.transaction():
        _forget_crafter_side(link, reading.store, forever=not rows)
        take_records(records, reading, Gathered())
        for record, name in referring:
            _point_again(record, name, reading)


def _comes_back(link: LinkView, policy: Policy) -> bool:
    return link.kind != "hour" and policy.imports(FLOW_OF[link.kind])


def _let_go(link: LinkView, reading: Reading) -> None:
    """Gone on both sides: forgotten. Only in Crafter, where the flow does not import: left alone."""
    if link.gone:
        reading.store.links.remove(link.id)
    else:
        reading.store.links.set_gone(link.id, True)


def _rows_of(link: LinkView, reading: Reading) -> Rows:
    """The record's row, none when it is gone there too; a customer's contacts went with it, so they are read again."""
    source = find(ACCOUNTVIEW, link.kind)
    key = link.accountview.partition(":")[0] if link.kind == "location" else link.accountview
    row = reading.accountview.by_key(source.kind, key)
    rows: Rows = [(source, row)] if row else []
    if link.kind == "customer" and row and reading.store.links.by_parent("contact", [link.crafter]):
        rows += _find("contact", "customer", key, reading)
    return rows


def _find(kind: str, column: str, key: str, reading: Reading) -> Rows:
    source = find(ACCOUNTVIEW, kind)
    return [(source, row) for row in reading.accountview.find(kind, {column: key})]


def _readable(source: Source, row: Mapping[str, Any], reading: Reading) -> list[Record]:
    try:
        return source.read(row, reading.policy)
    except Malformed:
        return []


def _referring(link: LinkView, reading: Reading) -> list[tuple[Record, str]]:
    """AccountView's records that refer to this one, of the flows that may write them to Crafter."""
    found = []
    for kind, name in _REFERRING.get(link.kind, ()):
        if reading.policy.imports(FLOW_OF[kind]):
            for source, row in _find(kind, name, link.accountview, reading):
                found += [(record, name) for record in _readable(source, row, reading)]
    return found


def _point_again(record: Record, name: str, reading: Reading) -> None:
    """A linked record: that field counts as changed in AccountView, so that Crafter gets the new id."""
    link = reading.store.links.by_side(record.kind, ACCOUNTVIEW, [record.id]).get(record.id)
    if link is not None and link.crafter and not link.gone:
        reading.store.links.set_base(link.id, ACCOUNTVIEW, {name: None})
        reading.store.inbox.put(record, "plan")


def _forget_crafter_side(link: LinkView, store: Store, forever: bool) -> None:
    """It is made again, with what hangs on it; or, gone in AccountView as well, forgotten with all that."""
    children = [one for kind in ("location", "contact") for one in store.links.by_parent(kind, [link.crafter])]
    for one in [link, *(children if link.kind == "customer" else [])]:
        if forever:
            store.links.remove(one.id)
        else:
            store.links.set_id(one.id, CRAFTER, None)
    if link.kind == "order":  # its lines are entered anew, and those that stand on the order count as sent
        for line in store.links.by_parent("order_line", [link.crafter]):
            store.links.remove(line.id)
        store.links.set_adopted(link.id)
