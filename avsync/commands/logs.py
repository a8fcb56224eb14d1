"""Where log lines go: stderr, and with `logfile` the file or the syslog that the config names.

Lines of a run bear its number. Whoever logs sees to it that nothing secret is in a line; nothing is added here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

OURS = logging.getLogger("avsync")
_run = {"number": 0}


class Stderr(logging.StreamHandler[TextIO]):
    """To the stderr of the moment. `clear` takes away what a progress bar has left on the line."""

    clear: Callable[[], None] | None = None
    level_of_ours = logging.WARNING

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.addFilter(self._wanted)

    def _wanted(self, record: logging.LogRecord) -> bool:
        """Of other people's libraries only warnings are of interest."""
        ours = record.name.partition(".")[0] == OURS.name
        if getattr(record, "only_to_the_log", False):
            return False
        return record.levelno >= (self.level_of_ours if ours else logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr
        if self.clear is not None:
            self.clear()
        super().emit(record)


STDERR = Stderr()


def to_stderr(level: int) -> None:
    """Log to stderr, from this level on, and nowhere else."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if getattr(handler, "of_the_config", False):
            root.removeHandler(handler)
            with suppress(OSError):  # what could not be written was said already
                handler.close()
    if STDERR not in root.handlers:
        root.addHandler(STDERR)
    STDERR.level_of_ours = level
    OURS.setLevel(level)


def in_run(number: int) -> None:
    """Lines from here on belong to the run of this number (0: to none)."""
    _run["number"] = number


def run_number() -> int:
    """The run that lines belong to."""
    return _run["number"]
