"""Stops before an implausible share of the books would change, and before unknown time codes are sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from avsync.config import Safety
from avsync.context import Context
from avsync.errors import ConfigError, PersonMustLook
from avsync.flows import invoice
from avsync.model import CRAFTER
from avsync.state.db import private_copy
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
    verdict = judge(limits, plan(), linked(context.store))
    if verdict is not None:
        raise verdict


def linked(store: Store) -> dict[str, int]:
    """How many records of each kind that AccountView can be written for are linked."""
    return {kind: store.links.count(kind) for kinds in _WRITES.values() for kind in kinds}


def judge(limits: Safety, rows: Sequence[Mapping[str, Any]], links: Mapping[str, int]) -> PersonMustLook | None:
    """What is too much about a plan, None when nothing is. Only writes to AccountView count (behaviour 32)."""
    writes = [row for row in rows if row["direction"] == "export" and row["fields"]]
    created = sum(_weight(row) for row in writes if row["action"] == "create")
    if created > limits.max_new:
        return PersonMustLook("safety_new", count=created, limit=limits.max_new)
    changed: Counter[str] = Counter()
    for row in writes:
        changed[row["kind"]] += _weight(row) if row["action"] in ("update", "adopt") else 0
    for kind, count in changed.items():
        there = links.get(kind, 0)
        if there >= _ENOUGH and count > limits.max_share * there:
            share, limit = f"{100 * count / there:.0f} %", f"{100 * limits.max_share:.0f} %"
            return PersonMustLook("safety_share", parent_kind=kind, count=count, linked=there, share=share, limit=limit)
    return None


def _weight(row: Mapping[str, Any]) -> int:
    return len(row["fields"]) if row["kind"] == invoice.KIND else 1


def _could_be_too_much(limits: Safety, context: Context) -> bool:
    store, new = context.store, 0
    for flow, kinds in _WRITES.items():
        if flow not in context.totals or not context.policy.exports(flow):
            continue
        for kind in kinds:
            waiting = store.inbox.waiting(kind, CRAFTER)
            if not waiting:
                continue
            unlinked = store.inbox.unlinked(kind, CRAFTER)
            new += unlinked * (20 if kind == invoice.KIND else 1)
            there = store.links.count(kind)
            changed = store.inbox.parts(kind) if kind == invoice.KIND else waiting - unlinked
            if there >= _ENOUGH and changed > limits.max_share * there:
                return True
    return new > limits.max_new


def copy_of(store: Store) -> Store:
    """A private copy of the state, to try things on."""
    return Store(private_copy(store.db.conn))


def check_time_codes(context: Context, store: Store, since: str) -> None:
    """Raise ConfigError when AccountView has no such time code; what was found right counts for a day."""
    if "time_code" not in context.lookups.lists:
        return  # no list to look in: AccountView judges line by line
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
