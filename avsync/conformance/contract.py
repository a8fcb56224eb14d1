"""The contract as data: resources, their fields with sort and size, and the words they may go by elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `sort` is text, moment, date, bool, decimal, lines, ref or enum; `size` in characters, 0 = any."""

    name: str
    sort: str
    size: int = 0
    required: bool = False
    never_null: bool = False
    refers: str = ""
    values: tuple[str, ...] = ()

    def mistake(self, value: Any) -> str:
        """What is wrong with a value in an answer, "" when nothing is."""
        if value is None:
            return "is null" if self.never_null else ""
        if self.sort == "bool":
            return "" if isinstance(value, bool) else f"is {_shown(value)}, not true or false"
        if self.sort == "lines":
            return "" if isinstance(value, list) else f"is {_shown(value)}, not a list"
        if not isinstance(value, str):
            return f"is {_shown(value)}, not a text"
        if self.sort == "enum":
            return "" if value in self.values else f"is {value!r}, not one of {', '.join(self.values)}"
        if self.size and len(value) > self.size:
            return f"has {len(value)} characters, more than {self.size}"
        form = _FORMS.get(self.sort)
        return f"is {value!r}, not {form[1]}" if form and not form[0].fullmatch(value) else ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: `natural` is the field whose value occurs once, "" when there is none."""

    kind: str
    path: str
    fields: Mapping[str, Field]
    filters: tuple[str, ...]
    natural: str = ""
    writable: bool = False
    lines: Mapping[str, Field] | None = None
    also: tuple[str, ...] = ()


_FORMS = {
    "moment": (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"),
        "a moment in UTC such as 2026-05-04T09:00:00Z",
    ),
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), "a date such as 2026-05-04"),
    "decimal": (re.compile(r"-?\d+(\.\d+)?"), "a decimal text such as 7.5"),
}


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:40]}"


@cache
def _data() -> Mapping[str, Any]:
    return dict(yaml.safe_load(Path(__file__).with_name("contract.yaml").read_text(encoding="utf-8")))


@cache
def resources() -> Mapping[str, Resource]:
    """Kind → resource, in the order in which they refer to each other."""
    data = _data()
    every = _fields(data["every"])
    return {
        kind: Resource(
            kind, parts["path"], {**_fields(parts["fields"]), **every}, tuple(parts["filters"]),
            parts.get("natural", ""), parts.get("writable", False),
            _fields(parts["lines"]) if "lines" in parts else None, tuple(parts["also"]),
        )
        for kind, parts in data.items()
        if kind not in ("every", "words")
    }  # fmt: skip


def words(name: str) -> tuple[str, ...]:
    """What a field may be called elsewhere."""
    return tuple(_data()["words"].get(name, ()))


def _fields(given: Mapping[str, str]) -> dict[str, Field]:
    return {name: _field(name, spec) for name, spec in given.items()}


def _field(name: str, spec: str) -> Field:
    sort, *rest = spec.split()
    required, never = "required" in rest, "never" in rest
    if sort == "one":
        return Field(name, "enum", 0, required, never, values=tuple(rest[1].split("|")))
    if sort == "ref":
        return Field(name, "ref", 36, required, never, refers=rest[0])
    size = next((int(word) for word in rest if word.isdigit()), 0)
    return Field(name, sort, size, required, never)
