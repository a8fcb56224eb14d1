"""start_date and the safety stop: nothing older leaves, and no implausible share of the books changes unasked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avsync.config.model import Safety
from tests.support.office import Office, office
from tests.support.world import place

EXPORT = {"customers": "export"}
LINKED = 60


@contextmanager
def linked(
    tmp_path: Path, flows: dict[str, str] | None = None, count: int = LINKED, **options: Any
) -> Iterator[Office]:
    """Customers that are in step on both sides."""
    with office(tmp_path, flows=flows or {"customers": "both"}, **options) as one:
        for number in range(count):
            one.box.accountview.add("CONTACT", SUB_NR=str(10000 + number), ACCT_NAME=f"Klant {number}", ACCT_NR="1300")
        assert one.run()["exit"] == 0, one.errors()
        one.box.requests.clear()
        yield one


def edit(one: Office, count: int) -> None:
    for row in one.box.crafter.records("customers")[:count]:
        one.box.crafter.edit("customers", row["id"], phone="010-1")


def phones(one: Office) -> int:
    return sum(row["TEL_BUS"] == "010-1" for row in one.box.accountview.rows("CONTACT"))


def new_customers(one: Office, count: int) -> None:
    for number in range(count):
        one.new_klant(f"Nieuw {number}", place())


def test_the_limits_are_documented_config_keys_with_sane_defaults() -> None:
    assert (Safety().max_new, Safety().max_share) == (500, 0.3)
    example = (Path(__file__).parents[2] / "config.example.yaml").read_text(encoding="utf-8")
    assert "max_new: 500" in example
    assert "max_share: 0.3" in example


def test_a_run_that_would_create_too_many_records_stops_with_the_numbers_and_writes_nothing(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.config["safety"] = {"max_new": 5}
        new_customers(one, 6)
        told = one.avsync("run-all")
        assert told.exit == 5
        assert "6" in told.err
        assert "5" in told.err
        assert "--force" in told.err
        assert "max_new" in told.err
        assert one.writes() == []
        assert one.box.accountview.rows("CONTACT") == []
        assert [row["code"] for row in one.errors()] == ["safety_new"]
        assert one.avsync("sync", "customers").exit == 5
        assert one.avsync("run-all", "--force").exit == 0
        assert len(one.box.accountview.rows("CONTACT")) == 6
        assert one.run()["exit"] == 0
        assert one.errors() == []


def test_exactly_as_many_new_records_as_allowed_go_through(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.config["safety"] = {"max_new": 5}
        new_customers(one, 5)
        assert one.run()["exit"] == 0
        assert len(one.box.accountview.rows("CONTACT")) == 5


def test_no_new_records_at_all_can_be_demanded(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.config["safety"] = {"max_new": 0}
        assert one.run()["exit"] == 0
        new_customers(one, 1)
        assert one.run()["exit"] == 5
        assert one.writes() == []


def test_the_new_records_of_all_flows_count_together(tmp_path: Path) -> None:
    flows = {"customers": "export", "orders": "export", "invoice": "export"}
    with office(tmp_path, flows=flows) as one:
        one.config["safety"] = {"max_new": 5}
        one.box.accountview.add("ARTICLE", ART_CODE="A1", ART_DESC1="Buis")
        owner = one.box.crafter.add("customers", name="Nieuw")
        lines = [{"article_number": "A1", "quantity": "1", "checked": True}] * 2
        for _ in range(2):
            one.box.crafter.add("work-orders", customer_id=owner, status="checked", lines=lines)
        told = one.avsync("run-all")
        assert told.exit == 5, one.errors()
        assert "7" in told.err
        assert one.writes() == []
        one.config["safety"] = {"max_new": 7}
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.accountview.rows("SO_LINE")) == 4


def test_records_with_a_problem_do_not_count_as_new(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.config["safety"] = {"max_new": 2}
        new_customers(one, 2)
        for number in range(5):
            one.box.crafter.add("customers", name=f"Ж {number}")
        assert one.run()["exit"] == 1
        assert len(one.box.accountview.rows("CONTACT")) == 2


def test_a_run_that_would_change_too_large_a_share_stops_with_the_numbers_and_writes_nothing(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        edit(one, 19)
        one.box.accountview.edit("CONTACT", "10059", ACCT_NAME="Ook anders")
        told = one.avsync("run-all")
        assert told.exit == 5
        for number in ("19", "60", "32 %", "30 %", "max_share", "--force"):
            assert number in told.err
        assert one.writes() == []
        assert phones(one) == 0
        assert one.avsync("run-all", "--force").exit == 0
        assert phones(one) == 19
        assert one.run()["exit"] == 0
        assert one.errors() == []


def test_exactly_the_share_that_is_allowed_goes_through(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        edit(one, 18)
        assert one.run()["exit"] == 0
        assert phones(one) == 18


def test_a_share_of_one_never_stops(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        one.config["safety"] = {"max_share": 1}
        edit(one, LINKED)
        assert one.run()["exit"] == 0
        assert phones(one) == LINKED


def test_a_share_says_nothing_while_fewer_than_fifty_are_linked(tmp_path: Path) -> None:
    with linked(tmp_path, count=49) as one:
        edit(one, 49)
        assert one.run()["exit"] == 0
        assert phones(one) == 49


def test_a_share_counts_from_fifty_linked_records(tmp_path: Path) -> None:
    with linked(tmp_path, count=50) as one:
        edit(one, 16)
        assert one.run()["exit"] == 5
        assert one.writes() == []


def test_changed_order_lines_count_as_a_share_of_the_order_lines(tmp_path: Path) -> None:
    flows = {"customers": "export", "orders": "export", "invoice": "export"}
    with office(tmp_path, flows=flows) as one:
        one.box.accountview.add("ARTICLE", ART_CODE="A1", ART_DESC1="Buis")
        owner = one.box.crafter.add("customers", name="Nieuw")
        lines = [{"article_number": "A1", "quantity": str(number), "checked": True} for number in range(1, 51)]
        made = one.box.crafter.add("work-orders", customer_id=owner, status="checked", lines=lines)
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.accountview.rows("SO_LINE")) == 50
        lines = one.box.crafter.record("work-orders", made)["lines"]
        one.box.crafter.edit(
            "work-orders", made, lines=[{**line, "quantity": "99"} for line in lines[:16]] + lines[16:]
        )
        assert one.run()["exit"] == 5
        one.box.crafter.edit(
            "work-orders", made, lines=[{**line, "quantity": "99"} for line in lines[:15]] + lines[15:]
        )
        assert one.run()["exit"] == 0, one.errors()
        assert sum(row["ORD_QTY"] == 99 for row in one.box.accountview.rows("SO_LINE")) == 15


def test_writes_to_crafter_never_stop_a_run(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        one.config["safety"] = {"max_new": 0}
        for number in range(LINKED):
            one.box.accountview.edit("CONTACT", str(10000 + number), TEL_BUS="020-2")
        assert one.run()["exit"] == 0
        assert {row["phone"] for row in one.box.crafter.records("customers")} == {"020-2"}


def test_edits_on_both_sides_of_which_accountview_wins_do_not_count(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        for row in one.box.crafter.records("customers"):
            one.box.crafter.edit("customers", row["id"], phone="010-1")
            one.box.accountview.edit("CONTACT", row["customer_number"], TEL_BUS="020-2")
        assert one.run()["exit"] == 0
        assert {row["phone"] for row in one.box.crafter.records("customers")} == {"020-2"}


def test_a_first_import_into_an_empty_crafter_does_not_trip(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "both", "projects": "import"}) as one:
        one.config["safety"] = {"max_new": 0, "max_share": 0.01}
        one.box.accountview.add("PRO_TYPE", PT_CODE="INST", PT_DESC="Installatie")
        for number in range(120):
            key = str(10000 + number)
            one.box.accountview.add(
                "CONTACT", SUB_NR=key, ACCT_NAME=f"Klant {number}", ACCT_NR="1300", ADDRESS1="Dam 1"
            )
            one.box.accountview.add("PROJECTS", PROJ_CODE=f"P{number}", PROJ_DESC="Werk", SUB_NR=key, PRO_TYPE="INST")
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.crafter.records("customers")) == len(one.box.crafter.records("projects")) == 120
        assert [request for request in one.writes() if request.side == "accountview"] == []


def test_a_first_meeting_that_only_links_does_not_trip(tmp_path: Path) -> None:
    with linked(tmp_path, {"customers": "export"}, count=0) as one:
        one.config["safety"] = {"max_new": 0, "max_share": 0.01}
        for number in range(LINKED):
            key = str(10000 + number)
            one.box.accountview.add("CONTACT", SUB_NR=key, ACCT_NAME=f"Klant {number}", ACCT_NR="1300")
            one.box.crafter.add("customers", name=f"Klant {number}", customer_number=key)
        assert one.run()["exit"] == 0
        assert [request for request in one.writes() if request.side == "accountview"] == []


def test_a_stopped_run_does_not_even_write_in_the_timeline(tmp_path: Path) -> None:
    with office(tmp_path, flows=EXPORT) as one:
        one.config["safety"] = {"max_new": 0}
        new_customers(one, 1)
        one.box.crafter.add("customers", name="")
        assert one.run()["exit"] == 5
        assert sorted(row["code"] for row in one.errors()) == ["safety_new", "unreadable"]
        assert one.writes() == []
        assert one.run("--force")["exit"] == 1
        assert len(one.box.crafter.timeline) == 1


def test_the_dry_run_tells_what_would_stop_and_changes_nothing(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        edit(one, 30)
        told = one.avsync("--json", "run-all", "--dry-run")
        assert told.json["dry_run"] is True
        assert len([row for row in told.json["plan"] if row["direction"] == "export"]) == 30
        assert told.exit == 0
        for word in ("30", "50 %", "max_share", "--force"):
            assert word in told.err
        assert one.writes() == []
        assert one.avsync("run-all", "--dry-run", "--force").err == ""
        assert one.run()["exit"] == 5


def test_a_stop_lasts_until_somebody_looks(tmp_path: Path) -> None:
    with linked(tmp_path) as one:
        edit(one, 30)
        for _ in range(3):
            assert one.run()["exit"] == 5
        for row in one.box.crafter.records("customers"):
            one.box.crafter.edit("customers", row["id"], phone=None)
        assert one.run()["exit"] == 0
        assert one.errors() == []
        assert one.writes() == []


def test_a_stop_of_one_flow_asked_for_leaves_the_others_out_of_the_count(tmp_path: Path) -> None:
    flows = {"customers": "export", "orders": "export"}
    with office(tmp_path, flows=flows) as one:
        one.config["safety"] = {"max_new": 3}
        owner = one.box.crafter.add("customers", name="Nieuw")
        for _ in range(3):
            one.box.crafter.add("work-orders", customer_id=owner)
        assert one.run()["exit"] == 5
        assert one.avsync("sync", "customers").exit == 0
        assert one.run()["exit"] == 0


# start_date


@contextmanager
def old_and_new(tmp_path: Path, flows: dict[str, str]) -> Iterator[Office]:
    """A customer, a user and an article that are known on both sides; the start date is 2026-01-01."""
    with office(tmp_path, flows={"customers": "both", **flows}) as one:
        av, crafter = one.box.accountview, one.box.crafter
        av.add("CONTACT", SUB_NR="10001", ACCT_NAME="Bakker BV", ACCT_NR="1300")
        av.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Piet")
        av.add("ARTICLE", ART_CODE="A1", ART_DESC1="Buis")
        for code in ("100", "200"):
            av.add("HRS_CODE", HRS_CODE=code, HRS_DESC=code)
        crafter.add("users", id="u7", name="Piet", unique_code="007")
        crafter.add("customers", id="c1", name="Bakker BV", customer_number="10001")
        yield one


def work_order(one: Office, created: str, **fields: Any) -> str:
    made = {"customer_id": "c1", "created_at": created, "updated_at": created, "description": created} | fields
    return str(one.box.crafter.add("work-orders", **made))


MOMENTS = ("2025-12-30T10:00:00.000000Z", "2025-12-31T22:59:59.000000Z", "2025-12-31T23:00:00.000000Z")


def test_a_work_order_made_before_the_start_date_never_leaves_judged_by_the_dutch_day(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"orders": "export"}) as one:
        made = [work_order(one, moment) for moment in MOMENTS]
        assert one.run()["exit"] == 0, one.errors()
        (order,) = one.box.accountview.rows("SO_HDR")
        assert order["COMMENT1"] == MOMENTS[2]
        assert order["ORD_DATE"][:10] == "2026-01-01"
        one.box.crafter.edit("work-orders", made[0], description="Toch nog gewijzigd")
        assert one.run("--full")["exit"] == 0
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_hours_dated_before_the_start_date_never_leave(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"hours": "export"}) as one:
        for date in ("2025-12-31", "2026-01-01"):
            one.box.crafter.add("hours", user_id="u7", date=date, hours="1")
        assert one.run()["exit"] == 0, one.errors()
        assert [row["HRS_DATE"][:10] for row in one.box.accountview.rows("HRS_LINE")] == ["2026-01-01"]


def test_a_sales_order_dated_before_the_start_date_is_not_imported(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"orders": "import"}) as one:
        for date in ("2025-12-31", "2026-01-01", ""):
            one.box.accountview.add("SO_HDR", RPL_DEL="10001", ORD_DATE=date, COMMENT1=f"van {date}")
        assert one.run()["exit"] == 0, one.errors()
        assert [row["description"] for row in one.box.crafter.records("work-orders")] == ["van 2026-01-01"]


def test_an_old_work_order_that_is_checked_later_is_not_invoiced_and_is_no_problem(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"orders": "export", "invoice": "export"}) as one:
        lines = [{"article_number": "A1", "quantity": "1", "checked": True}]
        made = work_order(one, MOMENTS[0], lines=lines)
        assert one.run()["exit"] == 0
        one.box.crafter.edit("work-orders", made, status="checked")
        assert one.run()["exit"] == 0
        assert one.errors() == []
        assert one.box.accountview.rows("SO_LINE") == []


def test_what_is_older_than_the_start_date_is_counted_in_the_dry_run(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"orders": "export", "invoice": "export", "hours": "export"}) as one:
        one.box.accountview.add("SO_HDR", RPL_DEL="10001", ORD_DATE="2025-06-01")
        for moment in MOMENTS:
            work_order(one, moment)
        for _ in range(3):
            one.box.crafter.add("hours", user_id="u7", date="2025-06-01", hours="1")
        told = one.avsync("run-all", "--dry-run")
        assert told.exit == 0
        assert "5 skipped: older than start_date." in told.out
        shape = one.avsync("--json", "run-all", "--dry-run").json
        assert shape["skipped"] == 5
        assert [row["kind"] for row in shape["plan"]] == ["customer", "order"]


def test_an_earlier_start_date_in_the_config_lets_the_older_ones_go(tmp_path: Path) -> None:
    with old_and_new(tmp_path, {"orders": "export"}) as one:
        for moment in MOMENTS:
            work_order(one, moment)
        assert one.run()["exit"] == 0
        one.config["start_date"] = "2025-12-31"
        assert one.run()["exit"] == 0
        assert len(one.box.accountview.rows("SO_HDR")) == 2


@pytest.mark.parametrize("flow", ["orders", "hours"])
def test_the_start_date_is_mandatory_as_soon_as_history_could_travel(tmp_path: Path, flow: str) -> None:
    with office(tmp_path, flows={"customers": "both", flow: "export"}) as one:
        del one.config["start_date"]
        told = one.avsync("run-all")
        assert told.exit == 2
        assert "start_date" in told.err
        assert one.box.requests == []


# a landslide: a listing that lacks most of what is linked proves nothing (behaviour 9)


def vanish(one: Office, side: str, count: int) -> dict[str, Any]:
    """So many customers do not stand in that side's listings; how to bring them back."""
    if side == "accountview":
        rows = {row["SUB_NR"]: row for row in one.box.accountview.rows("CONTACT")[:count]}
        for number in rows:
            one.box.accountview.remove("CONTACT", number)
        return rows
    tables, gone = one.box.crafter._tables["customers"], {}
    for row in one.box.crafter.records("customers")[:count]:
        gone[row["id"]] = tables.records[row["id"]]
        one.box.crafter.remove("customers", row["id"])
    return gone


