"""Before the first write, and whenever wanted: who is one with whom, and what people decide about it.

What `match` says is what the next run does; what people decide, the next run obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from avsync.commands import sheets
from tests.support.office import Office, Told, office, shop
from tests.support.world import NAME, VISITING, place

BOTH = {"customers": "both"}
HEADS = ["soort", "oordeel", "accountview", "crafter", "naam AccountView", "naam Crafter", "wordt gevuld",
         "wordt vervangen", "besluit"]  # fmt: skip
Pair = tuple[str, str]


def listed(one: Office, suffix: str = ".csv", *flows: str) -> list[dict[str, str]]:
    """The rows of the file that `match -o` writes."""
    one.config["language"] = "nl"
    path = one.folder / f"koppelen{suffix}"
    told = one.avsync("match", *flows, "-o", str(path))
    assert (told.exit, told.err) == (0, ""), told
    heads, *rows = sheets.read(path)
    assert heads == HEADS
    return [dict(zip(heads, row, strict=True)) for row in rows]


def verdicts(one: Office, kind: str = "klant", *flows: str) -> dict[Pair, str]:
    """(AccountView key, Crafter's number or id) → verdict, of one kind."""
    rows = [row for row in listed(one, ".csv", *flows) if row["soort"] == kind]
    found = {(row["accountview"], row["crafter"]): row["oordeel"] for row in rows}
    assert len(found) == len(rows), rows
    return found


def take(one: Office, decisions: Mapping[Pair, str], suffix: str = ".csv", kind: str = "klant") -> Told:
    """Fill these decisions into the list, as a person does in a spreadsheet, and read it back."""
    rows = listed(one, suffix)
    left = dict(decisions)
    for row in rows:
        if row["soort"] == kind and (row["accountview"], row["crafter"]) in left:
            row["besluit"] = left.pop((row["accountview"], row["crafter"]))
    assert not left, (left, rows)
    return take_rows(one, rows, suffix)


def take_rows(one: Office, rows: list[dict[str, str]], suffix: str = ".csv") -> Told:
    path = one.folder / f"ingevuld{suffix}"
    sheets.write(path, HEADS, [[row[head] for head in HEADS] for row in rows])
    return one.avsync("match", "--take", str(path))


def agrees(one: Office, decisions: Mapping[Pair, str], kind: str = "klant") -> None:
    """All of it is taken."""
    told = take(one, decisions, kind=kind)
    assert (told.exit, told.err) == (0, ""), told


def file_with(folder: Path, *rows: str) -> Path:
    """A list as little as it may be."""
    path = folder / "besluiten.csv"
    path.write_text("\n".join(("soort;accountview;crafter;besluit", *rows)), encoding="utf-8")
    return path


def counts(one: Office) -> Pair:
    return len(one.box.accountview.rows("CONTACT")), len(one.box.crafter.records("customers"))  # type: ignore[return-value]


def twins(one: Office) -> str:
    """One klant who may be either of two debtors."""
    one.debtor("10001", **VISITING)
    one.debtor("10002", **VISITING)
    return one.new_klant(NAME, place(), id="jansen")


def neighbours(one: Office) -> str:
    """Father and son at one address, one on either side."""
    one.debtor("10001", TEL_BUS="010-1", **VISITING)
    return one.new_klant(NAME, place(), id="zoon", email="zoon@jansen.example")


# what it says


def test_everything_there_is_stands_in_the_list_once_and_nothing_is_written(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", ACCT_NAME="Bakker", MAIL_BUS="a@b.nl", TEL_BUS="010-1", **VISITING)
        one.new_klant("Bakkerij Bakker", place(), customer_number="10001", email="c@d.nl")
        one.debtor("10002", ACCT_NAME="Smit", **VISITING)
        one.new_klant("Smit", place(), id="smit", phone="020-2")
        one.debtor("10003", ACCT_NAME="Kees", **VISITING)
        one.debtor("10004", ACCT_NAME="Kees", **VISITING)
        one.new_klant("Kees", place(), id="kees")
        one.debtor("10005", ACCT_NAME="Vos", **VISITING)
        one.new_klant("Iets heel anders", place(), customer_number="10005")
        one.debtor("10006", ACCT_NAME="Alleen hier", **VISITING)
        one.new_klant("Alleen daar", place("Kade 9", "1111 AA"), id="daar")
        one.box.requests.clear()
        assert verdicts(one) == {
            ("10001", "10001"): "zeker",
            ("10002", "smit"): "waarschijnlijk",
            ("10003", "kees"): "vraag",
            ("10004", "kees"): "vraag",
            ("10005", "10005"): "vraag",
            ("10006", ""): "nieuw in AccountView",
            ("", "daar"): "nieuw in Crafter",
        }
        rows = {row["accountview"]: row for row in listed(one)}
        assert "het telefoonnummer “010-1”" in rows["10001"]["wordt gevuld"]
        assert rows["10001"]["wordt vervangen"].startswith("Crafter: de naam (was “Bakkerij Bakker”, nu “Bakker”)")
        assert rows["10002"]["wordt gevuld"] == (
            "Crafter: het klantnummer “10002”; AccountView: het telefoonnummer “020-2”"
        )
        assert rows["10003"]["wordt gevuld"] == "Crafter: het klantnummer “10003”"  # if that one is picked
        assert rows["10004"]["wordt gevuld"] == "Crafter: het klantnummer “10004”"
        assert rows["10005"]["wordt vervangen"] == "Crafter: de naam (was “Iets heel anders”, nu “Vos”)"
        assert rows["10006"]["wordt gevuld"] == rows["10006"]["wordt vervangen"] == ""
        assert (rows["10005"]["naam AccountView"], rows["10005"]["naam Crafter"]) == ("Vos", "Iets heel anders")
        assert one.writes() == []
        assert not (one.state / "state.db").exists()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_what_it_says_is_what_the_next_run_does(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("10001", ACCT_NAME="Bakker", MAIL_BUS="a@b.nl", TEL_BUS="010-1", **VISITING)
        one.person("C1", "10001")
        klant = one.new_klant("Bakkerij Bakker", place(), customer_number="10001", email="c@d.nl")
        one.box.crafter.add("contacts", customer_id=klant, first_name="Eva", last_name="de Wit", phone="06")
        one.debtor("10002", ACCT_NAME="Smit", **VISITING)
        one.new_klant("Smit", place(), id="smit", phone="020-2")
        pairs = one.avsync("--json", "match").json["pairs"]
        one.goes()
        done = one.avsync("--json", "history").json
        linked = {
            (event["kind"], event["accountview"], event["crafter"]) for event in done if event["action"] == "adopt"
        }
        met = {
            (pair["kind"], pair["accountview"], pair["crafter"])
            for pair in pairs
            if pair["verdict"] in ("sure", "likely")
        }
        assert met == linked
        told = [problem for problem in one.errors() if problem["code"] == "values_replaced"]
        replaced = {pair["accountview"] for pair in pairs if pair["replaced"] and pair["kind"] == "customer"}
        assert replaced == {problem["key"] for problem in told if problem["kind"] == "customer"}
        for pair in pairs:
            for change in [*pair["filled"], *pair["replaced"]]:
                assert _stands(one, pair, change), (pair, change)
        assert one.avsync("--json", "match").json["pairs"] == []


def _stands(one: Office, pair: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Whether the value that was announced stands on the side that was named."""
    if change["side"] == "accountview":
        return change["new"] in one.books(pair["accountview"]).values()
    resource = {"customer": "customers", "location": "work-locations", "contact": "contacts"}[pair["kind"]]
    return change["new"] in dict(one.box.crafter.record(resource, pair["crafter"])).values()


def test_the_people_and_places_of_a_customer_take_part(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.person("C1", "10001")
        one.person("C2", "10001", FRST_NAME="Jan", MAIL_PRIV="jan@jansen.example")
        klant = one.new_klant(NAME, place(id="plaats"), customer_number="10001")
        one.box.crafter.add("contacts", id="eva", customer_id=klant, first_name="Eva", last_name="de Wit")
        one.box.crafter.add("contacts", id="piet", customer_id=klant, first_name="Piet", last_name="Pot")
        assert verdicts(one, "contactpersoon") == {
            ("C1", "eva"): "waarschijnlijk",
            ("C2", ""): "nieuw in AccountView",
            ("", "piet"): "nieuw in Crafter",
        }
        assert verdicts(one, "werklocatie") == {("10001:visiting", "plaats"): "waarschijnlijk"}


def test_projects_and_orders_take_part_and_can_be_asked_for(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.work_order("wo-1", number="WB1")
        assert set(verdicts(one, "project", "projects").values()) == {"zeker"}
        assert {row["soort"] for row in listed(one, ".csv", "projects")} == {"project", "projecttype"}
        assert verdicts(one, "werkbon", "orders") == {("", "WB1"): "nieuw in Crafter"}
        assert {row["soort"] for row in listed(one)} >= {"klant", "werklocatie", "project", "werkbon"}


def test_what_only_one_direction_would_leave_where_it_is_stands_alone_too(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "import"}) as one:
        one.debtor("10001", **VISITING)
        one.new_klant("Alleen daar", place("Kade 9", "1111 AA"), id="daar")
        assert verdicts(one) == {("10001", ""): "nieuw in AccountView", ("", "daar"): "nieuw in Crafter"}
        one.goes()
        assert verdicts(one) == {("", "daar"): "nieuw in Crafter"}


def test_on_a_screen_it_fits_and_says_how_many_of_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        one.debtor("10003", ACCT_NAME="Vereniging van Eigenaars Residentie", **VISITING)
        for columns in (60, 80, 132):
            monkeypatch.setenv("COLUMNS", str(columns))
            told = one.avsync("match")
            assert told.exit == 0
            assert max(map(len, told.out.splitlines())) <= columns
            assert "Customer: 2 question, 1 new in AccountView" in told.out
            assert "jansen" in told.out  # of two that look alike it is the id that tells
            assert "avsync match --take" in " ".join(told.out.split())


def test_of_many_a_screen_shows_some_and_a_file_all(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.config["safety"] = {"max_new": 10}
        for number in range(60):
            one.debtor(str(10000 + number), ACCT_NAME=f"Klant {number}", **VISITING)
            one.new_klant(f"Nieuw {number}", place("Kade 1", "1111 AA"))
        told = one.avsync("match")
        assert told.exit == 0
        assert "… and 10 more new in AccountView" in told.out
        assert "safety.max_new" in told.err
        del one.config["safety"]
        assert len(listed(one)) == 120


def test_a_page_holds_everything_and_what_comes_from_outside_stays_text(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", ACCT_NAME="<script>alert(1)</script>", **VISITING)
        one.avsync("match", "-o", str(tmp_path / "lijst.html"))
        page = (tmp_path / "lijst.html").read_text(encoding="utf-8")
        assert "&lt;script&gt;alert(1)" in page
        assert "<script" not in page
        assert "http" not in page


def test_a_service_that_is_down_is_told_with_its_exit_code(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.config["crafter"]["base_url"] = "http://127.0.0.1:9/api/v1"
        told = one.avsync("match")
        assert (told.exit, told.out) == (4, "")
        assert "Crafter" in told.err
        told = one.avsync("match", "--take", str(file_with(tmp_path, "klant;10001;;overslaan")))
        assert told.exit == 4
        assert one.avsync("--json", "match").json["errors"]["customers"]["code"]


def test_a_flow_that_cannot_run_keeps_nobody_from_deciding_about_another(tmp_path: Path) -> None:
    with shop(tmp_path, {"hours": "export"}) as one:
        one.config["accountview"]["schema"] = {"hour": {"business_object": "XX9"}}
        assert one.avsync("match").exit == 2
        told = one.avsync("match", "--take", str(file_with(tmp_path, "klant;10001;10001;overslaan")))
        assert (told.exit, told.err) == (0, ""), told


# koppelen


def test_a_question_is_settled_by_picking_one(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        agrees(one, {("10002", "jansen"): "koppelen"})
        assert verdicts(one) == {("10002", "jansen"): "vraag", ("10001", ""): "nieuw in AccountView"}
        (row,) = (row for row in listed(one) if row["accountview"] == "10002" and row["soort"] == "klant")
        assert (row["besluit"], row["wordt gevuld"]) == ("koppelen", "Crafter: het klantnummer “10002”")
        one.goes()
        assert (one.klant("10002")["id"], counts(one)) == ("jansen", (2, 2))
        one.rests()
        assert verdicts(one) == {}


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_a_question_that_a_run_has_asked_is_settled_in_every_direction(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        twins(one)
        assert one.run()["exit"] == 1
        assert all("avsync match" in found["hint"] for found in one.errors() if found["code"] == "several_candidates")
        agrees(one, {("10001", "jansen"): "koppelen"})
        one.goes()
        assert one.klant("10001")["id"] == "jansen"
        assert one.errors() == []
        one.rests()


def test_what_contradicts_a_match_is_settled_too(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10005", ACCT_NAME="Vos", **VISITING)
        one.new_klant("Iets heel anders", place(), customer_number="10005")
        assert one.run()["exit"] == 1
        assert "avsync link customer 10005 10005" in next(
            found["hint"] for found in one.errors() if found["code"] == "same_customer_by_number"
        )
        agrees(one, {("10005", "10005"): "koppelen"})
        one.goes()
        assert (one.klant("10005")["name"], counts(one)) == ("Vos", (1, 1))
        one.rests()


def test_a_project_of_which_the_code_names_another(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.edit("PROJECTS", "P1", PROJ_DESC="Zwembad", SUB_NR="10002")
        assert one.run()["exit"] == 1
        assert [found["code"] for found in one.errors() if found["kind"] == "project"] == ["same_project_by_code"]
        agrees(one, {("P1", "P1"): "koppelen"}, kind="project")
        one.goes()
        assert one.box.crafter.record("project-types", "soort")
        assert one.box.crafter.record("projects", "project-1")["name"] == "Zwembad"
        one.rests()


def test_a_contact_who_may_be_either_of_two(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.person("C1", "10001", MAIL_PRIV="")
        one.person("C2", "10001", MAIL_PRIV="", PP_DEAR="Beste mevrouw", TEL_MOB="06-2")
        klant = one.new_klant(NAME, place(), customer_number="10001")
        for name in ("eva-1", "eva-2"):
            one.box.crafter.add("contacts", id=name, customer_id=klant, first_name="Eva", last_name="de Wit")
        assert set(verdicts(one, "contactpersoon").values()) == {"vraag"}
        agrees(one, {("C1", "eva-2"): "koppelen", ("C2", "eva-1"): "koppelen"}, kind="contactpersoon")
        one.goes()
        assert (one.contact("C1")["id"], one.contact("C2")["id"]) == ("eva-2", "eva-1")
        one.rests()


def test_two_that_avsync_would_never_have_put_together(tmp_path: Path) -> None:
    """A person fills in the other side's key by hand."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", ACCT_NAME="Jansen Holding", **VISITING)
        one.new_klant("De Installateur", place("Kade 9", "1111 AA"), id="daar")
        rows = listed(one)
        (row,) = (row for row in rows if row["accountview"] == "10001")
        row |= {"crafter": "daar", "besluit": "koppelen"}
        assert take_rows(one, rows).exit == 0
        one.goes()
        assert (one.klant("10001")["id"], counts(one)) == ("daar", (1, 1))
        one.rests()


def test_one_picked_that_was_deleted_meanwhile_keeps_nobody_from_being_met(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        agrees(one, {("10002", "jansen"): "koppelen"})
        one.box.crafter.remove("customers", "jansen")
        one.new_klant(NAME, place(), id="opnieuw", customer_number="10002")
        one.goes()
        assert (one.klant("10002")["id"], counts(one)) == ("opnieuw", (2, 2))
        one.rests()


# apart


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_father_and_son_at_one_address_are_kept_apart(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        neighbours(one)
        agrees(one, {("10001", "zoon"): "apart"})
        found = verdicts(one)
        assert found[("10001", "zoon")] == "waarschijnlijk"
        assert found[("10001", "")] == "nieuw in AccountView"
        one.goes()
        assert counts(one) == (
            {"import": 1, "export": 2, "both": 2}[direction],
            {"import": 2, "export": 1, "both": 2}[direction],
        )
        assert one.box.crafter.record("customers", "zoon")["customer_number"] != "10001"
        if direction != "import":
            assert one.box.crafter.record("customers", "zoon")["customer_number"]
        one.rests()


def test_of_three_one_is_kept_apart_and_the_two_others_are_one(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        agrees(one, {("10001", "jansen"): "apart"})
        assert verdicts(one)[("10002", "jansen")] == "waarschijnlijk"
        one.goes()
        assert (one.klant("10002")["id"], counts(one)) == ("jansen", (2, 2))
        one.rests()


def test_a_contact_kept_apart_leaves_room_for_another(tmp_path: Path) -> None:
    """Whom the strongest sign names is said to be another; the next sign names the right one."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.person("C1", "10001")
        one.person("C2", "10001", FRST_NAME="E.")
        klant = one.new_klant(NAME, place(), customer_number="10001")
        mail = "eva@jansen.example"
        one.box.crafter.add("contacts", id="eva", customer_id=klant, first_name="Eva", last_name="de Wit", email=mail)
        assert verdicts(one, "contactpersoon") == {("C1", "eva"): "waarschijnlijk", ("C2", ""): "nieuw in AccountView"}
        agrees(one, {("C1", "eva"): "apart"}, kind="contactpersoon")
        assert verdicts(one, "contactpersoon")[("C2", "eva")] == "waarschijnlijk"
        one.goes()
        assert one.contact("C2")["id"] == "eva"
        assert one.contact("C1")["id"] != "eva"
        one.rests()


def test_an_emptied_apart_stays_until_they_are_linked(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        neighbours(one)
        agrees(one, {("10001", "zoon"): "apart"})
        told = take(one, {("10001", "zoon"): ""})
        assert told.exit == 0
        assert "blijft apart" in told.out
        assert one.avsync("link", "klant", "10001", "zoon").exit == 0
        one.goes()
        assert (one.klant("10001")["id"], counts(one)) == ("zoon", (1, 1))
        one.rests()


def test_apart_becomes_one_when_the_file_says_so(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        neighbours(one)
        agrees(one, {("10001", "zoon"): "apart"})
        agrees(one, {("10001", "zoon"): "koppelen"})
        one.goes()
        assert (one.klant("10001")["id"], counts(one)) == ("zoon", (1, 1))
        one.rests()


def test_apart_under_one_number_says_what_to_do(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10005", ACCT_NAME="Vos", **VISITING)
        klant = one.new_klant("Iets heel anders", place("Kade 9", "1111 AA"), customer_number="10005")
        agrees(one, {("10005", "10005"): "apart"})
        assert one.run()["exit"] == 1
        problem = next(found for found in one.errors() if found["code"] == "key_kept_apart")
        assert "avsync link klant 10005 10005" in problem["hint"]
        one.rests(exit_code=1)
        assert counts(one) == (1, 1)
        one.box.crafter.edit("customers", klant, customer_number=None)
        one.goes()
        assert counts(one) == (2, 2)
        assert one.klant("10005")["id"] != klant
        one.rests()


# overslaan


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_what_is_skipped_is_left_alone_in_both_directions(tmp_path: Path, direction: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor("10001", TEL_BUS="010-1", **VISITING)
        one.person("C1", "10001")
        one.new_klant(NAME, place(), customer_number="10001", email="x@y.nl")
        agrees(one, {("10001", "10001"): "overslaan"})
        one.rests()
        one.in_books("10001", TEL_BUS="010-2")
        one.in_crafter("10001", phone="020-2")
        one.rests()
        assert one.errors() == []
        assert verdicts(one) == {("10001", "10001"): "zeker"}
        (row,) = listed(one)
        assert row["besluit"] == "overslaan"


def test_the_decision_taken_back(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", TEL_BUS="010-1", **VISITING)
        one.person("C1", "10001")
        one.new_klant(NAME, place(), customer_number="10001", email="x@y.nl")
        agrees(one, {("10001", "10001"): "overslaan"})
        one.rests()
        told = take(one, {("10001", "10001"): ""})
        assert told.exit == 0
        assert "Besluiten ingetrokken: 1." in told.out
        one.goes()
        assert (one.books()["MAIL_BUS"], one.klant()["phone"]) == ("x@y.nl", "010-1")
        assert one.contact("C1")["first_name"] == "Eva"
        one.rests()


def test_what_is_new_can_be_skipped_and_is_met_all_the_same(tmp_path: Path) -> None:
    """Skipped, and then a planner makes the very customer: that is asked, not doubled."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        agrees(one, {("10001", ""): "overslaan"})
        one.rests()
        assert counts(one) == (1, 0)
        one.new_klant(NAME, place(), id="later")
        assert one.run()["exit"] == 1
        assert [found["code"] for found in one.errors()] == ["candidate_left_alone"]
        one.rests(exit_code=1)
        assert counts(one) == (1, 1)
        assert one.avsync("link", "customer", "10001", "later").exit == 0
        one.goes()
        assert (one.klant("10001")["id"], counts(one)) == ("later", (1, 1))
        one.rests()


def test_of_a_question_one_is_picked_and_the_other_skipped(tmp_path: Path) -> None:
    for number, (first, second) in enumerate((("koppelen", "overslaan"), ("overslaan", "koppelen"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with office(folder, flows=BOTH) as one:
            twins(one)
            agrees(one, {("10001", "jansen"): first, ("10002", "jansen"): second})
            one.goes()
            picked = "10001" if first == "koppelen" else "10002"
            assert (one.klant(picked)["id"], counts(one)) == ("jansen", (2, 1))
            one.rests()


@pytest.mark.parametrize(
    ("kind", "key", "identity"), [("contactpersoon", "C1", "eva"), ("werklocatie", "10001:visiting", "plaats")]
)
@pytest.mark.parametrize("word", ["overslaan", "apart"])
def test_so_of_one_contact_or_place_of_a_customer_that_is_linked(
    tmp_path: Path, word: str, kind: str, key: str, identity: str
) -> None:
    with office(tmp_path, flows={"customers": "import"}) as one:
        one.debtor("10001", **VISITING)
        one.person("C1", "10001")
        klant = one.new_klant(NAME, place(id="plaats"), customer_number="10001")
        one.box.crafter.add("contacts", id="eva", customer_id=klant, first_name="Eva", last_name="de Wit")
        resource = {"contactpersoon": "contacts", "werklocatie": "work-locations"}[kind]
        before = one.box.crafter.record(resource, identity)
        agrees(one, {(key, identity): word}, kind=kind)
        one.goes()
        assert one.klant("10001")["id"] == klant
        assert one.box.crafter.record(resource, identity)["external_ref"] is None
        assert len(one.box.crafter.records(resource)) == (1 if word == "overslaan" else 2)
        one.box.accountview.edit("ASC_PP", "C1", FRST_NAME="Evelien")
        one.in_books("10001", CITY="Wageningen")
        one.goes()
        assert one.box.crafter.record(resource, identity) == {**before, **_moved_down(one, resource, identity)}
        one.rests()


def _moved_down(one: Office, resource: str, identity: str) -> dict[str, Any]:
    """That another place is the main one by now is Crafter's own doing."""
    now = one.box.crafter.record(resource, identity)
    return {name: now[name] for name in ("is_main", "updated_at") if name in now}


def test_orders_of_a_customer_that_is_skipped_wait_and_say_so(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        agrees(one, {("10001", "10001"): "overslaan"})
        one.work_order("wo-1")
        assert one.run()["exit"] == 1
        waiting = [record["kind"] for found in one.errors() for record in found["records"]]
        assert "order" in waiting
        assert one.box.accountview.rows("SO_HDR") == []
        agrees(one, {("10001", "10001"): ""})
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        one.rests()


def test_a_work_order_that_is_skipped_keeps_its_lines(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export"}) as one:
        one.goes()
        one.work_order("wo-1", number="WB1")
        one.change("wo-1", status="checked", lines=[{"id": "l1", "article_number": "PUMP-1", "quantity": "1",
                                                      "checked": True, "description": "x"}])  # fmt: skip
        agrees(one, {("", "WB1"): "overslaan"}, kind="werkbon")
        one.rests()
        assert one.box.accountview.rows("SO_HDR") == []
        agrees(one, {("", "WB1"): ""}, kind="werkbon")
        one.goes()
        (order,) = one.box.accountview.rows("SO_HDR")
        assert one.standing(order["ORD_NR"]) == [("PUMP-1", "1")]
        one.rests()


# what is linked, and may be two by now


def entered_anew(one: Office) -> str:
    """A number that was given out again, to somebody of the same name or building; the klant that was linked."""
    one.debtor(
        "10001", ACCT_NAME="Bakkerij Vos", MAIL_BUS="mail@vos.example", INP_DATE="2026-01-05T09:00:00", **VISITING
    )
    one.person("C1", "10001")
    one.goes()
    klant = str(one.klant("10001")["id"])
    one.box.accountview.remove("CONTACT", "10001")
    one.debtor("10001", ACCT_NAME="Wildvreemd Transport", INP_DATE="2026-08-03T11:00:00", **VISITING)
    assert one.run()["exit"] == 1
    problem = next(found for found in one.errors() if found["code"] == "customer_same_or_other")
    assert "avsync match" in problem["hint"]
    return klant


def test_whether_a_linked_one_is_still_the_same_can_be_said_here_too(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = entered_anew(one)
        assert verdicts(one) == {("10001", "10001"): "vraag"}
        agrees(one, {("10001", "10001"): "koppelen"})
        one.goes()
        assert (one.klant("10001")["id"], one.klant("10001")["name"]) == (klant, "Wildvreemd Transport")
        assert verdicts(one) == {}
        one.rests()


def test_and_that_it_is_another(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        klant = entered_anew(one)
        agrees(one, {("10001", "10001"): "apart"})
        assert one.run()["exit"] == 1
        one.rests(exit_code=1)
        assert one.box.crafter.record("customers", klant)["name"] == "Bakkerij Vos"
        one.box.crafter.edit("customers", klant, customer_number=None)
        one.goes()
        assert one.klant("10001")["id"] != klant
        assert one.klant("10001")["name"] == "Wildvreemd Transport"
        one.rests()


@pytest.mark.parametrize("answer", ["koppelen", "apart"])
def test_so_of_an_order_that_lost_its_mark(tmp_path: Path, answer: str) -> None:
    with shop(tmp_path, {"invoice": "export"}) as one:
        one.work_order("wo-1")
        one.goes()
        number = one.order_number()
        one.box.accountview.edit("SO_HDR", number, EXT_ID="")
        one.change("wo-1", description="Anders")
        assert one.run()["exit"] == 1
        agrees(one, {(number, number): answer}, kind="werkbon")
        if answer == "koppelen":
            one.goes()
            assert one.order_of("wo-1")["COMMENT1"] == "Anders"
            one.rests()
        else:
            one.run()
            assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] != "Anders"
            one.rests(exit_code=one.run()["exit"])


# the file


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_file_comes_back_as_it_went(tmp_path: Path, suffix: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        one.debtor("=1+1", ACCT_NAME="=cmd|' /C calc'!A0", **VISITING)
        one.debtor("00042", ACCT_NAME='\'=1;"x"\n@SUM', **VISITING)
        told = take(
            one, {("10001", "jansen"): "koppelen", ("=1+1", ""): "overslaan", ("00042", ""): "overslaan"}, suffix
        )
        assert (told.exit, told.err) == (0, ""), told
        assert take_rows(one, listed(one, suffix), suffix).exit == 0
        assert {row["accountview"]: row["besluit"] for row in listed(one, suffix) if row["soort"] == "klant"} == {
            "10001": "koppelen", "=1+1": "overslaan", "00042": "overslaan", "10002": "",
        }  # fmt: skip
        if suffix == ".xlsx":
            sheet = openpyxl.load_workbook(tmp_path / "koppelen.xlsx").worksheets[0]
            (chosen,) = sheet.data_validations.dataValidation
            assert (chosen.formula1, str(chosen.sqref)[:2]) == ('"koppelen,apart,overslaan"', "I2")
            assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
        else:
            raw = (tmp_path / "koppelen.csv").read_text(encoding="utf-8")
            assert raw.startswith("\ufeffsoort;oordeel;accountview;crafter;")
            assert not any(cell.startswith(("=", "@")) for line in raw.splitlines() for cell in line.split(";"))


@pytest.mark.parametrize("shown", [10001, 10001.0, "10001.0", "10001,0", " 10001 "])
def test_numbers_that_a_spreadsheet_took_for_numbers(tmp_path: Path, shown: Any) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.new_klant("Heel iemand anders", place(), customer_number="10001")
        book = openpyxl.Workbook()
        book.active.append(HEADS)  # type: ignore[union-attr]
        book.active.append(["klant", "vraag", shown, shown, NAME, "Heel iemand anders", "", "", "Koppelen"])  # type: ignore[union-attr]
        book.save(tmp_path / "terug.xlsx")
        assert one.avsync("match", "--take", str(tmp_path / "terug.xlsx")).exit == 0
        one.goes()
        assert (one.klant()["name"], counts(one)) == (NAME, (1, 1))


def test_leading_zeros_that_a_spreadsheet_took_away(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("00042", ACCT_NAME="Vos", **VISITING)
        one.debtor("42", ACCT_NAME="Smit", **VISITING)
        one.debtor("0077", ACCT_NAME="Twee", **VISITING)
        one.debtor("77", ACCT_NAME="Twee", **VISITING)
        rows = listed(one)
        for row in rows:
            row["accountview"] = row["accountview"].lstrip("0")
            row["besluit"] = "overslaan" if row["naam AccountView"] in ("Vos", "Twee") else ""
        told = take_rows(one, rows)
        assert told.exit == 1
        assert told.out.count("kan er meer dan één zijn") == 2
        assert {row["accountview"] for row in listed(one) if row["besluit"]} == {"00042"}


def test_in_english_and_with_heads_in_capitals_on_another_row(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        (tmp_path / "list.csv").write_text(
            "Our list\n\nKIND,VERDICT,AccountView,Crafter,decision\nCustomer,question,10002,jansen,Link\n",
            encoding="cp1252",
        )
        assert one.avsync("match", "--take", str(tmp_path / "list.csv")).exit == 0
        one.goes()
        assert one.klant("10002")["id"] == "jansen"


def test_rows_that_no_longer_fit_are_named_and_the_others_are_taken(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        one.debtor("10003", ACCT_NAME="Vos", **VISITING)
        one.debtor("10004", ACCT_NAME="Wolf", **VISITING)
        one.new_klant("Wolf", place(), id="wolf")
        rows = listed(one)
        for row in rows:
            if row["soort"] == "klant":
                row["besluit"] = {"10001": "koppelen", "10002": "", "10003": "overslaan", "10004": "apart"}[
                    row["accountview"]
                ]
        rows.append(
            dict.fromkeys(HEADS, "") | {"soort": "klant", "accountview": "99999", "crafter": "x", "besluit": "apart"}
        )
        rows.append(dict.fromkeys(HEADS, "") | {"soort": "wat?", "accountview": "10002", "besluit": "overslaan"})
        rows.append(dict.fromkeys(HEADS, "") | {"soort": "klant", "accountview": "10002", "besluit": "misschien"})
        one.box.accountview.remove("CONTACT", "10003")
        one.box.crafter.edit("customers", "wolf", customer_number="10004")
        told = take_rows(one, rows)
        assert told.exit == 1
        assert ".csv: 2." in told.out
        for key in ("10003", "99999", "wat?", "misschien"):
            assert key in told.out
        shape = one.avsync("--json", "match", "--take", str(tmp_path / "ingevuld.csv")).json
        assert (shape["exit"], shape["taken"], len(shape["refused"])) == (1, 2, 4)


def test_a_row_of_what_was_linked_meanwhile(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        rows = listed(one)
        for row in rows:
            row["besluit"] = {"10001": "koppelen", "10002": "overslaan"}.get(row["accountview"], "")
        stale = [row | {"besluit": "overslaan"} if row["accountview"] == "10001" else row for row in rows]
        other = [row | {"besluit": "koppelen" if row["accountview"] == "10002" else ""} for row in rows]
        assert take_rows(one, rows).exit == 0
        one.goes()
        assert take_rows(one, rows).exit == 0  # it says what is so by now
        for wrong in (stale, other):
            told = take_rows(one, wrong)
            assert told.exit == 1, told
            assert "inmiddels gekoppeld" in told.out
        one.rests()


def test_two_rows_that_pick_the_same_one(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        told = take(one, {("10001", "jansen"): "koppelen", ("10002", "jansen"): "koppelen"})
        assert told.exit == 1
        assert "al aan een ander gekoppeld" in told.out
        one.goes()
        assert one.klant("10001")["id"] == "jansen"


@pytest.mark.parametrize(
    "name", ["nergens.csv", "tekst.csv", "plaatje.xlsx", "lijst.html", "artikelen.csv", "leeg.csv"]
)
def test_a_file_that_is_no_such_file_is_refused_whole(tmp_path: Path, name: str) -> None:
    with office(tmp_path, flows=BOTH) as one:
        twins(one)
        (tmp_path / "tekst.csv").write_text("zomaar wat\n", encoding="utf-8")
        (tmp_path / "plaatje.xlsx").write_bytes(b"\x89PNG\r\n")
        (tmp_path / "lijst.html").write_text("<table>", encoding="utf-8")
        (tmp_path / "leeg.csv").write_text("", encoding="utf-8")
        (tmp_path / "artikelen.csv").write_text("artikelnummer;omschrijving\nA;B\n", encoding="utf-8")
        told = one.avsync("match", "--take", str(tmp_path / name))
        assert told.exit == 2, told
        assert name in told.err
        assert one.box.requests == []


def test_it_does_not_write_what_it_cannot(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        assert one.avsync("match", "-o", str(tmp_path / "lijst.pdf")).exit == 2
        assert one.avsync("match", "-o", str(tmp_path / "nergens" / "lijst.csv")).exit == 2
        assert one.avsync("match", "orders").exit == 2
        assert one.avsync("match", "niets").exit == 2


def test_a_lost_state_has_lost_its_decisions(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        neighbours(one)
        agrees(one, {("10001", "zoon"): "apart"})
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        assert one.klant("10001")["id"] == "zoon"
        one.rests()


def test_who_decided_what_is_in_the_history(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "both"}) as one:
        one.debtor("10001", ACCT_NAME="Vos")
        identity = one.new_klant("Vossen", customer_number="10009")
        agrees(one, {("10001", ""): "overslaan"})
        rows = [row | {"besluit": ""} for row in listed(one)]
        take_rows(one, rows)
        one.avsync("link", "klant", "10001", identity)
        one.goes()
        assert one.avsync("unlink", "klant", "10001").exit == 0
        told = one.avsync("history", "10001").out
        for said in ("overgeslagen", "ingetrokken", "medewerker gekoppeld", "uit elkaar gehouden"):
            assert said in told, told
        assert "vervallen" not in told
        shapes = one.avsync("--json", "history", "10001").json
        assert [shape["action"] for shape in shapes if "decided" in shape["action"]] == [
            "decided_skip", "undecided", "decided_link", "decided_apart",
        ]  # fmt: skip
