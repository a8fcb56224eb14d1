"""What a first meeting would do, as pairs that people decide about: read from the plan that the next run follows, so
that it is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from avsync.records.kind import BOTH, DECIDED, Change, Kind, Link, Match
from avsync.records.registry import KINDS, kinds_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side
from avsync.state.decisions import APART, SKIP, Decision
from avsync.sync.causes import called_as
from avsync.sync.plan import KEPT, LATER, Action, Verb
from avsync.sync.refs import PRETENDED
from avsync.sync.session import PAGE, Session

SURE, LIKELY, QUESTION = "sure", "likely", "question"
NEW = {ACCOUNTVIEW: "new_in_accountview", CRAFTER: "new_in_crafter"}
VERDICTS = (QUESTION, LIKELY, SURE, NEW[ACCOUNTVIEW], NEW[CRAFTER])
_CERTAIN = ("reference", "number", "left", "columns", DECIDED)  # by what two are met without a doubt

Name = tuple[str, Side, str]  # kind, side, id


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that are, or may be, one; or one that stands alone (the other id is empty).

    `crafter` is its id, `number` what people know it by if anything. `changes`: what the two would give each other,
    with the side that gets it. `trouble`: the problem that keeps it from going. `decision`: what a person has said.
    """

    kind: str
    verdict: str
    accountview: str = ""
    crafter: str = ""
    accountview_name: str = ""
    crafter_name: str = ""
    number: str = ""
    by: str = ""
    changes: tuple[tuple[Side, Change], ...] = ()
    trouble: str = ""
    decision: str = ""

    @property
    def pair(self) -> tuple[str, str, str]:
        """What is decided about."""
        return self.kind, self.accountview, self.crafter


