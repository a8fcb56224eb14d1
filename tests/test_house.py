"""The house rules that a reader cannot check by eye: who may import whom, how long things are, what is never named."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "avsync"
LONGEST_FILE, LONGEST_FUNCTION = 300, 40

PURE = ("model", "merge", "plan", "fit", "sources", "flows")
# What a pure module may use of the standard library: values and types, nothing that reads, waits, talks or remembers.
PURE_LIBRARY = {
    "__future__", "collections", "dataclasses", "datetime", "decimal", "enum", "functools", "hashlib", "heapq",
    "itertools", "re", "typing", "unicodedata", "zoneinfo",
}  # fmt: skip
PURE_OTHERS = {"anyascii"}
PURE_OWN = {*PURE, "errors"}
# Reading the clock or the environment through a module that is otherwise harmless.
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "getenv", "sleep"}


SQL = re.compile(r"\s*(SELECT|INSERT|DELETE|UPDATE|CREATE|PRAGMA|BEGIN|DROP)\s+\S")


def module(path: Path) -> str:
    """`flows.orders` for avsync/flows/orders.py; a package is named by itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {module(path): path for path in FILES}


def imports(path: Path, at_run_time: bool = True) -> Iterator[str]:
    """Every module a file imports, also inside functions; imports for type checking alone are left out if asked."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _walk(tree, at_run_time):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{one.name}" for one in node.names]
            yield from (name if name.removeprefix("avsync.") in MODULES else str(node.module) for name in names)


def _walk(node: ast.AST, at_run_time: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if at_run_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _walk(child, at_run_time)


def own(path: Path, at_run_time: bool = False) -> set[str]:
    """The modules of ours a file imports, without the `avsync.`."""
    return {
        name.removeprefix("avsync.")
        for name in imports(path, at_run_time)
        if name.startswith("avsync.") and name != "avsync"
    }


def under(name: str, *parents: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in parents)


def those(*parents: str) -> list[Path]:
    return [path for name, path in MODULES.items() if under(name, *parents)]


def shown(path: Path) -> str:
    return module(path) or "avsync"


@pytest.mark.parametrize("path", those(*PURE), ids=shown)
def test_the_core_is_pure(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        if top == "avsync":
            assert under(name.removeprefix("avsync."), *PURE_OWN) or name == "avsync", name
        else:
            assert top in PURE_LIBRARY | PURE_OTHERS, f"{name} in a pure module"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"{path}:{node.lineno}: {called}()"


@pytest.mark.parametrize("path", those("services"), ids=shown)
def test_the_services_know_nothing_of_state(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] in ("sqlite3", "sqlite_utils")]
    assert not [name for name in own(path) if not under(name, "services", "errors", "urls")]


@pytest.mark.parametrize("path", those("state"), ids=shown)
def test_the_state_knows_nothing_of_http(path: Path) -> None:
    far = {"requests", "requests_oauthlib", "urllib3", "http", "socket", "ssl"}
    assert not [name for name in imports(path) if name.split(".")[0] in far]
    assert not [name for name in own(path) if under(name, "services", "connect", "run", "apply", "sandbox")]


def test_only_the_state_speaks_sql() -> None:
    for name, path in MODULES.items():
        if under(name, "state", "sandbox"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not SQL.match(node.value), f"{name}:{node.lineno}: {node.value[:60]}"


@pytest.mark.parametrize("path", those("sandbox"), ids=shown)
def test_the_sandbox_stands_alone(path: Path) -> None:
    assert not [name for name in own(path) if not under(name, "sandbox")]


def test_nothing_but_commands_for_people_needs_the_sandbox() -> None:
    for name, path in MODULES.items():
        if not under(name, "sandbox"):
            assert not [one for one in own(path) if under(one, "sandbox")], name


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").glob("*.py"))], ids=lambda path: path.name)
def test_every_line_of_code_is_typed_lazily(path: Path) -> None:
    """Annotations cost nothing at import, and cycles of types stay possible."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    code = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if len(code) > 2:
        assert isinstance(code[0], ast.ImportFrom), path
        assert code[0].module == "__future__", path


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_no_file_and_no_function_runs_away(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, path
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno + 1 <= LONGEST_FUNCTION, f"{path}: {node.name}"


def test_one_broad_except_at_the_record_boundary() -> None:
    """Design rule 8. The other place hands an exception on to the thread that waits for it."""
    broad = [
        shown(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)  # it goes on up
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    assert sorted(broad) == ["boundary", "services.accountview.grant"]


def test_no_file_of_the_project_names_a_package_registry() -> None:
    names = ("pypi org", "pythonhosted org", "npmjs com", "npmjs org", "crates io", "rubygems org", "proxy golang org")
    hosts = [name.replace(" ", ".") for name in (*names, "conda anaconda org")]
    for path in _project_files():
        text = path.read_bytes().decode("utf-8", "replace").lower()
        assert not [host for host in hosts if host in text], path


def _project_files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    names = done.stdout.splitlines() if done.returncode == 0 else []
    found = [ROOT / name for name in names] or [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in found if path.is_file()]
