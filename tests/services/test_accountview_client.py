"""The AccountView client against the sandbox, and against scripted answers for shapes the sandbox does not make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from avsync.errors import ConfigError, LoginNeeded, Malformed, TryLater
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.oauth import TokenSource
from avsync.services.accountview.schema import load_schema
from avsync.services.accountview.wire import Rows, document, same, wire_value
from avsync.services.http import Auth, Done, Http, NotSent, Rejected, Unknown
from avsync.state.tokens import TokenFile
from tests.support.scripted_server import Scripted, answer, html

TODAY = date(2026, 11, 24)
CUSTOMER = {"ACCT_NAME": "Bakkerij Bos", "SRC_CODE": "BOS", "ACCT_NR": "1300"}
NEW = {"name": "Café É & <Zn>", "search_code": "CAFE", "ledger_account": "1300", "phone": None}


def client(url: str, company: str, auth: Auth | None = None, overrides: Any = None) -> AccountView:
    http = Http(url, service="AccountView", connect=2, read=2, pause=lambda _: None)
    return AccountView(http, load_schema(overrides), company, auth=auth, today=lambda: TODAY)


class Books:
    """A sandbox and a client of it."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        token = box.grant()["access_token"]
        self.client = client(box.accountview_url, box.company_id, lambda: {"Authorization": f"Bearer {token}"})

    def order(self, *articles: str) -> str:
        """An order with lines, and all it refers to."""
        self.box.accountview.add("CONTACT", SUB_NR="10001", **CUSTOMER)
        for code in ("PUMP-1", "PIPE"):
            self.box.accountview.add("ARTICLE", ART_CODE=code, ART_DESC1=code)
        outcome = self.client.create("order", {"customer": "10001", "order_date": TODAY, "description": "Ketel"})
        assert isinstance(outcome, Done)
        number = self.box.accountview.rows("SO_HDR")[-1]["ORD_NR"]
        if articles:
            lines = [{"article": code, "quantity": Decimal("1.25")} for code in articles]
            assert isinstance(self.client.put_details("order_line", number, lines), Done)
        return str(number)


@pytest.fixture
def make() -> Iterator[Callable[..., Books]]:
    boxes: list[Sandbox] = []

    def started(**options: Any) -> Books:
        box = Sandbox(**options)
        box.start()
        boxes.append(box)
        return Books(box)

    yield started
    for box in boxes:
        box.stop()


@pytest.fixture
def books(make: Callable[..., Books]) -> Books:
    return make()


def scripted(server: Scripted) -> AccountView:
    return client(server.url, "c-1")


def query(line: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(line.split()[1]).query).items()}


# --- reading from the sandbox


def test_companies(books: Books) -> None:
    found = books.client.companies()
    assert {"Id": books.box.company_id, "Code": "DEMO"}.items() <= found[0].items()


def test_pages_are_complete_and_neutral(books: Books) -> None:
    for number in range(10_000, 10_025):
        books.box.accountview.add("CONTACT", SUB_NR=str(number), REC_BLK=number == 10_000, **CUSTOMER)
    pages = list(books.client.pages("customer", page_size=10))
    rows = [row for page in pages for row in page.rows]
    assert [len(page.rows) for page in pages] == [10, 10, 5]
    assert [row["number"] for row in rows] == [str(number) for number in range(10_000, 10_025)]
    assert (rows[0]["name"], rows[0]["blocked"], rows[1]["blocked"]) == ("Bakkerij Bos", True, False)
    assert set(rows[0]) == set(load_schema()["customer"].columns)
    assert pages[0].server_time is not None


@pytest.mark.parametrize("no_rows", ["json", "empty", "list"])
def test_nothing_there(make: Callable[..., Books], no_rows: str) -> None:
    books = make(no_rows=no_rows)
    assert [page.rows for page in books.client.pages("customer")] == [[]]
    assert books.client.by_key("customer", "10001") is None
    assert books.client.details("order_line", "26000001") is None


