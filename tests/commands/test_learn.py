"""`avsync check --learn`: a block for the config, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.sandbox.accountview.installation import load
from avsync.sandbox.accountview.names import overrides
from tests.support.installations import scrambled
from tests.support.office import Told, office


def block(told: Told) -> dict[str, Any]:
    return dict(yaml.safe_load(told.out)["accountview"]["schema"])


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Also where a kind that needs nothing is named in one of the two."""
    return {kind: parts for kind, parts in one.items() if parts} == {
        kind: parts for kind, parts in other.items() if parts
    }


def expected(names: str) -> dict[str, Any]:
    """The overrides, but for what is as it is everywhere."""
    plain = {"project": ("PJ1", "PROJECTS"), "order": ("SO1", "SO_HDR"), "order_line": ("SO1", "SO_LINE")}
    found = overrides(names)
    for kind in plain:
        found[kind] = {"columns": found[kind]["columns"]}
    return found


def test_the_block_is_all_that_is_printed_and_mends_the_config(tmp_path: Path) -> None:
    with office(tmp_path, None, names="other") as one:
        for code, name in (("100", "Werk"), ("200", "Reis")):
            one.box.accountview.add("HRS_CODE", HRS_CODE=code, HRS_DESC=name)
        assert one.avsync("check").exit == 2
        before = one.box.state()
        told = one.avsync("check", "--learn")
        assert told.exit == 0
        assert same(block(told), expected("other"))
        assert all("  # 0.9" in line for line in told.out.splitlines() if ": " in line)
        assert "confirm this" not in told.out
        assert "nothing was changed" in told.err
        assert not (one.state / "state.db").exists()
        assert one.writes() == []
        assert {side: one.box.state()[side] for side in ("accountview", "crafter")} == {
            side: before[side] for side in ("accountview", "crafter")
        }
        one.config["accountview"]["schema"] = block(told)
        assert one.avsync("check").exit == 0
        again = one.avsync("check", "--learn")
        assert same(block(again), expected("other"))
        assert "as avsync expects them" in again.err


def test_where_all_is_as_expected_the_block_is_empty(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        told = one.avsync("check", "--learn")
        assert (told.exit, block(told)) == (0, {})


def test_in_json_with_a_path_a_score_and_what_to_confirm(tmp_path: Path) -> None:
    like = scrambled(load("small"), 1)
    with office(tmp_path, None, {"customers": "both", "orders": "export", "invoice": "export"}, like=like) as one:
        shape = one.avsync("check", "--learn", "--json").json
        assert shape["ok"] is True
        assert set(shape) == {"ok", "accountview", "lines", "left", "without"}
        lines = {line["path"]: line for line in shape["lines"]}
        line = lines["accountview.schema.order.columns.delivery_date"]
        assert line["name"] == like.parts["order"]["columns"]["delivery_date"]
        assert line["label"] == "Leverdatum"
        assert (line["confirm"], line["score"] >= 0.9) == (False, True)
        assert lines["accountview.schema.article.table"]["confirm"] is True
        assert any("order.columns.reference" in said for said in shape["without"])
        said = one.avsync("check", "--learn")
        doubtful = [row for row in said.out.splitlines() if "confirm this" in row]
        assert len(doubtful) == sum(line["confirm"] for line in shape["lines"]) > 0


def test_what_is_left_to_a_person_is_exit_2_and_named(tmp_path: Path) -> None:
    with office(tmp_path, None, lacking=frozenset({("HRS_LINE", "HRS_QTY")})) as one:
        told = one.avsync("check", "--learn")
        assert told.exit == 2
        assert "hour.columns.quantity" in told.err
        assert block(told) == {}


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    with office(tmp_path, None, {"hours": "export", "customers": "both"}, like=load("small")) as one:
        one.config["language"] = "nl"
        told = one.avsync("check", "--learn")
        assert told.exit == 2
        assert "urenregel: in AccountView is hiervoor geen tabel te vinden" in told.err
        assert "contactpersoon: in AccountView is hiervoor geen tabel te vinden" in told.err


def test_a_column_no_flow_uses_is_not_asked_for(tmp_path: Path) -> None:
    """Neither a status (no codes are configured) nor, with a default of ours, a type."""
    lacking = frozenset({("PROJECTS", "PRO_STAT"), ("PROJECTS", "PRO_TYPE")})
    with office(tmp_path, None, {"projects": "import"}, lacking=lacking) as one:
        told = one.avsync("check", "--learn")
        assert told.exit == 2
        assert "project.columns.type" in told.err.split("fill it in yourself")[1]
        one.config["default_project_type"] = "ALG"
        assert one.avsync("check", "--learn").exit == 0


def test_what_the_config_says_already_stands_and_goes_along(tmp_path: Path) -> None:
    with office(tmp_path, None, names="other") as one:
        own = {"order": {"columns": {"description": "TO_EMAIL"}}, "hour": {"business_object": "WEG"}}
        one.config["accountview"]["schema"] = own
        found = block(one.avsync("check", "--learn"))
        assert found["order"]["columns"]["description"] == "TO_EMAIL"
        assert found["hour"]["business_object"] == "UR1"


def test_a_name_that_yaml_would_take_for_something_else_is_quoted(tmp_path: Path) -> None:
    like = load("contract")
    file, part = like.files["HRS_CODE"], like.parts["time_code"]
    columns = dict(zip(("ON", "NULL"), file.columns.values(), strict=True))
    like = replace(
        like,
        files={**like.files, "HRS_CODE": replace(file, columns=columns)},
        parts={**like.parts, "time_code": {**part, "columns": {"code": "ON", "name": "NULL"}}},
    )
    with office(tmp_path, None, like=like) as one:
        told = one.avsync("check", "--learn")
        assert block(told)["time_code"] == {"columns": {"code": "ON", "name": "NULL"}}


@pytest.mark.parametrize("problem", ["login", "company"])
def test_without_a_way_in_it_says_what_is_needed(tmp_path: Path, problem: str) -> None:
    with office(tmp_path, None) as one:
        if problem == "login":
            (one.state / "token.json").unlink()
        else:
            one.config["company"] = "NOPE"
        told = one.avsync("check", "--learn")
        assert (told.exit, told.out) == ({"login": 3, "company": 2}[problem], "")
        assert ("avsync login" if problem == "login" else "DEMO") in told.err
