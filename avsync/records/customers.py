"""Customers, their addresses and their contact persons.

The address rule: a postal address is the main location and a visiting address a separate work location; without a
postal address the visiting address is the main location. A location keeps the identity of the address it came from
(`10001:postal`), so a customer whose addresses change needs no deletes: only which one is main moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avsync.records.kind import (
    Fate,
    Field,
    Kind,
    Known,
    LinkView,
    Need,
    Policy,
    Refuse,
    Translated,
    Value,
    by_direction,
    fitted,
    needs_of,
    parent_key,
    plain,
)
from avsync.records.values import (
    ACCOUNTVIEW,
    CRAFTER,
    Record,
    code,
    local_moment,
    required,
    required_code,
    squeeze,
    text,
    utc_moment,
)

FLOW = "customers"
VISITING, POSTAL = "visiting", "postal"
_ADDRESS = {
    VISITING: {"street": "street", "postal_code": "postal_code", "city": "city", "country": "country"},
    POSTAL: {
        "street": "postal_street",
        "postal_code": "postal_postal_code",
        "city": "postal_city",
        "country": "country",
    },
}

CUSTOMER_FIELDS = (
    Field("number", "number", "customer_number", "code", owner=ACCOUNTVIEW),
    Field("name", "name", "name"),
    Field("phone", "phone", "phone"),
    Field("email", "email", "email"),
)
LOCATION_FIELDS = (
    Field("main", None, "is_main", "flag", owner=ACCOUNTVIEW),
    Field("street", "street", "street"),
    Field("postal_code", "postal_code", "postal_code", "code"),
    Field("city", "city", "city"),
    Field("country", "country", "country", "code"),
)
CONTACT_FIELDS = (
    Field("customer", "customer", "customer_id", refers_to="customer"),
    Field("salutation", "salutation", "salutation"),
    Field("first_name", "first_name", "first_name"),
    Field("last_name", "last_name", "last_name"),
    Field("email", "email", "email"),
    Field("phone", "phone", "phone"),
    Field("mobile", "mobile", "mobile"),
)


def read_accountview_customer(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of AR1 as a customer and its two addresses; an address that is not there carries `absent`."""
    number, name = required_code(row.get("number"), "number"), required(row.get("name"), "name")
    changed = local_moment(row.get("changed_at"), "changed_at")
    addresses = {which: _address(row, columns) for which, columns in _ADDRESS.items()}
    customer = Record(
        "customer", ACCOUNTVIEW, number, number, name,
        {"number": number, "name": name, "phone": text(row.get("phone"), "phone"),
         "email": text(row.get("email"), "email")},
        match=squeeze(name), changed_at=changed,
        extra={"postal_codes": _postal_codes(addresses),
               "created_at": local_moment(row.get("created_at"), "created_at")},
    )  # fmt: skip
    main = POSTAL if _is_there(addresses[POSTAL]) else VISITING
    return [customer] + [
        _accountview_location(customer, which, fields, which == main) for which, fields in addresses.items()
    ]


def _address(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str | None]:
    upper = ("postal_code", "country")
    fields = {name: (code if name in upper else text)(row.get(column), column) for name, column in columns.items()}
    return {**fields, "country": code(row.get("country"), "country")}


def _is_there(address: Mapping[str, str | None]) -> bool:
    return any(address[name] for name in ("street", "postal_code", "city"))


