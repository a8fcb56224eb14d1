"""The README tells the truth: its commands run against the sandbox and say what it shows, its names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic import BaseModel

from avsync.cli import main
from avsync.config import settings as configuration
from avsync.errors import AvsyncError
from avsync.sandbox import seed
from avsync.sandbox.__main__ import write_config
from avsync.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^```console\n\$ ([^\n]+)\n(.*?)^```$", README, re.M | re.S)


def code_blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """The demo world and a config in English that is not logged in."""
    path = tmp_path_factory.mktemp("readme") / "config.yaml"
    with Sandbox(seed.world(seed=1)) as box:
        write_config(box, path)
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        written["language"] = "en"
        written["accountview"]["redirect_uri"] = "http://localhost:1/callback"  # nobody can listen there: paste
        path.write_text(yaml.safe_dump(written), encoding="utf-8")
        yield box, path


def test_the_samples_are_those_of_the_main_job() -> None:
    assert [command for command, _ in SAMPLES] == [
        "avsync login --no-browser",
        "avsync check",
        "avsync run-all --dry-run",
        "avsync run-all",
        "avsync errors",
        "avsync status",
    ]


def test_every_sample_says_what_the_readme_shows(config: tuple[Sandbox, Path]) -> None:
    box, path = config
    for command, shown in SAMPLES:
        said = _say(box, path, command.split()[1:])
        missing = _not_in(shown, said)
        assert missing is None, f"$ {command}\nnot in its output: {missing}\n\n{said}"


def _say(box: Sandbox, path: Path, arguments: list[str]) -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", "avsync", "-c", str(path), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said = []
    with process:
        for line in process.stdout:
            said.append(line)
            if arguments[0] == "login" and line.startswith("http"):
                process.stdin.write(box.approve(line.strip()) + "\n")
                process.stdin.flush()
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


def test_the_table_of_config_keys_is_complete_and_right() -> None:
    table = README.partition("<!-- keys -->")[2].partition("<!-- /keys -->")[0]
    cells = [line.split("|")[1] for line in table.strip().splitlines()[2:]]
    named = [name for cell in cells for name in re.findall(r"`([a-z_.]+)`", cell)]
    assert sorted(named) == sorted(_keys(configuration.Config))


def test_config_keys_named_in_the_text_exist() -> None:
    keys = set(_keys(configuration.Config))
    sections = {key.partition(".")[0] for key in keys if "." in key}
    for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", README):
        if name.partition(".")[0] in sections:
            assert name in keys


def test_defaults_in_the_table_are_those_of_the_config() -> None:
    for name, default in re.findall(r"^\| `([a-z_.]+)` \| ([^ |,]+) \|", README, re.M):
        section: Any = configuration.Config
        *path, last = name.split(".")
        for part in path:
            section = section.model_fields[part].annotation
        found = section.model_fields[last].get_default(call_default_factory=True)
        assert str(found).removesuffix(".0") == default, name


@pytest.mark.parametrize("block", code_blocks("yaml"))
def test_the_configs_shown_are_valid(tmp_path: Path, block: str) -> None:
    first, path = yaml.safe_load(code_blocks("yaml")[0]), tmp_path / "config.yaml"
    for name, value in yaml.safe_load(block).items():
        first[name] = first[name] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(first), encoding="utf-8")
    try:
        configuration.load(path)
    except AvsyncError as error:
        pytest.fail(str(error.params.get("mistakes", error)))


# --- options


def _options(command: click.Command) -> set[str]:
    return {name for one in command.params if isinstance(one, click.Option) for name in one.opts}


EVERYWHERE = {"-c", "--config", "--json", "-q", "--quiet", "-v", "--verbose"}


def test_commands_and_options_in_the_readme_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| `avsync ([a-z-]+)((?:\\\||[^`|])*)` \|", README, re.M)
    assert {name for name, _ in rows} == set(main.commands)
    for name, options in rows:
        shown = set(re.findall(r"-{1,2}[a-z-]+", options))
        assert shown == _options(main.commands[name]) - EVERYWHERE, name


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


def test_the_cron_line_is_a_command_that_exists() -> None:
    [block] = code_blocks("cron")
    line = block.strip().splitlines()[-1]
    assert line.split()[:5] == ["*/10", "*", "*", "*", "*"]
    assert line.split()[-1] in main.commands
