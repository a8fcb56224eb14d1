"""`avsync match`: who is one with whom on the two sides, what that would fill and replace, and what people decide.

The list is the plan of the next run. As a file it has one row per pair, which `--take` reads back with the decisions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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
from avsync.records.registry import KINDS, title_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side, bare, other, squeeze
from avsync.state.decisions import APART, LINK, SKIP, Decision, Word
from avsync.state.store import Store
from avsync.sync.causes import SERVICES
from avsync.sync.pairs import NEW, QUESTION, VERDICTS, Pair, Pairs
from avsync.sync.session import Result, Session

LANGUAGES = ("nl", "en")
COLUMNS = ("kind", "verdict", "accountview", "crafter", "accountview_name", "crafter_name", "filled", "replaced",
           "decision")  # fmt: skip
_NEEDED = ("kind", "accountview", "crafter", "decision")  # to read a row back
_WORDS: tuple[Word, ...] = (LINK, APART, SKIP)
_FIRST_OF = (5, 3, 2, 4)
_MOST = 50  # rows of a kind and verdict that a screen shows
_HEAD_WITHIN = 10  # rows: what may stand above the heads
_NUMBER = re.compile(r"0*([0-9]+)(?:[.,]0+)?")


class Talker(Protocol):
    """The global options, as far as this command needs them."""

    as_json: bool
    quiet: bool

    def say(self, text: str, shape: object) -> None:
        """Print a result."""


def _say(name: str, language: str, /, **params: Any) -> str:
    return phrase("match", name, language, **params)


# --- looking


@contextmanager
def _found(config: Config, talker: Talker, flows: Sequence[str]) -> Iterator[tuple[Session, Result, list[Pair]]]:
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
    with _found(config, talker, flows) as (_, result, pairs):
        listed = _Listed(pairs, config.language)
    if path is not None:
        _write(path, listed, config)
    text = _on_screen(listed, config, width()) if path is None else _say_written(listed, path)
    talker.say(text, _shape(listed, result, output))
    if not talker.as_json:
        _tell_what_stopped(result, config.language)
    codes = {error.exit_code for error in result.errors.values()}
    return next((code for code in _FIRST_OF if code in codes), 0)


def _tell_what_stopped(result: Result, language: str) -> None:
    for flow, error in result.errors.items():
        why = " ".join(texts.text(error.code, language, error.params))
        click.echo(_say("stopped", language, flow=texts.upper(texts.word(flow, language)), why=why), err=True)
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
            _kind_word(one.kind, self.language), _say(one.verdict, self.language), one.accountview, self.crafter(one),
            one.accountview_name, one.crafter_name, self.changes(one, filled=True), self.changes(one, filled=False),
            _say(one.decision, self.language) if one.decision else "",
        ]  # fmt: skip

    def heads(self) -> list[str]:
        """The heads of its columns."""
        return [_say(f"column_{name}", self.language) for name in COLUMNS]

    def changes(self, one: Pair, filled: bool) -> str:
        """What a side would get, field by field."""
        said: dict[Side, list[str]] = {}
        for side, change in one.changes:
            if (change.old is None) == filled:
                words = texts.change(self.language, one.kind, change.field, change.old, change.new)
                said.setdefault(side, []).append(words)
        return "; ".join(
            _say("gets", self.language, side=SERVICES[side], changes=", ".join(some)) for side, some in said.items()
        )

    def counts(self) -> Iterator[str]:
        """A line per kind: how many of what."""
        open_ = [one for one in self.pairs if not one.decision]
        for kind in dict.fromkeys(one.kind for one in self.pairs):
            found = Counter(one.verdict for one in open_ if one.kind == kind)
            said = [
                _say("count", self.language, count=found[one], verdict=_say(one, self.language))
                for one in VERDICTS if found[one]
            ]  # fmt: skip
            decided = sum(one.kind == kind and bool(one.decision) for one in self.pairs)
            said += [_say("decided", self.language, count=decided)] if decided else []
            kind_word = texts.upper(_kind_word(kind, self.language))
            yield _say("counted", self.language, kind=kind_word, counts=", ".join(said))


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
        return _say("none", language)
    lines = [*listed.counts()]
    shown, left = _some(listed.pairs)
    lines += ["", _table(listed, shown, columns)]
    lines += [_say("more", language, count=count, verdict=_say(one, language)) for one, count in left.items() if count]
    return "\n".join([*lines, "", *wrapped(_say("next", language), columns)])


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
        key = KINDS[one.kind].row_key(one.accountview)
        row = [
            _kind_word(one.kind, language), _say(one.verdict, language), f"{key} {one.accountview_name}".strip(),
            f"{one.number} {one.crafter_name}".strip(), _what_happens(listed, one),
        ]  # fmt: skip
        body.append([*row, _say(one.decision, language) if one.decision else ""] if with_decision else row)
    heads = [_say("column_kind", language), _say("column_verdict", language), SERVICES[ACCOUNTVIEW], SERVICES[CRAFTER],
             _say("column_change", language)]  # fmt: skip
    heads += [_say("column_decision", language)] if with_decision else []
    widths = _widths([heads, *body], columns)
    return tabulate(body, heads, tablefmt="simple", maxcolwidths=list(widths), maxheadercolwidths=list(widths),
                    disable_numparse=True)  # fmt: skip


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
        said += [f"{_say(name, listed.language)}: {changes}"] if changes else []
    return "; ".join(said)


# --- as a file


def _write(path: Path, listed: _Listed, config: Config) -> None:
    if path.suffix.lower() != ".html":
        sheets.write(path, listed.heads(), (listed.row(one) for one in listed.pairs))
        return
    from avsync.commands.export import page

    said = page(
        "match.html", config.language, datetime.now(UTC), title=_say("title", config.language, company=config.company),
        counts=list(listed.counts()) or [_say("none", config.language)], heads=listed.heads(),
        rows=[(one.verdict, listed.row(one)) for one in listed.pairs], explained=_say("explained", config.language),
    )  # fmt: skip
    sheets.put(path, said)


def _say_written(listed: _Listed, path: Path) -> str:
    return "\n".join([*listed.counts(), _say("written", listed.language, path=path)])


# --- reading it back


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the file, as it stands there; `number` as a spreadsheet counts."""

    number: int
    kind: str
    accountview: str
    crafter: str
    accountview_name: str
    crafter_name: str
    decision: str

    def cell(self, side: Side) -> str:
        return self.accountview if side == ACCOUNTVIEW else self.crafter

    def name(self, side: Side) -> str:
        return self.accountview_name if side == ACCOUNTVIEW else self.crafter_name

    @property
    def shown(self) -> str:
        return " – ".join(filter(None, (f"{self.kind} {self.accountview}".strip(), self.crafter)))


