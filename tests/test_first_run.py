"""The main job on the demo world, as a smoke test for the harness itself."""

from __future__ import annotations

from pathlib import Path

from avsync.sandbox import seed
from tests.harness import office


def test_a_healthy_world_is_in_step_after_one_run_and_the_second_writes_nothing(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        first = one.run()
        assert first["exit"] == 0, one.errors()
        assert first["flows"]["hours"]["created"] > 0
        one.box.requests.clear()
        second = one.run()
        assert second["exit"] == 0
        assert one.writes() == []
