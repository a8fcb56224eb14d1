"""What the rows of a listing become: one record of each kind they hold, field by field as it was declared. Pure."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from avsync.records.kind import BOTH, FieldType, Kind, Policy, Row
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Canonical,
    Malformed,
    Record,
    Side,
    amsterdam_day,
    bare,
    code,
    crafter_reference,
    day,
    local_moment,
    quantity,
    reference,
    required,
    required_code,
    short,
    text,
    utc_moment,
)

READ: Mapping[tuple[Side, FieldType], Callable[[object, str], Canonical]] = {
    **{(side, kind): text for side in BOTH for kind in ("line", "name", "free")},
    **{(side, "bare"): bare for side in BOTH},
    **{(side, "date"): day for side in BOTH},
    **{(side, "quantity"): quantity for side in BOTH},
    **{(side, "flag"): lambda value, name: "true" if value is True else "false" for side in BOTH},
    (ACCOUNTVIEW, "code"): code,
    (CRAFTER, "code"): bare,
    (ACCOUNTVIEW, "moment"): lambda value, name: local_moment(value, name) or None,
    (CRAFTER, "moment"): lambda value, name: None if value is None else utc_moment(value, name),
}


def read_records(kind: Kind, side: Side, row: Row, policy: Policy) -> list[Record]:
    """What a row tells of this kind. Raises Malformed for a row that cannot be understood."""
    several = kind.within if side == ACCOUNTVIEW and kind.within else _ONE
    found = [_read(kind, side, row, policy, which, columns) for which, columns in several.items()]
    return kind.read(found, side, row) if kind.read else found


def _read(kind: Kind, side: Side, row: Row, policy: Policy, which: str, columns: Mapping[str, str]) -> Record:
    """One record; `which` of those that the row holds, and the columns it has there."""
    if side == ACCOUNTVIEW:
        own = required_code(row.get(kind.id), kind.id)
        identity = f"{own}:{which}" if which else own
        mark = crafter_reference(policy.company, kind.name, identity)
        bears, moment = text(row.get("reference"), "reference"), local_moment(row.get("changed_at"), "changed_at")
    else:
        own = identity = required(row.get("id"), "id")
        mark = reference(kind.name, identity)
        bears, moment = text(row.get("external_ref"), "external_ref"), utc_moment(row.get("updated_at"), "updated_at")
    fields: dict[str, Canonical] = {}
    for one in kind.fields:
        name, value = columns.get(one.name) or one.on(side), None
        if name is not None:
            sort: FieldType = "code" if (one.ref or one.list) and one.type == "line" else one.type
            value = READ[side, sort](row.get(name), name)
        if side == CRAFTER and value is not None and one.only and value not in one.only:
            raise Malformed(name or one.name, short(value))
        if side == ACCOUNTVIEW and value is None and one.instead:
            value = fields[one.instead] or identity
        if value is None and side in one.needed:
            raise Malformed(name or one.name, "-")
        fields[one.name] = value
    known_by = (identity if name == "id" else (fields[name] or "").upper() for name in kind.known_by)
    key = (own if kind.id != "id" else "") if side == ACCOUNTVIEW else next(filter(None, known_by), "")
    owner, made = fields.get(kind.belongs_to) or "", fields.get(kind.day.get(side, "")) or ""
    return Record(
        kind.name, side, identity, key, kind.title(side, fields) or key, fields, bears or "", mark, owner,
        alike=kind.alike(side, fields) if kind.alike and "reference" not in row else "", changed_at=moment,
        day=amsterdam_day(made) if len(made) > len("YYYY-MM-DD") else made,  # of a moment, that in the Netherlands
        absent=bool(kind.belongs_to and not owner),
    )  # fmt: skip


_ONE: Mapping[str, Mapping[str, str]] = {"": {}}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a row is known by: its own id (None when even that cannot be read), when it was changed by its own side's
    clock (empty when unknown), and a fingerprint of everything else: equal means that nothing changed."""

    row: Row
    id: str | None
    moment: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of one side. `kind` is the client's name of it, `makes` the kinds its rows become."""

    side: Side
    kind: str
    makes: tuple[Kind, ...]

    @property
    def name(self) -> str:
        """As the watermark knows it."""
        return f"{self.side}:{self.kind}"

    @property
    def key(self) -> str:
        """The column that names a row."""
        return self.makes[0].id if self.side == ACCOUNTVIEW else "id"

    @property
    def changed(self) -> str | None:
        """The column with the moment of change."""
        if self.side == CRAFTER:
            return "updated_at"
        return "changed_at" if self.makes[0].changed_at else None

    @property
    def recent(self) -> bool:
        """Whether it is read only to recognise what is ours: never further back than start_date, so it proves no
        absence."""
        return self.side == ACCOUNTVIEW and self.makes[0].recent

    def see(self, row: Row) -> Seen:
        """What can be said of a row before it is read."""
        key, changed = self.key, self.changed
        skipped = (changed, "created_at")
        identity, moment = None, ""
        try:
            identity = code(row.get(key), key) if self.side == ACCOUNTVIEW else text(row.get(key), key)
            if changed is not None:
                moment = (local_moment if self.side == ACCOUNTVIEW else utc_moment)(row.get(changed), changed)
        except Malformed:
            pass
        try:
            shown = repr([(name, row[name]) for name in sorted(row) if name not in skipped])
        except RecursionError:
            shown = f"nested too deep: {row.get(key)}"
        mark = hashlib.blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return Seen(row, identity, moment, mark)

    def read(self, row: Row, policy: Policy, fingerprint: str = "") -> list[Record]:
        """What the row becomes in the flows that are on; the record it stands for first, which carries its fingerprint.
        Raises Malformed."""
        on = [kind for kind in self.makes if policy.flows[kind.flow] != "off"] or self.makes[:1]
        found = [record for kind in on for record in read_records(kind, self.side, row, policy)]
        first = self.makes[0].name
        return [replace(one, fingerprint=fingerprint) if one.kind == first else one for one in found]


