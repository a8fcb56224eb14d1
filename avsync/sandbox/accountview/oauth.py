"""OAuth 2 (AccountView contract 1): the consent page, the token endpoint, and refresh tokens that rotate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from flask import Blueprint, Response, request

from avsync.sandbox.accountview.options import Options

SCOPES = frozenset({"readaccountviewdata", "updateaccountviewdata", "deleteaccountviewdata"})
_CODE_SECONDS = 600
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OAuthError(Exception):
    """The token endpoint refuses; `error` is the OAuth 2 error code."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class _Code:
    redirect_uri: str
    scopes: frozenset[str]
    expires: float
    challenge: str = ""

    def proven(self, verifier: str) -> bool:
        """Whether a verifier fits the challenge, if there was one (RFC 7636, S256)."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        return not self.challenge or hmac.compare_digest(digest, self.challenge)


class Authority:
    """Gives out codes and tokens. A code and a refresh token work once; an access token until it expires."""

    def __init__(self, options: Options) -> None:
        self.client_id = "avsync-sandbox"
        self.client_secret = "sandbox/secret+with=signs&"  # noqa: S105 - opens nothing but this sandbox
        self.refreshes = 0
        self._options = options
        self._mutex = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, frozenset[str]] = {}
        self._access: dict[str, tuple[float, frozenset[str]]] = {}

    def code(self, redirect_uri: str, scopes: frozenset[str], challenge: str = "") -> str:
        """A new authorisation code, with characters that must be percent-encoded."""
        code = f"{secrets.token_urlsafe(12)}/+{secrets.token_urlsafe(12)}=="
        known = "" if self._options.pkce == "ignored" else challenge
        with self._mutex:
            self._codes[code] = _Code(redirect_uri, scopes, time.monotonic() + _CODE_SECONDS, known)
        return code

    def tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a token call; OAuthError when it is refused."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            raise OAuthError("invalid_client")
        grant = form.get("grant_type")
        with self._mutex:
            if grant == "authorization_code":
                known = self._codes.pop(form.get("code", ""), None)
                if not known or known.redirect_uri != form.get("redirect_uri") or known.expires < time.monotonic():
                    raise OAuthError("invalid_grant")
                if not known.proven(form.get("code_verifier", "")):
                    raise OAuthError("invalid_grant")
                return self._issue(known.scopes)
            if grant == "refresh_token":
                scopes = self._refresh.pop(form.get("refresh_token", ""), None)
                if scopes is None:
                    raise OAuthError("invalid_grant")
                self.refreshes += 1
                return self._issue(scopes)
        raise OAuthError("unsupported_grant_type")

    def grant(self) -> dict[str, Any]:
        """A token as if a person had consented just now, with `expires_at` (seconds since 1970) as clients keep it."""
        with self._mutex:
            token = self._issue(SCOPES - {"deleteaccountviewdata"})
        return token | {"expires_at": time.time() + self._options.token_lifetime}

    def _issue(self, scopes: frozenset[str]) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access[access] = (time.monotonic() + self._options.token_lifetime, scopes)
        self._refresh[refresh] = scopes
        token = {"access_token": access, "refresh_token": refresh, "token_type": "bearer"}
        return token | ({"expires_in": self._options.token_lifetime} if self._options.send_expires_in else {})

    def scopes(self, authorization: str) -> frozenset[str] | None:
        """What the token in an Authorization header may do; None when it is unknown or expired."""
        kind, _, token = authorization.partition(" ")
        expires, scopes = self._access.get(token.strip(), (0.0, frozenset()))
        return scopes if kind.lower() == "bearer" and expires > time.monotonic() else None

    def expire(self) -> None:
        """Let every access token expire now."""
        with self._mutex:
            self._access.clear()

    def revoke(self) -> None:
        """Withdraw the consent: no token works any more, a person must log in again."""
        with self._mutex:
            self._access.clear()
            self._refresh.clear()
            self._codes.clear()

    def decide(self, asked: Mapping[str, str], approve: bool) -> str:
        """The redirect after a person's decision on an authorise request; ValueError when the request is wrong."""
        mistake = self.mistake(asked)
        if mistake:
            raise ValueError(mistake)
        uri = asked["redirect_uri"]
        answer = {"error": "access_denied"}
        if approve:
            scopes = frozenset(asked["scope"].split())
            answer = {"code": self.code(uri, scopes, asked.get("code_challenge", ""))}
        if "state" in asked:
            answer["state"] = asked["state"]
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in answer.items())
        return f"{uri}{'&' if '?' in uri else '?'}{pairs}"

    def decide_url(self, url: str, approve: bool) -> str:
        """The same for a whole authorise URL, for use without a browser."""
        return self.decide(_lowered(dict(parse_qsl(urlsplit(url).query))), approve)

    def mistake(self, asked: Mapping[str, str]) -> str:
        """What is wrong with an authorise request, "" when it is right."""
        uri = urlsplit(asked.get("redirect_uri", ""))
        scopes = set(asked.get("scope", "").split())
        if asked.get("response_type") != "code":
            return "response_type moet code zijn."
        if asked.get("client_id") != self.client_id:
            return "Onbekende client_id."
        if uri.scheme != "http" or uri.hostname not in _LOOPBACK or uri.fragment:
            return "Deze redirect_uri is niet geregistreerd bij de toepassing."
        if self._options.pkce != "ignored" and (mistake := self._unproven(asked)):
            return mistake
        return "" if scopes and scopes <= SCOPES else "Onbekende scope."

    def _unproven(self, asked: Mapping[str, str]) -> str:
        if "code_challenge" not in asked:
            return "code_challenge ontbreekt." if self._options.pkce == "required" else ""
        right = asked.get("code_challenge_method") == "S256" and len(asked["code_challenge"]) == 43
        return "" if right else "code_challenge_method moet S256 zijn."


