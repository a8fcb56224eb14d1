"""Records that cannot succeed as they stand, and what a person does about each; the table of them is in seed.py."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Row = tuple[str, dict[str, Any]]
OWNER = "90000"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person does: `verb` add, edit or remove on a side; `key` is empty for add."""

    side: str
    verb: str
    place: str
    key: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad record: rows to add on each side, columns of AccountView to spoil afterwards, and the repair."""

    name: str
    accountview: tuple[Row, ...]
    crafter: tuple[Row, ...]
    spoil: tuple[tuple[str, str, dict[str, Any]], ...]
    mend: tuple[Step, ...]


def bad_id(name: str) -> str:
    """The Crafter id of a bad record or of something around it; the same in every world."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"bad/{name}"))


def _bad(name: str, *mend: Step, accountview: Any = (), crafter: Any = (), spoil: Any = ()) -> Bad:
    return Bad(name, tuple(accountview), tuple(crafter), tuple(spoil), mend)


def _book(table: str, key: str, **values: Any) -> Step:
    return Step("accountview", "edit", table, key, values)


def _plan(resource: str, name: str, /, **values: Any) -> Step:
    return Step("crafter", "edit", resource, bad_id(name), values)


def _customer(number: str, name: str, **columns: Any) -> Row:
    street = f"Kerkstraat {int(number) - 89990}"
    address = {"ADDRESS1": street, "POST_CODE": f"8911 {'ABCDEFGH'[int(number) % 8]}B", "CITY": "Leeuwarden"}
    basic = {"SUB_NR": number, "ACCT_NAME": name, "SRC_CODE": f"B{number}", "ACCT_NR": "1300", "CNT_CODE": "NL"}
    return "CONTACT", basic | address | columns


def _klant(name: str, called: str, **fields: Any) -> Row:
    return "customers", {"id": bad_id(name), "name": called} | fields


def _place(name: str, customer: str, postal_code: str, city: str) -> Row:
    address = {"street": "Dorpsstraat 9", "postal_code": postal_code, "city": city, "country": "NL"}
    return "work-locations", {"id": bad_id(name), "customer_id": bad_id(customer), "is_main": True} | address


def _order(name: str, today: date, owner: str = "owner", **fields: Any) -> Row:
    target = (today + timedelta(days=9)).isoformat()
    common = {
        "id": bad_id(name),
        "customer_id": bad_id(owner),
        "description": "Nazien installatie",
        "target_date": target,
    }
    return "work-orders", common | {"status": "planned"} | fields


def _line(name: str, article: str, quantity: str) -> dict[str, Any]:
    known = {"id": bad_id(f"{name}-line"), "article_number": article, "quantity": quantity}
    return known | {"description": "Materiaal", "checked": True}


def _hour(name: str, today: date, **fields: Any) -> Row:
    day = (today - timedelta(days=3)).isoformat()
    common = {"id": bad_id(name), "user_id": bad_id("employee"), "work_order_id": None, "project_id": None}
    return "hours", common | {"kind": "work", "date": day, "hours": "1.25"} | fields


def around() -> tuple[list[Row], list[Row]]:
    """What the bad records lean on and is itself in order: a customer and an employee, known on both sides."""
    books: list[Row] = [
        _customer(OWNER, "Woningstichting De Veste"),
        ("EMPLOYEE", {"EMP_NR": "0900", "EMP_NAME": "Hilde Vos"}),
    ]
    owner = _klant("owner", "Woningstichting De Veste", customer_number=OWNER)
    user = {"id": bad_id("employee"), "name": "Hilde Vos", "email": "hilde@dekraan.example", "unique_code": "0900"}
    return books, [owner, ("users", user)]


def morning(today: date, project_type: str) -> list[Step]:
    """What people did this morning, some of it wrong: hours on a project that the books do not know, a name that does
    not fit with a work order for it, a phone number that both sides changed; and a customer as it should be."""
    long = "Coöperatieve Vereniging Zorgcentrum De Oude Haven te Franeker"
    added = [
        ("projects", {"id": bad_id("morning-project"), "customer_id": bad_id("owner"), "project_code": "P90-99",
                      "name": "Renovatie Weteringkade", "project_type_id": project_type}),
        *(_hour(f"morning-hour-{ago}", today - timedelta(days=ago), project_id=bad_id("morning-project"), hours="7.5")
          for ago in range(12)),
        _klant("morning-long", long),
        _place("morning-long-place", "morning-long", "8801 KG", "Franeker"),
        _order("morning-order", today, "morning-long", description="Lekkage in de kelder"),
        _klant("morning-good", "Bloemsierkunst Wieringa"),
        _place("morning-good-place", "morning-good", "8911 LM", "Leeuwarden"),
    ]  # fmt: skip
    return [
        *(Step("crafter", "add", resource, "", values) for resource, values in added),
        _book("CONTACT", OWNER, TEL_BUS="058-2990001"),
        _plan("customers", "owner", phone="058-2990002"),
    ]


