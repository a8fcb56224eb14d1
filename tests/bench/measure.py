"""Runs commands as processes of their own and says what each cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# As installed: modules are compiled once, not in every process.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Cost:
    """`seconds` on the clock, `cpu` seconds of the process, `peak` resident memory in MB, output, exit code."""

    seconds: float
    cpu: float
    peak: float
    out: str
    exit: int


def run(command: Sequence[str], expect: Iterable[int] = (0,)) -> Cost:
    """Run to the end; RuntimeError for another exit code than expected."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=_ENVIRONMENT)
        peak = _Peak(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        said, complaints = out.read(), err.read()
        if process.returncode not in expect or "Traceback" in complaints:
            raise RuntimeError(f"{command}: exit {process.returncode}\n{said}\n{complaints}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, peak.stop(), said, process.returncode)


class _Peak:
    """The high-water mark of a process's memory. (ru_maxrss would also count what its parent held at the fork.)"""

    def __init__(self, pid: int) -> None:
        self._file, self._peak, self._over = Path(f"/proc/{pid}/status"), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            try:
                lines = self._file.read_text().splitlines()
            except OSError:
                return
            found = [line for line in lines if line.startswith("VmHWM:")]
            self._peak = max([self._peak, *(int(line.split()[1]) / 1024 for line in found)])

    def stop(self) -> float:
        """MB."""
        self._over.set()
        self._thread.join()
        return self._peak


def interleaved(times: int, *ways: Callable[[], Cost]) -> list[list[Cost]]:
    """Run the ways in turn, `times` times over, so that a busy moment hits all of them; the costs of each way."""
    rounds = [[way() for way in ways] for _ in range(times)]
    return [[one[number] for one in rounds] for number in range(len(ways))]


def ratio(over: Sequence[Cost], under: Sequence[Cost], what: str = "seconds") -> float:
    """The median of the ratios round by round."""
    return float(statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(over, under, strict=True)))


def typical(costs: Sequence[Cost], what: str = "seconds") -> float:
    """The median."""
    return float(statistics.median(getattr(one, what) for one in costs))
