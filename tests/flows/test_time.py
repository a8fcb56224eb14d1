"""Time: nothing waits for ever, a run stops between records and the next one goes on, and an outage mends itself."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from avsync.commands.run import Budget
from avsync.sandbox import seed
from tests.support.office import Office, office
from tests.support.scripted_server import Scripted, Stopwatch, drip


def small() -> Any:
    return seed.world(seed=1, bad=False, customers=4, projects=2, orders=2, work_orders=4, hours=6)


def middling() -> Any:
    return seed.world(seed=1, bad=False, customers=12, projects=4, orders=4, work_orders=10, hours=20)


# every request ends


def test_a_service_that_drips_does_not_hold_a_run(tmp_path: Path) -> None:
    """One byte every 50 ms is never a read time-out; the deadline over the whole answer ends it all the same."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    with (
        office(tmp_path, wire=True) as one,
        Scripted([head, *drip(b" " * 5000, 0.05)], repeat=True) as slow,
        Stopwatch() as watch,
    ):
        one.config["crafter"]["base_url"] = slow.url
        one.config["timeouts"] = {"connect": 0.1, "read": 0.2}
        told = one.avsync("--json", "sync", "hours")
    assert told.exit == 4
    assert "no complete answer in time" in told.json["errors"]["hours"]["message"]
    assert watch.seconds < 5


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_a_service_that_hangs_ends_the_flows_that_need_it(tmp_path: Path, side: str) -> None:
    with office(tmp_path, small(), flows={"hours": "export"}, wire=True) as one, Stopwatch() as watch:
        one.config["timeouts"] = {"connect": 0.2, "read": 0.3}
        one.box.faults.add(side=side, times=0, do="hang", seconds=20)
        told = one.avsync("run-all")
        one.box.faults.clear()
        assert told.exit == 4
        assert watch.seconds < 15
        one.config["timeouts"] = {"connect": 2, "read": 5}
        one.recovers()


# the budget


