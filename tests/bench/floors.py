"""The floors: what plain hand-written code needs for the same work. `python -m tests.bench.floors replay|pages FILE`.

Each runs as a process of its own, start-up included, just like the avsync it is compared with. FILE holds JSON: the
sandbox's addresses and keys, the recorded requests, and for `replay` how many connections each side gets.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

Recorded = list[Any]  # side, method, path, query, status, body


class Bare:
    """One plain session to both services."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self._told = told
        self._roots = {side: told[f"{side}_url"].split("/api/")[0] for side in ("accountview", "crafter")}
        self._headers = {
            "accountview": {"Authorization": f"Bearer {told['token']}", "x-company": told["company_id"]},
            "crafter": {"Authorization": f"Bearer {told['api_key']}"},
        }

    def send(self, one: Recorded) -> bytes:
        """Send it as it was sent; its answer."""
        side, method, path, query, _, body = one
        headers = self._headers[side] | ({"Content-Type": "application/json; charset=UTF-8"} if body else {})
        address = self._roots[side] + path + (f"?{query}" if query else "")
        answer = self.session.request(method, address, data=body.encode() if body else None, headers=headers)
        answer.raise_for_status() if answer.status_code != 404 else None
        return answer.content


def replay(told: dict[str, Any]) -> None:
    """Reads one after the other (each page's address is in the page before), writes by as many sessions as avsync had.

    A kind is written once the kind before it is there, as its ids demand.
    """
    reader = Bare(told)
    for (side, reads, _), group in itertools.groupby(told["requests"], _phase):
        if reads:
            for one in group:
                reader.send(one)
        else:
            _write(told, list(group), told["connections"][side])


def _phase(one: Recorded) -> tuple[str, bool, str]:
    return one[0], one[1] == "GET", one[2].split("/")[3] if one[1] != "GET" else ""


def _write(told: dict[str, Any], writes: list[Recorded], connections: int) -> None:
    queue = iter(writes)

    def work(_: int) -> None:
        bare = Bare(told)
        for one in queue_of(queue):
            bare.send(one)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))


def queue_of(shared: Iterator[Recorded]) -> Iterator[Recorded]:
    """What several threads take turns at; `next` on a list's iterator is atomic."""
    while (one := next(shared, None)) is not None:
        yield one


def pages(told: dict[str, Any]) -> None:
    """Read the same pages, hash every row, compare it with the hash in SQLite by its key; a changed one is an error."""
    db = sqlite3.connect(told["hashes"])
    db.execute("CREATE TABLE IF NOT EXISTS hashes (source TEXT, key TEXT, hash TEXT, PRIMARY KEY (source, key))")
    known, bare, changed = bool(db.execute("SELECT 1 FROM hashes").fetchone()), Bare(told), 0
    for one in told["requests"]:
        answer = json.loads(bare.send(one))
        for source, rows in answer.items():
            for row in rows if isinstance(rows, list) else ():
                key = str(row.get("id") or row.get("SUB_NR") or row.get("PP_CODE") or row.get("COMPANY"))
                mark = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
                place = f"{one[2]} {source}"
                if not known:
                    db.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (place, key, mark))
                    continue
                found = db.execute("SELECT hash FROM hashes WHERE source = ? AND key = ?", (place, key)).fetchone()
                changed += found is None or found[0] != mark
    db.commit()
    if changed:
        raise SystemExit(f"{changed} rows look changed")


def bare_requests(told: dict[str, Any]) -> None:
    """The same requests, one after the other, over one session; what avsync imports of others is imported first."""
    for name in told["imports"]:
        with suppress(ImportError):  # a few are parts that something else has made
            importlib.import_module(name)
    bare = Bare(told)
    for one in told["requests"]:
        bare.send(one)


if __name__ == "__main__":
    {"replay": replay, "pages": pages, "requests": bare_requests}[sys.argv[1]](
        json.loads(Path(sys.argv[2]).read_text())
    )
