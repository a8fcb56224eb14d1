"""The inbox: the newest version of every record that still has to be planned, or is kept as a candidate for matching.

A version stands here from the moment it was read until it is in step, so a crash, a budget that is gone, a problem or a
missing parent loses nothing and costs no second read; the watermark may move as soon as a listing is complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from avsync.records.values import Record, Side, of_other_company, other
from avsync.state.db import ONE_STATEMENT, Database

_NAMES = tuple(one.name for one in fields(Record))
_UNKNOWN = (
    "NOT ({0}.side = 'crafter' AND EXISTS"
    " (SELECT 1 FROM links WHERE links.kind = {0}.kind AND links.crafter = {0}.id))"
    " AND NOT ({0}.side = 'accountview' AND EXISTS"
    " (SELECT 1 FROM links WHERE links.kind = {0}.kind AND links.accountview = {0}.id))"
    " AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.kind = {0}.kind AND intents.reference = one.reference)"
    " AND NOT EXISTS (SELECT 1 FROM decisions WHERE decisions.kind = {0}.kind"  # it bears it from a link of before
    " AND {0}.id = CASE {0}.side WHEN 'crafter' THEN decisions.crafter ELSE decisions.accountview END)"
)
_COPY = (  # it names a record that is linked to another living one (behaviour 40)
    "EXISTS (SELECT 1 FROM links WHERE links.kind = one.kind AND links.accountview = substr(one.reference,"
    " length(?) + length(one.kind) + 6) AND links.gone = 0 AND links.crafter IS NOT NULL)"
)
_STRAY = (
    "SELECT 1 FROM inbox AS one WHERE one.reference != ''"
    f" AND {_UNKNOWN.format('one')} AND (one.side = 'crafter' AND one.fate = 'plan' AND one.reference LIKE 'av:' || ?"
    f" || ':%' AND NOT {_COPY}"
    " OR EXISTS (SELECT 1 FROM inbox AS pair WHERE pair.kind = one.kind AND pair.side != one.side"
    f" AND pair.mark = one.reference AND pair.mark != '' AND {_UNKNOWN.format('pair')})) LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the inbox; `seq` grows with every newer version. `rests`: the mark under which it was found to
    wait."""

    seq: int
    fate: str
    record: Record
    rests: str = ""


