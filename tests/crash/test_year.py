"""A year in the life of an office: a run every ten minutes, among edits, faults and kills; at every rest all is equal.

`make long` does all 50,000 runs (`RUNS=5000` fewer), in rounds of a week each, every one with a world of its own that
follows from its number; `ARGS='-k year-17'` plays one again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tests.support.mistakes  # noqa: F401 - adds what people get wrong
from avsync.sandbox import seed
from tests.crash.test_month import SETUPS, VARIANTS
from tests.support.clocked_office import Stage
from tests.support.comparison import look
from tests.support.office import office

WEEK = 1_000  # runs in one world: a run every ten minutes
WEEKS = -(-int(os.environ.get("RUNS", 50_000)) // WEEK)
REST = 12  # runs between two rests, on average
LOSING = ("commit_500", "commit_drop", "cut")
FAULTS = ("500", "429", "html", "error_in_2xx", "drop", *LOSING)


def _week(stage: Stage, runs: int) -> None:
    """So many runs, and no more; what is wrong at a rest says how it came about."""
    chance, number = stage.life.rng, 0
    while number < runs:
        for _ in range(chance.randint(1, 2 * REST)):
            number += 1
            _ten_minutes(stage)
        if chance.random() < 0.3:
            stage.life.mend(0.7)
        if _login_may_be_lost(stage):
            stage.one.log_in()
        stage.rest()
    stage.life.mend()
    stage.rest()


def _ten_minutes(stage: Stage) -> None:
    chance, box = stage.life.rng, stage.box
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        stage.clock.forward(minutes=1)
        stage.life.edit()
    stage.clock.forward(minutes=10)
    if chance.random() < 0.12:
        do = chance.choice(FAULTS)
        side = "accountview" if do == "error_in_2xx" else chance.choice(("accountview", "crafter"))
        method, nth, times = chance.choice(("GET", "POST", "PUT", "PATCH")), chance.randint(1, 4), chance.randint(1, 3)
        box.faults.add(side=side, method=method, nth=nth, times=times, do=do, seconds=0)
    if chance.random() < 0.03:
        box.expire_tokens()
    if chance.random() < 0.08:
        stage.run_killed(chance.randint(1, 40))
    else:
        told = stage.run(*(("--full",) if chance.random() < 0.02 else ()))
        allowed = (0, 1, 3, 4) if _login_may_be_lost(stage) else (0, 1, 4)
        assert told.exit in allowed, stage.shown({"a run said": [str(told)]})
    now = look(box)
    stage.ledger.glance(now)
    assert not (twice := stage.twice(now)), stage.shown({"twice": twice})


def _login_may_be_lost(stage: Stage) -> bool:
    """AccountView gave a new token and its answer got lost: no client can help that."""
    return any(rule.hits and rule.do in LOSING for rule in stage.box.faults.rules)


def _round(folder: Path, patch: pytest.MonkeyPatch, number: int, runs: int) -> None:
    world = seed.world(seed=number, customers=15, projects=6, orders=5, work_orders=8, hours=20, bad=False)
    with office(folder, world, list(SETUPS.values())[number % len(SETUPS)], **VARIANTS[number % 4]) as one:
        _week(Stage(one, number, patch), runs)


@pytest.mark.parametrize("number", [1, 2])
def test_a_day_of_runs_faults_and_kills_leaves_both_worlds_equal_at_every_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _round(tmp_path, monkeypatch, number, runs=40)


@pytest.mark.long
@pytest.mark.parametrize("number", range(1000, 1000 + WEEKS), ids=lambda number: f"year-{number - 1000}")
def test_a_year_of_runs_faults_and_kills_leaves_both_worlds_equal_at_every_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _round(tmp_path, monkeypatch, number, WEEK)
