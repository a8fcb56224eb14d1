"""No test reaches further than this machine, whatever it tries (names are not even looked up).

Their folders lie in memory where there is some, unless a test is about the disk: half of a quiet run is waiting for it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.folders import MEMORY

# Commands run as processes of their own must not find an outside proxy or a config of this machine's user either.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AVSYNC_CONFIG"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)


if MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


class BlockedError(RuntimeError):
    """A test tried to leave this machine; not an OSError, so that no code takes it for a service that is down."""


def _is_here(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            raise BlockedError(f"a test tried to connect to {address[0]}")
        return method(self, address)

    return connect


def _look_up(host: Any, *args: Any, **more: Any) -> Any:
    if not _is_here(host):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known (tests stay on this machine)")
    return _getaddrinfo(host, *args, **more)


_getaddrinfo = socket.getaddrinfo


@pytest.fixture(autouse=True, scope="session")
def _stay_here() -> Any:
    """Block every way out for as long as the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", _look_up)
        yield


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder of the test's own; on the disk for one that is about disks (`pytestmark = pytest.mark.disk`)."""
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _short_rests(request: pytest.FixtureRequest) -> Iterator[None]:
    """In these rooms nobody waits between two tries of a read; `services` tests that one does."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name in ("flows", "commands"):
            patch.setattr("avsync.services.http.RESTS", (0.0, 0.0))
        yield
