"""The list of problems on a screen: cards, wrapped to its width, and one problem told whole."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from avsync.commands.listing import Card, Row, Section, sections, summary
from avsync.messages import texts
from avsync.messages.texts import phrase, word

_INDENT = 6
_FIRST = 5
WITHOUT = 80  # columns where there is no terminal
_WIDEST = 120  # longer lines are hard to read


def width() -> int:
    """Of the terminal; 80 without one."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size((WITHOUT, 24)).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else WITHOUT


def shown(found: Sequence[Row], language: str, now: datetime, columns: int) -> str:
    """All cards, under a line that says how many there are and whose they are."""
    if not found:
        return word("none", language)
    columns = min(columns, _WIDEST)
    lines = list(wrapped(summary(found, language), columns))
    for section in sections(found):
        lines += ["", *wrapped(_heading(section, language), columns)]
        for card in section.cards:
            lines += _card(card, language, now, columns)
    return "\n".join(lines)


def _heading(section: Section, language: str) -> str:
    who = word(section.who, language)
    return f"{word(f'severities_{section.severity}', language).upper()} – {who} ({section.count})"


def _card(card: Card, language: str, now: datetime, columns: int) -> Iterator[str]:
    sentence, step = card.texts()
    items = card.items
    if len(items) == 1:
        about = items[0][1]
        sentence = f"{texts.about(language, about.kind, about.home, about.called)}: {sentence}"
    said = f"{sentence} → {step}" if step else sentence
    number = str(card.rows[0].number) if len(card.rows) == 1 else "·"
    age = texts.age(language, card.since, now)
    if len(items) == 1:
        said += f" ({age})"
    yield from hung(number, said, columns)
    if len(items) > 1:
        yield from hung(
            "", f"{texts.several(language, card.kinds, len(items))}, {age}: {_names(card, language)}", columns
        )
    because = card.rows[0].because
    if because:
        yield from hung("", phrase("words", "because", language, because=because), columns)


def _names(card: Card, language: str) -> str:
    """The first few by name, each with its number where that differs, and how many more there are."""
    own = len(card.rows) > 1
    named = [f"{number} {about.short}" if own else about.short for number, about in card.items[:_FIRST]]
    more = len(card.items) - _FIRST
    return "; ".join(named + ([phrase("words", "and_more", language, count=more)] if more > 0 else []))


# --- lines


def hung(label: str, text: str, columns: int) -> Iterator[str]:
    """Text with a label in front, its further lines below the first."""
    for position, line in enumerate(wrapped(text, max(columns - _INDENT, 10))):
        start = f"{label if position == 0 else '':>{_INDENT - 2}}  "
        yield (start + line).rstrip()


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Lines no wider than this on a screen, where some characters take two places and some none."""
    line, room = "", columns
    for piece in _pieces(text.split(), columns):
        gap = 1 if line else 0
        if line and gap + places(piece) > room:
            yield line
            line, room, gap = "", columns, 0
        line, room = f"{line}{' ' * gap}{piece}", room - gap - places(piece)
    yield line


def _pieces(words: Iterable[str], columns: int) -> Iterator[str]:
    """Words, those that are wider than a line in parts."""
    for one in words:
        part = ""
        for char in one if places(one) > columns else ():
            if places(part + char) > columns:
                yield part
                part = ""
            part += char
        yield part or one


def places(text: str) -> int:
    """How many places it takes on a screen."""
    if text.isascii():
        return len(text)
    return sum(_place(char) for char in text)


def _place(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
