"""OAuth 2 with AccountView: the address to consent at, code → token pair, refresh token → new pair.

Two habits of requests-oauthlib are put right here. It logs tokens at DEBUG, so its loggers stay shut for good. It
refuses plain http, so a loopback address is shown to it as https and spoken to over http (an environment variable
would open every host). Loaded only when a new token is needed, because the library is slow to import.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from avsync.errors import AvsyncError, ConfigError, LoginNeeded, TryLater
from avsync.services.http import named_fault
from avsync.services.transport import proxy_for
from avsync.services.urls import is_loopback

SCOPE = "readaccountviewdata updateaccountviewdata"  # AccountView contract 1; never deleteaccountviewdata
LIMIT = 262_144  # bytes of an answer; a token pair is a few kB
_LONGEST_LIFE = 10**9  # seconds
KEPT = ("access_token", "refresh_token", "token_type", "expires_in", "expires_at")

Token = dict[str, Any]


class InvalidGrant(LoginNeeded):
    """The code or refresh token is not (or no longer) good."""

    def __init__(self) -> None:
        super().__init__("login_needed")


def _shut_loggers() -> None:
    names = ["requests_oauthlib", "oauthlib", *logging.root.manager.loggerDict]
    for name in names:
        if name.split(".")[0] in ("requests_oauthlib", "oauthlib"):
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.addFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


_shut_loggers()


def authorization_url(
    authorize_url: str, client_id: str, redirect_uri: str, state: str, verifier: str | None = None
) -> str:
    """Where a person consents (AccountView contract 1); with a verifier its challenge goes along (RFC 7636, S256)."""
    session = OAuth2Session(client_id, redirect_uri=redirect_uri, scope=SCOPE)
    shown, plain = _as_https(authorize_url)
    asked = {"code_challenge": _challenge(verifier), "code_challenge_method": "S256"} if verifier else {}
    url: str = session.authorization_url(shown, state=state, **asked)[0]
    return "http" + url.removeprefix("https") if plain else url


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")


class TokenService:
    """AccountView's token endpoint. A call is one attempt; a token is never in an exception or a log line.

    Errors: InvalidGrant, ConfigError("token_refused") for a wrong client, else TryLater("token_service_down").
    """

    def __init__(
        self, token_url: str, client_id: str, client_secret: str, timeouts: tuple[float, float] = (10, 90)
    ) -> None:
        self._url, self._plain = _as_https(token_url)
        self._id = client_id
        self._secret = client_secret
        self._timeouts = timeouts

    def exchange(self, code: str, redirect_uri: str, verifier: str | None = None) -> Token:
        """The first pair; `code` decoded once, `redirect_uri` byte-identical to the first leg."""
        session = self._session(redirect_uri)
        proof = {"code_verifier": verifier} if verifier else {}
        return self._call(session.fetch_token, code=code, include_client_id=True, **proof)

    def refresh(self, refresh_token: str) -> Token:
        """The next pair; the old refresh token is dead from here on."""
        session = self._session(None)
        return self._call(session.refresh_token, refresh_token=refresh_token, client_id=self._id)

    def _session(self, redirect_uri: str | None) -> Any:
        session = OAuth2Session(self._id, redirect_uri=redirect_uri)
        session.trust_env = not self._plain
        session.max_redirects = 0  # a redirect would carry the secret elsewhere
        session.mount("https://", _Adapter(self._plain, sum(self._timeouts)))
        session.register_compliance_hook("access_token_response", _checked)
        session.register_compliance_hook("refresh_token_response", _checked)
        return session

    def _call(self, ask: Callable[..., Mapping[str, Any]], **given: Any) -> Token:
        asking = partial(ask, self._url, client_secret=self._secret, timeout=self._timeouts, **given)
        try:
            raw = _within(sum(self._timeouts), asking)
        except requests.Timeout:
            raise _down("time-out") from None
        except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as exc:
            raise self._named(exc) from None
        except requests.RequestException as exc:
            raise _down(type(exc).__name__) from None
        except OSError:  # certificates that cannot be read
            raise ConfigError("environment_refused", service="AccountView") from None
        except (ValueError, TypeError):
            raise _down("unreadable answer") from None
        return {key: raw[key] for key in KEPT if raw.get(key) is not None}

    def _named(self, error: requests.RequestException) -> AvsyncError:
        cause = error.args[0] if error.args else None
        proxy = proxy_for(self._url, {} if self._plain else requests.utils.get_environ_proxies(self._url))
        flaw = named_fault(getattr(cause, "reason", cause), urlsplit(self._url).hostname or "", proxy)
        return TryLater(flaw.code, service="AccountView", **flaw.params) if flaw else _down(type(error).__name__)


class _Adapter(HTTPAdapter):
    """Reads an answer within a size and a time; speaks http where a loopback address was shown as https."""

    def __init__(self, plain: bool, seconds: float) -> None:
        super().__init__(max_retries=0)
        self._plain = plain
        self._seconds = seconds

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        end = time.monotonic() + self._seconds
        if self._plain:
            request.url = "http" + (request.url or "").removeprefix("https")
        response = super().send(request, *args, **kwargs)
        body = b""
        for chunk in response.iter_content(8192):
            body += chunk
            if len(body) > LIMIT or time.monotonic() > end:
                response.close()
                raise requests.Timeout
        response._content = body
        return response


def _checked(response: requests.Response) -> requests.Response:
    """Sort an answer by who must act before the library takes it for a token: status first, then `error`."""
    status = response.status_code
    if status >= 500 or status == 429:
        raise _down(f"HTTP {status}")
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        raise _down(f"HTTP {status}, no JSON") from None
    if not isinstance(answer, dict):
        raise _down(f"HTTP {status}, no JSON object")
    error = answer.get("error")
    if error == "invalid_grant" or (error is None and status in (400, 401, 403)):
        raise InvalidGrant
    if error in ("temporarily_unavailable", "server_error"):
        raise _down(f"HTTP {status}")
    if error is not None or status >= 300:
        raise ConfigError("token_refused", detail=_short(error) or f"HTTP {status}")
    if not _headerable(answer.get("access_token")) or not isinstance(answer.get("refresh_token", ""), str):
        raise _down(f"HTTP {status}, no token")
    response._content = json.dumps(_the_pair(answer)).encode()
    return response


def _the_pair(answer: Mapping[str, Any]) -> Token:
    """Without what the library could stumble over: this answer is the only copy of the pair; the old one is dead."""
    pair: Token = {key: answer[key] for key in ("access_token", "refresh_token") if answer.get(key)}
    pair["token_type"] = "bearer"  # noqa: S105 - the only kind there is (AccountView contract 1)
    try:
        seconds = int(str(answer.get("expires_in")))
    except ValueError:
        seconds = 0
    return {**pair, "expires_in": seconds} if 0 < seconds < _LONGEST_LIFE else pair


def _within(seconds: float, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """A deadline over everything: no socket time-out bounds name resolution or headers that drip."""
    results: SimpleQueue[Mapping[str, Any] | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            results.put(call())
        except BaseException as exc:  # noqa: BLE001 - handed to the waiting thread, which raises it
            results.put(exc)

    threading.Thread(target=work, daemon=True, name="token").start()
    try:
        result = results.get(timeout=seconds)
    except Empty:
        raise _down("time-out") from None
    if isinstance(result, BaseException):
        raise result
    return result


def _as_https(url: str) -> tuple[str, bool]:
    """The address as the library wants to see it, and whether it is really plain http (loopback only)."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return url, False
    if parts.scheme != "http" or not is_loopback(parts.hostname):
        raise ConfigError("plain_http_refused", url=url)
    return "https" + url.removeprefix("http"), True


def _headerable(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _short(error: object) -> str:
    """An error code as the service named it; free text is left out, it might quote what we sent."""
    text = str(error) if isinstance(error, str) else ""
    return text if text.replace("_", "").isalnum() and len(text) <= 60 else ""


def _down(detail: str) -> AvsyncError:
    return TryLater("token_service_down", detail=detail)
