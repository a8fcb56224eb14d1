"""The links: which record here is which record there, and what each side told when they were last in step."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from avsync.records.kind import BOTH, RETIRED, End, Kind, Link
from avsync.records.registry import KINDS, part_of, title_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side
from avsync.state.db import ONE_STATEMENT, Database
from avsync.state.events import Change, Event, Events, Ids

_COLUMNS = (
    "id, kind, origin, adopted, gone, accountview, accountview_told, accountview_print, crafter, crafter_told,"
    " crafter_print"
)


class Links:
    """Reads and writes the table `links`: of each side its id, what it told and the fingerprint of its row.

    Whatever becomes of a record becomes of its link, so this is where its trail is written.
    """

    def __init__(self, db: Database, events: Events) -> None:
        self.db = db
        self._events = events

    def by_side(self, kind: str, side: Side, ids: Iterable[str]) -> dict[str, Link]:
        """Links of these ids on one side, by that id."""
        return {link.end[side].id: link for link in self._select(f"kind = ? AND {side} IN", (kind,), list(ids))}

    def one(self, kind: str, side: Side, identity: str) -> Link | None:
        """The link of this id on one side."""
        return self.by_side(kind, side, [identity]).get(identity)

    def belonging(self, kind: str, field: str, owner: str) -> list[Link]:
        """Links of a kind of which Crafter told that they belong to this Crafter id."""
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND json_extract(crafter_told, '$.{field}') = ?"
        return [_link(row) for row in self.db.execute(sql, [kind, owner])]

    def in_row(self, kind: str, key: str) -> list[Link]:
        """Links of what stands in the AccountView row of this key: their ids begin with it and a colon."""
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND accountview > ? AND accountview < ?"
        return [_link(row) for row in self.db.execute(sql, [kind, f"{key}:", f"{key};"])]

    def by_id(self, identity: int) -> Link | None:
        """The link, unless it has been removed since."""
        row = self.db.execute(f"SELECT {_COLUMNS} FROM links WHERE id = ?", [identity]).fetchone()
        return _link(row) if row else None

    def fingerprints(self, kind: str, side: Side, ids: Sequence[str]) -> dict[str, str]:
        """The fingerprint of the version last taken in, by id, for live links only: what makes a full pass cheap."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            marks = ",".join("?" * len(part))
            sql = f"SELECT {side}, {side}_print FROM links WHERE kind = ? AND {side} IN ({marks}) AND gone = 0"
            found.update(self.db.execute(sql, [kind, *part]).fetchall())
        return found

    def called(self, key: str) -> set[Ids]:
        """The linked records that people know by this number or code in Crafter, in any case."""
        found: set[Ids] = set()
        for kind in KINDS.values() if key else ():
            for name in kind.known_by:
                sql = (
                    "SELECT kind, coalesce(accountview, ''), coalesce(crafter, '') FROM links"
                    f" WHERE kind = ? AND json_extract(crafter_told, '$.{name}') = ? COLLATE NOCASE"
                )
                found |= {(row[0], row[1], row[2]) for row in self.db.execute(sql, [kind.name, key])}
        return found

    def _select(self, condition: str, first: tuple[Any, ...], ids: list[str]) -> list[Link]:
        found: list[Link] = []
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            sql = f"SELECT {_COLUMNS} FROM links WHERE {condition} ({','.join('?' * len(part))})"
            found += [_link(row) for row in self.db.execute(sql, [*first, *part])]
        return found

    def add(self, link: Link, made: Side | None = None, facts: Mapping[str, str] | None = None) -> int:
        """Add a link; sqlite3.IntegrityError when either id is linked already: a link never points at two records.

        `made`: the side on which its record was made just now; else the two were there and are adopted. `facts`: what
        people know it by, for the trail.
        """
        ends = [part for side in BOTH for part in _row(link.end[side])]
        sql = f"INSERT INTO links ({_COLUMNS}) VALUES (NULL{', ?' * 10})"
        cursor = self.db.execute(sql, [link.kind, link.origin, int(link.adopted), int(link.gone), *ends])
        if made is not None:
            self._record("create", made, link, _changes(link, made, {}), facts)
        elif link.accountview and link.crafter and not link.gone:
            self._record("adopt", "", link, facts=facts)
        return int(cursor.lastrowid or 0)

    def tell(
        self, identity: int, told: Mapping[Side, Mapping[str, Canonical]], wrote: Side | None = None,
        marked: bool = False, freed: Collection[str] = (), facts: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Remember what either side tells now, for these fields, and forget the `freed` ones. `wrote`: the side to
        which we wrote them; `marked`: and our mark with them."""
        link = self.by_id(identity) if any(told.values()) or marked else None
        if link is None:
            return
        ends = {side: _told_more(link.end[side], told.get(side, {}), freed) for side in BOTH}
        for side in told:
            if told[side]:
                sql = f"UPDATE links SET {side}_told = ? WHERE id = ?"
                self.db.execute(sql, [_dump(ends[side].told), identity])
        now = Link(link.kind, ends, link.origin, link.id)
        changes = _changes(now, wrote, {side: link.told(side) for side in BOTH}) if wrote else {}
        if wrote and (changes or marked):
            self._record("update", wrote, now, changes, facts)
        for details in _details(link, now, bool(wrote), freed):
            self._record(*details)

    def unlearn(self, identity: int, fields: Collection[str]) -> None:
        """The two never had these fields in common: each side tells them anew."""
        link = self.by_id(identity)
        for side in BOTH if link is not None else ():
            told = link.end[side].told if link is not None else None
            if told is not None:
                kept = {name: value for name, value in told.items() if name not in fields}
                self.db.execute(f"UPDATE links SET {side}_told = ? WHERE id = ?", [_dump(kept), identity])

    def point(self, identity: int, side: Side, end: End) -> None:
        """Point one end at another record that was made there, or at none until one is."""
        before = self.by_id(identity)
        found = ", lost = 0" if side == CRAFTER else ""
        sql = f"UPDATE links SET {side} = ?, {side}_told = ?, {side}_print = ?{found} WHERE id = ?"
        self.db.execute(sql, [*_row(end), identity])
        if before is not None and end.id:
            now = Link(before.kind, {**before.end, side: end}, before.origin, identity)
            self._record("create", side, now, _changes(now, side, {}))
        elif before is not None and before.end[side].id:
            self._record("gone", side, before)

    def rename(self, identity: int, accountview: str) -> None:
        """The record got another key in AccountView, and so it is not gone; everything else stays."""
        before = self.by_id(identity)
        sql = "UPDATE links SET accountview = ?, accountview_print = NULL, gone = 0 WHERE id = ?"
        self.db.execute(sql, [accountview, identity])
        if before is not None:
            end = End(accountview, before.end[ACCOUNTVIEW].told)
            now = Link(before.kind, {**before.end, ACCOUNTVIEW: end}, before.origin, identity)
            self._record("renumber", ACCOUNTVIEW, now, {"number": (before.accountview, accountview)})

    def namesakes(self, kind: str, after: int) -> list[tuple[str, Link]]:
        """AccountView's records of a kind without a link, each with a linked one of the same name.

        Those waiting to be planned, and of the others those that came into the inbox after this sequence number.
        """
        columns = ", ".join(f"links.{name}" for name in _COLUMNS.split(", "))
        sql = (
            f"SELECT inbox.id, {columns} FROM inbox JOIN links ON links.kind = inbox.kind"
            " AND json_extract(links.accountview_told, '$.name') = json_extract(inbox.record, '$.name')"
            " WHERE inbox.seq IN (SELECT seq FROM inbox INDEXED BY inbox_plan"
            " WHERE kind = ? AND side = 'accountview' AND fate = 'plan'"
            " UNION SELECT seq FROM inbox WHERE seq > ? AND +kind = ? AND +side = 'accountview')"
            " AND links.crafter IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM links own WHERE own.kind = inbox.kind AND own.accountview = inbox.id) ORDER BY inbox.seq"
        )
        return [(row[0], _link(row[1:])) for row in self.db.execute(sql, [kind, after, kind])]

    def set_fingerprints(self, kind: str, side: Side, pairs: Iterable[tuple[str, str]]) -> None:
        """(fingerprint, id) of the versions taken in."""
        sql = f"UPDATE links SET {side}_print = ? WHERE kind = ? AND {side} = ?"
        self.db.conn.executemany(sql, [(print_, kind, identity) for print_, identity in pairs])

    def written(self, kind: str, side: Side, identity: str) -> None:
        """We wrote to this row: the version last read there is no longer the one that stands there."""
        self.db.execute(f"UPDATE links SET {side}_print = NULL WHERE kind = ? AND {side} = ?", [kind, identity])

    def retire(self, link: Link, turn: int) -> None:
        """Its AccountView key was given out again, to another record: the link is gone, and lets go of the key. `turn`
        tells it from others that had the key; what stands in its row has the same."""
        key, _, which = link.accountview.partition(":")
        sql = "UPDATE links SET accountview = ?, accountview_print = NULL, gone = 1 WHERE id = ?"
        self.db.execute(sql, [f"{key}{RETIRED}{turn}{':' if which else ''}{which}", link.id])

    def retired(self, kind: str, key: str) -> list[Link]:
        """Links that had this AccountView key before, the latest first."""
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND accountview > ? AND accountview < ? ORDER BY id DESC"
        start = f"{key}{RETIRED}"
        return [_link(row) for row in self.db.execute(sql, [kind, start, start + "\U0010ffff"])]

    def set_gone(self, identity: int, gone: bool) -> None:
        """Deleted in AccountView: nothing is sent for it again, until it turns up there once more."""
        before = self.by_id(identity)
        self.db.execute("UPDATE links SET gone = ?, accountview_print = NULL WHERE id = ?", [int(gone), identity])
        if before is not None and before.gone != gone:
            self._record("gone" if gone else "back", ACCOUNTVIEW, before)

    def lose(self, identity: int) -> None:
        """Its Crafter half was deleted; what is to become of it is decided next (behaviour 11)."""
        self.db.execute("UPDATE links SET lost = 1 WHERE id = ?", [identity])

    def find_again(self, kind: str, ids: Iterable[str]) -> None:
        """These Crafter records are there after all."""
        sql = "UPDATE links SET lost = 0 WHERE kind = ? AND crafter = ? AND lost = 1"
        self.db.conn.executemany(sql, [(kind, one) for one in ids])

    def lost(self, kind: str) -> list[Link]:
        """Those whose Crafter half was deleted."""
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND lost = 1 ORDER BY id"
        return [_link(row) for row in self.db.execute(sql, [kind])]

    def adopt(self, kind: str, identity: int | None = None) -> None:
        """Nobody knows any more what was sent under this link, or under any of a kind: what is equal counts as sent
        (behaviour 4)."""
        sql = "UPDATE links SET adopted = 1 WHERE kind = ? AND (id = ? OR ? IS NULL)"
        self.db.execute(sql, [kind, identity, identity])

    def remove_halves(self, link: Link) -> None:
        """What is to be made again on the side across has been met there instead."""
        sql = (
            "DELETE FROM links WHERE kind = ? AND gone = 0"
            " AND (accountview = ? AND crafter IS NULL OR crafter = ? AND accountview IS NULL)"
        )
        self.db.execute(sql, [link.kind, link.accountview, link.crafter])

    def doubt(self, kinds: Iterable[str]) -> None:
        """The same of all of these kinds, until AccountView shows which were not changed since."""
        self.db.conn.executemany(
            "UPDATE links SET adopted = 2 WHERE kind = ? AND adopted = 0", [(one,) for one in kinds]
        )

    def doubt_no_more(self, kind: str, keys: Iterable[tuple[str, bool]]) -> None:
        """(key in AccountView, whether it was changed since)"""
        sql = "UPDATE links SET adopted = ? WHERE kind = ? AND accountview = ? AND adopted = 2"
        self.db.conn.executemany(sql, [(int(changed), kind, key) for key, changed in keys])

    def remove(self, identity: int, why: Literal["forget", "replaced"] = "forget") -> None:
        """Forget a link: its record is gone for good, or another takes its place."""
        before = self.by_id(identity) if why == "forget" else None
        self.db.execute("DELETE FROM links WHERE id = ?", [identity])
        if before is not None:
            self._record("forget", "", before)

    def knows(self, kind: str, known_by: Sequence[str], value: str) -> bool:
        """Whether a record of this kind is linked that people know by that value, in upper case: an id of either side,
        its name or one of these fields."""
        told = ["accountview", "crafter", "json_extract(accountview_told, '$.name')"]
        told += [f"json_extract(crafter_told, '$.{name}')" for name in ("name", *known_by)]
        condition = " OR ".join(f"upper({one}) = ?" for one in told)
        sql = f"SELECT 1 FROM links WHERE kind = ? AND ({condition}) LIMIT 1"
        return self.db.execute(sql, [kind, *([value] * len(told))]).fetchone() is not None

    def count(self, kind: str, parts: bool = False) -> int:
        """How many records of a kind are linked on both sides, or how many parts those have."""
        each = "sum((SELECT count(*) FROM json_each(crafter_told)))" if parts else "count(*)"
        sql = f"SELECT coalesce({each}, 0) FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL"
        return int(self.db.execute(sql, [kind]).fetchone()[0])

    def some(self, kind: str) -> bool:
        """Whether any record of a kind is linked on both sides; cheap at any number of links, as `count` is not."""
        sql = "SELECT 1 FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL LIMIT 1"
        return self.db.execute(sql, [kind]).fetchone() is not None

    def living(self, kind: str, side: Side) -> Iterator[Link]:
        """Those that have a record there."""
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND gone = 0 AND {side} IS NOT NULL"
        return (_link(row) for row in self.db.execute(sql, [kind]))

    def unseen(self, kind: str, side: Side) -> list[Link]:
        """Live links of a kind that the last full listing (temp table `seen`) did not show."""
        sql = (
            f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND gone = 0 AND {side} IS NOT NULL"
            f" AND {side} NOT IN (SELECT id FROM temp.seen)"
        )
        return [_link(row) for row in self.db.execute(sql, [kind])]

    def _record(
        self, action: str, side: str, link: Link, values: Mapping[str, Change] | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Details are told one by one, and by `tell` alone: their link is that of all of them."""
        kind = KINDS[link.kind]
        if kind.plan is not None and not values:
            return
        key = link.accountview if kind.known_by not in ((), ("id",)) else ""
        owner = (link.told(CRAFTER).get(kind.belongs_to) if kind.belongs_to else "") or ""
        name, ids = title_of(link), (link.accountview, link.crafter)
        said = {one: value for one, value in (facts or {}).items() if one in kind.facts}
        event = Event(kind.flow, link.kind, side, action, key, name, *ids, owner, values or {})
        self._events.record(replace(event, facts={**_facts(kind, link), **said}))


def _facts(kind: Kind, link: Link) -> dict[str, str]:
    """What the link itself tells of them; what refers to something in AccountView's words."""
    found: dict[str, str] = {}
    for one in (kind.field(name) for name in kind.facts):
        by_books = one.accountview is not None and bool(one.ref or one.list)
        found[one.name] = link.told(ACCOUNTVIEW if by_books else CRAFTER).get(one.name) or ""
    return {name: value for name, value in found.items() if value}


def _told_more(end: End, values: Mapping[str, Canonical], freed: Collection[str]) -> End:
    kept = {name: value for name, value in (end.told or {}).items() if name not in freed}
    return End(end.id, {**kept, **values}, end.fingerprint) if values else end


def _changes(now: Link, side: Side, before: Mapping[Side, Mapping[str, Canonical]]) -> dict[str, Change]:
    """What was written there, field by field; what refers to something in AccountView's words, which people know."""
    kind = KINDS[now.kind]
    found: dict[str, Change] = {}
    for one in kind.fields if kind.plan is None else ():
        shown: Side = ACCOUNTVIEW if one.accountview is not None and (one.ref or one.list) else side
        pair = (before.get(shown, {}).get(one.name), now.told(shown).get(one.name))
        if one.merged and pair[0] != pair[1]:
            found[one.name] = pair
    return found


def _details(
    before: Link, now: Link, wrote: bool, freed: Collection[str]
) -> Iterator[tuple[str, Side, Link, dict[str, Change]]]:
    """Of a kind that is written as details of another: each that we added or changed, or found standing there."""
    kind = KINDS[now.kind]
    moved = {before.told(CRAFTER).get(name) for name in freed}  # the same one, under another id
    for name, told in now.told(CRAFTER).items() if kind.values is not None else ():
        old = before.told(CRAFTER).get(name)
        if told != old and not (old is None and told in moved):
            was, says = part_of(kind, old), part_of(kind, told)
            values = {field: (was.get(field), value) for field, value in says.items() if was.get(field) != value}
            yield ("update" if old else "create") if wrote else "adopt", ACCOUNTVIEW, now, values


def _dump(values: Mapping[str, Canonical] | None) -> str | None:
    return None if values is None else json.dumps(dict(values), ensure_ascii=False)


def _row(end: End) -> list[str | None]:
    return [end.id or None, _dump(end.told), end.fingerprint or None]


def _end(identity: str | None, told: str | None, fingerprint: str | None) -> End:
    return End(identity or "", json.loads(told) if told else None, fingerprint or "")


def _link(row: Sequence[Any]) -> Link:
    number, kind, origin, adopted, gone = row[:5]
    ends = {ACCOUNTVIEW: _end(*row[5:8]), CRAFTER: _end(*row[8:])}
    return Link(kind, ends, origin, number, bool(adopted), bool(gone))
