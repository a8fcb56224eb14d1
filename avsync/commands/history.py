"""The trail, for people: what happened to a record and when, what a run did, line by line."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from avsync.commands.periods import moment_of
from avsync.config.settings import Config
from avsync.messages import texts
from avsync.messages.texts import known, phrase, word
from avsync.records.registry import KINDS, children, family
from avsync.records.values import ACCOUNTVIEW, AMSTERDAM, CRAFTER, Canonical
from avsync.state import db
from avsync.state.events import Event, Events
from avsync.state.store import Store

if TYPE_CHECKING:
    from avsync.commands.run import Talker

_SIDES: dict[str, str] = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}
_MOST = 20  # records with one name
_LATEST = 50  # events, when nothing is asked for
_LONGEST = 200  # characters of a value


def show(config: Config, key: str | None, since: str | None, run: int | None, talker: Talker) -> None:
    """Tell the story of what `key` names, or what was done in a run or since a moment. Needs no right to write."""
    begin = moment_of(since) if since else ""
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        stories = _stories(Store(base), key, begin, run) if base is not None else []
    language = config.language
    shapes = [as_json(event, language) for story in stories for event in story]
    talker.say("\n".join(_told(stories, key, language)), shapes)


def _stories(store: Store, key: str | None, begin: str, run: int | None) -> list[list[Event]]:
    """One list of events per record, or one of all that was asked for."""
    events = store.events
    if key is not None:
        found = _of_records(store, key)
    else:
        found = iter([events.of_run(run) if run else events.since(begin) if begin else events.latest(_LATEST)])
    stories = ([one for one in story if one.moment >= begin and run in (None, one.run)] for story in found)
    return [story for story in stories if story]


def _of_records(store: Store, key: str) -> Iterator[list[Event]]:
    """The whole story of each record that the words may mean, with what belongs to it."""
    events, words = store.events, key.strip()
    sought = sorted(
        store.links.called(words) | events.bearing(words) or events.named(words),
        key=lambda one: (one[0] not in KINDS or bool(KINDS[one[0]].belongs_to), one),
    )
    told: set[int] = set()
    for kind, accountview, crafter in sought:
        story = _whole_story(events, kind, {accountview} - {""}, {crafter} - {""})
        if {one.id for one in story} - told:
            told |= {one.id for one in story}
            yield story


def _whole_story(events: Events, kind: str, accountview: set[str], crafter: set[str]) -> list[Event]:
    """Under every id it had: a record that is made again, or gets another number, stays the same one."""
    kinds = family(kind)
    while True:
        story = events.story(kinds, accountview, crafter)
        ids = {one.accountview for one in story} - {""}, {one.crafter for one in story} - {""}
        if ids[0] <= accountview and ids[1] <= crafter:
            break
        accountview, crafter = accountview | ids[0], crafter | ids[1]
    parts = [one.name for one in children(kind)]
    hanging = events.of_parts(parts, crafter) if parts and crafter else []
    return sorted({one.id: one for one in [*story, *hanging]}.values(), key=lambda one: one.id)


# --- as JSON


def as_json(event: Event, language: str) -> dict[str, Any]:
    """An event as programs get it (RULES.md, more JSON)."""
    code = str(event.detail.get("code") or "")
    shape = {
        "id": event.id, "run": event.run, "moment": event.moment, "flow": event.flow, "kind": event.kind,
        "side": event.side, "action": event.action, "key": event.key, "name": event.name,
        "accountview": event.accountview, "crafter": event.crafter,
        "fields": {name: {"old": old, "new": new} for name, (old, new) in event.values.items()},
    }  # fmt: skip
    if not code:
        return shape
    return {**shape, "problem": event.detail.get("problem"), "code": code, "message": sentence(event, language)}


# --- as text


def _told(stories: Sequence[Sequence[Event]], key: str | None, language: str) -> Iterator[str]:
    if not stories:
        yield phrase("history", "nothing_known", language, key=key) if key else _say("nothing_then", language)
    for number, story in enumerate(stories[:_MOST]):
        yield from [""] if number else []
        about = _main(story) if key else []
        if about:
            yield _heading(about, language)
        for event in story:
            yield from _wrapped(event, event in about, language)
    if len(stories) > _MOST:
        yield phrase("history", "more", language, count=len(stories) - _MOST)


def _main(story: Sequence[Event]) -> list[Event]:
    """Of a record's story what happened to itself, without what belongs to it."""
    own = [one for one in story if one.kind in KINDS and not KINDS[one.kind].belongs_to]
    return own or list(story)


