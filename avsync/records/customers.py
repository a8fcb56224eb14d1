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
    Hold,
    Kind,
    Known,
    Link,
    Look,
    Match,
    Policy,
    Refuse,
    Remark,
    Row,
    Translated,
    Value,
    Verdict,
    Versions,
    by_number,
    fitted,
    in_order,
    key_across,
)
from avsync.records.match import other_house_number, other_mail, other_person, other_phone, share_a_word
from avsync.records.values import (
    ACCOUNTVIEW,
    AMSTERDAM,
    CRAFTER,
    Canonical,
    Record,
    Side,
    crafter_reference,
    other,
    squeeze,
    text,
)

FLOW = "customers"
_STILL_TYPING = timedelta(hours=1)
_LONGEST_REQUEST = timedelta(minutes=10)  # before its outcome is called unknown
_PLACE = ("street", "postal_code", "city")  # without one of these there is no address
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
    return _told_codes(customer.fields)


def _told_codes(told: Mapping[str, Canonical]) -> set[str]:
    return {squeeze(told.get(columns["postal_code"])) for columns in _ADDRESS.values()} - {""}


def _codes_of(places: Iterable[Record]) -> set[str]:
    return {squeeze(place.fields["postal_code"]) for place in places} - {""}


def _moved(customer: Record, link: Link, places: Iterable[Record], known: Known) -> bool:
    """Besides the name it shares a postal code with where the linked one is, its phone or its e-mail (behaviour 39)."""
    told = link.told(ACCOUNTVIEW)
    reached = any(told.get(one) and squeeze(told[one]) == squeeze(customer.fields[one]) for one in ("phone", "email"))
    return reached or bool(_postal_codes(customer) & (_codes_of(places) | _told_codes(told)))


def _of_a_customer(found: list[Record], side: Side, row: Row) -> list[Record]:
    """Whether its row has an address at all."""
    if side == CRAFTER:
        return found
    there = any(row.get(columns[name]) for columns in _ADDRESS.values() for name in _PLACE)
    return [replace(one, fields={**one.fields, "addressed": str(there).lower()}) for one in found]


def _customer_asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """The main location goes along when a customer is created in AccountView; one that went without is looked after."""
    if record.side == CRAFTER and link is None:
        yield Ask("children", "location", CRAFTER, record.id)
    elif link is not None and link.crafter and _went_without(link, record if record.side == ACCOUNTVIEW else None):
        yield Ask("children", "location", CRAFTER, link.crafter)


def _went_without(link: Link, there: Record | None) -> bool:
    """Made from Crafter, and without an address in AccountView."""
    addressed = (there.fields if there else link.told(ACCOUNTVIEW)).get("addressed")
    return link.origin == CRAFTER and not link.adopted and addressed == "false"


def _without_address(link: Link, versions: Versions, known: Known) -> Iterable[Remark]:
    """Said until either side has an address (behaviour 7)."""
    exports = known.policy.writes(FLOW, ACCOUNTVIEW)
    if exports and not link.gone and _went_without(link, versions[ACCOUNTVIEW]) and not _places(link.crafter, known):
        yield Remark("customer_without_address", again=True, fact="made_at")


def _places(customer: str, known: Known) -> tuple[Record, ...]:
    """Its locations in Crafter."""
    return known.of("children", "location", CRAFTER, customer).records


def _hold(customer: Record, known: Known) -> None:
    """Somebody may still be typing: one without a location waits for it, an hour by Crafter's clock (behaviour 7)."""
    made_at = customer.fields["made_at"]
    if made_at and known.now:
        age = datetime.fromisoformat(known.now) - datetime.fromisoformat(made_at)
        if abs(age) < _STILL_TYPING:
            raise Hold


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


def _unlike(customer: Record, klant: Record, known: Known) -> Refuse | None:
    """Nothing of the two is the same but the number that the one has and the other had."""
    signs = _signs(customer.fields, klant.fields)
    return None if any(signs.values()) else _other_name(customer, klant)


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
    places = _places(record.id, known)
    if not places:
        _hold(record, known)
    values: dict[str, Value] = {
        "search_code": _search_code(record.name),
        "ledger_account": known.policy.debtor_account,
    }
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
    """A row of the name that was sent may be ours by its postal code and the moment it was entered (behaviour 3).

    The clocks are not the same, so there is a day of play; hardly any where it has quite another number than was sent.
    """
    wanted = {squeeze(values["postal_code"])} if values.get("postal_code") else set()
    there = _postal_codes(record)
    if not wanted <= there or bool(wanted) != bool(there):
        return False
    number, entered = values.get("number"), record.fields["created_at"] or ""
    begun = datetime.fromisoformat(since)
    if number and _bare_number(number) == _bare_number(record.id):
        return True
    if number:
        return entered >= (begun - _LONGEST_REQUEST).astimezone(AMSTERDAM).strftime("%Y-%m-%dT%H:%M:%S")
    return not entered or entered[:10] >= (begun - timedelta(days=1)).date().isoformat()


