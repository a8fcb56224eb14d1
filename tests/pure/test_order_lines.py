"""The ticked lines of a work order against what was sent and what stands on the order (behaviour 4, 20 and 21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from avsync.records.fit import Column
from avsync.records.kind import Known, Link, Remark, Stored, Write, asks_of
from avsync.records.order_lines import ORDER_LINE
from avsync.records.values import Malformed, Record
from avsync.sync.plan import Action, Meeting, plan
from tests.support.by_hand import AV, CR, CUSTOMER, ask, joined, knows, pair, policy, record

ARTICLES = {key: one for name in ("A1", "A2") for key, one in ask("row", "article", AV, name, "found").items()}
ORDER = joined("order", ("20001", {}), ("w1", {}), CR)


def ticked(identity: str, article: str | None = "A1", amount: Any = "2", **more: Any) -> dict[str, Any]:
    return {"id": identity, "article_number": article, "quantity": amount, "description": "", "checked": True, **more}


def row(identity: str, article: str = "A1", amount: str = "2") -> dict[str, Any]:
    return {"id": identity, "article": article, "quantity": amount}


def checked(*lines: dict[str, Any], **changed: Any) -> Record:
    return record("order_line", CR, lines=list(lines), **changed)


def sent(**lines: tuple[str, str]) -> Link:
    """The link of an order onto which lines went: Crafter's line id → (its REC_ID, what was told of it)."""
    there = {name: record_id for name, (record_id, _) in lines.items()}
    return joined("order_line", ("20001", there), ("w1", {name: told for name, (_, told) in lines.items()}), CR)


def on(*rows: Mapping[str, Any], order: Link = ORDER, columns: Any = None, **more: Any) -> Known:
    """These rows stand on the linked order."""
    state = "gone" if order.gone else "linked"
    return knows(
        ARTICLES, ask("link", "order", CR, "w1", state, accountview="20001", crafter="w1", link=order),
        ask("details", "order_line", AV, "20001", **{"state": "found", "rows": rows, **more}), columns=columns,
    )  # fmt: skip


def decide(one: Record, known: Known, link: Link | None = None) -> Action:
    return plan(ORDER_LINE, one, link, None, known, Meeting())


def outcome(action: Action) -> tuple[str, list[list[dict[str, Any]]], list[str]]:
    """The verb, the lines of each write, the codes of the remarks."""
    return str(action.verb), [write.values["lines"] for write in action.writes], [one.code for one in action.remarks]


NEW = {"article": "A1", "quantity": Decimal(2)}
ONE = sent(x1=("r1", "A1\t2"))
MORE = {"id": "r1", "article": "A1", "quantity": Decimal(3)}


@pytest.mark.parametrize(
    ("lines", "known", "link", "planned"),
    [
        ([ticked("x1")], on(), None, ("create", [[NEW]], [])),
        ([ticked("x1")], on(row("r9")), None, ("create", [[NEW]], [])),  # what stood there is another's
        ([ticked("x1"), ticked("x2")], on(), None, ("create", [[NEW, NEW]], [])),
        ([ticked("x1")], on(row("r1")), ONE, ("skip", [], [])),
        ([ticked("x1", amount="3")], on(row("r1")), ONE, ("update", [[MORE]], [])),
        ([ticked("x1", "A2")], on(row("r1")), ONE, ("update", [[{"id": "r1", "article": "A2", "quantity": 2}]], [])),
        ([ticked("x1", amount="3"), ticked("x2")], on(row("r1")), ONE,
         ("create", [[MORE], [NEW]], [])),
        ([ticked("x1", "B1")], on(), None, ("reject", [], ["article_unknown"])),
        ([ticked("x1", None)], on(), None, ("reject", [], ["article_missing"])),
        ([ticked("x1", "B1"), ticked("x2")], on(), None, ("create", [[NEW]], ["article_unknown"])),
        ([ticked("x1", "B1", "3")], on(row("r1", "B1")), sent(x1=("r1", "B1\t2")),  # it was known when it was sent
         ("update", [[{"id": "r1", "article": "B1", "quantity": 3}]], [])),
        ([ticked("x1", checked=False)], on(row("r1")), ONE, ("reject", [], ["line_unticked"])),
        ([], on(row("r1")), ONE, ("reject", [], ["line_unticked"])),
        ([ticked("x1", checked=False)], on(), ONE, ("skip", [], [])),  # gone there as well
        ([ticked("x1", checked=False)], on(), None, ("skip", [], [])),
        ([ticked("x1", amount="3")], on(), ONE, ("reject", [], ["line_gone"])),
        ([ticked("x1")], on(), ONE, ("skip", [], [])),  # deleted there: not sent again
        ([ticked("x1", amount="3")], on(row("r1", amount="4")), ONE, ("reject", [], ["line_edited"])),
        ([ticked("x1", amount="3")], on(row("r1", "B1")), ONE, ("reject", [], ["line_edited"])),
        ([ticked("x1", amount="3")], on(row("r1", amount="3")), ONE, ("update", [[MORE]], [])),  # both said the same
        ([ticked("x1")], on(row("r1", amount="4")), ONE, ("skip", [], [])),  # nothing to say
        ([ticked("x1", "B1")], on(row("r1")), ONE, ("reject", [], ["article_unknown"])),
        ([ticked("x1")], on(state="missing"), ONE, ("skip", [], [])),  # nothing to write, so no order is missed
        ([ticked("x1", amount=2.5)], on(row("r1")), ONE, ("reject", [], ["line_unreadable"])),
        ([ticked("x1", amount="0.126")], on(columns={("order_line", "quantity"): Column(decimals=2)}), None,
         ("create", [[{"article": "A1", "quantity": Decimal("0.13")}]], ["line_rounded"])),
    ],
)  # fmt: skip
def test_each_ticked_line_is_added_changed_or_says_why_not(
    lines: list[dict[str, Any]], known: Known, link: Link | None, planned: Any
) -> None:
    assert outcome(decide(checked(*lines), known, link)) == planned


