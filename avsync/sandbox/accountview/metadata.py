"""AccountView's description of itself (AccountView contract 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from avsync.sandbox.accountview.data import parameters, reply
from avsync.sandbox.accountview.dictionary import Column, TableSpec
from avsync.sandbox.accountview.query import descending, page_number, page_size
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.accountview.values import RefusedError, Row

_PARAMETERS = {
    "businessobject",
    "pagesize",
    "pagenumber",
    "lastkey",
    "fields",
    "sortfields",
    "sortorder",
    "bookdate",
    "filtercontrolsource1",
    "filteroperator1",
    "filtervaluetype1",
    "filtervalue1",
    "filterislistofvalues1",
}


def add_routes(api: Blueprint, store: AccountViewStore) -> None:
    """Put the metadata endpoints on the blueprint."""

    @api.get("/accountviewsystembusinessobjects")
    def objects() -> Response:
        found = {spec.code: _object(store, spec) for spec in store.dictionary.objects}
        return reply(list((found | _recorded(store)).values()))

    @api.get("/accountviewsystemdata")
    def system_data() -> Response:
        asked = parameters()
        unknown = set(asked) - _PARAMETERS
        if unknown:
            raise RefusedError(f"Parameter wordt niet ondersteund: {', '.join(sorted(unknown))}.")
        sources = {"fld": ("DCT_FLD", _fields), "dbf": ("DCT_FILE", _files)}
        name, source = sources.get(asked.get("businessobject", "").lower(), ("", None))
        if source is None:
            raise RefusedError(f"Onbekend systeemobject: {asked.get('businessobject', '')!r}.")
        wanted = _sorted(_filtered(source(store), name, asked), name, asked)
        rows = _page(wanted, f"{name}_Id", asked, store.options.numbered_per_answer)
        return reply({name: [_only(row, name, asked) for row in rows]} if rows else {}, 200 if rows else 404)


def _recorded(store: AccountViewStore) -> dict[str, Row]:
    """The objects of a recorded installation, as they were described there."""
    like = store.dictionary.recorded
    found = {}
    for code, text in (like.objects if like else {}).items():
        rights, _, description = text.partition(" ")
        allowed = {"InsertAllowed": "i" in rights, "UpdateAllowed": "u" in rights, "DeleteAllowed": False}
        found[code] = {"Code": code, "Description": description, **allowed}
    return found


def _object(store: AccountViewStore, spec: TableSpec) -> Row:
    return {
        "Code": spec.code,
        "Description": spec.description,
        "InsertAllowed": store.allowed(spec, "i"),
        "UpdateAllowed": store.allowed(spec, "u"),
        "DeleteAllowed": False,
    }


def _fields(store: AccountViewStore) -> list[Row]:
    pairs = [(spec, column) for spec in store.dictionary.shown for column in spec.visible]
    return [_field(spec, column) for spec, column in pairs]


def _field(spec: TableSpec, column: Column) -> Row:
    return {
        "DBF_NAME": spec.wire,
        "FIELD_NAME": column.wire,
        "FIELD_LEN": column.length,
        "FIELD_TYPE": column.type,
        "INP_MAND": column.mandatory,
        "COM_BLK": column.read_only or column.name == spec.key,
        "FLD_FMT": "!" if column.upper else "",
        "FLD_DESC": column.description,
    }


def _files(store: AccountViewStore) -> list[Row]:
    tables = store.dictionary.tables
    return [
        {
            "DBF_NAME": spec.wire,
            "DBF_DESC": spec.description,
            "OBJ_CODE": spec.code,
            "TBL_HDR": tables[spec.parent].wire if spec.parent in tables else "",
            "TBL_CHILD": tables[spec.child].wire if spec.child in tables else "",
            "NO_INSERT": not store.allowed(spec, "i"),
            "NO_UPDATE": not store.allowed(spec, "u"),
            "NO_XML_UPD": False,
        }
        for spec in store.dictionary.shown
    ]


def _filtered(rows: list[Row], table: str, asked: Mapping[str, str]) -> list[Row]:
    if asked.get("filterislistofvalues1", "false").lower() != "false":
        raise RefusedError("Dit filter wordt niet ondersteund.")
    if "filtercontrolsource1" not in asked:
        return rows
    source = _bare(asked["filtercontrolsource1"], table)
    operator, letter = asked.get("filteroperator1", "").lower(), asked.get("filtervaluetype1", "").upper()
    if (source, letter) != ("DBF_NAME", "C") or operator not in ("contains", "equal"):
        raise RefusedError("Dit filter wordt niet ondersteund.")
    part = asked.get("filtervalue1", "").upper()
    if operator == "equal":
        return [row for row in rows if row["DBF_NAME"] == part.rstrip()]
    return [row for row in rows if part in row["DBF_NAME"].ljust(8)]


def _sorted(rows: list[Row], table: str, asked: Mapping[str, str]) -> list[Row]:
    down = descending(asked.get("sortorder") or "Ascending")
    names = [_bare(name, table) for name in asked.get("sortfields", "").split(",") if name.strip()]
    if rows and any(name not in rows[0] for name in names):
        raise RefusedError(f"Onbekende kolom: {', '.join(names)}.")
    return sorted(rows, key=lambda row: [str(row[name]) for name in names], reverse=down) if names else rows


def _page(rows: list[Row], number: str, asked: Mapping[str, str], per_answer: bool) -> list[Row]:
    """One page; rows are numbered from 0 over all pages (or in each), and LastKey goes by that number."""
    last = asked.get("lastkey") or "-1"
    if not last.removeprefix("-").isdecimal():
        raise RefusedError(f"Ongeldige LastKey: {last!r}.")
    size = page_size(asked.get("pagesize", ""), 256, 1000)
    start = int(last) + 1 or (page_number(asked.get("pagenumber", "")) - 1) * size
    return [{**row, number: place} for place, row in enumerate(rows[start : start + size], 0 if per_answer else start)]


def _only(row: Row, table: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """The columns asked for, as far as they are there."""
    names = [_bare(name, table) for name in asked.get("fields", "").split(",") if name.strip()]
    everything = not names or "*" in names
    return {name: value for name, value in row.items() if everything or name in names or name == f"{table}_Id"}


def _bare(name: str, table: str) -> str:
    """A column's name without its table's prefix; "" for another table's."""
    prefix, _, column = name.strip().upper().rpartition(".")
    return column if prefix in ("", table) else ""
