"""Keeps the list of problems honest: each has a record that waits for it, or it is over."""

from __future__ import annotations

from collections.abc import Collection

from avsync.errors import AvsyncError
from avsync.model import ACCOUNTVIEW, CRAFTER, Side
from avsync.problems import severity
from avsync.state.problems import About, Cause
from avsync.state.store import Store

_OWN_END = ("unreadable", "conflict")  # the first ends when the row is read again, the second with time


def flow_problem(store: Store, flow: str, error: AvsyncError | None, now: str) -> None:
    """A flow that stopped stands in the list under its own name, until it goes through again."""
    about = About(flow, "flow", "", flow, flow, "")
    causes = [Cause(error.code, severity(error.code), error.params)] if error is not None else []
    store.problems.replace(about, causes, now)


def close_stale(store: Store, flow: str, kinds: Collection[str], users: Collection[str], complete: bool) -> None:
    """After a flow went through: errors and waits of records that are no longer planned are over."""
    stale = []
    for problem in store.problems.all(flow) + store.problems.all(flow, ignored=True):
        about, cause = problem.about, problem.cause
        if about.kind == "user":
            if complete and about.record not in users:
                stale.append(problem.id)
        elif (
            about.kind in kinds
            and cause.code not in ("unreadable", "conflict")
            and not _has_reason(store, about, cause)
        ):
            stale.append(problem.id)
    store.problems.remove(stale)


def _has_reason(store: Store, about: About, cause: Cause) -> bool:
    """An error or a wait needs a version in the inbox; a warning may also be about a record that is in step."""
    side: Side = ACCOUNTVIEW if about.side == ACCOUNTVIEW else CRAFTER
    if store.inbox.get(about.kind, side, [about.record]):
        return True
    if cause.severity != "warning":
        return False
    kind = "order" if about.kind == "order_line" else about.kind
    return about.record in store.links.by_side(kind, side, [about.record])
