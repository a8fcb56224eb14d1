"""Which location goes to AccountView, and when: the first and the main one (behaviour 7 and 17)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, office, shop
from tests.support.world import ADDRESSES, NOWHERE, VISITING, place

EXPORT, BOTH = {"customers": "export"}, {"customers": "both"}
ADDRESS = ("ADDRESS1", "POST_CODE", "CITY")
KADE = ("Kade 12", "8911 XY", "Leeuwarden")


def typed(one: Office, minutes: float = 0, name: str = "Bakkerij Vos", **fields: Any) -> str:
    """A klant that a planner saved so many minutes ago by Crafter's clock, without a location as yet."""
    made = one.box.crafter.server_time() - timedelta(minutes=minutes)
    return one.new_klant(
        name, created_at=made.isoformat(), updated_at=one.box.crafter.server_time().isoformat(), **fields
    )


def on_the_kade(one: Office, klant: str, **fields: Any) -> str:
    """A planner adds the location."""
    return str(one.box.crafter.add("work-locations", customer_id=klant, **place(*KADE), **fields))


def debtors(one: Office) -> list[tuple[str, ...]]:
    """Name and visiting address of every debtor."""
    return [tuple(row[name] for name in ("ACCT_NAME", *ADDRESS)) for row in one.box.accountview.rows("CONTACT")]


# behaviour 7: somebody is still typing


