"""One request at a time to a server under test: no second tries, no redirects, a limit on time and size.

Names are the contract's; `Names` says what this server calls them. A record under a lone `data` is taken out of it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from avsync.conformance.contract import resources

LARGEST = 32 << 20  # bytes
TIMEOUTS = (10, 60)  # seconds: connect, read
ACCEPT = "application/json, application/problem+json"

Row = dict[str, Any]


class Unreachable(Exception):
    """No answer, or none that is one."""


@dataclass
class Names:
    """What this server calls things: kind → path, and kind → contract's field → its field (only where it differs)."""

    paths: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, kind: str) -> str:
        return self.paths.get(kind) or resources()[kind].path

    def out(self, kind: str, name: str) -> str:
        """The server's word for a field."""
        return self.fields.get(kind, {}).get(name, name)

    def row(self, kind: str, record: Mapping[str, Any]) -> Row:
        """A record under the contract's names, entries of `lines` too; what is not known keeps its own."""
        known = {theirs: ours for ours, theirs in self.fields.get(kind, {}).items() if "." not in ours}
        row = {known.get(name, name): value for name, value in record.items()}
        inner = {theirs: ours[6:] for ours, theirs in self.fields.get(kind, {}).items() if ours.startswith("lines.")}
        if isinstance(row.get("lines"), list):
            row["lines"] = [
                {inner.get(name, name): value for name, value in line.items()} if isinstance(line, dict) else line
                for line in row["lines"]
            ]
        return row


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `data` is its JSON, None when it is none; `wrapped`: a record stood in a lone `data`."""

    status: int
    headers: Mapping[str, str]
    data: Any
    is_json: bool
    wrapped: bool = False

    @property
    def record(self) -> Row:
        """The record in it, empty when there is none."""
        return self.data if isinstance(self.data, dict) else {}

    @property
    def rows(self) -> list[Any]:
        """The rows of a listing."""
        found = self.data.get("data") if isinstance(self.data, dict) else None
        return found if isinstance(found, list) else []


class Api:
    """The server at `base` with an API key. Counts its requests."""

    def __init__(self, base: str, key: str) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{base} is no address such as https://host/api/v1")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise Unreachable("plain http is used only to this very machine; give an https address")
        self.base, self.key, self.names, self.requests = base.rstrip("/"), key, Names(), 0
        self._session = requests.Session()
        self._session.trust_env = not _is_here(parts.hostname)

    def ask(self, method: str, path: str, *, key: str | None = None, params: Mapping[str, str] | None = None,
            body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:  # fmt: skip
        """One exchange by path. `key`: another one, "" for none. Raises Unreachable."""
        sent = {"Accept": ACCEPT, "User-Agent": "avsync-conformance", **(headers or {})}
        given = self.key if key is None else key
        if given:
            sent["Authorization"] = f"Bearer {given}"
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            sent["Content-Type"] = "application/json; charset=UTF-8"
        self.requests += 1
        try:
            with self._session.request(method, f"{self.base}/{path}", params=params, data=content, headers=sent,
                                       timeout=TIMEOUTS, allow_redirects=False, stream=True) as answer:  # fmt: skip
                raw = answer.raw.read(LARGEST + 1, decode_content=True)
                status, told = answer.status_code, answer.headers
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"{method} /{path}: {type(error).__name__}") from None
        try:
            return Reply(status, told, json.loads(raw) if raw else None, bool(raw))
        except (ValueError, RecursionError):
            return Reply(status, told, None, False)

    def list(self, kind: str, **params: str) -> Reply:
        """One page; filters by the contract's names, rows under them."""
        named = {self.names.out(kind, name): value for name, value in params.items()}
        reply = self.ask("GET", self.names.path(kind), params=named)
        rows = [self.names.row(kind, row) if isinstance(row, dict) else row for row in reply.rows]
        data = {**reply.data, "data": rows} if isinstance(reply.data, dict) and "data" in reply.data else reply.data
        return Reply(reply.status, reply.headers, data, reply.is_json)

    def get(self, kind: str, identity: str) -> Reply:
        """One record."""
        return self._single(kind, self.ask("GET", f"{self.names.path(kind)}/{quote(identity, safe='')}"))

    def create(self, kind: str, values: Mapping[str, Any], once: str) -> Reply:
        """A POST with that Idempotency-Key."""
        body = {self.names.out(kind, name): value for name, value in values.items()}
        headers = {"Idempotency-Key": f'"{once}"'}
        return self._single(kind, self.ask("POST", self.names.path(kind), body=body, headers=headers))

    def update(self, kind: str, identity: str, values: Mapping[str, Any]) -> Reply:
        """A PATCH."""
        body = {self.names.out(kind, name): value for name, value in values.items()}
        return self._single(kind, self.ask("PATCH", f"{self.names.path(kind)}/{quote(identity, safe='')}", body=body))

    def _single(self, kind: str, reply: Reply) -> Reply:
        inner = reply.data.get("data") if isinstance(reply.data, dict) and len(reply.data) == 1 else None
        wrapped, data = isinstance(inner, dict), inner if isinstance(inner, dict) else reply.data
        row = self.names.row(kind, data) if isinstance(data, dict) else data
        return Reply(reply.status, reply.headers, row, reply.is_json, wrapped)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
