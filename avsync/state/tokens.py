"""The token pair on disk: readable by its owner alone, replaced in one piece, guarded by its own lock.

A refresh token lives once (AccountView contract 1): whoever loses the new one must log in again. So a new
pair is on the disk, not merely in a cache, before anybody uses it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from avsync.errors import LoginNeeded, PersonMustLook, TryLater
from avsync.state.folder import sync_folder
from avsync.state.lock import open_lock, refused

log = logging.getLogger(__name__)

Token = dict[str, Any]

LOCK_WAIT = 120.0  # seconds; longer than a refresh can take with its time-outs
LOCK_STEP = 0.05
LIMIT = 65_536  # bytes; no token file is that long


class TokenFile:
    """token.json and its lock; one object may be shared by many threads."""

    def __init__(self, path: Path, *, lock_wait: float = LOCK_WAIT) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_wait = lock_wait
        self._thread_lock = threading.Lock()

    def load(self) -> Token | None:
        """The token pair, or None when nobody has logged in; LoginNeeded("token_damaged") when it is broken.

        A file that others can read is closed to them first, with a warning.
        """
        try:
            raw = self._read()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise PersonMustLook("token_unreadable", path=str(self.path), detail=exc.strerror or str(exc)) from None
        token = _token_in(raw)
        if token is None:
            raise LoginNeeded("token_damaged", path=str(self.path))
        return token

    def _read(self) -> bytes:
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & 0o077:
                log.warning("%s was readable by others (mode %o); now only by its owner", self.path, mode)
                with suppress(PermissionError):
                    os.fchmod(file.fileno(), 0o600)
            return file.read(LIMIT)

    def save(self, token: Mapping[str, Any]) -> None:
        """Put the pair on disk; it survives a power cut. Otherwise AvsyncError("token_not_saved")."""
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}.new")
        try:
            _make_folder(self.path.parent)
            _write_synced(temporary, json.dumps(dict(token)).encode())
            os.replace(temporary, self.path)
            sync_folder(self.path.parent)
        except OSError as exc:
            with suppress(OSError):
                temporary.unlink()
            raise self._not_saved(exc) from None

    def delete(self) -> bool:
        """Forget the pair, once no process is renewing it; False when there was none.

        Errors: PersonMustLook("token_not_deleted"), and those of `lock`.
        """
        if not self.path.parent.exists():
            return False
        with self.lock():
            try:
                self.path.unlink()
                sync_folder(self.path.parent)
            except FileNotFoundError:
                return False
            except OSError as exc:
                detail = exc.strerror or str(exc)
                raise PersonMustLook("token_not_deleted", path=str(self.path), detail=detail) from None
        return True

    def check_writable(self) -> None:
        """AvsyncError("token_not_saved") when a pair could not be saved; asked before a person logs in."""
        probe = self.path.with_name(f"{self.path.name}.{os.getpid()}.probe")
        try:
            _make_folder(self.path.parent)
            _write_synced(probe, b"{}")
        except OSError as exc:
            raise self._not_saved(exc) from None
        finally:
            with suppress(OSError):
                probe.unlink()

    def _not_saved(self, exc: OSError) -> PersonMustLook:
        return PersonMustLook("token_not_saved", path=str(self.path), detail=exc.strerror or str(exc))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One holder among all threads and processes; the kernel lets go when a process dies.

        Errors: TryLater("token_locked") when another process holds it for too long.
        """
        end = time.monotonic() + self._lock_wait
        if not self._thread_lock.acquire(timeout=self._lock_wait):
            raise TryLater("token_locked", path=str(self._lock_path))
        try:
            handle = self._open_lock()
            try:
                self._wait_for(handle, end)
                self._rescue()
                yield
            finally:
                os.close(handle)
        finally:
            self._thread_lock.release()

    def _rescue(self) -> None:
        """A pair that a killed process wrote, but did not put in place: what stands there is dead, so this one counts.

        All saving happens under the lock, so whatever lies here now was left behind.
        """
        with suppress(OSError):
            left = [(os.stat(one).st_mtime_ns, one) for one in self.path.parent.glob(f"{self.path.name}.*.new")]
            for when, one in sorted(left):
                current = os.stat(self.path).st_mtime_ns if self.path.exists() else 0
                if when >= current and _token_in(one.read_bytes()) is not None:
                    os.replace(one, self.path)
                    sync_folder(self.path.parent)
                else:
                    one.unlink()

    def _open_lock(self) -> int:
        try:
            _make_folder(self.path.parent)
            return open_lock(self._lock_path, 0o600)
        except OSError as exc:
            raise self._not_saved(exc) from None

    def _wait_for(self, handle: int, end: float) -> None:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise TryLater("token_locked", path=str(self._lock_path)) from None
            except OSError as exc:
                raise refused(self._lock_path, exc) from None
            time.sleep(LOCK_STEP)


def _token_in(raw: bytes) -> Token | None:
    try:
        token = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(token, dict) and isinstance(token.get("access_token"), str) and token["access_token"]
    return token if sound else None


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
