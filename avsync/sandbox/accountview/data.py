"""The data endpoints: companies, `accountviewdata` read and written, and what every call must carry."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from avsync.sandbox.accountview import query, rules
from avsync.sandbox.accountview.dictionary import TableSpec
from avsync.sandbox.accountview.document import Document, Written
from avsync.sandbox.accountview.document import parse as parse_document
from avsync.sandbox.accountview.oauth import Authority
from avsync.sandbox.accountview.store import AccountViewStore, Table
from avsync.sandbox.accountview.values import RefusedError, Row, render


def reply(data: Any, status: int = 200) -> Response:
    """A JSON answer."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, mimetype="application/json")


def parameters() -> dict[str, str]:
    """The query parameters, names in lower case."""
    return {name.lower(): value for name, value in request.args.items()}


def guarded(store: AccountViewStore, authority: Authority) -> Blueprint:
    """A blueprint whose calls need a valid token, and whose refusals become an AccountViewError."""
    api = Blueprint("accountview_api", __name__, url_prefix="/api/v3")

    @api.before_request
    def check_token() -> Response | None:
        scopes = authority.scopes(request.headers.get("Authorization", ""))
        if scopes is None:
            answer = reply({"Message": "Authorization has been denied for this request."}, 401)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if ("readaccountviewdata" if request.method == "GET" else "updateaccountviewdata") not in scopes:
            raise RefusedError("De aanmelding geeft geen recht op deze bewerking.", 403)
        if not request.path.endswith("/companies"):
            _check_company(store)
        return None

    @api.errorhandler(RefusedError)
    def refuse(refusal: RefusedError) -> Response:
        options = store.options
        message = "" if options.silent_errors else refusal.message
        body = {"ErrorType": options.error_type, "ErrorNumbers": refusal.numbers, "ErrorMessage": message}
        if not options.error_type:
            body = {"ErrorMessage": message}
        change: Callable[[str], str] = {"lower": str.lower, "upper": str.upper}.get(options.error_keys, str)
        shown = {change(name): value for name, value in body.items()}
        return reply(shown, 200 if options.error_in_2xx else refusal.status)

    return api


def _check_company(store: AccountViewStore) -> None:
    company = request.headers.get("x-company", "")
    known = [entry["Id"] for entry in store.options.companies]
    if company not in known:
        raise RefusedError("De header x-company ontbreekt of noemt een onbekende administratie.")
    if company != known[0]:
        raise RefusedError("U heeft geen rechten in deze administratie.", 403)


def add_routes(api: Blueprint, store: AccountViewStore) -> None:
    """Put the data endpoints on the blueprint."""

    @api.get("/companies")
    def companies() -> Response:
        return reply(store.options.companies)

    @api.get("/accountviewdata")
    def read() -> Response:
        asked = query.parse(parameters(), store.dictionary, store.options.ignore_filter_time, store.options.years)
        _check_right(store, asked.spec, "r")
        with store.mutex:
            rows = query.select(store.tables[asked.spec.name], asked)
            lines = [store.lines(asked.spec, row[asked.spec.key]) for row in rows] if asked.lines else []
        if not rows:
            return _nothing(store, asked.spec)
        headers = render(rows, asked.spec.wire, asked.columns)
        return reply(_shape(store, asked.spec, headers, lines, asked.lines))

    @api.post("/accountviewdata")
    def create() -> Response:
        return _write(store, False, _create)

    @api.put("/accountviewdata")
    def update() -> Response:
        return _write(store, True, _update)


def _nothing(store: AccountViewStore, spec: TableSpec) -> Response:
    if store.options.no_rows == "list":
        return reply({spec.wire: []})
    if store.options.no_rows == "empty":
        return Response(status=404)
    return reply({"Message": "No records found."}, 404)


def _shape(
    store: AccountViewStore, spec: TableSpec, headers: list[Row], lines: list[list[Row]], columns: list[Any]
) -> dict[str, Any]:
    """An answer with its detail rows beside the header rows, or in them."""
    answer: dict[str, Any] = {spec.wire: headers}
    if lines:
        child = store.dictionary.tables[spec.child]
        details = []
        for header, stored in zip(headers, lines, strict=True):
            rendered = render(stored, child.wire, columns)
            if store.options.nest_details:
                header[child.wire] = rendered
            details += [{**line, f"{spec.wire}_Id": header[f"{spec.wire}_Id"]} for line in rendered]
        if not store.options.nest_details:
            answer[child.wire] = [{**line, f"{child.wire}_Id": n} for n, line in enumerate(details, 1)]
    if store.options.bare_single:
        answer = {name: rows[0] if len(rows) == 1 else rows for name, rows in answer.items()}
    return answer | {"CONTEXT": [{"COMPANY": store.options.companies[0]["Code"]}]}


