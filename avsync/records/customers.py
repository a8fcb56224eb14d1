"""Customers, their addresses and their contact persons.

The address rule: a postal address is the main location and a visiting address a separate work location; without a
postal address the visiting address is the main location. A location keeps the identity of the address it came from
(`10001:postal`), so a customer whose addresses change needs no deletes: only which one is main moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from avsync.records.kind import (
    Ask,
    Fate,
    Field,
    Kind,
    Known,
    Link,
    Look,
    Match,
    Policy,
    Refuse,
    Row,
    Translated,
    Value,
    by_number,
    fitted,
    in_order,
    key_across,
)
from avsync.records.match import other_house_number, other_mail, other_person, other_phone, share_a_word
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Record, Side, other, squeeze, text

FLOW = "customers"
VISITING, POSTAL = "visiting", "postal"
_ADDRESS = {
    POSTAL: {
        "street": "postal_street",
        "postal_code": "postal_postal_code",
        "city": "postal_city",
        "country": "country",
    },
    VISITING: {"street": "street", "postal_code": "postal_code", "city": "city", "country": "country"},
}


# --- the customer


def _postal_codes(customer: Record) -> set[str]:
    """Of both addresses of a customer in AccountView."""
    columns = (_ADDRESS[which]["postal_code"] for which in (VISITING, POSTAL))
    return {squeeze(customer.fields[column]) for column in columns} - {""}


def _codes_of(places: Iterable[Record]) -> set[str]:
    return {squeeze(place.fields["postal_code"]) for place in places} - {""}


def _moved(customer: Record, places: Iterable[Record]) -> bool:
    """A postal code in common with where the linked one is, or none on either side."""
    before, now = _codes_of(places), _postal_codes(customer)
    return bool(now & before) or not (now or before)


def _customer_asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """The main location goes along when a customer is created in AccountView, and only then."""
    if record.side == CRAFTER and link is None:
        yield Ask("children", "location", CRAFTER, record.id)


def _match_customer(record: Record, look: Look, known: Known) -> Match:
    """By number, else by name: the only one from either side, and nothing may contradict it (behaviour 6)."""
    numbered = by_number(record, look)
    if numbered:
        return Match(numbered, "number", against=_other_name(*in_order(record, numbered[0])))
    found = _by_name(record, look)
    rivals = [one for one in _by_name(found[0], look) if one.id != record.id] if len(found) == 1 else []
    against = _other_address(*in_order(record, found[0]), look) if found else None
    return Match((*found, *rivals), "name", against=against)


def _by_name(record: Record, look: Look) -> list[Record]:
    """Same name and a postal code in common, where Crafter's has no number and AccountView's stands on no other."""
    found = []
    for one in look("customer", other(record.side), "alike", record.alike):
        customer, address = in_order(record, one)
        places = look("location", CRAFTER, "owner", address.id)
        free = not address.fields["number"] and not look("customer", CRAFTER, "key", customer.key)
        if free and _postal_codes(customer) & _codes_of(places):
            found.append(one)
    return found


def _other_name(customer: Record, klant: Record) -> Refuse | None:
    """A number that was mistyped names somebody else."""
    if share_a_word(customer.name, klant.name):
        return None
    return Refuse("same_customer_by_number", number=customer.key, accountview=customer.name, crafter=klant.name)


def _other_address(customer: Record, klant: Record, look: Look) -> Refuse | None:
    """Two of one name at one postal code may be neighbours, or father and son."""
    differences = _other_house(customer, look("location", CRAFTER, "owner", klant.id))
    mail, phone = ((customer.fields[name], klant.fields[name]) for name in ("email", "phone"))
    if other_mail(*mail) and other_phone(*phone):
        differences += [("email", *mail), ("phone", *phone)]
    return Refuse("same_customer_by_name", number=customer.key, differences=differences) if differences else None


def _other_house(customer: Record, places: Iterable[Record]) -> list[tuple[str, Canonical, Canonical]]:
    """The streets, where no two addresses of one postal code can be the same house."""
    addresses = [(customer.fields[one["street"]], customer.fields[one["postal_code"]]) for one in _ADDRESS.values()]
    pairs = [
        (street, place.fields["street"])
        for street, code in addresses
        for place in places
        if code and squeeze(code) == squeeze(place.fields["postal_code"])
    ]
    others = [("house_number", *pair) for pair in pairs if other_house_number(*pair)]
    return others[:1] if len(others) == len(pairs) else []


def _new_customer(side: Side, record: Record, known: Known) -> dict[str, Value]:
    """In AccountView: search code, ledger account and the main location as visiting address (behaviour 17)."""
    if side == CRAFTER:
        return {}
    values: dict[str, Value] = {
        "search_code": _search_code(record.name),
        "ledger_account": known.policy.debtor_account,
    }
    places = known.of("children", "location", CRAFTER, record.id).records
    main = next((place.fields for place in places if place.fields["main"] == "true"), {})
    for name, column in _ADDRESS[VISITING].items():
        value = fitted("customer", LOCATION.field(name), column, main.get(name), known).value
        if value is not None:
            values[column] = value
    return values


def _search_code(name: str) -> str:
    """Letters and digits of the name, those that turn foreign in upper case (µ) left out."""
    kept = "".join(char for char in name.upper() if char.isalnum())
    return kept.encode("cp1252", "ignore").decode("cp1252")[:10] or "-"


def _customer_twin(values: Mapping[str, Any]) -> dict[str, str]:
    return {"name": str(values["name"])}


def _same_customer(record: Record, told: Mapping[str, Any], values: Mapping[str, Any], since: str) -> bool:
    """A row that may be ours by its postal code and the moment it was entered (behaviour 3); with a day of play,
    because the clocks are not the same."""
    wanted = {squeeze(values["postal_code"])} if values.get("postal_code") else set()
    day = (datetime.fromisoformat(since) - timedelta(days=1)).date().isoformat()
    there = _postal_codes(record)
    entered = record.fields["created_at"]
    return wanted <= there and bool(wanted) == bool(there) and (not entered or entered[:10] >= day)


def _is_other(record: Record, link: Link) -> bool:
    """Another firm under a number that was given out again: nothing of it is the same (behaviour 36)."""
    told = link.told(ACCOUNTVIEW)
    known = ("name", "phone", "email", "postal_code", "postal_postal_code")
    before = {name: squeeze(told.get(name)) for name in known if told.get(name)}
    words = {word for word in (told.get("name") or "").casefold().split() if len(word) > 3}
    shared = words & set((record.fields["name"] or "").casefold().split())
    return (
        len(before) > 1 and not shared and all(squeeze(record.fields[name]) != value for name, value in before.items())
    )


CUSTOMER = Kind(
    name="customer", flow=FLOW, told_on="customer", known_by=("number",), awaited=True,
    fields=(
        Field("number", "code", crafter="customer_number", owner=ACCOUNTVIEW),
        Field("name", needed=(ACCOUNTVIEW, CRAFTER)),
        Field("phone", "bare"),
        Field("email", "bare"),
        Field("street", crafter=None, merged=False),
        Field("postal_code", "code", crafter=None, merged=False),
        Field("postal_street", crafter=None, merged=False),
        Field("postal_postal_code", "code", crafter=None, merged=False),
        Field("created_at", "moment", crafter=None, merged=False),
    ),
    title=lambda side, fields: fields["name"], alike=lambda side, fields: squeeze(fields["name"]),
    asks=_customer_asks, match=_match_customer, new=_new_customer,
    configured=lambda policy: [("ledger_account", "accountview.debtor_account", policy.debtor_account)],
    moved=_moved, is_other=_is_other, twin=_customer_twin, same=_same_customer,
)  # fmt: skip


# --- its addresses


def _of_the_row(found: list[Record], side: Side, row: Row) -> list[Record]:
    """Of the two addresses in a row of AR1 one may not be there; the postal one is the main one, if it is."""
    if side == CRAFTER:
        return found
    there = [any(one.fields[name] for name in ("street", "postal_code", "city")) for one in found]
    main, name = 0 if there[0] else 1, text(row.get("name"), "name") or ""
    return [
        replace(one, name=name, absent=not there[place], fields={**one.fields, "main": str(place == main).lower()})
        for place, one in enumerate(found)
    ]


def _location_fate(record: Record, policy: Policy) -> Fate:
    """Locations and contacts are made in Crafter only; Crafter's own are kept for matching (behaviour 17)."""
    if record.absent:
        return "drop"
    if record.side == CRAFTER:
        return "keep"
    return "plan" if policy.writes(FLOW, CRAFTER) else "drop"


