"""What was deleted in Crafter only, got another number in AccountView, or is newer than a state that was put back."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from avsync.errors import AvsyncError, LoginNeeded, OutOfTime, PersonMustLook, RecordUnavailable
from avsync.records.kind import RETIRED, Ask, End, Kind, Known, Link, Remark, known_as
from avsync.records.registry import KINDS, children, listing, referring, with_details
from avsync.records.rows import Listing
from avsync.records.values import ACCOUNTVIEW, CRAFTER, LEFT, Malformed, Record
from avsync.state.lock import Holder
from avsync.state.problems import About, Cause
from avsync.state.store import Store
from avsync.sync.boundary import ROW, cause_of, each
from avsync.sync.causes import cause
from avsync.sync.problems import tell_once
from avsync.sync.read import Taken, link_mark, take_records
from avsync.sync.refs import read_one, told_by
from avsync.sync.session import Session

log = logging.getLogger(__name__)

Rows = list[tuple[Listing, dict[str, Any]]]


# --- deleted in Crafter: AccountView leads, so the next run makes it again (behaviour 11)


def recover(session: Session, kind: Kind) -> None:
    """Records deleted in Crafter: fetched again from AccountView, so that this run makes them again."""

    def told(link: Link, why: Cause) -> None:
        with session.store.transaction():
            session.store.problems.replace(_about(link), [replace(why, slot=ROW)], session.now())

    def failed(link: Link, error: Exception) -> None:
        told(link, cause_of(error, f"{link.kind} {link.accountview}, deleted in Crafter"))

    for link in session.store.links.lost(kind.name):
        now = session.store.links.by_id(link.id)  # it may have gone with the one before it
        if now is None:
            continue
        try:
            each([now], lambda some: _recover(session, some[0]), failed)
        except RecordUnavailable as error:  # it comes back in a later run (behaviour 8)
            told(now, cause("record_unavailable", **error.params))


def _about(link: Link) -> About:
    name = link.told(ACCOUNTVIEW).get("name") or ""
    return About(KINDS[link.kind].flow, link.kind, CRAFTER, link.crafter, link.accountview, name)


def _recover(session: Session, link: Link) -> None:
    kind = KINDS[link.kind]
    if link.gone or not _comes_back(session, kind):
        left = _left(session, kind, link)
        with session.store.transaction():
            _let_go(session, kind, link)
            if left is not None:
                tell_once(session, kind, left[0], link, [left[1]])
        return
    rows = _rows_of(session, kind, link)
    records = [record for where, row in rows for record in _readable(session, where, row)]
    again = _referring(session, link) if rows else []
    with session.store.transaction():
        _forget_crafter_half(session.store, link, forever=not rows)
        take_records(session, records, Taken())
        for record, name in again:
            _point_again(session.store, record, name)


def _let_go(session: Session, kind: Kind, link: Link) -> None:
    """Gone for good in Crafter: AccountView's record is free, for a new one that names it (behaviour 38).

    It is a candidate again, as it was told last; details that were sent under it count as sent from then on.
    """
    session.store.links.remove(link.id)
    _forget_versions(session.store, link)
    _forget_details(session.store, link)
    for side, end in link.end.items():  # what was said of it is over
        session.store.problems.planned(About(kind.flow, kind.name, side, end.id, "", ""))
    if not link.gone and link.end[ACCOUNTVIEW].told is not None:
        told = told_by(link, ACCOUNTVIEW)
        left = replace(told, mark=link_mark(session, link), alike=kind.left_as(told.fields) or told.alike)
        session.store.inbox.put(left, "keep")


def _left(session: Session, kind: Kind, link: Link) -> tuple[Record, Remark] | None:
    """The record that was deleted, and what is said of the row that stays behind in AccountView."""
    if kind.left is None or link.gone or not session.policy.writes(kind.flow, ACCOUNTVIEW):
        return None
    record = told_by(link, CRAFTER)
    try:
        known = session.refs.know(kind, [(record, link)])
    except (LoginNeeded, OutOfTime, PersonMustLook):
        raise
    except AvsyncError:  # then without names
        known = Known(session.policy)
    return known_as(kind, record, known), kind.left(record, link, known)


def still_left(session: Session, kind: Kind, there: Record) -> Record | None:
    """The row that a record deleted in Crafter has left, as it stands there now; else it is forgotten."""
    day = there.fields.get(kind.day.get(CRAFTER, "")) or ""

    def read(year: str) -> dict[str, Any] | None:
        return session.fetch(kind, ACCOUNTVIEW, there.id, year)

    try:
        now = read_one(session, kind, ACCOUNTVIEW, session.accountview.in_year(day, read), there.id)
    except Malformed:
        now = None
    if now is not None and kind.left_as(now.fields) == there.alike:
        return replace(now, alike=there.alike)
    with session.store.transaction():
        session.store.inbox.remove(kind.name, ACCOUNTVIEW, there.id)
        if now is None:
            session.store.problems.over(kind.name, there.id)
    return None


def forget_left(session: Session, kind: Kind) -> None:
    """After a full pass: what somebody has removed from AccountView since is nobody's concern any more."""
    if kind.left is None:
        return
    for problem in session.store.problems.with_a_slot(kind.name):
        there = session.store.inbox.one(kind.name, ACCOUNTVIEW, problem.cause.slot)
        if there is not None and there.alike.startswith(LEFT):
            still_left(session, kind, there)