@dataclass
class _Taken:
    """What came of a file: decisions to keep, pairs of which one is taken back, rows that do not fit, and those that
    stay apart."""

    decisions: list[Decision] = field(default_factory=list)
    back: list[Decision] = field(default_factory=list)
    as_it_was: int = 0
    refused: list[tuple[_Line, str, dict[str, str]]] = field(default_factory=list)
    stay: list[_Line] = field(default_factory=list)


class _Misfit(Exception):  # noqa: N818 - an outcome of one row
    def __init__(self, why: str, **params: str) -> None:
        super().__init__(why)
        self.why, self.params = why, params


def take(config: Config, talker: Talker, file: str) -> int:
    """Read the decisions of a file, and keep those that fit; 1 when some do not, else 0.

    Errors: ConfigError("sheet_format", "sheet_unreadable", "match_file_unknown"), TryLater("run_at_work"), and whatever
    keeps either side from being read.
    """
    path = Path(file)
    lines = list(_lines(path))
    with launch.changing(config) as store, _found(config, talker, ()) as (session, result, pairs):
        if result.errors:
            raise next(iter(sorted(result.errors.values(), key=lambda one: _weight(one.exit_code))))
        taken = _Reader(session.store, pairs, lines).read()
        _keep(store, taken, session.now())
    _tell(config.language, talker, taken, file)
    return 1 if taken.refused else 0