def test_changes_since(books: Books) -> None:
    books.box.accountview.add("CONTACT", SUB_NR="10001", **CUSTOMER)
    books.box.accountview.damage("CONTACT", "10001", CNG_DATE="2026-01-01T10:00:00")
    books.box.accountview.add("CONTACT", SUB_NR="10002", **CUSTOMER)
    (page,) = books.client.pages("customer", since="2026-01-01T10:00:01")
    assert [row["number"] for row in page.rows] == ["10002"]
    books.client.absent.add(("customer", "changed_at"))
    (page,) = books.client.pages("customer", since="2026-01-01T10:00:01")
    assert [row["number"] for row in page.rows] == ["10001", "10002"]
    assert "changed_at" not in page.rows[0]


def test_look_ups(books: Books) -> None:
    for number, name in (("10001", "Bos"), ("10002", "Bos"), ("10003", "O'Neil {^x} & = %")):
        books.box.accountview.add("CONTACT", SUB_NR=number, **{**CUSTOMER, "ACCT_NAME": name})
    found = books.client.by_key("customer", "10001")
    assert found is not None
    assert found["number"] == "10001"
    assert len(books.client.find("customer", {"name": "Bos"})) == 2
    assert len(books.client.find("customer", {"name": "Bos", "number": "10002"})) == 1
    assert books.client.find("customer", {"name": "Bos", "number": "10003"}) == []
    assert len(books.client.find("customer", {"name": "O'Neil {^x} & = %"})) == 1
    assert books.client.by_key("customer", "1000") is None
    assert books.client.by_key("customer", " ") is None


def test_look_up_by_date(books: Books) -> None:
    books.order()
    assert len(books.client.find("order", {"order_date": "2026-11-24"})) == 1
    assert books.client.find("order", {"order_date": "2026-11-23"}) == []


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "x" * 256, "  "])
def test_impossible_filter_values_are_never_sent(books: Books, value: str) -> None:
    with pytest.raises(Malformed):
        books.client.find("customer", {"name": value})
    assert books.box.requests == []


@pytest.mark.parametrize("shape", [{}, {"nest_details": True}, {"bare_single": True}])
def test_order_lines(make: Callable[..., Books], shape: dict[str, Any]) -> None:
    books = make(**shape)
    number = books.order("PUMP-1", "PIPE", "PIPE")
    lines = books.client.details("order_line", number)
    assert lines is not None
    assert [(line["article"], line["quantity"]) for line in lines] == [
        ("PUMP-1", Decimal("1.25")),
        ("PIPE", Decimal("1.25")),
        ("PIPE", Decimal("1.25")),
    ]
    assert len({line["id"] for line in lines}) == 3
    assert books.client.details("order_line", "1") is None


def test_an_order_without_lines(books: Books) -> None:
    assert books.client.details("order_line", books.order()) == []


# --- writing to the sandbox


@pytest.mark.parametrize("shape", [{}, {"bare_single": True}, {"no_rows": "list"}])
def test_create_and_update(make: Callable[..., Books], shape: dict[str, Any]) -> None:
    books = make(**shape)
    outcome = books.client.create("customer", NEW)
    assert isinstance(outcome, Done)
    assert outcome.row is not None
    number = outcome.row["number"]
    assert books.box.accountview.row("CONTACT", number)["ACCT_NAME"] == "Café É & <Zn>"
    assert books.client.update("customer", number, {"phone": "010", "blocked": True}) == Done(
        {**outcome.row, **(books.client.by_key("customer", number) or {})}
    )
    books.client.update("customer", number, {"phone": None})
    row = books.box.accountview.row("CONTACT", number)
    assert (row["TEL_BUS"], row["REC_BLK"], row["ACCT_NAME"]) == ("", True, "Café É & <Zn>")


