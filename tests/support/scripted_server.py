"""A service that answers with scripted bytes, for what no real web server would send."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

Step = bytes | float  # bytes to send, or seconds to wait


class Scripted:
    """Each request takes the next script; `None` drops the connection, an empty list says nothing.

    `seen` holds the requests as (request line, headers in lower case, body).
    """

    def __init__(
        self, *scripts: Sequence[Step] | None, repeat: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self._scripts = list(scripts)
        self._repeat = repeat
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        plain = socket.create_server(("127.0.0.1", 0))
        self._socket = tls.wrap_socket(plain, server_side=True) if tls else plain
        self._done = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread that accepts
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except ssl.SSLError:  # the other side did not trust us
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (line := incoming.readline().decode().strip()) and self._scripts:
                headers = {}
                while header := incoming.readline().decode().strip():
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                body = incoming.read(int(headers.get("content-length", 0)))
                self.seen.append((line, headers, body))
                script = self._scripts[0] if self._repeat else self._scripts.pop(0)
                if script is None:
                    return
                for step in script:
                    if isinstance(step, float):
                        self._done.wait(step)
                    else:
                        connection.sendall(step)


def answer(body: Any = b"", status: str = "200 OK", kind: str = "application/json", **headers: str) -> list[Step]:
    """A complete answer; anything but bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{named}\r\n"
    return [head.encode() + content]


def drip(content: bytes, pause: float) -> list[Step]:
    """Byte by byte."""
    return [step for byte in content for step in (bytes([byte]), pause)]


def html(status: str = "200 OK") -> list[Step]:
    """A web server's own page."""
    return answer(b"<html><body>Service unavailable</body></html>", status, "text/html")


class Stopwatch:
    """How long something took, in seconds."""

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self.seconds = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._start
