"""Names, rights and functions of the other side: what is missing stops the flows that need it, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.sandbox.accountview.names import overrides
from tests.support.comparison import differences
from tests.support.office import ALL_ON, Office, office
from tests.support.world import place

FLOWS = tuple(ALL_ON)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is tried again need not wait for it here."""
    monkeypatch.setattr("avsync.commands.run.Budget.pause", lambda budget, seconds: None)


@contextmanager
def company(tmp_path: Path, flows: dict[str, str] | None = None, **options: Any) -> Iterator[Office]:
    """A healthy company that has not been synchronised yet."""
    world = seed.world(seed=11, customers=8, projects=5, orders=4, work_orders=8, hours=8, bad=False)
    with office(tmp_path, world, flows=flows or dict(ALL_ON), **options) as one:
        yield one


def stopped(one: Office) -> dict[str, str]:
    """Flow → message of the flows that stand in the list of errors themselves."""
    return {row["flow"]: f"{row['message']}\n{row['hint']}" for row in one.errors() if row["kind"] == "flow"}


def ran(one: Office) -> set[str]:
    """The flows that went through last time."""
    flows = one.avsync("--json", "status").json["flows"]
    return {flow for flow, shape in flows.items() if shape["last_ok"]}


def written(one: Office) -> set[tuple[str, str]]:
    """(side, business object or resource) of everything that was written."""
    found = set()
    for request in one.writes():
        if request.side == "crafter":
            found.add((request.side, request.path.split("/")[3]))
        else:
            found.add((request.side, request.body.split('"BusinessObject":')[1].split('"')[1]))
    return found


def test_with_other_names_the_flows_concerned_stop_and_the_others_run(tmp_path: Path) -> None:
    with company(tmp_path, names="other", contacts_module=False) as one:
        told = one.avsync("run-all")
        assert told.exit == 2
        assert set(stopped(one)) == {"projects", "orders", "invoice", "hours"}
        assert ran(one) == {"customers"}
        assert {what for side, what in written(one) if side == "crafter"} <= {"customers", "work-locations"}
        assert {what for side, what in written(one) if side == "accountview"} <= {"AR1"}
        assert len(one.box.crafter.records("customers")) == len(one.box.accountview.rows("CONTACT"))


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("projects", ["project_type.business_object: PT1", "TY1 (Projecttypen)"]),
        ("projects", ["project.columns.employee: EMP_NR", "PJ_LEIDER (Verantwoordelijke medewerker)"]),
        ("orders", ["order.columns.number: ORD_NR", "VO_NUMMER (Ordernummer)"]),
        ("invoice", ["order_line.columns.id: REC_ID", "VR_ID (Regelnummer)"]),
        ("hours", ["hour.business_object: HR1", "UR1 (Urenregels)"]),
    ],
)
def test_what_is_missing_and_the_candidates_are_named(tmp_path: Path, flow: str, said: list[str]) -> None:
    with company(tmp_path, names="other") as one:
        told = one.avsync("run-all")
        assert told.exit == 2
        for words in said:
            assert words in told.err
            assert words in stopped(one)[flow]
        assert "accountview.schema" in stopped(one)[flow]


def test_the_object_found_the_columns_are_named_next(tmp_path: Path) -> None:
    with company(tmp_path, names="other") as one:
        one.config["accountview"]["schema"] = {"hour": {"business_object": "UR1"}}
        one.run()
        assert "hour.table: HRS_LINE → UREN" in stopped(one)["hours"]
        one.config["accountview"]["schema"]["hour"]["table"] = "UREN"
        one.run()
        for words in (
            "hour.columns.time_code: HRS_CODE → UURSOORT (Uursoort)",
            "hour.columns.date: HRS_DATE → UUR_DATUM",
        ):
            assert words in stopped(one)["hours"]