PAGE = {ACCOUNTVIEW: 400, CRAFTER: 200}
_LONGEST = timedelta(hours=26)
_SECOND = timedelta(seconds=1)  # a service tells its clock in whole seconds, its rows in microseconds


@dataclass(slots=True)
class Reach:
    """Where the next listing must start so that a late change is not missed, and a quiet run still needs one page.

    It goes back as many rows as fit comfortably on a page, and at most a day and a bit: an overlap in rows, not in
    minutes, because a bulk change puts a thousand rows into one minute and a quiet evening none.
    """

    side: Side
    _newest: list[str] = field(default_factory=list)

    def saw(self, moments: Iterable[str]) -> None:
        """The moments of some rows."""
        for moment in filter(None, moments):
            if len(self._newest) < PAGE[self.side]:
                heapq.heappush(self._newest, moment)
            elif moment > self._newest[0]:
                heapq.heapreplace(self._newest, moment)

    def marks(self, before_newest: str, before_since: str, cap: str) -> tuple[str, str]:
        """(newest, since): never past `cap`, the start of the run by the service's own clock."""
        newest = max([before_newest, *self._newest])
        newest = min(newest, _moved(cap, _SECOND)) if cap and newest else newest
        if not newest:
            return before_newest, before_since
        since = max(before_since, self._overlap(), _moved(newest, -_LONGEST))
        return newest, min(filter(None, (since, newest, cap)))

    def _overlap(self) -> str:
        """The earliest moment whose rows all fit on seven tenths of a page; the newest when that alone has more.

        A rounder share would be a number of rows at which a server's cap is suspected: one request more, every time.
        """
        rows, room = sorted(self._newest, reverse=True), PAGE[self.side] * 7 // 10
        if len(rows) <= room:
            return ""
        fitting = [moment for moment in rows[:room] if moment > rows[room]]
        return fitting[-1] if fitting else rows[0]


def _moved(moment: str, by: timedelta) -> str:
    moved = datetime.fromisoformat(moment) + by
    if moved.tzinfo is None:
        return moved.strftime("%Y-%m-%dT%H:%M:%S")
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
