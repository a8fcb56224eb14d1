"""Folders and files that avsync may not read or write: a clear message, the right exit code, never a traceback."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.state.test_disk import in_words, small
from tests.support.office import Office, Told, office

ROOT = os.geteuid() == 0
SETPRIV = shutil.which("setpriv")
# root may read and write everything; without these two rights it is an owner like any other
UNPRIVILEGED = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
as_an_owner = pytest.mark.skipif(ROOT and SETPRIV is None, reason="root without setpriv may open everything")


def owner(one: Office, *args: str) -> Told:
    """Run a command as a user who is bound by modes."""
    command = one.command(*args)
    if ROOT and SETPRIV:
        command = [SETPRIV, *UNPRIVILEGED, *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return Told(done.returncode, done.stdout, done.stderr)


@as_an_owner
def test_a_state_folder_that_may_only_be_read(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
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
        one.recovers()
        assert one.box.crafter.record("customers", customer)


@as_an_owner
@pytest.mark.parametrize(("name", "words"), [("state.db", "state.db"), ("lock", "lock")])
@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_file_that_may_not_be_written(tmp_path: Path, name: str, words: str, mode: int) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.requests.clear()
        (one.state / name).chmod(mode)
        told = owner(one, "run-all")
        in_words(told, words, "rights")
        assert one.writes() == []
        (one.state / name).chmod(0o600)
        one.recovers()


@as_an_owner
def test_a_state_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.recovers()
        one.state.chmod(0o000)
        try:
            for command in (["run-all"], ["status"], ["run-all", "--dry-run"], ["errors", "--ignore", "1"]):
                told = owner(one, *command)
                in_words(told, str(one.state), "Permission denied", "right")
        finally:
            one.state.chmod(0o700)
        one.recovers()


@as_an_owner
def test_a_token_file_that_may_not_be_read(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        (one.state / "token.json").chmod(0o000)
        in_words(owner(one, "run-all"), "token.json", "Permission denied", "owns the file")
        assert one.writes() == []
        (one.state / "token.json").chmod(0o600)
        one.recovers()


@as_an_owner
def test_a_token_that_cannot_be_saved_is_not_refreshed(tmp_path: Path) -> None:
    """There is room for a new pair, or the old one stays good: a refresh token is never spent for nothing."""
    with office(tmp_path, small()) as one:
        one.recovers()
        one.box.expire_tokens()
        one.state.chmod(0o500)
        try:
            for looking in (["check"], ["run-all", "--dry-run"]):
                told = owner(one, *looking)
                assert told.exit != 0
                assert "Traceback" not in told.err + told.out
                assert "could not be saved" in " ".join((told.err + told.out).split())
            assert one.box.token_refreshes == 0
        finally:
            one.state.chmod(0o700)
        one.recovers()


def test_a_state_dir_that_is_a_file_or_lies_under_one(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        for place in (tmp_path / "file", tmp_path / "file" / "state"):
            one.config["state_dir"] = str(place)
            for command in (["run-all"], ["status"], ["errors"], ["run-all", "--dry-run"], ["check"]):
                told = one.avsync(*command)
                assert told.exit in (0, 2, 3, 5), command
            in_words(one.avsync("run-all"), str(tmp_path / "file"))


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
        one.recovers()
