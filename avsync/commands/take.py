"""`avsync match --take`: what people have decided about the pairs of a list, read back from the file.

Every row is held against what stands on both sides now. What fits is kept for the next run, what no longer fits is
named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avsync.commands import run as launch
from avsync.commands import sheets
from avsync.commands.match import COLUMNS, FIRST_OF, LANGUAGES, WORDS, Talker, found_pairs, kind_named, say
from avsync.config.settings import Config
from avsync.errors import ConfigError
from avsync.records.kind import Kind
from avsync.records.registry import title_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side, bare, other, squeeze
from avsync.state.decisions import APART, LINK, SKIP, Decision, Word
from avsync.state.store import Store
from avsync.sync.causes import SERVICES
from avsync.sync.pairs import NEW, QUESTION, Pair

_NEEDED = ("kind", "accountview", "crafter", "decision")  # to read a row back
_HEAD_WITHIN = 10  # rows: what may stand above the heads
_NUMBER = re.compile(r"0*([0-9]+)(?:[.,]0+)?")


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
    kinds = {word: kind_named(word) for word in dict.fromkeys(line.kind for line in lines)}
    flows = list(dict.fromkeys(kind.flow for kind in kinds.values() if kind is not None))
    with launch.changing(config) as store, found_pairs(config, talker, flows) as (session, result, pairs):
        if result.errors:
            raise next(iter(sorted(result.errors.values(), key=lambda one: _weight(one.exit_code))))
        taken = _Reader(session.store, pairs, lines, kinds).read()
        _keep(store, taken, session.now())
    _tell(config.language, talker, taken, file)
    return 1 if taken.refused else 0


def _weight(code: int) -> int:
    return FIRST_OF.index(code) if code in FIRST_OF else len(FIRST_OF)


def _lines(path: Path) -> Iterator[_Line]:
    rows = sheets.read(path)
    above = next((number for number, row in enumerate(rows[:_HEAD_WITHIN]) if _is_head(row)), None)
    if above is None:
        there = _places(rows[0]) if rows else {}
        missing = [say(f"column_{name}", "nl") for name in _NEEDED if name not in there]
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
    known = {name: {squeeze(say(f"column_{name}", one)) for one in LANGUAGES} for name in COLUMNS}
    return {
        name: place
        for name, words in known.items()
        for place, head in reversed(list(enumerate(plain)))
        if head in words
    }


def _word_meant(said: str) -> Word | None:
    meant = {squeeze(say(word, one)): word for word in WORDS for one in LANGUAGES} | {word: word for word in WORDS}
    return meant.get(squeeze(said))


class _Reader:
    """Holds the rows of a file against what stands on both sides now."""

    def __init__(
        self, store: Store, pairs: Sequence[Pair], lines: Sequence[_Line], kinds: Mapping[str, Kind | None]
    ) -> None:
        self.store, self.lines, self.kinds, self.taken = store, lines, kinds, _Taken()
        said = dict.fromkeys(line.decision for line in lines)
        self.words = {one: _word_meant(one) for one in said}
        self.verdicts = {one.pair: one.verdict for one in pairs}
        self.names: dict[tuple[str, Side, str], str] = {}
        self.alike: dict[tuple[str, Side, str], dict[str, None]] = {}
        for one in pairs:
            self._note(one.kind, ACCOUNTVIEW, one.accountview, one.accountview_name, one.accountview)
            self._note(one.kind, CRAFTER, one.crafter, one.crafter_name, one.crafter, one.number)
        self.whole = {side: any(re.fullmatch("0[0-9]+", line.cell(side)) for line in lines) for side in SERVICES}
        self.picked: set[tuple[str, Side, str]] = set()
        self.numbers: dict[str, Mapping[str, list[str]]] = {}
        self.skipped = store.decisions.all().skipped
        pairs = [one for one in pairs if one.accountview and one.crafter]
        links = [store.links.one(one.kind, ACCOUNTVIEW, one.accountview) for one in pairs]
        self.asked = {link.id for link in links if link is not None}  # whether they are still one

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
        word, kind = self.words[line.decision], self.kinds[line.kind]
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
        self.taken.decisions.append(Decision(*pair, word, verdict, self._called(kind, ids)))

    def _called(self, kind: Kind, ids: Mapping[Side, str]) -> str:
        return next(filter(None, (self.names.get((kind.name, side, ids[side])) for side in (ACCOUNTVIEW, CRAFTER))), "")

    def _take_back(self, line: _Line) -> None:
        """A row of which the decision was emptied. Two that were kept apart stay so."""
        kind = self.kinds[line.kind]
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
            self.taken.back.append(replace(before, name=self._called(kind, {ACCOUNTVIEW: ids[0], CRAFTER: ids[1]})))

    def _is_done(self, kind: Kind, word: Word, line: _Line) -> bool:
        """Whether it was obeyed already, so that nothing is left to do; what is linked otherwise no longer fits."""
        links = {side: self._link(kind, side, line) for side in (ACCOUNTVIEW, CRAFTER) if line.cell(side)}
        together = len(links) == 2 and links[ACCOUNTVIEW] is not None and links[ACCOUNTVIEW] == links[CRAFTER]
        if together and word != SKIP and links[ACCOUNTVIEW] in self.asked:
            return False
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
        free = [side for side, link in links.items() if link is None]
        return bool(free) and all((kind.name, side, self._free(kind, side, line)) in self.skipped for side in free)

    def _link(self, kind: Kind, side: Side, line: _Line) -> int | None:
        """The link of what a cell names, unless it names one that is free: of two that look alike the one of that
        name."""
        cell, links = line.cell(side), self.store.links
        found = [links.one(kind.name, side, one) for one in dict.fromkeys((cell, cell.upper()))]
        if side == CRAFTER and not any(found):
            found = [links.one(kind.name, CRAFTER, one) for one in self._numbered(kind).get(cell.upper(), ())]
        link = next((one for one in found if one is not None and one.accountview and one.crafter), None)
        if link is None or link.id in self.asked or squeeze(title_of(link)) == squeeze(line.name(side)):
            return link.id if link else None
        free = self.alike.get((kind.name, side, _loose(cell)), ())
        meant = any(squeeze(self.names[kind.name, side, one]) == squeeze(line.name(side)) for one in free)
        return None if meant else link.id

    def _numbered(self, kind: Kind) -> Mapping[str, list[str]]:
        """The Crafter ids of what is linked, by what people know it by there."""
        if kind.name not in self.numbers:
            found: dict[str, list[str]] = {}
            for link in self.store.links.living(kind.name, CRAFTER):
                for name in kind.known_by:
                    found.setdefault((link.told(CRAFTER).get(name) or "").upper(), []).append(link.crafter)
            self.numbers[kind.name] = found
        return self.numbers[kind.name]

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
            store.decisions.told("undecided", one)
        for one in taken.decisions:
            store.decisions.take(one, now)
            if one.word == LINK:  # it may have been kept to be met only
                store.inbox.plan_again(one.kind, ACCOUNTVIEW, one.accountview)
                store.inbox.plan_again(one.kind, CRAFTER, one.crafter)


def _tell(language: str, talker: Talker, taken: _Taken, file: str) -> None:
    lines = []
    count = len(taken.decisions) + taken.as_it_was
    lines.append(say("taken" if count else "taken_none", language, count=count, path=file))
    if taken.back:
        lines.append(say("taken_back", language, count=len(taken.back)))
    lines += [say("stays_apart", language, row=line.number, pair=line.shown) for line in taken.stay]
    refused = [(line, say(f"why_{why}", language, **params)) for line, why, params in taken.refused]
    lines += [say("refused", language, row=line.number, pair=line.shown, why=why) for line, why in refused]
    if taken.decisions or taken.back:
        lines.append(say("then", language))
    shape = {
        "exit": 1 if refused else 0, "taken": count, "taken_back": len(taken.back),
        "refused": [
            {"row": line.number, "kind": line.kind, "accountview": line.accountview, "crafter": line.crafter,
             "decision": line.decision, "message": why} for line, why in refused
        ],
    }  # fmt: skip
    talker.say("\n".join(lines), shape)
