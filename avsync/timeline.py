"""Tells problems where people look: in the item's tijdlijn, once, updated when they change, resolved when over."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from avsync import problems
from avsync.context import Context
from avsync.errors import FeatureOff
from avsync.services.outcome import Done, NotSent, Outcome, Rejected, Unknown
from avsync.state.problems import Problem, TimelineEntry

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
