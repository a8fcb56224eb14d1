"""What AccountView's columns can hold: width, upper case, alphabet, decimals (behaviour 13 and 14)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from avsync.records.fit import Column, DoesNotFit, Fitted, fit, fit_quantity

NAME = Column(width=40)
NUMBER = Column(width=10, upper=True)
MEMO = Column(memo=True)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=120)


def test_what_fits_goes_as_it_is() -> None:
    awkward = "Café Ünïcode & Zn. <b> 'Het' \"Huis\" 100% €5 – OK"
    assert fit(awkward, Column(width=80), free=False) == Fitted(awkward)
    assert fit(None, NAME, free=False) == Fitted(None)


@pytest.mark.parametrize("width", [1, 10, 40])
def test_the_width_is_the_last_one_that_fits(width: int) -> None:
    column = Column(width=width)
    assert fit("x" * width, column, free=False).value == "x" * width
    with pytest.raises(DoesNotFit) as refusal:
        fit("x" * (width + 1), column, free=False)
    assert (refusal.value.code, refusal.value.detail) == ("too_long", str(width))


def test_free_text_is_cut_at_the_width_with_an_ellipsis_and_says_so() -> None:
    made = fit("Vervangen van de cv-ketel in het ketelhuis aan de achterzijde", NAME, free=True)
    assert made.value == "Vervangen van de cv-ketel in het ketelh…"
    assert (made.remark, made.detail) == ("cut", "40")


def test_a_cut_leaves_no_space_before_the_ellipsis() -> None:
    assert fit("aaaa bbbb", Column(width=6), free=True).value == "aaaa…"


@pytest.mark.parametrize("foreign", ["🙂", "Ж", "ł", "中", "→"])
def test_a_name_outside_windows_1252_is_refused_and_names_the_characters(foreign: str) -> None:
    with pytest.raises(DoesNotFit) as refusal:
        fit(f"Jansen {foreign}{foreign}", NAME, free=False)
    assert (refusal.value.code, refusal.value.detail) == ("foreign_characters", foreign)


def test_a_character_that_nobody_can_see_is_told_by_its_number() -> None:
    with pytest.raises(DoesNotFit) as refusal:
        fit("Jansen\u200b Ж \u202eBV", NAME, free=False)
    assert refusal.value.detail == "U+200B, Ж, U+202E"


def test_free_text_outside_windows_1252_is_written_in_plain_letters_and_says_so() -> None:
    made = fit("Łódź 🙂 klaar → naar Жуков", Column(width=80), free=True)
    assert made.value == "Lódz  klaar  naar Zhukov"
    assert made.remark == "respelled"
    assert made.detail == "Ł, ź, 🙂, →, Ж, …"


def test_upper_case_columns_get_upper_case_and_sharp_s_counts_for_two() -> None:
    assert fit("1234 ab", NUMBER, free=False).value == "1234 AB"
    with pytest.raises(DoesNotFit):
        fit("straßestra", NUMBER, free=False)  # STRASSESTRA is eleven


def test_line_breaks_become_spaces_except_in_a_memo() -> None:
    assert fit("een\ntwee", NAME, free=False).value == "een twee"
    assert fit("een\ntwee", MEMO, free=True).value == "een\ntwee"


@given(ANY_TEXT, st.integers(2, 60), st.booleans())
def test_fitted_free_text_always_fits_and_fitting_it_again_changes_nothing(value: str, width: int, upper: bool) -> None:
    column = Column(width=width, upper=upper)
    made = fit(value, column, free=True).value
    assert made is None or (len(made) <= width and made.encode("cp1252") and "\n" not in made)
    again = fit(made, column, free=True)
    assert (again.value, again.remark) == (made, "")


@given(ANY_TEXT, st.integers(1, 60))
@example("een\ttwee", 10)
def test_what_is_not_free_is_refused_or_whole(value: str, width: int) -> None:
    try:
        made = fit(value, Column(width=width), free=False)
    except DoesNotFit:
        return
    assert (made.value or "") == value.replace("\n", " ").replace("\t", " ").strip()
    assert made.remark == ""


# decimals


@pytest.mark.parametrize(
    ("given_", "decimals", "made", "remark"),
    [
        ("7.5", 2, "7.5", ""),
        ("0.3333", 4, "0.3333", ""),
        ("0.3333", 2, "0.33", "rounded"),
        ("0.125", 2, "0.13", "rounded"),
        ("-0.125", 2, "-0.13", "rounded"),
        ("1.999", 2, "2", "rounded"),
        ("0.004", 2, "0", "rounded"),
        (None, 2, None, ""),
    ],
)
def test_a_quantity_keeps_the_decimals_of_its_column(given_: str | None, decimals: int, made: str, remark: str) -> None:
    found = fit_quantity(given_, Column(decimals=decimals))
    assert (found.value, found.remark) == (made, remark)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4))
def test_rounding_never_moves_a_quantity_by_more_than_half_its_last_place(number: Decimal) -> None:
    made = fit_quantity(format(number, "f"), Column(decimals=2)).value
    assert made is not None
    assert abs(Decimal(made) - number) <= Decimal("0.005")
