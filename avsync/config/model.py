"""What may stand in the config file: every mistake at once, with its path and what is allowed there.

Attribute names are the YAML keys; `settings` has the same ones, for all who only use a config that was judged.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from avsync.config import remembered, settings
from avsync.config.mistakes import explain, keys_of, language_of, read
from avsync.config.secret import HomeUnknown, expanded
from avsync.errors import ConfigError
from avsync.services.urls import problem_with_redirect, problem_with_url


class Section(BaseModel):
    """A part of the config: unknown keys are errors, and a key with nothing behind it counts as not set."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = keys_of(cls)
        return {key: value for key, value in data.items() if value is not None or key not in known}


def _plain_date(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value.strip())
    if isinstance(value, datetime) or not isinstance(value, date):
        raise PydanticCustomError("date_type", "not a date")
    return value


def _url(value: str) -> str:
    if problem := problem_with_url(value):
        raise PydanticCustomError(problem, "url")
    return value.rstrip("/")


def _redirect(value: str) -> str:
    if problem := problem_with_redirect(value):
        raise PydanticCustomError(problem, "redirect")
    return value  # byte-identical in both legs (AccountView contract 1)


def _words(value: Any) -> Any:
    """A command, as the words that it consists of."""
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value) or value
    except ValueError:
        raise PydanticCustomError("secret_command", "cannot be split into words") from None


def _folder(value: Any, info: pydantic.ValidationInfo) -> Any:
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("path_type", "not a path")
    try:
        return (info.context or {}).get("folder", Path()) / expanded(value)
    except HomeUnknown:
        raise PydanticCustomError("home_unknown", "no home") from None


Text = Annotated[str, Field(min_length=1)]
Code = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
PlainDate = Annotated[date, BeforeValidator(_plain_date)]
Url = Annotated[str, AfterValidator(_url)]
Redirect = Annotated[str, AfterValidator(_redirect)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]
Off = BeforeValidator(lambda value: "off" if value is False else value)  # YAML reads a bare off as false
Both = Annotated[Literal["off", "import", "export", "both"], Off]
OneWay = Annotated[Literal["off", "import", "export"], Off]
Export = Annotated[Literal["off", "export"], Off]
Overrides = dict[str, dict[str, Any]]


class Secret(BaseModel):
    """Exactly one of an environment variable, a file or a command; a relative file is beside the config."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    is_secret: ClassVar[bool] = True
    env: Text | None = None
    file: Text | None = None
    command: Text | None = None

    @field_validator("file")
    @classmethod
    def _absolute(cls, file: str | None, info: pydantic.ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder", Path())
        try:
            return None if file is None else str(folder / expanded(file))
        except HomeUnknown:
            raise PydanticCustomError("home_unknown", "no home") from None

    @field_validator("command")
    @classmethod
    def _splits(cls, command: str | None) -> str | None:
        try:
            if command is not None and not shlex.split(command):
                raise ValueError
        except ValueError:
            raise PydanticCustomError("secret_command", "cannot be split into words") from None
        return command

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if [self.env, self.file, self.command].count(None) != 2:
            raise PydanticCustomError("secret_form", "exactly one source")
        return self


class Address(Secret):
    """Where somebody is warned. It may hold a password, so it stands in the config itself only where it need not be
    kept secret."""

    plain: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: object) -> object:
        return {"plain": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> Address:
        if [self.plain, self.env, self.file, self.command].count(None) != 3:
            raise PydanticCustomError("secret_form", "exactly one source")
        return self


class Flows(Section):
    """Direction per flow: import = AccountView → Crafter, export = Crafter → AccountView."""

    customers: Both = "off"
    projects: OneWay = "off"
    orders: Both = "off"
    invoice: Export = "off"
    hours: Export = "off"


class TimeCodes(Section):
    """AccountView's time codes for werktijd and reistijd."""

    work: Code | None = None
    travel: Code | None = None


class AccountViewConfig(Section):
    """How to reach AccountView, and what differs per installation."""

    base_url: Url = "https://www.accountview.net/api/v3"
    authorize_url: Url = "https://www.accountview.net/ams/authorize.aspx"
    client_id: Code
    client_secret: Secret
    redirect_uri: Redirect = "http://localhost:8765/callback"
    pkce: bool = False
    debtor_account: Code | None = None
    open_project_statuses: list[Code] = []
    book_date: Literal["record", "today", "none"] = "record"
    new_project_status: Code | None = None
    concurrency: Annotated[int, Field(ge=1, le=16)] = 2
    schema_: Overrides = Field(default={}, alias="schema")


class CrafterConfig(Section):
    """How to reach Crafter."""

    base_url: Url
    api_key: Secret
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    schema_: Overrides = Field(default={}, alias="schema")


class Timeouts(Section):
    """Seconds for one request: to get a connection, and to wait for an answer."""

    connect: Seconds = 10.0
    read: Seconds = 90.0


class Safety(Section):
    """Stop before writing when a run would do implausibly much to the books."""

    max_new: Annotated[int, Field(ge=0)] = 500
    max_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.3


class LogConfig(Section):
    """Where the log goes besides stderr: a file, or the syslog (true: this machine's; else a socket or host:port)."""

    file: Folder | None = None
    syslog: bool | Code | None = None
    format: Literal["text", "json"] = "text"

    @model_validator(mode="after")
    def _one_place(self) -> LogConfig:
        if (self.file is None) == (not self.syslog):
            raise PydanticCustomError("log_form", "one place")
        return self


Event = Literal["login_needed", "safety", "outage", "new_problems", "recovered"]


class NotifyConfig(Section):
    """Who is warned, and of what."""

    command: Annotated[list[Code], BeforeValidator(_words)] = []
    ping_url: Address | None = None
    urls: list[Address] = []
    on: list[Event] = list(get_args(Event))


class Config(Section):
    """The whole file."""

    language: Literal["nl", "en"] = "nl"
    company: Code
    start_date: PlainDate | None = None
    flows: Flows
    time_codes: TimeCodes = TimeCodes()
    default_project_type: Code | None = None
    state_dir: Folder = Field(default=remembered.DEFAULT_FOLDER, validate_default=True)
    accountview: AccountViewConfig
    crafter: CrafterConfig
    timeouts: Timeouts = Timeouts()
    budget: Seconds = 480.0
    full_every: Wait = 86_400.0
    settle_grace: Wait = 120.0
    safety: Safety = Safety()
    log: LogConfig | None = None
    notify: NotifyConfig | None = None
    metrics_file: Folder | None = None
    report_file: Folder | None = None


def judged(path: Path) -> settings.Config:
    """Read and check a config file.

    Errors: ConfigError; "config_invalid" lists all `mistakes` and carries the `language` they are in.
    """
    try:
        folder = path.absolute().parent
    except OSError as exc:  # the folder we stand in was removed
        raise ConfigError("config_unreadable", path=str(path), detail=exc.strerror or str(exc)) from None
    source = read(path)
    config, errors = None, []
    try:
        config = made(source.data, folder)
    except pydantic.ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    lines = explain(Config, source, errors)
    if config is None or lines:
        language = language_of(source.data)
        raise ConfigError("config_invalid", path=str(path), mistakes="\n".join(lines), language=language)
    return settings.Config(config, remembered.source_of(source.text, folder))


def made(data: Any, folder: Path) -> dict[str, Any]:
    """The values that a file in this folder with this content stands for; pydantic.ValidationError."""
    return Config.model_validate(data, context={"folder": folder}).model_dump(mode="json")
