"""Config mistakes in plain words (nl, en), one line each: path, line in the file, what is allowed there.

The keys are pydantic's error types and the rules of `config_rules`; loaded only when there is a need.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from avsync.config.secret import Secret
from avsync.config.yaml_file import Loader, Loc, Source

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
    file = Path(__file__).parents[1].joinpath("services") / side / "schema.yaml"
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


TEXTS: dict[str, tuple[str, str]] = {
    "missing": ("ontbreekt, maar is verplicht", "is missing, but required"),
    "unknown": ("deze sleutel bestaat niet{hint}", "there is no such key{hint}"),
    "twice": (
        "staat er twee keer (regel {first} en {second}); haal er een weg",
        "stands there twice (lines {first} and {second}); remove one",
    ),
    "odd_key": ("hier staat een sleutel die geen woord is", "there is a key here that is not a word"),
    "too_deep": ("zit te diep genest", "is nested too deeply"),
    "empty": ("mag niet leeg zijn", "must not be empty"),
    "literal_error": (
        "moet een van deze zijn: {expected}; er staat {written}",
        "must be one of: {expected}; it says {written}",
    ),
    "string_type": ("moet tekst zijn", "must be text"),
    "quotes": (
        'zet het tussen aanhalingstekens: "{written}" (YAML maakt er anders een getal, datum of ja/nee van, '
        "en voorloopnullen gaan verloren)",
        'put it between quotes: "{written}" (otherwise YAML makes it a number, a date or yes/no, '
        "and leading zeros are lost)",
    ),
    "int_type": (
        "moet een geheel getal zijn; er staat {written}",
        "must be a whole number; it says {written}",
    ),
    "float_type": ("moet een getal zijn; er staat {written}", "must be a number; it says {written}"),
    "finite_number": ("moet een gewoon getal zijn", "must be an ordinary number"),
    "greater_than": (
        "moet meer zijn dan {gt}; er staat {written}",
        "must be more than {gt}; it says {written}",
    ),
    "greater_than_equal": (
        "moet minstens {ge} zijn; er staat {written}",
        "must be at least {ge}; it says {written}",
    ),
    "less_than_equal": (
        "mag hoogstens {le} zijn; er staat {written}",
        "must be at most {le}; it says {written}",
    ),
    "date_type": (
        "moet een bestaande datum zijn, zoals 2026-01-01; er staat {written}",
        "must be an existing date such as 2026-01-01; it says {written}",
    ),
    "path_type": ("moet een map zijn, als tekst", "must be a folder, as text"),
    "list_type": ('moet een lijst zijn, zoals ["A", "B"]', 'must be a list such as ["A", "B"]'),
    "model_type": ("moet een groep sleutels zijn: {known}", "must be a group of keys: {known}"),
    "dict_type": ("moet een groep sleutels zijn", "must be a group of keys"),
    "secret_form": (
        "een geheim staat niet in dit bestand; schrijf een van deze drie: {{env: NAAM}}, {{file: PAD}} of "
        '{{command: "programma argument"}}',
        "a secret does not stand in this file; write one of these three: {{env: NAME}}, {{file: PATH}} or "
        '{{command: "program argument"}}',
    ),
    "secret_command": (
        "is geen opdracht die in woorden te splitsen is; controleer de aanhalingstekens",
        "is not a command that can be split into words; check the quotes",
    ),
    "url_form": (
        "moet een volledig adres zijn dat begint met https://; er staat {written}",
        "must be a full address that starts with https://; it says {written}",
    ),
    "url_extras": (
        "mag geen gebruikersnaam, wachtwoord, ? of # bevatten",
        "must not contain a user name, a password, ? or #",
    ),
    "url_plain_http": (
        "moet met https:// beginnen; http mag alleen naar deze computer zelf (localhost)",
        "must start with https://; http is allowed only to this computer itself (localhost)",
    ),
    "redirect_form": (
        "moet een adres op deze computer met poortnummer zijn, zoals http://localhost:8765/callback",
        "must be an address on this computer with a port, such as http://localhost:8765/callback",
    ),
    "name_form": (
        "moet een naam van letters, cijfers en _ zijn; er staat {written}",
        "must be a name of letters, digits and _; it says {written}",
    ),
    "path_form": (
        "moet een pad zijn, zoals /klanten; er staat {written}",
        "must be a path such as /klanten; it says {written}",
    ),
    "start_date_needed": (
        "is verplicht zodra orders, invoice of hours aan staan (nu: {flows}), zoals 2026-01-01; "
        "wat ouder is gaat niet mee",
        "is required as soon as orders, invoice or hours are on (now: {flows}), such as 2026-01-01; "
        "nothing older travels",
    ),
    "debtor_account_needed": (
        'is verplicht bij flows.customers: {direction}: de verzamelrekening voor nieuwe debiteuren, zoals "1300"',
        'is required with flows.customers: {direction}: the collective account for new customers, such as "1300"',
    ),
    "invoice_needs_orders": (
        "kan niet zonder orders; zet flows.orders op import, export of both, of flows.invoice op off",
        "cannot do without orders; set flows.orders to import, export or both, or flows.invoice to off",
    ),
    "time_code_needed": (
        'is verplicht als flows.hours aan staat: de urencode in AccountView, tussen aanhalingstekens, zoals "100"',
        'is required when flows.hours is on: the time code in AccountView, between quotes, such as "100"',
    ),
    "other": ("klopt niet; er staat {written}", "is not right; it says {written}"),
}
SAME_AS = {
    "int_from_float": "int_type",
    "int_parsing": "int_type",
    "string_too_short": "empty",
    "extra_forbidden": "unknown",
}
SAME_AS |= {"model_attributes_type": "model_type"}
LINE = ("regel", "line")
MEANT = ("; bedoelde u {nearest}?", "; did you mean {nearest}?")
KNOWN = ("; wel: {known}", "; known are: {known}")
WHOLE = ("het bestand", "the file")


def explain(
    root: type[BaseModel], source: Source, errors: list[Any], mistakes: list[Mistake], language: str
) -> list[str]:
    """One line `- path (line n): words` per mistake, in the order of the file."""
    speaker = _Speaker(root, source, 1 if language == "en" else 0)
    found = list(mistakes)
    for error in errors:
        found.append((error["loc"], error["type"], error.get("ctx", {})))
    lines = {speaker.line(*mistake): speaker.place(mistake[0]) for mistake in found}
    return sorted(lines, key=lambda text: lines[text])


class _Speaker:
    def __init__(self, root: type[BaseModel], source: Source, column: int) -> None:
        self.root, self.source, self.column = root, source, column

    def place(self, loc: Loc) -> int:
        """The line a mistake belongs to; something that is not there belongs to the section that lacks it."""
        while loc and loc not in self.source.lines:
            loc = loc[:-1]
        return self.source.lines.get(loc, 0) if loc else 0

    def line(self, loc: Loc, kind: str, params: dict[str, Any]) -> str:
        section = self._section(loc)
        kind = SAME_AS.get(kind, kind)
        if section is not None and issubclass(section, Secret) and kind in ("model_type", "missing"):
            kind = "secret_form"
        if kind == "string_type" and loc in self.source.written:
            kind = "quotes"
        values = {"written": self._written(loc), **params}
        if kind == "unknown":
            values["hint"] = self._hint(loc, params.get("known"))
        elif kind == "model_type":
            values["known"] = ", ".join(params.get("known") or (_keys(section) if section else ()))
        elif kind == "literal_error":
            values["expected"] = str(params["expected"]).replace("'", "").replace(" or ", ", ")
        text = TEXTS.get(kind, TEXTS["other"])[self.column].format_map(values)
        number = self.source.lines.get(loc)
        where = f" ({LINE[self.column]} {number})" if number and loc else ""
        return f"- {_dotted(loc) or WHOLE[self.column]}{where}: {text}"

    def _written(self, loc: Loc) -> str:
        text = self.source.written.get(loc)
        if text is None:
            return "{…}"
        return text if len(text) <= 60 else text[:59] + "…"

    def _section(self, loc: Loc) -> type[BaseModel] | None:
        """The model that stands at a location, if there is one."""
        section: type[BaseModel] | None = self.root
        for key in loc:
            section = dict(_children(section)).get(str(key)) if section else None
        return section

    def _hint(self, loc: Loc, known: list[str] | None) -> str:
        """The nearest known key: here, else the same name elsewhere in the file, else all known here."""
        key = str(loc[-1])
        here = known if known is not None else _keys(self._section(loc[:-1]) or self.root)
        near = difflib.get_close_matches(key.lower().replace("-", "_"), here, n=1, cutoff=0.6)
        elsewhere = [path for path in _paths(self.root) if path.rpartition(".")[2] == key and known is None]
        if near or elsewhere:
            nearest = _dotted((*loc[:-1], near[0])) if near else elsewhere[0]
            return MEANT[self.column].format(nearest=nearest)
        return KNOWN[self.column].format(known=", ".join(here))


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _children(section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in section.model_fields.items():
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield field.alias or name, candidate


def _paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    children = dict(_children(section))
    for key in _keys(section):
        yield prefix + key
        if key in children:
            yield from _paths(children[key], f"{prefix}{key}.")
