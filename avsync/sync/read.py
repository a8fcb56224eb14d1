"""Reads what changed on either side into the inbox: in pages, with overlap, one unreadable row at a time.

A watermark moves only after a complete listing, and absence is concluded only from a complete full one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from avsync.records.kind import LinkView, Policy
from avsync.records.registry import FLOW_OF, KINDS, Reach, Source, fate
from avsync.records.values import (
    ACCOUNTVIEW,
    AMSTERDAM,
    CRAFTER,
    Malformed,
    Record,
    Side,
    crafter_reference,
    format_utc,
    short,
    text,
)
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.problems import About, Cause
from avsync.state.store import Store, Watermark
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.refs import forget
from avsync.sync.session import nothing


@dataclass(slots=True)
class Gathered:
    """What one listing brought: rows read, rows that changed nothing, and links whose record must be made again."""

    read: int = 0
    unchanged: int = 0
    skipped_old: int = 0
    lost: list[LinkView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a listing needs to know. `now` is a UTC moment, `signature` a mark of the config."""

    store: Store
    accountview: AccountView
    crafter: Crafter
    policy: Policy
    now: str
    signature: str
    full: bool = False
    full_every: int = 86400
    checkpoint: Callable[[str], None] = nothing


def entity_of(kind: str) -> str:
    """The Crafter timeline a kind's problems belong in."""
    return "work_order" if kind == "order_line" else KINDS[kind].entity or ""


def take_records(records: Sequence[Record], reading: Reading, result: Gathered) -> None:
    """Put into the inbox what differs from what its side told last."""
    groups: dict[tuple[str, Side], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kind, record.side), []).append(record)
    for (kind, side), group in groups.items():
        links = reading.store.links.by_side(kind, side, [one.id for one in group]) if kind != "order_line" else {}
        for record in group:
            _take(record, links.get(record.id), reading, result)


def _take(record: Record, link: LinkView | None, reading: Reading, result: Gathered) -> None:
    store = reading.store
    if link is None:
        record = _still_marked(record, reading)
        what = fate(record, reading.policy)
        if what == "drop":
            store.inbox.remove(record.kind, record.side, record.id)
            result.skipped_old += _too_old(record, reading.policy)
        else:
            store.inbox.put(record, what)
        return
    if record.extra.get("absent"):
        mark_gone(store, link)
        return
    if link.gone and record.side == ACCOUNTVIEW:
        _reappeared(store, link)
    base = link.accountview_base if record.side == ACCOUNTVIEW else link.crafter_base
    if (
        base is not None
        and link.crafter
        and is_marked(record, link.accountview)
        and all(base.get(name, _NEVER) == value for name, value in record.fields.items())
    ):
        store.inbox.remove(record.kind, record.side, record.id)
        result.unchanged += 1
    else:
        store.inbox.put(record, "plan")


_NEVER = object()


def is_marked(record: Record, accountview: str) -> bool:
    """A linked record in Crafter carries our reference, but for the hours, which nobody may write (behaviour 2).

    Until it does its row must not count as known: a run may die before it is marked.
    """
    if record.side == ACCOUNTVIEW or record.kind in ("hour", "order_line"):
        return True
    return record.reference == crafter_reference(record.kind, accountview)


def _too_old(record: Record, policy: Policy) -> bool:
    """Whether only the start_date keeps it from travelling (behaviour 26)."""
    if record.kind == "order_line":
        return False  # counted as the work order it belongs to
    travels = policy.imports if record.side == ACCOUNTVIEW else policy.exports
    return travels(FLOW_OF[record.kind]) and record.extra.get("day", "9") < policy.start_date


def _still_marked(record: Record, reading: Reading) -> Record:
    """Without a reference column the mark that a look-up has left on a row of ours exists only here."""
    if record.side != ACCOUNTVIEW or record.reference or record.kind not in ("customer", "order", "hour"):
        return record
    marks = reading.store.inbox.marks(record.kind, ACCOUNTVIEW, [record.id])
    reference, match = marks.get(record.id, (record.reference, record.match))
    return replace(record, reference=reference, match=match)


def _reappeared(store: Store, link: LinkView) -> None:
    """Back in AccountView: what was edited in Crafter meanwhile counts again."""
    store.links.set_gone(link.id, False)
    for entry in store.inbox.get(link.kind, CRAFTER, [link.crafter]).values():
        store.inbox.set_fate(entry.seq, "plan")


def mark_gone(store: Store, link: LinkView) -> None:
    """Deleted in AccountView: nothing is sent for it again, nor for the addresses in the same row (behaviour 10)."""
    store.links.set_gone(link.id, True)
    store.inbox.remove(link.kind, ACCOUNTVIEW, link.accountview)
    for side in (ACCOUNTVIEW, CRAFTER):
        store.problems.planned(About(FLOW_OF[link.kind], link.kind, side, link.end(side), "", ""))
    if link.kind == "customer":
        for which in (f"{link.accountview}:visiting", f"{link.accountview}:postal"):
            child = store.links.by_side("location", ACCOUNTVIEW, [which]).get(which)
            if child is not None:
                mark_gone(store, child)


