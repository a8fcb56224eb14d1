"""Before a flow writes: do AccountView's names, columns and rights stand as the schema says? (design: the house)

Only what was found right is remembered, for a day: a right that was just given must not have to wait for tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from avsync.errors import AvsyncError, SchemaMismatch
from avsync.records.fit import Column
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.dictionary import Metadata, load
from avsync.services.accountview.metadata import Missing, verify
from avsync.state.store import Store

if TYPE_CHECKING:
    from avsync.services.accountview.metadata import Missing

Right = Literal["read", "insert", "update"]
Needs = dict[str, frozenset[Right]]

READ: frozenset[Right] = frozenset({"read"})
WRITE: frozenset[Right] = frozenset({"read", "insert", "update"})
INSERT: frozenset[Right] = frozenset({"read", "insert"})
UPDATE: frozenset[Right] = frozenset({"read", "update"})

FLOWS = ("customers", "projects", "orders", "invoice", "hours")

# Kinds whose business object may be absent (a module the customer does not have, a look-up): avsync does without.
OPTIONAL_KINDS = frozenset({"contact", "employee", "time_code"})

_CONTACTS: Needs = {"contact": READ}  # contacts are import only (behaviour 17)
_PROJECTS: Needs = {"project": READ, "project_type": READ, "customer": READ}
_ORDERS: Needs = {"order": READ, "order_line": READ, "customer": READ, "project": READ}

ACCOUNTVIEW: Mapping[str, Mapping[str, Needs]] = {
    "customers": {
        "import": {"customer": READ, **_CONTACTS},
        "export": {"customer": WRITE},
        "both": {"customer": WRITE, **_CONTACTS},
    },
    "projects": {"import": _PROJECTS, "export": {**_PROJECTS, "project": WRITE}},
    "orders": {
        "import": _ORDERS,
        "export": {**_ORDERS, "order": WRITE},
        "both": {**_ORDERS, "order": WRITE},
    },
    "invoice": {"export": {"order": UPDATE, "order_line": INSERT, "article": READ}},
    "hours": {"export": {"hour": WRITE, "employee": READ, "project": READ, "time_code": READ}},
}

CRAFTER: Mapping[str, frozenset[str]] = {
    "customers": frozenset({"customer", "location", "contact"}),
    "projects": frozenset({"project", "project_type", "customer", "user"}),
    "orders": frozenset({"order", "customer", "project", "work_type"}),
    "invoice": frozenset({"order"}),
    "hours": frozenset({"hour", "user", "project", "order"}),
}


def of_flow(flow: str, direction: str) -> Needs:
    """AccountView kind → rights that this flow needs; empty when it is off."""
    return dict(ACCOUNTVIEW[flow].get(direction, {}))


def needs(flows: Mapping[str, str]) -> Needs:
    """The same for all flows that are on, put together."""
    return merged(of_flow(flow, flows[flow]) for flow in FLOWS)


def merged(parts: Iterable[Mapping[str, frozenset[Right]]]) -> Needs:
    """The union per kind."""
    total: Needs = {}
    for part in parts:
        for kind, rights in part.items():
            total[kind] = total.get(kind, frozenset()) | rights
    return total


def stops(missing: Missing) -> bool:
    """Whether a flow that needs this cannot run: not for what is optional, nor for a module that is not there."""
    return not missing.optional and not (missing.what == "object" and missing.kind in OPTIONAL_KINDS)


def refusal(flow: str, missing: Iterable[Missing]) -> SchemaMismatch | None:
    """The error that keeps a flow from running, naming everything that stops it; None when nothing does.

    Names go before rights: rights on a table that is not there mean nothing.
    """
    stopping = [one for one in missing if stops(one)]
    rights = [one for one in stopping if one.what in ("insert", "update")]
    names = [one for one in stopping if one not in rights]
    if not stopping:
        return None
    if names:
        return SchemaMismatch(
            "schema_names_missing", flow=flow, missing="".join(f"\n- {described(one)}" for one in names)
        )
    return SchemaMismatch("schema_rights_missing", flow=flow, missing=", ".join(described(one) for one in rights))


def described(missing: Missing) -> str:
    """E.g. `hour.columns.time_code: HRS_CODE → UURSOORT (Uursoort)`, by the path of the override that mends it."""
    if missing.what in ("insert", "update"):
        return f"{missing.what} {missing.name}"
    parts = {"object": "business_object", "table": "table", "column": f"columns.{missing.neutral}"}
    meant = f" → {' / '.join(missing.candidates)}" if missing.candidates else ""
    return f"{missing.kind}.{parts[missing.what]}: {missing.name}{meant}"


def crafter_kinds(flow: str, direction: str) -> frozenset[str]:
    """The Crafter kinds that a flow reads or writes; empty when it is off. Contacts are import only."""
    if direction == "off":
        return frozenset()
    return CRAFTER[flow] - (frozenset({"contact"}) if direction == "export" else frozenset())


CACHE_KEY = "metadata"


@dataclass(slots=True)
class Gate:
    """What the dictionary says: `refused` flows with the reason, `contacts` whether that module is there, and the
    kinds it is `without` although their flow goes on."""

    metadata: Metadata
    refused: dict[str, AvsyncError]
    contacts: bool
    without: frozenset[str] = frozenset()

    def column(self, kind: str, neutral: str) -> Column:
        """A column's shape, for fitting values."""
        found = self.metadata.column(kind, neutral)
        if found is None:
            return Column()
        return Column(
            found.length if found.type == "C" else 0, found.upper, found.type == "M",
            found.decimals if found.type in ("N", "Y", "B") else None, found.mandatory,
        )  # fmt: skip


