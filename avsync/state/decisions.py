"""What people have decided about records that two sides have: that they are one, that they are not, or to leave them
alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from avsync.records.kind import BOTH, Decided, Link
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side, other
from avsync.state.db import Database
from avsync.state.events import Event, Events

Word = Literal["link", "apart", "skip"]
LINK: Word = "link"
APART: Word = "apart"
SKIP: Word = "skip"
_COLUMNS = "kind, accountview, crafter, decision, verdict"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about a pair; of what stands alone the other id is empty. `verdict`: what avsync made of the two
    when it was taken; `name`: what people call them, for the trail alone."""

    kind: str
    accountview: str
    crafter: str
    word: Word
    verdict: str = ""
    name: str = ""

    @property
    def pair(self) -> tuple[str, str, str]:
        """What it is about."""
        return self.kind, self.accountview, self.crafter


class Decisions:
    """Reads and writes the table `decisions`. That a person has decided something is an event."""

    def __init__(self, db: Database, events: Events) -> None:
        self.db = db
        self._events = events

    def all(self) -> Decided:
        """As planning goes by them."""
        found = self.listed()
        apart: dict[tuple[str, Side, str], frozenset[str]] = {}
        picked: dict[tuple[str, Side, str], str] = {}
        skipped: set[tuple[str, Side, str]] = set()
        for one in found:
            for side, here, there in _ends(one):
                name = one.kind, side, here
                if one.word == APART:
                    apart[name] = apart.get(name, frozenset()) | {there}
                elif one.word == LINK:
                    picked[name] = there
                elif here:
                    skipped.add(name)
        return Decided(apart, picked, frozenset(skipped - picked.keys()))

    def listed(self, all: bool = True) -> list[Decision]:
        """One by one; or without those that came with another."""
        sql = f"SELECT {_COLUMNS} FROM decisions WHERE ? OR under = ''"
        return [Decision(*row) for row in self.db.execute(sql, [all])]

    def one(self, kind: str, accountview: str, crafter: str) -> Decision | None:
        """What was decided about this pair."""
        sql = f"SELECT {_COLUMNS} FROM decisions WHERE kind = ? AND accountview = ? AND crafter = ?"
        row = self.db.execute(sql, [kind, accountview, crafter]).fetchone()
        return Decision(*row) if row else None

    def take(self, decision: Decision, now: str, under: Decision | None = None) -> None:
        """Keep a decision in place of what was decided about the pair before; that two are one, also in place of
        either's being one with another. `under`: it came with that one, and goes with it."""
        self.take_back(*decision.pair)
        if decision.word == LINK:
            sql = "DELETE FROM decisions WHERE kind = ? AND decision = 'link' AND (accountview = ? OR crafter = ?)"
            self.db.execute(sql, [decision.kind, decision.accountview, decision.crafter])
        self.db.execute(
            f"INSERT INTO decisions ({_COLUMNS}, under, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [*decision.pair, decision.word, decision.verdict, _name(*under.pair) if under else "", now],
        )
        if under is None:
            self.told(f"decided_{decision.word}", decision)

    def told(self, action: str, decision: Decision) -> None:
        """A person decided this, or took it back; for the trail."""
        kind = KINDS[decision.kind]
        key = decision.accountview if kind.known_by not in ((), ("id",)) else ""
        ids = decision.accountview, decision.crafter
        self._events.record(Event(kind.flow, kind.name, "", action, key, decision.name, *ids))

    def take_back(self, kind: str, accountview: str, crafter: str) -> None:
        """Nothing is decided about this pair any more, nor what came with that."""
        sql = "DELETE FROM decisions WHERE kind = ? AND accountview = ? AND crafter = ?"
        self.db.execute(sql, [kind, accountview, crafter])
        name = _name(kind, accountview, crafter)
        self.db.execute(
            "DELETE FROM decisions WHERE under = ? AND under != ''", [name]
        )  # as the partial index wants it

    def done(self, link: Link) -> None:
        """The two are linked: what said so has been obeyed, and neither is left alone any more; who was to be left
        alone beside one of them still is."""
        for side in BOTH if link.accountview and link.crafter else ():
            here = [link.kind, link.end[side].id]
            beside = f"decision = 'skip' AND kind = ? AND {side} = ? AND {other(side)} NOT IN ('', ?)"
            self.db.execute(
                f"UPDATE OR REPLACE decisions SET {side} = '' WHERE {beside}", [*here, link.end[other(side)].id]
            )
            self.db.execute(f"DELETE FROM decisions WHERE decision != 'apart' AND kind = ? AND {side} = ?", here)


def _ends(one: Decision) -> tuple[tuple[Side, str, str], ...]:
    """(side, id there, id across)"""
    return (ACCOUNTVIEW, one.accountview, one.crafter), (CRAFTER, one.crafter, one.accountview)


def _name(kind: str, accountview: str, crafter: str) -> str:
    return "\n".join((kind, accountview, crafter))
