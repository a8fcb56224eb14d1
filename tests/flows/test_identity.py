"""A link joins two records, not two keys (behaviour 36-41, as far as it is built)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.office import Office, shop
from tests.support.world import line

FLOWS = {"customers": "both", "orders": "both", "invoice": "export"}


def second_customer(one: Office) -> tuple[str, str]:
    """Another customer that both sides know: its number and its Crafter id."""
    one.box.crafter.add("customers", id="andere", name="Andere BV", customer_number=None)
    one.box.crafter.add("work-locations", customer_id="andere", street="Kade 1", postal_code="9999 XX", city="Ede")
    one.goes()
    return one.box.crafter.record("customers", "andere")["customer_number"], "andere"


def told(one: Office) -> dict[str, str]:
    return {problem["code"]: problem["message"] for problem in one.errors()}


def stays(one: Office, exit_: int) -> None:
    """A second, a third and a full run write nothing."""
    for more in ((), (), ("--full",)):
        one.box.requests.clear()
        assert one.run(*more)["exit"] == exit_
        assert one.writes() == []


@pytest.mark.parametrize("where", ["crafter", "accountview"])
def test_an_order_whose_sides_name_different_customers_gets_nothing_until_they_agree(
    tmp_path: Path, where: str
) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        order = one.box.accountview.rows("SO_HDR")[0]
        before, mine = order["RPL_DEL"], one.box.crafter.record("work-orders", "w1")["customer_id"]
        number, other = second_customer(one)
        if where == "crafter":
            one.box.crafter.edit("work-orders", "w1", customer_id=other)
        else:
            one.box.accountview.edit("SO_HDR", order["ORD_NR"], RPL_DEL=number)
        one.box.crafter.edit(
            "work-orders", "w1", status="checked", description="Pomp", lines=[line("a", "PUMP-1", "2")]
        )
        assert one.run()["exit"] == 1
        assert one.box.accountview.rows("SO_LINE") == []
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == "Ketel"
        message = told(one)["order_customers_differ"]
        assert before in message
        assert number in message
        stays(one, 1)

        if where == "crafter":
            one.box.crafter.edit("work-orders", "w1", customer_id=mine)
        else:
            one.box.accountview.edit("SO_HDR", order["ORD_NR"], RPL_DEL=before)
        assert one.run()["exit"] == 0, one.errors()
        assert [row["ART_CODE"] for row in one.box.accountview.rows("SO_LINE")] == ["PUMP-1"]
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == "Pomp"
        assert told(one) == {}
        stays(one, 0)


def test_a_customer_that_got_another_number_is_still_the_same_on_its_orders(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        number, other = second_customer(one)
        one.work_order("w1", customer_id=other)
        one.goes()
        order = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.edit("CONTACT", number, SUB_NR="55555")
        one.box.accountview.edit("SO_HDR", order, RPL_DEL="55555", RPL_INV="55555")
        one.box.crafter.edit("work-orders", "w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 0, one.errors()
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.accountview.rows("SO_LINE")) == 1
        assert told(one) == {}
