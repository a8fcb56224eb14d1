"""The list of problems and the tijdlijn: what a record's problems are now, what is over, and telling it where people
look.

A problem is told once in its item's tijdlijn, updated when it changes and resolved when it is over (behaviour 28).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from avsync.errors import FeatureOff
from avsync.messages import texts
from avsync.records.kind import Kind, Link, Remark
from avsync.records.registry import KINDS, kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side, other
from avsync.services.http import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.intents import Intent
from avsync.state.problems import TOLD_ONCE, About, Cause, Problem, TimelineEntry
from avsync.state.store import Store
from avsync.sync.boundary import ROW, cause_of
from avsync.sync.plan import Action
from avsync.sync.schema import not_keeping
from avsync.sync.session import Session

log = logging.getLogger(__name__)
_BATCHES = 4
_LONGEST = 2000  # characters (Crafter contract, resources)
_OUTCOMES = ("outcome_unknown", "outcome_not_found_out")
_SERVICES = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}
_END_OTHERWISE = ("unreadable", *TOLD_ONCE)  # when the row is read again, or with time


# --- of one record


def tell(session: Session, action: Action, causes: Sequence[Cause], link: Link | None) -> None:
    """The record now has exactly these problems; those that its other half had from earlier planning are over."""
    record, store = action.record, session.store
    if link is None and causes:  # made just now: its timeline is there since
        link = store.links.one(record.kind, record.side, record.id)
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
    return Cause(one.code, texts.severity(one.code), one.params, str(slot))


def about_record(session: Session, kind: Kind, record: Record, link: Link | None) -> About:
    """Which record it is, and where its timeline stands in Crafter (none for what only AccountView has)."""
    return About(
        kind.flow, record.kind, record.side, record.id, record.key or record.id, record.name, kind.told_on,
        _item(session.store, kind, record, link), hashlib.sha256(repr(sorted(record.fields.items())).encode(
            "utf-8", "surrogatepass")).hexdigest()[:16],
    )  # fmt: skip


def _item(store: Store, kind: Kind, record: Record, link: Link | None) -> str:
    """The Crafter id of the item in whose tijdlijn it is told: the record itself, or what it belongs to."""
    if not kind.belongs_to:
        return record.id if record.side == CRAFTER else link.crafter if link else ""
    if record.side == CRAFTER:
        return record.owner
    owner = store.links.one(kind.field(kind.belongs_to).ref, ACCOUNTVIEW, record.owner)
    return owner.crafter if owner else ""


def faulty(session: Session, kind: Kind, record: Record, error: Exception) -> None:
    """Something in our own handling of this record went wrong: its problem, and nobody else's."""
    session.count(kind.flow).failed += 1
    cause = cause_of(error, f"{record.kind} {record.key or record.id}")
    with session.store.transaction():
        session.store.problems.replace(about_record(session, kind, record, None), [cause], session.now())


def told_about_user(session: Session, action: Action) -> bool:
    """A problem that is a user's is told once for the user, however many lines wait for it."""
    about = action.params.get("about_kind")
    if not about:
        return False
    identity, name = str(action.params["about_id"]), str(action.params["about_name"])
    if identity not in session.users:
        session.users.add(identity)
        row = About(action.kind.flow, about, CRAFTER, identity, str(action.params.get("employee") or name), name)
        session.store.problems.replace(row, [Cause(action.reason, "error", action.params)], session.now())
    return True


# --- at the end of a flow, and of a run


def flow_problem(session: Session, flow: str) -> None:
    """A flow that stopped stands in the list under its own name, until it goes through again."""
    error = session.errors.get(flow)
    causes = [Cause(error.code, texts.severity(error.code), error.params)] if error is not None else []
    unkept = [kind for kind in not_keeping(session.store, session.accountview.schema) if kind.flow == flow]
    causes += [Cause("reference_not_kept", "warning", {"parent_kind": one.name}, one.name) for one in unkept]
    session.store.problems.replace(About(flow, "flow", "", flow, flow, ""), causes, session.now())


def unknown_outcomes(session: Session) -> Counter[str]:
    """Every write whose outcome is unknown when a run ends stands in the list until it is settled; how many per flow.

    Once the grace time is over only a failing look-up keeps it open.
    """
    store, now = session.store, session.now()
    intents, still = store.intents.open(), set()
    for intent in intents:
        code = "outcome_not_found_out" if session.old_enough(intent.sent_at) else "outcome_unknown"
        about = _about_intent(intent)
        params = {"service": _SERVICES[intent.side], "detail": intent.reason or "-", "reference": intent.reference}
        store.problems.add(about, Cause(code, texts.severity(code), params), now)
        still.add((about.flow, about.kind, about.side, about.record, code))
    listed = [one for ignored in (False, True) for one in store.problems.all(ignored=ignored)]
    store.problems.remove([one.id for one in listed if one.cause.code in _OUTCOMES and _mark(one) not in still])
    return Counter(KINDS[intent.kind].flow for intent in intents)


def _about_intent(intent: Intent) -> About:
    kind = KINDS[intent.kind]
    told = intent.record_side == CRAFTER and not kind.belongs_to
    return About(kind.flow, intent.kind, intent.record_side, intent.record, intent.key or intent.record, intent.name,
                 kind.told_on if told else "", intent.record if told else "")  # fmt: skip


def _mark(problem: Problem) -> tuple[str, str, str, str, str]:
    about = problem.about
    return about.flow, about.kind, about.side, about.record, problem.cause.code


