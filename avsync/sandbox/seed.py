"""A believable Dutch installation company on both sides; the same seed and day make the same world, byte for byte.

Customers live in AccountView; those that work orders need are in Crafter already, known by their number, as are the
projects that work orders and hours use. Sales orders are AccountView's; the first few have a work order with their
number. One in twenty work orders and one in thirty hours is older than a year and must not travel.

With `bad` come records that cannot succeed as they stand; `repair` mends them as a person would. They hang on customer
90000, apart from the rest of the world. "projects export" and "orders import" show themselves only when the flow has
that direction, the others with the flows of the example config.

name               flow             what is wrong                                            mended by
customer-nameless  customers        AccountView: customer 90001 has no name                  filling in the name
customer-moment    customers        AccountView: 90004 was changed on an impossible day      saving it again
customer-twins     customers        two customers in Crafter fit AccountView's 90002         deleting one of them
customer-long      customers, orders  Crafter: the name is longer than 40; its order waits   a shorter name
customer-alphabet  customers        Crafter: the name is Cyrillic                            writing it in our letters
contact-orphan     customers        AccountView: the contact's customer does not exist       the right customer number
project-typeless   projects         AccountView: no project type                             choosing a type
project-date       projects         AccountView: begin date is 31 February                   the right date
project-orphan     projects         AccountView: the project's customer does not exist       the right customer number
project-type       projects         AccountView: the type is not in the list of types        choosing a type
project-code       projects export  Crafter: the code is longer than 10                      a shorter code
order-unknown      orders           typed order number that AccountView does not know        clearing the field
order-other        orders           typed order number of another customer's order           clearing the field
order-blocked      orders           customer 90003 is blocked for orders                     lifting the block
order-orphan       orders import    AccountView: the order's customer does not exist         the right customer number
order-date         orders import    AccountView: delivery date is 31 February                the right date
invoice-article    invoice          ticked line with an article AccountView does not know    the right article
invoice-quantity   invoice          ticked line with quantity "2,5"                          2.5
hour-uncoded       hours            the user has no Unieke code                              filling in the code
hour-stranger      hours            AccountView has no employee 7777                         adding the employee
hour-project       hours            project P90-77 exists only in Crafter                    adding the project
hour-date          hours            Crafter: 31 November                                     the right date
hour-quantity      hours            Crafter: "anderhalf" hours                               1.5
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from avsync.sandbox import seed_bad
from avsync.sandbox.seed_maker import Maker, Row


class Box(Protocol):
    """What is needed of a Sandbox: the two stores."""

    accountview: Any
    crafter: Any


@dataclass
class World:
    """Rows to put into both stores, in order; `spoil` = AccountView columns to damage afterwards. Empty by default."""

    accountview: list[Row] = field(default_factory=list)
    crafter: list[Row] = field(default_factory=list)
    spoil: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def fill(self, box: Box) -> None:
        """Put everything into the stores of a Sandbox."""
        books = box.accountview
        for table, columns in self.accountview:
            books.add(table, **columns)
        for table, columns in self.accountview:
            if table == "SO_HDR" and "CNG_DATE" in columns:  # its lines touched the order
                books.edit(table, columns["ORD_NR"], CNG_DATE=columns["CNG_DATE"])
        for table, key, columns in self.spoil:
            books.damage(table, key, **columns)
        for resource, fields in self.crafter:
            box.crafter.add(resource, **fields)


def world(
    seed: int = 1,
    customers: int = 40,
    projects: int = 15,
    orders: int = 10,
    work_orders: int = 20,
    hours: int = 60,
    bad: bool = True,
    today: date | None = None,
) -> World:
    """A world of that many records (customers, projects and orders count AccountView's); bad ones come on top."""
    maker = Maker(seed, today or _today())
    maker.lists()
    maker.customers(customers)
    maker.projects(projects)
    maker.meet(max(1, customers * 3 // 10), work_orders + hours)
    maker.orders(orders)
    maker.work_orders(work_orders, min(3, orders))
    maker.hours(hours)
    maker.strangers(customers // 20)
    if bad:
        maker.bad()
    return World(maker.accountview, maker.crafter, maker.spoil)


def repair(box: Box, today: date | None = None) -> None:
    """A person mends every bad record that is still there; doing it twice does no harm."""
    for bad in seed_bad.table(today or _today()):
        for step in bad.mend:
            _take(box, step)
    if box.crafter.record("projects", seed_bad.bad_id("morning-project")) is not None:
        for step in seed_bad.morning_mended():
            _take(box, step)


def mistakes(box: Box, today: date | None = None) -> None:
    """People work for a morning, and some of it cannot go along as it stands."""
    for step in seed_bad.morning(today or _today(), box.crafter.records("project-types")[0]["id"]):
        _take(box, step)


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Amsterdam")).date()


def _take(box: Box, step: seed_bad.Step) -> None:
    store = getattr(box, step.side)
    find = store.row if step.side == "accountview" else store.record
    if step.verb == "add":
        key = next(iter(step.values.values()))
        if find(step.place, key) is None:
            store.add(step.place, **step.values)
    elif find(step.place, step.key) is not None:
        getattr(store, step.verb)(step.place, step.key, **step.values)
