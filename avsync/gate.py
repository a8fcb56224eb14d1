"""Before a flow writes: do AccountView's names, columns and rights stand as the schema says? (design: the house)

Only what was found right is remembered, for a day: a right that was just given must not have to wait for tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avsync import needs
from avsync.errors import AvsyncError
from avsync.fit import Column
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.dictionary import Metadata, load
from avsync.services.accountview.metadata import Missing, verify
from avsync.state.store import Store

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
    wanted = needs.merged(needs.of_flow(flow, flows[flow]) for flow in on)
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
        missing = verify(metadata, accountview.schema, needs.of_flow(flow, flows[flow]))
        accountview.absent.update((one.kind, one.neutral) for one in missing if one.what == "column")
        contacts = contacts and not any(one.kind == "contact" and not needs.stops(one) for one in missing)
        without |= {one.kind for one in missing if one.what == "object" and not needs.stops(one)}
        refusal = _refusal(flow, missing)
        if refusal is not None:
            refused[flow] = refusal
    return Gate(metadata, refused, contacts, frozenset(without))


def _refusal(flow: str, missing: Sequence[Missing]) -> AvsyncError | None:
    rights = [one for one in missing if one.what in ("insert", "update")]
    names = [one for one in missing if one not in rights]
    return needs.refusal(flow, names) or needs.refusal(flow, rights)
