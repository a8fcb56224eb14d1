"""A new kind is one declaration: the engine carries one that it has never heard of, both ways (RULES.md, the house)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from avsync.records import registry
from avsync.records.kind import Field, Kind
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from tests.support.bench import Bench
from tests.support.office import office

TOY = Kind(
    name="toy", flow="customers", known_by=("number",), listed={ACCOUNTVIEW: "article", CRAFTER: "project_type"},
    fields=(Field("number", "code", crafter="code", needed=(CRAFTER,)), Field("name", needed=(CRAFTER,))),
    title=lambda side, fields: fields["name"],
)  # fmt: skip


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Bench]:
    known = dict(registry.KINDS)
    registry.KINDS.clear()
    registry.declare(TOY)
    try:
        with office(tmp_path, None, {"customers": "both"}) as one:
            yield Bench(one)
    finally:
        registry.KINDS.clear()
        registry.declare(*known.values())


def books(one: Bench) -> dict[str, str]:
    return {row["ART_CODE"]: row["ART_DESC1"] for row in one.box.accountview.rows("ARTICLE")}


def crafter(one: Bench) -> dict[str, str]:
    return {row["code"]: row["name"] for row in one.box.crafter.records("project-types")}


def test_a_kind_that_nobody_knows_goes_both_ways_from_its_declaration_alone(toys: Bench) -> None:
    toys.box.accountview.add("ARTICLE", ART_CODE="A1", ART_DESC1="Pomp")
    toys.box.crafter.add("project-types", code="C1", name="Ketel")
    toys.box.accountview.add("ARTICLE", ART_CODE="M1", ART_DESC1="Buis")
    toys.box.crafter.add("project-types", id="t-m", code="M1", name="Buis")
    toys.until_quiet()
    assert books(toys) == crafter(toys) == {"A1": "Pomp", "C1": "Ketel", "M1": "Buis"}

    made = next(row for row in toys.box.crafter.records("project-types") if row["code"] == "A1")
    assert made["external_ref"] == "av:DEMO:toy:A1"
    toys.box.crafter.edit("project-types", made["id"], name="Pomp 2")
    toys.box.accountview.edit("ARTICLE", "C1", ART_DESC1="Ketel 2")
    toys.until_quiet()
    assert books(toys) == crafter(toys) == {"A1": "Pomp 2", "C1": "Ketel 2", "M1": "Buis"}


def test_what_its_flow_may_not_write_stays_as_it_is(toys: Bench) -> None:
    toys.office.config["flows"]["customers"] = "import"
    toys.configure()
    toys.box.accountview.add("ARTICLE", ART_CODE="A1", ART_DESC1="Pomp")
    toys.box.crafter.add("project-types", code="C1", name="Ketel")
    toys.until_quiet()
    assert books(toys) == {"A1": "Pomp"}
    assert crafter(toys) == {"A1": "Pomp", "C1": "Ketel"}


def test_one_of_them_that_cannot_go_is_one_problem_and_the_others_go(toys: Bench) -> None:
    toys.box.crafter.add("project-types", code="C1", name="x" * 60)
    toys.box.crafter.add("project-types", code="C2", name="Ketel")
    toys.run()
    assert books(toys) == {"C2": "Ketel"}
    assert toys.problems() == [("toy", "C1", "too_long")]
