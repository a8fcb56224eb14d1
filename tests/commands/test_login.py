"""`avsync login` against the sandbox: a person in a browser, a person who pastes, and everything that can go wrong."""

from __future__ import annotations

import io
import json
import os
import pty
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from avsync.commands import login
from avsync.commands.login import Listener, Reply, reply_in
from avsync.config.settings import Config, load
from avsync.errors import AvsyncError, ConfigError, LoginNeeded, TryLater
from avsync.messages.texts import text
from avsync.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(shared_box: Sandbox) -> Iterator[Sandbox]:
    yield shared_box
    shared_box.faults.clear()
    shared_box.requests.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def make(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    monkeypatch.setenv("AV_SECRET", box.client_secret)
    monkeypatch.setenv("CRAFTER_KEY", box.api_key)

    def make(host: str = "127.0.0.1", **changes: Any) -> Config:
        content: dict[str, Any] = {
            "language": "en",
            "company": box.company,
            "flows": {},
            "state_dir": str(tmp_path / "state"),
            "accountview": {
                "base_url": box.accountview_url,
                "authorize_url": box.authorize_url,
                "client_id": box.client_id,
                "client_secret": {"env": "AV_SECRET"},
                "redirect_uri": f"http://{host}:{free_port()}/callback",
            },
            "crafter": {"base_url": box.crafter_url, "api_key": {"env": "CRAFTER_KEY"}},
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content | changes), "utf-8")
        return load(path)

    return make


def fetch(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


class Browser:
    """A person who decides on the page, in a thread, as the real thing is another process."""

    def __init__(
        self, box: Sandbox, decision: str = "approve", change: Callable[[str], list[str]] | None = None
    ) -> None:
        self.box, self.decision = box, decision
        self.change = change or (lambda url: [url])
        self.seen: list[tuple[int, str]] = []
        self._thread: threading.Thread | None = None

    def __call__(self, url: str) -> bool:
        self._thread = threading.Thread(target=self._go, args=(url,))
        self._thread.start()
        return True

    def _go(self, url: str) -> None:
        for address in self.change(self.box.approve(url, self.decision)):
            self.seen.append(fetch(address))

    def join(self) -> None:
        if self._thread:
            self._thread.join()


def run(config: Config, browser: Any = None, *, stdin: Any = None, timeout: float = 5) -> list[str]:
    shown: list[str] = []
    try:
        login.run(
            config,
            no_browser=browser is None,
            stdin=stdin or io.StringIO(""),
            echo=shown.append,
            open_browser=browser or (lambda url: pytest.fail("opened a browser")),
            timeout=timeout,
        )
    finally:
        if isinstance(browser, Browser):
            browser.join()
    return shown


def refused(config: Config, browser: Any = None, **more: Any) -> AvsyncError:
    with pytest.raises(AvsyncError) as caught:
        run(config, browser, **more)
    assert not config.token_path.exists()
    return caught.value


def test_a_person_consents_in_the_browser(box: Sandbox, make: Callable[..., Config]) -> None:
    config, browser = make(), Browser(box)
    shown = run(config, browser)
    address = shown[1]
    assert address.startswith(box.authorize_url)
    assert "\n" not in address
    query = parse_qs(urlsplit(address).query)
    assert query["redirect_uri"] == [config.accountview.redirect_uri]
    assert len(query["state"][0]) >= 32
    saved = json.loads(config.token_path.read_bytes())
    assert saved["refresh_token"]
    assert stat.S_IMODE(config.token_path.stat().st_mode) == 0o600
    text = "\n".join(shown)
    assert "DEMO    Demo Installatietechniek B.V." in text
    assert "OUD     Oude administratie" in text
    assert shown[-1] == "avsync works with DEMO (Demo Installatietechniek B.V.)."
    assert saved["access_token"] not in text
    status, page = browser.seen[0]
    assert status == 200
    assert "You can close this window" in page
    assert [request.path for request in box.requests] == ["/api/v3/token", "/api/v3/companies"]


def test_it_speaks_dutch(box: Sandbox, make: Callable[..., Config]) -> None:
    browser = Browser(box)
    assert run(make(language="nl"), browser)[0].startswith("Open dit adres")
    assert "U kunt dit venster sluiten" in browser.seen[0][1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_heard_on_both_protocols(box: Sandbox, make: Callable[..., Config], host: str) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    literal = f"[{host}]" if ":" in host else host
    browser = Browser(box, change=lambda url: [url.replace("localhost", literal)])
    run(make(host="localhost"), browser)
    assert browser.seen[0][0] == 200


def test_what_else_a_browser_asks_does_not_end_the_login(box: Sandbox, make: Callable[..., Config]) -> None:
    def others_first(url: str) -> list[str]:
        root = url.rpartition("/")[0]
        return [root + "/favicon.ico", root + "/", root + "/other?code=x&state=wrong", url.partition("?")[0], url]

    browser = Browser(box, change=others_first)
    config = make()
    run(config, browser)
    assert [status for status, _ in browser.seen] == [404, 404, 404, 404, 200]
    assert config.token_path.exists()


def test_a_browser_that_cannot_be_opened_is_no_problem(box: Sandbox, make: Callable[..., Config]) -> None:
    browser = Browser(box)

    def broken(url: str) -> bool:
        browser(url)
        raise OSError("no display")

    config = make()
    run(config, broken)
    browser.join()
    assert config.token_path.exists()


def test_the_consent_is_refused(box: Sandbox, make: Callable[..., Config]) -> None:
    browser = Browser(box, "refuse")
    error = refused(make(), browser)
    assert (error.code, error.params["detail"], error.exit_code) == ("login_denied", "access_denied", 3)
    assert browser.seen[0][0] == 400
    assert "did not succeed" in browser.seen[0][1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda url: [url.partition("?")[0] + "?state=" + url.rpartition("state=")[2]], "login_no_code"),
        (lambda url: [url.replace("code=", "code=x")], "login_code_refused"),
    ],
)
def test_an_answer_that_is_no_good(
    box: Sandbox, make: Callable[..., Config], change: Callable[[str], list[str]], code: str
) -> None:
    error = refused(make(), Browser(box, change=change))
    assert (error.code, error.exit_code) == (code, 3)
    assert not [request for request in box.requests if request.path.endswith("companies")]


