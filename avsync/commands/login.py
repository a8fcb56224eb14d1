"""`avsync login`: a person consents in a browser, avsync keeps the token pair and shows the companies.

Everything that can fail on our side (secret, folder, port) is tried before the person is sent to AccountView.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import select
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from socketserver import TCPServer
from typing import Any, ClassVar, TextIO
from urllib.parse import unquote, unquote_plus, urlsplit

from avsync.config.settings import Config
from avsync.errors import LoginNeeded
from avsync.services.accountview.client import company_code, pick_company
from avsync.state.tokens import TokenFile

PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>avsync</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em;color:#222}}</style>
<h1>avsync</h1><p>{text}</p></html>"""
PAGE_TEXTS = {
    "nl": {
        "done": "Gelukt: AccountView heeft geantwoord. U kunt dit venster sluiten en teruggaan naar de terminal.",
        "failed": "Het aanmelden is niet gelukt. In de terminal staat waarom, en wat u kunt doen.",
        "elsewhere": "Hier is niets te zien; avsync wacht op het antwoord van AccountView.",
    },
    "en": {
        "done": "Done: AccountView has answered. You can close this window and go back to the terminal.",
        "failed": "The login did not succeed. The terminal says why, and what you can do.",
        "elsewhere": "There is nothing to see here; avsync is waiting for AccountView's answer.",
    },
}


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What AccountView put on the redirect; without repr, because `code` is as good as a password."""

    code: str = ""
    state: str = ""
    error: str = ""

    def checked(self, state: str) -> str:
        """The code, when this reply belongs to the login with that state; else LoginNeeded, in the order of blame."""
        if self.error and self.state in ("", state):
            raise LoginNeeded("login_denied", detail=self.error)
        if self.state != state:
            raise LoginNeeded("login_wrong_state")
        if not self.code:
            raise LoginNeeded("login_no_code")
        return self.code


def reply_in(url: str) -> Reply | None:
    """The reply in a redirect address (or its query alone); None when there is none in it.

    The code is decoded once, and a `+` in it stays a plus (AccountView contract 1).
    """
    query = urlsplit(url).query if "?" in url else url
    found: dict[str, str] = {}
    for pair in query.partition("#")[0].split("&"):
        name, _, value = pair.partition("=")
        found.setdefault(unquote_plus(name), value)
    if not found.keys() & {"code", "state", "error"}:
        return None
    error = unquote_plus(found.get("error", ""))
    if not error.replace("_", "").isalnum():
        error = "error" if error else ""
    return Reply(unquote(found.get("code", "")), unquote(found.get("state", "")), error[:60])


class Listener:
    """Listens while the `with` block lasts; replies arrive in `replies`.

    `localhost` is listened to on IPv4 and, where the machine has it, IPv6: browsers differ in what they try first.
    Errors: LoginNeeded("login_port_in_use" | "login_cannot_listen").
    """

    def __init__(self, redirect_uri: str, state: str, language: str) -> None:
        parts = urlsplit(redirect_uri)
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self._servers: list[ThreadingHTTPServer] = []
        host, port = parts.hostname or "", parts.port or 0
        handler = _handler(parts.path or "/", state, language, self.replies)
        try:
            for number, address in enumerate(["127.0.0.1", "::1"] if host == "localhost" else [host]):
                self._listen(address, port, handler, optional=number > 0)
        except LoginNeeded:
            self._close()
            raise

    def _listen(self, address: str, port: int, handler: type[BaseHTTPRequestHandler], *, optional: bool) -> None:
        kind = _Server6 if ":" in address else _Server
        try:
            server = kind((address, port), handler)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise LoginNeeded("login_port_in_use", host=address, port=port) from None
            if optional:
                return
            raise LoginNeeded("login_cannot_listen", host=address, port=port, detail=exc.strerror or str(exc)) from None
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="login").start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of our own name, which waits for a name server."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no event; the standard traceback would show the request."""


