"""What a run is asked for, the outside world it works with, and what it brings back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from avsync.config import Config
from avsync.errors import AvsyncError
from avsync.flows.spec import Policy
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.state.store import Store

FLOWS = ("customers", "projects", "orders", "invoice", "hours")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: which flows, a full pass, one record only, in spite of a safety stop, or no writing."""

    flows: tuple[str, ...] = FLOWS
    command: str = "run-all"
    full: bool = False
    force: bool = False
    dry: bool = False
    only: frozenset[str] | None = None


@dataclass(slots=True)
class Result:
    """What a run did. `errors`: the flows that stopped, and why; `caution`: why a real run would stop (dry run)."""

    run: int
    exit: int
    flows: dict[str, dict[str, int]]
    requests: dict[str, int]
    errors: dict[str, AvsyncError] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None
    skipped: int = 0
    new_problems: int = 0
    caution: AvsyncError | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape that others build on (design: commands)."""
        shape = {"run": self.run, "exit": self.exit, "flows": self.flows, "requests": self.requests}
        if self.plan is None:
            return shape
        plan = [{name: value for name, value in row.items() if name != "params"} for row in self.plan]
        return {**shape, "dry_run": True, "skipped": self.skipped, "plan": plan}


@dataclass(slots=True)
class Tools:
    """The outside world as a run sees it; all of it can be handed in. `utc` is the clock."""

    store: Store
    accountview: AccountView
    crafter: Crafter
    utc: Callable[[], datetime]
    pause: Callable[[float], None]
    checkpoint: Callable[[str], None] = field(default=lambda where: None)
    progress: Callable[[str, int], None] = field(default=lambda flow, count: None)
    started: Callable[[int], None] = field(default=lambda run: None)


def policy_of(config: Config, today: str) -> Policy:
    """The config as planning sees it; `today` is a day in the Netherlands."""
    codes = config.time_codes
    return Policy(
        flows=config.flows.model_dump(),
        start_date=config.start_date.isoformat() if config.start_date else "",
        today=today,
        time_codes={"work": codes.work or "", "travel": codes.travel or ""},
        open_statuses=frozenset(one.upper() for one in config.accountview.open_project_statuses),
        debtor_account=config.accountview.debtor_account or "",
        default_project_type=config.default_project_type or "",
        new_project_status=config.accountview.new_project_status or "",
    )


def signature_of(config: Config) -> str:
    """A mark of every setting that changes what a row means; another mark makes the next run read everything anew."""
    shown = config.model_dump(mode="json", exclude={"accountview": {"client_secret"}, "crafter": {"api_key"}})
    keys = ("company", "start_date", "flows", "time_codes", "default_project_type")
    settings = {key: shown.get(key) for key in keys}
    for side in ("accountview", "crafter"):
        part = dict(shown[side])
        for unrelated in ("base_url", "authorize_url", "client_id", "redirect_uri", "concurrency"):
            part.pop(unrelated, None)
        settings[side] = part
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]
