"""Single words and headings in both languages, read from words.yaml; sentences stand in problems.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("words.yaml")
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _table() -> Mapping[str, tuple[str, str]]:
    raw = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, in C
    return {str(name): (str(pair[0]), str(pair[1])) for name, pair in raw.items()}


def known(name: str) -> bool:
    """Whether there is such a word."""
    return name in _table()


def word(name: str, language: str) -> str:
    """A word in `nl` or `en`; one that is not in the table is shown as it is, without underscores."""
    pair = _table().get(name)
    return pair[language == "en"] if pair else name.replace("_", " ")
