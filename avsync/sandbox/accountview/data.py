"""The data endpoints: companies, `accountviewdata` read and written, and what every call must carry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from flask import Blueprint, Response, request

from avsync.sandbox.accountview import query, rules
from avsync.sandbox.accountview.dictionary import Column, TableSpec
from avsync.sandbox.accountview.document import Document, Written
from avsync.sandbox.accountview.document import parse as parse_document
from avsync.sandbox.accountview.oauth import Authority
from avsync.sandbox.accountview.options import Options
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.accountview.values import RefusedError, Row, render

_SEARCHED = 0.15  # seconds


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
    def crowd() -> Response | None:
        return _too_many(store)

    @api.teardown_request
    def left(_: BaseException | None) -> None:
        store.left()

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


def _too_many(store: AccountViewStore) -> Response | None:
    """A 429 where more calls are under way than are borne."""
    present, most = store.entered(), store.options.at_once
    if not most or present <= most:
        return None
    answer = reply({"Message": "Too many requests."}, 429)
    answer.headers["Retry-After"] = "1"
    return answer


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
        asked = query.parse(parameters(), store.dictionary, store.options, store.now().date())
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
    """A search in vain takes its time where calls get into each other's way."""
    if store.options.at_once:
        time.sleep(_SEARCHED)
    if store.options.no_rows == "list":
        return reply({spec.wire: []})
    if store.options.no_rows == "empty":
        return Response(status=404)
    if store.options.no_rows == "error":
        raise RefusedError(store.options.no_rows_words)
    if store.options.no_rows == "html":
        return Response("<html><body><h1>404 - File or directory not found.</h1></body></html>", 404)
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
    if not store.allowed(spec, right):
        raise RefusedError(f"U heeft geen rechten voor deze bewerking op {spec.description.lower()}.", 403)


def _check_unlocked(store: AccountViewStore, spec: TableSpec, key: str) -> None:
    if store.is_locked(spec.name, key):
        raise RefusedError(f"{spec.description}: record {key} is in gebruik door een andere gebruiker.", numbers=[109])


def _create(store: AccountViewStore, document: Document, written: Written) -> str:
    spec = document.spec
    table = store.tables[spec.name]
    row = table.blank() | store.filled_in(spec.name) | _kept(store, spec, written.values)
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


def _kept(store: AccountViewStore, spec: TableSpec, sent: Row) -> Row:
    """What is stored of what was sent. EXT_ID may belong to the importer (AccountView contract 5), and what else an
    installation does with a value nobody has seen yet."""
    options = store.options
    kept = {name: value for name, value in sent.items() if (spec.name, name) not in options.drops}
    if "EXT_ID" in kept and options.reference != "kept":
        kept["EXT_ID"] = f"IMP{len(store.tables[spec.name].rows):06}" if options.reference == "other" else ""
    return {name: _changed(options, spec.columns[name], (spec.name, name), value) for name, value in kept.items()}


def _changed(options: Options, column: Column, place: tuple[str, str], value: Any) -> Any:
    if column.type in ("D", "T") and value and options.day_shift:
        day = date.fromisoformat(value[:10]) + timedelta(days=options.day_shift)
        return day.isoformat() + value[10:]
    if isinstance(value, Decimal) and place in options.decimals:
        return value.quantize(Decimal(1).scaleb(-options.decimals[place]), ROUND_HALF_UP)
    if isinstance(value, str) and column.type in ("C", "M"):
        text = value.encode("ascii", "replace").decode() if options.ascii_only else value
        return text[: options.narrow.get(place, len(text))]
    return value


def _update(store: AccountViewStore, document: Document, written: Written) -> str:
    spec, key = document.spec, document.key or ""
    table = store.tables[spec.name]
    old = table.rows.get(key)
    year = (document.year or store.now().year) if store.options.book_date_reads else 0
    if old is None or not query.in_year(spec, old, year):
        raise RefusedError(f"{spec.description}: {key} bestaat niet.", numbers=[1526])
    if written.values.get(spec.key, key) != key or (written.lines and spec.key not in written.values):
        raise RefusedError(f"{spec.columns[spec.key].wire} ontbreekt of is niet gelijk aan id.")
    _check_unlocked(store, spec, key)
    touched = {name: value for (of, name), value in store.options.touches.items() if of == spec.name}
    row = old | touched | _kept(store, spec, written.values)
    rules.check(store, spec, row, written.values, new=False)
    known = {line["REC_ID"] for line in store.lines(spec, key)} if written.lines else set()
    lines = [
        _changed_line(store, spec, known, line) if line.get("REC_ID") else _new_line(store, spec, row, line)
        for line in written.lines
    ]
    store.stamp(spec, row)
    table.put(row)
    if lines and store.options.lines_put == "replace":
        for line in store.lines(spec, key):
            store.tables[spec.child].remove(line["REC_ID"])
    for _ in range({"twice": 2, "lose": 0}.get(store.options.lines_put, 1)):
        _put_lines(store, spec, lines)
        lines = [{**line, "REC_ID": store.tables[spec.child].number()} for line in lines]
    return key


def _new_line(store: AccountViewStore, spec: TableSpec, header: Row, sent: Row) -> Row:
    child = store.tables[spec.child]
    if sent.get("REC_ID"):
        raise RefusedError(f"Regel {sent['REC_ID']} bestaat niet.", numbers=[1526])
    given = store.filled_in(spec.child) | store.inherited(spec, header) | _kept(store, child.spec, sent)
    row = child.blank() | given | {"REC_ID": child.number()}
    rules.check(store, child.spec, row, sent, new=True)
    store.stamp(child.spec, row, new=True)
    if "ART_PX" in child.spec.columns and "ART_PX" not in sent:
        row["ART_PX"] = store.tables["ARTICLE"].rows[row["ART_CODE"]]["PRICE"]
    return row


def _changed_line(store: AccountViewStore, spec: TableSpec, known: set[str], sent: Row) -> Row:
    child = store.tables[spec.child]
    if sent["REC_ID"] not in known:
        raise RefusedError(f"Regel {sent['REC_ID']} bestaat niet in deze order.", numbers=[1526])
    row = child.rows[sent["REC_ID"]] | _kept(store, child.spec, sent)
    rules.check(store, child.spec, row, sent, new=False)
    store.stamp(child.spec, row)
    return row


def _put_lines(store: AccountViewStore, spec: TableSpec, lines: list[Row]) -> None:
    for line in lines:
        store.tables[spec.child].put(line)
