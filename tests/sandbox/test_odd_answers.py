"""What either service may answer besides what the contracts would like: the switches and faults for it, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from avsync.sandbox.server import Sandbox
from tests.sandbox.test_accountview import CUSTOMER, ORDER, Caller, stock


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


def crafter(box: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {box.api_key}"}
    return requests.request(method, f"{box.crafter_url}/{path}", json=body, headers=headers, timeout=5)


def test_errors_under_other_names(make: Callable[..., Caller]) -> None:
    av = make(error_type="ValidationError", error_keys="lower")
    answer = av.post("AR1", "CONTACT", CUSTOMER | {"ACCT_NR": "9999"})
    assert answer.status_code == 400
    assert answer.json()["errortype"] == "ValidationError"
    av.box.options.error_type, av.box.options.error_in_2xx = "", True
    answer = av.post("AR1", "CONTACT", CUSTOMER | {"ACCT_NR": "9999"})
    assert (answer.status_code, list(answer.json())) == (200, ["errormessage"])


@pytest.mark.parametrize(("option", "stored"), [("empty", ""), ("other", "IMP000000"), ("kept", "avs1")])
def test_a_reference_that_is_not_kept(make: Callable[..., Caller], option: str, stored: str) -> None:
    av = make(reference=option)
    stock(av.box)
    echoed = av.post("SO1", "SO_HDR", ORDER | {"EXT_ID": "avs1"}).json()["SO_HDR"][0]
    assert echoed["EXT_ID"] == av.box.accountview.rows("SO_HDR")[0]["EXT_ID"] == stored


def test_tables_of_many_columns(make: Callable[..., Caller]) -> None:
    av = make(extra_columns=300)
    query = {"businessobject": "fld", "fields": "dct_fld.field_name", "FilterControlSource1": "DBF_NAME"}
    query |= {"FilterOperator1": "Contains", "FilterValueType1": "C", "FilterValue1": "CONTACT "}
    first = av.get("accountviewsystemdata", **query).json()["DCT_FLD"]
    whole = av.get("accountviewsystemdata", **query, pagesize=1000).json()["DCT_FLD"]
    assert (len(first), first[-1]["DCT_FLD_Id"], len(whole)) == (256, 255, 317)
    assert "ACCT_NAME" not in {row["FIELD_NAME"] for row in first}


def test_no_clock(make: Callable[..., Caller]) -> None:
    av = make(date_header=False)
    av.box.crafter.ugly.date_header = False
    assert "Date" not in av.get("companies").headers
    assert "Date" not in crafter(av.box, "GET", "me").headers
    av.box.options.date_header = True
    av.box.faults.add(do="no_date")
    assert ["Date" in av.get("companies").headers for _ in range(2)] == [False, True]


@pytest.mark.parametrize("do", ["408", "425", "500_json", "commit_408", "commit_425", "commit_500_json", "other_table"])
def test_answers_that_leave_open_whether_it_is_stored(make: Callable[..., Caller], do: str) -> None:
    av = make()
    av.box.faults.add(side="accountview", method="POST", do=do)
    answer = av.post("AR1", "CONTACT", CUSTOMER)
    assert answer.status_code == (201 if do == "other_table" else int(do.split("_")[-1 if do[-1].isdigit() else -2]))
    assert len(av.box.accountview.rows("CONTACT")) == (do.startswith("commit") or do == "other_table")


def test_any_answer_at_all(make: Callable[..., Caller]) -> None:
    av = make()
    av.box.faults.add(do="answer", status=418, content={"ERRORTYPE": "", "ErrorMessage": "Nee"})
    av.box.faults.add(do="commit_answer", nth=2, status=404, content="<h1>Not Found</h1>")
    first, second = (av.post("AR1", "CONTACT", CUSTOMER) for _ in range(2))
    assert (first.status_code, first.json()["ErrorMessage"]) == (418, "Nee")
    assert (second.status_code, second.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert len(av.box.accountview.rows("CONTACT")) == 1
    av.box.faults.clear()
    av.box.faults.add(do="other_error")
    av.box.faults.add(do="message_only", nth=2)
    assert [av.get("companies").status_code for _ in range(2)] == [400, 200]


def test_crafters_errors_and_records_in_other_shapes(make: Callable[..., Caller]) -> None:
    box = make().box
    ugly = box.crafter.ugly
    ugly.errors = "problem"
    assert set(crafter(box, "POST", "customers", {}).json()) == {"type", "title", "detail"}
    ugly.errors = "message"
    assert crafter(box, "POST", "customers", {}).json()["errors"]["name"]
    ugly.wrap = True
    made = crafter(box, "POST", "customers", {"name": "Jansen"}).json()
    assert list(made) == ["data"]
    assert crafter(box, "GET", f"customers/{made['data']['id']}").json() == made
    assert crafter(box, "GET", "customers").json()["data"][0]["name"] == "Jansen"
    ugly.wrap = False
    box.faults.add(side="crafter", method="POST", do="wrapped")
    box.faults.add(side="crafter", method="POST", nth=2, do="problem_details")
    box.faults.add(side="crafter", method="POST", nth=3, do="message_errors")
    answers = [crafter(box, "POST", "customers", {"name": f"B{number}"}) for number in range(3)]
    assert [list(one.json())[0] for one in answers] == ["data", "type", "message"]
