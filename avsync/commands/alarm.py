"""Who is warned of what a run meets: a command, a ping address in Healthchecks' manner, and whatever Apprise can reach.

Nothing here can fail a run, or keep it for more than five seconds: what takes longer is left behind (a command is
ended). An incident is told on this channel by its own memory, so that a warning comes once, whoever saw what was
printed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from avsync.commands.news import Changes, incident_lines, named
from avsync.config.secret import Address
from avsync.config.settings import Config, NotifyConfig
from avsync.errors import AvsyncError
from avsync.messages.texts import phrase
from avsync.services.http import Answer, Http
from avsync.state.incidents import ALARMED, LINE, LOGIN, OUTAGE, SAFETY, SETUP, TIME, Incident, News
from avsync.sync.incidents import time_of
from avsync.sync.session import Result, Session

if TYPE_CHECKING:
    from avsync.commands.run import Talker

log = logging.getLogger(__name__)

LONGEST = 5.0  # seconds that a run may wait for all of it
PATIENCE = 60.0  # seconds for somebody who tries it out
_GOOD = (0, 1)  # exit codes of a run that did its work
_EVENTS = {LOGIN: "login_needed", SAFETY: "safety", OUTAGE: "outage", LINE: "outage", SETUP: "outage", TIME: "outage"}
_COLOURS = {"recovered": "success", "new_problems": "warning", "test": "info"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: `event` is a word of the config's `on`, `shape` what a command gets besides."""

    event: str
    title: str
    text: str
    shape: dict[str, Any]


@dataclass(slots=True)
class Told:
    """How one way of telling went; `fault` is empty when it went well."""

    way: str
    fault: str = "no answer in time"


NOBODY = NotifyConfig({"command": [], "ping_url": None, "urls": [], "on": []})


class Alarm:
    """The ways of telling of one run. `seconds`: how long may be waited for them, all together."""

    def __init__(self, config: Config, seconds: float = LONGEST, pings: bool = True) -> None:
        self.config, self.settings = config, config.notify or NOBODY
        self.seconds, self.pings = seconds, pings and self.settings.ping_url is not None
        self._started: threading.Thread | None = None

    # a run

    def begin(self) -> None:
        """A run starts."""
        if self.pings:
            self._started = self._thread(lambda: self._ping("/start", "", self.seconds))

    def end(self, code: int, text: str, notices: Sequence[Notice] = ()) -> None:
        """A run is over, with this exit code."""
        until = time.monotonic() + self.seconds
        if self.pings:
            self._wait([self._thread(lambda: self._ping_after(code, text, until))], until)
        wanted = [one for one in notices if one.event in self.settings.on]
        for told in self.tell(wanted, until) if wanted else ():
            if told.fault:
                log.info("%s: %s", told.way, told.fault)

    def _ping_after(self, code: int, text: str, until: float) -> None:
        if self._started is not None:
            self._started.join(max(0.0, until - time.monotonic()))
        self._ping("" if code in _GOOD else "/fail", text, until - time.monotonic())

    def _ping(self, place: str, text: str, left: float) -> str:
        """Returns what went wrong."""
        fault = "no answer"
        with suppress(OSError, ValueError):
            try:
                fault = _post(self.settings.ping_url, place, {"company": self.config.company, "message": text}, left)
            except AvsyncError as error:
                fault = str(error.params.get("detail") or error.code)
        if fault:
            log.info("ping_url: %s", fault)
        return fault

    # the ways of telling

    def tell(self, notices: Sequence[Notice], until: float) -> list[Told]:
        """Tell these on all ways at once; how each went, as far as that is known in time."""
        found, threads = [], []
        for one in notices:
            if self.settings.command:
                found.append(Told("command"))
                threads.append(self._thread(partial(_run, self.settings.command, one, until, found[-1])))
            if self.settings.urls:
                found.append(Told("urls"))
                threads.append(self._thread(partial(_apprise, self.settings.urls, one, until, found[-1])))
        self._wait(threads, until)
        return found

    def try_out(self) -> list[Told]:
        """Tell everybody something, for somebody who waits for it."""
        until = time.monotonic() + self.seconds
        language, company = self.config.language, self.config.company
        text = phrase("run", "test_text", language, company=company)
        title = phrase("run", "test_title", language, company=company)
        found = self.tell([Notice("test", title, text, {"company": company})], until)
        if self.pings:
            found.append(Told("ping_url", self._ping("", text, self.seconds)))
        return found

    @staticmethod
    def _thread(work: Callable[[], Any]) -> threading.Thread:
        """A process that ends does not wait for these."""
        thread = threading.Thread(target=work, daemon=True, name="alarm")
        thread.start()
        return thread

    @staticmethod
    def _wait(threads: Sequence[threading.Thread], until: float) -> None:
        for one in threads:
            one.join(max(0.0, until - time.monotonic()))


