"""`make demo`: plays to its end, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "avsync.sandbox.demo"]


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo that SIGINT stops, also where this suite runs in the background of a shell, which has it ignored."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def _running(folder: Path) -> list[str]:
    """Processes that were given something in this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.parametrize("like", ["", "contract", "small", "elsewhere"])
def test_the_demo_plays_to_its_end_and_cleans_up(tmp_path: Path, like: str) -> None:
    """Also on a recorded installation, whose names are learnt first."""
    demo = _start(tmp_path, *(["--like", like] if like else []))
    said, _ = demo.communicate(timeout=300)
    assert demo.returncode == 0, said
    parts = (
        "$ avsync login", "$ avsync check", "$ avsync run-all", "$ avsync errors\n", "$ avsync errors ",
        "no open errors", "$ avsync history ", "$ avsync status", "$ avsync report -o", "report.html", "All as it",
    )  # fmt: skip
    places = [said.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "→" in said
    assert not re.search(r"\{\w+\}", said)
    assert ("$ avsync check --learn" in said) == bool(like)
    assert said.count("http://127.0.0.1:") >= 3
    assert list(tmp_path.iterdir()) == []
    assert _running(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_cleans_up_when_it_is_stopped_half_way(tmp_path: Path, number: signal.Signals) -> None:
    demo = _start(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("$ avsync check"):
            break
    demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert _running(tmp_path) == []


def test_kept_it_waits_with_open_problems_and_short_commands(tmp_path: Path) -> None:
    demo = _start(tmp_path, "--keep")
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            break
    last = said.partition("Both sides keep running")[2]
    assert last.count("http://127.0.0.1:") == 2
    assert Path(last.partition("file://")[2].split()[0]).exists()
    folder = Path(last.partition("cd ")[2].split()[0])
    listed = [line.strip().partition("  ")[0].split() for line in last.splitlines() if line.startswith("   ./")]
    assert [command[0] for command in listed] == ["./avsync"] * 5 + ["./mend"]

    def do(*command: str) -> tuple[int, str]:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    problems = json.loads(do("./avsync", "--json", "errors")[1])
    assert {"error", "warning", "waiting"} == {one["severity"] for one in problems}
    assert max(one["count"] for one in problems) > 5
    for command in listed:
        code, told = do(*command)
        assert code == (1 if command[1:] == ["run-all"] else 0), (command, told)
    assert do("./avsync", "run-all")[0] == 0, "all is mended"
    assert not [one for one in json.loads(do("./avsync", "--json", "errors")[1]) if one["severity"] == "error"]
    assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert _running(tmp_path) == []


def test_a_demo_that_goes_wrong_says_so_and_cleans_up(tmp_path: Path) -> None:
    program = (
        "import avsync.sandbox.demo as demo, sys\n"
        "def fail(*_): raise demo.DemoError('on purpose')\n"
        "demo.Demo.log_in = fail\n"
        "sys.exit(demo.main())"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (1, "\nThe demo failed: on purpose.\n")
    assert list(tmp_path.iterdir()) == []
    assert _running(tmp_path) == []
