"""The log that the config names: a file or the syslog, as text or as JSON lines.

A log that cannot be written loses its lines and nothing else: that is said once, on stderr.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from avsync.commands.logs import OURS, run_number

if TYPE_CHECKING:
    from avsync.config.settings import LogConfig

_MODE = 0o640  # names of customers: for the owner and the group


class _Ours(logging.Handler):
    """A handler that says once that it cannot write, in place of a traceback for every line."""

    of_the_config = True
    where = ""
    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A line is lost."""
        if not self.failed:
            self.failed = True
            _cannot(self.where, sys.exc_info()[1])


class _File(_Ours, logging.handlers.WatchedFileHandler):
    """A file that may be rotated under our feet."""

    def __init__(self, path: str) -> None:
        self.where = path
        super().__init__(path, encoding="utf-8", errors="replace")

    def _open(self) -> Any:
        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=_private)  # noqa: SIM115


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, _MODE)


class _Syslog(_Ours, logging.handlers.SysLogHandler):
    """The syslog of this machine, or of another."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self.where = address if isinstance(address, str) else ":".join(map(str, address))
        super().__init__(address, facility=logging.handlers.SysLogHandler.LOG_DAEMON)
        self.ident = f"avsync[{os.getpid()}]: "


def open_log(config: LogConfig) -> None:
    """From here on lines go there too, from INFO on."""
    handler: logging.Handler
    try:
        handler = _File(str(config.file)) if config.file is not None else _Syslog(config.address)
    except OSError as error:
        _cannot(str(config.file or config.address), error)
        return
    handler.setLevel(logging.INFO)
    handler.setFormatter(AsJson() if config.format == "json" else AsText(moment=config.file is not None))
    logging.getLogger().addHandler(handler)
    OURS.setLevel(min(OURS.level, logging.INFO))


def _cannot(where: str, error: BaseException | None) -> None:
    sys.stderr.write(f"avsync: log {where}: {getattr(error, 'strerror', None) or type(error).__name__}\n")


class AsText(logging.Formatter):
    """One line of text with the run's number; a syslog puts the moment before it by itself."""

    def __init__(self, moment: bool) -> None:
        super().__init__(f"{'%(asctime)s ' if moment else ''}%(levelname)s %(run)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.run = f"run {run_number()}: " if run_number() else ""
        return super().format(record)


class AsJson(logging.Formatter):
    """One JSON object on a line: time (UTC), level, run, logger, message, and the event where it is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        shape: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"), "level": record.levelname, "run": run_number() or None,
            "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        event = getattr(record, "event", None)
        return json.dumps({**shape, "event": event} if event else shape, ensure_ascii=False, default=str)
