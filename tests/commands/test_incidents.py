"""A service that is down, a lost login, a safety stop: told once, once a day, and when it is over (behaviour 50)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocked_office import Clock
from tests.support.office import Office, Told, shop
from tests.support.world import line, place

Run = Callable[..., Told]
OVER = 10  # minutes between two runs


class Cron:
    """Runs avsync every ten minutes of a clock of its own, and keeps what cron would mail."""

    def __init__(self, one: Office, patch: pytest.MonkeyPatch) -> None:
        self.one, self.clock = one, Clock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
        one.box.accountview.clock = self.clock
        one.box.crafter._clock = self.clock
        patch.setattr("avsync.commands.run.datetime", self.clock.as_class())
        patch.setattr("avsync.commands.run.Budget.pause", lambda budget, seconds: None)
        self.mails: list[tuple[int, Told]] = []
        self.runs = 0

    def run(self, *args: str) -> Told:
        told = self.one.avsync(*(args or ("run-all",)))
        if told.out or told.err:
            self.mails.append((self.runs, told))
        self.runs += 1
        self.clock.forward(minutes=OVER)
        return told

    def night(self, runs: int, *args: str, exit_code: int | None = None) -> list[tuple[int, str]]:
        """So many runs; (number, text) of what was mailed."""
        self.mails, self.runs = [], 0
        for _ in range(runs):
            told = self.run(*args)
            assert exit_code in (None, told.exit), told
        return [(number, told.out + told.err) for number, told in self.mails]

    def mail(self, *args: str) -> str:
        told = self.run(*args)
        return told.out + told.err

    def open(self) -> list[dict[str, Any]]:
        return list(self.one.avsync("--json", "status").json["incidents"])


@pytest.fixture
def cron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cron]:
    with shop(tmp_path, {"invoice": "export", "hours": "export"}) as one:
        found = Cron(one, monkeypatch)
        assert found.run().exit == 0
        yield found


def down(one: Office, side: str, do: str = "500") -> None:
    one.box.faults.add(side=side, method="", path="", times=0, do=do)


def log_out(one: Office) -> None:
    """Somebody withdraws the consent in AccountView."""
    one.box.revoke_tokens()


@pytest.mark.parametrize(
    ("side", "do"), [("accountview", "500"), ("crafter", "500"), ("accountview", "429"), ("crafter", "html")]
)
def test_a_day_of_a_sick_service_is_told_after_half_an_hour_and_when_it_is_over(cron: Cron, side: str, do: str) -> None:
    one, service = cron.one, {"accountview": "AccountView", "crafter": "Crafter"}[side]
    down(one, side, do)
    mails = cron.night(5, exit_code=4)
    if do != "500":  # one of each may take the whole day
        cron.clock.forward(minutes=139 * OVER)
    else:
        assert cron.night(139, exit_code=4) == []
    assert [number for number, _ in mails] == [3]
    ((_, said),) = mails
    assert f"{service} cannot be reached or gives errors since 24-11-2026 09:" in said
    assert said.count(service) >= 1
    assert "customers, projects, orders" in said
    assert [(row["service"], row["code"]) for row in cron.open()][0][0] == service
    assert cron.night(10)[0][0] == 0  # and after a day
    one.box.faults.clear()
    said = cron.mail()
    assert f"{service} works again. It was out of order from 24-11-2026 09:10 until 25-11-2026" in said
    assert cron.open() == []
    assert cron.mail() == ""


def test_a_day_without_login_is_told_at_once_each_day_and_when_it_is_over(cron: Cron) -> None:
    log_out(cron.one)
    mails = cron.night(144, exit_code=3)
    assert [number for number, _ in mails] == [0]
    assert "The login to AccountView does not work any more" in mails[0][1]
    assert "avsync login" in mails[0][1]
    assert [number for number, _ in cron.night(20)] == [0]
    cron.one.log_in()
    assert "The login to AccountView works again" in cron.mail()
    assert cron.mail() == ""


def test_a_short_outage_is_nobodys_news(cron: Cron) -> None:
    down(cron.one, "accountview")
    assert cron.night(3, exit_code=4) == []
    cron.one.box.faults.clear()
    assert cron.night(2, exit_code=0) == []


def test_a_service_that_comes_and_goes_is_not_told_each_time(cron: Cron) -> None:
    told = 0
    for round_ in range(24):
        down(cron.one, "accountview")
        told += len(cron.night(4))
        cron.one.box.faults.clear()
        told += len(cron.night(1 + round_ % 3))
    assert told == 2  # that it began, and that it is over
    assert cron.night(12) == []


def test_one_that_comes_back_for_good_is_told_again(cron: Cron) -> None:
    """Who was told that it is over must hear that it is not."""
    down(cron.one, "accountview")
    assert len(cron.night(5)) == 1
    cron.one.box.faults.clear()
    assert "works again" in cron.mail()
    down(cron.one, "accountview")
    mails = cron.night(20)
    assert [number for number, _ in mails] == [6]
    assert "AccountView still cannot be reached or gives errors, since 24-11-2026 09:10" in mails[0][1]


def test_half_an_hour_goes_by_the_clock_of_the_service_that_answers(
    cron: Cron, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own clock stands still, and then it is a day behind."""
    ours = Clock(cron.clock.now)
    monkeypatch.setattr("avsync.commands.run.datetime", ours.as_class())
    down(cron.one, "accountview")
    assert [number for number, _ in cron.night(5)] == [3]
    ours.forward(days=-1)
    assert cron.night(3) == []
    cron.one.box.faults.clear()
    assert "until 24-11-2026 10:30" in cron.mail()


