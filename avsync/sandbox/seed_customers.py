"""One customer of the seeded world: name, addresses and contacts in AccountView, and how Crafter shows them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from avsync.sandbox import seed_names

# which addresses the n-th customer has, over and over
ADDRESSES = ("visiting", "both", "visiting", "postal", "visiting", "both", "none", "visiting", "both", "visiting")
NAME_WIDTH = 40


@dataclass(frozen=True)
class Customer:
    """`columns` and `contacts` are AccountView rows without their moments."""

    number: str
    name: str
    columns: dict[str, Any]
    contacts: tuple[dict[str, Any], ...]


def customer(rng: Random, place: int, taken: set[str], addresses: str = "") -> Customer:
    """The customer at this place in the list; `taken` are the names already given, in case-folded form."""
    name, private = _name(rng, place)
    if name.casefold() in taken:
        name = f"{name[: NAME_WIDTH - 7]} {place}"
    taken.add(name.casefold())
    number = f"0{place:05d}" if place % 50 == 7 else str(place + (10_001 if place < 70_000 else 100_000))
    columns = {
        "SUB_NR": number,
        "ACCT_NAME": name,
        "SRC_CODE": "".join(sign for sign in name.upper() if sign.isalnum())[:10],
        "ACCT_NR": "1300",
        "TEL_BUS": f"0{rng.randint(50, 79)}-{rng.randint(2_000_000, 7_999_999)}",
        "MAIL_BUS": "" if private and rng.random() < 0.5 else f"info{number}@klant.example",
        "CNT_CODE": "DE" if "GmbH" in name else "NL",
    }
    columns |= _addresses(rng, addresses or ADDRESSES[place % len(ADDRESSES)])
    if columns["CNT_CODE"] == "DE":
        columns |= {"POST_CODE": "26721", "CITY": "Emden"}
    contacts = () if private else tuple(_contact(rng, number, turn) for turn in range(rng.randint(0, 2)))
    return Customer(number, name, columns, contacts)


def _name(rng: Random, place: int) -> tuple[str, bool]:
    if place < len(seed_names.SPECIAL):
        return seed_names.SPECIAL[place], False
    surname = rng.choice(seed_names.SURNAMES)
    town = rng.choice(seed_names.PLACES)[0]
    sort = rng.random()
    if sort < 0.3:
        initials = f"{rng.choice('ABCDEFGHJKLMPRSTW')}.{rng.choice(['', 'A.', 'J.', 'M.'])}"
        return f"{rng.choice(['Mevr.', 'Dhr.'])} {initials} {surname}", True
    if sort < 0.4:
        return f"Fam. {surname} - {rng.choice(seed_names.SURNAMES)}", True
    if sort < 0.5:
        return f"VvE {rng.choice(seed_names.HOUSES)} {town}", False
    if sort < 0.6:
        return f"Basisschool De {rng.choice(seed_names.HOUSES)}", False
    ending = rng.choice(["", " B.V.", " & Zn.", " en Partners"])
    return f"{rng.choice(seed_names.TRADES)} {surname[0].upper()}{surname[1:]}{ending}"[:NAME_WIDTH].strip(), False


def _addresses(rng: Random, which: str) -> dict[str, str]:
    town, area = rng.choice(seed_names.PLACES)
    gap = rng.choice(["", " "])
    letters = "".join(rng.choice("ABCDEGHJKLMNPRSTVWXZ") for _ in range(2))
    visiting = {
        "ADDRESS1": f"{rng.choice(seed_names.STREETS)} {rng.randint(1, 240)}{rng.choice(['', '', 'a', '-2'])}",
        "POST_CODE": f"{area + rng.randint(0, 9)}{gap}{letters}",
        "CITY": town,
    }
    postal = {
        "PO_BOX": f"Postbus {rng.randint(1, 900)}",
        "PO_CODE": f"{area - rng.randint(1, 10)}{gap}{letters[::-1]}",
        "PO_CITY": town,
    }
    return {"visiting": visiting, "postal": postal, "both": visiting | postal, "none": {}}[which]


def _contact(rng: Random, number: str, turn: int) -> dict[str, Any]:
    first, last = rng.choice(seed_names.FIRST_NAMES), rng.choice(seed_names.SURNAMES)
    return {
        "PP_CODE": f"C{number}{turn}",
        "SUB_NR": number,
        "PP_DEAR": f"Beste {first}",
        "FRST_NAME": first,
        "LAST_NAME": last,
        "MAIL_PRIV": f"contact{number}{turn}@klant.example",
        "TEL_BUS": "",
        "TEL_MOB": f"06-{rng.randint(10_000_000, 59_999_999)}",
    }


def klant(owner: Customer) -> dict[str, Any]:
    """The customer's own fields in Crafter, without a number."""
    columns = owner.columns
    return {"name": owner.name, "phone": columns["TEL_BUS"] or None, "email": columns["MAIL_BUS"] or None}


def locations(owner: Customer) -> list[dict[str, Any]]:
    """Its locations in Crafter, the main one first: the postal address where there is one (RULES.md, what it does)."""
    columns = owner.columns
    found = []
    for street, code, city in (("PO_BOX", "PO_CODE", "PO_CITY"), ("ADDRESS1", "POST_CODE", "CITY")):
        if street in columns:
            address = {"street": columns[street], "postal_code": columns[code], "city": columns[city]}
            found.append(address | {"country": columns["CNT_CODE"]})
    return found
