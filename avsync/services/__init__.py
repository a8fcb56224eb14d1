"""The two services: their names as data, the clients that speak to them, and the HTTP in between."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from avsync.errors import ConfigError

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def names_of(service: str) -> Mapping[str, Mapping[str, Any]]:
    """Kind → what `schema.yaml` of a service says of it; read once per process, so nobody may change it."""
    text = Path(__file__).with_name(service).joinpath("schema.yaml").read_text("utf-8")
    kinds: Mapping[str, Mapping[str, Any]] = yaml.load(text, _LOADER)  # noqa: S506 - a safe loader
    return kinds


def refuse_doubles(place: str, names: Mapping[str, str]) -> None:
    """Two of ours on one of theirs are a ConfigError: one of the two values would be lost. `names`: ours -> theirs, in
    any case; a dot leads to what stands within another."""
    seen: dict[tuple[str, str], str] = {}
    for ours, theirs in names.items():
        other = seen.setdefault((ours.rpartition(".")[0], theirs.lower()), ours)
        if other != ours:
            raise ConfigError("schema_column_twice", place=place, column=theirs, first=other, second=ours)
