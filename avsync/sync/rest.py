"""What waits or cannot go as it stands need not be planned again while nothing that this went by has changed.

Such a version comes to the same end in every run, as long as the state, the config, what AccountView is like, what
people have decided, the day and the lists in which it looks things up stay what they are. All that together is a mark;
the version rests under the mark of the moment when it was planned, and a run leaves out what rests under the present
one. What asked a service for anything but a whole list never rests (`Refs.outside`). In doubt it is another mark: an
overlooked hour is lost pay, a needless planning costs milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from avsync import __version__
from avsync.errors import RecordUnavailable
from avsync.records.kind import Ask, Decided, Kind, Known, asks_of
from avsync.records.values import Record, Side
from avsync.sync.session import Session

if TYPE_CHECKING:
    from avsync.sync.plan import Action, Meeting

_SECRETS = ("client_secret", "api_key")
STAYS, HELD = ("later", "left_alone"), "held"  # words of `plan`, which a quiet run does not import
_WAITS, _REFUSED, _LEFT = "|waits", "|refused", "|left"
_ENDS = {"wait": _WAITS, "reject": _REFUSED, "skip": _LEFT}


class _NotAll(Exception):  # noqa: N818 - not a failure
    """Not each of them is listed with its problem."""


# --- what rests


def resting(session: Session, kind: Kind) -> tuple[str, ...]:
    """The marks that hold now, of those under which versions of a kind rest; none in a run that looks at everything, or
    where a question has come up that no mark knows of."""
    everything = session.full or session.force or session.dry or session.put_back or session.only is not None
    asked = any(name == kind.name for name, _ in (*session.questions, *session.refused))
    marks = [] if everything or asked else session.store.inbox.marks(kind.name)
    if not marks:
        return ()
    now = surroundings(session, session.store.inbox.epoch())
    try:
        return tuple(one for one in marks if one.startswith(now) and _holds(session, now, one))
    except RecordUnavailable:  # planning says so of each that needs it
        return ()


def leave_out(session: Session, kind: Kind) -> tuple[str, ...]:
    """The same, once a run for each kind: they are counted, and the problems of what waits or is refused as told again.
    Where not each of those is listed with its own, all are planned."""
    marks, store = resting(session, kind), session.store
    if not marks:
        return ()
    count = {how: store.inbox.resting(kind.name, some) for how, some in _by_end(marks).items()}
    troubled = [one for one in marks if not one.endswith(_LEFT)]
    try:
        with store.transaction():
            told = store.problems.told_again(kind.flow, kind.name, troubled, session.now()) if troubled else 0
            if told != count[_WAITS] + count[_REFUSED]:
                raise _NotAll
    except _NotAll:
        return ()
    totals = session.count(kind.flow)
    totals.waiting += count[_WAITS]
    totals.unchanged += count[_LEFT]
    return marks


def _by_end(marks: Iterable[str]) -> dict[str, list[str]]:
    return {end: [one for one in marks if one.endswith(end)] for end in (_WAITS, _REFUSED, _LEFT)}


# --- marks


def surroundings(session: Session, epoch: int) -> str:
    """Everything but the lists, as a digest. What the session has in memory goes in by itself: planning went by that,
    whatever the state says meanwhile."""
    accountview = session.accountview
    return _digest(
        [epoch, __version__, _without_secrets(session.config.values), _plain(asdict(session.policy)),
         _decisions(session.decided), session.dictionary, session.learnt, sorted(session.without),
         sorted(accountview.absent)]
    )  # fmt: skip


def mark(session: Session, surroundings: str, lists: Iterable[str], verb: str) -> str:
    """The mark of a version that looks things up in these lists, which are read once a run, and came to this."""
    return _mark(session, surroundings, sorted(lists), _ENDS[verb])


def _mark(session: Session, surroundings: str, lists: Sequence[str], end: str) -> str:
    listed = _digest([session.refs.listed(one) for one in lists]) if lists else ""
    return f"{surroundings}|{','.join(lists)}|{listed}{end}"


def _holds(session: Session, surroundings: str, one: str) -> bool:
    _, lists, _, end = one.split("|")
    return one == _mark(session, surroundings, lists.split(",") if lists else (), f"|{end}")


def may_rest(action: Action, meeting: Meeting) -> bool:
    """Whether it is a wait or a refusal, or left as it is, of one version alone that is linked with nothing and met
    nobody."""
    alone = action.link is None and action.partner is None and action.lost is None and action.match is None
    met = meeting.match.candidates or meeting.match.question or meeting.deleted or meeting.made
    if action.writes or action.remarks or action.pairs or action.replaces:
        return False
    ends = action.reason in STAYS if action.verb == "skip" else action.verb in _ENDS and action.reason != HELD
    return ends and alone and not met


def met_by(action: Action, planned: Record) -> set[tuple[str, Side, str]]:
    """The records besides the planned one that an action is about: what is wrong with them is told with it."""
    about = {(one.kind, one.side, one.id) for one in (action.record, action.partner) if one is not None}
    return about - {(planned.kind, planned.side, planned.id)}


def lists_of(kind: Kind, record: Record, known: Known, outside: Collection[Ask]) -> set[str] | None:
    """The lists by which its planning went, None when it asked a service for more."""
    asks = set(asks_of(kind, record, None, known))
    return None if any(one in outside for one in asks) else {ask.kind for ask in asks if ask.what == "row"}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_secrets(value) if isinstance(value, Mapping) else value
        for key, value in values.items() if key not in _SECRETS
    }  # fmt: skip


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """In one order in every process."""
    return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in values.items()}


def _decisions(decided: Decided) -> list[Any]:
    apart = sorted((*name, *sorted(others)) for name, others in decided.apart.items())
    return [apart, sorted((*name, there) for name, there in decided.picked.items()), sorted(decided.skipped)]