def test_dates_and_quantities_arrive_exactly(books: Books) -> None:
    number = books.order("PUMP-1")
    books.box.accountview.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Jan")
    books.box.accountview.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
    hour = {"employee": "007", "time_code": "100", "date": date(2026, 3, 29), "quantity": Decimal("0.10")}
    outcome = books.client.create("hour", hour)
    assert isinstance(outcome, Done)
    assert outcome.row is not None
    assert outcome.row["date"].startswith("2026-03-29")
    assert outcome.row["quantity"] == Decimal("0.1")
    assert '"0.10"' not in books.box.requests[-1].body
    assert ",0.10" in books.box.requests[-1].body
    assert isinstance(books.client.update("order", number, {"delivery_date": date(2026, 12, 1)}), Done)
    assert isinstance(books.client.update("order", number, {"delivery_date": None}), Done)
    assert (books.client.by_key("order", number) or {})["delivery_date"] in ("", None)


def test_lines_are_added_and_changed(books: Books) -> None:
    number = books.order("PUMP-1")
    (line,) = books.client.details("order_line", number) or []
    both = [
        {"article": "PIPE", "quantity": Decimal(3)},
        {"id": line["id"], "article": "PUMP-1", "quantity": Decimal("2.5")},
    ]
    outcome = books.client.put_details("order_line", number, both)
    assert isinstance(outcome, Done)
    assert outcome.row is not None
    assert [row["quantity"] for row in outcome.row["lines"]] == [Decimal("2.5"), 3]
    assert outcome.row["lines"] == books.client.details("order_line", number)
    with pytest.raises(ValueError, match="same columns"):
        books.client.put_details("order_line", number, [{"article": "PIPE"}, {"quantity": Decimal(1)}])
    with pytest.raises(ValueError, match="same columns"):
        books.client.put_details("order_line", number, [])


def test_an_empty_answer_is_done(make: Callable[..., Books]) -> None:
    books = make(empty_write_body=True)
    assert books.client.create("customer", NEW) == Done(None)
    assert books.client.put_details("order_line", books.order(), [{"article": "PIPE", "quantity": Decimal(1)}]) == Done(
        None
    )


@pytest.mark.parametrize("options", [{}, {"error_in_2xx": True}, {"silent_errors": True}])
def test_refusals(make: Callable[..., Books], options: dict[str, Any]) -> None:
    books = make(**options)
    outcome = books.client.create("customer", {**NEW, "ledger_account": "9999"})
    assert isinstance(outcome, Rejected)
    assert outcome.status == (200 if "error_in_2xx" in options else 400)
    assert ("9999" in outcome.message) != ("silent_errors" in options)
    assert isinstance(books.client.update("customer", "4711", {"phone": "1"}), Rejected)
    assert books.box.accountview.rows("CONTACT") == []


@pytest.mark.parametrize(
    ("fault", "outcome", "stored"),
    [
        ("500", Unknown("HTTP 500"), 0),
        ("html", Unknown("HTTP 502"), 0),
        ("drop", Unknown("connection dropped"), 0),
        ("commit_drop", Unknown("connection dropped"), 1),
        ("commit_500", Unknown("HTTP 500"), 1),
        ("cut", Unknown("connection dropped"), 1),
        ("429", NotSent("HTTP 429", 1.0), 0),
        ("error_in_2xx", Rejected("Onbekende fout.", 200), 0),
    ],
)
def test_outcome_of_a_fault(books: Books, fault: str, outcome: object, stored: int) -> None:
    books.box.faults.add(side="accountview", method="POST", do=fault)
    assert books.client.create("customer", NEW) == outcome
    assert len(books.box.accountview.rows("CONTACT")) == stored
    assert len(books.box.requests) == 1


def test_reads_survive_faults(books: Books) -> None:
    books.box.accountview.add("CONTACT", SUB_NR="10001", **CUSTOMER)
    for fault in ("500", "html", "drop", "cut", "429", "error_in_2xx"):
        books.box.faults.clear()
        books.box.faults.add(side="accountview", do=fault, times=2)
        assert [len(page.rows) for page in books.client.pages("customer")] == [1]


def test_a_broken_listing_raises(books: Books) -> None:
    for number in range(10_000, 10_030):
        books.box.accountview.add("CONTACT", SUB_NR=str(number), **CUSTOMER)
    books.box.faults.add(side="accountview", path="LastKey", do="error_in_2xx", times=0)
    pages = books.client.pages("customer", page_size=20)
    assert len(next(pages).rows) == 20
    with pytest.raises(TryLater) as broken:
        next(pages)
    assert (broken.value.code, broken.value.params["message"]) == ("accountview_read_error", "Onbekende fout.")
    assert len(books.box.requests) == 4


