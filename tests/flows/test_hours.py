"""The lines of the uren-menu as the manual promises them: every hour is booked once, as it was entered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox.accountview.names import overrides
from tests.support.comparison import look
from tests.support.office import Office, body, grow_older, shop

FLOWS = {"orders": "off", "hours": "export"}
WITH_ORDERS = {"orders": "export", "hours": "export"}


def correct(one: Office, name: str, **fields: Any) -> None:
    """A person corrects an hours line."""
    one.box.crafter.edit("hours", name, **fields)


# what is booked


def test_work_and_travel_are_booked_with_their_code_and_description(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        one.hour("h1", project_id="project-1")
        one.hour("h2", kind="travel", hours="0.25", user_id="bram", project_id="project-2")
        one.goes()
        assert one.booked() == [
            ("0101", "P1", "100", "2026-06-01", "werktijd", "7.5"),
            ("0102", "P2", "200", "2026-06-01", "reistijd", "0.25"),
        ]
        one.in_step(before)


DAYS = [
    "2026-01-01",
    "2026-01-31",
    "2026-02-28",
    "2026-03-01",
    "2026-03-28",
    "2026-03-29",
    "2026-03-30",
    "2026-10-24",
    "2026-10-25",
    "2026-10-26",
    "2026-12-31",
    "2027-01-01",
    "2028-02-29",
]


def test_the_date_is_exactly_the_one_entered_at_month_ends_and_both_clock_changes(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for number, day in enumerate(DAYS):
            one.hour(f"h{number}", date=day)
        one.goes()
        assert [row[3] for row in one.booked()] == DAYS
        for number in range(len(DAYS)):
            correct(one, f"h{number}", hours="1")
        one.goes()
        assert [row[3] for row in one.booked()] == DAYS
        one.in_step()


@pytest.mark.parametrize("moment", ["2026-05-31T22:00:00.000000Z", "2026-06-01T21:59:59.999999Z"])
def test_the_moment_of_entry_does_not_move_the_date(tmp_path: Path, moment: str) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", date="2026-05-31", created_at=moment)
        one.goes()
        assert one.booked()[0][3] == "2026-05-31"


def test_quantities_keep_their_decimals(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for number, text in enumerate(["0.25", "7.5", "-1.5", "0", "24", "0.01", "7.50"]):
            one.hour(f"h{number}", hours=text)
        one.goes()
        assert sorted(row[5] for row in one.booked()) == sorted(["0.25", "7.5", "-1.5", "0", "24", "0.01", "7.5"])
        one.in_step()


def test_a_quantity_with_too_many_decimals_is_rounded_with_a_warning(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", hours="1.005")
        one.goes()
        assert one.booked()[0][5] == "1.01"
        assert (one.problem()["code"], one.problem()["severity"]) == ("rounded", "warning")
        assert "rounded" in one.told("h1")[0]
        one.rests()
        correct(one, "h1", hours="1")
        one.goes()
        assert one.codes() == []
        assert one.told("h1") == []
        one.in_step()


def test_three_hundred_lines_go_in_one_run(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        for number in range(300):
            one.hour(
                f"h{number}",
                hours=str(number % 9 + 1),
                project_id="project-1",
                date=f"2026-06-{number % 30 + 1:02}",
            )
        one.goes()
        assert len(one.booked()) == 300
        one.in_step(before)


# corrected, deleted


def test_a_line_corrected_after_export_is_corrected_and_only_what_changed_is_sent(tmp_path: Path) -> None:
    edits = [
        ({"hours": "6.25"}, {"HRS_QTY"}),
        ({"date": "2026-06-02"}, {"HRS_DATE"}),
        ({"kind": "travel"}, {"HRS_CODE", "HRS_DESC"}),
        ({"project_id": "project-2"}, {"PROJ_CODE"}),
        ({"project_id": None}, {"PROJ_CODE"}),
        ({"user_id": "bram"}, {"EMP_NR"}),
    ]
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", project_id="project-1")
        one.goes()
        for fields, columns in edits:
            correct(one, "h1", **fields)
            one.box.requests.clear()
            one.goes()
            (put,) = one.sent("accountview")
            names = {field["Name"] for field in body(put)["Table"]["Definition"]["Fields"]}
            assert names == columns | {"RowId"}
            assert put.method == "PUT"
        assert one.booked() == [("0102", "", "200", "2026-06-02", "reistijd", "6.25")]
        one.in_step()


def test_a_line_changed_while_it_waits_is_booked_as_it_is_now(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code=None)
        one.hour("h1", hours="2")
        one.hour("h2", hours="3")
        assert one.run()["exit"] == 1
        correct(one, "h1", hours="4")
        one.box.crafter.remove("hours", "h2")
        assert one.run()["exit"] == 1
        one.box.crafter.edit("users", "anja", unique_code="0101")
        one.goes()
        assert [row[5] for row in one.booked()] == ["4"]
        one.in_step()


def test_a_line_deleted_in_crafter_is_left_alone_and_told(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", project_id="project-1")
        one.hour("h2")
        one.hour("h3", date="2025-12-31")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        one.box.crafter.remove("hours", "h3")
        one.goes()
        assert len(one.booked()) == 2
        found = one.problem()
        assert (found["code"], found["severity"], found["who"]) == ("hour_deleted", "warning", "bookkeeper")
        for part in ("Anja Bos", "1 June 2026", "working time", "7.5", "P1", "Project P1"):
            assert part in found["message"], part
        assert "Anja Bos" in one.told("project-1")[0]
        one.rests()


@pytest.mark.parametrize("hours", ["7.5", "6"])
@pytest.mark.parametrize("ext_id", [True, False])
@pytest.mark.parametrize("between", [True, False])
def test_a_line_entered_again_is_a_correction_and_no_second_booking(
    tmp_path: Path, hours: str, ext_id: bool, between: bool
) -> None:
    with shop(tmp_path, FLOWS, ext_id=ext_id) as one:
        one.hour("h1", project_id="project-1")
        one.hour("x1", project_id="project-2")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        if between:
            one.goes()
        one.hour("h2", project_id="project-1", hours=hours)
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("P1", hours), ("P2", "7.5")]
        assert one.codes() == []
        one.rests()
        correct(one, "h2", hours="3")
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("P1", "3"), ("P2", "7.5")]
        one.in_step()
        for file in one.state.glob("state.db*"):  # and it bears the new line's mark
            file.unlink()
        one.goes()
        one.goes()
        assert len(one.booked()) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"project_id": "project-2"},
        {"date": "2026-06-02"},
        {"kind": "travel"},
        {"user_id": "bram"},
        {"project_id": None},
    ],
)
def test_a_line_of_another_day_kind_project_or_person_is_a_booking_of_its_own(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", project_id="project-1")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        one.hour("h2", **{"project_id": "project-1", **other})
        one.goes()
        assert len(one.booked()) == 2
        assert one.codes() == ["hour_deleted"]
        one.rests()


def test_of_two_deleted_lines_each_new_one_takes_one_and_the_rest_stays_told(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name, hours in (("h1", "4"), ("h2", "3")):
            one.hour(name, hours=hours)
        one.goes()
        for name in ("h1", "h2"):
            one.box.crafter.remove("hours", name)
        one.hour("h3", hours="3")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["3", "4"]
        assert "4" in one.problem()["message"], "the equal one was taken"
        one.hour("h4", hours="5")
        one.hour("h5", hours="5")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["3", "5", "5"]
        assert one.codes() == []
        one.in_step()


def test_a_deleted_line_that_the_bookkeeper_removed_as_advised_is_booked_anew(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1")
        one.hour("h2", date="2026-06-02")
        one.goes()
        for name in ("h1", "h2"):
            one.box.crafter.remove("hours", name)
        one.goes()
        first, second = one.box.accountview.rows("HRS_LINE")
        one.box.accountview.remove("HRS_LINE", first["REC_ID"])
        one.box.accountview.edit("HRS_LINE", second["REC_ID"], PROJ_CODE="P3")  # used for something else
        one.hour("h3")
        one.hour("h4", date="2026-06-02")
        one.goes()
        assert [(row[1], row[3]) for row in one.booked()] == [
            ("", "2026-06-01"),
            ("", "2026-06-02"),
            ("P3", "2026-06-02"),
        ]
        one.rests()


def test_what_is_told_of_a_deleted_line_ends_when_its_row_is_gone_or_after_thirty_days(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name in ("h1", "h2", "h3"):
            one.hour(name)
        one.goes()
        for name in ("h1", "h2", "h3"):
            one.box.crafter.remove("hours", name)
        one.goes()
        assert one.codes() == ["hour_deleted"] * 3
        one.box.accountview.remove("HRS_LINE", one.box.accountview.rows("HRS_LINE")[0]["REC_ID"])
        one.goes("--full")
        assert one.codes() == ["hour_deleted"] * 2
        assert one.avsync("errors", "--ignore", str(one.errors()[0]["id"])).exit == 0
        assert one.codes() == ["hour_deleted"]
        grow_older(one, 29)
        one.goes()
        assert one.codes() == ["hour_deleted"]
        grow_older(one, 2)
        one.goes()
        assert one.codes() == []


def test_a_line_that_comes_back_from_the_dead_is_the_line_it_was(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        one.goes()
        one.box.crafter.restore("hours", "h1")
        correct(one, "h1", hours="2")
        one.goes()
        assert [row[5] for row in one.booked()] == ["2"]
        assert one.codes() == []
        one.in_step()


def test_a_line_deleted_in_accountview_is_never_sent_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1")
        one.hour("h2")
        one.goes()
        for row in one.box.accountview.rows("HRS_LINE"):
            one.box.accountview.remove("HRS_LINE", row["REC_ID"])
        one.rests()
        correct(one, "h1", hours="1")
        one.goes()
        correct(one, "h1", hours="2")
        one.rests()
        assert one.booked() == []
        assert one.codes() == []


def test_a_line_corrected_in_accountview_stays_until_crafter_says_otherwise(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", hours="8")
        one.goes()
        (row,) = one.box.accountview.rows("HRS_LINE")
        one.box.accountview.edit("HRS_LINE", row["REC_ID"], HRS_QTY="7", HRS_DESC="overleg")
        one.rests()
        correct(one, "h1", date="2026-06-03")
        one.goes()
        assert one.booked() == [("0101", "", "100", "2026-06-03", "overleg", "7")]
        one.rests()


# twins


@pytest.mark.parametrize("ext_id", [True, False])
def test_identical_lines_stay_two_also_after_a_correction(tmp_path: Path, ext_id: bool) -> None:
    with shop(tmp_path, FLOWS, ext_id=ext_id) as one:
        before = look(one.box)
        for name in ("h1", "h2", "h3"):
            one.hour(name, project_id="project-1")
        one.goes()
        assert [row[5] for row in one.booked()] == ["7.5", "7.5", "7.5"]
        one.in_step(before)
        correct(one, "h2", hours="1")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["1", "7.5", "7.5"]
        one.in_step(before)
        one.hour("h4", project_id="project-1")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["1", "7.5", "7.5", "7.5"]
        one.in_step(before)


@pytest.mark.parametrize("ext_id", [True, False])
def test_lines_whose_answer_has_no_body_are_booked_once(tmp_path: Path, ext_id: bool) -> None:
    with shop(tmp_path, FLOWS, ext_id=ext_id, empty_write_body=True) as one:
        before = look(one.box)
        for name in ("h1", "h2"):
            one.hour(name)
        one.hour("h3", hours="1")
        one.run()
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["1", "7.5", "7.5"]
        correct(one, "h1", hours="2")
        correct(one, "h3", hours="3")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["2", "3", "7.5"]
        one.in_step(before)


DOUBTS = [{"empty_write_body": True}, {"faults": [{"method": "POST", "path": "accountviewdata", "do": "commit_drop"}]}]


@pytest.mark.parametrize("doubt", DOUBTS, ids=["no body", "no answer"])
@pytest.mark.parametrize("ext_id", [True, False])
def test_what_accountview_fills_in_by_itself_makes_no_other_line_of_it(
    tmp_path: Path, doubt: dict[str, Any], ext_id: bool
) -> None:
    """A line without a project gets one there; it is still the line that was sent (behaviour 5)."""
    with shop(tmp_path, FLOWS, ext_id=ext_id, fills={("HRS_LINE", "PROJ_CODE"): "P3"}, **doubt) as one:
        for name in ("h1", "h2"):  # twins
            one.hour(name)
        one.hour("h3", project_id="project-1")
        one.run()
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("P1", "7.5"), ("P3", "7.5"), ("P3", "7.5")]
        correct(one, "h2", hours="2")
        one.goes()
        assert sorted((row[1], row[5]) for row in one.booked()) == [("P1", "7.5"), ("P3", "2"), ("P3", "7.5")]
        one.rests()


def test_after_lost_state_a_line_takes_the_row_that_says_most_of_what_it_says(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, ext_id=False) as one:
        one.hour("h1", project_id="project-1")
        one.hour("h2")
        one.goes()
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        correct(one, "h2", hours="2")
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("", "2"), ("P1", "7.5")]
        one.in_step()


# projects


def test_without_a_project_of_its_own_a_line_takes_that_of_its_work_order(tmp_path: Path) -> None:
    for flows in (FLOWS, WITH_ORDERS, {"orders": "both", "hours": "export"}):
        folder = tmp_path / flows["orders"]
        folder.mkdir()
        with shop(folder, flows) as one:
            one.work_order("w1", project_id="project-1")
            one.work_order("w2")
            one.work_order("oud", project_id="project-2", created_at="2025-06-01T10:00:00.000000Z")
            one.hour("h1", work_order_id="w1")
            one.hour("h2", work_order_id="w1", project_id="project-3")
            one.hour("h3", work_order_id="w2")
            one.hour("h4", work_order_id="oud")
            one.goes()
            assert [row[1] for row in one.booked()] == ["", "P1", "P2", "P3"]
            one.in_step()


def test_a_line_of_a_work_order_whose_own_order_is_refused_still_goes(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.box.accountview.edit("CONTACT", "10001", BLK_SP=True)
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        assert one.run()["exit"] == 1
        assert one.codes() == ["rejected_by_accountview"]
        assert [row[1] for row in one.booked()] == ["P1"]


def test_a_line_takes_the_project_that_its_work_order_has_now(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1", project_id="project-1")
        one.goes()
        known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-9", project_code="P9", **known)
        one.change("w1", project_id="project-9")
        one.hour("h1", work_order_id="w1")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert (found["code"], found["count"]) == ("project_unknown", 2)
        assert one.booked() == []
        one.change("w1", project_id="project-2")
        one.goes()
        assert [row[1] for row in one.booked()] == ["P2"]
        one.in_step()


@pytest.mark.parametrize("orders", ["off", "export", "import", "both"])
def test_a_booked_line_follows_the_project_of_its_work_order(tmp_path: Path, orders: str) -> None:
    with shop(tmp_path, {"orders": orders, "hours": "export"}) as one:
        one.work_order("w1")
        one.work_order("oud", created_at="2025-06-01T10:00:00.000000Z")
        one.hour("h1", work_order_id="w1")
        one.hour("h2", work_order_id="w1", project_id="project-3")
        one.hour("h3", work_order_id="oud", hours="1")
        one.goes()
        assert [row[1] for row in one.booked()] == ["", "", "P3"]
        for project, code in (("project-1", "P1"), ("project-2", "P2"), (None, "")):
            one.change("w1", project_id=project)
            one.change("oud", project_id=project)
            one.box.requests.clear()
            one.goes()
            assert [row[1] for row in one.booked()] == sorted([code, code, "P3"])
            puts = [names for names in one.columns_sent() if "HRS" in str(names) or names == ["PROJ_CODE"]]
            assert puts.count(["PROJ_CODE"]) >= 2
            one.rests()
        one.in_step(but=("oud",))


def test_a_line_that_shows_again_as_it_was_follows_its_work_order_all_the_same(tmp_path: Path) -> None:
    """A line that somebody opened and saved, or corrected and put back, in the same ten minutes."""
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        one.change("w1", project_id="project-1")
        correct(one, "h1", hours="3")
        correct(one, "h1", hours="7.5")
        one.goes()
        assert [row[1] for row in one.booked()] == ["P1"]
        one.rests()
        one.in_step()


@pytest.mark.parametrize("orders", ["import", "both"])
def test_a_line_follows_a_project_that_its_work_order_got_in_accountview(tmp_path: Path, orders: str) -> None:
    """What avsync itself wrote into the work order is followed like what a planner did."""
    with shop(tmp_path, {"orders": orders, "hours": "export"}) as one:
        one.sales_order("500")
        one.goes()
        (job,) = one.box.crafter.records("work-orders")
        one.hour("h1", work_order_id=job["id"])
        one.goes()
        assert [row[1] for row in one.booked()] == [""]
        one.box.accountview.edit("SO_HDR", "500", PROJ_CODE="P1")
        one.goes()
        one.goes()
        assert [row[1] for row in one.booked()] == ["P1"]
        one.rests()
        one.in_step()


def test_following_a_work_order_costs_a_quiet_run_nothing_more(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        for number in range(5):
            one.work_order(f"w{number}", created_at=f"202{5 + number % 2}-06-01T10:00:00.000000Z")
            one.hour(f"h{number}", work_order_id=f"w{number}")
        one.goes()
        one.goes()
        one.box.requests.clear()
        one.goes()
        quiet = len(one.box.requests)
        one.change("w1", description="Zonder project, als voorheen")
        one.goes()
        one.goes()
        one.box.requests.clear()
        one.goes()
        assert len(one.box.requests) == quiet


def test_a_line_whose_work_order_got_a_project_that_accountview_lacks_says_so_and_follows_later(
    tmp_path: Path,
) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-9", project_code="P9", **known)
        one.change("w1", project_id="project-9")
        assert one.run()["exit"] == 1
        assert (one.problem()["code"], one.problem()["count"]) == ("project_unknown", 2)
        assert [row[1] for row in one.booked()] == ["P1"]
        one.rests(exit_code=1)
        books = {"PROJ_DESC": "Alleen hier", "SUB_NR": "10001", "PRO_TYPE": "ONDERHOUD"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", **books)
        one.goes()
        assert [row[1] for row in one.booked()] == ["P9"]
        assert one.codes() == []
        one.in_step()


def test_a_bookkeepers_project_on_a_line_stays_until_the_work_order_gets_another(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        (row,) = one.box.accountview.rows("HRS_LINE")
        one.box.accountview.edit("HRS_LINE", row["REC_ID"], PROJ_CODE="P3")
        one.change("w1", description="Alleen de tekst")
        correct(one, "h1", hours="2")
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("P3", "2")]
        one.change("w1", project_id="project-2")
        one.goes()
        assert [row[1] for row in one.booked()] == ["P2"]


@pytest.mark.parametrize("orders", ["off", "export", "both"])
def test_a_booked_line_keeps_its_project_when_its_work_order_is_deleted(tmp_path: Path, orders: str) -> None:
    with shop(tmp_path, {"orders": orders, "hours": "export"}) as one:
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        one.box.crafter.remove("work-orders", "w1")
        one.goes()
        correct(one, "h1", hours="2")
        one.goes()
        assert [(row[1], row[5]) for row in one.booked()] == [("P1", "2")]
        assert one.codes() == []
        one.rests()


def test_a_line_that_gets_a_project_of_its_own_no_longer_follows(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        correct(one, "h1", project_id="project-1")
        one.goes()
        one.change("w1", project_id="project-2")
        one.goes()
        assert [row[1] for row in one.booked()] == ["P1"]
        correct(one, "h1", project_id=None)
        one.goes()
        assert [row[1] for row in one.booked()] == ["P2"]
        one.in_step()


def test_a_line_of_a_work_order_that_is_gone_goes_without_a_project_and_says_so(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", work_order_id="weg")
        one.hour("h2")
        one.goes()
        assert one.problem()["code"] == "hour_order_gone"
        assert sorted(row[1] for row in one.booked()) == ["", ""]
        one.goes()  # there is no work order to tell it on
        assert "deleted" in one.told("h1")[0]
        one.rests()
        correct(one, "h1", work_order_id=None)
        one.goes()
        assert len(one.booked()) == 2
        assert one.codes() == []
        one.in_step()


def test_without_any_project_the_column_is_left_out(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1")
        one.goes()
        (post,) = one.sent("accountview")
        assert "PROJ_CODE" not in post.body
        assert [row[1] for row in one.booked()] == [""]


def test_without_any_project_a_line_is_a_problem_where_the_column_is_mandatory(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, project_on_hours=True) as one:
        one.work_order("w1")
        one.hour("h1")
        one.hour("h2", work_order_id="w1")
        one.hour("h3", project_id="project-1")
        assert one.run()["exit"] == 1
        assert one.codes() == ["hour_without_project"] * 2
        assert "project" in one.told("h1")[0]
        assert [row[1] for row in one.booked()] == ["P1"]
        correct(one, "h1", project_id="project-2")
        correct(one, "h2", project_id="project-2")
        one.goes()
        assert one.codes() == []
        assert [row[1] for row in one.booked()] == ["P1", "P2", "P2"]
        one.in_step()


def test_hours_on_a_project_that_accountview_closed_are_a_problem_in_its_own_words(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.edit("PROJECTS", "P1", END_DATE="2026-01-31")
        one.hour("h1", project_id="project-1")
        one.hour("h2", project_id="project-2")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "rejected_by_accountview"
        assert "afgesloten" in one.problem()["message"]
        assert "afgesloten" in one.told("project-1")[0]
        assert [row[1] for row in one.booked()] == ["P2"]
        one.box.accountview.edit("PROJECTS", "P1", END_DATE="")
        one.goes()
        assert one.codes() == []
        assert len(one.booked()) == 2
        one.in_step()


def test_hours_on_a_project_that_accountview_does_not_know_are_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-9", project_code="P9", **known)
        one.hour("h1", project_id="project-9")
        one.hour("h2", project_id="verdwenen")
        one.hour("h3")
        assert one.run()["exit"] == 1
        assert one.codes() == ["project_unknown", "project_unknown"]
        assert len(one.booked()) == 1
        assert any("P9" in found["message"] for found in one.errors())


def test_hours_of_a_project_deleted_in_accountview_are_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        one.box.accountview.remove("PROJECTS", "P1")
        one.hour("h1", project_id="project-1")
        assert one.run("--full")["exit"] == 1
        assert one.problem()["code"] == "parent_gone"
        assert "P1" in one.problem()["message"]
        assert one.booked() == []


# employees


def test_a_user_without_unieke_code_is_one_problem_that_names_the_user(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code=None)
        for number in range(5):
            one.hour(f"h{number}", hours=str(number + 1))
        one.hour("bram", user_id="bram")
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = one.problem()
            assert (found["code"], found["kind"], found["name"]) == ("user_without_code", "user", "Anja Bos")
            assert "Anja Bos" in found["message"]
            assert "Unieke code" in found["hint"]
        assert len(one.booked()) == 1
        one.box.crafter.edit("users", "anja", unique_code="0101")
        one.goes()
        assert one.codes() == []
        assert len(one.booked()) == 6
        one.in_step()


@pytest.mark.parametrize("code", ["", "  "])
def test_an_empty_unieke_code_is_none(tmp_path: Path, code: str) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code=code)
        one.hour("h1")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "user_without_code"


def test_the_problem_of_a_user_ends_with_the_last_line_that_waits_for_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code=None)
        one.hour("h1")
        one.hour("h2")
        assert one.run()["exit"] == 1
        correct(one, "h1", user_id="bram")
        one.box.crafter.remove("hours", "h2")
        one.goes()
        assert one.codes() == []
        assert [row[0] for row in one.booked()] == ["0102"]


def test_an_employee_number_that_accountview_does_not_know_is_one_problem_that_names_the_user(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code="7777")
        one.hour("h1")
        one.hour("h2")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert found["code"] == "employee_unknown"
        assert "7777" in found["message"]
        assert "Anja Bos" in found["message"]
        one.box.accountview.add("EMPLOYEE", EMP_NR="7777", EMP_NAME="Anja Bos")
        one.goes()
        assert [row[0] for row in one.booked()] == ["7777", "7777"]
        one.in_step()


def test_leading_zeros_of_an_employee_number_count(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.add("EMPLOYEE", EMP_NR="101", EMP_NAME="Iemand anders")
        one.box.crafter.edit("users", "bram", unique_code="101")
        one.hour("h1")
        one.hour("h2", user_id="bram")
        one.goes()
        assert [row[0] for row in one.booked()] == ["0101", "101"]
        one.in_step()


def test_hours_of_an_inactive_user_still_go(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", active=False)
        one.hour("h1")
        one.goes()
        assert [row[0] for row in one.booked()] == ["0101"]
        one.in_step()


def test_hours_of_a_user_that_is_not_there_are_one_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", user_id="verdwenen")
        one.hour("h2", user_id="verdwenen")
        one.hour("h3")
        assert one.run()["exit"] == 1
        assert (one.problem()["code"], one.problem()["count"]) == ("user_missing", 2)
        assert "verdwenen" not in one.problem()["message"], "nobody knows it by that"
        assert len(one.booked()) == 1


def test_hours_of_an_employee_blocked_in_accountview_are_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.edit("EMPLOYEE", "0101", REC_BLK=True)
        one.hour("h1")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "rejected_by_accountview"
        assert "geblokkeerd" in one.problem()["message"]
        one.box.accountview.edit("EMPLOYEE", "0101", REC_BLK=False)
        one.goes()
        one.in_step()


def test_hours_of_a_user_deleted_in_crafter_still_go_under_his_number(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", hours="1")
        one.goes()
        one.hour("h2", hours="2")
        one.box.crafter.remove("users", "anja")
        one.goes()
        correct(one, "h1", hours="3")
        one.goes()
        assert [(row[0], row[5]) for row in one.booked()] == [("0101", "2"), ("0101", "3")]
        one.rests()


def test_a_deleted_user_is_named_where_his_hours_cannot_go(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "anja", unique_code=None)
        one.box.crafter.edit("users", "bram", unique_code="7777")
        for name in ("anja", "bram"):
            one.hour(f"{name}-1", user_id=name)
            one.hour(f"{name}-2", user_id=name)
            one.box.crafter.remove("users", name)
        assert one.run()["exit"] == 1
        said = {problem["code"]: problem for problem in one.errors()}
        assert set(said) == {"user_gone_without_code", "employee_unknown"}
        assert "Anja Bos was deleted" in said["user_gone_without_code"]["message"]
        assert "Restore Anja Bos" in said["user_gone_without_code"]["hint"]
        assert "Bram Kok" in said["employee_unknown"]["message"]
        one.rests(exit_code=1)


def test_an_account_that_was_made_again_is_no_second_employee(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", hours="1")
        one.box.crafter.remove("users", "anja")
        one.box.crafter.add("users", id="anja-2", name="Anja Bos-Smit", unique_code="0101")
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="0101")
        one.hour("h2", user_id="anja-2", hours="2")
        one.goes()
        assert one.codes() == []
        assert [(row[0], row[5]) for row in one.booked()] == [("0101", "1"), ("0101", "2")]
        assert one.box.crafter.record("projects", "project-1")["responsible_user_id"] == "anja-2"
        one.rests()


def test_two_users_with_one_unieke_code_both_get_their_hours(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.edit("users", "bram", unique_code="0101")
        one.hour("h1", hours="1")
        one.hour("h2", hours="2", user_id="bram")
        one.goes()
        assert [(row[0], row[5]) for row in one.booked()] == [("0101", "1"), ("0101", "2")]
        one.in_step()


# time codes


def test_an_unknown_time_code_is_found_by_check_and_stops_the_run_before_any_hour(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.config["time_codes"] = {"work": "100", "travel": "999"}
        one.hour("h1")
        checked = one.avsync("--json", "check")
        assert checked.exit == 2
        assert "999" in checked.out
        ran = one.avsync("run-all")
        assert ran.exit == 2
        assert "999" in ran.err
        assert one.booked() == []
        assert one.problem()["code"] == "time_codes_unknown"
        one.config["time_codes"] = {"work": "100", "travel": "200"}
        assert one.avsync("check").exit == 0
        one.goes()
        assert one.codes() == []
        assert len(one.booked()) == 1


def test_time_codes_are_text_and_compared_in_upper_case(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.add("HRS_CODE", HRS_CODE="0W", HRS_DESC="Werk")
        one.config["time_codes"] = {"work": "0w", "travel": "200"}
        one.hour("h1")
        one.goes()
        assert one.booked()[0][2] == "0W"
        one.rests()


@pytest.mark.parametrize("kind", ["time_code", "employee"])
def test_without_a_list_to_look_in_accountview_judges_line_by_line(tmp_path: Path, kind: str) -> None:
    with shop(tmp_path, FLOWS, names="other") as one:
        one.config["accountview"]["schema"] = {
            name: parts for name, parts in overrides("other").items() if name not in (kind, "contact")
        }
        one.hour("h1")
        one.goes()
        assert len(one.booked()) == 1
        one.box.crafter.edit("users", "bram", unique_code="7777")
        one.hour("h2", user_id="bram")
        assert one.run()["exit"] == 1
        expected = {"employee": "rejected_by_accountview", "time_code": "employee_unknown"}
        assert one.problem()["code"] == expected[kind]


# what cannot be read


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "verlof"}, {"kind": None}, {"date": "2026-11-31"}, {"date": None}, {"hours": "acht"}, {"hours": None},
     {"user_id": None}],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_a_problem_and_the_others_go(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", **wrong)
        one.hour("h2")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "unreadable"
        assert len(one.booked()) == 1
        right = {"kind": "work", "date": "2026-06-09", "hours": "8", "user_id": "anja"}
        correct(one, "h1", **{name: right[name] for name in wrong})
        one.goes()
        assert one.codes() == []
        assert len(one.booked()) == 2
        one.in_step()


# start_date


def test_only_the_date_of_the_line_counts_for_start_date(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", date="2025-12-31")
        one.hour("h2", date="2026-01-01", created_at="2025-12-20T10:00:00.000000Z")
        one.goes()
        assert [row[3] for row in one.booked()] == ["2026-01-01"]
        correct(one, "h1", hours="1")
        one.rests()
        correct(one, "h1", date="2026-01-02")
        one.goes()
        assert [row[3] for row in one.booked()] == ["2026-01-01", "2026-01-02"]
        one.in_step()


def test_the_work_orders_own_date_does_not_matter_for_its_hours(tmp_path: Path) -> None:
    with shop(tmp_path, WITH_ORDERS) as one:
        one.work_order("w1", created_at="2025-06-01T10:00:00.000000Z", project_id="project-1")
        one.hour("h1", work_order_id="w1")
        one.goes()
        assert [row[1] for row in one.booked()] == ["P1"]
        assert one.box.accountview.rows("SO_HDR") == []
        one.change("w1", description="Later")
        one.rests()


def test_a_line_entered_again_that_accountview_refuses_is_told_of_as_crafter_has_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", project_id="project-1")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        one.hour("h2", project_id="project-1", hours="3")
        one.box.accountview.edit("PROJECTS", "P1", END_DATE="2026-05-31")
        assert one.run()["exit"] == 1
        (found,) = [row for row in one.errors() if row["severity"] == "error"]
        assert (found["side"], found["record"], found["code"]) == ("crafter", "h2", "rejected_by_accountview")
        assert "3 hours of working time" in found["name"]
        one.box.accountview.edit("PROJECTS", "P1", END_DATE="")
        one.goes()
        assert [row[5] for row in one.booked()] == ["3"]
        one.in_step()


def test_lines_follow_their_work_order_though_its_order_was_deleted_at_the_same_time(tmp_path: Path) -> None:
    """That only the refused write finds out; the project on the work order holds for the hours all the same."""
    with shop(tmp_path, {**FLOWS, "orders": "export"}) as one:
        one.work_order("wo-1")
        one.hour("h1", work_order_id="wo-1")
        one.goes()
        one.rests()
        one.change("wo-1", project_id="project-1")
        one.box.accountview.remove("SO_HDR", one.order_number())
        one.goes()
        assert [row[1] for row in one.booked()] == ["P1"]
        one.rests()
