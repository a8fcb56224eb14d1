"""First meeting: which record of the other side is this one? By reference, then by number, then by name. Pure.

A candidate is *free* when no link points at it; `Look` only ever returns free ones. Two candidates are a question for a
person, never a guess (design: what it does; behaviour 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from avsync.records import hours
from avsync.records.kind import Kind, Known, Refuse, WaitFor
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, crafter_reference, reference, squeeze

Look = Callable[[str, str, str, str], list[Record]]  # kind, side, column, value → free records of that side


@dataclass(frozen=True, slots=True)
class Match:
    """What was found, and by what. More than one is for a person to decide."""

    candidates: tuple[Record, ...] = ()
    by: str = ""


def recognise(kind: Kind, record: Record, look: Look, known: Known) -> Match:
    """The free counterparts of a record that has no link."""
    if record.side == ACCOUNTVIEW:
        return _in_crafter(kind, record, look, known)
    return _in_accountview(kind, record, look, known)


def _in_crafter(kind: Kind, record: Record, look: Look, known: Known) -> Match:
    mark = crafter_reference(kind.name, record.id)
    if kind.name in ("location", "contact"):
        return _of_the_same_customer(kind.name, record, look, known, mark)
    by_mark = look(kind.name, CRAFTER, "reference", mark)
    if by_mark:
        return Match(tuple(by_mark), "reference")
    if kind.name == "order":
        return _order_in_crafter(record, look)
    by_key = look(kind.name, CRAFTER, "key", record.key)
    if by_key or kind.name != "customer":
        return Match(tuple(by_key), "number")
    return _by_name(record, look(kind.name, CRAFTER, "match", record.match), look)


def _order_in_crafter(record: Record, look: Look) -> Match:
    """Our own reference in EXT_ID names exactly one work order; else the number a work order carries."""
    if record.reference.startswith("avs"):
        ours = look("order", CRAFTER, "match", record.reference)
        if ours:
            return Match(tuple(ours), "reference")
    numbered = [one for one in look("order", CRAFTER, "key", record.key) if one.fields["number"]]
    return Match(tuple(numbered), "number")


def _by_name(record: Record, named: Iterable[Record], look: Look) -> Match:
    """Same name and a postal code in common, where at least one of the two has no number."""
    found = []
    for one in named:
        customer, address = (record, one) if record.side == ACCOUNTVIEW else (one, record)
        if not address.fields["number"] and set(customer.extra["postal_codes"]) & _postal_codes(address, look):
            found.append(one)
    return Match(tuple(found), "name")


def _postal_codes(customer: Record, look: Look) -> set[str]:
    places = look("location", CRAFTER, "parent", customer.id)
    return {squeeze(place.fields["postal_code"]) for place in places if place.fields["postal_code"]}


def _of_the_same_customer(kind: str, record: Record, look: Look, known: Known, mark: str) -> Match:
    customer = known.parent("customer", ACCOUNTVIEW, record.parent)
    there = look(kind, CRAFTER, "parent", customer.crafter) if customer.crafter else []
    anywhere = look(kind, CRAFTER, "reference", mark) if kind == "contact" else there  # a person may have moved
    ours = [one for one in anywhere if one.reference == mark]
    if ours:
        return Match(tuple(ours), "reference")
    free = [one for one in there if not one.reference.startswith(f"av:{kind}:")]
    return _place(record, free) if kind == "location" else _person(record, free)


def _place(record: Record, free: list[Record]) -> Match:
    """The main location with the main location; another, or one not main there yet, by street and postal code."""
    if record.fields["main"] == "true":
        main = [one for one in free if one.fields["main"] == "true"]
        if main:
            return Match(tuple(main), "main")
    there = [one for one in free if one.match == record.match and one.fields["main"] != "true"]
    return Match(tuple(there[:1]), "place")


def _person(record: Record, free: list[Record]) -> Match:
    """By e-mail, of several that share one by the name as well; else by name."""
    email = squeeze(record.fields["email"])
    by_mail = [one for one in free if email and squeeze(one.fields["email"]) == email]
    named = [one for one in free if record.match != "|" and one.match == record.match]
    if by_mail:
        both = [one for one in by_mail if one in named]
        return Match(tuple(both if len(by_mail) > 1 and both else by_mail), "email")
    return Match(tuple(named), "name")


def _in_accountview(kind: Kind, record: Record, look: Look, known: Known) -> Match:
    ours = look(kind.name, ACCOUNTVIEW, "reference", reference(kind.name, record.id))
    if ours:  # where there is no such column, the look-up after an unclear outcome has left the mark (settle)
        return Match(tuple(ours), "reference")
    if kind.name == "hour":
        return _hour(record, look, known)
    if kind.name == "order":
        return Match()
    number = record.fields.get("number") or record.fields.get("code")
    if number:
        return Match(tuple(look(kind.name, ACCOUNTVIEW, "key", number.upper())), "number")
    return _by_name(record, look(kind.name, ACCOUNTVIEW, "match", record.match), look)


def _hour(record: Record, look: Look, known: Known) -> Match:
    """Without a reference column by all natural columns; of identical twins each line takes one (behaviour 5)."""
    if ("hour", "reference") not in known.absent:
        return Match()
    try:
        fields = {one.name: hours.HOUR.to_accountview(one, record, known).value for one in hours.FIELDS}
    except (Refuse, WaitFor):
        return Match()
    return Match(tuple(look("hour", ACCOUNTVIEW, "match", hours.natural(fields)))[:1], "columns")