def test_tokens_are_renewed_once(books: Books, tmp_path: Path) -> None:
    box, file = books.box, TokenFile(tmp_path / "token.json")
    file.save(box.grant())
    tokens = TokenSource(file, box.client_id, box.client_secret, f"{box.accountview_url}/token")
    renewing = client(box.accountview_url, box.company_id, tokens)
    box.expire_tokens()
    assert isinstance(renewing.create("customer", NEW), Done)
    assert (box.token_refreshes, len(box.accountview.rows("CONTACT"))) == (1, 1)
    with pytest.raises(LoginNeeded):
        client(box.accountview_url, box.company_id).companies()


# --- what is asked, to the letter


def test_read_parameters() -> None:
    with Scripted(answer({}), repeat=True) as server:
        reader = scripted(server)
        list(reader.pages("project_type"))
        list(reader.pages("customer", since="2026-11-24T08:09:10"))
        reader.find("customer", {"name": "Bos", "number": "1"})
        reader.details("order_line", "26000001")
    lines = [query(line) for line, _, _ in server.seen]
    assert lines[0] == {"BusinessObject": "PT1", "PageSize": "400", "Fields": "PT_CODE,PT_DESC"}
    assert {name: value for name, value in lines[1].items() if name.startswith("Filter")} == {
        "FilterControlSource1": "CNG_DATE",
        "FilterOperator1": "DateOnOrAfterDate",
        "FilterValueType1": "T",
        "FilterValue1": "{^2026-11-24 08:09:10}",
    }
    assert (lines[2]["FilterControlSource2"], lines[2]["FilterValue2"]) == ("SUB_NR", "1")
    assert "MatchAnyFilter" not in lines[2]
    assert lines[3]["Fields"] == "ORD_NR,SO_LINE.REC_ID,SO_LINE.ART_CODE,SO_LINE.ORD_QTY,SO_LINE.DEL_DATE"
    assert all(headers["x-company"] == "c-1" for _, headers, _ in server.seen)
    assert all(headers["accept"] == "application/json" for _, headers, _ in server.seen)


def test_write_document() -> None:
    with Scripted(answer(b"", "201 Created"), answer(b"")) as server:
        writer = scripted(server)
        writer.absent.add(("hour", "reference"))
        hour = {"employee": "007", "date": TODAY, "quantity": Decimal("7.50"), "project": None, "reference": "avs1"}
        assert writer.create("hour", hour) == Done(None)
        writer.put_details("order_line", "26000001", [{"article": "PUMP-1", "quantity": Decimal(2)}])
    (post, headers, first), (put, _, second) = server.seen
    assert (post.split()[0], put.split()[0]) == ("POST", "PUT")
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert json.loads(first, parse_float=Decimal) == {
        "BookDate": "2026-11-24T12:00:00.000Z",
        "BusinessObject": "HR1",
        "Table": {
            "Definition": {
                "Name": "HRS_LINE",
                "Fields": [
                    {"Name": "RowId", "FieldType": "C"},
                    {"Name": "EMP_NR", "FieldType": "C"},
                    {"Name": "HRS_DATE", "FieldType": "T"},
                    {"Name": "HRS_QTY", "FieldType": "N"},
                ],
            }
        },
        "TableData": {"Data": {"Rows": [{"Values": ["1", "007", "2026-11-24T12:00:00.000Z", Decimal("7.50")]}]}},
    }
    body = json.loads(second)
    assert (body["id"], body["BusinessObject"]) == ("26000001", "SO1")
    assert body["Table"]["Definition"]["Fields"][1:] == [{"Name": "ORD_NR", "FieldType": "C"}]
    assert [field["Name"] for field in body["Table"]["DetailDefinitions"][0]["Fields"]] == [
        "RowId",
        "HeaderId",
        "ART_CODE",
        "ORD_QTY",
    ]
    assert body["TableData"]["Data"]["Rows"] == [{"Values": ["1", "26000001"]}]
    assert body["TableData"]["DetailData"] == [{"Rows": [{"Values": ["1", "1", "PUMP-1", 2]}]}]


