"""`avsync login`: a person consents in a browser, avsync keeps the token pair and shows the companies.

Everything that can fail on our side (secret, folder, port) is tried before the person is sent to AccountView.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import select
import socket
import sys
import termios
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from socketserver import TCPServer
from typing import Any, TextIO
from urllib.parse import parse_qsl, urlsplit

from tabulate import tabulate

from avsync.commands import connect
from avsync.config.settings import Config
from avsync.errors import AvsyncError, LoginNeeded, TryLater
from avsync.messages.texts import phrase
from avsync.records.values import format_utc
from avsync.services.accountview.client import company_code, pick_company
from avsync.services.accountview.grant import InvalidGrant, TokenService, authorization_url
from avsync.state.db import FILE_NAME, in_words, open_for_writing
from avsync.state.folder import claim
from avsync.state.incidents import LOGIN, Moment
from avsync.state.store import Store
from avsync.state.tokens import TokenFile

PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>avsync</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em;color:#222}}</style>
<h1>avsync</h1><p>{text}</p></html>"""
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}
POLL = 0.2  # seconds between two looks at the listener and at stdin


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What AccountView put on the redirect; without repr, because `code` is as good as a password."""

    code: str = ""
    state: str = ""
    error: str = ""

    def checked(self, state: str) -> str:
        """The code, when this reply belongs to the login with that state; else LoginNeeded, in the order of blame."""
        if self.state != state:
            raise LoginNeeded("login_wrong_state")
        if self.error:
            raise LoginNeeded("login_denied", detail=self.error)
        if not self.code:
            raise LoginNeeded("login_no_code")
        return self.code


def reply_in(url: str) -> Reply | None:
    """The reply in a redirect address (or its query alone); None when there is none in it.

    The code is decoded once, and a `+` in it stays a plus (AccountView contract 1).
    """
    address, _, query = url.partition("#")[0].partition("?")
    pairs = parse_qsl((query or address).replace("+", "%2B"), keep_blank_values=True)
    found = dict(reversed(pairs))  # of two with one name the first counts
    if not found.keys() & {"code", "state", "error"}:
        return None
    error = found.get("error", "")
    if not error.replace("_", "").isalnum():
        error = "error" if error else ""
    return Reply(found.get("code", ""), found.get("state", ""), error[:60])


class Listener:
    """Listens while the `with` block lasts; replies arrive in `replies`.

    `localhost` is listened to on IPv4 and, where the machine has it, IPv6: browsers differ in what they try first.
    Errors: LoginNeeded("login_port_in_use" | "login_cannot_listen").
    """

    def __init__(self, redirect_uri: str, state: str, language: str) -> None:
        parts = urlsplit(redirect_uri)
        self.path, self.state, self.language = parts.path or "/", state, language
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self._servers: list[_Server] = []
        host, port = parts.hostname or "", parts.port or 0
        try:
            for number, address in enumerate(["127.0.0.1", "::1"] if host == "localhost" else [host]):
                self._listen(address, port, optional=number > 0)
        except LoginNeeded:
            self.close()
            raise

    def _listen(self, address: str, port: int, *, optional: bool) -> None:
        try:
            server = _Server(address, port, self)
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
        self.close()

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int, listener: Listener) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = listener
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """One protocol, and without HTTPServer's look-up of our own name, which waits for a name server."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no event; the standard traceback would show the request."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    server_version = "avsync"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - the name http.server asks for
        """The redirect, or something a browser asks besides."""
        listener, parts = self.server.listener, urlsplit(self.path)
        reply = reply_in("?" + parts.query) if (parts.path or "/") == listener.path else None
        if reply is None:
            self._page(404, "elsewhere")
            return
        if reply.state != listener.state:  # of another login, or of somebody who wants to end this one
            self._page(400, "stray")
            return
        try:
            self._page(*((200, "done") if reply.code and not reply.error else (400, "failed")))
        finally:
            listener.replies.put(reply)

    def _page(self, status: int, name: str) -> None:
        language = self.server.listener.language
        body = PAGE.format(language=language, text=phrase("login", f"page_{name}", language)).encode()
        self.send_response(status)
        for header, value in PAGE_HEADERS.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives
        """Stay silent: the request line holds the code."""


