"""What Crafter calls things: learnt where `/me`, a document or a first record shows it, else asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.sandbox import crafter_names, seed
from tests.support.comparison import look
from tests.support.office import Office, Told, office
from tests.support.world import line

OTHER = crafter_names.overrides(crafter_names.OTHER)


def world() -> Any:
    return seed.world(seed=4, bad=False)


def schema(told: Told) -> dict[str, Any]:
    return dict(yaml.safe_load(told.out).get("crafter", {}).get("schema", {}))


def paste(one: Office, told: Told) -> None:
    for side, parts in yaml.safe_load(told.out).items():
        one.config[side] |= parts


def test_as_expected_there_is_nothing_to_paste(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        told = one.avsync("check", "--learn")
        assert (told.exit, schema(told)) == (0, {})
        assert "crafter:" not in told.out
        found = {row["name"]: row for row in one.avsync("check", "--json").json["checks"]}
        assert found["crafter_names"]["ok"]


def test_other_names_are_learnt_from_what_shows_and_all_flows_run(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        before = look(one.box)
        one.box.crafter.ugly.names = crafter_names.OTHER
        bad = {row["name"]: row for row in one.avsync("check", "--json").json["checks"] if not row["ok"]}
        assert set(bad) == {"crafter_names_differ"}
        assert "crafter.schema.order.path: /werkbonnen" in bad["crafter_names_differ"]["message"]
        assert "check --learn" in bad["crafter_names_differ"]["hint"]
        told = one.avsync("check", "--learn")
        assert told.exit == 0
        assert schema(told) == OTHER
        paste(one, told)
        assert one.avsync("check").exit == 0
        one.goes()
        one.in_step(before)


def test_without_any_record_a_document_tells(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        one.box.crafter.ugly.names = crafter_names.OTHER
        one.box.crafter.ugly.described = True
        assert schema(one.avsync("check", "--learn")) == OTHER


def test_without_either_the_paths_alone_are_learnt_and_the_rest_is_said(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        one.box.crafter.ugly.names = crafter_names.OTHER
        told = one.avsync("check", "--learn")
        assert schema(told) == {kind: {"path": part["path"]} for kind, part in OTHER.items() if "path" in part}
        assert "there is nothing there yet" in told.err


def test_what_shows_nowhere_is_asked_for_by_its_key(tmp_path: Path) -> None:
    names = {"customers": {"path": "xq1"}, "work-orders": {"fields": {"status": "zz9", "customer_id": "qqq"}}}
    with office(tmp_path, world()) as one:
        one.box.crafter.ugly.names = names
        one.box.crafter.features = {name for name in one.box.crafter.features if name != "customers"} | {"customers"}
        told = one.avsync("check", "--learn")
        assert told.exit == 2
        for key in ("crafter.schema.customer.path", "crafter.schema.order.fields.status"):
            assert key in told.err
        bad = {row["name"]: row for row in one.avsync("check", "--json").json["checks"] if not row["ok"]}
        assert "crafter.schema.customer.path" in bad["crafter_names_unknown"]["message"]
        one.config["crafter"]["schema"] = {
            "customer": {"path": "/xq1"}, "order": {"fields": {"status": "zz9", "customer_id": "qqq"}},
        }  # fmt: skip
        assert one.avsync("check").exit == 0
        one.goes()


def test_an_account_under_another_name_that_tells_nothing(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        one.box.crafter.ugly.nameless = one.box.crafter.ugly.described = True
        one.box.crafter.ugly.names = {"customers": {"path": "klanten"}}
        found = schema(one.avsync("check", "--learn"))
        assert found["customer"] == {"path": "/klanten"}
        assert found["me"]["path"] == "/account"
        assert found["me"]["fields"] == {"account_name": "bedrijfsnaam"}


@pytest.mark.parametrize("lines", [[], [line("a", "PUMP-1", "2")]])
def test_a_field_is_only_taken_where_its_values_fit(tmp_path: Path, lines: list[Any]) -> None:
    """`gecontroleerd_op` is a moment, and no flag; of a record whose lines are empty nothing is said of them."""
    names = {"work-orders": {"fields": {"lines": "artikelregels", "lines.checked": "vinkje"}}}
    with office(tmp_path, None) as one:
        one.shop()
        one.work_order("w1", lines=lines)
        one.box.crafter.ugly.names = names
        one.box.crafter.ugly.extra_fields = {"checked_at": "2026-01-01", "deleted": True, "regels": 3}
        fields = schema(one.avsync("check", "--learn")).get("order", {}).get("fields", {})
        assert fields == ({"lines": "artikelregels"} | ({"lines.checked": "vinkje"} if lines else {}))


def test_what_the_config_says_already_goes_along(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        one.box.crafter.ugly.names = {"customers": crafter_names.OTHER["customers"], "users": {"path": "xq1"}}
        one.config["crafter"]["schema"] = {"user": {"path": "/xq1"}}
        assert schema(one.avsync("check", "--learn")) == {"user": {"path": "/xq1"}, "customer": OTHER["customer"]}


@pytest.mark.parametrize("fault", ["500", "key"])
def test_a_crafter_that_does_not_answer_is_said_and_the_rest_is_learnt(tmp_path: Path, fault: str) -> None:
    with office(tmp_path, None, names="other") as one:
        if fault == "key":
            (one.folder / "key").write_text("wrong", encoding="utf-8")
        else:
            one.box.faults.add(side="crafter", do="500", times=0)
        told = one.avsync("check", "--learn")
        assert told.exit == 2
        assert "Crafter" in told.err
        assert yaml.safe_load(told.out)["accountview"]["schema"]["hour"]["table"] == "UREN"
