"""The house (RULES.md, "The house"): which room may know which, and what no reader can check by eye."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "avsync"
FILES = sorted(PACKAGE.rglob("*.py"))
KINDS = {"customer", "location", "contact", "project_type", "project", "order", "order_line", "hour"}
APART = {"sandbox", "conformance"}

# room: the rooms it may know; everybody may know `errors`
MAY_KNOW = {
    "__main__": {"cli", "messages"},
    "cli": {"commands", "config", "messages"},
    "commands": {"sync", "records", "state", "services", "config", "messages"},
    "sync": {"records", "state", "services", "config", "messages"},
    "state": {"records"},
    "config": {"services", "messages"},
    "records": set(),
    "services": set(),
    "messages": set(),
    "errors": set(),
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def known_rooms(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "avsync":
            parts = str(node.module).split(".")
            yield from [parts[1]] if len(parts) > 1 else [one.name for one in node.names if one.name != "__version__"]


def test_arrows_only_point_down() -> None:
    seen = {room(path): set() for path in FILES if room(path) not in APART | {"__init__"}}
    for path in FILES:
        if room(path) in seen:
            seen[room(path)] |= set(known_rooms(path)) - {room(path), "errors"}
    assert seen.keys() == MAY_KNOW.keys()
    assert not {home: far - MAY_KNOW[home] for home, far in seen.items() if far - MAY_KNOW[home]}


@pytest.mark.parametrize("apart", sorted(APART))
def test_what_stands_apart_knows_only_itself(apart: str) -> None:
    assert not [path for path in FILES if room(path) == apart and set(known_rooms(path)) - {apart}]


def test_no_kind_is_named_in_the_engine() -> None:
    named = {
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}"
        for path in FILES
        if room(path) in ("sync", "commands", "state", "services", "config", "messages")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KINDS
    }
    assert not named


PURE = [path for path in FILES if room(path) == "records"] + [
    PACKAGE / "sync" / name for name in ("plan.py", "merge.py")
]
OUTSIDE = {
    "io", "os", "pathlib", "logging", "random", "requests", "secrets", "socket", "sqlite3", "sqlite_utils",
    "subprocess", "sys", "threading", "time", "urllib3",
}  # fmt: skip
EFFECTS = {"now", "utcnow", "today", "open", "print", "input", "getenv", "sleep"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_what_is_pure_has_no_effects(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            assert not OUTSIDE & {one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).split(".")[0] not in OUTSIDE
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in EFFECTS, f"{path}:{node.lineno}"


def test_one_broad_except_at_the_record_boundary() -> None:
    """Law 8. Of the other places one is the edge of the process, one hands an exception on to the thread that waits."""
    broad = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    assert sorted(broad) == ["__main__.py", "services/accountview/grant.py", "sync/boundary.py"]


def test_no_file_of_the_project_names_a_package_registry() -> None:
    names = ("pypi org", "pythonhosted org", "npmjs com", "npmjs org", "crates io", "rubygems org", "proxy golang org")
    hosts = [name.replace(" ", ".") for name in (*names, "conda anaconda org")]
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    named = [ROOT / name for name in done.stdout.splitlines()] if done.returncode == 0 else []
    for path in named or [path for path in ROOT.rglob("*") if ".venv" not in path.parts]:
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace").lower()
            assert not [host for host in hosts if host in text], path
