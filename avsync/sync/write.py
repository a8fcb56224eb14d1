"""What came of writes, brought into the state: link, intent and problem of a record in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from avsync.errors import AvsyncError, Malformed, TryLater
from avsync.records.kind import Kind, LinkView, Value
from avsync.records.registry import find
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, other, reference
from avsync.services.outcome import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.inbox import Entry
from avsync.state.problems import About, Cause
from avsync.state.store import Intent
from avsync.sync.boundary import cause_of, each
from avsync.sync.plan import Action, Verb, Write, causes_of
from avsync.sync.read import entity_of, is_marked, mark_gone
from avsync.sync.refs import forget
from avsync.sync.schema import CACHE_KEY
from avsync.sync.session import Context, seconds_between

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


@dataclass(slots=True)
class Aftermath:
    """What must be looked at outside the transaction: records gone in Crafter, refusals that may mean gone or taken."""

    lost: list[LinkView] = field(default_factory=list)
    refused: list[tuple[Sent, Rejected]] = field(default_factory=list)
    unnamed: list[Sent] = field(default_factory=list)


class Outcomes:
    """Deals with the answers of one kind; call it with what a pipeline collected."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.after = Aftermath()

    def __call__(self, results: Sequence[Sent]) -> None:
        """Save a batch of outcomes in one commit."""
        with self.context.store.transaction():
            for one in results:
                each([one], self._save_all, self._stumbled)

    def _save_all(self, some: Sequence[Sent]) -> None:
        with self.context.store.transaction():
            for one in some:
                if one.fault is not None:
                    raise one.fault  # sending it went wrong already
                self._save(one)

    def _stumbled(self, one: Sent, error: Exception) -> None:
        """Sent perhaps, and not saved: the intent stays open, so that a look-up finds what came of it."""
        self._doubt(one, f"unexpected: {type(error).__name__}")
        faulty(self.context, one.job.action.kind.flow, one.job.action.record, error)

    def _save(self, one: Sent) -> None:
        store, outcome, link = self.context.store, one.outcome, one.job.action.link
        if link is not None and one.write.id is not None:
            store.links.written(link, one.write.side)
        if isinstance(outcome, Unknown):
            self._doubt(one, outcome.reason)
            return
        if isinstance(outcome, Done) and one.write.id is None and not self._created(one, outcome):
            return
        store.close_intents([one.intent])
        if isinstance(outcome, Done):
            self._done(one, outcome)
        elif isinstance(outcome, Rejected):
            one.job.failed = True
            self._rejected(one, outcome)
        elif isinstance(outcome, NotSent):
            one.job.failed = True

    def _doubt(self, one: Sent, reason: str) -> None:
        one.job.failed = True
        self.context.store.doubt(one.intent, reason, self.context.now())
        self.after.unnamed.append(one)
        self.context.count(one.job.action.kind.flow).unknown += 1

    def _created(self, one: Sent, outcome: Done) -> bool:
        """Link the new record; without a body that names it, the look-up will (the intent stays open until then)."""
        stored = read_one(one.write.side, one.job.action.kind.name, outcome.row, self.context)
        if stored is None:
            one.job.failed = True
            self.context.store.doubt(one.intent, "stored without a name")
            self.after.unnamed.append(one)
            return False
        own = stored[0]
        if self._taken(one.job.action, own):
            self._doubt(one, "stored under an id that is linked already")
            return False
        print_ = find(own.side, own.kind).fingerprint(outcome.row or {})
        self._link(one.job.action, one.write, own, print_)
        forget(self.context.store, own.kind, own.side, own.id)
        if self.context.only is not None:  # a number that was given still has to be told
            self.context.only |= {own.id.upper()}
        if one.write.side == ACCOUNTVIEW and own.kind != "hour":
            for record in stored:
                if not record.extra.get("absent"):
                    self.context.store.inbox.put(record, "plan")
        return True

    def _taken(self, action: Action, own: Record) -> bool:
        links = self.context.store.links.by_side(own.kind, own.side, [own.id])
        return any(link.id != (action.link.id if action.link else None) for link in links.values())

    def _link(self, action: Action, write: Write, own: Record, print_: str) -> None:
        links = self.context.store.links
        if action.link is not None:
            links.set_id(action.link.id, own.side, own.id)
            links.set_base(action.link.id, CRAFTER, write.crafter_base if own.side == ACCOUNTVIEW else own.fields)
            links.set_base(
                action.link.id, ACCOUNTVIEW, own.fields if own.side == ACCOUNTVIEW else write.accountview_base
            )
            links.set_parent(action.link.id, own.parent if own.side == CRAFTER else action.record.parent)
            return
        record = action.record
        if own.side == CRAFTER:
            links.add(own.kind, record.id, own.id, (write.accountview_base, own.fields), ACCOUNTVIEW, parent=own.parent,
                      prints=(record.fingerprint, print_))  # fmt: skip
            return
        base = {name: value for name, value in own.fields.items() if not _to_tell(name, record, action)}
        links.add(own.kind, own.id, record.id, (base, write.crafter_base), CRAFTER, parent=record.parent,
                  prints=("", record.fingerprint if is_marked(record, own.id) else ""))  # fmt: skip

    def _done(self, one: Sent, outcome: Done) -> None:
        job, write = one.job, one.write
        if write.id is not None and job.action.link is not None:
            self._remember(job.action.link, write, self._as_stored(one, outcome))
        job.open -= 1
        if job.open == 0 and not job.failed:
            finish(self.context, job, wrote=True)

    def _as_stored(self, one: Sent, outcome: Done) -> Mapping[str, Canonical]:
        """AccountView may store a value otherwise than sent; the echo says how."""
        if one.write.side == CRAFTER or outcome.row is None:
            return {}
        stored = read_one(ACCOUNTVIEW, one.job.action.kind.name, outcome.row, self.context) or []
        link = one.job.action.link
        own = next((record for record in stored if link is not None and record.id == link.accountview), None)
        return own.fields if own else {}

    def _remember(self, link: LinkView, write: Write, stored: Mapping[str, Canonical]) -> None:
        links = self.context.store.links
        accountview = {name: stored.get(name, value) for name, value in write.accountview_base.items()}
        if accountview:
            links.set_base(link.id, ACCOUNTVIEW, accountview)
        if write.crafter_base:
            links.set_base(link.id, CRAFTER, write.crafter_base)
        if link.kind == "contact" and write.crafter_base.get("customer"):
            links.set_parent(link.id, write.crafter_base["customer"] or "")

    def _rejected(self, one: Sent, outcome: Rejected) -> None:
        link = one.job.action.link
        if outcome.missing and one.write.side == CRAFTER and link is not None and one.write.id:
            self.after.lost.append(link)
        else:
            self.after.refused.append((one, outcome))


