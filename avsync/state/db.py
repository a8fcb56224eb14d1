"""Opens state.db: WAL with `synchronous=FULL`, migrations, read-only for those who only look, a copy for a dry run.

NORMAL would lose the last commits in a power cut, and an acknowledged intent is what keeps an order from being doubled.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from avsync import __version__
from avsync.errors import ConfigError, PersonMustLook
from avsync.state.folder import sync_folder
from avsync.state.lock import RunLock

log = logging.getLogger(__name__)

FILE_NAME = "state.db"
BUSY_SECONDS = 30
ONE_STATEMENT = 500  # values bound in one statement; a page may hold any number of rows
_SOON_CHECKED = 32 * 1024 * 1024  # bytes that take a moment
_APPLIED, _SET = "_sqlite_migrations", "avsync"  # where sqlite-utils writes down which steps of ours were taken
_MADE_BY = "made_by"
_HELD = ("is locked", "is busy")
_LOST = ("malformed", "no such", "already exists", "not a database")


class Database:
    """A connection to state.db, with transactions that may stand in each other."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        """One statement."""
        return self.conn.execute(sql, values)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of it or nothing, also inside another one."""
        begin, done, undo = _NESTED if self.conn.in_transaction else _WHOLE
        self.conn.execute(begin)
        try:
            yield
            self.conn.execute(done)
        except BaseException:
            for statement in undo if self.conn.in_transaction else ():  # some errors end it by themselves
                self.conn.execute(statement)
            raise

    def tables(self) -> set[str]:
        """Their names."""
        return {row[0] for row in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def close(self) -> None:
        """Close it."""
        self.conn.close()


_WHOLE = ("BEGIN", "COMMIT", ("ROLLBACK",))
_NESTED = ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner"))


def first_tables(db: Any) -> None:
    """Links, the inbox of read versions, intents, problems, timeline entries, events, watermarks, runs, decisions, a
    cache; and counts of the changes of what planning goes by, and timelines."""
    for statement in (*_TABLES, *_COUNTING):
        db.execute(statement)


_TABLES = (
    """CREATE TABLE links (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, origin TEXT NOT NULL, adopted INTEGER NOT NULL,
        gone INTEGER NOT NULL, accountview TEXT, accountview_told TEXT, accountview_print TEXT,
        crafter TEXT, crafter_told TEXT, crafter_print TEXT, lost INTEGER NOT NULL DEFAULT 0)""",
    "CREATE UNIQUE INDEX links_accountview ON links(kind, accountview)",
    "CREATE UNIQUE INDEX links_crafter ON links(kind, crafter)",
    "CREATE INDEX links_owner ON links(kind, json_extract(crafter_told, '$.customer'))"
    " WHERE json_extract(crafter_told, '$.customer') IS NOT NULL",
    "CREATE INDEX links_work_order ON links(kind, json_extract(crafter_told, '$.work_order'))"
    " WHERE json_extract(crafter_told, '$.work_order') IS NOT NULL",
    "CREATE INDEX links_name ON links(kind, json_extract(accountview_told, '$.name'))"
    " WHERE json_extract(accountview_told, '$.name') IS NOT NULL",
    "CREATE INDEX links_lost ON links(kind) WHERE lost = 1",
    """CREATE TABLE inbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, side TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
        key TEXT NOT NULL, alike TEXT NOT NULL, reference TEXT NOT NULL, mark TEXT NOT NULL, owner TEXT NOT NULL,
        fate TEXT NOT NULL, rests TEXT NOT NULL, record TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX inbox_id ON inbox(kind, side, id)",
    "CREATE INDEX inbox_plan ON inbox(kind, side, seq, rests) WHERE fate = 'plan'",
    "CREATE INDEX inbox_rests ON inbox(kind, rests) WHERE rests != ''",
    "CREATE INDEX inbox_key ON inbox(kind, side, key) WHERE key != ''",
    "CREATE INDEX inbox_alike ON inbox(kind, side, alike) WHERE alike != ''",
    "CREATE INDEX inbox_reference ON inbox(kind, side, reference) WHERE reference != ''",
    "CREATE INDEX inbox_mark ON inbox(kind, side, mark) WHERE mark != ''",
    "CREATE INDEX inbox_owner ON inbox(kind, side, owner) WHERE owner != ''",
    """CREATE TABLE intents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, kind TEXT NOT NULL, side TEXT NOT NULL,
        verb TEXT NOT NULL, record_side TEXT NOT NULL, record TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
        reference TEXT NOT NULL, detail TEXT NOT NULL, link INTEGER, sent_at TEXT NOT NULL,
        counted_from TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', buried INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX intents_record ON intents(kind, record_side, record)",
    """CREATE TABLE problems (
        id INTEGER PRIMARY KEY AUTOINCREMENT, cause TEXT NOT NULL, number INTEGER NOT NULL, flow TEXT NOT NULL,
        kind TEXT NOT NULL, side TEXT NOT NULL, record TEXT NOT NULL, code TEXT NOT NULL, slot TEXT NOT NULL,
        key TEXT NOT NULL, name TEXT NOT NULL, called TEXT NOT NULL, short TEXT NOT NULL, params TEXT NOT NULL,
        severity TEXT NOT NULL, entity TEXT NOT NULL, entity_id TEXT NOT NULL, version TEXT NOT NULL,
        first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, attempts INTEGER NOT NULL,
        ignored INTEGER NOT NULL DEFAULT 0, because TEXT NOT NULL DEFAULT '')""",
    "CREATE UNIQUE INDEX problems_record ON problems(flow, kind, side, record, code, slot)",
    "CREATE INDEX problems_of ON problems(kind, side, record)",
    "CREATE INDEX problems_cause ON problems(cause) WHERE cause != ''",
    "CREATE INDEX problems_number ON problems(number)",
    "CREATE INDEX problems_entity ON problems(entity, entity_id, flow)",
    """CREATE TABLE timeline (
        dedupe_key TEXT PRIMARY KEY, entity TEXT NOT NULL, entity_id TEXT NOT NULL, flow TEXT NOT NULL,
        wanted TEXT NOT NULL, posted TEXT NOT NULL DEFAULT '', said TEXT NOT NULL DEFAULT '{}',
        refused INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE watermarks (
        source TEXT PRIMARY KEY, newest TEXT NOT NULL, since TEXT NOT NULL, full_at TEXT NOT NULL,
        signature TEXT NOT NULL)""",
    "CREATE TABLE shown (source TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (source, id)) WITHOUT ROWID",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, started TEXT NOT NULL, finished TEXT,
        exit INTEGER, flows TEXT, requests TEXT)""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, moment TEXT NOT NULL, flow TEXT NOT NULL, kind TEXT NOT NULL,
        side TEXT NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, accountview TEXT NOT NULL,
        crafter TEXT NOT NULL, owner TEXT NOT NULL, detail TEXT NOT NULL)""",
    """CREATE TABLE incidents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, sort TEXT NOT NULL, service TEXT NOT NULL, code TEXT NOT NULL,
        params TEXT NOT NULL, flows TEXT NOT NULL, since TEXT NOT NULL, ours TEXT NOT NULL, theirs TEXT NOT NULL,
        ended REAL, until TEXT NOT NULL, back REAL NOT NULL)""",
    """CREATE TABLE incidents_told (
        incident INTEGER NOT NULL, channel TEXT NOT NULL, age REAL NOT NULL, over INTEGER NOT NULL,
        PRIMARY KEY (incident, channel))""",
    """CREATE TABLE decisions (
        kind TEXT NOT NULL, accountview TEXT NOT NULL, crafter TEXT NOT NULL, decision TEXT NOT NULL,
        verdict TEXT NOT NULL, under TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (kind, accountview, crafter))
        WITHOUT ROWID""",
    "CREATE INDEX decisions_crafter ON decisions(kind, crafter)",
    "CREATE INDEX decisions_under ON decisions(under) WHERE under != ''",
    "CREATE TABLE flow_state (flow TEXT PRIMARY KEY, last_ok TEXT NOT NULL)",
    "CREATE TABLE cache (key TEXT PRIMARY KEY, value TEXT NOT NULL, fetched_at TEXT NOT NULL)",
    "CREATE TABLE epoch (planning INTEGER NOT NULL, timelines INTEGER NOT NULL)",
    "INSERT INTO epoch (planning, timelines) VALUES (0, 0)",
)


def _changing(table: str, columns: tuple[str, ...], of: str = "", what: str = "planning") -> tuple[str, ...]:
    """Triggers that count whatever changes these columns; what is written as it stood is no change. `of`: which rows
    matter at all, as a condition on `{0}`."""
    rows = {"INSERT": ("NEW",), "DELETE": ("OLD",), f"UPDATE OF {', '.join(columns)}": ("NEW", "OLD")}
    changed = " OR ".join(f"NEW.{one} IS NOT OLD.{one}" for one in columns)
    found = []
    for number, (how, ends) in enumerate(rows.items()):
        conditions = [f"({' OR '.join(of.format(end) for end in ends)})"] if of else []
        conditions += [f"({changed})"] if len(ends) == 2 else []
        when = f" WHEN {' AND '.join(conditions)}" if conditions else ""
        found.append(f"CREATE TRIGGER {table}_{number} AFTER {how} ON {table}{when} BEGIN {_count(what)}; END")
    return tuple(found)


def _count(what: str) -> str:
    return f"UPDATE epoch SET {what} = {what} + 1"


_READ_AGAIN = (  # a version takes the place of one that says the same
    "SELECT 1 FROM inbox WHERE kind = NEW.kind AND side = NEW.side AND id = NEW.id AND fate = NEW.fate"
    " AND record = NEW.record"
)
_COUNTING = (
    *_changing("links", ("kind", "origin", "adopted", "gone", "accountview", "accountview_told", "crafter",
                         "crafter_told", "lost")),
    *_changing("intents", ("kind", "verb", "record_side", "record", "link", "reference", "detail", "buried")),
    *_changing("cache", ("key", "value", "fetched_at"), of="substr({0}.key, 1, 7) = 'absent:'"),
    f"CREATE TRIGGER inbox_0 BEFORE INSERT ON inbox WHEN NOT EXISTS ({_READ_AGAIN}) BEGIN {_count('planning')}; END",
    *_changing("inbox", ("kind", "side", "id", "fate", "record"))[1:],
    *_changing("problems", ("number", "flow", "kind", "side", "record", "code", "slot", "name", "called", "short",
                            "params", "severity", "entity", "entity_id", "ignored", "because"),
               of="{0}.entity_id != '' AND {0}.severity != 'waiting'", what="timelines"),
)  # fmt: skip


STEPS: list[Callable[[Any], None]] = [first_tables]  # by their names state.db knows which it has behind it
_NAMES = tuple(match[1] for match in map(re.compile(r"CREATE TABLE (\w+)").match, _TABLES) if match)


@contextmanager
def _opening(path: Path, code: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explained(error, str(path)) from error
    except OSError as error:
        raise PersonMustLook(code, path=str(path), detail=error.strerror or str(error)) from error


def open_for_writing(folder: Path) -> Database:
    """Open (or make) state.db in the state folder. A damaged file is exit 5, never a silent fresh start."""
    path = folder / FILE_NAME
    with _opening(path, "state_unwritable"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_leftovers(path)
        if not path.exists():  # it holds customers' names: readable for its owner and group at most
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o640))
        db = Database(_connect(str(path)))
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _check(db, path)
        _keep_as_it_was(db, path)
        bring_up_to_date(db)
        _sign(db)
    return db


def open_for_reading(folder: Path) -> Database | None:
    """Open state.db without writing anything, not even beside it; None when there is none yet.

    One that the next run will bring up to date is read as a copy that already is.
    """
    path = folder / FILE_NAME
    with _opening(path, "state_unreadable"):
        if not path.exists():
            return None
        _refuse_leftovers(path)
        db = _readable(path)
        _check(db, path)
        if not db.tables() - {_APPLIED}:  # somebody's first run is just making it
            db.close()
            return None
        if _outdated(db):
            old, db = db, private_copy(db.conn)
            old.close()
            bring_up_to_date(db)
    return db


def _applied(db: Database) -> list[str]:
    """The steps that it has behind it."""
    if _APPLIED not in db.tables():
        return []
    return [row[0] for row in db.execute(f"SELECT name FROM {_APPLIED} WHERE migration_set = ? ORDER BY rowid", [_SET])]


def _pending(db: Database) -> list[str]:
    """Those that it has before it."""
    applied = _applied(db)
    return [step.__name__ for step in STEPS if step.__name__ not in applied]


def bring_up_to_date(db: Database) -> None:
    """Take the steps that are left, each in a transaction of its own. What does that is imported when there are any."""
    if not _pending(db):
        return
    import sqlite_utils

    migrations = sqlite_utils.Migrations(_SET)
    for step in STEPS:
        migrations()(step)
    migrations.apply(sqlite_utils.Database(db.conn, recursive_triggers=False))


def _outdated(db: Database) -> bool:
    """Whether an earlier avsync made it, and this one keeps more, or otherwise."""
    return bool(_applied(db)) and bool(_pending(db))


def _keep_as_it_was(db: Database, path: Path) -> None:
    """Before tables change, a copy beside the file: with it the earlier avsync can go on. One that is there already
    was made for the same change, which then did not come to its end."""
    kept = path.with_name(f"{path.name}.before-{_pending(db)[-1]}") if _outdated(db) else None
    if kept is None or kept.exists():
        return
    for left in path.parent.glob(f"{kept.name}.*.part"):  # of one that was killed
        left.unlink()
    temporary = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, path.stat().st_mode & 0o777))
        copy = _connect(str(temporary))
        db.conn.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.close()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, kept)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    log.info("state.db is brought up to date; as it was it stands in %s", kept)


def open_copy(folder: Path) -> Database:
    """A private copy for a dry run, which then may write as it likes; empty when there is no state yet."""
    source = open_for_reading(folder)
    if source is None:
        copy = Database(_connect(""))
    else:
        copy = private_copy(source.conn)
        source.close()
    bring_up_to_date(copy)
    return copy


def private_copy(source: sqlite3.Connection) -> Database:
    """A copy on disk that vanishes with its user.

    A copied WAL database stays one, and SQLite would put the side files of a nameless one into the working folder: it
    has a name in the temporary folder until it has another journal.
    """
    import tempfile

    number, name = tempfile.mkstemp(prefix="avsync-", suffix=".db")
    os.close(number)
    try:
        copy = _connect(name)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=MEMORY")
    finally:
        os.unlink(name)
    return Database(copy)


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
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="avsync-") as folder:
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(folder) / (FILE_NAME + suffix))
        original = sqlite3.connect(Path(folder) / FILE_NAME)
        copy = private_copy(original)
        original.close()
    return copy


def _check(db: Database, path: Path) -> None:
    """A file that lost something must never look like a new one. The pages are looked at while that takes no time;
    in a large file a damaged page shows when it is read."""
    _refuse_newer(db, path)
    there = db.tables()
    tables = there - {_APPLIED}
    missing = [name for name in _NAMES if name not in tables]
    if tables and missing:
        raise PersonMustLook("state_damaged", path=str(path), detail=f"without {', '.join(missing)}")
    if tables and _APPLIED not in there:
        raise PersonMustLook("state_damaged", path=str(path), detail=f"without {_APPLIED}")
    if path.stat().st_size <= _SOON_CHECKED:
        said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if said != "ok":
            raise PersonMustLook("state_damaged", path=str(path), detail=said)


def _refuse_newer(db: Database, path: Path) -> None:
    """A later avsync may mean something else by what stands there: it is left as it is (behaviour 32)."""
    known = {step.__name__ for step in STEPS}
    later = [name for name in _applied(db) if name not in known]
    (layout,) = db.execute("PRAGMA user_version").fetchone()  # we leave it at 0
    if later or layout:
        signed = _signed(db).replace(__version__, "")  # ours stands there when the newer one was killed at once
        raise ConfigError("state_newer", path=str(path), version=signed or (later or [layout])[-1], own=__version__)


def _signed(db: Database) -> str:
    """The version of avsync that last wrote here."""
    if "cache" not in db.tables():
        return ""
    row = db.execute("SELECT value FROM cache WHERE key = ?", [_MADE_BY]).fetchone()
    return str(json.loads(row[0])) if row else ""


def _sign(db: Database) -> None:
    """Leave our version, so that an older avsync can name it."""
    if _signed(db) != __version__:
        sql = "INSERT OR REPLACE INTO cache (key, value, fetched_at) VALUES (?, ?, '')"
        db.execute(sql, [_MADE_BY, json.dumps(__version__)])


def _refuse_leftovers(path: Path) -> None:
    """A folder in its place, or nothing left in a file that a run has worked with, is damage too."""
    if path.is_dir():
        raise PersonMustLook("state_damaged", path=str(path), detail="a folder")
    if not path.exists():
        return
    size = path.stat().st_size
    if not size and RunLock(path.parent).holder().identity:
        raise PersonMustLook("state_damaged", path=str(path), detail="empty")
    if size % _page_size(path) and not path.with_name(path.name + "-wal").exists():
        raise PersonMustLook("state_damaged", path=str(path), detail="cut off")


def _page_size(path: Path) -> int:
    """SQLite writes whole pages of this size, and would read what is missing from the last one as zeros."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:], "big")
    return size if size > 1 else 65536 if size else 1


def explained(error: sqlite3.DatabaseError, path: str) -> PersonMustLook:
    """What SQLite says, by who must act: the disk or the rights (free them and go on), or a damaged file."""
    words = str(error)
    if any(sign in words for sign in _HELD):
        return PersonMustLook("state_locked", path=path, detail=words)
    if isinstance(error, sqlite3.OperationalError) and not any(sign in words for sign in _LOST):
        return PersonMustLook("state_unwritable", path=path, detail=words)
    return PersonMustLook("state_damaged", path=path, detail=words)


def in_words(folder: Path) -> AbstractContextManager[None]:
    """While inside, what SQLite refuses ends the command with a message (exit 5), never with a traceback."""
    return file_in_words(str(folder / FILE_NAME))


@contextmanager
def file_in_words(path: str) -> Iterator[None]:
    """The same, for a file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not of_the_disk(error):
            raise
        raise explained(error, path) from error


def of_the_disk(error: Exception) -> bool:
    """Whether it is the disk or the file that fails; anything else SQLite says is a mistake of ours in one record."""
    ours = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, ours)
