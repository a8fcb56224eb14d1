"""An office to test in: both services on loopback, a config and a state folder of its own, and the command line."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from avsync.cli import main
from avsync.sandbox.server import Sandbox
from tests.support.comparison import Snapshot, differences
from tests.support.in_process import without_sockets
from tests.support.world import World

DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
ALL_ON = {"customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export"}
ORDERS = {"customers": "both", "projects": "import", "orders": "export", "invoice": "off", "hours": "off"}


@dataclass(frozen=True)
class Told:
    """What a command said."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Office(World):
    """`config` is the config as a dict, written before every command; `avsync(...)` runs one in this process."""

    def __init__(self, box: Sandbox, folder: Path, **flows: str) -> None:
        super().__init__(box)
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        (folder / "secret").write_text(box.client_secret, encoding="utf-8")
        (folder / "key").write_text(box.api_key, encoding="utf-8")
        self.config: dict[str, Any] = {
            "language": "en",
            "company": box.company,
            "start_date": "2026-01-01",
            "flows": {**dict.fromkeys(ALL_ON, "off"), **flows} if flows else dict(ALL_ON),
            "time_codes": {"work": "100", "travel": "200"},
            "state_dir": str(self.state),
            "settle_grace": 0,
            "timeouts": {"connect": 2, "read": 5},
            "accountview": {
                "base_url": box.accountview_url,
                "authorize_url": box.authorize_url,
                "client_id": box.client_id,
                "client_secret": {"file": str(folder / "secret")},
                "debtor_account": "1300",
            },
            "crafter": {"base_url": box.crafter_url, "api_key": {"file": str(folder / "key")}},
        }
        box.crafter.aged["customers"] = timedelta(days=1)  # nobody is still typing them (behaviour 7)
        self.log_in()

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    def log_in(self) -> None:
        """A token as if a person had consented."""
        token = self.state / "token.json"
        token.write_text(json.dumps(self.box.grant()), encoding="utf-8")
        token.chmod(0o600)

    def write_config(self) -> None:
        self.path.write_text(yaml.dump(self.config, Dumper=DUMPER, sort_keys=False), encoding="utf-8")

    def avsync(self, *args: str, stdin: str | None = None) -> Told:
        """Run a command in this process; a traceback fails the test."""
        self.write_config()
        result = CliRunner().invoke(main, ["-c", str(self.path), *args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Told(result.exit_code, result.stdout, result.stderr)

    def command(self, *args: str) -> list[str]:
        """The command as a process of its own."""
        self.write_config()
        return [sys.executable, "-m", "avsync", "-c", str(self.path), *args]

    def process(self, *args: str, timeout: float = 60) -> Told:
        """Run a command as a process of its own."""
        done = subprocess.run(
            self.command(*args), capture_output=True, text=True, timeout=timeout, env=dict(os.environ)
        )
        return Told(done.returncode, done.stdout, done.stderr)

    def run(self, *args: str) -> dict[str, Any]:
        """`run-all --json`, its shape."""
        return dict(self.avsync("--json", "run-all", *args).json)

    def errors(self) -> list[dict[str, Any]]:
        """The open problems."""
        return list(self.avsync("--json", "errors").json)

    def writes(self) -> list[Any]:
        """The writes that reached a service since `box.requests.clear()` (the login's token calls apart)."""
        return [one for one in self.box.requests if one.method != "GET" and not one.path.endswith("/token")]

    def sent(self, side: str, method: str = "") -> list[Any]:
        """The writes to one side since the log was cleared (timeline apart)."""
        found = [write for write in self.writes() if write.side == side and "timeline" not in write.path]
        return [write for write in found if not method or write.method == method]

    def columns_sent(self) -> list[list[str]]:
        """The columns of every document sent to AccountView since the log was cleared, RowId apart."""
        tables = [body(write)["Table"]["Definition"] for write in self.sent("accountview")]
        return [[field["Name"] for field in table["Fields"] if field["Name"] != "RowId"] for table in tables]

    def fields_sent(self) -> list[dict[str, Any]]:
        """The fields of every body sent to Crafter since the log was cleared."""
        return [dict(body(write)) for write in self.sent("crafter")]

    def codes(self) -> list[str]:
        """The codes of the open problems."""
        return sorted(problem["code"] for problem in self.errors())

    def problem(self) -> dict[str, Any]:
        """The only open problem."""
        (found,) = self.errors()
        return found

    def goes(self, *args: str) -> None:
        """A run after which nothing asks for attention."""
        result = self.run(*args)
        assert result["exit"] == 0, (result, self.errors())

    def rests(self, exit_code: int = 0) -> None:
        """Two more runs, one of them a full pass, write nothing at all: no echo goes back and forth."""
        self.box.requests.clear()
        assert self.run()["exit"] == exit_code, self.errors()
        assert self.run("--full")["exit"] == exit_code, self.errors()
        assert self.writes() == [], [(write.method, write.path, write.body) for write in self.writes()]

    def in_step(self, before: Snapshot | None = None, but: tuple[str, ...] = ()) -> None:
        """Both worlds are equal wherever the design says so, and a further run changes nothing."""
        found = differences(self.box, self.config["flows"], before=before, but=but)
        assert not found, found
        self.rests()

    def recovers(self) -> None:
        """A run goes through, nothing was sent twice, and one more writes nothing, not even when it reads all."""
        self.goes()
        self.box.requests.clear()
        self.goes("--full")
        assert self.writes() == []
        for table, column in (("SO_HDR", "EXT_ID"), ("HRS_LINE", "EXT_ID"), ("CONTACT", "ACCT_NAME")):
            marks = [row[column] for row in self.box.accountview.rows(table) if row[column]]
            assert len(marks) == len(set(marks)), f"doubled in {table}"


def body(write: Any) -> Any:
    """What a write carried, as JSON."""
    return json.loads(write.body)


@contextmanager
def office(
    folder: Path, world: Any = None, flows: dict[str, str] | None = None, *, wire: bool = False, **options: Any
) -> Iterator[Office]:
    """An office on a world of its own (empty without one). `options` are the sandbox's; `wire`: over real sockets."""
    with Sandbox(world=world, **options) as box, nullcontext() if wire else without_sockets(box):
        yield Office(box, folder, **(flows or {}))


@contextmanager
def shop(folder: Path, flows: Mapping[str, str] | None = None, **options: Any) -> Iterator[Office]:
    """An office on a small shop, with these flows on top of customers: both, projects: import, orders: export."""
    with office(folder, None, {**ORDERS, **(flows or {})}, **options) as one:
        one.shop()
        yield one


def grow_older(one: Office, days: int) -> None:
    """Let what is told have been told some days longer already."""
    with sqlite3.connect(one.state / "state.db") as db:
        for column in ("first_seen", "last_seen"):
            db.execute(f"UPDATE problems SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')")
