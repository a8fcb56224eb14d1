"""The tijdlijn: every problem is told where people look, once per item and flow, updated when it changes, and taken
back when it is over (behaviour 28).

What several records share is told with how many of them hang on this item, and the first few.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from avsync import __version__
from avsync.errors import FeatureOff
from avsync.messages import texts
from avsync.messages.texts import phrase
from avsync.records.registry import KINDS
from avsync.records.values import CRAFTER
from avsync.services.http import Done, Outcome, Rejected, Unknown
from avsync.state.problems import About, Problem, TimelineEntry
from avsync.state.store import Store
from avsync.sync.session import Session

log = logging.getLogger(__name__)
_BATCHES = 4
_LONGEST = 2000  # characters (Crafter contract, resources)
_FIRST = 5
_IN_LINE = "timelines"
_OVER = ""  # what is wanted of an entry that is over

Item = tuple[str, str, str]  # entity, its id, flow


@dataclass(slots=True)
class _Told:
    """What an item's entry says: per number of a problem the sentence, and what stands around it."""

    problems: list[Problem] = field(default_factory=list)

    def by_number(self) -> Iterable[tuple[str, list[Problem]]]:
        groups: dict[str, list[Problem]] = defaultdict(list)
        for one in self.problems:
            groups[str(one.number)].append(one)
        return groups.items()

    def said(self, language: str) -> dict[str, str]:
        """What is wrong, per number; how many records it is that have it, or which one."""
        return {number: f"{_of(some, language)}: {_words(some, language)[0]}" for number, some in self.by_number()}

    def message(self, language: str) -> str:
        lines = []
        for _, some in self.by_number():
            sentence, step = _words(some, language)
            lines.append(f"{_of(some, language)}: {sentence} {step}".strip() + _first(some, language))
        message = "\n".join(dict.fromkeys(lines))
        return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"

    def mark(self, language: str) -> str:
        """Of everything it says but the names: a new name is no news."""
        parts = [self.kind]
        for number, some in self.by_number():
            parts += [number, *_words(some, language), *sorted(f"{one.about.kind} {one.about.record}" for one in some)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def kind(self) -> str:
        return "error" if any(one.cause.severity == "error" for one in self.problems) else "info"


def _records(problems: Iterable[Problem]) -> list[About]:
    return list({(one.about.kind, one.about.record): one.about for one in problems}.values())


def _of(problems: list[Problem], language: str) -> str:
    """The one record that has the problem, or how many."""
    records = _records(problems)
    if len(records) == 1:
        return _named(records[0], language)
    return texts.several(language, {(one.kind, one.home) for one in records}, len(records))


def _first(problems: list[Problem], language: str) -> str:
    """The first few of several."""
    records = _records(problems)
    if len(records) == 1:
        return ""
    named = [one.called for one in records[:_FIRST]]
    more = [phrase("words", "and_more", language, count=len(records) - _FIRST)] if len(records) > _FIRST else []
    return "\n  " + "\n  ".join([*named, *more])


def _named(about: About, language: str) -> str:
    return texts.about(language, about.kind, about.home, about.called)


def _words(problems: list[Problem], language: str) -> tuple[str, str]:
    params, first = texts.common(one.cause.params for one in problems), problems[0]
    return texts.text(first.cause.code, language, params, first.about.kind, first.about.side, first.number)


def entry_text(store: Store, about: About, language: str) -> str:
    """What stands in the tijdlijn of this record's item, for its flow."""
    found, _ = _items(store.problems.with_timeline(), store.problems.entries())
    some = found.get((about.entity, about.entity_id, about.flow))
    return some.message(language) if some else ""


def tell_timelines(session: Session, language: str) -> None:
    """Bring every entry of ours in line with the open problems. The key makes posting twice harmless.

    Once there was nothing to bring, there is not until a problem is another, or what is made of them.
    """
    store = session.store
    now = [store.problems.epoch(), language, __version__, dict(session.policy.flows)]
    if session.dry or store.cached(_IN_LINE) == now:
        return
    if _bring_in_line(session, language):
        _bring_in_line(session, language)  # what was not taken on one item is told on another
    elif not session.steps and store.problems.epoch() == now[0]:
        with store.transaction():
            store.cache(_IN_LINE, now, session.now())


def _bring_in_line(session: Session, language: str) -> bool:
    """Whether Crafter did not take an entry. The steps of the phase: how many were to be told."""
    known = session.store.problems.entries()
    told, refused = _items(session.store.problems.with_timeline(), known)
    changed: list[tuple[TimelineEntry, str, str]] = []
    for item, some in told.items():
        key = _key(item)
        before = known.get(key, TimelineEntry(key, *item, "", ""))
        wanted = some.mark(language)
        if wanted != before.posted:
            changed.append(
                (replace(before, wanted=wanted, said=some.said(language)), some.kind, some.message(language))
            )
    there = {_key(item) for item in told}
    over = [one for key, one in known.items() if key not in there]
    ignored, _ = _items(session.store.problems.with_timeline(ignored=True), known)
    for entry in over:
        if not entry.refused:
            message = _ending(session, entry, ignored.get((entry.entity, entry.entity_id, entry.flow)), language)
            changed.append((replace(entry, wanted=_OVER), "info", message))
    with session.store.transaction():
        session.store.problems.forget([one.dedupe_key for one in over if one.refused and one.dedupe_key not in refused])
    _tell(session, changed)
    return any(one.refused and one.dedupe_key not in refused for one in session.store.problems.entries().values())


def _items(problems: Iterable[Problem], known: Mapping[str, TimelineEntry]) -> tuple[dict[Item, _Told], set[str]]:
    """The items that have something to tell, and the keys of those that Crafter does not take: what would stand there
    is told on the record itself."""
    found: dict[Item, _Told] = defaultdict(_Told)
    refused = set()
    for one in problems:
        about = one.about
        item = (about.entity, about.entity_id, about.flow)
        entry = known.get(_key(item))
        if entry is not None and entry.refused:
            refused.add(_key(item))
            own = (KINDS[about.kind].told_on, about.record, about.flow)
            if about.side != CRAFTER or KINDS[about.kind].belongs_to or own == item:
                continue
            item = own
        found[item].problems.append(one)
    return dict(found), refused


def _key(item: Item) -> str:
    entity, identity, flow = item
    return f"avsync:{entity}:{identity}:{flow}"


def _ending(session: Session, entry: TimelineEntry, ignored: _Told | None, language: str) -> str:
    """What it said is over: solved, ignored by the operator, or its flow is switched off."""
    off = session.policy.flows[entry.flow] == "off"
    because = {str(one.number): one.because for one in ignored.problems} if ignored else {}
    lines = []
    for number, what in entry.said.items():
        how = "told_off" if off else "told_solved"
        if number in because and not off:
            how = "told_because" if because[number] else "told_ignored"
        lines.append(phrase("words", how, language, what=what, because=because.get(number, "")))
    message = "\n".join(dict.fromkeys(lines)) or phrase("words", "told_solved", language, what="-")
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _tell(session: Session, changed: list[tuple[TimelineEntry, str, str]]) -> None:
    changed.sort(key=lambda one: bool(one[0].posted))  # what nobody was told yet goes first (behaviour 46)
    size = session.width(CRAFTER) * _BATCHES
    session.enter("tell", len(changed))
    try:
        for start in range(0, len(changed), size):
            batch = changed[start : start + size]
            _post(session, batch)
            session.step("", done=len(batch))
    except FeatureOff as error:
        log.warning("the timeline is switched off in Crafter; problems stand in `avsync errors` only (%s)", error)


def _post(session: Session, entries: list[tuple[TimelineEntry, str, str]]) -> None:
    """One batch, saved before the next goes: a run whose time is up has got further than the one before it."""
    session.checkpoint("announce")
    with session.store.transaction():
        for entry, _, _ in entries:
            session.store.problems.want(entry)
    session.checkpoint("announced")

    def post(told: tuple[TimelineEntry, str, str]) -> Outcome:
        entry, kind, message = told
        values = {
            "entity": entry.entity, "entity_id": entry.entity_id, "kind": kind, "message": message,
            "dedupe_key": entry.dedupe_key, "resolved": entry.wanted == _OVER,
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
        for (entry, _, _), outcome in zip(entries, outcomes, strict=True):
            _save(session, entry, outcome)
    session.checkpoint("saved")


def _save(session: Session, entry: TimelineEntry, outcome: Outcome) -> None:
    """A refused entry (its item is deleted, say) is done with; an unclear one is posted again under its key."""
    problems = session.store.problems
    if isinstance(outcome, (Done, Rejected)):
        problems.told(entry, refused=isinstance(outcome, Rejected))
    elif isinstance(outcome, Unknown):
        problems.perhaps_told(entry)
    elif not entry.posted:
        problems.forget([entry.dedupe_key])
    if not isinstance(outcome, Done):
        log.info("timeline entry %s: %s", entry.dedupe_key, type(outcome).__name__)
