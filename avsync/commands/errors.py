"""What support staff ask: which problems are open, leave this one out, try that one again, how do things stand."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from avsync.commands import listing, report
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import ConfigError
from avsync.state import db
from avsync.state.folder import claim
from avsync.state.problems import Problem
from avsync.state.store import Store

if TYPE_CHECKING:
    from avsync.commands.run import Talker

_LARGEST = 1 << 63  # what SQLite takes for a number


def show(config: Config, flow: str | None, talker: Talker) -> None:
    """List the open problems. Needs no right to write anything."""
    found = _problems(config, flow)
    shapes = [row.as_json() for row in listing.rows(found, config.language)]
    talker.say(report.problems_table(shapes, config.language), shapes)


def _problems(config: Config, flow: str | None = None) -> list[Problem]:
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        return Store(base).problems.all(flow) if base is not None else []


def ignore(config: Config, identity: int) -> None:
    """Leave a problem out of the list until its record changes."""
    claim(config.state_dir)
    with db.in_words(config.state_dir):
        store = Store(db.open_for_writing(config.state_dir))
        try:
            with store.transaction():
                known = identity < _LARGEST and store.problems.ignore(identity)
        finally:
            store.close()
    if not known:
        raise ConfigError("no_such_problem", id=identity)


def retry(config: Config, which: str, talker: Talker) -> int:
    """Handle one record now, or all that have a problem; returns the exit code."""
    from avsync.commands import run as launch

    claim(config.state_dir)
    chosen = [one for one in _problems(config) if which in ("all", str(one.number))]
    if not chosen and which != "all":
        raise ConfigError("no_such_problem", id=which)
    flows = tuple(dict.fromkeys(one.about.flow for one in chosen)) or FLOWS
    everything = not chosen or any(one.about.kind == "flow" for one in chosen)  # it may hold up records of any name
    only = None if everything else frozenset(one.about.record.upper() for one in chosen)
    return launch.run(config, talker, flows=flows, command="errors --retry", only=only)


def status(config: Config, talker: Talker) -> None:
    """How things stand. Needs no right to write anything."""
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        store = Store(base if base is not None else db.open_copy(config.state_dir))
        shape = report.status_json(store, _token(config))
    talker.say(report.status_table(shape, config.language), shape)


def _token(config: Config) -> dict[str, Any]:
    """Whether there is a login, without opening the token for writing or showing any of it."""
    try:
        token = json.loads(config.token_path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {"present": os.path.exists(config.token_path), "expires_at": None}
    found = token if isinstance(token, dict) else {}
    return {"present": bool(found.get("access_token")), "expires_at": _moment(found.get("expires_at"))}


def _moment(seconds: object) -> str | None:
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None
