"""`avsync login`: a person consents in a browser, avsync keeps the token pair and shows the companies.

Everything that can fail on our side (secret, folder, port) is tried before the person is sent to AccountView.
"""

from __future__ import annotations

import io
import os
import secrets
import select
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty
from typing import Any, TextIO

from avsync import company
from avsync.config import Config
from avsync.errors import LoginNeeded
from avsync.listener import Listener, Reply, reply_in
from avsync.state.tokens import TokenFile

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

    from avsync import connect

    texts = TEXTS[config.language]
    companies = connect.accountview(config).companies()
    if companies:
        rows = [(company.code_of(one), str(one.get("Description") or "").strip()) for one in companies]
        echo(texts["companies"])
        echo(tabulate(sorted(rows), headers=texts["headers"].split("|"), disable_numparse=True))
    chosen = company.pick(companies, config.company)
    echo(texts["chosen"].format(code=company.code_of(chosen), name=str(chosen.get("Description") or "").strip()))
