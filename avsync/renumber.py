"""Follows customers that got another number in AccountView, so that they keep their identity in Crafter.

A row knows nothing of the number it had. What shows it: a customer without a link that bears the name and the postal
code of a linked one whose own number AccountView no longer has. Then the link takes the new number; the planning that
follows tells Crafter. Two that could be meant are a question for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from avsync.context import Context
from avsync.flows.customers import POSTAL, VISITING
from avsync.flows.spec import LinkView
from avsync.model import ACCOUNTVIEW, CRAFTER, Record, squeeze
from avsync.outcomes import read_one


def follow_numbers(context: Context, after: int) -> None:
    """Rename the links of renumbered customers. `after`: the inbox's newest number before this run read anything."""
    found = _vanished(context, after)
    claims = Counter(link.id for links in found.values() for link in links)
    for number, links in found.items():
        sure = len(links) == 1 and claims[links[0].id] == 1
        chosen = links if sure else _pointed_out(context, number, links)
        if len(chosen) == 1:
            _follow(context, chosen[0], number)
        else:
            context.questions[number] = ", ".join(sorted(link.accountview for link in links))


def _vanished(context: Context, after: int) -> dict[str, list[LinkView]]:
    """Per new number the links it may be the new number of."""
    found: dict[str, list[LinkView]] = {}
    there: dict[str, bool] = {}
    for number, link in context.store.links.namesakes(after):
        entry = context.store.inbox.get("customer", ACCOUNTVIEW, [number])[number]
        if not _same_place(context, entry.record, link):
            continue
        old = link.accountview
        if old not in there:
            there[old] = context.accountview.by_key("customer", old) is not None
        if not there[old]:
            found.setdefault(number, []).append(link)
    return found


def _same_place(context: Context, record: Record, link: LinkView) -> bool:
    """A postal code in common, or none on either side."""
    addresses = [f"{link.accountview}:{which}" for which in (VISITING, POSTAL)]
    bases = [
        one.accountview_base or {} for one in context.store.links.by_side("location", ACCOUNTVIEW, addresses).values()
    ]
    places = [entry.record.fields for entry in context.store.inbox.by("parent", "location", CRAFTER, link.crafter)]
    before = {squeeze(one.get("postal_code")) for one in (*bases, *places)} - {""}
    now = set(record.extra["postal_codes"])
    return bool(now & before) or not (now or before)


def _pointed_out(context: Context, number: str, links: list[LinkView]) -> list[LinkView]:
    """A person's answer to the question: the one that was given the new number in Crafter."""
    told = context.store.inbox.get("customer", CRAFTER, [link.crafter for link in links])
    return [link for link in links if link.crafter in told and told[link.crafter].record.key == number]


def _follow(context: Context, link: LinkView, number: str) -> None:
    """The links of the customer and its addresses get the new number; planning then brings Crafter up to date."""
    row = context.crafter.get("customer", link.crafter)
    customer = read_one(CRAFTER, "customer", row, context)
    if not customer:
        return
    places = [
        read_one(CRAFTER, "location", one, context)
        for one in context.crafter.find("location", {"customer_id": link.crafter})
    ]
    with context.store.transaction():
        context.store.links.rename(link.id, number)
        for which in (VISITING, POSTAL):
            _follow_address(context, f"{link.accountview}:{which}", f"{number}:{which}", places)
        for record in [*customer, *(one for found in places for one in found or [])]:
            context.store.inbox.put(record, "plan" if record.kind == "customer" or _linked(context, record) else "keep")


def _follow_address(context: Context, old: str, new: str, places: Sequence[list[Record] | None]) -> None:
    links = context.store.links
    found = links.by_side("location", ACCOUNTVIEW, [old, new])
    if old in found and new not in found:
        links.rename(found[old].id, new)
        if found[old].crafter not in {record.id for place in places for record in place or []}:
            links.set_id(found[old].id, CRAFTER, None)  # deleted in Crafter meanwhile: it comes back
        if not context.store.inbox.get("location", ACCOUNTVIEW, [new]):
            links.set_gone(found[old].id, True)


def _linked(context: Context, record: Record) -> bool:
    return bool(context.store.links.by_side(record.kind, CRAFTER, [record.id]))
