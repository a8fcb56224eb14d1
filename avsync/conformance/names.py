"""What this server calls things: paths that are not there, fields under another name, and the config that mends it.

A candidate must be where the thing was looked for: among the names that `/me` tells, among the fields of a record, with
a value that fits. Nothing is ever guessed into the config without saying how sure it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import yaml

from avsync.conformance.contract import Field, Resource, resources, words
from avsync.conformance.kit import Kit

SAMPLE = 50  # records
SURE, LEAST = 0.9, 0.6


def learn(kit: Kit) -> None:
    """Find every resource, take a sample of each, and learn the names of its fields."""
    missing = [kind for kind in resources() if kind != "timeline" and not _sampled(kit, kind)]
    taken = {kit.api.names.path(kind) for kind in resources() if kind not in missing}
    for kind in missing:
        path = _other_path(kit, resources()[kind], taken)
        if path:
            kit.api.names.paths[kind] = path
            taken.add(path)
            _sampled(kit, kind)
        else:
            kit.broken.add(kind)
            kit.judge(kind, f"/{resources()[kind].path} is there", "HTTP 404, and no other name of it is known")
    _timeline(kit, taken)
    for kind in resources():
        _learn_fields(kit, resources()[kind])


def _sampled(kit: Kit, kind: str) -> bool:
    """Take a sample; False when there is no such path."""
    reply = kit.api.list(kind, limit=str(SAMPLE))
    if reply.status == 404:
        return False
    if reply.status == 403:
        kit.off.add(kind)
        return True
    right = reply.status == 200 and isinstance(reply.data, dict) and isinstance(reply.data.get("data"), list)
    if not right:
        kit.broken.add(kind)
        kit.judge(
            kind, f"GET /{kit.api.names.path(kind)} lists its records under data", _instead(reply.status, reply.data)
        )
    kit.samples[kind] = [row for row in reply.rows if isinstance(row, dict)]
    return True


def _instead(status: int, data: Any) -> str:
    if status != 200:
        return f"HTTP {status}"
    return f"a {type(data).__name__}" + (f" with {', '.join(map(str, data))[:80]}" if isinstance(data, dict) else "")


def _other_path(kit: Kit, resource: Resource, taken: Iterable[str]) -> str:
    """The path that is this resource under another name: known by its word, or by the fields of its records."""
    offered = [name for name in kit.features if name not in taken]
    candidates = sorted(offered or resource.also, key=lambda name: -_alike(name, (resource.path, *resource.also)))
    best, found = 0.0, ""
    for name in candidates:
        reply = kit.api.ask("GET", name, params={"limit": str(SAMPLE)})
        if reply.status == 403 and _alike(name, (resource.path, *resource.also)) == 1.0:
            return name
        if reply.status != 200 or not isinstance(reply.data, dict) or not isinstance(reply.data.get("data"), list):
            continue
        score = _alike(name, (resource.path, *resource.also))
        rows = [row for row in reply.rows if isinstance(row, dict)]
        if rows:
            own = [field for field in resource.fields if field not in ("id", "created_at", "updated_at", "deleted_at")]
            known = [field for field in own if any(_alike(key, (field, *words(field))) == 1.0 for key in rows[0])]
            score = (score + len(known) / len(own)) / 2 if score < 1 else 1.0
        if score > best:
            best, found = score, name
        if best == 1.0:
            break
    return found if best >= LEAST else ""


def _timeline(kit: Kit, taken: set[str]) -> None:
    """It is listed for one record only, so its name is believed where `/me` tells it."""
    resource = resources()["timeline"]
    if not kit.features or resource.path in kit.features:
        return
    left = [name for name in kit.features if name not in taken]
    alike = [name for name in left if _alike(name, (resource.path, *resource.also)) == 1.0]
    if alike:
        kit.api.names.paths["timeline"] = alike[0]
    else:
        kit.off.add("timeline")


def _learn_fields(kit: Kit, resource: Resource) -> None:
    rows = kit.samples.get(resource.kind, [])
    found = _pairs(resource.fields, rows)
    lines = [line for row in rows for name in ("lines", *(theirs for ours, theirs, _ in found if ours == "lines"))
             for line in row.get(name) or () if isinstance(line, dict)]  # fmt: skip
    found += [(f"lines.{ours}", theirs, score) for ours, theirs, score in _pairs(resource.lines or {}, lines)]
    names = kit.api.names.fields.setdefault(resource.kind, {})
    for ours, theirs, score in found:
        names[ours] = theirs
        if score < SURE:
            kit.unsure.add((resource.kind, ours))
    kit.samples[resource.kind] = [kit.api.names.row(resource.kind, row) for row in rows]


def _pairs(fields: Mapping[str, Field], rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float]]:
    """(our field, its field, how sure) for what is missing; each used once, the surest first."""
    seen: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, []).append(value)
    if not seen:
        return []
    missing = [one for name, one in fields.items() if name not in seen]
    spare = {name: values for name, values in seen.items() if name not in fields}
    scored = sorted(
        ((_fits(one, name, values), one.name, name) for one in missing for name, values in spare.items()),
        key=lambda scored: -scored[0],
    )
    found: dict[str, tuple[str, float]] = {}
    for score, ours, theirs in scored:
        if score >= LEAST and ours not in found and theirs not in {name for name, _ in found.values()}:
            found[ours] = (theirs, score)
    return [(ours, theirs, score) for ours, (theirs, score) in found.items()]


def _fits(one: Field, name: str, values: Sequence[Any]) -> float:
    """How sure it is that this is that field: by its word, and never when a value does not fit."""
    filled = [value for value in values if value is not None]
    if filled and sum(not one.mistake(value) for value in filled) < len(filled) / 2:
        return 0.0
    places = [one.name, *words(one.name)]
    score = _alike(name, places)
    if score < 1.0:
        return score
    plain = [_plain(word) for word in places]
    return 1.0 - 0.001 * plain.index(_plain(name))  # the first word that is meant goes before the last


def _alike(name: str, known: Iterable[str]) -> float:
    """1 for the same word in another spelling, less for one that only resembles it."""
    plain = _plain(name)
    return max(
        (1.0 if plain == _plain(one) else 0.8 * SequenceMatcher(None, plain, _plain(one)).ratio() for one in known),
        default=0.0,
    )


def _plain(name: str) -> str:
    """customerNumber, Customer-Number and customer_number are one word."""
    return re.sub(r"[\W_]+", "", name).casefold()


def overrides(kit: Kit) -> dict[str, Any]:
    """`crafter.schema` as avsync's config takes it; empty when nothing is called otherwise."""
    found: dict[str, Any] = {}
    for kind in resources():
        part: dict[str, Any] = {}
        if kind in kit.api.names.paths:
            part["path"] = f"/{kit.api.names.paths[kind]}"
        if kit.api.names.fields.get(kind):
            part["fields"] = dict(sorted(kit.api.names.fields[kind].items()))
        if part:
            found[kind] = part
    return found


def block(kit: Kit) -> Iterator[str]:
    """The lines to put into the config, with what somebody must confirm."""
    found = overrides(kit)
    if not found:
        return
    yield "crafter:"
    yield "  schema:"
    for kind, part in found.items():
        told = yaml.safe_dump(part, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000).strip()
        unsure = [name for one, name in sorted(kit.unsure) if one == kind]
        yield f"    {kind}: {told}" + (f"  # confirm: {', '.join(unsure)}" if unsure else "")
