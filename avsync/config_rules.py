"""The rules of the config that look at more than one key.

They run on the raw values, beside the typed check, so that no mistake hides behind another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from avsync.config_yaml import Loader, Loc

Mistake = tuple[Loc, str, dict[str, Any]]

BOTH_WAYS = ("import", "export", "both")
DIRECTIONS = {"projects": ("import", "export"), "invoice": ("export",), "hours": ("export",)}
OFF = (None, False, "off")
DATED_FLOWS = ("orders", "invoice", "hours")
PARTS = {"accountview": ("business_object", "table", "columns"), "crafter": ("path", "fields")}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
FIELD = re.compile(r"[^\W\d][\w.-]{0,63}")
PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")


def across(raw: Any) -> list[Mistake]:
    """All mistakes between keys, as (location, text key, parameters)."""
    if not isinstance(raw, dict):
        return []
    return [*_flow_rules(raw), *_overrides(raw, "accountview"), *_overrides(raw, "crafter")]


def _section(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _flow_rules(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    given = _section(raw, "flows")
    flows = {flow: value for flow, value in given.items() if value in DIRECTIONS.get(flow, BOTH_WAYS)}
    dated = [flow for flow in DATED_FLOWS if flow in flows]
    if dated and raw.get("start_date") is None:
        yield ("start_date",), "start_date_needed", {"flows": ", ".join(dated)}
    if flows.get("customers") in ("export", "both") and _section(raw, "accountview").get("debtor_account") is None:
        yield ("accountview", "debtor_account"), "debtor_account_needed", {"direction": flows["customers"]}
    if "invoice" in flows and given.get("orders") in OFF:
        yield ("flows", "invoice"), "invoice_needs_orders", {}
    for code in ("work", "travel"):
        if "hours" in flows and _section(raw, "time_codes").get(code) is None:
            yield ("time_codes", code), "time_code_needed", {}


@cache
def known_names(side: str) -> dict[str, frozenset[str]]:
    """Kind → neutral names that may be overridden: the schema file of that side, read as data."""
    file = Path(__file__).with_name("services") / side / "schema.yaml"
    names = PARTS[side][-1]
    kinds = yaml.load(file.read_text("utf-8"), Loader)  # noqa: S506 - a safe loader
    return {kind: frozenset(parts.get(names) or {}) for kind, parts in kinds.items()}


def _overrides(raw: Mapping[str, Any], side: str) -> Iterator[Mistake]:
    overrides = _section(raw, side).get("schema")
    if not isinstance(overrides, dict) or not overrides:
        return
    known = known_names(side)
    for kind, parts in overrides.items():
        loc = (side, "schema", kind)
        if kind not in known:
            yield loc, "unknown", {"known": sorted(known)}
        elif isinstance(parts, dict):
            yield from _parts(loc, parts, side, known[kind])


def _parts(loc: Loc, parts: Mapping[str, Any], side: str, names: frozenset[str]) -> Iterator[Mistake]:
    allowed = PARTS[side]
    for part, value in parts.items():
        here = (*loc, part)
        if part not in allowed:
            yield here, "unknown", {"known": list(allowed)}
        elif part != allowed[-1]:
            yield from _name(here, value, PATH if part == "path" else NAME)
        elif not isinstance(value, dict):
            yield here, "model_type", {"known": sorted(names)}
        else:
            for neutral, name in value.items():
                if neutral not in names:
                    yield (*here, neutral), "unknown", {"known": sorted(names)}
                else:
                    yield from _name((*here, neutral), name, NAME if side == "accountview" else FIELD)


def _name(loc: Loc, value: Any, form: re.Pattern[str]) -> Iterator[Mistake]:
    """Names of the other side end up in URLs: only what can be a name passes."""
    if not isinstance(value, str):
        yield loc, "string_type", {}
    elif not form.fullmatch(value):
        yield loc, "path_form" if form is PATH else "name_form", {}
