"""Reads what changed on either side into the inbox: in pages, with overlap, one unreadable row at a time.

A watermark moves only after a complete listing, and absence is concluded only from a complete full one.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from avsync.errors import PersonMustLook
from avsync.records.kind import Kind, Known, Link, Row, known_as
from avsync.records.registry import KINDS, children, with_details
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
from avsync.state.store import PUT_BACK, Store, Watermark
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.causes import SERVICES, about_of, cause
from avsync.sync.session import Session

log = logging.getLogger(__name__)
_NEVER = object()
_NAMELESS = "?"  # what the id begins with of a row whose own cannot be read
_MANY_FOREIGN = 5  # (behaviour 2)
_FEW_LINKED = 20  # below this half of them says nothing (behaviour 9)


@dataclass(slots=True)
class Taken:
    """What one listing brought: rows read, rows that changed nothing, and those that are too old to travel."""

    read: int = 0
    unchanged: int = 0
    skipped: int = 0


def read_listing(session: Session, listing: Listing) -> Taken:
    """Read one listing to its end. Raises TryLater when it breaks off: what was read is kept, the mark not moved."""
    reader = None
    while reader is None:  # twice more at most: a gap shows once, and then all is read in any case
        reader = _read_pages(session, listing)
    session.checkpoint("gather")
    if not reader.mark.since and len(reader.foreign) > _MANY_FOREIGN and not session.force:
        company, count = next(iter(reader.foreign.values())), len(reader.foreign)
        raise PersonMustLook("other_administration", company=company, count=count, own=session.policy.company)
    with session.store.transaction():
        reader.finish()
    session.checkpoint("gathered")
    return reader.taken


def _read_pages(session: Session, listing: Listing) -> _Reader | None:
    """Take in every page; None, with nothing taken in, when the clock that the first one tells means that more is to be
    read."""
    mark = session.store.watermark(listing.name)
    full = is_full(listing, mark, session)
    since = "" if full else mark.since
    if listing.recent:
        since = since or _some_time_before(session.policy.start_date)
    if full:
        session.store.start_seen()
    reader = _Reader(session, listing, mark, full)
    session.read_at[listing.side, listing.kind] = session.ticks()
    with closing(_ahead(_pages(session, listing, since))) as pages:
        for number, page in enumerate(pages):
            if not number and (session.notice_gap() or not full and is_full(listing, mark, session)):
                return None
            session.checkpoint("gather")
            reader.page(page.rows, page.server_time)
            session.checkpoint("gathered")
    return reader


def is_full(listing: Listing, mark: Watermark, session: Session) -> bool:
    """Whether to read from the beginning: asked for, never done, due, or the config means something else now."""
    if listing.recent:
        return False
    if session.full or not mark.since or mark.signature != session.signature or listing.changed is None:
        return True
    every = session.config.full_every
    if not every:
        return False
    age = session.clock.age(listing.side, mark.full_at)
    return age is None or age >= every  # one that cannot be counts from now (behaviour 51)


def _some_time_before(start_date: str) -> str:
    """Hours may be entered ahead of the day they are for, though hardly a month."""
    return (datetime.fromisoformat(start_date) - timedelta(days=31)).strftime("%Y-%m-%dT%H:%M:%S")


def _pages(session: Session, listing: Listing, since: str) -> Iterator[Any]:
    if listing.side == ACCOUNTVIEW:
        return session.accountview.pages(listing.kind, since=since or None)
    return session.crafter.pages(listing.kind, since=since or None, include_deleted=bool(since))


def _ahead(pages: Iterator[Any]) -> Generator[Any]:
    """Fetch the next page while this one is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


