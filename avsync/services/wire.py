"""JSON in which numbers stay exact both ways: read as Decimal, written digit by digit. No floats (law 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < _LONGEST_NUMBER else _decimal(text)


def _decimal(text: str) -> Decimal:
    """A number, NaN for one that cannot be held: that is one value's problem, not the whole answer's."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_LONGEST_WORDS = 500
_LONGEST_NUMBER = 1000  # digits; Python refuses to read many more
_decode = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_no_constant).decode
_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]|[^"\[\]{}]+', re.DOTALL)
_DEEPEST = 64


def read_json(body: bytes) -> Any:
    """The value of a JSON text, None for an empty one; ValueError when it is no JSON (HTML, say, or cut off)."""
    if not body or body.isspace():
        return None
    text = body.decode("utf-8-sig")
    try:
        return _decode(text)
    except RecursionError:
        return _decode(_flattened(text))


def _flattened(text: str) -> str:
    """The same text with null for what is nested too deep: that value is lost, and not the whole answer."""
    kept, depth = [], 0
    for part in _PART.findall(text):
        opens, closes = part in ("[", "{"), part in ("]", "}")
        depth -= closes
        if depth < _DEEPEST or (depth == _DEEPEST and not (opens or closes)):
            kept.append(part)
        elif depth == _DEEPEST and opens:
            kept.append("null")
        depth += opens
    return "".join(kept)


def words(value: object) -> str:
    """A text or number that a service sent, fit for a message: one line, printable, not long; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return ""
    shown = "".join(char if char.isprintable() else " " for char in str(value)[: 4 * _LONGEST_WORDS])
    return " ".join(shown.split())[:_LONGEST_WORDS]


def described(value: object) -> str:
    """What came in place of a record."""
    try:
        return repr(value)[:_LONGEST_WORDS]
    except RecursionError:
        return type(value).__name__


def write_json(value: Any) -> bytes:
    """A JSON text (ASCII). Decimals become numbers with all their digits; ValueError for one that is not finite."""
    return _text(value).encode("ascii")


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no number")
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, allow_nan=False)
