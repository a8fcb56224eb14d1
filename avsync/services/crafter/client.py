"""Crafter's records: complete listings, look-ups, and writes whose outcome is a value (Crafter contract, transport)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import quote

from avsync.errors import FeatureOff, LoginNeeded, Malformed, TryLater
from avsync.services import names_of, refuse_doubles
from avsync.services.http import Answer, Auth, Done, Flaw, Http, Outcome, Page, Rejected, Unknown, described, words

LIMIT = 200
LONGEST_ID = 255  # the contract says 36
_ALL: Mapping[str, str] = {}
_ACCEPT = {"Accept": "application/json, application/problem+json"}  # errors may come as either

Row = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """The names of one kind. `fields`: neutral name -> field; `lines.x` is field x of the entries in `lines`."""

    kind: str
    path: str
    fields: Mapping[str, str]

    @cached_property
    def neutral(self) -> dict[str, str]:
        """Field -> neutral name."""
        return {wire: name for name, wire in self.fields.items() if "." not in name}

    @cached_property
    def nested(self) -> dict[str, dict[str, str]]:
        """Neutral name of a list -> field of its entries -> neutral name."""
        found: dict[str, dict[str, str]] = {}
        for name, wire in self.fields.items():
            outer, dot, inner = name.partition(".")
            if dot:
                found.setdefault(outer, {})[wire] = inner
        return found

    def row(self, record: Any) -> Row:
        """A record under neutral names, values as they came; what is no record becomes `{"_broken": its text}`."""
        if not isinstance(record, dict):
            return {"_broken": described(record)}
        names = self.neutral
        row = {names[wire]: value for wire, value in record.items() if wire in names}
        for outer, inner in self.nested.items():
            if isinstance(row.get(outer), list):
                row[outer] = [_renamed(entry, inner) for entry in row[outer]]
        return row


def _renamed(entry: Any, names: Mapping[str, str]) -> Row:
    if not isinstance(entry, dict):
        return {"_broken": described(entry)}
    return {names[wire]: value for wire, value in entry.items() if wire in names}


def load_schema(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Resource]:
    """All kinds, overridden by e.g. `{"customer": {"path": "/klanten", "fields": {"name": "bedrijfsnaam"}}}`.

    Overrides are taken as the config has checked them.
    """
    both = [(kind, parts, (overrides or {}).get(kind, {})) for kind, parts in names_of("crafter").items()]
    found = {
        kind: Resource(kind, own.get("path", parts["path"]), {**parts["fields"], **own.get("fields", {})})
        for kind, parts, own in both
    }
    for kind, resource in found.items():
        refuse_doubles(f"crafter.schema.{kind}.fields", resource.fields)
    return found


class Crafter:
    """One account's records, by neutral kinds and names. `auth` gives the header with the API key.

    Reads raise TryLater, OutOfTime, LoginNeeded (401) and FeatureOff (403); a write that raises one of these was not
    stored.
    """

    def __init__(self, http: Http, schema: Mapping[str, Resource], *, auth: Auth | None = None) -> None:
        self.http = http
        self.schema = schema
        self._auth = auth

    def pages(
        self,
        kind: str,
        *,
        since: str | None = None,
        include_deleted: bool = True,
        filters: Mapping[str, str] = _ALL,
        place: str = "",
    ) -> Iterator[Page]:
        """All records, or those changed at or after a moment (RFC 3339); complete, or it raises.

        A record may come twice when it moves while we page. `filters` are neutral names -> exact values; with the
        `place` of an earlier page, that one comes first.
        """
        resource = self.schema[kind]
        params = {"limit": str(LIMIT), **{resource.fields[name]: value for name, value in filters.items()}}
        if since:
            params["updated_since"] = since
        if include_deleted:
            params["include_deleted"] = "true"
        if place:
            params["cursor"] = place
        passed: set[str] = set()
        while True:
            page, cursor = self._page(kind, params)
            yield replace(page, place=params.get("cursor", ""))
            if not cursor:
                return
            if cursor in passed:
                raise TryLater("listing_broken", service=self.http.service, listing=resource.path)
            passed.add(cursor)
            params["cursor"] = cursor

    def get(self, kind: str, id: str) -> Row | None:  # noqa: A002 - the contract's own word
        """One record, None when it does not exist or was deleted."""
        return self._read(kind, self._path(kind, id))

    def whole(self, kind: str, id: str) -> Row | None:  # noqa: A002 - as in get
        """One record with all its fields under Crafter's own names, None when it does not exist or was deleted."""

        def accept(answer: Answer) -> Row | None:
            data = _unwrapped(self._data(kind, answer))
            if answer.status != 404 and isinstance(data, dict) and id not in {str(value) for value in data.values()}:
                raise Flaw(detail="the record that was asked for is not in the answer")
            return data if answer.status != 404 and isinstance(data, dict) else None

        return self.http.get(self._path(kind, id), None, accept, headers=_ACCEPT, auth=self._auth)

    def find(self, kind: str, filters: Mapping[str, str]) -> list[Row]:
        """The records that equal all filters (neutral names, case-sensitive); deleted ones are left out."""
        return [
            row
            for page in self.pages(kind, include_deleted=False, filters=filters)
            for row in page.rows
            if not row.get("deleted_at") and all(_equals(row.get(name), value) for name, value in filters.items())
        ]

    def create(self, kind: str, values: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """A new record. The key goes as a structured header takes a text: between quotes."""
        return self._write("POST", kind, self.schema[kind].path, values, {"Idempotency-Key": f'"{idempotency_key}"'})

    def update(self, kind: str, id: str, values: Mapping[str, Any]) -> Outcome:  # noqa: A002 - as in get
        """Change what is named."""
        return self._write("PATCH", kind, self._path(kind, id), values, {})

    def post_timeline(self, values: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """An entry in the timeline; the same `dedupe_key` changes the entry that is there."""
        return self.create("timeline", values, idempotency_key)

    def me(self) -> Row:
        """The account: `account_name` and `features`."""
        found = self._read("me", self.schema["me"].path)
        if found is None:
            raise TryLater("service_unreachable", service=self.http.service, detail="HTTP 404")
        return found

    def ask(self, path: str, params: Mapping[str, str] | None = None) -> Answer | None:
        """One answer to a read, whatever it says; None where none came. LoginNeeded for a key that is refused."""
        answer = self.http.once(path, params, headers=_ACCEPT, auth=self._auth)
        if answer is not None and answer.status == 401:
            raise LoginNeeded("crafter_key_refused")
        return answer

    def clock(self) -> datetime | None:
        """The server's clock; None when it tells none, or does not answer."""
        answer = self.ask(self.schema["me"].path)
        return answer.server_time if answer is not None else None

    def _path(self, kind: str, id: str) -> str:  # noqa: A002 - as in get
        if id in ("", ".", "..") or len(id) > LONGEST_ID:
            raise Malformed("id", described(id))
        return f"{self.schema[kind].path}/{quote(id, safe='')}"

    def _page(self, kind: str, params: Mapping[str, str]) -> tuple[Page, str | None]:
        """A page, and the cursor of the next."""
        resource = self.schema[kind]

        def accept(answer: Answer) -> tuple[Page, str | None]:
            data = self._data(kind, answer)
            if answer.status == 404:
                raise Flaw(detail="HTTP 404")
            if not isinstance(data, dict) or not isinstance(data.get("data"), list):
                raise Flaw(detail="a listing without data")
            cursor = data.get("next_cursor")
            if cursor is not None and not isinstance(cursor, (str, int)):
                raise Flaw(detail="a listing with an odd next_cursor")
            rows = [resource.row(record) for record in data["data"]]
            return Page(rows, answer.server_time), None if cursor is None else str(cursor)

        return self.http.get(resource.path, params, accept, headers=_ACCEPT, auth=self._auth)

    def _read(self, kind: str, path: str) -> Row | None:
        """One record, None for a 404."""

        def accept(answer: Answer) -> Row | None:
            data = self._data(kind, answer)
            if answer.status == 404:
                return None
            if not isinstance(data, dict):
                raise Flaw(detail="an answer without a record")
            return self.schema[kind].row(_unwrapped(data))

        return self.http.get(path, None, accept, headers=_ACCEPT, auth=self._auth)

    def _data(self, kind: str, answer: Answer) -> Any:
        """The JSON of a 2xx or 404; Flaw for what may pass, an error for what a person must change."""
        self._refuse(kind, answer)
        data = answer.json()
        if not answer.ok and answer.status != 404:
            raise Flaw(detail=f"HTTP {answer.status} {_error(data)[0]}".rstrip())
        return data

    def _refuse(self, kind: str, answer: Answer) -> None:
        if answer.status == 401:
            raise LoginNeeded("crafter_key_refused")
        if answer.status == 403:
            answer.json()
            raise FeatureOff("crafter_feature_off", resource=self.schema[kind].path.strip("/"))

    def _write(
        self, method: str, kind: str, path: str, values: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Outcome:
        resource = self.schema[kind]
        body = {resource.fields[name]: _plain(value) for name, value in values.items()}
        reply = self.http.send(method, path, body, headers={**_ACCEPT, **headers}, auth=self._auth)
        if not isinstance(reply, Answer):
            return reply
        self._refuse(kind, reply)
        data = _unwrapped(reply.json())
        if reply.ok and isinstance(data, dict) and resource.fields["id"] in data:
            return Done(resource.row(data))
        message, existing, fields = _error(data)
        if reply.ok:
            return Unknown(f"HTTP {reply.status} {message}") if message else Done(None)
        return Rejected(
            message,
            reply.status,
            missing=reply.status == 404 and method == "PATCH",
            existing_id=existing if reply.status == 409 and 0 < len(existing) <= LONGEST_ID else None,
            fields=tuple((resource.neutral.get(name, name), said) for name, said in fields),
        )


def _plain(value: Any) -> Any:
    """Dates as YYYY-MM-DD, quantities as decimal strings (Crafter contract, transport)."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def _equals(found: Any, value: str) -> bool:
    return isinstance(found, (str, int)) and str(found) == value


def _unwrapped(data: Any) -> Any:
    """A record may come in a lone `data` (Crafter contract, transport)."""
    inner = data.get("data") if isinstance(data, dict) and len(data) == 1 else None
    return inner if isinstance(inner, dict) else data


def _error(data: Any) -> tuple[str, str, list[tuple[str, str]]]:
    """Message, `existing_id` and (field, message) of an error body, whatever is missing from it.

    In the contract's shape, as problem details, or as `message` and `errors` (Crafter contract, transport).
    """
    outer = _lowered(data)
    error = _lowered(outer.get("error")) or outer
    problem = ": ".join(dict.fromkeys(filter(None, (words(error.get("title")), words(error.get("detail"))))))
    message = words(error.get("message")) or problem or words(outer.get("error")) or words(error.get("code"))
    named = [*_named(error.get("fields")), *_named(error.get("errors"))]
    said = "; ".join(dict.fromkeys(filter(None, (message, *(text for name, text in named if not name)))))
    return said, words(error.get("existing_id")), [(name, text) for name, text in named if name]


def _lowered(data: Any) -> dict[str, Any]:
    return {name.lower(): value for name, value in data.items()} if isinstance(data, dict) else {}


def _named(found: Any) -> list[tuple[str, str]]:
    """What is said of each field: a list of objects or texts, or an object of field and texts."""
    if isinstance(found, dict):
        said = [(name, value if isinstance(value, list) else [value]) for name, value in found.items()]
        return [(words(name), "; ".join(filter(None, map(words, value)))) for name, value in said]
    pairs = []
    for one in found if isinstance(found, list) else []:
        part = _lowered(one) or {"message": one}
        name = next((words(part[key]) for key in ("name", "field", "path", "pointer") if part.get(key)), "")
        pairs.append((name, next((words(part[key]) for key in ("message", "detail", "title") if part.get(key)), "")))
    return pairs
