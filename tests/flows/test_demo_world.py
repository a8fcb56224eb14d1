"""The main job on the demo world, both worlds compared field by field, healthy and with its bad records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.sandbox.seed_bad import bad_id
from tests.support.comparison import Snapshot, differences, look
from tests.support.office import ALL_ON, Office, office

IMPORTS = {"customers": "import", "projects": "import", "orders": "import", "invoice": "off", "hours": "off"}
EXPORTS = ALL_ON | {"customers": "export", "projects": "export", "orders": "both"}
ORDERS_BOTH = ALL_ON | {"customers": "import", "orders": "both"}


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "flows", [ALL_ON, IMPORTS, EXPORTS, ORDERS_BOTH], ids=["all on", "imports", "exports", "orders"]
)
def test_after_one_run_both_worlds_are_in_step_and_the_second_writes_nothing(
    tmp_path: Path, number: int, flows: dict[str, str]
) -> None:
    with office(tmp_path, seed.world(seed=number, bad=False), flows=flows) as one:
        before = look(one.box)
        assert differences(one.box, flows, before=before) != []
        assert one.run()["exit"] == 0, one.errors()
        assert differences(one.box, flows, before=before) == []
        after = look(one.box)
        one.box.requests.clear()
        assert one.run()["exit"] == 0
        assert one.writes() == []
        assert look(one.box) == after


def test_the_comparison_finds_what_is_wrong(tmp_path: Path) -> None:
    """A comparison that finds nothing proves nothing: every kind of damage to a world in step must show."""
    with office(tmp_path, seed.world(seed=1, bad=False)) as one:
        before = look(one.box)
        one.run()
        for spoil in _SPOILT:
            world = look(one.box)
            words = spoil(one.box, world)
            found = differences(one.box, ALL_ON, before=before)
            assert any(words in one for one in found), (spoil.__name__, words, found)


def _phone(box: Any, now: Snapshot) -> str:
    box.accountview.edit("CONTACT", "10001", TEL_BUS="000")
    return "customer 10001: phone"


def _second_main(box: Any, now: Snapshot) -> str:
    place = next(one for one in now.records("work-locations") if not one["is_main"])
    box.crafter.edit("work-locations", place["id"], is_main=True)
    return "is_main is"


def _contact(box: Any, now: Snapshot) -> str:
    gone = now.records("contacts")[0]
    box.crafter.remove("contacts", gone["id"])
    return f"contact {gone['external_ref'].removeprefix('av:DEMO:contact:')}: 0 times"


def _closed_project(box: Any, now: Snapshot) -> str:
    closed = next(row for row in now.rows("PROJECTS") if row["PRO_STAT"] == "90")
    like = {name: now.records("projects")[0][name] for name in ("customer_id", "project_type_id")}
    box.crafter.add("projects", project_code=closed["PROJ_CODE"], name=closed["PROJ_DESC"], **like)
    return f"project {closed['PROJ_CODE']}: is closed and was made"


def _responsible(box: Any, now: Snapshot) -> str:
    project = next(one for one in now.records("projects") if one["responsible_user_id"])
    box.crafter.edit("projects", project["id"], responsible_user_id=None)
    return f"project {project['project_code']}: employee"


def _work_type(box: Any, now: Snapshot) -> str:
    order = next(row for row in now.rows("SO_HDR") if row["EXT_ID"])
    box.accountview.edit("SO_HDR", order["ORD_NR"], COMMENT2="")
    return f"order {order['ORD_NR']}: work type"


def _order_twice(box: Any, now: Snapshot) -> str:
    order = next(row for row in now.rows("SO_HDR") if row["EXT_ID"])
    box.accountview.add("SO_HDR", RPL_DEL=order["RPL_DEL"], EXT_ID=order["EXT_ID"])
    return f"SO_HDR: EXT_ID {order['EXT_ID'].upper()} stands on"


def _line_twice(box: Any, now: Snapshot) -> str:
    line = now.rows("SO_LINE")[-1]
    box.accountview.add("SO_LINE", **{name: line[name] for name in ("ORD_NR", "ART_CODE", "ORD_QTY")})
    return f"order {line['ORD_NR']}: lines too much"


def _quantity(box: Any, now: Snapshot) -> str:
    line = now.rows("SO_LINE")[-1]
    box.accountview.edit("SO_LINE", line["REC_ID"], ORD_QTY="99")
    return f"order {line['ORD_NR']}: lines are missing"


def _hour_twice(box: Any, now: Snapshot) -> str:
    line = now.rows("HRS_LINE")[-1]
    box.accountview.add("HRS_LINE", **{name: line[name] for name in line if name not in ("REC_ID", "EXT_KEY")})
    return f"HRS_LINE: EXT_ID {line['EXT_ID'].upper()} stands on"


def _hour_code(box: Any, now: Snapshot) -> str:
    line = now.rows("HRS_LINE")[0]
    box.accountview.edit("HRS_LINE", line["REC_ID"], HRS_CODE="300")
    return f"'{line['HRS_DATE']}'"


_SPOILT: tuple[Callable[[Any, Snapshot], str], ...] = (
    *(_phone, _second_main, _contact, _closed_project, _responsible, _work_type),
    *(_order_twice, _quantity, _line_twice, _hour_twice, _hour_code),
)


# --- the bad records of the demo world

LONG = "Vereniging van Eigenaars Residentie Hof van Waterland te Monnickendam"
VESTE = "Complex De Veste"


@dataclass(frozen=True)
class Listed:
    """A line of `avsync errors`: `timeline` = (entity, id) of the Crafter item that must say so too."""

    flow: str
    kind: str
    key: str
    name: str
    code: str
    timeline: tuple[str, str] | None = None


def _bon(name: str) -> tuple[str, str]:
    return "work_order", bad_id(name)


def _klant(name: str, called: str, code: str) -> Listed:
    return Listed("customers", "customer", bad_id(name), called, code, ("customer", bad_id(name)))


def _uur(name: str, shown: str, code: str) -> Listed:
    return Listed("hours", "hour", bad_id(name), shown, code, ("hour", bad_id(name)))


JOB = "Nazien installatie"
BAD = (
    Listed("customers", "customer", "90001", "", "unreadable"),
    Listed("customers", "customer", "90004", "Offsetdrukkerij Postma & Zn.", "unreadable"),
    Listed("customers", "customer", "90002", "Autoschade Kuipers", "several_candidates"),
    _klant("customer-twins", "Autoschade Kuipers", "several_candidates"),
    _klant("customer-twins-2", "Autoschade Kuipers", "several_candidates"),
    Listed("customers", "location", "90002", "Autoschade Kuipers", "waiting_for_parent"),
    _klant("customer-long", LONG, "too_long"),
    _klant("customer-alphabet", "Ресторан Матрёшка", "foreign_characters"),
    Listed("customers", "contact", "CP90001", "Loïs Kuipers", "waiting_for_parent"),
    Listed("projects", "project", "P90-01", f"{VESTE} P90-01", "project_without_type"),
    Listed("projects", "project", "P90-02", f"{VESTE} P90-02", "unreadable"),
    Listed("projects", "project", "P90-03", f"{VESTE} P90-03", "waiting_for_parent"),
    Listed("projects", "project", "P90-04", f"{VESTE} P90-04", "project_type_unknown"),
    Listed("orders", "order", "26999999", JOB, "order_number_unknown", _bon("order-unknown")),
    Listed("orders", "order", "26900001", JOB, "order_number_other_customer", _bon("order-other")),
    Listed("orders", "order", "WB00023", JOB, "rejected_by_accountview", _bon("order-blocked")),
    Listed("orders", "order", "WB00024", JOB, "waiting_for_parent"),
    Listed("orders", "order", "26900003", JOB, "unreadable"),
    Listed("invoice", "order_line", "*", JOB, "article_unknown", _bon("invoice-article")),
    Listed("invoice", "order_line", "*", JOB, "line_unreadable", _bon("invoice-quantity")),
    Listed("hours", "user", "Daan Smit", "Daan Smit", "user_without_code", ("hour", bad_id("hour-uncoded"))),
    Listed("hours", "user", "7777", "Chantal Bos", "employee_unknown", ("hour", bad_id("hour-stranger"))),
    Listed("hours", "hour", "*", "*", "project_unknown", ("project", bad_id("only-crafter"))),
    _uur("hour-date", "*", "unreadable"),
    _uur("hour-quantity", "*", "unreadable"),
)  # fmt: skip
EXCUSED = {
    *(one.key for one in BAD),
    *(one.timeline[1] for one in BAD if one.timeline),
    *(
        bad_id(name)
        for name in ("customer-long-order", "hour-uncoded", "hour-stranger", "only-crafter", "hour-project")
    ),
}


def _told(one: Office) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The timeline by entity, id and flow; every entry has a key of its own."""
    entries = {}
    for entry in one.box.crafter.timeline:
        flow = entry["dedupe_key"].rsplit(":", 1)[1]
        assert entry["dedupe_key"] == f"avsync:{entry['entity']}:{entry['entity_id']}:{flow}"
        entries[entry["entity"], entry["entity_id"], flow] = entry
    assert len(entries) == len(one.box.crafter.timeline)
    return entries


