"""What an installation may do differently, each by a switch: how it answers a read, and what becomes of a write."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from avsync.sandbox.accountview import installation
from tests.sandbox.test_accountview import CUSTOMER, HOUR, Caller, condition, make, stock

Make = Callable[..., Caller]
__all__ = ["make"]


def filled(make: Make, **options: object) -> Caller:
    av = make(**options)
    stock(av.box)
    return av


def test_a_cap_on_rows_goes_before_the_page_size(make: Make) -> None:
    av = make(page_cap=2)
    for number in range(5):
        av.box.accountview.add("CONTACT", **CUSTOMER | {"SUB_NR": f"1000{number}"})
    first = av.rows("CONTACT", BusinessObject="AR1", PageSize=100)
    assert [row["SUB_NR"] for row in first] == ["10000", "10001"]
    assert av.rows("CONTACT", BusinessObject="AR1", PageSize=100, LastKey="10003")[0]["SUB_NR"] == "10004"


def test_last_key_beside_a_condition(make: Make) -> None:
    av = filled(make, last_key_with_filter=False)
    where = condition(1, "SUB_NR", "NotEqual", "C", "X")
    assert av.rows("CONTACT", BusinessObject="AR1", LastKey="10001", **where)[0]["SUB_NR"] == "10001"
    assert av.get(BusinessObject="AR1", LastKey="10001").status_code == 404


def test_an_unknown_column_and_a_prefix(make: Make) -> None:
    av = filled(make, unknown_column="refused", equal="prefix")
    assert "Onbekende kolom" in av.get(BusinessObject="AR1", Fields="SUB_NR,NOPE").json()["ErrorMessage"]
    assert av.where("AR1", "SUB_NR", "100").json()["CONTACT"][0]["SUB_NR"] == "10001"


@pytest.mark.parametrize(("form", "status", "part"), [("error", 400, "AccountViewError"), ("html", 404, "<html>")])
def test_nothing_found_in_other_forms(make: Make, form: str, status: int, part: str) -> None:
    answer = make(no_rows=form).get(BusinessObject="AR1")
    assert answer.status_code == status
    assert part in answer.text


def test_a_record_is_found_in_its_own_year_alone(make: Make) -> None:
    av = filled(make, book_date_reads=True)
    av.box.accountview.add("SO_HDR", ORD_NR="1", RPL_DEL="10001", ORD_DATE="2025-05-01")
    av.box.accountview.add("SO_HDR", ORD_NR="2", RPL_DEL="10001")
    shown = [
        [row["ORD_NR"] for row in av.rows("SO_HDR", BusinessObject="SO1", BookDate=day)]
        for day in ("2026-02-01", "2025-12-31")
    ]
    assert shown == [["2"], ["1", "2"]]
    refused = av.put("SO1", "SO_HDR", "1", {"ORD_NR": "1", "COMMENT1": "x"})  # dated 2026
    assert "bestaat niet" in refused.json()["ErrorMessage"]


def test_more_calls_than_are_borne_get_a_429(make: Make) -> None:
    av, together = make(at_once=2), Barrier(6)

    def call(_: int) -> int:
        together.wait()
        return av.get(BusinessObject="AR1").status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(call, range(6)))
    assert 429 in statuses
    assert av.get(BusinessObject="AR1").status_code == 404


def test_what_becomes_of_a_value(make: Make) -> None:
    av = filled(
        make,
        day_shift=-1,
        narrow={("HRS_LINE", "HRS_DESC"): 4},
        decimals={("HRS_LINE", "HRS_QTY"): 0},
        drops=frozenset({("HRS_LINE", "PROJ_CODE")}),
        ascii_only=True,
    )
    sent = {**HOUR, "HRS_DESC": "Réistijd"}
    (row,) = av.post("HR1", "HRS_LINE", sent).json()["HRS_LINE"]
    assert (row["HRS_DATE"], row["HRS_DESC"], row["HRS_QTY"]) == ("2026-11-19T00:00:00", "R?is", 2)
    assert row["PROJ_CODE"] == ""


def test_an_update_may_touch_what_it_does_not_name(make: Make) -> None:
    av = filled(make, touches={("CONTACT", "TEL_BUS"): "", ("CONTACT", "REC_BLK"): True})
    av.box.accountview.edit("CONTACT", "10001", TEL_BUS="050-1", MAIL_BUS="a@b.nl")
    assert av.put("AR1", "CONTACT", "10001", {"CITY": "Ede"}).status_code == 200
    row = av.box.accountview.row("CONTACT", "10001")
    assert (row["TEL_BUS"], row["MAIL_BUS"], row["CITY"], row["REC_BLK"]) == ("", "a@b.nl", "Ede", True)


@pytest.mark.parametrize(("way", "left"), [("add", 3), ("replace", 2), ("twice", 5), ("lose", 1)])
def test_lines_of_an_order(make: Make, way: str, left: int) -> None:
    av = filled(make, lines_put=way)
    key = av.box.accountview.add("SO_HDR", RPL_DEL="10001")
    av.box.accountview.add("SO_LINE", ORD_NR=key, ART_CODE="PUMP-1", ORD_QTY="9")
    answer = av.put("SO1", "SO_HDR", key, {"ORD_NR": key}, *[{"ART_CODE": "PUMP-1", "ORD_QTY": n} for n in (1, 2)])
    assert answer.status_code == 200, answer.text
    rows = av.box.accountview.rows("SO_LINE")
    assert len(rows) == left
    assert len({row["REC_ID"] for row in rows}) == left


@pytest.mark.parametrize("name", ["contract", "elsewhere", "small"])
def test_a_recorded_installation_is_played(make: Make, name: str) -> None:
    """Its objects, tables and columns are all there, under its names and with its labels; nothing else is."""
    like = installation.load(name)
    av = make(like=like)
    objects = {row["Code"]: row for row in av.get("accountviewsystembusinessobjects").json()}
    assert {code: row["Description"] for code, row in objects.items()} == {
        code: text.split(" ", 1)[1] for code, text in like.objects.items()
    }
    files = av.get("accountviewsystemdata", businessobject="dbf", pagesize=1000).json()["DCT_FILE"]
    assert {row["DBF_NAME"]: (row["OBJ_CODE"], row["TBL_HDR"], row["TBL_CHILD"], row["DBF_DESC"]) for row in files} == {
        table: (file.object, file.header, file.child, file.description) for table, file in like.files.items()
    }
    fields = []
    for page in range(1, 9):
        answer = av.get("accountviewsystemdata", businessobject="fld", pagesize=200, pagenumber=page)
        fields += answer.json().get("DCT_FLD", [])
    assert {(row["DBF_NAME"], row["FIELD_NAME"]): (row["FIELD_TYPE"], row["FLD_DESC"]) for row in fields} == {
        (table, wire): (seen.type, seen.label)
        for table, file in like.files.items()
        for wire, seen in file.columns.items()
    }
    part = like.parts["customer"]
    assert len(like.files[part["table"]].columns) == (189 if name == "elsewhere" else 17)


@pytest.mark.parametrize(
    "text", ["", "[]", "format: 2", "format: 1", "format: 1\nobjects: []\ntables: {}\nschema: {}", "{", "a: b: c"]
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="no recording"):
        installation.load(path)
