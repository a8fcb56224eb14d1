"""From two versions, a link and answers to an action: what is written where, what holds afterwards, and why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from avsync.records.fit import Column
from avsync.records.kind import End, Known, Link, Match, Refuse, Remark
from avsync.records.registry import KINDS
from avsync.records.values import Malformed, Record
from avsync.sync.plan import Action, Made, Meeting, plan, rows_of, true_of
from tests.support.by_hand import AV, CR, EVERYTHING, ask, in_step, joined, knows, policy, record

KNOWN = knows(EVERYTHING)
MARK = "av:DEMO:customer:10001"  # of the usual customer


def decide(one: Record, link: Any = None, half: Any = None, known: Known = KNOWN, *met: Record, **more: Any) -> Action:
    return plan(KINDS[one.kind], one, link, half, known, Meeting(**{"match": Match(met, "number"), **more}))


def writes(action: Action) -> dict[str, dict[str, Any]]:
    """What is written, by side."""
    assert len({write.side for write in action.writes}) == len(action.writes)
    return {write.side: dict(write.values) for write in action.writes}


def said(action: Action) -> tuple[str, str]:
    return str(action.verb), action.reason


def flows(**changed: str) -> Known:
    return knows(EVERYTHING, policy=policy(changed))


# made anew


def test_a_customer_of_the_books_is_made_in_crafter_with_our_mark() -> None:
    action = decide(record("customer", AV))
    assert said(action) == ("create", "new_in_accountview")
    named = {"name": "Jansen BV", "phone": "030-1"}
    assert writes(action) == {CR: {"customer_number": "10001", **named, "external_ref": MARK}}
    (write,) = action.writes
    assert write.id is None
    assert write.fields == ("customer_number", "external_ref", "name", "phone")
    assert write.told == {AV: record("customer", AV).fields, CR: {"number": "10001", **named, "email": None}}


def test_a_customer_of_crafter_is_made_in_the_books_with_its_main_location() -> None:
    places = (record("location", CR, is_main=False, street="Elders 5"), record("location", CR))
    known = knows(ask("children", "location", CR, "c1", "found", records=places))
    bare = {"name": "Ünal & Zn.", "phone": "030-1", "search_code": "ÜNALZN", "ledger_account": "1300"}
    place = {"street": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
    new = record("customer", CR, name="Ünal & Zn.", customer_number=None)
    assert writes(decide(new, known=known)) == {AV: {**bare, **place}}
    assert writes(decide(new)) == {AV: bare}
    assert writes(decide(record("customer", CR, name="-/-")))[AV]["search_code"] == "-"


def test_a_work_order_becomes_an_order_of_its_day_and_customer_that_bears_our_mark() -> None:
    new = record("order", CR)
    made = {
        "customer": "10001", "invoice_customer": "10001", "project": "P100", "description": "Storing",
        "work_type": "Service", "order_date": date(2026, 3, 5), "delivery_date": date(2026, 3, 20),
    }  # fmt: skip
    assert writes(decide(new)) == {AV: {**made, "reference": new.mark}}
    without = knows(EVERYTHING, absent=[("order", "reference")])
    assert writes(decide(new, known=without)) == {AV: made}


def test_a_project_gets_its_configured_status_and_an_hours_line_its_number_as_a_number() -> None:
    known = knows(EVERYTHING, policy=policy(new_project_status="L"))
    assert writes(decide(record("project", CR), known=known))[AV]["status"] == "L"
    assert "status" not in writes(decide(record("project", CR)))[AV]
    assert "status" not in writes(decide(record("project", AV), known=known))[CR]
    assert repr(writes(decide(record("hour", CR)))[AV]["quantity"]) == "Decimal('7.5')"


def test_each_address_becomes_a_location_of_its_customer_with_that_end_of_its_row() -> None:
    action = decide(record("location", AV, 1))
    values = {"customer_id": "c1", "is_main": True, "street": "Dorpsstraat 1", "postal_code": "1234 AB"}
    assert values.items() <= writes(action)[CR].items()
    assert writes(action)[CR]["external_ref"] == "av:DEMO:location:10001:visiting"
    second = decide(record("location", AV, 1, postal_city="Utrecht"))
    assert writes(second)[CR]["is_main"] is False
    assert second.writes[0].told[CR]["main"] is None  # being main is never taken, so nothing is told of it


def test_what_could_not_be_carried_over_is_remarked_on_and_not_remembered_as_told() -> None:
    known = knows({key: one for key, one in EVERYTHING.items() if key.kind != "user"})
    action = decide(record("project", AV), known=known)
    assert [one.code for one in action.remarks] == ["employee_missing"]
    assert action.again
    assert "responsible_user_id" not in writes(action)[CR]
    assert "employee" not in action.writes[0].told[AV]
    assert {"code", "type"} <= action.writes[0].told[AV].keys()


# not made, for now or for good


@pytest.mark.parametrize(
    ("one", "known", "said_"),
    [
        (record("order", AV, order_date="2025-12-31"), KNOWN, "skip not_wanted"),
        (record("order", AV), flows(orders="export"), "skip not_wanted"),
        (record("order", CR, status="cancelled"), KNOWN, "skip not_wanted"),
        (record("project", AV, end_date="2026-05-31"), KNOWN, "skip not_wanted"),
        (record("project", AV, end_date="2026-06-01"), KNOWN, "create new_in_accountview"),
        (record("project", AV), knows(EVERYTHING, policy=policy(open_statuses=frozenset({"A"}))), "skip not_wanted"),
        (record("project", CR, end_date="2026-05-31"), KNOWN, "create new_in_crafter"),
        (record("location", CR), flows(customers="import"), "skip kept"),
        (record("location", CR), knows(EVERYTHING, ask("ref", "customer", CR, "c1", "missing")), "skip later"),
        (record("location", AV, 0), KNOWN, "skip not_wanted"),  # no postal address in that row
        (record("contact", CR), KNOWN, "skip kept"),
        (record("hour", CR, date="2025-12-31"), KNOWN, "skip not_wanted"),
        (record("hour", AV), KNOWN, "skip kept"),
        (record("contact", AV), knows(), "wait waiting_for_parent"),
        (record("order", CR), knows(EVERYTHING, ask("ref", "customer", CR, "c1", "gone")), "reject parent_gone"),
        (record("customer", CR), knows(columns={("customer", "name"): Column(width=3)}), "reject too_long"),
        (record("project", AV, type=""), KNOWN, "reject project_without_type"),
    ],
)  # fmt: skip
def test_what_is_not_made_says_why(one: Record, known: Known, said_: str) -> None:
    action = decide(one, known=known)
    assert " ".join(said(action)) == said_
    assert bool(action.writes) == said_.startswith("create")


def test_a_wait_names_the_parent_and_a_refusal_its_particulars() -> None:
    action = decide(record("contact", AV), known=knows(ask("ref", "customer", AV, "10001", "coming", name="Jansen BV")))
    assert {name: action.params[name] for name in ("parent_kind", "parent", "parent_name", "parent_side")} == {
        "parent_kind": "customer", "parent": "10001", "parent_name": "Jansen BV", "parent_side": action.record.side,
    }  # fmt: skip
    action = decide(record("customer", CR), known=knows(columns={("customer", "name"): Column(width=3)}))
    assert action.params == {"field": "name", "value": "Jansen BV", "detail": "3"}


def test_what_is_not_wanted_any_more_gives_its_half_a_link_up() -> None:
    half = joined("order", ("20001", None), ("", None))
    assert decide(record("order", AV, order_date="2025-12-31"), half).replaces == 1
    half = joined("project", ("P100", None), ("", None))
    assert decide(record("project", AV, end_date="2026-05-31"), half).replaces == 1
    again = decide(record("project", AV), half)
    assert (again.verb, again.link, again.replaces) == ("create", half, 0)  # made again under the same link


def test_nothing_is_sent_for_what_is_gone_in_the_books() -> None:
    there, here = record("customer", AV, name="Anders"), record("customer", CR, phone="030-9")
    whole = replace(in_step(record("customer", AV), record("customer", CR)), gone=True)
    half = joined("customer", ("10001", None), ("", None), gone=True)
    for one, link in ((here, whole), (there, whole), (there, half)):
        action = decide(one, link)
        assert (*said(action), action.writes, action.link) == ("skip", "gone", (), link)


def test_a_mark_of_ours_that_names_nothing_any_more_becomes_a_link_that_is_gone() -> None:
    action = decide(record("customer", CR), deleted="10001")
    assert said(action) == ("skip", "gone")
    assert action.link == Link(
        "customer", {AV: End("10001"), CR: End("c1", record("customer", CR).fields)}, AV, adopted=True, gone=True
    )


# met


THERE, HERE = record("customer", AV), record("customer", CR, phone="030-9")
HERE_MARKED = replace(HERE, reference=MARK, fingerprint="print")


@pytest.mark.parametrize(
    ("direction", "one", "other_one", "written"),
    [
        ("import", THERE, HERE, {CR: {"phone": "030-1", "external_ref": MARK}}),
        ("both", THERE, HERE, {CR: {"phone": "030-1", "external_ref": MARK}}),
        ("both", HERE, THERE, {CR: {"phone": "030-1", "external_ref": MARK}}),
        ("export", HERE, THERE, {AV: {"phone": "030-9"}, CR: {"external_ref": MARK}}),
    ],
)
def test_at_a_first_meeting_the_side_that_leads_wins(
    direction: str, one: Record, other_one: Record, written: dict[str, Any]
) -> None:
    action = decide(one, None, None, flows(customers=direction), other_one)
    assert (*said(action), writes(action), action.remarks) == ("adopt", "first_meeting", written, ())
    link, leads = action.link, CR if direction == "export" else AV
    assert link is not None
    assert (link.id, link.accountview, link.crafter, link.adopted, link.origin) == (0, "10001", "c1", True, leads)
    told = {AV: THERE.fields, CR: HERE.fields} | {leads: None}
    assert {side: link.end[side].told for side in (AV, CR)} == told
    assert action.partner == other_one


def test_a_first_meeting_says_by_what_and_what_it_fills_and_replaces_on_either_side() -> None:
    """What a person is shown before he agrees (a dry run, or a list of all pairs) is this plan."""
    there = record("customer", AV, email="av@x.nl")
    here = record("customer", CR, phone="030-9", customer_number=None)
    action = decide(there, None, None, KNOWN, here)
    assert action.match is not None
    assert (action.match.by, action.match.candidates) == ("number", (here,))
    (write,) = action.writes
    changes = (("number", None, "10001"), ("phone", "030-9", "030-1"), ("email", None, "av@x.nl"))
    assert write.changes == changes
    told = {"side": CR, "changes": [["phone", "030-9", "030-1"]], "slot": "crafter:phone"}
    assert write.remarks == (Remark("values_replaced", told),)
    alone = decide(record("customer", AV, phone=""), None, None, KNOWN, here)
    assert {one.side: one.changes for one in alone.writes} == {
        CR: (("number", None, "10001"),), AV: (("phone", None, "030-9"),),
    }  # fmt: skip
    assert all(one.remarks == () for one in alone.writes)


def test_what_a_first_meeting_replaces_is_told_by_the_names_people_know() -> None:
    kept = ask("link", "customer", CR, "c2", "linked", accountview="10002", name="Garage Smit")
    user = ask("row", "user", CR, "u2", "found", accountview="008", name="Bram")
    here = record("project", CR, customer_id="c2", responsible_user_id="u2", name="Anders")
    action = decide(record("project", AV), None, None, knows(EVERYTHING, kept, user), here)
    assert action.writes[0].changes == (
        ("name", "Anders", "Ketelhuis"), ("customer", "10002 Garage Smit", "10001 Jansen BV"),
        ("employee", "008 Bram", "007 Piet"),
    )  # fmt: skip
    unknown = decide(record("project", AV), None, None, KNOWN, here)
    assert ("customer", "?", "10001 Jansen BV") in unknown.writes[0].changes  # never an id


def test_what_speaks_against_a_match_is_a_question_on_the_half_in_crafter() -> None:
    no = Refuse("same_customer_by_number", number="10001")
    for one, across in ((THERE, HERE), (HERE, THERE)):
        action = decide(one, match=Match((across,), "number", against=no))
        assert (said(action), action.params) == (("reject", "same_customer_by_number"), {"number": "10001"})
        assert (action.record, action.partner) == (HERE, THERE)
        assert action.match == Match((across,), "number", against=no)
    made = Made(CR, {AV: THERE.fields, CR: HERE.fields})
    assert decide(THERE, match=Match((HERE,), "number", against=no), made=made).verb == "adopt"  # it is ours
    two = Match((HERE, replace(HERE, id="c2")), "number", against=no)
    assert decide(THERE, match=two).reason == "several_candidates"


def test_what_a_write_says_is_true_as_far_as_it_arrived() -> None:
    told = Remark("values_replaced", {"side": CR, "changes": [["name", "a", "b"], ["phone", "1", "2"]], "slot": "x"})
    left = true_of(told, ["phone", "email"])
    assert left is not None
    assert left.params == {"side": CR, "changes": [["phone", "1", "2"]], "slot": "crafter:phone"}
    assert true_of(told, ["email"]) is None
    lost = Remark("conflict", {"field": "phone", "kept": "1", "lost": "2"})
    assert (true_of(lost, ["phone"]), true_of(lost, ["name"])) == (lost, None)


def test_until_it_bears_our_mark_the_row_of_what_was_met_does_not_count_as_known() -> None:
    there = replace(THERE, fingerprint="there")
    for here, print_ in ((replace(HERE, fingerprint="print"), ""), (HERE_MARKED, "print")):
        link = decide(there, None, None, KNOWN, here).link
        assert link is not None
        assert (link.end[AV].fingerprint, link.end[CR].fingerprint) == ("there", print_)
    assert "external_ref" not in writes(decide(there, None, None, KNOWN, HERE_MARKED))[CR]


def test_where_no_mark_is_left_in_crafter_what_was_met_is_known_at_once() -> None:
    known = replace(KNOWN, absent=frozenset({("hour", "reference")}))
    action = decide(replace(record("hour", CR), fingerprint="print"), None, None, known, record("hour", AV))
    assert action.link is not None
    assert (said(action), action.writes, action.link.end[CR].fingerprint) == (("adopt", "first_meeting"), (), "print")


def test_where_only_accountview_bears_the_mark_it_is_that_of_the_line_it_was_met_with() -> None:
    there = replace(record("hour", AV), reference="avs-of-a-line-before-it")
    action = decide(record("hour", CR), None, None, KNOWN, there)
    assert writes(action) == {AV: {"reference": record("hour", CR).mark}}
    again = decide(record("hour", CR), None, None, KNOWN, replace(there, reference=record("hour", CR).mark))
    assert again.writes == ()


def test_what_a_write_of_ours_made_is_not_met_for_the_first_time() -> None:
    """Its answer was lost: what was edited since on either side is an edit, and goes across."""
    told = {AV: record("customer", AV).fields, CR: record("customer", CR).fields}
    here = record("customer", CR, email="b@example.nl", external_ref=MARK)
    half = joined("customer", ("", None), ("c1", told[CR]), AV, id=5)
    action = decide(replace(THERE, fields={**THERE.fields, "email": None, "phone": "1"}), half, None, KNOWN, here,
                    made=Made(CR, told))  # fmt: skip
    assert writes(action) == {CR: {"phone": "1"}, AV: {"email": "b@example.nl"}}
    assert said(action) == ("adopt", "first_meeting")
    link = action.link
    assert link is not None
    assert (link.adopted, link.origin, action.replaces, link.told(AV)) == (False, AV, 5, told[AV])
    fresh = decide(THERE, None, None, KNOWN, here, made=Made(CR, told)).link
    assert fresh is not None
    assert (fresh.origin, fresh.adopted) == (CR, False)


def test_several_candidates_or_a_question_are_for_a_person() -> None:
    two = (HERE, record("customer", CR, id="c2", customer_number=None))
    action = decide(THERE, None, None, KNOWN, *two)
    assert said(action) == ("reject", "several_candidates")
    assert action.params == {"candidates": "10001 Jansen BV, Jansen BV"}
    assert action.match is not None
    assert (action.match.candidates, action.match.by) == (two, "number")
    asked = decide(THERE, match=Match((HERE,), "name", "10001 of 10002"))
    alone = decide(THERE, match=Match((), "", "10001 of 10002"))
    for one in (asked, alone):
        assert (one.reason, one.params) == ("several_candidates", {"candidates": "10001 of 10002"})


def test_a_closed_project_is_met_by_our_mark_alone() -> None:
    closed, here = record("project", AV, end_date="2026-05-31"), record("project", CR)
    assert said(decide(closed, None, None, KNOWN, here)) == ("skip", "not_wanted")
    assert decide(closed, match=Match((here,), "reference")).verb == "adopt"


TYPED = record("order", CR, order_number="20001")
STANDING = record("order", AV)
TAKEN = joined("order", ("20001", {}), ("w9", {}))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"state": "found", "here": STANDING}, "first_meeting"),
        ({}, "order_number_unknown"),
        (
            {"state": "linked", "here": STANDING, "link": joined("order", ("20001", {}), ("w9", {}))},
            "order_number_taken",
        ),
        ({"state": "linked", "link": joined("order", ("20001", {}), ("w9", {}))}, "order_number_taken"),
        ({"state": "found", "fault": Malformed("customer", "5")}, "unreadable"),
        ({"state": "found", "here": record("order", AV, customer="10009")}, "order_number_other_customer"),
    ],
)
def test_a_typed_order_number_is_adopted_when_it_is_free_and_of_that_customer(answer: Any, reason: str) -> None:
    action = decide(TYPED, known=knows(EVERYTHING, ask("record", "order", AV, "20001", **answer)))
    assert said(action) == ("adopt" if reason == "first_meeting" else "reject", reason)
    assert action.partner == (STANDING if reason == "first_meeting" else None)


# linked


def linked(kind: str, av: dict[str, Any], cr: dict[str, Any], known: Known = KNOWN, **link: Any) -> Action:
    """Plan a linked record of which each side was changed like this, where it was changed at all."""
    marks = {"av:DEMO": kind, "customer": "10001", "project": "P100", "order": "20001", "location": "10001:visiting"}
    cr_row = {"external_ref": f"av:DEMO:{kind}:{marks.get(kind)}"}
    cr_row |= {"order_number": "20001"} if kind == "order" else {}
    which = 1 if kind == "location" else 0
    joint = in_step(record(kind, AV, which), record(kind, CR, **cr_row), **link)
    there = record(kind, AV, which, **av) if av else None
    here = record(kind, CR, **{**cr_row, **cr}) if cr else None
    first = there or here
    assert first is not None
    return decide(first, joint, here if there else None, known)


@pytest.mark.parametrize(
    ("direction", "av", "cr", "reason", "written"),
    [
        ("both", {"phone": "1"}, {}, "changed_in_accountview", {CR: {"phone": "1"}}),
        ("both", {}, {"phone": "2"}, "changed_in_crafter", {AV: {"phone": "2"}}),
        ("both", {"phone": "1"}, {"email": "b"}, "changed_on_both", {CR: {"phone": "1"}, AV: {"email": "b"}}),
        ("both", {"phone": "1"}, {"phone": "2"}, "changed_in_accountview", {CR: {"phone": "1"}}),
        ("both", {"phone": "1"}, {"phone": "1"}, "in_step", {}),
        ("both", {"phone": ""}, {}, "changed_in_accountview", {CR: {"phone": None}}),
        ("import", {}, {"phone": "2"}, "in_step", {}),
        ("import", {"phone": "1"}, {"email": "b"}, "changed_in_accountview", {CR: {"phone": "1"}}),
        ("export", {"phone": "1"}, {}, "in_step", {}),
        ("export", {"phone": "1"}, {"phone": "2"}, "changed_in_crafter", {AV: {"phone": "2"}}),
        ("both", {}, {"external_ref": None}, "changed_in_accountview", {CR: {"external_ref": MARK}}),
        *((way, {}, {"customer_number": "9"}, "changed_in_accountview", {CR: {"customer_number": "10001"}})
          for way in ("import", "export", "both")),
    ],
)  # fmt: skip
def test_an_edit_goes_across_where_the_flow_may_write(
    direction: str, av: dict[str, Any], cr: dict[str, Any], reason: str, written: dict[str, Any]
) -> None:
    action = linked("customer", av, cr, flows(customers=direction))
    assert (str(action.verb), action.reason, writes(action)) == ("update" if written else "skip", reason, written)
    assert {write.side: write.id for write in action.writes} == {
        side: {AV: "10001", CR: "c1"}[side] for side in written
    }


def test_what_is_told_holds_at_once_for_what_agrees_and_after_the_write_for_the_rest() -> None:
    action = linked("customer", {"phone": "1", "email": "a"}, {"phone": "2", "email": "a"})
    assert (action.told[AV]["email"], action.told[CR]["email"]) == ("a", "a")
    assert "phone" not in {**action.told[AV], **action.told[CR]}
    assert action.writes[0].told == {AV: {"phone": "1"}, CR: {"phone": "1"}}
    assert action.told[AV]["postal_code"] == "1234 AB"  # what is read and never written is remembered as read
    assert action.writes[0].remarks == (Remark("conflict", {"field": "phone", "kept": "1", "lost": "2"}),)
    assert (action.remarks, action.writes[0].changes) == ((), ())
    cut = knows(columns={("customer", "phone"): Column(upper=True)})
    assert linked("customer", {}, {"phone": "x2"}, cut).writes[0].told == {AV: {"phone": "X2"}, CR: {"phone": "x2"}}


def test_a_value_that_cannot_go_stops_its_record_once_it_was_edited_and_not_before() -> None:
    narrow = knows(EVERYTHING, columns={("customer", "phone"): Column(width=3)})
    assert said(linked("customer", {}, {"phone": "030-2"}, narrow)) == ("reject", "too_long")
    assert writes(linked("customer", {"email": "a"}, {}, narrow)) == {CR: {"email": "a"}}
    assert writes(linked("customer", {}, {"email": "a"}, narrow)) == {AV: {"email": "a"}}


def test_a_pair_that_was_linked_on_the_way_meets_for_the_first_time_when_it_is_planned() -> None:
    action = decide(THERE, joined("customer", ("10001", None), ("c1", HERE.fields)))
    assert (said(action), writes(action)) == (("adopt", "first_meeting"), {CR: {"phone": "030-1"}})


def test_hours_are_written_in_the_books_alone() -> None:
    booked = in_step(record("hour", AV), record("hour", CR))
    action = decide(record("hour", CR, hours="8"), booked)
    assert (repr(writes(action)), action.record.side) == ("{'accountview': {'quantity': Decimal('8')}}", CR)


def test_another_spelling_of_a_code_is_no_edit() -> None:
    assert said(linked("project", {}, {"project_code": "p100"})) == ("skip", "in_step")
    assert said(linked("location", {}, {"postal_code": "1234 ab"})) == ("skip", "in_step")
    assert writes(linked("location", {}, {"city": "UTRECHT"})) == {AV: {"city": "UTRECHT"}}


def test_a_conflict_is_told_only_where_both_directions_are_on() -> None:
    assert not linked("customer", {"phone": "1"}, {"phone": "2"}, flows(customers="import")).remarks


def test_the_customer_of_an_order_never_changes_and_its_project_only_from_where_it_was_made() -> None:
    elsewhere = ask("ref", "project", CR, "j2", "linked", accountview="P200", crafter="j2")
    elsewhere |= ask("ref", "project", AV, "P200", "linked", accountview="P200", crafter="j2")
    known = knows(EVERYTHING, elsewhere)
    assert writes(linked("order", {"project": "P200"}, {}, known)) == {CR: {"project_id": "j2"}}
    assert writes(linked("order", {"project": "P200"}, {}, known, origin=CR)) == {}
    assert writes(linked("order", {}, {"project_id": "j2"}, known, origin=CR)) == {AV: {"project": "P200"}}
    assert writes(linked("order", {}, {"project_id": "j2"}, known)) == {}


def test_an_edited_location_goes_to_the_columns_of_its_address_in_the_row_of_its_customer() -> None:
    action = linked("location", {}, {"street": "Elders 5"})
    assert writes(action) == {AV: {"street": "Elders 5"}}
    assert action.writes[0].id == "10001"
    told = {**record("location", AV, 0).fields, "main": "true"}
    postal = joined("location", ("10001:postal", told), ("l1", record("location", CR).fields))
    moved = record("location", CR, street="Postbus 6", external_ref="av:DEMO:location:10001:postal")
    assert writes(decide(moved, postal)) == {AV: {"postal_street": "Postbus 6"}}


def test_a_remark_in_comment2_is_left_alone_and_a_work_type_is_not() -> None:
    other_one = ask("row", "work_type", CR, "y2", "found", accountview="Montage", crafter="y2", name="Montage")
    known = knows(EVERYTHING, other_one)
    assert writes(linked("order", {}, {"work_type_id": "y2"}, known)) == {AV: {"work_type": "Montage"}}
    assert writes(linked("order", {"work_type": "Bel eerst"}, {"work_type_id": "y2"}, known)) == {}
    standing = in_step(record("order", AV, work_type="Bel eerst"), record("order", CR))
    edited = record("order", CR, work_type_id="y2", external_ref="av:DEMO:order:20001", order_number="20001")
    assert writes(decide(edited, standing, None, known)) == {}
    remark = linked("order", {"work_type": "Bel eerst"}, {}, known)
    assert (writes(remark), remark.told[AV]["work_type"]) == ({}, "Bel eerst")


@pytest.mark.parametrize("edited", [{"employee": "008"}, {"employee": "008", "name": "Anders"}])
def test_what_is_owed_is_said_and_not_settled_while_its_cause_lasts(edited: dict[str, Any]) -> None:
    action = linked("project", edited, {}, knows(EVERYTHING, ask("row", "user", AV, "008", "missing")))
    assert [one.code for one in action.remarks] == ["employee_missing"]
    assert action.again
    told = [action.told[AV], *(write.told[AV] for write in action.writes)]
    assert not [one for one in told if "employee" in one]
    assert not [one for one in action.writes if "responsible_user_id" in one.values], "nothing is emptied for it"


def test_what_is_owed_is_said_also_where_the_other_side_has_nothing_yet() -> None:
    known = knows(EVERYTHING, ask("row", "user", AV, "008", "missing"))
    action = linked("project", {"employee": "008"}, {"responsible_user_id": None}, known)
    assert ([one.code for one in action.remarks], action.writes) == (["employee_missing"], ())
    assert "employee" not in action.told[AV]


def test_what_is_owed_to_the_books_is_not_told_either() -> None:
    known = knows(EVERYTHING, ask("row", "user", CR, "u2", "found", name="Piet"))
    action = linked("project", {}, {"responsible_user_id": "u2"}, known)
    assert ([one.code for one in action.remarks], action.again) == (["employee_without_code"], True)
    told = [action.told, *(write.told for write in action.writes)]
    assert not [side for one in told for side in (AV, CR) if "employee" in one[side]]


def test_a_text_that_the_books_cannot_hold_is_said_for_as_long_as_it_is_so() -> None:
    narrow = knows(EVERYTHING, columns={("order", "description"): Column(width=4)})
    action = linked("order", {}, {"target_date": "2026-03-21"}, narrow)
    assert [(one.code, one.params["field"]) for one in action.remarks] == [("cut", "description")]
    assert writes(action) == {AV: {"delivery_date": date(2026, 3, 21)}}
    assert not linked("order", {"description": "Kort"}, {}, narrow).remarks


def test_a_linked_work_order_that_is_cancelled_is_said_and_nothing_travels() -> None:
    for av in ({}, {"description": "Anders"}):
        action = linked("order", av, {"status": "cancelled", "description": "Nieuw"})
        assert (*said(action), action.writes) == ("skip", "order_cancelled", ())
        assert action.remarks == (Remark("order_cancelled", {"order": "20001"}, again=True),)
    assert linked("order", {"description": "Anders"}, {}).writes  # while it is open it does


# two halves of two customers


OTHER = {
    **ask("ref", "customer", AV, "10009", "linked", accountview="10009", crafter="c9", name="De Wit"),
    **ask("ref", "customer", CR, "c9", "linked", accountview="10009", crafter="c9", name="De Wit"),
}  # fmt: skip


@pytest.mark.parametrize(("av", "cr"), [({"customer": "10009"}, {}), ({}, {"customer_id": "c9"})])
def test_an_order_of_two_customers_is_refused_and_told_on_the_work_order(av: Any, cr: Any) -> None:
    action = linked("order", av, cr, knows(EVERYTHING, OTHER))
    assert (*said(action), action.writes) == ("reject", "order_customers_differ", ())
    books, crafter = ("10009 De Wit", "10001 Jansen BV") if av else ("10001 Jansen BV", "10009 De Wit")
    assert action.params == {"order": "20001", "accountview": books, "crafter": crafter}
    both = linked("order", {"customer": "10009"}, {"description": "x"}, knows(EVERYTHING, OTHER))
    assert (both.record.side, both.partner and both.partner.side) == (CR, AV)


def test_an_order_that_both_sides_moved_to_one_customer_goes_on() -> None:
    moved = linked("order", {"customer": "10009", "description": "x"}, {"customer_id": "c9"}, knows(EVERYTHING, OTHER))
    assert writes(moved) == {CR: {"description": "x"}}


def test_a_customer_that_was_renumbered_since_the_order_was_read_is_the_same_one() -> None:
    renumbered = {key: one for key, one in EVERYTHING.items() if key.kind != "customer"}
    renumbered |= ask("ref", "customer", CR, "c1", "linked", accountview="10009", crafter="c1")
    known = knows(renumbered)
    assert writes(linked("order", {}, {"description": "x"}, known)) == {AV: {"description": "x"}}
    assert linked("order", {"description": "x"}, {}, known).reason == "order_customers_differ"  # it was read just now


def test_a_first_meeting_of_two_customers_is_refused_as_well() -> None:
    here = record("order", CR, order_number="20001", customer_id="c9")
    action = decide(STANDING, None, None, knows(EVERYTHING, OTHER), here)
    assert (action.reason, action.record.id, action.partner) == ("order_number_other_customer", here.id, STANDING)
    found = ask("record", "order", AV, "20001", state="found", here=STANDING)
    other_way = decide(here, known=knows(EVERYTHING, OTHER, found))
    assert (other_way.reason, other_way.params) == (action.reason, action.params), "told alike, whoever is seen first"


# found on the way


def test_what_was_found_on_both_sides_is_linked_with_what_refers_to_it() -> None:
    there, here = record("project", AV), record("project", CR)
    found = ask("ref", "project", CR, "j1", "found", accountview="P100", crafter="j1", here=here, there=there)
    assert decide(record("order", CR), known=knows(EVERYTHING, found)).pairs == ((there, here),)
    assert decide(record("order", CR)).pairs == ()
    behind = ask("record", "order", CR, "w1", "linked", here=record("order", CR))
    line = record("hour", CR, project_id=None)
    assert decide(line, known=knows(EVERYTHING, found, behind)).pairs == ((there, here),)
    late = decide(record("hour", CR, project_id=None, date="2025-01-01"), known=knows(EVERYTHING, found, behind))
    assert late.pairs == ()  # nothing is written, so nothing is linked


# a dry run's rows


def test_a_plan_has_a_row_for_each_direction_in_which_something_would_be_written() -> None:
    both = linked("customer", {"phone": "1"}, {"email": "b"})
    assert (both.record.side, both.partner and both.partner.side) == (AV, CR)
    rows = list(rows_of(both))
    assert [(one["direction"], one["action"], one["fields"]) for one in rows] == [
        ("import", "update", ["phone"]), ("export", "update", ["email"]),
    ]  # fmt: skip
    assert next(iter(rows_of(decide(record("customer", CR)))))["key"] == "10001"
    (row,) = rows_of(decide(record("contact", AV), known=knows()))
    assert row == {
        "flow": "customers", "direction": "import", "kind": "contact", "key": "P1", "name": "Jan de Wit",
        "action": "wait", "fields": [], "reason": "waiting_for_parent", "side": AV, "params": row["params"],
    }  # fmt: skip
    assert (row["params"]["parent"], row["params"]["parent_id"]) == ("10001", "10001")
    (row,) = rows_of(decide(record("location", CR, external_ref="x")))
    assert (row["direction"], row["key"], row["action"]) == ("export", "l1", "skip")
