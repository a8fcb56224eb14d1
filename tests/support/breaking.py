"""Breaking avsync on purpose: one run in this process with an axe at every checkpoint, and both worlds as plain text.

The worlds are compared without what no run controls: moments, row numbers, and the ids and numbers that a server gives
out. A record is named by what it holds instead, and so is every reference to it.
"""

from __future__ import annotations

import copy
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from avsync.commands import connect
from avsync.config.settings import Config, load
from avsync.records.values import AMSTERDAM
from avsync.sandbox.accountview.store import Table as Books
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.oauth import TokenSource
from avsync.state import db
from avsync.state.intents import Intent
from avsync.state.store import Store
from avsync.state.tokens import TokenFile
from avsync.sync import run as running
from tests.support.office import Office
from tests.support.world import World

GRACE = 120


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
    """An office whose runs happen here, quickly: no lock, no command line, and a clock that is set by hand."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.box)
        self.office = office
        self.moment = datetime.now(UTC)
        office.write_config()
        self.config: Config = load(office.path)

    def configure(self) -> None:
        """Read the config again."""
        self.office.write_config()
        self.config = load(self.office.path)

    def run(self, axe: Callable[[str], None] = lambda where: None, full: bool = False) -> running.Result | None:
        """One run; None when the axe fell. Afterwards the grace time is over."""
        store = Store(db.open_for_writing(self.config.state_dir))
        accountview = connect.accountview(self.config, pause=_no_pause)
        crafter = connect.crafter(self.config, pause=_no_pause)
        token_file = accountview._auth._file  # type: ignore[union-attr]
        token_file.save = _guarded(token_file.save, axe)
        today = datetime.now(AMSTERDAM).date().isoformat()
        try:
            session = running.Session(self.config, store, accountview, crafter, lambda: self.moment, _no_pause, today,
                                      full=full, checkpoint=axe)  # fmt: skip
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


class Picture:
    """Both stores and the state folder at one moment, to go back to as often as needed."""

    def __init__(self, bench: Bench) -> None:
        self.bench, box = bench, bench.box
        self.books = _copy(box.accountview.tables)
        self.planning = {name: _copy(getattr(box.crafter, name)) for name in _CRAFTER}
        self.state = bench.office.folder / "picture"
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(bench.office.state, self.state)
        self.moment = bench.moment

    def restore(self) -> None:
        """Everything as it was, with a login that is good."""
        box, office = self.bench.box, self.bench.office
        box.faults.clear()
        with box.accountview.mutex, box.crafter.lock:
            tables: dict[str, Books] = _copy(self.books)
            box.accountview.tables.clear()
            box.accountview.tables.update(tables)
            for name, value in self.planning.items():
                setattr(box.crafter, name, _copy(value))
        shutil.rmtree(office.state)
        shutil.copytree(self.state, office.state)
        office.log_in()
        box.requests.clear()
        self.bench.moment = self.moment


_CRAFTER = ("_tables", "_replies", "_history", "_made", "_last")


def _copy(tables: Any) -> Any:
    """A deep copy that shares what never changes."""
    shared = {}
    if isinstance(tables, dict):
        for table in tables.values():
            if isinstance(table, Books):
                shared[id(table.spec)] = table.spec
    return copy.deepcopy(tables, shared)


# both worlds as text

_MOVING = {"CNG_DATE", "INP_DATE", "EXT_KEY", "id", "created_at", "updated_at", "deleted_at", "history", "number"}
_GIVEN = {"SO_LINE": "REC_ID", "HRS_LINE": "REC_ID", "CONTACT": "SUB_NR", "SO_HDR": "ORD_NR"}
_RESOURCES = ("customers", "work-locations", "contacts", "project-types", "projects", "work-orders", "hours")


def dump(box: Sandbox) -> dict[str, list[str]]:
    """Every record of both worlds, as text, under its table; open timeline entries too."""
    names, tables = _names(box), sorted(box.accountview.tables)
    found = {table: sorted(_plain(row, names) for row in box.accountview.rows(table)) for table in tables}
    found |= {name: sorted(_plain(row, names) for row in box.crafter.records(name)) for name in _RESOURCES}
    found["timeline"] = sorted(_plain(row, names) for row in box.crafter.timeline if not row["resolved"])
    return found


def differences(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> list[str]:
    """What stands in one world and not in the other."""
    said = []
    for name in before:
        left, right = Counter(before[name]), Counter(after[name])
        said += [f"missing in {name}: {one}" for one in (left - right).elements()]
        said += [f"too many in {name}: {one}" for one in (right - left).elements()]
    return said


def _names(box: Sandbox) -> dict[str, str]:
    """What a server gave out → what it stands for."""
    names: dict[str, str] = {}
    for table, key in _GIVEN.items():
        for row in box.accountview.rows(table):
            shown = row.get("ACCT_NAME") or row.get("COMMENT1") or row.get("HRS_DESC") or row.get("ART_CODE")
            names[row[key]] = f"<{table} {shown}>"
    for resource in _RESOURCES:
        for record in box.crafter.records(resource):
            shown = record.get("name") or record.get("description") or record.get("street") or record.get("last_name")
            names[record["id"]] = f"<{resource} {shown}>"
    return names


def _plain(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    shown = {name: _value(value, names) for name, value in row.items() if name not in _MOVING}
    return json.dumps(shown, sort_keys=True, ensure_ascii=False, default=str)


def _value(value: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("av:"):
        return ":".join(names.get(part, part) for part in value.split(":"))
    return names.get(value, value)
