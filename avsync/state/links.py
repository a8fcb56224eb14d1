"""The links: which record here is which record there, and what each side told when they were last in step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from avsync.records.kind import LinkView
from avsync.records.values import Canonical, Side
from avsync.state.db import ONE_STATEMENT

_COLUMNS = "id, kind, accountview, crafter, accountview_base, crafter_base, origin, adopted, gone, parent"


class Links:
    """Reads and writes the table `links`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def by_side(self, kind: str, side: Side, ids: Iterable[str]) -> dict[str, LinkView]:
        """Links of these ids on one side, by that id."""
        found = self._select(f"kind = ? AND {side} IN", (kind,), list(ids))
        return {link.accountview if side == "accountview" else link.crafter: link for link in found}

    def by_parent(self, kind: str, parents: Iterable[str]) -> list[LinkView]:
        """Links whose parent (a Crafter id) is one of these."""
        return self._select("kind = ? AND parent != '' AND parent IN", (kind,), list(parents))

    def by_id(self, identity: int) -> LinkView | None:
        """The link, unless it has been removed since."""
        row = self.db.execute(f"SELECT {_COLUMNS} FROM links WHERE id = ?", [identity]).fetchone()
        return _view(row) if row else None

    def fingerprints(self, kind: str, side: Side, ids: Sequence[str]) -> dict[str, str]:
        """The fingerprint of the version last taken in, by id, for live links only: what makes a full pass cheap."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            marks = ",".join("?" * len(part))
            sql = f"SELECT {side}, {side}_hash FROM links WHERE kind = ? AND {side} IN ({marks}) AND gone = 0"
            found.update(self.db.execute(sql, [kind, *part]).fetchall())
        return found

    def _select(self, condition: str, first: tuple[Any, ...], ids: list[str]) -> list[LinkView]:
        found: list[LinkView] = []
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            sql = f"SELECT {_COLUMNS} FROM links WHERE {condition} ({','.join('?' * len(part))})"
            found += [_view(row) for row in self.db.execute(sql, [*first, *part])]
        return found

    def add(
        self,
        kind: str,
        accountview: str | None,
        crafter: str | None,
        bases: tuple[Mapping[str, Canonical] | None, Mapping[str, Canonical] | None],
        origin: Side,
        adopted: bool = False,
        parent: str = "",
        prints: tuple[str, str] = ("", ""),
    ) -> int:
        """Add a link; sqlite3.IntegrityError when either id is linked already: a link never points at two records.

        `prints`: the fingerprints of the two rows it was made from, so that a full pass need not look at them again.
        """
        cursor = self.db.execute(
            "INSERT INTO links (kind, accountview, crafter, accountview_base, crafter_base, origin, adopted, parent,"
            " accountview_hash, crafter_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [kind, accountview, crafter, _dump(bases[0]), _dump(bases[1]), origin, int(adopted), parent,
             prints[0] or None, prints[1] or None],
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def set_base(self, identity: int, side: Side, values: Mapping[str, Canonical]) -> None:
        """Remember what one side tells now, for these fields."""
        link = self.by_id(identity)
        if link is None:
            return
        base = link.accountview_base if side == "accountview" else link.crafter_base
        sql = f"UPDATE links SET {side}_base = ? WHERE id = ?"
        self.db.execute(sql, [_dump({**(base or {}), **values}), identity])

    def set_id(self, identity: int, side: Side, value: str | None) -> None:
        """Point one end at another record, or at none while it is made again."""
        sql = f"UPDATE links SET {side} = ?, {side}_base = NULL, {side}_hash = NULL WHERE id = ?"
        self.db.execute(sql, [value, identity])

    def rename(self, identity: int, accountview: str) -> None:
        """The record got another key in AccountView, and so it is not gone; everything else stays."""
        sql = "UPDATE links SET accountview = ?, accountview_hash = NULL, gone = 0 WHERE id = ?"
        self.db.execute(sql, [accountview, identity])

    def namesakes(self, after: int) -> list[tuple[str, LinkView]]:
        """AccountView customers without a link, each with a linked one of the same name.

        Those waiting to be planned, and of the others those that came into the inbox after this sequence number.
        """
        columns = ", ".join(f"links.{name}" for name in _COLUMNS.split(", "))
        sql = (
            f"SELECT inbox.id, {columns} FROM inbox JOIN links ON links.kind = 'customer'"
            " AND json_extract(links.accountview_base, '$.name') = json_extract(inbox.record, '$.name')"
            " WHERE inbox.seq IN (SELECT seq FROM inbox INDEXED BY inbox_plan"
            " WHERE kind = 'customer' AND side = 'accountview' AND fate = 'plan'"
            " UNION SELECT seq FROM inbox WHERE seq > ? AND +kind = 'customer' AND +side = 'accountview')"
            " AND links.crafter IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM links own WHERE own.kind = 'customer' AND own.accountview = inbox.id) ORDER BY inbox.seq"
        )
        return [(row[0], _view(row[1:])) for row in self.db.execute(sql, [after])]

    def set_fingerprints(self, kind: str, side: Side, pairs: Iterable[tuple[str, str]]) -> None:
        """(fingerprint, id) of the versions taken in."""
        sql = f"UPDATE links SET {side}_hash = ? WHERE kind = '{kind}' AND {side} = ?"
        self.db.conn.executemany(sql, list(pairs))

    def written(self, link: LinkView, side: Side) -> None:
        """We wrote to this side: the version last read there is no longer the one that stands there."""
        kind, key = link.kind, link.end(side)
        if kind == "location" and side == "accountview":
            kind, key = "customer", key.rpartition(":")[0]
        self.db.execute(f"UPDATE links SET {side}_hash = NULL WHERE kind = ? AND {side} = ?", [kind, key])

    def forget_fingerprints(self, kinds: Sequence[str]) -> None:
        """The config changed what these kinds mean: every version counts as new once."""
        marks = ",".join("?" * len(kinds))
        sql = f"UPDATE links SET accountview_hash = NULL, crafter_hash = NULL WHERE kind IN ({marks})"
        self.db.execute(sql, list(kinds))

    def set_gone(self, identity: int, gone: bool) -> None:
        """Deleted in AccountView: nothing is sent for it again, until it turns up there once more."""
        self.db.execute("UPDATE links SET gone = ?, accountview_hash = NULL WHERE id = ?", [int(gone), identity])

    def set_parent(self, identity: int, parent: str) -> None:
        """The Crafter id of the record it belongs to."""
        self.db.execute("UPDATE links SET parent = ? WHERE id = ?", [parent, identity])

    def mark_adopted(self, kind: str) -> None:
        """After a roll-back of state.db nobody knows which lines were sent: equal ones count as sent (behaviour 4)."""
        self.db.execute("UPDATE links SET adopted = 1 WHERE kind = ?", [kind])

    def set_adopted(self, identity: int) -> None:
        """Nobody knows any more which lines of this order were sent: equal ones count as sent (behaviour 4)."""
        self.db.execute("UPDATE links SET adopted = 1 WHERE id = ?", [identity])

    def remove(self, identity: int) -> None:
        """Forget a link: the record is gone on both sides."""
        self.db.execute("DELETE FROM links WHERE id = ?", [identity])

    def count(self, kind: str) -> int:
        """How many records of a kind are linked on both sides."""
        sql = "SELECT count(*) FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL"
        return int(self.db.execute(sql, [kind]).fetchone()[0])

    def some(self, kind: str) -> bool:
        """Whether any record of a kind is linked on both sides; cheap at any number of links, as `count` is not."""
        sql = "SELECT 1 FROM links WHERE kind = ? AND gone = 0 AND crafter IS NOT NULL LIMIT 1"
        return self.db.execute(sql, [kind]).fetchone() is not None

    def unseen(self, kind: str, side: Side) -> list[LinkView]:
        """Live links of a kind that the last full listing (temp table `seen`) did not show."""
        sql = (
            f"SELECT {_COLUMNS} FROM links WHERE kind = ? AND gone = 0 AND {side} IS NOT NULL"
            f" AND {side} NOT IN (SELECT id FROM temp.seen)"
        )
        return [_view(row) for row in self.db.execute(sql, [kind])]


def _dump(values: Mapping[str, Canonical] | None) -> str | None:
    return None if values is None else json.dumps(dict(values), ensure_ascii=False)


def _view(row: Sequence[Any]) -> LinkView:
    identity, kind, accountview, crafter, av_base, cr_base, origin, adopted, gone, parent = row
    return LinkView(
        identity, kind, accountview or "", crafter or "",
        json.loads(av_base) if av_base else None, json.loads(cr_base) if cr_base else None,
        origin, bool(adopted), bool(gone), parent,
    )  # fmt: skip
