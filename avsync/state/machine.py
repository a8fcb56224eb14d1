"""This machine's uptime: what its clock is checked against, because nobody can set it (behaviour 51)."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

_UPTIME = Path("/proc/uptime")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def uptime() -> tuple[str, float]:
    """Which boot of this machine it is (empty where the system does not tell), and the seconds since."""
    try:
        return _boot(), float(os.pread(_opened(_UPTIME), 64, 0).split()[0])
    except (OSError, ValueError, IndexError):
        return "", time.monotonic()


@cache
def _opened(path: Path) -> int:
    """It is read for every record."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@cache
def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()
