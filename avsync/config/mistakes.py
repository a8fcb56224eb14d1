"""The config file as it was written, and what is wrong with it in plain words, one line each: path, line, what may be.

YAML reads `0042` as a number and `off` as false. A config full of codes with leading zeros needs the text as it was, so
that the message can say what to put between quotes, and on which line. What keys demand of each other is judged on the
file as it was written too, so that it is told together with the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from avsync.errors import ConfigError
from avsync.messages.texts import known as is_known
from avsync.messages.texts import phrase
from avsync.services import names_of

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 20
MOST_VALUES = 5000  # an alias stands for all that is behind it: a few lines can mean more than any memory holds
LARGEST = 1 << 20  # bytes

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # what no name of a file, no header and no text can hold

Loc = tuple[str | int, ...]
Mistake = tuple[Loc, str, dict[str, Any]]  # where, which text, what to fill in

ON = ("import", "export", "both")
DATED_FLOWS = ("orders", "invoice", "hours")
NAME = (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"), "name_form")
FIELD = (re.compile(r"[^\W\d][\w.-]{0,63}"), "name_form")
PATH = (re.compile(r"(/[A-Za-z0-9_-]+)+"), "path_form")
PARTS = {  # of an override, and the form that names have there
    "accountview": {"business_object": NAME, "table": NAME, "columns": NAME},
    "crafter": {"path": PATH, "fields": FIELD},
}
SHEET = ("table", "key", "columns", "period", "create")  # of the header of rows that stand on a sheet
ON_SHEET = ("employee", "period_start")
PERIODS = ("week", "month")


@dataclass
class Source:
    """A parsed file: `data` holds plain values, `text` the whole, `written` each scalar's, `lines` counts from 1.

    `mistakes` are (location, text key, parameters) found while reading, such as a key that is there twice.
    """

    data: Any = None
    text: str = ""
    written: dict[Loc, str] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    values: int = 0


def read(path: Path) -> Source:
    """Read a config file; what keeps it from that is a ConfigError that names the file (and line)."""
    try:
        text = _text(path)
        loader = _LOADER(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError("config_empty", path=str(path))
        source = Source(text=text)
        source.data = _value(loader, node, (), source)
        if source.values > MOST_VALUES:
            raise ConfigError("config_too_large", path=str(path))
        return source
    except RecursionError:
        raise ConfigError("config_too_large", path=str(path)) from None
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        detail = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "YAML"
        raise ConfigError("config_broken", path=str(path), line=mark.line + 1 if mark else "?", detail=detail) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise ConfigError("config_too_large", path=str(path))
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("config_not_found", path=str(path)) from None
    except IsADirectoryError:
        raise ConfigError("config_is_directory", path=str(path)) from None
    except UnicodeDecodeError as exc:
        raise ConfigError("config_not_utf8", path=str(path), byte=exc.start) from None
    except OSError as exc:
        raise ConfigError("config_unreadable", path=str(path), detail=exc.strerror or str(exc)) from None


def _value(loader: Any, node: Any, loc: Loc, source: Source) -> Any:
    source.lines.setdefault(loc, node.start_mark.line + 1)
    source.values += 1
    if source.values > MOST_VALUES:
        return None
    if len(loc) > MAX_DEPTH:
        source.mistakes.append((loc[:3], "too_deep", {}))
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, loc, source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*loc, number), source) for number, item in enumerate(node.value)]
    source.written[loc] = node.value
    if _UNWRITABLE.search(node.value):
        source.mistakes.append((loc, "unwritable", {}))
        return None
    return _scalar(loader, node)


def _mapping(loader: Any, node: Any, loc: Loc, source: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            source.mistakes.append((loc, "odd_key", {}))
            continue
        key, line = _UNWRITABLE.sub("?", str(key_node.value)), key_node.start_mark.line + 1
        if key in values:
            first = source.lines[(*loc, key)]
            source.mistakes.append(((*loc, key), "twice", {"first": first, "second": line}))
            continue
        source.lines[(*loc, key)] = line
        values[key] = _value(loader, value_node, (*loc, key), source)
    return values


def _scalar(loader: Any, node: Any) -> Any:
    """What YAML makes of it; a date that does not exist or an unknown tag stays the text that was written."""
    try:
        return loader.construct_object(node)
    except (ValueError, yaml.constructor.ConstructorError):
        return str(node.value)


def explain(root: type[BaseModel], source: Source, errors: Iterable[Any]) -> list[str]:
    """One line `- path (line n): words` per mistake, in the order of the file; `errors` are pydantic's."""
    raw = source.data if isinstance(source.data, dict) else {}
    wrong: list[Mistake] = [(error["loc"], error["type"], error.get("ctx", {})) for error in errors]
    rules = [*_across(raw, {loc for loc, _, _ in wrong}), *_overrides(raw, "accountview"), *_overrides(raw, "crafter")]
    found = [*source.mistakes, *rules, *wrong]
    speaker = _Speaker(root, source)
    lines = {speaker.line(*mistake): speaker.place(mistake[0]) for mistake in found}
    return sorted(lines, key=lambda line: lines[line])


