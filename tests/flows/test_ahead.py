"""The first pages of both services are asked for at the same time, and nothing else is different for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from avsync.sandbox import seed
from avsync.sync import ahead
from tests.support.office import Office, office
from tests.support.world import place

SIDES = ("accountview", "crafter")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    small = seed.world(seed=1, bad=False, customers=4, projects=2, orders=2, work_orders=4, hours=6)
    with office(tmp_path, small) as made:
        made.goes()
        made.rests()
        made.box.requests.clear()
        yield made


def asked(one: Office, side: str) -> list[str]:
    """The listings of one side, in the order in which they were asked for."""
    found = [request for request in one.box.requests if request.side == side]
    return [request.query.partition("&")[0] if side == "accountview" else request.path for request in found]


def test_both_services_are_asked_at_the_same_time(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=1, bad=False, customers=4, projects=2), wire=True) as one:
        one.goes()
        one.rests()
        one.box.requests.clear()
        one.box.faults.latency = 0.15
        one.run()
        sides = [request.side for request in one.box.requests]
        assert set(sides[:4]) == set(SIDES)
        assert len(sides) <= 12


def test_each_service_is_asked_in_the_order_of_the_run(one: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    one.run()
    together = [asked(one, side) for side in SIDES]
    monkeypatch.setattr(ahead, "LONGEST", -1.0)  # nothing that was asked ahead is of use
    one.box.requests.clear()
    one.run()
    again = [asked(one, side) for side in SIDES]
    first = together[0][0]  # it shows what time it is, before anything is asked ahead
    twice = [sorted(name for name in names * 2 if name != first) for names in together]
    assert twice == [sorted(name for name in names if name != first) for names in again]
    assert [list(dict.fromkeys(names)) for names in again] == together


@pytest.mark.parametrize("longest", [ahead.LONGEST, -1.0], ids=["in time", "too old"])
def test_what_changes_is_seen_on_either_side(one: Office, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "LONGEST", longest)
    one.new_klant("Garage Peters", place())
    one.customer("70001", "Bakkerij de Halm")
    totals = one.run()["flows"]["customers"]
    assert totals["created"] >= 2
    one.rests()


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("side", SIDES)
def test_after_a_fault_a_service_is_asked_nothing_ahead(one: Office, side: str, place: int) -> None:
    """Its flows stop as ever, and the other service's listings are read."""
    one.run()
    names, across = asked(one, side), asked(one, SIDES[side == SIDES[0]])
    one.box.requests.clear()
    one.box.faults.add(side=side, method="GET", path=names[place], times=0, do="html")
    result = one.run()
    assert result["exit"] == 4
    assert {error["code"] for error in result["errors"].values()} == {"service_unreachable"}
    assert asked(one, side)[: place + 3] == [*names[:place], *[names[place]] * 3]  # three tries, and then what comes
    assert set(asked(one, SIDES[side == SIDES[0]])) <= set(across)
    one.box.faults.clear()
    one.run()
    one.rests()


def test_a_login_that_is_lost_stops_the_run_however_the_other_service_fares(one: Office) -> None:
    one.box.faults.add(side="crafter", method="GET", path="/", times=0, do="html")
    (one.state / "token.json").unlink()
    result = one.run()
    assert result["exit"] == 3
    assert {error["code"] for error in result["errors"].values()} == {"login_needed"}
    assert result["requests"]["accountview"] == 0


def test_a_full_run_asks_for_nothing_ahead(one: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be too old by the time the run comes to it."""
    monkeypatch.setattr(ahead.Lane, "submit", lambda *_: pytest.fail("asked ahead"))
    assert one.run("--full")["exit"] == 0