def _wrong(one: Office) -> list[dict[str, Any]]:
    """What is listed but for what a first meeting replaced, which is told for seven days."""
    return [found for found in one.errors() if found["code"] != "values_replaced"]


def _missing(errors: list[dict[str, Any]]) -> list[Listed]:
    found = {(one["flow"], one["kind"], one["key"], one["name"], one["code"]) for one in errors}
    loose = {(flow, kind, code) for flow, kind, _, _, code in found}
    named = {(flow, kind, key, code) for flow, kind, key, _, code in found}

    def there(one: Listed) -> bool:
        if one.key == "*":
            return (one.flow, one.kind, one.code) in loose
        if one.name == "*":
            return (one.flow, one.kind, one.key, one.code) in named
        return (one.flow, one.kind, one.key, one.name, one.code) in found

    return [one for one in BAD if not there(one)]


def test_bad_records_are_listed_told_once_and_gone_after_repair_and_all_else_is_in_step(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=2)) as one:
        before = look(one.box)
        for _ in range(3):
            assert one.run()["exit"] == 1
            errors = _wrong(one)
            assert _missing(errors) == []
            assert len(errors) == len(BAD)
            assert differences(one.box, ALL_ON, before=before, but=EXCUSED) == []
        told = _told(one)
        wanted = {(*entry.timeline, entry.flow): entry for entry in BAD if entry.timeline}
        replaced = {("customer", one.klant(found["key"])["id"], "customers") for found in one.errors()
                    if found["code"] == "values_replaced"}  # fmt: skip
        assert told.keys() == wanted.keys() | replaced
        for entry in (told[one] for one in wanted):
            assert (entry["kind"], entry["resolved"]) == ("error", False)
            assert [said["message"] for said in entry["history"]] == [entry["message"]]
        assert all(one["message"] and one["hint"] for one in errors)
        _after_repair(one, before)


