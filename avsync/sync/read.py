"""Reads what changed on either side into the inbox: in pages, with overlap, one unreadable row at a time.

A watermark moves only after a complete listing, and absence is concluded only from a complete full one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from avsync.errors import PersonMustLook
from avsync.records.kind import Kind, Link, Row
from avsync.records.registry import KINDS, children
from avsync.records.rows import Listing, Reach, Seen
from avsync.records.values import (
    ACCOUNTVIEW,
    AMSTERDAM,
    CRAFTER,
    Malformed,
    Record,
    Side,
    crafter_reference,
    format_utc,
    of_other_company,
    short,
    text,
)
from avsync.state.problems import About, Cause
from avsync.state.store import Store, Watermark
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.causes import cause
from avsync.sync.session import Session, seconds_between

log = logging.getLogger(__name__)
_NEVER = object()
_MANY_FOREIGN = 5  # (behaviour 2)


@dataclass(slots=True)
class Taken:
    """What one listing brought: rows read, rows that changed nothing, and links whose record must be made again."""

    read: int = 0
    unchanged: int = 0
    skipped: int = 0
    lost: list[Link] = field(default_factory=list)


def read_listing(session: Session, listing: Listing) -> Taken:
    """Read one listing to its end. Raises TryLater when it breaks off: what was read is kept, the mark not moved."""
    mark = session.store.watermark(listing.name)
    full = not listing.recent and is_full(listing, mark, session)
    since = "" if full else mark.since
    if listing.recent:
        since = since or _some_time_before(session.policy.start_date)
    if full:
        session.store.start_seen()
    reader = _Reader(session, listing, full)
    session.read_at[listing.side, listing.kind] = session.now()
    for page in _ahead(_pages(session, listing, since)):
        session.checkpoint("gather")
        reader.page(page.rows, page.server_time)
        session.checkpoint("gathered")
    session.checkpoint("gather")
    if not mark.since and len(reader.foreign) > _MANY_FOREIGN and not session.force:
        company, count = next(iter(reader.foreign.values())), len(reader.foreign)
        raise PersonMustLook("other_administration", company=company, count=count, own=session.policy.company)
    with session.store.transaction():
        reader.finish(mark)
    session.checkpoint("gathered")
    return reader.taken


def is_full(listing: Listing, mark: Watermark, session: Session) -> bool:
    """Whether to read from the beginning: asked for, never done, due, or the config means something else now."""
    if session.full or not mark.since or mark.signature != session.signature or listing.changed is None:
        return True
    every = session.config.full_every
    return bool(every) and seconds_between(mark.full_at, session.started) >= every


def _some_time_before(start_date: str) -> str:
    """Hours may be entered ahead of the day they are for, though hardly a month."""
    return (datetime.fromisoformat(start_date) - timedelta(days=31)).strftime("%Y-%m-%dT%H:%M:%S")


def _pages(session: Session, listing: Listing, since: str) -> Iterator[Any]:
    if listing.side == ACCOUNTVIEW:
        return session.accountview.pages(listing.kind, since=since or None)
    return session.crafter.pages(listing.kind, since=since or None, include_deleted=bool(since))


def _ahead(pages: Iterator[Any]) -> Iterator[Any]:
    """Fetch the next page while this one is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


