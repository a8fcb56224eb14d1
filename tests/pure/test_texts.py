"""Every text as people read it: no names of ours, no ids, no half sentences, for every kind of record it can meet."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.config import mistakes
from avsync.errors import ConfigError
from avsync.messages import texts
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER

FOLDER = Path(texts.__file__).parent
SENTENCES = ("check", "login", "init", "schedule")  # files whose rows are sentences, not words or pieces
PIECES = {"check.learn_confirm", "check.users_more"}  # they stand in a sentence
NOT_BY_SIGHT = ("about_id", "parent_id", "parent_key", "employee_id", "slot", "record", "entity_id")
ALSO_DUTCH = {"code", "project", "type", "status", "contact"}
NOT_SAID = (  # what a Dutch support person would not say
    "run", "runs", "record", "records", "flow", "flows", "onze", "meegegaan", "eist er een", "uursoort", "urencode",
    "medewerkernummer", "items van soort",
)  # fmt: skip


def _file(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def _rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every way in which a problem is said."""
    for code, row in _file("problems").items():
        yield code, row
        for name, variant in row.get("without", {}).items():
            yield f"{code} without {name}", variant
        for name, variant in row.get("of", {}).items():
            yield f"{code} of {name}", variant


def _sentences(language: str) -> Iterator[tuple[str, str]]:
    for code, row in _rows():
        for said in row[language]:
            yield code, said
    for name in SENTENCES:
        if (FOLDER / f"{name}.yaml").exists():
            for key, pair in _file(name).items():
                if not key.startswith(("part_", "next_")) or name == "init" and key.startswith("part_"):
                    yield f"{name}.{key}", pair[language == "en"]


def _plain(said: str) -> str:
    """Without what stands between backticks and what is filled in."""
    return re.sub(r"\{[^}]*\}", "…", re.sub(r"`[^`]*`", "`", said))


def _gaps(said: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(said) if name}


def test_no_dutch_text_holds_a_field_name_of_ours() -> None:
    names = {
        name for kind in KINDS.values() for one in kind.fields for name in (one.name, one.accountview, one.crafter)
    }
    wanted = re.compile(rf"\b({'|'.join(sorted({name for name in names if name} - ALSO_DUTCH))})\b")
    words = [(f"{file}.{key}", pair[0]) for file in ("words", "fields") for key, pair in _file(file).items()]
    found = {(code, match[0]) for code, said in [*_sentences("nl"), *words] for match in wanted.finditer(_plain(said))}
    assert not found


@pytest.mark.parametrize("language", ["nl", "en"])
def test_no_text_is_filled_with_an_id(language: str) -> None:
    assert not {(code, name) for code, said in _sentences(language) for name in _gaps(said) & set(NOT_BY_SIGHT)}


@pytest.mark.parametrize("language", ["nl", "en"])
def test_no_text_begins_in_lower_case(language: str) -> None:
    begins = [(code, said) for code, said in _sentences(language) if said and code not in PIECES]
    assert not [one for one in begins if one[1].lstrip("“")[0].islower() and not _is_a_name(one[1])]
    assert not [one for one in begins if one[1].startswith(tuple(f"{{{name}}}" for name in texts._MAY_BEGIN))]


def _is_a_name(said: str) -> bool:
    return said.startswith("avsync")


def test_no_dutch_text_says_what_nobody_would_say() -> None:
    wanted = re.compile(rf"\b({'|'.join(NOT_SAID)})\b")
    assert not {(code, match[0]) for code, said in _sentences("nl") for match in wanted.finditer(_plain(said))}


# --- every problem, of every kind that it can meet

FILLED = {
    "message": "Debiteur is geblokkeerd", "candidates": "10001, 10002", "detail": "40", "value": "Waarde",
    "found": "'x'",
    "kept": "2026-06-01", "lost": "2026-06-02", "count": 3, "service": "AccountView", "mistakes": "- fout.",
    "missing": "\n- naam.", "quantity": "7.5", "rounded": "7.5", "why": "Te veel.",
}  # fmt: skip
OPAQUE = "3f2a9c4e-0000-4000-8000-000000000000"


def _params(row: dict[str, Any], kind: str, field: str, language: str) -> dict[str, Any]:
    """Something for every gap, and an id for all that must not show."""
    gaps = set().union(*(_gaps(said) for said in row[language]))
    made: dict[str, Any] = {name: FILLED.get(name, f"Waarde{len(name)}") for name in map(str.lower, gaps)}
    made |= {"parent_kind": "customer", "field": field, "flow": "customers", "part": "customers"}
    return made | dict.fromkeys(NOT_BY_SIGHT, OPAQUE)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("kind", [*KINDS, "user", "flow"])
