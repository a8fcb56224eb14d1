"""JSON in which numbers stay exact both ways: read as Decimal, written digit by digit. No floats (design, rule 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).decode


def read_json(body: bytes) -> Any:
    """The value of a JSON text, None for an empty one; ValueError when it is no JSON (HTML, say, or cut off)."""
    if not body or body.isspace():
        return None
    try:
        return _decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deep") from None


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
