"""A recorded installation: the dictionary and the habits of somebody's AccountView, without any data.

A recording is a YAML file:

    format: 1
    objects: {AR1: iu Debiteuren}          # rights (insert, update) and description
    tables:
      CONTACT:
        description: Debiteuren
        object: AR1
        rights: iu
        header: …                          # the table that it is a detail of
        child: …                           # the table of its details
        columns: {SUB_NR: C10*^ Debiteurnummer}
    schema: {customer: {business_object: AR1, table: CONTACT, columns: {number: SUB_NR}}}   # who plays which part
    answers: {no_rows: json, page_size: 1000}                                               # what was seen to happen

A column is a dictionary letter, its width, decimals if known, flags (* mandatory, ^ upper case, - read only), a label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).parents[1] / "installations"
_COLUMN = re.compile(r"([A-Z])(\d*)(?:\.(\d+))?([*^-]*)(?: (.*))?")


@dataclass(frozen=True, slots=True)
class Seen:
    """A column as it was recorded."""

    type: str
    length: int
    decimals: int
    mandatory: bool
    upper: bool
    read_only: bool
    label: str


@dataclass(frozen=True, slots=True)
class File:
    """A table as it was recorded."""

    description: str
    object: str
    rights: str
    header: str
    child: str
    columns: Mapping[str, Seen]


@dataclass(frozen=True)
class Installation:
    """A recording. `parts`: what avsync calls a kind of record -> its names here."""

    objects: Mapping[str, str]
    files: Mapping[str, File]
    parts: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sheets(self) -> bool:
        """Whether hours are lines of a sheet."""
        return "header" in self.parts.get("hour", {})


def load(name: str | Path) -> Installation:
    """The recording in a file, or a shipped one by its name; ValueError when it is none."""
    path = Path(name)
    shipped = SHIPPED / f"{name}.yaml"
    try:
        data = yaml.safe_load((shipped if shipped.exists() and not path.exists() else path).read_text("utf-8"))
        if not isinstance(data, dict) or data.get("format") != 1:
            raise ValueError(f"{name} is no recording of an installation")
        return Installation(
            {code: str(text) for code, text in data["objects"].items()},
            {table: _file(parts) for table, parts in data["tables"].items()},
            data["schema"],
            data.get("answers") or {},
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} is no recording of an installation: {error}") from error


def _file(parts: Mapping[str, Any]) -> File:
    columns = {str(name): _seen(str(text)) for name, text in parts["columns"].items()}
    text = {name: str(parts.get(name) or "") for name in ("description", "object", "rights", "header", "child")}
    return File(columns=columns, **text)


def _seen(notation: str) -> Seen:
    match = _COLUMN.fullmatch(notation)
    if match is None:
        raise ValueError(f"column notation: {notation!r}")
    letter, length, decimals, flags, label = match.groups()
    return Seen(letter, int(length or 0), int(decimals or 0), "*" in flags, "^" in flags, "-" in flags, label or "")
