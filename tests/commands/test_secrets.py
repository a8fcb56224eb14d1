"""Secrets and tokens are in the files made for them and nowhere else: no log, state, message, crash or cassette."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from avsync.sandbox import seed
from avsync.services.accountview.oauth import TokenSource
from avsync.services.http import Http
from avsync.state.tokens import TokenFile
from tests.support.office import Office, Told, office
from tests.support.scripted_server import Scripted, answer

_NAMED = "access_token|refresh_token|client_secret|code"
CASSETTES = Path(__file__).parents[1] / "services" / "cassettes"
FLAGS = ("-vv", "-vv")


class Secrets:
    """Everything in this office that nobody may read, collected as it comes into being."""

    def __init__(self, one: Office) -> None:
        self.one = one
        self.known = {one.box.client_secret, one.box.api_key}
        authority = one.box.authority
        issue, code = authority._issue, authority.code

        def issued(scopes: Any) -> Any:
            token = issue(scopes)
            self.known |= {token["access_token"], token["refresh_token"]}
            return token

        def coded(*args: Any) -> str:
            made = code(*args)
            self.known.add(made)
            return made

        authority._issue, authority.code = issued, coded  # type: ignore[method-assign]
        self.known |= self.of_file()

    def of_file(self) -> set[str]:
        token = json.loads((self.one.state / "token.json").read_text(encoding="utf-8"))
        return {token["access_token"], token["refresh_token"]}

    def spellings(self) -> Iterator[bytes]:
        """As they are, and as they look in an address, in JSON, in a repr, in base64."""
        for one in self.known:
            raw = one.encode()
            forms = {raw, quote(one, safe="").encode(), json.dumps(one)[1:-1].encode(), repr(one)[1:-1].encode()}
            yield from forms | {base64.b64encode(raw).rstrip(b"=")[:-2], raw.hex().encode()}

    def leak(self, *texts: str | bytes) -> list[str]:
        """The secrets that stand in one of these texts."""
        blobs = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts]
        return [form.decode() for form in self.spellings() for blob in blobs if form in blob]

    def files(self) -> dict[str, bytes]:
        """Everything avsync keeps but the token file itself."""
        kept = [path for path in self.one.folder.rglob("*") if path.is_file()]
        own = {"token.json", "secret", "key"}
        return {path.name: path.read_bytes() for path in kept if path.name not in own}


@contextmanager
def guarded(tmp_path: Path, world: Any = None, **options: Any) -> Iterator[tuple[Office, Secrets]]:
    with office(tmp_path, world, wire=True, **options) as one:
        yield one, Secrets(one)


def small() -> Any:
    return seed.world(seed=1, customers=4, projects=2, orders=2, work_orders=4, hours=6)


COMMANDS: list[list[str]] = [["check"], ["run-all"], ["--json", "run-all", "--full"], ["errors", "--retry", "all"]]
LOOKING: list[list[str]] = [
    ["run-all", "--dry-run"], ["errors"], ["--json", "errors"], ["status"], ["--json", "status"],
    ["errors", "--ignore", "1"],
]  # fmt: skip


def test_no_command_says_or_keeps_a_secret_at_the_highest_verbosity(tmp_path: Path) -> None:
    """Real processes, with refreshes; stdout, stderr, state.db, its WAL, the lock: everything is searched."""
    with guarded(tmp_path, small()) as (one, secrets):
        said = []
        for number, command in enumerate(COMMANDS):
            if number in (1, 2):
                one.box.expire_tokens()
            told = one.process(*FLAGS, *command)
            assert "Traceback" not in told.err
            said += [told.out, told.err]
        said += [text for command in LOOKING for told in [one.avsync(*command)] for text in (told.out, told.err)]
        assert one.box.token_refreshes == 2
        assert len(secrets.known) >= 2 + 3 * 2, "the sandbox handed out what is looked for"
        assert secrets.leak(*said) == []
        assert "POST" in "".join(said), "the log of requests was on"
        files = secrets.files()
        assert {"state.db", "lock", "config.yaml"} <= set(files)
        assert secrets.leak(*files.values()) == []
        assert secrets.of_file() <= secrets.known


def test_while_a_run_works_the_wal_holds_no_secret_either(tmp_path: Path) -> None:
    with guarded(tmp_path, small(), latency=0.02) as (one, secrets):
        running = subprocess.Popen(one.command(*FLAGS, "run-all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        seen: set[str] = set()
        while running.poll() is None:
            try:
                files = secrets.files()
            except FileNotFoundError:
                continue
            seen |= set(files)
            assert secrets.leak(*files.values()) == []
            time.sleep(0.05)
        assert secrets.leak(*running.communicate()) == []
        assert "state.db-wal" in seen


FAULTS: list[dict[str, Any]] = [
    {"do": "html", "times": 0}, {"do": "500", "times": 0}, {"do": "drop", "times": 0}, {"do": "cut", "times": 0},
    {"do": "error_in_2xx", "times": 0, "side": "accountview"}, {"do": "429", "times": 0, "seconds": 90},
    {"do": "html", "path": "/token", "times": 0}, {"do": "cut", "path": "/token", "times": 0},
    {"do": "drop", "path": "/token", "times": 0}, {"do": "commit_drop", "method": "POST", "times": 0},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['do']} {fault.get('path', '')}")
def test_no_failure_says_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    caplog.set_level(0)
    with guarded(tmp_path, small()) as (one, secrets):
        one.box.expire_tokens()
        one.box.faults.add(**fault)
        said = [one.avsync(*FLAGS, "run-all"), one.avsync(*FLAGS, "check"), one.avsync("--json", "errors")]
        assert said[0].exit in (1, 3, 4)
        assert secrets.leak(caplog.text, *(text for told in said for text in (told.out, told.err))) == []
        assert secrets.leak(*secrets.files().values()) == []


@pytest.mark.parametrize(
    "wrong", ["client_secret", "api_key", "refresh_token", "access_token", "line break in the key"]
)
def test_a_refused_secret_is_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str) -> None:
    """The moment in which people paste logs into a mail."""
    caplog.set_level(0)
    with guarded(tmp_path, small()) as (one, secrets):
        other = "n0t-the-r1ght-one-at-all"
        secrets.known.add(other)
        one.box.expire_tokens()
        if wrong == "client_secret":
            (tmp_path / "secret").write_text(other, encoding="utf-8")
        elif wrong == "api_key":
            (tmp_path / "key").write_text(other, encoding="utf-8")
        elif wrong == "line break in the key":
            (tmp_path / "key").write_text(f"{other}\n{other}", encoding="utf-8")
        else:
            token = json.loads((one.state / "token.json").read_text(encoding="utf-8"))
            (one.state / "token.json").write_text(json.dumps({**token, wrong: other}), encoding="utf-8")
        said = [one.avsync(*FLAGS, "run-all"), one.avsync(*FLAGS, "check"), one.avsync("--json", "errors")]
        assert said[0].exit in (0, 1, 2, 3)
        assert secrets.leak(caplog.text, *(text for told in said for text in (told.out, told.err))) == []
        assert secrets.leak(*secrets.files().values()) == []


def test_a_login_says_no_code_and_no_token(tmp_path: Path) -> None:
    """The whole way through the browser: the address is printed, the code comes back, the pair is saved."""
    with guarded(tmp_path) as (one, secrets):
        (one.state / "token.json").unlink()
        one.config["accountview"]["redirect_uri"] = f"http://localhost:{free_port()}/callback"
        running = subprocess.Popen(
            one.command(*FLAGS, "login", "--no-browser"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout is not None
        said = [running.stdout.readline(), running.stdout.readline()]
        url = next(line.strip() for line in said if line.startswith("http"))
        state = parse_qs(urlsplit(url).query)["state"][0]
        out, err = running.communicate(one.box.approve(url) + "\n", timeout=30)
        assert running.returncode == 0, err
        assert len(secrets.known) >= 5, "a code and a pair were handed out"
        assert secrets.leak(*said, out, err) == []
        assert state not in out + err
        assert secrets.of_file() <= secrets.known
        assert stat.S_IMODE((one.state / "token.json").stat().st_mode) == 0o600


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


CRASH = """
import sys
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.services.transport import Transport
from avsync.state import tokens
from avsync import run
from avsync.cli import main

