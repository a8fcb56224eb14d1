"""Reading only what changed, and missing nothing: pages that fail, clocks that differ, changes that come late.

Everywhere the proof is the same: after the runs a full pass finds nothing new to write.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.state.store import Watermark
from tests.support.bench import CUSTOMERS, HOURS, Bench
from tests.support.bench import bench as any_bench
from tests.support.office import ALL_ON, office

PATIENT = {
    "full_every": 0,
    "settle_grace": 0,
    "safety": {"max_new": 100000, "max_share": 1.0},
    "timeouts": {"connect": 3, "read": 10},
}


@contextmanager
def bench(flows: dict[str, str], wire: bool = False, **options: Any) -> Iterator[Bench]:
    with any_bench(flows, PATIENT, wire=wire, **options) as one:
        yield one


def a_full_pass_finds_nothing_new(one: Bench) -> None:
    one.box.requests.clear()
    result = one.run(full=True)
    assert result is not None
    assert result.exit == 0, one.problems()
    assert one.office.writes() == []


def mark(one: Bench, source: str) -> Watermark:
    store = one.store()
    try:
        return store.watermark(source)
    finally:
        store.close()


def many_customers(one: Bench, count: int, first: int = 0, **columns: Any) -> None:
    for number in range(first, first + count):
        empty = {"ADDRESS1": "", "POST_CODE": "", "CITY": "", "CNT_CODE": ""}
        one.customer(str(50000 + number), f"Klant {number}", **(empty | columns))


def test_a_failed_page_moves_no_watermark_and_the_next_run_reads_on() -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        many_customers(one, 420)
        one.box.faults.add(side="accountview", method="GET", path="LastKey=", times=3, do="500")
        failed = one.run()
        assert failed is not None
        assert failed.exit == 4
        assert mark(one, "accountview:customer") == Watermark()
        one.until_quiet()
        assert one.box.crafter.count("customers") == 420
        before = mark(one, "accountview:customer")
        one.box.accountview.edit("CONTACT", "50419", TEL_BUS="0318-1")
        one.box.faults.add(side="accountview", method="GET", path="CNG_DATE", times=3, do="html")
        failed = one.run()
        assert failed is not None
        assert failed.exit == 4
        assert mark(one, "accountview:customer") == before
        one.until_quiet()
        assert [row["phone"] for row in one.box.crafter.records("customers") if row["phone"]] == ["0318-1"]
        a_full_pass_finds_nothing_new(one)


def test_records_of_one_moment_on_a_page_edge_are_all_read() -> None:
    with bench(HOURS) as one:
        one.known_customer()
        one.until_quiet()
        one.box.crafter.ugly.tick = timedelta(hours=1)
        for number in range(230):
            one.hour(f"h{number}", hours=f"{number % 9 + 1}")
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 230
        one.hour("late", hours="3")  # under the very moment the watermark stands at
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 231
        a_full_pass_finds_nothing_new(one)


def test_rows_of_one_moment_in_accountview_are_all_read() -> None:
    with bench(CUSTOMERS) as one:
        one.lists()
        moment = one.box.accountview.now().isoformat()
        many_customers(one, 405, CNG_DATE=moment)
        one.until_quiet()
        one.customer("90001", "Nog een", CNG_DATE=moment)
        one.until_quiet()
        assert one.box.crafter.count("customers") == 406
        a_full_pass_finds_nothing_new(one)


@pytest.mark.parametrize("oddity", ["move_while_paging", "repeat_across_pages"])
def test_records_that_move_or_come_twice_are_read_once(oddity: str) -> None:
    with bench(HOURS) as one:
        one.known_customer()
        one.until_quiet()
        for number in range(230):
            one.hour(f"h{number}")
        setattr(one.box.crafter.ugly, oddity, True)
        one.run()
        one.run()
        setattr(one.box.crafter.ugly, oddity, False)
        one.until_quiet()
        assert len(one.box.accountview.rows("HRS_LINE")) == 230
        a_full_pass_finds_nothing_new(one)


@pytest.mark.parametrize(("books", "planning"), [(-7, 5), (5, -7), (0.05, -0.05), (-26, 26)])
def test_clocks_that_are_hours_apart_hide_no_change(books: float, planning: float) -> None:
    with bench(CUSTOMERS | {"orders": "both"}, clock_shift=books) as one:
        one.box.crafter.ugly.clock_shift = timedelta(hours=planning)
        one.known_customer()
        one.until_quiet()
        for turn in range(4):
            one.customer(f"6000{turn}", f"Boek {turn}")
            one.add_klant(f"k-{turn}", f"Klant {turn}")
            one.work_order(f"wo-{turn}")
            one.box.accountview.add(
                "SO_HDR", RPL_DEL="10001", RPL_INV="10001", ORD_DATE="2026-11-02", COMMENT1=f"O {turn}"
            )
            one.box.accountview.edit("CONTACT", "10001", TEL_BUS=f"0318-{turn}")
            one.box.crafter.edit("customers", "klant-1", email=f"post{turn}@jansen.example")
            one.until_quiet()
            assert one.box.accountview.row("CONTACT", "10001")["MAIL_BUS"] == f"post{turn}@jansen.example"  # type: ignore[index]
            assert one.box.crafter.record("customers", "klant-1")["phone"] == f"0318-{turn}"  # type: ignore[index]
            assert len(one.box.accountview.rows("CONTACT")) == one.box.crafter.count("customers") == 1 + 2 * (turn + 1)
            assert len(one.box.accountview.rows("SO_HDR")) == one.box.crafter.count("work-orders") == 2 * (turn + 1)
        a_full_pass_finds_nothing_new(one)


def test_a_clock_that_is_put_back_hides_no_change() -> None:
    with bench(CUSTOMERS, clock_shift=6) as one:
        one.known_customer()
        one.until_quiet()
        one.box.options.clock_shift = 0  # somebody mends the server's clock
        one.customer("60001", "Na het terugzetten")
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-7")
        one.until_quiet()
        assert one.box.crafter.count("customers") == 2
        assert one.box.crafter.record("customers", "klant-1")["phone"] == "0318-7"  # type: ignore[index]
        a_full_pass_finds_nothing_new(one)


def test_a_moment_in_the_future_hides_nothing_that_comes_after_it() -> None:
    with bench(CUSTOMERS) as one:
        one.known_customer()
        one.customer("60001", "Uit de toekomst", CNG_DATE="2099-01-01T00:00:00")
        one.add_klant("k-1", "Ook uit de toekomst", updated_at="2099-01-01T00:00:00.000000Z")
        one.until_quiet()
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-9")
        one.add_klant("k-2", "Van nu")
        one.until_quiet()
        assert mark(one, "accountview:customer").newest < "2099"
        assert mark(one, "crafter:customer").newest < "2099"
        assert one.box.crafter.record("customers", "klant-1")["phone"] == "0318-9"  # type: ignore[index]
        assert len(one.box.accountview.rows("CONTACT")) == one.box.crafter.count("customers") == 4
        a_full_pass_finds_nothing_new(one)


def test_a_filter_whose_time_is_ignored_costs_reading_only() -> None:
    with bench(CUSTOMERS, ignore_filter_time=True) as one:
        one.known_customer()
        one.until_quiet()
        for turn in range(3):
            one.customer(f"6000{turn}", f"Boek {turn}")
            one.until_quiet()
            assert one.box.crafter.count("customers") == turn + 2
        a_full_pass_finds_nothing_new(one)


def test_a_day_of_changes_that_arrives_late_is_read() -> None:
    with bench(HOURS | {"orders": "both"}) as one:
        one.known_customer()
        one.until_quiet()
        now, today = one.box.accountview.now(), one.box.crafter.server_time()
        for ago in range(24):  # hours; the server was cut off, and hands its changes over under their own moments
            moment = (now - timedelta(hours=ago)).isoformat()
            one.customer(f"6{ago:04d}", f"Laat {ago}", CNG_DATE=moment)
            one.add_klant(f"k-{ago}", f"Ook laat {ago}", updated_at=_utc(today - timedelta(hours=ago)))
        one.until_quiet()
        assert len(one.box.accountview.rows("CONTACT")) == one.box.crafter.count("customers") == 49
        a_full_pass_finds_nothing_new(one)


def _utc(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def test_what_comes_later_than_that_is_found_by_the_full_pass_of_the_day() -> None:
    with bench(CUSTOMERS) as one:
        one.office.config["full_every"] = 86400
        one.configure()
        one.known_customer()
        one.until_quiet()
        old = (one.box.accountview.now() - timedelta(days=9)).isoformat()
        one.customer("60001", "Heel laat", CNG_DATE=old)
        one.until_quiet()
        assert one.box.crafter.count("customers") == 1
        one.moment += timedelta(days=1)
        one.until_quiet()
        assert one.box.crafter.count("customers") == 2


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_an_outage_of_a_day_is_caught_up_by_the_next_run(side: str) -> None:
    with bench(CUSTOMERS | {"orders": "both", "hours": "export"}) as one:
        one.known_customer()
        one.until_quiet()
        one.box.faults.add(side=side, times=0, do="html")
        for turn in range(4):
            one.customer(f"6000{turn}", f"Boek {turn}")
            one.add_klant(f"k-{turn}", f"Klant {turn}")
            one.work_order(f"wo-{turn}")
            one.hour(f"h-{turn}")
            result = one.run()
            assert result is not None
            assert result.exit == 4
            one.moment += timedelta(hours=6)
        one.box.faults.clear()
        one.until_quiet(most=4)
        assert len(one.box.accountview.rows("CONTACT")) == one.box.crafter.count("customers") == 9
        assert len(one.box.accountview.rows("SO_HDR")) == 4
        assert len(one.box.accountview.rows("HRS_LINE")) == 4
        a_full_pass_finds_nothing_new(one)


def quiet_run(one: Bench) -> None:
    """At most twelve requests, no write, no token call (RULES.md, what it may cost)."""
    one.box.requests.clear()
    refreshes = one.box.token_refreshes
    result = one.run()
    assert result is not None
    assert result.exit == 0
    assert one.office.writes() == []
    assert one.box.token_refreshes == refreshes
    asked = [f"{one.side} {one.path}?{one.query[:60]}" for one in one.box.requests]
    assert len(asked) <= 12, "\n".join(asked)


def test_a_quiet_run_with_all_flows_on_asks_for_little() -> None:
    with bench(dict(ALL_ON)) as one:
        one.known_customer()
        one.project()
        one.work_order()
        one.hour("h1")
        one.until_quiet()
        quiet_run(one)


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_two_runs_after_a_bulk_import_of_1500_customers_a_run_is_quiet_again(side: str) -> None:
    with bench(dict(ALL_ON), wire=True) as one:  # not faster than a real service takes them
        one.known_customer()
        one.project()
        one.until_quiet()
        if side == "accountview":
            now = one.box.accountview.now()
            for part in range(15):  # an import tool at a hundred a second
                moment = (now - timedelta(seconds=15 - part)).isoformat()
                many_customers(one, 100, first=part * 100, CNG_DATE=moment)
        else:
            for number in range(1500):
                one.box.crafter.add("customers", name=f"Klant {number}")
        one.run()
        assert len(one.box.accountview.rows("CONTACT")) == one.box.crafter.count("customers") == 1501
        time.sleep(1.1)  # a watermark never passes the start of its run, and a Date header knows whole seconds only
        one.run()
        quiet_run(one)
        one.box.accountview.edit("CONTACT", "10001", TEL_BUS="0318-5")
        one.until_quiet()
        a_full_pass_finds_nothing_new(one)


def test_a_quiet_run_makes_the_disk_wait_twice(tmp_path: Path) -> None:
    """Every commit waits for the disk (law 2): the beginning and the end of a run, and nothing that stands already."""
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        one.goes()
        one.rests()
        with closing(sqlite3.connect(one.state / "state.db")) as viewer:  # else the log goes with its last user
            viewer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert one.run()["exit"] == 0
            assert commits((one.state / "state.db-wal").read_bytes()) == 2


def commits(log: bytes) -> int:
    """Of a write-ahead log as SQLite writes it: frames behind a header; the last one of a commit names a size."""
    page = int.from_bytes(log[8:12], "big")
    frames = [log[start : start + 24] for start in range(32, len(log), 24 + page)]
    return sum(frame[8:16] == log[16:24] and frame[4:8] != bytes(4) for frame in frames)
