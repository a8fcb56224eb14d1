"""All kinds and lists, found in the modules of this room, and what follows from their declarations. Pure."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from avsync.records import customers, hours, order_lines, orders, projects
from avsync.records.kind import Kind, LookUp, Policy, Row, read_records
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Malformed, Record, Side, code, local_moment, text, utc_moment

KINDS: dict[str, Kind] = {}
LISTS: dict[str, LookUp] = {}


def declare(*declared: Kind | LookUp) -> None:
    """Make kinds and lists known; from here on they are read, planned and written like any other."""
    for one in declared:
        if isinstance(one, Kind):
            KINDS[one.name] = one
        else:
            LISTS[one.name] = one
    _listing.cache_clear()


def kinds_of(flow: str) -> list[Kind]:
    """The kinds of a flow, what is referred to first."""
    return [kind for kind in KINDS.values() if kind.flow == flow]


def writable(flow: str) -> list[Kind]:
    """Its kinds that may be made or changed in AccountView."""
    return [kind for kind in kinds_of(flow) if ACCOUNTVIEW in kind.made | kind.changed]


def referring(name: str) -> list[tuple[Kind, str]]:
    """Kinds with a field that refers to this kind, which Crafter's records must keep pointing the right way."""
    return [
        (kind, one.name)
        for kind in KINDS.values()
        for one in kind.fields
        if one.ref == name and not one.fixed and CRAFTER in kind.changed and one.name != kind.belongs_to
    ]


def children(name: str) -> list[Kind]:
    """Kinds whose records belong to one of this kind."""
    return [kind for kind in KINDS.values() if kind.belongs_to and kind.field(kind.belongs_to).ref == name]


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of one side. `kind` is the client's name of it, `makes` the kinds its rows become; `recent`: never read
    further back than start_date, so it proves no absence."""

    side: Side
    kind: str
    makes: tuple[Kind, ...]

    @property
    def name(self) -> str:
        """As the watermark knows it."""
        return f"{self.side}:{self.kind}"

    @property
    def key(self) -> str:
        """The column that names a row."""
        return self.makes[0].id if self.side == ACCOUNTVIEW else "id"

    @property
    def changed(self) -> str | None:
        """The column with the moment of change."""
        if self.side == CRAFTER:
            return "updated_at"
        return "changed_at" if self.makes[0].changed_at else None

    @property
    def recent(self) -> bool:
        """Whether it is only read to recognise what is ours."""
        return self.side == ACCOUNTVIEW and self.makes[0].recent

    def identity(self, row: Row) -> str | None:
        """The row's own id, None when even that cannot be read."""
        try:
            return code(row.get(self.key), self.key) if self.side == ACCOUNTVIEW else text(row.get(self.key), self.key)
        except Malformed:
            return None

    def moment(self, row: Row) -> str:
        """When it was changed, by its own side's clock; empty when unknown."""
        if self.changed is None:
            return ""
        try:
            return (local_moment if self.side == ACCOUNTVIEW else utc_moment)(row.get(self.changed), self.changed)
        except Malformed:
            return ""

    def read(self, row: Row, policy: Policy, print_: str = "") -> list[Record]:
        """What the row becomes in the flows that are on; the record it stands for first, which carries its fingerprint.
        Raises Malformed."""
        on = [kind for kind in self.makes if policy.flows[kind.flow] != "off"] or self.makes[:1]
        found = [record for kind in on for record in read_records(kind, self.side, row, policy)]
        return [replace(one, fingerprint=print_) if one.kind == self.makes[0].name else one for one in found]

    def fingerprint(self, row: Row) -> str:
        """Of everything in the row but its moment: equal means that nothing changed."""
        skipped = (self.changed, "created_at")
        try:
            shown = repr([(name, row[name]) for name in sorted(row) if name not in skipped])
        except RecursionError:
            shown = f"nested too deep: {row.get(self.key)}"
        return hashlib.blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def listings() -> Iterator[Listing]:
    """Every listing, in the order in which it is read."""
    for flow in FLOWS:
        for side in (ACCOUNTVIEW, CRAFTER):
            for kind in kinds_of(flow):
                if kind.listed.get(side, kind.name) == kind.name and not (kind.details_of and side == ACCOUNTVIEW):
                    yield listing(side, kind)


