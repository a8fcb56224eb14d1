"""What follows from the declarations of the kinds: their order, what a flow needs of either side, who hangs on whom."""

from __future__ import annotations

import pytest

from avsync.records.kind import Kind
from avsync.records.registry import (
    FLOWS,
    KINDS,
    LISTS,
    accountview_needs,
    children,
    crafter_needs,
    is_optional,
    kinds_of,
    listing,
    listings,
    lists_of,
    referring,
    wanted,
    writable,
)
from avsync.records.values import Record, Side
from avsync.services.accountview.schema import load_schema
from avsync.services.crafter.client import load_schema as load_crafter_schema
from tests.support.by_hand import AV, CR, joined, policy, record

EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def test_what_is_referred_to_stands_before_what_refers_to_it() -> None:
    assert list(FLOWS) == ["customers", "projects", "orders", "invoice", "hours"]
    order = list(KINDS)
    for kind in KINDS.values():
        before = {one.ref for one in kind.fields} | {kind.details_of}
        before |= {one.over.kind for one in kind.fields if one.over}
        assert all(order.index(name) < order.index(kind.name) for name in before - {""}), kind.name


@EACH
def test_every_field_refers_to_a_kind_or_a_list_that_there_is(kind: Kind) -> None:
    for one in kind.fields:
        assert {one.ref, one.over.kind if one.over else ""} - {""} <= KINDS.keys()
        assert not one.over or {one.over.by, one.over.own} <= {field.name for field in kind.fields}
        assert {one.list, one.against} - {""} <= LISTS.keys()
        assert not one.against or LISTS[one.against].side == AV
    assert set(kind.lists) <= LISTS.keys()
    named = {one.name for one in kind.fields}
    days = {name for side, name in kind.day.items() if side == CR or not kind.details_of}
    assert {kind.belongs_to, *days, *(one.instead for one in kind.fields)} - {""} <= named
    assert set(kind.known_by) <= named | {"id"}
    assert {kind.flow} <= set(FLOWS)


@EACH
def test_every_name_of_a_kind_stands_in_the_schema_of_its_side(kind: Kind) -> None:
    table, resource = load_schema()[kind.table], load_crafter_schema()[kind.resource]
    assert table.key == (kind.id if kind.table == kind.name else KINDS[kind.table].id)
    columns = {one.accountview for one in kind.fields if not kind.within} - {None}
    columns |= {column for places in kind.within.values() for column in places.values()}
    columns |= {column for column, _, _ in (kind.configured(policy()) if kind.configured else ())}
    columns |= {"changed_at"} if kind.changed_at and kind.table == kind.name and not kind.details_of else set()
    assert columns | ({"reference"} if kind.bears else set()) <= table.columns.keys()
    fields = {one.crafter for one in kind.fields}
    fields |= {"id", "updated_at"} | ({"external_ref"} if kind.marked else set())
    assert fields - {None, ""} <= resource.fields.keys()


@pytest.mark.parametrize("name", LISTS)
def test_every_list_stands_in_the_schema_of_its_side(name: str) -> None:
    assert name in (load_schema() if LISTS[name].side == AV else load_crafter_schema())


def test_what_may_not_be_made_or_changed_in_the_books_is_declared() -> None:
    assert {kind.name for kind in KINDS.values() if AV not in kind.made} == {"location", "contact", "project_type"}
    assert {kind.name for kind in KINDS.values() if AV not in kind.changed} == {"contact", "project_type"}
    assert {kind.name for kind in KINDS.values() if CR not in kind.made | kind.changed} == {"order_line", "hour"}
    assert [kind.name for kind in writable("customers")] == ["customer", "location"]
    assert [kind.name for kind in writable("projects")] == ["project"]


