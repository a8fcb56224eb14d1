"""Requests whose whole answer has a deadline and a size, on top of urllib3's connection pool.

A read time-out restarts with every packet, so a service that drips one byte a minute would hold a run for ever
(law 2). The deadline is therefore kept where every byte comes in: in the file object the answer, header and body, is
read from. One read then needs no loop, and small answers pay nothing. Requests' own machinery around a request costs
more than the exchange itself; only what it knows of proxies and certificates is used, once, when the pool is made.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from avsync.services.urls import is_loopback

MAX_ANSWER = 64 * 1024 * 1024


class AnswerTooLarge(HTTPError):
    """The answer is larger than any page of ours can be; reading stopped."""


@dataclass(slots=True)
class _Watch:
    """How long the answer now being read may still take; one for each thread."""

    ends: float
    read: float

    def allowance(self) -> float:
        """Seconds the next packet may take; TimeoutError when the deadline has passed."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        return min(left, self.read)


class _Current(threading.local):
    watch: _Watch | None = None


_current = _Current()


class _Timed(io.RawIOBase):
    """The socket's file, with the time-out of each receive cut to what is left of the deadline."""

    def __init__(self, inner: io.BufferedReader, sock: socket.socket, watch: _Watch) -> None:
        self._inner = inner
        self._sock = sock
        self._watch = watch

    def readable(self) -> bool:
        """As io asks for."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """One receive."""
        self._sock.settimeout(self._watch.allowance())
        received: int | None = self._inner.raw.readinto(buffer)
        return received

    def close(self) -> None:
        """Let go of the socket too."""
        if not self.closed:
            self._inner.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        watch = _current.watch
        if watch is not None:
            self.fp = io.BufferedReader(_Timed(self.fp, sock, watch))


class _TimedPool(HTTPConnectionPool):
    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        connection.response_class = _TimedResponse  # type: ignore[attr-defined]
        return connection


class _TimedTlsPool(_TimedPool, HTTPSConnectionPool):
    """The same over TLS."""


_POOLS = {"http": _TimedPool, "https": _TimedTlsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Transport:
    """The connections to one host. Certificates are verified; no cookies, no redirects, no retries. Thread-safe."""

    def __init__(self, base_url: str, host: str | None, concurrency: int) -> None:
        self._adapter = _Adapter(pool_maxsize=concurrency, max_retries=0)
        with requests.Session() as session:
            session.trust_env = not is_loopback(host)
            settings = session.merge_environment_settings(base_url, {}, None, True, None)
        verify, proxies = settings["verify"], dict(settings["proxies"])
        probe = requests.Request("GET", base_url).prepare()
        self._pool = cast(HTTPConnectionPool, self._adapter.get_connection_with_tls_context(probe, verify, proxies))
        self._adapter.cert_verify(self._pool, base_url, verify, None)  # type: ignore[no-untyped-call]

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeouts: tuple[float, float, float],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One attempt: status, headers, body. `timeouts` = connect, read, whole answer (seconds). Raises HTTPError."""
        connect, read, whole = timeouts
        _current.watch = _Watch(time.monotonic() + whole, read)
        answer = self._pool.urlopen(
            method,
            target,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=Timeout(connect=connect, read=read),
            preload_content=False,
        )
        content = answer.read(MAX_ANSWER + 1)
        if len(content) > MAX_ANSWER:
            answer.close()
            raise AnswerTooLarge
        return answer.status, answer.headers, content

    def close(self) -> None:
        """Close all idle connections."""
        self._adapter.close()