log = logging.getLogger(__name__)


def gather(source: Source, reading: Reading) -> Gathered:
    """Read one listing to its end. Raises TryLater when it breaks off: what was read is kept, the mark not moved."""
    mark = reading.store.watermark(source.name)
    full = not source.recent and is_full(source, mark, reading)
    since = "" if full else mark.since
    if source.recent:
        since = since or _some_time_before(reading.policy.start_date)
    if full:
        reading.store.start_seen()
    listing = _Listing(source, reading, full)
    for page in _ahead(_pages(source, reading, since)):
        reading.checkpoint("gather")
        listing.page(page.rows, page.server_time)
        reading.checkpoint("gathered")
    reading.checkpoint("gather")
    with reading.store.transaction():
        listing.finish(mark)
    reading.checkpoint("gathered")
    return listing.result


def is_full(source: Source, mark: Watermark, reading: Reading) -> bool:
    """Whether to read from the beginning: asked for, never done, due, or the config means something else now."""
    if reading.full or not mark.since or mark.signature != reading.signature or source.changed is None:
        return True
    if not reading.full_every:
        return False
    age = datetime.fromisoformat(reading.now) - datetime.fromisoformat(mark.full_at)
    return age.total_seconds() >= reading.full_every


def _some_time_before(start_date: str) -> str:
    """Hours may be entered ahead of the day they are for, though hardly a month."""
    return (datetime.fromisoformat(start_date) - timedelta(days=31)).strftime("%Y-%m-%dT%H:%M:%S")


def _pages(source: Source, reading: Reading, since: str) -> Iterator[Any]:
    if source.side == ACCOUNTVIEW:
        return reading.accountview.pages(source.kind, since=since or None)
    return reading.crafter.pages(source.kind, since=since or None, include_deleted=bool(since))


