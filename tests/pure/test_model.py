"""The one canonical text form of text, codes, decimals, dates and moments: from wire to hash to database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsync.errors import Malformed
from avsync.records.values import (
    amsterdam_day,
    bare,
    code,
    crafter_reference,
    day,
    decimal_text,
    local_moment,
    quantity,
    reference,
    required,
    squeeze,
    text,
    utc_moment,
)

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        (f" {NBSP}", None),
        ("  Jansen ", "Jansen"),
        ("Café", "Café"),
        ("Cafe\u0301", "Café"),  # an accent of its own becomes part of the letter
        ("één\r\ntwee\rdrie", "één\ntwee\ndrie"),
        (f"Piet{NBSP}de Boer", f"Piet{NBSP}de Boer"),
        ("a\x00b\x07c", "abc"),
        ("tab\tblijft", "tab\tblijft"),
        ("Straße 🙂 & <b> ' \" % _ {^2026-01-01}", "Straße 🙂 & <b> ' \" % _ {^2026-01-01}"),
    ],
)
def test_text_has_one_spelling_and_nothing_else_about_it_changes(given_: Any, canonical: str | None) -> None:
    assert text(given_, "name") == canonical
    assert text(canonical, "name") == canonical


@pytest.mark.parametrize("odd", [1, 1.5, True, [], {}, "x" * 100_001, "\ud83d"])
def test_what_is_no_text_is_malformed_and_says_what_was_found(odd: Any) -> None:
    with pytest.raises(Malformed) as fault:
        text(odd, "name")
    assert fault.value.field == "name"
    assert len(fault.value.found) <= 60


def test_a_required_text_must_be_there() -> None:
    assert required(" x ", "name") == "x"
    with pytest.raises(Malformed):
        required("  ", "name")


@pytest.mark.parametrize(("given_", "canonical"), [("ab1", "AB1"), ("007", "007"), (" 0 ", "0"), ("", None)])
def test_a_code_is_text_in_upper_case_and_its_leading_zeros_count(given_: str, canonical: str | None) -> None:
    assert code(given_, "number") == canonical


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_canonical_text_is_its_own_canonical_form(anything: str) -> None:
    once = text(anything, "name")
    assert text(once, "name") == once
    assert once is None or (once == once.strip() and "\r" not in once)


# decimals


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ("7.50", "7.5"),
        ("7.5", "7.5"),
        ("007.5", "7.5"),
        ("+1", "1"),
        ("-0.00", "0"),
        ("100", "100"),
        ("0.0001", "0.0001"),
        ("123456789012345"[:12], "123456789012"),
        (8, "8"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.10"), "0.1"),
        (None, None),
        ("", None),
    ],
)
def test_a_quantity_has_one_spelling(given_: Any, canonical: str | None) -> None:
    assert quantity(given_, "hours") == canonical


@pytest.mark.parametrize("odd", [7.5, True, "2,5", "1e3", "anderhalf", "NaN", Decimal("NaN"), "1_000", "9" * 13, "١"])
def test_a_float_or_anything_unclear_is_no_quantity(odd: Any) -> None:
    with pytest.raises(Malformed):
        quantity(odd, "hours")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6))
def test_a_decimal_keeps_its_value_and_its_spelling_is_the_only_one(number: Decimal) -> None:
    shown = decimal_text(number)
    assert Decimal(shown) == number
    assert "E" not in shown
    assert decimal_text(Decimal(shown)) == shown
    assert decimal_text(number.quantize(Decimal("0.00000001"))) == shown


# dates


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2024-02-29", "2024-02-29"),
        ("2026-12-31T00:00:00", "2026-12-31"),  # without a zone it is local time already
        ("2026-12-31T23:59:59.999", "2026-12-31"),
        ("2026-01-31T23:00:00Z", "2026-02-01"),  # midnight in Amsterdam, winter
        ("2026-06-30T22:00:00Z", "2026-07-01"),  # midnight in Amsterdam, summer
        ("2026-06-30T21:59:59Z", "2026-06-30"),
        ("2026-03-28T23:30:00Z", "2026-03-29"),  # the day the clock goes forward
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-24T22:00:00Z", "2026-10-25"),  # the day the clock goes back has 25 hours
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25"),
        ("", None),
        (None, None),
        ("1899-12-30", None),
        ("0001-01-01T00:00:00", None),
        ("1900-12-31", None),
        ("1901-01-01", "1901-01-01"),
    ],
)
def test_a_date_is_the_plain_day_in_the_netherlands(given_: Any, canonical: str | None) -> None:
    assert day(given_, "date") == canonical


@pytest.mark.parametrize("odd", ["2026-02-31", "31-01-2026", "2026-13-01", "vandaag", 20260131, "2026-01-01T99:00:00"])
def test_a_day_that_does_not_exist_is_malformed(odd: Any) -> None:
    with pytest.raises(Malformed):
        day(odd, "date")


@given(st.dates(min_value=date(1901, 1, 1)))
def test_a_plain_date_stays_the_day_it_is_whatever_time_stands_behind_it(one: date) -> None:
    for shape in ("{}", "{}T00:00:00", "{}T12:00:00", "{}T23:59:59"):
        assert day(shape.format(one.isoformat()), "date") == one.isoformat()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2025-12-31T23:30:00.000000Z", "2026-01-01"),
        ("2026-07-31T21:59:59.999999Z", "2026-07-31"),
        ("2026-03-29T00:59:59.000000Z", "2026-03-29"),
        ("2026-10-25T00:30:00.000000Z", "2026-10-25"),
    ],
)
def test_a_moment_becomes_the_day_in_amsterdam(moment: str, expected: str) -> None:
    assert amsterdam_day(moment) == expected


def test_crafter_moments_have_one_width_so_that_text_order_is_time_order() -> None:
    assert utc_moment("2026-01-01T10:00:00Z", "updated_at") == "2026-01-01T10:00:00.000000Z"
    assert utc_moment("2026-01-01T10:00:00.5Z", "updated_at") == "2026-01-01T10:00:00.500000Z"
    assert utc_moment("2026-01-01T11:00:00+01:00", "updated_at") == "2026-01-01T10:00:00.000000Z"
    for odd in ("2026-01-01T10:00:00", "gisteren", None, 5):
        with pytest.raises(Malformed):
            utc_moment(odd, "updated_at")


def test_accountview_moments_are_local_and_an_empty_one_is_no_moment() -> None:
    assert local_moment("2026-10-25T02:30:00", "changed_at") == "2026-10-25T02:30:00"
    assert local_moment("2026-10-25T00:30:00Z", "changed_at") == "2026-10-25T02:30:00"
    assert local_moment("1899-12-30T00:00:00", "changed_at") == ""
    assert local_moment("", "changed_at") == ""
    with pytest.raises(Malformed):
        local_moment("2026-02-31T10:00:00", "changed_at")


def test_references_are_the_same_for_ever_and_fit_their_column() -> None:
    assert reference("order", "abc") == reference("order", "abc") != reference("hour", "abc")
    assert len(reference("order", "x" * 36)) == 27
    assert crafter_reference("DEMO", "location", "10001:postal") == "av:DEMO:location:10001:postal"


def test_names_are_compared_without_case_spacing_and_sharp_s() -> None:
    assert squeeze(" De  Vries\nB.V.") == squeeze("de vriesB.V. ")
    assert squeeze("Straße") == squeeze("STRASSE")
    assert squeeze(f"1234{NBSP}ab") == squeeze("1234AB")
    assert squeeze(None) == ""


@pytest.mark.parametrize(
    ("pasted", "plain"),
    [("\u200b10001", "10001"), ("a\u00adb@c.nl\ufeff", "a\u00adb@c.nl".replace("\u00ad", "")), ("\u200e", None),
     (" é\u2060 ", "é"), ("👩\u200d👧", "👩👧"), (None, None)],
)  # fmt: skip
def test_invisible_characters_are_no_part_of_what_people_paste(pasted: str | None, plain: str | None) -> None:
    assert bare(pasted, "number") == plain
