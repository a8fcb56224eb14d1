"""What can differ between AccountView installations, as switches of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field

Company = dict[str, str]


def _companies() -> list[Company]:
    return [
        {"Id": "7c1e-0001-demo", "Code": "DEMO", "Description": "Demo Installatietechniek B.V."},
        {"Id": "7c1e-0002-oud", "Code": "OUD", "Description": "Oude administratie"},
    ]


@dataclass
class Options:
    """Switches of one AccountView; the first six are read once, at the start.

    `names`: "default" as in AccountView contract 5, "other" renames all that nobody could confirm. `rights`: table
    name -> letters out of "riu" (read, insert, update); a table that is not named has all three. `no_rows`: how a
    read without rows answers: "json" (404 with JSON), "empty" (404 without body) or "list" (200, empty list).
    `years`: the financial years that exist, all of them when it is empty. `clock_shift`: hours that the customer's
    server is off. Only the first company holds data, the user has no rights on the others. `error_type`: what errors
    are called ("" = no ErrorType, the message alone); `error_keys`:
    "given", "lower" or "upper". `reference`: what becomes of a value sent for EXT_ID: "kept", "empty" or "other" (the
    importer's own number). `number_width`: a debtor number that is sent is stored with zeros before it, so wide (0: as
    it was sent). `lacking`: (table, column) that this installation does not have.
    `hours`: "lines", each by itself, or "sheets", under a sheet for each employee and week (AccountView contract 5).
    `pkce`: "supported" (proof is demanded of who announced it), "required" or "ignored".
    `extra_columns`: so many of the installation's own stand in every table, before ours. `numbered_per_answer`: rows
    of metadata are numbered from 0 in every answer, so that nobody gets beyond the second page.
    """

    names: str = "default"
    contacts_module: bool = True
    ext_id: bool = True
    project_on_hours: bool = False
    hours: str = "lines"
    extra_columns: int = 0
    numbered_per_answer: bool = False
    lacking: frozenset[tuple[str, str]] = frozenset()
    rights: dict[str, str] = field(default_factory=dict)
    nest_details: bool = False
    bare_single: bool = False
    no_rows: str = "json"
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
