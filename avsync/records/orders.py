"""Work orders and sales orders. The number is AccountView's, the project follows from where the order was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from avsync.records.kind import (
    Ask,
    Fate,
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
    Translated,
    Value,
    Verdict,
    Versions,
    WaitFor,
    as_sent,
    fitted,
    key_across,
)
from avsync.records.projects import project_code
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    OURS,
    Canonical,
    Record,
    Side,
    other,
    reference,
    required,
    squeeze,
    text,
)

FLOW = "orders"
CANCELLED = "cancelled"
MADE_ON: Mapping[Side, str] = {ACCOUNTVIEW: "order_date", CRAFTER: "made_at"}  # (behaviour 26)


def _fate(record: Record, policy: Policy) -> Fate:
    """What may become an order on the other side; nothing older than start_date travels (behaviour 26)."""
    if record.side == CRAFTER and record.fields["status"] == CANCELLED:
        return "drop"
    if policy.writes(FLOW, other(record.side)):
        return "plan" if record.day >= policy.start_date else "drop"
    if record.side == CRAFTER:
        return "keep" if record.fields["number"] or record.reference else "drop"
    return "keep" if record.reference.startswith(OURS) else "drop"


def _asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """What COMMENT2 says now may be a remark; the order that has a typed number may be there already."""
    there = link.told(ACCOUNTVIEW) if link else {}
    comment = (record.fields if record.side == ACCOUNTVIEW else there).get("work_type")
    if comment:
        yield Ask("row", "work_type", ACCOUNTVIEW, comment)
    for side, customer in ((record.side, record.fields["customer"]), *_told_customers(link)):
        if customer and link is not None:
            yield Ask("ref", "customer", side, customer)
    if record.side == CRAFTER and link is None:
        # of every new one, so that a list that is switched off shows before one needs it (behaviour 30)
        yield Ask("row", "work_type", CRAFTER, record.fields["work_type"] or "-")
        if record.fields["number"]:
            typed = (record.fields["number"] or "").upper()
            yield Ask("record", "order", ACCOUNTVIEW, typed)
            holder = known.of("record", "order", ACCOUNTVIEW, typed).link
            if holder is not None:
                yield Ask("record", "order", CRAFTER, holder.crafter)


def _told_customers(link: Link | None) -> list[tuple[Side, Canonical]]:
    return [(side, link.told(side).get("customer")) for side in link.end] if link else []


def _match(record: Record, look: Look, known: Known) -> Match:
    """By the number a work order carries; a number that was typed in Crafter is looked into by `_named`."""
    if record.side == CRAFTER:
        return Match()
    return Match(tuple(one for one in look("order", CRAFTER, "key", record.key) if one.fields["number"]), "number")


def _named(record: Record, known: Known) -> Record | None:
    """The order whose number a user typed, when it is free and of that customer (behaviour 18)."""
    number = record.fields["number"]
    if record.side != CRAFTER or not number:
        return None
    found = known.of("record", "order", ACCOUNTVIEW, number.upper())
    if found.fault is not None:
        raise Refuse("unreadable", field=found.fault.field, found=found.fault.found)
    if found.here is None and found.link is None:
        raise Refuse("order_number_unknown", order=number)
    if found.link is not None or found.here is None:
        raise Refuse("order_number_taken", order=number, work_order=_own_number(found.link, known))
    if key_across("customer", CRAFTER, record.fields["customer"] or "", known) != found.here.fields["customer"]:
        raise _of_another(found.here)
    return found.here


def _own_number(link: Link | None, known: Known) -> str:
    """Crafter's number of a linked work order."""
    holder = known.of("record", "order", CRAFTER, link.crafter).here if link else None
    return (holder.fields.get("own_number") if holder else None) or "-"


def _project_to_crafter(value: Canonical, record: Record, known: Known) -> Translated:
    """An open project that will still come is waited for; any other is left out until it is linked (behaviour 19)."""
    if value is None:
        return Translated(None)
    found = known.ref("project", ACCOUNTVIEW, value)
    if found.known:
        return Translated(found.crafter)
    if found.state in ("coming", "unclear"):
        raise WaitFor("project", ACCOUNTVIEW, value, value, found.name)
    return Translated(None, Remark("order_project_missing", {"project": value}, again=True))


def _project_to_accountview(value: Canonical, record: Record, known: Known) -> Translated:
    return Translated(project_code(value, known) if value else None)


def _project_writes(link: Link, policy: Policy) -> tuple[bool, bool]:
    """The project follows from the side where the order was made (behaviour 20)."""
    return (
        policy.writes(FLOW, ACCOUNTVIEW) and link.origin == CRAFTER,
        policy.writes(FLOW, CRAFTER) and link.origin == ACCOUNTVIEW,
    )


def _work_type_to_crafter(value: Canonical, record: Record, known: Known) -> Translated:
    found = known.of("row", "work_type", ACCOUNTVIEW, value)
    return Translated(found.crafter or None, leave=value is not None and not found.known)


def _work_type_to_accountview(value: Canonical, record: Record, known: Known) -> Translated:
    if value is None:
        return Translated(None)
    found = known.of("row", "work_type", CRAFTER, value)
    if not found.name:
        return Translated(None, Remark("work_type_missing", {"work_type": value}, again=True), leave=True)
    return fitted("order", ORDER.field("work_type"), "work_type", found.name, known)


def _protected(wanted: Field, value: Canonical, known: Known) -> bool:
    """A COMMENT2 that names no work type, nor did when it was written, is somebody's remark, and left alone (behaviour
    20)."""
    named = known.of("row", "work_type", ACCOUNTVIEW, value)
    return wanted.name == "work_type" and value is not None and not named.known and named.state != "former"


