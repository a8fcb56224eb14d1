"""A process that has avsync in memory and forks a run out of it on command, so that starting a run costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.bench import Axe


class Forks:
    """The forking process, as the one that kills sees it."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, config: Path, errors: Path, step: int = 0) -> int:
        """The pid of a new run; `step` is the checkpoint at which it kills itself."""
        return int(self._ask({"config": str(config), "errors": str(errors), "step": step}))

    def wait(self) -> int:
        """The exit status of that run, as `os.waitpid` tells it."""
        return int(self._ask({"wait": True}))

    def steps(self) -> int:
        """How many checkpoints the last run passed that was to be counted (step -1)."""
        return int(self._ask({"steps": True}))

    def _ask(self, question: dict[str, Any]) -> str:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()


def serve() -> None:
    """The other end of `Forks`. One thread, so that forking is safe."""
    from avsync.sync import run  # noqa: F401 - loaded before the first fork

    pid, counted = 0, Path(tempfile.mkdtemp()) / "steps"
    for raw in sys.stdin:
        asked = json.loads(raw)
        if asked.get("wait"):
            print(os.waitpid(pid, 0)[1], flush=True)
        elif asked.get("steps"):
            print(len(counted.read_bytes()), flush=True)
        else:
            pid = os.fork()
            if not pid:
                _become_a_run(asked, counted)
            print(pid, flush=True)


def _become_a_run(asked: dict[str, Any], counted: Path) -> None:
    """What `python -m avsync run-all` does, in this process, which then ends."""
    from avsync.cli import main

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    if asked["step"]:
        _lay_hands_on_oneself(asked["step"], counted)
    try:
        main(["-c", asked["config"], "run-all"], prog_name="avsync")
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except BaseException:  # noqa: BLE001 - what Python itself would do
        import traceback

        traceback.print_exc()
        os._exit(70)


def _lay_hands_on_oneself(step: int, counted: Path) -> None:
    """Die of SIGKILL at a checkpoint, the saving of tokens included; at step -1 only count them."""
    from avsync.commands import run as launch
    from avsync.state.tokens import TokenFile

    counting = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if step < 0 else 0
    act = Axe(step, lambda: os.kill(os.getpid(), signal.SIGKILL), kill=False)

    def at(where: str) -> None:
        if counting:
            os.write(counting, b".")
        act(where)

    save, session = TokenFile.save, launch.Session

    def guarded(self: TokenFile, token: Any) -> None:
        save(self, token)
        at("token")

    TokenFile.save = guarded  # type: ignore[method-assign]
    launch.Session = lambda *given, **named: session(*given, **{**named, "checkpoint": at})  # type: ignore[assignment, misc]


if __name__ == "__main__":
    serve()