def _heading(own: Sequence[Event], language: str) -> str:
    """Whose story it is, by its newest number and name."""
    named = [one for one in own if one.name]
    return record(next((one for one in reversed(named) if one.key), (named or own)[-1]), language)


def record(event: Event, language: str) -> str:
    """The record as a sentence starts with it."""
    kind = KINDS[event.kind].details_of or event.kind if event.kind in KINDS else event.kind
    key = event.key if event.key != event.crafter else ""  # an id of Crafter's says nothing to anybody
    called = texts.called(language, kind, key, event.name, {}) or event.name or event.key
    return texts.about(language, kind, event.side, called)


def _wrapped(event: Event, whole: bool, language: str) -> list[str]:
    """One event as lines of the terminal's width: when, which record where that is not plain, and what."""
    said = what(event, language) if whole else f"{record(event, language)}: {what(event, language)}"
    when = f"{local(event.moment)}  "
    width = max(shutil.get_terminal_size((80, 24)).columns, 40)
    return textwrap.wrap(when + said, width, subsequent_indent=" " * len(when), break_on_hyphens=False)


def local(moment: str) -> str:
    """A UTC moment as it was on the clock in the Netherlands: `24-11-2026 09:12`."""
    return datetime.fromisoformat(moment).astimezone(AMSTERDAM).strftime("%d-%m-%Y %H:%M")


def line(event: Event, language: str) -> str:
    """One event on one line, as `-v` and the log tell it. Of what is new its fields are left out."""
    return f"{record(event, language)}: {what(event, language, fields=event.action != 'create')}"


def what(event: Event, language: str, fields: bool = True) -> str:
    """What happened, with the values that changed."""
    if event.detail.get("code"):
        name = f"problem_{event.detail.get('severity')}" if event.action == "problem" else event.action
        said = sentence(event, language)
        because = f" ({event.detail['because']})" if event.detail.get("because") else ""
        return f"{_say(name, language)}{because}: {said}" if known(name, "history") else said
    said = phrase("history", _name(event), language, there=_SIDES.get(event.side, ""), here=_across(event.side))
    changed = [_change(event.kind, name, old, new, language) for name, (old, new) in event.values.items()]
    return f"{said}: {', '.join(changed)}" if changed and (fields or _is_detail(event)) else said


def sentence(event: Event, language: str) -> str:
    """What was wrong, of a problem that came or went."""
    code, params = str(event.detail["code"]), event.detail.get("params") or {}
    return texts.text(code, language, params, event.kind, event.side, int(event.detail.get("problem") or 0))[0]


def _name(event: Event) -> str:
    if event.action == "update" and not event.values:
        return "marked"
    if _is_detail(event):
        return f"detail_{event.action}"
    return f"gone_{event.side}" if event.action == "gone" else event.action


def _is_detail(event: Event) -> bool:
    return event.kind in KINDS and bool(KINDS[event.kind].details_of) and not event.detail


def _across(side: str) -> str:
    return next((name for one, name in _SIDES.items() if one != side), "") if side else ""


def _change(kind: str, name: str, old: Canonical, new: Canonical, language: str) -> str:
    shown = {"name": word(name, language), "old": _value(kind, name, old, language),
             "new": _value(kind, name, new, language)}  # fmt: skip
    return phrase("history", "field_changed" if old is not None else "field", language, **shown)


def _value(kind: str, name: str, value: Canonical, language: str) -> str:
    """A value as people write it."""
    if value is None:
        return _say("empty", language)
    types = {one.name: one.type for one in KINDS[kind].fields} if kind in KINDS else {}
    if types.get(name) == "flag" and known(value, "history"):
        return _say(value, language)
    if types.get(name) == "date" and len(value) == len("YYYY-MM-DD"):
        return "-".join(reversed(value.split("-")))
    shown = " ".join("".join(char if char.isprintable() else " " for char in value).split())
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _say(name: str, language: str) -> str:
    return phrase("history", name, language)
