"""Projects and project types. Import *or* export, never both (design: what it does)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avsync.records.kind import (
    Fate,
    Field,
    Kind,
    Known,
    LinkView,
    Policy,
    Refuse,
    Remark,
    Translated,
    Value,
    by_direction,
    fitted,
    found,
    needs_of,
    parent_key,
    plain,
)
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Record,
    code,
    day,
    local_moment,
    required,
    required_code,
    text,
    utc_moment,
)

FLOW = "projects"

TYPE_FIELDS = (
    Field("code", "code", "code", "code", owner=ACCOUNTVIEW),
    Field("name", "name", "name"),
)
PROJECT_FIELDS = (
    Field("code", "code", "project_code", "code", owner=ACCOUNTVIEW),
    Field("name", "name", "name"),
    Field("customer", "customer", "customer_id", refers_to="customer"),
    Field("description", "description", "description", "free"),
    Field("start_date", "start_date", "start_date", "date"),
    Field("end_date", "end_date", "end_date", "date"),
    Field("type", "type", "project_type_id", refers_to="project_type"),
    Field("employee", "employee", "responsible_user_id", refers_to="user"),
)


def read_accountview_type(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of PT1; a type without a name shows its code."""
    key = required_code(row.get("code"), "code")
    name = text(row.get("name"), "name") or key
    return [Record("project_type", ACCOUNTVIEW, key, key, name, {"code": key, "name": name})]


