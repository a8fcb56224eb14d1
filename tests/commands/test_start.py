"""How a command begins: a config that was judged once is taken as judged only while nothing has changed, and a run that
finds the lock taken imports next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.config import remembered
from avsync.sandbox import seed
from avsync.state.lock import RunLock
from tests.support.office import Office, Told, office

MODULES = (
    "import sys\nfrom avsync.cli import main\n"
    "try:\n    main(sys.argv[1:])\nfinally:\n    print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path, seed.world(seed=1, bad=False)) as made:
        assert made.run()["exit"] == 0
        yield made


def kept(one: Office) -> Path:
    return one.state / "config.json"


def modules(one: Office, *args: str) -> tuple[Told, set[str]]:
    """What a command said as a process of its own, and what it had imported."""
    one.write_config()
    done = subprocess.run([sys.executable, "-c", MODULES, "-c", str(one.path), *args], capture_output=True, text=True)
    said, _, loaded = done.stderr.strip().rpartition("\n")
    return Told(done.returncode, done.stdout, said.strip()), set(loaded.split())


def test_a_run_that_finds_the_lock_taken_imports_next_to_nothing(one: Office) -> None:
    lock = RunLock(one.state)
    assert lock.take()
    try:
        told, loaded = modules(one, "run-all")
        as_json, _ = modules(one, "--json", "run-all")
        tried, busy = modules(one, "run-all", "--dry-run")
    finally:
        lock.release()
    assert (told.exit, told.out) == (0, "")
    assert "Another run is at work" in told.err
    assert as_json.json["busy"]["minutes"] == 0
    heavy = {
        "yaml", "pydantic", "requests", "urllib3", "sqlite3", "sqlite_utils", "tabulate", "decimal", "zoneinfo",
        "dataclasses", "subprocess", "avsync.commands.run", "avsync.records.registry", "avsync.config.model",
    }  # fmt: skip
    assert loaded & heavy == set()
    assert tried.exit == 0  # it needs no lock
    assert "avsync.commands.run" in busy


BAD: dict[str, Any] = {
    "a flow that does not exist": {"flows": {"customers": "both", "klanten": "both"}},
    "a direction that does not exist": {"flows": {"customers": "sideways"}},
    "no start_date": {"start_date": None},
    "a key that does not exist": {"compani": "DEMO"},
    "a secret that is not there": {"crafter": {"base_url": "http://127.0.0.1:1/api/v1", "api_key": {"env": "NOT_SET"}}},
    "an address that may not be": {"crafter": {"base_url": "http://example.org", "api_key": {"env": "PATH"}}},
    "a state_dir that is no path": {"state_dir": 7},
}


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
@pytest.mark.parametrize("mistake", BAD)
def test_a_bad_config_is_told_as_ever(one: Office, mistake: str, taken: bool) -> None:
    """Whatever was remembered of the good one, and whoever has the lock."""
    one.config |= BAD[mistake]
    lock = RunLock(one.state)
    if taken:
        assert lock.take()
    told = [one.avsync("run-all"), one.avsync("--json", "run-all")]
    kept(one).unlink()
    assert [one.avsync("run-all"), one.avsync("--json", "run-all")] == told
    lock.release()
    assert {one.exit for one in told} == {2}
    assert told[1].json["exit"] == 2


def test_only_a_run_remembers_and_a_dry_one_does_not(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        for command in (["status"], ["errors"], ["check"], ["run-all", "--dry-run"], ["history"]):
            one.avsync(*command)
            assert not kept(one).exists()
        one.run()
        assert oct(kept(one).stat().st_mode & 0o777) == "0o600"
        secrets = {one.box.client_secret, one.box.api_key}
        assert not [secret for secret in secrets if secret in kept(one).read_text()]


def lie(one: Office, **values: Any) -> None:
    """What is remembered says something else than the file."""
    shape = json.loads(kept(one).read_text())
    shape["values"] |= values
    kept(one).write_text(json.dumps(shape))


def believed(one: Office) -> bool:
    """Whether what is remembered (Dutch) is taken for the config (English)."""
    return "Laatste synchronisatie" in one.avsync("status").out


def test_what_is_remembered_is_used(one: Office) -> None:
    lie(one, language="nl")
    assert believed(one)


@pytest.mark.parametrize("change", ["text", "folder", "home", "program", "rights", "link", "broken", "older"])
def test_what_may_have_changed_is_judged_again(
    one: Office, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(one, language="nl")
    if change == "text":
        one.config["budget"] = 479
    if change == "folder":
        one.write_config()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "config.yaml").write_text(one.path.read_text())
        monkeypatch.setattr(Office, "path", property(lambda self: tmp_path / "elsewhere" / "config.yaml"))
    if change == "home":
        monkeypatch.setenv("HOME", str(tmp_path))
    if change == "program":
        monkeypatch.setattr(remembered, "__version__", "0.2.0")
    if change == "rights":
        kept(one).chmod(0o660)
    if change == "link":
        kept(one).rename(tmp_path / "config.json")
        kept(one).symlink_to(tmp_path / "config.json")
    if change == "broken":
        kept(one).write_text(kept(one).read_text()[:-9])
    if change == "older":
        kept(one).write_text("[]")
    assert not believed(one)


def test_what_somebody_else_has_left_there_is_not_believed(one: Office) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    lie(one, language="nl")
    os.chown(kept(one), 54321, -1)
    assert not believed(one)


@pytest.mark.parametrize("form", ["{}", '"{}"', "'{}'", "{}   # beside the config", "{} "])
def test_wherever_the_state_is_it_is_found(one: Office, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one.config["state_dir"] = "here"
    text = yaml.safe_dump(one.config).replace("state_dir: here", "state_dir: " + form.format("./state"))
    monkeypatch.setattr(Office, "write_config", lambda self: self.path.write_text(text))
    monkeypatch.setenv("HOME", str(one.folder))
    one.run()
    lie(one, language="nl")
    assert believed(one)


@pytest.mark.parametrize(
    "text",
    ["{{state_dir: ./state, {rest}}}", "{rest}\nstate_dir: &here ./state", '{rest}\n"state_dir": ./state',
     "# state_dir: elsewhere\n{rest}\nstate_dir: |\n  ./state"],
)  # fmt: skip
def test_a_file_that_is_written_otherwise_is_read_all_the_same(
    one: Office, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del one.config["state_dir"]
    flow = text.startswith("{{")
    rest = yaml.safe_dump(one.config, default_flow_style=flow, width=100000).strip()
    rest = rest[1:-1] if flow else rest
    written = text.format(rest=rest)
    monkeypatch.setattr(Office, "write_config", lambda self: self.path.write_text(written))
    for _ in range(2):
        assert one.avsync("run-all").exit == 0
    assert sorted(path.name for path in (one.folder / "state").iterdir())[0] == "config.json"


def test_a_config_that_comes_through_a_pipe_is_read_once(one: Office, tmp_path: Path) -> None:
    one.write_config()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(one.path.read_bytes()), daemon=True)
    writer.start()
    done = subprocess.run(
        [sys.executable, "-m", "avsync", "-c", str(pipe), "status"], capture_output=True, text=True, timeout=30
    )
    writer.join(10)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_will_not_have_it_costs_nothing_but_time(one: Office) -> None:
    kept(one).unlink()
    kept(one).mkdir()
    assert one.run()["exit"] == 0
    assert sorted(path.name for path in one.state.glob("config.json*")) == ["config.json"]
