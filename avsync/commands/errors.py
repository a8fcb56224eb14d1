"""What support staff ask: which problems are open, leave this one out, try that one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
