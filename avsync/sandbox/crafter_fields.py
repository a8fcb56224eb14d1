"""Crafter's resources as data, and the checks its server makes on a body (Crafter contract, resources)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

TEXT_LIMIT = 65_535
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
STATUSES = ("open", "planned", "completed", "checked", "cancelled")
ENTITIES = {"customer": "customers", "project": "projects", "work_order": "work-orders", "hour": "hours"}
FILTERS = (
    "customer_number",
    "project_code",
    "order_number",
    "unique_code",
    "external_ref",
    "customer_id",
    "work_order_id",
    "status",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is text, date, bool, decimal, enum, ref or lines; `refers` names a ref's resource."""

    name: str
    kind: str = "text"
    size: int = TEXT_LIMIT
    required: bool = False
    writable: bool = True
    refers: str = ""
    values: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `natural` is the field whose value may occur once among the live records ("" = none)."""

    name: str
    fields: tuple[Field, ...]
    natural: str = ""
    writable: bool = True
    patchable: bool = True
    filters: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


def _text(name: str, size: int = TEXT_LIMIT, required: bool = False) -> Field:
    return Field(name, size=size, required=required)


def _ref(name: str, refers: str, required: bool = False) -> Field:
    return Field(name, "ref", 36, required, refers=refers)


def _resource(name: str, *fields: Field, **options: Any) -> Resource:
    known = {field.name for field in fields}
    options.setdefault("filters", tuple(name for name in FILTERS if name in known))
    return Resource(name, fields, **options)


EXTERNAL = _text("external_ref", 100)

RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        _resource(
            "customers",
            _text("customer_number", 20),
            _text("name", 255, required=True),
            _text("phone", 50),
            _text("email", 255),
            EXTERNAL,
            natural="customer_number",
        ),
        _resource(
            "work-locations",
            _ref("customer_id", "customers", required=True),
            _text("name", 255),
            _text("street", 255),
            _text("postal_code", 20),
            _text("city", 100),
            _text("country", 2),
            Field("is_main", "bool", default=False),
            EXTERNAL,
        ),
        _resource(
            "contacts",
            _ref("customer_id", "customers", required=True),
            _text("salutation", 50),
            _text("first_name", 100),
            _text("last_name", 100),
            _text("email", 255),
            _text("phone", 50),
            _text("mobile", 50),
            EXTERNAL,
        ),
        _resource(
            "project-types",
            _text("code", 20, required=True),
            _text("name", 100, required=True),
            EXTERNAL,
            natural="code",
        ),
        _resource(
            "projects",
            _text("project_code", 20, required=True),
            _text("name", 255, required=True),
            _text("description"),
            _ref("customer_id", "customers", required=True),
            _ref("project_type_id", "project-types", required=True),
            Field("start_date", "date"),
            Field("end_date", "date"),
            _ref("responsible_user_id", "users"),
            EXTERNAL,
            natural="project_code",
        ),
        _resource(
            "users",
            _text("name", 255),
            _text("email", 255),
            _text("unique_code", 20),
            Field("active", "bool", default=True),
            writable=False,
        ),
        _resource("work-types", _text("code", 20), _text("name", 100), writable=False),
        _resource(
            "work-orders",
            Field("number", writable=False),
            _text("order_number", 20),
            _ref("customer_id", "customers", required=True),
            _ref("project_id", "projects"),
            _ref("work_type_id", "work-types"),
            _text("description"),
            Field("target_date", "date"),
            Field("status", "enum", values=STATUSES, default="open"),
            EXTERNAL,
            Field("lines", "lines", writable=False),
            natural="order_number",
        ),
        _resource(
            "hours",
            _ref("user_id", "users"),
            _ref("project_id", "projects"),
            _ref("work_order_id", "work-orders"),
            Field("kind", "enum", values=("work", "travel"), default="work"),
            Field("date", "date"),
            Field("hours", "decimal"),
            writable=False,
        ),
        _resource(
            "timeline",
            Field("entity", "enum", required=True, values=tuple(ENTITIES)),
            _text("entity_id", 36, required=True),
            Field("kind", "enum", required=True, values=("error", "info")),
            _text("message", 2000, required=True),
            _text("dedupe_key", 100),
            Field("resolved", "bool", default=False),
            patchable=False,
            filters=("entity", "entity_id"),
        ),
    )
}

Mistakes = list[tuple[str, str]]


class RefusedError(Exception):
    """The server says no: HTTP status, code, message, the fields at fault, the record that is in the way."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mistakes | None = None,
        existing_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields or []
        self.existing_id = existing_id


def mistakes(
    resource: Resource, body: Mapping[str, Any], exists: Callable[[str, str], bool], creating: bool
) -> Mistakes:
    """Everything wrong with a body as (field, message); a field that the resource does not have is wrong too.

    `exists(resource name, id)` tells whether a live record stands there.
    """
    found: Mistakes = []
    for name, value in body.items():
        field = resource.field(name)
        if field is None:
            found.append((name, "unknown field"))
        elif not field.writable:
            found.append((name, "is read only"))
        elif message := _mistake(field, value, exists):
            found.append((name, message))
    if creating:
        missing = [field.name for field in resource.fields if field.required and field.name not in body]
        found += [(name, "is required") for name in missing]
    if resource.name == "timeline" and not found and not exists(ENTITIES[body["entity"]], body["entity_id"]):
        found.append(("entity_id", "does not exist"))
    return found


def _mistake(field: Field, value: Any, exists: Callable[[str, str], bool]) -> str:
    if field.kind == "bool":
        return "" if isinstance(value, bool) else "must be true or false"
    if value is None and not field.required and field.kind != "enum":
        return ""
    if not isinstance(value, str):
        return "must be a string"
    if field.required and not value.strip():
        return "is required"
    if len(value) > field.size:
        return f"is too long (at most {field.size} characters)"
    return _unfit(field, value, exists)


def _unfit(field: Field, value: str, exists: Callable[[str, str], bool]) -> str:
    if field.kind == "enum" and value not in field.values:
        return f"must be one of {', '.join(field.values)}"
    if field.kind == "ref" and not exists(field.refers, value):
        return "does not exist"
    if field.kind == "date" and not _is_date(value):
        return "must be a date (YYYY-MM-DD)"
    return ""


def _is_date(value: str) -> bool:
    if not DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
