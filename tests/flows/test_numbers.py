"""Customer numbers: put back when Crafter changes them, followed when AccountView does (issue 3, point 5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.debtors import (
    ADDRESSES,
    NAME,
    POSTAL,
    VISITING,
    books,
    contact,
    debtor,
    in_books,
    in_crafter,
    klant,
    main_street,
    new_klant,
    person,
    place,
    places,
)
from tests.support.office import office
from tests.support.shop import codes, goes, in_step, order_of, rests, sent, shop, werkbon, work_order

EXPORT, BOTH = {"customers": "export"}, {"customers": "both"}


@pytest.mark.parametrize("direction", ["import", "export", "both"])
@pytest.mark.parametrize("typed", ["99999", None])
def test_a_number_edited_in_crafter_is_put_back(tmp_path: Path, direction: str, typed: str | None) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        debtor(one, **VISITING)
        identity = new_klant(one, NAME, place(), customer_number="10001")
        goes(one)
        one.box.crafter.edit("customers", identity, customer_number=typed)
        goes(one)
        assert one.box.crafter.record("customers", identity)["customer_number"] == "10001"
        assert len(one.box.accountview.rows("CONTACT")) == len(one.box.crafter.records("customers")) == 1
        in_step(one)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_customer_that_gets_another_number_keeps_its_identity(tmp_path: Path, direction: str, full: bool) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        debtor(one, **ADDRESSES["both"])
        debtor(one, "10002", ACCT_NAME="Schilder Smit", **VISITING)
        person(one)
        goes(one)
        before, homes, eva = klant(one), places(one), contact(one)
        in_books(one, SUB_NR="20009", TEL_BUS="010-5")
        one.box.accountview.edit("CNT_PERS", "C1", SUB_NR="20009")
        goes(one, *(["--full"] if full else []))
        after = klant(one, "20009")
        assert (after["id"], after["phone"]) == (before["id"], "010-5")
        assert {street: home["id"] for street, home in places(one, "20009").items()} == {
            street: home["id"] for street, home in homes.items()
        }
        assert (contact(one)["id"], contact(one)["customer_id"]) == (eva["id"], before["id"])
        assert len(one.box.crafter.records("customers")) == 2
        in_step(one)


def test_a_renumbered_customer_is_found_again_without_the_state(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **ADDRESSES["both"])
        goes(one)
        in_books(one, SUB_NR="20009")
        goes(one)
        for file in one.state.glob("state.db*"):
            file.unlink()
        goes(one)
        assert len(one.box.crafter.records("customers")) == 1
        in_step(one)


def test_a_customer_renumbered_while_its_address_changes_follows_by_the_code_that_stayed(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **ADDRESSES["both"])
        goes(one)
        identity = klant(one)["id"]
        in_books(one, SUB_NR="20009", PO_BOX="", PO_CODE="", PO_CITY="", ADDRESS1="Dorpsstraat 2")
        goes(one)
        assert klant(one, "20009")["id"] == identity
        assert main_street(one, "20009") == "Dorpsstraat 2"
        in_step(one)


@pytest.mark.parametrize("full", [False, True])
def test_a_customer_made_in_crafter_follows_its_new_number_on_export(tmp_path: Path, full: bool) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        identity = new_klant(one, NAME, place(), customer_number="500")
        goes(one)
        in_books(one, "500", SUB_NR="600")
        goes(one, *(["--full"] if full else []))
        in_crafter(one, "600", phone="010-1")
        goes(one)
        assert one.box.crafter.record("customers", identity)["customer_number"] == "600"
        assert books(one, "600")["TEL_BUS"] == "010-1"
        in_step(one)


def test_a_namesake_at_the_same_address_is_a_customer_of_its_own_while_the_first_is_there(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **VISITING)
        goes(one)
        debtor(one, "10002", **VISITING)
        goes(one)
        assert klant(one)["id"] != klant(one, "10002")["id"]
        rests(one)


def test_a_namesake_elsewhere_does_not_inherit_a_deleted_customer(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **VISITING)
        goes(one)
        one.box.accountview.remove("CONTACT", "10001")
        debtor(one, "10002", ADDRESS1="Elders 1", POST_CODE="9999 ZZ", CITY="Ver weg")
        goes(one)
        assert klant(one)["id"] != klant(one, "10002")["id"]


def test_two_that_may_be_the_renumbered_customer_are_a_question_until_crafter_says_which(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **VISITING)
        debtor(one, "10002", **VISITING)
        goes(one)
        second = klant(one, "10002")["id"]
        one.box.accountview.remove("CONTACT", "10001")
        in_books(one, "10002", SUB_NR="20009")
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = next(each for each in one.errors() if each["kind"] == "customer")
            assert (found["code"], found["key"]) == ("several_candidates", "20009")
            assert "10001, 10002" in found["message"]
            assert len(one.box.crafter.records("customers")) == 2
        one.box.crafter.edit("customers", second, customer_number="20009")
        goes(one)
        assert klant(one, "20009")["id"] == second
        assert one.errors() == []
        rests(one)


def test_a_dry_run_tells_of_the_new_number_and_changes_nothing(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **VISITING)
        goes(one)
        in_books(one, SUB_NR="20009")
        plan = one.run("--dry-run")["plan"]
        wanted = [(row["kind"], row["key"], row["direction"], row["action"], row["reason"]) for row in plan]
        assert ("customer", "20009", "import", "update", "changed_in_accountview") in wanted
        assert all(row["action"] == "update" for row in plan)
        assert klant(one)["external_ref"] == "av:DEMO:customer:10001"
        goes(one)
        in_step(one)


def test_edits_on_both_sides_survive_a_new_number(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, **VISITING)
        goes(one)
        in_books(one, SUB_NR="20009", MAIL_BUS="a@b.nl")
        in_crafter(one, name="Jansen & Zn", phone="010-5")
        one.box.crafter.edit("work-locations", places(one)["Dorpsstraat 1"]["id"], city="Lunteren")
        goes(one)
        row = books(one, "20009")
        assert (row["ACCT_NAME"], row["TEL_BUS"], row["CITY"]) == ("Jansen & Zn", "010-5", "Lunteren")
        assert klant(one, "20009")["email"] == "a@b.nl"
        assert codes(one) == []
        in_step(one)


def test_projects_and_orders_go_on_under_the_new_number(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        work_order(one, "w1", project_id="project-1")
        goes(one)
        edit = one.box.accountview.edit
        edit("CONTACT", "10001", SUB_NR="20009")
        for code in ("P1", "P2"):
            edit("PROJECTS", code, SUB_NR="20009")
        edit("SO_HDR", werkbon(one, "w1")["order_number"], RPL_DEL="20009", RPL_INV="20009")
        work_order(one, "w2", project_id="project-2")
        one.box.requests.clear()
        goes(one)
        assert klant(one, "20009")["id"] == "klant-1"
        assert {record["customer_id"] for record in one.box.crafter.records("projects")} == {"klant-1", "klant-2"}
        assert order_of(one, "w2")["RPL_DEL"] == "20009"
        assert len(sent(one, "accountview")) == 1
        in_step(one)


def test_a_customer_without_any_postal_code_follows_by_its_name(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one)
        goes(one)
        identity = klant(one)["id"]
        in_books(one, SUB_NR="20009")
        goes(one)
        assert klant(one, "20009")["id"] == identity
        in_step(one)


def test_a_number_that_is_given_to_another_customer_changes_nobodys_identity(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, "1", ACCT_NAME="Eerste", **VISITING)
        debtor(one, "2", ACCT_NAME="Tweede", **POSTAL)
        goes(one)
        first = klant(one, "1")["id"]
        in_books(one, "1", SUB_NR="3")
        goes(one)
        debtor(one, "1", ACCT_NAME="Nieuwe", ADDRESS1="Nieuw 1", POST_CODE="1111 AA", CITY="Ver")
        goes(one)
        assert klant(one, "3")["id"] == first
        assert (klant(one, "1")["name"], main_street(one, "1")) == ("Nieuwe", "Nieuw 1")
        in_step(one)


def test_a_number_that_cannot_be_read_is_a_problem_of_that_customer_alone(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        debtor(one, "10\n01", **VISITING)
        debtor(one, "20009", **VISITING)
        assert one.run()["exit"] == 1
        assert codes(one) == ["unreadable"]
        assert [record["customer_number"] for record in one.box.crafter.records("customers")] == ["20009"]
        rests(one, exit_code=1)
