"""A month in the life of an office: hundreds of edits on both sides, a run after each batch, both worlds equal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.support.mistakes  # noqa: F401 - adds what people get wrong
from avsync.sandbox import seed
from tests.support.clocked_office import Stage
from tests.support.office import office

ALL_BOTH = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
TO_THE_BOOKS = {"customers": "import", "projects": "export", "orders": "export", "invoice": "export", "hours": "export"}
FROM_THE_BOOKS = TO_THE_BOOKS | {"projects": "import", "orders": "import"}
EVERYTHING_OUT = TO_THE_BOOKS | {"customers": "export"}
EXAMPLE = {"customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export"}
VARIANTS: list[dict[str, Any]] = [
    {}, {"contacts_module": False}, {"nest_details": True, "bare_single": True}, {"ext_id": False},
]  # fmt: skip
SETUPS = {"both": ALL_BOTH, "out": TO_THE_BOOKS, "in": FROM_THE_BOOKS, "all out": EVERYTHING_OUT, "example": EXAMPLE}


def _month(stage: Stage, batches: int, edits: int) -> None:
    """Thirty days, a run after every batch of edits; now and then a service is ill or the token has run out."""
    stage.until_quiet()
    stage.check()
    for batch in range(1, batches + 1):
        stage.clock.forward(days=30 / batches, hours=stage.life.rng.randint(-3, 3))
        if batch % 3:
            stage.writes()  # else nothing ran all this time, as when a machine was off
        for _ in range(edits):
            stage.clock.forward(minutes=1)
            stage.life.edit()
        if batch % 5 == 0:
            stage.life.mend(0.7)
        if batch % 5 == 3:
            _outage(stage, "accountview" if batch % 2 else "crafter")
        if batch % 6 == 4:
            stage.box.expire_tokens()
        stage.clock.forward(minutes=1)
        stage.writes(*(("--full",) if batch % 4 == 0 else ()))
        stage.check()
        stage.nothing_left()
    stage.life.mend()
    stage.until_quiet()
    stage.check()
    stage.writes("--full")  # only now some deletes in AccountView show
    stage.check()
    assert stage.writes("--full") == []


def _outage(stage: Stage, side: str) -> None:
    stage.box.faults.add(side=side, times=0, do="500")
    assert stage.run().exit == 4
    stage.box.faults.clear()


def _world(number: int) -> seed.World:
    return seed.world(seed=number, customers=15, projects=6, orders=5, work_orders=8, hours=20, bad=False)


@pytest.mark.parametrize(("setup", "number"), [("both", 1), ("out", 2), ("in", 3)])
def test_a_month_in_the_life_leaves_both_worlds_equal_after_every_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setup: str, number: int
) -> None:
    with office(tmp_path, _world(number), SETUPS[setup]) as one:
        stage = Stage(one, number, monkeypatch)
        _month(stage, batches=10, edits=12)


@pytest.mark.long
@pytest.mark.parametrize("number", range(100, 150))
def test_many_months_in_the_life_leave_both_worlds_equal_after_every_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with office(tmp_path, _world(number), list(SETUPS.values())[number % len(SETUPS)], **VARIANTS[number % 4]) as one:
        stage = Stage(one, number, monkeypatch, in_turn=number % 3 != 0)
        _month(stage, batches=30, edits=12)


# what the month brought to light, each as its smallest scenario


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A small office, in step."""
    world = seed.world(seed=4, customers=6, projects=4, orders=2, work_orders=4, hours=0, bad=False)
    with office(tmp_path, world, ALL_BOTH) as one:
        stage = Stage(one, 4, monkeypatch)
        stage.until_quiet()
        stage.check()
        yield stage


def test_hours_take_the_project_of_their_work_order_when_no_other_line_names_it(small: Stage) -> None:
    project, user = small.life.linked_projects()[0], small.life.records("users")[0]
    job = small.box.crafter.add("work-orders", customer_id=project["customer_id"], project_id=project["id"])
    small.until_quiet()
    small.box.crafter.add(
        "hours", user_id=user["id"], work_order_id=job, date=small.life.day(0), hours="2", kind="work"
    )
    small.until_quiet()
    assert [row["PROJ_CODE"] for row in small.box.accountview.rows("HRS_LINE")] == [project["project_code"]]


def _linked_order(small: Stage) -> tuple[str, str]:
    """A work order and the number it got."""
    klant = small.life.klanten()[0]
    job = small.box.crafter.add("work-orders", customer_id=klant["id"], description="Lekkage")
    small.until_quiet()
    return job, small.box.crafter.record("work-orders", job)["order_number"]


def test_what_changes_in_accountview_while_a_work_order_is_cancelled_arrives_once_it_is_open_again(
    small: Stage,
) -> None:
    job, number = _linked_order(small)
    small.box.crafter.edit("work-orders", job, status="cancelled")
    small.until_quiet()
    small.box.accountview.edit("SO_HDR", number, DEL_DATE="2026-12-01")
    small.writes()
    assert [one.code for one in small.problems()] == ["order_cancelled"]
    assert small.box.crafter.record("work-orders", job)["target_date"] is None
    small.nothing_left()
    small.box.crafter.edit("work-orders", job, status="open")
    small.until_quiet()
    assert small.box.crafter.record("work-orders", job)["target_date"] == "2026-12-01"
    assert small.problems() == []


