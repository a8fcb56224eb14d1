"""Time goes on while the outcome of a write is unknown: runs die, services are slow, and people keep editing."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tests.support.bench import (
    CUSTOMERS,
    GRACE,
    HOURS,
    INVOICE,
    ORDERS,
    Axe,
    Bench,
    Killed,
    bench,
    lose_answer,
    refuse_look_ups,
)
from tests.support.world import line


def test_what_was_found_before_a_run_died_is_no_sign_of_a_lost_state() -> None:
    """Else all lines that stand on an order count as sent, and this one would never come."""
    with bench(INVOICE) as one:
        one.with_order()
        one.until_quiet()
        number = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE="PUMP-1", ORD_QTY="1")  # typed by a person
        one.work_order("wo-2")
        lose_answer(one)
        one.run(Axe(at="settled"))
        assert one.intents() == []
        one.until_quiet()
        one.box.crafter.edit("work-orders", "wo-1", status="checked", lines=[line("l1")])
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        assert [row["ART_CODE"] for row in one.box.accountview.rows("SO_LINE")] == ["PUMP-1", "PUMP-1"]


def test_the_grace_time_begins_when_the_caller_gives_up_not_when_the_write_was_queued() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one, "late", seconds=0.5)

        def slowly() -> None:
            one.moment += timedelta(seconds=2 * GRACE)

        one.run(Axe(at="answered", act=slowly, kill=False))
        assert len(one.intents()) == 1
        time.sleep(0.7)
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_a_write_that_waited_long_for_its_turn_has_its_full_grace_time_after_a_crash() -> None:
    """Announced together, sent one after the other by a slow service: the last one leaves minutes later."""
    with bench(HOURS) as one:
        one.office.config["accountview"]["concurrency"] = 1
        one.configure()
        one.known_customer()
        one.until_quiet()
        for number in range(3):
            one.hour(f"h{number}", hours=str(number + 1))
        lose_answer(one, "late", nth=3, seconds=2)
        sent, left = 0, one.moment

        def slow_and_deadly(where: str) -> None:
            nonlocal sent, left
            sent, left = sent + (where == "send"), one.moment
            one.moment += timedelta(seconds=GRACE) if where == "answered" and sent < 3 else timedelta()
            if where == "answered" and sent == 3:
                raise Killed

        assert one.run(slow_and_deadly) is None
        one.moment = left + timedelta(seconds=GRACE - 1)
        one.run()
        assert [intent.record for intent in one.intents()] == ["h2"]
        time.sleep(2.2)
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 3


def codes(one: Bench) -> list[str]:
    """What the list of problems says."""
    return [code for _, _, code in one.problems()]


def test_an_edit_made_while_an_update_was_in_doubt_is_not_lost_to_our_own_older_value() -> None:
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.until_quiet()
        one.box.crafter.edit("customers", "klant-1", email="eerst@jansen.example")
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do="commit_drop")
        refuse_look_ups(one, "SUB_NR")
        one.run()
        assert len(one.intents()) == 1
        one.box.crafter.edit("customers", "klant-1", email="daarna@jansen.example")
        one.box.faults.clear()
        one.until_quiet()
        assert one.box.accountview.row("CONTACT", "10001")["MAIL_BUS"] == "daarna@jansen.example"  # type: ignore[index]
        assert one.box.crafter.record("customers", "klant-1")["email"] == "daarna@jansen.example"  # type: ignore[index]
        assert codes(one) == []


def test_our_own_value_in_crafter_is_no_edit_either() -> None:
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.until_quiet()
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-1")
        one.box.faults.add(side="crafter", method="PATCH", do="commit_drop")
        one.box.faults.add(side="crafter", method="GET", path="customers/klant-1", times=0, do="500")
        one.run()
        assert len(one.intents()) == 1
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-2")
        one.box.faults.clear()
        one.until_quiet()
        assert one.box.crafter.record("customers", "klant-1")["phone"] == "0318-2"  # type: ignore[index]
        assert codes(one) == []


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_an_edit_made_while_a_new_customer_was_in_doubt_is_not_lost(side: str) -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.until_quiet()
        one.add_klant("cust-7", "Garage Noord", email="eerst@noord.example")
        lose_answer(one)
        refuse_look_ups(one, "ACCT_NAME")
        one.run()
        assert len(one.intents()) == 1
        (made,) = one.box.accountview.rows("CONTACT")
        if side == "crafter":
            one.box.crafter.edit("customers", "cust-7", email="daarna@noord.example")
        else:
            one.box.accountview.edit("CONTACT", made["SUB_NR"], MAIL_BUS="daarna@noord.example")
        one.box.faults.clear()
        one.until_quiet()
        assert [row["MAIL_BUS"] for row in one.box.accountview.rows("CONTACT")] == ["daarna@noord.example"]
        assert [row["email"] for row in one.box.crafter.records("customers")] == ["daarna@noord.example"]
        assert codes(one) == []


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_an_edit_made_while_a_klant_was_in_doubt_is_not_lost(side: str) -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.until_quiet()
        one.customer("30001", "Garage Noord", MAIL_BUS="eerst@noord.example")
        one.box.faults.add(side="crafter", method="POST", path="customers", do="commit_drop")
        one.box.faults.add(side="crafter", method="GET", path="external_ref=", times=0, do="500")
        one.run()
        assert len(one.intents()) == 1
        (made,) = one.box.crafter.records("customers")
        if side == "crafter":
            one.box.crafter.edit("customers", made["id"], email="daarna@noord.example")
        else:
            one.box.accountview.edit("CONTACT", "30001", MAIL_BUS="daarna@noord.example")
        one.box.faults.clear()
        one.until_quiet()
        assert [row["MAIL_BUS"] for row in one.box.accountview.rows("CONTACT")] == ["daarna@noord.example"]
        assert [row["email"] for row in one.box.crafter.records("customers")] == ["daarna@noord.example"]
        assert codes(one) == []


def test_an_order_found_after_a_lost_answer_is_linked_like_any_order_of_ours() -> None:
    """Not as a first meeting: a line that a person typed on it is not the work order's."""
    with bench(INVOICE | {"orders": "both"}) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one)
        one.until_quiet()
        store = one.store()
        (link,) = store.links.by_side("order", "crafter", ["wo-1"]).values()
        store.close()
        assert (link.origin, link.adopted) == ("crafter", False)
        number = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE="PUMP-1", ORD_QTY="1")
        one.box.crafter.edit("work-orders", "wo-1", status="checked", lines=[line("l1")])
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_LINE")) == 2
