"""Whether two that look alike can be one: names, house numbers, telephone numbers and people."""

from __future__ import annotations

import time

import pytest

from avsync.records.match import other_house_number, other_mail, other_person, other_phone, share_a_word, words


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("Installatiebedrijf Jansen", "JANSEN installaties B.V.", True),
        ("Jansen B.V.", "De Vries B.V.", False),
        ("Loodgieter van der Berg", "Schilder van der Meer", False),
        ("V.O.F. De Vries", "de vries", True),
        ("Café René", "Cafe Rene", True),
        ("KPN", "Kpn Nederland", True),
        ("Vos-Bakkerij", "VosBakkerij", True),
        ("B.V.", "b.v.", True),
        ("H.V.B.", "HVB", True),
        ("A. Jansen", "A. Bakker", False),
        ("Garage Smit", "Bakkerij Vos", False),
        ("Garage Smit", None, True),
        ("Garage Smit", "!", True),
    ],
)
def test_names_have_a_word_in_common(one: str, two: str | None, same: bool) -> None:
    assert share_a_word(one, two) is share_a_word(two, one) is same


@pytest.mark.parametrize(
    ("one", "two", "other"),
    [
        ("Dorpsstraat 1", "Dorpsstraat 3", True),
        ("Dorpsstraat 1", "dorpsstr. 1", False),
        ("Dorpsstraat 1", "Dorpsstraat", False),
        ("Dorpsstraat 1", None, False),
        ("Dorpsstraat 1a", "Dorpsstraat 1 A", False),
        ("Dorpsstraat 1a", "Dorpsstraat 1", False),
        ("Dorpsstraat 1a", "Dorpsstraat 1b", True),
        ("Dorpsstraat 1-3", "Dorpsstraat 1", False),
        ("Plein 1944 12", "Plein 1944 14", True),
        ("Plein 1944 12", "Plein 1944 12-hs", False),
        ("Postbus 9", "Postbus 09", False),
        ("2e Kade 15", "Tweede Kade 15", False),
    ],
)
def test_a_house_number_is_what_stands_at_the_end(one: str, two: str | None, other: bool) -> None:
    assert other_house_number(one, two) is other_house_number(two, one) is other


@pytest.mark.parametrize("hostile", ["1" * 100_000 + "~x", "1 " * 50_000 + "x", "1" + "-" * 100_000 + "~x"])
def test_a_hostile_street_takes_no_time(hostile: str) -> None:
    before = time.process_time()
    other_house_number(hostile, "Dorpsstraat 1")
    share_a_word(hostile, "Jansen")
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("one", "two", "other"),
    [
        ("030-1234567", "+31 (0)30 123 45 67", False),
        ("030-1234567", "0031301234567", False),
        ("030-1234567", "030-1234568", True),
        ("030-1234567", None, False),
        ("bellen na 5", "bellen na 6", True),
        ("geen", "onbekend", True),
    ],
)
def test_a_telephone_number_is_its_digits(one: str, two: str | None, other: bool) -> None:
    assert other_phone(one, two) is other_phone(two, one) is other


def test_an_email_address_has_no_capitals() -> None:
    assert not other_mail("Info@Jansen.nl", "info@jansen.nl")
    assert other_mail("info@jansen.nl", "jansen@home.nl")
    assert not other_mail("info@jansen.nl", None)


@pytest.mark.parametrize(
    ("one", "two", "other"),
    [
        (("Eva", "de Wit"), ("E.", "Wit"), False),
        (("Eva", "de Wit"), ("", "Eva de Wit"), False),
        (("Eva", "de Wit"), ("", ""), False),
        (("Eva", "Wit-Bos"), ("Eva", "Bos"), False),
        (("Jan Willem", "de Boer"), ("J.W.", "Boer"), False),
        (("Jan Willem", "de Boer"), ("JW", "de Boer"), False),
        (("Eva", "Jansen"), ("Bob", "Jansen"), True),
        (("Eva", "de Wit"), ("Eva", "de Boer"), True),
        (("Eva", "de Wit"), ("B.", "de Wit"), True),
        (("Jan", ""), ("", "Piet"), True),
    ],
)
def test_two_people_are_told_apart_by_either_name(one: tuple[str, str], two: tuple[str, str], other: bool) -> None:
    assert other_person(one, two) is other_person(two, one) is other


def test_a_name_of_nothing_but_small_words_has_those() -> None:
    assert words("De B.V.") == {"de", "bv"}
    assert words("") == words(None) == frozenset()
