"""The rows of the crash matrix: one for every kind of write avsync does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.bench import CUSTOMERS, HOURS, INVOICE, ORDERS
from tests.support.world import TIMED, World, line

Change = Callable[[World], None]


@dataclass(frozen=True)
class Row:
    """A kind of write: the world before (brought in step first) and the change whose consequences are disturbed."""

    name: str
    flows: dict[str, str]
    before: Change
    change: Change
    options: dict[str, Any] = field(default_factory=dict)
    exits: tuple[int, int] = (0, 0)  # before and after the change: 1 where the world holds a problem for a person

    @property
    def schema(self) -> dict[str, Any]:
        """What the config says of AccountView's names."""
        return ON_SHEETS if self.options.get("hours") == "sheets" else {}


def _two_customers(world: World) -> None:
    world.customer("20001", "Café Zuid", PO_BOX="Postbus 9", PO_CODE="1234 AA", PO_CITY="Ede")
    world.customer("20002", "Dhr. De Wit", ADDRESS1="", POST_CODE="", CITY="")


def _two_klanten(world: World) -> None:
    world.add_klant("cust-8", "Garage Noord")
    world.box.crafter.add("customers", id="cust-9", name="Klant zonder adres")


def _contacts(world: World) -> None:
    world.box.accountview.add(
        "ASC_PP", PP_CODE="C1", SUB_NR="10001", FRST_NAME="Anna", LAST_NAME="Vos", MAIL_PRIV="a@v.example"
    )
    world.box.accountview.add("ASC_PP", PP_CODE="C2", SUB_NR="10001", FRST_NAME="Bob", LAST_NAME="Vos")


def _with_contacts(world: World) -> None:
    world.known_customer()
    _contacts(world)


def _projects_in_crafter(world: World) -> None:
    world.box.crafter.add("project-types", id="pt-1", code="ONDERHOUD", name="Service")
    world.box.crafter.add(
        "projects", id="pr-1", project_code="C77", name="Dak", customer_id="klant-1", project_type_id="pt-1",
        responsible_user_id="anja", start_date="2026-03-01",
    )  # fmt: skip


def _sales_order(world: World) -> None:
    for text in ("Storing", "Lekkage"):
        world.box.accountview.add(
            "SO_HDR", RPL_DEL="10001", RPL_INV="10001", ORD_DATE="2026-11-02", DEL_DATE="2026-12-05", COMMENT1=text,
            COMMENT2="onderhoud",
        )  # fmt: skip


def _long_name(world: World) -> None:
    world.add_klant("cust-5", "Een veel te lange naam voor de boekhouding, echt waar")


def _with_long_name(world: World) -> None:
    world.known_customer()
    _long_name(world)


def _numbered_klant(world: World) -> None:
    world.add_klant("cust-3", customer_number="30003")


def _both_have_it(world: World) -> None:
    world.customer()
    world.add_klant()


def _remove_klant(world: World) -> None:
    world.box.crafter.remove("customers", "klant-1")


def _work_order(world: World) -> None:
    world.work_order(**TIMED)


def _two_work_orders(world: World) -> None:
    _work_order(world)
    world.work_order("wo-2", **TIMED)


def _hours_three(world: World) -> None:
    world.hour("h1")
    world.hour("h2")  # its twin
    world.hour("h3", kind="travel", hours="0.75")


def _one_hour(world: World) -> None:
    world.known_customer()
    world.hour("h1")


def _enter_again(world: World) -> None:
    world.box.crafter.remove("hours", "h1")
    world.hour("h2", hours="6")


def _edit(resource: str, identity: str, **fields: Any) -> Change:
    return lambda world: world.box.crafter.edit(resource, identity, **fields)


def _book(table: str, key: str, **columns: Any) -> Change:
    return lambda world: world.box.accountview.edit(table, key, **columns)


def _merged(world: World) -> None:
    world.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-111111")
    world.box.crafter.edit("customers", "klant-1", email="nieuw@jansen.example")


def _order_both(world: World) -> None:
    world.box.accountview.edit("SO_HDR", world.order_number(), DEL_DATE="2026-12-24")
    world.box.crafter.edit("work-orders", "wo-1", description="Ketel met spoed")


