"""What a config file came to the last time it was judged, kept in its state folder.

Judging takes longer than all else that a quiet run does on this machine. A file is taken as judged only where nothing
can have changed: the same text, in the same folder, with the same home, by the same program, and kept by this very
user. Wherever that is not plainly so, the file is judged again.
"""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from avsync import __version__
from avsync.config.secret import HomeUnknown, expanded

FILE_NAME = "config.json"
DEFAULT_FOLDER = "~/.local/state/avsync"
_LARGEST = 1 << 22  # bytes
_OTHERS_MAY_WRITE = 0o022
_STATE_DIR = re.compile(
    r"""^state_dir[ \t]*:[ \t]*("[^"\\\n]*"|'[^'\n]*'|[^\s"'&*!|>{\[%@`#][^#\n]*?)?[ \t]*(?:#.*)?$""", re.MULTILINE
)
_SOMEBODYS_HOME = re.compile(r"~\w")

Source = list[Any]  # all that a judgement depends on


def source_of(text: str, folder: Path) -> Source | None:
    """What the values of a file with this text, in this folder, are made of; None where more may play a part."""
    try:
        if _SOMEBODYS_HOME.search(text):
            return None
        program = [
            os.stat(Path(__file__).with_name(name)).st_mtime_ns for name in ("model.py", "mistakes.py", "settings.py")
        ]
        return [__version__, program, str(expanded("~")), str(folder), text]
    except (OSError, HomeUnknown):
        return None


def recall(path: Path) -> dict[str, Any] | None:
    """The values of a config that was judged before."""
    try:
        text = _read(path, os.O_RDONLY).decode("utf-8-sig")
        folder = path.absolute().parent
        source, state = source_of(text, folder), _state_dir(text, folder)
        if source is None or state is None:
            return None
        kept = json.loads(_read(state / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW, own=True))
        values = kept["values"] if kept["source"] == source else None
        return values if isinstance(values, dict) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError, HomeUnknown):
        return None


def keep(folder: Path, source: Source, values: Any) -> None:
    """Remember the values of a config in its state folder; a disk that will not have them costs the next start time
    and nothing else."""
    path = folder / FILE_NAME
    new = path.with_name(f"{FILE_NAME}.{os.getpid()}.part")
    with suppress(OSError):
        try:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                json.dump({"source": source, "values": values}, out)
            os.replace(new, path)
        finally:
            with suppress(FileNotFoundError):
                new.unlink()


def _state_dir(text: str, folder: Path) -> Path | None:
    """Where the state most likely is. A wrong guess does no harm: what is kept there is of another text."""
    found = _STATE_DIR.findall(text)
    if len(found) > 1:
        return None
    written = (found[0] if found else "").strip("\"'")
    return folder / expanded(written or DEFAULT_FOLDER)


def _read(path: Path, flags: int, own: bool = False) -> bytes:
    """A file, and no pipe, which can be read only once; with `own` one that nobody but this user can have written."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(path)
    file = os.open(path, flags | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        if own and (found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE):
            raise PermissionError(path)
        return opened.read(_LARGEST)
