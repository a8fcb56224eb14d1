"""`avsync init`: an operator at a terminal, in an empty home, who answers questions; the sandbox is both services."""

from __future__ import annotations

import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from avsync.cli import main
from avsync.commands.init import target
from avsync.config import example
from avsync.config.settings import load
from avsync.sandbox import seed
from avsync.sandbox.server import Sandbox
from tests.support.terminal import AVSYNC, Answer, at_home, converse

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config.example.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed.world(seed=1)) as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Operator:
    """What he answers; `asked` is everything that was shown to him."""

    def __init__(self, box: Sandbox, home: Path, **answers: Answer) -> None:
        self.box, self.home, self.asked = box, home, ""
        home.mkdir(exist_ok=True)
        self.answers: dict[str, Answer] = {
            "Taal / language": "en",
            "Address of the Web API": box.accountview_url,
            "returns to": f"http://localhost:{free_port()}/callback",
            "Client id": box.client_id,
            "secret that belongs": box.client_secret,
            "Address of the API": box.crafter_url,
            "API key": box.api_key,
            "Folder in which": str(home / "state"),
            "address bar": lambda shown: box.approve(re.findall(r"http\S+authorize\S+", shown)[-1]),
            **answers,
        }

    def types(self, *command: str, **more: str) -> int:
        code, self.asked = converse([*AVSYNC, *command], self.answers, at_home(self.home, **more), self.home)
        assert "Traceback" not in self.asked
        return code

    def says(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Another command, in the same home and not at a terminal."""
        return subprocess.run(
            [*AVSYNC, *command], env=at_home(self.home), cwd=self.home, capture_output=True, text=True, timeout=120
        )


def test_from_an_empty_home_to_a_config_that_check_accepts(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home")
    path = one.home / "company" / "config.yaml"
    assert one.types("init", "company/config.yaml") == 0, one.asked
    assert "Connected with Crafter as Installatiebedrijf De Kraan." in one.asked
    assert "The login was saved in" in one.asked
    assert "Demo Installatietechniek B.V." in one.asked  # a company to choose
    assert re.search(r"^100 +Werk$", one.asked, re.M)  # and a time code
    checked = one.says("-c", str(path), "check")
    assert checked.returncode == 0, checked.stdout
    config = load(path)
    assert (config.language, config.company, config.start_date) == ("en", box.company, date.today())  # noqa: DTZ011
    assert config.time_codes.values == {"work": "100", "travel": "200"}
    assert config.accountview.debtor_account == "1300"
    assert config.flows.values == {
        "customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export",
    }  # fmt: skip
    assert stat.S_IMODE((one.home / "state").stat().st_mode) == 0o700
    for name in ("accountview.secret", "crafter.key"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600
    for secret in (box.client_secret, box.api_key):
        assert secret not in path.read_text() + one.asked
    assert sorted(name.name for name in path.parent.iterdir()) == ["accountview.secret", "config.yaml", "crafter.key"]


def test_the_config_explains_itself_as_the_example_does(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home")
    assert one.types("init", "config.yaml") == 0, one.asked
    written = (one.home / "config.yaml").read_text(encoding="utf-8")
    assert [line for line in written.splitlines() if line.startswith("#")] == [
        line for line in EXAMPLE.splitlines() if line.startswith("#")
    ]
    assert set(yaml.safe_load(written)) == set(yaml.safe_load(EXAMPLE))


def test_it_goes_where_it_is_told_or_where_every_command_looks(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home", customers="", Customers="off", Hours="off")
    assert one.types("init", "-c", "mine.yaml") == 0, one.asked
    mine = load(one.home / "mine.yaml")
    assert (mine.flows.customers, mine.flows.hours) == ("off", "off")
    assert "Collective account" not in one.asked
    assert "Time code" not in one.asked
    assert f"avsync -c {one.home}/mine.yaml check" in one.asked
    home = {"HOME": "/home/anna"}
    assert str(target(None, home)) == "/home/anna/.config/avsync/config.yaml"
    assert str(target(None, {**home, "XDG_CONFIG_HOME": "/conf"})) == "/conf/avsync/config.yaml"
    assert target(str(tmp_path), home) == tmp_path / "config.yaml"
    assert target("sub/", home) == Path("sub/config.yaml")


@pytest.mark.parametrize("answer", ["no", ""])
def test_a_config_that_is_there_is_left_alone_unless_somebody_says_yes(
    box: Sandbox, tmp_path: Path, answer: str
) -> None:
    one = Operator(box, tmp_path / "home", Replace=answer)
    path = one.home / "config.yaml"
    path.write_text("mine: yes\n")
    assert one.types("init", "config.yaml") == 2
    assert path.read_text() == "mine: yes\n"
    assert [found.name for found in one.home.iterdir()] == ["config.yaml"]


def test_one_that_is_replaced_is_kept_beside_it(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home", Replace="yes")
    path = one.home / "config.yaml"
    path.write_text("mine: yes\n")
    (one.home / "config.yaml.old").write_text("older\n")
    assert one.types("init", "config.yaml") == 0, one.asked
    assert load(path).company == box.company
    assert (one.home / "config.yaml.old").read_text() == "older\n"
    assert (one.home / "config.yaml.old1").read_text() == "mine: yes\n"


def test_a_second_time_the_secrets_and_the_login_need_not_be_given_again(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home", Replace="yes")
    assert one.types("init", "config.yaml") == 0, one.asked
    one.answers |= {"secret that belongs": "", "API key": ""}
    assert one.types("init", "config.yaml") == 0, one.asked
    assert "You are logged in to AccountView already." in one.asked
    assert (one.home / "crafter.key").read_text().strip() == box.api_key


def test_answers_that_cannot_be_right_are_asked_again(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(
        box, tmp_path / "home",
        **{
            "Address of the Web API": ["accountview.net", "http://elsewhere.example/api", box.accountview_url],
            "Client id": ["", box.client_id],
            "API key": ["nonsense", box.api_key],
            "Try another key": "yes",
            "Customers,": ["sideways", "import"],
            "From which day": ["2026-02-30", "2026-03-01"],
            "Code of the company": ["NONE", box.company.lower()],
            "werktijd": ["1", "110"],
            "Folder in which": ["/proc/avsync", str(tmp_path / "home" / "state")],
        },
    )  # fmt: skip
    assert one.types("init", "config.yaml") == 0, one.asked
    for words in (
        "must be a full address", "must start with https://", "This is needed.", "Crafter refuses the API key.",
        "Choose from: off, import, export, both.", "must be an existing date", "You do not see that company",
        "That code is not in the list.", "/proc/avsync cannot be written",
    ):  # fmt: skip
        assert words in one.asked, words
    config = load(one.home / "config.yaml")
    assert (config.company, config.time_codes.work, config.flows.customers) == (box.company, "110", "import")
    assert config.start_date == date(2026, 3, 1)


def test_without_a_login_the_codes_are_typed_and_the_login_comes_later(tmp_path: Path) -> None:
    with Sandbox() as box:
        one = Operator(
            box, tmp_path / "home",
            **{
                "address bar": lambda shown: box.approve(re.findall(r"http\S+authorize\S+", shown)[-1], "refuse"),
                "Code of the company": "0042", "werktijd": "007", "reistijd": "008",
            },
        )  # fmt: skip
        assert one.types("init", "config.yaml") == 0, one.asked
    assert "login               log in to AccountView, once" in one.asked
    config = load(one.home / "config.yaml")
    assert (config.company, config.time_codes.work, config.time_codes.travel) == ("0042", "007", "008")


def test_nobody_to_answer_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [*AVSYNC, "init", "config.yaml"], env=at_home(tmp_path), cwd=tmp_path, input="nl\n", capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Niet alle vragen zijn beantwoord" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_shows_before_the_questions(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home")
    assert one.types("init", "/proc/nothing/config.yaml") == 2
    assert "cannot be written" in one.asked
    assert "Address of the Web API" not in one.asked


def test_in_dutch_every_question_is_dutch(box: Sandbox, tmp_path: Path) -> None:
    one = Operator(box, tmp_path / "home")
    one.answers = {
        "Taal / language": "nl", "Adres van de Web API": box.accountview_url, "terugkomt": "http://localhost:1/x",
        "Client-id": box.client_id, "Het geheim": box.client_secret, "Adres van de API": box.crafter_url,
        "API-sleutel": box.api_key, "Map waarin": str(one.home / "state"),
        "adresbalk": one.answers["address bar"],
    }  # fmt: skip
    assert one.types("init", "config.yaml", "--no-browser") == 0, one.asked
    assert "De config staat in" in one.asked
    assert load(one.home / "config.yaml").language == "nl"


# --- the example


def test_the_example_that_is_printed_is_the_one_of_the_project() -> None:
    done = CliRunner().invoke(main, ["init", "--example"])
    assert (done.exit_code, done.stdout) == (0, EXAMPLE)
    assert example.text() == EXAMPLE


VALUES: list[tuple[str, dict[example.Loc, Any], str]] = [
    ("a: 1\nb: x  # why\n", {("b",): "yy"}, "a: 1\nb: yy # why\n"),
    ("a: {b: {env: X}, c: 2}\n", {("a", "b"): {"file": "/etc/x"}}, "a: {b: {file: /etc/x}, c: 2}\n"),
    ("a:\n  b:\n    file: x\n  # c is next\n  c: 2\n", {("a", "b"): {"env": "Y"}},
     'a:\n  b:\n    {env: "Y"}\n  # c is next\n  c: 2\n'),
    ("a:  # nothing yet\nb: 1\n", {("a",): "0042"}, 'a: "0042" # nothing yet\nb: 1\n'),
    ("a: off\n", {("a",): "off"}, "a: off\n"),
    ("a: é\nb: 2\n", {("b",): 'q"uo\\te'}, 'a: é\nb: "q\\"uo\\\\te"\n'),
    ("a: 1\n", {("state_dir",): "/var/lib/x"}, "a: 1\n\nstate_dir: /var/lib/x\n"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "values", "expected"), VALUES)
def test_values_are_filled_in_where_they_stand(source: str, values: dict[example.Loc, Any], expected: str) -> None:
    assert example.filled(source, values) == expected


@pytest.mark.parametrize(
    "value", ["no", "null", "~", "0042", "1e3", "2026-01-01", "a: b", "# x", " x ", "é\u2028", "off"]
)
def test_what_is_filled_in_is_what_is_read(value: str) -> None:
    read = yaml.safe_load(example.filled("a: 1 # note\n", {("a",): value}))["a"]
    assert read == (False if value == "off" else value)