def test_the_dictionary_decides_the_letter() -> None:
    schema = load_schema()["customer"]
    types = {("customer", "number"): "N", ("customer", "name"): "M", ("customer", "created_at"): "D"}
    rows = Rows(schema, types, [{"number": "10001", "name": "Bos", "blocked": False, "created_at": TODAY}])
    body = document(schema, TODAY, rows)
    letters = [field["FieldType"] for field in body["Table"]["Definition"]["Fields"]]
    assert letters == ["C", "N", "C", "L", "T"]
    assert body["TableData"]["Data"]["Rows"][0]["Values"][1] == Decimal(10001)


@pytest.mark.parametrize(
    ("kind", "value"), [("N", "ten"), ("N", Decimal("NaN")), ("N", True), ("T", "soon"), ("L", "yes"), ("C", True)]
)
def test_values_that_cannot_stand_in_a_column(kind: str, value: Any) -> None:
    with pytest.raises(Malformed):
        wire_value("name", kind, value)


# --- shapes of answers


def test_names_in_any_case_unknown_columns_and_broken_rows() -> None:
    row = {"pt_code": "A", "Pt_Desc": "Nieuwbouw", "EXT_KEY": 3, "PRO_TYPE_Id": 1, "NEW": None}
    with Scripted(answer({"helper": [1], "pro_type": [row, "?", None, {"PT_CODE": "B"}]})) as server:
        (page,) = scripted(server).pages("project_type")
    assert page.rows == [
        {"code": "A", "name": "Nieuwbouw"},
        {"_broken": "'?'"},
        {"_broken": "None"},
        {"code": "B"},
    ]


def numbered(*codes: str) -> list[Any]:
    return answer({"PRO_TYPE": [{"PT_CODE": code, "PT_DESC": "x"} for code in codes]})


def test_paging_stops_when_the_key_does_not_move() -> None:
    with Scripted(numbered("A", "B"), numbered("C", "D"), numbered("C", "D")) as server:
        pages = list(scripted(server).pages("project_type", page_size=2))
    assert [[row["code"] for row in page.rows] for page in pages] == [["A", "B"], ["C", "D"]]
    assert [query(line).get("LastKey") for line, _, _ in server.seen] == [None, "B", "D"]


@pytest.mark.parametrize(
    "scripts", [[numbered("A", "B"), numbered("C", "D"), numbered("A", "B")], [answer({"PRO_TYPE": [{}, {}]})]]
)
def test_a_listing_that_goes_round_raises(scripts: list[Any]) -> None:
    with Scripted(*scripts) as server, pytest.raises(TryLater) as broken:
        list(scripted(server).pages("project_type", page_size=2))
    assert broken.value.code == "listing_broken"


@pytest.mark.parametrize(
    "script",
    [html("404 Not Found"), answer({"OTHER": []}), answer([{"PT_CODE": "A"}]), answer(b""), answer({}, "403 No")],
)
def test_an_answer_without_the_table_is_no_empty_listing(script: Any) -> None:
    with Scripted(script, repeat=True) as server, pytest.raises(TryLater) as broken:
        list(scripted(server).pages("project_type"))
    assert broken.value.code == "service_unreachable"
    assert len(server.seen) == 3


def test_a_prefix_is_not_equal() -> None:
    with Scripted(numbered("100", "1001", " 100 "), repeat=True) as server:
        found = scripted(server).find("project_type", {"code": "100"})
        assert [row["code"] for row in found] == ["100", " 100 "]
        assert scripted(server).by_key("project_type", "10") is None


