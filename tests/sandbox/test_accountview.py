"""The AccountView half of the sandbox, seen over HTTP: the AccountView contract, the fault script, the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml

from avsync.sandbox.accountview.values import RefusedError
from avsync.sandbox.server import Sandbox

REDIRECT = "http://localhost:8765/callback"
CUSTOMER = {"ACCT_NAME": "Bakkerij Bos", "SRC_CODE": "BOS", "ACCT_NR": "1300"}
LETTERS = {"ORD_QTY": "N", "HRS_QTY": "N", "ART_PX": "N", "REC_BLK": "L", "BLK_SP": "L"}


class Caller:
    """A client as simple as can be: a token, a company, and the write document."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {box.grant()['access_token']}"
        self.session.headers["x-company"] = box.company_id

    def get(self, path: str = "accountviewdata", **query: Any) -> requests.Response:
        return self.session.get(f"{self.box.accountview_url}/{path}", params=query, timeout=5)

    def rows(self, table: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.get(**query)
        assert answer.status_code == 200, answer.text
        return answer.json()[table]

    def where(
        self, code: str, column: str, value: str, letter: str = "C", operator: str = "Equal"
    ) -> requests.Response:
        return self.get(BusinessObject=code, **condition(1, column, operator, letter, value))

    def post(self, code: str, table: str, values: dict[str, Any], *lines: dict[str, Any]) -> requests.Response:
        return self.send("POST", document(code, table, values, lines))

    def put(self, code: str, table: str, key: str, values: dict[str, Any], *lines: dict[str, Any]) -> requests.Response:
        return self.send("PUT", document(code, table, values, lines) | {"id": key})

    def send(self, method: str, body: dict[str, Any]) -> requests.Response:
        return self.session.request(method, f"{self.box.accountview_url}/accountviewdata", json=body, timeout=5)


def condition(number: int, column: str, operator: str, letter: str, value: str) -> dict[str, str]:
    return {
        f"FilterControlSource{number}": column,
        f"FilterOperator{number}": operator,
        f"FilterValueType{number}": letter,
        f"FilterValue{number}": value,
    }


def document(code: str, table: str, values: dict[str, Any], lines: Any = ()) -> dict[str, Any]:
    body: dict[str, Any] = {
        "BookDate": "2026-11-24T12:00:00.000Z",
        "BusinessObject": code,
        "Table": {"Definition": {"Name": table, "Fields": fields(["RowId"], values)}},
        "TableData": {"Data": {"Rows": [{"Values": ["1", *values.values()]}]}},
    }
    if lines:
        names = dict.fromkeys(name for line in lines for name in line)
        body["Table"]["DetailDefinitions"] = [{"Name": "SO_LINE", "Fields": fields(["RowId", "HeaderId"], names)}]
        rows = [{"Values": [str(n), "1", *(line.get(name, "") for name in names)]} for n, line in enumerate(lines, 1)]
        body["TableData"]["DetailData"] = [{"Rows": rows}]
    return body


def fields(ids: list[str], names: Any) -> list[dict[str, str]]:
    letters = {name: "T" if "DATE" in name else LETTERS.get(name, "C") for name in names}
    return [{"Name": name, "FieldType": letter} for name, letter in [*((i, "C") for i in ids), *letters.items()]]


def refused(answer: requests.Response, words: str, status: int = 400) -> None:
    body = answer.json()
    assert (answer.status_code, body["ErrorType"]) == (status, "AccountViewError"), answer.text
    assert words in body["ErrorMessage"]


@pytest.fixture
def make() -> Iterator[Callable[..., Caller]]:
    boxes: list[Sandbox] = []

    def started(**options: Any) -> Caller:
        box = Sandbox(**options)
        box.start()
        boxes.append(box)
        return Caller(box)

    yield started
    for box in boxes:
        box.stop()


@pytest.fixture
def av(make: Callable[..., Caller]) -> Caller:
    return make()


def stock(box: Sandbox) -> None:
    """One of everything that an order or an hours line refers to."""
    books = box.accountview
    books.add("CONTACT", SUB_NR="10001", **CUSTOMER)
    books.add("ARTICLE", ART_CODE="PUMP-1", ART_DESC1="Pomp", PRICE=Decimal("12.50"))
    books.add("PROJECTS", PROJ_CODE="P1", PROJ_DESC="Nieuwbouw", SUB_NR="10001")
    books.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Jan")
    books.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")


HOUR = {"EMP_NR": "007", "PROJ_CODE": "P1", "HRS_CODE": "100", "HRS_DATE": "2026-11-20T12:00:00.000Z", "HRS_QTY": 1.5}
ORDER = {"RPL_DEL": "10001", "ORD_DATE": "2026-11-20T12:00:00.000Z", "COMMENT1": "Onderhoud"}


# OAuth (AccountView contract 1)


def token_call(box: Sandbox, **form: str) -> requests.Response:
    secrets = {"client_id": box.client_id, "client_secret": box.client_secret}
    return requests.post(f"{box.accountview_url}/token", data=secrets | form, timeout=5)


def test_consent_page_and_code_grant(av: Caller) -> None:
    url = av.box.login_url(REDIRECT, state="a b&c")
    page = requests.get(url, timeout=5)
    assert "Approve" in page.text
    assert "updateaccountviewdata" in page.text
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    answer = requests.post(url, data=asked | {"decision": "approve"}, allow_redirects=False, timeout=5)
    location = answer.headers["Location"]
    assert location.startswith(f"{REDIRECT}?code=")
    assert "%2F%2B" in location
    assert "state=a%20b%26c" in location
    code = parse_qs(urlsplit(location).query)["code"][0]
    token = token_call(av.box, grant_type="authorization_code", code=code, redirect_uri=REDIRECT).json()
    assert (token["token_type"], token["expires_in"]) == ("bearer", 3600)
    av.session.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert av.get("companies").json()[0]["Code"] == av.box.company == "DEMO"
    again = token_call(av.box, grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


def test_refused_consent_and_wrong_requests(av: Caller) -> None:
    url = av.box.login_url(REDIRECT)
    assert av.box.approve(url, "refuse") == f"{REDIRECT}?error=access_denied&state=s"
    for good, bad in [("avsync-sandbox", "other"), ("localhost", "example.com"), ("updateaccountviewdata", "all")]:
        assert requests.get(url.replace(good, bad), timeout=5).status_code == 400


def test_code_needs_the_identical_redirect_uri_and_secrets_in_the_body(av: Caller) -> None:
    code = parse_qs(urlsplit(av.box.approve(av.box.login_url(REDIRECT))).query)["code"][0]
    basic = requests.post(
        f"{av.box.accountview_url}/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT},
        auth=(av.box.client_id, av.box.client_secret),
        timeout=5,
    )
    assert basic.json() == {"error": "invalid_client"}
    wrong = token_call(av.box, grant_type="authorization_code", code=code, redirect_uri=REDIRECT + "/")
    assert wrong.json() == {"error": "invalid_grant"}
    assert token_call(av.box, grant_type="password").json() == {"error": "unsupported_grant_type"}


def test_refresh_tokens_rotate_and_work_once(av: Caller) -> None:
    first = av.box.grant()
    second = token_call(av.box, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    reuse = token_call(av.box, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert reuse.json() == {"error": "invalid_grant"}
    assert av.box.token_refreshes == 1
    av.box.revoke_tokens()
    dead = token_call(av.box, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert dead.json() == {"error": "invalid_grant"}


def test_token_lifetime_and_missing_expires_in(make: Callable[..., Caller]) -> None:
    av = make(token_lifetime=0, send_expires_in=False)
    assert "expires_in" not in av.box.grant()
    assert av.get("companies").status_code == 401
    av.box.token_lifetime = 60
    av.session.headers["Authorization"] = f"Bearer {av.box.grant()['access_token']}"
    assert av.get("companies").status_code == 200
    av.box.expire_tokens()
    assert av.get("companies").status_code == 401


def test_company_header(av: Caller) -> None:
    query = {"BusinessObject": "AR1"}
    av.session.headers["x-company"] = "DEMO"
    refused(av.get(**query), "x-company")
    av.session.headers["x-company"] = av.box.options.companies[1]["Id"]
    refused(av.get(**query), "geen rechten", 403)
    del av.session.headers["x-company"]
    refused(av.get(**query), "x-company")
    assert av.get("companies").status_code == 200


def test_scope_limits_writing(av: Caller) -> None:
    url = av.box.login_url(REDIRECT).replace("+updateaccountviewdata", "")
    code = parse_qs(urlsplit(av.box.approve(url)).query)["code"][0]
    token = token_call(av.box, grant_type="authorization_code", code=code, redirect_uri=REDIRECT).json()
    av.session.headers["Authorization"] = f"Bearer {token['access_token']}"
    refused(av.post("AR1", "CONTACT", CUSTOMER), "geen recht", 403)


# reading (AccountView contract 3)


def test_keyset_paging_and_list_view(av: Caller) -> None:
    for number in range(10001, 10006):
        av.box.accountview.add("CONTACT", SUB_NR=str(number), **CUSTOMER)
    query = {"BusinessObject": "AR1", "PageSize": 2, "Fields": "SUB_NR,ACCT_NAME"}
    first = av.rows("CONTACT", **query)
    assert [row["SUB_NR"] for row in first] == ["10001", "10002"]
    assert [row["CONTACT_Id"] for row in first] == [1, 2]
    assert isinstance(first[0]["EXT_KEY"], int)
    last = av.rows("CONTACT", **query, LastKey="10004")
    assert [row["SUB_NR"] for row in last] == ["10005"]
    nothing = av.get(**query, LastKey="10005")
    assert (nothing.status_code, nothing.headers["Content-Type"]) == (404, "application/json")
    assert "CNG_DATE" not in av.rows("CONTACT", BusinessObject="AR1")[0]


def test_names_and_paths_in_any_case(av: Caller) -> None:
    av.box.accountview.add("CONTACT", SUB_NR="10001", **CUSTOMER)
    query = "businessobject=ar1&FIELDS=sub_nr,City&pagesize=10&filtercontrolsource1=sub_nr&filteroperator1=Equal"
    answer = av.get(f"AccountViewData?{query}&filtervaluetype1=C&filtervalue1=10001")
    assert answer.json()["CONTACT"][0]["SUB_NR"] == "10001"


def test_conditions(av: Caller) -> None:
    books = av.box.accountview
    for number, city in [("1", "Sneek"), ("2", "Leeuwarden"), ("3", "Sneek")]:
        books.add("CONTACT", SUB_NR=number, CITY=city, REC_BLK=number == "3", **CUSTOMER)
    books.edit("CONTACT", "3", ACCT_NAME="Slagerij Vos")

    def numbers(*conditions: dict[str, str], **more: str) -> list[str]:
        query = {name: value for one in conditions for name, value in one.items()} | more
        return [row["SUB_NR"] for row in av.rows("CONTACT", BusinessObject="AR1", **query)]

    sneek = condition(1, "CITY", "Equal", "C", "Sneek")
    vos = condition(2, "ACCT_NAME", "Contains", "C", "vos")
    assert numbers(sneek) == ["1", "3"]
    assert numbers(sneek, vos) == ["3"]
    assert numbers(condition(1, "CITY", "Equal", "C", "Leeuwarden"), vos, MatchAnyFilter="true") == ["2", "3"]
    assert numbers(condition(1, "CITY", "NotEqual", "C", "Sneek")) == ["2"]
    assert numbers(SortFields="CITY") == ["2", "1", "3"]
    assert numbers(SortFields="SUB_NR", SortOrder="Descending", LastKey="3", PageSize="1") == ["2"]
    books.edit("CONTACT", "1", CITY="Bolsward")
    assert numbers(sneek) == ["3"]
    books.remove("CONTACT", "3")
    assert av.get(BusinessObject="AR1", **sneek).status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"FilterOperator1": "GreaterThan"}, "FilterOperator1"),
        ({"FilterOperator1": "DateOnOrAfterDate"}, "Operator"),
        ({"FilterValueType1": "N"}, "FilterValueType1"),
        ({"FilterIsListOfValues1": "true"}, "lijst"),
        ({"FilterControlSource1": "NOPE"}, "NOPE"),
        ({"FilterControlSource3": "CITY"}, "filtercontrolsource3"),
        ({"Filter": "CITY='Sneek'"}, "filter"),
        ({"PageSize": "5000"}, "PageSize"),
        ({"BusinessObject": "XX1"}, "XX1"),
        ({"SortOrder": "Up"}, "SortOrder"),
        ({"BookDate": "24-11-2026"}, "boekdatum"),
    ],
)
def test_reads_nobody_has_seen_working_are_refused(av: Caller, change: dict[str, str], words: str) -> None:
    query = {"BusinessObject": "AR1"} | condition(1, "CITY", "Equal", "C", "Sneek") | change
    refused(av.get(**query), words)


def test_changes_since_in_local_time(make: Callable[..., Caller]) -> None:
    av = make()
    books = av.box.accountview
    books.clock = lambda: datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    books.add("CONTACT", SUB_NR="1", **CUSTOMER)
    assert books.row("CONTACT", "1")["CNG_DATE"] == "2026-07-01T12:00:00"
    books.clock = lambda: datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    books.edit("CONTACT", "1", CITY="Sneek")
    row = books.row("CONTACT", "1")
    assert (row["CNG_DATE"], row["INP_DATE"]) == ("2026-12-01T11:00:00", "2026-07-01T12:00:00")

    def since(value: str) -> requests.Response:
        return av.where("AR1", "CNG_DATE", value, "T", "DateOnOrAfterDate")

    assert since("{^2026-12-01 11:00:00}").status_code == 200
    assert since("{^2026-12-01}").status_code == 200
    assert since("{^2026-12-01 11:00:01}").status_code == 404
    refused(since("2026-12-01"), "Ongeldige datum")
    assert av.get("companies").headers["Date"] == "Tue, 01 Dec 2026 10:00:00 GMT"
    av.box.options.ignore_filter_time = True
    assert since("{^2026-12-01 23:00:00}").status_code == 200
    av.box.options.clock_shift = -2
    books.edit("CONTACT", "1", CITY="Bolsward")
    assert books.row("CONTACT", "1")["CNG_DATE"] == "2026-12-01T09:00:00"


def test_many_changes_are_found_without_the_index(av: Caller) -> None:
    for number in range(1500):
        moment = "2026-01-01T00:00:00" if number % 5 == 0 else "2026-02-01T00:00:00"
        av.box.accountview.add("CONTACT", SUB_NR=f"{number:05}", CNG_DATE=moment, **CUSTOMER)
    query = condition(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-02-01 00:00:00}")
    seen: list[str] = []
    while True:
        last = seen[-1] if seen else ""
        rows = av.rows("CONTACT", BusinessObject="AR1", PageSize=500, LastKey=last, Fields="SUB_NR", **query)
        seen += [row["SUB_NR"] for row in rows]
        if len(rows) < 500:
            break
    assert seen == [f"{number:05}" for number in range(1500) if number % 5]


def test_values_on_the_wire(av: Caller) -> None:
    stock(av.box)
    av.box.accountview.edit("PROJECTS", "P1", BEG_DATE="2026-03-01")
    row = av.rows("PROJECTS", BusinessObject="PJ1", Fields="PROJ_CODE,BEG_DATE,END_DATE,CNG_DATE")[0]
    assert (row["BEG_DATE"], row["END_DATE"]) == ("2026-03-01T00:00:00", "")
    assert len(row["CNG_DATE"]) == 19
    av.box.accountview.add("HRS_LINE", EMP_NR="007", HRS_QTY=Decimal("7.75"), HRS_DATE="2026-03-01", HRS_CODE="100")
    answer = av.get(BusinessObject="HR1", Fields="REC_ID,HRS_QTY")
    assert '"HRS_QTY":7.75,' in answer.text
    blocked = av.rows("EMPLOYEE", BusinessObject="EM1", Fields="EMP_NR,REC_BLK")[0]
    assert blocked["REC_BLK"] is False


@pytest.mark.parametrize("nested", [False, True])
def test_details_beside_or_inside_their_header(make: Callable[..., Caller], nested: bool) -> None:
    av = make(nest_details=nested)
    stock(av.box)
    for order in ("1", "2"):
        av.box.accountview.add("SO_HDR", ORD_NR=order, RPL_DEL="10001")
        av.box.accountview.add("SO_LINE", ORD_NR=order, ART_CODE="PUMP-1", ORD_QTY=Decimal("2.5"))
    answer = av.get(BusinessObject="SO1", Fields="ORD_NR,SO_LINE.REC_ID,SO_LINE.ORD_QTY").json()
    if nested:
        assert answer["SO_HDR"][1]["SO_LINE"][0]["ORD_QTY"] == 2.5
        assert "SO_LINE" not in answer
    else:
        assert [line["SO_HDR_Id"] for line in answer["SO_LINE"]] == [1, 2]
        assert [line["SO_LINE_Id"] for line in answer["SO_LINE"]] == [1, 2]
    assert "SO_LINE" not in av.get(BusinessObject="SO1", Fields="ORD_NR").json()


def test_ways_to_say_nothing_and_to_say_one(make: Callable[..., Caller]) -> None:
    assert make(no_rows="empty").get(BusinessObject="AR1").content == b""
    assert make(no_rows="list").get(BusinessObject="AR1").json() == {"CONTACT": []}
    single = make(bare_single=True)
    single.box.accountview.add("CONTACT", SUB_NR="1", **CUSTOMER)
    assert single.get(BusinessObject="AR1").json()["CONTACT"]["SUB_NR"] == "1"


def test_damaged_rows_travel_as_they_are(av: Caller) -> None:
    av.box.accountview.add("CONTACT", SUB_NR="1", **CUSTOMER)
    av.box.accountview.damage("CONTACT", "1", ACCT_NAME=None, CNG_DATE="2026-13-45T25:00:00")
    row = av.rows("CONTACT", BusinessObject="AR1", Fields="SUB_NR,ACCT_NAME,CNG_DATE")[0]
    assert (row["ACCT_NAME"], row["CNG_DATE"]) == (None, "2026-13-45T25:00:00")


# writing (AccountView contract 4)


def test_create_numbers_stores_and_echoes(av: Caller) -> None:
    answer = av.post("AR1", "CONTACT", CUSTOMER | {"POST_CODE": "8601 ab", "CITY": "Sneek  "})
    assert answer.status_code == 201
    row = answer.json()["CONTACT"][0]
    assert (row["SUB_NR"], row["POST_CODE"], row["CITY"]) == ("20001", "8601 AB", "Sneek")
    assert av.box.accountview.row("CONTACT", "20001")["INP_DATE"] == row["INP_DATE"] != ""
    refused(av.post("AR1", "CONTACT", CUSTOMER | {"SUB_NR": "20001"}), "bestaat al")
    assert av.post("AR1", "CONTACT", CUSTOMER).json()["CONTACT"][0]["SUB_NR"] == "20002"


def test_update_changes_only_what_was_sent(av: Caller) -> None:
    av.box.accountview.add("CONTACT", SUB_NR="1", CITY="Sneek", **CUSTOMER)
    av.box.accountview.damage("CONTACT", "1", CNG_DATE="2020-01-01T00:00:00")
    answer = av.put("AR1", "CONTACT", "1", {"TEL_BUS": "0515-412345"})
    assert (answer.status_code, answer.json()["CONTACT"][0]["TEL_BUS"]) == (200, "0515-412345")
    row = av.box.accountview.row("CONTACT", "1")
    assert (row["CITY"], row["CNG_DATE"] > "2026") == ("Sneek", True)
    assert av.put("AR1", "CONTACT", "1", {"TEL_BUS": ""}).json()["CONTACT"][0]["TEL_BUS"] == ""
    refused(av.put("AR1", "CONTACT", "1", {"ACCT_NAME": ""}), "verplicht")
    refused(av.put("AR1", "CONTACT", "1", {"SUB_NR": "2"}), "niet gelijk aan id")
    refused(av.put("AR1", "CONTACT", "404", {"CITY": "Sneek"}), "bestaat niet")


def test_dates_are_taken_in_the_servers_zone_and_cleared_with_null(av: Caller) -> None:
    stock(av.box)

    def begin(value: str | None) -> Any:
        return av.put("PJ1", "PROJECTS", "P1", {"BEG_DATE": value}).json()

    assert begin("2026-03-01T12:00:00.000Z")["PROJECTS"][0]["BEG_DATE"] == "2026-03-01T00:00:00"
    assert begin("2026-03-01T23:30:00.000Z")["PROJECTS"][0]["BEG_DATE"] == "2026-03-02T00:00:00"
    assert begin(None)["PROJECTS"][0]["BEG_DATE"] == ""
    for bad in ("2026-03-01", "", "2026-02-31T12:00:00.000Z"):
        assert begin(bad)["ErrorType"] == "AccountViewError"
    refused(av.put("PJ1", "PROJECTS", "P1", {"PROJ_DESC": None}), "null")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ACCT_NAME": "x" * 41}, "langer dan 40"),
        ({"ACCT_NAME": "Ресторан"}, "ongeldig teken"),
        ({"ACCT_NAME": ""}, "verplicht"),
        ({"ACCT_NR": "9999"}, "Verzamelrekening 9999"),
        ({"ACCT_NR": ""}, "Verzamelrekening"),
        ({"CNG_DATE": "2026-01-01T12:00:00.000Z"}, "kan niet worden gewijzigd"),
        ({"NOPE": "x"}, "NOPE"),
        ({"REC_BLK": "true"}, "ja of nee"),
        ({"CITY": 12}, "tekst"),
    ],
)
def test_customers_that_do_not_fit(av: Caller, change: dict[str, Any], words: str) -> None:
    refused(av.post("AR1", "CONTACT", CUSTOMER | change), words)
    assert av.box.accountview.rows("CONTACT") == []


