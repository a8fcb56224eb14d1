"""Two filled systems meet: matched and adopted, never doubled; the dry run says so beforehand."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from tests.support.comparison import differences, look
from tests.support.office import Office, office, shop
from tests.support.world import ADDRESSES, NAME, VISITING, place

BOTH, IMPORT, EXPORT = {"customers": "both"}, {"customers": "import"}, {"customers": "export"}


# by number


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_matched_by_number_and_the_leading_side_wins_every_field(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("ab1", ACCT_NAME="Naam in de boeken", TEL_BUS="010-1", MAIL_BUS="av@x.nl", **VISITING)
        identity = one.new_klant(
            "Naam in Crafter", place("Elders 5"), customer_number="AB1", phone="020-2", email="cr@x.nl"
        )
        before = look(one.box)
        result = one.run()
        assert (result["exit"], result["flows"]["customers"]["created"]) == (0, 0), one.errors()
        leads = (
            ("Naam in Crafter", "020-2", "cr@x.nl")
            if direction == "export"
            else ("Naam in de boeken", "010-1", "av@x.nl")
        )
        row, record = one.books("AB1"), one.klant("AB1")
        assert (row["ACCT_NAME"], row["TEL_BUS"], row["MAIL_BUS"]) == leads
        assert (record["name"], record["phone"], record["email"]) == leads
        assert (record["id"], record["external_ref"]) == (identity, "av:DEMO:customer:AB1")
        (told,) = (found for found in one.errors() if found["kind"] == "customer")
        assert (told["code"], told["severity"], told["key"]) == ("values_replaced", "warning", "AB1")
        gave_way = (
            ("Naam in de boeken", "010-1", "av@x.nl")
            if direction == "export"
            else ("Naam in Crafter", "020-2", "cr@x.nl")
        )
        assert all(f"(was “{old}”, now “{new}”)" in told["message"] for old, new in zip(gave_way, leads, strict=True))
        one.in_step(before=before)


def test_a_number_is_the_same_in_upper_and_lower_case(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("AB1", **VISITING)
        identity = one.new_klant(NAME, place(), customer_number="ab1")
        one.goes()
        assert [record["id"] for record in one.box.crafter.records("customers")] == [identity]
        one.rests()


def test_a_number_that_only_crafter_knows_makes_a_debtor_with_that_number_in_spite_of_a_namesake(
    tmp_path: Path,
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", **VISITING)
        one.new_klant(NAME, place(), customer_number="2")
        one.goes()
        assert {row["SUB_NR"] for row in one.box.accountview.rows("CONTACT")} == {"1", "2"}
        assert {record["customer_number"] for record in one.box.crafter.records("customers")} == {"1", "2"}
        one.rests()


# by name and postal code


@pytest.mark.parametrize("direction", ["import", "export", "both"])
@pytest.mark.parametrize(
    ("name", "postal_code"),
    [
        (NAME, "6711 AB"),
        (NAME.upper(), "6711ab"),
        (f" {NAME.replace(' ', '  ')} ", "6711\u00a0AB"),
        (NAME, "6710 ba"),  # the postal one of two addresses
    ],
)
def test_a_customer_without_a_number_is_adopted_by_name_and_postal_code(
    tmp_path: Path, name: str, postal_code: str, direction: str
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(**ADDRESSES["both"])
        identity = one.new_klant(name, place("Straat", postal_code))
        one.goes()
        assert one.klant()["id"] == identity
        assert len(one.box.accountview.rows("CONTACT")) == len(one.box.crafter.records("customers")) == 1
        one.rests()


def test_any_of_the_locations_may_carry_the_postal_code(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        identity = one.new_klant(NAME, place("Hoofd 1", "9999 ZZ"), place("Dorpsstraat 1", "6711 AB"))
        one.goes()
        assert one.klant()["id"] == identity
        one.in_step()


@pytest.mark.parametrize(("name", "postal_code"), [(NAME, "9999 ZZ"), ("Iemand anders", "6711 AB"), (NAME, "")])
def test_name_or_postal_code_alone_is_not_enough(tmp_path: Path, name: str, postal_code: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        identity = one.new_klant(name, place("Kade 1", postal_code))
        one.goes()
        assert one.klant()["id"] != identity
        assert len(one.box.accountview.rows("CONTACT")) == len(one.box.crafter.records("customers")) == 2
        one.in_step()


def test_a_linked_customer_is_no_candidate(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.new_klant(NAME, place())
        one.goes()
        assert len(one.box.accountview.rows("CONTACT")) == len(one.box.crafter.records("customers")) == 2


# twins


def _counts(one: Office) -> tuple[int, int]:
    return len(one.box.accountview.rows("CONTACT")), len(one.box.crafter.records("customers"))


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_two_candidates_in_accountview_are_a_question_and_nothing_is_created(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("1", **VISITING)
        one.debtor("2", **VISITING)
        identity = one.new_klant(NAME, place())
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert _counts(one) == (2, 1)
            asked = [found for found in one.errors() if found["kind"] == "customer"]
            assert {found["code"] for found in asked} == {"several_candidates"}
            assert any("1" in found["key"] + found["message"] and "2" in found["message"] for found in asked)
        assert one.sent("crafter") == one.sent("accountview") == []
        one.box.crafter.edit("customers", identity, customer_number="2")
        one.goes()
        assert one.errors() == []
        assert one.klant("2")["id"] == identity
        assert _counts(one) == (2, 1 if direction == "export" else 2)
        one.rests()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_two_candidates_in_crafter_are_a_question_and_nothing_is_created(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("1", **VISITING)
        first, second = one.new_klant(NAME, place()), one.new_klant(NAME, place("Elders 2"))
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert _counts(one) == (1, 2)
            asked = [found for found in one.errors() if found["kind"] == "customer"]
            assert {found["code"] for found in asked} == {"several_candidates"}
        assert one.sent("crafter") == one.sent("accountview") == []
        one.box.crafter.remove("customers", second)
        one.goes()
        assert one.errors() == []
        assert one.klant("1")["id"] == first
        assert _counts(one) == (1, 1)
        one.rests()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_two_candidates_that_bear_the_number_are_a_question_too(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("KL1", **VISITING)
        one.new_klant(NAME, place(), customer_number="KL1")
        second = one.new_klant(NAME, place(), customer_number="kl1")
        before = look(one.box)
        assert one.run()["exit"] == 1
        assert {found["code"] for found in one.errors() if found["kind"] == "customer"} == {"several_candidates"}
        assert look(one.box) == before
        one.box.crafter.remove("customers", second)
        one.goes()
        assert one.errors() == []
        one.rests()


def test_a_namesake_that_has_its_number_in_crafter_is_nobodys_rival(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", **VISITING)
        one.debtor("2", **VISITING)
        second = one.new_klant(NAME, place(), customer_number="2")
        first, before = one.new_klant(NAME, place()), look(one.box)
        one.goes()
        assert (one.klant("1")["id"], one.klant("2")["id"]) == (first, second)
        one.in_step(before)


# what contradicts a match makes it a question


def _asks(one: Office, identity: str, code: str, *words: str) -> None:
    """One error on the klant in Crafter, nothing is written, and a second run says the same."""
    before = look(one.box)
    for _ in range(2):
        assert one.run()["exit"] == 1
        (found,) = (found for found in one.errors() if found["kind"] == "customer")
        assert (found["code"], found["severity"]) == (code, "error")
        assert all(word in found["message"] for word in words), found["message"]
        assert len(one.told(identity)) == 1
    assert look(one.box) == before
    one.rests(1)


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_another_house_number_is_a_question(tmp_path: Path, direction: str) -> None:
    """Father and son: same name, same postal code, two doors down the street."""
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(TEL_BUS="030-1", **VISITING)
        identity = one.new_klant(NAME, place("Dorpsstraat 5"), phone="030-5")
        _asks(one, identity, "same_customer_by_name", "10001", "house number “Dorpsstraat 1” against “Dorpsstraat 5”")
        one.box.crafter.edit("customers", identity, customer_number="10001")
        one.goes()
        assert one.klant()["id"] == identity
        assert _counts(one) == (1, 1)
        one.rests()


def test_two_of_one_name_that_get_each_a_name_of_their_own_are_two(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        identity = one.new_klant(NAME, place("Dorpsstraat 5"))
        assert one.run()["exit"] == 1
        one.box.crafter.edit("customers", identity, name=f"{NAME} jr.")
        one.goes()
        assert one.errors() == []
        assert _counts(one) == (2, 2)
        one.in_step()


@pytest.mark.parametrize(
    ("phone", "email", "asks"),
    [
        ("020-5", "ander@jansen.nl", True),
        ("+31 30 123", "ander@jansen.nl", False),
        ("020-5", "INFO@jansen.nl", False),
        ("020-5", None, False),
        (None, "ander@jansen.nl", False),
    ],
)
def test_email_and_phone_both_different_are_a_question(
    tmp_path: Path, phone: str | None, email: str | None, asks: bool
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="030-123", MAIL_BUS="info@jansen.nl", **VISITING)
        identity = one.new_klant(NAME, place(), phone=phone, email=email)
        if asks:
            _asks(one, identity, "same_customer_by_name", f"address “info@jansen.nl” against “{email}”", f"“{phone}”")
            one.box.crafter.edit("customers", identity, phone="030 123")
        one.goes()
        assert one.klant()["id"] == identity
        one.in_step()


@pytest.mark.parametrize("back", [0, 5])
@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_a_number_that_names_somebody_else_is_a_question(tmp_path: Path, direction: str, back: int) -> None:
    """A mistyped number: nobody's debtor is renamed. Whatever the services' clocks say of when it was told."""
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("10001", ACCT_NAME="Garage Smit B.V.", TEL_BUS="030-1")
        identity = one.new_klant("Bakkerij de Vos B.V.", place(), customer_number="10001", phone="020-2")
        _asks(one, identity, "same_customer_by_number", "10001", "Garage Smit B.V.", "Bakkerij de Vos B.V.")
        one.box.accountview.clock = one.box.crafter._clock = lambda: datetime.now(UTC) - timedelta(seconds=back)
        one.box.crafter.edit("customers", identity, customer_number="10002")
        one.goes()
        assert one.errors() == []
        assert one.books("10001")["ACCT_NAME"] == "Garage Smit B.V."
        assert _counts(one) == {"import": (1, 2), "export": (2, 1), "both": (2, 2)}[direction]
        one.rests()


def test_a_number_under_another_spelling_of_the_name_is_no_question_and_one_that_is_answered_goes(
    tmp_path: Path,
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", ACCT_NAME="Vos Bakkerijen V.O.F.")
        one.debtor("10002", ACCT_NAME="HVB")
        first = one.new_klant("de bakkerij van VOS", customer_number="10001")
        second = one.new_klant("Haagse Verwarming", customer_number="10002")
        assert one.run()["exit"] == 1
        assert one.klant("10001")["name"] == "Vos Bakkerijen V.O.F."
        assert [found["name"] for found in one.errors() if found["severity"] == "error"] == ["Haagse Verwarming"]
        one.box.crafter.edit("customers", second, name="Haagse Verwarming (HVB)")
        one.goes()
        assert (one.klant("10001")["id"], one.klant("10002")["id"]) == (first, second)
        assert one.klant("10002")["name"] == "HVB"
        one.in_step()


def test_what_refers_to_a_customer_in_question_waits_for_the_answer(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "both"}) as one:
        one.box.crafter.edit("customers", "klant-2", name="Kapsalon Bos")
        one.sales_order("500", RPL_DEL="10002", RPL_INV="10002")
        one.work_order("w1", customer_id="klant-2")
        one.work_order("w2")
        assert one.run()["exit"] == 1
        assert one.werkbon("w2")["order_number"]
        assert set(one.codes()) == {"same_customer_by_number", "waiting_for_parent"}
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.box.crafter.edit("customers", "klant-2", name="Smit Garage")
        one.goes()
        assert set(one.codes()) == {"values_replaced"}
        one.in_step()


# projects


@pytest.mark.parametrize("direction", ["import", "export"])
def test_a_code_that_names_a_project_of_another_customer_is_a_question(tmp_path: Path, direction: str) -> None:
    """A mistyped code: nobody's project is renamed, moved or booked on."""
    with shop(tmp_path, {"projects": direction, "orders": "off"}) as one:
        one.box.accountview.edit("PROJECTS", "P3", PROJ_DESC="Ketelhuis")
        one.box.crafter.edit("projects", "project-3", name="Daklekkage", customer_id="klant-1")
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = one.problem()
            assert (found["code"], found["kind"], found["key"]) == ("same_project_by_code", "project", "P3")
            assert all(word in found["message"] for word in ("P3", "Ketelhuis", "Daklekkage"))
            assert len(one.told("project-3")) == 1
        assert one.box.accountview.row("PROJECTS", "P3")["PROJ_DESC"] == "Ketelhuis"
        one.rests(1)
        one.box.crafter.edit("projects", "project-3", project_code="P4")
        one.goes()
        assert one.codes() == []
        assert {row["PROJ_CODE"] for row in one.box.accountview.rows("PROJECTS")} >= {"P1", "P2", "P3"}
        assert len(one.box.crafter.records("projects")) == (4 if direction == "import" else 3)
        one.rests()


