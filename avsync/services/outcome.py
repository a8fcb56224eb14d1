"""What can come of a write, as values: Done, Rejected, NotSent, Unknown (RULES.md, one record's way, step 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """The service has it. `row` is the stored record in neutral field names, or None when the answer had no body."""

    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The service said no and has not stored it; `message` is in the service's own words (may be empty).

    `status` is the HTTP status; `missing` = the record to update does not exist there (404); `existing_id` as in
    Crafter's 409; `fields` = [(neutral or wire field name, message)].
    """

    message: str
    status: int = 0
    missing: bool = False
    existing_id: str | None = None
    fields: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not stored (connection refused, 429): may be sent again. `retry_after` in seconds, if the service said."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not be stored (time-out, dropped, 5xx, HTML, cut-off answer): look before sending again."""

    reason: str


Outcome = Done | Rejected | NotSent | Unknown
