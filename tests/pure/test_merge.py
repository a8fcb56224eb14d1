"""The three-way merge: no lost edit without a report, idempotent, the same whatever the order.

The first half tries the bare merge; the second half takes whole records through planning, with columns that cut text
and store it in upper case, and carries out the writes on two make-believe sides.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from avsync.records.fit import Column
from avsync.records.kind import End, Field, Kind, Known, Link, Policy
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side
from avsync.sync.merge import Conflict, Merged, Versions, merge
from avsync.sync.plan import Action, Meeting, Verb, plan

NAMES = ("a", "b", "c")
VALUES = st.one_of(st.none(), st.sampled_from(["x", "X", "y", "long text", "é"]))
SIDE = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
DIRECTIONS = st.sampled_from(["import", "export", "both"])
Fields = Mapping[str, Canonical]


def merged(names: tuple[str, ...], av: Versions, cr: Versions, direction: str) -> Merged:
    may = (direction in ("export", "both"), direction in ("import", "both"))
    return merge(names, av, cr, lambda name: av.now.get(name) == cr.now.get(name), lambda name: may)


def differing(left: Fields, right: Fields) -> set[str]:
    return {name for name in NAMES if left.get(name) != right.get(name)}


@given(SIDE, SIDE, SIDE)
def test_an_edit_on_one_side_goes_to_the_other_and_nothing_else_is_sent(base: Fields, av: Fields, cr: Fields) -> None:
    result = merged(NAMES, Versions(av, base), Versions(cr, base), "both")
    av_edits, cr_edits = differing(base, av), differing(base, cr)
    apart = differing(av, cr)
    assert set(result.to_crafter) == av_edits & apart
    assert set(result.to_accountview) == (cr_edits - av_edits) & apart
    assert set(result.settled) == (av_edits | cr_edits) - apart


@given(SIDE, SIDE, SIDE, DIRECTIONS)
def test_an_edit_is_lost_only_with_a_report_that_names_it(base: Fields, av: Fields, cr: Fields, direction: str) -> None:
    result = merged(NAMES, Versions(av, base), Versions(cr, base), direction)
    overwritten = {name for name in result.to_crafter if cr[name] != base[name]}
    assert {one.field for one in result.conflicts} == overwritten
    assert all(one == Conflict(one.field, av[one.field], cr[one.field]) for one in result.conflicts)
    lost_in_accountview = {name for name in result.to_accountview if av[name] != base[name]}
    assert lost_in_accountview == set() or direction == "export"


@given(SIDE, SIDE, SIDE, DIRECTIONS)
def test_each_field_is_decided_once_and_only_in_the_direction_of_the_flow(
    base: Fields, av: Fields, cr: Fields, direction: str
) -> None:
    result = merged(NAMES, Versions(av, base), Versions(cr, base), direction)
    decided = [*result.to_accountview, *result.to_crafter, *result.settled]
    assert len(decided) == len(set(decided))
    assert set(decided) == differing(base, av) | differing(base, cr)
    assert not (result.to_crafter and direction == "export")
    assert not (result.to_accountview and direction == "import")


@given(SIDE, SIDE, SIDE, DIRECTIONS, st.permutations(NAMES))
def test_the_order_of_the_fields_decides_nothing(
    base: Fields, av: Fields, cr: Fields, direction: str, order: list[str]
) -> None:
    one = merged(NAMES, Versions(av, base), Versions(cr, base), direction)
    two = merged(tuple(order), Versions(av, base), Versions(cr, base), direction)
    for part in ("to_accountview", "to_crafter", "settled"):
        assert sorted(getattr(one, part)) == sorted(getattr(two, part))
    assert sorted(one.conflicts, key=lambda each: each.field) == sorted(two.conflicts, key=lambda each: each.field)


@given(SIDE, SIDE, st.sampled_from([ACCOUNTVIEW, CRAFTER]))
def test_at_a_first_meeting_filled_wins_over_empty_and_else_the_leading_side(
    av: Fields, cr: Fields, leads: Side
) -> None:
    bases = (None, cr) if leads == ACCOUNTVIEW else (av, None)
    result = merged(
        NAMES, Versions(av, bases[0]), Versions(cr, bases[1]), "import" if leads == ACCOUNTVIEW else "export"
    )
    sent = result.to_crafter if leads == ACCOUNTVIEW else result.to_accountview
    leading = av if leads == ACCOUNTVIEW else cr
    assert set(sent) == {name for name in differing(av, cr) if leading[name] is not None}
    assert {*sent, *result.settled} == set(NAMES)  # what only the other side has is remembered as it is
    assert result.conflicts == []


@given(SIDE, SIDE)
def test_at_a_first_meeting_in_both_directions_what_only_one_side_has_goes_across(av: Fields, cr: Fields) -> None:
    result = merged(NAMES, Versions(av, None), Versions(cr, cr), "both")
    assert set(result.to_accountview) == {name for name in NAMES if av[name] is None and cr[name] is not None}
    assert set(result.to_crafter) == {name for name in differing(av, cr) if av[name] is not None}


def test_a_stand_in_is_no_value_where_two_meet_and_an_edit_like_any_other_after_that() -> None:
    av, cr = {"a": "P1"}, {"a": "Ketelhuis"}
    assert merged(("a",), Versions(av, None, blank={"a"}), Versions(cr, cr), "both").to_accountview == ["a"]
    again = merged(("a",), Versions(av, {"a": "Oud"}, blank={"a"}), Versions({"a": "Oud"}, {"a": "Oud"}), "both")
    assert again.to_crafter == ["a"]


def test_a_field_that_met_later_than_the_others_meets_for_the_first_time() -> None:
    """Its value could not go when the others did, say."""
    result = merged(
        ("a", "b"),
        Versions({"a": None, "b": "x"}, {"b": "x"}),
        Versions({"a": "y", "b": None}, {"a": "y", "b": "x"}),
        "both",
    )
    assert (result.to_accountview, result.to_crafter) == (["a", "b"], [])


# whole records, through planning

KIND = Kind(
    name="customer", flow="customers", fields=(Field("a", "free"), Field("b", "code"), Field("c")),
    title=lambda side, fields: fields["a"],
)  # fmt: skip
COLUMNS = {"a": Column(width=4), "b": Column(upper=True), "c": Column()}


def held(name: str, value: Canonical) -> Canonical:
    """What AccountView's column makes of a value."""
    if value is None:
        return None
    if name == "a" and len(value) > 4:
        return value[:3].rstrip() + "…"
    return value.upper() if name == "b" else value