where, *args = sys.argv[1:]

def crash(*args, **kwargs):
    raise RuntimeError("a mistake of ours")

if where == "listing":
    Crafter.pages = crash
elif where == "companies":
    AccountView.companies = crash
elif where == "transport":
    Transport.exchange = crash
elif where == "token":
    tokens.TokenFile.load = crash
elif where == "finish":
    run._Run._finish = crash
main(args, prog_name="avsync")
"""


@pytest.mark.parametrize("where", ["listing", "companies", "transport", "token", "finish"])
def test_a_crash_of_ours_prints_no_secret(tmp_path: Path, where: str) -> None:
    """What the record boundary cannot catch ends in a traceback for whoever maintains avsync; it names code only."""
    with guarded(tmp_path, small()) as (one, secrets):
        one.write_config()
        args = ["-c", str(one.path), *FLAGS, "run-all"]
        done = subprocess.run([sys.executable, "-c", CRASH, where, *args], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert secrets.leak(done.stdout, done.stderr) == []
        assert secrets.leak(*secrets.files().values()) == []
        again = one.avsync("run-all")
        assert again.exit in (0, 1), again.err


def test_other_libraries_are_quiet_whatever_the_level(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """requests-oauthlib logs tokens at DEBUG, urllib3 logs queries; neither may, even if someone opens every logger."""
    caplog.set_level(0)
    for name in ("", "urllib3", "requests", "requests_oauthlib", "oauthlib", "requests_oauthlib.oauth2_session"):
        caplog.set_level(0, logger=name or None)
    with guarded(tmp_path, small()) as (one, secrets):
        one.box.expire_tokens()
        assert one.avsync(*FLAGS, "run-all").exit in (0, 1)
        assert one.box.token_refreshes == 1
        assert secrets.leak(caplog.text) == []


# files


def test_the_token_file_and_the_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with guarded(tmp_path, small()) as (one, _):
            token = (one.state / "token.json").read_text(encoding="utf-8")
            made = tmp_path / "new" / "state"
            one.config["state_dir"] = str(made)
            assert one.avsync("run-all").exit == 3, "made, but not logged in"
            assert stat.S_IMODE(made.stat().st_mode) == 0o700
            TokenFile(made / "token.json").save(json.loads(token))
            one.box.expire_tokens()
            one.avsync("run-all")
            assert one.box.token_refreshes == 1
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()}
            assert modes["token.json"] == modes["token.json.lock"] == 0o600
            assert not [name for name, mode in modes.items() if mode & 0o007], modes
            assert not [name for name in modes if name.endswith((".new", ".probe"))]
    finally:
        os.umask(before)


@pytest.mark.skipif(not CASSETTES.exists(), reason="no cassettes are recorded")
def test_no_cassette_holds_a_secret(tmp_path: Path) -> None:
    with guarded(tmp_path) as (_, secrets):
        for path in CASSETTES.rglob("*"):
            if not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            assert secrets.leak(text) == [], path
            for found in re.findall(f"(?i)(?:{_NAMED})[\"']?\\s*[:=]\\s*[\"']?([^\\s\"'&,}}]+)", text):
                assert not re.fullmatch(r"[A-Za-z0-9_\-+/=.%]{20,}", found), (path, found)
            assert not re.search(r"(?i)bearer\s+(?!xxx|redacted|\*|<)[A-Za-z0-9_\-.]{12,}", text), path


# redirects


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
def test_a_redirect_never_carries_the_bearer_to_another_host(status: str, method: str) -> None:
    with Scripted(answer({"data": []}), repeat=True) as other:
        elsewhere = other.url.replace("127.0.0.1", "127.0.0.2")
        with Scripted(answer({}, status, Location=elsewhere), repeat=True) as server:
            http = Http(server.url, service="Crafter", connect=1, read=1, pause=lambda seconds: None)
            auth = lambda: {"Authorization": "Bearer s3cret"}  # noqa: E731
            if method == "GET":
                statuses: list[int] = []
                http.get("/x", None, lambda found: statuses.append(found.status), auth=auth)
                assert statuses == [int(status[:3])]
            else:
                http.send(method, "/x", {"a": 1}, auth=auth)
            assert len(server.seen) == 1
            assert server.seen[0][1]["authorization"] == "Bearer s3cret"
        assert other.seen == []


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_the_token_service_is_not_followed_either(tmp_path: Path, status: str) -> None:
    """A refresh carries the client secret and the refresh token in its body."""
    with Scripted(answer({"access_token": "a", "refresh_token": "b"}), repeat=True) as other:
        with Scripted(answer({}, status, Location=other.url), repeat=True) as server:
            file = TokenFile(tmp_path / "token.json")
            file.save({"access_token": "old", "refresh_token": "r3fresh", "expires_at": 1})
            with pytest.raises(Exception, match="token"):
                TokenSource(file, "id", "s3cret", f"{server.url}/token", timeouts=(1, 1)).access_token()
        assert other.seen == []
        saved = file.load()
        assert saved is not None
        assert saved["refresh_token"] == "r3fresh"


def test_through_the_command_line_a_redirect_is_a_service_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded(tmp_path, small()) as (one, secrets), Scripted(answer({}), repeat=True) as other:
        with Scripted(answer({}, "302 Found", Location=other.url), repeat=True) as server:
            one.config["crafter"]["base_url"] = server.url
            told: Told = one.avsync(*FLAGS, "run-all")
            assert told.exit == 4
            assert server.seen
        assert other.seen == []
        assert secrets.leak(told.err) == []