@pytest.mark.parametrize("direction", ["export", "both"])
@pytest.mark.parametrize("number", [None, "77"])
def test_a_customer_saved_before_its_address_is_held_and_then_sent_with_it(
    tmp_path: Path, direction: str, number: str | None
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        klant = typed(one, customer_number=number)
        for more in ((), ("--full",)):
            one.box.requests.clear()
            result = one.run(*more)
            assert result["exit"] == 0
            assert result["flows"]["customers"]["waiting"] == 1
            assert one.errors() == []
            assert one.writes() == []
        on_the_kade(one, klant)
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        assert one.codes() == []
        one.in_step()
        one.box.crafter.edit("work-locations", one.box.crafter.records("work-locations")[0]["id"], city="Grou")
        one.goes()
        assert debtors(one)[0][-1] == "Grou"
        one.in_step()


@pytest.mark.parametrize("direction", ["export", "both"])
def test_after_an_hour_it_goes_without_and_its_first_address_follows(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        klant = typed(one, minutes=61)
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", "", "", "")]
        assert one.problem()["code"] == "customer_without_address"
        assert len(one.told(klant)) == 1
        one.rests()
        assert one.codes() == ["customer_without_address"]
        home = on_the_kade(one, klant)
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        assert one.codes() == []
        assert one.told(klant) == []
        number = one.box.accountview.rows("CONTACT")[0]["SUB_NR"]
        mark = f"av:DEMO:location:{number}:visiting"
        assert one.box.crafter.record("work-locations", home)["external_ref"] == mark
        one.in_step()


def test_the_hour_goes_by_crafters_clock(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.box.crafter.ugly.clock_shift = timedelta(hours=-5)
        typed(one, minutes=30)
        one.goes()
        assert debtors(one) == []
        one.box.crafter.ugly.clock_shift = timedelta(hours=-4.4)
        one.goes()
        assert [name for name, *_ in debtors(one)] == ["Bakkerij Vos"]


def test_without_a_date_header_it_goes_by_ours(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.box.crafter.ugly.date_header = False
        typed(one, minutes=30)
        typed(one, minutes=90, name="Schilder Smit")
        one.goes()
        assert [name for name, *_ in debtors(one)] == ["Schilder Smit"]


def test_a_moment_from_the_future_holds_nobody_for_long(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        typed(one, minutes=-60 * 24 * 365)
        one.goes()
        assert [name for name, *_ in debtors(one)] == ["Bakkerij Vos"]


def test_a_customer_without_a_moment_is_sent(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.box.crafter.ugly.null_fields = frozenset({"created_at"})
        typed(one)
        one.goes()
        assert [name for name, *_ in debtors(one)] == ["Bakkerij Vos"]


def test_a_held_customer_that_the_books_have_already_is_linked_at_once(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        klant = typed(one, name="Installatie Jansen", customer_number="10001")
        result = one.run()
        assert (result["exit"], result["flows"]["customers"]["waiting"]) == (0, 0)
        assert one.klant()["id"] == klant
        assert one.main_street() == "Dorpsstraat 1"
        one.in_step()


def test_a_held_customer_deleted_again_leaves_nothing_behind(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one)
        one.goes()
        one.box.crafter.remove("customers", klant)
        result = one.run()
        assert (result["exit"], result["flows"]["customers"]["waiting"]) == (0, 0)
        assert debtors(one) == []


def test_a_held_customer_shows_in_a_dry_run_and_an_order_for_it_names_it(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        klant = typed(one)
        one.work_order("w1", customer_id=klant)
        (row,) = [
            row
            for row in one.run("--dry-run")["plan"]
            if row["kind"] == "customer" and row["name"] == "Bakkerij Vos" and not row["key"].startswith("1000")
        ]
        assert (row["action"], row["reason"], row["fields"]) == ("wait", "held", [])
        one.run()
        (told,) = one.errors()
        assert (told["kind"], told["code"], told["severity"]) == ("order", "waiting_for_parent", "waiting")
        on_the_kade(one, klant)
        one.goes()
        assert one.errors() == []
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        one.in_step()


# behaviour 7: the first address of a customer that has none in AccountView


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_the_first_main_location_of_a_customer_without_any_address_becomes_its_visiting_address(
    tmp_path: Path, direction: str
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor()
        klant = one.new_klant("Installatie Jansen", customer_number="10001")
        one.goes()
        one.box.requests.clear()
        on_the_kade(one, klant, country="NL")
        one.goes()
        row = one.books()
        if direction == "import":
            assert one.sent("accountview") == []
            assert row["ADDRESS1"] == ""
        else:
            assert one.columns_sent() == [["ADDRESS1", "POST_CODE", "CITY"]] or len(one.sent("accountview")) == 1
            assert (row["ADDRESS1"], row["POST_CODE"], row["CITY"], row["PO_BOX"]) == (*KADE, "")
        one.in_step()


def test_the_country_that_the_books_have_already_comes_along_at_once(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(CNT_CODE="NL")
        one.goes()
        home = on_the_kade(one, one.klant()["id"])
        one.goes()
        assert one.box.crafter.record("work-locations", home)["country"] == "NL"
        assert one.books()["ADDRESS1"] == "Kade 12"
        one.in_step()


def test_one_that_has_an_address_keeps_it_whatever_is_added_in_crafter(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        for number, which in (("1", "visiting"), ("2", "postal"), ("3", "both")):
            one.debtor(number, ACCT_NAME=f"Klant {number}", **ADDRESSES[which])
        one.goes()
        before = [one.books(number) for number in "123"]
        for number in "123":
            on_the_kade(one, one.klant(number)["id"], is_main=True)
        one.goes()
        assert [one.books(number) for number in "123"] == before
        one.in_step()


@pytest.mark.parametrize("marks", [True, False])
def test_a_first_address_goes_in_the_run_that_finds_its_debtor_under_another_number(
    tmp_path: Path, marks: bool
) -> None:
    with office(tmp_path, flows=BOTH, ext_id=marks) as one:
        klant = typed(one, minutes=61, phone="058-123")
        one.goes()
        (debtor,) = one.box.accountview.rows("CONTACT")
        on_the_kade(one, klant)
        one.box.accountview.edit("CONTACT", debtor["SUB_NR"], SUB_NR="77001")
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        assert one.klant("77001")["id"] == klant
        one.in_step()


def test_with_the_state_lost_in_between_the_first_address_still_goes(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one, minutes=61)
        one.goes()
        on_the_kade(one, klant)
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        one.in_step()


@pytest.mark.parametrize("lost", [False, True])
def test_an_address_taken_away_in_the_books_is_not_sent_again(tmp_path: Path, lost: bool) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = one.new_klant("Bakkerij Vos", place(*KADE))
        one.goes()
        number = one.box.crafter.record("customers", klant)["customer_number"]
        one.in_books(number, **NOWHERE)
        one.goes()
        for file in one.state.glob("state.db*") if lost else ():
            file.unlink()
        one.goes("--full")
        assert debtors(one) == [("Bakkerij Vos", "", "", "")]
        one.rests()


@pytest.mark.parametrize("do", ["commit_drop", "drop", "commit_500", "500"])
def test_a_first_address_whose_answer_is_lost_arrives_once(tmp_path: Path, do: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one, minutes=61)
        one.goes()
        on_the_kade(one, klant)
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do=do)
        one.run()
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        one.in_step()


def test_a_first_address_goes_once_the_debtor_is_closed_again_although_it_changed_meanwhile(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one, minutes=61)
        one.goes()
        number = one.box.crafter.record("customers", klant)["customer_number"]
        on_the_kade(one, klant)
        one.box.accountview.lock("CONTACT", number)
        assert one.run()["exit"] == 1
        one.in_books(number, TEL_BUS="058-1", CNT_CODE="NL")
        assert one.run("--full")["exit"] == 1
        one.box.accountview.unlock("CONTACT", number)
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        assert one.box.crafter.record("customers", klant)["phone"] == "058-1"
        one.in_step()


def test_a_first_address_that_does_not_fit_goes_whole_once_it_does(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one, minutes=61)
        one.goes()
        home = on_the_kade(one, klant)
        one.box.crafter.edit("work-locations", home, city="x" * 36)
        assert one.run()["exit"] == 1
        assert debtors(one) == [("Bakkerij Vos", "", "", "")]
        assert one.codes() == ["too_long"]
        one.box.crafter.edit("work-locations", home, city="Leeuwarden")
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *KADE)]
        one.in_step()


def test_the_bookkeeper_who_was_first_is_not_overwritten(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = typed(one, minutes=61)
        one.goes()
        number = one.box.crafter.record("customers", klant)["customer_number"]
        on_the_kade(one, klant)
        one.in_books(number, **VISITING)
        one.goes()
        assert debtors(one) == [("Bakkerij Vos", *VISITING.values())]
        one.in_step()


# behaviour 17: only the main location


@pytest.mark.parametrize("direction", ["export", "both"])
def test_an_edit_of_a_further_location_stays_in_crafter(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        one.config["flows"]["customers"] = direction
        before, further = one.books(), one.places()["Dorpsstraat 1"]["id"]
        one.box.crafter.edit("work-locations", further, street="Nieuwe Weg 5", city="Elders")
        one.box.requests.clear()
        one.goes()
        assert one.sent("accountview") == []
        assert one.books() == before
        one.rests()
        one.in_books(ADDRESS1="Dorpsstraat 7")
        one.goes()
        streets = {home["street"] for home in one.box.crafter.records("work-locations")}
        assert ("Dorpsstraat 7" in streets) is (direction == "both")
        one.rests()


def test_a_location_that_stops_being_the_main_one_goes_no_more_and_goes_again_when_it_is(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        one.goes()
        visiting = one.places()["Dorpsstraat 1"]["id"]
        one.in_books(PO_BOX="", PO_CODE="", PO_CITY="")
        one.goes()
        one.box.crafter.edit("work-locations", visiting, city="Lunteren")
        one.goes()
        assert one.books()["CITY"] == "Lunteren"
        one.in_books(**ADDRESSES["postal"])
        one.goes()
        one.box.crafter.edit("work-locations", visiting, city="Ede")
        one.goes()
        assert one.books()["CITY"] == "Lunteren"
        one.rests()


def test_a_further_location_made_main_by_hand_overwrites_nothing(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.goes()
        before = one.books()
        home = on_the_kade(one, one.klant()["id"], is_main=True)
        one.goes()
        one.box.crafter.edit("work-locations", home, street="Kade 14", is_main=True)
        one.goes()
        assert one.books() == before
        assert one.main_street() == "Dorpsstraat 1"
        one.in_step()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
@pytest.mark.parametrize("lost", [False, True])
def test_a_location_given_to_another_customer_in_crafter_writes_on_nobodys_debtor(
    tmp_path: Path, direction: str, lost: bool
) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.debtor("10002", ACCT_NAME="Schilder Smit", ADDRESS1="Kade 1", POST_CODE="8911 XY", CITY="Grou")
        one.goes()
        one.config["flows"]["customers"] = direction
        one.goes()
        before = [one.books(number) for number in ("10001", "10002")]
        moved = one.places()["Dorpsstraat 1"]["id"]
        one.box.crafter.edit("work-locations", moved, customer_id=one.klant("10002")["id"], is_main=False)
        for file in one.state.glob("state.db*") if lost else ():
            file.unlink()
        one.goes()
        one.box.crafter.edit("work-locations", moved, street="Dorpsstraat 99")
        one.goes()
        assert [one.books(number) for number in ("10001", "10002")] == before
        assert set(one.places()) == (set() if direction == "export" else {"Dorpsstraat 1"})
        assert set(one.places("10002")) == {"Kade 1", "Dorpsstraat 99"}
        one.rests()


def test_a_main_location_deleted_in_crafter_leaves_the_next_in_line_at_home(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        klant = one.new_klant("Bakkerij Vos", place("Werf 1"))
        one.goes()
        on_the_kade(one, klant)
        one.goes()
        one.box.crafter.remove("work-locations", one.box.crafter.records("work-locations")[0]["id"])
        one.goes()
        assert debtors(one)[0][1] == "Werf 1"
        one.box.crafter.edit("work-locations", one.box.crafter.records("work-locations")[0]["id"], city="Grou")
        one.goes()
        assert debtors(one)[0][1:] == ("Werf 1", "6711 AB", "Ede")
        one.rests()
