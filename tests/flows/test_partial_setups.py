"""Not every office uses every flow: each sensible part works alone; a flow turned on later picks up what was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.comparison import look
from tests.support.office import Office, shop
from tests.support.world import line

OFF = dict.fromkeys(("customers", "projects", "orders", "invoice", "hours"), "off")


def switch(one: Office, **flows: str) -> None:
    """Change the flows in the config."""
    one.config["flows"] = {**one.config["flows"], **flows}


def refusal(one: Office, *args: str) -> str:
    """What a config that is not right says."""
    said = one.avsync(*(args or ("run-all",)))
    assert said.exit == 2, said
    return said.err


# parts that work by themselves


def test_only_hours(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "hours": "export"}) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-2")
        one.hour("h1", project_id="project-1")
        one.hour("h2", work_order_id="w1")
        one.hour("h3")
        one.goes()
        assert [row[1] for row in one.booked()] == ["", "P1", "P2"]
        assert one.sent("crafter") == []
        one.in_step(before)


def test_only_hours_a_project_that_accountview_lacks_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "hours": "export"}) as one:
        one.box.accountview.remove("PROJECTS", "P1")
        one.hour("h1", project_id="project-1")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "project_unknown"


@pytest.mark.parametrize("customers", ["import", "export", "both"])
def test_only_customers(tmp_path: Path, customers: str) -> None:
    with shop(tmp_path, {**OFF, "customers": customers}) as one:
        one.work_order("w1")
        one.hour("h1")
        one.goes()
        assert one.box.accountview.rows("SO_HDR") == []
        assert one.booked() == []
        one.in_step()


@pytest.mark.parametrize("projects", ["import", "export"])
def test_only_projects(tmp_path: Path, projects: str) -> None:
    with shop(tmp_path, {**OFF, "projects": projects}) as one:
        if projects == "import":
            more = {"PROJ_DESC": "Nieuw", "SUB_NR": "10002", "PRO_TYPE": "ONDERHOUD"}
            one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **more)
        else:
            known = {"name": "Nieuw", "customer_id": "klant-2", "project_type_id": "soort"}
            one.box.crafter.add("projects", project_code="P9", **known)
        one.goes()
        assert len(one.box.crafter.records("projects")) == len(one.box.accountview.rows("PROJECTS")) == 4
        one.in_step()


@pytest.mark.parametrize("orders", ["export", "import", "both"])
def test_orders_without_customers_and_projects_go_by_number(tmp_path: Path, orders: str) -> None:
    with shop(tmp_path, {**OFF, "orders": orders}) as one:
        before = look(one.box)
        if orders != "import":
            one.work_order("w1", project_id="project-1")
        if orders != "export":
            one.sales_order("500", RPL_DEL="10002", PROJ_CODE="P3")
        one.goes()
        if orders != "import":
            order = one.order_of("w1")
            assert (order["RPL_DEL"], order["RPL_INV"], order["PROJ_CODE"]) == ("10001", "10001", "P1")
        if orders != "export":
            (bon,) = [bon for bon in one.box.crafter.records("work-orders") if bon["order_number"] == "500"]
            assert (bon["customer_id"], bon["project_id"]) == ("klant-2", "project-3")
        one.in_step(before)


def test_orders_and_invoice_without_customers(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "orders": "export", "invoice": "export"}) as one:
        before = look(one.box)
        one.work_order("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.goes()
        assert one.standing(one.order_of("w1")["ORD_NR"]) == [("PUMP-1", "2")]
        one.in_step(before)


def test_without_the_customers_flow_an_order_of_an_unknown_customer_says_what_to_do(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "orders": "both"}) as one:
        one.box.crafter.add("customers", id="klant-3", name="Zonder nummer")
        one.box.crafter.add("customers", id="klant-4", name="Ander nummer", customer_number="19999")
        one.box.accountview.add("CONTACT", SUB_NR="10005", ACCT_NAME="Alleen hier", SRC_CODE="A", ACCT_NR="1300")
        one.work_order("w3", customer_id="klant-3")
        one.work_order("w4", customer_id="klant-4")
        one.sales_order("500", RPL_DEL="10005", RPL_INV="10005")
        one.work_order("w1")
        assert one.run()["exit"] == 1
        assert one.codes() == ["customer_not_found"] * 3
        said = " ".join(found["message"] + found["hint"] for found in one.errors())
        assert all(word in said for word in ("Zonder nummer", "19999", "10005", "customer number"))
        assert one.werkbon("w1")["order_number"]
        one.box.crafter.edit("customers", "klant-3", customer_number="10005")
        one.change("w4", customer_id="klant-2")
        one.goes()
        assert one.codes() == []
        one.in_step()


@pytest.mark.parametrize("spelt", ["kl-1", "KL-1"])
@pytest.mark.parametrize("orders", ["export", "import", "both"])
def test_without_the_customers_flow_capitals_in_a_number_or_code_do_not_matter(
    tmp_path: Path, orders: str, spelt: str
) -> None:
    """Crafter's filters tell them apart (behaviour 1)."""
    with shop(tmp_path, {**OFF, "orders": orders}) as one:
        one.debtor("KL-1", ACCT_NAME="Kapsalon Bos")
        one.box.accountview.add("PROJECTS", PROJ_CODE="PX-1", PROJ_DESC="Pui", SUB_NR="KL-1", PRO_TYPE="ONDERHOUD")
        one.box.crafter.add("customers", id="klant-9", name="Kapsalon Bos", customer_number=spelt)
        one.box.crafter.add(
            "projects", id="project-9", project_type_id="soort", project_code="px-1", name="Pui", customer_id="klant-9"
        )
        if orders != "import":
            one.work_order("w1", customer_id="klant-9", project_id="project-9")
        if orders != "export":
            one.sales_order("500", RPL_DEL="KL-1", RPL_INV="KL-1", PROJ_CODE="PX-1")
        one.goes()
        assert one.codes() == []
        if orders != "import":
            assert (one.order_of("w1")["RPL_DEL"], one.order_of("w1")["PROJ_CODE"]) == ("KL-1", "PX-1")
        if orders != "export":
            (bon,) = [bon for bon in one.box.crafter.records("work-orders") if bon["order_number"] == "500"]
            assert (bon["customer_id"], bon["project_id"]) == ("klant-9", "project-9")
        one.rests()


