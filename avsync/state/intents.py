"""Writes that were announced before they were sent, until their outcome is known (law 1)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync.records.values import Side
from avsync.state.db import Database

_COLUMNS = (
    "kind, side, verb, record_side, record, key, name, reference, detail, link, sent_at, counted_from, reason, buried,"
    " id"
)


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was announced before it was sent. `record_side` and `record` name the version it was made from.

    `sent_at` by the clock of its service; its grace time goes from `counted_from`, which may be later. `buried`: the
    record was deleted since.
    """

    kind: str
    side: Side
    verb: str
    record_side: Side
    record: str
    key: str
    name: str
    reference: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    link: int | None = None
    sent_at: str = ""
    counted_from: str = ""
    reason: str = ""
    buried: bool = False
    id: int = 0


class Intents:
    """Reads and writes the table `intents`. A verb of `found` is a write that a look-up has found, kept until its
    record is linked: a run may die in between, and a record of ours that nothing here knew would look like a lost
    state."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def announce(self, intents: Sequence[Intent], run: int) -> list[int]:
        """Write down what is about to be sent; the caller commits before it sends."""
        return [self._announce(intent, run) for intent in intents]

    def _announce(self, intent: Intent, run: int) -> int:
        cursor = self.db.execute(
            f"INSERT INTO intents (run, {_COLUMNS}) VALUES (?{', ?' * 14}, NULL)",
            [run, intent.kind, intent.side, intent.verb, intent.record_side, intent.record, intent.key, intent.name,
             intent.reference, json.dumps(dict(intent.detail), ensure_ascii=False), intent.link, intent.sent_at,
             intent.counted_from or intent.sent_at, intent.reason, int(intent.buried)],
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def close(self, ids: Iterable[int]) -> None:
        """The outcome of these writes is known."""
        self.db.conn.executemany("DELETE FROM intents WHERE id = ?", [(one,) for one in ids])

    def doubt(self, identity: int, reason: str, gave_up: str = "") -> None:
        """The outcome of this write is unknown until a look-up settles it; its grace time begins at `gave_up`."""
        sql = "UPDATE intents SET reason = ?, counted_from = max(counted_from, ?) WHERE id = ?"
        self.db.execute(sql, [reason, gave_up, identity])

    def count_from(self, ids: Iterable[int], now: str) -> None:
        """The grace time of these writes begins now: they may be sent only now, or nobody knows how long ago it was."""
        self.db.conn.executemany("UPDATE intents SET counted_from = ? WHERE id = ?", [(now, one) for one in ids])

    def found(self, identity: int) -> None:
        """A look-up found what this write left, so its outcome is known."""
        self.db.execute("UPDATE intents SET verb = 'found' WHERE id = ?", [identity])

    def that_made(self, kind: str, side: Side, record: str) -> Intent | None:
        """The write that made this record's counterpart, where a look-up found it."""
        return next(iter(self._select("verb = 'found' AND kind = ? AND record_side = ? AND record = ?",
                                      [kind, side, record])), None)  # fmt: skip

    def announced(self, kind: str, side: Side) -> set[str]:
        """Records of which a write is open, or was found and not linked yet: they are not dropped for what happens to
        them meanwhile (behaviour 44)."""
        sql = "SELECT record FROM intents WHERE kind = ? AND record_side = ?"
        return {str(row[0]) for row in self.db.execute(sql, [kind, side])}

    def bury(self, kind: str, side: Side, record: str) -> bool:
        """The record was deleted while a write of it is open; False when there is none."""
        sql = "UPDATE intents SET buried = 1 WHERE kind = ? AND record_side = ? AND record = ? AND verb != 'update'"
        return bool(self.db.execute(sql, [kind, side, record]).rowcount)

    def bury_unseen(self, kind: str, side: Side, within: bool, years: Collection[str] | None) -> None:
        """The same of all that the last full listing (temp table `seen`) did not show; `within` and `years` as in the
        inbox."""
        row = "substr(record, 1, instr(record, ':') - 1)" if within else "record"
        sql = (
            "UPDATE intents SET buried = 1 WHERE kind = ? AND record_side = ? AND verb != 'update'"
            f" AND {row} NOT IN (SELECT id FROM temp.seen)"
            " AND (? OR substr(json_extract(detail, '$.day'), 1, 4) IN (SELECT value FROM json_each(?)))"
        )
        self.db.execute(sql, [kind, side, years is None, json.dumps(sorted(years or ()))])

    def unbury(self, kind: str, side: Side, records: Iterable[str]) -> None:
        """They are there after all."""
        sql = "UPDATE intents SET buried = 0 WHERE kind = ? AND record_side = ? AND record = ? AND buried = 1"
        self.db.conn.executemany(sql, [(kind, side, one) for one in records])

    def buried(self, kind: str, side: Side, record: str) -> bool:
        """Whether it was deleted while a write of it was open."""
        sql = "SELECT 1 FROM intents WHERE kind = ? AND record_side = ? AND record = ? AND buried = 1"
        return self.db.execute(sql, [kind, side, record]).fetchone() is not None

    def forget_found(self) -> None:
        """Writes that were found have served once their record is linked, or is no longer there."""
        self.db.execute(
            "DELETE FROM intents WHERE verb = 'found' AND ("
            " EXISTS (SELECT 1 FROM links WHERE links.kind = intents.kind AND accountview IS NOT NULL"
            "  AND crafter IS NOT NULL AND intents.record IN (accountview, crafter))"
            " OR NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.kind = intents.kind AND inbox.side = intents.record_side"
            "  AND inbox.id = intents.record))"
        )

    def open(self, kind: str | None = None) -> list[Intent]:
        """Writes whose outcome is not known, oldest first."""
        return self._select("verb != 'found' AND kind = coalesce(?, kind)", [kind])

    def held(self, kind: str) -> set[tuple[Side, str]]:
        """Records with an open intent: they are not planned before it is settled."""
        sql = "SELECT record_side, record FROM intents WHERE kind = ? AND verb != 'found'"
        return {(row[0], row[1]) for row in self.db.execute(sql, [kind])}

    def held_links(self, kind: str) -> set[int]:
        """Links with an open intent: neither end is planned before it is settled."""
        sql = "SELECT link FROM intents WHERE kind = ? AND link IS NOT NULL AND verb != 'found'"
        return {int(row[0]) for row in self.db.execute(sql, [kind])}

    def _select(self, condition: str, values: Sequence[Any]) -> list[Intent]:
        rows = self.db.execute(f"SELECT {_COLUMNS} FROM intents WHERE {condition} ORDER BY id", list(values))
        return [_intent(row) for row in rows]


def _intent(row: Sequence[Any]) -> Intent:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Intent(**{**named, "detail": json.loads(named["detail"]), "buried": bool(named["buried"])})
