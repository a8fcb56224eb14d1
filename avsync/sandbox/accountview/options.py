"""What can differ between AccountView installations, as switches of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from avsync.sandbox.accountview.installation import Installation
from avsync.sandbox.accountview.names import PARTS

Company = dict[str, str]


def _companies() -> list[Company]:
    return [
        {"Id": "7c1e-0001-demo", "Code": "DEMO", "Description": "Demo Installatietechniek B.V."},
        {"Id": "7c1e-0002-oud", "Code": "OUD", "Description": "Oude administratie"},
    ]


@dataclass
class Options:
    """Switches of one AccountView.

    What it has, read once at the start. `like`: a recorded installation whose dictionary is played (`habits` gives the
    switches that go with it). `names`: "default" as in AccountView contract 5, "other" renames all that nobody could
    confirm. `hours`: "lines", each by itself, or "sheets", under a sheet for each employee and `sheet_period` (week or
    month). `lacking`: (table, column) that is not there; `without`: tables whose module is not. `extra_columns`: so
    many of the installation's own stand in every table, before ours. `rights`: table name -> letters out of "riu"
    (read, insert, update); a table that is not named has all three. Only the first company holds data, the user has no
    rights on the others.

    How it answers. `no_rows`: a read without rows is "json" (404 with JSON), "empty" (404 without body), "list" (200,
    empty list), "error" (a refusal, with `no_rows_words`) or "html" (a web server's own page). `numbered_per_answer`:
    rows of metadata are numbered from 0 in every answer, so that nobody gets beyond the second page. `error_type`:
    what errors are called ("" = no ErrorType, the message alone); `error_keys`: "given", "lower" or "upper". `pkce`:
    "supported" (proof is demanded of who announced it), "required" or "ignored". `clock_shift`: hours that the
    customer's server is off. `years`: the financial years that exist, all of them when it is empty; with
    `book_date_reads` a dated record is found in its own year alone. `page_cap`: no answer has more rows, whatever was
    asked (0: no cap). `last_key_with_filter`: false = LastKey means nothing beside a condition. `unknown_column`:
    "left_out" or "refused". `equal`: "exact" or "prefix". `at_once`: more calls at a time get a 429 (0: no limit).

    What becomes of a write, each silently. `fills`: (table, column) → what is filled in where a new row says nothing.
    `reference`: a value sent for EXT_ID is "kept", "empty" or "other" (the importer's own number). `number_width`: a
    debtor number is stored with zeros before it, so wide (0: as it was sent). `drops`: (table, column) whose value is
    not stored. `touches`: what an update that does not name a column puts there. `day_shift`: days that a date is off.
    `narrow`: where a text is clipped. `decimals`: how many are kept of a number. `ascii_only`: other letters become
    "?". `lines_put`: the lines of a PUT are put beside what stood there ("add"), in its place ("replace"), twice
    ("twice") or nowhere ("lose").
    """

    like: Installation | None = None
    names: str = "default"
    contacts_module: bool = True
    ext_id: bool = True
    project_on_hours: bool = False
    hours: str = "lines"
    sheet_period: str = "week"
    without: frozenset[str] = frozenset()
    fills: dict[tuple[str, str], str] = field(default_factory=dict)
    extra_columns: int = 0
    numbered_per_answer: bool = False
    lacking: frozenset[tuple[str, str]] = frozenset()
    rights: dict[str, str] = field(default_factory=dict)
    nest_details: bool = False
    bare_single: bool = False
    no_rows: str = "json"
    no_rows_words: str = "Geen gegevens gevonden."
    book_date_reads: bool = False
    page_cap: int = 0
    last_key_with_filter: bool = True
    unknown_column: str = "left_out"
    equal: str = "exact"
    at_once: int = 0
    drops: frozenset[tuple[str, str]] = frozenset()
    touches: dict[tuple[str, str], Any] = field(default_factory=dict)
    day_shift: int = 0
    narrow: dict[tuple[str, str], int] = field(default_factory=dict)
    decimals: dict[tuple[str, str], int] = field(default_factory=dict)
    ascii_only: bool = False
    lines_put: str = "add"
    empty_write_body: bool = False
    error_in_2xx: bool = False
    silent_errors: bool = False
    error_type: str = "AccountViewError"
    error_keys: str = "given"
    reference: str = "kept"
    number_width: int = 0
    date_header: bool = True
    clock_shift: float = 0.0
    ignore_filter_time: bool = False
    pkce: str = "supported"
    token_lifetime: int = 3600
    send_expires_in: bool = True
    ledger_accounts: tuple[str, ...] = ("1300", "1310")
    closed_statuses: tuple[str, ...] = ("90", "C")
    years: tuple[int, ...] = ()
    companies: list[Company] = field(default_factory=_companies)

    def allowed(self, table: str, right: str) -> bool:
        """Whether the user who consented may do this ("r", "i" or "u") with the table."""
        return right in self.rights.get(table, "riu")


def habits(like: Installation) -> dict[str, Any]:
    """The switches under which the sandbox answers as a recorded installation did."""
    seen = like.answers
    asked = {
        "no_rows": seen.get("no_rows"),
        "no_rows_words": seen.get("no_rows_words"),
        "page_cap": seen.get("page_size"),
        "last_key_with_filter": seen.get("last_key_with_filter"),
        "unknown_column": seen.get("unknown_column"),
        "equal": seen.get("equal"),
        "at_once": seen.get("at_once"),
        "ignore_filter_time": seen.get("filter_time") == "ignored",
        "hours": "sheets" if like.sheets else "lines",
    }
    asked["reference"] = seen.get("reference")
    for size, switch in (("length", "narrow"), ("decimals", "decimals")):
        asked[switch] = {
            (PARTS[kind][0], PARTS[kind][1][neutral]): sizes[size]
            for name, sizes in (seen.get("learnt") or {}).items()
            for kind, _, neutral in [name.partition(".")]
            if size in sizes and neutral in PARTS.get(kind, ("", {}))[1]
        }
    books = seen.get("book_date") or {}
    if books.get("refused"):
        asked["years"] = tuple(sorted(set(range(date.min.year, date.max.year)) - set(books["refused"])))
    return {"like": like, "book_date_reads": bool(books.get("matters"))} | {
        name: value for name, value in asked.items() if value is not None
    }
