"""Looks up what records refer to, so that planning itself can stay pure: links first, then the services.

What comes from a service is remembered for the run; what comes from the links is asked each time, because links grow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from avsync.records import customers, projects
from avsync.records.kind import Need, Parent, Policy
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Malformed, Record, Side, code, required, squeeze, text
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.store import Store

_FLOWS = {"project": "projects", "order": "orders"}
_PREFIX = "absent:"

T = TypeVar("T")


class Absences:
    """What was looked up and not found at or after `since`; `now` is the moment of this run (both UTC, as text)."""

    def __init__(self, store: Store, policy: Policy, since: str, now: str) -> None:
        self.store, self.since, self.now = store, since, now
        self.listed = {kind for kind, flow in _FLOWS.items() if policy.flows[flow] != "off"}

    def known(self, kind: str, side: Side, keys: Iterable[str]) -> set[str]:
        """Which of these records are known not to be there."""
        if kind not in self.listed:
            return set()
        names = {_absent(kind, side, key): key for key in keys}
        return {names[name] for name in self.store.cached_keys(list(names), self.since)}

    def note(self, kind: str, side: Side, keys: Collection[str]) -> None:
        """These were looked up and are not there."""
        if kind in self.listed and keys:
            with self.store.transaction():
                for key in keys:
                    self.store.cache(_absent(kind, side, key), True, self.now)

    def ask(self, kind: str, side: Side, key: str, read: Callable[[], T | None]) -> T | None:
        """What `read` finds, unless it is known that it finds nothing."""
        if self.known(kind, side, [key]):
            return None
        found = read()
        if found is None:
            self.note(kind, side, [key])
        return found


def forget(store: Store, kind: str, side: Side, key: str) -> None:
    """The record is there: a listing shows it, or we made it."""
    if kind in _FLOWS:
        store.uncache(_absent(kind, side, key))


def forget_old(store: Store, before: str) -> None:
    """What was not asked again is no longer asked for."""
    store.uncache_old(_PREFIX, before)


def _absent(kind: str, side: Side, key: str) -> str:
    return f"{_PREFIX}{kind}:{side}:{key}"


def read_user(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A user, or a work type, which has no more than an id and a name; None when it cannot be read."""
    try:
        identity, name = required(row.get("id"), "id"), text(row.get("name"), "name")
        number = code(row.get("unique_code"), "unique_code")
    except Malformed:
        return None
    return {"id": identity, "name": name or "", "code": number or "", "active": row.get("active") is not False}


def read_number(row: Mapping[str, Any]) -> str | None:
    """The number of an employee."""
    try:
        return code(row.get("number"), "number")
    except Malformed:
        return None


_MISSING = Parent("missing")
_LINKED = ("customer", "project", "project_type")


