"""`avsync link` and `unlink`: what a person says of one pair of records, at once."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from avsync.commands import match, run
from avsync.config.settings import Config
from avsync.errors import ConfigError, FitsNothing
from avsync.messages import texts
from avsync.messages.texts import phrase, word
from avsync.records.kind import Kind
from avsync.records.registry import KINDS
from avsync.records.values import ACCOUNTVIEW, CRAFTER, Side
from avsync.sync.joining import join, part
from avsync.sync.run import get_ready
from avsync.sync.session import policy_of


def link(config: Config, talker: run.Talker, named: str, accountview: str, crafter: str) -> None:
    """Link two records that are free. Errors: exit 1 with the reason where they are not, 2 for what is not there."""
    kind = _kind(config, named)
    keys: Mapping[Side, str] = {ACCOUNTVIEW: accountview.strip(), CRAFTER: crafter.strip()}
    budget = run.Budget(config.budget)
    with run.changing(config) as store, budget.signals():
        session = run.session_of(config, store, budget, flows=(kind.flow,), command="link")
        get_ready(session)
        av, cr = join(session, kind, keys)
    called = f"{av.id} {av.name}".strip(), f"{cr.key if cr.key != cr.id else ''} {cr.name}".strip()
    pair = f"{texts.upper(word(kind.name, config.language))} {called[0]} (AccountView) – {called[1]} (Crafter)"
    shape = {"exit": 0, "kind": kind.name, "accountview": av.id, "crafter": cr.id}
    talker.say(phrase("match", "linked", config.language, pair=pair), shape)


def unlink(config: Config, talker: run.Talker, named: str, key: str) -> None:
    """Take a link away, and keep the two apart. Errors: FitsNothing("not_linked", "kind_unknown") (exit 2)."""
    kind = _kind(config, named)
    with run.changing(config) as store:
        gone = part(store, policy_of(config, ""), kind, key.strip(), run.our_time())
    number = next((gone.told(CRAFTER)[name] for name in kind.known_by if gone.told(CRAFTER).get(name)), None)
    pair = f"{texts.upper(word(kind.name, config.language))} {gone.accountview} – {number or gone.crafter}"
    words = {"kind": word(kind.name, config.language).replace(" ", "_"), "accountview": quote(gone.accountview)}
    words["crafter"] = quote(number or gone.crafter)
    shape = {"exit": 0, "kind": kind.name, "accountview": gone.accountview, "crafter": gone.crafter}
    talker.say(phrase("match", "unlinked", config.language, pair=pair, **words), shape)


def _kind(config: Config, named: str) -> Kind:
    kind = match.kind_named(named)
    if kind is None:
        kinds = [one.name for one in KINDS.values() if one.plan is None]
        raise FitsNothing("kind_unknown", word=named, kinds=", ".join(kinds))
    if getattr(config.flows, kind.flow) == "off":
        raise ConfigError("flow_off", flow=kind.flow)
    return kind
