"""From config to clients: where tokens on disk, HTTP and the services meet, for every command that needs them.

`pause` sleeps between two attempts, `time_left` gives the seconds that a run still has, `ticks` counts seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from avsync.config.settings import AccountViewConfig, Config, CrafterConfig
from avsync.services.accountview.client import AccountView, pick_company
from avsync.services.accountview.oauth import TokenSource
from avsync.services.accountview.schema import load_schema
from avsync.services.crafter.client import Crafter
from avsync.services.crafter.client import load_schema as load_crafter_schema
from avsync.services.http import Http
from avsync.state.tokens import TokenFile

Pause = Callable[[float], None]
TimeLeft = Callable[[], float]
Ticks = Callable[[], float]


def endless() -> float:
    """The time left where nothing limits it."""
    return math.inf


def token_source(config: Config) -> TokenSource:
    """AccountView's tokens as the config says where to find and renew them."""
    settings, timeouts = config.accountview, (config.timeouts.connect, config.timeouts.read)
    file = TokenFile(config.token_path)
    return TokenSource(file, settings.client_id, settings.client_secret, settings.token_url, timeouts=timeouts)


def accountview(
    config: Config,
    company_id: str = "",
    *,
    pause: Pause = time.sleep,
    time_left: TimeLeft = endless,
    ticks: Ticks = time.monotonic,
) -> AccountView:
    """A client for one company; without an id it can only list the companies."""
    http = _http("AccountView", config.accountview, config, pause, time_left, ticks)
    return AccountView(http, load_schema(config.accountview.schema_), company_id, auth=token_source(config),
                       book_date=config.accountview.book_date)  # fmt: skip


def company(config: Config) -> AccountView:
    """A client for the company that the config names; ConfigError("company_unknown"), LoginNeeded("no_companies")."""
    token_source(config).access_token()
    chosen = pick_company(accountview(config).companies(), config.company)
    return accountview(config, str(chosen["Id"]))


def crafter(
    config: Config, *, pause: Pause = time.sleep, time_left: TimeLeft = endless, ticks: Ticks = time.monotonic
) -> Crafter:
    """A client for the account that the API key belongs to; ConfigError("secret_missing") when there is no key."""
    key = config.crafter.api_key.reveal()
    http = _http("Crafter", config.crafter, config, pause, time_left, ticks)
    schema = load_crafter_schema(config.crafter.schema_)
    return Crafter(http, schema, auth=lambda: {"Authorization": f"Bearer {key}"})


def _http(
    service: str,
    settings: AccountViewConfig | CrafterConfig,
    config: Config,
    pause: Pause,
    time_left: TimeLeft,
    ticks: Ticks,
) -> Http:
    return Http(
        settings.base_url, service=service, concurrency=settings.concurrency, connect=config.timeouts.connect,
        read=config.timeouts.read, pause=pause, time_left=time_left, ticks=ticks,
    )  # fmt: skip
