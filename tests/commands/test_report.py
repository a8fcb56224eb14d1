"""`avsync report`: the page as a person sees it in a real browser, and the file that every run leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from avsync.commands import page
from avsync.state import db
from avsync.state.events import Event
from avsync.state.lock import RunLock
from avsync.state.store import Store
from tests.commands.test_companies import avsync
from tests.commands.test_incidents import down
from tests.commands.test_rights import as_an_owner, owner
from tests.support.browser import PHONE, Browser, browser
from tests.support.office import Office, office, shop

LONG = "Vereniging van Eigenaars Residentie Waterland"
SCRIPT = "<script>document.title='gekraakt'</script> BV en Zonen"
PICTURE = '"><img src=x onerror="document.title=1"> & co'
UNBROKEN = "W" * 300


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Hours on a project that is not there, names that are no names, an outage that is over, and a run ten days ago."""
    with shop(tmp_path_factory.mktemp("busy"), {"hours": "export"}) as one:
        one.config["language"] = "nl"
        one.goes()
        days_ago(one, 10)
        one.box.crafter.add(
            "projects", id="project-9", project_code="P9", name=PICTURE, customer_id="klant-1", project_type_id="soort"
        )
        for number in range(28):
            one.hour(f"h{number}", project_id="project-9", date=f"2026-06-{number + 1:02}")
        one.new_klant(SCRIPT, id="klant-8")
        one.new_klant(UNBROKEN, id="klant-9")
        one.new_klant("Bakkerij de Wit", id="klant-10")
        one.hour("goed", project_id="project-1")
        assert one.run()["exit"] == 1
        yield one


def days_ago(one: Office, days: int) -> None:
    """What was done so far was done so many days earlier."""
    base = db.open_for_writing(one.state)
    for table in ("events", "runs"):
        name = "moment" if table == "events" else "started"
        for number, moment in list(base.execute(f"SELECT id, {name} FROM {table}")):
            then = datetime.fromisoformat(moment) - timedelta(days=days)
            base.execute(f"UPDATE {table} SET {name} = ? WHERE id = ?", [f"{then:%Y-%m-%dT%H:%M:%SZ}", number])
    base.close()


def made(one: Office, *args: str) -> Path:
    file = one.folder / "page.html"
    told = one.avsync("report", "-o", str(file), *args)
    assert (told.exit, told.err) == (0, "")
    return file


# --- what a person sees