def gone_links(one: Office) -> int:
    with sqlite3.connect(one.state / "state.db") as db:
        sql = "SELECT count(*) FROM links WHERE kind = 'customer' AND (gone = 1 OR lost = 1)"
        return int(db.execute(sql).fetchone()[0])


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_more_than_half_that_vanish_at_once_stop_the_run_and_nothing_is_concluded(tmp_path: Path, side: str) -> None:
    with linked(tmp_path, count=20) as one:
        rows = vanish(one, side, 11)
        new_customers(one, 1)
        for first in (True, False):
            told = one.avsync("run-all", "--full")
            assert told.exit == 5
            for said in ("11", "20", "AccountView" if side == "accountview" else "Crafter", "--force"):
                assert (said in told.err) == first, "told once (behaviour 50)"
            assert one.writes() == []
            assert gone_links(one) == 0
            assert [row["code"] for row in one.errors()] == ["safety_vanished"]
        if side == "accountview":
            for row in rows.values():
                one.box.accountview.add("CONTACT", **{name: row[name] for name in ("SUB_NR", "ACCT_NAME", "ACCT_NR")})
            assert one.run("--full")["exit"] == 0
            assert one.errors() == []
            assert gone_links(one) == 0


@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_force_says_that_they_really_are_gone(tmp_path: Path, side: str) -> None:
    with linked(tmp_path, count=24) as one:
        vanish(one, side, 20)
        assert one.avsync("run-all", "--full").exit == 5
        assert one.run("--full", "--force")["exit"] == 0
        assert one.run()["exit"] == 0
        assert one.errors() == []
        if side == "accountview":
            assert gone_links(one) == 20
            assert one.box.crafter.count("customers") == 24, "their halves in Crafter stay as they are"
        else:
            assert one.box.crafter.count("customers") == 24, "AccountView leads: they come back"
        one.rests()


