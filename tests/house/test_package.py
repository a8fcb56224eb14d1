"""What is handed out: everything imported is declared, and wheel and source archive hold what they should."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ON_WISH = EXTRAS.keys() - {"sandbox", "dev"}  # what a command needs that few ask for
LEFT_OUT = shutil.ignore_patterns(
    ".venv*", ".git", "__pycache__", ".*_cache", ".hypothesis", "build", "dist", "*.egg-info"
)


def plain(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()  # type: ignore[index]


def declared(*extras: str) -> set[str]:
    named = [*PROJECT["dependencies"], *(one for extra in extras for one in EXTRAS[extra])]
    return {plain(one) for one in named if plain(one) != PROJECT["name"]}


def imported(files: Iterable[Path]) -> dict[str, str]:
    """Distribution → a file that imports it."""
    known, found = packages_distributions(), {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for top in (
                {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"avsync", "tests", "_typeshed"}
            ):
                for distribution in known.get(top, [top]):
                    found[plain(distribution)] = str(path.relative_to(ROOT))
    return found


def test_everything_that_is_imported_is_declared_and_the_other_way_round() -> None:
    files = [path for path in (ROOT / "avsync").rglob("*.py") if "sandbox" not in path.parts]
    own = imported(files)
    assert {name: place for name, place in own.items() if name not in declared(*ON_WISH)} == {}
    assert declared(*ON_WISH) - own.keys() == {"tzdata"}  # which nobody imports: zoneinfo reads it
    sandbox = imported((ROOT / "avsync" / "sandbox").rglob("*.py"))
    assert {name: place for name, place in sandbox.items() if name not in declared("sandbox")} == {}
    tests = imported((ROOT / "tests").rglob("*.py"))
    assert {name: place for name, place in tests.items() if name not in declared("sandbox", "dev")} == {}


def test_the_project_says_where_it_runs_and_names_no_host_of_others() -> None:
    minors = {line.rpartition(".")[2] for line in PROJECT["classifiers"] if ":: Python :: 3." in line}
    assert min(map(int, minors)) == int(re.search(r">=3\.(\d+)", PROJECT["requires-python"])[1])  # type: ignore[index]
    assert {re.search(r"//([^/]+)", url)[1] for url in PROJECT["urls"].values()} == {"avsync.example"}  # type: ignore[index]
    assert not [line for line in PROJECT["classifiers"] if line.startswith("License")]  # `license` says it


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, its content, and the wheel made from that content; without a network."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=LEFT_OUT)
    _build("build_sdist", folder / "tree", folder)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "source", filter="data")
    [content] = (folder / "source").iterdir()
    content.rename(folder / "content")
    _build("build_wheel", folder / "content", folder)
    return folder


def _build(what: str, tree: Path, to: Path) -> None:
    program = f"import sys; sys.path.insert(0, '.ci'); import backend as b; b.{what}(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(to)], cwd=tree, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_the_source_archive_holds_all_that_check_and_demo_need(built: Path) -> None:
    content = built / "content"
    for name in (
        "Makefile", "README.md", "LICENSE", "config.example.yaml", ".ci/run", "tests/conftest.py",
        "tests/data/kubernetes.json", "tests/support/office.py", "tests/services/cassettes/login.yaml",
        "avsync/RULES.md", "avsync/sandbox/seed_names.py", "avsync/sandbox/templates/base.html",
    ):  # fmt: skip
        assert (content / name).is_file(), name
    assert os.access(content / ".ci" / "run", os.X_OK)
    assert (content / "avsync" / "config" / "example.yaml").read_bytes() == (ROOT / "config.example.yaml").read_bytes()
    for room in ("avsync", "tests"):
        ours = {path.relative_to(ROOT) for path in (ROOT / room).rglob("*.py")}
        assert ours == {path.relative_to(content) for path in (content / room).rglob("*.py")}


def test_the_wheel_holds_the_program_with_its_data_and_no_tests(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"avsync"}
    tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "avsync").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == tree


def test_what_the_wheel_holds_runs_where_no_source_is(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "lib")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "lib"), "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    assert str(tmp_path / "lib") in run("-c", "import avsync; print(avsync.__file__)").stdout
    assert run("-m", "avsync", "init", "--example").stdout == (ROOT / "config.example.yaml").read_text()
    assert run("-m", "avsync", "run-all").returncode == 2  # no config
    assert run("-m", "avsync.conformance", "--help").returncode == 0
    assert run("-m", "avsync.sandbox", "--help").returncode == 0


@pytest.mark.parametrize("lacking", ["flask", "waitress", "werkzeug"])
def test_a_sandbox_without_its_extra_says_what_to_install(lacking: str) -> None:
    program = (
        f"import runpy, sys; sys.modules[{lacking!r}] = None; runpy.run_module('avsync.sandbox', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The sandbox needs some further packages: pip install 'avsync[sandbox]'\n"


@pytest.mark.long
@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_the_wheel_installs_alone_with_each_extra(built: Path, tmp_path: Path, extra: str) -> None:
    """As pipx does it: into an environment of its own, so it needs a network."""
    [wheel] = built.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    done = subprocess.run(
        [binaries / "pip", "install", "--quiet", wanted], capture_output=True, text=True, timeout=900, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"HOME": str(tmp_path)}
        )

    assert run(binaries / "pip", "check").returncode == 0
    assert PROJECT["version"] in run(binaries / "avsync", "--version").stdout
    assert run(binaries / "avsync", "init", "--example").stdout == (ROOT / "config.example.yaml").read_text()
    modules = [
        f"avsync.{path.relative_to(ROOT / 'avsync').with_suffix('').as_posix().replace('/', '.')}"
        for path in (ROOT / "avsync").rglob("*.py")
        if path.name not in ("__main__.py", "__init__.py")
        and "sandbox" not in path.parts
        and imported([path]).keys() <= declared(*([extra] if extra else []))
    ]
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    done = run(binaries / "python", "-c", program, *modules)
    assert done.returncode == 0, done.stderr
    told = run(binaries / "python", "-m", "avsync.sandbox", "--help")
    if extra in ("sandbox", "dev"):
        assert told.returncode == 0, told.stderr
    else:
        assert (told.returncode, told.stderr.count("\n")) == (2, 1)
