"""Lines on the sheet of an employee and a period, as the AccountView client writes and reads them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from avsync.errors import Malformed
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.schema import load_schema
from avsync.services.http import Done, Http, Rejected
from tests.support.in_process import without_sockets

SHEET = {"table": "HRS_HDR", "key": "SHT_NR", "columns": {"employee": "EMP_NR", "period_start": "BEG_DATE"}}
LINE = {
    "employee": "0101",
    "time_code": "100",
    "date": date(2026, 6, 3),
    "quantity": Decimal("1.5"),
    "description": "w",
}


def client(box: Sandbox, **header: Any) -> AccountView:
    token = box.grant()["access_token"]
    schema = load_schema({"hour": {"header": {**SHEET, **header}}})
    http = Http(box.accountview_url, service="AccountView", connect=2, read=5, pause=lambda _: None)
    return AccountView(http, schema, box.company_id, auth=lambda: {"Authorization": f"Bearer {token}"})


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(hours="sheets") as box, without_sockets(box):
        for number in ("0101", "0102"):
            box.accountview.add("EMPLOYEE", EMP_NR=number, EMP_NAME="Anja")
        box.accountview.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
        yield box


def asked(box: Sandbox, method: str) -> list[str]:
    return [one.query or one.body for one in box.requests if one.method == method and "token" not in one.path]


def test_lines_that_go_at_the_same_time_share_one_sheet(box: Sandbox) -> None:
    reader = client(box)
    lines = [{**LINE, "reference": f"avs{number:024}"} for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda line: reader.create("hour", line), lines))
    rows = [outcome.row or {} for outcome in outcomes if isinstance(outcome, Done)]
    assert [row["reference"] for row in rows] == [line["reference"] for line in lines]
    assert len({row["id"] for row in rows}) == 12
    assert len(box.accountview.rows("HRS_HDR")) == 1
    assert len(asked(box, "POST")) == 1


def test_a_sheet_is_looked_for_twice_before_it_is_made_and_then_remembered(box: Sandbox) -> None:
    reader = client(box)
    first = reader.create("hour", LINE)
    assert isinstance(first, Done)
    looked = asked(box, "GET")
    assert ["DateOnOrAfterDate" in one for one in looked] == [False, True]
    assert all("FilterValue1=0101" in one for one in looked)
    second = reader.create("hour", {**LINE, "date": date(2026, 6, 7)})
    assert isinstance(second, Done)
    assert asked(box, "GET") == looked
    assert (first.row or {})["id"] != (second.row or {})["id"]


def test_a_line_is_known_under_both_keys_and_with_the_employee_of_its_sheet(box: Sandbox) -> None:
    reader = client(box)
    made = reader.create("hour", LINE)
    assert isinstance(made, Done)
    assert made.row is not None
    sheet, line = box.accountview.rows("HRS_HDR")[0]["SHT_NR"], box.accountview.rows("HRS_LINE")[0]["REC_ID"]
    assert (made.row["id"], made.row["employee"]) == (f"{sheet}/{line}", "0101")
    assert reader.by_key("hour", made.row["id"]) == made.row
    assert reader.on_sheet("hour", ("0101", "2026-06-01")) == [made.row]
    assert reader.find("hour", {"time_code": "100"}, "", LINE) == [made.row]
    assert reader.find("hour", {"time_code": "200"}, "", LINE) == []
    for key in (f"{sheet}/9", "9/1", line, ""):
        assert reader.by_key("hour", key) is None
    for lacking in ("employee", "date"):
        with pytest.raises(Malformed):
            reader.sheet_of("hour", {**LINE, lacking: None})


def test_only_the_line_that_is_named_is_changed(box: Sandbox) -> None:
    reader = client(box)
    made = [reader.create("hour", LINE) for _ in range(2)]
    ids = [(one.row or {})["id"] for one in made if isinstance(one, Done)]
    changed = reader.update("hour", ids[1], {"quantity": Decimal(3)})
    assert isinstance(changed, Done)
    assert (changed.row or {})["id"] == ids[1]
    assert [row["HRS_QTY"] for row in box.accountview.rows("HRS_LINE")] == [Decimal("1.5"), Decimal(3)]
    lost = reader.update("hour", f"{ids[0].partition('/')[0]}/99", {"quantity": Decimal(3)})
    assert isinstance(lost, Rejected)


def test_of_several_sheets_of_one_period_the_last_is_written_on(box: Sandbox) -> None:
    books = box.accountview
    books.add("HRS_HDR", SHT_NR="9", EMP_NR="0101", BEG_DATE="2026-06-01")
    books.add("HRS_HDR", SHT_NR="10", EMP_NR="0101", BEG_DATE="2026-06-02")  # its week begins on Tuesday
    books.add("HRS_HDR", SHT_NR="11", EMP_NR="0101", BEG_DATE="2026-06-08")
    made = client(box).create("hour", LINE)
    assert isinstance(made, Done)
    assert (made.row or {})["id"].startswith("9/"), "one that begins on the day itself goes before the others"
    books.remove("HRS_HDR", "9")
    made = client(box).create("hour", LINE)
    assert isinstance(made, Done)
    assert (made.row or {})["id"].startswith("10/")
    assert len(books.rows("HRS_HDR")) == 2


def test_a_closed_sheet_and_one_that_may_not_be_made_are_refusals_that_say_which(box: Sandbox) -> None:
    box.accountview.add("HRS_HDR", SHT_NR="7", EMP_NR="0101", BEG_DATE="2026-06-01", CLOSED=True)
    refused = client(box).create("hour", LINE)
    assert isinstance(refused, Rejected)
    assert (refused.place, refused.lacking) == ("7", False)
    assert "afgesloten" in refused.message
    box.requests.clear()
    refused = client(box, create=False).create("hour", {**LINE, "employee": "0102"})
    assert isinstance(refused, Rejected)
    assert (refused.place, refused.lacking) == ("0102 2026-06-01", True)
    assert asked(box, "POST") == asked(box, "PUT") == []
