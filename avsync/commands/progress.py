"""How far a run is, for somebody at a terminal: a bar for each phase, with what it is at and how long it will take yet.

A log line takes the place of the bar, which comes back below it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from avsync.commands.logs import STDERR
from avsync.messages.texts import phrase, word
from avsync.sync.session import Progress, nothing

_WIDTH = 20  # of the bar itself; the line stays within 79 columns
_CLEARED = "\r\x1b[K"


class Bars:
    """One bar at a time. A phase that has nothing to do gets none."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.phase = ""
        self.bar: Any = None

    def __call__(self, phase: str, done: int, total: int, what: str = "", count: int = 0) -> None:
        """The run is at this step of a phase, busy with this kind of records, of which it has seen so many."""
        if phase != self.phase:
            self.finish()
            self.phase = phase
        if self.bar is None and not total:
            return
        if self.bar is None:
            self.bar = click.progressbar(
                length=total, label=phrase("run", f"phase_{phase}", self.language), file=sys.stderr, width=_WIDTH,
                bar_template="%(label)s [%(bar)s] %(info)s", show_pos=True, update_min_steps=0,
                item_show_func=lambda told: told,
            )  # fmt: skip
            self.bar.__enter__()
        self.bar.length = max(total, self.bar.pos)
        self.bar.finished = False
        shown = f"{word(what, self.language)} {count or ''}".strip() if what else ""
        self.bar.update(max(0, min(done, self.bar.length) - self.bar.pos), shown)

    def clear(self) -> None:
        """Make room for a line of the log."""
        if self.bar is not None:
            click.echo(_CLEARED, err=True, nl=False)

    def finish(self) -> None:
        """The phase is over."""
        if self.bar is not None:
            self.bar.update(0, "")
            self.bar.__exit__(None, None, None)
            self.bar = None


@contextmanager
def bars(wanted: bool, language: str) -> Iterator[Progress]:
    """While inside, show how far a run is; nothing where nobody looks."""
    if not wanted or not sys.stderr.isatty():
        yield nothing
        return
    shown = Bars(language)
    STDERR.clear = shown.clear
    try:
        shown("read", 0, 1)  # before the first answer, which may take its time
        yield shown
    finally:
        STDERR.clear = None
        shown.finish()
