"""Hours as a sheet with lines, seen over HTTP (AccountView contract 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from avsync.sandbox.server import Sandbox
from tests.sandbox.test_accountview import Caller, document

LINE = {"PROJ_CODE": "P1", "HRS_CODE": "100", "HRS_DATE": "2026-11-25T12:00:00.000Z", "HRS_QTY": 1.5}


@pytest.fixture
def caller() -> Iterator[Caller]:
    with Sandbox(hours="sheets") as box:
        books = box.accountview
        books.add("CONTACT", SUB_NR="10001", ACCT_NAME="Bos", ACCT_NR="1300")
        books.add("PROJECTS", PROJ_CODE="P1", PROJ_DESC="Ketelhuis", SUB_NR="10001")
        for number in ("0101", "0102"):
            books.add("EMPLOYEE", EMP_NR=number, EMP_NAME=f"Anja {number}")
        books.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
        yield Caller(box)


def sheet(caller: Caller) -> str:
    answer = caller.post("HR1", "HRS_HDR", {"EMP_NR": "0101", "BEG_DATE": "2026-11-23T12:00:00.000Z"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["HRS_HDR"][0]["SHT_NR"])


def put(caller: Caller, key: str, *lines: dict[str, Any]) -> Any:
    body = document("HR1", "HRS_HDR", {"SHT_NR": key}, lines) | {"id": key}
    body["Table"]["DetailDefinitions"][0]["Name"] = "HRS_LINE"
    return caller.send("PUT", body)


def test_a_line_goes_under_its_sheet_and_is_changed_there(caller: Caller) -> None:
    key = sheet(caller)
    first = put(caller, key, LINE)
    assert first.status_code == 200, first.text
    (line,) = first.json()["HRS_LINE"]
    assert (line["SHT_NR"], line["HRS_QTY"], line["HRS_HDR_Id"]) == (key, 1.5, 1)
    assert "EMP_NR" not in line
    assert put(caller, key, {**LINE, "REC_ID": line["REC_ID"], "HRS_QTY": 2}).status_code == 200
    assert put(caller, key, {**LINE, "HRS_QTY": 3}).status_code == 200
    asked = {"BusinessObject": "HR1", "Fields": "SHT_NR,HRS_LINE.REC_ID,HRS_LINE.HRS_QTY"}
    assert [row["HRS_QTY"] for row in caller.rows("HRS_LINE", **asked)] == [2, 3]
    stored = caller.box.accountview.rows("HRS_LINE")
    assert {row["EMP_NR"] for row in stored} == {"0101"}


def test_a_person_books_hours_and_the_sheet_of_that_week_is_found_or_made(caller: Caller) -> None:
    books, key = caller.box.accountview, sheet(caller)
    for employee, day in (
        ("0101", "2026-11-25"),
        ("0101", "2026-11-29"),
        ("0101", "2026-11-30"),
        ("0102", "2026-11-25"),
    ):
        books.add("HRS_LINE", EMP_NR=employee, HRS_CODE="100", HRS_DATE=day, HRS_QTY="1")
    lines = [(row["SHT_NR"] == key, row["EMP_NR"]) for row in books.rows("HRS_LINE")]
    assert lines == [(True, "0101"), (True, "0101"), (False, "0101"), (False, "0102")]
    sheets = {(row["EMP_NR"], row["BEG_DATE"]) for row in books.rows("HRS_HDR")}
    assert sheets == {("0101", "2026-11-23"), ("0101", "2026-11-30"), ("0102", "2026-11-23")}


def test_a_closed_sheet_and_a_second_one_of_the_same_week_are_refused(caller: Caller) -> None:
    key = sheet(caller)
    second = caller.post("HR1", "HRS_HDR", {"EMP_NR": "0101", "BEG_DATE": "2026-11-23T12:00:00.000Z"})
    assert "al een urenstaat" in second.json()["ErrorMessage"]
    caller.box.accountview.edit("HRS_HDR", key, CLOSED=True)
    assert "afgesloten" in put(caller, key, LINE).json()["ErrorMessage"]
    assert caller.box.accountview.rows("HRS_LINE") == []


def test_the_dictionary_says_whose_detail_the_lines_are(caller: Caller) -> None:
    files = {
        row["DBF_NAME"]: row for row in caller.get("accountviewsystemdata", businessobject="dbf").json()["DCT_FILE"]
    }
    assert (files["HRS_HDR"]["TBL_CHILD"], files["HRS_LINE"]["TBL_HDR"]) == ("HRS_LINE", "HRS_HDR")
    assert files["HRS_LINE"]["OBJ_CODE"] == "HR1"
    assert caller.get(BusinessObject="HR1").json().keys() >= {"Message"}  # no sheet yet, and so no rows


def test_without_the_option_a_line_stands_by_itself() -> None:
    with Sandbox() as box:
        assert "HRS_HDR" not in box.accountview.tables
        assert box.accountview.dictionary.tables["HRS_LINE"].parent == ""
