"""Carries out actions with the intent protocol: commit the intent, send, then commit what came of it.

Writes run in a small pool; everything that touches SQLite happens in the caller's thread. Intents are committed a batch
at a time before the batch is sent, and outcomes a batch at a time as they come in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from avsync.boundary import each
from avsync.context import Context, seconds_between
from avsync.errors import AvsyncError, Malformed, TryLater
from avsync.flows.spec import Kind, Value
from avsync.gate import CACHE_KEY
from avsync.model import CRAFTER, Side, reference
from avsync.plan import Action, Write
from avsync.services.outcome import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.inbox import Entry
from avsync.state.store import Intent

_TRIES = 3
_LONGEST_PAUSE = 60.0
_STALE = 10.0  # seconds
_FORBIDDEN = 403
PRETENDED = "≈"  # what a made-up id of a dry run starts with
_numbers = count(1)


@dataclass(slots=True)
class Job:
    """An action on its way: the versions it was made from, and how many of its writes are still open."""

    action: Action
    entries: tuple[Entry, ...]
    open: int = 0
    failed: bool = False


@dataclass(slots=True)
class Sent:
    """One write of a job, with its intent."""

    job: Job
    write: Write
    intent: int = 0
    mark: str = ""
    outcome: Outcome | None = None
    error: AvsyncError | None = None
    fault: Exception | None = None


class Sendable(Protocol):
    """Something with an intent that is sent once and brings back an outcome."""

    intent: int
    mark: str
    outcome: Outcome | None
    error: AvsyncError | None
    fault: Exception | None


S = TypeVar("S", bound=Sendable)


class Pipeline(Generic[S]):
    """Keeps `concurrency` writes to one side in flight; `save` gets what comes back.

    A context manager, which waits for what is under way, and the only road by which anything is written (apart from the
    timeline, whose key makes repeating harmless).
    """

    def __init__(self, context: Context, side: Side, save: Callable[[list[S]], None]) -> None:
        self.context, self.side, self.save = context, side, save
        self.width = context.concurrency[side]
        self.pool = ThreadPoolExecutor(self.width, thread_name_prefix=side)
        self.queue: list[S] = []
        self.flying: dict[Future[S], S] = {}
        self.stopped: AvsyncError | None = None
        self.stamped = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or issubclass(kind, AvsyncError):
                self.drain()
        finally:
            self.pool.shutdown(wait=kind is None or issubclass(kind, AvsyncError), cancel_futures=True)
        if kind is None and self.stopped is not None:
            raise self.stopped

    def add(self, writes: Iterable[S]) -> None:
        """Queue writes, and keep the pool busy without letting the queue grow."""
        self.queue += writes
        while self.queue and self.stopped is None and len(self.flying) + len(self.queue) >= self.width * 4:
            self._step()
        if self.stopped is not None:
            raise self.stopped

    def drain(self) -> None:
        """Send what is queued and deal with every answer."""
        while (self.queue and self.stopped is None) or self.flying:
            self._step()
        self.queue.clear()

    def _step(self) -> None:
        if self.queue and self.stopped is None and len(self.flying) <= self.width * 2:
            self._launch()
        if not self.flying:
            return
        finished, _ = wait(self.flying, return_when=FIRST_COMPLETED)
        self._collect(finished)

    def _launch(self) -> None:
        """Announce a batch in one commit, then hand it to the pool."""
        batch, self.queue = self.queue[: self.width * 4], self.queue[self.width * 4 :]
        if not self.flying:
            self.stamped = self.context.now()
        self.context.checkpoint("announce")
        if not self.context.dry:
            self._announce(batch)
        self.context.checkpoint("announced")
        for one in batch:
            self.flying[self.pool.submit(self._send, one)] = one

    def _announce(self, batch: list[S]) -> None:
        context = self.context
        intents = [self.intent(one) for one in batch]
        with context.store.transaction():
            numbers = context.store.announce(intents, context.run)
        for one, number, intent in zip(batch, numbers, intents, strict=True):
            one.intent, one.mark = number, f"{intent.reference} {intent.sent_at}"

    def _send(self, one: S) -> S:
        """In a pool thread."""
        each([one], lambda some: self._attempts(some[0]), _stumbled)
        self.context.checkpoint("answered")
        return one

    def _attempts(self, one: S) -> None:
        """What is surely not stored is sent again, a few times; nothing else ever is."""
        try:
            for attempt in range(_TRIES):
                self.context.checkpoint("send")
                one.outcome = self.once(one)
                if not isinstance(one.outcome, NotSent) or attempt == _TRIES - 1:
                    break
                if (one.outcome.retry_after or 0) > _LONGEST_PAUSE:
                    raise TryLater("throttled", service=self.side)
                self.context.pause(min(one.outcome.retry_after or 0.5 * 2**attempt, _LONGEST_PAUSE))
        except AvsyncError as error:
            one.outcome, one.error = NotSent("stopped"), error

    def intent(self, one: S) -> Intent:
        """What is written down before it is sent."""
        raise NotImplementedError

    def once(self, one: S) -> Outcome:
        """Send it, once."""
        raise NotImplementedError

    def _collect(self, finished: Iterable[Future[S]]) -> None:
        results = []
        for future in finished:
            del self.flying[future]
            results.append(future.result())
        for one in results:
            if one.error is not None:
                self.stopped = self.stopped or one.error
            elif isinstance(one.outcome, NotSent):
                detail = {"service": self.side, "detail": one.outcome.reason}
                self.stopped = self.stopped or TryLater("service_unreachable", **detail)
        if any(isinstance(one.outcome, Rejected) and one.outcome.status == _FORBIDDEN for one in results):
            self.context.store.uncache(CACHE_KEY)  # a right was taken away: the next run looks before it writes
        self.context.checkpoint("save")
        self.save(results)
        self._stamp()
        self.context.checkpoint("saved")

    def _stamp(self) -> None:
        """With a slow service a write leaves long after it was announced; its grace time must not be over by then."""
        now = self.context.now()
        if self.context.dry or not self.flying or seconds_between(self.stamped, now) < _STALE:
            return
        with self.context.store.transaction():
            self.context.store.still_under_way([one.intent for one in self.flying.values()], now)
        self.stamped = now


def _stumbled(one: Sendable, error: Exception) -> None:
    """Nobody knows whether it went before our own handling of it failed: a look-up will tell."""
    one.outcome, one.fault = Unknown(f"unexpected: {type(error).__name__}"), error


class RecordPipeline(Pipeline[Sent]):
    """The pipeline of single records."""

    def intent(self, one: Sent) -> Intent:
        """See `intent_of`."""
        return intent_of(one, self.context.now())

    def once(self, one: Sent) -> Outcome:
        """Create or update, on the side this pipeline writes to."""
        if self.context.dry:
            return _pretend(one.job.action.kind, one.write)
        kind, write = one.job.action.kind, one.write
        if self.side == CRAFTER:
            return self._to_crafter(kind, write, one)
        if write.id is None:
            return self._named(kind, write, self.context.accountview.create(kind.table, write.values))
        return self.context.accountview.update(kind.table, accountview_key(kind, write.id), write.values)

    def _named(self, kind: Kind, write: Write, outcome: Outcome) -> Outcome:
        """An answer without a body is read back where one look-up can tell the record (accountview.md, section 4)."""
        if not isinstance(outcome, Done) or outcome.row is not None:
            return outcome
        for name in ("reference", "number", "code"):
            value = write.values.get(name)
            if isinstance(value, str):
                try:
                    rows = self.context.accountview.find(kind.table, {name: value})
                except (AvsyncError, Malformed):
                    return outcome  # it is stored, whatever becomes of the reading
                return Done(rows[0]) if len(rows) == 1 else outcome
        return outcome

    def _to_crafter(self, kind: Kind, write: Write, one: Sent) -> Outcome:
        if write.id is None:
            mark = hashlib.sha256(one.mark.encode()).hexdigest()[:32]  # a number may hold what a header cannot
            return self.context.crafter.create(kind.name, write.values, f"{mark}-{one.intent}")
        return self.context.crafter.update(kind.name, write.id, write.values)


def accountview_key(kind: Kind, identity: str) -> str:
    """The key of the row that holds the record: a location stands in its customer's row."""
    return identity.rpartition(":")[0] if kind.name == "location" else identity


