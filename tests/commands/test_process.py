"""Whatever surrounds the process, it ends in a clear line and a documented exit code, no traceback (behaviour 54)."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.state.test_disk import small
from tests.support.office import Office, Told, office
from tests.support.scripted_server import Scripted, answer

SETPRIV = shutil.which("setpriv")
BARE = f"{SETPRIV} --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path, small(), wire=True) as found:
        found.write_config()
        yield found


def shell(one: Office, line: str, env: Mapping[str, str | None] | None = None, cwd: Path | None = None) -> Told:
    """A line of a shell; `$A` is avsync with the config, `$B` without. No traceback, and a documented code."""
    bare = f"{sys.executable} -m avsync"
    given = {**os.environ, "A": f"{bare} -c {one.path}", "B": bare, **(env or {})}
    known = {name: value for name, value in given.items() if value is not None}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, errors="replace", timeout=60, env=known,
                          cwd=cwd)  # fmt: skip
    told = Told(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in told.out + told.err, told.err
    assert "Exception ignored" not in told.err
    assert told.exit in (*range(6), 130), told
    return told


# streams


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full 2>/dev/full"]
)
def test_a_run_that_nobody_hears_goes_through(one: Office, streams: str) -> None:
    assert shell(one, f"$A run-all {streams}").exit == 0
    assert one.box.crafter.records("customers")
    one.recovers()


def test_a_full_disk_behind_stdout_is_said_and_the_run_counts(one: Office) -> None:
    told = shell(one, "$A run-all >/dev/full")
    assert told.exit == 0
    assert "No space left" in told.err or "schijf is vol" in told.err
    assert one.writes()


@pytest.mark.parametrize("command", ["errors", "status", "--json status", "check", "--help"])
def test_a_command_that_only_tells_has_failed_when_it_cannot(one: Office, command: str) -> None:
    told = shell(one, f"$A {command} >/dev/full")
    assert told.exit == 5
    assert "No space left" in told.err or "schijf is vol" in told.err
    assert shell(one, f"$A {command} >&-").exit == 0
    assert shell(one, f"$A {command} | head -c 1").exit == 0


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"},
                                 {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])  # fmt: skip
def test_any_alphabet(one: Office, env: dict[str, str]) -> None:
    for language in ("nl", "en"):
        one.config["language"] = language
        one.box.crafter.add("customers", name="Ďáblice 😀 " + "x" * 200)
        one.write_config()
        shell(one, "$A run-all", env)
        assert shell(one, "$A errors", env).out
        assert "Ďáblice 😀" in shell(one, "$A --json errors", env).json[0]["name"]
    assert shell(one, "$B -c '/tmp/\u2192.yaml' status", env).exit == 2


# the config


def wrong(one: Office, told: Told, *words: str) -> None:
    assert told.exit == 2, told
    for word in words:
        assert word in told.err
    assert not (one.folder / "~").exists()


@pytest.mark.skipif(SETPRIV is None, reason="needs util-linux")
def test_a_config_in_a_folder_one_may_not_enter(one: Office) -> None:
    (one.folder / "shut").mkdir()
    shutil.copy(one.path, one.folder / "shut" / "config.yaml")
    (one.folder / "shut").chmod(0)
    wrong(one, shell(one, f"{BARE} $B -c shut/config.yaml status", cwd=one.folder), "geen toestemming")
    wrong(one, shell(one, f"{BARE} $B status", {"XDG_CONFIG_HOME": str(one.folder / "shut")}, cwd=Path("/")))


@pytest.mark.parametrize("path", ["x" * 300, "x" * 5000, "y/" * 3000, "/dev/zero", "/dev/null/x"])
def test_a_config_at_an_odd_place(one: Office, path: str) -> None:
    wrong(one, shell(one, f"$B -c {path} status"), "config")
    wrong(one, shell(one, "$B status", {"AVSYNC_CONFIG": path}), "config")


def test_a_folder_that_was_removed_under_our_feet(one: Office) -> None:
    wrong(
        one, shell(one, "mkdir gone; cd gone; rmdir ../gone; $B -c config.yaml status", cwd=one.folder), "config.yaml"
    )


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, "a: &a [*a, *a, *a, *a]\n", "[" * 100_000, "{a: " * 50_000, "x: 1\n" + "#" * 2_000_000, "\0", "a: \0\n",
     'language: "\\0"\n', '"\\0": x\n', 'language: "\\ud800"\n'],
)  # fmt: skip
def test_a_config_with_a_bomb_or_a_nul(one: Office, text: str) -> None:
    (one.folder / "odd.yaml").write_text(text, encoding="utf-8")
    wrong(one, shell(one, "ulimit -v 2000000; $B -c odd.yaml status", cwd=one.folder), "odd.yaml")


def set_in(*path: str) -> Callable[[dict[str, object], object], None]:
    def put(config: dict[str, object], value: object) -> None:
        *groups, last = path
        for group in groups:
            config = config[group]  # type: ignore[assignment]
        config[last] = value

    return put


@pytest.mark.parametrize("where", [("state_dir",), ("company",), ("accountview", "client_id"),
                                   ("accountview", "client_secret", "file"), ("crafter", "base_url"),
                                   ("time_codes", "work"), ("accountview", "redirect_uri")])  # fmt: skip
def test_a_nul_in_any_value(one: Office, where: tuple[str, ...]) -> None:
    set_in(*where)(one.config, "a\0b")
    one.write_config()
    for command in ("status", "run-all"):
        wrong(one, shell(one, f"$A {command}"), ".".join(where), "NUL")


def test_a_state_dir_with_too_long_a_name(one: Office) -> None:
    one.config["state_dir"] = "/tmp/" + "x" * 300
    one.write_config()
    for command in ("status", "run-all", "run-all --dry-run", "errors", "errors --ignore 1", "login", "check"):
        told = shell(one, f"$A {command} </dev/null")
        assert told.exit in (0, 5)
    assert shell(one, "$A run-all").exit == 5


@pytest.mark.skipif(SETPRIV is None or os.geteuid() != 0, reason="needs root and util-linux")
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_no_home_no_folder_of_that_name(one: Office, home: str | None) -> None:
    """A user that no list knows and that has no HOME, as in many a container."""
    for key in ("state_dir", "secret"):
        config = {**one.config, "accountview": dict(one.config["accountview"])}
        if key == "secret":
            config["accountview"]["client_secret"] = {"file": "~/secret"}
        else:
            del config["state_dir"]
        from avsync.config import secret, settings

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(secret, "_home", lambda: "")
            patch.setenv("HOME", home or "")
            if home is None:
                patch.delenv("HOME")
            before, one.config = one.config, config
            told = one.avsync("status")
            one.config = before
            assert settings.places({}) == [Path("config.yaml"), settings.SYSTEM_WIDE]
        wrong(one, told, "HOME is not set", "whole path")


# the machine


@pytest.mark.parametrize("limit", [5, 6, 8, 10, 14, 20])
def test_few_files_may_be_open(one: Office, limit: int) -> None:
    told = shell(one, f"$A --help >/dev/null; ulimit -n {limit}; $A run-all")
    assert told.exit == 0 or told.err
    shell(one, f"ulimit -n {limit}; $A status")
    one.recovers()


def test_login_without_stdin(one: Office) -> None:
    one.config["accountview"]["redirect_uri"] = "http://127.0.0.1:1/callback"
    one.write_config()
    told = shell(one, "timeout --preserve-status -s INT 3 $A login --no-browser <&-")
    assert told.exit in (3, 4, 130)
    assert told.err


def test_a_missing_ca_bundle_is_said_before_the_consent(one: Office) -> None:
    one.config["accountview"]["base_url"] = "https://accountview.invalid/api/v3"
    one.write_config()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        for command in ("login --no-browser", "run-all", "check"):
            env = {"REQUESTS_CA_BUNDLE": None, name: "/nowhere/ca.pem"}
            told = shell(one, f"timeout 20 $A {command} </dev/null", env)
            assert told.exit == 2
            assert "REQUESTS_CA_BUNDLE" in told.err + told.out
            assert "Open this address" not in told.out


# certificates, proxies, secrets


@pytest.fixture
def tls(one: Office) -> Iterator[str]:
    """The address of a service whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(make.split(), cwd=one.folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(one.folder / "cert.pem", one.folder / "key.pem")
    with Scripted([answer(b"{}")], repeat=True, tls=context) as server:
        yield f"https://127.0.0.1:{urlsplit(server.url).port}/api/v3"


@pytest.mark.parametrize(("language", "words"), [("nl", "wordt hier niet vertrouwd"), ("en", "is not trusted here")])
@pytest.mark.parametrize("expired", [False, True])
def test_an_untrusted_certificate_is_named(one: Office, tls: str, language: str, words: str, expired: bool) -> None:
    """Also where it is the login's own service that shows it."""
    one.config["language"] = language
    one.config["accountview"]["base_url"] = tls
    one.write_config()
    if expired:
        one.box.expire_tokens()
        token = json.loads((one.state / "token.json").read_text())
        (one.state / "token.json").write_text(json.dumps({**token, "expires_at": 1}))
    told = shell(one, "$A run-all")
    assert told.exit == 4
    for word in (words, "127.0.0.1", "zelf" if "vertrouwd" in words else "self", "REQUESTS_CA_BUNDLE"):
        assert word in told.err, told.err


@pytest.mark.parametrize(
    ("reply", "words"),
    [(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"),
     (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"), (None, "cannot be reached")],
)  # fmt: skip
@pytest.mark.parametrize("expired", [False, True])
def test_a_proxy_that_refuses_is_named(one: Office, reply: bytes | None, words: str, expired: bool) -> None:
    one.config["accountview"]["base_url"] = "https://accountview.invalid/api/v3"
    one.write_config()
    if expired:
        token = json.loads((one.state / "token.json").read_text())
        (one.state / "token.json").write_text(json.dumps({**token, "expires_at": 1}))
    with Scripted([reply or b""], repeat=True) as server:
        port = urlsplit(server.url).port if reply else 1
        told = shell(one, "$A run-all", {"HTTPS_PROXY": f"http://me:s3cret@127.0.0.1:{port}", "NO_PROXY": ""})
    assert told.exit == 4
    for word in (words, f"127.0.0.1:{port}", "HTTPS_PROXY"):
        assert word in told.err, told.err
    assert "s3cret" not in told.err


@pytest.mark.parametrize(
    ("where", "source", "words"),
    [("accountview.client_secret", {"env": "NOT_SET"}, "NOT_SET"), ("crafter.api_key", {"env": "NOT_SET"}, "NOT_SET"),
     ("accountview.client_secret", {"file": "/nowhere/secret"}, "/nowhere/secret"),
     ("accountview.client_secret", {"command": "no-such-program --password x"}, "no-such-program")],
)  # fmt: skip
def test_a_secret_that_is_not_there_is_said_before_it_is_needed(
    one: Office, where: str, source: dict[str, str], words: str
) -> None:
    """The client secret is needed only when the login is renewed: at night, with nobody there."""
    group, key = where.split(".")
    one.config[group][key] = source
    one.write_config()
    for command in ("run-all", "run-all --dry-run", "sync customers", "errors --retry all"):
        one.box.requests.clear()
        wrong(one, shell(one, f"$A {command}"), where, words)
        assert list(one.box.requests) == []
    one.config["flows"] = dict.fromkeys(one.config["flows"], "off")
    one.write_config()
    assert shell(one, "$A status").exit == 0
