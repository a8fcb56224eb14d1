"""Which of AccountView's companies the config means: people know the code, the header takes the opaque id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avsync.errors import ConfigError, LoginNeeded


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