def _post(address: Address | None, place: str, body: dict[str, str], left: float) -> str:
    """Returns what went wrong."""
    parts = urlsplit(address.reveal() if address is not None else "")
    end = time.monotonic() + left
    http = Http(f"{parts.scheme}://{parts.netloc}", service="ping_url", concurrency=1, connect=left, read=left,
                time_left=lambda: end - time.monotonic())  # fmt: skip
    query = f"?{parts.query}" if parts.query else ""
    answer = http.send("POST", parts.path.rstrip("/") + place + query, body)
    http.close()
    if isinstance(answer, Answer):
        return "" if answer.ok else f"HTTP {answer.status}"
    return answer.reason


def _run(command: Sequence[str], one: Notice, until: float, told: Told) -> None:
    """The command with the notice as JSON on its stdin; it is ended when its time is up."""
    text = json.dumps({"event": one.event, "title": one.title, "message": one.text, **one.shape}, ensure_ascii=False)
    told.fault = _process(list(command), text, until, left_alone=False)


def _apprise(urls: Sequence[Address], one: Notice, until: float, told: Told) -> None:
    """In a process of its own, which may take longer than we wait."""
    if importlib.util.find_spec("apprise") is None:
        told.fault = "pip install 'avsync[notify]'"
        return
    try:
        shown = [url.reveal() for url in urls]
    except AvsyncError as error:
        told.fault = f"{error.params.get('key')}: {error.params.get('detail')}"
        return
    text = json.dumps({"urls": shown, "title": one.title, "body": one.text, "type": _COLOURS.get(one.event, "failure")})
    words = [sys.executable, "-P", "-m", "avsync.commands.by_apprise"]
    told.fault = _process(words, text, until, left_alone=True)


def _process(words: list[str], text: str, until: float, left_alone: bool) -> str:
    """Run it with a text on stdin; returns what went wrong."""
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; what the operator has put into the config
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    try:
        _, said = process.communicate(text.encode(), timeout=max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        if not left_alone:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        return "no answer in time"
    except (OSError, ValueError):
        return "took no input"
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
    return "" if process.returncode == 0 else f"exit {process.returncode} {last}".strip()


def test(config: Config, talker: Talker) -> int:
    """Tell everybody something, and say how that went; 1 when somebody was not reached."""
    told = Alarm(config, PATIENCE).try_out()
    lines = [phrase("run", "not_told" if one.fault else "told", config.language, way=one.way, fault=one.fault)
             for one in told]  # fmt: skip
    bad = not told or any(one.fault for one in told)
    shape = {"exit": int(bad), "told": [{"way": one.way, "ok": not one.fault, "fault": one.fault} for one in told]}
    talker.say("\n".join(lines) or phrase("run", "nobody_told", config.language), shape)
    return int(bad)


# --- what there is to tell


def notices_of(result: Result, session: Session, found: Changes) -> list[Notice]:
    """What a run gives reason to warn of; that it was told of an incident is remembered."""
    store, config, language = session.store, session.config, session.config.language

    def clock(one: Incident) -> Any:
        return time_of(session, one)

    told = store.incidents.to_tell(ALARMED, clock)
    base = {"company": config.company, "run": result.run, "exit": result.exit}
    notices = [_of_incident(news, one, result, language, base) for news, one in told]
    if told:
        with store.transaction():
            store.incidents.tell(ALARMED, told, clock)
    errors = [row for row in found.new if row.problems[0].cause.severity == "error"]
    if errors:
        title = phrase("run", "new_title", language, company=config.company, count=len(errors))
        lines = [named(row, language)[0] for row in errors[:10]]
        counts = {"new": len(found.new), "solved": len(found.solved), "open": found.open}
        text = "\n".join([phrase("run", "problems", language, **counts), *lines])
        rows = [row.as_json() for row in errors[:10]]
        notices.append(Notice("new_problems", title, text, {**base, "problems": counts, "errors": rows}))
    return notices


def _of_incident(news: News, one: Incident, result: Result, language: str, base: dict[str, Any]) -> Notice:
    first, *more = incident_lines(news, one, result, language)
    event = "recovered" if news == "over" else _EVENTS[one.sort]
    incident = {**one.as_json(), "until": one.until or None}
    return Notice(
        event, f"avsync {base['company']}: {first}", "\n".join([first, *more]), {**base, "incident": incident}
    )
