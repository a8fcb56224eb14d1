"""The sandbox as a whole: both services on loopback ports, in threads of this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode

from flask import Blueprint, Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher, WSGITask

from avsync.sandbox import accountview, control, pages
from avsync.sandbox.accountview.oauth import Authority
from avsync.sandbox.accountview.options import Options, habits
from avsync.sandbox.accountview.store import AccountViewStore
from avsync.sandbox.crafter import create_app as create_crafter
from avsync.sandbox.crafter_fields import RESOURCES
from avsync.sandbox.crafter_store import CrafterStore
from avsync.sandbox.direct import call
from avsync.sandbox.faults import DroppedError, Faults, Request, WsgiApp, is_api

_THREADS = 16
_QUIET = {"waitress": logging.ERROR, "waitress.queue": logging.ERROR}


class World(Protocol):
    """What fills the two stores at the start."""

    def fill(self, box: Any) -> None: ...


class _Task(WSGITask):  # type: ignore[misc]
    """Closes the connection when the fault script asks for it, where waitress would send a 500; adds no clock of its
    own to an answer that tells none."""

    def build_response_header(self) -> bytes:
        told = any(name.lower() == "date" for name, _ in self.response_headers)
        lines: list[bytes] = super().build_response_header().split(b"\r\n")
        return b"\r\n".join(line for line in lines if told or not line.lower().startswith(b"date:"))

    def service(self) -> None:
        try:
            super().service()
        except DroppedError:
            self.close_on_finish = True


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class = _Task


class _Workers(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that start with the first request: most sandboxes of a test never get one."""

    def add_task(self, task: Any) -> None:
        if not self.threads:
            self.set_thread_count(_THREADS)
        super().add_task(task)


class _Site:
    """One side: its API, and on the first request for a page also its pages, which take long to set up."""

    def __init__(self, api: Callable[[], Flask], blueprints: Callable[[], Iterable[Blueprint]]) -> None:
        self._make, self._blueprints, self._mutex = api, blueprints, threading.Lock()
        self._api = api()
        self._all: Flask | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        app = self._api if is_api(environ["PATH_INFO"]) else self._with_pages()
        return app.wsgi_app(environ, start_response)

    def _with_pages(self) -> Flask:
        with self._mutex:
            if self._all is None:
                self._all = self._make()
                for blueprint in self._blueprints():
                    self._all.register_blueprint(blueprint)
            return self._all


class _Service:
    """One web server with keep-alive in a thread of its own."""

    def __init__(self, app: WsgiApp, port: int) -> None:
        self._map: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._map,
            host="127.0.0.1",
            port=port,
            _dispatcher=_Workers(),
            connection_limit=1000,
            log_socket_errors=False,
            ident="sandbox",
        )
        self._server.channel_class = _Channel
        self.port: int = self._server.socket.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{self.port}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        if self._thread.is_alive():
            self._server.pull_trigger()
            self._thread.join()
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def _run(self) -> None:
        while not self._stopping:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)


class Sandbox:
    """AccountView and Crafter on loopback, empty or filled with a world.

    `options` are those of `accountview.options.Options`; `faults` are rules as `Faults.add` takes them. A port of 0 is
    any free one. Both ports listen once the constructor is done, and answer between `start` and `stop`.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        latency: float = 0.0,
        accountview_port: int = 0,
        crafter_port: int = 0,
        faults: Iterable[Mapping[str, Any]] = (),
        **options: Any,
    ) -> None:
        for name, level in _QUIET.items():
            logging.getLogger(name).setLevel(level)
        if options.get("like") is not None:
            options = habits(options["like"]) | options
        self.options = Options(**options)
        self.accountview = AccountViewStore(self.options)
        self.crafter = CrafterStore()
        self.authority = Authority(self.options)
        self.faults = Faults(latency)
        self.faults.extend(faults)
        if world:
            world.fill(self)
        sites = {
            "accountview": _Site(
                lambda: accountview.create_app(self.accountview, self.authority),
                lambda: (control.routes(self), pages.accountview_pages(self)),
            ),
            "crafter": _Site(
                lambda: create_crafter(self.crafter), lambda: (control.routes(self), pages.crafter_pages(self))
            ),
        }
        ports = {"accountview": accountview_port, "crafter": crafter_port}
        self._apps = {side: self.faults.wrap(side, site) for side, site in sites.items()}
        self._services = {side: _Service(app, ports[side]) for side, app in self._apps.items()}

    def start(self) -> None:
        """Answer requests from now on."""
        for service in self._services.values():
            service.start()

    def stop(self) -> None:
        """Close both ports and end all threads."""
        self.faults.stop()
        for service in self._services.values():
            service.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(
        self, side: str, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer a request without any socket: status, headers, body. DroppedError where a connection would drop."""
        return call(self._apps[side], self.port(side), method, target, headers, body or b"")

    def port(self, side: str) -> int:
        """The port a side listens on."""
        return self._services[side].port

    def home(self, side: str) -> str:
        """The address of a side's web pages."""
        return f"http://127.0.0.1:{self.port(side)}"

    @property
    def accountview_url(self) -> str:
        return f"{self.home('accountview')}/api/v3"

    @property
    def authorize_url(self) -> str:
        return f"{self.home('accountview')}/ams/authorize.aspx"

    @property
    def crafter_url(self) -> str:
        return f"{self.home('crafter')}/api/v1"

    @property
    def client_id(self) -> str:
        return self.authority.client_id

    @property
    def client_secret(self) -> str:
        return self.authority.client_secret

    @property
    def company(self) -> str:
        """The Code of the administration that holds the data."""
        return self.options.companies[0]["Code"]

    @property
    def company_id(self) -> str:
        """Its Id, as the x-company header takes it."""
        return self.options.companies[0]["Id"]

    @property
    def api_key(self) -> str:
        return self.crafter.api_key

    @property
    def requests(self) -> list[Request]:
        """The request log; `.clear()` empties it."""
        return self.faults.requests

    @property
    def token_lifetime(self) -> int:
        """Seconds that a token given out from now on is valid."""
        return self.options.token_lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: int) -> None:
        self.options.token_lifetime = seconds

    @property
    def token_refreshes(self) -> int:
        """How often a refresh token was traded for a new pair."""
        return self.authority.refreshes

    def grant(self) -> dict[str, Any]:
        """A valid token (with `expires_at`), as if a person had consented."""
        return self.authority.grant()

    def expire_tokens(self) -> None:
        """Let every access token expire; refresh tokens stay good."""
        self.authority.expire()

    def revoke_tokens(self) -> None:
        """Let every token and refresh token die, so that a person must log in again."""
        self.authority.revoke()

    def approve(self, url: str, decision: str = "approve") -> str:
        """Decide on an authorise URL without a browser; the redirect. ValueError when the request is wrong."""
        return self.authority.decide_url(url, decision == "approve")

    def login_url(self, redirect_uri: str, state: str = "s") -> str:
        """An authorise URL as a client would make it."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": "readaccountviewdata updateaccountviewdata",
            "state": state,
        }
        return f"{self.authorize_url}?{urlencode(query)}"

    def state(self) -> dict[str, Any]:
        """Everything in both stores, and the number of requests and refreshes so far."""
        return {
            "accountview": {name: self.accountview.rows(name) for name in self.accountview.tables},
            "crafter": {name: self.crafter.records(name) for name in RESOURCES}
            | {"timeline": list(self.crafter.timeline)},
            "requests": len(self.requests),
            "token_refreshes": self.token_refreshes,
        }
