"""Plans the ticked lines of checked work orders onto their sales orders; lines refused together go one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from avsync.errors import AvsyncError, Malformed
from avsync.messages import texts as problems
from avsync.records import order_lines as invoice
from avsync.records.kind import LinkView, Remark
from avsync.records.order_lines import Line, LinePlan
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record
from avsync.services.outcome import Done, Outcome, Rejected, Unknown
from avsync.state.inbox import Entry
from avsync.state.problems import Cause
from avsync.state.store import Intent
from avsync.sync.boundary import each
from avsync.sync.read import mark_gone
from avsync.sync.session import ONE_RUN, Context
from avsync.sync.write import PRETENDED, Pipeline, about_record, faulty, payload_hash


@dataclass(slots=True)
class LineJob:
    """The lines of one work order on their way to one sales order. `before`: the REC_IDs that stood there already;
    `whole`: all that must happen where this is only a part, since lines to change and to add never share a request."""

    entry: Entry
    order: LinkView
    plan: LinePlan
    before: tuple[str, ...] = ()
    whole: LinePlan | None = None
    intent: int = 0
    mark: str = ""
    outcome: Outcome | None = None
    error: AvsyncError | None = None
    fault: Exception | None = None

    @property
    def record(self) -> Record:
        """The work order's lines."""
        return self.entry.record


def standing_on(context: Context, number: str) -> list[Line] | None:
    """The lines on a sales order; None when the order is not there (any more)."""
    if context.dry and number.startswith(PRETENDED):
        return []
    rows = context.accountview.order_lines(number)
    return None if rows is None else [invoice.read_standing(row) for row in rows]


def reject(context: Context, record: Record, code: str, params: Mapping[str, Any]) -> None:
    context.count(invoice.FLOW).failed += 1
    report(context, record, "reject", code, (), params)
    with context.store.transaction():
        tell(context, record, [Cause(code, problems.severity(code), params)])


def tell(context: Context, record: Record, causes: Sequence[Cause]) -> None:
    context.store.problems.replace(about_record(context, invoice.FLOW, record, None), causes, context.now())


def report(
    context: Context, record: Record, verb: str, reason: str, fields: Sequence[str], params: Mapping[str, Any]
) -> None:
    if context.dry:
        row = {
            "flow": invoice.FLOW,
            "direction": "export",
            "kind": invoice.KIND,
            "key": record.key,
            "name": record.name,
        }
        context.plan.append({**row, "action": verb, "fields": list(fields), "reason": reason, "params": dict(params)})


class LinePipeline(Pipeline[LineJob]):
    """The pipeline of all writes, with the one PUT that carries lines."""

    def intent(self, one: LineJob) -> Intent:
        """What a look-up needs afterwards: what stood there before, and what was sent."""
        record, plan = one.record, one.plan
        detail = {"order": one.order.accountview, "before": list(one.before),
                  "add": [_plain(line) for line in plan.add],
                  "change": [[record_id, *_plain(line)] for record_id, line in plan.change]}  # fmt: skip
        return Intent(
            invoice.FLOW, invoice.KIND, ACCOUNTVIEW, "lines", CRAFTER, record.id, record.key, record.name,
            one.order.accountview, payload_hash({"lines": str(detail)}), detail, one.order.id, self.context.now(),
        )  # fmt: skip

    def once(self, one: LineJob) -> Outcome:
        """Send the lines; an answer without them is read back: their ids are the only way to know them again."""
        if self.context.dry:
            return Done({"lines": []})
        return send_lines(self.context, one)


def send_lines(context: Context, job: LineJob) -> Outcome:
    """One PUT with all lines of a work order. Never retried blindly."""
    outcome = context.accountview.put_order_lines(job.order.accountview, wire_lines(job.plan))
    if isinstance(outcome, Done) and not (outcome.row or {}).get("lines"):
        try:
            rows = context.accountview.order_lines(job.order.accountview)
        except AvsyncError as error:  # stored, whatever becomes of the reading
            return Unknown(str(error))
        return Done({"lines": rows or []})
    return outcome


def wire_lines(plan: LinePlan) -> list[dict[str, Any]]:
    """Lines as the client takes them: with `id` changed, without it added (accountview.md, section 4)."""
    changed = [{"id": record_id, **_values(line)} for record_id, line in plan.change]
    return changed + [_values(line) for line in plan.add]


def _values(line: Line) -> dict[str, Any]:
    return {"article": line.article, "quantity": Decimal(line.quantity)}


def _plain(line: Line) -> list[str]:
    return [line.id, line.article, line.quantity]


