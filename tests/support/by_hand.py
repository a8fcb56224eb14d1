"""Rows, records, links and answers made by hand, for tests of one room without an office."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from avsync.records.fit import Column
from avsync.records.kind import Answer, Ask, End, Known, Link, Policy
from avsync.records.registry import KINDS
from avsync.records.rows import read_records
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side

AV, CR = ACCOUNTVIEW, CRAFTER
FLOWS = {"customers": "both", "projects": "both", "orders": "both", "invoice": "export", "hours": "export"}
POLICY = Policy(
    FLOWS, "2026-01-01", "2026-06-01", {"work": "w1", "travel": "t1"}, debtor_account="1300", company="DEMO"
)  # type: ignore[arg-type]
_CHANGED = {AV: {"changed_at": "2026-05-01T10:00:00"}, CR: {"external_ref": None, "updated_at": "2026-05-01T10:00:00Z"}}
ROWS: Mapping[tuple[str, Side], Mapping[str, Any]] = {
    ("customer", AV): {
        "number": "10001", "name": "Jansen BV", "phone": "030-1", "email": "", "street": "Dorpsstraat 1",
        "postal_code": "1234 AB", "city": "Utrecht", "country": "NL", "postal_street": "", "postal_postal_code": "",
        "postal_city": "", "created_at": "2026-01-02T09:00:00",
    },
    ("customer", CR): {"id": "c1", "customer_number": "10001", "name": "Jansen BV", "phone": "030-1", "email": ""},
    ("location", CR): {
        "id": "l1", "customer_id": "c1", "name": "Kantoor", "street": "Dorpsstraat 1", "postal_code": "1234 AB",
        "city": "Utrecht", "country": "NL", "is_main": True,
    },
    ("contact", AV): {
        "code": "p1", "customer": "10001", "salutation": "Dhr.", "first_name": "Jan", "last_name": "de Wit",
        "email": "jan@example.nl", "phone": "", "mobile": "06-1",
    },
    ("contact", CR): {
        "id": "k1", "customer_id": "c1", "salutation": "Dhr.", "first_name": "Jan", "last_name": "de Wit",
        "email": "jan@example.nl", "phone": None, "mobile": "06-1",
    },
    ("project_type", AV): {"code": "ond", "name": "Onderhoud"},
    ("project_type", CR): {"id": "t1", "code": "OND", "name": "Onderhoud"},
    ("project", AV): {
        "code": "p100", "name": "Ketelhuis", "customer": "10001", "start_date": "2026-03-01", "end_date": "",
        "status": "l", "type": "ond", "employee": "007", "description": "een\r\ntwee",
    },
    ("project", CR): {
        "id": "j1", "project_code": "P100", "name": "Ketelhuis", "customer_id": "c1", "start_date": "2026-03-01",
        "end_date": None, "project_type_id": "t1", "responsible_user_id": "u1", "description": "een\ntwee",
    },
    ("order", AV): {
        "number": "20001", "customer": "10001", "invoice_customer": "10001", "order_date": "2026-03-05",
        "delivery_date": "2026-03-20", "description": "Storing", "work_type": "Service", "project": "p100",
        "reference": "",
    },
    ("order", CR): {
        "id": "w1", "number": "WB-7", "order_number": None, "customer_id": "c1", "project_id": "j1",
        "work_type_id": "y1", "description": "Storing", "target_date": "2026-03-20", "status": "open", "lines": [],
        "created_at": "2026-03-04T23:30:00Z",
    },
    ("order_line", CR): {
        "id": "w1", "number": "WB-7", "order_number": "20001", "description": "Storing", "status": "checked",
        "lines": [], "created_at": "2026-03-04T23:30:00Z",
    },
    ("hour", AV): {
        "id": "r1", "employee": "007", "project": "p100", "time_code": "w1", "date": "2026-03-06T00:00:00",
        "description": "werktijd", "quantity": "7.50",
    },
    ("hour", CR): {
        "id": "h1", "user_id": "u1", "project_id": "j1", "work_order_id": "w1", "kind": "work", "date": "2026-03-06",
        "hours": "7.50",
    },
}  # fmt: skip


def row(kind: str, side: Side, /, **changed: Any) -> dict[str, Any]:
    """A row of this kind as the client hands it on, in neutral names."""
    return {**ROWS["customer" if (kind, side) == ("location", AV) else kind, side], **_CHANGED[side], **changed}


def record(kind: str, side: Side, which: int = 0, /, **changed: Any) -> Record:
    """What such a row becomes."""
    return read_records(KINDS[kind], side, row(kind, side, **changed), POLICY)[which]


def policy(flows: Mapping[str, str] | None = None, **changed: Any) -> Policy:
    """The usual one, with these flows and settings changed."""
    return replace(POLICY, flows={**FLOWS, **(flows or {})}, **changed)


def knows(
    *answers: Mapping[Ask, Answer], policy: Policy = POLICY, columns: Mapping[tuple[str, str], Column] | None = None,
    absent: Iterable[tuple[str, str]] = (),
) -> Known:  # fmt: skip
    """What planning goes by: these answers, and columns that hold anything where nothing is said of them."""
    found = {ask: answer for some in answers for ask, answer in some.items()}
    return Known(policy, found, lambda kind, name: (columns or {}).get((kind, name), Column()), frozenset(absent))


def pair(kind: str, accountview: str, crafter: str, name: str = "") -> dict[Ask, Answer]:
    """A record that is linked, asked from either side."""
    found = Answer("linked", accountview, crafter, name)
    return {Ask("ref", kind, AV, accountview): found, Ask("ref", kind, CR, crafter): found}


def ask(what: Any, kind: str, side: Side, key: str, state: str = "missing", **more: Any) -> dict[Ask, Answer]:
    """One question with its answer."""
    return {Ask(what, kind, side, key): Answer(state, **more)}


CUSTOMER = pair("customer", "10001", "c1", "Jansen BV")
TYPE = pair("project_type", "OND", "t1", "Onderhoud")
PROJECT = pair("project", "P100", "j1", "Ketelhuis")
USER = {
    **ask("row", "user", CR, "u1", "found", accountview="007", crafter="u1", name="Piet"),
    **ask("row", "user", AV, "007", "found", accountview="007", crafter="u1", name="Piet"),
    **ask("row", "employee", AV, "007", "found", accountview="007"),
}
WORK_TYPE = {
    **ask("row", "work_type", CR, "y1", "found", accountview="Service", crafter="y1", name="Service"),
    **ask("row", "work_type", AV, "Service", "found", accountview="Service", crafter="y1", name="Service"),
}
EVERYTHING = {**CUSTOMER, **TYPE, **PROJECT, **USER, **WORK_TYPE}


def joined(
    kind: str, av: tuple[str, Mapping[str, Canonical] | None], cr: tuple[str, Mapping[str, Canonical] | None],
    origin: Side = AV, **more: Any,
) -> Link:  # fmt: skip
    """A link, written down under number 1: of each side its id and what it told."""
    return Link(kind, {AV: End(*av), CR: End(*cr)}, origin, **{"id": 1, **more})


def in_step(av: Record, cr: Record, origin: Side = AV, **more: Any) -> Link:
    """The link of two records that told just this when they were last in step."""
    return joined(av.kind, (av.id, av.fields), (cr.id, cr.fields), origin, **more)
