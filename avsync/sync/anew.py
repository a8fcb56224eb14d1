"""The config means something else than in the last run: what two linked records no longer have in common meets anew.

Each side's last value is what its edits are told by. It no longer says anything of a field that now stands in another
column: an empty one would look emptied, and wipe the other side. And while a direction was closed, the edits on the
side that follows stayed where they were made and count as known; once it is open the two would stay different without
a word. In both cases the fields are as at a first meeting (behaviour 6): the leading side's value wins, what only one
side has stays and goes across, and what is replaced is told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from avsync.errors import PersonMustLook
from avsync.records.kind import BOTH, Kind, Link, Policy
from avsync.records.registry import kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.sync.causes import SERVICES

if TYPE_CHECKING:
    from avsync.sync.session import Session

log = logging.getLogger(__name__)
_CACHE_KEY = "meant"


def meet_anew(session: Session) -> None:
    """Forget what the sides told of fields that mean something else now. As the config has changed, this run reads
    everything, and plans what no longer counts as known.

    Errors: PersonMustLook("key_changed") where the keys by which linked records are known have another name.
    """
    store, now = session.store, {flow: _meant(session, flow) for flow in session.running()}
    before: dict[str, Any] = store.cached(_CACHE_KEY) or {}
    if {**before, **now} == before:
        return
    with store.transaction():
        for flow, then in before.items():
            if flow in now and then != now[flow]:
                for kind in _linked_kinds(flow):
                    _same_keys(session, kind, then["keys"].get(kind.name), now[flow]["keys"][kind.name])
                    _forget(session, kind, then, now[flow])
        store.cache(_CACHE_KEY, {**before, **now}, session.now())


def _linked_kinds(flow: str) -> list[Kind]:
    return [kind for kind in kinds_of(flow) if kind.plan is None]


def _meant(session: Session, flow: str) -> dict[str, Any]:
    """A flow's direction; per kind the names of its keys, and of its fields, on either side."""
    kinds = _linked_kinds(flow)
    return {
        "direction": session.policy.flows[flow],
        "keys": {kind.name: _keys(session, kind) for kind in kinds},
        "names": {kind.name: _names(session, kind) for kind in kinds},
    }


def _keys(session: Session, kind: Kind) -> list[str]:
    books, planning = session.accountview.schema[kind.table], session.crafter.schema[kind.resource]
    return [books.columns.get(kind.id, "").upper(), planning.fields.get("id", "")]


def _names(session: Session, kind: Kind) -> dict[str, list[str]]:
    """Of each field the columns it may stand in, and its name in Crafter."""
    books, planning = session.accountview.schema[kind.table], session.crafter.schema[kind.resource]
    found = {}
    for one in kind.fields:
        columns = [row.get(one.name) for row in kind.within.values()] or [one.accountview]
        found[one.name] = [f"{books.table}.{books.columns.get(name, '')}".upper() for name in columns if name]
        found[one.name] += [planning.fields.get(name, "") for name in [one.crafter] if name]
    return found


def _same_keys(session: Session, kind: Kind, then: list[str] | None, now: list[str]) -> None:
    """Under another key every record would be one that nobody knows."""
    if then is None or not session.store.links.some(kind.name):
        return
    for side, before, name in zip(BOTH, then, now, strict=True):
        if before != name:
            service = SERVICES[side]
            raise PersonMustLook("key_changed", parent_kind=kind.name, service=service, before=before, now=name)


def _forget(session: Session, kind: Kind, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    links, names = session.store.links, then["names"].get(kind.name, {})
    elsewhere = {name for name, here in now["names"][kind.name].items() if names.get(name, here) != here}
    closed = replace(session.policy, flows={**session.policy.flows, kind.flow: then["direction"]})
    count = 0
    for link in list(links.living(kind.name, CRAFTER)):
        fields = elsewhere | set(_apart(session, kind, link, closed))
        if fields and link.accountview:
            links.unlearn(link.id, fields)
            count += 1
    if count:
        log.info("%s: %d meet anew, since the config means something else by them", kind.name, count)


def _apart(session: Session, kind: Kind, link: Link, then: Policy) -> Iterator[str]:
    """The fields in which the two differ and which may go now where they could not then."""
    told = {side: link.told(side) for side in link.end}
    for one in kind.fields:
        if one.merged and told[ACCOUNTVIEW].get(one.name) != told[CRAFTER].get(one.name):
            before, now = (kind.may_write(one, link, policy) for policy in (then, session.policy))
            if any(opened and not open_before for opened, open_before in zip(now, before, strict=True)):
                yield one.name
