"""Settles writes whose outcome nobody saw, by looking for their traces on the other side.

What is found is put into the inbox as a candidate that carries our reference, also where the service has no column for
one, and the next planning adopts it by that: the same road as a first meeting. What is not found is free to be sent
again, but only once the grace time is over.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from avsync.errors import AvsyncError, LoginNeeded, Malformed, OutOfTime, PersonMustLook
from avsync.records.kind import Kind, Remark
from avsync.records.registry import KINDS, listing
from avsync.records.values import ACCOUNTVIEW, CRAFTER, OURS, Record, other
from avsync.state.intents import Intent
from avsync.sync.boundary import cause_of, each
from avsync.sync.problems import tell_once
from avsync.sync.read import is_other, retire
from avsync.sync.refs import read_one, told_by
from avsync.sync.schema import learn_reference, reference_kept
from avsync.sync.session import Session

log = logging.getLogger(__name__)
_PATIENCE = 30.0  # seconds


def settle(session: Session, kind: Kind) -> None:
    """Look up every open intent of a kind. One that cannot be looked up stays open and holds up nobody else.

    A service that refuses look-ups for half a minute is left alone until the next run, which begins elsewhere.
    """
    intents = _with_an_age(session, session.store.intents.open(kind.name))
    turn = session.run % len(intents) if intents else 0
    begun = session.ticks()
    for intent in intents[turn:] + intents[:turn]:
        session.checkpoint("settle")
        try:
            each([intent], lambda some: _look_up(session, some[0]), lambda one, error: _not_now(session, one, error))
        except (LoginNeeded, OutOfTime, PersonMustLook):
            raise
        except AvsyncError as error:
            _not_now(session, intent, error)
            if session.ticks() - begun > _PATIENCE:
                return
        session.checkpoint("settled")


def _with_an_age(session: Session, intents: list[Intent]) -> list[Intent]:
    """A write whose age nobody can know counts from now: its grace time begins again (behaviour 51)."""
    clock = session.clock
    ageless = [one for one in intents if not clock.sure(one.side) or clock.age(one.side, one.counted_from) is None]
    if not ageless:
        return intents
    with session.store.transaction():
        for one in ageless:
            session.store.intents.count_from([one.id], session.time(one.side))
    return session.store.intents.open(ageless[0].kind)


def _look_up(session: Session, intent: Intent) -> None:
    kind = KINDS[intent.kind]
    if kind.look_up is not None:
        _settle_details(session, kind, intent)
    elif intent.verb == "create":
        _settle_create(session, kind, intent)
    else:
        _settle_update(session, kind, intent)


def _not_now(session: Session, intent: Intent, error: Exception) -> None:
    if isinstance(error, AvsyncError):
        detail = str(error.params.get("detail") or error.code)
    else:
        cause = cause_of(error, f"the look-up of {intent.kind} {intent.key or intent.record}")
        detail = ", ".join(str(part) for part in cause.params.values())
    log.warning("%s %s: its look-up failed (%s)", intent.kind, intent.key or intent.record, detail)
    with session.store.transaction():
        session.store.intents.doubt(intent.id, detail)


def _settle_create(session: Session, kind: Kind, intent: Intent) -> None:
    found = _created(session, kind, intent)
    if found or session.old_enough(intent):
        _conclude(session, kind, intent, found)


def stands_though_refused(session: Session, kind: Kind, intent: Intent) -> bool:
    """A create that was refused is looked up right then: whether it stands there all the same (behaviour 16).

    One that is found by its number alone may be somebody else's, so it must also say what was sent.
    """
    found = _created(session, kind, intent)
    number = intent.detail["values"].get(kind.id) if intent.side == ACCOUNTVIEW else None
    if number:
        told = intent.detail["told"].items()
        same = [one for one in found if all(one.fields.get(name) == value for name, value in told)]
        found = [one for one in found if one.id != str(number).upper() or one in same]
    _conclude(session, kind, intent, found)
    return bool(found)


def _conclude(session: Session, kind: Kind, intent: Intent, found: list[Record]) -> None:
    beside = [record for one in found for record in _beside(session, kind, one)]
    with session.store.transaction():
        for record in found:
            had_its_key = session.store.links.one(kind.name, intent.side, record.id)
            if had_its_key is not None:
                retire(session.store, had_its_key)
            session.store.inbox.put(replace(record, reference=record.reference or intent.reference), "keep")
        for record in beside:
            session.store.inbox.put(record, "plan")
        if found:
            session.store.intents.found(intent.id)
        else:
            session.store.intents.close([intent.id])
            if intent.buried:  # and it is there no more to be sent again
                session.store.inbox.remove(intent.kind, intent.record_side, intent.record)


def _beside(session: Session, kind: Kind, found: Record) -> list[Record]:
    """What else the row tells of, such as a customer's addresses: the answer to a create would have told it too."""
    rows = listing(ACCOUNTVIEW, kind)
    if found.side != ACCOUNTVIEW or not kind.marked or len(rows.makes) == 1:
        return []
    try:
        row = session.accountview.by_key(kind.table, kind.row_key(found.id))
        return [one for one in rows.read(row or {}, session.policy) if one.kind != kind.name and not one.absent]
    except Malformed:
        return []