def test_details_of_the_right_header() -> None:
    headers = [{"ORD_NR": "1", "SO_HDR_Id": 1}, {"ORD_NR": "2", "SO_HDR_Id": 2}]
    lines = [{"ART_CODE": "A", "so_hdr_id": "1"}, {"ART_CODE": "B", "so_hdr_id": "2"}]
    with Scripted(answer({"SO_HDR": headers, "SO_LINE": lines})) as server:
        assert scripted(server).details("order_line", "2") == [{"article": "B"}]
    loose = {"SO_HDR": headers, "SO_LINE": [{"ART_CODE": "A"}]}
    with Scripted(answer(loose), repeat=True) as server, pytest.raises(TryLater):
        scripted(server).details("order_line", "2")
    with Scripted(answer({**loose, "SO_HDR": headers[1]})) as server:
        assert scripted(server).details("order_line", "2") == [{"article": "A"}]


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (answer({"ErrorType": "AccountViewError", "ErrorMessage": "Vol"}, "500 Error"), Unknown("HTTP 500")),
        (
            answer({"errortype": "AccountViewError", "ErrorNumbers": [12]}, "404 No"),
            Rejected("ErrorNumbers [12]", 404, True),
        ),
        (answer({"ErrorType": "ValidationError", "ErrorMessage": "Nee"}, "400 No"), Rejected("Nee", 400)),
        (answer({"ERRORTYPE": None, "errormessage": "Nee"}), Rejected("Nee", 200)),
        (answer({"ErrorType": "Vol", "CONTACT": []}), Rejected("", 200)),
        (answer({"ErrorType": " ", "ErrorNumbers": None, "ErrorMessage": ""}), Done(None)),
        (answer({"ErrorType": "", "ErrorMessage": None, "CONTACT": {"SUB_NR": "7"}}), Done({"number": "7"})),
        (answer({"ErrorType": "", "ErrorMessage": ""}, "400 No"), Unknown("HTTP 400")),
        (answer({"ErrorType": "AccountViewError", "ErrorMessage": "Nee"}, "408 Time-out"), Unknown("HTTP 408")),
        (answer({}, "425 Too Early"), Unknown("HTTP 425")),
        (answer(b"", "404 Not Found"), Unknown("HTTP 404")),
        (answer({"Message": "Nee"}, "403 No"), Unknown("HTTP 403 Nee")),
        (answer({"OTHER": 1}), Unknown("HTTP 200, an answer without CONTACT")),
        (answer([1]), Unknown("HTTP 200, an answer without CONTACT")),
        (answer({}), Done(None)),
        (answer(b""), Done(None)),
        (answer({"CONTACT": [{"SUB_NR": "7", "X": 1}]}), Done({"number": "7"})),
    ],
)
def test_outcome_of_an_answer(script: Any, outcome: object) -> None:
    with Scripted(script) as server:
        assert scripted(server).update("customer", "7", {"phone": "1"}) == outcome


@pytest.mark.parametrize(
    ("letter", "found", "value", "equal"),
    [
        ("C", " ab ", "AB", True),
        ("C", None, "x", False),
        ("C", 7, "7", True),
        ("C", "007", "7", False),
        ("D", "2026-11-24T00:00:00", "2026-11-24", True),
        ("D", None, "2026-11-24", False),
        ("N", Decimal("1.50"), "1.5", True),
        ("N", "x", "1", False),
    ],
)
def test_equality_on_our_side(letter: str, found: Any, value: str, equal: bool) -> None:
    assert same(letter, found, value) == equal


# --- the schema


def test_overrides(make: Callable[..., Books]) -> None:
    from avsync.sandbox.accountview.names import overrides

    books = make(names="other")
    token = books.box.grant()["access_token"]
    there = client(
        books.box.accountview_url,
        books.box.company_id,
        lambda: {"Authorization": f"Bearer {token}"},
        overrides("other"),
    )
    books.box.accountview.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
    assert there.by_key("time_code", "100") == {"code": "100", "name": "Werk"}


def test_one_column_cannot_hold_two_fields() -> None:
    with pytest.raises(ConfigError) as refused:
        load_schema({"time_code": {"columns": {"name": "hrs_code"}}})
    assert refused.value.params["column"] == "hrs_code"
