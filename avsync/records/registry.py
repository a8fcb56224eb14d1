"""All kinds and lists, found in the modules of this room, and what follows from their declarations. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache

from avsync.records import customers, hours, order_lines, orders, projects
from avsync.records.kind import Kind, Link, LookUp, Policy
from avsync.records.rows import Listing
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side

KINDS: dict[str, Kind] = {}
LISTS: dict[str, LookUp] = {}


def declare(*declared: Kind | LookUp) -> None:
    """Make kinds and lists known; from here on they are read, planned and written like any other."""
    for one in declared:
        if isinstance(one, Kind):
            KINDS[one.name] = one
        else:
            LISTS[one.name] = one
    _listing.cache_clear()


def kinds_of(flow: str) -> list[Kind]:
    """The kinds of a flow, what is referred to first."""
    return [kind for kind in KINDS.values() if kind.flow == flow]


def writable(flow: str) -> list[Kind]:
    """Its kinds that may be made or changed in AccountView."""
    return [kind for kind in kinds_of(flow) if ACCOUNTVIEW in kind.made | kind.changed]


def referring(name: str) -> list[tuple[Kind, str]]:
    """Kinds with a field that refers to this kind, which Crafter's records must keep pointing the right way."""
    return [
        (kind, one.name)
        for kind in KINDS.values()
        for one in kind.fields
        if one.ref == name and not one.fixed and CRAFTER in kind.changed and one.name != kind.belongs_to
    ]


def children(name: str) -> list[Kind]:
    """Kinds whose records belong to one of this kind."""
    return [kind for kind in KINDS.values() if kind.belongs_to and kind.field(kind.belongs_to).ref == name]


def family(name: str) -> list[str]:
    """The kinds that stand for one thing to people: one, and what is written as details of it."""
    whole = KINDS[name].details_of or name if name in KINDS else name
    return [whole, *(kind.name for kind in KINDS.values() if kind.details_of == whole)]


def title_of(link: Link) -> str:
    """What people call a linked record, by what either side told of it."""
    for side in (CRAFTER, ACCOUNTVIEW):
        told = link.end[side].told
        if told:
            try:
                return KINDS[link.kind].title(side, _Told(told)) or ""
            except KeyError:
                continue
    return ""


class _Told(dict[str, Canonical]):
    def __missing__(self, name: str) -> None:
        """A side may have told less than all."""
        return


def part_of(kind: Kind, told: Canonical) -> dict[str, Canonical]:
    """A detail as it is remembered in a link, field by field; nothing of one that is not."""
    return kind.values(told) if kind.values is not None and told else {}


def with_details() -> set[str]:
    """The kinds whose records have others as details in AccountView."""
    return {kind.details_of for kind in KINDS.values()} - {""}


def listings() -> Iterator[Listing]:
    """Every listing, in the order in which it is read."""
    for flow in FLOWS:
        for side in (ACCOUNTVIEW, CRAFTER):
            for kind in kinds_of(flow):
                found = listing(side, kind)
                if found.makes[0] == kind and not (kind.details_of and side == ACCOUNTVIEW):
                    yield found


def listing(side: Side, kind: Kind) -> Listing:
    """The listing whose rows hold this kind."""
    return _listing(side, kind.name)


@cache
def _listing(side: Side, name: str) -> Listing:
    kind = KINDS[name]
    home = kind.listed.get(side, kind.name)
    makes = [one for one in KINDS.values() if one.listed.get(side, one.name) == home]
    return Listing(side, home, tuple(sorted(makes, key=lambda one: one.name != home)))


def wanted(policy: Policy, flows: Collection[str]) -> list[Listing]:
    """The listings that these flows need: those of what they write, and of what they recognise it by."""
    on = [flow for flow in flows if policy.flows[flow] != "off"]
    return [one for one in listings() if not one.recent and any(_reads(kind, on, policy) for kind in one.makes)]


def _reads(kind: Kind, on: Sequence[str], policy: Policy) -> bool:
    """A kind that may only be made and changed in Crafter is of no use to a flow that does not write there; one that
    hangs on another's rows still tells where those are."""
    useful = ACCOUNTVIEW in kind.changed or policy.writes(kind.flow, CRAFTER) or not kind.belongs_to
    return kind.flow in on and useful


for _module in (customers, projects, orders, order_lines, hours):
    declare(*_module.KINDS, *getattr(_module, "LISTS", ()))
FLOWS = tuple(dict.fromkeys(kind.flow for kind in KINDS.values()))  # what a flow needs stands before it


# --- what a flow needs of either side


def lists_of(kind: Kind) -> list[LookUp]:
    """The lists that a kind looks things up in."""
    return [LISTS[name] for name in dict.fromkeys([*(one.list for one in kind.fields if one.list), *kind.lists])]


def accountview_needs(flow: str, policy_flows: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """AccountView kind → rights (`read`, `insert`, `update`) that the flow needs; empty when it is off."""
    if policy_flows[flow] == "off":
        return {}
    needs: dict[str, set[str]] = {}
    exports = policy_flows[flow] in ("export", "both")
    imports = policy_flows[flow] in ("import", "both")
    for kind in kinds_of(flow):
        if not imports and ACCOUNTVIEW not in kind.made | kind.changed and kind.belongs_to:
            continue
        rights = needs.setdefault(kind.table, {"read"})
        if exports and kind.details_of:
            rights.add("insert")
            needs.setdefault(kind.details_of, {"read"}).add("update")
        elif exports:
            rights |= {"insert"} if ACCOUNTVIEW in kind.made else set()
            rights |= {"update"} if ACCOUNTVIEW in kind.changed else set()
        for one in kind.fields:
            if one.ref:
                needs.setdefault(KINDS[one.ref].table, {"read"})
        for found in lists_of(kind):
            if found.side == ACCOUNTVIEW:
                needs.setdefault(found.name, {"read"})
    return {name: frozenset(rights) for name, rights in needs.items()}


def crafter_needs(flow: str, policy_flows: Mapping[str, str]) -> frozenset[str]:
    """The Crafter kinds and lists that the flow reads or writes; empty when it is off."""
    if policy_flows[flow] == "off":
        return frozenset()
    imports = policy_flows[flow] in ("import", "both")
    found: set[str] = set()
    for kind in kinds_of(flow):
        if imports or ACCOUNTVIEW in kind.made | kind.changed or not kind.belongs_to:
            found.add(kind.listed.get(CRAFTER, kind.name))
            found |= {one.ref for one in kind.fields if one.ref} | {one.over[0] for one in kind.fields if one.over[0]}
            found |= {one.name for one in lists_of(kind) if one.side == CRAFTER}
    return frozenset(found)


def is_optional(name: str) -> bool:
    """Whether AccountView may lack the module, and avsync then does without."""
    return KINDS[name].optional if name in KINDS else LISTS[name].optional
