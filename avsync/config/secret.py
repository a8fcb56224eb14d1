"""Secrets by reference: the config says where a secret is, `reveal` goes and looks, nothing ever shows it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from avsync.errors import ConfigError

COMMAND_TIMEOUT = 30  # seconds
LIMIT = 4096  # bytes; a longer "secret" is the wrong file

Text = Annotated[str, Field(min_length=1)]


class Secret(BaseModel):
    """Exactly one of an environment variable, a file or a command; a relative file is beside the config."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: ClassVar[str] = "secret"
    env: Text | None = None
    file: Text | None = None
    command: Text | None = None

    @field_validator("file")
    @classmethod
    def _absolute(cls, file: str | None, info: ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder", Path())
        return None if file is None else str(folder / expanded(file))

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key})"

    __str__ = __repr__

    def reveal(self) -> str:
        """The secret itself; ConfigError("secret_missing") names the key and the place where it should be."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise self._missing(f"env {self.env}", "not set")
            return self._checked(value, f"env {self.env}")
        if self.file is not None:
            return self._checked(self._file(self.file), f"file {self.file}")
        return self._checked(self._command(self.command or ""), "command")

    def _file(self, path: str) -> str:
        try:
            with open(path, "rb") as file:
                return self._text(file.read(LIMIT + 1), f"file {path}")
        except OSError as exc:
            raise self._missing(f"file {path}", exc.strerror or "unreadable") from None

    def _command(self, command: str) -> str:
        """Run without a shell. What it prints on stderr is not repeated: that may hold the secret as well."""
        words = shlex.split(command)
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, as words
                [str(expanded(words[0])), *words[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._missing("command", f"no answer within {COMMAND_TIMEOUT} s") from None
        except OSError as exc:
            raise self._missing("command", exc.strerror or "cannot be started") from None
        if done.returncode != 0:
            raise self._missing("command", f"exit code {done.returncode}")
        return self._text(done.stdout, "command")

    def _text(self, raw: bytes, source: str) -> str:
        if len(raw) > LIMIT:
            raise self._missing(source, f"more than {LIMIT} bytes")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._missing(source, "not UTF-8 text") from None

    def _checked(self, value: str, source: str) -> str:
        """Without its trailing newline; what cannot go into an HTTP header would leak in the error there."""
        value = value.rstrip("\r\n")
        if not value.strip():
            raise self._missing(source, "empty")
        if not (value.isascii() and value.isprintable()):
            raise self._missing(source, "line breaks or unusual characters in it")
        return value

    def _missing(self, source: str, detail: str) -> ConfigError:
        return ConfigError("secret_missing", key=self.key, source=source, detail=detail)


class AccountViewSecret(Secret):
    """The client secret of the application registered on accountview.net."""

    key: ClassVar[str] = "accountview.client_secret"


class CrafterKey(Secret):
    """Crafter's API key."""

    key: ClassVar[str] = "crafter.api_key"


def expanded(path: str) -> Path:
    """`~` filled in; a home that is unknown leaves the text as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
