"""Power: what avsync acknowledged to itself is on the disk. A model of a disk that loses what was not synced says so.

SQLite's own file functions are wrapped (through its VFS, in this process): every write and every sync of state.db and
its WAL is noted. A power cut leaves of each file what its last sync covered, and of the writes after that any of them,
whole, torn or not at all. Whatever it leaves, a reader must find every intent and link that was committed by then.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from avsync.commands import connect
from avsync.config.settings import Config, load
from avsync.sandbox import seed
from avsync.state import db
from avsync.state.store import Store
from avsync.sync.run import run as do_run
from avsync.sync.session import Session
from tests.support.office import Office, office

pytestmark = pytest.mark.disk

# sqlite3.h: struct sqlite3_vfs, sqlite3_io_methods. Only the functions that are wrapped have a type.
Pointer = ctypes.c_void_p
# A path is passed on as the pointer it came in: SQLite keeps it as long as the file is open.
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, Pointer, Pointer, ctypes.c_int, Pointer)
DELETE = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, Pointer, ctypes.c_int)
CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, Pointer)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, Pointer, ctypes.c_int, ctypes.c_int64)
TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, ctypes.c_int64)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, ctypes.c_int)


class Methods(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int), ("close", CLOSE), ("read", Pointer), ("write", WRITE), ("truncate", TRUNCATE),
        ("sync", SYNC), ("others", Pointer * 13),
    ]  # fmt: skip


class Vfs(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int), ("size", ctypes.c_int), ("longest", ctypes.c_int), ("next", Pointer),
        ("name", ctypes.c_char_p), ("data", Pointer), ("open", OPEN), ("delete", DELETE), ("others", Pointer * 14),
    ]  # fmt: skip


def _same_library() -> bool:
    """Whether the library that can be wrapped is the one that Python's sqlite3 uses."""
    try:
        library = ctypes.CDLL("libsqlite3.so.0")
    except OSError:
        return False
    library.sqlite3_libversion.restype = ctypes.c_char_p
    return "libsqlite3" in Path("/proc/self/maps").read_text() and (
        library.sqlite3_libversion().decode() == sqlite3.sqlite_version
    )


recorded = pytest.mark.skipif(not _same_library(), reason="this Python brings its own SQLite, which cannot be wrapped")


