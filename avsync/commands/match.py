"""`avsync match`: who is one with whom on the two sides, and what that would fill and replace.

The list is the plan of the next run. As a file it has one row per pair, which `take` reads back with what people have
decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import click

from avsync.commands import run as launch
from avsync.commands import sheets
from avsync.commands.cards import width, wrapped
from avsync.commands.report import error_json
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import ConfigError
from avsync.messages import texts
from avsync.messages.texts import phrase
from avsync.records.kind import Kind
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side, squeeze
from avsync.state.decisions import APART, LINK, SKIP, Word
from avsync.sync.causes import SERVICES
from avsync.sync.pairs import QUESTION, VERDICTS, Pair, Pairs
from avsync.sync.session import Result, Session

LANGUAGES = ("nl", "en")
COLUMNS = ("kind", "verdict", "accountview", "crafter", "accountview_name", "crafter_name", "filled", "replaced",
           "decision")  # fmt: skip
_SHEET = (15, 20, 14, 14, 30, 30, 40, 40, 12)  # how wide each of them is in a spreadsheet
WORDS: tuple[Word, ...] = (LINK, APART, SKIP)
FIRST_OF = (5, 3, 2, 4)
_MOST = 50  # rows of a kind and verdict that a screen shows


class Talker(Protocol):
    """The global options, as far as this command needs them."""

    as_json: bool
    quiet: bool

    def say(self, text: str, shape: object) -> None:
        """Print a result."""


def say(name: str, language: str, /, **params: Any) -> str:
    """A word or sentence of match.yaml."""
    return phrase("match", name, language, **params)


# --- looking


@contextmanager
def found_pairs(config: Config, talker: Talker, flows: Sequence[str]) -> Iterator[tuple[Session, Result, list[Pair]]]:
    """The pairs of these flows. What they refer to is looked at as well."""
    on = [flow for flow in FLOWS if getattr(config.flows, flow) != "off"]
    wanted = [flow for flow in on if flow in flows] if flows else on
    read = tuple(FLOWS[: FLOWS.index(wanted[-1]) + 1]) if wanted else ()
    collected: list[Pairs] = []

    def watch(session: Session) -> None:
        collected.append(Pairs(session))
        session.foreseen = collected[0].see

    with launch.ahead(config, talker, read, watch) as (session, result):
        yield session, result, collected[0].all(wanted)


def run(config: Config, talker: Talker, flows: Sequence[str], output: str | None) -> int:
    """Show the pairs, or write them to a file; returns the exit code: that of what stopped a flow, else 0."""
    for flow in flows:
        if getattr(config.flows, flow) == "off":
            raise ConfigError("flow_off", flow=flow)
    path = Path(output) if output else None
    if path is not None and path.suffix.lower() != ".html":
        sheets.must_be_known(path)
    with found_pairs(config, talker, flows) as (_, result, pairs):
        listed = _Listed(pairs, config.language)
    if path is not None:
        _write(path, listed, config)
    text = _say_written(listed, path) if path is not None else _on_screen(listed, config, width())
    text = text if pairs or not result.errors else ""
    codes = {error.exit_code for error in result.errors.values()}
    code = next((code for code in FIRST_OF if code in codes), 0)
    if text or talker.as_json:
        talker.say(text, {"exit": code, **_shape(listed, result, output)})
    if not talker.as_json:
        _tell_what_stopped(result, config.language)
    return code


def _tell_what_stopped(result: Result, language: str) -> None:
    for flow, error in result.errors.items():
        why = " ".join(texts.text(error.code, language, error.params))
        click.echo(say("stopped", language, flow=texts.upper(texts.word(flow, language)), why=why), err=True)
    if result.caution is not None:
        why = texts.text(result.caution.code, language, result.caution.params)[0]
        click.echo(" ".join(texts.text("safety_ahead", language, {"why": why})), err=True)


class _Listed:
    """The pairs as people read them."""

    def __init__(self, pairs: Sequence[Pair], language: str) -> None:
        self.pairs, self.language = pairs, language
        free = {(one.kind, one.crafter): one.number for one in pairs if one.number}
        self._bearers = Counter((kind, number) for (kind, _), number in free.items())

    def crafter(self, one: Pair) -> str:
        """Crafter's number of it; the id where it has none, or is not the only one that bears it."""
        return one.number if one.number and self._bearers[one.kind, one.number] == 1 else one.crafter

    def row(self, one: Pair) -> list[str]:
        """A row of the file."""
        return [
            _kind_word(one.kind, self.language), say(one.verdict, self.language), one.accountview, self.crafter(one),
            one.accountview_name, one.crafter_name, self.changes(one, filled=True), self.changes(one, filled=False),
            say(one.decision, self.language) if one.decision else "",
        ]  # fmt: skip

    def heads(self) -> list[str]:
        """The heads of its columns."""
        return [say(f"column_{name}", self.language) for name in COLUMNS]

    def changes(self, one: Pair, filled: bool) -> str:
        """What a side would get, field by field."""
        said: dict[Side, list[str]] = {}
        for side, change in one.changes:
            if (change.old is None) == filled:
                words = texts.change(self.language, one.kind, change.field, change.old, change.new)
                said.setdefault(side, []).append(words)
        return "; ".join(
            say("gets", self.language, side=SERVICES[side], changes=", ".join(some)) for side, some in said.items()
        )

    def counts(self) -> Iterator[str]:
        """A line per kind: how many of what."""
        open_ = [one for one in self.pairs if not one.decision]
        for kind in dict.fromkeys(one.kind for one in self.pairs):
            found = Counter(one.verdict for one in open_ if one.kind == kind)
            said = [
                say("count", self.language, count=found[one], verdict=say(one, self.language))
                for one in VERDICTS if found[one]
            ]  # fmt: skip
            decided = sum(one.kind == kind and bool(one.decision) for one in self.pairs)
            said += [say("decided", self.language, count=decided)] if decided else []
            kind_word = texts.upper(_kind_word(kind, self.language))
            yield say("counted", self.language, kind=kind_word, counts=", ".join(said))


