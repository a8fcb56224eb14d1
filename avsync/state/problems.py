"""Open problems, one row per record and cause, and the timeline entries that tell them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlite_utils import Database

from avsync.state.db import ONE_STATEMENT

TOLD_ONCE = (
    "conflict",
    "cut_text_edited",
    "values_replaced",
    "card_left_behind",
)  # codes that no later planning takes back
_COLUMNS = (
    "id, flow, kind, side, record, code, slot, key, name, params, severity, entity, entity_id, version, first_seen,"
    " last_seen, attempts, ignored"
)


@dataclass(frozen=True, slots=True)
class About:
    """The record a problem is about. `entity` and `entity_id` name its timeline in Crafter, empty where it has none."""

    flow: str
    kind: str
    side: str
    record: str
    key: str
    name: str
    entity: str = ""
    entity_id: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong: a code of problems.yaml, its parameters, its severity; `slot` tells two of one code apart."""

    code: str
    severity: str
    params: Mapping[str, Any] = field(default_factory=dict)
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of the table."""

    id: int
    about: About
    cause: Cause
    first_seen: str
    last_seen: str
    attempts: int
    ignored: bool


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry in a tijdlijn; `wanted` and `posted` are the texts (empty: resolved or never posted)."""

    dedupe_key: str
    entity: str
    entity_id: str
    flow: str
    wanted: str
    posted: str


