"""Nothing that a person reads holds an opaque id or a name of ours, and who must act follows from the side on which the
value stands (behaviour 49)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from avsync.messages import texts
from avsync.records.registry import KINDS
from tests.support.office import Office, shop
from tests.support.world import line

ALL = {"invoice": "export", "hours": "export"}
OPAQUE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|\bavs[0-9a-f]{6}|\bid-\w+")
OURS = re.compile(r"\b\w+_(?:id|at|number|code|date|type|ref)\b")


def shown(one: Office) -> str:
    """Everything that people read of the open problems: the list, and the tijdlijn."""
    said = [one.avsync("errors").out, *(entry["message"] for entry in one.box.crafter.timeline)]
    said += [f"{found['message']} {found['hint']}" for found in one.errors()]
    return re.sub(r"[|\s]+", " ", "\n".join(said))


def nameless(one: Office) -> str:
    """What is shown, in which there is no id and no name of ours."""
    said = shown(one)
    assert not OPAQUE.search(said), OPAQUE.findall(said)
    assert not OURS.search(re.sub(r"`[^`]*`", "", said)), OURS.findall(said)
    return said


def unknown_project(one: Office) -> None:
    known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
    one.box.crafter.add("projects", id="id-project", project_code="P9", **known)


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("nl", "Anja Bos, 1 juni 2026, 7,5 uur werktijd, project P9"),
     ("en", "Anja Bos, 1 June 2026, 7.5 hours of working time, project P9")],
)  # fmt: skip
def test_hours_are_known_by_employee_day_hours_kind_and_project(tmp_path: Path, language: str, wanted: str) -> None:
    with shop(tmp_path, ALL) as one:
        one.config["language"] = language
        unknown_project(one)
        one.hour("id-hour", project_id="id-project")
        assert one.run()["exit"] == 1
        assert one.problem()["name"] == wanted
        assert wanted in nameless(one)


def test_hours_of_a_work_order_are_known_by_its_project(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        unknown_project(one)
        one.work_order("id-job", project_id="id-project", number="WB00077", description="Ketel")
        one.hour("id-hour", work_order_id="id-job", kind="travel", hours="0.25")
        assert one.run()["exit"] == 1
        said = nameless(one)
        assert "Anja Bos, 1 June 2026, 0.25 hours of travel time, project P9" in said
        assert "WB00077" in said


@pytest.mark.parametrize("fields", [{"hours": "anderhalf"}, {"date": "2026-02-31"}, {"kind": "pauze"}])
def test_an_hours_line_that_cannot_be_read_is_known_by_what_is_legible(tmp_path: Path, fields: dict[str, str]) -> None:
    with shop(tmp_path, ALL) as one:
        one.goes()
        one.hour("id-hour", project_id="project-1", **fields)
        for _ in range(2):
            assert one.run()["exit"] == 1
            (found,) = one.errors()
            assert found["name"].startswith("Anja Bos, ")
            assert found["name"].endswith("project P1")
            assert next(iter(fields.values())) in found["message"]
            assert found["who"] == "planner"
            nameless(one)


def test_hours_of_nobody_on_nothing_are_known_by_the_rest(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        one.hour("id-hour", user_id="id-user", project_id="id-project")
        one.hour("id-other", project_id="id-project")
        assert one.run()["exit"] == 1
        said = nameless(one)
        assert "1 June 2026, 7.5 hours of working time" in said


def test_a_work_order_is_known_by_its_own_number_with_the_order_number_behind_it(tmp_path: Path) -> None:
    long = "Een omschrijving die veel te lang is voor AccountView, hoe dan ook"
    with shop(tmp_path, ALL) as one:
        one.config["language"] = "nl"
        one.work_order("id-job", number="WB00077", description=long)
        one.goes()
        number = one.werkbon("id-job")["order_number"]
        assert f"Werkbon WB00077 ({number}), {long}" in nameless(one).replace(" )", ")")
        one.change("id-job", status="checked", lines=[line("l1", "WEG-1")])
        assert one.run()["exit"] == 1
        assert f"Regels van werkbon WB00077 ({number}), {long}" in nameless(one)
        one.box.crafter.edit("work-orders", "id-job", number=number)
        one.run()
        assert f"({number})" not in one.avsync("errors").out, "only where they differ"


def test_a_sales_order_is_called_verkooporder(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "import"}) as one:
        one.config["language"] = "nl"
        one.sales_order("500")
        one.box.accountview.damage("SO_HDR", "500", RPL_DEL="")
        assert one.run()["exit"] == 1
        assert "Verkooporder 500" in nameless(one)
        assert "Werkbon 500" not in nameless(one)


def test_a_customer_without_a_number_is_known_by_its_name(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.new_klant("Ж", id="id-klant")
        one.work_order("id-job", customer_id="id-klant", number="WB1", description="Ketel")
        assert one.run()["exit"] == 1
        said = nameless(one)
        assert "Customer Ж" in said
        assert "Waits until customer Ж is linked" in said


def test_the_candidates_are_named(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.debtor("20001", ACCT_NAME="Dubbel", ADDRESS1="Kade 1", POST_CODE="1011 AA", CITY="Hoorn")
        for name in ("id-een", "id-twee"):
            one.new_klant("Dubbel", {"street": "Kade 1", "postal_code": "1011 AA", "city": "Hoorn"}, id=name)
        assert one.run()["exit"] == 1
        assert "Dubbel (2×)" in nameless(one)


@pytest.mark.parametrize(("side", "who"), [("accountview", "bookkeeper"), ("crafter", "planner")])
def test_who_must_act_follows_from_the_side_on_which_the_value_stands(tmp_path: Path, side: str, who: str) -> None:
    with shop(tmp_path) as one:
        one.config["language"] = "nl"
        one.goes()
        if side == "accountview":
            one.box.accountview.edit("CONTACT", "10001", TEL_BUS="1")
            one.box.accountview.damage("CONTACT", "10001", ACCT_NAME="")
        else:
            one.box.crafter.edit("customers", "klant-1", name="")
        assert one.run()["exit"] == 1
        found = one.problem()
        assert (found["code"], found["side"], found["who"]) == ("unreadable", side, who)
        system = {"accountview": "AccountView", "crafter": "Crafter"}[side]
        assert system in found["hint"]
        assert "de naam" in found["message"]


def test_a_conflict_names_what_was_referred_to(tmp_path: Path) -> None:
    with shop(tmp_path, {"orders": "both", "projects": "both"}) as one:
        if one.avsync("check").exit:  # projects cannot go both ways
            one.config["flows"]["projects"] = "import"
        one.sales_order("500", PROJ_CODE="P1")
        one.goes()
        bon = next(iter(one.box.crafter.records("work-orders")))["id"]
        one.box.accountview.edit("SO_HDR", "500", DEL_DATE="2026-12-01", PROJ_CODE="P2")
        one.box.crafter.edit("work-orders", bon, target_date="2026-11-02", project_id="project-3")
        one.goes()
        said = nameless(one)
        assert "“1 December 2026”" in said
        assert "“2 November 2026”" in said
        if "project" in said:
            assert "project-3" not in said


def test_a_dry_run_names_records_and_fields_as_people_do(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        one.config["language"] = "nl"
        one.hour("id-hour", project_id="project-1")
        one.work_order("id-job", number="WB00077", description="Ketel")
        one.new_klant("Nieuw", id="id-klant", phone="1")
        said = one.avsync("run-all", "--dry-run", "--details").out
        flat = re.sub(r"\s+", " ", said)
        assert not OPAQUE.search(said)
        assert not OURS.search(said), OURS.findall(said)
        assert "Anja Bos, 1 juni 2026, 7,5 uur werktijd" in flat
        assert "werkbon WB00077, Ketel" in flat
        plan = one.run("--dry-run")["plan"]
        assert all(
            list(row) == ["flow", "direction", "kind", "key", "name", "action", "fields", "reason"] for row in plan
        )
        (hour,) = [row for row in plan if row["kind"] == "hour"]
        assert hour["name"] == "Anja Bos, 1 juni 2026, 7,5 uur werktijd, project P1"


def fields() -> list[Any]:
    found = {
        (kind.name, name)
        for kind in KINDS.values()
        for one in kind.fields
        for name in (one.name, one.accountview, one.crafter)
        if name
    }
    more = {
        (kind.name, name) for kind in KINDS.values() for name in (kind.id, "id", "changed_at", "updated_at", "lines")
    }
    return sorted(found | more)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_field_has_a_name_of_the_screen_with_its_article(language: str) -> None:
    articles = {"nl": ("de ", "het "), "en": ("the ", "avsync's ")}[language]
    for kind, name in fields():
        assert texts.field_name(name, language, kind).startswith(articles), (kind, name)


# --only


@pytest.mark.parametrize("wanted", ["wb00077", "id-job"])
def test_only_takes_the_number_of_a_work_order_too(tmp_path: Path, wanted: str) -> None:
    with shop(tmp_path, ALL) as one:
        one.goes()
        one.work_order("id-job", number="WB00077")
        one.work_order("id-other", number="WB00078")
        assert one.avsync("sync", "orders", "--only", wanted).exit == 0
        assert one.werkbon("id-job")["order_number"]
        assert not one.werkbon("id-other")["order_number"]
        number = one.werkbon("id-job")["order_number"]
        one.change("id-job", status="checked", lines=[line("l1")])
        assert one.avsync("sync", "invoice", "--only", wanted).exit == 0
        assert one.standing(number) == [("PUMP-1", "1")]
        for known in (wanted, number, number.lower()):
            for flow in ("orders", "invoice"):
                assert one.avsync("sync", flow, "--only", known).exit == 0, "what is in step fits as well"


@pytest.mark.parametrize(
    ("flow", "looked_for"), [("orders", "werkbonnummer"), ("customers", "klantnummer"), ("hours", "Crafter")]
)
def test_only_that_fits_nothing_is_a_usage_error_that_says_what_it_looked_for(
    tmp_path: Path, flow: str, looked_for: str
) -> None:
    with shop(tmp_path, ALL) as one:
        one.config["language"] = "nl"
        one.goes()
        one.work_order("id-job")
        one.box.requests.clear()
        told = one.avsync("sync", flow, "--only", "WB99999")
        assert (told.exit, told.out) == (2, "")
        assert "WB99999" in told.err
        assert looked_for in told.err
        assert one.writes() == []
        assert one.errors() == []
        assert one.run()["exit"] == 0
