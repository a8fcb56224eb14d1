"""What our schema asks for and AccountView's dictionary lacks, with the names that may be meant instead. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal

from avsync.services.accountview.dictionary import Column as Column
from avsync.services.accountview.dictionary import Metadata as Metadata
from avsync.services.accountview.dictionary import load as load
from avsync.services.accountview.schema import TableSchema

CANDIDATES = 3
_ALIKE = 0.75  # two names that share this much may be the same thing
_CLASSES = {"C": "text", "M": "text", "D": "date", "T": "date", "L": "yes or no"}
_INSERT, _UPDATE = "insert", "update"

Option = tuple[str, str]  # name and description


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a kind needs that is not there. `name` is AccountView's name; `neutral` ours, when it is a column.

    `candidates` are shown to a person, e.g. `UURSOORT (Uursoort)`. `optional`: avsync can do without.
    """

    kind: str
    what: Literal["object", "table", "column", "insert", "update"]
    name: str
    candidates: list[str] = field(default_factory=list)
    optional: bool = False
    neutral: str = ""


def verify(
    metadata: Metadata, schema: Mapping[str, TableSchema], needs: Mapping[str, Collection[str]]
) -> list[Missing]:
    """All that is missing for these kinds; `needs` says per kind whether avsync will `read`, `insert`, `update`."""
    return [missing for kind, rights in needs.items() for missing in _kind(metadata, schema[kind], rights)]


def _kind(metadata: Metadata, table: TableSchema, rights: Collection[str]) -> Iterator[Missing]:
    if table.business_object.upper() not in metadata.objects:
        options = [(code, one.description) for code, one in metadata.objects.items()]
        yield Missing(table.kind, "object", table.business_object, _ranked(options, table.business_object, table.words))
    elif not metadata.columns.get(table.table.upper()):
        yield Missing(table.kind, "table", table.table, _tables(metadata, table))
    else:
        yield from _columns(metadata, table)
        yield from _rights(metadata, table, rights)


def _tables(metadata: Metadata, table: TableSchema) -> list[str]:
    """Tables of the same business object come first: there the name alone is wrong."""
    code = table.business_object.upper()
    own = [f"{name} ({one.description})" for name, one in metadata.tables.items() if one.business_object == code]
    options = [(name, one.description) for name, one in metadata.tables.items()]
    return list(dict.fromkeys([*own, *_ranked(options, table.table, table.words)]))[:CANDIDATES]


def _columns(metadata: Metadata, table: TableSchema) -> Iterator[Missing]:
    there = metadata.columns[table.table.upper()]
    taken = {name.upper() for name in table.columns.values()}
    for neutral, name in table.columns.items():
        if name.upper() in there:
            continue
        sort = _class(table.type(neutral))
        options = [
            (other, column.description)
            for other, column in there.items()
            if other not in taken and _class(column.type) == sort
        ]
        candidates = _ranked(options, name, table.described.get(neutral, ()))
        yield Missing(table.kind, "column", name, candidates, neutral in table.optional, neutral)


def _rights(metadata: Metadata, table: TableSchema, rights: Collection[str]) -> Iterator[Missing]:
    """Rights of the object and of the table; details are written by updating the object of their header."""
    granted = metadata.objects[table.business_object.upper()]
    file = metadata.tables.get(table.table.upper())
    object_insert = granted.update if table.parent else granted.insert
    if _INSERT in rights and not (object_insert and (file is None or file.insert)):
        yield Missing(table.kind, "insert", table.table)
    if _UPDATE in rights and not (granted.update and (file is None or file.update)):
        yield Missing(table.kind, "update", table.table)


def _class(letter: str) -> str:
    return _CLASSES.get(letter, "number")


def _ranked(options: Iterable[Option], name: str, words: Collection[str]) -> list[str]:
    """The options that look most like what is meant, best first."""
    scored = [(_likeness(option, name, words), option) for option in options]
    best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1]))
    return [f"{option} ({description})" if description else option for _, (option, description) in best[:CANDIDATES]]


def _likeness(option: Option, name: str, words: Collection[str]) -> float:
    """0 to 1: by our words in the description (earlier words are closer), else by a similar name."""
    described = option[1].lower()
    by_words = max((_fit(word, described) - place / 100 for place, word in enumerate(words)), default=0.0)
    alike = SequenceMatcher(None, option[0].upper(), name.upper()).ratio()
    return max(by_words, alike * 0.6 if alike >= _ALIKE else 0.0)


def _fit(word: str, described: str) -> float:
    if word == described:
        return 1.0
    if described.startswith(word):
        return 0.9
    return 0.8 if word in described else 0.0
