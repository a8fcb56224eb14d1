"""Our clock is not believed: ages go by the services' clocks, or by the machine's uptime (behaviour 51)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avsync.state.lock import RunLock, holder_now
from tests.support.office import Office, shop
from tests.support.world import line

DAY = 86400
GRACE = 120
FLOWS = {"orders": "export", "invoice": "export", "hours": "export"}


class Times:
    """Both services' clocks, ours, and the machine's uptime, each as far from the real one as somebody sets it."""

    def __init__(self, one: Office, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.services = self.ours = 0.0  # seconds ahead
        self._up, self._boot = folder / "uptime", folder / "boot_id"
        one.box.accountview.clock = one.box.crafter._clock = self.there
        patch.setattr("avsync.commands.run.datetime", self.as_class())
        patch.setattr("avsync.state.machine._UPTIME", self._up)
        patch.setattr("avsync.state.machine._BOOT", self._boot)
        self.restart(50_000)

    def as_class(self) -> type[datetime]:
        """A `datetime` that tells our time."""
        times = self

        class Ours(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + timedelta(seconds=times.ours)

        return Ours

    def there(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.services)

    def restart(self, up: float = 20) -> None:
        """The machine was started again, so many seconds ago."""
        self._boot.write_text(f"boot-{up}\n", encoding="ascii")
        self._up.write_text(f"{up:.2f} 0.00\n", encoding="ascii")

    def passes(self, seconds: float) -> None:
        """Time passes, for everybody."""
        self.services += seconds
        self.ours += seconds
        up = float(self._up.read_text(encoding="ascii").split()[0])
        self._up.write_text(f"{up + seconds:.2f} 0.00\n", encoding="ascii")


@contextmanager
def clocks(
    folder: Path, patch: pytest.MonkeyPatch, dates: bool = True, **options: Any
) -> Iterator[tuple[Office, Times]]:
    """A shop in step, its services with or without a Date header."""
    with shop(folder, FLOWS, date_header=dates, **options) as one:
        one.config["settle_grace"] = GRACE
        times = Times(one, folder, patch)
        if not dates:
            without_dates(one)
        one.goes()
        one.box.requests.clear()
        yield one, times


def without_dates(one: Office) -> None:
    one.box.faults.add(side="crafter", times=0, do="no_date")


def lose_two_writes(one: Office) -> None:
    """An order and an hours line leave, and nobody knows what became of them."""
    one.work_order()
    one.hour("h1")
    for table in ("SO_HDR", "HRS_LINE"):
        one.box.faults.rules.insert(0, one.box.faults.add(side="accountview", method="POST", body=table, do="drop"))
        one.box.faults.rules.pop()
    one.run()
    assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]


def posted(one: Office) -> list[str]:
    """The tables that something was added to, or was to be, since this was asked last."""
    found = ["SO_HDR" if "SO_HDR" in write.body else "HRS_LINE" for write in one.sent("accountview", "POST")]
    one.box.requests.clear()
    return found


@pytest.mark.parametrize("dates", [True, False], ids=["with Date", "without"])
@pytest.mark.parametrize("wrong", [-DAY, DAY, -30 * DAY], ids=["a day behind", "a day ahead", "a month behind"])
@pytest.mark.parametrize("in_run", [1, 2, 3], ids=["when it is sent", "when it is looked for", "when it is due"])
def test_a_wrong_clock_in_any_run_doubles_nothing_and_withholds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dates: bool, wrong: float, in_run: int
) -> None:
    with clocks(tmp_path, monkeypatch, dates) as (one, times):
        times.ours = wrong if in_run == 1 else 0
        lose_two_writes(one)
        times.passes(60)
        times.ours = wrong if in_run == 2 else 0
        assert one.run()["exit"] == 1
        assert posted(one) == [], "a relay may still apply the first ones"
        times.passes(GRACE - 50)
        times.ours = wrong if in_run == 3 else 0
        one.goes()
        assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]
        times.ours = 0
        assert len(one.booked()) == len(one.box.accountview.rows("SO_HDR")) == 1
        one.rests()


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_after_a_restart_of_the_machine_what_has_no_age_counts_from_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """A service without Date, and a clock that the machine got wrong when it started."""
    with clocks(tmp_path, monkeypatch, dates=False) as (one, times):
        lose_two_writes(one)
        times.restart()
        times.ours = wrong
        one.run()
        assert posted(one) == []
        times.passes(GRACE - 20)
        one.run()
        assert posted(one) == []
        times.passes(40)
        times.ours = 0
        one.goes()
        assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]
        one.rests()


def test_two_machines_that_take_turns_withhold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clocks(tmp_path, monkeypatch, dates=False) as (one, times):
        one.goes()
        lose_two_writes(one)
        up = 50_000.0
        for turn in range(4):
            times.passes(40)
            up += 40
            times.restart(up if turn % 2 else up + 7000)
            times._boot.write_text(f"machine-{turn % 2}\n", encoding="ascii")
            one.run()
        assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]


def test_after_a_restart_a_service_that_tells_its_clock_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        lose_two_writes(one)
        times.passes(GRACE + 10)
        times.restart()
        times.ours = -DAY
        one.goes()
        assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]


@pytest.mark.parametrize("ahead", [DAY, 400 * DAY])
def test_a_service_whose_own_clock_was_ahead_withholds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        times.services = ahead
        lose_two_writes(one)
        times.services = 0
        times.passes(30)
        one.run()
        assert posted(one) == [], "a negative age counts from now"
        times.passes(GRACE + 10)
        one.goes()
        assert sorted(posted(one)) == ["HRS_LINE", "SO_HDR"]
        one.rests()


def test_a_customer_without_an_answer_is_recognised_although_our_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It bears no reference: when it was entered must not lie before we sent it."""
    with clocks(tmp_path, monkeypatch) as (one, times):
        times.ours = 3 * DAY
        one.new_klant("Nieuw BV", {"street": "Dam 1", "postal_code": "1012 AB", "city": "Amsterdam"})
        one.box.faults.add(side="accountview", method="POST", body="CONTACT", do="commit_drop")
        one.run()
        times.ours = 0
        times.passes(GRACE + 10)
        one.goes()
        assert len([row for row in one.box.accountview.rows("CONTACT") if row["ACCT_NAME"] == "Nieuw BV"]) == 1
        one.rests()


