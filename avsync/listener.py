"""The loopback end of `avsync login`: waits for the browser to come back with AccountView's answer.

Only loopback addresses are bound, only the redirect path counts, and what a browser asks besides (favicon, a probe) is
answered and forgotten. Nothing is logged: the request line holds the code.
"""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from socketserver import TCPServer
from typing import Any, ClassVar
from urllib.parse import unquote, unquote_plus, urlsplit

from avsync.errors import LoginNeeded

PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>avsync</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em;color:#222}}</style>
<h1>avsync</h1><p>{text}</p></html>"""
TEXTS = {
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

    The code is decoded once, and a `+` in it stays a plus (contracts/accountview.md 1).
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

    Handler.path_awaited, Handler.state, Handler.replies, Handler.texts = path, state, replies, TEXTS[language]
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
