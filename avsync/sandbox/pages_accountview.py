"""AccountView as the pages see it: every table with its columns, straight from the data dictionary."""

from __future__ import annotations

from typing import Any

from avsync.sandbox.accountview.dictionary import Column
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.pages_parts import MANY, Cell, Input, Part, Place, Row, dutch

# what a list shows; other tables show their first columns
COLUMNS = {
    "CONTACT": ("SUB_NR", "ACCT_NAME", "ADDRESS1", "POST_CODE", "CITY", "TEL_BUS", "CNG_DATE"),
    "ASC_PP": ("PP_CODE", "SUB_NR", "FRST_NAME", "LAST_NAME", "MAIL_PRIV", "TEL_MOB"),
    "PROJECTS": ("PROJ_CODE", "PROJ_DESC", "SUB_NR", "BEG_DATE", "END_DATE", "PRO_STAT", "PRO_TYPE"),
    "SO_HDR": ("ORD_NR", "RPL_DEL", "COMMENT1", "PROJ_CODE", "ORD_DATE", "DEL_DATE", "EXT_ID"),
    "SO_LINE": ("REC_ID", "ORD_NR", "ART_CODE", "ORD_QTY", "ART_PX"),
    "HRS_LINE": ("REC_ID", "HRS_DATE", "EMP_NR", "PROJ_CODE", "HRS_CODE", "HRS_DESC", "HRS_QTY"),
}
NAMES = ("ACCT_NAME", "PROJ_DESC", "PT_DESC", "EMP_NAME", "ART_DESC1", "HRS_DESC", "COMMENT1", "LAST_NAME", "ART_CODE")
BELONGING = {
    "CONTACT": (("ASC_PP", "SUB_NR"), ("PROJECTS", "SUB_NR"), ("SO_HDR", "RPL_DEL")),
    "PROJECTS": (("SO_HDR", "PROJ_CODE"), ("HRS_LINE", "PROJ_CODE")),
    "EMPLOYEE": (("HRS_LINE", "EMP_NR"),),
    "SO_HDR": (("SO_LINE", "ORD_NR"),),
}


class Books:
    """AccountView's tables; a save goes through the store as a person's work."""

    title = "AccountView"
    theme = "books"
    dates = frozenset({"BEG_DATE", "END_DATE", "ORD_DATE", "DEL_DATE", "HRS_DATE", "CNG_DATE"})

    def __init__(self, store: AccountViewStore) -> None:
        self.store = store

    def places(self) -> list[Place]:
        tables = self.store.tables
        return [Place(name, table.spec.description, len(table.rows)) for name, table in tables.items()]

    def label(self, place: str) -> str:
        return self.store.tables[place].spec.description

    def columns(self, place: str) -> list[tuple[str, str]]:
        columns = self._columns(place)
        names = COLUMNS.get(place) or tuple(columns)[:5]
        return [(name, columns[name].description) for name in names if name in columns]

    def inputs(self, place: str, new: bool) -> list[Input]:
        return [self._input(place, column, new) for column in self._columns(place).values()]

    def blank(self, place: str) -> Row:
        return self.store.tables[place].blank()

    def rows(self, place: str) -> list[Row]:
        return self.store.rows(place)

    def find(self, place: str, key: str) -> Row | None:
        return self.store.row(place, key)

    def key(self, place: str, row: Row) -> str:
        return str(row[self.store.tables[place].spec.key])

    def caption(self, place: str, row: Row) -> str:
        named = next((row[name] for name in NAMES if row.get(name)), "")
        return f"{self.key(place, row)} {named}".strip()

    def show(self, place: str, row: Row, name: str) -> Cell:
        column, value = self._columns(place)[name], row[name]
        if name == self.store.tables[place].spec.key:
            return Cell(str(value), (place, str(value)))
        other = self.store.row(column.references, str(value)) if column.references in self.store.tables else None
        if other is not None:
            return Cell(self.caption(column.references, other), (column.references, str(value)))
        if column.references and value:
            return Cell(f"{value} (bestaat niet)", mark="bad")
        if name == "ORD_NR":
            return Cell(str(value), ("SO_HDR", str(value)))
        return Cell(dutch(value))

    def value(self, place: str, row: Row, name: str) -> str:
        """A value as it stands in the form."""
        value = row.get(name, "")
        return "1" if value is True else "" if value in (None, False) else str(value)

    def save(self, place: str, row: Row | None, form: dict[str, str]) -> str:
        """Only what the person changed goes to the store."""
        changed: dict[str, Any] = {}
        for given in self.inputs(place, row is None):
            entered = form.get(given.name, "").replace("\r\n", "\n").strip()
            before = self.value(place, row, given.name).replace("\r\n", "\n") if row else ""
            if given.required and not entered and (before or row is None):
                raise ValueError(f"{given.label} is verplicht.")
            if not given.read_only and entered != before:
                changed[given.name] = bool(entered) if given.kind == "yesno" else entered or None
        if row is None:
            return self.store.add(place, **changed)
        key = self.key(place, row)
        if changed:
            self.store.edit(place, key, **changed)
        return key

    def remove(self, place: str, key: str) -> None:
        self.store.remove(place, key)

    def parts(self, place: str, row: Row) -> list[Part]:
        key = self.key(place, row)
        found = []
        for other, column in BELONGING.get(place, ()):
            if other in self.store.tables:
                rows = [candidate for candidate in self.rows(other) if candidate[column] == key]
                found.append(Part(self.label(other), other, rows, {column: key}))
        return found

    def timeline(self, place: str, row: Row) -> None:
        return None

    def news(self) -> list[Row]:
        return []

    def _columns(self, place: str) -> dict[str, Column]:
        return self.store.tables[place].spec.columns

    def _input(self, place: str, column: Column, new: bool) -> Input:
        key = column.name == self.store.tables[place].spec.key
        kind = {"L": "yesno", "M": "long"}.get(column.type, "hint" if column.references else "text")
        return Input(
            column.name,
            column.description,
            kind,
            self._hints(column.references),
            column.mandatory and not (key and self.store.tables[place].last_number),
            column.read_only or (key and not new),
        )

    def _hints(self, table: str) -> tuple[tuple[str, str], ...]:
        if table not in self.store.tables or len(self.store.tables[table].rows) > MANY:
            return ()
        return tuple((self.key(table, row), self.caption(table, row)) for row in self.rows(table))
