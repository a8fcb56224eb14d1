"""The rows of one AccountView administration in memory, and what a person does with them behind the screen."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from avsync.sandbox.accountview.dictionary import SHEETS, Dictionary, TableSpec
from avsync.sandbox.accountview.options import Options
from avsync.sandbox.accountview.values import AMSTERDAM, Row, empty, fit

_FIRST_NUMBER = {"CONTACT": 20000, "SO_HDR": 26100000}


class Table:
    """Rows by key, the keys in order, and two kinds of index: by moment of change, and by value for `Equal`.

    Rows are replaced, never changed in place, so a reader may use what it got after it let go of the lock.
    """

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self.rows: dict[str, Row] = {}
        self.keys: list[str] = []
        self.last_number = _FIRST_NUMBER.get(spec.name, 0)
        self._blank = {column.name: empty(column) for column in spec.columns.values()}
        self._timed = "CNG_DATE" in spec.columns
        self._changes: list[tuple[str, str]] = []
        self._values: dict[str, dict[Any, set[str]]] = {}
        self._next_ext_key = 1

    def blank(self) -> Row:
        """A new row with every column empty and its EXT_KEY."""
        self._next_ext_key += 1
        return {**self._blank, "EXT_KEY": self._next_ext_key}

    def put(self, row: Row) -> None:
        """Store a row under its key, in place of an older one."""
        key = row[self.spec.key]
        old = self.rows.get(key)
        if old is None:
            insort(self.keys, key)
        else:
            self._unindex(key, old)
        self.rows[key] = row
        if self._timed:
            insort(self._changes, (str(row["CNG_DATE"]), key))
        for column, index in self._values.items():
            index.setdefault(row[column], set()).add(key)

    def remove(self, key: str) -> None:
        """Forget a row; KeyError when it does not exist."""
        self._unindex(key, self.rows.pop(key))
        del self.keys[bisect_left(self.keys, key)]

    def _unindex(self, key: str, row: Row) -> None:
        if self._timed:
            del self._changes[bisect_left(self._changes, (str(row["CNG_DATE"]), key))]
        for column, index in self._values.items():
            index[row[column]].discard(key)

    def equal(self, column: str, value: Any) -> list[str]:
        """The keys, in order, of the rows with this value in a column."""
        index = self._values.get(column)
        if index is None:
            index = self._values[column] = {}
            for key, row in self.rows.items():
                index.setdefault(row[column], set()).add(key)
        return sorted(index.get(value, ()))

    def changed_since(self, moment: str, at_most: int) -> list[str] | None:
        """The keys, in order, of rows changed at or after a local moment; None when there are more than `at_most`."""
        start = bisect_left(self._changes, (moment, ""))
        if len(self._changes) - start > at_most:
            return None
        return sorted(key for _, key in self._changes[start:])

    def after(self, keys: list[str], last_key: str) -> int:
        """The position in a sorted list of keys just behind `last_key` ("" = the start)."""
        return bisect_right(keys, last_key) if last_key else 0

    def number(self) -> str:
        """The next free number, as the server gives it out."""
        width = 10 if self.spec.key == "REC_ID" else 0
        while True:
            self.last_number += 1
            key = str(self.last_number).zfill(width)
            if key not in self.rows:
                return key


class AccountViewStore:
    """All tables of one administration; the methods are a person's work in AccountView. Names as in the contract.

    `clock` gives the server's time (aware, UTC); CNG_DATE and INP_DATE are that time in Amsterdam, shifted by
    `options.clock_shift` hours. SO_LINE rows carry the ORD_NR of their order; SO_HDR has `CLOSED` (invoiced) and
    ARTICLE has `PRICE`; none of these three is on the wire.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.dictionary = Dictionary(options)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.mutex = threading.RLock()
        self._present = 0
        self.locked: set[tuple[str, str]] = set()
        self.tables = {name: Table(spec) for name, spec in self.dictionary.tables.items()}
        for account in options.ledger_accounts:
            self.add("LEDGER", ACCT_NR=account, ACCT_NAME="Debiteuren")

    def entered(self) -> int:
        """Count a call in; how many are under way now."""
        with self.mutex:
            self._present += 1
            return self._present

    def left(self) -> None:
        """Count it out."""
        with self.mutex:
            self._present -= 1

    def allowed(self, spec: TableSpec, right: str) -> bool:
        """Whether the user who consented may do this ("r", "i" or "u") with a table."""
        return right in spec.rights and self.options.allowed(spec.name, right)

    def now(self) -> datetime:
        """The local time on the customer's server, naive."""
        moment = self.clock() + timedelta(hours=self.options.clock_shift)
        return moment.astimezone(AMSTERDAM).replace(tzinfo=None, microsecond=0)

    def rows(self, table: str) -> list[Row]:
        """Copies of all rows of a table, in order of the key."""
        with self.mutex:
            stored = self.tables[table]
            return [dict(stored.rows[key]) for key in stored.keys]

    def row(self, table: str, key: str) -> Row | None:
        """A copy of one row, or None."""
        row = self.tables[table].rows.get(key)
        return None if row is None else dict(row)

    def add(self, table: str, **columns: Any) -> str:
        """A person adds a row, numbered when the key is left out. RefusedError when a value does not fit."""
        with self.mutex:
            stored = self.tables[table]
            row = stored.blank() | self._fitted(stored.spec, columns)
            if stored.spec.parent == SHEETS:
                row |= self.inherited(self.tables[SHEETS].spec, self._sheet(row))
            if not row[stored.spec.key]:
                row[stored.spec.key] = stored.number()
            key: str = row[stored.spec.key]
            if key in stored.rows:
                raise ValueError(f"{table} {key} exists already")
            self.stamp(stored.spec, row, given=columns, new=True)
            stored.put(row)
            self._touch_parent(stored.spec, row)
            return key

    def edit(self, table: str, key: str, **columns: Any) -> None:
        """A person changes a row; KeyError when it does not exist."""
        with self.mutex:
            stored = self.tables[table]
            row = stored.rows[key] | self._fitted(stored.spec, columns)
            if row[stored.spec.key] != key:
                stored.remove(key)
            self.stamp(stored.spec, row, given=columns)
            stored.put(row)
            self._touch_parent(stored.spec, row)

    def remove(self, table: str, key: str) -> None:
        """A person deletes a row, an order with its lines."""
        with self.mutex:
            stored = self.tables[table]
            row = stored.rows[key]
            if stored.spec.child:
                for line in self.lines(stored.spec, key):
                    self.tables[stored.spec.child].remove(line["REC_ID"])
            stored.remove(key)
            self._touch_parent(stored.spec, row)

    def damage(self, table: str, key: str, **columns: Any) -> None:
        """Put values into a row as they are, whatever the column can hold, to see what a client makes of them."""
        with self.mutex:
            stored = self.tables[table]
            stored.put(stored.rows[key] | columns)

    def lock(self, table: str = "*", key: str = "*") -> None:
        """A person has a record open: writes to it are refused. `*` = the whole table, the whole administration."""
        self.locked.add((table, key))

    def unlock(self, table: str = "*", key: str = "*") -> None:
        """The record is closed again."""
        self.locked.discard((table, key))

    def is_locked(self, table: str, key: str) -> bool:
        """Whether somebody has this record, its table or the administration open."""
        return not self.locked.isdisjoint({(table, key), (table, "*"), ("*", "*")})

    def lines(self, spec: TableSpec, key: str) -> list[Row]:
        """The detail rows of a header row, in order of REC_ID."""
        child = self.tables[spec.child]
        return [child.rows[line] for line in child.equal(spec.key, key)]

    def inherited(self, spec: TableSpec, header: Row) -> Row:
        """What a detail row has from its header: the key, and of a sheet also whose it is."""
        return {name: header[name] for name in (spec.key, *(["EMP_NR"] if spec.name == SHEETS else []))}

    def _sheet(self, line: Row) -> Row:
        """The sheet of the line's employee and week, a new one when there is none yet."""
        sheets, day = self.tables[SHEETS], date.fromisoformat(line["HRS_DATE"])
        monday = (day - timedelta(days=day.weekday())).isoformat()
        for key in sheets.equal("EMP_NR", line["EMP_NR"]):
            if sheets.rows[key]["BEG_DATE"] == monday:
                return sheets.rows[key]
        return sheets.rows[self.add(SHEETS, EMP_NR=line["EMP_NR"], BEG_DATE=monday)]

    def stamp(self, spec: TableSpec, row: Row, given: dict[str, Any] | None = None, new: bool = False) -> None:
        """Set the moments of change and, for a new row, of input; those in `given` stay."""
        now = self.now().isoformat()
        if "CNG_DATE" in spec.columns and "CNG_DATE" not in (given or ()):
            row["CNG_DATE"] = now
        if new and "INP_DATE" in spec.columns and "INP_DATE" not in (given or ()):
            row["INP_DATE"] = now

    def _touch_parent(self, spec: TableSpec, row: Row) -> None:
        if spec.parent:
            parent = self.tables[spec.parent]
            header = dict(parent.rows[row[parent.spec.key]])
            self.stamp(parent.spec, header)
            parent.put(header)

    def _fitted(self, spec: TableSpec, columns: dict[str, Any]) -> Row:
        clip = self.options.like is not None  # columns are narrower there than what our made-up people type
        return {name: fit(spec.columns[name], value, clip) for name, value in columns.items()}
