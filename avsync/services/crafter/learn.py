"""What this Crafter calls things, where it shows it: the functions in `/me`, an OpenAPI document, a first record.

Names are compared by what they say (`klantId` and `customer_id` say the same), and a field is only taken where its
values fit. What shows nowhere is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from avsync.errors import TryLater
from avsync.services.crafter.client import Crafter, Resource
from avsync.services.http import Answer
from avsync.services.labels import closest

SURE = 0.9  # below this a person confirms it
_WORTH = 0.6  # below this nothing is offered
_SAMPLE = "20"
_DOCUMENTS = ("/openapi.json", "/swagger.json", "/docs/openapi.json", "/openapi")
_NOT_ASKED = ("timeline", "me")  # no listing of their own
_USUAL = ("created_at", "updated_at", "deleted_at")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Names = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """One name: `path` as under `crafter.schema.<kind>`, and how sure it is."""

    kind: str
    path: tuple[str, ...]
    name: str
    score: float


@dataclass(slots=True)
class Learnt:
    """What was learnt. `left`: (kind, path) that a person must answer; `unseen`: kinds of which no record shows yet."""

    names: list[Named] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@cache
def _table() -> Mapping[str, Any]:
    return dict(yaml.safe_load(Path(__file__).with_name("names.yaml").read_text(encoding="utf-8")))


def _phrases(kind: str, name: str) -> tuple[str, ...]:
    """What may be said for a path, or for a neutral field (`lines.x` is one of a line)."""
    parts = _table()[kind]
    if name == "path":
        return tuple(parts["path"])
    return (name.rpartition(".")[2], *parts.get("fields", {}).get(name, ()))


def learn(client: Crafter, kinds: Collection[str]) -> Learnt:
    """What these kinds are called here. Errors as of any read, and LoginNeeded for a key that is refused."""
    return _Learning(client).all(kinds)


class _Learning:
    def __init__(self, client: Crafter) -> None:
        self.client, self.found = client, Learnt()
        self._document: Mapping[str, Any] | None = None

    def all(self, kinds: Collection[str]) -> Learnt:
        answers = {kind: self._ask(self.client.schema[kind].path) for kind in kinds if kind not in _NOT_ASKED}
        offered = self._offered() if any(not _there(one) for one in answers.values()) or "timeline" in kinds else []
        taken = {self.client.schema[kind].path.strip("/") for kind, answer in answers.items() if _there(answer)}
        for kind in [kind for kind, answer in answers.items() if not _there(answer)]:
            path, score = self._path(kind, [name for name in offered if name not in taken])
            if path:
                taken.add(path)
                self.found.names.append(Named(kind, ("path",), f"/{path}", score))
                answers[kind] = self._ask(f"/{path}")
            else:
                self.found.left.append((kind, "path"))
        if "timeline" in kinds and offered and self.client.schema["timeline"].path.strip("/") not in offered:
            for score, path in self._alike("timeline", [name for name in offered if name not in taken])[:1]:
                self.found.names.append(Named("timeline", ("path",), f"/{path}", score))
        for kind, answer in answers.items():
            if _there(answer):
                self._fields(self.client.schema[kind], _rows(answer))
        return self.found

    # --- asking

    def _ask(self, path: str) -> Answer:
        answer = self.client.ask(path, {"limit": _SAMPLE})
        if answer is None or answer.status == 429 or answer.status >= 500:
            detail = f"HTTP {answer.status}" if answer else "-"
            raise TryLater("service_unreachable", service=self.client.http.service, detail=detail)
        return answer

    def _offered(self) -> list[str]:
        """The names of all resources that Crafter tells of: in `/me`, and in a document if there is one."""
        resource, answer = self.client.schema["me"], self._ask(self.client.schema["me"].path)
        if answer.status == 404:
            path, score = self._path("me", self._documented())
            if not path:
                self.found.left.append(("me", "path"))
                return list(self._documented())
            self.found.names.append(Named("me", ("path",), f"/{path}", score))
            answer = self._ask(f"/{path}")
        data = answer.json() if answer.ok and answer.readable else None
        inner = data.get("data") if isinstance(data, dict) and isinstance(data.get("data"), dict) else data
        account = inner if isinstance(inner, dict) else {}
        self._pairs(resource, "", [account])
        learnt = {one.path[-1]: one.name for one in self.found.names if one.kind == "me"}
        features = account.get(learnt.get("features", resource.fields["features"]))
        told = [str(name).strip("/") for name in features] if isinstance(features, list) else []
        return list(dict.fromkeys([*told, *self._documented()]))

    def _documented(self) -> Iterator[str]:
        """Paths of an OpenAPI document that list something: those without a parameter."""
        for path in self.document().get("paths", {}):
            name = str(path).rstrip("/").rpartition("/")[2]
            if name and "{" not in str(path):
                yield name

    def document(self) -> Mapping[str, Any]:
        """The OpenAPI document, empty when there is none where such a thing usually is."""
        if self._document is None:
            self._document = {}
            for place in _DOCUMENTS:
                answer = self.client.ask(place)
                data = answer.json() if answer is not None and answer.ok and answer.readable else None
                if isinstance(data, dict) and isinstance(data.get("paths"), dict):
                    self._document = data
                    break
        return self._document

    # --- matching

    def _path(self, kind: str, offered: Iterable[str]) -> tuple[str, float]:
        """The resource that is meant, among those that Crafter names; where it names none, among those tried."""
        names = list(offered) or [phrase.replace(" ", "-") for phrase in _phrases(kind, "path")]
        for score, name in self._alike(kind, names):
            answer = self._ask(f"/{name}")
            if _there(answer) or (kind == "me" and answer.ok):
                return name, score
        return "", 0.0

    def _alike(self, kind: str, names: Iterable[str]) -> list[tuple[float, str]]:
        """Those of the names that may be meant, with how sure that is, the surest first."""
        scored = [(round(min(0.99, closest(name, _phrases(kind, "path"))), 2), name) for name in names]
        return sorted([one for one in scored if one[0] >= _WORTH], key=lambda one: -one[0])

    def _fields(self, resource: Resource, rows: Sequence[Mapping[str, Any]]) -> None:
        shown = [*rows, *self._example(resource)]
        if not shown:
            self.found.unseen.append(resource.kind)
            return
        self._pairs(resource, "", shown)
        learnt = {one.path[-1]: one.name for one in self.found.names if one.kind == resource.kind}
        lines = learnt.get("lines") or resource.fields.get("lines")
        inner = [line for row in shown for line in (row.get(lines or "") or ()) if isinstance(line, dict)]
        if lines and inner:
            self._pairs(resource, "lines.", inner)

    def _pairs(self, resource: Resource, prefix: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Each field that does not show, with a name that nothing else needs; the surest first."""
        own = {neutral: wire for neutral, wire in resource.fields.items()
               if neutral.startswith(prefix) and ("." in neutral) == bool(prefix)}  # fmt: skip
        values = {name: [row[name] for row in rows if row.get(name) is not None] for row in rows for name in row}
        missing = [neutral for neutral, wire in own.items() if wire not in values]
        free = [name for name in values if name not in own.values()]
        types = _table()[resource.kind].get("types", {})
        scores = sorted(
            (
                (closest(name, _phrases(resource.kind, neutral)), neutral, name)
                for neutral in missing
                for name in free
                if _fits(types.get(neutral, "moment" if neutral in _USUAL else ""), values[name])
            ),
            key=lambda one: -one[0],
        )
        taken: dict[str, str] = {}
        for score, neutral, name in scores:
            if score >= _WORTH and neutral not in taken and name not in taken.values():
                taken[neutral] = name
                self.found.names.append(Named(resource.kind, ("fields", neutral), name, round(min(0.99, score), 2)))
        needed = [one for one in missing if one not in taken and (free or one in ("id", f"{prefix}id"))]
        self.found.left += [
            (resource.kind, f"fields.{one}") for one in needed if one in _NEEDED or one == f"{prefix}id"
        ]

    def _example(self, resource: Resource) -> list[Mapping[str, Any]]:
        """A record as the document describes it: its fields, without a value."""
        paths = {one.kind: one.name for one in self.found.names if one.path == ("path",)}
        wanted = paths.get(resource.kind, resource.path).strip("/")
        for path, methods in self.document().get("paths", {}).items():
            if str(path).rstrip("/").rpartition("/")[2] == wanted and isinstance(methods, dict):
                found = dict(_properties(self.document(), methods, 0))
                return [found] if found else []
        return []