def linked(av: Fields | None, cr: Fields | None) -> Link:
    return Link("customer", {ACCOUNTVIEW: End("1", av), CRAFTER: End("c1", cr)}, ACCOUNTVIEW, 1)


@dataclass
class Pair:
    """One linked record on two make-believe sides, with what avsync remembers of each."""

    direction: str
    av: dict[str, Canonical]
    cr: dict[str, Canonical]
    av_base: dict[str, Canonical] | None = None
    cr_base: dict[str, Canonical] | None = None
    lost: list[tuple[str, Canonical]] = field(default_factory=list)
    replaced: dict[str, Canonical] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # texts of which AccountView's cut form was edited (behaviour 13)

    def plan(self) -> Action | None:
        """As a run does: only a side that tells something else than last time is read."""
        av = self._record(ACCOUNTVIEW) if self.av != self.av_base else None
        cr = self._record(CRAFTER) if self.cr != self.cr_base else None
        if av is None and cr is None:
            return None
        link = linked(self.av_base, self.cr_base)
        policy = Policy({"customers": self.direction}, "", "2026-06-01", company="DEMO")  # type: ignore[dict-item]
        known = Known(policy, {}, lambda kind, name: COLUMNS[name])
        return plan(KIND, av or cr or self._record(CRAFTER), link, cr if av else None, known, Meeting())

    def _record(self, side: Side) -> Record:
        fields = self.av if side == ACCOUNTVIEW else self.cr
        key = "1" if side == ACCOUNTVIEW else "c1"
        return Record("customer", side, key, "1", "n", dict(fields), reference="av:DEMO:customer:1")

    def run(self) -> int:
        """Plan and carry out; how many requests it took."""
        action = self.plan()
        if action is None:
            return 0
        self.av_base = {**(self.av_base or {}), **action.told.get(ACCOUNTVIEW, {})}
        self.cr_base = {**(self.cr_base or {}), **action.told.get(CRAFTER, {})}
        for write in action.writes:
            if write.side == CRAFTER:
                self.cr.update({name: _text(value) for name, value in write.values.items()})
            else:
                self.av.update({name: held(name, _text(value)) for name, value in write.values.items()})
            self.av_base.update({name: held(name, value) for name, value in write.told[ACCOUNTVIEW].items()})
            self.cr_base.update(write.told[CRAFTER])
        for write in action.writes:
            self.lost += [
                (str(one.params["field"]), one.params["lost"]) for one in write.remarks if one.code == "conflict"
            ]
            self.replaced |= {one.field: one.old for one in write.changes if one.old is not None}
        self.kept |= {str(one.params["field"]) for one in action.remarks if one.code == "cut_text_edited"}
        return len(action.writes)


