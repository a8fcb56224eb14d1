"""The config is changed while everything runs: what is no longer in common meets anew (behaviour 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import office, shop
from tests.support.world import NAME, VISITING, place

# the direction is opened later


@pytest.mark.parametrize(("first", "then"), [("export", "both"), ("export", "import"), ("import", "both")])
def test_what_was_edited_where_nothing_might_go_meets_again_once_it_may(tmp_path: Path, first: str, then: str) -> None:
    """The bookkeeper filled in an e-mail address and changed a number while Crafter led, or the planner did so while
    AccountView led: nobody's value is left behind without a word."""
    with office(tmp_path, flows={"customers": first}) as one:
        one.debtor(TEL_BUS="010-0", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="010-0")
        one.goes()
        if first == "export":
            one.in_books(TEL_BUS="010-1", MAIL_BUS="a@jansen.nl")
        else:
            one.in_crafter(phone="010-1", email="a@jansen.nl")
        one.goes()
        one.rests()
        one.config["flows"]["customers"] = then
        foreseen = one.avsync("--json", "run-all", "--dry-run").json["plan"]
        assert {name for row in foreseen for name in row["fields"]} >= {"email" if then != "both" else "phone"}
        one.goes()
        assert (one.klant()["email"], one.books()["MAIL_BUS"]) == ("a@jansen.nl", "a@jansen.nl")
        leads = "010-1" if first == "export" else "010-0"
        assert (one.klant()["phone"], one.books()["TEL_BUS"]) == (leads, leads)
        (found,) = one.errors()
        assert found["code"] == "values_replaced"
        assert "010-0" in found["message"]
        assert "010-1" in found["message"]
        one.in_step()


def test_orders_too_and_only_what_may_go_now(tmp_path: Path) -> None:
    flows = {"customers": "import", "orders": "export"}
    with shop(tmp_path, flows) as one:
        one.work_order("wo-1", description="Ketel")
        one.goes()
        number = one.order_number()
        one.box.accountview.edit("SO_HDR", number, COMMENT1="Ketel vervangen", DEL_DATE="2026-12-24")
        one.goes()
        assert one.werkbon("wo-1")["description"] == "Ketel"
        one.config["flows"]["orders"] = "both"
        one.goes()
        assert one.werkbon("wo-1")["description"] == "Ketel vervangen"
        assert one.werkbon("wo-1")["target_date"] == "2026-12-24"
        assert one.codes() == ["values_replaced"]
        one.in_step()


def test_a_direction_that_is_closed_or_a_flow_that_was_off_makes_nothing_meet_again(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "import"}) as one:
        one.debtor(TEL_BUS="010-0", **VISITING)
        one.goes()
        one.in_crafter(phone="020-2")
        one.in_books(MAIL_BUS="b@jansen.nl")
        one.config["flows"]["customers"] = "off"
        one.goes()
        one.config["flows"]["customers"] = "import"
        one.goes()
        assert (one.klant()["phone"], one.klant()["email"]) == ("020-2", "b@jansen.nl")
        assert one.books()["TEL_BUS"] == "010-0"
        assert one.errors() == []
        one.rests()


# another column


def _swapped(side: str) -> dict[str, Any]:
    """Phone and e-mail each in the other's place."""
    if side == "accountview":
        return {"customer": {"columns": {"phone": "MAIL_BUS", "email": "TEL_BUS"}}}
    return {"customer": {"fields": {"phone": "email", "email": "phone"}}}


@pytest.mark.parametrize("flow", ["import", "export", "both"])
@pytest.mark.parametrize("side", ["accountview", "crafter"])
def test_a_field_that_stands_in_another_column_is_not_emptied_there(tmp_path: Path, side: str, flow: str) -> None:
    """The operator pasted another name: what the new column lacks was never taken away by anybody."""
    with office(tmp_path, flows={"customers": flow}) as one:
        one.debtor(TEL_BUS="010-0", **VISITING)
        one.new_klant(NAME, place(), customer_number="10001", phone="010-0")
        one.goes()
        one.config[side]["schema"] = _swapped(side)
        one.goes()
        assert "010-0" in (one.books()["TEL_BUS"], one.books()["MAIL_BUS"])
        assert "010-0" in (one.klant()["phone"], one.klant()["email"])
        assert one.errors() == []
        one.rests()
        one.config[side]["schema"] = {}
        one.goes()
        one.rests()
        assert (one.books()["TEL_BUS"], one.klant()["phone"]) == ("010-0", "010-0")


def test_a_changed_moment_of_entry_makes_nobody_another_customer(tmp_path: Path) -> None:
    """It tells a number given out again (behaviour 36), as long as it is the same column."""
    with office(tmp_path, flows={"customers": "both"}) as one:
        one.debtor(TEL_BUS="010-0", INP_DATE="2019-04-01", **VISITING)
        one.goes()
        before = one.klant()["id"]
        one.config["accountview"]["schema"] = {
            "customer": {"columns": {"created_at": "CNG_DATE", "changed_at": "INP_DATE"}}
        }
        one.in_books(ACCT_NAME="Heel anders B.V.", TEL_BUS="010-0")
        one.goes("--full")
        assert one.klant()["id"] == before
        assert one.klant()["name"] == "Heel anders B.V."


@pytest.mark.parametrize("run", [("run-all",), ("run-all", "--full"), ("run-all", "--dry-run")])
def test_another_key_stops_everything_before_anything_is_written(tmp_path: Path, run: tuple[str, ...]) -> None:
    with shop(tmp_path) as one:
        one.goes()
        one.box.requests.clear()
        one.config["accountview"]["schema"] = {"customer": {"columns": {"number": "SRC_CODE", "search_code": "SUB_NR"}}}
        told = one.avsync(*run)
        assert told.exit == 5
        assert "SRC_CODE" in told.err
        assert "SUB_NR" in told.err
        assert one.writes() == []
        one.config["accountview"]["schema"] = {}
        one.goes()
        assert one.errors() == []


def test_two_of_ours_on_one_name_of_crafters_are_refused(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.config["crafter"]["schema"] = {"customer": {"fields": {"phone": "email"}}}
        told = one.avsync("run-all")
        assert told.exit == 2
        assert "crafter.schema.customer.fields" in told.err


def test_a_name_that_does_not_exist_and_is_put_right_again_makes_nothing_meet_anew(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.in_books(TEL_BUS="010-0")
        one.goes()
        one.config["accountview"]["schema"] = {"customer": {"columns": {"phone": "TEL_BUZ"}}}
        assert one.run()["exit"] == 2
        one.in_crafter(phone="010-1")
        one.config["accountview"]["schema"] = {}
        one.goes()
        assert (one.books()["TEL_BUS"], one.klant()["phone"]) == ("010-1", "010-1")
        assert one.errors() == []
        one.rests()