@pytest.mark.parametrize(
    ("kind", "field", "direction", "origin", "may"),  # may (AccountView, Crafter) be written
    [
        ("customer", "phone", "both", AV, (True, True)),
        ("customer", "phone", "import", AV, (False, True)),
        ("customer", "phone", "export", AV, (True, False)),
        ("customer", "number", "export", CR, (False, True)),  # its owner hands it on
        ("customer", "postal_code", "both", AV, (True, False)),  # not in Crafter
        ("location", "street", "both", AV, (True, True)),
        ("location", "label", "both", AV, (False, True)),  # not in that row
        ("contact", "email", "both", AV, (False, True)),
        ("order", "customer", "both", AV, (False, False)),
        ("order", "project", "both", AV, (False, True)),
        ("order", "project", "both", CR, (True, False)),
        ("order", "project", "import", CR, (False, False)),
        ("hour", "quantity", "export", CR, (True, False)),
    ],
)
def test_who_may_write_a_field_of_a_linked_record(
    kind: str, field: str, direction: str, origin: Side, may: tuple[bool, bool]
) -> None:
    one, link = KINDS[kind], joined(kind, ("10001:postal", {}), ("x", {}), origin)
    assert one.may_write(one.field(field), link, policy({one.flow: direction})) == may


@pytest.mark.parametrize(
    ("one", "direction", "comes"),
    [
        (record("customer", AV), "import", True),
        (record("customer", AV), "export", False),
        (record("customer", CR), "import", False),
        (record("project_type", CR), "both", False),
        (record("project", AV), "both", True),
        (record("project", AV, end_date="2026-05-31"), "both", False),
        (record("project", AV), "export", False),
        (record("order", AV, order_date="2025-12-31"), "both", False),
        (record("order", CR), "both", True),
    ],
)
def test_what_will_still_come_is_what_its_flow_makes_across(one: Record, direction: str, comes: bool) -> None:
    kind = KINDS[one.kind]
    assert kind.comes(one, policy({kind.flow: direction})) == comes


@pytest.mark.parametrize(
    ("one", "fate"),
    [
        (record("order", AV), "drop"),
        (record("order", AV, reference="avs1"), "keep"),
        (record("order", CR), "drop"),
        (record("order", CR, order_number="20001"), "keep"),
        (record("order", CR, external_ref="av:DEMO:order:1"), "keep"),
        (record("order", CR, order_number="20001", status="cancelled"), "drop"),
    ],
)
def test_where_orders_are_not_made_only_those_that_may_be_ours_are_kept(one: Record, fate: str) -> None:
    direction = "export" if one.side == AV else "import"
    kind = KINDS["order"]
    assert kind.fate is not None
    assert kind.fate(one, policy({"orders": direction})) == fate


def test_an_address_is_written_in_the_row_of_its_customer_and_a_number_may_hold_a_colon() -> None:
    assert KINDS["location"].row_key("10001:postal") == "10001"
    assert KINDS["order"].row_key("A:1") == "A:1"


def test_who_hangs_on_whom() -> None:
    assert [kind.name for kind in children("customer")] == ["location", "contact"]
    assert children("order") == children("project") == []
    assert [(kind.name, field) for kind, field in referring("customer")] == [("project", "customer")]
    assert [(kind.name, field) for kind, field in referring("project")] == [("order", "project")]
    assert [(kind.name, field) for kind, field in referring("project_type")] == [("project", "type")]


# listings


def test_each_listing_is_read_once_and_a_flow_reads_accountview_first() -> None:
    names = [one.name for one in listings()]
    assert names == [
        "accountview:customer", "accountview:contact", "crafter:customer", "crafter:location", "crafter:contact",
        "accountview:project_type", "accountview:project", "crafter:project_type", "crafter:project",
        "accountview:order", "crafter:order", "accountview:hour", "crafter:hour",
    ]  # fmt: skip


