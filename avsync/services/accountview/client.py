"""AccountView's data: complete listings, look-ups, and writes whose outcome is a value (AccountView contract 2-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from avsync.errors import ConfigError, LoginNeeded, Malformed, RecordUnavailable, TryLater
from avsync.services.accountview import wire
from avsync.services.accountview.schema import TableSchema
from avsync.services.accountview.sheets import Place, Sheets
from avsync.services.accountview.wire import Rows, Value, document
from avsync.services.http import Answer, Auth, Flaw, Http, Outcome, Page

DATA = "/accountviewdata"
PAGE_SIZE = 400
LOOK_UP_SIZE = 200
_IN_A_ROW = 3  # look-ups of different keys (behaviour 8)

_ROUND = frozenset({50, 100, 200, 250, 256, 300, 500})  # rows: a cap of the server's rather than the end of the table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Habits:
    """How this AccountView answers, as it was seen to (AccountView contract 3 leaves it open).

    `page_size`: the most rows it gives. `no_rows`: its words where it refuses a read without rows.
    `last_key_with_filter`: whether a listing with a condition can be paged.
    """

    page_size: int = PAGE_SIZE
    no_rows: str = ""
    last_key_with_filter: bool = True


class AccountView:
    """One company's data. `auth` gives the bearer token, `today` the day in Europe/Amsterdam (else AccountView's own
    clock does, and ours while it has told none).

    The financial year of a write, and of a read that a `day` is given to, follows from `book_date` (behaviour 52): the
    `record`'s own day where it has one, else today; `today`; or `none`, which leaves it to AccountView.


    `absent` holds (kind, neutral column) that this installation lacks: never asked for, never sent. `types` holds the
    dictionary's type letters where they are known. Reads raise TryLater (RecordUnavailable where it is about one
    record), LoginNeeded or OutOfTime; a write that raises one of these was not stored.
    """

    def __init__(
        self,
        http: Http,
        schema: Mapping[str, TableSchema],
        company_id: str,
        *,
        auth: Auth | None = None,
        today: Callable[[], date] | None = None,
        book_date: str = "record",
    ) -> None:
        self.http = http
        self.schema = schema
        self.company_id = company_id
        self.habits = Habits()
        self.largest = 0  # rows on the largest page that was seen
        self.absent: set[tuple[str, str]] = set()
        self.types: dict[tuple[str, str], str] = {}
        self._auth = auth
        self._today, self._book_date = today or self._by_its_clock, book_date
        self._sheets = {
            kind: Sheets(self, table, table.header) for kind, table in schema.items() if table.header is not None
        }
        self._refused: set[tuple[str, str]] = set()  # looked up in vain since a look-up went well

    def _by_its_clock(self) -> date:
        return (self.http.time() or datetime.now(UTC)).astimezone(ZoneInfo("Europe/Amsterdam")).date()

    def companies(self) -> list[dict[str, Any]]:
        """What the consenting user may enter: `Id` (for the header), `Code` (what people know), `Description`."""
        found = self.fetch("/companies", None, wire.as_list)[0] or []
        names = ("Id", "Code", "Description")
        return [
            {name: wire.key_text(wire.field(row, name)) or "" for name in names}
            for row in found
            if isinstance(row, dict)
        ]

    def pages(
        self, kind: str, *, since: str | None = None, page_size: int = 0, place: str = "", day: str = ""
    ) -> Iterator[Page]:
        """All rows, or those changed since a naive local moment `YYYY-MM-DDTHH:MM:SS`; complete, or it raises.

        A kind without a column of changes is read whole, and so is every kind where conditions cannot be paged. The
        first page comes even when it is empty; with the `place` of an earlier page, that one comes first. In the
        financial year of `day`.
        """
        changed = "changed_at" in self._asked(kind) and self.habits.last_key_with_filter
        conditions = wire.changed_since(self.schema[kind].columns["changed_at"], since) if since and changed else {}
        return self._listing(kind, {**conditions, **self._read_in(day)}, page_size or self.habits.page_size, place)

    def lists_changes(self, kind: str) -> bool:
        """Whether what changed can be listed: there is a column for it, and the rows are not a sheet's."""
        return "changed_at" in self._asked(kind) and kind not in self._sheets

    def since(self, kind: str, column: str, day: str) -> Iterator[Page]:
        """The rows whose date (neutral name) is that day (ISO) or later; all of them where conditions cannot be
        paged."""
        condition = wire.since(1, self.schema[kind].columns[column], self._type(kind, column), day)
        conditions = condition if self.habits.last_key_with_filter else {}
        return self._listing(kind, conditions, self.habits.page_size)

    def sheet_of(self, kind: str, values: Mapping[str, object]) -> tuple[str, str] | None:
        """Whose sheet such a row stands on, and from which day (ISO) that is; None where rows stand by themselves.

        Malformed when `values` do not say it.
        """
        return self._sheets[kind].place(values) if kind in self._sheets else None

    def on_sheet(self, kind: str, place: tuple[str, str], day: str = "") -> list[dict[str, Any]]:
        """The rows on that sheet, in the financial year of `day`."""
        return self._sheets[kind].rows(Place(*place), day)

    def by_key(self, kind: str, key: str, day: str = "") -> dict[str, Any] | None:
        """The row with that key, None when there is none: for text that cannot be a key as well."""
        try:
            if kind in self._sheets:
                return self._sheets[kind].row(key, day)
            return next(iter(self.find(kind, {self.schema[kind].key: key}, day)), None)
        except Malformed:
            return None

    def find(
        self, kind: str, conditions: Mapping[str, str], day: str = "", among: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """The rows that equal one or two conditions (neutral name -> text, ISO date or number), in the year of `day`.

        Rows on a sheet are looked for on that of `among`, values of the row. Malformed for a value that cannot stand in
        such a column.
        """
        if not 1 <= len(conditions) <= 2:
            raise ValueError("one or two conditions")
        wanted = {name: (self._type(kind, name), value) for name, value in conditions.items()}
        if kind in self._sheets:
            rows = self._sheets[kind].rows(self._sheets[kind].place(among or conditions), day)
            return [
                row for row in rows
                if all(wire.same(letter, row.get(name), value) for name, (letter, value) in wanted.items())
            ]  # fmt: skip
        params = self._read_in(day)
        for number, (name, (letter, value)) in enumerate(wanted.items(), 1):
            params |= wire.equal(number, name, self.schema[kind].columns[name], letter, value)

        def read() -> list[dict[str, Any]]:
            return [
                row
                for page in self._listing(kind, params, min(LOOK_UP_SIZE, self.habits.page_size))
                for row in page.rows  # to a server a prefix may be `Equal`
                if all(wire.same(letter, row.get(name), value) for name, (letter, value) in wanted.items())
            ]

        return self.of_one(kind, conditions.get(self.schema[kind].key) or ", ".join(conditions.values()), read)

    def whole(self, kind: str, key: str, day: str = "") -> dict[str, Any] | None:
        """The row with that key with every column there is, under AccountView's own names in upper case; None when
        there is no such row. Where `*` says nothing to it: the columns that are ours."""
        if kind in self._sheets:
            return self._sheets[kind].whole(key, day)
        table = self.schema[kind]
        letter = self._type(kind, table.key)
        params = self._params(table, ["*"], LOOK_UP_SIZE) | wire.equal(1, table.key, table.key_column, letter, key)
        ours = {"Fields": ",".join(table.columns[name] for name in self._asked(kind))}
        for fields in ({}, ours):
            try:
                found = self.fetch(DATA, params | self._read_in(day) | fields, partial(wire.table, name=table.table))[0]
            except TryLater as error:
                if fields or error.code != "accountview_read_error":
                    raise
                continue
            rows = [
                {name.upper(): value for name, value in row.items()} for row in found or [] if isinstance(row, dict)
            ]
            there = [row for row in rows if wire.same(letter, row.get(table.key_column.upper()), key)]
            if there or fields:
                return there[0] if there else None
        return None

    def details(self, kind: str, key: str, day: str = "") -> list[dict[str, Any]] | None:
        """The detail rows of one header by its key, in the year of `day`; None when there is no such header."""
        line = self.schema[kind]
        head = self.schema[line.parent or ""]
        fields = [head.key_column, *(f"{line.table}.{line.columns[name]}" for name in self._asked(kind))]
        letter = self._type(head.kind, head.key)
        params = self._params(head, fields, LOOK_UP_SIZE) | wire.equal(1, head.key, head.key_column, letter, key)

        pick = partial(wire.details_of, head, line, letter, key)
        return self.of_one(head.kind, key, lambda: self.fetch(DATA, params | self._read_in(day), pick)[0])

    def of_one(self, kind: str, key: str, read: Callable[[], T]) -> T:
        """The look-up of one record. An error of AccountView is that record's problem, until several in a row show that
        it is not (behaviour 8)."""
        try:
            found = read()
        except TryLater as error:
            if error.code != "accountview_read_error":
                raise
            self._refused.add((kind, key))
            if len(self._refused) >= _IN_A_ROW:
                raise
            raise RecordUnavailable(error.code, parent_kind=kind, parent=key, **error.params) from error
        self._refused.clear()
        return found

    @staticmethod
    def in_year(day: str, read: Callable[[str], T]) -> T:
        """What a look-up finds in the financial year of `day`; where AccountView refuses that one, as one that does
        not exist, what it shows by itself."""
        try:
            return read(day)
        except TryLater as error:
            if error.code != "accountview_read_error" or not day:
                raise
            return read("")

    def create(self, kind: str, values: Mapping[str, Value], day: str = "") -> Outcome:
        """A new record. A None is left out: that leaves the column empty."""
        given = {name: value for name, value in values.items() if value is not None}
        if kind in self._sheets:
            return self._sheets[kind].add(self._sendable(kind, given), day)
        return self._write("POST", kind, self._sendable(kind, given), day=day)

    def update(self, kind: str, key: str, values: Mapping[str, Value], day: str = "") -> Outcome:
        """Change what is named; None clears, a name that is not there stays as it is."""
        if kind in self._sheets:
            return self._sheets[kind].change(key, self._sendable(kind, values), day)
        return self._write("PUT", kind, self._sendable(kind, values), key, day=day)

    def put_details(self, kind: str, key: str, lines: Sequence[Mapping[str, Value]], day: str = "") -> Outcome:
        """Change the detail rows with an `id`, add those without; what is not mentioned stays (AccountView contract 4).

        All must name the same columns (`id` aside), because the format is positional. Done.row is `{"lines": [...]}`
        with what the answer told of the header's details, or None.
        """
        line = self.schema[kind]
        head = self.schema[line.parent or ""]
        sent = [self._sendable(kind, one) for one in lines]
        if len({frozenset(one.keys() - {line.key}) for one in sent}) != 1:
            raise ValueError("lines with the same columns each")
        return self._write("PUT", head.kind, {head.key: key}, key, kind, sent, day)

    def fetch(
        self, path: str, params: Mapping[str, str] | None, pick: Callable[[Any], T]
    ) -> tuple[T | None, datetime | None]:
        """What `pick` makes of a read's JSON, None for a 404 that can be believed; and the server's clock."""

        def accept(answer: Answer) -> tuple[T | None, datetime | None]:
            if answer.status == 401:
                raise LoginNeeded("login_needed")
            data = answer.json()
            if answer.status == 404:
                return None, answer.server_time
            message = wire.failure(data)
            if message and message == self.habits.no_rows:
                return None, answer.server_time
            if message is not None:
                raise Flaw("accountview_read_error", message=message)
            if not answer.ok:
                raise Flaw(detail=f"HTTP {answer.status}")
            return pick(data), answer.server_time

        headers = {} if path == "/companies" else {"x-company": self.company_id}
        return self.http.get(path, params, accept, headers=headers, auth=self._auth)

    def once(self, path: str, params: Mapping[str, str]) -> Answer | None:
        """One answer to a read, whatever it says; None where none came. LoginNeeded for a login that does not hold."""
        return self.http.once(path, params, headers={"x-company": self.company_id}, auth=self._auth)

    def _listing(self, kind: str, conditions: Mapping[str, str], page_size: int, place: str = "") -> Iterator[Page]:
        """Keyset paging: ends with a page that is not full, or when LastKey does not move (AccountView contract 3).

        A suspiciously round number of rows is asked on, unless a larger page was seen: the server may have a cap.
        """
        table = self.schema[kind]
        fields = [table.columns[name] for name in self._asked(kind)]
        params = {**self._params(table, fields, page_size), **conditions, **({"LastKey": place} if place else {})}
        last: str | None = place or None
        passed: set[str] = set()
        while True:
            answer, when = self.fetch(DATA, params, partial(wire.table, name=table.table))
            found = answer or []
            key = wire.last_key(found, table.key_column)
            moved = last is None or (bool(found) and key != last)
            if moved:
                yield Page(wire.neutral_rows(found, table), when, last or "")
            short = len(found) < page_size
            self.largest = max(self.largest, len(found))
            if not moved or (short and (len(found) < self.largest or len(found) not in _ROUND or key is None)):
                return
            if key is None or key in passed:
                raise TryLater("listing_broken", service=self.http.service, listing=table.table)
            passed.add(key)
            params["LastKey"] = last = key

    def _params(self, table: TableSchema, fields: Sequence[str], page_size: int) -> dict[str, str]:
        return {"BusinessObject": table.business_object, "PageSize": str(page_size), "Fields": ",".join(fields)}

    def _asked(self, kind: str) -> list[str]:
        """The neutral columns that exist here, the key first."""
        table = self.schema[kind]
        others = [name for name in table.columns if name != table.key and (kind, name) not in self.absent]
        return [table.key, *others]

    def _type(self, kind: str, neutral: str) -> str:
        return self.types.get((kind, neutral)) or self.schema[kind].type(neutral)

    def _sendable(self, kind: str, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in values.items() if (kind, name) not in self.absent}

    def _write_in(self, day: str) -> date | None:
        """The book date of a write, None for AccountView's own."""
        if self._book_date == "none":
            return None
        return date.fromisoformat(day) if day and self._book_date == "record" else self._today()

    def _read_in(self, day: str) -> dict[str, str]:
        """A record is looked for in the year it was, or is to be, written in."""
        return {"BookDate": day} if day and self._book_date == "record" else {}

    def _write(
        self,
        method: str,
        kind: str,
        values: Mapping[str, Value],
        key: str | None = None,
        line: str | None = None,
        lines: Sequence[Mapping[str, Value]] = (),
        day: str = "",
    ) -> Outcome:
        """One record, with detail rows of the kind `line`, if any."""
        table, detail = self.schema[kind], self.schema[line] if line else None
        stored = partial(wire.stored_lines, table, detail) if detail else partial(wire.stored_row, table)
        return self.write(method, table, values, key, detail, lines, day, stored)

    def write(
        self,
        method: str,
        table: TableSchema,
        values: Mapping[str, Value],
        key: str | None,
        line: TableSchema | None,
        lines: Sequence[Mapping[str, Value]],
        day: str,
        stored: Callable[[Any], dict[str, Any] | None],
    ) -> Outcome:
        """One row of a table, with detail rows if there are any; `stored` finds the record in the answer."""
        details = Rows(line, self.types, lines) if line else None
        body = document(table, self._write_in(day), Rows(table, self.types, [values]), details, key)
        reply = self.http.send(method, DATA, body, headers={"x-company": self.company_id}, auth=self._auth)
        if not isinstance(reply, Answer):
            return reply
        if reply.status == 401:
            raise LoginNeeded("login_needed")
        return wire.outcome(reply, table.table, reply.status == 404 and method == "PUT", stored)

    def columns_of(self, kind: str) -> list[str]:
        """The neutral columns of a kind that exist here, the key first."""
        return self._asked(kind)

    def pages_of(
        self, table: TableSchema, fields: Sequence[str], conditions: Mapping[str, str], size: int, day: str
    ) -> Iterator[tuple[Any, list[Any]]]:
        """A header table page by page: the whole answer, with the detail rows in it, and its header rows."""
        params = {**self._params(table, fields, size), **conditions, **self._read_in(day)}

        def pick(data: Any) -> tuple[Any, list[Any]]:
            return data, wire.table(data, table.table)

        passed: set[str | None] = {None}
        while True:
            answer, _ = self.fetch(DATA, params, pick)
            data, found = answer or ({}, [])
            key = wire.last_key(found, table.key_column)
            if found and key in passed:
                raise TryLater("listing_broken", service=self.http.service, listing=table.table)
            yield data, found
            if len(found) < size:
                return
            passed.add(key)
            params["LastKey"] = str(key)


def pick_company(companies: Iterable[Mapping[str, Any]], code: str) -> Mapping[str, Any]:
    """The company with this code (AccountView contract 2); codes compare in upper case.

    Errors: LoginNeeded("no_companies") when the user sees none, ConfigError("company_unknown") that lists the codes.
    """
    codes = {company_code(company): company for company in companies}
    if not codes:
        raise LoginNeeded("no_companies")
    for found, company in codes.items():
        if found.upper() == code.strip().upper():
            return company
    raise ConfigError("company_unknown", company=code, codes=", ".join(sorted(codes)))


def company_code(company: Mapping[str, Any]) -> str:
    """Its code, trimmed."""
    return str(company.get("Code") or "").strip()