class _Server6(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def _handler(path: str, state: str, language: str, replies: SimpleQueue[Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.path_awaited, Handler.state, Handler.replies, Handler.texts = path, state, replies, PAGE_TEXTS[language]
    Handler.language = language
    return Handler


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    server_version = "avsync"
    sys_version = ""
    path_awaited: ClassVar[str]
    state: ClassVar[str]
    language: ClassVar[str]
    texts: ClassVar[dict[str, str]]
    replies: ClassVar[SimpleQueue[Reply]]

    def do_GET(self) -> None:  # noqa: N802 - the name http.server asks for
        """The redirect, or something a browser asks besides."""
        parts = urlsplit(self.path)
        reply = reply_in("?" + parts.query) if (parts.path or "/") == self.path_awaited else None
        if reply is None:
            self._page(404, "elsewhere")
            return
        try:
            self._show(reply)
        finally:
            self.replies.put(reply)

    def _show(self, reply: Reply) -> None:
        try:
            reply.checked(self.state)
        except LoginNeeded:
            self._page(400, "failed")
        else:
            self._page(200, "done")

    def _page(self, status: int, text: str) -> None:
        body = PAGE.format(language=self.language, text=self.texts[text]).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives
        """Stay silent: the request line holds the code."""


POLL = 0.2  # seconds between two looks at the listener and at stdin

TEXTS = {
    "nl": {
        "open": "Open dit adres in een browser en meld u aan bij AccountView:",
        "paste": "Eindigt de browser op een pagina die niet laadt? Plak hier het volledige adres uit de adresbalk:",
        "not_an_answer": "Daarin staat geen antwoord van AccountView; plak het volledige adres uit de adresbalk:",
        "saved": "De aanmelding is bewaard in {path}.",
        "companies": "Administraties die u ziet:",
        "chosen": "avsync werkt met {code} ({name}).",
        "headers": "Code|Omschrijving",
    },
    "en": {
        "open": "Open this address in a browser and log in to AccountView:",
        "paste": "Does the browser end on a page that does not load? Paste the full address from the address bar here:",
        "not_an_answer": "There is no answer from AccountView in that; paste the full address from the address bar:",
        "saved": "The login was saved in {path}.",
        "companies": "Companies that you can see:",
        "chosen": "avsync works with {code} ({name}).",
        "headers": "Code|Description",
    },
}


def open_in_browser(url: str) -> bool:
    """Open a graphical browser if there is one; a text browser would take over the terminal."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        return False
    return webbrowser.open(url)


def run(
    config: Config,
    *,
    no_browser: bool,
    stdin: TextIO,
    echo: Callable[[str], None],
    open_browser: Callable[[str], Any] = open_in_browser,
    timeout: float = 300,
) -> None:
    """Log in, save the token pair, list the companies and say which one the config names.

    The pair is saved before anything else is asked with it. Errors: LoginNeeded for whatever a person can do over,
    ConfigError("company_unknown"), TryLater when AccountView does not answer.
    """
    from avsync.services.accountview.grant import authorization_url

    texts, settings = TEXTS[config.language], config.accountview
    secret = settings.client_secret.reveal()
    tokens = TokenFile(config.token_path)
    tokens.check_writable()
    state = secrets.token_urlsafe(32)
    url = authorization_url(settings.authorize_url, settings.client_id, settings.redirect_uri, state)
    with _listening(config, state, may_paste=no_browser) as listener:
        echo(texts["open"])
        echo(url)
        if no_browser:
            echo(texts["paste"])
        else:
            with suppress(webbrowser.Error, OSError):
                open_browser(url)
        reply = _wait(listener, _Pasted(stdin, echo, texts["not_an_answer"]) if no_browser else None, timeout)
    _exchange(config, reply.checked(state), secret, tokens)
    echo(texts["saved"].format(path=config.token_path))
    _show_companies(config, echo)


def _exchange(config: Config, code: str, secret: str, tokens: TokenFile) -> None:
    """The code for a token pair, which is on disk when this returns."""
    from avsync.services.accountview.grant import InvalidGrant, TokenService

    settings, timeouts = config.accountview, (config.timeouts.connect, config.timeouts.read)
    with tokens.lock():
        try:
            token = TokenService(settings.token_url, settings.client_id, secret, timeouts).exchange(
                code, settings.redirect_uri
            )
        except InvalidGrant:
            raise LoginNeeded("login_code_refused") from None
        tokens.save(token)


@contextmanager
def _listening(config: Config, state: str, *, may_paste: bool) -> Iterator[Listener | None]:
    """The listener; None when its port is taken and the address can be pasted instead."""
    try:
        listener = Listener(config.accountview.redirect_uri, state, config.language)
    except LoginNeeded:
        if not may_paste:
            raise
        yield None
    else:
        with listener:
            yield listener


def _wait(listener: Listener | None, pasted: _Pasted | None, timeout: float) -> Reply:
    """The first reply from either side; LoginNeeded("login_timeout" | "login_no_answer")."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if pasted is not None and (reply := pasted.next()):
            return reply
        if listener is None:
            if pasted is None or pasted.ended:
                raise LoginNeeded("login_no_answer")
            time.sleep(POLL)
            continue
        with suppress(Empty):
            return listener.replies.get(timeout=max(0.01, min(POLL, end - time.monotonic())))
    raise LoginNeeded("login_timeout", seconds=round(timeout))


class _Pasted:
    """Addresses pasted on stdin, read without ever blocking: a reading thread could not be ended."""

    def __init__(self, stdin: TextIO, echo: Callable[[str], None], hint: str) -> None:
        self.ended = False
        self._stdin, self._echo, self._hint = stdin, echo, hint
        self._buffer = b""
        try:
            self._handle: int | None = stdin.fileno()
        except (AttributeError, io.UnsupportedOperation, ValueError):
            self._handle = None

    def next(self) -> Reply | None:
        """The reply in the lines that have come in since the last look, if there is one."""
        for line in self._lines():
            if reply := reply_in(line.strip()):
                return reply
            if line.strip():
                self._echo(self._hint)
        return None

    def _lines(self) -> list[str]:
        if self.ended:
            return []
        if self._handle is None:
            line = self._stdin.readline()
            self.ended = not line
            return [line]
        if not select.select([self._handle], [], [], 0)[0]:
            return []
        chunk = os.read(self._handle, 65_536)
        self.ended = not chunk
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if self.ended:
            lines.append(self._buffer)
        return [line.decode("utf-8", "replace") for line in lines]


def _show_companies(config: Config, echo: Callable[[str], None]) -> None:
    from tabulate import tabulate

    from avsync.commands import connect

    texts = TEXTS[config.language]
    companies = connect.accountview(config).companies()
    if companies:
        rows = [(company_code(one), str(one.get("Description") or "").strip()) for one in companies]
        echo(texts["companies"])
        echo(tabulate(sorted(rows), headers=texts["headers"].split("|"), disable_numparse=True))
    chosen = pick_company(companies, config.company)
    echo(texts["chosen"].format(code=company_code(chosen), name=str(chosen.get("Description") or "").strip()))
