"""`avsync check --learn`: what this installation calls everything, as a block for the config. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from avsync.commands import connect
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.messages.texts import phrase, word
from avsync.records.registry import accountview_needs, is_optional
from avsync.services.accountview import learn, metadata
from avsync.services.accountview.learn import SURE, Learnt, Line
from avsync.services.accountview.schema import TableSchema
from avsync.sync.schema import merged, spared
from avsync.sync.session import policy_of

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The block for `accountview.schema`, its lines, what a person must answer and what avsync does without."""

    block: Block
    lines: tuple[Line, ...]
    left: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 when the block answers everything, else 2."""
        return 2 if self.left else 0

    def as_json(self) -> dict[str, Any]:
        """The same for programs; `confirm` marks what a person should look at."""
        lines = [
            {"path": ".".join((line.kind, *line.path)), "name": line.name, "score": round(line.score, 2),
             "label": line.label, "confirm": line.score < SURE}
            for line in self.lines
        ]  # fmt: skip
        schema = {"accountview": {"schema": self.block}}
        return {"ok": not self.left, **schema, "lines": lines, "left": list(self.left), "without": list(self.without)}


def run(config: Config) -> Answered:
    """Read the dictionary and answer what the flows that are on need. Errors as of any read, or of the login."""
    flows = config.flows.model_dump()
    wanted = merged(accountview_needs(flow, flows) for flow in FLOWS)
    client = connect.company(config)
    found = learn.learn(metadata.load_dictionary(client, client.schema, wanted), client.schema, list(wanted))
    return _answered(config, found, _unused(config, client.schema))


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


def _answered(config: Config, found: Mapping[str, Learnt], unused: Collection[tuple[str, str]]) -> Answered:
    """What was found, beside what the config says already: its own answers stand."""
    lines = tuple(line for one in found.values() for line in one.lines if not line.expected)
    block: Block = {}
    for kind, parts in config.accountview.schema_.items():
        for path, name in _leaves(parts):
            _put(block, (kind, *path), name)
    for line in lines:
        _put(block, (line.kind, *line.path), line.name)
    missing = [(one, what) for one in found.values() for what in one.missing]
    can_do = [(one, what) for one, what in missing if what in one.spared or (one.kind, what) in unused]
    say = _speaker(config.language)
    return Answered(
        block,
        lines,
        tuple(
            say(one.kind, what) for one, what in missing if (one, what) not in can_do and not _module(one.kind, what)
        ),
        tuple(say(one.kind, what) for one, what in missing if (one, what) in can_do or _module(one.kind, what)),
    )


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
    scores = {(line.kind, *line.path): line for line in found.lines}
    if not found.block:
        return "accountview:\n  schema: {}"
    return "\n".join(["accountview:", "  schema:", *_rows(found.block, (), scores, language)])


def _rows(block: Block, path: tuple[str, ...], scores: Mapping[tuple[str, ...], Line], language: str) -> Iterator[str]:
    for key, value in block.items():
        here, indent = (*path, key), "  " * (len(path) + 2)
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _rows(value, here, scores, language)
        else:
            yield f"{indent}{key}: {_scalar(value)}{_remark(scores.get(here), language)}"


def _scalar(value: Any) -> str:
    """A name such as ON or 1E3 would be something else to YAML."""
    plain = str(value)
    return plain if isinstance(value, str) and yaml.safe_load(plain) == value else yaml.safe_dump(value).split("\n")[0]


def _remark(line: Line | None, language: str) -> str:
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
