"""The links: two ends alike, never two records on one, and what either side told."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from avsync.records.kind import BOTH, End, Link
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side, other
from avsync.state.db import ONE_STATEMENT
from avsync.state.store import Store
from tests.support.by_hand import record

Told = Mapping[str, Canonical] | None


def join(store: Store, av: str, cr: str, told: Told = None, kind: str = "customer", **more: Any) -> int:
    ends = {ACCOUNTVIEW: End(av, told, f"p{av}"), CRAFTER: End(cr, told, f"p{cr}")}
    return store.links.add(Link(kind, ends, ACCOUNTVIEW, **more))


def known(store: Store, identity: int) -> Link:
    found = store.links.by_id(identity)
    assert found is not None
    return found


@pytest.mark.parametrize("adopted", [True, False])
@pytest.mark.parametrize("told", [None, {}, {"name": "Café", "email": None}])
def test_a_link_comes_back_as_it_was_from_either_end(store: Store, told: Told, adopted: bool) -> None:
    ends = {ACCOUNTVIEW: End("10001", told, "p"), CRAFTER: End("c1", {"name": "x"})}
    for origin, gone in ((ACCOUNTVIEW, False), (CRAFTER, True)):
        link = Link("customer", ends, origin, adopted=adopted, gone=gone)
        link = replace(link, id=store.links.add(link))
        assert known(store, link.id) == link
        assert store.links.one("customer", ACCOUNTVIEW, "10001") == store.links.one("customer", CRAFTER, "c1") == link
        assert store.links.one("customer", CRAFTER, "10001") is store.links.one("order", CRAFTER, "c1") is None
        store.links.remove(link.id)
        assert store.links.by_id(link.id) is None


@pytest.mark.parametrize(("av", "cr"), [("10001", "c2"), ("10002", "c1")])
def test_a_record_is_linked_once_on_its_side_and_in_its_kind(store: Store, av: str, cr: str) -> None:
    join(store, "10001", "c1")
    with pytest.raises(sqlite3.IntegrityError):
        join(store, av, cr)
    assert join(store, av, cr, kind="order")
    assert join(store, "", "c8") != join(store, "", "c9")  # what is not made there yet is no record


def test_a_record_that_was_to_be_made_again_and_is_met_gives_its_half_a_link_up(store: Store) -> None:
    half, other_half = join(store, "10001", ""), join(store, "10002", "")
    gone, whole = join(store, "10003", "", gone=True), join(store, "10004", "c4")
    for number in ("10001", "10003", "10004"):
        store.links.remove_halves(Link("customer", {ACCOUNTVIEW: End(number), CRAFTER: End("c9")}, ACCOUNTVIEW))
    assert store.links.by_id(half) is None
    assert all(store.links.by_id(one) is not None for one in (other_half, gone, whole))
    store.links.remove_halves(Link("order", {ACCOUNTVIEW: End("10002"), CRAFTER: End("c9")}, ACCOUNTVIEW))
    assert store.links.by_id(other_half) is not None


def test_a_page_of_any_length_is_found(store: Store) -> None:
    ids = [str(number) for number in range(2 * ONE_STATEMENT + 1)]
    with store.transaction():
        for one in ids:
            join(store, one, f"c{one}")
    assert store.links.by_side("customer", ACCOUNTVIEW, ids).keys() == set(ids)
    assert len(store.links.fingerprints("customer", ACCOUNTVIEW, ids)) == len(ids)


@pytest.mark.parametrize("side", BOTH)
def test_what_a_side_tells_is_added_to_what_it_told_and_the_other_side_is_left_alone(store: Store, side: Side) -> None:
    one = join(store, "10001", "c1", {"name": "a", "phone": "1"})
    store.links.tell(one, {side: {"phone": None, "email": "e"}, other(side): {}})
    assert known(store, one).told(side) == {"name": "a", "phone": None, "email": "e"}
    assert known(store, one).told(other(side)) == {"name": "a", "phone": "1"}
    never = join(store, "10002", "c2")
    store.links.tell(never, {side: {}})
    assert known(store, never).end[side].told is None
    store.links.tell(never, {side: {"name": "b"}})
    assert (known(store, never).told(side), known(store, never).end[other(side)].told) == ({"name": "b"}, None)
    store.links.tell(99, {side: {"name": "b"}})  # one that was removed meanwhile


@pytest.mark.parametrize("side", BOTH)
def test_one_end_is_pointed_elsewhere_and_the_other_stays(store: Store, side: Side) -> None:
    one = join(store, "10001", "c1", {"name": "a"})
    kept = known(store, one).end[other(side)]
    store.links.point(one, side, End("new", {"name": "b"}, "print"))
    assert known(store, one).end == {side: End("new", {"name": "b"}, "print"), other(side): kept}
    store.links.point(one, side, End())
    assert known(store, one).end == {side: End(), other(side): kept}
    assert store.links.some("customer") == (side == ACCOUNTVIEW)  # without a Crafter half it is linked no more


def test_a_renumbered_record_keeps_all_but_its_number_and_is_there_again(store: Store) -> None:
    one = join(store, "10001", "c1", {"name": "a"}, gone=True)
    store.links.rename(one, "10009")
    found = known(store, one)
    assert (found.end[ACCOUNTVIEW], found.gone) == (End("10009", {"name": "a"}), False)
    assert found.end[CRAFTER] == End("c1", {"name": "a"}, "pc1")


def test_what_stands_in_a_row_begins_with_its_key_and_a_colon(store: Store) -> None:
    names = ["10001:postal", "10001:visiting", "10001", "100010:postal", "1000:postal", "10001;x"]
    for number, name in enumerate(names):
        join(store, name, f"l{number}", kind="location")
    join(store, "10001:postal", "x", kind="contact")
    assert [one.accountview for one in store.links.in_row("location", "10001")] == names[:2]


def test_what_belongs_to_a_record_goes_by_what_crafter_told(store: Store) -> None:
    mine = join(store, "p1", "k1", {"customer": "c1"}, "contact")
    join(store, "p2", "k2", {"customer": "c2"}, "contact")
    join(store, "p3", "k3", None, "contact")
    join(store, "p4", "k4", {"customer": "c1"}, "location")
    store.links.point(mine, ACCOUNTVIEW, End("p1", {"customer": "10001"}))
    assert [one.id for one in store.links.belonging("contact", "customer", "c1")] == [mine]
    assert store.links.belonging("contact", "customer", "10001") == []


def test_a_full_pass_goes_by_the_prints_of_what_is_linked_and_alive(store: Store) -> None:
    one, two = join(store, "10001", "c1"), join(store, "10002", "c2")
    for side, ids in ((ACCOUNTVIEW, ["10001", "10002"]), (CRAFTER, ["c1", "c2"])):
        assert store.links.fingerprints("customer", side, [*ids, "9"]) == {name: f"p{name}" for name in ids}
        assert store.links.fingerprints("order", side, ids) == {}
    store.links.set_fingerprints("customer", CRAFTER, [("new", "c1")])
    store.links.written("customer", CRAFTER, "c2")
    found = (known(store, one).end[CRAFTER].fingerprint, known(store, two).end[CRAFTER].fingerprint)
    assert found == ("new", "")
    assert known(store, two).end[ACCOUNTVIEW].fingerprint == "p10002"
    store.links.set_gone(one, True)
    assert "10001" not in store.links.fingerprints("customer", ACCOUNTVIEW, ["10001"])
    store.links.set_gone(one, False)
    assert store.links.fingerprints("customer", ACCOUNTVIEW, ["10001"]) == {"10001": None}  # to be read again


def test_one_link_or_all_of_a_kind_become_adopted(store: Store) -> None:
    one, two, third = join(store, "1", "a"), join(store, "2", "b"), join(store, "3", "c", kind="order")
    store.links.adopt("customer", one)
    assert [known(store, each).adopted for each in (one, two, third)] == [True, False, False]
    store.links.adopt("customer")
    assert [known(store, each).adopted for each in (one, two, third)] == [True, True, False]


def test_only_what_is_linked_on_both_sides_and_alive_counts(store: Store) -> None:
    assert (store.links.count("customer"), store.links.some("customer")) == (0, False)
    join(store, "1", "", {"x": "1"})
    join(store, "2", "b", {"x": "1"}, gone=True)
    assert (store.links.count("customer"), store.links.some("customer")) == (0, False)
    join(store, "3", "c", {"x": "1", "y": "2", "z": "3"})
    join(store, "4", "d", None)
    assert (store.links.count("customer"), store.links.some("customer")) == (2, True)
    assert store.links.count("customer", parts=True) == 3


def test_what_a_full_listing_did_not_show_is_unseen(store: Store) -> None:
    gone, half = join(store, "1", "a", gone=True), join(store, "", "b")
    seen, unseen = join(store, "3", "c"), join(store, "4", "d")
    store.start_seen()
    store.saw(["3", "3"])
    assert store.seen_count() == 1
    assert [one.id for one in store.links.unseen("customer", ACCOUNTVIEW)] == [unseen]
    assert [one.id for one in store.links.unseen("customer", CRAFTER)] == [half, seen, unseen]
    assert gone not in {one.id for one in store.links.unseen("customer", CRAFTER)}
    store.start_seen()
    assert store.seen_count() == 0


@pytest.mark.parametrize(("fate", "after", "found"), [("plan", 99, True), ("keep", 0, True), ("keep", 99, False)])
def test_a_namesake_is_a_new_record_under_the_name_of_a_linked_one(
    store: Store, fate: str, after: int, found: bool
) -> None:
    old = join(store, "10001", "c1", {"name": "Jansen BV"})
    join(store, "10003", "", {"name": "Jansen BV"})  # has no other half
    join(store, "10002", "c2", {"name": "Anders"})
    for number, name in (("10009", "Jansen BV"), ("10002", "Jansen BV"), ("10008", "De Wit")):
        store.inbox.put(record("customer", ACCOUNTVIEW, number=number, name=name), fate)
    store.inbox.put(record("customer", CRAFTER, id="c9"), fate)
    store.inbox.put(record("project", ACCOUNTVIEW, name="Jansen BV"), fate)
    assert [(number, link.id) for number, link in store.links.namesakes("customer", after)] == [("10009", old)] * found


def test_what_was_lost_in_crafter_is_known_until_it_was_dealt_with_or_found_again(store: Store) -> None:
    one, two, third = join(store, "1", "a"), join(store, "2", "b"), join(store, "3", "c", kind="order")
    for identity in (one, two, third):
        store.links.lose(identity)
    store.links.find_again("customer", ["a", "c"])
    assert [link.id for link in store.links.lost("customer")] == [two]
    store.links.point(two, ACCOUNTVIEW, End("9"))
    assert [link.id for link in store.links.lost("customer")] == [two]
    store.links.point(two, CRAFTER, End())
    assert store.links.lost("customer") == []
    assert [link.id for link in store.links.lost("order")] == [third]


def test_what_is_in_doubt_counts_as_adopted_until_it_was_seen(store: Store) -> None:
    plain, changed, before, customer = (
        join(store, "1", "a", kind="order"),
        join(store, "2", "b", kind="order"),
        join(store, "3", "c", kind="order", adopted=True),
        join(store, "1", "a"),
    )
    store.links.doubt(["order"])
    assert [known(store, each).adopted for each in (plain, changed, before, customer)] == [True, True, True, False]
    store.links.doubt_no_more("order", [("1", False), ("2", True), ("3", False)])
    assert [known(store, each).adopted for each in (plain, changed, before)] == [False, True, True]


def test_which_have_a_record_on_a_side(store: Store) -> None:
    join(store, "1", "a")
    join(store, "2", "")
    join(store, "3", "c", gone=True)
    found = [[one.accountview for one in store.links.living("customer", side)] for side in BOTH]
    assert found == [["1", "2"], ["1"]]
