"""Tells problems where people look: in the item's tijdlijn, once, updated when they change, resolved when over."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from avsync.errors import AvsyncError, FeatureOff
from avsync.messages import texts as problems
from avsync.messages.texts import severity
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side
from avsync.services.outcome import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.problems import About, Cause, Problem, TimelineEntry
from avsync.state.store import Intent, Store
from avsync.sync.boundary import ROW
from avsync.sync.read import entity_of
from avsync.sync.session import Context

_OWN_END = ("unreadable", "conflict")  # the first ends when the row is read again, the second with time

_OUTCOMES = ("outcome_unknown", "outcome_not_found_out")
_SERVICES = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}


def flow_problem(store: Store, flow: str, error: AvsyncError | None, now: str) -> None:
    """A flow that stopped stands in the list under its own name, until it goes through again."""
    about = About(flow, "flow", "", flow, flow, "")
    causes = [Cause(error.code, severity(error.code), error.params)] if error is not None else []
    store.problems.replace(about, causes, now)


def unknown_outcomes(store: Store, overdue: Callable[[str], bool], now: str) -> Counter[str]:
    """Every write whose outcome is unknown when a run ends stands in the list until it is settled; how many per flow.

    `overdue` says of the moment it was sent whether the grace time is over: then only a failing look-up keeps it open.
    """
    intents, still = store.intents(), set()
    for intent in intents:
        code = "outcome_not_found_out" if overdue(intent.sent_at) else "outcome_unknown"
        about = _about_intent(intent)
        params = {"service": _SERVICES[intent.side], "detail": intent.reason or "-", "reference": intent.reference}
        store.problems.add(about, Cause(code, severity(code), params), now)
        still.add((about.flow, about.kind, about.side, about.record, code))
    listed = [one for ignored in (False, True) for one in store.problems.all(ignored=ignored)]
    store.problems.remove([one.id for one in listed if one.cause.code in _OUTCOMES and _mark(one) not in still])
    return Counter(intent.flow for intent in intents)


def _about_intent(intent: Intent) -> About:
    told = intent.record_side == CRAFTER and intent.kind not in ("location", "contact")
    entity = entity_of(intent.kind) if told else ""
    return About(intent.flow, intent.kind, intent.record_side, intent.record, intent.key or intent.record, intent.name,
                 entity, intent.record if told else "")  # fmt: skip


def _mark(problem: Problem) -> tuple[str, str, str, str, str]:
    about = problem.about
    return about.flow, about.kind, about.side, about.record, problem.cause.code


def close_stale(store: Store, flow: str, kinds: Collection[str], users: Collection[str], complete: bool) -> None:
    """After a flow went through: errors and waits of records that are no longer planned are over."""
    stale = []
    for problem in store.problems.all(flow) + store.problems.all(flow, ignored=True):
        about, cause = problem.about, problem.cause
        if about.kind == "user":
            if complete and about.record not in users:
                stale.append(problem.id)
        elif (
            about.kind in kinds
            and cause.code not in ("unreadable", "conflict")
            and cause.slot != ROW
            and not _has_reason(store, about, cause)
        ):
            stale.append(problem.id)
    store.problems.remove(stale)


def _has_reason(store: Store, about: About, cause: Cause) -> bool:
    """An error or a wait needs a version in the inbox; a warning may also be about a record that is in step."""
    side: Side = ACCOUNTVIEW if about.side == ACCOUNTVIEW else CRAFTER
    if store.inbox.get(about.kind, side, [about.record]):
        return True
    if cause.severity != "warning":
        return False
    kind = "order" if about.kind == "order_line" else about.kind
    link = store.links.by_side(kind, side, [about.record]).get(about.record)
    return link is not None and not link.gone


log = logging.getLogger(__name__)
_LONGEST = 2000  # crafter.md, timeline


def tell_timelines(context: Context, language: str) -> None:
    """Bring every entry of ours in line with the open problems. The key makes posting twice harmless (behaviour 28)."""
    known = context.store.problems.entries()
    wanted, texts = _wanted(context, language)
    for key, entry in known.items():
        if key not in wanted:
            wanted[key] = replace(entry, wanted="", posted=entry.posted)
    changed = [one for key, one in wanted.items() if one.wanted != (known[key].posted if key in known else "")]
    if not changed or context.dry:
        return
    context.checkpoint("announce")
    with context.store.transaction():
        for entry in changed:
            context.store.problems.want(entry)
    context.checkpoint("announced")
    _post(context, changed, texts, language)


def _wanted(context: Context, language: str) -> tuple[dict[str, TimelineEntry], dict[str, tuple[str, str]]]:
    """The entries that should stand there, and (kind, message) of each."""
    groups: dict[tuple[str, str, str], list[Problem]] = defaultdict(list)
    for problem in context.store.problems.with_timeline():
        groups[problem.about.entity, problem.about.entity_id, problem.about.flow].append(problem)
    entries: dict[str, TimelineEntry] = {}
    texts: dict[str, tuple[str, str]] = {}
    for (entity, identity, flow), group in groups.items():
        key = f"avsync:{entity}:{identity}:{flow}"
        kind = "error" if any(one.cause.severity == "error" for one in group) else "info"
        message = _message(group, language)
        mark = hashlib.sha256(f"{kind}\n{_said(group, language)}".encode()).hexdigest()[:16]
        entries[key] = TimelineEntry(key, entity, identity, flow, mark, "")
        texts[key] = (kind, message)
    return entries, texts


def _message(group: list[Problem], language: str) -> str:
    lines = dict.fromkeys(_line(problem, language) for problem in group)
    message = "\n".join(lines)
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _line(problem: Problem, language: str) -> str:
    about = problem.about
    return f"{problems.about(language, about.kind, about.key, about.name)}: {_words(problem, language)}"


def _words(problem: Problem, language: str) -> str:
    return " ".join(problems.text(problem.cause.code, language, problem.cause.params))


def _said(group: list[Problem], language: str) -> str:
    """What an entry says apart from its items' names: a new name is no news (behaviour 28)."""
    return "\n".join(dict.fromkeys(f"{one.about.kind} {one.about.key}: {_words(one, language)}" for one in group))


