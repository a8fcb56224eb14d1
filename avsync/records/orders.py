"""Work orders and sales orders. The number is AccountView's, the project follows from where the order was made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from avsync.records.kind import (
    Fate,
    Field,
    Kind,
    Known,
    LinkView,
    Need,
    Policy,
    Refuse,
    Remark,
    Translated,
    Value,
    WaitFor,
    fitted,
    found,
    needs_of,
    parent_key,
    plain,
)
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Canonical,
    Record,
    amsterdam_day,
    code,
    day,
    local_moment,
    reference,
    required,
    required_code,
    text,
    utc_moment,
)

FLOW = "orders"
CANCELLED = "cancelled"

FIELDS = (
    Field("number", "number", "order_number", "code", owner=ACCOUNTVIEW),
    Field("customer", "customer", "customer_id", refers_to="customer"),
    Field("project", "project", "project_id", refers_to="project"),
    Field("description", "description", "description", "free"),
    Field("target_date", "delivery_date", "target_date", "date"),
    Field("work_type", "work_type", "work_type_id", refers_to="work_type"),
)


def read_accountview(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of SO1; COMMENT2 is the work type's name as it stands there (behaviour 18)."""
    number = required_code(row.get("number"), "number")
    fields = {
        "number": number,
        "customer": code(row.get("customer"), "customer"),
        "project": code(row.get("project"), "project"),
        "description": text(row.get("description"), "description"),
        "target_date": day(row.get("delivery_date"), "delivery_date"),
        "work_type": text(row.get("work_type"), "work_type"),
    }
    return [
        Record(
            "order", ACCOUNTVIEW, number, number, fields["description"] or number, fields,
            reference=text(row.get("reference"), "reference") or "",
            changed_at=local_moment(row.get("changed_at"), "changed_at"),
            extra={"day": day(row.get("order_date"), "order_date") or ""},
        )
    ]  # fmt: skip


