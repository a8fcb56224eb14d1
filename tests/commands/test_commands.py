"""Every command through the command line: shapes, exit codes, languages, and what a command leaves alone."""

from __future__ import annotations

import json
import re
import shutil
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import avsync
from avsync.messages import texts
from avsync.sandbox import seed
from tests.support.comparison import look
from tests.support.office import ALL_ON, Office, Told, office
from tests.support.world import place

COUNTS = {"read", "created", "updated", "adopted", "unchanged", "waiting", "failed", "unknown"}
PROBLEM = (
    *("id", "flow", "kind", "key", "name", "code", "who", "message", "hint", "severity"),
    *("first_seen", "last_seen", "attempts", "side", "record", "entity", "entity_id", "count", "records", "ignored"),
)
SMALL: dict[str, Any] = {"customers": 8, "projects": 4, "orders": 2, "work_orders": 6, "hours": 8}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LONG_NAME = "Vereniging van Eigenaars Residentie Waterland"


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[Office]:
    """A small office in which all is well, before its first run."""
    with office(tmp_path, seed.world(seed=3, bad=False, **SMALL)) as one:
        yield one


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Office]:
    """The demo world with its bad records, after one run."""
    with office(tmp_path, seed.world(seed=3, **SMALL)) as one:
        assert one.avsync("run-all").exit == 1
        yield one


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, byte for byte, without what SQLite keeps beside a database while somebody reads it."""
    kept = [one for one in folder.iterdir() if one.is_file() and not one.name.endswith(("-shm", "-wal"))]
    return {one.name: one.read_bytes() for one in kept}


def number_of(one: Office, customer: str) -> Any:
    """The customer number that Crafter shows."""
    record = one.box.crafter.record("customers", customer)
    assert record is not None
    return record["customer_number"]


def too_long(one: Office) -> dict[str, Any]:
    """The problem of a customer in Crafter whose name is too long, after a run."""
    one.new_klant(LONG_NAME, place())
    one.avsync("run-all")
    return next(problem for problem in one.errors() if problem["code"] == "too_long")


# --- run-all and sync


def test_run_all_json_has_exactly_the_promised_shape(healthy: Office) -> None:
    told = healthy.avsync("--json", "run-all")
    shape = told.json
    assert list(shape) == ["run", "exit", "flows", "requests", "incidents"]
    assert (shape["run"], shape["exit"], told.exit) == (1, 0, 0)
    assert list(shape["flows"]) == list(ALL_ON)
    for counts in shape["flows"].values():
        assert counts.keys() == COUNTS
        assert all(type(count) is int for count in counts.values())
    asked = {side: sum(one.side == side for one in healthy.box.requests) for side in ("accountview", "crafter")}
    assert shape["requests"] == asked
    assert healthy.run()["run"] == 2


def test_sync_json_tells_of_its_own_flow_alone(healthy: Office) -> None:
    shape = healthy.avsync("sync", "customers", "--json").json
    assert list(shape) == ["run", "exit", "flows", "requests", "incidents"]
    assert list(shape["flows"]) == ["customers"]
    assert shape["flows"]["customers"]["created"] > 0
    assert healthy.box.accountview.rows("HRS_LINE") == []


def test_flows_that_are_off_do_nothing(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=3, bad=False, **SMALL), flows={"customers": "import"}) as one:
        assert list(one.run()["flows"]) == ["customers"]
        told = one.avsync("sync", "hours")
        assert (told.exit, told.out) == (2, "")
        assert "flows.hours" in told.err


def test_totals_for_people_and_silence_when_nothing_happens(healthy: Office) -> None:
    first = healthy.avsync("run-all")
    assert re.search(r"^Customers: \d+ created", first.out, re.M)
    assert healthy.avsync("run-all") == Told(0, "", "")
    assert healthy.process("run-all") == Told(0, "", "")
    assert healthy.process("-q", "run-all", "--full") == Told(0, "", "")


def test_known_errors_are_no_news(troubled: Office) -> None:
    assert troubled.avsync("run-all") == Told(1, "", "")


@pytest.mark.parametrize("place", ["before", "after"])
def test_global_options_may_stand_on_either_side_of_the_command(healthy: Office, place: str) -> None:
    arguments = ("--json", "run-all") if place == "before" else ("run-all", "--json")
    assert healthy.avsync(*arguments).json["exit"] == 0


def test_dry_run_changes_neither_side_nor_the_state(healthy: Office) -> None:
    before, there = look(healthy.box), files(healthy.state)
    told = healthy.avsync("--json", "run-all", "--dry-run")
    shape = told.json
    assert set(shape) - {"skipped", "incidents"} == {"run", "exit", "flows", "requests", "dry_run", "plan"}
    assert (told.exit, shape["dry_run"]) == (0, True)
    for row in shape["plan"]:
        assert list(row) == ["flow", "direction", "kind", "key", "name", "action", "fields", "reason"]
        assert row["direction"] in ("import", "export")
        assert isinstance(row["fields"], list)
    assert look(healthy.box) == before
    assert healthy.writes() == []
    assert files(healthy.state) == there
    healthy.avsync("run-all")
    there = files(healthy.state)
    assert "state.db" in there
    healthy.box.crafter.edit("customers", healthy.box.crafter.records("customers")[0]["id"], phone="000")
    assert [row["action"] for row in healthy.avsync("run-all", "--dry-run", "--json").json["plan"]] == ["update"]
    assert files(healthy.state) == there


def test_a_dry_run_plans_what_the_run_then_does(healthy: Office) -> None:
    plan = healthy.avsync("--json", "run-all", "--dry-run").json["plan"]
    healthy.box.requests.clear()
    done = healthy.run()
    for flow in ("customers", "projects", "orders", "hours"):
        made = sum(row["flow"] == flow and row["action"] == "create" for row in plan)
        assert made == done["flows"][flow]["created"], flow
    assert sum(row["flow"] == "customers" for row in plan) >= done["flows"]["customers"]["created"]


def test_dry_run_for_people_names_record_action_fields_and_reason(healthy: Office) -> None:
    summary, _, said = healthy.avsync("sync", "customers", "--dry-run", "--details").out.partition("\n\nDirection")
    assert re.search(r"customers +AccountView → Crafter +create +\d+", summary)
    head, _, first = f"Direction{said}".splitlines()[:3]
    for name in ("direction", "action", "what", "name", "fields", "reason"):
        assert name in head.lower()
    assert re.search(r"(import|export) +(create|adopt)", first)


def test_only_takes_one_record_by_number_or_id_and_leaves_the_rest(healthy: Office) -> None:
    known = {one["customer_number"] for one in healthy.box.crafter.records("customers")}
    number = next(row["SUB_NR"] for row in healthy.box.accountview.rows("CONTACT") if row["SUB_NR"] not in known)
    before = len(healthy.box.crafter.records("customers"))
    assert healthy.avsync("sync", "customers", "--only", number.lower()).exit == 0
    made = healthy.box.crafter.records("customers")[-1]
    assert (len(healthy.box.crafter.records("customers")), made["customer_number"]) == (before + 1, number)
    other = healthy.box.crafter.add("customers", name="Garage Peters")
    assert healthy.avsync("sync", "customers", "--only", other).exit == 0
    assert number_of(healthy, other)
    assert len(healthy.box.crafter.records("customers")) == before + 2


def test_full_finds_what_a_listing_of_changes_misses(healthy: Office) -> None:
    healthy.run()
    row = healthy.box.accountview.rows("CONTACT")[0]
    healthy.box.accountview.damage("CONTACT", row["SUB_NR"], TEL_BUS="000")
    assert healthy.run()["flows"]["customers"]["updated"] == 0
    assert healthy.run("--full")["flows"]["customers"]["updated"] == 1


# --- errors


def test_errors_json_has_exactly_the_promised_keys(troubled: Office) -> None:
    told = troubled.avsync("--json", "errors")
    assert told.exit == 0
    for problem in told.json:
        assert tuple(problem) == PROBLEM
        assert problem["severity"] in ("error", "warning", "waiting")
        assert problem["message"]
        assert problem["hint"]
        assert problem["who"] in ("operator", "bookkeeper", "planner", "support", "nobody")
        assert MOMENT.fullmatch(problem["first_seen"])
        assert MOMENT.fullmatch(problem["last_seen"])
        assert problem["attempts"] == 1
    assert {one["flow"] for one in told.json} == set(ALL_ON)


def test_errors_of_one_flow(troubled: Office) -> None:
    found = troubled.avsync("errors", "--json", "--flow", "hours").json
    assert {one["flow"] for one in found} == {"hours"}
    assert len(found) == sum(one["flow"] == "hours" for one in troubled.errors())
    assert troubled.avsync("errors", "--flow", "lunch").exit == 2


def test_errors_for_people_show_number_name_and_next_step(troubled: Office) -> None:
    said = " ".join(troubled.avsync("errors").out.split())
    for words_of_it in ("Customer 90002", "Offsetdrukkerij Postma", "no project type", "→ Fill in", "bookkeeper"):
        assert words_of_it in said


def test_without_errors_it_says_so(healthy: Office) -> None:
    assert healthy.avsync("errors") == Told(0, "There are no open errors.\n", "")
    healthy.run()
    assert healthy.avsync("--json", "errors").json == []


def test_errors_json_stays_json_before_the_first_run(healthy: Office) -> None:
    assert healthy.avsync("--json", "errors").json == []
    assert sorted(one.name for one in healthy.state.iterdir()) == ["token.json"]


def test_retry_handles_just_that_record(healthy: Office) -> None:
    healthy.run()
    problem = too_long(healthy)
    healthy.box.crafter.edit("customers", problem["key"], name="VvE Waterland")
    other = healthy.box.crafter.add("customers", name="Garage Peters")
    assert healthy.avsync("errors", "--retry", str(problem["id"])).exit == 0
    assert healthy.errors() == []
    assert number_of(healthy, problem["key"])
    assert number_of(healthy, other) is None


def test_retry_all_handles_every_record_with_a_problem(troubled: Office) -> None:
    assert troubled.avsync("errors", "--retry", "all").exit == 1
    assert max(one["attempts"] for one in troubled.errors()) == 2
    seed.repair(troubled.box)
    assert troubled.avsync("errors", "--retry", "all").exit == 0, troubled.errors()
    assert troubled.errors() == []


@pytest.mark.parametrize("option", ["--retry", "--ignore"])
def test_a_problem_that_is_not_there_is_a_usage_error(healthy: Office, option: str) -> None:
    told = healthy.avsync("errors", option, "99")
    assert (told.exit, told.out) == (2, "")
    assert "no open error with number 99" in told.err


def test_ignore_takes_it_out_until_the_record_changes(healthy: Office) -> None:
    healthy.run()
    problem = too_long(healthy)
    assert healthy.avsync("errors", "--ignore", str(problem["id"])).exit == 0
    assert healthy.errors() == []
    assert healthy.avsync("run-all").exit == 0
    assert healthy.avsync("--json", "status").json["open"]["ignored"] == 1
    assert healthy.box.crafter.timeline[0]["resolved"]
    healthy.box.crafter.edit("customers", problem["key"], name=f"{LONG_NAME} te Monnickendam")
    assert healthy.avsync("run-all").exit == 1
    assert [one["code"] for one in healthy.errors()] == ["too_long"]
    assert not healthy.box.crafter.timeline[0]["resolved"]


def test_all_options_of_errors_work_together_with_json(healthy: Office) -> None:
    healthy.run()
    problem = too_long(healthy)
    told = healthy.avsync("--json", "errors", "--ignore", str(problem["id"]), "--flow", "customers")
    assert (told.exit, told.json) == (0, [])


# --- status and check


def test_status_json_has_exactly_the_promised_shape(troubled: Office) -> None:
    shape = troubled.avsync("--json", "status").json
    assert set(shape) == {"last_run", "flows", "open", "records", "intents", "token", "incidents", "version"}
    assert {"run", "exit", "flows", "requests", "started", "finished"} <= shape["last_run"].keys()
    assert MOMENT.fullmatch(shape["last_run"]["started"])
    assert shape["last_run"]["finished"] >= shape["last_run"]["started"]
    assert list(shape["flows"]) == list(ALL_ON)
    for one in shape["flows"].values():
        assert one.keys() == {"watermarks", "last_ok"}
        assert isinstance(one["watermarks"], dict)
        assert MOMENT.fullmatch(one["last_ok"])
    counted = dict.fromkeys(("error", "warning", "waiting", "ignored"), 0)
    for problem in troubled.errors():
        counted[problem["severity"]] += 1
    assert shape["open"] == counted
    assert shape["records"].keys() == counted.keys()
    assert all(shape["records"][name] >= count for name, count in counted.items())
    assert (shape["intents"], shape["version"]) == (0, avsync.__version__)
    assert shape["token"].keys() == {"present", "works", "expires_at"}
    assert shape["token"]["present"] is True
    assert MOMENT.fullmatch(shape["token"]["expires_at"])


def test_status_before_the_first_run(healthy: Office) -> None:
    (healthy.state / "token.json").unlink()
    told = healthy.avsync("--json", "status")
    assert told.exit == 0
    assert told.json["last_run"] is None
    assert told.json["token"] == {"present": False, "works": False, "expires_at": None}
    assert all(one == {"watermarks": {}, "last_ok": None} for one in told.json["flows"].values())
    assert "nothing has been synchronised yet" in healthy.avsync("status").out.lower()
    assert list(healthy.state.iterdir()) == []


def test_check_json_has_exactly_the_promised_shape(healthy: Office) -> None:
    told = healthy.avsync("--json", "check")
    assert (told.exit, told.json["ok"]) == (0, True)
    assert list(told.json) == ["ok", "checks"]
    for one in told.json["checks"]:
        assert list(one) == ["name", "ok", "message", "hint"]
        assert one["ok"] is True
    assert {one.name for one in healthy.state.iterdir()} <= {"token.json", "token.lock", "token.json.lock"}


def test_check_says_what_is_wrong_and_exits_accordingly(healthy: Office) -> None:
    healthy.config["time_codes"]["work"] = "999"
    told = healthy.avsync("check", "--json")
    assert (told.exit, told.json["ok"]) == (2, False)
    [wrong] = [one for one in told.json["checks"] if not one["ok"]]
    assert "999" in wrong["message"]
    assert wrong["hint"]
    assert healthy.writes() == []


# --- when it cannot work


@pytest.mark.parametrize("command", ["run-all", "check", "errors", "status", "login"])
def test_without_config_exit_2_and_one_clear_message(tmp_path: Path, command: str) -> None:
    missing = tmp_path / "nowhere.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "avsync", "-c", str(missing), command],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert str(missing) in done.stderr
    assert "Traceback" not in done.stderr


def test_every_mistake_in_the_config_at_once(healthy: Office) -> None:
    healthy.config["flows"]["orders"] = "sideways"
    healthy.config["time_codes"]["work"] = 100
    healthy.config["surprise"] = 1
    told = healthy.avsync("run-all")
    assert (told.exit, told.out) == (2, "")
    for part in ("flows.orders", "time_codes.work", "surprise"):
        assert part in told.err


@pytest.mark.parametrize(
    "arguments", [["sync", "lunch"], ["sync"], ["run-all", "--only", "1"], ["dance"], ["errors", "-x"]]
)
def test_wrong_usage_is_exit_2(healthy: Office, arguments: list[str]) -> None:
    assert healthy.avsync(*arguments).exit == 2


@pytest.mark.parametrize("command", ["run-all", "check"])
def test_without_login_exit_3(healthy: Office, command: str) -> None:
    (healthy.state / "token.json").unlink()
    told = healthy.avsync(command)
    assert told.exit == 3
    assert "avsync login" in told.out + told.err
    assert healthy.writes() == []


def test_a_refused_crafter_key_is_exit_3(healthy: Office) -> None:
    (healthy.folder / "key").write_text("wrong", encoding="utf-8")
    told = healthy.avsync("run-all")
    assert told.exit == 3
    assert "Crafter" in told.err
    assert healthy.writes() == []


@pytest.mark.parametrize("side", ["accountview", "crafter"])
@pytest.mark.parametrize("command", ["run-all", "check"])
def test_a_service_that_is_down_is_exit_4(healthy: Office, side: str, command: str) -> None:
    healthy.config[side]["base_url"] = f"http://127.0.0.1:{_closed_port()}/api"
    healthy.config["flows"] = dict.fromkeys(ALL_ON, "off") | {"customers": "both"}
    told = healthy.avsync(command)
    assert told.exit == 4
    assert ("the next run" in told.out.lower()) == (command == "check")  # a run says so when it lasts (behaviour 50)
    told = healthy.avsync("--json", command)
    assert (told.exit, "the next run" in told.out.lower()) == (4, True)
    assert healthy.writes() == []


def _closed_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_another_run_at_work_is_one_line_and_exit_0(healthy: Office) -> None:
    from avsync.state.lock import RunLock

    lock = RunLock(healthy.state)
    assert lock.take()
    try:
        told = healthy.process("run-all")
    finally:
        lock.release()
    assert (told.exit, told.out, len(told.err.splitlines())) == (0, "", 1)
    assert healthy.box.requests == []


# --- reading without the right to write


READER = """
import os, sys
from avsync.cli import main

