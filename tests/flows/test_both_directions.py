"""customers: both. Every edit arrives or is reported, nothing goes to and fro."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from tests.support.comparison import differences, look
from tests.support.office import Office, grow_older, office
from tests.support.world import ADDRESSES, NAME, VISITING, place

BOTH = {"customers": "both"}
PAIRS = {"name": "ACCT_NAME", "phone": "TEL_BUS", "email": "MAIL_BUS"}


@contextmanager
def met(folder: Path, **columns: Any) -> Iterator[Office]:
    """One customer with a visiting address, known on both sides and in step."""
    with office(folder, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-0", MAIL_BUS="a@jansen.nl", **{**VISITING, **columns})
        one.goes()
        one.box.requests.clear()
        yield one


# one side edited


@pytest.mark.parametrize("field", PAIRS)
def test_a_field_changed_in_crafter_goes_to_accountview_and_only_that_field(tmp_path: Path, field: str) -> None:
    with met(tmp_path) as one:
        one.in_crafter(**{field: "Nieuw 1"})
        one.goes()
        assert one.columns_sent() == [[PAIRS[field]]]
        assert one.books()[PAIRS[field]] == "Nieuw 1"
        assert one.fields_sent() == []
        one.in_step()


@pytest.mark.parametrize("field", PAIRS)
def test_a_field_changed_in_accountview_goes_to_crafter_and_only_that_field(tmp_path: Path, field: str) -> None:
    with met(tmp_path) as one:
        one.in_books(**{PAIRS[field]: "Nieuw 1"})
        one.goes()
        assert one.fields_sent() == [{field: "Nieuw 1"}]
        assert one.sent("accountview") == []
        one.in_step()


@pytest.mark.parametrize("field", ["phone", "email"])
def test_a_field_cleared_on_either_side_is_cleared_on_the_other(tmp_path: Path, field: str) -> None:
    with met(tmp_path) as one:
        one.in_crafter(**{field: ""})
        one.goes()
        assert one.books()[PAIRS[field]] == ""
        one.in_crafter(**{field: "weer"})
        one.goes()
        assert one.books()[PAIRS[field]] == "weer"
        one.in_books(**{PAIRS[field]: ""})
        one.goes()
        assert one.klant()[field] is None
        one.in_step()


def test_a_cleared_address_line_in_crafter_is_cleared_in_accountview(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], postal_code=None, country="")
        one.goes()
        assert (one.books()["POST_CODE"], one.books()["CNT_CODE"], one.books()["CITY"]) == ("", "", "Ede")
        one.in_step()


def test_different_fields_changed_on_both_sides_are_both_kept_without_a_word(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(email="b@jansen.nl")
        one.goes()
        assert (one.klant()["phone"], one.klant()["email"]) == ("010-1", "b@jansen.nl")
        assert (one.books()["TEL_BUS"], one.books()["MAIL_BUS"]) == ("010-1", "b@jansen.nl")
        assert one.columns_sent() == [["MAIL_BUS"]]
        assert one.fields_sent() == [{"phone": "010-1"}]
        assert one.errors() == []
        one.in_step()


def test_the_same_change_on_both_sides_is_agreement(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1", POST_CODE="1234 XY")
        one.in_crafter(phone="010-1")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], postal_code="1234 xy")
        one.goes()
        assert one.writes() == []
        assert one.errors() == []
        one.in_step()


# both sides edited


def test_changed_differently_on_both_sides_accountview_wins_and_the_loss_is_reported(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(phone="010-2")
        one.goes()
        assert (one.books()["TEL_BUS"], one.klant()["phone"]) == ("010-1", "010-1")
        found = one.problem()
        assert (found["code"], found["severity"], found["flow"]) == ("conflict", "warning", "customers")
        assert "010-1" in found["message"]
        assert "010-2" in found["message"]
        assert [("010-2" in message, NAME in message) for message in one.told(one.klant()["id"])] == [(True, True)]
        entry = next(iter(one.box.crafter.timeline))
        assert (entry["kind"], entry["entity"]) == ("info", "customer")
        one.in_step()
        assert one.problem()["attempts"] == 1
        assert len(next(iter(one.box.crafter.timeline))["history"]) == 1


def test_a_conflict_on_a_location_is_reported_on_its_customer(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(CITY="Ede-Zuid")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Ede-Noord")
        one.goes()
        assert one.places()["Dorpsstraat 1"]["city"] == "Ede-Zuid"
        assert one.problem()["kind"] == "location"
        assert any("Ede-Noord" in message for message in one.told(one.klant()["id"]))
        one.in_step()


def test_a_conflict_on_a_contact_is_reported_on_its_customer(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.person(TEL_BUS="1")
        one.goes()
        one.box.accountview.edit("ASC_PP", "C1", TEL_BUS="2")
        one.box.crafter.edit("contacts", one.contact()["id"], phone="3")
        one.goes()
        assert one.contact()["phone"] == "2"
        assert any("3" in message for message in one.told(one.klant()["id"]))
        one.in_step()


def test_two_fields_in_conflict_are_two_warnings_and_one_timeline_entry(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1", MAIL_BUS="1@x.nl")
        one.in_crafter(phone="010-2", email="2@x.nl")
        one.goes()
        assert one.codes() == ["conflict", "conflict"]
        assert len(one.told(one.klant()["id"])) == 1
        one.in_step()


def test_a_conflict_stays_for_seven_days(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(phone="010-2")
        one.goes()
        grow_older(one, 6)
        one.goes()
        assert one.codes() == ["conflict"]
        grow_older(one, 2)
        one.goes()
        assert one.errors() == []
        assert one.told(one.klant()["id"]) == []


def test_a_conflict_on_the_same_field_again_starts_its_seven_days_anew(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        for turn in (1, 2):
            one.in_books(TEL_BUS=f"010-{turn}")
            one.in_crafter(phone=f"020-{turn}")
            one.goes()
            grow_older(one, 5)
        one.goes()
        assert "020-2" in one.problem()["message"]
        assert any("020-2" in message for message in one.told(one.klant()["id"]))


def test_an_ignored_conflict_leaves_list_and_timeline_until_a_new_one_comes(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(phone="010-2")
        one.goes()
        assert one.avsync("errors", "--ignore", str(one.problem()["id"])).exit == 0
        one.goes()
        assert one.errors() == []
        assert one.told(one.klant()["id"]) == []
        one.in_books(TEL_BUS="010-3")
        one.in_crafter(phone="010-4")
        one.goes()
        assert "010-4" in one.problem()["message"]


# echoes


def test_our_own_writes_coming_back_are_no_edits(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.person()
        one.new_klant("uit crafter", place("Kade 1", "8911 xy"), phone="058-1")
        one.goes()
        for turn in range(3):
            one.in_books(TEL_BUS=f"010-{turn}", PO_CITY=f"Ede {turn}")
            one.in_crafter(email=f"{turn}@x.nl")
            one.goes()
            one.in_step()
        assert one.errors() == []


def test_a_touched_record_without_a_change_writes_nothing(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books()
        one.in_crafter()
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"])
        one.goes()
        assert one.writes() == []


def test_spaces_at_the_ends_are_no_edit(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_crafter(name=f"  {NAME}\u00a0", phone="010-0 ")
        one.goes()
        assert one.writes() == []


def test_an_edit_undone_before_the_run_is_no_edit(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_crafter(phone="010-9")
        one.in_crafter(phone="010-0")
        one.in_books(TEL_BUS="010-8")
        one.goes()
        assert one.klant()["phone"] == "010-8"
        assert one.errors() == []


def test_an_edit_in_crafter_waits_while_accountview_has_the_record_open_and_then_goes(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.box.accountview.lock("CONTACT", "10001")
        one.in_crafter(phone="010-2")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "rejected_by_accountview"
        assert "in gebruik" in one.problem()["message"]
        one.box.accountview.unlock("CONTACT", "10001")
        one.goes()
        assert one.books()["TEL_BUS"] == "010-2"
        assert one.errors() == []
        one.in_step()


def test_a_loss_is_still_reported_when_the_winning_value_could_not_be_sent_at_once(tmp_path: Path) -> None:
    with met(tmp_path) as one:
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(phone="010-2")
        one.box.faults.add(side="crafter", method="PATCH", path="customers", do="500")
        one.run()
        one.goes()
        assert one.klant()["phone"] == "010-1"
        assert "010-2" in one.problem()["message"]
        one.in_step()


# many records


@pytest.mark.parametrize("seed_", [1, 2])
def test_the_order_in_which_the_listings_come_changes_nothing(tmp_path: Path, seed_: int) -> None:
    def outcome(name: str, shuffled: bool) -> tuple[Any, Any]:
        folder = tmp_path / name
        folder.mkdir()
        with office(
            folder, seed.world(seed=3, customers=12, projects=0, orders=0, work_orders=0, hours=0, bad=False), BOTH
        ) as one:
            one.goes()
            edits = _edits(one, random.Random(seed_))
            if shuffled:
                random.Random(seed_).shuffle(edits)
            for do, *what in edits:
                do(*what[:2], **what[2])
            one.goes()
            one.in_step()
            conflicts = sorted((found["key"], found["message"]) for found in one.errors())
            return _shape(one), conflicts

    assert outcome("as they were made", False) == outcome("shuffled", True)


def _edits(one: Office, dice: random.Random) -> list[Any]:
    edits: list[Any] = []
    for row in one.box.accountview.rows("CONTACT"):
        number = row["SUB_NR"]
        if dice.random() < 0.6:
            edits.append((one.box.accountview.edit, "CONTACT", number, {"TEL_BUS": f"1-{number}", "CITY": "Boekstad"}))
        if dice.random() < 0.6:
            edits.append((one.box.crafter.edit, "customers", one.klant(number)["id"], {"phone": f"2-{number}"}))
        for street, home in one.places(number).items():
            if home["is_main"] and dice.random() < 0.6:
                edits.append((one.box.crafter.edit, "work-locations", home["id"], {"street": f"{street} bis"}))
    return edits


def _shape(one: Office) -> Any:
    """Both worlds without ids and moments."""
    numbers = {record["id"]: record["customer_number"] for record in one.box.crafter.records("customers")}
    homes = [
        (numbers[home["customer_id"]], *(home[name] for name in ("street", "city", "is_main", "external_ref")))
        for home in one.box.crafter.records("work-locations")
    ]
    customers = [(numbers[each["id"]], each["name"], each["phone"]) for each in one.box.crafter.records("customers")]
    rows = [
        (row["SUB_NR"], row["TEL_BUS"], row["ADDRESS1"], row["PO_BOX"], row["CITY"])
        for row in one.box.accountview.rows("CONTACT")
    ]
    return sorted(homes, key=repr), sorted(customers), rows


@pytest.mark.parametrize("seed_", range(3))
def test_rounds_of_edits_on_both_sides_end_equal_and_nothing_is_lost_unsaid(tmp_path: Path, seed_: int) -> None:
    dice = random.Random(seed_)
    with office(
        tmp_path, seed.world(seed=seed_, customers=10, projects=0, orders=0, work_orders=0, hours=0, bad=False), BOTH
    ) as one:
        before = look(one.box)
        one.goes()
        for turn in range(4):
            lost = _a_round(one, dice, turn)
            one.goes()
            assert differences(one.box, BOTH, before=before) == []
            messages = " ".join(found["message"] for found in one.errors())
            assert all(value in messages for value in lost), (lost, messages)
            for found in one.errors():
                one.avsync("errors", "--ignore", str(found["id"]))
        one.goes()
        one.rests()


def _a_round(one: Office, dice: random.Random, turn: int) -> list[str]:
    """A few edits on both sides; the values of Crafter's that must give way."""
    lost = []
    for row in one.box.accountview.rows("CONTACT"):
        number = row["SUB_NR"]
        mine, theirs = f"{turn}-{number} av", f"{turn}-{number} cr"
        in_both = dice.random() < 0.2
        if in_both or dice.random() < 0.3:
            one.in_books(number, TEL_BUS=mine)
        if in_both or dice.random() < 0.3:
            one.in_crafter(number, phone=theirs)
            lost += [theirs] if one.books(number)["TEL_BUS"] == mine else []
    return lost