def test_every_problem_is_a_sentence_for_every_kind_it_can_meet(kind: str, language: str) -> None:
    fields = [one.name for one in KINDS[kind].fields] if kind in KINDS else ["name"]
    for code, row in _file("problems").items():
        for side in (ACCOUNTVIEW, CRAFTER):
            for field in fields if any("{field}" in said.lower() for said in row[language]) else fields[:1]:
                for empty in ("", *row.get("without", {})):
                    said = row.get("without", {}).get(empty, row)
                    params = _params(said, kind, field, language) | ({empty: ""} if empty else {})
                    for one in texts.text(code, language, params, kind, side, 14):
                        where = (code, kind, field, side, one)
                        assert "{" not in one, where
                        assert not re.search("[a-z]_[a-z]", _plain(one)), where
                        assert OPAQUE not in one, where
                        assert not one or not one[0].islower() or _is_a_name(one), where
                        assert not one or one.rstrip("”)`")[-1] in ".?:", where


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_words(kind: str) -> None:
    for name in (kind, f"this_{kind}", f"several_{kind}"):
        assert texts.known(name), name


# --- values as people write them


def test_days_numbers_and_moments_are_those_of_the_netherlands() -> None:
    assert texts.written("2026-06-01", "day", "nl") == "1 juni 2026"
    assert texts.written("2026-06-01", "date", "nl") == "1-6-2026"
    assert texts.written("7.5", "number", "nl") == "7,5"
    assert texts.written("7.5", "number", "en") == "7.5"
    assert texts.moment("nl", "2026-06-30T22:30:00.000000Z") == "1 juli 2026 00:30", "by the clock there"
    assert texts.stamp("2026-01-31T23:30:00.000000Z") == "01-02-2026 00:30"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "zojuist"), (59, "zojuist"), (61, "1 minuut"), (3599, "59 minuten"), (3600, "1 uur"), (86400, "1 dag"),
     (3 * 86400, "3 dagen"), (15 * 86400, "2 weken"), (-90, "zojuist")],
)  # fmt: skip
def test_an_age_is_told_in_the_largest_unit_that_fits(seconds: int, said: str) -> None:
    now = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    assert texts.age("nl", (now - timedelta(seconds=seconds)).isoformat(), now) == said


@pytest.mark.parametrize(
    ("kind", "key", "name", "facts", "said"),
    [
        ("customer", "10001", "Vos", {}, "10001 (Vos)"),
        ("customer", "", "Vos", {}, "Vos"),
        ("customer", "Vos", "Vos", {}, "Vos"),
        ("order", "500", "Ketel", {"own_number": "WB1", "number": "500"}, "WB1 (500), Ketel"),
        ("order", "500", "Ketel", {"own_number": "500", "number": "500"}, "500, Ketel"),
        ("order", "500", "Ketel", {}, "500, Ketel"),
        ("order", "", "Ketel", {}, "Ketel"),
        ("order", "WB1", "WB1", {"own_number": "WB1"}, "WB1"),
        (
            "hour",
            "",
            "x",
            {"date": "2026-06-01", "quantity": "0.25", "time_code": "travel"},
            "1 juni 2026, 0,25 uur reistijd",
        ),
        ("hour", "", "x", {}, ""),
        ("location", "10001", "Vos", {}, "van klant 10001 Vos"),
        ("location", "", "Dorpsstraat 1", {}, "Dorpsstraat 1"),
    ],
)
def test_a_record_is_called_by_what_is_known_of_it(
    kind: str, key: str, name: str, facts: dict[str, str], said: str
) -> None:
    assert texts.called("nl", kind, key, name, facts) == said


def test_what_a_machine_said_is_in_dutch_as_far_as_it_is_known() -> None:
    assert texts.in_dutch("HTTP 200, no JSON") == "HTTP 200, geen JSON"
    assert texts.in_dutch("no connection in time") == "geen verbinding binnen de tijd"
    assert texts.in_dutch("Onbekend") == "Onbekend"
    said = texts.text("config_unreadable", "nl", {"path": "x", "detail": "Permission denied"})[0]
    assert said.endswith("geen toestemming [Permission denied]."), "its own words can be looked up"
    assert "Permission denied" in texts.text("config_unreadable", "en", {"path": "x", "detail": "Permission denied"})[0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a:\n\tb: 1\n", "een tab"), ("a:1\nb: 2\n", "dubbele punt"), ('a: "x\nb: 2\n', "aanhalingsteken"),
        ("a:\n    b: 1\n  c: 2\n", "inspringing"), ("a: [1\nb: 3\n", "niet gesloten"), ("a: *x\n", "een *"),
        ("- a\nb: 1\n", "streepje"), ('a: "C:\\dir"\n', "dubbele aanhalingstekens"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_config_is_said_in_dutch(tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError) as broken:
        mistakes.read(path)
    sentence = texts.text(broken.value.code, "nl", broken.value.params)[0]
    assert said in sentence
    assert not re.search(r"\b(found|expected|allowed|while)\b", sentence)


@pytest.mark.parametrize("file", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_a_row_by_itself_says_what_it_says_in_its_file(file: str) -> None:
    """Rows are read one at a time, most of them as JSON."""
    written, rows = _file(file), texts._read(file)
    assert list(rows) == list(written)
    assert {name: rows[name] for name in rows} == written
    assert texts._read(file).get("no such row") is None


def test_a_contact_person_has_no_number_to_fill_in() -> None:
    for kind, step in (("customer", "nummer uit AccountView in"), ("contact", "hetzelfde e-mailadres")):
        assert step in texts.text("several_candidates", "nl", {"candidates": "Jan"}, kind, CRAFTER, 1)[1]