def intent_of(one: Sent, now: str) -> Intent:
    """What is written down before a write is sent. `detail` holds what a look-up needs to recognise it afterwards."""
    action, write = one.job.action, one.write
    record = action.record
    verb = "create" if write.id is None else "update"
    mark = str(write.values.get("external_ref") or write.values.get("reference") or reference(record.kind, record.id))
    bases = (write.crafter_base, write.accountview_base)
    told, own = bases if write.side == CRAFTER else bases[::-1]
    detail = {
        "told": dict(told),
        "own": dict(own),
        "id": write.id or "",
        "values": {name: shown(value) for name, value in write.values.items()},
    }
    return Intent(
        action.kind.flow, action.kind.name, write.side, verb, record.side, record.id, record.key, record.name, mark,
        payload_hash(write.values), detail, action.link.id if action.link else None, now,
    )  # fmt: skip


def payload_hash(values: Mapping[str, Value]) -> str:
    """Of what is sent, to tell one attempt from another in the log."""
    text = json.dumps({name: shown(value) for name, value in values.items()}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def shown(value: Value) -> str | bool | None:
    """A value in its canonical text."""
    return value if value is None or isinstance(value, (bool, str)) else str(value)


def _pretend(kind: Kind, write: Write) -> Outcome:
    """A dry run's answer: what the service would have stored, under a made-up id, so that children can be planned."""
    if write.id is not None:
        return Done(None)
    number = f"{PRETENDED}{next(_numbers)}"
    if write.side == CRAFTER:
        stamp = "2000-01-01T00:00:00.000000Z"
        return Done({"id": number, "created_at": stamp, "updated_at": stamp, **write.values})
    key = {"hour": "id", "contact": "code"}.get(kind.name, "code" if kind.name.startswith("project") else "number")
    return Done({key: number, **{name: shown(value) for name, value in write.values.items()}})