class Pairs:
    """Collects them from the actions of a dry run."""

    def __init__(self, session: Session) -> None:
        self.session, self.store = session, session.store
        self.together: dict[tuple[str, str, str], Pair] = {}
        self.alone: dict[Name, Pair] = {}
        self._met: set[Name] = set()

    def see(self, action: Action) -> None:
        """Take in one action; what is linked already is no first meeting."""
        kind, match = action.kind, action.match
        if kind.plan is not None or _is_whole(action.link):
            return
        if match is not None and match.candidates:
            self._meet(action, match)
        elif action.verb in (Verb.CREATE, Verb.WAIT, Verb.REJECT) or action.reason in (KEPT, LATER):
            self._stands_alone(kind, action)

    def all(self, flows: Iterable[str]) -> list[Pair]:
        """All there are of these flows, by kind and verdict, with what was decided; after the last action."""
        kinds = [kind for flow in flows for kind in kinds_of(flow) if kind.plan is None]
        for kind in kinds:
            self._look_at_what_is_kept(kind)
        pairs = {**self.together, **self._decided()}
        alone = [one for name, one in self.alone.items() if name not in self._met]
        order = {kind.name: place for place, kind in enumerate(kinds)}
        found = [one for one in (*pairs.values(), *alone) if one.kind in order]
        return sorted(found, key=lambda one: (order[one.kind], VERDICTS.index(one.verdict)))

    # --- from the plan

    def _meet(self, action: Action, match: Match) -> None:
        kind, there = action.kind, [one for one in (match.of, *match.candidates) if one is not None]
        books, planned = ([one for one in there if one.side == side] for side in (ACCOUNTVIEW, CRAFTER))
        if any(one.absent for one in books):  # an address that AccountView has yet to get
            self._stands_alone(kind, action)
            return
        asked = not match.sure and action.verb != Verb.ADOPT
        verdict = QUESTION if asked else SURE if match.by in _CERTAIN else LIKELY
        changes = tuple((write.side, one) for write in action.writes for one in write.changes)
        trouble = action.reason if action.verb in (Verb.REJECT, Verb.WAIT) else ""
        for av in books:
            for cr in planned:
                found = replace(
                    self._named(kind, av, cr), verdict=verdict, by=match.by, changes=changes, trouble=trouble
                )
                self.together.setdefault(found.pair, found)
                self._met |= {(kind.name, one.side, one.id) for one in (av, cr)}

    def _stands_alone(self, kind: Kind, action: Action) -> None:
        trouble = action.reason if action.verb in (Verb.REJECT, Verb.WAIT) else ""
        verdict = QUESTION if action.match is not None and action.match.question else ""
        self._alone(kind, action.record, trouble, verdict)

    def _alone(self, kind: Kind, record: Record, trouble: str = "", verdict: str = "") -> None:
        """What belongs to another takes part within those that stand on both sides; else it goes with its owner."""
        if record.absent or kind.belongs_to and not self._owner_is_met(kind, record):
            return
        ends = (record, None) if record.side == ACCOUNTVIEW else (None, record)
        found = replace(self._named(kind, *ends), verdict=verdict or NEW[record.side], trouble=trouble)
        self.alone.setdefault((kind.name, record.side, record.id), found)

    def _owner_is_met(self, kind: Kind, record: Record) -> bool:
        of = kind.field(kind.belongs_to).ref
        ids = self.session.pretended.get((of, record.side, record.owner))
        if ids is not None:
            return not any(one.startswith(PRETENDED) for one in ids)
        return _is_whole(self.store.links.one(of, record.side, record.owner))

    def _named(self, kind: Kind, av: Record | None, cr: Record | None) -> Pair:
        return Pair(
            kind.name, QUESTION, av.id if av else "", cr.id if cr else "", self._name(kind, av), self._name(kind, cr),
            number=cr.key if cr and cr.key != cr.id else "",
        )  # fmt: skip

    def _name(self, kind: Kind, record: Record | None) -> str:
        """What it is called, on one line."""
        if record is None:
            return ""
        known = called_as(self.session.config.language, record) if record.facts else ""
        return " ".join((known or kind.title(record.side, record.fields) or record.name).split())

    # --- beside the plan

    def _look_at_what_is_kept(self, kind: Kind) -> None:
        """What no flow would make across stands alone as well."""
        sides = [side for side in BOTH if not (kind.recent and side == ACCOUNTVIEW)]
        for side in sides:
            for page in _pages(self.store.inbox.kept(kind.name, side)):
                linked = self.store.links.by_side(kind.name, side, [one.id for one in page])
                for one in page:
                    name = kind.name, side, one.id
                    left = self.session.decided.leaves(kind, one)
                    if one.id not in linked and name not in self.session.pretended and not left:
                        self._alone(kind, one)

    def _decided(self) -> dict[tuple[str, str, str], Pair]:
        """What a person has said about pairs that are not linked; what avsync made of them is what it was then."""
        found: dict[tuple[str, str, str], Pair] = {}
        for one in self.store.decisions.listed(all=False):
            there = self.together.get(one.pair)
            pair = there if there is not None and one.word not in (APART, SKIP) else self._kept(one)
            if pair is not None:
                found[one.pair] = replace(pair, decision=one.word, verdict=one.verdict or pair.verdict)
        return found

    def _kept(self, one: Decision) -> Pair | None:
        """A pair that the plan does not show because it was decided; None where one of the two is linked or gone."""
        kind, ids = KINDS.get(one.kind), {ACCOUNTVIEW: one.accountview, CRAFTER: one.crafter}
        if kind is None or one.word not in (APART, SKIP):
            return None
        there = {side: self.store.inbox.one(one.kind, side, ids[side]) for side in BOTH if ids[side]}
        linked = [_is_whole(self.store.links.one(one.kind, side, ids[side])) for side in there]
        if any(linked) or any(record is None for record in there.values()):
            return None
        alone = next(iter(there)) if len(there) == 1 else None
        pair = self._named(kind, there.get(ACCOUNTVIEW), there.get(CRAFTER))
        return replace(pair, verdict=NEW[alone] if alone else QUESTION)


def _is_whole(link: Link | None) -> bool:
    return link is not None and bool(link.id and link.accountview and link.crafter) and not link.gone


def _pages(records: Iterator[Record]) -> Iterator[list[Record]]:
    page: list[Record] = []
    for one in records:
        page.append(one)
        if len(page) == PAGE:
            yield page
            page = []
    yield page
