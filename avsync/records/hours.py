"""The lines of the uren-menu, from Crafter to AccountView only. A lost hour is lost pay."""

from __future__ import annotations

from collections.abc import Mapping
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
    Translated,
    Value,
    WaitFor,
    fitted,
    found,
    plain,
)
from avsync.records.orders import project_code
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Malformed,
    Record,
    code,
    day,
    local_moment,
    quantity,
    reference,
    required,
    required_code,
    short,
    text,
    utc_moment,
)

FLOW = "hours"
DESCRIPTIONS = {"work": "werktijd", "travel": "reistijd"}
_ORDER = "order:"

FIELDS = (
    Field("employee", "employee", "user_id", refers_to="user"),
    Field("project", "project", None),
    Field("time_code", "time_code", None, "code"),
    Field("date", "date", "date", "date"),
    Field("description", "description", None, "free"),
    Field("quantity", "quantity", "hours", "quantity"),
)


def read_accountview(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of HR1; `match` holds its natural columns, for installations without a reference column (behaviour 5)."""
    identity = required_code(row.get("id"), "id")
    fields = {
        "employee": code(row.get("employee"), "employee"),
        "project": code(row.get("project"), "project"),
        "time_code": code(row.get("time_code"), "time_code"),
        "date": day(row.get("date"), "date"),
        "description": text(row.get("description"), "description"),
        "quantity": quantity(row.get("quantity"), "quantity"),
    }
    return [
        Record(
            "hour", ACCOUNTVIEW, identity, identity, fields["description"] or identity, fields,
            reference=text(row.get("reference"), "reference") or "", match=natural(fields),
            changed_at=local_moment(row.get("changed_at"), "changed_at"), extra={"marked": "reference" in row},
        )
    ]  # fmt: skip


def natural(fields: Mapping[str, str | None]) -> str:
    """The columns by which an hours line without a reference is recognised, as one text."""
    return "|".join((fields.get(one.name) or "").casefold() for one in FIELDS)


def read_crafter(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A line of the uren-menu. Without a project of its own, `project` names the work order whose project it takes."""
    identity, what = required(row.get("id"), "id"), required(row.get("kind"), "kind")
    if what not in DESCRIPTIONS:
        raise Malformed("kind", short(what))
    when, hours = day(row.get("date"), "date"), quantity(row.get("hours"), "hours")
    if when is None:
        raise Malformed("date", "-")
    if hours is None:
        raise Malformed("hours", "-")
    order = text(row.get("work_order_id"), "work_order_id")
    fields = {
        "employee": required(row.get("user_id"), "user_id"),
        "project": text(row.get("project_id"), "project_id") or (_ORDER + order if order else None),
        "time_code": what,
        "date": when,
        "description": what,
        "quantity": hours,
    }
    return [
        Record(
            "hour", CRAFTER, identity, identity, f"{when} {DESCRIPTIONS[what]} {hours}", fields,
            match=reference("hour", identity),
            changed_at=utc_moment(row.get("updated_at"), "updated_at"), extra={"day": when},
        )
    ]  # fmt: skip


def _fate(record: Record, policy: Policy) -> Fate:
    if record.side == ACCOUNTVIEW:  # only what may be ours; AccountView has everybody's hours of all years
        return "keep" if record.reference.startswith("avs") or not record.extra["marked"] else "drop"
    return "plan" if policy.exports(FLOW) and record.extra["day"] >= policy.start_date else "drop"


def _needs(record: Record) -> list[Need]:
    needs: list[Need] = [("user", CRAFTER, record.fields["employee"] or "")]
    project = record.fields["project"]
    if project and project.startswith(_ORDER):
        needs.append(("order_project", CRAFTER, project.removeprefix(_ORDER)))
    elif project:
        needs.append(("project", CRAFTER, project))
    return needs


def _to_accountview(wanted: Field, record: Record, known: Known) -> Translated:
    value = record.fields.get(wanted.name)
    if wanted.name == "employee":
        return _employee(value or "", known)
    if wanted.name == "project":
        return _project(value, known)
    if wanted.name == "time_code":
        return Translated(known.policy.time_codes[value or ""].upper())
    if wanted.name == "description":
        return fitted("hour", wanted, wanted.accountview, DESCRIPTIONS[value or ""], known)
    return fitted("hour", wanted, wanted.accountview, value, known)


def _employee(user_id: str, known: Known) -> Translated:
    """The user's Unieke code; a problem with it is the user's, not one of every line."""
    user = found("user", CRAFTER, user_id, known)
    about = {"about_kind": "user", "about_id": user_id, "about_name": user.name or user_id}
    if user.state == "missing":
        raise Refuse("user_missing", **about)
    if not user.accountview:
        raise Refuse("user_without_code", **about)
    if user.extra.get("employee") == "missing":
        raise Refuse("employee_unknown", employee=user.accountview, **about)
    return Translated(user.accountview)


def _project(value: str | None, known: Known) -> Translated:
    """Its own project, else its work order's, else none: a problem where the column is mandatory (behaviour 24)."""
    if value and value.startswith(_ORDER):
        order = found("order_project", CRAFTER, value.removeprefix(_ORDER), known)
        if order.state == "missing":
            raise WaitFor("order", "", value.removeprefix(_ORDER))
        value = order.extra.get("project")
    if value:
        return Translated(project_code(value, known))
    if known.columns("hour", "project").mandatory:
        raise Refuse("hour_without_project")
    return Translated(None)


def _new_in_accountview(record: Record, known: Known) -> dict[str, Value]:
    return {"reference": reference("hour", record.id)}


def _nothing(record: Record, known: Known) -> dict[str, Value]:
    return {}


def _may_write(wanted: Field, link: LinkView, policy: Policy) -> tuple[bool, bool]:
    return policy.exports(FLOW), False


HOUR = Kind(
    name="hour", flow=FLOW, fields=FIELDS, fate=_fate, needs=_needs, to_crafter=plain, to_accountview=_to_accountview,
    may_write=_may_write, new_in_crafter=_nothing, new_in_accountview=_new_in_accountview, entity="hour",
)  # fmt: skip
