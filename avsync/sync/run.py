"""One run: read, settle, the safety stop, the flows in order, the timelines, the totals and the exit code.

A record is the unit of failure, a flow of isolation, a run of reporting.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from avsync.config.settings import Safety
from avsync.errors import AvsyncError, FitsNothing, LoginNeeded, OutOfTime, PersonMustLook
from avsync.messages import texts
from avsync.records.kind import BOTH, Kind
from avsync.records.registry import FLOWS, KINDS, followed, kinds_of, listing, wanted, writable
from avsync.records.rows import Listing
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.services.accountview.client import pick_company
from avsync.state.events import KEPT_DAYS
from avsync.state.store import Store
from avsync.sync import caution, habits
from avsync.sync.anew import meet_anew
from avsync.sync.causes import called_as
from avsync.sync.clock import CACHE_KEY as CLOCK
from avsync.sync.incidents import note_incidents
from avsync.sync.problems import close_stale, expire, flow_problem, name_unread, unknown_outcomes
from avsync.sync.read import Taken, both_at_a_time, read_listing
from avsync.sync.recover import follow_numbers, forget_left, notice_strays, recover
from avsync.sync.rest import STAYS, leave_out, resting
from avsync.sync.schema import check_codes, pass_gate, pass_gate_again
from avsync.sync.session import Result, Session
from avsync.sync.settle import settle
from avsync.sync.timeline import tell_timelines

if TYPE_CHECKING:
    from avsync.sync.plan import Action

log = logging.getLogger(__name__)
_FIRST_OF = (5, 3, 2, 4, 1)
_ENOUGH = 50  # below this many links a share says nothing (behaviour 32)
_MANY_DETAILS = 20  # at most so many lines on a work order, when it is only estimated


def run(session: Session) -> Result:
    """Do one run. What stops a flow ends in the result; what stops everything (login, safety) as well."""
    store = session.store
    with store.transaction():
        session.run = store.start_run(session.command, session.started)
        store.events.begin(session.run, session.now)
        store.forget_absences(*session.lately())
    session.begun(session.run)
    for flow in session.on():
        session.count(flow)
    ahead = None
    try:
        _prepare(session)
        ahead = _flows(session)
    except AvsyncError as error:
        for flow in session.on():
            session.errors.setdefault(flow, error)
    return _finish(session, ahead)


def _prepare(session: Session) -> None:
    """Everything that comes before the first write."""
    get_ready(session)
    session.notice_gap()
    pass_gate(session)
    caution.recall(session)
    meet_anew(session)
    _read(session)
    _see_that_it_is_there(session)
    session.set_clock()
    pass_gate_again(session)
    session.enter("compare", _waiting(session))
    notice_strays(session.store, session.policy.company)
    _settle(session, session.running())
    if not (session.force or session.dry) and session.running():
        _safety_stop(session)


def get_ready(session: Session) -> None:
    """Everything that comes before AccountView is asked for a record."""
    habits.use(session)
    session.accountview.company_id = _company(session)


@contextmanager
def _stops(session: Session, flow: str) -> Iterator[None]:
    """What goes wrong inside stops this flow; what concerns everything goes on up."""
    try:
        yield
    except (LoginNeeded, OutOfTime, PersonMustLook):
        raise
    except AvsyncError as error:
        session.errors.setdefault(flow, error)


# --- the company


def _company(session: Session) -> str:
    """The opaque id behind the company code. Links of one company mean nothing in another: its numbers name other
    customers (exit 5)."""
    store, code = session.store, session.config.company
    known = store.cached("company", "")
    if known is not None and known != code.upper():
        path = str(session.config.state_dir)
        raise PersonMustLook("state_other_company", company=code.upper(), known=known, path=path)
    key = f"company:{code}"
    found = store.cached(key, *session.lately()) if known is not None else None
    if found is None:
        with store.transaction():
            store.cache("company", code.upper(), session.now())
        found = str(pick_company(session.accountview.companies(), code)["Id"])
        with store.transaction():
            store.cache(key, found, session.now())
    return str(found)


# --- reading


def _read(session: Session) -> None:
    """Read every listing that a running flow needs; one that breaks off stops the flows that need it."""
    before = session.store.inbox.newest()
    taken: list[Taken] = []
    needed = [one for one in wanted(session.policy, session.running())
              if not (one.side == ACCOUNTVIEW and one.kind in session.without)]  # fmt: skip
    session.enter("read", len(needed))
    with both_at_a_time(session, needed):
        for one in needed:
            taken += _listing(session, one)
            session.step(one.makes[0].name, done=1)
    for flow in session.running():
        for kind in kinds_of(flow):
            listed = kind.recent and session.accountview.lists_changes(kind.table)
            if listed and session.store.inbox.unlinked(kind.name, CRAFTER):
                taken += _listing(session, listing(ACCOUNTVIEW, kind))
    name_unread(session)
    session.skipped = sum(one.skipped for one in taken)
    for flow in session.running():
        with _stops(session, flow):
            for kind in kinds_of(flow):
                if kind.moved is not None:
                    follow_numbers(session, kind, before)
            for kind in kinds_of(flow):
                recover(session, kind)
                if session.full or any(one.full for one in taken):
                    forget_left(session, kind)


def _listing(session: Session, one: Listing) -> list[Taken]:
    flows = [flow for flow in dict.fromkeys(kind.flow for kind in one.makes) if flow in session.running()]
    if not flows and not followed(one, session.running(), session.policy):
        return []
    try:
        got = read_listing(session, one)
    except (LoginNeeded, OutOfTime, PersonMustLook):
        raise
    except AvsyncError as error:
        if not flows:
            log.warning("what changed in %s will be followed by a later run: %s", one.name, error)
        session.errors.update(dict.fromkeys(flows, error))
        return []
    if flows:
        totals = session.count(flows[0])
        totals.read += got.read
        totals.unchanged += got.unchanged
    return [got]


def _settle(session: Session, flows: Iterable[str]) -> None:
    """Look for what an earlier write, or one of this run, has left: as far as its service answers."""
    for flow in flows if not session.dry else ():
        with _stops(session, flow):
            for kind in kinds_of(flow):
                settle(session, kind)


def _see_that_it_is_there(session: Session) -> None:
    """What `--only` names must fit something, be it in step or not (behaviour 29)."""
    if not session.asked:
        return
    kinds = [kind for flow in session.on() for kind in kinds_of(flow)]
    kinds += [KINDS[kind.resource] for kind in kinds if kind.resource != kind.name]  # lines stand on their order
    value = session.asked.upper()
    for kind in kinds:
        if session.store.inbox.knows(kind.name, kind.known_by, value) or session.store.links.knows(
            kind.name, kind.known_by, value
        ):
            return
    language = session.config.language
    names = [texts.field_name(name, language, kind.name).partition(" ")[2] for kind in kinds for name in kind.known_by]
    looked_for = ", ".join(dict.fromkeys([*names, texts.word("name_or_id", language)]))
    raise FitsNothing("only_fits_nothing", key=session.asked, part=session.on()[0], looked_for=looked_for)


# --- the flows


def _flows(session: Session) -> AvsyncError | None:
    """Every flow that nothing has stopped, in order; of a dry run, why the same run in earnest would stop."""
    change = Change(session.store)
    if not session.dry:
        session.step("", done=max(0, session.steps - session.done))
        session.enter("write", _waiting(session))
    for flow in session.on():
        if flow in session.errors:
            continue
        with _stops(session, flow):
            check_codes(session, flow)
            for kind in kinds_of(flow):
                _kind(session, change, kind.name)
            with session.store.transaction():
                close_stale(session, flow)
            if session.only is None:
                session.went_through[flow] = session.now()
    _settle(session, session.on())
    session.step("", done=max(0, session.steps - session.done))  # what was planned with its other half
    return change.too_much(session.config.safety) if session.dry and not session.force else None


def _kind(session: Session, change: Change, name: str) -> None:
    kind = KINDS[name]
    if not session.dry and _rests(session, kind):
        return
    from avsync.sync.flow import foresee, sync_kind
    from avsync.sync.plan import rows_of

    if not session.dry:
        sync_kind(session, kind)
        return
    for action in foresee(session, kind, effects=True):
        session.step(kind.name, done=1)
        change.add(action)
        session.foreseen(action)
        if action.verb != "skip" or action.remarks:
            called = called_as(session.config.language, action.record)
            named = {"called": called} if action.record.key else {"called": called, "name": called}
            session.plan += [{**row, **named} for row in rows_of(action)]


def _rests(session: Session, kind: Kind) -> bool:
    """Whether there is nothing to plan, as in a quiet run, which then needs nothing of what plans and writes. What
    rests is left out."""
    if _some(session, kind, resting(session, kind)):
        return False
    recover(session, kind)
    return not _some(session, kind, resting(session, kind)) and not _some(session, kind, leave_out(session, kind))


def _some(session: Session, kind: Kind, without: tuple[str, ...]) -> bool:
    """Whether anything is to be planned, besides what rests under these marks."""
    return any(session.store.inbox.some(kind.name, side, without) for side in BOTH)


# --- the safety stop (behaviour 32)


class Change:
    """How much a plan would make and change in AccountView. Only writes to AccountView count."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.new = 0
        self.changed: Counter[str] = Counter()

    def add(self, action: Action) -> None:
        """Count an action. Parts of a record (lines of an order) count each by themselves."""
        for write in action.writes:
            if write.side == ACCOUNTVIEW:
                parts = write.counts or {
                    "created": int(action.verb == "create"),
                    "updated": int(action.verb == "update"),  # what is met just now was not linked before
                }
                self.new += parts.get("created", 0)
                self.changed[action.kind.name] += parts.get("updated", 0)

    def too_much(self, limits: Safety) -> PersonMustLook | None:
        """What is too much about it, None when nothing is."""
        if self.new > limits.max_new:
            return PersonMustLook("safety_new", count=self.new, limit=limits.max_new)
        for kind, count in self.changed.items():
            there = self.store.links.count(kind, parts=bool(KINDS[kind].details_of))
            if there >= _ENOUGH and count > limits.max_share * there:
                share, most = f"{100 * count / there:.0f} %", f"{100 * limits.max_share:.0f} %"
                return PersonMustLook(
                    "safety_share", parent_kind=kind, count=count, linked=there, share=share, limit=most
                )
        return None


