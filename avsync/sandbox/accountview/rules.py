"""What an ERP insists on before it stores a row: mandatory columns, existing relations, nothing blocked or closed."""

from __future__ import annotations

from collections.abc import Callable

from avsync.sandbox.accountview.dictionary import TableSpec
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.accountview.values import RefusedError, Row

_NOUNS = {
    "CONTACT": "Debiteur",
    "PROJECTS": "Project",
    "PRO_TYPE": "Projecttype",
    "EMPLOYEE": "Medewerker",
    "ARTICLE": "Artikel",
    "HRS_CODE": "Uursoort",
    "SO_HDR": "Order",
}


def check(store: AccountViewStore, spec: TableSpec, row: Row, sent: Row, new: bool) -> None:
    """RefusedError unless the row may be stored; `sent` is what the client asked for, `row` the whole result."""
    for column in spec.columns.values():
        if column.mandatory and (new or column.name in sent) and row[column.name] == "":
            raise RefusedError(f"{column.description} ({column.wire}) is verplicht.")
        if column.references and column.name in sent and row[column.name]:
            _exists(store, column.references, row[column.name])
    special = _SPECIAL.get(spec.name)
    if special:
        special(store, row, sent)


def _exists(store: AccountViewStore, table: str, key: str) -> None:
    if key not in store.tables[table].rows:
        raise RefusedError(f"{_NOUNS[table]} {key} bestaat niet.", numbers=[1526])


def _unblocked(store: AccountViewStore, table: str, key: str) -> None:
    row = store.tables[table].rows[key]
    if row["REC_BLK"] or row.get("BLK_SP"):
        raise RefusedError(f"{_NOUNS[table]} {key} is geblokkeerd.")


def _customer(store: AccountViewStore, row: Row, sent: Row) -> None:
    account = row["ACCT_NR"]
    if account not in store.options.ledger_accounts:
        raise RefusedError(f"Verzamelrekening {account} bestaat niet." if account else "Verzamelrekening is verplicht.")


def _project(store: AccountViewStore, row: Row, sent: Row) -> None:
    if row["BEG_DATE"] and row["END_DATE"] and row["END_DATE"] < row["BEG_DATE"]:
        raise RefusedError("De einddatum ligt voor de begindatum.")


def _order(store: AccountViewStore, row: Row, sent: Row) -> None:
    if row["CLOSED"]:
        raise RefusedError(f"Order {row['ORD_NR']} is al gefactureerd en kan niet meer worden gewijzigd.")
    for column in ("RPL_DEL", "RPL_INV"):
        if sent.get(column):
            _unblocked(store, "CONTACT", row[column])


def _sheet(store: AccountViewStore, row: Row, sent: Row) -> None:
    if row["CLOSED"]:
        raise RefusedError(f"Urenstaat {row['SHT_NR']} is afgesloten en kan niet meer worden gewijzigd.")
    if "EMP_NR" in sent:
        _unblocked(store, "EMPLOYEE", row["EMP_NR"])
    others = (store.tables["HRS_HDR"].rows[key] for key in store.tables["HRS_HDR"].equal("EMP_NR", row["EMP_NR"]))
    if any(one["BEG_DATE"] == row["BEG_DATE"] and one["SHT_NR"] != row["SHT_NR"] for one in others):
        raise RefusedError(f"Medewerker {row['EMP_NR']} heeft al een urenstaat van {row['BEG_DATE']}.")


def _line(store: AccountViewStore, row: Row, sent: Row) -> None:
    if "ART_CODE" in sent:
        _unblocked(store, "ARTICLE", row["ART_CODE"])


def _hours(store: AccountViewStore, row: Row, sent: Row) -> None:
    if "EMP_NR" in sent:
        _unblocked(store, "EMPLOYEE", row["EMP_NR"])
    if not row["PROJ_CODE"]:
        return
    project = store.tables["PROJECTS"].rows.get(row["PROJ_CODE"], {})
    today = store.now().date().isoformat()
    if project.get("PRO_STAT") in store.options.closed_statuses or "" < project.get("END_DATE", "") < today:
        raise RefusedError(f"Project {row['PROJ_CODE']} is afgesloten; er kunnen geen uren op worden geboekt.")


_SPECIAL: dict[str, Callable[[AccountViewStore, Row, Row], None]] = {
    "CONTACT": _customer,
    "PROJECTS": _project,
    "SO_HDR": _order,
    "SO_LINE": _line,
    "HRS_HDR": _sheet,
    "HRS_LINE": _hours,
}
