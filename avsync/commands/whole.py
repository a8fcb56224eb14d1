"""One problem told whole: what both sides say, the service's own words, what was sent, since when, and the tijdlijn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from avsync.commands.cards import places, wrapped
from avsync.commands.listing import Row
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.records.kind import BOTH, Field, Kind
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side
from avsync.state.problems import About, Problem
from avsync.state.store import Store
from avsync.sync.timeline import entry_text

_IN_FULL = 3  # records of which everything is told
_OURS = ("reference", "external_ref")
_NAME = 24  # columns for the name of a field

Values = Mapping[Side, Mapping[str, Canonical]]


def told(store: Store, row: Row, now: datetime, columns: int) -> str:
    """The problem with everything that is known of it."""
    return "\n".join(_Whole(store, row, now, columns).lines())


class _Whole:
    def __init__(self, store: Store, row: Row, now: datetime, columns: int) -> None:
        self.store, self.row, self.now, self.columns = store, row, now, columns
        self.language = row.language
        self.entries: set[str] = set()  # what was told already

    def say(self, name: str, **params: Any) -> str:
        return phrase("words", name, self.language, **params)

    def lines(self) -> Iterator[str]:
        row, language = self.row, self.language
        flows = ", ".join(word(flow, language) for flow in dict.fromkeys(one.flow for one in row.records))
        number, severity = f"{word('table_id', language)} {row.number}", word(row.severity, language)
        yield from wrapped(" – ".join((number, severity, word(row.who, language), flows)), self.columns)
        sentence, step = row.texts()
        yield from wrapped(sentence, self.columns)
        if step:
            yield from wrapped(f"→ {step}", self.columns)
        first, last = row.since, max(one.last_seen for one in row.problems)
        since, age = texts.moment(language, first), texts.age(language, first, self.now)
        yield from wrapped(
            self.say("whole_since", since=since, age=age, last=texts.moment(language, last)), self.columns
        )
        if row.because:
            yield from wrapped(self.say("because", because=row.because), self.columns)
        records = {(one.about.kind, one.about.record): one for one in row.problems}
        for problem in list(records.values())[:_IN_FULL]:
            yield ""
            yield from self._record(problem)
        rest = list(records.values())[_IN_FULL:]
        if rest:
            yield ""
            yield from wrapped(self.say("whole_others", count=len(rest)), self.columns)
            for problem in rest:
                yield from self._indented(problem.about.called)

    def _indented(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            for part in wrapped(line, max(self.columns - 2, 10)):
                yield f"  {part}".rstrip()

    def _record(self, problem: Problem) -> Iterator[str]:
        about, params = problem.about, problem.cause.params
        yield from wrapped(texts.about(self.language, about.kind, about.home, about.called), self.columns)
        if about.kind in KINDS:
            yield from self._values(KINDS[about.kind], about)
        if params.get("message"):
            yield from self._indented(f"{self.say('whole_words')} “{params['message']}”")
        sent, side = params.get("sent"), params.get("sent_to")
        if not sent:
            sent, side = self._under_way(about)
        if sent and about.kind in KINDS:
            named = self._sent(KINDS[about.kind], CRAFTER if side == CRAFTER else ACCOUNTVIEW, sent)
            yield from self._indented(f"{self.say('whole_sent')} {', '.join(named)}")
        if params.get("trace"):
            yield from self._indented(f"{self.say('whole_trace')}\n{params['trace']}")
        entry = entry_text(self.store, about, self.language)
        if entry and entry not in self.entries:
            self.entries.add(entry)
            yield from self._indented(f"{self.say('whole_timeline')}\n{entry}")

    def _field(self, kind: str, name: str) -> str:
        """A field as a heading: without its article."""
        return texts.field_name(name, self.language, kind).partition(" ")[2]

    # --- what both sides say

    def _values(self, kind: Kind, about: About) -> Iterator[str]:
        values = self._told(kind, about)
        if not any(values.values()):
            return
        room = max((self.columns - 2 - _NAME - 2) // 2, 10)
        rows = [("", "AccountView", "Crafter")]
        for one in kind.fields:
            here = [self._spoken(one, side, values[side].get(one.name)) for side in BOTH]
            if any(here):
                rows.append((self._field(kind.name, one.name), here[0], here[1]))
        for name, books, crafter in rows if len(rows) > 1 else ():
            columns = [list(wrapped(part, wide)) for part, wide in ((name, _NAME), (books, room), (crafter, room))]
            for number in range(max(map(len, columns))):
                parts = [part[number] if number < len(part) else "" for part in columns]
                yield "  " + _side_by_side(parts, (_NAME, room)).rstrip()
        parts_of = kind.part
        if parts_of is not None:
            for side in BOTH:
                lines = [parts_of(told) for name, told in values[side].items() if told and not _declared(kind, name)]
                if any(lines):
                    yield from self._indented(f"{self.say(f'whole_lines_{side}')} {'; '.join(filter(None, lines))}")

    def _told(self, kind: Kind, about: About) -> Values:
        """What either side says: as it was read last, else as it was told when the two were last in step."""
        side: Side = ACCOUNTVIEW if about.side == ACCOUNTVIEW else CRAFTER
        link = self.store.links.one(about.kind, side, about.record)
        ids = {one: link.end[one].id for one in BOTH} if link else {side: about.record}
        found: dict[Side, Mapping[str, Canonical]] = {}
        for one in BOTH:
            version = self.store.inbox.one(about.kind, one, ids.get(one, ""))
            found[one] = version.fields if version else link.told(one) if link else {}
        if kind.part is not None and link is not None:
            found[ACCOUNTVIEW] = link.told(CRAFTER)  # what was sent: its ids there say nothing
        return found

    def _spoken(self, wanted: Field, side: Side, value: Canonical) -> str:
        """A value as people know it; an id that nobody can tell is left out."""
        if not value:
            return ""
        if wanted.over[0] and value.startswith(f"{wanted.over[0]}:"):
            return self._named(wanted.over[0], side, value.partition(":")[2])
        if wanted.ref:
            return self._named(wanted.ref, side, value)
        if wanted.list and side == CRAFTER:
            return str((self.store.cached(f"names:{wanted.list}", "") or {}).get(value, ""))
        if wanted.type == "moment":
            return texts.moment(self.language, value) if side == CRAFTER else value.replace("T", " ")
        if wanted.type == "flag" or wanted.only:
            return word(value, self.language)
        if texts.known(f"{wanted.name}_{value}"):
            return word(f"{wanted.name}_{value}", self.language)
        how = {"date": "day", "quantity": "number"}.get(wanted.type, "")
        return texts.written(value, how, self.language)

    def _named(self, kind: str, side: Side, identity: str) -> str:
        """What something is known by that a record refers to."""
        link = self.store.links.one(kind, side, identity)
        version = self.store.inbox.one(kind, side, identity)
        key = (link.accountview if link else "") or (version.key if version else "")
        key = key or (identity if side == ACCOUNTVIEW else "")
        name = (link.told(ACCOUNTVIEW).get("name") if link else "") or (version.name if version else "") or ""
        return texts.called(self.language, kind, key, name, version.facts if version else {})

    def _under_way(self, about: About) -> tuple[Mapping[str, Any], Side]:
        """What was sent of a write whose outcome nobody saw, and where to."""
        for intent in self.store.intents.open(about.kind):
            if intent.record == about.record:
                return dict(intent.detail.get("values") or {}), intent.side
        return {}, ACCOUNTVIEW

    def _sent(self, kind: Kind, side: Side, values: Mapping[str, Any]) -> Iterator[str]:
        """The fields of a request as people know them; our own reference says nothing to them."""
        fields = {one.on(side): one for one in kind.fields}
        for name, value in values.items():
            if name not in _OURS:
                told = str(value).lower() if isinstance(value, bool) else str(value) if value is not None else ""
                spoken = self._spoken(fields[name], side, told) if name in fields else told
                yield f"{self._field(kind.name, name)} “{spoken}”"


def _declared(kind: Kind, name: str) -> bool:
    return any(one.name == name for one in kind.fields)


def _side_by_side(parts: list[str], widths: tuple[int, int]) -> str:
    name, books, crafter = parts
    return f"{_padded(name, widths[0])} {_padded(books, widths[1])} {crafter}"


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - places(text))
