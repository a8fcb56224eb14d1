"""The list of problems as people and programs get it: what shares a cause is one row, with the records behind it.

Rows become cards: sections by how bad it is and who must act, and in them one card per cause. Problems of which each
record has its own (a name that is too long) share a card as well, in which they keep their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from avsync.messages import texts
from avsync.messages.texts import word
from avsync.state.problems import About, Problem

SEVERITIES = ("error", "warning", "waiting")
PEOPLE = ("planner", "bookkeeper", "operator", "support", "nobody")


@dataclass(frozen=True, slots=True)
class Row:
    """One problem under its number: what is wrong, and of which records."""

    problems: tuple[Problem, ...]
    language: str

    @property
    def number(self) -> int:
        """What people know it by."""
        return self.problems[0].number

    @property
    def code(self) -> str:
        """The row of problems.yaml."""
        return self.problems[0].cause.code

    @property
    def severity(self) -> str:
        """`error`, `warning` or `waiting`."""
        return self.problems[0].cause.severity

    @property
    def who(self) -> str:
        """Who must act."""
        return texts.who(self.code, self.problems[0].about.side)

    @property
    def since(self) -> str:
        """The UTC moment at which the first of its records ran into it."""
        return min(one.first_seen for one in self.problems)

    @property
    def because(self) -> str:
        """Why it is ignored, as far as somebody said so."""
        return next((one.because for one in self.problems if one.because), "")

    @property
    def about(self) -> About:
        """Whose problem it is: the record's, or the one that the record's problem says is at fault."""
        first = self.problems[0]
        params = first.cause.params
        if "about_kind" not in params:
            return first.about
        identity, name = str(params["about_id"]), str(params["about_name"])
        key = str(params.get("employee") or name)
        return About(first.about.flow, str(params["about_kind"]), first.about.side, identity, key, name, called=name)

    @property
    def records(self) -> list[About]:
        """The records behind it, each once."""
        found = {(one.about.flow, one.about.kind, one.about.side, one.about.record): one.about for one in self.problems}
        return list(found.values())

    @property
    def params(self) -> dict[str, Any]:
        """What its sentence is filled with."""
        return texts.common([one.cause.params for one in self.problems])

    def texts(self) -> tuple[str, str]:
        """(sentence, next step)."""
        return _said(self.problems, self.language)

    def as_json(self) -> dict[str, Any]:
        """The shape that others build on (RULES.md, commands)."""
        about, records = self.about, self.records
        message, hint = self.texts()
        return {
            "id": self.number, "flow": about.flow, "kind": about.kind, "key": about.key or about.record,
            "name": about.name, "code": self.code, "who": self.who, "message": message, "hint": hint,
            "severity": self.severity, "first_seen": self.since,
            "last_seen": max(one.last_seen for one in self.problems),
            "attempts": max(one.attempts for one in self.problems), "side": about.side, "record": about.record,
            "entity": about.entity, "entity_id": about.entity_id, "count": len(records),
            "records": [_record_json(one) for one in records], "ignored": bool(self.problems[0].ignored),
        }  # fmt: skip


def _said(problems: Sequence[Problem], language: str) -> tuple[str, str]:
    first = problems[0]
    params = first.cause.params if len(problems) == 1 else texts.common([one.cause.params for one in problems])
    return texts.text(first.cause.code, language, params, first.about.kind, first.about.side, first.number)


def _record_json(about: About) -> dict[str, str]:
    names = ("flow", "kind", "key", "name", "side", "record", "entity", "entity_id")
    return {**{name: getattr(about, name) for name in names}, "key": about.key or about.record}


def rows(problems: Sequence[Problem], language: str) -> list[Row]:
    """The problems, which come ordered by number, as rows."""
    return [Row(tuple(some), language) for _, some in groupby(problems, key=lambda one: one.number)]


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one company among several, or (sentence, next step) of why they cannot be listed."""

    company: str
    language: str
    rows: tuple[Row, ...] = ()
    error: tuple[str, str] | None = None


