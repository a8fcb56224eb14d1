"""Faults by script: a WSGI layer around both services that fails, stalls, cuts and delays when a rule says so.

It also keeps the log of requests. Rules look like this in a YAML or JSON file (a list of them):

    - {side: accountview, method: POST, path: accountviewdata, nth: 2, times: 1, do: commit_drop}

`path` and `body` are substrings (of path and query, of the request body); `nth` is the first matching request that
the rule hits, `times` how many from there on (0 = all). What `do` means stands at ACTIONS. `seconds` belongs to 429
(Retry-After), hang, slow, drip (per byte) and late; `after` = the bytes that cut and drip send at full speed;
`status` and `content` are what answer and commit_answer say (a text goes as HTML, anything else as JSON).
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import responses
from pathlib import Path
from typing import Any, NamedTuple

import yaml

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
SIDES = ("accountview", "crafter")
_HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1><p>The relay got no answer.</p></body></html>"
_ON_THE_WIRE = (
    "drop",
    "hang",
    "slow",
    "drip",
    "late",
    "cut",
    "commit_drop",
    "commit_hang",
)  # no complete answer at once
_SECONDS = {"429": 1.0, "hang": 30.0, "slow": 1.0, "drip": 0.02, "late": 1.0}


def is_api(path: str) -> bool:
    """Whether a service answers there itself; all else is web pages and control endpoints."""
    return path.lower().startswith(("/api/", "/ams/"))


class DroppedError(Exception):
    """The server must close this connection without a (further) answer."""


class Request(NamedTuple):
    """One line of the request log; `status` is what the client was sent, 0 = no answer at all."""

    side: str
    method: str
    path: str
    query: str
    status: int
    body: str
    time: float


@dataclass(frozen=True)
class Answer:
    """An answer of a service, or of a fault in its place."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


@dataclass
class Rule:
    """One rule of the script; `seen` counts the requests that matched, `hits` those it struck."""

    do: str
    side: str | None = None
    method: str | None = None
    path: str = ""
    body: str = ""
    nth: int = 1
    times: int = 1
    seconds: float | None = None
    after: int | None = None
    status: int = 200
    content: Any = None
    seen: int = field(default=0, compare=False)
    hits: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        self.do = str(self.do)
        if self.do not in ACTIONS:
            raise ValueError(f"unknown fault {self.do!r}; known: {', '.join(ACTIONS)}")
        if self.side not in (None, *SIDES):
            raise ValueError(f"unknown side {self.side!r}")

    @property
    def pause(self) -> float:
        """The seconds of this rule, or what is usual for its fault."""
        return _SECONDS.get(self.do, 0.0) if self.seconds is None else self.seconds

    @property
    def on_the_wire(self) -> bool:
        """Whether it may still do what only a real connection shows."""
        spent = self.times and self.seen >= self.nth + self.times - 1
        return self.do in _ON_THE_WIRE and not spent

    def strikes(self, side: str, method: str, target: str, body: str) -> bool:
        """Count a request when it matches; whether the rule hits it."""
        if self.side not in (None, side) or (self.method or method).upper() != method:
            return False
        if self.path.lower() not in target.lower() or self.body not in body:
            return False
        self.seen += 1
        hit = self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)
        self.hits += hit
        return hit


