"""Rows that are looked up and never linked: users, work types, employees. One that cannot be read is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avsync.model import Malformed, code, required, text


def read_user(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A user, or a work type, which has no more than an id and a name; None when it cannot be read."""
    try:
        identity, name = required(row.get("id"), "id"), text(row.get("name"), "name")
        number = code(row.get("unique_code"), "unique_code")
    except Malformed:
        return None
    return {"id": identity, "name": name or "", "code": number or "", "active": row.get("active") is not False}


def read_number(row: Mapping[str, Any]) -> str | None:
    """The number of an employee."""
    try:
        return code(row.get("number"), "number")
    except Malformed:
        return None