class Lookups:
    """Answers needs. `lists` are AccountView's that the schema gate found, so that asking them makes sense."""

    def __init__(
        self, store: Store, accountview: AccountView, crafter: Crafter, policy: Policy, absences: Absences
    ) -> None:
        self.store, self.accountview, self.crafter, self.policy = store, accountview, crafter, policy
        self.absences = absences
        self.lists: frozenset[str] = frozenset()
        self.width = 2
        self._users: list[dict[str, Any]] | None = None
        self._work_types: dict[str, str] | None = None
        self._employees: set[str] | None = None
        self._remembered: dict[Need, Parent] = {}
        self._orders: dict[str, Parent] = {}
        self._articles: dict[str, bool] = {}
        on = policy.flows["customers"] != "off"
        self._changing = {"main_location", "order_project", *(["customer"] if on else [])}  # told by our own state
        self._ask: dict[str, Callable[[Side, str], Parent]] = {
            "user": self._user,
            "work_type": self._work_type,
            "order_project": self._order_project,
            "main_location": self._main_location,
            "customer": self._customer,
            "project": self._project,
            "project_type": self._project_type,
        }

    def answer(self, needs: Iterable[Need]) -> dict[Need, Parent]:
        """A parent for every need."""
        answers: dict[Need, Parent] = {}
        groups: dict[tuple[str, Side], set[str]] = defaultdict(set)
        for kind, side, key in needs:
            groups[kind, side].add(key)
        for (kind, side), keys in groups.items():
            linked = self._linked(kind, side, sorted(keys)) if kind in _LINKED else {}
            if kind == "main_location":
                linked = self._main_locations(sorted(keys))
            for key in keys:
                parent = linked.get(key)
                answers[kind, side, key] = parent if parent else self._other(kind, side, key)
        behind = {_behind(parent) for (kind, _, _), parent in answers.items() if kind == "order_project"} - {None}
        new = [need for need in behind if need and need not in answers]
        return answers | self.answer(new) if new else answers

    def _linked(self, kind: str, side: Side, keys: Sequence[str]) -> dict[str, Parent]:
        links = self.store.links.by_side(kind, side, keys)
        return {
            key: Parent("gone" if link.gone else "linked", link.accountview, link.crafter, _name(link.accountview_base))
            for key, link in links.items()
            if link.crafter or link.gone
        }

    def _other(self, kind: str, side: Side, key: str) -> Parent:
        need = (kind, side, key)
        if need in self._remembered:
            return self._remembered[need]
        try:
            parent = self._ask[kind](side, key)
        except Malformed:  # nobody can be asked for such a key, or what is there cannot be read
            return Parent("missing", key if side == ACCOUNTVIEW else "")
        if parent.state in ("found", "missing") and kind not in self._changing:
            self._remembered[need] = parent
        return parent

    def _waiting(self, kind: str, side: Side, key: str) -> Record | None:
        entry = self.store.inbox.get(kind, side, [key]).get(key)
        return entry.record if entry else None

    # customers

    def _customer(self, side: Side, key: str) -> Parent:
        """Not linked: with the flow on it is still to come; without it, both sides are asked by number."""
        if self.policy.flows["customers"] != "off":
            return self._customer_to_come(side, key)
        if side == ACCOUNTVIEW:
            rows = self.crafter.find("customer", {"customer_number": key})
            return _only(rows, key)
        row = self.crafter.get("customer", key)
        number = code(row.get("customer_number"), "customer_number") if row else None
        known = self.accountview.by_key("customer", number) if number else None
        name = text(row.get("name"), "name") or "" if row else ""
        return Parent("found", number or "", key, name) if known else Parent("missing", number or "", key, name)

    def _customer_to_come(self, side: Side, key: str) -> Parent:
        record = self._waiting("customer", side, key)
        if record is None:
            return Parent("missing", key if side == ACCOUNTVIEW else "")
        return Parent("missing", record.key, name=record.name)

    def _main_locations(self, keys: Sequence[str]) -> dict[str, Parent]:
        """The listing of locations has just been read, so most stand in the inbox; the others are asked for."""
        found = {key: place for key in keys if (place := self._main_in_inbox(key))}
        rest = [key for key in keys if key not in found]
        places = self.at_once(lambda key: self._main_location(CRAFTER, key), rest)
        return found | dict(zip(rest, places, strict=True))

    def _main_in_inbox(self, key: str) -> Parent | None:
        places = [entry.record for entry in self.store.inbox.by("parent", "location", CRAFTER, key)]
        main = next((place for place in places if place.fields["main"] == "true"), None)
        return Parent("found", crafter=main.id, extra=main.fields) if main else None

    def _main_location(self, side: Side, key: str) -> Parent:
        """The main location of a Crafter customer, as the row tells it."""
        for row in self.crafter.find("location", {"customer_id": key}):
            try:
                place = customers.read_crafter_location(row, self.policy)[0]
            except Malformed:
                continue
            if place.fields["main"] == "true":
                return Parent("found", crafter=place.id, extra=place.fields)
        return _MISSING

    # projects

    def _project(self, side: Side, key: str) -> Parent:
        return self._project_in_crafter(key) if side == ACCOUNTVIEW else self._project_in_accountview(key)

    def _project_in_crafter(self, key: str) -> Parent:
        """For an order that AccountView made: is the project still to come, or will it never be there?"""
        if self.policy.imports("projects"):
            record = self._waiting("project", ACCOUNTVIEW, key) or self._read_project(key)
            state = "coming" if record is not None and record.extra.get("open") else "missing"
            return Parent(state, key, name=record.name if record else "")
        rows = self.crafter.find("project", {"project_code": key})
        return _only(rows, key)

    def _read_project(self, key: str) -> Record | None:
        row = self.absences.ask("project", ACCOUNTVIEW, key, lambda: self.accountview.by_key("project", key))
        try:
            return projects.read_accountview_project(row, self.policy)[0] if row else None
        except Malformed:
            return None

    def _project_in_accountview(self, key: str) -> Parent:
        """A Crafter project without a link is looked up by code, open or closed, and linked (behaviour 19)."""
        record = self._waiting("project", CRAFTER, key) or self._crafter_project(key)
        if record is None:
            return _MISSING
        if self.policy.exports("projects"):
            return Parent("coming", record.key, key, record.name)
        there = self._read_project(record.key)
        if there is None:
            return Parent("missing", record.key, key, record.name)
        self._link(there, record)
        return Parent("found", there.id, key, record.name)

    def _crafter_project(self, key: str) -> Record | None:
        row = self.absences.ask("project", CRAFTER, key, lambda: self.crafter.get("project", key))
        try:
            return projects.read_crafter_project(row, self.policy)[0] if row else None
        except Malformed:
            return None

    def _link(self, there: Record, here: Record) -> None:
        taken = self.store.links.by_side("project", ACCOUNTVIEW, [there.id])
        if self.policy.flows["projects"] == "off" or taken:
            return
        with self.store.transaction():
            self.store.links.add("project", there.id, here.id, (None, here.fields), ACCOUNTVIEW)
            self.store.inbox.put(there, "plan")
            self.store.inbox.remove("project", CRAFTER, here.id)

    def _project_type(self, side: Side, key: str) -> Parent:
        """A type without a link: on import AccountView does not list it either, on export Crafter tells its code."""
        if side == ACCOUNTVIEW:
            return _MISSING
        row = self.crafter.get("project_type", key)
        found = code(row.get("code"), "code") if row else None
        return Parent("found", found, key) if found else _MISSING

    # look-ups: read, never linked

    def _user(self, side: Side, key: str) -> Parent:
        if side == CRAFTER:
            return self._user_of_line(key)
        matching = [one for one in self._all_users() if one["active"] and one["code"] == key]
        if len(matching) > 1:
            return Parent("several", key)
        return Parent("found", key, matching[0]["id"], matching[0]["name"]) if matching else Parent("missing", key)

    def _user_of_line(self, key: str) -> Parent:
        """Also a user who has left: his hours were worked."""
        user = next((one for one in self._all_users() if one["id"] == key), None)
        if user is None:
            return _MISSING
        extra = {"employee": "missing"} if "employee" in self.lists and not self._employee(user["code"]) else {}
        return Parent("found", user["code"], key, user["name"], extra)

    def _employee(self, number: str) -> bool:
        if self._employees is None:
            rows = [row for page in self.accountview.pages("employee") for row in page.rows]
            self._employees = {key for row in rows if (key := read_number(row))}
        return not number or number in self._employees

    def _by_key(self, kind: str, key: str) -> dict[str, Any] | None:
        """A key that AccountView cannot be asked for is not there."""
        try:
            return self.accountview.by_key(kind, key)
        except Malformed:
            return None

    def _all_users(self) -> list[dict[str, Any]]:
        if self._users is None:
            rows = [row for page in self.crafter.pages("user", include_deleted=False) for row in page.rows]
            self._users = [user for user in map(read_user, rows) if user]
        return self._users

    def _work_type(self, side: Side, key: str) -> Parent:
        """By name, ignoring case and spacing (behaviour 18); AccountView's side is COMMENT2's text."""
        if self._work_types is None:
            rows = [row for page in self.crafter.pages("work_type", include_deleted=False) for row in page.rows]
            self._work_types = {one["id"]: one["name"] for one in map(read_user, rows) if one}
        if side == CRAFTER:
            name = self._work_types.get(key, "")
            return Parent("found", name, key, name) if name else _MISSING
        for identity, name in self._work_types.items():
            if squeeze(name) == squeeze(key):
                return Parent("found", key, identity, name)
        return _MISSING

    def _order_project(self, side: Side, key: str) -> Parent:
        """The Crafter project of a work order, for its hours (behaviour 24): of its newest version, in step or not."""
        record = self._waiting("order", CRAFTER, key)
        if record is not None:
            return Parent("found", extra={"project": record.fields["project"]})
        link = self.store.links.by_side("order", CRAFTER, [key]).get(key)
        if link is not None and link.crafter_base is not None and "project" in link.crafter_base:
            return Parent("found", extra={"project": link.crafter_base["project"]})
        if key not in self._orders:
            row = self.absences.ask("order", CRAFTER, key, lambda: self.crafter.get("order", key))
            project = text(row.get("project_id"), "project_id") if row else None
            self._orders[key] = Parent("found", extra={"project": project}) if row else _MISSING
        return self._orders[key]

    def articles(self, numbers: Iterable[str]) -> set[str]:
        """Which of these articles AccountView knows."""
        wanted = sorted(set(numbers))
        new = [number for number in wanted if number not in self._articles]
        found = self.at_once(lambda number: self._by_key("article", number), new)
        self._articles.update((number, row is not None) for number, row in zip(new, found, strict=True))
        return {number for number in wanted if self._articles[number]}

    def at_once(self, ask: Callable[[str], T], keys: Sequence[str]) -> list[T]:
        """Ask a service for several things, as many at a time as AccountView may be asked."""
        if len(keys) < 2:
            return [ask(key) for key in keys]
        with ThreadPoolExecutor(self.width) as pool:
            return list(pool.map(ask, keys))


def _only(rows: Sequence[Mapping[str, Any]], key: str) -> Parent:
    """The one record under a number; two are as good as none."""
    identity = text(rows[0].get("id"), "id") if len(rows) == 1 else None
    return Parent("found", key, identity) if identity else Parent("missing", key)


def _behind(order: Parent) -> Need | None:
    """A line on a work order may need the project that stands on it."""
    project = order.extra.get("project")
    return ("project", CRAFTER, str(project)) if project else None


def _name(base: Mapping[str, Any] | None) -> str:
    return str((base or {}).get("name") or "")
