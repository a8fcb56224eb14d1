"""Times as people type them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from avsync.errors import ConfigError
from avsync.records.values import AMSTERDAM, format_utc

_UNITS = {"s": 1, "m": 60, "h": 3600, "u": 3600, "d": 86400, "w": 7 * 86400}
_LENGTH = re.compile(r"([0-9]{1,7})\s*([smhudw]?)")
_MOMENTS = ("%Y-%m-%d", "%d-%m-%Y", "%Y-%m-%d %H:%M", "%d-%m-%Y %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def seconds_of(text: str) -> int:
    """`90s`, `30m`, `2h` (or `2u`), `1d`, `1w`; a bare number is in seconds. ConfigError("no_such_period")."""
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigError("no_such_period", given=text)
    return int(found[1]) * _UNITS[found[2] or "s"]


def moment_of(text: str) -> str:
    """A day or moment in the Netherlands, a UTC moment that ends in Z, or how long ago, as the UTC moment."""
    shown = text.strip()
    for form in _MOMENTS:
        try:
            return format_utc(datetime.strptime(shown, form).replace(tzinfo=AMSTERDAM))
        except (ValueError, OverflowError):
            continue
    if shown.endswith(("Z", "z")):
        try:
            return format_utc(datetime.fromisoformat(shown.upper()))
        except ValueError:
            raise ConfigError("no_such_period", given=text) from None
    return format_utc(datetime.now(UTC) - timedelta(seconds=seconds_of(shown)))
