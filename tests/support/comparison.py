"""Compares both worlds with what RULES.md promises, from its text alone: no line of avsync's core is used here.

    before = look(box)
    ...                                     # one or more runs
    assert differences(box, flows, before=before) == []

A difference names its record: `customer 10001: phone is '010-1' in AccountView and '010-2' in Crafter`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Row = dict[str, Any]
AMSTERDAM = ZoneInfo("Europe/Amsterdam")

DESCRIPTIONS = {"work": "werktijd", "travel": "reistijd"}
VISITING = {"street": "ADDRESS1", "postal_code": "POST_CODE", "city": "CITY"}
POSTAL = {"street": "PO_BOX", "postal_code": "PO_CODE", "city": "PO_CITY"}
_PLACE = ("street", "postal_code", "city", "country")
PERSON = {
    "salutation": "PP_DEAR",
    "first_name": "FRST_NAME",
    "last_name": "LAST_NAME",
    "email": "MAIL_PRIV",
    "phone": "TEL_BUS",
    "mobile": "TEL_MOB",
}
RESOURCES = (
    *("customers", "work-locations", "contacts", "project-types", "projects"),
    *("users", "work-types", "work-orders", "hours"),
)


class Finding(NamedTuple):
    """Something that is not as promised, and the AccountView keys and Crafter ids it is about."""

    text: str
    about: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """Both worlds at one moment: table → key → row, and resource → id → live record (`buried`: the deleted ones)."""

    books: Mapping[str, Mapping[str, Row]]
    plan: Mapping[str, Mapping[str, Row]]
    buried: Mapping[str, Mapping[str, Row]]

    def rows(self, table: str) -> list[Row]:
        return list(self.books[table].values())

    def records(self, resource: str) -> list[Row]:
        return list(self.plan[resource].values())

    def numbered(self, resource: str, field: str) -> dict[str, list[Row]]:
        """Live records by a natural key, in upper case."""
        found: dict[str, list[Row]] = {}
        for record in self.records(resource):
            if record[field]:
                found.setdefault(record[field].strip().upper(), []).append(record)
        return found


@dataclass(frozen=True)
class Promise:
    """What the config asks for."""

    flows: Mapping[str, str]
    start_date: str
    time_codes: Mapping[str, str]
    today: str
    open_statuses: Collection[str]
    default_type: str
    contacts: bool
    references: bool
    meetings: Sequence[Snapshot]

    def imports(self, flow: str) -> bool:
        return self.flows.get(flow, "off") in ("import", "both")

    def exports(self, flow: str) -> bool:
        return self.flows.get(flow, "off") in ("export", "both")

    def ways(self, flow: str) -> tuple[bool, bool]:
        return self.exports(flow), self.imports(flow)


def look(box: Any) -> Snapshot:
    """Both worlds as they are now."""
    books = {
        name: {row[table.spec.key]: row for row in box.accountview.rows(name)}
        for name, table in box.accountview.tables.items()
    }
    everything = {name: box.crafter.records(name, deleted=True) for name in RESOURCES}
    return Snapshot(
        books,
        {name: {one["id"]: one for one in records if not one["deleted_at"]} for name, records in everything.items()},
        {name: {one["id"]: one for one in records if one["deleted_at"]} for name, records in everything.items()},
    )


def differences(
    box: Any,
    flows: Mapping[str, str],
    start_date: str = "2026-01-01",
    time_codes: Mapping[str, str] | None = None,
    today: date | None = None,
    *,
    before: Snapshot | None = None,
    meetings: Sequence[Snapshot] = (),
    but: Collection[str] = (),
    open_statuses: Collection[str] = (),
    default_type: str = "",
) -> list[str]:
    """Everything that is not in step, sorted. With `before` (see `look`) also what was written too much.

    `meetings`: moments, besides that one, at which records may have met for the first time. `but` holds AccountView
    keys and Crafter ids that are known to be wrong: what is about one of them is left out.
    """
    promise = Promise(
        flows, start_date, time_codes or {"work": "100", "travel": "200"},
        (today or datetime.now(AMSTERDAM).date()).isoformat(), open_statuses, default_type,
        box.options.contacts_module, box.options.ext_id, [*filter(None, [before]), *meetings],
    )  # fmt: skip
    now, excused = look(box), set(but)
    parts = (_doubles, _customers, _contacts, _projects, _orders, _lines, _hours)
    found = [one for part in parts for one in part(now, promise, before)]
    return sorted({one.text for one in found if not excused.intersection(one.about)})


def reference(kind: str, crafter_id: str) -> str:
    """What must stand in EXT_ID (behaviour 2)."""
    return "avs" + hashlib.sha256(f"{kind}:{crafter_id}".encode()).hexdigest()[:24]


# how values compare


def held(value: str | None, width: int = 0, upper: bool = False, free: bool = False) -> str:
    """A text of Crafter's as a column of AccountView can hold it; "" for nothing (behaviour 13 and 14)."""
    shown = (value or "").replace("\r\n", "\n").strip()
    shown = shown.replace("\n", " ") if width else shown
    shown = shown.upper() if upper else shown
    if free and width and len(shown) > width:
        shown = shown[: width - 1].rstrip() + "…"
    return shown