def test_two_customers_of_one_number_but_for_capitals_are_as_good_as_none(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "orders": "import"}) as one:
        one.debtor("KL-1", ACCT_NAME="Kapsalon Bos")
        for number in ("kl-1", "KL-1"):
            one.box.crafter.add("customers", name="Kapsalon Bos", customer_number=number)
        one.sales_order("500", RPL_DEL="KL-1", RPL_INV="KL-1")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "customer_not_found"
        assert one.box.crafter.records("work-orders") == []


def test_import_only_writes_nothing_to_accountview(tmp_path: Path) -> None:
    flows = {**OFF, "customers": "import", "projects": "import", "orders": "import"}
    with shop(tmp_path, flows) as one:
        del one.config["accountview"]["debtor_account"]
        before = look(one.box)
        one.box.accountview.add("CONTACT", SUB_NR="10003", ACCT_NAME="Nieuw", SRC_CODE="N", ACCT_NR="1300", CITY="Ede")
        one.box.accountview.add("ASC_PP", PP_CODE="C1", SUB_NR="10003", FRST_NAME="Jo", LAST_NAME="Mol")
        more = {"PROJ_DESC": "Nieuw", "SUB_NR": "10003", "PRO_TYPE": "ONDERHOUD"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **more)
        one.sales_order("500", RPL_DEL="10003", RPL_INV="10003", PROJ_CODE="P9")
        one.box.crafter.add("customers", id="klant-9", name="Alleen in Crafter")
        one.work_order("w1")
        one.goes()
        assert one.sent("accountview") == []
        assert len(one.box.crafter.records("contacts")) == 1
        one.in_step(before)


def test_export_only_writes_nothing_of_accountview_to_crafter(tmp_path: Path) -> None:
    flows = dict.fromkeys(OFF, "export")
    with shop(tmp_path, flows) as one:
        one.box.accountview.add("CONTACT", SUB_NR="10003", ACCT_NAME="Alleen hier", SRC_CODE="N", ACCT_NR="1300")
        one.sales_order("500")
        one.box.crafter.add("customers", id="klant-9", name="Nieuw in Crafter")
        known = {"name": "Nieuw", "customer_id": "klant-9", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-9", project_code="P9", **known)
        one.work_order(
            "w1", customer_id="klant-9", project_id="project-9", status="checked", lines=[line("a", "PUMP-1", "2")]
        )
        one.hour("h1", work_order_id="w1")
        one.goes()
        assert one.standing(one.order_of("w1")["ORD_NR"]) == [("PUMP-1", "2")]
        assert [row[1] for row in one.booked()] == ["P9"]
        assert len(one.box.crafter.records("customers")) == 3
        assert len(one.box.crafter.records("work-orders")) == 1
        one.in_step()


def test_customers_import_with_orders_export_a_customer_made_in_crafter_is_named(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "customers": "import", "orders": "export"}) as one:
        one.box.crafter.add("customers", id="klant-9", name="Alleen in Crafter")
        one.work_order("w1", customer_id="klant-9")
        one.work_order("w2")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert found["code"] == "waiting_for_parent"
        assert "Alleen in Crafter" in found["message"]
        one.box.accountview.add("CONTACT", SUB_NR="10009", ACCT_NAME="Alleen in Crafter", SRC_CODE="A", ACCT_NR="1300")
        one.box.crafter.edit("customers", "klant-9", customer_number="10009")
        one.goes()
        assert one.order_of("w1")["RPL_DEL"] == "10009"
        one.in_step()


