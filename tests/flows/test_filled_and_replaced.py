"""Where two filled records meet: empty never replaces filled, and what is replaced is told, once (behaviour 6)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.comparison import look
from tests.support.office import Office, office, shop
from tests.support.world import NAME, VISITING, place

BOTH, IMPORT, EXPORT = {"customers": "both"}, {"customers": "import"}, {"customers": "export"}
REFUSED = {"do": "answer", "status": 400, "content": {"ErrorType": "AccountViewError", "ErrorMessage": "Vergrendeld."}}


# every field of every kind


class Meets(NamedTuple):
    """A field on either side, the value it may have there, and the directions in which it goes across."""

    kind: str
    column: str
    field: str
    books: str
    plan: str
    to_books: tuple[str, ...] = ("export", "both")
    to_plan: tuple[str, ...] = ("import", "both")


FIELDS = (
    Meets("customer", "TEL_BUS", "phone", "030-1234567", "030-1234567"),
    Meets("customer", "MAIL_BUS", "email", "info@vos.nl", "info@vos.nl"),
    Meets("location", "ADDRESS1", "street", "Dorpsstraat 1", "Dorpsstraat 1"),
    Meets("location", "POST_CODE", "postal_code", "8911 AB", "8911 AB"),
    Meets("location", "CITY", "city", "Leeuwarden", "Leeuwarden"),
    Meets("location", "CNT_CODE", "country", "NL", "NL"),
    Meets("contact", "PP_DEAR", "salutation", "Beste Eva", "Beste Eva"),
    Meets("contact", "FRST_NAME", "first_name", "Eva", "Eva"),
    Meets("contact", "LAST_NAME", "last_name", "de Wit", "de Wit"),
    Meets("contact", "MAIL_PRIV", "email", "eva@vos.nl", "eva@vos.nl"),
    Meets("contact", "TEL_BUS", "phone", "030-1", "030-1"),
    Meets("contact", "TEL_MOB", "mobile", "06-1", "06-1"),
    Meets("project_type", "PT_DESC", "name", "", "Onderhoud aan ketels"),
    Meets("project", "PROJ_DESC", "name", "", "Ketelhuis"),
    Meets("project", "COMMENT1", "description", "Let op de hond", "Let op de hond"),
    Meets("project", "BEG_DATE", "start_date", "2026-02-01", "2026-02-01"),
    Meets("project", "END_DATE", "end_date", "2099-02-01", "2099-02-01"),
    Meets("project", "EMP_NR", "responsible_user_id", "0101", "anja"),
    Meets("project", "PRO_TYPE", "project_type_id", "", "soort"),
    Meets("order", "COMMENT1", "description", "Lekkage", "Lekkage"),
    Meets("order", "DEL_DATE", "target_date", "2026-12-01", "2026-12-01"),
    Meets("order", "COMMENT2", "work_type_id", "Onderhoud", "onderhoud"),
    Meets("order", "PROJ_CODE", "project_id", "P1", "project-1", to_books=("export",)),
)
HOME = {
    "customer": ("customers", "CONTACT", "10001", "customers", "klant-1"),
    "location": ("customers", "CONTACT", "10001", "work-locations", "plaats-1"),
    "contact": ("customers", "ASC_PP", "C1", "contacts", "eva"),
    "project_type": ("projects", "PRO_TYPE", "ONDERHOUD", "project-types", "soort"),
    "project": ("projects", "PROJECTS", "P1", "projects", "project-1"),
    "order": ("orders", "SO_HDR", "500", "work-orders", "w1"),
}
DIRECTIONS = {"customers": ("import", "export", "both"), "projects": ("import", "export")}
BOOKS_ALONE = ("contact", "project_type")  # never written there


@contextmanager
def everything(tmp_path: Path, flow: str, direction: str) -> Iterator[Office]:
    """The shop, a contact person and an order, all of it on both sides and equal."""
    with shop(tmp_path, {"orders": "off", flow: direction}) as one:
        books, crafter = one.box.accountview, one.box.crafter
        one.person(PP_DEAR="Beste Eva", MAIL_PRIV="eva@vos.nl", TEL_BUS="030-1", TEL_MOB="06-1")
        eva = {"salutation": "Beste Eva", "first_name": "Eva", "last_name": "de Wit", "email": "eva@vos.nl"}
        crafter.add("contacts", id="eva", customer_id="klant-1", phone="030-1", mobile="06-1", **eva)
        one.sales_order("500", COMMENT1="Lekkage")
        one.work_order("w1", order_number="500", description="Lekkage")
        for row in books.rows("PROJECTS"):
            books.edit("PROJECTS", row["PROJ_CODE"], PROJ_DESC=f"Project {row['PROJ_CODE']}")
        yield one


def cases() -> Iterator[Any]:
    for meets in FIELDS:
        flow = HOME[meets.kind][0]
        for direction in DIRECTIONS.get(flow, ("import", "export", "both")):
            for alone in ("books", "plan"):
                if getattr(meets, alone):
                    yield pytest.param(meets, direction, alone, id=f"{meets.kind}-{meets.field}-{direction}-{alone}")


@pytest.mark.parametrize(("meets", "direction", "alone"), list(cases()))
def test_a_value_that_only_one_side_has_stays_and_goes_across_where_it_may(
    tmp_path: Path, meets: Meets, direction: str, alone: str
) -> None:
    flow, table, key, resource, identity = HOME[meets.kind]
    with everything(tmp_path, flow, direction) as one:
        if direction == "import" and meets.column == "PRO_TYPE":
            one.config["default_project_type"] = "ANDERS"
            one.box.accountview.add("PRO_TYPE", PT_CODE="ANDERS", PT_DESC="Anders")
        one.box.accountview.edit(table, key, **{meets.column: meets.books if alone == "books" else ""})
        one.box.crafter.edit(resource, identity, **{meets.field: meets.plan if alone == "plan" else None})
        one.goes()
        there = one.box.accountview.row(table, key)[meets.column]
        here = one.box.crafter.record(resource, identity)[meets.field]
        if alone == "books":
            assert there == meets.books
            met = meets.kind not in ("location", "contact") or direction != "export"
            assert here == (meets.plan if direction in meets.to_plan and met else None)
        else:
            assert here == meets.plan
            goes = direction in meets.to_books and meets.kind not in BOOKS_ALONE
            goes = goes and not (meets.kind == "location" and direction == "export")
            wanted = meets.books or {"PROJ_DESC": "Ketelhuis", "PRO_TYPE": "ONDERHOUD"}.get(meets.column)
            assert there == (wanted if goes else "")
        assert one.codes() == []
        one.rests()


def test_a_name_that_only_stands_in_for_one_is_no_name(tmp_path: Path) -> None:
    """A project without a name goes to Crafter under its code; a later name in AccountView is an edit."""
    with everything(tmp_path, "projects", "import") as one:
        one.box.accountview.edit("PROJECTS", "P1", PROJ_DESC="")
        one.box.crafter.edit("projects", "project-1", name="Ketelhuis")
        one.goes()
        assert one.box.crafter.record("projects", "project-1")["name"] == "Ketelhuis"
        one.box.accountview.edit("PROJECTS", "P1", PROJ_DESC="Ketelhuis Noord")
        one.goes()
        assert one.box.crafter.record("projects", "project-1")["name"] == "Ketelhuis Noord"
        assert one.codes() == []
        one.in_step()


# what only one side can hold


def test_what_accountview_cannot_hold_stays_in_crafter_and_the_rest_goes(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        long = f"{'administratie' * 12}@jansen.nl"
        identity = one.new_klant(NAME, place(), customer_number="10001", phone="030-1", email=long)
        assert one.run()["exit"] == 1
        assert one.codes() == ["too_long"]
        assert (one.klant()["id"], one.klant()["email"]) == (identity, long)
        assert (one.books()["TEL_BUS"], one.books()["MAIL_BUS"]) == ("030-1", "")
        one.rests(1)
        one.in_crafter(email="info@jansen.nl")
        one.goes()
        assert one.codes() == []
        one.in_step()


def test_a_remark_in_place_of_a_work_type_and_a_user_whom_nobody_knows_are_left_where_they_are(tmp_path: Path) -> None:
    with everything(tmp_path, "orders", "both") as one:
        one.box.accountview.edit("SO_HDR", "500", COMMENT2="Bel eerst")
        one.change("w1", work_type_id="storing")
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="0999")
        one.box.crafter.edit("projects", "project-1", responsible_user_id="bram")
        one.goes()
        assert one.order_of("w1")["COMMENT2"] == "Bel eerst"
        assert one.werkbon("w1")["work_type_id"] == "storing"
        assert one.box.crafter.record("projects", "project-1")["responsible_user_id"] == "bram"
        assert one.codes() == ["employee_missing"]
        one.rests()


def test_a_cut_text_and_capitals_are_the_same_value_and_nothing_is_replaced(tmp_path: Path) -> None:
    with everything(tmp_path, "orders", "both") as one:
        long = "Onderhoud aan de ketel op de tweede verdieping, sleutel bij de buren"
        one.box.accountview.edit("SO_HDR", "500", COMMENT1=f"{long[:39]}…")
        one.change("w1", description=long)
        one.box.crafter.edit("work-locations", "plaats-1", postal_code="8911 ab")
        one.goes()
        assert one.werkbon("w1")["description"] == long
        assert one.box.crafter.record("work-locations", "plaats-1")["postal_code"] == "8911 ab"
        assert one.codes() == ["cut"]
        one.rests()


# what is replaced is told, once


@pytest.mark.parametrize(
    ("direction", "side", "was", "is_"),
    [("import", "Crafter", "020-2", "010-1"), ("both", "Crafter", "020-2", "010-1"),
     ("export", "AccountView", "010-1", "020-2")],
)  # fmt: skip
def test_what_was_replaced_is_one_warning_that_names_the_fields_with_their_values(
    tmp_path: Path, direction: str, side: str, was: str, is_: str
) -> None:
    with office(tmp_path, flows={"customers": direction}) as one:
        one.debtor(TEL_BUS="010-1", MAIL_BUS="av@jansen.nl", **VISITING)
        identity = one.new_klant(NAME, place(), customer_number="10001", phone="020-2", email="cr@jansen.nl")
        one.goes()
        told = one.problem()
        assert (told["code"], told["severity"], told["key"]) == ("values_replaced", "warning", "10001")
        mails = ("cr@jansen.nl", "av@jansen.nl") if side == "Crafter" else ("av@jansen.nl", "cr@jansen.nl")
        for said in (
            f"In {side} that",
            f"phone number (was “{was}”, now “{is_}”)",
            "e-mail address (was “{}”, now “{}”)".format(*mails),
        ):
            assert said in told["message"]
        assert told["hint"]
        (message,) = one.told(identity)
        assert was in message
        one.rests()
        assert [problem["id"] for problem in one.errors()] == [told["id"]]
        one.config["language"] = "nl"
        assert f"telefoonnummer (was “{was}”, nu “{is_}”)" in one.problem()["message"]


def _grow_older(one: Office, days: int) -> None:
    with sqlite3.connect(one.state / "state.db") as db:
        for column in ("first_seen", "last_seen"):
            db.execute(f"UPDATE problems SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')")


def test_it_stays_for_seven_days(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-1", **VISITING)
        identity = one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.goes()
        one.in_books(MAIL_BUS="nieuw@jansen.nl")  # a later run of the same record takes nothing back
        _grow_older(one, 6)
        one.goes()
        assert one.codes() == ["values_replaced"]
        _grow_older(one, 2)
        one.goes()
        assert (one.codes(), one.told(identity)) == ([], [])


def test_or_until_it_is_ignored(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-1", **VISITING)
        identity = one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.goes()
        assert one.avsync("errors", "--ignore", str(one.problem()["id"])).exit == 0
        one.goes()
        one.goes("--full")
        assert (one.codes(), one.told(identity)) == ([], [])


def test_references_are_told_by_their_names(tmp_path: Path) -> None:
    with everything(tmp_path, "orders", "import") as one:
        one.box.accountview.edit("PROJECTS", "P1", EMP_NR="0101")
        one.box.crafter.edit("projects", "project-1", responsible_user_id="bram", customer_id="klant-2")
        one.box.accountview.edit("SO_HDR", "500", COMMENT2="Onderhoud", PROJ_CODE="P1")
        one.change("w1", work_type_id="storing", project_id="project-2")
        one.goes()
        told = {found["kind"]: found["message"] for found in one.errors()}
        assert {found["code"] for found in one.errors()} == {"values_replaced"}
        assert "employee (was “0102 Bram Kok”, now “0101 Anja Bos”)" in told["project"]
        assert "customer (was “10002 Garage Smit”, now “10001 Bakkerij Vos”)" in told["project"]
        assert "work type (was “Storing & spoed”, now “Onderhoud”)" in told["order"]
        assert "project (was “P2 Project P2”, now “P1 Project P1”)" in told["order"]
        assert not any(name in words for words in told.values() for name in ("bram", "klant-2", "project-2"))
        one.rests()


def test_several_kinds_of_one_customer_are_told_each_by_itself(tmp_path: Path) -> None:
    with everything(tmp_path, "customers", "both") as one:
        one.box.crafter.edit("customers", "klant-1", name="Bakkerij De Vos")
        one.box.crafter.edit("work-locations", "plaats-1", city="Ljouwert")
        one.box.crafter.edit("contacts", "eva", mobile="06-2")
        one.goes()
        assert sorted((found["kind"], found["code"]) for found in one.errors()) == [
            (kind, "values_replaced") for kind in ("contact", "customer", "location")
        ]
        (said,) = one.told("klant-1")
        assert all(word in said for word in ("Bakkerij De Vos", "Ljouwert", "06-2"))
        one.rests()


# when something goes wrong on the way


@pytest.mark.parametrize("do", ["commit_drop", "commit_500", "commit_408"])
def test_what_a_write_without_an_answer_replaced_is_told_all_the_same(tmp_path: Path, do: str) -> None:
    with office(tmp_path, flows=BOTH, wire=True) as one:
        one.debtor(TEL_BUS="010-1", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.box.faults.add(side="crafter", method="PATCH", path="/customers/", do=do)
        one.run()
        one.goes()
        assert one.codes() == ["values_replaced"]
        assert "phone number (was “020-2”, now “010-1”)" in one.problem()["message"]
        assert one.problem()["key"] == "10001"
        assert len(one.told(one.klant()["id"])) == 1
        one.in_step()


def test_what_a_refused_write_did_not_replace_is_told_by_the_one_that_does(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.debtor(TEL_BUS="010-1", MAIL_BUS="av@jansen.nl", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", **REFUSED)
        assert one.run()["exit"] == 1
        assert one.codes() == ["rejected_by_accountview"]
        one.in_crafter(phone="020-3")
        one.goes()
        assert (one.books()["TEL_BUS"], one.books()["MAIL_BUS"]) == ("020-3", "av@jansen.nl")
        assert one.codes() == ["values_replaced"]
        assert "phone number (was “010-1”, now “020-3”)" in one.problem()["message"]
        one.rests()


def test_what_one_of_two_writes_replaced_is_told_though_the_other_is_refused(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-1", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2", email="cr@jansen.nl")
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", **REFUSED)
        assert one.run()["exit"] == 1
        assert one.codes() == ["rejected_by_accountview", "values_replaced"]
        assert one.books()["MAIL_BUS"] == ""
        one.goes()
        assert one.codes() == ["values_replaced"]
        assert one.books()["MAIL_BUS"] == "cr@jansen.nl"
        one.in_step()


def test_an_edit_between_the_match_and_its_write_is_what_was_replaced(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(TEL_BUS="010-1", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.box.faults.add(side="crafter", method="PATCH", path="/customers/", do="answer", status=422, content={})
        assert one.run()["exit"] == 1
        one.in_crafter(phone="020-3", email="nieuw@jansen.nl")
        one.goes()
        assert (one.klant()["phone"], one.books()["MAIL_BUS"]) == ("010-1", "nieuw@jansen.nl")
        assert one.codes() == ["values_replaced"]
        assert "phone number (was “020-3”, now “010-1”)" in one.problem()["message"]
        one.in_step()


def _forget(one: Office) -> None:
    for file in one.state.glob("state.db*"):
        file.unlink()


@pytest.mark.parametrize("direction", ["import", "export", "both"])
def test_a_lost_state_meets_everything_again_and_changes_and_tells_nothing(tmp_path: Path, direction: str) -> None:
    """What stayed on one side stays there for good."""
    with everything(tmp_path, "customers", direction) as one:
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="", MAIL_BUS="info@vos.nl")
        one.box.crafter.edit("customers", "klant-1", phone="030-1", email=None)
        one.box.accountview.edit("ASC_PP", "C1", TEL_MOB="")
        one.box.accountview.edit("PROJECTS", "P1", COMMENT1="")
        one.box.crafter.edit("projects", "project-1", description="Let op de hond", end_date=None)
        one.goes()
        before = look(one.box)
        for options in ((), ("--full",)):
            _forget(one)
            one.box.requests.clear()
            one.goes(*options)
            assert one.writes() == []
            assert (look(one.box), one.codes()) == (before, [])
            one.rests()


def test_a_field_that_was_cleared_after_the_two_met_is_cleared_on_the_other_side(tmp_path: Path) -> None:
    """Only where two meet for the first time empty never replaces filled."""
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(**VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.goes()
        one.in_crafter(phone=None)
        one.goes()
        assert one.books()["TEL_BUS"] == ""
        one.in_books(TEL_BUS="010-1")
        one.goes()
        one.in_books(TEL_BUS="")
        one.goes()
        assert one.klant()["phone"] is None
        assert one.codes() == []
        one.in_step()


def test_on_import_what_only_crafter_had_gives_way_to_what_accountview_says_later(tmp_path: Path) -> None:
    with office(tmp_path, flows=IMPORT) as one:
        one.debtor(**VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        one.goes()
        one.in_books(TEL_BUS="010-1")
        one.goes()
        assert one.klant()["phone"] == "010-1"
        one.in_step()


# by the way: a record that is only met because something refers to it


def test_a_closed_project_that_is_met_because_an_order_names_it_keeps_what_only_crafter_has(tmp_path: Path) -> None:
    with everything(tmp_path, "orders", "export") as one:
        one.box.accountview.edit("PROJECTS", "P2", END_DATE="2026-01-31", COMMENT1="", PROJ_DESC="Ketelhuis Oost")
        one.box.crafter.edit("projects", "project-2", description="Sleutel bij de buren", name="Ketelhuis")
        one.work_order("w2", project_id="project-2")
        one.goes()
        one.goes()
        there = one.box.crafter.record("projects", "project-2")
        assert (there["description"], there["name"]) == ("Sleutel bij de buren", "Ketelhuis Oost")
        assert there["end_date"] == "2026-01-31"
        assert [(found["code"], found["kind"]) for found in one.errors()] == [("values_replaced", "project")]
        one.rests()


# an order whose number a planner typed (behaviour 18)


@pytest.mark.parametrize("direction", ["export", "both"])
def test_an_order_that_is_adopted_by_its_typed_number_loses_nothing(tmp_path: Path, direction: str) -> None:
    with shop(tmp_path, {"orders": direction}) as one:
        filled = {"COMMENT1": "Lekkage zolder", "COMMENT2": "Onderhoud", "DEL_DATE": "2026-12-01", "PROJ_CODE": "P1"}
        one.sales_order("500", **filled)
        one.work_order("w1", order_number="500", description=None)
        one.goes()
        order, bon = one.order_of("w1"), one.werkbon("w1")
        assert {name: order[name] for name in filled} == filled
        assert bon["external_ref"] == "av:DEMO:order:500"
        took = (bon["description"], bon["work_type_id"], bon["target_date"], bon["project_id"])
        everything_ = ("Lekkage zolder", "onderhoud", "2026-12-01", "project-1")
        assert took == (everything_ if direction == "both" else (None,) * 4)
        assert one.codes() == []
        one.rests()


def test_what_a_typed_number_replaces_in_the_books_is_told_on_the_work_order(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.sales_order("500", COMMENT1="Oud", DEL_DATE="2026-12-01")
        one.work_order("w1", order_number="500", description="Nieuw", work_type_id="storing")
        one.goes()
        order = one.order_of("w1")
        assert (order["COMMENT1"], order["DEL_DATE"], order["COMMENT2"]) == ("Nieuw", "2026-12-01", "Storing & spoed")
        assert one.codes() == ["values_replaced"]
        assert "In AccountView that replaced: the description (was “Oud”, now “Nieuw”)." in one.problem()["message"]
        assert len(one.told("w1")) == 1
        one.rests()


# the plan and the safety stop


def test_filling_what_the_books_lack_is_no_change_that_the_safety_stop_is_about(tmp_path: Path) -> None:
    """It goes by the share of linked records that would change; these are linked by this very run (behaviour 32)."""
    with office(tmp_path, flows=BOTH) as one:
        for number in range(10001, 10131):
            one.debtor(str(number), ACCT_NAME=f"Klant {number}", **VISITING)
            more = {"phone": f"030-{number}"} if number % 2 else {}
            one.new_klant(f"Klant {number}", place(), customer_number=str(number), **more)
        dry = one.run("--dry-run")
        assert dry["exit"] == 0, dry
        assert "--force" not in one.avsync("run-all", "--dry-run").out
        one.goes()
        assert one.books("10001")["TEL_BUS"] == "030-10001"
        one.in_step()


def test_a_dry_run_names_the_fields_of_either_direction(tmp_path: Path) -> None:
    with office(tmp_path, flows=BOTH) as one:
        one.debtor(MAIL_BUS="av@jansen.nl", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="020-2")
        rows = [row for row in one.run("--dry-run")["plan"] if row["kind"] == "customer"]
        assert {row["direction"]: row["fields"] for row in rows} == {
            "import": ["email", "external_ref"], "export": ["phone"],
        }  # fmt: skip
        assert {(row["action"], row["reason"]) for row in rows} == {("adopt", "first_meeting")}
        assert json.dumps(rows)
