"""`avsync errors`: the cards, one problem told whole, what is looked for, the files, and what may be done about it."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from avsync.commands import cards
from avsync.sandbox import seed
from tests.support.office import Office, office, shop
from tests.support.world import line

ALL = {"invoice": "export", "hours": "export"}
LONG = "Vereniging van Eigenaars Residentie Waterland"
SMALL: dict[str, Any] = {"customers": 8, "projects": 4, "orders": 2, "work_orders": 6, "hours": 8}


def unknown_project(one: Office, number: int = 9) -> None:
    known = {"name": f"Alleen hier {number}", "customer_id": "klant-1", "project_type_id": "soort"}
    one.box.crafter.add("projects", id=f"project-{number}", project_code=f"P{number}", **known)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The demo world with its bad records, and nearly four hundred hours lines on one project that is not there."""
    folder = tmp_path_factory.mktemp("crowded")
    with office(folder, seed.world(seed=2, customers=10, projects=4, orders=4, work_orders=6, hours=4)) as one:
        one.config["language"] = "nl"
        klant, kind = one.box.crafter.records("customers")[0]["id"], one.box.crafter.records("project-types")[0]["id"]
        one.box.crafter.add(
            "projects", id="project-9", project_code="P9", name="Weg", customer_id=klant, project_type_id=kind
        )
        user = next(each for each in one.box.crafter.records("users") if each["unique_code"])
        for number in range(378):
            day = f"2026-{number % 9 + 1:02}-{number % 28 + 1:02}"
            one.hour(f"h{number}", user_id=user["id"], project_id="project-9", date=day, hours="7.5")
        one.run()
        yield one


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Office]:
    """Three hours lines on an unknown project, a customer whose name is too long, and what waits for that."""
    with shop(tmp_path, ALL) as one:
        one.config["language"] = "nl"
        unknown_project(one)
        for number in range(3):
            one.hour(f"h{number}", project_id="project-9")
        one.new_klant(LONG, id="klant-9", customer_number="20009")
        one.work_order("w1", customer_id="klant-9", number="WB1")
        one.run()
        yield one


def ids(one: Office) -> dict[str, int]:
    return {found["code"]: found["id"] for found in one.errors()}


