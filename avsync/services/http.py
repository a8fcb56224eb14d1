"""One HTTP client per service: reads are tried again, writes never, and nothing that is secret reaches a log.

What a failed attempt means stands here once: `Http.get` turns it into another try and at last into TryLater,
`Http.send` into NotSent (surely not stored) or Unknown (it may be stored).
"""

from __future__ import annotations

import logging
import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
    TimeoutError,
)

from avsync.errors import ConfigError, LoginNeeded, OutOfTime, TryLater
from avsync.services.answer import Answer, Flaw, http_moment
from avsync.services.outcome import NotSent, Unknown
from avsync.services.transport import AnswerTooLarge, Transport
from avsync.services.urls import problem_with_url
from avsync.services.wire import write_json

log = logging.getLogger(__name__)
logging.getLogger("urllib3").setLevel(logging.INFO)  # its DEBUG lines show the values in queries

TRIES = 3
RESTS = (0.5, 2.0)  # seconds before the second and the third try
LONGEST_RETRY_AFTER = 60.0
MAX_ANSWER = 64 * 1024 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "avsync"}
_JSON = {"Content-Type": "application/json; charset=UTF-8"}

T = TypeVar("T")
Params = Mapping[str, str]


class Tokens(Protocol):
    """What a bearer token comes from that can be renewed, such as AccountView's TokenSource."""

    def access_token(self) -> str:
        """A token that is valid as far as known; raises LoginNeeded or TryLater."""

    def refresh_after_401(self, rejected: str) -> str:
        """Another token than the one refused; raises LoginNeeded or TryLater."""


Auth = Tokens | Callable[[], dict[str, str]]


