"""`avsync check --probe`: how this AccountView answers, told as a table, and kept for the runs. It reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from avsync.commands import connect
from avsync.commands.finding import Check, debtor_account
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import AvsyncError
from avsync.messages.texts import phrase, text
from avsync.records.registry import accountview_needs
from avsync.records.values import AMSTERDAM, format_utc
from avsync.services.accountview import metadata
from avsync.services.accountview.client import PAGE_SIZE, AccountView
from avsync.services.accountview.probe import Seen, probe
from avsync.state import db
from avsync.state.folder import claim
from avsync.state.store import Store
from avsync.sync import habits
from avsync.sync.schema import merged

_FAR_OFF = 120  # seconds that a clock may be wrong without being told


def run(config: Config) -> tuple[list[Check], dict[str, Any]]:
    """Ask, keep and tell; the table's rows, and what was seen. Errors: of the login, the company and state_dir."""
    claim(config.state_dir)
    flows = dict(config.flows.values)
    wanted = merged(accountview_needs(flow, flows) for flow in FLOWS)
    client = connect.company(config)
    found = metadata.load(client, client.schema, wanted)
    there = [kind for kind in wanted if found.columns.get(client.schema[kind].table.upper())]
    missing = metadata.verify(found, client.schema, {kind: wanted[kind] for kind in there})
    client.absent |= {(one.kind, one.neutral) for one in missing if one.what == "column"}
    client.types.update(found.types())
    now = datetime.now(UTC)
    seen = probe(client, there, _days(config, now.astimezone(AMSTERDAM).date()))
    told = asdict(seen) | {"clock": _clocks(config, seen, now), "at": format_utc(now)}
    with db.in_words(config.state_dir):
        store = Store(db.open_for_writing(config.state_dir))
        habits.keep(store, told, format_utc(now))
        store.close()
    return list(_Table(config, seen, told["clock"]).rows(client)), told


def _days(config: Config, today: date) -> list[str]:
    """Today, the day from which we read, and last year's last where both are in one year."""
    start = config.start_date or today
    days = [today, start, *([date(today.year - 1, 12, 31)] if start.year == today.year else [])]
    return [day.isoformat() for day in days]


def _clocks(config: Config, seen: Seen, now: datetime) -> dict[str, int | None]:
    """Seconds that either service's clock is ahead of ours."""
    found: dict[str, int | None] = {"accountview": None, "crafter": None}
    if seen.server_time:
        found["accountview"] = round((datetime.fromisoformat(seen.server_time) - now).total_seconds())
    try:
        moment = connect.crafter(config).clock()
    except AvsyncError:
        return found
    return found | {"crafter": round((moment - datetime.now(UTC)).total_seconds()) if moment else None}


class _Table:
    def __init__(self, config: Config, seen: Seen, clocks: dict[str, int | None]) -> None:
        self.config, self.seen, self.clocks = config, seen, clocks

    def rows(self, client: AccountView) -> Iterator[Check]:
        """One row for every question."""
        seen = self.seen
        yield self._no_rows()
        size = min(seen.page_size or PAGE_SIZE, PAGE_SIZE) if (seen.page_size or 0) < PAGE_SIZE else seen.page_size
        yield self._row("page_size", seen.page_size, size=size)
        yield self._row("last_key", seen.last_key_with_filter)
        yield self._row("book_date", seen.book_date_matters)
        for day, words in seen.years_refused.items():
            yield Check(f"book_date.{day}", True, self._say("refused", day=day, words=words), self._say("refused_step"))
        for name in ("unknown_column", "equal", "filter_time"):
            yield self._row(name, getattr(seen, name))
        yield self._row("at_once", seen.at_once, count=seen.at_once,
                        used=min(seen.at_once or 0, self.config.accountview.concurrency))  # fmt: skip
        for service, name in (("accountview", "AccountView"), ("crafter", "Crafter")):
            yield self._clock(service, name)
        if self.config.accountview.debtor_account:
            yield from debtor_account(self.config, client)

    def _say(self, key: str, /, **params: Any) -> str:
        return phrase("check", f"probe_{key}", self.config.language, **params)

    def _row(self, name: str, found: object, **params: Any) -> Check:
        """`probe_<name>_<what was seen>`, or `probe_<name>` where that is a number."""
        if found is None:
            return Check(name, True, self._say(f"{name}_unseen", **params))
        told = "" if isinstance(found, int) and not isinstance(found, bool) else f"_{str(found).lower()}"
        return Check(name, True, self._say(f"{name}{told}", **params))

    def _no_rows(self) -> Check:
        """A listing that cannot be told from a failure stops every run that meets one."""
        if self.seen.no_rows not in ("html", "rows"):
            return self._row("no_rows", self.seen.no_rows, words=self.seen.no_rows_words)
        message, hint = text(f"probe_no_rows_{self.seen.no_rows}", self.config.language, {})
        return Check("no_rows", False, message, hint, 2)

    def _clock(self, service: str, name: str) -> Check:
        off = self.clocks[service]
        if off is None:
            return Check(f"clock.{service}", True, self._say("clock_unseen", service=name))
        key = "clock" if abs(off) < _FAR_OFF else "clock_off"
        return Check(f"clock.{service}", True, self._say(key, service=name, seconds=off))
