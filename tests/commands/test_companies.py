"""Many companies on one machine: `status`, `errors` and `report` over a folder of configs, the worst first."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from click.testing import CliRunner

from avsync.cli import main
from tests.support.office import Office, Told, shop

LONG = "Vereniging van Eigenaars Residentie Waterland"


def avsync(*args: str, env: dict[str, str] | None = None) -> Told:
    result = CliRunner().invoke(main, list(args), env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Told(result.exit_code, result.stdout, result.stderr)


def in_folder(one: Office, folder: Path, name: str) -> None:
    """Its config stands in the folder of all configs."""
    one.write_config()
    (folder / name).write_text(one.path.read_text(encoding="utf-8"), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Six configs: all well; one error; three errors; login lost; a config that is none; and nothing has run yet."""
    root = tmp_path_factory.mktemp("companies")
    configs = root / "configs"
    configs.mkdir()
    for name in ("well", "few", "many", "lost", "fresh"):
        (root / name).mkdir()
    with shop(root / "well") as well, shop(root / "few") as few, shop(root / "many") as many:
        with shop(root / "lost") as lost, shop(root / "fresh") as fresh:
            for one, wrong in ((well, 0), (few, 1), (many, 3)):
                for number in range(wrong):
                    one.new_klant(f"{LONG} {number}", id=f"lang-{number}")
                assert one.run()["exit"] == (1 if wrong else 0)
            lost.goes()
            lost.box.revoke_tokens()
            assert lost.avsync("run-all").exit == 3
            for position, one in enumerate((well, few, many, lost, fresh)):
                one.config |= {"language": "nl", "company": "ABCDE"[position]}
                in_folder(one, configs, f"{'abcde'[position]}.yaml")
        (configs / "z.yml").write_text("language: nl\ncompany: ''\nonzin: 1\n", encoding="utf-8")
        (configs / "notes.txt").write_text("no config", encoding="utf-8")
        (configs / ".hidden.yaml").write_text("no config", encoding="utf-8")
        yield configs


# --- status


def test_a_folder_of_configs_is_told_worst_first_with_the_broken_one_by_name(folder: Path) -> None:
    told = avsync("status", "-c", str(folder), "--json")
    assert told.exit == 0
    assert [(Path(row["config"]).name, row["company"], row["exit"]) for row in told.json] == [
        ("d.yaml", "D", 3), ("z.yml", None, 2), ("e.yaml", "E", 4), ("c.yaml", "C", 1), ("b.yaml", "B", 1),
        ("a.yaml", "A", 0),
    ]  # fmt: skip
    assert told.json[1]["error"]["code"] == "config_invalid"
    assert told.json[3]["open"]["error"] == 3
    said = avsync("status", "-c", str(folder)).out
    assert re.findall(r"^([ABCDE]|\S*configs\S*)\s", said, re.M)[0] == "D"
    assert "z.yml" in said
    assert max(map(len, said.splitlines())) <= 120


def test_check_is_the_exit_code_of_the_worst(folder: Path) -> None:
    assert avsync("status", "-c", str(folder), "--check").exit == 3
    others = [word for name in "abc" for word in ("-c", str(folder / f"{name}.yaml"))]
    assert avsync("status", *others, "--check").exit == 1
    assert avsync("status", *others, "-c", str(folder / "z.yml"), "--check").exit == 2


