"""A listing that does not fit the budget goes on in the next run where it stopped (behaviour 31)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from avsync.commands.run import Budget
from avsync.state import db
from avsync.state.store import Store
from tests.support.office import Office, office

IMPORT = {"customers": "import"}
EXPORT = {"customers": "export"}
MANY = 1300  # rows: four pages of AccountView's
A_DAY = 86_400  # requests, more than any run here needs


@contextmanager
def slow(folder: Path, patch: pytest.MonkeyPatch, flows: dict[str, str], **options: Any) -> Iterator[Office]:
    """Time is counted in requests here; `budget` is so many of them."""
    with office(folder, flows=flows, **options) as one:
        patch.setattr("avsync.commands.run.Budget", partial(Budget, clock=lambda: float(len(one.box.requests))))
        one.config |= {"full_every": 0, "safety": {"max_new": 100_000, "max_share": 1.0}, "budget": A_DAY}
        yield one


def debtors(one: Office, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        one.box.accountview.add("CONTACT", SUB_NR=str(50_000 + number), ACCT_NAME=f"Klant {number}", ACCT_NR="1300")


def klanten(one: Office, count: int) -> None:
    for number in range(count):
        one.box.crafter.add("customers", id=f"k-{number:05}", name=f"Klant {number}")


def asked(one: Office, side: str, path: str) -> list[str]:
    """The places that pages of a listing were asked for by, in order."""
    key = "LastKey" if side == "accountview" else "cursor"
    queries = [each.query for each in one.box.requests if each.side == side and path in f"{each.path}?{each.query}"]
    return [parse_qs(query).get(key, [""])[0] for query in queries]


def read_on(one: Office, budget: int, *how: str, until: Callable[[], bool]) -> None:
    """Runs of that budget until something is so."""
    one.config["budget"] = budget
    for _ in range(60):
        if until():
            break
        assert one.run(*how)["exit"] == 4
    one.config["budget"] = A_DAY
    assert until()


def taken_in(one: Office, source: str, before: str = "") -> bool:
    """Whether a listing went through (again)."""
    base = db.open_for_reading(one.state)
    store = Store(base) if base is not None else None
    found = store.watermark(source).full_at if store else ""
    if store:
        store.close()
    return found > before


def stopped(one: Office, source: str) -> bool:
    base = db.open_for_reading(one.state)
    assert base is not None
    store = Store(base)
    found = store.stopped_at(source) is not None
    store.close()
    return found


def sure(one: Office) -> None:
    """Both sides are the same, and nothing is left to do."""
    one.goes()
    here = {row["customer_number"]: row["name"] for row in one.box.crafter.records("customers")}
    there = {row["SUB_NR"]: row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")}
    assert here == there
    one.rests()
    assert not stopped(one, "accountview:customer")


@pytest.mark.parametrize("budget", [12, 14, 20])
def test_a_first_import_is_done_after_some_runs_and_none_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        read_on(one, budget, until=lambda: taken_in(one, "accountview:customer"))
        pages = Counter(asked(one, "accountview", "BusinessObject=AR1"))
        assert len(pages) == 4
        assert max(pages.values()) <= 3, "where it stopped it begins, with the page that it had last"
        assert pages[""] <= 2
        sure(one)


def test_it_goes_on_after_the_service_has_broken_off_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        breaks_off(one)
        one.box.requests.clear()
        one.goes()
        assert asked(one, "accountview", "BusinessObject=AR1")[0] == "50399"
        sure(one)


def test_crafters_listings_go_on_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(tmp_path, monkeypatch, EXPORT) as one:
        klanten(one, 1000)
        read_on(one, 13, until=lambda: taken_in(one, "crafter:customer"))
        pages = Counter(asked(one, "crafter", "/customers?"))
        assert len(pages) == 5
        assert max(pages.values()) <= 3
        sure(one)


def breaks_off(one: Office, place: str = "LastKey=50799", *how: str) -> None:
    """A service does so at this page of the listing of customers."""
    rule = one.box.faults.add(method="GET", path=place, times=3, do="html")
    assert one.run(*how)["exit"] == 4
    assert rule.hits == 3
    assert stopped(one, "accountview:customer") or stopped(one, "crafter:customer")


def edited(one: Office, number: int, **columns: Any) -> None:
    one.box.accountview.edit("CONTACT", str(50_000 + number), **columns)


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_what_changes_between_the_runs_is_missed_on_neither_side_of_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        one.goes()
        one.box.requests.clear()
        one.config["budget"] = 4
        codes = []
        for turn in range(12):
            codes.append(one.run("--full")["exit"])
            edited(one, 10 + turn, ACCT_NAME=f"Voor {turn}")
            edited(one, MANY - 10 - turn, ACCT_NAME=f"Na {turn}")
            debtors(one, 1, first=10_000 + turn)
            one.box.accountview.add("CONTACT", SUB_NR=f"4000{turn:02}", ACCT_NAME=f"Nieuw {turn}", ACCT_NR="1300")
        assert codes[0] == 4
        one.config["budget"] = A_DAY
        one.goes(*how)
        sure(one)


def test_what_is_deleted_between_the_runs_is_gone_with_the_full_pass_or_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        one.goes()
        breaks_off(one, "LastKey=50799", "--full")
        for number in (3, MANY - 3):  # one that was shown, one that was not
            one.box.accountview.remove("CONTACT", str(50_000 + number))
        one.goes("--full")
        assert gone(one) == {str(50_000 + MANY - 3)}
        one.goes("--full")
        assert gone(one) == {"50003", str(50_000 + MANY - 3)}
        one.rests()


def gone(one: Office) -> set[str]:
    base = db.open_for_reading(one.state)
    assert base is not None
    found = {str(row[0]) for row in base.execute("SELECT accountview FROM links WHERE gone = 1 AND kind = 'customer'")}
    base.close()
    return found


def test_what_came_in_behind_the_place_is_not_taken_for_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked meanwhile by another road: a project that an order names, though the projects' listing is still under
    way."""
    flows = {"customers": "import", "projects": "import", "orders": "export"}
    with slow(tmp_path, monkeypatch, flows) as one:
        one.known_customer()
        for number in range(900):
            one.box.accountview.add("PROJECTS", PROJ_CODE=f"P{number:04}", PROJ_DESC=f"Project {number}",
                                    SUB_NR="10001", PRO_TYPE="ONDERHOUD")  # fmt: skip
        one.goes()
        one.box.faults.add(side="accountview", method="GET", path="LastKey=P0399", times=3, do="html")
        assert one.run("--full")["exit"] == 4
        assert stopped(one, "accountview:project")
        one.box.accountview.add("PROJECTS", PROJ_CODE="A1", PROJ_DESC="Er tussendoor", SUB_NR="10001",
                                PRO_TYPE="ONDERHOUD")  # fmt: skip
        (kind,) = {row["project_type_id"] for row in one.box.crafter.records("projects")}
        one.box.crafter.add("projects", id="p-a1", project_code="A1", name="Er tussendoor", customer_id="klant-1",
                            project_type_id=kind)  # fmt: skip
        one.work_order(project_id="p-a1")
        one.box.faults.add(side="accountview", method="GET", path="LastKey=P", times=3, do="html")
        assert one.run()["exit"] == 4
        one.box.faults.clear()
        one.goes()
        base = db.open_for_reading(one.state)
        assert base is not None
        (left,) = base.execute("SELECT count(*) FROM links WHERE kind = 'project' AND gone = 1").fetchone()
        base.close()
        assert left == 0
        one.rests()


