"""The links: which record here is which record there, and what each side told when they were last in step."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from avsync.records.kind import BOTH, RETIRED, End, Link
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side
from avsync.state.db import ONE_STATEMENT

_COLUMNS = (
    "id, kind, origin, adopted, gone, accountview, accountview_told, accountview_print, crafter, crafter_told,"
    " crafter_print"
)


class Links:
    """Reads and writes the table `links`: of each side its id, what it told and the fingerprint of its row."""

    def __init__(self, db: Database) -> None:
        self.db = db

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

    def _select(self, condition: str, first: tuple[Any, ...], ids: list[str]) -> list[Link]:
        found: list[Link] = []
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            sql = f"SELECT {_COLUMNS} FROM links WHERE {condition} ({','.join('?' * len(part))})"
            found += [_link(row) for row in self.db.execute(sql, [*first, *part])]
        return found

    def add(self, link: Link) -> int:
        """Add a link; sqlite3.IntegrityError when either id is linked already: a link never points at two records."""
        ends = [part for side in BOTH for part in _row(link.end[side])]
        sql = f"INSERT INTO links ({_COLUMNS}) VALUES (NULL{', ?' * 10})"
        cursor = self.db.execute(sql, [link.kind, link.origin, int(link.adopted), int(link.gone), *ends])
        return int(cursor.lastrowid or 0)

    def tell(self, identity: int, told: Mapping[Side, Mapping[str, Canonical]], freed: Collection[str] = ()) -> None:
        """Remember what either side tells now, for these fields, and forget the `freed` ones."""
        link = self.by_id(identity) if any(told.values()) else None
        for side, values in told.items() if link else ():
            if values:
                before = {name: value for name, value in link.told(side).items() if name not in freed} if link else {}
                sql = f"UPDATE links SET {side}_told = ? WHERE id = ?"
                self.db.execute(sql, [_dump({**before, **values}), identity])

    def point(self, identity: int, side: Side, end: End) -> None:
        """Point one end at another record, or at none while it is made again."""
        sql = f"UPDATE links SET {side} = ?, {side}_told = ?, {side}_print = ? WHERE id = ?"
        self.db.execute(sql, [*_row(end), identity])

    def rename(self, identity: int, accountview: str) -> None:
        """The record got another key in AccountView, and so it is not gone; everything else stays."""
        sql = "UPDATE links SET accountview = ?, accountview_print = NULL, gone = 0 WHERE id = ?"
        self.db.execute(sql, [accountview, identity])

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
        self.db.execute("UPDATE links SET gone = ?, accountview_print = NULL WHERE id = ?", [int(gone), identity])

    def adopt(self, kind: str, identity: int | None = None) -> None:
        """Nobody knows any more what was sent under this link, or under any of a kind: what is equal counts as sent
        (behaviour 4)."""
        sql = "UPDATE links SET adopted = 1 WHERE kind = ? AND (id = ? OR ? IS NULL)"
        self.db.execute(sql, [kind, identity, identity])

    def remove(self, identity: int) -> None:
        """Forget a link: the record is gone on both sides."""
        self.db.execute("DELETE FROM links WHERE id = ?", [identity])

    def count(self, kind: str, parts: bool = False) -> int:
        """How many records of a kind are linked on both sides, or how many parts those have."""
        each = "sum((SELECT count(*) FROM json_each(crafter_told)))" if parts else "count(*)"
        sql = f"SELECT coalesce({each}, 0) FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL"
        return int(self.db.execute(sql, [kind]).fetchone()[0])

    def some(self, kind: str) -> bool:
        """Whether any record of a kind is linked on both sides; cheap at any number of links, as `count` is not."""
        sql = "SELECT 1 FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL LIMIT 1"
        return self.db.execute(sql, [kind]).fetchone() is not None

    def unseen(self, kind: str, side: Side) -> list[Link]:
        """Live links of a kind that the last full listing (temp table `seen`) did not show."""
        sql = (
            f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND gone = 0 AND {side} IS NOT NULL"
            f" AND {side} NOT IN (SELECT id FROM temp.seen)"
        )
        return [_link(row) for row in self.db.execute(sql, [kind])]


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
