"""One cause is one problem, however many records run into it (behaviour 48); each record is tried by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.office import Office, shop
from tests.support.world import line, place

HOURS = {"hours": "export"}
INVOICE = {"invoice": "export", "hours": "export"}


def unknown_project(one: Office) -> None:
    """A project in Crafter that AccountView does not have."""
    known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
    one.box.crafter.add("projects", id="project-9", project_code="P9", **known)


def counted(one: Office) -> tuple[dict[str, int], dict[str, int]]:
    """What `status` says: problems, and the records behind them."""
    shape = one.avsync("--json", "status").json
    return shape["open"], shape["records"]


def test_forty_hours_lines_on_one_unknown_project_are_one_problem(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        unknown_project(one)
        for number in range(40):
            one.hour(f"h{number}", project_id="project-9", hours=f"{number % 8 + 1}")
        one.hour("well", project_id="project-1")
        result = one.run()
        assert (result["exit"], result["flows"]["hours"]["failed"]) == (1, 40)
        found = one.problem()
        assert (found["code"], found["count"], len(found["records"])) == ("project_unknown", 40, 40)
        assert "P9" in found["message"]
        assert {record["record"] for record in found["records"]} == {f"h{number}" for number in range(40)}
        assert counted(one)[0] == {"error": 1, "warning": 0, "waiting": 0, "ignored": 0}
        assert counted(one)[1] == {"error": 40, "warning": 0, "waiting": 0, "ignored": 0}
        assert len(one.booked()) == 1
        one.rests(1)
        one.box.crafter.edit("hours", "h0", project_id="project-2")
        result = one.run()
        assert result["flows"]["hours"]["failed"] == 39
        assert (one.problem()["id"], one.problem()["count"]) == (found["id"], 39), "each record is tried by itself"
        one.hour("late", project_id="project-9")
        assert one.run()["exit"] == 1
        assert (one.problem()["id"], one.problem()["count"]) == (found["id"], 40)
        one.box.accountview.add(
            "PROJECTS", PROJ_CODE="P9", PROJ_DESC="Alleen hier", SUB_NR="10001", PRO_TYPE="ONDERHOUD"
        )
        one.goes()
        assert one.errors() == []
        assert len(one.booked()) == 42
        one.in_step()


def test_one_unknown_project_is_one_problem_of_orders_and_hours_alike(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        unknown_project(one)
        one.work_order("w1", project_id="project-9")
        one.hour("h1", project_id="project-9")
        one.hour("h2", work_order_id="w1")
        assert one.run()["exit"] == 1
        assert one.problem()["count"] == 3
        assert {record["flow"] for record in one.problem()["records"]} == {"orders", "hours"}
        hours = one.avsync("--json", "errors", "--flow", "hours").json
        assert [(found["id"], found["flow"], found["count"]) for found in hours] == [(one.problem()["id"], "hours", 2)]


def test_a_record_that_runs_into_another_cause_leaves_the_first(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        unknown_project(one)
        other = {"name": "Ook hier", "customer_id": "klant-1", "project_type_id": "soort"}
        one.box.crafter.add("projects", id="project-8", project_code="P8", **other)
        one.hour("h1", project_id="project-9")
        one.hour("h2", project_id="project-9")
        assert one.run()["exit"] == 1
        first = one.problem()
        one.box.crafter.edit("hours", "h2", project_id="project-8")
        assert one.run()["exit"] == 1
        was, new = one.errors()
        assert (was["id"], was["count"]) == (first["id"], 1)
        assert "P8" in new["message"]
        assert new["first_seen"] > was["first_seen"]


def test_an_unknown_article_is_one_problem_of_all_work_orders_that_have_it(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE) as one:
        for number in range(3):
            one.work_order(f"w{number}")
        one.goes()
        for number in range(3):
            lines = [line(f"a{number}", "WEG-1"), line(f"b{number}", "WEG-1"), line(f"c{number}")]
            one.change(f"w{number}", status="checked", lines=lines)
        result = one.run()
        assert (result["exit"], result["flows"]["invoice"]["failed"]) == (1, 3)
        found = one.problem()
        assert (found["code"], found["count"]) == ("article_unknown", 3)
        assert "WEG-1" in found["message"]
        one.box.accountview.add("ARTICLE", ART_CODE="WEG-1", ART_DESC1="Weg")
        one.goes()
        assert one.errors() == []


def test_what_waits_for_one_customer_is_one_problem(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.new_klant("Ж", place(), id="klant-9", customer_number="20009")
        for number in range(4):
            one.work_order(f"w{number}", customer_id="klant-9")
        assert one.run()["exit"] == 1
        waiting = next(found for found in one.errors() if found["severity"] == "waiting")
        assert (waiting["code"], waiting["count"]) == ("waiting_for_parent", 4)
        assert counted(one)[0]["waiting"] == 1
        assert counted(one)[1]["waiting"] == 4
        one.box.crafter.edit("customers", "klant-9", name="Zjek")
        one.goes()
        assert one.errors() == []


def test_a_service_that_is_down_is_one_problem_of_every_flow_that_needs_it(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE) as one:
        one.goes()
        one.box.faults.add(side="accountview", times=0, do="500")
        assert one.run()["exit"] == 4
        found = one.problem()
        assert (found["code"], found["kind"]) == ("service_unreachable", "flow")
        assert [record["flow"] for record in found["records"]] == ["customers", "projects", "orders"]
        one.box.faults.clear()
        one.goes()
        assert one.errors() == []


def test_a_lost_login_is_one_problem_of_every_flow(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE) as one:
        (one.state / "token.json").unlink()
        assert one.run()["exit"] == 3
        assert (one.problem()["code"], one.problem()["count"]) == ("login_needed", 5)
        one.log_in()
        one.goes()
        assert one.errors() == []


def failed(result: dict[str, Any]) -> dict[str, int]:
    """Per flow, where there are any."""
    return {flow: counts["failed"] for flow, counts in result["flows"].items() if counts["failed"]}


def test_failed_counts_records_with_an_error_and_rows_that_cannot_be_read(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE) as one:
        one.goes()
        one.box.accountview.damage("CONTACT", "10001", ACCT_NAME="")
        one.in_books("10001", TEL_BUS="1")
        one.hour("h1", hours="anderhalf")
        one.hour("h2", hours="veel")
        assert failed(one.run()) == {"customers": 1, "hours": 2}
        assert failed(one.run()) == {"customers": 1, "hours": 2}, "as long as they cannot be read"
        one.box.crafter.edit("hours", "h2", hours="1")
        assert failed(one.run()) == {"customers": 1, "hours": 1}
        assert failed(dict(one.avsync("--json", "sync", "hours").json)) == {"hours": 1}


def test_a_run_of_one_record_counts_that_record_alone(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        unknown_project(one)
        for number in range(3):
            one.hour(f"h{number}", project_id="project-9")
        assert failed(one.run()) == {"hours": 3}
        assert failed(dict(one.avsync("--json", "sync", "hours", "--only", "h1").json)) == {"hours": 1}


def test_ignoring_a_problem_ignores_every_record_behind_it_until_that_changes(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        unknown_project(one)
        for number in range(3):
            one.hour(f"h{number}", project_id="project-9")
        one.run()
        number = one.problem()["id"]
        assert one.avsync("errors", "--ignore", str(number)).exit == 0
        assert one.run()["exit"] == 0
        assert counted(one)[0] == {"error": 0, "warning": 0, "waiting": 0, "ignored": 1}
        assert counted(one)[1]["ignored"] == 3
        one.box.crafter.edit("hours", "h1", hours="3")
        assert one.run()["exit"] == 1
        assert [record["record"] for record in one.problem()["records"]] == ["h1"]