class Problems:
    """Reads and writes the tables `problems` and `timeline`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def replace(self, about: About, causes: Sequence[Cause], now: str) -> None:
        """The record now has exactly these problems (what is told once stays).

        An ignored problem stays ignored until the record's version changes (behaviour 29).
        """
        others = self._put(about, causes, now)
        self.remove([one.id for one in others if one.cause.code not in TOLD_ONCE])

    def add(self, about: About, cause: Cause, now: str) -> None:
        """One more problem of a record, beside those it has."""
        self._put(about, [cause], now)

    def _put(self, about: About, causes: Sequence[Cause], now: str) -> list[Problem]:
        """Returns the other problems that the record had."""
        known = {(one.cause.code, one.cause.slot): one for one in self.of(about)}
        for cause in causes:
            before = known.pop((cause.code, cause.slot), None)
            params = json.dumps(dict(cause.params), ensure_ascii=False, default=str)
            if before is None:
                self.db.execute(
                    f"INSERT INTO problems ({_COLUMNS}) VALUES (NULL{', ?' * 15}, 1, 0)",
                    [about.flow, about.kind, about.side, about.record, cause.code, cause.slot, about.key, about.name,
                     params, cause.severity, about.entity, about.entity_id, about.version, now, now],
                )  # fmt: skip
                continue
            ignored = before.ignored and before.about.version == about.version
            self.db.execute(
                "UPDATE problems SET params = ?, severity = ?, key = ?, name = ?, entity = ?, entity_id = ?,"
                " version = ?, last_seen = ?, attempts = attempts + 1, ignored = ? WHERE id = ?",
                [params, cause.severity, about.key, about.name, about.entity, about.entity_id, about.version, now,
                 int(ignored), before.id],
            )  # fmt: skip
        return list(known.values())

    def of(self, about: About) -> list[Problem]:
        """The problems of one record in one flow."""
        return self._select(
            "flow = ? AND kind = ? AND side = ? AND record = ?", [about.flow, about.kind, about.side, about.record]
        )

    def records(self, kind: str, side: str, ids: Sequence[str]) -> set[str]:
        """Which of these records have a problem: only they need a look after success."""
        found: set[str] = set()
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            marks = ",".join("?" * len(part))
            sql = f"SELECT DISTINCT record FROM problems WHERE kind = ? AND side = ? AND record IN ({marks})"
            found |= {row[0] for row in self.db.execute(sql, [kind, side, *part])}
        return found

    def all(self, flow: str | None = None, ignored: bool = False) -> list[Problem]:
        """Open problems, oldest first."""
        return self._select("ignored = ? AND (flow = ? OR ? IS NULL)", [int(ignored), flow, flow])

    def _select(self, condition: str, values: Sequence[Any]) -> list[Problem]:
        sql = f"SELECT {_COLUMNS} FROM problems WHERE {condition} ORDER BY id"
        return [_problem(row) for row in self.db.execute(sql, list(values))]

    def remove(self, ids: Sequence[int]) -> None:
        """These problems are over."""
        self.db.conn.executemany("DELETE FROM problems WHERE id = ?", [(one,) for one in ids])

    def planned(self, about: About) -> None:
        """A record was planned together with its other half, which tells from here on; what reading it found stays."""
        self.remove([one.id for one in self.of(about) if one.cause.code not in (*TOLD_ONCE, "unreadable")])

    def ignore(self, identity: int) -> bool:
        """Take a problem out of the list until its record changes; False when there is none with this id."""
        return bool(self.db.execute("UPDATE problems SET ignored = 1 WHERE id = ?", [identity]).rowcount)

    def expire(self, code: str, before: str) -> None:
        """Problems of a code that were last seen before a moment are over (a conflict's warning, behaviour 27)."""
        self.db.execute("DELETE FROM problems WHERE code = ? AND last_seen < ?", [code, before])

    def forget_unseen(self, kind: str, side: str) -> None:
        """Unreadable rows that a full listing (temp table `seen`) no longer showed are nobody's problem any more."""
        sql = (
            "DELETE FROM problems WHERE kind = ? AND side = ? AND code IN ('unreadable', 'unexpected')"
            " AND record NOT IN (SELECT id FROM temp.seen)"
        )
        self.db.execute(sql, [kind, side])

    def counts(self) -> dict[str, int]:
        """How many are open per severity, and how many are ignored."""
        rows = self.db.execute("SELECT severity, count(*) FROM problems WHERE ignored = 0 GROUP BY severity").fetchall()
        ignored = self.db.execute("SELECT count(*) FROM problems WHERE ignored = 1").fetchone()[0]
        return {"error": 0, "warning": 0, "waiting": 0, **dict(rows), "ignored": ignored}

    def new_since(self, moment: str) -> int:
        """How many came up since a moment; what was known before is no news."""
        sql = "SELECT count(*) FROM problems WHERE ignored = 0 AND first_seen >= ?"
        return int(self.db.execute(sql, [moment]).fetchone()[0])

    def needing_attention(self, flows: Sequence[str]) -> bool:
        """Whether a person must act, or something waits, in one of these flows (exit 1)."""
        marks = ",".join("?" * len(flows))
        sql = (
            "SELECT 1 FROM problems WHERE ignored = 0 AND severity IN ('error', 'waiting')"
            f" AND flow IN ({marks}) LIMIT 1"
        )
        return self.db.execute(sql, list(flows)).fetchone() is not None

    def with_timeline(self) -> list[Problem]:
        """Problems that belong in a tijdlijn: of something in Crafter, and not merely waiting (behaviour 27)."""
        return self._select("entity != '' AND entity_id != '' AND severity != 'waiting' AND ignored = 0", [])

    def entries(self) -> dict[str, TimelineEntry]:
        """Every timeline entry of ours that is open or not yet told, by its key."""
        rows = self.db.execute("SELECT dedupe_key, entity, entity_id, flow, wanted, posted FROM timeline")
        return {row[0]: TimelineEntry(*row) for row in rows}

    def want(self, entry: TimelineEntry) -> None:
        """The intent of a timeline entry, committed before it is posted; the key makes posting twice harmless."""
        self.db.execute(
            "INSERT INTO timeline (dedupe_key, entity, entity_id, flow, wanted, posted) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(dedupe_key) DO UPDATE SET wanted = excluded.wanted",
            [entry.dedupe_key, entry.entity, entry.entity_id, entry.flow, entry.wanted, entry.posted],
        )

    def told(self, entry: TimelineEntry) -> None:
        """The entry stands in Crafter as wanted; a resolved one is forgotten."""
        if entry.wanted:
            sql = "UPDATE timeline SET posted = ? WHERE dedupe_key = ?"
            self.db.execute(sql, [entry.wanted, entry.dedupe_key])
        else:
            self.db.execute("DELETE FROM timeline WHERE dedupe_key = ?", [entry.dedupe_key])


def _problem(row: Sequence[Any]) -> Problem:
    identity, flow, kind, side, record, code, slot, key, name, params, severity, entity, entity_id, version = row[:14]
    first, last, attempts, ignored = row[14:]
    return Problem(
        identity, About(flow, kind, side, record, key, name, entity, entity_id, version),
        Cause(code, severity, json.loads(params), slot), first, last, attempts, bool(ignored),
    )  # fmt: skip
