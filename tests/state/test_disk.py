"""Disks that are full, closed or damaged: a clear message, the right exit code, nothing lost, never a traceback."""

from __future__ import annotations

import json
import os
import resource
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
from tests.support.office import Office, Told, office

pytestmark = pytest.mark.disk

ROOT = os.geteuid() == 0
SETPRIV = shutil.which("setpriv")
# root may read and write everything; without these two rights it is an owner like any other
UNPRIVILEGED = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
as_an_owner = pytest.mark.skipif(ROOT and SETPRIV is None, reason="root without setpriv may open everything")


def small(customers: int = 4) -> Any:
    return seed.world(seed=1, bad=False, customers=customers, projects=2, orders=2, work_orders=4, hours=6)


def owner(one: Office, *args: str) -> Told:
    """Run a command as a user who is bound by modes."""
    command = one.command(*args)
    if ROOT and SETPRIV:
        command = [SETPRIV, *UNPRIVILEGED, *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return Told(done.returncode, done.stdout, done.stderr)


def in_words(told: Told, *words: str, code: int = 5) -> None:
    assert told.exit == code, told.err
    assert "Traceback" not in told.err + told.out
    for word in words:
        assert word in told.err


def in_step(one: Office) -> None:
    """Goes through, sends nothing twice, and one more run writes nothing."""
    assert one.run()["exit"] == 0, one.errors()
    one.box.requests.clear()
    assert one.run("--full")["exit"] == 0
    assert one.writes() == []
    for table, column in (("SO_HDR", "EXT_ID"), ("HRS_LINE", "EXT_ID"), ("CONTACT", "ACCT_NAME")):
        marks = [row[column] for row in one.box.accountview.rows(table) if row[column]]
        assert len(marks) == len(set(marks)), f"doubled in {table}"


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
        in_step(one)


def test_a_full_disk_before_anything_began(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one, tiny_disk(one.state, "64k"):
        one.log_in()
        with suppress(OSError), (one.state / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        in_words(one.avsync("run-all"), "cannot be written")
        assert one.writes() == []
        (one.state / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(one.state)], check=True)
        in_step(one)


@pytest.mark.parametrize("limit", [60, 160, 240, 320])
def test_a_file_that_may_not_grow(tmp_path: Path, limit: int) -> None:
    """The same without a mount: somewhere in the run a write fails, wherever that is."""
    with office(tmp_path, small(customers=8)) as one:
        command = one.command("run-all")
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit * 1024, limit * 1024)),  # noqa: PLW1509
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        if done.returncode:
            in_words(Told(done.returncode, done.stdout, done.stderr), "cannot be written")
        in_step(one)


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
        in_step(one)


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
        in_step(one)


def test_a_dry_run_without_room_for_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path, small()) as one:
        in_step(one)

        def full(path: str, uri: bool = False) -> sqlite3.Connection:
            connection = sqlite3.connect(path, uri=uri, isolation_level=None)
            if Path(path).name.startswith("avsync-"):
                connection.execute("PRAGMA max_page_count=2")
            return connection

        monkeypatch.setattr(db, "_connect", full)
        in_words(one.avsync("run-all", "--dry-run"), "full")


# no right


@as_an_owner
def test_a_state_folder_that_may_only_be_read(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        in_step(one)
        customer = one.box.crafter.add("customers", name="Later")
        one.box.requests.clear()
        for file in one.state.iterdir():
            file.chmod(0o400)
        one.state.chmod(0o500)
        try:
            in_words(owner(one, "run-all"), "cannot be written", "Permission denied", "rights")
            assert one.writes() == []
            for looking in (["errors"], ["run-all", "--dry-run"]):
                told = owner(one, *looking)
                assert told.exit == 0, (looking, told.err)
        finally:
            one.state.chmod(0o700)
            for file in one.state.iterdir():
                file.chmod(0o600)
        in_step(one)
        assert one.box.crafter.record("customers", customer)


@as_an_owner
@pytest.mark.parametrize(("name", "words"), [("state.db", "state.db"), ("lock", "lock")])
@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_file_that_may_not_be_written(tmp_path: Path, name: str, words: str, mode: int) -> None:
    with office(tmp_path, small()) as one:
        in_step(one)
        one.box.requests.clear()
        (one.state / name).chmod(mode)
        told = owner(one, "run-all")
        in_words(told, words, "rights")
        assert one.writes() == []
        (one.state / name).chmod(0o600)
        in_step(one)


@as_an_owner
def test_a_state_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        in_step(one)
        one.state.chmod(0o000)
        try:
            for command in (["run-all"], ["status"], ["run-all", "--dry-run"], ["errors", "--ignore", "1"]):
                told = owner(one, *command)
                in_words(told, str(one.state), "Permission denied", "right")
        finally:
            one.state.chmod(0o700)
        in_step(one)


@as_an_owner
def test_a_token_file_that_may_not_be_read(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        (one.state / "token.json").chmod(0o000)
        in_words(owner(one, "run-all"), "token.json", "Permission denied", "owns the file")
        assert one.writes() == []
        (one.state / "token.json").chmod(0o600)
        in_step(one)


@as_an_owner
def test_a_token_that_cannot_be_saved_is_not_refreshed(tmp_path: Path) -> None:
    """There is room for a new pair, or the old one stays good: a refresh token is never spent for nothing."""
    with office(tmp_path, small()) as one:
        in_step(one)
        one.box.expire_tokens()
        one.state.chmod(0o500)
        try:
            for looking in (["check"], ["run-all", "--dry-run"]):
                told = owner(one, *looking)
                assert told.exit != 0
                assert "Traceback" not in told.err + told.out
                assert "could not be saved" in told.err + told.out
            assert one.box.token_refreshes == 0
        finally:
            one.state.chmod(0o700)
        in_step(one)


def test_a_state_dir_that_is_a_file_or_lies_under_one(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        for place in (tmp_path / "file", tmp_path / "file" / "state"):
            one.config["state_dir"] = str(place)
            for command in (["run-all"], ["status"], ["errors"], ["run-all", "--dry-run"], ["check"]):
                told = one.avsync(*command)
                assert told.exit in (0, 2, 3, 5), command
            in_words(one.avsync("run-all"), str(tmp_path / "file"))


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
        in_step(one)


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
        in_step(one)


def test_a_damaged_state_db_stops_and_nothing_begins_anew(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        in_step(one)
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
        in_step(one)


def test_a_page_that_is_damaged_in_the_middle_ends_the_run_in_words(tmp_path: Path) -> None:
    """Found while reading, not at the start: still exit 5, and never "unexpected" for every record."""
    with office(tmp_path, small(customers=20)) as one:
        in_step(one)
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