def close_stale(session: Session, flow: str) -> None:
    """After a flow went through: errors and waits of records that are no longer planned are over."""
    store, names = session.store, {kind.name for kind in kinds_of(flow)}
    stale = []
    for problem in store.problems.all(flow) + store.problems.all(flow, ignored=True):
        about, cause = problem.about, problem.cause
        if about.kind in names:
            kept = cause.code in _END_OTHERWISE or cause.slot == ROW or _has_reason(store, about, cause)
        else:  # a user's, which every complete run tells anew
            kept = about.kind == "flow" or session.only is not None or about.record in session.users
        stale += [] if kept else [problem.id]
    store.problems.remove(stale)


def _has_reason(store: Store, about: About, cause: Cause) -> bool:
    """An error or a wait needs a version in the inbox; a warning may also be about a record that is in step."""
    side: Side = ACCOUNTVIEW if about.side == ACCOUNTVIEW else CRAFTER
    if store.inbox.get(about.kind, side, [about.record]):
        return True
    if cause.severity != "warning":
        return False
    link = store.links.one(about.kind, side, about.record)
    return link is not None and not link.gone


def expire(session: Session) -> None:
    """What is told once stays for seven days, or until it is ignored (behaviour 6, 13 and 27)."""
    for code in TOLD_ONCE:
        session.store.problems.expire(code, session.ago(days=7))


# --- the tijdlijn


def tell_timelines(session: Session, language: str) -> None:
    """Bring every entry of ours in line with the open problems. The key makes posting twice harmless (behaviour 28)."""
    known = session.store.problems.entries()
    wanted, said = _wanted(session, language)
    for key, entry in known.items():
        if key not in wanted:
            wanted[key] = replace(entry, wanted="", posted=entry.posted)
    changed = [one for key, one in wanted.items() if one.wanted != (known[key].posted if key in known else "")]
    if not changed or session.dry:
        return
    session.checkpoint("announce")
    with session.store.transaction():
        for entry in changed:
            session.store.problems.want(entry)
    session.checkpoint("announced")
    changed.sort(key=lambda one: bool(one.posted))  # what nobody was told yet goes first (behaviour 46)
    size = session.width(CRAFTER) * _BATCHES
    try:
        for start in range(0, len(changed), size):
            _post(session, changed[start : start + size], said, language)
    except FeatureOff as error:
        log.warning("the timeline is switched off in Crafter; problems stand in `avsync errors` only (%s)", error)


def _wanted(session: Session, language: str) -> tuple[dict[str, TimelineEntry], dict[str, tuple[str, str]]]:
    """The entries that should stand there, and (kind, message) of each."""
    groups: dict[tuple[str, str, str], list[Problem]] = defaultdict(list)
    for problem in session.store.problems.with_timeline():
        groups[problem.about.entity, problem.about.entity_id, problem.about.flow].append(problem)
    entries: dict[str, TimelineEntry] = {}
    said: dict[str, tuple[str, str]] = {}
    for (entity, identity, flow), group in groups.items():
        key = f"avsync:{entity}:{identity}:{flow}"
        kind = "error" if any(one.cause.severity == "error" for one in group) else "info"
        message = _message(group, language)
        mark = hashlib.sha256(f"{kind}\n{_said(group, language)}".encode()).hexdigest()[:16]
        entries[key] = TimelineEntry(key, entity, identity, flow, mark, "")
        said[key] = (kind, message)
    return entries, said


def _message(group: list[Problem], language: str) -> str:
    lines = dict.fromkeys(_line(problem, language) for problem in group)
    message = "\n".join(lines)
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _line(problem: Problem, language: str) -> str:
    about = problem.about
    return f"{texts.about(language, about.kind, about.key, about.name)}: {_words(problem, language)}"


def _words(problem: Problem, language: str) -> str:
    return " ".join(texts.text(problem.cause.code, language, problem.cause.params))


def _said(group: list[Problem], language: str) -> str:
    """What an entry says apart from its items' names: a new name is no news (behaviour 28)."""
    return "\n".join(dict.fromkeys(f"{one.about.kind} {one.about.key}: {_words(one, language)}" for one in group))


def _post(session: Session, entries: list[TimelineEntry], said: dict[str, tuple[str, str]], language: str) -> None:
    """One batch, saved before the next goes: a run whose time is up has got further than the one before it."""

    def post(entry: TimelineEntry) -> Outcome:
        kind, message = said.get(entry.dedupe_key, ("info", texts.text("timeline_resolved", language, {})[0]))
        values = {
            "entity": entry.entity, "entity_id": entry.entity_id, "kind": kind, "message": message,
            "dedupe_key": entry.dedupe_key, "resolved": not entry.wanted,
        }  # fmt: skip
        session.checkpoint("send")
        once = f"{entry.dedupe_key}:{session.run}:{entry.wanted or 'resolved'}"
        outcome = session.crafter.post_timeline(values, once)
        session.checkpoint("answered")
        return outcome

    with ThreadPoolExecutor(session.width(CRAFTER)) as pool:
        outcomes = list(pool.map(post, entries))
    session.checkpoint("save")
    with session.store.transaction():
        for entry, outcome in zip(entries, outcomes, strict=True):
            _save(session, entry, outcome)
    session.checkpoint("saved")


def _save(session: Session, entry: TimelineEntry, outcome: Outcome) -> None:
    """A refused entry (its item is deleted, say) is done with; an unclear one is posted again under its key."""
    if isinstance(outcome, (Done, Rejected)):
        session.store.problems.told(entry)
    if isinstance(outcome, (Rejected, Unknown, NotSent)):
        log.info("timeline entry %s: %s", entry.dedupe_key, type(outcome).__name__)
