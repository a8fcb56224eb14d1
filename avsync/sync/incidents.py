"""What a run says of the services, the login and its own safety: incidents begin, go on and end (behaviour 50)."""

from __future__ import annotations

from collections.abc import Mapping

from avsync.errors import AvsyncError, FlowMustLook, LoginNeeded, OutOfTime, PersonMustLook, TryLater
from avsync.messages import texts
from avsync.records.values import format_utc
from avsync.services.http import Http
from avsync.state.incidents import LINE, LOGIN, OUTAGE, SAFETY, SETUP, TIME, Incident, Moment
from avsync.sync.session import Session

Which = tuple[str, str]  # sort and service


def note_incidents(session: Session) -> None:
    """At the end of a run: what stopped its flows, and what is well again."""
    now: dict[Which, list[str]] = {}
    for flow, error in sorted(session.errors.items()):  # the same one stands for them in each run
        if error.code != "interrupted":
            now.setdefault(which_of(error), []).append(flow)
    incidents = session.store.incidents
    for (sort, service), flows in now.items():
        error = session.errors[flows[0]]
        found = Incident(sort, service, error.code, error.params, tuple(flows))
        incidents.note(found, time_of(session, found))
    for one in incidents.open():
        if (one.sort, one.service) not in now and _is_over(session, one, now):
            incidents.end([one], time_of(session, one))


def which_of(error: AvsyncError) -> Which:
    """What sort of incident an error is a sign of, and of which service."""
    named = str(error.params.get("service") or ("Crafter" if error.code.startswith("crafter") else "AccountView"))
    service = {"accountview": "AccountView", "crafter": "Crafter"}.get(named, named)
    if isinstance(error, LoginNeeded):
        return LOGIN, service
    if isinstance(error, OutOfTime):
        return TIME, ""
    if isinstance(error, TryLater):  # a certificate, a proxy or a right does not heal by itself
        return LINE if texts.row(error.code)["who"] in ("operator", "bookkeeper") else OUTAGE, service
    return (SAFETY, "") if isinstance(error, PersonMustLook | FlowMustLook) else (SETUP, service)


def _is_over(session: Session, one: Incident, now: Mapping[Which, object]) -> bool:
    """A service that answered is well, and so is a login with which it answered; the rest is over when the flows that
    it stopped went through."""
    if one.sort in (OUTAGE, LINE, LOGIN):
        asked = any(http.requests for http in _services(session) if http.service == one.service)
        return asked and not now.keys() & {(TIME, ""), (OUTAGE, one.service), (LINE, one.service)}
    flows = {flow for flow in one.flows if session.policy.flows[flow] != "off"}
    return session.only is None and flows <= set(session.on()) - set(session.errors)


def _services(session: Session) -> tuple[Http, Http]:
    return session.accountview.http, session.crafter.http


def time_of(session: Session, one: Incident) -> Moment:
    """What time it is, for an incident: by the clock of another service than its own where that answers."""
    others_first = sorted(_services(session), key=lambda http: http.service == one.service)
    theirs = next((moment for http in others_first if (moment := http.time()) is not None), None)
    return Moment(format_utc(session.utc()), format_utc(theirs) if theirs else None)
