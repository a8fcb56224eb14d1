"""AccountView's description of itself (AccountView contract 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from avsync.sandbox.accountview.data import parameters, reply
from avsync.sandbox.accountview.dictionary import Column, TableSpec
from avsync.sandbox.accountview.query import page_size
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.accountview.values import RefusedError, Row

_PARAMETERS = {
    "businessobject",
    "pagesize",
    "lastkey",
    "fields",
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
        return reply([_object(store, spec) for spec in store.dictionary.objects])

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
        rows = _page(_filtered(source(store), asked), f"{name}_Id", asked)
        return reply({name: [_only(row, f"{name}_Id", asked) for row in rows]} if rows else {}, 200 if rows else 404)


def _object(store: AccountViewStore, spec: TableSpec) -> Row:
    return {
        "Code": spec.code,
        "Description": spec.description,
        "InsertAllowed": store.options.allowed(spec.name, "i"),
        "UpdateAllowed": store.options.allowed(spec.name, "u"),
        "DeleteAllowed": False,
    }


def _fields(store: AccountViewStore) -> list[Row]:
    pairs = [(spec, column) for spec in store.dictionary.shown for column in spec.visible]
    return [_field(number, spec, column) for number, (spec, column) in enumerate(pairs, 1)]


def _field(number: int, spec: TableSpec, column: Column) -> Row:
    return {
        "DCT_FLD_Id": number,
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
            "DCT_FILE_Id": number,
            "DBF_NAME": spec.wire,
            "DBF_DESC": spec.description,
            "OBJ_CODE": spec.code,
            "TBL_CHILD": tables[spec.child].wire if spec.child else "",
            "NO_INSERT": not store.options.allowed(spec.name, "i"),
            "NO_UPDATE": not store.options.allowed(spec.name, "u"),
            "NO_XML_UPD": False,
        }
        for number, spec in enumerate(store.dictionary.shown, 1)
    ]


def _filtered(rows: list[Row], asked: Mapping[str, str]) -> list[Row]:
    if "filtercontrolsource1" not in asked:
        return rows
    how = (asked["filtercontrolsource1"].upper(), asked.get("filteroperator1"), asked.get("filtervaluetype1"))
    if how != ("DBF_NAME", "Contains", "C") or asked.get("filterislistofvalues1", "false").lower() != "false":
        raise RefusedError("Dit filter wordt niet ondersteund.")
    part = asked.get("filtervalue1", "").upper()
    return [row for row in rows if part in row["DBF_NAME"].ljust(8)]


def _page(rows: list[Row], number: str, asked: Mapping[str, str]) -> list[Row]:
    last = asked.get("lastkey") or "0"
    if not last.isdecimal():
        raise RefusedError(f"Ongeldige LastKey: {last!r}.")
    return [row for row in rows if row[number] > int(last)][: page_size(asked.get("pagesize", "256"), 1000)]


def _only(row: Row, number: str, asked: Mapping[str, str]) -> dict[str, Any]:
    names = [name.strip().upper() for name in asked.get("fields", "").split(",") if name.strip()]
    unknown = [name for name in names if name not in row and name != number.upper()]
    if unknown:
        raise RefusedError(f"Onbekende kolom: {', '.join(unknown)}.")
    return {name: value for name, value in row.items() if not names or name in names or name == number}
