"""The access token every call carries: refreshed in time, once per rejected token, saved before it is used.

The refresh token rotates (AccountView contract 1), so among all threads and processes that share a token
file exactly one may refresh; the others wait at the file's lock and take what it brought.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from avsync.errors import LoginNeeded

Token = dict[str, Any]

MARGIN = 60.0  # seconds before its end at which a token is renewed


class TokenStore(Protocol):
    """What keeps the pair between runs (`state.tokens.TokenFile`)."""

    def load(self) -> Token | None: ...

    def save(self, token: Mapping[str, Any]) -> None: ...

    def lock(self) -> AbstractContextManager[None]: ...


class Revealed(Protocol):
    """A secret that is looked up only when it is needed (`config_secret.Secret`)."""

    def reveal(self) -> str: ...


class TokenSource:
    """Hands out the access token; shared by all threads of a process.

    `timeouts` are (connect, read) in seconds; `now` is our own clock, in seconds since 1970.
    """

    def __init__(
        self,
        token_file: TokenStore,
        client_id: str,
        client_secret: Revealed | str,
        token_url: str,
        *,
        timeouts: tuple[float, float] = (10, 90),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = token_file
        self._client_id = client_id
        self._secret = client_secret
        self._url = token_url
        self._timeouts = timeouts
        self._now = now
        self._token: Token | None = None

    def access_token(self) -> str:
        """A token that is good for a while yet.

        Errors: LoginNeeded("login_needed", "token_damaged"), TryLater("token_service_down", "token_locked"),
        AvsyncError("token_not_saved").
        """
        token = self._token or self._load()
        if self._expires_soon(token):
            token = self._renew(rejected=None)
        self._token = token
        return str(token["access_token"])

    def refresh_after_401(self, rejected: str) -> str:
        """The token that replaces a rejected one: what another already fetched, else a fresh one. Errors as above."""
        self._token = self._renew(rejected)
        return str(self._token["access_token"])

    def _renew(self, rejected: str | None) -> Token:
        from avsync.services.accountview.grant import InvalidGrant  # slow to import, rarely needed

        with self._file.lock():
            token = self._load()
            for _ in range(2):
                if token["access_token"] != rejected and not self._expires_soon(token):
                    return token
                try:
                    return self._refresh(token)
                except InvalidGrant:
                    before, token = token, self._load()
                    if token["access_token"] == before["access_token"]:
                        break
            raise LoginNeeded("login_needed")

    def _refresh(self, token: Token) -> Token:
        """Saving the old pair first shows that there is room for a new one before the old is given up."""
        from avsync.services.accountview.grant import TokenService

        if not isinstance(token.get("refresh_token"), str) or not token["refresh_token"]:
            raise LoginNeeded("login_needed")
        secret = self._secret if isinstance(self._secret, str) else self._secret.reveal()
        self._file.save(token)
        fresh = TokenService(self._url, self._client_id, secret, self._timeouts).refresh(token["refresh_token"])
        self._file.save(fresh)
        return fresh

    def _load(self) -> Token:
        token = self._file.load()
        if token is None:
            raise LoginNeeded("login_needed")
        return token

    def _expires_soon(self, token: Token) -> bool:
        """Without `expires_at` only a 401 tells. A short life shrinks the margin, or each call would refresh."""
        end, life = token.get("expires_at"), token.get("expires_in")
        if not isinstance(end, int | float):
            return False
        margin = life / 2 if isinstance(life, int | float) and 0 < life < 2 * MARGIN else MARGIN
        return self._now() + margin >= end  # a sum with `end` could overflow: it may be any number