def test_lines_that_stand_there_are_kept_with_the_write_that_adds_to_them() -> None:
    (write,) = decide(checked(ticked("x1")), on(row("r9"), row("r1"))).writes
    assert (write.side, write.id) == (AV, "20001")
    assert write.lines == {"before": ["r1", "r9"], "add": [["x1", "A1", "2"]], "change": []}
    assert write.counts == {"created": 1, "updated": 0}


def test_the_link_is_made_with_the_first_write_and_counts_are_of_lines() -> None:
    action = decide(checked(ticked("x1"), ticked("x2")), on())
    assert action.link is not None
    assert (action.link.id, action.link.accountview, action.link.crafter, action.link.origin) == (0, "20001", "w1", CR)
    assert action.counts == {"created": 2, "updated": 0, "adopted": 0}
    assert decide(checked(ticked("x1", "B1")), on()).link is None
    assert decide(checked(ticked("x1"), ticked("x2")), on(row("r1")), ONE).link == ONE


def test_a_remark_names_the_line_and_is_planned_again_while_its_cause_lies_elsewhere() -> None:
    lines = (ticked("x1", "B1", "3", description="Pomp"), ticked("x2", None), ticked("x3", amount=2.5))
    action = decide(checked(*lines), on())
    bare = {"article": "-", "quantity": "2", "slot": "x2", "line": "-"}
    assert action.remarks == (
        Remark("line_unreadable", {"field": "quantity", "found": "2.5", "article": "A1", "slot": "x3"}, again=True),
        Remark("article_unknown", {"article": "B1", "quantity": "3", "slot": "x1", "line": "Pomp"}, again=True),
        Remark("article_missing", bare, again=True),
    )
    assert action.params == action.remarks[0].params


ADOPTED = replace(ORDER, adopted=True)


def test_on_an_adopted_order_an_equal_line_counts_as_sent_and_each_only_once() -> None:
    action = decide(
        checked(ticked("x1"), ticked("x2"), ticked("x3", "A2")), on(row("r1"), row("r2", "A2", "5"), order=ADOPTED)
    )
    assert outcome(action) == ("create", [[NEW, {**NEW, "article": "A2"}]], ["lines_counted"])
    assert action.remarks[0].params == {"order": "20001", "lines": "A1 (2)", "slot": "r1"}
    assert action.told == {CR: {"x1": "A1\t2"}, AV: {"x1": "r1"}}
    known = on(row("r1"), order=ADOPTED)
    only = decide(checked(ticked("x1")), known)
    assert (outcome(only)[:2], only.link and only.link.id) == (("adopt", []), 0)
    assert outcome(decide(checked(ticked("x1"), ticked("x2")), known, ONE))[1] == [[NEW]]  # r1 is x1's already


TWO = sent(x1=("r1", "A1\t2"), x2=("r2", "A1\t2"))


def test_a_line_under_a_new_id_is_the_equal_one_whose_id_vanished() -> None:
    action = decide(checked(ticked("y1"), ticked("y2"), ticked("y3")), on(row("r1"), row("r2")), TWO)
    assert outcome(action) == ("create", [[NEW]], [])
    assert action.told == {CR: {"y1": "A1\t2", "y2": "A1\t2"}, AV: {"y1": "r1", "y2": "r2"}}
    assert action.freed == ("x1", "x2")
    assert action.writes[0].lines == {"before": ["r1", "r2"], "add": [["y3", "A1", "2"]], "change": []}
    moved = decide(checked(ticked("y1")), on(row("r1")), ONE)
    assert (outcome(moved), moved.told[AV], moved.freed) == (("skip", [], []), {"y1": "r1"}, ("x1",))


