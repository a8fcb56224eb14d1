"""What AccountView and Crafter really answer (behaviour 16, 2 and 8), seen from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, shop
from tests.support.world import line

FLOWS = {"customers": "both", "orders": "export", "invoice": "export", "hours": "export"}
WORDS = "De leverdatum ligt in een afgesloten periode."


def stays(one: Office, exit_: int = 0) -> None:
    """A second, a third and a full run write nothing."""
    for more in ((), (), ("--full",)):
        one.box.requests.clear()
        assert one.run(*more)["exit"] == exit_, one.errors()
        assert one.writes() == [], [(write.method, write.path, write.body) for write in one.writes()]


def answers(one: Office, method: str, stored: bool = False, times: int = 1, **said: Any) -> None:
    """The next writes of this method to AccountView are answered with this."""
    do = "commit_answer" if stored else "answer"
    one.box.faults.add(side="accountview", method=method, path="accountviewdata", do=do, times=times, **said)


def orders(one: Office) -> list[dict[str, Any]]:
    return list(one.box.accountview.rows("SO_HDR"))


# --- our reference, where AccountView does not keep it (behaviour 2)


@pytest.mark.parametrize("reference", ["empty", "other"])
@pytest.mark.parametrize("fault", ["cut", "commit_408", "other_table", "commit_500_json"])
def test_orders_whose_answers_were_lost_are_found_without_a_reference(
    tmp_path: Path, reference: str, fault: str
) -> None:
    with shop(tmp_path, FLOWS, reference=reference) as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=fault, times=3)
        for name in ("a", "b", "c"):
            one.work_order(f"w{name}", description=f"Ketel {name}")
        one.run()
        one.goes()
        assert sorted(row["COMMENT1"] for row in orders(one)) == ["Ketel a", "Ketel b", "Ketel c"]
        assert one.codes() == ["reference_not_kept"]
        stays(one)


def test_three_equal_orders_take_one_each(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, reference="empty") as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="commit_drop", times=3)
        for name in ("a", "b", "c"):
            one.work_order(f"w{name}", description="Ketel")
        one.run()
        one.goes()
        numbers = {one.box.crafter.record("work-orders", f"w{name}")["order_number"] for name in "abc"}
        assert numbers == {row["ORD_NR"] for row in orders(one)}
        assert len(numbers) == 3
        stays(one)


@pytest.mark.parametrize("reference", ["empty", "other"])
def test_that_the_reference_is_not_kept_is_said_once_and_remembered(tmp_path: Path, reference: str) -> None:
    with shop(tmp_path, FLOWS, reference=reference) as one:
        one.work_order("w1", description="Ketel")
        one.work_order("w2", description="Pomp")
        one.hour("u1", project_id="project-1")
        one.goes()
        told = one.errors()
        assert [(problem["code"], problem["severity"]) for problem in told] == [("reference_not_kept", "warning")] * 2
        assert not any(word in problem["message"] for problem in told for word in ("EXT_ID", "avs1"))
        rows = {check["name"]: check for check in one.avsync("--json", "check").json["checks"]}
        assert rows["reference.order"]["ok"]
        assert rows["reference.hour"]["message"] == told[-1]["message"]
        one.box.requests.clear()
        one.work_order("w3", description="Leiding")
        one.goes()
        assert "EXT_ID" not in one.columns_sent()[0]
        assert len(orders(one)) == 3
        stays(one)


def test_hours_whose_answers_were_lost_are_found_without_a_reference(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, reference="other") as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", body="HRS_LINE", do="commit_drop", times=3)
        for name in ("u1", "u2", "u3"):
            one.hour(name, project_id="project-1")
        one.run()
        one.goes()
        assert len(one.box.accountview.rows("HRS_LINE")) == 3
        stays(one)


def test_a_reference_that_was_seen_kept_is_looked_for_alone(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="drop")
        entered = one.box.accountview.rows("SO_HDR")[0] | {"ORD_NR": "77", "EXT_ID": "", "COMMENT1": "Pomp"}
        one.box.accountview.add(
            "SO_HDR", **{name: entered[name] for name in ("ORD_NR", "RPL_DEL", "ORD_DATE", "COMMENT1")}
        )
        one.work_order("w2", description="Pomp")
        one.run()
        one.goes()
        assert sorted(row["COMMENT1"] for row in orders(one)) == ["Ketel", "Pomp", "Pomp"]
        assert one.codes() == []


# --- what an answer to a write means (behaviour 16)

ERRORS = [
    {"status": 200, "content": {"ErrorType": "ValidationError", "ErrorMessage": WORDS}},
    {"status": 201, "content": {"ErrorType": None, "ErrorMessage": WORDS}},
    {"status": 400, "content": {"ERRORTYPE": "", "ErrorNumbers": None, "errormessage": WORDS}},
    {"status": 409, "content": {"errortype": "AccountViewError", "errormessage": WORDS}},
]


@pytest.mark.parametrize("said", ERRORS)
def test_an_error_of_any_name_is_a_refusal(tmp_path: Path, said: dict[str, Any]) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        answers(one, "PUT", **said)
        answers(one, "POST", **said)
        one.change("w1", description="Pomp")
        one.work_order("w2", description="Leiding")
        assert one.run()["exit"] == 1
        problem = one.problem()
        assert (problem["code"], problem["count"]) == ("rejected_by_accountview", 2)
        assert WORDS.rstrip(".") in problem["message"]
        one.goes()
        assert [row["COMMENT1"] for row in orders(one)] == ["Pomp", "Leiding"]
        stays(one)


UNSURE = [
    {"status": 408, "content": None},
    {"status": 425, "content": {}},
    {"status": 503, "content": {"ErrorType": "AccountViewError", "ErrorMessage": WORDS}},
    {"status": 404, "content": "<h1>Not Found</h1>"},
    {"status": 403, "content": {"Message": "Forbidden by the relay"}},
    {"status": 200, "content": {"CONTEXT": [{"COMPANY": "DEMO"}]}},
    {"status": 200, "content": {"ErrorType": "", "ErrorMessage": "", "HELPER": []}},
]


@pytest.mark.parametrize("said", UNSURE)
@pytest.mark.parametrize("stored", [True, False])
def test_an_answer_that_leaves_it_open_is_looked_into(tmp_path: Path, said: dict[str, Any], stored: bool) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        answers(one, "PUT", stored, **said)
        answers(one, "POST", stored, **said)
        one.change("w1", description="Pomp")
        one.work_order("w2", description="Leiding")
        one.run()
        assert set(one.codes()) <= {"outcome_unknown", "outcome_not_found_out"}
        one.goes()
        assert [row["COMMENT1"] for row in orders(one)] == ["Pomp", "Leiding"]
        assert one.codes() == []
        stays(one)


def test_an_empty_error_with_a_success_is_a_success(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        answers(one, "PUT", True, content={"ErrorType": "", "ErrorNumbers": None, "ErrorMessage": None})
        one.change("w1", description="Pomp")
        one.goes()
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == "Pomp"
        stays(one)


def test_an_error_of_any_name_on_a_listing_ends_the_flow_and_moves_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        one.box.accountview.edit("CONTACT", "10001", ACCT_NAME="Bakkerij Nieuw")
        one.box.faults.add(
            side="accountview",
            method="GET",
            path="BusinessObject=AR1",
            do="answer",
            times=3,
            content={"errorMessage": WORDS},
        )
        assert one.run()["exit"] == 4
        assert WORDS.rstrip(".") in one.errors()[0]["message"]
        one.goes()
        assert one.box.crafter.record("customers", "klant-1")["name"] == "Bakkerij Nieuw"
        stays(one)


@pytest.mark.parametrize("errors", ["problem", "message", "contract"])
def test_crafters_words_are_found_in_any_shape(tmp_path: Path, errors: str) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        one.box.crafter.ugly.errors = errors
        one.box.crafter.ugly.wrap = True
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0515-412345")
        one.box.faults.add(
            side="crafter", method="PATCH", do="answer", status=422,
            content={"title": "Ongeldig", "detail": WORDS} if errors == "problem" else
            {"message": "Ongeldig", "errors": {"phone": [WORDS]}} if errors == "message" else
            {"error": {"code": "invalid", "message": WORDS}},
        )  # fmt: skip
        assert one.run()["exit"] == 1
        assert WORDS.rstrip(".") in one.problem()["message"]
        one.goes()
        assert one.box.crafter.record("customers", "klant-1")["phone"] == "0515-412345"
        one.debtor("10009", ACCT_NAME="Slagerij Vos", ADDRESS1="Kade 9", POST_CODE="8911 AB", CITY="Leeuwarden")
        one.goes()
        assert len([row for row in one.box.crafter.records("customers") if row["name"] == "Slagerij Vos"]) == 1
        stays(one)


# --- stored although the answer was an error


REFUSED = {"status": 400, "content": {"ErrorType": "AccountViewError", "ErrorMessage": WORDS}}


@pytest.mark.parametrize("reference", ["kept", "empty"])
@pytest.mark.parametrize("stored", [True, False])
def test_a_refused_order_is_looked_up_once(tmp_path: Path, reference: str, stored: bool) -> None:
    with shop(tmp_path, FLOWS, reference=reference) as one:
        one.goes()
        answers(one, "POST", stored, **REFUSED)
        one.work_order("w1", description="Ketel")
        assert one.run()["exit"] == (not stored), one.errors()
        one.goes()
        assert [row["COMMENT1"] for row in orders(one)] == ["Ketel"]
        assert one.box.crafter.record("work-orders", "w1")["order_number"] == orders(one)[0]["ORD_NR"]
        stays(one)


def test_a_refused_hour_and_a_refused_customer_that_stand_there_are_linked(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        answers(one, "POST", True, times=2, **REFUSED)
        one.new_klant("Slagerij Vos", id="vos", customer_number="20001")
        one.box.crafter.add("work-locations", customer_id="vos", street="Kade 1", postal_code="8911 AB", city="Ede")
        one.hour("u1", project_id="project-1")
        one.goes()
        assert len(one.box.accountview.rows("HRS_LINE")) == 1
        assert [row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")].count("Slagerij Vos") == 1
        stays(one)


def test_a_number_that_was_given_out_meanwhile_is_not_taken_for_ours(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        one.new_klant("Slagerij Vos", id="vos", customer_number="20001")
        one.box.crafter.add("work-locations", customer_id="vos", street="Kade 1", postal_code="8911 AB", city="Ede")
        one.box.accountview.damage(
            "CONTACT", one.debtor("20001", ACCT_NAME="Notaris Kok"), CNG_DATE="2020-01-01T00:00:00"
        )
        assert one.run()["exit"] == 1
        assert one.box.accountview.row("CONTACT", "20001")["ACCT_NAME"] == "Notaris Kok"


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("times", [1, 4])
def test_lines_that_were_stored_although_refused_are_not_sent_again(tmp_path: Path, lines: int, times: int) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        answers(one, "PUT", True, times, **REFUSED)
        one.change("w1", status="checked", lines=[line(f"l{number}", "PUMP-1", "2") for number in range(lines)])
        one.goes()
        assert len(one.box.accountview.rows("SO_LINE")) == lines
        stays(one)


def test_a_part_that_was_stored_although_refused_is_not_sent_again(tmp_path: Path) -> None:
    """Together they are refused for the blocked one; of the single ones the second is stored, and answered with an
    error."""
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        one.box.accountview.edit("ARTICLE", "VALVE-3", REC_BLK=True)
        one.box.faults.add(side="accountview", method="PUT", body="PIPE-2", nth=2, do="commit_answer", **REFUSED)
        ticked = [line("a", "PUMP-1"), line("b", "PIPE-2"), line("c", "VALVE-3")]
        one.change("w1", status="checked", lines=ticked)
        assert one.run()["exit"] == 1
        assert sorted(row["ART_CODE"] for row in one.box.accountview.rows("SO_LINE")) == ["PIPE-2", "PUMP-1"]
        assert one.codes() == ["lines_rejected"]
        assert one.run()["exit"] == 1
        one.box.accountview.edit("ARTICLE", "VALVE-3", REC_BLK=False)
        one.goes()
        assert len(one.box.accountview.rows("SO_LINE")) == 3
        stays(one)


# --- names and columns


@pytest.mark.parametrize("column", ["PRO_TYPE", "PRO_STAT", "EMP_NR", "COMMENT1", "PROJ_DESC", "END_DATE"])
def test_orders_and_hours_need_a_projects_code_alone(tmp_path: Path, column: str) -> None:
    flows = {**FLOWS, "projects": "import"}
    with shop(tmp_path, flows, lacking=frozenset({("PROJECTS", column)})) as one:
        one.work_order("w1", description="Ketel", project_id="project-1")
        one.hour("u1", project_id="project-2")
        result = one.run()
        used = column != "PRO_STAT"
        assert result["exit"] == (2 if used else 0), one.errors()
        assert [problem["flow"] for problem in one.errors()] == ["projects"] * used
        assert [row["PROJ_CODE"] for row in orders(one)] == ["P1"]
        assert [row["PROJ_CODE"] for row in one.box.accountview.rows("HRS_LINE")] == ["P2"]
        stays(one, result["exit"])


def test_a_projects_type_is_not_needed_where_a_default_is_configured(tmp_path: Path) -> None:
    lacking = frozenset({("PROJECTS", "PRO_TYPE"), ("PROJECTS", "PRO_STAT")})
    with shop(tmp_path, {**FLOWS, "projects": "import"}, lacking=lacking) as one:
        one.config["default_project_type"] = "ONDERHOUD"
        one.goes()
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", PROJ_DESC="Nieuwbouw", SUB_NR="10001")
        one.goes()
        assert "P9" in {row["project_code"] for row in one.box.crafter.records("projects")}
        stays(one)
        rows = {check["name"]: check for check in one.avsync("--json", "check").json["checks"]}
        assert rows["schema.projects"]["ok"]
        one.config["accountview"]["open_project_statuses"] = ["10"]
        assert one.run()["exit"] == 2
        assert not {check["name"]: check for check in one.avsync("--json", "check").json["checks"]}["schema.projects"][
            "ok"
        ]


def test_tables_of_very_many_columns_are_read_whole(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, extra_columns=700, numbered_per_answer=True) as one:
        one.work_order("w1", description="Ketel " * 20)
        one.goes()
        assert len(orders(one)[0]["COMMENT1"]) == 40
        assert one.codes() == ["cut"]
        stays(one)


def test_without_any_clock_everything_goes_once(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, date_header=False) as one:
        one.box.crafter.ugly.date_header = False
        one.work_order("w1", description="Ketel")
        one.hour("u1", project_id="project-1")
        one.goes()
        assert len(orders(one)) == len(one.box.accountview.rows("HRS_LINE")) == 1
        stays(one)
