"""Work orders become sales orders, sales orders become work orders, and both stay the same order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.comparison import look
from tests.support.office import body, shop

BOTH = {"orders": "both"}
IMPORT = {"orders": "import"}


# export


def test_a_new_work_order_becomes_a_sales_order_and_gets_its_number_back(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        before = look(one.box)
        one.work_order("w1", project_id="project-1", work_type_id="storing", target_date="2026-06-30")
        one.goes()
        order, bon = one.order_of("w1"), one.werkbon("w1")
        assert (order["RPL_DEL"], order["RPL_INV"], order["PROJ_CODE"]) == ("10001", "10001", "P1")
        assert (order["ORD_DATE"], order["DEL_DATE"]) == ("2026-05-04", "2026-06-30")
        assert (order["COMMENT1"], order["COMMENT2"]) == ("Ketel w1", "Storing & spoed")
        assert bon["order_number"] == order["ORD_NR"]
        assert bon["external_ref"] == f"av:DEMO:order:{order['ORD_NR']}"
        assert order["EXT_ID"].startswith("avs")
        one.in_step(before)


def test_later_edits_follow_and_only_the_edited_fields_are_sent(tmp_path: Path) -> None:
    edits = [
        ({"description": "Ketel nazien"}, "COMMENT1", "Ketel nazien"),
        ({"project_id": "project-2"}, "PROJ_CODE", "P2"),
        ({"target_date": "2026-07-31"}, "DEL_DATE", "2026-07-31"),
        ({"work_type_id": "onderhoud"}, "COMMENT2", "Onderhoud"),
    ]
    with shop(tmp_path) as one:
        one.work_order("w1", project_id="project-1", work_type_id="storing", target_date="2026-06-30")
        one.goes()
        for fields, column, value in edits:
            one.change("w1", **fields)
            one.box.requests.clear()
            one.goes()
            assert one.order_of("w1")[column] == value
            (put,) = one.writes()
            assert put.method == "PUT"
            names = [field["Name"] for field in body(put)["Table"]["Definition"]["Fields"]]
            assert names == ["RowId", column]
        one.in_step()


def test_a_cleared_field_is_cleared_in_accountview(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", project_id="project-1", work_type_id="storing", target_date="2026-06-30")
        one.goes()
        one.change("w1", project_id=None, work_type_id=None, target_date=None, description="")
        one.goes()
        order = one.order_of("w1")
        assert [order[name] for name in ("PROJ_CODE", "COMMENT2", "DEL_DATE", "COMMENT1")] == ["", "", "", ""]
        one.in_step()


def test_status_changes_send_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.goes()
        for status in ("planned", "completed", "checked", "wacht-op-onderdelen"):
            one.change("w1", status=status)
            one.rests()
        one.in_step()


def test_a_number_changed_or_cleared_on_a_linked_work_order_is_put_back(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        for typed in (None, "999"):
            one.change("w1", order_number=typed)
            one.goes()
            assert one.werkbon("w1")["order_number"] == number
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        one.in_step()


def test_a_number_in_use_on_another_work_order_is_a_problem_until_it_is_free(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.work_order("w2", order_number="26100001")  # the number AccountView is about to give w1
        assert one.run()["exit"] == 1
        assert one.run()["exit"] == 1
        assert one.codes() == ["number_in_use", "order_number_taken"]
        one.change("w2", order_number=None)
        one.run()
        one.goes()
        assert one.werkbon("w1")["order_number"] == "26100001"
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.in_step()


def test_two_work_orders_that_want_one_number_each_name_the_other(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.work_order("w2", order_number="26100001", description="Getypt")
        one.run()
        one.run()
        mine, typed = (one.werkbon(name)["number"] for name in ("w1", "w2"))
        said = {problem["code"]: problem for problem in one.errors()}
        assert mine in said["order_number_taken"]["message"]
        assert "26100001" in said["number_in_use"]["message"]
        assert typed in said["number_in_use"]["message"]
        assert "Getypt" in said["number_in_use"]["message"]
        assert said["number_in_use"]["who"] == "planner"
        assert typed in one.told("w1")[0]


def test_an_answer_without_a_body_still_gives_the_number_back(tmp_path: Path) -> None:
    for ext_id in (True, False):
        folder = tmp_path / str(ext_id)
        folder.mkdir()
        with shop(folder, empty_write_body=True, ext_id=ext_id) as one:
            before = look(one.box)
            one.work_order("w1", description="Zelfde werk")
            one.work_order("w2", description="Zelfde werk")
            one.run()
            one.goes()
            numbers = {one.werkbon(name)["order_number"] for name in ("w1", "w2")}
            assert len(numbers) == 2
            assert None not in numbers
            assert len(one.box.accountview.rows("SO_HDR")) == 2
            one.in_step(before)


@pytest.mark.parametrize("ext_id", [True, False])
def test_what_accountview_fills_in_by_itself_makes_no_other_order_of_it(tmp_path: Path, ext_id: bool) -> None:
    """An order without a delivery date gets one there; it is still the order that was sent, its answer lost or not."""
    lost = {"method": "POST", "path": "accountviewdata", "do": "commit_drop"}
    with shop(tmp_path, ext_id=ext_id, fills={("SO_HDR", "DEL_DATE"): "2026-12-24"}, faults=[lost]) as one:
        one.work_order("w1")
        one.work_order("w2", target_date="2026-11-30")
        one.run()
        one.goes()
        assert sorted(row["DEL_DATE"] for row in one.box.accountview.rows("SO_HDR")) == ["2026-11-30", "2026-12-24"]
        assert {one.werkbon(name)["order_number"] for name in ("w1", "w2")} == {"26100001", "26100002"}
        one.rests()


# import


def test_a_sales_order_becomes_an_unplanned_work_order(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.sales_order("500", PROJ_CODE="P1", DEL_DATE="2026-06-30", COMMENT2="STORING &  spoed", COMMENT1="Lekkage")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert (bon["order_number"], bon["customer_id"], bon["project_id"]) == ("500", "klant-1", "project-1")
        assert (bon["target_date"], bon["work_type_id"], bon["description"]) == ("2026-06-30", "storing", "Lekkage")
        assert (bon["status"], bon["external_ref"]) == ("open", "av:DEMO:order:500")
        assert one.sent("accountview") == []
        one.in_step()


def test_setting_or_moving_the_delivery_date_moves_the_target_date(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.sales_order("500")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert bon["target_date"] is None
        for day in ("2026-06-30", "2026-12-31", ""):
            one.box.accountview.edit("SO_HDR", "500", DEL_DATE=day)
            one.box.requests.clear()
            one.goes()
            assert one.werkbon(bon["id"])["target_date"] == (day or None)
            (patch,) = one.sent("crafter")
            assert body(patch) == {"target_date": day or None}
        one.in_step()


def test_on_import_edits_in_accountview_follow_and_edits_in_crafter_send_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.sales_order("500", PROJ_CODE="P1", COMMENT2="Onderhoud")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        one.box.accountview.edit("SO_HDR", "500", PROJ_CODE="P2", COMMENT2="storing & SPOED", COMMENT1="Anders")
        one.goes()
        now = one.werkbon(bon["id"])
        assert (now["project_id"], now["work_type_id"], now["description"]) == ("project-2", "storing", "Anders")
        one.in_step()
        one.change(bon["id"], description="Van de planner", target_date="2026-09-01")
        one.rests()
        assert one.box.accountview.row("SO_HDR", "500")["COMMENT1"] == "Anders"


def test_an_order_without_order_date_or_from_before_start_date_stays_home(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.sales_order("500", ORD_DATE="2025-12-31")
        one.sales_order("501", ORD_DATE="")
        one.sales_order("502", ORD_DATE="2026-01-01")
        one.goes()
        assert [bon["order_number"] for bon in one.box.crafter.records("work-orders")] == ["502"]
        one.in_step()


def test_an_order_of_a_customer_that_is_not_there_waits_and_names_it(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.box.accountview.add("CONTACT", SUB_NR="10003", ACCT_NAME="Nieuw", SRC_CODE="N", ACCT_NR="1300")
        one.sales_order("500", RPL_DEL="10003", RPL_INV="10003")
        one.box.accountview.damage("CONTACT", "10003", ACCT_NAME="")
        assert one.run()["exit"] == 1
        waiting = next(found for found in one.errors() if found["code"] == "waiting_for_parent")
        assert (waiting["key"], waiting["severity"]) == ("500", "waiting")
        assert "10003" in waiting["message"]
        one.box.accountview.edit("CONTACT", "10003", ACCT_NAME="Nieuw")
        one.goes()
        one.in_step()


def test_an_order_without_a_customer_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.sales_order("500")
        one.box.accountview.damage("SO_HDR", "500", RPL_DEL="")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "order_without_customer"
        one.box.accountview.edit("SO_HDR", "500", RPL_DEL="10001")
        one.goes()
        one.in_step()


# both directions


def test_with_both_nothing_goes_back_and_forth(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        before = look(one.box)
        one.sales_order("500", PROJ_CODE="P1", DEL_DATE="2026-06-30", COMMENT2="onderhoud")
        one.work_order("w1", project_id="project-1", work_type_id="storing", target_date="2026-06-30")
        one.goes()
        assert len(one.box.crafter.records("work-orders")) == len(one.box.accountview.rows("SO_HDR")) == 2
        one.in_step(before)


def test_with_both_either_side_may_edit_and_the_other_follows(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.sales_order("500")
        one.work_order("w1")
        one.goes()
        (imported,) = [bon["id"] for bon in one.box.crafter.records("work-orders") if bon["order_number"] == "500"]
        exported = one.werkbon("w1")["order_number"]
        one.change(imported, target_date="2026-08-01")
        one.box.accountview.edit("SO_HDR", "500", COMMENT1="Vanuit het boekhoudpakket")
        one.box.accountview.edit("SO_HDR", exported, DEL_DATE="2026-08-02", COMMENT2="Storing & spoed")
        one.change("w1", description="Vanuit de planning")
        one.goes()
        assert one.box.accountview.row("SO_HDR", "500")["DEL_DATE"] == "2026-08-01"
        assert one.werkbon(imported)["description"] == "Vanuit het boekhoudpakket"
        bon = one.werkbon("w1")
        assert (bon["target_date"], bon["work_type_id"]) == ("2026-08-02", "storing")
        assert one.order_of("w1")["COMMENT1"] == "Vanuit de planning"
        one.in_step()


def test_edited_differently_on_both_sides_accountview_wins_and_the_loss_is_reported(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.work_order("w1", target_date="2026-06-30")
        one.goes()
        one.change("w1", target_date="2026-07-01", description="Zelfde")
        number = one.werkbon("w1")["order_number"]
        one.box.accountview.edit("SO_HDR", number, DEL_DATE="2026-07-02", COMMENT1="Zelfde")
        one.goes()
        assert one.werkbon("w1")["target_date"] == "2026-07-02"
        lost = one.problem()
        assert (lost["code"], lost["severity"]) == ("conflict", "warning")
        assert "1 July 2026" in lost["message"]
        assert "2 July 2026" in lost["message"]
        assert "1 July 2026" in one.told("w1")[0]
        one.in_step()


def test_the_project_follows_from_the_side_where_the_order_was_made(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.sales_order("500", PROJ_CODE="P1")
        one.work_order("w1", project_id="project-1")
        one.goes()
        (imported,) = [bon["id"] for bon in one.box.crafter.records("work-orders") if bon["order_number"] == "500"]
        one.box.accountview.edit("SO_HDR", "500", PROJ_CODE="P2")
        one.change("w1", project_id="project-2")
        one.goes()
        assert one.werkbon(imported)["project_id"] == "project-2"
        assert one.order_of("w1")["PROJ_CODE"] == "P2"
        one.change(imported, project_id="project-1")
        one.box.accountview.edit("SO_HDR", one.werkbon("w1")["order_number"], PROJ_CODE="P1")
        one.rests()
        assert one.box.accountview.row("SO_HDR", "500")["PROJ_CODE"] == "P2"
        assert one.werkbon("w1")["project_id"] == "project-2"


# work types


def test_a_comment_that_names_no_work_type_is_left_alone_in_both_directions(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.sales_order("500", COMMENT2="Bel eerst mevrouw De Wit")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert bon["work_type_id"] is None
        one.change(bon["id"], work_type_id="storing", description="Toch storing")
        one.goes()
        assert one.box.accountview.row("SO_HDR", "500")["COMMENT2"] == "Bel eerst mevrouw De Wit"
        assert one.box.accountview.row("SO_HDR", "500")["COMMENT1"] == "Toch storing"
        one.box.accountview.edit("SO_HDR", "500", COMMENT2="Bel eerst meneer De Wit")
        one.goes()
        assert one.werkbon(bon["id"])["work_type_id"] == "storing"
        one.change(bon["id"], work_type_id=None)
        one.goes()
        assert one.box.accountview.row("SO_HDR", "500")["COMMENT2"] == "Bel eerst meneer De Wit"
        one.in_step()


def test_a_remark_put_in_place_of_the_work_type_is_not_overwritten(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", work_type_id="storing")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.accountview.edit("SO_HDR", number, COMMENT2="Factuur naar hoofdkantoor")
        one.rests()
        one.change("w1", work_type_id="onderhoud", target_date="2026-08-01")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Factuur naar hoofdkantoor"
        assert one.order_of("w1")["DEL_DATE"] == "2026-08-01"
        one.in_step()


def test_a_work_type_that_crafter_lost_is_a_warning_as_long_as_it_is_so(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", work_type_id="verdwenen")
        one.work_order("w2", work_type_id="storing")
        one.goes()
        assert one.problem()["code"] == "work_type_missing"
        one.change("w2", work_type_id="verdwenen")
        for _ in range(3):
            one.goes()
            assert (one.problem()["code"], one.problem()["count"]) == ("work_type_missing", 2)
        for name in ("w1", "w2"):
            one.change(name, work_type_id="onderhoud")
        one.goes()
        assert one.codes() == []
        assert one.order_of("w1")["COMMENT2"] == one.order_of("w2")["COMMENT2"] == "Onderhoud"
        one.in_step()


RENAMES = {
    "another type": ({"work_type_id": "onderhoud"}, "Onderhoud"),
    "no type": ({"work_type_id": None}, ""),
}


@pytest.mark.parametrize("change", RENAMES)
@pytest.mark.parametrize("direction", ["export", "both"])
def test_a_work_type_that_got_another_name_keeps_no_later_change_from_the_order(
    tmp_path: Path, change: str, direction: str
) -> None:
    fields, comment = RENAMES[change]
    with shop(tmp_path, {"orders": direction}) as one:
        one.work_order("w1", work_type_id="storing")
        one.goes()
        one.box.crafter.edit("work-types", "storing", name="Spoedklus")
        one.change("w1", description="Iets anders")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Storing & spoed", "nobody changed the type of this work order"
        assert one.werkbon("w1")["work_type_id"] == "storing"
        one.change("w1", **fields)
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == comment
        assert one.codes() == []
        one.change("w1", work_type_id="storing")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Spoedklus"
        one.in_step()


def test_a_work_type_that_was_deleted_keeps_no_later_change_from_the_order(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", work_type_id="storing")
        one.goes()
        one.box.crafter.remove("work-types", "storing")
        one.change("w1", work_type_id="onderhoud")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Onderhoud"
        one.in_step()


def test_a_remark_stays_a_remark_whatever_the_work_types_are_called(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", work_type_id="storing")
        one.goes()
        one.box.accountview.edit("SO_HDR", one.werkbon("w1")["order_number"], COMMENT2="Storing & spoed, bel eerst")
        one.box.crafter.edit("work-types", "storing", name="Spoedklus")
        one.change("w1", work_type_id="onderhoud")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Storing & spoed, bel eerst"
        one.rests()


# texts


def test_a_long_description_is_cut_with_a_warning_and_the_original_stays(tmp_path: Path) -> None:
    long = "Vervangen van de circulatiepomp in de technische ruimte op zolder"
    with shop(tmp_path, BOTH) as one:
        one.work_order("w1", description=long)
        one.goes()
        assert one.order_of("w1")["COMMENT1"] == "Vervangen van de circulatiepomp in de t…"
        assert one.problem()["code"] == "cut"
        one.rests()
        assert one.werkbon("w1")["description"] == long
        one.change("w1", description="Pomp vervangen 🔧")
        one.goes()
        assert one.order_of("w1")["COMMENT1"] == "Pomp vervangen"
        assert one.problem()["code"] == "respelled"
        one.change("w1", description="Pomp vervangen")
        one.goes()
        assert one.codes() == []
        one.in_step()


# cancelled


def test_a_work_order_cancelled_before_it_was_linked_is_not_sent_until_it_is_reopened(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", status="cancelled")
        one.goes()
        one.rests()
        assert one.box.accountview.rows("SO_HDR") == []
        one.change("w1", status="open")
        one.goes()
        assert one.werkbon("w1")["order_number"]
        one.in_step()


def test_a_linked_work_order_that_is_cancelled_is_a_warning_and_sends_nothing_more(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.work_order("w1")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.change("w1", status="cancelled", description="Niet meer nodig")
        one.goes()
        assert one.problem()["code"] == "order_cancelled"
        assert number in one.problem()["message"]
        assert number in one.told("w1")[0]
        one.change("w1", target_date="2026-08-08")
        one.rests()
        assert one.box.accountview.row("SO_HDR", number)["COMMENT1"] == "Ketel w1"
        assert one.codes() == ["order_cancelled"]
        one.change("w1", status="planned", target_date="2026-09-09")
        one.goes()
        assert one.codes() == []
        assert one.told("w1") == []
        assert one.order_of("w1")["COMMENT1"] == "Niet meer nodig"
        one.in_step()


def test_the_warning_of_a_cancelled_work_order_ends_when_its_order_is_dropped(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.work_order("w2")
        one.goes()
        one.change("w1", status="cancelled")
        one.goes()
        one.box.accountview.remove("SO_HDR", one.werkbon("w1")["order_number"])
        one.goes("--full")
        assert one.codes() == []
        assert one.told("w1") == []
        one.rests()


# a number typed by a user


def test_a_typed_number_of_a_free_order_of_that_customer_is_adopted(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.sales_order("500", COMMENT1="Van kantoor")
        one.work_order("w1", order_number="500", project_id="project-1", target_date="2026-06-30")
        one.goes()
        order = one.order_of("w1")
        assert (order["COMMENT1"], order["PROJ_CODE"], order["DEL_DATE"]) == ("Ketel w1", "P1", "2026-06-30")
        assert one.werkbon("w1")["external_ref"] == "av:DEMO:order:500"
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        one.in_step()


@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_typed_number_of_an_imported_order_names_the_work_order_that_was_made_for_it(
    tmp_path: Path, direction: str
) -> None:
    with shop(tmp_path, {"orders": direction}) as one:
        one.sales_order("500")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        one.box.crafter.edit("work-orders", bon["id"], order_number=None)
        one.work_order("w2", order_number="500")
        one.run()
        expected = {"import": ["number_in_use"], "both": ["number_in_use", "order_number_taken"]}
        assert one.codes() == expected[direction]
        for problem in one.errors():
            other = one.werkbon("w2") if problem["code"] == "number_in_use" else bon
            assert other["number"] in problem["message"]


@pytest.mark.parametrize("typed", ["404", "GEEN NUMMER'\" &", "5\u202800", "5\n00", "é☃", "12345678901234567890"])
def test_a_typed_number_that_accountview_does_not_know_must_be_cleared(tmp_path: Path, typed: str) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", order_number=typed)
        one.work_order("w2")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert found["code"] == "order_number_unknown"
        assert "Clear the order number" in found["hint"]
        assert "Clear the order number" in one.told("w1")[0]
        assert one.werkbon("w2")["order_number"]
        one.change("w1", order_number=None)
        one.goes()
        assert one.codes() == []
        assert one.werkbon("w1")["order_number"]
        one.in_step()


def test_a_typed_number_of_another_work_order_must_be_cleared(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.goes()
        one.work_order("w2", order_number=one.werkbon("w1")["order_number"])
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "order_number_taken"
        assert f"work order {one.werkbon('w1')['number']}" in one.problem()["message"]
        assert "Clear the order number" in one.problem()["hint"]
        one.change("w2", order_number=None)
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.in_step()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_a_typed_number_of_another_customers_order_is_told_once_whoever_is_seen_first(
    tmp_path: Path, direction: str
) -> None:
    """Where orders go both ways the pair is planned from either side in every run: no problem takes the place of the
    other, nothing is mailed again, and the trail does not grow."""
    with shop(tmp_path, {"orders": direction}) as one:
        one.sales_order("500", RPL_DEL="10002", RPL_INV="10002", COMMENT1="Van Smit")
        one.work_order("w1", order_number="500")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert (found["code"], found["entity"]) == ("order_number_other_customer", "work_order")
        before = one.avsync("--json", "history").json
        for full in ((), ("--full",), ()):
            assert one.avsync("run-all", *full).out == ""
        assert one.problem()["id"] == found["id"]
        assert one.avsync("--json", "history").json == before
        one.rests(1)


def test_a_typed_number_of_another_customers_order_must_be_cleared(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.sales_order("500", RPL_DEL="10002", RPL_INV="10002", COMMENT1="Van Smit")
        one.work_order("w1", order_number="500")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert found["code"] == "order_number_other_customer"
        assert "10002" in found["message"]
        assert "Clear the order number" in found["hint"]
        assert one.box.accountview.row("SO_HDR", "500")["COMMENT1"] == "Van Smit"
        one.change("w1", order_number=None)
        one.goes()
        one.in_step()


def test_a_typed_number_of_an_order_that_cannot_be_read_stops_only_that_work_order(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.sales_order("500")
        one.box.accountview.damage("SO_HDR", "500", DEL_DATE="2026-02-31")
        one.work_order("w1", order_number="500", target_date="2026-02-28")
        one.work_order("w2")
        assert one.run()["exit"] == 1
        assert one.werkbon("w2")["order_number"]
        assert "unreadable" in one.codes()
        one.box.accountview.edit("SO_HDR", "500", DEL_DATE="2026-02-28")
        one.goes()
        assert one.werkbon("w1")["external_ref"] == "av:DEMO:order:500"
        one.in_step()


# projects of orders


def test_a_project_without_a_link_is_looked_up_open_or_closed(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.edit("PROJECTS", "P2", END_DATE="2026-01-31")
        one.work_order("w1", project_id="project-1")
        one.work_order("w2", project_id="project-2")
        one.goes()
        assert (one.order_of("w1")["PROJ_CODE"], one.order_of("w2")["PROJ_CODE"]) == ("P1", "P2")
        one.goes()  # now that it is linked its end date travels too
        one.in_step()


def test_on_export_a_project_that_accountview_does_not_know_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-9", project_code="P9", **known)
        one.work_order("w1", project_id="project-9")
        one.work_order("w2", project_id="project-1")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "project_unknown"
        assert "P9" in one.problem()["message"]
        assert [row["PROJ_CODE"] for row in one.box.accountview.rows("SO_HDR")] == ["P1"]
        books = {"PROJ_DESC": "Alleen hier", "SUB_NR": "10001", "PRO_TYPE": "ONDERHOUD"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **books)
        one.goes()
        assert one.order_of("w1")["PROJ_CODE"] == "P9"
        one.in_step()


def test_on_import_an_open_project_that_will_come_is_waited_for(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", PROJ_DESC="Nieuw project", SUB_NR="10001")
        one.sales_order("500", PROJ_CODE="P9")
        assert one.run()["exit"] == 1
        assert one.codes() == ["project_without_type", "waiting_for_parent"]
        assert one.box.crafter.records("work-orders") == []
        one.box.accountview.edit("PROJECTS", "P9", PRO_TYPE="ONDERHOUD")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert one.box.crafter.record("projects", bon["project_id"])["project_code"] == "P9"
        one.in_step()


def test_on_import_a_closed_project_is_left_out_with_a_warning_until_it_is_linked(tmp_path: Path) -> None:
    with shop(tmp_path, IMPORT) as one:
        closed = {"PROJ_DESC": "Oud project", "SUB_NR": "10001", "PRO_TYPE": "ONDERHOUD", "END_DATE": "2026-01-31"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **closed)
        one.sales_order("500", PROJ_CODE="P9")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert bon["project_id"] is None
        found = one.problem()
        assert (found["code"], found["severity"]) == ("order_project_missing", "warning")
        assert "P9" in found["message"]
        assert "P9" in one.told(bon["id"])[0]
        one.rests()
        one.box.crafter.remove("work-orders", bon["id"])  # it comes back, and there it is told at once
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert "P9" in one.told(bon["id"])[0]
        one.rests()
        one.box.accountview.edit("PROJECTS", "P9", END_DATE="")
        one.run()
        one.goes()
        assert one.box.crafter.record("projects", one.werkbon(bon["id"])["project_id"])["project_code"] == "P9"
        assert one.codes() == []
        one.in_step()


CLOSED = {"PROJ_DESC": "Oud project", "SUB_NR": "10001", "PRO_TYPE": "ONDERHOUD", "END_DATE": "2026-01-31"}


@pytest.mark.parametrize("direction", ["import", "both"])
@pytest.mark.parametrize("edit", [{}, {"COMMENT1": "Nog iets"}, {"PROJ_CODE": "P8"}])
def test_a_planners_project_stays_although_accountviews_names_one_that_crafter_lacks(
    tmp_path: Path, direction: str, edit: dict[str, str]
) -> None:
    with shop(tmp_path, {"orders": direction}) as one:
        for code in ("P8", "P9"):
            one.box.accountview.add("PROJECTS", PROJ_CODE=code, **CLOSED)
        one.sales_order("500", PROJ_CODE="P9")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        one.change(bon["id"], project_id="project-1")
        if edit:
            one.box.accountview.edit("SO_HDR", "500", **edit)
        for more in ((), ("--full",)):
            one.goes(*more)
            assert one.werkbon(bon["id"])["project_id"] == "project-1"
            assert one.box.accountview.row("SO_HDR", "500")["PROJ_CODE"] == edit.get("PROJ_CODE", "P9")
        one.box.accountview.edit("PROJECTS", edit.get("PROJ_CODE", "P9"), END_DATE="")  # open again: it comes
        one.goes()
        one.goes()
        assert len(one.box.crafter.records("projects")) == 4
        assert one.werkbon(bon["id"])["project_id"] == "project-1", "what we left there is not there any more"
        one.rests()


def test_an_employee_that_crafter_lacks_takes_no_other_away(tmp_path: Path) -> None:
    with shop(tmp_path, {"projects": "import"}) as one:
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="0101")
        one.goes()
        one.box.accountview.add("EMPLOYEE", EMP_NR="0999", EMP_NAME="Nieuw")
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="0999")
        one.goes()
        assert one.codes() == ["employee_missing"]
        assert one.box.crafter.record("projects", "project-1")["responsible_user_id"] == "anja"
        one.box.crafter.add("users", id="cees", name="Cees", unique_code="0999")
        one.goes()
        assert one.codes() == []
        assert one.box.crafter.record("projects", "project-1")["responsible_user_id"] == "cees"
        one.rests()


@pytest.mark.parametrize("direction", ["import", "both"])
@pytest.mark.parametrize("projects", ["import", "off"])
def test_an_imported_order_on_a_closed_project_that_crafter_has_gets_it(
    tmp_path: Path, direction: str, projects: str
) -> None:
    with shop(tmp_path, {"orders": direction, "projects": projects}) as one:
        one.box.accountview.edit("PROJECTS", "P2", END_DATE="2026-01-31")
        one.sales_order("500", PROJ_CODE="P2")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        assert bon["project_id"] == "project-2"
        assert one.codes() == []
        one.goes()
        one.rests()


# customers of orders


def test_an_order_of_a_customer_deleted_in_accountview_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.goes()
        one.box.accountview.remove("CONTACT", "10002")
        one.work_order("w1", customer_id="klant-2")
        assert one.run("--full")["exit"] == 1
        assert one.problem()["code"] == "parent_gone"
        assert "10002" in one.problem()["message"]
        assert one.box.accountview.rows("SO_HDR") == []


def test_an_order_of_a_blocked_customer_goes_once_the_block_is_lifted(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.edit("CONTACT", "10002", BLK_SP=True)
        one.work_order("w1", customer_id="klant-2")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "rejected_by_accountview"
        assert "geblokkeerd" in one.problem()["message"]
        one.box.accountview.edit("CONTACT", "10002", BLK_SP=False)
        one.goes()
        assert one.codes() == []
        one.in_step()


def test_the_order_of_a_customer_made_in_crafter_waits_for_nothing_but_that_customer(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.crafter.add("customers", id="klant-3", name="Een naam die veel te lang is voor de administratie")
        one.work_order("w1", customer_id="klant-3")
        one.work_order("w2")
        assert one.run()["exit"] == 1
        assert one.codes() == ["too_long", "waiting_for_parent"]
        assert one.werkbon("w2")["order_number"]
        one.box.crafter.edit("customers", "klant-3", name="Korte naam")
        one.goes()
        assert one.order_of("w1")["RPL_DEL"] == one.box.crafter.record("customers", "klant-3")["customer_number"]
        one.in_step()


# start_date


def test_start_date_is_the_day_in_amsterdam_on_which_the_work_order_was_made(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("nieuwjaar", created_at="2025-12-31T23:30:00.000000Z")
        one.work_order("oudjaar", created_at="2025-12-31T22:59:59.999999Z")
        one.goes()
        assert one.order_of("nieuwjaar")["ORD_DATE"] == "2026-01-01"
        assert one.werkbon("oudjaar")["order_number"] is None
        one.change("oudjaar", description="Later nog gewijzigd")
        one.rests()
        one.in_step()


def test_the_order_date_is_right_around_midnight_and_both_clock_changes(tmp_path: Path) -> None:
    days = {
        "2026-03-29T00:59:59Z": "2026-03-29",
        "2026-03-28T23:00:00Z": "2026-03-29",
        "2026-03-29T21:59:59Z": "2026-03-29",
        "2026-03-29T22:00:00Z": "2026-03-30",
        "2026-10-24T22:00:00Z": "2026-10-25",
        "2026-10-25T01:00:00Z": "2026-10-25",
        "2026-10-25T22:59:59Z": "2026-10-25",
        "2026-10-25T23:00:00Z": "2026-10-26",
        "2026-02-28T23:00:00Z": "2026-03-01",
    }
    with shop(tmp_path) as one:
        for number, made in enumerate(days):
            moment = datetime.fromisoformat(made).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            one.work_order(f"w{number}", created_at=moment)
        one.goes()
        assert [one.order_of(f"w{number}")["ORD_DATE"] for number in range(len(days))] == list(days.values())
        one.in_step()


# deletes


def test_an_order_deleted_in_accountview_is_never_sent_again(tmp_path: Path) -> None:
    with shop(tmp_path, BOTH) as one:
        one.work_order("w1")
        one.work_order("w2")
        one.work_order("w3")
        one.goes()
        for name in ("w1", "w2"):
            one.box.accountview.remove("SO_HDR", one.werkbon(name)["order_number"])
        one.change("w1", description="Gewijzigd voordat avsync het weet")
        one.goes()
        one.goes("--full")
        for name in ("w1", "w2"):
            one.change(name, description="Nog een wijziging")
        one.rests()
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert len(one.box.crafter.records("work-orders")) == 3
        one.box.crafter.remove("work-orders", "w1")
        one.rests()
        assert len(one.box.crafter.records("work-orders")) == 2


def test_on_export_a_work_order_deleted_in_crafter_leaves_its_order_alone(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.work_order("w2")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.crafter.remove("work-orders", "w1")
        one.rests()
        one.box.accountview.edit("SO_HDR", number, COMMENT1="Toch nog iets")
        one.rests()
        assert len(one.box.crafter.records("work-orders")) == 1
        assert one.box.accountview.row("SO_HDR", number)["COMMENT1"] == "Toch nog iets"


def test_what_was_said_of_a_work_order_is_over_once_it_is_deleted(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", description="Vervangen van de circulatiepomp in de technische ruimte op zolder")
        one.goes()
        one.box.accountview.edit("SO_HDR", one.werkbon("w1")["order_number"], DEL_DATE="2026-12-01")
        one.goes()
        assert one.codes() == ["cut"]
        one.box.crafter.remove("work-orders", "w1")
        one.goes()
        assert one.codes() == []
        one.rests()


@pytest.mark.parametrize("direction", ["import", "both"])
def test_on_import_and_both_a_work_order_deleted_in_crafter_is_made_again(tmp_path: Path, direction: str) -> None:
    with shop(tmp_path, {"orders": direction}) as one:
        one.sales_order("500", PROJ_CODE="P1", DEL_DATE="2026-06-30", COMMENT2="Onderhoud")
        one.sales_order("501")
        one.goes()
        bon, _ = one.box.crafter.records("work-orders")
        one.box.crafter.remove("work-orders", bon["id"])
        one.goes()
        _, again = one.box.crafter.records("work-orders")
        same = ("order_number", "customer_id", "project_id", "work_type_id", "description", "target_date")
        assert again["id"] != bon["id"]
        assert {name: again[name] for name in same} == {name: bon[name] for name in same}
        one.in_step()


# a closed order


def test_an_edit_of_an_order_invoiced_in_accountview_is_a_problem_that_quotes_it(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.accountview.edit("SO_HDR", number, CLOSED=True)
        one.change("w1", description="Te laat")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "rejected_by_accountview"
        assert "al gefactureerd" in one.problem()["message"]
        assert one.order_of("w1")["COMMENT1"] == "Ketel w1"
        one.change("w1", description="Ketel w1")
        one.goes()
        assert one.codes() == []


def test_a_number_that_a_linked_work_order_took_by_mistake_is_free_again_in_the_same_run(tmp_path: Path) -> None:
    """The planner types the number of a new sales order over that of another work order: one is put back, the other
    gets a work order of its own, and nobody is told of a number in use."""
    with shop(tmp_path, {"orders": "both"}) as one:
        one.work_order("wo-1")
        one.goes()
        number = one.order_number()
        one.sales_order("700")
        one.change("wo-1", order_number="700")
        one.goes()
        assert one.werkbon("wo-1")["order_number"] == number
        made = [bon["description"] for bon in one.box.crafter.records("work-orders") if bon["order_number"] == "700"]
        assert made == ["Order 700"]
        assert one.codes() == ["conflict"]
        one.rests()
