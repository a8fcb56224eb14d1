"""Many processes, one expired token: one refresh, and nobody is logged out. And what a crash can and cannot cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avsync.errors import LoginNeeded
from avsync.sandbox import seed
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.oauth import TokenSource
from avsync.state.tokens import TokenFile
from tests.support.office import office

PROCESSES = 6

# A process that, once a line, fetches a token as a new command would, and says it. `end` is where its world stops.
WORKER = """
import json, os, signal, sys
from pathlib import Path
from avsync.errors import AvsyncError
from avsync.services.accountview import grant
from avsync.services.accountview.oauth import TokenSource
from avsync.state import tokens

path, client, secret, url, end = sys.argv[1:]
real_save, real_replace, saves = tokens.TokenFile.save, os.replace, []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def save(self, token):
    saves.append(token)
    if len(saves) == 2 and end == "before_save":
        die()
    real_save(self, token)
    if len(saves) == 2 and end == "after_save":
        die()

def replace(old, new):
    if len(saves) == 2 and end == "before_rename":
        die()
    real_replace(old, new)

tokens.TokenFile.save, os.replace = save, replace
for line in sys.stdin:
    rejected = line.strip()
    source = TokenSource(tokens.TokenFile(Path(path)), client, secret, url, timeouts=(5, 10))
    try:
        print(source.refresh_after_401(rejected) if rejected else source.access_token(), flush=True)
    except AvsyncError as error:
        print(f"!{error.code}", flush=True)
