"""The neutral records and the one canonical text form of everything in them.

A value is `str | None`: trimmed text, a plain date `YYYY-MM-DD`, or a decimal such as `7.5`; never a float and never a
second spelling of the same thing, so that values can be compared, hashed and stored as they are.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal
from zoneinfo import ZoneInfo

from avsync.errors import Malformed as Malformed

Side = Literal["accountview", "crafter"]
ACCOUNTVIEW: Side = "accountview"
CRAFTER: Side = "crafter"
Canonical = str | None
LEFT = "\u2021"  # how `alike` begins of what a record deleted in Crafter has left in AccountView
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
OURS = "avs"  # how every reference of ours in AccountView begins (behaviour 2)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_IN_A_KEY = re.compile(r"[\t\n\u2028\u2029]")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,12})?\Z")
_LONGEST_TEXT = 100_000
_LONGEST_KEY = 255  # what can be looked for (services.accountview.wire)


def other(side: Side) -> Side:
    """The side across."""
    return CRAFTER if side == ACCOUNTVIEW else ACCOUNTVIEW


@dataclass(frozen=True, slots=True)
class Record:
    """One thing as one side tells it. References in `fields` hold that side's own key of what is referred to.

    `id` is the AccountView key or the Crafter id; `key` is what people know it by (upper case, may be empty);
    `reference` the mark of ours that it bears, `mark` the one that its counterpart bears; `owner` the id of the record
    it belongs to; `alike` the text by which its counterpart is recognised when neither mark nor key tells; `day` what
    start_date is compared with; `absent`: it stands in a row, but is nothing; `fingerprint` that of its row, empty when
    unknown; `facts` what else people know it by, in their words.
    """

    kind: str
    side: Side
    id: str
    key: str
    name: str
    fields: Mapping[str, Canonical]
    reference: str = ""
    mark: str = ""
    owner: str = ""
    alike: str = ""
    changed_at: str = ""
    day: str = ""
    absent: bool = False
    fingerprint: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def text(value: object, name: str) -> Canonical:
    """Trimmed NFC text with `\\n` line breaks and no control characters; empty is None, not text is Malformed."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Malformed(name, short(value))
    if len(value) > _LONGEST_TEXT:
        raise Malformed(name, f"{len(value)} characters")
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise Malformed(name, "half a character")
    if not value.isprintable():
        value = _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return value.strip() or None


def required(value: object, name: str) -> str:
    """As `text`, but it must be there."""
    result = text(value, name)
    if result is None:
        raise Malformed(name, "-")
    return result


def bare(value: object, name: str) -> Canonical:
    """As `text`, without the invisible format characters (zero width, direction marks, soft hyphens) that come along
    when people paste a number or an address (behaviour 1)."""
    shown = text(value, name)
    if shown is None or shown.isascii():
        return shown
    return "".join(char for char in shown if unicodedata.category(char) != "Cf").strip() or None


def code(value: object, name: str) -> Canonical:
    """A key: text in upper case, leading zeros kept (behaviour 1)."""
    return required_code(value, name) if text(value, name) else None


def required_code(value: object, name: str) -> str:
    """As `code`, but it must be there."""
    result = required(value, name).upper()
    if len(result) > _LONGEST_KEY or _NOT_IN_A_KEY.search(result):
        raise Malformed(name, short(result))
    return result


def loose(key: str) -> str:
    """What is left of a key without blanks, punctuation and leading zeros: good for a suggestion, never for a match."""
    return re.sub(r"[\W_]+", "", key).lstrip("0")


def quantity(value: object, name: str) -> Canonical:
    """A decimal in its one spelling (`7.50` is `7.5`), from decimal text, int or Decimal, never from a float."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Malformed(name, short(value))
    if isinstance(value, str) and not _DECIMAL.match(value.strip()):
        raise Malformed(name, short(value))
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Malformed(name, short(value)) from error
    if not number.is_finite() or (number and not _plausible(number)):
        raise Malformed(name, short(value))
    return decimal_text(number)


def _plausible(number: Decimal) -> bool:
    """Short when written out: below a million million, no hundred decimals. Without arithmetic, which rounds."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -28 and number.adjusted() < 12


def decimal_text(number: Decimal) -> str:
    """The canonical spelling of a decimal: no exponent, no trailing zeros, no minus zero."""
    if not number:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def day(value: object, name: str) -> Canonical:
    """A plain date `YYYY-MM-DD`. `""`, null and years before 1901 are no date (AccountView contract 3).

    A moment with a zone becomes the day in Europe/Amsterdam; one without is already local time.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Malformed(name, short(value))
    try:
        if len(value) == 10:
            found = date.fromisoformat(value)
        else:
            moment = datetime.fromisoformat(value.strip())
            found = (moment.astimezone(AMSTERDAM) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError) as error:
        raise Malformed(name, short(value)) from error
    return found.isoformat() if found.year >= 1901 else None


def utc_moment(value: object, name: str) -> str:
    """A Crafter moment as `YYYY-MM-DDTHH:MM:SS.ffffffZ`, which sorts as text (Crafter contract, transport)."""
    if not isinstance(value, str):
        raise Malformed(name, short(value))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Malformed(name, short(value)) from error
    if moment.tzinfo is None or not 1901 <= moment.year <= 9998:
        raise Malformed(name, short(value))
    return format_utc(moment)


def format_utc(moment: datetime) -> str:
    """The one spelling of a UTC moment."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local_moment(value: object, name: str) -> str:
    """An AccountView moment as naive local `YYYY-MM-DDTHH:MM:SS`, empty where there is none (AccountView contract
    3)."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise Malformed(name, short(value))
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.astimezone(AMSTERDAM) if moment.tzinfo else moment
    except (ValueError, OverflowError) as error:
        raise Malformed(name, short(value)) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1901 else ""


def amsterdam_day(moment: str) -> str:
    """The day on which a UTC moment falls in the Netherlands."""
    return datetime.fromisoformat(moment).astimezone(AMSTERDAM).date().isoformat()


def reference(kind: str, crafter_id: str) -> str:
    """What avsync leaves in AccountView to find its own record again; fits EXT_ID (behaviour 2)."""
    return OURS + hashlib.sha256(f"{kind}:{crafter_id}".encode()).hexdigest()[:24]


def crafter_reference(company: str, kind: str, accountview_key: str) -> str:
    """What avsync leaves in Crafter's `external_ref` (behaviour 2)."""
    return f"av:{company}:{kind}:{accountview_key}"


def of_other_company(reference: str, company: str) -> str:
    """The company whose mark this is, empty when it is ours or nobody's (behaviour 2)."""
    head, _, rest = reference.partition(":")
    name = rest.partition(":")[0]
    return name if head == "av" and rest and name != company else ""


def squeeze(value: Canonical) -> str:
    """For comparing names and postal codes: without case, spacing and width (first meeting)."""
    return "".join((value or "").casefold().split())


def short(value: object) -> str:
    """What stood there, for a message: no control characters, no half characters, never long."""
    try:
        shown = repr(value)
    except (RecursionError, ValueError):
        shown = type(value).__name__
    return shown if len(shown) <= 60 else shown[:57] + "..."
