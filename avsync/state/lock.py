"""One run at a time: a kernel lock, which dies with the process, and in its file who holds it and how far it came."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from avsync.errors import PersonMustLook
from avsync.state.machine import uptime

FILE_NAME = "lock"


def open_lock(path: Path, mode: int) -> int:
    """The handle of a lock file, made when it is not there. What stands behind a link in its place is not ours."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PersonMustLook("lock_is_a_link", path=str(path)) from error
        raise


def refused(path: Path, error: OSError) -> PersonMustLook:
    """The disk has no locks to give, as many a network share."""
    return PersonMustLook("lock_refused", path=str(path), detail=error.strerror or str(error))


def _unwritable(path: Path, error: OSError) -> PersonMustLook:
    return PersonMustLook("state_unwritable", path=str(path), detail=error.strerror or str(error))


class Holder(NamedTuple):
    """What the lock file says: the process, when it started (UTC, and by the machine's uptime), which state.db it used
    and the last run's number.

    The last two outlive the run: a state.db that is older than they say was put back from a backup.
    """

    pid: int = 0
    started: str = ""
    identity: str = ""
    run: int = 0
    boot: str = ""
    uptime: float = 0.0

    def age(self) -> float:
        """Seconds since it started: by our clock only where the machine's uptime does not tell (behaviour 51)."""
        boot, now = uptime()
        if boot and boot == self.boot:
            return max(0.0, now - self.uptime)
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(self.started)).total_seconds())


def holder_now(before: Holder, pid: int) -> Holder:
    """This process as the holder; what the last one knew of state.db stays."""
    from avsync.records.values import format_utc  # who only looks whether the lock is free has no use for it

    boot, now = uptime()
    return before._replace(pid=pid, started=format_utc(datetime.now(UTC)), boot=boot, uptime=now)


class RunLock:
    """The lock of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock; False when another run has it. A lock that nobody can take is no run at work: exit 5."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = open_lock(self.path, 0o640)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        except OSError as error:
            self.release()
            raise refused(self.path, error) from error
        return True

    def holder(self) -> Holder:
        """Who holds it, or held it last; empty when that cannot be read."""
        try:
            found = Holder(**json.loads(self.path.read_text(encoding="utf-8")))
            started = datetime.fromisoformat(found.started)
        except (OSError, ValueError, TypeError, RecursionError):
            return Holder()
        numbers = all(isinstance(one, (int, float)) for one in (found.pid, found.run, found.uptime))
        texts = isinstance(found.identity, str) and isinstance(found.boot, str)
        return found if numbers and texts and started.tzinfo else Holder()

    def write(self, holder: Holder, lasting: bool = True) -> None:
        """Say who holds it; `lasting` what a power cut may not take."""
        assert self._file is not None  # noqa: S101 - only after `take`
        try:
            text = json.dumps(holder._asdict()).encode()
            os.pwrite(self._file, text, 0)
            os.ftruncate(self._file, len(text))
            if lasting:
                os.fsync(self._file)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def release(self) -> None:
        """Let it go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