class _Reader:
    """One listing being taken in, page by page, each page in one transaction."""

    def __init__(self, session: Session, listing: Listing, full: bool) -> None:
        self.session, self.store, self.listing, self.full = session, session.store, listing, full
        self.kind = listing.makes[0]
        self.taken = Taken()
        self.reach = Reach(listing.side)
        self.cap = ""
        self.clock = ""
        self.trustworthy = True
        self.foreign: dict[str, str] = {}  # what bears another company's mark, and which
        self.absences = self.store.some_absent(self.kind.name, listing.side)
        self.forget = full and self.store.watermark(listing.name).signature != session.signature

    def page(self, rows: Sequence[Row], server_time: datetime | None) -> None:
        """Take in one page."""
        if not self.cap:
            self.cap = _cap(self.listing.side, server_time, self.session.started)
            self.clock = self.cap if server_time else ""
        if server_time is not None:
            self.session.ahead[self.listing.side] = server_time - self.session.utc()
        self.taken.read += len(rows)
        seen = [self.listing.see(row) for row in rows]
        self.reach.saw([one.moment for one in seen])
        if seen:
            each(seen, self._take_page, self._faulty)

    def _take_page(self, seen: Sequence[Seen]) -> None:
        before = replace(self.taken, lost=list(self.taken.lost))
        try:
            with self.store.transaction():
                if self.full:
                    self.store.saw(one.id for one in seen if one.id)
                self._take_in([one for one in seen if one.id])
                for one in seen:
                    if not one.id:
                        self._nameless(one)
        except BaseException:
            self.taken = before
            raise

    def _faulty(self, one: Seen, error: Exception) -> None:
        """Our own reading of this row fails: it was seen, and it is read again by the next full pass."""
        identity = one.id or f"?{one.fingerprint}"
        self.trustworthy = False
        why = replace(cause_of(error, f"{self.listing.name} {identity}"), slot=ROW)
        with self.store.transaction():
            if self.full:
                self.store.saw([identity])
            self._unreadable(identity, one.row, why)

    def _take_in(self, seen: Sequence[Seen]) -> None:
        kind, side = self.kind.name, self.listing.side
        known = {} if self.forget else self.store.links.fingerprints(kind, side, [one.id or "" for one in seen])
        new = [one for one in seen if known.get(one.id or "") != one.fingerprint]
        self.taken.unchanged += len(seen) - len(new)
        for one in new:
            if one.row.get("deleted_at"):
                self._deleted(one.id or "")
        fresh = [one for one in new if not one.row.get("deleted_at")]
        if fresh:
            self._take_fresh(kind, side, fresh)

    def _take_fresh(self, kind: str, side: Side, fresh: Sequence[Seen]) -> None:
        ids = [one.id or "" for one in fresh]
        records: list[Record] = []
        prints: list[tuple[str, str]] = []
        for one, identity in zip(fresh, ids, strict=True):
            try:
                found = self.listing.read(one.row, self.session.policy, one.fingerprint)
            except Malformed as fault:
                self._unreadable(identity, one.row, cause_of(fault, identity))
                found = []
            records += found
            prints.append((one.fingerprint if found else "", identity))  # what could not be read is looked at again
        for record in records if side == CRAFTER else ():
            if company := of_other_company(record.reference, self.session.policy.company):
                self.foreign[record.id] = company
        take_records(self.session, records, self.taken)
        if self.absences:
            self.store.not_absent(kind, side, ids)
        self.store.links.set_fingerprints(kind, side, prints)
        self._readable_again(self.store.problems.records(kind, side, ids) & {record.id for record in records})

    def _unreadable(self, identity: str, row: Row, why: Cause) -> None:
        about = self._in_its_timeline(_about(self.listing, identity, row))
        self.store.problems.replace(about, [why], self.session.started)
        for kind in self.listing.makes:  # an older version must not be planned in its place
            self.store.inbox.remove(kind.name, self.listing.side, identity)

    def _in_its_timeline(self, about: About) -> About:
        """A row of AccountView that is linked is told where people look for it, and under the name it had."""
        if about.side == CRAFTER:
            return about
        link = self.store.links.one(about.kind, ACCOUNTVIEW, about.record)
        if link is None or not link.crafter:
            return about
        told = link.told(CRAFTER)
        entity, item = self.kind.item(
            (told.get(self.kind.belongs_to) or "") if self.kind.belongs_to else link.crafter, told
        )
        known = link.told(ACCOUNTVIEW).get("name") or ""
        return replace(about, name=about.name or known, entity=entity, entity_id=item)

    def _readable_again(self, ids: Iterable[str]) -> None:
        """A row that could not be read before, and can be now: planning will say how it goes from here."""
        kind, side = self.kind, self.listing.side
        for identity in ids:
            about = About(kind.flow, kind.name, side, identity, "", "")
            stale = [one.id for one in self.store.problems.of(about) if one.cause.code in ("unreadable", "unexpected")]
            self.store.problems.remove(stale)

    def _nameless(self, one: Seen) -> None:
        """A row whose very key is unreadable: it stands for itself, and this listing proves no absence."""
        self.trustworthy = False
        found = {"field": self.listing.key, "found": short(one.row.get(self.listing.key))}
        self._unreadable(f"?{one.fingerprint}", one.row, cause("unreadable", **found))

    def _deleted(self, identity: str) -> None:
        """A tombstone (behaviour 11)."""
        for kind in self.listing.makes:
            self.store.inbox.remove(kind.name, self.listing.side, identity)
        link = self.store.links.one(self.kind.name, self.listing.side, identity)
        if link is not None:
            self.taken.lost.append(link)

    def finish(self, before: Watermark) -> None:
        """The listing is complete."""
        newest, since = self.reach.marks(self._newest(before), "" if self.full else before.since, self.cap)
        full_at = self.session.started if self.full else before.full_at
        mark = Watermark(newest, since, full_at, self.session.signature)
        self.store.set_watermark(self.listing.name, mark)
        if self.full and self.trustworthy:
            self._conclude_absence()

    def _newest(self, before: Watermark) -> str:
        """Nothing in Crafter yet: its own clock marks the place, so that a first record's tombstone will be seen."""
        start = self.clock if self.listing.side == CRAFTER and not self.taken.read else ""
        return before.newest or start

    def _conclude_absence(self) -> None:
        """What a complete listing did not show is not there; an empty one proves nothing (behaviour 9)."""
        kind, side = self.kind.name, self.listing.side
        if not self.store.seen_count():
            if self.store.links.some(kind):
                log.warning("%s came back empty although records are linked: nothing concluded", self.listing.name)
            return
        for made in self.listing.makes:
            if side == CRAFTER or made.table == made.name:  # else it goes under another id than its row
                self.store.inbox.drop_unseen(made.name, side)
        self.store.problems.forget_unseen(kind, side)
        for link in self.store.links.unseen(kind, side):
            if side == CRAFTER:
                self.taken.lost.append(link)
            else:
                mark_gone(self.store, link)


