"""A bench whose services answer badly, for tests about writes whose outcome is unknown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.breaking import GRACE, Bench
from tests.support.folders import MEMORY
from tests.support.office import office

CUSTOMERS = {"customers": "both"}
ORDERS = CUSTOMERS | {"orders": "export"}
INVOICE = ORDERS | {"invoice": "export"}
HOURS = CUSTOMERS | {"hours": "export"}


@contextmanager
def bench(flows: dict[str, str], **options: Any) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
        office(Path(folder), None, flows, wire=True, **options) as one,
    ):
        one.config |= {"settle_grace": GRACE, "timeouts": {"connect": 2, "read": 3}}
        yield Bench(one)


def lose_answer(one: Bench, do: str = "commit_drop", nth: int = 1, **more: Any) -> None:
    """The n-th write to AccountView goes wrong in this way."""
    one.box.faults.add(side="accountview", method="POST", path="accountviewdata", nth=nth, do=do, **more)


def refuse_look_ups(one: Bench, column: str) -> None:
    """AccountView fails on every read that looks for a value in this column."""
    one.box.faults.add(side="accountview", method="GET", path=f"FilterControlSource1={column}", times=0, do="500")
