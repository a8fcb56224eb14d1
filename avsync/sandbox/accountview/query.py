"""Reads as a client may ask for them (AccountView contract 3): the parameters, the conditions, and the page of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from avsync.sandbox.accountview.dictionary import Column, Dictionary, TableSpec
from avsync.sandbox.accountview.options import Options
from avsync.sandbox.accountview.store import Table
from avsync.sandbox.accountview.values import RefusedError, Row

_OPERATORS = {name.lower(): name for name in ("Equal", "NotEqual", "Contains", "DateOnOrAfterDate")}
_FILTER_TYPES = {"C": "C", "M": "C", "N": "N", "D": "DT", "T": "DT", "L": ""}
_DATE = re.compile(r"\{\^(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d))?\}")
_CONDITION_PARTS = ("filtercontrolsource", "filteroperator", "filtervaluetype", "filtervalue", "filterislistofvalues")
_PARAMETERS = {
    "businessobject",
    "pagesize",
    "pagenumber",
    "lastkey",
    "fields",
    "matchanyfilter",
    "sortfields",
    "sortorder",
    "bookdate",
    *(f"{part}{number}" for part in _CONDITION_PARTS for number in (1, 2)),
}
_BOOK_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?", re.IGNORECASE)
_MAX_PAGE = 1000
_FEW_CHANGES = 1000


@dataclass(frozen=True)
class Condition:
    """One filter condition on a column of the header table; `value` is held as the column holds it."""

    column: Column
    operator: str
    value: Any
    prefix: bool = False  # Equal finds what begins with it

    def holds(self, row: Row) -> bool:
        """Whether a row meets the condition."""
        found = row[self.column.name]
        if self.prefix:
            return str(found).startswith(self.value)
        if self.operator == "Equal":
            return bool(found == self.value)
        if self.operator == "NotEqual":
            return bool(found != self.value)
        if self.operator == "Contains":
            return self.value.lower() in str(found).lower()
        return str(found) >= str(self.value)

    def keys(self, table: Table) -> list[str] | None:
        """The keys of the rows that meet it when an index knows them, else None."""
        if self.prefix:
            return None
        if self.operator == "Equal":
            name = self.column.name
            if name == table.spec.key:
                return [self.value] if self.value in table.rows else []
            return table.equal(name, self.value)
        if self.operator == "DateOnOrAfterDate" and self.column.name == "CNG_DATE":
            return table.changed_since(self.value, _FEW_CHANGES)
        return None


@dataclass(frozen=True)
class Query:
    """A checked read. `lines` are the columns asked of the detail table, empty when none were."""

    spec: TableSpec
    columns: list[Column]
    lines: list[Column]
    conditions: list[Condition]
    match_any: bool
    size: int
    page: int
    last_key: str
    sort: Column
    descending: bool
    year: int = 0  # only what is dated in it; 0: whatever the date


def parse(parameters: Mapping[str, str], dictionary: Dictionary, options: Options, today: date) -> Query:
    """The read that query parameters (names in lower case) ask for; RefusedError for what nobody has seen working."""
    unknown = set(parameters) - _PARAMETERS
    if unknown:
        raise RefusedError(f"Parameter wordt niet ondersteund: {', '.join(sorted(unknown))}.")
    spec = dictionary.by_object(parameters.get("businessobject", ""))
    if spec is None:
        raise RefusedError(f"Onbekend business object: {parameters.get('businessobject', '')!r}.")
    year = check_book_date(parameters.get("bookdate"), options.years) or today.year
    columns, lines = _fields(parameters.get("fields", ""), spec, dictionary, options.unknown_column == "refused")
    found = [_condition(parameters, number, spec, dictionary, options) for number in (1, 2)]
    conditions = [condition for condition in found if condition]
    last = parameters.get("lastkey", "") if options.last_key_with_filter or not conditions else ""
    size = page_size(parameters.get("pagesize", ""), 200, _MAX_PAGE)
    return Query(
        spec=spec,
        columns=columns,
        lines=lines,
        conditions=conditions,
        match_any=parameters.get("matchanyfilter", "").lower() == "true",
        size=min(size, options.page_cap or size),
        page=page_number(parameters.get("pagenumber", "")),
        last_key=last.strip().upper(),
        sort=_header_column(parameters.get("sortfields") or spec.columns[spec.key].wire, spec, dictionary),
        descending=descending(parameters.get("sortorder") or "Ascending"),
        year=year if options.book_date_reads else 0,
    )


def check_book_date(value: object, years: Container[int] = ()) -> int:
    """The year of a book date that starts with a date, padded or not; 0 where it is missing or empty. RefusedError for
    any other, and for a year that does not exist, where `years` says which do."""
    match = _BOOK_DATE.fullmatch(str(value or ""))
    if not value:
        return 0
    try:
        day = date(*map(int, match.groups() if match else ()))
    except (ValueError, TypeError) as error:
        raise RefusedError(f"Ongeldige boekdatum: {value!r}.") from error
    if years and day.year not in years:
        raise RefusedError(f"Boekjaar {day.year} bestaat niet.")
    return day.year


_DATED = {"SO_HDR": "ORD_DATE", "HRS_HDR": "BEG_DATE", "HRS_LINE": "HRS_DATE"}


def in_year(spec: TableSpec, row: Row, year: int) -> bool:
    """Whether a row stands in a financial year: its own, or every one when it has no date."""
    day = row.get(_DATED.get(spec.name, ""), "")
    return not year or not day or int(day[:4]) == year


def page_size(text: str, usual: int, at_most: int) -> int:
    """The page size asked for, the usual one when none is (or 0); RefusedError when it is no number or out of
    bounds."""
    if not text.strip("0 "):
        return usual
    if not text.isdecimal() or int(text) > at_most:
        raise RefusedError(f"PageSize moet tussen 1 en {at_most} liggen, niet {text!r}.")
    return int(text)


def page_number(text: str) -> int:
    """The page asked for, counted from 1."""
    if text and not text.isdecimal():
        raise RefusedError(f"Ongeldige PageNumber: {text!r}.")
    return max(1, int(text or 1))


def descending(text: str) -> bool:
    """Whether a SortOrder turns the order around."""
    if text.lower() not in ("ascending", "descending"):
        raise RefusedError(f"Onbekende SortOrder: {text!r}.")
    return text.lower() == "descending"


def _fields(text: str, spec: TableSpec, dictionary: Dictionary, strict: bool) -> tuple[list[Column], list[Column]]:
    """The columns asked of the header and of the detail table; one that is not there is left out, unless `strict`."""
    if not text.strip():
        return [column for column in spec.visible if column.type == "C"][:4], []
    columns: dict[str, Column] = {}
    lines: dict[str, Column] = {}
    child = dictionary.tables.get(spec.child)
    for name in text.split(","):
        table, _, wire = name.strip().rpartition(".")
        of_line = child if child and table.lower() == child.wire.lower() else None
        if table.lower() not in ("", spec.wire.lower()) and not of_line:
            continue
        chosen = of_line or spec
        found = chosen.visible if wire == "*" else [dictionary.column(chosen, wire)]
        if strict and None in found:
            raise RefusedError(f"Onbekende kolom: {name.strip()!r}.")
        (lines if of_line else columns).update((column.name, column) for column in found if column)
    return list(columns.values()), list(lines.values())


def _header_column(name: str, spec: TableSpec, dictionary: Dictionary) -> Column:
    table, _, wire = name.strip().rpartition(".")
    column = dictionary.column(spec, wire) if table.lower() in ("", spec.wire.lower()) else None
    if column is None:
        raise RefusedError(f"Onbekende kolom: {name.strip()!r}.")
    return column


def _condition(
    parameters: Mapping[str, str], number: int, spec: TableSpec, dictionary: Dictionary, options: Options
) -> Condition | None:
    parts = [parameters.get(f"{part}{number}") for part in _CONDITION_PARTS]
    source, sent_operator, sent_letter, value, is_list = parts
    if (is_list or "false").lower() != "false":
        raise RefusedError("Een lijst van waarden wordt niet ondersteund.")
    if source is None:
        if any(part is not None for part in parts[:-1]):  # `FilterIsListOfValues1=false` alone is sent by some
            raise RefusedError(f"FilterControlSource{number} ontbreekt.")
        return None
    column = _header_column(source, spec, dictionary)
    operator, letter = _OPERATORS.get((sent_operator or "").lower()), (sent_letter or "").upper()
    if operator is None:
        raise RefusedError(f"Onbekende FilterOperator{number}: {sent_operator!r}.")
    if letter not in ("C", "N", "D", "T") or letter not in _FILTER_TYPES[column.type] or value is None:
        raise RefusedError(f"FilterValueType{number} {letter!r} past niet bij kolom {column.wire} ({column.type}).")
    if (operator == "DateOnOrAfterDate") > (letter in "DT") or (operator == "Contains") > (letter == "C"):
        raise RefusedError(f"Operator {operator} past niet bij kolom {column.wire} ({column.type}).")
    prefix = options.equal == "prefix" and (operator, letter) == ("Equal", "C")
    return Condition(column, operator, _literal(column, letter, value, options.ignore_filter_time), prefix)


def _literal(column: Column, letter: str, text: str, ignore_time: bool) -> Any:
    if letter == "C":
        return text.rstrip()
    if letter == "N":
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise RefusedError(f"Ongeldig getal in filter: {text!r}.") from error
    match = _DATE.fullmatch(text)
    if match is None:
        raise RefusedError(f"Ongeldige datum in filter: {text!r}.")
    day, time = match.groups()
    if column.type == "D" or ignore_time:
        return day
    return f"{day}T{time or '00:00:00'}"


def select(table: Table, query: Query) -> list[Row]:
    """The rows of one page. Unfiltered reads, keys and recent changes go by index; the rest looks at every row."""
    keys = _candidates(table, query)
    skip = 0 if query.last_key else (query.page - 1) * query.size
    if query.sort.name == table.spec.key and not query.descending:
        return _page(table, keys, table.after(keys, query.last_key), _test(query), skip + query.size)[skip:]
    fits = _test(query)
    chosen = [key for key in keys if fits(table.rows[key])]
    chosen.sort(key=lambda key: (table.rows[key][query.sort.name], key), reverse=query.descending)
    start = chosen.index(query.last_key) + 1 if query.last_key in chosen else skip
    return [table.rows[key] for key in chosen[start : start + query.size]]


def _candidates(table: Table, query: Query) -> list[str]:
    known = [condition.keys(table) for condition in query.conditions]
    listed = [keys for keys in known if keys is not None]
    if not listed or (query.match_any and len(listed) < len(known)):
        return table.keys
    if query.match_any:
        return sorted(set().union(*listed))
    return min(listed, key=len)


def _test(query: Query) -> Callable[[Row], bool]:
    if not query.conditions:
        return lambda row: in_year(query.spec, row, query.year)
    together: Callable[[Iterable[bool]], bool] = any if query.match_any else all
    return lambda row: in_year(query.spec, row, query.year) and together(one.holds(row) for one in query.conditions)


def _page(table: Table, keys: list[str], start: int, fits: Callable[[Row], bool], size: int) -> list[Row]:
    rows: list[Row] = []
    for position in range(start, len(keys)):
        row = table.rows[keys[position]]
        if fits(row):
            rows.append(row)
            if len(rows) == size:
                break
    return rows
