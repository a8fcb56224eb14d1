"""A small shop for tests of orders, lines and hours: two customers, three projects, two mechanics, on both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.comparison import Snapshot, differences
from tests.support.office import Office, office

ORDERS = {"customers": "both", "projects": "import", "orders": "export", "invoice": "off", "hours": "off"}
MADE = "2026-05-04T09:00:00.000000Z"


class Shop:
    """Fills both worlds; Crafter's ids are the names below (`klant-1`, `project-1`, `anja`, `onderhoud`)."""

    def __init__(self, **more: Any) -> None:
        self.more = more

    def fill(self, box: Any) -> None:
        """Put everything in, as people would have."""
        self._books(box.accountview)
        self._planning(box.crafter)

    def _books(self, books: Any) -> None:
        for number, name in (("10001", "Bakkerij Vos"), ("10002", "Garage Smit")):
            address = {"ADDRESS1": f"Dorpsstraat {number[-1]}", "POST_CODE": "8911 AB", "CITY": "Leeuwarden"}
            books.add("CONTACT", SUB_NR=number, ACCT_NAME=name, SRC_CODE=number, ACCT_NR="1300", **address)
        books.add("PRO_TYPE", PT_CODE="ONDERHOUD", PT_DESC="Onderhoud")
        for code, customer in (("P1", "10001"), ("P2", "10001"), ("P3", "10002")):
            books.add("PROJECTS", PROJ_CODE=code, PROJ_DESC=f"Project {code}", SUB_NR=customer, PRO_TYPE="ONDERHOUD")
        for number, name in (("0101", "Anja Bos"), ("0102", "Bram Kok")):
            books.add("EMPLOYEE", EMP_NR=number, EMP_NAME=name)
        for article in ("PUMP-1", "PIPE-2", "VALVE-3"):
            books.add("ARTICLE", ART_CODE=article, ART_DESC1=article.title(), PRICE="12.50")
        for code, name in (("100", "Werk"), ("200", "Reis")):
            books.add("HRS_CODE", HRS_CODE=code, HRS_DESC=name)

    def _planning(self, plan: Any) -> None:
        for number, name in (("1", "Bakkerij Vos"), ("2", "Garage Smit")):
            plan.add("customers", id=f"klant-{number}", customer_number=f"1000{number}", name=name)
            address = {"street": f"Dorpsstraat {number}", "postal_code": "8911 AB", "city": "Leeuwarden"}
            plan.add("work-locations", id=f"plaats-{number}", customer_id=f"klant-{number}", is_main=True, **address)
        plan.add("project-types", id="soort", code="ONDERHOUD", name="Onderhoud")
        for number, customer in (("1", "klant-1"), ("2", "klant-1"), ("3", "klant-2")):
            known = {"project_code": f"P{number}", "name": f"Project P{number}", "customer_id": customer}
            plan.add("projects", id=f"project-{number}", project_type_id="soort", **known)
        plan.add("users", id="anja", name="Anja Bos", unique_code="0101")
        plan.add("users", id="bram", name="Bram Kok", unique_code="0102")
        plan.add("work-types", id="onderhoud", code="OND", name="Onderhoud")
        plan.add("work-types", id="storing", code="STO", name="Storing & spoed")


@contextmanager
def shop(folder: Path, flows: Mapping[str, str] | None = None, **options: Any) -> Iterator[Office]:
    """The shop with these flows on top of customers: both, projects: import, orders: export."""
    with office(folder, Shop(), {**ORDERS, **(flows or {})}, **options) as one:
        yield one


def work_order(one: Office, name: str, **fields: Any) -> str:
    """A work order of Bakkerij Vos, made in May 2026 and changed just now; its id is its name."""
    known = {"customer_id": "klant-1", "description": f"Ketel {name}", "created_at": MADE}
    one.box.crafter.add("work-orders", id=name, **{**known, **fields})
    one.box.crafter.edit("work-orders", name)
    return name


def change(one: Office, name: str, **fields: Any) -> None:
    """A person changes a work order."""
    one.box.crafter.edit("work-orders", name, **fields)