def has_display() -> bool:
    """Whether a graphical browser can be opened here; a text browser would take over the terminal."""
    return sys.platform != "linux" or any(os.environ.get(one) for one in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_in_browser(url: str) -> bool:
    """Open a graphical browser if there is one."""
    return has_display() and webbrowser.open(url)


def _is_terminal(stdin: TextIO | None) -> bool:
    try:
        return stdin is not None and stdin.isatty()
    except ValueError:  # closed
        return False


def run(
    config: Config,
    *,
    no_browser: bool,
    stdin: TextIO | None,
    echo: Callable[[str], None],
    pkce: bool = False,
    open_browser: Callable[[str], Any] = open_in_browser,
    timeout: float = 300,
) -> tuple[str, str]:
    """Log in, list the companies and say which one the config names; returns its code and name.

    Errors: those of `log_in`, ConfigError("company_unknown").
    """
    log_in(config, no_browser=no_browser, pkce=pkce, stdin=stdin, echo=echo, open_browser=open_browser,
           timeout=timeout)  # fmt: skip
    companies = connect.accountview(config).companies()
    show_companies(companies, config.language, echo)
    _remember(config)
    code, name = _named(pick_company(companies, config.company))
    echo(phrase("login", "chosen", config.language, code=code, name=name))
    return code, name


def _remember(config: Config) -> None:
    """AccountView took the login, so one that was lost is there again; the next run says so. A state that cannot be
    opened shows then."""
    if (config.state_dir / FILE_NAME).exists():
        with suppress(AvsyncError), in_words(config.state_dir):
            store = Store(open_for_writing(config.state_dir))
            with store.transaction():
                lost = [one for one in store.incidents.open() if (one.sort, one.service) == (LOGIN, "AccountView")]
                store.incidents.end(lost, Moment(format_utc(datetime.now(UTC))))
            store.close()


def show_companies(companies: list[dict[str, Any]], language: str, echo: Callable[[str], None]) -> None:
    """A table of what the user may enter, nothing when that is nothing."""
    if companies:
        echo(phrase("login", "companies", language))
        headers = [phrase("login", name, language) for name in ("code", "description")]
        echo(tabulate(sorted(map(_named, companies)), headers=headers, disable_numparse=True))


def log_in(
    config: Config,
    *,
    no_browser: bool,
    stdin: TextIO | None,
    echo: Callable[[str], None],
    pkce: bool = False,
    open_browser: Callable[[str], Any] = open_in_browser,
    timeout: float = 300,
) -> None:
    """Send a person to AccountView and save the token pair that comes of it; `pkce`: with proof of who asked.

    Errors: LoginNeeded for whatever a person can do over, TryLater when AccountView does not answer.
    """

    def say(name: str, /, **params: object) -> None:
        echo(phrase("login", name, config.language, **params))

    claim(config.state_dir)
    settings = config.accountview
    secret = settings.client_secret.reveal()
    connect.accountview(config)  # a proxy or certificates that cannot be used show here
    tokens = TokenFile(config.token_path)
    tokens.check_writable()
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(64) if pkce or settings.pkce else None
    url = authorization_url(settings.authorize_url, settings.client_id, settings.redirect_uri, state, verifier)
    may_paste = no_browser or (_is_terminal(stdin) and not has_display())
    with _listening(config, state, may_paste=may_paste) as listener:
        say("open")
        echo(url)
        if not no_browser:
            with suppress(webbrowser.Error, OSError):
                open_browser(url)
        if may_paste:
            say("paste")
            with _long_lines(stdin):
                reply = _wait(listener, _Pasted(stdin, state, say), timeout)
        else:
            reply = _wait(listener, None, timeout)
    _exchange(config, reply.checked(state), secret, tokens, verifier)
    say("saved", path=config.token_path)


def log_out(config: Config, *, echo: Callable[[str], None]) -> None:
    """Delete the token pair; PersonMustLook when it cannot be."""
    claim(config.state_dir)
    deleted = TokenFile(config.token_path).delete()
    echo(phrase("login", "logged_out" if deleted else "not_logged_in", config.language))


def _exchange(config: Config, code: str, secret: str, tokens: TokenFile, verifier: str | None) -> None:
    """The code for a token pair, which is on disk when this returns."""
    settings, timeouts = config.accountview, (config.timeouts.connect, config.timeouts.read)
    service = TokenService(settings.token_url, settings.client_id, secret, timeouts)
    with tokens.lock():
        try:
            tokens.save(service.exchange(code, settings.redirect_uri, verifier))
        except InvalidGrant:
            raise LoginNeeded("login_code_refused") from None
        except TryLater as error:  # the code was good for this once
            if error.code != "token_service_down":
                raise
            raise TryLater("login_not_finished", **error.params) from None


def _named(one: Mapping[str, Any]) -> tuple[str, str]:
    return company_code(one), str(one.get("Description") or "").strip()


def _listening(config: Config, state: str, *, may_paste: bool) -> AbstractContextManager[Listener | None]:
    """The listener; without one when its port is taken and the address can be pasted instead."""
    try:
        return Listener(config.accountview.redirect_uri, state, config.language)
    except LoginNeeded:
        if not may_paste:
            raise
        return nullcontext()


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


@contextmanager
def _long_lines(stdin: TextIO | None) -> Iterator[None]:
    """While inside, a terminal hands on what is typed at once: a line that it edits itself ends after 4095
    characters, and a redirect address may be longer."""
    if not _is_terminal(stdin) or stdin is None:
        yield
        return
    handle = stdin.fileno()
    try:
        before = termios.tcgetattr(handle)
        changed = [*before[:3], before[3] & ~termios.ICANON, *before[4:]]
        termios.tcsetattr(handle, termios.TCSANOW, changed)
    except (termios.error, OSError):
        yield
        return
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSANOW, before)


