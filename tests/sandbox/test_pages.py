"""The pages are where a person works in the sandbox: every page opens, a form changes the store."""

from __future__ import annotations

import re
from datetime import date
from types import SimpleNamespace

import pytest
from flask import Flask

from avsync.sandbox import pages, seed
from avsync.sandbox.accountview.options import Options
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.crafter_store import CrafterStore


@pytest.fixture
def box():
    made = SimpleNamespace(accountview=AccountViewStore(Options()), crafter=CrafterStore())
    seed.world(customers=12, projects=4, orders=3, work_orders=6, hours=8, today=date(2026, 11, 24)).fill(made)
    return made


def client(blueprint):
    app = Flask("pages")
    app.register_blueprint(blueprint)
    return app.test_client()


@pytest.fixture
def books(box):
    return client(pages.accountview_pages(box))


@pytest.fixture
def planning(box):
    return client(pages.crafter_pages(box))


def text(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def form(browser, path):
    """The fields of a record's form as a browser would send them back untouched."""
    page = text(browser, path)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)
        if name and ("checkbox" not in tag or "checked" in tag.replace("-checked", "")):
            fields[name[1]] = unescaped(re.search(r'value="([^"]*)"', tag)[1])
    for name, value in re.findall(r'<textarea name="([^"]+)">\n(.*?)</textarea>', page, re.S):
        fields[name] = unescaped(value)
    for name, options in re.findall(r'<select name="([^"]+)">(.*?)</select>', page, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return fields


def unescaped(value):
    return value.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("side", ["books", "planning"])
def test_every_page_opens(side, request):
    browser = request.getfixturevalue(side)
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += [link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"]*)"', text(browser, path))]
    assert len(seen) > 60


def test_unknown_pages(books, planning):
    assert books.get("/records/NOPE").status_code == 404
    assert books.get("/records/CONTACT/NOPE").status_code == 404
    assert planning.get("/records/customers/nope").status_code == 404


def test_data_is_escaped(box, planning, books):
    evil = "<script>alert('x')</script>"
    customer = box.crafter.add("customers", name=evil)
    order = box.crafter.add("work-orders", customer_id=customer, description=evil, lines=[{"description": evil}])
    entry = {"entity": "customer", "entity_id": customer, "kind": "error", "message": evil}
    box.crafter.add("timeline", **entry)
    paths = ["/", "/records/customers", f"/records/customers/{customer}", f"/records/work-orders/{order}"]
    assert all("<script>alert" not in text(planning, path) for path in [*paths, f"/records/customers?q={evil}"])
    box.accountview.add("CONTACT", SUB_NR="X<1", ACCT_NAME=evil)
    assert "<script>alert" not in text(books, "/records/CONTACT") + text(books, "/records/CONTACT/X<1")


@pytest.mark.parametrize("side", ["books", "planning"])
def test_saving_an_untouched_form_changes_nothing(side, request, box):
    browser = request.getfixturevalue(side)
    before = (
        repr([box.accountview.rows(name) for name in box.accountview.tables]),
        repr(box.crafter.records("work-orders")),
    )
    places = ["CONTACT", "PROJECTS", "SO_HDR", "SO_LINE"] if side == "books" else ["work-orders", "customers", "hours"]
    for place in places:
        for path in set(re.findall(rf'href="(/records/{place}/[^"/]+)"', text(browser, f"/records/{place}"))):
            if not path.endswith("/new"):
                assert browser.post(path, data=form(browser, path)).status_code == 302
    after = (
        repr([box.accountview.rows(name) for name in box.accountview.tables]),
        repr(box.crafter.records("work-orders")),
    )
    assert before == after


def test_a_person_edits_adds_and_deletes_in_accountview(box, books):
    fields = form(books, "/records/CONTACT/10001")
    books.post("/records/CONTACT/10001", data=fields | {"TEL_BUS": "058-1", "REC_BLK": "1"})
    row = box.accountview.row("CONTACT", "10001")
    assert (row["TEL_BUS"], row["REC_BLK"]) == ("058-1", True)
    wrong = books.post("/records/CONTACT/10001", data=fields | {"ACCT_NAME": "x" * 41})
    assert "langer dan 40" in wrong.get_data(as_text=True)
    made = books.post("/records/SO_LINE/new", data={"ORD_NR": "26000001", "ART_CODE": "pump-1", "ORD_QTY": "2.5"})
    key = made.headers["Location"].split("/")[-1].split("?")[0]
    assert box.accountview.row("SO_LINE", key)["ART_CODE"] == "PUMP-1"
    assert "PUMP-1" in text(books, "/records/SO_HDR/26000001")
    books.post(f"/records/SO_LINE/{key}", data={"delete": "1"})
    assert box.accountview.row("SO_LINE", key) is None


def test_a_person_ticks_a_line_and_checks_a_work_order(box, planning):
    order = next(row for row in box.crafter.records("work-orders") if row["status"] == "open" and row["lines"])
    path = f"/records/work-orders/{order['id']}"
    changed = {"status": "checked", "line-0-checked": "1", "line-0-quantity": "3"}
    planning.post(path, data=form(planning, path) | changed)
    after = box.crafter.record("work-orders", order["id"])
    assert after["status"] == "checked"
    assert after["lines"][0] == order["lines"][0] | {"checked": True, "quantity": "3"}
    assert after["lines"][1:] == order["lines"][1:]


def test_a_person_makes_and_deletes_a_customer_in_crafter(box, planning):
    assert "verplicht" in planning.post("/records/customers/new", data={"name": " "}).get_data(as_text=True)
    made = planning.post("/records/customers/new", data={"name": "Nieuw & Co"}).headers["Location"]
    key = made.split("/")[-1].split("?")[0]
    assert box.crafter.record("customers", key)["name"] == "Nieuw & Co"
    planning.post(f"/records/customers/{key}", data={"delete": "1"})
    assert box.crafter.record("customers", key) is None


def test_the_timeline_stands_with_its_record(box, planning):
    hour = box.crafter.records("hours")[0]["id"]
    body = {"entity": "hour", "entity_id": hour, "kind": "error", "message": "Uren geweigerd", "dedupe_key": "k"}
    box.crafter.create("timeline", body)
    assert "Uren geweigerd" in text(planning, f"/records/hours/{hour}")
    assert "Uren geweigerd" in text(planning, "/")
    box.crafter.create("timeline", body | {"resolved": True})
    assert "opgelost" in text(planning, f"/records/hours/{hour}")
    assert "Uren geweigerd" not in text(planning, "/")


def test_search_and_pages(box, books):
    for number in range(60):
        box.accountview.add("ARTICLE", ART_CODE=f"Z{number:03d}", ART_DESC1="Zaagblad")
    assert "Z030" not in text(books, "/records/ARTICLE")
    assert "Z030" in text(books, "/records/ARTICLE?page=2")
    found = text(books, "/records/ARTICLE?q=zaagblad")
    assert "(60)" in found
    assert "PUMP-1" not in found