def _weight(code: int) -> int:
    return _FIRST_OF.index(code) if code in _FIRST_OF else len(_FIRST_OF)


def _lines(path: Path) -> Iterator[_Line]:
    rows = sheets.read(path)
    above = next((number for number, row in enumerate(rows[:_HEAD_WITHIN]) if _is_head(row)), None)
    if above is None:
        there = _places(rows[0]) if rows else {}
        missing = [_say(f"column_{name}", "nl") for name in _NEEDED if name not in there]
        raise ConfigError("match_file_unknown", path=str(path), missing=", ".join(missing))
    places = _places(rows[above])

    def cell(row: Sequence[str], name: str) -> str:
        place = places.get(name, -1)
        return bare(row[place], name) or "" if 0 <= place < len(row) else ""

    names = [one for one in COLUMNS if one not in ("verdict", "filled", "replaced")]
    for number, row in enumerate(rows[above + 1 :], above + 2):
        if any(row):
            yield _Line(number, *(cell(row, name) for name in names))


def _is_head(row: Sequence[str]) -> bool:
    return set(_NEEDED) <= _places(row).keys()


def _places(heads: Sequence[str]) -> dict[str, int]:
    """Which column holds what, by its head in either language."""
    plain = [squeeze(head) for head in heads]
    known = {name: {squeeze(_say(f"column_{name}", one)) for one in LANGUAGES} for name in COLUMNS}
    return {
        name: place
        for name, words in known.items()
        for place, head in reversed(list(enumerate(plain)))
        if head in words
    }


def kind_named(word: str) -> Kind | None:
    """The kind that people call so, in either language; None where there is none that can be linked."""
    wanted = squeeze(word.replace("_", " "))
    for kind in KINDS.values():
        names = {kind.name, *(texts.kind_word(one, kind.name, side) for one in LANGUAGES for side in SERVICES)}
        names |= {texts.word(kind.name, one) for one in LANGUAGES}
        if kind.plan is None and wanted in {squeeze(one.replace("_", " ")) for one in names}:
            return kind
    return None


def _word_meant(said: str) -> Word | None:
    meant = {squeeze(_say(word, one)): word for word in _WORDS for one in LANGUAGES} | {word: word for word in _WORDS}
    return meant.get(squeeze(said))