def _safety_stop(session: Session) -> None:
    """Raise PersonMustLook when the run would create or change too much in AccountView.

    The inbox says at once how much it could be at most; only when that is too much is the run planned in full first.
    What rests comes to nothing as long as nothing else comes to something.
    """
    if not _could_be_too_much(session) or not _comes_to_something(session):
        return
    change = Change(session.store)
    for action in _foreseen(session, awake=False):
        session.step(action.kind.name, done=1)
        change.add(action)
    no = change.too_much(session.config.safety)
    if no is not None:
        raise no


def _comes_to_something(session: Session) -> bool:
    """Whether what does not rest would change anything that planning goes by; yes where nothing rests."""
    rests = awake = False
    for flow in session.running():
        with _stops(session, flow):
            for kind in kinds_of(flow):
                without = resting(session, kind)
                rests, awake = rests or bool(without), awake or _some(session, kind, without)
    if not (rests and awake):
        return awake
    before = session.store.inbox.epoch()
    with closing(_foreseen(session, awake=True)) as actions:
        found = any(not _changes_nothing(action) for action in actions)
    return found or session.store.inbox.epoch() != before


def _changes_nothing(action: Action) -> bool:
    """What stays in the inbox as it is, and changes no link."""
    told = action.link is None or all(
        action.link.told(side).items() >= values.items() for side, values in action.told.items()
    )
    stays = action.verb in ("reject", "wait") or action.verb == "skip" and (action.again or action.reason in STAYS)
    return stays and told and not (action.writes or action.pairs or action.lost or action.replaces or action.freed)


