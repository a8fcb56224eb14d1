"""Tokens: on disk before they are used, refreshed exactly once, and never seen by anybody else."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from avsync.errors import AvsyncError, ConfigError, LoginNeeded, TryLater
from avsync.sandbox.server import Sandbox
from avsync.services.accountview import grant
from avsync.services.accountview.oauth import TokenSource
from avsync.state.tokens import TokenFile


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(shared_box: Sandbox) -> Iterator[Sandbox]:
    yield shared_box
    shared_box.faults.clear()
    shared_box.requests.clear()
    shared_box.options.send_expires_in = True
    shared_box.token_lifetime = 3600


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "state" / "token.json")


def source(box: Sandbox, file: TokenFile, **changes: Any) -> TokenSource:
    given: dict[str, Any] = {"client_id": box.client_id, "client_secret": box.client_secret}
    given |= {"token_url": box.accountview_url + "/token", "timeouts": (2, 3)}
    return TokenSource(file, **(given | changes))


def old(token: dict[str, Any]) -> dict[str, Any]:
    """The same pair, but it looks expired."""
    return {**token, "expires_at": time.time() - 1}


def code_of(error: type[AvsyncError], call: Any, *args: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args)
    return caught.value.code


# --- the file


def test_nobody_has_logged_in_yet(file: TokenFile) -> None:
    assert file.load() is None
    assert not file.path.parent.exists()


def test_what_is_saved_is_read_back_and_is_only_ours(file: TokenFile) -> None:
    file.save({"access_token": "a", "refresh_token": "r"})
    assert file.load() == {"access_token": "a", "refresh_token": "r"}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["token.json"]


def test_a_loose_umask_does_not_matter(file: TokenFile) -> None:
    before = os.umask(0)
    try:
        file.save({"access_token": "a"})
        with file.lock():
            pass
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()} == {0o600}


def test_a_file_that_others_can_read_is_closed_to_them(file: TokenFile, caplog: pytest.LogCaptureFixture) -> None:
    file.save({"access_token": "s3cret"})
    file.path.chmod(0o644)
    assert file.load() == {"access_token": "s3cret"}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"{}", b'{"access_token": 1}', b'{"access_token": ""}', b"\xff\xfe", b"[" * 9999],
)
def test_a_damaged_file_asks_for_a_login(file: TokenFile, content: bytes) -> None:
    file.save({"access_token": "a"})
    file.path.write_bytes(content)
    assert code_of(LoginNeeded, file.load) == "token_damaged"


def test_the_order_of_saving_survives_a_power_cut(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        steps.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        fsync(handle)

    def replaced(*args: Any) -> None:
        steps.append("rename")
        replace(*args)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    file.save({"access_token": "a"})
    assert steps == ["fsync file", "rename", "fsync folder"]


def test_a_failed_save_leaves_the_old_pair_and_no_rubbish(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.save({"access_token": "old"})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert code_of(AvsyncError, file.save, {"access_token": "new"}) == "token_not_saved"
        assert code_of(AvsyncError, file.check_writable) == "token_not_saved"
    assert file.load() == {"access_token": "old"}
    assert [path.name for path in file.path.parent.iterdir()] == ["token.json"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    file = TokenFile(tmp_path / "state" / "token.json")
    assert code_of(AvsyncError, file.save, {"access_token": "a"}) == "token_not_saved"
    assert code_of(AvsyncError, file.lock().__enter__) == "token_not_saved"
    assert code_of(AvsyncError, file.load) == "token_unreadable"


def test_the_lock_holds_between_threads_and_between_objects(tmp_path: Path) -> None:
    first, second = (TokenFile(tmp_path / "token.json", lock_wait=0.1) for _ in range(2))
    with first.lock():
        assert code_of(TryLater, second.lock().__enter__) == "token_locked"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(code_of, TryLater, first.lock().__enter__).result() == "token_locked"
    with second.lock():
        pass


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json", lock_wait=5)
    script = (
        "import os; from pathlib import Path; from avsync.state.tokens import TokenFile\n"
        f"with TokenFile(Path({str(file.path)!r})).lock(): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with file.lock():
        pass


# --- refreshing


def test_a_valid_token_costs_no_request(box: Sandbox, file: TokenFile) -> None:
    file.save(box.grant())
    tokens = source(box, file)
    assert tokens.access_token() == tokens.access_token() == json.loads(file.path.read_bytes())["access_token"]
    assert box.requests == []


def test_without_a_login_it_says_so(box: Sandbox, file: TokenFile) -> None:
    assert code_of(LoginNeeded, source(box, file).access_token) == "login_needed"
    assert code_of(LoginNeeded, source(box, file).refresh_after_401, "x") == "login_needed"


@pytest.mark.parametrize(("left", "refreshes"), [(59, 1), (61, 0)])
def test_it_refreshes_a_minute_before_the_end(box: Sandbox, file: TokenFile, left: float, refreshes: int) -> None:
    before = box.token_refreshes
    token = box.grant()
    file.save(token)
    tokens = source(box, file, now=lambda: token["expires_at"] - left)
    tokens.access_token()
    assert box.token_refreshes - before == refreshes


def test_a_refresh_saves_the_new_pair_and_sends_the_client_in_the_body(box: Sandbox, file: TokenFile) -> None:
    token = box.grant()
    file.save(old(token))
    access = source(box, file).access_token()
    saved = file.load()
    assert saved is not None
    assert saved["access_token"] == access != token["access_token"]
    assert saved["refresh_token"] != token["refresh_token"]
    assert saved["expires_at"] == pytest.approx(time.time() + 3600, abs=5)
    body = box.requests[0].body
    assert "client_secret=sandbox%2Fsecret%2Bwith%3Dsigns%26" in body
    assert f"client_id={box.client_id}" in body
    assert "scope" not in body


def test_a_token_that_lives_shortly_is_not_refreshed_for_every_call(box: Sandbox, file: TokenFile) -> None:
    box.token_lifetime = 30
    before = box.token_refreshes
    file.save(box.grant())
    tokens = source(box, file)
    for _ in range(5):
        tokens.access_token()
    assert box.token_refreshes == before


def test_without_expires_in_only_a_401_makes_it_refresh(box: Sandbox, file: TokenFile) -> None:
    box.options.send_expires_in = False
    before = box.token_refreshes
    file.save(old(box.grant()))
    tokens = source(box, file)
    access = tokens.access_token()
    saved = file.load()
    assert saved is not None
    assert "expires_at" not in saved
    assert tokens.access_token() == access
    assert box.token_refreshes == before + 1
    assert tokens.refresh_after_401(access) != access
    assert box.token_refreshes == before + 2


def test_many_threads_with_one_rejected_token_refresh_once(box: Sandbox, file: TokenFile) -> None:
    file.save(box.grant())
    tokens = source(box, file)
    rejected = tokens.access_token()
    box.expire_tokens()
    before = box.token_refreshes
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: tokens.refresh_after_401(rejected), range(48)))
    assert box.token_refreshes == before + 1
    assert len(answers) == 1
    assert rejected not in answers


def test_many_processes_with_one_rejected_token_refresh_once(box: Sandbox, file: TokenFile) -> None:
    file.save(box.grant())
    rejected = json.loads(file.path.read_bytes())["access_token"]
    box.expire_tokens()
    before = box.token_refreshes
    script = (
        "import sys; from pathlib import Path\n"
        "from avsync.services.accountview.oauth import TokenSource; from avsync.state.tokens import TokenFile\n"
        "path, id, secret, url, rejected = sys.argv[1:]\n"
        "print(TokenSource(TokenFile(Path(path)), id, secret, url).refresh_after_401(rejected))"
    )
    given = [str(file.path), box.client_id, box.client_secret, box.accountview_url + "/token", rejected]
    running = [
        subprocess.Popen([sys.executable, "-c", script, *given], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = {process.communicate(timeout=60)[0].strip() for process in running}
    assert box.token_refreshes == before + 1
    assert answers == {json.loads(file.path.read_bytes())["access_token"]}


def test_a_token_another_process_already_renewed_is_used(box: Sandbox, file: TokenFile) -> None:
    first = box.grant()
    file.save(first)
    tokens = source(box, file)
    tokens.access_token()
    second = box.grant()
    file.save(second)
    before = box.token_refreshes
    assert tokens.refresh_after_401(first["access_token"]) == second["access_token"]
    assert tokens.access_token() == second["access_token"]
    assert box.token_refreshes == before


def test_a_dead_refresh_token_asks_for_a_login_and_leaves_the_file(box: Sandbox, file: TokenFile) -> None:
    token = {**old(box.grant()), "refresh_token": "dead"}
    file.save(token)
    assert code_of(LoginNeeded, source(box, file).access_token) == "login_needed"
    assert file.load() == token


def test_after_invalid_grant_the_file_is_read_once_more(box: Sandbox, file: TokenFile) -> None:
    """Somebody who does not take our lock (a copy on another machine, a login) may have refreshed meanwhile."""
    fresh = box.grant()

    class Overtaken(TokenFile):
        loads = 0

        def load(self) -> dict[str, Any] | None:
            self.loads += 1
            if self.loads == 3:
                self.save(fresh)
            return super().load()

    overtaken = Overtaken(file.path)
    file.save({**old(box.grant()), "refresh_token": "dead"})
    assert source(box, overtaken).access_token() == fresh["access_token"]


def test_a_token_without_refresh_token_asks_for_a_login(box: Sandbox, file: TokenFile) -> None:
    file.save({"access_token": "a", "expires_at": 1})
    assert code_of(LoginNeeded, source(box, file).access_token) == "login_needed"
    assert box.requests == []


@pytest.mark.parametrize("do", ["500", "429", "drop", "html", "error_in_2xx", "cut"])
def test_a_token_service_that_fails_is_tried_later(box: Sandbox, file: TokenFile, do: str) -> None:
    token = old(box.grant())
    file.save(token)
    box.faults.add(side="accountview", path="token", do=do)
    assert code_of(TryLater, source(box, file).access_token) == "token_service_down"
    assert file.load() == token
    if do != "cut":  # there the service had already given the new pair away
        assert source(box, file).access_token() != token["access_token"]


@pytest.mark.parametrize(("do", "seconds"), [("hang", 20.0), ("drip", 0.2)])
def test_a_token_service_that_does_not_finish_is_tried_later(
    box: Sandbox, file: TokenFile, do: str, seconds: float
) -> None:
    file.save(old(box.grant()))
    box.faults.add(side="accountview", path="token", do=do, seconds=seconds)
    started = time.monotonic()
    assert code_of(TryLater, source(box, file, timeouts=(0.5, 0.5)).access_token) == "token_service_down"
    assert time.monotonic() - started < 4


def test_a_service_that_is_not_there(box: Sandbox, file: TokenFile) -> None:
    file.save(old(box.grant()))
    tokens = source(box, file, token_url="http://127.0.0.1:1/token")
    assert code_of(TryLater, tokens.access_token) == "token_service_down"


def test_a_wrong_client_is_a_mistake_in_the_config(box: Sandbox, file: TokenFile) -> None:
    token = old(box.grant())
    file.save(token)
    with pytest.raises(ConfigError) as caught:
        source(box, file, client_secret="wrong").access_token()
    assert (caught.value.code, caught.value.params["detail"]) == ("token_refused", "invalid_client")
    assert file.load() == token


def test_plain_http_to_another_host_is_refused_before_anything_is_sent(file: TokenFile, box: Sandbox) -> None:
    file.save(old(box.grant()))
    tokens = source(box, file, token_url="http://example.com/token")
    assert code_of(ConfigError, tokens.access_token) == "plain_http_refused"
    assert "OAUTHLIB_INSECURE_TRANSPORT" not in os.environ


def test_a_disk_that_is_full_is_noticed_before_the_refresh_token_is_spent(
    box: Sandbox, file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = old(box.grant())
    file.save(token)
    tokens = source(box, file)
    with monkeypatch.context() as patched:
        patched.setattr(TokenFile, "save", lambda self, token: (_ for _ in ()).throw(AvsyncError("token_not_saved")))
        assert code_of(AvsyncError, tokens.access_token) == "token_not_saved"
    assert box.requests == []
    assert tokens.access_token() != token["access_token"]


def test_a_new_pair_that_cannot_be_saved_is_not_used(
    box: Sandbox, file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = old(box.grant())
    file.save(token)
    save, saves = TokenFile.save, []

    def second_fails(self: TokenFile, token: Any) -> None:
        saves.append(token)
        if len(saves) == 2:
            raise AvsyncError("token_not_saved", path=str(self.path), detail="full")
        save(self, token)

    monkeypatch.setattr(TokenFile, "save", second_fails)
    tokens = source(box, file)
    assert code_of(AvsyncError, tokens.access_token) == "token_not_saved"
    assert file.load() == token
    assert tokens._token is None


def test_the_secret_is_revealed_only_for_a_refresh(box: Sandbox, file: TokenFile) -> None:
    class Watched:
        asked = 0

        def reveal(self) -> str:
            self.asked += 1
            return box.client_secret

    watched = Watched()
    file.save(box.grant())
    tokens = source(box, file, client_secret=watched)
    tokens.access_token()
    assert watched.asked == 0
    tokens.refresh_after_401(tokens.access_token())
    assert watched.asked == 1


def test_no_token_and_no_secret_reaches_a_log_whatever_the_level(
    box: Sandbox, file: TokenFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("requests_oauthlib", "requests_oauthlib.oauth2_session", "oauthlib", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).propagate = True
    token = old(box.grant())
    file.save(token)
    source(box, file).access_token()
    fresh = file.load()
    assert fresh is not None
    for value in (token["access_token"], token["refresh_token"], fresh["access_token"], fresh["refresh_token"]):
        assert value not in caplog.text
    assert box.client_secret not in caplog.text
    assert "sandbox%2Fsecret" not in caplog.text


def test_a_valid_token_does_not_even_load_the_library(file: TokenFile, box: Sandbox) -> None:
    file.save(box.grant())
    script = (
        "import sys; from pathlib import Path\n"
        "from avsync.services.accountview.oauth import TokenSource; from avsync.state.tokens import TokenFile\n"
        "TokenSource(TokenFile(Path(sys.argv[1])), 'id', 'secret', 'https://x/token').access_token()\n"
        "assert 'requests' not in sys.modules and 'oauthlib' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script, str(file.path)], check=False).returncode == 0


# --- the first pair


def test_the_code_is_exchanged_with_the_same_redirect_uri(box: Sandbox) -> None:
    redirect = "http://localhost:8765/callback"
    code = box.authority.code(redirect, frozenset({"readaccountviewdata"}))
    service = grant.TokenService(box.accountview_url + "/token", box.client_id, box.client_secret, (2, 3))
    token = service.exchange(code, redirect)
    assert set(token) == {"access_token", "refresh_token", "token_type", "expires_in", "expires_at"}
    with pytest.raises(grant.InvalidGrant):
        service.exchange(code, redirect)
    with pytest.raises(grant.InvalidGrant):
        service.exchange(box.authority.code(redirect, frozenset()), redirect + "/")


def test_the_address_to_consent_at(box: Sandbox) -> None:
    url = grant.authorization_url(box.authorize_url, box.client_id, "http://localhost:8765/callback", "st")
    assert url.startswith(box.authorize_url + "?")
    assert "scope=readaccountviewdata+updateaccountviewdata" in url
    assert "deleteaccountviewdata" not in url
    assert "state=st" in url
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8765%2Fcallback" in url
    assert box.approve(url).startswith("http://localhost:8765/callback?code=")
    assert threading.active_count() < 40