def morning_mended() -> list[Step]:
    """What people do about it."""
    project = {"PROJ_CODE": "P90-99", "PROJ_DESC": "Renovatie Weteringkade", "SUB_NR": OWNER, "PRO_TYPE": "ONDERHOUD"}
    return [
        Step("accountview", "add", "PROJECTS", "", project),
        _plan("customers", "morning-long", name="Zorgcentrum De Oude Haven"),
    ]


def table(today: date) -> list[Bad]:
    """All bad records, in the order in which they must be put in."""
    return [*_customers(), *_projects(today), *_orders(today), *_invoices(today), *_hours(today)]


def _customers() -> list[Bad]:
    long = "Vereniging van Eigenaars Residentie Hof van Waterland te Monnickendam"
    orphan = {"PP_CODE": "CP90001", "SUB_NR": "90099", "FRST_NAME": "Loïs", "LAST_NAME": "Kuipers"}
    twin, other = (_klant(name, "Autoschade Kuipers") for name in ("customer-twins", "customer-twins-2"))
    return [
        _bad(
            "customer-nameless",
            _book("CONTACT", "90001", ACCT_NAME="Kapsalon Zoë"),
            accountview=[_customer("90001", "?")],
            spoil=[("CONTACT", "90001", {"ACCT_NAME": ""})],
        ),
        _bad(
            "customer-moment",
            _book("CONTACT", "90004", TEL_BUS="058-2130004"),
            accountview=[_customer("90004", "Offsetdrukkerij Postma & Zn.")],
            spoil=[("CONTACT", "90004", {"CNG_DATE": "2026-13-45T25:00:00"})],
        ),
        _bad(
            "customer-twins",
            Step("crafter", "remove", "customers", bad_id("customer-twins-2"), {}),
            accountview=[_customer("90002", "Autoschade Kuipers", POST_CODE="8911 KK", ADDRESS1="Dorpsstraat 9")],
            crafter=[
                twin,
                _place("twin-place", "customer-twins", "8911KK", "Leeuwarden"),
                other,
                _place("twin-place-2", "customer-twins-2", "8911 kk", "Leeuwarden"),
            ],
        ),
        _bad(
            "customer-long",
            _plan("customers", "customer-long", name="VvE Residentie Hof van Waterland"),
            crafter=[_klant("customer-long", long), _place("long-place", "customer-long", "1141 AA", "Monnickendam")],
        ),
        _bad(
            "customer-alphabet",
            _plan("customers", "customer-alphabet", name="Restaurant Matrjosjka"),
            crafter=[
                _klant("customer-alphabet", "Ресторан Матрёшка"),
                _place("alphabet-place", "customer-alphabet", "8911 AA", "Leeuwarden"),
            ],
        ),
        _bad("contact-orphan", _book("ASC_PP", "CP90001", SUB_NR=OWNER), accountview=[("ASC_PP", orphan)]),
    ]


def _projects(today: date) -> list[Bad]:
    start = (today - timedelta(days=60)).isoformat()
    sound = {"SUB_NR": OWNER, "BEG_DATE": start, "PRO_STAT": "10", "PRO_TYPE": "ONDERHOUD"}

    def project(code: str, **columns: Any) -> Row:
        return "PROJECTS", {"PROJ_CODE": code, "PROJ_DESC": f"Complex De Veste {code}"} | sound | columns

    kind = {"id": bad_id("type"), "code": "OVERIG", "name": "Overig"}
    known_type: list[Row] = [("PRO_TYPE", {"PT_CODE": "OVERIG", "PT_DESC": "Overig"})]
    long = {"id": bad_id("project-code"), "project_code": "P90-VERBOUWING-HAL-2", "name": "Verbouwing hal 2"}
    belongs = {"customer_id": bad_id("owner"), "project_type_id": bad_id("type")}
    return [
        _bad(
            "project-typeless",
            _book("PROJECTS", "P90-01", PRO_TYPE="STORING"),
            accountview=[project("P90-01", PRO_TYPE="")],
        ),
        _bad(
            "project-date",
            _book("PROJECTS", "P90-02", BEG_DATE=start),
            accountview=[project("P90-02")],
            spoil=[("PROJECTS", "P90-02", {"BEG_DATE": "2026-02-31"})],
        ),
        _bad(
            "project-orphan", _book("PROJECTS", "P90-03", SUB_NR=OWNER), accountview=[project("P90-03", SUB_NR="90098")]
        ),
        _bad(
            "project-type",
            _book("PROJECTS", "P90-04", PRO_TYPE="STORING"),
            accountview=[project("P90-04", PRO_TYPE="ZZZ")],
        ),
        _bad(
            "project-code",
            _plan("projects", "project-code", project_code="P90-88"),
            accountview=known_type,
            crafter=[("project-types", kind), ("projects", long | belongs)],
        ),
    ]


