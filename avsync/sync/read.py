"""Reads what changed on either side into the inbox: in pages, with overlap, one unreadable row at a time.

A watermark moves only after a complete listing, and absence is concluded only from a complete full one.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import dropwhile
from typing import Any

from avsync.errors import AvsyncError, LoginNeeded, OutOfTime, PersonMustLook, RecordUnavailable, TryLater
from avsync.records.kind import End, Kind, Known, Link, Policy, Row, known_as
from avsync.records.registry import KINDS, children, taking_over, with_details
from avsync.records.rows import Listing, Reach, Seen, read_records
from avsync.records.values import (
    ACCOUNTVIEW,
    AMSTERDAM,
    CRAFTER,
    LEFT,
    Canonical,
    Malformed,
    Record,
    Side,
    crafter_reference,
    format_utc,
    of_other_company,
    reference,
    short,
    text,
)
from avsync.services.http import Page
from avsync.state.problems import About, Cause
from avsync.state.store import PUT_BACK, Store, Watermark
from avsync.sync.ahead import First, Lane
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.causes import SERVICES, about_of, cause
from avsync.sync.habits import kept
from avsync.sync.refs import told_by
from avsync.sync.session import Session

log = logging.getLogger(__name__)
_NEVER = object()
_NAMELESS = "?"  # what the id begins with of a row whose own cannot be read
_MANY_FOREIGN = 5  # (behaviour 2)
_MANY_UNSEEN = 200  # more than that are not looked up one by one
_FEW_LINKED = 20  # below this half of them says nothing (behaviour 9)


@dataclass(slots=True)
class Taken:
    """What one listing brought: rows read, rows that changed nothing, and those that are too old to travel."""

    read: int = 0
    unchanged: int = 0
    skipped: int = 0
    full: bool = False


@dataclass(slots=True)
class Place:
    """How far a listing has come; kept when it breaks off, for the next run to go on from (behaviour 31).

    `tracked`: what it shows is written down. `meant`: the marks of the config under which it is read, and of the one
    before. `until`: the inbox's newest version when it began. `day` and `key`: the page that was taken in last. `cap`:
    the start of the listing by its own clock, also in `told` where the service told it. `years`: the financial years
    that it has shown whole.
    """

    full: bool
    tracked: bool
    since: str
    meant: list[str]
    until: int
    day: str = ""
    key: str = ""
    cap: str = ""
    told: str = ""
    read: int = 0
    trustworthy: bool = True
    foreign: dict[str, str] = field(default_factory=dict)  # what bears another company's mark, and which
    moments: list[str] = field(default_factory=list)
    years: list[str] = field(default_factory=list)


Stopped = dict[str, Any] | None


def read_listing(session: Session, listing: Listing) -> Taken:
    """Read one listing to its end. Raises TryLater when it breaks off: what was read is kept, the mark not moved."""
    stopped = session.store.stopped_at(listing.name)
    reader = None
    while reader is None:  # thrice at most: a gap shows once, then all is read in any case, and a place is tried once
        reader, stopped = _read(session, listing, stopped)
    session.checkpoint("gather")
    foreign = reader.at.foreign
    if not reader.mark.since and len(foreign) > _MANY_FOREIGN and not session.force:
        company = next(iter(foreign.values()))
        raise PersonMustLook("other_administration", company=company, count=len(foreign), own=session.policy.company)
    with session.store.transaction():
        reader.finish()
    session.checkpoint("gathered")
    return reader.taken


def _read(session: Session, listing: Listing, stopped: Stopped) -> tuple[_Reader | None, Stopped]:
    """Take in every page. No reader, and nothing taken in, when it must begin otherwise: because the clock that the
    first page tells means that more is to be read, or because the service cannot go on from where it stopped."""
    mark = session.store.watermark(listing.name)
    at, resumed, pages = _begin(session, listing, mark, stopped)
    reader = _Reader(session, listing, mark, at, resumed)
    begun = False
    try:
        with closing(_ahead(pages)) as read:
            for day, page in read:
                if not begun and (session.notice_gap() or not at.full and is_full(listing, mark, session)):
                    return None, stopped
                if not begun and resumed and not (page and page.rows):
                    return None, None
                if not begun:
                    session.ask_ahead(listing)
                begun = True
                session.checkpoint("gather")
                reader.take(day, page)
                session.checkpoint("gathered")
        if resumed and at.full and at.trustworthy:
            reader.look_for_the_unseen()
    except PersonMustLook:
        raise
    except AvsyncError as error:
        if resumed and not begun and not isinstance(error, (OutOfTime, LoginNeeded)):
            return None, None
        if begun:
            reader.stop()
        raise
    return reader, stopped


@contextmanager
def both_at_a_time(session: Session, listings: Sequence[Listing]) -> Iterator[None]:
    """While inside, both services are asked ahead for the first pages of these listings, as far as they were read
    before: once one page has shown what time it is, and so that not everything is to be read anew."""
    lanes, nothing_more = {side: Lane() for side in (ACCOUNTVIEW, CRAFTER)}, session.ask_ahead

    def ask(after: Listing) -> None:
        session.ask_ahead = nothing_more
        left = listings[listings.index(after) + 1 :]
        for side, lane in lanes.items():
            for listing in (one for one in left if one.side == side):
                mark = session.store.watermark(listing.name)
                at = _start_of(session, listing, mark)
                new = session.full or mark.signature != session.signature or session.store.stopped_at(listing.name)
                if new or _by_year(session, listing, at):
                    break
                session.ahead[listing.name] = First(at, _pages(session, listing, at, False), session.ticks)
                session.ahead[listing.name].ask(lane)

    session.ask_ahead = ask
    try:
        yield
    finally:
        session.ask_ahead = nothing_more
        session.ahead.clear()
        for lane in lanes.values():
            lane.close()


def _begin(
    session: Session, listing: Listing, mark: Watermark, stopped: Stopped
) -> tuple[Place, bool, Iterator[tuple[str, Page | None]]]:
    """Where to begin, whether that is where an earlier run has stopped, and the pages from there."""
    at, first = _start_of(session, listing, mark), session.ahead.pop(listing.name, None)
    before = _place(stopped)
    if before is not None and before.meant == at.meant and (before.full or not at.full):
        if before.tracked:
            session.store.go_on(listing.name)
        return before, True, _pages(session, listing, before, _by_year(session, listing, before))
    if at.tracked:
        session.store.start_seen()
    if first is not None and replace(at, until=first.place.until) == first.place and first.usable():
        session.read_at[listing.side, listing.kind] = first.began
        return first.place, False, first.pages()
    session.read_at[listing.side, listing.kind] = session.ticks()
    return at, False, _pages(session, listing, at, _by_year(session, listing, at))


def _start_of(session: Session, listing: Listing, mark: Watermark) -> Place:
    """Where a listing begins that was not broken off."""
    full, meant = is_full(listing, mark, session), [session.signature, mark.signature]
    since = "" if full else mark.since
    tracked = full or not since
    if listing.recent:
        since = since or _some_time_before(session.policy.start_date)
    return Place(full, tracked, since, meant, session.store.inbox.newest())


def _place(stopped: Stopped) -> Place | None:
    try:
        return Place(**stopped) if stopped else None
    except TypeError:  # of another avsync
        return None


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


def _by_year(session: Session, listing: Listing, at: Place) -> bool:
    """Whether a read shows one financial year alone, and this one is to show them all (behaviour 52)."""
    dated = listing.side == ACCOUNTVIEW and bool(listing.makes[0].day)
    return dated and at.tracked and kept(session.store).get("book_date_matters") is True


def _pages(session: Session, listing: Listing, at: Place, by_year: bool) -> Iterator[tuple[str, Page | None]]:
    """The pages from that place on, each with the book date that it was read under; None where the last of those is
    over. In another thread."""
    since, started, start = at.since or None, at.day, at.key
    if listing.side == CRAFTER:
        crafter = session.crafter.pages(listing.kind, since=since, include_deleted=bool(since), place=start)
        yield from (("", page) for page in crafter)
        return
    for day in dropwhile(lambda one: one != started, _book_dates(session, by_year)):
        place = start if day == started else ""
        try:
            for page in session.accountview.pages(listing.kind, since=since, place=place, day=day):
                yield day, page
            yield day, None
        except TryLater as error:
            if not day or error.code != "accountview_read_error":
                raise
            log.info("%s: the books of %s cannot be read", listing.name, day[:4])


def _book_dates(session: Session, by_year: bool) -> Iterator[str]:
    """None, for the service's own year; then each earlier one from start_date on."""
    yield ""
    if by_year:
        yield from session.earlier_years()


