"""Takes one kind of record from the inbox through planning to the services, until nothing new comes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from avsync.apply import Job, RecordPipeline, Sent
from avsync.boundary import each
from avsync.comeback import recover
from avsync.context import ONE_RUN, Context
from avsync.flows.spec import Kind
from avsync.intake import Reading
from avsync.model import ACCOUNTVIEW, CRAFTER, Side
from avsync.outcomes import Outcomes, faulty, look_after
from avsync.planner import Planner
from avsync.settle import settle
from avsync.state.inbox import Entry

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