def _after_repair(one: Office, before: Snapshot) -> None:
    seed.repair(one.box)
    assert one.run()["exit"] == 0, one.errors()
    assert _wrong(one) == []
    assert differences(one.box, ALL_ON, before=before) == []
    removed = bad_id("customer-twins-2")
    for (_, identity, _), entry in _told(one).items():
        assert entry["resolved"] is (identity != removed) or entry["kind"] == "info"
    one.box.requests.clear()
    assert one.run()["exit"] == 0
    assert one.writes() == []


# --- one unreadable or rejected record in each flow, after both worlds were in step


@dataclass(frozen=True)
class Trouble:
    """What happens to one linked record, what avsync says, and how it is mended. `spoil` returns (key, name, id)."""

    flow: str
    code: str
    entity: str
    spoil: Callable[[Any, Snapshot], tuple[str, str, str]]
    mend: Callable[[Any, str], None]


def _nameless(box: Any, now: Snapshot) -> tuple[str, str, str]:
    box.accountview.edit("CONTACT", "10001", TEL_BUS="010-1")
    box.accountview.damage("CONTACT", "10001", ACCT_NAME="")
    record = now.numbered("customers", "customer_number")["10001"][0]
    return "10001", record["name"], record["id"]


def _locked_customer(box: Any, now: Snapshot) -> tuple[str, str, str]:
    record = now.numbered("customers", "customer_number")["10001"][0]
    box.accountview.lock("CONTACT", "10001")
    box.crafter.edit("customers", record["id"], phone="010-2")
    return "10001", record["name"], record["id"]


