"""Every word and sentence for people, in Dutch and English; the data stands in the YAML files beside this module.

problems.yaml is the one table of what can go wrong: who must act, how bad it is, and what to say. words.yaml holds what
tables and sentences are made of; check.yaml, config.yaml and login.yaml what those commands say besides.

A code that is not in the table, or a parameter that a sentence lacks, still gives a readable message: telling somebody
that something is wrong must never itself go wrong.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_LONGEST = 300
_LISTS = ("mistakes", "missing", "compared")  # parameters that are lines of our own
_MAY_BEGIN = ("field", "this", "parent_kind")  # what a sentence may begin with: {Field}
_QUOTED = "quoted_"  # how a gap begins whose value is copied into a shell: {quoted_number}
_QUANTITIES = ("quantity", "rounded", "hours")
_SYSTEMS = {"accountview": "AccountView", "crafter": "Crafter"}
_UNITS = (("w", 7 * 86400), ("d", 86400), ("h", 3600), ("m", 60))
_GAP = re.compile(r"\{([\w/]+)(?::(\w+))?\}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_ROW = re.compile(r'^("[^"]*"|[\w.-]+):', re.MULTILINE)
_PAIR = re.compile(r'("[^"]*"|[\w.-]+): (.*)')
_WORD = re.compile(r"(?:operator|bookkeeper|planner|support|nobody|side|error|warning|waiting)\Z")
_PAIRS = ("changes", "differences")  # and those that are lists of a field and two values


class _Rows(Mapping[str, Any]):
    """The rows of a file, each parsed when it is asked for: of a long table a command says a sentence or two."""

    def __init__(self, text: str) -> None:
        found = list(_ROW.finditer(text))
        ends = [one.start() for one in found[1:]] + [len(text)]
        self._written = {one[1].strip('"'): text[one.start() : end] for one, end in zip(found, ends, strict=True)}
        self._parsed: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._parsed:
            self._parsed[name] = _value(self._written[name])
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)

    def __contains__(self, name: object) -> bool:
        return name in self._written


def _value(written: str) -> Any:
    """What a row says. Most are written so that JSON reads them, which is there at once; YAML is for the others."""
    rest = _ROW.sub("", written, count=1)
    try:
        lines = [line for line in map(str.strip, rest.splitlines()) if line and not line.startswith("#")]
        if rest.startswith(" "):
            return json.loads(" ".join(lines))
        pairs = [_PAIR.fullmatch(line).groups() for line in lines]  # type: ignore[union-attr]
        return {name.strip('"'): value if _WORD.match(value) else json.loads(value) for name, value in pairs}
    except (ValueError, AttributeError):
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        (found,) = yaml.load(written, Loader=loader).values()  # noqa: S506 - a safe one, in C
        return found


@cache
def _read(file: str) -> Mapping[str, Any]:
    return _Rows(Path(__file__).with_name(f"{file}.yaml").read_text(encoding="utf-8"))


class _Params(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        name = key.removeprefix(_QUOTED)
        return shlex.quote(str(self[name])) if name != key and name in self else f"{{{key}}}"


def known(name: str, file: str = "words") -> bool:
    """Whether there is such a word, or such a row in another file."""
    return name in _read(file)


def word(name: str, language: str) -> str:
    """A word in `nl` or `en`; one that is not in the table is shown as it is, without underscores."""
    return phrase("words", name, language)


def phrase(file: str, name: str, language: str, /, **params: Any) -> str:
    """A row of `words`, `check`, `config` or `login` in a language, with its gaps filled in."""
    pair = _read(file).get(name)
    return str(pair[language == "en"]).format_map(_Params(params)) if pair else name.replace("_", " ")


def row(code: str) -> Mapping[str, Any]:
    """The row of a code in problems.yaml: `who` must act, the `severity`, and [sentence, next step] per language."""
    return _read("problems").get(code) or {"who": "support", "severity": "error", "nl": (code, "-"), "en": (code, "-")}


def shared(code: str, params: Mapping[str, Any]) -> str:
    """What a problem has in common with those of other records: its code and the parameters that name its cause, which
    stand under `cause` in its row. Empty when it is the record's own (behaviour 48)."""
    names = row(code).get("cause")
    values = [str(params.get(name) or "") for name in names or ()]
    return json.dumps([code, *values], ensure_ascii=False) if any(values) or names == [] else ""


