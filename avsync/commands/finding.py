"""What `check` and its kin find, one thing at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import ConfigError
from avsync.messages.texts import phrase, text
from avsync.records.registry import writable
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.probe import ledger_account
from avsync.services.crafter import learn
from avsync.services.crafter.client import Crafter
from avsync.sync.session import policy_of


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `hint` is the next step, empty when there is none; `exit_code` is 0 when it is all right."""

    name: str
    ok: bool
    message: str
    hint: str = ""
    exit_code: int = 0


def crafter_names(config: Config, client: Crafter, kinds: Collection[str]) -> tuple[list[Check], dict[str, str]]:
    """Whether Crafter calls things as we do; and of what it calls otherwise the path. Errors as of a read."""
    found = learn.learn(client, [kind for kind in client.schema if kind in kinds])
    paths = {one.kind: client.schema[one.kind].path.strip("/") for one in found.names}
    paths |= {one.kind: one.name.strip("/") for one in found.names if one.path == ("path",)}
    told = []
    if found.names:
        names = "".join(f"\n- crafter.schema.{one.kind}.{'.'.join(one.path)}: {one.name}" for one in found.names)
        told.append(("crafter_names_differ", {"missing": names}))
    if found.left:
        names = "".join(f"\n- crafter.schema.{kind}.{path}" for kind, path in found.left)
        told.append(("crafter_names_unknown", {"missing": names}))
    checks = [Check(code, False, *text(code, config.language, params), ConfigError.exit_code) for code, params in told]
    unseen = [phrase("check", "learn_unseen", config.language, path=client.schema[kind].path) for kind in found.unseen]
    if not checks:
        good = phrase("check", "crafter_names", config.language)
        checks = [Check("crafter_names", True, good, "; ".join(unseen))]
    return checks, paths


def debtor_account(config: Config, client: AccountView) -> Iterator[Check]:
    """Whether the ledger has the account that new customers get. Errors: none."""
    account, policy = config.accountview.debtor_account or "", policy_of(config, "")
    places = [
        (kind.table, column)
        for flow in FLOWS
        for kind in writable(flow)
        for column, key, _ in (kind.configured(policy) if kind.configured else ())
        if key == "accountview.debtor_account"
    ]
    for table, column in places:
        verdict = ledger_account(client, account, table, column)
        if verdict == "missing":
            message, hint = text("debtor_account_unknown", config.language, {"account": account})
            yield Check("debtor_account", False, message, hint, ConfigError.exit_code)
        else:
            said = phrase("check", f"debtor_account_{verdict}", config.language, account=account)
            yield Check("debtor_account", True, said)
