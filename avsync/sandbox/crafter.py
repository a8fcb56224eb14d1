"""Crafter's web service over a CrafterStore, exactly as the Crafter contract assumes it, under /api/v1."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from avsync.sandbox.crafter_fields import RESOURCES, RefusedError
from avsync.sandbox.crafter_store import CrafterStore, moment
from avsync.sandbox.crafter_ugly import Ugly

BASE = "/api/v1"
MAX_LIMIT = 200
LISTING = ("limit", "cursor", "updated_since", "include_deleted")


def create_app(store: CrafterStore) -> Flask:
    """The Flask app; the pages and the fault script are put around it by the server."""
    app = Flask(__name__)
    api = _Api(store)
    app.add_url_rule(f"{BASE}/me", "me", api.me, methods=["GET"])
    app.add_url_rule(f"{BASE}/account", "account", api.account, methods=["GET"])
    app.add_url_rule(f"{BASE}/openapi.json", "openapi", api.openapi, methods=["GET"])
    app.add_url_rule(f"{BASE}/<resource>", "many", api.many, methods=["GET", "POST"])
    app.add_url_rule(f"{BASE}/<resource>/<record_id>", "one", api.one, methods=["GET", "PATCH"])
    app.register_error_handler(RefusedError, api.refuse)
    app.register_error_handler(HTTPException, api.fail)
    app.before_request(api.admit)
    app.after_request(api.date)
    return app


class _Api:
    """The views; each holds only what HTTP adds to the store."""

    def __init__(self, store: CrafterStore) -> None:
        self.store = store

    def admit(self) -> Response | None:
        if not _is_api(request.path):
            return None
        given, wanted = request.headers.get("Authorization", ""), f"Bearer {self.store.api_key}"
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            return self.refuse(RefusedError(401, "unauthorized", "the api key is not valid"))
        if request.view_args and "resource" in request.view_args:
            request.view_args["resource"] = self.store.ugly.resource(request.view_args["resource"])
        resource = (request.view_args or {}).get("resource", "")
        if resource in RESOURCES and resource not in self.store.features:
            return self.refuse(RefusedError(403, "feature_off", f"{resource} is switched off for this account"))
        return None

    def date(self, response: Response) -> Response:
        if self.store.ugly.date_header:
            response.headers["Date"] = format_datetime(self.store.server_time().astimezone(UTC), usegmt=True)
        return response

    def refuse(self, refused: RefusedError) -> Response:
        resource = (request.view_args or {}).get("resource", "")
        fields = [(self.store.ugly.field(resource, name), words) for name, words in refused.fields]
        body = self.store.ugly.error(refused.code, refused.message, fields, refused.existing_id)
        return _json(body, refused.status, "application/problem+json" if "title" in body else "application/json")

    def fail(self, error: HTTPException) -> Response | HTTPException:
        if not _is_api(request.path):
            return error
        return self.refuse(RefusedError(error.code or 500, "failed", error.description or error.name))

    def account(self) -> Response:
        if not self.store.ugly.nameless:
            raise RefusedError(404, "not_found", "there is no such resource")
        return _json({"bedrijfsnaam": self.store.account_name})

    def openapi(self) -> Response:
        if not self.store.ugly.described:
            raise RefusedError(404, "not_found", "there is no such resource")
        return _json(document(self.store.ugly))

    def me(self) -> Response:
        if self.store.ugly.nameless:
            raise RefusedError(404, "not_found", "there is no such resource")
        on = [self.store.ugly.path(name) for name in RESOURCES if name in self.store.features]
        return _json(self.store.ugly.single({"account_name": self.store.account_name, "features": on}))

    def many(self, resource: str) -> Response:
        _known(resource)
        if request.method == "GET":
            return self._list(resource)
        _writable(resource, RESOURCES[resource].writable)
        ugly, key = self.store.ugly, request.headers.get("Idempotency-Key", "")
        status, record = self.store.create(resource, ugly.inwards(resource, _body()), key)
        return _json(ugly.single(record, resource), status)

    def one(self, resource: str, record_id: str) -> Response:
        _known(resource)
        if request.method == "PATCH":
            _writable(resource, RESOURCES[resource].writable and RESOURCES[resource].patchable)
            body = self.store.ugly.inwards(resource, _body())
            return _json(self.store.ugly.single(self.store.update(resource, record_id, body), resource))
        record = self.store.get(resource, record_id)
        if record is None:
            raise RefusedError(404, "not_found", "there is no such record")
        return _json(self.store.ugly.single(record, resource))

    def _list(self, resource: str) -> Response:
        asked = self.store.ugly.inwards(resource, request.args)
        filters = {name: value for name, value in asked.items() if name not in LISTING}
        unknown = [name for name in filters if name not in RESOURCES[resource].filters]
        if unknown:
            raise _bad_parameters(*unknown)
        records, place = self.store.page(
            resource,
            limit=_limit(),
            since=_since(),
            after=_place(),
            filters=filters,
            include_deleted=request.args.get("include_deleted") == "true",
        )
        dress = self.store.ugly.dress
        return _json({"data": [dress(record, resource) for record in records], "next_cursor": _cursor(place)})


_JSON_TYPES = {"bool": {"type": "boolean"}, "lines": {"type": "array"}}


def document(ugly: Ugly) -> dict[str, Any]:
    """The OpenAPI document of this server, as a generator would write it: references to schemas, no examples."""
    paths: dict[str, Any] = {"/account" if ugly.nameless else "/me": {"get": {"responses": {}}}}
    schemas: dict[str, Any] = {}
    for name, resource in RESOURCES.items():
        fields: dict[str, Any] = {
            ugly.field(name, field.name): _JSON_TYPES.get(field.kind, {"type": "string"}) for field in resource.fields
        }
        fields |= {
            ugly.field(name, own): {"type": "string"} for own in ("id", "created_at", "updated_at", "deleted_at")
        }
        if resource.field("lines"):
            inner = ("id", "article_number", "description", "quantity", "checked")
            line = {ugly.field(name, f"lines.{one}"): {"type": "string"} for one in inner}
            fields[ugly.field(name, "lines")] = {"type": "array", "items": {"type": "object", "properties": line}}
        schemas[name] = {"type": "object", "properties": fields}
        listed = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
        answer = {"schema": {"type": "object", "properties": {"data": listed, "next_cursor": {"type": "string"}}}}
        ok = {"200": {"content": {"application/json": answer}}}
        paths[f"/{ugly.path(name)}"] = {"get": {"responses": ok}}
        paths[f"/{ugly.path(name)}/{{id}}"] = {"get": {"responses": {}}}
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def _is_api(path: str) -> bool:
    return path.startswith("/api/")


def _known(resource: str) -> None:
    if resource not in RESOURCES:
        raise RefusedError(404, "not_found", "there is no such resource")


def _writable(resource: str, allowed: bool) -> None:
    if not allowed:
        raise RefusedError(405, "read_only", f"{resource} does not take {request.method}")


def _body() -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise RefusedError(400, "bad_request", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "bad_request", "the body is not an object")
    return body


def _limit() -> int:
    text = request.args.get("limit", "50")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise _bad_parameters("limit")
    return int(text)


def _since() -> str:
    text = request.args.get("updated_since")
    if text is None:
        return ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _bad_parameters("updated_since") from None
    if at.tzinfo is None:
        raise _bad_parameters("updated_since")
    return moment(at)


def _cursor(place: tuple[str, str] | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(" ".join(place).encode()).decode()


def _place() -> tuple[str, str] | None:
    cursor = request.args.get("cursor")
    if cursor is None:
        return None
    try:
        at, found = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ", 1)
    except (binascii.Error, UnicodeError, ValueError):
        raise _bad_parameters("cursor") from None
    return at, found


def _bad_parameters(*names: str) -> RefusedError:
    return RefusedError(
        422, "invalid_parameter", "a parameter was not accepted", [(name, "not accepted") for name in names]
    )


def _json(value: Any, status: int = 200, kind: str = "application/json") -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, mimetype=kind)