def test_documents_that_are_not_of_the_form(av: Caller) -> None:
    good = document("AR1", "CONTACT", CUSTOMER)
    short, unnamed, letter, undated, doubled, identified = (json.loads(json.dumps(good)) for _ in range(6))
    short["TableData"]["Data"]["Rows"][0]["Values"].pop()
    unnamed["Table"]["Definition"]["Fields"][0]["Name"] = "Id"
    letter["Table"]["Definition"]["Fields"][1]["FieldType"] = "N"
    del undated["BookDate"]
    doubled["TableData"]["Data"]["Rows"] *= 2
    identified["id"] = "1"
    wrong_table = document("AR1", "PROJECTS", CUSTOMER)
    for body in (short, unnamed, letter, undated, doubled, identified, wrong_table):
        refused(av.send("POST", body), "")
    refused(av.send("PUT", good), "id")
    url = f"{av.box.accountview_url}/accountviewdata"
    assert av.session.post(url, data=json.dumps(good), timeout=5).status_code == 415
    headers = {"Content-Type": "application/json"}
    refused(av.session.post(url, data="{", headers=headers, timeout=5), "JSON")
    assert av.session.delete(url, timeout=5).status_code in (403, 405)
    assert av.box.accountview.rows("CONTACT") == []


def test_several_rows_in_one_post(av: Caller) -> None:
    body = document("AR1", "CONTACT", CUSTOMER)
    first = body["TableData"]["Data"]["Rows"][0]["Values"]
    body["TableData"]["Data"]["Rows"].append({"Values": ["2", *first[1:]]})
    assert [row["SUB_NR"] for row in av.send("POST", body).json()["CONTACT"]] == ["20001", "20002"]


