"""A state.db of an earlier avsync: brought up to date by the first run, with a copy of how it was."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from avsync.errors import PersonMustLook
from avsync.sandbox import seed
from avsync.state import db
from tests.support.office import office

KEPT = "state.db.before-step_two"


def small() -> Any:
    return seed.world(seed=1, bad=False, customers=4, projects=2, orders=2, work_orders=4, hours=6)


def step_one(database: Database) -> None:
    database.execute("ALTER TABLE links ADD COLUMN note TEXT NOT NULL DEFAULT 'new'")


def step_two(database: Database) -> None:
    database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")


def breaks(database: Database) -> None:
    database.execute("CREATE TABLE half (id INTEGER PRIMARY KEY)")
    database.execute("ALTER TABLE nothing ADD COLUMN x")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install an avsync that keeps more: further steps behind those of today."""

    def install(*steps: Callable[[Database], None]) -> None:
        monkeypatch.setattr(db, "STEPS", [*db.STEPS, *steps])

    return install


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        return [line for line in opened.iterdump() if "sqlite_sequence" not in line]


def test_an_upgrade_keeps_the_state_as_it_was_beside_it(tmp_path: Path, later: Callable[..., None]) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        before = content(one.state / "state.db")
        mode = stat.S_IMODE((one.state / "state.db").stat().st_mode)
        later(step_one, step_two)
        one.rests()  # the first run brings it up to date; nothing is sent twice
        kept = one.state / KEPT
        assert [line for line in content(kept) if "INTO runs" not in line] == [
            line for line in before if "INTO runs" not in line
        ]
        assert stat.S_IMODE(kept.stat().st_mode) == mode
        with closing(sqlite3.connect(one.state / "state.db")) as opened:
            assert {row[0] for row in opened.execute("SELECT note FROM links")} == {"new"}
        told = kept.stat().st_mtime_ns
        one.goes()
        assert kept.stat().st_mtime_ns == told
        assert [path.name for path in one.state.glob("state.db.*")] == [KEPT]


def test_the_earlier_avsync_goes_on_with_the_copy(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        with pytest.MonkeyPatch.context() as newer:
            newer.setattr(db, "STEPS", [*db.STEPS, step_two])
            one.goes()
        assert one.avsync("run-all").exit == 2  # made by a newer avsync
        for side in ("-wal", "-shm"):
            (one.state / f"state.db{side}").unlink(missing_ok=True)
        os.replace(one.state / KEPT, one.state / "state.db")
        one.rests()


def test_what_only_looks_sees_the_old_state_as_the_new_avsync_means_it(
    tmp_path: Path, later: Callable[..., None]
) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        before = (one.state / "state.db").read_bytes()
        later(step_one)
        assert one.avsync("errors").exit == 0
        assert one.avsync("status").exit == 0
        assert one.avsync("run-all", "--dry-run").exit == 0
        opened = db.open_for_reading(one.state)
        assert opened is not None
        assert {row[0] for row in opened.execute("SELECT note FROM links")} == {"new"}
        opened.close()
        assert (one.state / "state.db").read_bytes() == before
        assert list(one.state.glob("state.db.*")) == []


def test_a_step_that_fails_leaves_all_as_it_was(tmp_path: Path, later: Callable[..., None]) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        before = content(one.state / "state.db")
        later(breaks)
        with pytest.raises(PersonMustLook):
            db.open_for_writing(one.state)
        assert content(one.state / "state.db") == before
        assert content(one.state / "state.db.before-breaks") == before


def test_without_room_for_the_copy_nothing_is_changed(
    tmp_path: Path, later: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        before = content(one.state / "state.db")
        later(step_two)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(db.os, "fsync", full)
            told = one.avsync("run-all")
        assert told.exit == 5
        assert "No space left on device" in told.err
        assert content(one.state / "state.db") == before
        assert list(one.state.glob("state.db.*")) == []
        one.rests()


@pytest.mark.parametrize("where", ["os.replace", "bring_up_to_date", "_sign"])
def test_killed_in_the_middle_the_next_start_finishes_it(tmp_path: Path, where: str) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from avsync.state import db
def step_two(database):
    database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
db.STEPS.append(step_two)
if sys.argv[2] == "kill":
    db.{where} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
db.open_for_writing(Path(sys.argv[1])).close()
"""
    with office(tmp_path, small()) as one:
        one.recovers()
        before = content(one.state / "state.db")

        def start(how: str) -> int:
            return subprocess.run([sys.executable, "-c", program, str(one.state), how], timeout=60).returncode

        assert start("kill") == -signal.SIGKILL
        assert start("go") == 0
        assert content(one.state / KEPT) == before
        assert [path.name for path in one.state.glob("state.db.*")] == [KEPT]
        with closing(sqlite3.connect(one.state / "state.db")) as opened:
            assert opened.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_a_new_state_needs_no_copy(tmp_path: Path, later: Callable[..., None]) -> None:
    later(step_one, step_two)
    db.open_for_writing(tmp_path / "state").close()
    assert sorted(path.name for path in (tmp_path / "state").glob("state.db*")) == ["state.db"]
