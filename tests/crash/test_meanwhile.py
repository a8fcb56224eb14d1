"""What happens to a record while nobody knows what became of its write, or before a deletion was dealt with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bench import CUSTOMERS, HOURS, INVOICE, ORDERS, Axe, Bench, bench, lose_answer, refuse_look_ups
from tests.support.office import body
from tests.support.world import line

# a tombstone is in state.db with the page that showed it (behaviour 11)


@pytest.mark.parametrize("at", ["gathered", "settle", "announce", "send"])
@pytest.mark.parametrize("how", ["tombstone", "full"])
def test_what_was_deleted_in_crafter_comes_back_although_the_run_that_saw_it_died(at: str, how: str) -> None:
    with bench(CUSTOMERS | {"projects": "import"}) as one:
        one.with_project()
        one.person()
        one.customer("10002", "Garage Smit")
        one.until_quiet()
        one.box.crafter.remove("customers", one.klant("10001")["id"])
        one.customer("60001", "Nog een")  # something that is written before it, or after
        for turn in range(1, 40):  # at every such place
            axe = Axe(at=at) if turn == 1 else Axe(turn)
            one.run(axe, full=how == "full")
            if not axe.dead:
                break
        one.until_quiet()
        assert one.klant("10001")["name"] == "Bakkerij Jansen"
        assert one.box.crafter.count("customers") == 3
        assert one.contact("C1")["customer_id"] == one.klant("10001")["id"]
        assert one.box.crafter.count("contacts") == 1
        (project,) = one.box.crafter.records("projects")
        assert project["customer_id"] == one.klant("10001")["id"]


def test_a_run_whose_time_was_up_after_the_tombstone_forgets_nothing() -> None:
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.until_quiet()
        one.box.crafter.remove("customers", one.klant()["id"])
        one.box.faults.add(side="crafter", method="GET", path="/work-locations", times=3, do="500")
        result = one.run()
        assert result is not None
        assert result.exit == 4
        one.until_quiet()
        assert one.klant()["name"] == "Bakkerij Jansen"


def test_one_that_was_put_back_in_crafter_is_not_made_a_second_time() -> None:
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.until_quiet()
        crafter, identity = one.box.crafter, one.klant()["id"]
        crafter.remove("customers", identity)
        one.run(Axe(at="gathered"))
        with crafter.lock:
            for resource in ("customers", "work-locations"):
                for record in list(crafter._tables[resource].records.values()):
                    crafter._save(resource, {**record, "deleted_at": None})
        one.until_quiet()
        assert one.klant()["id"] == identity
        assert crafter.count("work-locations") == 1


# a record with an open write is linked before anything else is said of it (behaviour 44)


def in_doubt(one: Bench, do: str = "commit_drop", **more: Any) -> None:
    """The next write to AccountView is stored (or not), and nobody can find out."""
    lose_answer(one, do, **more)
    for column in ("EXT_ID", "ORD_NR", "RPL_DEL", "EMP_NR", "ACCT_NAME"):
        refuse_look_ups(one, column)
    one.run()
    assert len(one.intents()) == 1


def cancelled(one: Bench) -> None:
    one.change("wo-1", status="cancelled")


def cancelled_and_edited(one: Bench) -> None:
    one.change("wo-1", status="cancelled", description="Toch niet")


def of_the_past(one: Bench) -> None:
    one.change("wo-1", created_at="2025-05-04T09:00:00.000000Z")


@pytest.mark.parametrize("happens", [cancelled, cancelled_and_edited])
@pytest.mark.parametrize("ext_id", [True, False])
def test_a_work_order_cancelled_while_its_order_was_in_doubt(happens: Callable[[Bench], None], ext_id: bool) -> None:
    with bench(ORDERS, ext_id=ext_id) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        in_doubt(one)
        happens(one)
        one.run()
        one.box.faults.clear()
        one.until_quiet(wanted=0)
        (order,) = one.box.accountview.rows("SO_HDR")
        assert order["COMMENT1"] == "Ketel wo-1", "nothing more is sent for it"
        assert [(kind, code) for kind, _, code in one.problems()] == [("order", "order_cancelled")]
        assert one.told("wo-1"), "told where people look"
        one.change("wo-1", status="open")
        one.until_quiet()
        assert one.werkbon("wo-1")["order_number"] == order["ORD_NR"]
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == one.werkbon("wo-1")["description"]
        assert one.problems() == []


def test_a_work_order_cancelled_while_it_had_not_arrived_is_not_sent_and_nothing_is_said() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        in_doubt(one, "drop")
        cancelled(one)
        one.run()
        one.box.faults.clear()
        one.until_quiet()
        assert one.box.accountview.rows("SO_HDR") == []
        assert one.problems() == []


@pytest.mark.parametrize("orders", ["export", "both"])
@pytest.mark.parametrize("how", ["tombstone", "full"])
def test_a_work_order_deleted_while_its_order_was_in_doubt(orders: str, how: str) -> None:
    """As any linked one: where orders are imported too it comes back."""
    with bench(CUSTOMERS | {"orders": orders}) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        in_doubt(one)
        one.box.crafter.remove("work-orders", "wo-1")
        one.run(full=how == "full")
        one.box.faults.clear()
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert one.box.crafter.count("work-orders") == (1 if orders == "both" else 0)
        one.run(full=True)
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert one.box.crafter.count("work-orders") == (1 if orders == "both" else 0)


@pytest.mark.parametrize("how", ["tombstone", "full"])
def test_what_was_deleted_before_it_arrived_is_not_sent_again(how: str) -> None:
    with bench(ORDERS | {"hours": "export"}) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        in_doubt(one, "drop")
        one.box.crafter.remove("work-orders", "wo-1")
        one.run(full=how == "full")
        one.box.faults.clear()
        one.until_quiet()
        assert one.box.accountview.rows("SO_HDR") == []
        assert one.problems() == []


def test_a_work_order_that_was_deleted_and_put_back_while_in_doubt_is_one() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        in_doubt(one)
        one.box.crafter.remove("work-orders", "wo-1")
        one.run()
        crafter = one.box.crafter
        with crafter.lock:
            crafter._save("work-orders", {**crafter._tables["work-orders"].records["wo-1"], "deleted_at": None})
        one.box.faults.clear()
        one.until_quiet()
        assert one.werkbon("wo-1")["order_number"] == one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        assert one.box.crafter.count("work-orders") == 1


def test_an_hours_line_moved_before_start_date_while_in_doubt_is_corrected_not_forgotten() -> None:
    with bench(HOURS) as one:
        one.known_customer()
        one.until_quiet()
        one.hour("h1")
        in_doubt(one)
        one.box.crafter.edit("hours", "h1", date="2025-12-30", hours="3")
        one.run()
        one.box.faults.clear()
        one.until_quiet()
        assert [(row[3], row[-1]) for row in one.booked()] == [("2025-12-30", "3")]


def test_a_line_that_is_unchecked_while_it_was_in_doubt_is_told() -> None:
    with bench(INVOICE) as one:
        one.with_order()
        one.until_quiet()
        one.change("wo-1", status="checked", lines=[line("l1")])
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="SO_LINE", nth=2, times=0, do="500")
        one.run()
        assert len(one.intents()) == 1
        one.change("wo-1", status="planned")
        one.run()
        one.box.faults.clear()
        one.until_quiet()
        assert [code for _, _, code in one.problems()] == ["order_unchecked"]
        one.change("wo-1", status="checked")
        one.until_quiet()
        assert one.standing(one.order_number()) == [("PUMP-1", "1")]
        assert one.problems() == []


def test_a_customer_closed_in_accountview_while_its_record_in_crafter_was_in_doubt() -> None:
    """Made in Crafter, the answer lost, and meanwhile deleted in the books: linked, and gone like any other."""
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.customer("60001", "Kort BV")
        one.until_quiet()
        one.customer("60002", "Korter BV")
        one.box.faults.add(side="crafter", method="POST", path="/customers", do="commit_drop")
        one.box.faults.add(side="crafter", method="GET", path="external_ref", times=0, do="500")
        one.run()
        assert [intent.key for intent in one.intents()] == ["60002"]
        one.box.accountview.remove("CONTACT", "60002")
        one.run(full=True)
        one.box.faults.clear()
        one.until_quiet()
        one.box.requests.clear()
        one.in_crafter("60002", phone="010-1")
        one.until_quiet()
        assert one.box.accountview.row("CONTACT", "60002") is None
        assert [body(write) for write in one.office.sent("accountview")] == []
