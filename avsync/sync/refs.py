"""What a reference means on the other side: asks the state first, then the services, and changes nothing.

What comes from a service is remembered for the run; what comes from the links is asked each time, because links grow.
What a service did not have, by id or by AccountView's number, is remembered for a day, so that a backlog of waiting
records costs no reads in every run; only of kinds whose listing is read anyway: a listing that shows such a record ends
its absence. One record's run, a full pass and the next day ask again. What was asked of a service all the same is kept
apart (`outside`): what went by that cannot be left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from avsync.errors import Malformed, RecordUnavailable
from avsync.records.kind import MISSING, RETIRED, Answer, Ask, Kind, Known, Link, LookUp, What, asks_of
from avsync.records.registry import KINDS, LISTS
from avsync.records.rows import read_records
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side, other, text

if TYPE_CHECKING:
    from avsync.sync.session import Session

PRETENDED = "≈"  # what a made-up id begins with, of a record that a dry run would make
_ROUNDS = 4  # an answer may lead to a further question

Row = dict[str, Any]
Found = Record | Malformed | None
T = TypeVar("T")
K = TypeVar("K")


class Refs:
    """Answers what planning asks."""

    def __init__(self, session: Session) -> None:
        self.session, self.store = session, session.store
        self._lists: dict[str, list[Row]] = {}
        self._rows: dict[tuple[str, str], Answer] = {}
        self._across: dict[tuple[str, Side, str], Answer] = {}
        self._fetched: dict[tuple[str, Side, str], Found] = {}
        self._refused: dict[Ask, Answer] = {}
        self.outside: set[Ask] = set()  # what this run asked a service for, whole lists apart

    def know(self, kind: Kind, wanted: Sequence[tuple[Record, Link | None]], before: Known | None = None) -> Known:
        """Everything that planning these records may go by, looked up now; `before`: what was looked up already."""
        session = self.session
        absent = frozenset(session.accountview.absent)
        known = before or Known(
            session.policy,
            {},
            session.columns,
            absent,
            session.sheet_of,
            now=session.time(CRAFTER),
            decided=session.decided,
        )
        left = list(wanted)
        for _ in range(_ROUNDS):
            asked = [(one, set(asks_of(kind, *one, known)) - known.answers.keys()) for one in left]
            left = [one for one, new in asked if new]
            if not left:
                break
            known = replace(known, answers={**known.answers, **self.answer(set().union(*(new for _, new in asked)))})
        refused = frozenset(ask for ask, one in known.answers.items() if one.state == "unavailable")
        return replace(known, refused=refused) if refused else known

    def answer(self, asks: Iterable[Ask]) -> dict[Ask, Answer]:
        """An answer to every question."""
        groups: dict[tuple[What, str, Side], list[str]] = defaultdict(list)
        for ask in sorted(asks):
            groups[ask.what, ask.kind, ask.side].append(ask.key)
        found: dict[Ask, Answer] = {}
        for (what, name, side), keys in groups.items():
            found |= self._answers(what, name, side, keys)
        return found

    def _answers(self, what: What, name: str, side: Side, keys: Sequence[str]) -> dict[Ask, Answer]:
        """A look-up that AccountView answers with an error is the problem of what asks for it (behaviour 8)."""
        known = {ask: self._refused[ask] for key in keys if (ask := Ask(what, name, side, key)) in self._refused}
        left = [key for key in keys if Ask(what, name, side, key) not in known]
        try:
            got = self._ask(what, name, side, left) if left else {}
        except RecordUnavailable as error:
            if len(left) > 1:
                return known | {ask: one for key in left for ask, one in self._answers(what, name, side, [key]).items()}
            self._refused[Ask(what, name, side, left[0])] = refused = Answer("unavailable", said=error.params)
            self._went_out(what, name, side, left)
            got = {left[0]: refused}
        return known | {Ask(what, name, side, key): got.get(key, MISSING) for key in left}

    def _ask(self, what: What, name: str, side: Side, keys: Sequence[str]) -> dict[str, Answer]:
        if what == "details" or what == "row" and not LISTS[name].whole:
            self._went_out(what, name, side, keys)
        if what == "row":
            return self._look_up(LISTS[name], side, keys)
        if what == "details":
            return self._details(KINDS[name], keys)
        ways = {"ref": self._refs, "link": self._links, "record": self._records, "children": self._children}
        return ways[what](KINDS[name], side, keys)

    def _went_out(self, what: What, name: str, side: Side, keys: Iterable[str]) -> None:
        self.outside.update(Ask(what, name, side, key) for key in keys)

    def at_once(self, side: Side, ask: Callable[[K], T], keys: Sequence[K]) -> list[T]:
        """Ask a service for several things, as many at a time as it may be asked."""
        if len(keys) < 2:
            return [ask(key) for key in keys]
        with ThreadPoolExecutor(self.session.width(side)) as pool:
            return list(pool.map(ask, keys))

    # --- records that are linked

    def _links(self, kind: Kind, side: Side, keys: Sequence[str]) -> dict[str, Answer]:
        links = self.store.links.by_side(kind.name, side, keys)
        found = {key: _linked(link) for key, link in links.items() if link.crafter or link.gone}
        for key in self._unclear(kind, links):
            found[key] = replace(found[key], state="unclear")
        for key in keys:
            ids = self.session.pretended.get((kind.name, side, key))
            if ids is not None:
                found[key] = Answer("linked", *ids)
        return found

    def _unclear(self, kind: Kind, links: Mapping[str, Link]) -> list[str]:
        """Those of which a person still has to say whether AccountView's row is the record that was linked."""
        if kind.identity is None or not links:
            return []
        newer = self.store.inbox.get(kind.name, ACCOUNTVIEW, [link.accountview for link in links.values()])
        versions = {key: newer[link.accountview].record for key, link in links.items() if link.accountview in newer}
        return [key for key, one in versions.items() if kind.identity(one, links[key]) == "unclear"]

    def _refs(self, kind: Kind, side: Side, keys: Sequence[str]) -> dict[str, Answer]:
        """Not linked: still to come with its flow; or the other side is asked by number."""
        found = self._links(kind, side, keys)
        rest = [key for key in keys if key not in found and (kind.name, side, key) not in self._across]
        on = self.session.policy.flows[kind.flow] != "off"
        brings = on and self.session.policy.writes(kind.flow, other(side)) and other(side) in kind.made
        here = self._versions(kind, side, rest, ask=not (kind.awaited and on) and (side == CRAFTER or brings))
        look = []
        for key in rest:
            version = here.get(key)
            record = None if isinstance(version, Malformed) else version
            if kind.awaited and on:
                found[key] = _absent(side, key, record)
            elif brings and record is not None and kind.comes(record, self.session.policy):
                found[key] = _absent(side, key, record, "coming")
            else:
                look.append((key, record))
        for (key, _), answer in zip(look, self._look_across(kind, side, look), strict=True):
            self._across[kind.name, side, key] = answer
        return {key: found.get(key) or self._across[kind.name, side, key] for key in keys}

    def _look_across(self, kind: Kind, side: Side, wanted: Sequence[tuple[str, Record | None]]) -> list[Answer]:
        """By number or code on the side across, where its flow brings nothing there."""
        policy = self.session.policy
        off = "off" if kind.awaited and policy.flows[kind.flow] == "off" else "missing"
        linking = policy.writes(kind.flow, CRAFTER)
        numbers = [key if side == ACCOUNTVIEW else here.key if here else "" for key, here in wanted]
        gone = self._no_such(kind, side, numbers)
        self._went_out("ref", kind.name, side, [one[0] for one, number in zip(wanted, numbers, strict=True)
                                                if number not in gone])  # fmt: skip

        def look(number: str) -> Record | None:
            try:
                return None if number in gone else self._numbered(kind, side, number)
            except Malformed:
                return None

        found = self.at_once(other(side), look, numbers)
        self._remember_none(kind, side, [number for number, there in zip(numbers, found, strict=True)
                                         if there is None and number not in gone])  # fmt: skip

        def answer(key: str, here: Record | None, there: Record | None) -> Answer:
            if there is None or here is not None and self.session.decided.keeps_apart(here, there):
                return _absent(side, key, here, off)
            ids = (key, there.id) if side == ACCOUNTVIEW else (there.id, key)
            both = (
                (here, there) if linking else (None, None)
            )  # found on both sides: linked, where Crafter may be marked
            return Answer("found", *ids, (here or there).name, *both)

        return [answer(*one, there) for one, there in zip(wanted, found, strict=True)]

    def _no_such(self, kind: Kind, side: Side, numbers: Sequence[str]) -> set[str]:
        """The numbers of which it is known that nothing across bears them."""
        asked = [number for number in numbers if number]
        gone = (
            self.store.absent(kind.name, ACCOUNTVIEW, asked, *self._lately()) if self._is_shown(kind, side) else set()
        )
        return {*gone, ""}

    def _is_shown(self, kind: Kind, side: Side) -> bool:
        """Whether AccountView's listing, which is read anyway, shows the number of what comes to be there."""
        return side == CRAFTER and kind.table == kind.name and self.session.policy.flows[kind.flow] != "off"

    def _remember_none(self, kind: Kind, side: Side, numbers: Sequence[str]) -> None:
        if numbers and self._is_shown(kind, side):
            with self.store.transaction():
                self.store.note_absent(kind.name, ACCOUNTVIEW, numbers, self.session.started)

    def _numbered(self, kind: Kind, side: Side, number: str) -> Record | None:
        """The one record under a number on the side across; two are as good as none."""
        if not number or not kind.known_by:
            return None
        if side == CRAFTER:
            row = self.session.accountview.by_key(kind.table, number)
            found = [row] if row else []
        elif not kind.findable:
            return None
        else:
            found = self.spelt(kind, number)
        return read_one(self.session, kind, other(side), found[0]) if len(found) == 1 else None

    def spelt(self, kind: Kind, number: str) -> list[Row]:
        """Crafter's filters tell capitals apart, people do not: as it is spelt here, and in capitals and without."""
        field = kind.field(kind.known_by[0]).crafter or ""
        spellings = dict.fromkeys((number, number.upper(), number.lower()))
        rows = [row for spelling in spellings for row in self.session.crafter.find(kind.resource, {field: spelling})]
        return list({str(row["id"]): row for row in rows}.values())

    # --- versions

    def _records(self, kind: Kind, side: Side, keys: Sequence[str]) -> dict[str, Answer]:
        """The newest version: read and not yet in step, or as last told, or as it stands there now."""
        links = self.store.links.by_side(kind.name, side, keys)
        waiting = self.store.inbox.get(kind.name, side, keys)
        told = {key: told_by(link, side) for key, link in links.items() if link.end[side].told is not None}
        known = {**told, **{key: entry.record for key, entry in waiting.items()}}
        rest = [key for key in keys if key not in known and key not in links and not key.startswith(PRETENDED)]
        fetched = {**known, **self._fetch("record", kind, side, rest)}
        answers = {}
        for key in keys:
            record, link = fetched.get(key), links.get(key)
            state = "linked" if link else "found" if record else "missing"
            answers[key] = (
                Answer(state, fault=record) if isinstance(record, Malformed) else Answer(state, here=record, link=link)
            )
        return answers

    def _versions(self, kind: Kind, side: Side, keys: Sequence[str], ask: bool) -> Mapping[str, Found]:
        """Those read and not yet in step; the others are asked for where that makes sense."""
        known = {key: entry.record for key, entry in self.store.inbox.get(kind.name, side, keys).items()}
        rest = [key for key in keys if key not in known] if ask else []
        return {**known, **self._fetch("ref", kind, side, rest)}

    def _fetch(self, what: What, kind: Kind, side: Side, keys: Sequence[str]) -> Mapping[str, Found]:
        """As they stand there now, unless it is known that they do not."""
        listed = self.session.policy.flows[kind.flow] != "off"
        gone = self.store.absent(kind.name, side, keys, *self._lately()) if listed else set()
        self._went_out(what, kind.name, side, [key for key in keys if key not in gone])
        asked = [key for key in keys if key not in gone and (kind.name, side, key) not in self._fetched]

        def get(key: str) -> Found:
            try:
                row = self.session.fetch(kind, side, key)
            except Malformed:
                return None  # nobody can be asked for such a key
            return read_one(self.session, kind, side, row, key) if row else None

        def read(key: str) -> Found:
            try:
                return get(key)
            except Malformed as fault:
                return fault

        for key, found in zip(asked, self.at_once(side, read, asked), strict=True):
            self._fetched[kind.name, side, key] = found
        missing = [key for key in asked if self._fetched[kind.name, side, key] is None]
        if listed and missing:
            with self.store.transaction():
                self.store.note_absent(kind.name, side, missing, self.session.started)
        return {key: self._fetched[kind.name, side, key] for key in keys if key not in gone}

    def _lately(self) -> tuple[str, str]:
        """What was found missing in the last day need not be asked again, unless everything is looked at anew."""
        since, until = self.session.lately()
        return (self.session.started if self.session.full or self.session.only is not None else since), until

    def _children(self, kind: Kind, side: Side, owners: Sequence[str]) -> dict[str, Answer]:
        """Their listing has just been read, so most stand in the inbox; the others are asked for. Of an owner that is
        linked they stand there or are linked themselves."""
        found = {owner: self.store.inbox.by("owner", kind.name, side, owner) for owner in owners}
        linked = self.store.links.by_side(kind.field(kind.belongs_to).ref, side, owners)
        for owner in linked:
            there = self.store.links.belonging(kind.name, kind.belongs_to, owner)
            found[owner] += [told_by(one, side) for one in there]
        rest = [
            owner
            for owner in owners
            if owner not in linked and all(kind.late and kind.late(one) for one in found[owner])
        ]
        self._went_out("children", kind.name, side, rest)
        field = kind.field(kind.belongs_to).crafter or ""

        def ask(owner: str) -> list[Record]:
            records = []
            for row in self.session.crafter.find(kind.resource, {field: owner}):
                try:
                    records += read_records(kind, side, row, self.session.policy)
                except Malformed:
                    continue
            return records

        found.update(zip(rest, self.at_once(side, ask, rest), strict=True))
        return {owner: Answer("found", records=tuple(records)) for owner, records in found.items()}

    def _details(self, kind: Kind, keys: Sequence[str]) -> dict[str, Answer]:
        """The detail rows that stand under these keys; missing when the record they belong to is."""
        head, links = KINDS[kind.details_of], self.session.store.links
        heads = {key: links.one(head.name, ACCOUNTVIEW, key) for key in keys}
        days = {key: head.booked_on({ACCOUNTVIEW: one.told(ACCOUNTVIEW)}) if one else "" for key, one in heads.items()}

        accountview = self.session.accountview

        def ask(key: str) -> Answer:
            if key.startswith(PRETENDED):
                return Answer("found")
            try:
                rows = accountview.in_year(days[key], lambda day: accountview.details(kind.name, key, day))
            except Malformed as fault:
                return Answer("found", fault=fault)
            return MISSING if rows is None else Answer("found", rows=tuple(rows))

        return dict(zip(keys, self.at_once(ACCOUNTVIEW, ask, keys), strict=True))

    # --- lists: read, never linked

    def _look_up(self, wanted: LookUp, side: Side, keys: Sequence[str]) -> dict[str, Answer]:
        if wanted.name in self.session.without:
            return dict.fromkeys(keys, Answer("unasked"))
        if not wanted.whole:
            return self._by_key(wanted, keys)
        found = look_up(wanted, side, keys, self._whole(wanted))
        former = self._former(wanted) if wanted.remembered and side != wanted.side else ()
        return {
            key: Answer("former") if one is MISSING and wanted.alike(key) in former else one
            for key, one in found.items()
        }

    def listed(self, name: str) -> list[Any]:
        """All that a whole list says, of this run and of before."""
        wanted = LISTS[name]
        return [] if name in self.session.without else [self._whole(wanted), sorted(self._former(wanted))]

    def _former(self, wanted: LookUp) -> set[str]:
        return set(self.store.cached(f"former:{wanted.name}", "") or ())

    def _remember(self, wanted: LookUp, rows: Iterable[Row]) -> None:
        """The names that a list shows, so that one is known again when it has changed (behaviour 20)."""
        before = self._former(wanted)
        names = before | {wanted.alike(wanted.title(row) or "") for row in rows if _is_legible(wanted, row)} - {""}
        if names != before:
            with self.store.transaction():
                self.store.cache(f"former:{wanted.name}", sorted(names), self.session.started)

    def _whole(self, wanted: LookUp) -> list[Row]:
        if wanted.name not in self._lists:
            pages = (
                self.session.accountview.pages(wanted.name)
                if wanted.side == ACCOUNTVIEW
                else self.session.crafter.pages(wanted.name, include_deleted=wanted.buried)
            )
            self._lists[wanted.name] = [row for page in pages for row in page.rows]
            self._remember_names(wanted)
            if wanted.remembered:
                self._remember(wanted, self._lists[wanted.name])
        return self._lists[wanted.name]

    def _remember_names(self, wanted: LookUp) -> None:
        """For those who look at the list of problems later, when no service is asked."""
        names = {}
        for row in self._lists[wanted.name]:
            try:
                names[wanted.keys[wanted.side](row)] = wanted.title(row)
            except Malformed:
                continue
        name = f"names:{wanted.name}"
        if self.store.cached(name, "") != {key: title for key, title in names.items() if key}:
            with self.store.transaction():
                self.store.cache(name, {key: title for key, title in names.items() if key}, self.session.started)

    def _by_key(self, wanted: LookUp, keys: Sequence[str]) -> dict[str, Answer]:
        new = [key for key in keys if (wanted.name, key) not in self._rows]
        rows = self.at_once(ACCOUNTVIEW, lambda key: self.session.accountview.by_key(wanted.name, key), new)
        for key, row in zip(new, rows, strict=True):
            self._rows[wanted.name, key] = Answer("found", key) if row else MISSING
        return {key: self._rows[wanted.name, key] for key in keys}


