"""Who is warned: a command, a ping address, a mail through a real SMTP server, a file for Prometheus; and that none of
it can fail or hold up a run."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_incidents import Cron, down
from tests.support.office import Office, shop

KEEPER = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"
LONG = "Vereniging van Eigenaars Residentie Waterland aan de Amstel"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with shop(tmp_path) as found:
        found.goes()
        yield found


@pytest.fixture
def cron(one: Office, monkeypatch: pytest.MonkeyPatch) -> Cron:
    return Cron(one, monkeypatch)


def keep(one: Office, **more: Any) -> None:
    """The command writes down what it is told."""
    one.config["notify"] = {"command": [sys.executable, "-c", KEEPER, str(one.folder / "told")], **more}


def told(one: Office) -> list[dict[str, Any]]:
    place = one.folder / "told"
    return [json.loads(text) for text in place.read_text("utf-8").splitlines()] if place.exists() else []


@contextmanager
def pings(status: int = 200, wait: float = 0) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An address to ping, and (path, body) of every ping."""
    seen: list[tuple[str, str]] = []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            seen.append((self.path, body))
            done.wait(wait)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ping/uuid-1", seen
    finally:
        done.set()
        server.shutdown()
        server.server_close()


# --- of what


def test_a_command_hears_of_new_problems_once(one: Office) -> None:
    keep(one)
    identity = one.new_klant(LONG)
    one.run()
    one.run()
    (first,) = told(one)
    assert (first["event"], first["company"], first["run"], first["exit"]) == ("new_problems", "DEMO", 2, 1)
    assert first["title"] == "avsync DEMO: 1 new errors"
    assert LONG in first["message"]
    assert first["problems"] == {"new": 1, "solved": 0, "open": 1}
    assert [row["code"] for row in first["errors"]] == ["too_long"]
    one.box.crafter.edit("customers", identity, name="VvE Waterland")
    one.goes()
    assert len(told(one)) == 1


def test_an_outage_a_lost_login_and_a_safety_stop_are_warned_of_and_that_they_are_over(cron: Cron) -> None:
    one = cron.one
    keep(one)
    down(one, "accountview")
    cron.night(5, "--json", "run-all")
    (first,) = told(one)
    assert first["event"] == "outage"
    assert first["incident"].keys() == {"code", "service", "since", "until"}
    assert "AccountView cannot be reached or gives errors since 24-11-2026 09:00" in first["message"]
    one.box.faults.clear()
    cron.run("run-all", "-q")
    assert [row["event"] for row in told(one)] == ["outage", "recovered"]
    one.box.revoke_tokens()
    cron.night(3, "run-all", "-q")
    one.log_in()
    cron.run("run-all", "-q")
    one.config["safety"] = {"max_new": 0}
    one.work_order("wo-1")
    cron.night(3, "run-all", "-q")
    cron.run("run-all", "--force", "-q")
    assert [row["event"] for row in told(one)] == [
        "outage", "recovered", "login_needed", "recovered", "safety", "recovered",
    ]  # fmt: skip


def test_only_what_was_asked_for_is_told(cron: Cron) -> None:
    one = cron.one
    keep(one, on=["login_needed"])
    one.new_klant(LONG)
    cron.run()
    down(one, "accountview")
    cron.night(5)
    one.box.faults.clear()
    cron.run()
    assert told(one) == []
    one.box.revoke_tokens()
    cron.run()
    assert [row["event"] for row in told(one)] == ["login_needed"]


def test_what_is_printed_and_what_is_warned_of_are_remembered_apart(cron: Cron) -> None:
    one = cron.one
    down(one, "accountview")
    assert len(cron.night(5)) == 1
    keep(one)
    cron.run()
    assert [row["event"] for row in told(one)] == ["outage"]


def test_a_dry_run_warns_nobody(one: Office) -> None:
    keep(one)
    one.new_klant(LONG)
    with pings() as (url, seen):
        one.config["notify"]["ping_url"] = url
        one.avsync("run-all", "--dry-run")
    assert (seen, told(one)) == ([], [])


# --- the ping


