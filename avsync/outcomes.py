"""What came of writes, brought into the state: link, intent and problem of a record in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync.absences import forget
from avsync.apply import Job, Sent, accountview_key, payload_hash
from avsync.boundary import cause_of, each
from avsync.context import Context
from avsync.errors import Malformed
from avsync.flows.spec import LinkView
from avsync.intake import entity_of, is_marked, mark_gone
from avsync.model import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, other
from avsync.plan import Action, Verb, Write
from avsync.services.outcome import Done, NotSent, Rejected, Unknown
from avsync.sources import find
from avsync.state.problems import About, Cause
from avsync.telling import causes_of


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
