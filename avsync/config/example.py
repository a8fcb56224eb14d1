"""The example config, as the package carries it, and the same file with other values: comments and order stay.

`example.yaml` beside this module is the project's config.example.yaml itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

Loc = tuple[str, ...]

_PLAIN = re.compile(r"[a-z]{2,}|https?://[\w.:/-]+|[~/][\w./@+-]*")


def text() -> str:
    """The example, in which every key is explained."""
    return Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")


def filled(source: str, values: Mapping[Loc, Any]) -> str:
    """A config's text with other values: path of keys → text, number, date, list or flat group.

    A key that is not there comes at the end when it is one of the file's own, else KeyError.
    """
    spans = {loc: (node.start_mark.index, _end(node)) for loc, node in _nodes(yaml.compose(source, yaml.SafeLoader))}
    for loc in sorted((loc for loc in values if loc in spans), key=lambda loc: spans[loc], reverse=True):
        source = _replaced(source, *spans[loc], written(values[loc]))
    for loc in (loc for loc in values if loc not in spans):
        (key,) = loc if len(loc) == 1 else _no_place(loc)
        source = f"{source.rstrip()}\n\n{key}: {written(values[loc])}\n"
    return source


def written(value: Any) -> str:
    """A value as it stands behind its key: words and addresses plain, codes between quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and _PLAIN.fullmatch(value) and (value == "off" or yaml.safe_load(value) == value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _no_place(loc: Loc) -> Loc:
    raise KeyError(".".join(loc))


def _nodes(node: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    if loc:
        yield loc, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(value, (*loc, str(key.value)))


def _end(node: Any) -> int:
    """Where it ends; a block ends where its last part does, before the comments that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _replaced(source: str, start: int, end: int, new: str) -> str:
    """A comment behind the value keeps its column where there is room."""
    lead = "" if start == 0 or source[start - 1] in " \n[{" else " "
    gap = re.match(r" +(?=#)", source[end:])
    if gap is None:
        return source[:start] + lead + new + source[end:]
    room = max(1, len(gap[0]) + (end - start) - len(lead + new))
    return source[:start] + lead + new + " " * room + source[end + len(gap[0]) :]
