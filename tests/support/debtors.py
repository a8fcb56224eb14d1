"""Customers of a test world in few words: debtors in AccountView, klanten in Crafter."""

from __future__ import annotations

from typing import Any

from tests.support.office import Office
from tests.support.shop import body, sent

NAME = "Installatie Jansen"
VISITING = {"ADDRESS1": "Dorpsstraat 1", "POST_CODE": "6711 AB", "CITY": "Ede"}
POSTAL = {"PO_BOX": "Postbus 9", "PO_CODE": "6710 BA", "PO_CITY": "Ede"}
NOWHERE = dict.fromkeys((*VISITING, *POSTAL), "")
ADDRESSES = {"none": {}, "visiting": VISITING, "postal": POSTAL, "both": {**VISITING, **POSTAL}}


def debtor(one: Office, number: str = "10001", **columns: Any) -> str:
    """A person adds a debtor to AccountView; its number."""
    known = {"ACCT_NAME": NAME, "SRC_CODE": "JANSEN", "ACCT_NR": "1300", "CNT_CODE": "NL"}
    return str(one.box.accountview.add("CONTACT", SUB_NR=number, **{**known, **columns}))


def books(one: Office, number: str = "10001") -> dict[str, Any]:
    """The debtor as it stands in AccountView."""
    row = one.box.accountview.row("CONTACT", number)
    assert row is not None, number
    return dict(row)


def in_books(one: Office, number: str = "10001", **columns: Any) -> None:
    """A person changes a debtor."""
    one.box.accountview.edit("CONTACT", number, **columns)


def klant(one: Office, number: str = "10001") -> dict[str, Any]:
    """The one live klant with this number."""
    found = [record for record in one.box.crafter.records("customers") if record["customer_number"] == number]
    assert len(found) == 1, found
    return dict(found[0])


def new_klant(one: Office, name: str = NAME, *places: dict[str, Any], **fields: Any) -> str:
    """A planner adds a klant with its werklocaties, the first of them main; its id."""
    identity = str(one.box.crafter.add("customers", name=name, **fields))
    for place in places:
        one.box.crafter.add("work-locations", customer_id=identity, **place)
    return identity


def place(
    street: str = "Dorpsstraat 1", postal_code: str = "6711 AB", city: str = "Ede", **more: Any
) -> dict[str, Any]:
    """A werklocatie."""
    return {"street": street, "postal_code": postal_code, "city": city, **more}


def in_crafter(one: Office, number: str = "10001", **fields: Any) -> None:
    """A planner changes a klant."""
    one.box.crafter.edit("customers", klant(one, number)["id"], **fields)


def places(one: Office, number: str = "10001") -> dict[str, dict[str, Any]]:
    """The werklocaties of a klant by street, with at most one main among them."""
    owner = klant(one, number)["id"]
    found = [record for record in one.box.crafter.records("work-locations") if record["customer_id"] == owner]
    assert sum(record["is_main"] for record in found) == (1 if found else 0), found
    assert len({record["street"] for record in found}) == len(found), found
    return {record["street"]: dict(record) for record in found}


def main_street(one: Office, number: str = "10001") -> str:
    """The street of the main location."""
    return next(street for street, record in places(one, number).items() if record["is_main"])


def person(one: Office, code: str = "C1", number: str = "10001", **columns: Any) -> str:
    """A person adds a contact to a debtor; its code."""
    known = {"PP_DEAR": "Beste Eva", "FRST_NAME": "Eva", "LAST_NAME": "de Wit", "MAIL_PRIV": "eva@jansen.example"}
    return str(one.box.accountview.add("CNT_PERS", PP_CODE=code, SUB_NR=number, **{**known, **columns}))


def contact(one: Office, code: str = "C1") -> dict[str, Any]:
    """The one live contactpersoon that this contact became."""
    found = [one_ for one_ in one.box.crafter.records("contacts") if one_["external_ref"] == f"av:DEMO:contact:{code}"]
    assert len(found) == 1, found
    return dict(found[0])


def columns_sent(one: Office) -> list[list[str]]:
    """The columns of every document sent to AccountView since the log was cleared, RowId apart."""
    tables = [body(write)["Table"]["Definition"] for write in sent(one, "accountview")]
    return [[field["Name"] for field in table["Fields"] if field["Name"] != "RowId"] for table in tables]


def fields_sent(one: Office) -> list[dict[str, Any]]:
    """The fields of every body sent to Crafter since the log was cleared."""
    return [dict(body(write)) for write in sent(one, "crafter")]
