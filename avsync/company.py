"""Which of AccountView's companies the config means: people know the code, the header takes the opaque id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from avsync.errors import ConfigError, LoginNeeded, PersonMustLook

if TYPE_CHECKING:
    from avsync.services.accountview.client import AccountView
    from avsync.state.store import Store


def pick(companies: Sequence[Mapping[str, Any]], code: str) -> Mapping[str, Any]:
    """The company with this code (contracts/accountview.md 2); codes compare in upper case.

    Errors: LoginNeeded("no_companies") when the user sees none, ConfigError("company_unknown") that lists the codes.
    """
    if not companies:
        raise LoginNeeded("no_companies")
    for company in companies:
        if code_of(company).upper() == code.strip().upper():
            return company
    raise ConfigError("company_unknown", company=code, codes=", ".join(sorted(code_of(one) for one in companies)))


def code_of(company: Mapping[str, Any]) -> str:
    """Its code, trimmed."""
    return str(company.get("Code") or "").strip()


def identify(store: Store, accountview: AccountView, code: str, since: str, now: str) -> str:
    """The opaque id behind the company code, as asked after `since`; people never see it, and it does not change."""
    key = f"company:{code}"
    known = store.cached(key, since)
    if known is not None:
        return str(known)
    found = str(pick(accountview.companies(), code)["Id"])
    with store.transaction():
        store.cache(key, found, now)
    return found


def hold(store: Store, code: str, path: str, now: str) -> None:
    """Links of one company mean nothing in another: its numbers name other customers (exit 5)."""
    mine, known = code.upper(), store.cached("company", "")
    if known is None:
        with store.transaction():
            store.cache("company", mine, now)
    elif known != mine:
        raise PersonMustLook("state_other_company", company=mine, known=known, path=path)
