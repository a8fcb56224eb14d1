"""Projects and their types. Only open projects are made in Crafter; linked ones go on being updated when they close."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from avsync.records.kind import (
    Answer,
    Ask,
    Field,
    Kind,
    Known,
    Link,
    Look,
    LookUp,
    Match,
    Policy,
    Refuse,
    Remark,
    Row,
    Translated,
    Value,
    Verdict,
    Versions,
    WaitFor,
    by_number,
    in_order,
    key_across,
    key_in,
)
from avsync.records.match import share_a_word
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, required, squeeze

FLOW = "projects"


def project_code(crafter_id: str, known: Known) -> str:
    """AccountView's code of a Crafter project; not there is a problem, still coming is waited for (behaviour 19)."""
    found = known.ref("project", CRAFTER, crafter_id)
    if found.known:
        return found.accountview
    if found.state in ("coming", "unclear"):
        raise WaitFor("project", CRAFTER, crafter_id, found.accountview, found.name)
    named: dict[str, Any] = {"parent": found.accountview or found.name, "parent_name": found.name}
    named["parent_id"] = crafter_id
    if found.state == "gone":
        raise Refuse("parent_gone", parent_kind="project", **named)
    raise Refuse("project_unknown", **named)


# --- types


PROJECT_TYPE = Kind(
    name="project_type", flow=FLOW, id="code", known_by=("code",), changed_at=False, findable=False,
    made=frozenset({CRAFTER}), changed=frozenset({CRAFTER}),
    fields=(
        Field("code", "code", owner=ACCOUNTVIEW, needed=(CRAFTER,)),
        Field("name", instead="code", needed=(CRAFTER,)),
    ),
    title=lambda side, fields: fields["name"],
)  # fmt: skip


# --- projects


def is_open(project: Record, policy: Policy) -> bool:
    """Open by the configured statuses; without those, by an end date that is empty or not passed."""
    if policy.open_statuses:
        return (project.fields["status"] or "") in policy.open_statuses
    return project.fields["end_date"] is None or (project.fields["end_date"] or "") >= policy.today


def _makeable(record: Record, policy: Policy) -> bool:
    """A closed one that is not linked stays where it is (behaviour 12), unless ours is in Crafter."""
    return record.side == CRAFTER or is_open(record, policy)


def _asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """Whose it is now; and the type of one that has none is the configured one."""
    if record.side == ACCOUNTVIEW and link is not None and record.fields["customer"]:
        yield Ask("link", "customer", ACCOUNTVIEW, record.fields["customer"])
    default = known.policy.default_project_type.upper()
    if record.side == ACCOUNTVIEW and not record.fields["type"] and default:
        yield Ask("ref", "project_type", ACCOUNTVIEW, default)


def _type_to_crafter(value: Canonical, record: Record, known: Known) -> Translated:
    wanted = value or known.policy.default_project_type.upper()
    if not wanted:
        raise Refuse("project_without_type")
    found = known.ref("project_type", ACCOUNTVIEW, wanted)
    if not found.known:
        raise Refuse("project_type_unknown", type=wanted)
    return Translated(found.crafter)


def _type_to_accountview(value: Canonical, record: Record, known: Known) -> Translated:
    return Translated(key_across("project_type", CRAFTER, value, known) if value else None)


def _employee_to_crafter(value: Canonical, record: Record, known: Known) -> Translated:
    """A responsible employee whom Crafter does not know never keeps a project back (behaviour 25)."""
    if value is None:
        return Translated(None)
    found = known.of("row", "user", ACCOUNTVIEW, value)
    if found.known:
        return Translated(found.crafter)
    reason = "employee_twice" if found.state == "several" else "employee_missing"
    return Translated(None, Remark(reason, {"employee": value}, again=True))


def _employee_to_accountview(value: Canonical, record: Record, known: Known) -> Translated:
    if value is None:
        return Translated(None)
    found: Answer = known.of("row", "user", CRAFTER, value)
    if found.accountview:
        return Translated(found.accountview)
    return Translated(None, Remark("employee_without_code", {"employee": found.name, "employee_id": value}, again=True))


_TELLING = ("name", "customer", "start_date")


def _identity(record: Record, link: Link) -> Verdict:
    """Another project under a code that was given out again: nothing of it is the same (behaviour 36). One that changes
    customer keeps its name and the day it began; one that gets another name keeps its customer and that day."""
    return _verdict(record.fields, link)


def _verdict(now: Mapping[str, Canonical], link: Link, agreed: Set[str] = frozenset()) -> Verdict:
    """`agreed`: what Crafter's project says as AccountView's does now. A word in common says little of another
    customer's project."""
    told = link.told(ACCOUNTVIEW)
    known = {name for name in _TELLING if told.get(name)}
    same = (agreed & known) | {name for name in known if _alike(name, now[name], told[name])}
    if len(known) < 2 or agreed >= {"name", "customer"} or same == known:
        return "same"
    if not same:
        return "other"
    by_a_word = same == {"name"} and "name" not in agreed and squeeze(now["name"]) != squeeze(told["name"])
    if by_a_word:
        return "unclear"
    begun = "start_date" not in known or "start_date" in same
    return "same" if {"name", "customer"} <= same or (begun and len(same) > len(known) - 2) else "unclear"