def test_with_the_overrides_in_the_config_everything_works_and_the_problems_go(tmp_path: Path) -> None:
    with company(tmp_path, names="other") as one:
        assert one.run()["exit"] == 2
        one.config["accountview"]["schema"] = overrides("other")
        assert one.run()["exit"] == 0, one.errors()
        assert one.errors() == []
        assert ran(one) == set(FLOWS)
        assert one.run()["exit"] == 0
        assert differences(one.box, ALL_ON) == []
        assert len(one.box.accountview.rows("HRS_LINE")) > 0


def test_both_directions_work_under_other_names(tmp_path: Path) -> None:
    flows = {**ALL_ON, "orders": "both"}
    with company(tmp_path, flows, names="other") as one:
        one.config["accountview"]["schema"] = overrides("other")
        assert one.run()["exit"] == 0, one.errors()
        order = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.edit("SO_HDR", order, COMMENT1="Van de boekhouding")
        hour = one.box.crafter.records("hours")[0]["id"]
        one.box.crafter.edit("hours", hour, hours="7.25")
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0, one.errors()
            assert differences(one.box, flows) == []


@pytest.mark.parametrize("names", ["default", "other"])
def test_without_the_contacts_module_everything_else_runs(tmp_path: Path, names: str) -> None:
    with company(tmp_path, names=names, contacts_module=False) as one:
        one.config["accountview"]["schema"] = overrides(names)
        assert one.run()["exit"] == 0, one.errors()
        assert one.box.crafter.records("contacts") == []
        assert differences(one.box, ALL_ON) == []


def test_without_a_reference_column_everything_runs_and_nothing_doubles(tmp_path: Path) -> None:
    with company(tmp_path, ext_id=False) as one:
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0, one.errors()
            assert differences(one.box, ALL_ON) == []
        assert not any("EXT_ID" in request.body for request in one.writes())


# rights


RIGHTS = [
    ("CONTACT", "ru", {"customers"}),
    ("CONTACT", "ri", {"customers"}),
    ("SO_HDR", "ru", {"orders"}),
    ("SO_HDR", "ri", {"orders", "invoice"}),
    ("HRS_LINE", "r", {"hours"}),
]


@pytest.mark.parametrize(("table", "rights", "flows"), RIGHTS)
def test_a_missing_right_stops_the_flows_that_need_it_and_they_recover_by_themselves(
    tmp_path: Path, table: str, rights: str, flows: set[str]
) -> None:
    with company(tmp_path, rights={table: rights}) as one:
        told = one.avsync("run-all")
        assert told.exit == 2
        assert set(stopped(one)) == flows
        for message in stopped(one).values():
            assert table in message
            assert ("insert" if "i" not in rights else "update") in message
        one.box.options.rights.clear()
        assert one.run()["exit"] == 0, one.errors()
        assert stopped(one) == {}
        assert one.run()["exit"] == 0
        assert differences(one.box, ALL_ON) == []


def some_work(one: Office) -> None:
    """Something to write for every flow."""
    av, crafter = one.box.accountview, one.box.crafter
    made = one.new_klant("Later", place())
    crafter.add("work-orders", customer_id=made, description="Later")
    crafter.add("hours", user_id=crafter.records("hours")[0]["user_id"], date="2026-11-05", hours="1")
    av.edit("PROJECTS", av.rows("PROJECTS")[0]["PROJ_CODE"], PROJ_DESC="Later")


