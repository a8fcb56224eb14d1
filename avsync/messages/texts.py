"""The one table of what can go wrong, read from problems.yaml: who must act, how bad it is, and what to say.

A code that is not in the table, or a parameter that a sentence lacks, still gives a readable message: telling somebody
that something is wrong must never itself go wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_WORDS = Path(__file__).with_name("words.yaml")
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _table() -> Mapping[str, tuple[str, str]]:
    raw = yaml.load(_WORDS.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, in C
    return {str(name): (str(pair[0]), str(pair[1])) for name, pair in raw.items()}


def known(name: str) -> bool:
    """Whether there is such a word."""
    return name in _table()


def word(name: str, language: str) -> str:
    """A word in `nl` or `en`; one that is not in the table is shown as it is, without underscores."""
    pair = _table().get(name)
    return pair[language == "en"] if pair else name.replace("_", " ")


_FILE = Path(__file__).with_name("problems.yaml")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST = 300
_LISTS = ("mistakes", "missing")  # parameters that are lines of our own


@dataclass(frozen=True, slots=True)
class Row:
    """One row: who must act, the severity, and (sentence, next step) per language."""

    who: str
    severity: str
    texts: Mapping[str, tuple[str, str]]


@cache
def table() -> Mapping[str, Row]:
    """All rows by code."""
    raw = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=_LOADER) or {}  # noqa: S506 - a safe loader, in C
    return {
        code: Row(
            row["who"], row["severity"], {language: (row[language][0], row[language][1]) for language in ("nl", "en")}
        )
        for code, row in raw.items()
    }


def row(code: str) -> Row:
    """The row of a code."""
    fallback = (code, "-")
    return table().get(code, Row("support", "error", {"nl": fallback, "en": fallback}))


def severity(code: str) -> str:
    """`error`, `warning` or `waiting` (behaviour 27)."""
    return row(code).severity


class _Params(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def text(code: str, language: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """(sentence, next step) in a language, with what was filled in cut to a readable length."""
    shown = _Params({name: _short(_word(language, name, value), name in _LISTS) for name, value in params.items()})
    if "parent_name" in params:
        shown["parent_name"] = _behind(params["parent_name"], params.get("parent") or params.get("project"))
    sentence, step = row(code).texts[language if language in ("nl", "en") else "nl"]
    return sentence.format_map(shown), step.format_map(shown)


def _behind(name: object, key: object) -> str:
    """A name behind its number, unless there is none or the name already stands in the number's place."""
    return f" ({_short(name)})" if name and name != key else ""


def _short(value: object, is_list: bool = False) -> str:
    """Data stays on its line and moves no cursor; lists of ours keep their lines."""
    plain = str(value)
    if is_list:
        return plain
    shown = plain if plain.isprintable() else "".join(char if char.isprintable() else " " for char in plain)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _word(language: str, name: str, value: object) -> object:
    """Kinds and fields are shown by the words people use for them."""
    if name in ("field", "parent_kind") and isinstance(value, str):
        return word(value, language)
    return "-" if value is None or value == "" else value


def kind_word(language: str, kind: str) -> str:
    """What people call a kind."""
    return word(kind, language)


def about(language: str, kind: str, key: str, name: str) -> str:
    """A record as a sentence starts with it: its kind, number and name."""
    named = f" ({name})" if name and name != key else ""
    return f"{kind_word(language, kind).capitalize()} {key}{named}"
