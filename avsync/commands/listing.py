"""The list of problems as people and programs get it: what shares a cause is one row, with the records behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from avsync.messages import texts
from avsync.state.problems import About, Problem


@dataclass(frozen=True, slots=True)
class Row:
    """One problem under its number: what is wrong, and of which records."""

    problems: tuple[Problem, ...]
    language: str

    @property
    def number(self) -> int:
        """What people know it by."""
        return self.problems[0].number

    @property
    def code(self) -> str:
        """The row of problems.yaml."""
        return self.problems[0].cause.code

    @property
    def about(self) -> About:
        """Whose problem it is: the record's, or the one that the record's problem says is at fault."""
        first = self.problems[0]
        params = first.cause.params
        if "about_kind" not in params:
            return first.about
        identity, name = str(params["about_id"]), str(params["about_name"])
        key = str(params.get("employee") or name)
        return About(first.about.flow, str(params["about_kind"]), first.about.side, identity, key, name)

    @property
    def records(self) -> list[About]:
        """The records behind it, each once."""
        found = {(one.about.flow, one.about.kind, one.about.side, one.about.record): one.about for one in self.problems}
        return list(found.values())

    @property
    def params(self) -> dict[str, Any]:
        """What its sentence is filled with."""
        return texts.common(one.cause.params for one in self.problems)

    def texts(self) -> tuple[str, str]:
        """(sentence, next step)."""
        return texts.text(self.code, self.language, self.params)

    def as_json(self) -> dict[str, Any]:
        """The shape that others build on (RULES.md, commands)."""
        about, records = self.about, self.records
        message, hint = self.texts()
        return {
            "id": self.number, "flow": about.flow, "kind": about.kind, "key": about.key, "name": about.name,
            "code": self.code, "who": texts.row(self.code)["who"], "message": message, "hint": hint,
            "severity": self.problems[0].cause.severity, "first_seen": min(one.first_seen for one in self.problems),
            "last_seen": max(one.last_seen for one in self.problems),
            "attempts": max(one.attempts for one in self.problems), "side": about.side, "record": about.record,
            "entity": about.entity, "entity_id": about.entity_id, "count": len(records),
            "records": [_record_json(one) for one in records], "ignored": self.problems[0].ignored,
        }  # fmt: skip


def _record_json(about: About) -> dict[str, str]:
    names = ("flow", "kind", "key", "name", "side", "record", "entity", "entity_id")
    return {name: getattr(about, name) for name in names}


def rows(problems: Sequence[Problem], language: str) -> list[Row]:
    """The problems, which come ordered by number, as rows."""
    return [Row(tuple(some), language) for _, some in groupby(problems, key=lambda one: one.number)]