def _open_project(now: Snapshot) -> Mapping[str, Any]:
    return next(one for one in now.records("projects") if one["external_ref"])


def _dateless_project(box: Any, now: Snapshot) -> tuple[str, str, str]:
    record = _open_project(now)
    box.accountview.edit("PROJECTS", record["project_code"], COMMENT1="Nieuw")
    box.accountview.damage("PROJECTS", record["project_code"], END_DATE="2026-02-31")
    return record["project_code"], record["name"], record["id"]


def _typeless_project(box: Any, now: Snapshot) -> tuple[str, str, str]:
    record = _open_project(now)
    box.accountview.add("PRO_TYPE", PT_CODE="ZZZ", PT_DESC="Weg")
    box.accountview.edit("PROJECTS", record["project_code"], PRO_TYPE="ZZZ")
    box.accountview.remove("PRO_TYPE", "ZZZ")
    return record["project_code"], record["name"], record["id"]


def _work_order(now: Snapshot, status: str) -> Mapping[str, Any]:
    orders = now.records("work-orders")
    return next(one for one in orders if one["order_number"] and one["status"] == status)


def _dateless_order(box: Any, now: Snapshot) -> tuple[str, str, str]:
    record = _work_order(now, "planned")
    box.crafter.edit("work-orders", record["id"], target_date="2026-02-31")
    return record["order_number"], record["description"], record["id"]


def _locked_order(box: Any, now: Snapshot) -> tuple[str, str, str]:
    record = _work_order(now, "planned")
    box.accountview.lock("SO_HDR", record["order_number"])
    box.crafter.edit("work-orders", record["id"], target_date="2026-12-24")
    return record["order_number"], record["description"], record["id"]


def _order_number(box: Any, identity: str) -> str:
    return str(box.crafter.record("work-orders", identity)["order_number"])


def _line(box: Any, now: Snapshot, quantity: str) -> tuple[str, str, str]:
    record = _work_order(now, "checked")
    line = {"article_number": "CV-VULSLANG", "description": "Vulslang", "quantity": quantity, "checked": True}
    box.crafter.edit("work-orders", record["id"], lines=[*record["lines"], line])
    return record["order_number"], record["description"], record["id"]


def _comma(box: Any, now: Snapshot) -> tuple[str, str, str]:
    return _line(box, now, "2,5")


def _too_much(box: Any, now: Snapshot) -> tuple[str, str, str]:
    return _line(box, now, "99999999999")


def _hour(box: Any, now: Snapshot, **fields: str) -> tuple[str, str, str]:
    like = next(one for one in now.records("hours") if one["date"] > "2026")
    fields = {name: like[name] for name in ("user_id", "project_id", "kind", "date", "hours")} | fields
    return (made := str(box.crafter.add("hours", **fields))), "*", made


