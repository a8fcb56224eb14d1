"""AccountView cannot show one record: that is the problem of what needs it, and of nothing else (behaviour 8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, office, shop
from tests.support.world import line

INVOICE = {"invoice": "export"}
WORDS = "De server is bezet."


def locked(one: Office, key: str, **more: Any) -> None:
    """Somebody has this record open: AccountView answers every look-up of it with an error."""
    content = {"ErrorType": "AccountViewError", "ErrorNumbers": [109], "ErrorMessage": WORDS}
    one.box.faults.add(
        side="accountview", method="GET", path=f"FilterValue1={key}", times=0, do="answer", status=400, content=content,
        **more,
    )  # fmt: skip


def told(one: Office) -> list[tuple[str, str]]:
    return sorted((problem["code"], problem["key"]) for problem in one.errors())


@pytest.mark.parametrize("status", [200, 400])
def test_one_locked_order_holds_up_its_own_lines_alone(tmp_path: Path, status: int) -> None:
    with shop(tmp_path, INVOICE) as one:
        for name in ("wo-1", "wo-2", "wo-3"):
            one.work_order(name)
        one.goes()
        numbers = {name: one.werkbon(name)["order_number"] for name in ("wo-1", "wo-2", "wo-3")}
        for name in numbers:
            one.change(name, status="checked", lines=[line(f"{name}-l")])
        locked(one, numbers["wo-2"])
        one.box.faults.rules[-1].status = status
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert [len(one.standing(number)) for number in numbers.values()] == [1, 0, 1]
            problem = one.problem()
            assert (problem["code"], problem["flow"]) == ("record_unavailable", "invoice")
            assert numbers["wo-2"] in problem["message"]
            assert WORDS.rstrip(".") in problem["message"]
        assert len(one.told("wo-2")) == 1
        one.box.faults.clear()
        one.goes()
        assert [len(one.standing(number)) for number in numbers.values()] == [1, 1, 1]
        assert one.errors() == []
        one.rests()


def test_an_article_that_cannot_be_shown(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE) as one:
        one.work_order("wo-1", status="checked", lines=[line("l1", "PIPE-2"), line("l2", "PUMP-1")])
        one.work_order("wo-2", status="checked", lines=[line("l3", "PUMP-1")])
        locked(one, "PIPE-2")
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "record_unavailable"
        assert "PIPE-2" in one.problem()["message"]
        assert one.standing(one.werkbon("wo-2")["order_number"]) == [("PUMP-1", "1")]
        one.box.faults.clear()
        one.goes()
        assert len(one.standing(one.werkbon("wo-1")["order_number"])) == 2
        one.rests()


@pytest.mark.parametrize("flows", [{"projects": "off", "hours": "export"}, {"projects": "off"}])
def test_a_project_that_cannot_be_shown_holds_up_what_is_for_it(tmp_path: Path, flows: dict[str, str]) -> None:
    with shop(tmp_path, flows) as one:
        for name, project in (("1", "project-1"), ("2", "project-2")):
            one.work_order(f"wo-{name}", project_id=project)
            one.hour(f"h{name}", project_id=project)
        locked(one, "P1")
        assert one.run()["exit"] == 1
        assert {code for code, _ in told(one)} == {"record_unavailable"}
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert [row[1] for row in one.booked()] == (["P2"] if "hours" in flows else [])
        one.box.faults.clear()
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.rests()


def test_the_read_before_an_update_is_such_a_look_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avsync.sync.write._STALE", -1.0)
    with shop(tmp_path) as one:
        one.goes()
        locked(one, "10001")
        one.in_crafter("10001", phone="010-1")
        one.in_crafter("10002", phone="010-2")
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert told(one) == [("record_unavailable", "10001")]
            assert [one.books(number)["TEL_BUS"] for number in ("10001", "10002")] == ["", "010-2"]
        one.box.faults.clear()
        one.goes()
        assert one.books("10001")["TEL_BUS"] == "010-1"
        assert one.errors() == []
        one.rests()


def test_a_number_that_was_typed_and_cannot_be_looked_up(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        number = one.sales_order("26009999")
        one.work_order("wo-1", order_number=number)
        one.work_order("wo-2")
        locked(one, number)
        assert one.run()["exit"] == 1
        assert [code for code, _ in told(one)] == ["record_unavailable"]
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.box.faults.clear()
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == 2
        one.rests()


@pytest.mark.parametrize("how", [(), ("--full",)])
def test_one_deleted_in_crafter_comes_back_once_accountview_shows_it_again(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    with shop(tmp_path) as one:
        one.goes()
        one.box.crafter.remove("customers", "klant-1")
        one.customer("10003", "Nieuw BV")
        locked(one, "10001")
        for _ in range(2):
            assert one.run(*how)["exit"] == 1
            assert ("record_unavailable", "10001") in told(one)
            assert one.klant("10003")["name"] == "Nieuw BV"
        one.box.faults.clear()
        one.goes()
        assert one.klant("10001")["name"] == "Bakkerij Vos"
        assert one.errors() == []
        one.rests()


def test_a_customer_is_not_taken_for_a_new_one_because_its_old_number_cannot_be_looked_up(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.goes()
        identity = one.klant("10001")["id"]
        one.in_books("10001", SUB_NR="10009")
        locked(one, "10001")
        assert one.run()["exit"] == 1
        assert ("record_unavailable", "10009") in told(one)
        assert one.box.crafter.count("customers") == 2
        one.box.faults.clear()
        one.goes()
        assert one.klant("10009")["id"] == identity
        assert one.box.crafter.count("customers") == 2
        assert one.errors() == []
        one.rests()


# several in a row


def test_three_different_keys_that_fail_in_a_row_end_the_flow(tmp_path: Path) -> None:
    with shop(tmp_path, INVOICE | {"hours": "export"}) as one:
        for number in range(6):
            one.work_order(f"wo-{number}", status="checked")
        one.hour("h1")
        one.goes()
        for number in range(6):
            one.change(f"wo-{number}", lines=[line(f"l{number}")])
        one.hour("h2")
        content = {"ErrorType": "AccountViewError", "ErrorNumbers": None, "ErrorMessage": WORDS}
        rule = one.box.faults.add(side="accountview", method="GET", path="SO_LINE", times=0, do="answer", status=400,
                                  content=content)  # fmt: skip
        result = one.run()
        assert result["exit"] == 4
        assert [(problem["code"], problem["flow"]) for problem in one.errors()] == [
            ("accountview_read_error", "invoice")
        ]
        assert WORDS.rstrip(".") in one.problem()["message"]
        assert rule.hits <= 60, "it does not go on asking"
        assert len(one.booked()) == 2, "the other flows go on"
        one.box.faults.clear()
        one.goes()
        assert {len(one.standing(row["ORD_NR"])) for row in one.box.accountview.rows("SO_HDR")} == {1}
        one.rests()


def test_the_same_key_asked_for_again_and_again_is_one_key(tmp_path: Path) -> None:
    with shop(tmp_path, {"projects": "off"}) as one:
        for number in range(8):
            one.work_order(f"wo-{number}", project_id="project-1")
        one.work_order("other")
        locked(one, "P1")
        assert one.run()["exit"] == 1
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert {code for code, _ in told(one)} == {"record_unavailable"}


@pytest.mark.parametrize("side", ["accountview", "crafter"])
@pytest.mark.parametrize("do", ["500", "commit_500"])
def test_three_writes_in_a_row_that_nobody_knows_of_end_the_flow(tmp_path: Path, side: str, do: str) -> None:
    flows = {"customers": "export" if side == "accountview" else "import"}
    with office(tmp_path, flows=flows) as one:
        for number in range(30):
            if side == "crafter":
                one.customer(str(20000 + number), f"Klant {number}")
            else:
                one.box.crafter.add("customers", name=f"Klant {number}")
        one.config["accountview"]["concurrency"] = one.config["crafter"]["concurrency"] = 2
        rule = one.box.faults.add(side=side, method="POST", path="/api/", times=0, do=do)
        told = one.avsync("run-all")
        assert told.exit == 4
        assert 3 <= rule.hits <= 8
        assert any("HTTP 500" in each["message"] for each in one.errors())
        one.box.faults.clear()
        one.goes()
        one.goes()
        counted = len(one.box.accountview.rows("CONTACT")), one.box.crafter.count("customers")
        assert counted == (30, 30)
        one.rests()


def test_two_doubts_in_a_row_and_then_a_good_answer_end_nothing(tmp_path: Path) -> None:
    with office(tmp_path, flows={"customers": "export"}) as one:
        for number in range(12):
            one.box.crafter.add("customers", name=f"Klant {number}")
        one.config["accountview"]["concurrency"] = 1
        for first in (1, 4, 7):
            one.box.faults.add(side="accountview", method="POST", path="/api/", nth=first, times=2, do="500")
        assert one.run()["exit"] in (0, 1), [(write.method, write.path, write.status) for write in one.writes()]
        one.box.faults.clear()
        one.goes()
        assert len(one.box.accountview.rows("CONTACT")) == 12
        one.rests()