"""


class Workers:
    """Processes that wait for a round to start."""

    def __init__(self, box: Sandbox, path: Path, count: int, end: str = "") -> None:
        args = [str(path), box.client_id, box.client_secret, f"{box.accountview_url}/token", end]
        self.all = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            for _ in range(count)
        ]

    def round(self, rejected: list[str]) -> list[str]:
        """All at once, as near as one can; `rejected`: the token each was refused, empty where it looked expired."""
        for one, token in zip(self.all, rejected, strict=True):
            assert one.stdin is not None
            one.stdin.write(f"{token}\n")
            one.stdin.flush()
        return [one.stdout.readline().strip() for one in self.all if one.stdout is not None]

    def stop(self) -> None:
        for one in self.all:
            one.communicate()


@contextmanager
def workers(box: Sandbox, path: Path, count: int = PROCESSES, end: str = "") -> Iterator[Workers]:
    team = Workers(box, path, count, end)
    try:
        yield team
    finally:
        team.stop()


def put(path: Path, token: dict[str, Any]) -> None:
    TokenFile(path).save(token)


def rounds(tmp_path: Path, count: int) -> None:
    path = tmp_path / "token.json"
    with Sandbox() as box, workers(box, path) as team:
        put(path, box.grant())
        for number in range(count):
            box.expire_tokens()
            token = json.loads(path.read_text(encoding="utf-8"))
            put(path, {**token, "expires_at": time.time() - 1} if number % 2 else token)
            before = box.token_refreshes
            # In even rounds only the service knows that the token is over, and refuses it.
            told = team.round(["" if number % 2 else token["access_token"]] * PROCESSES)
            assert box.token_refreshes == before + 1, f"round {number}"
            fresh = json.loads(path.read_text(encoding="utf-8"))["access_token"]
            assert set(told) == {fresh} != {token["access_token"]}, f"round {number}"
            assert box.authority.scopes(f"Bearer {fresh}"), "the login is dead"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["token.json", "token.json.lock"]


def test_many_processes_with_one_expired_token_refresh_once(tmp_path: Path) -> None:
    rounds(tmp_path, 8)


@pytest.mark.long
def test_many_processes_with_one_expired_token_refresh_once_a_hundred_times(tmp_path: Path) -> None:
    rounds(tmp_path, 120)


def test_two_commands_at_once_with_an_expired_token(tmp_path: Path) -> None:
    """`check` while a run works: both are real commands, one of them refreshes."""
    with office(
        tmp_path, seed.world(seed=1, customers=2, projects=1, orders=1, work_orders=1, hours=1, bad=False)
    ) as one:
        one.box.expire_tokens()
        token = json.loads((one.state / "token.json").read_text(encoding="utf-8"))
        put(one.state / "token.json", {**token, "expires_at": time.time() - 1})
        commands = [one.command("run-all"), one.command("check"), one.command("check")]
        running = [
            subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in commands
        ]
        said = [process.communicate(timeout=60) for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], said
        assert one.box.token_refreshes == 1


def after_a_kill(tmp_path: Path, end: str) -> tuple[Sandbox, TokenFile, dict[str, Any]]:
    """A process is killed around the saving of a refreshed pair; the sandbox, the file, and the pair of before."""
    path = tmp_path / "token.json"
    box = Sandbox()
    box.start()
    before = box.grant()
    put(path, {**before, "expires_at": time.time() - 1})
    box.expire_tokens()
    with workers(box, path, 1, end) as team:
        assert team.round([""]) == [""]  # nothing came back
        assert team.all[0].wait(10) == -signal.SIGKILL
    assert box.token_refreshes == 1
    return box, TokenFile(path), before


def source(box: Sandbox, file: TokenFile) -> TokenSource:
    return TokenSource(file, box.client_id, box.client_secret, f"{box.accountview_url}/token", timeouts=(2, 3))


@pytest.mark.parametrize("end", ["before_rename", "after_save"])
def test_a_pair_that_was_written_is_never_lost(tmp_path: Path, end: str) -> None:
    """Killed after the new pair was on the disk, be it not yet in its place: the next command takes it up."""
    box, file, before = after_a_kill(tmp_path, end)
    try:
        token = source(box, file).access_token()
        assert token != before["access_token"]
        assert box.authority.scopes(f"Bearer {token}")
        assert box.token_refreshes == 1, "it was taken up, not fetched again"
        assert not list(tmp_path.glob("*.new")), "a pair in a corner is a secret nobody looks after"
    finally:
        box.stop()


def test_the_one_token_that_no_client_can_save(tmp_path: Path) -> None:
    """Killed between the service's answer and the first byte on disk.

    The refresh token in the file was traded by that answer and works no more; its successor was known to the killed
    process alone. That single refresh token is all that can be lost, and only so: the file is whole, its (expired) pair
    is the old one, and the next command asks for a login instead of trying for ever.
    """
    box, file, before = after_a_kill(tmp_path, "before_save")
    try:
        saved = file.load()
        assert saved is not None
        assert saved["refresh_token"] == before["refresh_token"]
        with pytest.raises(LoginNeeded) as caught:
            source(box, file).access_token()
        assert caught.value.code == "login_needed"
        put(file.path, box.grant())
        assert source(box, file).access_token()
    finally:
        box.stop()


def test_a_torn_leftover_is_thrown_away(tmp_path: Path) -> None:
    """Killed in the middle of writing: what lies there is no token, and the one in place still counts."""
    with Sandbox() as box:
        file = TokenFile(tmp_path / "token.json")
        token = box.grant()
        file.save(token)
        left = tmp_path / "token.json.1.2.new"
        left.write_text(json.dumps(box.grant())[:40], encoding="utf-8")
        assert source(box, file).refresh_after_401("another") == token["access_token"]
        assert not left.exists()


def test_an_older_leftover_does_not_replace_a_newer_login(tmp_path: Path) -> None:
    with Sandbox() as box:
        file, left = TokenFile(tmp_path / "token.json"), tmp_path / "token.json.1.2.new"
        left.write_text(json.dumps(box.grant()), encoding="utf-8")
        os.utime(left, (1, 1))
        token = box.grant()
        file.save(token)
        assert source(box, file).refresh_after_401("another") == token["access_token"]
        assert not left.exists()


@pytest.mark.parametrize("expires_in", [None, "", "soon", -5, 0, 10**400, [], {}, True, 1.5, "3600"])
def test_a_pair_with_an_odd_lifetime_is_kept(tmp_path: Path, expires_in: Any) -> None:
    """The answer to a refresh is the only copy of the new pair: no oddity beside it may cost us the login."""
    with Sandbox() as box:
        file = TokenFile(tmp_path / "token.json")
        file.save({**box.grant(), "expires_at": time.time() - 1})
        tokens = box.authority.tokens
        box.authority.tokens = lambda form: {**tokens(form), "expires_in": expires_in}  # type: ignore[method-assign]
        token = source(box, file).access_token()
        saved = file.load()
        assert saved is not None
        assert saved["access_token"] == token
        assert source(box, file).access_token()