def test_a_ping_at_the_start_and_at_the_end(one: Office) -> None:
    with pings() as (url, seen):
        one.config["notify"] = {"ping_url": url}
        one.goes()
        one.new_klant(LONG)
        assert one.run()["exit"] == 1
        one.box.revoke_tokens()
        assert one.avsync("sync", "customers").exit == 3
        paths = [path.removeprefix("/ping/uuid-1") for path, _ in seen]
        assert paths == ["/start", "", "/start", "", "/start", "/fail"]
        assert "1 new, 0 solved, 1 open" in json.loads(seen[3][1])["message"]


def test_a_run_that_cannot_begin_pings_fail_and_one_that_finds_another_at_work_does_not(one: Office) -> None:
    from avsync.state.lock import RunLock

    with pings() as (url, seen):
        one.config["notify"] = {"ping_url": url}
        lock = RunLock(one.state)
        assert lock.take()
        assert one.avsync("run-all").exit == 0
        lock.release()
        assert seen == []
        (one.folder / "key").unlink()
        assert one.avsync("run-all").exit == 2
        assert [path for path, _ in seen] == ["/ping/uuid-1/fail"]
        assert "crafter.api_key" in seen[0][1]


def test_the_ping_address_may_be_a_secret(one: Office) -> None:
    with pings() as (url, seen):
        (one.folder / "ping").write_text(url, encoding="utf-8")
        one.config["notify"] = {"ping_url": {"file": "ping"}}
        one.goes()
        assert len(seen) == 2


# --- mail


@pytest.fixture
def mailbox() -> Iterator[tuple[int, list[Any]]]:
    """A real SMTP server: its port, and the messages it took."""
    controller = pytest.importorskip("aiosmtpd.controller")
    got: list[Any] = []

    class Keeping:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            got.append(envelope)
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = controller.Controller(Keeping(), hostname="127.0.0.1", port=port)
    server.start()
    yield port, got
    server.stop()


def test_a_mail_goes_through_a_real_server(one: Office, mailbox: tuple[int, list[Any]]) -> None:
    pytest.importorskip("apprise")
    port, got = mailbox
    one.config["language"] = "nl"
    one.config["notify"] = {
        "urls": [f"mailto://127.0.0.1:{port}?from=avsync@example.nl&to=beheer@example.nl&mode=insecure"]
    }
    one.new_klant(LONG)
    one.run()
    _wait_for(lambda: got)
    (mail,) = got
    assert mail.rcpt_tos == ["beheer@example.nl"]
    assert b"avsync DEMO" in mail.content
    answer = one.avsync("notify", "--test", "--json")
    assert (answer.exit, answer.json["told"]) == (0, [{"way": "urls", "ok": True, "fault": ""}])
    assert len(got) == 2


def _wait_for(found: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.05)


def test_an_address_that_apprise_does_not_know_is_said_when_tried(one: Office) -> None:
    pytest.importorskip("apprise")
    (one.folder / "url").write_text("nonsense://user:hush@somewhere", encoding="utf-8")
    one.config["notify"] = {"urls": [{"file": "url"}]}
    answer = one.avsync("notify", "--test")
    assert answer.exit == 1
    assert "address 1" in answer.out
    assert "hush" not in answer.out + answer.err


# --- nothing here fails or holds up a run


@pytest.mark.parametrize(
    "notify",
    [
        {"command": "/nowhere/to/be/found"}, {"command": "false"}, {"command": [sys.executable, "-c", "1/0"]},
        {"ping_url": "http://127.0.0.1:1/x"}, {"ping_url": "ftp://example.nl/x"}, {"ping_url": "http://example.nl/x"},
        {"ping_url": {"env": "NOT_SET_ANYWHERE"}}, {"urls": ["nonsense://x"]}, {"urls": [{"file": "not-there"}]},
    ],
)  # fmt: skip
def test_a_way_that_does_not_work_changes_nothing(one: Office, notify: dict[str, Any]) -> None:
    one.config["notify"] = notify
    one.new_klant(LONG)
    answer = one.process("--json", "run-all")
    assert (answer.exit, answer.err) == (1, "")
    tried = one.avsync("notify", "--test")
    assert tried.exit == 1
    assert "FAILED" in tried.out