def _bare_number(number: str) -> str:
    """Without what an administration may put before it."""
    return squeeze(number).lstrip("0")


def _identity(record: Record, link: Link) -> Verdict:
    """Another firm under a number that was given out again (behaviour 36).

    It is entered at another moment than the one that had the number, and nothing of it is the same: name, postal code,
    e-mail, phone. Of the row that was linked all may change but not at once; of one that was entered anew the name may
    not be quite another, nor all the rest.
    """
    told = link.told(ACCOUNTVIEW)
    entered = told.get("created_at"), record.fields["created_at"]
    signs = _signs(told, record.fields)
    same = [name for name, sign in signs.items() if sign]
    differ = [name for name, sign in signs.items() if sign is False]
    lost = [name for name in ("email", "phone") if told.get(name) and not record.fields[name]]
    anew = all(entered) and entered[0] != entered[1]
    if not told.get("name"):
        return "same"
    if not same:
        return "other" if anew or len(differ) + len(lost) > 1 else "same"
    if "name" in same:
        return "unclear" if anew and differ and len(same) == 1 else "same"
    return "unclear" if anew or not all(entered) and len(differ) > 1 else "same"


def _signs(told: Mapping[str, Canonical], now: Mapping[str, Canonical]) -> dict[str, bool | None]:
    """What tells one customer from another: the same, not the same, or (None) not told on both occasions."""
    codes, before = _told_codes(now), _told_codes(told)
    return {
        "name": share_a_word(told.get("name"), now.get("name")),
        "postal_code": bool(codes & before) if codes and before else None,
        "email": not other_mail(told["email"], now["email"]) if told.get("email") and now.get("email") else None,
        "phone": not other_phone(told["phone"], now["phone"]) if told.get("phone") and now.get("phone") else None,
    }


def _question(link: Link, versions: Versions, known: Known) -> Refuse | None:
    """Answered where Crafter's customer has the name that AccountView's has now."""
    there, here = versions[ACCOUNTVIEW].fields["name"], versions[CRAFTER].fields["name"]
    if squeeze(there) == squeeze(here):
        return None
    was = link.told(ACCOUNTVIEW).get("name") or here
    return Refuse("customer_same_or_other", number=link.accountview, was=was, now=there)


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
        Field("country", "code", crafter=None, merged=False),
        Field("addressed", "flag", accountview=None, crafter=None, merged=False),
        Field("created_at", "moment", crafter=None, merged=False),
        Field("made_at", "moment", accountview=None, crafter="created_at", merged=False),
    ),
    title=lambda side, fields: fields["name"], alike=lambda side, fields: squeeze(fields["name"]),
    read=_of_a_customer, asks=_customer_asks, noted=_without_address, match=_match_customer, new=_new_customer,
    configured=lambda policy: [("ledger_account", "accountview.debtor_account", policy.debtor_account)],
    moved=_moved, identity=_identity, unlike=_unlike, question=_question, twin=_customer_twin, same=_same_customer,
)  # fmt: skip


# --- its addresses


def _vacant(fields: Mapping[str, Canonical]) -> bool:
    return not any(fields.get(name) for name in _PLACE)


def _of_the_row(found: list[Record], side: Side, row: Row) -> list[Record]:
    """Of the two addresses in a row of AR1 one may not be there; the postal one is the main one, if it is."""
    if side == CRAFTER:
        return found
    there = [not _vacant(one.fields) for one in found]
    main, name = 0 if there[0] else 1, text(row.get("name"), "name") or ""
    return [
        replace(one, name=name, absent=not there[place], fields={**one.fields, "main": str(place == main).lower()})
        for place, one in enumerate(found)
    ]


def _location_fate(record: Record, policy: Policy) -> Fate:
    """Locations are made in Crafter only, where Crafter's own are kept for matching; but the main one may be the first
    address that AccountView gets (behaviour 7 and 17)."""
    if record.absent:
        return "drop"
    if record.side == ACCOUNTVIEW:
        return "plan" if policy.writes(FLOW, CRAFTER) else "keep"
    return "plan" if policy.writes(FLOW, ACCOUNTVIEW) and record.fields["main"] == "true" else "keep"


def _location_asks(record: Record, link: Link | None, known: Known) -> Iterable[Ask]:
    """Whether the customer of Crafter's location has an address in AccountView, or had one."""
    if record.side == CRAFTER and link is None:
        number = _linked_number(record, known)
        if number:
            yield Ask("record", "customer", ACCOUNTVIEW, number)
            yield from (Ask("link", "location", ACCOUNTVIEW, f"{number}:{which}") for which in _ADDRESS)


def _linked_number(place: Record, known: Known) -> str:
    """The number of the customer whose location it is, empty while that is not linked."""
    customer = known.ref("customer", CRAFTER, place.owner)
    return customer.accountview if customer.state == "linked" else ""


