"""The listings avsync reads: which rows they hold, how a row becomes records, and which flows want them. Pure."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from avsync.records import customers, hours, orders, projects
from avsync.records import order_lines as invoice
from avsync.records.kind import Fate, Kind, Policy
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Malformed,
    Record,
    Side,
    code,
    local_moment,
    text,
    utc_moment,
)

Read = Callable[[Mapping[str, Any], Policy], list[Record]]

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        customers.CUSTOMER, customers.LOCATION, customers.CONTACT, projects.PROJECT_TYPE, projects.PROJECT,
        orders.ORDER, hours.HOUR,
    )
}  # fmt: skip
FLOW_OF = {**{name: kind.flow for name, kind in KINDS.items()}, invoice.KIND: invoice.FLOW}
FLOW_KINDS: dict[str, tuple[str, ...]] = {
    "customers": ("customer", "location", "contact"),
    "projects": ("project_type", "project"),
    "orders": ("order",),
    "invoice": (invoice.KIND,),
    "hours": ("hour",),
}


@dataclass(frozen=True, slots=True)
class Source:
    """One listing of one side. `kind` is the client's name of it, `makes` the kinds its rows become;
    `recent`: never read further back than start_date (AccountView keeps hours for ever), so it proves no absence."""

    side: Side
    kind: str
    makes: tuple[str, ...]
    read: Read
    key: str
    changed: str | None = None
    recent: bool = False

    @property
    def name(self) -> str:
        """As the watermark knows it."""
        return f"{self.side}:{self.kind}"

    def identity(self, row: Mapping[str, Any]) -> str | None:
        """The row's own id, None when even that cannot be read."""
        try:
            return code(row.get(self.key), self.key) if self.side == ACCOUNTVIEW else text(row.get(self.key), self.key)
        except Malformed:
            return None

    def moment(self, row: Mapping[str, Any]) -> str:
        """When it was changed, by its own side's clock; empty when unknown."""
        if self.changed is None:
            return ""
        try:
            return (local_moment if self.side == ACCOUNTVIEW else utc_moment)(row.get(self.changed), self.changed)
        except Malformed:
            return ""

    def records(self, row: Mapping[str, Any], policy: Policy, print_: str) -> list[Record]:
        """What the row becomes; the record that the row stands for carries its fingerprint. Malformed as `read`."""
        first = self.makes[0]
        return [replace(one, fingerprint=print_) if one.kind == first else one for one in self.read(row, policy)]

    def fingerprint(self, row: Mapping[str, Any]) -> str:
        """Of everything in the row but its moment: equal means that nothing changed."""
        skipped = (self.changed, "created_at")
        try:
            shown = repr([(name, row[name]) for name in sorted(row) if name not in skipped])
        except RecursionError:
            shown = f"nested too deep: {row.get(self.key)}"
        return hashlib.blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def read_work_order(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A work order serves two flows: as an order, and as lines to invoice."""
    records = orders.read_crafter(row, policy) if policy.flows["orders"] != "off" else []
    return records + (invoice.read_crafter(row, policy) if policy.flows["invoice"] != "off" else [])


SOURCES: tuple[Source, ...] = (
    Source(
        ACCOUNTVIEW, "customer", ("customer", "location"), customers.read_accountview_customer, "number", "changed_at"
    ),
    Source(ACCOUNTVIEW, "contact", ("contact",), customers.read_accountview_contact, "code", "changed_at"),
    Source(CRAFTER, "customer", ("customer",), customers.read_crafter_customer, "id", "updated_at"),
    Source(CRAFTER, "location", ("location",), customers.read_crafter_location, "id", "updated_at"),
    Source(CRAFTER, "contact", ("contact",), customers.read_crafter_contact, "id", "updated_at"),
    Source(ACCOUNTVIEW, "project_type", ("project_type",), projects.read_accountview_type, "code"),
    Source(ACCOUNTVIEW, "project", ("project",), projects.read_accountview_project, "code", "changed_at"),
    Source(CRAFTER, "project_type", ("project_type",), projects.read_crafter_type, "id", "updated_at"),
    Source(CRAFTER, "project", ("project",), projects.read_crafter_project, "id", "updated_at"),
    Source(ACCOUNTVIEW, "order", ("order",), orders.read_accountview, "number", "changed_at"),
    Source(CRAFTER, "order", ("order", "order_line"), read_work_order, "id", "updated_at"),
    Source(CRAFTER, "hour", ("hour",), hours.read_crafter, "id", "updated_at"),
)
HOURS_IN_ACCOUNTVIEW = Source(ACCOUNTVIEW, "hour", ("hour",), hours.read_accountview, "id", "changed_at", recent=True)


def wanted(policy: Policy, flows: Sequence[str]) -> list[Source]:
    """The listings that these flows need; contacts only where they are imported, and only once each."""
    on = [flow for flow in flows if policy.flows[flow] != "off"]
    chosen = [one for one in SOURCES if any(FLOW_OF[kind] in on for kind in one.makes)]
    if not policy.imports("customers"):
        chosen = [one for one in chosen if one.kind != "contact"]
    return chosen


def find(side: Side, kind: str) -> Source:
    """The listing that shows records of a kind on a side."""
    everything = (*SOURCES, HOURS_IN_ACCOUNTVIEW)
    return next(one for one in everything if one.side == side and kind in one.makes)


def fate(record: Record, policy: Policy) -> Fate:
    """What becomes of a record that has no link."""
    return invoice.fate(record, policy) if record.kind == invoice.KIND else KINDS[record.kind].fate(record, policy)


PAGE = {ACCOUNTVIEW: 400, CRAFTER: 200}
_LONGEST = timedelta(hours=26)
_SECOND = timedelta(seconds=1)  # a service tells its clock in whole seconds, its rows in microseconds


@dataclass(slots=True)
class Reach:
    """Where the next listing must start so that a late change is not missed, and a quiet run still needs one page.

    It goes back as many rows as fit comfortably on a page, and at most a day and a bit: an overlap in rows, not in
    minutes, because a bulk change puts a thousand rows into one minute and a quiet evening none.
    """

    side: Side
    started_at: str = ""
    _newest: list[str] = field(default_factory=list)

    def saw(self, moment: str) -> None:
        """A row's moment."""
        if not moment:
            return
        if len(self._newest) < PAGE[self.side]:
            heapq.heappush(self._newest, moment)
        elif moment > self._newest[0]:
            heapq.heapreplace(self._newest, moment)

    def marks(self, before_newest: str, before_since: str, cap: str) -> tuple[str, str]:
        """(newest, since): never past `cap`, the start of the run by the service's own clock."""
        newest = max([before_newest, *self._newest])
        newest = min(newest, _moved(cap, _SECOND)) if cap and newest else newest
        if not newest:
            return before_newest, before_since
        since = max(before_since, self._overlap(), _moved(newest, -_LONGEST))
        return newest, min(since, newest)

    def _overlap(self) -> str:
        """The earliest moment whose rows all fit on three quarters of a page; the newest when that alone has more."""
        rows, room = sorted(self._newest, reverse=True), PAGE[self.side] * 3 // 4
        if len(rows) <= room:
            return ""
        fitting = [moment for moment in rows[:room] if moment > rows[room]]
        return fitting[-1] if fitting else rows[0]


def _moved(moment: str, by: timedelta) -> str:
    moved = datetime.fromisoformat(moment) + by
    if moved.tzinfo is None:
        return moved.strftime("%Y-%m-%dT%H:%M:%S")
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
