"""AccountView's names as data: `schema.yaml` with the operator's overrides (AccountView contract 5).

Overrides are taken as the config has checked them: known kinds, known neutral names, plain identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from avsync.services import names_of, refuse_doubles


@dataclass(frozen=True)
class Header:
    """The sheet that the rows of a kind stand on, one for each employee and period (AccountView contract 5).

    `table`: its own names (key, employee, period_start); `create`: whether avsync may make one.
    """

    table: TableSchema
    period: str = "week"
    create: bool = True

    def start(self, day: str) -> str:
        """The first day of the period that a day (ISO) is in; weeks begin on Monday."""
        found = date.fromisoformat(day)
        first = found.replace(day=1) if self.period == "month" else found - timedelta(days=found.weekday())
        return first.isoformat()


@dataclass(frozen=True)
class TableSchema:
    """The names of one kind. `columns`: neutral name -> column; `types`: neutral name -> dictionary letter, if not C.

    `decimals`: neutral name -> how many a number has where the dictionary does not tell; `widths`: how wide a text
    usually is. `sheet`: how its key and columns are recognised where the rows may be the lines of one. `words` and
    `described` are what the object and its columns may be called in the dictionary, the likeliest first.
    """

    kind: str
    business_object: str
    table: str
    key: str
    columns: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    parent: str | None = None
    sheet: TableSchema | None = None
    header: Header | None = None
    words: tuple[str, ...] = ()
    described: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key_column(self) -> str:
        """The column behind `key`."""
        return self.columns[self.key]

    @cached_property
    def neutral(self) -> dict[str, str]:
        """Column in lower case -> neutral name: column names are case-insensitive (AccountView contract 3)."""
        return {column.lower(): neutral for neutral, column in self.columns.items()}

    def type(self, neutral: str) -> str:
        """The dictionary letter this column is expected to have."""
        return self.types.get(neutral, "C")


# What new customers are booked on: only looked into, so no kind of its own, and the same everywhere.
LEDGER = TableSchema("ledger", "GL1", "LEDGER", "number", {"number": "ACCT_NR"})


def load_schema(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, TableSchema]:
    """All kinds, overridden by e.g. `{"hour": {"table": "HRS_X", "columns": {"time_code": "UURSOORT"}}}`.

    Two neutral names on one column of a kind are a ConfigError: one of the two values would be lost.
    """
    given = overrides or {}
    return {kind: _table(kind, parts, given.get(kind, {})) for kind, parts in names_of("accountview").items()}


def _table(kind: str, parts: Mapping[str, Any], override: Mapping[str, Any]) -> TableSchema:
    columns: dict[str, str] = {**parts["columns"], **override.get("columns", {})}
    refuse_doubles(f"accountview.schema.{kind}.columns", columns)
    return TableSchema(
        kind=kind,
        business_object=override.get("business_object", parts["business_object"]),
        table=override.get("table", parts["table"]),
        key=parts["key"],
        columns=columns,
        optional=frozenset(parts.get("optional", ())),
        types=parts.get("types", {}),
        decimals=parts.get("decimals", {}),
        widths=parts.get("widths", {}),
        parent=parts.get("parent"),
        sheet=_sheet(kind, parts["sheet"]) if "sheet" in parts else None,
        header=_header(kind, parts, override),
        words=tuple(parts["object"]),
        described={neutral: tuple(words) for neutral, words in parts["describe"].items()},
    )


def _sheet(kind: str, parts: Mapping[str, Any]) -> TableSchema:
    """Nobody knows what a sheet's columns are called (AccountView contract 5)."""
    described = {neutral: tuple(words) for neutral, words in parts["describe"].items()}
    return TableSchema(kind, "", "", "key", dict.fromkeys(described, ""), types=parts["types"],
                       widths=parts["widths"], described=described)  # fmt: skip


def _header(kind: str, parts: Mapping[str, Any], override: Mapping[str, Any]) -> Header | None:
    """The sheet of an installation that has them; its business object is that of the lines."""
    given = override.get("header")
    if not given:
        return None
    code = override.get("business_object", parts["business_object"])
    columns = {"key": given["key"], **given["columns"]}
    refuse_doubles(f"accountview.schema.{kind}.header.columns", columns)
    expected = _sheet(f"{kind}.header", parts["sheet"])
    table = replace(expected, business_object=code, table=given["table"], columns=columns)
    return Header(table, given.get("period", "week"), given.get("create", True))
