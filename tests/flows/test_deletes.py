"""Deletes, exactly: deleted in Crafter it comes back, deleted in AccountView it is left alone and never sent again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox.faults import ACTIONS
from tests.support.comparison import differences
from tests.support.office import Office, office

BOTH = {"customers": "both"}
WHOLE = ([("Dam 1", False), ("Postbus 9", True)], ["Anna", "Bob"])
TABLES = {
    "customer": "CONTACT", "contact": "ASC_PP", "project": "PROJECTS", "project_type": "PRO_TYPE", "order": "SO_HDR",
    "hour": "HRS_LINE",
}  # fmt: skip
RESOURCES = {
    "customer": "customers", "location": "work-locations", "contact": "contacts", "project": "projects",
    "project_type": "project-types", "order": "work-orders", "hour": "hours",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is tried again need not wait for it here."""
    monkeypatch.setattr("avsync.commands.run.Budget.pause", lambda budget, seconds: None)


@contextmanager
def shop(tmp_path: Path, flows: dict[str, str] | None = None, apart: Collection[str] = ()) -> Iterator[Office]:
    """Two customers in step, the first with two addresses and contacts; in the end only `apart` may be out of step."""
    with office(tmp_path, flows=flows or BOTH) as one:
        av = one.box.accountview
        av.add(
            "CONTACT", SUB_NR="10001", ACCT_NAME="Bakker BV", SRC_CODE="X", ACCT_NR="1300", ADDRESS1="Dam 1",
            POST_CODE="1012 JS", CITY="Amsterdam", PO_BOX="Postbus 9", PO_CODE="1000 AA", PO_CITY="Amsterdam",
        )  # fmt: skip
        av.add(
            "CONTACT",
            SUB_NR="10002",
            ACCT_NAME="Visser",
            SRC_CODE="X",
            ACCT_NR="1300",
            ADDRESS1="Kade 2",
            POST_CODE="3011 AA",
        )
        av.add("ASC_PP", PP_CODE="A1", SUB_NR="10001", FRST_NAME="Anna", LAST_NAME="Aa", MAIL_PRIV="anna@aa.nl")
        av.add("ASC_PP", PP_CODE="B1", SUB_NR="10001", FRST_NAME="Bob", LAST_NAME="Bee")
        av.add("PRO_TYPE", PT_CODE="INST", PT_DESC="Installatie")
        assert one.run()["exit"] == 0, one.errors()
        one.box.requests.clear()
        yield one
        sound(one)
        assert differences(one.box, one.config["flows"], but=apart) == []


def sound(one: Office) -> None:
    """Every link has one end on each side, both there, and no record has two links."""
    with sqlite3.connect(one.state / "state.db") as db:
        links = db.execute("SELECT kind, accountview, crafter, gone FROM links").fetchall()
    for side in (1, 2):
        ends = [(row[0], row[side]) for row in links if row[side] is not None]
        assert len(ends) == len(set(ends)), "a record with two links"
    for kind, accountview, crafter, gone in links:
        if gone or kind == "order_line":
            continue
        key = accountview.partition(":")[0] if kind == "location" else accountview
        assert one.box.accountview.row(TABLES.get(kind, "CONTACT"), key), f"{kind} {accountview} is not there"
        assert one.box.crafter.record(RESOURCES[kind], crafter), f"{kind} {crafter} is not there"


def parts(one: Office, number: str = "10001") -> tuple[list[tuple[str, bool]], list[str]]:
    """Locations (street, main) and contacts (first name) of a customer in Crafter."""
    owner = one.klant(number)["id"]
    places = [row for row in one.box.crafter.records("work-locations") if row["customer_id"] == owner]
    people = [row for row in one.box.crafter.records("contacts") if row["customer_id"] == owner]
    return sorted((row["street"], row["is_main"]) for row in places), sorted(row["first_name"] for row in people)


def in_accountview(one: Office) -> list[Any]:
    """The writes that went to AccountView."""
    return [request for request in one.writes() if request.side == "accountview"]


