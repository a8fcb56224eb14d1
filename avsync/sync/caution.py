"""The first write of a sort is looked at before the second one goes: what was sent, what stands there now, and what
stood there before.

Nobody has seen what an installation makes of our writes. So the first record of a kind that is created, the first that
is changed, and the first lines that are put onto one go by themselves and are read back whole. A difference that harms
stops the flow until a person has looked; a harmless one is learnt. All of it per installation, in state.db; once a sort
is known nothing is read back any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from avsync.errors import AvsyncError, FlowMustLook, LoginNeeded, Malformed, OutOfTime
from avsync.messages.texts import field_name, phrase, word
from avsync.records.kind import Kind, Write
from avsync.records.registry import KINDS, kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side
from avsync.services.accountview.schema import TableSchema
from avsync.services.crafter.client import Resource
from avsync.services.http import Done
from avsync.sync.causes import called_as
from avsync.sync.difference import Difference, Row, difference, lines_differ, untouched
from avsync.sync.schema import learn_reference

if TYPE_CHECKING:
    from avsync.state.store import Store
    from avsync.sync.session import Session
    from avsync.sync.write import Sent

log = logging.getLogger(__name__)
PREFIX = "first:"
LEARNT = "learnt"  # of our columns, what they turned out to hold: {"hour.quantity": {"decimals": 1}}
SORTS = ("create", "update", "lines")
Schemas = tuple[Mapping[str, TableSchema], Mapping[str, Resource]]
SERVICES = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}
_MOST = 6  # differences that are told


def sort_of(write: Write) -> str:
    """`create`, `update`, or `lines` that are put onto a record."""
    return "lines" if write.lines is not None else "update" if write.id else "create"


def _key(kind: Kind, side: Side, sort: str, schemas: Schemas) -> str:
    """Under another name it is another place."""
    accountview, crafter = schemas
    place = accountview[kind.table].table if side == ACCOUNTVIEW else crafter[kind.resource].path
    return f"{PREFIX}{kind.name}:{sort}:{place}".lower()


def _places(flow: str, schemas: Schemas) -> Iterator[tuple[Kind, Side, str, str]]:
    """Every sort of write that a flow may make, with its key in state.db."""
    for kind in kinds_of(flow):
        for side in (ACCOUNTVIEW, CRAFTER):
            if side == CRAFTER or kind.table in schemas[0]:
                yield from ((kind, side, sort, _key(kind, side, sort, schemas)) for sort in SORTS)


def _schemas(session: Session) -> Schemas:
    return session.accountview.schema, session.crafter.schema


class Caution:
    """What is known of the writes of one kind, and the looking at those that are the first of their sort."""

    def __init__(self, session: Session, kind: Kind) -> None:
        self.session, self.kind = session, kind
        self._known: dict[tuple[Side, str], bool] = {}
        self._failed = 0

    def wary(self, write: Write) -> bool:
        """Whether nobody has seen yet what becomes of such a write."""
        place = (write.side, sort_of(write))
        if place not in self._known:
            self._known[place] = (
                self.session.store.cached(_key(self.kind, *place, _schemas(self.session)), "") is not None
            )
        return not self._known[place] and self._failed < _MOST

    def before(self, one: Sent) -> Whole | None:
        """The record as it stands before it is changed; None when it cannot be read, or is not there yet."""
        write = one.write
        if write.id is None:
            return Whole({})
        return self._read(lambda: Whole(self._whole(write, write.id or "") or {}, self._lines(write)))

    def look(self, one: Sent, before: Whole | None) -> None:
        """Hold what stands there against what was sent. FlowMustLook when the difference harms."""
        if before is None or not isinstance(one.outcome, Done) or (one.job.failed and one.write.lines is None):
            return
        key = one.write.id or self._key_of(one)
        after = self._read(lambda: Whole(self._whole(one.write, key) or {}, self._lines(one.write))) if key else None
        if after is None:
            return
        found = self._differences(one, before, after, key)
        self._keep(one, key, [one for one in found if not one.harms], [one for one in found if one.harms])

    # --- reading

    def _read(self, read: Callable[[], Whole]) -> Whole | None:
        """What cannot be read now is looked at with the next one."""
        try:
            return read()
        except (LoginNeeded, OutOfTime):
            raise
        except (AvsyncError, Malformed) as error:
            self._failed += 1
            log.info("%s: the first write could not be read back: %s", self.kind.name, error)
            return None

    def _whole(self, write: Write, key: str) -> Row | None:
        if write.side == CRAFTER:
            return self.session.crafter.whole(self.kind.resource, key)
        return self.session.accountview.whole(self._table(write).kind, key, write.day)

    def _table(self, write: Write) -> TableSchema:
        schema = self.session.accountview.schema
        return schema[KINDS[self.kind.details_of].table if write.lines is not None else self.kind.table]

    def _lines(self, write: Write) -> Sequence[Row]:
        if write.lines is None:
            return ()
        return self.session.accountview.details(self.kind.name, write.id or "", write.day) or ()

    def _key_of(self, one: Sent) -> str:
        row = one.outcome.row if isinstance(one.outcome, Done) else None
        name = "id" if one.write.side == CRAFTER else self._table(one.write).key
        return str((row or {}).get(name) or "").strip()

    # --- comparing

    def _differences(self, one: Sent, before: Whole, after: Whole, key: str) -> list[Difference]:
        write = one.write
        if not after.row:
            return [Difference("gone", word(self.kind.name, self.session.config.language), key)]
        names, labels = self._names(write), self._labels(write)
        known = {} if write.lines is not None else write.values
        sent = {names[name]: value for name, value in known.items() if name in names}
        found = list(self._values(write, after.row, names, labels)) if write.lines is None else []
        if write.id is not None:
            ours = {wire: neutral for neutral, wire in names.items()}
            other = untouched(before.row, after.row, sent, labels, ours)
            found += [one for one in other if write.lines is None or one.column or one.what == "emptied"]
        if write.lines is not None:
            found += lines_differ(before.lines, after.lines, write.values["lines"])
        if write.side == ACCOUNTVIEW and "reference" in write.values and "reference" in names:
            row = {"reference": _field(after.row, names["reference"])}
            with self.session.store.transaction():
                learn_reference(self.session, self.kind, write.values["reference"], row, again=True)
        return found

    def _names(self, write: Write) -> dict[str, str]:
        """Neutral name -> what it is called there."""
        if write.side == CRAFTER:
            return dict(self.session.crafter.schema[self.kind.resource].fields)
        table, absent = self._table(write), self.session.accountview.absent
        return {name: wire.upper() for name, wire in table.columns.items() if (table.kind, name) not in absent}

    def _labels(self, write: Write) -> dict[str, str]:
        """What people call a column: as it stands on AccountView's screen."""
        language = self.session.config.language
        if write.side == CRAFTER:
            return {wire: field_name(name, language, self.kind.name) for name, wire in self._names(write).items()}
        table = self._table(write)
        there = self.session.dictionary.get(table.table.upper(), {})
        return {name: label for name, column in there.items() if (label := column.description)}

    def _values(
        self, write: Write, row: Row, names: Mapping[str, str], labels: Mapping[str, str]
    ) -> Iterator[Difference]:
        """Of each value that was sent. What AccountView or Crafter fill in themselves is none."""
        free = {one.on(write.side) for one in self.kind.fields if one.type == "free"}
        own = self._own(write.side)
        for name, value in write.values.items():
            wire = names.get(name, "")
            if not wire or (write.side == ACCOUNTVIEW and name == "reference"):
                continue
            if value is None or (write.side == CRAFTER and isinstance(value, bool)):
                continue
            label = labels.get(wire) or field_name(name, self.session.config.language, self.kind.name)
            found = difference(label, name, value, _field(row, wire), name in free)
            if found is not None:
                made_up = name not in own and found.what not in ("lost", "day")
                yield replace(found, harms=False) if made_up else found

    def _own(self, side: Side) -> set[str | None]:
        """What holds somebody's value; the rest is made up by us, and may be made otherwise over there."""
        if side == CRAFTER:
            return {*self.session.crafter.schema[self.kind.resource].fields}
        kinds = [kind for kind in KINDS.values() if kind.table == self.kind.table]
        found: set[str | None] = {one.accountview for kind in kinds for one in kind.fields}
        found |= {name for kind in kinds for held in kind.within.values() for name in held.values()}
        configured = self.kind.configured(self.session.policy) if self.kind.configured else ()
        return found | {name for name, _, _ in configured}

    # --- what follows

    def _keep(self, one: Sent, key: str, learnt: Sequence[Difference], harm: Sequence[Difference]) -> None:
        """In state.db: what was learnt; or what stopped the flow, until a person has looked."""
        session, write, record = self.session, one.write, one.job.action.record
        place = (write.side, sort_of(write))
        told: dict[str, Any] = {"learnt": [[one.what, one.name] for one in learnt], "harm": {}}
        error = None
        if harm:
            params = {
                "service": SERVICES[write.side],
                "parent_kind": "sales_order" if write.lines is not None else self.kind.name,
                "parent": called_as(session.config.language, record),
                "compared": self._told(harm),
            }
            error = FlowMustLook(f"first_{place[1]}_differs", **params)
            told["harm"] = {"code": error.code, "params": params}
        with session.store.transaction():
            session.store.cache(_key(self.kind, *place, _schemas(session)), told, session.now())
            if write.side == ACCOUNTVIEW and write.lines is None:  # lines remember what each became
                _learn(session, self.kind.table, learnt)
        self._known[place] = True
        if error is not None and not session.force:
            raise error

    def _told(self, harm: Sequence[Difference]) -> str:
        language = self.session.config.language
        shown = []
        for one in harm[:_MOST]:
            key = f"{'touched' if one.touched else 'differs'}_{one.what}"
            shown.append("\n- " + phrase("words", key, language, name=one.name, sent=one.sent, found=one.found))
        return "".join(shown)