def places(text: str) -> int:
    """On a screen, reckoned by somebody else than the program."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


# --- cards


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_four_hundred_problems_fit_on_the_screen(
    crowded: Office, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    found = crowded.errors()
    assert sum(each["count"] for each in found) == 403
    said = crowded.avsync("errors").out.splitlines()
    assert max(map(places, said)) <= columns
    if columns == 80:
        assert len(said) <= 130
    assert said[0].startswith(f"{len(found)} oorzaken, 403 items: planner ")


def test_without_a_terminal_a_line_has_eighty_places(crowded: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert max(map(places, crowded.avsync("errors").out.splitlines())) in range(70, 81)


def test_cards_stand_by_severity_who_and_size(crowded: Office) -> None:
    said = crowded.avsync("errors").out
    heads = re.findall(r"^([A-Z]+) – (\w[\w ]*) \((\d+)\)$", said, re.M)
    assert [head[0] for head in heads] == sorted(
        (head[0] for head in heads), key=["FOUTEN", "WAARSCHUWINGEN", "WACHT"].index
    )
    assert heads[0][:2] == ("FOUTEN", "planner")
    assert sum(int(head[2]) for head in heads) == 403
    first = said.partition("FOUTEN – planner")[2].splitlines()[1]
    assert "P9" in first, "the largest of them first"


def test_a_card_names_the_first_five_records_and_how_many_more_there_are(crowded: Office) -> None:
    flat = re.sub(r"\s+", " ", crowded.avsync("errors").out)
    card = flat.partition("Project P9")[2][:700]
    assert "→ Maak het project in AccountView aan" in card
    assert "378 urenregels" in card
    assert card.count("7,5 uur werktijd") == 5
    assert "en nog 373" in card


def test_what_is_each_records_own_shares_a_card_with_the_numbers_in_it(tmp_path: Path) -> None:
    with shop(tmp_path) as one:
        one.config["language"] = "nl"
        for number in range(60):
            one.new_klant(f"{LONG} {number}", id=f"klant-{number + 10}")
        one.run()
        found = one.errors()
        assert len(found) == 60
        said = one.avsync("errors").out
        assert len(said.splitlines()) < 20
        flat = re.sub(r"\s+", " ", said)
        assert "De naam “…” is te lang voor AccountView (maximaal 40 tekens)" in flat
        assert f"{found[0]['id']} {LONG} 0" in flat
        assert "en nog 55" in flat


@pytest.mark.parametrize("columns", [10, 37, 60])
def test_no_line_is_wider_than_the_terminal_whatever_stands_in_it(columns: int) -> None:
    for text in ("a" * 300, "漢字 " * 40, "e\u0301" * 90, "kort woord 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", ""):
        lines = list(cards.wrapped(text, columns))
        assert max(map(places, lines)) <= columns
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_on_a_terminal_a_long_list_goes_by_the_page(crowded: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr("avsync.commands.errors.sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("avsync.commands.errors._is_terminal", lambda: True)
    monkeypatch.setattr("click.echo_via_pager", paged.append)
    crowded.avsync("errors")
    assert len(paged) == 1


# --- one problem told whole


def test_one_problem_is_told_whole(few: Office) -> None:
    number = ids(few)["project_unknown"]
    flat = re.sub(r"\s+", " ", few.avsync("errors", str(number)).out)
    assert f"Nr {number} – fout – planner – uren" in flat
    assert "Project P9 (Alleen hier 9) bestaat niet in AccountView" in flat
    assert flat.count("Urenregel Anja Bos, 1 juni 2026, 7,5 uur werktijd, project P9") >= 3
    assert "Sinds " in flat
    assert "zojuist" in flat
    assert "In de tijdlijn: 3 urenregels: Project P9" in flat
    assert re.search(r"datum 1 juni 2026", flat)
    assert re.search(r"medewerker Anja Bos", flat)


def test_both_sides_are_shown(few: Office) -> None:
    few.run()
    few.box.crafter.edit("customers", "klant-1", name=LONG)
    few.run()
    number = next(found["id"] for found in few.errors() if found["record"] == "klant-1")
    said = few.avsync("errors", str(number)).out
    (name,) = [each for each in said.splitlines() if each.startswith("  naam")]
    assert "Bakkerij Vos" in name
    assert name.index("Bakkerij Vos") < name.index("Vereniging")


def test_a_refusal_shows_the_services_words_and_what_was_sent(few: Office) -> None:
    few.box.accountview.edit("PROJECTS", "P1", END_DATE="2026-01-31")
    few.hour("dicht", project_id="project-1")
    few.run()
    number = ids(few)["rejected_by_accountview"]
    flat = re.sub(r"\s+", " ", few.avsync("errors", str(number)).out)
    assert "Letterlijk antwoord: “" in flat
    assert "afgesloten" in flat.partition("Letterlijk antwoord:")[2]
    assert "Verstuurd:" in flat
    sent = flat.partition("Verstuurd:")[2]
    assert "aantal uren “7,5”" in sent
    assert "datum “1 juni 2026”" in sent
    assert "avs" not in sent.partition("In de tijdlijn:")[0].replace("avsync", "")


def test_lines_of_a_work_order_are_shown_as_ticked_and_as_sent(tmp_path: Path) -> None:
    with shop(tmp_path, ALL) as one:
        one.config["language"] = "nl"
        one.work_order("w1")
        one.goes()
        one.change("w1", status="checked", lines=[line("l1", "PUMP-1", "2"), line("l2", "WEG-1", "3")])
        one.run()
        flat = re.sub(r"\s+", " ", one.avsync("errors", str(one.problem()["id"])).out)
        assert "Aangevinkt in Crafter: 2 × PUMP-1 Regel l1; 3 × WEG-1 Regel l2" in flat
        assert "Verstuurd naar AccountView: 2 × PUMP-1" in flat


def test_several_numbers_and_a_range_are_told_one_after_another(few: Office) -> None:
    found = [each["id"] for each in few.errors()]
    said = few.avsync("errors", f"{found[0]}-{found[-1]}").out
    assert re.findall(r"^Nr (\d+) – ", said, re.M) == [str(number) for number in found]
    assert [each["id"] for each in few.avsync("errors", "--json", str(found[1])).json] == [found[1]]


def test_what_avsync_stumbled_over_is_there_for_whoever_maintains_it(
    few: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avsync.records import hours

    def stumble(*_: Any) -> Any:
        raise KeyError(LONG)

    monkeypatch.setattr(hours, "project_code", stumble)
    few.hour("h9", project_id="project-1")
    few.run()
    number = ids(few)["unexpected"]
    said = few.avsync("errors", str(number)).out
    assert "KeyError" in said
    assert "hours.py" in said
    assert "KeyError(LONG" in said, "the line of the program, and nothing of what it worked on"
    assert f"KeyError: {LONG}" not in said
    assert f"`avsync errors {number}`" in re.sub(r"\s+", " ", said)


# --- what is looked for


@pytest.mark.parametrize("flow", ["hours", "uren", "Uren"])
def test_one_flow_in_either_language(few: Office, flow: str) -> None:
    assert [each["flow"] for each in few.avsync("errors", "--json", "--flow", flow).json] == ["hours"]


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (("--who", "planner"), {"project_unknown", "too_long"}),
        (("--who", "gaat vanzelf"), {"waiting_for_parent"}),
        (("--severity", "wacht"), {"waiting_for_parent"}),
        (("--severity", "error"), {"project_unknown", "too_long"}),
        (("--search", "anja bos"), {"project_unknown"}),
        (("--search", "waterland", "--severity", "fout"), {"too_long"}),
        (("--search", "WB1"), {"waiting_for_parent"}),
        (("--search", "niets daarvan"), set()),
    ],
)
def test_filters(few: Office, options: tuple[str, ...], codes: set[str]) -> None:
    assert {each["code"] for each in few.avsync("errors", "--json", *options).json} == codes


@pytest.mark.parametrize(
    "options", [("--flow", "lunch"), ("--who", "baas"), ("--severity", "erg"), ("--format", "pdf")]
)
def test_what_there_is_not_is_a_usage_error(few: Office, options: tuple[str, ...]) -> None:
    assert few.avsync("errors", *options).exit == 2


# --- files


def test_csv_is_what_dutch_excel_opens(few: Office, tmp_path: Path) -> None:
    few.box.crafter.edit("customers", "klant-9", name=f'=HYPERLINK(1);"{LONG}"')
    few.run()
    few.avsync("errors", "-o", str(tmp_path / "fouten.csv"))
    raw = (tmp_path / "fouten.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";"))
    heads = "Nr;Ernst;Wie;Onderdeel;Wat;Nummer;Naam;Probleem;Wat te doen;Sinds;Reden van negeren"
    assert list(rows[0]) == heads.split(";")
    assert len(rows) == sum(each["count"] for each in few.errors())
    assert all(re.fullmatch(r"\d\d-\d\d-\d{4} \d\d:\d\d", row["Sinds"]) for row in rows)
    assert {row["Naam"] for row in rows if row["Onderdeel"] == "uren"} == {
        "Anja Bos, 1 juni 2026, 7,5 uur werktijd, project P9"
    }
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "-", "@"))]
    assert few.avsync("errors", "--format", "csv").out.splitlines() == raw.decode().splitlines()


class _Page(HTMLParser):
    """What a page loads, its scripts and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_page_that_needs_nothing_else(few: Office, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> & <b>Vos</b> en zijn vrienden uit Waterland"
    few.box.crafter.edit("customers", "klant-9", name=hostile)
    few.run()
    few.avsync("errors", "-o", str(tmp_path / "fouten.html"))
    text = (tmp_path / "fouten.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.loads == []
    assert not {"script", "b", "img", "link"} & set(page.tags)
    assert hostile in page.text
    assert 'name="viewport"' in text
    assert "@media print" in text
    assert "Project P9 (Alleen hier 9) bestaat niet in AccountView" in page.text
    assert page.text.count("Anja Bos, 1 juni 2026") == 3
    for found in few.errors():
        assert found["hint"].split("“")[0] in page.text


def test_json_and_table(few: Office, tmp_path: Path) -> None:
    few.avsync("errors", "-o", str(tmp_path / "fouten.json"))
    assert json.loads((tmp_path / "fouten.json").read_text(encoding="utf-8")) == few.errors()
    assert json.loads(few.avsync("errors", "--format", "json").out) == few.errors()
    said = few.avsync("errors", "--format", "table").out
    assert re.search(r"^Nr +Wie +Wat +Probleem +Wat te doen +Sinds$", said, re.M)


def test_a_file_that_cannot_be_written_is_said(few: Office, tmp_path: Path) -> None:
    told = few.avsync("errors", "-o", str(tmp_path / "nergens" / "fouten.csv"))
    assert (told.exit, told.out) == (5, "")
    assert "fouten.csv" in told.err


def test_only_html_loads_what_makes_pages(few: Office) -> None:
    few.write_config()
    program = (
        "import sys, click.testing as t; from avsync.cli import main;"
        f" t.CliRunner().invoke(main, ['-c', {str(few.path)!r}, 'errors']); print('jinja2' in sys.modules)"
    )
    import subprocess

    done = subprocess.run([few.command()[0], "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


# --- ignoring


@pytest.mark.parametrize("order", ["before", "after"])
def test_several_numbers_are_ignored_at_once_with_a_line_for_each(few: Office, order: str) -> None:
    known = ids(few)
    found = [known["too_long"], *sorted((known["waiting_for_parent"], known["project_unknown"]))]
    numbers = (f"{found[1]}-{found[1]}", str(found[2]))
    arguments = ("--ignore", *numbers) if order == "before" else (*numbers, "--ignore")
    told = few.avsync("errors", *arguments, "--because", "Afgesproken met Jan")
    assert told.exit == 0
    assert [int(said.split()[0]) for said in told.out.splitlines()] == found[1:]
    assert [each["id"] for each in few.errors()] == found[:1]
    listed = few.avsync("errors", "--ignored", "--json").json
    assert {each["id"] for each in listed} == set(found[1:])
    assert all(each["ignored"] for each in listed)
    assert "Afgesproken met Jan" in few.avsync("errors", "--ignored").out


def test_the_reason_stands_in_the_tijdlijn(few: Office) -> None:
    few.avsync("errors", "--ignore", str(ids(few)["project_unknown"]), "--because", "Afgesproken met Jan")
    few.run()
    (entry,) = [each for each in few.box.crafter.timeline if each["entity_id"] == "project-9"]
    assert entry["resolved"]
    assert entry["message"].startswith("Genegeerd door de beheerder: ")
    assert "Afgesproken met Jan" in entry["message"]


@pytest.mark.parametrize("verb", ["--ignore", "--retry", "--unignore", None])
@pytest.mark.parametrize("words", ["9999", "{0} 9999", "{0}-{0} 8000-9000", "x", "3-"])
def test_one_unknown_number_and_nothing_is_done(few: Office, verb: str | None, words: str) -> None:
    before = few.errors()
    few.box.requests.clear()
    told = few.avsync("errors", *([verb] if verb else []), *words.format(before[0]["id"]).split())
    assert (told.exit, told.out) == (2, "")
    assert few.errors() == before
    assert few.box.requests == []


@pytest.mark.parametrize(
    "arguments", [("--ignore",), ("--ignore", "--retry", "1"), ("1", "--because", "x"), ("--retry",)]
)
def test_verbs_need_numbers_and_go_one_at_a_time(few: Office, arguments: tuple[str, ...]) -> None:
    assert few.avsync("errors", *arguments).exit == 2


def test_what_waits_for_an_ignored_record_is_ignored_with_it_and_comes_back_with_it(few: Office) -> None:
    known = ids(few)
    told = few.avsync("errors", str(known["too_long"]), "--ignore")
    assert told.exit == 0
    assert str(known["waiting_for_parent"]) in told.err, "a warning"
    assert set(ids(few)) == {"project_unknown"}
    few.work_order("w2", customer_id="klant-9", number="WB2")  # what comes later too
    few.run()
    assert set(ids(few)) == {"project_unknown"}
    told = few.avsync("errors", str(known["too_long"]), "--unignore")
    assert told.exit == 0
    assert set(ids(few)) == {"project_unknown", "too_long", "waiting_for_parent"}
    few.avsync("errors", str(known["too_long"]), "--ignore")
    few.box.crafter.edit("customers", "klant-9", name=f"{LONG} 2")
    few.run()
    assert set(ids(few)) == {"project_unknown", "too_long", "waiting_for_parent"}, "the record changed"


def test_with_everything_ignored_the_exit_code_is_zero(few: Office) -> None:
    known = ids(few)
    few.avsync("errors", "--ignore", str(known["too_long"]), str(known["project_unknown"]))
    assert few.run()["exit"] == 0
    few.rests()


def test_an_ignored_row_that_is_spoilt_otherwise_comes_back(few: Office) -> None:
    few.hour("h9", hours="anderhalf")
    few.run()
    few.avsync("errors", "--ignore", str(ids(few)["unreadable"]))
    few.run()
    assert "unreadable" not in ids(few)
    few.box.crafter.edit("hours", "h9", hours="anderhalf uur")
    few.run()
    assert "unreadable" in ids(few)


# --- trying again


def test_retry_says_what_became_of_it(few: Office) -> None:
    known = ids(few)
    few.box.crafter.edit("customers", "klant-9", name="VvE Waterland")
    told = few.avsync("errors", "--retry", str(known["too_long"]))
    assert told.exit == 0
    assert f"{known['too_long']} is opgelost: De naam" in told.out
    told = few.avsync("errors", str(known["project_unknown"]), "--retry")
    assert told.exit == 1
    assert "Project P9 (Alleen hier 9) bestaat niet in AccountView" in re.sub(r"\s+", " ", told.out)
    assert "is opgelost" not in told.out


def test_retry_of_a_cause_tries_every_record_behind_it(few: Office) -> None:
    number = ids(few)["project_unknown"]
    for name in ("h0", "h1"):
        few.box.crafter.edit("hours", name, project_id="project-1")
    told = few.avsync("errors", "--retry", str(number))
    assert told.exit == 1
    assert len(few.booked()) == 2
    assert next(each["count"] for each in few.errors() if each["id"] == number) == 1


def test_retry_of_an_ignored_problem_says_the_truth(few: Office) -> None:
    number = ids(few)["project_unknown"]
    few.avsync("errors", "--ignore", str(number))
    told = few.avsync("errors", "--retry", str(number))
    assert "is opgelost" not in told.out
    assert "Project P9" in told.out
    few.box.accountview.add("PROJECTS", PROJ_CODE="P9", PROJ_DESC="Er", SUB_NR="10001", PRO_TYPE="ONDERHOUD")
    assert f"{number} is opgelost" in few.avsync("errors", "--retry", str(number)).out


def test_retry_with_json_is_one_document(few: Office) -> None:
    told = few.avsync("--json", "errors", "--retry", "all")
    assert set(told.json) >= {"run", "exit", "flows", "requests"}
