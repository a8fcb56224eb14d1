"""Moving to another machine: the config, the secrets and the state go along, and nothing is doubled or lost.

The steps are those of an operator: stop the schedule, copy three things, run on the new machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.office import Office, shop
from tests.support.world import line, place

ALL = {"customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export"}


@contextmanager
def running(tmp_path: Path) -> Iterator[Office]:
    """An office that has been at work: records both ways, a warning, an order with lines, hours."""
    (tmp_path / "old").mkdir()
    with shop(tmp_path / "old", ALL) as one:
        one.new_klant("Slagerij Mulder", place("Kerkstraat 3", "8911 AC", "Leeuwarden"))
        one.work_order(customer_id="klant-1", status="checked", lines=[line("l1"), line("l2", quantity="2")])
        one.box.crafter.add(
            "hours", user_id="anja", date="2026-05-05", hours="2.5", kind="work", project_id="project-1"
        )
        one.goes()
        yield one


def move(one: Office, new: Path, *, lock: bool = True) -> None:
    """`cp -a` of the folder with config, secrets and state, as the README's backup does it; the config says where."""
    one.write_config()
    new.mkdir()
    for name in ("config.yaml", "secret", "key"):
        shutil.copy2(one.folder / name, new / name)
    subprocess.run(["flock", str(one.state / "lock"), "cp", "-a", str(one.state), str(new / "state")], check=True)
    if not lock:
        (new / "state" / "lock").unlink()
    one.folder, one.state = new, new / "state"
    config = yaml.safe_load((new / "config.yaml").read_text())
    config["state_dir"] = "state"
    config["accountview"]["client_secret"] = {"file": "secret"}
    config["crafter"]["api_key"] = {"file": "key"}
    one.config = config


@pytest.mark.parametrize("lock", [True, False], ids=["with the lock file", "without it"])
def test_on_the_new_machine_a_run_writes_nothing(tmp_path: Path, lock: bool) -> None:
    with running(tmp_path) as one:
        move(one, tmp_path / "new", lock=lock)
        assert one.avsync("check").exit == 0
        one.rests()
        one.work_order("wo-2", customer_id="klant-2", description="Na de verhuizing")
        one.goes()
        one.in_step()


def test_what_changed_during_the_move_is_done_once(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        one.in_books("10001", TEL_BUS="058-1111111")
        move(one, tmp_path / "new")
        one.box.crafter.add(
            "hours", user_id="bram", date="2026-05-06", hours="4", kind="travel", project_id="project-1"
        )
        one.goes()
        assert len(one.booked()) == 2
        assert one.klant("10001")["phone"] == "058-1111111"
        one.rests()


def test_the_old_machine_that_goes_on_by_mistake_has_no_login_any_more(tmp_path: Path) -> None:
    """The refresh token works once: whoever renews first has it, so two machines never both go on for long."""
    with running(tmp_path) as one:
        old, old_state = one.folder, one.state
        move(one, tmp_path / "new")
        one.box.expire_tokens()
        one.goes()
        new, new_state, config = one.folder, one.state, one.config
        one.folder, one.state, one.config = old, old_state, yaml.safe_load((old / "config.yaml").read_text())
        one.box.expire_tokens()
        one.box.requests.clear()
        assert one.run()["exit"] == 3
        assert one.writes() == []
        one.folder, one.state, one.config = new, new_state, config
        one.goes()


def test_the_state_is_left_behind_and_only_the_login_goes_along(tmp_path: Path) -> None:
    """An empty state.db does no harm: everything is read again and found back."""
    with running(tmp_path) as one:
        move(one, tmp_path / "new")
        for name in os.listdir(one.state):
            if name != "token.json":
                (one.state / name).unlink()
        one.goes()
        one.rests()


def test_another_user_on_the_new_machine_is_told_whose_the_state_is(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    with running(tmp_path) as one:
        move(one, tmp_path / "new")
        os.chown(one.state, 65534, 65534)
        told = one.avsync("run-all")
        assert told.exit == 5
        assert "nobody" in told.err
        assert json.loads((one.state / "token.json").read_text())["refresh_token"]
