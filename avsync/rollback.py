"""Notices that state.db is older than what was done with it: lost, or put back from a backup (behaviour 2 and 4).

What was made since is found again by reference and number, like a first meeting. Lines on a sales order bear no
reference, so from then on equal lines that stand on an order count as sent.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace

from avsync.context import Context
from avsync.flows.spec import Kind
from avsync.model import ACCOUNTVIEW, CRAFTER, Record, Side, crafter_reference
from avsync.state.lock import Holder
from avsync.state.store import Store

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