@pytest.mark.parametrize(
    ("lines", "remarks"),
    [
        ([ticked("y1", amount="3")], ["line_unticked"]),  # another line, and the old one still stands there
        ([ticked("y1", "A2")], ["line_unticked"]),
        ([ticked("x1", checked=False), ticked("y1")], ["line_unticked"]),  # unticked is not vanished
        ([ticked("x1", amount=2.5), ticked("y1")], ["line_unreadable"]),
        ([ticked("y1", checked=False)], ["line_unticked"]),
    ],
)
def test_any_other_line_under_a_new_id_is_a_new_line(lines: list[dict[str, Any]], remarks: list[str]) -> None:
    action = decide(checked(*lines), on(row("r1")), ONE)
    assert [one.code for one in action.remarks] == remarks
    assert action.freed == ()
    assert len(action.writes) == (lines[-1]["checked"] is True)


def test_a_work_order_that_is_no_longer_checked_says_which_of_its_lines_still_stand_there() -> None:
    known = on(row("r2", amount="9"))
    action = decide(checked(ticked("x1", amount="7"), status="planned"), known, TWO)
    assert outcome(action) == ("reject", [], ["order_unchecked"])
    assert action.remarks[0].params == {"order": "20001", "lines": "A1 (2)"}
    assert outcome(decide(checked(status="planned"), on(), TWO)) == ("skip", [], [])
    assert outcome(decide(checked(status="cancelled"), known, TWO)) == ("skip", [], [])  # that is told as such
    assert outcome(decide(checked(status="planned"), on(state="missing"), TWO)) == ("skip", [], [])


@pytest.mark.parametrize(
    ("one", "known", "said", "lost"),
    [
        (checked(ticked("x1")), knows(ARTICLES), "reject order_not_linked", None),
        (checked(ticked("x1"), created_at="2025-12-30T10:00:00Z"), knows(ARTICLES), "skip checked", None),
        (checked(ticked("x1"), created_at="2025-12-31T23:00:00Z"), knows(ARTICLES), "reject order_not_linked", None),
        (checked(ticked("x1"), status="open"), on(), "skip not_wanted", None),
        (checked(ticked("x1")), replace(on(), policy=policy({"invoice": "off"})), "skip not_wanted", None),
        (checked(ticked("x1")), on(state="missing"), "reject order_closed", ORDER),
        (checked(ticked("x1")), on(state="missing", order=replace(ORDER, gone=True)), "reject order_closed", None),
        (checked(ticked("x1")), on(state="missing", order=joined("order", ("20001", None), ("w1", {}), gone=True)),
         "skip checked", None),
        (checked(ticked("x1")), on(fault=Malformed("quantity", "5")), "reject unreadable", None),
    ],
)  # fmt: skip
def test_lines_need_an_order_that_can_be_read_and_written(
    one: Record, known: Known, said: str, lost: Link | None
) -> None:
    action = decide(one, known)
    assert (f"{action.verb} {action.reason}", action.lost) == (said, lost)
    particulars = {"order_closed": {"order": "20001"}, "unreadable": {"field": "quantity", "found": "5"}}
    assert action.params == particulars.get(action.reason, {})


def test_lines_of_another_customer_than_the_order_has_are_not_written() -> None:
    halves = {
        **ask("record", "order", AV, "20001", "linked", here=record("order", AV)),
        **ask("record", "order", CR, "w1", "linked", here=record("order", CR, customer_id="c9")),
    }
    known = on()
    known = replace(known, answers={**known.answers, **halves, **CUSTOMER, **pair("customer", "10009", "c9")})
    assert decide(checked(ticked("x1")), known).reason == "order_customers_differ"