def _cap(side: Side, server_time: datetime | None, now: str) -> str:
    """No watermark past the start of the run: a moment from the future must not hide what comes after it."""
    moment = server_time or datetime.fromisoformat(now)
    if side == CRAFTER:
        return format_utc(moment)
    return moment.astimezone(AMSTERDAM).strftime("%Y-%m-%dT%H:%M:%S")


def _about(listing: Listing, identity: str, row: Row) -> About:
    """What can be said of a row that cannot be read."""
    kind, side = listing.makes[0], listing.side
    fields = {one.name: _legible(row, one.on(side)) for one in kind.fields}
    name = fields.get("name") or fields.get("description") or fields.get("first_name") or ""
    if kind.known_by == ("id",):  # it has no name: what it says tells which it is
        told = {one.crafter: fields[one.name] or "-" for one in kind.fields if one.needed and not one.list}
        name = " ".join(told.values())
    numbers = [fields[one] for one in kind.known_by if one in fields]
    key = identity if side == ACCOUNTVIEW else next(filter(None, numbers), identity)
    item = ("", "")
    if side == CRAFTER:
        item = kind.item(fields[kind.belongs_to] if kind.belongs_to else identity, fields)
    return About(kind.flow, kind.name, side, identity, key, name[:100], *item)


def _legible(row: Row, name: str | None) -> str:
    """A value of a row that is not in order, as far as it is text; else nothing."""
    try:
        return text(row.get(name), name) or "" if name else ""
    except Malformed:
        return ""


# --- into the inbox


def take_records(session: Session, records: Sequence[Record], taken: Taken) -> None:
    """Put into the inbox what differs from what its side told last."""
    groups: dict[tuple[str, Side], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kind, record.side), []).append(record)
    for (kind, side), group in groups.items():
        links = session.store.links.by_side(kind, side, [one.id for one in group])
        for record in group:
            _take(session, KINDS[kind], record, links.get(record.id), taken)


