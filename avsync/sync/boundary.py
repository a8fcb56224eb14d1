"""The record boundary: the one broad `except` (law 8).

A fault of our own in one record is that record's problem: told with the place where it happened; all else goes on.
What concerns more than a record (an AvsyncError, a disk that fails) goes on up.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from avsync.errors import AvsyncError, Malformed
from avsync.state.db import of_the_disk
from avsync.state.problems import Cause
from avsync.sync.causes import cause

log = logging.getLogger(__name__)
ROW = "row"  # slot of a fault in reading a row: it lasts until the row is read again
_LONGEST_TRACE = 4000  # characters
_PACKAGE = Path(__file__).parents[1]

T = TypeVar("T")
R = TypeVar("R")


def each(things: Sequence[T], work: Callable[[Sequence[T]], R], failed: Callable[[T, Exception], None]) -> list[R]:
    """`work` on all things together; where that fails, on each by itself, so that only the faulty one is left out.

    `work` must leave nothing behind when it fails. Returns what it returned, per call that went well.
    """
    try:
        return [work(things)]
    except AvsyncError:
        raise
    except Exception as error:  # noqa: BLE001 - the one broad except: a record is the unit of failure
        if of_the_disk(error):
            raise
        if len(things) == 1:
            failed(things[0], error)
            return []
    return [result for one in things for result in each([one], work, failed)]


def cause_of(error: Exception, what: str) -> Cause:
    """What the list of problems says of it; `what` names the record in the log."""
    if isinstance(error, Malformed):
        return cause("unreadable", field=error.field, found=error.found)
    trace = _trace(error)
    log.error("unexpected %s in %s\n%s", type(error).__name__, what, trace)
    return cause("unexpected", error=type(error).__name__, where=_where(error), trace=trace[-_LONGEST_TRACE:])


def _trace(error: BaseException | None) -> str:
    """The frames of an exception and of those behind it, without their words: those may quote data, or worse."""
    parts: list[str] = []
    while error is not None:
        parts.insert(0, "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def _where(error: Exception) -> str:
    """The last of our own lines it passed through."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(_PACKAGE)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