def _foreseen(session: Session, awake: bool) -> Generator[Action]:
    """What the run would do; `awake`: with what does not rest."""
    from avsync.sync.flow import foresee

    totals, session.totals = session.totals, {}
    try:
        for flow in session.running():
            with _stops(session, flow):
                for kind in kinds_of(flow):
                    yield from foresee(session, kind, effects=False, awake=awake)
    finally:
        session.totals = totals
        session.pretended.clear()


def _waiting(session: Session) -> int:
    """How many versions wait to be planned."""
    kinds = [kind.name for flow in session.running() for kind in kinds_of(flow)]
    return sum(session.store.inbox.waiting(kind, side) for kind in kinds for side in BOTH)


def _could_be_too_much(session: Session) -> bool:
    store, limits, new = session.store, session.config.safety, 0
    for flow in session.running():
        for kind in writable(flow) if session.policy.writes(flow, ACCOUNTVIEW) else ():
            waiting = store.inbox.waiting(kind.name, CRAFTER)
            if not waiting:
                continue
            unlinked, parts = store.inbox.unlinked(kind.name, CRAFTER), _MANY_DETAILS if kind.details_of else 1
            new += unlinked * parts
            there = store.links.count(kind.name, parts=bool(kind.details_of))
            if there >= _ENOUGH and (waiting - unlinked) * parts > limits.max_share * there:
                return True
    return new > limits.max_new