class _Reader:
    """One listing being taken in, page by page, each page in one transaction."""

    def __init__(self, session: Session, listing: Listing, mark: Watermark, full: bool) -> None:
        self.session, self.store, self.listing, self.mark, self.full = session, session.store, listing, mark, full
        self.kind = listing.makes[0]
        self.taken = Taken()
        self.reach = Reach(listing.side)
        self.cap = ""
        self.clock = ""
        self.trustworthy = True
        self.nothing = Known(session.policy)
        self.foreign: dict[str, str] = {}  # what bears another company's mark, and which
        self.absences = self.store.some_absent(self.kind.name, listing.side)
        self.forget = full and mark.signature != session.signature
        self.doubted = mark.signature == PUT_BACK and listing.side == ACCOUNTVIEW and self.kind.name in with_details()

    def page(self, rows: Sequence[Row], server_time: datetime | None) -> None:
        """Take in one page."""
        if not self.cap:
            self.cap = _cap(self.listing.side, server_time or self.session.clock.time(self.listing.side))
            self.clock = self.cap if server_time else ""
        self.taken.read += len(rows)
        seen = [self.listing.see(row) for row in rows]
        self.reach.saw([one.moment for one in seen])
        if seen:
            each(seen, self._take_page, self._faulty)

    def _take_page(self, seen: Sequence[Seen]) -> None:
        before = replace(self.taken)
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
        identity = one.id or f"{_NAMELESS}{one.fingerprint}"
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
        if self.doubted:  # of what was changed since the state was saved nobody knows what was sent (behaviour 41)
            shown = [(one.id or "", not one.moment or one.moment >= self.mark.newest) for one in seen]
            self.store.links.doubt_no_more(kind, shown)
        buried = {one.id: one.moment for one in new if one.row.get("deleted_at")}
        for identity in buried:
            self._deleted(identity or "")
        fresh = [
            one
            for one in new
            if not one.row.get("deleted_at") and (one.id not in buried or one.moment > buried[one.id])
        ]
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
        if side == CRAFTER:
            self.store.links.find_again(kind, ids)
            self.store.intents.unbury(kind, side, ids)
        self.store.links.set_fingerprints(kind, side, prints)
        self._readable_again(self.store.problems.records(kind, side, ids) & {record.id for record in records})

    def _unreadable(self, identity: str, row: Row, why: Cause) -> None:
        record = _legible(self.listing, identity, row)
        if self.kind.facts:
            self.session.unread.setdefault(self.kind.name, []).append(record)
        record, item = self._in_its_timeline(record)
        known, version = known_as(self.kind, record, self.nothing), self.listing.see(row).fingerprint
        about = about_of(self.session.config.language, self.kind, known, item, version)
        self.store.problems.replace(about, [why], self.session.now())
        for kind in self.listing.makes:  # an older version must not be planned in its place
            self.store.inbox.remove(kind.name, self.listing.side, identity)

    def _in_its_timeline(self, record: Record) -> tuple[Record, tuple[str, str]]:
        """A row of AccountView that is linked is told where people look for it, and under the name it had."""
        kind = self.kind
        if record.side == CRAFTER:
            return record, kind.item(record.owner if kind.belongs_to else record.id, record.fields)
        link = self.store.links.one(record.kind, ACCOUNTVIEW, record.id)
        if link is None or not link.crafter:
            return record, ("", "")
        told, known = link.told(CRAFTER), link.told(ACCOUNTVIEW).get("name") or ""
        item = kind.item((told.get(kind.belongs_to) or "") if kind.belongs_to else link.crafter, told)
        return replace(record, name=record.name or known), item

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
        self._unreadable(f"{_NAMELESS}{one.fingerprint}", one.row, cause("unreadable", **found))

    def _deleted(self, identity: str) -> None:
        """A tombstone (behaviour 11)."""
        link = self.store.links.one(self.kind.name, self.listing.side, identity)
        for kind in self.listing.makes:  # of which a write is open it is linked first (behaviour 44)
            if link is not None or not self.store.intents.bury(kind.name, self.listing.side, identity):
                self.store.inbox.remove(kind.name, self.listing.side, identity)
        if link is not None:
            self.store.links.lose(link.id)

    def finish(self) -> None:
        """The listing is complete."""
        before = self.mark
        newest, since = self.reach.marks(self._newest(before), "" if self.full else before.since, self.cap)
        full_at = self.session.time(self.listing.side) if self.full else before.full_at
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
        unseen = self.store.links.unseen(kind, side)
        self._refuse_a_landslide(len(unseen))
        for made in self.listing.makes:
            within = side == ACCOUNTVIEW and bool(made.within)
            self.store.inbox.drop_unseen(made.name, side, within)
            self.store.intents.bury_unseen(made.name, side, within)
        self.store.problems.forget_unseen(kind, side)
        for link in unseen:
            if side == CRAFTER:
                self.store.links.lose(link.id)
            else:
                mark_gone(self.store, link)

    def _refuse_a_landslide(self, vanished: int) -> None:
        """More than half of them at once proves nothing: a person must look (behaviour 9)."""
        kind, side = self.kind.name, self.listing.side
        there = self.store.links.living(kind, side) if vanished > _FEW_LINKED // 2 and not self.session.force else 0
        if there >= _FEW_LINKED and 2 * vanished > there:
            about = {"parent_kind": kind, "count": vanished, "linked": there, "service": SERVICES[side]}
            raise PersonMustLook("safety_vanished", **about)