def _comes_back(session: Session, kind: Kind) -> bool:
    return CRAFTER in kind.made and session.policy.writes(kind.flow, CRAFTER)


def _rows_of(session: Session, kind: Kind, link: Link) -> Rows:
    """The record's row, none when it is gone there too; what belonged to it went with it, so that is read again."""
    row = session.fetch(kind, ACCOUNTVIEW, link.accountview)
    rows: Rows = [(listing(ACCOUNTVIEW, kind), row)] if row else []
    for child in children(kind.name) if row else []:
        if child.table != kind.table and session.store.links.belonging(child.name, child.belongs_to, link.crafter):
            rows += _find(session, child, child.belongs_to, link.accountview)
    return rows


def _find(session: Session, kind: Kind, name: str, key: str) -> Rows:
    column = kind.field(name).accountview or ""
    return [(listing(ACCOUNTVIEW, kind), row) for row in session.accountview.find(kind.table, {column: key})]


def _readable(session: Session, where: Listing, row: dict[str, Any]) -> list[Record]:
    try:
        return where.read(row, session.policy)
    except Malformed:
        return []


def _referring(session: Session, link: Link) -> list[tuple[Record, str]]:
    """AccountView's records that refer to this one, of the flows that may write them to Crafter."""
    found = []
    for kind, name in referring(link.kind):
        if session.policy.writes(kind.flow, CRAFTER):
            for where, row in _find(session, kind, name, link.accountview):
                found += [(record, name) for record in _readable(session, where, row) if record.kind == kind.name]
    return found


def _point_again(store: Store, record: Record, name: str) -> None:
    """A linked record: that field counts as changed in AccountView, so that Crafter gets the new id."""
    link = store.links.one(record.kind, ACCOUNTVIEW, record.id)
    if link is not None and link.crafter and not link.gone:
        store.links.tell(link.id, {ACCOUNTVIEW: {name: None}})
        store.inbox.put(record, "plan")


def _forget_crafter_half(store: Store, link: Link, forever: bool) -> None:
    """It is made again, with what hangs on it; or, gone in AccountView as well, forgotten with all that."""
    hanging = [
        one
        for child in children(link.kind)
        for one in store.links.belonging(child.name, child.belongs_to, link.crafter)
    ]
    for one in [link, *hanging]:
        _forget_versions(store, one)
        store.problems.planned(_about(one))
        if forever:
            store.links.remove(one.id)
        else:
            store.links.point(one.id, CRAFTER, End())
    _forget_details(store, link)


def _forget_versions(store: Store, link: Link) -> None:
    """What was read of it is of a record that is there no more."""
    for made in listing(CRAFTER, KINDS[link.kind]).makes:
        store.inbox.remove(made.name, CRAFTER, link.crafter)