def test_a_folder_and_a_file_together_and_a_folder_in_the_environment(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with shop(tmp_path / "own") as own:
        own.goes()
        told = avsync("status", "-c", str(own.path), "-c", str(folder), "-c", str(folder / "a.yaml"), "--json")
        assert len(told.json) == 7, "each once"
    told = avsync("--json", "status", env={"AVSYNC_CONFIG": str(folder)})
    assert len(told.json) == 6


def test_a_folder_with_one_config_has_the_shape_of_several(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text((folder / "a.yaml").read_text("utf-8"), "utf-8")
    assert [row["company"] for row in avsync("status", "-c", str(tmp_path), "--json").json] == ["A"]
    assert avsync("errors", "-c", str(tmp_path), "--json").json == []


@pytest.mark.parametrize("command", [("status",), ("errors",), ("report", "-o", "page.html"), ("status", "--check")])
def test_a_folder_without_configs_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("no config", encoding="utf-8")
    words = [str(tmp_path / word) if word.endswith("html") else word for word in command]
    told = avsync(*words, "-c", str(tmp_path))
    assert told.exit == 2
    page = (tmp_path / "page.html").read_text("utf-8") if "report" in command else ""
    assert "geen config" in re.sub(r"\s+", " ", told.out + told.err + page)


@pytest.mark.parametrize("command", ["run-all", "check", "history", "login"])
def test_what_works_for_one_company_takes_no_folder(folder: Path, command: str) -> None:
    told = avsync("--json", command, "-c", str(folder))
    assert told.exit == 2
    assert told.json["error"]["code"] == "several_configs"
    assert str(folder) in told.json["error"]["message"]


# --- errors


def test_errors_of_all_companies_stand_together_worst_first(folder: Path) -> None:
    told = avsync("errors", "-c", str(folder))
    assert told.exit == 0
    assert [Path(head).name for head in re.findall(r"^(.+)\n=+$", told.out, re.M)] == ["D", "z.yml", "C", "B"]
    assert "Geen openstaande meldingen: E, A." in told.out
    assert told.out.count("te lang voor AccountView") == 2, "a card each"
    assert "onzin" in told.out, "what is wrong with the broken one"


def test_errors_as_json_name_the_company_in_every_row(folder: Path) -> None:
    rows = avsync("errors", "-c", str(folder), "--json").json
    assert [row["company"] for row in rows] == ["D", str(folder / "z.yml"), "C", "C", "C", "B"]
    assert rows[1]["error"].keys() == {"code", "message", "hint"}
    assert {"id", "flow", "kind", "key", "name", "code", "who", "message", "hint", "severity"} <= rows[2].keys()
    some = avsync("errors", "-c", str(folder), "--json", "--search", "waterland 2").json
    assert [row["company"] for row in some if "code" in row] == ["C"]


def test_errors_of_all_companies_in_one_list_for_a_spreadsheet(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "meldingen.csv"
    assert avsync("errors", "-c", str(folder), "-o", str(file)).exit == 0
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""), delimiter=";"))
    assert next(iter(rows[0])) == "Administratie"
    by_company = groupby(rows, key=lambda row: Path(row["Administratie"]).name)
    assert [(name, len(list(some))) for name, some in by_company] == [("D", 3), ("z.yml", 1), ("C", 3), ("B", 1)]
    assert "onzin" in rows[3]["Probleem"]
    assert all(row["Wat te doen"] for row in rows)


@pytest.mark.parametrize("how", ["table", "html", "json", "csv", "cards"])
def test_every_format_takes_several(folder: Path, tmp_path: Path, how: str) -> None:
    told = avsync("errors", "-c", str(folder), "--format", how)
    assert told.exit == 0
    for part in (f"{LONG} 2", "z.yml"):
        assert part in re.sub(r"\s+", " ", told.out) or how == "table"
    file = tmp_path / "file"
    assert avsync("errors", "-c", str(folder), "--format", how, "-o", str(file)).out == ""
    assert file.read_text(encoding="utf-8-sig")
    if how == "json":
        assert json.loads(file.read_text(encoding="utf-8")) == told.json


def test_what_is_done_with_a_problem_is_done_at_one_company(folder: Path) -> None:
    for words in (("3",), ("--ignore", "3"), ("--retry", "all")):
        assert avsync("errors", "-c", str(folder), *words).exit == 2


def test_a_folder_that_may_not_be_entered_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    told = avsync("status", "-c", str(folder), "--json")
    assert told.exit == 2
    assert (told.json[0]["error"]["code"], told.json[0]["exit"]) == ("config_unreadable", 2)
