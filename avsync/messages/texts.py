"""Every word and sentence for people, in Dutch and English; the data stands in the YAML files beside this module.

problems.yaml is the one table of what can go wrong: who must act, how bad it is, and what to say. words.yaml holds what
tables and sentences are made of; check.yaml, config.yaml and login.yaml what those commands say besides.

A code that is not in the table, or a parameter that a sentence lacks, still gives a readable message: telling somebody
that something is wrong must never itself go wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST = 300
_LISTS = ("mistakes", "missing")  # parameters that are lines of our own


@cache
def _read(file: str) -> Mapping[str, Any]:
    raw = Path(__file__).with_name(f"{file}.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(raw, Loader=_LOADER))  # noqa: S506 - a safe loader, in C


class _Params(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


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


def text(code: str, language: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """(sentence, next step) in a language, with what was filled in cut to a readable length."""
    shown = _Params({name: _shown(name, value, language) for name, value in params.items()})
    if "parent_name" in params:
        shown["parent_name"] = _behind(params["parent_name"], params.get("parent"))
    sentence, step = row(code)["en" if language == "en" else "nl"]
    return sentence.format_map(shown), step.format_map(shown)


def common(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of several problems that share a cause as those of one: what differs from record to record is left
    open."""
    first, *others = found
    return {name: value if all(one.get(name) == value for one in others) else "…" for name, value in first.items()}


def _shown(name: str, value: object, language: str) -> str:
    """Kinds and fields by the words people use for them; lists of ours keep their lines."""
    if name in ("field", "parent_kind") and isinstance(value, str):
        value = word(value, language)
    return str(value) if name in _LISTS else _short("-" if value is None or value == "" else value)


def _behind(name: object, key: object) -> str:
    """A name behind its number, unless there is none or the name already stands in the number's place."""
    return f" ({_short(name)})" if name and name != key else ""


def _short(value: object) -> str:
    """Data stays on its line and moves no cursor."""
    shown = "".join(char if char.isprintable() else " " for char in str(value)[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def about(language: str, kind: str, key: str, name: str) -> str:
    """A record as a sentence starts with it: its kind, number and name."""
    named = f" ({name})" if name and name != key else ""
    return f"{word(kind, language).capitalize()} {key}{named}"
