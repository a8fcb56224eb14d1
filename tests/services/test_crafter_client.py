"""The Crafter client against the sandbox, and against scripted answers for shapes the sandbox does not make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from avsync.errors import FeatureOff, LoginNeeded, Malformed, TryLater
from avsync.sandbox.server import Sandbox
from avsync.services.crafter.client import Crafter, load_schema
from avsync.services.http import Done, Http, NotSent, Rejected, Unknown
from tests.support.scripted_server import Scripted, answer, html

ODD = "Café É ß 😀 & < ' \n\u00a0"


def client(url: str, key: str = "k", overrides: Any = None) -> Crafter:
    http = Http(url, service="Crafter", connect=2, read=2, pause=lambda _: None)
    return Crafter(http, load_schema(overrides), auth=lambda: {"Authorization": f"Bearer {key}"})


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def crafter(box: Sandbox) -> Crafter:
    return client(box.crafter_url, box.api_key)


def ids(crafter: Crafter, kind: str, **options: Any) -> list[str]:
    return [row["id"] for page in crafter.pages(kind, **options) for row in page.rows]


# --- reading from the sandbox


def test_pages_are_complete(box: Sandbox, crafter: Crafter) -> None:
    made = [box.crafter.add("customers", name=f"Klant {number}") for number in range(450)]
    box.crafter.remove("customers", made[7])
    pages = list(crafter.pages("customer"))
    assert [len(page.rows) for page in pages] == [200, 200, 50]
    assert {row["id"] for page in pages for row in page.rows} == set(made)
    assert len(ids(crafter, "customer", include_deleted=False)) == 449
    assert pages[0].server_time is not None
    assert set(pages[0].rows[0]) == set(load_schema()["customer"].fields)


def test_pages_while_records_move(box: Sandbox, crafter: Crafter) -> None:
    box.crafter.ugly.repeat_across_pages = True
    box.crafter.ugly.move_while_paging = True
    box.crafter.ugly.extra_fields = {"vat": "NL1"}
    made = [box.crafter.add("customers", name=f"Klant {number}") for number in range(250)]
    found = ids(crafter, "customer")
    assert set(found) == set(made)
    assert len(found) > len(made)
    assert "vat" not in next(crafter.pages("customer")).rows[0]


def test_changes_and_filters(box: Sandbox, crafter: Crafter) -> None:
    old = box.crafter.add("customers", name="Oud", customer_number="1")
    new = box.crafter.add("customers", name="Nieuw", customer_number="2")
    since = box.crafter.record("customers", new)["updated_at"]
    assert ids(crafter, "customer", since=since) == [new]
    assert ids(crafter, "customer", filters={"customer_number": "1"}) == [old]
    assert [row["id"] for row in crafter.find("customer", {"customer_number": "2"})] == [new]
    assert crafter.find("customer", {"customer_number": "3"}) == []


def test_one_record(box: Sandbox, crafter: Crafter) -> None:
    made = box.crafter.add("customers", name=ODD)
    found = crafter.get("customer", made)
    assert found is not None
    assert found["name"] == ODD
    box.crafter.remove("customers", made)
    assert crafter.get("customer", made) is None
    assert crafter.get("customer", "a/b ?é") is None
    for impossible in ("", ".", ".."):
        with pytest.raises(Malformed):
            crafter.get("customer", impossible)


def test_work_orders_carry_their_lines(box: Sandbox, crafter: Crafter) -> None:
    customer = box.crafter.add("customers", name="Klant")
    line = {"article_number": "PUMP-1", "description": "Pomp", "quantity": "1.25", "checked": True}
    order = box.crafter.add("work-orders", customer_id=customer, lines=[line])
    found = crafter.get("order", order)
    assert found is not None
    assert line.items() <= found["lines"][0].items()
    assert crafter.find("order", {"customer_id": customer, "status": "open"})[0]["id"] == order


def test_the_account(box: Sandbox, crafter: Crafter) -> None:
    account = crafter.me()
    assert account["account_name"] == "Installatiebedrijf De Kraan"
    assert "work-orders" in account["features"]


def test_a_wrong_key_and_a_function_that_is_off(box: Sandbox, crafter: Crafter) -> None:
    stranger = client(box.crafter_url, "wrong")
    for call in (stranger.me, lambda: stranger.create("customer", {"name": "x"}, "k")):
        with pytest.raises(LoginNeeded) as refused:
            call()
        assert refused.value.code == "crafter_key_refused"
    box.crafter.features.discard("customers")
    for call in (lambda: crafter.find("customer", {}), lambda: crafter.create("customer", {"name": "x"}, "k")):
        with pytest.raises(FeatureOff) as off:
            call()
        assert off.value.params == {"resource": "customers"}


# --- writing to the sandbox


def test_create_and_update(box: Sandbox, crafter: Crafter) -> None:
    outcome = crafter.create("customer", {"name": ODD, "external_ref": "av:customer:1"}, "key-1")
    assert isinstance(outcome, Done)
    assert outcome.row is not None
    assert crafter.create("customer", {"name": ODD, "external_ref": "av:customer:1"}, "key-1") == outcome
    changed = crafter.update("customer", outcome.row["id"], {"phone": "010"})
    assert isinstance(changed, Done)
    assert box.crafter.records("customers") == [{**outcome.row, **(changed.row or {}), "phone": "010"}]


def test_dates_and_quantities_go_as_text() -> None:
    with Scripted(answer({"id": "1"}, "201 Created")) as server:
        client(server.url).create("project", {"start_date": date(2026, 1, 2), "description": Decimal("1.50")}, "k-7")
    line, headers, body = server.seen[0]
    assert line == "POST /api/projects HTTP/1.1"
    assert (headers["idempotency-key"], headers["authorization"]) == ('"k-7"', "Bearer k")
    assert json.loads(body) == {"start_date": "2026-01-02", "description": "1.50"}


def test_refusals(box: Sandbox, crafter: Crafter) -> None:
    taken = box.crafter.add("customers", name="Klant", customer_number="1")
    exists = crafter.create("customer", {"name": "Ander", "customer_number": "1"}, "k")
    assert isinstance(exists, Rejected)
    assert (exists.status, exists.existing_id, exists.missing) == (409, taken, False)
    wrong = crafter.create("customer", {"name": "x" * 256}, "k2")
    assert isinstance(wrong, Rejected)
    assert (wrong.status, wrong.fields[0][0], wrong.existing_id) == (422, "name", None)
    box.crafter.remove("customers", taken)
    gone = crafter.update("customer", taken, {"name": "Weg"})
    assert isinstance(gone, Rejected)
    assert (gone.status, gone.missing) == (404, True)


def test_the_timeline(box: Sandbox, crafter: Crafter) -> None:
    customer = box.crafter.add("customers", name="Klant")
    entry = {
        "entity": "customer",
        "entity_id": customer,
        "kind": "error",
        "message": "Klant kan niet mee.",
        "dedupe_key": f"avsync:customer:{customer}:customers",
        "resolved": False,
    }
    assert isinstance(crafter.post_timeline(entry, "t1"), Done)
    assert isinstance(crafter.post_timeline({**entry, "resolved": True}, "t2"), Done)
    (kept,) = box.crafter.timeline
    assert kept["resolved"] is True
    assert [row["message"] for row in crafter.find("timeline", {"entity": "customer", "entity_id": customer})] == [
        "Klant kan niet mee."
    ]


@pytest.mark.parametrize(
    ("fault", "outcome", "stored"),
    [
        ("500", Unknown("HTTP 500"), 0),
        ("html", Unknown("HTTP 502"), 0),
        ("drop", Unknown("connection dropped"), 0),
        ("commit_drop", Unknown("connection dropped"), 1),
        ("cut", Unknown("connection dropped"), 1),
        ("429", NotSent("HTTP 429", 1.0), 0),
    ],
)
def test_outcome_of_a_fault(box: Sandbox, crafter: Crafter, fault: str, outcome: object, stored: int) -> None:
    box.faults.add(side="crafter", method="POST", do=fault)
    assert crafter.create("customer", {"name": "Klant"}, "k") == outcome
    assert len(box.crafter.records("customers")) == stored
    assert len(box.requests) == 1


def test_reads_survive_faults(box: Sandbox, crafter: Crafter) -> None:
    box.crafter.add("customers", name="Klant")
    for fault in ("500", "html", "drop", "cut", "429"):
        box.faults.clear()
        box.faults.add(side="crafter", do=fault, times=2)
        assert len(ids(crafter, "customer")) == 1


def test_a_listing_that_breaks_off_raises(box: Sandbox, crafter: Crafter) -> None:
    box.crafter.ugly.tick = timedelta(hours=1)
    for number in range(201):
        box.crafter.add("customers", name=f"Klant {number}")
    box.faults.add(side="crafter", path="cursor", do="cut", times=0)
    pages = crafter.pages("customer")
    assert len(next(pages).rows) == 200
    with pytest.raises(TryLater):
        next(pages)
    assert len(box.requests) == 4


# --- shapes of answers


def test_a_repeated_cursor_raises() -> None:
    page = answer({"data": [{"id": "1"}], "next_cursor": "c"})
    with Scripted(page, repeat=True) as server:
        pages = client(server.url).pages("customer")
        with pytest.raises(TryLater) as broken:
            list(pages)
    assert (broken.value.code, broken.value.params["listing"]) == ("listing_broken", "/customers")
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "script",
    [
        html("404 Not Found"),
        html("403 Forbidden"),
        answer({"error": {"message": "x"}}, "404 Not Found"),
        answer({"error": {"message": "limit"}}, "422 No"),
        answer({"data": None, "next_cursor": None}),
        answer({"next_cursor": None}),
        answer([]),
        answer(b""),
    ],
)
def test_a_page_that_is_no_page_raises(script: Any) -> None:
    with Scripted(script, repeat=True) as server, pytest.raises(TryLater) as broken:
        list(client(server.url).pages("customer"))
    assert broken.value.code == "service_unreachable"
    assert len(server.seen) == 3


def test_a_record_in_a_lone_data() -> None:
    with Scripted(answer({"data": {"id": "1"}}), answer({"data": {"account_name": "A", "features": []}})) as server:
        reader = client(server.url)
        assert reader.get("customer", "1") == {"id": "1"}
        assert reader.me() == {"account_name": "A", "features": []}


def test_broken_rows_go_on() -> None:
    lines = {"id": "o", "lines": [None, {"id": "l", "extra": 1}], "x": 1}
    with Scripted(answer({"data": ["?", lines, {"lines": None}], "next_cursor": ""})) as server:
        (page,) = client(server.url).pages("order")
    assert page.rows == [
        {"_broken": "'?'"},
        {"id": "o", "lines": [{"_broken": "None"}, {"id": "l"}]},
        {"lines": None},
    ]


def test_find_does_not_trust_the_filter() -> None:
    rows = [
        {"id": "1", "external_ref": "av:1"},
        {"id": "2", "external_ref": "AV:1"},
        {"id": "3"},
        {"id": "4", "external_ref": "av:1", "deleted_at": "2026-01-01T00:00:00Z"},
        "?",
    ]
    with Scripted(answer({"data": rows, "next_cursor": None})) as server:
        found = client(server.url).find("customer", {"external_ref": "av:1"})
    assert [row["id"] for row in found] == ["1"]
    assert server.seen[0][0].startswith("GET /api/customers?limit=200&external_ref=av%3A1 ")


def test_overridden_names_work_both_ways() -> None:
    overrides = {
        "customer": {"path": "/klanten", "fields": {"name": "bedrijfsnaam"}},
        "order": {"fields": {"lines": "regels", "lines.quantity": "aantal"}},
    }
    refused = {"error": {"message": "nee", "fields": [{"name": "bedrijfsnaam", "message": "te lang"}, None]}}
    order = {"id": "7", "regels": [{"aantal": "2", "checked": True}]}
    with Scripted(
        answer({"id": "1", "bedrijfsnaam": "B"}, "201 Created"), answer(refused, "422 No"), answer(order)
    ) as s:
        crafter = client(s.url, overrides=overrides)
        assert crafter.create("customer", {"name": "B"}, "k") == Done({"id": "1", "name": "B"})
        assert crafter.update("customer", "1", {"name": "C"}) == Rejected("nee", 422, fields=(("name", "te lang"),))
        assert crafter.get("order", "7") == {"id": "7", "lines": [{"quantity": "2", "checked": True}]}
    assert [line.split()[1] for line, _, _ in s.seen] == ["/api/klanten", "/api/klanten/1", "/api/work-orders/7"]
    assert json.loads(s.seen[0][2]) == {"bedrijfsnaam": "B"}


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (answer(b"", "200 OK"), Done(None)),
        (answer({"ok": True}), Done(None)),
        (answer({"error": {"message": "half"}}), Unknown("HTTP 200 half")),
        (answer(b"", "404 Not Found"), Rejected("", 404, missing=True)),
        (html("404 Not Found"), Unknown("HTTP 404, no JSON")),
        (answer({"error": {"message": "x", "existing_id": 9}}, "409 No"), Rejected("x", 409, existing_id="9")),
        (answer({"error": "kort"}, "400 No"), Rejected("kort", 400)),
        (answer({"error": {"code": "vol"}}, "400 No"), Rejected("vol", 400)),
        (answer({"title": "Fout", "detail": "Naam ontbreekt"}, "422 No"), Rejected("Fout: Naam ontbreekt", 422)),
        (
            answer({"Title": "Fout", "errors": {"name": ["leeg", "kort"]}}, "400 No"),
            Rejected("Fout", 400, fields=(("name", "leeg; kort"),)),
        ),
        (
            answer({"message": "Nee", "errors": {"name": "leeg"}}, "422 No"),
            Rejected("Nee", 422, fields=(("name", "leeg"),)),
        ),
        (
            answer({"errors": [{"field": "name", "message": "leeg"}, "vol", {"detail": "kort"}]}, "422 No"),
            Rejected("vol; kort", 422, fields=(("name", "leeg"),)),
        ),
        (answer({"error": {"title": "Fout", "detail": "Fout"}}, "422 No"), Rejected("Fout", 422)),
        (answer({"message": "Nee"}, "408 Time-out"), Unknown("HTTP 408")),
        (answer({"message": "Nee"}, "425 Too Early"), Unknown("HTTP 425")),
        (answer({"data": {"id": "1", "name": "x"}}), Done({"id": "1", "name": "x"})),
        (answer(["?"], "422 No"), Rejected("", 422)),
    ],
)
def test_outcome_of_an_answer(script: Any, outcome: object) -> None:
    with Scripted(script) as server:
        assert client(server.url).update("customer", "1", {"name": "x"}) == outcome
