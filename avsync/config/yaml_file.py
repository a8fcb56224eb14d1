"""YAML → plain values that still know how and where they were written.

YAML reads `0042` as a number and `off` as false. A config full of codes with leading zeros needs the text as
it was, so that the message can say what to put between quotes, and on which line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from avsync.errors import ConfigError

Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 20

Loc = tuple[str | int, ...]


@dataclass
class Source:
    """A parsed file: `data` holds plain values, `written` the text of each scalar, `lines` counts from 1.

    `mistakes` are (location, text key, parameters) found while reading, such as a key that is there twice.
    """

    data: Any = None
    written: dict[Loc, str] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    mistakes: list[tuple[Loc, str, dict[str, Any]]] = field(default_factory=list)


def read(path: Path) -> Source:
    """Read a config file; what keeps it from that is a ConfigError that names the file (and line)."""
    try:
        loader = Loader(_text(path))
        node = loader.get_single_node()
        if node is None:
            raise ConfigError("config_empty", path=str(path))
        source = Source()
        source.data = _value(loader, node, (), source)
        return source
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        detail = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "YAML"
        raise ConfigError("config_broken", path=str(path), line=mark.line + 1 if mark else "?", detail=detail) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("config_not_found", path=str(path)) from None
    except IsADirectoryError:
        raise ConfigError("config_is_directory", path=str(path)) from None
    except UnicodeDecodeError as exc:
        raise ConfigError("config_not_utf8", path=str(path), byte=exc.start) from None
    except OSError as exc:
        raise ConfigError("config_unreadable", path=str(path), detail=exc.strerror or str(exc)) from None


def _value(loader: Any, node: Any, loc: Loc, source: Source) -> Any:
    source.lines.setdefault(loc, node.start_mark.line + 1)
    if len(loc) > MAX_DEPTH:
        source.mistakes.append((loc[:3], "too_deep", {}))
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, loc, source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*loc, number), source) for number, item in enumerate(node.value)]
    source.written[loc] = node.value
    return _scalar(loader, node)


def _mapping(loader: Any, node: Any, loc: Loc, source: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            source.mistakes.append((loc, "odd_key", {}))
            continue
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in values:
            first = source.lines[(*loc, key)]
            source.mistakes.append(((*loc, key), "twice", {"first": first, "second": line}))
            continue
        source.lines[(*loc, key)] = line
        values[key] = _value(loader, value_node, (*loc, key), source)
    return values


def _scalar(loader: Any, node: Any) -> Any:
    """What YAML makes of it; a date that does not exist or an unknown tag stays the text that was written."""
    try:
        return loader.construct_object(node)
    except (ValueError, yaml.constructor.ConstructorError):
        return str(node.value)
