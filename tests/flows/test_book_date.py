"""In which financial year a record is booked, and looked for (behaviour 52)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from avsync.records.values import AMSTERDAM
from tests.support.office import Office, body, shop
from tests.support.world import line

FLOWS = {"orders": "export", "invoice": "export", "hours": "export"}


def today() -> str:
    return datetime.now(AMSTERDAM).date().isoformat()


def written(one: Office) -> list[tuple[str, str, str]]:
    """(method, table, book date) of the writes since the log was cleared."""
    sent = [(write.method, body(write)) for write in one.sent("accountview")]
    return [(method, each["Table"]["Definition"]["Name"], each["BookDate"][:10]) for method, each in sent]


def asked(one: Office) -> set[tuple[str, str]]:
    """(business object, book date) of the reads since then that carried one."""
    queries = [parse_qs(each.query) for each in one.box.requests if each.side == "accountview"]
    return {(each["BusinessObject"][0], each["BookDate"][0]) for each in queries if "BookDate" in each}


def made_on(one: Office) -> str:
    return str(one.order_of("wo-1")["ORD_DATE"])[:10]


def test_orders_carry_their_order_date_hours_their_date_the_rest_today(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", date="2026-01-30")
        one.work_order()
        one.new_klant("Nieuw BV")
        one.box.requests.clear()
        one.goes()
        found = {(method, table): day for method, table, day in written(one)}
        assert found["POST", "SO_HDR"] == made_on(one) != today()
        assert found["POST", "HRS_LINE"] == "2026-01-30"
        assert found["POST", "CONTACT"] == today()
        one.box.requests.clear()
        one.box.crafter.edit("hours", "h1", hours="2")
        one.change("wo-1", description="Anders", status="checked", lines=[line("l1")])
        one.goes()
        assert set(written(one)) == {("PUT", "HRS_LINE", "2026-01-30"), ("PUT", "SO_HDR", made_on(one))}
        expected = {("HR1", "2026-01-30"), ("SO1", made_on(one))}  # as they are read before they are changed
        assert asked(one) <= expected, "no listing carries one"
        one.in_step()


@pytest.mark.parametrize("mode", ["today", "none"])
def test_the_other_two_ways(tmp_path: Path, mode: str) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.config["accountview"]["book_date"] = mode
        one.hour("h1", date="2026-01-30")
        one.work_order(status="checked", lines=[line("l1")])
        one.goes()
        assert {day for _, _, day in written(one)} == {today() if mode == "today" else ""}
        assert asked(one) == set()
        one.in_step()


@pytest.mark.parametrize("ext_id", [True, False])
def test_a_look_up_after_an_unclear_write_asks_in_the_year_of_the_record(tmp_path: Path, ext_id: bool) -> None:
    with shop(tmp_path, FLOWS, ext_id=ext_id) as one:
        one.hour("h1", date="2026-01-30")
        one.box.requests.clear()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="commit_500")
        one.run()
        one.run()
        one.recovers()
        assert len(one.booked()) == 1
        days = {day for name, day in asked(one)}
        assert days == set() or days == {"2026-01-30"}


def test_a_year_that_does_not_exist_is_a_problem_of_the_records_dated_in_it(tmp_path: Path) -> None:
    """In AccountView's words; everything else goes on, and the day it is opened they go by themselves."""
    with shop(tmp_path, {**FLOWS, "projects": "off"}) as one:
        one.box.accountview.options.years = (2026,)
        one.hour("h1", date="2026-12-31")
        one.hour("h2", date="2027-01-02")
        one.work_order()
        for _ in range(2):
            result = one.run()
            assert result["exit"] == 1
            problem = one.problem()
            assert (problem["code"], problem["key"]) == ("rejected_by_accountview", "h2")
            assert "Boekjaar 2027 bestaat niet" in problem["message"]
            assert [row[3] for row in one.booked()] == ["2026-12-31"]
            assert one.order_of("wo-1")
        one.box.accountview.options.years = (2026, 2027)
        one.goes()
        assert one.errors() == []
        one.in_step()


def test_an_update_in_a_year_that_does_not_exist_is_not_taken_for_a_deletion(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", date="2026-06-01")
        one.work_order(status="checked", lines=[line("l1")])
        one.goes()
        one.box.accountview.options.years = (2030,)
        one.box.crafter.edit("hours", "h1", hours="2")
        one.change("wo-1", description="Anders", lines=[line("l1", quantity="9")])
        assert one.run()["exit"] == 1
        assert {json.dumps(one.errors()).count("Boekjaar 2026 bestaat niet") > 0} == {True}
        one.box.accountview.options.years = ()
        one.goes()
        assert one.booked()[0][-1] == "2"
        one.in_step()