def _text(value: Any) -> Canonical:
    assert value is None or isinstance(value, str)
    return value


def in_step(direction: str, values: Fields) -> Pair:
    """A pair that met before: AccountView holds the values as it can, Crafter as they were written there."""
    av = {name: held(name, value) for name, value in values.items()}
    return Pair(direction, dict(av), dict(values), dict(av), dict(values))


def books(values: Fields) -> dict[str, Canonical]:
    return {name: held(name, value) for name, value in values.items()}


def equal(pair: Pair, name: str) -> bool:
    return pair.av[name] == held(name, pair.cr[name]) or name in pair.kept


EDITS = st.dictionaries(st.sampled_from(NAMES), VALUES)


@given(SIDE, DIRECTIONS)
def test_a_cut_or_upper_cased_value_coming_back_is_no_edit(values: Fields, direction: str) -> None:
    pair = in_step(direction, values)
    assert pair.plan() is None
    pair.av_base = None  # a full pass reads it anew
    pair.av_base = dict(pair.av)
    assert pair.run() == 0
    assert pair.cr == dict(values)


@given(SIDE, EDITS, EDITS)
@settings(max_examples=200)
def test_in_both_directions_every_edit_arrives_or_is_reported(values: Fields, av: Fields, cr: Fields) -> None:
    pair = in_step("both", values)
    pair.av.update(books(av))
    pair.cr.update(cr)
    wrote = (dict(pair.av), dict(pair.cr))
    base = in_step("both", values)
    pair.run()
    for name in NAMES:
        av_edited, cr_edited = wrote[0][name] != base.av[name], wrote[1][name] != base.cr[name]
        assert equal(pair, name)
        if av_edited:
            assert pair.av[name] == wrote[0][name]
        elif cr_edited:
            assert pair.cr[name] == wrote[1][name]
        gave_way = av_edited and cr_edited and held(name, wrote[1][name]) != wrote[0][name]
        assert ((name, wrote[1][name]) in pair.lost) == gave_way


@given(SIDE, EDITS, EDITS, DIRECTIONS)
@settings(max_examples=200)
def test_a_second_run_has_nothing_to_do(values: Fields, av: Fields, cr: Fields, direction: str) -> None:
    pair = in_step(direction, values)
    pair.av.update(books(av))
    pair.cr.update(cr)
    pair.run()
    after = (dict(pair.av), dict(pair.cr))
    assert pair.run() == 0
    assert pair.run() == 0
    assert (pair.av, pair.cr) == after


@given(SIDE, st.lists(st.tuples(st.booleans(), EDITS), min_size=1, max_size=5))
def test_years_of_edits_with_a_run_after_each_end_in_step(values: Fields, edits: list[tuple[bool, Fields]]) -> None:
    pair = in_step("both", values)
    for in_books, edit in edits:
        (pair.av if in_books else pair.cr).update(books(edit) if in_books else edit)
        pair.run()
        assert all(equal(pair, name) for name in NAMES)
        assert pair.plan() is None
    assert pair.lost == []


