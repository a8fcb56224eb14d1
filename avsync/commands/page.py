"""`avsync report`: a page that tells how things stand, for a browser, a phone and paper; of one company or of several.

It needs nothing but itself: no script, no picture from elsewhere. What comes from the services stays text.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsync.commands import files, status
from avsync.commands.companies import MAX_AGE, Company, look_into, looked_at, told_by
from avsync.commands.export import by_cause, page
from avsync.commands.history import local
from avsync.commands.listing import Row, Wish, summary
from avsync.commands.periods import seconds_of
from avsync.config import FLOWS
from avsync.errors import AvsyncError, PersonMustLook
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.records.values import ACCOUNTVIEW, AMSTERDAM, CRAFTER, format_utc
from avsync.state import db
from avsync.state.incidents import Incident
from avsync.state.store import Store
from avsync.sync import boundary

if TYPE_CHECKING:
    from avsync.commands.run import Talker
    from avsync.sync.session import Result, Session

log = logging.getLogger(__name__)

DAYS = 30  # that the bars show, today among them
_RUNS, _INCIDENTS = 10, 10  # the last ones
_MOST = 20  # records of a problem by name; all of them stand in `errors`
_MODE = 0o640  # it names customers, as state.db does
_DONE = {"create": "created", "update": "updated", "adopt": "adopted"}  # what of the trail the bars show
_SERVICES = ((ACCOUNTVIEW, "AccountView"), (CRAFTER, "Crafter"))
_WIDE, _BAR, _HIGH, _LEAST = 10, 7, 60, 1.5  # a day, its bar, the whole, the smallest part: in the picture's own units
_FAR = 2.5  # times the second highest

Counts = dict[date, Counter[str]]  # per day in the Netherlands how many were created, updated, adopted


@dataclass(slots=True)
class Seen:
    """What the state tells besides what `status` says."""

    rows: list[Row] = field(default_factory=list)
    days: dict[str, Counts] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    reached: Mapping[str, bool] = field(default_factory=dict)


# --- the command, and after a run


def make(companies: Sequence[Company], file: str, talker: Talker, *, alone: bool) -> int:
    """Write the page; returns the exit code. Needs no right to write anything but that file."""
    now, found = datetime.now(UTC), dict[str, Seen]()

    def see(one: Company, store: Store) -> None:
        found[one.path] = _seen(one, store, now)

    seen = looked_at(companies, now, alone=alone, oldest=seconds_of(MAX_AGE), runs=_RUNS, see=see)
    language = next((one.language for one in seen if one.config), "nl")
    try:
        Path(file).write_text(text(seen, found, language, now), encoding="utf-8")
    except OSError as error:
        raise PersonMustLook("output_lost", detail=f"{file}: {error.strerror or error}") from error
    code = told_by(seen)
    talker.say(phrase("page", "written", language, path=file), {"exit": code, "file": file})
    return code


def write_after(path: Path, result: Result, session: Session) -> None:
    """The page as it is after a run. That it cannot be made stops nothing: its own time then tells how old it is."""
    config, store, now = session.config, session.store, datetime.fromisoformat(result.finished)

    def write(_: object) -> None:
        one = Company("", config, label=config.company, exit=result.exit)
        with db.in_words(config.state_dir):
            look_into(store, one, config, _RUNS)
            files.replace(path, text([one], {"": _seen(one, store, now)}, config.language, now), _MODE)

    try:
        boundary.each([path], write, lambda _, error: log.info("report_file: %s", type(error).__name__))
    except (AvsyncError, OSError) as error:
        log.info("report_file: %s", getattr(error, "strerror", None) or error)


def _seen(one: Company, store: Store, now: datetime) -> Seen:
    rows = Wish().chosen(store.problems.all(), one.language)
    reached = {str(side): store.has_reached(side) for side, _ in _SERVICES}
    return Seen(rows, per_day(store, now), store.incidents.latest(_INCIDENTS), reached)


# --- what was done per day


def per_day(store: Store, now: datetime) -> dict[str, Counts]:
    """Per flow and day in the Netherlands what was done, of the last DAYS days."""
    begin = datetime.combine(_days(now)[0], time(), AMSTERDAM)
    found: dict[str, Counts] = {}
    for hour, flow, action, count in store.events.per_hour(format_utc(begin)):
        if action in _DONE:
            day = datetime.fromisoformat(f"{hour}:00:00Z").astimezone(AMSTERDAM).date()
            found.setdefault(flow, {}).setdefault(day, Counter())[_DONE[action]] += count
    return found


def _days(now: datetime) -> list[date]:
    today = now.astimezone(AMSTERDAM).date()
    return [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]


def _charts(one: Company, days: Mapping[str, Counts], now: datetime) -> Iterator[dict[str, Any]]:
    """Of every flow that is on, or did something lately."""
    language, last = one.language, one.last
    for flow in FLOWS:
        way = getattr(one.config.flows, flow) if one.config else "off"
        if way != "off" or flow in days:
            last_ok = (one.shape or {})["flows"][flow]["last_ok"]
            behind = last_ok is not None and last is not None and last_ok < last["started"]
            yield {
                "name": texts.upper(word(flow, language)),
                "way": phrase("page", f"way_{way}", language),
                "last_ok": phrase("page", "last_ok", language, moment=local(last_ok)) if behind else "",
                **_chart(flow, days.get(flow, {}), _days(now), language),
            }


def _chart(flow: str, counts: Counts, days: Sequence[date], language: str) -> dict[str, Any]:
    def say(name: str, **params: Any) -> str:
        return phrase("page", name, language, **params)

    heights = {day: counts[day].total() for day in days if day in counts}
    if not heights:
        said = say("nothing_done", days=DAYS)
        return {"said": said, "more": "", "told": f"{texts.upper(word(flow, language))}: {said}.", "bars": []}
    top, busiest = _top(list(heights.values())), max(heights, key=lambda day: heights[day])
    said = say("done", days=DAYS, counts=_counted(sum((counts[day] for day in heights), Counter[str]()), language))
    more = say("busiest", count=heights[busiest], day=_day(busiest, language))
    return {
        "said": said,
        "more": f"{more} {say('cut_off')}" if heights[busiest] > top else more,
        "told": f"{texts.upper(word(flow, language))}: {said}. {more}",
        "bars": [_bar(place, day, counts[day], top, language) for place, day in enumerate(days) if day in heights],
    }


def _top(heights: Sequence[int]) -> float:
    """What the highest bar stands for. One day far above all others, such as the first, is cut off: else nothing would
    be seen of those."""
    first, second = sorted([0, *heights])[:-3:-1]
    return first if first <= _FAR * second or not second else _FAR * second


def _bar(place: int, day: date, counts: Counter[str], top: float, language: str) -> dict[str, Any]:
    """One day: its parts from the bottom up, each as high as it is large, but never too small to be seen."""
    parts, bottom, all_of_it = [], float(_HIGH), max(counts.total(), top)
    for name in _DONE.values():
        if counts[name]:
            high = max(_HIGH * counts[name] / all_of_it, _LEAST)
            bottom = max(bottom - high, 0.0)
            parts.append({"name": name, "y": f"{bottom:.1f}", "high": f"{high:.1f}"})
    told = f"{_day(day, language)}: {_counted(counts, language)}"
    return {"x": place * _WIDE, "told": told, "parts": parts, "cut": counts.total() > top}


def _counted(counts: Counter[str], language: str) -> str:
    return ", ".join(f"{counts[name]} {word(name, language)}" for name in _DONE.values() if counts[name])


def _day(day: date, language: str) -> str:
    return f"{day.day} {word(f'month_{day.month}', language)}"


def _table(days: Mapping[str, Counts], now: datetime, language: str) -> dict[str, Any]:
    """The same as figures, of the days on which something was done."""
    flows = [flow for flow in FLOWS if flow in days]
    rows = [
        (_day(day, language), [days[flow].get(day, Counter()).total() for flow in flows])
        for day in reversed(_days(now))
        if any(day in days[flow] for flow in flows)
    ]
    return {"heads": [texts.upper(word(flow, language)) for flow in flows], "rows": rows}


# --- the page


def text(companies: Sequence[Company], found: Mapping[str, Seen], language: str, now: datetime) -> str:
    """The page of these, who come the worst first."""
    shown = [_company(one, found.get(one.path, Seen()), now) for one in companies]
    several = phrase("page", "companies", language, count=len(companies))
    title = several if len(companies) > 1 else f"{companies[0].label}: {shown[0]['state']}"
    axis = [_day(day, language) for day in (_days(now)[0], _days(now)[-1])]
    picture = {"width": DAYS * _WIDE, "high": _HIGH, "bar": _BAR, "axis": axis, "days": DAYS}
    return page("report.html", language, now, title=title, companies=shown, picture=picture, parts=list(_DONE.values()))


def _company(one: Company, seen: Seen, now: datetime) -> dict[str, Any]:
    language, shape = one.language, one.shape
    known: dict[str, Any] = {
        "name": one.label,
        "language": language,
        "state": texts.upper(status.state(one, language)),
        "mood": _mood(one),
        "error": one.why(),
    }
    if shape is None:
        return known
    return known | {
        "last": texts.moment(language, one.last["finished"]) if one.last else word("no_run", language),
        "open": status.counts(shape["open"], language),
        "login": phrase("status", "login_ok" if shape["token"]["works"] is not False else "login_wrong", language),
        "tiles": list(_tiles(one, shape, now)),
        "incidents": [_incident(each, language) for each in one.incidents],
        "summary": summary(seen.rows, language) if seen.rows else word("none", language),
        "sections": by_cause(seen.rows, language, now, _MOST),
        "cut": any(len(row.records) > _MOST for row in seen.rows),
        "charts": list(_charts(one, seen.days, now)),
        "table": _table(seen.days, now, language),
        "services": [_service(side, name, one.incidents, seen, language) for side, name in _SERVICES],
        "past": [_incident(each, language) for each in seen.incidents],
        "runs": [_run(run, language) for run in shape["runs"][:_RUNS]],
    }


def _mood(one: Company) -> str:
    """`bad`: somebody must act before it goes on; `fair`: records need attention; `good`."""
    return {0: "good", 1: "fair"}.get(one.exit, "bad")


def _tiles(one: Company, shape: Mapping[str, Any], now: datetime) -> Iterator[dict[str, str]]:
    """What one wants to know first."""
    language, token, counts = one.language, shape["token"], shape["open"]

    def say(name: str, **params: Any) -> str:
        return phrase("page", name, language, **params)

    last = one.last
    yield {
        "name": say("last_run"),
        "value": local(last["finished"]) if last else "–",
        "more": f"{status.ended(last['exit'], language)}, {status.age(last['finished'], language, now)}"
        if last
        else word("no_run", language),
        "mood": "bad" if one.is_late or last is None else _mood(one),
    }
    errors = counts["error"]
    rest = {name: count for name, count in counts.items() if name != "error"}
    yield {
        "name": say("open"),
        "value": status.counts({"error": errors}, language) if errors else say("no_errors"),
        "more": status.counts(rest, language) if any(rest.values()) else "",
        "mood": "fair" if errors else "good",
    }
    works = token["works"] is not False
    yield {
        "name": say("login"),
        "value": phrase("status", "login_ok" if works else "login_wrong", language),
        "more": status.login(token, language),
        "mood": "good" if works else "bad",
    }
    trouble = [status.incident_of(each, language) for each in shape["incidents"]]
    unsettled = phrase("status", "intents", language, count=shape["intents"]) if shape["intents"] else ""
    yield {
        "name": say("services"),
        "value": say("trouble") if trouble else say("no_trouble"),
        "more": "; ".join([*trouble, *([unsettled] if unsettled else [])]),
        "mood": "bad" if trouble else "good",
    }


def _incident(one: Incident, language: str) -> dict[str, str]:
    sentence, step = texts.text(one.code, language, one.params)
    return {
        "service": one.service or "avsync",
        "sentence": sentence,
        "step": step,
        "since": local(one.since),
        "until": local(one.until) if one.until else phrase("page", "goes_on", language),
        "mood": "good" if one.until else "bad",
    }


def _service(side: str, name: str, open_ones: Sequence[Incident], seen: Seen, language: str) -> dict[str, str]:
    since = next((one.since for one in open_ones if one.service == name), "")
    if since:
        return {"name": name, "state": phrase("page", "out_since", language, since=local(since)), "mood": "bad"}
    return {
        "name": name,
        "state": phrase("page", "well" if seen.reached.get(side) else "unused", language),
        "mood": "good",
    }


def _run(run: Mapping[str, Any], language: str) -> dict[str, str]:
    return {
        "number": str(run["run"]), "command": str(run["command"]), "started": local(run["started"]),
        "took": status.took(run), "ended": status.ended(run["exit"], language),
        "did": status.did(run["flows"], language),
        "mood": {0: "good", 1: "fair"}.get(run["exit"], "bad"),
    }  # fmt: skip