def read_crafter_type(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A project type."""
    key, name = required(row.get("code"), "code"), required(row.get("name"), "name")
    return [
        Record(
            "project_type", CRAFTER, required(row.get("id"), "id"), key.upper(), name, {"code": key, "name": name},
            reference=text(row.get("external_ref"), "external_ref") or "",
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
        )
    ]  # fmt: skip


def read_accountview_project(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of PJ1. `extra.open` follows the configured status codes, or else the end date (config, design)."""
    key = required_code(row.get("code"), "code")
    fields = {
        "code": key,
        "name": text(row.get("name"), "name") or key,
        "customer": code(row.get("customer"), "customer"),
        "description": text(row.get("description"), "description"),
        "start_date": day(row.get("start_date"), "start_date"),
        "end_date": day(row.get("end_date"), "end_date"),
        "type": code(row.get("type"), "type"),
        "employee": code(row.get("employee"), "employee"),
    }
    status = code(row.get("status"), "status") or ""
    return [
        Record(
            "project", ACCOUNTVIEW, key, key, fields["name"] or key, fields,
            changed_at=local_moment(row.get("changed_at"), "changed_at"),
            extra={"open": is_open(status, fields["end_date"], policy),
                   "default_type": policy.default_project_type.upper()},
        )
    ]  # fmt: skip


def is_open(status: str, end_date: str | None, policy: Policy) -> bool:
    """Open by the configured statuses; without those, by an end date that is empty or not passed."""
    if policy.open_statuses:
        return status in policy.open_statuses
    return end_date is None or end_date >= policy.today


def read_crafter_project(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A project in Crafter."""
    key, name = required(row.get("project_code"), "project_code"), required(row.get("name"), "name")
    fields = {
        "code": key,
        "name": name,
        "customer": required(row.get("customer_id"), "customer_id"),
        "description": text(row.get("description"), "description"),
        "start_date": day(row.get("start_date"), "start_date"),
        "end_date": day(row.get("end_date"), "end_date"),
        "type": text(row.get("project_type_id"), "project_type_id"),
        "employee": text(row.get("responsible_user_id"), "responsible_user_id"),
    }
    return [
        Record(
            "project", CRAFTER, required(row.get("id"), "id"), key.upper(), name, fields,
            reference=text(row.get("external_ref"), "external_ref") or "",
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
        )
    ]  # fmt: skip


def _type_fate(record: Record, policy: Policy) -> Fate:
    return "plan" if record.side == ACCOUNTVIEW and policy.imports(FLOW) else "keep"


def _project_fate(record: Record, policy: Policy) -> Fate:
    """Only open projects are made in Crafter; a closed one that is not linked stays where it is (behaviour 12)."""
    if record.side == CRAFTER:
        return "plan" if policy.exports(FLOW) else "keep"
    if policy.imports(FLOW):
        return "plan" if record.extra["open"] else "drop"
    return "keep"


def _project_to_crafter(wanted: Field, record: Record, known: Known) -> Translated:
    value = record.fields.get(wanted.name)
    if wanted.name == "customer":
        if value is None:
            raise Refuse("project_without_customer")
        return Translated(parent_key("customer", ACCOUNTVIEW, value, known))
    if wanted.name == "type":
        return _type_to_crafter(value, known)
    if wanted.name == "employee":
        return _employee_to_crafter(value, known)
    return plain(wanted, record, known)


def _type_to_crafter(value: str | None, known: Known) -> Translated:
    wanted = value or known.policy.default_project_type.upper()
    if not wanted:
        raise Refuse("project_without_type")
    parent = found("project_type", ACCOUNTVIEW, wanted, known)
    if not parent.known:
        raise Refuse("project_type_unknown", type=wanted)
    return Translated(parent.crafter)


def _employee_to_crafter(value: str | None, known: Known) -> Translated:
    """A responsible employee whom Crafter does not know never keeps a project back (behaviour 25)."""
    if value is None:
        return Translated(None)
    parent = found("user", ACCOUNTVIEW, value, known)
    if parent.known:
        return Translated(parent.crafter)
    reason = "employee_twice" if parent.state == "several" else "employee_missing"
    return Translated(None, Remark(reason, {"employee": value}, again=True))


def _project_to_accountview(wanted: Field, record: Record, known: Known) -> Translated:
    value = record.fields.get(wanted.name)
    if wanted.name == "customer" and value:
        return Translated(parent_key("customer", CRAFTER, value, known))
    if wanted.name == "type" and value:
        return Translated(parent_key("project_type", CRAFTER, value, known))
    if wanted.name == "employee" and value:
        parent = found("user", CRAFTER, value, known)
        if parent.accountview:
            return Translated(parent.accountview)
        return Translated(None, Remark("employee_without_code", {"employee": parent.name or value}, again=True))
    return fitted("project", wanted, wanted.accountview, value, known)


def _new_project_in_accountview(record: Record, known: Known) -> dict[str, Value]:
    status = known.policy.new_project_status
    return {"status": status} if status else {}


def _type_may_write(wanted: Field, link: LinkView, policy: Policy) -> tuple[bool, bool]:
    return False, policy.imports(FLOW)


def _nothing(record: Record, known: Known) -> dict[str, Value]:
    return {}


def _project_needs(record: Record) -> list[tuple[str, Any, str]]:
    needs = needs_of(record, PROJECT_FIELDS)
    if record.side == ACCOUNTVIEW and not record.fields.get("type") and record.extra.get("default_type"):
        needs.append(("project_type", ACCOUNTVIEW, record.extra["default_type"]))
    return needs


PROJECT_TYPE = Kind(
    name="project_type", flow=FLOW, fields=TYPE_FIELDS, fate=_type_fate, needs=lambda record: [],
    to_crafter=plain, to_accountview=plain, may_write=_type_may_write,
    new_in_crafter=_nothing, new_in_accountview=_nothing,
    has_reference=False,
)  # fmt: skip
PROJECT = Kind(
    name="project", flow=FLOW, fields=PROJECT_FIELDS, fate=_project_fate, needs=_project_needs,
    to_crafter=_project_to_crafter, to_accountview=_project_to_accountview, may_write=by_direction(FLOW),
    new_in_crafter=_nothing, new_in_accountview=_new_project_in_accountview, entity="project", has_reference=False,
)  # fmt: skip
