"""What people have decided about pairs, and when that is over."""

from __future__ import annotations

from avsync.records.kind import End, Link
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.state.decisions import APART, LINK, SKIP, Decision, Word
from avsync.state.store import Store

NOW = "2026-06-01T10:00:00.000000Z"


def taken(store: Store, *rows: tuple[str, str, Word]) -> None:
    for accountview, crafter, word in rows:
        store.decisions.take(Decision("customer", accountview, crafter, word, "question"), NOW)


def words(store: Store) -> dict[tuple[str, str], str]:
    return {(one.accountview, one.crafter): one.word for one in store.decisions.listed()}


def linked(accountview: str, crafter: str) -> Link:
    return Link("customer", {ACCOUNTVIEW: End(accountview), CRAFTER: End(crafter)}, ACCOUNTVIEW)


def test_planning_gets_them_by_record(store: Store) -> None:
    taken(store, ("1", "a", APART), ("1", "b", APART), ("2", "c", LINK), ("3", "d", SKIP), ("4", "", SKIP))
    decided = store.decisions.all()
    assert decided.apart[("customer", ACCOUNTVIEW, "1")] == {"a", "b"}
    assert decided.apart[("customer", CRAFTER, "b")] == {"1"}
    assert decided.picked == {("customer", ACCOUNTVIEW, "2"): "c", ("customer", CRAFTER, "c"): "2"}
    assert decided.skipped == {
        ("customer", ACCOUNTVIEW, "3"), ("customer", CRAFTER, "d"), ("customer", ACCOUNTVIEW, "4")
    }  # fmt: skip


def test_a_pair_has_one_and_a_record_is_one_with_one(store: Store) -> None:
    taken(store, ("1", "a", LINK), ("1", "a", APART), ("1", "b", LINK), ("1", "c", LINK), ("2", "c", LINK))
    assert words(store) == {("1", "a"): APART, ("2", "c"): LINK}


def test_picked_goes_before_skipped_in_whatever_order(store: Store) -> None:
    taken(store, ("1", "a", LINK), ("2", "a", SKIP))
    assert store.decisions.all().skipped == {("customer", ACCOUNTVIEW, "2")}
    store.decisions.done(linked("1", "a"))
    assert words(store) == {("2", ""): SKIP}
    assert store.decisions.all().skipped == {("customer", ACCOUNTVIEW, "2")}


def test_what_is_linked_needs_none_but_that_others_stay_apart(store: Store) -> None:
    taken(store, ("1", "a", LINK), ("1", "b", APART), ("7", "a", APART), ("9", "z", LINK))
    store.decisions.done(linked("1", "a"))
    assert words(store) == {("1", "b"): APART, ("7", "a"): APART, ("9", "z"): LINK}


def test_what_came_with_one_goes_with_it(store: Store) -> None:
    owner = Decision("customer", "1", "a", APART)
    store.decisions.take(owner, NOW)
    store.decisions.take(Decision("contact", "C1", "p", APART), NOW, owner)
    assert [one.kind for one in store.decisions.listed(all=False)] == ["customer"]
    assert len(store.decisions.listed()) == 2
    store.decisions.take_back("customer", "1", "a")
    assert store.decisions.listed() == []
