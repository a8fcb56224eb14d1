"""Lines that stand on a sheet of an employee and a period, as hours may (AccountView contract 5).

The sheet is found, or made with its first line; a line is added under it, and changed in it. A line is known by the
sheet's key and its own, `12/0000000034`. Nothing is ever written blindly: before a sheet is made it is looked for
twice, and what a sheet held before tells which line is new on it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from avsync.errors import AvsyncError, Malformed, RecordUnavailable
from avsync.services.accountview import wire
from avsync.services.accountview.schema import Header, TableSchema
from avsync.services.accountview.wire import Row, Value
from avsync.services.http import Done, Outcome, Rejected

if TYPE_CHECKING:
    from avsync.services.accountview.client import AccountView

_PAGE = 50  # sheets, each with its lines
BETWEEN = "/"  # the sheet's key and the line's


class Place(NamedTuple):
    """Whose sheet, and the first day of its period."""

    employee: str
    start: str


@dataclass(slots=True)
class Sheet:
    """A sheet as it was last seen in this run: its key and the keys of its lines."""

    key: str
    lines: set[str]


class Sheets:
    """The sheets of one kind of lines, as `AccountView` writes and reads them."""

    def __init__(self, client: AccountView, line: TableSchema, header: Header) -> None:
        self._client, self.line, self.header = client, line, header
        self._seen: dict[Place, Sheet] = {}
        self._unread: dict[tuple[Place, str], RecordUnavailable] = {}  # nothing is written where we cannot look
        self._mutexes: dict[Place, threading.Lock] = defaultdict(threading.Lock)
        self._mutex = threading.Lock()

    def place(self, values: Mapping[str, object]) -> Place:
        """Where a line belongs; Malformed when it says not whose, or not of when."""
        employee, day = values.get("employee"), values.get("date")
        if not employee or not day:
            raise Malformed("date" if employee else "employee", "-")
        return Place(str(employee).strip().upper(), self.header.start(str(day)[:10]))

    # --- reading

    def rows(self, place: Place, day: str = "") -> list[Row]:
        """The lines on the sheets of an employee and a period, in the financial year of `day`."""
        return [row for _, rows in self._find(place, day) for row in rows]

    def row(self, key: str, day: str = "") -> Row | None:
        """The line with that key."""
        own, _, line = key.partition(BETWEEN)
        if not line:
            return None
        found = self._client.of_one(self.line.kind, key, lambda: self._read(self._by_key(own), day))
        return next((row for _, rows in found for row in rows if row.get(self.line.key) == key), None)

    def whole(self, key: str, day: str = "") -> Row | None:
        """The line with that key with every column there is, and the employee of its sheet, under AccountView's names
        in upper case. Where `*` says nothing to it: the columns that are ours."""
        own, _, wanted = key.partition(BETWEEN)
        line, employee = self.line, self.line.columns["employee"].upper()
        for names in (["*"], [line.columns[name] for name in self._columns()]):
            fields = [*self.header.table.columns.values(), *(f"{line.table}.{name}" for name in names)]
            for header, row in self._raw(self._by_key(own), fields, day):
                told = {name.upper(): value for name, value in row.items()}
                if wire.key_text(told.get(line.key_column.upper())) == wanted:
                    return {employee: wire.neutral_rows([header], self.header.table)[0].get("employee"), **told}
        return None

    def _by_key(self, key: str) -> dict[str, str]:
        return wire.equal(1, "key", self.header.table.key_column, self._letter("key"), key)

    def _find(self, place: Place, day: str) -> list[tuple[str, list[Row]]]:
        """(key, lines) of the sheets. RecordUnavailable while AccountView does not show them."""
        if (place, day) in self._unread:
            raise self._unread[place, day]
        try:
            return self._client.of_one(self.line.kind, " ".join(place), lambda: self._search(place, day))
        except RecordUnavailable as error:
            self._unread[place, day] = error
            raise

    def _search(self, place: Place, day: str) -> list[tuple[str, list[Row]]]:
        """Where none is found it is looked for once more: by a day that starts the period in nobody's eyes but ours, or
        an `Equal` on dates that this server reads otherwise."""
        employee, start = (self.header.table.columns[name] for name in ("employee", "period_start"))
        params = wire.equal(1, "employee", employee, self._letter("employee"), place.employee)
        letter = self._letter("period_start")
        found = self._read(params | wire.equal(2, "period_start", start, letter, place.start), day, place)
        return found or self._read(params | wire.since(2, start, letter, place.start), day, place)

    def _letter(self, name: str) -> str:
        table = self.header.table
        return self._client.types.get((table.kind, name)) or table.type(name)

    def _read(self, params: Mapping[str, str], day: str, place: Place | None = None) -> list[tuple[str, list[Row]]]:
        table, line = self.header.table, self.line
        fields = [*table.columns.values(), *(f"{line.table}.{line.columns[name]}" for name in self._columns())]
        found: list[tuple[str, list[Row]]] = []
        for data, headers in self._client.pages_of(table, fields, params, _PAGE, day):
            for header in headers:
                own = wire.neutral_rows([header], table)[0]
                key = wire.key_text(own.get("key"))
                if key and (place is None or self._is_at(own, place)):
                    lines = wire.neutral_rows(wire.details(data, headers, header, table.table, line.table), line)
                    found.append((key, [self._told(key, own, row) for row in lines]))
        return found

    def _raw(self, params: Mapping[str, str], fields: Sequence[str], day: str) -> Iterator[tuple[Row, Row]]:
        """(sheet, line) as AccountView shows them."""
        for data, headers in self._client.pages_of(self.header.table, fields, params, _PAGE, day):
            for header in headers:
                lines = wire.details(data, headers, header, self.header.table.table, self.line.table)
                yield from ((header, row) for row in lines if isinstance(row, dict))

    def _is_at(self, own: Row, place: Place) -> bool:
        day = str(own.get("period_start") or "")[:10]
        employee = wire.key_text(own.get("employee")) or ""
        return employee.upper() == place.employee and bool(day) and self.header.start(day) == place.start

    def _told(self, key: str, own: Row, row: Row) -> Row:
        """A line as it is handed on: under both keys, and with the employee of its sheet."""
        line = wire.key_text(row.get(self.line.key))
        return {"employee": own.get("employee"), **row, self.line.key: f"{key}{BETWEEN}{line}" if line else None}

    def _columns(self) -> list[str]:
        lacking = {"employee"} - self._on_the_line()
        return [name for name in self._client.columns_of(self.line.kind) if name not in lacking]

    def _on_the_line(self) -> set[str]:
        """Whether the line has the employee as well."""
        return {"employee"} if (self.line.kind, "employee") in self._client.types else set()

    # --- writing

    def add(self, values: Mapping[str, Value], day: str) -> Outcome:
        """A new line, on the sheet where it belongs. Of one sheet one line at a time, so that it is made once."""
        place = self.place(values)
        with self._mutex:
            mutex = self._mutexes[place]
        with mutex:
            sheet = self._seen.pop(place, None) or self._newest(place, day)
            if sheet is None and not self.header.create:
                return Rejected("", place=" ".join(place), lacking=True)
            return self._add(place, sheet, values, day)

    def _newest(self, place: Place, day: str) -> Sheet | None:
        """Of several the last one made: what comes before it is closed, if any is."""
        found = self._find(place, day)
        if not found:
            return None
        key, rows = max(found, key=lambda pair: (len(pair[0]), pair[0]))
        return Sheet(key, self._keys(rows))

    def _keys(self, rows: Sequence[Row]) -> set[str]:
        return {str(row[self.line.key]) for row in rows if row.get(self.line.key)}

    def _add(self, place: Place, sheet: Sheet | None, values: Mapping[str, Value], day: str) -> Outcome:
        made: dict[str, Value] = {"employee": place.employee, "period_start": place.start}
        head = {"key": sheet.key} if sheet else made
        outcome = self._send("PUT" if sheet else "POST", head, sheet.key if sheet else None, values, day)
        if isinstance(outcome, Rejected):
            return replace(outcome, place=sheet.key if sheet else " ".join(place))
        if not isinstance(outcome, Done):
            return outcome
        rows = (outcome.row or {}).get("lines") or self._read_back(place, day)
        before = sheet.lines if sheet else set()
        new = self._new(rows, before, values)
        if new is not None:
            key = str(new[self.line.key]).partition(BETWEEN)[0]
            self._seen[place] = Sheet(key, before | self._keys(rows))
        return Done(new)

    def _read_back(self, place: Place, day: str) -> list[Row]:
        """An answer without the lines; it is stored, whatever becomes of the reading."""
        try:
            return self.rows(place, day)
        except (AvsyncError, Malformed):
            return []

    def _new(self, rows: Sequence[Row], before: Collection[str], values: Mapping[str, Value]) -> Row | None:
        """The line that was just added: by our reference, else by what was sent, among those that were not there
        before."""
        new = [row for row in rows if row.get(self.line.key) and row[self.line.key] not in before]
        mark = str(values.get("reference") or "").upper()
        marked = [row for row in new if mark and str(row.get("reference") or "").strip().upper() == mark]
        if marked or len(new) == 1:
            return (marked or new)[0]
        sent = {name: str(value) for name, value in values.items() if name != "reference"}
        equal = [row for row in new if all(self._is(row, name, value) for name, value in sent.items())]
        return equal[0] if equal else None

    def _is(self, row: Row, name: str, value: str) -> bool:
        letter = self._client.types.get((self.line.kind, name)) or self.line.type(name)
        return wire.same(letter, row.get(name), value)

    def change(self, key: str, values: Mapping[str, Value], day: str) -> Outcome:
        """Change what is named of a line where it stands."""
        own, _, line = key.partition(BETWEEN)
        outcome = self._send("PUT", {"key": own}, own, {self.line.key: line, **values}, day)
        if isinstance(outcome, Rejected):
            return replace(outcome, place=own)
        if not isinstance(outcome, Done):
            return outcome
        rows = (outcome.row or {}).get("lines") or []
        return Done(next((row for row in rows if row.get(self.line.key) == key), None))

    def _send(
        self, method: str, head: Mapping[str, Value], key: str | None, values: Mapping[str, Value], day: str
    ) -> Outcome:
        lacking = {"employee"} - self._on_the_line()
        line = {name: value for name, value in values.items() if name not in lacking}
        return self._client.write(method, self.header.table, head, key, self.line, [line], day, self._stored)

    def _stored(self, data: Any) -> Row | None:
        """The lines of the sheet that the answer to a write tells of."""
        table, line = self.header.table, self.line
        headers = [row for row in wire.table(data, table.table) if isinstance(row, dict)]
        if not headers:
            return None
        own = wire.neutral_rows(headers[:1], table)[0]
        key = wire.key_text(own.get("key"))
        rows = wire.neutral_rows(wire.details(data, headers, headers[0], table.table, line.table), line)
        return {"lines": [self._told(key, own, row) for row in rows]} if key else None
