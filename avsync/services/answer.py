"""A service's answer as plain values, and the reason why one is worth another try."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from avsync.services.wire import read_json


class Flaw(Exception):  # noqa: N818 - a reason to try again, which never leaves this layer
    """An answer to a read that is worth another try; `code` and `params` are those of the TryLater it may become."""

    def __init__(self, code: str = "service_unreachable", **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing: rows under neutral names with raw JSON values, and the server's clock (UTC) with it.

    What came in place of a row is `{"_broken": its text}`.
    """

    rows: list[dict[str, Any]]
    server_time: datetime | None


class Answer:
    """A complete answer: `status`, `headers` (case-insensitive), `body`."""

    __slots__ = ("_data", "body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._data: tuple[Any] | None = None

    def json(self) -> Any:
        """The body (numbers with a point as Decimal), None when it is empty; Flaw when it is no JSON."""
        if self._data is None:
            try:
                self._data = (read_json(self.body),)
            except ValueError:
                raise Flaw(detail=f"HTTP {self.status}, no JSON") from None
        return self._data[0]

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def server_time(self) -> datetime | None:
        """The moment (UTC) in the Date header."""
        return http_moment(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds the service asks us to stay away."""
        text = (self.headers.get("Retry-After") or "").strip()
        if re.fullmatch(r"[0-9]{1,300}(\.[0-9]*)?", text):
            return float(text)
        until = http_moment(text)
        if until is None:
            return None
        return max(0.0, (until - (self.server_time or datetime.now(UTC))).total_seconds())


@lru_cache(maxsize=64)
def http_moment(header: str | None) -> datetime | None:
    """The moment (UTC) in a header such as Date, None when there is none or it makes no sense."""
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
