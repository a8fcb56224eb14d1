"""What nobody thought of: edits, deletes, faults, kills, lost state, overlapping runs and clocks, in any order.

Whatever came before: no reference is ever there twice, and once the services are well the two worlds come in step,
every problem has a cause, no intent is left and a second run writes nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tests.support.mistakes  # noqa: F401 - adds what people get wrong
from avsync.sandbox import seed
from avsync.state.lock import RunLock
from tests.crash.test_month import SETUPS
from tests.support.clocked_office import Stage
from tests.support.comparison import look
from tests.support.folders import MEMORY
from tests.support.office import office

BEFORE = ("500", "429", "html", "drop", "hang")
AFTER = ("commit_drop", "commit_500", "commit_hang", "cut", "late")
METHODS = ("GET", "POST", "PUT", "PATCH")
SECONDS = {"429": 0, "hang": 1.2, "commit_hang": 1.2, "late": 0.15}


class Office(RuleBasedStateMachine):
    """One office; the rules are what can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.settled = False
        self.late = False
        self.peak = self.clock_shift = 0.0

    # the office

    @initialize(number=st.integers(0, 999), setup=st.sampled_from(sorted(SETUPS)), marks=st.booleans())
    def open(self, number: int, setup: str, marks: bool) -> None:
        """`marks`: whether AccountView has the columns for our references."""
        world = seed.world(seed=number, customers=7, projects=4, orders=3, work_orders=5, hours=8, bad=False)
        self.office = office(self.folder, world, SETUPS[setup], ext_id=marks)
        self.one = self.office.__enter__()
        self.one.config["timeouts"] = {"connect": 1, "read": 0.9}
        self.stage = Stage(self.one, number, self.patch)
        self.box, self.life, self.clock = self.one.box, self.stage.life, self.stage.clock
        self.highest = self.clock.now

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self.all_is_well()
        finally:
            if hasattr(self, "office"):
                self.office.__exit__(None, None, None)
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)

    # what people do

    @rule(number=st.integers(0, 10**6), count=st.integers(1, 6))
    def people_work(self, number: int, count: int) -> None:
        self.life.rng = Random(number)
        for _ in range(count):
            self.life.edit()
        self.settled = False

    @rule()
    def people_mend(self) -> None:
        self.life.mend()
        self.settled = False

    @rule(minutes=st.sampled_from((1, 10, 180, 1800, -120)))
    def time_passes(self, minutes: int) -> None:
        """Also backwards: a clock that is put right."""
        if minutes > 0 or self.highest - self.clock.now < timedelta(hours=4):
            self.clock.forward(minutes=minutes)
            self.highest = max(self.highest, self.clock.now)

    @rule(hours=st.sampled_from((-5, 0, 5)))
    def the_books_are_in_another_time(self, hours: int) -> None:
        self.box.options.clock_shift = hours

    # what goes wrong

    @rule(
        side=st.sampled_from(("accountview", "crafter")),
        method=st.sampled_from(METHODS),
        do=st.sampled_from((*BEFORE, *AFTER, "error_in_2xx")),
        nth=st.integers(1, 6),
        times=st.integers(1, 3),
    )
    def a_service_breaks(self, side: str, method: str, do: str, nth: int, times: int) -> None:
        side = "accountview" if do == "error_in_2xx" else side
        times = 1 if do in SECONDS else times
        self.box.faults.add(side=side, method=method, nth=nth, times=times, do=do, seconds=SECONDS.get(do))
        self.late = self.late or do == "late"

    @rule(side=st.sampled_from(("accountview", "crafter")))
    def a_service_is_down(self, side: str) -> None:
        self.box.faults.add(side=side, times=0, do="500")

    @rule()
    def the_services_are_mended(self) -> None:
        self.box.faults.clear()

    @rule()
    def the_token_expires(self) -> None:
        self.box.expire_tokens()

    @rule()
    def the_login_is_revoked(self) -> None:
        self.box.revoke_tokens()
        self.one.log_in()

    # runs

    @rule(full=st.booleans())
    def a_run(self, full: bool) -> None:
        told = self.stage.run(*(("--full",) if full else ()))
        assert told.exit in (0, 1, 3, 4), told
        self._came_to_an_end()

    @rule(count=st.integers(1, 40))
    def a_run_is_killed(self, count: int) -> None:
        self.stage.run_killed(count)
        self._came_to_an_end()

    @rule()
    def a_dry_run(self) -> None:
        self.box.requests.clear()
        before = self._state()
        told = self.stage.run("--dry-run")
        assert told.exit in (0, 1, 3, 4), told
        assert self.one.writes() == []
        assert self._state() == before

    @rule()
    def a_run_while_another_works(self) -> None:
        lock = RunLock(self.one.state)
        assert lock.take()
        self.box.requests.clear()
        try:
            assert self.one.avsync("run-all").exit == 0
        finally:
            lock.release()
        assert self.box.requests == []

    def _came_to_an_end(self) -> None:
        self.settled = False
        if self.late:
            time.sleep(0.25)
        self.stage.ledger.glance(look(self.box))

    def _state(self) -> list[str]:
        if not (self.one.state / "state.db").exists():
            return []
        store = self.stage.store()
        dump = list(store.db.conn.iterdump())
        store.close()
        return dump

    # state.db; what was not in step when it was lost cannot be told apart, so that is done first

    @precondition(lambda self: hasattr(self, "stage"))
    @rule()
    def a_backup(self) -> None:
        for file in self.one.state.glob("state.db*"):
            shutil.copyfile(file, self.folder / f"backup-{file.name}")

    @rule(back=st.booleans())
    def state_is_lost(self, back: bool) -> None:
        if not self.settled:
            self.all_is_well()
        for file in self.one.state.glob("state.db*"):
            file.unlink()
        for file in self.folder.glob("backup-*") if back else ():
            shutil.copyfile(file, self.one.state / file.name.removeprefix("backup-"))
        self.stage.forget()
        self.life.lines_rest, self.settled = True, False

    # what always holds

    @invariant()
    def nothing_is_there_twice(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.twice(look(self.box)) == []

    @rule()
    def all_is_well(self) -> None:
        """The services are healthy: a few runs, and everything is as promised."""
        self.box.options.clock_shift = 0
        self.clock.now = max(self.clock.now, self.highest) + timedelta(minutes=10)
        self.one.log_in()
        self.stage.rest()
        self.late, self.settled, self.highest = False, True, self.clock.now


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_whatever_happens_both_worlds_come_in_step_again() -> None:
    few = settings(max_examples=12, stateful_step_count=16, derandomize=True, phases=[Phase.generate], **COMMON)
    run_state_machine_as_test(Office, settings=few)


@pytest.mark.long
def test_whatever_happens_however_often_both_worlds_come_in_step_again() -> None:
    many = settings(max_examples=300, stateful_step_count=40, phases=[Phase.generate, Phase.shrink], **COMMON)
    run_state_machine_as_test(Office, settings=many)