def _write(
    store: AccountViewStore, is_update: bool, store_row: Callable[[AccountViewStore, Document, Written], str]
) -> Response:
    if request.mimetype != "application/json":
        raise RefusedError("Content-Type moet application/json zijn.", 415)
    document = parse_document(request.get_data(), store.dictionary, is_update, store.options.years)
    _check_right(store, document.spec, "u" if is_update else "i")
    with store.mutex:
        keys = [store_row(store, document, written) for written in document.rows]
        rows = [store.tables[document.spec.name].rows[key] for key in keys]
        lines = [store.lines(document.spec, key) for key in keys] if document.spec.child else []
    if store.options.empty_write_body:
        return Response(status=200 if is_update else 201)
    child = store.dictionary.tables.get(document.spec.child)
    headers = render(rows, document.spec.wire, document.spec.visible)
    answer = _shape(store, document.spec, headers, lines, child.visible if child else [])
    return reply(answer, 200 if is_update else 201)


def _check_right(store: AccountViewStore, spec: TableSpec, right: str) -> None:
    if not store.options.allowed(spec.name, right):
        raise RefusedError(f"U heeft geen rechten voor deze bewerking op {spec.description.lower()}.", 403)


def _check_unlocked(store: AccountViewStore, spec: TableSpec, key: str) -> None:
    if store.is_locked(spec.name, key):
        raise RefusedError(f"{spec.description}: record {key} is in gebruik door een andere gebruiker.", numbers=[109])


def _create(store: AccountViewStore, document: Document, written: Written) -> str:
    spec = document.spec
    table = store.tables[spec.name]
    row = table.blank() | _kept(store, written.values, table)
    if not row[spec.key] and spec.name in ("CONTACT", "SO_HDR", "HRS_HDR", "HRS_LINE"):
        row[spec.key] = table.number()
    if spec.name == "CONTACT":
        row[spec.key] = row[spec.key].zfill(store.options.number_width)
    key: str = row[spec.key]
    _check_unlocked(store, spec, key)
    if key in table.rows:
        raise RefusedError(f"{spec.description}: {key} bestaat al.", numbers=[1884])
    if spec.name == "SO_HDR":
        row["RPL_INV"] = row["RPL_INV"] or row["RPL_DEL"]
    rules.check(store, spec, row, written.values, new=True)
    lines = [_new_line(store, spec, row, line) for line in written.lines]
    store.stamp(spec, row, new=True)
    table.put(row)
    _put_lines(store, spec, lines)
    return key


def _kept(store: AccountViewStore, sent: Row, table: Table) -> Row:
    """What is stored of what was sent: EXT_ID may belong to the importer (AccountView contract 5)."""
    if "EXT_ID" not in sent or store.options.reference == "kept":
        return sent
    other = f"IMP{len(table.rows):06}" if store.options.reference == "other" else ""
    return {**sent, "EXT_ID": other}


def _update(store: AccountViewStore, document: Document, written: Written) -> str:
    spec, key = document.spec, document.key or ""
    table = store.tables[spec.name]
    old = table.rows.get(key)
    if old is None:
        raise RefusedError(f"{spec.description}: {key} bestaat niet.", numbers=[1526])
    if written.values.get(spec.key, key) != key or (written.lines and spec.key not in written.values):
        raise RefusedError(f"{spec.columns[spec.key].wire} ontbreekt of is niet gelijk aan id.")
    _check_unlocked(store, spec, key)
    row = old | _kept(store, written.values, table)
    rules.check(store, spec, row, written.values, new=False)
    known = {line["REC_ID"] for line in store.lines(spec, key)} if written.lines else set()
    lines = [
        _changed_line(store, spec, known, line) if line.get("REC_ID") else _new_line(store, spec, row, line)
        for line in written.lines
    ]
    store.stamp(spec, row)
    table.put(row)
    _put_lines(store, spec, lines)
    return key


def _new_line(store: AccountViewStore, spec: TableSpec, header: Row, sent: Row) -> Row:
    child = store.tables[spec.child]
    if sent.get("REC_ID"):
        raise RefusedError(f"Regel {sent['REC_ID']} bestaat niet.", numbers=[1526])
    row = child.blank() | store.inherited(spec, header) | sent | {"REC_ID": child.number()}
    rules.check(store, child.spec, row, sent, new=True)
    store.stamp(child.spec, row, new=True)
    if "ART_PX" in child.spec.columns and "ART_PX" not in sent:
        row["ART_PX"] = store.tables["ARTICLE"].rows[row["ART_CODE"]]["PRICE"]
    return row


def _changed_line(store: AccountViewStore, spec: TableSpec, known: set[str], sent: Row) -> Row:
    child = store.tables[spec.child]
    if sent["REC_ID"] not in known:
        raise RefusedError(f"Regel {sent['REC_ID']} bestaat niet in deze order.", numbers=[1526])
    row = child.rows[sent["REC_ID"]] | sent
    rules.check(store, child.spec, row, sent, new=False)
    store.stamp(child.spec, row)
    return row


def _put_lines(store: AccountViewStore, spec: TableSpec, lines: list[Row]) -> None:
    for line in lines:
        store.tables[spec.child].put(line)