@pytest.mark.parametrize(
    "edit", [{"customer_id": "klant-1"}, {"name": "Daklekkage"}, {"name": "p3 ketelhuis", "customer_id": "klant-1"}]
)
def test_a_code_under_another_name_or_customer_alone_is_the_same_project(tmp_path: Path, edit: dict[str, str]) -> None:
    with shop(tmp_path, {"orders": "off"}) as one:
        one.box.accountview.edit("PROJECTS", "P3", PROJ_DESC="Ketelhuis")
        one.box.crafter.edit("projects", "project-3", **{"name": "Ketelhuis", **edit})
        one.goes()
        there = one.box.crafter.record("projects", "project-3")
        assert (there["name"], there["customer_id"]) == ("Ketelhuis", "klant-2")
        assert one.codes() == ["values_replaced"]
        one.in_step()


# a customer that was deleted in Crafter and entered again


@pytest.mark.parametrize("name", [NAME, "Kapsalon Bos"])
def test_a_customer_that_is_entered_again_under_its_number_is_met_and_never_made_in_the_books(
    tmp_path: Path, name: str
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="030-1", **VISITING)
        one.goes()
        one.box.crafter.remove("customers", one.klant()["id"])
        again = one.new_klant(name, place(), customer_number="10001")
        if name != NAME:
            one.box.requests.clear()
            assert one.run()["exit"] == 1
            assert [found["code"] for found in one.errors() if found["severity"] == "error"] == [
                "same_customer_by_number"
            ]
            assert one.sent("accountview") == one.sent("crafter") == []
            one.box.crafter.edit("customers", again, name=f"{NAME} v/h Bos")
        one.goes()
        assert (one.klant()["id"], one.klant()["phone"]) == (again, "030-1")
        assert _counts(one) == (1, 1)
        one.in_step()