_NEEDED = ("id", "updated_at", "name", "customer_id", "status", "date", "hours", "user_id", "kind", "lines")


def _there(answer: Answer) -> bool:
    """Whether a listing is there: also one that is switched off for the account."""
    if answer.status == 403:
        return True
    data = answer.json() if answer.ok and answer.readable else None
    return isinstance(data, dict) and isinstance(data.get("data"), list)


def _rows(answer: Answer) -> list[Mapping[str, Any]]:
    data = answer.json() if answer.ok and answer.readable else None
    rows = data.get("data") if isinstance(data, dict) else None
    return [row for row in rows or () if isinstance(row, dict)]


def _fits(sort: str, values: Sequence[Any]) -> bool:
    """Whether these values can be of that type; nothing speaks against a field that is always empty."""
    if sort == "bool":
        return all(isinstance(value, bool) for value in values)
    if sort == "list":
        return all(isinstance(value, list) for value in values)
    if sort in ("date", "moment"):
        return all(isinstance(value, str) and _DAY.match(value) for value in values)
    return not any(isinstance(value, (bool, list, dict)) for value in values)


def _properties(document: Mapping[str, Any], part: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """The properties of every object that a part of the document speaks of, references followed."""
    if depth > 12:
        return
    if isinstance(part, list):
        for one in part:
            yield from _properties(document, one, depth + 1)
    if not isinstance(part, dict):
        return
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        yield from _properties(document, _resolved(document, reference), depth + 1)
    properties = part.get("properties")
    if isinstance(properties, dict):
        for name, one in properties.items():
            inner = dict(_properties(document, one, depth + 1)) if isinstance(one, dict) else {}
            is_list = isinstance(one, dict) and one.get("type") == "array"
            if name in ("data", "items") and inner:
                yield from inner.items()
            else:
                yield str(name), [inner] if is_list and inner else None
        return
    for key, one in part.items():
        if key not in ("$ref", "parameters"):
            yield from _properties(document, one, depth + 1)


def _resolved(document: Mapping[str, Any], reference: str) -> Any:
    found: Any = document
    for name in reference[2:].split("/"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
