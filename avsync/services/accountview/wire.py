"""AccountView's wire format: conditions of a read, answers taken apart, the document of a write.

Conditions are parameters only: data never becomes part of an expression (AccountView contract 3). Answers are read as
tolerantly as a client must (AccountView contract 3 and 4). In a document definitions come first, and rows whose values
stand in the same order (AccountView contract 4).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from avsync.errors import Malformed
from avsync.services.accountview.schema import TableSchema
from avsync.services.http import Answer, Done, Flaw, Outcome, Rejected, Unknown, described, words

Row = dict[str, Any]
Value = str | Decimal | date | bool | None

LONGEST_VALUE = 255
_LETTERS = {"C": "C", "M": "C", "N": "N", "Y": "N", "B": "N", "I": "N", "L": "L", "D": "T", "T": "T"}


# --- conditions


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


def since(number: int, column: str, letter: str, day: str) -> dict[str, str]:
    """A date on or after that day (ISO)."""
    literal = f"{{^{day}}}" if letter == "D" else f"{{^{day} 00:00:00}}"
    return condition(number, column, "DateOnOrAfterDate", letter, literal)


def equal(number: int, neutral: str, column: str, letter: str, value: str) -> dict[str, str]:
    """An Equal on one column; Malformed for a value that cannot stand in a column of that type."""
    if letter in ("D", "T"):
        try:
            day = date.fromisoformat(value.strip()[:10])
        except ValueError:
            raise Malformed(neutral, "no date") from None
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


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(value) if isinstance(value, (str, Decimal)) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


# --- answers


def failure(data: Any) -> str | None:
    """The service's words when this is an error, whatever its type and the status it came with; they may be empty.

    Other types than AccountViewError occur, and a success may carry an empty error (AccountView contract 4).
    """
    if not isinstance(data, dict) or not any(_filled(field(data, name)) for name in ("ErrorType", "ErrorMessage")):
        return None
    numbers = ", ".join(filter(None, map(words, as_list(field(data, "ErrorNumbers")))))
    return words(field(data, "ErrorMessage")) or (f"ErrorNumbers [{numbers}]" if numbers else "")


def field(row: Mapping[str, Any], name: str) -> Any:
    """The value under a name in whatever case, None when it is not there."""
    if name in row:
        return row[name]
    lower = name.lower()
    return next((value for key, value in row.items() if key.lower() == lower), None)


def _filled(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def as_list(value: Any) -> list[Any]:
    """A bare object stands for a list of one, nothing for an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def table(data: Any, name: str) -> list[Any]:
    """The rows of a table; Flaw when the answer has something else instead, for that would look like "no rows"."""
    if not isinstance(data, dict) or (data and not _has(data, name)):
        raise Flaw(detail=f"an answer without {name}")
    return as_list(field(data, name))


def _has(data: Mapping[str, Any], name: str) -> bool:
    return any(key.lower() == name.lower() for key in data)


def neutral_rows(rows: Sequence[Any], schema: TableSchema) -> list[Row]:
    """Rows under neutral names, values as they came; what is no row becomes `{"_broken": its text}`."""
    names = schema.neutral
    return [
        {neutral: value for column, value in row.items() if (neutral := names.get(column.lower()))}
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


def details_of(head: TableSchema, line: TableSchema, letter: str, key: str, data: Any) -> list[Row] | None:
    """The detail rows of the header with this key, None when there is no such header."""
    headers = table(data, head.table)
    for header in headers:
        if isinstance(header, dict) and same(letter, field(header, head.key_column), key):
            return neutral_rows(details(data, headers, header, head.table, line.table), line)
    return None


_ERROR = ("errortype", "errornumbers", "errormessage")


def outcome(answer: Answer, name: str, missing: bool, stored: Callable[[Any], Row | None]) -> Outcome:
    """What the answer to a write on the table `name` means (behaviour 16); `stored` finds the record in it, and
    `missing` says what a refusal means.

    Only an error of AccountView's own says that nothing was stored, and only our table, or no body, that it was. What
    stands between the two of us may say anything else.
    """
    data = answer.json()
    message = failure(data)
    if message is not None:
        return Rejected(message, answer.status, missing)
    told = {key: value for key, value in data.items() if key.lower() not in _ERROR} if isinstance(data, dict) else data
    if not answer.ok:
        said = (words(field(told, "Message")) or words(field(told, "error"))) if isinstance(told, dict) else ""
        return Unknown(f"HTTP {answer.status} {said}".rstrip())
    if told and not (isinstance(told, dict) and _has(told, name)):
        return Unknown(f"HTTP {answer.status}, an answer without {name}")
    try:
        return Done(stored(told or {}))
    except Flaw:  # stored, but the answer does not show it
        return Done(None)


def stored_row(schema: TableSchema, data: Any) -> Row | None:
    """The record that the answer to a write tells of."""
    found = [row for row in table(data, schema.table) if isinstance(row, dict)]
    return neutral_rows(found[:1], schema)[0] if found else None


def stored_lines(head: TableSchema, line: TableSchema, data: Any) -> Row | None:
    """Its detail rows, as `{"lines": [...]}`."""
    headers = [row for row in table(data, head.table) if isinstance(row, dict)]
    found = details(data, headers, headers[0], head.table, line.table) if headers else []
    return {"lines": neutral_rows(found, line)} if found else None


# --- documents


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
        try:
            return moment(value if isinstance(value, date) else date.fromisoformat(str(value)))
        except ValueError:
            raise Malformed(neutral, f"{value!r} is no date") from None
    if kind == "N":
        number = _number(value)
        if number is None:
            raise Malformed(neutral, f"{value!r} is no number")
        return number
    if isinstance(value, bool) != (kind == "L"):
        raise Malformed(neutral, f"{value!r} in a column of type {kind}")
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


class Rows:
    """Rows of one table that carry the same columns: their definition and their positional values."""

    def __init__(
        self, schema: TableSchema, types: Mapping[tuple[str, str], str], rows: Sequence[Mapping[str, Value]]
    ) -> None:
        self.schema = schema
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
        fields += [{"Name": self.schema.columns[name], "FieldType": kind} for name, kind in self._kinds.items()]
        return {"Name": self.schema.table, "Fields": fields}

    def values(self, *header: str) -> dict[str, Any]:
        """The rows; each starts with its number, then the number of its header if one is given."""
        return {
            "Rows": [{"Values": [str(number), *header, *self._values(row)]} for number, row in enumerate(self._rows, 1)]
        }

    def _values(self, row: Mapping[str, Value]) -> list[Any]:
        return [wire_value(neutral, kind, row.get(neutral)) for neutral, kind in self._kinds.items()]


def document(
    schema: TableSchema, book_date: date | None, header: Rows, lines: Rows | None = None, key: str | None = None
) -> dict[str, Any]:
    """The whole body: one header row, its detail rows if any, and for a PUT the key of what it changes."""
    definition: dict[str, Any] = {"Definition": header.definition("RowId")}
    data: dict[str, Any] = {"Data": header.values()}
    if lines is not None:
        definition["DetailDefinitions"] = [lines.definition("RowId", "HeaderId")]
        data["DetailData"] = [lines.values("1")]
    body: dict[str, Any] = {
        "BookDate": moment(book_date) if book_date else "",
        "BusinessObject": schema.business_object,
        "Table": definition,
        "TableData": data,
    }
    return body if key is None else {"id": key, **body}
