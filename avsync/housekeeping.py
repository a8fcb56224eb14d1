"""Keeps the list of problems honest: each has a record that waits for it, or it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from avsync.boundary import ROW
from avsync.errors import AvsyncError
from avsync.intake import entity_of
from avsync.model import ACCOUNTVIEW, CRAFTER, Side
from avsync.problems import severity
from avsync.state.problems import About, Cause, Problem
from avsync.state.store import Intent, Store

_OWN_END = ("unreadable", "conflict")  # the first ends when the row is read again, the second with time

_OUTCOMES = ("outcome_unknown", "outcome_not_found_out")
_SERVICES = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}


def flow_problem(store: Store, flow: str, error: AvsyncError | None, now: str) -> None:
    """A flow that stopped stands in the list under its own name, until it goes through again."""
    about = About(flow, "flow", "", flow, flow, "")
    causes = [Cause(error.code, severity(error.code), error.params)] if error is not None else []
    store.problems.replace(about, causes, now)


def unknown_outcomes(store: Store, overdue: Callable[[str], bool], now: str) -> Counter[str]:
    """Every write whose outcome is unknown when a run ends stands in the list until it is settled; how many per flow.

    `overdue` says of the moment it was sent whether the grace time is over: then only a failing look-up keeps it open.
    """
    intents, still = store.intents(), set()
    for intent in intents:
        code = "outcome_not_found_out" if overdue(intent.sent_at) else "outcome_unknown"
        about = _about_intent(intent)
        params = {"service": _SERVICES[intent.side], "detail": intent.reason or "-", "reference": intent.reference}
        store.problems.add(about, Cause(code, severity(code), params), now)
        still.add((about.flow, about.kind, about.side, about.record, code))
    listed = [one for ignored in (False, True) for one in store.problems.all(ignored=ignored)]
    store.problems.remove([one.id for one in listed if one.cause.code in _OUTCOMES and _mark(one) not in still])
    return Counter(intent.flow for intent in intents)


def _about_intent(intent: Intent) -> About:
    told = intent.record_side == CRAFTER and intent.kind not in ("location", "contact")
    entity = entity_of(intent.kind) if told else ""
    return About(intent.flow, intent.kind, intent.record_side, intent.record, intent.key or intent.record, intent.name,
                 entity, intent.record if told else "")  # fmt: skip


def _mark(problem: Problem) -> tuple[str, str, str, str, str]:
    about = problem.about
    return about.flow, about.kind, about.side, about.record, problem.cause.code


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
            and cause.slot != ROW
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
    link = store.links.by_side(kind, side, [about.record]).get(about.record)
    return link is not None and not link.gone
