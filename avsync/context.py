"""What a run carries with it: the state, both services, the policy, the clock, and what it has counted so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from avsync.fit import Column
from avsync.flows.spec import Known, Need, Parent, Policy
from avsync.lookups import Lookups
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.store import Store

ONE_RUN = 200  # records planned at a time


@dataclass(slots=True)
class Totals:
    """What a flow did, as `--json` shows it."""

    read: int = 0
    created: int = 0
    updated: int = 0
    adopted: int = 0
    unchanged: int = 0
    waiting: int = 0
    failed: int = 0
    unknown: int = 0

    def as_dict(self) -> dict[str, int]:
        """Names and numbers."""
        return asdict(self)


def nothing(where: str) -> None:
    """The checkpoint of everyday use; tests put their axe here."""


def seconds_between(earlier: str, later: str) -> float:
    """From one UTC moment to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@dataclass(slots=True)
class Context:
    """One run. `now` gives the UTC moment as text, `pause` sleeps and can be woken, `checkpoint` names every effect."""

    store: Store
    accountview: AccountView
    crafter: Crafter
    policy: Policy
    lookups: Lookups
    now: Callable[[], str]
    pause: Callable[[float], None]
    run: int = 0
    grace: float = 120.0
    dry: bool = False
    concurrency: Mapping[str, int] = field(default_factory=lambda: {"accountview": 2, "crafter": 8})
    columns: Callable[[str, str], Column] = field(default=lambda kind, column: Column())
    only: frozenset[str] | None = None
    checkpoint: Callable[[str], None] = nothing
    progress: Callable[[str, int], None] = field(default=lambda flow, count: None)
    totals: dict[str, Totals] = field(default_factory=dict)
    plan: list[dict[str, Any]] = field(default_factory=list)
    user_problems: set[str] = field(default_factory=set)
    questions: dict[str, str] = field(default_factory=dict)  # AccountView customer → the two it may be

    def known(self, needs: list[Need]) -> Known:
        """Everything planning may ask about, looked up now."""
        answers: dict[Need, Parent] = self.lookups.answer(needs)
        return Known(self.policy, answers, self.columns, frozenset(self.accountview.absent))

    def snapshot(self) -> Callable[[], None]:
        """Remembers what was counted and noted so far; calling the result goes back to it, after a page that failed."""
        totals = {flow: replace(counted) for flow, counted in self.totals.items()}
        planned, users = len(self.plan), set(self.user_problems)

        def back() -> None:
            self.totals, self.user_problems = totals, users
            del self.plan[planned:]

        return back

    def count(self, flow: str) -> Totals:
        """The totals of a flow."""
        return self.totals.setdefault(flow, Totals())

    def old_enough(self, sent_at: str) -> bool:
        """Whether the grace time of an intent is over: a relay may apply a request after its caller gave up."""
        return seconds_between(sent_at, self.now()) >= self.grace

    def wanted(self, key: str, identity: str, name: str = "") -> bool:
        """Whether `--only` names this record."""
        return self.only is None or bool(self.only & {key.upper(), identity.upper(), name.upper()} - {""})
