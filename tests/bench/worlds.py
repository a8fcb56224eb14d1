"""The worlds that are measured: plain, large, and without mistakes. Filled in the server's own process."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

STREETS = ("Dorpsstraat", "Stationsweg", "Molenlaan", "Kerkstraat", "Havenkade")


def _changed(number: int) -> str:
    """Local moments, one a second."""
    return (datetime(2026, 2, 3) + timedelta(seconds=number)).isoformat()  # noqa: DTZ001 - local by contract


def _made(number: int) -> dict[str, str]:
    moment = _changed(number) + ".000000Z"
    return {"created_at": moment, "updated_at": moment}


def _lists(box: Any) -> None:
    for code, name in (("100", "Werk"), ("200", "Reis")):
        box.accountview.add("HRS_CODE", HRS_CODE=code, HRS_DESC=name)
    box.accountview.add("PRO_TYPE", PT_CODE="N", PT_DESC="Nieuwbouw")
    box.crafter.add("work-types", code="S", name="Storing")
    for number in range(20):
        box.accountview.add("EMPLOYEE", EMP_NR=f"{number:03d}", EMP_NAME=f"Monteur {number}")
        box.crafter.add(
            "users", id=f"user-{number}", name=f"Monteur {number}", email=None, unique_code=f"{number:03d}", active=True
        )


def _address(number: int) -> dict[str, str]:
    street = f"{STREETS[number % len(STREETS)]} {number % 200 + 1}"
    return {"street": street, "postal_code": f"{1000 + number % 8999} AB", "city": "Zwolle", "country": "NL"}


def _customer(box: Any, number: int) -> None:
    place = _address(number)
    box.accountview.add(
        "CONTACT", SUB_NR=str(10000 + number), ACCT_NAME=f"Installatiebedrijf Jansén & Zn {number}",
        SRC_CODE=f"JAN{number}"[:10], ACCT_NR="1300", TEL_BUS=f"038-{number:07d}",
        MAIL_BUS=f"info{number}@jansen.example",
        ADDRESS1=place["street"], POST_CODE=place["postal_code"], CITY=place["city"], CNT_CODE="NL",
        CNG_DATE=_changed(number), INP_DATE=_changed(number),
    )  # fmt: skip


def _klant(box: Any, number: int) -> None:
    """The same customer in Crafter, as avsync leaves it."""
    key, identity, name = str(10000 + number), f"customer-{number}", f"Installatiebedrijf Jansén & Zn {number}"
    box.crafter.add(
        "customers", id=identity, customer_number=key, name=name, phone=f"038-{number:07d}",
        email=f"info{number}@jansen.example", external_ref=f"av:DEMO:customer:{key}", **_made(number),
    )  # fmt: skip
    box.crafter.add(
        "work-locations", id=f"location-{number}", customer_id=identity, is_main=True, **_address(number),
        external_ref=f"av:DEMO:location:{key}:visiting", **_made(number),
    )  # fmt: skip


def books(box: Any, size: int) -> None:
    """Customers in AccountView alone: a first import."""
    _lists(box)
    for number in range(size):
        _customer(box, number)


def in_step(box: Any, size: int) -> None:
    """Customers on both sides, each with one address, in step."""
    books(box, size)
    for number in range(size):
        _klant(box, number)


def hours(box: Any, size: int) -> None:
    """Hours lines in Crafter alone, on ten projects that both sides know."""
    _lists(box)
    _customer(box, 1)
    _klant(box, 1)
    kind = box.crafter.add("project-types", id="type-n", code="N", name="Nieuwbouw")
    for number in range(10):
        box.accountview.add(
            "PROJECTS", PROJ_CODE=f"P{number}", PROJ_DESC=f"Project {number}", SUB_NR="10001", PRO_TYPE="N",
            CNG_DATE=_changed(number),
        )  # fmt: skip
        box.crafter.add(
            "projects", id=f"project-{number}", project_code=f"P{number}", name=f"Project {number}",
            customer_id="customer-1", project_type_id=kind,
        )  # fmt: skip
    for number in range(size):
        box.crafter.add(
            "hours", user_id=f"user-{number % 20}", project_id=f"project-{number % 10}", work_order_id=None,
            kind="travel" if number % 4 == 3 else "work", date=f"2026-0{number % 6 + 1}-{number % 27 + 1:02d}",
            hours=("7.75", "1.50", "0.25")[number % 3],
        )  # fmt: skip


def backlog(box: Any, size: int) -> None:
    """A world in step, and records that wait for a parent: contact persons of customers that are not there (yet)."""
    in_step(box, 200)
    for number in range(size):
        box.accountview.add(
            "ASC_PP", PP_CODE=f"C{number}", SUB_NR=str(90000 + number % 1000), FRST_NAME="Kees",
            LAST_NAME=f"Bakker {number}", CNG_DATE=_changed(number),
        )  # fmt: skip


def lost_orders(box: Any, size: int) -> None:
    """A world in step, and hours lines on work orders that are not there (any more)."""
    hours(box, 0)
    for number in range(size):
        box.crafter.add(
            "hours", user_id=f"user-{number % 20}", project_id=None, work_order_id=f"order-{number % 1000}",
            kind="work", date=f"2026-03-{number % 27 + 1:02d}", hours="1.00",
        )  # fmt: skip


def early_hours(box: Any, size: int) -> None:
    """A world in step, and hours lines on projects that are not in the books yet: their customer's name is too long."""
    hours(box, 0)
    box.crafter.add(
        "customers", id="customer-2", customer_number=None, name="Vereniging van Eigenaars Residentie Waterland " * 3,
        **_made(0),
    )  # fmt: skip
    box.crafter.add(
        "work-locations", id="location-2", customer_id="customer-2", is_main=True, **_address(2), **_made(0)
    )
    for number in range(20):
        box.crafter.add(
            "projects", id=f"early-{number}", project_code=f"E{number}", name=f"Verbouwing {number}",
            customer_id="customer-2", project_type_id="type-n", **_made(number),
        )  # fmt: skip
    for number in range(size):
        box.crafter.add(
            "hours", user_id=f"user-{number % 20}", project_id=f"early-{number % 20}", work_order_id=None,
            kind="work", date=f"2026-03-{number % 27 + 1:02d}", hours="1.00", **_made(number),
        )  # fmt: skip


def to_meet(box: Any, size: int) -> None:
    """Customers on both sides that nobody has linked yet: most by number, some by name, some of which may be two."""
    books(box, size)
    for number in range(size):
        key, name = str(10000 + number), f"Installatiebedrijf Jansén & Zn {number}"
        box.crafter.add(
            "customers", id=f"customer-{number}", customer_number=None if number % 5 == 0 else key, name=name,
            phone=f"0529-{number:06d}", email=None, **_made(number),
        )  # fmt: skip
        box.crafter.add(
            "work-locations", id=f"location-{number}", customer_id=f"customer-{number}", is_main=True,
            **{**_address(number), "city": "Zwollo"}, **_made(number),
        )  # fmt: skip


WORLDS = {one.__name__: one for one in (books, in_step, hours, backlog, early_hours, lost_orders, to_meet)}
