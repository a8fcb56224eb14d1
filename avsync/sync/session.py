"""What a run carries with it: the state, both services, the policy, the clock, and what it has counted so far."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from avsync.config.settings import Config
from avsync.errors import AvsyncError, ConfigError, LoginNeeded, PersonMustLook
from avsync.records.fit import Column
from avsync.records.kind import Known, Need, Parent, Policy
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.store import Store
from avsync.sync.refs import Lookups


def pick(companies: Sequence[Mapping[str, Any]], code: str) -> Mapping[str, Any]:
    """The company with this code (contracts/accountview.md 2); codes compare in upper case.

    Errors: LoginNeeded("no_companies") when the user sees none, ConfigError("company_unknown") that lists the codes.
    """
    if not companies:
        raise LoginNeeded("no_companies")
    for company in companies:
        if code_of(company).upper() == code.strip().upper():
            return company
    raise ConfigError("company_unknown", company=code, codes=", ".join(sorted(code_of(one) for one in companies)))


def code_of(company: Mapping[str, Any]) -> str:
    """Its code, trimmed."""
    return str(company.get("Code") or "").strip()


def identify(store: Store, accountview: AccountView, code: str, since: str, now: str) -> str:
    """The opaque id behind the company code, as asked after `since`; people never see it, and it does not change."""
    key = f"company:{code}"
    known = store.cached(key, since)
    if known is not None:
        return str(known)
    found = str(pick(accountview.companies(), code)["Id"])
    with store.transaction():
        store.cache(key, found, now)
    return found


def hold(store: Store, code: str, path: str, now: str) -> None:
    """Links of one company mean nothing in another: its numbers name other customers (exit 5)."""
    mine, known = code.upper(), store.cached("company", "")
    if known is None:
        with store.transaction():
            store.cache("company", mine, now)
    elif known != mine:
        raise PersonMustLook("state_other_company", company=mine, known=known, path=path)


FLOWS = ("customers", "projects", "orders", "invoice", "hours")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: which flows, a full pass, one record only, in spite of a safety stop, or no writing."""

    flows: tuple[str, ...] = FLOWS
    command: str = "run-all"
    full: bool = False
    force: bool = False
    dry: bool = False
    only: frozenset[str] | None = None


@dataclass(slots=True)
class Result:
    """What a run did. `errors`: the flows that stopped, and why; `caution`: why a real run would stop (dry run)."""

    run: int
    exit: int
    flows: dict[str, dict[str, int]]
    requests: dict[str, int]
    errors: dict[str, AvsyncError] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None
    skipped: int = 0
    new_problems: int = 0
    caution: AvsyncError | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape that others build on (design: commands)."""
        shape = {"run": self.run, "exit": self.exit, "flows": self.flows, "requests": self.requests}
        if self.plan is None:
            return shape
        plan = [{name: value for name, value in row.items() if name != "params"} for row in self.plan]
        return {**shape, "dry_run": True, "skipped": self.skipped, "plan": plan}


@dataclass(slots=True)
class Tools:
    """The outside world as a run sees it; all of it can be handed in. `utc` is the clock."""

    store: Store
    accountview: AccountView
    crafter: Crafter
    utc: Callable[[], datetime]
    pause: Callable[[float], None]
    checkpoint: Callable[[str], None] = field(default=lambda where: None)
    progress: Callable[[str, int], None] = field(default=lambda flow, count: None)
    started: Callable[[int], None] = field(default=lambda run: None)


def policy_of(config: Config, today: str) -> Policy:
    """The config as planning sees it; `today` is a day in the Netherlands."""
    codes = config.time_codes
    return Policy(
        flows=config.flows.model_dump(),
        start_date=config.start_date.isoformat() if config.start_date else "",
        today=today,
        time_codes={"work": codes.work or "", "travel": codes.travel or ""},
        open_statuses=frozenset(one.upper() for one in config.accountview.open_project_statuses),
        debtor_account=config.accountview.debtor_account or "",
        default_project_type=config.default_project_type or "",
        new_project_status=config.accountview.new_project_status or "",
    )


def signature_of(config: Config) -> str:
    """A mark of every setting that changes what a row means; another mark makes the next run read everything anew."""
    shown = config.model_dump(mode="json", exclude={"accountview": {"client_secret"}, "crafter": {"api_key"}})
    keys = ("company", "start_date", "flows", "time_codes", "default_project_type")
    settings = {key: shown.get(key) for key in keys}
    for side in ("accountview", "crafter"):
        part = dict(shown[side])
        for unrelated in ("base_url", "authorize_url", "client_id", "redirect_uri", "concurrency"):
            part.pop(unrelated, None)
        settings[side] = part
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


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