def test_order_with_lines(av: Caller) -> None:
    stock(av.box)
    answer = av.post("SO1", "SO_HDR", ORDER, {"ART_CODE": "pump-1", "ORD_QTY": 2.12345}).json()
    order, line = answer["SO_HDR"][0], answer["SO_LINE"][0]
    assert (order["RPL_INV"], order["ORD_NR"], line["ART_PX"]) == ("10001", "26100001", 12.5)
    assert av.box.accountview.row("SO_LINE", line["REC_ID"])["ORD_QTY"] == Decimal("2.1235")
    assert (line["ART_CODE"], line["SO_HDR_Id"]) == ("PUMP-1", 1)


def test_order_lines_are_added_and_changed_by_put(av: Caller) -> None:
    stock(av.box)
    books = av.box.accountview
    books.add("SO_HDR", ORD_NR="1", RPL_DEL="10001")
    kept = books.add("SO_LINE", ORD_NR="1", ART_CODE="PUMP-1", ORD_QTY=Decimal(1))
    changed = books.add("SO_LINE", ORD_NR="1", ART_CODE="PUMP-1", ORD_QTY=Decimal(2))
    new, old = (
        {"REC_ID": "", "ART_CODE": "PUMP-1", "ORD_QTY": 3},
        {"REC_ID": changed, "ART_CODE": "PUMP-1", "ORD_QTY": 9},
    )
    lines = av.put("SO1", "SO_HDR", "1", {"ORD_NR": "1"}, new, old).json()["SO_LINE"]
    assert [line["ORD_QTY"] for line in lines] == [1, 9, 3]
    assert [line["REC_ID"] for line in lines][:2] == [kept, changed]
    refused(av.put("SO1", "SO_HDR", "1", {"COMMENT1": "x"}, new), "ontbreekt")
    refused(av.put("SO1", "SO_HDR", "1", {"ORD_NR": "1"}, old | {"REC_ID": "77"}), "bestaat niet in deze order")
    refused(av.put("SO1", "SO_HDR", "1", {"ORD_NR": "1"}, new, new | {"ART_CODE": "X"}), "Artikel X bestaat niet")
    assert len(books.rows("SO_LINE")) == 3
    books.edit("SO_HDR", "1", CLOSED=True)
    refused(av.put("SO1", "SO_HDR", "1", {"ORD_NR": "1"}, new), "gefactureerd")
    books.remove("SO_HDR", "1")
    assert books.rows("SO_LINE") == []


