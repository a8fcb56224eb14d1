"""A person at a terminal: a command runs on a pseudo terminal of its own, and what it asks is answered."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Answer = str | list[str] | Callable[[str], str]
AVSYNC = [sys.executable, "-m", "avsync"]
_ASKS = re.compile(r": ?$")


def at_home(home: Path, **more: str) -> dict[str, str]:
    """The environment of somebody whose home is empty."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8", **more}


def converse(
    command: list[str], answers: Mapping[str, Answer], env: Mapping[str, str], cwd: Path, timeout: float = 120
) -> tuple[int, str]:
    """(exit code, everything that was shown). `answers`: a part of the question → what to type, several for when it is
    asked again, or a function of all that was shown; any other question gets Enter."""
    left = {part: list(said) if isinstance(said, list) else said for part, said in answers.items()}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(env), cwd=cwd, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    shown, end = "", time.monotonic() + timeout
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.5)[0]:
                try:
                    shown += os.read(ours, 65_536).decode("utf-8", "replace")
                except OSError:  # the terminal is gone with its last process
                    break
            question = shown.rpartition("\n")[2]
            if not _ASKS.search(question) and not shown.endswith(("here:\r\n", "adresbalk:\r\n")):
                continue
            question = question or shown.splitlines()[-1]
            part = next((part for part in left if part in question), None)
            said = left.get(part, "") if part else ""
            typed = said.pop(0) if isinstance(said, list) else said(shown) if callable(said) else said
            shown += "\0\n"  # the question is answered; what comes next is another
            os.write(ours, f"{typed}\n".encode())
        return process.wait(5), shown.replace("\0", "").replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
