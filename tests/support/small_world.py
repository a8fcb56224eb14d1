"""The smallest world each kind of record can live in, put into a sandbox piece by piece."""

from __future__ import annotations

from typing import Any

from avsync.sandbox.server import Sandbox


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
    given = {
        "customer_id": "cust-1",
        "description": f"Ketel {identity}",
        "target_date": "2026-12-01",
        "work_type_id": "wt-1",
    }
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
