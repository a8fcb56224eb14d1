"""One HTTP client per service: reads are tried again, writes never, and nothing that is secret reaches a log.

What a failed attempt means stands here once: `Http.get` turns it into another try and at last into TryLater,
`Http.send` into NotSent (surely not stored) or Unknown (it may be stored). Numbers stay exact both ways: read as
Decimal, written digit by digit, no floats (law 3).
"""

from __future__ import annotations

import json
import logging
import math
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from urllib3 import exceptions
from urllib3.exceptions import HTTPError

from avsync.errors import ConfigError, LoginNeeded, OutOfTime, TryLater
from avsync.services.pace import Felt, Pace
from avsync.services.transport import AnswerTooLarge, Transport
from avsync.services.urls import problem_with_url

log = logging.getLogger(__name__)
logging.getLogger("urllib3").setLevel(logging.INFO)  # its DEBUG lines show the values in queries

TRIES = 3
RESTS = (0.5, 2.0)  # seconds before the second and the third try
LONGEST_RETRY_AFTER = 60.0
_NO_TIME = (2000, 9000)  # years outside which a Date header means nothing
_UNSURE = (408, 425)  # a relay gave up waiting, or took the request for a replay: it may be stored (behaviour 16)
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "avsync"}
_JSON = {"Content-Type": "application/json; charset=UTF-8"}

T = TypeVar("T")
Params = Mapping[str, str]


