"""What an installation calls things: which object, table and column of its dictionary is meant, and how sure that is.

Labels go before names: names are what differs, and what a label says (`Datum laatste wijz`) is said everywhere. Type,
width and the rest of the table decide between labels that say nearly the same. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cache
from math import log2
from typing import TYPE_CHECKING

from avsync.services.accountview.schema import TableSchema
from avsync.services.labels import closest, ideas

if TYPE_CHECKING:
    from avsync.services.accountview.metadata import Column, Rights

SURE = 0.9  # below this a person confirms it
_GUESS = 0.99  # no guess is as good as a name that is there
_WORTH = 0.6  # below this nothing is offered
_WORTH_OPTIONAL = 0.75  # what avsync can do without is better missed than mistaken
_SHOWN = 0.5  # below this nothing is named as a candidate
_ALIKE = 0.75  # two names that share this much may be the same thing
_CLOSE = 0.02  # a second best that is as close as this makes the best less sure
_DOUBT = 0.1  # how much less, where the two are equal
_SHORT = 5  # tables looked at more closely, for each kind
_CLASSES = {"C": "text", "M": "text", "D": "date", "T": "date", "L": "yes or no"}
_LETTERS = {"NB": 0.9, "NY": 0.7, "NI": 0.3, "TD": 0.6, "DT": 0.6, "CM": 0.5, "MC": 0.5}  # expected, found

Columns = Mapping[str, "Column"]


@dataclass(frozen=True, slots=True)
class Line:
    """One name: `path` as under `accountview.schema.<kind>`, its score (1: stands there as expected), and its label."""

    kind: str
    path: tuple[str, ...]
    name: str
    score: float
    label: str = ""

    @property
    def expected(self) -> bool:
        """Whether it is what the schema already says."""
        return self.score >= 1


@dataclass(frozen=True, slots=True)
class Learnt:
    """What an installation calls one kind. `missing`: what has no answer (`object`, or a neutral column); those among
    them that avsync can do without are `spared`."""

    kind: str
    lines: tuple[Line, ...] = ()
    missing: tuple[str, ...] = ()
    spared: frozenset[str] = frozenset()

    @property
    def left(self) -> tuple[str, ...]:
        """What a person must answer."""
        return tuple(one for one in self.missing if one not in self.spared)


@dataclass(frozen=True)
class Dictionary:
    """All business objects and tables, in upper case; the columns of those tables that were read."""

    objects: Mapping[str, Rights]
    files: Mapping[str, Rights]
    columns: Mapping[str, Columns] = field(default_factory=dict)


# --- one column


def fit(table: TableSchema, neutral: str, name: str, column: Column) -> float:
    """0 to 1: how well a column of the dictionary fits a neutral name; 0 where its type cannot hold it."""
    letter = table.type(neutral)
    if _class(letter) != _class(column.type):
        return 0.0
    said = closest(column.description, table.described.get(neutral, ()))
    named = _alike(name, table.columns[neutral])
    by_label = 0.8 * said + 0.1 * _LETTERS.get(letter + column.type, 1.0) + 0.1 * _width(table, neutral, column)
    by_name = 0.7 * named + 0.1 if named >= _ALIKE and (said > 0 or not column.description) else 0.0
    return min(_GUESS, max(by_label if said > 0 else 0.0, by_name) + 0.01 * named)


def _class(letter: str) -> str:
    return _CLASSES.get(letter, "number")


@cache
def _alike(one: str, two: str) -> float:
    return SequenceMatcher(None, one.upper(), two.upper()).ratio()


def _width(table: TableSchema, neutral: str, column: Column) -> float:
    wanted = table.widths.get(neutral)
    if wanted is None or column.type != "C":
        return 1.0
    return max(0.0, 1 - abs(log2(column.length / wanted)) / 3) if column.length > 0 else 0.7


def candidates(table: TableSchema, neutral: str, there: Columns) -> list[str]:
    """Columns that may be meant, the likeliest first; those that the schema has another use for are left out."""
    taken = {name.upper() for name in table.columns.values()}
    scored = [(fit(table, neutral, name, one), name) for name, one in there.items() if name not in taken]
    return [name for score, name in sorted(scored, key=lambda pair: -pair[0]) if score >= _SHOWN]


def likely(options: Mapping[str, str], name: str, words: tuple[str, ...]) -> list[str]:
    """Of objects or tables (name -> description) those that may be meant, the likeliest first."""
    scored = [(_named(other, description, name, words), other) for other, description in options.items()]
    return [other for score, other in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score >= _SHOWN]


def _named(other: str, description: str, name: str, words: tuple[str, ...]) -> float:
    alike = _alike(other, name)
    return max(closest(description, words), 0.6 * alike if alike >= _ALIKE else 0.0)


# --- the columns of one table


def columns_of(table: TableSchema, there: Columns, prefix: tuple[str, ...] = ("columns",)) -> Learnt:
    """Each neutral name with the column that is meant, no column for two of them."""
    lines = [
        Line(table.kind, (*prefix, neutral), name.upper(), 1.0, there[name.upper()].description)
        for neutral, name in table.columns.items()
        if name.upper() in there
    ]
    taken, named = {line.name for line in lines}, {line.path[-1] for line in lines}
    open_ = [neutral for neutral in table.columns if neutral not in named]
    scores = {
        (neutral, name): fit(table, neutral, name, column)
        for neutral in open_
        for name, column in there.items()
        if name not in taken
    }
    found = _assigned(scores, table)
    lines += [
        Line(table.kind, (*prefix, neutral), name, _sure(scores, neutral, name, found), there[name].description)
        for neutral, name in found.items()
    ]
    lines.sort(key=lambda line: list(table.columns).index(line.path[-1]))
    missing = tuple(neutral for neutral in open_ if neutral not in found)
    return Learnt(table.kind, tuple(lines), missing, frozenset(table.optional))


def _assigned(scores: Mapping[tuple[str, str], float], table: TableSchema) -> dict[str, str]:
    """The best pairs first, each name once; of equal ones the first column."""
    found: dict[str, str] = {}
    for (neutral, name), score in sorted(scores.items(), key=lambda pair: -pair[1]):
        enough = _WORTH_OPTIONAL if neutral in table.optional else _WORTH
        if score >= enough and neutral not in found and name not in found.values():
            found[neutral] = name
    return found


def _sure(scores: Mapping[tuple[str, str], float], neutral: str, name: str, found: Mapping[str, str]) -> float:
    """Less sure where a column that nothing else needs would do nearly as well."""
    own, used = scores[neutral, name], set(found.values())
    others = [score for (one, other), score in scores.items() if one == neutral and other not in used]
    return own - _DOUBT * max(0.0, 1 - (own - max(others, default=0.0)) / _CLOSE)


# --- objects and tables


def shortlist(dictionary: Dictionary, schema: Mapping[str, TableSchema], kinds: Iterable[str]) -> list[str]:
    """The tables whose columns are worth reading: for each kind the likeliest, with what hangs on them."""
    found: list[str] = []
    for kind in kinds:
        table = schema[kind]
        near = _nearest(dictionary, table)
        found += [*near, *(other for name in near for other in _hanging(dictionary, name))]
    return list(dict.fromkeys(found))


def _nearest(dictionary: Dictionary, table: TableSchema) -> list[str]:
    if _stands(dictionary, table):
        return [table.table.upper()]
    options = {name: one.description for name, one in dictionary.files.items()}
    own = [name for name, one in dictionary.files.items() if one.business_object == table.business_object.upper()]
    return list(dict.fromkeys([*own, *likely(options, table.table, table.words)]))[:_SHORT]


def _stands(dictionary: Dictionary, table: TableSchema) -> bool:
    return table.table.upper() in dictionary.files and table.business_object.upper() in dictionary.objects


def _hanging(dictionary: Dictionary, name: str) -> Iterator[str]:
    """The header and the detail tables of a table."""
    one = dictionary.files[name]
    yield from (other for other in (one.header, one.child) if other in dictionary.files)
    yield from (other for other, file in dictionary.files.items() if file.header == name)


def learn(dictionary: Dictionary, schema: Mapping[str, TableSchema], kinds: Collection[str]) -> dict[str, Learnt]:
    """What an installation calls these kinds; kinds whose rows are details come after those they are details of."""
    found: dict[str, Learnt] = {}
    used: dict[str, str] = {}
    for kind in sorted(kinds, key=lambda one: (schema[one].parent is not None, list(schema).index(one))):
        table = schema[kind]
        name, score = _table(dictionary, table, used)
        if not name:
            found[kind] = Learnt(kind, missing=("object",))
            continue
        used[kind] = name
        found[kind] = _kind(dictionary, table, name, score)
    return found


def _table(dictionary: Dictionary, table: TableSchema, used: Mapping[str, str]) -> tuple[str, float]:
    """The table that is meant, and how sure that is; "" where none comes near."""
    if _stands(dictionary, table):
        return table.table.upper(), 1.0
    above = used.get(table.parent or "", "")
    scored = [
        (_likely(dictionary, table, name, above), name)
        for name in dictionary.columns
        if name not in used.values() and _object(dictionary, table, name)
    ]
    score, name = max(scored, default=(0.0, ""))
    return (name, score) if score >= _WORTH else ("", 0.0)


def _likely(dictionary: Dictionary, table: TableSchema, name: str, above: str) -> float:
    """By its description, by what its columns say, and by what it hangs on."""
    file, needed = dictionary.files[name], [one for one in table.columns if one not in table.optional]
    if table.parent and above and name not in _hanging(dictionary, above):
        return 0.0
    if not table.parent and file.header and not table.sheet:
        return 0.0
    columns = {line.path[-1]: line.score for line in columns_of(table, dictionary.columns[name]).lines}
    holds = sum(columns.get(one, 0.0) for one in needed) / len(needed)
    own = 1.0 if name == table.table.upper() else closest(file.description, table.words)
    return min(_GUESS, 0.5 * max(own, 1.0 if table.parent and above else 0.0) + 0.5 * holds)


def _object(dictionary: Dictionary, table: TableSchema, name: str) -> str:
    """The business object by which a table is reached: its own, or its header's."""
    file = dictionary.files[name]
    above = dictionary.files.get(file.header)
    codes = [above.business_object if above else "", file.business_object, table.business_object.upper()]
    return next((code for code in codes if code in dictionary.objects), "")