_END, _RUBOUT = b"\x04", re.compile(rb"[^\n\x7f\x08][\x7f\x08]")


def _edited(typed: bytes) -> bytes:
    """What a terminal would make of the few keys that edit a line."""
    while (shorter := _RUBOUT.sub(b"", typed)) != typed:
        typed = shorter
    return typed.replace(_END, b"")


class _Pasted:
    """Addresses pasted on stdin, read without ever blocking: a reading thread could not be ended."""

    def __init__(self, stdin: TextIO | None, state: str, say: Callable[[str], None]) -> None:
        self.ended = False
        self._state, self._say = state, say
        self._handle, self._buffer = -1, b""
        try:
            self._handle = stdin.fileno() if stdin else -1
        except (AttributeError, OSError, ValueError):  # closed or in memory, so there is nothing to wait for
            with suppress(OSError, ValueError):
                self._buffer = stdin.read().encode() if stdin else b""

    def next(self) -> Reply | None:
        """The reply in the lines that have come in since the last look, if there is one."""
        for line in self._lines():
            reply = reply_in(line.strip())
            if reply is not None and reply.state == self._state:
                return reply
            if line.strip():
                self._say("not_an_answer" if reply is None else "another_login")
        return None

    def _lines(self) -> list[str]:
        if self.ended or (self._handle >= 0 and not select.select([self._handle], [], [], 0)[0]):
            return []
        chunk = os.read(self._handle, 65_536) if self._handle >= 0 else b""
        self.ended = not chunk or _END in chunk
        *lines, self._buffer = _edited(self._buffer + chunk).split(b"\n")
        if self.ended:
            lines.append(self._buffer)
        return [line.decode("utf-8", "replace") for line in lines]
