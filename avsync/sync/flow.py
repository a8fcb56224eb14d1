"""One kind through: pages of versions with their links and answers, a plan, and off to `write`, until nothing new
comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from avsync.records.kind import (
    BOTH,
    DECIDED,
    End,
    Kind,
    Known,
    Link,
    Match,
    Refuse,
    Translated,
    WaitFor,
    Write,
    as_meant,
    named_by_mark,
    recognise,
    translate,
)
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, other
from avsync.state.inbox import Entry
from avsync.sync.boundary import each
from avsync.sync.plan import Action, Made, Meeting, Verb, plan
from avsync.sync.problems import faulty
from avsync.sync.read import look_around
from avsync.sync.recover import recover, still_left
from avsync.sync.refs import PRETENDED
from avsync.sync.rest import leave_out, lists_of, mark, may_rest, met_by, resting, surroundings
from avsync.sync.session import PAGE, Session
from avsync.sync.settle import settle
from avsync.sync.write import Job, Writer, conclude, tally

_ROUNDS = 4
Span = tuple[int, int]  # sequence numbers, the first not included


def sync_kind(session: Session, kind: Kind) -> None:
    """Plan and write everything of a kind, apart from what rests; what that brings to light (write-backs, records to
    make again) as well."""
    planned_until, without = 0, leave_out(session, kind)
    for _ in range(_ROUNDS):
        until = session.store.inbox.newest()
        if until <= planned_until:
            return
        writer = Writer(session, kind)
        for one in Pass.all(session, kind, (planned_until, until), without):
            with writer:
                for jobs in one.pages(writer.begin):
                    writer.send_all(jobs)
        planned_until, without = until, ()
        writer.look_after()
        recover(session, kind)
        _find_unnamed(session, kind, writer)


def _find_unnamed(session: Session, kind: Kind, writer: Writer) -> None:
    """What may be stored, or is under a number nobody told, is looked for at once and adopted in the next round."""
    if not writer.unnamed:
        return
    settle(session, kind)
    held = session.store.intents.held(kind.name)
    with session.store.transaction():
        for job in writer.unnamed:
            for entry in job.entries:
                if (entry.record.side, entry.record.id) not in held and job.action.verb == Verb.CREATE:
                    session.store.inbox.put(entry.record, "plan")


def foresee(session: Session, kind: Kind, effects: bool, awake: bool = False) -> Iterator[Action]:
    """The same plan without a write: what is made or adopted counts as linked, so that what refers to it can be
    planned.

    `effects`: bring what needs no write into the state (a dry run's own copy of it). `awake`: only what does not rest.
    """

    def begin(jobs: Sequence[Job]) -> None:
        with session.store.transaction():
            for job in jobs if effects else ():
                if job.action.writes:
                    tally(session, job.action)
                else:
                    conclude(session, job)

    without = resting(session, kind) if awake else ()
    for one in Pass.all(session, kind, (0, session.store.inbox.newest()), without):
        for jobs in one.pages(begin):
            for job in jobs:
                _pretend(session, job.action)
                yield job.action


def _pretend(session: Session, action: Action) -> None:
    record, name = action.record, action.kind.name
    made_up = f"{PRETENDED}{len(session.pretended)}"
    if action.verb == Verb.ADOPT and action.partner is not None and action.link is not None:
        ids = (action.link.accountview, action.link.crafter)
    elif action.verb == Verb.CREATE and action.kind.plan is None:
        ids = (record.id, made_up) if record.side == ACCOUNTVIEW else (made_up, record.id)
    else:
        return
    for side, identity in zip(BOTH, ids, strict=True):
        session.pretended[name, side, identity] = ids


@dataclass(slots=True)
class Pass:
    """One side's versions of a kind, without those that rest under one of the marks `without`. `late`: those that are
    written after the others; `taken`: what this plan has found a counterpart for, besides what is linked already;
    `met`: what it has planned with another record."""

    session: Session
    kind: Kind
    side: Side
    span: Span
    late: bool
    taken: set[tuple[Side, str]] = field(default_factory=set)
    without: tuple[str, ...] = ()
    met: set[tuple[str, Side, str]] = field(default_factory=set)

    @classmethod
    def all(cls, session: Session, kind: Kind, span: Span, without: tuple[str, ...]) -> Iterator[Pass]:
        """AccountView's versions first: records that stand on both sides are handled with it."""
        taken: set[tuple[Side, str]] = set()
        met: set[tuple[str, Side, str]] = set()
        for late in (False, True) if kind.late else (False,):
            for side in BOTH:
                yield cls(session, kind, side, span, late, taken, without, met)

    def pages(self, begin: Callable[[list[Job]], None]) -> Iterator[list[Job]]:
        """What to do, page by page; `begin` brings it into the state as far as that is possible before anything is
        sent.

        What our planning stumbles over gets a problem and is tried again in every run.
        """
        store, (after, until) = self.session.store, self.span
        held = store.intents.held(self.kind.name)
        while entries := store.inbox.page(self.kind.name, self.side, after, until, PAGE, self.without):
            after = entries[-1].seq
            late = self.kind.late
            mine = [one for one in entries if late is None or late(one.record) == self.late]
            chosen = [one for one in mine if (self.side, one.record.id) not in held]
            self.session.count(self.kind.flow).unknown += len(mine) - len(chosen)
            wanted = chosen
            if self.session.only is not None:
                wanted = [one for one in chosen if self.session.wanted(one.record)]
            if wanted:
                done = each(wanted, lambda some: self._page(some, begin), self._failed)
                yield [job for jobs in done for job in jobs]

    def _page(self, entries: Sequence[Entry], begin: Callable[[list[Job]], None]) -> list[Job]:
        """Leaves nothing behind when it fails."""
        session, flow = self.session, self.kind.flow
        before = set(self.taken), replace(session.count(flow))
        try:
            jobs = _Page(self, list(entries)).jobs()
            begin(jobs)
            return jobs
        except BaseException:
            self.taken.intersection_update(before[0])
            session.totals[flow] = before[1]
            raise

    def _failed(self, entry: Entry, error: Exception) -> None:
        faulty(self.session, self.kind, entry.record, error)


class _Page:
    """One page: everything its versions need to be planned, and what comes of it."""

    def __init__(self, of: Pass, entries: list[Entry]) -> None:
        self.of, self.session, self.kind, self.side = of, of.session, of.kind, of.side
        self.store, self.entries = of.session.store, entries
        self.epoch = self.store.inbox.epoch()  # before anything is looked at: what changes meanwhile counts as new
        ids = [entry.record.id for entry in entries]
        self.links = self.store.links.by_side(self.kind.name, self.side, ids)
        across = [link.end[other(self.side)].id for link in self.links.values()]
        self.partners = self.store.inbox.get(self.kind.name, other(self.side), [one for one in across if one])
        self.held = self.store.intents.held_links(self.kind.name)
        self.look = partial(self.store.inbox.free, of.taken, of.session.policy.company)
        self.known = self._know()
        self.left: dict[str, Record | None] = {}
        self.matches = self._meet()
        self.marks: dict[tuple[frozenset[str], str], str] = {}

    def _know(self) -> Known:
        wanted = [(entry.record, self.links.get(entry.record.id)) for entry in self.entries]
        for link in self.links.values():
            partner = self.partners.get(link.end[other(self.side)].id)
            wanted += [(partner.record, link)] if partner else []
        return self.session.refs.know(self.kind, wanted)

    def _meet(self) -> dict[str, Match]:
        """The counterparts of what is free, and what they refer to in turn: there is no network inside a
        transaction."""
        if self.kind.plan is not None:
            return {}
        free = [one.record for one in self.entries if not self._is_whole(self.links.get(one.record.id))]
        if self.kind.recent and self.side == CRAFTER and not self.session.accountview.lists_changes(self.kind.table):
            look_around(self.session, self.kind, filter(None, map(self._values, free)))
        found = {record.id: self._recognised(record) for record in free}
        there = [one for match in found.values() for one in match.candidates]
        there += [one for record in free if (one := self._named(record))]
        met = Link(self.kind.name, {side: End() for side in BOTH}, self.side)  # as if linked: they are never created
        if there:
            self.known = self.session.refs.know(self.kind, [(one, met) for one in there], self.known)
        return found

    def _values(self, record: Record) -> dict[str, Canonical]:
        """What a free record would be made with, empty while it cannot be."""
        if (self.kind.fate or self.kind.usual_fate)(record, self.session.policy) != "plan":
            return {}
        made = translate(self.kind, as_meant(self.kind, record, None, self.known), self.known)
        values = {name: one.value for name, one in made.items() if isinstance(one, Translated)}
        return values if len(values) == len(made) else {}

    def _recognised(self, record: Record) -> Match:
        meant = as_meant(self.kind, record, self.links.get(record.id), self.known)
        while True:
            match = recognise(self.kind, meant, self.look, self.known)
            if match.by != "left":
                return match
            if (there := self._still_left(match.candidates[0])) is not None:
                return replace(match, candidates=(there,))

    def _still_left(self, there: Record) -> Record | None:
        """The row that a deleted record has left, as it stands there now; forgotten where it is something else by now,
        or nothing."""
        if there.id not in self.left:
            self.left[there.id] = still_left(self.session, self.kind, there)
        return self.left[there.id]

    @staticmethod
    def _is_whole(link: Link | None) -> bool:
        return link is not None and bool(link.accountview and link.crafter)

    def _named(self, record: Record) -> Record | None:
        try:
            return self.kind.named(record, self.known) if self.kind.named else None
        except (Refuse, WaitFor):
            return None

    def jobs(self) -> list[Job]:
        """Decide every version."""
        return [self._job(one) for one in self.entries if not self._is_held(one) and not self._was_planned(one)]

    def _is_held(self, entry: Entry) -> bool:
        """A write to the other end of its link may still be under way: nothing is sent before that is settled."""
        link = self.links.get(entry.record.id)
        if link is None or link.id not in self.held:
            return False
        self.session.count(self.kind.flow).unknown += 1
        return True

    def _was_planned(self, entry: Entry) -> bool:
        """With its AccountView half, in the pass before this one; twice would tell every problem twice."""
        if (self.kind.name, self.side, entry.record.id) in self.session.pretended:
            return True
        link = self.links.get(entry.record.id)
        half = self.partners.get(link.accountview) if link is not None and self.side == CRAFTER else None
        if half is None or half.fate != "plan" or not self.of.span[0] < half.seq <= self.of.span[1]:
            return False
        return self.session.wanted(half.record)

    def _job(self, entry: Entry) -> Job:
        link = self.links.get(entry.record.id)
        half = self.partners.get(link.end[other(self.side)].id) if link else None
        meeting = Meeting() if self._is_whole(link) else self._meeting(entry.record)
        unread = self.session.refused.get((self.kind.name, entry.record.id)) if self.side == ACCOUNTVIEW else None
        if unread is not None:
            return Job(
                Action(Verb.REJECT, self.kind, entry.record, "record_unavailable", link, params=unread), (entry,)
            )
        action = plan(self.kind, entry.record, link, half.record if half else None, self.known, meeting)
        self.of.met |= met_by(action, entry.record)
        if action.verb == Verb.ADOPT and action.partner is not None:
            self.of.taken |= {(entry.record.side, entry.record.id), (action.partner.side, action.partner.id)}
            there = action.partner
            half = self.store.inbox.get(self.kind.name, there.side, [there.id]).get(there.id)
        if self.session.dry and action.verb == Verb.REJECT and action.match is not None and not self._is_whole(link):
            action = replace(action, choices=self._choices(entry.record, link, action.match))
        if half is not None:
            return Job(action, (entry, half))
        return Job(action, (entry,), rests=self._rests(entry.record, action) if may_rest(action, meeting) else "")

    def _rests(self, record: Record, action: Action) -> str:
        """The mark under which it rests; none where its planning went by what only a service knows."""
        if met_by(action, record) or (self.kind.name, record.side, record.id) in self.of.met:
            return ""
        lists = lists_of(self.kind, record, self.known, self.session.refs.outside)
        if lists is None:
            return ""
        what = frozenset(lists), str(action.verb)
        if what not in self.marks:
            self.marks[what] = mark(self.session, surroundings(self.session, self.epoch), *what)
        return self.marks[what]

    def _choices(self, record: Record, link: Link | None, match: Match) -> dict[str, tuple[Write, ...]]:
        """What picking each candidate would write, for the person who has to."""
        across = [one for one in match.candidates if one.side != self.side]
        picked = {one.id: Meeting(Match((one,), DECIDED)) for one in across}
        return {key: plan(self.kind, record, link, None, self.known, one).writes for key, one in picked.items()}

    def _meeting(self, record: Record) -> Meeting:
        match = self.matches.get(record.id, Match())
        if match.candidates and any((one.side, one.id) in self.of.taken for one in match.candidates):
            match = self._recognised(record)
        question = self.session.questions.get((self.kind.name, record.id), "") if self.side == ACCOUNTVIEW else ""
        if question and not match.candidates:
            match = replace(match, question=question)
        made = self._made(record, match.candidates[0]) if len(match.candidates) == 1 else None
        deleted = named_by_mark(self.kind, record, self.known) if self.side == CRAFTER and record.reference else ""
        return Meeting(match, deleted, made)

    def _made(self, record: Record, there: Record) -> Made | None:
        """The write of ours that made one of the two, found after its answer was lost."""
        for source, target in ((record, there), (there, record)):
            made = self.store.intents.that_made(source.kind, source.side, source.id)
            if made is not None and made.reference == target.reference:
                sent, told, kind = made.detail["values"], made.detail["told"], self.kind
                columns = {
                    one.name: one.crafter if made.side == CRAFTER else kind.column(one, "") for one in kind.fields
                }
                stored = {name: told.get(name) if column in sent else None for name, column in columns.items()}
                return Made(made.record_side, {made.side: stored, other(made.side): made.detail["own"]})
        return None