def _identity(record: Record, link: Link) -> Verdict:
    """Another order under a number that was given out again (behaviour 36).

    Where the order bore our reference, by that: another's is another order, and without one it takes the customer and
    the description for a doubt. Where it did not, it is of another customer and nothing else is the same; else it is 37
    that applies.
    """
    told, now = link.told(ACCOUNTVIEW), record.fields
    before = {name: told[name] for name in ("description", "target_date", "order_date") if told.get(name)}
    same = {name for name, value in before.items() if now[name] == value}
    moved = bool(told.get("customer")) and told["customer"] != now["customer"]
    if not (told.get("reference") or "").startswith(OURS):
        return "other" if moved and before and not same else "same"
    if now["reference"] in (told["reference"], reference("order", link.crafter)):
        return "same"
    if moved or (now["reference"] or "").startswith(OURS):
        return "other"
    return "unclear" if "description" in same or "description" not in before and same else "other"


def _question(link: Link, versions: Versions, known: Known) -> Refuse | None:
    """Answered where the order names its work order by the number that people know."""
    there, here = versions[ACCOUNTVIEW], versions[CRAFTER]
    if here.fields.get("own_number") and squeeze(there.fields["reference"]) == squeeze(here.fields["own_number"]):
        return None
    return Refuse("order_same_or_other", order=link.accountview, work_order=here.fields.get("own_number") or here.name)


def customers_apart(number: str, versions: Versions, known: Known) -> Refuse | None:
    """A link joins two orders of one customer; until they agree nothing is written on either (behaviour 37).

    What AccountView told earlier may be a number that its customer no longer has; what was read just now may not.
    """
    there, here = versions[ACCOUNTVIEW].fields.get("customer"), versions[CRAFTER].fields.get("customer")
    theirs, ours = known.ref("customer", ACCOUNTVIEW, there), known.ref("customer", CRAFTER, here)
    other_link = theirs.known and bool(here) and theirs.crafter != here
    other_number = bool(versions[ACCOUNTVIEW].changed_at) and ours.known and bool(there) and ours.accountview != there
    if not other_link and not other_number:
        return None
    in_books, in_crafter = f"{there} {theirs.name}".strip(), f"{ours.accountview} {ours.name}".strip()
    return Refuse("order_customers_differ", order=number, accountview=in_books, crafter=in_crafter)


def _apart(link: Link, versions: Versions, known: Known) -> Refuse | None:
    """Of two that are not linked yet it is the number that somebody typed, from whichever side they are seen."""
    found = customers_apart(versions[ACCOUNTVIEW].id, versions, known)
    return found if found is None or link.id else _of_another(versions[ACCOUNTVIEW])


def _of_another(order: Record) -> Refuse:
    return Refuse("order_number_other_customer", order=order.key, customer=order.fields["customer"] or "-")


def _silent(record: Record, link: Link) -> Remark | None:
    """A linked work order that is cancelled is said, and nothing more travels until it is open again (behaviour 20)."""
    if record.side == CRAFTER and record.fields.get("status") == CANCELLED:
        return Remark("order_cancelled", {"order": link.accountview}, again=True)
    return None


def _new(side: Side, record: Record, known: Known) -> dict[str, Value]:
    if side == CRAFTER:
        return {}
    return {
        "invoice_customer": key_across("customer", CRAFTER, record.fields["customer"] or "", known),
        "order_date": date.fromisoformat(record.day),
    }


def _twin(values: Mapping[str, Any]) -> dict[str, str]:
    return {"customer": str(values["customer"])}


def _same(record: Record, told: Mapping[str, Any], values: Mapping[str, Any], since: str) -> bool:
    """The number aside: AccountView gives that."""
    told = {name: value for name, value in told.items() if name != "number"}
    return as_sent(ORDER, record, told, values) and record.day == values.get("order_date")


ORDER = Kind(
    name="order", flow=FLOW, known_by=("number", "own_number"), facts=("own_number", "number"), told_on="work_order",
    fields=(
        Field("number", "code", crafter="order_number", owner=ACCOUNTVIEW),
        Field("customer", crafter="customer_id", ref="customer", needed=(CRAFTER,), fixed=True,
              empty="order_without_customer"),
        Field("project", crafter="project_id", ref="project", writes=_project_writes,
              to_crafter=_project_to_crafter, to_accountview=_project_to_accountview),
        Field("description", "free"),
        Field("target_date", "date", accountview="delivery_date"),
        Field("work_type", "name", crafter="work_type_id", list="work_type",
              to_crafter=_work_type_to_crafter, to_accountview=_work_type_to_accountview),
        Field("status", accountview=None, merged=False),
        Field("own_number", accountview=None, crafter="number", merged=False),
        Field("order_date", "date", crafter=None, merged=False),
        Field("reference", crafter=None, merged=False),
        Field("made_at", "moment", accountview=None, crafter="created_at", merged=False, needed=(CRAFTER,)),
    ),
    title=lambda side, fields: fields["description"] or fields["own_number"] or "", day=MADE_ON, bears=True,
    fate=_fate, asks=_asks, match=_match, named=_named, protected=_protected, silent=_silent, apart=_apart,
    identity=_identity, question=_question, new=_new, twin=_twin, same=_same,
)  # fmt: skip

WORK_TYPE = LookUp(
    "work_type", CRAFTER, lambda row: text(row.get("name"), "name"), unique=False, alike=squeeze, remembered=True,
    keys={
        CRAFTER: lambda row: required(row.get("id"), "id"),
        ACCOUNTVIEW: lambda row: text(row.get("name"), "name"),
    },
)  # fmt: skip

KINDS = (ORDER,)
LISTS = (WORK_TYPE,)
