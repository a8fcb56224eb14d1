"""What becomes of records that were read: into the inbox when they tell something new, else left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from avsync.context import nothing
from avsync.flows.spec import LinkView, Policy
from avsync.model import ACCOUNTVIEW, CRAFTER, Record, Side, crafter_reference
from avsync.services.accountview.client import AccountView
from avsync.services.crafter.client import Crafter
from avsync.sources import FLOW_OF, KINDS, fate
from avsync.state.problems import About
from avsync.state.store import Store


@dataclass(slots=True)
class Gathered:
    """What one listing brought: rows read, rows that changed nothing, and links whose record must be made again."""

    read: int = 0
    unchanged: int = 0
    skipped_old: int = 0
    lost: list[LinkView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a listing needs to know. `now` is a UTC moment, `signature` a mark of the config."""

    store: Store
    accountview: AccountView
    crafter: Crafter
    policy: Policy
    now: str
    signature: str
    full: bool = False
    full_every: int = 86400
    checkpoint: Callable[[str], None] = nothing


def entity_of(kind: str) -> str:
    """The Crafter timeline a kind's problems belong in."""
    return "work_order" if kind == "order_line" else KINDS[kind].entity or ""


def take_records(records: Sequence[Record], reading: Reading, result: Gathered) -> None:
    """Put into the inbox what differs from what its side told last."""
    groups: dict[tuple[str, Side], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kind, record.side), []).append(record)
    for (kind, side), group in groups.items():
        links = reading.store.links.by_side(kind, side, [one.id for one in group]) if kind != "order_line" else {}
        for record in group:
            _take(record, links.get(record.id), reading, result)


def _take(record: Record, link: LinkView | None, reading: Reading, result: Gathered) -> None:
    store = reading.store
    if link is None:
        record = _still_marked(record, reading)
        what = fate(record, reading.policy)
        if what == "drop":
            store.inbox.remove(record.kind, record.side, record.id)
            result.skipped_old += _too_old(record, reading.policy)
        else:
            store.inbox.put(record, what)
        return
    if record.extra.get("absent"):
        mark_gone(store, link)
        return
    if link.gone and record.side == ACCOUNTVIEW:
        _reappeared(store, link)
    base = link.accountview_base if record.side == ACCOUNTVIEW else link.crafter_base
    if (
        base is not None
        and link.crafter
        and is_marked(record, link.accountview)
        and all(base.get(name, _NEVER) == value for name, value in record.fields.items())
    ):
        store.inbox.remove(record.kind, record.side, record.id)
        result.unchanged += 1
    else:
        store.inbox.put(record, "plan")


_NEVER = object()


def is_marked(record: Record, accountview: str) -> bool:
    """A linked record in Crafter carries our reference, but for the hours, which nobody may write (behaviour 2).

    Until it does its row must not count as known: a run may die before it is marked.
    """
    if record.side == ACCOUNTVIEW or record.kind in ("hour", "order_line"):
        return True
    return record.reference == crafter_reference(record.kind, accountview)


def _too_old(record: Record, policy: Policy) -> bool:
    """Whether only the start_date keeps it from travelling (behaviour 26)."""
    if record.kind == "order_line":
        return False  # counted as the work order it belongs to
    travels = policy.imports if record.side == ACCOUNTVIEW else policy.exports
    return travels(FLOW_OF[record.kind]) and record.extra.get("day", "9") < policy.start_date


def _still_marked(record: Record, reading: Reading) -> Record:
    """Without a reference column the mark that a look-up has left on a row of ours exists only here."""
    if record.side != ACCOUNTVIEW or record.reference or record.kind not in ("customer", "order", "hour"):
        return record
    marks = reading.store.inbox.marks(record.kind, ACCOUNTVIEW, [record.id])
    reference, match = marks.get(record.id, (record.reference, record.match))
    return replace(record, reference=reference, match=match)


def _reappeared(store: Store, link: LinkView) -> None:
    """Back in AccountView: what was edited in Crafter meanwhile counts again."""
    store.links.set_gone(link.id, False)
    for entry in store.inbox.get(link.kind, CRAFTER, [link.crafter]).values():
        store.inbox.set_fate(entry.seq, "plan")


def mark_gone(store: Store, link: LinkView) -> None:
    """Deleted in AccountView: nothing is sent for it again, nor for the addresses in the same row (behaviour 10)."""
    store.links.set_gone(link.id, True)
    store.inbox.remove(link.kind, ACCOUNTVIEW, link.accountview)
    for side in (ACCOUNTVIEW, CRAFTER):
        store.problems.planned(About(FLOW_OF[link.kind], link.kind, side, link.end(side), "", ""))
    if link.kind == "customer":
        for which in (f"{link.accountview}:visiting", f"{link.accountview}:postal"):
            child = store.links.by_side("location", ACCOUNTVIEW, [which]).get(which)
            if child is not None:
                mark_gone(store, child)
