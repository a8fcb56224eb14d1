"""What `avsync check --probe` saw of AccountView, kept in state.db and used by every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from avsync.records.values import ACCOUNTVIEW
from avsync.services.accountview.client import PAGE_SIZE, Habits

if TYPE_CHECKING:
    from avsync.state.store import Store
    from avsync.sync.session import Session

CACHE_KEY = "probe"
_LARGEST = "largest_page"  # rows


def keep(store: Store, seen: Mapping[str, Any], now: str) -> None:
    """For good: until somebody asks again."""
    with store.transaction():
        store.cache(CACHE_KEY, dict(seen), now)


def kept(store: Store) -> dict[str, Any]:
    """What was seen, empty when nobody has looked."""
    found = store.cached(CACHE_KEY, "")
    return found if isinstance(found, dict) else {}


def use(session: Session) -> None:
    """From here on AccountView is asked as it wants to be."""
    seen = kept(session.store)
    session.accountview.habits = Habits(
        page_size=seen.get("page_size") or PAGE_SIZE,
        no_rows=seen.get("no_rows_words") or "",
        last_key_with_filter=seen.get("last_key_with_filter") is not False,
    )
    session.accountview.largest = session.store.cached(_LARGEST, *session.lately()) or 0
    session.at_once = seen.get("at_once") or 0
    if session.at_once:
        session.accountview.http.at_most(session.width(ACCOUNTVIEW))


def remember(session: Session) -> None:
    """How large a page can be, for a day: a server may be set otherwise tomorrow."""
    if session.accountview.largest > (session.store.cached(_LARGEST, *session.lately()) or 0):
        session.store.cache(_LARGEST, session.accountview.largest, session.now())
