"""What the pages need to know of a side, and the small things both sides share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Choices = tuple[tuple[str, str], ...]
MANY = 300  # more choices than this are typed, not picked


@dataclass(frozen=True, slots=True)
class Place:
    """A table or resource: name in the address, label for people, and how many records it holds."""

    name: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form. `kind`: text, long, yesno, choice (only these) or hint (these, or anything else)."""

    name: str
    label: str
    kind: str = "text"
    choices: Choices = ()
    required: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as a person reads it; `link` = (place, key) of the record behind it, `mark` = a style."""

    text: str
    link: tuple[str, str] | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Records that belong to the one on the page; `preset` fills the form of a new one, None = cannot be added here."""

    label: str
    place: str
    rows: list[Row]
    preset: dict[str, str] | None = None


class Side(Protocol):
    """One service as the pages see it."""

    title: str
    theme: str
    dates: frozenset[str]

    def places(self) -> list[Place]: ...
    def label(self, place: str) -> str: ...
    def columns(self, place: str) -> list[tuple[str, str]]: ...
    def inputs(self, place: str, new: bool) -> list[Input]: ...
    def blank(self, place: str) -> Row: ...
    def rows(self, place: str) -> list[Row]: ...
    def find(self, place: str, key: str) -> Row | None: ...
    def key(self, place: str, row: Row) -> str: ...
    def caption(self, place: str, row: Row) -> str: ...
    def show(self, place: str, row: Row, name: str) -> Cell: ...
    def value(self, place: str, row: Row, name: str) -> str: ...
    def save(self, place: str, row: Row | None, form: dict[str, str]) -> str: ...
    def remove(self, place: str, key: str) -> None: ...
    def parts(self, place: str, row: Row) -> list[Part]: ...
    def timeline(self, place: str, row: Row) -> list[Row] | None: ...
    def news(self) -> list[Row]: ...


def dutch(value: Any) -> str:
    """A value as a Dutch reader expects it; what is no date or moment stays as it is."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nee"
    text = str(value)
    try:
        if len(text) == len("2026-11-24"):
            return date.fromisoformat(text).strftime("%d-%m-%Y")
        if len(text) >= len("2026-11-24T12:00:00"):
            at = datetime.fromisoformat(text)
            local = at.astimezone(ZoneInfo("Europe/Amsterdam")) if at.tzinfo else at
            return local.strftime("%d-%m-%Y %H:%M")
    except ValueError:
        pass
    return text
