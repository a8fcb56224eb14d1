"""The figures of the last run for Prometheus, in the form of node_exporter's textfile collector.

The file is replaced in one piece, so that nobody reads half of it. That it cannot be written stops nothing; its age
then tells.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from avsync import __version__
from avsync.commands import files
from avsync.state.incidents import LOGIN
from avsync.state.store import Store
from avsync.sync.session import Result, Session

log = logging.getLogger(__name__)

Sample = tuple[Mapping[str, str], float]
_MODE = 0o644  # another user collects it


def write(path: Path, result: Result, session: Session) -> None:
    """Put the figures of this run in place of those of the last."""
    try:
        files.replace(path, "".join(_lines(result, session)), _MODE)
    except OSError as error:
        log.info("%s: %s", path, error.strerror or error)


def _lines(result: Result, session: Session) -> Iterator[str]:
    store, company = session.store, session.config.company
    started, finished = _seconds(session.started), _seconds(result.finished)

    def one(name: str, told: str, samples: Iterable[Sample]) -> Iterator[str]:
        yield f"# HELP avsync_{name} {told}\n# TYPE avsync_{name} gauge\n"
        for labels, value in samples:
            shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in {"company": company, **labels}.items())
            yield f"avsync_{name}{{{shown}}} {value:.15g}\n"

    def single(name: str, told: str, value: float) -> Iterator[str]:
        return one(name, told, [({}, value)])

    yield from one("info", "The version that ran.", [({"version": __version__}, 1)])
    yield from single("run_number", "Number of the last run.", result.run)
    yield from single("run_finished_timestamp_seconds", "When the last run finished.", finished)
    yield from single("run_duration_seconds", "How long the last run took.", max(0.0, finished - started))
    yield from single("run_exit_code", "Exit code of the last run.", result.exit)
    yield from one("run_records", "What the last run did, per flow.", [
        ({"flow": flow, "what": what}, count) for flow, counts in result.flows.items() for what, count in counts.items()
    ])  # fmt: skip
    yield from one("run_requests", "Requests of the last run.", [
        ({"service": service}, count) for service, count in result.requests.items()
    ])  # fmt: skip
    yield from one("flow_last_ok_timestamp_seconds", "When a flow last went through.", [
        ({"flow": flow}, _seconds(moment)) for flow, moment in store.flows_ok().items()
    ])  # fmt: skip
    yield from one("open_problems", "Open problems, one per cause.", [
        ({"severity": severity}, count) for severity, count in store.problems.counts().items()
    ])  # fmt: skip
    yield from single("unsettled_writes", "Writes of which nobody saw the outcome yet.", len(store.intents.open()))
    yield from one("incident_since_timestamp_seconds", "Since when something stops avsync.", [
        ({"sort": each.sort, "service": each.service, "code": each.code}, _seconds(each.since))
        for each in store.incidents.open()
    ])  # fmt: skip
    yield from single("login_works", "Whether AccountView took the login.", _login(store))


def _login(store: Store) -> int:
    return int(not any(one.sort == LOGIN and one.service == "AccountView" for one in store.incidents.open()))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