@pytest.mark.parametrize(("linked_there", "vanished"), [(20, 10), (19, 18)])
def test_half_of_them_or_most_of_a_few_are_believed(tmp_path: Path, linked_there: int, vanished: int) -> None:
    with linked(tmp_path, count=linked_there) as one:
        vanish(one, "accountview", vanished)
        assert one.run("--full")["exit"] == 0
        assert gone_links(one) == vanished


def test_every_kind_counts_by_itself(tmp_path: Path) -> None:
    """Most contacts vanish, of few customers."""
    with office(tmp_path, flows={"customers": "both"}) as one:
        one.customer("10001")
        for number in range(22):
            one.person(f"C{number:02}", LAST_NAME=f"Wit {number}", MAIL_PRIV=f"c{number}@x.example")
        assert one.run()["exit"] == 0
        for number in range(12):
            one.box.accountview.remove("ASC_PP", f"C{number:02}")
        told = one.avsync("run-all", "--full")
        assert told.exit == 5
        assert "12" in told.err
        assert "22" in told.err


def test_a_listing_that_comes_back_empty_is_still_no_reason_to_stop(tmp_path: Path) -> None:
    with linked(tmp_path, count=20) as one:
        vanish(one, "accountview", 20)
        assert one.run("--full")["exit"] == 0
        assert gone_links(one) == 0


def test_what_a_landslide_stops_is_stopped_in_a_dry_run_as_well(tmp_path: Path) -> None:
    with linked(tmp_path, count=20) as one:
        vanish(one, "accountview", 11)
        assert one.avsync("run-all", "--full", "--dry-run").exit == 5
        assert one.avsync("run-all", "--full", "--dry-run", "--force").exit == 0