def read_one(session: Session, kind: Kind, side: Side, row: Row | None, identity: str = "") -> Record | None:
    """The record of this kind that a row holds (of several the one with that id). Raises Malformed."""
    found = read_records(kind, side, row, session.policy) if row else []
    return next((one for one in found if identity in ("", one.id)), None)


def told_by(link: Link, side: Side) -> Record:
    """What a side told last stands for a version of it."""
    kind, told = KINDS[link.kind], link.told(side)
    fields = {one.name: told.get(one.name) for one in kind.fields}
    owner, name, day = told.get(kind.belongs_to) or "", kind.title(side, fields) or "", kind.booked_on({side: fields})
    return Record(link.kind, side, link.end[side].id, link.end[side].id, name, fields, owner=owner, day=day)


def _linked(link: Link) -> Answer:
    name = link.told(ACCOUNTVIEW).get("name") or ""
    number = link.accountview.partition(RETIRED)[0]
    return Answer("gone" if link.gone else "linked", number, link.crafter, name, link=link)


def _absent(side: Side, key: str, record: Record | None, state: str = "missing") -> Answer:
    """Not there, or not yet: what is known of it all the same."""
    number = key if side == ACCOUNTVIEW else record.key if record else ""
    return Answer(state, number, key if side == CRAFTER else "", record.name if record else "", here=record)


def look_up(wanted: LookUp, side: Side, keys: Sequence[str], rows: Sequence[Row]) -> dict[str, Answer]:
    """What these keys mean in a list; a row that cannot be read is not there."""
    legible = [row for row in rows if _is_legible(wanted, row)]
    return {key: _of_rows([row for row in legible if _is(wanted, side, row, key)], wanted) for key in keys}


def _of_rows(rows: Sequence[Row], wanted: LookUp) -> Answer:
    if len(rows) > 1 and wanted.unique:
        return Answer("several")
    if not rows:
        return MISSING
    row = rows[0]
    state = "buried" if row.get("deleted_at") else "found"
    return Answer(state, wanted.number(row) or "", text(row.get("id"), "id") or "", wanted.title(row) or "")


def _is(wanted: LookUp, side: Side, row: Row, key: str) -> bool:
    found = wanted.keys[side](row)
    return found is not None and wanted.alike(found) == wanted.alike(key)


def _is_legible(wanted: LookUp, row: Row) -> bool:
    try:
        return bool([read(row) for read in wanted.keys.values()] + [wanted.number(row), wanted.title(row)])
    except Malformed:
        return False