def _orders(today: date) -> list[Bad]:
    day = (today - timedelta(days=12)).isoformat()

    def sale(number: str, customer: str) -> Row:
        common = {"ORD_DATE": day, "DEL_DATE": day, "COMMENT1": "Nazien installatie", "COMMENT2": "Onderhoud"}
        return "SO_HDR", {"ORD_NR": number, "RPL_DEL": customer, "RPL_INV": customer} | common

    blocked = _customer("90003", "Sporthal De Wissel", BLK_SP=True)
    klant = _klant("blocked", "Sporthal De Wissel", customer_number="90003")
    return [
        _bad(
            "order-unknown",
            _plan("work-orders", "order-unknown", order_number=None),
            crafter=[_order("order-unknown", today, order_number="26999999")],
        ),
        _bad(
            "order-other",
            _plan("work-orders", "order-other", order_number=None),
            accountview=[blocked, sale("26900001", "90003")],
            crafter=[_order("order-other", today, order_number="26900001")],
        ),
        _bad(
            "order-blocked",
            _book("CONTACT", "90003", BLK_SP=False),
            crafter=[klant, _order("order-blocked", today, owner="blocked")],
        ),
        _bad("customer-long-order", crafter=[_order("customer-long-order", today, owner="customer-long")]),
        _bad(
            "order-orphan",
            _book("SO_HDR", "26900002", RPL_DEL=OWNER, RPL_INV=OWNER),
            accountview=[sale("26900002", "90097")],
        ),
        _bad(
            "order-date",
            _book("SO_HDR", "26900003", DEL_DATE=day),
            accountview=[sale("26900003", OWNER)],
            spoil=[("SO_HDR", "26900003", {"DEL_DATE": "2026-02-31"})],
        ),
    ]


def _invoices(today: date) -> list[Bad]:
    def checked(name: str, article: str, quantity: str) -> Row:
        return _order(name, today, status="checked", lines=[_line(name, article, quantity)])

    def mended(name: str) -> Step:
        return _plan("work-orders", name, lines=[_line(name, "CV-VULSLANG", "2.5")])

    return [
        _bad("invoice-article", mended("invoice-article"), crafter=[checked("invoice-article", "BESTAAT-NIET", "1")]),
        _bad(
            "invoice-quantity", mended("invoice-quantity"), crafter=[checked("invoice-quantity", "CV-VULSLANG", "2,5")]
        ),
    ]


def _hours(today: date) -> list[Bad]:
    def user(name: str, called: str, code: str | None) -> Row:
        return "users", {"id": bad_id(name), "name": called, "email": None, "unique_code": code}

    project = {"id": bad_id("only-crafter"), "project_code": "P90-77", "name": "Complex De Veste blok C"}
    belongs = {"customer_id": bad_id("owner"), "project_type_id": bad_id("type")}
    opened = {"PROJ_DESC": "Complex De Veste blok C", "SUB_NR": OWNER, "PRO_STAT": "10", "PRO_TYPE": "OVERIG"}
    uncoded, stranger = bad_id("user-uncoded"), bad_id("user-stranger")
    return [
        _bad(
            "hour-uncoded",
            Step("crafter", "edit", "users", uncoded, {"unique_code": "0901"}),
            accountview=[("EMPLOYEE", {"EMP_NR": "0901", "EMP_NAME": "Daan Smit"})],
            crafter=[user("user-uncoded", "Daan Smit", None), _hour("hour-uncoded", today, user_id=uncoded)],
        ),
        _bad(
            "hour-stranger",
            Step("accountview", "add", "EMPLOYEE", "", {"EMP_NR": "7777", "EMP_NAME": "Chantal Bos"}),
            crafter=[user("user-stranger", "Chantal Bos", "7777"), _hour("hour-stranger", today, user_id=stranger)],
        ),
        _bad(
            "hour-project",
            Step("accountview", "add", "PROJECTS", "", {"PROJ_CODE": "P90-77"} | opened),
            crafter=[("projects", project | belongs), _hour("hour-project", today, project_id=bad_id("only-crafter"))],
        ),
        _bad(
            "hour-date",
            _plan("hours", "hour-date", date=(today - timedelta(days=4)).isoformat()),
            crafter=[_hour("hour-date", today, date=f"{today.year}-11-31")],
        ),
        _bad(
            "hour-quantity",
            _plan("hours", "hour-quantity", hours="1.5"),
            crafter=[_hour("hour-quantity", today, hours="anderhalf")],
        ),
    ]
