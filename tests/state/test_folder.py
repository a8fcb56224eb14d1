"""Whose the state folder is, who else may write there, locks that nobody can take (behaviour 32 and 53)."""

from __future__ import annotations

import errno
import fcntl
import importlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from avsync.cli import main
from avsync.state import db, folder
from tests.state.test_disk import in_words, small
from tests.support.office import Office, Told, office

ROOT = os.geteuid() == 0
SOMEBODY = 65_533
WRITING = (["run-all"], ["run-all", "--dry-run"], ["sync", "customers"], ["errors", "--retry", "all"],
           ["errors", "--ignore", "1"], ["login", "--no-browser"])  # fmt: skip
as_root = pytest.mark.skipif(not ROOT, reason="only root can give files away")


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_told", set())


def contents(one: Office) -> dict[str, tuple[bytes, int, int]]:
    """What stands in the state folder: bytes, owner and time of each file."""
    return {path.name: (path.read_bytes(), path.stat().st_uid, path.stat().st_mtime_ns) for path in one.state.iterdir()}


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


# locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO, errno.EOPNOTSUPP, errno.EBADF])
def test_a_lock_that_nobody_can_take_is_no_run_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with office(tmp_path, small()) as one:
        monkeypatch.setattr(fcntl, "flock", refusing(number))
        in_words(one.avsync("run-all"), str(one.state / "lock"), os.strerror(number), "cannot be locked")
        assert one.writes() == []
        one.box.expire_tokens()
        monkeypatch.undo()
        one.log_in()
        one.recovers()


def test_the_lock_of_the_login_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path, small()) as one:
        one.box.expire_tokens()
        real = fcntl.flock

        def flock(handle: int, how: int) -> None:
            if os.readlink(f"/proc/self/fd/{handle}").endswith("token.json.lock"):
                refusing(errno.ENOLCK)()
            real(handle, how)

        monkeypatch.setattr(fcntl, "flock", flock)
        in_words(one.avsync("run-all"), "token.json.lock", "cannot be locked")
        assert one.writes() == []


