"""Customers, their addresses and contacts, through the command line against both services."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, office
from tests.support.world import ADDRESSES, NAME, NOWHERE, POSTAL, VISITING, place

IMPORT, EXPORT, BOTH = {"customers": "import"}, {"customers": "export"}, {"customers": "both"}
MAIN = {"none": None, "visiting": "Dorpsstraat 1", "postal": "Postbus 9", "both": "Postbus 9"}
STREETS = {
    "none": set(),
    "visiting": {"Dorpsstraat 1"},
    "postal": {"Postbus 9"},
    "both": {"Dorpsstraat 1", "Postbus 9"},
}


# addresses


@pytest.mark.parametrize("which", ADDRESSES)
def test_each_address_case_gives_the_locations_of_the_address_rule(tmp_path: Path, which: str) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor(**ADDRESSES[which])
        one.goes()
        assert set(one.places()) == STREETS[which]
        if which != "none":
            assert one.main_street() == MAIN[which]
            assert {record["country"] for record in one.places().values()} == {"NL"}
        one.in_step()


@pytest.mark.parametrize("direction", ["import", "both"])
def test_every_move_between_the_address_cases_and_back_keeps_one_main_location(tmp_path: Path, direction: str) -> None:
    moves = list(itertools.permutations(ADDRESSES, 2))
    with office(tmp_path, flows={"customers": direction}) as one:
        numbers = [
            one.debtor(str(30001 + n), ACCT_NAME=f"Klant {n}", **ADDRESSES[old]) for n, (old, _) in enumerate(moves)
        ]
        one.goes()
        for turn in (1, 0, 1):
            for number, move in zip(numbers, moves, strict=True):
                one.in_books(number, **{**NOWHERE, **ADDRESSES[move[turn]]})
            one.goes()
            for number, move in zip(numbers, moves, strict=True):
                found = one.places(number)
                assert STREETS[move[turn]] <= set(found), move
                assert STREETS[move[0]] <= set(found), move  # nothing is deleted
                if move[turn] != "none":
                    assert one.main_street(number) == MAIN[move[turn]], (move, turn)
            one.in_step()


def test_moves_without_a_run_in_between_end_the_same(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        for which in ("both", "postal", "none", "visiting", "both"):
            one.in_books(**{**NOWHERE, **ADDRESSES[which]})
        one.goes()
        assert one.main_street() == "Postbus 9"
        one.in_step()


def test_a_main_location_that_stands_in_crafter_becomes_the_main_address_and_is_not_doubled(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.new_klant(NAME, place("Oude Postbus 1"), place(), customer_number="10001")
        one.goes()
        assert set(one.places()) == {"Postbus 9", "Dorpsstraat 1"}
        assert one.main_street() == "Postbus 9"
        one.in_step()


def test_a_location_by_hand_that_equals_the_new_postal_address_becomes_the_main_one(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        by_hand = place("Postbus 9", "6710 BA")
        identity = one.box.crafter.add("work-locations", customer_id=one.klant()["id"], **by_hand)
        one.goes()
        one.in_books(**POSTAL)
        one.goes()
        assert one.main_street() == "Postbus 9"
        assert one.places()["Postbus 9"]["id"] == identity
        one.in_step()


def test_locations_that_a_planner_added_stay_as_they_are(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.box.crafter.add("work-locations", customer_id=one.klant()["id"], **place("Bouwplaats 3"))
        before = one.places()["Bouwplaats 3"]
        one.in_books(ADDRESS1="Dorpsstraat 2")
        one.goes()
        assert one.places()["Bouwplaats 3"] == before
        assert one.books()["PO_BOX"] == ""
        one.in_step()


def test_another_main_location_by_hand_is_put_right_and_said(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], is_main=True)
        one.goes()
        assert one.main_street() == "Postbus 9"
        assert one.codes() == ["conflict"]
        one.in_step()


@pytest.mark.parametrize(
    ("addresses", "street", "column"),
    [
        ("visiting", "Dorpsstraat 1", "ADDRESS1"),
        ("postal", "Postbus 9", "PO_BOX"),
        ("both", "Postbus 9", "PO_BOX"),
    ],
)
def test_an_edit_of_the_main_location_goes_to_the_address_it_came_from(
    tmp_path: Path, addresses: str, street: str, column: str
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES[addresses])
        one.goes()
        before = one.books()
        one.box.crafter.edit("work-locations", one.places()[street]["id"], street="Nieuwe Weg 5")
        one.box.requests.clear()
        one.goes()
        after = one.books()
        assert one.columns_sent() == [[column]]
        assert {name for name in after if after[name] != before[name]} - {"CNG_DATE"} <= {column}
        assert after[column] == "Nieuwe Weg 5"
        one.in_step()


@pytest.mark.parametrize("which", ["visiting", "postal"])
def test_the_country_of_the_address_travels_both_ways(tmp_path: Path, which: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES[which], CNT_CODE="")
        one.goes()
        street = MAIN[which] or ""
        assert one.places()[street]["country"] is None
        one.in_books(CNT_CODE="be")
        one.goes()
        assert one.places()[street]["country"] == "BE"
        one.box.crafter.edit("work-locations", one.places()[street]["id"], country="de")
        one.goes()
        assert one.books()["CNT_CODE"] == "DE"
        assert one.places()[street]["country"] == "de"  # as the planner wrote it
        one.in_step()


def test_the_one_country_that_accountview_keeps_holds_for_both_addresses(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        one.box.crafter.edit("work-locations", one.places()["Postbus 9"]["id"], country="DE")
        one.goes()
        one.goes()
        assert one.books()["CNT_CODE"] == "DE"
        assert {home["country"] for home in one.places().values()} == {"DE"}
        one.in_step()


def test_a_postal_code_in_lower_case_does_not_ping_pong(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], postal_code="1234 cd")
        one.goes()
        assert one.books()["POST_CODE"] == "1234 CD"
        assert one.places()["Dorpsstraat 1"]["postal_code"] == "1234 cd"
        one.in_step()
        one.in_books(CITY="Lunteren")
        one.goes()
        assert one.places()["Dorpsstraat 1"]["postal_code"] == "1234 cd"
        one.in_step()


# contacts


def test_contacts_are_added_and_changed(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person()
        one.goes()
        found = one.contact()
        assert (found["salutation"], found["first_name"], found["last_name"]) == ("Beste Eva", "Eva", "de Wit")
        assert found["customer_id"] == one.klant()["id"]
        one.person("C2", FRST_NAME="Bob", MAIL_PRIV="")
        one.box.accountview.edit("ASC_PP", "C1", TEL_MOB="06-1", PP_DEAR="")
        one.box.requests.clear()
        one.goes()
        assert {"mobile": "06-1", "salutation": None} in one.fields_sent()
        assert one.contact("C2")["email"] is None
        one.in_step()


def test_a_contact_moved_to_another_customer_moves_along(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.goes()
        identity = one.contact()["id"]
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="10002")
        one.goes()
        assert one.contact()["customer_id"] == one.klant("10002")["id"]
        assert one.contact()["id"] == identity
        one.in_step()


def refuse_moves(one: Office, how: str) -> None:
    """Crafter does not let a contact go to another customer."""
    content: dict[str, Any] = {"error": {"code": "invalid", "message": "not allowed"}}
    if how == "named":
        content["error"]["fields"] = [{"name": "customer_id", "message": "cannot be changed"}]
    one.box.faults.add(side="crafter", method="PATCH", path="contacts", body='"customer_id"', do="answer", status=422,
                       content=content, times=0)  # fmt: skip


@pytest.mark.parametrize("how", ["named", "unnamed", "silent"])
@pytest.mark.parametrize("direction", ["import", "both"])
def test_a_contact_that_crafter_does_not_move_gets_a_new_card_and_the_old_one_is_told_once(
    tmp_path: Path, direction: str, how: str
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.goes()
        old = one.contact()
        if how == "silent":
            one.box.crafter.ugly.fixed_fields = frozenset({"customer_id"})
        else:
            refuse_moves(one, how)
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="10002", TEL_MOB="06-1")
        one.goes()
        cards = {card["customer_id"]: card for card in one.box.crafter.records("contacts")}
        assert len(cards) == 2
        new = cards[one.klant("10002")["id"]]
        assert (new["first_name"], new["mobile"]) == ("Eva", "06-1")
        assert cards[one.klant()["id"]]["id"] == old["id"]
        told = one.problem()
        assert (told["code"], told["severity"], told["name"]) == ("card_left_behind", "warning", "Eva de Wit")
        assert "10002 Schilder Smit" in told["message"]
        assert len(one.told(one.klant()["id"])) == 1
        one.rests()
        one.avsync("errors", "--ignore", str(told["id"]))
        one.box.accountview.edit("ASC_PP", "C1", PP_DEAR="Hoi Eva")
        one.goes()
        assert one.errors() == []
        assert {card["salutation"] for card in one.box.crafter.records("contacts")} == {"Hoi Eva", "Beste Eva"}
        one.rests()
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert len(one.box.crafter.records("contacts")) == 2
        one.rests()


def test_a_contact_that_comes_back_finds_its_first_card(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.goes()
        old = one.contact()["id"]
        refuse_moves(one, "named")
        for number, salutation in (("10002", "Hoi Eva"), ("10001", "Dag Eva"), ("10002", "Lieve Eva")):
            one.box.accountview.edit("ASC_PP", "C1", SUB_NR=number, PP_DEAR=salutation)
            one.goes()
            (here,) = [card for card in one.box.crafter.records("contacts") if card["salutation"] == salutation]
            assert here["customer_id"] == one.klant(number)["id"]
            assert (here["id"] == old) is (number == "10001")
        assert len(one.box.crafter.records("contacts")) == 2
        one.rests()


def test_a_refusal_of_another_field_is_no_refusal_to_move(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.goes()
        content = {"error": {"message": "no", "fields": [{"name": "email", "message": "no e-mail address"}]}}
        one.box.faults.add(side="crafter", method="PATCH", path="contacts", do="answer", status=422, content=content,
                           times=0)  # fmt: skip
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="10002", MAIL_PRIV="geen adres")
        assert one.run()["exit"] == 1
        assert one.codes() == ["rejected_by_crafter"]
        assert len(one.box.crafter.records("contacts")) == 1
        one.box.faults.clear()
        one.goes()
        assert one.contact()["customer_id"] == one.klant("10002")["id"]
        one.in_step()


def test_a_moved_contact_survives_the_deletion_of_its_former_customer(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.person()
        one.person("C2", FRST_NAME="Bob", MAIL_PRIV="bob@jansen.example")
        one.goes()
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="10002")
        one.goes()
        identity = one.contact()["id"]
        one.box.crafter.remove("customers", one.klant()["id"])
        one.goes()
        assert one.contact()["id"] == identity
        assert one.contact("C2")["customer_id"] == one.klant()["id"]
        one.in_step()


def test_a_contact_goes_to_a_customer_that_is_new_in_the_same_run(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person()
        one.goes()
        one.debtor("10002", ACCT_NAME="Schilder Smit")
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="10002")
        one.goes()
        assert one.contact()["customer_id"] == one.klant("10002")["id"]
        one.in_step()


def test_a_contact_removed_in_accountview_is_left_alone_and_stays_away_once_deleted(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person()
        one.person("C2", FRST_NAME="Bob", MAIL_PRIV="bob@jansen.example")
        one.goes()
        one.box.accountview.remove("ASC_PP", "C1")
        one.goes("--full")
        identity = one.contact()["id"]
        one.box.crafter.edit("contacts", identity, phone="010-1")
        one.goes()
        assert one.contact()["phone"] == "010-1"
        one.box.crafter.remove("contacts", identity)
        one.goes()
        one.goes("--full")
        assert len(one.box.crafter.records("contacts")) == 1
        one.in_step()


def test_a_contact_deleted_only_in_crafter_comes_back(tmp_path: Path) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor()
        one.person()
        one.goes()
        one.box.crafter.remove("contacts", one.contact()["id"])
        one.goes()
        assert one.contact()["first_name"] == "Eva"
        one.in_step()


def test_a_contact_taken_from_its_customer_in_accountview_is_left_alone(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person()
        one.goes()
        before = one.contact()
        one.box.accountview.edit("ASC_PP", "C1", SUB_NR="")
        one.goes()
        assert one.contact() == before
        one.rests()


def test_contacts_are_import_only_so_an_edit_in_crafter_stays_there(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor()
        one.person()
        one.goes()
        one.box.crafter.edit("contacts", one.contact()["id"], phone="010-1")
        one.box.crafter.add("contacts", customer_id=one.klant()["id"], first_name="Nieuw", last_name="Iemand")
        one.box.requests.clear()
        one.goes()
        assert one.sent("accountview") == []
        assert len(one.box.accountview.rows("ASC_PP")) == 1
        one.box.accountview.edit("ASC_PP", "C1", PP_DEAR="Hoi Eva")
        one.goes()
        assert (one.contact()["phone"], one.contact()["salutation"]) == ("010-1", "Hoi Eva")
        one.rests()


def test_without_the_contacts_module_customers_go_and_contacts_are_not_asked_for(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH, contacts_module=False) as one:
        one.debtor(**VISITING)
        one.new_klant("Nieuw in Crafter", place("Kade 1"))
        one.goes()
        assert one.klant()["name"] == NAME
        assert not any("PP1" in request.query for request in one.box.requests)
        one.in_step()


def test_a_contact_of_a_customer_that_cannot_go_waits_and_names_it(tmp_path: Path) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor(ACCT_NAME="x")
        one.box.accountview.damage("CONTACT", "10001", ACCT_NAME="")
        one.person()
        assert one.run()["exit"] == 1
        waiting = next(found for found in one.errors() if found["kind"] == "contact")
        assert (waiting["code"], waiting["severity"]) == ("waiting_for_parent", "waiting")
        assert "10001" in waiting["message"]
        one.in_books(ACCT_NAME="Toch een naam")
        one.goes()
        assert one.contact()["customer_id"] == one.klant()["id"]
        assert one.errors() == []
        one.in_step()


# who a customer is


def test_a_private_person_goes_like_any_other(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(ACCT_NAME="Mevr. A.J. van 't Hoff - d'Ancona", MAIL_BUS="", TEL_BUS="", **VISITING)
        one.goes()
        assert one.klant()["name"] == "Mevr. A.J. van 't Hoff - d'Ancona"
        assert (one.klant()["email"], one.klant()["phone"]) == (None, None)
        one.in_step()


@pytest.mark.parametrize("column", ["REC_BLK", "BLK_SP"])
def test_a_blocked_debtor_is_imported_and_kept_up_to_date(tmp_path: Path, column: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**{column: True}, **VISITING)
        one.goes()
        one.in_books(TEL_BUS="010-7")
        one.goes()
        assert one.klant()["phone"] == "010-7"
        one.in_step()


def test_leading_zeros_and_letters_of_a_number_count(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        for number, name in (("0007", "Nul"), ("7", "Zeven"), ("AB-7", "Letter")):
            one.debtor(number, ACCT_NAME=name)
        one.new_klant("Andere letter", customer_number="ab-7")
        one.goes()
        assert {one.klant("0007")["name"], one.klant("7")["name"]} == {"Nul", "Zeven"}
        assert len(one.box.crafter.records("customers")) == 3
        one.rests()


AWKWARD = [
    "Café Größe & Zn. <b>O'Neil</b>",
    '100% "puur" {^2026-01-01} .AND. .T.',
    "A'); DROP TABLE CONTACT;--",
    "Prijs €5 – nu½ 'écht' [x]",
    "NBSP\u00a0in\u00a0naam",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_characters_come_over_unharmed_in_both_directions(tmp_path: Path, name: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(ACCT_NAME=name, **{**VISITING, "ADDRESS1": name})
        identity = one.new_klant(f"{name}!", place(name, city=name[:30]), phone="010-1 'thuis'")
        one.goes()
        assert one.klant()["name"] == name
        assert name in one.places()
        number = one.box.crafter.record("customers", identity)["customer_number"]
        assert (one.books(number)["ACCT_NAME"], one.books(number)["ADDRESS1"]) == (f"{name}!", name)
        one.in_step()


@pytest.mark.parametrize("number", ["A'1", "100%", 'A"B', "1 OR 1=1", "A&B<C", "É1", "{^2026}", "A/B?C#D"])
def test_awkward_characters_in_a_number_find_exactly_that_customer(tmp_path: Path, number: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", ACCT_NAME="Een ander")
        one.debtor(number, **VISITING)
        one.new_klant("Uit Crafter", place("Kade 1"), customer_number=f"{number}X"[:10])
        one.goes()
        assert one.klant(number)["name"] == NAME
        assert one.books(f"{number}X"[:10])["ACCT_NAME"] == "Uit Crafter"
        one.box.crafter.edit("customers", one.klant(number)["id"], phone="010-9")
        one.goes()
        assert one.books(number)["TEL_BUS"] == "010-9"
        one.box.crafter.remove("customers", one.klant(number)["id"])
        one.goes()
        assert one.klant(number)["name"] == NAME
        one.in_step()


def test_line_breaks_in_a_name_become_spaces_in_accountview_and_stay_in_crafter(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        identity = one.new_klant("Jansen\nInstallatie", place("Straat 1\nachterom"))
        one.goes()
        record = one.box.crafter.record("customers", identity)
        assert record["name"] == "Jansen\nInstallatie"
        assert one.books(record["customer_number"])["ACCT_NAME"] == "Jansen Installatie"
        assert one.books(record["customer_number"])["ADDRESS1"] == "Straat 1 achterom"
        one.rests()
        assert one.box.crafter.record("customers", identity)["name"] == "Jansen\nInstallatie"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "Жуков", "foreign_characters"),
        ("name", "Jansen 🙂", "foreign_characters"),
        ("name", "x" * 41, "too_long"),
        ("email", "x" * 42 + "@jansen.nl", "too_long"),
        ("phone", "0" * 21, "too_long"),
        ("phone", "010→1", "foreign_characters"),
        ("customer_number", "12345678901", "too_long"),
        ("street", "ł-straat", "foreign_characters"),
        ("street", "x" * 81, "too_long"),
        ("postal_code", "12345678901", "too_long"),
        ("city", "x" * 36, "too_long"),
    ],
)
def test_what_does_not_fit_accountview_is_a_clear_problem_and_goes_once_mended(
    tmp_path: Path, field: str, value: str, code: str
) -> None:
    good = {"name": "Past", "email": "a@b.nl", "phone": "010", "customer_number": "77"}
    where = {"street": "Kade 1", "postal_code": "6711 AB", "city": "Ede"}
    with office(tmp_path, flows=BOTH) as one:
        fields, address = dict(good), dict(where)
        (fields if field in fields else address)[field] = value
        identity = one.new_klant(fields.pop("name"), place(**address), **fields)
        assert one.run()["exit"] == 1
        assert one.box.accountview.rows("CONTACT") == []
        found = one.problem()
        assert (found["code"], found["kind"], found["severity"]) == (code, "customer", "error")
        assert value in found["message"]
        assert len(one.told(identity)) == 1
        assert one.run()["exit"] == 1
        assert one.problem()["attempts"] == 2
        if field in good:
            one.box.crafter.edit("customers", identity, **{field: good[field]})
        else:
            home = next(each for each in one.box.crafter.records("work-locations"))
            one.box.crafter.edit("work-locations", home["id"], **{field: where[field]})
        one.goes()
        assert one.errors() == []
        assert one.told(identity) == []
        one.in_step()


def test_an_edit_that_does_not_fit_is_a_problem_and_harms_neither_side(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        one.in_crafter(name="Łukasz")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="x" * 36)
        assert one.run()["exit"] == 1
        assert one.codes() == ["foreign_characters", "too_long"]
        assert (one.books()["ACCT_NAME"], one.books()["CITY"]) == (NAME, "Ede")
        assert len(one.told(one.klant()["id"])) == 1
        one.in_crafter(name="Lukasz")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Ede-Zuid")
        one.goes()
        assert (one.books()["ACCT_NAME"], one.books()["CITY"]) == ("Lukasz", "Ede-Zuid")
        one.in_step()


# customers made in Crafter


def test_a_customer_made_in_crafter_is_created_with_search_code_account_and_address(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        first = place("Kade 12b", "8911 xy", "Leeuwarden", country="nl")
        identity = one.new_klant("Bäckerei & Söhne 24", first, place("Werf 1"), phone="058-1", email="a@b.nl")
        one.goes()
        record = one.box.crafter.record("customers", identity)
        row = one.books(record["customer_number"])
        assert (row["SRC_CODE"], row["ACCT_NR"]) == ("BÄCKEREISÖ", "1300")
        assert (row["ADDRESS1"], row["POST_CODE"], row["CITY"], row["CNT_CODE"]) == (
            *("Kade 12b", "8911 XY", "Leeuwarden"),
            "NL",
        )
        assert (row["PO_BOX"], row["TEL_BUS"], row["MAIL_BUS"]) == ("", "058-1", "a@b.nl")
        assert record["external_ref"] == f"av:DEMO:customer:{row['SUB_NR']}"
        assert one.places(row["SUB_NR"])["Kade 12b"]["external_ref"] == f"av:DEMO:location:{row['SUB_NR']}:visiting"
        assert one.places(row["SUB_NR"])["Werf 1"]["external_ref"] is None
        one.in_step()


@pytest.mark.parametrize("direction", ["export", "both"])
def test_the_number_that_accountview_gives_is_written_back(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.new_klant("Zonder nummer", place("Kade 1"))
        one.new_klant("Zonder adres")
        one.new_klant("Met nummer", customer_number="k9")
        one.goes()
        rows = {row["ACCT_NAME"]: row["SUB_NR"] for row in one.box.accountview.rows("CONTACT")}
        assert len(rows) == 3
        assert rows["Met nummer"] == "K9"
        told_ = {record["name"]: record["customer_number"] for record in one.box.crafter.records("customers")}
        assert told_ == {**rows, "Met nummer": "k9"}
        one.in_step()


@pytest.mark.parametrize(
    ("name", "code"), [("!!!", "-"), ("a.b c-1", "ABC1"), ("Straße 123456", "STRASSE123"), ("µ-techniek", "TECHNIEK")]
)
def test_the_search_code_is_letters_and_digits_in_upper_case(tmp_path: Path, name: str, code: str) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.new_klant(name)
        one.goes()
        assert [row["SRC_CODE"] for row in one.box.accountview.rows("CONTACT")] == [code]


def test_export_only_takes_nothing_from_accountview(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.debtor("500", ACCT_NAME="Alleen in de boeken", **VISITING)
        one.person(number="500")
        identity = one.new_klant("Uit Crafter", place("Kade 1"))
        one.goes()
        number = one.box.crafter.record("customers", identity)["customer_number"]
        assert len(one.box.crafter.records("customers")) == 1
        assert one.box.crafter.records("contacts") == []
        one.in_books(number, TEL_BUS="010-1", CITY="Elders")
        one.goes()
        assert one.klant(number)["phone"] is None
        one.in_crafter(number, email="x@y.nl")
        one.box.requests.clear()
        one.goes()
        assert one.columns_sent() == [["MAIL_BUS"]]
        assert one.books(number)["TEL_BUS"] == "010-1"
        one.rests()


def test_import_only_never_makes_or_changes_a_debtor(tmp_path: Path) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor(**VISITING)
        one.new_klant("Alleen in Crafter", place("Kade 1"))
        one.goes()
        one.in_crafter(phone="010-1", name="Andere naam")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Elders")
        one.goes()
        assert one.sent("accountview") == []
        assert one.errors() == []


def test_on_import_crafters_edits_are_left_alone_until_accountview_changes_that_field(tmp_path: Path) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor(TEL_BUS="010-0", **VISITING)
        one.goes()
        one.in_crafter(phone="010-1", email="mijn@keus.nl")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Elders")
        one.goes("--full")
        one.in_books(TEL_BUS="010-2", CITY="Ede-Zuid")
        one.goes()
        assert (one.klant()["phone"], one.klant()["email"]) == ("010-2", "mijn@keus.nl")
        assert one.places()["Dorpsstraat 1"]["city"] == "Ede-Zuid"
        one.rests()


@pytest.mark.parametrize("options", [{"error_in_2xx": True}, {"silent_errors": True}])
def test_a_refusal_is_a_problem_in_accountviews_words_however_sent(tmp_path: Path, options: dict[str, bool]) -> None:
    with office(tmp_path, flows=BOTH, **options) as one:
        one.config["accountview"]["debtor_account"] = "9999"
        identity = one.new_klant("Geen rekening", place("Kade 1"))
        assert one.run()["exit"] == 1
        found = one.problem()
        assert (found["code"], found["who"]) == ("rejected_by_accountview", "bookkeeper")
        assert ("Verzamelrekening 9999" in found["message"]) is not options.get("silent_errors", False)
        assert len(one.told(identity)) == 1
        assert one.box.accountview.rows("CONTACT") == []
        one.config["accountview"]["debtor_account"] = "1310"
        one.goes()
        assert [row["ACCT_NR"] for row in one.box.accountview.rows("CONTACT")] == ["1310"]
        one.in_step()


@pytest.mark.parametrize("do", ["commit_drop", "commit_500", "drop", "html", "500"])
@pytest.mark.parametrize("number", [None, "77"])
def test_a_create_whose_answer_is_lost_makes_one_debtor(tmp_path: Path, do: str, number: str | None) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.new_klant(NAME, place(), customer_number=number)
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=do)
        one.run()
        one.goes()
        assert len(one.box.accountview.rows("CONTACT")) == 1
        one.goes()
        one.in_step()


def test_a_create_that_is_answered_without_a_body_is_read_back(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH, empty_write_body=True) as one:
        identity = one.new_klant(NAME, place("Kade 1", "8911 xy"))
        one.goes()
        one.goes()
        number = one.box.crafter.record("customers", identity)["customer_number"]
        one.in_crafter(number, phone="010-1")
        one.goes()
        assert one.books(number)["TEL_BUS"] == "010-1"
        one.in_step()


def test_only_takes_one_customer_along_with_its_locations(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.debtor("10002", ACCT_NAME="Schilder Smit", **VISITING)
        identity = one.new_klant("Uit Crafter", place("Kade 1"))
        assert one.avsync("sync", "customers", "--only", "10002").exit == 0
        assert set(one.places("10002")) == {"Dorpsstraat 1"}
        assert len(one.box.crafter.records("customers")) == 2
        assert one.avsync("sync", "customers", "--only", identity).exit == 0
        assert one.box.crafter.record("customers", identity)["customer_number"]
        assert len(one.box.crafter.records("customers")) == 2
        one.goes()
        one.in_step()
