"""The inbox: the newest version of what is to be planned, who is free to be met, and what is known to be absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from avsync.records.kind import End, Link
from avsync.records.values import Record
from avsync.state.db import ONE_STATEMENT
from avsync.state.intents import Intent
from avsync.state.store import Store
from tests.support.by_hand import AV, CR, record

ONE = record("customer", CR)
FULL = Record(
    "customer", CR, "c1", "K", "Café", {"name": "Café", "email": None}, "r", "m", "o", "a", "t", "d", True, "p"
)


def ids(
    store: Store, kind: str = "customer", side: Any = CR, span: tuple[int, int] = (0, 99), size: int = 99
) -> list[str]:
    return [entry.record.id for entry in store.inbox.page(kind, side, *span, size)]


def link(store: Store, av: str, cr: str, kind: str = "customer") -> int:
    return store.links.add(Link(kind, {AV: End(av), CR: End(cr)}, AV))


def test_a_version_comes_back_as_it_was_and_the_newest_counts(store: Store) -> None:
    store.inbox.put(FULL, "keep")
    assert store.inbox.one("customer", CR, "c1") == FULL
    old = store.inbox.get("customer", CR, ["c1", "c2"])["c1"]
    newer = replace(FULL, name="x")
    store.inbox.put(newer, "plan")
    (entry,) = store.inbox.get("customer", CR, ["c1"]).values()
    assert (entry.record, entry.fate) == (newer, "plan")
    assert entry.seq == store.inbox.newest() > old.seq
    store.inbox.done([old])  # what came meanwhile is not in step
    assert store.inbox.one("customer", CR, "c1") == newer
    store.inbox.done([entry])
    assert store.inbox.one("customer", CR, "c1") is None


def test_records_of_another_side_or_kind_are_others(store: Store) -> None:
    for one in (ONE, replace(ONE, side=AV), replace(ONE, kind="contact")):
        store.inbox.put(one, "plan")
    store.inbox.remove("customer", CR, "c1")
    assert ids(store) == []
    assert ids(store, side=AV) == ids(store, "contact") == ["c1"]


def test_a_page_holds_what_is_to_be_planned_oldest_first_between_two_numbers(store: Store) -> None:
    for number in range(1, 6):
        store.inbox.put(replace(ONE, id=f"c{number}"), "keep" if number == 3 else "plan")
    store.inbox.put(replace(ONE, id="c1"), "plan")  # read again: behind the others now
    assert ids(store) == ["c2", "c4", "c5", "c1"]
    assert ids(store, size=2) == ["c2", "c4"]
    assert ids(store, span=(2, 5)) == ["c4", "c5"]
    assert store.inbox.waiting("customer", CR) == 4
    store.inbox.set_fate(3, "plan")
    assert ids(store) == ["c2", "c3", "c4", "c5", "c1"]
    link(store, "10001", "c2")
    link(store, "10004", "x", "contact")
    store.inbox.put(replace(ONE, id="c9"), "keep")
    assert (store.inbox.unlinked("customer", CR), store.inbox.waiting("customer", CR)) == (4, 5)


@pytest.mark.parametrize("column", ["key", "alike", "reference", "mark", "owner"])
def test_candidates_are_found_by_any_of_their_marks_and_nothing_matches_nothing(store: Store, column: str) -> None:
    bare = replace(FULL, id="c2", key="", alike="", reference="", mark="", owner="")
    for one in (FULL, bare, replace(FULL, side=AV), replace(FULL, kind="contact")):
        store.inbox.put(one, "keep")
    value = getattr(FULL, column)
    assert (
        store.inbox.by(column, "customer", CR, value)
        == store.inbox.free((), "DEMO", "customer", CR, column, value)
        == [FULL]
    )
    assert store.inbox.by(column, "customer", CR, "") == store.inbox.free((), "DEMO", "customer", CR, column, "") == []


def test_free_is_what_no_link_points_at_and_this_plan_has_not_taken(store: Store) -> None:
    for number in range(1, 4):
        store.inbox.put(replace(ONE, id=f"c{number}", key="K"), "keep")
    link(store, "c1", "c2")  # the number of another side
    link(store, "10001", "c3", "contact")

    def free(*taken: tuple[Any, str]) -> list[str]:
        return [one.id for one in store.inbox.free(set(taken), "DEMO", "customer", CR, "key", "K")]

    assert free() == ["c1", "c3"]
    assert free((CR, "c1"), (AV, "c3")) == ["c3"]


def test_what_is_to_be_made_again_on_the_other_side_is_free_and_what_is_gone_is_not(store: Store) -> None:
    for number in ("1", "2"):
        store.inbox.put(replace(BOOKS, id=number, key="K"), "plan")
    store.links.add(Link("customer", {AV: End("1"), CR: End()}, AV))
    store.links.add(Link("customer", {AV: End("2"), CR: End()}, AV, gone=True))
    assert [one.id for one in store.inbox.free((), "DEMO", "customer", AV, "key", "K")] == ["1"]


def test_any_number_of_versions_is_found_at_once(store: Store) -> None:
    names = [f"c{number}" for number in range(2 * ONE_STATEMENT + 1)]
    with store.transaction():
        for name in names:
            store.inbox.put(replace(ONE, id=name), "keep")
    assert list(store.inbox.get("customer", CR, names)) == names


MARKED = record("customer", CR, external_ref="av:DEMO:customer:10001")
BOOKS = record("customer", AV)
WORK = record("order", CR)
SALES = record("order", AV, reference=WORK.mark)


@pytest.mark.parametrize(
    ("put", "linked", "intent", "strays"),
    [
        ([], None, "", False),
        ([(ONE, "plan"), (BOOKS, "plan")], None, "", False),
        ([(MARKED, "plan")], None, "", True),
        ([(MARKED, "keep")], None, "", False),
        ([(MARKED, "keep"), (BOOKS, "keep")], None, "", True),
        ([(replace(MARKED, reference="by hand"), "plan")], None, "", False),
        ([(MARKED, "plan")], ("customer", "10009", "c1"), "", False),
        ([(MARKED, "plan")], ("contact", "10009", "c1"), "", True),
        ([(MARKED, "keep"), (BOOKS, "keep")], ("customer", "10001", "c9"), "", False),
        ([(MARKED, "plan")], None, MARKED.reference, False),
        ([(SALES, "plan")], None, "", False),
        ([(SALES, "keep"), (WORK, "keep")], None, "", True),
        ([(SALES, "keep"), (WORK, "keep")], None, SALES.reference, False),
        ([(SALES, "keep"), (WORK, "keep")], ("order", "20001", "w9"), "", False),
    ],
)
def test_a_stray_bears_our_mark_although_no_link_and_no_intent_knows_it(
    store: Store, put: list[tuple[Record, str]], linked: tuple[str, str, str] | None, intent: str, strays: bool
) -> None:
    for one, fate in put:
        store.inbox.put(one, fate)
    if linked:
        link(store, linked[1], linked[2], linked[0])
    if intent:
        store.intents.announce([Intent(put[0][0].kind, CR, "create", AV, "x", "", "", intent)], 1)
    assert store.inbox.strays("DEMO") == strays


def test_after_a_full_listing_what_it_did_not_show_is_dropped(store: Store) -> None:
    for one in (ONE, replace(ONE, id="c2"), replace(ONE, side=AV), replace(ONE, kind="contact")):
        store.inbox.put(one, "keep")
    store.start_seen()
    store.saw(["c2"])
    store.inbox.drop_unseen("customer", CR, within=False, until=store.inbox.newest(), years=None)
    assert list(store.inbox.get("customer", CR, ["c1", "c2"])) == ["c2"]
    assert store.inbox.one("customer", AV, "c1")
    assert store.inbox.one("contact", CR, "c1")
    for number in ("10001", "10002"):
        store.inbox.put(replace(ONE, kind="location", side=AV, id=f"{number}:visiting"), "plan")
    store.saw(["10002"])
    store.inbox.drop_unseen("location", AV, within=True, until=store.inbox.newest() - 2, years=None)
    assert len(store.inbox.get("location", AV, ["10001:visiting", "10002:visiting"])) == 2
    store.inbox.drop_unseen("location", AV, within=True, until=store.inbox.newest(), years=None)
    assert list(store.inbox.get("location", AV, ["10001:visiting", "10002:visiting"])) == ["10002:visiting"]


def test_of_other_years_a_listing_tells_nothing(store: Store) -> None:
    for number, day in (("o1", "2025-12-31"), ("o2", "2026-01-01"), ("o3", "")):
        store.inbox.put(replace(ONE, kind="order", side=AV, id=number, day=day), "keep")
    store.start_seen()
    store.inbox.drop_unseen("order", AV, within=False, until=store.inbox.newest(), years=["2026"])
    assert list(store.inbox.get("order", AV, ["o1", "o2", "o3"])) == ["o1", "o3"]


# what was looked up and is not there


def test_an_absence_holds_for_its_record_from_its_moment_until_it_is_seen(store: Store) -> None:
    store.note_absent("project", AV, ["P1", "P2"], "2026-05-02")
    assert store.absent("project", AV, ["P1", "P2", "P3"], "2026-05-02") == {"P1", "P2"}
    assert store.absent("project", AV, ["P1"], "2026-05-03") == set()
    assert store.absent("project", CR, ["P1"], "") == store.absent("order", AV, ["P1"], "") == set()
    store.not_absent("project", AV, ["P1"])
    assert store.absent("project", AV, ["P1", "P2"], "") == {"P2"}
    assert (store.some_absent("project", AV), store.some_absent("project", CR)) == (True, False)


def test_an_absence_that_was_not_asked_again_is_forgotten_and_nothing_else_is(store: Store) -> None:
    store.note_absent("project", AV, ["P1"], "2026-05-01")
    store.note_absent("project", AV, ["P2"], "2026-05-03")
    store.cache("metadata", {"a": 1}, "2026-05-01")
    store.forget_absences("2026-05-02", "2026-05-09")
    assert store.absent("project", AV, ["P1", "P2"], "") == {"P2"}
    assert store.cached("metadata", "") == {"a": 1}
