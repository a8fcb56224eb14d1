"""The lines of one work order on their way: sent with the intent protocol, saved, linked, told, and settled.

AccountView's order lines have no reference, so the lines that stand on an order are read before any are added, and
their ids kept with the intent: after an unclear outcome only lines outside that set count as ours (behaviour 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from avsync import problems
from avsync.apply import PRETENDED, Pipeline, payload_hash
from avsync.boundary import each
from avsync.context import Context
from avsync.errors import AvsyncError
from avsync.flows import invoice
from avsync.flows.invoice import Line, LinePlan
from avsync.flows.spec import LinkView, Remark
from avsync.model import ACCOUNTVIEW, CRAFTER, Record
from avsync.outcomes import about_record, faulty
from avsync.services.outcome import Done, Outcome, Rejected, Unknown
from avsync.state.inbox import Entry
from avsync.state.problems import Cause
from avsync.state.store import Intent


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