def listing(side: Side, kind: Kind) -> Listing:
    """The listing whose rows hold this kind."""
    return _listing(side, kind.name)


@cache
def _listing(side: Side, name: str) -> Listing:
    kind = KINDS[name]
    home = kind.listed.get(side, kind.name)
    makes = [one for one in KINDS.values() if one.listed.get(side, one.name) == home]
    return Listing(side, home, tuple(sorted(makes, key=lambda one: one.name != home)))


def wanted(policy: Policy, flows: Collection[str]) -> list[Listing]:
    """The listings that these flows need: those of what they write, and of what they recognise it by."""
    on = [flow for flow in flows if policy.flows[flow] != "off"]
    return [one for one in listings() if not one.recent and any(_reads(kind, on, policy) for kind in one.makes)]


def _reads(kind: Kind, on: Sequence[str], policy: Policy) -> bool:
    """A kind that may only be made and changed in Crafter is of no use to a flow that does not write there; one that hangs
    on another's rows still tells where those are."""
    useful = ACCOUNTVIEW in kind.changed or policy.writes(kind.flow, CRAFTER) or not kind.belongs_to
    return kind.flow in on and useful


for _module in (customers, projects, orders, order_lines, hours):
    declare(*_module.KINDS, *getattr(_module, "LISTS", ()))
FLOWS = tuple(dict.fromkeys(kind.flow for kind in KINDS.values()))  # what a flow needs stands before it


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


# --- what a flow needs of either side


def lists_of(kind: Kind) -> list[LookUp]:
    """The lists that a kind looks things up in."""
    return [LISTS[name] for name in dict.fromkeys([*(one.list for one in kind.fields if one.list), *kind.lists])]


def accountview_needs(flow: str, policy_flows: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """AccountView kind → rights (`read`, `insert`, `update`) that the flow needs; empty when it is off."""
    if policy_flows[flow] == "off":
        return {}
    needs: dict[str, set[str]] = {}
    exports = policy_flows[flow] in ("export", "both")
    imports = policy_flows[flow] in ("import", "both")
    for kind in kinds_of(flow):
        if not imports and ACCOUNTVIEW not in kind.made | kind.changed and kind.belongs_to:
            continue
        rights = needs.setdefault(kind.table, {"read"})
        if exports and kind.details_of:
            rights.add("insert")
            needs.setdefault(kind.details_of, {"read"}).add("update")
        elif exports:
            rights |= {"insert"} if ACCOUNTVIEW in kind.made else set()
            rights |= {"update"} if ACCOUNTVIEW in kind.changed else set()
        for one in kind.fields:
            if one.ref:
                needs.setdefault(KINDS[one.ref].table, {"read"})
        for found in lists_of(kind):
            if found.side == ACCOUNTVIEW:
                needs.setdefault(found.name, {"read"})
    return {name: frozenset(rights) for name, rights in needs.items()}


def crafter_needs(flow: str, policy_flows: Mapping[str, str]) -> frozenset[str]:
    """The Crafter kinds and lists that the flow reads or writes; empty when it is off."""
    if policy_flows[flow] == "off":
        return frozenset()
    imports = policy_flows[flow] in ("import", "both")
    found: set[str] = set()
    for kind in kinds_of(flow):
        if imports or ACCOUNTVIEW in kind.made | kind.changed or not kind.belongs_to:
            found.add(kind.listed.get(CRAFTER, kind.name))
            found |= {one.ref for one in kind.fields if one.ref} | {one.over[0] for one in kind.fields if one.over[0]}
            found |= {one.name for one in lists_of(kind) if one.side == CRAFTER}
    return frozenset(found)


def is_optional(name: str) -> bool:
    """Whether AccountView may lack the module, and avsync then does without."""
    return KINDS[name].optional if name in KINDS else LISTS[name].optional
