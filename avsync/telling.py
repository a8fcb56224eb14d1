"""What an action tells: its remarks as the problems of its record, and itself as rows of a dry run's plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from avsync.model import ACCOUNTVIEW, CRAFTER
from avsync.plan import Action, Write
from avsync.state.problems import Cause


def causes_of(action: Action) -> list[Cause]:
    """A record's remarks as warnings."""
    return [
        Cause(one.code, "warning", one.params, str(one.params.get("field") or one.params.get("article") or ""))
        for one in action.remarks
    ]


def report_rows(action: Action, flow: str) -> Iterable[dict[str, Any]]:
    """An action as rows of the plan, one per direction in which something would be written."""
    record = action.record
    direction = "import" if record.side == ACCOUNTVIEW else "export"
    row: dict[str, Any] = {"flow": flow, "direction": direction, "kind": record.kind,
           "key": record.key or record.id, "name": record.name, "action": str(action.verb), "fields": [],
           "reason": action.reason, "params": dict(action.params)}  # fmt: skip
    writes: tuple[Write, ...] = action.writes
    if not writes:
        yield row
    for write in writes:
        towards = "import" if write.side == CRAFTER else "export"
        yield {**row, "direction": towards, "fields": list(write.fields)}
