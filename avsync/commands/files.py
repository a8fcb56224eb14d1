"""Files that others read while avsync writes them anew: they see the old one or the new one, never half of one."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def replace(path: Path, text: str, mode: int) -> None:
    """Put a file with this text in the place of the one there, whose mode it takes over. OSError: nothing has changed.

    What is no file (a device, a pipe) is left alone, and so is what a link points to: the link makes way.
    """
    with suppress(FileNotFoundError):
        there = os.lstat(path).st_mode
        if stat.S_ISREG(there):
            mode = stat.S_IMODE(there)
        elif not stat.S_ISLNK(there):
            raise FileExistsError(None, "not a file", str(path))
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, mode)
            file.write(text)
        os.replace(fresh, path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