def during(one: Office, monkeypatch: pytest.MonkeyPatch, person: Callable[[], object], **rule: Any) -> None:
    """A person does something just before the server handles a request."""

    def act(faults: Any, rule: Any, call: Any) -> Any:
        person()
        return call()

    monkeypatch.setitem(ACTIONS, "person", act)
    one.box.faults.add(do="person", **rule)


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_a_customer_deleted_only_in_crafter_is_back_with_the_next_run_with_locations_and_contacts(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    with shop(tmp_path) as one:
        before = one.klant()
        assert parts(one) == WHOLE
        one.box.crafter.remove("customers", before["id"])
        assert one.run(*how)["exit"] == 0
        assert one.klant()["id"] != before["id"]
        assert one.klant()["name"] == "Bakker BV"
        assert parts(one) == WHOLE
        assert in_accountview(one) == []
        assert one.errors() == []
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_a_location_or_contact_deleted_only_in_crafter_is_back_with_the_next_run(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    with shop(tmp_path) as one:
        for resource, name, value in (("work-locations", "street", "Dam 1"), ("contacts", "first_name", "Anna")):
            gone = next(row for row in one.box.crafter.records(resource) if row[name] == value)
            one.box.crafter.remove(resource, gone["id"])
        assert one.run(*how)["exit"] == 0
        assert parts(one) == WHOLE
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


def test_a_main_location_deleted_only_in_crafter_is_back_and_main_again(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        main = next(row for row in one.box.crafter.records("work-locations") if row["street"] == "Postbus 9")
        one.box.crafter.remove("work-locations", main["id"])
        assert one.run()["exit"] == 0
        assert parts(one) == WHOLE
        one.box.requests.clear()
        assert one.run()["exit"] == 0
        assert one.writes() == []


def test_a_customer_deleted_in_crafter_just_before_it_is_written_is_made_again_by_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop(tmp_path) as one:
        before = one.klant()["id"]
        during(
            one, monkeypatch, lambda: one.box.crafter.remove("customers", before), method="PATCH", path="/customers/"
        )
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="020-1")
        assert one.run()["exit"] == 0, one.errors()
        assert one.klant()["phone"] == "020-1"
        assert one.klant()["id"] != before
        assert parts(one) == WHOLE
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


def test_a_contact_deleted_in_crafter_just_before_it_is_written_is_made_again_by_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop(tmp_path) as one:
        anna = next(row["id"] for row in one.box.crafter.records("contacts") if row["first_name"] == "Anna")
        during(one, monkeypatch, lambda: one.box.crafter.remove("contacts", anna), method="PATCH", path="/contacts/")
        one.box.accountview.edit("ASC_PP", "A1", TEL_MOB="06-1")
        assert one.run()["exit"] == 0, one.errors()
        assert parts(one) == WHOLE
        assert [row["mobile"] for row in one.box.crafter.records("contacts") if row["first_name"] == "Anna"] == ["06-1"]


def test_a_customer_deleted_in_crafter_and_typed_in_again_is_adopted_and_not_doubled(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.crafter.remove("customers", one.klant()["id"])
        made = one.box.crafter.add("customers", name="Bakker (nieuw)", customer_number="10001")
        one.box.crafter.add("work-locations", customer_id=made, street="Ergens 1", is_main=True)
        assert one.run()["exit"] == 0, one.errors()
        assert one.klant()["id"] == made
        assert one.klant()["name"] == "Bakker BV"
        assert parts(one) == WHOLE
        assert one.box.accountview.row("CONTACT", "10001")["ACCT_NAME"] == "Bakker BV"


def test_what_a_customer_deleted_in_crafter_had_hanging_on_it_is_hung_on_the_new_one(tmp_path: Path) -> None:
    with shop(tmp_path, {"customers": "both", "projects": "import", "orders": "import"}) as one:
        one.box.accountview.add("PROJECTS", PROJ_CODE="P1", PROJ_DESC="Een", SUB_NR="10001", PRO_TYPE="INST")
        assert one.run()["exit"] == 0
        one.box.crafter.remove("customers", one.klant()["id"])
        one.box.crafter.remove("project-types", one.box.crafter.records("project-types")[0]["id"])
        assert one.run()["exit"] == 0
        (project,) = one.box.crafter.records("projects")
        assert project["customer_id"] == one.klant()["id"]
        assert [row["id"] for row in one.box.crafter.records("project-types")] == [project["project_type_id"]]


def test_a_project_deleted_in_crafter_comes_back_under_its_work_orders(tmp_path: Path) -> None:
    with shop(tmp_path, {"customers": "both", "projects": "import", "orders": "both"}) as one:
        av = one.box.accountview
        av.add("PROJECTS", PROJ_CODE="P1", PROJ_DESC="Een", SUB_NR="10001", PRO_TYPE="INST")
        av.add("SO_HDR", RPL_DEL="10001", ORD_DATE="2026-11-01", PROJ_CODE="P1", COMMENT1="Werk")
        assert one.run()["exit"] == 0, one.errors()
        one.box.crafter.remove("projects", one.box.crafter.records("projects")[0]["id"])
        assert one.run()["exit"] == 0, one.errors()
        (project,) = one.box.crafter.records("projects")
        assert [row["project_id"] for row in one.box.crafter.records("work-orders")] == [project["id"]]


def test_a_customer_deleted_in_accountview_is_left_alone_in_crafter_and_never_sent_again(tmp_path: Path) -> None:
    with shop(tmp_path, apart={"10001"}) as one:
        one.box.accountview.remove("CONTACT", "10001")
        before = one.klant()
        assert one.run("--full")["exit"] == 0
        one.box.crafter.edit("customers", before["id"], name="Anders", phone="1")
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0
            assert one.errors() == []
        assert one.klant()["name"] == "Anders"
        assert parts(one) == WHOLE
        assert one.writes() == []
        assert one.box.accountview.row("CONTACT", "10001") is None


def test_a_customer_deleted_in_accountview_is_found_out_by_the_write_that_is_refused(tmp_path: Path) -> None:
    with shop(tmp_path, apart={"10001"}) as one:
        one.box.accountview.remove("CONTACT", "10001")
        one.box.crafter.edit("customers", one.klant()["id"], phone="1")
        assert one.run()["exit"] == 0
        assert one.errors() == []
        assert len(in_accountview(one)) == 1
        one.box.requests.clear()
        one.box.crafter.edit("customers", one.klant()["id"], phone="2")
        street = next(row for row in one.box.crafter.records("work-locations") if row["street"] == "Dam 1")
        one.box.crafter.edit("work-locations", street["id"], city="Elders")
        assert one.run()["exit"] == 0
        assert one.errors() == []
        assert one.writes() == []


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_a_customer_deleted_on_both_sides_is_gone_for_good(tmp_path: Path, how: tuple[str, ...]) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.remove("CONTACT", "10001")
        for code in ("A1", "B1"):
            one.box.accountview.remove("ASC_PP", code)
        assert one.run("--full")["exit"] == 0
        one.box.crafter.remove("customers", one.klant()["id"])
        for options in (how, (), ("--full",)):
            assert one.run(*options)["exit"] == 0
            assert one.errors() == []
        assert [row["customer_number"] for row in one.box.crafter.records("customers")] == ["10002"]
        assert len(one.box.crafter.records("work-locations")) == 1
        assert one.box.crafter.records("contacts") == []
        assert one.writes() == []


def test_a_customer_deleted_on_both_sides_between_two_runs_is_gone_for_good(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        for table, key in (("ASC_PP", "A1"), ("ASC_PP", "B1"), ("CONTACT", "10001")):
            one.box.accountview.remove(table, key)
        one.box.crafter.remove("customers", one.klant()["id"])
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0, one.errors()
        assert [row["customer_number"] for row in one.box.crafter.records("customers")] == ["10002"]
        assert one.writes() == []


def test_a_contact_deleted_in_accountview_is_left_alone_and_gone_once_deleted_in_crafter(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.remove("ASC_PP", "A1")
        assert one.run("--full")["exit"] == 0
        assert parts(one) == WHOLE
        anna = next(row["id"] for row in one.box.crafter.records("contacts") if row["first_name"] == "Anna")
        one.box.crafter.remove("contacts", anna)
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0
            assert one.errors() == []
        assert parts(one)[1] == ["Bob"]
        assert one.writes() == []


def test_an_address_taken_away_in_accountview_is_left_alone_and_gone_once_deleted_in_crafter(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.edit("CONTACT", "10001", ADDRESS1="", POST_CODE="", CITY="")
        assert one.run()["exit"] == 0
        assert parts(one) == WHOLE
        dam = next(row["id"] for row in one.box.crafter.records("work-locations") if row["street"] == "Dam 1")
        one.box.crafter.remove("work-locations", dam)
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0
            assert one.errors() == []
        assert parts(one)[0] == [("Postbus 9", True)]
        one.box.accountview.edit("CONTACT", "10001", ADDRESS1="Dam 3", POST_CODE="1012 JS")
        assert one.run()["exit"] == 0
        assert parts(one)[0] == [("Dam 3", False), ("Postbus 9", True)]


def test_a_customer_that_reappears_in_accountview_is_in_step_again_and_no_edit_is_lost(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        row = one.box.accountview.row("CONTACT", "10001")
        one.box.accountview.remove("CONTACT", "10001")
        assert one.run("--full")["exit"] == 0
        one.box.crafter.edit("customers", one.klant()["id"], phone="020-2")
        assert one.run()["exit"] == 0
        kept = {name: value for name, value in row.items() if name not in ("EXT_KEY", "CNG_DATE", "INP_DATE")}
        one.box.accountview.add("CONTACT", **{**kept, "ACCT_NAME": "Bakker en Zonen"})
        assert one.run()["exit"] == 0, one.errors()
        assert one.klant()["name"] == "Bakker en Zonen"
        assert one.klant()["phone"] == "020-2"
        assert one.box.accountview.row("CONTACT", "10001")["TEL_BUS"] == "020-2"
        assert parts(one) == WHOLE
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


def test_a_number_that_is_used_again_after_both_were_deleted_makes_a_new_customer(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.accountview.remove("CONTACT", "10002")
        one.box.crafter.remove("customers", one.klant("10002")["id"])
        assert one.run("--full")["exit"] == 0
        one.box.accountview.add("CONTACT", SUB_NR="10002", ACCT_NAME="Heel anders", SRC_CODE="X", ACCT_NR="1300")
        assert one.run()["exit"] == 0
        assert one.klant("10002")["name"] == "Heel anders"


def test_something_new_for_a_customer_deleted_in_accountview_is_a_problem_that_names_it(tmp_path: Path) -> None:
    with shop(tmp_path, {"customers": "both", "orders": "export"}, {"10001", "wo"}) as one:
        one.box.accountview.remove("CONTACT", "10001")
        assert one.run("--full")["exit"] == 0
        one.box.crafter.add("work-orders", id="wo", customer_id=one.klant()["id"], description="Lekkage")
        assert one.run()["exit"] == 1
        (problem,) = one.errors()
        assert problem["code"] == "parent_gone"
        assert "10001" in problem["message"]
        assert in_accountview(one) == []


@pytest.mark.parametrize("direction", ["export", "both"])
def test_a_work_order_deleted_in_crafter_comes_back_only_where_orders_are_imported(
    tmp_path: Path, direction: str
) -> None:
    with shop(tmp_path, {"customers": "both", "orders": direction}) as one:
        made = one.box.crafter.add("work-orders", customer_id=one.klant()["id"], description="Lekkage")
        assert one.run()["exit"] == 0
        (order,) = one.box.accountview.rows("SO_HDR")
        one.box.crafter.remove("work-orders", made)
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0, one.errors()
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == order["COMMENT1"]
        found = one.box.crafter.records("work-orders")
        assert [row["order_number"] for row in found] == ([order["ORD_NR"]] if direction == "both" else [])


def test_an_order_deleted_in_accountview_is_not_sent_again_and_its_work_order_stays(tmp_path: Path) -> None:
    with shop(tmp_path, {"customers": "both", "orders": "both"}, {"wo"}) as one:
        made = one.box.crafter.add("work-orders", id="wo", customer_id=one.klant()["id"], description="Lekkage")
        assert one.run()["exit"] == 0
        one.box.accountview.remove("SO_HDR", one.box.accountview.rows("SO_HDR")[0]["ORD_NR"])
        one.box.requests.clear()
        one.box.crafter.edit("work-orders", made, description="Lekkage 2")
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0, one.errors()
        assert one.box.accountview.rows("SO_HDR") == []
        assert one.box.crafter.record("work-orders", made)["description"] == "Lekkage 2"
        assert len(in_accountview(one)) == 1  # the one that was refused


def test_a_customer_deleted_in_crafter_stays_away_where_customers_are_only_exported(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "export"}) as one:
        made = one.box.crafter.add("customers", name="Jansen")
        assert one.run()["exit"] == 0
        (row,) = one.box.accountview.rows("CONTACT")
        one.box.crafter.remove("customers", made)
        one.box.crafter.add("customers", name="Een ander")
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0
        assert [found["name"] for found in one.box.crafter.records("customers")] == ["Een ander"]
        assert one.box.accountview.row("CONTACT", row["SUB_NR"]) == row


def test_an_hours_line_deleted_in_crafter_is_left_alone_in_accountview(tmp_path: Path) -> None:
    with office(tmp_path, flows={"hours": "export"}) as one:
        one.box.accountview.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Piet")
        for code in ("100", "200"):
            one.box.accountview.add("HRS_CODE", HRS_CODE=code, HRS_DESC=code)
        one.box.crafter.add("users", id="u7", name="Piet", unique_code="007")
        made = one.box.crafter.add("hours", user_id="u7", date="2026-11-02", hours="1.5")
        one.box.crafter.add("hours", user_id="u7", date="2026-11-03", hours="2")
        assert one.run()["exit"] == 0
        one.box.crafter.remove("hours", made)
        one.box.requests.clear()
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0
        assert one.sent("accountview") == one.sent("crafter") == []
        assert len(one.box.accountview.rows("HRS_LINE")) == 2


def test_an_empty_listing_proves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with shop(tmp_path) as one:
        saved = one.box.accountview.rows("CONTACT")
        for row in saved:
            one.box.accountview.remove("CONTACT", row["SUB_NR"])
        with caplog.at_level(logging.WARNING, "avsync"):
            assert one.run("--full")["exit"] == 0
        assert "accountview:customer came back empty" in caplog.text
        assert gone(one) == 0
        for row in saved:
            one.box.accountview.add("CONTACT", **{name: value for name, value in row.items() if name != "EXT_KEY"})
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


def gone(one: Office) -> int:
    """How many links are marked gone."""
    with sqlite3.connect(one.state / "state.db") as db:
        return int(db.execute("SELECT count(*) FROM links WHERE gone = 1").fetchone()[0])


def marks(one: Office) -> list[Any]:
    with sqlite3.connect(one.state / "state.db") as db:
        return db.execute("SELECT source, newest, since, full_at FROM watermarks ORDER BY source").fetchall()


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_a_listing_that_breaks_off_proves_nothing_and_moves_no_watermark(tmp_path: Path, side: str) -> None:
    with office(tmp_path, flows={"customers": "import"}) as one:
        one.config["safety"] = {"max_new": 5000}
        for number in range(20001, 20411):
            one.box.accountview.add(
                "CONTACT", SUB_NR=str(number), ACCT_NAME=f"Klant {number}", SRC_CODE="X", ACCT_NR="1300"
            )
        assert one.run()["exit"] == 0
        before = marks(one)
        one.box.accountview.remove("CONTACT", "20410")
        one.box.crafter.remove("customers", one.klant("20409")["id"])
        path = "LastKey=" if side == "accountview" else "/customers?limit=200&cursor="
        one.box.faults.add(side=side, method="GET", path=path, times=0, do="html")
        result = one.avsync("run-all", "--full")
        assert result.exit == 4
        name = f"{side}:customer"
        assert [row for row in marks(one) if row[0] == name] == [row for row in before if row[0] == name]
        assert gone(one) == (0 if side == "accountview" else 1)
        assert len(one.box.crafter.records("customers")) == 409
        one.box.faults.clear()
        assert one.run("--full")["exit"] == 0
        assert gone(one) == 1
        assert one.klant("20409")["name"] == "Klant 20409"
        assert len(one.box.crafter.records("customers")) == 410


def test_an_empty_listing_of_crafter_proves_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(faults: Any, rule: Any, call: Any) -> Any:
        return replace(
            call(), body=[b'{"data": [], "next_cursor": null}'], headers=[("Content-Type", "application/json")]
        )

    with shop(tmp_path) as one:
        monkeypatch.setitem(ACTIONS, "nothing", nothing)
        one.box.faults.add(side="crafter", method="GET", times=0, do="nothing")
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []
        one.box.faults.clear()
        assert one.run("--full")["exit"] == 0
        assert one.writes() == []


@pytest.mark.parametrize(("every", "found"), [(86400, 1), (0, 0)])
def test_a_full_pass_comes_by_itself_once_a_day_and_finds_what_was_deleted(
    tmp_path: Path, every: int, found: int
) -> None:
    with shop(tmp_path, apart={"10001"}) as one:
        one.config["full_every"] = every
        one.box.accountview.remove("CONTACT", "10001")
        assert one.run()["exit"] == 0
        assert gone(one) == 0
        with sqlite3.connect(one.state / "state.db") as db:
            db.execute("UPDATE watermarks SET full_at = '2026-01-01T00:00:00.000000Z'")
        assert one.run()["exit"] == 0
        assert gone(one) == 3 * found  # the customer and its two addresses
        assert one.run("--full")["exit"] == 0
        assert gone(one) == 3


def test_a_customer_deleted_in_crafter_while_accountview_is_down_is_back_once_it_answers(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.crafter.remove("customers", one.klant()["id"])
        one.box.faults.add(side="accountview", method="GET", path="FilterOperator1=Equal", times=0, do="html")
        assert one.run()["exit"] == 4
        one.box.faults.clear()
        assert one.run()["exit"] == 0
        assert parts(one) == WHOLE


def test_a_customer_deleted_in_crafter_and_edited_in_accountview_is_back_with_the_new_values(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.box.crafter.remove("customers", one.klant()["id"])
        one.box.accountview.edit("CONTACT", "10001", ACCT_NAME="Bakker en Zonen", CITY="Utrecht")
        assert one.run()["exit"] == 0
        assert one.klant()["name"] == "Bakker en Zonen"
        assert "Utrecht" in {row["city"] for row in one.box.crafter.records("work-locations")}


def test_a_project_deleted_in_accountview_is_left_alone_and_gone_once_deleted_in_crafter(tmp_path: Path) -> None:
    flows = {"customers": "both", "projects": "import"}
    with shop(tmp_path, flows, apart={"P1"}) as one:
        for code in ("P1", "P2"):
            one.box.accountview.add("PROJECTS", PROJ_CODE=code, PROJ_DESC=code, SUB_NR="10001", PRO_TYPE="INST")
        assert one.run()["exit"] == 0
        one.box.accountview.remove("PROJECTS", "P1")
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 0
        left = next(row["id"] for row in one.box.crafter.records("projects") if row["project_code"] == "P1")
        one.box.crafter.edit("projects", left, name="Anders")
        assert one.run()["exit"] == 0
        one.box.crafter.remove("projects", left)
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0
        assert [row["project_code"] for row in one.box.crafter.records("projects")] == ["P2"]
        assert one.writes() == []


def test_a_copy_of_a_customer_in_crafter_does_not_share_its_link(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        mark = one.klant()["external_ref"]
        copy = one.box.crafter.add("customers", name="Bakker BV kopie", external_ref=mark)
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0, one.errors()
        made = one.box.crafter.record("customers", copy)
        assert made["customer_number"] not in (None, "10001")
        assert made["external_ref"] == f"av:DEMO:customer:{made['customer_number']}"
        assert one.box.accountview.row("CONTACT", "10001")["ACCT_NAME"] == "Bakker BV"
