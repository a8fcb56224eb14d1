"""What support staff ask: which problems are open, tell me that one whole, leave these out, try those again."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from avsync.commands import cards, listing
from avsync.commands.listing import Row, Wish
from avsync.commands.report import error_json
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import AvsyncError, ConfigError, PersonMustLook
from avsync.messages import texts
from avsync.messages.texts import phrase
from avsync.state import db
from avsync.state.folder import claim
from avsync.state.store import Store

if TYPE_CHECKING:
    from avsync.commands.run import Talker
    from avsync.commands.status import Company

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
    language, now = config.language, datetime.now(UTC)
    with _looking(config) as store:
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


def show_several(companies: Sequence[Company], wish: Wish, how: str) -> None:
    """Of several companies, one after another: cards, or a list of rows that name their company. One that cannot be
    looked at says why in its place."""
    shapes: list[dict[str, Any]] = []
    parts: list[str] = []
    for one in companies:
        name = one.config.company if one.config else one.path
        try:
            if one.config is None:
                raise one.error or ConfigError("config_not_found", path=one.path)
            with _looking(one.config) as store:
                problems = store.problems.all(ignored=wish.ignored) if store is not None else []
            found = wish.chosen(problems, one.config.language)
            shapes += [{"company": name, **row.as_json()} for row in found]
            said = cards.shown(found, one.config.language, datetime.now(UTC), cards.width())
        except AvsyncError as error:
            language = one.config.language if one.config else str(error.params.get("language", "nl"))
            shapes.append({"company": name, "config": one.path, "error": error_json(error, language)})
            said = "\n".join(texts.text(error.code, language, error.params))
        parts.append(f"{name}\n{'=' * len(name)}\n{said}")
    if how == "json":
        click.echo(json.dumps(shapes, ensure_ascii=not _takes_everything(), indent=2))
    else:
        _on_screen("\n\n".join(parts))


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
    with _looking(config) as store:
        there = _rows(store, config.language)
        before = {row.number: row for row in (there if everything else [*there, *_rows(store, config.language, True)])}
    chosen = [before[one] for one in (before if everything else numbers(words, list(before)))]
    problems = [one for row in chosen for one in row.problems]
    flows = tuple(flow for flow in FLOWS if flow in {one.about.flow for one in problems}) or FLOWS
    # what stopped a whole flow may hold up records of any name
    any_name = everything or any(one.about.kind == "flow" for one in problems)
    only = None if any_name else frozenset(one.about.record.upper() for one in problems)
    code = launch.run(config, talker, flows=flows, command="errors --retry", only=only)
    with _looking(config) as store:
        after = {row.number: row for row in _rows(store, config.language)}
    left = [row for row in chosen if row.number in after]
    if not talker.as_json:
        _say_what_became(chosen, after, config.language)
    return 0 if code == 1 and chosen and not left and not everything else code


def _say_what_became(chosen: Sequence[Row], after: dict[int, Row], language: str) -> None:
    for row in chosen:
        if row.number not in after:
            click.echo(phrase("words", "solved_now", language, id=row.number, what=row.texts()[0]))
    left = [after[row.number] for row in chosen if row.number in after]
    if left:
        click.echo(cards.shown(left, language, datetime.now(UTC), cards.width()))
