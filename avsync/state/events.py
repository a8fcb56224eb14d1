"""The trail: what was done to which record and when, and which problems came and went.

An event is written in the transaction of the link or the problem that it tells of, so the trail never says what did not
happen. It holds values of the records and codes of problems, never a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from avsync.records.values import Canonical
from avsync.state.db import Database

KEPT_DAYS = 400
_BITE = 1000  # rows dropped at a time
_COLUMNS = "run, moment, flow, kind, side, action, key, name, accountview, crafter, owner, detail"
Ids = tuple[str, str, str]  # of a record: its kind, its id in AccountView and in Crafter, as far as known
Change = tuple[Canonical, Canonical]  # a field's value before and after


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `action`: create, update, adopt, gone, back, renumber, forget, problem, solved,
    ignored; decided_link, decided_apart, decided_skip and undecided by a person.

    `side` is where it was done, or where the problem stands. `accountview` and `crafter` are the record's ids there as
    far as known, `owner` that of the record it belongs to. `values` holds old and new of each field; `facts` what
    people know the record by, where key and name do not say it; `detail` what else there is to say of a problem: its
    id, code, severity and params.
    """

    flow: str
    kind: str
    side: str
    action: str
    key: str
    name: str
    accountview: str = ""
    crafter: str = ""
    owner: str = ""
    values: Mapping[str, Change] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    run: int = 0
    moment: str = ""
    id: int = 0


def _our_time() -> str:
    return datetime.now(UTC).isoformat()


def _nobody(event: Event) -> None:
    """Hears of it, and says nothing."""


class Events:
    """Reads and writes the table `events`. `run` and `now` are those of the run at work; `told` hears of each event
    once it is committed."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.run = 0
        self.now: Callable[[], str] = _our_time
        self.told: Callable[[Event], None] = _nobody
        self._uncommitted: list[Event] = []
        self._before = 0

    # writing

    def begin(self, run: int, now: Callable[[], str]) -> None:
        """Events from here on are of this run, and bear the time of its clock."""
        self.run, self.now = run, now
        (self._before,) = self.db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()

    def record(self, event: Event) -> None:
        """Add an event to the trail."""
        event = replace(event, run=self.run, moment=f"{self.now()[:19]}Z")
        detail = {**({"values": {name: list(pair) for name, pair in event.values.items()}} if event.values else {}),
                  **({"facts": dict(event.facts)} if event.facts else {}), **event.detail}  # fmt: skip
        row = self.db.execute(
            f"INSERT INTO events ({_COLUMNS}) VALUES (?{', ?' * 11})",
            [event.run, event.moment, event.flow, event.kind, event.side, event.action, event.key, event.name,
             event.accountview, event.crafter, event.owner,
             json.dumps(detail, ensure_ascii=False, default=str) if detail else ""],
        )  # fmt: skip
        self._uncommitted.append(replace(event, id=int(row.lastrowid or 0)))

    def mark(self) -> int:
        """How many events nobody was told yet; for `take_back`."""
        return len(self._uncommitted)

    def take_back(self, mark: int) -> None:
        """What was recorded since the mark is undone: its transaction failed."""
        del self._uncommitted[mark:]

    def committed(self) -> None:
        """What was recorded is on disk."""
        events, self._uncommitted = self._uncommitted, []
        for event in events:
            self.told(event)

    def drop_old(self, before: str) -> int:
        """Forget the oldest events as far as they are from before a moment, one bite; returns how many."""
        sql = (
            "DELETE FROM events WHERE id <= (SELECT max(id) FROM"
            f" (SELECT id, moment FROM events ORDER BY id LIMIT {_BITE}) WHERE moment < ?)"
        )
        return int(self.db.execute(sql, [before]).rowcount)

    # reading

    def of_this_run(self) -> list[Event]:
        """What the run at work has done, in order."""
        return self._select("id > ?", [self._before])

    def of_run(self, run: int) -> list[Event]:
        """What one run did, in order."""
        return self._select("run = ?", [run])

    def since(self, moment: str) -> list[Event]:
        """What was done from a moment on, in order."""
        return self._select("moment >= ?", [moment])

    def latest(self, count: int) -> list[Event]:
        """The newest events, in order."""
        return self._select("id > (SELECT coalesce(max(id), 0) FROM events) - ?", [count])

    def per_hour(self, since: str) -> list[tuple[str, str, str, int]]:
        """(UTC hour `YYYY-MM-DDTHH`, flow, action, how many) from a moment on."""
        sql = (
            "SELECT substr(moment, 1, 13), flow, action, count(*) FROM events WHERE moment >= ?"
            " GROUP BY 1, 2, 3 ORDER BY 1"
        )
        return [(row[0], row[1], row[2], int(row[3])) for row in self.db.execute(sql, [since])]

    def bearing(self, key: str) -> set[Ids]:
        """The records that bear this number, code or id, in any case."""
        return self._ids(
            "key = ?1 COLLATE NOCASE OR accountview = ?1 COLLATE NOCASE OR crafter = ?1 COLLATE NOCASE", key
        )

    def named(self, words: str) -> set[Ids]:
        """The records with this in their name, in any case."""
        self.db.conn.create_function("folded", 1, lambda text: str(text).casefold(), deterministic=True)
        return self._ids("instr(folded(name), ?1)", words.casefold())

    def _ids(self, condition: str, value: str) -> set[Ids]:
        known = "accountview || crafter != ''"
        sql = f"SELECT DISTINCT kind, accountview, crafter FROM events WHERE {known} AND ({condition})"
        return {(row[0], row[1], row[2]) for row in self.db.execute(sql, [value])} if value else set()

    def story(self, kinds: Iterable[str], accountview: Iterable[str], crafter: Iterable[str]) -> list[Event]:
        """What happened to a record under these ids on either side, as one of these kinds, in order."""
        return self._of("kind", kinds, ("accountview", accountview), ("crafter", crafter))

    def of_parts(self, kinds: Iterable[str], owners: Iterable[str]) -> list[Event]:
        """What happened to the records of these kinds that belong to one with one of these ids, in order."""
        return self._of("kind", kinds, ("owner", owners))

    def _of(self, column: str, values: Iterable[str], *ids: tuple[str, Iterable[str]]) -> list[Event]:
        first = sorted(set(values))
        parts, bound = [], list(first)
        for name, some in ids:
            chosen = sorted({one for one in some if one})
            parts.append(f"{name} IN ({','.join('?' * len(chosen))})")
            bound += chosen
        return self._select(f"{column} IN ({','.join('?' * len(first))}) AND ({' OR '.join(parts)})", bound)

    def _select(self, condition: str, values: Sequence[Any]) -> list[Event]:
        rows = self.db.execute(f"SELECT {_COLUMNS}, id FROM events WHERE {condition} ORDER BY id", list(values))
        return [_event(row) for row in rows]


def _event(row: Sequence[Any]) -> Event:
    named = dict(zip(f"{_COLUMNS}, id".split(", "), row, strict=True))
    detail = json.loads(named["detail"] or "{}")
    values = {name: (pair[0], pair[1]) for name, pair in detail.pop("values", {}).items()}
    return Event(**{**named, "facts": detail.pop("facts", {}), "detail": detail, "values": values})
