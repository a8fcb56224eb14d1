"""A link joins two records, not two keys (behaviour 36-41, as far as it is built)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avsync.errors import OutOfTime
from avsync.services.crafter.client import Crafter
from avsync.sync.write import Writer
from tests.support.office import Office, shop
from tests.support.world import line

FLOWS = {"customers": "both", "orders": "both", "invoice": "export"}


def second_customer(one: Office) -> tuple[str, str]:
    """Another customer that both sides know: its number and its Crafter id."""
    one.box.crafter.add("customers", id="andere", name="Andere BV", customer_number=None)
    one.box.crafter.add("work-locations", customer_id="andere", street="Kade 1", postal_code="9999 XX", city="Ede")
    one.goes()
    return one.box.crafter.record("customers", "andere")["customer_number"], "andere"


def told(one: Office) -> dict[str, str]:
    return {problem["code"]: problem["message"] for problem in one.errors()}


def stays(one: Office, exit_: int) -> None:
    """A second, a third and a full run store nothing (what a service refuses is tried again in every run)."""
    for more in ((), (), ("--full",)):
        one.box.requests.clear()
        assert one.run(*more)["exit"] == exit_
        assert [write for write in one.writes() if write.status < 400] == []


@pytest.mark.parametrize("where", ["crafter", "accountview"])
def test_an_order_whose_sides_name_different_customers_gets_nothing_until_they_agree(
    tmp_path: Path, where: str
) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        order = one.box.accountview.rows("SO_HDR")[0]
        before, mine = order["RPL_DEL"], one.box.crafter.record("work-orders", "w1")["customer_id"]
        number, other = second_customer(one)
        if where == "crafter":
            one.box.crafter.edit("work-orders", "w1", customer_id=other)
        else:
            one.box.accountview.edit("SO_HDR", order["ORD_NR"], RPL_DEL=number)
        one.box.crafter.edit(
            "work-orders", "w1", status="checked", description="Pomp", lines=[line("a", "PUMP-1", "2")]
        )
        assert one.run()["exit"] == 1
        assert one.box.accountview.rows("SO_LINE") == []
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == "Ketel"
        message = told(one)["order_customers_differ"]
        assert before in message
        assert number in message
        stays(one, 1)

        if where == "crafter":
            one.box.crafter.edit("work-orders", "w1", customer_id=mine)
        else:
            one.box.accountview.edit("SO_HDR", order["ORD_NR"], RPL_DEL=before)
        assert one.run()["exit"] == 0, one.errors()
        assert [row["ART_CODE"] for row in one.box.accountview.rows("SO_LINE")] == ["PUMP-1"]
        assert one.box.accountview.rows("SO_HDR")[0]["COMMENT1"] == "Pomp"
        assert told(one) == {}
        stays(one, 0)


def test_a_customer_that_got_another_number_is_still_the_same_on_its_orders(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        number, other = second_customer(one)
        one.work_order("w1", customer_id=other)
        one.goes()
        order = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.edit("CONTACT", number, SUB_NR="55555")
        one.box.accountview.edit("SO_HDR", order, RPL_DEL="55555", RPL_INV="55555")
        one.box.crafter.edit("work-orders", "w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 0, one.errors()
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.accountview.rows("SO_LINE")) == 1
        assert told(one) == {}


# behaviour 2: another administration's records


def foreign(one: Office, count: int) -> None:
    for number in range(count):
        one.box.crafter.add(
            "customers", id=f"vreemd-{number}", name=f"Vreemd {number}", customer_number=f"V{number}",
            external_ref=f"av:ANDERE:customer:V{number}",
        )  # fmt: skip
        one.box.accountview.add("CONTACT", SUB_NR=f"V{number}", ACCT_NAME=f"Eigen {number}", ACCT_NR="1300")


def test_another_administrations_customers_are_not_taken_and_each_is_said(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        foreign(one, 2)
        assert one.run()["exit"] == 1
        for number in range(2):
            record = one.box.crafter.record("customers", f"vreemd-{number}")
            assert (record["name"], record["external_ref"]) == (f"Vreemd {number}", f"av:ANDERE:customer:V{number}")
            assert one.box.accountview.row("CONTACT", f"V{number}")["ACCT_NAME"] == f"Eigen {number}"
        assert "ANDERE" in told(one)["of_other_administration"]
        stays(one, 1)


def test_a_first_run_that_meets_many_of_them_stops_before_it_writes(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        foreign(one, 6)
        one.box.requests.clear()
        for _ in range(2):
            assert one.run()["exit"] == 5
            assert one.writes() == []


# behaviour 38: gone has a side; behaviour 40: a copy


def test_a_work_order_deleted_and_entered_again_with_its_number_takes_the_order_over(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS | {"orders": "export"}) as one:
        one.work_order("w1", lines=[line("a", "PUMP-1", "2")], status="checked")
        one.goes()
        number = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.crafter.remove("work-orders", "w1")
        one.goes()
        lines = [line("b", "PUMP-1", "2"), line("c", "VALVE-3", "1")]
        one.work_order("w2", order_number=number, lines=lines, status="checked")
        assert one.run()["exit"] == 0, one.errors()
        assert [row["ORD_NR"] for row in one.box.accountview.rows("SO_HDR")] == [number]
        assert sorted(row["ART_CODE"] for row in one.box.accountview.rows("SO_LINE")) == ["PUMP-1", "VALVE-3"]
        stays(one, 0)


def test_a_copied_work_order_is_new_and_nothing_else_follows_from_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS | {"orders": "export"}) as one:
        one.work_order("w1", lines=[line("a", "PUMP-1", "2")], status="checked")
        one.work_order("w3")
        one.goes()
        first = one.box.crafter.record("work-orders", "w1")
        number = one.box.crafter.record("work-orders", "w3")["order_number"]
        one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE="PUMP-1", ORD_QTY="1")  # typed by a person
        one.work_order("w2", external_ref=first["external_ref"])
        one.box.crafter.edit("work-orders", "w3", status="checked", lines=[line("z", "PUMP-1", "1")])
        assert one.run()["exit"] == 0, one.errors()
        assert len(one.box.accountview.rows("SO_HDR")) == 3
        mine = [row for row in one.box.accountview.rows("SO_LINE") if row["ORD_NR"] == number]
        assert len(mine) == 2, "the line of the person, and ours"
        stays(one, 0)


# edits that meet (behaviour 13, 15, 19, 43)


def test_a_field_that_cannot_go_holds_back_no_other(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        number, klant = second_customer(one)
        one.box.crafter.edit("customers", klant, email="x" * 60 + "@example.nl")
        one.box.accountview.edit("CONTACT", number, TEL_BUS="0318-1234")
        assert one.run()["exit"] == 1
        assert one.box.crafter.record("customers", klant)["phone"] == "0318-1234"
        assert set(told(one)) == {"too_long"}
        one.box.crafter.edit("customers", klant, phone="06-1")
        assert one.run()["exit"] == 1
        assert one.box.accountview.row("CONTACT", number)["TEL_BUS"] == "06-1"
        stays(one, 1)


def test_an_edit_of_a_cut_text_leaves_the_whole_text_and_is_told(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        whole = "Ketel vervangen, let op: sleutel bij de buren, hond in de tuin, bellen bij aankomst"
        one.work_order("w1", description=whole)
        one.goes()
        order = one.box.accountview.rows("SO_HDR")[0]
        one.box.accountview.edit("SO_HDR", order["ORD_NR"], COMMENT1=order["COMMENT1"].replace("Ketel", "Haard"))
        assert one.run()["exit"] == 0
        assert one.box.crafter.record("work-orders", "w1")["description"] == whole
        message = told(one)["cut_text_edited"]
        assert "Haard" in message
        assert "hond in de tuin" in message
        stays(one, 0)


# behaviour 46 and 47


def test_a_flow_that_is_switched_off_has_no_open_problems(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", status="checked", lines=[line("a", "BESTAAT-NIET", "1")])
        assert one.run()["exit"] == 1
        assert set(told(one)) == {"article_unknown"}
        one.config["flows"] |= {"invoice": "off"}
        assert one.run()["exit"] == 0
        assert told(one) == {}
        (entry,) = [row for row in one.box.crafter.records("timeline") if row["entity_id"] == "w1"]
        assert entry["resolved"]


def test_more_entries_than_a_run_can_post_get_further_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[object] = []
    real = Crafter.post_timeline

    def until_time_is_up(self: Crafter, *args: Any) -> Any:
        posted.append(args)
        if len(posted) > 50:
            raise OutOfTime("budget_spent")
        return real(self, *args)

    with shop(tmp_path, FLOWS) as one:
        for number in range(120):
            one.work_order(f"w{number}", status="checked", lines=[line("a", "BESTAAT-NIET", "1")])
        monkeypatch.setattr(Crafter, "post_timeline", until_time_is_up)
        reached = []
        for _ in range(4):
            posted.clear()
            one.run()
            reached.append(len(one.box.crafter.records("timeline")))
        assert reached == sorted(set(reached)), "further each time"
        assert reached[-1] == 120


# behaviour 42: an update is read, compare, write


@pytest.mark.parametrize("minutes", [0, 1])
def test_what_somebody_saves_between_the_listing_and_our_write_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """With a row that was read just now nothing more is asked; an older one is read by its key first."""
    with shop(tmp_path, FLOWS) as one:
        number, klant = second_customer(one)
        one.box.crafter.edit("customers", klant, phone="06-de-eerste")
        one.goes()  # the first update of all is looked at as a whole
        one.box.crafter.edit("customers", klant, phone="06-van-crafter", email="nieuw@voorbeeld.nl")
        monkeypatch.setattr("avsync.sync.write._STALE", -1.0 if minutes else 10.0)
        real = Writer.intent

        def people_at_work(self: Writer, sent: Any) -> Any:
            if minutes and one.box.accountview.row("CONTACT", number)["TEL_BUS"] != "0318-boekhouder":
                one.box.accountview.edit("CONTACT", number, TEL_BUS="0318-boekhouder")
            return real(self, sent)

        monkeypatch.setattr(Writer, "intent", people_at_work)
        one.box.requests.clear()
        assert one.run()["exit"] == 0, one.errors()
        row = one.box.accountview.row("CONTACT", number)
        asked = [
            call for call in one.box.requests if call.method == "GET" and "FilterControlSource1=SUB_NR" in call.query
        ]
        if minutes:
            assert row["TEL_BUS"] == one.box.crafter.record("customers", klant)["phone"] == "0318-boekhouder"
            assert row["MAIL_BUS"] == "nieuw@voorbeeld.nl"
            assert set(told(one)) == {"conflict"}
        else:
            assert row["TEL_BUS"] == "06-van-crafter"
            assert asked == []
        stays(one, 0)


# behaviour 36: a key that was given out again


@pytest.mark.parametrize("seen_gone", [False, True])
def test_an_order_number_given_out_again_is_another_order(tmp_path: Path, seen_gone: bool) -> None:
    with shop(tmp_path, FLOWS | {"orders": "export"}) as one:
        second, _ = second_customer(one)
        one.work_order("w1", description="Ketel", target_date="2026-03-01")
        one.goes()
        number = one.box.accountview.rows("SO_HDR")[0]["ORD_NR"]
        one.box.accountview.remove("SO_HDR", number)
        if seen_gone:
            one.run("--full")
        one.box.accountview.add(
            "SO_HDR", ORD_NR=number, RPL_DEL=second, RPL_INV=second, COMMENT1="Iets anders", ORD_DATE="2026-05-05"
        )  # fmt: skip
        one.box.crafter.edit("work-orders", "w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 1
        assert one.box.accountview.rows("SO_LINE") == []
        assert one.box.accountview.row("SO_HDR", number)["COMMENT1"] == "Iets anders"
        assert one.box.crafter.record("work-orders", "w1")["description"] == "Ketel"
        assert "order_closed" in told(one)
        stays(one, 1)


def test_a_customer_number_given_out_again_renames_nobodys_card(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        number, klant = second_customer(one)
        one.goes()
        one.box.accountview.edit("CONTACT", number, TEL_BUS="0318-1", MAIL_BUS="info@andere.nl")
        one.goes()
        before = one.box.crafter.record("customers", klant)
        one.box.accountview.remove("CONTACT", number)
        one.box.accountview.add(
            "CONTACT", SUB_NR=number, ACCT_NAME="Wildvreemd Transport", ACCT_NR="1300", POST_CODE="1111 AA",
            ADDRESS1="Verweg 9", CITY="Lelystad", TEL_BUS="0320-9",
        )  # fmt: skip
        assert one.run()["exit"] == 1
        after = one.box.crafter.record("customers", klant)
        assert (after["name"], after["phone"], after["email"]) == (before["name"], before["phone"], before["email"])
        assert "Andere BV" in told(one)["number_reused"]
        stays(one, 1)
        one.box.crafter.edit("customers", klant, customer_number=None)
        one.run()
        assert {"Andere BV", "Wildvreemd Transport"} <= {row["name"] for row in one.box.crafter.records("customers")}
