"""Open problems, one row per record and cause, and the timeline entries that tell them.

What several records share (a project that is not there) is one problem to people, under one number: `number` is the
same in all its rows, and stays as long as one of them is open (behaviour 48). Each row comes and goes by itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.state.db import ONE_STATEMENT, Database
from avsync.state.events import Event, Events

BY_A_PERSON, WITH_ITS_PARENT = 1, 2  # how a problem may be ignored
TOLD_ONCE = {  # codes that no later planning takes back, and for how many days they are told
    "card_left_behind": 7,
    "conflict": 7,
    "cut_text_edited": 7,
    "hour_deleted": 30,
    "hour_moved": 30,
    "lines_counted": 7,
    "values_replaced": 7,
}
_COLUMNS = (
    "id, number, cause, flow, kind, side, record, code, slot, key, name, called, short, params, severity, entity,"
    " entity_id, version, first_seen, last_seen, attempts, ignored, because"
)
_NUMBER = (  # of the problem that it shares, else its own id
    "coalesce((SELECT number FROM problems WHERE cause = ? AND cause != '' LIMIT 1),"
    " (SELECT seq FROM sqlite_sequence WHERE name = 'problems') + 1, 1)"
)


@dataclass(frozen=True, slots=True)
class About:
    """The record a problem is about. `key` is what people know it by, empty where there is no such thing; `called` all
    that they call it, `short` the same where many stand together. `entity` and `entity_id` name its timeline in
    Crafter, empty where it has none. `version` is another one as soon as the record says something else."""

    flow: str
    kind: str
    side: str
    record: str
    key: str
    name: str
    entity: str = ""
    entity_id: str = ""
    version: str = ""
    called: str = ""
    short: str = ""

    @property
    def home(self) -> str:
        """The side where people know it: Crafter, where it has an item there, else its own."""
        return "crafter" if self.entity_id else self.side


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong: a code of problems.yaml, its parameters, its severity; `slot` tells two of one code apart.

    `shared`: what it has in common with the problems of other records, empty when it is this record's alone.
    """

    code: str
    severity: str
    params: Mapping[str, Any] = field(default_factory=dict)
    slot: str = ""
    shared: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of the table. `number` is what people know the problem by; `ignored` says by what: 1 by a person, who may
    have said because of what, 2 because what it waits for is."""

    id: int
    number: int
    about: About
    cause: Cause
    first_seen: str
    last_seen: str
    attempts: int
    ignored: int
    because: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry in a tijdlijn; `wanted` and `posted` are marks of its text (empty: resolved or never posted).

    `said`: what it says of each problem, by its number; `refused`: Crafter does not take it, its item is gone.
    """

    dedupe_key: str
    entity: str
    entity_id: str
    flow: str
    wanted: str
    posted: str
    said: Mapping[str, str] = field(default_factory=dict)
    refused: bool = False


