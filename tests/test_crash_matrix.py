"""Every flow is killed at every checkpoint, under every fault a service can have, and must come out the same.

A cell is one kind of write (row), one moment to die or to live on (checkpoint), and one fault of the service. It is good
when runs afterwards end with both worlds as an undisturbed run leaves them, nothing open, and one more run writes nothing.
The ordinary suite does a sample that meets every row, checkpoint and fault; `python -m tests.test_crash_matrix` does all.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox.server import Sandbox
from tests.damage import GRACE, Axe, Bench, Picture, differences, dump
from tests.harness import office
from tests.small_world import (
    checked_order,
    customer,
    hour,
    klant,
    known_customer,
    line,
    lists,
    order_number,
    project,
    with_order,
    with_project,
    work_order,
)

CUSTOMERS = {"customers": "both"}
SERVICE_FAULTS = (
    "drop", "commit_drop", "commit_500", "429", "500", "html", "error_in_2xx", "cut", "hang", "commit_hang",
)  # fmt: skip
FAULTS = ("none", *SERVICE_FAULTS, "token_expired", "token_rotated")
READING = ("gather", "gathered")
TIMEOUT = 0.3  # seconds
SECONDS = {"hang": 1.0, "commit_hang": 1.0, "429": 0.0}

Change = Callable[[Sandbox], None]


@dataclass(frozen=True)
class Row:
    """A kind of write: the world before (brought in step first) and the change whose consequences are disturbed."""

    name: str
    flows: dict[str, str]
    before: Change
    change: Change
    options: dict[str, Any] = field(default_factory=dict)
    exits: tuple[int, int] = (0, 0)  # before and after the change: 1 where the world holds a problem for a person


def _two_customers(box: Sandbox) -> None:
    customer(box, "20001", "Café Zuid", PO_BOX="Postbus 9", PO_CODE="1234 AA", PO_CITY="Ede")
    customer(box, "20002", "Dhr. De Wit", ADDRESS1="", POST_CODE="", CITY="")


def _two_klanten(box: Sandbox) -> None:
    klant(box, "cust-8", "Garage Noord")
    box.crafter.add("customers", id="cust-9", name="Klant zonder adres")


def _contacts(box: Sandbox) -> None:
    box.accountview.add("CNT_PERS", PP_CODE="C1", SUB_NR="10001", FRST_NAME="Anna", LAST_NAME="Vos", MAIL_PRIV="a@v.example")
    box.accountview.add("CNT_PERS", PP_CODE="C2", SUB_NR="10001", FRST_NAME="Bob", LAST_NAME="Vos")


def _with_contacts(box: Sandbox) -> None:
    known_customer(box)
    _contacts(box)


def _projects_in_crafter(box: Sandbox) -> None:
    box.crafter.add("project-types", id="pt-1", code="SRV", name="Service")
    box.crafter.add(
        "projects", id="pr-1", project_code="C77", name="Dak", customer_id="cust-1", project_type_id="pt-1",
        responsible_user_id="user-1", start_date="2026-03-01",
    )  # fmt: skip


def _sales_order(box: Sandbox) -> None:
    for text in ("Storing", "Lekkage"):
        box.accountview.add(
            "SO_HDR", RPL_DEL="10001", RPL_INV="10001", ORD_DATE="2026-11-02", DEL_DATE="2026-12-05", COMMENT1=text,
            COMMENT2="onderhoud",
        )  # fmt: skip


def _long_name(box: Sandbox) -> None:
    klant(box, "cust-5", "Een veel te lange naam voor de boekhouding, echt waar")


def _hours_three(box: Sandbox) -> None:
    hour(box, "h1")
    hour(box, "h2")  # its twin
    hour(box, "h3", kind="travel", hours="0.75")


def _one_hour(box: Sandbox) -> None:
    known_customer(box)
    hour(box, "h1")


def _edit(resource: str, identity: str, **fields: Any) -> Change:
    return lambda box: box.crafter.edit(resource, identity, **fields)


def _book(table: str, key: str, **columns: Any) -> Change:
    return lambda box: box.accountview.edit(table, key, **columns)


def _merged(box: Sandbox) -> None:
    box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-111111")
    box.crafter.edit("customers", "cust-1", email="nieuw@jansen.example")


def _order_both(box: Sandbox) -> None:
    box.accountview.edit("SO_HDR", order_number(box), DEL_DATE="2026-12-24")
    box.crafter.edit("work-orders", "wo-1", description="Ketel met spoed")


ORDERS = CUSTOMERS | {"orders": "export"}
INVOICE = ORDERS | {"invoice": "export"}
HOURS = CUSTOMERS | {"hours": "export"}
NO_REFERENCE = {"ext_id": False}
LINES = [line("l1"), line("l2"), line("l3", "PIPE-22", "12.5"), line("l4", "PIPE-22", "3", checked=False)]

ROWS = (
    Row("customer to Crafter", CUSTOMERS, lists, _two_customers),
    Row("customer to AccountView", CUSTOMERS, lists, _two_klanten),
    Row("customer with number to AccountView", CUSTOMERS, lists, lambda box: klant(box, "cust-3", customer_number="30003")),
    Row("customer met by name", CUSTOMERS, lists, lambda box: (customer(box), klant(box))),  # type: ignore[arg-type, return-value]
    Row("customer merged", CUSTOMERS, known_customer, _merged),
    Row("customer deleted in Crafter", CUSTOMERS, _with_contacts, lambda box: box.crafter.remove("customers", "cust-1")),
    Row("location to Crafter", CUSTOMERS, known_customer, _book("CONTACT", "10001", PO_BOX="Postbus 1", PO_CODE="1234 AC")),
    Row("location to AccountView", CUSTOMERS, known_customer, _edit("work-locations", "cust-1-loc", street="Kade 5")),
    Row("contact", CUSTOMERS, known_customer, _contacts),
    Row("contact changed", CUSTOMERS, _with_contacts, _book("CNT_PERS", "C1", TEL_MOB="0612345678")),
    Row("project type", {"projects": "import"}, lists, _book("PRO_TYPE", "SRV", PT_DESC="Onderhoud")),
    Row("project to Crafter", CUSTOMERS | {"projects": "import"}, known_customer, project),
    Row("project changed", CUSTOMERS | {"projects": "import"}, with_project, _book("PROJECTS", "P1", END_DATE="2026-12-31")),
    Row("project to AccountView", CUSTOMERS | {"projects": "export"}, known_customer, _projects_in_crafter),
    Row("order to AccountView", ORDERS, known_customer, lambda box: (work_order(box), work_order(box, "wo-2"))),  # type: ignore[arg-type, return-value]
    Row("order without reference column", ORDERS, known_customer, work_order, NO_REFERENCE),
    Row("order without echo", ORDERS, known_customer, work_order, {"empty_write_body": True}),
    Row("order to Crafter", CUSTOMERS | {"orders": "both"}, known_customer, _sales_order),
    Row("order changed on both", CUSTOMERS | {"orders": "both"}, with_order, _order_both),
    Row("lines added", INVOICE, with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES)),
    Row("lines changed and added", INVOICE, checked_order,
        _edit("work-orders", "wo-1", lines=[line("l1", quantity="5"), line("l2", quantity="2"), line("l3"), line("l4")])),
    Row("lines without echo", INVOICE, with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES),
        {"empty_write_body": True}),
    Row("hours", HOURS, known_customer, _hours_three),
    Row("hours without reference column", HOURS, known_customer, _hours_three, NO_REFERENCE),
    Row("hour changed", HOURS, _one_hour, _edit("hours", "h1", hours="4")),
    Row("timeline", CUSTOMERS, known_customer, _long_name, exits=(0, 1)),
    Row("timeline resolved", CUSTOMERS, lambda box: (known_customer(box), _long_name(box)),  # type: ignore[arg-type, return-value]
        _edit("customers", "cust-5", name="Een korte naam"), exits=(1, 0)),
)  # fmt: skip


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
        row.before(bench.box)
        bench.until_quiet(wanted=row.exits[0])
        row.change(bench.box)
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
        """Die at every checkpoint under every fault, and live on; while reading, each place has one fault of the service."""
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
            cells += [Cell(place, where, True, fault, first) for place, where in places for fault in FAULTS]
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
            return [str(error)[:600], *differences(self.wanted, dump(bench.box))]
        return differences(self.wanted, dump(bench.box))

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
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder, office(Path(folder), None, row.flows, **row.options) as one:
        one.config |= {"settle_grace": GRACE, "timeouts": {"connect": 2, "read": TIMEOUT}}
        one.config["accountview"]["concurrency"] = one.config["crafter"]["concurrency"] = 1
        yield Ground(Bench(one), row)


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _report(row: Row, failures: dict[str, list[str]], count: int) -> None:
    shown = "\n".join(f"{cell}:\n    " + "\n    ".join(wrong) for cell, wrong in list(failures.items())[:12])
    assert not failures, f"{row.name}: {len(failures)} of {count} cells\n{shown}"


def sample(cells: list[Cell], row: int, size: int = 7) -> list[Cell]:
    """A few cells of a row, others in each row, so that all rows together meet every checkpoint and every fault."""
    chosen = random.Random(row)
    names = sorted({cell.where for cell in cells})
    picked = []
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


def _all_of(number: int) -> tuple[str, int, dict[str, list[str]]]:
    cells, failures = trial(ROWS[number], list)
    return ROWS[number].name, len(cells), failures


def main() -> int:
    """Every cell of every row, on all cores, with the figures."""
    total = wrong = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, count, failures in pool.map(_all_of, range(len(ROWS))):
            total, wrong = total + count, wrong + len(failures)
            print(f"{name:40} {count:5} cells, {len(failures)} wrong", flush=True)
            for cell, differing in failures.items():
                print(f"    {cell}: {differing}", flush=True)
    print(f"{len(ROWS)} kinds of write, {total} cells, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
