"""What became of a write: which difference harms, and which is only another spelling."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from avsync.sync.difference import difference, lines_differ, untouched

SAME: list[tuple[Any, Any]] = [
    ("Jansen", "Jansen"),
    ("Jansen", "JANSEN  "),
    ("Jansen", "jansen"),
    ("10001", "0000010001"),
    ("000123", "123"),
    ("een\r\ntwee", "een\ntwee"),
    ("6711 AB", "6711AB"),
    ("", ""),
    ("", None),
    (True, True),
    (True, "T"),
    (False, None),
    (Decimal("2.50"), 2.5),
    (Decimal("2.50"), "2.5"),
    (Decimal("0"), ""),
    (3, Decimal("3.0")),
    (date(2026, 6, 1), "2026-06-01T00:00:00"),
    ("2026-06-01", "2026-06-01T12:00:00.000Z"),
]


@pytest.mark.parametrize(("sent", "found"), SAME)
def test_another_spelling_is_no_difference(sent: Any, found: Any) -> None:
    assert difference("x", "x", sent, found, free=False) is None


@pytest.mark.parametrize(
    ("sent", "found", "free", "what", "harms"),
    [
        ("Jansen", "", False, "lost", True),
        ("Jansen", None, True, "lost", True),
        ("Jansen", "Jan", False, "cut", True),
        ("Jansen", "Jan", True, "cut", False),
        ("Jansen", "Pietersen", True, "changed", True),
        ("Café Zoë", "Caf? Zo?", False, "damaged", True),
        ("10001", "10002", False, "changed", True),
        (True, False, False, "changed", True),
        (Decimal("7.25"), 7, False, "changed", True),
        (Decimal("7.25"), 7.3, False, "changed", True),
        (Decimal("0.3333"), 0.33, False, "rounded", False),
        (Decimal("0.3333"), 0, False, "lost", True),
        (Decimal("1"), None, False, "lost", True),
        (Decimal("1"), "één", False, "lost", True),
        (date(2026, 6, 1), "2026-05-31T00:00:00", False, "day", True),
        (date(2026, 6, 1), "", False, "lost", True),
        ("2026-06-01", "2026-06-02", False, "day", True),
    ],
)
def test_what_differs_and_whether_it_harms(sent: Any, found: Any, free: bool, what: str, harms: bool) -> None:
    one = difference("Naam", "name", sent, found, free)
    assert one is not None
    assert (one.what, one.harms, one.name, one.touched) == (what, harms, "Naam", False)


def test_how_much_is_kept() -> None:
    cut = difference("x", "x", "Een lange tekst", "Een lange", True)
    rounded = difference("x", "x", Decimal("0.3333"), "0.330", False)
    assert (cut.size, rounded.size) == (9, 2)  # type: ignore[union-attr]


BEFORE = {"SUB_NR": "1", "TEL": "050-1", "MAIL": "x@y.nl", "BLK": False, "LIM": 5, "CNG_DATE": "2026-01-01",
          "CNG_NR": 3, "ADRES": "Kade 1\nEde", "USR": "jan", "X": ""}  # fmt: skip
LABELS = {"USR": "Medewerker laatste wijziging", "ADRES": "Adres in landafhankelijke indeling"}


@pytest.mark.parametrize(
    ("now", "what", "harms"),
    [
        ({"MAIL": ""}, "emptied", True),
        ({"MAIL": None}, "emptied", True),
        ({"BLK": True}, "changed", True),
        ({"LIM": 0}, "emptied", True),
        ({"LIM": 9}, "changed", True),
        ({"MAIL": "a@b.nl"}, "changed", True),
        ({"X": "iets"}, "filled", False),
        ({"ADRES": "Kade 7\nEde"}, "changed", False),
    ],
)
def test_what_an_update_may_touch(now: dict[str, Any], what: str, harms: bool) -> None:
    sent = {"ADDRESS1": "Kade 7"}
    found = untouched(BEFORE | {"ADDRESS1": "Kade 1"}, BEFORE | sent | now, sent, LABELS, {"MAIL": "email"})
    assert [(one.what, one.harms, one.touched) for one in found] == [(what, harms, True)]


@pytest.mark.parametrize(
    "now",
    [
        {},
        {"CNG_DATE": "2026-02-02", "CNG_NR": 4, "USR": "avsync"},
        {"TEL": "058-2"},
        {"MAIL": "X@Y.NL "},
        {"LIM": Decimal("5.00")},
        {"NEW": "a column that was not there"},
    ],
)
def test_what_is_no_touching(now: dict[str, Any]) -> None:
    sent = {"TEL": "058-2"}
    assert untouched(BEFORE, BEFORE | now, sent, LABELS, {}) == []


def line(identity: str, article: str = "PUMP-1", quantity: Any = 1) -> dict[str, Any]:
    return {"id": identity, "article": article, "quantity": quantity}


ADDED = [{"article": "PIPE-2", "quantity": Decimal("2.5")}, {"article": "PIPE-2", "quantity": Decimal("1")}]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ([line("1"), line("2", "PIPE-2", 2.5), line("3", "PIPE-2", 1)], []),
        ([line("1"), line("3", "PIPE-2", 1.0), line("2", "PIPE-2", "2.5")], []),
        ([line("2", "PIPE-2", 2.5), line("3", "PIPE-2", 1)], ["lines"]),
        ([line("1"), *(line(str(n), "PIPE-2", 1) for n in range(2, 6))], ["lines", "changed"]),
        ([line("1")], ["lines"]),
        ([line("1", quantity=9), line("2", "PIPE-2", 2.5), line("3", "PIPE-2", 1)], ["changed"]),
        ([line("1"), line("2", "PIPE-2", 3), line("3", "PIPE-2", 1)], ["changed"]),
    ],
)
def test_lines_are_counted_and_compared(after: list[dict[str, Any]], found: list[str]) -> None:
    assert [one.what for one in lines_differ([line("1")], after, ADDED)] == found


def test_a_line_that_was_to_change_may() -> None:
    after = [line("1", quantity=4)]
    assert lines_differ([line("1")], after, [{"id": "1", "article": "PUMP-1", "quantity": Decimal(4)}]) == []
