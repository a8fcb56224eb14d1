"""`avsync link` and `unlink`: one pair by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from avsync.state.lock import RunLock
from tests.support.office import Office, office, shop
from tests.support.world import NAME, VISITING, place

BOTH = {"customers": "both"}


def counts(one: Office) -> tuple[int, int]:
    return len(one.box.accountview.rows("CONTACT")), len(one.box.crafter.records("customers"))


def two(one: Office) -> None:
    """A debtor and a klant whom nobody would put together."""
    one.debtor("10001", ACCT_NAME="Jansen Holding", TEL_BUS="010-1", **VISITING)
    one.new_klant("De Installateur", place("Kade 9", "1111 AA"), id="daar", email="x@y.nl")


@pytest.mark.parametrize("direction", ["import", "export", "both"])
@pytest.mark.parametrize("when", ["before the first run", "after one"])
def test_two_are_linked_as_at_any_first_meeting(tmp_path: Path, direction: str, when: str) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        two(one)
        one.avsync("match")
        if when == "after one":
            one.config["flows"]["customers"] = "off"
            one.run()
            one.config["flows"]["customers"] = direction
        one.box.requests.clear()
        told = one.avsync("link", "customer", "10001", "daar")
        assert (told.exit, told.err) == (0, ""), told
        assert "10001 Jansen Holding" in told.out
        assert one.writes() == []
        pairs = one.avsync("--json", "match", "customers").json["pairs"]
        assert "customer" not in {pair["kind"] for pair in pairs}
        one.goes()
        assert counts(one) == (1, 1)
        name = "De Installateur" if direction == "export" else "Jansen Holding"
        assert (one.klant("10001")["id"], one.klant("10001")["name"]) == ("daar", name)
        assert one.klant("10001")["email"] == "x@y.nl"
        assert one.books()["TEL_BUS"] == "010-1"
        one.rests()


def test_by_numbers_and_in_the_words_of_the_users(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.config["language"] = "nl"
        told = one.avsync("link", "Klant", "10001", "10001")
        assert told.exit == 0
        assert "volgende synchronisatie" in told.out
        one.goes()
        assert one.avsync("link", "project", "p9", "P1").exit == 2
        one.box.accountview.add("PROJECTS", PROJ_CODE="P9", PROJ_DESC="Anders", SUB_NR="10001", PRO_TYPE="ONDERHOUD")
        one.box.crafter.add(
            "projects", id="eigen", project_type_id="soort", project_code="EIGEN", name="Eigen", customer_id="klant-1"
        )
        assert one.avsync("link", "project", "p9", "EIGEN").exit == 0
        one.goes()
        assert one.box.crafter.record("projects", "eigen")["project_code"] == "P9"
        one.rests()


def test_a_linked_eachis_not_linked_again(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.goes()
        for crafter in ("klant-2", "10002", "klant-1", "10001"):
            told = one.avsync("link", "customer", "10001", crafter)
            assert told.exit == 1, told
            assert "linked" in told.err
        assert "avsync unlink customer 10001" in one.avsync("link", "customer", "10001", "klant-2").err
        one.new_klant("Nieuw", place(), id="nieuw")
        assert one.avsync("link", "customer", "10001", "nieuw").exit == 1
        told = one.avsync("--json", "link", "customer", "10001", "nieuw")
        assert (told.json["exit"], told.json["error"]["code"]) == (1, "linked_to_another")
        one.goes()
        one.rests()


def test_linked_just_now_and_not_in_step_yet(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        two(one)
        assert one.avsync("link", "customer", "10001", "daar").exit == 0
        assert one.avsync("link", "customer", "10001", "daar").exit == 1
        assert one.avsync("unlink", "customer", "10001").exit == 0
        one.goes()
        assert counts(one) == (2, 2)
        one.rests()


@pytest.mark.parametrize(
    "args",
    [
        ("link", "kast", "10001", "daar"), ("link", "customer", "99999", "daar"), ("link", "customer", "10001", "weg"),
        ("link", "order_line", "1", "2"), ("link", "order", "1", "2"), ("link", "customer", "10001"),
        ("unlink", "kast", "10001"), ("unlink", "customer", "99999"), ("unlink", "customer", "10001"),
        ("link", "customer", "10001", "../customers/daar"), ("link", "location", "10001:postal", "daar"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_mistake(tmp_path: Path, args: tuple[str, ...]) -> None:
    with office(tmp_path, flows=BOTH) as one:
        two(one)
        told = one.avsync(*args)
        assert told.exit == 2, told
        assert one.writes() == []
        assert one.avsync("--json", "match").json["pairs"]


def test_eachof_another_administration_is_never_linked(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.new_klant("Elders", place(), id="elders", external_ref="av:ANDERS:customer:7")
        assert one.avsync("link", "customer", "10001", "elders").exit == 1


def test_a_contact_is_linked_within_its_customer_only(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", **VISITING)
        one.debtor("10002", ACCT_NAME="Smit", **VISITING)
        mine = one.new_klant(NAME, place(), customer_number="10001")
        other = one.new_klant("Smit", place(), customer_number="10002")
        one.goes()
        one.person("C1", "10001")
        one.box.crafter.add("contacts", id="hier", customer_id=mine, first_name="Evelien", last_name="Wit")
        one.box.crafter.add("contacts", id="ginds", customer_id=other, first_name="Eva", last_name="de Wit")
        assert one.avsync("link", "contact", "C1", "ginds").exit == 1
        assert one.avsync("link", "contact", "C1", "hier").exit == 0
        one.goes()
        assert (one.contact("C1")["id"], one.contact("C1")["first_name"]) == ("hier", "Eva")
        one.rests()


def test_a_run_at_work_is_not_disturbed(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        two(one)
        lock = RunLock(one.state)
        assert lock.take()
        for args in (("link", "customer", "10001", "daar"), ("unlink", "customer", "10001"),
                     ("match", "--take", str(_file(tmp_path)))):  # fmt: skip
            told = one.avsync(*args)
            assert told.exit == 4, told
            assert "A run is at work" in told.err
        assert one.avsync("match").exit == 0
        lock.release()
        assert one.avsync("link", "customer", "10001", "daar").exit == 0


def _file(folder: Path) -> Path:
    path = folder / "besluiten.csv"
    path.write_text("soort;accountview;crafter;besluit\nklant;10001;daar;apart\n", encoding="utf-8")
    return path


# taken apart


def test_two_that_were_linked_wrongly_are_taken_apart_and_stay_so(tmp_path: Path) -> None:
    """The father's number was put on the son, who is a customer of his own."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor("10001", TEL_BUS="010-1", **VISITING)
        one.person("C1", "10001")
        klant = one.new_klant(NAME, place(), id="zoon")
        one.goes()
        assert one.klant("10001")["id"] == klant
        told = one.avsync("unlink", "customer", "10001")
        assert (told.exit, told.err) == (0, ""), told
        assert "avsync link customer 10001 10001" in told.out
        assert one.avsync("unlink", "customer", "10001").exit == 2
        assert one.run()["exit"] == 1
        assert "key_kept_apart" in one.codes()
        one.in_books("10001", TEL_BUS="010-2")
        one.rests(exit_code=1)
        assert one.box.crafter.record("customers", klant)["phone"] == "010-1"
        one.box.crafter.edit("customers", klant, customer_number=None)
        one.goes()
        assert counts(one) == (2, 2)
        assert one.klant("10001")["id"] != klant
        assert one.klant("10001")["phone"] == "010-2"
        people = [each["customer_id"] for each in one.box.crafter.records("contacts")]
        assert sorted(people) == sorted([klant, one.klant("10001")["id"]])
        one.rests()