def test_orders_an_erp_would_refuse(av: Caller) -> None:
    stock(av.box)
    books = av.box.accountview
    refused(av.post("SO1", "SO_HDR", {"COMMENT1": "x"}), "verplicht")
    refused(av.post("SO1", "SO_HDR", ORDER | {"RPL_DEL": "404"}), "Debiteur 404 bestaat niet")
    refused(av.post("SO1", "SO_HDR", ORDER | {"PROJ_CODE": "P404"}), "Project P404 bestaat niet")
    books.edit("ARTICLE", "PUMP-1", REC_BLK=True)
    refused(av.post("SO1", "SO_HDR", ORDER, {"ART_CODE": "PUMP-1"}), "Artikel PUMP-1 is geblokkeerd")
    books.edit("CONTACT", "10001", BLK_SP=True)
    refused(av.post("SO1", "SO_HDR", ORDER), "Debiteur 10001 is geblokkeerd")
    assert books.rows("SO_HDR") == books.rows("SO_LINE") == []


def test_hours_an_erp_would_refuse(make: Callable[..., Caller]) -> None:
    av = make(project_on_hours=True)
    stock(av.box)
    books = av.box.accountview
    stored = av.post("HR1", "HRS_LINE", HOUR).json()["HRS_LINE"][0]
    assert (stored["REC_ID"], stored["HRS_DATE"]) == ("0000000001", "2026-11-20T00:00:00")
    for column, value, words in [
        ("EMP_NR", "404", "Medewerker 404"),
        ("PROJ_CODE", "P404", "Project P404"),
        ("PROJ_CODE", "", "verplicht"),
        ("HRS_CODE", "404", "Uursoort 404"),
        ("HRS_QTY", 12345678, "te groot"),
        ("HRS_QTY", "anderhalf", "geen geldig getal"),
    ]:
        refused(av.post("HR1", "HRS_LINE", HOUR | {column: value}), words)
    books.edit("PROJECTS", "P1", END_DATE="2026-01-01")
    refused(av.post("HR1", "HRS_LINE", HOUR), "afgesloten")
    books.edit("PROJECTS", "P1", END_DATE="", PRO_STAT="90")
    refused(av.post("HR1", "HRS_LINE", HOUR), "afgesloten")
    books.edit("EMPLOYEE", "007", REC_BLK=True)
    refused(av.post("HR1", "HRS_LINE", HOUR), "Medewerker 007 is geblokkeerd")
    assert len(books.rows("HRS_LINE")) == 1


