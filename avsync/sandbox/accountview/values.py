"""How values are held in a column, and how they look on the wire (AccountView contract 3 and 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from avsync.sandbox.accountview.dictionary import Column

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
Row = dict[str, Any]

_LETTERS = {"C": "C", "M": "C", "N": "N", "Y": "N", "B": "N", "I": "N", "L": "L", "D": "T", "T": "T"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


class RefusedError(Exception):
    """AccountView refuses a call; becomes the AccountViewError body of AccountView contract 4."""

    def __init__(self, message: str, status: int = 400, numbers: list[int] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.numbers = numbers


def empty(column: Column) -> Any:
    """What a column holds when nothing was filled in: "", 0 or False; an empty date is ""."""
    return {"N": Decimal(0), "Y": Decimal(0), "B": Decimal(0), "I": 0, "L": False}.get(column.type, "")


def fit(column: Column, value: Any, clip: bool = False) -> Any:
    """The value as the column holds it: upper case, rounded, dates as local ISO text; RefusedError if it cannot.

    `clip`: a text that is too long is cut.
    """
    if value is None:
        return empty(column)
    if clip and column.type == "C" and isinstance(value, str):
        value = value[: column.length]
    return _FITS[column.type](column, value)


def _text(column: Column, value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError(f"{column.description} ({column.wire}) moet tekst zijn.")
    text = value.rstrip()
    if column.upper:
        text = text.upper()
    try:
        text.encode("cp1252")
    except UnicodeEncodeError as error:
        sign = text[error.start]
        raise RefusedError(f"{column.description} ({column.wire}) bevat een ongeldig teken: {sign!r}.") from error
    if column.type == "C" and len(text) > column.length:
        raise RefusedError(f"{column.description} ({column.wire}) is langer dan {column.length} posities.")
    return text


def _number(column: Column, value: Any) -> Decimal:
    if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal):
        raise RefusedError(f"{column.description} ({column.wire}) moet een getal zijn.")
    try:
        number = Decimal(value).quantize(Decimal(1).scaleb(-column.decimals), ROUND_HALF_UP)
    except InvalidOperation as error:
        raise RefusedError(f"{column.description} ({column.wire}) is geen geldig getal.") from error
    whole = column.length - column.decimals - 1
    if not number.is_finite() or abs(number) >= Decimal(10) ** whole:
        raise RefusedError(f"{column.description} ({column.wire}) is te groot.")
    return number


def _logical(column: Column, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RefusedError(f"{column.description} ({column.wire}) moet ja of nee zijn.")
    return value


def _moment(column: Column, value: Any) -> str:
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise RefusedError(f"{column.description} ({column.wire}) is geen geldige datum.") from error
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if column.type == "D" else "%Y-%m-%dT%H:%M:%S")
    if isinstance(value, date):
        return value.isoformat() if column.type == "D" else f"{value.isoformat()}T00:00:00"
    if value == "":
        return ""
    raise RefusedError(f"{column.description} ({column.wire}) moet een datum zijn.")


_FITS: dict[str, Callable[[Column, Any], Any]] = {
    "C": _text,
    "M": _text,
    "N": _number,
    "Y": _number,
    "B": _number,
    "I": _number,
    "L": _logical,
    "D": _moment,
    "T": _moment,
}


def from_wire(column: Column, letter: str, value: Any) -> Any:
    """A value of a write document as the column holds it; checks the type letter. null clears all but text."""
    if letter != _LETTERS[column.type]:
        raise RefusedError(f"Veldtype {letter} past niet bij kolom {column.wire} ({column.type}).")
    if value is None:
        if letter == "C":
            raise RefusedError(f"{column.description} ({column.wire}) mag niet null zijn.")
        return empty(column)
    if letter == "T":
        return fit(column, _local(column, value))
    return fit(column, value)


def _local(column: Column, value: Any) -> datetime:
    # The server converts to its own zone before it takes the date; that is why a client sends noon.
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise RefusedError(f"{column.description} ({column.wire}): datum verwacht als JJJJ-MM-DDTUU:MM:SS.000Z.")
    try:
        moment = datetime.fromisoformat(value[:19]).replace(tzinfo=UTC)
        return moment.astimezone(AMSTERDAM).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"{column.description} ({column.wire}) is geen geldige datum.") from error


def _midnight(value: Any) -> Any:
    return f"{value}T00:00:00" if value else ""


def _json_number(value: Any) -> Any:
    # At most 13 digits: the shortest form of the float is exactly this decimal.
    return float(value) if isinstance(value, Decimal) else value


_TO_WIRE: dict[str, Callable[[Any], Any]] = {"N": _json_number, "Y": _json_number, "B": _json_number, "D": _midnight}


def render(rows: list[Row], table: str, columns: list[Column]) -> list[Row]:
    """Stored rows as they stand in an answer, with the synthetic columns (AccountView contract 3)."""
    plain = [(column.wire, column.name) for column in columns if column.type not in _TO_WIRE]
    special = [(c.wire, c.name, _TO_WIRE[c.type]) for c in columns if c.type in _TO_WIRE]
    number = f"{table}_Id"
    answer = []
    for position, row in enumerate(rows, 1):
        line = {wire: row[name] for wire, name in plain}
        for wire, name, convert in special:
            line[wire] = convert(row[name])
        line["EXT_KEY"] = row["EXT_KEY"]
        line[number] = position
        answer.append(line)
    return answer
