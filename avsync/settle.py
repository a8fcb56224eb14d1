"""Settles writes whose outcome nobody saw, by looking for their traces on the other side.

What is found is put into the inbox as a candidate, and the next planning adopts it by its reference: the same road as a
first meeting. What is not found is free to be sent again, but only once the grace time is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avsync.apply import accountview_key
from avsync.context import Context
from avsync.flows import hours
from avsync.model import ACCOUNTVIEW, CRAFTER, Record, squeeze
from avsync.outcomes import read_one
from avsync.sources import KINDS
from avsync.state.store import Intent

LINES = "lines"


def settle(context: Context, kind: str) -> None:
    """Look up every open intent of a kind. Raises TryLater when the service does not answer: all stay as they are."""
    for intent in context.store.intents(kind):
        if intent.verb == "create":
            _settle_create(context, intent)
        elif intent.verb == "update":
            _settle_update(context, intent)


def _settle_create(context: Context, intent: Intent) -> None:
    found = _created_in_crafter(context, intent) if intent.side == CRAFTER else _created_in_accountview(context, intent)
    if not found and not context.old_enough(intent.sent_at):
        return
    with context.store.transaction():
        for record in found:
            context.store.inbox.put(record, "keep")
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
    wanted = squeeze(values.get("postal_code"))
    return [one for one in _free(context, intent, rows) if not wanted or wanted in one.extra["postal_codes"]]


def _same_columns(context: Context, intent: Intent, found: list[Record]) -> list[Record]:
    """The first row with all columns as sent that no other line claims; marked with the reference it lacks."""
    told = intent.detail["told"]
    for record in found:
        same = all(record.fields.get(name) == value for name, value in told.items() if name != "number")
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
        if now is not None:
            context.store.inbox.put(now, "plan")
        context.store.close_intents([intent.id])


def _shows(record: Record, told: Mapping[str, Any]) -> bool:
    return all(record.fields.get(name) == value for name, value in told.items())
