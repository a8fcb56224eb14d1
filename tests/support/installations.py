"""Recorded installations as tests need them: as a dictionary to learn from, and with every name scrambled."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avsync.sandbox.accountview.installation import Installation, Seen
from avsync.services.accountview.learn import Dictionary, Line
from avsync.services.accountview.metadata import Column, Rights

SHIPPED = ("contract", "elsewhere", "small")


def column(seen: Seen) -> Column:
    return Column(seen.type, seen.length, seen.decimals or None, seen.mandatory, seen.upper, seen.label)


def dictionary(like: Installation) -> Dictionary:
    """All of it, as if it had been read."""
    objects = {code: text.partition(" ") for code, text in like.objects.items()}
    return Dictionary(
        {code: Rights(label, "i" in rights, "u" in rights) for code, (rights, _, label) in objects.items()},
        {
            name: Rights(file.description, "i" in file.rights, "u" in file.rights, file.object, file.header, file.child)
            for name, file in like.files.items()
        },
        {name: {wire: column(seen) for wire, seen in file.columns.items()} for name, file in like.files.items()},
    )


def names(part: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The names of a part, by path: `("columns", "number")`."""
    found: dict[tuple[str, ...], str] = {}
    for key, value in part.items():
        if isinstance(value, Mapping):
            found |= {(key, *path): name for path, name in names(value).items()}
        elif key != "period":
            found[(key,)] = value
    return found


def learnt(lines: tuple[Line, ...]) -> dict[tuple[str, ...], str]:
    """The same of what was learnt."""
    return {line.path: line.name for line in lines if line.path[-1] != "period"}


def scrambled(like: Installation, seed: int) -> Installation:
    """The same installation with every object, table and column called something else; the labels stay."""
    rng = random.Random(seed)

    def fresh(length: int) -> str:
        return "".join(rng.choice(string.ascii_uppercase) for _ in range(length))

    objects = {code: fresh(3) for code in like.objects}
    tables = {name: fresh(8) for name in like.files} | {"": ""}
    columns = {name: {wire: fresh(10) for wire in file.columns} for name, file in like.files.items()}

    def part(old: Mapping[str, Any]) -> dict[str, Any]:
        own = columns[old["table"]]
        new = {**old, "table": tables[old["table"]]}
        new["columns"] = {neutral: own[wire] for neutral, wire in old["columns"].items()}
        if "business_object" in old:
            new["business_object"] = objects[old["business_object"]]
        if "key" in old:
            new["key"] = own[old["key"]]
        return new | ({"header": part(old["header"])} if "header" in old else {})

    files = {
        tables[name]: replace(
            file, object=objects.get(file.object, ""), header=tables[file.header], child=tables[file.child],
            columns={columns[name][wire]: seen for wire, seen in file.columns.items()},
        )
        for name, file in like.files.items()
    }  # fmt: skip
    return replace(
        like,
        objects={objects[code]: text for code, text in like.objects.items()},
        files=dict(sorted(files.items())),
        parts={kind: part(old) for kind, old in like.parts.items()},
    )
