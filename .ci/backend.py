"""setuptools, with the list of what a source archive holds kept beside this file, and not at the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - all the other hooks are its own

_LIST = Path(__file__).with_name("manifest.in")


def build_sdist(folder: str, settings: dict[str, Any] | None = None) -> str:
    """The archive; the list stands at the top only while it is made."""
    here = Path("MANIFEST.in")
    here.write_bytes(_LIST.read_bytes())
    try:
        return str(build_meta.build_sdist(folder, settings))
    finally:
        here.unlink(missing_ok=True)