def _ahead(pages: Iterator[Any]) -> Generator[Any]:
    """Fetch the next page while this one is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


class _Reader:
    """One listing being taken in, page by page, each page in one transaction."""

    def __init__(self, session: Session, listing: Listing, mark: Watermark, at: Place, resumed: bool) -> None:
        self.session, self.store, self.listing = session, session.store, listing
        self.mark, self.at, self.resumed = mark, at, resumed
        self.kind = listing.makes[0]
        self.taken = Taken(full=at.full)
        self.nothing = Known(session.policy)
        self.reach = Reach(listing.side, at.moments)
        self.absences = self.store.some_absent(self.kind.name, listing.side)
        self.forget = at.full and mark.signature != session.signature
        self.doubted = mark.signature == PUT_BACK and listing.side == ACCOUNTVIEW and self.kind.name in with_details()

    def take(self, day: str, page: Page | None) -> None:
        """Take in one page; or what was read under this book date is complete."""
        at = self.at
        if page is None:
            at.years = sorted({*at.years, day[:4] or self.session.year()})
            return
        if not at.cap:
            at.cap = _cap(self.listing.side, page.server_time or self.session.clock.time(self.listing.side))
            at.told = at.cap if page.server_time else ""
        seen = [self.listing.see(row) for row in page.rows]
        if day:  # what goes on in a later year was shown there as it is now
            shown = self.store.seen([one.id for one in seen if one.id])
            seen = [one for one in seen if one.id not in shown]
        self.taken.read += len(seen)
        at.read += len(seen)
        self.reach.saw([one.moment for one in seen])
        if seen:
            each(seen, self._take_page, self._faulty)
        self.session.step(self.kind.name, self.taken.read)
        at.day, at.key = day, page.place

    def stop(self) -> None:
        """It breaks off here; the next run goes on with the page that was taken in last."""
        with self.store.transaction():
            self.store.stop_at(self.listing.name, asdict(self.at), self.session.now())
            if self.at.tracked:
                self.store.keep_seen(self.listing.name)

    def look_for_the_unseen(self) -> None:
        """What came to a listing that was read in parts behind the place where it had got to, it did not show."""
        vanished = self._vanished()
        if len(vanished) > _MANY_UNSEEN:
            self.at.trustworthy = False  # the next full pass will tell
            return
        for link in vanished:
            if self._is_there(link):
                self.store.saw([link.end[self.listing.side].id])

    def _is_there(self, link: Link) -> bool:
        day = self.kind.booked_on({side: link.told(side) for side in link.end})
        try:
            return self.session.fetch(self.kind, self.listing.side, link.end[self.listing.side].id, day) is not None
        except (RecordUnavailable, Malformed):
            return True  # nobody knows

    def _take_page(self, seen: Sequence[Seen]) -> None:
        before = replace(self.taken)
        try:
            with self.store.transaction():
                if self.at.tracked:
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
        self.at.trustworthy = False
        why = replace(cause_of(error, f"{self.listing.name} {identity}"), slot=ROW)
        with self.store.transaction():
            if self.at.tracked:
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
                self.at.foreign[record.id] = company
        take_records(self.session, records, self.taken)
        if self.absences:
            self.store.not_absent(kind, side, {*ids, *map(str.upper, ids)})  # a number as it is asked for
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
        self.at.trustworthy = False
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
        before, at = self.mark, self.at
        newest, since = self.reach.marks(self._newest(), "" if at.full else before.since, at.cap)
        always = not since and before.full_at  # then nobody asks when it was
        full_at = before.full_at if always or not at.full else self.session.time(self.listing.side)
        mark = Watermark(newest, since, full_at, self.session.signature)
        self.store.set_watermark(self.listing.name, mark)
        self.store.went_through(self.listing.name)
        if at.full and at.trustworthy:
            self._conclude_absence()

    def _newest(self) -> str:
        """Nothing in Crafter yet: its own clock marks the place, so that a first record's tombstone will be seen."""
        start = self.at.told if self.listing.side == CRAFTER and not self.at.read else ""
        return self.mark.newest or start

    def _conclude_absence(self) -> None:
        """What a complete listing did not show is not there; an empty one proves nothing (behaviour 9)."""
        kind, side = self.kind.name, self.listing.side
        if not self.store.seen_count():
            if self.store.links.some(kind):
                log.warning("%s came back empty although records are linked: nothing concluded", self.listing.name)
            return
        vanished = self._vanished()
        self._refuse_a_landslide(len(vanished))
        for made in self.listing.makes:
            within = side == ACCOUNTVIEW and bool(made.within)
            years = self.at.years if side == ACCOUNTVIEW and made.day else None
            self.store.inbox.drop_unseen(made.name, side, within, self.at.until, years)
            if not self.resumed:
                self.store.intents.bury_unseen(made.name, side, within, years)
        self.store.problems.forget_unseen(kind, side)
        for link in vanished:
            if side == CRAFTER:
                self.store.links.lose(link.id)
            else:
                mark_gone(self.store, link)

    def _vanished(self) -> list[Link]:
        """The linked records that it would have shown, were they there."""
        unseen = self.store.links.unseen(self.kind.name, self.listing.side)
        return [link for link in unseen if self._speaks_of(link)]

    def _speaks_of(self, link: Link) -> bool:
        """A listing of AccountView shows what is dated in the financial years that were read (behaviour 52)."""
        if self.listing.side == CRAFTER or not self.kind.day:
            return True
        return self.kind.booked_on({side: link.told(side) for side in link.end})[:4] in self.at.years

    def _refuse_a_landslide(self, vanished: int) -> None:
        """More than half of them at once proves nothing: a person must look (behaviour 9)."""
        kind, side = self.kind.name, self.listing.side
        if vanished <= _FEW_LINKED // 2 or self.session.force:
            return
        there = sum(self._speaks_of(link) for link in self.store.links.living(kind, side))
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


