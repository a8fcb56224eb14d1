"""Reads what changed on either side into the inbox: in pages, with overlap, one unreadable row at a time.

A watermark moves only after a complete listing, and absence is concluded only from a complete full one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from avsync.flows.spec import LinkView, Policy
from avsync.model import ACCOUNTVIEW, AMSTERDAM, CRAFTER, Malformed, Record, Side, format_utc
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.sources import FLOW_OF, KINDS, Reach, Source, fate, find
from avsync.state.problems import About, Cause
from avsync.state.store import Store, Watermark

log = logging.getLogger(__name__)


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


def gather(source: Source, reading: Reading) -> Gathered:
    """Read one listing to its end. Raises TryLater when it breaks off: what was read is kept, the mark not moved."""
    mark = reading.store.watermark(source.name)
    full = is_full(source, mark, reading)
    since = "" if full else mark.since
    if source.recent:
        since, full = since or _some_time_before(reading.policy.start_date), False
    if full:
        reading.store.start_seen()
    listing = _Listing(source, reading, full)
    for page in _ahead(_pages(source, reading, since)):
        listing.page(page.rows, page.server_time)
    with reading.store.transaction():
        listing.finish(mark)
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
        self.trustworthy = True
        self.forget = full and self.store.watermark(source.name).signature != reading.signature

    def page(self, rows: Sequence[Mapping[str, Any]], server_time: datetime | None) -> None:
        """Take in one page."""
        if not self.cap:
            self.cap = _cap(self.source.side, server_time, self.reading.now)
        self.result.read += len(rows)
        named = [(self.source.identity(row), row) for row in rows]
        for row in rows:
            self.reach.saw(self.source.moment(row))
        with self.store.transaction():
            if self.full:
                self.store.saw(identity for identity, _ in named if identity)
            self._take_in([(identity, row) for identity, row in named if identity])
            for _, row in (pair for pair in named if not pair[0]):
                self._nameless(row)

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
            fresh.append((print_, identity))
            records += self._read(identity, row)
        take_records(records, self.reading, self.result)
        self.store.links.set_fingerprints(kind, source.side, fresh)
        self._readable_again([identity for _, identity in fresh], {record.id for record in records})

    def _read(self, identity: str, row: Mapping[str, Any]) -> list[Record]:
        try:
            return self.source.read(row, self.reading.policy)
        except Malformed as fault:
            about = _about(self.source, identity, row)
            cause = Cause("unreadable", "error", {"field": fault.field, "found": fault.found})
            self.store.problems.replace(about, [cause], self.reading.now)
            for kind in self.source.makes:  # an older version must not be planned in its place
                self.store.inbox.remove(kind, self.source.side, identity)
            return []

    def _readable_again(self, ids: list[str], readable: set[str]) -> None:
        """A row that could not be read before, and can be now: planning will say how it goes from here."""
        kind, side = self.source.makes[0], self.source.side
        for identity in self.store.problems.records(kind, side, ids) & readable:
            about = About(FLOW_OF[kind], kind, side, identity, "", "")
            stale = [one.id for one in self.store.problems.of(about) if one.cause.code == "unreadable"]
            self.store.problems.remove(stale)

    def _nameless(self, row: Mapping[str, Any]) -> None:
        """A row whose very key is unreadable: it stands for itself, and this listing proves no absence."""
        self.trustworthy = False
        self._read(f"?{self.source.fingerprint(row)}", row)

    def _deleted(self, identity: str) -> None:
        """A tombstone (behaviour 11)."""
        for kind in self.source.makes:
            self.store.inbox.remove(kind, self.source.side, identity)
        link = self.store.links.by_side(self.source.makes[0], self.source.side, [identity]).get(identity)
        if link is not None:
            self.result.lost.append(link)

    def finish(self, before: Watermark) -> None:
        """The listing is complete."""
        newest, since = self.reach.marks(before.newest, "" if self.full else before.since, self.cap)
        full_at = self.reading.now if self.full else before.full_at
        mark = Watermark(newest, since, full_at, self.reading.signature)
        self.store.set_watermark(self.source.name, mark)
        if self.full and self.trustworthy:
            self._conclude_absence()

    def _conclude_absence(self) -> None:
        """What a complete listing did not show is not there; an empty one proves nothing (behaviour 9)."""
        kind, side = self.source.makes[0], self.source.side
        if not self.store.seen_count():
            if self.store.links.count(kind):
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
    shown = row.get("name") or row.get("description") or row.get("first_name") or ""
    name = shown if isinstance(shown, str) else ""
    number = row.get({"order": "order_number", "customer": "customer_number"}.get(kind, "project_code"))
    key = identity if source.side == ACCOUNTVIEW else (number if isinstance(number, str) and number else identity)
    entity = entity_of(kind) if source.side == CRAFTER else ""
    entity_id = identity
    if kind in ("location", "contact"):
        owner = row.get("customer_id")
        entity_id = owner if isinstance(owner, str) else ""
    return About(FLOW_OF[kind], kind, source.side, identity, key, name[:100], entity, entity_id)


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
        what = fate(record, reading.policy)
        if what == "drop":
            store.inbox.remove(record.kind, record.side, record.id)
            result.skipped_old += 1 if record.extra.get("day", "9") < reading.policy.start_date else 0
        else:
            store.inbox.put(record, what)
        return
    if record.extra.get("absent"):
        mark_gone(store, link)
        return
    if link.gone and record.side == ACCOUNTVIEW:
        store.links.set_gone(link.id, False)
    base = link.accountview_base if record.side == ACCOUNTVIEW else link.crafter_base
    if (
        base is not None
        and link.crafter
        and all(base.get(name, _NEVER) == value for name, value in record.fields.items())
    ):
        store.inbox.remove(record.kind, record.side, record.id)
        result.unchanged += 1
    else:
        store.inbox.put(record, "plan")


_NEVER = object()


def mark_gone(store: Store, link: LinkView) -> None:
    """Deleted in AccountView: nothing is sent for it again, nor for the addresses in the same row (behaviour 10)."""
    store.links.set_gone(link.id, True)
    store.inbox.remove(link.kind, ACCOUNTVIEW, link.accountview)
    if link.kind == "customer":
        for which in (f"{link.accountview}:visiting", f"{link.accountview}:postal"):
            child = store.links.by_side("location", ACCOUNTVIEW, [which]).get(which)
            if child is not None:
                mark_gone(store, child)


def recover(lost: Iterable[LinkView], reading: Reading) -> None:
    """Records deleted in Crafter: fetched again from AccountView, so that this run makes them again (behaviour 11)."""
    for link in lost:
        _recover(link, reading)


def _recover(link: LinkView, reading: Reading) -> None:
    kind = KINDS.get(link.kind)
    if kind is None or link.gone or not _comes_back(link, reading.policy):
        with reading.store.transaction():
            _let_go(link, reading)
        return
    source = find(ACCOUNTVIEW, link.kind)
    rows = _rows_of(link, source, reading)
    records = [record for one, row in rows for record in _readable(one, row, reading)]
    with reading.store.transaction():
        _forget_crafter_side(link, reading.store)
        if not records:
            reading.store.links.remove(link.id)
        take_records(records, reading, Gathered())


def _comes_back(link: LinkView, policy: Policy) -> bool:
    return link.kind != "hour" and policy.imports(FLOW_OF[link.kind])


def _let_go(link: LinkView, reading: Reading) -> None:
    """Gone on both sides: forgotten. Only in Crafter, where the flow does not import: left alone."""
    if link.gone:
        reading.store.links.remove(link.id)
    else:
        reading.store.links.set_gone(link.id, True)


def _rows_of(link: LinkView, source: Source, reading: Reading) -> list[tuple[Source, Mapping[str, Any]]]:
    """The record's row; a customer's contacts went with it, so they are read again as well."""
    key = link.accountview.partition(":")[0] if link.kind == "location" else link.accountview
    row = reading.accountview.by_key(source.kind, key)
    rows: list[tuple[Source, Mapping[str, Any]]] = [(source, row)] if row else []
    if link.kind == "customer" and row and reading.store.links.by_parent("contact", [link.crafter]):
        contact = find(ACCOUNTVIEW, "contact")
        rows += [(contact, one) for one in reading.accountview.find("contact", {"customer": key})]
    return rows


def _readable(source: Source, row: Mapping[str, Any], reading: Reading) -> list[Record]:
    try:
        return source.read(row, reading.policy)
    except Malformed:
        return []


def _forget_crafter_side(link: LinkView, store: Store) -> None:
    children = [one for kind in ("location", "contact") for one in store.links.by_parent(kind, [link.crafter])]
    for one in [link, *(children if link.kind == "customer" else [])]:
        store.links.set_id(one.id, CRAFTER, None)