@pytest.mark.parametrize("stray", ["?error=x", "?error=access_denied&state=", "?code=abc&state=wrong", "?code=abc",
                                   "?state=wrong", "?error=x&state=wrong"])  # fmt: skip
def test_what_strays_to_the_listener_is_answered_and_ignored(
    box: Sandbox, make: Callable[..., Config], stray: str
) -> None:
    browser = Browser(box, change=lambda url: [url.partition("?")[0] + stray, url])
    config = make()
    run(config, browser)
    assert [status for status, _ in browser.seen] == [400, 200]
    assert "does not belong" in browser.seen[0][1]
    assert config.token_path.exists()


def test_no_answer_in_time(make: Callable[..., Config]) -> None:
    error = refused(make(), lambda url: True, timeout=0.3)
    assert (error.code, error.exit_code) == ("login_timeout", 3)


def test_the_port_is_taken(make: Callable[..., Config]) -> None:
    config = make()
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(config.accountview.redirect_uri).port or 0))
        other.listen()
        error = refused(config, lambda url: pytest.fail("sent a person away too early"))
        assert (error.code, error.exit_code) == ("login_port_in_use", 3)


def test_the_listener_is_gone_afterwards(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    refused(config, lambda url: True, timeout=0.1)
    run(config, Browser(box))
    with pytest.raises(urllib.error.URLError):
        fetch(config.accountview.redirect_uri)


def test_only_loopback_is_bound(make: Callable[..., Config]) -> None:
    config = make(host="localhost")
    with Listener(config.accountview.redirect_uri, "s", "nl") as listener:
        assert {server.server_address[0] for server in listener._servers} <= {"127.0.0.1", "::1"}


# --- pasted


def paste(box: Sandbox, shown: list[str], change: Callable[[str], str] = lambda url: url) -> Any:
    """A person at the other end of stdin, who reads the address and pastes where the browser ended."""
    reading, writing = os.pipe()

    def person() -> None:
        while len(shown) < 2:
            time.sleep(0.01)
        os.write(writing, change(box.approve(shown[1])).encode())

    threading.Thread(target=person, daemon=True).start()
    return os.fdopen(reading)


def run_pasting(config: Config, box: Sandbox, change: Callable[[str], str] = lambda url: url + "\n") -> list[str]:
    shown: list[str] = []
    with paste(box, shown, change) as stdin:
        login.run(config, no_browser=True, stdin=stdin, echo=shown.append, timeout=5)
    return shown


def test_the_redirect_address_is_pasted(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    shown = run_pasting(config, box)
    assert "Paste the full address" in shown[2]
    assert config.token_path.exists()


def test_a_wrong_paste_is_explained_and_may_be_done_over(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    shown = run_pasting(config, box, lambda url: f"\nhttp://somewhere/\nyes\n  {url}  \n")
    assert len([line for line in shown if "no answer from AccountView in that" in line]) == 2
    assert config.token_path.exists()


def test_pasting_works_while_the_port_is_taken(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(config.accountview.redirect_uri).port or 0))
        other.listen()
        run_pasting(config, box)
    assert config.token_path.exists()


def test_the_listener_wins_when_it_is_first(box: Sandbox, make: Callable[..., Config]) -> None:
    config, shown = make(), []
    reading, writing = os.pipe()

    def person() -> None:
        while len(shown) < 2:
            time.sleep(0.01)
        fetch(box.approve(shown[1]))

    threading.Thread(target=person, daemon=True).start()
    with os.fdopen(reading) as stdin:
        login.run(config, no_browser=True, stdin=stdin, echo=shown.append, timeout=5)
    os.close(writing)
    assert config.token_path.exists()


def test_a_pasted_address_of_another_login_is_explained(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    shown = run_pasting(config, box, lambda url: f"http://localhost:8765/callback?code=abc&state=other\n{url}\n")
    assert len([line for line in shown if "another (older) login" in line]) == 1
    assert config.token_path.exists()


def test_what_is_piped_in_is_read_like_what_is_pasted(make: Callable[..., Config]) -> None:
    stdin = io.StringIO("hello\nhttp://localhost/callback?code=abc&state=other")
    assert refused(make(), stdin=stdin, timeout=0.3).code == "login_timeout"


@pytest.mark.parametrize("typed", ["{url}\n", "nonsense\x7f\x7f\n{url}\n", "{url}xy\x7f\x7f\n"])
@pytest.mark.parametrize("option", [["--no-browser"], []])
def test_a_terminal_takes_an_address_of_any_length(
    box: Sandbox, make: Callable[..., Config], tmp_path: Path, option: list[str], typed: str
) -> None:
    """As a process of its own: without a display an address can be pasted, option or not."""
    config = make()
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}
    command = [sys.executable, "-m", "avsync", "-c", str(tmp_path / "config.yaml"), "login", *option]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        process.stdout.readline()
        url = box.approve(process.stdout.readline().strip()).replace("?", "?" + "padding=" + "x" * 20_000 + "&")
        process.stdout.readline()
        time.sleep(0.3)
        for piece in range(0, len(keys := typed.format(url=url)), 1000):
            os.write(ours, keys[piece : piece + 1000].encode())
        assert process.wait(20) == 0
    assert config.token_path.exists()
    os.close(ours)
    os.close(theirs)


def test_stdin_that_ends_leaves_the_listener_waiting(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    assert refused(config, stdin=io.StringIO(""), timeout=0.3).code == "login_timeout"
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(config.accountview.redirect_uri).port or 0))
        other.listen()
        assert refused(config, stdin=io.StringIO(""), timeout=5).code == "login_no_answer"


def test_what_is_in_a_redirect_address() -> None:
    def parts(url: str) -> tuple[str, str, str] | None:
        reply = reply_in(url)
        return reply and (reply.code, reply.state, reply.error)

    assert parts("http://localhost/cb?code=a%2Fb%2B%3D%253D&state=s") == ("a/b+=%3D", "s", "")
    assert parts("code=a+b&state=s#frag") == ("a+b", "s", "")
    assert parts("http://localhost/cb?error=access_denied&state=s") == ("", "s", "access_denied")
    assert parts("http://localhost/cb?error=%3Cscript%3E") == ("", "", "error")
    assert parts("http://localhost/cb") is None
    assert parts("") is None
    assert "abc" not in repr(Reply("abc", "s"))


# --- our own side, before and after


def test_the_secret_is_looked_up_before_a_person_is_sent_away(
    make: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make()
    monkeypatch.delenv("AV_SECRET")
    assert refused(config, lambda url: pytest.fail("too early")).code == "secret_missing"


def test_the_folder_is_tried_before_a_person_is_sent_away(make: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    config = make(state_dir=str(tmp_path / "taken" / "state"))
    with pytest.raises(AvsyncError) as caught:
        run(config, lambda url: pytest.fail("too early"))
    assert caught.value.code == "token_not_saved"


def test_a_company_that_does_not_exist_names_those_that_do(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make(company="NOPE")
    with pytest.raises(ConfigError) as caught:
        run(config, Browser(box))
    assert (caught.value.code, caught.value.params["codes"]) == ("company_unknown", "DEMO, OUD")
    assert caught.value.exit_code == 2
    assert config.token_path.exists()


def test_the_case_of_the_code_does_not_matter(box: Sandbox, make: Callable[..., Config]) -> None:
    assert "avsync works with DEMO" in run(make(company="demo"), Browser(box))[-1]


def test_a_user_who_sees_no_company(box: Sandbox, make: Callable[..., Config]) -> None:
    config, companies = make(), list(box.options.companies)
    box.options.companies.clear()
    try:
        with pytest.raises(LoginNeeded) as caught:
            run(config, Browser(box))
    finally:
        box.options.companies.extend(companies)
    assert caught.value.code == "no_companies"
    assert config.token_path.exists()


def test_a_token_service_that_is_down(box: Sandbox, make: Callable[..., Config]) -> None:
    box.faults.add(side="accountview", path="token", do="500")
    error = refused(make(), Browser(box))
    assert isinstance(error, TryLater)
    assert (error.code, error.exit_code) == ("login_not_finished", 4)
    for language in ("nl", "en"):
        assert not any("no need" in words or "niet nodig" in words for words in text(error.code, language, {}))


def test_a_new_login_replaces_a_damaged_token_file(box: Sandbox, make: Callable[..., Config]) -> None:
    config = make()
    config.state_dir.mkdir(parents=True)
    config.token_path.write_text("{")
    run(config, Browser(box))
    assert json.loads(config.token_path.read_bytes())["access_token"]


def test_the_listener_logs_nothing(
    box: Sandbox, make: Callable[..., Config], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    run(make(), Browser(box))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert "code=" not in caplog.text
    assert "state=" not in caplog.text


def test_no_graphical_browser_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail("opened"))
    assert login.open_in_browser("http://x") is False
