"""Customers, their addresses and their contact persons.

The address rule: a postal address is the main location and a visiting address a separate work location; without a
postal address the visiting address is the main location. A location keeps the identity of the address it came from
(`10001:postal`), so a customer whose addresses change needs no deletes: only which one is main moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    fitted,
    key_across,
)
from avsync.records.match import other_mail, other_person, other_phone, share_a_word
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
        yield Remark("customer_without_address", again=True, fact="addressed")


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
    """By number, else by name: then it must be the only one from either side (behaviour 6)."""
    by_key = look("customer", other(record.side), "key", record.key) if record.key else []
    if by_key:
        return Match(tuple(by_key), "number")
    found = _by_name(record, look)
    rivals = [one for one in _by_name(found[0], look) if one.id != record.id] if len(found) == 1 else []
    return Match((*found, *rivals), "name")


def _by_name(record: Record, look: Look) -> list[Record]:
    """Same name and a postal code in common, where Crafter's has no number."""
    found = []
    for one in look("customer", other(record.side), "alike", record.alike):
        customer, address = (record, one) if record.side == ACCOUNTVIEW else (one, record)
        places = look("location", CRAFTER, "owner", address.id)
        if not address.fields["number"] and _postal_codes(customer) & _codes_of(places):
            found.append(one)
    return found


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
        Field("postal_code", "code", crafter=None, merged=False),
        Field("postal_postal_code", "code", crafter=None, merged=False),
        Field("addressed", "flag", accountview=None, crafter=None, merged=False),
        Field("created_at", "moment", crafter=None, merged=False),
        Field("made_at", "moment", accountview=None, crafter="created_at", merged=False),
    ),
    title=lambda side, fields: fields["name"], alike=lambda side, fields: squeeze(fields["name"]),
    read=_of_a_customer, asks=_customer_asks, noted=_without_address, match=_match_customer, new=_new_customer,
    configured=lambda policy: [("ledger_account", "accountview.debtor_account", policy.debtor_account)],
    moved=_moved, identity=_identity, question=_question, twin=_customer_twin, same=_same_customer,
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
        number = known.ref("customer", CRAFTER, record.owner).accountview
        if number:
            yield Ask("record", "customer", ACCOUNTVIEW, number)
            yield from (Ask("link", "location", ACCOUNTVIEW, f"{number}:{which}") for which in _ADDRESS)


def _first_address(record: Record, known: Known) -> Record | None:
    """The visiting address, empty as it is, that the main location of a customer without any address fills (behaviour
    7). One that was taken away there is not sent again."""
    if record.side == ACCOUNTVIEW or _vacant(record.fields):
        return None
    customer = known.ref("customer", CRAFTER, record.owner)
    there = known.of("record", "customer", ACCOUNTVIEW, customer.accountview).here
    if customer.state != "linked" or there is None or there.fields.get("addressed") != "false":
        return None
    ids = {which: f"{customer.accountview}:{which}" for which in _ADDRESS}
    marks = {which: crafter_reference(known.policy.company, "location", identity) for which, identity in ids.items()}
    if record.reference in marks.values() or any(
        known.of("link", "location", ACCOUNTVIEW, one).link for one in ids.values()
    ):
        return None
    fields = {one.name: None for one in LOCATION.fields} | {"customer": there.id, "main": "true"}
    return Record("location", ACCOUNTVIEW, ids[VISITING], there.key, there.name, fields, mark=marks[VISITING],
                  owner=there.id, absent=True)  # fmt: skip


def _match_location(record: Record, look: Look, known: Known) -> Match:
    """The main location with the main location; another, or one not main there yet, by street and postal code."""
    if record.side == CRAFTER:
        return _match_main(record, look, known)
    free = _of_the_same_customer(record, look, known)
    if record.fields["main"] == "true":
        main = [one for one in free if one.fields["main"] == "true"]
        if main:
            return Match(tuple(main), "main")
    there = [one for one in free if one.alike == record.alike and one.fields["main"] != "true"]
    return Match(tuple(there[:1]), "place")


def _match_main(record: Record, look: Look, known: Known) -> Match:
    """Where nothing is made in Crafter, its main location meets the main address that says the same."""
    if known.policy.writes(FLOW, CRAFTER):
        return Match()
    number = known.ref("customer", CRAFTER, record.owner).accountview
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
    """By e-mail, of several that share one by the name as well; else by name."""
    free = _of_the_same_customer(record, look, known)
    email = squeeze(record.fields["email"])
    by_mail = [one for one in free if email and squeeze(one.fields["email"]) == email]
    named = [one for one in free if record.alike != "|" and one.alike == record.alike]
    if by_mail:
        both = [one for one in by_mail if one in named]
        return Match(tuple(both if len(by_mail) > 1 and both else by_mail), "email")
    return Match(tuple(named), "name")


def _identity_of_contact(record: Record, link: Link) -> Verdict:
    """Another person under a code that was given out again: of another customer, with another name and another e-mail
    address. One that moves to another customer keeps one of those (behaviour 45)."""
    told, now = link.told(ACCOUNTVIEW), record.fields
    if not told.get("customer") or told["customer"] == now["customer"]:
        return "same"
    mail = told.get("email") and now["email"] and not other_mail(told["email"], now["email"])
    return "other" if not mail and other_person(_names(told), _names(now)) else "same"


def _names(fields: Mapping[str, Canonical]) -> tuple[Canonical, Canonical]:
    return fields.get("first_name"), fields.get("last_name")


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
    title=_person, alike=lambda side, fields: f"{squeeze(fields['first_name'])}|{squeeze(fields['last_name'])}",
    fate=_contact_fate, match=_match_contact, identity=_identity_of_contact,
)  # fmt: skip

KINDS = (CUSTOMER, LOCATION, CONTACT)
