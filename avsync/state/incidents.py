"""Incidents: a service that is down or limits us, a lost login, a safety stop. From when to when, and what was told.

How long one lasts is counted in seconds from its beginning, by another service's clock where that answers (behaviour
50); moments are only for people. It is told on several channels (printed, alarmed), each with a memory of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from avsync.state.db import Database

OUTAGE, LINE, LOGIN, SAFETY, SETUP, TIME = "outage", "line", "login", "safety", "setup", "time"  # sorts
PRINTED, ALARMED = "printed", "alarmed"  # channels
PATIENCE = {OUTAGE: 1800.0, TIME: 1800.0}  # seconds that one must last before it is told; else at once
DAY = 86_400.0
_JITTER = 60.0  # seconds by which one run may start earlier after the last than another
FLAPS = 3600.0  # seconds within which one that comes back is the same one
_MOST = 500  # ended ones that are kept
_COLUMNS = "id, sort, service, code, params, flows, since, ours, theirs, ended, until, back"

_EXIT = {OUTAGE: 4, LINE: 4, LOGIN: 3, SAFETY: 5, SETUP: 2, TIME: 4}

News = Literal["", "begun", "still", "over"]


@dataclass(frozen=True, slots=True)
class Moment:
    """What time it is by our clock, and by that of a service that answers (None: no other does); UTC."""

    ours: str
    theirs: str | None = None

    @property
    def shown(self) -> str:
        """The one for people."""
        return self.theirs or self.ours


@dataclass(frozen=True, slots=True)
class Incident:
    """`flows`: those it has stopped; `since` and `until` for people, `ended` in seconds after its beginning (None:
    open), and so is `back`, when it came back after it was over."""

    sort: str
    service: str
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    flows: tuple[str, ...] = ()
    since: str = ""
    begun: Moment = field(default_factory=lambda: Moment(""))
    ended: float | None = None
    until: str = ""
    back: float = 0.0
    id: int = 0

    def as_json(self) -> dict[str, str]:
        """As programs get it (RULES.md, more JSON)."""
        return {"code": self.code, "service": self.service, "since": self.since}

    @property
    def exit_code(self) -> int:
        """That of a run that meets it."""
        return _EXIT[self.sort]

    def age(self, now: Moment) -> float:
        """Seconds since its beginning."""
        pair = (self.begun.ours, now.ours)
        if self.begun.theirs and now.theirs:
            pair = (self.begun.theirs, now.theirs)
        return max(0.0, (datetime.fromisoformat(pair[1]) - datetime.fromisoformat(pair[0])).total_seconds())

    def news(self, told: float | None, over: bool, now: Moment) -> News:
        """What there is to tell. `told`: at which age it was told last, `over`: and whether that it is over. One that
        comes and goes is believed either way only after an hour."""
        age = self.age(now) + _JITTER
        if self.ended is not None:
            well = age - self.ended
            news = told is not None and not over and (FLAPS if self.back else 0.0) <= well < DAY
            return "over" if news else ""
        if told is None:
            return "begun" if age >= PATIENCE.get(self.sort, 0.0) else ""
        again = age - self.back >= FLAPS if over else age // DAY > (told + _JITTER) // DAY
        return "still" if again else ""


Clock = Callable[[Incident], Moment]


class Incidents:
    """Reads and writes the tables `incidents` and `incidents_told`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def note(self, found: Incident, now: Moment) -> None:
        """It is so now: a new one begins, an open one goes on, one that was over just now and told of comes back."""
        known = self._select("sort = ? AND service = ? ORDER BY id DESC LIMIT 1", [found.sort, found.service])
        before = next(iter(known), None)
        if before is not None and _is_another(found, before):
            self.db.execute("DELETE FROM incidents_told WHERE incident = ?", [before.id])
        values = [found.code, json.dumps(dict(found.params), default=str, ensure_ascii=False), json.dumps(found.flows)]
        if before is not None and before.ended is None:
            self.db.execute("UPDATE incidents SET code = ?, params = ?, flows = ? WHERE id = ?", [*values, before.id])
        elif before is not None and self._comes_back(before, now):
            sql = (
                "UPDATE incidents SET code = ?, params = ?, flows = ?, ended = NULL, until = '', back = ? WHERE id = ?"
            )
            self.db.execute(sql, [*values, before.age(now), before.id])
        else:
            self.db.execute(
                "INSERT INTO incidents (sort, service, code, params, flows, since, ours, theirs, until, back)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 0)",
                [found.sort, found.service, *values, now.shown, now.ours, now.theirs or ""],
            )

    def _comes_back(self, before: Incident, now: Moment) -> bool:
        told = self.db.execute("SELECT 1 FROM incidents_told WHERE incident = ?", [before.id]).fetchone()
        return told is not None and before.age(now) - (before.ended or 0.0) < FLAPS

    def end(self, which: Iterable[Incident], now: Moment) -> None:
        """These are over."""
        for one in which:
            sql = "UPDATE incidents SET ended = ?, until = ? WHERE id = ?"
            self.db.execute(sql, [one.age(now), now.shown, one.id])
        sql = "DELETE FROM incidents WHERE ended IS NOT NULL AND id <= (SELECT max(id) FROM incidents) - ?"
        self.db.execute(sql, [_MOST])
        self.db.execute("DELETE FROM incidents_told WHERE incident NOT IN (SELECT id FROM incidents)")

    def open(self) -> list[Incident]:
        """Those that go on, oldest first."""
        return self._select("ended IS NULL ORDER BY id", [])

    def latest(self, count: int) -> list[Incident]:
        """The newest, newest first."""
        return self._select("1 ORDER BY id DESC LIMIT ?", [count])

    def to_tell(self, channel: str, clock: Clock) -> list[tuple[News, Incident]]:
        """What there is to tell on a channel, in order."""
        told = {row[0]: (row[1], bool(row[2])) for row in self.db.execute(
            "SELECT incident, age, over FROM incidents_told WHERE channel = ?", [channel])}  # fmt: skip
        listed = self._select("1 ORDER BY id", [])
        found = [(one.news(*told.get(one.id, (None, False)), clock(one)), one) for one in listed]
        return [(news, one) for news, one in found if news]

    def tell(self, channel: str, told: Sequence[tuple[News, Incident]], clock: Clock) -> None:
        """This was told there."""
        for news, one in told:
            self.db.execute(
                "INSERT OR REPLACE INTO incidents_told (incident, channel, age, over) VALUES (?, ?, ?, ?)",
                [one.id, channel, one.age(clock(one)), int(news == "over")],
            )

    def _select(self, condition: str, values: Sequence[Any]) -> list[Incident]:
        rows = self.db.execute(f"SELECT {_COLUMNS} FROM incidents WHERE {condition}", list(values))
        return [_incident(row) for row in rows]


def _is_another(found: Incident, before: Incident) -> bool:
    """A safety stop of something else than was told: a person has to look once more."""
    what = [(one.code, one.params.get("service"), one.params.get("parent_kind")) for one in (found, before)]
    return found.sort == SAFETY and (what[0] != what[1] or not set(found.flows) <= set(before.flows))


def _incident(row: Sequence[Any]) -> Incident:
    identity, sort, service, code, params, flows, since, ours, theirs, ended, until, back = row
    return Incident(
        sort, service, code, json.loads(params), tuple(json.loads(flows)), since, Moment(ours, theirs or None), ended,
        until, back, identity,
    )  # fmt: skip
