"""What a run tells when it is over: to a person at a terminal all of it, to a mail only what is new (behaviour 50)."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from avsync.commands import report
from avsync.config.settings import Config
from avsync.errors import AvsyncError, FitsNothing
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.state.events import Event
from avsync.state.incidents import OUTAGE, PRINTED, Incident, News
from avsync.state.store import Store
from avsync.sync.incidents import time_of, which_of
from avsync.sync.session import Result, Session

if TYPE_CHECKING:
    from avsync.commands.listing import Row
    from avsync.commands.run import Talker
    from avsync.state.problems import Problem

_DONE = ("created", "updated", "adopted")
_MOST = 10  # problems that are named
_EVEN_QUIET = (2, 3, 5)  # exit codes that a person must hear of
_OF_ITSELF = "outcome_unknown"  # the next run looks it up
_BY_OUTAGE = "outcome_not_found_out"  # no news beside the outage that it comes of


@dataclass(slots=True)
class Changes:
    """The problems that came and went in a run, and how many are open now."""

    new: list[Row] = field(default_factory=list)
    solved: list[Event] = field(default_factory=list)
    open: int = 0


def changes(store: Store, language: str) -> Changes:
    """What is new since the run at work began: problems under a new number, and numbers of which none is left. What
    stopped a whole flow is no problem of a record but an incident."""
    events = [event for event in store.events.of_this_run() if event.action in ("problem", "solved")]
    if not events:
        return Changes(open=store.problems.open_numbers())
    listed = store.problems.all()
    down = {one.service for one in store.incidents.open() if one.sort == OUTAGE}
    there = {(one.about.kind, one.about.side, one.about.record) for one in listed}
    opened: set[int] = set()
    gone: dict[int, Event] = {}
    for event in events:
        code, detail = event.detail.get("code"), event.detail
        by_outage = code == _BY_OUTAGE and detail["params"].get("service") in down
        if code in (None, _OF_ITSELF) or by_outage or event.kind == "flow":
            continue
        if event.action == "problem":
            opened.add(detail["row"])
        elif event.action == "solved" and (event.kind, event.side, event.crafter or event.accountview) not in there:
            gone.setdefault(detail["problem"], event)
    rows = _rows(listed, language) if listed else []
    left = {row.number for row in rows}
    return Changes(
        new=[row for row in rows if all(one.id in opened for one in row.problems)],
        solved=[event for number, event in gone.items() if number not in left], open=len(rows),
    )  # fmt: skip


def _rows(listed: Sequence[Problem], language: str) -> list[Row]:
    from avsync.commands import listing

    return listing.rows(listed, language)


# --- telling


def tell(result: Result, session: Session, talker: Talker, found: Changes, details: bool = False) -> None:
    """Print what came of a run, where and as far as somebody wants to hear it (RULES.md, commands)."""
    config, language = session.config, session.config.language
    unfit = next((one for one in result.errors.values() if isinstance(one, FitsNothing)), None)
    if unfit is not None and not talker.as_json:
        click.echo(" ".join(_sentences(unfit, language)), err=True)
        return
    if result.caution is not None:
        why = texts.text(result.caution.code, language, result.caution.params)[0]
        click.echo(" ".join(texts.text("safety_ahead", language, {"why": why})), err=True)
    if talker.as_json:
        talker.say("", report.run_json(result, language))
    elif result.plan is not None:
        _errors(result, language)
        _plan(result.plan, result.skipped, details, language)
    elif sys.stdout.isatty():
        _to_a_person(result, talker, found, language)
    else:
        _incidents(result, session, talker)
        if not talker.quiet:
            for line in _mail(result, found, config):
                click.echo(line)


def _plan(plan: Sequence[Mapping[str, Any]], skipped: int, details: bool, language: str) -> None:
    """What a dry run found: how much of what, and with `--details` each record."""
    click.echo(report.plan_summary(plan, skipped, language))
    if plan and details:
        click.echo("\n" + report.plan_table(plan, language))
    elif plan:
        click.echo("\n" + phrase("run", "with_details", language))


def _errors(result: Result, language: str, codes: Sequence[int] = ()) -> None:
    """Why each flow stopped; that somebody stopped it is said once, for the whole run."""
    for flow, error in result.errors.items():
        if error.code != "interrupted" and (not codes or error.exit_code in codes):
            click.echo(f"{word(flow, language).capitalize()}: {' '.join(_sentences(error, language))}", err=True)


def _sentences(error: AvsyncError, language: str) -> tuple[str, str]:
    return texts.text(error.code, language, error.params)


def _to_a_person(result: Result, talker: Talker, found: Changes, language: str) -> None:
    if talker.quiet:
        _errors(result, language, _EVEN_QUIET)
        return
    _errors(result, language)
    click.echo(report.totals_table(result.flows, language))
    if found.open or found.solved:
        click.echo(counts(found, language))
    if result.exit == 1:
        click.echo(texts.text("see_errors", language, {})[0])


def counts(found: Changes, language: str) -> str:
    """How many problems are new, solved and open."""
    return phrase("run", "problems", language, new=len(found.new), solved=len(found.solved), open=found.open)


# --- to a mail


def _mail(result: Result, found: Changes, config: Config) -> Iterator[str]:
    """What was done and what is new; nothing where there is neither."""
    language = config.language
    done = [line for flow, counts in result.flows.items() if (line := _done(flow, counts, language))]
    if not (done or found.new or found.solved):
        return
    from avsync.commands import history

    yield phrase("run", "head", language, company=config.company, run=result.run, moment=history.local(result.finished))
    yield from done
    if not (found.new or found.solved):
        return
    yield counts(found, language)
    yield from _listed("new", [named(row, language) for row in found.new], "more", language)
    solved = [(f"{history.record(one, language)}: {history.sentence(one, language)}", "") for one in found.solved]
    yield from _listed("solved", solved, "more_solved", language, result.run)


def named(row: Row, language: str) -> tuple[str, str]:
    """A problem and what to do; whose it is, and of how many records."""
    about, (message, hint) = row.about, row.texts()
    named = texts.about(language, about.kind, about.home, about.called)
    more = phrase("run", "behind", language, count=len(row.records) - 1) if len(row.records) > 1 else ""
    return f"{named}{more}: {message}", hint


def _done(flow: str, counts: Mapping[str, int], language: str) -> str:
    shown = ", ".join(f"{counts[name]} {word(name, language)}" for name in _DONE if counts[name])
    return phrase("run", "done", language, flow=word(flow, language).capitalize(), counts=shown) if shown else ""


def _listed(head: str, items: Sequence[tuple[str, str]], more: str, language: str, run: int = 0) -> Iterator[str]:
    """The first few by name, each with what to do, and where the rest stands."""
    if items:
        yield ""
        yield phrase("run", head, language)
    for sentence, step in items[:_MOST]:
        yield from _wrapped(sentence, "  ", "  ")
        yield from _wrapped(step, "  → ", "    ") if step else []
    if len(items) > _MOST:
        yield "  " + phrase("run", more, language, count=len(items) - _MOST, run=run)


def _wrapped(text: str, first: str, then: str) -> list[str]:
    width = max(shutil.get_terminal_size((80, 24)).columns, 40) - 1
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)


# --- incidents


def _incidents(result: Result, session: Session, talker: Talker) -> None:
    """What there is to tell of services, login and safety; told once, for all commands."""
    store, language = session.store, session.config.language
    told = []
    for news, one in store.incidents.to_tell(PRINTED, lambda one: time_of(session, one)):
        if talker.quiet and (news == "over" or one.exit_code not in _EVEN_QUIET):
            continue
        click.echo("\n".join(incident_lines(news, one, result, language)), err=True)
        told.append((news, one))
    if told:
        with store.transaction():
            store.incidents.tell(PRINTED, told, lambda one: time_of(session, one))


def incident_lines(news: News, one: Incident, result: Result, language: str) -> Iterator[str]:
    """An incident in words: since when, and of one that goes on what each flow says of it."""
    from avsync.commands import history

    moments = {"since": history.local(one.since), "until": history.local(one.until) if one.until else ""}
    yield phrase("run", f"{one.sort}_{news}", language, service=one.service, **moments)
    said: dict[str, list[str]] = {}
    for flow, error in result.errors.items() if news != "over" else ():
        if which_of(error) == (one.sort, one.service):
            said.setdefault(" ".join(_sentences(error, language)), []).append(word(flow, language))
    for sentence, flows in said.items():
        yield f"{sentence} {phrase('run', 'stops', language, flows=', '.join(flows))}"