class _Reader:
    """Holds the rows of a file against what stands on both sides now."""

    def __init__(self, store: Store, pairs: Sequence[Pair], lines: Sequence[_Line]) -> None:
        self.store, self.lines, self.taken = store, lines, _Taken()
        self.verdicts = {one.pair: one.verdict for one in pairs}
        self.names: dict[tuple[str, Side, str], str] = {}
        self.alike: dict[tuple[str, Side, str], dict[str, None]] = {}
        for one in pairs:
            self._note(one.kind, ACCOUNTVIEW, one.accountview, one.accountview_name, one.accountview)
            self._note(one.kind, CRAFTER, one.crafter, one.crafter_name, one.crafter, one.number)
        self.whole = {side: any(re.fullmatch("0[0-9]+", line.cell(side)) for line in lines) for side in SERVICES}
        self.picked: set[tuple[str, Side, str]] = set()

    def _note(self, kind: str, side: Side, identity: str, name: str, *known_as: str) -> None:
        if identity:
            self.names[kind, side, identity] = name
            for one in filter(None, known_as):
                self.alike.setdefault((kind, side, _loose(one)), {})[identity] = None

    def read(self) -> _Taken:
        """Every row by itself; what does not fit is named, and the others are taken."""
        for line in self.lines:
            try:
                self._read(line)
            except _Misfit as no:
                self.taken.refused.append((line, no.why, no.params))
        return self.taken

    def _read(self, line: _Line) -> None:
        if not line.decision:
            self._take_back(line)
            return
        word, kind = _word_meant(line.decision), kind_named(line.kind)
        if word is None:
            raise _Misfit("word", word=line.decision)
        if kind is None:
            raise _Misfit("kind")
        if word != SKIP and not (line.accountview and line.crafter):
            raise _Misfit("one")
        if self._is_done(kind, word, line):
            self.taken.as_it_was += 1
            return
        ids = {side: self._free(kind, side, line) if line.cell(side) else "" for side in (ACCOUNTVIEW, CRAFTER)}
        if not any(ids.values()):
            raise _Misfit("gone", key="-", side=SERVICES[ACCOUNTVIEW])
        self._decide(kind, word, line, ids)

    def _decide(self, kind: Kind, word: Word, line: _Line, ids: Mapping[Side, str]) -> None:
        pair = kind.name, ids[ACCOUNTVIEW], ids[CRAFTER]
        if word == LINK:
            for side, identity in ids.items():
                if (kind.name, side, identity) in self.picked:
                    raise _Misfit("twice", key=line.cell(side), side=SERVICES[side])
            self.picked |= {(kind.name, side, identity) for side, identity in ids.items()}
        before = self.store.decisions.one(*pair)
        if before is not None and before.word == word:
            self.taken.as_it_was += 1
            return
        alone = next((NEW[side] for side in SERVICES if not ids[other(side)]), "")
        verdict = (before.verdict if before else "") or self.verdicts.get(pair) or alone or QUESTION
        self.taken.decisions.append(Decision(*pair, word, verdict))

    def _take_back(self, line: _Line) -> None:
        """A row of which the decision was emptied. Two that were kept apart stay so."""
        kind = kind_named(line.kind)
        if kind is None:
            return
        try:
            ids = [self._free(kind, side, line) if line.cell(side) else "" for side in (ACCOUNTVIEW, CRAFTER)]
        except _Misfit:
            return
        before = self.store.decisions.one(kind.name, *ids)
        if before is not None and before.word == APART:
            self.taken.stay.append(line)
        elif before is not None:
            self.taken.back.append(before)

    def _is_done(self, kind: Kind, word: Word, line: _Line) -> bool:
        """Whether it was obeyed already, so that nothing is left to do; what is linked otherwise no longer fits."""
        links = {side: self._link(kind, side, line) for side in (ACCOUNTVIEW, CRAFTER) if line.cell(side)}
        together = len(links) == 2 and links[ACCOUNTVIEW] is not None and links[ACCOUNTVIEW] == links[CRAFTER]
        if together and word == APART:
            raise _Misfit("together")
        if together and word == LINK or word == APART and all(links.values()):
            return True
        if word == SKIP and any(links.values()) and self._is_skipped(kind, line, links):
            return True
        for side, link in links.items():
            if link is not None and not (word == APART and self._is_free(kind, side, line)):
                raise _Misfit("linked", key=line.cell(side), side=SERVICES[side])
        return False

    def _is_skipped(self, kind: Kind, line: _Line, links: Mapping[Side, int | None]) -> bool:
        """Whether what is free of the two is left alone already."""
        skipped = self.store.decisions.all().skipped
        free = [side for side, link in links.items() if link is None]
        return bool(free) and all((kind.name, side, self._free(kind, side, line)) in skipped for side in free)

    def _link(self, kind: Kind, side: Side, line: _Line) -> int | None:
        """The link of what a cell names, unless it names one that is free: of two that look alike the one of that
        name."""
        cell, links = line.cell(side), self.store.links
        found = [links.one(kind.name, side, one) for one in dict.fromkeys((cell, cell.upper()))]
        if side == CRAFTER and not any(found):
            found = [links.one(kind.name, CRAFTER, crafter) for name, _, crafter in links.called(cell)
                     if name == kind.name]  # fmt: skip
        link = next((one for one in found if one is not None and one.accountview and one.crafter), None)
        if link is None or squeeze(title_of(link)) == squeeze(line.name(side)):
            return link.id if link else None
        free = self.alike.get((kind.name, side, _loose(cell)), ())
        meant = any(squeeze(self.names[kind.name, side, one]) == squeeze(line.name(side)) for one in free)
        return None if meant else link.id

    def _is_free(self, kind: Kind, side: Side, line: _Line) -> bool:
        return bool(self.alike.get((kind.name, side, _loose(line.cell(side)))))

    def _free(self, kind: Kind, side: Side, line: _Line) -> str:
        """The id of the free record that a cell names, also where a spreadsheet took its number for one (10001.0, and
        123 for 00123). Of several that then look alike it is the one of that name."""
        cell = line.cell(side)
        found = list(self.alike.get((kind.name, side, _loose(cell)), ())) or self._elsewhere(kind, side, cell)
        if len(found) > 1:
            named = [one for one in found if squeeze(self.names[kind.name, side, one]) == squeeze(line.name(side))]
            exact = [one for one in named or found if one.upper() == cell.upper()]
            found = named if len(named) == 1 else exact if exact and (self.whole[side] or _differ(found)) else found
        if len(found) > 1:
            raise _Misfit("several", key=cell, side=SERVICES[side])
        if not found:
            raise _Misfit("gone", key=cell, side=SERVICES[side])
        return found[0]

    def _elsewhere(self, kind: Kind, side: Side, cell: str) -> list[str]:
        """What is free but not in the list, such as what belongs to one that is new."""
        inbox = self.store.inbox
        found = [inbox.one(kind.name, side, cell), inbox.one(kind.name, side, cell.upper())]
        found += inbox.by("key", kind.name, side, cell.upper())
        names = {one.id: one.name for one in found if one is not None}
        self.names.update({(kind.name, side, identity): name for identity, name in names.items()})
        return list(names)


