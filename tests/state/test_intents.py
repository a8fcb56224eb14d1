"""Intents: what was announced, what it holds up, and how long a found one is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from avsync.records.kind import End, Link
from avsync.records.values import Record
from avsync.state.intents import Intent
from avsync.state.store import Store
from tests.support.by_hand import AV, CR, record

MAKE = Intent(
    "order", AV, "create", CR, "w1", "WB-7", "Café", "avs1", {"values": {"a": "é", "b": None}}, None, "2026-05-01",
    "2026-05-01",
)  # fmt: skip
CHANGE = replace(MAKE, verb="update", record="w2", link=7)


def announce(store: Store, *intents: Intent) -> list[int]:
    return store.intents.announce(intents, 1)


def test_an_intent_comes_back_as_it_was_oldest_first_until_it_is_closed(store: Store) -> None:
    one, two, other_kind = announce(store, MAKE, CHANGE, replace(MAKE, kind="hour"))
    assert store.intents.open("order") == [replace(MAKE, id=one), replace(CHANGE, id=two)]
    assert [intent.id for intent in store.intents.open()] == [one, two, other_kind]
    store.intents.close([one])
    assert [intent.id for intent in store.intents.open()] == [two, other_kind]


def test_an_open_intent_holds_its_record_and_its_link_and_a_found_one_nothing(store: Store) -> None:
    one, two, _ = announce(store, MAKE, CHANGE, replace(CHANGE, kind="hour", record="h1", link=8))
    assert store.intents.held("order") == {(CR, "w1"), (CR, "w2")}
    assert store.intents.held_links("order") == {7}
    for identity in (one, two):
        store.intents.found(identity)
    assert (store.intents.held("order"), store.intents.held_links("order"), store.intents.open("order")) == (
        set(),
        set(),
        [],
    )


def test_doubt_gives_a_reason_and_grace_time_only_ever_begins_later(store: Store) -> None:
    (one,) = announce(store, MAKE)
    for gave_up, begins in (("2026-05-03", "2026-05-03"), ("2026-05-02", "2026-05-03"), ("", "2026-05-03")):
        store.intents.doubt(one, f"why {gave_up}", gave_up)
        (intent,) = store.intents.open()
        assert (intent.reason, intent.counted_from) == (f"why {gave_up}", begins)
        assert intent.sent_at == MAKE.sent_at
    store.intents.count_from([one], "2026-05-04")
    assert store.intents.open()[0].counted_from == "2026-05-04"


def test_the_write_that_made_a_record_is_known_once_it_was_found(store: Store) -> None:
    one, _ = announce(store, MAKE, CHANGE)
    assert store.intents.that_made("order", CR, "w1") is None
    store.intents.found(one)
    assert store.intents.that_made("order", CR, "w1") == replace(MAKE, verb="found", id=one)
    for kind, side, record_id in (("hour", CR, "w1"), ("order", AV, "w1"), ("order", CR, "w2")):
        assert store.intents.that_made(kind, side, record_id) is None


HERE = record("order", CR)


@pytest.mark.parametrize(
    ("waiting", "linked", "kept"),
    [
        (HERE, None, True),
        (None, None, False),  # its record is no longer there
        (replace(HERE, id="w9"), None, False),
        (replace(HERE, side=AV), None, False),
        (replace(HERE, kind="hour"), None, False),
        (HERE, ("order", "20001", "w1"), False),
        (HERE, ("order", "w1", "x"), False),
        (HERE, ("order", "", "w1"), True),  # half a link is none
        (HERE, ("order", "w1", ""), True),
        (HERE, ("hour", "20001", "w1"), True),
        (HERE, ("order", "20001", "w9"), True),
    ],
)
def test_a_found_write_is_kept_until_its_record_is_linked_or_gone(
    store: Store, waiting: Record | None, linked: tuple[str, str, str] | None, kept: bool
) -> None:
    one, still_open = announce(store, MAKE, replace(MAKE, record="w5"))
    store.intents.found(one)
    if waiting:
        store.inbox.put(waiting, "plan")
    if linked:
        store.links.add(Link(linked[0], {AV: End(linked[1]), CR: End(linked[2])}, CR))
    store.intents.forget_found()
    assert (store.intents.that_made("order", CR, "w1") is not None) == kept
    assert [intent.id for intent in store.intents.open()] == [still_open]


def test_a_record_with_a_write_is_known_whether_it_was_found_and_whether_it_was_buried_meanwhile(store: Store) -> None:
    one, two, _ = announce(store, MAKE, CHANGE, replace(MAKE, kind="customer", record_side=AV, record="10001:visiting"))
    store.intents.found(one)
    assert store.intents.announced("order", CR) == {"w1", "w2"}
    assert store.intents.announced("order", AV) == set()
    assert [store.intents.bury("order", CR, record_id) for record_id in ("w1", "w2", "w3")] == [True, False, False]
    assert [store.intents.buried("order", CR, record_id) for record_id in ("w1", "w2")] == [True, False]
    store.intents.unbury("order", CR, ["w1"])
    assert not store.intents.buried("order", CR, "w1")
    store.start_seen()
    store.saw(["w2", "10002"])
    store.intents.bury_unseen("order", CR, within=False, years=None)
    store.intents.bury_unseen("customer", AV, within=True, years=None)
    assert store.intents.buried("order", CR, "w1")
    assert store.intents.buried("customer", AV, "10001:visiting")
    store.saw(["10001"])
    store.intents.unbury("customer", AV, ["10001:visiting"])
    store.intents.bury_unseen("customer", AV, within=True, years=None)
    assert not store.intents.buried("customer", AV, "10001:visiting")


def test_of_records_of_other_years_a_full_listing_tells_nothing(store: Store) -> None:
    dated = [replace(MAKE, record=f"w{year}", detail={"day": f"{year}-05-01"}) for year in (2025, 2026)]
    announce(store, *dated, replace(MAKE, record="w", detail={}))
    store.start_seen()
    store.intents.bury_unseen("order", CR, within=False, years=["2026"])
    found = [store.intents.buried("order", CR, record_id) for record_id in ("w2025", "w2026", "w")]
    assert found == [False, True, False]
