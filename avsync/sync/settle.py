"""Settles writes whose outcome nobody saw, by looking for their traces on the other side.

What is found is put into the inbox as a candidate that carries our reference, also where the service has no column for
one, and the next planning adopts it by that: the same road as a first meeting. What is not found is free to be sent
again, but only once the grace time is over.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from avsync.errors import AvsyncError, LoginNeeded, OutOfTime, PersonMustLook
from avsync.records import hours
from avsync.records.kind import Kind, LinkView
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, other, squeeze
from avsync.state.store import Intent
from avsync.sync.boundary import cause_of, each
from avsync.sync.lines import settle_lines
from avsync.sync.session import Context
from avsync.sync.write import accountview_key, read_one

log = logging.getLogger(__name__)
_PATIENCE = timedelta(seconds=30)
Bases = tuple[Mapping[str, Canonical] | None, Mapping[str, Canonical] | None]


def settle(context: Context, kind: str) -> None:
    """Look up every open intent of a kind. One that cannot be looked up stays open and holds up nobody else.

    A service that refuses look-ups for half a minute is left alone until the next run, which begins elsewhere.
    """
    intents = context.store.intents(kind)
    turn = context.run % len(intents) if intents else 0
    begun = datetime.fromisoformat(context.now())
    for intent in intents[turn:] + intents[:turn]:
        context.checkpoint("settle")
        try:
            each([intent], lambda some: _look_up(context, some[0]), lambda one, error: _not_now(context, one, error))
        except (LoginNeeded, OutOfTime, PersonMustLook):
            raise
        except AvsyncError as error:
            _not_now(context, intent, error)
            if datetime.fromisoformat(context.now()) - begun > _PATIENCE:
                return
        context.checkpoint("settled")


def _look_up(context: Context, intent: Intent) -> None:
    if intent.verb == "create":
        _settle_create(context, intent)
    elif intent.verb == "update":
        _settle_update(context, intent)
    else:
        settle_lines(context, intent)


def _not_now(context: Context, intent: Intent, error: Exception) -> None:
    if isinstance(error, AvsyncError):
        detail = str(error.params.get("detail") or error.code)
    else:
        cause = cause_of(error, f"the look-up of {intent.kind} {intent.key or intent.record}")
        detail = ", ".join(str(part) for part in cause.params.values())
    log.warning("%s %s: its look-up failed (%s)", intent.kind, intent.key or intent.record, detail)
    with context.store.transaction():
        context.store.doubt(intent.id, detail)


def _settle_create(context: Context, intent: Intent) -> None:
    found = _created_in_crafter(context, intent) if intent.side == CRAFTER else _created_in_accountview(context, intent)
    if not found and not context.old_enough(intent.sent_at):
        return
    with context.store.transaction():
        for record in found:
            context.store.inbox.put(replace(record, reference=record.reference or intent.reference), "keep")
        if found:
            context.store.found(intent.id)
        else:
            context.store.close_intents([intent.id])


def _created_in_crafter(context: Context, intent: Intent) -> list[Record]:
    rows = context.crafter.find(intent.kind, {"external_ref": intent.reference})
    return _free(context, intent, rows)


def _created_in_accountview(context: Context, intent: Intent) -> list[Record]:
    values: Mapping[str, Any] = intent.detail["values"]
    if intent.kind in ("customer", "project"):
        return _by_natural_key(context, intent, values)
    if (intent.kind, "reference") not in context.accountview.absent:
        return _free(context, intent, context.accountview.find(intent.kind, {"reference": intent.reference}))
    if intent.kind == "order":
        rows = context.accountview.find("order", {"customer": values["customer"]})
        return _same_columns(context, intent, _free(context, intent, rows))
    rows = context.accountview.find("hour", {"employee": values["employee"], "time_code": values["time_code"]})
    return _same_columns(context, intent, _free(context, intent, rows))


def _by_natural_key(context: Context, intent: Intent, values: Mapping[str, Any]) -> list[Record]:
    """A customer or project has no reference column: by its number, a customer without one by name and postal code."""
    number = values.get("number") or values.get("code")
    if number:
        row = context.accountview.by_key(intent.kind, number)
        return _free(context, intent, [row] if row else [])
    rows = context.accountview.find("customer", {"name": values["name"]})
    wanted = {squeeze(values["postal_code"])} if values.get("postal_code") else set()
    return [
        one
        for one in _free(context, intent, rows)
        if wanted <= set(one.extra["postal_codes"]) and bool(wanted) == bool(one.extra["postal_codes"])
        and _since(one.extra["created_at"], intent.sent_at)
    ]  # fmt: skip


def _since(entered: str, sent_at: str) -> bool:
    """Whether a row may have come from this write (behaviour 3); a day of play, because the clocks are not the same."""
    day = (datetime.fromisoformat(sent_at) - timedelta(days=1)).date().isoformat()
    return not entered or entered[:10] >= day


def _same_columns(context: Context, intent: Intent, found: list[Record]) -> list[Record]:
    """The first row with all columns as sent that no other line claims; marked with the reference it lacks."""
    told = intent.detail["told"]
    for record in found:
        same = all(record.fields.get(name) == value for name, value in told.items() if name != "number")
        same = same and record.extra.get("day") == intent.detail["values"].get("order_date")
        claimed = context.store.inbox.get(record.kind, ACCOUNTVIEW, [record.id]).get(record.id)
        if same and not (claimed and claimed.record.reference):
            match = hours.natural(record.fields) if record.kind == "hour" else ""
            return [replace(record, reference=intent.reference, match=f"{match}#" if match else "")]
    return []


def _free(context: Context, intent: Intent, rows: list[dict[str, Any]]) -> list[Record]:
    """The rows as records, without those that a link points at."""
    records = [found[0] for row in rows if (found := read_one(intent.side, intent.kind, row, context))]
    linked = context.store.links.by_side(intent.kind, intent.side, [record.id for record in records])
    return [record for record in records if record.id not in linked]


def _settle_update(context: Context, intent: Intent) -> None:
    """Settled once it shows, or once the grace time is over: then it is planned again from what stands there."""
    kind, identity = KINDS[intent.kind], intent.detail["id"]
    if intent.side == CRAFTER:
        row = context.crafter.get(kind.name, identity)
    else:
        row = context.accountview.by_key(kind.table, accountview_key(kind, identity))
    records = read_one(intent.side, intent.kind, row, context) or []
    now = next((record for record in records if record.id == identity), None)
    if now is not None and not _shows(now, intent.detail["told"]) and not context.old_enough(intent.sent_at):
        return
    with context.store.transaction():
        link = context.store.links.by_id(intent.link) if intent.link is not None else None
        if link is not None:
            context.store.links.written(link, intent.side)
            _rebase(context, link, intent, now)
        if now is not None:
            context.store.inbox.put(now, "plan")
        context.store.close_intents([intent.id])


def _rebase(context: Context, link: LinkView, intent: Intent, now: Record | None) -> None:
    """A field that shows as we wrote it is no edit of a person's there, whatever has been edited on our side since."""
    told, own = intent.detail["told"], intent.detail["own"]
    shows = [name for name, value in told.items() if now is not None and now.fields.get(name) == value]
    for side, values in ((intent.side, told), (other(intent.side), own)):
        context.store.links.set_base(link.id, side, {name: values[name] for name in shows if name in values})


def made_by_us(context: Context, av: Record, cr: Record) -> Intent | None:
    """The write that made one of the two, found after its answer was lost: then they do not meet for the first time."""
    for source, target in ((cr, av), (av, cr)):
        made = context.store.found_write(source.kind, source.side, source.id)
        if made is not None and made.reference == target.reference:
            return made
    return None


def bases_of(kind: Kind, made: Intent) -> Bases:
    """What either side told when that write was made: (AccountView, Crafter). A field not sent was stored empty."""
    sent, told = made.detail["values"], made.detail["told"]
    columns = {one.name: one.crafter if made.side == CRAFTER else kind.column(one, "") for one in kind.fields}
    stored = {name: told.get(name) if column in sent else None for name, column in columns.items()}
    return (stored, made.detail["own"]) if made.side == ACCOUNTVIEW else (made.detail["own"], stored)


def _shows(record: Record, told: Mapping[str, Any]) -> bool:
    return all(record.fields.get(name) == value for name, value in told.items())
