"""One run: lock, read, settle, the safety stop, the flows in order, the timelines, the totals and the exit code.

A record is the unit of failure, a flow of isolation, a run of reporting.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from avsync.config.settings import Config, Safety
from avsync.errors import AvsyncError, ConfigError, LoginNeeded, OutOfTime, PersonMustLook
from avsync.records import order_lines as invoice
from avsync.records.registry import FLOW_KINDS, FLOW_OF, HOURS_IN_ACCOUNTVIEW, KINDS, Source, wanted
from avsync.records.values import ACCOUNTVIEW, CRAFTER, format_utc
from avsync.state.db import private_copy
from avsync.state.store import Store
from avsync.sync import session as company
from avsync.sync.flow import sync_kind
from avsync.sync.lines import sync_lines
from avsync.sync.problems import close_stale, flow_problem, tell_timelines, unknown_outcomes
from avsync.sync.read import Gathered, Reading, gather
from avsync.sync.recover import follow_numbers, notice_strays, recover
from avsync.sync.refs import Absences, Lookups, forget_old
from avsync.sync.schema import Gate, pass_gate
from avsync.sync.session import Context, Result, Tools, Wish, policy_of, signature_of
from avsync.sync.settle import settle

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


log = logging.getLogger(__name__)
_FIRST_OF = (5, 3, 2, 4, 1)


def run(config: Config, tools: Tools, wish: Wish, today: str) -> Result:
    """Do one run. What stops a flow ends in the result; what stops everything (login, safety) as well."""
    return _Run(config, tools, wish, today).all()


class _Run:
    def __init__(self, config: Config, tools: Tools, wish: Wish, today: str) -> None:
        self.config, self.tools, self.wish = config, tools, wish
        self.store = tools.store
        self.policy = policy_of(config, today)
        self.on = [flow for flow in wish.flows if self.policy.flows[flow] != "off"]
        self.errors: dict[str, AvsyncError] = {}
        self.started = self.now()
        self.gathered: dict[str, Gathered] = {}
        self.context = Context(
            self.store, tools.accountview, tools.crafter, self.policy,
            Lookups(self.store, tools.accountview, tools.crafter, self.policy, self._absences()), self.now, tools.pause,
            grace=config.settle_grace, dry=wish.dry, only=wish.only,
            checkpoint=tools.checkpoint, progress=tools.progress,
            concurrency={"accountview": config.accountview.concurrency, "crafter": config.crafter.concurrency},
        )  # fmt: skip
        self.reading = self._reading()
        self.linked: dict[str, int] = {}

    def now(self) -> str:
        """The UTC moment as text."""
        return format_utc(self.tools.utc())

    def _absences(self) -> Absences:
        anew = self.wish.full or self.wish.only is not None
        return Absences(self.store, self.policy, self.started if anew else self._yesterday(), self.started)

    def _reading(self) -> Reading:
        return Reading(
            self.store, self.tools.accountview, self.tools.crafter, self.policy, self.started,
            signature_of(self.config), self.wish.full, int(self.config.full_every), self.tools.checkpoint,
        )  # fmt: skip

    def all(self) -> Result:
        """The run from beginning to end; whatever happens, the totals and the exit code are written down."""
        with self.store.transaction():
            self.context.run = self.store.start_run(self.wish.command, self.started)
            forget_old(self.store, self._yesterday())
        self.tools.started(self.context.run)
        for flow in self.on:
            self.context.count(flow)
        try:
            self._prepare()
            self._flows()
        except AvsyncError as error:
            self._stop_all(error)
        return self._finish()

    def _prepare(self) -> None:
        """Everything that comes before the first write."""
        self.tools.accountview.company_id = self._company()
        gate = self._gate()
        self._gather(gate)
        notice_strays(self.store)
        self._settle(before=True)
        self.linked = linked(self.store) if self.wish.dry else {}
        if not (self.wish.force or self.wish.dry) and not self.errors.keys() >= set(self.on):
            check(self.config.safety, self.context, self._plan_on_a_copy)

    def _company(self) -> str:
        company.hold(self.store, self.config.company, str(self.config.state_dir), self.started)
        since = self._yesterday()
        return company.identify(self.store, self.tools.accountview, self.config.company, since, self.started)

    def _yesterday(self) -> str:
        return format_utc(datetime.fromisoformat(self.started) - timedelta(days=1))

    def _gate(self) -> Gate:
        gate = pass_gate(
            self.tools.accountview, self.store, self.policy.flows, self.on, self._yesterday(), self.started
        )
        self.errors.update(gate.refused)
        self.context.columns = gate.column
        if "hours" in self.on and "hours" not in gate.refused:
            self.context.lookups.lists = frozenset({"employee", "time_code"}) - gate.without
        return gate

    def _running(self) -> list[str]:
        return [flow for flow in self.on if flow not in self.errors]

    def _gather(self, gate: Gate) -> None:
        """Read every listing that a running flow needs; one that breaks off stops the flows that need it."""
        before = self.store.inbox.newest()
        for source in wanted(self.policy, self._running()):
            if source.kind == "contact" and source.side == ACCOUNTVIEW and not gate.contacts:
                continue
            self._read(source)
        if "hours" in self._running() and self.store.inbox.unlinked("hour", "crafter"):
            self._read(HOURS_IN_ACCOUNTVIEW)
        if "customers" in self._running():
            with _stops(self, "customers"):
                follow_numbers(self.context, before)
        lost = [link for one in self.gathered.values() for link in one.lost]
        for flow in self._running():
            order = FLOW_KINDS[flow]
            with _stops(self, flow):
                recover(
                    sorted((one for one in lost if one.kind in order), key=lambda one: order.index(one.kind)),
                    self.reading,
                )

    def _read(self, source: Source) -> None:
        flows = [flow for flow in dict.fromkeys(FLOW_OF[kind] for kind in source.makes) if flow in self._running()]
        if not flows:
            return
        try:
            got = gather(source, self.reading)
        except (LoginNeeded, OutOfTime, PersonMustLook):
            raise
        except AvsyncError as error:
            for flow in flows:
                self.errors[flow] = error
            return
        self.gathered[source.name] = got
        totals = self.context.count(flows[0])
        totals.read += got.read
        totals.unchanged += got.unchanged

    def _settle(self, before: bool) -> None:
        """Look for what an earlier write, or one of this run, has left: as far as its service answers."""
        if self.context.dry:
            return
        for flow in self._running() if before else self.on:
            with _stops(self, flow):
                for kind in FLOW_KINDS[flow]:
                    settle(self.context, kind)

    def _flows(self) -> None:
        for flow in self.on:
            if flow in self.errors:
                continue
            with _stops(self, flow):
                self._check_codes(flow)
                self._flow(flow)
        self._settle(before=False)

    def _flow(self, flow: str) -> None:
        for kind in FLOW_KINDS[flow]:
            if kind == "order_line":
                self._lines(kind)
            else:
                sync_kind(self.context, KINDS[kind], self.reading)
        with self.store.transaction():
            close_stale(self.store, flow, FLOW_KINDS[flow], self.context.user_problems, self.wish.only is None)
            if not self.wish.only:
                self.store.set_flow_ok(flow, self.now())

    def _lines(self, kind: str) -> None:
        """Lines whose outcome is unknown are looked up at once; what that clears goes on in this run."""
        sync_lines(self.context)
        if not self.context.dry:
            newest = self.store.inbox.newest()
            settle(self.context, kind)
            sync_lines(self.context, newest)

    def _check_codes(self, flow: str) -> None:
        """Time codes that AccountView does not know would be refused line by line: say it once (exit 2)."""
        if flow == "hours" and self.store.inbox.waiting("hour", "crafter"):
            check_time_codes(self.context, self.store, self._yesterday())

    def _plan_on_a_copy(self) -> list[dict[str, Any]]:
        """What this run would do, worked out on a copy of the state."""
        copy = copy_of(self.store)
        try:
            tools = Tools(copy, self.tools.accountview, self.tools.crafter, self.tools.utc, self.tools.pause)
            trial = _Run(
                self.config, tools, Wish(self.wish.flows, "trial", dry=True, only=self.wish.only), self.policy.today
            )
            trial.context.columns, trial.errors = self.context.columns, dict(self.errors)
            trial.context.lookups.lists = self.context.lookups.lists
            trial._flows()
            return trial.context.plan
        finally:
            copy.close()

    def _stop_all(self, error: AvsyncError) -> None:
        for flow in self.on:
            self.errors.setdefault(flow, error)

    def _finish(self) -> Result:
        with self.store.transaction():
            for flow in self.on:
                flow_problem(self.store, flow, self.errors.get(flow), self.now())
            if not self.wish.dry:
                self.store.forget_found()
                doubts = unknown_outcomes(self.store, self.context.old_enough, self.now())
                for flow in self.on:
                    self.context.count(flow).unknown = doubts.get(flow, 0)
            self.store.problems.expire("conflict", format_utc(datetime.fromisoformat(self.started) - timedelta(days=7)))
        self._timelines()
        code = self._exit()
        flows = {flow: self.context.count(flow).as_dict() for flow in self.on}
        requests = {"accountview": self.tools.accountview.http.requests, "crafter": self.tools.crafter.http.requests}
        with self.store.transaction():
            self.store.finish_run(self.context.run, self.now(), code, flows, requests)
        skipped = sum(one.skipped_old for one in self.gathered.values())
        plan = self.context.plan if self.wish.dry else None
        new = self.store.problems.new_since(self.started)
        return Result(self.context.run, code, flows, requests, self.errors, plan, skipped, new, self._caution())

    def _caution(self) -> AvsyncError | None:
        """What a dry run says of the safety stop that the same run in earnest would meet."""
        if not self.wish.dry or self.wish.force:
            return None
        return judge(self.config.safety, self.context.plan, self.linked)

    def _timelines(self) -> None:
        """Telling must never turn a good run into a bad one: what cannot be told now is told by the next run."""
        if any(isinstance(error, PersonMustLook) for error in self.errors.values()):
            return  # stopped before anything was written
        if any(isinstance(error, LoginNeeded) and error.code.startswith("crafter") for error in self.errors.values()):
            return
        try:
            tell_timelines(self.context, self.config.language)
        except AvsyncError as error:
            log.warning("the timelines could not be brought up to date: %s", error)

    def _exit(self) -> int:
        codes = {error.exit_code for error in self.errors.values()}
        if self.store.problems.needing_attention(self.on):
            codes.add(1)
        return next((code for code in _FIRST_OF if code in codes), 0)


class _stops:  # noqa: N801 - reads as a sentence: with _stops(run, flow)
    """What goes wrong in one flow stops that flow; what concerns everything goes on up."""

    def __init__(self, run: _Run, flow: str) -> None:
        self.run, self.flow = run, flow

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, (LoginNeeded, OutOfTime, PersonMustLook)) or not isinstance(error, AvsyncError):
            return False
        self.run.errors.setdefault(self.flow, error)
        return True
