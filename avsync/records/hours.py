"""The lines of the uren-menu, from Crafter to AccountView only. A lost hour is lost pay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avsync.records.kind import (
    Fate,
    Field,
    Kind,
    Known,
    Link,
    Look,
    LookUp,
    Match,
    Over,
    Policy,
    Refuse,
    Remark,
    Translated,
    Verdict,
    as_sent,
    fitted,
    key_in,
    translate,
)
from avsync.records.projects import project_code
from avsync.records.values import ACCOUNTVIEW, CRAFTER, OURS, Canonical, Record, Side, reference

FLOW = "hours"
DESCRIPTIONS = {"work": "werktijd", "travel": "reistijd"}
_NATURAL = ("employee", "time_code", "date", "description", "quantity")  # always sent, as the project may not be


def _fate(record: Record, policy: Policy) -> Fate:
    """Of AccountView's, only what may be ours is kept: it has everybody's hours of all years."""
    if record.side == ACCOUNTVIEW:
        return "keep" if record.reference.startswith(OURS) or record.alike else "drop"
    return "plan" if policy.writes(FLOW, ACCOUNTVIEW) and record.day >= policy.start_date else "drop"


def _employee(value: Canonical, record: Record, known: Known) -> Translated:
    """The user's Unieke code; a problem with it is the user's, not one of every line."""
    user = known.of("row", "user", CRAFTER, value)
    about: dict[str, Any] = {"about_kind": "user", "about_id": value, "about_name": user.name}
    if not user.known:
        raise Refuse("user_missing", **about)
    if not user.accountview:
        raise Refuse("user_gone_without_code" if user.state == "buried" else "user_without_code", **about)
    if known.of("row", "employee", ACCOUNTVIEW, user.accountview).state == "missing":
        raise Refuse("employee_unknown", employee=user.accountview, **about)
    return Translated(user.accountview)


def _project(value: Canonical, record: Record, known: Known) -> Translated:
    """Without one, nor a work order that has one: a problem where the column is mandatory (behaviour 24)."""
    if value:
        return Translated(project_code(value, known))
    if known.columns("hour", "project").mandatory:
        raise Refuse("hour_without_project")
    order = record.fields.get("work_order")
    gone = bool(order) and known.of("record", "order", CRAFTER, order).here is None
    return Translated(None, Remark("hour_order_gone") if gone else None)


def _time_code(value: Canonical, record: Record, known: Known) -> Translated:
    return Translated(known.policy.time_codes[value or ""].upper())


def _description(value: Canonical, record: Record, known: Known) -> Translated:
    return fitted("hour", HOUR.field("description"), "description", DESCRIPTIONS[value or ""], known)


def _match(record: Record, look: Look, known: Known) -> Match:
    """Without a reference column by the columns that are sent; of identical twins each line takes one (behaviour 5)."""
    if record.side == ACCOUNTVIEW:
        return Match()
    made = translate(HOUR, record, known)
    fields = {name: one.value for name, one in made.items() if isinstance(one, Translated)}
    if len(fields) < len(made):
        return Match()
    alike = look("hour", ACCOUNTVIEW, "alike", _natural(ACCOUNTVIEW, fields))
    same = sorted(alike, key=lambda one: one.fields["project"] != fields["project"])
    return Match(tuple(one for one in same if fields["project"] in (None, one.fields["project"]))[:1], "columns")


def _natural(side: Side, fields: Mapping[str, Canonical]) -> str:
    """The columns by which an hours line without a reference is recognised, as one text; the project aside."""
    return "|".join((fields[name] or "").casefold() for name in _NATURAL) if side == ACCOUNTVIEW else ""


def _left(record: Record, link: Link, known: Known) -> Remark:
    """Hours deleted in Crafter after they were booked: somebody must look, for nothing is taken back (behaviour 24)."""
    told, booked = record.fields, link.told(ACCOUNTVIEW)
    user, project = known.of("row", "user", CRAFTER, told["employee"]), known.ref("project", CRAFTER, told["project"])
    named = f"{booked.get('project')} {project.name}".strip() if booked.get("project") else "-"
    params = {
        "employee": user.name or booked.get("employee") or "-", "day": told["date"] or "-",
        "hours": told["quantity"] or "-", "sort": told["description"] or "-", "project": named,
    }  # fmt: skip
    return Remark("hour_deleted", {**params, "slot": link.accountview})


def _left_on_sheet(record: Record, link: Link, known: Known) -> Remark:
    """Hours that were moved to another week or person: the row they were booked in counts nothing any more."""
    said = _left(record, link, known).params
    day = link.told(ACCOUNTVIEW).get("date") or "-"
    return Remark("hour_moved", {**said, "day": day, "sheet": link.accountview.partition("/")[0]})


def _twin(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(values[name]) for name in ("employee", "time_code")}


def _same(record: Record, told: Mapping[str, Any], values: Mapping[str, Any], since: str) -> bool:
    return as_sent(HOUR, record, told, values)


def _identity(record: Record, link: Link) -> Verdict:
    """Another's line under a number that was given out again, as a new financial year may do (behaviour 36)."""
    now = record.fields["reference"] or ""
    ours = (link.told(ACCOUNTVIEW).get("reference"), reference("hour", link.crafter))
    return "other" if now.startswith(OURS) and now not in ours else "same"