def _postal_codes(addresses: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    return sorted({squeeze(one["postal_code"]) for one in addresses.values() if one["postal_code"]})


def _accountview_location(customer: Record, which: str, fields: dict[str, str | None], main: bool) -> Record:
    return Record(
        "location", ACCOUNTVIEW, f"{customer.id}:{which}", customer.key, customer.name,
        {"main": "true" if main else "false", **fields},
        match=_place(fields), parent=customer.id, changed_at=customer.changed_at,
        extra={"absent": not _is_there(fields)},
    )  # fmt: skip


def _place(fields: Mapping[str, str | None]) -> str:
    return f"{squeeze(fields.get('street'))}|{squeeze(fields.get('postal_code'))}"


def read_crafter_customer(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A klant."""
    number, name = code(row.get("customer_number"), "customer_number"), required(row.get("name"), "name")
    return [
        Record(
            "customer", CRAFTER, required(row.get("id"), "id"), number or "", name,
            {"number": text(row.get("customer_number"), "customer_number"), "name": name,
             "phone": text(row.get("phone"), "phone"), "email": text(row.get("email"), "email")},
            reference=text(row.get("external_ref"), "external_ref") or "", match=squeeze(name),
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
        )
    ]  # fmt: skip


def read_crafter_location(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A werklocatie."""
    fields = {
        "main": "true" if row.get("is_main") is True else "false",
        "street": text(row.get("street"), "street"),
        "postal_code": text(row.get("postal_code"), "postal_code"),
        "city": text(row.get("city"), "city"),
        "country": text(row.get("country"), "country"),
    }
    customer = required(row.get("customer_id"), "customer_id")
    return [
        Record(
            "location", CRAFTER, required(row.get("id"), "id"), "",
            text(row.get("name"), "name") or fields["street"] or "", fields,
            reference=text(row.get("external_ref"), "external_ref") or "",
            match=_place(fields), parent=customer,
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
        )
    ]  # fmt: skip


def read_accountview_contact(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A row of PP1. Without a customer it is nobody's contact and `absent` here."""
    identity, customer = required_code(row.get("code"), "code"), code(row.get("customer"), "customer")
    fields = {one.name: text(row.get(one.name), one.name) for one in CONTACT_FIELDS if not one.refers_to}
    return [
        Record(
            "contact", ACCOUNTVIEW, identity, identity, _person(fields), {"customer": customer, **fields},
            match=_person_match(fields), parent=customer or "",
            changed_at=local_moment(row.get("changed_at"), "changed_at"), extra={"absent": customer is None},
        )
    ]  # fmt: skip


def read_crafter_contact(row: Mapping[str, Any], policy: Policy) -> list[Record]:
    """A contactpersoon."""
    fields = {one.name: text(row.get(one.name), one.name) for one in CONTACT_FIELDS if not one.refers_to}
    customer = required(row.get("customer_id"), "customer_id")
    return [
        Record(
            "contact", CRAFTER, required(row.get("id"), "id"), "", _person(fields), {"customer": customer, **fields},
            reference=text(row.get("external_ref"), "external_ref") or "", match=_person_match(fields), parent=customer,
            changed_at=utc_moment(row.get("updated_at"), "updated_at"),
        )
    ]  # fmt: skip


def _person(fields: Mapping[str, str | None]) -> str:
    return " ".join(filter(None, (fields["first_name"], fields["last_name"])))


def _person_match(fields: Mapping[str, str | None]) -> str:
    return f"{squeeze(fields['first_name'])}|{squeeze(fields['last_name'])}"


def _customer_fate(record: Record, policy: Policy) -> Fate:
    allowed = policy.imports(FLOW) if record.side == ACCOUNTVIEW else policy.exports(FLOW)
    return "plan" if allowed else "keep"


def _import_fate(record: Record, policy: Policy) -> Fate:
    """Locations and contacts are made in Crafter only; Crafter's own are kept for matching."""
    if record.extra.get("absent"):
        return "drop"
    if record.side == CRAFTER:
        return "keep"
    return "plan" if policy.imports(FLOW) else "drop"


def _customer_to_accountview(wanted: Field, record: Record, known: Known) -> Translated:
    return fitted("customer", wanted, wanted.accountview, record.fields.get(wanted.name), known)


def _new_customer_in_accountview(record: Record, known: Known) -> dict[str, Value]:
    """Search code, ledger account and the main location as visiting address (behaviour 17)."""
    main = known.parent("main_location", CRAFTER, record.id).extra
    values: dict[str, Value] = {
        "search_code": _search_code(record.name),
        "ledger_account": known.policy.debtor_account,
    }
    for name, column in _ADDRESS[VISITING].items():
        wanted = LOCATION.field(name)
        value = fitted("customer", wanted, column, main.get(name), known).value
        if value is not None:
            values[column] = value
    return values


def _search_code(name: str) -> str:
    """Letters and digits of the name, those that turn foreign in upper case (µ) left out."""
    kept = "".join(char for char in name.upper() if char.isalnum())
    return kept.encode("cp1252", "ignore").decode("cp1252")[:10] or "-"


def _location_column(wanted: Field, accountview_id: str) -> str | None:
    return _ADDRESS[accountview_id.rpartition(":")[2]].get(wanted.name)


def _location_to_crafter(wanted: Field, record: Record, known: Known) -> Translated:
    """Being main is only ever given, never taken: making one main unsets the other (crafter.md, resources)."""
    value = record.fields.get(wanted.name)
    return Translated(value, leave=wanted.name == "main" and value != "true")


def _location_to_accountview(wanted: Field, record: Record, known: Known) -> Translated:
    """Fitted for the visiting columns; the postal ones have the same widths (accountview.md, section 5)."""
    return fitted("customer", wanted, wanted.accountview, record.fields.get(wanted.name), known)


def _location_may_write(wanted: Field, link: LinkView, policy: Policy) -> tuple[bool, bool]:
    in_accountview = _location_column(wanted, link.accountview) is not None
    return policy.exports(FLOW) and in_accountview, policy.imports(FLOW)


def _contact_to_crafter(wanted: Field, record: Record, known: Known) -> Translated:
    if wanted.name == "customer":
        return Translated(parent_key("customer", ACCOUNTVIEW, record.parent, known))
    return plain(wanted, record, known)


def _contact_may_write(wanted: Field, link: LinkView, policy: Policy) -> tuple[bool, bool]:
    return False, policy.imports(FLOW)


def _location_needs(record: Record) -> list[Need]:
    return [("customer", record.side, record.parent)]


def _new_location(record: Record, known: Known) -> dict[str, Value]:
    return {
        "customer_id": parent_key("customer", ACCOUNTVIEW, record.parent, known),
        "is_main": record.fields["main"] == "true",
    }


def _nothing(record: Record, known: Known) -> dict[str, Value]:
    return {}


def _never(record: Record, known: Known) -> dict[str, Value]:
    raise Refuse("import_only", parent_kind=record.kind)


CUSTOMER = Kind(
    name="customer", flow=FLOW, fields=CUSTOMER_FIELDS, fate=_customer_fate,
    needs=lambda record: [("main_location", CRAFTER, record.id)] if record.side == CRAFTER else [],
    to_crafter=plain, to_accountview=_customer_to_accountview, may_write=by_direction(FLOW),
    new_in_crafter=_nothing, new_in_accountview=_new_customer_in_accountview, entity="customer", has_reference=False,
)  # fmt: skip
LOCATION = Kind(
    name="location", flow=FLOW, fields=LOCATION_FIELDS, fate=_import_fate, needs=_location_needs,
    to_crafter=_location_to_crafter, to_accountview=_location_to_accountview, may_write=_location_may_write,
    new_in_crafter=_new_location, new_in_accountview=_never, entity="customer", accountview_table="customer",
    accountview_column=_location_column, has_reference=False,
)  # fmt: skip
CONTACT = Kind(
    name="contact", flow=FLOW, fields=CONTACT_FIELDS, fate=_import_fate,
    needs=lambda record: needs_of(record, CONTACT_FIELDS),
    to_crafter=_contact_to_crafter, to_accountview=plain, may_write=_contact_may_write,
    new_in_crafter=_nothing, new_in_accountview=_never, entity="customer", has_reference=False,
)  # fmt: skip
