"""The companies that a command looks at: a config each, given one by one or as a folder of them, the worst first.

What there is to know of one comes from its state.db and its token file; nobody is asked, and no right to write is
needed. Of several, one that cannot be looked at is told in its place and keeps nobody from the others.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from avsync import __version__
from avsync.config import FLOWS, settings
from avsync.config.settings import Config
from avsync.errors import AvsyncError, ConfigError
from avsync.messages import texts
from avsync.state import db
from avsync.state.incidents import LOGIN, Incident
from avsync.state.store import Store
from avsync.sync.clock import here

MAX_AGE = "30m"  # three runs of every ten minutes
FIRST_OF = (5, 3, 2, 4, 1, 0)  # exit codes, what weighs most first (behaviour 30)
See = Callable[["Company", Store], None]
_ENDINGS = (".yaml", ".yml")


@dataclass(slots=True)
class Company:
    """A config, and how things stand there: as `status --json` says it, or why that cannot be said. `label`: what it is
    called among the others, `now` by the clock that stamped its state (behaviour 51)."""

    path: str
    config: Config | None = None
    error: AvsyncError | None = None
    shape: dict[str, Any] | None = None
    incidents: Sequence[Incident] = ()
    exit: int = 0
    label: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def language(self) -> str:
        """That of its config, also of one that is wrong."""
        said = self.error.params.get("language", "nl") if self.error else "nl"
        return self.config.language if self.config else str(said)

    @property
    def last(self) -> dict[str, Any] | None:
        """The newest run that finished; one at work says nothing yet."""
        return next((run for run in (self.shape or {"runs": []})["runs"] if run["finished"]), None)

    def why(self) -> tuple[str, str] | None:
        """(sentence, next step) of why it cannot be looked at."""
        return texts.text(self.error.code, self.language, self.error.params) if self.error else None

    @property
    def is_late(self) -> bool:
        """Whether its last run went well, and is too long ago."""
        return self.last is not None and self.exit == 4 and self.last["exit"] in (0, 1)


# --- which ones


def found(paths: Sequence[str], environ: Mapping[str, str]) -> list[Company]:
    """Every config that was pointed to (else the one that is found), each once, with what is wrong with it."""
    given: list[str | None] = [*paths] or [None]
    inside = dict.fromkeys(one for path in given for one in _inside(path))
    return [_loaded(one, environ) for one in inside]


def _inside(path: str | None) -> list[str | None]:
    """A config, or those of a folder. A folder that holds none, or may not be entered, stands for itself."""
    if path is None or not os.path.isdir(path):
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        names = []
    inside = [name for name in names if name.endswith(_ENDINGS) and not name.startswith(".")]
    return [os.path.join(path, name) for name in inside] or [path]


def _loaded(path: str | None, environ: Mapping[str, str]) -> Company:
    try:
        place = settings.find(path, environ)
        if os.path.isdir(place):
            os.listdir(place)
            raise ConfigError("no_configs_in_folder", path=str(place))
        return Company(str(place), settings.load(place))
    except OSError as error:
        return Company(path or "", error=ConfigError("config_unreadable", path=path, detail=error.strerror))
    except AvsyncError as error:
        return Company(path or "", error=error)


# --- how they do


def looked_at(
    companies: Sequence[Company],
    now: datetime,
    *,
    alone: bool,
    oldest: int,
    runs: int = 1,
    see: See | None = None,
) -> list[Company]:
    """They with what there is to know, the worst first. `oldest`: seconds after which a last run is too long ago; `see`
    looks on, into the same state; `alone`: what is wrong with the only one is raised."""
    for one in companies:
        one.now = now
        try:
            if one.error is not None:
                raise one.error
            _look(one, runs, see)
        except AvsyncError as error:
            if alone:
                raise
            one.error, one.shape = error, None
        one.exit = _code(one, oldest)
    _label(companies)
    return sorted(companies, key=lambda one: (FIRST_OF.index(one.exit), -_open_errors(one), one.label))


def _look(one: Company, runs: int, see: See | None) -> None:
    assert one.config is not None  # noqa: S101 - else it has an error
    with reading(one.config) as store:
        look_into(store, one, one.config, runs)
        if see is not None:
            see(one, store)


def look_into(store: Store, one: Company, config: Config, runs: int) -> None:
    """What its state tells of a company."""
    one.shape, one.incidents = shape_of(config, store, runs), store.incidents.open()
    one.now = here(store, lambda: one.now)


@contextmanager
def reading(config: Config) -> Iterator[Store]:
    """The state, to read: an empty one before the first run."""
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        store = Store(base if base is not None else db.open_copy(config.state_dir))
        try:
            yield store
        finally:
            store.close()


def _code(one: Company, oldest: int) -> int:
    if one.shape is None:
        return one.error.exit_code if one.error else 5
    last = one.last
    if last is None:
        return 4
    age = (one.now - datetime.fromisoformat(last["finished"])).total_seconds()
    return worst([last["exit"], 4 if age > oldest else 0])


def worst(codes: Sequence[int]) -> int:
    """The exit code that weighs most."""
    return min(codes, key=FIRST_OF.index)


def told_by(companies: Sequence[Company]) -> int:
    """The exit code of a command that only tells: 0, unless not one of them could be looked at."""
    return 0 if any(one.shape is not None for one in companies) else worst([one.exit for one in companies])


def _label(companies: Sequence[Company]) -> None:
    """Where two configs are of one company, or there is none to read, the file says which it is."""
    named = Counter(one.config.company for one in companies if one.config)
    for one in companies:
        name = one.config.company if one.config else ""
        one.label = one.path if not name else f"{name} ({one.path})" if named[name] > 1 else name


def _open_errors(one: Company) -> int:
    return int(one.shape["open"]["error"]) if one.shape else 0


# --- the shape


def shape_of(config: Config, store: Store, runs: int) -> dict[str, Any]:
    """The shape of RULES.md, more JSON, and `runs`: the newest so many, at least up to one that is finished."""
    from avsync.records.registry import listings

    marks, ok = store.watermarks(), store.flows_ok()

    def read_by(flow: str) -> dict[str, Any]:
        names = [one.name for one in listings() if not one.recent and flow in {kind.flow for kind in one.makes}]
        return {name: marks[name].newest for name in names if name in marks}

    return {
        "last_run": store.last_run(),
        "flows": {flow: {"watermarks": read_by(flow), "last_ok": ok.get(flow)} for flow in FLOWS},
        "open": store.problems.counts(), "records": store.problems.record_counts(),
        "intents": len(store.intents.open()), "token": _token(config, store),
        "incidents": [one.as_json() for one in store.incidents.open()], "version": __version__,
        "runs": store.last_runs(runs),
    }  # fmt: skip


def _token(config: Config, store: Store) -> dict[str, Any]:
    """Whether there is a login and whether it worked last, without opening the token for writing or showing any of
    it."""
    try:
        raw = json.loads(config.token_path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raw = None
    token = raw if isinstance(raw, dict) else {}
    present = bool(token.get("access_token")) if raw is not None else os.path.exists(config.token_path)
    works: bool | None = True if store.has_reached("accountview") else None
    if not present or any(one.sort == LOGIN and one.service == "AccountView" for one in store.incidents.open()):
        works = False
    return {"present": present, "works": works, "expires_at": _moment(token.get("expires_at"))}


def _moment(seconds: object) -> str | None:
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None