def test_without_the_contacts_module_everything_else_goes(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export", "hours": "export"}, contacts_module=False) as one:
        before = look(one.box)
        one.work_order("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.hour("h1")
        assert one.avsync("check").exit == 0
        one.goes()
        one.in_step(before)


@pytest.mark.parametrize(
    ("feature", "stopped"),
    [("users", ["hours", "projects"]), ("work-types", ["orders"]), ("hours", ["hours"]), ("contacts", ["customers"])],
)
def test_a_function_switched_off_in_crafter_stops_only_the_flows_that_need_it(
    tmp_path: Path, feature: str, stopped: list[str]
) -> None:
    with shop(tmp_path, {"hours": "export"}) as one:
        one.goes()
        one.box.accountview.add("EMPLOYEE", EMP_NR="0103", EMP_NAME="Cor")
        more = {"PROJ_DESC": "Nieuw", "SUB_NR": "10002", "PRO_TYPE": "ONDERHOUD", "EMP_NR": "0103"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **more)
        one.work_order("w1", work_type_id="storing")
        one.hour("h1")
        one.box.crafter.features.remove(feature)
        assert one.run()["exit"] == 2
        assert sorted(found["flow"] for found in one.errors() if found["kind"] == "flow") == stopped
        assert bool(one.werkbon("w1")["order_number"]) is ("orders" not in stopped)
        assert bool(one.booked()) is ("hours" not in stopped)
        one.box.crafter.features.add(feature)
        one.goes()
        assert one.codes() in ([], ["employee_missing"])
        assert len(one.booked()) == 1
        one.in_step()


def test_with_everything_off_a_run_does_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, OFF) as one:
        one.work_order("w1")
        one.goes()
        assert one.writes() == []


# configs that cannot work


def test_invoice_without_orders_is_a_config_error(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "off", "invoice": "export"}) as one:
        assert "flows.invoice" in refusal(one)
        assert "orders" in refusal(one)
        assert one.box.requests == []
        assert not (one.state / "state.db").exists()


@pytest.mark.parametrize("flow", ["orders", "invoice", "hours"])
def test_dated_flows_without_start_date_are_a_config_error(tmp_path: Path, flow: str) -> None:
    with shop(tmp_path, {**OFF, "orders": "export" if flow == "invoice" else "off", flow: "export"}) as one:
        del one.config["start_date"]
        assert "start_date" in refusal(one)


@pytest.mark.parametrize(
    ("flows", "remove", "named"),
    [
        ({"customers": "both"}, ("accountview", "debtor_account"), "accountview.debtor_account"),
        ({"customers": "export"}, ("accountview", "debtor_account"), "accountview.debtor_account"),
        ({"hours": "export"}, ("time_codes", "travel"), "time_codes.travel"),
        ({"projects": "both"}, (), "flows.projects"),
        ({"hours": "import"}, (), "flows.hours"),
        ({"invoice": "both"}, (), "flows.invoice"),
    ],
)
def test_what_a_flow_lacks_is_named_by_its_key(
    tmp_path: Path, flows: dict[str, str], remove: tuple[str, ...], named: str
) -> None:
    with shop(tmp_path, {**OFF, **flows}) as one:
        if remove:
            del one.config[remove[0]][remove[1]]
        assert named in refusal(one)
        assert named in refusal(one, "check")


# turned on later