def _match_location(record: Record, look: Look, known: Known) -> Match:
    """By street and postal code; of those left over the main one with the main one (behaviour 6)."""
    free = _of_the_same_customer(record, look, known)
    there = [one for one in free if _same_place(record, one)]
    if there or record.fields["main"] != "true":
        return Match(tuple(sorted(there, key=lambda one: one.fields["main"] != record.fields["main"])[:1]), "place")
    others = look(record.kind, ACCOUNTVIEW, "owner", record.owner) if free else []
    left = [one for one in free if not any(_same_place(other, one) for other in others)]
    main = [one for one in left if one.fields["main"] == "true" and not _would_mix(record, one)]
    return Match(tuple(main), "main")


def _same_place(one: Record, two: Record) -> bool:
    """Of two that have neither street nor postal code the city must do."""
    nameless = one.alike == _NOWHERE and squeeze(one.fields["city"]) != squeeze(two.fields["city"])
    return one.alike == two.alike and not nameless


def _would_mix(one: Record, two: Record) -> bool:
    """Whether the one would be completed with parts of another address: then it stays a location by itself."""
    street, code = ((one.fields[name], two.fields[name]) for name in ("street", "postal_code"))
    elsewhere = other_house_number(*street) or bool(all(code) and squeeze(code[0]) != squeeze(code[1]))
    return elsewhere and any(two.fields[name] and not one.fields[name] for name in ("street", "postal_code", "city"))


