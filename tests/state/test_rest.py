"""What rests in the inbox, and the count of changes by which that is known to be over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from avsync.records.kind import End, Link
from avsync.state.intents import Intent
from avsync.state.problems import About, Cause
from avsync.state.store import Store
from tests.support.by_hand import AV, CR, record

ONE = record("contact", AV, id="C1")
LINK = Link("customer", {AV: End("10001", {"name": "Vos"}), CR: End("k1", {"name": "Vos"})}, AV)
INTENT = Intent("customer", CR, "create", AV, "10002", "10002", "Vos", "av:DEMO:customer:10002")
NOW, LATER = "2026-06-01T10:00:00.000000Z", "2026-06-03T10:00:00.000000Z"


@pytest.fixture
def filled(store: Store) -> Store:
    store.links.add(LINK)
    store.inbox.put(ONE, "plan")
    store.inbox.put(replace(ONE, id="C2"), "keep")
    store.intents.announce([INTENT], 1)
    store.note_absent("order", CR, ["o1"], NOW)
    store.links.lose(1)
    return store


CHANGES: dict[str, Callable[[Store], object]] = {
    "another link": lambda store: store.links.add(replace(LINK, end={AV: End("10002"), CR: End("k2")})),
    "told otherwise": lambda store: store.links.tell(1, {CR: {"name": "Vos BV"}}),
    "pointed elsewhere": lambda store: store.links.point(1, CR, End()),
    "another number": lambda store: store.links.rename(1, "10009"),
    "a key given again": lambda store: store.links.retire(replace(LINK, id=1), 7),
    "gone": lambda store: store.links.set_gone(1, True),
    "there after all": lambda store: store.links.find_again("customer", ["k1"]),
    "nobody knows what was sent": lambda store: store.links.adopt("customer"),
    "in doubt": lambda store: store.links.doubt(["customer"]),
    "a link less": lambda store: store.links.remove(1),
    "a new version": lambda store: store.inbox.put(replace(ONE, name="Bakker"), "plan"),
    "a first version": lambda store: store.inbox.put(replace(ONE, id="C3"), "keep"),
    "another fate": lambda store: store.inbox.put(ONE, "keep"),
    "planned after all": lambda store: store.inbox.plan_again("contact", AV, "C2"),
    "kept": lambda store: store.inbox.set_fate(1, "keep"),
    "a version less": lambda store: store.inbox.remove("contact", AV, "C2"),
    "in step": lambda store: store.inbox.done(store.inbox.page("contact", AV, 0, 9, 9)),
    "a write under way": lambda store: store.intents.announce([replace(INTENT, record="10003")], 1),
    "a write that is known": lambda store: store.intents.close([1]),
    "a write that is found": lambda store: store.intents.found(1),
    "deleted while it was written": lambda store: store.intents.bury("customer", AV, "10002"),
    "looked for in vain": lambda store: store.note_absent("order", CR, ["o2"], NOW),
    "there now": lambda store: store.not_absent("order", CR, ["o1"]),
    "to be asked again": lambda store: store.forget_absences(LATER, LATER),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_planning_goes_by_is_counted(filled: Store, change: str) -> None:
    before = filled.inbox.epoch()
    CHANGES[change](filled)
    assert filled.inbox.epoch() > before


SAME: dict[str, Callable[[Store], object]] = {
    "told the same": lambda store: store.links.tell(1, {AV: {"name": "Vos"}, CR: {"name": "Vos"}}),
    "a row taken in": lambda store: store.links.set_fingerprints("customer", AV, [("f", "10001")]),
    "a row written to": lambda store: store.links.written("customer", CR, "k1"),
    "not gone": lambda store: store.links.set_gone(1, False),
    "read again": lambda store: store.inbox.put(ONE, "plan"),
    "kept again": lambda store: store.inbox.put(replace(ONE, id="C2"), "keep"),
    "a mark": lambda store: store.inbox.rest([("mark", 1)]),
    "an outcome in doubt": lambda store: store.intents.doubt(1, "time-out", NOW),
    "nothing was there": lambda store: store.not_absent("order", CR, ["o9"]),
    "something else is remembered": lambda store: store.cache("clock", {}, NOW),
}


@pytest.mark.parametrize("change", SAME)
def test_what_stays_as_it_is_is_not(filled: Store, change: str) -> None:
    before = filled.inbox.epoch()
    SAME[change](filled)
    assert filled.inbox.epoch() == before


def planned(store: Store, *marks: str) -> list[str]:
    assert store.inbox.some("contact", AV, marks) == bool(found := store.inbox.page("contact", AV, 0, 99, 9, marks))
    return [entry.record.id for entry in found]


def test_what_rests_is_left_out_as_long_as_its_mark_holds(store: Store) -> None:
    for number in range(1, 5):
        store.inbox.put(replace(ONE, id=f"C{number}"), "plan")
    store.inbox.rest([("a", 1), ("b", 2), ("b", 3)])
    assert store.inbox.marks("contact") == ["a", "b"]
    assert (store.inbox.marks("customer"), store.inbox.resting("contact", ["b"])) == ([], 2)
    assert planned(store) == planned(store, "c") == ["C1", "C2", "C3", "C4"]
    assert planned(store, "a") == ["C2", "C3", "C4"]
    assert planned(store, "a", "b") == ["C4"]
    assert [entry.rests for entry in store.inbox.page("contact", AV, 0, 99, 9)] == ["a", "b", "b", ""]


def test_a_version_that_says_the_same_rests_on_and_another_does_not(store: Store) -> None:
    for number in range(1, 4):
        store.inbox.put(replace(ONE, id=f"C{number}"), "plan")
    store.inbox.rest([("a", 1), ("a", 2), ("a", 3)])
    store.inbox.put(replace(ONE, id="C1"), "plan")
    store.inbox.put(replace(ONE, id="C2", name="Bakker"), "plan")
    store.inbox.put(replace(ONE, id="C3"), "keep")
    store.inbox.put(replace(ONE, id="C3"), "plan")
    assert planned(store, "a") == ["C2", "C3"]
    (newest,) = [entry for entry in store.inbox.page("contact", AV, 0, 99, 9) if entry.rests]
    assert newest.seq > 3


WAKES: dict[str, Callable[[Store], object]] = {
    "by name": lambda store: store.inbox.wake("contact", AV, "C1"),
    "all": lambda store: store.inbox.wake_all(),
    "by a person": lambda store: store.inbox.plan_again("contact", AV, "C1"),
    "a fate": lambda store: store.inbox.set_fate(1, "plan"),
    "a state put back": lambda store: store.read_anew(["order"]),
}


@pytest.mark.parametrize("how", WAKES)
def test_what_rests_is_woken(store: Store, how: str) -> None:
    store.inbox.put(replace(ONE, id="C1"), "plan")
    store.inbox.rest([("a", 1)])
    WAKES[how](store)
    assert planned(store, "a") == ["C1"]


def about(name: str, side: str = AV) -> About:
    return About("customers", "contact", side, name, name, name, "customer", "k1", "v")


def test_what_is_wrong_with_it_is_told_again_and_nothing_else_is(store: Store) -> None:
    for number in range(1, 4):
        store.inbox.put(replace(ONE, id=f"C{number}"), "plan")
        store.problems.replace(about(f"C{number}"), [Cause("waiting_for_parent", "waiting")], NOW)
    store.problems.add(about("C1"), Cause("conflict", "warning"), NOW)
    store.problems.replace(about("C1", CR), [Cause("too_long", "error")], NOW)
    store.inbox.rest([("a", 1), ("b", 2)])
    assert store.problems.told_again("customers", "contact", ["a", "b"], LATER) == 2
    told = {one.about.record for one in store.problems.all() if (one.last_seen, one.attempts) == (LATER, 2)}
    assert told == {"C1", "C2"}
    assert len([one for one in store.problems.all() if one.attempts == 1]) == 3


def test_timelines_are_another_when_what_they_tell_is(store: Store) -> None:
    wrong = Cause("too_long", "error", {"field": "name"}, "name")
    store.problems.replace(about("C1"), [wrong], NOW)
    counted = [store.problems.epoch()]

    def another() -> bool:
        counted.append(store.problems.epoch())
        return counted[-1] > counted[-2]

    store.problems.replace(about("C1"), [wrong], LATER)  # as it was
    store.problems.replace(about("C9"), [Cause("waiting_for_parent", "waiting")], NOW)  # told nowhere
    store.problems.replace(replace(about("C8"), entity="", entity_id=""), [wrong], NOW)
    assert not another()
    store.problems.replace(about("C1"), [replace(wrong, params={"field": "email"})], LATER)
    assert another()
    store.problems.ignore([1], "weten we")
    assert another()
    store.problems.unignore([1])
    assert another()
    store.problems.replace(about("C1"), [], LATER)
    assert another()
