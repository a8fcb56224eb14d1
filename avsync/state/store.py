"""Everything avsync remembers, behind one object; with its neighbours in this folder the only SQL of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from avsync.state.db import FILE_NAME, ONE_STATEMENT, Database, file_in_words
from avsync.state.decisions import Decisions
from avsync.state.events import Events
from avsync.state.inbox import Inbox
from avsync.state.incidents import Incidents
from avsync.state.intents import Intents
from avsync.state.links import Links
from avsync.state.problems import Problems

_EVER = "\U0010ffff"
_PLACE = "place:"
PUT_BACK = "put back"  # in place of a config's mark


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest moment a listing showed, where the next one starts, the last full pass, the config's mark."""

    newest: str = ""
    since: str = ""
    full_at: str = ""
    signature: str = ""


class Store:
    """The state of avsync. One thread uses it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.events = Events(db)
        self.links = Links(db, self.events)
        self.inbox = Inbox(db)
        self.intents = Intents(db)
        self.problems = Problems(db, self.events)
        self.incidents = Incidents(db)
        self.decisions = Decisions(db, self.events)
        self.path = str(db.conn.execute("PRAGMA database_list").fetchone()[2]) or FILE_NAME

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also inside another one. Never with a network call inside. A disk that fails is exit 5."""
        mark = self.events.mark()
        try:
            with file_in_words(self.path), self.db.atomic():
                yield
        except BaseException:
            self.events.take_back(mark)
            raise
        if not self.db.conn.in_transaction:
            self.events.committed()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # listings

    def watermark(self, source: str) -> Watermark:
        """How far a source was read; empty when never."""
        return self.watermarks().get(source, Watermark())

    def set_watermark(self, source: str, mark: Watermark) -> None:
        """Only after a complete listing. One that stands there already costs the disk nothing."""
        if mark == self.watermark(source):
            return
        self.db.execute(
            "INSERT OR REPLACE INTO watermarks (source, newest, since, full_at, signature) VALUES (?, ?, ?, ?, ?)",
            [source, mark.newest, mark.since, mark.full_at, mark.signature],
        )

    def watermarks(self) -> dict[str, Watermark]:
        """Of every source."""
        rows = self.db.execute("SELECT source, newest, since, full_at, signature FROM watermarks")
        return {row[0]: Watermark(*row[1:]) for row in rows}

    def read_anew(self, with_details: Iterable[str]) -> None:
        """This state may be older than what was done with it: every listing is read from the beginning when its turn
        comes, whatever was known of its rows (behaviour 41). Each keeps the newest moment it had seen, and what was
        sent under a record of the kinds `with_details` is in doubt until AccountView's listing has shown it."""
        self.db.execute("UPDATE watermarks SET signature = ?", [PUT_BACK])
        self.inbox.wake_all()
        self.links.doubt(with_details)
        self.forget_absences(_EVER, _EVER)

    def start_seen(self) -> None:
        """Begin a full listing: an empty temporary table of the ids it shows."""
        self.db.execute("CREATE TEMP TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self.db.execute("DELETE FROM temp.seen")

    def saw(self, ids: Iterable[str]) -> None:
        """Ids on a page of a full listing."""
        self.db.conn.executemany("INSERT OR IGNORE INTO temp.seen (id) VALUES (?)", [(one,) for one in ids])

    def seen(self, ids: Sequence[str]) -> set[str]:
        """Which of these it has shown already."""
        sql = "SELECT id FROM temp.seen WHERE id IN (SELECT value FROM json_each(?))"
        return {str(row[0]) for row in self.db.execute(sql, [json.dumps(list(ids))])}

    def seen_count(self) -> int:
        """How many the full listing showed."""
        return int(self.db.execute("SELECT count(*) FROM temp.seen").fetchone()[0])

    def stop_at(self, source: str, place: Mapping[str, Any], now: str) -> None:
        """A listing broke off at this place."""
        self.db.execute("DELETE FROM shown WHERE source = ?", [source])
        self.cache(_PLACE + source, dict(place), now)

    def keep_seen(self, source: str) -> None:
        """What it has shown until then."""
        self.db.execute("INSERT INTO shown (source, id) SELECT ?, id FROM temp.seen", [source])

    def stopped_at(self, source: str) -> dict[str, Any] | None:
        """The place where a listing broke off, None when it went through since."""
        found = self.cached(_PLACE + source)
        return found if isinstance(found, dict) else None

    def go_on(self, source: str) -> None:
        """Begin where a listing broke off: it has shown what it had shown then."""
        self.start_seen()
        self.db.execute("INSERT OR IGNORE INTO temp.seen (id) SELECT id FROM shown WHERE source = ?", [source])

    def went_through(self, source: str) -> None:
        """A listing is complete."""
        self.uncache(_PLACE + source)
        self.db.execute("DELETE FROM shown WHERE source = ?", [source])

    # runs

    def start_run(self, command: str, now: str) -> int:
        """Number of the new run."""
        cursor = self.db.execute("INSERT INTO runs (command, started) VALUES (?, ?)", [command, now])
        self.db.execute("DELETE FROM runs WHERE id <= ?", [int(cursor.lastrowid or 0) - 5000])
        return int(cursor.lastrowid or 0)

    def finish_run(
        self, run: int, started: str, now: str, code: int, flows: Mapping[str, Any], requests: Mapping[str, int]
    ) -> None:
        """Its result; when it started is known better by now."""
        self.db.execute(
            "UPDATE runs SET started = ?, finished = ?, exit = ?, flows = ?, requests = ? WHERE id = ?",
            [started, now, code, json.dumps(flows), json.dumps(requests), run],
        )

    def last_run(self) -> dict[str, Any] | None:
        """The newest run, in the shape of `run-all --json` plus its times."""
        return next(iter(self.last_runs(1)), None)

    def last_runs(self, count: int) -> list[dict[str, Any]]:
        """The newest runs, newest first: so many, and more until one of them is finished."""
        sql = (
            "SELECT id, command, started, finished, exit, flows, requests FROM runs WHERE id >="
            " min((SELECT min(id) FROM (SELECT id FROM runs ORDER BY id DESC LIMIT ?)),"
            " coalesce((SELECT max(id) FROM runs WHERE finished IS NOT NULL), 0)) ORDER BY id DESC"
        )
        return [_run(row) for row in self.db.execute(sql, [count])]

    def has_reached(self, side: str) -> bool:
        """Whether the last finished run that asked something of a service got an answer as far as is known: any did."""
        sql = f"SELECT 1 FROM runs WHERE finished IS NOT NULL AND json_extract(requests, '$.{side}') > 0 LIMIT 1"
        return self.db.execute(sql).fetchone() is not None

    def last_run_number(self) -> int:
        """The highest run number ever given, 0 before the first."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
        return int(row[0]) if row else 0

    def skip_runs(self, number: int) -> None:
        """Give later runs higher numbers than this one."""
        self.db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'runs'", [number])

    def set_flow_ok(self, flow: str, now: str) -> None:
        """The flow went through without stopping."""
        self.db.execute("INSERT OR REPLACE INTO flow_state (flow, last_ok) VALUES (?, ?)", [flow, now])

    def flows_ok(self) -> dict[str, str]:
        """When each flow last went through."""
        return dict(self.db.execute("SELECT flow, last_ok FROM flow_state").fetchall())

    # cache

    def cached(self, key: str, since: str = "", until: str = _EVER) -> Any | None:
        """A value fetched between two moments (whenever it was, where they are not given), else None."""
        sql = "SELECT value FROM cache WHERE key = ? AND fetched_at BETWEEN ? AND ?"
        row = self.db.execute(sql, [key, since, until]).fetchone()
        return json.loads(row[0]) if row else None

    def cached_under(self, prefix: str) -> dict[str, Any]:
        """Every value whose key begins so."""
        rows = self.db.execute(
            "SELECT key, value FROM cache WHERE key >= ? AND key < ?", [prefix, prefix + "\U0010ffff"]
        )
        return {key: json.loads(value) for key, value in rows}

    def cache(self, key: str, value: Any, now: str) -> None:
        """Keep a value (never a secret)."""
        self.db.execute(
            "INSERT OR REPLACE INTO cache (key, value, fetched_at) VALUES (?, ?, ?)", [key, json.dumps(value), now]
        )

    def note_absent(self, kind: str, side: str, keys: Iterable[str], now: str) -> None:
        """These records were looked up and are not there."""
        for key in keys:
            self.cache(_absent(kind, side, key), True, now)

    def absent(self, kind: str, side: str, keys: Iterable[str], since: str, until: str = _EVER) -> set[str]:
        """Which of these records are known not to be there, as looked up between two moments."""
        names = {_absent(kind, side, key): key for key in keys}
        found: set[str] = set()
        for start in range(0, len(names), ONE_STATEMENT):
            part = list(names)[start : start + ONE_STATEMENT]
            sql = f"SELECT key FROM cache WHERE key IN ({','.join('?' * len(part))}) AND fetched_at BETWEEN ? AND ?"
            found |= {names[row[0]] for row in self.db.execute(sql, [*part, since, until])}
        return found

    def some_absent(self, kind: str, side: str) -> bool:
        """Whether any record of a kind is known not to be there."""
        start = _absent(kind, side, "")
        sql = "SELECT 1 FROM cache WHERE key >= ? AND key < ? LIMIT 1"
        return self.db.execute(sql, [start, start + "\U0010ffff"]).fetchone() is not None

    def not_absent(self, kind: str, side: str, keys: Iterable[str]) -> None:
        """These records are there: a listing shows them, or we made them."""
        self.db.conn.executemany("DELETE FROM cache WHERE key = ?", [(_absent(kind, side, key),) for key in keys])

    def forget_absences(self, since: str, until: str) -> None:
        """What was not asked between two moments is no longer asked for."""
        sql = "DELETE FROM cache WHERE key >= ? AND key < ? AND fetched_at NOT BETWEEN ? AND ?"
        self.db.execute(sql, [_ABSENT, _ABSENT + "\U0010ffff", since, until])

    def uncache(self, key: str) -> None:
        """Forget a value."""
        self.db.execute("DELETE FROM cache WHERE key = ?", [key])


def _run(row: Sequence[Any]) -> dict[str, Any]:
    flows, requests = json.loads(row[5] or "{}"), json.loads(row[6] or "{}")
    return {"run": row[0], "exit": row[4], "flows": flows, "requests": requests, "command": row[1],
            "started": row[2], "finished": row[3]}  # fmt: skip


_ABSENT = "absent:"


def _absent(kind: str, side: str, key: str) -> str:
    return f"{_ABSENT}{kind}:{side}:{key}"
