"""What a row of either side becomes, kind by kind: its canonical values, what it is known by, when it is illegible."""

from __future__ import annotations

from typing import Any

import pytest

from avsync.records.kind import Policy, as_meant
from avsync.records.registry import KINDS, listing
from avsync.records.rows import PAGE, Reach, read_records
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Malformed, Side, reference
from tests.support.by_hand import AV, CR, POLICY, ask, joined, knows, policy, record, row

PERSON = {"salutation": "Dhr.", "first_name": "Jan", "last_name": "de Wit", "email": "jan@example.nl", "phone": None}
PLACE = {"street": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
TERM = {"name": "Ketelhuis", "start_date": "2026-03-01", "end_date": None, "description": "een\ntwee"}
BOOKED = {"date": "2026-03-06", "quantity": "7.5"}


@pytest.mark.parametrize(
    ("kind", "side", "fields"),
    [
        ("customer", AV, {"number": "10001", "name": "Jansen BV", "phone": "030-1", "email": None,
                          "street": "Dorpsstraat 1", "postal_code": "1234 AB", "postal_street": None,
                          "postal_postal_code": None, "country": "NL", "addressed": "true",
                          "created_at": "2026-01-02T09:00:00", "made_at": None}),
        ("customer", CR, {"number": "10001", "name": "Jansen BV", "phone": "030-1", "email": None, "street": None,
                          "postal_code": None, "postal_street": None, "postal_postal_code": None, "country": None,
                          "addressed": None, "created_at": None, "made_at": None}),
        ("location", CR, {"customer": "c1", "main": "true", **PLACE, "label": "Kantoor"}),
        ("contact", AV, {"customer": "10001", **PERSON, "mobile": "06-1"}),
        ("contact", CR, {"customer": "c1", **PERSON, "mobile": "06-1"}),
        ("project_type", AV, {"code": "OND", "name": "Onderhoud"}),
        ("project_type", CR, {"code": "OND", "name": "Onderhoud"}),
        ("project", AV, {**TERM, "code": "P100", "customer": "10001", "type": "OND", "employee": "007", "status": "L"}),
        ("project", CR, {**TERM, "code": "P100", "customer": "c1", "type": "t1", "employee": "u1", "status": None}),
        ("order", AV, {"number": "20001", "customer": "10001", "project": "P100", "description": "Storing",
                       "target_date": "2026-03-20", "work_type": "Service", "status": None, "own_number": None,
                       "order_date": "2026-03-05", "made_at": None, "reference": None}),
        ("order", CR, {"number": None, "customer": "c1", "project": "j1", "description": "Storing",
                       "target_date": "2026-03-20", "work_type": "y1", "status": "open", "own_number": "WB-7",
                       "order_date": None, "made_at": "2026-03-04T23:30:00.000000Z", "reference": None}),
        ("hour", AV, {**BOOKED, "time_code": "W1", "employee": "007", "project": "P100", "own_project": None,
                      "work_order": None, "description": "werktijd", "reference": None}),
        ("hour", CR, {**BOOKED, "time_code": "work", "employee": "u1", "project": None, "own_project": "j1",
                      "work_order": "w1", "description": "work", "reference": None}),
    ],
)  # fmt: skip
def test_every_field_of_a_row_has_its_canonical_value(kind: str, side: Side, fields: dict[str, Any]) -> None:
    assert record(kind, side).fields == fields


@pytest.mark.parametrize(
    ("kind", "side", "changed", "known_as"),  # (id, key, name, mark, owner, day, alike)
    [
        ("customer", AV, {"number": "a1"}, ("A1", "A1", "Jansen BV", "av:DEMO:customer:A1", "", "", "jansenbv")),
        ("customer", CR, {"customer_number": "a1"}, ("c1", "A1", "Jansen BV", ..., "", "", "jansenbv")),
        ("customer", CR, {"customer_number": None}, ("c1", "", "Jansen BV", ..., "", "", "jansenbv")),
        ("location", CR, {}, ("l1", "", "Kantoor", ..., "c1", "", "dorpsstraat1|1234ab")),
        ("location", CR, {"name": None}, ("l1", "", "Dorpsstraat 1", ..., "c1", "", "dorpsstraat1|1234ab")),
        ("contact", AV, {}, ("P1", "P1", "Jan de Wit", "av:DEMO:contact:P1", "10001", "", "jandewit")),
        ("contact", CR, {"first_name": ""}, ("k1", "", "de Wit", ..., "c1", "", "dewit")),
        ("project_type", AV, {}, ("OND", "OND", "Onderhoud", "av:DEMO:project_type:OND", "", "", "")),
        ("project_type", AV, {"name": " "}, ("OND", "OND", "OND", "av:DEMO:project_type:OND", "", "", "")),
        ("project", AV, {"name": ""}, ("P100", "P100", "P100", "av:DEMO:project:P100", "", "", "")),
        ("project", CR, {}, ("j1", "P100", "Ketelhuis", ..., "", "", "")),
        ("order", AV, {}, ("20001", "20001", "Storing", "av:DEMO:order:20001", "", "2026-03-05", "")),
        ("order", CR, {}, ("w1", "WB-7", "Storing", ..., "", "2026-03-05", "")),  # past midnight here
        ("order", CR, {"order_number": "20001", "description": ""}, ("w1", "20001", "WB-7", ..., "", "2026-03-05", "")),
        ("order", CR, {"number": None, "description": None}, ("w1", "", "", ..., "", "2026-03-05", "")),
        ("order_line", CR, {"lines": None}, ("w1", "20001", "Storing", "", "", "2026-03-05", "")),
        ("order_line", CR, {"description": ""}, ("w1", "20001", "WB-7", "", "", "2026-03-05", "")),
        ("hour", AV, {}, ("R1", "", "werktijd", "av:DEMO:hour:R1", "", "",
                          "007|w1|2026-03-06|werktijd|7.5")),
        ("hour", AV, {"reference": ""}, ("R1", "", "werktijd", "av:DEMO:hour:R1", "", "", "")),  # our mark tells
        ("hour", CR, {"kind": "travel"}, ("h1", "", "2026-03-06 reistijd 7.5", ..., "", "2026-03-06", "")),
    ],
)  # fmt: skip
def test_a_record_is_known_by_what_its_row_tells(
    kind: str, side: Side, changed: dict[str, Any], known_as: tuple[Any, ...]
) -> None:
    one = record(kind, side, **changed)
    wanted = tuple(reference(kind, one.id) if part is ... else part for part in known_as)
    assert (one.id, one.key, one.name, one.mark, one.owner, one.day, one.alike) == wanted
    assert (one.kind, one.side, one.absent) == (kind, side, False)


def test_what_has_no_name_in_the_books_goes_by_its_code_and_what_has_no_moment_has_none() -> None:
    assert [record(kind, AV, name=" ").fields["name"] for kind in ("project", "project_type")] == ["P100", "OND"]
    assert record("customer", AV, created_at="1899-12-30").fields["created_at"] is None


def test_the_mark_that_a_row_bears_and_when_it_was_changed_go_along() -> None:
    assert record("order", AV, reference=" avs1 ").reference == "avs1"
    assert record("order_line", CR, external_ref="av:DEMO:order:1").reference == ""  # its order's
    assert record("customer", CR, external_ref="av:DEMO:customer:1").reference == "av:DEMO:customer:1"
    assert record("order", AV).changed_at == "2026-05-01T10:00:00"
    assert record("order", CR).changed_at == "2026-05-01T10:00:00.000000Z"


# the address rule

POSTAL = {"postal_street": "Postbus 5", "postal_postal_code": "3500 AA", "postal_city": "Utrecht"}
NOWHERE = {"street": "", "postal_code": "", "city": ""}


@pytest.mark.parametrize(
    ("changed", "main", "absent"),
    [
        (POSTAL, ["true", "false"], [False, False]),
        ({}, ["false", "true"], [True, False]),
        ({**NOWHERE, "postal_city": "Utrecht"}, ["true", "false"], [False, True]),
        (NOWHERE, ["false", "true"], [True, True]),
    ],
)
def test_the_postal_address_is_the_main_location_where_there_is_one_else_the_visiting_address(
    changed: dict[str, Any], main: list[str], absent: list[bool]
) -> None:
    both = read_records(KINDS["location"], AV, row("location", AV, **changed), POLICY)
    assert [one.id for one in both] == ["10001:postal", "10001:visiting"]
    assert [one.fields["main"] for one in both] == main
    assert [one.absent for one in both] == absent
    assert {(one.owner, one.name, one.key) for one in both} == {("10001", "Jansen BV", "10001")}


def test_each_address_takes_its_own_columns_of_the_row() -> None:
    postal, visiting = (record("location", AV, which, **POSTAL).fields for which in (0, 1))
    places = [[one[name] for name in ("street", "postal_code", "city", "country")] for one in (postal, visiting)]
    assert places == [["Postbus 5", "3500 AA", "Utrecht", "NL"], ["Dorpsstraat 1", "1234 AB", "Utrecht", "NL"]]


# hours and lines


@pytest.mark.parametrize(
    ("project", "order", "taken"), [("j1", "w1", "j1"), (None, "w1", "j2"), ("j1", None, "j1"), ("", "", None)]
)
def test_hours_take_their_own_project_and_else_that_of_their_work_order(
    project: Any, order: Any, taken: str | None
) -> None:
    behind = ask("record", "order", CR, "w1", "linked", here=record("order", CR, project_id="j2"))
    one = record("hour", CR, project_id=project, work_order_id=order)
    assert as_meant(KINDS["hour"], one, None, knows(behind)).fields["project"] == taken


def test_hours_of_a_work_order_that_is_gone_keep_the_project_they_were_booked_on() -> None:
    one = record("hour", CR, project_id=None)
    link = joined("hour", ("R1", {}), ("h1", {"project": "j3"}))
    gone = knows(ask("record", "order", CR, "w1"))
    assert as_meant(KINDS["hour"], one, link, gone).fields["project"] == "j3"
    assert as_meant(KINDS["hour"], one, None, gone).fields["project"] is None


LINE = {"id": "x1", "article_number": "a1", "quantity": "2.50", "description": "Pomp", "checked": True}


@pytest.mark.parametrize(
    ("raw", "name", "told"),
    [
        (LINE, "x1", "+A1\t2.5\tPomp"),
        ({**LINE, "article_number": None, "description": None}, "x1", "+\t2.5\t"),
        ({**LINE, "checked": False}, "x1", "-"),
        ({**LINE, "checked": "yes"}, "x1", "-"),
        ({**LINE, "checked": False, "quantity": 2.5}, "x1", "-"),  # what goes nowhere is not judged
        ({**LINE, "quantity": 2.5}, "x1", "!quantity\t2.5\ta1"),
        ({**LINE, "quantity": None}, "x1", "!quantity\t-\ta1"),
        ({**LINE, "id": None}, "#0", "!id\t-\ta1"),
        ("Pomp", "#0", "!lines\t?\t"),
    ],
)
def test_a_line_is_ticked_or_not_or_says_what_is_wrong_with_it(raw: object, name: str, told: str) -> None:
    assert record("order_line", CR, lines=[raw]).fields == {name: told, "status": "checked"}


# what cannot be understood


@pytest.mark.parametrize(
    ("kind", "side", "changed", "field"),
    [
        ("customer", AV, {"number": " "}, "number"),
        ("customer", AV, {"name": ""}, "name"),
        ("customer", CR, {"name": 5}, "name"),
        ("customer", CR, {"id": None}, "id"),
        ("customer", CR, {"updated_at": "gisteren"}, "updated_at"),
        ("location", CR, {"customer_id": None}, "customer_id"),
        ("contact", CR, {"customer_id": ""}, "customer_id"),
        ("project_type", CR, {"code": ""}, "code"),
        ("project", AV, {"start_date": "2026-02-31"}, "start_date"),
        ("project", CR, {"project_code": None}, "project_code"),
        ("project", CR, {"name": None}, "name"),
        ("order", AV, {"changed_at": "2026-02-31T10:00:00"}, "changed_at"),
        ("order", CR, {"customer_id": None}, "customer_id"),
        ("order", CR, {"created_at": None}, "created_at"),
        ("order_line", CR, {"lines": {"id": "x1"}}, "lines"),
        ("hour", AV, {"quantity": 7.5}, "quantity"),
        ("hour", CR, {"hours": 7.5}, "hours"),
        ("hour", CR, {"hours": ""}, "hours"),
        ("hour", CR, {"kind": "lunch"}, "kind"),
        ("hour", CR, {"user_id": None}, "user_id"),
        ("hour", CR, {"date": None}, "date"),
    ],
)
def test_a_row_that_cannot_be_understood_names_the_field_as_its_side_calls_it(
    kind: str, side: Side, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Malformed) as fault:
        record(kind, side, **changed)
    assert fault.value.field == field


def test_a_contact_of_nobody_and_an_order_without_customer_can_be_read_in_accountview() -> None:
    assert record("contact", AV, customer="").absent
    assert record("order", AV, customer="").fields["customer"] is None


# listings

CUSTOMERS = listing(ACCOUNTVIEW, KINDS["customer"])
ORDERS = listing(CRAFTER, KINDS["order"])


def test_a_row_is_seen_by_its_key_its_moment_and_a_print_of_all_else() -> None:
    one = CUSTOMERS.see(row("customer", AV, number="a1"))
    assert (one.id, one.moment) == ("A1", "2026-05-01T10:00:00")
    later = CUSTOMERS.see(row("customer", AV, number="a1", changed_at="2026-05-02", created_at="2026-05-02"))
    assert later.fingerprint == one.fingerprint == CUSTOMERS.see(dict(reversed(one.row.items()))).fingerprint
    for column in set(one.row) - {"changed_at", "created_at"}:
        assert CUSTOMERS.see({**one.row, column: "x"}).fingerprint != one.fingerprint, column
    assert ORDERS.see(row("order", CR)).id == "w1"
    assert ORDERS.see(row("order", CR)).moment == "2026-05-01T10:00:00.000000Z"
    assert listing(AV, KINDS["project_type"]).see(row("project_type", AV)).moment == ""


def test_a_row_is_seen_even_when_it_cannot_be_read() -> None:
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    assert CUSTOMERS.see({"number": 5}).id is None
    assert CUSTOMERS.see({"number": "1", "changed_at": "gisteren"}).id == "1"
    assert CUSTOMERS.see({"number": "1", "name": deep}).fingerprint
    assert CUSTOMERS.see({"number": "1", "name": "\ud83d"}).fingerprint


@pytest.mark.parametrize(
    ("flows", "kinds"),
    [
        ({}, ["order", "order_line"]),
        ({"invoice": "off"}, ["order"]),
        ({"orders": "off"}, ["order_line"]),
        ({"orders": "off", "invoice": "off"}, ["order"]),
    ],
)
def test_a_row_becomes_what_the_flows_that_are_on_make_of_it(flows: dict[str, str], kinds: list[str]) -> None:
    wanted: Policy = policy(flows)
    found = ORDERS.read(row("order", CR), wanted, "print")
    assert [one.kind for one in found] == kinds
    assert [one.fingerprint for one in found] == ["print" if kind == "order" else "" for kind in kinds]


# how far a listing was read


def moment(second: int, day: int = 1) -> str:
    return f"2026-05-{day:02}T10:{second // 60:02}:{second % 60:02}"


def marks(seen: list[str], newest: str = "", since: str = "", cap: str = "") -> tuple[str, str]:
    reach = Reach(AV)
    reach.saw(seen)
    return reach.marks(newest, since, cap)


def test_the_next_listing_starts_a_day_and_a_bit_back_while_all_of_it_fits_on_a_page() -> None:
    assert marks([]) == ("", "")
    assert marks(["", moment(5), moment(3)]) == (moment(5), "2026-04-30T08:00:05")
    assert marks([moment(5)], since=moment(1)) == (moment(5), moment(1))  # and never before it did last time
    assert marks([moment(3)], newest=moment(9))[0] == moment(9)
    crafter = Reach(CRAFTER)
    crafter.saw(["2026-05-01T10:00:00.500000Z"])
    assert crafter.marks("", "", "")[1] == "2026-04-30T08:00:00.500000Z"


def test_where_much_was_changed_it_goes_back_no_further_than_fits_on_seven_tenths_of_a_page() -> None:
    room = PAGE[ACCOUNTVIEW] * 7 // 10
    assert marks([moment(second) for second in range(room)])[1] == "2026-04-30T08:04:39"
    many = [moment(second) for second in range(PAGE[ACCOUNTVIEW] + 50)]
    for seen in (many, many[::-1]):
        assert marks(seen) == (moment(PAGE[ACCOUNTVIEW] + 49), moment(PAGE[ACCOUNTVIEW] + 50 - room))
    bulk = [moment(1)] * 5 + [moment(2)] * PAGE[ACCOUNTVIEW]
    assert marks(bulk) == (moment(2), moment(2))
    assert marks([*bulk, moment(3)]) == (moment(3), moment(3))


def test_the_mark_never_passes_the_start_of_the_run() -> None:
    assert marks([moment(30)], cap=moment(10)) == (moment(11), "2026-04-30T08:00:11")  # a clock tells whole seconds
    assert marks([moment(30)], cap=moment(10), since=moment(20))[1] == moment(10)