def test_what_stands_on_it(busy: Office, chromium: Browser) -> None:
    chromium.open(made(busy))
    text = chromium.text
    assert chromium.driver.title == "avsync – DEMO: Klaar, met meldingen"
    for part in (
        "DEMO", "Klaar, met meldingen", "Laatste synchronisatie", "3 fouten", "Aanmelding AccountView", "geen storing",
        "Fouten – planner", "28 urenregels", "bestaat niet in AccountView", "Maak het project in",
        "Gesynchroniseerd per dag", "AccountView ↔ Crafter", "Diensten en storingen", "Laatste synchronisaties",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("Open meldingen") < text.index("Fouten – planner") < text.index("Gesynchroniseerd per dag")
    assert "Anja Bos, 1 juni 2026" not in text, "28 names are behind a click"
    chromium.run("document.querySelector('article details summary').click()")
    assert chromium.text.count("Anja Bos") == 20
    assert "en nog 8" in chromium.text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|avs[0-9a-f]{24}|\bNone\b|\{\w+\}", text)


def test_the_bars_are_what_was_done_each_day(busy: Office, chromium: Browser) -> None:
    chromium.open(made(busy))
    events = busy.avsync("--json", "history", "--since", "30d").json
    done = Counter(one["flow"] for one in events if one["action"] in ("create", "update", "adopt"))
    labels = chromium.run("return [...document.querySelectorAll('svg')].map(one => one.getAttribute('aria-label'))")
    assert [label.partition(":")[0] for label in labels] == ["Klanten", "Projecten", "Orders", "Uren"]
    for label, flow in zip(labels, ("customers", "projects", "orders", "hours"), strict=True):
        counted = re.findall(r"(\d+) (?:nieuw|bijgewerkt|gekoppeld)", label)
        assert sum(map(int, counted)) == done[flow], label
    first = "document.querySelectorAll('svg')[0]"
    bars = chromium.run(f"return [...{first}.querySelectorAll('g')].map(one => one.querySelector('title').textContent)")
    days = [datetime.now().astimezone(page.AMSTERDAM).date() - timedelta(days=ago) for ago in (10, 0)]
    assert [bar.partition(":")[0] for bar in bars] == [page._day(day, "nl") for day in days]
    boxes = f"[...{first}.querySelectorAll('rect:not(.gap)')].map(one => one.getBoundingClientRect().toJSON())"
    sizes = chromium.run(f"return {boxes}")
    frame = chromium.run(f"return {first}.getBoundingClientRect().toJSON()")
    assert len(sizes) >= 2
    for size in sizes:
        assert size["height"] >= 1
        assert frame["top"] - 1 <= size["top"] < size["bottom"] <= frame["bottom"] + 1
        assert frame["left"] - 1 <= size["left"] < size["right"] <= frame["right"] + 1
    chromium.run("document.querySelector('details.figures summary').click()")
    rows = chromium.run("return [...document.querySelectorAll('.figures tbody tr')].map(one => one.innerText)")
    assert [row.split("\t")[0] for row in rows] == [page._day(day, "nl") for day in reversed(days)]
    assert sum(int(cell) for row in rows for cell in row.split("\t")[1:] if cell != "–") == sum(done.values())


def test_hostile_names_stay_text_and_run_nothing(busy: Office, chromium: Browser) -> None:
    file = made(busy)
    chromium.open(file)
    text = chromium.text
    assert SCRIPT in text
    assert PICTURE in text
    assert chromium.driver.title.startswith("avsync – DEMO")
    assert (
        chromium.run("return document.querySelectorAll('script, img, iframe, object, embed, link, base').length") == 0
    )
    assert chromium.run("return [...document.querySelectorAll('*')].filter(one => [...one.attributes]"
                        ".some(each => each.name.startsWith('on'))).length") == 0  # fmt: skip
    assert chromium.asked_for() == [file.as_uri()]


def test_what_is_between_backticks_in_a_name_is_no_markup(tmp_path: Path, chromium: Browser) -> None:
    with shop(tmp_path) as one:
        one.new_klant(f"`<b>{LONG}</b>`", id="klant-8")
        one.run()
        chromium.open(made(one))
        assert f"<b>{LONG}</b>" in chromium.text
        assert chromium.run("return document.querySelectorAll('b').length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_can_be_read(busy: Office, chromium: Browser, dark: bool) -> None:
    for width in (PHONE, 1000):
        chromium.open(made(busy), width, dark=dark)
        assert chromium.run("return window.innerWidth") == width
        chromium.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert chromium.overflowing() == []
        assert chromium.faint() == []
        assert UNBROKEN[:50] in chromium.text


def test_dark_is_dark(busy: Office, chromium: Browser) -> None:
    shades = []
    for dark in (False, True):
        chromium.open(made(busy), dark=dark)
        shade = chromium.run("return getComputedStyle(document.body).backgroundColor")
        shades.append(sum(map(int, re.findall(r"\d+", shade))))
    assert shades[0] > 600 > 150 > shades[1]


def test_on_paper_all_names_are_there(busy: Office, chromium: Browser) -> None:
    chromium.open(made(busy), 750, media="print")
    assert chromium.text.count("Anja Bos") == 20
    assert "en nog 8" in chromium.text
    assert chromium.overflowing() == []
    assert chromium.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    chromium.open(made(busy), 750, dark=True, media="print")
    assert chromium.faint() == []


def test_a_screen_reader_finds_its_way(busy: Office, chromium: Browser) -> None:
    chromium.open(made(busy))
    assert chromium.run("return document.documentElement.lang") == "nl"
    levels = chromium.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map(one => +one.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert chromium.run("return document.querySelectorAll('main, body > header').length") == 2
    assert chromium.run("return document.querySelectorAll('th:not([scope])').length") == 0
    pictures = chromium.run("return [...document.querySelectorAll('svg')].map(one => [one.getAttribute('role'),"
                            " one.firstElementChild.tagName, one.firstElementChild.textContent])")  # fmt: skip
    assert pictures
    assert all(role == "img" and tag == "title" and text for role, tag, text in pictures)


def test_an_incident_stands_on_top_with_what_to_do(tmp_path: Path, chromium: Browser) -> None:
    with shop(tmp_path) as one:
        one.config["language"] = "nl"
        one.goes()
        one.box.revoke_tokens()
        one.avsync("run-all")
        chromium.open(made(one), PHONE)
        text = chromium.text
        assert "NIET GOED" in text
        assert text.index("avsync login") < text.index("Laatste synchronisatie")
        assert "storing sinds" in text
        assert "duurt nog" in text
        assert chromium.overflowing() == []
        one.log_in()
        one.goes()
        chromium.open(made(one))
        assert "duurt nog" not in chromium.text
        assert "Alles gelijk" in chromium.text
        assert "Er zijn geen openstaande meldingen." in chromium.text


def test_several_companies_on_one_page_worst_first(tmp_path: Path, chromium: Browser) -> None:
    for name in ("a", "b", "configs"):
        (tmp_path / name).mkdir()
    with shop(tmp_path / "a") as well, shop(tmp_path / "b") as wrong:
        wrong.new_klant(LONG, id="klant-8")
        for one, code in ((well, "GOED"), (wrong, "FOUT")):
            one.run()
            one.config |= {"company": code, "language": "nl"}
            one.write_config()
            (tmp_path / "configs" / f"{code}.yaml").write_text(one.path.read_text("utf-8"), "utf-8")
        (tmp_path / "configs" / "x.yaml").write_text("language: nl\ncompany: <i>\nnope: 1\n", "utf-8")
        file = tmp_path / "all.html"
        told = avsync("report", "-c", str(tmp_path / "configs"), "-o", str(file))
        assert (told.exit, told.err) == (0, "")
        for width in (PHONE, 1000):
            chromium.open(file, width)
            assert chromium.overflowing() == []
        rows = chromium.run("return [...document.querySelectorAll('main > .card tbody tr')].map(one => one.innerText)")
        assert [re.split(r"\s", row)[0].rpartition("/")[2] for row in rows] == ["x.yaml", "FOUT", "GOED"]
        assert LONG in chromium.text
        assert "nope" in chromium.text
        opened = chromium.run("return [...document.querySelectorAll('details.company')].map(one => one.open)")
        assert opened == [True, True, False]
        links = chromium.run(
            "return [...document.querySelectorAll('a')].every(one => document.querySelector(one.hash))"
        )
        assert links
        levels = chromium.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map(one => +one.tagName[1])")
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_errors_as_a_page_has_the_same_manners(busy: Office, chromium: Browser) -> None:
    busy.avsync("errors", "-o", str(busy.folder / "errors.html"))
    for width, dark in ((PHONE, False), (1000, True)):
        chromium.open(busy.folder / "errors.html", width, dark=dark)
        assert chromium.overflowing() == []
        assert chromium.faint() == []
    assert SCRIPT in chromium.text
    chromium.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert chromium.text.count("Anja Bos") == 28, "all of them"


# --- without a browser


class Tags(HTMLParser):
    """What a page loads or points to, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_it_needs_nothing_else_and_runs_nothing(busy: Office, language: str) -> None:
    busy.config["language"] = language
    try:
        text = made(busy).read_text(encoding="utf-8")
    finally:
        busy.config["language"] = "nl"
    tags = Tags(text)
    assert tags.outside == []
    assert not {"script", "img", "link", "iframe", "b"} & tags.tags
    assert "url(" not in text
    assert "@import" not in text
    assert f'<html lang="{language}">' in text
    assert ("Wat er open staat" in text) == (language == "nl")


def test_before_the_first_run_and_without_a_state(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.config["language"] = "nl"
        text = made(one).read_text(encoding="utf-8")
        assert "Er is nog niet gesynchroniseerd." in text
        assert not (one.state / "state.db").exists()


def test_days_are_those_of_the_netherlands(tmp_path: Path) -> None:
    """The clock goes back in the night of 25 October: that day has 25 hours."""
    store = Store(db.open_for_writing(tmp_path))
    moments = ["2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"]
    for action in ("create", "update", "adopt", "solved", "gone"):
        for moment in moments:
            store.events.now = lambda moment=moment: moment
            store.events.record(Event("hours", "hour", "accountview", action, "k", "n"))
    found = page.per_day(store, datetime.fromisoformat("2026-11-01T12:00:00Z"))["hours"]
    assert {day: counts.total() for day, counts in found.items()} == {
        date(2026, 10, 24): 3, date(2026, 10, 25): 6, date(2026, 10, 26): 3,
    }  # fmt: skip
    assert found[date(2026, 10, 25)] == {"created": 2, "updated": 2, "adopted": 2}
    late = page.per_day(store, datetime.fromisoformat("2026-11-23T12:00:00Z"))["hours"]
    assert set(late) == {date(2026, 10, 25), date(2026, 10, 26)}, "thirty days, the whole of the first"


def test_one_day_far_above_the_others_hides_none_of_them() -> None:
    days = page._days(datetime.fromisoformat("2026-11-23T12:00:00Z"))
    counts = {day: Counter(created=4) for day in days[3:6]} | {days[2]: Counter(created=3000, adopted=10)}
    chart = page._chart("customers", counts, days, "nl")
    highest = [max(float(part["high"]) for part in bar["parts"]) for bar in chart["bars"]]
    assert [bar["cut"] for bar in chart["bars"]] == [True, False, False, False]
    assert highest[1] > page._HIGH / 3
    assert "3010" in chart["more"]
    for bar in chart["bars"]:
        assert min(float(part["y"]) for part in bar["parts"]) >= 0
        assert min(float(part["high"]) for part in bar["parts"]) >= page._LEAST


# --- who may make it


@as_an_owner
def test_it_is_made_with_the_right_to_read_and_while_a_run_is_at_work(busy: Office) -> None:
    lock = RunLock(busy.state)
    assert lock.take()
    before = {file.name: file.stat().st_mtime_ns for file in busy.state.iterdir()}
    for file in busy.state.iterdir():
        file.chmod(0o400)
    busy.state.chmod(0o500)
    try:
        target = busy.folder / "elsewhere.html"
        told = owner(busy, "report", "-o", str(target))
        assert (told.exit, told.err) == (0, "")
        assert "28 urenregels" in target.read_text(encoding="utf-8")
    finally:
        busy.state.chmod(0o700)
        for file in busy.state.iterdir():
            file.chmod(0o600)
        lock.release()
    assert {file.name: file.stat().st_mtime_ns for file in busy.state.iterdir()} == before


def test_a_page_that_cannot_be_written_is_said(busy: Office) -> None:
    told = busy.avsync("report", "-o", str(busy.folder / "nowhere" / "page.html"))
    assert (told.exit, told.out) == (5, "")
    assert "page.html" in told.err
    assert busy.avsync("report").exit == 2
    assert busy.avsync("--json", "report", "-o", str(busy.folder / "page.html")).json == {
        "exit": 0, "file": str(busy.folder / "page.html"),
    }  # fmt: skip


# --- after every run


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with shop(tmp_path) as found:
        found.config |= {"language": "nl", "report_file": "page.html"}
        yield found


def test_every_run_leaves_a_page(one: Office, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    one.avsync("run-all", "--dry-run")
    assert not file.exists(), "a dry run writes nothing"
    one.goes()
    assert "Alles gelijk" in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o640
    one.new_klant(LONG)
    assert one.run()["exit"] == 1
    assert LONG in file.read_text(encoding="utf-8")
    one.box.revoke_tokens()
    assert one.avsync("run-all").exit == 3
    assert "NIET GOED" in file.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.glob(".page*")] == []


def test_it_says_the_same_as_the_command(one: Office, tmp_path: Path) -> None:
    one.new_klant(LONG)
    one.run()
    by_run = (tmp_path / "page.html").read_text(encoding="utf-8")
    by_hand = made(one).read_text(encoding="utf-8")
    parts = [re.sub(r"Gemaakt op [^<]*|\d+ \w+ geleden", "", text) for text in (by_run, by_hand)]
    assert parts[0] == parts[1]


def test_the_file_that_is_there_says_who_may_read_it(one: Office, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o604)
    one.goes()
    assert "Alles gelijk" in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("place", ["/nowhere/page.html", "pipe", "folder", "/proc/page.html"])
def test_where_it_cannot_be_written_nothing_stops(one: Office, tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    one.config["report_file"] = place
    told = one.process("run-all")
    assert (told.exit, told.err) == (0, "")
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "folder").is_dir()


def test_a_fault_of_ours_in_the_page_stops_nothing(one: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> str:
        raise KeyError("ours")

    monkeypatch.setattr(page, "text", stumble)
    one.new_klant(LONG)
    told = one.avsync("run-all")
    assert (told.exit, told.err) == (1, "")
    assert "te lang" in told.out


def test_a_service_that_is_down_stands_on_it(one: Office, tmp_path: Path) -> None:
    one.goes()
    down(one, "accountview")
    assert one.avsync("run-all").exit == 4
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "AccountView: storing sinds" in text


def test_nobody_pays_for_a_page_that_is_not_asked_for(one: Office) -> None:
    del one.config["report_file"]
    one.write_config()
    program = (
        "import sys, click.testing as t; from avsync.cli import main;"
        f" t.CliRunner().invoke(main, ['-c', {str(one.path)!r}, 'errors']); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
