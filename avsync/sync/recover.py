"""Notices that state.db is older than what was done with it: lost, or put back from a backup (behaviour 2 and 4).

What was made since is found again by reference and number, like a first meeting. Lines on a sales order bear no
reference, so from then on equal lines that stand on an order count as sent.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from avsync.records.customers import POSTAL, VISITING
from avsync.records.kind import Kind, LinkView, Policy
from avsync.records.registry import FLOW_OF, KINDS, Source, find
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Malformed, Record, Side, crafter_reference, squeeze
from avsync.state.lock import Holder
from avsync.state.problems import About
from avsync.state.store import Store
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.read import Gathered, Reading, take_records
from avsync.sync.session import Context
from avsync.sync.write import read_one

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


def follow_numbers(context: Context, after: int) -> None:
    """Rename the links of renumbered customers. `after`: the inbox's newest number before this run read anything."""
    found = _vanished(context, after)
    claims = Counter(link.id for links in found.values() for link in links)
    for number, links in found.items():
        sure = len(links) == 1 and claims[links[0].id] == 1
        chosen = links if sure else _pointed_out(context, number, links)
        if len(chosen) == 1:
            _follow(context, chosen[0], number)
        else:
            context.questions[number] = ", ".join(sorted(link.accountview for link in links))


def _vanished(context: Context, after: int) -> dict[str, list[LinkView]]:
    """Per new number the links it may be the new number of."""
    found: dict[str, list[LinkView]] = {}
    there: dict[str, bool] = {}
    for number, link in context.store.links.namesakes(after):
        entry = context.store.inbox.get("customer", ACCOUNTVIEW, [number])[number]
        if not _same_place(context, entry.record, link):
            continue
        old = link.accountview
        if old not in there:
            there[old] = context.accountview.by_key("customer", old) is not None
        if not there[old]:
            found.setdefault(number, []).append(link)
    return found


def _same_place(context: Context, record: Record, link: LinkView) -> bool:
    """A postal code in common, or none on either side."""
    addresses = [f"{link.accountview}:{which}" for which in (VISITING, POSTAL)]
    bases = [
        one.accountview_base or {} for one in context.store.links.by_side("location", ACCOUNTVIEW, addresses).values()
    ]
    places = [entry.record.fields for entry in context.store.inbox.by("parent", "location", CRAFTER, link.crafter)]
    before = {squeeze(one.get("postal_code")) for one in (*bases, *places)} - {""}
    now = set(record.extra["postal_codes"])
    return bool(now & before) or not (now or before)


def _pointed_out(context: Context, number: str, links: list[LinkView]) -> list[LinkView]:
    """A person's answer to the question: the one that was given the new number in Crafter."""
    told = context.store.inbox.get("customer", CRAFTER, [link.crafter for link in links])
    return [link for link in links if link.crafter in told and told[link.crafter].record.key == number]


def _follow(context: Context, link: LinkView, number: str) -> None:
    """The links of the customer and its addresses get the new number; planning then brings Crafter up to date."""
    row = context.crafter.get("customer", link.crafter)
    customer = read_one(CRAFTER, "customer", row, context)
    if not customer:
        return
    places = [
        read_one(CRAFTER, "location", one, context)
        for one in context.crafter.find("location", {"customer_id": link.crafter})
    ]
    with context.store.transaction():
        context.store.links.rename(link.id, number)
        for which in (VISITING, POSTAL):
            _follow_address(context, f"{link.accountview}:{which}", f"{number}:{which}", places)
        for record in [*customer, *(one for found in places for one in found or [])]:
            context.store.inbox.put(record, "plan" if record.kind == "customer" or _linked(context, record) else "keep")


def _follow_address(context: Context, old: str, new: str, places: Sequence[list[Record] | None]) -> None:
    links = context.store.links
    found = links.by_side("location", ACCOUNTVIEW, [old, new])
    if old in found and new not in found:
        links.rename(found[old].id, new)
        if found[old].crafter not in {record.id for place in places for record in place or []}:
            links.set_id(found[old].id, CRAFTER, None)  # deleted in Crafter meanwhile: it comes back
        if not context.store.inbox.get("location", ACCOUNTVIEW, [new]):
            links.set_gone(found[old].id, True)


def _linked(context: Context, record: Record) -> bool:
    return bool(context.store.links.by_side(record.kind, CRAFTER, [record.id]))


log = logging.getLogger(__name__)


def look_back(store: Store, before: Holder, now: str) -> tuple[bool, Holder]:
    """Whether the lock file tells of a later run than state.db knows, and what the lock file must say from now on."""
    known = store.cached("identity", "")
    mine = known if isinstance(known, str) else secrets.token_hex(8)
    older = mine == known == before.identity and before.run > store.last_run_number()
    with store.transaction():
        store.cache("identity", mine, now)
        if older:
            log.warning("state.db is older than the last run (%d): it was put back, all is read again", before.run)
            store.links.mark_adopted("order")
            store.skip_runs(before.run)
    return older, replace(before, identity=mine, run=store.last_run_number())


def notice_strays(store: Store) -> None:
    """After reading: records that bear our mark, but that no link and no intent knows, were made after this state.

    That shows even when the whole folder was put back. The old watermarks went back with it, so all that changed since
    has been read already.
    """
    if store.links.some("order") and store.inbox.strays():
        log.warning("there are records of ours that state.db does not know: it was put back from a backup")
        with store.transaction():
            store.links.mark_adopted("order")


def deleted_there(context: Context, kind: Kind, side: Side, records: Sequence[Record]) -> dict[str, str]:
    """Crafter id → AccountView key of records that bear the mark of something AccountView no longer has.

    They were linked once, so it was deleted there; losing the state must not send it again (behaviour 10).
    """
    start = crafter_reference(kind.name, "")
    marked = {one.id: one.reference.removeprefix(start) for one in records if one.reference.startswith(start)}
    if side != CRAFTER or not marked:
        return {}
    keys = list(marked.values())
    there = {*context.store.inbox.get(kind.name, ACCOUNTVIEW, keys)}
    there |= {*context.store.links.by_side(kind.name, ACCOUNTVIEW, keys)}
    asked = {identity: key for identity, key in marked.items() if key and key not in there}
    rows = context.lookups.at_once(lambda key: context.accountview.by_key(kind.table, key), list(asked.values()))
    return {identity: key for (identity, key), row in zip(asked.items(), rows, strict=True) if row is None}