CANNOT = {
    "refuses": {
        "times": 3,
        "do": "answer",
        "status": 410,
        "content": {"error": {"code": "gone", "message": "cursor expired"}},
    },
    "is ill": {"times": 3, "do": "500"},
    "has forgotten": {"times": 1, "do": "answer", "status": 200, "content": {"data": [], "next_cursor": None}},
}


@pytest.mark.parametrize("fault", CANNOT.values(), ids=list(CANNOT))
def test_a_service_that_cannot_go_on_from_there_is_read_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    with slow(tmp_path, monkeypatch, EXPORT) as one:
        klanten(one, 700)
        one.box.faults.add(side="crafter", method="GET", path="cursor=", nth=2, times=3, do="html")
        assert one.run()["exit"] == 4
        assert stopped(one, "crafter:customer")
        one.box.faults.clear()
        one.box.crafter.edit("customers", "k-00001", name="Intussen")
        one.box.faults.add(side="crafter", method="GET", path="cursor=", **fault)
        one.config["budget"] = A_DAY
        one.goes()
        assert len(one.box.accountview.rows("CONTACT")) == 700
        sure(one)


def test_nor_is_it_when_accountview_shows_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, 900)
        one.box.faults.add(side="accountview", method="GET", path="LastKey=50799", times=3, do="html")
        assert one.run()["exit"] == 4
        one.box.faults.add(side="accountview", method="GET", path="LastKey=50399", do="answer", status=404, content={})
        one.goes()
        sure(one)


def test_a_service_that_is_down_when_it_should_go_on_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        breaks_off(one)
        one.box.faults.add(side="accountview", times=0, do="html")
        assert one.run()["exit"] == 4
        one.box.faults.clear()
        one.box.requests.clear()
        one.goes()
        assert asked(one, "accountview", "BusinessObject=AR1")[0] != ""
        sure(one)


@pytest.mark.parametrize("change", ["start_date", "flows"])
def test_another_config_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        breaks_off(one)
        if change == "flows":
            one.config["flows"] = {**one.config["flows"], "customers": "both"}
        else:
            one.config["start_date"] = "2026-02-01"
        one.box.requests.clear()
        one.goes()
        assert asked(one, "accountview", "BusinessObject=AR1")[0] == ""
        sure(one)


def test_what_was_put_back_is_read_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        one.goes()
        breaks_off(one, "LastKey=50799", "--full")
        one.box.requests.clear()
        one.goes("--after-restore")
        assert asked(one, "accountview", "BusinessObject=AR1")[0] == ""
        sure(one)


def test_a_listing_of_changes_goes_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow(tmp_path, monkeypatch, IMPORT) as one:
        debtors(one, MANY)
        one.goes()
        one.later(minutes=50)
        now = one.box.accountview.now()
        for number in range(MANY):
            moment = (now - timedelta(seconds=number)).isoformat()
            edited(one, number, TEL_BUS=f"010-{number}", CNG_DATE=moment)
        one.box.requests.clear()
        breaks_off(one)
        one.goes()
        pages = Counter(asked(one, "accountview", "BusinessObject=AR1"))
        assert (len(pages), pages[""], pages["51199"]) == (4, 1, 1)
        assert {row["phone"][:4] for row in one.box.crafter.records("customers")} == {"010-"}
        sure(one)
