"""Takes one kind of record from the inbox through planning to the services, until nothing new comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from avsync.errors import Malformed
from avsync.records import orders
from avsync.records.kind import Kind, LinkView, Need, Refuse, WaitFor
from avsync.records.match import Match, recognise
from avsync.records.registry import fate
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side, other
from avsync.state.inbox import Entry
from avsync.state.problems import About, Cause
from avsync.sync.boundary import each
from avsync.sync.plan import Action, Verb, causes_of, plan_linked, plan_new, report_rows
from avsync.sync.read import Reading, is_marked
from avsync.sync.recover import deleted_there, recover
from avsync.sync.session import ONE_RUN, Context
from avsync.sync.settle import Bases, bases_of, made_by_us, settle
from avsync.sync.write import PRETENDED, Job, Outcomes, RecordPipeline, Sent, faulty, finish, look_after, tell


class Planner:
    """Plans one page of versions of one kind and side; `span`: the sequence numbers that this round is about."""

    def __init__(self, context: Context, kind: Kind, side: Side, entries: list[Entry], span: tuple[int, int]) -> None:
        self.context, self.kind, self.side, self.entries, self.span = context, kind, side, entries, span
        self.store = context.store
        ids = [entry.record.id for entry in entries]
        self.links = self.store.links.by_side(kind.name, side, ids)
        across = [link.end(other(side)) for link in self.links.values()]
        self.partners = self.store.inbox.get(kind.name, other(side), [one for one in across if one])
        free = [entry.record for entry in entries if entry.record.id not in self.links]
        self.deleted = deleted_there(context, kind, side, free)
        self.numbered = self._typed_numbers()
        self.known = context.known(self._needs())
        self.unmet = self._meet(free)
        self.troubled = self.store.problems.records(kind.name, side, ids) if ids else set()
        self.held = self.store.held_links(kind.name)
        self.troubled_across = self.store.problems.records(kind.name, other(side), across) if across else set()

    def _needs(self) -> list[Need]:
        needs: list[Need] = []
        records = [entry.record for entry in (*self.entries, *self.partners.values())]
        for record in [*records, *(one for one in self.numbered.values() if isinstance(one, Record))]:
            needs += self.kind.needs(record)
        for link in self.links.values():
            needs += self.kind.link_needs(link)
        return needs

    def _typed_numbers(self) -> dict[str, Record | Malformed | None]:
        """Orders whose number a user typed: AccountView's order of that number, if it has one (behaviour 18)."""
        if self.kind.name != "order" or self.side != CRAFTER:
            return {}
        typed = {
            entry.record.id: number.upper()
            for entry in self.entries
            if (number := entry.record.fields["number"]) and entry.record.id not in self.links
        }
        absences = self.context.lookups.absences
        asked = sorted(set(typed.values()) - absences.known("order", ACCOUNTVIEW, typed.values()))
        found = dict(zip(asked, self.context.lookups.at_once(self._order_of, asked), strict=True))
        absences.note("order", ACCOUNTVIEW, [number for number, row in found.items() if row is None])
        return {identity: found.get(number) for identity, number in typed.items()}

    def _order_of(self, number: str) -> Record | Malformed | None:
        row = self.context.accountview.by_key("order", number)
        try:
            return orders.read_accountview(row, self.context.policy)[0] if row else None
        except Malformed as fault:
            return fault

    def jobs(self) -> list[Job]:
        """Decide every version; returns those that need a write. Links, bases and problems are saved at once."""
        jobs = []
        with self.store.transaction():
            for entry in self.entries:
                if self._is_held(entry) or self._was_planned(entry):
                    continue
                action, entries = self._decide(entry)
                job = Job(action, entries, open=len(action.writes))
                self._note(action)
                if action.writes:
                    self._settle_bases(action)
                    jobs.append(job)
                else:
                    self._without_write(job)
        return jobs

    def _is_held(self, entry: Entry) -> bool:
        """A write to the other end of its link may still be under way: nothing is sent before that is settled."""
        link = self.links.get(entry.record.id)
        if link is None or link.id not in self.held:
            return False
        self.context.count(self.kind.flow).unknown += 1
        return True

    def _was_planned(self, entry: Entry) -> bool:
        """With its AccountView half, in the pass before this one; twice would tell every problem twice."""
        link = self.links.get(entry.record.id)
        half = self.partners.get(link.accountview) if link is not None and self.side == CRAFTER else None
        if half is None or half.fate != "plan" or not self.span[0] < half.seq <= self.span[1]:
            return False
        return self.context.wanted(half.record.key, half.record.id, half.record.name)

    def _decide(self, entry: Entry) -> tuple[Action, tuple[Entry, ...]]:
        record, link = entry.record, self.links.get(entry.record.id)
        if link is not None and link.crafter and link.accountview:
            partner = self.partners.get(link.end(other(self.side)))
            return self._linked(link, entry, partner)
        if fate(record, self.context.policy) != "plan":
            if link is not None:
                self.store.links.remove(link.id)
            return Action(Verb.SKIP, self.kind, record, "not_wanted"), (entry,)
        if link is not None and link.gone:
            return Action(Verb.SKIP, self.kind, record, "gone", link), (entry,)
        return self._unlinked(entry, link)

    def _linked(self, link: LinkView, entry: Entry, partner: Entry | None) -> tuple[Action, tuple[Entry, ...]]:
        mine, theirs = entry.record, partner.record if partner else None
        av, cr = (mine, theirs) if self.side == ACCOUNTVIEW else (theirs, mine)
        action = replace(plan_linked(self.kind, link, av, cr, self.known), partner=theirs)
        return action, (entry, partner) if partner else (entry,)

    def _unlinked(self, entry: Entry, link: LinkView | None) -> tuple[Action, tuple[Entry, ...]]:
        record = entry.record
        match = Match() if record.id in self.unmet else self._match(record)
        rivals = self._rivals(match, record)
        if len(match.candidates) == 1 and not rivals:
            return self._adopt(entry, match.candidates[0], link)
        if match.candidates:
            shown = ", ".join(one.key or f"{one.name} ({one.id})" for one in (*match.candidates, *rivals))
            return self._which(record, link, shown), (entry,)
        if self.kind.name == "customer" and self.side == ACCOUNTVIEW and record.id in self.context.questions:
            return self._which(record, link, self.context.questions[record.id]), (entry,)
        if record.id in self.deleted:
            return self._gone_again(record, self.deleted[record.id]), (entry,)
        try:
            there = self._by_typed_number(record)
        except Refuse as refusal:
            return Action(Verb.REJECT, self.kind, record, refusal.code, params=refusal.params), (entry,)
        except WaitFor as parent:
            params = {"parent_kind": parent.kind, "parent": parent.key or parent.name, "parent_name": parent.name}
            return Action(Verb.WAIT, self.kind, record, "waiting_for_parent", params=params), (entry,)
        if there is not None:
            self.store.inbox.put(there, "keep")
            return self._adopt(entry, there, link)
        return plan_new(self.kind, record, self.known, link), (entry,)

    def _gone_again(self, record: Record, key: str) -> Action:
        """Deleted in AccountView while it was linked; only the state that knew it is lost."""
        link = self.store.links.add(self.kind.name, key, record.id, (None, record.fields), ACCOUNTVIEW, adopted=True)
        self.store.links.set_gone(link, True)
        return Action(Verb.SKIP, self.kind, record, "gone", self.store.links.by_id(link))

    def _which(self, record: Record, link: LinkView | None, candidates: str) -> Action:
        """A question for a person."""
        params = {"candidates": candidates}
        return Action(Verb.REJECT, self.kind, record, "several_candidates", link, params=params)

    def _meet(self, free: Sequence[Record]) -> set[str]:
        """Look up what the counterparts refer to, while there is no transaction; returns the records without one.

        The main location serves creation only, and a counterpart is never created.
        """
        met = {record.id: self._match(record).candidates for record in free}
        there = [one for candidates in met.values() for one in candidates]
        needs = [need for one in there for need in self.kind.needs(one) if need[0] != "main_location"]
        if needs:
            parents = {**self.known.parents, **self.context.lookups.answer(needs)}
            self.known = replace(self.known, parents=parents)
        return {identity for identity, candidates in met.items() if not candidates}

    def _match(self, record: Record) -> Match:
        return recognise(self.kind, record, self._look, self.known)

    def _rivals(self, match: Match, record: Record) -> list[Record]:
        """By name alone the choice must be the only one from either side too (behaviour 6): who else fits it."""
        if match.by != "name" or self.kind.name != "customer" or len(match.candidates) != 1:
            return []
        back = recognise(self.kind, match.candidates[0], self._look, self.known)
        return [one for one in back.candidates if one.id != record.id]

    def _look(self, kind: str, side: str, column: str, value: str) -> list[Record]:
        """Free records only; on an adoption of the page itself the links have grown, so they are asked anew."""
        where: Side = ACCOUNTVIEW if side == ACCOUNTVIEW else CRAFTER
        found = [entry.record for entry in self.store.inbox.by(column, kind, where, value)]
        linked = self.store.links.by_side(kind, where, [record.id for record in found])
        return [record for record in found if record.id not in linked]

    def _by_typed_number(self, record: Record) -> Record | None:
        if record.id not in self.numbered:
            return None
        there, number = self.numbered[record.id], record.fields["number"]
        if there is None:
            raise Refuse("order_number_unknown", order=number)
        if isinstance(there, Malformed):
            raise Refuse("unreadable", field=there.field, found=there.found)
        if self.store.links.by_side("order", ACCOUNTVIEW, [there.id]):
            raise Refuse("order_number_taken", order=number)
        mine = self.kind.to_accountview(self.kind.field("customer"), record, self.known).value
        if mine != there.fields["customer"]:
            raise Refuse("order_number_other_customer", order=number, customer=there.fields["customer"] or "-")
        return there

    def _adopt(self, entry: Entry, there: Record, link: LinkView | None) -> tuple[Action, tuple[Entry, ...]]:
        """Link the two; the leading side then counts as edited in every field, so its values win (behaviour 6)."""
        mine = entry.record
        av, cr = (mine, there) if self.side == ACCOUNTVIEW else (there, mine)
        leads = CRAFTER if self.context.policy.flows[self.kind.flow] == "export" else ACCOUNTVIEW
        bases: Bases = (None, cr.fields) if leads == ACCOUNTVIEW else (av.fields, None)
        made, adopted = made_by_us(self.context, av, cr), True
        if made is not None:
            bases, adopted, leads = bases_of(self.kind, made), bool(link and link.adopted), made.record_side
        if link is not None:
            self.store.links.remove(link.id)
            leads = link.origin if made else leads
        number = self.store.links.add(
            self.kind.name, av.id, cr.id, bases, leads, adopted=adopted, parent=cr.parent or mine.parent,
            prints=(av.fingerprint, cr.fingerprint if is_marked(cr, av.id) else ""),
        )  # fmt: skip
        new = self.store.links.by_id(number)
        assert new is not None  # noqa: S101 - added a line above
        partner = self.store.inbox.get(self.kind.name, there.side, [there.id]).get(there.id)
        action = replace(plan_linked(self.kind, new, av, cr, self.known), partner=there)
        if action.verb in (Verb.UPDATE, Verb.SKIP):
            action = replace(action, verb=Verb.ADOPT, reason="first_meeting")
        return action, (entry, partner) if partner else (entry,)

    def _settle_bases(self, action: Action) -> None:
        if action.link is None:
            return
        if action.accountview_base:
            self.store.links.set_base(action.link.id, ACCOUNTVIEW, action.accountview_base)
        if action.crafter_base:
            self.store.links.set_base(action.link.id, CRAFTER, action.crafter_base)

    def _without_write(self, job: Job) -> None:
        action = job.action
        totals = self.context.count(self.kind.flow)
        if action.verb == Verb.REJECT:
            totals.failed += 1
            self._problem(action, "error")
        elif action.verb == Verb.WAIT:
            totals.waiting += 1
            self._problem(action, "waiting")
        elif action.verb == Verb.ADOPT:
            self._settle_bases(action)
            finish(self.context, job, wrote=False)
        else:
            self._settle_bases(action)
            totals.unchanged += 1
            if action.reason == "gone":
                self._park(job.entries)
            elif not action.again:
                self.store.inbox.done(job.entries)
            if action.remarks or action.partner or self._troubled(action):
                tell(self.context, action, causes_of(action))

    def _park(self, entries: Iterable[Entry]) -> None:
        """Nothing is sent for what is gone; an edit in Crafter is kept for the day the record reappears."""
        self.store.inbox.done(one for one in entries if one.record.side == ACCOUNTVIEW)
        for one in entries:
            self.store.inbox.set_fate(one.seq, "keep")

    def _troubled(self, action: Action) -> bool:
        across = action.link.end(other(self.side)) if action.link else ""
        return action.record.id in self.troubled or across in self.troubled_across

    def _problem(self, action: Action, severity: str) -> None:
        about = action.params.get("about_kind")
        if about:
            tell(self.context, action, [])
            self._user_problem(action)
        else:
            tell(self.context, action, [Cause(action.reason, severity, action.params)])

    def _user_problem(self, action: Action) -> None:
        """One problem that names the user, however many lines wait for it."""
        identity, name = str(action.params["about_id"]), str(action.params["about_name"])
        if identity not in self.context.user_problems:
            self.context.user_problems.add(identity)
            about = About(self.kind.flow, "user", CRAFTER, identity, str(action.params.get("employee") or name), name)
            self.store.problems.replace(about, [Cause(action.reason, "error", action.params)], self.context.now())

    def _note(self, action: Action) -> None:
        """What a dry run reports."""
        link = action.link
        made_up = link is not None and PRETENDED in (link.accountview[:1], link.crafter[:1])
        if self.context.dry and (action.verb != Verb.SKIP or action.remarks) and not made_up:
            self.context.plan += list(report_rows(action, self.kind.flow))


