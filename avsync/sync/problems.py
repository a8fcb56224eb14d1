"""The list of problems: what a record's problems are now, and what is over."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avsync.errors import AvsyncError
from avsync.messages import texts
from avsync.records.kind import Kind, Link, Remark, known_as
from avsync.records.registry import KINDS, kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, other
from avsync.state.intents import Intent
from avsync.state.problems import TOLD_ONCE, About, Cause, Problem
from avsync.state.store import Store
from avsync.sync.boundary import ROW, cause_of
from avsync.sync.causes import SERVICES, about_of, cause
from avsync.sync.schema import not_keeping
from avsync.sync.session import Session

if TYPE_CHECKING:
    from avsync.sync.plan import Action

log = logging.getLogger(__name__)
_OUTCOMES = ("outcome_unknown", "outcome_not_found_out")
_END_OTHERWISE = ("unreadable", *TOLD_ONCE)  # when the row is read again, or with time


# --- of one record


def tell(session: Session, action: Action, causes: Sequence[Cause], link: Link | None, made: bool = True) -> None:
    """The record now has exactly these problems; those that its other half had from earlier planning are over. `made`:
    it may have been linked since `link` was looked for."""
    record, store = action.record, session.store
    if causes and made and not (link and link.crafter):  # its timeline may be there since
        link = store.links.one(record.kind, record.side, record.id) or link
    store.problems.replace(about_record(session, action.kind, record, link), causes, session.now())
    across = other(record.side)
    half = action.partner.id if action.partner and action.partner.side == across else ""
    identity = half or (link.end[across].id if link and action.kind.plan is None else "")
    if identity:
        store.problems.planned(About(action.kind.flow, record.kind, across, identity, "", ""))


def tell_once(session: Session, kind: Kind, record: Record, link: Link, remarks: Sequence[Remark]) -> None:
    """What is true from now on because a write was done, beside the problems that the record has."""
    for one in remarks:
        session.store.problems.add(about_record(session, kind, record, link), _cause(one), session.now())


def causes_of(action: Action) -> list[Cause]:
    """A record's remarks as its problems."""
    return [_cause(one) for one in action.remarks]


def _cause(one: Remark) -> Cause:
    """`slot` tells two of one code apart."""
    slot = one.params.get("slot") or one.params.get("field") or one.params.get("article") or ""
    return cause(one.code, str(slot), **one.params)


def about_record(session: Session, kind: Kind, record: Record, link: Link | None) -> About:
    """Which record it is, and where its timeline stands in Crafter (none for what only AccountView has)."""
    version = hashlib.sha256(repr(sorted(record.fields.items())).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return about_of(session.config.language, kind, record, _item(session.store, kind, record, link), version)


def _item(store: Store, kind: Kind, record: Record, link: Link | None) -> tuple[str, str]:
    """The item in Crafter in whose tijdlijn it is told."""
    if record.side == CRAFTER:
        return kind.item(record.owner if kind.belongs_to else record.id, record.fields)
    if kind.belongs_to:
        link = store.links.one(kind.field(kind.belongs_to).ref, ACCOUNTVIEW, record.owner)
    return kind.item(link.crafter if link else "", {})


def faulty(session: Session, kind: Kind, record: Record, error: Exception) -> None:
    """Something in our own handling of this record went wrong: its problem, and nobody else's."""
    why = cause_of(error, f"{record.kind} {record.key or record.id}")
    with session.store.transaction():
        session.store.problems.replace(about_record(session, kind, record, None), [why], session.now())


# --- at the end of a flow, and of a run


def flow_problem(session: Session, flow: str) -> None:
    """A flow that stopped stands in the list under its own name, until it goes through again."""
    error = session.errors.get(flow)
    causes = [cause(error.code, **error.params)] if error is not None else []
    unkept = [kind for kind in not_keeping(session.store, session.accountview.schema) if kind.flow == flow]
    causes += [cause("reference_not_kept", one.name, parent_kind=one.name) for one in unkept]
    called = texts.word(flow, session.config.language)
    session.store.problems.replace(
        About(flow, "flow", "", flow, flow, "", called=called, short=called), causes, session.now()
    )


def name_unread(session: Session) -> None:
    """Rows that could not be read are called by what they refer to as well, where the services tell that."""
    for name, records in session.unread.items():
        kind = KINDS[name]
        try:
            known = session.refs.know(kind, [(one, None) for one in records])
        except AvsyncError as error:
            log.info("what the unreadable rows of %s refer to is not known: %s", name, error)
            continue
        with session.store.transaction():
            for one in records:
                about = about_of(session.config.language, kind, known_as(kind, one, known), ("", ""))
                session.store.problems.name(about)
    session.unread.clear()


def unknown_outcomes(session: Session) -> Counter[str]:
    """Every write whose outcome is unknown when a run ends stands in the list until it is settled; how many per flow.

    Once the grace time is over only a failing look-up keeps it open.
    """
    store, now = session.store, session.now()
    intents, still = store.intents.open(), set()
    for intent in intents:
        code = "outcome_not_found_out" if session.old_enough(intent) else "outcome_unknown"
        about = _about_intent(intent)
        why = cause(code, service=SERVICES[intent.side], detail=intent.reason or "-", reference=intent.reference)
        store.problems.add(about, why, now)
        still.add((about.flow, about.kind, about.side, about.record, code))
    store.problems.remove([one.id for one in store.problems.coded(_OUTCOMES) if _mark(one) not in still])
    return Counter(KINDS[intent.kind].flow for intent in intents)


def _about_intent(intent: Intent) -> About:
    kind = KINDS[intent.kind]
    told = intent.record_side == CRAFTER and not kind.belongs_to
    item = kind.item(intent.record, intent.detail["own"]) if told else ("", "")
    called = str(intent.detail.get("called") or intent.name)
    return About(
        kind.flow,
        intent.kind,
        intent.record_side,
        intent.record,
        intent.key,
        intent.name,
        *item,
        called=called,
        short=called,
    )


def _mark(problem: Problem) -> tuple[str, str, str, str, str]:
    about = problem.about
    return about.flow, about.kind, about.side, about.record, problem.cause.code


def close_stale(session: Session, flow: str) -> None:
    """After a flow went through: errors and waits of records that are no longer planned are over.

    An error or a wait needs a version in the inbox; a warning may also be about a record that is in step. Of a version
    that is only kept to be met it was the planning of the other side that told, and tells no more.
    """
    store, groups = session.store, defaultdict(list)
    for one in store.problems.unplanned(flow, [kind.name for kind in kinds_of(flow)], _END_OTHERWISE, ROW):
        groups[one.about.kind, one.about.side].append(one)
    for (kind, side), some in groups.items():
        kept = store.inbox.fates(kind, side, [one.about.record for one in some])
        told = {one.id for one in some if session.only is not None or store.problems.told_now(one)}
        store.problems.remove([one.id for one in some if not (one.about.record in kept and one.id in told)])


def expire(session: Session) -> None:
    """What is told once stays for some days, or until it is ignored (behaviour 6, 13, 24 and 27)."""
    session.store.problems.seen_by(session.now())
    session.store.problems.expire({code: session.ago(days=days) for code, days in TOLD_ONCE.items()})
