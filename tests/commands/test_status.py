"""How things stand: honest about the login, an exit code for a monitor, the last runs, several companies at once."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avsync.state import db
from tests.support.office import Office, Told, office, shop


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with shop(tmp_path, {"hours": "export"}) as found:
        yield found


def status(one: Office, *args: str) -> dict[str, Any]:
    return dict(one.avsync("--json", "status", *args).json)


def ran_ago(one: Office, **span: float) -> None:
    """The runs so far lie this much further back."""
    base = db.open_for_writing(one.state)
    for name in ("started", "finished"):
        for number, moment in list(base.execute(f"SELECT id, {name} FROM runs WHERE {name} IS NOT NULL")):
            then = datetime.fromisoformat(moment) - timedelta(**span)
            base.execute(f"UPDATE runs SET {name} = ? WHERE id = ?", [then.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), number])
    base.close()


# --- the login


def test_a_refused_login_is_remembered_until_it_works_again(one: Office) -> None:
    assert status(one)["token"]["works"] is None
    one.goes()
    assert status(one)["token"]["works"] is True
    one.box.revoke_tokens()
    assert one.avsync("run-all").exit == 3
    shape = status(one)
    assert (shape["token"]["present"], shape["token"]["works"]) == (True, False)
    assert [row["code"] for row in shape["incidents"]] == ["login_needed"]
    assert "REFUSED: run `avsync login`" in one.avsync("status").out
    one.log_in()
    one.goes()
    assert status(one)["token"]["works"] is True
    assert status(one)["incidents"] == []


def test_a_login_that_is_not_there_does_not_work(one: Office) -> None:
    one.goes()
    (one.state / "token.json").unlink()
    assert status(one)["token"] == {"present": False, "works": False, "expires_at": None}


def test_a_new_login_counts_at_once(one: Office) -> None:
    one.goes()
    one.box.revoke_tokens()
    one.avsync("run-all")
    one.config["accountview"]["redirect_uri"] = "http://localhost:1/callback"  # nobody can listen there: paste
    process = subprocess.Popen(
        one.command("login", "--no-browser"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin
        assert process.stdout
        for text in process.stdout:
            if text.startswith("http"):
                process.stdin.write(one.box.approve(text.strip()) + "\n")
                process.stdin.flush()
    assert process.returncode == 0
    assert status(one)["token"]["works"] is True
    assert "The login to AccountView works again" in one.avsync("run-all").err


# --- a monitor


def test_check_exits_like_the_last_run(one: Office) -> None:
    assert one.avsync("status", "--check").exit == 4  # none yet
    one.goes()
    assert one.avsync("status", "--check").exit == 0
    one.new_klant("Vereniging van Eigenaars Residentie Waterland")
    assert one.avsync("run-all").exit == one.avsync("status", "--check").exit == 1
    assert one.avsync("status").exit == 0
    one.box.revoke_tokens()
    one.avsync("run-all")
    assert one.avsync("status", "--check").exit == 3


def test_a_run_that_is_too_long_ago_is_exit_4_unless_something_weighs_more(one: Office) -> None:
    one.goes()
    ran_ago(one, minutes=29)
    assert one.avsync("status", "--check").exit == 0
    ran_ago(one, minutes=2)
    assert one.avsync("status", "--check").exit == 4
    for age, code in (("1h", 0), ("32m", 0), ("90s", 4), ("1d", 0), ("10", 4), ("1u", 0)):
        assert one.avsync("status", "--check", "--max-age", age).exit == code, age
    one.box.revoke_tokens()
    one.avsync("run-all")
    ran_ago(one, hours=10)
    assert one.avsync("status", "--check").exit == 3
    assert one.avsync("status", "--check", "--max-age", "soon").exit == 2


def test_a_run_at_work_says_nothing_yet(one: Office) -> None:
    one.goes()
    base = db.open_for_writing(one.state)
    base.execute("INSERT INTO runs (command, started) VALUES ('run-all', '2026-11-24T10:00:00.000000Z')")
    base.close()
    assert one.avsync("status", "--check").exit == 0
    assert status(one)["last_run"]["finished"] is None
    assert "is not finished" in one.avsync("status").out
    ran_ago(one, hours=1)
    assert one.avsync("status", "--check").exit == 4


def test_the_last_runs(one: Office) -> None:
    for _ in range(3):
        one.goes()
    shape = status(one, "--runs", "2")
    assert [row["run"] for row in shape["runs"]] == [3, 2]
    assert shape["runs"][0] == shape["last_run"]
    assert "runs" not in status(one)
    said = one.avsync("status", "--runs", "9").out
    assert said.count("run-all") == 4
    assert re.search(r"\d adopted", said)
    assert max(map(len, said.splitlines())) <= 79


# --- several companies


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Path]]:
    """Three companies: one well, one without login, one whose config is wrong."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    wrong = tmp_path / "c.yaml"
    wrong.write_text("language: en\ncompany: ''\n", encoding="utf-8")
    with shop(tmp_path / "a") as well, shop(tmp_path / "b") as lost:
        well.goes()
        lost.box.revoke_tokens()
        lost.avsync("run-all")
        yield [well.path, lost.path, wrong]


