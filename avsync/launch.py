"""Starts a run as an operator or cron does: lock, state, signals, budget, progress, and what is printed at the end."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

import click

from avsync import connect, problems, report
from avsync.config import Config
from avsync.model import AMSTERDAM, format_utc
from avsync.run import Result, Tools, Wish
from avsync.run import run as do_run
from avsync.state import db
from avsync.state.lock import Holder, RunLock
from avsync.state.store import Store
from avsync.words import word

log = logging.getLogger(__name__)
STUCK_AFTER = 3600  # seconds


class Talker(Protocol):
    """The global options, as far as a run needs them."""

    as_json: bool
    quiet: bool

    def say(self, text: str, shape: object) -> None:
        """Print a result."""


class Budget:
    """How long a run may still take. A signal ends it at once: nothing new is sent, the record in hand is finished."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds
        self._stop = threading.Event()

    def left(self) -> float:
        """Seconds."""
        return 0.0 if self._stop.is_set() else self._end - self._clock()

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the end and not past a signal."""
        self._stop.wait(max(0.0, min(seconds, self.left())))

    @contextmanager
    def signals(self) -> Iterator[None]:
        """While inside, SIGTERM and SIGINT stop the run cleanly."""
        before = {
            number: signal.signal(number, lambda *_: self._stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def interrupted(self) -> bool:
        """Whether a signal came."""
        return self._stop.is_set()


def run(config: Config, wish: Wish, talker: Talker) -> int:
    """Do the run and print what came of it; returns the exit code."""
    if wish.dry:
        store = Store(db.open_copy(config.state_dir))
        return _with(config, wish, store, talker)
    lock = RunLock(config.state_dir)
    if not lock.take():
        _say_busy(lock.holder(), config.language)
        return 0
    try:
        store = Store(db.open_for_writing(config.state_dir))
        wish = _look_back(store, lock, wish)
        return _with(config, wish, store, talker)
    finally:
        lock.release()


def _with(config: Config, wish: Wish, store: Store, talker: Talker) -> int:
    try:
        result = _go(config, wish, store, talker)
    finally:
        store.close()
    tell(result, config.language, talker)
    return result.exit


def _go(config: Config, wish: Wish, store: Store, talker: Talker) -> Result:
    budget = Budget(config.budget)
    with budget.signals(), _progress(talker) as progress:
        tools = Tools(
            store,
            connect.accountview(config, pause=budget.pause, time_left=budget.left),
            connect.crafter(config, pause=budget.pause, time_left=budget.left),
            lambda: datetime.now(UTC),
            budget.pause,
            progress=progress,
        )
        result = do_run(config, tools, wish, datetime.now(AMSTERDAM).date().isoformat())
    if budget.interrupted:
        click.echo(" ".join(problems.text("interrupted", config.language, {})), err=True)
    return result


def _look_back(store: Store, lock: RunLock, wish: Wish) -> Wish:
    """Was state.db put back from a backup? Then everything is read again, and equal order lines count as sent."""
    before, identity = lock.holder(), store.cached("identity", "")
    known = isinstance(identity, str)
    mine = identity if isinstance(identity, str) else secrets.token_hex(8)
    with store.transaction():
        if not known:
            store.cache("identity", mine, format_utc(datetime.now(UTC)))
        older = known and before.identity == mine and before.run > store.last_run_number()
        if older:
            log.warning(
                "state.db is older than the last run (%d): it was put back, so everything is read again", before.run
            )
            store.links.mark_adopted("order")
            store.skip_runs(before.run)
    lock.write(Holder(os.getpid(), format_utc(datetime.now(UTC)), mine, max(store.last_run_number(), 0) + 1))
    return Wish(wish.flows, wish.command, True, wish.force, wish.dry, wish.only) if older else wish


def _say_busy(holder: Holder, language: str) -> None:
    age = 0.0
    if holder.started:
        age = (datetime.now(UTC) - datetime.fromisoformat(holder.started)).total_seconds()
    code = "run_stuck" if age > STUCK_AFTER else "run_busy"
    params = {"pid": holder.pid or "?", "minutes": int(age // 60)}
    click.echo(" ".join(problems.text(code, language, params)), err=True)


@contextmanager
def _progress(talker: Talker) -> Iterator[Callable[[str, int], None]]:
    """A counter on a terminal, nothing elsewhere."""
    if talker.quiet or talker.as_json or not sys.stderr.isatty():
        yield lambda flow, count: None
        return
    done: dict[str, int] = {}

    def show(flow: str, count: int) -> None:
        done[flow] = done.get(flow, 0) + count
        click.echo("\r" + "  ".join(f"{name}: {number}" for name, number in done.items()), err=True, nl=False)

    yield show
    if done:
        click.echo("", err=True)


def tell(result: Result, language: str, talker: Talker) -> None:
    """The totals, and why a flow stopped; nothing new and nobody looking: nothing at all (design: commands)."""
    for flow, error in result.errors.items():
        message, hint = problems.text(error.code, language, error.params)
        click.echo(f"{word(flow, language)}: {message} {hint}", err=True)
    if talker.as_json:
        talker.say("", result.as_json())
    elif result.plan is not None:
        talker.say(report.plan_table(result.plan, result.skipped, language), None)
    elif result.errors or _news(result) or (sys.stdout.isatty() and not talker.quiet):
        talker.say(report.totals_table(result.flows, language), None)
        if result.exit == 1:
            click.echo(problems.text("see_errors", language, {})[0])


def _news(result: Result) -> bool:
    busy = ("created", "updated", "adopted", "unknown")
    return bool(result.new_problems) or any(counts[name] for counts in result.flows.values() for name in busy)