def _same(books: str, plan: str | None, width: int = 0, upper: bool = False, free: bool = False) -> bool:
    text = (books or "").replace("\r\n", "\n").strip()
    return text == held(plan, width, upper, free) or (free and _plain(text, plan, width))


def _plain(text: str, plan: str | None, width: int) -> bool:
    """Whether they differ only in characters that Windows-1252 lacks, which avsync replaces or leaves out."""
    wanted = held(plan)
    if wanted == (kept := wanted.encode("cp1252", "ignore").decode("cp1252")):
        return False
    letters = iter(text)
    sure = "".join(kept.split())[: max(width // 2, 1) if width else None]
    return all(sign in letters for sign in sure)


def _differ(kind: str, key: str, about: tuple[str, ...], field: str, books: Any, plan: Any) -> Finding:
    return Finding(f"{kind} {key}: {field} is {books!r} in AccountView and {plan!r} in Crafter", about)


class Told(NamedTuple):
    """A field as both sides show it, and whether that is the same as far as either can hold it."""

    books: Any
    plan: Any
    same: bool


def _text(books: str, plan: str | None, width: int = 0, upper: bool = False, free: bool = False) -> Told:
    return Told(books, plan, _same(books, plan, width, upper, free))


def _equal(books: Any, plan: Any) -> Told:
    return Told(books, plan, books == plan)


Compared = Mapping[str, Told]
Ways = tuple[bool, bool]  # whether AccountView, and Crafter, may be written


def _apart(
    kind: str, key: str, about: tuple[str, ...], now: Compared, met: Sequence[Compared], ways: Ways
) -> Iterator[Finding]:
    """The fields that differ. `met`: the same at each moment at which the two may have met."""
    for field, told in now.items():
        if not told.same and not any(_stays(told, then[field], ways) for then in met):
            yield _differ(kind, key, about, field, told.books, told.plan)


def _stays(now: Told, met: Told, ways: Ways) -> bool:
    """At a first meeting empty never replaces filled: what only one side had stays there, and goes across only where
    that side may be written (behaviour 6)."""
    alone = bool(met.books) != bool(met.plan) and now == met
    return alone and not ways[0 if met.plan else 1]


def _number(value: Any, decimals: int) -> Decimal | None:
    try:
        return Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    except (ArithmeticError, TypeError, ValueError):
        return None


def _squeezed(value: str | None) -> str:
    return "".join((value or "").casefold().split())


# nothing doubled


def _doubles(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    for table in ("SO_HDR", "HRS_LINE"):
        yield from _repeated(table, now.books[table], "EXT_ID")
    natural = {"customers": "customer_number", "projects": "project_code", "project-types": "code"}
    for resource in ("customers", "work-locations", "contacts", "project-types", "projects", "work-orders"):
        yield from _repeated(resource, now.plan[resource], "external_ref")
    for resource, field in (natural | {"work-orders": "order_number"}).items():
        yield from _repeated(resource, now.plan[resource], field)
    yield from _twins(now, before)


def _repeated(place: str, rows: Mapping[str, Row], field: str) -> Iterator[Finding]:
    keys: dict[str, list[str]] = {}
    for key, row in rows.items():
        if row[field]:
            keys.setdefault(row[field].upper(), []).append(key)
    for value, several in keys.items():
        if len(several) > 1:
            yield Finding(f"{place}: {field} {value} stands on {', '.join(several)}", tuple(several))


def _twins(now: Snapshot, before: Snapshot | None) -> Iterator[Finding]:
    """A customer that was made although the other side had it: equal name and address, twice in AccountView."""
    seen: dict[tuple[str, ...], list[str]] = {}
    for row in now.rows("CONTACT"):
        place = [_squeezed(row[name]) for name in ("ACCT_NAME", "ADDRESS1", "POST_CODE", "PO_BOX", "PO_CODE")]
        seen.setdefault(tuple(place), []).append(row["SUB_NR"])
    for (name, *_), numbers in seen.items():
        if len(numbers) > 1 and (before is None or any(one not in before.books["CONTACT"] for one in numbers)):
            yield Finding(f"CONTACT: {name} stands there as {', '.join(numbers)}", tuple(numbers))


# customers


def _customers(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    there = now.numbered("customers", "customer_number")
    if promise.imports("customers"):
        for row in now.rows("CONTACT"):
            number = row["SUB_NR"]
            found = there.get(number, [])
            if len(found) != 1:
                yield Finding(f"customer {number}: {len(found)} times in Crafter", (number, *_ids(found)))
                continue
            yield from _customer(promise, row, found[0])
            yield from _locations(now, promise, row, found[0])
    if promise.exports("customers"):
        for record in now.records("customers"):
            number = (record["customer_number"] or "").strip().upper()
            about = (number, record["id"])
            if number not in now.books["CONTACT"]:
                yield Finding(f"customer {number or record['name']}: not in AccountView", about)
                continue
            row = now.books["CONTACT"][number]
            yield from _customer(promise, row, record)
            if not row["SRC_CODE"] or not row["ACCT_NR"]:
                yield Finding(f"customer {number}: no search code or ledger account in AccountView", about)


def _ids(records: Sequence[Row]) -> list[str]:
    return [record["id"] for record in records]


def _were(promise: Promise, table: str, key: str, resource: str, identity: str) -> Iterator[tuple[Snapshot, Row, Row]]:
    """Both halves as they were when they may have met, where both were there."""
    for then in promise.meetings:
        if key in then.books[table] and identity in then.plan[resource]:
            yield then, then.books[table][key], then.plan[resource][identity]


def _customer(promise: Promise, row: Row, record: Row) -> Iterator[Finding]:
    number, about = row["SUB_NR"], (row["SUB_NR"], record["id"])
    met = [_customer_told(*were) for _, *were in _were(promise, "CONTACT", number, "customers", record["id"])]
    yield from _apart("customer", number, about, _customer_told(row, record), met, promise.ways("customers"))
    if record["external_ref"] != f"av:DEMO:customer:{number}":
        yield Finding(f"customer {number}: external_ref is {record['external_ref']!r}", about)


def _customer_told(row: Row, record: Row) -> Compared:
    pairs = {"name": "ACCT_NAME", "phone": "TEL_BUS", "email": "MAIL_BUS"}
    return {field: _text(row[column], record[field]) for field, column in pairs.items()}


def addresses(row: Row) -> dict[str, Row]:
    """The address rule: which locations a customer must have, the main one first."""
    found = {}
    for which, columns in (("postal", POSTAL), ("visiting", VISITING)):
        if any(row[column].strip() for column in columns.values()):
            found[which] = {field: row[column] for field, column in columns.items()} | {"country": row["CNT_CODE"]}
            found[which]["is_main"] = len(found) == 1
    return found


def _locations(now: Snapshot, promise: Promise, row: Row, record: Row) -> Iterator[Finding]:
    number, about = row["SUB_NR"], (row["SUB_NR"], record["id"])
    places = [one for one in now.records("work-locations") if one["customer_id"] == record["id"]]
    for which, wanted in addresses(row).items():
        name = f"av:DEMO:location:{number}:{which}"
        found = [one for one in places if one["external_ref"] == name]
        if len(found) != 1:
            yield Finding(f"location {number} {which}: {len(found)} times in Crafter", (*about, *_ids(found)))
            continue
        were = _were(promise, "CONTACT", number, "work-locations", found[0]["id"])
        met = [_location_told(addresses(old)[which], place) for _, old, place in were if which in addresses(old)]
        told, there = _location_told(wanted, found[0]), (*about, found[0]["id"])
        yield from _apart("location", f"{number} {which}", there, told, met, promise.ways("customers"))
    mains = [one for one in places if one["is_main"]]
    if places and len(mains) != 1:
        yield Finding(f"customer {number}: {len(mains)} main locations", about)


def _location_told(wanted: Row, found: Row) -> Compared:
    fields = {name: _text(wanted[name], found[name], upper=name in ("postal_code", "country")) for name in _PLACE}
    return {**fields, "is_main": _equal(wanted["is_main"], found["is_main"])}


def _contacts(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    if not (promise.imports("customers") and promise.contacts):
        return
    named: dict[str, list[Row]] = {}
    for record in now.records("contacts"):
        named.setdefault(record["external_ref"] or "", []).append(record)
    for row in now.rows("ASC_PP"):
        code, number = row["PP_CODE"], row["SUB_NR"]
        found = named.get(f"av:DEMO:contact:{code}", [])
        if len(found) != 1:
            yield Finding(f"contact {code}: {len(found)} times in Crafter", (code, number, *_ids(found)))
            continue
        about, owner = (code, number, found[0]["id"]), now.plan["customers"].get(found[0]["customer_id"], {})
        if owner.get("customer_number") != number:
            yield _differ("contact", code, about, "customer", number, owner.get("customer_number"))
        met = [_person_told(*were) for _, *were in _were(promise, "ASC_PP", code, "contacts", found[0]["id"])]
        yield from _apart("contact", code, about, _person_told(row, found[0]), met, (False, True))


def _person_told(row: Row, record: Row) -> Compared:
    return {field: _text(row[column], record[field]) for field, column in PERSON.items()}


# projects


def _projects(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    there = now.numbered("projects", "project_code")
    if promise.imports("projects"):
        yield from _types(now, promise)
        for row in now.rows("PROJECTS"):
            yield from _project_in_crafter(now, promise, before, row, there.get(row["PROJ_CODE"], []))
    if promise.exports("projects"):
        for record in now.records("projects"):
            code = record["project_code"].strip().upper()
            if code in now.books["PROJECTS"]:
                yield from _project(now, promise, now.books["PROJECTS"][code], record)
            else:
                yield Finding(f"project {code}: not in AccountView", (code, record["id"], record["customer_id"]))


def _types(now: Snapshot, promise: Promise) -> Iterator[Finding]:
    there = now.numbered("project-types", "code")
    for row in now.rows("PRO_TYPE"):
        code, found = row["PT_CODE"], there.get(row["PT_CODE"], [])
        if len(found) != 1:
            yield Finding(f"project type {code}: {len(found)} times in Crafter", (code, *_ids(found)))
        else:
            were = _were(promise, "PRO_TYPE", code, "project-types", found[0]["id"])
            met = [{"name": _text(old["PT_DESC"], there["name"])} for _, old, there in were]
            told = {"name": _text(row["PT_DESC"], found[0]["name"])}
            yield from _apart("project type", code, (code, found[0]["id"]), told, met, (False, True))


def is_open(row: Row, promise: Promise) -> bool:
    """Which projects travel: by status when the config names some, else by end date."""
    if promise.open_statuses:
        return row["PRO_STAT"] in promise.open_statuses
    return not row["END_DATE"] or bool(row["END_DATE"] >= promise.today)


def _project_in_crafter(
    now: Snapshot, promise: Promise, before: Snapshot | None, row: Row, found: Sequence[Row]
) -> Iterator[Finding]:
    code, about = row["PROJ_CODE"], (row["PROJ_CODE"], row["SUB_NR"], *_ids(found))
    if is_open(row, promise) and len(found) != 1:
        yield Finding(f"project {code}: {len(found)} times in Crafter", about)
    elif found and (is_open(row, promise) or found[0]["external_ref"]):
        yield from _project(now, promise, row, found[0])
    if before is not None and not is_open(row, promise):
        made = [one for one in found if one["id"] not in before.plan["projects"]]
        if made:
            yield Finding(f"project {code}: is closed and was made in Crafter", about)


def _project(now: Snapshot, promise: Promise, row: Row, record: Row) -> Iterator[Finding]:
    code = row["PROJ_CODE"]
    about = (code, row["SUB_NR"], row["PRO_TYPE"], row["EMP_NR"], record["id"], record["customer_id"])
    were = _were(promise, "PROJECTS", code, "projects", record["id"])
    met = [_project_told(then, promise, *both) for then, *both in were]
    told = _project_told(now, promise, row, record)
    yield from _apart("project", code, about, told, met, promise.ways("projects"))
    if record["external_ref"] != f"av:DEMO:project:{code}":
        yield Finding(f"project {code}: external_ref is {record['external_ref']!r}", about)


def _project_told(now: Snapshot, promise: Promise, row: Row, record: Row) -> Compared:
    owner = now.plan["customers"].get(record["customer_id"], {}).get("customer_number")
    kind = now.plan["project-types"].get(record["project_type_id"], {}).get("code")
    user = now.plan["users"].get(record["responsible_user_id"] or "", {}).get("unique_code")
    return {
        "name": _equal(row["PROJ_DESC"], held(record["name"])),
        "description": _equal(held(row["COMMENT1"]), held(record["description"])),
        "start_date": _equal(row["BEG_DATE"], record["start_date"] or ""),
        "end_date": _equal(row["END_DATE"], record["end_date"] or ""),
        "customer": _equal(row["SUB_NR"], held(owner, upper=True)),
        "type": _equal(row["PRO_TYPE"] or promise.default_type, held(kind, upper=True)),
        "employee": _equal(_responsible(now, row["EMP_NR"]), held(user, upper=True)),
    }


def _responsible(now: Snapshot, number: str) -> str:
    """The employee as Crafter can show him: exactly one user has his number as Unieke code (behaviour 25)."""
    return number if len(now.numbered("users", "unique_code").get(number, [])) == 1 else ""


# orders and their lines


def _orders(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    ours = {row["EXT_ID"]: row for row in now.rows("SO_HDR") if row["EXT_ID"].startswith("avs")}
    if promise.exports("orders"):
        for record in now.records("work-orders"):
            yield from _work_order(now, promise, record, ours.get(reference("order", record["id"])))
        yield from _nobodys(now, "order", ours, "work-orders", "ORD_NR")
    if promise.imports("orders"):
        there = now.numbered("work-orders", "order_number")
        for row in now.rows("SO_HDR"):
            found = there.get(row["ORD_NR"], [])
            about = (row["ORD_NR"], row["RPL_DEL"], row["PROJ_CODE"], *_ids(found))
            if row["ORD_DATE"] >= promise.start_date and len(found) != 1:
                yield Finding(f"order {row['ORD_NR']}: {len(found)} times in Crafter", about)
            elif row["ORD_DATE"] >= promise.start_date:
                yield from _order(now, promise, row, found[0])
            elif before and any(one["id"] not in before.plan["work-orders"] for one in found):
                yield Finding(f"order {row['ORD_NR']}: is older than the start date and was made in Crafter", about)


def _nobodys(now: Snapshot, kind: str, ours: Mapping[str, Row], resource: str, key: str) -> Iterator[Finding]:
    """What avsync left in AccountView belongs to a record of Crafter's, be it deleted since."""
    known = {reference(kind, found) for found in (*now.plan[resource], *now.buried[resource])}
    for mark, row in ours.items():
        if mark not in known:
            yield Finding(f"{kind} {row[key]}: EXT_ID {mark} is of no record in Crafter", (row[key],))


def _travels(record: Row, promise: Promise) -> bool:
    return record["status"] != "cancelled" and made_on(record) >= promise.start_date


def made_on(record: Row) -> str:
    """The day in the Netherlands on which something was made in Crafter."""
    return datetime.fromisoformat(record["created_at"]).astimezone(AMSTERDAM).date().isoformat()


def _work_order(now: Snapshot, promise: Promise, record: Row, ours: Row | None) -> Iterator[Finding]:
    number = held(record["order_number"], upper=True)
    about = (number, record["id"], record["customer_id"], record["project_id"] or "")
    if not _travels(record, promise):
        if ours and record["status"] != "cancelled":
            yield Finding(f"order {ours['ORD_NR']}: was older than the start date", (*about, ours["ORD_NR"]))
        return
    row = now.books["SO_HDR"].get(number)
    if row is None:
        yield Finding(f"work order {record['number']}: has no order in AccountView ({number!r})", about)
        return
    if ours and ours["ORD_NR"] != number:
        yield Finding(f"work order {record['number']}: is order {ours['ORD_NR']}, but carries {number}", about)
    if ours and (ours["ORD_DATE"] != made_on(record) or ours["RPL_INV"] != ours["RPL_DEL"]):
        yield Finding(f"order {number}: wrong order date or invoice customer", about)
    yield from _order(now, promise, row, record)


def _order(now: Snapshot, promise: Promise, row: Row, record: Row) -> Iterator[Finding]:
    number = row["ORD_NR"]
    about = (number, row["RPL_DEL"], row["PROJ_CODE"], record["id"], record["customer_id"], record["project_id"] or "")
    were = _were(promise, "SO_HDR", number, "work-orders", record["id"])
    met = [_order_told(then, *both) for then, *both in were]
    told = _order_told(now, row, record)
    project = {"project": told.pop("project")}
    yield from _apart("order", number, about, told, met, promise.ways("orders"))
    yield from _apart("order", number, about, project, met, (False, False))  # it follows one side (behaviour 20)
    if record["external_ref"] != f"av:DEMO:order:{number}":
        yield Finding(f"order {number}: external_ref is {record['external_ref']!r}", about)
    allowed = {reference("order", one) for one in (record["id"], *now.buried["work-orders"])}  # one may have come back
    if row["EXT_ID"].startswith("avs") and row["EXT_ID"] not in allowed:
        yield Finding(f"order {number}: EXT_ID is of another work order", about)


def _order_told(now: Snapshot, row: Row, record: Row) -> dict[str, Told]:
    owner = now.plan["customers"].get(record["customer_id"], {}).get("customer_number")
    work_type, remark = _work_type(now, row["COMMENT2"]), row["COMMENT2"]
    text = _text(row["COMMENT1"], record["description"], width=40, free=True)
    described = text.same or row["COMMENT1"] == held(record["description"])
    named = _equal(work_type, _work_type_name(now, record))
    return {
        "customer": _equal(row["RPL_DEL"], held(owner, upper=True)),
        "delivery date": _equal(row["DEL_DATE"], record["target_date"] or ""),
        "project": _equal(_project_of(now, row), _project_code(now, record)),
        "work type": named._replace(same=named.same or bool(remark and not work_type)),
        "description": text._replace(same=described),
    }


def _project_of(now: Snapshot, row: Row) -> str:
    """AccountView's project, as far as Crafter has it (behaviour 19: otherwise the order goes without)."""
    return row["PROJ_CODE"] if row["PROJ_CODE"] in now.numbered("projects", "project_code") else ""


def _project_code(now: Snapshot, record: Row) -> str:
    return held(now.plan["projects"].get(record["project_id"] or "", {}).get("project_code"), upper=True)


def _work_type(now: Snapshot, name: str) -> str:
    """A COMMENT2 that names a work type, without case; any other is somebody's remark (behaviour 20)."""
    names = {one["name"].casefold() for one in now.records("work-types")}
    return name.strip().casefold() if name.strip().casefold() in names else ""


def _work_type_name(now: Snapshot, record: Row) -> str:
    return str(now.plan["work-types"].get(record["work_type_id"] or "", {}).get("name", "")).casefold()


Lines = Counter[tuple[str, Decimal | None]]


def standing(now: Snapshot, number: str) -> Lines:
    """The lines of a sales order as a multiset of article and quantity."""
    rows = [row for row in now.rows("SO_LINE") if row["ORD_NR"] == number]
    return Counter((row["ART_CODE"], _number(row["ORD_QTY"], 4)) for row in rows)


def ticked(now: Snapshot, record: Row) -> Lines:
    """The lines that must be invoiced: ticked, and of an article whose number AccountView knows."""
    lines = [
        ((line["article_number"] or "").strip().upper(), _number(line["quantity"], 4))
        for line in record["lines"]
        if line["checked"]
    ]
    return Counter(line for line in lines if line[0] in now.books["ARTICLE"] and line[1] is not None)


def _lines(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    """With `before`: exactly what stood there and what was ticked. An equal line on an adopted order counts as sent."""
    if not promise.exports("invoice"):
        return
    for record in now.records("work-orders"):
        number = held(record["order_number"], upper=True)
        if number not in now.books["SO_HDR"] or not _travels(record, promise):
            continue
        there = standing(now, number)
        sent: Lines = ticked(now, record) if record["status"] == "checked" else Counter()
        stood: Lines = standing(before, number) if before else Counter()
        about = (number, record["id"], record["customer_id"])
        if sent - there:
            yield Finding(f"order {number}: lines are missing: {_shown(sent - there)}", about)
        if before and there - (stood | sent):
            yield Finding(f"order {number}: lines too much: {_shown(there - (stood | sent))}", about)
        if before and stood - there:
            yield Finding(f"order {number}: lines have gone: {_shown(stood - there)}", about)


def _shown(lines: Lines) -> str:
    return ", ".join(f"{count} x {article} {quantity}" for (article, quantity), count in sorted(lines.items()))


# hours


def _hours(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    if not promise.exports("hours"):
        return
    if not promise.references:
        yield from _hours_by_columns(now, promise, before)
        return
    ours = {row["EXT_ID"]: row for row in now.rows("HRS_LINE") if row["EXT_ID"].startswith("avs")}
    for record in now.records("hours"):
        about, row = about_hours(now, record), ours.get(reference("hour", record["id"]))
        if record["date"] < promise.start_date:
            if row:
                yield Finding(f"hour {record['id']}: was older than the start date", about)
        elif row is None:
            yield Finding(f"hour {record['id']}: not in AccountView", about)
        elif (there := _hour_there(row)) != (wanted := _hour_wanted(now, promise, record)):
            yield _differ("hour", record["id"], (*about, row["REC_ID"]), "line", there, wanted)
    yield from _nobodys(now, "hour", ours, "hours", "REC_ID")
    made = [row for row in now.rows("HRS_LINE") if before and row["REC_ID"] not in before.books["HRS_LINE"]]
    for row in made:
        if not row["EXT_ID"]:
            yield Finding(f"hour {row['REC_ID']}: was made without a reference", (row["REC_ID"],))


def about_hours(now: Snapshot, record: Row) -> tuple[str, ...]:
    """A line, and all that it waits for: its user, its project, its work order and the project of that."""
    order = now.plan["work-orders"].get(record["work_order_id"] or "", {})
    parents = (record["user_id"], record["project_id"], record["work_order_id"], order.get("project_id"))
    return (record["id"], *(one for one in parents if one))


def _hour_there(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("EMP_NR", "PROJ_CODE", "HRS_CODE", "HRS_DATE", "HRS_DESC")) + (
        _number(row["HRS_QTY"], 2),
    )


def _hour_wanted(now: Snapshot, promise: Promise, record: Row) -> tuple[Any, ...]:
    """Employee, project (its own, else its work order's), time code, date, description, hours."""
    orders = {**now.buried["work-orders"], **now.plan["work-orders"]}
    order = orders.get(record["work_order_id"] or "", {})
    project = now.plan["projects"].get(record["project_id"] or order.get("project_id") or "", {})
    user = now.plan["users"].get(record["user_id"], {})
    return (
        held(user.get("unique_code"), upper=True),
        held(project.get("project_code"), upper=True),
        promise.time_codes[record["kind"]].upper(),
        record["date"],
        DESCRIPTIONS[record["kind"]],
        _number(record["hours"], 2),
    )


def _hours_by_columns(now: Snapshot, promise: Promise, before: Snapshot | None) -> Iterator[Finding]:
    """Where AccountView has no reference column: as many equal lines as there are, twins included."""
    wanted = Counter(
        _hour_wanted(now, promise, record) for record in now.records("hours") if record["date"] >= promise.start_date
    )
    there = Counter(_hour_there(row) for row in now.rows("HRS_LINE"))
    stood = Counter(_hour_there(row) for row in before.rows("HRS_LINE")) if before else Counter()
    for line, count in (wanted - there).items():
        yield Finding(f"hours: {count} missing in AccountView of {line}", line[:1])
    for line, count in (there - (wanted | stood)).items() if before else ():
        yield Finding(f"hours: {count} too many in AccountView of {line}", line[:1])