def several(paths: list[Path], *args: str) -> Told:
    words = [word for path in paths for word in ("-c", str(path))]
    done = subprocess.run([sys.executable, "-m", "avsync", *words, *args], capture_output=True, text=True, timeout=60)
    return Told(done.returncode, done.stdout, done.stderr)


def test_several_configs_give_an_overview_of_companies_worst_first(three: list[Path]) -> None:
    told = several(three, "status", "--json")
    assert told.exit == 0
    assert [(row["config"], row["exit"]) for row in told.json] == [
        (str(three[1]), 3), (str(three[2]), 2), (str(three[0]), 0),
    ]  # fmt: skip
    assert told.json[1]["error"]["code"] == "config_invalid"
    assert told.json[0]["token"]["works"] is False
    assert told.json[2]["open"] == {"error": 0, "warning": 0, "waiting": 0, "ignored": 0}
    assert several(three, "status", "--check").exit == 3
    assert several([three[0]] * 2, "status", "--check").exit == 0
    said = several(three, "status").out
    assert max(map(len, said.splitlines())) <= 120
    assert said.index("login needed" if "login needed" in said else "trouble since") < said.index("in step")


def test_other_commands_take_one_config_and_say_so(three: list[Path]) -> None:
    told = several(three[:2], "run-all")
    assert told.exit == 2
    assert str(three[0]) in told.err
    assert several(three[:2], "--json", "run-all").json["error"]["code"] == "several_configs"


def test_errors_of_several_companies_stand_under_their_names(three: list[Path]) -> None:
    rows = several(three, "--json", "errors").json
    assert {row["company"] for row in rows} == {"DEMO", str(three[2])}
    assert [row["code"] for row in rows if "code" in row] == ["login_needed"]
    assert [row["error"]["code"] for row in rows if "error" in row] == ["config_invalid"]
    said = several(three, "errors").out
    assert said.index(f"DEMO ({three[1]})\n===") < said.index(f"{three[2]}\n===") < said.index("No open errors: DEMO")
    assert "avsync login" in said
    assert several(three[:2], "errors", "1").exit == 2


# --- every ending is one JSON document


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("run-all",), 2), (("status",), 2), (("errors",), 2), (("history",), 2), (("check",), 2), (("login",), 2),
        (("run-all", "--nonsense"), 2), (("sync",), 2), (("sync", "lunch"), 2), (("dance",), 2), (("--nonsense",), 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [True, False])
def test_a_command_that_fails_prints_one_document(
    tmp_path: Path, args: tuple[str, ...], code: int, before: bool
) -> None:
    words = ["-c", str(tmp_path / "nowhere.yaml"), *(["--json", *args] if before else [*args, "--json"])]
    done = subprocess.run([sys.executable, "-m", "avsync", *words], capture_output=True, text=True, timeout=60)
    shape = json.loads(done.stdout)
    assert done.returncode == shape["exit"] == code
    assert shape["error"].keys() == {"code", "message", "hint"}
    assert all(shape["error"].values())


def test_runs_that_stop_or_do_not_start_print_one_document(one: Office) -> None:
    from avsync.state.lock import RunLock

    lock = RunLock(one.state)
    assert lock.take()
    told = one.avsync("--json", "run-all")
    lock.release()
    assert (told.exit, told.err, told.json["exit"], told.json["run"]) == (0, "", 0, None)
    assert told.json["busy"].keys() == {"pid", "minutes"}
    one.box.revoke_tokens()
    told = one.avsync("--json", "run-all")
    assert (told.exit, told.err) == (3, "")
    assert told.json["errors"]["customers"] == {
        "code": "login_needed", "message": told.json["errors"]["customers"]["message"],
        "hint": "Run `avsync login`.",
    }  # fmt: skip
    assert told.json["incidents"][0]["service"] == "AccountView"
    (one.state / "state.db").write_bytes(b"not a database at all" * 500)
    told = one.avsync("--json", "run-all")
    assert (told.exit, told.err, told.json["exit"]) == (5, "", 5)
    assert told.json["error"]["code"] == "state_damaged"


def test_a_healthy_run_has_no_errors(one: Office) -> None:
    shape = one.run()
    assert "errors" not in shape
    assert shape["incidents"] == []


# --- Ctrl-C


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_in_login_is_130(tmp_path: Path, as_json: bool) -> None:
    with office(tmp_path, wire=True) as one:
        one.config["accountview"]["redirect_uri"] = "http://localhost:1/callback"
        one.write_config()
        words = one.command("login", "--no-browser", *(["--json"] if as_json else []))
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        assert process.stderr
        for text in process.stderr if as_json else process.stdout:
            if text.startswith("http"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    if as_json:
        assert json.loads(out)["exit"] == 130
    else:
        assert "broken off" in err
