"""dlt, a loader that many use, on the same pages as avsync, into SQLite: `PYTHON tests/bench/loader.py FILE FOLDER`.

Run by the Python of an environment of its own, which holds dlt: nothing here is imported by anything else. FILE holds
JSON as for the floors; FOLDER gets the database and dlt's own state.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

os.environ["LOAD__WORKERS"] = "1"  # more than one lock each other out of SQLite
dlt = importlib.import_module("dlt")  # no dependency of the project


def load(told: dict[str, Any], folder: Path) -> None:
    """Every row of every page into a table of its listing, by its key."""
    session = requests.Session()
    session.trust_env = False
    roots = {side: told[f"{side}_url"].split("/api/")[0] for side in ("accountview", "crafter")}
    headers = {
        "accountview": {"Authorization": f"Bearer {told['token']}", "x-company": told["company_id"]},
        "crafter": {"Authorization": f"Bearer {told['api_key']}"},
    }

    def rows(requested: list[list[Any]]) -> Iterator[list[dict[str, Any]]]:
        for side, _, path, query, _, _ in requested:
            answer = session.get(f"{roots[side]}{path}?{query}", headers=headers[side])
            answer.raise_for_status()
            for found in answer.json().values():
                if isinstance(found, list):
                    yield [{"key": next(iter(row.values())), **row} for row in found]

    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.sqlalchemy(f"sqlite:///{folder}/loaded.db"), dataset_name="loaded",
        pipelines_dir=str(folder / "dlt"),
    )  # fmt: skip
    tables: dict[str, list[list[Any]]] = {}
    for one in told["requests"]:
        name = one[2].rpartition("/")[2]
        tables.setdefault(f"{one[0]}_{name}_{one[3].partition('BusinessObject=')[2].partition('&')[0]}", []).append(one)
    pipeline.run(
        [
            dlt.resource(rows(requested), name=name, primary_key="key", write_disposition="replace")
            for name, requested in tables.items()
        ]
    ).raise_on_failed_jobs()


if __name__ == "__main__":
    load(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