_ROUNDS = 4


def sync_kind(context: Context, kind: Kind, reading: Reading) -> None:
    """Plan and apply everything of a kind; what that brings to light (write-backs, records to make again) as well."""
    planned_until = 0
    for _ in range(_ROUNDS):
        until = context.store.inbox.newest()
        if until <= planned_until:
            return
        outcomes = Outcomes(context)
        for rank in (0, 1):
            for side in (ACCOUNTVIEW, CRAFTER):
                _one_pass(context, kind, side, rank, (planned_until, until), outcomes)
        planned_until = until
        recover(look_after(context, outcomes.after), reading)
        _find_unnamed(context, kind, outcomes)


def _find_unnamed(context: Context, kind: Kind, outcomes: Outcomes) -> None:
    """What may be stored, or is under a number nobody told, is looked for at once and adopted in the next round."""
    unnamed, outcomes.after.unnamed = outcomes.after.unnamed, []
    if not unnamed:
        return
    settle(context, kind.name)
    held = context.store.held(kind.name)
    with context.store.transaction():
        for record in (one.job.action.record for one in unnamed if one.write.id is None):
            if (record.side, record.id) not in held:
                context.store.inbox.put(record, "plan")


def _one_pass(context: Context, kind: Kind, side: Side, rank: int, span: tuple[int, int], outcomes: Outcomes) -> None:
    """One side's versions; records already handled together with their partner are no longer there."""
    held = context.store.held(kind.name)
    after, until = span
    with ExitStack() as stack:
        pipes: dict[Side, RecordPipeline] = {}

        def pipe(target: Side) -> RecordPipeline:
            if target not in pipes:
                pipes[target] = stack.enter_context(RecordPipeline(context, target, outcomes))
            return pipes[target]

        while entries := context.store.inbox.page(kind.name, side, rank, after, until, ONE_RUN):
            after = entries[-1].seq
            chosen = [one for one in entries if _may_plan(context, one, held, kind)]
            jobs = _plan_page(context, kind, side, chosen, span)
            for target in (ACCOUNTVIEW, CRAFTER):
                sent = [Sent(job, write) for job in jobs for write in job.action.writes if write.side == target]
                if sent:
                    pipe(target).add(sent)


def _plan_page(context: Context, kind: Kind, side: Side, entries: list[Entry], span: tuple[int, int]) -> list[Job]:
    """Plan a page; a version that our planning stumbles over gets a problem and is tried again in every run."""

    def work(some: Sequence[Entry]) -> list[Job]:
        back = context.snapshot()
        try:
            return Planner(context, kind, side, list(some), span).jobs()
        except BaseException:
            back()
            raise

    def failed(entry: Entry, error: Exception) -> None:
        faulty(context, kind.flow, entry.record, error)

    return [job for jobs in each(entries, work, failed) for job in jobs] if entries else []


def _may_plan(context: Context, entry: Entry, held: set[tuple[Side, str]], kind: Kind) -> bool:
    record = entry.record
    if (record.side, record.id) in held:
        context.count(kind.flow).unknown += 1
        return False
    return context.wanted(record.key, record.id, record.name)