def test_what_stands_on_the_order_is_asked_only_where_something_differs() -> None:
    def asked(one: Record, link: Link | None, known: Known) -> set[str]:
        return {f"{it.what} {it.key}" for it in asks_of(ORDER_LINE, one, link, known)}

    more = {"link w1", "details 20001", "record 20001", "record w1"}
    assert asked(checked(ticked("x1")), ONE, on()) == {"link w1"}
    assert asked(checked(ticked("x1", amount="3")), ONE, on()) == more
    assert asked(checked(), ONE, on()) == more  # a line that was sent is not ticked
    assert asked(checked(ticked("x1", amount=2.5)), ONE, on()) == {"link w1"}
    assert asked(checked(ticked("x1", "B1"), ticked("x2", None)), None, on()) == {*more, "row B1"}
    assert asked(checked(ticked("x1", "B1")), None, on(order=replace(ORDER, gone=True))) == {"link w1", "row B1"}
    assert asked(checked(ticked("x1", "B1")), None, knows()) == {"link w1"}
    assert asked(checked(ticked("x1"), status="planned"), ONE, on()) == {"link w1", "details 20001"}
    assert asked(checked(ticked("y1")), ONE, on()) == {"link w1"}  # the same line under another id
    read = ask("record", "order", AV, "20001", "linked", here=record("order", AV))
    read |= ask("record", "order", CR, "w1", "linked", here=record("order", CR))
    known = replace(on(), answers={**on().answers, **read})
    assert asked(checked(ticked("x1")), None, known) == {*more, "row A1", "ref 10001", "ref c1"}


def test_people_know_the_lines_by_the_number_of_their_order() -> None:
    assert decide(checked(order_number=None), on()).record.key == "20001"
    assert decide(checked(order_number=None), knows()).record.key == "WB-7"


# after the write

DETAIL = {"before": ["r1"], "add": [["x2", "A1", "2"], ["x3", "A1", "2"]], "change": [["r1", "x1", "A1", "3"]]}
ADD = Write(AV, "20001", {}, (), {}, DETAIL)


def saved(*rows: dict[str, Any]) -> Stored:
    assert ORDER_LINE.saved is not None
    return ORDER_LINE.saved(ADD, rows)


def looked_up(*rows: dict[str, Any], link: Link | None = None) -> Stored:
    assert ORDER_LINE.look_up is not None
    return ORDER_LINE.look_up(DETAIL, rows, link)


def test_after_a_success_each_new_line_takes_one_of_the_rows_that_were_not_there_before() -> None:
    done = saved(row("r1", amount="3"), row("r2"), row("r3"))
    assert done.shows
    assert done.told[AV] == {"x1": "r1", "x2": "r2", "x3": "r3"}
    assert done.told[CR] == {"x1": "A1\t3", "x2": "A1\t2", "x3": "A1\t2"}
    short = saved(row("r1", amount="3"), row("r2"))
    assert (short.shows, short.told[AV]) == (False, {"x1": "r1", "x2": "r2"})


def test_a_line_that_was_stored_with_another_quantity_is_that_line_and_is_said() -> None:
    done = saved(row("r1"), row("r0", "A2"), row("r2", amount="1.98"), row("r3", amount="1.99"))
    assert done.told[AV] == {"x1": "r1", "x2": "r2", "x3": "r3"}
    told = [(one.code, one.params["slot"], one.params["rounded"]) for one in done.remarks]
    assert told == [("line_rounded", "x2", "1.98"), ("line_rounded", "x3", "1.99")]


def test_after_an_unknown_outcome_only_rows_that_are_new_and_nobodys_count() -> None:
    whole = looked_up(row("r1", amount="3"), row("r2"), row("r3"))
    assert (whole.shows, whole.told[AV]) == (True, {"x1": "r1", "x2": "r2", "x3": "r3"})
    nothing = looked_up(row("r1"))
    assert (nothing.shows, nothing.told) == (False, {AV: {}, CR: {}})  # r1 was there before
    half = looked_up(row("r1", amount="3"), row("r2"))
    assert (half.shows, half.told[AV]) == (False, {"x2": "r2"})
    known = looked_up(row("r1", amount="3"), row("r2"), row("r3"), link=sent(x9=("r2", "A1\t2")))
    assert (known.shows, known.told[AV]) == (False, {"x2": "r3"})  # r2 is x9's
    for stale in ([row("r1")], []):  # the change does not show, or its line is gone
        found = looked_up(*stale, row("r2"), row("r3"))
        assert (found.shows, found.told[AV]) == (False, {"x2": "r2", "x3": "r3"})


def test_a_refused_write_is_tried_line_by_line() -> None:
    assert ORDER_LINE.split is not None
    parts = ORDER_LINE.split(ADD)
    assert [(one.lines or {})["add"] for one in parts] == [[], [["x2", "A1", "2"]], [["x3", "A1", "2"]]]
    assert [(one.lines or {})["change"] for one in parts] == [[["r1", "x1", "A1", "3"]], [], []]
    assert {((one.lines or {})["before"][0], one.id, one.side) for one in parts} == {("r1", "20001", AV)}
    assert ORDER_LINE.split(parts[0]) == ORDER_LINE.split(parts[1]) == []
