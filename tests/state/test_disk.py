"""Disks that are full, closed or damaged: a clear message, the right exit code, nothing lost, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.state import db
from avsync.state.store import Store
from tests.support.office import Told, office


def small(customers: int = 4) -> Any:
    return seed.world(seed=1, bad=False, customers=customers, projects=2, orders=2, work_orders=4, hours=6)


def in_words(told: Told, *words: str, code: int = 5) -> None:
    assert told.exit == code, told.err
    assert "Traceback" not in told.err + told.out
    for word in words:
        assert word in told.err


# no space


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    """The folder on a disk of its own; skips where mounting is not allowed."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount")
def test_a_disk_that_fills_up_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """It ends with the disk's own words; with room made, the next run finds what was sent and sends nothing twice."""
    with office(tmp_path, small(customers=30)) as one, tiny_disk(one.state, "1m"):
        one.state.chmod(0o700)
        one.log_in()
        ballast = one.state / "ballast"
        ballast.write_bytes(b"x" * 500_000)
        told = one.avsync("run-all")
        in_words(told, "cannot be written", "free disk space")
        assert "full" in told.err
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(one.state)], check=True)
        one.recovers()


def test_a_full_disk_before_anything_began(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one, tiny_disk(one.state, "64k"):
        one.state.chmod(0o700)
        one.log_in()
        with suppress(OSError), (one.state / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        in_words(one.avsync("run-all"), "cannot be written")
        assert one.writes() == []
        (one.state / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(one.state)], check=True)
        one.recovers()


@pytest.mark.parametrize("pages", [0, 1, 3, 6])
def test_a_database_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """It may grow by so many pages after it was opened."""
    real = db.open_for_writing

    def opened(folder: Path) -> Any:
        found = real(folder)
        (now,) = found.execute("PRAGMA page_count").fetchone()
        found.execute(f"PRAGMA max_page_count={now + pages}")
        return found

    with office(tmp_path, small(customers=8)) as one:
        monkeypatch.setattr(db, "open_for_writing", opened)
        told = one.avsync("run-all")
        in_words(told, "cannot be written", "database or disk is full", str(one.state / "state.db"))
        monkeypatch.undo()
        one.recovers()


@pytest.mark.parametrize("nth", [1, 3, 8, 13, 21])
def test_a_commit_that_fails_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """Any commit may be the one that no longer fits; what was sent by then is found again."""
    count = 0
    real = Store.transaction

    def transaction(self: Store) -> Any:
        nonlocal count
        count += not self.db.conn.in_transaction and Path(self.path).is_absolute()
        if count == nth:
            count += 1
            return failing(real(self))
        return real(self)

    @contextmanager
    def failing(inner: Any) -> Iterator[None]:
        with inner:
            yield
            raise sqlite3.OperationalError("disk I/O error")

    with office(tmp_path, small()) as one:
        monkeypatch.setattr(Store, "transaction", transaction)
        told = one.avsync("run-all")
        in_words(told, "disk I/O error")
        monkeypatch.undo()
        one.recovers()


def test_a_dry_run_without_room_for_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()

        def full(path: str, uri: bool = False) -> sqlite3.Connection:
            connection = sqlite3.connect(path, uri=uri, isolation_level=None)
            if Path(path).name.startswith("avsync-"):
                connection.execute("PRAGMA max_page_count=2")
            return connection

        monkeypatch.setattr(db, "_connect", full)
        in_words(one.avsync("run-all", "--dry-run"), "full")


# damage


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"access_token": null}', b'{"access_token": 5}', b"\xff\xfe", b"[" * 60_000,
     b"\0" * 500, b'{"access_token": ""}'],
)  # fmt: skip
def test_a_corrupted_token_file_asks_for_a_login(tmp_path: Path, content: bytes) -> None:
    with office(tmp_path, small()) as one:
        (one.state / "token.json").write_bytes(content)
        in_words(one.avsync("run-all"), "token.json", "avsync login", code=3)
        assert one.writes() == []
        assert one.avsync("status").exit == 0
        assert one.avsync("check").exit == 3
        one.log_in()
        one.recovers()


@pytest.mark.parametrize(
    "token",
    [{"access_token": "x"}, {"access_token": "x", "expires_at": "soon"}, {"access_token": "x", "expires_at": 1e400},
     {"access_token": "x", "expires_at": 10**400}, {"access_token": "x", "expires_in": 10**400, "expires_at": 1},
     {"access_token": "x\ny"}, {"access_token": "é"}, {"access_token": "x", "refresh_token": 5, "expires_at": 1}],
)  # fmt: skip
def test_a_token_file_with_odd_values_asks_for_a_login(tmp_path: Path, token: dict[str, Any]) -> None:
    with office(tmp_path, small()) as one:
        (one.state / "token.json").write_text(json.dumps(token), encoding="utf-8")
        told = one.avsync("run-all")
        assert told.exit in (2, 3)
        assert "Traceback" not in told.err
        assert one.avsync("status").exit == 0
        one.log_in()
        one.recovers()


def test_a_damaged_state_db_stops_and_nothing_begins_anew(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        whole = (one.state / "state.db").read_bytes()
        one.box.requests.clear()
        for damaged in (
            b"not a database at all, but long enough to be one" * 100,
            whole[:5000],
            whole[:100] + b"\xff" * 9000,
        ):
            for side_file in ("state.db-wal", "state.db-shm"):
                (one.state / side_file).unlink(missing_ok=True)
            (one.state / "state.db").write_bytes(damaged)
            told = one.avsync("run-all")
            in_words(told, "state.db", "damaged", "backup")
            for looking in (["status"], ["errors"]):
                assert "Traceback" not in one.avsync(*looking).err
        assert one.writes() == []
        for side_file in ("state.db-wal", "state.db-shm"):
            (one.state / side_file).unlink(missing_ok=True)
        (one.state / "state.db").write_bytes(whole)
        one.recovers()


def test_a_page_that_is_damaged_in_the_middle_ends_the_run_in_words(tmp_path: Path) -> None:
    """Found while reading, not at the start: still exit 5, and never "unexpected" for every record."""
    with office(tmp_path, small(customers=20)) as one:
        one.recovers()
        path = one.state / "state.db"
        with closing(sqlite3.connect(path)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'links'").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        content = bytearray(path.read_bytes())
        content[(page - 1) * size : page * size] = b"\xa5" * size
        path.write_bytes(content)
        told = one.avsync("run-all")
        in_words(told, "damaged")
        assert one.avsync("errors").exit in (0, 5)


# modes


def test_what_avsync_makes_is_not_for_everybody(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with office(tmp_path, small()) as one:
            one.config["state_dir"] = str(tmp_path / "deep" / "state")
            token = one.state / "token.json"
            one.avsync("status")
            one.avsync("run-all")
            made = tmp_path / "deep" / "state"
            assert stat.S_IMODE(made.stat().st_mode) == 0o700
            shutil.copy(token, made / "token.json")
            (made / "token.json").chmod(0o644)
            with closing(sqlite3.connect(made / "state.db")) as reader:  # keeps the side files in being
                reader.execute("SELECT count(*) FROM links").fetchone()
                assert one.avsync("run-all").exit == 0
                modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in made.iterdir()}
            assert modes["token.json"] == 0o600, "closed to others when it was found open"
            assert {"state.db", "state.db-wal", "state.db-shm", "lock"} <= set(modes)
            assert not [name for name, mode in modes.items() if mode & 0o007], modes
    finally:
        os.umask(before)
