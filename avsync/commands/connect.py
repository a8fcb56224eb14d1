"""From config to clients: where tokens on disk, HTTP and the services meet, for every command that needs them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from avsync.config.settings import Config
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.oauth import TokenSource
from avsync.services.accountview.schema import load_schema
from avsync.services.crafter.client import Crafter, Resource
from avsync.services.crafter.client import load_schema as load_crafter_schema
from avsync.services.http import Http
from avsync.state.tokens import TokenFile


def token_source(config: Config) -> TokenSource:
    """AccountView's tokens as the config says where to find and renew them."""
    settings = config.accountview
    return TokenSource(
        TokenFile(config.token_path),
        settings.client_id,
        settings.client_secret,
        settings.token_url,
        timeouts=(config.timeouts.connect, config.timeouts.read),
    )


def accountview(
    config: Config,
    company_id: str = "",
    *,
    pause: Callable[[float], None] = time.sleep,
    time_left: Callable[[], float] = lambda: math.inf,
) -> AccountView:
    """A client for one company; without an id it can only list the companies."""
    settings = config.accountview
    http = Http(
        settings.base_url,
        service="AccountView",
        concurrency=settings.concurrency,
        connect=config.timeouts.connect,
        read=config.timeouts.read,
        pause=pause,
        time_left=time_left,
    )
    return AccountView(http, load_schema(settings.schema_), company_id, auth=token_source(config))


def crafter(
    config: Config,
    *,
    pause: Callable[[float], None] = time.sleep,
    time_left: Callable[[], float] = lambda: math.inf,
) -> Crafter:
    """A client for the account that the API key belongs to; ConfigError("secret_missing") when there is no key."""
    settings = config.crafter
    key = settings.api_key.reveal()
    http = Http(
        settings.base_url,
        service="Crafter",
        concurrency=settings.concurrency,
        connect=config.timeouts.connect,
        read=config.timeouts.read,
        pause=pause,
        time_left=time_left,
    )
    return Crafter(http, load_crafter_schema(settings.schema_), auth=lambda: {"Authorization": f"Bearer {key}"})


def crafter_defaults() -> dict[str, Resource]:
    """Crafter's names without overrides: `/me` may call its features by those."""
    return load_crafter_schema()
