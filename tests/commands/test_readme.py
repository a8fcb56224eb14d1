"""The README tells the truth: its commands run against the sandbox and say what it shows, its names exist."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel

from avsync.cli import main
from avsync.config import model as configuration
from avsync.config.settings import load
from avsync.errors import AvsyncError
from avsync.sandbox import seed
from avsync.sandbox.__main__ import write_config
from avsync.sandbox.server import Sandbox
from avsync.state.lock import RunLock
from tests.support.terminal import AVSYNC, Answer, at_home, converse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


SAMPLES = [
    pair for block in code_blocks("console") for pair in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.M)
]
PROSE = re.sub(r"^\| `avsync .*$", "", re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S), flags=re.M)
# Anything in the text that begins like a command line is one; the table of commands is held against the options below.
INLINE = [
    code
    for code in re.findall(r"(?<!`)`([^`]+)`", PROSE)
    if "[" not in code and " " in code and (code.startswith("avsync ") or shutil.which(code.split()[0]))
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """The demo world and a config in English that is not logged in."""
    path = tmp_path_factory.mktemp("readme") / "config.yaml"
    with Sandbox(seed.world(seed=1)) as box:
        write_config(box, path)
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        written["language"] = "en"
        written["notify"] = {"command": "cat > heard.json"}
        written["accountview"]["redirect_uri"] = "http://localhost:1/callback"  # nobody can listen there: paste
        path.write_text(yaml.safe_dump(written), encoding="utf-8")
        yield box, path


def test_the_samples_are_those_of_the_main_job() -> None:
    assert [command for command, _ in SAMPLES] == [
        "avsync login --no-browser",
        "avsync check",
        "avsync match",
        "avsync run-all --dry-run",
        "avsync run-all",
        "avsync errors",
    ]


def test_every_command_runs_and_says_what_the_readme_shows(config: tuple[Sandbox, Path]) -> None:
    box, path = config
    for command, shown in SAMPLES:
        said = _say(box, path, command.split()[1:])
        missing = _not_in(shown.rstrip(), said)
        assert missing is None, f"$ {command}\nnot in its output: {missing}\n\n{said}"
    asks = {"avsync init"}  # a test of its own answers it
    for command in [one for one in INLINE if one.startswith("avsync ") and one not in asks]:
        arguments = command.replace("avsync login", "avsync login --no-browser").split()[1:]
        if "14" in arguments:
            arguments[-1] = str(json.loads(_say(box, path, ["errors", "--json"]))[0]["id"])
        _say(box, path, arguments)
    [block] = code_blocks("cron")
    *when, program, option, _, command = block.split()
    assert (when, program, option) == (["*/10", *"****"], f"{FOLDER}/.venv/bin/avsync", "-c")
    _say(box, path, [command])


def _say(box: Sandbox, path: Path, arguments: list[str]) -> str:
    """What a command prints on a terminal; the records that cannot succeed make it exit 1."""
    arguments += ["--details"] if "--dry-run" in arguments else []  # the sample is of the records
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "avsync", "-c", str(path), *arguments],
        stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE, text=True,
        cwd=path.parent,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdin is not None
    said = []
    with process, open(ours, encoding="utf-8", errors="replace") as terminal:
        with suppress(OSError):  # the terminal is gone with its last process
            for line in terminal:
                said.append(line)
                if arguments[0] == "login" and line.startswith("http"):
                    process.stdin.write(box.approve(line.strip()) + "\n")
                    process.stdin.flush()
        process.stdin.close()
        errors = process.stderr.read() if process.stderr else ""
    assert process.returncode in (0, 1), errors
    assert "Traceback" not in errors
    return "".join(said)


def _not_in(shown: str, said: str) -> str | None:
    """The first shown line that does not come, in this order; numbers, moments, addresses and spacing may differ."""
    lines = iter([_loose(line) for line in said.splitlines()])
    for line in shown.splitlines():
        if line != "…" and _loose(line) not in lines:
            return line
    return None


def _loose(line: str) -> str:
    line = re.sub(r"https?://\S+", "<url>", line)
    line = re.sub(r"\S*/token\.json", "<path>", line)
    return re.sub(r"[\s=+-]+", " ", re.sub(r"\d+", "0", line)).strip()


def test_the_comparison_of_samples_notices_a_difference() -> None:
    assert _not_in("a 1\n…\nc", "a 22\nb\nc") is None
    assert _not_in("a 1\nx", "a 22\nb\nc") == "x"
    assert _not_in("c\na 1", "a 22\nb\nc") == "a 1"


# --- the other commands


FOLDER = "/opt/avsync"


def test_every_command_in_the_text_is_run_by_a_test() -> None:
    words = {code.split()[0] for code in INLINE}
    assert words == {"avsync", "make", "python", "flock"}
    assert {line.split()[0].removeprefix(f"{FOLDER}/.venv/bin/") for line in _install()} == {"git", "python3", "pip"}


def _install() -> list[str]:
    [block] = code_blocks("sh")
    return block.strip().splitlines()


def test_the_commands_of_setting_up_run_as_written_in_an_empty_home(tmp_path: Path) -> None:
    """Those that the README shows, with nothing there yet but the program; `init` writes what the others find."""
    commands = [command for command, _ in SAMPLES if not command.startswith("avsync init")]
    with Sandbox(seed.world(seed=1)) as box:
        port = _free_port()
        answers: dict[str, Answer] = {
            "Taal / language": "en", "Address of the Web API": box.accountview_url,
            "returns to": f"http://localhost:{port}/callback", "Client id": box.client_id,
            "secret that belongs": box.client_secret, "Address of the API": box.crafter_url, "API key": box.api_key,
            "address bar": lambda shown: box.approve(re.findall(r"http\S+authorize\S+", shown)[-1]),
            "From which day": "2026-01-01",
        }  # fmt: skip
        for command in ["avsync init", *commands, "avsync schedule cron"]:
            words = [*AVSYNC, *shlex.split(command)[1:]]
            code, said = converse(words, answers, at_home(tmp_path), tmp_path)
            assert code in (0, 1), said  # 1: the demo company has records that cannot succeed
            assert "Traceback" not in said
        *_, line = said.strip().splitlines()
        done = subprocess.run(
            ["/bin/sh", "-c", line.split(None, 5)[5]], env={}, cwd="/", capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == (1, "")  # known errors, nothing new
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml")) == [
        ".config/avsync/config.yaml"
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.long
def test_the_installation_installs_a_program_that_runs(tmp_path: Path) -> None:
    """As an operator does it, so it needs a network."""
    for line in _install():
        command = line.replace("<this repository>", str(ROOT)).replace(FOLDER, str(tmp_path / "avsync"))
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    program = [str(tmp_path / "avsync" / ".venv" / "bin" / "avsync"), "--version"]
    assert "version" in subprocess.run(program, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", sorted({code for code in INLINE if code.startswith("make ")}))
def test_make_knows_what_to_do(command: str) -> None:
    """What the targets run has tests of its own."""
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_backup_waits_for_the_run_and_copies_the_state(tmp_path: Path) -> None:
    [command] = {code for code in INLINE if code.startswith("flock ")}
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.db").write_text("links")
    words = shlex.split(
        command.replace("/var/lib/avsync", str(state)).replace("/backup/avsync", str(tmp_path / "copy"))
    )
    lock = RunLock(state)
    assert lock.take()
    with subprocess.Popen(words) as copying:
        time.sleep(0.3)
        assert copying.poll() is None
        assert not (tmp_path / "copy").exists()
        lock.release()
    assert copying.returncode == 0
    assert (tmp_path / "copy" / "state.db").read_text() == "links"


def test_the_sandbox_starts_and_writes_a_config(tmp_path: Path) -> None:
    [command] = {code for code in INLINE if code.startswith("python -m avsync.sandbox")}
    words = [sys.executable, *command.split()[1:], "--accountview-port", "0", "--crafter-port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        said = sandbox.stdout.readline() + sandbox.stdout.readline()
        sandbox.terminate()
    assert said.count("http://127.0.0.1:") == 2
    assert load(tmp_path / "demo.yaml").company == "DEMO"


def test_the_conformance_kit_holds_a_crafter_against_the_contract() -> None:
    [command] = {code for code in INLINE if code.startswith("python -m avsync.conformance")}
    with Sandbox(seed.world(seed=1)) as box:
        words = [sys.executable, *command.replace("URL", box.crafter_url).split()[1:]]
        done = subprocess.run(
            words,
            env={**os.environ, "AVSYNC_CRAFTER_API_KEY": box.api_key},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr


# --- names


def test_every_make_target_named_exists_and_every_target_is_named() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", README + MAKEFILE.partition("PYTHON ?=")[0]))
    assert named == targets - {"install"}
    phony = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split())  # type: ignore[index]
    assert phony == targets


def test_ci_runs_what_the_readme_names() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make check" in script
    assert "make demo" in script
    assert set(re.findall(r"^make ([a-z-]+)", script, re.M)) <= set(re.findall(r"\bmake ([a-z-]+)", README))


def _keys(section: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        path, inner = f"{before}{field.alias or name}", field.annotation
        if isinstance(inner, type) and issubclass(inner, configuration.Section):
            yield from _keys(inner, f"{path}.")
        else:
            yield path


def test_config_keys_named_in_the_text_exist() -> None:
    keys = set(_keys(configuration.Config))
    sections = {key.partition(".")[0] for key in keys if "." in key}
    for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", README):
        if name.partition(".")[0] in sections:
            assert name in keys


@pytest.mark.parametrize("block", code_blocks("yaml"))
def test_the_configs_shown_are_valid(tmp_path: Path, block: str) -> None:
    first, path = yaml.safe_load(code_blocks("yaml")[0]), tmp_path / "config.yaml"
    for name, value in yaml.safe_load(block).items():
        first[name] = first[name] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(first), encoding="utf-8")
    try:
        load(path)
    except AvsyncError as error:
        pytest.fail(str(error.params.get("mistakes", error)))


# --- options


def _options(command: click.Command) -> set[str]:
    return {name for one in command.params if isinstance(one, click.Option) for name in one.opts}


EVERYWHERE = {"-c", "--config", "--json", "-q", "--quiet", "-v", "--verbose"}


def test_commands_and_options_in_the_readme_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| `avsync ([a-z-]+)((?:\\\||[^`|])*)` \|", README, re.M)
    assert {name for name, _ in rows} <= set(main.commands)
    for name, options in rows:
        shown = set(re.findall(r"-{1,2}[a-z-]+", options))
        assert shown <= _options(main.commands[name]) - EVERYWHERE, name


def test_the_rules_name_every_command_and_its_options() -> None:
    text = (ROOT / "avsync" / "RULES.md").read_text(encoding="utf-8")
    table = text.partition("\n## Commands")[2].partition("\n## ")[0]
    for name, command in main.commands.items():
        assert re.search(rf"`{name}[ `]", table), name
        options = [
            one.opts for one in command.params if isinstance(one, click.Option) and not EVERYWHERE & set(one.opts)
        ]
        assert not [names for names in options if not any(one in table for one in names)], name


def test_global_options_are_those_of_the_program() -> None:
    text = README.partition("Everywhere: ")[2].partition("\n\n")[0]
    shown = set(re.findall(r"`(-{1,2}[a-z-]+)", text))
    assert shown == _options(main) - {"--version"} | {"-h", "--help"}
    assert "avsync --version" in text


def test_help_names_every_option_and_exit_codes_are_those_of_the_errors() -> None:
    from avsync import errors

    codes = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    shown = {int(code) for code in re.findall(r"^\| (\d) \|", README, re.M)}
    assert shown == codes | {0}


def test_files_named_in_the_readme_exist() -> None:
    for name in re.findall(r"`((?:avsync|tests|\.ci)/[\w./]+|config\.example\.yaml)`", README):
        assert (ROOT / name).exists(), name
