"""What time it is by the services' clocks: ours is not believed (behaviour 51).

A service tells its clock in the Date header of every answer. Before its first answer in a run, or where it never tells,
its clock is what it was in the last run, and the machine's uptime since. Only after a restart of the machine is there
nothing but our own clock to go by; what depends on it then counts from now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side, format_utc, other
from avsync.state.machine import uptime

if TYPE_CHECKING:
    from avsync.state.store import Store

CACHE_KEY = "clock"
_BOOTS = 8  # machines that may take turns
_SLACK = 60.0  # seconds: behind one address there may be several clocks
_ROUNDED = timedelta(seconds=2)  # a Date header knows whole seconds, and an answer is on its way
_LONGEST = timedelta(days=366).total_seconds()  # no age can be more: somebody's clock was wrong


def here(store: Store, utc: Callable[[], datetime]) -> datetime:
    """What time it is where nobody is asked: that of the last run and the machine's uptime since, so that what runs
    have stamped has its right age; else by our own clock (`utc`)."""
    silent: dict[Side, Callable[[], datetime | None]] = {ACCOUNTVIEW: lambda: None, CRAFTER: lambda: None}
    return Clock(silent, utc, uptime, store.cached(CACHE_KEY) or {}).time(ACCOUNTVIEW)


@dataclass(slots=True)
class Clock:
    """`told`: the clock of each service, None while it has not told it. `utc`: our own. `uptime`: which boot of the
    machine, and the seconds since. `known`: side → boot → (uptime, the service's clock) at the end of a run."""

    told: Mapping[Side, Callable[[], datetime | None]]
    utc: Callable[[], datetime]
    uptime: Callable[[], tuple[str, float]]
    known: dict[str, dict[str, tuple[float, str]]] = field(default_factory=dict)

    def time(self, side: Side) -> datetime:
        """What time it is by that service, as well as can be known."""
        return self._of(side) or self._of(other(side)) or self.utc()

    def sure(self, side: Side) -> bool:
        """Whether that rests on more than our own clock."""
        return self._of(side) is not None

    def age(self, side: Side, since: str) -> float | None:
        """Seconds since a moment of that service's clock (UTC, as text); None where that cannot be, because it lies in
        the future or too far back."""
        seconds = (self.time(side) - datetime.fromisoformat(since)).total_seconds()
        return max(seconds, 0.0) if -_SLACK < seconds < _LONGEST else None

    def since_last_run(self) -> timedelta:
        """How long ago the last run ended, by the service that says it is longest."""
        ends = {side: list(of.values())[-1][1] for side, of in self.known.items() if of}
        spans = [self.time(side) - datetime.fromisoformat(ends[side]) for side in self.told if side in ends]
        return max(spans, default=timedelta())

    def lately(self, side: Side, days: int) -> tuple[str, str]:
        """From so many days ago to now (UTC, as text): what is stamped outside of that is too old, or cannot be."""
        now = self.time(side)
        return format_utc(now - timedelta(days=days)), format_utc(now + timedelta(seconds=_SLACK))

    def _of(self, side: Side) -> datetime | None:
        """By what it told now; of that and what earlier runs heard, the one that is a little ahead is better."""
        told, known = self.told[side](), self._remembered(side)
        if told is None or (known is not None and timedelta() < known - told < _ROUNDED):
            return known
        return told

    def _remembered(self, side: Side) -> datetime | None:
        boot, now = self.uptime()
        then, moment = self.known.get(side, {}).get(boot, (0.0, ""))
        return datetime.fromisoformat(moment) + timedelta(seconds=now - then) if moment and now >= then else None

    def remembered(self) -> dict[str, dict[str, tuple[float, str]]]:
        """What the next run has to know of it."""
        boot, now = self.uptime()
        found: dict[str, dict[str, tuple[float, str]]] = {}
        for side in self.told:
            others = [(one, of) for one, of in self.known.get(side, {}).items() if one != boot]
            found[side] = dict([*others[1 - _BOOTS :], (boot, (now, format_utc(self.time(side))))])
        return found
