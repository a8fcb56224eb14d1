"""Lets avsync reach a sandbox of this process without sockets, for scenarios that are not about the wire.

    with without_sockets(box):
        ...

Only what `Transport.exchange` does is left out: the same sandbox answers, with its faults and its request log. As long
as the sandbox has a latency or a fault that needs a connection (it drops, hangs, drips, comes late), requests take one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from urllib3 import HTTPHeaderDict

from avsync.sandbox.server import Sandbox
from avsync.services.transport import Transport

_here: dict[int, tuple[Sandbox, str]] = {}
_exchange = Transport.exchange


def _ask(
    transport: Transport, method: str, target: str, headers: Mapping[str, str], body: bytes | None, timeouts: Any
) -> tuple[int, Mapping[str, str], bytes]:
    box, side = _here.get(transport._pool.port or 0, (None, ""))
    if box is None or box.faults.on_the_wire:
        return _exchange(transport, method, target, headers, body, timeouts)
    status, answered, content = box.ask(side, method, target, headers, body)
    return status, HTTPHeaderDict(answered), content


Transport.exchange = _ask  # type: ignore[method-assign]


@contextmanager
def without_sockets(box: Sandbox) -> Iterator[None]:
    """Requests of this process to that sandbox are calls."""
    ports = {box.port(side): (box, side) for side in ("accountview", "crafter")}
    _here.update(ports)
    try:
        yield
    finally:
        for port in ports:
            del _here[port]
