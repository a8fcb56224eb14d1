"""A run as an operator or cron has it, once `start` has the lock: state, signals, budget, progress, and what is printed
at the end."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import click

from avsync.commands import connect, logs, news
from avsync.commands.progress import bars
from avsync.commands.start import at_work
from avsync.config import remembered
from avsync.config.settings import Config
from avsync.errors import OutOfTime, TryLater
from avsync.messages import texts as problems
from avsync.records.values import format_utc
from avsync.state import db
from avsync.state.events import Event
from avsync.state.folder import claim
from avsync.state.lock import RunLock, holder_now
from avsync.state.store import Store
from avsync.sync.recover import look_back
from avsync.sync.run import run as do_run
from avsync.sync.session import Result, Session, nothing

if TYPE_CHECKING:
    from avsync.commands.alarm import Alarm

log = logging.getLogger("avsync.run")


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
        """Seconds; OutOfTime("interrupted") once a signal has come."""
        if self._stop.is_set():
            raise OutOfTime("interrupted")
        return self._end - self._clock()

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the end and not past a signal."""
        self._stop.wait(max(0.0, min(seconds, self._end - self._clock())))

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


def under(
    lock: RunLock, config: Config, talker: Talker, asked: dict[str, Any], alarm: Alarm | None, after_restore: bool
) -> int:
    """Open the state, run, and print what came of it; returns the exit code. The lock is taken, but for a dry run."""
    with db.in_words(config.state_dir):
        now = format_utc(datetime.now(UTC))
        if asked["dry"]:
            store = Store(db.open_copy(config.state_dir))
            look_back(store, lock.holder(), now, after_restore)
            return _with(config, store, talker, None, **asked)
        try:
            if alarm is not None:
                alarm.begin()
            lock.write(holder_now(lock.holder(), os.getpid()), lasting=False)
            store = Store(db.open_for_writing(config.state_dir))
            if config.source is not None:
                remembered.keep(config.state_dir, config.source, config.values)
            holder = look_back(store, lock.holder(), now, after_restore)

            def begun(number: int) -> None:
                lock.write(holder._replace(run=number))
                logs.in_run(number)
                log.info("begun: %s", asked["command"], extra={"only_to_the_log": True})

            return _with(config, store, talker, alarm, **asked, begun=begun)
        finally:
            logs.in_run(0)


@contextmanager
def ahead(
    config: Config, talker: Talker, flows: tuple[str, ...], watch: Callable[[Session], None]
) -> Iterator[tuple[Session, Result]]:
    """What the next run would do, on a copy of the state; `watch` is handed the session before it begins."""
    claim(config.state_dir)
    if any(getattr(config.flows, flow) != "off" for flow in flows):
        config.accountview.client_secret.reveal()
        config.crafter.api_key.reveal()
    with db.in_words(config.state_dir):
        store = Store(db.open_copy(config.state_dir))
        look_back(store, RunLock(config.state_dir).holder(), our_time(), False)
        try:
            yield _go(config, store, talker, watch, math.inf, flows=flows, command="match", dry=True)
        finally:
            store.close()


@contextmanager
def changing(config: Config) -> Iterator[Store]:
    """The state, to change it while no run is at work. Errors: TryLater("run_at_work")."""
    claim(config.state_dir)
    with db.in_words(config.state_dir):
        lock = RunLock(config.state_dir)
        if not lock.take():
            raise TryLater("run_at_work", **at_work(lock.holder()))
        try:
            lock.write(holder_now(lock.holder(), os.getpid()))
            store = Store(db.open_for_writing(config.state_dir))
            try:
                yield store
            finally:
                store.close()
        finally:
            lock.release()


def _with(config: Config, store: Store, talker: Talker, alarm: Alarm | None, *, details: bool, **asked: Any) -> int:
    try:
        session, result = _go(config, store, talker, **asked)
        found = news.changes(store, config.language)
        news.tell(result, session, talker, found, details)
        if not asked["dry"]:
            _log_end(result)
            _warn(result, session, alarm, found)
    finally:
        store.close()
    return result.exit


def _warn(result: Result, session: Session, alarm: Alarm | None, found: news.Changes) -> None:
    """Those who do not read what a run prints."""
    if alarm is not None:
        from avsync.commands.alarm import notices_of

        text = news.counts(found, session.config.language)
        alarm.end(result.exit, text, notices_of(result, session, found))
    if session.config.metrics_file is not None:
        from avsync.commands import metrics

        metrics.write(session.config.metrics_file, result, session)
    if session.config.report_file is not None:
        from avsync.commands import page

        page.write_after(session.config.report_file, result, session)


def _go(
    config: Config, store: Store, talker: Talker, watch: Callable[[Session], None] = nothing,
    seconds: float | None = None, **asked: Any,
) -> tuple[Session, Result]:  # fmt: skip
    if log.isEnabledFor(logging.INFO) and not asked["dry"]:
        store.events.told = partial(_log_event, config.language)
    budget = Budget(config.budget if seconds is None else seconds)
    with budget.signals(), bars(not (talker.quiet or talker.as_json), config.language) as progress:
        session = session_of(config, store, budget, progress=progress, **asked)
        watch(session)
        result = do_run(session)
    if budget.interrupted:
        click.echo(" ".join(problems.text("interrupted", config.language, {})), err=True)
    return session, result


def session_of(config: Config, store: Store, budget: Budget, **asked: Any) -> Session:
    """What a run carries, or a command that asks the services for a record or two."""
    time: dict[str, Any] = {"pause": budget.pause, "time_left": budget.left}
    services = connect.accountview(config, **time), connect.crafter(config, **time)
    return Session(config, store, *services, lambda: datetime.now(UTC), budget.pause, **asked)


def _log_end(result: Result) -> None:
    """What came of a run, for the log."""
    for flow, error in result.errors.items():
        log.info("%s stopped: %s", flow, error.code, extra={"only_to_the_log": True})
    shape = {"action": "finished", "exit": result.exit, "flows": result.flows, "requests": result.requests}
    log.info("finished: exit %d", result.exit, extra={"only_to_the_log": True, "event": shape})


def _log_event(language: str, event: Event) -> None:
    """A line per record that is done, for `-v` and the log."""
    from avsync.commands import history

    log.info("%s", history.line(event, language), extra={"event": history.as_json(event, language)})


def our_time() -> str:
    """What time it is by our own clock (UTC, as text), where no service is asked."""
    return format_utc(datetime.now(UTC))
