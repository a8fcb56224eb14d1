"""The list of problems as a file: for Excel, as a page to print or to send, as a plain table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import resources
from typing import Any

from tabulate import tabulate

from avsync.commands.listing import Card, Part, Row, sections, summary
from avsync.commands.report import headings
from avsync.commands.sheets import csv_text
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.state.problems import About, Problem

_UNFOLDED = 5  # names that stand there without being asked for
_COLUMNS = ("id", "severity", "who", "flow", "what", "key", "name", "problem", "next", "since", "because")


def as_table(found: Sequence[Row], language: str, now: datetime, columns: int) -> str:
    """One row per problem, as plain as it gets."""
    if not found:
        return word("none", language)
    names = ("id", "who", "what", "problem", "next", "since")
    body = [
        [row.number, word(row.who, language), _whose(row), *row.texts(), texts.age(language, row.since, now)]
        for row in found
    ]  # fmt: skip
    room = max((columns - 40) // 3, 14)
    heads = headings(names, language)
    return tabulate(
        body, heads, tablefmt="simple", maxcolwidths=[None, 11, room, room, room, 10], disable_numparse=True
    )


def _whose(row: Row) -> str:
    named, more = _named(row.about, row.language), len(row.records) - 1
    return f"{named}; {phrase('words', 'and_more', row.language, count=more)}" if more else named


def as_csv(found: Sequence[Row], language: str) -> str:
    """One line per record, as Dutch Excel opens it."""
    return csv_text(
        headings(_COLUMNS, language), (_line(row.number, one, language) for row in found for one in row.problems)
    )


def csv_of_several(parts: Sequence[Part], language: str) -> str:
    """The same, with the company in front; one that cannot be looked at has a line that says why."""
    return csv_text([phrase("status", "head_company", language), *headings(_COLUMNS, language)], _lines(parts))


def _lines(parts: Sequence[Part]) -> Iterator[list[str]]:
    for part in parts:
        for row in part.rows:
            for one in row.problems:
                yield [part.company, *_line(row.number, one, part.language)]
        if part.error is not None:
            told = {"severity": word("error", part.language), "problem": part.error[0], "next": part.error[1]}
            yield [part.company, *(told.get(name, "") for name in _COLUMNS)]


def _line(number: int, problem: Problem, language: str) -> list[str]:
    about, row = problem.about, Row((problem,), language)
    return [
        str(number), word(row.severity, language), word(row.who, language), word(about.flow, language),
        texts.kind_word(language, about.kind, about.home), about.key, about.called, *row.texts(),
        texts.stamp(problem.first_seen), problem.because,
    ]  # fmt: skip


def as_html(found: Sequence[Row], language: str, now: datetime) -> str:
    """One page with everything in it, readable on a phone and on paper."""
    about = summary(found, language) if found else word("none", language)
    return page(
        "errors.html", language, now, title=about, parts=[{"company": "", "sections": by_cause(found, language, now)}]
    )


def html_of_several(parts: Sequence[Part], language: str, now: datetime) -> str:
    """The same of several companies."""
    shown = [
        {
            "company": part.company,
            "error": part.error,
            "summary": summary(part.rows, part.language) if part.rows else word("none", part.language),
            "sections": by_cause(part.rows, part.language, now),
        }
        for part in parts
    ]
    return page(
        "errors.html", language, now, title=phrase("page", "companies", language, count=len(parts)), parts=shown
    )


def by_cause(found: Sequence[Row], language: str, now: datetime, most: int | None = None) -> list[dict[str, Any]]:
    """What a page needs to show problems by cause; of each at most so many records."""
    return [
        {
            "severity": section.severity,
            "heading": texts.upper(
                f"{word(f'severities_{section.severity}', language)} – {word(section.who, language)}"
            ),
            "count": section.count,
            "cards": [_card(card, language, now, most) for card in section.cards],
        }
        for section in sections(found)
    ]


def _card(card: Card, language: str, now: datetime, most: int | None) -> dict[str, Any]:
    sentence, step = card.texts()
    items, own = card.items, len(card.rows) > 1  # its own: each record has its number
    since = {"since": texts.stamp(card.since)[:10], "age": texts.age(language, card.since, now)}
    number = "" if own else phrase("page", "number", language, number=card.rows[0].number)
    because = next((row.because for row in card.rows if row.because), "")
    whole = [(f"{number} · " if own else "") + _named(about, language) for number, about in items[:most]]
    more = len(items) - len(whole)
    return {
        "name": whole[0] if len(items) == 1 else texts.several(language, card.kinds, len(items)),
        "about": " · ".join(part for part in (number, phrase("words", "since_moment", language, **since)) if part),
        "sentence": sentence,
        "step": step,
        "because": phrase("words", "because", language, because=because) if because else "",
        "items": (whole + ([phrase("words", "and_more", language, count=more)] if more else []))
        if len(items) > 1
        else [],
        "folded": len(items) > _UNFOLDED,
    }


def _named(about: About, language: str) -> str:
    return texts.about(language, about.kind, about.home, about.called)


def page(template: str, language: str, now: datetime, **values: Any) -> str:
    """A template of ours, filled in; what comes from outside stays text."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = resources.files("avsync.commands").joinpath("templates")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )

    environment.filters |= {"commands": _commands, "upper_first": texts.upper}

    def say(name: str, **params: Any) -> str:
        return phrase("page", name, language, **params)

    moment = texts.moment(language, now.isoformat())
    return environment.get_template(template).render(language=language, say=say, made=moment, **values)


def _commands(said: str) -> str:
    """A sentence in which `what stands between these` is code. What it holds stays text."""
    from markupsafe import Markup

    parts = said.split("`")
    if len(parts) % 2 == 0:
        return said
    whole = (
        Markup("<code>{}</code>").format(part) if place % 2 else Markup.escape(part) for place, part in enumerate(parts)
    )
    return Markup("").join(whole)
