"""The first hour: how far a run is, for somebody at a terminal; totals that fit, and a dry run that begins with what
matters."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avsync.commands import report
from avsync.sandbox import seed
from tests.support.office import ALL_ON, Office, office

SMALL: dict[str, Any] = {"customers": 30, "projects": 4, "orders": 2, "work_orders": 6, "hours": 8}
PHASES = {"nl": ("lezen", "vergelijken", "schrijven", "melden"), "en": ("reading", "comparing", "writing", "telling")}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path, seed.world(seed=3, **SMALL), wire=True) as found:
        yield found


class Screen:
    """A command on a terminal, and what stands there."""

    def __init__(self, one: Office, *args: str, **more: Any) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        self.process = subprocess.Popen(one.command(*args), stdin=theirs, stdout=theirs, stderr=theirs, env=env, **more)
        os.close(theirs)

    def until(self, words: str = "", seconds: float = 120) -> str:
        """Read until these words are shown, or (without any) the command has ended."""
        while not words or words not in self.shown:
            if not select.select([self._ours], [], [], seconds)[0]:
                raise AssertionError(f"not shown: {words}: {self.shown}")
            try:
                self.shown += os.read(self._ours, 65_536).decode("utf-8", "replace")
            except OSError:  # the terminal is gone with its last process
                break
        return self.shown

    def end(self) -> int:
        self.until()
        os.close(self._ours)
        return self.process.wait(60)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_each_phase_has_its_bar_with_totals(one: Office, language: str) -> None:
    one.config["language"] = language
    screen = Screen(one, "run-all")
    assert screen.end() == 1
    places = [screen.shown.index(phase) for phase in PHASES[language]]
    assert places == sorted(places)
    for phase in PHASES[language]:
        told = re.findall(rf"{phase} +\[[#-]+\] (\d+)/(\d+)", screen.shown)
        done, total = map(int, told[-1])
        assert done == total > 0, (phase, told)
    assert re.search(r"(klant|customer) \d+", screen.shown)  # of which it has read so many
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[\S*?[A-Za-z]", "", screen.shown))
    assert max(map(len, lines)) <= 79
    assert screen.shown.count("\x1b[?25l") == 0 or screen.shown.rindex("\x1b[?25h") > screen.shown.rindex("\x1b[?25l")


def test_the_first_bar_stands_there_before_anybody_has_answered(one: Office) -> None:
    one.config["timeouts"] = {"connect": 5, "read": 60}
    for side in ("accountview", "crafter"):
        one.box.faults.add(side=side, times=0, do="hang", seconds=60)
    screen = Screen(one, "run-all")
    screen.until("reading")
    screen.process.send_signal(signal.SIGINT)
    one.box.faults.stop()
    assert screen.end() == 4


def test_a_line_of_the_log_takes_the_place_of_the_bar(one: Office) -> None:
    screen = Screen(one, "-v", "run-all")
    screen.end()
    lines = [line for line in screen.shown.split("\n") if " INFO " in line]
    assert len(lines) > 20
    shown = [line.rpartition("\r\x1b[K")[2] for line in lines]
    assert all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in shown if line), shown[:3]


@pytest.mark.parametrize("args", [("--json", "run-all"), ("-q", "run-all")])
def test_no_bar_where_nobody_wants_one(one: Office, args: tuple[str, ...]) -> None:
    screen = Screen(one, *args)
    screen.end()
    assert "[#" not in screen.shown
    assert "\x1b[" not in screen.shown
    assert "[#" not in one.process("run-all", "--full").err


def test_a_dry_run_compares_and_does_not_write(one: Office) -> None:
    screen = Screen(one, "run-all", "--dry-run")
    screen.end()
    assert "comparing" in screen.shown
    assert "writing" not in screen.shown
    assert "Each record: the same command with --details." in screen.shown
    assert "Direction" not in screen.shown
    assert one.writes() == []


def test_a_dry_run_begins_with_how_much_of_what(one: Office) -> None:
    said = one.avsync("run-all", "--dry-run").out
    plan = one.run("--dry-run")["plan"]
    created = sum(
        row["flow"] == "customers" and row["action"] == "create" and row["direction"] == "import" for row in plan
    )
    assert re.search(rf"customers +AccountView → Crafter +create +{created}\n", said)
    assert max(map(len, said.splitlines())) <= 79
    details = one.avsync("run-all", "--dry-run", "--details").out
    assert details.startswith(said.partition("\n\nEach record")[0])
    assert len(details.splitlines()) > len(plan)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_totals_stay_within_79_columns(language: str) -> None:
    names = ("read", "created", "updated", "adopted", "unchanged", "waiting", "failed", "unknown")
    counts = dict.fromkeys(names, 99_999) | {"read": 1_000_000, "unchanged": 1_000_000}
    table = report.totals_table(dict.fromkeys(ALL_ON, counts), language)
    assert max(map(len, table.splitlines())) <= 79
