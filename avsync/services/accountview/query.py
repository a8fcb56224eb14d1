"""Conditions of a read, as parameters only: data never becomes part of an expression (AccountView contract 3)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from avsync.errors import Malformed
from avsync.services.accountview.rows import key_text

LONGEST_VALUE = 255


def condition(number: int, column: str, operator: str, letter: str, literal: str) -> dict[str, str]:
    """Condition 1 or 2 of a read."""
    return {
        f"FilterControlSource{number}": column,
        f"FilterOperator{number}": operator,
        f"FilterValueType{number}": letter,
        f"FilterValue{number}": literal,
    }


def changed_since(column: str, since: str) -> dict[str, str]:
    """The attested recipe of an incremental read; `since` is naive local time, `YYYY-MM-DDTHH:MM:SS`."""
    moment = datetime.fromisoformat(since)
    return condition(1, column, "DateOnOrAfterDate", "T", f"{{^{moment:%Y-%m-%d %H:%M:%S}}}")


def equal(number: int, neutral: str, column: str, letter: str, value: str) -> dict[str, str]:
    """An Equal on one column; Malformed for a value that cannot stand in a column of that type."""
    if letter in ("D", "T"):
        day = _day(neutral, value)
        literal = f"{{^{day:%Y-%m-%d}}}" if letter == "D" else f"{{^{day:%Y-%m-%d} 00:00:00}}"
        return condition(number, column, "Equal", letter, literal)
    if letter in ("C", "M"):
        return condition(number, column, "Equal", "C", _checked(neutral, value))
    if _number(value) is None:
        raise Malformed(neutral, "no number")
    return condition(number, column, "Equal", "N", value.strip())


def same(letter: str, found: Any, value: str) -> bool:
    """Whether a row's value is the one asked for: text in upper case (behaviour 1), dates by day, numbers by value."""
    if letter in ("D", "T"):
        return isinstance(found, str) and found.strip()[:10] == value.strip()[:10]
    if letter in ("C", "M"):
        return found is not None and (key_text(found) or "").upper() == value.strip().upper()
    number = _number(key_text(found) or "")
    return number is not None and number == _number(value)


def _checked(neutral: str, value: str) -> str:
    text = value.strip()
    if not text:
        raise Malformed(neutral, "nothing to look for")
    if len(text) > LONGEST_VALUE:
        raise Malformed(neutral, f"{len(text)} characters")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise Malformed(neutral, "control characters")
    return text


def _day(neutral: str, value: str) -> date:
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        raise Malformed(neutral, "no date") from None


def _number(value: str) -> Decimal | None:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def fits(row: Mapping[str, Any], conditions: Mapping[str, tuple[str, str]], any_: bool) -> bool:
    """Whether a row meets the conditions (neutral name -> letter and value): to a server a prefix may be `Equal`."""
    hits = (same(letter, row.get(neutral), value) for neutral, (letter, value) in conditions.items())
    return any(hits) if any_ else all(hits)
