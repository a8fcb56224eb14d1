"""Stops before an implausible share of the books would change, and before unknown time codes are sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlite_utils import Database

from avsync.config import Safety
from avsync.context import Context
from avsync.errors import ConfigError, PersonMustLook
from avsync.flows import invoice
from avsync.model import CRAFTER
from avsync.state.store import Store

_ENOUGH = 50  # below this many links a share says nothing (behaviour 32)
_WRITES = {
    "customers": ("customer", "location"), "projects": ("project",), "orders": ("order",), "invoice": (invoice.KIND,),
    "hours": ("hour",),
}  # fmt: skip


def check(limits: Safety, context: Context, plan: Callable[[], list[dict[str, Any]]]) -> None:
    """Raise PersonMustLook when the run would create or change too much in AccountView.

    The inbox says at once how much it could be at most; only when that is too much is the run worked out in full.
    """
    if not _could_be_too_much(limits, context):
        return
    rows = [row for row in plan() if row["direction"] == "export"]
    created = sum(_weight(row) for row in rows if row["action"] == "create")
    if created > limits.max_new:
        raise PersonMustLook("safety_new", count=created, limit=limits.max_new)
    changed = Counter(row["kind"] for row in rows if row["action"] in ("update", "adopt"))
    for kind, count in changed.items():
        linked = context.store.links.count(kind)
        if linked >= _ENOUGH and count > limits.max_share * linked:
            share = f"{100 * count / linked:.0f} %"
            limit = f"{100 * limits.max_share:.0f} %"
            raise PersonMustLook("safety_share", parent_kind=kind, count=count, linked=linked, share=share, limit=limit)


def _weight(row: dict[str, Any]) -> int:
    return max(1, len(row["fields"])) if row["kind"] == invoice.KIND else 1


def _could_be_too_much(limits: Safety, context: Context) -> bool:
    store, new = context.store, 0
    for flow, kinds in _WRITES.items():
        if flow not in context.totals or not context.policy.exports(flow):
            continue
        for kind in kinds:
            unlinked, waiting = store.inbox.unlinked(kind, CRAFTER), store.inbox.waiting(kind, CRAFTER)
            new += unlinked * (20 if kind == invoice.KIND else 1)
            linked = store.links.count(kind)
            if linked >= _ENOUGH and waiting - unlinked > limits.max_share * linked:
                return True
    return new > limits.max_new


def copy_of(store: Store) -> Store:
    """A private copy of the state, to try things on."""
    copy = Database(sqlite3.connect("", isolation_level=None))
    store.db.conn.backup(copy.conn)
    return Store(copy)


def check_time_codes(context: Context, store: Store, since: str) -> None:
    """Raise ConfigError when AccountView has no such time code; what was found right counts for a day."""
    codes = [code.upper() for code in context.policy.time_codes.values()]
    key = f"time_codes:{','.join(codes)}"
    if store.cached(key, since):
        return
    unknown = [code for code in codes if context.accountview.by_key("time_code", code) is None]
    if unknown:
        known = [row for page in context.accountview.pages("time_code") for row in page.rows]
        raise ConfigError("time_codes_unknown", codes=", ".join(unknown), known=_shown(known))
    with store.transaction():
        store.cache(key, codes, context.now())


def _shown(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{row.get('code')} ({row.get('name')})" for row in rows[:20]) or "-"
