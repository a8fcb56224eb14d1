"""Hours that stand on sheets of an employee and a period, and hours without a column of changes (AccountView contract
5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.comparison import look
from tests.support.office import Office, shop

FLOWS = {"orders": "off", "hours": "export"}
SHEET = {"table": "HRS_HDR", "key": "SHT_NR", "columns": {"employee": "EMP_NR", "period_start": "BEG_DATE"}}
NO_CHANGES = frozenset({("HRS_LINE", "CNG_DATE")})
SHAPES = [{}, {"lacking": NO_CHANGES}, {"ext_id": False}, {"ext_id": False, "lacking": NO_CHANGES}]


@contextmanager
def sheets(folder: Path, header: dict[str, Any] | None = None, flows: Any = None, **options: Any) -> Iterator[Office]:
    """An office whose AccountView keeps hours on sheets, and whose config says so."""
    with shop(folder, flows or FLOWS, hours="sheets", **options) as one:
        one.config["accountview"]["schema"] = {"hour": {"header": {**SHEET, **(header or {})}}}
        yield one


def on_sheets(one: Office) -> list[tuple[str, str, int]]:
    """(employee, first day, number of lines) of each sheet."""
    lines = [row["SHT_NR"] for row in one.box.accountview.rows("HRS_LINE")]
    rows = one.box.accountview.rows("HRS_HDR")
    return sorted((row["EMP_NR"], row["BEG_DATE"], lines.count(row["SHT_NR"])) for row in rows)


def correct(one: Office, name: str, **fields: Any) -> None:
    one.box.crafter.edit("hours", name, **fields)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sheet_is_made_with_its_first_line_and_the_others_are_added_under_it(
    tmp_path: Path, shape: dict[str, Any]
) -> None:
    with sheets(tmp_path, **shape) as one:
        before = look(one.box)
        for number, day in enumerate(("2026-06-01", "2026-06-07", "2026-06-08", "2026-06-03")):
            one.hour(f"h{number}", date=day, project_id="project-1")
        one.hour("h5", user_id="bram", kind="travel", hours="0.25")
        one.hour("h6", date="2026-06-03", project_id="project-1")  # a twin
        one.goes()
        assert on_sheets(one) == [("0101", "2026-06-01", 4), ("0101", "2026-06-08", 1), ("0102", "2026-06-01", 1)]
        assert len(one.booked()) == 6
        one.in_step(before)
        one.hour("h7", date="2026-06-05")
        one.goes()
        assert on_sheets(one)[0] == ("0101", "2026-06-01", 5)
        one.in_step(before)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_line_is_corrected_on_its_sheet(tmp_path: Path, shape: dict[str, Any]) -> None:
    with sheets(tmp_path, **shape) as one:
        one.hour("h1", project_id="project-1")
        one.hour("h2", project_id="project-1")
        one.goes()
        for fields in ({"hours": "6.25"}, {"date": "2026-06-05"}, {"kind": "travel"}, {"project_id": None}):
            correct(one, "h1", **fields)
            one.goes()
            one.rests()
        untouched = ("0101", "P1", "100", "2026-06-01", "werktijd", "7.5")
        assert one.booked() == [("0101", "", "200", "2026-06-05", "reistijd", "6.25"), untouched]
        assert on_sheets(one) == [("0101", "2026-06-01", 2)]
        one.in_step()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", [{"date": "2026-06-12"}, {"user_id": "bram"}, {"date": "2026-06-12", "hours": "2"}])
def test_a_line_that_moves_to_another_sheet_counts_there_and_no_longer_where_it_was(
    tmp_path: Path, change: dict[str, Any], shape: dict[str, Any]
) -> None:
    with sheets(tmp_path, **shape) as one:
        one.hour("h1", project_id="project-1")
        one.hour("h2", project_id="project-1", hours="1")
        one.goes()
        correct(one, "h1", **change)
        one.goes()
        counted = [row for row in one.booked() if row[5] != "0"]
        assert len(counted) == 2
        assert len(one.booked()) == 3
        moved = next(row for row in counted if row[5] != "1")
        assert (moved[0], moved[3]) == ("0102" if "user_id" in change else "0101", change.get("date", "2026-06-01"))
        assert moved[5] == change.get("hours", "7.5")
        assert (one.problem()["code"], one.problem()["severity"]) == ("hour_moved", "warning")
        one.rests()
        correct(one, "h1", hours="3")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["0", "1", "3"]
        correct(one, "h1", date="2026-06-01", user_id="anja")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["0", "0", "1", "3"]
        one.rests()


def test_a_month_is_a_period_too(tmp_path: Path) -> None:
    with sheets(tmp_path, {"period": "month"}, sheet_period="month") as one:
        for number, day in enumerate(("2026-06-01", "2026-06-30", "2026-07-01")):
            one.hour(f"h{number}", date=day)
        one.goes()
        assert on_sheets(one) == [("0101", "2026-06-01", 2), ("0101", "2026-07-01", 1)]
        one.in_step()


def test_a_closed_sheet_is_a_problem_that_names_it_and_other_sheets_go(tmp_path: Path) -> None:
    with sheets(tmp_path) as one:
        one.hour("h1")
        one.goes()
        (sheet,) = one.box.accountview.rows("HRS_HDR")
        one.box.accountview.edit("HRS_HDR", sheet["SHT_NR"], CLOSED=True)
        one.hour("h2")
        one.hour("h3", date="2026-06-08")
        correct(one, "h1", hours="2")
        assert one.run()["exit"] == 1
        assert (one.problem()["code"], one.problem()["count"]) == ("rejected_on_sheet", 2)
        assert f"sheet {sheet['SHT_NR']}" in one.problem()["message"]
        assert "afgesloten" in one.problem()["message"]
        assert on_sheets(one) == [("0101", "2026-06-01", 1), ("0101", "2026-06-08", 1)]
        one.box.accountview.edit("HRS_HDR", sheet["SHT_NR"], CLOSED=False)
        one.goes()
        assert one.codes() == []
        assert sorted(row[5] for row in one.booked()) == ["2", "7.5", "7.5"]
        one.in_step()


def test_where_avsync_may_make_no_sheets_a_missing_one_is_a_problem_until_somebody_makes_it(tmp_path: Path) -> None:
    with sheets(tmp_path, {"create": False}) as one:
        one.box.accountview.add("HRS_HDR", EMP_NR="0101", BEG_DATE="2026-06-01")
        one.hour("h1")
        one.hour("h2", date="2026-06-10")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "sheet_missing"
        assert "0101" in one.problem()["message"]
        assert "2026-06-08" in one.problem()["message"]
        assert on_sheets(one) == [("0101", "2026-06-01", 1)]
        one.box.accountview.add("HRS_HDR", EMP_NR="0101", BEG_DATE="2026-06-08")
        one.goes()
        assert on_sheets(one) == [("0101", "2026-06-01", 1), ("0101", "2026-06-08", 1)]
        assert one.codes() == []
        one.in_step()


DOUBTS = ["commit_drop", "drop", "commit_500", "cut", "html"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("do", DOUBTS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_no_sheet_and_no_line_is_doubled_when_an_answer_is_lost(
    tmp_path: Path, do: str, method: str, shape: dict[str, Any]
) -> None:
    with sheets(tmp_path, **shape) as one:
        before = look(one.box)
        one.box.faults.add(side="accountview", method=method, path="accountviewdata", do=do)
        for name in ("h1", "h2"):  # twins
            one.hour(name)
        one.hour("h3", date="2026-06-02", hours="3")
        for _ in range(3):
            one.run()
        one.goes()
        assert on_sheets(one) == [("0101", "2026-06-01", 3)]
        assert sorted(row[5] for row in one.booked()) == ["3", "7.5", "7.5"]
        assert one.codes() == []
        one.in_step(before)


@pytest.mark.parametrize("shape", [{"empty_write_body": True}, {"nest_details": True, "bare_single": True}])
@pytest.mark.parametrize("ext_id", [True, False])
def test_a_line_is_known_again_whatever_the_shape_of_the_answer(
    tmp_path: Path, shape: dict[str, Any], ext_id: bool
) -> None:
    with sheets(tmp_path, ext_id=ext_id, **shape) as one:
        before = look(one.box)
        for name in ("h1", "h2"):
            one.hour(name)
        one.hour("h3", date="2026-06-09", hours="3")
        one.run()
        one.goes()
        correct(one, "h2", hours="1")
        one.goes()
        assert sorted(row[5] for row in one.booked()) == ["1", "3", "7.5"]
        one.in_step(before)


@pytest.mark.parametrize("shape", SHAPES)
def test_after_lost_state_every_line_is_found_again_on_its_sheet(tmp_path: Path, shape: dict[str, Any]) -> None:
    with sheets(tmp_path, **shape) as one:
        for number in range(12):
            one.hour(f"h{number}", date=f"2026-0{5 + number % 3}-1{number % 5}", hours=str(number % 4 + 1))
        one.goes()
        count = on_sheets(one)
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.box.requests.clear()
        one.goes()
        assert one.sent("accountview") == []
        correct(one, "h3", hours="9")
        one.goes()
        assert on_sheets(one) == count
        one.in_step()


def test_a_line_entered_again_takes_the_booked_one_over_on_its_sheet(tmp_path: Path) -> None:
    with sheets(tmp_path) as one:
        one.hour("h1")
        one.goes()
        one.box.crafter.remove("hours", "h1")
        one.goes()
        assert one.codes() == ["hour_deleted"]
        one.hour("h2", hours="6")
        one.goes()
        assert [row[5] for row in one.booked()] == ["6"]
        assert one.codes() == []
        one.in_step()


def test_a_sheet_that_a_colleague_keeps_is_used(tmp_path: Path) -> None:
    with sheets(tmp_path) as one:
        one.box.accountview.add("HRS_LINE", EMP_NR="0101", HRS_CODE="100", HRS_DATE="2026-06-02", HRS_QTY="1")
        before = look(one.box)
        one.hour("h1")
        one.goes()
        assert on_sheets(one) == [("0101", "2026-06-01", 2)]
        one.in_step(before)


# what it costs


def test_a_quiet_run_reads_no_hours_at_all_and_one_with_new_hours_only_their_sheets(tmp_path: Path) -> None:
    with sheets(tmp_path) as one:
        for number in range(40):
            one.hour(f"h{number}", date=f"2026-0{1 + number % 6}-1{number % 5}")
        one.goes()
        one.goes()

        def read() -> list[str]:
            asked = [call.query for call in one.box.requests if call.method == "GET" and "HR1" in call.query]
            one.box.requests.clear()
            return asked

        read()
        one.goes()
        assert read() == []
        one.hour("new", date="2026-06-10")
        one.hour("new-2", date="2026-06-11")
        one.goes()
        assert 0 < len(read()) <= 4


@pytest.mark.parametrize("ext_id", [True, False])
def test_lines_without_a_column_of_changes_are_read_from_the_day_that_matters_on(tmp_path: Path, ext_id: bool) -> None:
    with shop(tmp_path, FLOWS, ext_id=ext_id, lacking=NO_CHANGES) as one:
        for number in range(900):
            one.box.accountview.add(
                "HRS_LINE", EMP_NR="0102", HRS_CODE="100", HRS_DATE=f"2026-0{1 + number % 5}-1{number % 9}", HRS_QTY="1"
            )
        one.hour("h1", date="2026-06-10")
        one.goes()
        one.goes()
        before = look(one.box)
        one.box.requests.clear()
        one.goes()
        assert [call for call in one.box.requests if "BusinessObject=HR1" in call.query] == []
        for name in ("h2", "h3"):
            one.hour(name, date="2026-06-11")
        one.hour("wacht", date="2026-01-02", user_id="verdwenen")  # nothing to look for while it cannot go
        one.run()
        asked = [call for call in one.box.requests if call.method == "GET" and "BusinessObject=HR1" in call.query]
        assert len(asked) == 1
        assert "2026-06-11" in asked[0].query
        one.box.crafter.remove("hours", "wacht")
        one.goes()
        one.in_step(before)
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert len(one.booked()) == 903


# what check says


def found(one: Office) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in one.avsync("--json", "check").json["checks"]}


def test_check_and_the_run_say_that_lines_stand_on_a_sheet_when_the_config_does_not_know_it(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "export", "hours": "export"}, hours="sheets") as one:
        one.hour("h1")
        one.work_order("w1")
        assert one.avsync("check").exit == 2
        row = found(one)["schema.hours"]
        assert not row["ok"]
        assert "HRS_LINE" in row["message"]
        assert "HRS_HDR (Urenstaten)" in row["message"]
        assert "header" in row["hint"]
        result = one.avsync("--json", "run-all")
        assert result.exit == 2
        assert one.box.accountview.rows("HRS_LINE") == []
        assert len(one.box.accountview.rows("SO_HDR")) == 1, "the other flows go on"
        one.config["accountview"]["schema"] = {"hour": {"header": SHEET}}
        one.goes()
        assert len(one.booked()) == 1


def test_check_says_how_hours_go_onto_sheets(tmp_path: Path) -> None:
    with sheets(tmp_path) as one:
        rows = found(one)
        assert rows["schema.hours"]["ok"]
        assert "HRS_HDR, per week" in rows["sheet.hour"]["message"]
        assert "makes" in rows["sheet.hour"]["message"]
        one.config["accountview"]["schema"]["hour"]["header"] |= {"period": "month", "create": False}
        assert "per month" in found(one)["sheet.hour"]["message"]
        assert "somebody must make" in found(one)["sheet.hour"]["message"]


def test_wrong_names_of_a_sheet_are_named_by_the_key_that_mends_them(tmp_path: Path) -> None:
    wrong = {"key": "STAAT", "columns": {"employee": "EMP_NR", "period_start": "WEEK_BEG"}}
    with sheets(tmp_path, wrong) as one:
        row = found(one)["schema.hours"]
        assert "hour.header.key: STAAT" in row["message"]
        assert "hour.header.columns.period_start: WEEK_BEG" in row["message"]
        one.hour("h1")
        assert one.run()["exit"] == 2
        one.config["accountview"]["schema"]["hour"]["header"] = {**SHEET, "table": "URENSTT"}
        assert "HRS_HDR" in found(one)["schema.hours"]["message"]


@pytest.mark.parametrize(("rights", "good"), [("ru", False), ("riu", True)])
def test_without_the_right_to_make_a_sheet_only_a_config_that_makes_none_is_right(
    tmp_path: Path, rights: str, good: bool
) -> None:
    with sheets(tmp_path, rights={"HRS_HDR": rights}) as one:
        assert found(one)["rights.hours"]["ok"] == good
        one.config["accountview"]["schema"]["hour"]["header"]["create"] = False
        assert found(one)["rights.hours"]["ok"]


def test_check_says_what_a_quiet_run_costs_and_why(tmp_path: Path) -> None:
    lacking = NO_CHANGES | {("SO_HDR", "CNG_DATE")}
    with shop(tmp_path, {"orders": "export", "hours": "export"}, lacking=lacking) as one:
        for number in range(850):
            one.sales_order(f"9{number:04}", ORD_DATE="2025-01-01")
        one.goes()
        one.goes()
        one.box.requests.clear()
        one.goes()
        quiet = len(one.box.requests)
        row = found(one)["cost"]
        assert row["ok"]
        assert f"{quiet} requests" in row["message"]
        assert "work order" in row["hint"]
        assert "hours" not in row["hint"], "those are read only when there are new ones"


def test_check_names_the_module_that_is_not_there(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, without=frozenset({"HRS_LINE"})) as one:
        row = found(one)["schema.hours"]
        assert not row["ok"]
        assert "module Urenregistratie" in row["message"]
        assert one.run()["exit"] == 2
