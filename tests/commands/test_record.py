"""`avsync check --record FILE`: an installation without its data, which the sandbox then plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.sandbox import seed
from avsync.sandbox.accountview.installation import load
from tests.support.comparison import look
from tests.support.installations import scrambled
from tests.support.office import Office, office


def recorded(one: Office, *args: str) -> tuple[Path, dict[str, Any]]:
    path = one.folder / "installatie.yaml"
    told = one.avsync("check", "--record", str(path), *args)
    assert told.exit == 0, told.err
    return path, yaml.safe_load(path.read_text(encoding="utf-8"))


def world() -> Any:
    return seed.world(seed=9, bad=False)


def test_it_holds_names_and_types_and_nothing_of_anybody(tmp_path: Path) -> None:
    with office(tmp_path, world()) as one:
        before = look(one.box)
        path, data = recorded(one)
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 20_000
        assert set(data) == {"format", "objects", "tables", "schema", "answers", "others"}
        for row in one.box.accountview.rows("CONTACT"):
            assert row["ACCT_NAME"] not in text
        told = (one.box.company, one.box.company_id, one.box.client_id, one.box.client_secret, one.box.api_key)
        for secret in (*told, "Demo Installatietechniek", "De Kraan", "127.0.0.1", str(one.state)):
            assert secret not in text
        assert data["tables"]["CONTACT"]["columns"]["ACCT_NAME"] == "C40* Naam"
        assert data["schema"]["order"]["columns"]["reference"] == "EXT_ID"
        assert data["answers"]["no_rows"] == "json"
        assert {request.method for request in one.box.requests} == {"GET"}
        assert look(one.box) == before


def test_words_that_name_the_company_do_not_go_along(tmp_path: Path) -> None:
    """Somebody called a column after his own firm."""
    company = [{"Id": "1-2-3", "Code": "KRAAN", "Description": "De Kraan B.V."}]
    with office(tmp_path, world(), companies=company) as one:
        columns = one.box.accountview.dictionary.tables["CONTACT"].columns
        columns["TEL_BUS"] = columns["TEL_BUS"].__class__(
            **{**{name: getattr(columns["TEL_BUS"], name) for name in columns["TEL_BUS"].__dataclass_fields__},
               "description": "Telefoon de kraan b.v."}
        )  # fmt: skip
        path, data = recorded(one)
        assert "kraan" not in path.read_text(encoding="utf-8").lower()
        assert data["tables"]["CONTACT"]["columns"]["TEL_BUS"] == "C20 Telefoon …"


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("name", ["contract", "small", "elsewhere"])
def test_what_was_recorded_is_recorded_again_when_it_is_played(tmp_path: Path, name: str, number: int) -> None:
    like = scrambled(load(name), 5) if number else load(name)
    with office(tmp_path, world(), {"customers": "both"}, like=like) as one:
        path, data = recorded(one)
    again = tmp_path / "again"
    again.mkdir()
    with office(again, world(), {"customers": "both"}, like=load(path)) as one:
        assert recorded(one)[1] | {"others": data["others"]} == data
    found = {kind: part["columns"] for kind, part in data["schema"].items() if kind != "ledger"}
    assert found == {kind: dict(part["columns"]) for kind, part in like.parts.items() if kind != "ledger"}


def test_an_ordinary_sandbox_and_its_recording_are_run_alike(tmp_path: Path) -> None:
    """The flows, on a recording of our own making, without any step by hand."""
    with office(tmp_path, world()) as one:
        path, _ = recorded(one)
    again = tmp_path / "again"
    again.mkdir()
    with office(again, world(), like=load(path)) as one:
        before = look(one.box)
        assert yaml.safe_load(one.avsync("check", "--learn").out)["accountview"]["schema"] == {}
        one.goes()
        one.in_step(before)


def test_what_the_probe_saw_goes_along_and_is_played(tmp_path: Path) -> None:
    odd = {"no_rows": "list", "page_cap": 11, "last_key_with_filter": False, "ignore_filter_time": True}
    with office(tmp_path, world(), **odd) as one:
        one.avsync("check", "--probe")
        one.box.requests.clear()
        path, data = recorded(one)
        assert len(one.box.requests) < 25
    answers = data["answers"]
    assert (answers["no_rows"], answers["page_size"], answers["filter_time"]) == ("list", 11, "ignored")
    assert answers["last_key_with_filter"] is False
    options = {"like": load(path)}
    again = tmp_path / "again"
    again.mkdir()
    with office(again, world(), **options) as one:
        assert (one.box.options.no_rows, one.box.options.page_cap) == ("list", 11)
        assert one.box.options.last_key_with_filter is False


def test_what_the_first_writes_have_shown_goes_along_and_is_played(tmp_path: Path) -> None:
    with office(tmp_path, world(), narrow={("SO_HDR", "COMMENT1"): 5}, reference="empty") as one:
        one.goes()
        path, data = recorded(one)
    assert data["answers"]["learnt"]["order.description"] == {"length": 5}
    assert data["answers"]["reference"] == "empty"
    again = tmp_path / "again"
    again.mkdir()
    with office(again, world(), like=load(path)) as one:
        assert one.box.options.narrow == {("SO_HDR", "COMMENT1"): 5}
        one.goes()
        assert {row["EXT_ID"] for row in one.box.accountview.rows("SO_HDR")} == {""}
        assert min(len(row["COMMENT1"]) for row in one.box.accountview.rows("SO_HDR")) == 5


def test_a_place_where_nothing_may_be_written(tmp_path: Path) -> None:
    with office(tmp_path, None) as one:
        told = one.avsync("check", "--record", str(tmp_path / "nowhere" / "file.yaml"))
        assert told.exit == 2
        assert "nowhere" in told.err
        assert one.avsync("check", "--record", str(tmp_path / "there.yaml"), "--json").json["ok"] is True
