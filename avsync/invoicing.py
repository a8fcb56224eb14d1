"""Plans the ticked lines of checked work orders onto their sales orders; lines refused together go one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from avsync.apply import PRETENDED
from avsync.boundary import each
from avsync.context import ONE_RUN, Context
from avsync.errors import Malformed
from avsync.flows import invoice
from avsync.flows.invoice import LinePlan
from avsync.flows.spec import LinkView
from avsync.intake import mark_gone
from avsync.linejobs import LineJob, LinePipeline, LineSaver, finish, reject, report, standing_on, tell, told
from avsync.model import ACCOUNTVIEW, CRAFTER, Record
from avsync.outcomes import faulty
from avsync.services.outcome import Rejected
from avsync.state.inbox import Entry
from avsync.state.problems import Cause


def sync_lines(context: Context, after: int = 0) -> None:
    """Plan and send the lines of every checked work order that changed (since `after`) or still has a problem."""
    saver = LineSaver(context)
    if _one_round(context, after, saver, set()):
        _one_round(context, after, LineSaver(context), {job.record.id for job in saver.refused})


def _one_round(context: Context, after: int, saver: LineSaver, done: set[str]) -> bool:
    """Everything once but what is `done`; says whether some work orders have lines left to add after a change."""
    held = context.store.held(invoice.KIND)
    until, partial = context.store.inbox.newest(), False
    with LinePipeline(context, ACCOUNTVIEW, saver) as pipe:
        while entries := context.store.inbox.page(invoice.KIND, CRAFTER, 0, after, until, ONE_RUN):
            after = entries[-1].seq
            left = [one for one in entries if one.record.id not in done]
            jobs = _plan_page(context, [one for one in left if _may_plan(context, one, held)])
            partial = partial or any(job.whole for job in jobs)
            pipe.add(jobs)
    for refused in saver.refused:
        each(
            [refused],
            lambda some: _one_by_one(context, some[0]),
            lambda job, error: faulty(context, invoice.FLOW, job.record, error),
        )
    return partial


def _may_plan(context: Context, entry: Entry, held: set[Any]) -> bool:
    if (CRAFTER, entry.record.id) in held:
        context.count(invoice.FLOW).unknown += 1
        return False
    return context.wanted(entry.record.key, entry.record.id)


def _plan_page(context: Context, entries: list[Entry]) -> list[LineJob]:
    orders = context.store.links.by_side("order", CRAFTER, [one.record.id for one in entries])

    def work(some: Sequence[Entry]) -> list[LineJob | None]:
        found = [(one, orders.get(one.record.id)) for one in some]
        return [_plan(context, _numbered(one, order), order) for one, order in found]

    def failed(entry: Entry, error: Exception) -> None:
        faulty(context, invoice.FLOW, entry.record, error)

    return [job for entry in entries for jobs in each([entry], work, failed) for job in jobs if job is not None]


def _numbered(entry: Entry, order: LinkView | None) -> Entry:
    """Under the order's number, also when the work order was read before it had one: people know it by that."""
    if order is None or not order.accountview or order.accountview.startswith(PRETENDED):
        return entry
    return replace(entry, record=replace(entry.record, key=order.accountview))


def _plan(context: Context, entry: Entry, order: LinkView | None) -> LineJob | None:
    """Plan one work order; None when nothing has to be written."""
    record = entry.record
    if order is None or not order.accountview:
        _without_order(context, entry)
        return None
    if order.gone and order.accountview_base is None:  # deleted before the state was lost: who knows what was sent
        finish(context, LineJob(entry, order, LinePlan()))
        return None
    links = context.store.links.by_parent(invoice.KIND, [record.id])
    articles = context.lookups.articles(invoice.wanted_articles(record, links))
    known = context.known([])
    plan = invoice.plan_lines(record, replace(order, adopted=False), links, None, articles, known)
    if not plan.looks:
        finish(context, LineJob(entry, order, plan))
        return None
    try:
        standing = None if order.gone else standing_on(context, order.accountview)
    except Malformed as fault:
        reject(context, record, "unreadable", {"field": fault.field, "found": fault.found})
        return None
    if standing is None and plan.writes:
        _order_gone(context, record, order)
        return None
    plan = invoice.plan_lines(record, order, links, standing or (), articles, known)
    before = tuple(line.id for line in standing or ())
    if plan.change and plan.add and not context.dry:
        return LineJob(entry, order, LinePlan(change=plan.change), before, whole=plan)
    job = LineJob(entry, order, plan, before)
    if plan.writes:
        return job
    finish(context, job)
    return None


def _order_gone(context: Context, record: Record, order: LinkView) -> None:
    """There is something to write, and no order to write it on."""
    if not order.gone:
        with context.store.transaction():
            mark_gone(context.store, order)
    reject(context, record, "order_closed", {"order": order.accountview})


def _without_order(context: Context, entry: Entry) -> None:
    """Older than start_date: nothing travels. Else somebody must see to it that there is an order (behaviour 21)."""
    record = entry.record
    if record.extra["day"] < context.policy.start_date:
        with context.store.transaction():
            context.store.inbox.done([entry])
        return
    reject(context, record, "order_not_linked", {})


def _one_by_one(context: Context, job: LineJob) -> None:
    """The order refused the lines together: each goes by itself, so that one bad line does not hold back the others."""
    number, plan = job.order.accountview, job.whole or job.plan
    standing = standing_on(context, number)
    if standing is None:
        _order_gone(context, job.record, job.order)
        return
    parts = [LinePlan(change=(one,)) for one in plan.change] + [LinePlan(add=(line,)) for line in plan.add]
    saver, linked = LineSaver(context), 0
    if len(parts) == 1:
        saver.refused, parts = [job], []
    for part in parts:
        if saver.linked > linked:
            standing, linked = standing_on(context, number) or [], saver.linked
        with LinePipeline(context, ACCOUNTVIEW, saver) as pipe:
            pipe.add([LineJob(job.entry, job.order, part, tuple(line.id for line in standing), whole=plan)])
        if saver.doubts:
            return  # the look-up that settles it comes first
    _conclude(context, job, plan, saver.refused)


def _conclude(context: Context, job: LineJob, plan: LinePlan, refused: Sequence[LineJob]) -> None:
    """Say what was refused, once for all lines of which AccountView says the same."""
    words: dict[str, list[LineJob]] = {}
    for one in refused:
        words.setdefault(one.outcome.message if isinstance(one.outcome, Rejected) else "", []).append(one)
    causes = [told(remark) for remark in plan.remarks]
    for message, jobs in words.items():
        lines = [line for one in jobs for line in (*one.plan.add, *(line for _, line in one.plan.change))]
        params = {
            "order": job.order.accountview,
            "message": message or "-",
            "articles": ", ".join(line.article for line in lines),
        }
        causes.append(Cause("lines_rejected", "error", params, lines[0].id))
        report(context, job.record, "reject", "lines_rejected", (), params)
    with context.store.transaction():
        if not refused and not plan.again:
            context.store.inbox.done([job.entry])
        tell(context, job.record, causes)
    context.count(invoice.FLOW).failed += sum(cause.severity == "error" for cause in causes)