@given(SIDE, EDITS, EDITS)
def test_on_import_an_edit_in_crafter_is_left_alone_until_accountview_changes_that_field(
    values: Fields, cr: Fields, av: Fields
) -> None:
    pair = in_step("import", values)
    pair.cr.update(cr)
    before = dict(pair.cr)
    assert pair.run() == 0
    assert pair.cr == before
    pair.av.update(books(av))
    pair.run()
    for name in NAMES:
        changed = name in av and books(av)[name] != books(values)[name]
        arrives = changed and held(name, before[name]) != pair.av[name] and name not in pair.kept
        wanted = pair.av[name] if arrives else before[name]
        assert pair.cr[name] == wanted


@given(SIDE, SIDE, DIRECTIONS)
@settings(max_examples=200)
def test_at_a_first_meeting_nothing_filled_is_emptied_and_what_is_replaced_is_named(
    av: Fields, cr: Fields, direction: str
) -> None:
    pair = Pair(direction, books(av), dict(cr))
    leads = CRAFTER if direction == "export" else ACCOUNTVIEW
    if leads == ACCOUNTVIEW:
        pair.cr_base = dict(cr)
    else:
        pair.av_base = books(av)
    before = {ACCOUNTVIEW: dict(pair.av), CRAFTER: dict(pair.cr)}
    action = pair.plan()
    pair.run()
    after = {ACCOUNTVIEW: pair.av, CRAFTER: pair.cr}
    replaced = {}
    for name in NAMES:
        mine, theirs = before[leads][name], before[_across(leads)][name]
        assert after[leads][name] == (mine if mine is not None or direction != "both" else books({name: theirs})[name])
        differ = before[ACCOUNTVIEW][name] != held(name, before[CRAFTER][name])
        if mine is not None and differ:
            assert equal(pair, name)
            replaced |= {name: theirs} if theirs is not None else {}
        else:
            assert after[_across(leads)][name] == theirs
    assert pair.replaced == replaced
    assert pair.lost == []
    assert action is None or action.verb in (Verb.ADOPT, Verb.SKIP)
    assert pair.run() == 0


def _across(side: Side) -> Side:
    return CRAFTER if side == ACCOUNTVIEW else ACCOUNTVIEW


@given(st.lists(st.tuples(SIDE, EDITS, EDITS), min_size=1, max_size=4), st.integers(0, 99))
def test_records_do_not_touch_each_other_so_their_order_does_not_matter(
    records: list[tuple[Fields, Fields, Fields]], seed: int
) -> None:
    def outcome(order: list[int]) -> dict[int, tuple[dict[str, Canonical], dict[str, Canonical], Any]]:
        done = {}
        for place in order:
            values, av, cr = records[place]
            pair = in_step("both", values)
            pair.av.update(books(av))
            pair.cr.update(cr)
            pair.run()
            done[place] = (pair.av, pair.cr, sorted(pair.lost, key=repr))
        return done

    order = list(range(len(records)))
    shuffled = random.Random(seed).sample(order, len(order))
    assert outcome(order) == outcome(shuffled)


def test_the_owner_of_a_field_gets_its_value_back() -> None:
    kind = replace(KIND, fields=(Field("b", "code", owner=ACCOUNTVIEW),))
    for direction, av_read in itertools.product(("import", "export", "both"), (True, False)):
        link = linked({"b": "1"}, {"b": "1"})
        av = Record("customer", ACCOUNTVIEW, "1", "1", "n", {"b": "1"}) if av_read else None
        cr = Record("customer", CRAFTER, "c1", "2", "n", {"b": "2"}, reference="av:DEMO:customer:1")
        policy = Policy({"customers": direction}, "", "2026-06-01", company="DEMO")  # type: ignore[dict-item]
        known = Known(policy, {}, lambda *_: Column())
        action = plan(kind, av or cr, link, cr if av else None, known, Meeting())
        assert [(write.side, dict(write.values)) for write in action.writes] == [(CRAFTER, {"b": "1"})]