class Faults:
    """The script and the request log of one sandbox, shared by its two services."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.bears: dict[str, int] = {}  # requests at a time, by side; one more is answered with 429
        self._flying: Counter[str] = Counter()
        self.rules: list[Rule] = []
        self.requests: list[Request] = []
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._timers: list[threading.Timer] = []

    def add(self, **rule: Any) -> Rule:
        """Add a rule (fields of `Rule`); ValueError or TypeError when it is not one."""
        added = Rule(**rule)
        with self._mutex:
            self.rules.append(added)
        return added

    def extend(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Add several rules."""
        for rule in rules:
            self.add(**rule)

    @property
    def on_the_wire(self) -> bool:
        """Whether a request may meet a fault, a wait or a closed port, which only a real connection shows."""
        odd = bool(self.latency or self.bears) or self._stopping.is_set()
        return odd or any(rule.on_the_wire for rule in list(self.rules))

    def load(self, path: Path) -> None:
        """Add the rules of a YAML or JSON file."""
        self.extend(yaml.safe_load(path.read_text(encoding="utf-8")) or [])

    def clear(self) -> None:
        """Forget all rules; requests that were put off (`late`) still come."""
        with self._mutex:
            self.rules.clear()

    def stop(self) -> None:
        """Wake up everything that hangs and cancel what was put off."""
        self._stopping.set()
        for timer in self._timers:
            timer.cancel()

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the sandbox."""
        self._stopping.wait(seconds)

    def later(self, seconds: float, call: Callable[[], Answer]) -> None:
        """Apply a request after some seconds; nobody gets its answer."""
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def wrap(self, side: str, app: WsgiApp) -> WsgiApp:
        """The service `app` with latency, faults and log; its web pages and control endpoints go untouched."""

        def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if not is_api(environ["PATH_INFO"]):
                return app(environ, start_response)
            return self._serve(side, app, environ, start_response)

        return guarded

    def _serve(
        self, side: str, app: WsgiApp, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        started, raw = time.time(), environ["wsgi.input"].read()
        body = raw.decode("utf-8", "replace")
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        rule = self._match(side, method, f"{path}?{query}", body)
        call = _caller(app, environ, raw)
        status = 0
        try:
            with self._place(side) as free:
                if free and self.latency:
                    self.wait(self.latency)
                answer = self._answer(rule, call) if free else _too_many()
            status = int(answer.status[:3])
        finally:
            self.requests.append(Request(side, method, path, query, status, body, started))
        start_response(answer.status, answer.headers)
        return answer.body

    @contextmanager
    def _place(self, side: str) -> Iterator[bool]:
        """Whether the service bears one more request at this moment."""
        with self._mutex:
            free = side not in self.bears or self._flying[side] < self.bears[side]
            self._flying[side] += free
        try:
            yield free
        finally:
            with self._mutex:
                self._flying[side] -= free

    def _answer(self, rule: Rule | None, call: Call) -> Answer:
        return ACTIONS[rule.do](self, rule, call) if rule else call()

    def _match(self, side: str, method: str, target: str, body: str) -> Rule | None:
        with self._mutex:
            hits = [rule for rule in self.rules if rule.strikes(side, method, target, body)]
        return hits[0] if hits else None


def _caller(app: WsgiApp, environ: dict[str, Any], body: bytes) -> Callable[[], Answer]:
    def call() -> Answer:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = [status, headers]

        # The server may have finished with the request by the time that a `late` one is applied.
        fresh = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        content = b"".join(app(fresh, start_response))
        return Answer(started[0], started[1], [content])

    return call


def _plain(status: str, content: bytes, kind: str, **headers: str) -> Answer:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Answer(status, [("Content-Type", kind), ("Content-Length", str(len(content))), *named], [content])


Call = Callable[[], Answer]
Action = Callable[[Faults, Rule, Call], Answer]


def _error_500(faults: Faults, rule: Rule, call: Call) -> Answer:
    return _plain("500 Internal Server Error", b"Internal Server Error", "text/plain")


def _too_many() -> Answer:
    return _plain("429 Too Many Requests", b"{}", "application/json")


def _throttled(faults: Faults, rule: Rule, call: Call) -> Answer:
    return _plain("429 Too Many Requests", b"{}", "application/json", Retry_After=f"{rule.pause:g}")


def _html(faults: Faults, rule: Rule, call: Call) -> Answer:
    return _plain("502 Bad Gateway", _HTML, "text/html; charset=utf-8")


def _error_in_2xx(faults: Faults, rule: Rule, call: Call) -> Answer:
    words = "Onbekende fout."
    error: dict[str, Any] = {"ErrorType": "AccountViewError", "ErrorNumbers": None, "ErrorMessage": words}
    if rule.side == "crafter":
        error = {"error": {"code": "unknown", "message": words}}
    return _plain("200 OK", json.dumps(error).encode(), "application/json")


def _says(status: int, content: Any) -> Answer:
    """A whole answer: a text as HTML, None as no body at all, anything else as JSON."""
    line = f"{status} {responses.get(status, 'Status')}"
    if content is None or isinstance(content, str):
        return _plain(line, (content or "").encode(), "text/html; charset=utf-8")
    return _plain(line, json.dumps(content).encode(), "application/json")


def _answer(faults: Faults, rule: Rule, call: Call) -> Answer:
    return _says(rule.status, rule.content)


def _fixed(status: int, content: Any) -> Action:
    return lambda faults, rule, call: _says(status, content)


def _committed(action: Action) -> Action:
    def committed(faults: Faults, rule: Rule, call: Call) -> Answer:
        call()
        return action(faults, rule, call)

    return committed


def _other_table(faults: Faults, rule: Rule, call: Call) -> Answer:
    """Processed, and answered with the helper tables alone."""
    return _changed(call(), lambda _: {"CONTEXT": [{"COMPANY": "DEMO"}]})


def _wrapped(faults: Faults, rule: Rule, call: Call) -> Answer:
    return _changed(call(), lambda data: {"data": data})


def _changed(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """A JSON answer with another content; any other as it is."""
    content = b"".join(answer.body)
    if not answer.status.startswith("2") or not content:
        return Answer(answer.status, answer.headers, [content])
    made = json.dumps(change(json.loads(content))).encode()
    kept = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return Answer(answer.status, [*kept, ("Content-Length", str(len(made)))], [made])


def _no_date(faults: Faults, rule: Rule, call: Call) -> Answer:
    answer = call()
    return Answer(answer.status, [pair for pair in answer.headers if pair[0].lower() != "date"], answer.body)


def _drop(faults: Faults, rule: Rule, call: Call) -> Answer:
    raise DroppedError


def _commit_drop(faults: Faults, rule: Rule, call: Call) -> Answer:
    call()
    raise DroppedError


def _commit_500(faults: Faults, rule: Rule, call: Call) -> Answer:
    call()
    return _error_500(faults, rule, call)


def _hang(faults: Faults, rule: Rule, call: Call) -> Answer:
    faults.wait(rule.pause)
    raise DroppedError


def _commit_hang(faults: Faults, rule: Rule, call: Call) -> Answer:
    call()
    return _hang(faults, rule, call)


def _slow(faults: Faults, rule: Rule, call: Call) -> Answer:
    faults.wait(rule.pause)
    return call()


def _late(faults: Faults, rule: Rule, call: Call) -> Answer:
    faults.later(rule.pause, call)
    raise DroppedError


def _cut(faults: Faults, rule: Rule, call: Call) -> Answer:
    answer = call()
    content = b"".join(answer.body)
    end = len(content) // 2 if rule.after is None else rule.after

    def part() -> Iterator[bytes]:
        yield content[:end]
        raise DroppedError

    return Answer(answer.status, answer.headers, part())


def _drip(faults: Faults, rule: Rule, call: Call) -> Answer:
    answer = call()
    content = b"".join(answer.body)
    start = rule.after or 0

    def drops() -> Iterator[bytes]:
        yield content[:start]
        for position in range(start, len(content)):
            faults.wait(rule.pause)
            yield content[position : position + 1]

    return Answer(answer.status, answer.headers, drops())


_REFUSED = "De bewerking is geweigerd."
_PROBLEM = {"type": "about:blank", "title": "Geweigerd", "status": 422, "detail": _REFUSED}
_LARAVEL = {"message": _REFUSED, "errors": {"name": ["is verplicht"]}}
_IN_JSON = {"ErrorType": "AccountViewError", "ErrorNumbers": None, "ErrorMessage": "De server is bezet."}

# Before processing: 500, 429, html (502), error_in_2xx (AccountViewError with status 200), drop, hang (then drop), 408,
# 425, 500_json, other_error and message_only (errors under another type, or none), problem_details and message_errors
# (Crafter's words in other shapes), answer (what the rule says).
# After processing: commit_500, commit_drop, commit_hang, cut (half an answer), drip (byte by byte), commit_408,
# commit_425, commit_500_json, commit_answer, other_table (a 2xx that lacks our table), wrapped (in a lone `data`),
# no_date (no Date header).
# slow: a pause, then as usual. late: dropped at once, processed after some seconds.
ACTIONS: dict[str, Action] = {
    "500": _error_500,
    "429": _throttled,
    "html": _html,
    "error_in_2xx": _error_in_2xx,
    "drop": _drop,
    "hang": _hang,
    "commit_500": _commit_500,
    "commit_drop": _commit_drop,
    "commit_hang": _commit_hang,
    "cut": _cut,
    "drip": _drip,
    "slow": _slow,
    "late": _late,
    "answer": _answer,
    "408": _fixed(408, None),
    "425": _fixed(425, {}),
    "500_json": _fixed(500, _IN_JSON),
    "other_error": _fixed(400, {"ErrorType": "ValidationError", "ErrorNumbers": None, "ErrorMessage": _REFUSED}),
    "message_only": _fixed(200, {"errormessage": _REFUSED}),
    "problem_details": _fixed(422, _PROBLEM),
    "message_errors": _fixed(422, _LARAVEL),
    "other_table": _other_table,
    "wrapped": _wrapped,
    "no_date": _no_date,
}
ACTIONS |= {f"commit_{name}": _committed(ACTIONS[name]) for name in ("answer", "408", "425", "500_json")}