def _to_tell(name: str, record: Record, action: Action) -> bool:
    """A number that AccountView gave still has to be told to Crafter, so it is no common ground yet."""
    return action.kind.field(name).owner == ACCOUNTVIEW and record.fields.get(name) is None


def read_one(side: Side, kind: str, row: Mapping[str, Any] | None, context: Context) -> list[Record] | None:
    """A stored row as records, the one of `kind` first; None when there is no row or it cannot be read."""
    if row is None:
        return None
    try:
        records = find(side, kind).read(row, context.policy)
    except Malformed:
        return None
    return sorted(records, key=lambda record: record.kind != kind) if records else None


def finish(context: Context, job: Job, wrote: bool) -> None:
    """A record is in step: counted, its versions leave the inbox, its problems become what its remarks say."""
    action = job.action
    totals = context.count(action.kind.flow)
    if action.verb == Verb.CREATE:
        totals.created += 1
    elif action.verb == Verb.ADOPT:
        totals.adopted += 1
    elif wrote:
        totals.updated += 1
    context.progress(action.kind.flow, 1)
    created_there = action.verb == Verb.CREATE and action.record.side == CRAFTER and action.kind.name != "hour"
    if not action.again and not created_there:
        context.store.inbox.done(job.entries)
    tell(context, action, causes_of(action))


def tell(context: Context, action: Action, causes: Sequence[Cause]) -> None:
    """The record now has exactly these problems; those that its other half had from earlier planning are over."""
    record = action.record
    link = action.link
    if link is None and causes:  # made just now: its timeline is there since
        link = context.store.links.by_side(record.kind, record.side, [record.id]).get(record.id)
    context.store.problems.replace(about_record(context, action.kind.flow, record, link), causes, context.now())
    across = other(record.side)
    identity = action.partner.id if action.partner else link.end(across) if link else ""
    if identity:
        context.store.problems.planned(About(action.kind.flow, record.kind, across, identity, "", ""))