def _post(context: Context, entries: list[TimelineEntry], texts: dict[str, tuple[str, str]], language: str) -> None:
    def post(entry: TimelineEntry) -> Outcome:
        kind, message = texts.get(entry.dedupe_key, ("info", problems.text("timeline_resolved", language, {})[0]))
        values = {
            "entity": entry.entity, "entity_id": entry.entity_id, "kind": kind, "message": message,
            "dedupe_key": entry.dedupe_key, "resolved": not entry.wanted,
        }  # fmt: skip
        context.checkpoint("send")
        once = f"{entry.dedupe_key}:{context.run}:{entry.wanted or 'resolved'}"
        outcome = context.crafter.post_timeline(values, once)
        context.checkpoint("answered")
        return outcome

    try:
        with ThreadPoolExecutor(context.concurrency["crafter"]) as pool:
            outcomes = list(pool.map(post, entries))
    except FeatureOff as error:
        log.warning("the timeline is switched off in Crafter; problems stand in `avsync errors` only (%s)", error)
        return
    context.checkpoint("save")
    with context.store.transaction():
        for entry, outcome in zip(entries, outcomes, strict=True):
            _save(context, entry, outcome)
    context.checkpoint("saved")


def _save(context: Context, entry: TimelineEntry, outcome: Outcome) -> None:
    """A refused entry (its item is deleted, say) is done with; an unclear one is posted again under its key."""
    if isinstance(outcome, (Done, Rejected)):
        context.store.problems.told(entry)
    if isinstance(outcome, (Rejected, Unknown, NotSent)):
        log.info("timeline entry %s: %s", entry.dedupe_key, type(outcome).__name__)
