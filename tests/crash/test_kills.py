"""A few real kills in every run of the suite; `make kills N=1000` does the rest."""

from __future__ import annotations

import pytest

from tests.crash import kills


def test_runs_killed_at_random_moments_double_and_lose_nothing() -> None:
    figures = kills.kill_at_random(15)
    assert figures.kills == 15
    assert figures.good, (str(figures), figures.said)


def test_runs_killed_at_every_so_many_th_step_double_and_lose_nothing() -> None:
    figures = kills.kill_at_steps(every=11)
    assert figures.kills >= 5
    assert figures.good, (str(figures), figures.said)


@pytest.mark.long
def test_runs_killed_at_every_step_double_and_lose_nothing() -> None:
    figures = kills.kill_at_steps()
    assert figures.good, (str(figures), figures.said)