def pass_gate(
    accountview: AccountView, store: Store, flows: Mapping[str, str], on: Sequence[str], since: str, now: str
) -> Gate:
    """Verify the flows that are on against metadata not older than `since`, read afresh when that finds a fault."""
    wanted = merged(of_flow(flow, flows[flow]) for flow in on)
    metadata = _cached(store, accountview, wanted, since)
    gate = _judge(accountview, metadata, flows, on) if metadata else None
    if gate is None or gate.refused:
        metadata = load(accountview, accountview.schema, wanted)
        gate = _judge(accountview, metadata, flows, on)
        if not gate.refused:
            with store.transaction():
                store.cache(CACHE_KEY, metadata.to_json(), now)
    return gate


def _cached(store: Store, accountview: AccountView, wanted: Mapping[str, object], since: str) -> Metadata | None:
    text = store.cached(CACHE_KEY, since)
    if text is None:
        return None
    try:
        metadata = Metadata.from_json(text)
    except ValueError:
        return None
    return metadata if metadata.covers(accountview.schema, wanted) else None


def _judge(accountview: AccountView, metadata: Metadata, flows: Mapping[str, str], on: Sequence[str]) -> Gate:
    accountview.types.update(metadata.types())
    accountview.absent.clear()
    refused: dict[str, AvsyncError] = {}
    contacts, without = True, set()
    for flow in on:
        missing = verify(metadata, accountview.schema, of_flow(flow, flows[flow]))
        accountview.absent.update((one.kind, one.neutral) for one in missing if one.what == "column")
        contacts = contacts and not any(one.kind == "contact" and not stops(one) for one in missing)
        without |= {one.kind for one in missing if one.what == "object" and not stops(one)}
        refusal = _refusal(flow, missing)
        if refusal is not None:
            refused[flow] = refusal
    return Gate(metadata, refused, contacts, frozenset(without))


def _refusal(flow: str, missing: Sequence[Missing]) -> AvsyncError | None:
    rights = [one for one in missing if one.what in ("insert", "update")]
    names = [one for one in missing if one not in rights]
    return refusal(flow, names) or refusal(flow, rights)