class Inbox:
    """Reads and writes the table `inbox`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def put(self, record: Record, fate: str) -> None:
        """Take in a version; an older one of the same record gives way. One that says the same waits as that did."""
        self.db.execute(
            "INSERT OR REPLACE INTO inbox (side, kind, id, key, alike, reference, mark, owner, fate, record, rests)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, coalesce((SELECT rests FROM inbox WHERE kind = ?2"
            " AND side = ?1 AND id = ?3 AND fate = ?9 AND record = ?10), ''))",
            [record.side, record.kind, record.id, record.key, record.alike, record.reference, record.mark, record.owner,
             fate, json.dumps({name: getattr(record, name) for name in _NAMES}, ensure_ascii=False)],
        )  # fmt: skip

    def page(
        self, kind: str, side: Side, after: int, until: int, size: int, resting: Collection[str] = ()
    ) -> list[Entry]:
        """The next versions to plan, oldest first, without those that rest under one of these marks."""
        sql = (
            "SELECT seq, fate, record, rests FROM inbox WHERE kind = ? AND side = ? AND seq > ? AND seq <= ?"
            f" AND fate = 'plan'{_without(resting)} ORDER BY seq LIMIT ?"
        )
        return [_entry(row) for row in self.db.execute(sql, [kind, side, after, until, *resting, size])]

    def rest(self, pairs: Iterable[tuple[str, int]]) -> None:
        """(mark, sequence number) of versions that need not be planned again as long as that mark holds; an empty one
        ends it."""
        self.db.conn.executemany("UPDATE inbox SET rests = ? WHERE seq = ?", pairs)

    def wake(self, kind: str, side: Side, identity: str) -> None:
        """Whatever that version rests under, it is planned again."""
        sql = "UPDATE inbox SET rests = '' WHERE kind = ? AND side = ? AND id = ? AND rests != ''"
        self.db.execute(sql, [kind, side, identity])

    def wake_all(self) -> None:
        """The same of everything."""
        self.db.execute("UPDATE inbox SET rests = '' WHERE rests != ''")

    def marks(self, kind: str) -> list[str]:
        """The marks under which versions of a kind rest, whether they still hold or not."""
        sql, found = "SELECT min(rests) FROM inbox WHERE kind = ? AND rests > ? AND rests != ''", [""]
        while (one := self.db.execute(sql, [kind, found[-1]]).fetchone()[0]) is not None:
            found.append(str(one))
        return found[1:]

    def resting(self, kind: str, marks: Collection[str]) -> int:
        """How many rest under these."""
        sql = f"SELECT count(*) FROM inbox WHERE kind = ? AND rests IN ({_places(marks)}) AND rests != ''"
        return int(self.db.execute(sql, [kind, *marks]).fetchone()[0])

    def epoch(self) -> int:
        """Another one as soon as a link, a version, an intent or a known absence is another."""
        return int(self.db.execute("SELECT planning FROM epoch").fetchone()[0])

    def newest(self) -> int:
        """The highest sequence number so far."""
        return int(self.db.execute("SELECT coalesce(max(seq), 0) FROM inbox").fetchone()[0])

    def get(self, kind: str, side: Side, ids: Sequence[str]) -> dict[str, Entry]:
        """The versions of these records that are here."""
        return {entry.record.id: entry for entry in self._where("id", kind, side, ids)}

    def one(self, kind: str, side: Side, identity: str) -> Record | None:
        """The version of this record, if it is here."""
        found = self.get(kind, side, [identity]).get(identity)
        return found.record if found else None

    def by(self, column: str, kind: str, side: Side, value: str) -> list[Record]:
        """Candidates for a first meeting: `column` is key, alike, reference, mark or owner; nothing matches nothing."""
        return [entry.record for entry in self._where(column, kind, side, [value])] if value else []

    def free(
        self, taken: Collection[tuple[Side, str]], company: str, kind: str, side: Side, column: str, value: str
    ) -> list[Record]:
        """Those of them that no link joins to another, that are not taken by now, and that bear no other company's
        mark. One that is to be made again on the side across is free as well."""
        found = [entry.record for entry in self._where(column, kind, side, [value])] if value else []
        sql = f"SELECT 1 FROM links WHERE kind = ? AND {side} = ? AND (gone = 1 OR {other(side)} IS NOT NULL)"
        mine = [one for one in found if (side, one.id) not in taken and not of_other_company(one.reference, company)]
        return [one for one in mine if not self.db.execute(sql, [kind, one.id]).fetchone()]

    def _where(self, column: str, kind: str, side: Side, values: Sequence[str]) -> list[Entry]:
        found: list[Entry] = []
        for start in range(0, len(values), ONE_STATEMENT):
            part = values[start : start + ONE_STATEMENT]
            marks = ",".join("?" * len(part))
            sql = (  # the condition on != '' lets SQLite use the partial indexes
                f"SELECT seq, fate, record FROM inbox WHERE kind = ? AND side = ? AND {column} IN ({marks})"
                f" AND {column} != '' ORDER BY seq"
            )
            found += [_entry(row) for row in self.db.execute(sql, [kind, side, *part])]
        return found

    def done(self, entries: Iterable[Entry]) -> None:
        """These versions are in step; a newer version that came meanwhile stays."""
        self.db.conn.executemany("DELETE FROM inbox WHERE seq = ?", [(entry.seq,) for entry in entries])

    def remove(self, kind: str, side: Side, identity: str) -> None:
        """The record is no longer there."""
        self.db.execute("DELETE FROM inbox WHERE kind = ? AND side = ? AND id = ?", [kind, side, identity])

    def set_fate(self, seq: int, fate: str) -> None:
        """Plan a kept version, or keep a planned one."""
        self.db.execute("UPDATE inbox SET fate = ?, rests = '' WHERE seq = ?", [fate, seq])

    def knows(self, kind: str, known_by: Sequence[str], value: str) -> bool:
        """Whether a version of this kind is known to people by that value, in upper case: key, id, name, fact or one of
        these fields."""
        told = ["key", "id", "json_extract(record, '$.name')", "json_extract(record, '$.facts.own_number')"]
        told += [f"json_extract(record, '$.fields.{name}')" for name in known_by]
        condition = " OR ".join(f"upper({one}) = ?" for one in told)
        sql = f"SELECT 1 FROM inbox WHERE kind = ? AND ({condition}) LIMIT 1"
        return self.db.execute(sql, [kind, *([value] * len(told))]).fetchone() is not None

    def fates(self, kind: str, side: str, ids: Sequence[str]) -> dict[str, str]:
        """What is to become of the versions of these records that are here."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            sql = f"SELECT id, fate FROM inbox WHERE kind = ? AND side = ? AND id IN ({','.join('?' * len(part))})"
            found |= dict(self.db.execute(sql, [kind, side, *part]).fetchall())
        return found

    def plan_again(self, kind: str, side: Side, identity: str) -> None:
        """A version that is here is planned, whatever it was kept for."""
        sql = "UPDATE inbox SET fate = 'plan', rests = '' WHERE kind = ? AND side = ? AND id = ?"
        self.db.execute(sql, [kind, side, identity])

    def kept(self, kind: str, side: Side) -> Iterator[Record]:
        """The versions that are only kept to be met."""
        sql = "SELECT seq, fate, record FROM inbox WHERE kind = ? AND side = ? AND fate = 'keep' ORDER BY seq"
        return (_entry(row).record for row in self.db.execute(sql, [kind, side]))

    def waiting(self, kind: str, side: Side) -> int:
        """How many versions of a kind wait to be planned."""
        sql = "SELECT count(*) FROM inbox WHERE kind = ? AND side = ? AND fate = 'plan'"
        return int(self.db.execute(sql, [kind, side]).fetchone()[0])

    def some(self, kind: str, side: Side, resting: Collection[str] = ()) -> bool:
        """Whether any does, besides those that rest under one of these marks."""
        sql = f"SELECT 1 FROM inbox WHERE kind = ? AND side = ? AND fate = 'plan'{_without(resting)} LIMIT 1"
        return self.db.execute(sql, [kind, side, *resting]).fetchone() is not None

    def unlinked(self, kind: str, side: Side) -> int:
        """How many of those are not linked yet: at most so many can be created."""
        sql = (
            "SELECT count(*) FROM inbox WHERE kind = ? AND side = ? AND fate = 'plan'"
            f" AND NOT EXISTS (SELECT 1 FROM links WHERE links.kind = inbox.kind AND links.{side} = inbox.id)"
        )
        return int(self.db.execute(sql, [kind, side]).fetchone()[0])

    def strays(self, company: str) -> bool:
        """Whether a record that will be planned, or half of a pair that will be, bears our mark although nothing here
        knows it: no link, no intent."""
        return self.db.execute(_STRAY, [company, company]).fetchone() is not None

    def drop_unseen(self, kind: str, side: Side, within: bool, until: int, years: Collection[str] | None) -> None:
        """After a full listing: versions of records that it did not show are of records that are gone, but for those
        of which a write is open (behaviour 44), and for those that came later than the version numbered `until`.

        `within`: their rows go by what stands before the colon. `years`: of those dated in others it tells nothing.
        """
        row = "substr(id, 1, instr(id, ':') - 1)" if within else "id"
        sql = (
            f"DELETE FROM inbox WHERE kind = ? AND side = ? AND seq <= ? AND {row} NOT IN (SELECT id FROM temp.seen)"
            " AND (? OR substr(json_extract(record, '$.day'), 1, 4) IN (SELECT value FROM json_each(?))) AND NOT EXISTS"
            " (SELECT 1 FROM intents WHERE intents.kind = inbox.kind AND record_side = side AND record = inbox.id)"
        )
        self.db.execute(sql, [kind, side, until, years is None, json.dumps(sorted(years or ()))])


def _entry(row: Sequence[Any]) -> Entry:
    seq, fate, raw, *rests = row
    return Entry(seq, fate, Record(**json.loads(raw)), *rests)


def _places(values: Collection[object]) -> str:
    return ",".join("?" * len(values))


def _without(marks: Collection[str]) -> str:
    return f" AND rests NOT IN ({_places(marks)})" if marks else ""
