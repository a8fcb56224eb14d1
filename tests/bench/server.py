"""The sandbox in a process of its own, so that it shares no interpreter lock with what is measured (but the cores).

`Server` starts it; the other end is `python -m tests.bench.server WORLD SIZE LATENCY`, which talks JSON lines on its
standard input and output.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import timedelta
from types import SimpleNamespace, TracebackType
from typing import Any, Self

NAMES = (
    "accountview_url",
    "authorize_url",
    "crafter_url",
    "client_id",
    "client_secret",
    "company",
    "company_id",
    "api_key",
)


class Server:
    """A sandbox with a world; has what `tests.support.office.Office` asks of one."""

    def __init__(self, world: str, size: int, latency: float = 0.0) -> None:
        command = [sys.executable, "-m", "tests.bench.server", world, str(size), str(latency)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = self._answer()
        self._token: dict[str, Any] = told.pop("token")
        self.names: dict[str, str] = told
        self.crafter = SimpleNamespace(aged={})  # of what a world holds nobody is still typing anything

    def __getattr__(self, name: str) -> Any:
        if name in NAMES:
            return self.names[name]
        raise AttributeError(name)

    def grant(self) -> dict[str, Any]:
        """A valid token."""
        return self._token

    def ask(self, what: str) -> Any:
        """`requests`: [side, method, path, query, status, body] of each since the last time. `writes`: how many.
        `bears N`: Crafter answers 429 to more than N requests at a time."""
        assert self._process.stdin
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _serve(world: str, size: int, latency: float) -> None:
    from avsync.sandbox.server import Sandbox
    from tests.bench.worlds import WORLDS

    class Filled:
        def fill(self, box: Any) -> None:
            WORLDS[world](box, size)

    with Sandbox(Filled(), latency=latency, token_lifetime=36000) as box:
        _name_by_reference(box.crafter)
        box.crafter.aged["customers"] = timedelta(days=1)  # as an office has it
        _say({**{name: getattr(box, name) for name in NAMES}, "token": box.grant()})
        for line in sys.stdin:
            if line.startswith("bears"):
                box.faults.bears = {"crafter": int(line.split()[1])}
            seen = [one for one in box.requests if not one.path.endswith("/token")]
            shown = [one[:6] for one in seen]
            _say(shown if line.strip() == "requests" else sum(one.method != "GET" for one in seen))
            box.requests.clear()


def _name_by_reference(store: Any) -> None:
    """Ids that do not depend on the order of arrival, so that recorded requests fit a second sandbox."""
    create = store._create

    def named(resource: str, body: dict[str, Any], own: dict[str, Any] | None = None) -> Any:
        mark = body.get("external_ref")
        given = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}/{mark}"))} if mark and not own else own
        return create(resource, body, given)

    store._create = named


def _say(shape: Any) -> None:
    print(json.dumps(shape), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
