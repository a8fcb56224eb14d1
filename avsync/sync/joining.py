"""One pair by hand: two records that a person says are one are linked, or those that are linked are taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from avsync.errors import AvsyncError, FitsNothing, Malformed, TryLater
from avsync.records.kind import RETIRED, Kind, Link, Policy
from avsync.records.registry import KINDS, children, listing, title_of
from avsync.records.rows import read_records
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side, of_other_company, other
from avsync.state.decisions import APART, LINK, Decision
from avsync.state.store import Store
from avsync.sync.causes import SERVICES
from avsync.sync.pairs import SURE
from avsync.sync.plan import met
from avsync.sync.read import Taken, as_told, take_records
from avsync.sync.schema import pass_gate
from avsync.sync.session import Session

# --- together


def join(session: Session, kind: Kind, keys: Mapping[Side, str]) -> tuple[Record, Record]:
    """Link two records, as they stand there now; the next run brings them in step. `keys`: AccountView's key, Crafter's
    number or id.

    Errors: FitsNothing("not_to_link", "several_to_link"); AvsyncError, with the reason, where they may not be linked.
    """
    pass_gate(session)
    for error in session.errors.values():
        raise error
    linked = {
        side: [one for one in _links(session.store, kind, key, [side]) if _lives(one)] for side, key in keys.items()
    }
    rows = {side: _row(session, kind, side, key) for side, key in keys.items() if not linked[side]}
    _refuse_linked(kind, linked, keys)
    av, cr = (_record(session, kind, side, rows[side], keys[side]) for side in (ACCOUNTVIEW, CRAFTER))
    _must_fit(session, kind, av, cr)
    store, link = session.store, met(kind, av, cr, session.policy)
    with store.transaction():
        for side in (ACCOUNTVIEW, CRAFTER):
            half = store.links.one(kind.name, side, link.end[side].id)
            if half is not None:  # of what is gone, or was to be made again
                store.links.remove(half.id, "replaced")
        store.decisions.take_back(kind.name, av.id, cr.id)
        store.decisions.told("decided_link", Decision(kind.name, av.id, cr.id, LINK, name=av.name or cr.name))
        store.links.add(link)
        store.decisions.done(link)
        for side in (ACCOUNTVIEW, CRAFTER):
            take_records(session, listing(side, kind).read(rows[side], session.policy), Taken())
    return av, cr


def _refuse_linked(kind: Kind, linked: Mapping[Side, list[Link]], keys: Mapping[Side, str]) -> None:
    """A record that is linked stays so until a person takes that link away."""
    for side, links in linked.items():
        for link in links:
            holder = called(link, other(side))
            code = "linked_already" if link in linked[other(side)] else "linked_to_another"
            raise AvsyncError(code, parent_kind=kind.name, key=keys[side], service=SERVICES[side], holder=holder)


def _row(session: Session, kind: Kind, side: Side, key: str) -> dict[str, Any]:
    """The row that holds it, as it stands there now."""
    if side == ACCOUNTVIEW:
        found = [row for row in [_fetched(session, kind, side, key.upper())] if row]
    else:
        store = session.store
        ids = [key, *(one.id for one in store.inbox.by("key", kind.name, CRAFTER, key.upper()))]
        rows = [_fetched(session, kind, CRAFTER, one) for one in dict.fromkeys(ids)]
        rows += session.refs.spelt(kind, key) if kind.known_by and kind.findable else []
        found = list({str(row["id"]): row for row in rows if row and not row.get("deleted_at")}.values())
    if len(found) != 1:
        code = "several_to_link" if found else "not_to_link"
        raise FitsNothing(code, parent_kind=kind.name, key=key, service=SERVICES[side])
    return found[0]


def _fetched(session: Session, kind: Kind, side: Side, identity: str) -> dict[str, Any] | None:
    try:
        return session.fetch(kind, side, identity)
    except Malformed:
        return None  # nobody can be asked for such a key


def _record(session: Session, kind: Kind, side: Side, row: Mapping[str, Any], key: str) -> Record:
    try:
        found = read_records(kind, side, row, session.policy)
    except Malformed as fault:
        raise AvsyncError("unreadable", field=fault.field, found=fault.found) from fault
    for one in found:
        if not one.absent and (len(found) == 1 or one.id.upper() == key.upper()):
            return one
    raise FitsNothing("not_to_link", parent_kind=kind.name, key=key, service=SERVICES[side])


def _must_fit(session: Session, kind: Kind, av: Record, cr: Record) -> None:
    """What speaks against linking them, whatever a person says."""
    store, named = session.store, {"parent_kind": kind.name, "key": av.id, "holder": cr.key or cr.name}
    for one in (av, cr):
        for link in _links(store, kind, one.id, [one.side]):
            if _lives(link):
                holder = called(link, other(one.side))
                raise AvsyncError("linked_to_another", **{**named, "service": SERVICES[one.side], "holder": holder})
        if (one.side, one.id) in store.intents.held(kind.name):
            raise TryLater("write_under_way", **named)
    company = of_other_company(cr.reference, session.policy.company)
    if company:
        raise AvsyncError("of_other_administration", company=company)
    if kind.belongs_to:
        owners = store.links.one(kind.field(kind.belongs_to).ref, ACCOUNTVIEW, av.owner)
        if owners is None or owners.crafter != cr.owner:
            raise AvsyncError("of_other_owners", **named)


# --- apart


def part(store: Store, policy: Policy, kind: Kind, key: str, now: str) -> Link:
    """Take the link of a record away, with those of what belongs to it; the two are kept apart until they are linked
    again. `key`: AccountView's key, Crafter's number or id. Errors: FitsNothing("not_linked"), TryLater."""
    found = {link.id: link for link in _links(store, kind, key, [ACCOUNTVIEW, CRAFTER]) if _lives(link)}
    if len(found) != 1:
        raise FitsNothing("not_linked", parent_kind=kind.name, key=key)
    (link,) = found.values()
    hanging = list({one.id: one for one in _hanging(store, link)}.values())
    for one in (link, *hanging):
        if one.id in store.intents.held_links(one.kind):
            raise TryLater("write_under_way", parent_kind=kind.name, key=key)
    decision = Decision(link.kind, link.accountview, link.crafter, APART, SURE, title_of(link))
    with store.transaction():
        for one in (link, *hanging):
            _let_go(store, policy, one)
        store.decisions.take(decision, now)
        for one in hanging:
            if KINDS[one.kind].plan is None:
                store.decisions.take(Decision(one.kind, one.accountview, one.crafter, APART, SURE), now, decision)
    return link


def _hanging(store: Store, link: Link) -> Iterator[Link]:
    """What belongs to the record on either side, and its details."""
    for child in children(link.kind):
        yield from store.links.belonging(child.name, child.belongs_to, link.crafter)
        yield from store.links.in_row(child.name, link.accountview) if child.table == link.kind else ()
    for kind in KINDS.values():
        details = store.links.one(kind.name, CRAFTER, link.crafter) if kind.details_of == link.kind else None
        if details is not None:
            yield details


def _let_go(store: Store, policy: Policy, link: Link) -> None:
    """Both halves stand alone from now on, as they were told last."""
    kind = KINDS[link.kind]
    store.links.remove(link.id, "replaced")
    for side in (ACCOUNTVIEW, CRAFTER) if kind.plan is None and not link.gone else ():
        there = store.inbox.one(link.kind, side, link.end[side].id)
        if there is None and link.end[side].told is not None:
            there = as_told(policy, link, side)
        fate = (kind.fate or kind.usual_fate)(there, policy) if there is not None else "drop"
        if there is not None and fate != "drop":
            store.inbox.put(there, fate)


# --- which


def _links(store: Store, kind: Kind, key: str, sides: list[Side]) -> list[Link]:
    """The links of what people call so."""
    found = [store.links.one(kind.name, side, one) for side in sides for one in dict.fromkeys((key, key.upper()))]
    if CRAFTER in sides and not any(found):
        found += [store.links.one(kind.name, CRAFTER, crafter) for name, _, crafter in store.links.called(key)
                  if name == kind.name]  # fmt: skip
    return [one for one in found if one is not None]


def _lives(link: Link) -> bool:
    return bool(link.accountview and link.crafter) and not link.gone and RETIRED not in link.accountview


def called(link: Link, side: Side) -> str:
    """How people know that half: by number, else by name."""
    kind, told = KINDS[link.kind], link.told(side)
    numbers = [link.accountview] if side == ACCOUNTVIEW else [told.get(name) or "" for name in kind.known_by]
    name = told.get("name") or told.get("description") or ""
    return " ".join(filter(None, (next(filter(None, numbers), ""), name))) or "?"
