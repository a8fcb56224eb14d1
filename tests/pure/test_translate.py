"""What planning a record asks, what its values are on the side across, and which free record there is the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from avsync.records import kind as kinds
from avsync.records.fit import Column
from avsync.records.kind import Answer, Ask, Decided, Field, Known, Link, Match, Refuse, Remark, Translated, WaitFor
from avsync.records.registry import KINDS
from avsync.records.values import Record, Side, other
from tests.support import by_hand as by
from tests.support.by_hand import AV, CR, EVERYTHING, ask, in_step, joined, knows, policy, record


def made(one: Record, known: Known) -> dict[str, Any]:
    """Each merged field: its value across, or the code of what keeps it here (`…` for what is waited for)."""
    found = kinds.translate(KINDS[one.kind], kinds.as_meant(KINDS[one.kind], one, None, known), known)
    words = {WaitFor: lambda no: "…" + no.params["parent_kind"], Refuse: lambda no: "!" + no.code}
    return {name: words.get(type(part), lambda done: done.value)(part) for name, part in found.items()}  # type: ignore


# whole records

PLACE = {"street": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
TERM = {"code": "P100", "name": "Ketelhuis", "description": "een\ntwee", "start_date": "2026-03-01", "end_date": None}
WORK = {"description": "Storing", "target_date": "2026-03-20"}
PERSON = {"salutation": "Dhr.", "first_name": "Jan", "last_name": "de Wit", "email": "jan@example.nl", "phone": None}


@pytest.mark.parametrize(
    ("kind", "side", "across"),
    [
        ("customer", AV, {"number": "10001", "name": "Jansen BV", "phone": "030-1", "email": None}),
        ("location", AV, {"main": "false", "street": None, "postal_code": None, "city": None, "country": "NL"}),
        ("location", CR, {"main": "true", **PLACE}),
        ("contact", AV, {"customer": "c1", **PERSON, "mobile": "06-1"}),
        ("contact", CR, {"customer": "10001", **PERSON, "mobile": "06-1"}),
        ("project_type", AV, {"code": "OND", "name": "Onderhoud"}),
        ("project", AV, {**TERM, "customer": "c1", "type": "t1", "employee": "u1"}),
        ("project", CR, {**TERM, "description": "een twee", "customer": "10001", "type": "OND", "employee": "007"}),
        ("order", AV, {**WORK, "number": "20001", "customer": "c1", "project": "j1", "work_type": "y1"}),
        ("order", CR, {**WORK, "number": None, "customer": "10001", "project": "P100", "work_type": "Service"}),
        ("hour", CR, {"date": "2026-03-06", "time_code": "T1", "employee": "007", "project": "P100",
                      "description": "reistijd", "quantity": "7.5"}),
    ],
)  # fmt: skip
def test_a_record_whose_references_are_known_goes_across_whole(kind: str, side: Side, across: dict[str, Any]) -> None:
    changed = {"kind": "travel"} if kind == "hour" else {}
    assert made(record(kind, side, **changed), knows(EVERYTHING)) == across


# references

PARENT = {"accountview": "10001", "crafter": "c1", "name": "Jansen BV"}


@pytest.mark.parametrize(
    ("state", "code"),
    [("linked", "c1"), ("found", "c1"), ("missing", "…customer"), ("coming", "…customer"), ("gone", "!parent_gone"),
     ("off", "!customer_not_found")],
)  # fmt: skip
def test_a_customer_is_known_or_waited_for_unless_it_never_comes(state: str, code: str) -> None:
    known = knows(EVERYTHING, ask("ref", "customer", AV, "10001", state, **PARENT))
    assert made(record("contact", AV), known)["customer"] == code


def test_what_is_missed_is_named_by_what_people_know_of_it() -> None:
    known = knows(
        ask("ref", "customer", CR, "c1", "missing", accountview="10001", crafter="c1", name="Jansen BV"),
        ask("ref", "customer", CR, "c2", "gone", name="De Wit"),
    )
    with pytest.raises(WaitFor) as wait:
        kinds.key_across("customer", CR, "c1", known)
    assert wait.value.params == {
        "parent_kind": "customer", "parent": "10001", "parent_name": "Jansen BV",
        "parent_side": CR, "parent_id": "c1", "parent_key": "10001",
    }  # fmt: skip
    with pytest.raises(Refuse) as no:
        kinds.key_across("customer", CR, "c2", known)
    assert no.value.params == {
        "parent_kind": "customer", "parent": "De Wit", "parent_name": "De Wit", "parent_id": "c2",
    }  # fmt: skip
    for side, shown in ((AV, "10009"), (CR, "")):  # nobody knows a Crafter id by sight
        with pytest.raises(WaitFor) as wait:
            kinds.key_across("customer", side, "10009", knows())
        assert wait.value.params["parent"] == shown


NO_TYPE = {"type": ""}


@pytest.mark.parametrize(
    ("kind", "side", "changed", "answers", "field", "becomes"),
    [
        ("contact", AV, {"customer": ""}, {}, "customer", None),
        # projects
        ("project", AV, {"customer": ""}, {}, "customer", "!project_without_customer"),
        ("project", AV, {"type": "x"}, {}, "type", "!project_type_unknown"),
        ("project", AV, NO_TYPE, {}, "type", "!project_without_type"),
        ("project", CR, {"project_type_id": None}, {}, "type", None),
        ("project", CR, {"project_type_id": "t9"}, {}, "type", "…project_type"),
        ("project", AV, {"employee": ""}, {}, "employee", None),
        # orders
        ("order", AV, {"customer": ""}, {}, "customer", "!order_without_customer"),
        ("order", AV, {"project": ""}, {}, "project", None),
        ("order", AV, {}, ask("ref", "project", AV, "P100", "coming"), "project", "…project"),
        ("order", AV, {}, ask("ref", "project", AV, "P100", "gone"), "project", None),
        ("order", CR, {}, ask("ref", "project", CR, "j1", "coming"), "project", "…project"),
        ("order", CR, {}, ask("ref", "project", CR, "j1", "gone"), "project", "!parent_gone"),
        ("order", CR, {}, ask("ref", "project", CR, "j1", "missing"), "project", "!project_unknown"),
        ("order", CR, {"project_id": None, "work_type_id": None}, {}, "project", None),
        # hours
        ("hour", CR, {"project_id": None, "work_order_id": None}, {}, "project", None),
        ("hour", CR, {"project_id": None}, {}, "project", None),
        ("hour", CR, {"user_id": "u9"}, {}, "employee", "!user_missing"),
        ("hour", CR, {}, ask("row", "user", CR, "u1", "found", name="Piet"), "employee", "!user_without_code"),
        ("hour", CR, {}, ask("row", "employee", AV, "007", "missing"), "employee", "!employee_unknown"),
        ("hour", CR, {}, ask("row", "employee", AV, "007", "unasked"), "employee", "007"),
    ],
)
def test_what_cannot_be_referred_to_keeps_its_field_back_or_leaves_it_empty(
    kind: str, side: Side, changed: dict[str, Any], answers: Mapping[Ask, Answer], field: str, becomes: str | None
) -> None:
    found = made(record(kind, side, **changed), knows(EVERYTHING, answers))
    assert found.pop(field) == becomes
    assert not [value for value in found.values() if value and value[0] in "!…"]  # and that field alone


def test_a_project_without_type_gets_the_configured_one() -> None:
    known = knows(EVERYTHING, policy=policy(default_project_type="ond"))
    assert made(record("project", AV, type=""), known)["type"] == "t1"


def test_hours_of_a_work_order_go_on_its_project_and_those_without_are_refused_where_the_column_is_mandatory() -> None:
    behind = ask("record", "order", CR, "w1", "linked", here=record("order", CR))
    assert made(record("hour", CR, project_id=None), knows(EVERYTHING, behind))["project"] == "P100"
    bare = ask("record", "order", CR, "w1", "linked", here=record("order", CR, project_id=None))
    known = knows(EVERYTHING, bare, columns={("hour", "project"): Column(mandatory=True)})
    assert made(record("hour", CR, project_id=None), known)["project"] == "!hour_without_project"


@pytest.mark.parametrize(
    ("kind", "side", "field", "answers", "remark"),
    [
        ("project", AV, "employee", {}, Remark("employee_missing", {"employee": "007"}, again=True)),
        ("project", AV, "employee", ask("row", "user", AV, "007", "several"),
         Remark("employee_twice", {"employee": "007"}, again=True)),
        ("project", CR, "employee", ask("row", "user", CR, "u1", "found", name="Piet"),
         Remark("employee_without_code", {"employee": "Piet", "employee_id": "u1"}, again=True)),
        ("order", AV, "project", {}, Remark("order_project_missing", {"project": "P100"}, again=True)),
        ("order", CR, "work_type", {}, Remark("work_type_missing", {"work_type": "y1"}, again=True)),
    ],
)  # fmt: skip
def test_what_may_be_left_out_is_remarked_on_and_planned_again(
    kind: str, side: Side, field: str, answers: Mapping[Ask, Answer], remark: Remark
) -> None:
    found = kinds.translate(KINDS[kind], record(kind, side), knows(by.CUSTOMER, by.TYPE, answers))[field]
    assert isinstance(found, Translated)
    assert (found.value, found.remark) == (None, remark)


def test_a_comment_that_names_no_work_type_and_being_main_no_longer_leave_the_other_side_as_it_is() -> None:
    def leaves(one: Record, field: str) -> bool:
        found = kinds.translate(KINDS[one.kind], one, knows(EVERYTHING))[field]
        return isinstance(found, Translated) and found.leave

    assert leaves(record("order", AV, work_type="Bel eerst even"), "work_type")
    assert not leaves(record("order", AV), "work_type")
    assert not leaves(record("order", AV, work_type=""), "work_type")  # emptied there, so emptied here
    assert leaves(record("order", CR, work_type_id="y9"), "work_type")
    assert leaves(record("location", AV, 0), "main")
    assert not leaves(record("location", AV, 1), "main")


# what a column holds


def test_a_value_for_the_books_fits_its_column_and_one_for_crafter_needs_not() -> None:
    narrow = {(kind, name): Column(width=4, upper=True) for kind in ("order", "customer", "project")
              for name in ("description", "name", "phone", "street")}  # fmt: skip
    known = knows(EVERYTHING, columns=narrow)
    found = kinds.translate(KINDS["order"], record("order", CR), known)["description"]
    assert found == Translated("STO…", Remark("cut", {"field": "description", "detail": "4"}))
    no = kinds.translate(KINDS["customer"], record("customer", CR), known)["phone"]
    assert isinstance(no, Refuse)
    assert (no.code, no.params) == ("too_long", {"field": "phone", "value": "030-1", "detail": "4"})
    assert made(record("location", CR), known)["street"] == "!too_long"  # its columns are those of the customer
    assert made(record("customer", AV), known)["phone"] == "030-1"
    assert made(record("order", AV), known)["description"] == "Storing"
    contact = knows(EVERYTHING, columns={("contact", "first_name"): Column(upper=True)})
    assert made(record("contact", CR), contact)["first_name"] == "JAN"  # never written there, but compared


def test_quantities_are_rounded_dates_and_flags_are_not_looked_at() -> None:
    known = knows(columns={("hour", "q"): Column(width=1, decimals=1)})
    assert kinds.fitted("hour", Field("q", "quantity"), "q", "7.55", known) == Translated(
        "7.6", Remark("rounded", {"field": "q", "detail": "1"})
    )
    for sort, value in (("date", "2026-01-01"), ("flag", "false"), ("line", None)):
        assert kinds.fitted("hour", Field("q", sort), "q", value, known) == Translated(value)  # type: ignore[arg-type]
    assert kinds.fitted("hour", Field("q"), None, "long", known) == Translated("long")


@pytest.mark.parametrize(
    ("sort", "value", "books", "crafter"),
    [
        ("line", "x", "x", "x"),
        ("line", None, None, None),
        ("flag", None, None, None),
        ("date", "2026-03-01", date(2026, 3, 1), "2026-03-01"),
        ("quantity", "7.5", Decimal("7.5"), "7.5"),
        ("flag", "true", True, True),
        ("flag", "false", False, False),
    ],
)
def test_a_value_is_typed_as_the_client_of_its_side_takes_it(sort: Any, value: Any, books: Any, crafter: Any) -> None:
    assert [kinds.typed(Field("f", sort), value, side) for side in (AV, CR)] == [books, crafter]


# questions


def asks(one: Record, linked: bool = False, known: Known | None = None, **flows: str) -> set[tuple[str, str, str, str]]:
    halves = sorted((one, record(one.kind, other(one.side))), key=lambda half: half.side) if linked else ()
    link = in_step(*halves) if halves else None
    return set(map(tuple, kinds.asks_of(KINDS[one.kind], one, link, known or knows(policy=policy(flows)))))  # type: ignore


REF_C, REF_CR = ("ref", "customer", AV, "10001"), ("ref", "customer", CR, "c1")


@pytest.mark.parametrize(
    ("kind", "side", "linked", "asked"),
    [
        ("customer", AV, False, set()),
        ("customer", CR, False, {("children", "location", CR, "c1")}),
        ("customer", CR, True, set()),  # only one that is created takes its main location along
        ("contact", AV, False, {REF_C}),
        ("project", AV, False, {REF_C, ("ref", "project_type", AV, "OND"), ("row", "user", AV, "007")}),
        ("project", CR, True, {REF_CR, ("ref", "project_type", CR, "t1"), ("row", "user", CR, "u1")}),
        ("order", AV, True, {REF_C, REF_CR, ("ref", "project", AV, "P100"), ("row", "work_type", AV, "Service")}),
        ("order", CR, False, {REF_CR, ("ref", "project", CR, "j1"), ("row", "work_type", CR, "y1")}),
        ("order", CR, True, {REF_C, REF_CR, ("ref", "project", CR, "j1"), ("row", "work_type", CR, "y1"),
                             ("row", "work_type", AV, "Service")}),
        ("hour", CR, False, {("row", "user", CR, "u1"), ("ref", "project", CR, "j1")}),
    ],
)  # fmt: skip
def test_what_a_record_refers_to_is_asked(kind: str, side: Side, linked: bool, asked: set[Any]) -> None:
    assert asks(record(kind, side), linked) == asked


@pytest.mark.parametrize(
    ("kind", "side", "flow", "direction", "asked"),
    [
        ("project", CR, "projects", "import", set()),
        ("project", AV, "projects", "export", set()),
        ("order", AV, "orders", "export", {("row", "work_type", AV, "Service")}),  # it may be somebody's remark
        ("order", CR, "orders", "import", {("row", "work_type", CR, "y1")}),  # a list that is switched off shows
        ("contact", AV, "customers", "export", set()),
    ],
)
def test_for_what_the_flow_may_not_write_nothing_is_asked(
    kind: str, side: Side, flow: str, direction: str, asked: set[Any]
) -> None:
    assert asks(record(kind, side), **{flow: direction}) == asked


def test_an_answer_leads_to_the_next_question() -> None:
    line = record("hour", CR, project_id=None)
    assert ("record", "order", CR, "w1") in asks(line)
    assert not [one for one in asks(line) if one[1] == "project"]
    known = knows(by.USER, ask("record", "order", CR, "w1", "linked", here=record("order", CR)))
    assert {("ref", "project", CR, "j1"), ("row", "employee", AV, "007")} <= asks(line, known=known)


def test_a_typed_number_the_usual_type_and_a_mark_of_ours_are_asked_after() -> None:
    assert ("record", "order", AV, "A1") in asks(record("order", CR, order_number="a1"))
    assert ("record", "order", AV, "A1") not in asks(record("order", CR, order_number="a1"), linked=True)
    bare, known = record("project", AV, type=""), knows(policy=policy(default_project_type="ond"))
    assert ("ref", "project_type", AV, "OND") in asks(bare, known=known)
    marked = record("customer", CR, external_ref="av:DEMO:customer:10001")
    assert ("record", "customer", AV, "10001") in asks(marked)
    assert ("record", "customer", AV, "10001") not in asks(marked, linked=True)
    assert not [one for one in asks(record("customer", CR, external_ref="av:X:customer:1")) if one[0] == "record"]


@pytest.mark.parametrize(
    ("mark", "answer", "gone"),
    [
        ("av:DEMO:customer:10001", {"state": "missing"}, "10001"),
        ("av:DEMO:customer:10001", {"state": "found", "here": record("customer", AV)}, ""),
        ("av:DEMO:customer:10001", {"state": "linked", "link": Link("customer", {}, AV)}, ""),
        ("av:DEMO:customer:10001", {"state": "found", "fault": ValueError()}, ""),
        ("av:OTHER:customer:10001", {"state": "missing"}, ""),
        ("av:DEMO:location:10001", {"state": "missing"}, ""),
        ("hand made", {"state": "missing"}, ""),
    ],
)
def test_a_mark_of_ours_names_what_accountview_no_longer_has(mark: str, answer: dict[str, Any], gone: str) -> None:
    known = knows(ask("record", "customer", AV, "10001", **answer))
    assert kinds.named_by_mark(KINDS["customer"], record("customer", CR, external_ref=mark), known) == gone


# first meetings


def met(one: Record, *free: Record, known: Known | None = None) -> tuple[str, list[str]]:
    """By what it was recognised, and the ids of the candidates."""

    def look(kind: str, side: Side, column: str, value: str) -> list[Record]:
        return [it for it in free if value and (it.kind, it.side, getattr(it, column)) == (kind, side, value)]

    found: Match = kinds.recognise(KINDS[one.kind], one, look, known or knows(EVERYTHING))
    return found.by, [it.id for it in found.candidates]


def test_our_mark_goes_before_number_and_name() -> None:
    books, same = record("customer", AV), record("customer", CR)
    marked = record("customer", CR, id="c2", customer_number="9", external_ref="av:DEMO:customer:10001")
    assert met(books, same, marked) == ("reference", ["c2"])
    assert met(marked, books) == ("reference", ["10001"])
    copy = record("customer", CR, id="c3", external_ref="av:DEMO:customer:10001")
    assert met(marked, books, marked, copy) == ("reference", ["10001", "c3"])  # two that say so are a question
    assert met(books, marked, copy) == ("reference", ["c2", "c3"])
    keyless = record("customer", CR, id="c4", customer_number=None, external_ref="av:DEMO:customer:10001")
    assert met(books, keyless, copy) == ("reference", ["c3"])  # the other is a copy, or gave its number up


def test_customers_meet_by_number_and_else_by_name_and_postal_code() -> None:
    books, place = record("customer", AV), record("location", CR)
    assert met(books, record("customer", CR)) == ("number", ["c1"])
    bare = record("customer", CR, customer_number=None, name="JANSEN bv")
    assert met(books, bare, place) == met(books, bare, record("location", CR, postal_code="1234ab")) == ("name", ["c1"])
    assert met(bare, books, place) == ("name", ["10001"])
    assert met(books, bare) == met(books, bare, record("location", CR, postal_code="9999 ZZ")) == ("name", [])
    assert met(books, record("customer", CR, customer_number="9"), place) == ("name", [])  # it has another number
    twin = record("customer", AV, number="10002")
    assert met(bare, books, twin, place) == ("name", ["10001", "10002"])
    assert met(books, bare, books, twin, place) == ("name", ["c1", "10002"])  # a rival on its own side


def test_addresses_meet_main_with_main_and_else_by_street_and_postal_code() -> None:
    main = record("location", AV, 1)
    assert met(main, record("location", CR, street="Elders 5")) == ("main", ["l1"])
    other_one = record("location", CR, id="l2", is_main=False)
    assert met(main, other_one) == ("place", ["l2"])
    assert met(main, other_one, record("location", CR, id="l3", street="Elders 5")) == ("place", ["l2"])
    twin = record("location", CR, id="l4")
    assert met(main, other_one, twin) == ("place", ["l4"])  # of two alike the main one
    assert met(main, record("location", CR, external_ref="av:DEMO:location:9:postal")) == ("main", [])
    assert met(main, record("location", CR), known=knows()) == ("main", [])  # its customer is not there yet
    assert met(record("location", AV, 1, postal_street="Postbus 5"), record("location", CR)) == ("place", ["l1"])
    assert met(record("location", AV, 1, postal_street="Postbus 5"), record("location", CR, street="Elders 5"))[1] == []


def test_the_main_address_leaves_alone_what_is_the_other_address_of_its_customer() -> None:
    box = {"postal_street": "Postbus 5", "postal_postal_code": "1200 AA", "postal_city": "Utrecht"}
    postal, visiting = (record("location", AV, which, **box) for which in (0, 1))
    there = record("location", CR)
    assert met(postal, there) == ("main", ["l1"])
    assert met(postal, there, visiting) == ("main", [])
    assert met(visiting, there, postal) == ("place", ["l1"])


def test_an_address_is_never_completed_with_parts_of_another_one() -> None:
    main = record("location", AV, 1, postal_code="")
    assert met(main, record("location", CR)) == ("main", ["l1"])  # it may be the same house
    assert met(main, record("location", CR, street="Dorpsstr. 1")) == ("main", ["l1"])
    assert met(main, record("location", CR, street="Elders 5")) == ("main", [])
    assert met(main, record("location", CR, street="Elders 5", postal_code=None)) == ("main", ["l1"])  # replaced whole
    assert met(record("location", AV, 1, city=""), record("location", CR, postal_code="9999 ZZ")) == ("main", [])


def test_of_addresses_with_a_city_alone_the_city_must_be_the_same() -> None:
    alone = {"street": "", "postal_code": "", "is_main": False}
    main = record("location", AV, 1, street="", postal_code="")
    assert met(main, record("location", CR, **alone)) == ("place", ["l1"])
    assert met(main, record("location", CR, **alone, city="Ede")) == ("main", [])


def test_contacts_meet_by_name_and_mail_then_by_mail_then_by_name() -> None:
    books, same = record("contact", AV), record("contact", CR)
    renamed = record("contact", CR, id="k2", first_name="J.")
    assert met(books, same) == met(books, same, renamed) == ("name and email", ["k1"])
    assert met(books, renamed) == ("email", ["k2"])
    assert met(books, record("contact", CR, email="")) == ("name", ["k1"])
    assert met(books, record("contact", CR, email="", first_name="", last_name="Jan de Wit")) == ("name", ["k1"])
    assert met(books, record("contact", CR, first_name="Bob")) == ("name", [])  # who has an address in common
    assert met(books, record("contact", CR, first_name="Bob"), renamed) == ("email", ["k2"])
    assert met(books, same, record("contact", CR, id="k3")) == ("name and email", ["k1", "k3"])
    nobody = {"first_name": "", "last_name": "", "email": ""}
    assert met(record("contact", AV, **nobody), record("contact", CR, **nobody)) == ("name", [])


def test_two_contacts_of_the_books_who_may_both_be_meant_are_a_question() -> None:
    nameless = {"first_name": "", "last_name": ""}
    books, bob = record("contact", AV), record("contact", AV, code="p2", first_name="Bob")
    assert met(books, record("contact", CR, **nameless), bob) == ("email", ["k1", "P2"])
    assert met(books, record("contact", CR), bob) == ("name and email", ["k1"])
    left = record("contact", CR, id="k2", **nameless)
    assert met(bob, record("contact", CR), left, books) == ("email", ["k2"])  # the other one is met by more
    assert met(books, record("contact", CR), record("contact", AV, code="p2")) == ("name and email", ["k1"])  # twins


def test_projects_and_orders_meet_by_their_number() -> None:
    assert met(record("project", AV), record("project", CR)) == ("number", ["j1"])
    assert met(record("project", CR), record("project", AV)) == ("number", ["P100"])
    assert met(record("order", AV), record("order", CR, order_number="20001")) == ("number", ["w1"])
    assert met(record("order", AV), record("order", CR, number="20001")) == ("number", [])  # Crafter's own number
    assert met(record("order", CR, order_number="20001"), record("order", AV))[1] == []  # a typed one is looked into


def test_hours_meet_by_their_mark_where_there_is_a_column_and_else_by_all_they_say() -> None:
    ours, books = record("hour", CR), record("hour", AV)
    without = knows(EVERYTHING, absent=[("hour", "reference")])
    assert met(ours, books) == ("", [])
    assert met(ours, books, known=without) == ("columns", ["R1"])
    assert met(ours, books, record("hour", AV, id="r2"), known=without) == ("columns", ["R1"])  # one each
    assert met(ours, record("hour", AV, quantity="7.25"), known=without) == ("columns", [])
    assert met(ours, books, known=knows(by.PROJECT, absent=[("hour", "reference")])) == ("", [])  # of an unknown user
    assert met(ours, record("hour", AV, reference=ours.mark)) == ("reference", ["R1"])
    assert met(books, ours) == ("", [])


SENT = {"name": "Jansen BV"}


@pytest.mark.parametrize(
    ("there", "values", "same"),
    [
        ({}, {"postal_code": "1234ab"}, True),
        ({"street": "", "postal_code": "", "postal_postal_code": "1234 AB"}, {"postal_code": "1234 AB"}, True),
        ({}, {"postal_code": "9999 ZZ"}, False),
        ({}, {}, False),  # sent without an address, and this one has one
        ({"postal_code": ""}, {}, True),
        ({"postal_code": ""}, {"postal_code": "1234 AB"}, False),
        ({"created_at": "2026-05-09T23:59:00"}, {"postal_code": "1234 AB"}, True),  # a day of play between the clocks
        ({"created_at": "2026-05-08T23:59:00"}, {"postal_code": "1234 AB"}, False),
        ({"number": "0077", "created_at": "2020-01-01T00:00:00"}, {"postal_code": "1234 AB", "number": "77"}, True),
        ({"number": "D77", "created_at": "2026-05-10T13:59:00"}, {"postal_code": "1234 AB", "number": "77"}, True),
        ({"number": "88", "created_at": "2026-05-10T12:59:00"}, {"postal_code": "1234 AB", "number": "77"}, False),
        ({"number": "88"}, {"postal_code": "1234 AB", "number": "77"}, False),  # nobody knows when
    ],
)
def test_a_customer_whose_answer_was_lost_is_known_by_postal_code_and_day_of_entry(
    there: dict[str, Any], values: dict[str, Any], same: bool
) -> None:
    kind, one = KINDS["customer"], record("customer", AV, **{"created_at": "", **there})
    assert kind.same is not None
    assert kind.same(one, SENT, {**SENT, **values}, "2026-05-10T12:00:00.000000Z") == same


@pytest.mark.parametrize(
    ("now", "before", "same"),
    [
        ({"postal_code": "1234 AB"}, {"postal_code": "1234ab"}, True),
        ({"postal_postal_code": "1234 AB"}, {"postal_code": "1234ab"}, True),
        ({}, {}, False),  # the name alone is not enough
        ({"postal_code": "1234 AB"}, {}, False),
        ({"phone": "030 - 1"}, {"phone": "030-1"}, True),
        ({"email": "A@b.nl", "postal_code": "9"}, {"email": "a@b.nl", "postal_code": "1"}, True),
    ],
)
def test_a_renumbered_customer_shares_its_postal_code_phone_or_e_mail(
    now: dict[str, str], before: dict[str, str], same: bool
) -> None:
    kind, nothing = KINDS["customer"], dict.fromkeys(("phone", "email", "postal_code", "street", "city"), "")
    assert kind.moved is not None
    was = record("customer", AV, **{**nothing, **before})
    link = joined("customer", ("10001", was.fields), ("c1", {}))
    assert kind.moved(record("customer", AV, **{**nothing, **now}, number="20009"), link, [], knows()) == same
    places = [record("location", CR, postal_code=before.get("postal_code", ""))]
    bare = joined("customer", ("10001", {**was.fields, "postal_code": None}), ("c1", {}))
    assert kind.moved(record("customer", AV, **{**nothing, **now}, number="20009"), bare, places, knows()) == same


@pytest.mark.parametrize(
    ("now", "same"),
    [
        ({}, True),
        ({"customer": "20009"}, True),  # got another number as well
        ({"customer": "30009"}, False),
        ({"start_date": ""}, False),
        ({"end_date": "2027-01-01", "description": "anders"}, True),
    ],
)
def test_a_project_under_another_code_is_known_by_customer_and_begin_date(now: dict[str, str], same: bool) -> None:
    kind = KINDS["project"]
    assert kind.moved is not None
    link = joined("project", ("P100", record("project", AV).fields), ("j1", record("project", CR).fields))
    known = knows(ask("link", "customer", AV, "20009", "linked", accountview="20009", crafter="c1"))
    assert kind.moved(record("project", AV, code="P200", **now), link, [], known) == same


# what a person has decided


def decided(**said: Any) -> Known:
    return replace(knows(EVERYTHING), decided=Decided(**said))


def apart(accountview: str, crafter: str, kind: str = "customer") -> dict[str, Any]:
    return {"apart": {(kind, AV, accountview): frozenset({crafter}), (kind, CR, crafter): frozenset({accountview})}}


def one_with(accountview: str, crafter: str, kind: str = "customer") -> dict[str, Any]:
    return {"picked": {(kind, AV, accountview): crafter, (kind, CR, crafter): accountview}}


def test_two_that_are_kept_apart_never_meet_by_whatever_sign() -> None:
    books, place = record("customer", AV), record("location", CR)
    for klant in (
        record("customer", CR),
        record("customer", CR, external_ref="av:DEMO:customer:10001"),
        record("customer", CR, customer_number=None),
    ):
        assert met(books, klant, place)[1] == ["c1"]
        assert met(books, klant, place, known=decided(**apart("10001", "c1")))[1] == []
        assert met(klant, books, place, known=decided(**apart("10001", "c1")))[1] == []


def test_who_is_kept_apart_is_no_rival_and_leaves_room_for_another() -> None:
    bare, place = record("customer", CR, customer_number=None), record("location", CR)
    books, twin = record("customer", AV), record("customer", AV, number="10002")
    known = decided(**apart("10002", "c1"))
    assert met(bare, books, twin, place, known=known) == ("name", ["10001"])
    assert met(books, bare, books, twin, place, known=known) == ("name", ["c1"])
    assert met(twin, bare, books, twin, place, known=known) == ("name", [])


def test_one_that_is_picked_is_met_whatever_it_says_and_is_nobody_elses() -> None:
    bare, place = record("customer", CR, customer_number=None), record("location", CR)
    books, twin = record("customer", AV), record("customer", AV, number="10002")
    known = decided(**one_with("10002", "c1"))
    assert met(bare, books, twin, place, known=known) == (kinds.DECIDED, ["10002"])
    assert met(twin, bare, books, twin, place, known=known) == (kinds.DECIDED, ["c1"])
    assert met(books, bare, books, twin, place, known=known) == ("name", [])
    stranger = record("customer", CR, id="c9", customer_number="77", name="Heel anders")
    assert met(books, stranger, known=decided(**one_with("10001", "c9"))) == (kinds.DECIDED, ["c9"])


def test_one_picked_that_is_not_there_binds_nobody() -> None:
    bare, place = record("customer", CR, customer_number=None), record("location", CR)
    books = record("customer", AV)
    assert met(books, bare, place, known=decided(**one_with("10001", "gone"))) == ("name", ["c1"])
    assert met(books, bare, place, known=decided(**one_with("10009", "c1"))) == ("name", ["c1"])


def test_of_one_that_is_left_alone_its_people_and_its_lines_are_too() -> None:
    known = Decided(skipped=frozenset({("customer", AV, "10001"), ("order", CR, "w1")}))
    assert known.leaves(KINDS["customer"], record("customer", AV))
    assert known.leaves(KINDS["contact"], record("contact", AV))
    assert known.leaves(KINDS["order_line"], record("order_line", CR))
    assert not known.leaves(KINDS["customer"], record("customer", CR))
    assert not known.leaves(KINDS["contact"], record("contact", CR))
    assert not known.leaves(KINDS["order"], record("order", AV))
