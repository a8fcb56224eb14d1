"""Makes a value fit what an AccountView column can hold: width, upper case, alphabet, decimals (behaviour 13 and 14).

Pure. A key or a name that does not fit is refused; free text is cut or written in plain letters, and says so.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from avsync.records.values import Canonical, decimal_text

_FEW = 5
_WHITE = re.compile(r"[\n\t]")


@dataclass(frozen=True, slots=True)
class Column:
    """What AccountView's dictionary says of a column: `width` 0 = unlimited, `upper` = stored in upper case."""

    width: int = 0
    upper: bool = False
    memo: bool = False
    decimals: int | None = None
    mandatory: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """`value` as the column can hold it. `remark` is a row of problems.yaml when something was given up, else empty."""

    value: Canonical
    remark: str = ""
    detail: str = ""


class DoesNotFit(ValueError):
    """A value that may not be cut or respelled; `code` is a row of problems.yaml."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def fit(value: Canonical, column: Column, free: bool) -> Fitted:
    """Fit text. `free` text may be cut with `…` and respelled; anything else raises DoesNotFit."""
    if value is None:
        return Fitted(None)
    shown = value if column.memo else _WHITE.sub(" ", value)
    shown = shown.upper() if column.upper else shown
    remark, detail = "", ""
    foreign = _foreign(shown)
    if foreign:
        if not free:
            raise DoesNotFit("foreign_characters", foreign)
        plain = _respell(shown)
        shown, remark, detail = plain.upper() if column.upper else plain, "respelled", foreign
    if column.width and len(shown) > column.width:
        if not free:
            raise DoesNotFit("too_long", str(column.width))
        shown = shown[: column.width - 1].rstrip() + "…"
        remark, detail = remark or "cut", detail or str(column.width)
    return Fitted(shown.strip() or None, remark, detail)


def fit_quantity(value: Canonical, column: Column) -> Fitted:
    """A quantity with the decimals the column has; when that gives something up, the remark says so."""
    if value is None or column.decimals is None:
        return Fitted(value)
    number = Decimal(value)
    if -int(number.as_tuple().exponent) <= column.decimals:
        return Fitted(value)
    rounded = number.quantize(Decimal(1).scaleb(-column.decimals), ROUND_HALF_UP)
    if rounded == number:
        return Fitted(value)
    return Fitted(decimal_text(rounded), "rounded", str(column.decimals))


def _foreign(value: str) -> str:
    """The characters Windows-1252 lacks, each once; one that nobody can see by its number."""
    if value.isascii():
        return ""
    found = dict.fromkeys(char for char in value if not _encodable(char))
    named = [char if unicodedata.category(char)[0] != "C" else f"U+{ord(char):04X}" for char in found]
    return ", ".join(named[:_FEW] + ["…"] * (len(named) > _FEW))


def _encodable(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _respell(value: str) -> str:
    """Letters become their nearest plain counterpart; signs without one (emoji, say) are left out."""
    return "".join(char if _encodable(char) else _counterpart(char) for char in value)


def _counterpart(char: str) -> str:
    category = unicodedata.category(char)
    if category.startswith(("S", "C")):
        return ""
    from anyascii import anyascii  # few records need it

    plain = anyascii(char)
    return plain if plain.isascii() else ""