class Flaw(Exception):
    """An answer to a read that is worth another try; `code` and `params` are those of the TryLater it may become."""

    def __init__(self, code: str = "service_unreachable", **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing: rows under neutral names with raw JSON values, and the server's clock (UTC) with it.

    What came in place of a row is `{"_broken": its text}`. `place`: by which this page can be asked for again, empty
    for the first.
    """

    rows: list[dict[str, Any]]
    server_time: datetime | None
    place: str = ""


class Answer:
    """A complete answer: `status`, `headers` (case-insensitive), what its body holds and whether it is `readable`."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers = status, headers
        self.ok = 200 <= status < 300
        try:
            self._data, self.readable = read_json(body), True
        except ValueError:
            self._data, self.readable = None, False

    def json(self) -> Any:
        """The body (numbers with a point as Decimal), None when it is empty; Flaw when it is no JSON."""
        if not self.readable:
            raise Flaw(detail=f"HTTP {self.status}, no JSON")
        return self._data

    @property
    def server_time(self) -> datetime | None:
        """The moment (UTC) in the Date header."""
        return http_moment(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds the service asks us to stay away."""
        text = (self.headers.get("Retry-After") or "").strip()
        if re.fullmatch(r"[0-9]{1,300}(\.[0-9]*)?", text):
            return float(text)
        until = http_moment(text)
        if until is None:
            return None
        return max(0.0, (until - (self.server_time or datetime.now(UTC))).total_seconds())


@lru_cache(maxsize=64)
def http_moment(header: str | None) -> datetime | None:
    """The moment (UTC) in a header such as Date, None when there is none or it makes no sense."""
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Done:
    """The service has it. `row` is the stored record in neutral field names, or None when the answer had no body."""

    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The service said no and has not stored it; `message` is in the service's own words (may be empty).

    `status` is the HTTP status; `missing` = the record to update does not exist there (404); `existing_id` as in
    Crafter's 409; `fields` = [(neutral or wire field name, message)].
    """

    message: str
    status: int = 0
    missing: bool = False
    existing_id: str | None = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not stored (connection refused, 429): may be sent again. `retry_after` in seconds, if the service said."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not be stored (time-out, dropped, 5xx, HTML, cut-off answer): look before sending again."""

    reason: str


Outcome = Done | Rejected | NotSent | Unknown


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
    `connect` and `read` in seconds; `pause`, `time_left` (seconds the run still has) and `ticks` (seconds that only
    ever grow) are handed in.
    """

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        concurrency: int = 8,
        connect: float = 10.0,
        read: float = 90.0,
        pause: Callable[[float], None] = time.sleep,
        time_left: Callable[[], float] = lambda: math.inf,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        if problem_with_url(base_url):
            raise ConfigError("address_refused", service=service, url=base_url)
        parts = urlsplit(base_url)
        self.service = service
        self.requests = 0
        self._host = parts.hostname or ""
        self._base = quote(parts.path.rstrip("/"), safe="/%")
        self._timeouts = (connect, read)
        self._pause, self._time_left, self._ticks = pause, time_left, ticks
        self._ahead = -math.inf  # how far the service's clock is ahead of the ticks
        self.pace = Pace(concurrency, time_left)
        try:
            self._transport = Transport(base_url, parts.hostname, concurrency)
        except (OSError, ValueError):  # its text may hold a proxy's password
            raise ConfigError("environment_refused", service=service) from None
        self._counting = threading.Lock()

    def time(self) -> datetime | None:
        """What time (UTC) it is there by its own Date headers, None as long as it has not told."""
        return datetime.fromtimestamp(self._ahead + self._ticks(), UTC) if self._ahead > -math.inf else None

    def get(
        self,
        path: str,
        params: Params | None,
        accept: Callable[[Answer], T],
        *,
        headers: Params | None = None,
        auth: Auth | None = None,
    ) -> T:
        """What `accept` makes of the answer; it raises Flaw for one that is worth another try.

        At most three tries, then TryLater. A Retry-After is obeyed; one of more than a minute ends in TryLater.
        """
        for attempt in range(TRIES):
            answer = None
            try:
                answer = self._ask("GET", path, params, None, headers or {}, auth)
                if answer.status == 429:
                    raise Flaw("throttled")
                return accept(answer)
            except HTTPError as error:
                flaw = self._flaw(error)
            except Flaw as found:
                flaw = found
            rest = answer.retry_after if answer and answer.status in (429, 503) else None
            if attempt == TRIES - 1 or (rest or 0) > LONGEST_RETRY_AFTER:
                break
            self._rest(RESTS[attempt] if rest is None else rest)
        raise TryLater(flaw.code, service=self.service, **flaw.params)

    def once(
        self, path: str, params: Params | None, *, headers: Params | None = None, auth: Auth | None = None
    ) -> Answer | None:
        """One answer to a read, whatever it says, and no second try; None where none came."""
        try:
            return self._ask("GET", path, params, None, headers or {}, auth)
        except HTTPError:
            return None

    def send(
        self, method: str, path: str, body: Any, *, headers: Params | None = None, auth: Auth | None = None
    ) -> Answer | NotSent | Unknown:
        """One attempt at a write. An Answer is 2xx or 4xx with a body of JSON or none (a 401: with any body).

        When it raises (LoginNeeded, TryLater, OutOfTime), nothing was stored.
        """
        content = write_json(body)
        try:
            answer = self._ask(method, path, None, content, {**_JSON, **(headers or {})}, auth)
        except HTTPError as error:
            if not _never_sent(error):
                return Unknown(_why(error))
            flaw = self._flaw(error)
            if flaw.code != "service_unreachable":  # the same for every write, until a person mends it
                raise TryLater(flaw.code, service=self.service, **flaw.params) from None
            return NotSent(_why(error))
        if answer.status == 401:
            return answer
        if answer.status == 429:
            return NotSent("HTTP 429", answer.retry_after)
        if not (answer.ok or 400 <= answer.status < 500) or answer.status in _UNSURE:
            return Unknown(f"HTTP {answer.status}")
        try:
            answer.json()
        except Flaw as flaw:
            return Unknown(flaw.params["detail"])
        return answer

    def at_most(self, requests: int) -> None:
        """From here on so many at a time."""
        self.pace = Pace(requests, self._time_left)

    def close(self) -> None:
        """Close all idle connections."""
        self._transport.close()

    def _ask(
        self, method: str, path: str, params: Params | None, body: bytes | None, headers: Params, auth: Auth | None
    ) -> Answer:
        """One answer; a 401 to a token that can be renewed is asked once more (it means: not applied)."""
        target = self._base + path + ("?" + urlencode(params, quote_via=quote) if params else "")
        if auth is None or callable(auth):
            return self._once(method, path, target, body, {**headers, **(auth() if auth else {})})
        token = auth.access_token()
        answer = self._once(method, path, target, body, {**headers, "Authorization": f"Bearer {token}"})
        if answer.status == 401:
            token = auth.refresh_after_401(token)
            answer = self._once(method, path, target, body, {**headers, "Authorization": f"Bearer {token}"})
            if answer.status == 401:
                raise LoginNeeded("login_needed")
        return answer

    def _once(self, method: str, path: str, target: str, body: bytes | None, headers: Params) -> Answer:
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ConfigError("header_refused", service=self.service)  # http.client would print the value
        with self.pace.turn() as felt:
            try:
                answer = self._exchange(method, path, target, body, headers)
            except exceptions.TimeoutError:
                felt(Felt.TOO_MUCH)
                raise
            felt(Felt.TOO_MUCH if answer.status == 429 else Felt.WELL)
        return answer

    def _exchange(self, method: str, path: str, target: str, body: bytes | None, headers: Params) -> Answer:
        left = self._time_left()
        if left <= 0:
            raise OutOfTime("budget_spent")
        connect, read = self._timeouts
        whole = connect + 1.5 * read
        whole = min(whole, left) if method == "GET" else whole  # the answer to a write is worth waiting for
        with self._counting:
            self.requests += 1
        started, told = time.monotonic(), "no answer"
        try:
            status, answered, content = self._transport.exchange(
                method, target, {**_HEADERS, **headers}, body, (connect, read, whole)
            )
            told = str(status)
        finally:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s %s: %s, %d ms", method, path, told, 1000 * (time.monotonic() - started))
        answer = Answer(status, answered, content)
        self._hear(answer.server_time)
        return answer

    def _hear(self, told: datetime | None) -> None:
        """A header knows whole seconds only, and the answer was on its way: the one that is furthest ahead is best."""
        if told is None or not _NO_TIME[0] < told.year < _NO_TIME[1]:
            return
        with self._counting:
            self._ahead = max(told.timestamp() - self._ticks(), self._ahead)

    def _flaw(self, error: HTTPError) -> Flaw:
        return named_fault(error, self._host, self._transport.proxy) or Flaw(detail=_why(error))

    def _rest(self, seconds: float) -> None:
        if seconds >= self._time_left():
            raise OutOfTime("budget_spent")
        self._pause(seconds)


def _never_sent(error: HTTPError) -> bool:
    """Whether the request surely did not leave: no connection, no proxy, a certificate that does not hold."""
    if isinstance(error, exceptions.SSLError):
        return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in error.args)
    return isinstance(error, (exceptions.ConnectTimeoutError, exceptions.ProxyError))


# What went wrong, in the order of looking: the text never quotes the error itself, which may hold a whole address.
_WHY: tuple[tuple[type[HTTPError], str], ...] = (
    (exceptions.NameResolutionError, "host name not found"),
    (exceptions.NewConnectionError, "no connection"),
    (exceptions.ConnectTimeoutError, "no connection in time"),
    (exceptions.TimeoutError, "no complete answer in time"),
    (exceptions.SSLError, "TLS failed"),
    (exceptions.ProxyError, "proxy failed"),
    (AnswerTooLarge, "answer too large"),
    (HTTPError, "connection dropped"),
)


_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}[\w .,'-]{0,80})")


def named_fault(error: BaseException | None, host: str, proxy: str) -> Flaw | None:
    """A fault of the certificate or of the proxy, by a name of its own: a setting mends it, trying again does not."""
    if isinstance(error, exceptions.ProxyError):
        said = _TUNNEL.search(str(error.original_error))
        return Flaw("proxy_refuses", proxy=proxy, detail=said[1]) if said else Flaw("proxy_unreachable", proxy=proxy)
    if not isinstance(error, exceptions.SSLError):
        return None
    for cause in error.args:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Flaw("certificate_untrusted", host=host, detail=cause.verify_message)
    return Flaw("tls_failed", host=host)


def _why(error: HTTPError) -> str:
    return next(text for kind, text in _WHY if isinstance(error, kind))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < _LONGEST_NUMBER else _decimal(text)


def _decimal(text: str) -> Decimal:
    """A number, NaN for one that cannot be held: that is one value's problem, not the whole answer's."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_LONGEST_WORDS = 500
_LONGEST_NUMBER = 1000  # digits; Python refuses to read many more
_decode = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_no_constant).decode
_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]|[^"\[\]{}]+', re.DOTALL)
_DEEPEST = 64


def read_json(body: bytes) -> Any:
    """The value of a JSON text, None for an empty one; ValueError when it is no JSON (HTML, say, or cut off)."""
    if not body or body.isspace():
        return None
    text = body.decode("utf-8-sig")
    try:
        return _decode(text)
    except RecursionError:
        return _decode(_flattened(text))


def _flattened(text: str) -> str:
    """The same text with null for what is nested too deep: that value is lost, and not the whole answer."""
    kept, depth = [], 0
    for part in _PART.findall(text):
        opens, closes = part in ("[", "{"), part in ("]", "}")
        depth -= closes
        if depth < _DEEPEST or (depth == _DEEPEST and not (opens or closes)):
            kept.append(part)
        elif depth == _DEEPEST and opens:
            kept.append("null")
        depth += opens
    return "".join(kept)


def words(value: object) -> str:
    """A text or number that a service sent, fit for a message: one line, printable, not long; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return ""
    shown = "".join(char if char.isprintable() else " " for char in str(value)[: 4 * _LONGEST_WORDS])
    return " ".join(shown.split())[:_LONGEST_WORDS]


def described(value: object) -> str:
    """What came in place of a record."""
    try:
        return repr(value)[:_LONGEST_WORDS]
    except RecursionError:
        return type(value).__name__


def write_json(value: Any) -> bytes:
    """A JSON text (ASCII). Decimals become numbers with all their digits; ValueError for one that is not finite."""
    return _text(value).encode("ascii")


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no number")
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, allow_nan=False)