@pytest.mark.parametrize("ran_between", [False, True])
def test_taken_apart_and_linked_again(tmp_path: Path, ran_between: bool) -> None:
    with shop(tmp_path) as one:
        one.person("C1", "10001")
        one.goes()
        before = len(one.box.crafter.records("contacts")), len(one.box.crafter.records("work-locations"))
        told = one.avsync("unlink", "klant", "klant-1")
        assert told.exit == 0
        if ran_between:
            assert one.run()["exit"] == 1
        assert one.avsync("link", "klant", "10001", "klant-1").exit == 0
        one.goes()
        assert (len(one.box.crafter.records("contacts")), len(one.box.crafter.records("work-locations"))) == before
        assert counts(one) == (2, 2)
        one.in_books("10001", TEL_BUS="010-9")
        one.goes()
        assert one.klant("10001")["phone"] == "010-9"
        one.in_step()


def test_an_order_taken_apart_is_not_sent_again_nor_are_its_lines(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export"}) as one:
        lines = [{"id": "l1", "article_number": "PUMP-1", "quantity": "1", "checked": True, "description": "x"}]
        one.work_order("wo-1", status="checked", lines=lines)
        one.goes()
        number = one.order_number()
        assert one.standing(number) == [("PUMP-1", "1")]
        assert one.avsync("unlink", "order", number).exit == 0
        assert one.run()["exit"] == 1
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert one.standing(number) == [("PUMP-1", "1")]
        assert one.avsync("link", "order", number, "wo-1").exit == 0
        one.goes()
        assert one.standing(number) == [("PUMP-1", "1")]
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        one.rests()


def test_other_orders_do_not_suffer_from_a_link_taken_away(tmp_path: Path) -> None:
    """Marks that are left are no sign that state.db was put back: equal lines still go."""
    with shop(tmp_path, {"invoice": "export"}) as one:
        lines = [{"id": "l1", "article_number": "PUMP-1", "quantity": "1", "checked": True, "description": "x"}]
        one.work_order("wo-2", customer_id="klant-2", status="checked", lines=lines)
        one.goes()
        number = one.order_number()
        one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE="PUMP-1", ORD_QTY="1")  # by hand
        assert one.avsync("unlink", "customer", "10001").exit == 0
        one.run()
        one.change("wo-2", lines=[*lines, {**lines[0], "id": "l2"}])
        one.run()
        assert one.standing(number) == [("PUMP-1", "1")] * 3


def test_the_history_tells_of_it(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.goes()
        one.avsync("unlink", "customer", "10001")
        one.avsync("link", "customer", "10001", "klant-1")
        actions = [
            event["action"] for event in one.avsync("--json", "history", "10001").json if event["kind"] == "customer"
        ]
        assert actions == ["adopt", "decided_apart", "decided_link", "adopt"]
