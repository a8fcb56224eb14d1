"""Both worlds at one moment: to go back to, and as plain text to compare.

Compared without what no run controls: moments, row numbers, and the ids and numbers that a server gives out. A record
is named by what it holds instead, and so is every reference to it.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from typing import Any

from avsync.sandbox.accountview.store import Table as Books
from avsync.sandbox.server import Sandbox
from tests.support.bench import Bench


class Picture:
    """Both stores and the state folder at one moment, to go back to as often as needed."""

    def __init__(self, bench: Bench) -> None:
        self.bench, box = bench, bench.box
        self.books = _copy(box.accountview.tables)
        self.planning = {name: _copy(getattr(box.crafter, name)) for name in _CRAFTER}
        self.state = bench.office.folder / "picture"
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(bench.office.state, self.state)
        self.moment = bench.moment

    def restore(self) -> None:
        """Everything as it was, with a login that is good."""
        box, office = self.bench.box, self.bench.office
        box.faults.clear()
        with box.accountview.mutex, box.crafter.lock:
            tables: dict[str, Books] = _copy(self.books)
            box.accountview.tables.clear()
            box.accountview.tables.update(tables)
            for name, value in self.planning.items():
                setattr(box.crafter, name, _copy(value))
        shutil.rmtree(office.state)
        shutil.copytree(self.state, office.state)
        office.log_in()
        box.requests.clear()
        self.bench.moment = self.moment


_CRAFTER = ("_tables", "_replies", "_history", "_made", "_last")


def _copy(tables: Any) -> Any:
    """A deep copy that shares what never changes."""
    shared = {}
    if isinstance(tables, dict):
        for table in tables.values():
            if isinstance(table, Books):
                shared[id(table.spec)] = table.spec
    return copy.deepcopy(tables, shared)


# both worlds as text

_MOVING = {"CNG_DATE", "INP_DATE", "EXT_KEY", "id", "created_at", "updated_at", "deleted_at", "history", "number"}
_GIVEN = {"SO_LINE": "REC_ID", "HRS_LINE": "REC_ID", "CONTACT": "SUB_NR", "SO_HDR": "ORD_NR"}
_RESOURCES = ("customers", "work-locations", "contacts", "project-types", "projects", "work-orders", "hours")


def dump(box: Sandbox) -> dict[str, list[str]]:
    """Every record of both worlds, as text, under its table; open timeline entries too."""
    names, tables = _names(box), sorted(box.accountview.tables)
    found = {table: sorted(_plain(row, names) for row in box.accountview.rows(table)) for table in tables}
    found |= {name: sorted(_plain(row, names) for row in box.crafter.records(name)) for name in _RESOURCES}
    found["timeline"] = sorted(_plain(row, names) for row in box.crafter.timeline if not row["resolved"])
    return found


def changes(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[str]:
    """What stands in one world and not in the other."""
    said = []
    for name in before:
        left, right = Counter(before[name]), Counter(after[name])
        said += [f"missing in {name}: {one}" for one in (left - right).elements()]
        said += [f"too many in {name}: {one}" for one in (right - left).elements()]
    return said


def _names(box: Sandbox) -> dict[str, str]:
    """What a server gave out → what it stands for."""
    names: dict[str, str] = {}
    for table, key in _GIVEN.items():
        for row in box.accountview.rows(table):
            shown = row.get("ACCT_NAME") or row.get("COMMENT1") or row.get("HRS_DESC") or row.get("ART_CODE")
            names[row[key]] = f"<{table} {shown}>"
    for resource in _RESOURCES:
        for record in box.crafter.records(resource):
            shown = record.get("name") or record.get("description") or record.get("street") or record.get("last_name")
            names[record["id"]] = f"<{resource} {shown}>"
    return names


def _plain(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    shown = {name: _value(value, names) for name, value in row.items() if name not in _MOVING}
    return json.dumps(shown, sort_keys=True, ensure_ascii=False, default=str)


def _value(value: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("av:"):
        return ":".join(names.get(part, part) for part in value.split(":"))
    words = (names.get(word, word) for word in value.split(" "))  # a message may name a number that was given out
    return names.get(value) or " ".join(words)
