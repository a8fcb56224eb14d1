"""A write whose answer nobody saw: looked up, never guessed, and never in the way of anything else."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from avsync.records.values import AMSTERDAM, reference
from tests.support.bench import CUSTOMERS, HOURS, INVOICE, ORDERS, Bench, bench, lose_answer, refuse_look_ups
from tests.support.office import Told
from tests.support.world import line


def errors(one: Bench) -> list[dict[str, Any]]:
    return one.office.errors()


def status(one: Bench) -> Told:
    return one.office.avsync("--json", "status")


def test_it_is_settled_before_the_run_ends_where_the_service_answers() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one)
        result = one.run()
        assert result is not None
        assert result.exit == 0
        counts = result.flows["orders"]
        assert (counts["created"], counts["adopted"], counts["failed"], counts["unknown"]) == (0, 1, 0, 0)
        (order,) = one.box.accountview.rows("SO_HDR")
        assert one.box.crafter.record("work-orders", "wo-1")["order_number"] == order["ORD_NR"]  # type: ignore[index]


def test_else_it_is_shown_with_what_to_do_and_settled_at_the_next_start() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one)
        refuse_look_ups(one, "EXT_ID")
        first = one.run()
        assert first is not None
        assert first.exit == 1
        assert first.flows["orders"]["unknown"] == 1
        assert status(one).json["intents"] == 1
        (problem,) = errors(one)
        assert (problem["code"], problem["severity"], problem["kind"]) == ("outcome_unknown", "waiting", "order")
        assert problem["hint"]
        assert status(one).json["open"]["waiting"] == 1
        one.box.faults.clear()
        second = one.run()
        assert second is not None
        assert second.exit == 0
        assert errors(one) == []
        assert status(one).json["intents"] == 0
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_what_can_be_neither_found_nor_refuted_holds_up_nothing_else() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one, "drop")
        refuse_look_ups(one, "EXT_ID")
        one.run()
        for number in range(2, 5):
            one.work_order(f"wo-{number}")
            result = one.run()
            assert result is not None
            assert result.errors == {}
        assert sorted(row["COMMENT1"] for row in one.box.accountview.rows("SO_HDR")) == [
            f"Ketel wo-{n}" for n in (2, 3, 4)
        ]
        (problem,) = errors(one)
        assert (problem["code"], problem["severity"], problem["who"]) == ("outcome_not_found_out", "error", "operator")
        assert reference("order", "wo-1") in problem["hint"]
        (told,) = [entry for entry in one.box.crafter.timeline if not entry["resolved"]]
        assert told["entity_id"] == "wo-1"
        one.box.faults.clear()
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 4
        assert errors(one) == []
        assert [entry for entry in one.box.crafter.timeline if not entry["resolved"]] == []


def test_one_look_up_that_fails_leaves_the_others_to_be_settled() -> None:
    with bench(HOURS) as one:
        one.known_customer()
        one.until_quiet()
        for number in range(4):
            one.hour(f"h{number}", hours=f"{number + 1}")
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", times=0, do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="FilterControlSource1=EXT_ID", times=0, do="500")
        one.run()
        assert len(one.intents()) == 3  # after three in a row no more is sent
        one.box.faults.clear()
        one.box.faults.add(side="accountview", method="GET", path=reference("hour", "h2"), times=0, do="500")
        one.run()
        assert [intent.record for intent in one.intents()] == ["h2"]
        assert len(one.box.accountview.rows("HRS_LINE")) == 4
        one.box.faults.clear()
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 4


def test_two_candidates_are_a_question_for_a_person() -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.add_klant("cust-7", "Garage Noord")
        lose_answer(one)
        refuse_look_ups(one, "ACCT_NAME")
        one.run()
        one.customer("30001", "Garage Noord")
        one.box.faults.clear()
        for _ in range(3):
            result = one.run()
        assert result is not None
        assert result.exit == 1
        assert "several_candidates" in {problem["code"] for problem in errors(one)}
        assert len(one.box.accountview.rows("CONTACT")) == 2
        assert one.intents() == []


@pytest.mark.parametrize("flows", [ORDERS, HOURS], ids=["order", "hour"])
def test_a_request_applied_after_the_caller_gave_up_makes_no_double(flows: dict[str, str]) -> None:
    with bench(flows) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        one.hour("h1")
        lose_answer(one, "late", seconds=0.5)
        table = "SO_HDR" if "orders" in flows else "HRS_LINE"
        began = one.moment
        for seconds in (0, 20, 40):  # within the grace time, before the request is applied
            one.moment = began + timedelta(seconds=seconds)
            one.run()
            assert len(one.intents()) == 1
        assert one.box.accountview.rows(table) == []
        time.sleep(0.7)
        one.moment = began + timedelta(seconds=60)
        one.run()
        assert one.intents() == []
        one.until_quiet()
        assert len(one.box.accountview.rows(table)) == 1


def test_not_found_after_the_grace_time_is_sent_again() -> None:
    with bench(ORDERS) as one:
        one.known_customer()
        one.until_quiet()
        one.work_order()
        lose_answer(one, "drop")
        one.run()
        assert len(one.intents()) == 1
        one.run()  # the clock of the bench is past the grace time now
        one.until_quiet()
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_identical_hours_without_a_reference_column_stay_as_many_as_they_are() -> None:
    with bench(HOURS, ext_id=False) as one:
        one.known_customer()
        one.until_quiet()
        one.hour("h1")
        one.hour("h2")
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", times=2, do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="FilterControlSource2=HRS_CODE", times=0, do="500")
        one.run()
        assert len(one.intents()) == 2
        one.box.faults.clear()
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 2
        one.hour("h3")
        lose_answer(one, "commit_500")
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 3


@pytest.mark.parametrize("stored", [0, 1])
def test_of_two_twins_sent_blindly_only_the_missing_one_is_sent_again(stored: int) -> None:
    with bench(HOURS, ext_id=False) as one:
        one.known_customer()
        one.until_quiet()
        one.hour("h1")
        one.hour("h2")
        lose_answer(one, "commit_drop" if stored else "drop", nth=1)
        lose_answer(one, "drop", nth=1)
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 2


@pytest.mark.parametrize("address", [True, False])
@pytest.mark.parametrize("do", ["commit_drop", "commit_500", "cut", "drop"])
def test_a_customer_without_number_is_made_once(address: bool, do: str) -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.customer("30001", "Garage Noord", POST_CODE="9999 ZZ")  # the same name elsewhere is somebody else
        one.until_quiet()
        if address:
            one.add_klant("cust-7", "Garage Noord")
        else:
            one.box.crafter.add("customers", id="cust-7", name="Garage Noord")
        lose_answer(one, do)
        one.until_quiet()
        (made,) = [row for row in one.box.accountview.rows("CONTACT") if row["SUB_NR"] != "30001"]
        assert one.box.crafter.record("customers", "cust-7")["customer_number"] == made["SUB_NR"]  # type: ignore[index]


@pytest.mark.parametrize("do", ["commit_drop", "commit_500", "cut", "drop", "commit_answer"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_customer_whose_number_is_stored_with_zeros_before_it_is_made_once(do: str, empty: bool) -> None:
    with bench(CUSTOMERS, number_width=10, empty_write_body=empty) as one:
        one.lists()
        one.customer("30001", "Garage Noord")  # the same name and place under another number is somebody else
        one.until_quiet()
        one.add_klant("cust-7", "Garage Noord", customer_number="77")
        refusal = {"status": 400, "content": {"ErrorType": "AccountViewError", "ErrorMessage": "Vergrendeld."}}
        lose_answer(one, do, **(refusal if do == "commit_answer" else {}))
        one.until_quiet()
        assert [row["SUB_NR"] for row in one.box.accountview.rows("CONTACT")] == ["0000000077", "30001"]
        record = one.box.crafter.record("customers", "cust-7")
        assert record is not None
        assert (record["customer_number"], record["external_ref"]) == ("0000000077", "av:DEMO:customer:0000000077")
        assert errors(one) == []


@pytest.mark.parametrize(("minutes", "ours"), [(-60, False), (1, True)])
def test_another_number_is_ours_only_when_it_was_entered_since(minutes: int, ours: bool) -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.until_quiet()
        one.add_klant("cust-7", "Garage Noord", customer_number="77")
        lose_answer(one, "drop")
        sent = one.moment.astimezone(AMSTERDAM).replace(tzinfo=None)
        one.run()
        one.customer("30001", "Garage Noord", INP_DATE=f"{sent + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}")
        one.until_quiet()
        numbers = {row["SUB_NR"] for row in one.box.accountview.rows("CONTACT")}
        assert numbers == ({"30001"} if ours else {"30001", "77"})


def test_two_that_may_be_the_one_that_was_sent_are_a_question() -> None:
    with bench(CUSTOMERS, number_width=10) as one:
        one.lists()
        one.until_quiet()
        one.add_klant("cust-7", "Garage Noord", customer_number="77")
        one.box.faults.add(side="accountview", method="GET", path="FilterControlSource1=SUB_NR", times=0, do="500")
        lose_answer(one, "commit_drop")
        one.run()
        one.customer("0077", "Garage Noord")
        one.box.faults.clear()
        for _ in range(3):
            one.run()
        assert len(one.box.accountview.rows("CONTACT")) == 2
        assert "several_candidates" in [problem["code"] for problem in errors(one)]


@pytest.mark.parametrize("applied", [0, 1, 2, 3])
def test_lines_half_applied_are_completed_and_twins_stay_two(applied: int) -> None:
    with bench(INVOICE) as one:
        one.with_order()
        one.until_quiet()
        lines = [line("l1"), line("l2"), line("l3", "PIPE-2", "2.5")]
        one.box.crafter.edit("work-orders", "wo-1", status="checked", lines=lines)
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="SO_LINE", nth=2, times=0, do="500")
        one.run()
        assert len(one.intents()) == 1
        one.box.faults.clear()
        for row in one.box.accountview.rows("SO_LINE")[applied:]:
            one.box.accountview.remove("SO_LINE", row["REC_ID"])
        one.until_quiet()
        there = sorted((row["ART_CODE"], float(row["ORD_QTY"])) for row in one.box.accountview.rows("SO_LINE"))
        assert there == [("PIPE-2", 2.5), ("PUMP-1", 1.0), ("PUMP-1", 1.0)]


def test_changed_lines_with_an_unknown_outcome_are_not_added_anew() -> None:
    with bench(INVOICE) as one:
        one.checked_order()
        one.until_quiet()
        one.box.crafter.edit(
            "work-orders", "wo-1", lines=[line("l1", quantity="7"), line("l2", quantity="2"), line("l3")]
        )
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", times=2, do="commit_500")
        one.until_quiet()
        assert sorted(float(row["ORD_QTY"]) for row in one.box.accountview.rows("SO_LINE")) == [1, 2, 7]


def test_a_look_up_in_crafter_that_fails_holds_up_no_other_customer() -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        one.customer("30001", "Garage Noord")
        one.box.faults.add(side="crafter", method="POST", path="customers", do="commit_drop")
        one.box.faults.add(side="crafter", method="GET", path="external_ref=", times=0, do="500")
        one.run()
        one.customer("30002", "Garage Zuid")
        one.run()
        assert [problem["code"] for problem in errors(one) if problem["kind"] == "customer"] == [
            "outcome_not_found_out"
        ]
        assert {row["name"] for row in one.box.crafter.records("customers")} == {"Garage Noord", "Garage Zuid"}
        one.box.faults.clear()
        one.until_quiet()
        assert len(one.box.crafter.records("customers")) == 2
        assert errors(one) == []