def _forget_details(store: Store, link: Link) -> None:
    """They are entered anew, and those that stand there count as sent."""
    for kind in (kind for kind in KINDS.values() if kind.details_of == link.kind):
        details = store.links.one(kind.name, CRAFTER, link.crafter)
        if details is not None:
            store.links.remove(details.id)
        store.links.adopt(link.kind, link.id)


# --- renumbered in AccountView


def follow_numbers(session: Session, kind: Kind, after: int) -> None:
    """Follow records that got another number in AccountView, so that they keep their identity in Crafter.

    A row knows nothing of the number it had. What shows it: a record without a link that bears the name of a linked
    one, and what else its kind goes by (behaviour 39), while AccountView no longer has that one's own number. Then the
    link takes the new number; the planning that follows tells Crafter. Two that could be meant are a question for a
    person. `after`: the inbox's newest number before this run read anything.
    """
    found = _vanished(session, kind, after)
    claims = Counter(link.id for links in found.values() for link in links)
    for number, links in found.items():
        sure = len(links) == 1 and claims[links[0].id] == 1
        chosen = links if sure else _pointed_out(session, kind, number, links)
        if len(chosen) == 1:
            _follow(session, kind, chosen[0], number)
        else:
            session.questions[kind.name, number] = ", ".join(sorted(link.accountview for link in links))


def _vanished(session: Session, kind: Kind, after: int) -> dict[str, list[Link]]:
    """Per new number the links it may be the new number of."""
    found: dict[str, list[Link]] = {}
    names: dict[str, str] = {}
    for number, link in session.store.links.namesakes(kind.name, after):
        record = session.store.inbox.one(kind.name, ACCOUNTVIEW, number)
        if record is None or _stands_in_crafter(session, kind, number) or session.decided.leaves(kind, record):
            continue
        if _is_the_same(session, kind, record, link):
            found.setdefault(number, []).append(link)
            names[link.accountview] = record.name
    there = _still_there(session, kind, names)
    for number, links in found.items():
        for said in (there[one.accountview] for one in links):
            if isinstance(said, Mapping):
                session.refused[kind.name, number] = said
    left = {number: [one for one in links if there[one.accountview] is False] for number, links in found.items()}
    return {number: links for number, links in left.items() if links}


def _stands_in_crafter(session: Session, kind: Kind, number: str) -> bool:
    """Whether a free record there bears that very number: then the two meet by it."""
    return bool(session.store.inbox.free((), session.policy.company, kind.name, CRAFTER, "key", number))


def _is_the_same(session: Session, kind: Kind, record: Record, link: Link) -> bool:
    """As its kind says, by what hangs on the linked one on either side too."""
    store, beside = session.store, []
    for child in _in_its_row(kind):
        beside += [
            replace(record, fields=one.told(ACCOUNTVIEW)) for one in store.links.in_row(child.name, link.accountview)
        ]
        beside += store.inbox.by("owner", child.name, CRAFTER, link.crafter)
    asks = {Ask("link", one.ref, ACCOUNTVIEW, record.fields[one.name] or "") for one in kind.fields if one.ref}
    known = Known(session.policy, session.refs.answer(asks))
    return kind.moved is not None and kind.moved(record, link, beside, known)


def _still_there(session: Session, kind: Kind, names: Mapping[str, str]) -> dict[str, bool | Mapping[str, Any]]:
    """Whether AccountView still has each of these keys, or what it said instead; where many bear one name they are
    asked for together."""
    there: dict[str, bool | Mapping[str, Any]] = {}
    for name, count in Counter(names.values()).items():
        there |= dict.fromkeys(_named(session, kind, name) if count > 1 else (), True)
    for key in names.keys() - there.keys():
        try:
            there[key] = RETIRED not in key and session.accountview.by_key(kind.table, key) is not None
        except RecordUnavailable as error:
            there[key] = error.params
    return there


