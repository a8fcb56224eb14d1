"""Every flow is killed at every checkpoint, under every fault a service can have, and must come out the same.

A cell is one kind of write (row), one moment to die or to live on (checkpoint), and one fault of the service. It is
good when runs afterwards end with both worlds as an undisturbed run leaves them and nothing open, and one more run
writes nothing. The suite does a sample that meets every row, checkpoint and fault; `make crash` does every third cell,
`python -m tests.crash.test_crash_matrix` all of them, or with a number each so many-th.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.crash.rows import ROWS, Row
from tests.support.bench import Axe, Bench, bench
from tests.support.pictures import Picture, changes, dump

SERVICE_FAULTS = (
    "drop", "commit_drop", "commit_500", "429", "500", "html", "error_in_2xx", "cut", "hang", "commit_hang",
)  # fmt: skip
FAULTS = ("none", *SERVICE_FAULTS, "token_expired", "token_rotated")
READING = ("gather", "gathered")
TIMEOUT = 0.3  # seconds
SECONDS = {"hang": 1.0, "commit_hang": 1.0, "429": 0.0}


@dataclass(frozen=True)
class Cell:
    """`place`: the checkpoint of the run; `kill`: die there; the fault strikes the write nearest to it, or a read while
    gathering. `first`: what went wrong before the checkpoint, see `Ground._begin`."""

    place: int
    where: str
    kill: bool
    fault: str
    first: str = ""

    def __str__(self) -> str:
        before = f"after {self.first}, " if self.first else ""
        return f"{before}{'die' if self.kill else 'live'} at {self.place} ({self.where}) with {self.fault}"


class Ground:
    """A row brought in step, changed, and recorded: what an undisturbed run passes, writes and leaves behind."""

    def __init__(self, bench: Bench, row: Row) -> None:
        self.bench, self.row = bench, row
        row.before(bench)
        bench.until_quiet(wanted=row.exits[0])
        row.change(bench)
        self.picture = Picture(bench)
        recorder = Axe()
        bench.run(recorder)
        self.passed = recorder.passed
        self.writes = [one for one in bench.box.requests if one.method != "GET"]
        self.reads = len(bench.box.requests) - len(self.writes)
        self._calm()
        self.wanted = dump(bench.box)
        assert self.writes, f"{row.name}: nothing was written"
        self.passed_after = {first: self._passed_after(first) for first in ("commit_drop", "drop", "token_expired")}

    def _calm(self) -> None:
        self.bench.until_quiet(wanted=self.row.exits[1])

    def _passed_after(self, first: str) -> list[str]:
        self.picture.restore()
        self._begin(first)
        axe = Axe()
        self.bench.run(axe)
        return axe.passed

    def _begin(self, first: str) -> None:
        """What is wrong before the checkpoint is reached, so that there is something to settle or a token to renew."""
        if first == "token_expired":
            self.bench.box.expire_tokens()
        elif first:
            self._strike(1, first)

    def cells(self) -> list[Cell]:
        """Die at every checkpoint under every fault, and live on; a place of reading has one fault of the service."""
        cells = []
        for place, where in enumerate(self.passed, 1):
            reading = where in READING
            faults = ("none", SERVICE_FAULTS[place % len(SERVICE_FAULTS)], *FAULTS[-2:]) if reading else FAULTS
            for fault in faults:
                cells.append(Cell(place, where, True, fault))
                if fault.startswith("token") or (fault != "none" and (reading or where == "send")):
                    cells.append(Cell(place, where, False, fault))
        for first, passed in self.passed_after.items():
            wanted = "token" if first == "token_expired" else "settle"
            places = [(place, where) for place, where in enumerate(passed, 1) if where.startswith(wanted)]
            faults = FAULTS[:-2] if wanted == "token" else FAULTS  # who saves a token holds the lock: nobody rotates it
            cells += [Cell(place, where, True, fault, first) for place, where in places for fault in faults]
        return cells

    def try_out(self, cell: Cell) -> list[str]:
        """What is wrong afterwards."""
        bench = self.bench
        self.picture.restore()
        self._begin(cell.first)
        self._arm(cell)
        bench.run(Axe(cell.place, self._act(cell), cell.kill))
        try:
            self._calm()
        except AssertionError as error:
            return [str(error)[:600], *changes(self.wanted, dump(bench.box))]
        return changes(self.wanted, dump(bench.box))

    def _act(self, cell: Cell) -> Callable[[], None] | None:
        acts = {"token_expired": self.bench.box.expire_tokens, "token_rotated": self.bench.rotate_token}
        return acts.get(cell.fault)

    def _arm(self, cell: Cell) -> None:
        """Let the fault strike the write at hand: the one about to go, or the one that went."""
        if cell.fault not in SERVICE_FAULTS:
            return
        if cell.where in READING:
            place = 1 + cell.place * self.reads // len(self.passed)
            self.bench.box.faults.add(method="GET", nth=place, times=3, do=cell.fault, seconds=SECONDS.get(cell.fault))
            return
        gone = sum(1 for where in self.passed[: cell.place] if where == "send")
        number = gone + 1 if cell.where.startswith(("announce", "settle", "token")) else max(gone, 1)
        self._strike(min(number, len(self.writes)), cell.fault)

    def _strike(self, number: int, fault: str) -> None:
        """Let a fault strike the n-th write of the undisturbed run."""
        target = self.writes[number - 1]
        before = [one for one in self.writes[:number] if (one.side, one.method) == (target.side, target.method)]
        self.bench.box.faults.add(
            side=target.side, method=target.method, path="" if target.side == "crafter" else "accountviewdata",
            nth=len(before), do=fault, seconds=SECONDS.get(fault),
        )  # fmt: skip


@contextmanager
def ground(row: Row) -> Iterator[Ground]:
    """A row on a bench of its own, its state in memory."""
    with bench(row.flows, {"timeouts": {"connect": 2, "read": TIMEOUT}}, **row.options) as one:
        one.office.config["accountview"]["concurrency"] = one.office.config["crafter"]["concurrency"] = 1
        one.office.config["accountview"]["schema"] = row.schema
        one.configure()
        yield Ground(one, row)


def _report(row: Row, failures: dict[str, list[str]], count: int) -> None:
    shown = "\n".join(f"{cell}:\n    " + "\n    ".join(wrong) for cell, wrong in list(failures.items())[:12])
    assert not failures, f"{row.name}: {len(failures)} of {count} cells\n{shown}"


def sample(cells: list[Cell], row: int, size: int = 7) -> list[Cell]:
    """Every death around a commit, and a few cells more, others in each row: together every checkpoint and fault."""
    chosen = random.Random(row)
    names = sorted({cell.where for cell in cells})
    picked = [cell for cell in cells if cell.kill and cell.fault == "none" and cell.where in ("announce", "saved")]
    for number in range(row * size, row * size + size):
        fitting = [cell for cell in cells if cell.where == names[number % len(names)]]
        hit = [cell for cell in fitting if cell.fault == FAULTS[number % len(FAULTS)]]
        picked.append(chosen.choice(hit or fitting))
    return list(dict.fromkeys(picked))


def trial(row: Row, share: Callable[[list[Cell]], list[Cell]]) -> tuple[list[Cell], dict[str, list[str]]]:
    """The cells tried of a row, and what was wrong with which."""
    with ground(row) as here:
        cells = share(here.cells())
        return cells, {str(cell): wrong for cell in cells if (wrong := here.try_out(cell))}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_run_killed_anywhere_under_any_fault_ends_like_an_undisturbed_one(row: Row) -> None:
    cells, failures = trial(row, lambda cells: sample(cells, ROWS.index(row)))
    _report(row, failures, len(cells))


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_cell_ends_like_an_undisturbed_run(row: Row) -> None:
    cells, failures = trial(row, list)
    print(f"{row.name}: {len(cells)} cells")
    _report(row, failures, len(cells))


def _part(number: int, every: int) -> tuple[str, int, dict[str, list[str]]]:
    cells, failures = trial(ROWS[number], lambda cells: cells[number % every :: every])
    return ROWS[number].name, len(cells), failures


def main() -> int:
    """Every cell of every row (or each so many-th), on all cores, with the figures."""
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    total = wrong = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, count, failures in pool.map(_part, range(len(ROWS)), [every] * len(ROWS)):
            total, wrong = total + count, wrong + len(failures)
            print(f"{name:40} {count:5} cells, {len(failures)} wrong", flush=True)
            for cell, differing in failures.items():
                print(f"    {cell}: {differing}", flush=True)
    print(f"{len(ROWS)} kinds of write, {total} cells, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
