"""The seeded world must be the same every time, sound where it says so, and broken only where its table says so."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from avsync.sandbox import seed, seed_bad
from avsync.sandbox.accountview.options import Options
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.crafter_fields import RESOURCES, mistakes
from avsync.sandbox.crafter_store import CrafterStore

TODAY = date(2026, 11, 24)
START = "2026-01-01"


class Box:
    """Two stores without servers."""

    def __init__(self, world, **options):
        self.accountview = AccountViewStore(Options(**options))
        self.crafter = CrafterStore()
        world.fill(self)

    def everything(self):
        books = {name: self.accountview.rows(name) for name in self.accountview.tables}
        return books, {name: self.crafter.records(name) for name in RESOURCES}

    def book(self, table):
        key = self.accountview.tables[table].spec.key
        return {row[key]: row for row in self.accountview.rows(table)}

    def plan(self, resource):
        return {record["id"]: record for record in self.crafter.records(resource)}


@pytest.fixture(scope="module")
def sound():
    return Box(seed.world(bad=False, today=TODAY, customers=120, projects=40, orders=30, work_orders=60, hours=120))


@pytest.fixture
def broken():
    return Box(seed.world(today=TODAY))


def test_same_seed_same_world():
    world = seed.world(seed=7, today=TODAY)
    assert repr(world) == repr(seed.world(seed=7, today=TODAY))
    assert repr(world) != repr(seed.world(seed=8, today=TODAY))
    assert Box(world).crafter.records("hours") == Box(world).crafter.records("hours")
    assert Box(world).everything()[1] == Box(world).everything()[1]


def test_counts_and_an_empty_world(sound):
    tables = sound.accountview
    assert [len(tables.rows(name)) for name in ("CONTACT", "PROJECTS", "SO_HDR")] == [120, 40, 30]
    assert [sound.crafter.count(name) for name in ("work-orders", "hours")] == [60, 120]
    empty = Box(seed.world(customers=0, projects=0, orders=0, work_orders=0, hours=0, bad=False, today=TODAY))
    assert empty.crafter.count("customers") == len(empty.accountview.rows("CONTACT")) == 0
    assert Box(seed.World()).accountview.rows("HRS_CODE") == []


def test_many_records_have_numbers_of_their_own():
    world = seed.world(customers=12_000, projects=0, orders=0, work_orders=0, hours=0, today=TODAY)
    names = [columns["ACCT_NAME"].casefold() for table, columns in world.accountview if table == "CONTACT"]
    numbers = [columns["SUB_NR"] for table, columns in world.accountview if table == "CONTACT"]
    assert len(set(numbers)) == len(numbers)
    assert len(set(names)) == len(names)


def test_customers_show_every_sort(sound):
    rows = sound.accountview.rows("CONTACT")
    sorts = {(bool(row["ADDRESS1"]), bool(row["PO_BOX"])) for row in rows}
    assert sorts == {(True, True), (True, False), (False, True), (False, False)}
    names = " ".join(row["ACCT_NAME"] for row in rows)
    assert all(sign in names for sign in "éß&'")
    assert all(row["ACCT_NR"] == "1300" and row["ACCT_NAME"] for row in rows)
    assert any(row["SUB_NR"].startswith("0") for row in rows)
    oldest = (TODAY - timedelta(days=301)).isoformat()
    assert all(oldest < row["CNG_DATE"] < TODAY.isoformat() for row in rows)


def test_time_codes_and_employees_fit_the_example_config(sound):
    assert {"100", "200"} <= set(sound.book("HRS_CODE"))
    codes = {user["unique_code"] for user in sound.crafter.records("users")} - {None}
    assert codes == set(sound.book("EMPLOYEE"))
    assert {"0042", "0101", "101"} <= codes


def test_all_relations_in_accountview_exist(sound):
    for name, table in sound.accountview.tables.items():
        for column in table.spec.columns.values():
            if column.references:
                found = {row[column.name] for row in sound.accountview.rows(name)} - {""}
                assert found <= set(sound.book(column.references)), (name, column.name)


@pytest.mark.parametrize("resource", RESOURCES)
def test_all_records_in_crafter_would_pass_its_own_checks(sound, resource):
    known = RESOURCES[resource]

    def exists(name, found):
        return sound.crafter.get(name, found) is not None

    for record in sound.crafter.records(resource):
        body = {field.name: record[field.name] for field in known.fields if field.writable}
        assert mistakes(known, body, exists, True) == []


def test_what_work_orders_and_hours_need_is_known_on_both_sides(sound):
    customers, projects, orders = sound.plan("customers"), sound.plan("projects"), sound.plan("work-orders")
    books, coded, sales = sound.book("CONTACT"), sound.book("PROJECTS"), sound.book("SO_HDR")
    for project in projects.values():
        owner = customers[project["customer_id"]]
        assert coded[project["project_code"]]["SUB_NR"] == owner["customer_number"]
        assert coded[project["project_code"]]["PRO_STAT"] == "10"
    for order in orders.values():
        assert customers[order["customer_id"]]["customer_number"] in books
        if order["project_id"]:
            assert projects[order["project_id"]]["customer_id"] == order["customer_id"]
        if order["order_number"]:
            number = customers[order["customer_id"]]["customer_number"]
            assert sales[order["order_number"]]["RPL_DEL"] == number
    assert sum(bool(order["order_number"]) for order in orders.values()) == 3
    for customer in customers.values():
        if customer["customer_number"]:
            assert books[customer["customer_number"]]["ACCT_NAME"] == customer["name"]


def test_work_orders_and_hours_show_every_sort(sound):
    orders, hours = sound.crafter.records("work-orders"), sound.crafter.records("hours")
    assert {order["status"] for order in orders} == {"open", "planned", "completed", "checked", "cancelled"}
    ticks = {line["checked"] for order in orders if order["status"] == "checked" for line in order["lines"]}
    assert ticks == {True, False}
    articles = set(sound.book("ARTICLE"))
    assert all(line["article_number"] in articles for o in orders for line in o["lines"] if line["checked"])
    assert {line["kind"] for line in hours} == {"work", "travel"}
    assert "0.25" in {line["hours"] for line in hours}
    tied = {(bool(line["project_id"]), bool(line["work_order_id"])) for line in hours}
    assert {(True, False), (False, True), (True, True)} <= tied
    old = [line for line in hours if line["date"] < START]
    assert len(old) == 4
    assert sum(order["created_at"] < START for order in orders) == 3


def test_nothing_has_to_be_cut_or_translated(sound):
    columns = sound.accountview.tables["SO_HDR"].spec.columns
    for order in sound.crafter.records("work-orders"):
        assert len(order["description"]) <= columns["COMMENT1"].length
    for customer in sound.crafter.records("customers"):
        assert len(customer["name"]) <= 40
        customer["name"].encode("cp1252")


def test_the_table_in_the_docstring_is_complete():
    documented = {line.split()[0] for line in seed.__doc__.splitlines() if "  " in line.strip()} - {"name"}
    made = {bad.name for bad in seed_bad.table(TODAY)}
    assert documented == made - {"customer-long-order"}


def test_bad_records_are_bad(broken):
    assert broken.accountview.row("CONTACT", "90001")["ACCT_NAME"] == ""
    assert broken.accountview.row("PROJECTS", "P90-01")["PRO_TYPE"] == ""
    assert broken.accountview.row("PROJECTS", "P90-02")["BEG_DATE"] == "2026-02-31"
    typed = broken.crafter.record("work-orders", seed_bad.bad_id("order-unknown"))["order_number"]
    assert broken.accountview.row("SO_HDR", typed) is None
    line = broken.crafter.record("work-orders", seed_bad.bad_id("invoice-article"))["lines"][0]
    assert line["checked"]
    assert broken.accountview.row("ARTICLE", line["article_number"]) is None
    user = broken.crafter.record("users", seed_bad.bad_id("user-uncoded"))
    assert user["unique_code"] is None


def test_repair_mends_everything_and_may_be_done_twice(broken):
    seed.repair(broken, TODAY)
    once = broken.everything()
    seed.repair(broken, TODAY)
    assert [len(rows) for side in broken.everything() for rows in side.values()] == [
        len(rows) for side in once for rows in side.values()
    ]
    for name, table in broken.accountview.tables.items():
        for column in table.spec.columns.values():
            found = {row[column.name] for row in broken.accountview.rows(name)} - {""}
            assert not column.references or found <= set(broken.book(column.references)), (name, column.name)
    assert all(row["ACCT_NAME"] for row in broken.accountview.rows("CONTACT"))
    assert all(row["CNG_DATE"] < "2100" and "-13-" not in row["CNG_DATE"] for row in broken.accountview.rows("CONTACT"))
    assert all(row["PRO_TYPE"] for row in broken.accountview.rows("PROJECTS"))
    employees, articles = set(broken.book("EMPLOYEE")), set(broken.book("ARTICLE"))
    users, projects = broken.plan("users"), broken.plan("projects")
    for hour in broken.crafter.records("hours"):
        assert users[hour["user_id"]]["unique_code"] in employees
        assert date.fromisoformat(hour["date"]) <= TODAY
        assert float(hour["hours"]) > 0
        if hour["project_id"]:
            assert projects[hour["project_id"]]["project_code"] in broken.book("PROJECTS")
    for order in broken.crafter.records("work-orders"):
        assert order["order_number"] is None or order["order_number"] in broken.book("SO_HDR")
        assert all(line["article_number"] in articles for line in order["lines"] if line["checked"])
    assert all(len(customer["name"]) <= 40 for customer in broken.crafter.records("customers"))
