"""Two filled systems meet: matched and adopted, never doubled; the dry run says so beforehand."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from tests.support.comparison import differences, look
from tests.support.office import Office, office
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
        assert one.errors() == []
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
        identity = one.new_klant(NAME, place("Hoofd 1", "9999 ZZ"), place("Neven 2", "6711 AB"))
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
            assert any("1" in found["message"] and "2" in found["message"] for found in asked)
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


# locations and contacts


def test_locations_meet_main_with_main_and_the_others_by_street_and_postal_code(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**ADDRESSES["both"])
        homes = (place("Postbus negen", "6710 BA"), place("dorpsstraat  1", "6711ab"), place("Magazijn 3"))
        one.new_klant(NAME, *homes, customer_number="10001")
        one.goes()
        assert set(one.places()) == {"Postbus 9", "Dorpsstraat 1", "Magazijn 3"}
        assert one.main_street() == "Postbus 9"
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
        one.goes()
        assert (one.contact()["id"], one.contact("C2")["id"]) == (eva, bob)
        assert one.contact()["first_name"] == "Eva"
        assert one.contact("C3")["customer_id"] == one.klant("10002")["id"]
        assert len(one.box.crafter.records("contacts")) == 4
        one.in_step()


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
        assert one.errors() == []
        one.in_step()


def test_a_record_that_is_in_the_way_and_linked_is_a_problem_until_its_number_is_put_back(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("1", ACCT_NAME="Eerste")
        one.goes()
        one.in_crafter("1", customer_number="2")
        one.debtor("2", ACCT_NAME="Tweede")
        assert one.run()["exit"] == 1
        found = next(each for each in one.errors() if each["code"] != "conflict")
        assert (found["code"], found["key"]) == ("rejected_by_crafter", "2")
        assert "2" in found["message"]
        one.goes()
        assert (one.klant("1")["name"], one.klant("2")["name"]) == ("Eerste", "Tweede")
        one.in_step()


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
        table = one.avsync("run-all", "--dry-run").out
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
        assert set(one.codes()) <= {"customer_without_address"}
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