def about_record(context: Context, flow: str, record: Record, link: LinkView | None) -> About:
    """Which record it is, and where its timeline stands in Crafter (none for what only AccountView has)."""
    entity = entity_of(record.kind)
    if record.kind in ("location", "contact"):
        entity_id = record.parent if record.side == CRAFTER else _linked_customer(context, record)
    elif record.side == CRAFTER:
        entity_id = record.id
    else:
        entity_id = link.crafter if link else ""
    return About(flow, record.kind, record.side, record.id, record.key or record.id, record.name, entity, entity_id,
                 version=_version(record))  # fmt: skip


def _linked_customer(context: Context, record: Record) -> str:
    customer = record.parent.partition(":")[0]
    link = context.store.links.by_side("customer", ACCOUNTVIEW, [customer]).get(customer)
    return link.crafter if link else ""


def _version(record: Record) -> str:
    return hash_of(record.fields) + hash_of(record.extra)


def hash_of(values: Mapping[str, Any]) -> str:
    """A short mark of some values, to see whether a record changed."""
    return payload_hash({name: str(value) for name, value in sorted(values.items())})


def faulty(context: Context, flow: str, record: Record, error: Exception) -> None:
    """Something in our own handling of this record went wrong: its problem, and nobody else's."""
    context.count(flow).failed += 1
    cause = cause_of(error, f"{record.kind} {record.key or record.id}")
    with context.store.transaction():
        context.store.problems.replace(about_record(context, flow, record, None), [cause], context.now())


def refuse(context: Context, one: Sent, outcome: Rejected) -> None:
    """The service said no: a problem of this record, in the service's own words."""
    code = "rejected_by_accountview" if one.write.side == ACCOUNTVIEW else "rejected_by_crafter"
    words = "; ".join(filter(None, [outcome.message, *(f"{name}: {text}" for name, text in outcome.fields)]))
    cause = Cause(code, "error", {"message": words or "-", "fields": ", ".join(one.write.fields)})
    context.count(one.job.action.kind.flow).failed += 1
    with context.store.transaction():
        tell(context, one.job.action, [cause])


def look_after(context: Context, after: Aftermath) -> list[LinkView]:
    """Outside any transaction: what the refusals mean. Returns the links whose Crafter record is gone."""

    def failed(pair: tuple[Sent, Rejected], error: Exception) -> None:
        faulty(context, pair[0].job.action.kind.flow, pair[0].job.action.record, error)

    for pair in after.refused:
        each([pair], lambda some: _refusal(context, *some[0]), failed)
    lost, after.refused, after.lost = after.lost, [], []
    return lost


def _refusal(context: Context, one: Sent, outcome: Rejected) -> None:
    if not _gone_there(context, one) and not _exists_there(context, one, outcome):
        refuse(context, one, outcome)


def _gone_there(context: Context, one: Sent) -> bool:
    """A write refused and then not found by key: deleted in AccountView (behaviour 10)."""
    link = one.job.action.link
    if one.write.side == CRAFTER or one.write.id is None or link is None:
        return False
    kind = one.job.action.kind
    if context.accountview.by_key(kind.table, accountview_key(kind, one.write.id)) is not None:
        return False
    with context.store.transaction():
        mark_gone(context.store, link)
        context.store.inbox.done(one.job.entries)
        tell(context, one.job.action, [])
    return True


def _exists_there(context: Context, one: Sent, outcome: Rejected) -> bool:
    """Crafter has the natural key already: that record is a candidate when it is free and plausible (behaviour 6)."""
    if not outcome.existing_id or one.write.side != CRAFTER or one.write.id is not None:
        return False
    kind, record = one.job.action.kind.name, one.job.action.record
    row = context.crafter.get(kind, outcome.existing_id)
    there = read_one(CRAFTER, kind, row, context)
    linked = context.store.links.by_side(kind, CRAFTER, [outcome.existing_id])
    if not there or linked or there[0].key != record.key:
        return False
    with context.store.transaction():
        context.store.inbox.put(there[0], "keep")
        context.store.inbox.put(record, "plan")
    return True
