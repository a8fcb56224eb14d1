"""An office under a clock of its own, and everything that must hold once its services are healthy and it is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from avsync.state import db
from avsync.state.store import Store
from avsync.sync.session import Session
from tests.support.bench import GRACE, Axe, Killed, wait_for_the_dying
from tests.support.comparison import Snapshot, about_hours, differences, look, reference
from tests.support.explanations import Ledger, Open, excused, judged_here, not_said, without_cause
from tests.support.office import Office, Told
from tests.support.people import Life

NOT_MARKED = ("users", "work-types", "hours")
WRITES = ("create", "update", "adopt")


class Clock:
    """One time for both services and for avsync, unless somebody sets them apart."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Let time pass (or, with negative spans, set the clock back)."""
        self.now += timedelta(**span)

    def as_class(self) -> type[datetime]:
        """A `datetime` that tells this time."""
        clock = self

        class Told(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return clock.now.astimezone(tz)

        return Told


class Stage:
    """Runs avsync in this process; `checkpoint` is called at every effect and may raise `Killed`.

    `in_turn`: one write at a time, so that a seed always tells the same story.
    """

    def __init__(self, one: Office, seed: int, patch: pytest.MonkeyPatch, in_turn: bool = True) -> None:
        self.one, self.box = one, one.box
        self.clock = Clock(datetime.now(UTC).replace(microsecond=0) - timedelta(days=35))
        self.box.accountview.clock = self.clock
        self.box.crafter._clock = self.clock
        self.box.crafter.aged.clear()
        self.checkpoint: Callable[[str], None] = lambda where: None
        patch.setattr("avsync.commands.run.datetime", self.clock.as_class())
        patch.setattr("avsync.commands.run.Budget.pause", lambda budget, seconds: None)
        patch.setattr("avsync.commands.run.Session", self._session)
        one.config |= {"settle_grace": GRACE, "full_every": 0}
        if in_turn:
            one.config["accountview"]["concurrency"] = one.config["crafter"]["concurrency"] = 1
        self.life = Life(self.box, seed, one.config["flows"])
        self.ledger = Ledger(self.life)
        self.meetings = [look(self.box)]  # moments at which records may have met for the first time
        self.strangers = True  # they still may
        self.runs = 0
        self.finished: datetime | None = None  # when the last run was

    def _session(self, *args: Any, **named: Any) -> Session:
        return Session(
            *args, **named, checkpoint=lambda where: self.checkpoint(where),
            uptime=lambda: ("stage", self.clock.now.timestamp()),
        )  # fmt: skip

    def run(self, *args: str) -> Told:
        """`run-all` as cron calls it."""
        self.runs += 1
        if self.finished is not None and self.clock.now - self.finished > timedelta(hours=1):
            self.life.adopted |= self._in_doubt()  # what it sent itself it knows still
        told = self.one.avsync("--json", "run-all", *args)
        self.finished = self.clock.now
        if self.strangers:
            self.meetings.append(look(self.box))
        return told

    def _in_doubt(self) -> set[str]:
        """After a gap an equal line counts as sent on every order that was changed since (behaviour 41); on all of them
        while AccountView may not tell which."""
        if not (self.one.state / "state.db").exists():
            return set()
        store = self.store()
        newest = store.watermark("accountview:order").newest
        store.close()
        rows = self.box.accountview.rows("SO_HDR")
        return {row["ORD_NR"] for row in rows if self.box.faults.rules or row["CNG_DATE"] >= newest}

    def forget(self) -> None:
        """state.db was lost: everything meets again, and an equal line counts as sent."""
        now = look(self.box)
        self.meetings, self.strangers = [*self.meetings, now], True
        self.ledger.forget(now)

    def writes(self, *args: str) -> list[str]:
        """Run, and what it stored (what is refused is tried again in every run: RULES.md, what it does)."""
        self.box.requests.clear()
        told = self.run(*args)
        assert told.exit in (0, 1), (told, self.problems())
        return [f"{one.method} {one.path} {one.body}" for one in self.one.writes() if one.status < 400]

    def until_quiet(self) -> None:
        """Run until nothing is written; a run is allowed to leave something to the next, not to keep at it."""
        told: list[list[str]] = []
        for _ in range(6):
            self.clock.forward(minutes=10)
            if not (wrote := self.writes()):
                return
            told.append(wrote)
        raise AssertionError(f"it does not come to rest: {told[-2:]}")

    def store(self) -> Store:
        """The state, to look at."""
        found = db.open_for_reading(self.one.state)
        assert found is not None
        return Store(found)

    def problems(self) -> list[Open]:
        """The open problems."""
        store = self.store()
        found = store.problems.all() + store.problems.all(ignored=True)
        store.close()
        return [
            Open(one.about.flow, one.about.kind, str(one.cause.params.get("about_id") or one.about.record),
                 one.cause.code, one.cause.severity, dict(one.cause.params), one.about.key)
            for one in found
        ]  # fmt: skip

    def check(self) -> None:
        """The services are well and a run is over: everything that is promised then."""
        now, found = look(self.box), self.problems()
        but = excused(found, now, self.life)
        self.ledger.observe(now, found)
        wrong = {
            "differences": [one for one in self._differences(but) if not judged_here(one)],
            "lines": self.ledger.wrong(now, found),
            "hours": self._hours(now, but),
            "no cause": without_cause(found, now, self.life),
            "not said": not_said(found, self.life),
            "intents": self._intents(),
        }
        self.strangers = False
        assert not any(wrong.values()), self.shown({name: told for name, told in wrong.items() if told})

    def _differences(self, but: set[str]) -> list[str]:
        today = self.life.today().date()
        return differences(self.box, self.one.config["flows"], today=today, meetings=self.meetings, but=but)

    def shown(self, wrong: dict[str, list[str]]) -> str:
        """What is wrong, with the last pages of the diary."""
        told = [f"{name}:\n  " + "\n  ".join(lines) for name, lines in wrong.items()]
        return "\n".join([*told, "diary:", *(f"  {line}" for line in self.life.diary[-25:])])

    def _hours(self, now: Snapshot, but: set[str]) -> list[str]:
        """The hours add up, over the lines that are in step."""
        booked = {row["EXT_ID"]: row for row in now.rows("HRS_LINE")}
        lines = {reference("hour", one["id"]): one for one in now.records("hours")}
        lines = {
            mark: one for mark, one in lines.items()
            if but.isdisjoint((*about_hours(now, one), booked.get(mark, {}).get("REC_ID", "")))
            and one["date"] >= str(self.one.config["start_date"])
        }  # fmt: skip
        here = sum((Decimal(one["hours"]) for one in lines.values()), Decimal(0))
        there = sum((booked[mark]["HRS_QTY"] for mark in lines if mark in booked), Decimal(0))
        if not self.box.options.ext_id:
            sent, made = len(now.rows("HRS_LINE")), len(now.plan["hours"]) + len(now.buried["hours"])
            return [f"{made} lines in Crafter became {sent} in AccountView"] if sent > made else []
        return [] if here == there else [f"{here} in Crafter, {there} in AccountView"]

    def _intents(self) -> list[str]:
        store = self.store()
        found = [f"{one.kind} {one.verb} {one.key}: {one.reason}" for one in store.intents.open()]
        store.close()
        return found

    def nothing_left(self) -> None:
        """One more run writes nothing, and reading everything finds nothing new."""
        wrote = self.writes()
        assert not wrote, self.shown({"a second run wrote": wrote})
        self.box.requests.clear()
        plan = self.run("--full", "--dry-run").json["plan"]
        refused = {
            (one.flow, name) for one in self.problems() if one.severity == "error" for name in (one.key, one.record)
        }
        found = [str(row) for row in plan if row["action"] in WRITES and (row["flow"], row["key"]) not in refused]
        assert not found, self.shown({"a full pass found": found})
        assert self.one.writes() == []

    def run_killed(self, count: int) -> None:
        """A run that dies at its n-th effect, if it gets that far; from then on nothing happens any more."""
        self.checkpoint = Axe(count)
        try:
            self.run()
        except Killed:
            pass
        finally:
            wait_for_the_dying()
            self.checkpoint = lambda where: None

    def twice(self, now: Snapshot) -> list[str]:
        """What stands there more than once, which may never be."""
        gone = self.life.gone  # the card of a number that was given out again is left as it was
        marks = [("SO_HDR", now.rows("SO_HDR"), "EXT_ID"), ("HRS_LINE", now.rows("HRS_LINE"), "EXT_ID")]
        marks += [(name, now.records(name), "external_ref") for name in now.plan if name not in NOT_MARKED]
        marks += [("work-orders", now.records("work-orders"), "order_number"),
                  ("customers", now.records("customers"), "customer_number")]  # fmt: skip
        counted = {
            f"{place}: {field} {value}": count
            for place, rows, field in marks
            for value, count in Counter(row[field] for row in rows if row[field] and row.get("id") not in gone).items()
        }
        return [what for what, count in counted.items() if count > 1]

    def rest(self) -> None:
        """The services are healthy: a few runs, and everything is as promised."""
        self.box.faults.clear()
        self.until_quiet()
        self.life.lines_rest = False
        self.check()
        wrote = self.writes()
        assert not wrote, self.shown({"one more run wrote": wrote})
        self.writes("--full")  # only now some deletes in AccountView show
        self.check()
        wrote = self.writes()
        assert not wrote, self.shown({"one more run wrote": wrote})