def test_rights_locks_and_error_forms(make: Callable[..., Caller]) -> None:
    av = make(rights={"CONTACT": "ru", "ARTICLE": ""})
    refused(av.post("AR1", "CONTACT", CUSTOMER), "geen rechten", 403)
    refused(av.get(BusinessObject="AK1"), "geen rechten", 403)
    av.box.accountview.add("CONTACT", SUB_NR="1", **CUSTOMER)
    for lock in (("CONTACT", "1"), ("CONTACT", "*"), ("*", "*")):
        av.box.accountview.lock(*lock)
        refused(av.put("AR1", "CONTACT", "1", {"CITY": "Sneek"}), "in gebruik")
        av.box.accountview.unlock(*lock)
    av.box.options.error_in_2xx = av.box.options.silent_errors = True
    answer = av.put("AR1", "CONTACT", "2", {"CITY": "Sneek"})
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (200, "")
    av.box.options.empty_write_body = True
    assert av.put("AR1", "CONTACT", "1", {"CITY": "Sneek"}).content == b""
    assert av.box.accountview.row("CONTACT", "1")["CITY"] == "Sneek"


def test_a_persons_work_must_fit_its_columns(av: Caller) -> None:
    with pytest.raises(RefusedError):
        av.box.accountview.add("CONTACT", SUB_NR="1", **CUSTOMER | {"ACCT_NAME": "x" * 41})
    with pytest.raises(KeyError):
        av.box.accountview.add("CONTACT", NOPE="1")