def test_a_right_taken_away_mid_way_is_a_problem_of_that_flow_only_and_recovers_by_itself(tmp_path: Path) -> None:
    with company(tmp_path) as one:
        assert one.run()["exit"] == 0
        some_work(one)
        one.box.options.rights["HRS_LINE"] = "r"
        hours = len(one.box.accountview.rows("HRS_LINE"))
        assert one.run()["exit"] == 1
        assert {(row["flow"], row["code"]) for row in one.errors()} == {("hours", "rejected_by_accountview")}
        one.box.requests.clear()
        assert one.run()["exit"] == 2
        assert set(stopped(one)) == {"hours"}
        assert "insert HRS_LINE" in stopped(one)["hours"]
        assert written(one) <= {("crafter", "timeline")}
        assert len(one.box.accountview.rows("HRS_LINE")) == hours
        assert {row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")} >= {"Later"}
        one.box.options.rights.clear()
        assert one.run()["exit"] == 0, one.errors()
        assert one.errors() == []
        assert len(one.box.accountview.rows("HRS_LINE")) == hours + 1


@pytest.mark.parametrize(
    ("table", "flows"),
    [
        ("CONTACT", {"customers"}),
        ("PROJECTS", {"projects"}),
        ("PRO_TYPE", {"projects"}),
        ("SO_HDR", {"orders"}),
        ("HRS_LINE", {"hours"}),
        ("ASC_PP", {"customers"}),
    ],
)
def test_a_right_to_read_taken_away_mid_way_stops_that_flow_only(tmp_path: Path, table: str, flows: set[str]) -> None:
    with company(tmp_path) as one:
        assert one.run()["exit"] == 0
        some_work(one)
        one.box.options.rights[table] = ""
        told = one.avsync("run-all")
        assert told.exit in (2, 4)
        assert set(stopped(one)) == flows
        assert "rechten" in told.err
        one.box.options.rights.clear()
        assert one.run()["exit"] == 0, one.errors()
        assert one.errors() == []
        assert one.run()["exit"] == 0
        assert differences(one.box, ALL_ON) == []


# Crafter


NEEDING = {
    "customers": {"customers"},
    "work-locations": {"customers"},
    "contacts": {"customers"},
    "project-types": {"projects"},
    "projects": {"projects"},
    "users": {"projects", "hours"},
    "work-types": {"orders"},
    "work-orders": {"orders", "invoice"},
    "hours": {"hours"},
}


@pytest.mark.parametrize("resource", list(NEEDING))
def test_a_function_switched_off_in_crafter_stops_exactly_the_flows_that_need_it(tmp_path: Path, resource: str) -> None:
    with company(tmp_path) as one:
        assert one.run()["exit"] == 0
        some_work(one)
        one.box.crafter.features.discard(resource)
        told = one.avsync("run-all", "--full")
        assert told.exit == 2
        assert set(stopped(one)) == NEEDING[resource]
        assert all(f"The function {resource} " in message for message in stopped(one).values())
        one.box.crafter.features.add(resource)
        assert one.run()["exit"] == 0, one.errors()
        assert one.errors() == []
        assert one.run()["exit"] == 0
        assert differences(one.box, ALL_ON) == []


def test_the_timeline_switched_off_stops_no_flow(tmp_path: Path) -> None:
    with company(tmp_path) as one:
        one.box.crafter.add("customers", name="Ж")
        one.box.crafter.features.discard("timeline")
        assert one.run()["exit"] == 1
        assert [row["code"] for row in one.errors()] == ["foreign_characters"]
        assert ran(one) == set(FLOWS)


def test_a_path_and_a_field_of_crafter_can_be_renamed_in_the_config(tmp_path: Path) -> None:
    """What the config calls them is what is asked for and sent; nothing else of the names is fixed."""
    with company(tmp_path, {"customers": "both"}) as one:
        one.config["crafter"]["schema"] = {"customer": {"path": "/klanten"}}
        assert one.run()["exit"] == 4
        assert any(request.path == "/api/v1/klanten" for request in one.box.requests)
        assert not any(request.path == "/api/v1/customers" for request in one.box.requests)
        one.config["crafter"]["schema"] = {"customer": {"fields": {"phone": "telefoon"}}}
        one.box.requests.clear()
        assert one.run()["exit"] == 1
        sent = [request for request in one.writes() if request.method == "POST" and request.path.endswith("/customers")]
        assert any('"telefoon"' in request.body for request in sent)
        assert not any('"phone"' in request.body for request in sent)
        assert {row["code"] for row in one.errors() if row["kind"] == "customer"} == {"rejected_by_crafter"}
        one.config["crafter"]["schema"] = {}
        assert one.run()["exit"] == 0, one.errors()
        assert differences(one.box, {"customers": "both"}) == []