# --- AccountView's rows of a kind that cannot be listed by what changed


def look_around(session: Session, kind: Kind, records: Iterable[Mapping[str, Canonical]]) -> None:
    """Read what may be ours already of records that are about to be made, by the values they will have there: their
    sheets, or where rows stand by themselves all from the earliest day on. Each once in a run."""
    accountview, seen = session.accountview, session.looked.setdefault(kind.name, set())
    day = kind.day[CRAFTER]
    places = [(session.sheet_of(kind.table, values), values[day] or "") for values in records if values.get(day)]
    by_sheet = {place: when for place, when in places if isinstance(place, tuple) and place not in seen}
    if by_sheet:

        def ask(one: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
            place, when = one
            try:
                return accountview.in_year(when, lambda year: accountview.on_sheet(kind.table, place, year))
            except RecordUnavailable:
                return []  # nothing is written on it then

        found = session.refs.at_once(ACCOUNTVIEW, ask, sorted(by_sheet.items()))
        seen |= by_sheet.keys()
        _take_rows(session, kind, [row for rows in found for row in rows])
    earliest = min((when for place, when in places if place is None), default="")
    if earliest and not any(isinstance(one, str) and one <= earliest for one in seen):
        for page in accountview.since(kind.table, day, earliest):
            _take_rows(session, kind, page.rows)
        seen.add(earliest)


def _take_rows(session: Session, kind: Kind, rows: Sequence[Row]) -> None:
    records: list[Record] = []
    for row in rows:
        try:
            records += read_records(kind, ACCOUNTVIEW, row, session.policy)
        except Malformed:
            continue  # what cannot be read is none of ours
    with session.store.transaction():
        take_records(session, records, Taken())


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
    if record.side == CRAFTER:
        _followed(session, record)
    if session.policy.flows[kind.flow] == "off":
        return
    if link is not None and is_other(kind, record, link):
        retire(store, link)
        link = None
    if link is not None and _went_elsewhere(kind, record, link):
        _part_ways(session, kind, link)
        link = None
    if link is None or kind.plan is not None:
        if record.side == ACCOUNTVIEW and kind.twin is not None:
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
    if record.absent and not (kind.vacant and kind.vacant(link.told(ACCOUNTVIEW))):
        mark_gone(store, link)
        return
    if link.gone and record.side == ACCOUNTVIEW:
        _reappeared(store, link)
    told = link.end[record.side].told
    marked = record.side == ACCOUNTVIEW or not kind.marked or record.reference == link_mark(session, link)
    elsewhere = {one.name for one in kind.fields if one.over and record.side == CRAFTER}  # that is known with its owner
    own = {name: value for name, value in record.fields.items() if name not in elsewhere}
    same = told is not None and all(told.get(name, _NEVER) == value for name, value in own.items())
    if same and marked and link.crafter:
        waits = store.inbox.one(record.kind, record.side, record.id) if elsewhere else None
        if waits is None or any(waits.fields.get(name) != value for name, value in own.items()):
            store.inbox.remove(record.kind, record.side, record.id)  # else it follows what it takes over
        taken.unchanged += 1
    else:
        store.inbox.put(record, "plan")


def _followed(session: Session, record: Record) -> None:
    """Linked records that take something over from this one are planned again when it has changed (behaviour 24)."""
    store, flows = session.store, session.policy.flows
    takers = [] if record.absent else taking_over(record.kind)
    for kind, one, over in [taker for taker in takers if flows[taker[0].flow] != "off"]:
        for link in store.links.belonging(kind.name, over.by, record.id):
            told = link.told(CRAFTER)
            follows = not link.gone and not told.get(over.own) and told.get(one.name) != record.fields[one.name]
            if follows and store.inbox.one(kind.name, CRAFTER, link.crafter) is None:
                store.inbox.put(told_by(link, CRAFTER), "plan")


def _went_elsewhere(kind: Kind, record: Record, link: Link) -> bool:
    """Whether a planner gave it to another owner, whose record in AccountView it never was."""
    if record.side == ACCOUNTVIEW or not kind.belongs_to or kind.field(kind.belongs_to).merged:
        return False
    before = link.told(CRAFTER).get(kind.belongs_to)
    return bool(before) and record.owner != before


def _part_ways(session: Session, kind: Kind, link: Link) -> None:
    """AccountView leads: it is made again where it was, or waits there to be met; what went is another's by now."""
    store, comes_back = session.store, session.policy.writes(kind.flow, CRAFTER)
    if link.end[ACCOUNTVIEW].told is not None and not link.gone:
        store.inbox.put(as_told(session.policy, link, ACCOUNTVIEW), "plan" if comes_back else "keep")
    if comes_back and not link.gone:
        store.links.point(link.id, CRAFTER, End())
    else:
        store.links.remove(link.id)


def as_told(policy: Policy, link: Link, side: Side) -> Record:
    """One half as it was told last, to be met or made anew."""
    kind, told = KINDS[link.kind], told_by(link, side)
    alike = kind.alike(side, told.fields) if kind.alike else ""
    ours = crafter_reference(policy.company, link.kind, link.accountview)
    if side == ACCOUNTVIEW:
        return replace(told, key=kind.row_key(told.id), mark=ours, alike=alike)
    known_by = (told.id if name == "id" else (told.fields[name] or "").upper() for name in kind.known_by)
    key = next(filter(None, known_by), "")
    mark = reference(kind.name, told.id)
    return replace(told, key=key, reference=ours if kind.marked else "", mark=mark, alike=alike)


def set_apart(session: Session, link: Link) -> None:
    """Its two halves are two records, a person has said: what stands in AccountView's row is planned anew, Crafter's is
    left as it is (behaviour 36)."""
    store, kind = session.store, KINDS[link.kind]
    beside = [one for child in children(link.kind) if child.table == kind.name
              for one in store.links.in_row(child.name, link.accountview)]  # fmt: skip
    read = [store.inbox.one(one.kind, ACCOUNTVIEW, one.accountview) for one in beside]
    told = [
        new or as_told(session.policy, one, ACCOUNTVIEW)
        for one, new in zip(beside, read, strict=True)
        if new or not one.gone
    ]
    retire(store, link)
    for one in told:
        store.inbox.put(one, (KINDS[one.kind].fate or KINDS[one.kind].usual_fate)(one, session.policy))


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
    """What a look-up has marked where AccountView has no reference column, and what a deleted record has left, is
    known as that only here."""
    before = store.inbox.one(record.kind, ACCOUNTVIEW, record.id)
    if before is not None and before.alike.startswith(LEFT):
        return replace(record, alike=before.alike)
    marked = before is not None and before.reference and not record.reference
    return replace(record, reference=before.reference, alike=before.alike) if before and marked else record


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