def test_a_row_that_holds_several_kinds_is_read_for_the_one_it_stands_for_first() -> None:
    assert [kind.name for kind in listing(AV, KINDS["location"]).makes] == ["customer", "location"]
    assert [kind.name for kind in listing(CR, KINDS["order_line"]).makes] == ["order", "order_line"]
    assert [kind.name for kind in listing(CR, KINDS["location"]).makes] == ["location"]
    books = {one.kind: (one.key, one.changed) for one in listings() if one.side == AV}
    assert books == {
        "customer": ("number", "changed_at"), "contact": ("code", "changed_at"), "project_type": ("code", None),
        "project": ("code", "changed_at"), "order": ("number", "changed_at"), "hour": ("id", "changed_at"),
    }  # fmt: skip
    assert [one.name for one in listings() if one.recent] == ["accountview:hour"]
    assert {(one.key, one.changed) for one in listings() if one.side == CR} == {("id", "updated_at")}


@pytest.mark.parametrize(
    ("flows", "asked", "names"),
    [
        ({"customers": "import"}, ["customers"], {"customer", "location", "contact"}),
        ({"customers": "export"}, ["customers"], {"customer", "location"}),  # contacts are of no use to it
        ({"customers": "off"}, ["customers"], set()),
        ({}, ["invoice"], {"order"}),  # its rows are work orders
        ({}, ["hours"], {"hour"}),
        ({"projects": "export"}, ["projects", "hours"], {"project_type", "project", "hour"}),
    ],
)
def test_a_flow_reads_what_it_writes_and_what_it_recognises_it_by(
    flows: dict[str, str], asked: list[str], names: set[str]
) -> None:
    found = wanted(policy(flows), asked)
    assert {one.kind for one in found} == names
    assert not [one.name for one in found if one.recent]


# needs


READ, INSERT, WRITE = frozenset({"read"}), frozenset({"read", "insert"}), frozenset({"read", "insert", "update"})
UPDATE = frozenset({"read", "update"})


@pytest.mark.parametrize(
    ("flow", "direction", "needs"),
    [
        ("customers", "import", {"customer": READ, "contact": READ}),
        ("customers", "export", {"customer": WRITE}),
        ("customers", "both", {"customer": WRITE, "contact": READ}),
        ("projects", "import", {"project_type": READ, "project": READ, "customer": READ}),
        ("projects", "export", {"project_type": READ, "project": WRITE, "customer": READ}),
        ("orders", "import", {"order": READ, "customer": READ, "project": READ}),
        ("orders", "both", {"order": WRITE, "customer": READ, "project": READ}),
        ("invoice", "export", {"order_line": INSERT, "order": UPDATE, "article": READ}),
        ("hours", "export", {"hour": WRITE, "project": READ, "employee": READ, "time_code": READ}),
        ("hours", "off", {}),
    ],
)
def test_the_rights_a_flow_needs_in_accountview(flow: str, direction: str, needs: dict[str, frozenset[str]]) -> None:
    assert accountview_needs(flow, {flow: direction}) == needs


@pytest.mark.parametrize(
    ("flow", "direction", "needs"),
    [
        ("customers", "import", {"customer", "location", "contact"}),
        ("customers", "export", {"customer", "location"}),
        ("projects", "both", {"project_type", "project", "customer", "user"}),
        ("orders", "export", {"order", "customer", "project", "work_type"}),
        ("invoice", "export", {"order"}),
        ("hours", "export", {"hour", "project", "order", "user"}),
        ("orders", "off", set()),
    ],
)
def test_what_a_flow_reads_or_writes_in_crafter(flow: str, direction: str, needs: set[str]) -> None:
    assert crafter_needs(flow, {flow: direction}) == needs


def test_modules_that_accountview_may_lack() -> None:
    assert {name for name in (*KINDS, *LISTS) if is_optional(name)} == {"contact", "employee", "time_code"}
    assert [one.name for one in lists_of(KINDS["hour"])] == ["user", "employee", "time_code"]
    assert [kind.name for kind in kinds_of("customers")] == ["customer", "location", "contact"]