# full passes, and what is remembered for a day


def asked(one: Office, what: str) -> int:
    found = [each for each in one.box.requests if what in f"{each.path}?{each.query}"]
    one.box.requests.clear()
    return len(found)


FULL = "PageSize=400"  # of a listing; a delta names the column of changes as well


def full_listings(one: Office) -> set[str]:
    """The tables of AccountView that were read from the beginning since this was asked last."""
    queries = [each.query for each in one.box.requests if FULL in each.query and "CNG_DATE&" not in each.query]
    found = {name for name in ("AR1", "PJ1") for query in queries
             if f"BusinessObject={name}" in query and "DateOnOrAfterDate" not in query}  # fmt: skip
    one.box.requests.clear()
    return found


@pytest.mark.parametrize("dates", [True, False], ids=["with Date", "without"])
@pytest.mark.parametrize("wrong", [-DAY, DAY, -400 * DAY])
def test_the_full_pass_of_the_day_comes_after_a_day_whatever_our_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dates: bool, wrong: float
) -> None:
    with clocks(tmp_path, monkeypatch, dates) as (one, times):
        for _ in range(2):
            times.ours = wrong
            one.goes()
            assert full_listings(one) == set()
            times.ours = 0
            for _ in range(25):  # nobody lets an hour pass: that is how a state that was put back shows
                times.passes(3500)
                one.goes()
            times.ours = wrong
            one.goes()
            assert full_listings(one) == {"AR1", "PJ1"}


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_what_accountview_is_like_is_read_again_after_a_day_by_its_own_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        times.ours = wrong
        one.goes()
        assert asked(one, "accountviewsystem") == 0
        times.services += DAY + 10  # neither our clock nor the uptime says so
        one.goes()
        assert asked(one, "accountviewsystem") > 0
        one.goes()
        assert asked(one, "accountviewsystem") == 0