def test_another_run_is_still_another_run(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        handle = os.open(one.state / "lock", os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        told = one.process("run-all")
        assert told.exit == 0
        assert "Another run is at work" in told.err
        os.close(handle)


@pytest.mark.parametrize("name", ["lock", "token.json.lock"])
def test_a_link_in_place_of_a_lock_is_not_written_through(tmp_path: Path, name: str) -> None:
    with office(tmp_path, small()) as one:
        victim = tmp_path / "victim"
        victim.write_text("precious", encoding="utf-8")
        (one.state / name).symlink_to(victim)
        one.box.expire_tokens()
        in_words(one.avsync("run-all"), str(one.state / name), "link")
        assert victim.read_text(encoding="utf-8") == "precious"
        assert one.writes() == []
        (one.state / name).unlink()
        one.recovers()


# a folder that cannot be fsynced


def test_a_folder_that_cannot_be_synced_is_a_warning_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with office(tmp_path, small()) as one:
        one.box.expire_tokens()
        real = os.fsync

        def fsync(handle: int) -> None:
            if os.path.isdir(os.readlink(f"/proc/self/fd/{handle}")):
                refusing(errno.EINVAL)()
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        told = one.avsync("run-all")
        assert told.exit == 0, told.err
        warnings = [line for line in caplog.messages if "cannot be synced" in line]
        assert len(warnings) == 1
        assert str(one.state) in warnings[0]
        assert one.box.token_refreshes == 1


# others


@pytest.mark.parametrize("mode", [0o777, 0o772, 0o1777, 0o770])
def test_a_folder_that_others_may_write(tmp_path: Path, mode: int) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.requests.clear()
        one.state.chmod(mode)
        before = contents(one)
        for command in WRITING:
            in_words(one.avsync(*command), str(one.state), "Others may write", "chmod go-w")
        assert one.avsync("check").exit == 5
        assert contents(one) == before
        assert list(one.box.requests) == []
        for looking in (["errors"], ["status"]):
            assert one.avsync(*looking).exit == 0
        one.state.chmod(0o755)
        one.recovers()


@pytest.mark.parametrize("name", ["state.db", "token.json", "lock"])
def test_a_file_that_others_may_write(tmp_path: Path, name: str) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.requests.clear()
        (one.state / name).chmod(0o666)
        in_words(one.avsync("run-all"), str(one.state / name), "Others may write")
        assert list(one.box.requests) == []
        (one.state / name).chmod(0o600)
        one.recovers()


# another user


@as_root
def test_root_in_the_folder_of_another_user(tmp_path: Path) -> None:
    """As a process of its own: what root left there would stop the runs of its owner for ever."""
    with office(tmp_path, small(), wire=True) as one:
        one.recovers()
        one.box.expire_tokens()
        one.box.requests.clear()
        for path in (one.state, *one.state.iterdir()):
            os.chown(path, SOMEBODY, SOMEBODY)
        before = contents(one)
        for command in WRITING:
            in_words(one.process(*command), str(one.state), str(SOMEBODY), "root")
        assert one.process("check").exit == 5
        assert contents(one) == before
        assert list(one.box.requests) == []
        for looking in (["errors"], ["status"]):
            told = one.process(*looking)
            assert told.exit == 0, told.err
        assert {path.stat().st_uid for path in one.state.iterdir()} == {SOMEBODY}


@as_root
def test_a_colleague_may_look_with_the_right_to_read_alone(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.box.crafter.add("customers", name="X" * 200)
        one.run()
        told = len(one.errors())
        for path in (one.state, *one.state.parents):
            if not path.stat().st_mode & 0o001:
                path.chmod(0o755)
        for path in (*one.state.glob("state.db*"), one.path):
            path.chmod(0o644)
        before = contents(one)
        with as_somebody():
            shown = CliRunner().invoke(main, ["-c", str(one.path), "--json", "errors"])
            assert shown.exit_code == 0, (shown.stderr, shown.exception)
            assert len(json.loads(shown.stdout)) == told > 0
            shown = CliRunner().invoke(main, ["-c", str(one.path), "--json", "status"])
            assert json.loads(shown.stdout)["last_run"]["exit"] == 1
            for command in (["run-all"], ["errors", "--retry", "all"]):
                refused = CliRunner().invoke(main, ["-c", str(one.path), *command])
                in_words(Told(refused.exit_code, refused.stdout, refused.stderr), str(one.state), str(SOMEBODY), "root")
        assert contents(one) == before


@contextmanager
def as_somebody() -> Iterator[None]:
    """This process as another user. What is still to be imported may lie where he has no right to look."""
    for module in ("commands.errors", "commands.run", "config.model"):
        importlib.import_module(f"avsync.{module}")
    os.setegid(SOMEBODY)
    os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


# state.db


def test_a_database_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.crafter.add("customers", name="Later")
        monkeypatch.setattr(db, "BUSY_SECONDS", 0.1)
        with closing(sqlite3.connect(one.state / "state.db", isolation_level=None)) as viewer:
            viewer.execute("BEGIN IMMEDIATE")
            told = one.avsync("run-all")
        in_words(told, "Another program holds", "database is locked", "viewer")
        assert "disk space" not in told.err
        one.recovers()


@pytest.mark.parametrize("how", ["migration", "signed", "user_version"])
def test_a_database_of_a_newer_avsync(tmp_path: Path, how: str) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.requests.clear()
        with closing(sqlite3.connect(one.state / "state.db")) as later:
            if how == "user_version":
                later.execute("PRAGMA user_version = 977")
            else:
                later.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('avsync', 'step_977')")
            if how == "signed":
                later.execute("UPDATE cache SET value = '\"9.7.7\"' WHERE key = 'made_by'")
            later.commit()
        version = "9.7.7" if how == "signed" else "977"
        for command in (["run-all"], ["run-all", "--dry-run"], ["errors"], ["status"], ["errors", "--ignore", "1"]):
            in_words(one.avsync(*command), "newer avsync", version, code=2)
        assert list(one.box.requests) == []
