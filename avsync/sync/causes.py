"""What is wrong with a record, as its row in problems.yaml says: how bad it is, and what it shares with others."""

from __future__ import annotations

from typing import Any

from avsync.messages import texts
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side
from avsync.state.problems import Cause

SERVICES: dict[Side, str] = {ACCOUNTVIEW: "AccountView", CRAFTER: "Crafter"}


def cause(code: str, slot: str = "", /, **params: Any) -> Cause:
    """A problem with this code; `slot` tells two of one code apart."""
    return Cause(code, texts.severity(code), params, slot, texts.shared(code, params))