@dataclass
class Disk:
    """One file as the disk has it: `safe` is sure, `loose` are the writes since the last sync."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.safe, self.loose = bytearray(self.left(self.loose)), []

    def left(self, kept: list[tuple[int, bytes | None]]) -> bytes:
        """What stands there when only these of the loose writes arrived (None: a truncation to that length)."""
        content = bytearray(self.safe)
        for offset, data in kept:
            if data is None:
                del content[offset:]
                continue
            content.extend(b"\0" * (offset - len(content)))
            content[offset : offset + len(data)] = data
        return bytes(content)


class Recorder:
    """Notes what SQLite writes and syncs, per file name, as long as it is installed."""

    _alive: ClassVar[list[Recorder]] = []  # a connection that is still open goes on calling these functions

    def __init__(self) -> None:
        self._alive.append(self)
        self.disks: dict[str, Disk] = {}
        self.syncs = 0
        self._lock = threading.Lock()
        self._kept: list[Any] = []
        self._files: dict[int, tuple[Disk, Methods]] = {}
        self._lib = ctypes.CDLL("libsqlite3.so.0")
        self._lib.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)

    def __enter__(self) -> Recorder:
        real = self._lib.sqlite3_vfs_find(None)
        self._real = real.contents
        self._vfs = Vfs.from_buffer_copy(bytes(self._real))
        self._vfs.name, self._vfs.next = b"recorder", None
        self._vfs.open, self._vfs.delete = self._keep(OPEN(self._open)), self._keep(DELETE(self._delete))
        assert self._lib.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == 0
        return self

    def __exit__(self, *_: object) -> None:
        self._lib.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        assert self._lib.sqlite3_vfs_register(ctypes.byref(self._real), 1) == 0

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback

    def _open(self, vfs: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        code = int(self._real.open(ctypes.addressof(self._real), path, file, flags, out))
        place = Path(os.fsdecode(ctypes.string_at(path))) if path else Path()
        name = place.name
        if code == 0 and name.startswith(db.FILE_NAME) and not name.endswith("-shm"):
            address = ctypes.cast(file, ctypes.POINTER(Pointer))
            methods = ctypes.cast(address[0], ctypes.POINTER(Methods)).contents
            disk = self.disks.setdefault(name, Disk(bytearray(place.read_bytes())))
            self._files[file] = (disk, methods)
            ours = Methods.from_buffer_copy(bytes(methods))
            ours.write, ours.sync = self._keep(WRITE(self._write)), self._keep(SYNC(self._sync))
            ours.truncate = self._keep(TRUNCATE(self._truncate))
            self._kept.append(ours)
            address[0] = ctypes.addressof(ours)
        return code

    def _delete(self, vfs: int, path: int, sync: int) -> int:
        with self._lock:
            self.disks.pop(Path(os.fsdecode(ctypes.string_at(path))).name, None)
        return int(self._real.delete(ctypes.addressof(self._real), path, sync))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        disk, real = self._files[file]
        with self._lock:
            disk.loose.append((offset, ctypes.string_at(data, size)))
        return int(real.write(file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        disk, real = self._files[file]
        with self._lock:
            disk.loose.append((size, None))
        return int(real.truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        disk, real = self._files[file]
        with self._lock:
            self.syncs += 1
            disk.sync()
        return int(real.sync(file, flags))

    def cut(self, folder: Path, luck: random.Random | None) -> Path:
        """The folder as a power cut leaves it: without luck nothing that was not synced; else some of it, also torn."""
        folder.mkdir(exist_ok=True)
        with self._lock:
            for name, disk in self.disks.items():
                (folder / name).write_bytes(disk.left(_some(disk.loose, luck) if luck else []))
        return folder


def _some(loose: list[tuple[int, bytes | None]], luck: random.Random) -> list[tuple[int, bytes | None]]:
    kept: list[tuple[int, bytes | None]] = []
    for offset, data in loose:
        fate = luck.random()
        if fate < 0.4:
            kept.append((offset, data))
        elif fate < 0.6 and data:
            kept.append((offset, data[: luck.randrange(len(data))]))
    return kept


def acknowledged(store: Store) -> tuple[list[Any], list[Any]]:
    """What a run relies on from here: its open intents, and which record is which."""
    intents = store.db.execute("SELECT id, kind, side, record, reference FROM intents ORDER BY id").fetchall()
    links = store.db.execute("SELECT id, kind, accountview, crafter FROM links ORDER BY id").fetchall()
    return intents, links


def after(folder: Path) -> tuple[list[Any], list[Any]]:
    """The same, as the next run finds it."""
    found = Store(db.open_for_writing(folder))
    try:
        (verdict,) = found.db.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok"
        return acknowledged(found)
    finally:
        found.close()


def session_of(config: Config, store: Store, checkpoint: Callable[[str], None] = lambda where: None) -> Session:
    services = connect.accountview(config), connect.crafter(config)
    return Session(config, store, *services, lambda: datetime.now(UTC), time.sleep, checkpoint=checkpoint)


def cut_at_every_commit(tmp_path: Path, luck: random.Random, shots: int) -> tuple[int, int]:
    """A first run; the power fails right after every commit it relies on. Returns how often, and how many syncs."""
    wrong: list[str] = []
    cuts = 0
    world = seed.world(seed=1, bad=False, customers=5, projects=2, orders=3, work_orders=5, hours=6)
    with office(tmp_path, world, wire=True) as one:
        one.write_config()
        config = load(one.path)
        with Recorder() as recorder:
            store = Store(db.open_for_writing(one.state))

            def checkpoint(where: str) -> None:
                nonlocal cuts
                if where not in ("announced", "saved") or threading.current_thread() is not threading.main_thread():
                    return
                expected = acknowledged(store)
                for shot in range(shots):
                    cuts += 1
                    place = tmp_path / "cut"
                    shutil.rmtree(place, ignore_errors=True)
                    found = Reader(place, recorder, luck if shot else None).read()
                    if found != expected:
                        wrong.append(f"{where}, cut {cuts}: found {found} and not {expected}")

            try:
                session = session_of(config, store, checkpoint)
                result = do_run(session)
            finally:
                syncs = recorder.syncs
                store.close()
        assert result.exit == 0, result.errors
    assert wrong == []
    return cuts, syncs


class Reader:
    """Opens what a cut left; the recorder looks away meanwhile."""

    def __init__(self, place: Path, recorder: Recorder, luck: random.Random | None) -> None:
        self.place, self.recorder, self.luck = place, recorder, luck

    def read(self) -> tuple[list[Any], list[Any]]:
        self.recorder.cut(self.place, self.luck)
        disks, self.recorder.disks = self.recorder.disks, {}
        try:
            return after(self.place)
        finally:
            self.recorder.disks = disks


@recorded
def test_no_power_cut_takes_an_acknowledged_intent_or_link(tmp_path: Path) -> None:
    cuts, syncs = cut_at_every_commit(tmp_path, random.Random(1), shots=2)
    assert cuts > 30
    assert syncs > cuts / 2, "every commit is synced"


@recorded
@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
def test_no_power_cut_takes_an_acknowledged_intent_or_link_in_many_ways(tmp_path: Path, number: int) -> None:
    cut_at_every_commit(tmp_path, random.Random(number), shots=12)


@recorded
def test_the_model_notices_what_normal_would_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the proof: with `synchronous=NORMAL` the very same cuts do lose commits."""
    real = db.Database.execute

    def execute(self: Any, sql: str, *args: Any) -> Any:
        return real(self, sql.replace("synchronous=FULL", "synchronous=NORMAL"), *args)

    monkeypatch.setattr(db.Database, "execute", execute)
    with pytest.raises(AssertionError, match="announced"):
        cut_at_every_commit(tmp_path, random.Random(1), shots=1)