def read_crafter(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A werkbon. `extra`: the day it was made (Amsterdam), its status and Crafter's own number."""
    identity = required(row.get("id"), "id")
    number = text(row.get("order_number"), "order_number")
    own = text(row.get("number"), "number") or ""
    fields = {
        "number": number,
        "customer": required(row.get("customer_id"), "customer_id"),
        "project": text(row.get("project_id"), "project_id"),
        "description": text(row.get("description"), "description"),
        "target_date": day(row.get("target_date"), "target_date"),
        "work_type": text(row.get("work_type_id"), "work_type_id"),
        "status": text(row.get("status"), "status"),
    }
    made = amsterdam_day(utc_moment(row.get("created_at"), "created_at"))
    return [
        Record(
            "order", CRAFTER, identity, (number or own or identity).upper(), fields["description"] or own, fields,
            reference=text(row.get("external_ref"), "external_ref") or "", match=reference("order", identity),
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
            extra={"day": made, "number": own},
        )
    ]  # fmt: skip


def _fate(record: Record, policy: Policy) -> Fate:
    """What may become an order on the other side; nothing older than start_date travels (behaviour 26)."""
    if record.side == CRAFTER:
        if record.fields["status"] == CANCELLED:
            return "drop"
        if policy.exports(FLOW):
            return "plan" if record.extra["day"] >= policy.start_date else "drop"
        return "keep" if record.fields["number"] or record.reference else "drop"
    if policy.imports(FLOW):
        return "plan" if record.extra["day"] >= policy.start_date else "drop"
    return "keep" if record.reference.startswith("avs") else "drop"


def _to_crafter(wanted: Field, record: Record, known: Known) -> Translated:
    value = record.fields.get(wanted.name)
    if wanted.name == "customer":
        if value is None:
            raise Refuse("order_without_customer")
        return Translated(parent_key("customer", ACCOUNTVIEW, value, known))
    if wanted.name == "project":
        return _project_to_crafter(value, known)
    if wanted.name == "work_type":
        parent = found("work_type", ACCOUNTVIEW, value, known)
        return Translated(parent.crafter or None, leave=value is not None and not parent.known)
    return plain(wanted, record, known)


def _project_to_crafter(value: str | None, known: Known) -> Translated:
    """An open project that will still come is waited for; any other is left out until it is linked (behaviour 19)."""
    if value is None:
        return Translated(None)
    parent = found("project", ACCOUNTVIEW, value, known)
    if parent.known:
        return Translated(parent.crafter)
    if parent.state == "coming":
        raise WaitFor("project", value, parent.name)
    return Translated(None, Remark("order_project_missing", {"project": value}, again=True))


def _to_accountview(wanted: Field, record: Record, known: Known) -> Translated:
    value = record.fields.get(wanted.name)
    if wanted.name == "customer":
        return Translated(parent_key("customer", CRAFTER, value or "", known))
    if wanted.name == "project":
        return Translated(project_code(value, known)) if value else Translated(None)
    if wanted.name == "work_type":
        return _work_type_to_accountview(wanted, value, known)
    return fitted("order", wanted, wanted.accountview, value, known)


def _work_type_to_accountview(wanted: Field, value: str | None, known: Known) -> Translated:
    if value is None:
        return Translated(None)
    parent = found("work_type", CRAFTER, value, known)
    if not parent.name:
        return Translated(None, Remark("work_type_missing", {"work_type": value}, again=True), leave=True)
    return fitted("order", wanted, wanted.accountview, parent.name, known)


def project_code(crafter_id: str, known: Known) -> str:
    """AccountView's code of a Crafter project; not there is a problem, still coming is waited for (behaviour 19)."""
    parent = found("project", CRAFTER, crafter_id, known)
    if parent.known:
        return parent.accountview
    if parent.state == "coming":
        raise WaitFor("project", parent.accountview, parent.name)
    if parent.state == "gone":
        raise Refuse("parent_gone", parent_kind="project", parent=parent.accountview, parent_name=parent.name)
    raise Refuse("project_unknown", project=parent.accountview or crafter_id, parent_name=parent.name)


def _may_write(wanted: Field, link: LinkView, policy: Policy) -> tuple[bool, bool]:
    if wanted.owner == ACCOUNTVIEW:
        return False, True
    if wanted.name == "customer":
        return False, False
    exports, imports = policy.exports(FLOW), policy.imports(FLOW)
    if wanted.name == "project":
        return exports and link.origin == CRAFTER, imports and link.origin == ACCOUNTVIEW
    return exports, imports


def _new_in_accountview(record: Record, known: Known) -> dict[str, Value]:
    customer = parent_key("customer", CRAFTER, record.fields["customer"] or "", known)
    return {
        "invoice_customer": customer,
        "order_date": date.fromisoformat(record.extra["day"]),
        "reference": reference("order", record.id),
    }


def _new_in_crafter(record: Record, known: Known) -> dict[str, Value]:
    return {}


def _needs(record: Record) -> list[Need]:
    return needs_of(record, FIELDS)


def _link_needs(link: LinkView) -> list[Need]:
    work_type = (link.accountview_base or {}).get("work_type")
    return [("work_type", ACCOUNTVIEW, work_type)] if work_type else []


def _protected(wanted: Field, value: Canonical, known: Known) -> bool:
    """A COMMENT2 that names no work type is somebody's remark, and left alone (behaviour 20)."""
    return wanted.name == "work_type" and value is not None and not found("work_type", ACCOUNTVIEW, value, known).known


def _silent(record: Record, link: LinkView) -> Remark | None:
    """A linked work order that is cancelled is said, and nothing more travels until it is open again (behaviour 20)."""
    if record.side == CRAFTER and record.fields.get("status") == CANCELLED:
        return Remark("order_cancelled", {"order": link.accountview}, again=True)
    return None


ORDER = Kind(
    name="order", flow=FLOW, fields=FIELDS, fate=_fate, needs=_needs,
    to_crafter=_to_crafter, to_accountview=_to_accountview,
    may_write=_may_write, new_in_crafter=_new_in_crafter, new_in_accountview=_new_in_accountview, entity="work_order",
    link_needs=_link_needs, protected=_protected, silent=_silent,
)  # fmt: skip
