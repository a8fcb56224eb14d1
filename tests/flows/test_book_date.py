"""In which financial year a record is booked, and looked for (behaviour 52)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
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


def test_the_read_before_an_update_asks_in_the_year_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avsync.sync.write._STALE", -1.0)
    with shop(tmp_path, FLOWS) as one:
        one.hour("h1", date="2026-01-30")
        one.work_order()
        one.goes()
        one.box.requests.clear()
        one.box.crafter.edit("hours", "h1", hours="2")
        one.change("wo-1", description="Anders", status="checked", lines=[line("l1")])
        one.in_crafter("10001", phone="010-1")
        one.goes()
        assert asked(one) == {("HR1", "2026-01-30"), ("SO1", made_on(one))}
        assert written(one).count(("PUT", "SO_HDR", made_on(one))) == 2


# the turn of the year: what listings show, and what they do not


def in_the_year(one: Office, year: int) -> None:
    """It is the fifth of January of that year."""
    one.box.accountview.clock = one.box.crafter._clock = lambda: datetime(year, 1, 5, 10, tzinfo=UTC)


def probed(one: Office, seen: Mapping[str, object]) -> None:
    """What `check --probe` has left in state.db."""
    with sqlite3.connect(one.state / "state.db") as db:
        sql = "INSERT OR REPLACE INTO cache (key, value, fetched_at) VALUES ('probe', ?, '2027-01-05T09:00:00.000000Z')"
        db.execute(sql, [json.dumps(seen)])


def gone(one: Office) -> set[str]:
    with sqlite3.connect(one.state / "state.db") as db:
        return {str(row[0]) for row in db.execute("SELECT accountview FROM links WHERE kind = 'order' AND gone = 1")}


def three_years(one: Office) -> dict[str, str]:
    """A linked order in each of three years; by the year, its number."""
    one.config["start_date"] = "2025-01-01"
    numbers = {}
    for year in (2025, 2026, 2027):
        in_the_year(one, year)
        name = f"wo-{year}"
        one.work_order(name, created_at=f"{year}-01-04T09:00:00.000000Z")
        one.goes()
        one.goes()
        numbers[str(year)] = one.werkbon(name)["order_number"]
    return numbers


def test_what_a_listing_of_this_year_does_not_show_of_another_is_not_gone(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, book_date_reads=True) as one:
        numbers = three_years(one)
        one.goes("--full")
        assert gone(one) == set()
        for year in ("2026", "2027"):
            one.box.accountview.remove("SO_HDR", numbers[year])
        one.sales_order("1", ORD_DATE="2027-01-02")
        one.box.requests.clear()
        one.goes("--full")
        assert gone(one) == {numbers["2027"]}, "it speaks for its own year"
        assert asked(one) == set(), "no listing carries a date"
        one.rests()


def test_where_that_was_seen_a_full_pass_reads_the_earlier_years_too(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, book_date_reads=True) as one:
        numbers = three_years(one)
        probed(one, {"book_date_matters": True})
        one.goes("--full")
        assert gone(one) == set()
        one.box.accountview.remove("SO_HDR", numbers["2026"])
        one.box.requests.clear()
        one.goes()
        assert asked(one) == set(), "a listing of changes carries none"
        one.goes("--full")
        assert gone(one) == {numbers["2026"]}
        assert {("SO1", "2026-12-31"), ("SO1", "2025-12-31")} <= asked(one)
        one.rests()


def test_it_speaks_for_the_years_that_could_be_read(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, book_date_reads=True) as one:
        numbers = three_years(one)
        probed(one, {"book_date_matters": True})
        one.box.accountview.options.years = (2026, 2027)
        for year in ("2025", "2026"):
            one.box.accountview.remove("SO_HDR", numbers[year])
        one.goes("--full")
        assert gone(one) == {numbers["2026"]}
        one.rests()


@pytest.mark.parametrize("seen", [{"book_date_matters": False}, {"book_date_matters": None}, {}, [1], "x"])
def test_anything_else_that_was_seen_means_nothing(tmp_path: Path, seen: Mapping[str, object]) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order()
        one.goes()
        in_the_year(one, 2027)
        probed(one, seen)
        one.box.requests.clear()
        one.goes("--full")
        assert asked(one) == set()
        assert gone(one) == set()


def test_orders_of_last_year_still_meet_their_work_orders_when_a_full_pass_reads_them(tmp_path: Path) -> None:
    """Sales orders of both years, of which the work orders come from AccountView."""
    with shop(tmp_path, {"orders": "import"}, book_date_reads=True) as one:
        one.config["start_date"] = "2026-01-01"
        in_the_year(one, 2027)
        one.sales_order("100", ORD_DATE="2026-11-02")
        one.sales_order("200", ORD_DATE="2027-01-02")
        one.goes()
        assert {row["order_number"] for row in one.box.crafter.records("work-orders")} == {"200"}
        probed(one, {"book_date_matters": True})
        one.goes("--full")
        assert {row["order_number"] for row in one.box.crafter.records("work-orders")} == {"100", "200"}
        one.rests()


@pytest.mark.parametrize("state", ["lost", "put back"])
def test_what_was_booked_last_year_is_not_booked_again_although_the_state_is_lost(tmp_path: Path, state: str) -> None:
    """In January a listing shows nothing of December; our reference is looked for there before anything is sent."""
    with shop(tmp_path, FLOWS, book_date_reads=True) as one:
        in_the_year(one, 2026)
        one.goes()
        shutil.copytree(one.state, tmp_path / "backup")
        one.box.accountview.clock = one.box.crafter._clock = lambda: datetime(2026, 12, 30, 10, tzinfo=UTC)
        one.hour("h1", date="2026-12-29")
        one.hour("h2", date="2026-12-29")
        one.work_order("wo-1", created_at="2026-12-28T09:00:00.000000Z", order_number=None)
        one.goes()
        one.goes()
        in_the_year(one, 2027)
        one.hour("h3", date="2026-12-30", hours="3")
        one.goes()
        before = (one.booked(), one.standing(one.order_number()), len(one.box.accountview.rows("SO_HDR")))
        assert len(one.booked()) == 3
        shutil.rmtree(one.state)
        if state == "put back":
            shutil.copytree(tmp_path / "backup", one.state)
        else:
            one.state.mkdir(mode=0o700)
            one.log_in()
        one.hour("h4", date="2026-12-31", hours="4")
        one.goes()
        one.goes()
        assert len(one.booked()) == 4
        assert (one.standing(one.order_number()), len(one.box.accountview.rows("SO_HDR"))) == before[1:]
        one.rests()