# metadata (AccountView contract 6)


def test_metadata(make: Callable[..., Caller]) -> None:
    av = make(rights={"PROJECTS": "r"})
    objects = {row["Code"]: row for row in av.get("accountviewsystembusinessobjects").json()}
    assert (objects["PJ1"]["InsertAllowed"], objects["AR1"]["InsertAllowed"]) == (False, True)
    query = condition(1, "DBF_NAME", "Contains", "C", "CONTACT ")
    columns = av.get("accountviewsystemdata", businessobject="fld", pagesize=256, **query).json()["DCT_FLD"]
    by_name = {row["FIELD_NAME"]: row for row in columns}
    assert set(by_name) >= {"SUB_NR", "ACCT_NAME", "CNG_DATE"}
    number = by_name["SUB_NR"]
    assert (number["FIELD_LEN"], number["FLD_FMT"], number["INP_MAND"], number["COM_BLK"]) == (10, "!", True, True)
    assert by_name["CNG_DATE"]["FIELD_LEN"] == 8
    files = {row["DBF_NAME"]: row for row in av.get("accountviewsystemdata", businessobject="dbf").json()["DCT_FILE"]}
    assert (files["SO_HDR"]["OBJ_CODE"], files["SO_HDR"]["TBL_CHILD"]) == ("SO1", "SO_LINE")
    assert files["PROJECTS"]["NO_INSERT"] is True


