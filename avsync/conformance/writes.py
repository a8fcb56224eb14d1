"""What only shows by writing: creates, changes, refusals, idempotency, main locations, the tijdlijn.

The contract knows no delete, so what is made here stays: all of it is called `avsync conformance`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from avsync.conformance.api import Reply, Row
from avsync.conformance.kit import Kit, status, told
from avsync.conformance.reads import errors

ODD = "avsync conformance é ß \U0001f600 & < ' \" \\ \nline\u00a0two"
LONG = "x" * 300


def run(kit: Kit) -> None:
    """All of them; each part needs a customer."""
    mark = secrets.token_hex(4)
    if not kit.usable("customer"):
        kit.untested("writing", "POST /customers", "it cannot be used")
        return
    customer = _customers(kit, mark)
    if not customer:
        kit.untested("writing", "all further writing", "no customer could be made")
        return
    if kit.usable("location"):
        _locations(kit, customer)
    if kit.usable("contact"):
        made = _made(kit, "contact", {"customer_id": customer, "first_name": "Avsync", "last_name": ODD}, f"c-{mark}")
        kit.judge("writing", "an odd text comes back as it was sent", _other(made, {"last_name": ODD}))
    project = _projects(kit, customer, mark) if kit.usable("project_type") and kit.usable("project") else ""
    order = _orders(kit, customer, project, mark) if kit.usable("order") else ""
    if "timeline" not in kit.off:
        _timeline(kit, "work_order" if order else "customer", order or customer, mark)


def _made(kit: Kit, kind: str, values: Mapping[str, Any], once: str) -> Row:
    """The record of a create that was judged."""
    reply = kit.api.create(kind, values, once)
    told_as = f"POST /{kit.api.names.path(kind)}"
    kit.judge("writing", f"{told_as} makes a record and answers 201", _create(reply))
    wrong = _other(reply.record, {name: value for name, value in values.items() if value != ODD})
    kit.judge("writing", f"{told_as} answers what was sent", wrong if reply.record else "")
    return reply.record if reply.status in (200, 201) and reply.record.get("id") else {}


def _create(reply: Reply) -> str:
    return status(reply, 201) or ("" if reply.record.get("id") else "there is no id in the answer")


def _other(row: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    return told(*(f"{name}: {row.get(name)!r} for {value!r}" for name, value in sent.items() if row.get(name) != value))


def _customers(kit: Kit, mark: str) -> str:
    number, reference = f"AVS{mark}", f"av:conformance:customer:{mark}"
    sent = {"name": "avsync conformance", "customer_number": number, "phone": "038-1234567", "external_ref": reference}
    made = _made(kit, "customer", sent, f"k-{mark}")
    identity = str(made.get("id") or "")
    if not identity:
        return ""
    again = kit.api.create("customer", sent, f"k-{mark}")
    same = again.status in (200, 201) and again.record.get("id") == identity
    found = "" if same else f"HTTP {again.status}" + (", another record" if again.status < 300 else "")
    kit.judge(
        "idempotency", "the same Idempotency-Key makes nothing new and answers the same record", found, borne=True
    )
    reply = kit.api.create("customer", {**sent, "name": "avsync conformance, again"}, f"k2-{mark}")
    errors(kit, "a number that is in use", reply, 409)
    existing = _existing(reply)
    wrong = "" if existing == identity else f"existing_id is {existing or 'missing'}"
    kit.judge("errors", "a number that is in use names the record that has it (existing_id)", wrong, borne=True)
    errors(kit, "a record without a required field", kit.api.create("customer", {"phone": "1"}, f"k3-{mark}"), 422,
           field=kit.api.names.out("customer", "name"))  # fmt: skip
    errors(kit, "a text that is too long", kit.api.create("customer", {"name": LONG}, f"k4-{mark}"), 422,
           field=kit.api.names.out("customer", "name"))  # fmt: skip
    _changed(kit, identity, made)
    found_by = kit.api.list("customer", external_ref=reference)
    wrong = "" if identity in {row.get("id") for row in found_by.rows if isinstance(row, dict)} else "it is not found"
    kit.judge("filters", "external_ref finds what was just made", wrong)
    refused = kit.api.ask("POST", kit.api.names.path("customer"), key="not-the-key", body={})
    kit.judge("key", "a write with a wrong key is refused with 401", status(refused, 401))
    return identity


def _existing(reply: Reply) -> str:
    error = reply.record.get("error")
    return str((error if isinstance(error, dict) else reply.record).get("existing_id") or "")


def _changed(kit: Kit, identity: str, made: Row) -> None:
    before = str(made.get("updated_at") or "")
    reply = kit.api.update("customer", identity, {"phone": "038-7654321"})
    kept = _other(reply.record, {"name": made.get("name"), "phone": "038-7654321"})
    kit.judge("writing", "PATCH changes what is named and keeps the rest", status(reply, 200) or kept)
    after = str(reply.record.get("updated_at") or "")
    moved = "" if after > before else f"{after or 'no moment'} after {before}"
    kit.judge("changes", "a change moves updated_at", moved, borne=after == before != "")
    reply = kit.api.list("customer", limit="200", updated_since=before)
    wrong = "" if identity in {row.get("id") for row in reply.rows if isinstance(row, dict)} else "it is not listed"
    kit.judge("changes", "what was just changed is listed by updated_since", wrong if len(reply.rows) < 200 else "")
    reply = kit.api.update("customer", identity, {"phone": None})
    wrong = status(reply, 200) or ("" if reply.record.get("phone") in (None, "") else f"{reply.record.get('phone')!r}")
    kit.judge("writing", "PATCH with null empties a field", wrong)
    errors(
        kit, "a PATCH of a record that is not there", kit.api.update("customer", "no-such-record", {"phone": "1"}), 404
    )


def _locations(kit: Kit, customer: str) -> None:
    place = {
        "customer_id": customer,
        "street": "Avsyncstraat 1",
        "postal_code": "8011 AA",
        "city": "Zwolle",
        "country": "NL",
    }
    first = _made(kit, "location", place, f"l1-{customer}")
    kit.judge("main location", "a customer's first location is its main one", _other(first, {"is_main": True}))
    second = kit.api.create("location", {**place, "street": "Avsyncstraat 2", "is_main": True}, f"l2-{customer}").record
    now = kit.api.get("location", str(first.get("id"))).record
    wrong = told(_other(second, {"is_main": True}), _other(now, {"is_main": False}))
    kit.judge("main location", "making another one main unsets the first", wrong)
    errors(kit, "taking main from the only main location",
           kit.api.update("location", str(second.get("id")), {"is_main": False}), 422)  # fmt: skip


def _projects(kit: Kit, customer: str, mark: str) -> str:
    made = _made(kit, "project_type", {"code": f"AV{mark}", "name": "avsync conformance"}, f"t-{mark}")
    if not made:
        return ""
    sent = {"project_code": f"AVP{mark}", "name": "avsync conformance", "customer_id": customer,
            "project_type_id": str(made["id"]), "start_date": "2026-02-28", "end_date": None}  # fmt: skip
    project = _made(kit, "project", sent, f"p-{mark}")
    other = {**sent, "project_code": f"AVQ{mark}", "customer_id": "no-such-record"}
    errors(kit, "a reference to a record that is not there", kit.api.create("project", other, f"p2-{mark}"), 422,
           field=kit.api.names.out("project", "customer_id"))  # fmt: skip
    return str(project.get("id") or "")


def _orders(kit: Kit, customer: str, project: str, mark: str) -> str:
    sent = {"customer_id": customer, "project_id": project or None, "description": "avsync conformance\nsecond line",
            "target_date": "2026-12-31"}  # fmt: skip
    order = _made(kit, "order", sent, f"o-{mark}")
    kit.judge("work orders", "a new work order is open", _other(order, {"status": "open"}))
    kit.judge("work orders", "a work order gets a number of its own", "" if order.get("number") else "there is none")
    identity = str(order.get("id") or "")
    reply = kit.api.update("order", identity, {"order_number": f"AV{mark}"})
    wrong = status(reply, 200) or _other(
        reply.record, {"order_number": f"AV{mark}", "description": sent["description"]}
    )
    kit.judge("work orders", "PATCH gives it AccountView's order number", wrong)
    errors(kit, "a day that does not exist", kit.api.update("order", identity, {"target_date": "2026-02-30"}), 422)
    return identity


def _timeline(kit: Kit, entity: str, identity: str, mark: str) -> None:
    key = f"avsync:conformance:{mark}"
    sent = {
        "entity": entity,
        "entity_id": identity,
        "kind": "error",
        "message": "avsync conformance",
        "dedupe_key": key,
    }
    first = kit.api.create("timeline", sent, f"e1-{mark}")
    kit.judge("timeline", "POST /timeline makes an entry", status(first, 201, 200))
    again = kit.api.create("timeline", {**sent, "message": "avsync conformance, changed"}, f"e2-{mark}")
    wrong = status(again, 200, 201) or _other(again.record, {"id": first.record.get("id")})
    kit.judge("timeline", "the same dedupe_key changes the entry that is there", wrong)
    done = kit.api.create("timeline", {**sent, "resolved": True}, f"e3-{mark}")
    kit.judge("timeline", "an entry can be resolved", status(done, 200, 201) or _other(done.record, {"resolved": True}))
    listed = kit.api.list("timeline", entity=entity, entity_id=identity)
    found = [row for row in listed.rows if isinstance(row, dict) and row.get("dedupe_key") == key]
    kit.judge(
        "timeline", "a record's tijdlijn has one entry per dedupe_key", "" if len(found) == 1 else f"{len(found)}"
    )
