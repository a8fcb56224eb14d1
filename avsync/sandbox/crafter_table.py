"""One resource's records with an order index, so that a page out of 100,000 is as cheap as one out of ten."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from avsync.sandbox.crafter_fields import Resource

Record = dict[str, Any]
FEW = 1000  # up to this many matches are sorted by themselves; more are met along the order index


class Table:
    """Records by id, by (updated_at, id), and by the value of every field that may be filtered on."""

    def __init__(self, resource: Resource) -> None:
        indexed = {*resource.filters, resource.natural, "dedupe_key"}
        self.records: dict[str, Record] = {}
        self.live = 0
        self._order: list[tuple[str, str]] = []
        self._index: dict[str, dict[Any, dict[str, None]]] = {
            field.name: {} for field in resource.fields if field.name in indexed
        }

    def put(self, record: Record) -> None:
        """Store a record in place of the one with its id."""
        before = self.records.get(record["id"])
        if before is not None:
            del self._order[bisect_left(self._order, (before["updated_at"], before["id"]))]
            self.live -= not before["deleted_at"]
        self.records[record["id"]] = record
        self.live += not record["deleted_at"]
        insort(self._order, (record["updated_at"], record["id"]))
        self._reindex(record, before)

    def _reindex(self, record: Record, before: Record | None) -> None:
        for name, values in self._index.items():
            if before is not None:
                if before[name] == record[name]:
                    continue
                values[before[name]].pop(record["id"])
            values.setdefault(record[name], {})[record["id"]] = None

    def having(self, name: str, value: Any) -> list[Record]:
        """All records with exactly this value in an indexed field, deleted ones included."""
        return [self.records[found] for found in self._index[name].get(value, ())]

    def slice(
        self, start: tuple[str, str], count: int | None, filters: Mapping[str, str], include_deleted: bool
    ) -> list[Record]:
        """At most `count` records (None: all) from `start` on, in order."""
        wanted = (
            record
            for record in self._from(start, filters)
            if (include_deleted or not record["deleted_at"])
            and all(record[name] == value for name, value in filters.items())
        )
        return list(islice(wanted, count))

    def _from(self, start: tuple[str, str], filters: Mapping[str, str]) -> Iterator[Record]:
        matches = [self._index[name].get(value, {}) for name, value in filters.items()]
        fewest = min(matches, key=len, default=None)
        if fewest is not None and len(fewest) <= FEW:
            places = sorted((self.records[found]["updated_at"], found) for found in fewest)
            return (self.records[found] for at, found in places if (at, found) >= start)
        first = bisect_left(self._order, start)
        return (self.records[self._order[at][1]] for at in range(first, len(self._order)))