def test_state_db_is_opened_as_the_design_says(tmp_path: Path) -> None:
    with closing(db.open_for_writing(tmp_path).conn) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


@recorded
def test_a_new_state_db_is_there_after_a_cut(tmp_path: Path) -> None:
    """Its tables are committed like everything else, also when the first checkpoint of the WAL never came."""
    with Recorder() as recorder:
        store = Store(db.open_for_writing(tmp_path / "state"))
        with store.transaction():
            store.start_run("run-all", "2026-01-01T00:00:00.000000Z")
        place = recorder.cut(tmp_path / "cut", None)
        store.close()
    again = Store(db.open_for_writing(place))
    assert again.last_run_number() == 1
    again.close()


# a backup


def copied(one: Office, place: Path) -> Path:
    """state.db first, then its WAL: what a commit adds in between is in the later of the two."""
    place.mkdir()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        shutil.copyfile(one.state / name, place / name)
    return place


def test_a_copy_of_the_files_while_a_run_works_is_a_backup(tmp_path: Path) -> None:
    """Each copy opens, is whole, and knows what was linked when copying began; a run from it sends nothing twice."""
    with office(tmp_path, seed.world(seed=1, bad=False, customers=8, hours=12), latency=0.005, wire=True) as one:
        one.write_config()
        config = load(one.path)
        store = Store(db.open_for_writing(one.state))
        session = session_of(config, store)
        copies: list[tuple[int, Path]] = []
        done = threading.Event()

        def copy() -> None:
            while not done.wait(0.02):
                copies.append((links_in(one.state), copied(one, tmp_path / f"copy{len(copies)}")))

        copier = threading.Thread(target=copy)
        copier.start()
        assert do_run(session).exit == 0
        done.set()
        copier.join()
        store.close()
        assert len(copies) > 5
        for known, place in copies:
            assert len(after(place)[1]) >= known
        middle = copies[len(copies) // 2][1]
        shutil.copytree(middle, one.state, dirs_exist_ok=True)
        assert one.run()["exit"] == 0, one.errors()
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


def links_in(folder: Path) -> int:
    with closing(sqlite3.connect(f"{(folder / 'state.db').as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM links").fetchone()[0])


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs util-linux")
def test_a_copy_under_the_lock_waits_for_the_run_and_is_complete(tmp_path: Path) -> None:
    """`flock <state>/lock cp -a …`: the way to back up that no moment can spoil, and no run is disturbed by."""
    with office(tmp_path, seed.world(seed=1, bad=False, customers=4), latency=0.02, wire=True) as one:
        running = subprocess.Popen(one.command("run-all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not (one.state / "state.db").exists():
            assert running.poll() is None
            time.sleep(0.01)
        command = ["flock", str(one.state / "lock"), "cp", "-a", str(one.state), str(tmp_path / "backup")]
        subprocess.run(command, check=True, timeout=60)
        running.communicate(timeout=60)
        assert running.returncode == 0
        assert len(after(tmp_path / "backup")[1]) == links_in(one.state) > 0
