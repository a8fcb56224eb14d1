"""How things stand: the last runs, how far each flow has read, what is open, the login, the services. For one company
or for several, the worst first; and for a monitor, as an exit code.

All of it comes from state.db and the token file; nobody is asked, and no right to write is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from avsync import __version__
from avsync.commands.history import local
from avsync.commands.periods import seconds_of
from avsync.commands.report import error_json, headings, table, totals_table
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import AvsyncError
from avsync.messages.texts import phrase, text, word
from avsync.records.values import AMSTERDAM
from avsync.state import db
from avsync.state.incidents import LOGIN, Incident
from avsync.state.store import Store

if TYPE_CHECKING:
    from avsync.commands.run import Talker

MAX_AGE = "30m"  # three runs of every ten minutes
_FIRST_OF = (5, 3, 2, 4, 1, 0)
_UNITS = ((2 * 86_400, 86_400, "days"), (2 * 3600, 3600, "hours"), (0, 60, "minutes"))


@dataclass(slots=True)
class Company:
    """A config, and how things stand there: as `status --json` says it, or why that cannot be said."""

    path: str
    config: Config | None = None
    error: AvsyncError | None = None
    shape: dict[str, Any] | None = None
    incidents: Sequence[Incident] = ()
    exit: int = 0


def show(companies: Sequence[Company], talker: Talker, *, check: bool, max_age: str, runs: int) -> int:
    """Tell how things stand. Returns 0, or with `check` the exit code of the last run (of the worst company), where 4
    is also a last run that finished longer ago than `max_age`."""
    oldest, now = seconds_of(max_age), datetime.now(UTC)
    for one in companies:
        _look(one, max(runs, 1), len(companies) == 1)
        one.exit = _code(one, oldest, now)
    if len(companies) == 1:
        _one(companies[0], talker, runs, now)
    else:
        worst_first = sorted(companies, key=lambda one: _FIRST_OF.index(one.exit))
        language = next((one.config.language for one in companies if one.config), "nl")
        talker.say(_overview(worst_first, language, now), [_row(one, language) for one in worst_first])
    return min((one.exit for one in companies), key=_FIRST_OF.index) if check else 0


def _look(one: Company, runs: int, alone: bool) -> None:
    """Of several companies one that cannot be looked at is a row like any other."""
    if one.config is None:
        if alone and one.error is not None:
            raise one.error
        return
    try:
        with db.in_words(one.config.state_dir):
            base = db.open_for_reading(one.config.state_dir)
            store = Store(base if base is not None else db.open_copy(one.config.state_dir))
            one.shape, one.incidents = shape_of(one.config, store, runs), store.incidents.open()
            store.close()
    except AvsyncError as error:
        if alone:
            raise
        one.error = error


def _code(one: Company, oldest: int, now: datetime) -> int:
    """What weighs most comes first (behaviour 30). A run that is at work says nothing yet."""
    if one.shape is None:
        return one.error.exit_code if one.error else 5
    last = next((run for run in one.shape["runs"] if run["finished"]), None)
    if last is None:
        return 4
    codes: set[int] = {last["exit"], 4 if _seconds(last["finished"], now) > oldest else 0}
    return min(codes, key=_FIRST_OF.index)


def _seconds(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds()


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


# --- one company


def _one(company: Company, talker: Talker, runs: int, now: datetime) -> None:
    shape, config = company.shape or {}, company.config
    language = config.language if config else "nl"
    shown = {name: value for name, value in shape.items() if name != "runs" or runs}
    talker.say("\n".join(_lines(company, shape, language, runs, now)), shown)


def _lines(company: Company, shape: Mapping[str, Any], language: str, runs: int, now: datetime) -> list[str]:
    def say(name: str, **params: Any) -> str:
        return phrase("status", name, language, **params)

    rows = [
        [word(flow, language), local(one["last_ok"]) if one["last_ok"] else "-", _watermark(one["watermarks"])]
        for flow, one in shape["flows"].items()
    ]
    lines = [
        f"avsync {shape['version']}, {company.config.company if company.config else ''}",
        *_incidents(company.incidents, language),
        *_last_run(shape["last_run"], language, now),
        "",
        table(rows, headings(("flow", "last_ok", "watermark"), language), tablefmt="simple"),
        "",
        say("open", counts=_counts(shape["open"], language)),
        *([say("intents", count=shape["intents"])] if shape["intents"] else []),
        say("token", state=_login(shape["token"], language)),
        *_runs(shape["runs"] if runs else [], language),
    ]
    return [part for line in lines for part in _wrapped(line)]


def _wrapped(line: str) -> list[str]:
    """A sentence within the terminal; a table stays as it is."""
    width = max(shutil.get_terminal_size((80, 24)).columns, 40)
    return [line] if "\n" in line or len(line) <= width else textwrap.wrap(line, width, subsequent_indent="  ")


def _watermark(marks: Mapping[str, str]) -> str:
    """The listing that has been read least far says how far all have. AccountView's moments are local."""
    found = [datetime.fromisoformat(moment) for moment in marks.values() if moment]
    moments = [one if one.tzinfo else one.replace(tzinfo=AMSTERDAM) for one in found]
    return local(min(moments).isoformat()) if moments else "-"