def _wordy_hour(box: Any, now: Snapshot) -> tuple[str, str, str]:
    return _hour(box, now, hours="anderhalf")


def _endless_hour(box: Any, now: Snapshot) -> tuple[str, str, str]:
    return _hour(box, now, hours="99999999")


def _mend_line(box: Any, identity: str) -> None:
    lines = box.crafter.record("work-orders", identity)["lines"]
    box.crafter.edit("work-orders", identity, lines=[*lines[:-1], lines[-1] | {"quantity": "2.5"}])


def _book(table: str, **columns: str) -> Callable[[Any, str], None]:
    def mend(box: Any, identity: str) -> None:
        place = {"CONTACT": "customers", "PROJECTS": "projects"}[table]
        record = box.crafter.record(place, identity)
        box.accountview.edit(table, record.get("customer_number") or record.get("project_code"), **columns)

    return mend


TROUBLES = {
    "customer unreadable": Trouble(
        "customers", "unreadable", "customer", _nameless, _book("CONTACT", ACCT_NAME="Nieuw")
    ),
    "customer rejected": Trouble(
        "customers", "rejected_by_accountview", "customer", _locked_customer,
        lambda box, _: box.accountview.unlock("CONTACT", "10001"),
    ),
    "project unreadable": Trouble(
        "projects", "unreadable", "project", _dateless_project, _book("PROJECTS", END_DATE="")
    ),
    "project rejected": Trouble(
        "projects", "project_type_unknown", "project", _typeless_project, _book("PROJECTS", PRO_TYPE="STORING")
    ),
    "order unreadable": Trouble(
        "orders", "unreadable", "work_order", _dateless_order,
        lambda box, identity: box.crafter.edit("work-orders", identity, target_date="2026-12-23"),
    ),
    "order rejected": Trouble(
        "orders", "rejected_by_accountview", "work_order", _locked_order,
        lambda box, identity: box.accountview.unlock("SO_HDR", _order_number(box, identity)),
    ),
    "line unreadable": Trouble("invoice", "line_unreadable", "work_order", _comma, _mend_line),
    "line rejected": Trouble("invoice", "lines_rejected", "work_order", _too_much, _mend_line),
    "hour unreadable": Trouble(
        "hours", "unreadable", "hour", _wordy_hour,
        lambda box, identity: box.crafter.edit("hours", identity, hours="1.5"),
    ),
    "hour rejected": Trouble(
        "hours", "rejected_by_accountview", "hour", _endless_hour,
        lambda box, identity: box.crafter.edit("hours", identity, hours="1.5"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_one_bad_record_is_listed_and_told_once_and_holds_nothing_else_back(tmp_path: Path, trouble: Trouble) -> None:
    with office(tmp_path, seed.world(seed=1, bad=False, hours=20)) as one:
        before = look(one.box)
        assert one.run()["exit"] == 0
        first_met = _told(one).keys()
        key, name, identity = trouble.spoil(one.box, look(one.box))
        one.box.accountview.edit("CONTACT", "10002", TEL_BUS="020-7654321")
        for _ in range(3):
            assert one.run()["exit"] == 1
            [error] = _wrong(one)
            assert (error["flow"], error["key"], error["code"]) == (trouble.flow, key, trouble.code)
            assert name in (error["name"], "*")
            assert error["severity"] == "error"
            assert differences(one.box, ALL_ON, before=before, but={identity}) == []
        [(told, entry)] = [one for one in _told(one).items() if one[0] not in first_met]
        assert told == (trouble.entity, identity, trouble.flow)
        assert (entry["kind"], entry["resolved"], len(entry["history"])) == ("error", False, 1)
        trouble.mend(one.box, identity)
        assert one.run()["exit"] == 0, one.errors()
        assert _wrong(one) == []
        assert entry["entity_id"] not in {
            each["entity_id"] for each in one.box.crafter.timeline if not each["resolved"]
        }
        assert differences(one.box, ALL_ON, before=before) == []
