"""The document of a write: definitions, and rows whose values stand in the same order (AccountView contract 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from avsync.errors import Malformed
from avsync.services.accountview.schema import TableSchema

Value = str | Decimal | date | bool | None

_LETTERS = {"C": "C", "M": "C", "N": "N", "Y": "N", "B": "N", "I": "N", "L": "L", "D": "T", "T": "T"}


def moment(day: date) -> str:
    """A date at noon, so that no zone conversion can move it to another day."""
    return f"{day:%Y-%m-%d}T12:00:00.000Z"


def letter(dictionary_type: str | None, value: Value) -> str:
    """The field type on the wire: by the dictionary's letter, else by the value's own type."""
    known = _LETTERS.get(dictionary_type or "")
    if known:
        return known
    if isinstance(value, bool):
        return "L"
    if isinstance(value, Decimal):
        return "N"
    return "T" if isinstance(value, date) else "C"


def wire_value(neutral: str, kind: str, value: Value) -> Any:
    """A value for a field of type C, N, L or T; None clears: "" for text, null for the rest (behaviour 15)."""
    if value is None:
        return "" if kind == "C" else None
    if kind == "T":
        return moment(_day(neutral, value))
    if kind == "N":
        return _number(neutral, value)
    if isinstance(value, bool) != (kind == "L"):
        raise Malformed(neutral, f"{value!r} in a column of type {kind}")
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def _day(neutral: str, value: Value) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise Malformed(neutral, f"{value!r} is no date") from None


def _number(neutral: str, value: Value) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, (str, Decimal)) else None
    except InvalidOperation:
        number = None
    if number is None or isinstance(value, bool) or not number.is_finite():
        raise Malformed(neutral, f"{value!r} is no number")
    return number


class Rows:
    """Rows of one table that carry the same columns: their definition and their positional values."""

    def __init__(
        self, schema: TableSchema, types: Mapping[tuple[str, str], str], rows: Sequence[Mapping[str, Value]]
    ) -> None:
        self._schema = schema
        self._rows = rows
        self._kinds: dict[str, str] = {}
        for row in rows:
            for neutral, value in row.items():
                known = types.get((schema.kind, neutral)) or schema.types.get(neutral)
                if neutral not in self._kinds or value is not None:
                    self._kinds[neutral] = letter(known, value)

    def definition(self, *technical: str) -> dict[str, Any]:
        """Name and fields, the technical ones (RowId, HeaderId) first."""
        fields = [{"Name": name, "FieldType": "C"} for name in technical]
        fields += [{"Name": self._schema.columns[name], "FieldType": kind} for name, kind in self._kinds.items()]
        return {"Name": self._schema.table, "Fields": fields}

    def values(self, *header: str) -> dict[str, Any]:
        """The rows; each starts with its number, then the number of its header if one is given."""
        return {
            "Rows": [{"Values": [str(number), *header, *self._values(row)]} for number, row in enumerate(self._rows, 1)]
        }

    def _values(self, row: Mapping[str, Value]) -> list[Any]:
        return [wire_value(neutral, kind, row.get(neutral)) for neutral, kind in self._kinds.items()]


def document(
    schema: TableSchema, book_date: date, header: Rows, lines: Rows | None = None, key: str | None = None
) -> dict[str, Any]:
    """The whole body: one header row, its detail rows if any, and for a PUT the key of what it changes."""
    definition: dict[str, Any] = {"Definition": header.definition("RowId")}
    data: dict[str, Any] = {"Data": header.values()}
    if lines is not None:
        definition["DetailDefinitions"] = [lines.definition("RowId", "HeaderId")]
        data["DetailData"] = [lines.values("1")]
    body: dict[str, Any] = {
        "BookDate": moment(book_date),
        "BusinessObject": schema.business_object,
        "Table": definition,
        "TableData": data,
    }
    return body if key is None else {"id": key, **body}