def _counts(counts: Mapping[str, int], language: str) -> str:
    shown = [phrase("status", f"{name}_{'one' if count == 1 else 'more'}", language, count=count)
             for name, count in counts.items() if count]  # fmt: skip
    return ", ".join(shown) or phrase("status", "nothing_open", language)


def _login(token: Mapping[str, Any], language: str) -> str:
    name = {True: "works", None: "untried", False: "refused"}[token["works"]] if token["present"] else "absent"
    until = local(token["expires_at"]) if token["expires_at"] and token["works"] else ""
    return phrase("status", name, language) + (phrase("status", "until", language, moment=until) if until else "")


def _incidents(incidents: Sequence[Incident], language: str) -> list[str]:
    return [phrase("status", "incident", language, service=one.service or "avsync", since=local(one.since),
                   what=text(one.code, language, one.params)[0])
            for one in incidents]  # fmt: skip


def _last_run(last: Mapping[str, Any] | None, language: str, now: datetime) -> list[str]:
    if last is None:
        return [word("no_run", language)]
    moment = last["finished"] or last["started"]
    name = "last_run" if last["finished"] else "run_at_work"
    shown = {"run": last["run"], "command": last["command"], "moment": local(moment), "age": age(moment, language, now),
             "exit": _exit(last["exit"], language)}  # fmt: skip
    line = phrase("status", name, language, **shown)
    return [line, "", totals_table(last["flows"], language)] if last["flows"] else [line]


def _exit(code: int | None, language: str) -> str:
    return phrase("status", f"exit_{code}" if code is not None else "unfinished", language)


def age(moment: str, language: str, now: datetime) -> str:
    """How long ago: `12 minuten geleden`."""
    seconds = max(0.0, _seconds(moment, now))
    unit, name = next((unit, name) for least, unit, name in _UNITS if seconds >= least)
    return phrase("status", f"ago_{name}", language, count=int(seconds // unit))


def _runs(runs: Sequence[Mapping[str, Any]], language: str) -> list[str]:
    if not runs:
        return []
    rows = [
        [run["run"], run["command"], local(run["started"]), _took(run), _exit(run["exit"], language),
         _did(run["flows"], language)]
        for run in runs
    ]  # fmt: skip
    names = [
        phrase("status", f"head_{name}", language) for name in ("run", "command", "started", "took", "exit", "did")
    ]
    return ["", table(rows, names, tablefmt="simple", disable_numparse=True)]


def _took(run: Mapping[str, Any]) -> str:
    if not run["finished"]:
        return "-"
    seconds = round(_seconds(run["started"], datetime.fromisoformat(run["finished"])))
    return f"{seconds // 60}:{seconds % 60:02}"


def _did(flows: Mapping[str, Mapping[str, int]], language: str) -> str:
    total = {name: sum(counts.get(name, 0) for counts in flows.values()) for name in ("created", "updated", "adopted")}
    return ", ".join(f"{count} {word(name, language)}" for name, count in total.items() if count) or "-"


# --- several


def _row(one: Company, language: str) -> dict[str, Any]:
    named = {"company": one.config.company if one.config else None, "config": one.path, "exit": one.exit}
    if one.shape is None:
        return {**named, "error": error_json(one.error, language) if one.error else None}
    return {**named, **{name: value for name, value in one.shape.items() if name != "runs"}}


def _overview(companies: Sequence[Company], language: str, now: datetime) -> str:
    names = [phrase("status", f"head_{name}", language) for name in ("company", "state", "last", "open", "login")]
    rows = [_cells(one, language, now) for one in companies]
    return table(rows, names, tablefmt="simple", disable_numparse=True, maxcolwidths=[16, 34, 20, 30, 12])


def _cells(one: Company, language: str, now: datetime) -> list[str]:
    if one.shape is None or one.config is None:
        said = text(one.error.code, language, one.error.params)[0].partition("\n")[0] if one.error else "-"
        return [one.config.company if one.config else os.path.basename(one.path), said, "-", "-", "-"]
    last = next((run for run in one.shape["runs"] if run["finished"]), None)
    state = [phrase("status", "short_incident", language, service=row["service"] or "avsync", since=local(row["since"]))
             for row in one.shape["incidents"]]  # fmt: skip
    too_old = last is not None and one.exit == 4 and last["exit"] in (0, 1)
    state += [phrase("status", "too_old", language)] if too_old or last is None else []
    return [
        one.config.company, "; ".join(state) or _exit(last["exit"] if last else None, language),
        age(last["finished"], language, now) if last else word("no_run", language),
        _counts(one.shape["open"], language),
        phrase("status", "login_ok" if one.shape["token"]["works"] is not False else "login_wrong", language),
    ]  # fmt: skip
