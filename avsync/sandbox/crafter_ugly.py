"""The oddities of a real server, as switches on the sandbox (Crafter contract, what a server may do)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from avsync.sandbox.crafter_table import Record


@dataclass
class Ugly:
    """What a server may do that avsync must survive. All off by default; may be changed while it runs."""

    repeat_across_pages: bool = False  # a page starts with the last record of the page before
    move_while_paging: bool = False  # the first record of a listing changes once its first page has been served
    ignore_idempotency: bool = False  # Idempotency-Key has no effect
    extra_fields: Mapping[str, Any] = field(default_factory=dict)  # added to every record in an answer
    enum_values: Mapping[str, str] = field(default_factory=dict)  # {"planned": "ingepland"}: shown instead
    fixed_fields: frozenset[str] = frozenset()  # an update of these is taken, and changes nothing
    null_fields: frozenset[str] = frozenset()  # shown as null whatever they hold
    tick: timedelta = timedelta(0)  # a coarse clock: moments rounded down to it, so that records share one
    clock_shift: timedelta = timedelta(0)  # the server's clock is wrong by this much
    errors: str = "contract"  # or "problem" (title, detail), or "message" (message, errors by field)
    wrap: bool = False  # one record comes in a lone `data`
    date_header: bool = True
    described: bool = False  # there is an OpenAPI document, at /openapi.json
    nameless: bool = False  # `/me` is called something else, and does not say what is switched on
    drops: frozenset[tuple[str, str]] = frozenset()  # (resource, field) whose value is not stored
    touches: Mapping[tuple[str, str], Any] = field(
        default_factory=dict
    )  # what a PATCH that does not name a field puts there
    names: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # resource -> path, and field -> its name here

    def path(self, resource: str) -> str:
        """What a resource is called here."""
        return str(self.names.get(resource, {}).get("path", resource))

    def resource(self, path: str) -> str:
        """The resource behind a path; one under another name is not there under its own."""
        named = {self.path(resource): resource for resource in self.names}
        return named.get(path) or ("" if path in self.names else path)

    def field(self, resource: str, name: str) -> str:
        """What a field is called here; `lines.x` is one of a line."""
        return str(self.names.get(resource, {}).get("fields", {}).get(name, name))

    def inwards(self, resource: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Fields or filters under their own names; one that has another name here is unknown under its own."""
        fields = self.names.get(resource, {}).get("fields", {})
        known = {theirs: ours for ours, theirs in fields.items() if "." not in ours}
        return {known.get(name, f"{name} (unknown)" if name in fields else name): body[name] for name in body}

    def outwards(self, resource: str, record: Record) -> Record:
        """A record under the names it has here."""
        if resource not in self.names:
            return record
        shown = {self.field(resource, name): value for name, value in record.items()}
        lines, fields = self.field(resource, "lines"), self.names[resource].get("fields", {})
        if isinstance(shown.get(lines), list):
            shown[lines] = [
                {fields.get(f"lines.{name}", name): value for name, value in line.items()} for line in shown[lines]
            ]
        return shown

    def dress(self, record: Record, resource: str = "") -> Record:
        """A record as an answer shows it."""
        if not (self.extra_fields or self.enum_values or self.null_fields or self.names):
            return record
        shown = dict(record)
        for name in ("status", "kind"):
            if name in shown:
                shown[name] = self.enum_values.get(shown[name], shown[name])
        shown.update((name, None) for name in self.null_fields if name in shown)
        return {**self.outwards(resource, shown), **self.extra_fields}

    def single(self, record: Record, resource: str = "") -> Record:
        """The same for an answer that is one record."""
        return {"data": self.dress(record, resource)} if self.wrap else self.dress(record, resource)

    def error(self, code: str, message: str, fields: list[tuple[str, str]], existing_id: str | None) -> dict[str, Any]:
        """The body of a refusal."""
        if self.errors == "problem":
            return {"type": f"about:{code}", "title": code, "detail": message}
        if self.errors == "message":
            return {"message": message, "errors": {name: [words] for name, words in fields}}
        told = [{"name": name, "message": words} for name, words in fields]
        return {"error": {"code": code, "message": message, "fields": told, "existing_id": existing_id}}
