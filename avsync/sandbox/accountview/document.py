"""The write document of AccountView contract 4, taken apart and checked against the dictionary."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from avsync.sandbox.accountview.dictionary import Column, Dictionary, TableSpec
from avsync.sandbox.accountview.query import check_book_date
from avsync.sandbox.accountview.values import RefusedError, Row, from_wire


@dataclass(frozen=True)
class Written:
    """One header row: only the columns that were sent, as the columns hold them, and its detail rows."""

    values: Row
    lines: list[Row]


@dataclass(frozen=True)
class Document:
    """A whole call; `key` is the "id" of an update, None for a create."""

    spec: TableSpec
    key: str | None
    rows: list[Written]
    year: int = 0


def parse(body: bytes, dictionary: Dictionary, update: bool, years: Container[int] = ()) -> Document:
    """The document in a request body; RefusedError for anything that is not of the shape in the contract."""
    try:
        data = json.loads(body, parse_float=Decimal, object_pairs_hook=_lowered)
    except ValueError as error:
        raise RefusedError("De aanvraag is geen geldige JSON.") from error
    spec = dictionary.by_object(str(_part(data, "BusinessObject", str)))
    if spec is None:
        raise RefusedError(f"Onbekend business object: {data['businessobject']!r}.")
    year = check_book_date(_part(data, "BookDate", str), years)
    table = _part(data, "Table", dict)
    content = _part(data, "TableData", dict)
    headers = _rows(_part(table, "Definition", dict), _part(content, "Data", dict), spec, dictionary)
    lines = _details(table, content, spec, dictionary)
    numbers = [row.number for row in headers]
    owners = {line.header or numbers[0] if len(numbers) == 1 else line.header for line in lines}
    if not headers or len(set(numbers)) < len(numbers) or not owners <= set(numbers):
        raise RefusedError("RowId en HeaderId sluiten niet op elkaar aan.")
    rows = [
        Written(row.values, [line.values for line in lines if (line.header or numbers[0]) == row.number])
        for row in headers
    ]
    return Document(spec, _key(data, update, len(rows)), rows, year)


def _lowered(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON keys are case-insensitive: clients write `name` and `values` as well (AccountView contract 4)."""
    return {name.lower(): value for name, value in pairs}


def _part(data: Any, name: str, kind: type) -> Any:
    found = data.get(name.lower()) if isinstance(data, dict) else None
    if not isinstance(found, kind):
        raise RefusedError(f"{name} ontbreekt of is ongeldig.")
    return found


def _key(data: dict[str, Any], update: bool, rows: int) -> str | None:
    if not update:
        if "id" in data:
            raise RefusedError("id hoort niet bij een nieuw record.")
        return None
    if rows != 1:
        raise RefusedError("Een wijziging bevat precies een record.")
    return str(_part(data, "id", str)).strip().upper()


def _details(table: dict[str, Any], content: dict[str, Any], spec: TableSpec, dictionary: Dictionary) -> list[_Line]:
    definitions, data = table.get("detaildefinitions") or [], content.get("detaildata") or []
    if not definitions and not data:
        return []
    if not isinstance(definitions, list) or not isinstance(data, list) or len(definitions) != len(data):
        raise RefusedError("DetailDefinitions en DetailData sluiten niet op elkaar aan.")
    if not spec.child or len(definitions) != 1:
        raise RefusedError(f"Tabel {spec.wire} kent deze detailregels niet.")
    return _rows(definitions[0], data[0], dictionary.tables[spec.child], dictionary)


class _Line(NamedTuple):
    """A row as it was sent: its RowId and HeaderId, "" where there is none, and its values by column name."""

    number: str
    header: str
    values: Row


_IDS = ("rowid", "headerid")  # in any place, or left out (AccountView contract 4)


def _rows(definition: Any, data: Any, spec: TableSpec, dictionary: Dictionary) -> list[_Line]:
    if str(_part(definition, "Name", str)).lower() != spec.wire.lower():
        raise RefusedError(f"Tabel {definition['name']!r} hoort niet bij dit business object.")
    fields = _part(definition, "Fields", list)
    names = [str(_part(field, "Name", str)) for field in fields]
    letters = [str(_part(field, "FieldType", str)).upper() for field in fields]
    places = {name.lower(): place for place, name in enumerate(names) if name.lower() in _IDS}
    columns = {place: _writable(name, spec, dictionary) for place, name in enumerate(names) if name.lower() not in _IDS}
    if len({column.name for column in columns.values()}) + len(places) < len(names):
        raise RefusedError("Een kolom komt twee keer voor.")
    rows = []
    for number, row in enumerate(_part(data, "Rows", list), 1):
        values = _part(row, "Values", list)
        if len(values) != len(fields):
            raise RefusedError("Het aantal waarden past niet bij de velden.")
        stored = {column.name: from_wire(column, letters[at], values[at]) for at, column in columns.items()}
        own, header = (_id(values[places[name]]) if name in places else "" for name in _IDS)
        rows.append(_Line(own or str(number), header, stored))
    return rows


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RefusedError("RowId en HeaderId zijn tekst of een geheel getal.")
    return str(value).strip()


def _writable(name: str, spec: TableSpec, dictionary: Dictionary) -> Column:
    column = dictionary.column(spec, name)
    if column is None:
        raise RefusedError(f"Onbekende kolom: {name!r}.")
    if column.read_only:
        raise RefusedError(f"Kolom {column.wire} kan niet worden gewijzigd.")
    return column
