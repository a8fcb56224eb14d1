"""`avsync check` names the users whose hours cannot be booked, and whose code is probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avsync.commands.users import judge
from tests.support.office import Office, office


def checks(one: Office) -> dict[str, dict[str, Any]]:
    told = one.avsync("--json", "check")
    assert told.exit == 0, told.out
    return {row["name"]: row for row in told.json["checks"]}


def employee(one: Office, number: str, name: str, **columns: Any) -> None:
    one.box.accountview.add("EMPLOYEE", EMP_NR=number, EMP_NAME=name, **columns)


def user(one: Office, name: str, code: str | None, **fields: Any) -> str:
    return str(one.box.crafter.add("users", name=name, unique_code=code, **fields))


def test_users_whose_hours_cannot_be_booked_are_named_with_who_is_meant(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.lists()  # Anja is 0101, Bram is 0102
        employee(one, "0103", "Kees de Vries")
        employee(one, "0104", "Piet Jansen")
        user(one, "K. de Vries", None)
        user(one, "Planbord", None)
        user(one, "Piet", "104")
        user(one, "Weg", "999")
        user(one, "Nog een Anja", "0101")
        found = checks(one)
        assert found["users.without"]["message"] == (
            "Without Unieke code (2), so without hours in AccountView: "
            "K. de Vries (meant: 0103, Kees de Vries?); Planbord."
        )
        assert found["users.unknown"]["message"] == (
            "With a Unieke code that AccountView does not know (2): Piet: 104 (meant: 0104, Piet Jansen?); Weg: 999."
        )
        assert (
            found["users.shared"]["message"]
            == "The same Unieke code for several users (1): 0101: Anja Bos, Nog een Anja."
        )
        assert all(found[name]["hint"] for name in ("users.without", "users.unknown", "users.shared"))


def test_all_in_order_is_one_row(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.lists()
        user(one, "Gone", None, active=False)
        one.box.crafter.remove("users", user(one, "Deleted", None))
        found = checks(one)
        assert found["users"]["message"] == "All 2 users of Crafter have a Unieke code that AccountView knows."
        assert not any(name.startswith("users.") for name in found)


@pytest.mark.parametrize(
    "flows", [{"customers": "both"}, {"customers": "import", "orders": "export"}], ids=["customers", "orders"]
)
def test_flows_that_need_no_users_do_not_ask_for_them(tmp_path: Path, flows: dict[str, str]) -> None:
    with office(tmp_path, flows=flows) as one:
        user(one, "Nobody", None)
        one.box.requests.clear()
        assert not any(name.startswith("users") for name in checks(one))
        assert not [request for request in one.box.requests if "users" in request.path]


def test_many_are_counted(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.lists()
        for number in range(40):
            user(one, f"Monteur {number:02d}", None)
        message = checks(one)["users.without"]["message"]
        assert "Without Unieke code (40)" in message
        assert message.endswith("Monteur 29; and 10 more.")


def test_a_service_that_fails_is_not_asked_again_for_users(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.lists()
        one.box.faults.add(side="crafter", path="/me", do="html", times=0)
        one.box.requests.clear()
        told = one.avsync("--json", "check")
        assert told.exit == 4
        assert not [row for row in told.json["checks"] if row["name"].startswith("users")]
        looks = [request for request in one.box.requests if "users" in request.path]
        assert len(looks) <= 1, "its names are looked at, and that is all"


NAMES = [
    ("Anja Bos", "Bos, Anja", True), ("Anja Bos", "ANJA BOS", True), ("A. Bos", "Anja Bos", True),
    ("André Müller", "Andre Muller", True), ("Jan van der Berg", "Jan Berg, van der", True),
    ("B. Bos", "Anja Bos", False), ("Anja Vos", "Anja Bos", False), ("Bos", "Anja Bos", False), ("", "", False),
    ("Anja", "Anja", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "other", "same"), NAMES)
def test_a_suggestion_by_name(name: str, other: str, same: bool) -> None:
    found = judge([{"name": name, "unique_code": ""}], [{"number": "1", "name": other}])
    assert bool(found.without[0][1]) is same


def test_a_suggestion_is_only_made_when_one_person_fits_and_is_free() -> None:
    twins = [{"number": "1", "name": "Jan Smit"}, {"number": "2", "name": "Jan Smit"}]
    assert judge([{"name": "Jan Smit", "unique_code": None}], twins).without[0][1] is None
    used = [{"name": "Jan Smit", "unique_code": "1"}, {"name": "Jan Smit", "unique_code": None}]
    assert judge(used, twins).without[0][1].code == "2"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "odd", [{"name": None, "unique_code": 12}, {"name": 7, "unique_code": {}}, {}, {"unique_code": "a\tb"}]
)
def test_odd_rows_do_no_harm(odd: dict[str, Any]) -> None:
    assert judge([odd], [{"number": None, "name": None}, {"number": "1", "name": "x"}]).count == 1