class LineSaver:
    """Brings what came of the lines into the state."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.refused: list[LineJob] = []
        self.linked = self.doubts = 0

    def __call__(self, results: Sequence[LineJob]) -> None:
        """Save a batch of outcomes in one commit."""
        with self.context.store.transaction():
            for job in results:
                each([job], self._save_all, self._stumbled)

    def _save_all(self, jobs: Sequence[LineJob]) -> None:
        for job in jobs:
            if job.fault is not None:
                self._stumbled(job, job.fault)
                continue
            with self.context.store.transaction():
                self._save(job)

    def _stumbled(self, job: LineJob, error: Exception) -> None:
        """Sent perhaps, and not saved: the intent stays open, so that a look-up finds what came of it."""
        self._doubt(job, f"unexpected: {type(error).__name__}")
        faulty(self.context, invoice.FLOW, job.record, error)

    def _save(self, job: LineJob) -> None:
        store, outcome = self.context.store, job.outcome
        if isinstance(outcome, Done):
            missing = [] if self.context.dry else link_lines(self.context, job, (outcome.row or {}).get("lines") or [])
            if missing:
                self._doubt(job, "stored, but not all lines show")
                return
            store.close_intents([job.intent])
            self.linked += 1
            finish(self.context, job)
        elif isinstance(outcome, Unknown):
            self._doubt(job, outcome.reason)
        else:
            store.close_intents([job.intent])
            if isinstance(outcome, Rejected):
                self.refused.append(job)

    def _doubt(self, job: LineJob, reason: str) -> None:
        self.doubts += 1
        self.context.store.doubt(job.intent, reason, self.context.now())
        self.context.count(invoice.FLOW).unknown += 1


def link_lines(context: Context, job: LineJob, rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Link the lines that stand on the order now; returns those of ours that do not show."""
    standing = [invoice.read_standing(row) for row in rows]
    found = invoice.recognise_stored(job.plan.add, set(job.before), standing)
    otherwise = []
    for line in job.plan.add:
        if line.id in found:
            _link(context, job, found[line.id].id, line)
            stored = found[line.id].quantity
            otherwise += [invoice.rounded(line, stored)] if stored != line.quantity else []
    job.plan = replace(job.plan, remarks=(*job.plan.remarks, *otherwise))
    for record_id, line in job.plan.change:
        _rebase(context, job, record_id, line)
    return [line for line in job.plan.add if line.id not in found]


def _link(context: Context, job: LineJob, record_id: str, line: Line) -> None:
    base = {"article": line.article, "quantity": line.quantity}
    key = invoice.line_key(job.order.accountview, record_id)
    here = invoice.crafter_key(job.record.id, line.id)
    context.store.links.add(invoice.KIND, key, here, (base, base), CRAFTER, parent=job.record.id)


def _rebase(context: Context, job: LineJob, record_id: str, line: Line) -> None:
    key = invoice.line_key(job.order.accountview, record_id)
    link = context.store.links.by_side(invoice.KIND, ACCOUNTVIEW, [key]).get(key)
    if link is not None:
        base = {"article": line.article, "quantity": line.quantity}
        context.store.links.set_base(link.id, CRAFTER, base)
        context.store.links.set_base(link.id, ACCOUNTVIEW, base)


def finish(context: Context, job: LineJob) -> None:
    """All that could go has gone: adopt what stood there, count, and say what is left to say."""
    plan, totals = job.plan, context.count(invoice.FLOW)
    with context.store.transaction():
        for record_id, line in plan.adopt:
            _link(context, job, record_id, line)
        causes = [told(remark) for remark in plan.remarks]
        if job.whole is None:
            if not plan.again:
                context.store.inbox.done([job.entry])
            tell(context, job.record, causes)
    totals.created += len(plan.add)
    totals.updated += len(plan.change)
    totals.adopted += len(plan.adopt)
    totals.unchanged += 0 if plan.writes or plan.adopt or plan.remarks else 1
    totals.failed += sum(cause.severity == "error" for cause in causes)
    if plan.writes or plan.adopt or plan.remarks:
        verb = "create" if plan.add else "update" if plan.change else "adopt" if plan.adopt else "reject"
        articles = [line.article for line in plan.add] + [line.article for _, line in plan.change]
        remark = plan.remarks[0] if plan.remarks else Remark("checked")
        reason = "checked" if plan.writes else remark.code
        report(context, job.record, verb, reason, articles, remark.params)


def told(remark: Remark) -> Cause:
    return Cause(remark.code, problems.severity(remark.code), remark.params, str(remark.params.get("slot", "")))


def settle_lines(context: Context, intent: Intent) -> None:
    """Lines whose outcome nobody saw: what shows on the order is linked; the rest may go again after the grace time."""
    number, detail = str(intent.detail["order"]), intent.detail
    standing = standing_on(context, number) or []
    plan = LinePlan(
        tuple(Line(*one) for one in detail["add"]), tuple((one[0], Line(*one[1:])) for one in detail["change"])
    )
    found = invoice.recognise(plan.add, set(detail["before"]), standing)
    changed = {line.id: line for line in standing}
    shows = len(found) == len(plan.add) and all(
        record_id in changed and changed[record_id].quantity == line.quantity for record_id, line in plan.change
    )
    if shows or context.old_enough(intent.sent_at):
        _settled(context, intent, plan, found, shows)


def _settled(context: Context, intent: Intent, plan: LinePlan, found: Mapping[str, Line], shows: bool) -> None:
    order = context.store.links.by_id(intent.link or 0)
    with context.store.transaction():
        context.store.close_intents([intent.id])
        for entry in context.store.inbox.get(invoice.KIND, CRAFTER, [intent.record]).values():
            context.store.inbox.put(entry.record, entry.fate)
        if order is None:
            return
        record = Record(invoice.KIND, CRAFTER, intent.record, intent.key, intent.name, {}, parent=intent.record)
        job = LineJob(Entry(0, "plan", record), order, plan)
        for line in plan.add:
            if line.id in found:
                _link(context, job, found[line.id].id, line)
        for record_id, line in plan.change if shows else ():
            _rebase(context, job, record_id, line)


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
