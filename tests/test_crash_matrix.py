"""Every flow is killed at every checkpoint, under every fault a service can have, and must come out the same.

A cell is one kind of write (row), one moment to die or to live on (checkpoint), and one fault of the service. It is good
when runs afterwards end with both worlds as an undisturbed run leaves them, nothing open, and one more run writes nothing.
`pytest -m long` does all cells, the ordinary suite a sample that touches every row, checkpoint and fault.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox.server import Sandbox
from tests.damage import GRACE, Axe, Bench, Picture, differences, dump
from tests.harness import office

CUSTOMERS = {"customers": "both"}
SERVICE_FAULTS = (
    "drop", "commit_drop", "commit_500", "429", "500", "html", "error_in_2xx", "cut", "hang", "commit_hang",
)  # fmt: skip
FAULTS = ("none", *SERVICE_FAULTS, "token_expired", "token_rotated")
HANG = 1.0  # seconds, well past the time-out below
TIMEOUT = 0.35

Change = Callable[[Sandbox], None]


def lists(box: Sandbox) -> None:
    """What every world needs."""
    books, crafter = box.accountview, box.crafter
    books.add("PRO_TYPE", PT_CODE="SRV", PT_DESC="Service")
    books.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Jan Bakker")
    books.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
    books.add("HRS_CODE", HRS_CODE="200", HRS_DESC="Reis")
    for code in ("PUMP-1", "PIPE-22"):
        books.add("ARTICLE", ART_CODE=code, ART_DESC1=code.title())
    crafter.add("users", id="user-1", name="Jan Bakker", unique_code="007")
    crafter.add("work-types", id="wt-1", code="O", name="Onderhoud")


def customer(box: Sandbox, number: str = "10001", name: str = "Bakkerij Jansen", **columns: Any) -> None:
    """A customer in the books."""
    given = {"ADDRESS1": "Dorpsstraat 1", "POST_CODE": "1234 AB", "CITY": "Ede", "CNT_CODE": "NL"} | columns
    box.accountview.add("CONTACT", SUB_NR=number, ACCT_NAME=name, SRC_CODE="X", ACCT_NR="1300", **given)


def klant(box: Sandbox, identity: str = "cust-1", name: str = "Bakkerij Jansen", **fields: Any) -> None:
    """A customer in Crafter, with a main location."""
    box.crafter.add("customers", id=identity, name=name, **fields)
    place = {"street": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Ede", "country": "NL"}
    box.crafter.add("work-locations", id=f"{identity}-loc", customer_id=identity, is_main=True, **place)


def known_customer(box: Sandbox) -> None:
    lists(box)
    customer(box)
    klant(box, customer_number="10001")


def with_project(box: Sandbox) -> None:
    known_customer(box)
    project(box)


def project(box: Sandbox) -> None:
    box.accountview.add(
        "PROJECTS", PROJ_CODE="P1", PROJ_DESC="Ketelhuis", SUB_NR="10001", PRO_STAT="10", PRO_TYPE="SRV", EMP_NR="007",
        COMMENT1="Let op de hond", BEG_DATE="2026-02-01",
    )  # fmt: skip


def work_order(box: Sandbox, identity: str = "wo-1", **fields: Any) -> None:
    given = {"customer_id": "cust-1", "description": f"Ketel {identity}", "target_date": "2026-12-01", "work_type_id": "wt-1"}
    box.crafter.add("work-orders", id=identity, **(given | fields))


def with_order(box: Sandbox) -> None:
    known_customer(box)
    work_order(box)


def hour(box: Sandbox, identity: str, **fields: Any) -> None:
    given = {"user_id": "user-1", "kind": "work", "date": "2026-11-02", "hours": "2.50"}
    box.crafter.add("hours", id=identity, **(given | fields))


def line(identity: str, article: str = "PUMP-1", quantity: str = "1", checked: bool = True) -> dict[str, Any]:
    return {"id": identity, "article_number": article, "description": article, "quantity": quantity, "checked": checked}


def order_number(box: Sandbox) -> str:
    return str(box.accountview.rows("SO_HDR")[0]["ORD_NR"])


def checked_order(box: Sandbox) -> None:
    with_order(box)
    box.crafter.edit("work-orders", "wo-1", status="checked", lines=[line("l1"), line("l2", quantity="2")])


@dataclass(frozen=True)
class Row:
    """A kind of write: the world before (brought in step first) and the change whose consequences are disturbed."""

    name: str
    flows: dict[str, str]
    before: Change
    change: Change
    options: dict[str, Any] = field(default_factory=dict)


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
    Row("timeline", CUSTOMERS, known_customer, _long_name),
)  # fmt: skip
NOT_QUIET = {"timeline": 1}  # rows whose world holds a problem for a person


@dataclass(frozen=True)
class Cell:
    """`place`: the checkpoint (0: none) of the run; `kill`: die there; the fault strikes the write nearest to it."""

    place: int
    where: str
    kill: bool
    fault: str

    def __str__(self) -> str:
        return f"{'die' if self.kill else 'live'} at {self.place} ({self.where}) with {self.fault}"


class Ground:
    """A row brought in step, changed, and recorded: what an undisturbed run passes, writes and leaves behind."""

    def __init__(self, bench: Bench, row: Row) -> None:
        self.bench, self.row = bench, row
        row.before(bench.box)
        self._calm()
        row.change(bench.box)
        self.picture = Picture(bench)
        recorder = Axe()
        bench.run(recorder)
        self.passed = recorder.passed
        self.writes = [one for one in bench.box.requests if one.method != "GET"]
        self.reads = {side: sum(1 for one in bench.box.requests if (one.side, one.method) == (side, "GET"))
                      for side in ("accountview", "crafter")}  # fmt: skip
        self._calm()
        self.wanted = dump(bench.box)
        assert self.writes, f"{row.name}: nothing was written"

    def _calm(self) -> None:
        self.bench.until_quiet(wanted=NOT_QUIET.get(self.row.name, 0))

    def cells(self) -> list[Cell]:
        """Die at every checkpoint under every fault; live on under every fault, at every write (a token: everywhere)."""
        cells = []
        for place, where in enumerate(self.passed, 1):
            for fault in FAULTS:
                cells.append(Cell(place, where, True, fault))
                if fault.startswith("token") or (where == "send" and fault != "none"):
                    cells.append(Cell(place, where, False, fault))
        return cells

    def try_out(self, cell: Cell) -> list[str]:
        """What is wrong afterwards."""
        bench = self.bench
        self.picture.restore()
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
        gone = sum(1 for where in self.passed[: cell.place] if where == "send")
        number = gone + 1 if cell.where in ("announce", "announced", "gather", "gathered") else max(gone, 1)
        target = self.writes[min(number, len(self.writes)) - 1]
        before = [one for one in self.writes[: min(number, len(self.writes))] if _same(one, target)]
        seconds = {"hang": HANG, "commit_hang": HANG, "429": 0.0}.get(cell.fault)
        self.bench.box.faults.add(
            side=target.side, method=target.method, path="" if target.side == "crafter" else "accountviewdata",
            nth=len(before), do=cell.fault, seconds=seconds,
        )  # fmt: skip


def _same(one: Any, two: Any) -> bool:
    return (one.side, one.method) == (two.side, two.method)


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


def sample(cells: list[Cell], row: int, size: int = 12) -> list[Cell]:
    """For every checkpoint name and every fault at least one cell in the rows together; another lot in each row."""
    chosen = random.Random(row)
    faults, names = list(FAULTS), sorted({cell.where for cell in cells})
    shift = row * 5
    wanted = [(names[(number + shift) % len(names)], faults[(number * 3 + shift) % len(faults)]) for number in range(size)]
    picked = []
    for where, fault in wanted:
        fitting = [cell for cell in cells if cell.where == where and cell.fault == fault]
        picked += chosen.sample(fitting, min(1, len(fitting)))
    return list(dict.fromkeys(picked))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_run_killed_anywhere_under_any_fault_ends_like_an_undisturbed_one(row: Row) -> None:
    with ground(row) as here:
        cells = sample(here.cells(), ROWS.index(row))
        failures = {str(cell): wrong for cell in cells if (wrong := here.try_out(cell))}
    _report(row, failures, len(cells))


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_all_cells(row: Row, record_property: Callable[[str, object], None]) -> None:
    with ground(row) as here:
        cells = here.cells()
        failures = {str(cell): wrong for cell in cells if (wrong := here.try_out(cell))}
    record_property("cells", len(cells))
    print(f"\n{row.name}: {len(cells)} cells")
    _report(row, failures, len(cells))
