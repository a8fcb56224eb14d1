"""How many requests one service gets at a time: as many as the config allows while it bears them, fewer when it does
not."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from avsync.errors import OutOfTime

_PATIENCE = 25  # rounds that must go well before a number that was too many is tried again


class Felt(Enum):
    """What an attempt says of the load: the service bears it, has too much of it, or nothing."""

    WELL = "well"
    TOO_MUCH = "too much"
    NOTHING = "nothing"


class Pace:
    """A limit of requests in flight that finds its own level, at most `most`. Thread-safe.

    Too much of it lowers the limit to what the service is still dealing with at that moment; a round without a
    complaint raises it by one, but a number that was too many lately only after many rounds.
    """

    def __init__(self, most: int, time_left: Callable[[], float] = lambda: math.inf) -> None:
        self.level = most
        self._most, self._time_left = most, time_left
        self._flying, self._well = 0, 0
        self._too_many = most + 1
        self._free = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[Callable[[Felt], None]]:
        """Wait for a place, and hold it; what it yields is told how it went. OutOfTime when the run's time is over."""
        felt = Felt.NOTHING

        def tell(what: Felt) -> None:
            nonlocal felt
            felt = what

        self._enter()
        try:
            yield tell
        finally:
            self._leave(felt)

    def _enter(self) -> None:
        with self._free:
            while self._flying >= self.level:
                left = self._time_left()
                if left <= 0:
                    raise OutOfTime("budget_spent")
                self._free.wait(min(left, threading.TIMEOUT_MAX))
            self._flying += 1

    def _leave(self, felt: Felt) -> None:
        with self._free:
            self._flying -= 1
            if felt == Felt.TOO_MUCH:
                self._too_many = min(self.level, self._flying + 1)
                self.level, self._well = max(1, min(self.level, self._flying)), 0
            elif felt == Felt.WELL:
                self._well += 1
                self._raise()
            self._free.notify_all()

    def _raise(self) -> None:
        wary = self.level + 1 >= self._too_many
        if self.level < self._most and self._well >= self.level * (_PATIENCE if wary else 1):
            self.level, self._well = self.level + 1, 0
            self._too_many = max(self._too_many, self.level + 1) if wary else self._too_many
