"""Remembers what a service did not have, so that a backlog of waiting records costs no reads in every run.

Only of kinds whose listing is read anyway: a listing that shows such a record ends its absence (`forget`).
One record's run, a full pass and the next day ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from avsync.flows.spec import Policy
from avsync.model import Side
from avsync.state.store import Store

_FLOWS = {"project": "projects", "order": "orders"}
_PREFIX = "absent:"

T = TypeVar("T")


class Absences:
    """What was looked up and not found at or after `since`; `now` is the moment of this run (both UTC, as text)."""

    def __init__(self, store: Store, policy: Policy, since: str, now: str) -> None:
        self.store, self.since, self.now = store, since, now
        self.listed = {kind for kind, flow in _FLOWS.items() if policy.flows[flow] != "off"}

    def known(self, kind: str, side: Side, keys: Iterable[str]) -> set[str]:
        """Which of these records are known not to be there."""
        if kind not in self.listed:
            return set()
        names = {_name(kind, side, key): key for key in keys}
        return {names[name] for name in self.store.cached_keys(list(names), self.since)}

    def note(self, kind: str, side: Side, keys: Collection[str]) -> None:
        """These were looked up and are not there."""
        if kind in self.listed and keys:
            with self.store.transaction():
                for key in keys:
                    self.store.cache(_name(kind, side, key), True, self.now)

    def ask(self, kind: str, side: Side, key: str, read: Callable[[], T | None]) -> T | None:
        """What `read` finds, unless it is known that it finds nothing."""
        if self.known(kind, side, [key]):
            return None
        found = read()
        if found is None:
            self.note(kind, side, [key])
        return found


def forget(store: Store, kind: str, side: Side, key: str) -> None:
    """The record is there: a listing shows it, or we made it."""
    if kind in _FLOWS:
        store.uncache(_name(kind, side, key))


def forget_old(store: Store, before: str) -> None:
    """What was not asked again is no longer asked for."""
    store.uncache_old(_PREFIX, before)


def _name(kind: str, side: Side, key: str) -> str:
    return f"{_PREFIX}{kind}:{side}:{key}"
