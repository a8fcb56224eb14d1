"""`avsync` as a process: whatever happens to it ends in one clear line and a documented exit code (behaviour 54).

Its streams may be closed, full or in an old alphabet, its folder gone, the machine out of files or memory. What cannot
be written is lost, and remembered: a run that is under way must not stop because nobody listens.
"""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from avsync.cli import Options


class Outlet(io.FileIO):
    """A stream of the process that takes everything; `fault` is the first refusal of what is behind it."""

    fault: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, or lose."""
        try:
            while (written := super().write(data)) is None:  # nobody reads just now
                select.select([], [self], [])
        except OSError as error:
            self.fault = self.fault or error
            return len(data)
        return written


def _streams() -> Outlet:
    """Open what was closed, so that no file of ours takes its number, and let nothing fail on the way out. Returns
    what stands behind stdout."""
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            closed.append(number)
    if 0 in closed or sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process
    out, err = Outlet(1, "w", closefd=False), Outlet(2, "w", closefd=False)
    for name, raw in (("stdout", out), ("stderr", err)):
        encoding = getattr(getattr(sys, name), "encoding", None) or "utf-8"
        whole_lines = name == "stderr" or raw.isatty()
        stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding, "replace", line_buffering=whole_lines)
        setattr(sys, name, stream)
    return out


def entry() -> NoReturn:
    """What the command `avsync` runs."""
    gc.set_threshold(50_000, 20, 20)  # a process that lives for a moment mostly makes what it keeps
    code, options = 0, None
    threading.excepthook = _of_a_thread
    try:
        out = _streams()
        from avsync.cli import Options, main

        options = Options()
        try:
            main.main(prog_name="avsync", obj=options)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        sys.stdout.flush()
        if out.fault is not None and out.fault.errno != errno.EPIPE:  # who closes a pipe has seen enough
            _say("output_lost", options, detail=out.fault.strerror)
            code = code or (0 if options.ran else 5)
    except (OSError, MemoryError, ImportError) as error:
        code = _say("machine_refuses", options, detail=getattr(error, "strerror", None) or type(error).__name__)
    except KeyboardInterrupt:
        code = 4
    except Exception as error:  # noqa: BLE001 - the edge of the process: a traceback helps nobody who sees it
        code = _say("stumbled", options, error=type(error).__name__, where=_where(error))
    _end(code)


def _end(code: int) -> NoReturn:
    """At once: to take the interpreter apart takes longer than many a command. What must come to its end was waited for
    by whoever began it, and what a file or a database must hold is there already."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never there
            stream.flush()
    os._exit(code)


def _say(code: str, options: Options | None, **params: Any) -> int:
    """One line on stderr; with no files left to read the words from, in the words of the machine."""
    try:
        from avsync.messages.texts import text

        said = text(code, options.language if options else "nl", params)
        line = " ".join(said)
        if options is not None and options.as_json and code != "output_lost":
            words = {"code": code, "message": said[0], "hint": said[1]}
            print(json.dumps({"exit": 5, "error": words}))
    except (OSError, MemoryError, ImportError):
        line = f"avsync: {', '.join(map(str, params.values()))}"
    print(line, file=sys.stderr)
    return 5


def _of_a_thread(fault: threading.ExceptHookArgs) -> None:
    """What goes wrong in a thread that nobody waits for, such as one that warns somebody: a line of the log."""
    import logging

    kind, error = fault.exc_type.__name__, fault.exc_value
    logging.getLogger("avsync").info("%s in a thread (%s)", kind, _where(error) if error else "?")


def _where(error: BaseException) -> str:
    """The innermost place of our own in a traceback."""
    found, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("avsync."):
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


if __name__ == "__main__":
    entry()
