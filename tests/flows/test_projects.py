"""Projects and their types: only open ones come over, what closes stays, and what is missing is said by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avsync.records.values import AMSTERDAM
from tests.support.office import Office, office

IMPORT = {"customers": "import", "projects": "import"}
EXPORT = {"customers": "export", "projects": "export"}


def day(ahead: int) -> str:
    return (datetime.now(AMSTERDAM).date() + timedelta(days=ahead)).isoformat()


@contextmanager
def books(tmp_path: Path, flows: dict[str, str] | None = None, **options: Any) -> Iterator[Office]:
    """One customer, two project types and an employee who is known on both sides."""
    with office(tmp_path, flows=flows or IMPORT, **options) as one:
        av = one.box.accountview
        av.add("CONTACT", SUB_NR="10001", ACCT_NAME="Bakker BV", ACCT_NR="1300", ADDRESS1="Dam 1", POST_CODE="1012 JS")
        av.add("PRO_TYPE", PT_CODE="INST", PT_DESC="Installatie")
        av.add("PRO_TYPE", PT_CODE="OND", PT_DESC="Onderhoud")
        av.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Piet Smit")
        one.box.crafter.add("users", id="u7", name="Piet Smit", unique_code="007")
        yield one


def project(one: Office, code: str, **columns: Any) -> str:
    given = {"PROJ_DESC": f"Project {code}", "SUB_NR": "10001", "PRO_TYPE": "INST"} | columns
    return one.box.accountview.add("PROJECTS", PROJ_CODE=code, **given)


def there(one: Office, code: str) -> dict[str, Any]:
    found = [row for row in one.box.crafter.records("projects") if row["project_code"] == code]
    assert len(found) == 1, f"{len(found)} projects {code} in Crafter"
    return found[0]


def codes(one: Office) -> list[str]:
    return sorted(row["project_code"] for row in one.box.crafter.records("projects"))


def problems(one: Office) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["key"], row["code"]) for row in one.errors()]


def type_name(one: Office, code: str) -> str:
    return str(next(row["name"] for row in one.box.crafter.records("project-types") if row["code"] == code))


def test_a_project_comes_over_with_every_field_that_crafter_has_for_it(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(
            one,
            "P1",
            PROJ_DESC="Nieuwbouw",
            BEG_DATE=day(-30),
            END_DATE=day(60),
            EMP_NR="007",
            COMMENT1="Let op\nde hond",
        )
        assert one.run()["exit"] == 0, one.errors()
        made = there(one, "P1")
        customer = one.box.crafter.record("customers", made["customer_id"])
        kind = one.box.crafter.record("project-types", made["project_type_id"])
        assert customer
        assert customer["customer_number"] == "10001"
        assert kind
        assert (kind["code"], kind["name"]) == ("INST", "Installatie")
        assert made["name"] == "Nieuwbouw"
        assert made["description"] == "Let op\nde hond"
        assert (made["start_date"], made["end_date"]) == (day(-30), day(60))
        assert made["responsible_user_id"] == "u7"
        assert made["external_ref"] == "av:DEMO:project:P1"


def test_only_open_projects_come_over_judged_by_the_end_date_when_no_statuses_are_configured(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "NOEND")
        project(one, "TODAY", END_DATE=day(0))
        project(one, "PASSED", END_DATE=day(-1))
        project(one, "STATUS", PRO_STAT="90")
        assert one.run()["exit"] == 0
        assert codes(one) == ["NOEND", "STATUS", "TODAY"]


def test_only_open_projects_come_over_judged_by_the_configured_statuses(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.config["accountview"]["open_project_statuses"] = ["10", "a"]
        project(one, "OPEN", PRO_STAT="10", END_DATE=day(-5))
        project(one, "LOWER", PRO_STAT="A")
        project(one, "CLOSED", PRO_STAT="90")
        project(one, "NONE")
        assert one.run()["exit"] == 0
        assert codes(one) == ["LOWER", "OPEN"]


def test_a_project_whose_end_date_passes_at_midnight_is_no_longer_made(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "EARLY", END_DATE=day(0))
        assert one.run()["exit"] == 0
        project(one, "LATE", END_DATE=day(0))
        one.later(days=1)
        assert one.run()["exit"] == 0
        assert codes(one) == ["EARLY"]


def test_a_project_that_opens_later_comes_over_then(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1", END_DATE=day(-1))
        assert one.run()["exit"] == 0
        assert codes(one) == []
        one.box.accountview.edit("PROJECTS", "P1", END_DATE=day(30))
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1"]


def test_a_project_that_closes_stays_in_crafter_and_its_last_changes_still_travel(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.config["accountview"]["open_project_statuses"] = ["10"]
        project(one, "P1", PRO_STAT="10", EMP_NR="007")
        assert one.run()["exit"] == 0
        one.box.accountview.edit("PROJECTS", "P1", PRO_STAT="90", END_DATE=day(-1), PROJ_DESC="Klaar")
        assert one.run()["exit"] == 0
        assert (there(one, "P1")["end_date"], there(one, "P1")["name"]) == (day(-1), "Klaar")
        one.box.accountview.edit("PROJECTS", "P1", COMMENT1="Nagekomen")
        assert one.run("--full")["exit"] == 0
        assert there(one, "P1")["description"] == "Nagekomen"


def test_a_closed_project_that_is_deleted_in_crafter_is_not_made_again(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1")
        project(one, "P2")
        assert one.run()["exit"] == 0
        one.box.accountview.edit("PROJECTS", "P1", END_DATE=day(-1))
        assert one.run()["exit"] == 0
        for code in ("P1", "P2"):
            one.box.crafter.remove("projects", there(one, code)["id"])
        assert one.run()["exit"] == 0
        assert codes(one) == ["P2"]
        one.box.accountview.edit("PROJECTS", "P1", COMMENT1="Nog iets")
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0
            assert codes(one) == ["P2"]
        one.box.accountview.edit("PROJECTS", "P1", END_DATE="")
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1", "P2"]


def test_an_unknown_project_type_is_said_by_name_and_the_project_follows_once_it_is_there(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1")
        project(one, "P2")
        one.box.accountview.damage("PROJECTS", "P1", PRO_TYPE="NIEUW")
        assert one.run()["exit"] == 1
        assert problems(one) == [("project", "P1", "project_type_unknown")]
        assert "NIEUW" in one.errors()[0]["message"]
        assert codes(one) == ["P2"]
        one.box.accountview.add("PRO_TYPE", PT_CODE="NIEUW", PT_DESC="Nieuw soort")
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1", "P2"]
        assert one.errors() == []


def test_a_project_type_that_is_renamed_keeps_its_projects(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1")
        assert one.run()["exit"] == 0
        before = there(one, "P1")
        one.box.accountview.edit("PRO_TYPE", "INST", PT_DESC="Installatiewerk")
        assert one.run()["exit"] == 0
        assert type_name(one, "INST") == "Installatiewerk"
        assert there(one, "P1") == before
        one.box.accountview.edit("PROJECTS", "P1", PRO_TYPE="OND")
        assert one.run()["exit"] == 0
        kind = one.box.crafter.record("project-types", there(one, "P1")["project_type_id"])
        assert kind
        assert kind["code"] == "OND"


def test_a_project_type_under_a_new_code_is_a_new_type_and_its_projects_move_over(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1")
        assert one.run()["exit"] == 0
        one.box.accountview.edit("PRO_TYPE", "INST", PT_CODE="INS2")
        one.box.accountview.edit("PROJECTS", "P1", PRO_TYPE="INS2")
        assert one.run()["exit"] == 0, one.errors()
        kind = one.box.crafter.record("project-types", there(one, "P1")["project_type_id"])
        assert kind
        assert kind["code"] == "INS2"


def test_a_project_without_a_type_is_a_problem_unless_the_config_names_a_default(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1", PRO_TYPE="")
        assert one.run()["exit"] == 1
        assert problems(one) == [("project", "P1", "project_without_type")]
        assert codes(one) == []
        one.config["default_project_type"] = "ond"
        assert one.run()["exit"] == 0, one.errors()
        kind = one.box.crafter.record("project-types", there(one, "P1")["project_type_id"])
        assert kind
        assert kind["code"] == "OND"
        assert one.box.accountview.row("PROJECTS", "P1")["PRO_TYPE"] == ""


def test_a_default_project_type_that_accountview_does_not_have_is_said(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.config["default_project_type"] = "WEG"
        project(one, "P1", PRO_TYPE="")
        assert one.run()["exit"] == 1
        assert problems(one) == [("project", "P1", "project_type_unknown")]


def test_a_missing_responsible_employee_is_a_warning_that_goes_when_the_user_appears(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.box.accountview.add("EMPLOYEE", EMP_NR="008", EMP_NAME="Nieuw")
        project(one, "P1", EMP_NR="008")
        assert one.run()["exit"] == 0
        assert there(one, "P1")["responsible_user_id"] is None
        assert [(row["code"], row["severity"]) for row in one.errors()] == [("employee_missing", "warning")]
        entry = one.box.crafter.timeline[0]
        assert (entry["entity"], entry["kind"], entry["resolved"]) == ("project", "info", False)
        one.box.requests.clear()
        assert one.run()["exit"] == 0
        assert one.writes() == []
        one.box.crafter.add("users", id="u8", name="Nieuw", unique_code="008")
        assert one.run()["exit"] == 0
        assert there(one, "P1")["responsible_user_id"] == "u8"
        assert one.errors() == []
        assert one.box.crafter.timeline[0]["resolved"] is True


@pytest.mark.parametrize("why", ["inactive", "twice"])
def test_an_inactive_or_doubled_employee_is_a_warning_and_nobody_is_set(tmp_path: Path, why: str) -> None:
    with books(tmp_path) as one:
        if why == "inactive":
            one.box.crafter.edit("users", "u7", active=False)
        else:
            one.box.crafter.add("users", id="u77", name="Piet de Tweede", unique_code="007")
        project(one, "P1", EMP_NR="007")
        assert one.run()["exit"] == 0
        assert there(one, "P1")["responsible_user_id"] is None
        assert [row["code"] for row in one.errors()] == ["employee_missing" if why == "inactive" else "employee_twice"]
        if why == "inactive":
            one.box.crafter.edit("users", "u7", active=True)
        else:
            one.box.crafter.edit("users", "u77", unique_code=None)
        assert one.run()["exit"] == 0
        assert there(one, "P1")["responsible_user_id"] == "u7"
        assert one.errors() == []


def test_an_employee_that_crafter_does_not_know_empties_nothing_and_is_said(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.box.accountview.add("EMPLOYEE", EMP_NR="008", EMP_NAME="Nieuw")
        project(one, "P1", EMP_NR="007")
        assert one.run()["exit"] == 0
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="008")
        assert one.run()["exit"] == 0
        assert there(one, "P1")["responsible_user_id"] == "u7", "owed, not emptied (behaviour 15)"
        assert [row["code"] for row in one.errors()] == ["employee_missing"]
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="")
        assert one.run()["exit"] == 0
        assert one.errors() == []


def test_a_project_whose_customer_is_not_there_yet_waits_and_names_it(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1")
        one.box.accountview.damage("CONTACT", "10001", ACCT_NAME="")
        assert one.run()["exit"] == 1
        waiting = [row for row in one.errors() if row["severity"] == "waiting"]
        assert [(row["kind"], row["key"]) for row in waiting] == [("project", "P1")]
        assert "10001" in waiting[0]["message"]
        assert codes(one) == []
        one.box.accountview.edit("CONTACT", "10001", ACCT_NAME="Bakker BV")
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1"]
        assert one.errors() == []


def test_a_project_without_a_customer_is_a_problem_until_it_gets_one(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1", SUB_NR="")
        assert one.run()["exit"] == 1
        assert problems(one) == [("project", "P1", "project_without_customer")]
        one.box.accountview.edit("PROJECTS", "P1", SUB_NR="10001")
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1"]
        assert one.errors() == []


def test_projects_come_over_without_the_customers_flow_for_customers_that_are_on_both_sides(tmp_path: Path) -> None:
    with books(tmp_path, {"projects": "import"}) as one:
        one.box.accountview.add("CONTACT", SUB_NR="10002", ACCT_NAME="Visser", ACCT_NR="1300")
        one.box.crafter.add("customers", id="c1", name="Bakker BV", customer_number="10001")
        project(one, "P1")
        project(one, "P2", SUB_NR="10002")
        assert one.run()["exit"] == 1
        assert there(one, "P1")["customer_id"] == "c1"
        assert codes(one) == ["P1"]
        assert [(row["key"], row["severity"]) for row in one.errors()] == [("P2", "error")]
        assert "10002" in one.errors()[0]["message"]
        one.box.crafter.add("customers", id="c2", name="Visser", customer_number="10002")
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1", "P2"]


def test_a_project_that_exists_on_both_sides_is_adopted_by_its_code_and_the_type_as_well(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.box.crafter.add("customers", id="c1", name="Bakker BV", customer_number="10001")
        one.box.crafter.add("project-types", id="t1", code="inst", name="Oud")
        one.box.crafter.add("projects", id="p1", project_code="p1", name="Oud", customer_id="c1", project_type_id="t1")
        project(one, "P1", PROJ_DESC="Nieuw")
        result = one.run()
        assert result["exit"] == 0, one.errors()
        found = one.box.crafter.records("projects")
        assert [(row["id"], row["name"]) for row in found] == [("p1", "Nieuw")]
        assert {row["id"] for row in one.box.crafter.records("project-types")} >= {"t1"}
        assert type_name(one, "OND") == "Onderhoud"
        assert len(one.box.crafter.records("project-types")) == 2


def test_a_closed_project_that_exists_on_both_sides_is_left_alone(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        one.box.crafter.add("customers", id="c1", name="Bakker BV", customer_number="10001")
        one.box.crafter.add("project-types", id="t1", code="INST", name="Installatie")
        one.box.crafter.add("projects", id="p1", project_code="P1", name="Oud", customer_id="c1", project_type_id="t1")
        project(one, "P1", END_DATE=day(-10))
        assert one.run()["exit"] == 0
        assert one.box.crafter.record("projects", "p1")["name"] == "Oud"


def crafter_project(one: Office, code: str, **fields: Any) -> str:
    """A project made in Crafter, with its customer and type."""
    crafter = one.box.crafter
    if crafter.record("customers", "c1") is None:
        crafter.add("customers", id="c1", name="Bakker BV", customer_number="10001")
        crafter.add("project-types", id="t1", code="INST", name="Installatie")
    given = {"name": f"Project {code}", "customer_id": "c1", "project_type_id": "t1"} | fields
    return str(crafter.add("projects", project_code=code, **given))


def test_a_project_made_in_crafter_goes_to_accountview_with_every_field(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        one.config["accountview"]["new_project_status"] = "10"
        made = crafter_project(
            one, "p26-1", description="Regel 1", start_date=day(-3), end_date=day(9), responsible_user_id="u7"
        )
        assert one.run()["exit"] == 0, one.errors()
        row = one.box.accountview.row("PROJECTS", "P26-1")
        assert row is not None
        assert (row["PROJ_DESC"], row["SUB_NR"], row["PRO_TYPE"]) == ("Project p26-1", "10001", "INST")
        assert (row["BEG_DATE"], row["END_DATE"]) == (day(-3), day(9))
        assert (row["PRO_STAT"], row["EMP_NR"], row["COMMENT1"]) == ("10", "007", "Regel 1")
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []
        one.box.crafter.edit("projects", made, name="Anders", responsible_user_id=None)
        assert one.run()["exit"] == 0
        row = one.box.accountview.row("PROJECTS", "P26-1")
        assert row
        assert (row["PROJ_DESC"], row["EMP_NR"], row["PRO_STAT"]) == ("Anders", "", "10")


def test_a_new_project_carries_no_status_unless_the_config_names_one(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        crafter_project(one, "P1")
        assert one.run()["exit"] == 0
        assert one.box.accountview.row("PROJECTS", "P1")["PRO_STAT"] == ""
        body = next(request.body for request in one.writes() if '"PJ1"' in request.body)
        assert "PRO_STAT" not in body


def test_an_exported_project_finds_its_type_by_code_and_says_so_when_accountview_lacks_it(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        one.box.crafter.add("project-types", id="t2", code="ond", name="Onderhoud")
        one.box.crafter.add("project-types", id="t3", code="WEG", name="Weg")
        crafter_project(one, "P1", project_type_id="t2")
        crafter_project(one, "P2", project_type_id="t3")
        assert one.run()["exit"] == 1
        assert one.box.accountview.row("PROJECTS", "P1")["PRO_TYPE"] == "OND"
        assert one.box.accountview.row("PROJECTS", "P2") is None
        (problem,) = one.errors()
        assert problem["key"] == "P2"
        assert "WEG" in problem["message"]
        one.box.accountview.add("PRO_TYPE", PT_CODE="WEG", PT_DESC="Weg")
        assert one.run()["exit"] == 0
        assert one.box.accountview.row("PROJECTS", "P2")["PRO_TYPE"] == "WEG"


def test_an_exported_project_waits_for_its_customer_and_names_it(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        crafter_project(one, "P1")
        one.box.crafter.add("customers", id="c2", name="Ж", customer_number="20002")
        crafter_project(one, "P2", customer_id="c2")
        assert one.run()["exit"] == 1
        waiting = next(row for row in one.errors() if row["severity"] == "waiting")
        assert waiting["key"] == "P2"
        assert "20002" in waiting["message"]
        one.box.crafter.edit("customers", "c2", name="Zjek")
        assert one.run()["exit"] == 0
        assert one.box.accountview.row("PROJECTS", "P2")["SUB_NR"] == "20002"


def test_an_exported_responsible_user_without_unieke_code_is_a_warning(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        one.box.crafter.edit("users", "u7", unique_code=None)
        crafter_project(one, "P1", responsible_user_id="u7")
        assert one.run()["exit"] == 0
        assert one.box.accountview.row("PROJECTS", "P1")["EMP_NR"] == ""
        assert [row["code"] for row in one.errors()] == ["employee_without_code"]
        one.box.crafter.edit("users", "u7", unique_code="007")
        assert one.run()["exit"] == 0
        assert one.box.accountview.row("PROJECTS", "P1")["EMP_NR"] == "007"
        assert one.errors() == []


def test_an_exported_project_that_accountview_has_already_is_adopted_and_crafter_leads(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        project(one, "P1", PROJ_DESC="Oud", COMMENT1="Van vroeger")
        crafter_project(one, "P1", name="Nieuw")
        assert one.run()["exit"] == 0, one.errors()
        row = one.box.accountview.row("PROJECTS", "P1")
        assert row
        assert row["PROJ_DESC"] == "Nieuw"
        assert len(one.box.accountview.rows("PROJECTS")) == 1


def test_export_brings_no_project_of_accountview_to_crafter(tmp_path: Path) -> None:
    with books(tmp_path, EXPORT) as one:
        project(one, "P9")
        assert one.run()["exit"] == 0
        assert codes(one) == []


def test_a_waiting_project_that_becomes_unreadable_is_not_sent_as_it_was(tmp_path: Path) -> None:
    with books(tmp_path) as one:
        project(one, "P1", SUB_NR="")
        assert one.run()["exit"] == 1
        one.box.accountview.edit("PROJECTS", "P1", SUB_NR="10001")
        one.box.accountview.damage("PROJECTS", "P1", BEG_DATE="2026-02-31")
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert problems(one) == [("project", "P1", "unreadable")]
            assert codes(one) == []
        one.box.accountview.edit("PROJECTS", "P1", BEG_DATE=day(1))
        assert one.run()["exit"] == 0
        assert codes(one) == ["P1"]
        assert one.errors() == []