def _kind(dictionary: Dictionary, table: TableSchema, name: str, score: float) -> Learnt:
    code = table.business_object.upper() if score >= 1 else _object(dictionary, table, name)
    lines = [
        Line(table.kind, ("business_object",), code, _same(code, table.business_object, score),
             dictionary.objects[code].description),
        Line(table.kind, ("table",), name, _same(name, table.table, score), dictionary.files[name].description),
    ]  # fmt: skip
    columns = columns_of(table, dictionary.columns.get(name, {}))
    found = Learnt(table.kind, (*lines, *columns.lines), columns.missing, columns.spared)
    above = dictionary.files[name].header
    return _with_sheet(found, table.sheet, dictionary, above) if table.sheet and above in dictionary.files else found


def _with_sheet(lines: Learnt, sheet: TableSchema, dictionary: Dictionary, name: str) -> Learnt:
    """The sheet that the rows stand under; what stands on it need not stand on the lines."""
    there = dictionary.columns.get(name, {})
    found = columns_of(sheet, there, ("header", "columns"))
    told = [replace(line, path=("header", "key")) if line.path[-1] == sheet.key else line for line in found.lines]
    label = dictionary.files[name].description
    made = [Line(sheet.kind, ("header", "table"), name, _GUESS, label), *told, *_period(sheet, there)]
    missing = [one for one in lines.missing if one not in sheet.columns]
    return Learnt(
        lines.kind, (*lines.lines, *made), (*missing, *(f"header.{one}" for one in found.missing)), lines.spared
    )


def _period(sheet: TableSchema, there: Columns) -> list[Line]:
    """A sheet that says nothing of its period is one of a week."""
    said = {idea: column.description for column in there.values() for idea in ideas(column.description)}
    months = "maand" in said and "week" not in said
    return [Line(sheet.kind, ("header", "period"), "month", SURE, said["maand"])] if months else []


def _same(name: str, expected: str, score: float) -> float:
    return 1.0 if name == expected.upper() else score
