"""`avsync check --learn`: what this installation calls everything, as a block for the config. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from avsync.commands import connect
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import AvsyncError
from avsync.messages.texts import phrase, text, word
from avsync.records.registry import accountview_needs, crafter_needs, is_optional
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.services.accountview import learn, metadata
from avsync.services.accountview.learn import SURE, Learnt
from avsync.services.accountview.schema import TableSchema
from avsync.services.crafter import learn as crafter_learn
from avsync.sync.schema import merged, spared
from avsync.sync.session import policy_of

Block = dict[str, Any]
SCHEMA: dict[str, tuple[str, str]] = {ACCOUNTVIEW: ("accountview", "schema"), CRAFTER: ("crafter", "schema")}


@dataclass(frozen=True, slots=True)
class Name:
    """One name that was learnt: its path in the config, the score and, in AccountView, its label."""

    path: tuple[str, ...]
    name: str
    score: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The block for the config, its names, what a person must answer and what avsync does without."""

    block: Block
    lines: tuple[Name, ...]
    left: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 when the block answers everything, else 2."""
        return 2 if self.left else 0

    def as_json(self) -> dict[str, Any]:
        """The same for programs; `confirm` marks what a person should look at."""
        lines = [
            {"path": ".".join(line.path), "name": line.name, "score": round(line.score, 2), "label": line.label,
             "confirm": line.score < SURE}
            for line in self.lines
        ]  # fmt: skip
        left, without = list(self.left), list(self.without)
        return {"ok": not self.left, **self.block, "lines": lines, "left": left, "without": without}


def run(config: Config) -> Answered:
    """Read the dictionary and answer what the flows that are on need. Errors as of any read, or of the login."""
    flows = dict(config.flows.values)
    wanted = merged(accountview_needs(flow, flows) for flow in FLOWS)
    client = connect.company(config)
    found = learn.learn(metadata.load_dictionary(client, client.schema, wanted), client.schema, list(wanted))
    ours = _accountview(config, found, _unused(config, client.schema))
    theirs = _crafter(config)
    block = {**ours.block, **theirs.block}
    return Answered(block, ours.lines + theirs.lines, ours.left + theirs.left, ours.without + theirs.without)


def _unused(config: Config, schema: Mapping[str, TableSchema]) -> set[tuple[str, str]]:
    """(kind, neutral column) that none of the flows that are on uses as it is configured."""
    policy = policy_of(config, "")
    on = [flow for flow in FLOWS if policy.flows[flow] != "off"]
    needing = {kind: [flow for flow in on if kind in accountview_needs(flow, policy.flows)] for kind in schema}
    unused = {flow: spared(flow, policy, schema) for flow in on}
    return {
        (kind, neutral)
        for kind, flows in needing.items()
        for neutral in schema[kind].columns
        if flows and all((kind, neutral) in unused[flow] for flow in flows)
    }


def _accountview(config: Config, found: Mapping[str, Learnt], unused: Collection[tuple[str, str]]) -> Answered:
    """What was found, beside what the config says already: its own answers stand."""
    lines = [
        Name((*SCHEMA[ACCOUNTVIEW], line.kind, *line.path), line.name, line.score, line.label)
        for one in found.values()
        for line in one.lines
        if not line.expected
    ]
    missing = [(one, what) for one in found.values() for what in one.missing]
    can_do = [(one, what) for one, what in missing if what in one.spared or (one.kind, what) in unused]
    can_do += [(one, what) for one, what in missing if _module(one.kind, what)]
    say = _speaker(config.language)
    return Answered(
        _block(ACCOUNTVIEW, config.accountview.schema_, lines),
        tuple(lines),
        tuple(say(one.kind, what) for one, what in missing if (one, what) not in can_do),
        tuple(say(one.kind, what) for one, what in missing if (one, what) in can_do),
    )


def _crafter(config: Config) -> Answered:
    """The same of Crafter, as far as it shows what it calls things. That it cannot be reached is left to a person."""
    language, flows = config.language, dict(config.flows.values)
    kinds = {kind for flow in FLOWS for kind in crafter_needs(flow, flows)}
    client = connect.crafter(config)
    try:
        found = crafter_learn.learn(client, [kind for kind in client.schema if kind in kinds | {"timeline"}])
    except AvsyncError as error:
        return Answered({}, (), (" ".join(text(error.code, language, error.params)),), ())
    lines = [Name((*SCHEMA[CRAFTER], one.kind, *one.path), one.name, one.score) for one in found.names]
    left = [f"crafter.schema.{kind}.{path}" for kind, path in found.left]
    unseen = [phrase("check", "learn_unseen", language, path=client.schema[kind].path) for kind in found.unseen]
    block = _block(CRAFTER, config.crafter.schema_, lines)
    return Answered(
        block if block[CRAFTER]["schema"] else {},
        tuple(lines),
        tuple(phrase("check", "learn_crafter", language, path=path) for path in left),
        tuple(unseen),
    )


def _block(side: str, given: Mapping[str, Any], lines: Iterable[Name]) -> Block:
    block: Block = {side: {"schema": {}}}
    for kind, parts in given.items():
        for path, name in _leaves(parts):
            _put(block, (*SCHEMA[side], kind, *path), name)
    for line in lines:
        _put(block, line.path, line.name)
    return block


def _module(kind: str, what: str) -> bool:
    return what == "object" and is_optional(kind)


def _speaker(language: str) -> Callable[[str, str], str]:
    def say(kind: str, what: str) -> str:
        key = "learn_object" if what == "object" else "learn_column"
        path = f"{kind}.{what}" if what.startswith("header.") else f"{kind}.columns.{what}"
        return phrase("check", key, language, kind=word(kind, language), path=path)

    return say


def _leaves(parts: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in parts.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _put(block: Block, path: Sequence[str], name: Any) -> None:
    for part in path[:-1]:
        block = block.setdefault(part, {})
    block[path[-1]] = name


# --- what is printed


def as_yaml(found: Answered, language: str) -> str:
    """The block as it is pasted into the config, with the score of each line that was learnt behind it."""
    return "\n".join(_rows(found.block, (), {line.path: line for line in found.lines}, language))


def _rows(block: Block, path: tuple[str, ...], names: Mapping[tuple[str, ...], Name], language: str) -> Iterator[str]:
    for key, value in block.items():
        here, indent = (*path, key), "  " * len(path)
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _rows(value, here, names, language)
        else:
            yield f"{indent}{key}: {_scalar(value) if value else '{}'}{_remark(names.get(here), language)}"


def _scalar(value: Any) -> str:
    """A name such as ON or 1E3 would be something else to YAML."""
    plain = str(value)
    return plain if isinstance(value, str) and yaml.safe_load(plain) == value else yaml.safe_dump(value).split("\n")[0]


def _remark(line: Name | None, language: str) -> str:
    if line is None:
        return ""
    said = f"  # {line.score:.2f}  {line.label}".rstrip()
    return said if line.score >= SURE else f"{said}  <- {phrase('check', 'learn_confirm', language)}"


def commentary(found: Answered, language: str) -> str:
    """What a person should know about the block; it goes to stderr."""
    doubtful = sum(line.score < SURE for line in found.lines)

    def say(key: str, **params: Any) -> str:
        return phrase("check", key, language, **params)

    told = [say("learn_none") if not found.lines else say("learn_found", count=len(found.lines), doubtful=doubtful)]
    if found.without:
        told += [say("learn_without"), *(f"- {one}" for one in found.without)]
    if found.left:
        told += [say("learn_left"), *(f"- {one}" for one in found.left)]
    return "\n".join(told)