class Http:
    """The connections to one service and what it may cost: time-outs, deadlines, the run's budget. Thread-safe.

    `base_url`: https, or plain http on a loopback address, else ConfigError. `service` is its name in messages.
    `connect` and `read` in seconds; `clock`, `pause` and `time_left` (seconds the run still has) are handed in.
    """

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        concurrency: int = 8,
        connect: float = 10.0,
        read: float = 90.0,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        time_left: Callable[[], float] = lambda: math.inf,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        if problem_with_url(base_url):
            raise ConfigError("address_refused", service=service, url=base_url)
        parts = urlsplit(base_url)
        self.service = service
        self.requests = 0
        self._base = quote(parts.path.rstrip("/"), safe="/%")
        self._timeouts = (connect, read)
        self._clock, self._pause, self._time_left = clock, pause, time_left
        try:
            self._transport = Transport(base_url, parts.hostname, concurrency, clock, max_answer)
        except (OSError, ValueError):  # its text may hold a proxy's password
            raise ConfigError("environment_refused", service=service) from None
        self._counting = threading.Lock()
        self._date: str | None = None

    @property
    def server_time(self) -> datetime | None:
        """The service's clock (UTC) as the last answer told it."""
        return http_moment(self._date)

    def get(
        self,
        path: str,
        params: Params | None,
        accept: Callable[[Answer], T],
        *,
        headers: Params | None = None,
        auth: Auth | None = None,
        deadline: float | None = None,
    ) -> T:
        """What `accept` makes of the answer; it raises Flaw for one that is worth another try.

        At most three tries, then TryLater. A Retry-After is obeyed; one of more than a minute ends in TryLater.
        """
        for attempt in range(TRIES):
            answer = None
            try:
                answer = self._ask("GET", path, params, None, headers or {}, auth, deadline)
                if answer.status == 429:
                    raise Flaw("throttled")
                return accept(answer)
            except HTTPError as error:
                flaw = Flaw(detail=_why(error))
            except Flaw as found:
                flaw = found
            rest = answer.retry_after if answer and answer.status in (429, 503) else None
            if attempt == TRIES - 1 or (rest or 0) > LONGEST_RETRY_AFTER:
                break
            self._rest(RESTS[attempt] if rest is None else rest)
        raise TryLater(flaw.code, service=self.service, **flaw.params)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        headers: Params | None = None,
        auth: Auth | None = None,
        deadline: float | None = None,
    ) -> Answer | NotSent | Unknown:
        """One attempt at a write. An Answer is 2xx or 4xx with a body of JSON or none (a 401: with any body).

        When it raises (LoginNeeded, TryLater, OutOfTime), nothing was stored.
        """
        content = write_json(body)
        try:
            answer = self._ask(method, path, None, content, {**_JSON, **(headers or {})}, auth, deadline)
        except HTTPError as error:
            return NotSent(_why(error)) if _never_sent(error) else Unknown(_why(error))
        if answer.status == 401:
            return answer
        if answer.status == 429:
            return NotSent("HTTP 429", answer.retry_after)
        if answer.status >= 500 or answer.status < 200 or 300 <= answer.status < 400:
            return Unknown(f"HTTP {answer.status}")
        try:
            answer.json()
        except Flaw as flaw:
            return Unknown(flaw.params["detail"])
        return answer

    def close(self) -> None:
        """Close all idle connections."""
        self._transport.close()

    def _ask(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: bytes | None,
        headers: Params,
        auth: Auth | None,
        deadline: float | None,
    ) -> Answer:
        """One answer; a 401 to a token that can be renewed is asked once more (it means: not applied)."""
        target = self._base + path + ("?" + urlencode(params, quote_via=quote) if params else "")
        if auth is None or callable(auth):
            return self._once(method, path, target, body, {**headers, **(auth() if auth else {})}, deadline)
        token = auth.access_token()
        answer = self._once(method, path, target, body, {**headers, **_bearer(token)}, deadline)
        if answer.status != 401:
            return answer
        token = auth.refresh_after_401(token)
        answer = self._once(method, path, target, body, {**headers, **_bearer(token)}, deadline)
        if answer.status == 401:
            raise LoginNeeded("login_needed")
        return answer

    def _once(
        self,
        method: str,
        path: str,
        target: str,
        body: bytes | None,
        headers: Params,
        deadline: float | None,
    ) -> Answer:
        left = self._time_left()
        if left <= 0:
            raise OutOfTime("budget_spent")
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ConfigError("header_refused", service=self.service)  # http.client would print the value
        connect, read = self._timeouts
        whole = connect + 1.5 * read if deadline is None else deadline
        whole = min(whole, left) if method == "GET" else whole  # the answer to a write is worth waiting for
        with self._counting:
            self.requests += 1
        started, told = self._clock(), "no answer"
        try:
            answer = Answer(
                *self._transport.exchange(method, target, {**_HEADERS, **headers}, body, (connect, read, whole))
            )
            told = str(answer.status)
        finally:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s %s: %s, %d ms", method, path, told, 1000 * (self._clock() - started))
        self._date = answer.headers.get("Date") or self._date
        return answer

    def _rest(self, seconds: float) -> None:
        if seconds >= self._time_left():
            raise OutOfTime("budget_spent")
        self._pause(seconds)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _never_sent(error: HTTPError) -> bool:
    """Whether the request surely did not leave: no connection, no proxy, a certificate that does not hold."""
    if isinstance(error, SSLError):
        return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in error.args)
    return isinstance(error, (ConnectTimeoutError, ProxyError))


# What went wrong, in the order of looking: the text never quotes the error itself, which may hold a whole address.
_WHY: tuple[tuple[type[HTTPError], str], ...] = (
    (NameResolutionError, "host name not found"),
    (NewConnectionError, "no connection"),
    (ConnectTimeoutError, "no connection in time"),
    (TimeoutError, "no complete answer in time"),
    (SSLError, "TLS failed"),
    (ProxyError, "proxy failed"),
    (AnswerTooLarge, "answer too large"),
    (HTTPError, "connection dropped"),
)


def _why(error: HTTPError) -> str:
    return next(text for kind, text in _WHY if isinstance(error, kind))
