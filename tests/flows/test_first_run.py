"""The main job on the demo world, as a smoke test for the harness itself."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from avsync.sandbox import seed
from avsync.services.http import Answer, Http
from avsync.state.store import Store
from tests.support.office import office


def test_a_healthy_world_is_in_step_after_one_run_and_the_second_writes_nothing(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        first = one.run()
        assert first["exit"] == 0, one.errors()
        assert first["flows"]["hours"]["created"] > 0
        one.box.requests.clear()
        second = one.run()
        assert second["exit"] == 0
        assert one.writes() == []


def test_no_network_call_is_made_inside_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 1: the thread that has a transaction open never waits for a service."""
    stores: list[Store] = []
    asked: list[bool] = []
    make, ask = Store.__init__, Http._once

    def remember(self: Store, db: Database) -> None:
        make(self, db)
        stores.append(self)

    def watched(self: Http, *args: Any, **more: Any) -> Answer:
        if threading.current_thread() is threading.main_thread():
            asked.append(any(_busy(store) for store in stores))
        return ask(self, *args, **more)

    monkeypatch.setattr(Store, "__init__", remember)
    monkeypatch.setattr(Http, "_once", watched)
    with office(tmp_path, seed.world(seed=2)) as one:
        one.run()
        seed.repair(one.box)
        one.run()
    assert len(asked) > 20
    assert not any(asked)


def _busy(store: Store) -> bool:
    try:
        return bool(store.db.conn.in_transaction)
    except sqlite3.ProgrammingError:  # closed
        return False
