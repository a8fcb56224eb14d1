"""Whether two records that look alike can be one: what their names, addresses and numbers say. Pure.

Nothing here finds a record. It says what speaks against one that was found, because a wrong match renames somebody
else's customer, and a match that was not made is only a question (behaviour 6).
"""

from __future__ import annotations

import re
import unicodedata

from avsync.records.values import Canonical, squeeze

_FORMS = frozenset(("bv", "nv", "vof", "cv", "bvba", "gmbh", "ltd", "inc", "firma", "fa", "stichting"))
_PARTICLES = frozenset((
    "de", "den", "der", "des", "het", "te", "ten", "ter", "van", "vd", "von", "la", "le", "en", "and", "und", "of",
    "in", "op", "aan", "bij",
))  # fmt: skip
_HOUSE = re.compile(r"(\d+)(?:\s*([a-z]\w{0,3})|\s*[-/]\s*(\w+))?\W*$")
_LONGEST = 40  # characters in which a house number is looked for


def words(name: Canonical) -> frozenset[str]:
    """The words of a name that tell it from others: without case, accents, particles and legal forms. Of a name that
    has no others, all of them."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    found = frozenset(re.findall(r"\w+", re.sub(r"(?<=\b\w)\.(?=\w\b)", "", plain)))  # b.v. is bv
    return frozenset(word for word in found - _FORMS - _PARTICLES if len(word) > 1) or found


def share_a_word(one: Canonical, two: Canonical) -> bool:
    """Whether two names have a word in common, or are the same but for their spaces. No name contradicts nothing."""
    here, there = words(one), words(two)
    return not here or not there or bool(here & there) or _letters(one) == _letters(two)


def _letters(name: Canonical) -> str:
    return "".join(char for char in squeeze(name) if char.isalnum())


def other_house_number(one: Canonical, two: Canonical) -> bool:
    """Whether both addresses have a house number, and not the same; an addition counts where both have one."""
    here, there = _house_number(one), _house_number(two)
    if not here or not there:
        return False
    return here[0] != there[0] or bool(here[1] and there[1] and here[1] != there[1])


def _house_number(street: Canonical) -> tuple[str, str] | None:
    """Number and addition at the end of a street (`Plein 1944 12a` is 12, a)."""
    found = _HOUSE.search((street or "").casefold()[-_LONGEST:])
    return (found[1].lstrip("0"), found[2] or found[3] or "") if found else None


def other_phone(one: Canonical, two: Canonical) -> bool:
    """Whether both have a telephone number, and not the same in whatever notation."""
    return bool(one and two) and _digits(one) != _digits(two)


def _digits(phone: Canonical) -> str:
    kept = re.sub(r"[^\d+]", "", (phone or "").replace("(0)", ""))
    national = re.sub(r"^(\+31|0031)0?", "0", kept)
    return national or squeeze(phone)


def other_mail(one: Canonical, two: Canonical) -> bool:
    """Whether both have an e-mail address, and not the same."""
    return bool(one and two) and squeeze(one) != squeeze(two)


Name = tuple[Canonical, Canonical]  # first, last


def other_person(one: Name, two: Name) -> bool:
    """Whether these are the names of two people. Initials are short for a name; what is missing contradicts nothing."""
    if one[0] and two[0]:
        return _other_first_name(one[0], two[0]) or not share_a_word(one[1], two[1])
    here, there = (words(" ".join(filter(None, name))) for name in (one, two))
    return not (here <= there or there <= here)


def _other_first_name(one: Canonical, two: Canonical) -> bool:
    return not (share_a_word(one, two) or _is_short_for(one, two) or _is_short_for(two, one))


def _is_short_for(initials: Canonical, name: Canonical) -> bool:
    """`J.W.` or `JW` of Jan Willem, `J.` of it as well."""
    first = "".join(word[0] for word in re.findall(r"\w+", (name or "").casefold()))
    short = "".join(re.findall(r"\w", (initials or "").casefold()))
    return first.startswith(short)