def werkbon(one: Office, name: str) -> dict[str, Any]:
    """The work order as it stands in Crafter."""
    found = one.box.crafter.record("work-orders", name)
    assert found is not None
    return dict(found)


def sales_order(one: Office, number: str = "", **columns: Any) -> str:
    """A sales order of Bakkerij Vos, of May 2026; its number."""
    known = {"RPL_DEL": "10001", "RPL_INV": "10001", "ORD_DATE": "2026-05-04", "COMMENT1": f"Order {number}"}
    return str(one.box.accountview.add("SO_HDR", **{**known, "ORD_NR": number, **columns}))


def order_of(one: Office, name: str) -> dict[str, Any]:
    """The sales order whose number the work order shows."""
    row = one.box.accountview.row("SO_HDR", werkbon(one, name)["order_number"])
    assert row is not None
    return dict(row)


def line(name: str, article: str | None, quantity: str | None, ticked: bool = True, **more: Any) -> dict[str, Any]:
    """A line of a work order."""
    known = {"id": name, "article_number": article, "quantity": quantity, "checked": ticked}
    return {**known, "description": f"Regel {name}", **more}


def standing(one: Office, number: str) -> list[tuple[str, str]]:
    """(article, quantity) of the lines on a sales order, in the order in which they were added."""
    rows = [row for row in one.box.accountview.rows("SO_LINE") if row["ORD_NR"] == number]
    return [(row["ART_CODE"], f"{row['ORD_QTY'].normalize():f}") for row in rows]


def hour(one: Office, name: str, **fields: Any) -> str:
    """A line of Anja's in the uren-menu; its id is its name."""
    known = {"user_id": "anja", "kind": "work", "date": "2026-06-01", "hours": "7.5"}
    return str(one.box.crafter.add("hours", id=name, **{**known, **fields}))


def booked(one: Office) -> list[tuple[str, ...]]:
    """The hours lines in AccountView: employee, project, time code, date, description, hours."""
    columns = ("EMP_NR", "PROJ_CODE", "HRS_CODE", "HRS_DATE", "HRS_DESC")
    rows = one.box.accountview.rows("HRS_LINE")
    return sorted((*(row[name] for name in columns), f"{row['HRS_QTY'].normalize():f}") for row in rows)


def codes(one: Office) -> list[str]:
    """The codes of the open problems."""
    return sorted(problem["code"] for problem in one.errors())


def problem(one: Office) -> dict[str, Any]:
    """The only open problem."""
    found = one.errors()
    assert len(found) == 1, found
    return found[0]


def told(one: Office, entity_id: str) -> list[str]:
    """What the timeline of an item says now."""
    entries = [entry for entry in one.box.crafter.timeline if entry["entity_id"] == entity_id and not entry["resolved"]]
    return [entry["message"] for entry in entries]


def goes(one: Office, *args: str) -> None:
    """A run after which nothing asks for attention."""
    result = one.run(*args)
    assert result["exit"] == 0, (result, one.errors())


def rests(one: Office, exit_code: int = 0) -> None:
    """Two more runs, one of them a full pass, write nothing at all: no echo goes back and forth."""
    one.box.requests.clear()
    assert one.run()["exit"] == exit_code, one.errors()
    assert one.run("--full")["exit"] == exit_code, one.errors()
    assert one.writes() == [], [(write.method, write.path, write.body) for write in one.writes()]


def in_step(one: Office, before: Snapshot | None = None, but: tuple[str, ...] = ()) -> None:
    """Both worlds are equal wherever the rules say so, and a further run changes nothing."""
    found = differences(one.box, one.config["flows"], before=before, but=but)
    assert not found, found
    rests(one)


def sent(one: Office, side: str, method: str = "") -> list[Any]:
    """The writes to one side since the log was cleared (timeline apart)."""
    found = [write for write in one.writes() if write.side == side and "timeline" not in write.path]
    return [write for write in found if not method or write.method == method]


def body(write: Any) -> Any:
    """What a write carried, as JSON."""
    return json.loads(write.body)
