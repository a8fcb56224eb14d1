"""What is wrong with a record, as its row in problems.yaml says: how bad it is, and what it shares with others."""

from __future__ import annotations

from typing import Any

from avsync.messages import texts
from avsync.records.kind import Kind
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Record, Side
from avsync.state.problems import About, Cause

SERVICES: dict[Side, str] = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}


def about_of(language: str, kind: Kind, record: Record, item: tuple[str, str], version: str = "") -> About:
    """The record as the list of problems knows it; `item`: in whose tijdlijn it is told."""
    called, short = called_as(language, record), called_as(language, record, short=True)
    name = record.name if record.key else called
    return About(kind.flow, kind.name, record.side, record.id, record.key, name, *item, version, called, short)


def called_as(language: str, record: Record, short: bool = False) -> str:
    """What people call a record, without its kind."""
    return texts.called(language, record.kind, record.key, record.name, record.facts, short)


def cause(code: str, slot: str = "", /, **params: Any) -> Cause:
    """A problem with this code; `slot` tells two of one code apart."""
    return Cause(code, texts.severity(code), params, slot, texts.shared(code, params))