def test_a_right_that_was_taken_away_stops_a_flow_in_the_run_that_finds_its_memory_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        one.box.accountview.options.rights["HRS_LINE"] = "r"
        one.box.accountview.dictionary = type(one.box.accountview.dictionary)(one.box.accountview.options)
        one.hour("h1")
        times.services += DAY + 10
        assert one.run()["exit"] == 2
        assert one.sent("accountview") == [], "the memory was renewed before anything was written"


# seven days, and a day in the Netherlands


def test_a_warning_for_seven_days_stays_seven_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        one.in_books(TEL_BUS="010-1")
        one.in_crafter(phone="020-2")
        times.ours = 30 * DAY
        one.goes()
        assert one.codes() == ["conflict"]
        times.ours = -30 * DAY
        one.goes()
        times.ours = 30 * DAY
        times.passes(6 * DAY)
        one.goes()
        assert one.codes() == ["conflict"]
        times.passes(2 * DAY)
        times.ours = 0
        one.goes()
        assert one.codes() == []


@pytest.mark.parametrize("wrong", [-2 * DAY, 2 * DAY])
def test_whether_a_project_is_over_and_what_today_is_goes_by_the_clock_of_the_books(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        times.ours = wrong
        today = one.box.accountview.now().date()
        for code, days in (("AF", -1), ("OPEN", 0)):
            end = (today + timedelta(days=days)).isoformat()
            one.box.accountview.add("PROJECTS", PROJ_CODE=code, PROJ_DESC=code, SUB_NR="10001", PRO_TYPE="ONDERHOUD",
                                    END_DATE=end)  # fmt: skip
        one.new_klant("Nieuw BV", {"street": "Dam 1", "postal_code": "1012 AB", "city": "Amsterdam"})
        one.goes()
        codes = {row["project_code"] for row in one.box.crafter.records("projects")}
        assert codes >= {"OPEN"}
        assert "AF" not in codes
        (sent,) = [write.body for write in one.sent("accountview", "POST") if "CONTACT" in write.body]
        assert f'"BookDate": "{today}' in sent or f'"BookDate":"{today}' in sent


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_run_is_not_taken_for_stuck_because_a_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        lock = RunLock(one.state)
        assert lock.take()
        lock.write(holder_now(lock.holder(), os.getpid()))
        (one.state / "lock").write_text(
            (one.state / "lock").read_text(encoding="utf-8").replace(
                f'"started": "{datetime.now(UTC):%Y-%m-%d}',
                f'"started": "{datetime.now(UTC) + timedelta(seconds=wrong):%Y-%m-%d}',
            ),
            encoding="utf-8",
        )  # fmt: skip
        times.passes(300)
        told = one.avsync("run-all")
        lock.release()
        assert told.exit == 0
        assert "5 minutes" in told.err
        assert "not normal" not in told.err


def test_status_and_errors_tell_the_time_of_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clocks(tmp_path, monkeypatch) as (one, times):
        times.ours = 5 * DAY
        one.work_order(status="checked", lines=[line("l1", article="NIETS")])
        assert one.run()["exit"] == 1
        now = times.there()
        for told in (one.problem()["first_seen"], one.avsync("--json", "status").json["last_run"]["finished"]):
            assert abs((datetime.fromisoformat(told) - now).total_seconds()) < 10


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_monitor_is_told_the_true_age_of_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """By the machine's uptime since the last run: `status` asks nobody."""
    with clocks(tmp_path, monkeypatch) as (one, times):
        one.goes()
        moved = times.as_class()
        monkeypatch.setattr("avsync.commands.status.datetime", moved)
        monkeypatch.setattr("avsync.commands.errors.datetime", moved)
        times.ours = wrong
        assert one.avsync("status", "--check").exit == 0
        times.passes(3000)
        assert one.avsync("status", "--check").exit == 4
        assert one.avsync("status", "--check", "--max-age", "1h").exit == 0
        assert "50 min ago" in one.avsync("status").out
