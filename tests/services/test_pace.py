"""How `services.pace` finds the number of requests that a service bears."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from avsync.errors import OutOfTime
from avsync.sandbox.server import Sandbox
from avsync.services.pace import Felt, Pace
from tests.support.office import Office


def rounds(pace: Pace, bears: int, number: int) -> list[int]:
    """So many rounds of as many requests at a time as the pace allows, to a service that bears fewer: the levels."""
    levels = []
    for _ in range(number):
        with ExitStack() as flying:
            turns = [ExitStack() for _ in range(pace.level)]
            tells = [turn.enter_context(pace.turn()) for turn in turns]
            for turn in turns:
                flying.push(turn)
            for tell, turn in reversed(list(zip(tells, turns, strict=True))):
                tell(Felt.TOO_MUCH if tells.index(tell) >= bears else Felt.WELL)
                turn.close()
        levels.append(pace.level)
    return levels


@pytest.mark.parametrize("bears", [1, 2, 3, 5, 7, 8])
def test_it_settles_at_what_the_service_bears(bears: int) -> None:
    levels = rounds(Pace(8), bears, 400)
    settled = levels[20:]
    assert max(settled) <= bears + 1
    assert sum(level == bears for level in settled) > 0.9 * len(settled)


def test_it_goes_up_again_when_the_service_bears_more() -> None:
    pace = Pace(8)
    assert rounds(pace, 2, 10)[-1] == 2
    assert rounds(pace, 8, 400)[-1] == 8


def test_never_more_than_it_says() -> None:
    pace, most, flying, mutex, chance = Pace(5), [0], [0], threading.Lock(), random.Random(1)

    def work() -> None:
        for _ in range(30):
            with pace.turn() as tell:
                with mutex:
                    flying[0] += 1
                    most[0] = max(most[0], flying[0])
                time.sleep(0.0005)
                with mutex:
                    flying[0] -= 1
                tell(chance.choice(list(Felt)))

    workers = [threading.Thread(target=work) for _ in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers)
    assert 1 <= most[0] <= 5


def test_no_place_before_the_time_is_over() -> None:
    left = [0.01]
    pace = Pace(1, lambda: left.pop() if left else 0.0)
    with pace.turn(), pytest.raises(OutOfTime), pace.turn():
        pass
    with pytest.raises(OutOfTime), pace.turn(), pace.turn():
        pass


def test_a_service_that_bears_two_at_a_time_gets_all_of_it(tmp_path: Path) -> None:
    with Sandbox(latency=0.005) as box:
        office = Office(box, tmp_path, customers="import")
        for number in range(60):
            office.customer(str(20000 + number), f"Bakkerij {number}")
        box.faults.bears = {"crafter": 2}
        told = office.run("--force")
        assert (told["exit"], told["flows"]["customers"]["failed"]) == (0, 0)
        refused = sum(one.status == 429 for one in box.requests)
        assert 0 < refused < 30
        assert len(box.crafter.records("customers")) == 60
