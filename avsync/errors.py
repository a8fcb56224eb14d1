"""Exceptions, named by what to do next, each with the exit code it stands for.

An error carries a code of `messages/problems.yaml` and its parameters, never a finished sentence: the language is known
only at the edge, where `messages.texts.text` renders it.
"""

from __future__ import annotations

from typing import Any


class AvsyncError(Exception):
    """Base of all errors that end a command or a flow. `code` is a row of problems.yaml, `params` fill its sentence."""

    exit_code = 1

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def __str__(self) -> str:
        return f"{self.code} {self.params}" if self.params else self.code


class ConfigError(AvsyncError):
    """The operator must change the config (exit 2)."""

    exit_code = 2


class FitsNothing(ConfigError):
    """What was asked for is not there, and nothing was done (exit 2). It is no problem of what is kept in step."""


class SchemaMismatch(ConfigError):
    """A name of the other side does not exist there: the flow concerned stops, nothing is written (exit 2)."""


class FeatureOff(ConfigError):
    """Crafter answered 403: this function is switched off for the account; flows that need it stop (exit 2)."""


class LoginNeeded(AvsyncError):
    """A person must log in again, or replace the API key (exit 3)."""

    exit_code = 3


class TryLater(AvsyncError):
    """A service is unreachable, broken or limits us; the next run tries again (exit 4)."""

    exit_code = 4


class RecordUnavailable(TryLater):
    """AccountView answers the look-up of one record with an error: a problem of what needs it, not of its flow.

    `params` hold `parent_kind`, `parent` (its key) and AccountView's `message`.
    """


class OutOfTime(TryLater):
    """The run's budget is gone or a signal asked us to stop; stop cleanly between records, the next run goes on."""


class PersonMustLook(AvsyncError):
    """Stopped for safety (exit 5): damaged state, or an implausible share of the books would change."""

    exit_code = 5


class FlowMustLook(AvsyncError):
    """One flow stopped for safety, a person must look (exit 5): what stands there is not what was sent."""

    exit_code = 5


class Malformed(ValueError):
    """One row from outside cannot be understood; a problem of that record only.

    `field` is the neutral field name, `found` a short description of what stood there.
    """

    def __init__(self, field: str, found: str) -> None:
        super().__init__(f"{field}: {found}")
        self.field = field
        self.found = found