def test_hours_turned_on_later_pick_up_what_was_there(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.hour("h1")
        one.hour("oud", date="2025-12-31")
        one.goes()
        assert one.booked() == []
        switch(one, hours="export")
        one.goes()
        assert len(one.booked()) == 1
        one.in_step()


def test_invoice_turned_on_later_picks_up_work_orders_that_were_checked_before(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        before = look(one.box)
        one.work_order("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.goes()
        one.rests()
        switch(one, invoice="export")
        one.goes()
        assert one.standing(one.order_of("w1")["ORD_NR"]) == [("PUMP-1", "2")]
        one.in_step(before)


def test_orders_turned_on_later_pick_up_both_sides(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "off", "hours": "export"}) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.sales_order("500")
        one.goes()
        switch(one, orders="both", invoice="export")
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == len(one.box.crafter.records("work-orders")) == 2
        assert len(one.booked()) == 1
        one.in_step(before)


def test_from_export_to_both_brings_the_sales_orders_and_doubles_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        before = look(one.box)
        one.work_order("w1")
        one.sales_order("500")
        one.goes()
        assert len(one.box.crafter.records("work-orders")) == 1
        switch(one, orders="both")
        one.goes()
        assert sorted(bon["order_number"] for bon in one.box.crafter.records("work-orders")) == ["26100001", "500"]
        one.in_step(before)


def test_from_import_to_both_sends_the_work_orders_that_were_waiting(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "import"}) as one:
        before = look(one.box)
        one.work_order("w1")
        one.sales_order("500")
        one.goes()
        assert one.werkbon("w1")["order_number"] is None
        switch(one, orders="both")
        one.goes()
        assert one.werkbon("w1")["order_number"]
        one.in_step(before)


def test_customers_and_projects_turned_on_after_orders_went_by_number(tmp_path: Path) -> None:
    with shop(tmp_path, {**OFF, "orders": "both", "hours": "export"}) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-1")
        one.hour("h1", project_id="project-2")
        one.goes()
        switch(one, customers="both", projects="import")
        one.box.crafter.add("customers", id="klant-9", name="Nieuw in Crafter")
        one.work_order("w2", customer_id="klant-9")
        one.goes()
        assert one.order_of("w2")["RPL_DEL"] == one.box.crafter.record("customers", "klant-9")["customer_number"]
        one.in_step(before)


def test_start_date_moved_back_lets_older_records_travel(tmp_path: Path) -> None:
    with shop(tmp_path, {"hours": "export", "invoice": "export"}) as one:
        one.hour("oud", date="2025-12-31")
        one.work_order(
            "w1", created_at="2025-06-01T10:00:00.000000Z", status="checked", lines=[line("a", "PUMP-1", "2")]
        )
        one.goes()
        assert one.booked() == []
        assert one.box.accountview.rows("SO_HDR") == []
        one.config["start_date"] = "2025-01-01"
        one.goes()
        assert len(one.booked()) == 1
        assert one.standing(one.order_of("w1")["ORD_NR"]) == [("PUMP-1", "2")]
        one.rests()


def test_a_flow_turned_off_sends_nothing_more_and_its_problems_no_longer_count(tmp_path: Path) -> None:
    with shop(tmp_path, {"hours": "export"}) as one:
        one.hour("h1")
        one.hour("h2", hours="acht")
        one.work_order("w1")
        assert one.run()["exit"] == 1
        switch(one, hours="off")
        one.box.crafter.edit("hours", "h1", hours="1")
        one.change("w1", description="Wel gewijzigd")
        one.goes()
        assert one.booked()[0][5] == "7.5"
        assert one.order_of("w1")["COMMENT1"] == "Wel gewijzigd"
        switch(one, hours="export")
        one.box.crafter.edit("hours", "h2", hours="8")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["1", "8"]
        one.in_step()


# one flow at a time


def test_sync_handles_one_flow_and_leaves_the_others_alone(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export", "hours": "export"}) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.hour("h1", work_order_id="w1")
        steps: list[tuple[str, Any]] = [
            ("customers", lambda: not one.box.accountview.rows("SO_HDR")),
            ("projects", lambda: not one.box.accountview.rows("SO_HDR")),
            ("hours", lambda: [row[1] for row in one.booked()] == ["P1"]),
            ("orders", lambda: one.werkbon("w1")["order_number"] and not one.box.accountview.rows("SO_LINE")),
            ("invoice", lambda: one.standing(one.order_of("w1")["ORD_NR"]) == [("PUMP-1", "2")]),
        ]
        for flow, reached in steps:
            assert one.avsync("sync", flow).exit == 0, one.errors()
            assert reached(), flow
        one.in_step(before)


def test_sync_of_a_flow_that_is_off_says_so(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        said = one.avsync("sync", "hours")
        assert said.exit == 2
        assert "flows.hours" in said.err


def test_sync_of_orders_before_customers_ever_ran_waits_and_doubles_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-1")
        assert one.avsync("sync", "orders").exit == 1
        assert one.codes() == ["waiting_for_parent"]
        one.goes()
        assert one.codes() == []
        assert one.order_of("w1")["PROJ_CODE"] == "P1"
        one.in_step(before)
