"""How things stand: the last runs, how far each flow has read, what is open, the login, the services. For one company
or for several, the worst first; and for a monitor, as an exit code.

All of it comes from state.db and the token file; nobody is asked, and no right to write is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from avsync.commands.companies import Company, looked_at, told_by, worst
from avsync.commands.history import local
from avsync.commands.periods import seconds_of
from avsync.commands.report import error_json, headings, table, totals_table
from avsync.messages.texts import phrase, text, word
from avsync.records.values import AMSTERDAM
from avsync.state.incidents import Incident

if TYPE_CHECKING:
    from avsync.commands.run import Talker

_TIED = "\N{NO-BREAK SPACE}"
_UNITS = ((2 * 86_400, 86_400, "days"), (2 * 3600, 3600, "hours"), (60, 60, "minutes"), (0, 1, "now"))


def show(companies: Sequence[Company], talker: Talker, *, alone: bool, check: bool, max_age: str, runs: int) -> int:
    """Tell how things stand. Returns 0, or with `check` the exit code of the last run (of the worst company), where 4
    is also a last run that finished longer ago than `max_age`."""
    now = datetime.now(UTC)
    seen = looked_at(companies, now, alone=alone, oldest=seconds_of(max_age), runs=max(runs, 1))
    if alone:
        _one(seen[0], talker, runs, seen[0].now)
    else:
        language = next((one.config.language for one in seen if one.config), "nl")
        talker.say(_overview(seen, language), [_row(one, runs) for one in seen])
    return worst([one.exit for one in seen]) if check else told_by(seen)


# --- one company


def _one(company: Company, talker: Talker, runs: int, now: datetime) -> None:
    shape = company.shape or {}
    shown = {name: value for name, value in shape.items() if name != "runs" or runs}
    talker.say("\n".join(_lines(company, shape, company.language, runs, now)), shown)


def _lines(company: Company, shape: Mapping[str, Any], language: str, runs: int, now: datetime) -> list[str]:
    def say(name: str, **params: Any) -> str:
        return phrase("status", name, language, **params)

    rows = [
        [word(flow, language), local(one["last_ok"]) if one["last_ok"] else "-", _watermark(one["watermarks"])]
        for flow, one in shape["flows"].items()
    ]
    lines = [
        f"avsync {shape['version']}, {company.config.company if company.config else ''}",
        *(line for said in _incidents(company.incidents, language) for line in said.split("\n")),
        *_last_run(shape["last_run"], language, now),
        "",
        table(rows, headings(("flow", "last_ok", "watermark"), language), tablefmt="simple"),
        "",
        say("open", counts=counts(shape["open"], language)),
        *([say("intents", count=shape["intents"])] if shape["intents"] else []),
        say("token", state=login(shape["token"], language)),
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


def counts(numbers: Mapping[str, int], language: str) -> str:
    """How many are open: `21 fouten, 4 wachten`."""
    shown = [phrase("status", f"{name}_{'one' if count == 1 else 'more'}", language, count=count)
             for name, count in numbers.items() if count]  # fmt: skip
    return ", ".join(shown) or phrase("status", "nothing_open", language)


def login(token: Mapping[str, Any], language: str) -> str:
    """Whether avsync is logged in to AccountView."""
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
             "exit": ended(last["exit"], language)}  # fmt: skip
    line = phrase("status", name, language, **shown)
    return [line, "", totals_table(last["flows"], language)] if last["flows"] else [line]


def ended(code: int | None, language: str) -> str:
    """What an exit code means."""
    return phrase("status", f"exit_{code}" if code is not None else "unfinished", language)


def _seconds(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds()


def age(moment: str, language: str, now: datetime) -> str:
    """How long ago: `12 minuten geleden`."""
    seconds = max(0.0, _seconds(moment, now))
    unit, name = next((unit, name) for least, unit, name in _UNITS if seconds >= least)
    return phrase("status", f"ago_{name}", language, count=int(seconds // unit))


def _runs(runs: Sequence[Mapping[str, Any]], language: str) -> list[str]:
    if not runs:
        return []
    rows = [
        [run["run"], run["command"], local(run["started"]), took(run), ended(run["exit"], language),
         re.sub(r"(?<!,) ", _TIED, did(run["flows"], language))]
        for run in runs
    ]  # fmt: skip
    names = [
        phrase("status", f"head_{name}", language) for name in ("run", "command", "started", "took", "exit", "did")
    ]
    widths = [None, 9, None, None, 14, 20]  # with the rest no wider than a terminal
    shown = table(rows, names, tablefmt="simple", disable_numparse=True, maxcolwidths=widths)
    return ["", shown.replace(_TIED, " ")]


def took(run: Mapping[str, Any]) -> str:
    """How long a run took: `0:07`."""
    if not run["finished"]:
        return "-"
    seconds = round(_seconds(run["started"], datetime.fromisoformat(run["finished"])))
    return f"{seconds // 60}:{seconds % 60:02}"


def did(flows: Mapping[str, Mapping[str, int]], language: str) -> str:
    """What a run did, all flows together."""
    total = {name: sum(counts.get(name, 0) for counts in flows.values()) for name in ("created", "updated", "adopted")}
    return ", ".join(f"{count} {word(name, language)}" for name, count in total.items() if count) or "-"


# --- several


def _row(one: Company, runs: int) -> dict[str, Any]:
    named = {"company": one.config.company if one.config else None, "config": one.path, "exit": one.exit}
    if one.shape is None:
        return {**named, "error": error_json(one.error, one.language) if one.error else None}
    return {**named, **{name: value for name, value in one.shape.items() if name != "runs" or runs}}


def _overview(companies: Sequence[Company], language: str) -> str:
    names = [phrase("status", f"head_{name}", language) for name in ("company", "state", "last", "open", "login")]
    rows = [_cells(one, language) for one in companies]
    return table(rows, names, tablefmt="simple", disable_numparse=True, maxcolwidths=[16, 34, 20, 30, 12])


def _cells(one: Company, language: str) -> list[str]:
    if one.shape is None:
        return [one.label if one.config else os.path.basename(one.path), state(one, language), "-", "-", "-"]
    last = one.last
    return [
        one.label, state(one, language),
        age(last["finished"], language, one.now) if last else word("no_run", language),
        counts(one.shape["open"], language),
        phrase("status", "login_ok" if one.shape["token"]["works"] is not False else "login_wrong", language),
    ]  # fmt: skip


def state(one: Company, language: str) -> str:
    """How a company does, in a few words."""
    if one.shape is None:
        return text(one.error.code, language, one.error.params)[0].partition("\n")[0] if one.error else "-"
    said = [incident_of(each, language) for each in one.shape["incidents"]]
    said += [phrase("status", "too_old", language)] if one.is_late or one.last is None else []
    return "; ".join(said) or ended(one.last["exit"] if one.last else None, language)


def incident_of(shape: Mapping[str, Any], language: str) -> str:
    """An open incident, in a few words."""
    service, since = shape["service"] or "avsync", local(shape["since"])
    return phrase("status", "short_incident", language, service=service, since=since)