def test_a_problem_of_both_halves_of_a_record_is_one_problem_that_keeps_its_number(small: Stage) -> None:
    klant = small.life.klanten()[0]
    small.box.accountview.edit("CONTACT", klant["customer_number"], TEL_BUS="06-1")
    small.box.crafter.edit("customers", klant["id"], name="Een naam die veel te lang is voor AccountView, echt")
    told = []
    for _ in range(3):
        small.clock.forward(minutes=10)
        small.run()
        told.append([(one["id"], one["code"], one["first_seen"]) for one in small.one.errors()])
    assert len(told[0]) == 1
    assert told[0] == told[1] == told[2]


def test_a_warning_that_a_text_is_cut_stays_as_long_as_it_is_whatever_else_changes(small: Stage) -> None:
    job, number = _linked_order(small)
    small.box.crafter.edit("work-orders", job, description="Een omschrijving die veel te lang is voor AccountView")
    small.until_quiet()
    small.box.accountview.edit("SO_HDR", number, DEL_DATE="2026-12-01")
    small.writes()
    assert [one.code for one in small.problems()] == ["cut"]
    small.nothing_left()
    small.box.accountview.edit("SO_HDR", number, COMMENT1="Kort")
    small.writes()
    assert small.box.crafter.record("work-orders", job)["description"].startswith("Een omschrijving"), "(behaviour 13)"
    assert [one.code for one in small.problems()] == ["cut_text_edited"]
    small.nothing_left()


def test_a_timeline_entry_is_not_posted_again_because_its_item_was_renamed(small: Stage) -> None:
    job, number = _linked_order(small)
    line = {"article_number": "NIET-1", "description": "onbekend", "quantity": "1", "checked": True}
    small.box.crafter.edit("work-orders", job, status="checked", lines=[line])
    small.until_quiet()
    small.box.accountview.edit("SO_HDR", number, COMMENT1="Anders genoemd")
    small.writes()
    small.nothing_left()
    assert [(one["entity_id"], one["resolved"], len(one["history"])) for one in small.box.crafter.timeline] == [
        (job, False, 1)
    ]


def _contact(small: Stage) -> tuple[str, str, str]:
    """A contact person in step, the customer it belongs to and another one."""
    one, two = (klant["customer_number"] for klant in small.life.klanten()[:2])
    code = small.box.accountview.add("ASC_PP", PP_CODE="C1", SUB_NR=one, FRST_NAME="Ada", LAST_NAME="Smit")
    small.until_quiet()
    return code, one, two


def test_a_contact_that_moves_while_the_state_is_lost_is_found_again(small: Stage) -> None:
    code, _, two = _contact(small)
    for file in small.one.state.glob("state.db*"):
        file.unlink()
    small.box.accountview.edit("ASC_PP", code, SUB_NR=two)
    small.until_quiet()
    small.check()


def test_a_project_that_closes_while_the_state_is_lost_is_found_again(small: Stage) -> None:
    code = small.life.linked_projects()[0]["project_code"]
    for file in small.one.state.glob("state.db*"):
        file.unlink()
    small.box.accountview.edit("PROJECTS", code, END_DATE=small.life.day(-1), COMMENT1="afgerond")
    small.until_quiet()
    small.check()


def test_a_contact_that_moved_stays_when_its_former_customer_is_deleted_in_crafter(small: Stage) -> None:
    code, one, two = _contact(small)
    small.box.accountview.edit("ASC_PP", code, SUB_NR=two)
    small.until_quiet()
    small.box.crafter.remove("customers", small.life.klant_of(one)["id"])
    small.until_quiet()
    small.box.accountview.edit("ASC_PP", code, TEL_MOB="06-1")
    small.until_quiet()
    small.life.gone |= {one["id"] for place in ("work-orders", "projects") for one in small.box.crafter.records(place)}
    small.check()


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_an_address_deleted_in_crafter_comes_back_though_its_customer_was_renumbered_meanwhile(
    small: Stage, how: tuple[str, ...]
) -> None:
    place = next(one for one in small.box.crafter.records("work-locations") if one["external_ref"].endswith("visiting"))
    number = place["external_ref"].split(":")[3]
    small.box.crafter.remove("work-locations", place["id"])
    small.box.accountview.edit("CONTACT", number, SUB_NR="80001")
    small.clock.forward(minutes=1)
    wrote = small.writes(*how)
    assert any("av:DEMO:location:80001:visiting" in one for one in wrote)
    small.nothing_left()


def test_what_was_said_of_an_order_is_over_in_the_run_that_finds_it_deleted(small: Stage) -> None:
    job, number = _linked_order(small)
    small.box.crafter.edit("work-orders", job, description="Een omschrijving die veel te lang is voor AccountView")
    small.until_quiet()
    small.box.accountview.remove("SO_HDR", number)
    article = small.life.rows("ARTICLE")[0]["ART_CODE"]
    line = {"article_number": article, "description": "", "quantity": "1", "checked": True}
    small.box.crafter.edit("work-orders", job, status="checked", lines=[line])
    small.clock.forward(minutes=1)
    small.writes()
    assert [one.code for one in small.problems()] == ["order_closed"]
    assert small.writes() == []
