"""Breaking avsync on purpose: a run in this process with an axe at every checkpoint, services that answer badly."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from avsync.commands import connect
from avsync.config.settings import Config, load
from avsync.services.accountview.oauth import TokenSource
from avsync.state import db
from avsync.state.intents import Intent
from avsync.state.store import Store
from avsync.state.tokens import TokenFile
from avsync.sync import run as running
from tests.support.folders import MEMORY
from tests.support.office import Office, office
from tests.support.world import World

GRACE = 120
CUSTOMERS = {"customers": "both"}
ORDERS = CUSTOMERS | {"orders": "export"}
INVOICE = ORDERS | {"invoice": "export"}
HOURS = CUSTOMERS | {"hours": "export"}


class Killed(BaseException):
    """What `kill -9` is in a process that must live on: nobody catches it."""


class Axe:
    """Stands at every checkpoint, counts them, and at the n-th one (or the first called `at`) does something or kills.

    Once it has fallen, every later checkpoint falls too: the threads of a killed process do no more work either.
    """

    def __init__(self, place: int = 0, act: Callable[[], None] | None = None, kill: bool = True, at: str = "") -> None:
        self.place, self.act, self.kill, self.at = place, act, kill, at
        self.passed: list[str] = []
        self.dead = False
        self._lock = threading.Lock()

    def __call__(self, where: str) -> None:
        with self._lock:
            if self.dead:
                raise Killed(where)
            self.passed.append(where)
            if len(self.passed) != self.place and where != self.at:
                return
            if self.act:
                self.act()
            self.dead = self.kill
        if self.dead:
            raise Killed(where)


class Bench(World):
    """An office whose runs happen here, quickly: no lock, no command line, and clocks that are set by hand: those of
    the services, ours and the machine's uptime, all at once."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.box)
        self.office = office
        self._ahead = timedelta()
        self.box.accountview.clock = self.box.crafter._clock = lambda: self.moment
        office.write_config()
        self.config: Config = load(office.path)

    @property
    def moment(self) -> datetime:
        """What time it is."""
        return datetime.now(UTC) + self._ahead

    @moment.setter
    def moment(self, now: datetime) -> None:
        self._ahead = now - datetime.now(UTC)

    def ticks(self) -> float:
        """Seconds that pass, and those that somebody lets pass."""
        return time.monotonic() + self._ahead.total_seconds()

    def configure(self) -> None:
        """Read the config again."""
        self.office.write_config()
        self.config = load(self.office.path)

    def run(self, axe: Callable[[str], None] = lambda where: None, full: bool = False) -> running.Result | None:
        """One run; None when the axe fell. Afterwards the grace time is over."""
        store = Store(db.open_for_writing(self.config.state_dir))
        accountview = connect.accountview(self.config, pause=_no_pause, ticks=self.ticks)
        crafter = connect.crafter(self.config, pause=_no_pause, ticks=self.ticks)
        token_file = accountview._auth._file  # type: ignore[union-attr]
        token_file.save = _guarded(token_file.save, axe)
        try:
            session = running.Session(
                self.config, store, accountview, crafter, lambda: self.moment, _no_pause, full=full, checkpoint=axe,
                uptime=lambda: ("bench", self.ticks()),
            )  # fmt: skip
            return running.run(session)
        except Killed:
            wait_for_the_dying()
            return None
        finally:
            store.close()
            accountview.http.close()
            crafter.http.close()
            self.moment += timedelta(seconds=GRACE + 80)

    def until_quiet(self, most: int = 7, wanted: int = 0) -> int:
        """Run until a run writes nothing, has nothing open and ends with that exit code; how many runs that took."""
        for number in range(1, most + 1):
            self.office.box.requests.clear()
            result = self.run()
            assert result is not None
            if result.exit == wanted and not self.office.writes() and not self.intents() and self.all_told():
                return number
        said = {flow: str(error) for flow, error in result.errors.items()}
        raise AssertionError(f"not quiet: exit {result.exit} {said} {self.problems()} {self.intents()}")

    def store(self) -> Store:
        """The state, to look into; close it."""
        return Store(db.open_for_writing(self.config.state_dir))

    def intents(self) -> list[Intent]:
        store = self.store()
        try:
            return store.intents.open()
        finally:
            store.close()

    def all_told(self) -> bool:
        """Whether every timeline entry stands as wanted: a post that hangs is in the log only when it is over."""
        store = self.store()
        try:
            return all(entry.wanted == entry.posted for entry in store.problems.entries().values())
        finally:
            store.close()

    def problems(self) -> list[tuple[str, str, str]]:
        """(kind, key, code) of the open problems."""
        store = self.store()
        try:
            return [(one.about.kind, one.about.key, one.cause.code) for one in store.problems.all()]
        finally:
            store.close()

    def rotate_token(self) -> None:
        """Another process renews the login: the access token held here dies with it."""
        self.box.expire_tokens()
        file, url = TokenFile(self.config.token_path), self.config.accountview.token_url
        source = TokenSource(file, self.box.client_id, self.box.client_secret, url)
        with file.lock():
            source._refresh(source._load())


def _no_pause(seconds: float) -> None:
    """Nobody waits in a test."""


def _guarded(
    save: Callable[[Mapping[str, Any]], None], axe: Callable[[str], None]
) -> Callable[[Mapping[str, Any]], None]:
    def guarded(token: Mapping[str, Any]) -> None:
        save(token)
        axe("token")

    return guarded


def wait_for_the_dying() -> None:
    """After a kill: what was under way in this process comes to its end."""
    for thread in threading.enumerate():
        if thread.name.startswith(("accountview_", "crafter_", "ThreadPoolExecutor")):
            thread.join(timeout=5)


@contextmanager
def bench(
    flows: dict[str, str], config: Mapping[str, Any] | None = None, *, wire: bool = True, **options: Any
) -> Iterator[Bench]:
    """A bench in memory, over real sockets; it waits seconds, not minutes."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
        office(Path(folder), None, flows, wire=wire, **options) as one,
    ):
        one.config |= {"settle_grace": GRACE, "timeouts": {"connect": 2, "read": 3}, **(config or {})}
        yield Bench(one)


def lose_answer(one: Bench, do: str = "commit_drop", nth: int = 1, **more: Any) -> None:
    """The n-th write to AccountView goes wrong in this way."""
    one.box.faults.add(side="accountview", method="POST", path="accountviewdata", nth=nth, do=do, **more)


def refuse_look_ups(one: Bench, column: str) -> None:
    """AccountView fails on every read that looks for a value in this column."""
    one.box.faults.add(side="accountview", method="GET", path=f"FilterControlSource1={column}", times=0, do="500")