def _alike(name: str, one: Canonical, two: Canonical) -> bool:
    return share_a_word(one, two) if name == "name" else one == two


def _question(link: Link, versions: Versions, known: Known) -> Refuse | None:
    """Answered where Crafter's project has the customer, or the name, that AccountView's has now."""
    there, here, told = versions[ACCOUNTVIEW].fields, versions[CRAFTER].fields, link.told(ACCOUNTVIEW)
    owner = known.of("link", "customer", ACCOUNTVIEW, there["customer"])
    agreed = {"customer"} if owner.crafter and owner.crafter == here["customer"] else set()
    agreed |= {"name"} if squeeze(there["name"]) == squeeze(here["name"]) else set()
    if _verdict(there, link, agreed) == "same":
        return None
    now = ", ".join(filter(None, (there["name"], f"{there['customer']} {owner.name}".strip(), there["start_date"])))
    return Refuse("project_same_or_other", number=link.accountview, was=told.get("name"), now=now)


def _moved(project: Record, link: Link, beside: Iterable[Record], known: Known) -> bool:
    """The same name, begin date and customer, who may have got another number as well (behaviour 39)."""
    told = link.told(ACCOUNTVIEW)
    owner = known.of("link", "customer", ACCOUNTVIEW, project.fields["customer"]).crafter
    same = told.get("customer") == project.fields["customer"] or (owner and owner == link.told(CRAFTER).get("customer"))
    return bool(same) and told.get("start_date") == project.fields["start_date"]


def _match(record: Record, look: Look, known: Known) -> Match:
    """By code; of another customer and under a wholly different name it is another project (behaviour 6)."""
    found = by_number(record, look)
    return Match(found, "number", against=_unlike(*in_order(record, found[0]), known) if found else None)


def _unlike(there: Record, here: Record, known: Known) -> Refuse | None:
    another = _of_another(there, here, known) or _of_another(here, there, known)  # asked from the side that is read
    if not another or share_a_word(_own_name(there), _own_name(here)):
        return None
    return Refuse("same_project_by_code", project=there.key, accountview=there.name, crafter=here.name)


def _of_another(record: Record, there: Record, known: Known) -> bool:
    owner, across = known.ref("customer", record.side, record.fields["customer"]), there.fields["customer"]
    mine = owner.crafter if there.side == CRAFTER else owner.accountview
    return owner.known and across is not None and mine != across


def _own_name(project: Record) -> Canonical:
    return None if PROJECT.blank(project) else project.name


def _new(side: Side, record: Record, known: Known) -> dict[str, Value]:
    status = known.policy.new_project_status
    return {"status": status} if status and side == ACCOUNTVIEW else {}


PROJECT = Kind(
    name="project", flow=FLOW, id="code", known_by=("code",), told_on="project",
    fields=(
        Field("code", "code", crafter="project_code", owner=ACCOUNTVIEW, needed=(CRAFTER,)),
        Field("name", instead="code", needed=(CRAFTER,)),
        Field("customer", crafter="customer_id", ref="customer", needed=(CRAFTER,), empty="project_without_customer"),
        Field("description", "free"),
        Field("start_date", "date"),
        Field("end_date", "date"),
        Field("type", crafter="project_type_id", ref="project_type", to_crafter=_type_to_crafter,
              to_accountview=_type_to_accountview, used=lambda policy: not policy.default_project_type),
        Field("employee", crafter="responsible_user_id", list="user",
              to_crafter=_employee_to_crafter, to_accountview=_employee_to_accountview),
        Field("status", "code", crafter=None, merged=False,
              used=lambda policy: bool(policy.open_statuses or policy.new_project_status)),
    ),
    title=lambda side, fields: fields["name"], makeable=_makeable, match=_match, identity=_identity, unlike=_unlike,
    question=_question, moved=_moved, asks=_asks, new=_new,
    configured=lambda policy: [("status", "accountview.new_project_status", policy.new_project_status)],
)  # fmt: skip


def _code_in_use(row: Row) -> Canonical:
    """Who has left is nobody's responsible employee any more."""
    gone = row.get("active") is False or row.get("deleted_at")
    return None if gone else key_in("unique_code")(row)


USER = LookUp(
    "user", CRAFTER, key_in("unique_code"),
    {CRAFTER: lambda row: required(row.get("id"), "id"), ACCOUNTVIEW: _code_in_use}, buried=True,
)  # fmt: skip

KINDS = (PROJECT_TYPE, PROJECT)
LISTS = (USER,)