def say(*arguments):
    try:
        main(["-c", sys.argv[1], "--json", *arguments])
    except SystemExit as ended:
        assert not ended.code, ended.code

say("errors"), say("status")  # as ourselves: all that is needed gets imported
if os.geteuid() == 0:
    os.setgroups([]), os.setegid(65534), os.seteuid(65534)
for name in ("state.db", "new"):
    assert not os.access(os.path.join(sys.argv[2], name), os.W_OK, effective_ids=True)
print("----")
say("errors"), print("----"), say("status")
"""


def test_support_staff_need_no_right_to_write(troubled: Office) -> None:
    with tempfile.TemporaryDirectory() as place:
        state = shutil.copytree(
            troubled.state, Path(place) / "state", ignore=shutil.ignore_patterns("*lock*", "token*")
        )
        troubled.config["state_dir"] = str(state)
        troubled.write_config()
        shutil.copy(troubled.path, Path(place) / "config.yaml")
        for one in (state, *state.iterdir()):
            one.chmod(0o555 if one.is_dir() else 0o444)
        Path(place).chmod(0o755)
        before = files(state)
        arguments = [sys.executable, "-c", READER, str(Path(place) / "config.yaml"), str(state)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        _, errors, status = done.stdout.split("----")
        assert json.loads(errors) == troubled.errors()
        assert json.loads(status)["last_run"]["run"] == 1
        assert files(state) == before
        state.chmod(0o755)


def test_errors_and_status_leave_the_state_as_it_is(troubled: Office) -> None:
    before = files(troubled.state)
    troubled.state.chmod(0o500)
    try:
        assert troubled.process("errors", "--json").json == troubled.errors()
        assert troubled.process("status").exit == 0
    finally:
        troubled.state.chmod(0o700)
    assert files(troubled.state) == before


# --- languages


def test_every_row_speaks_both_languages_with_the_same_gaps() -> None:
    raw = yaml.safe_load(Path(texts.__file__).with_name("problems.yaml").read_text(encoding="utf-8"))
    for code, row in raw.items():
        assert set(row) - {"cause", "without", "of"} == {"who", "severity", "nl", "en"}, code
        assert row["who"] in ("operator", "bookkeeper", "planner", "support", "nobody", "side"), code
        assert row["severity"] in ("error", "warning", "waiting"), code
        for said in (row, *row.get("without", {}).values(), *row.get("of", {}).values()):
            assert len(said["nl"]) == len(said["en"]) == 2, code
            for dutch, english in zip(said["nl"], said["en"], strict=True):
                assert _gaps(dutch) == _gaps(english), code
                assert bool(dutch) == bool(english), code
            assert said["nl"][0] != said["en"][0], code


@pytest.mark.parametrize("file", ["words", "check", "config", "login", "history", "run", "status"])
def test_every_other_text_is_there_in_both_languages(file: str) -> None:
    raw = yaml.safe_load(Path(texts.__file__).with_name(f"{file}.yaml").read_text(encoding="utf-8"))
    for name, pair in raw.items():
        assert len(pair) == 2, name
        assert all(isinstance(one, str) and one for one in pair), name
        assert _gaps(pair[0]) == _gaps(pair[1]), name


def test_every_text_that_is_asked_for_is_there() -> None:
    asked = {
        "login": re.compile(r"(?:\bsay\(|_page\(\d+, |answer = \(\d+, |phrase\(\"login\", )\"(\w+)\""),
        "init": re.compile(r"\.(?:say|part|ask|choose|agrees)\(\s*\"(\w+)\""),
        "articles": re.compile(r"(?:\bsay\(|phrase\(\"articles\", )\"(\w+)\""),
        "schedule": re.compile(r"\.remark\(\"(\w+)\""),
        "check": re.compile(r"(?:_good\(f?\"?[\w.{}]+\"?, |_say\()\"(\w+)\""),
    }
    for file, pattern in asked.items():
        source = Path(avsync.__file__).parent / "commands" / f"{file}.py"
        names = pattern.findall(source.read_text(encoding="utf-8"))
        assert len(names) > 3
        for name in names:
            assert texts.known(name, file) or texts.known(f"page_{name}", file), name


def test_a_text_that_is_not_there_still_says_something() -> None:
    assert texts.text("no_such_code", "nl", {}) == ("no_such_code", "-")
    assert texts.word("no_such_word", "nl") == texts.phrase("check", "no_such_word", "en") == "no such word"
    assert texts.phrase("check", "company", "en", code="1") == "Company 1 ({name})."


def test_the_texts_need_nothing_of_the_program() -> None:
    program = "import sys, avsync.messages.texts; print(*[name for name in sys.modules if name.startswith('avsync')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert set(done.stdout.split()) == {"avsync", "avsync.messages", "avsync.messages.texts"}


def _gaps(text: str) -> set[str]:
    return {name.lower() for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_that_is_raised_has_a_row() -> None:
    package = Path(avsync.__file__).parent
    raised = re.compile(
        r"(?:Refuse|Remark|Cause|ConfigError|LoginNeeded|TryLater|PersonMustLook|FeatureOff)\(\s*\"(\w+)\""
    )
    for path in package.rglob("*.py"):
        if "sandbox" not in path.parts:
            for code in raised.findall(path.read_text(encoding="utf-8")):
                assert texts.known(code, "problems") or texts.known(code), f"{path.name}: {code}"


@pytest.mark.parametrize(
    ("language", "sentence", "step"),
    [
        ("nl", "te lang voor AccountView", "Kort de naam in Crafter in."),
        ("en", "too long for AccountView", "Shorten the name in"),
    ],
)
def test_errors_and_timeline_speak_the_language_of_the_config(
    healthy: Office, language: str, sentence: str, step: str
) -> None:
    healthy.config["language"] = language
    problem = too_long(healthy)
    assert sentence in problem["message"]
    assert step in problem["hint"]
    [entry] = healthy.box.crafter.timeline
    assert sentence in entry["message"]
    assert step in entry["message"]
    assert LONG_NAME in entry["message"]


# --- starting


def test_version_and_module() -> None:
    for arguments in (["-m", "avsync", "--version"], ["-m", "avsync", "--help"]):
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0
    script = Path(sys.executable).with_name("avsync")
    if script.exists():
        done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=30)
        assert done.stdout == f"avsync, version {avsync.__version__}\n"


OFFICE = {"flask", "waitress", "requests_oauthlib", "avsync.sandbox", "webbrowser", "openpyxl", "apprise", "jinja2"}
JUDGED = {"pydantic", "sqlite_utils", "anyascii", "avsync.config.model"}  # when something changed, or is not plain text
NETWORK = {"requests", "urllib3", "http.client", "ssl", "avsync.services.http", "avsync.sync.run"}
LAZY = {
    "--help": OFFICE | JUDGED | NETWORK | {"yaml", "sqlite3", "dataclasses", "decimal", "tabulate"},
    "--version": OFFICE | JUDGED | NETWORK | {"yaml", "sqlite3", "dataclasses", "decimal", "tabulate"},
    "errors": OFFICE | JUDGED | NETWORK | {"yaml", "tabulate"},
    "history": OFFICE | JUDGED | NETWORK | {"tabulate", "logging.handlers"},
    "status": OFFICE | JUDGED | {"requests", "urllib3", "avsync.sync.run", "yaml"},
    "run-all": OFFICE | JUDGED | {
        "tabulate", "avsync.sync.flow", "avsync.sync.plan", "avsync.sync.write", "avsync.services.accountview.learn",
        "avsync.commands.listing", "avsync.commands.history", "avsync.commands.alarm", "avsync.commands.logfile",
    },
}  # fmt: skip


@pytest.mark.parametrize("command", LAZY)
def test_a_command_imports_only_what_it_needs(healthy: Office, command: str) -> None:
    for _ in range(3):
        healthy.run()
    program = (
        "import sys\nfrom avsync.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print(' '.join(sys.modules), file=sys.stderr)"
    )
    arguments = ["-c", str(healthy.path), "-q", command] if not command.startswith("--") else [command]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert LAZY[command] & set(done.stderr.split()) == set()


def test_looking_and_trying_leave_nothing_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would leave the side files of a nameless copy there."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        one.run()
        one.config["safety"] = {"max_new": 0}
        for command in (["run-all", "--dry-run"], ["status"], ["errors"], ["run-all"]):
            one.avsync(*command)
    assert list(here.iterdir()) == []