def test_a_run_without_time_left_stops_cleanly_and_the_next_ones_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is counted in requests here: sixty of them, and the run is over, wherever it is."""
    with office(tmp_path, middling(), wire=True) as one:
        clock = partial(Budget, clock=lambda: float(len(one.box.requests)))
        monkeypatch.setattr("avsync.commands.run.Budget", clock)
        one.config["budget"] = 60
        told = one.avsync("--json", "run-all")
        assert told.exit == 4
        assert all("The time for this run is up" in each["message"] for each in told.json["errors"].values())
        assert 60 <= len(one.box.requests) <= 60 + 10, "the records in hand, and no more"
        assert len(one.writes()) > 10, "what there was time for is done"
        assert status(one)["intents"] == 0
        exits = [one.run()["exit"]]
        while exits[-1] == 4 and len(exits) < 20:
            exits.append(one.run()["exit"])
        assert exits[-1] == 0, exits
        assert len(exits) > 1
        one.recovers()
        no_doubles(one)


def test_a_read_that_hangs_does_not_outlast_the_budget(tmp_path: Path) -> None:
    with office(tmp_path, flows={"hours": "export"}, wire=True) as one, Stopwatch() as watch:
        one.config |= {"timeouts": {"connect": 2, "read": 30}, "budget": 1}
        one.box.faults.add(side="crafter", times=0, do="hang", seconds=20)
        told = one.avsync("--json", "run-all")
        one.box.faults.stop()
        assert told.exit == 4
        assert "The time for this run is up" in told.json["errors"]["hours"]["message"]
        assert watch.seconds < 5


def no_doubles(one: Office) -> None:
    for table, column in (("SO_HDR", "EXT_ID"), ("HRS_LINE", "EXT_ID"), ("CONTACT", "ACCT_NAME")):
        marks = [row[column] for row in one.box.accountview.rows(table) if row[column]]
        assert len(marks) == len(set(marks)), table


def test_the_budget_counts_down_and_wakes_up() -> None:
    now = 100.0
    budget = Budget(10, clock=lambda: now)
    assert budget.left() == 10
    now = 111.0
    assert budget.left() < 0
    with Stopwatch() as watch:
        budget.pause(60)
    assert watch.seconds < 1


# signals, to real processes


def start(one: Office, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(one.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(what: Callable[[], Any], running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_finishes_the_record_in_hand_and_says_so(tmp_path: Path, number: signal.Signals) -> None:
    with office(tmp_path, middling(), latency=0.03, wire=True) as one:
        running = start(one, "run-all")
        wait_for(lambda: len(one.writes()) >= 8, running)
        running.send_signal(number)
        with Stopwatch() as watch:
            out, err = running.communicate(timeout=30)
        assert running.returncode == 4, err
        assert "Interrupted: the record in hand was finished and everything done is kept." in err
        assert "Traceback" not in err
        assert "time for this run is up" not in err, "it was a signal, not the clock"
        assert watch.seconds < 5
        assert status(one)["intents"] == 0, "every write that went out was waited for"
        sent = len(one.writes())
        assert 8 <= sent < 40
        one.box.faults.latency = 0
        one.recovers()
        no_doubles(one)


def test_a_signal_wakes_up_a_run_that_was_told_to_wait(tmp_path: Path) -> None:
    with office(tmp_path, small(), wire=True) as one:
        one.box.faults.add(side="crafter", method="GET", times=0, do="429", seconds=50)
        running = start(one, "run-all")
        wait_for(lambda: any(each.status == 429 for each in one.box.requests), running)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=10)
        assert running.returncode == 4, err
        one.box.faults.clear()
        one.recovers()


def status(one: Office) -> dict[str, Any]:
    return dict(one.avsync("--json", "status").json)


# one run at a time


def test_a_second_run_while_one_works_says_one_line_and_is_no_failure(tmp_path: Path) -> None:
    with office(tmp_path, latency=0.15, wire=True) as one:
        running = start(one, "run-all")
        wait_for(lambda: len(one.box.requests) > 3, running)
        told = one.process("run-all")
        assert told.exit == 0
        assert told.out == ""
        assert told.err.strip().splitlines() == [
            f"Another run is at work (process {running.pid}, 0 minutes); this one was skipped."
        ]
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)


def hold(one: Office, content: str) -> int:
    """Take the lock as another process would."""
    handle = os.open(one.state / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.pwrite(handle, content.encode(), 0)
    return handle


def held_since(moment: datetime) -> str:
    return json.dumps({"pid": 4711, "started": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "identity": "x", "run": 3})


def test_a_run_that_is_stuck_for_over_an_hour_is_reported(tmp_path: Path) -> None:
    with office(tmp_path, wire=True) as one:
        handle = hold(one, held_since(datetime.now(UTC) - timedelta(minutes=95)))
        told = one.avsync("run-all")
        os.close(handle)
        assert told.exit == 0
        assert "95 minutes (process 4711), which is not normal" in told.err
        assert "kill 4711" in told.err
        assert len(told.err.strip().splitlines()) == 1


def test_a_run_that_has_just_begun_is_not_taken_for_the_one_before_it(tmp_path: Path) -> None:
    """The lock file outlives its run: who takes the lock says so at once, before it opens anything."""
    with office(tmp_path, wire=True) as one:
        one.avsync("run-all")
        content = json.loads((one.state / "lock").read_text(encoding="utf-8"))
        (one.state / "lock").write_text(held_since(datetime.now(UTC) - timedelta(days=2)), encoding="utf-8")
        seen: list[str] = []
        real = json.dumps

        def opened(*args: Any) -> Any:
            seen.append((one.state / "lock").read_text(encoding="utf-8"))
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("avsync.state.db._connect", opened)
            one.avsync("run-all")
        holder = json.loads(seen[0])
        assert holder["pid"] == os.getpid()
        assert datetime.now(UTC) - datetime.fromisoformat(holder["started"]) < timedelta(minutes=1)
        assert (holder["identity"], holder["run"]) == ("x", 3), "what the last run left is not forgotten"
        assert real(content)


@pytest.mark.parametrize(
    "content",
    ["", "garbage", "{}", "[]", '{"pid": "x", "started": 5, "identity": [], "run": "many"}', '{"other": 1}',
     '{"pid": 1, "started": "2026-01-01T00:00:00", "identity": "", "run": 1}', "[" * 5000, "\x00" * 200],
)  # fmt: skip
def test_a_lock_file_that_says_nothing_is_no_obstacle(tmp_path: Path, content: str) -> None:
    with office(tmp_path, wire=True) as one:
        handle = hold(one, content)
        told = one.avsync("run-all")
        assert told.exit == 0
        assert "Another run is at work (process ?" in told.err
        os.close(handle)
        assert one.avsync("run-all").exit == 0
        assert one.avsync("run-all").exit == 0


# Retry-After


def requests_of(one: Office, method: str) -> list[Any]:
    return [each for each in one.box.requests if each.method == method and not each.path.endswith("/token")]


def test_a_long_retry_after_ends_the_flow_and_nothing_waits(tmp_path: Path) -> None:
    with office(tmp_path, small(), wire=True) as one, Stopwatch() as watch:
        one.box.faults.add(side="crafter", method="GET", path="/hours", times=0, do="429", seconds=61)
        told = one.avsync("--json", "run-all")
        assert told.exit == 4
        assert "gets too many requests" in told.json["errors"]["hours"]["message"]
        assert watch.seconds < 5
        assert len([each for each in one.box.requests if each.path.endswith("/hours")]) == 1
        assert one.box.crafter.records("projects"), "the flows that do not need it went on"
        one.box.faults.clear()
        one.recovers()


def test_a_short_retry_after_is_obeyed(tmp_path: Path) -> None:
    with office(tmp_path, small(), wire=True) as one:
        one.box.faults.add(side="crafter", method="GET", path="/hours", do="429", seconds=2)
        assert one.run()["exit"] == 0
        first, second = [each.time for each in one.box.requests if each.path.endswith("/hours")][:2]
        assert second - first >= 2


@pytest.mark.parametrize(("side", "method"), [("accountview", "POST"), ("crafter", "POST"), ("crafter", "PATCH")])
def test_a_short_retry_after_is_obeyed_on_a_write_as_well(tmp_path: Path, side: str, method: str) -> None:
    with office(tmp_path, small(), wire=True) as one:
        if method == "PATCH":
            one.run()
            one.box.accountview.edit("CONTACT", one.box.accountview.rows("CONTACT")[0]["SUB_NR"], TEL_BUS="010-1")
        one.box.requests.clear()
        rule = one.box.faults.add(
            side=side, method=method, path="/api/", nth=2 if method == "POST" else 1, do="429", seconds=1
        )
        assert one.run()["exit"] == 0, one.errors()
        assert rule.hits == 1
        refused = next(each for each in one.writes() if each.status == 429)
        again = [each for each in one.writes() if each.body == refused.body and each.status in (200, 201)]
        assert len(again) == 1
        assert again[0].time - refused.time >= 1
        no_doubles(one)
        one.recovers()


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_a_long_retry_after_on_a_write_ends_the_flow_and_doubles_nothing(tmp_path: Path, side: str) -> None:
    with office(tmp_path, small(), wire=True) as one, Stopwatch() as watch:
        path = "accountviewdata" if side == "accountview" else "/customers"
        one.box.faults.add(side=side, method="POST", path=path, times=0, do="429", seconds=61)
        told = one.avsync("run-all")
        assert told.exit == 4
        assert watch.seconds < 8
        assert status(one)["intents"] == 0, "a 429 is surely not stored"
        one.box.faults.clear()
        one.recovers()
        no_doubles(one)


# an outage


def test_after_an_outage_of_a_day_the_next_run_catches_up(tmp_path: Path) -> None:
    """Both services are down for a day while people go on; the token dies meanwhile; nobody does anything."""
    with office(tmp_path, small(), wire=True) as one:
        one.recovers()
        one.box.faults.add(times=0, do="html")
        assert one.avsync("run-all").exit == 4
        shift_a_day(one)
        number = one.box.accountview.rows("CONTACT")[0]["SUB_NR"]
        one.box.accountview.edit("CONTACT", number, TEL_BUS="010-1234567")
        customer = one.box.crafter.records("customers")[-1]["id"]
        one.box.crafter.edit("customers", customer, email="nieuw@example.nl")
        for day in range(5):
            one.box.accountview.add("CONTACT", SUB_NR=f"9000{day}", ACCT_NAME=f"Uitval {day}", ACCT_NR="1300")
            one.box.crafter.add("work-orders", customer_id=customer, description=f"Tijdens uitval {day}", status="open")
        assert one.avsync("run-all").exit == 4
        one.box.expire_tokens()
        one.box.faults.clear()
        assert one.run()["exit"] == 0, one.errors()
        named = {each["name"]: each for each in one.box.crafter.records("customers")}
        assert {f"Uitval {day}" for day in range(5)} <= set(named)
        assert "010-1234567" in {each["phone"] for each in named.values()}
        assert "nieuw@example.nl" in {row["MAIL_BUS"] for row in one.box.accountview.rows("CONTACT")}
        assert len([row for row in one.box.accountview.rows("SO_HDR") if row["COMMENT1"].startswith("Tijdens")]) == 5
        assert one.errors() == [], "the outage is no longer in the list"
        one.recovers()
        no_doubles(one)


def shift_a_day(one: Office) -> None:
    """Both services live a day later from here on."""
    day = timedelta(days=1)
    one.box.accountview.clock = lambda: datetime.now(UTC) + day
    one.box.crafter.ugly.clock_shift = day


def test_times_in_messages_are_whole_minutes(tmp_path: Path) -> None:
    with office(tmp_path, wire=True) as one:
        handle = hold(one, held_since(datetime.now(UTC) - timedelta(seconds=150)))
        told = one.avsync("run-all")
        os.close(handle)
        assert re.search(r"\b2 minutes\b", told.err)