def severity(code: str) -> str:
    """`error`, `warning` or `waiting` (behaviour 27)."""
    return str(row(code)["severity"])


def who(code: str, side: str = "") -> str:
    """Who must act; for some that follows from the side on which the value stands (behaviour 49)."""
    found = str(row(code)["who"])
    return found if found != "side" else "bookkeeper" if side == "accountview" else "planner"


def text(
    code: str, language: str, params: Mapping[str, Any], kind: str = "", side: str = "", number: int = 0
) -> tuple[str, str]:
    """(sentence, next step) in a language, with what was filled in cut to a readable length; of a problem also which
    kind of record it is of, on which side, and its number."""
    shown = _Params({name: _shown(name, value, language, kind) for name, value in params.items()})
    if "parent_name" in params:
        shown["parent_name"] = _behind(params["parent_name"], params.get("parent"))
    if kind:
        those = several(language, {(kind, side)}, "").strip()
        shown |= {"this": _this(kind, side, language), "those": those, "id": number, "system": _SYSTEMS.get(side, "")}
    shown |= {name[0].upper() + name[1:]: upper(str(shown[name])) for name in _MAY_BEGIN if name in shown}
    found = row(code)
    found = found.get("of", {}).get(kind, found)
    for name, variant in found.get("without", {}).items():
        found = variant if params.get(name) in (None, "", "-") else found
    sentence, step = (said.format_map(shown) for said in found["en" if language == "en" else "nl"])
    return sentence.replace(".”.", ".”"), step  # what is quoted may end with a full stop of its own


def upper(sentence: str) -> str:
    """With a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def _this(kind: str, side: str, language: str) -> str:
    name = f"this_{kind}_{side}"
    return word(name if known(name) else f"this_{kind}" if known(f"this_{kind}") else "this", language)


def field_name(name: str, language: str, kind: str = "") -> str:
    """A field as the screens call it, with its article."""
    for found in (f"{kind}.{name}", name):
        if known(found, "fields"):
            return phrase("fields", found, language)
    return name.replace("_", " ")


def common(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of several problems that share a cause as those of one: what differs from record to record is left
    open."""
    first, *others = found
    return {name: value if all(one.get(name) == value for one in others) else "…" for name, value in first.items()}


def _shown(name: str, value: object, language: str, kind: str) -> str:
    """Kinds and fields by the words people use for them; lists of ours keep their lines."""
    if name == "field" and isinstance(value, str):
        return field_name(value, language, kind)
    if name in ("parent_kind", "part", "side", "module", "sort") and isinstance(value, str):
        value = word(value, language)
    if name == "found" and isinstance(value, str):
        return _found(value, language)
    if name == "detail" and isinstance(value, str) and language != "en":
        value = in_dutch(value)
    if isinstance(value, str) and (name in _QUANTITIES or _DAY.match(value)):
        return written(value, "number" if name in _QUANTITIES else "day", language)
    if name in _PAIRS and isinstance(value, list):
        return "; ".join(_pair(name, one, language, kind) for one in value)
    return str(value) if name in _LISTS else _short("-" if value is None or value == "" else value)


def _found(value: str, language: str) -> str:
    """What stood there: its text, or in words what was wrong with it."""
    value = value.replace("T00:00:00", "")
    if value[:1] in "'\"" and len(value) > 1:
        return f"“{_short(value[1:-1] if value[-1:] == value[:1] else value[1:])}”"
    count, _, what = value.partition(" ")
    if count.isdigit() and what == "characters":
        return phrase("words", "found_characters", language, count=count)
    name = f"found_{value.replace(' ', '_')}"
    return word(name, language) if known(name) else f"“{_short(value)}”"


def _pair(name: str, pair: object, language: str, kind: str) -> str:
    """A field with two values: what it was and is, or what it is on either side."""
    field, one, two = pair if isinstance(pair, (list, tuple)) and len(pair) == 3 else (str(pair), None, None)
    first, second = (_shown(str(field), value, language, kind) for value in (one, two))
    called = field_name(str(field), language, kind)
    return phrase("words", f"pair_of_{name}", language, field=called, first=first, second=second)


def change(language: str, kind: str, field: str, old: str | None, new: str | None) -> str:
    """What becomes of a field: what fills it, or (where there is an `old` value) what replaces what."""
    if old is not None:
        return _pair("changes", [field, old, new], language, kind)
    return phrase(
        "words", "filled", language, field=field_name(field, language, kind), value=_shown(field, new, language, kind)
    )