def _of_the_same_customer(record: Record, look: Look, known: Known) -> list[Record]:
    """The unmarked ones; one that bears a mark is another's."""
    customer = known.ref("customer", ACCOUNTVIEW, record.owner).crafter
    there = look(record.kind, CRAFTER, "owner", customer) if customer else []
    return [one for one in there if not one.reference.startswith("av:")]


def _main_to_crafter(value: Canonical, record: Record, known: Known) -> Translated:
    """Being main is only ever given, never taken: making one main unsets the other (Crafter contract, resources)."""
    return Translated(value, leave=value != "true")


def _new_location(side: Side, record: Record, known: Known) -> dict[str, Value]:
    return {
        "customer_id": key_across("customer", ACCOUNTVIEW, record.owner, known),
        "is_main": record.fields["main"] == "true",
    }


_NOWHERE = "|"


def _place(side: Side, fields: Mapping[str, Canonical]) -> str:
    return f"{squeeze(fields['street'])}|{squeeze(fields['postal_code'])}"


LOCATION = Kind(
    name="location", flow=FLOW, told_on="customer", belongs_to="customer", listed={ACCOUNTVIEW: "customer"},
    made=frozenset({CRAFTER}),
    fields=(
        Field("customer", accountview="number", crafter="customer_id", ref="customer", merged=False, needed=(CRAFTER,)),
        Field("main", "flag", accountview=None, crafter="is_main", owner=ACCOUNTVIEW, to_crafter=_main_to_crafter),
        Field("street"),
        Field("postal_code", "code"),
        Field("city"),
        Field("country", "code"),
        Field("label", accountview=None, crafter="name", merged=False),
    ),
    title=lambda side, fields: fields["label"] or fields["street"] or "", alike=_place, read=_of_the_row,
    fate=_location_fate, match=_match_location, within=_ADDRESS, new=_new_location,
    late=lambda record: record.fields["main"] == "false",
)  # fmt: skip


# --- its people


def _match_contact(record: Record, look: Look, known: Known) -> Match:
    """By name and e-mail, then by e-mail where the names do not contradict, then by name, each among those that are
    left. Two of AccountView's who may both be meant are a question, as two of Crafter's are (behaviour 6)."""
    there = _of_the_same_customer(record, look, known)
    others = look(record.kind, ACCOUNTVIEW, "owner", record.owner) if there else []
    here = [record, *(one for one in others if one.id != record.id)]
    for by, is_same in _MEETINGS.items():
        pairs = [(one, two) for one in here for two in there if is_same(one, two)]
        mine = [two for one, two in pairs if one.id == record.id]
        if mine:
            rivals = [one for one, two in pairs if two in mine and not _is_twin(one, record)]
            return Match((*mine, *rivals), by)
        here = [one for one in here if all(one is not met for met, _ in pairs)]
        there = [two for two in there if all(two is not met for _, met in pairs)]
    return Match((), "name")


def _is_twin(one: Record, two: Record) -> bool:
    """The same person entered twice (or one and the same record): which of them is met makes no difference."""
    return one.alike == two.alike and squeeze(one.fields["email"]) == squeeze(two.fields["email"])


def _same_name(one: Record, two: Record) -> bool:
    return bool(one.alike) and one.alike == two.alike


def _same_mail(one: Record, two: Record) -> bool:
    mail = squeeze(one.fields["email"])
    return bool(mail) and mail == squeeze(two.fields["email"])


def _names(one: Record) -> tuple[Canonical, Canonical]:
    return one.fields["first_name"], one.fields["last_name"]


_MEETINGS: Mapping[str, Callable[[Record, Record], bool]] = {
    "name and email": lambda one, two: _same_name(one, two) and _same_mail(one, two),
    "email": lambda one, two: _same_mail(one, two) and not other_person(_names(one), _names(two)),
    "name": _same_name,
}


def _person(side: Side, fields: Mapping[str, Canonical]) -> str:
    return " ".join(filter(None, (fields["first_name"], fields["last_name"])))


CONTACT = Kind(
    name="contact", flow=FLOW, id="code", told_on="customer", belongs_to="customer", optional=True,
    made=frozenset({CRAFTER}), changed=frozenset({CRAFTER}),
    fields=(
        Field("customer", crafter="customer_id", ref="customer", needed=(CRAFTER,)),
        Field("salutation"),
        Field("first_name"),
        Field("last_name"),
        Field("email", "bare"),
        Field("phone", "bare"),
        Field("mobile", "bare"),
    ),
    title=_person, alike=lambda side, fields: squeeze(_person(side, fields)),
    fate=_location_fate, match=_match_contact,
)  # fmt: skip

KINDS = (CUSTOMER, LOCATION, CONTACT)
