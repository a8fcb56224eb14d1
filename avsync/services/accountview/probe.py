"""How this AccountView answers, found out by asking it: reads only, few, and none that tells anything about anybody.

What is unknown in AccountView contract 3 is asked here, once, and used by every run from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Barrier
from typing import Any

from avsync.services.accountview import wire
from avsync.services.accountview.client import DATA, AccountView
from avsync.services.accountview.schema import LEDGER, TableSchema
from avsync.services.http import Answer

NOBODY = ("AVSYNC-0", "AVSYNC-9")  # keys that nobody gives out
_NO_COLUMN = "AVSYNC_X"
_LARGEST = 1000
_SIZES = (1000, 400, 200, 100)
_BURSTS = (2, 4, 8)
_EACH = 2  # calls of each in a burst
_FEW = 6  # rows that show whether paging works
_LONG_AGO = "1990-01-01T00:00:00"

Row = Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """What was found out; None: could not be seen here. JSON through `dataclasses.asdict`.

    `no_rows`: `json` and `empty` (a 404), `list`, `error` (with `no_rows_words`), `html` or `rows`. `page_size`: the
    most rows that an answer holds. `book_date_matters`: whether BookDate changes what a read shows; `years_refused`:
    ISO day -> AccountView's words. `unknown_column`: `left_out`, `null` or `refused`. `equal`: `exact` or `prefix`.
    `filter_time`: `kept` or `ignored`. `at_once`: calls that were borne at a time.
    """

    no_rows: str | None = None
    no_rows_words: str = ""
    page_size: int | None = None
    last_key_with_filter: bool | None = None
    book_date_matters: bool | None = None
    years_refused: dict[str, str] = field(default_factory=dict)
    unknown_column: str | None = None
    equal: str | None = None
    filter_time: str | None = None
    at_once: int | None = None
    server_time: str | None = None  # UTC, from the Date header


def probe(client: AccountView, kinds: Collection[str], days: Sequence[str]) -> Seen:
    """Ask everything; `days` are those whose financial years are tried. Errors: of the login alone.

    A question that gets no answer stays open, and the others are asked all the same.
    """
    return _Probe(client, [client.schema[kind] for kind in kinds]).all(days)


class _Probe:
    def __init__(self, client: AccountView, tables: Sequence[TableSchema]) -> None:
        self.client, self.seen = client, Seen()
        self.tables = [table for table in tables if table.parent is None and not table.sheet]
        self.wide = _Asking(client)

    def all(self, days: Sequence[str]) -> Seen:
        table = self._with_rows()
        if table is None:
            return self.seen
        self._no_rows(table)
        for ask in (self._page_size, self._last_key, self._column, self._equal, self._time):
            ask(table)
        self._book_dates(days)
        self._at_once(table)
        return self.seen

    def _with_rows(self) -> TableSchema | None:
        """A table to try things on: one that has rows, with a moment of change if there is any such."""
        found = [table for table in self.tables if self.wide.rows(table, PageSize="2")]
        timed = [table for table in found if self._timed(table)]
        first = next(iter(timed or found or self.tables), None)
        if first is not None:
            self.seen.server_time = self.wide.clock(first)
        return first

    def _timed(self, table: TableSchema) -> bool:
        return "changed_at" in table.columns and (table.kind, "changed_at") not in self.client.absent

    def _no_rows(self, table: TableSchema) -> None:
        forms = {self._form(table, self.wide.ask(table, **self._keyed(table, key), PageSize="1")) for key in NOBODY}
        if len(forms) == 1 and (form := forms.pop()):
            self.seen.no_rows, self.seen.no_rows_words = form
            self.wide.nothing = form[1]

    def _form(self, table: TableSchema, answer: Answer | None) -> tuple[str, str] | None:
        if answer is None or answer.status in (408, 429) or answer.status >= 500:
            return None
        if not answer.readable:
            return "html", ""
        said = _refusal(answer)
        if said is not None:
            return ("error", said) if said else None
        if answer.status == 404:
            return ("json" if answer.json() else "empty"), ""
        return ("rows" if self.wide.read(table, answer) else "list"), ""

    def _keyed(self, table: TableSchema, key: str, operator: str = "Equal") -> dict[str, str]:
        return wire.condition(1, table.key_column, operator, "C", key)

    def _page_size(self, table: TableSchema) -> None:
        """A server may give fewer rows than it was asked for, and a short page is the end of a listing."""
        for other in sorted(self.tables, key=lambda one: one is not table):
            for size in _SIZES:
                rows = self.wide.rows(other, PageSize=str(size))
                if rows is None:
                    continue  # too many for it
                if size < _LARGEST or len(rows) == size:
                    self.seen.page_size = min(size, self.seen.page_size or size)
                elif rows and self.wide.rows(other, PageSize="1", LastKey=self._key(other, rows[-1])):
                    self.seen.page_size = min(len(rows), self.seen.page_size or len(rows))
                break
            if self.seen.page_size:
                return

    def _key(self, table: TableSchema, row: Row) -> str:
        return wire.key_text(wire.field(row, table.key_column)) or ""

    def _last_key(self, table: TableSchema) -> None:
        """A condition and LastKey together, two rows at a time, against one page."""
        if self._timed(table):
            condition = wire.changed_since(table.columns["changed_at"], _LONG_AGO)
        else:
            condition = self._keyed(table, NOBODY[0], "NotEqual")
        whole = self.wide.rows(table, **condition, PageSize=str(_FEW))
        if whole is None or len(whole) <= 2:
            return
        parts: list[Row] = []
        while len(parts) < len(whole):
            after = {"LastKey": self._key(table, parts[-1])} if parts else {}
            page = self.wide.rows(table, **condition, PageSize="2", **after)
            if page is None:
                return
            parts += page
            if len(page) < 2:
                break
        keys = [[self._key(table, row) for row in rows] for rows in (whole, parts)]
        self.seen.last_key_with_filter = keys[0] == keys[1][: len(whole)]

    def _column(self, table: TableSchema) -> None:
        answer = self.wide.ask(table, Fields=f"{table.key_column},{_NO_COLUMN}", PageSize="1")
        if answer is None or not answer.readable:
            return
        rows = self.wide.read(table, answer)
        if rows is None:
            self.seen.unknown_column = "refused" if answer.status < 500 and answer.status != 429 else None
        elif rows:
            there = any(name.upper() == _NO_COLUMN for name in rows[0])
            self.seen.unknown_column = "null" if there else "left_out"

    def _equal(self, table: TableSchema) -> None:
        keys = [self._key(table, row) for row in self.wide.rows(table, PageSize="20") or []]
        prefix = next((key[:-1] for key in keys if len(key) > 1 and key[:-1].strip() == key[:-1]), "")
        rows = self.wide.rows(table, **self._keyed(table, prefix), PageSize="20") if prefix else None
        if rows is not None:
            others = [key for row in rows if (key := self._key(table, row)).upper() != prefix.upper()]
            self.seen.equal = "prefix" if others else "exact"

    def _time(self, table: TableSchema) -> None:
        """A row changed at half past ten must not show where everything since eleven is asked for."""
        if not self._timed(table):
            return
        column = table.columns["changed_at"]
        fields = f"{table.key_column},{column}"
        for row in self.wide.rows(table, Fields=fields, PageSize="20") or []:
            moment, key = _moment(wire.field(row, column)), self._key(table, row)
            if moment is None or not key or moment.hour == 23:
                continue
            later = (moment + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
            since = {name.replace("1", "2"): value for name, value in wire.changed_since(column, later).items()}
            found = self.wide.rows(table, **self._keyed(table, key), **since, PageSize="20")
            if found is not None:
                there = key in {self._key(table, one) for one in found}
                self.seen.filter_time = "ignored" if there else "kept"
            return

    def _book_dates(self, days: Sequence[str]) -> None:
        """What a read shows in each of these financial years, by the tables whose records have a date."""
        for table in self.tables:
            if "D" not in table.types.values():
                continue
            shown = {day: self._in_year(table, day) for day in dict.fromkeys(days)}
            known = [keys for keys in shown.values() if keys is not None]
            if len(known) > 1 and any(known):
                differs = any(keys != known[0] for keys in known)
                self.seen.book_date_matters = differs or bool(self.seen.book_date_matters)

    def _in_year(self, table: TableSchema, day: str) -> list[str] | None:
        answer = self.wide.ask(table, BookDate=day, PageSize="100")
        rows = self.wide.read(table, answer) if answer is not None else None
        if rows is None and answer is not None and (said := _refusal(answer)):
            self.seen.years_refused[day] = said
        return None if rows is None else [self._key(table, row) for row in rows]

    def _at_once(self, table: TableSchema) -> None:
        """Bursts of a look-up that finds nothing, each twice as large, until one call is not borne."""
        params = {**self._keyed(table, NOBODY[0]), "PageSize": "1"}

        def several(together: Barrier) -> bool:
            together.wait()
            return all(_borne(self.wide.ask(table, **params)) for _ in range(_EACH))

        self.client.http.at_most(_BURSTS[-1])
        for size in _BURSTS:
            together = Barrier(size)
            with ThreadPoolExecutor(size) as pool:
                borne = [one.result() for one in [pool.submit(several, together) for _ in range(size)]]
            if not all(borne):
                self.seen.at_once = self.seen.at_once or 1
                return
            self.seen.at_once = size


# --- the ledger account of new customers


def ledger_account(client: AccountView, account: str, kind: str, column: str) -> str:
    """`there`, `missing` from a ledger that can be read, `in_use` by records of this kind, or `unseen`."""
    key, asking = LEDGER.key_column, _Asking(client)
    condition = wire.condition(1, key, "Equal", "C", account)
    rows = asking.rows(LEDGER, **condition, PageSize="20") or []
    if any((wire.key_text(wire.field(row, key)) or "").upper() == account.upper() for row in rows):
        return "there"
    if asking.rows(LEDGER, PageSize="1"):
        return "missing"
    used = wire.condition(1, client.schema[kind].columns[column], "Equal", "C", account)
    return "in_use" if asking.rows(client.schema[kind], **used, PageSize="1") else "unseen"


def _refusal(answer: Answer) -> str | None:
    """AccountView's words in an answer that is a refusal; they may be empty."""
    return wire.failure(answer.json()) if answer.readable else None


