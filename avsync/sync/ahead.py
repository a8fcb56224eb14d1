"""The first page of every listing but the first, asked for while those before it are taken in: both services at the
same time, each in the order of the run. In a quiet run that is all there is to read.

Reads alone, and nothing of them counts before the run comes to that listing: what it finds is the same page, as old as
a slow answer would be, or the fault that came in its place. After a fault a service is asked nothing ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LONGEST = 5.0  # seconds; an older page is asked for again
_NOT_ASKED = object()


class First(Generic[T]):
    """The first page of a listing that is asked for ahead, with the place where it begins."""

    def __init__(self, place: T, pages: Iterator[Any], ticks: Callable[[], float]) -> None:
        self.place = place
        self.began = 0.0
        self._pages, self._ticks = pages, ticks
        self._future: Future[Any] = Future()

    def ask(self, lane: Lane) -> None:
        """Soon, when its turn comes."""
        self._future = lane.submit(lambda: self._asked(lane))

    def _asked(self, lane: Lane) -> Any:
        if lane.stopped:
            return _NOT_ASKED
        lane.stopped, self.began = True, self._ticks()  # a fault leaves it so
        page = next(self._pages, None)
        lane.stopped = False
        return page

    def usable(self) -> bool:
        """Whether it was asked, and lately. Waits for it."""
        fault = self._future.exception()
        asked = fault is not None or self._future.result() is not _NOT_ASKED
        return asked and self._ticks() - self.began <= LONGEST

    def pages(self) -> Iterator[Any]:
        """All pages; what was raised in place of the first is raised here."""
        yield self._future.result()
        yield from self._pages


class Lane:
    """What one service is asked, one after the other."""

    def __init__(self) -> None:
        self.stopped = False
        self._pool = ThreadPoolExecutor(1)

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """One more."""
        return self._pool.submit(job)

    def close(self) -> None:
        """No more; what is under way comes to its end."""
        self.stopped = True
        self._pool.shutdown()