def test_nobody_waits_longer_than_five_seconds(one: Office) -> None:
    """The ping and the command never end; a run without them takes as long as it takes."""
    one.new_klant(LONG)
    with pings(wait=600) as (url, _):
        sleeper = "import time, sys; open(sys.argv[1], 'w').write('began'); time.sleep(600)"
        one.config["notify"] = {
            "ping_url": url, "command": [sys.executable, "-c", sleeper, str(one.folder / "asleep")],
        }  # fmt: skip
        one.process("run-all")
        del one.config["notify"]
        started = time.monotonic()
        one.process("run-all")
        without = time.monotonic() - started
        one.new_klant(f"{LONG} te Amsterdam")
        one.config["notify"] = {"ping_url": url}
        started = time.monotonic()
        assert one.process("run-all").exit == 1
        assert time.monotonic() - started < 5 * without + 5 + 10  # a busy machine


def test_a_command_that_hangs_is_ended(one: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avsync.commands.alarm.LONGEST", 0.5)
    place = one.folder / "pid"
    hangs = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    one.config["notify"] = {"command": [sys.executable, "-c", hangs, str(place)]}
    from avsync.commands.alarm import Alarm, Notice
    from avsync.config.settings import load

    one.write_config()
    alarm = Alarm(load(one.path), 10)
    (answer,) = alarm.tell([Notice("test", "t", "t", {})], time.monotonic() + 10)
    assert answer.fault == "no answer in time"
    pid = int(place.read_text())
    _wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


# --- trying it out


def test_trying_it_out_says_how_each_went(one: Office) -> None:
    assert one.avsync("notify").exit == 2
    answer = one.avsync("notify", "--test")
    assert (answer.exit, "names nobody" in answer.out) == (1, True)
    with pings() as (url, seen):
        keep(one, ping_url=url)
        answer = one.avsync("notify", "--test")
        assert answer.exit == 0
        assert answer.out == "command: sent\nping_url: sent\n"
        assert [row["event"] for row in told(one)] == ["test"]
        assert [path for path, _ in seen] == ["/ping/uuid-1"]
    with pings(status=404) as (url, _):
        one.config["notify"] = {"ping_url": url}
        assert "ping_url: FAILED (HTTP 404)" in one.avsync("notify", "--test").out


# --- figures


def figures(one: Office) -> dict[str, float]:
    text = (one.folder / "avsync.prom").read_text("utf-8")
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def test_prometheus_finds_the_figures_of_the_last_run(one: Office) -> None:
    one.config["metrics_file"] = "avsync.prom"
    one.config["company"] = "DEMO"
    one.new_klant(LONG)
    one.run()
    found = figures(one)
    assert found['avsync_run_exit_code{company="DEMO"}'] == 1
    assert found['avsync_run_number{company="DEMO"}'] == 2
    assert found['avsync_run_records{company="DEMO",flow="customers",what="failed"}'] == 1
    assert found['avsync_open_problems{company="DEMO",severity="error"}'] == 1
    assert found['avsync_login_works{company="DEMO"}'] == 1
    assert abs(found['avsync_run_finished_timestamp_seconds{company="DEMO"}'] - time.time()) < 600
    assert (one.folder / "avsync.prom").stat().st_mode & 0o777 == 0o644
    one.box.revoke_tokens()
    one.avsync("run-all")
    found = figures(one)
    assert found['avsync_login_works{company="DEMO"}'] == 0
    assert [name for name in found if "incident_since" in name and 'service="AccountView"' in name]
    assert [path.name for path in one.folder.glob(".avsync.prom*")] == []


def test_every_figure_has_help_and_a_type(one: Office) -> None:
    one.config["metrics_file"] = "avsync.prom"
    one.goes()
    lines = (one.folder / "avsync.prom").read_text("utf-8").splitlines()
    names = {line.partition("{")[0] for line in lines if line[0] != "#"}
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} >= names
    assert {line.split()[2] for line in lines if line.startswith("# HELP")} >= names


def test_a_metrics_file_that_cannot_be_written_stops_nothing(one: Office) -> None:
    one.config["metrics_file"] = "/nowhere/avsync.prom"
    answer = one.process("run-all")
    assert (answer.exit, answer.err) == (0, "")
