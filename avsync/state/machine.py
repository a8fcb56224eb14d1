"""This machine's uptime: what its clock is checked against, because nobody can set it (behaviour 51)."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

_UPTIME = Path("/proc/uptime")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def uptime() -> tuple[str, float]:
    """Which boot of this machine it is (empty where the system does not tell), and the seconds since."""
    try:
        return _boot(), float(_UPTIME.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return "", time.monotonic()


@cache
def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()
