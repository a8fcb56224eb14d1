"""The sandbox's Crafter must speak the Crafter contract to the letter: all of avsync is tried on it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from avsync.sandbox.crafter import create_app
from avsync.sandbox.crafter_store import CrafterStore
from avsync.sandbox.crafter_ugly import Ugly


class Api:
    """A test client that carries the key and knows the base path."""

    def __init__(self, store):
        self.store = store
        self.client = create_app(store).test_client()
        self.headers = {"Authorization": f"Bearer {store.api_key}"}

    def call(self, method, path, **options):
        headers = self.headers | options.pop("headers", {})
        return self.client.open(f"/api/v1/{path}", method=method, headers=headers, **options)

    def get(self, path, **query):
        return self.call("GET", path, query_string=query)

    def post(self, path, body, key=""):
        return self.call("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def patch(self, path, body):
        return self.call("PATCH", path, json=body)

    def listing(self, path, **query):
        """All records of a listing, page by page, as they come."""
        rows, cursor = [], {}
        while True:
            answer = self.get(path, **query, **cursor).json
            rows += answer["data"]
            if answer["next_cursor"] is None:
                return rows
            cursor = {"cursor": answer["next_cursor"]}


@pytest.fixture
def store():
    return CrafterStore()


@pytest.fixture
def api(store):
    return Api(store)


def faults(answer):
    return {field["name"] for field in answer.json["error"]["fields"]}


def test_key_and_switched_off_features(api, store):
    assert api.call("GET", "customers", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.call("GET", "me", headers={"Authorization": ""}).json["error"]["code"] == "unauthorized"
    store.features.discard("hours")
    assert api.get("hours").status_code == 403
    assert "hours" not in api.get("me").json["features"]
    assert api.get("customers").status_code == 200


def test_create_read_change(api):
    made = api.post("customers", {"name": "Café ’t Hœkje & Zn <b>\n\u00a0🙂"})
    assert made.status_code == 201
    record = made.json
    assert record["name"].endswith("🙂")
    assert record["customer_number"] is None
    assert record["deleted_at"] is None
    changed = api.patch(f"customers/{record['id']}", {"phone": "0512-1"})
    assert changed.status_code == 200
    assert changed.json["name"] == record["name"]
    assert changed.json["updated_at"] > record["updated_at"]
    assert api.get(f"customers/{record['id']}").json == changed.json
    assert api.get("customers/nope").status_code == 404
    assert api.patch("customers/nope", {"phone": "1"}).status_code == 404
    assert api.get("nope").status_code == 404
    assert api.get("nope").json["error"]["code"] == "not_found"


def test_moments_and_clock(store, api):
    store.ugly.clock_shift = timedelta(hours=-3)
    made = api.post("customers", {"name": "A"})
    at = datetime.fromisoformat(made.json["updated_at"])
    assert made.json["updated_at"].endswith("Z")
    assert len(made.json["updated_at"]) == len("2026-11-24T12:00:00.000001Z")
    assert timedelta(hours=2) < datetime.now(UTC) - at < timedelta(hours=4)
    told = datetime.strptime(made.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(told - at) < timedelta(seconds=5)


def test_moments_are_all_different_unless_the_clock_is_coarse(store):
    for number in range(50):
        store.add("customers", name=str(number))
    moments = [row["updated_at"] for row in store.records("customers")]
    assert len(set(moments)) == 50
    store.ugly.tick = timedelta(hours=1)
    for number in range(5):
        store.add("work-types", name=str(number))
    assert len({row["updated_at"] for row in store.records("work-types")}) == 1


def test_listing_pages_through_one_moment(store, api):
    store.ugly.tick = timedelta(hours=1)
    ids = {store.add("customers", name=str(number)) for number in range(25)}
    rows = api.listing("customers", limit=10)
    assert [(row["updated_at"], row["id"]) for row in rows] == sorted((r["updated_at"], r["id"]) for r in rows)
    assert len(rows) == 25
    assert {row["id"] for row in rows} == ids


def test_changes_since_are_inclusive_and_show_tombstones_on_request(store, api):
    first, second, third = (store.add("customers", name=name) for name in "ABC")
    since = store.record("customers", second)["updated_at"]
    store.remove("customers", first)
    assert [row["id"] for row in api.listing("customers", updated_since=since)] == [second, third]
    everything = api.listing("customers", updated_since=since, include_deleted="true")
    assert [row["id"] for row in everything] == [second, third, first]
    assert everything[-1]["deleted_at"] == everything[-1]["updated_at"]
    assert api.get(f"customers/{first}").status_code == 404
    assert api.listing("customers", updated_since=since.replace("Z", "+00:00"))[0]["id"] == second


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "201"},
        {"limit": "0"},
        {"limit": "x"},
        {"cursor": "x"},
        {"updated_since": "2026-11-24"},
        {"updated_since": "gisteren"},
        {"unique_code": "1"},
    ],
)
def test_wrong_parameters(api, query):
    answer = api.get("customers", **query)
    assert answer.status_code == 422
    assert faults(answer) == set(query)


def test_filters_are_exact(store, api):
    store.add("users", name="A", unique_code="0042")
    store.add("users", name="B", unique_code="42")
    store.add("projects", project_code="P-a")
    assert [row["name"] for row in api.listing("users", unique_code="0042")] == ["A"]
    assert api.listing("projects", project_code="P-A") == []
    assert api.listing("projects", project_code="") == []


def test_filters_over_many_matches(store, api):
    for number in range(1200):
        store.add("work-orders", status="open" if number % 10 else "checked", description=str(number))
    assert len(api.listing("work-orders", status="open", limit=200)) == 1080
    assert len(api.listing("work-orders", status="checked", limit=50)) == 120


def test_the_filter_index_follows_changes(store, api):
    order = store.add("work-orders", description="x", order_number="100")
    store.edit("work-orders", order, order_number="200")
    assert api.listing("work-orders", order_number="100") == []
    assert [row["id"] for row in api.listing("work-orders", order_number="200")] == [order]


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("customers", {}, {"name"}),
        ("customers", {"name": " "}, {"name"}),
        ("customers", {"name": None}, {"name"}),
        ("customers", {"name": "n" * 256, "phone": "1" * 51, "colour": "red"}, {"name", "phone", "colour"}),
        ("customers", {"name": "A", "id": "1", "updated_at": "x"}, {"id", "updated_at"}),
        ("customers", {"name": 7}, {"name"}),
        ("work-locations", {"customer_id": "nope"}, {"customer_id"}),
        ("work-locations", {"customer_id": "C", "is_main": "yes", "country": "NLD"}, {"is_main", "country"}),
        ("projects", {"project_code": "P1", "name": "P"}, {"customer_id", "project_type_id"}),
        ("work-orders", {"customer_id": "C", "status": "paused"}, {"status"}),
        ("work-orders", {"customer_id": "C", "status": None}, {"status"}),
        ("work-orders", {"customer_id": "C", "target_date": "2026-02-30"}, {"target_date"}),
        ("work-orders", {"customer_id": "C", "target_date": "20260228"}, {"target_date"}),
        ("work-orders", {"customer_id": "C", "lines": [], "number": "1"}, {"lines", "number"}),
        ("work-orders", {"customer_id": "C", "work_type_id": "nope"}, {"work_type_id"}),
        (
            "timeline",
            {"entity": "customer", "entity_id": "nope", "kind": "info", "message": "m"},
            {"entity_id"},
        ),
        ("timeline", {"entity": "user", "entity_id": "C", "kind": "info", "message": "m"}, {"entity"}),
        (
            "timeline",
            {"entity": "customer", "entity_id": "C", "kind": "info", "message": "m" * 2001},
            {"message"},
        ),
    ],
)
def test_bodies_that_are_refused(store, api, path, body, wrong):
    store.add("customers", id="C", name="Klant")
    before = [store.count(name) for name in store.features]
    answer = api.post(path, body)
    assert answer.status_code == 422
    assert faults(answer) == wrong
    assert [store.count(name) for name in store.features] == before


def test_a_body_that_is_no_object(api):
    assert api.call("POST", "customers", data="{").status_code == 400
    assert api.call("POST", "customers", data="[]").status_code == 400


def test_natural_keys_name_the_record_in_the_way(store, api):
    customer = api.post("customers", {"name": "A", "customer_number": "10001"}).json["id"]
    again = api.post("customers", {"name": "B", "customer_number": "10001"})
    assert again.status_code == 409
    assert again.json["error"]["existing_id"] == customer
    other = api.post("customers", {"name": "B"}).json["id"]
    assert api.patch(f"customers/{other}", {"customer_number": "10001"}).status_code == 409
    assert api.patch(f"customers/{customer}", {"customer_number": "10001"}).status_code == 200
    kind = api.post("project-types", {"code": "ONDERHOUD", "name": "Onderhoud"}).json["id"]
    assert api.post("project-types", {"code": "ONDERHOUD", "name": "x"}).json["error"]["existing_id"] == kind
    body = {"project_code": "P1", "name": "P", "customer_id": customer, "project_type_id": kind}
    assert [api.post("projects", body).status_code for _ in range(2)] == [201, 409]
    body = {"customer_id": customer, "order_number": "500"}
    assert [api.post("work-orders", body).status_code for _ in range(2)] == [201, 409]
    store.remove("customers", customer)
    assert api.post("customers", {"name": "B", "customer_number": "10001"}).status_code == 201


def test_idempotency_key(store, api):
    first = api.post("customers", {"name": "A"}, key="k1")
    again = api.post("customers", {"name": "A"}, key="k1")
    assert (again.status_code, again.json) == (201, first.json)
    assert store.count("customers") == 1
    assert api.post("customers", {"name": ""}, key="k2").status_code == 422
    assert api.post("customers", {"name": "B"}, key="k2").status_code == 201
    store.ugly.ignore_idempotency = True
    api.post("customers", {"name": "A"}, key="k1")
    assert store.count("customers") == 3


def test_one_main_location_per_customer(store, api):
    customer = api.post("customers", {"name": "A"}).json["id"]
    first = api.post("work-locations", {"customer_id": customer, "is_main": False}).json
    second = api.post("work-locations", {"customer_id": customer}).json
    assert (first["is_main"], second["is_main"]) == (True, False)
    third = api.post("work-locations", {"customer_id": customer, "is_main": True}).json
    mains = [row["id"] for row in store.records("work-locations") if row["is_main"]]
    assert mains == [third["id"]]
    refused = api.patch(f"work-locations/{third['id']}", {"is_main": False})
    assert (refused.status_code, faults(refused)) == (422, {"is_main"})
    assert api.patch(f"work-locations/{second['id']}", {"is_main": True}).json["is_main"] is True
    store.remove("work-locations", second["id"])
    assert [row["id"] for row in store.records("work-locations") if row["is_main"]] == [first["id"]]


def test_deleting_a_customer_takes_its_parts_along(store, api):
    customer, other = store.add("customers", name="A"), store.add("customers", name="B")
    for owner in (customer, other):
        store.add("work-locations", customer_id=owner)
        store.add("contacts", customer_id=owner)
    store.remove("customers", customer)
    assert [store.count(name) for name in ("customers", "work-locations", "contacts")] == [1, 1, 1]
    assert len(api.listing("contacts", include_deleted="true")) == 2
    assert api.post("contacts", {"customer_id": customer}).status_code == 422


@pytest.mark.parametrize("path", ["users", "work-types", "hours"])
def test_read_only_resources(store, api, path):
    record = store.add(path)
    assert api.post(path, {"name": "x"}).status_code == 405
    assert api.patch(f"{path}/{record}", {"name": "x"}).status_code == 405
    assert api.get(f"{path}/{record}").status_code == 200


def test_nothing_can_be_deleted_over_the_wire(store, api):
    customer = store.add("customers", name="A")
    assert api.call("DELETE", f"customers/{customer}").status_code == 405
    assert store.count("customers") == 1


def test_work_orders_and_their_lines(store, api):
    customer = store.add("customers", name="A")
    order = store.add("work-orders", customer_id=customer, lines=[{"article_number": "PUMP-1", "quantity": "2.5"}])
    shown = api.get(f"work-orders/{order}").json
    assert shown["number"] == "WB00001"
    assert shown["status"] == "open"
    line = shown["lines"][0]
    assert (line["article_number"], line["quantity"], line["checked"]) == ("PUMP-1", "2.5", False)
    store.edit("work-orders", order, status="checked", lines=[{**line, "checked": True}, {"description": "Kit"}])
    lines = api.get(f"work-orders/{order}").json["lines"]
    assert [entry["checked"] for entry in lines] == [True, False]
    assert lines[0]["id"] == line["id"] != lines[1]["id"]
    assert api.patch(f"work-orders/{order}", {"order_number": "500", "status": "planned"}).status_code == 200


def test_timeline_updates_by_key_and_remembers(store, api):
    customer, other = store.add("customers", name="A"), store.add("customers", name="B")
    body = {
        "entity": "customer",
        "entity_id": customer,
        "kind": "error",
        "message": "Naam te lang",
        "dedupe_key": "k",
    }
    first = api.post("timeline", body)
    assert (first.status_code, first.json["resolved"]) == (201, False)
    second = api.post("timeline", body | {"message": "Opgelost", "kind": "info", "resolved": True})
    assert (second.status_code, second.json["id"]) == (200, first.json["id"])
    assert api.post("timeline", body | {"entity_id": other}).status_code == 200
    assert api.post("timeline", body | {"dedupe_key": "k2"}).status_code == 201
    assert api.patch(f"timeline/{first.json['id']}", {"message": "x"}).status_code == 405
    assert len(api.listing("timeline", entity="customer", entity_id=other)) == 1
    entry = next(entry for entry in store.timeline if entry["dedupe_key"] == "k")
    assert [said["message"] for said in entry["history"]] == ["Naam te lang", "Opgelost", "Naam te lang"]
    assert [said["resolved"] for said in entry["history"]] == [False, True, False]


def test_a_person_may_do_what_the_api_refuses(store, api):
    order = store.add("work-orders", customer_id="gone", status="ingepland", target_date="31-02-2026")
    assert api.get(f"work-orders/{order}").json["status"] == "ingepland"
    with pytest.raises(ValueError, match="colour"):
        store.add("customers", colour="red")
    with pytest.raises(KeyError):
        store.edit("customers", "nope", name="x")


def test_what_a_person_reads_is_a_copy(store):
    order = store.add("work-orders", lines=[{"description": "a"}])
    store.records("work-orders")[0]["lines"][0]["description"] = "b"
    store.record("work-orders", order)["status"] = "checked"
    assert store.record("work-orders", order)["lines"][0]["description"] == "a"
    assert store.record("work-orders", order)["status"] == "open"


def test_ugliness_the_same_record_twice():
    store = CrafterStore(ugly=Ugly(repeat_across_pages=True))
    for number in range(7):
        store.add("customers", name=str(number))
    names = [row["name"] for row in Api(store).listing("customers", limit=3)]
    assert names == list("012234456")


def test_ugliness_a_record_moves_while_paging():
    store = CrafterStore(ugly=Ugly(move_while_paging=True))
    for number in range(7):
        store.add("customers", name=str(number))
    assert [row["name"] for row in Api(store).listing("customers", limit=3)] == list("01234560")


def test_ugliness_unknown_fields_and_values():
    store = CrafterStore()
    order = store.add("work-orders", status="planned", description="x")
    store.ugly = Ugly(
        extra_fields={"kleur": "#fff"},
        enum_values={"planned": "ingepland"},
        null_fields=frozenset({"description"}),
    )
    shown = Api(store).get(f"work-orders/{order}").json
    assert (shown["kleur"], shown["status"], shown["description"]) == ("#fff", "ingepland", None)
    assert store.record("work-orders", order)["status"] == "planned"


def test_many_hands_at_once(store, api):
    def work(name):
        for number in range(50):
            made = api.post("customers", {"name": f"{name}{number}", "customer_number": str(number)})
            assert made.status_code in (201, 409)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.records("customers")
    assert sorted(int(row["customer_number"]) for row in rows) == list(range(50))
    assert len({row["updated_at"] for row in rows}) == 50
