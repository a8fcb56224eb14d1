"""Crafter's users held against AccountView's employees: whose hours cannot be booked, and whose code is probably meant.

A user belongs to the employee whose number is his Unieke code (RULES.md, what it does). Nothing here asks or tells.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync.errors import Malformed
from avsync.records.values import bare, code, loose

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """A user or an employee: `code` is the number as avsync compares it, empty when there is none."""

    name: str
    code: str


@dataclass
class Judgement:
    """Users that need attention, each with the employee that is probably meant, or None; `shared`: code → names."""

    count: int = 0
    without: list[tuple[Person, Person | None]] = field(default_factory=list)
    unknown: list[tuple[Person, Person | None]] = field(default_factory=list)
    shared: dict[str, list[str]] = field(default_factory=dict)


def judge(users: Iterable[Row], employees: Iterable[Row]) -> Judgement:
    """Of the users that work here now (neutral rows of both services)."""
    staff = [found for row in employees if (found := _person(row, "number")).code]
    here = [
        _person(row, "unique_code") for row in users if not row.get("deleted_at") and row.get("active") is not False
    ]
    known = {one.code for one in staff}
    taken = {one.code for one in here if one.code in known}
    free = [one for one in staff if one.code not in taken]
    result = Judgement(len(here))
    for user in sorted(here, key=lambda one: one.name.casefold()):
        if not user.code:
            result.without.append((user, _meant(user, free)))
        elif user.code not in known:
            result.unknown.append((user, _meant(user, free)))
        if user.code:
            result.shared.setdefault(user.code, []).append(user.name)
    result.shared = {code: names for code, names in sorted(result.shared.items()) if len(names) > 1}
    return result


def _person(row: Row, key: str) -> Person:
    try:
        number = code(bare(row.get(key), key), key) or ""
    except Malformed:
        number = str(row.get(key))
    return Person(str(row.get("name") or "").strip() or str(row.get("email") or "?"), number)


def _meant(user: Person, free: Sequence[Person]) -> Person | None:
    """The only employee nobody has yet whose number differs by zeros or signs alone, else whose name is the same."""
    by_number = [one for one in free if user.code and loose(one.code) == loose(user.code)]
    found = by_number or [one for one in free if _same_name(user.name, one.name)]
    return found[0] if len(found) == 1 else None


def _same_name(one: str, two: str) -> bool:
    """The same words in any order; or the same last name, and a first name of which one is the other's initial."""
    first, second = _words(one), _words(two)
    if not first or not second:
        return False
    if sorted(first) == sorted(second):
        return True
    if len(first) < 2 or len(second) < 2 or first[-1] != second[-1]:
        return False
    short, long = sorted((first[0], second[0]), key=len)
    return len(short) == 1 and long.startswith(short)


def _words(name: str) -> list[str]:
    """Without capitals and accents; `Bos, Anja` is Anja Bos."""
    last, comma, rest = name.partition(",")
    plain = unicodedata.normalize("NFKD", f"{rest} {last}" if comma else name).casefold()
    return re.findall(r"\w+", "".join(char for char in plain if not unicodedata.combining(char)))
