"""One run and everything it carries: state, clients, policy, clock, what was asked for and what was counted."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from avsync.config.settings import Config
from avsync.errors import AvsyncError
from avsync.records.fit import Column
from avsync.records.kind import Decided, Kind, Policy
from avsync.records.registry import FLOWS, KINDS, with_details
from avsync.records.rows import Listing
from avsync.records.values import ACCOUNTVIEW, AMSTERDAM, CRAFTER, Canonical, Malformed, Record, Side, format_utc
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.intents import Intent
from avsync.state.machine import uptime
from avsync.state.store import Store
from avsync.sync.ahead import First
from avsync.sync.clock import CACHE_KEY as CLOCK
from avsync.sync.clock import Clock
from avsync.sync.refs import Refs

if TYPE_CHECKING:
    from avsync.sync.plan import Action

log = logging.getLogger(__name__)
_GAP = timedelta(hours=1)
PAGE = 200  # records planned at a time
_NOT_ABOUT_ROWS = ("client_secret", "api_key", "base_url", "authorize_url", "client_id", "redirect_uri", "concurrency")


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
    """What a run did. `errors`: the flows that stopped, and why; `incidents`: those that go on; `caution`: why a real
    run would stop (dry run)."""

    run: int
    exit: int
    flows: dict[str, dict[str, int]]
    requests: dict[str, int]
    errors: dict[str, AvsyncError] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None
    skipped: int = 0
    incidents: list[dict[str, str]] = field(default_factory=list)
    finished: str = ""
    caution: AvsyncError | None = None


def nothing(*_: Any) -> None:
    """The checkpoint, progress and beginning of everyday use; tests put their axe here."""


Progress = Callable[
    ..., None
]  # the phase (read, compare, write, tell), steps done and in all, the kind at hand, a count


@dataclass(slots=True)
class Session:
    """One run. `utc` is our own clock, which is not believed, `uptime` what it is checked against (behaviour 51);
    `pause` sleeps and can be woken, `checkpoint` names every effect, `only` the records that `--only` asks for."""

    config: Config
    store: Store
    accountview: AccountView
    crafter: Crafter
    utc: Callable[[], datetime]
    pause: Callable[[float], None]
    flows: tuple[str, ...] = FLOWS
    command: str = "run-all"
    full: bool = False
    force: bool = False
    dry: bool = False
    only: frozenset[str] | None = None
    asked: str = ""  # what a person typed behind --only
    checkpoint: Callable[[str], None] = nothing
    progress: Progress = nothing
    begun: Callable[[int], None] = nothing
    foreseen: Callable[[Action], None] = nothing  # of a dry run: whatever it would do
    uptime: Callable[[], tuple[str, float]] = uptime

    clock: Clock = field(init=False)
    policy: Policy = field(init=False)
    signature: str = field(init=False)
    started: str = field(init=False)
    refs: Refs = field(init=False)
    decided: Decided = field(init=False)
    _began: float = field(init=False)
    run: int = field(init=False, default=0)
    columns: Callable[[str, str], Column] = field(init=False, default=lambda kind, column: Column())
    without: frozenset[str] = field(init=False, default=frozenset())
    dictionary: Mapping[str, Mapping[str, Any]] = field(
        init=False, default_factory=dict
    )  # table -> column -> what it is
    learnt: dict[str, dict[str, int]] = field(init=False, default_factory=dict)  # of our columns, see `caution`
    at_once: int = field(init=False, default=0)  # how many requests AccountView was seen to bear, 0: nobody has looked
    put_back: bool = field(init=False, default=False)  # or so it seems
    gate_is_new: bool = field(init=False, default=False)  # what AccountView is like was read in this run
    errors: dict[str, AvsyncError] = field(init=False, default_factory=dict)
    totals: dict[str, Totals] = field(init=False, default_factory=dict)
    plan: list[dict[str, Any]] = field(init=False, default_factory=list)
    skipped: int = field(init=False, default=0)
    phase: str = field(init=False, default="read")
    steps: int = field(init=False, default=0)  # of the phase, and how many of them are done
    done: int = field(init=False, default=0)
    read_at: dict[tuple[Side, str], float] = field(init=False, default_factory=dict)  # ticks when a listing began
    went_through: dict[str, str] = field(init=False, default_factory=dict)  # flow → when
    ask_ahead: Callable[[Listing], None] = field(init=False, default=lambda after: None)
    ahead: dict[str, First[Any]] = field(
        init=False, default_factory=dict
    )  # listing → its first page, asked for already
    unread: dict[str, list[Record]] = field(init=False, default_factory=dict)  # what is legible of what was not read
    again: set[tuple[str, str]] = field(init=False, default_factory=set)  # (kind, id): refused, tried once more
    looked: dict[str, set[Any]] = field(
        init=False, default_factory=dict
    )  # kind → where its rows were looked for already
    questions: dict[tuple[str, str], str] = field(init=False, default_factory=dict)  # (kind, key) → the two it may be
    doubts: Counter[Side] = field(init=False, default_factory=Counter)  # writes without an outcome, in a row
    refused: dict[tuple[str, str], Mapping[str, Any]] = field(init=False, default_factory=dict)  # of a look-up, and why
    pretended: dict[tuple[str, Side, str], tuple[str, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        services = {ACCOUNTVIEW: self.accountview.http.time, CRAFTER: self.crafter.http.time}
        self.clock = Clock(services, self.utc, self.uptime, self.store.cached(CLOCK) or {})
        self._began = self.ticks()
        self.policy = policy_of(self.config, "")
        self.set_clock()
        self.signature = signature_of(self.config)
        self.refs = Refs(self)
        self.decided = self.store.decisions.all()

    def set_clock(self) -> None:
        """When this run began and which day it is, as it is known now that a service may have told its clock."""
        began = self.clock.time(ACCOUNTVIEW) - timedelta(seconds=self.ticks() - self._began)
        self.started = format_utc(began)
        self.policy = replace(self.policy, today=began.astimezone(AMSTERDAM).date().isoformat())

    def ticks(self) -> float:
        """Seconds that nobody can set, to measure what happens within this run."""
        return self.uptime()[1]

    def time(self, side: Side) -> str:
        """What time it is by that service (UTC, as text), as well as that can be known."""
        return format_utc(self.clock.time(side))

    def now(self) -> str:
        """What time it is (UTC, as text)."""
        return self.time(ACCOUNTVIEW)

    def year(self) -> str:
        """The year it is for AccountView, whose books a read shows that names no other (behaviour 52)."""
        return str(self.clock.time(ACCOUNTVIEW).astimezone(AMSTERDAM).year)

    def earlier_years(self) -> list[str]:
        """The book dates under which the books of earlier years are read, from start_date on and the newest first."""
        first = int(self.policy.start_date[:4] or self.year())
        years = range(int(self.year()) - 1, first - 1, -1)
        return [f"{year}-12-31" for year in years] if self.config.accountview.book_date == "record" else []

    def ago(self, days: int) -> str:
        """So many days before the start of this run."""
        return format_utc(datetime.fromisoformat(self.started) - timedelta(days=days))

    def lately(self, days: int = 1) -> tuple[str, str]:
        """From so many days ago to now: what is stamped outside of that is too old, or cannot be."""
        return self.clock.lately(ACCOUNTVIEW, days)

    def notice_gap(self) -> bool:
        """Whether the last finished run turns out to be more than an hour ago, as after any restore: then everything is
        read anew (behaviour 41)."""
        if self.put_back or self.clock.since_last_run() <= _GAP:
            return False
        log.info("the last finished run is more than an hour ago: everything is read anew")
        with self.store.transaction():
            self.store.read_anew(with_details())
        self.put_back = True
        return True

    def on(self) -> list[str]:
        """The flows that were asked for and are not switched off."""
        return [flow for flow in self.flows if self.policy.flows[flow] != "off"]

    def running(self) -> list[str]:
        """Those of them that nothing has stopped."""
        return [flow for flow in self.on() if flow not in self.errors]

    def count(self, flow: str) -> Totals:
        """The totals of a flow."""
        return self.totals.setdefault(flow, Totals())

    def enter(self, phase: str, steps: int) -> None:
        """A phase of so many steps begins."""
        self.phase, self.steps, self.done = phase, steps, 0
        self.progress(phase, 0, steps)

    def step(self, what: str, count: int = 0, done: int = 0) -> None:
        """So many steps further; it is busy with this kind, of which it has seen so many."""
        self.done += done
        self.progress(self.phase, self.done, max(self.steps, self.done), what, count)

    def width(self, side: Side) -> int:
        """How many requests may be under way there."""
        if side == ACCOUNTVIEW:
            allowed = self.config.accountview.concurrency
            return min(allowed, self.at_once or allowed)
        return self.config.crafter.concurrency

    def old_enough(self, intent: Intent) -> bool:
        """Whether the grace time of an intent is over: a relay may apply a request after its caller gave up."""
        return (self.clock.age(intent.side, intent.counted_from) or 0) >= self.config.settle_grace

    def wanted(self, record: Record) -> bool:
        """Whether `--only` names this record."""
        if self.only is None:
            return True
        numbers = [record.fields.get(name) for name in KINDS[record.kind].known_by]
        names = (record.key, record.id, record.name, *record.facts.values(), *numbers)
        return not self.only.isdisjoint(name.upper() for name in names if name)

    def sheet_of(self, kind: str, values: Mapping[str, Canonical]) -> object:
        """Which sheet in AccountView a row with these values stands on, None where rows stand by themselves."""
        try:
            return self.accountview.sheet_of(kind, values)
        except Malformed:
            return None

    def fetch(self, kind: Kind, side: Side, identity: str, day: str = "") -> dict[str, Any] | None:
        """The row that holds a record, as it stands there now; in AccountView in the financial year of `day`.

        A dated one is looked for in every year since start_date when no day is given.
        """
        if side == CRAFTER:
            return self.crafter.get(kind.resource, identity)
        row = self._row(kind, identity, day)
        for year in self.earlier_years() if row is None and kind.day and not day else ():
            row = row or self.accountview.in_year(year, partial(self._row, kind, identity))
        return row

    def _row(self, kind: Kind, identity: str, day: str) -> dict[str, Any] | None:
        return self.accountview.by_key(kind.table, kind.row_key(identity), day)


def seconds_between(earlier: str, later: str) -> float:
    """From one UTC moment to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def policy_of(config: Config, today: str) -> Policy:
    """The config as planning sees it; `today` is a day in the Netherlands."""
    codes = config.time_codes
    return Policy(
        flows=config.flows.values,
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
    shown = config.values
    settings = {key: shown.get(key) for key in ("company", "start_date", "flows", "time_codes", "default_project_type")}
    for side in (ACCOUNTVIEW, CRAFTER):
        settings[side] = {name: value for name, value in shown[side].items() if name not in _NOT_ABOUT_ROWS}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]