def _created(session: Session, kind: Kind, intent: Intent) -> list[Record]:
    """The records that may have come of a create, in the financial year it was meant for."""
    day = intent.detail.get("day", "")  # one of an earlier avsync has none
    return session.accountview.in_year(day, lambda year: _created_in(session, kind, intent, year))


def _created_in(session: Session, kind: Kind, intent: Intent, day: str) -> list[Record]:
    """By our reference, else by the number that was sent, else by what the kind says is the same: AccountView may store
    a number otherwise than it was sent (behaviour 3).

    Until AccountView is known to keep the reference, a record that does not bear it may still be ours (behaviour 2).
    """
    if intent.side == CRAFTER:
        return _free(session, kind, intent, session.crafter.find(kind.resource, {"external_ref": intent.reference}))
    accountview, values = session.accountview, dict(intent.detail["values"])
    columns = accountview.schema[kind.table].columns
    if "reference" in columns and (kind.table, "reference") not in accountview.absent:
        rows = accountview.find(kind.table, {"reference": intent.reference}, day, values)
        if rows:
            learn_reference(session, kind, intent.reference, rows[0])
        if rows or reference_kept(session.store, accountview.schema, kind):
            return _free(session, kind, intent, rows)
    if values.get(kind.id):
        row = session.accountview.by_key(kind.table, values[kind.id], day)
        if row:
            return _free(session, kind, intent, [row])
    if kind.twin is None:
        return []
    found = _free(session, kind, intent, session.accountview.find(kind.table, dict(kind.twin(values)), day, values))
    told = intent.detail["told"]
    same = [one for one in found if kind.same is None or kind.same(one, told, values, intent.sent_at)]
    if "reference" not in columns:
        return same
    ours = _unclaimed(session, intent, [one for one in same if not one.reference.startswith(OURS)])
    if ours and values.get("reference"):
        learn_reference(session, kind, values["reference"], {"reference": ""})
    return ours


def _unclaimed(session: Session, intent: Intent, same: list[Record]) -> list[Record]:
    """The first that no other line claims, marked with the reference it lacks; identical twins take one each."""
    for record in same:
        claimed = session.store.inbox.one(record.kind, ACCOUNTVIEW, record.id)
        if not (claimed and claimed.reference.startswith(OURS)):
            alike = f"{record.alike}#" if record.alike else ""  # not found by its columns any more
            return [replace(record, reference=intent.reference, alike=alike)]
    return []


def _free(session: Session, kind: Kind, intent: Intent, rows: list[dict[str, Any]]) -> list[Record]:
    """The rows as records, without those that a link points at, unless they are others by now."""
    records = [found for row in rows if (found := _readable(session, kind, intent, row))]
    linked = session.store.links.by_side(intent.kind, intent.side, [record.id for record in records])
    return [one for one in records if one.id not in linked or is_other(kind, one, linked[one.id])]


def _readable(session: Session, kind: Kind, intent: Intent, row: dict[str, Any] | None, key: str = "") -> Record | None:
    try:
        return read_one(session, kind, intent.side, row, key)
    except Malformed:
        return None


def _settle_update(session: Session, kind: Kind, intent: Intent) -> None:
    """Settled once it shows, or once the grace time is over: then it is planned again from what stands there.

    A field that shows as we wrote it is no edit of a person's there, whatever has been edited on our side since.
    """
    told, own, store = intent.detail["told"], intent.detail["own"], session.store
    link = store.links.by_id(intent.link) if intent.link is not None else None
    identity = link.end[intent.side].id if link else intent.detail["id"]
    now = _readable(
        session, kind, intent, session.fetch(kind, intent.side, identity, intent.detail.get("day", "")), identity
    )
    shows = [name for name, value in told.items() if now is not None and now.fields.get(name) == value]
    if now is not None and len(shows) < len(told) and not session.old_enough(intent):
        return
    with store.transaction():
        if link is not None:
            store.links.written(
                kind.table if intent.side == ACCOUNTVIEW else kind.name, intent.side, intent.detail["id"]
            )
            sides = {intent.side: told, other(intent.side): own}
            store.links.tell(link.id, {side: {name: values[name] for name in shows if name in values}
                                       for side, values in sides.items()}, intent.side)  # fmt: skip
            from avsync.sync.plan import true_of

            said = [true_of(Remark(code, params), shows) for code, params in intent.detail.get("said", [])]
            record = store.inbox.one(kind.name, intent.record_side, intent.record) or told_by(link, intent.record_side)
            named = replace(record, key=intent.key, name=intent.name)
            tell_once(session, kind, named, link, [one for one in said if one is not None])
        if now is not None:
            store.inbox.put(now, "plan")
        store.intents.close([intent.id])


def _settle_details(session: Session, kind: Kind, intent: Intent) -> None:
    """What shows is remembered; the rest may go again after the grace time."""
    assert kind.look_up is not None  # noqa: S101 - asked by the caller
    store = session.store
    link = store.links.by_id(intent.link or 0)
    rows = session.accountview.details(kind.name, intent.detail["id"], intent.detail.get("day", "")) or []
    found = kind.look_up(intent.detail["lines"], rows, link)
    if not found.shows and not session.old_enough(intent):
        return
    with store.transaction():
        store.intents.close([intent.id])
        for entry in store.inbox.get(kind.name, CRAFTER, [intent.record]).values():
            store.inbox.put(entry.record, entry.fate)
        if link is not None:
            store.links.tell(link.id, found.told, intent.side)