def _lowered(values: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in values.items()}


_PAGE = """<!doctype html><html lang="nl"><head><meta charset="utf-8"><title>AccountView - toestemming</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:4em auto;padding:0 1em}}
button{{font:inherit;padding:.5em 1.2em;margin-right:1em}}</style></head><body>
<h1>Toegang tot AccountView</h1>{body}</body></html>"""


def _page(body: str, status: int = 200) -> Response:
    return Response(_PAGE.format(body=body), status, mimetype="text/html")


def _consent(asked: Mapping[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in asked.items()
    )
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in asked["scope"].split())
    return (
        f"<p><b>{escape(asked['client_id'])}</b> vraagt toegang tot uw administraties:</p><ul>{scopes}</ul>"
        f'<form method="post">{hidden}<button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="refuse">Refuse</button></form>'
    )


def routes(authority: Authority) -> Blueprint:
    """The consent page and the token endpoint."""
    pages = Blueprint("accountview_oauth", __name__)

    @pages.get("/ams/authorize.aspx")
    def ask() -> Response:
        asked = _lowered(request.args)
        mistake = authority.mistake(asked)
        return _page(f"<p>{escape(mistake)}</p>", 400) if mistake else _page(_consent(asked))

    @pages.post("/ams/authorize.aspx")
    def decide() -> Response:
        asked = _lowered(request.form)
        approve = asked.pop("decision", "") == "approve"
        try:
            return Response(status=302, headers={"Location": authority.decide(asked, approve)})
        except ValueError as error:
            return _page(f"<p>{escape(str(error))}</p>", 400)

    @pages.post("/api/v3/token")
    def token() -> tuple[dict[str, Any], int]:
        if request.mimetype != "application/x-www-form-urlencoded":
            return {"error": "invalid_request"}, 400
        try:
            return authority.tokens(request.form), 200
        except OAuthError as error:
            return {"error": error.error}, 400

    return pages
