"""A row under a known key is not always the record it was: the same, another, or a question (behaviour 36)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import ORDERS, Office, office, shop
from tests.support.world import VISITING, line, place

BOTH = {"customers": "both"}
ALL = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
FIRST, LATER = "2026-01-05T09:00:00", "2026-05-05T09:00:00"
FIRM = {"ACCT_NAME": "Bakkerij Vos", "TEL_BUS": "058-1", "MAIL_BUS": "info@vos.example", **VISITING}


def again(one: Office, seen_gone: bool, number: str = "10001", **columns: Any) -> None:
    """A debtor is deleted, and its number given out again, before anybody noticed or after."""
    one.box.accountview.remove("CONTACT", number)
    if seen_gone:
        one.run("--full")
    one.debtor(number, INP_DATE=LATER, **columns)


def stays(one: Office, exit_: int = 1) -> None:
    """Two more runs, one of them full, store nothing, on either side."""
    for more in ((), ("--full",)):
        one.box.requests.clear()
        assert one.run(*more)["exit"] == exit_, one.errors()
        assert [write for write in one.writes() if write.status < 400] == []


def codes(one: Office) -> set[str]:
    return {problem["code"] for problem in one.errors() if problem["severity"] == "error"}


# customers


SOME_THE_SAME = {
    "another firm in the building": {"ACCT_NAME": "Wildvreemd Transport", "MAIL_BUS": "mail@wild.example", **VISITING},
    "another firm with that phone": {"ACCT_NAME": "Wildvreemd Transport", "TEL_BUS": "058 1", "POST_CODE": "1111 AA"},
    "the son elsewhere": {"ACCT_NAME": "J. Vos", "MAIL_BUS": "j@vos.example", "POST_CODE": "1111 AA"},
}


@pytest.mark.parametrize("seen_gone", [False, True])
@pytest.mark.parametrize("who", SOME_THE_SAME)
@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_debtor_entered_anew_of_whom_some_is_the_same_is_a_question_and_nothing_is_written(
    tmp_path: Path, direction: str, who: str, seen_gone: bool
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.person()
        one.goes()
        card, homes = one.klant(), one.places()
        again(one, seen_gone, **SOME_THE_SAME[who])
        one.box.accountview.edit("ASC_PP", "C1", MAIL_PRIV="ander@wild.example")
        one.box.crafter.edit("customers", card["id"], email="nieuw@vos.example")
        assert one.run()["exit"] == 1
        assert codes(one) == {"customer_same_or_other"}
        (told,) = [problem for problem in one.errors() if problem["code"] == "customer_same_or_other"]
        assert "Bakkerij Vos" in told["message"]
        assert SOME_THE_SAME[who]["ACCT_NAME"] in told["message"]
        assert len(one.told(card["id"])) == 1
        stays(one)
        assert (one.klant()["name"], one.klant()["phone"]) == (card["name"], card["phone"])
        assert one.places() == homes
        assert one.books()["MAIL_BUS"] == SOME_THE_SAME[who].get("MAIL_BUS", "")


@pytest.mark.parametrize("who", SOME_THE_SAME)
def test_the_name_in_crafter_says_that_it_is_the_same(tmp_path: Path, who: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card = one.klant()["id"]
        again(one, False, **SOME_THE_SAME[who])
        assert one.run()["exit"] == 1
        one.in_crafter(name=SOME_THE_SAME[who]["ACCT_NAME"])
        one.goes()
        assert one.klant()["id"] == card
        assert one.klant()["email"] == (SOME_THE_SAME[who].get("MAIL_BUS") or None)
        assert codes(one) == set()
        one.in_step()


@pytest.mark.parametrize("who", SOME_THE_SAME)
@pytest.mark.parametrize("direction", ["import", "both"])
def test_the_number_taken_away_in_crafter_says_that_it_is_another(tmp_path: Path, direction: str, who: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card = one.klant()
        again(one, False, **SOME_THE_SAME[who])
        assert one.run()["exit"] == 1
        one.box.crafter.edit("customers", card["id"], customer_number=None)
        one.goes()
        assert one.klant()["name"] == SOME_THE_SAME[who]["ACCT_NAME"]
        old = one.box.crafter.record("customers", card["id"])
        assert (old["name"], old["email"]) == (card["name"], card["email"])
        assert one.errors() == []
        places = [place["customer_id"] for place in one.box.crafter.records("work-locations")]
        assert sorted(places) == sorted([card["id"], one.klant()["id"]])
        one.rests()


@pytest.mark.parametrize("seen_gone", [False, True])
@pytest.mark.parametrize(
    "columns",
    [FIRM, FIRM | {"MAIL_BUS": "nieuw@vos.example"}, FIRM | {"ACCT_NAME": "Bakkerij Vos B.V.", "TEL_BUS": ""}],
)
def test_a_debtor_entered_again_as_it_was_is_the_same(tmp_path: Path, columns: dict[str, str], seen_gone: bool) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card = one.klant()["id"]
        again(one, seen_gone, **columns)
        one.goes()
        assert one.klant()["id"] == card
        assert one.errors() == []
        one.in_step()


@pytest.mark.parametrize("change", [
    {"ACCT_NAME": "Wildvreemd Transport"},
    {"ACCT_NAME": "Wildvreemd Transport", "MAIL_BUS": "mail@wild.example"},
    {"POST_CODE": "1111 AA", "MAIL_BUS": "mail@wild.example", "TEL_BUS": "010-9"},
])  # fmt: skip
def test_a_row_that_was_not_entered_anew_may_change_much(tmp_path: Path, change: dict[str, str]) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card = one.klant()["id"]
        one.in_books(**change)
        one.goes()
        assert one.klant()["id"] == card
        one.in_step()


def test_without_a_moment_of_entry_another_name_and_e_mail_at_one_address_are_a_question(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH, lacking=frozenset({("CONTACT", "INP_DATE")})) as one:
        one.debtor(**FIRM)
        one.goes()
        one.in_books(ACCT_NAME="Wildvreemd Transport", MAIL_BUS="mail@wild.example")
        assert one.run()["exit"] == 1
        assert codes(one) == {"customer_same_or_other"}
        stays(one)
        one.in_books(ACCT_NAME="Bakkerij Vos")
        one.goes()
        assert one.klant()["email"] == "mail@wild.example"
        one.in_step()


def test_what_waits_for_the_answer_names_it_and_goes_when_it_is_given(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        one.box.accountview.edit("CONTACT", "10001", INP_DATE=FIRST)
        one.goes()
        again(one, False, ACCT_NAME="Wildvreemd Transport", POST_CODE="8911 AB", CITY="Leeuwarden")
        one.work_order("w1", customer_id="klant-1")
        one.sales_order("900")
        assert one.run()["exit"] == 1
        (waiting,) = [problem for problem in one.errors() if problem["severity"] == "waiting"]
        assert waiting["code"] == "waiting_for_parent"
        assert "10001" in waiting["message"]
        assert {record["key"] for record in waiting["records"] if record["kind"] == "order"} == {"900", "WB00001"}
        assert [row["ORD_NR"] for row in one.box.accountview.rows("SO_HDR")] == ["900"]
        assert len(one.box.crafter.records("work-orders")) == 1
        stays(one)
        one.box.crafter.edit("customers", "klant-1", name="Wildvreemd Transport")
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == len(one.box.crafter.records("work-orders")) == 2
        one.in_step()


def test_an_edit_of_the_card_that_lost_its_number_is_said_and_goes_nowhere(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card, home = one.klant()["id"], one.places()["Dorpsstraat 1"]["id"]
        again(one, False, ACCT_NAME="Wildvreemd Transport", TEL_BUS="010-9", POST_CODE="1111 AA", ADDRESS1="Verweg 9")
        assert one.run()["exit"] == 1
        assert codes(one) == {"number_reused"}
        one.box.crafter.edit("customers", card, customer_number=None, phone="058-2")
        one.box.crafter.edit("work-locations", home, street="Dorpsstraat 3")
        before = one.books()
        assert one.run()["exit"] == 1
        assert codes(one) == {"key_of_another"}
        assert one.books() == before
        assert one.klant()["name"] == "Wildvreemd Transport"
        stays(one)
        one.box.crafter.edit("customers", card, phone="058-1")
        one.box.crafter.edit("work-locations", home, street="Dorpsstraat 1")
        one.goes()
        assert one.errors() == []
        one.rests()


def test_a_number_that_a_new_customer_of_crafter_gets_may_have_been_anothers(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        first = one.new_klant("Bakkerij Vos", place())
        one.goes()
        number = one.box.crafter.record("customers", first)["customer_number"]
        one.box.accountview.remove("CONTACT", number)
        one.box.accountview.tables["CONTACT"].last_number -= 1
        second = one.new_klant("Wildvreemd Transport", place("Verweg 9", "1111 AA", "Lelystad"))
        one.run()
        one.run()
        assert [row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")] == ["Wildvreemd Transport"]
        assert one.box.crafter.record("customers", first)["name"] == "Bakkerij Vos"
        one.box.crafter.edit("customers", first, customer_number=None)
        one.goes()
        assert one.klant(number)["id"] == second
        one.rests()


def test_a_renumbered_customer_whose_number_was_given_out_again_keeps_its_card_and_its_locations(
    tmp_path: Path,
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        card, homes = one.klant()["id"], {home["id"] for home in one.places().values()}
        one.in_books(SUB_NR="20009")
        one.debtor(ACCT_NAME="Wildvreemd Transport", TEL_BUS="010-9", POST_CODE="1111 AA", ADDRESS1="Verweg 9")
        one.run()
        one.goes()
        assert one.klant("20009")["id"] == card
        assert {home["id"] for home in one.places("20009").values()} == homes
        assert one.klant("10001")["name"] == "Wildvreemd Transport"
        one.in_step()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_with_the_state_lost_a_mark_does_not_make_two_firms_one(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(INP_DATE=FIRST, **FIRM)
        one.goes()
        one.config["flows"]["customers"] = direction
        card = one.klant()
        one.box.accountview.remove("CONTACT", "10001")
        one.debtor(ACCT_NAME="Wildvreemd Transport", TEL_BUS="010-9", POST_CODE="1111 AA", ADDRESS1="Verweg 9")
        before = one.books()
        for file in one.state.glob("state.db*"):
            file.unlink()
        for more in ((), ("--full",)):
            assert one.run(*more)["exit"] == 1
            assert codes(one) == {"same_customer_by_number"}
            assert one.klant()["name"] == card["name"]
            assert one.books() == before
        one.box.crafter.edit("customers", card["id"], customer_number="9")
        one.goes()
        names = {record["customer_number"]: record["name"] for record in one.box.crafter.records("customers")}
        assert names == {"9": "Bakkerij Vos"} | ({"10001": "Wildvreemd Transport"} if direction != "export" else {})
        assert one.books()["ACCT_NAME"] == "Wildvreemd Transport"
        one.rests()


# projects


CODE = {"PROJ_DESC": "Ketelhuis", "SUB_NR": "10001", "PRO_TYPE": "ONDERHOUD", "BEG_DATE": "2026-02-01"}


def project_again(one: Office, seen_gone: bool, **columns: str) -> None:
    one.box.accountview.remove("PROJECTS", "K1")
    if seen_gone:
        one.run("--full")
    one.box.accountview.add("PROJECTS", PROJ_CODE="K1", **{**CODE, **columns})


def card_of(one: Office, code: str = "K1") -> dict[str, Any]:
    (found,) = [record for record in one.box.crafter.records("projects") if record["project_code"] == code]
    return dict(found)


@pytest.mark.parametrize("seen_gone", [False, True])
@pytest.mark.parametrize("columns", [
    {"SUB_NR": "10002", "BEG_DATE": "2026-06-01"},
    {"PROJ_DESC": "Dakgoot", "BEG_DATE": "2026-06-01"},
    {"PROJ_DESC": "Dakgoot", "SUB_NR": "10002"},
])  # fmt: skip
@pytest.mark.parametrize("answer", ["same", "another"])
def test_a_project_of_which_little_is_the_same_is_a_question(
    tmp_path: Path, answer: str, columns: dict[str, str], seen_gone: bool
) -> None:
    with shop(tmp_path, ORDERS | {"hours": "export"}) as one:
        one.box.accountview.add("PROJECTS", PROJ_CODE="K1", **CODE)
        one.goes()
        card = card_of(one)
        project_again(one, seen_gone, **columns)
        one.hour("h1", project_id=card["id"])
        assert one.run()["exit"] == 1
        assert codes(one) == {"project_same_or_other"}
        assert one.booked() == []
        stays(one)
        assert {**card_of(one), "updated_at": ""} == {**card, "updated_at": ""}
        if answer == "same":
            owner = "klant-2" if columns.get("SUB_NR") == "10002" else "klant-1"
            one.box.crafter.edit("projects", card["id"], customer_id=owner, name=columns.get("PROJ_DESC", "Ketelhuis"))
            one.goes()
            assert card_of(one)["id"] == card["id"]
            assert card_of(one)["start_date"] == columns.get("BEG_DATE", "2026-02-01")
            assert [booked[1] for booked in one.booked()] == ["K1"]
            one.in_step()
        else:
            one.box.crafter.edit("projects", card["id"], project_code="K1-oud")
            one.run()
            assert card_of(one)["name"] == columns.get("PROJ_DESC", "Ketelhuis")
            assert card_of(one, "K1-oud")["id"] == card["id"]
            assert one.booked() == []
            assert codes(one) == {"parent_gone"}
            stays(one)


@pytest.mark.parametrize("columns", [
    {"SUB_NR": "10002"}, {"PROJ_DESC": "Dakgoot"}, {"BEG_DATE": "2026-06-01"},
    {"PROJ_DESC": "Ketelhuis noord", "BEG_DATE": "2026-06-01"}, {"SUB_NR": "10002", "PROJ_DESC": "Ketelhuis noord"},
])  # fmt: skip
def test_a_project_of_which_most_is_the_same_is_the_same(tmp_path: Path, columns: dict[str, str]) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.add("PROJECTS", PROJ_CODE="K1", **CODE)
        one.goes()
        card = card_of(one)["id"]
        one.box.accountview.edit("PROJECTS", "K1", **columns)
        one.goes()
        assert card_of(one)["id"] == card
        one.in_step()


def test_a_project_keeps_its_card_when_its_customer_is_renumbered_and_it_gets_another_name(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.add("PROJECTS", PROJ_CODE="K1", **CODE)
        one.goes()
        card = card_of(one)["id"]
        one.box.accountview.edit("CONTACT", "10001", SUB_NR="20009")
        one.box.accountview.edit("PROJECTS", "K1", SUB_NR="20009", PROJ_DESC="Dakgoot")
        for code in ("P1", "P2"):
            one.box.accountview.edit("PROJECTS", code, SUB_NR="20009")
        one.goes()
        assert (card_of(one)["id"], card_of(one)["name"]) == (card, "Dakgoot")
        one.in_step()


# orders


def linked(one: Office, name: str = "w1", **fields: Any) -> str:
    """A work order and the number of its sales order."""
    one.work_order(name, description="Ketel", target_date="2026-09-01", **fields)
    one.goes()
    return str(one.werkbon(name)["order_number"])


@pytest.mark.parametrize("bears", ["", "IMPORT-7"])
@pytest.mark.parametrize("direction", ["export", "both"])
def test_an_order_that_lost_our_mark_is_a_question_and_gets_no_line(tmp_path: Path, direction: str, bears: str) -> None:
    with shop(tmp_path, ALL | {"orders": direction}) as one:
        number = linked(one)
        one.box.accountview.edit("SO_HDR", number, EXT_ID=bears)
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2")], target_date="2026-09-02")
        assert one.run()["exit"] == 1
        assert codes(one) == {"order_same_or_other"}
        assert one.werkbon("w1")["number"] in one.errors()[0]["message"]
        assert one.standing(number) == []
        assert one.order_of("w1")["DEL_DATE"] == "2026-09-01"
        stays(one)
        one.box.accountview.edit("SO_HDR", number, EXT_ID=one.werkbon("w1")["number"])
        one.goes()
        assert one.standing(number) == [("PUMP-1", "2")]
        assert one.order_of("w1")["DEL_DATE"] == "2026-09-02"
        assert one.errors() == []
        one.rests()


@pytest.mark.parametrize("direction", ["export", "both"])
def test_the_order_number_taken_off_says_that_it_is_another_order(tmp_path: Path, direction: str) -> None:
    with shop(tmp_path, ALL | {"orders": direction}) as one:
        number = linked(one)
        one.box.accountview.edit("SO_HDR", number, EXT_ID="")
        assert one.run()["exit"] == 1
        one.change("w1", order_number=None)
        one.goes()
        assert len(one.box.crafter.records("work-orders")) == (2 if direction == "both" else 1)
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 1
        assert codes(one) == {"order_closed"}
        assert one.standing(number) == []
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        stays(one)


@pytest.mark.parametrize("do", ["", "commit_drop", "cut"])
def test_a_number_that_our_next_order_gets_may_have_been_anothers(tmp_path: Path, do: str) -> None:
    with shop(tmp_path, ALL | {"orders": "export"}) as one:
        number = linked(one, lines=[line("a", "PUMP-1", "2")], status="checked")
        one.box.accountview.remove("SO_HDR", number)
        one.box.accountview.tables["SO_HDR"].last_number -= 1
        if do:
            one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=do)
        one.work_order("w2", description="Ketel", target_date="2026-09-01", status="checked",
                       lines=[line("b", "PUMP-1", "3")])  # fmt: skip
        one.run()
        one.run()
        assert [row["ORD_NR"] for row in one.box.accountview.rows("SO_HDR")] == [number]
        assert one.werkbon("w2")["order_number"] == number or codes(one)
        assert one.standing(number) == [("PUMP-1", "3")]
        one.change("w1", lines=[line("a", "PUMP-1", "2"), line("c", "VALVE-3")])
        assert one.run()["exit"] == 1
        assert one.standing(number) == [("PUMP-1", "3")]
        stays(one)


# hours and contacts


@pytest.mark.parametrize("do", ["", "commit_drop", "cut"])
def test_a_line_number_given_out_again_to_our_next_hours_books_them_once(tmp_path: Path, do: str) -> None:
    with shop(tmp_path, ALL) as one:
        one.hour("h1", hours="2")
        one.goes()
        (row,) = one.box.accountview.rows("HRS_LINE")
        one.box.accountview.remove("HRS_LINE", row["REC_ID"])
        one.box.accountview.tables["HRS_LINE"].last_number -= 1
        if do:
            one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=do)
        one.hour("h2", hours="3", date="2026-06-03")
        one.run()
        one.run()
        assert [booked[-1] for booked in one.booked()] == ["3"]
        one.rests()


def test_a_contact_code_given_out_again_is_another_person(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.goes()
        old = one.contact()
        one.box.accountview.remove("ASC_PP", "C1")
        one.person("C1", "10002", FRST_NAME="Bob", LAST_NAME="Kok", MAIL_PRIV="bob@smit.example")
        one.goes()
        cards = one.box.crafter.records("contacts")
        assert {(card["first_name"], card["customer_id"]) for card in cards} == {
            ("Eva", one.klant()["id"]), ("Bob", one.klant("10002")["id"]),
        }  # fmt: skip
        assert next(card for card in cards if card["id"] == old["id"])["first_name"] == "Eva"
        one.rests()
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert len(one.box.crafter.records("contacts")) == 2
        one.rests()


# what little is the same


@pytest.mark.parametrize("seen", [True, False])
def test_a_word_in_common_does_not_make_another_customers_project_the_same(tmp_path: Path, seen: bool) -> None:
    """Deleted and its code given out again, whether a run came by in between or not."""
    with shop(tmp_path) as one:
        one.goes()
        one.box.accountview.remove("PROJECTS", "P2")
        if seen:
            one.goes("--full")
        another = {"PROJ_DESC": "Project Havenkade", "SUB_NR": "10002", "PRO_TYPE": "ONDERHOUD"}
        one.box.accountview.add("PROJECTS", PROJ_CODE="P2", **another)
        assert one.run("--full")["exit"] == 1
        assert one.codes() == ["project_same_or_other"]
        before = one.box.crafter.record("projects", "project-2")
        assert (before["name"], before["customer_id"]) == ("Project P2", "klant-1")
        one.rests(1)
        one.box.crafter.edit("projects", "project-2", project_code="P2-oud")
        one.run()
        one.goes()
        made = [found for found in one.box.crafter.records("projects") if found["project_code"] == "P2"]
        assert [(found["name"], found["customer_id"]) for found in made] == [("Project Havenkade", "klant-2")]
        assert one.box.crafter.record("projects", "project-2")["name"] == "Project P2"