# --- the end


def _finish(session: Session, ahead: AvsyncError | None) -> Result:
    store = session.store
    with store.transaction():
        for flow in session.on():
            if not isinstance(session.errors.get(flow), FitsNothing):
                flow_problem(session, flow)
        if not session.dry:
            store.intents.forget_found()
            store.events.drop_old(session.ago(days=KEPT_DAYS))
            doubts = unknown_outcomes(session)
            for flow in session.on():
                session.count(flow).unknown = doubts.get(flow, 0)
        expire(session)
        store.problems.follow_parents()
        note_incidents(session)
        for flow in session.on():
            session.count(flow).failed = store.problems.failed(flow, now=session.only is not None)
        if session.flows == FLOWS:
            for flow in FLOWS:
                if session.policy.flows[flow] == "off":  # behaviour 47
                    listed = [one.id for ignored in (False, True) for one in store.problems.all(flow, ignored)]
                    store.problems.remove(listed, "off")
    _timelines(session)
    code = _exit(session)
    flows = {flow: session.count(flow).as_dict() for flow in session.on()}
    requests = {"accountview": session.accountview.http.requests, "crafter": session.crafter.http.requests}
    with store.transaction():
        for flow, moment in session.went_through.items():
            store.set_flow_ok(flow, moment)
        store.finish_run(session.run, session.started, session.now(), code, flows, requests)
        store.cache(CLOCK, session.clock.remembered(), session.now())
        habits.remember(session)
    plan = session.plan if session.dry else None
    incidents = [one.as_json() for one in store.incidents.open()]
    return Result(session.run, code, flows, requests, session.errors, plan, session.skipped, incidents, session.now(),
                  ahead)  # fmt: skip


def _timelines(session: Session) -> None:
    """Telling must never turn a good run into a bad one: what cannot be told now is told by the next run."""
    errors = session.errors.values()
    if any(isinstance(error, PersonMustLook) for error in errors):
        return  # stopped before anything was written
    if any(isinstance(error, LoginNeeded) and error.code.startswith(CRAFTER) for error in errors):
        return
    try:
        tell_timelines(session, session.config.language)
    except AvsyncError as error:
        log.warning("the timelines could not be brought up to date: %s", error)


def _exit(session: Session) -> int:
    codes = {error.exit_code for error in session.errors.values()}
    if session.store.problems.needing_attention(session.on()):
        codes.add(1)
    return next((code for code in _FIRST_OF if code in codes), 0)