# --- what is looked for


@dataclass(frozen=True, slots=True)
class Wish:
    """Which of them to show; what is empty leaves nothing out."""

    numbers: tuple[int, ...] = ()
    flow: str | None = None
    who: str | None = None
    severity: str | None = None
    search: str | None = None
    ignored: bool = False

    def chosen(self, problems: Iterable[Problem], language: str) -> list[Row]:
        """The rows that are wanted. Of a flow only its own records stand behind them."""
        some = [one for one in problems if self.flow in (None, one.about.flow)]
        return [row for row in rows(some, language) if self._fits(row)]

    def _fits(self, row: Row) -> bool:
        if self.numbers and row.number not in self.numbers:
            return False
        if self.who not in (None, row.who) or self.severity not in (None, row.severity):
            return False
        return not self.search or self.search.casefold() in _all_of(row)


def _all_of(row: Row) -> str:
    """Everything of a row in which people may search."""
    said = [*row.texts(), row.about.called, str(row.number)]
    for one in row.records:
        said += [one.key, one.name, one.called, one.record]
    return "\n".join(said).casefold()


# --- cards


@dataclass(frozen=True, slots=True)
class Card:
    """What people read as one thing: a problem, or several of which each record has its own."""

    rows: tuple[Row, ...]

    def texts(self) -> tuple[str, str]:
        """(sentence, next step); what differs from one to the other is left open."""
        return _said([one for row in self.rows for one in row.problems], self.rows[0].language)

    @property
    def items(self) -> list[tuple[int, About]]:
        """Each record with the number of its problem."""
        return [(row.number, one) for row in self.rows for one in row.records]

    @property
    def kinds(self) -> set[tuple[str, str]]:
        """What sorts of records it is about: (kind, side)."""
        return {(about.kind, about.home) for _, about in self.items}

    @property
    def since(self) -> str:
        """The UTC moment of the first."""
        return min(row.since for row in self.rows)


@dataclass(frozen=True, slots=True)
class Section:
    """What is equally bad and for the same people."""

    severity: str
    who: str
    cards: tuple[Card, ...]

    @property
    def count(self) -> int:
        """How many records it is about."""
        return sum(len(card.items) for card in self.cards)


def sections(found: Sequence[Row]) -> list[Section]:
    """Errors before warnings before what waits; in each the people with most to do first, and their largest first."""
    groups: dict[tuple[str, str], dict[tuple[Any, ...], list[Row]]] = {}
    for row in found:
        groups.setdefault((row.severity, row.who), {}).setdefault(_alike(row), []).append(row)
    made = []
    for severity in SEVERITIES:
        for who in PEOPLE:
            cards = [Card(tuple(some)) for some in groups.get((severity, who), {}).values()]
            cards.sort(key=lambda card: (-len(card.items), card.rows[0].number))
            made += [Section(severity, who, tuple(cards))] if cards else []
    return made


def _alike(row: Row) -> tuple[Any, ...]:
    """What shares a card: a cause by itself; of what is each record's own what is said of the same field."""
    first = row.problems[0]
    if first.cause.shared:
        return (row.number,)
    unlike = [name for name, value in first.cause.params.items() if value in (None, "", "-")]  # said otherwise
    return (row.code, first.about.kind, first.about.side, first.cause.params.get("field"), *unlike)


def summary(found: Sequence[Row], language: str) -> str:
    """The line on top: how many causes, how many records, and who must act on how many."""
    counts: Counter[str] = Counter()
    for row in found:
        counts[row.who] += len(row.records)
    who = ", ".join(f"{word(one, language)} {counts[one]}" for one, _ in counts.most_common() if one != "nobody")
    causes, records = len(found), sum(counts.values())
    head = texts.phrase("words", "one_cause" if causes == 1 else "causes", language, count=causes)
    many = texts.phrase("words", "one_item" if records == 1 else "several", language, count=records)
    return f"{head}, {many}" + (f": {who}" if who else "")
