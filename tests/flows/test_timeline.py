"""What stands in Crafter's tijdlijn: where people look, one entry per item and flow, and how it ends (behaviour 28)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, shop
from tests.support.world import line

HOURS = {"hours": "export"}
ALL = {"invoice": "export", "hours": "export"}


def dutch(one: Office) -> None:
    one.config["language"] = "nl"


def unknown_project(one: Office, name: str = "project-9", code: str = "P9") -> None:
    """A project in Crafter that AccountView does not have."""
    known = {"name": "Alleen hier", "customer_id": "klant-1", "project_type_id": "soort"}
    one.box.crafter.add("projects", id=name, project_code=code, **known)


def entries(one: Office) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The entries by entity, id and flow."""
    found = {}
    for entry in one.box.crafter.timeline:
        flow = entry["dedupe_key"].rsplit(":", 1)[1]
        assert entry["dedupe_key"] == f"avsync:{entry['entity']}:{entry['entity_id']}:{flow}"
        found[entry["entity"], entry["entity_id"], flow] = entry
    return found


def test_hours_are_told_on_their_work_order_else_their_project_else_themselves(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        one.goes()
        unknown_project(one)
        one.work_order("w1", project_id="project-1")
        one.hour("on-both", work_order_id="w1", project_id="project-9")
        one.hour("on-project", project_id="project-9")
        one.hour("alone", user_id="weg")
        assert one.run()["exit"] == 1
        assert set(entries(one)) == {
            ("work_order", "w1", "hours"), ("project", "project-9", "hours"), ("hour", "alone", "hours"),
        }  # fmt: skip
        one.box.requests.clear()
        assert one.run("--full")["exit"] == 1
        assert one.writes() == []


def test_forty_hours_lines_are_one_entry_on_their_project(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        dutch(one)
        unknown_project(one)
        for number in range(40):
            one.hour(f"h{number:02}", project_id="project-9", date=f"2026-06-{number % 28 + 1:02}")
        one.work_order("w1", project_id="project-1")
        one.hour("elsewhere", work_order_id="w1", project_id="project-9")
        assert one.run()["exit"] == 1
        assert one.problem()["count"] == 41
        assert len(one.box.crafter.timeline) == 2
        (said,) = one.told("project-9")
        assert "40 urenregels" in said
        assert "P9" in said
        assert "en nog 35" in said
        assert said.count("werktijd") == 5
        (other,) = one.told("w1")
        assert "40" not in other, "only the lines of its own item"
        assert "P9" in other
        one.box.crafter.edit("hours", "h00", project_id="project-1")
        assert one.run()["exit"] == 1
        assert "39 urenregels" in one.told("project-9")[0]
        assert len(entries(one)["project", "project-9", "hours"]["history"]) == 2
        assert len(entries(one)["work_order", "w1", "hours"]["history"]) == 1


def test_orders_lines_and_hours_of_one_work_order_have_an_entry_each(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        one.work_order("w1", description="Een omschrijving die veel te lang is voor AccountView, hoe dan ook")
        one.goes()
        one.change("w1", status="checked", lines=[line("l1", "WEG-1"), line("l2", "WEG-2")])
        one.hour("h1", work_order_id="w1", user_id="weg")
        assert one.run()["exit"] == 1
        found = entries(one)
        assert set(found) == {("work_order", "w1", flow) for flow in ("orders", "invoice", "hours")}
        assert found["work_order", "w1", "orders"]["kind"] == "info"
        assert "WEG-1" in found["work_order", "w1", "invoice"]["message"]
        assert "WEG-2" in found["work_order", "w1", "invoice"]["message"]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_is_over_says_what_it_was(tmp_path: Path, language: str) -> None:
    with shop(tmp_path) as one:
        one.config["language"] = language
        one.goes()
        name = "Vereniging van Eigenaars Residentie Waterland"
        one.box.crafter.edit("customers", "klant-1", name=name)
        assert one.run()["exit"] == 1
        (said,) = one.told("klant-1")
        message = one.problem()["message"]
        assert message in said
        one.box.crafter.edit("customers", "klant-1", name="VvE Waterland")
        one.goes()
        (entry,) = one.box.crafter.timeline
        assert entry["resolved"] is True
        assert entry["message"].startswith({"nl": "Opgelost: ", "en": "Resolved: "}[language])
        assert name in entry["message"]


def test_what_is_ignored_is_never_called_solved(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        dutch(one)
        one.goes()
        one.box.crafter.edit("customers", "klant-1", name="Vereniging van Eigenaars Residentie Waterland")
        assert one.run()["exit"] == 1
        number, said = one.problem()["id"], one.problem()["message"]
        assert one.avsync("errors", "--ignore", str(number)).exit == 0
        assert one.run()["exit"] == 0
        (entry,) = one.box.crafter.timeline
        assert entry["resolved"] is True
        assert entry["message"].startswith("Genegeerd door de beheerder: ")
        assert said in entry["message"]
        assert not any("Opgelost" in told["message"] for told in entry["history"])
        one.box.crafter.edit("customers", "klant-1", name="Vereniging van Eigenaars Residentie Waterland 2")
        assert one.run()["exit"] == 1
        assert entries(one)["customer", "klant-1", "customers"]["resolved"] is False
        one.box.crafter.edit("customers", "klant-1", name="VvE")
        one.goes()
        assert entries(one)["customer", "klant-1", "customers"]["message"].startswith("Opgelost: ")


def test_of_two_problems_each_ends_as_it_did(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        dutch(one)
        one.work_order("w1")
        one.goes()
        one.change("w1", status="checked", lines=[line("l1", "WEG-1"), line("l2", "WEG-2")])
        assert one.run()["exit"] == 1
        ids = {found["message"].split()[1]: found["id"] for found in one.errors()}
        assert one.avsync("errors", "--ignore", str(ids["WEG-1"])).exit == 0
        one.box.accountview.add("ARTICLE", ART_CODE="WEG-2", ART_DESC1="Toch")
        assert one.run()["exit"] == 0
        (entry,) = one.box.crafter.timeline
        assert entry["resolved"] is True
        ends = entry["message"].splitlines()
        assert len(ends) == 2
        assert "WEG-1" in next(each for each in ends if each.startswith("Genegeerd door de beheerder: "))
        assert "WEG-2" in next(each for each in ends if each.startswith("Opgelost: "))


def test_a_flow_that_is_switched_off_takes_its_entries_back_and_says_so(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        dutch(one)
        one.hour("h1", user_id="weg")
        assert one.run()["exit"] == 1
        one.config["flows"]["hours"] = "off"
        one.goes()
        (entry,) = one.box.crafter.timeline
        assert entry["resolved"] is True
        assert "koppeling staat uit" in entry["message"]
        assert "Opgelost" not in entry["message"]


def test_hours_of_a_work_order_that_was_deleted_are_told_on_themselves(tmp_path: Path) -> None:
    with shop(tmp_path, HOURS) as one:
        one.work_order("w1", project_id="project-1")
        one.goes()
        one.box.crafter.remove("work-orders", "w1")
        one.hour("h1", work_order_id="w1", project_id="project-1", user_id="weg")
        for _ in range(4):
            assert one.run()["exit"] == 1
        assert set(entries(one)) == {("hour", "h1", "hours")}
        one.box.requests.clear()
        assert one.run()["exit"] == 1
        assert one.writes() == []
        one.box.crafter.edit("hours", "h1", user_id="bram")
        one.goes()
        assert [entry["resolved"] for entry in one.box.crafter.timeline] == [True]
        one.rests()


def test_an_entry_whose_answer_got_lost_is_taken_back_when_it_is_over(tmp_path: Path) -> None:
    with shop(tmp_path, wire=True) as one:
        one.goes()
        one.box.faults.add(side="crafter", method="POST", path="timeline", do="commit_500")
        one.box.crafter.edit("customers", "klant-1", name="Vereniging van Eigenaars Residentie Waterland")
        assert one.run()["exit"] == 1
        one.box.crafter.edit("customers", "klant-1", name="VvE")
        one.goes()
        assert [entry["resolved"] for entry in one.box.crafter.timeline] == [True]
        one.rests()
