"""`avsync logout`, and the login with proof of who asked (PKCE)."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import stat
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from avsync.commands.connect import token_source
from avsync.config.settings import load
from avsync.errors import LoginNeeded
from avsync.sandbox.server import Sandbox
from avsync.services.accountview import grant
from avsync.state.tokens import TokenFile
from tests.support.office import Office, office, shop
from tests.support.terminal import at_home, converse


def test_a_logout_deletes_the_login_and_the_next_run_asks_for_one(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.goes()
        told = one.avsync("logout")
        assert (told.exit, told.out.split(";")[0]) == (0, "The login was deleted")
        assert not (one.state / "token.json").exists()
        assert one.avsync("--json", "status").json["token"]["present"] is False
        assert one.run()["exit"] == 3
        one.log_in()
        one.goes()  # nothing but the login is gone
        one.rests()


def test_a_second_logout_has_nothing_to_do(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.avsync("logout")
        told = one.avsync("logout")
        assert (told.exit, told.out) == (0, "avsync was not logged in to AccountView; nothing was deleted.\n")


def test_where_nobody_ever_logged_in_no_folder_is_made(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.config["state_dir"] = str(tmp_path / "nowhere")
        assert one.avsync("logout").exit == 0
        assert not (tmp_path / "nowhere").exists()


def test_a_pair_that_a_killed_process_left_is_gone_too(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        left = one.state / "token.json.77.1.new"
        left.write_text(json.dumps(one.box.grant()))
        assert one.avsync("logout").exit == 0
        assert [path.name for path in one.state.glob("token.json*")] == ["token.json.lock"]


def test_a_renewal_under_way_is_waited_for_and_does_not_come_back(tmp_path: Path) -> None:
    with office(tmp_path, wire=True) as one:
        one.write_config()
        config = load(one.path)
        one.box.expire_tokens()
        one.box.faults.add(side="accountview", path="/token", do="slow", seconds=1)
        source, found = token_source(config), []

        def renew() -> None:
            found.append(source.refresh_after_401(TokenFile(config.token_path).load()["access_token"]))  # type: ignore[index]

        thread = threading.Thread(target=renew)
        thread.start()
        while not one.box.requests and thread.is_alive() and not _locked(config.token_path):
            time.sleep(0.01)
        assert one.avsync("logout").exit == 0
        thread.join()
        assert len(found) == 1
        assert not config.token_path.exists()
        with pytest.raises(LoginNeeded):
            source.refresh_after_401(found[0])  # that process cannot renew it any more


def _locked(path: Path) -> bool:
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def test_a_login_that_cannot_be_deleted_is_said(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        token = one.state / "token.json"
        token.unlink()
        token.mkdir()
        told = one.avsync("logout")
        assert told.exit == 5
        assert "cannot be deleted" in told.err


# --- PKCE


def log_in(one: Office, *flags: str) -> tuple[int, str]:
    """At a terminal without a browser; the address that was shown is consented to."""
    one.write_config()
    (one.state / "token.json").unlink(missing_ok=True)

    def consent(shown: str) -> str:
        [url] = [line for line in shown.splitlines() if line.startswith("http")]
        return one.box.approve(url)

    command = one.command("login", "--no-browser", *flags)
    return converse(command, {"address bar": consent}, at_home(one.folder), one.folder)


def asked(shown: str) -> dict[str, list[str]]:
    [url] = [line for line in shown.splitlines() if line.startswith("http") and "authorize" in line]
    return parse_qs(urlsplit(url).query)


@pytest.mark.parametrize("pkce", ["required", "supported", "ignored"])
@pytest.mark.parametrize("by", ["option", "config"])
def test_a_login_with_proof(tmp_path: Path, pkce: str, by: str) -> None:
    with office(tmp_path, wire=True, pkce=pkce) as one:
        one.config["accountview"]["redirect_uri"] = "http://localhost:1/callback"
        one.config["accountview"]["pkce"] = by == "config"
        code, shown = log_in(one, *(["--pkce"] if by == "option" else []))
        assert code == 0, shown
        query = asked(shown)
        assert query["code_challenge_method"] == ["S256"]
        [sent] = [request.body for request in one.box.requests if request.path.endswith("/token")]
        [verifier] = parse_qs(sent)["code_verifier"]
        assert 43 <= len(verifier) <= 128
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        assert query["code_challenge"] == [digest]
        assert verifier not in shown
        assert verifier not in (one.state / "token.json").read_text()
        assert stat.S_IMODE((one.state / "token.json").stat().st_mode) == 0o600


def test_it_is_off_by_default(tmp_path: Path) -> None:
    with office(tmp_path, wire=True) as one:
        one.config["accountview"]["redirect_uri"] = "http://localhost:1/callback"
        code, shown = log_in(one)
        assert code == 0, shown
        assert "code_challenge" not in asked(shown)
        assert not any("code_verifier" in request.body for request in one.box.requests)


def test_a_code_is_worth_nothing_without_its_proof() -> None:
    with Sandbox() as box:
        redirect = "http://localhost:8765/callback"
        service = grant.TokenService(box.accountview_url + "/token", box.client_id, box.client_secret, (2, 3))
        for verifier in (None, "v" * 43):
            url = grant.authorization_url(box.authorize_url, box.client_id, redirect, "s", "w" * 43)
            code = parse_qs(urlsplit(box.approve(url)).query)["code"][0]
            with pytest.raises(grant.InvalidGrant):
                service.exchange(code, redirect, verifier)
    with Sandbox(pkce="required") as box, pytest.raises(ValueError, match="code_challenge ontbreekt"):
        box.approve(grant.authorization_url(box.authorize_url, box.client_id, redirect, "s"))