# locations and contacts


def test_locations_meet_by_street_and_postal_code_and_of_those_left_main_with_main(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        homes = (place("Postbus negen", "6710 BA"), place("dorpsstraat  1", "6711ab"), place("Magazijn 3"))
        one.new_klant(NAME, *homes, customer_number="10001")
        one.goes()
        assert set(one.places()) == {"Postbus 9", "Dorpsstraat 1", "Magazijn 3"}
        assert one.main_street() == "Postbus 9"
        one.in_step()


def test_the_main_location_in_crafter_that_is_the_visiting_address_stays_that(tmp_path: Path) -> None:
    """Main with main only for what is left: the postal address becomes the main one, the house keeps its own."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.new_klant(NAME, place(name="Werkplaats"), customer_number="10001")
        house = one.places()["Dorpsstraat 1"]["id"]
        one.goes()
        assert one.places()["Dorpsstraat 1"]["id"] == house
        assert one.main_street() == "Postbus 9"
        assert one.codes() == []
        one.in_step()


def test_an_address_that_lacks_a_part_is_not_completed_with_that_of_another_house(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(ADDRESS1="Dorpsstraat 1", CITY="Ede")
        one.new_klant(NAME, place("Kade 7", "8601 AB", "Sneek"), customer_number="10001")
        one.goes()
        assert one.books()["POST_CODE"] == ""
        there = {street: (record["postal_code"], record["city"]) for street, record in one.places().items()}
        assert there == {"Dorpsstraat 1": (None, "Ede"), "Kade 7": ("8601 AB", "Sneek")}
        assert one.main_street() == "Dorpsstraat 1"
        one.in_step()


def test_an_address_that_lacks_a_part_is_completed_where_it_is_the_same_house(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(ADDRESS1="Dorpsstraat 1", CITY="Ede")
        one.new_klant(NAME, place("Dorpsstr. 1", "6711 AB", ""), customer_number="10001")
        one.goes()
        assert one.books()["POST_CODE"] == "6711 AB"
        assert {(one_["postal_code"], one_["city"]) for one_ in one.places().values()} == {("6711 AB", "Ede")}
        one.in_step()


def test_contacts_that_share_a_mailbox_are_not_taken_for_one_another(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person(MAIL_PRIV="info@jansen.nl", TEL_MOB="")
        owner = one.new_klant(NAME, customer_number="10001")
        bob = one.box.crafter.add(
            "contacts", customer_id=owner, first_name="Bob", last_name="de Wit", email="info@jansen.nl", mobile="06-1"
        )
        one.goes()
        assert one.contact()["id"] != bob
        assert one.box.crafter.record("contacts", bob)["first_name"] == "Bob"
        assert one.contact()["mobile"] is None
        assert one.codes() == []
        one.in_step()


def test_a_contact_meets_by_name_and_mail_before_another_meets_by_either(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person("C1", MAIL_PRIV="info@jansen.nl", FRST_NAME="E.", LAST_NAME="Wit")
        one.person("C2", MAIL_PRIV="info@jansen.nl")
        owner = one.new_klant(NAME, customer_number="10001")
        add = one.box.crafter.add
        eva = add("contacts", customer_id=owner, first_name="Eva", last_name="de Wit", email="info@jansen.nl")
        other = add("contacts", customer_id=owner, first_name="", last_name="Wit", email="info@jansen.nl")
        one.goes()
        assert (one.contact("C2")["id"], one.contact("C1")["id"]) == (eva, other)
        one.in_step()


def test_two_contacts_in_the_books_who_may_both_be_meant_are_a_question(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person("C1", MAIL_PRIV="info@jansen.nl")
        one.person("C2", MAIL_PRIV="info@jansen.nl", FRST_NAME="Bob")
        owner = one.new_klant(NAME, customer_number="10001")
        box = one.box.crafter.add("contacts", customer_id=owner, last_name="Wit", email="info@jansen.nl")
        assert one.run()["exit"] == 1
        assert one.codes() == ["several_candidates"] * 2
        assert len(one.box.crafter.records("contacts")) == 1
        one.box.crafter.edit("contacts", box, first_name="Bob")
        one.goes()
        assert one.contact("C2")["id"] == box
        one.in_step()


def test_contacts_meet_by_e_mail_else_by_name_within_their_customer(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.person("C2", FRST_NAME="Bob", LAST_NAME="Bos", MAIL_PRIV="")
        one.person("C3", "10002")
        owner = one.new_klant(NAME, customer_number="10001")
        add = one.box.crafter.add
        eva = add(
            "contacts", customer_id=owner, first_name="E.", last_name="Wit", email="EVA@jansen.example", phone="1"
        )
        bob = add("contacts", customer_id=owner, first_name="BOB", last_name="bos", email="bob@x.nl")
        add("contacts", customer_id=owner, first_name="Alleen", last_name="Crafter")
        before = look(one.box)
        one.goes()
        assert (one.contact()["id"], one.contact("C2")["id"]) == (eva, bob)
        assert one.contact()["first_name"] == "Eva"
        assert one.contact("C3")["customer_id"] == one.klant("10002")["id"]
        assert len(one.box.crafter.records("contacts")) == 4
        one.in_step(before)


def test_of_contacts_that_share_an_e_mail_the_name_decides(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person(MAIL_PRIV="info@jansen.nl")
        one.person("C2", FRST_NAME="Bob", MAIL_PRIV="info@jansen.nl")
        owner = one.new_klant(NAME, customer_number="10001")
        ids = {
            name: one.box.crafter.add(
                "contacts", customer_id=owner, first_name=name, last_name="de Wit", email="info@jansen.nl"
            )
            for name in ("Bob", "Eva")
        }
        one.goes()
        assert (one.contact()["id"], one.contact("C2")["id"]) == (ids["Eva"], ids["Bob"])
        one.in_step()


def test_two_contacts_that_fit_are_a_question_and_nothing_is_created(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person(MAIL_PRIV="")
        owner = one.new_klant(NAME, customer_number="10001")
        twins = [one.box.crafter.add("contacts", customer_id=owner, first_name="Eva", last_name="de Wit") for _ in "ab"]
        assert one.run()["exit"] == 1
        assert (one.problem()["code"], one.problem()["kind"]) == ("several_candidates", "contact")
        assert len(one.box.crafter.records("contacts")) == 2
        one.box.crafter.remove("contacts", twins[0])
        one.goes()
        assert one.contact()["id"] == twins[1]
        one.in_step()


# Crafter says that the number exists already


def _hidden(one: Office, **fields: Any) -> str:
    """A klant that the changes do not show: its moment lies before the last listing."""
    return one.new_klant(NAME, updated_at="2001-01-01T00:00:00.000000Z", **fields)


def test_a_record_that_is_in_the_way_is_adopted_when_free_and_plausible(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        identity = _hidden(one, customer_number="2", phone="020-2")
        one.debtor("2", TEL_BUS="010-1", **VISITING)
        one.goes()
        assert (one.klant("2")["id"], one.klant("2")["phone"]) == (identity, "010-1")
        assert one.codes() == ["values_replaced"]
        one.in_step()


def test_a_record_that_is_in_the_way_because_it_took_another_number_lets_go_of_it_in_the_same_run(
    tmp_path: Path,
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        one.in_crafter("1", customer_number="2")
        one.debtor("2", ACCT_NAME="Tweede")
        one.goes()
        assert one.codes() == ["conflict"]  # what was typed is gone, and that is said
        assert (one.klant("1")["name"], one.klant("2")["name"]) == ("Eerste", "Tweede")
        one.in_step()


def test_a_record_that_is_in_the_way_and_does_not_let_go_is_a_problem(tmp_path: Path) -> None:
    """Crafter keeps the typed number, whatever is written there."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        one.in_crafter("1", customer_number="2")
        one.debtor("2", ACCT_NAME="Tweede")
        one.box.faults.add(side="crafter", method="PATCH", times=0, do="500")
        assert one.run()["exit"] in (1, 4)
        assert one.klant("2")["name"] == "Eerste"
        one.box.faults.clear()
        one.goes()
        assert (one.klant("1")["name"], one.klant("2")["name"]) == ("Eerste", "Tweede")
        one.in_step()


def test_a_record_that_is_in_the_way_and_names_somebody_else_is_a_question(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        one.new_klant("Kapsalon Bos", updated_at="2001-01-01T00:00:00.000000Z", customer_number="2")
        one.debtor("2", ACCT_NAME="Garage Smit")
        assert one.run()["exit"] == 1
        assert one.codes() == ["same_customer_by_number"]
        assert one.klant("2")["name"] == "Kapsalon Bos"
        one.rests(1)


def test_a_record_that_is_in_the_way_and_of_another_administration_is_said_once(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        _hidden(one, customer_number="2", external_ref="av:ANDERE:customer:2")
        one.debtor("2", **VISITING)
        one.box.requests.clear()
        assert one.run()["exit"] == 1
        assert len(one.sent("crafter", "POST")) == 1
        found = next(found for found in one.errors() if found["kind"] == "customer")
        assert found["code"] == "number_of_other_administration"
        assert all(word in found["message"] for word in ("2", NAME, "ANDERE"))
        assert one.klant("2")["external_ref"] == "av:ANDERE:customer:2"


# the report of a dry run


def _plan(one: Office) -> Counter[tuple[str, ...]]:
    return Counter((row["flow"], row["kind"], row["action"], row["direction"]) for row in one.run("--dry-run")["plan"])


def test_a_dry_run_says_per_record_what_would_happen_in_which_direction_and_why(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Alleen AccountView", **VISITING)
        one.debtor("2", ACCT_NAME="Op nummer", TEL_BUS="010-2")
        one.debtor("3", ACCT_NAME="Op naam", **VISITING)
        one.debtor("4", ACCT_NAME="Tweeling", **VISITING)
        one.new_klant("Op nummer", customer_number="2")
        one.new_klant("op naam", place())
        for _ in "ab":
            one.new_klant("Tweeling", place())
        one.new_klant("Alleen Crafter", place("Kade 1"))
        one.new_klant("Жуков", place("Kade 2"))
        result = one.run("--dry-run")
        assert (result["dry_run"], result["exit"]) == (True, 1)
        rows = {(row["name"], row["direction"]): row for row in result["plan"] if row["kind"] == "customer"}
        told = {pair: (row["action"], row["reason"]) for pair, row in rows.items()}
        assert told == {
            ("Alleen AccountView", "import"): ("create", "new_in_accountview"),
            ("Op nummer", "import"): ("adopt", "first_meeting"),
            ("Op naam", "import"): ("adopt", "first_meeting"),
            ("Tweeling", "import"): ("reject", "several_candidates"),
            ("Tweeling", "export"): ("reject", "several_candidates"),
            ("Alleen Crafter", "export"): ("create", "new_in_crafter"),
            ("Жуков", "export"): ("reject", "foreign_characters"),
        }
        assert rows["Op nummer", "import"]["fields"] == ["phone", "external_ref"]
        assert rows["Op naam", "import"]["fields"] == ["customer_number", "name", "external_ref"]
        assert {"flow", "direction", "kind", "key", "name", "action", "fields", "reason"} == set(result["plan"][0])
        table = one.avsync("run-all", "--dry-run", "--details").out
        for said in ("Alleen AccountView", "new in AccountView", "exists on both sides", "new in Crafter", "adopt"):
            assert said in table


def _prints(one: Office) -> dict[str, str]:
    files = [file for file in one.state.iterdir() if file.suffix == ".db"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_dry_run_writes_nothing_anywhere(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=4, customers=10, projects=4, orders=3, work_orders=6, hours=8)) as one:
        one.run("--dry-run")
        assert not (one.state / "state.db").exists()
        one.run()
        one.in_books(one.box.accountview.rows("CONTACT")[0]["SUB_NR"], TEL_BUS="010-9")
        before, worlds = _prints(one), look(one.box)
        one.box.requests.clear()
        one.run("--dry-run")
        assert one.writes() == []
        assert (look(one.box), _prints(one)) == (worlds, before)


@pytest.mark.parametrize("bad", [False, True])
def test_a_dry_run_and_the_run_after_it_agree(tmp_path: Path, bad: bool) -> None:
    flows = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
    world = seed.world(seed=6, customers=15, projects=6, orders=4, work_orders=8, hours=10, bad=bad)
    with office(tmp_path, world, flows) as one:
        dry = one.run("--dry-run")
        one.box.requests.clear()
        real = one.run()
        assert real["exit"] == dry["exit"]
        refused = Counter(found["flow"] for found in one.errors() if found["code"] == "rejected_by_accountview")
        for flow, counts in real["flows"].items():  # what AccountView refuses only the sending can tell
            said = dry["flows"][flow]
            assert (counts["created"], counts["failed"]) == (
                said["created"] - refused[flow],
                said["failed"] + refused[flow],
            )
            assert (counts["adopted"], counts["waiting"]) == (said["adopted"], said["waiting"]), flow
        planned = Counter((row["flow"], row["action"]) for row in dry["plan"] if row["fields"])
        assert planned["customers", "create"] == real["flows"]["customers"]["created"]
        creates = [row for row in dry["plan"] if row["action"] == "create" and row["direction"] == "import"]
        assert len(creates) == len(one.sent("crafter", "POST"))
        exported = [row for row in dry["plan"] if row["action"] == "create" and row["kind"] not in ("order_line",)]
        assert len(exported) - len(creates) == len(one.sent("accountview", "POST"))
        assert differences(one.box, flows) == [] or bad


def test_after_the_run_a_dry_run_has_nothing_left_to_say(tmp_path: Path) -> None:
    with office(
        tmp_path, seed.world(seed=6, customers=15, projects=6, orders=4, work_orders=8, hours=10, bad=False)
    ) as one:
        one.goes()
        assert _plan(one) == Counter()
        assert "in step" in one.avsync("run-all", "--dry-run").out


# two filled systems


@pytest.mark.parametrize("direction", ["import", "both", "export"])
def test_two_filled_systems_meet_without_a_double_and_the_leading_side_loses_nothing(
    tmp_path: Path, direction: str
) -> None:
    flows = {"customers": direction}
    with office(
        tmp_path, seed.world(seed=8, customers=25, projects=0, orders=0, work_orders=10, hours=0, bad=False), flows
    ) as one:
        crafter = one.box.crafter
        for place_, record in enumerate(crafter.records("customers")):
            if place_ % 2:
                crafter.edit(
                    "customers", record["id"], customer_number=None, phone="zelf 1", name=record["name"].upper()
                )
        before = look(one.box)
        result = one.run()
        assert result["exit"] == 0, one.errors()
        assert result["flows"]["customers"]["adopted"] > 0
        assert set(one.codes()) - {"customer_without_address"} == {"values_replaced"}
        assert differences(one.box, flows, before=before) == []
        if direction != "export":
            assert [_without_moment(row) for row in one.box.accountview.rows("CONTACT")][
                : len(before.books["CONTACT"])
            ] == [_without_moment(row) for row in before.rows("CONTACT")]
        else:
            for identity, was in before.plan["customers"].items():
                now = crafter.record("customers", identity)
                assert {name: now[name] for name in ("name", "phone", "email")} == {
                    name: was[name] for name in ("name", "phone", "email")
                }
        one.rests()


def _without_moment(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "CNG_DATE"}
