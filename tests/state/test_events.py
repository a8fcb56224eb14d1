"""The trail: as true as the links and the problems, found by what people know, and dropped in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from avsync.records.kind import End, Link
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.state.events import Event
from avsync.state.problems import About, Cause
from avsync.state.store import Store

NOW = "2026-11-24T10:00:00.000000Z"


def linked(store: Store, av: str = "10001", cr: str = "c1", **told: Any) -> Link:
    fields = {"number": av, "name": "Café", "phone": "1", **told}
    link = Link("customer", {ACCOUNTVIEW: End(av, fields), CRAFTER: End(cr, fields)}, ACCOUNTVIEW)
    return replace(link, id=store.links.add(link, CRAFTER))


def said(store: Store, run: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.action, one.side, dict(one.values)) for one in store.events.of_run(run)]


def test_whatever_becomes_of_a_link_is_an_event(store: Store) -> None:
    link = linked(store)
    store.links.tell(link.id, {ACCOUNTVIEW: {"phone": "2"}})  # read there, written nowhere
    store.links.tell(link.id, {CRAFTER: {"phone": "2"}, ACCOUNTVIEW: {"phone": "2"}}, CRAFTER)
    store.links.tell(link.id, {CRAFTER: {"phone": "2"}}, CRAFTER)  # nothing new
    store.links.rename(link.id, "10002")
    store.links.set_gone(link.id, True)
    store.links.set_gone(link.id, True)
    store.links.set_gone(link.id, False)
    store.links.point(link.id, CRAFTER, End())
    store.links.point(link.id, CRAFTER, End("c2", {"name": "Café"}))
    store.links.remove(link.id)
    assert said(store) == [
        ("create", CRAFTER, {"number": (None, "10001"), "name": (None, "Café"), "phone": (None, "1")}),
        ("update", CRAFTER, {"phone": ("1", "2")}),
        ("renumber", ACCOUNTVIEW, {"number": ("10001", "10002")}),
        ("gone", ACCOUNTVIEW, {}),
        ("back", ACCOUNTVIEW, {}),
        ("gone", CRAFTER, {}),
        ("create", CRAFTER, {"name": (None, "Café")}),
        ("forget", "", {}),
    ]


def test_what_refers_to_something_is_told_in_accountviews_words(store: Store) -> None:
    ends = {
        ACCOUNTVIEW: End("P1", {"code": "P1", "customer": "10001"}),
        CRAFTER: End("p", {"code": "P1", "customer": "u"}),
    }
    project = store.links.add(Link("project", ends, ACCOUNTVIEW), CRAFTER)
    store.links.tell(project, {ACCOUNTVIEW: {"customer": "10002"}, CRAFTER: {"customer": "v"}}, CRAFTER)
    assert [values.get("customer") for _, _, values in said(store)] == [(None, "10001"), ("10001", "10002")]


def test_each_line_of_an_order_is_an_event_of_its_own(store: Store) -> None:
    lines = store.links.add(Link("order_line", {ACCOUNTVIEW: End("O1", {}), CRAFTER: End("w", {})}, CRAFTER))
    store.links.tell(lines, {CRAFTER: {"a": "PUMP-1\t2"}, ACCOUNTVIEW: {"a": "r1"}})
    store.links.tell(lines, {CRAFTER: {"b": "PIPE-2\t1"}, ACCOUNTVIEW: {"b": "r2"}}, ACCOUNTVIEW)
    store.links.tell(lines, {CRAFTER: {"a": "PUMP-1\t3"}}, ACCOUNTVIEW)
    assert said(store) == [
        ("adopt", ACCOUNTVIEW, {"article": (None, "PUMP-1"), "quantity": (None, "2")}),
        ("create", ACCOUNTVIEW, {"article": (None, "PIPE-2"), "quantity": (None, "1")}),
        ("update", ACCOUNTVIEW, {"quantity": ("2", "3")}),
    ]


def test_a_problem_that_comes_or_goes_is_an_event_and_one_that_stays_is_none(store: Store) -> None:
    about, cause = (
        About("customers", "customer", CRAFTER, "c1", "c1", "Café"),
        Cause("too_long", "error", {"field": "name"}),
    )
    store.problems.replace(about, [cause], NOW)
    store.problems.replace(about, [cause], NOW)
    (problem,) = store.problems.all()
    store.problems.ignore([problem.number], "")
    store.problems.ignore([problem.number], "")
    store.problems.replace(about, [], NOW)
    store.problems.replace(about, [Cause("conflict", "warning")], NOW)
    store.problems.expire({"conflict": "2026-12-24"})
    found = store.events.of_run(0)
    assert [(one.action, one.detail["code"]) for one in found] == [
        ("problem", "too_long"), ("ignored", "too_long"), ("solved", "too_long"), ("problem", "conflict"),
        ("expired", "conflict"),
    ]  # fmt: skip
    assert {one.crafter for one in found} == {"c1"}
    assert found[0].detail["params"] == {"field": "name"}


def test_where_our_own_code_failed_is_told_by_the_problem_alone(store: Store) -> None:
    store.problems.replace(
        About("customers", "customer", CRAFTER, "c1", "", ""), [Cause("unexpected", "error", {"trace": "x.py:1"})], NOW
    )
    assert store.events.of_run(0)[0].detail["params"] == {}
    assert store.problems.all()[0].cause.params == {"trace": "x.py:1"}


def test_what_is_rolled_back_did_not_happen(store: Store) -> None:
    heard: list[Event] = []
    store.events.told = heard.append

    def fails(number: str) -> None:
        with store.transaction():
            linked(store, number, f"c{number}")
            raise ZeroDivisionError

    with store.transaction():
        linked(store)
        pytest.raises(ZeroDivisionError, fails, "10002")
        assert heard == []
    pytest.raises(ZeroDivisionError, fails, "10003")
    assert [one.accountview for one in heard] == [one.accountview for one in store.events.of_run(0)] == ["10001"]


def event(number: int, moment: str = "2026-11-24T10:00:00Z", **more: Any) -> Event:
    named = {"key": str(number), "name": f"Klant {number}", "accountview": str(number), "crafter": f"c{number}"}
    return Event("customers", "customer", CRAFTER, "create", **{**named, **more})


def fill(store: Store, count: int, moment: str, start: int = 0, **more: Any) -> None:
    store.events.now = lambda: moment
    with store.transaction():
        for number in range(start, start + count):
            store.events.record(event(number, **more))


@pytest.mark.parametrize(
    ("words", "found"),
    [("7", "7"), ("C7", "7"), ("c7", "7"), ("klant 7", "7"), ("KLÄNT", "11"), ("nobody", ""), ("", "")],
)
def test_a_record_is_found_by_its_number_id_or_name(store: Store, words: str, found: str) -> None:
    fill(store, 9, NOW)
    store.events.record(replace(event(11), name="Klänten"))
    there = store.events.bearing(words) or store.events.named(words)
    assert {one[1] for one in there} == ({found} if found else set())


def test_old_events_go_in_small_bites_and_nothing_else_does(store: Store) -> None:
    fill(store, 2500, "2025-01-01T00:00:00Z")
    fill(store, 10, "2026-11-24T00:00:00Z")
    assert [store.events.drop_old("2026-01-01") for _ in range(5)] == [1000, 1000, 500, 0, 0]
    assert len(store.events.of_run(0)) == 10


def test_one_moment_from_the_future_keeps_no_old_events(store: Store) -> None:
    fill(store, 1, "2999-01-01T00:00:00Z")
    fill(store, 5, "2025-01-01T00:00:00Z")
    assert store.events.drop_old("2026-01-01") == 6


def test_counts_per_hour(store: Store) -> None:
    fill(store, 3, "2026-11-24T10:59:59Z")
    fill(store, 2, "2026-11-24T11:00:00Z")
    assert store.events.per_hour("2026-11-24T00:00:00Z") == [
        ("2026-11-24T10", "customers", "create", 3), ("2026-11-24T11", "customers", "create", 2),
    ]  # fmt: skip
    assert store.events.per_hour("2026-11-24T11") == [("2026-11-24T11", "customers", "create", 2)]


def test_a_hundred_thousand_events_take_little_room(store: Store) -> None:
    """An update of two fields, as most are; a tenth of them here."""
    (before,) = store.db.execute("PRAGMA page_count").fetchone()
    values = {
        "name": ("Installatiebedrijf Jansen", "Installatiebedrijf Jansen B.V."),
        "phone": ("058-1234567", "06-12345678"),
    }
    identity = "e3bef544-8f90-51c5-9985-b3cdc0d49eab"
    fill(store, 10_000, NOW, 10_000, values=values, crafter=identity, name="Installatiebedrijf Jansen B.V.")
    (after,) = store.db.execute("PRAGMA page_count").fetchone()
    (size,) = store.db.execute("PRAGMA page_size").fetchone()
    assert (after - before) * size * 10 < 35_000_000
