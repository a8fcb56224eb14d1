"""The list of problems as a file: for Excel, as a page to print or to send, as a plain table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from typing import Any

from tabulate import tabulate

from avsync.commands.listing import Row, sections, summary
from avsync.commands.sheets import csv_text
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.state.problems import Problem

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
    heads = [word(f"table_{name}" if texts.known(f"table_{name}") else name, language) for name in names]
    return tabulate(
        body, heads, tablefmt="simple", maxcolwidths=[None, 11, room, room, room, 10], disable_numparse=True
    )


def _whose(row: Row) -> str:
    about, more = row.about, len(row.records) - 1
    named = texts.about(row.language, about.kind, about.home, about.called)
    return f"{named}; {phrase('words', 'and_more', row.language, count=more)}" if more else named


def as_csv(found: Sequence[Row], language: str) -> str:
    """One line per record, as Dutch Excel opens it."""
    heads = [word(f"table_{name}" if texts.known(f"table_{name}") else name, language) for name in _COLUMNS]
    return csv_text(heads, (_line(row.number, one, language) for row in found for one in row.problems))


def _line(number: int, problem: Problem, language: str) -> list[str]:
    about, row = problem.about, Row((problem,), language)
    return [
        str(number), word(row.severity, language), word(row.who, language), word(about.flow, language),
        texts.kind_word(language, about.kind, about.home), about.key, about.called, *row.texts(),
        texts.stamp(problem.first_seen), problem.because,
    ]  # fmt: skip


def as_html(found: Sequence[Row], language: str, now: datetime) -> str:
    """One page with everything in it, readable on a phone and on paper."""
    return page("errors.html", language, now, **by_cause(found, language, now))


def by_cause(found: Sequence[Row], language: str, now: datetime) -> dict[str, Any]:
    """What a page needs to show problems by cause."""
    return {
        "summary": summary(found, language) if found else word("none", language),
        "sections": [
            {
                "severity": section.severity,
                "heading": f"{word(f'severities_{section.severity}', language)} – {word(section.who, language)}",
                "count": section.count,
                "cards": [
                    {
                        "numbers": [row.number for row in card.rows],
                        "sentence": card.texts()[0],
                        "step": card.texts()[1],
                        "age": texts.age(language, card.since, now),
                        "since": texts.moment(language, card.since),
                        "because": next((row.because for row in card.rows if row.because), ""),
                        "several": texts.several(language, card.kinds, len(card.items)),
                        "items": [
                            {"number": number, "name": texts.about(language, one.kind, one.home, one.called)}
                            for number, one in card.items
                        ],
                    }
                    for card in section.cards
                ],
            }
            for section in sections(found)
        ],
    }


def page(template: str, language: str, now: datetime, **values: Any) -> str:
    """A template of ours, filled in; what comes from outside stays text."""
    from jinja2 import Environment, FunctionLoader

    folder = resources.files("avsync.commands").joinpath("templates")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def say(name: str, **params: Any) -> str:
        return phrase("words", name, language, **params)

    moment = texts.moment(language, now.isoformat())
    return environment.get_template(template).render(language=language, say=say, made=moment, **values)