def _take(session: Session, kind: Kind, record: Record, link: Link | None, taken: Taken) -> None:
    store = session.store
    if link is not None and is_other(kind, record, link):
        retire(store, link)
        link = None
    if link is None or kind.plan is not None:
        if record.side == ACCOUNTVIEW and not record.reference and kind.twin is not None:
            record = _still_marked(store, record)
        fate = "drop" if record.absent else (kind.fate or kind.usual_fate)(record, session.policy)
        if fate == "drop" and link is not None:  # its details went: that must be looked at (behaviour 21)
            fate = "plan"
        if fate == "drop":
            store.inbox.remove(record.kind, record.side, record.id)
            taken.skipped += _is_too_old(session, kind, record)
        else:
            store.inbox.put(record, fate)
        return
    if record.absent and not (kind.vacant and kind.vacant(link.told(ACCOUNTVIEW))):
        mark_gone(store, link)
        return
    if link.gone and record.side == ACCOUNTVIEW:
        _reappeared(store, link)
    told = link.end[record.side].told
    marked = record.side == ACCOUNTVIEW or not kind.marked or record.reference == link_mark(session, link)
    same = told is not None and all(told.get(name, _NEVER) == value for name, value in record.fields.items())
    if same and marked and link.crafter:
        store.inbox.remove(record.kind, record.side, record.id)
        taken.unchanged += 1
    else:
        store.inbox.put(record, "plan")


def is_other(kind: Kind, record: Record, link: Link) -> bool:
    """Whether AccountView's row is another record by now than the linked one."""
    return record.side == ACCOUNTVIEW and kind.identity is not None and kind.identity(record, link) == "other"


def retire(store: Store, link: Link) -> None:
    """A new record under an old key: the old one's Crafter half is left as it is (behaviour 36)."""
    mark_gone(store, link)
    kind, key = KINDS[link.kind], link.accountview
    for child in children(link.kind):
        for one in store.links.in_row(child.name, key) if child.table == kind.name else []:
            store.links.retire(one, link.id)
    for other in KINDS.values():
        details = store.links.one(other.name, ACCOUNTVIEW, key) if other.details_of == link.kind else None
        if details is not None:
            store.links.retire(details, link.id)
    store.links.retire(link, link.id)


def link_mark(session: Session, link: Link) -> str:
    """The reference that the Crafter half of a link carries once it is in step."""
    return crafter_reference(session.policy.company, link.kind, link.accountview)


def _is_too_old(session: Session, kind: Kind, record: Record) -> bool:
    """Whether only the start_date keeps it from travelling (behaviour 26); lines are counted as their work order."""
    across = CRAFTER if record.side == ACCOUNTVIEW else ACCOUNTVIEW
    travels = session.policy.writes(kind.flow, across) and kind.plan is None
    return travels and bool(record.day) and record.day < session.policy.start_date


def _still_marked(store: Store, record: Record) -> Record:
    """Where AccountView has no reference column, the mark that a look-up has left on a row of ours exists only here."""
    before = store.inbox.one(record.kind, ACCOUNTVIEW, record.id)
    return replace(record, reference=before.reference, alike=before.alike) if before and before.reference else record


def _reappeared(store: Store, link: Link) -> None:
    """Back in AccountView: what was edited in Crafter meanwhile counts again."""
    store.links.set_gone(link.id, False)
    for entry in store.inbox.get(link.kind, CRAFTER, [link.crafter]).values():
        store.inbox.set_fate(entry.seq, "plan")


def mark_gone(store: Store, link: Link) -> None:
    """Deleted in AccountView: nothing is sent for it again, nor for what stands in the same row (behaviour 10)."""
    kind = KINDS[link.kind]
    store.links.set_gone(link.id, True)
    store.inbox.remove(link.kind, ACCOUNTVIEW, link.accountview)
    for side, end in link.end.items():
        store.problems.planned(About(kind.flow, link.kind, side, end.id, "", ""))
    for child in children(link.kind):
        for one in store.links.in_row(child.name, link.accountview) if child.table == kind.name else []:
            mark_gone(store, one)
