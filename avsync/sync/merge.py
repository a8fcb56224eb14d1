"""The three-way merge of one record: what each side told last, what it tells now, and who may write to whom.

Pure, and per field. Each side keeps its own base: the value it showed when the two were last brought in step. So a text
that the other side holds cut or in upper case is that side's base, and never looks like an edit (behaviour 13).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from avsync.records.values import ACCOUNTVIEW, CRAFTER, Canonical, Side


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides were edited differently; `lost` is the value that gave way."""

    field: str
    kept: Canonical
    lost: Canonical


@dataclass(slots=True)
class Merged:
    """Names of the fields each side must take over, of those that need no more than remembering, and what was lost."""

    to_accountview: list[str] = field(default_factory=list)
    to_crafter: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Versions:
    """The values of one side: `now` as it tells them, `base` as it told them when last in step (None: never met).

    `blank`: fields whose value only stands in for one that is missing; `anew`: those that it hands on each time.
    """

    now: Mapping[str, Canonical]
    base: Mapping[str, Canonical] | None
    blank: Collection[str] = ()
    anew: Collection[str] = ()

    def met(self, name: str) -> bool:
        """Whether this side ever told the field."""
        return self.base is not None and name in self.base

    def holds(self, name: str) -> bool:
        """Whether it has a value there."""
        return self.now.get(name) is not None and name not in self.blank

    def edited(self, name: str) -> bool:
        """Whether this side changed the field since the two were in step."""
        return self.base is None or name not in self.base or name in self.anew or self.now.get(name) != self.base[name]


Same = Callable[[str], bool]
Directions = Callable[[str], tuple[bool, bool]]


def merge(
    names: tuple[str, ...], accountview: Versions, crafter: Versions, same: Same, may_write: Directions
) -> Merged:
    """Decide each field. `same(name)`: both sides tell the same as far as either can hold it; `may_write(name)`:
    whether (AccountView, Crafter) may be written. Changed on both: AccountView wins wherever Crafter may be written.
    """
    result = Merged()
    for name in names:
        av_edited, cr_edited = _edited(name, accountview, crafter)
        if not av_edited and not cr_edited:
            continue
        if same(name):
            result.settled.append(name)
            continue
        to_accountview, to_crafter = may_write(name)
        winner = _winner(av_edited, cr_edited, to_accountview, to_crafter)
        if winner == ACCOUNTVIEW:
            result.to_crafter.append(name)
            if cr_edited and accountview.met(name) and crafter.met(name):
                result.conflicts.append(Conflict(name, accountview.now.get(name), crafter.now.get(name)))
        elif winner == CRAFTER:
            result.to_accountview.append(name)
        else:
            result.settled.append(name)
    return result


def _edited(name: str, accountview: Versions, crafter: Versions) -> tuple[bool, bool]:
    """Which sides have something new to tell. A field that the two never had in common and that only one of them holds
    is that one's to tell: where they meet for the first time empty never replaces filled (behaviour 6)."""
    av_holds, cr_holds = accountview.holds(name), crafter.holds(name)
    if av_holds != cr_holds and not (accountview.met(name) and crafter.met(name)):
        return av_holds, cr_holds
    return accountview.edited(name), crafter.edited(name)


def _winner(av_edited: bool, cr_edited: bool, to_accountview: bool, to_crafter: bool) -> Side | None:
    if av_edited and to_crafter:
        return ACCOUNTVIEW
    if cr_edited and to_accountview:
        return CRAFTER
    return None
