"""Crafter's data in memory, with the server's own rules (Crafter contract, resources) and what a person does by hand.

`create`, `update`, `page` and `get` are the API and check everything. `add`, `edit` and `remove` are a
person's hands and may put in what the API would refuse (odd values, unknown statuses): real data has that too.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from avsync.sandbox.crafter_fields import RESOURCES, RefusedError, Resource, mistakes
from avsync.sandbox.crafter_table import Record, Table
from avsync.sandbox.crafter_ugly import Ugly

MICROSECOND = timedelta(microseconds=1)
OWN_FIELDS = ("id", "created_at", "updated_at")


def moment(at: datetime) -> str:
    """A moment as Crafter writes it; all have one width, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _copy(record: Record) -> Record:
    lines = {"lines": [dict(line) for line in record["lines"]]} if "lines" in record else {}
    return {**record, **lines}


class CrafterStore:
    """All resources of one account, under one lock. A stored record is never changed in place."""

    def __init__(
        self,
        api_key: str = "crafter-demo-key",
        account_name: str = "Installatiebedrijf De Kraan",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ugly: Ugly | None = None,
    ) -> None:
        self.api_key = api_key
        self.account_name = account_name
        self.features = set(RESOURCES)  # take a name out: 403
        self.ugly = ugly or Ugly()
        self.lock = threading.RLock()
        self._clock = now
        self._last = datetime(2000, 1, 1, tzinfo=UTC)
        self._tables = {name: Table(resource) for name, resource in RESOURCES.items()}
        self._replies: dict[tuple[str, str], tuple[int, Record]] = {}
        self._history: dict[str, list[Record]] = {}
        self._made = 0
        self.aged: dict[str, timedelta] = {}  # per resource, how old a record is already when it is added by hand

    # the server's clock and ids

    def server_time(self) -> datetime:
        """The server's idea of now, for the Date header."""
        return self._clock() + self.ugly.clock_shift

    def _stamp(self) -> str:
        now = self.server_time()
        if self.ugly.tick:
            start = datetime(2000, 1, 1, tzinfo=UTC)
            now = max(now - (now - start) % self.ugly.tick, self._last)
        else:
            now = max(now, self._last + MICROSECOND)
        self._last = now
        return moment(now)

    def _new_id(self, resource: str) -> str:
        self._made += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}/{self._made}"))

    # the API

    def page(
        self,
        resource: str,
        *,
        limit: int = 200,
        since: str = "",
        after: tuple[str, str] | None = None,
        filters: Mapping[str, str] | None = None,
        include_deleted: bool = False,
    ) -> tuple[list[Record], tuple[str, str] | None]:
        """One page and where the next one starts, None on the last. `since` in Crafter's own form."""
        with self.lock:
            table = self._tables[resource]
            repeat = [table.records[after[1]]] if self.ugly.repeat_across_pages and after and limit > 1 else []
            start = (since, "") if after is None else (after[0], after[1] + "\0")
            rows = table.slice(start, limit + 1 - len(repeat), filters or {}, include_deleted)
            more = len(rows) > limit - len(repeat)
            rows = rows[: limit - len(repeat)]
            if more and after is None and self.ugly.move_while_paging:
                self._save(resource, dict(rows[0]))
            place = (rows[-1]["updated_at"], rows[-1]["id"]) if more else None
            return repeat + rows, place

    def get(self, resource: str, record_id: str) -> Record | None:
        """The stored record (do not change it), None when it does not exist or was deleted."""
        with self.lock:
            record = self._tables[resource].records.get(record_id)
            return None if record is None or record["deleted_at"] else record

    def create(self, resource: str, body: Mapping[str, Any], key: str = "") -> tuple[int, Record]:
        """HTTP status and record, or RefusedError. A used Idempotency-Key gets its first answer again."""
        with self.lock:
            known = self._replies.get((resource, key))
            if key and known and not self.ugly.ignore_idempotency:
                return known
            self._check(resource, body, None)
            reply = (
                self._post_entry(body)
                if resource == "timeline"
                else (201, self._create(resource, self._kept(resource, body)))
            )
            if key:
                self._replies[resource, key] = reply
            return reply

    def update(self, resource: str, record_id: str, body: Mapping[str, Any]) -> Record:
        """The record after a partial change. RefusedError when it is not there or the body is wrong."""
        with self.lock:
            record = self.get(resource, record_id)
            if record is None:
                raise RefusedError(404, "not_found", "there is no such record")
            self._check(resource, body, record)
            touched = {name: value for (of, name), value in self.ugly.touches.items() if of == resource}
            fixed = {name: record[name] for name in body if name in self.ugly.fixed_fields}
            self._save(resource, {**record, **touched, **self._kept(resource, body), **fixed})
            self._settle_main(resource, record_id, record)
            return self._tables[resource].records[record_id]

    def _kept(self, resource: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if (resource, name) not in self.ugly.drops}

    def _check(self, resource: str, body: Mapping[str, Any], record: Record | None) -> None:
        known = RESOURCES[resource]
        wrong = mistakes(known, body, lambda name, found: self.get(name, found) is not None, record is None)
        if record is not None and record.get("is_main") and body.get("is_main") is False:
            wrong.append(("is_main", "a customer has exactly one main location; make another one main"))
        if wrong:
            raise RefusedError(422, "invalid", "the data was not accepted", wrong)
        self._check_natural(known, body, record)

    def _check_natural(self, resource: Resource, body: Mapping[str, Any], record: Record | None) -> None:
        value = body.get(resource.natural)
        if value in (None, ""):
            return
        own = record["id"] if record else None
        for found in self._tables[resource.name].having(resource.natural, value):
            if found["id"] != own and not found["deleted_at"]:
                raise RefusedError(
                    409,
                    "exists",
                    f"{resource.natural} {value} is in use",
                    [(resource.natural, "is in use")],
                    found["id"],
                )

    def _create(self, resource: str, body: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> Record:
        record = {field.name: field.default for field in RESOURCES[resource].fields} | dict(body)
        record["id"] = (own or {}).get("id") or self._new_id(resource)
        if resource == "work-orders":
            record["number"] = record["number"] or f"WB{len(self._tables[resource].records) + 1:05d}"
            record["lines"] = self._lines(record["lines"] or [])
        self._save(resource, record, own)
        self._settle_main(resource, record["id"], None)
        return self._tables[resource].records[record["id"]]

    def _save(self, resource: str, record: Record, own: Mapping[str, Any] | None = None) -> None:
        given = own or {}
        at = given.get("updated_at") or given.get("created_at") or self._stamp()
        record["created_at"] = given.get("created_at") or record.get("created_at") or at
        record["updated_at"] = at
        record.setdefault("deleted_at", None)
        self._tables[resource].put(record)

    def _settle_main(self, resource: str, record_id: str, before: Record | None) -> None:
        """One main location per customer: the one just made main wins, else the oldest is promoted."""
        if resource != "work-locations":
            return
        now = self._tables[resource].records[record_id]
        for customer in {now["customer_id"], before["customer_id"] if before else now["customer_id"]}:
            places = [
                place for place in self._tables[resource].having("customer_id", customer) if not place["deleted_at"]
            ]
            if not places:
                continue
            places.sort(
                key=lambda place: (
                    not place["is_main"],
                    place["id"] != record_id,
                    place["created_at"],
                    place["id"],
                )
            )
            for place in places:
                if place["is_main"] is not (place is places[0]):
                    self._save(resource, {**place, "is_main": place is places[0]})

    def _post_entry(self, body: Mapping[str, Any]) -> tuple[int, Record]:
        key = body.get("dedupe_key")
        known = next(iter(self._tables["timeline"].having("dedupe_key", key)), None) if key else None
        if known is None:
            status, record = 201, self._create("timeline", body)
        else:
            self._save("timeline", {**known, "resolved": False, **body})
            status, record = 200, self._tables["timeline"].records[known["id"]]
        said = {name: record[name] for name in ("updated_at", "kind", "message", "resolved")}
        self._history.setdefault(record["id"], []).append(said)
        return status, record

    # a person's hands

    def records(self, resource: str, deleted: bool = False) -> list[Record]:
        """Copies of all live records in the order of a listing; with `deleted` the tombstones as well."""
        with self.lock:
            rows = self._tables[resource].slice(("", ""), None, {}, deleted)
        return [_copy(row) for row in rows]

    def record(self, resource: str, record_id: str, deleted: bool = False) -> Record | None:
        """A copy of one record, None when it is not there (a deleted one only with `deleted`)."""
        with self.lock:
            record = self._tables[resource].records.get(record_id)
        return None if record is None or (record["deleted_at"] and not deleted) else _copy(record)

    def count(self, resource: str) -> int:
        """How many live records there are."""
        with self.lock:
            return self._tables[resource].live

    def add(self, resource: str, **fields: Any) -> str:
        """The id of a record made by hand; `id`, `created_at`, `updated_at` may be given; unchecked."""
        own = {name: fields.pop(name) for name in OWN_FIELDS if name in fields}
        self._known(resource, fields)
        with self.lock:
            if resource in self.aged and "created_at" not in own:
                made = moment(self.server_time() - self.aged[resource])
                own = {"updated_at": self._stamp(), **own, "created_at": made}
            return str(self._create(resource, copy.deepcopy(fields), own)["id"])

    def edit(self, resource: str, record_id: str, **fields: Any) -> None:
        """Change a record by hand; KeyError if it is not there. `lines` replaces all of an order's lines."""
        self._known(resource, fields)
        with self.lock:
            record = self.get(resource, record_id)
            if record is None:
                raise KeyError(record_id)
            if "lines" in fields:
                fields["lines"] = self._lines(fields["lines"])
            self._save(resource, {**record, **copy.deepcopy(fields)})
            self._settle_main(resource, record_id, record)

    def remove(self, resource: str, record_id: str) -> None:
        """Delete by hand: a tombstone stays; a customer takes its locations and contacts along."""
        with self.lock:
            record = self.get(resource, record_id)
            if record is None:
                raise KeyError(record_id)
            if resource == "customers":
                for part in ("work-locations", "contacts"):
                    self._bury(part, self._tables[part].having("customer_id", record_id))
            self._bury(resource, [record])
            self._settle_main(resource, record_id, record)

    def restore(self, resource: str, record_id: str) -> None:
        """Take a deletion back by hand; what was deleted along stays deleted. KeyError when it was never there."""
        with self.lock:
            record = self._tables[resource].records[record_id]
            self._save(resource, {**record, "deleted_at": None})

    def _bury(self, resource: str, records: Iterable[Record]) -> None:
        for record in list(records):
            if not record["deleted_at"]:
                at = self._stamp()
                self._save(resource, {**record, "deleted_at": at}, {"updated_at": at})

    def _known(self, resource: str, fields: Mapping[str, Any]) -> None:
        unknown = [name for name in fields if RESOURCES[resource].field(name) is None]
        if unknown:
            raise ValueError(f"{resource} has no {', '.join(unknown)}")

    def _lines(self, lines: Iterable[Mapping[str, Any]]) -> list[Record]:
        blank = {"article_number": None, "description": "", "quantity": "1", "checked": False}
        return [{"id": self._new_id("lines"), **blank, **line} for line in lines]

    @property
    def timeline(self) -> list[Record]:
        """Copies of all entries, each with `history`: every message it was given, the oldest first."""
        with self.lock:
            return [
                {**entry, "history": list(self._history.get(entry["id"], ()))} for entry in self.records("timeline")
            ]