def _named(session: Session, kind: Kind, name: str) -> set[str]:
    """The keys of all that bear a name; none where it cannot be asked for."""
    try:
        rows = session.accountview.find(kind.table, {kind.field("name").accountview or "": name})
    except (Malformed, RecordUnavailable):
        return set()
    where = listing(ACCOUNTVIEW, kind)
    return {one.id for row in rows for one in _readable(session, where, row) if one.kind == kind.name}


def _in_its_row(kind: Kind) -> list[Kind]:
    return [child for child in children(kind.name) if child.table == kind.name]


def _pointed_out(session: Session, kind: Kind, number: str, links: list[Link]) -> list[Link]:
    """A person's answer to the question: the one that was given the new number in Crafter."""
    told = session.store.inbox.get(kind.name, CRAFTER, [link.crafter for link in links])
    return [link for link in links if link.crafter in told and told[link.crafter].record.key == number]


def _follow(session: Session, kind: Kind, link: Link, number: str) -> None:
    """The links of the record and of what stands in its row get the new number; planning then brings Crafter up to
    date."""
    record = _now(session, kind, session.fetch(kind, CRAFTER, link.crafter))
    if record is None:
        return
    hanging: list[Record] = []
    for child in _in_its_row(kind):
        field = child.field(child.belongs_to).crafter or ""
        rows = session.crafter.find(child.resource, {field: link.crafter})
        hanging += [one for row in rows if (one := _now(session, child, row))]
    with session.store.transaction():
        session.store.links.rename(link.id, number)
        for child in _in_its_row(kind):
            for linked in session.store.links.in_row(child.name, link.accountview):
                _follow_child(session.store, linked, number, hanging)
        session.store.inbox.put(record, "plan")
        for version in hanging:
            of, known = KINDS[version.kind], session.store.links.one(version.kind, CRAFTER, version.id)
            fate = "plan" if known else (of.fate or of.usual_fate)(version, session.policy)
            if fate != "drop":
                session.store.inbox.put(version, fate)


def _now(session: Session, kind: Kind, row: dict[str, Any] | None) -> Record | None:
    try:
        return read_one(session, kind, CRAFTER, row)
    except Malformed:
        return None


def _follow_child(store: Store, link: Link, number: str, there: Sequence[Record]) -> None:
    new = f"{number}:{link.accountview.partition(':')[2]}"
    if store.links.one(link.kind, ACCOUNTVIEW, new) is not None:
        return
    store.links.rename(link.id, new)
    if link.crafter not in {record.id for record in there}:
        store.links.point(link.id, CRAFTER, End())  # deleted in Crafter meanwhile: it comes back
    if store.inbox.one(link.kind, ACCOUNTVIEW, new) is None:
        store.links.set_gone(link.id, True)


# --- a state that is older than what was done with it: lost, or put back from a backup (behaviour 2 and 4)


def look_back(store: Store, before: Holder, now: str, put_back: bool) -> Holder:
    """What the lock file must say from now on. Where it tells of a later run than state.db knows, or of another
    state.db, this one was put back, as it was when somebody says so (`put_back`).

    What was made since is found again by reference and number, like a first meeting. Details bear no reference, so
    equal ones count as sent where AccountView says that something was changed since (behaviour 41).
    """
    known = store.cached("identity")
    mine = known if isinstance(known, str) else secrets.token_hex(8)
    another = known is not None and before.identity not in ("", mine)
    older = another or (before.identity == mine and before.run > store.last_run_number())
    with store.transaction():
        if mine != known:
            store.cache("identity", mine, now)
        if older or put_back:
            log.warning("state.db was put back: everything is read anew")
            store.read_anew(with_details())
        if older:
            store.skip_runs(before.run)
    return before._replace(identity=mine, run=store.last_run_number())


def notice_strays(store: Store, company: str) -> None:
    """After reading: records that bear our mark, but that no link and no intent knows, were made after this state.

    That shows even when the whole folder was put back. The old watermarks went back with it, so all that changed since
    has been read already.
    """
    if any(store.links.some(name) for name in with_details()) and store.inbox.strays(company):
        log.warning("there are records of ours that state.db does not know: it was put back from a backup")
        with store.transaction():
            for name in with_details():
                store.links.adopt(name)