def _ahead(pages: Iterator[Any]) -> Iterator[Any]:
    """Fetch the next page while this one is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


class _Listing:
    """One listing being taken in, page by page, each page in one transaction."""

    def __init__(self, source: Source, reading: Reading, full: bool) -> None:
        self.source, self.reading, self.full = source, reading, full
        self.store = reading.store
        self.result = Gathered()
        self.reach = Reach(source.side)
        self.cap = ""
        self.clock = ""
        self.trustworthy = True
        self.forget = full and self.store.watermark(source.name).signature != reading.signature

    def page(self, rows: Sequence[Mapping[str, Any]], server_time: datetime | None) -> None:
        """Take in one page."""
        if not self.cap:
            self.cap = _cap(self.source.side, server_time, self.reading.now)
            self.clock = self.cap if server_time else ""
        self.result.read += len(rows)
        for row in rows:
            self.reach.saw(self.source.moment(row))
        if rows:
            each(rows, self._take_page, self._faulty)

    def _take_page(self, rows: Sequence[Mapping[str, Any]]) -> None:
        named = [(self.source.identity(row), row) for row in rows]
        before = replace(self.result, lost=list(self.result.lost))
        try:
            with self.store.transaction():
                if self.full:
                    self.store.saw(identity for identity, _ in named if identity)
                self._take_in([(identity, row) for identity, row in named if identity])
                for _, row in (pair for pair in named if not pair[0]):
                    self._nameless(row)
        except BaseException:
            self.result = before
            raise

    def _faulty(self, row: Mapping[str, Any], error: Exception) -> None:
        """Our own reading of this row fails: it was seen, and it is read again by the next full pass."""
        identity = self.source.identity(row) or f"?{self.source.fingerprint(row)}"
        self.trustworthy = False
        cause = replace(cause_of(error, f"{self.source.name} {identity}"), slot=ROW)
        with self.store.transaction():
            if self.full:
                self.store.saw([identity])
            self._unreadable(identity, row, cause)

    def _take_in(self, named: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        source, kind = self.source, self.source.makes[0]
        ids = [identity for identity, _ in named]
        known = {} if self.forget else self.store.links.fingerprints(kind, source.side, ids)
        fresh: list[tuple[str, str]] = []
        records: list[Record] = []
        for identity, row in named:
            print_ = source.fingerprint(row)
            if known.get(identity) == print_:
                self.result.unchanged += 1
                continue
            if row.get("deleted_at"):
                self._deleted(identity)
                continue
            forget(self.store, kind, source.side, identity)
            found = self._read(identity, row, print_)
            fresh.append((print_ if found else "", identity))  # what could not be read is looked at again
            records += found
        take_records(records, self.reading, self.result)
        self.store.links.set_fingerprints(kind, source.side, fresh)
        self._readable_again([identity for _, identity in fresh], {record.id for record in records})

    def _read(self, identity: str, row: Mapping[str, Any], print_: str) -> list[Record]:
        try:
            return self.source.records(row, self.reading.policy, print_)
        except Malformed as fault:
            self._unreadable(identity, row, Cause("unreadable", "error", {"field": fault.field, "found": fault.found}))
            return []

    def _unreadable(self, identity: str, row: Mapping[str, Any], cause: Cause) -> None:
        about = self._in_its_timeline(_about(self.source, identity, row))
        self.store.problems.replace(about, [cause], self.reading.now)
        for kind in self.source.makes:  # an older version must not be planned in its place
            self.store.inbox.remove(kind, self.source.side, identity)

    def _in_its_timeline(self, about: About) -> About:
        """A row of AccountView that is linked is told where people look for it, and under the name it had."""
        if about.side == CRAFTER:
            return about
        link = self.store.links.by_side(about.kind, ACCOUNTVIEW, [about.record]).get(about.record)
        if link is None or not link.crafter:
            return about
        item = link.parent if about.kind == "contact" else link.crafter
        known = (link.accountview_base or {}).get("name") or ""
        return replace(about, name=about.name or known, entity=entity_of(about.kind), entity_id=item)

    def _readable_again(self, ids: list[str], readable: set[str]) -> None:
        """A row that could not be read before, and can be now: planning will say how it goes from here."""
        kind, side = self.source.makes[0], self.source.side
        for identity in self.store.problems.records(kind, side, ids) & readable:
            about = About(FLOW_OF[kind], kind, side, identity, "", "")
            stale = [one.id for one in self.store.problems.of(about) if one.cause.code in ("unreadable", "unexpected")]
            self.store.problems.remove(stale)

    def _nameless(self, row: Mapping[str, Any]) -> None:
        """A row whose very key is unreadable: it stands for itself, and this listing proves no absence."""
        self.trustworthy = False
        fault = Cause("unreadable", "error", {"field": self.source.key, "found": short(row.get(self.source.key))})
        self._unreadable(f"?{self.source.fingerprint(row)}", row, fault)

    def _deleted(self, identity: str) -> None:
        """A tombstone (behaviour 11)."""
        for kind in self.source.makes:
            self.store.inbox.remove(kind, self.source.side, identity)
        link = self.store.links.by_side(self.source.makes[0], self.source.side, [identity]).get(identity)
        if link is not None:
            self.result.lost.append(link)

    def finish(self, before: Watermark) -> None:
        """The listing is complete."""
        newest, since = self.reach.marks(self._newest(before), "" if self.full else before.since, self.cap)
        full_at = self.reading.now if self.full else before.full_at
        mark = Watermark(newest, since, full_at, self.reading.signature)
        self.store.set_watermark(self.source.name, mark)
        if self.full and self.trustworthy:
            self._conclude_absence()

    def _newest(self, before: Watermark) -> str:
        """Nothing in Crafter yet: its own clock marks the place, so that a first record's tombstone will be seen."""
        start = self.clock if self.source.side == CRAFTER and not self.result.read else ""
        return before.newest or start

    def _conclude_absence(self) -> None:
        """What a complete listing did not show is not there; an empty one proves nothing (behaviour 9)."""
        kind, side = self.source.makes[0], self.source.side
        if not self.store.seen_count():
            if self.store.links.some(kind):
                log.warning("%s came back empty although records are linked: nothing concluded", self.source.name)
            return
        for made in self.source.makes:
            if made != "location" or side == CRAFTER:
                self.store.inbox.drop_unseen(made, side)
        self.store.problems.forget_unseen(kind, side)
        for link in self.store.links.unseen(kind, side):
            if side == CRAFTER:
                self.result.lost.append(link)
            else:
                mark_gone(self.store, link)


def _cap(side: Side, server_time: datetime | None, now: str) -> str:
    """No watermark past the start of the run: a moment from the future must not hide what comes after it."""
    moment = server_time or datetime.fromisoformat(now)
    if side == CRAFTER:
        return format_utc(moment)
    return moment.astimezone(AMSTERDAM).strftime("%Y-%m-%dT%H:%M:%S")


def _about(source: Source, identity: str, row: Mapping[str, Any]) -> About:
    kind = source.makes[0]
    name = _legible(row, "name") or _legible(row, "description") or _legible(row, "first_name")
    if kind == "hour" and source.side == CRAFTER:
        name = " ".join(_legible(row, part) or "-" for part in ("date", "kind", "hours"))
    number = _legible(row, {"order": "order_number", "customer": "customer_number"}.get(kind, "project_code"))
    key = identity if source.side == ACCOUNTVIEW else number or identity
    entity = entity_of(kind) if source.side == CRAFTER else ""
    entity_id = _legible(row, "customer_id") if kind in ("location", "contact") else identity
    return About(FLOW_OF[kind], kind, source.side, identity, key, name[:100], entity, entity_id)


def _legible(row: Mapping[str, Any], name: str) -> str:
    """A value of a row that is not in order, as far as it is text; else nothing."""
    try:
        return text(row.get(name), name) or ""
    except Malformed:
        return ""
