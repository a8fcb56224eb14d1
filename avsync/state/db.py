"""Opens state.db: WAL with `synchronous=FULL`, migrations, read-only for those who only look, a copy for a dry run.

NORMAL would lose the last commits in a power cut, and an acknowledged intent is what keeps an order from being doubled.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

from sqlite_utils import Database, Migrations

from avsync.errors import AvsyncError, PersonMustLook

FILE_NAME = "state.db"
BUSY_SECONDS = 30
migrations = Migrations("avsync")


@migrations()
def first_tables(db: Database) -> None:
    """Links, the inbox of read versions, intents, problems, timeline entries, watermarks, runs and a small cache."""
    for statement in _TABLES:
        db.execute(statement)


_TABLES = (
    """CREATE TABLE links (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, accountview TEXT, crafter TEXT,
        accountview_base TEXT, crafter_base TEXT, accountview_hash TEXT, crafter_hash TEXT,
        origin TEXT NOT NULL, adopted INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,
        parent TEXT NOT NULL DEFAULT '')""",
    "CREATE UNIQUE INDEX links_accountview ON links(kind, accountview)",
    "CREATE UNIQUE INDEX links_crafter ON links(kind, crafter)",
    "CREATE INDEX links_parent ON links(kind, parent) WHERE parent != ''",
    """CREATE TABLE inbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, side TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
        key TEXT NOT NULL, match TEXT NOT NULL, reference TEXT NOT NULL, parent TEXT NOT NULL,
        rank INTEGER NOT NULL, fate TEXT NOT NULL, record TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX inbox_id ON inbox(kind, side, id)",
    "CREATE INDEX inbox_plan ON inbox(kind, side, rank, seq) WHERE fate = 'plan'",
    "CREATE INDEX inbox_key ON inbox(kind, side, key)",
    "CREATE INDEX inbox_match ON inbox(kind, side, match)",
    "CREATE INDEX inbox_reference ON inbox(kind, side, reference) WHERE reference != ''",
    "CREATE INDEX inbox_parent ON inbox(kind, side, parent) WHERE parent != ''",
    """CREATE TABLE intents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, flow TEXT NOT NULL, kind TEXT NOT NULL,
        side TEXT NOT NULL, verb TEXT NOT NULL, record_side TEXT NOT NULL, record TEXT NOT NULL, key TEXT NOT NULL,
        name TEXT NOT NULL, reference TEXT NOT NULL, payload_hash TEXT NOT NULL, detail TEXT NOT NULL,
        link INTEGER, sent_at TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX intents_record ON intents(kind, record_side, record)",
    """CREATE TABLE problems (
        id INTEGER PRIMARY KEY AUTOINCREMENT, flow TEXT NOT NULL, kind TEXT NOT NULL, side TEXT NOT NULL,
        record TEXT NOT NULL, code TEXT NOT NULL, slot TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
        params TEXT NOT NULL, severity TEXT NOT NULL, entity TEXT NOT NULL, entity_id TEXT NOT NULL,
        version TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, attempts INTEGER NOT NULL,
        ignored INTEGER NOT NULL DEFAULT 0)""",
    "CREATE UNIQUE INDEX problems_record ON problems(flow, kind, side, record, code, slot)",
    "CREATE INDEX problems_entity ON problems(entity, entity_id, flow)",
    """CREATE TABLE timeline (
        dedupe_key TEXT PRIMARY KEY, entity TEXT NOT NULL, entity_id TEXT NOT NULL, flow TEXT NOT NULL,
        wanted TEXT NOT NULL, posted TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE watermarks (
        source TEXT PRIMARY KEY, newest TEXT NOT NULL, since TEXT NOT NULL, full_at TEXT NOT NULL,
        signature TEXT NOT NULL)""",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, started TEXT NOT NULL, finished TEXT,
        exit INTEGER, flows TEXT, requests TEXT)""",
    "CREATE TABLE flow_state (flow TEXT PRIMARY KEY, last_ok TEXT NOT NULL)",
    "CREATE TABLE cache (key TEXT PRIMARY KEY, value TEXT NOT NULL, fetched_at TEXT NOT NULL)",
)


def open_for_writing(folder: Path) -> Database:
    """Open (or make) state.db in the state folder. A damaged file is exit 5, never a silent fresh start."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _private(path)
        db = Database(_connect(str(path)))
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _check(db, path)
        migrations.apply(db)
    except sqlite3.DatabaseError as error:
        raise _explained(error, path) from error
    except OSError as error:
        raise AvsyncError("state_unwritable", path=str(path), detail=error.strerror or str(error)) from error
    return db


def open_for_reading(folder: Path) -> Database | None:
    """Open state.db without writing anything, not even beside it; None when there is none yet."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        db = _readable(path)
        _check(db, path)
    except sqlite3.DatabaseError as error:
        raise _explained(error, path) from error
    except OSError as error:
        raise AvsyncError("state_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    return db


def open_copy(folder: Path) -> Database:
    """A private copy for a dry run, which then may write as it likes; empty when there is no state yet."""
    copy = Database(_connect(""))
    source = open_for_reading(folder)
    if source is not None:
        source.conn.backup(copy.conn)
        source.close()
    migrations.apply(copy)
    return copy


def _private(path: Path) -> None:
    """The state holds customers' names: readable for its owner and group at most."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o640))


def _connect(path: str, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, uri=uri, isolation_level=None)


def _readable(path: Path) -> Database:
    """A WAL file may need its side files rebuilt, which a reader without write access cannot do: then read a copy."""
    try:
        db = Database(_connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return _copied(path)
    return db


def _copied(path: Path) -> Database:
    with tempfile.TemporaryDirectory(prefix="avsync-") as folder:
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(folder) / (FILE_NAME + suffix))
        copy = Database(_connect(""))
        original = sqlite3.connect(Path(folder) / FILE_NAME)
        original.backup(copy.conn)
        original.close()
    return copy


def _check(db: Database, path: Path) -> None:
    """Cheap at any size: the header, the schema and the free list; a damaged page shows when it is read."""
    if db.execute("PRAGMA schema_version").fetchone() is None:
        raise PersonMustLook("state_damaged", path=str(path), detail="-")
    tables = set(db.table_names())
    if tables and "links" not in tables and "_sqlite_migrations" in tables:
        raise PersonMustLook("state_damaged", path=str(path), detail="links")


def _explained(error: sqlite3.DatabaseError, path: Path) -> AvsyncError:
    words = str(error)
    if isinstance(error, sqlite3.OperationalError) and "malformed" not in words:
        return AvsyncError("state_unwritable", path=str(path), detail=words)
    return PersonMustLook("state_damaged", path=str(path), detail=words)