def test_metadata_pages_on_its_row_number(av: Caller) -> None:
    query = {"businessobject": "fld", "pagesize": 20, "fields": "DBF_NAME,FIELD_NAME"}
    seen: list[dict[str, Any]] = []
    while True:
        last = {"LastKey": seen[-1]["DCT_FLD_Id"]} if seen else {}
        answer = av.get("accountviewsystemdata", **query, **last)
        if answer.status_code == 404:
            break
        seen += answer.json()["DCT_FLD"]
    assert len({(row["DBF_NAME"], row["FIELD_NAME"]) for row in seen}) == len(seen) > 60
    assert "PRICE" not in {row["FIELD_NAME"] for row in seen}


def test_other_names_missing_module_and_missing_reference(make: Callable[..., Caller]) -> None:
    av = make(names="other", contacts_module=False, ext_id=False)
    stock(av.box)
    codes = {row["Code"] for row in av.get("accountviewsystembusinessobjects").json()}
    assert "UR1" in codes
    assert codes.isdisjoint({"HR1", "PP1", "CP1"})
    row = {"UUR_MEDEW": "007", "UURSOORT": "100", "UUR_DATUM": "2026-11-20T12:00:00.000Z"}
    body = document("UR1", "UREN", row)
    body["Table"]["Definition"]["Fields"][-1]["FieldType"] = "T"
    stored = av.send("POST", body).json()["UREN"][0]
    assert (stored["UUR_MEDEW"], stored["UUR_ID"]) == ("007", "0000000001")
    assert "EXT_REF" not in stored
    assert av.box.accountview.rows("HRS_LINE")[0]["EMP_NR"] == "007"
    refused(av.where("SO1", "EXT_REF", "x"), "EXT_REF")
    assert av.rows("CONTACT", BusinessObject="AR1")[0]["SUB_NR"] == "10001"


# faults and the server


@pytest.mark.parametrize("do", ["drop", "commit_drop", "late", "hang", "commit_hang"])
def test_faults_that_cut_the_connection(av: Caller, do: str) -> None:
    av.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=do, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        av.post("AR1", "CONTACT", CUSTOMER)
    committed = do in ("commit_drop", "commit_hang")
    assert len(av.box.accountview.rows("CONTACT")) == committed
    assert av.box.requests[-1].status == 0
    if do == "late":
        time.sleep(0.2)
        assert len(av.box.accountview.rows("CONTACT")) == 1
    assert av.post("AR1", "CONTACT", CUSTOMER).status_code == 201