def _borne(answer: Answer | None) -> bool:
    return answer is not None and answer.status != 429 and answer.status < 500


def _moment(value: Any) -> datetime | None:
    """A moment with a time of day."""
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (
        found.replace(tzinfo=None) if found.time() != datetime.min.time() and found.date() > date(1900, 1, 1) else None
    )


class _Asking:
    """Single reads, as they are answered."""

    def __init__(self, client: AccountView) -> None:
        self._client = client
        self.nothing = client.habits.no_rows  # what it says where there are no rows

    def ask(self, table: TableSchema, **params: str) -> Answer | None:
        """One answer whatever it says, None where none came."""
        asked = {"BusinessObject": table.business_object, "Fields": table.key_column, **params}
        return self._client.once(DATA, asked)

    def rows(self, table: TableSchema, **params: str) -> list[Row] | None:
        """The rows of an answer; none where it says so, None where it is no answer to the question."""
        answer = self.ask(table, **params)
        return None if answer is None else self.read(table, answer)

    def read(self, table: TableSchema, answer: Answer) -> list[Row] | None:
        """The same of an answer that is there."""
        if not answer.readable:
            return None
        data, said = answer.json(), wire.failure(answer.json())
        if (said is None and answer.status == 404) or (said and said == self.nothing):
            return []
        if not answer.ok or said is not None or not isinstance(data, dict):
            return None
        return [row for row in wire.as_list(wire.field(data, table.table)) if isinstance(row, dict)]

    def clock(self, table: TableSchema) -> str | None:
        """The server's clock."""
        answer = self.ask(table, PageSize="1")
        moment = answer.server_time if answer is not None else None
        return moment.isoformat() if moment else None
