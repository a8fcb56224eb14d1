"""One run and everything it carries: state, clients, policy, clock, what was asked for and what was counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from avsync.config.settings import Config
from avsync.errors import AvsyncError
from avsync.records.fit import Column
from avsync.records.kind import Kind, Policy
from avsync.records.registry import FLOWS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side, format_utc
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.store import Store
from avsync.sync.refs import Refs

PAGE = 200  # records planned at a time
_NOT_ABOUT_ROWS = ("base_url", "authorize_url", "client_id", "redirect_uri", "concurrency")


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
        """The shape that others build on (RULES.md, commands)."""
        shape = {"run": self.run, "exit": self.exit, "flows": self.flows, "requests": self.requests}
        if self.plan is None:
            return shape
        plan = [{name: value for name, value in row.items() if name != "params"} for row in self.plan]
        return {**shape, "dry_run": True, "skipped": self.skipped, "plan": plan}


def _nothing(*_: Any) -> None:
    """The checkpoint, progress and beginning of everyday use; tests put their axe here."""


@dataclass(slots=True)
class Session:
    """One run. `utc` is the clock, `pause` sleeps and can be woken, `checkpoint` names every effect, `only` the records
    that `--only` asks for."""

    config: Config
    store: Store
    accountview: AccountView
    crafter: Crafter
    utc: Callable[[], datetime]
    pause: Callable[[float], None]
    today: str
    flows: tuple[str, ...] = FLOWS
    command: str = "run-all"
    full: bool = False
    force: bool = False
    dry: bool = False
    only: frozenset[str] | None = None
    checkpoint: Callable[[str], None] = _nothing
    progress: Callable[[str, int], None] = _nothing
    begun: Callable[[int], None] = _nothing

    policy: Policy = field(init=False)
    signature: str = field(init=False)
    started: str = field(init=False)
    refs: Refs = field(init=False)
    run: int = field(init=False, default=0)
    columns: Callable[[str, str], Column] = field(init=False, default=lambda kind, column: Column())
    without: frozenset[str] = field(init=False, default=frozenset())
    errors: dict[str, AvsyncError] = field(init=False, default_factory=dict)
    totals: dict[str, Totals] = field(init=False, default_factory=dict)
    plan: list[dict[str, Any]] = field(init=False, default_factory=list)
    skipped: int = field(init=False, default=0)
    read_at: dict[tuple[Side, str], str] = field(init=False, default_factory=dict)  # when a listing began in this run
    ahead: dict[Side, timedelta] = field(init=False, default_factory=dict)  # of our clock, by its Date headers
    questions: dict[tuple[str, str], str] = field(init=False, default_factory=dict)  # (kind, key) → the two it may be
    pretended: dict[tuple[str, Side, str], tuple[str, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.policy = policy_of(self.config, self.today)
        self.signature = signature_of(self.config)
        self.started = self.now()
        self.refs = Refs(self)

    def now(self) -> str:
        """The UTC moment as text."""
        return format_utc(self.utc())

    def time(self, side: Side) -> str:
        """The UTC moment by a service's own clock, as text; by ours while it has told none."""
        return format_utc(self.utc() + self.ahead.get(side, timedelta(0)))

    def ago(self, days: int) -> str:
        """So many days before the start of this run."""
        return format_utc(datetime.fromisoformat(self.started) - timedelta(days=days))

    def on(self) -> list[str]:
        """The flows that were asked for and are not switched off."""
        return [flow for flow in self.flows if self.policy.flows[flow] != "off"]

    def running(self) -> list[str]:
        """Those of them that nothing has stopped."""
        return [flow for flow in self.on() if flow not in self.errors]

    def count(self, flow: str) -> Totals:
        """The totals of a flow."""
        return self.totals.setdefault(flow, Totals())

    def width(self, side: Side) -> int:
        """How many requests may be under way there."""
        return (self.config.accountview if side == ACCOUNTVIEW else self.config.crafter).concurrency

    def old_enough(self, sent_at: str) -> bool:
        """Whether the grace time of an intent is over: a relay may apply a request after its caller gave up."""
        return seconds_between(sent_at, self.now()) >= self.config.settle_grace

    def wanted(self, record: Record) -> bool:
        """Whether `--only` names this record."""
        names = {record.key.upper(), record.id.upper(), record.name.upper()} - {""}
        return self.only is None or bool(self.only & names)

    def fetch(self, kind: Kind, side: Side, identity: str, day: str = "") -> dict[str, Any] | None:
        """The row that holds a record, as it stands there now; in AccountView in the financial year of `day`."""
        if side == CRAFTER:
            return self.crafter.get(kind.resource, identity)
        return self.accountview.by_key(kind.table, kind.row_key(identity), day)


def seconds_between(earlier: str, later: str) -> float:
    """From one UTC moment to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


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
        company=config.company.strip().upper(),
    )


def signature_of(config: Config) -> str:
    """A mark of every setting that changes what a row means; another mark makes the next run read everything anew."""
    shown = config.model_dump(mode="json", exclude={"accountview": {"client_secret"}, "crafter": {"api_key"}})
    settings = {key: shown.get(key) for key in ("company", "start_date", "flows", "time_codes", "default_project_type")}
    for side in (ACCOUNTVIEW, CRAFTER):
        settings[side] = {name: value for name, value in shown[side].items() if name not in _NOT_ABOUT_ROWS}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]