# there and back: a value that returns to an earlier one is an edit too


@pytest.mark.parametrize("full", [False, True])
def test_accountview_going_back_to_an_earlier_value_is_an_edit(tmp_path: Path, full: bool) -> None:
    with met(tmp_path) as one:
        one.goes()
        one.in_crafter(phone="010-5")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Elders")
        one.goes()
        one.in_books(TEL_BUS="010-0", CITY="Ede")
        one.goes(*(["--full"] if full else []))
        assert one.klant()["phone"] == "010-0"
        assert one.places()["Dorpsstraat 1"]["city"] == "Ede"
        one.in_step()


@pytest.mark.parametrize("full", [False, True])
def test_crafter_going_back_to_an_earlier_value_is_an_edit(tmp_path: Path, full: bool) -> None:
    with met(tmp_path) as one:
        one.in_crafter(email="b@jansen.nl")
        one.goes()
        one.in_books(TEL_BUS="010-5", CITY="Elders")
        one.goes()
        one.in_crafter(phone="010-0")
        one.box.crafter.edit("work-locations", one.places()["Dorpsstraat 1"]["id"], city="Ede")
        one.goes(*(["--full"] if full else []))
        assert (one.books()["TEL_BUS"], one.books()["CITY"]) == ("010-0", "Ede")
        one.in_step()
