"""AccountView's answers taken apart, as tolerantly as a client must be (AccountView contract 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from avsync.services.accountview.schema import TableSchema
from avsync.services.http import Flaw, described, words

Row = dict[str, Any]


class Names(dict[str, str]):
    """Column names as this service spells them -> neutral names, "" for columns nobody asked for; learns as it goes."""

    def __init__(self, schema: TableSchema) -> None:
        super().__init__()
        self._neutral = schema.neutral

    def __missing__(self, column: str) -> str:
        neutral = self[column] = self._neutral.get(column.lower(), "")
        return neutral


def failure(data: Any) -> str | None:
    """The service's words when this is an AccountViewError, whatever the status it came with; they may be empty."""
    if not isinstance(data, dict) or field(data, "ErrorType") != "AccountViewError":
        return None
    numbers = ", ".join(filter(None, map(words, as_list(field(data, "ErrorNumbers")))))
    return words(field(data, "ErrorMessage")) or (f"ErrorNumbers [{numbers}]" if numbers else "")


def field(row: Mapping[str, Any], name: str) -> Any:
    """The value under a name in whatever case, None when it is not there."""
    if name in row:
        return row[name]
    lower = name.lower()
    return next((value for key, value in row.items() if key.lower() == lower), None)


def as_list(value: Any) -> list[Any]:
    """A bare object stands for a list of one, nothing for an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def table(data: Any, name: str) -> list[Any]:
    """The rows of a table; Flaw when the answer has something else instead, for that would look like "no rows"."""
    if not isinstance(data, dict):
        raise Flaw(detail=f"an answer without {name}")
    if data and not any(key.lower() == name.lower() for key in data):
        raise Flaw(detail=f"an answer without {name}")
    return as_list(field(data, name))


def neutral_rows(rows: Sequence[Any], names: Names) -> list[Row]:
    """Rows under neutral names, values as they came; what is no row becomes `{"_broken": its text}`."""
    return [
        {neutral: value for column, value in row.items() if (neutral := names[column])}
        if isinstance(row, dict)
        else {"_broken": described(row)}
        for row in rows
    ]


def last_key(rows: Sequence[Any], column: str) -> str | None:
    """What LastKey goes on from: the key column of the last row that has one."""
    for row in reversed(rows):
        key = key_text(field(row, column)) if isinstance(row, dict) else None
        if key:
            return key
    return None


def key_text(value: Any) -> str | None:
    """A key as text, trimmed; None for what cannot be a key."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return None


def details(data: Any, headers: Sequence[Any], header: Row, header_table: str, name: str) -> list[Any]:
    """The detail rows of one header: nested in it, or a sibling list with `<HEADER TABLE>_Id` (AccountView contract 3).

    Flaw when several headers came and a detail row does not say whose it is: a line must not be overlooked.
    """
    nested = field(header, name)
    if nested is not None:
        return as_list(nested)
    link = f"{header_table}_Id"
    rows, wanted = as_list(field(data, name)), field(header, link)
    owners = [field(row, link) if isinstance(row, dict) else None for row in rows]
    if len(headers) > 1 and (wanted is None or None in owners):
        raise Flaw(detail=f"{name} without {link}")
    return [
        row
        for row, owner in zip(rows, owners, strict=True)
        if owner is None or wanted is None or words(owner) == words(wanted)
    ]
