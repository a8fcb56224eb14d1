"""Carries out actions, with every effect there is: intent, send, outcome, then link, problem and inbox in one
transaction.

Writes run in a small pool for each side; everything that touches SQLite happens in the caller's thread. Intents are
committed a batch at a time before the batch is sent, and outcomes a batch at a time as they come in (law 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from avsync.errors import AvsyncError, Malformed, RecordUnavailable, TryLater
from avsync.messages import texts
from avsync.records.kind import RETIRED, End, Kind, Link, Write
from avsync.records.registry import listing
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, of_other_company, other
from avsync.services.http import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.inbox import Entry
from avsync.state.intents import Intent
from avsync.state.problems import TOLD_ONCE, About, Cause
from avsync.sync.boundary import each
from avsync.sync.causes import SERVICES, called_as, cause
from avsync.sync.caution import Caution
from avsync.sync.plan import ALONE, HELD, KEPT, LATER, PARTED, Action, Verb
from avsync.sync.problems import about_record, causes_of, faulty, tell, tell_once
from avsync.sync.read import is_other, mark_gone, retire, set_apart
from avsync.sync.refs import read_one
from avsync.sync.rest import met_by
from avsync.sync.schema import CACHE_KEY, learn_reference
from avsync.sync.session import Session
from avsync.sync.settle import stands_though_refused

_TRIES = 3
_LONGEST_PAUSE = 60.0  # seconds
_STALE = 10.0  # seconds
_DOUBTS = 3  # writes in a row of which nobody knows what became of them
_FORBIDDEN = 403
_TALLY = {Verb.CREATE: "created", Verb.ADOPT: "adopted", Verb.UPDATE: "updated"}


@dataclass(slots=True)
class Job:
    """An action on its way: the versions it was made from, its link, and how many of its writes are still open.
    `rests`: the mark under which it need not be planned again (see `rest`)."""

    action: Action
    entries: tuple[Entry, ...]
    link: Link | None = None
    open: int = 0
    failed: bool = False
    rests: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """Not sent: somebody has edited there what would have been replaced (behaviour 42). `row` as it stands now."""

    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """Not sent: AccountView does not show what would have been replaced (behaviour 8)."""

    error: RecordUnavailable


@dataclass(frozen=True, slots=True)
class Standing:
    """Not sent: what bears our reference stands there already, where no listing shows it (behaviour 52)."""


NotNow = Changed | Unread | Standing  # what a first look may say


@dataclass(slots=True)
class Sent:
    """One write of a job, with its intent."""

    job: Job
    write: Write
    intent: int = 0
    mark: str = ""
    outcome: Outcome | NotNow | None = None
    error: AvsyncError | None = None
    fault: Exception | None = None


# --- what needs no write


def conclude(session: Session, job: Job) -> None:
    """Bring an action into the state as far as nothing has to be sent for it. Inside a transaction."""
    action, store = job.action, session.store
    job.link = _write_down(session, action)
    marked = [(job.rests, one.seq) for one in job.entries if one.rests != job.rests]
    if marked:
        store.inbox.rest(marked)
    for name in met_by(action, job.entries[0].record):
        store.inbox.wake(*name)
    if action.writes:
        return
    totals = session.count(action.kind.flow)
    if action.lost is not None:
        mark_gone(store, action.lost)
    if action.verb in (Verb.REJECT, Verb.WAIT) and not action.remarks:
        totals.waiting += action.verb == Verb.WAIT
        field = str(action.params.get("field") or "")
        told = [] if action.reason == HELD else [cause(action.reason, field, **action.params)]
        tell(session, action, told, job.link, made=False)
    elif action.verb == Verb.SKIP:
        totals.unchanged += 1
        if action.reason == "gone":
            _park(session, job.entries)
        elif action.reason == PARTED:
            _part(session, job)
        elif action.reason == KEPT:
            for one in job.entries:
                store.inbox.set_fate(one.seq, "keep")
        elif not action.again and action.reason not in (LATER, ALONE):
            store.inbox.done(job.entries)
        if action.remarks or action.partner or _troubled(session, job):
            tell(session, action, causes_of(action), job.link)
    else:
        tally(session, action)
        finish(session, job)


def _write_down(session: Session, action: Action) -> Link | None:
    """The link of an action as it is from here on."""
    links, link = session.store.links, action.link
    if action.replaces:
        links.remove(action.replaces, "replaced")
        about = about_record(session, action.kind, action.record, None)
        for why in causes_of(action):  # what is told once, of the link that ends here
            if why.code in TOLD_ONCE:
                session.store.problems.add(about, why, session.now())
    if link is not None and not link.id:
        links.remove_halves(link)
        found = other(link.origin) if action.verb == Verb.ADOPT and not link.adopted else None  # ours, its answer lost
        link = replace(link, id=links.add(link, found, action.record.facts))
        session.store.decisions.done(link)
        _bury(session, link)
        if action.kind.left is not None:  # what it had left is taken over
            session.store.problems.over(link.kind, link.accountview)
    if link is not None:
        links.tell(link.id, action.told, freed=action.freed, facts=action.record.facts)
    for av, cr in action.pairs:
        _pair_up(session, av, cr)
    return link


def _bury(session: Session, link: Link) -> None:
    """What was deleted while its write was open is linked, and then gone like any other (behaviour 44)."""
    intents = session.store.intents
    if intents.buried(link.kind, CRAFTER, link.crafter):
        session.store.links.lose(link.id)
    if intents.buried(link.kind, ACCOUNTVIEW, link.accountview):
        mark_gone(session.store, link)


def _pair_up(session: Session, av: Record, cr: Record) -> None:
    """Found on both sides while something referred to it: linked, unless one of the two is by now."""
    links, inbox = session.store.links, session.store.inbox
    if links.one(av.kind, ACCOUNTVIEW, av.id) or links.one(cr.kind, CRAFTER, cr.id):
        return
    links.add(Link(av.kind, {ACCOUNTVIEW: End(av.id), CRAFTER: End(cr.id, cr.fields)}, ACCOUNTVIEW))
    inbox.put(av, "plan")
    inbox.remove(cr.kind, CRAFTER, cr.id)


def _park(session: Session, entries: Iterable[Entry]) -> None:
    """Nothing is sent for what is gone; an edit in Crafter is kept for the day the record reappears."""
    session.store.inbox.done(one for one in entries if one.record.side == ACCOUNTVIEW)
    for one in entries:
        session.store.inbox.set_fate(one.seq, "keep")


def _part(session: Session, job: Job) -> None:
    """AccountView's record is planned again, as a new one; Crafter's is left as it is."""
    if job.link is not None:
        set_apart(session, job.link)
    for one in job.entries:
        if one.record.side == ACCOUNTVIEW:
            session.store.inbox.put(one.record, "plan")
        else:
            session.store.inbox.done([one])


def _troubled(session: Session, job: Job) -> bool:
    record, problems = job.action.record, session.store.problems
    across = job.link.end[other(record.side)].id if job.link else ""
    return bool(problems.records(record.kind, record.side, [record.id])) or bool(
        across and problems.records(record.kind, other(record.side), [across])
    )


def tally(session: Session, action: Action, counts: Mapping[str, int] | None = None) -> None:
    """Count what an action did (or would do); `counts`: of one write of several, or of a kind that counts its parts."""
    counted = counts if counts is not None else action.counts or {_TALLY.get(action.verb, "unchanged"): 1}
    totals = session.count(action.kind.flow)
    for name, count in counted.items():
        setattr(totals, name, getattr(totals, name) + count)


def finish(session: Session, job: Job, more: Sequence[Cause] = ()) -> None:
    """A record is in step: its versions leave the inbox, its problems become what its remarks say."""
    action = job.action
    to_tell = (
        action.verb == Verb.CREATE and action.record.side == CRAFTER and action.kind.marked
    )  # our mark, its number
    if action.unfinished:
        for entry in job.entries:
            session.store.inbox.put(entry.record, "plan")
    elif not action.again and not to_tell and not more:
        session.store.inbox.done(job.entries)
    causes = [*(causes_of(action) if action.remarks else ()), *more]
    if causes or _troubled(session, job):
        tell(session, action, causes, job.link)
    if job.link is not None and session.decided.picked.get((job.link.kind, ACCOUNTVIEW, job.link.accountview)):
        session.store.decisions.done(job.link)


# --- what is written


class Writer:
    """Writes of one kind: `concurrency` requests to each side in flight, each announced before it is sent.

    A context manager, which waits for what is under way, and the only road by which anything is written (apart from the
    timeline, whose key makes repeating harmless).
    """

    def __init__(self, session: Session, kind: Kind) -> None:
        self.session, self.kind, self.store = session, kind, session.store
        self.pipes: dict[Side, _Pipe] = {}
        self.unnamed: list[Job] = []
        self._refused: list[tuple[Sent, Rejected]] = []
        self._caution = Caution(session, kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pipes, self.pipes = list(self.pipes.values()), {}
        stopped: list[AvsyncError] = []
        for pipe in pipes:
            stopped += pipe.close(kind is None or issubclass(kind, AvsyncError))
        if kind is None and stopped:
            raise stopped[0]

    def begin(self, jobs: Sequence[Job]) -> None:
        """Bring actions into the state as far as nothing has to be sent for them."""
        with self.store.transaction():
            for job in jobs:
                conclude(self.session, job)
        self.session.step(self.kind.name, done=sum(not job.action.writes for job in jobs))

    def send_all(self, jobs: Sequence[Job]) -> None:
        """Send what has to be sent. Of the parts of a record one write goes at a time."""
        all_writes = [(job, job.action.writes if self.kind.plan is None else job.action.writes[:1]) for job in jobs]
        for job, writes in all_writes:
            job.open = len(writes)
        for side in (ACCOUNTVIEW, CRAFTER):
            sent = [Sent(job, write) for job, writes in all_writes for write in writes if write.side == side]
            if sent:
                pipe = self.pipes.setdefault(side, _Pipe(self, side))
                pipe.add(list(self._watched(pipe, sent)))

    def _watched(self, pipe: _Pipe, sent: Sequence[Sent]) -> Iterator[Sent]:
        """The first of each sort goes by itself, and is looked at before any other of its sort goes."""
        for one in sent:
            if not self._caution.wary(one.write):
                yield one
                continue
            before = self._caution.before(one)
            pipe.alone(one)
            self._caution.look(one, before)

    # --- sending: in a pool thread

    def send(self, one: Sent) -> Outcome | NotNow:
        """Create or update, once. Never retried blindly (law 2)."""
        write, kind, session = one.write, self.kind, self.session
        if write.lines is not None:
            return self._send_details(write)
        no = self._first_look(one)
        if no is not None:
            return no
        if write.side == ACCOUNTVIEW and write.id is not None:
            return session.accountview.update(kind.table, write.id, write.values, write.day)
        if write.side == ACCOUNTVIEW:
            try:
                return self._named(write, session.accountview.create(kind.table, write.values, write.day))
            except RecordUnavailable as error:  # it is looked at where it belongs before anything is written
                return Unread(error)
        if write.id is not None:
            return session.crafter.update(kind.resource, write.id, write.values)
        mark = hashlib.sha256(one.mark.encode()).hexdigest()[:32]  # a number may hold what a header cannot
        return session.crafter.create(kind.resource, write.values, f"{mark}-{one.intent}")

    def _is_stale(self, side: Side) -> bool:
        """Whether what is planned on may be older than ten seconds."""
        read = self.session.read_at.get((side, self.kind.table if side == ACCOUNTVIEW else self.kind.resource))
        return read is None or self.session.ticks() - read > _STALE

    def _first_look(self, one: Sent) -> NotNow | None:
        try:
            if one.write.id is None:
                return Standing() if self._stands_in_another_year(one.write) else None
            return self._changed(one) if self._is_stale(one.write.side) else None
        except RecordUnavailable as error:
            return Unread(error)

    def _stands_in_another_year(self, write: Write) -> bool:
        """After a state was lost or put back: a listing may show the books of this year alone."""
        reference, accountview = write.values.get("reference"), self.session.accountview
        if write.side == CRAFTER or not reference or not "" < write.day[:4] < self.session.year():
            return False

        def ours(day: str) -> list[dict[str, Any]]:
            return accountview.find(self.kind.table, {"reference": str(reference)}, day)

        return bool(accountview.in_year(write.day, ours))

    def _changed(self, one: Sent) -> Changed | None:
        """An update is read, compare, write: there may be people at work (behaviour 42)."""
        link, side = one.job.link, one.write.side
        row = self._as_it_stands(link.end[side].id, one.write) if link is not None and one.write.seen else None
        try:
            now = read_one(self.session, self.kind, side, row, link.end[side].id) if link is not None else None
        except Malformed:
            return None
        edited = now is not None and any(now.fields.get(name) != value for name, value in one.write.seen.items())
        return Changed(row) if edited and row is not None else None

    def _as_it_stands(self, identity: str, write: Write) -> dict[str, Any] | None:
        def read(day: str) -> dict[str, Any] | None:
            return self.session.fetch(self.kind, write.side, identity, day)

        return self.session.accountview.in_year(write.day, read)

    def _named(self, write: Write, outcome: Outcome) -> Outcome:
        """An answer without a body is read back where one look-up can tell the record (AccountView contract 4)."""
        if not isinstance(outcome, Done) or outcome.row is not None:
            return outcome
        for name in ("reference", self.kind.id):
            value = write.values.get(name)
            if isinstance(value, str):
                try:
                    rows = self.session.accountview.find(self.kind.table, {name: value}, write.day, write.values)
                except (AvsyncError, Malformed):
                    return outcome  # it is stored, whatever becomes of the reading
                return Done(rows[0]) if len(rows) == 1 else outcome
        return outcome

    def _send_details(self, write: Write) -> Outcome:
        """One PUT with all of them. An answer without them is read back: their ids are the only way to know them
        again."""
        key, accountview = write.id or "", self.session.accountview
        outcome = accountview.put_details(self.kind.name, key, write.values["lines"], write.day)
        if isinstance(outcome, Done) and not (outcome.row or {}).get("lines"):
            try:
                return Done({"lines": accountview.details(self.kind.name, key, write.day) or []})
            except AvsyncError as error:  # stored, whatever becomes of the reading
                return Unknown(str(error))
        return outcome

    def intent(self, one: Sent) -> Intent:
        """What is written down before a write is sent; `detail` holds what a look-up needs to recognise it
        afterwards."""
        write, record = one.write, one.job.action.record
        values = {} if write.lines is not None else {name: shown(value) for name, value in write.values.items()}
        told = {"told": write.told.get(write.side, {}), "own": write.told.get(other(write.side), {})}
        said = [[one.code, dict(one.params)] for one in write.remarks]
        detail = {"id": write.id or "", "values": values, "lines": write.lines, "day": write.day, "said": said, **told}
        detail["called"] = called_as(self.session.config.language, record)
        return Intent(
            self.kind.name, write.side, "update" if write.id else "create", record.side, record.id, record.key,
            record.name, record.mark or write.id or "", detail, one.job.link.id if one.job.link else None,
            self.session.time(write.side),
        )  # fmt: skip

    # --- outcomes: in the caller's thread

    def save(self, results: Sequence[Sent]) -> None:
        """Save a batch of outcomes in one commit."""
        with self.store.transaction():
            for one in results:
                each([one], self._save_one, self._stumbled)
        last = sum(one.write is one.job.action.writes[-1] or self.kind.plan is not None for one in results)
        self.session.step(self.kind.name, done=last)

    def _save_one(self, some: Sequence[Sent]) -> None:
        with self.store.transaction():
            if some[0].fault is not None:
                raise some[0].fault  # sending it went wrong already
            self._save(some[0])

    def _stumbled(self, one: Sent, error: Exception) -> None:
        """Sent perhaps, and not saved: the intent stays open, so that a look-up finds what came of it."""
        self._doubt(one, f"unexpected: {type(error).__name__}")
        faulty(self.session, self.kind, one.job.action.record, error)

    def _save(self, one: Sent) -> None:
        write, outcome, link = one.write, one.outcome, one.job.link
        if link is not None and write.id is not None and write.lines is None:
            kind = self.kind.table if write.side == ACCOUNTVIEW else link.kind
            self.store.links.written(kind, write.side, write.id)
        owner = _owner_in(self.kind, write)
        if owner and isinstance(outcome, Done) and (outcome.row or {}).get(owner) not in (None, write.values[owner]):
            outcome = Rejected("", fields=((owner, ""),))  # taken in silence, and not done
        if isinstance(outcome, Changed):
            self._edited_meanwhile(one, outcome)
        elif isinstance(outcome, Unread):
            self._unread(one, outcome)
        elif isinstance(outcome, Standing):
            one.job.failed = True
            self.store.intents.doubt(one.intent, "it stands there already")
            self.unnamed.append(one.job)
        elif isinstance(outcome, Unknown):
            self._doubt(one, outcome.reason)
        elif isinstance(outcome, Done):
            self._stored(one, outcome)
        else:
            one.job.failed = True
            if not isinstance(outcome, Rejected) or not self._looked_after(one):
                self.store.intents.close([one.intent])
            if isinstance(outcome, Rejected):
                self._rejected(one, outcome)

    def _edited_meanwhile(self, one: Sent, changed: Changed) -> None:
        """With the fresh row, in the next round."""
        one.job.failed = True
        self.store.intents.close([one.intent])
        for entry in one.job.entries:
            if entry.record.side != one.write.side:
                self.store.inbox.put(entry.record, "plan")
        for record in listing(one.write.side, self.kind).read(dict(changed.row), self.session.policy):
            if record.kind == self.kind.name and one.job.link and record.id == one.job.link.end[record.side].id:
                self.store.inbox.put(record, "plan")

    def _unread(self, one: Sent, unread: Unread) -> None:
        """Tried again in every run."""
        one.job.failed = True
        self.store.intents.close([one.intent])
        tell(self.session, one.job.action, [cause("record_unavailable", **unread.error.params)], one.job.link)

    def _looked_after(self, one: Sent) -> bool:
        """Whether a refusal of this write is only believed once it was looked up."""
        return one.write.id is None or one.write.lines is not None

    def _doubt(self, one: Sent, reason: str) -> None:
        one.job.failed = True
        self.store.intents.doubt(one.intent, reason, self.session.time(one.write.side))
        self.unnamed.append(one.job)
        self.session.count(self.kind.flow).unknown += 1

    def _stored(self, one: Sent, outcome: Done) -> None:
        if one.write.lines is not None:
            sure = self._saved_details(one, outcome)
        elif one.write.id is None:
            sure = self._created(one, outcome)
        else:
            sure = self._updated(one, outcome)
        if not sure:
            return
        self.store.intents.close([one.intent])
        one.job.open -= 1
        if one.job.open == 0 and not one.job.failed and one.write.lines is None:
            action = one.job.action
            tally(self.session, action, {_TALLY.get(action.verb, "updated"): 1})
            finish(self.session, one.job)

    def _created(self, one: Sent, outcome: Done) -> bool:
        """Link the new record; without a body that names it, the look-up will (the intent stays open until then)."""
        stored, session = self._read_all(one.write.side, outcome), self.session
        own = next((record for record in stored if record.kind == self.kind.name), None)
        if own is None:
            one.job.failed = True
            self.store.intents.doubt(one.intent, "stored without a name")
            self.unnamed.append(one.job)
            return False
        link = self.store.links.one(own.kind, own.side, own.id)
        if link is not None and is_other(self.kind, own, link):
            retire(self.store, link)  # it was deleted, and its key given out again: just now, to this one
            link = None
        if link is not None and (one.job.link is None or link.id != one.job.link.id):
            self._doubt(one, "stored under an id that is linked already")
            return False
        if own.side == ACCOUNTVIEW:
            learn_reference(session, self.kind, one.write.values.get("reference"), outcome.row)
        self._link(one, own, listing(own.side, self.kind).see(outcome.row or {}).fingerprint)
        self.store.not_absent(own.kind, own.side, [own.id])
        if session.only is not None:  # a number that was given still has to be told
            session.only |= {own.id.upper()}
        if own.side == ACCOUNTVIEW and self.kind.marked:
            for record in stored:
                if not record.absent:
                    self.store.inbox.put(record, "plan")
        return True

    def _read_all(self, side: Side, outcome: Done) -> list[Record]:
        try:
            return listing(side, self.kind).read(outcome.row or {}, self.session.policy)
        except Malformed:
            return []

    def _link(self, one: Sent, own: Record, print_: str) -> None:
        """What either side told: the record as it was read, and its counterpart as it was stored."""
        record, told = one.job.action.record, one.write.told
        stored = dict(own.fields)
        for field in self.kind.fields:  # a number that AccountView gave still has to be told: no common ground yet
            if own.side == ACCOUNTVIEW and field.owner == ACCOUNTVIEW and record.fields.get(field.name) is None:
                stored.pop(field.name)
        links = self.store.links
        if one.job.link is not None:
            links.point(one.job.link.id, own.side, End(own.id, stored))
            links.tell(one.job.link.id, {record.side: told[record.side]})
            return
        prints = (record.fingerprint, print_)
        if own.side == ACCOUNTVIEW:
            prints = (record.fingerprint if not self.kind.marked or record.reference == own.mark else "", "")
        ends = {record.side: End(record.id, told[record.side], prints[0]), own.side: End(own.id, stored, prints[1])}
        links.add(Link(own.kind, ends, record.side), own.side, record.facts)

    def _updated(self, one: Sent, outcome: Done) -> bool:
        """AccountView may store a value otherwise than sent; the echo says how."""
        link, told = one.job.link, dict(one.write.told)
        if link is not None and one.write.side == ACCOUNTVIEW and outcome.row is not None:
            stored = next((one_ for one_ in self._read_all(ACCOUNTVIEW, outcome)
                           if (one_.kind, one_.id) == (link.kind, link.accountview)), None)  # fmt: skip
            sent: Mapping[str, Canonical] = told.get(ACCOUNTVIEW, {})
            told[ACCOUNTVIEW] = {
                name: stored.fields.get(name, value) if stored else value for name, value in sent.items()
            }
        if link is not None:
            marked = one.job.action.verb == Verb.UPDATE and "external_ref" in one.write.values
            self.store.links.tell(link.id, told, one.write.side, marked, facts=one.job.action.record.facts)
            tell_once(self.session, self.kind, one.job.action.record, link, one.write.remarks)
        return True

    def _saved_details(self, one: Sent, outcome: Done) -> bool:
        job, action = one.job, one.job.action
        assert self.kind.saved is not None  # noqa: S101 - such a kind has written them
        assert job.link is not None  # noqa: S101 - written down before anything was sent
        found = self.kind.saved(one.write, (outcome.row or {}).get("lines") or [])
        self.store.links.tell(job.link.id, found.told, one.write.side)
        if not found.shows:
            self._doubt(one, "stored, but not all lines show")
            return False
        tally(self.session, action, one.write.counts)
        job.action = replace(action, remarks=(*action.remarks, *found.remarks))
        if len(action.writes) > 1:  # the rest is planned again, with what stands there now
            for entry in job.entries:
                self.store.inbox.put(entry.record, "plan")
        elif not job.failed:
            adopted = {"adopted": action.counts.get("adopted", 0)}
            tally(self.session, action, adopted)
            finish(self.session, job)
        return True

    def _rejected(self, one: Sent, outcome: Rejected) -> None:
        link = one.job.link
        if outcome.missing and one.write.side == CRAFTER and link is not None and one.write.id:
            self.store.links.lose(link.id)
        else:
            self._refused.append((one, outcome))

    # --- refusals: outside any transaction

    def look_after(self) -> None:
        """What the refusals mean."""

        def failed(pair: tuple[Sent, Rejected], error: Exception) -> None:
            faulty(self.session, self.kind, pair[0].job.action.record, error)

        refused, self._refused = self._refused, []
        for pair in refused:
            try:
                each([pair], lambda some: self._refusal(*some[0]), failed)
            except RecordUnavailable as error:  # settled as any other write of which nobody knows
                with self.store.transaction():
                    self._doubt(pair[0], str(error.params["message"]))

    def _refusal(self, one: Sent, outcome: Rejected) -> None:
        if one.write.lines is not None:
            self._one_by_one(one, outcome)
        elif not any(what(one, outcome) for what in (self._is_gone, self._stands, self._exists, self._stayed)):
            self._refuse(one, outcome)

    def _refuse(self, one: Sent, outcome: Rejected) -> None:
        """The service said no: a problem of this record, in the service's own words."""
        code = "rejected_by_accountview" if one.write.side == ACCOUNTVIEW else "rejected_by_crafter"
        language, name = self.session.config.language, self.kind.name
        fields = [f"{texts.field_name(field, language, name)}: {text}" for field, text in outcome.fields]
        words = "; ".join(filter(None, [outcome.message, *fields]))
        sent = {field: shown(value) for field, value in one.write.values.items()}
        why = cause(code, kind=name, message=words or "-", sent=sent, sent_to=one.write.side)
        if outcome.place:
            code = "sheet_missing" if outcome.lacking else "rejected_on_sheet"
            why = cause(code, kind=name, message=words or "-", sheet=outcome.place)
        holder = self._holder(one, outcome)
        if holder is not None and one.job.link is not None:
            named = {"number": one.job.link.accountview, "parent_kind": self.kind.name}
            why = cause("number_in_use", **named, holder=self.kind.otherwise(holder))
        with self.store.transaction():
            tell(self.session, one.job.action, [why], one.job.link)

    def _holder(self, one: Sent, outcome: Rejected) -> Record | None:
        """Who has in Crafter already what a linked record was to get (behaviour 18)."""
        if not outcome.existing_id or one.write.side != CRAFTER or one.write.id is None:
            return None
        try:
            row = self.session.fetch(self.kind, CRAFTER, outcome.existing_id)
            there = read_one(self.session, self.kind, CRAFTER, row)
        except (AvsyncError, Malformed):
            return None  # then in Crafter's own words
        link = one.job.link
        return there if there is not None and link is not None and there.key == link.accountview.upper() else None

    def _is_gone(self, one: Sent, outcome: Rejected) -> bool:
        """A write refused and then not found by key: deleted in AccountView (behaviour 10)."""
        link = one.job.link
        if one.write.side == CRAFTER or one.write.id is None or link is None:
            return False
        write, fetch = one.write, self.session.fetch
        if _stands(lambda: fetch(self.kind, ACCOUNTVIEW, write.id or "", write.day)):
            return False
        with self.store.transaction():
            mark_gone(self.store, link)
            _park(self.session, one.job.entries)
            tell(self.session, one.job.action, [], link)
        return True

    def _stands(self, one: Sent, outcome: Rejected) -> bool:
        """A create that was refused, and stored all the same: it is met in the next round (behaviour 16)."""
        if not self._looked_after(one):
            return False
        intent = replace(self.intent(one), id=one.intent, sent_at=one.mark.rpartition(" ")[2])
        try:
            found = stands_though_refused(self.session, self.kind, intent)
        except Malformed:
            self.store.intents.close([one.intent])
            return False
        except AvsyncError as error:  # nobody knows then: settled as any other write without an answer
            with self.store.transaction():
                self._doubt(one, error.code)
            return True
        if found:
            with self.store.transaction():
                self.store.inbox.put(one.job.action.record, "plan")
        return found

    def _exists(self, one: Sent, outcome: Rejected) -> bool:
        """Crafter has the natural key already: that record is a candidate when it is free and plausible (behaviour
        6)."""
        if not outcome.existing_id or one.write.side != CRAFTER or one.write.id is not None:
            return False
        record = one.job.action.record
        try:
            row = self.session.fetch(self.kind, CRAFTER, outcome.existing_id)
            there = read_one(self.session, self.kind, CRAFTER, row)
        except Malformed:
            return False
        linked = self.store.links.one(record.kind, CRAFTER, there.id) if there is not None else None
        if linked is not None and RETIRED in linked.accountview:
            self._reused(one, there)
            return True
        if there is not None and (company := of_other_company(there.reference, self.session.policy.company)):
            self._not_ours(one, there, company)
            return True
        if there is not None and there.key != record.key and (record.kind, record.id) not in self.session.again:
            self.session.again.add((record.kind, record.id))  # it has let go of the key since: put back in this round
            with self.store.transaction():
                self.store.inbox.put(record, "plan")
            return True
        if there is None or linked is not None or there.key != record.key:
            return False
        if self.session.decided.keeps_apart(record, there):
            self._in_the_way(one, "key_kept_apart", parent_kind=self.kind.name)
            return True
        if self.session.decided.leaves(self.kind, there):
            self._in_the_way(one, "candidate_left_alone", candidates=f"{there.key} {there.name}".strip())
            return True
        with self.store.transaction():
            self.store.inbox.put(there, "keep")
            self.store.inbox.put(record, "plan")
        return True

    def _reused(self, one: Sent, there: Record | None) -> None:
        """AccountView gave the number out again, and in Crafter the old record still has it (behaviour 36)."""
        self._in_the_way(one, "number_reused", name=there.name if there else "-")

    def _not_ours(self, one: Sent, there: Record, company: str) -> None:
        """What has the natural key bears another administration's mark (behaviour 2)."""
        self._in_the_way(one, "number_of_other_administration", name=there.name, company=company)

    def _in_the_way(self, one: Sent, code: str, **params: str) -> None:
        why = cause(code, number=one.job.action.record.key, **params)
        with self.store.transaction():
            tell(self.session, one.job.action, [why], one.job.link)

    def _stayed(self, one: Sent, outcome: Rejected) -> bool:
        """Crafter does not let it go to another owner: it gets a new card there, or the one that it had there before,
        and the old one is told (behaviour 45)."""
        link, owner = one.job.link, _owner_in(self.kind, one.write)
        moved = next((entry.record for entry in one.job.entries if entry.record.side == ACCOUNTVIEW), None)
        about_that = owner in {name for name, _ in outcome.fields} or not outcome.fields
        if link is None or moved is None or not owner or not about_that:
            return False
        there = one.write.values[owner]
        with self.store.transaction():
            self.store.links.retire(link, link.id)
            for old in self.store.links.retired(self.kind.name, link.accountview):
                if old.told(CRAFTER).get(self.kind.belongs_to) == there and _is_alike(self.kind, moved, old):
                    self.store.links.rename(old.id, link.accountview)
                    break
            self.store.inbox.remove(self.kind.name, CRAFTER, link.crafter)
            self.store.inbox.put(moved, "plan")
            self._tell_left(link, moved)
        return True

    def _tell_left(self, link: Link, moved: Record) -> None:
        field, before = self.kind.field(self.kind.belongs_to), link.told(CRAFTER).get(self.kind.belongs_to) or ""
        owner = self.store.links.one(field.ref, ACCOUNTVIEW, moved.owner)
        named = f"{moved.owner} {(owner.told(ACCOUNTVIEW).get('name') if owner else None) or ''}".strip()
        about = About(
            self.kind.flow, self.kind.name, CRAFTER, link.crafter, moved.key, moved.name, self.kind.told_on, before
        )
        self.store.problems.add(about, cause("card_left_behind", parent=named), self.session.now())

    def _one_by_one(self, one: Sent, outcome: Rejected) -> None:
        """Refused together: each goes by itself, so that one bad line does not hold back the others.

        Some may stand there all the same: then the rest is planned again, beside what stands (behaviour 16).
        """
        job, key = one.job, one.write.id or ""
        accountview = self.session.accountview

        def standing(day: str) -> list[dict[str, Any]] | None:
            return accountview.details(self.kind.name, key, day)

        rows = accountview.in_year(one.write.day, standing)
        if rows is None:
            self.store.intents.close([one.intent])
            self._header_gone(job, key)
            return
        if self._details_stand(job, one, rows):
            self._plan_again(job)
            return
        parts = self.kind.split(replace_all(one.write, job.action.writes)) if self.kind.split else []
        refused: list[tuple[Sent, Rejected]] = [] if parts else [(one, outcome)]
        for part in parts:
            sent = self._send_part(job, part)
            if isinstance(sent.outcome, Rejected):
                refused.append((sent, sent.outcome))
            elif not isinstance(sent.outcome, Done) or sent.job.failed and sent.intent in _open(self.store, self.kind):
                return  # the look-up that settles it comes first
        if parts and refused:
            rows = accountview.in_year(one.write.day, standing) or []
            stand = [self._details_stand(job, sent, rows) for sent, _ in refused]
            if any(stand):
                self._plan_again(job)
                return
        self._refused_details(job, [(sent.write, no.message) for sent, no in refused])

    def _details_stand(self, job: Job, one: Sent, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether some of what was refused stands there, which is remembered then."""
        assert self.kind.look_up is not None  # noqa: S101 - such a kind has written them
        link = self.store.links.by_id(job.link.id) if job.link else None
        found = self.kind.look_up(one.write.lines or {}, rows, link)
        with self.store.transaction():
            self.store.intents.close([one.intent])
            if link is not None:
                self.store.links.tell(link.id, found.told, one.write.side)
        return found.shows or any(found.told.values())

    def _plan_again(self, job: Job) -> None:
        with self.store.transaction():
            for entry in job.entries:
                self.store.inbox.put(entry.record, "plan")

    def _send_part(self, job: Job, part: Write) -> Sent:
        """One write of a part, with what stands there by now."""
        link = self.store.links.by_id(job.link.id) if job.link else None
        known = set(link.told(ACCOUNTVIEW).values()) if link else set()
        lines = {**(part.lines or {}), "before": sorted({*(part.lines or {})["before"], *known} - {None, ""})}
        whole = replace(
            job.action, writes=(part, part)
        )  # not the last: the versions stay, and are concluded at the end
        sent = Sent(Job(whole, (), link, open=1), replace(part, lines=lines))
        waiting, self._refused = self._refused, []
        pipe = _Pipe(self, ACCOUNTVIEW)
        try:
            pipe.add([sent])
        finally:
            stopped = pipe.close(True)
            self._refused = waiting
        if stopped:
            raise stopped[0]
        return sent

    def _header_gone(self, job: Job, key: str) -> None:
        header = self.store.links.one(self.kind.details_of, ACCOUNTVIEW, key)
        with self.store.transaction():
            if header is not None:
                mark_gone(self.store, header)
            tell(self.session, job.action, [cause("order_closed", order=key)], job.link)

    def _refused_details(self, job: Job, refused: Sequence[tuple[Write, str]]) -> None:
        """Say what was refused, once for all lines of which AccountView says the same."""
        words: dict[str, list[Write]] = {}
        for write, message in refused:
            words.setdefault(message, []).append(write)
        more = []
        for message, writes in words.items():
            articles = ", ".join(name for write in writes for name in write.fields)
            said = message or "-"
            more.append(cause("lines_rejected", articles, order=writes[0].id or "", message=said, articles=articles))
        with self.store.transaction():
            finish(self.session, job, more)


def _stands(read: Callable[[], object]) -> bool:
    """Whether what was refused is still there. A read that is refused too, as in a financial year that does not exist,
    says nothing of that."""
    try:
        return read() is not None
    except TryLater as error:
        if error.code != "accountview_read_error":
            raise
        return True


def _owner_in(kind: Kind, write: Write) -> str:
    """The name of the field by which an update in Crafter moves the record to another owner, empty when it does not."""
    owner = kind.field(kind.belongs_to).crafter if kind.belongs_to else None
    return owner if owner and write.side == CRAFTER and write.id is not None and owner in write.values else ""


def _is_alike(kind: Kind, record: Record, link: Link) -> bool:
    return kind.alike is None or kind.alike(record.side, record.fields) == kind.alike(CRAFTER, link.told(CRAFTER))


def replace_all(write: Write, writes: Sequence[Write]) -> Write:
    """All lines of an action in one, to be split."""
    lines = [one.lines or {} for one in writes]
    both = {name: [row for one in lines for row in one.get(name, [])] for name in ("add", "change")}
    return replace(write, lines={**(write.lines or {}), **both})


def _open(store: Any, kind: Kind) -> set[int]:
    return {intent.id for intent in store.intents.open(kind.name)}


def shown(value: object) -> str | bool | None:
    """A value in its canonical text."""
    return value if value is None or isinstance(value, (bool, str)) else str(value)


class _Pipe:
    """The writes of one side on their way."""

    def __init__(self, writer: Writer, side: Side) -> None:
        self.writer, self.session, self.side = writer, writer.session, side
        self.width = self.session.width(side)
        self.pool = ThreadPoolExecutor(self.width, thread_name_prefix=side)
        self.queue: list[Sent] = []
        self.flying: dict[Future[Sent], Sent] = {}
        self.stopped: AvsyncError | None = None
        self.stamped = 0.0

    def add(self, writes: Iterable[Sent]) -> None:
        """Queue writes, and keep the pool busy without letting the queue grow."""
        self.queue += writes
        while self.queue and self.stopped is None and len(self.flying) + len(self.queue) >= self.width * 4:
            self._step()
        if self.stopped is not None:
            raise self.stopped

    def alone(self, one: Sent) -> None:
        """Send one write when all others are done, and wait for what comes of it."""
        for some in ([], [one]):
            self.queue += some
            while (self.queue and self.stopped is None) or self.flying:
                self._step()
        if self.stopped is not None:
            raise self.stopped

    def close(self, well: bool) -> list[AvsyncError]:
        """Send what is queued and deal with every answer; returns what stopped it."""
        try:
            while well and ((self.queue and self.stopped is None) or self.flying):
                self._step()
        finally:
            self.pool.shutdown(wait=well, cancel_futures=True)
        return [self.stopped] if self.stopped else []

    def _step(self) -> None:
        if self.queue and self.stopped is None and len(self.flying) <= self.width * 2:
            self._launch()
        if self.flying:
            finished, _ = wait(self.flying, return_when=FIRST_COMPLETED)
            self._collect(finished)

    def _launch(self) -> None:
        """Announce a batch in one commit, then hand it to the pool."""
        batch, self.queue = self.queue[: self.width * 4], self.queue[self.width * 4 :]
        if not self.flying:
            self.stamped = self.session.ticks()
        self.session.checkpoint("announce")
        intents = [self.writer.intent(one) for one in batch]
        with self.session.store.transaction():
            numbers = self.session.store.intents.announce(intents, self.session.run)
        for one, number, intent in zip(batch, numbers, intents, strict=True):
            one.intent, one.mark = number, f"{intent.reference} {intent.sent_at}"
        self.session.checkpoint("announced")
        for one in batch:
            self.flying[self.pool.submit(self._send, one)] = one

    def _send(self, one: Sent) -> Sent:
        self._attempts(one)
        self.session.checkpoint("answered")
        return one

    def _attempts(self, one: Sent) -> None:
        """What is surely not stored is sent again, a few times; nothing else ever is."""
        try:
            for attempt in range(_TRIES):
                if self.stopped is not None:
                    raise self.stopped
                self.session.checkpoint("send")
                one.outcome = self.writer.send(one)
                if not isinstance(one.outcome, NotSent) or attempt == _TRIES - 1:
                    break
                if (one.outcome.retry_after or 0) > _LONGEST_PAUSE:
                    raise TryLater("throttled", service=SERVICES[self.side])
                self.session.pause(min(one.outcome.retry_after or 0.5 * 2**attempt, _LONGEST_PAUSE))
        except AvsyncError as error:
            one.outcome, one.error = NotSent("stopped"), error

    def _collect(self, finished: Collection[Future[Sent]]) -> None:
        results = []
        for future in [one for one in self.flying if one in finished]:  # in the order in which they left
            one, error = self.flying.pop(future), future.exception()
            if isinstance(error, Exception):  # nobody knows whether it went before our own handling of it failed
                one.outcome, one.fault = Unknown(f"unexpected: {type(error).__name__}"), error
            elif error is not None:
                raise error
            results.append(one)
        for one in results:
            if one.error is not None:
                self.stopped = self.stopped or one.error
            elif isinstance(one.outcome, NotSent):
                self._stop(one.outcome.reason)
            elif one.fault is None:
                self._doubts(one.outcome)
        if any(isinstance(one.outcome, Rejected) and one.outcome.status == _FORBIDDEN for one in results):
            self.session.store.uncache(CACHE_KEY)  # a right was taken away: the next run looks before it writes
        self.session.checkpoint("save")
        self.writer.save(results)
        self._stamp()
        self.session.checkpoint("saved")

    def _doubts(self, outcome: Outcome | NotNow | None) -> None:
        """Several in a row of which nobody knows what became of them: the service is not well (behaviour 8)."""
        doubts = self.session.doubts
        if isinstance(outcome, Unknown):
            doubts[self.side] += 1
            if doubts[self.side] >= _DOUBTS:
                self._stop(outcome.reason)
        elif isinstance(outcome, (Done, Rejected)):
            doubts[self.side] = 0

    def _stop(self, reason: str) -> None:
        self.stopped = self.stopped or TryLater("service_unreachable", service=SERVICES[self.side], detail=reason)

    def _stamp(self) -> None:
        """With a slow service a write leaves long after it was announced; its grace time must not be over by then."""
        if not self.flying or self.session.ticks() - self.stamped < _STALE:
            return
        with self.session.store.transaction():
            under_way, now = [one.intent for one in self.flying.values()], self.session.time(self.side)
            self.session.store.intents.count_from(under_way, now)
        self.stamped = self.session.ticks()
