"""What became of a write: the row as it was sent, as it stands now, and as it stood before, compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]
_ROUNDED = Decimal("0.005")  # what a coarser column may make of a number
_STAMP = re.compile(r"(?i)^(cng|inp|upd|mod)_|^(updated|changed|modified)_|^(version|revision|etag)$")
_MOMENTS = ("created_at", "changed_at", "updated_at", "deleted_at")
_STAMPED = re.compile(r"(?i)wijz|gewijzigd|invoer")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was sent, or (`touched`) as it was before. `what`: lost, cut, rounded, day, damaged,
    changed, emptied, filled, lines or gone; `name` as people see it, `sent` and `found` as text."""

    what: str
    name: str
    sent: str = ""
    found: str = ""
    harms: bool = True
    column: str = ""  # the neutral name, when it is one of ours
    size: int = 0  # characters or decimals that are kept
    touched: bool = False


def difference(name: str, column: str, sent: Any, found: Any, free: bool) -> Difference | None:
    """What became of one value; None when it is there, if in another spelling. `free`: a text that may be cut."""
    if isinstance(sent, bool):
        return None if _flag(found) == sent else _made("changed", name, column, sent, found)
    day = _day(sent)
    if day:
        there = str(found or "")[:10]
        return None if there == day else _made("day" if _day(found) else "lost", name, column, day, there)
    if isinstance(sent, (int, Decimal)) and not isinstance(sent, bool):
        return _number(name, column, Decimal(sent), found)
    return _text(name, column, str(sent), "" if found is None else str(found), free)


def _made(what: str, name: str, column: str, sent: Any, found: Any, harms: bool = True, size: int = 0) -> Difference:
    return Difference(what, name, _shown(sent), _shown(found), harms, column, size)


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _flag(value: Any) -> bool:
    return value is True or str(value).strip().upper() in ("TRUE", "T", ".T.", "1", "J", "Y")


def _day(value: Any) -> str:
    text = value.isoformat() if isinstance(value, date) else value
    return text[:10] if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?", text) else ""


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None


def _number(name: str, column: str, sent: Decimal, found: Any) -> Difference | None:
    there = _decimal(found)
    if there == sent or (there is None and not sent):
        return None
    if there is None or (not there and abs(sent) > _ROUNDED):
        return _made("lost", name, column, sent, found)
    if abs(there - sent) <= _ROUNDED:
        kept = max(0, -int(there.normalize().as_tuple().exponent))
        return _made("rounded", name, column, sent, there, harms=False, size=kept)
    return _made("changed", name, column, sent, there)


def _text(name: str, column: str, sent: str, found: str, free: bool) -> Difference | None:
    one, other = _plain(sent), _plain(found)
    if one == other or one.lstrip("0") == other.lstrip("0") != "":
        return None
    if not other:
        return _made("lost", name, column, sent, found)
    if one.startswith(other):
        return _made("cut", name, column, sent, found, harms=not free, size=len(found.rstrip()))
    damaged = len(one) == len(other) and all(a == b or not a.isascii() for a, b in zip(one, other, strict=True))
    return _made("damaged" if damaged else "changed", name, column, sent, found)


def _plain(text: str) -> str:
    """Without what spelling adds: case, spaces, line ends."""
    return "".join(text.split()).casefold()


def _filled(value: Any) -> bool:
    number = _decimal(value) if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) else None
    if number is not None:
        return bool(number)
    return bool(str(value).strip()) if isinstance(value, str) else bool(value)


def untouched(
    before: Row, after: Row, sent: Row, labels: Mapping[str, str], ours: Mapping[str, str]
) -> list[Difference]:
    """What else changed in a row. `sent`: column -> value; `ours`: column -> neutral name; `labels` as people see them.

    A stamp, and what follows from a value that was sent (a sound, an address in lines), harms nobody.
    """
    found = []
    for name in before.keys() & after.keys() - sent.keys():
        old, new = before[name], after[name]
        if old == new or _plain(_shown(old)) == _plain(_shown(new)) or _decimals_equal(old, new):
            continue
        label = labels.get(name) or name
        stamped = ours.get(name) in _MOMENTS or _STAMP.search(name) or _STAMPED.search(label)
        if stamped or isinstance(new, (list, dict)):
            continue
        what, harms = _touched(old, new)
        if harms and what == "changed" and name not in ours and _follows(new, sent.values()):
            harms = False
        found.append(Difference(what, label, _shown(old), _shown(new), harms, ours.get(name, ""), touched=True))
    return sorted(found, key=lambda one: one.name)


def lines_differ(before: Sequence[Row], after: Sequence[Row], sent: Sequence[Row]) -> list[Difference]:
    """The lines that stood there, and those that were added, are all there as they were sent, and none besides."""
    stood, stand = ({str(row.get("id")): row for row in rows} for rows in (before, after))
    changed = {str(row["id"]) for row in sent if row.get("id")}
    added = [row for row in sent if not row.get("id")]
    found = []
    if not stood.keys() <= stand.keys() or len(stand) != len(stood) + len(added):
        found.append(Difference("lines", "", f"{len(stood)} + {len(added)}", str(len(stand))))
    for identity in sorted(stood.keys() & stand.keys() - changed):
        for name in ("article", "quantity"):
            old, new = stood[identity].get(name), stand[identity].get(name)
            if _plain(_shown(old)) != _plain(_shown(new)) and not _decimals_equal(old, new):
                found.append(Difference("changed", _shown(old), _shown(old), _shown(new), touched=True))
    return found + _quantities(added, [stand[one] for one in sorted(stand.keys() - stood.keys())])


def _quantities(sent: Sequence[Row], new: Sequence[Row]) -> list[Difference]:
    """Of each article what was sent and what stands there, the least first."""
    by_article = [
        {
            article: sorted(_decimal(row.get("quantity")) or Decimal(0) for row in rows if _article(row) == article)
            for article in {_article(row) for row in rows}
        }
        for rows in (sent, new)
    ]
    pairs = [
        (article, *pair)
        for article, quantities in sorted(by_article[0].items())
        for pair in zip(quantities, by_article[1].get(article, ()), strict=False)
    ]
    return [one for article, was, now in pairs if (one := _number(article, "quantity", was, now)) is not None]


def _article(row: Row) -> str:
    return str(row.get("article") or "").strip().upper()


def _decimals_equal(old: Any, new: Any) -> bool:
    one, other = _decimal(old), _decimal(new)
    return one is not None and one == other and not isinstance(old, bool) and not isinstance(new, bool)


def _touched(old: Any, new: Any) -> tuple[str, bool]:
    if isinstance(old, bool) or isinstance(new, bool):
        return "changed", True
    if not _filled(old):
        return "filled", False
    return ("changed", True) if _filled(new) else ("emptied", True)


def _follows(value: Any, sent: Iterable[Any]) -> bool:
    there = _plain(_shown(value))
    return any(len(one) > 2 and (one in there or there in one) for one in (_plain(_shown(other)) for other in sent))
