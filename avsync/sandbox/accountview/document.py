"""The write document of AccountView contract 4, taken apart and checked against the dictionary."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

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


def parse(body: bytes, dictionary: Dictionary, update: bool, years: Container[int] = ()) -> Document:
    """The document in a request body; RefusedError for anything that is not of the shape in the contract."""
    try:
        data = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise RefusedError("De aanvraag is geen geldige JSON.") from error
    spec = dictionary.by_object(str(_part(data, "BusinessObject", str)))
    if spec is None:
        raise RefusedError(f"Onbekend business object: {data['BusinessObject']!r}.")
    check_book_date(_part(data, "BookDate", str), years)
    table = _part(data, "Table", dict)
    content = _part(data, "TableData", dict)
    headers = _rows(_part(table, "Definition", dict), _part(content, "Data", dict), spec, dictionary, 1)
    lines = _details(table, content, spec, dictionary)
    numbers = [ids[0] for ids, _ in headers]
    if not headers or len(set(numbers)) < len(numbers) or any(ids[1] not in numbers for ids, _ in lines):
        raise RefusedError("RowId en HeaderId sluiten niet op elkaar aan.")
    rows = [Written(values, [line for line_ids, line in lines if line_ids[1] == ids[0]]) for ids, values in headers]
    return Document(spec, _key(data, update, len(rows)), rows)


def _part(data: Any, name: str, kind: type) -> Any:
    found = data.get(name) if isinstance(data, dict) else None
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


def _details(
    table: dict[str, Any], content: dict[str, Any], spec: TableSpec, dictionary: Dictionary
) -> list[tuple[list[str], Row]]:
    definitions, data = table.get("DetailDefinitions", []), content.get("DetailData", [])
    if not definitions and not data:
        return []
    if not isinstance(definitions, list) or not isinstance(data, list) or len(definitions) != len(data):
        raise RefusedError("DetailDefinitions en DetailData sluiten niet op elkaar aan.")
    if not spec.child or len(definitions) != 1:
        raise RefusedError(f"Tabel {spec.wire} kent deze detailregels niet.")
    return _rows(definitions[0], data[0], dictionary.tables[spec.child], dictionary, 2)


def _rows(definition: Any, data: Any, spec: TableSpec, dictionary: Dictionary, ids: int) -> list[tuple[list[str], Row]]:
    """Per row its identifiers (RowId, and HeaderId when `ids` is 2) and its values by column name."""
    if str(_part(definition, "Name", str)).lower() != spec.wire.lower():
        raise RefusedError(f"Tabel {definition['Name']!r} hoort niet bij dit business object.")
    fields = _part(definition, "Fields", list)
    names = [str(_part(field, "Name", str)) for field in fields]
    if names[:ids] != ["RowId", "HeaderId"][:ids]:
        raise RefusedError("De velden beginnen niet met RowId (en HeaderId).")
    letters = [str(_part(field, "FieldType", str)) for field in fields]
    columns = [_writable(name, spec, dictionary) for name in names[ids:]]
    if len({column.name for column in columns}) < len(columns):
        raise RefusedError("Een kolom komt twee keer voor.")
    rows = []
    for row in _part(data, "Rows", list):
        values = _part(row, "Values", list)
        if len(values) != len(fields) or not all(isinstance(value, str) for value in values[:ids]):
            raise RefusedError("Het aantal waarden past niet bij de velden.")
        pairs = zip(columns, letters[ids:], values[ids:], strict=True)
        stored = {column.name: from_wire(column, letter, value) for column, letter, value in pairs}
        rows.append((values[:ids], stored))
    return rows


def _writable(name: str, spec: TableSpec, dictionary: Dictionary) -> Column:
    column = dictionary.column(spec, name)
    if column is None:
        raise RefusedError(f"Onbekende kolom: {name!r}.")
    if column.read_only:
        raise RefusedError(f"Kolom {column.wire} kan niet worden gewijzigd.")
    return column