class Problems:
    """Reads and writes the tables `problems` and `timeline`. That one came or went is an event."""

    def __init__(self, db: Database, events: Events) -> None:
        self.db = db
        self._events = events
        self._told: set[int] = set()

    def replace(self, about: About, causes: Sequence[Cause], now: str) -> None:
        """The record now has exactly these problems (what is told once stays).

        An ignored problem stays ignored until the record's version changes (behaviour 29).
        """
        others = self._put(about, causes, now)
        self.remove([one.id for one in others if one.cause.code not in TOLD_ONCE])

    def add(self, about: About, cause: Cause, now: str) -> None:
        """One more problem of a record, beside those it has."""
        self._put(about, [cause], now)

    def _put(self, about: About, causes: Sequence[Cause], now: str) -> list[Problem]:
        """Returns the other problems that the record had."""
        known = {(one.cause.code, one.cause.slot): one for one in self.of(about)}
        for cause in causes:
            before = known.pop((cause.code, cause.slot), None)
            if before is not None and before.cause.shared != cause.shared:  # it hangs on something else now
                self.remove([before.id])
                before = None
            params = json.dumps(dict(cause.params), ensure_ascii=False, default=str)
            if before is None:
                row = self.db.execute(
                    f"INSERT INTO problems ({_COLUMNS}) VALUES (NULL, {_NUMBER}{', ?' * 18}, 1, 0, '')",
                    [cause.shared, cause.shared, about.flow, about.kind, about.side, about.record, cause.code,
                     cause.slot, about.key, about.name, about.called, about.short, params, cause.severity,
                     about.entity, about.entity_id, about.version, now, now],
                )  # fmt: skip
                for new in self._select("id = ?", [row.lastrowid]):
                    self._events.record(_told("problem", new))
                    self._told.add(new.id)
                continue
            same = before.about.version == about.version
            ignored = before.ignored if same or before.ignored == WITH_ITS_PARENT else 0
            self.db.execute(
                "UPDATE problems SET params = ?, severity = ?, key = ?, name = ?, called = ?, short = ?, entity = ?,"
                " entity_id = ?, version = ?, last_seen = ?, attempts = attempts + 1, ignored = ?,"
                " because = CASE WHEN ? THEN because ELSE '' END WHERE id = ?",
                [params, cause.severity, about.key, about.name, about.called, about.short, about.entity,
                 about.entity_id, about.version, now, ignored, ignored, before.id],
            )  # fmt: skip
            self._told.add(before.id)
        return list(known.values())

    def told_again(self, flow: str, kind: str, marks: Sequence[str], now: str) -> int:
        """What is wrong with that which rests in the inbox under these marks is what it was; what was told once is not
        told again. How many problems that are."""
        resting = (
            "SELECT 1 FROM inbox WHERE inbox.kind = problems.kind AND inbox.side = problems.side"
            f" AND inbox.id = problems.record AND inbox.rests IN ({_places(marks)})"
        )
        sql = (
            "UPDATE problems SET last_seen = ?, attempts = attempts + 1 WHERE flow = ? AND kind = ?"
            f" AND code NOT IN ({_places(TOLD_ONCE)}) AND EXISTS ({resting})"
        )
        return self.db.execute(sql, [now, flow, kind, *TOLD_ONCE, *marks]).rowcount

    def told_now(self, problem: Problem) -> bool:
        """Whether it was told since this was opened, thus in this run: no two runs' clocks need agree on that."""
        return problem.id in self._told

    def name(self, about: About) -> None:
        """What people call the record was found out."""
        self.db.execute(
            "UPDATE problems SET key = ?, name = ?, called = ?, short = ? WHERE flow = ? AND kind = ? AND side = ?"
            " AND record = ?",
            [about.key, about.name, about.called, about.short, about.flow, about.kind, about.side, about.record],
        )

    def of(self, about: About) -> list[Problem]:
        """The problems of one record in one flow."""
        return self._select(
            "flow = ? AND kind = ? AND side = ? AND record = ?", [about.flow, about.kind, about.side, about.record]
        )

    def records(self, kind: str, side: str, ids: Sequence[str]) -> set[str]:
        """Which of these records have a problem: only they need a look after success."""
        found: set[str] = set()
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            marks = ",".join("?" * len(part))
            sql = f"SELECT DISTINCT record FROM problems WHERE kind = ? AND side = ? AND record IN ({marks})"
            found |= {row[0] for row in self.db.execute(sql, [kind, side, *part])}
        return found

    def all(self, flow: str | None = None, ignored: bool = False) -> list[Problem]:
        """Open problems, oldest first, those of one number together."""
        return self._select("(ignored != 0) = ? AND (flow = ? OR ? IS NULL)", [int(ignored), flow, flow])

    def unplanned(self, flow: str, kinds: Sequence[str], but: Sequence[str], slot: str) -> list[Problem]:
        """Those of a flow, ignored or not, of whose record no version is to be planned, and that are no warning about
        one that is kept to be met, or that is linked to something AccountView still has. Without those of some codes,
        or with that slot."""
        version = (
            "SELECT 1 FROM inbox WHERE inbox.kind = problems.kind AND inbox.side = problems.side"
            " AND inbox.id = problems.record"
        )
        link = "SELECT 1 FROM links WHERE links.kind = problems.kind AND links.gone = 0 AND problems.record ="
        linked = (
            f"CASE problems.side WHEN 'accountview' THEN EXISTS ({link} links.accountview)"
            f" ELSE EXISTS ({link} links.crafter) END"
        )
        return self._select(
            f"flow = ? AND kind IN ({_places(kinds)}) AND code NOT IN ({_places(but)}) AND slot != ?"
            f" AND NOT EXISTS ({version} AND inbox.fate = 'plan')"
            f" AND NOT (severity = 'warning' AND (EXISTS ({version}) OR {linked}))",
            [flow, *kinds, *but, slot],
        )

    def coded(self, codes: Sequence[str]) -> list[Problem]:
        """Those of some codes, ignored or not."""
        return self._select(f"code IN ({_places(codes)})", codes)

    def with_a_slot(self, kind: str) -> list[Problem]:
        """Those of a kind that name what of the record they are about, ignored or not."""
        return self._select("kind = ? AND slot != ''", [kind])

    def _select(self, condition: str, values: Sequence[Any]) -> list[Problem]:
        sql = f"SELECT {_COLUMNS} FROM problems WHERE {condition} ORDER BY number, id"
        return [_problem(row) for row in self.db.execute(sql, list(values))]

    def remove(self, ids: Sequence[int], why: str = "solved") -> None:
        """These problems are over: solved, or `off` (their flow is) or `expired` (told long enough)."""
        for start in range(0, len(ids), ONE_STATEMENT):
            part = ids[start : start + ONE_STATEMENT]
            for one in self._select(f"id IN ({','.join('?' * len(part))})", part):
                self._events.record(_told(why, one))
        self.db.conn.executemany("DELETE FROM problems WHERE id = ?", [(one,) for one in ids])

    def planned(self, about: About) -> None:
        """A record was planned together with its other half, which tells from here on; what reading it found stays."""
        self.remove([one.id for one in self.of(about) if one.cause.code not in (*TOLD_ONCE, "unreadable")])

    def over(self, kind: str, slot: str) -> None:
        """What was told once of this is over before its time."""
        codes = ",".join("?" * len(TOLD_ONCE))
        sql = f"DELETE FROM problems WHERE kind = ? AND slot = ? AND code IN ({codes})"
        self.db.execute(sql, [kind, slot, *TOLD_ONCE])

    def ignore(self, numbers: Sequence[int], because: str) -> None:
        """Take problems out of the list, until a record of theirs changes."""
        for number in numbers:
            for one in self._select("number = ? AND ignored = 0", [number]):
                self._events.record(_told("ignored", one, because))
        sql = "UPDATE problems SET ignored = ?, because = ? WHERE number = ?"
        self.db.conn.executemany(sql, [(BY_A_PERSON, because, one) for one in numbers])

    def unignore(self, numbers: Sequence[int]) -> None:
        """Put problems back into the list."""
        for number in numbers:
            for one in self._select("number = ? AND ignored != 0", [number]):
                self._events.record(_told("unignored", one))
        sql = "UPDATE problems SET ignored = 0, because = '' WHERE number = ?"
        self.db.conn.executemany(sql, [(one,) for one in numbers])

    def follow_parents(self) -> None:
        """What waits for an ignored record is ignored with it, and comes back with it (behaviour 29)."""
        self.db.execute("UPDATE problems SET ignored = 0 WHERE ignored = ?", [WITH_ITS_PARENT])
        parent = (
            "SELECT 1 FROM problems AS parent WHERE parent.kind = json_extract(problems.params, '$.parent_kind')"
            " AND parent.side = json_extract(problems.params, '$.parent_side')"
            " AND parent.record = json_extract(problems.params, '$.parent_id')"
        )
        sql = (
            f"UPDATE problems SET ignored = ? WHERE severity = 'waiting' AND ignored = 0"
            f" AND EXISTS ({parent} AND parent.ignored != 0)"
            f" AND NOT EXISTS ({parent} AND parent.ignored = 0 AND parent.severity != 'warning')"
        )
        if self.db.execute("SELECT 1 FROM problems WHERE ignored != 0 LIMIT 1").fetchone():
            while self.db.execute(sql, [WITH_ITS_PARENT]).rowcount > 0:
                pass

    def seen_by(self, now: str) -> None:
        """Nothing was seen later than now: what says so counts from now (behaviour 51)."""
        self.db.execute("UPDATE problems SET last_seen = ? WHERE last_seen > ?", [now, now])

    def expire(self, moments: Mapping[str, str]) -> None:
        """Problems of these codes that were last seen before its moment are over (a conflict's warning, behaviour
        27)."""
        old = " OR ".join(["code = ? AND last_seen < ?"] * len(moments))
        values = [value for pair in moments.items() for value in pair]
        self.remove([one.id for one in self._select(f"({old})", values)], "expired")

    def forget_unseen(self, kind: str, side: str) -> None:
        """Unreadable rows that a full listing (temp table `seen`) no longer showed are nobody's problem any more."""
        unseen = self._select(
            "kind = ? AND side = ? AND code IN ('unreadable', 'unexpected')"
            " AND record NOT IN (SELECT id FROM temp.seen)",
            [kind, side],
        )
        self.remove([one.id for one in unseen])

    def counts(self) -> dict[str, int]:
        """How many are open per severity, and how many are ignored."""
        return self._counts("number")

    def open_numbers(self) -> int:
        """How many are open, as people count them."""
        return int(self.db.execute("SELECT count(DISTINCT number) FROM problems WHERE ignored = 0").fetchone()[0])

    def record_counts(self) -> dict[str, int]:
        """How many records they are about."""
        return self._counts("flow || ' ' || kind || ' ' || side || ' ' || record")

    def _counts(self, what: str) -> dict[str, int]:
        sql = (
            "SELECT CASE WHEN ignored THEN 'ignored' ELSE severity END AS how,"
            f" count(DISTINCT {what}) FROM problems GROUP BY how"
        )
        rows = dict(self.db.execute(sql).fetchall())
        return {how: rows.get(how, 0) for how in ("error", "warning", "waiting", "ignored")}

    def failed(self, flow: str, now: bool = False) -> int:
        """How many records of a flow have an error, perhaps only those where this run told it."""
        condition = "ignored = 0 AND severity = 'error' AND kind != 'flow' AND flow = ?"
        if not now:
            sql = f"SELECT count(*) FROM (SELECT DISTINCT kind, side, record FROM problems WHERE {condition})"
            return int(self.db.execute(sql, [flow]).fetchone()[0])
        found = self.db.execute(f"SELECT id, kind, side, record FROM problems WHERE {condition}", [flow])
        return len({tuple(record) for one, *record in found if one in self._told})

    def needing_attention(self, flows: Sequence[str]) -> bool:
        """Whether a person must act, or something waits, in one of these flows (exit 1)."""
        marks = ",".join("?" * len(flows))
        sql = (
            "SELECT 1 FROM problems WHERE ignored = 0 AND severity IN ('error', 'waiting')"
            f" AND flow IN ({marks}) LIMIT 1"
        )
        return self.db.execute(sql, list(flows)).fetchone() is not None

    def with_timeline(self, ignored: bool = False) -> list[Problem]:
        """Problems that belong in a tijdlijn: of something in Crafter, and not merely waiting (behaviour 27)."""
        condition = "entity != '' AND entity_id != '' AND severity != 'waiting' AND (ignored != 0) = ?"
        return self._select(condition, [int(ignored)])

    def epoch(self) -> int:
        """Another one as soon as a problem that belongs in a tijdlijn is another."""
        return int(self.db.execute("SELECT timelines FROM epoch").fetchone()[0])

    def entries(self) -> dict[str, TimelineEntry]:
        """Every timeline entry of ours that is open or not yet told, by its key."""
        rows = self.db.execute(
            "SELECT dedupe_key, entity, entity_id, flow, wanted, posted, said, refused FROM timeline"
        )
        return {
            key: TimelineEntry(key, entity, identity, flow, wanted, posted, json.loads(said), bool(refused))
            for key, entity, identity, flow, wanted, posted, said, refused in rows
        }

    def want(self, entry: TimelineEntry) -> None:
        """The intent of a timeline entry, committed before it is posted; the key makes posting twice harmless."""
        said = json.dumps(dict(entry.said), ensure_ascii=False)
        self.db.execute(
            "INSERT INTO timeline (dedupe_key, entity, entity_id, flow, wanted, posted, said)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(dedupe_key) DO UPDATE SET wanted = excluded.wanted, said = excluded.said",
            [entry.dedupe_key, entry.entity, entry.entity_id, entry.flow, entry.wanted, entry.posted, said],
        )

    def told(self, entry: TimelineEntry, refused: bool = False) -> None:
        """The entry stands in Crafter as wanted, or is not taken there; a resolved one is forgotten."""
        if entry.wanted:
            sql = "UPDATE timeline SET posted = ?, refused = ? WHERE dedupe_key = ?"
            self.db.execute(sql, [entry.wanted, int(refused), entry.dedupe_key])
        else:
            self.db.execute("DELETE FROM timeline WHERE dedupe_key = ?", [entry.dedupe_key])

    def forget(self, keys: Sequence[str]) -> None:
        """These entries do not stand in Crafter, and need not."""
        self.db.conn.executemany("DELETE FROM timeline WHERE dedupe_key = ?", [(one,) for one in keys])

    def perhaps_told(self, entry: TimelineEntry) -> None:
        """The entry may stand in Crafter: it is posted again, or resolved."""
        self.db.execute("UPDATE timeline SET posted = '?' WHERE dedupe_key = ?", [entry.dedupe_key])


def _places(values: Collection[str]) -> str:
    return ",".join("?" * len(values))


def _told(action: str, one: Problem, because: str = "") -> Event:
    """That a problem came or went; where in our own code it arose is told by the problem alone."""
    about, cause = one.about, one.cause
    params = {name: value for name, value in cause.params.items() if name != "trace"}
    detail = {"problem": one.number, "row": one.id, "code": cause.code, "severity": cause.severity, "params": params}
    detail |= {"because": because} if because else {}
    av, cr = (about.record if about.side == side else "" for side in (ACCOUNTVIEW, CRAFTER))
    owner = about.entity_id if about.entity_id != about.record else ""
    return Event(about.flow, about.kind, about.side, action, about.key, about.name, av, cr, owner, detail=detail)


def _problem(row: Sequence[Any]) -> Problem:
    identity, number, shared, flow, kind, side, record, code, slot, key, name, called, short, params = row[:14]
    severity, entity, entity_id, version, first, last, attempts, ignored, because = row[14:]
    return Problem(
        identity, number, About(flow, kind, side, record, key, name, entity, entity_id, version, called, short),
        Cause(code, severity, json.loads(params), slot, shared), first, last, attempts, ignored, because,
    )  # fmt: skip
