"""`avsync check --probe`: reads only, told as a table, kept, and used by the runs that come after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from avsync.commands.probe import _days
from avsync.config.settings import load
from avsync.sandbox import seed
from avsync.state import db
from avsync.state.store import Store
from tests.support.comparison import look
from tests.support.office import Office, office

USUAL = {
    "no_rows": "json",
    "no_rows_words": "",
    "page_size": None,
    "last_key_with_filter": True,
    "book_date_matters": False,
    "years_refused": {},
    "unknown_column": "left_out",
    "equal": "exact",
    "filter_time": "kept",
    "at_once": 8,
}


def world(**more: Any) -> Any:
    return seed.world(seed=5, bad=False, **more)


def probed(one: Office, exit_code: int = 0) -> dict[str, Any]:
    """What was seen, and kept."""
    one.box.requests.clear()
    before = look(one.box)
    told = one.avsync("check", "--probe", "--json")
    assert told.exit == exit_code, told.out
    shape = told.json
    assert set(shape) == {"ok", "checks", "probe"}
    assert all(set(row) == {"name", "ok", "message", "hint"} for row in shape["checks"])
    assert all(row["message"] and "{" not in row["message"] + row["hint"] for row in shape["checks"])
    assert {request.method for request in one.box.requests} == {"GET"}
    assert look(one.box) == before
    base = db.open_for_reading(one.state)
    assert base is not None
    store = Store(base)
    assert store.cached("probe", "") == shape["probe"]
    store.close()
    return dict(shape["probe"])


def test_what_is_usual_is_seen_and_told(tmp_path: Path) -> None:
    with office(tmp_path, world(), wire=True) as one:
        seen = probed(one)
        assert {name: seen[name] for name in USUAL} == USUAL
        assert all(abs(seconds) < 60 for seconds in seen["clock"].values())
        assert len(one.box.requests) < 120
        table = one.avsync("check", "--probe").out
        for name in ("no_rows", "page_size", "last_key", "book_date", "at_once", "clock.crafter", "debtor_account"):
            assert name in table


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"no_rows": "empty"}, {"no_rows": "empty"}),
        ({"no_rows": "list"}, {"no_rows": "list"}),
        ({"no_rows": "error"}, {"no_rows": "error", "no_rows_words": "Geen gegevens gevonden."}),
        ({"no_rows": "error", "error_in_2xx": True}, {"no_rows": "error", "no_rows_words": "Geen gegevens gevonden."}),
        ({"page_cap": 7}, {"page_size": 7}),
        ({"last_key_with_filter": False}, {"last_key_with_filter": False}),
        ({"unknown_column": "refused"}, {"unknown_column": "refused"}),
        ({"equal": "prefix"}, {"equal": "prefix"}),
        ({"ignore_filter_time": True}, {"filter_time": "ignored"}),
        ({"book_date_reads": True}, {"book_date_matters": True}),
    ],
)
def test_each_habit_is_seen_and_a_run_goes_by_it(tmp_path: Path, options: dict[str, Any], seen: dict[str, Any]) -> None:
    with office(tmp_path, world(customers=12, projects=6, orders=6, work_orders=6, hours=12), **options) as one:
        before = look(one.box)
        assert {**USUAL, **seen, "at_once": None} == {**{name: probed(one)[name] for name in USUAL}, "at_once": None}
        one.goes()
        one.in_step(before)


def test_a_server_that_gives_fewer_rows_than_it_is_asked_for_loses_none(tmp_path: Path) -> None:
    """Without the probe a short page would be the end of the listing."""
    with office(tmp_path, world(customers=20), {"customers": "import"}, page_cap=6) as one:
        one.goes()
        assert one.box.crafter.count("customers") < 20
        probed(one)
        one.box.requests.clear()
        one.goes("--full")
        assert one.box.crafter.count("customers") >= 20
        sizes = {parse_qs(request.query)["PageSize"][0] for request in one.box.requests if "CNG_DATE" in request.query}
        assert sizes == {"6"}


def test_a_suspiciously_round_page_is_asked_on_without_any_probe(tmp_path: Path) -> None:
    with office(tmp_path, None, {"customers": "import"}, page_cap=50) as one:
        one.lists()
        for number in range(120):
            one.customer(f"2{number:04}", f"Klant {number}", ADDRESS1=f"Straat {number}")
        one.goes()
        assert one.box.crafter.count("customers") == 120


def test_what_is_refused_without_rows_is_a_failure_until_it_was_probed(tmp_path: Path) -> None:
    with office(tmp_path, None, {"customers": "both"}, no_rows="error") as one:
        one.lists()
        one.add_klant(name="Nieuw", customer_number=None)
        assert one.run()["exit"] == 4
        probed(one)
        one.goes()
        one.rests()


def test_a_web_page_where_nothing_is_found_is_told(tmp_path: Path) -> None:
    with office(tmp_path, world(), no_rows="html") as one:
        assert probed(one, 2)["no_rows"] == "html"
        (row,) = [row for row in one.avsync("check", "--probe", "--json").json["checks"] if not row["ok"]]
        assert "web page" in row["message"]


def test_few_calls_at_a_time_are_found_out_and_kept_to(tmp_path: Path) -> None:
    with office(tmp_path, world(), wire=True, at_once=4) as one:
        one.config["accountview"]["concurrency"] = 8
        assert probed(one)["at_once"] in (2, 4)
        one.box.requests.clear()
        one.goes()
        assert 429 not in {request.status for request in one.box.requests}


def test_an_account_of_the_ledger_that_does_not_exist(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        one.config["accountview"]["debtor_account"] = "9999"
        for args in (("check", "--probe"), ("check",)):
            told = one.avsync(*args, "--json")
            assert told.exit == 2
            (row,) = [row for row in told.json["checks"] if not row["ok"]]
            assert row["name"] == "debtor_account"
            assert "9999" in row["message"]
            assert row["hint"]


@pytest.mark.parametrize(
    ("account", "words"), [("1300", "as customers that are there"), ("9999", "cannot be looked up")]
)
def test_without_a_ledger_to_look_into_the_account_is_not_called_good(tmp_path: Path, account: str, words: str) -> None:
    with office(tmp_path, world(), rights={"LEDGER": ""}) as one:
        one.config["accountview"]["debtor_account"] = account
        found = {row["name"]: row for row in one.avsync("check", "--json").json["checks"]}
        assert words in found["debtor_account"]["message"]


def test_a_year_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        year = one.box.accountview.now().year
        one.box.options.years = (year,)
        one.config["start_date"] = f"{year}-01-01"
        refused = probed(one)["years_refused"]
        assert refused == {f"{year - 1}-12-31": f"Boekjaar {year - 1} bestaat niet."}
        assert "bestaat niet" in one.avsync("check", "--probe").out


def test_the_years_that_are_tried(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        one.write_config()
        config = load(one.path)
        assert _days(config, config.start_date.replace(month=5)) == ["2026-05-01", "2026-01-01", "2025-12-31"]  # type: ignore[union-attr]
        assert _days(config, config.start_date.replace(year=2027)) == ["2027-01-01", "2026-01-01"]  # type: ignore[union-attr]


def test_clocks_that_are_wrong_or_missing(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    with office(tmp_path, world()) as one:
        one.box.accountview.clock = lambda: datetime.now(UTC) + timedelta(hours=2)
        one.box.crafter.ugly.date_header = False
        seen = probed(one)
        assert abs(seen["clock"]["accountview"] - 7200) < 60
        said = {row["name"]: row["message"] for row in one.avsync("check", "--probe", "--json").json["checks"]}
        assert "off from this computer" in said["clock.accountview"]
        assert "shows no clock" in said["clock.crafter"]


def test_an_empty_administration_leaves_questions_open(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        seen = probed(one)
        assert seen["no_rows"] == "json"
        assert {seen[name] for name in ("last_key_with_filter", "equal", "filter_time", "book_date_matters")} == {None}
        one.config["language"] = "nl"
        assert "was niet te zien" in one.avsync("check", "--probe").out


def test_without_a_login_it_says_so(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        (one.state / "token.json").unlink()
        assert one.avsync("check", "--probe").exit == 3


def test_a_service_that_fails_meanwhile_leaves_questions_open(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        one.box.faults.add(side="accountview", path="accountviewdata", do="500", times=0)
        seen = probed(one)
        assert all(seen[name] in (None, "", {}, 1) for name in USUAL)
