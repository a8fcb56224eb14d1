"""The tests' own fence holds."""

from __future__ import annotations

import socket

import pytest

from avsync.errors import TryLater
from avsync.services.http import Http
from tests.conftest import BlockedError


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1"])
def test_no_test_connects_beyond_this_machine(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as one, pytest.raises(BlockedError):
        one.connect((address, 80))
    with socket.socket(family) as one, pytest.raises(BlockedError):
        one.connect_ex((address, 80))


def test_names_beyond_this_machine_are_not_looked_up() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("service.example", 443)
    http = Http("https://service.example/api", service="Crafter", pause=lambda _: None)
    with pytest.raises(TryLater):
        http.get("/me", None, lambda answer: answer)


def test_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as one:
        one.connect(server.getsockname())
        assert socket.getaddrinfo("localhost", 80)