def _differ(found: Sequence[str]) -> bool:
    """Whether they differ in more than a spreadsheet takes away."""
    return len({_loose(one) for one in found}) == len(found)


def _loose(cell: str) -> str:
    """A cell without what a spreadsheet may have done to a number."""
    number = _NUMBER.fullmatch(cell.strip())
    return number[1] if number else cell.strip().upper()


def _keep(store: Store, taken: _Taken, now: str) -> None:
    with store.transaction():
        for one in taken.back:
            store.decisions.take_back(*one.pair)
        for one in taken.decisions:
            store.decisions.take(one, now)
            if one.word == LINK:  # it may have been kept to be met only
                store.inbox.plan_again(one.kind, ACCOUNTVIEW, one.accountview)
                store.inbox.plan_again(one.kind, CRAFTER, one.crafter)


def _tell(language: str, talker: Talker, taken: _Taken, file: str) -> None:
    lines = []
    count = len(taken.decisions) + taken.as_it_was
    lines.append(_say("taken" if count else "taken_none", language, count=count, path=file))
    if taken.back:
        lines.append(_say("taken_back", language, count=len(taken.back)))
    lines += [_say("stays_apart", language, row=line.number, pair=line.shown) for line in taken.stay]
    refused = [(line, _say(f"why_{why}", language, **params)) for line, why, params in taken.refused]
    lines += [_say("refused", language, row=line.number, pair=line.shown, why=why) for line, why in refused]
    if taken.decisions or taken.back:
        lines.append(_say("then", language))
    shape = {
        "exit": 1 if refused else 0, "taken": count, "taken_back": len(taken.back),
        "refused": [
            {"row": line.number, "kind": line.kind, "accountview": line.accountview, "crafter": line.crafter,
             "decision": line.decision, "message": why} for line, why in refused
        ],
    }  # fmt: skip
    talker.say("\n".join(lines), shape)