def _cap(side: Side, moment: datetime) -> str:
    """No watermark past the start of the run: a moment from the future must not hide what comes after it."""
    if side == CRAFTER:
        return format_utc(moment)
    return moment.astimezone(AMSTERDAM).strftime("%Y-%m-%dT%H:%M:%S")


def _legible(listing: Listing, identity: str, row: Row) -> Record:
    """What can be said of a row that cannot be read."""
    kind, side = listing.makes[0], listing.side
    fields = {one.name: _as_text(row, one.on(side)) for one in kind.fields}
    name = fields.get("name") or fields.get("description") or fields.get("first_name") or ""
    numbers = [identity if kind.id != "id" else ""] if side == ACCOUNTVIEW else [fields[one] for one in kind.known_by]
    key = next((one for one in numbers if one and not one.startswith(_NAMELESS)), "")
    owner = fields.get(kind.belongs_to) or ""
    return Record(kind.name, side, identity, key, name[:100], fields, owner=owner)


def _as_text(row: Row, name: str | None) -> str:
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
        announced = session.store.intents.announced(kind, side)
        for record in group:
            _take(session, KINDS[kind], record, links.get(record.id), record.id in announced, taken)


def _take(session: Session, kind: Kind, record: Record, link: Link | None, announced: bool, taken: Taken) -> None:
    """`announced`: a write of it is open, or was found and not linked yet."""
    store = session.store
    if link is not None and record.side == ACCOUNTVIEW and kind.is_other is not None and kind.is_other(record, link):
        _retire(store, link)
        link = None
    if link is None or kind.plan is not None:
        if record.side == ACCOUNTVIEW and not record.reference and kind.twin is not None:
            record = _still_marked(store, record)
        fate = "drop" if record.absent else (kind.fate or kind.usual_fate)(record, session.policy)
        if announced or (fate == "drop" and link is not None):  # something went: that comes first (behaviour 21 and 44)
            fate = "plan"
        if fate == "drop":
            store.inbox.remove(record.kind, record.side, record.id)
            taken.skipped += _is_too_old(session, kind, record)
        else:
            store.inbox.put(record, fate)
        return
    if record.absent:
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


def _retire(store: Store, link: Link) -> None:
    """A new record under an old key: the old one's Crafter half is left as it is (behaviour 36)."""
    mark_gone(store, link)
    kind, key = KINDS[link.kind], link.accountview
    for child in children(link.kind):
        for one in store.links.in_row(child.name, key) if child.table == kind.name else []:
            store.links.retire(one)
    for other in KINDS.values():
        details = store.links.one(other.name, ACCOUNTVIEW, key) if other.details_of == link.kind else None
        if details is not None:
            store.links.retire(details)
    store.links.retire(link)


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