def test_faults_that_answer(av: Caller) -> None:
    seen = {}
    for do in ("500", "429", "html", "error_in_2xx", "commit_500"):
        av.box.faults.add(side="accountview", do=do, seconds=7)
        seen[do] = av.post("AR1", "CONTACT", CUSTOMER)
    assert [answer.status_code for answer in seen.values()] == [500, 429, 502, 200, 500]
    assert seen["429"].headers["Retry-After"] == "7"
    assert "<html>" in seen["html"].text
    assert seen["error_in_2xx"].json()["ErrorType"] == "AccountViewError"
    assert len(av.box.accountview.rows("CONTACT")) == 1


def test_cut_and_drip(av: Caller) -> None:
    av.box.faults.add(path="companies", do="cut")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        av.get("companies")
    size = len(av.get("companies").content)
    av.box.faults.add(path="companies", do="drip", seconds=0.01, after=size - 10)
    started = time.monotonic()
    assert len(av.get("companies").json()) == 2
    assert time.monotonic() - started > 0.09


def test_nth_times_and_body_of_a_rule(av: Caller) -> None:
    av.box.faults.add(method="get", path="COMPANIES", nth=2, times=2, do=500)
    av.box.faults.add(method="POST", body='"AR1"', times=0, do="500")
    assert [av.get("companies").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert [av.post("AR1", "CONTACT", CUSTOMER).status_code for _ in range(3)] == [500] * 3
    assert [rule.hits for rule in av.box.faults.rules] == [2, 3]
    for wrong in ({"do": "explode"}, {"do": "drop", "side": "moon"}):
        with pytest.raises(ValueError, match="unknown"):
            av.box.faults.add(**wrong)


def test_crafter_has_faults_and_log_too(make: Callable[..., Caller]) -> None:
    box = make(latency=0.05, faults=[{"side": "crafter", "do": "500"}]).box
    headers = {"Authorization": f"Bearer {box.api_key}"}
    started = time.monotonic()
    answers = [requests.get(f"{box.crafter_url}/me", headers=headers, timeout=5).status_code for _ in range(2)]
    assert answers == [500, 200]
    assert time.monotonic() - started > 0.1
    assert [(line.side, line.path, line.status) for line in box.requests] == [
        ("crafter", "/api/v1/me", 500),
        ("crafter", "/api/v1/me", 200),
    ]


def test_start_stop_and_keep_alive(make: Callable[..., Caller]) -> None:
    started = time.monotonic()
    av = make()
    assert time.monotonic() - started < 0.3
    for _ in range(3):
        av.get("companies")
    pools = av.session.get_adapter("http://").poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118 - not a plain dict
    av.box.faults.add(do="hang", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        av.session.get(f"{av.box.accountview_url}/companies", timeout=0.1)
    started = time.monotonic()
    av.box.stop()
    assert time.monotonic() - started < 1
    with pytest.raises(requests.ConnectionError):
        av.get("companies")


def test_control_endpoints(av: Caller) -> None:
    home = av.box.home("accountview") + "/_sandbox"
    redirect = requests.post(f"{home}/approve", json={"url": av.box.login_url(REDIRECT)}, timeout=5).json()["redirect"]
    assert redirect.startswith(f"{REDIRECT}?code=")
    assert requests.post(f"{home}/approve", json={"url": "http://localhost/"}, timeout=5).status_code == 400
    assert requests.post(f"{home}/faults", json=[{"do": "500"}], timeout=5).json() == {"rules": 1}
    assert requests.post(f"{home}/faults", json=[{"do": "no"}], timeout=5).status_code == 400
    assert av.get("companies").status_code == 200
    assert requests.post(f"{home}/repair", timeout=5).json() == {"repaired": True}
    av.box.accountview.add("CONTACT", SUB_NR="1", **CUSTOMER)
    state = requests.get(f"{home}/state", timeout=5).json()
    assert "1" in {row["SUB_NR"] for row in state["accountview"]["CONTACT"]}
    assert "work-orders" in state["crafter"]


def test_the_command(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("- {side: accountview, path: token, do: html}\n")
    config = tmp_path / "config.yaml"
    command = [
        sys.executable,
        "-m",
        "avsync.sandbox",
        "--accountview-port",
        "0",
        "--crafter-port",
        "0",
        "--names",
        "other",
    ]
    sizes = ["--customers", "5", "--projects", "2", "--orders", "1", "--work-orders", "2", "--hours", "3"]
    process = subprocess.Popen(
        [*command, *sizes, "--faults", str(faults), "--write-config", str(config)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        home = process.stdout.readline().split()[1]
        written = yaml.safe_load(config.read_text())
        assert written["accountview"]["base_url"] == f"{home}api/v3"
        assert written["accountview"]["schema"]["hour"]["table"] == "UREN"
        secret = Path(written["accountview"]["client_secret"]["file"])
        assert os.stat(secret).st_mode & 0o777 == 0o600
        state = requests.get(f"{home}_sandbox/state", timeout=5).json()
        assert len(state["accountview"]["CONTACT"]) >= 5
        assert requests.post(f"{home}api/v3/token", timeout=5).status_code == 502
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
