"""Customer numbers: put back when Crafter changes them, followed when AccountView does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.office import office, shop
from tests.support.world import ADDRESSES, NAME, POSTAL, VISITING, place

EXPORT, BOTH = {"customers": "export"}, {"customers": "both"}


@pytest.mark.parametrize("direction", ["import", "export", "both"])
@pytest.mark.parametrize("typed", ["99999", None])
def test_a_number_edited_in_crafter_is_put_back(tmp_path: Path, direction: str, typed: str | None) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(**VISITING)
        identity = one.new_klant(NAME, place(), customer_number="10001")
        one.goes()
        one.box.crafter.edit("customers", identity, customer_number=typed)
        one.goes()
        assert one.box.crafter.record("customers", identity)["customer_number"] == "10001"
        assert len(one.box.accountview.rows("CONTACT")) == len(one.box.crafter.records("customers")) == 1
        one.in_step()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_customer_that_gets_another_number_keeps_its_identity(tmp_path: Path, direction: str, full: bool) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(**ADDRESSES["both"])
        one.debtor("10002", ACCT_NAME="Schilder Smit", **VISITING)
        one.person()
        one.goes()
        before, homes, eva = one.klant(), one.places(), one.contact()
        one.in_books(SUB_NR="20009", TEL_BUS="010-5")
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="20009")
        one.goes(*(["--full"] if full else []))
        after = one.klant("20009")
        assert (after["id"], after["phone"]) == (before["id"], "010-5")
        assert {street: home["id"] for street, home in one.places("20009").items()} == {
            street: home["id"] for street, home in homes.items()
        }
        assert (one.contact()["id"], one.contact()["customer_id"]) == (eva["id"], before["id"])
        assert len(one.box.crafter.records("customers")) == 2
        one.in_step()


def test_a_renumbered_customer_is_found_again_without_the_state(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        one.in_books(SUB_NR="20009")
        one.goes()
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert len(one.box.crafter.records("customers")) == 1
        one.in_step()


def test_a_customer_renumbered_while_its_address_changes_follows_by_the_code_that_stayed(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        identity = one.klant()["id"]
        one.in_books(SUB_NR="20009", PO_BOX="", PO_CODE="", PO_CITY="", ADDRESS1="Dorpsstraat 2")
        one.goes()
        assert one.klant("20009")["id"] == identity
        assert one.main_street("20009") == "Dorpsstraat 2"
        one.in_step()


@pytest.mark.parametrize("full", [False, True])
def test_a_customer_made_in_crafter_follows_its_new_number_on_export(tmp_path: Path, full: bool) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        identity = one.new_klant(NAME, place(), customer_number="500")
        one.goes()
        one.in_books("500", SUB_NR="600")
        one.goes(*(["--full"] if full else []))
        one.in_crafter("600", phone="010-1")
        one.goes()
        assert one.box.crafter.record("customers", identity)["customer_number"] == "600"
        assert one.books("600")["TEL_BUS"] == "010-1"
        one.in_step()


def test_a_namesake_at_the_same_address_is_a_customer_of_its_own_while_the_first_is_there(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.debtor("10002", **VISITING)
        one.goes()
        assert one.klant()["id"] != one.klant("10002")["id"]
        one.rests()


def test_a_namesake_elsewhere_does_not_inherit_a_deleted_customer(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.box.accountview.remove("CONTACT", "10001")
        one.debtor("10002", ADDRESS1="Elders 1", POST_CODE="9999 ZZ", CITY="Ver weg")
        one.goes()
        assert one.klant()["id"] != one.klant("10002")["id"]


def test_two_that_may_be_the_renumbered_customer_are_a_question_until_crafter_says_which(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.debtor("10002", **VISITING)
        one.goes()
        second = one.klant("10002")["id"]
        one.box.accountview.remove("CONTACT", "10001")
        one.in_books("10002", SUB_NR="20009")
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = next(each for each in one.errors() if each["kind"] == "customer")
            assert (found["code"], found["key"]) == ("several_candidates", "20009")
            assert "10001, 10002" in found["message"]
            assert len(one.box.crafter.records("customers")) == 2
        one.box.crafter.edit("customers", second, customer_number="20009")
        one.goes()
        assert one.klant("20009")["id"] == second
        assert one.errors() == []
        one.rests()


def test_a_dry_run_tells_of_the_new_number_and_changes_nothing(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.in_books(SUB_NR="20009")
        plan = one.run("--dry-run")["plan"]
        wanted = [(row["kind"], row["key"], row["direction"], row["action"], row["reason"]) for row in plan]
        assert ("customer", "20009", "import", "update", "changed_in_accountview") in wanted
        assert all(row["action"] == "update" for row in plan)
        assert one.klant()["external_ref"] == "av:DEMO:customer:10001"
        one.goes()
        one.in_step()


def test_edits_on_both_sides_survive_a_new_number(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.in_books(SUB_NR="20009", MAIL_BUS="a@b.nl")
        one.in_crafter(name="Jansen & Zn", phone="010-5")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Lunteren")
        one.goes()
        row = one.books("20009")
        assert (row["ACCT_NAME"], row["TEL_BUS"], row["CITY"]) == ("Jansen & Zn", "010-5", "Lunteren")
        assert one.klant("20009")["email"] == "a@b.nl"
        assert one.codes() == []
        one.in_step()


def test_projects_and_orders_go_on_under_the_new_number(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("w1", project_id="project-1")
        one.goes()
        edit = one.box.accountview.edit
        edit("CONTACT", "10001", SUB_NR="20009")
        for code in ("P1", "P2"):
            edit("PROJECTS", code, SUB_NR="20009")
        edit("SO_HDR", one.werkbon("w1")["order_number"], RPL_DEL="20009", RPL_INV="20009")
        one.work_order("w2", project_id="project-2")
        one.box.requests.clear()
        one.goes()
        assert one.klant("20009")["id"] == "klant-1"
        assert {record["customer_id"] for record in one.box.crafter.records("projects")} == {"klant-1", "klant-2"}
        assert one.order_of("w2")["RPL_DEL"] == "20009"
        assert len(one.sent("accountview")) == 1
        one.in_step()


@pytest.mark.parametrize("shared", [{"TEL_BUS": "010-5"}, {"MAIL_BUS": "info@jansen.example"}, {"PO_CODE": "6710BA"}])
@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_renumbered_customer_follows_by_what_it_shares_besides_its_name(
    tmp_path: Path, direction: str, shared: dict[str, str]
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(**shared)
        one.goes()
        identity = one.klant()["id"]
        one.in_books(SUB_NR="20009", **(VISITING if "PO_CODE" not in shared else {}))
        one.goes()
        assert one.klant("20009")["id"] == identity
        one.in_step()


@pytest.mark.parametrize("columns", [{}, {"TEL_BUS": "010-6", "MAIL_BUS": "info@anders.example"}])
def test_a_namesake_that_shares_nothing_else_is_a_customer_of_its_own(tmp_path: Path, columns: dict[str, str]) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-5" if columns else "", MAIL_BUS="info@jansen.example" if columns else "")
        one.goes()
        identity = one.klant()["id"]
        one.box.accountview.remove("CONTACT", "10001")
        one.debtor("20009", **columns)
        one.goes("--full")
        assert one.klant("20009")["id"] != identity
        assert one.klant()["id"] == identity
        one.rests()


# projects


CODES = {"customers": "both", "projects": "import", "orders": "export", "hours": "export"}


@pytest.mark.parametrize("full", [False, True])
def test_a_project_whose_code_changes_in_accountview_stays_one_project_and_its_hours_go_on(
    tmp_path: Path, full: bool
) -> None:
    with shop(tmp_path, CODES) as one:
        one.box.accountview.edit("PROJECTS", "P1", BEG_DATE="2026-02-01")
        one.hour("h1", project_id="project-1")
        one.goes()
        one.box.accountview.edit("PROJECTS", "P1", PROJ_CODE="P1-NEW", END_DATE="2099-01-01")
        one.box.accountview.edit("HRS_LINE", one.box.accountview.rows("HRS_LINE")[0]["REC_ID"], PROJ_CODE="P1-NEW")
        one.hour("h2", project_id="project-1", date="2026-06-02")
        one.work_order("w1", project_id="project-1")
        one.goes(*(["--full"] if full else []))
        record = one.box.crafter.record("projects", "project-1")
        assert (record["project_code"], record["end_date"]) == ("P1-NEW", "2099-01-01")
        assert record["external_ref"] == "av:DEMO:project:P1-NEW"
        assert len(one.box.crafter.records("projects")) == 3
        assert {line[1] for line in one.booked()} == {"P1-NEW"}
        assert one.order_of("w1")["PROJ_CODE"] == "P1-NEW"
        one.in_step()
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        one.rests()


def test_a_project_follows_its_code_while_its_customer_is_renumbered(tmp_path: Path) -> None:
    with shop(tmp_path, CODES) as one:
        one.goes()
        one.box.accountview.edit("CONTACT", "10001", SUB_NR="20009")
        one.box.accountview.edit("PROJECTS", "P1", PROJ_CODE="N1", SUB_NR="20009")
        one.box.accountview.edit("PROJECTS", "P2", SUB_NR="20009")
        one.goes()
        assert one.box.crafter.record("projects", "project-1")["project_code"] == "N1"
        assert len(one.box.crafter.records("projects")) == 3
        one.in_step()


def test_an_exported_project_follows_the_code_that_a_bookkeeper_gives_it(tmp_path: Path) -> None:
    with shop(tmp_path, {**CODES, "projects": "export"}) as one:
        one.box.crafter.add("projects", id="p9", project_type_id="soort", project_code="P9", name="Nieuw",
                            customer_id="klant-1", start_date="2026-03-01")  # fmt: skip
        one.goes()
        one.box.accountview.edit("PROJECTS", "P9", PROJ_CODE="2026-009")
        one.hour("h1", project_id="p9")
        one.goes()
        assert one.box.crafter.record("projects", "p9")["project_code"] == "2026-009"
        assert {line[1] for line in one.booked()} == {"2026-009"}
        assert len(one.box.accountview.rows("PROJECTS")) == 4
        one.box.crafter.edit("projects", "p9", name="Nieuw, en beter")
        one.goes()
        assert one.box.accountview.row("PROJECTS", "2026-009")["PROJ_DESC"] == "Nieuw, en beter"
        one.rests()


@pytest.mark.parametrize("changed", [{"SUB_NR": "10002"}, {"BEG_DATE": "2026-03-01"}, {"PROJ_DESC": "Iets anders"}])
def test_a_project_that_differs_in_more_than_its_code_is_another(tmp_path: Path, changed: dict[str, str]) -> None:
    with shop(tmp_path, CODES) as one:
        one.box.accountview.edit("PROJECTS", "P1", BEG_DATE="2026-02-01")
        one.goes()
        one.box.accountview.edit("PROJECTS", "P1", PROJ_CODE="N1", **changed)
        one.goes()
        assert one.box.crafter.record("projects", "project-1")["project_code"] == "P1"
        assert len(one.box.crafter.records("projects")) == 4
        one.rests()


def test_a_second_project_of_the_same_name_is_its_own_while_the_first_is_there(tmp_path: Path) -> None:
    with shop(tmp_path, CODES) as one:
        for number in range(20):
            one.box.accountview.add("PROJECTS", PROJ_CODE=f"O{number}", PROJ_DESC="Onderhoud", SUB_NR="10001",
                                    PRO_TYPE="ONDERHOUD")  # fmt: skip
        one.goes()
        one.box.accountview.add(
            "PROJECTS", PROJ_CODE="O99", PROJ_DESC="Onderhoud", SUB_NR="10001", PRO_TYPE="ONDERHOUD"
        )
        one.box.requests.clear()
        one.goes()
        asked = [one for one in one.box.requests if one.side == "accountview" and "BusinessObject=PJ1" in one.query]
        assert len(asked) < 5, "the namesakes are asked for together"
        assert len(one.box.crafter.records("projects")) == 3 + 20 + 1
        one.in_step()


def test_a_number_that_is_given_to_another_customer_changes_nobodys_identity(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste", **VISITING)
        one.debtor("2", ACCT_NAME="Tweede", **POSTAL)
        one.goes()
        first = one.klant("1")["id"]
        one.in_books("1", SUB_NR="3")
        one.goes()
        one.debtor("1", ACCT_NAME="Nieuwe", ADDRESS1="Nieuw 1", POST_CODE="1111 AA", CITY="Ver")
        one.goes()
        assert one.klant("3")["id"] == first
        assert (one.klant("1")["name"], one.main_street("1")) == ("Nieuwe", "Nieuw 1")
        one.in_step()


def test_a_number_that_cannot_be_read_is_a_problem_of_that_customer_alone(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10\n01", **VISITING)
        one.debtor("20009", **VISITING)
        assert one.run()["exit"] == 1
        assert one.codes() == ["unreadable"]
        assert [record["customer_number"] for record in one.box.crafter.records("customers")] == ["20009"]
        one.rests(exit_code=1)


INVISIBLE = ["\u200b", "\u200e", "\u00ad", "\ufeff", "\u2060"]


@pytest.mark.parametrize("invisible", INVISIBLE)
def test_what_nobody_can_see_in_a_pasted_number_makes_no_second_record(tmp_path: Path, invisible: str) -> None:
    with shop(tmp_path, {"customers": "both", "orders": "export", "hours": "export"}) as one:
        one.box.crafter.edit("users", "anja", unique_code=f"01{invisible}01")
        one.debtor("10009", ACCT_NAME="Drukkerij Plak", POST_CODE="3011 AA", MAIL_BUS="info@plak.nl")
        pasted = one.new_klant(
            "Drukkerij Plak", customer_number=f"{invisible}100{invisible}09", email=f"info@plak.nl{invisible}",
        )  # fmt: skip
        one.hour("h1")
        one.goes()
        one.box.crafter.edit("customers", pasted, phone=f"010{invisible}-1234567")
        one.goes()
        (there,) = [row for row in one.box.accountview.rows("CONTACT") if row["ACCT_NAME"] == "Drukkerij Plak"]
        assert (there["SUB_NR"], there["TEL_BUS"], there["MAIL_BUS"]) == ("10009", "010-1234567", "info@plak.nl")
        assert [row["EMP_NR"] for row in one.box.accountview.rows("HRS_LINE")] == ["0101"]
        assert [row["id"] for row in one.box.crafter.records("customers") if row["name"] == "Drukkerij Plak"] == [
            pasted
        ]
        one.rests()
