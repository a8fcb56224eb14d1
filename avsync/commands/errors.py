"""What support staff ask: which problems are open, tell me that one whole, leave these out, try those again."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from avsync.commands import cards, listing
from avsync.commands.companies import MAX_AGE, Company, looked_at, told_by
from avsync.commands.listing import Part, Row, Wish
from avsync.commands.periods import seconds_of
from avsync.commands.report import error_json
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import ConfigError, PersonMustLook
from avsync.messages.texts import phrase
from avsync.state import db
from avsync.state.folder import claim
from avsync.state.store import Store
from avsync.sync.clock import here

if TYPE_CHECKING:
    from avsync.commands.run import Talker

_RANGE = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?\Z")
ALL = "all"


# --- which ones


def numbers(words: Sequence[str], there: Sequence[int]) -> tuple[int, ...]:
    """The numbers that words such as `3` and `7-9` name. A number that is not there, or a range with none in it, is a
    usage error before anything is done."""
    found: dict[int, None] = {}
    known = sorted(set(there))
    for one in words:
        match = _RANGE.match(one)
        if match is None:
            raise ConfigError("no_such_problem", id=one)
        first, last = int(match[1]), int(match[2] or match[1])
        some = [number for number in known if first <= number <= last]
        if not some:
            raise ConfigError("no_such_problem", id=one)
        found.update(dict.fromkeys(some))
    return tuple(found)


@contextmanager
def _looking(config: Config) -> Iterator[Store | None]:
    """The state, to read; None before the first run."""
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        yield Store(base) if base is not None else None


@contextmanager
def _changing(config: Config) -> Iterator[Store]:
    claim(config.state_dir)
    with db.in_words(config.state_dir):
        store = Store(db.open_for_writing(config.state_dir))
        try:
            yield store
        finally:
            store.close()


def _rows(store: Store | None, language: str, ignored: bool = False) -> list[Row]:
    return listing.rows(store.problems.all(ignored=ignored), language) if store is not None else []


# --- showing


def show(config: Config, words: Sequence[str], wish: Wish, how: str, file: str | None) -> None:
    """List the problems, or tell some whole. Needs no right to write anything."""
    language = config.language
    with _looking(config) as store:
        now = here(store, lambda: datetime.now(UTC)) if store is not None else datetime.now(UTC)
        problems = store.problems.all(ignored=wish.ignored) if store is not None else []
        chosen = numbers(words, [one.number for one in problems])
        found = Wish(chosen, wish.flow, wish.who, wish.severity, wish.search).chosen(problems, language)
        columns = cards.width() if file is None else cards.WITHOUT
        if chosen and how == "cards" and store is not None:
            from avsync.commands import whole

            said = "\n\n".join(whole.told(store, row, now, columns) for row in found)
        else:
            said = _rendered(found, language, how, now, columns, on_screen=file is None)
    if file is not None:
        _save(file, said)
    elif how == "cards":
        _on_screen(said)
    else:
        click.echo(said, nl=not said.endswith("\n"))


def show_several(companies: Sequence[Company], wish: Wish, how: str, file: str | None) -> int:
    """The same of several companies, the worst first; one that cannot be looked at says why in its place. Returns the
    exit code."""
    now, found = datetime.now(UTC), dict[str, list[Row]]()

    def see(one: Company, store: Store) -> None:
        found[one.path] = wish.chosen(store.problems.all(ignored=wish.ignored), one.language)

    seen = looked_at(companies, now, alone=False, oldest=seconds_of(MAX_AGE), see=see)
    parts = [Part(one.label, one.language, one.now, tuple(found.get(one.path, ())), one.why()) for one in seen]
    language = next((one.language for one in seen if one.config), "nl")
    if how == "json":
        said = _shapes_of(seen, found, ascii_only=file is None and not _takes_everything())
    else:
        said = _rendered_parts(parts, language, how, now, cards.width() if file is None else cards.WITHOUT)
    if file is not None:
        _save(file, said)
    elif how == "cards":
        _on_screen(said)
    else:
        click.echo(said, nl=not said.endswith("\n"))
    return told_by(seen)


def _shapes_of(seen: Sequence[Company], found: Mapping[str, Sequence[Row]], ascii_only: bool) -> str:
    shapes: list[dict[str, Any]] = []
    for one in seen:
        name = one.config.company if one.config else one.path
        shapes += [{"company": name, **row.as_json()} for row in found.get(one.path, ())]
        if one.error is not None:
            shapes.append({"company": name, "config": one.path, "error": error_json(one.error, one.language)})
    return json.dumps(shapes, ensure_ascii=ascii_only, indent=2)


def _rendered_parts(parts: Sequence[Part], language: str, how: str, now: datetime, columns: int) -> str:
    if how in ("csv", "html"):
        from avsync.commands import export

        if how == "csv":
            return export.csv_of_several(parts, language)
        return export.html_of_several(parts, language, now)
    return "\n\n".join(_blocks(parts, language, how, columns))


def _blocks(parts: Sequence[Part], language: str, how: str, columns: int) -> Iterator[str]:
    """Each company under its name, those with nothing open together at the end."""
    for one in parts:
        if one.error is not None:
            said = "\n".join(line for text in one.error for line in cards.wrapped(text, columns))
        elif not one.rows:
            continue
        else:
            said = _rendered(list(one.rows), one.language, how, one.now, columns, on_screen=True)
        yield f"{one.company}\n{'=' * cards.places(one.company)}\n{said}"
    quiet = [one.company for one in parts if not (one.rows or one.error)]
    if quiet:
        yield "\n".join(
            cards.wrapped(phrase("words", "nothing_open_at", language, companies=", ".join(quiet)), columns)
        )


def _rendered(found: list[Row], language: str, how: str, now: datetime, columns: int, on_screen: bool) -> str:
    if how == "json":
        return _as_json(found, ascii_only=on_screen and not _takes_everything())
    if how == "cards":
        return cards.shown(found, language, now, columns)
    from avsync.commands import export

    if how == "csv":
        return export.as_csv(found, language)
    return export.as_html(found, language, now) if how == "html" else export.as_table(found, language, now, columns)


def _as_json(found: Sequence[Row], ascii_only: bool) -> str:
    """A line per problem: one document, which takes no longer for ten thousand of them than it must."""
    shapes = [json.dumps(row.as_json(), ensure_ascii=ascii_only) for row in found]
    return "[" + ",".join(f"\n  {shape}" for shape in shapes) + ("\n]" if shapes else "]")


def _takes_everything() -> bool:
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def _save(file: str, said: str) -> None:
    try:
        with open(file, "w", encoding="utf-8", newline="") as target:
            target.write(said if said.endswith("\n") else said + "\n")
    except OSError as error:
        raise PersonMustLook("output_lost", detail=f"{file}: {error.strerror or error}") from error


def _on_screen(said: str) -> None:
    """On a terminal by the page, where it does not fit."""
    if _is_terminal() and said.count("\n") + 2 > shutil.get_terminal_size().lines:
        click.echo_via_pager(said)
    else:
        click.echo(said)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


# --- leaving out


def ignore(config: Config, words: Sequence[str], because: str, talker: Talker) -> None:
    """Leave problems out of the list until their records change; what waits for them goes with them."""

    def change(store: Store, chosen: tuple[int, ...]) -> None:
        store.problems.ignore(chosen, because)

    _change(config, words, talker, change, "ignored_now", ignored=False)


def unignore(config: Config, words: Sequence[str], _: str, talker: Talker) -> None:
    """Put problems back into the list."""

    def change(store: Store, chosen: tuple[int, ...]) -> None:
        store.problems.unignore(chosen)

    _change(config, words, talker, change, "unignored_now", ignored=True)


def _change(
    config: Config,
    words: Sequence[str],
    talker: Talker,
    change: Callable[[Store, tuple[int, ...]], None],
    said: str,
    ignored: bool,
) -> None:
    with _changing(config) as store, store.transaction():
        before = {row.number: row for row in _rows(store, config.language, ignored)}
        both = [*before, *(row.number for row in _rows(store, config.language, not ignored))]
        chosen = numbers(words, list(before) if ignored else both)
        waiting = set(before) - set(chosen)
        change(store, chosen)
        store.problems.follow_parents()
        left = {row.number for row in _rows(store, config.language, ignored)}
        after = {row.number: row for row in _rows(store, config.language, not ignored)}
    if talker.as_json:
        return
    for number in chosen:
        row = before.get(number) or after[number]
        click.echo(phrase("words", said, config.language, id=number, what=row.texts()[0]))
    for number in sorted(waiting - left):
        name = "ignored_too" if not ignored else "unignored_now"
        what = before[number].texts()[0]
        click.echo(phrase("words", name, config.language, ids=number, id=number, what=what), err=not ignored)


# --- trying again


def retry(config: Config, words: Sequence[str], talker: Talker) -> int:
    """Handle the records of these problems now, or of all, and say of each what became of it; returns the exit code."""
    from avsync.commands import start as launch

    claim(config.state_dir)
    everything = list(words) == [ALL]
    before = _by_number(config, ignored=not everything)
    chosen = [before[one] for one in (before if everything else numbers(words, list(before)))]
    problems = [one for row in chosen for one in row.problems]
    flows = tuple(flow for flow in FLOWS if flow in {one.about.flow for one in problems}) or FLOWS
    # what stopped a whole flow may hold up records of any name
    any_name = everything or any(one.about.kind == "flow" for one in problems)
    only = None if any_name else frozenset(one.about.record.upper() for one in problems)
    code = launch.run(config, talker, flows=flows, command="errors --retry", only=only)
    with _looking(config) as store:
        now = here(store, lambda: datetime.now(UTC)) if store is not None else datetime.now(UTC)
    after = _by_number(config, ignored=True)
    left = [row for row in chosen if row.number in after]
    if not talker.as_json:
        _say_what_became(chosen, after, config.language, now)
    return 0 if code == 1 and chosen and not left and not everything else code


def _by_number(config: Config, ignored: bool) -> dict[int, Row]:
    """The open problems, and those that are ignored as well."""
    with _looking(config) as store:
        hidden = _rows(store, config.language, ignored=True) if ignored else []
        return {row.number: row for row in (*hidden, *_rows(store, config.language))}


def _say_what_became(chosen: Sequence[Row], after: dict[int, Row], language: str, now: datetime) -> None:
    for row in chosen:
        if row.number not in after:
            click.echo(phrase("words", "solved_now", language, id=row.number, what=row.texts()[0]))
    left = [after[row.number] for row in chosen if row.number in after]
    if left:
        click.echo(cards.shown(left, language, now, cards.width()))