@dataclass(frozen=True, slots=True)
class Whole:
    """A record as it stands, and the lines on it."""

    row: Row
    lines: Sequence[Row] = ()


def _learn(session: Session, table: str, learnt: Sequence[Difference]) -> None:
    """What our columns turned out to hold; from here on values are compared as they are kept (behaviour 13)."""
    sizes = {"cut": "length", "rounded": "decimals"}
    more = {f"{table}.{one.column}": {sizes[one.what]: one.size} for one in learnt if one.what in sizes and one.column}
    if more:
        session.learnt = {**session.learnt, **more}
        session.store.cache(LEARNT, session.learnt, session.now())


def _field(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    return next((value for key, value in row.items() if key.upper() == name.upper()), None)


# --- in the runs that follow


def recall(session: Session) -> None:
    """Take in what earlier runs have learnt. A flow whose first write did harm stays stopped, until somebody goes on
    with `--force`."""
    session.learnt = session.store.cached(LEARNT, "") or {}
    known = session.store.cached_under(PREFIX)
    for flow in session.on():
        for *_, key in _places(flow, _schemas(session)):
            harm = (known.get(key) or {}).get("harm")
            if harm and session.force:
                with session.store.transaction():
                    session.store.cache(key, {**known[key], "harm": {}, "accepted": harm}, session.now())
            elif harm:
                session.errors.setdefault(flow, FlowMustLook(harm["code"], **harm["params"]))


def seen(store: Store, flow: str, schemas: Schemas) -> list[tuple[Kind, Side, str, Mapping[str, Any]]]:
    """Of which sorts the first write was looked at, and what it showed: `learnt` [[what, name]], `harm`."""
    known = store.cached_under(PREFIX)
    return [(kind, side, sort, known[key]) for kind, side, sort, key in _places(flow, schemas) if key in known]
