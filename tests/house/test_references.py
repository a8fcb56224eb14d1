"""Whoever cites a rule gets the rule: every reference in code and tests leads to something that stands there.

The forms stand at the head of RULES.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "avsync" / "RULES.md"
ACCOUNTVIEW = ROOT / "avsync" / "services" / "accountview" / "CONTRACT.md"
CRAFTER = ROOT / "avsync" / "services" / "crafter" / "CONTRACT.md"
DOCUMENTS = (RULES, ACCOUNTVIEW, CRAFTER)

_NUMBERS = r"(\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*)"
_TITLE = r"([^).,;:\"`*]+)"
FORMS = {
    "behaviour": re.compile(r"\b[Bb]ehaviour " + _NUMBERS),
    "law": re.compile(r"\b[Ll]aws? " + _NUMBERS),
    "AccountView contract": re.compile(r"\bAccountView contract " + _NUMBERS),
    "Crafter contract": re.compile(r"\bCrafter contract, " + _TITLE),
    "RULES.md": re.compile(r"\bRULES\.md, " + _TITLE),
}
OLD_FORMS = (
    re.compile(r"\b(design|behaviour|accountview|crafter)\.md\b"),
    re.compile(r"\bdesign([,:]| rule)|, design\)", re.IGNORECASE),
    re.compile(r"\b(contract,? )?sections? \d", re.IGNORECASE),
    re.compile(r"(?<!AccountView )(?<!Crafter )\bcontract(, \w| \d)"),
    re.compile(r"\bissue \d"),
)


def files() -> Iterator[Path]:
    """Everything that may cite a rule."""
    for room in ("avsync", "tests"):
        for ending in ("py", "yaml", "md", "toml"):
            yield from sorted((ROOT / room).rglob(f"*.{ending}"))
    yield from (ROOT / name for name in ("Makefile", "pyproject.toml", "config.example.yaml"))


def text(path: Path) -> str:
    """On one line, so that a reference may be broken over two, in comments too."""
    return re.sub(r"\s*\n\s*(# ?)?", " ", path.read_text(encoding="utf-8"))


def references(path: Path) -> Iterator[tuple[str, str, str]]:
    """(what is cited, one number or title of it, the words that cite it), for every reference in a file."""
    for form, pattern in FORMS.items():
        for found in pattern.finditer(text(path)):
            for one in spread(found[1]) if form in NUMBERED else [found[1].strip().lower()]:
                yield form, one, found[0]


def spread(numbers: str) -> list[str]:
    """`13 and 14`, `36-41` as single numbers."""
    single: list[str] = []
    for part in re.split(r", | and ", numbers):
        first, _, last = part.partition("-")
        single += [str(number) for number in range(int(first), int(last or first) + 1)] or [part]
    return single


def titles(path: Path) -> list[str]:
    """The headings below the document's own name, in lower case."""
    return [found.lower() for found in re.findall(r"^##+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)]


def items(title: str) -> list[int]:
    """The numbers under a heading of the rules, as often as they stand there."""
    chapter = re.split(r"^## ", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    below = next(one for one in chapter if one.startswith(f"{title}\n"))
    return [int(found) for found in re.findall(r"^\*\*(\d+)\.\*\*", below, re.MULTILINE)]


NUMBERED = {
    "behaviour": {str(number) for number in items("Behaviour")},
    "law": {str(number) for number in items("Laws")},
    "AccountView contract": {found for one in titles(ACCOUNTVIEW) for found in re.findall(r"^(\d+)\. ", one)},
}
TITLED = {"Crafter contract": titles(CRAFTER), "RULES.md": titles(RULES)}


def stands(form: str, one: str) -> bool:
    """A title may be cited by its first words."""
    if form in NUMBERED:
        return one in NUMBERED[form]
    return any(f"{title} ".startswith(f"{one} ") for title in TITLED[form])


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_reference_leads_to_something_that_stands_there() -> None:
    dead = [
        f"{named(path)}: {words}" for path in files() for form, one, words in references(path) if not stands(form, one)
    ]
    assert not dead


def test_there_are_references_of_every_form() -> None:
    found = Counter(form for path in files() if path not in DOCUMENTS for form, _, _ in references(path))
    assert found.keys() == FORMS.keys()
    assert found.total() > 100


def old_forms(path: Path) -> list[str]:
    return [f"{named(path)}: {found[0]}" for form in OLD_FORMS for found in form.finditer(text(path))]


def test_nobody_cites_what_is_not_in_the_repository() -> None:
    assert not [one for path in files() for one in old_forms(path)]


def test_the_numbers_of_the_rules_are_complete_and_unique() -> None:
    assert sorted(items("Behaviour")) == list(range(1, 55))
    assert items("Laws") == list(range(1, 11))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("(behaviour 18)", [("behaviour", "18")]),
        ("behaviour 2, 13\n    # and 14.", [("behaviour", "2"), ("behaviour", "13"), ("behaviour", "14")]),
        ("behaviour 36-38", [("behaviour", "36"), ("behaviour", "37"), ("behaviour", "38")]),
        ("the one broad `except` (law\n8).", [("law", "8")]),
        ("(AccountView contract 3 and 4)", [("AccountView contract", "3"), ("AccountView contract", "4")]),
        ("(Crafter contract, what a server may do)", [("Crafter contract", "what a server may do")]),
        ("(RULES.md, one record's way, step 6)", [("RULES.md", "one record's way")]),
        ("as the Crafter contract assumes it", []),
    ],
)
def test_the_forms_are_recognised(tmp_path: Path, words: str, found: list[tuple[str, str]]) -> None:
    (tmp_path / "some.py").write_text(words, encoding="utf-8")
    assert [(form, one) for form, one, _ in references(tmp_path / "some.py")] == found
    assert all(stands(*one) for one in found)


@pytest.mark.parametrize(
    ("form", "one"),
    [
        ("behaviour ", "0"),
        ("behaviour ", "55"),
        ("law ", "11"),
        ("AccountView contract ", "9"),
        ("Crafter contract, ", "transports"),
        ("RULES.md, ", "the hou"),
    ],
)
def test_a_dead_reference_is_seen(tmp_path: Path, form: str, one: str) -> None:
    (tmp_path / "some.py").write_text(f"({form}{one})", encoding="utf-8")
    assert [stands(*found[:2]) for found in references(tmp_path / "some.py")] == [False]


@pytest.mark.parametrize("words", ["design|, rule 2", "behaviour.|md", "accountview.|md 3", "contract|, sec|tion 3"])
def test_an_old_form_is_seen(tmp_path: Path, words: str) -> None:
    (tmp_path / "some.py").write_text(words.replace("|", ""), encoding="utf-8")
    assert any(form.search(text(tmp_path / "some.py")) for form in OLD_FORMS)
