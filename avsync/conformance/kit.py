"""What a run of the kit carries: the server, what was found, and records to try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from avsync.conformance.api import Api, Reply, Row
from avsync.conformance.contract import resources

Verdict = Literal["agrees", "noted", "borne", "breaks", "untested"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the contract says, and whether the server does it.

    `noted`: it does more, or a single record is odd, which the contract allows; `borne`: it does not, and avsync copes;
    `breaks`: it does not, and avsync cannot work with it; `found`: what it does.
    """

    topic: str
    expected: str
    verdict: Verdict
    found: str = ""


@dataclass
class Kit:
    """`off` are kinds that the account has switched off, `broken` those whose listing cannot be read, `samples` records
    of each kind that came by, `account` its name."""

    api: Api
    findings: list[Finding] = field(default_factory=list)
    account: str = ""
    features: list[str] = field(default_factory=list)
    off: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    samples: dict[str, list[Row]] = field(default_factory=dict)
    unsure: set[tuple[str, str]] = field(default_factory=set)

    def judge(self, topic: str, expected: str, mistake: str = "", *, borne: bool = False, noted: bool = False) -> bool:
        """It agrees when there is no mistake; whether it does."""
        verdict: Verdict = "agrees" if not mistake else "noted" if noted else "borne" if borne else "breaks"
        self.findings.append(Finding(topic, expected, verdict, mistake))
        return not mistake

    def untested(self, topic: str, expected: str, why: str) -> None:
        """There was nothing to try it with."""
        self.findings.append(Finding(topic, expected, "untested", why))

    def usable(self, kind: str) -> bool:
        """Whether records of this kind can be asked for."""
        return kind not in self.off | self.broken

    def with_value(self, kind: str, name: str) -> Row | None:
        """A record in which a field is filled with what it should hold."""
        field = resources()[kind].fields[name]
        filled = (row for row in self.samples.get(kind, ()) if row.get(name) not in (None, ""))
        return next((row for row in filled if not field.mistake(row[name])), None)


def status(reply: Reply, *wanted: int) -> str:
    """What is wrong with a status, "" when it is one of those."""
    return "" if reply.status in wanted else f"HTTP {reply.status}"


def told(*mistakes: str) -> str:
    """Several mistakes as one, each once."""
    return "; ".join(dict.fromkeys(filter(None, mistakes)))


def some(names: Sequence[Any], most: int = 6) -> str:
    """A list that is not too long."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
