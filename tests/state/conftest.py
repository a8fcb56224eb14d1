"""A state of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from avsync.state.db import open_for_writing
from avsync.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(open_for_writing(tmp_path))
    yield one
    one.close()