def language_of(raw: Any) -> str:
    """The language of a file that may be wrong."""
    return "en" if isinstance(raw, dict) and raw.get("language") == "en" else "nl"


def _section(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _across(raw: Mapping[str, Any], wrong: set[Loc]) -> Iterator[Mistake]:
    """What a flow that is on demands of other keys; a flow with a mistake of its own demands nothing."""
    given = _section(raw, "flows")
    flows = {flow: value for flow, value in given.items() if value in ON and ("flows", flow) not in wrong}
    dated = [flow for flow in DATED_FLOWS if flow in flows]
    if dated and raw.get("start_date") is None:
        yield ("start_date",), "start_date_needed", {"flows": ", ".join(dated)}
    if flows.get("customers") in ("export", "both") and _section(raw, "accountview").get("debtor_account") is None:
        yield ("accountview", "debtor_account"), "debtor_account_needed", {"direction": flows["customers"]}
    if "invoice" in flows and given.get("orders") in (None, False, "off"):
        yield ("flows", "invoice"), "invoice_needs_orders", {}
    for code in ("work", "travel"):
        if "hours" in flows and _section(raw, "time_codes").get(code) is None:
            yield ("time_codes", code), "time_code_needed", {}


def _overrides(raw: Mapping[str, Any], side: str) -> Iterator[Mistake]:
    overrides = _section(_section(raw, side), "schema")
    known = names_of(side) if overrides else {}
    for kind, parts in overrides.items():
        if kind not in known:
            yield (side, "schema", kind), "extra_forbidden", {"known": sorted(known)}
        elif isinstance(parts, dict):
            here, may_be = (side, "schema", kind), "sheet" in known[kind]
            rest = {part: value for part, value in parts.items() if part != "header" or not may_be}
            yield from _parts(here, rest, frozenset(known[kind][list(PARTS[side])[-1]]), ["header"] if may_be else [])
            if "header" in parts and may_be:
                yield from _header((*here, "header"), parts["header"])


def _header(loc: Loc, given: Any) -> Iterator[Mistake]:
    """The sheet that rows stand on: nothing of it has a name that could be expected, so all must be said."""
    if not isinstance(given, dict):
        yield loc, "model_type", {"known": list(SHEET)}
        return
    columns = _section(given, "columns")
    for missing in [(one,) for one in SHEET[:3] if one not in given]:
        yield (*loc, *missing), "missing", {}
    for name in ON_SHEET if "columns" in given else ():
        if name not in columns:
            yield (*loc, "columns", name), "missing", {}
    names = {part: value for part, value in given.items() if part not in ("period", "create")}
    yield from _parts(loc, names, frozenset(ON_SHEET), list(SHEET), {"table": NAME, "key": NAME, "columns": NAME})
    if given.get("period", "week") not in PERIODS:
        yield (*loc, "period"), "literal_error", {"expected": " or ".join(PERIODS)}
    if not isinstance(given.get("create", True), bool):
        yield (*loc, "create"), "bool_type", {}


def _parts(
    loc: Loc, parts: Mapping[str, Any], names: frozenset[str], more: list[str], forms: Mapping[str, Any] | None = None
) -> Iterator[Mistake]:
    forms = forms or PARTS[str(loc[0])]
    for part, value in parts.items():
        here = (*loc, part)
        if part not in forms:
            yield here, "extra_forbidden", {"known": list(dict.fromkeys([*forms, *more]))}
        elif part not in ("columns", "fields"):
            yield from _name(here, value, *forms[part])
        elif not isinstance(value, dict):
            yield here, "model_type", {"known": sorted(names)}
        else:
            for neutral, name in value.items():
                if neutral in names:
                    yield from _name((*here, neutral), name, *forms[part])
                else:
                    yield (*here, neutral), "extra_forbidden", {"known": sorted(names)}


def _name(loc: Loc, value: Any, form: re.Pattern[str], text: str) -> Iterator[Mistake]:
    """Names of the other side end up in URLs: only what can be a name passes."""
    if not isinstance(value, str):
        yield loc, "string_type", {}
    elif not form.fullmatch(value):
        yield loc, text, {}


class _Speaker:
    def __init__(self, root: type[BaseModel], source: Source) -> None:
        self.root, self.source, self.language = root, source, language_of(source.data)

    def place(self, loc: Loc) -> int:
        """The line a mistake belongs to; something that is not there belongs to the section that lacks it."""
        while loc and loc not in self.source.lines:
            loc = loc[:-1]
        return self.source.lines[loc] if loc else 0

    def line(self, loc: Loc, kind: str, params: dict[str, Any]) -> str:
        section = self._section(loc)
        written = self.source.written.get(loc, "{…}")
        values = {"written": written if len(written) <= 60 else written[:59] + "…", **params}
        if getattr(section, "is_secret", False) and kind in ("model_type", "missing"):
            kind = "secret_form"
        elif kind == "string_type" and loc in self.source.written:
            kind = "quotes"
        elif kind == "extra_forbidden":
            values["hint"] = self._hint(loc, params.get("known"))
        elif kind == "model_type":
            values["known"] = ", ".join(params.get("known") or (keys_of(section) if section else ()))
        elif kind == "literal_error":
            values["expected"] = str(params["expected"]).replace("'", "").replace(" or ", ", ")
        words = self._say(kind if is_known(kind, "config") else "other", **values)
        number = self.source.lines.get(loc)
        where = self._say("at_line", number=number) if number and loc else ""
        return f"- {_dotted(loc) or self._say('whole_file')}{where}: {words}"

    def _say(self, name: str, **params: Any) -> str:
        return phrase("config", name, self.language, **params)

    def _section(self, loc: Loc) -> type[BaseModel] | None:
        """The model that stands at a location, if there is one."""
        section: type[BaseModel] | None = self.root
        for key in loc:
            section = dict(_children(section)).get(str(key)) if section else None
        return section

    def _hint(self, loc: Loc, known: list[str] | None) -> str:
        """The nearest known key: here, else the same name elsewhere in the file, else all known here."""
        key = str(loc[-1])
        here = known if known is not None else keys_of(self._section(loc[:-1]) or self.root)
        for near in difflib.get_close_matches(key.lower().replace("-", "_"), here, n=1, cutoff=0.6):
            return self._say("meant", nearest=_dotted((*loc[:-1], near)))
        for path in _paths(self.root) if known is None else ():
            if path.rpartition(".")[2] == key:
                return self._say("meant", nearest=path)
        return self._say("known", known=", ".join(here))


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def keys_of(section: type[BaseModel]) -> list[str]:
    """The YAML keys of a section, in the order of the example."""
    return [one.alias or name for name, one in section.model_fields.items()]


def _children(section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, one in section.model_fields.items():
        for candidate in (one.annotation, *get_args(one.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield one.alias or name, candidate


def _paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    children = dict(_children(section))
    for key in keys_of(section):
        yield prefix + key
        if key in children:
            yield from _paths(children[key], f"{prefix}{key}.")
