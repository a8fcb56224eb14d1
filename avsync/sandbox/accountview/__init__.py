"""The AccountView half of the sandbox: speaks the Web API of the AccountView contract over rows in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.http import http_date

from avsync.sandbox.accountview import data, metadata, oauth
from avsync.sandbox.accountview.store import AccountViewStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _App(Flask):
    """Takes the API's paths in any case (AccountView contract 3)."""

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].lower()
        if path.startswith(("/api/", "/ams/")):
            environ["PATH_INFO"] = path
        return super().wsgi_app(environ, start_response)


def create_app(store: AccountViewStore, authority: oauth.Authority) -> Flask:
    """The web application of one AccountView."""
    app = _App("accountview_sandbox", static_folder=None)
    app.register_blueprint(oauth.routes(authority))
    api = data.guarded(store, authority)
    data.add_routes(api, store)
    metadata.add_routes(api, store)
    app.register_blueprint(api)

    @app.after_request
    def date(response: Response) -> Response:
        if store.options.date_header:
            response.headers["Date"] = http_date(store.clock())
        return response

    return app
