"""The requests of AccountView contract 8, each as a program in production sends it, replayed against the sandbox.

They go out as text: what a client of ours would make of them proves nothing about what others send.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from avsync.sandbox.server import Sandbox

DEBTORS = 450
ARTICLES = 130
DEBTOR_FIELDS = "contact.sub_nr, contact.src_code, contact.acct_name"
PROJECT_FIELDS = (
    "projects.rec_id, projects.proj_code,projects.sub_nr,projects.proj_desc,project.pro_stat,"
    "projects.beg_date,projects.end_date"
)
FLD = "dct_fld.FLD_DESC,dct_fld.FIELD_NAME,dct_fld.DBF_NAME,dct_fld.FIELD_LEN,dct_fld.FIELD_TYPE,dct_fld.INP_MAND"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as started:
        books = started.accountview
        for number in range(10001, 10001 + DEBTORS):
            books.add("CONTACT", SUB_NR=str(number), ACCT_NAME=f"Debiteur {number}", SRC_CODE="-", ACCT_NR="1300")
        for number in range(230):
            books.add("PROJECTS", PROJ_CODE=f"P{number:04}", PROJ_DESC="Nieuwbouw", SUB_NR="10001")
        for number in range(ARTICLES):
            books.add("ARTICLE", ART_CODE=f"A{number:04}", ART_DESC1="Pomp", PRICE="12.50")
        yield started


def call(box: Sandbox, method: str, target: str, body: str | None = None, **headers: str) -> requests.Response:
    """One request as it stands, without anything that a library would make of its parts."""
    given = {"Authorization": f"Bearer {box.grant()['access_token']}", "x-company": box.company_id, **headers}
    if body is not None:
        given |= {"Content-Type": "application/json; charset=UTF-8", "Host": "www.accountview.net"}
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, f"{box.home('accountview')}{target}", data=body, headers=given, timeout=10)


def get(box: Sandbox, target: str) -> Any:
    answer = call(box, "GET", target)
    assert answer.status_code == 200, answer.text
    return answer.json()


# reading


@pytest.mark.parametrize("path", ["/api/v3/companies", "/api/v3/Companies", "/API/V3/COMPANIES"])
def test_companies(box: Sandbox, path: str) -> None:
    found = get(box, path)
    assert [sorted(one) for one in found] == [["Code", "Description", "Id"]] * 2


def test_business_objects(box: Sandbox) -> None:
    found = {one["Code"]: one for one in get(box, "/api/v3/accountviewsystembusinessobjects")}
    assert found["AR1"]["InsertAllowed"] is True


@pytest.mark.parametrize("control", ["DBF_NAME", "dct_fld.dbf_name"])
def test_columns_with_prefixed_names_and_an_order(box: Sandbox, control: str) -> None:
    found = get(
        box,
        f"/api/v3/accountviewsystemdata?businessobject=fld&pagesize=256&fields={FLD},dct_fld.FLD_MASK"
        f"&FilterControlSource1={control}&FilterOperator1=Contains&FilterValue1=CONTACT%20&FilterValueType1=C"
        "&SortFields=FLD_DESC&SortOrder=Ascending",
    )["DCT_FLD"]
    assert [one["DCT_FLD_Id"] for one in found] == list(range(len(found)))
    assert {one["DBF_NAME"] for one in found} == {"CONTACT"}
    assert [one["FLD_DESC"] for one in found] == sorted(one["FLD_DESC"] for one in found)
    assert "FLD_MASK" not in found[0]


def test_tables_with_prefixed_names_and_an_order(box: Sandbox) -> None:
    found = get(
        box,
        "/api/v3/accountviewsystemdata?businessobject=dbf&pagesize=1000"
        "&fields=dct_file.obj_code,dct_file.dbf_desc,dct_file.dbf_name,dct_file.tbl_hdr,dct_file.tbl_child"
        "&sortfields=dct_file.dbf_name&sortorder=descending",
    )["DCT_FILE"]
    names = [one["DBF_NAME"] for one in found]
    assert names == sorted(names, reverse=True)
    by_name = {one["DBF_NAME"]: one for one in found}
    assert (by_name["SO_HDR"]["TBL_CHILD"], by_name["SO_LINE"]["TBL_HDR"]) == ("SO_LINE", "SO_HDR")


def test_debtors_with_prefixed_names_and_an_empty_book_date(box: Sandbox) -> None:
    query = f"BusinessObject=ar1&PageSize=200&Fields={DEBTOR_FIELDS.replace(' ', '%20')}"
    for book_date in ("BookDate=", "BookDate", "BookDate=2026-1-5", "BookDate=2026-01-05T10:00:00.000Z"):
        found = get(box, f"/api/v3/AccountViewData?{query}&{book_date}&lastKey=10200")["CONTACT"]
        assert [found[0]["SUB_NR"], found[-1]["SUB_NR"]] == ["10201", "10400"]
        assert set(found[0]) == {"SUB_NR", "SRC_CODE", "ACCT_NAME", "EXT_KEY", "CONTACT_Id"}


def test_a_lone_condition_part_and_operators_in_any_case(box: Sandbox) -> None:
    alone = "/api/v3/accountviewdata?BusinessObject=AR1&PageSize=400&FilterIsListOfValues1=false"
    assert len(get(box, alone)["CONTACT"]) == 400
    for operator, value, count in (("equal", "10007", 1), ("contains", "1000", 9), ("Contains", "1000", 9)):
        where = f"filtercontrolsource1=contact.sub_nr&filteroperator1={operator}&filtervaluetype1=c"
        found = get(box, f"{alone.lower()}&{where}&filtervalue1={value}")["CONTACT"]
        assert len(found) == count


def test_all_columns_and_page_numbers(box: Sandbox) -> None:
    for fields in ("*", "contact.*"):
        row = get(box, f"/api/v3/accountviewdata?BusinessObject=AR1&PageSize=1&Fields={fields}")["CONTACT"][0]
        assert {"SUB_NR", "CNG_DATE", "PO_CITY"} <= set(row)
    pages = [
        get(box, f"/api/v3/accountviewdata?PageNumber={number}&PageSize=100&BusinessObject=AK1")["ARTICLE"]
        for number in (1, 2)
    ]
    assert [page[0]["ART_CODE"] for page in pages] == ["A0000", "A0100"]
    assert sum(map(len, pages)) == ARTICLES


def test_columns_that_are_not_there_are_left_out(box: Sandbox) -> None:
    query = urlencode({"BusinessObject": "PJ1", "PageSize": 200, "Fields": PROJECT_FIELDS, "BookDate": ""})
    row = get(box, f"/api/v3/AccountViewData?{query}")["PROJECTS"][0]
    assert {"PROJ_CODE", "SUB_NR", "PROJ_DESC", "BEG_DATE", "END_DATE"} <= set(row)
    assert not {"REC_ID", "PRO_STAT"} & set(row)


def test_a_raw_expression_may_be_refused(box: Sandbox) -> None:
    answer = call(box, "GET", "/api/v3/accountviewdata?BusinessObject=AR1&Filter=!EMPTY(contact.sub_nr)")
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "AccountViewError")


# whole lists, as two other clients page them


def ruby(box: Sandbox, **query: Any) -> list[dict[str, Any]]:
    """Goes on while what it has is a multiple of the page, from the key of the last row that it has."""
    keys = {"CONTACT": "SUB_NR", "PROJECTS": "PROJ_CODE", "DCT_FLD": "DCT_FLD_Id", "ARTICLE": "REC_ID"}
    path = "AccountViewData" if query["BusinessObject"] not in ("fld", "dbf") else "AccountViewSystemData"
    found: list[dict[str, Any]] = []
    while True:
        answer = get(box, f"/api/v3/{path}?{urlencode(query)}")
        name, rows = next(iter(answer.items()))
        found += [row for row in rows if row not in found]
        if not found or len(found) % query["PageSize"]:
            return found
        query["lastKey"] = found[-1].get(keys[name], "")


def go(box: Sandbox, **query: Any) -> list[dict[str, Any]]:
    """Its own spelling of the parameters; pages until one is not full."""
    path = "accountviewdata" if query["BusinessObject"] not in ("fld", "dbf") else "accountviewsystemdata"
    found: list[dict[str, Any]] = []
    for number in range(1, 100):
        target = f"/api/v3/{path}?{urlencode({**query, 'PageNumber': number})}&FilterIsListOfValues1=false"
        rows = next(iter(get(box, target).values()))
        found += rows
        if len(rows) < query["PageSize"]:
            return found
    raise AssertionError("no end")


@pytest.mark.parametrize("client", [ruby, go])
def test_another_client_reads_every_list_to_its_last_row(
    box: Sandbox, client: Callable[..., list[dict[str, Any]]]
) -> None:
    debtors = client(box, BusinessObject="ar1", PageSize=200, Fields=DEBTOR_FIELDS, BookDate="")
    assert len({row["SUB_NR"] for row in debtors}) == len(debtors) == DEBTORS
    projects = client(box, BusinessObject="PJ1", PageSize=200, Fields=PROJECT_FIELDS, BookDate="")
    assert len({row["PROJ_CODE"] for row in projects}) == len(projects) == 230
    articles = client(box, BusinessObject="AK1", PageSize=200, Fields="article.art_code, article.art_desc1")
    assert len({row["ART_CODE"] for row in articles}) == len(articles) == ARTICLES
    columns = client(box, BusinessObject="fld", PageSize=35, Fields=FLD)
    assert len({(row["DBF_NAME"], row["FIELD_NAME"]) for row in columns}) == len(columns) > 70
    assert (columns[-1]["DBF_NAME"], columns[-1]["FIELD_NAME"]) == ("HRS_CODE", "HRS_DESC")


# writing


def debtor(**more: Any) -> dict[str, Any]:
    names = ["RowId", "ACCT_NR", "ACCT_NAME", "CNT_CODE", "CITY", "POST_CODE", "ADDRESS1", "SRC_CODE"]
    return {
        "BookDate": "2026-11-24T08:15:00.000Z",
        "BusinessObject": "AR1",
        "Table": {"Definition": {"Name": "CONTACT", "Fields": [{"name": name, "FieldType": "C"} for name in names]}},
        "TableData": {"Data": {"Rows": [{"values": [1, "1300", "Eva de Wit", "NL", "Ede", "6711 AB", "Kade 1", "-"]}]}},
        **more,
    }


@pytest.mark.parametrize("book_date", ["2026-01-05", "2026-1-5", "2026-01-05T08:15:00.000Z", ""])
def test_a_debtor_with_keys_in_lower_case_and_any_book_date(box: Sandbox, book_date: str) -> None:
    answer = call(box, "POST", "/api/v3/accountviewdata", json.dumps(debtor(BookDate=book_date)))
    assert answer.status_code == 201, answer.text
    assert answer.json()["CONTACT"][0]["ACCT_NAME"] == "Eva de Wit"
    box.accountview.remove("CONTACT", answer.json()["CONTACT"][0]["SUB_NR"])


def test_a_debtor_without_row_id(box: Sandbox) -> None:
    body = debtor()
    del body["Table"]["Definition"]["Fields"][0]
    del body["TableData"]["Data"]["Rows"][0]["values"][0]
    answer = call(box, "POST", "/api/v3/AccountViewData", json.dumps(body).lower().replace("contact", "Contact"))
    assert answer.status_code == 201, answer.text
    box.accountview.remove("CONTACT", answer.json()["CONTACT"][0]["SUB_NR"])


def test_an_order_with_other_columns_and_numbers_for_row_ids(box: Sandbox) -> None:
    moment = "2026-11-24T08:15:00.000Z"
    header = {"RowId": 1, "INV_DATE": moment, "RPL_INV": "10001", "DEL_DATE": moment, "COMMENT1": "w-1",
              "ORD_DATE": moment, "RPL_DEL": "10001", "TO_EMAIL": "eva@wit.example"}  # fmt: skip
    lines = [
        {"RowId": 1, "DEL_DATE": moment, "ART_CODE": "A0001", "ORD_QTY": 2, "ART_PX": 12.5, "HeaderId": 1},
        {"RowId": 2, "DEL_DATE": moment, "ART_CODE": "A0002", "ORD_QTY": "1", "ART_PX": 3, "HeaderId": 1},
    ]
    letters = {"ORD_QTY": "N", "ART_PX": "N"}

    def fields(row: dict[str, Any]) -> list[dict[str, str]]:
        return [{"name": name, "FieldType": letters.get(name, "T" if "DATE" in name else "C")} for name in row]

    body = {
        "BookDate": moment,
        "BusinessObject": "SO1",
        "Table": {
            "Definition": {"Name": "SO_HDR", "Fields": fields(header)},
            "DetailDefinitions": [{"Name": "SO_LINE", "Fields": fields(lines[0])}],
        },
        "TableData": {
            "Data": {"Rows": [{"Values": list(header.values())}]},
            "DetailData": [{"Rows": [{"Values": list(line.values())} for line in lines]}],
        },
    }
    answer = call(box, "POST", "/api/v3/accountviewdata", json.dumps(body))
    assert answer.status_code == 201, answer.text
    order = answer.json()["SO_HDR"][0]
    assert (order["TO_EMAIL"], order["INV_DATE"][:10]) == ("eva@wit.example", "2026-11-24")
    assert [line["ART_CODE"] for line in answer.json()["SO_LINE"]] == ["A0001", "A0002"]


def test_a_debtor_is_changed_by_its_id(box: Sandbox) -> None:
    body = debtor(id="10002")
    answer = call(box, "PUT", "/api/v3/accountviewdata", json.dumps(body))
    assert (answer.status_code, answer.json()["CONTACT"][0]["SUB_NR"]) == (200, "10002")
    assert answer.json()["CONTACT"][0]["ACCT_NAME"] == "Eva de Wit"


def test_a_refresh_token_rotates(box: Sandbox) -> None:
    token = box.grant()["refresh_token"]
    for status in (200, 400):
        answer = requests.post(
            f"{box.home('accountview')}/api/v3/token",
            data=urlencode(
                {
                    "grant_type": "refresh_token",
                    "refresh_token": token,
                    "client_id": box.client_id,
                    "client_secret": box.client_secret,
                }
            ),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=10,
        )
        assert answer.status_code == status
        assert answer.json().get("refresh_token", "") != token