CHANGED = [line("l1", quantity="5"), line("l2", quantity="2"), line("l3"), line("l4")]
NO_REFERENCE = {"ext_id": False}
SHEETS = {"hours": "sheets"}
ON_SHEETS = {"hour": {"header": {"table": "HRS_HDR", "key": "SHT_NR",
                                 "columns": {"employee": "EMP_NR", "period_start": "BEG_DATE"}}}}  # fmt: skip
LINES = [line("l1"), line("l2"), line("l3", "PIPE-2", "12.5"), line("l4", "PIPE-2", "3", checked=False)]

ROWS = (
    Row("customer to Crafter", CUSTOMERS, World.lists, _two_customers),
    Row("customer to AccountView", CUSTOMERS, World.lists, _two_klanten),
    Row("customer with number to AccountView", CUSTOMERS, World.lists, _numbered_klant),
    Row("customer met by name", CUSTOMERS, World.lists, _both_have_it),
    Row("customer merged", CUSTOMERS, World.known_customer, _merged),
    Row("customer deleted in Crafter", CUSTOMERS, _with_contacts, _remove_klant),
    Row("location to Crafter", CUSTOMERS, World.known_customer, _book("CONTACT", "10001", PO_BOX="Postbus 1")),
    Row("location to AccountView", CUSTOMERS, World.known_customer,
        _edit("work-locations", "klant-1-loc", street="Kade 5")),
    Row("contact", CUSTOMERS, World.known_customer, _contacts),
    Row("contact changed", CUSTOMERS, _with_contacts, _book("ASC_PP", "C1", TEL_MOB="0612345678")),
    Row("project type", {"projects": "import"}, World.lists,
        _book("PRO_TYPE", "ONDERHOUD", PT_DESC="Onderhoud en meer")),
    Row("project to Crafter", CUSTOMERS | {"projects": "import"}, World.known_customer, World.project),
    Row("project changed", CUSTOMERS | {"projects": "import"}, World.with_project,
        _book("PROJECTS", "P1", END_DATE="2026-12-31")),
    Row("project to AccountView", CUSTOMERS | {"projects": "export"}, World.known_customer, _projects_in_crafter),
    Row("order to AccountView", ORDERS, World.known_customer, _two_work_orders),
    Row("order without reference column", ORDERS, World.known_customer, _work_order, NO_REFERENCE),
    Row("order without echo", ORDERS, World.known_customer, _work_order, {"empty_write_body": True}),
    Row("order to Crafter", CUSTOMERS | {"orders": "both"}, World.known_customer, _sales_order),
    Row("order changed on both", CUSTOMERS | {"orders": "both"}, World.with_order, _order_both),
    Row("lines added", INVOICE, World.with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES)),
    Row("lines changed and added", INVOICE, World.checked_order,
        _edit("work-orders", "wo-1", lines=CHANGED)),
    Row("lines without echo", INVOICE, World.with_order, _edit("work-orders", "wo-1", status="checked", lines=LINES),
        {"empty_write_body": True}),
    Row("hours", HOURS, World.known_customer, _hours_three),
    Row("hours without reference column", HOURS, World.known_customer, _hours_three, NO_REFERENCE),
    Row("hour changed", HOURS, _one_hour, _edit("hours", "h1", hours="4")),
    Row("hours on sheets", HOURS, World.known_customer, _hours_three, SHEETS),
    Row("hours on sheets without reference column", HOURS, World.known_customer, _hours_three, SHEETS | NO_REFERENCE),
    Row("hour moved to another sheet", HOURS, _one_hour, _edit("hours", "h1", date="2026-06-12"), SHEETS),
    Row("hour entered again", HOURS, _one_hour, _enter_again),
    Row("timeline", CUSTOMERS, World.known_customer, _long_name, exits=(0, 1)),
    Row("timeline resolved", CUSTOMERS, _with_long_name,
        _edit("customers", "cust-5", name="Een korte naam"), exits=(1, 0)),
)  # fmt: skip
