"""A flow may write where it could not before: what was edited there meanwhile is not lost, it meets again.

While a direction was closed, edits on the side that follows stayed where they were made, and each side's own value
counts as known. Once the direction is open, the fields in which the two differ are as at a first meeting (behaviour 6):
the leading side's value wins, what only one side has stays and goes across, and what is replaced is told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from avsync.records.kind import Kind, Link, Policy
from avsync.records.registry import kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER

if TYPE_CHECKING:
    from avsync.sync.session import Session

log = logging.getLogger(__name__)
_CACHE_KEY = "directions"


def follow_directions(session: Session) -> None:
    """Let what differs meet again where a flow's direction has opened since its last run. The config has changed, so
    everything is read anew in this run, and planned where it no longer counts as known."""
    store, now = session.store, {flow: session.policy.flows[flow] for flow in session.on()}
    before = store.cached(_CACHE_KEY) or {}
    if {**before, **now} == before:
        return
    opened = [flow for flow in now if before.get(flow, now[flow]) != now[flow]]
    with store.transaction():
        for flow in opened:
            then = replace(session.policy, flows={**session.policy.flows, flow: before[flow]})
            for kind in kinds_of(flow):
                _meet_again(session, kind, then)
        store.cache(_CACHE_KEY, {**before, **now}, session.now())


def _meet_again(session: Session, kind: Kind, then: Policy) -> None:
    links = session.store.links
    if kind.plan is not None:
        return
    apart = {
        link.id: names for link in links.living(kind.name, CRAFTER) if (names := [*_apart(session, kind, link, then)])
    }
    for identity, names in apart.items():
        links.unlearn(identity, names)
    if apart:
        log.info("%s: %d that differ meet again, since the direction of their flow has changed", kind.name, len(apart))


def _apart(session: Session, kind: Kind, link: Link, then: Policy) -> Iterator[str]:
    """The fields in which the two differ and which may go now where they could not then."""
    told = {side: link.told(side) for side in link.end}
    for one in kind.fields if link.accountview else ():
        if one.merged and told[ACCOUNTVIEW].get(one.name) != told[CRAFTER].get(one.name):
            before, now = (kind.may_write(one, link, policy) for policy in (then, session.policy))
            if any(opened and not open_before for opened, open_before in zip(now, before, strict=True)):
                yield one.name
