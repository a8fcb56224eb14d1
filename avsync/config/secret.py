"""Secrets by reference: the config says where a secret is, `reveal` goes and looks, nothing ever shows it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import ClassVar, NamedTuple

from avsync.errors import ConfigError

COMMAND_TIMEOUT = 30  # seconds
LIMIT = 4096  # bytes; a longer "secret" is the wrong file


class _Places(NamedTuple):
    env: str | None = None
    file: str | None = None
    command: str | None = None
    plain: str | None = None


class Secret(_Places):
    """An environment variable, a file or a command; of an address also the address itself."""

    key: ClassVar[str] = "secret"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key})"

    __str__ = __repr__

    def reveal(self) -> str:
        """The secret itself; ConfigError("secret_missing") names the key and the place where it should be."""
        source = f"env {self.env}" if self.env else f"file {self.file}" if self.file else self._program()
        try:
            return _checked(self._look())
        except _Missing as missing:
            raise ConfigError("secret_missing", key=self.key, source=source, detail=str(missing)) from None

    def _program(self) -> str:
        """The command without its arguments, which may be secret."""
        import shlex

        return f"command {shlex.split(self.command or '')[0]}"

    def _look(self) -> str:
        if self.env is not None:
            if self.env not in os.environ:
                raise _Missing("not set")
            return os.environ[self.env]
        try:
            raw = _content(_handed(self.file)) if self.file is not None else _output(self.command or "")
            if len(raw) > LIMIT:
                raise _Missing(f"more than {LIMIT} bytes")
            return raw.decode("utf-8-sig")
        except OSError as exc:
            raise _Missing(exc.strerror or "unreadable") from None
        except UnicodeDecodeError:
            raise _Missing("not UTF-8 text") from None


class _Missing(Exception):
    """Why there is no secret; never a part of what may be one."""


def _handed(path: str) -> str:
    """The file, or what a service manager hands this very process under the same name (systemd's LoadCredential)."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    given = os.path.join(folder, os.path.basename(path))
    return given if folder.startswith("/") and os.path.isfile(given) else path


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(LIMIT + 1)


def _output(command: str) -> bytes:
    """Run without a shell. What it prints on stderr is not repeated: that may hold the secret as well."""
    import shlex
    import subprocess

    program, *arguments = shlex.split(command)
    try:
        words = [str(expanded(program)), *arguments]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT)  # noqa: S603
    except HomeUnknown:
        raise _Missing("~ is not known, HOME is not set") from None
    except subprocess.TimeoutExpired:
        raise _Missing(f"no answer within {COMMAND_TIMEOUT} s") from None
    if done.returncode != 0:
        raise _Missing(f"exit code {done.returncode}")
    return done.stdout


def _checked(value: str) -> str:
    """Without its trailing newline; what cannot go into an HTTP header would leak in the error there."""
    value = value.rstrip("\r\n")
    if not value.strip():
        raise _Missing("empty")
    if not (value.isascii() and value.isprintable()):
        raise _Missing("line breaks or unusual characters in it")
    return value


class AccountViewSecret(Secret):
    """The client secret of the application registered on accountview.net."""

    key: ClassVar[str] = "accountview.client_secret"


class CrafterKey(Secret):
    """Crafter's API key."""

    key: ClassVar[str] = "crafter.api_key"


class Address(Secret):
    """Where somebody is warned."""

    key: ClassVar[str] = "notify"

    def reveal(self) -> str:
        """The address itself; errors as of any secret."""
        return self.plain if self.plain is not None else super().reveal()


class HomeUnknown(ValueError):
    """`~` stands for a folder that nobody knows: HOME is not set, and this user is in no list."""


def expanded(path: str) -> Path:
    """`~` filled in; HomeUnknown where it cannot be, or a folder of that name would be made."""
    if not path.startswith("~"):
        return Path(path)
    name = path.partition("/")[0]
    home = os.path.expanduser(name) if name != "~" or os.environ.get("HOME", "").startswith("/") else _home()
    if not home.startswith("/"):
        raise HomeUnknown(path)
    return Path(home + path[len(name) :])


def _home() -> str:
    """The home of this user as the system knows it, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
