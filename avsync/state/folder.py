"""The state folder: whose it is, who else may write in it, and what its disk can promise (behaviour 53)."""

from __future__ import annotations

import logging
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from avsync.errors import PersonMustLook

log = logging.getLogger(__name__)

_OTHERS_MAY_WRITE = 0o022
_told: set[str] = set()  # folders whose fsync was refused, said once


def claim(folder: Path) -> None:
    """Before a command that writes: the folder is its user's own, and nobody else may write there.

    What another user writes here is out of reach for the owner, whose runs would stop for ever; what others may write,
    they may forge. A folder that is not there yet is nobody's. Errors: PersonMustLook.
    """
    try:
        found = os.stat(folder)
        if found.st_uid != os.geteuid():
            raise PersonMustLook(
                "state_of_another", path=str(folder), owner=_name(found.st_uid), user=_name(os.geteuid())
            )
        _refuse_open(folder, found)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # SQLite's side files come and go
                        _refuse_open(Path(entry.path), entry.stat(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return  # nothing there yet, or a file: said by whoever makes it
    except OSError as error:
        raise PersonMustLook("state_unreadable", path=str(folder), detail=error.strerror or str(error)) from error


def _refuse_open(path: Path, found: os.stat_result) -> None:
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise PersonMustLook("state_open_to_others", path=str(path), mode=f"{stat.S_IMODE(found.st_mode):o}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return str(uid)


def sync_folder(folder: Path) -> None:
    """A rename is on the disk only when its folder is. Some disks, mostly on a network, refuse to say so; that is no
    reason to work without the file."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if str(folder) not in _told:
            _told.add(str(folder))
            log.warning("%s cannot be synced (%s); a power cut may undo what was just saved", folder, error.strerror)