def _first_address(record: Record, known: Known) -> Record | None:
    """The visiting address, empty as it is, that the main location of a customer without any address fills (behaviour
    7). One that was taken away there is not sent again."""
    if record.side == ACCOUNTVIEW or _vacant(record.fields):
        return None
    number = _linked_number(record, known)
    there = known.of("record", "customer", ACCOUNTVIEW, number).here
    if there is None or there.fields.get("addressed") != "false":
        return None
    ids = {which: f"{number}:{which}" for which in _ADDRESS}
    marks = {which: crafter_reference(known.policy.company, "location", identity) for which, identity in ids.items()}
    if record.reference in marks.values() or any(
        known.of("link", "location", ACCOUNTVIEW, one).link for one in ids.values()
    ):
        return None
    told = {"customer": there.id, "main": "true", "country": there.fields.get("country")}
    fields = {one.name: told.get(one.name) for one in LOCATION.fields}
    return Record("location", ACCOUNTVIEW, ids[VISITING], there.key, there.name, fields, mark=marks[VISITING],
                  owner=there.id, absent=True)  # fmt: skip


def _match_location(record: Record, look: Look, known: Known) -> Match:
    """By street and postal code; of those left over the main one with the main one (behaviour 6)."""
    if record.side == CRAFTER:
        return _match_main(record, look, known)
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


def _match_main(record: Record, look: Look, known: Known) -> Match:
    """Where nothing is made in Crafter, its main location meets the main address that says the same."""
    if known.policy.writes(FLOW, CRAFTER):
        return Match()
    number = _linked_number(record, known)
    there = look("location", ACCOUNTVIEW, "owner", number) if number else []
    return Match(tuple(one for one in there if one.alike == record.alike and one.fields["main"] == "true"), "place")


def _of_the_same_customer(record: Record, look: Look, known: Known) -> list[Record]:
    """The unmarked ones; one that bears a mark is another's."""
    customer = known.ref("customer", ACCOUNTVIEW, record.owner).crafter
    there = look(record.kind, CRAFTER, "owner", customer) if customer else []
    return [one for one in there if not one.reference.startswith("av:")]


def _is_main(link: Link, versions: Versions) -> bool:
    """Only the main location may go to AccountView, by AccountView's own rule of which that is (behaviour 17); so may
    one that was the main one until now, for what was edited then."""
    return "true" in (versions[ACCOUNTVIEW].fields.get("main"), link.told(ACCOUNTVIEW).get("main"))


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
    made=frozenset({CRAFTER}), exported=_is_main,
    fields=(
        Field("customer", accountview="number", crafter="customer_id", ref="customer", merged=False, needed=(CRAFTER,)),
        Field("main", "flag", accountview=None, crafter="is_main", owner=ACCOUNTVIEW, to_crafter=_main_to_crafter),
        Field("street"),
        Field("postal_code", "code"),
        Field("city"),
        Field("country", "code"),
        Field("label", accountview=None, crafter="name", merged=False),
    ),
    title=lambda side, fields: fields["label"] or fields["street"] or "", alike=_place, within=_ADDRESS,
    read=_of_the_row, vacant=_vacant, fate=_location_fate, asks=_location_asks, match=_match_location,
    named=_first_address, new=_new_location, late=lambda record: record.fields["main"] == "false",
)  # fmt: skip


# --- its people


def _contact_fate(record: Record, policy: Policy) -> Fate:
    """Contacts are made in Crafter only; Crafter's own are kept for matching (behaviour 17)."""
    if record.absent:
        return "drop"
    if record.side == CRAFTER:
        return "keep"
    return "plan" if policy.writes(FLOW, CRAFTER) else "drop"


def _match_contact(record: Record, look: Look, known: Known) -> Match:
    """By name and e-mail, then by e-mail where the names do not contradict, then by name, each among those that are
    left. Two of AccountView's who may both be meant are a question, as two of Crafter's are (behaviour 6)."""
    there = _of_the_same_customer(record, look, known)
    others = look(record.kind, ACCOUNTVIEW, "owner", record.owner) if there else []
    here = [record, *(one for one in others if one.id != record.id)]
    for by, is_same in _MEETINGS.items():
        found = [(one, two) for one in here for two in there if is_same(one, two)]
        pairs = [pair for pair in found if not known.decided.keeps_apart(*pair)]
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


def _identity_of_contact(record: Record, link: Link) -> Verdict:
    """Another person under a code that was given out again: of another customer, with another name and another e-mail
    address. One that moves to another customer keeps one of those (behaviour 45)."""
    told, now = link.told(ACCOUNTVIEW), record.fields
    if not told.get("customer") or told["customer"] == now["customer"]:
        return "same"
    mail = told.get("email") and now["email"] and not other_mail(told["email"], now["email"])
    before = told.get("first_name"), told.get("last_name")
    return "other" if not mail and other_person(before, _names(record)) else "same"


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
    fate=_contact_fate, match=_match_contact, identity=_identity_of_contact,
)  # fmt: skip

KINDS = (CUSTOMER, LOCATION, CONTACT)