def in_dutch(said: str) -> str:
    """What a machine said in English, as far as it is known. The system's own words stay behind it, to be looked up."""
    for whose, words in _read("details").items():
        for english in sorted(words, key=len, reverse=True):
            dutch = words[english] if whose == "ours" else f"{words[english]} [{english}]"
            parts = re.split(rf"(?<!\w){re.escape(english)}(?!\w)", said)
            said = dutch.join(parts)
            if len(parts) > 1 and whose != "ours":
                break
    return said


def _behind(name: object, key: object) -> str:
    """A name behind its number, unless there is none or the name already stands in the number's place."""
    return f" ({_short(name)})" if name and name != key else ""


def _short(value: object) -> str:
    """Data stays on its line and moves no cursor."""
    shown = str(value)[: _LONGEST + 1]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else " " for char in shown)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


# --- records


def called(language: str, kind: str, key: str, name: str, facts: Mapping[str, str], short: bool = False) -> str:
    """What people call a record, without its kind: `WB00023 (26900001), Ketel`; `short` where many stand together."""
    if not known(kind, "records"):
        return f"{key} ({name})" if key and name and name != key else key or name
    said: list[str] = []
    values = {**facts, "key": key, "name": name}
    pieces = _read("records")[kind]["short" if short else "whole"][language == "en"]
    return "".join(_piece(one, values, said, language) for one in pieces)


def _piece(piece: str, values: Mapping[str, str], said: list[str], language: str) -> str:
    """A piece with its gaps filled, empty when nothing fills them but what was said already."""
    found: list[str] = []

    def fill(gap: re.Match[str]) -> str:
        value = next(filter(None, (values.get(name) for name in gap[1].split("/"))), "")
        found.append(value)
        return written(value, gap[2] or "", language)

    shown = _GAP.sub(fill, piece)
    if not any(value and value not in said for value in found):
        return ""
    said += found
    return shown if len(said) > len(found) else shown.lstrip(", ")


def written(value: str, how: str, language: str) -> str:
    """A canonical value as people write it: a `day`, the same short as a `date`, a `number`, a `word` of the table."""
    if how == "word":
        return word(value, language)
    if how == "number":
        return value if language == "en" else value.replace(".", ",")
    if how in ("day", "date") and _DAY.match(value):
        year, month, day = (int(part) for part in value.split("-"))
        name = word(f"month_{month}", language)
        if how == "day":
            return f"{day} {name} {year}"
        return f"{day} {name[:3]} {year}" if language == "en" else f"{day}-{month}-{year}"
    return _short(value)


def several(language: str, kinds: Collection[tuple[str, str]], count: int | str) -> str:
    """How many records, of these kinds and sides: by their name when it is one. `count` may be left empty."""
    names = {name if known(name) else f"several_{kind}" for kind, side in kinds for name in [f"several_{kind}_{side}"]}
    name = names.pop() if len(names) == 1 else ""
    return phrase("words", name if known(name) else "several", language, count=count)


def stamp(utc: str) -> str:
    """A UTC moment as a spreadsheet in the Netherlands takes it for one."""
    return f"{datetime.fromisoformat(utc).astimezone(_here()):%d-%m-%Y %H:%M}"


def moment(language: str, utc: str) -> str:
    """A UTC moment as the clock in the Netherlands showed it."""
    local = datetime.fromisoformat(utc).astimezone(_here())
    return f"{written(local.date().isoformat(), 'day', language)} {local:%H:%M}"


def age(language: str, utc: str, now: datetime) -> str:
    """How long ago a UTC moment was, in the largest unit that fits."""
    seconds = (now - datetime.fromisoformat(utc)).total_seconds()
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return phrase("words", f"age_{unit}" if count > 1 else f"age_1_{unit}", language, count=count)
    return word("age_now", language)


@cache
def _here() -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Europe/Amsterdam")


def about(language: str, kind: str, side: str, named: str) -> str:
    """A record as a sentence starts with it: its kind, and what people call it."""
    return upper(f"{kind_word(language, kind, side)} {named}".strip())


def kind_word(language: str, kind: str, side: str) -> str:
    """What a kind is called, which may depend on the side."""
    name = f"{kind}_{side}"
    return word(name if known(name) else kind, language)
