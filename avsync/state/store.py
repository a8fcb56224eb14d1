"""Everything avsync remembers, behind one object; with its neighbours in this folder the only SQL of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from avsync.state.db import FILE_NAME, ONE_STATEMENT, file_in_words
from avsync.state.inbox import Inbox
from avsync.state.intents import Intents
from avsync.state.links import Links
from avsync.state.problems import Problems


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
        self.links = Links(db)
        self.inbox = Inbox(db)
        self.intents = Intents(db)
        self.problems = Problems(db)
        self.path = str(db.conn.execute("PRAGMA database_list").fetchone()[2]) or FILE_NAME

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also inside another one. Never with a network call inside. A disk that fails is exit 5."""
        with file_in_words(self.path), self.db.atomic():
            yield

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # listings

    def watermark(self, source: str) -> Watermark:
        """How far a source was read; empty when never."""
        return self.watermarks().get(source, Watermark())

    def set_watermark(self, source: str, mark: Watermark) -> None:
        """Only after a complete listing."""
        self.db.execute(
            "INSERT OR REPLACE INTO watermarks (source, newest, since, full_at, signature) VALUES (?, ?, ?, ?, ?)",
            [source, mark.newest, mark.since, mark.full_at, mark.signature],
        )

    def watermarks(self) -> dict[str, Watermark]:
        """Of every source."""
        rows = self.db.execute("SELECT source, newest, since, full_at, signature FROM watermarks")
        return {row[0]: Watermark(*row[1:]) for row in rows}

    def start_seen(self) -> None:
        """Begin a full listing: an empty temporary table of the ids it shows."""
        self.db.execute("CREATE TEMP TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self.db.execute("DELETE FROM temp.seen")

    def saw(self, ids: Iterable[str]) -> None:
        """Ids on a page of a full listing."""
        self.db.conn.executemany("INSERT OR IGNORE INTO temp.seen (id) VALUES (?)", [(one,) for one in ids])

    def seen_count(self) -> int:
        """How many the full listing showed."""
        return int(self.db.execute("SELECT count(*) FROM temp.seen").fetchone()[0])

    # runs

    def start_run(self, command: str, now: str) -> int:
        """Number of the new run."""
        cursor = self.db.execute("INSERT INTO runs (command, started) VALUES (?, ?)", [command, now])
        self.db.execute("DELETE FROM runs WHERE id <= ?", [int(cursor.lastrowid or 0) - 5000])
        return int(cursor.lastrowid or 0)

    def finish_run(self, run: int, now: str, code: int, flows: Mapping[str, Any], requests: Mapping[str, int]) -> None:
        """Its result."""
        self.db.execute(
            "UPDATE runs SET finished = ?, exit = ?, flows = ?, requests = ? WHERE id = ?",
            [now, code, json.dumps(flows), json.dumps(requests), run],
        )

    def last_run(self) -> dict[str, Any] | None:
        """The newest run, in the shape of `run-all --json` plus its times."""
        row = self.db.execute(
            "SELECT id, command, started, finished, exit, flows, requests FROM runs ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        flows, requests = json.loads(row[5] or "{}"), json.loads(row[6] or "{}")
        return {"run": row[0], "exit": row[4], "flows": flows, "requests": requests, "command": row[1],
                "started": row[2], "finished": row[3]}  # fmt: skip

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

    def cached(self, key: str, not_before: str) -> Any | None:
        """A value fetched at or after a moment, else None."""
        row = self.db.execute("SELECT value FROM cache WHERE key = ? AND fetched_at >= ?", [key, not_before]).fetchone()
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

    def absent(self, kind: str, side: str, keys: Iterable[str], since: str) -> set[str]:
        """Which of these records are known not to be there, as looked up at or after a moment."""
        names = {_absent(kind, side, key): key for key in keys}
        found: set[str] = set()
        for start in range(0, len(names), ONE_STATEMENT):
            part = list(names)[start : start + ONE_STATEMENT]
            sql = f"SELECT key FROM cache WHERE key IN ({','.join('?' * len(part))}) AND fetched_at >= ?"
            found |= {names[row[0]] for row in self.db.execute(sql, [*part, since])}
        return found

    def some_absent(self, kind: str, side: str) -> bool:
        """Whether any record of a kind is known not to be there."""
        start = _absent(kind, side, "")
        sql = "SELECT 1 FROM cache WHERE key >= ? AND key < ? LIMIT 1"
        return self.db.execute(sql, [start, start + "\U0010ffff"]).fetchone() is not None

    def not_absent(self, kind: str, side: str, keys: Iterable[str]) -> None:
        """These records are there: a listing shows them, or we made them."""
        self.db.conn.executemany("DELETE FROM cache WHERE key = ?", [(_absent(kind, side, key),) for key in keys])

    def forget_absences(self, before: str) -> None:
        """What was not asked again is no longer asked for."""
        sql = "DELETE FROM cache WHERE key >= ? AND key < ? AND fetched_at < ?"
        self.db.execute(sql, [_ABSENT, _ABSENT + "\U0010ffff", before])

    def uncache(self, key: str) -> None:
        """Forget a value."""
        self.db.execute("DELETE FROM cache WHERE key = ?", [key])


_ABSENT = "absent:"


def _absent(kind: str, side: str, key: str) -> str:
    return f"{_ABSENT}{kind}:{side}:{key}"
