"""What AccountView and Crafter really answer (behaviour 16, 2 and 8), seen from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.office import Office, shop

FLOWS = {"customers": "both", "orders": "export", "invoice": "export", "hours": "export"}
WORDS = "De leverdatum ligt in een afgesloten periode."


def stays(one: Office, exit_: int = 0) -> None:
    """A second, a third and a full run write nothing."""
    for more in ((), (), ("--full",)):
        one.box.requests.clear()
        assert one.run(*more)["exit"] == exit_, one.errors()
        assert one.writes() == [], [(write.method, write.path, write.body) for write in one.writes()]


def answers(one: Office, method: str, stored: bool = False, times: int = 1, **said: Any) -> None:
    """The next writes of this method to AccountView are answered with this."""
    do = "commit_answer" if stored else "answer"
    one.box.faults.add(side="accountview", method=method, path="accountviewdata", do=do, times=times, **said)


def orders(one: Office) -> list[dict[str, Any]]:
    return list(one.box.accountview.rows("SO_HDR"))


# --- our reference, where AccountView does not keep it (behaviour 2)


@pytest.mark.parametrize("reference", ["empty", "other"])
@pytest.mark.parametrize("fault", ["cut", "commit_408", "other_table", "commit_500_json"])
def test_orders_whose_answers_were_lost_are_found_without_a_reference(
    tmp_path: Path, reference: str, fault: str
) -> None:
    with shop(tmp_path, FLOWS, reference=reference) as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do=fault, times=3)
        for name in ("a", "b", "c"):
            one.work_order(f"w{name}", description=f"Ketel {name}")
        one.run()
        one.goes()
        assert [row["COMMENT1"] for row in orders(one)] == ["Ketel a", "Ketel b", "Ketel c"]
        assert one.codes() == ["reference_not_kept"]
        stays(one)


def test_three_equal_orders_take_one_each(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, reference="empty") as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="commit_drop", times=3)
        for name in ("a", "b", "c"):
            one.work_order(f"w{name}", description="Ketel")
        one.run()
        one.goes()
        numbers = {one.box.crafter.record("work-orders", f"w{name}")["order_number"] for name in "abc"}
        assert numbers == {row["ORD_NR"] for row in orders(one)}
        assert len(numbers) == 3
        stays(one)


@pytest.mark.parametrize("reference", ["empty", "other"])
def test_that_the_reference_is_not_kept_is_said_once_and_remembered(tmp_path: Path, reference: str) -> None:
    with shop(tmp_path, FLOWS, reference=reference) as one:
        one.work_order("w1", description="Ketel")
        one.work_order("w2", description="Pomp")
        one.hour("u1", project_id="project-1")
        one.goes()
        told = one.errors()
        assert [(problem["code"], problem["severity"]) for problem in told] == [("reference_not_kept", "warning")] * 2
        assert not any(word in problem["message"] for problem in told for word in ("EXT_ID", "avs1", "reference"))
        rows = {check["name"]: check for check in one.avsync("--json", "check").json["checks"]}
        assert rows["reference.order"]["ok"]
        assert rows["reference.hour"]["message"] == told[-1]["message"]
        one.box.requests.clear()
        one.work_order("w3", description="Leiding")
        one.goes()
        assert "EXT_ID" not in one.columns_sent()[0]
        assert len(orders(one)) == 3
        stays(one)


def test_hours_whose_answers_were_lost_are_found_without_a_reference(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, reference="other") as one:
        one.goes()
        one.box.faults.add(side="accountview", method="POST", body="HRS_LINE", do="commit_drop", times=3)
        for name in ("u1", "u2", "u3"):
            one.hour(name, project_id="project-1")
        one.run()
        one.goes()
        assert len(one.box.accountview.rows("HRS_LINE")) == 3
        stays(one)


def test_a_reference_that_was_seen_kept_is_looked_for_alone(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", description="Ketel")
        one.goes()
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="drop")
        entered = one.box.accountview.rows("SO_HDR")[0] | {"ORD_NR": "77", "EXT_ID": "", "COMMENT1": "Pomp"}
        one.box.accountview.add(
            "SO_HDR", **{name: entered[name] for name in ("ORD_NR", "RPL_DEL", "ORD_DATE", "COMMENT1")}
        )
        one.work_order("w2", description="Pomp")
        one.run()
        one.goes()
        assert sorted(row["COMMENT1"] for row in orders(one)) == ["Ketel", "Pomp", "Pomp"]
        assert one.codes() == []