def test_all_commands_share_what_was_told(cron: Cron) -> None:
    down(cron.one, "accountview")
    cron.night(3)
    assert "AccountView" in cron.mail("sync", "customers")
    for flow in ("orders", "hours", "customers"):
        assert cron.mail("sync", flow) == ""
    cron.one.box.faults.clear()
    assert "works again" in cron.mail("sync", "orders")
    assert cron.mail() == ""


def test_a_json_run_tells_nothing_and_carries_the_incidents(cron: Cron) -> None:
    down(cron.one, "accountview")
    for _ in range(6):
        told = cron.run("--json", "run-all")
        assert told.err == ""
        ((code, service, since),) = [tuple(row.values()) for row in told.json["incidents"]]
        assert (service, since[:16]) == ("AccountView", "2026-11-24T08:10")
        assert {error["code"] for error in told.json["errors"].values()} == {code}
        assert all(error["message"] and error["hint"] for error in told.json["errors"].values())
    assert "AccountView cannot be reached" in cron.mail()
    cron.one.box.faults.clear()
    assert cron.run("--json", "run-all").json["incidents"] == []
    assert "works again" in cron.mail()


def test_a_safety_stop_is_told_at_once_and_ends_when_it_is_over(cron: Cron) -> None:
    one = cron.one
    one.config["safety"] = {"max_new": 0}
    one.work_order("wo-1")
    mails = cron.night(20, exit_code=5)
    assert [number for number, _ in mails] == [0]
    assert "avsync stopped for safety" in mails[0][1]
    assert "--force" in mails[0][1]
    said = cron.mail("run-all", "--force")
    assert "goes on again after the safety stop" in said
    assert "Orders: 1 created" in said


def test_a_name_that_accountview_lacks_is_told_at_once_and_not_every_ten_minutes(cron: Cron) -> None:
    cron.one.config["accountview"]["schema"] = {"order": {"columns": {"description": "NIX"}}}
    mails = cron.night(20, exit_code=2)
    assert [number for number, _ in mails] == [0]
    assert "NIX" in mails[0][1]
    del cron.one.config["accountview"]["schema"]
    assert "The settings agree with AccountView again" in cron.mail()


def test_quiet_prints_nothing_but_what_a_person_must_hear(cron: Cron) -> None:
    one = cron.one
    one.new_klant("Vereniging van Eigenaars Residentie Waterland aan de Amstel")
    assert cron.run("run-all", "-q") == Told(1, "", "")
    down(one, "accountview")
    assert cron.night(150, "run-all", "-q", exit_code=4) == []
    one.box.faults.clear()
    log_out(one)
    assert [number for number, _ in cron.night(20, "run-all", "-q", exit_code=3)] == [0]
    one.log_in()
    assert cron.run("run-all", "-q") == Told(1, "", "")


def test_an_unclear_write_is_no_news_of_its_own_while_the_service_is_down(cron: Cron) -> None:
    one = cron.one
    one.work_order("wo-1")
    one.box.faults.add(side="accountview", method="POST", path="accountviewdata", nth=1, do="commit_500")
    down(one, "accountview")
    mails = cron.night(20)
    assert len(mails) <= 1, mails
    one.box.faults.clear()
    said = cron.mail()
    assert "works again" in said
    assert "solved" not in said
    assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_interrupted_is_no_incident(cron: Cron, monkeypatch: pytest.MonkeyPatch) -> None:
    from avsync.errors import OutOfTime

    def left(budget: Any) -> float:
        raise OutOfTime("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr("avsync.commands.run.Budget.left", left)
        assert cron.run().exit == 4
    assert cron.open() == []


# --- what is new and what is solved


def test_a_mail_names_what_is_new_and_what_is_solved(cron: Cron) -> None:
    one = cron.one
    for number in range(25):
        one.new_klant(f"Vereniging van Eigenaars Residentie Waterland {number}", place(f"Kade {number}"))
    said = cron.mail()
    assert "Problems: 25 new, 0 solved, 25 open." in said
    assert "and 15 more" in said
    assert cron.night(3, exit_code=1) == []
    one.config["language"] = "nl"
    last = one.new_klant("Vereniging van Eigenaars Residentie De Zeeduivel", place())
    said = cron.mail()
    assert "1 nieuw, 0 opgelost, 26 open" in said
    assert "De Zeeduivel" in said
    assert "Waterland" not in said
    assert "→" in said
    one.box.crafter.edit("customers", last, name="VvE De Zeeduivel")
    said = cron.mail()
    assert "0 nieuw, 1 opgelost, 25 open" in said
    assert "Opgelost:" in said
    assert "Klanten: 1 nieuw" in said
    assert max(map(len, said.splitlines())) <= 79
    assert cron.mail() == ""


def test_one_cause_after_another_is_not_solved(cron: Cron) -> None:
    """A record that has another problem now is no good news."""
    one = cron.one
    identity = one.new_klant("Vereniging van Eigenaars Residentie Waterland")
    cron.mail()
    one.box.crafter.edit("customers", identity, name="Ресторан")
    said = cron.mail()
    assert "1 new, 0 solved, 1 open" in said


def test_what_was_done_is_told_by_flow(cron: Cron) -> None:
    one = cron.one
    one.work_order("wo-1")
    said = cron.mail()
    assert "Orders: 1 created" in said
    assert "Problems" not in said
    one.change("wo-1", status="checked", lines=[line("l1"), line("l2")])
    assert "Invoice: 2 created" in cron.mail()
    assert cron.mail() == ""