def _title(side: Side, fields: Mapping[str, Canonical]) -> str:
    if side == ACCOUNTVIEW:
        return fields["description"] or ""
    return f"{fields['date']} {DESCRIPTIONS.get(fields['description'] or '', '')} {fields['quantity']}"


_WORDS = tuple(DESCRIPTIONS)
HOUR = Kind(
    name="hour", flow=FLOW, id="id", facts=("employee", "date", "quantity", "time_code", "project"), told_on="hour",
    marked=False, recent=True,
    told_first=(("work_order", "work_order"), ("project", "own_project")),
    made=frozenset({ACCOUNTVIEW}), changed=frozenset({ACCOUNTVIEW}), lists=("employee", "time_code"),
    fields=(
        Field("date", "date", needed=(CRAFTER,)),
        Field("time_code", "code", crafter="kind", only=_WORDS, needed=(CRAFTER,), to_accountview=_time_code),
        Field("employee", crafter="user_id", list="user", against="employee", needed=(CRAFTER,),
              to_accountview=_employee),
        Field("own_project", accountview=None, crafter="project_id", names="project", merged=False),
        Field("work_order", accountview=None, crafter="work_order_id", names="order", merged=False),
        Field("project", crafter=None, ref="project", over=Over("order", by="work_order", own="own_project"),
              to_accountview=_project),
        Field("description", "free", crafter="kind", only=_WORDS, needed=(CRAFTER,), to_accountview=_description),
        Field("quantity", "quantity", crafter="hours", needed=(CRAFTER,)),
        Field("reference", crafter=None, merged=False),
    ),
    title=_title, alike=_natural, day={CRAFTER: "date"}, bears=True,
    configured=lambda policy: [("time_code", f"time_codes.{one}", policy.time_codes[one]) for one in DESCRIPTIONS],
    fate=_fate, match=_match, left=_left, left_on_sheet=_left_on_sheet, counted_by="quantity",
    taken_by=("employee", "time_code", "date", "project"), identity=_identity, twin=_twin, same=_same,
)  # fmt: skip

EMPLOYEE = LookUp("employee", ACCOUNTVIEW, key_in("number"), {ACCOUNTVIEW: key_in("number")}, optional=True)
TIME_CODE = LookUp(
    "time_code", ACCOUNTVIEW, key_in("code"), {ACCOUNTVIEW: key_in("code")}, whole=False, optional=True
)  # fmt: skip

KINDS = (HOUR,)
LISTS = (EMPLOYEE, TIME_CODE)
