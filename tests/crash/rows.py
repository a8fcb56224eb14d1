"""The rows of the crash matrix: one for every kind of write avsync does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from avsync.sandbox.server import Sandbox
from tests.support.small_world import (
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
    box.accountview.add(
        "CNT_PERS", PP_CODE="C1", SUB_NR="10001", FRST_NAME="Anna", LAST_NAME="Vos", MAIL_PRIV="a@v.example"
    )
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


def _with_long_name(box: Sandbox) -> None:
    known_customer(box)
    _long_name(box)


def _numbered_klant(box: Sandbox) -> None:
    klant(box, "cust-3", customer_number="30003")


def _both_have_it(box: Sandbox) -> None:
    customer(box)
    klant(box)


def _remove_klant(box: Sandbox) -> None:
    box.crafter.remove("customers", "cust-1")


def _two_work_orders(box: Sandbox) -> None:
    work_order(box)
    work_order(box, "wo-2")


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
CHANGED = [line("l1", quantity="5"), line("l2", quantity="2"), line("l3"), line("l4")]
NO_REFERENCE = {"ext_id": False}
LINES = [line("l1"), line("l2"), line("l3", "PIPE-22", "12.5"), line("l4", "PIPE-22", "3", checked=False)]

ROWS = (
    Row("customer to Crafter", CUSTOMERS, lists, _two_customers),
    Row("customer to AccountView", CUSTOMERS, lists, _two_klanten),
    Row("customer with number to AccountView", CUSTOMERS, lists, _numbered_klant),
    Row("customer met by name", CUSTOMERS, lists, _both_have_it),
    Row("customer merged", CUSTOMERS, known_customer, _merged),
    Row("customer deleted in Crafter", CUSTOMERS, _with_contacts, _remove_klant),
    Row("location to Crafter", CUSTOMERS, known_customer, _book("CONTACT", "10001", PO_BOX="Postbus 1")),
    Row("location to AccountView", CUSTOMERS, known_customer, _edit("work-locations", "cust-1-loc", street="Kade 5")),
    Row("contact", CUSTOMERS, known_customer, _contacts),
    Row("contact changed", CUSTOMERS, _with_contacts, _book("CNT_PERS", "C1", TEL_MOB="0612345678")),
    Row("project type", {"projects": "import"}, lists, _book("PRO_TYPE", "SRV", PT_DESC="Onderhoud")),
    Row("project to Crafter", CUSTOMERS | {"projects": "import"}, known_customer, project),
    Row("project changed", CUSTOMERS | {"projects": "import"}, with_project,
        _book("PROJECTS", "P1", END_DATE="2026-12-31")),
    Row("project to AccountView", CUSTOMERS | {"projects": "export"}, known_customer, _projects_in_crafter),
    Row("order to AccountView", ORDERS, known_customer, _two_work_orders),
    Row("order without reference column", ORDERS, known_customer, work_order, NO_REFERENCE),
    Row("order without echo", ORDERS, known_customer, work_order, {"empty_write_body": True}),
    Row("order to Crafter", CUSTOMERS | {"orders": "both"}, known_customer, _sales_order),
    Row("order changed on both", CUSTOMERS | {"orders": "both"}, with_order, _order_both),
    Row("lines added", INVOICE, with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES)),
    Row("lines changed and added", INVOICE, checked_order,
        _edit("work-orders", "wo-1", lines=CHANGED)),
    Row("lines without echo", INVOICE, with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES),
        {"empty_write_body": True}),
    Row("hours", HOURS, known_customer, _hours_three),
    Row("hours without reference column", HOURS, known_customer, _hours_three, NO_REFERENCE),
    Row("hour changed", HOURS, _one_hour, _edit("hours", "h1", hours="4")),
    Row("timeline", CUSTOMERS, known_customer, _long_name, exits=(0, 1)),
    Row("timeline resolved", CUSTOMERS, _with_long_name,
        _edit("customers", "cust-5", name="Een korte naam"), exits=(1, 0)),
)  # fmt: skip
