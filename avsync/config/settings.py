"""The config as values. Attribute names are the YAML keys; secrets stay where they are until `reveal`.

`model` says what may stand in the file and judges it. Whoever only uses a config needs this alone: what judges takes
longer to import than a short command may last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from avsync.config import remembered
from avsync.config.secret import AccountViewSecret, Address, CrafterKey, HomeUnknown, Secret, expanded
from avsync.errors import ConfigError

SYSTEM_WIDE = Path("/etc/avsync/config.yaml")

Overrides = Mapping[str, Mapping[str, Any]]


class Section:
    """A part of the config, made of plain values as JSON has them; nobody may change it."""

    values: Mapping[str, Any]
    _made: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init__(self, values: Mapping[str, Any]) -> None:
        made = {name: make(values[name]) for name, make in self._made.items() if values[name] is not None}
        self.__dict__.update(values, **made, values=values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Section) and type(self) is type(other) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is set by the file alone")


class Flows(Section):
    """Direction per flow: import = AccountView → Crafter, export = Crafter → AccountView."""

    customers: str
    projects: str
    orders: str
    invoice: str
    hours: str


class TimeCodes(Section):
    """AccountView's time codes for werktijd and reistijd."""

    work: str | None
    travel: str | None


def _secret(kind: Callable[..., Secret]) -> Callable[[Mapping[str, str]], Secret]:
    return lambda values: kind(**values)


class AccountViewConfig(Section):
    """How to reach AccountView, and what differs per installation."""

    base_url: str
    authorize_url: str
    client_id: str
    client_secret: Secret
    redirect_uri: str
    pkce: bool
    debtor_account: str | None
    open_project_statuses: list[str]
    book_date: str
    new_project_status: str | None
    concurrency: int
    schema_: Overrides
    _made = {"client_secret": _secret(AccountViewSecret)}

    @property
    def token_url(self) -> str:
        """Where codes and refresh tokens are exchanged (AccountView contract 1)."""
        return self.base_url + "/token"


class CrafterConfig(Section):
    """How to reach Crafter."""

    base_url: str
    api_key: Secret
    concurrency: int
    schema_: Overrides
    _made = {"api_key": _secret(CrafterKey)}


class Timeouts(Section):
    """Seconds for one request: to get a connection, and to wait for an answer."""

    connect: float
    read: float


class Safety(Section):
    """Stop before writing when a run would do implausibly much to the books."""

    max_new: int
    max_share: float


class LogConfig(Section):
    """Where the log goes besides stderr: a file, or the syslog (true: this machine's; else a socket or host:port)."""

    file: Path | None
    syslog: bool | str | None
    format: str
    _made = {"file": Path}

    @property
    def address(self) -> str | tuple[str, int]:
        """The syslog's: a socket, or a host with its port."""
        name = "/dev/log" if self.syslog is True else str(self.syslog)
        host, _, port = name.rpartition(":")
        return (host, int(port)) if host and port.isdigit() and not name.startswith("/") else name


class NotifyConfig(Section):
    """Who is warned, and of what."""

    command: list[str]
    ping_url: Address | None
    urls: list[Address]
    on: list[str]
    _made = {
        "ping_url": _secret(Address),
        "urls": lambda found: [Address(**one) for one in found],
    }


class Config(Section):
    """The whole file. `source` is what the values were made of, while nobody has remembered them (`remembered`)."""

    language: str
    company: str
    start_date: date | None
    flows: Flows
    time_codes: TimeCodes
    default_project_type: str | None
    state_dir: Path
    accountview: AccountViewConfig
    crafter: CrafterConfig
    timeouts: Timeouts
    budget: float
    full_every: float
    settle_grace: float
    safety: Safety
    log: LogConfig | None
    notify: NotifyConfig | None
    metrics_file: Path | None
    report_file: Path | None
    _made = {
        "start_date": date.fromisoformat, "flows": Flows, "time_codes": TimeCodes, "state_dir": Path,
        "accountview": AccountViewConfig, "crafter": CrafterConfig, "timeouts": Timeouts, "safety": Safety,
        "log": LogConfig, "notify": NotifyConfig, "metrics_file": Path, "report_file": Path,
    }  # fmt: skip

    def __init__(self, values: Mapping[str, Any], source: remembered.Source | None = None) -> None:
        super().__init__(values)
        self.__dict__["source"] = source

    source: remembered.Source | None

    @property
    def token_path(self) -> Path:
        """Where the token pair is kept."""
        return self.state_dir / "token.json"


def places(environ: Mapping[str, str]) -> list[Path]:
    """Where a config may stand that nobody points to, the nearest first."""
    found = [Path("config.yaml"), SYSTEM_WIDE]
    with suppress(HomeUnknown):  # then there is no config of one's own
        xdg, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
        own = Path(xdg) if xdg.startswith("/") else expanded(home if home.startswith("/") else "~") / ".config"
        found.insert(1, own / "avsync" / "config.yaml")
    return found


def find(explicit: str | None, environ: Mapping[str, str]) -> Path:
    """The config to use: `-c`, AVSYNC_CONFIG, else the first of `places` that exists; ConfigError("config_nowhere")."""
    given = explicit or environ.get("AVSYNC_CONFIG")
    if given:
        try:
            return expanded(given)
        except HomeUnknown:
            return Path(given)
    looked = places(environ)
    for place in looked:
        if os.path.exists(place):  # in a folder that is closed to us nothing is
            return place
    raise ConfigError("config_nowhere", places=", ".join(map(str, looked)))


def load(path: Path) -> Config:
    """What a config file stands for: as remembered, else read and judged; ConfigError."""
    values = remembered.recall(path)
    if values is not None:
        return Config(values)
    from avsync.config import model

    return model.judged(path)
