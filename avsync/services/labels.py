"""What labels and names say, as sets of ideas: `Debiteurnr` and `Nummer debiteur` say the same, and so do `klantId` and
`customer_id`. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_LITTLE = 0.35  # what a word that says little weighs
_EARLIER = 0.01  # how much closer a phrase is than the next one
_BETWEEN = ("", "s", "e", "n", "en", "er", "ings")  # what joins the parts of a compound
_WORD = re.compile(r"[a-z0-9]+")


@cache
def _table() -> Mapping[str, Any]:
    text = Path(__file__).with_name("labels.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@cache
def _ideas() -> dict[str, str]:
    """Word -> idea."""
    kept = {idea: words for idea, words in _table().items() if idea not in ("little", "nothing")}
    return {word: idea for idea, words in kept.items() for word in words}


@cache
def ideas(label: str) -> frozenset[str]:
    """What a label says; a word that nobody knows is an idea of its own."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)  # klantId
    plain = unicodedata.normalize("NFKD", apart.lower()).encode("ascii", "ignore").decode()
    words = _WORD.findall(plain.replace("e-mail", "email"))
    return frozenset(idea for word in words if word not in _table()["nothing"] for idea in _taken_apart(word))


@cache
def _taken_apart(word: str) -> tuple[str, ...]:
    """The ideas of a compound, in as few parts as there are; the word itself when it holds anything else."""
    return _parts(word) or (word,)


def _parts(word: str) -> tuple[str, ...] | None:
    known = _ideas()
    if word in known:
        return (known[word],)
    best: tuple[str, ...] | None = None
    for end in range(len(word) - 1, 1, -1):
        if word[:end] not in known:
            continue
        for joint in _BETWEEN:
            rest = word[end + len(joint) :]
            found = _parts(rest) if rest and word[end:].startswith(joint) else None
            if found and (best is None or len(found) + 1 < len(best)):
                best = (known[word[:end]], *found)
    return best


def _weight(found: Iterable[str]) -> float:
    little = _table()["little"]
    return sum(_LITTLE if idea in little else 1.0 for idea in found)


def alike(label: str, phrase: str) -> float:
    """0 to 1: how much of what the two say is said by both."""
    one, two = ideas(label), ideas(phrase)
    together = _weight(one | two)
    return _weight(one & two) / together if together else 0.0


def closest(label: str, phrases: Sequence[str]) -> float:
    """0 to 1: how well a label fits the phrase that it fits best; earlier ones are closer."""
    return max((alike(label, phrase) * (1 - _EARLIER * place) for place, phrase in enumerate(phrases)), default=0.0)