def _kind_word(kind: str, language: str) -> str:
    return texts.word(kind, language)


def _shape(listed: _Listed, result: Result, output: str | None) -> dict[str, Any]:
    language = listed.language
    shape: dict[str, Any] = {"pairs": [_as_json(one) for one in listed.pairs], "file": output}
    if result.errors:
        shape["errors"] = {flow: error_json(error, language) for flow, error in result.errors.items()}
    return shape


def _as_json(one: Pair) -> dict[str, Any]:
    """A pair for programs. `filled` and `replaced`: the field, the side that gets it, its old and its new value."""
    told = {name: value for name, value in asdict(one).items() if name != "changes"}
    changes = [{"side": side, **change._asdict()} for side, change in one.changes]
    return {
        **told, "filled": [change for change in changes if change["old"] is None],
        "replaced": [change for change in changes if change["old"] is not None],
    }  # fmt: skip


# --- on a screen


def _on_screen(listed: _Listed, config: Config, columns: int) -> str:
    language = config.language
    if not listed.pairs:
        return say("none", language)
    lines = [*listed.counts()]
    shown, left = _some(listed.pairs)
    lines += ["", _table(listed, shown, columns)]
    lines += [say("more", language, count=count, verdict=say(one, language)) for one, count in left.items() if count]
    return "\n".join([*lines, "", *wrapped(say("next", language), columns)])


def _some(pairs: Sequence[Pair]) -> tuple[list[Pair], Counter[str]]:
    """What a screen can bear of them, and how many are left of each verdict."""
    seen: Counter[tuple[str, str]] = Counter()
    shown, left = [], Counter[str]()
    for one in pairs:
        seen[one.kind, one.verdict] += 1
        if seen[one.kind, one.verdict] <= _MOST or one.decision:
            shown.append(one)
        else:
            left[one.verdict] += 1
    return shown, left


def _table(listed: _Listed, pairs: Sequence[Pair], columns: int) -> str:
    """As wide as the screen, on which what belongs to one record shares a cell."""
    from tabulate import tabulate

    language = listed.language
    with_decision = any(one.decision for one in pairs)
    body = []
    for one in pairs:
        row = [
            _kind_word(one.kind, language), say(one.verdict, language),
            _called(KINDS[one.kind].row_key(one.accountview), one.accountview_name),
            _called(one.number or (one.crafter if one.verdict == QUESTION else ""), one.crafter_name),
            _what_happens(listed, one),
        ]  # fmt: skip
        body.append([*row, say(one.decision, language) if one.decision else ""] if with_decision else row)
    heads = [say("column_kind", language), say("column_verdict", language), SERVICES[ACCOUNTVIEW], SERVICES[CRAFTER],
             say("column_change", language)]  # fmt: skip
    heads += [say("column_decision", language)] if with_decision else []
    widths = _widths([heads, *body], columns)
    return tabulate(body, heads, tablefmt="simple", maxcolwidths=list(widths), maxheadercolwidths=list(widths),
                    disable_numparse=True)  # fmt: skip


def _called(key: str, name: str) -> str:
    """Number and name, unless the name begins with it."""
    return name if key and name.startswith(key) else f"{key} {name}".strip()


def _widths(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Of each column, so that all fit: a short one has what it takes, the others share what is left."""
    wanted = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    left, open_ = columns - 2 * (len(wanted) - 1), sorted(range(len(wanted)), key=lambda place: wanted[place])
    widths = dict.fromkeys(open_, 0)
    for position, place in enumerate(open_):
        widths[place] = max(min(wanted[place], left // (len(open_) - position)), 4)
        left -= widths[place]
    return [widths[place] for place in range(len(wanted))]


def _what_happens(listed: _Listed, one: Pair) -> str:
    said = []
    for name, filled in (("change_filled", True), ("change_replaced", False)):
        changes = listed.changes(one, filled)
        said += [f"{say(name, listed.language)}: {changes}"] if changes else []
    return "; ".join(said)


# --- as a file


def _write(path: Path, listed: _Listed, config: Config) -> None:
    if path.suffix.lower() != ".html":
        words = {COLUMNS.index("decision"): [say(word, config.language) for word in WORDS]}
        sheets.write(path, listed.heads(), map(listed.row, listed.pairs), _SHEET, words)
        return
    from avsync.commands.export import page

    said = page(
        "match.html", config.language, datetime.now(UTC), title=say("title", config.language, company=config.company),
        counts=list(listed.counts()) or [say("none", config.language)], heads=listed.heads(),
        rows=[(one.verdict, listed.row(one)) for one in listed.pairs], explained=say("explained", config.language),
    )  # fmt: skip
    sheets.put(path, said)


def _say_written(listed: _Listed, path: Path) -> str:
    return "\n".join([*listed.counts(), say("written", listed.language, path=path)])


# --- what people call things


def kind_named(word: str) -> Kind | None:
    """The kind that people call so, in either language; None where there is none that can be linked."""
    wanted = squeeze(word.replace("_", " "))
    for kind in KINDS.values():
        names = {kind.name, *(texts.kind_word(one, kind.name, side) for one in LANGUAGES for side in SERVICES)}
        names |= {texts.word(kind.name, one) for one in LANGUAGES}
        if kind.plan is None and wanted in {squeeze(one.replace("_", " ")) for one in names}:
            return kind
    return None
