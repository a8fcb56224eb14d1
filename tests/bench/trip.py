"""`python -m tests.bench.trip [--show] [--self]`: the way of one record through the code, counted with a profiler.

A record has marks: its ids and numbers on both sides, the reference that avsync gives it, and the texts that were
edited, each of which stands in no other record. A call is on its way when a mark stands in one of its arguments (self
apart, unless asked for), opened up to six objects deep; so what every quiet run does is not counted. The way is the
sequence of these calls, in all threads, in the order of time; a generator counts once, when it is made, and a
comprehension belongs to the function around it. A move is a step of the sequence into another module, a return a move
into a module where the way has been before. Only code of avsync outside the sandbox counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tabulate import tabulate

import avsync
from tests.support.office import ALL_ON, Office, office

ROOT = Path(avsync.__file__).parent
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
DEEP, WIDE = 6, 60
NUMBER, ARTICLE, PHONE, EMAIL = "20077", "PUMP-1", "038-7654321", "edited@jansen.example"
QUIET = 4  # runs after which nothing is left to do


class Step(NamedTuple):
    """One call on the way: in which file and function, and under how many others of the way in its thread."""

    module: str
    function: str
    depth: int


@dataclass(frozen=True)
class Way:
    """The calls that one record made."""

    steps: list[Step]

    @property
    def functions(self) -> int:
        return len({step[:2] for step in self.steps})

    @property
    def modules(self) -> int:
        return len({step.module for step in self.steps})

    @property
    def crossings(self) -> list[tuple[str, str]]:
        """The moves: from which module into which."""
        return [(a.module, b.module) for a, b in pairwise(self.steps) if a.module != b.module]

    @property
    def returns(self) -> int:
        """Each module but the first is moved into once for the first time; every other move is a return."""
        return len(self.crossings) - max(self.modules - 1, 0)


def holds(value: Any, marks: tuple[str, ...]) -> bool:
    """Whether a mark stands in it, or in what it holds."""
    level, seen = [value], set()
    for _ in range(DEEP + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, (str, bytes)):
                text = one if isinstance(one, str) else one.decode(errors="replace")
                if any(mark in text for mark in marks):
                    return True
            elif id(one) not in seen:
                seen.add(id(one))
                below += _inside(one)
        level = below
    return False


def _inside(one: Any) -> list[Any]:
    """What a container or an object of avsync's own holds; a copy, as other threads may be at it."""
    if isinstance(one, dict):
        return [part for pair in list(one.items())[:WIDE] for part in pair]
    if isinstance(one, (list, tuple, set, frozenset)):
        return list(one)[:WIDE]
    if type(one).__module__.split(".")[0] != "avsync":
        return []
    slots = [vars(kind).get("__slots__", ()) for kind in type(one).__mro__]
    names = [name for some in slots for name in ((some,) if isinstance(some, str) else some)]
    return [*getattr(one, "__dict__", {}).values(), *(getattr(one, name, None) for name in names)]


class Profiler:
    """Takes down the way of the record with these marks while `during` runs."""

    def __init__(self, marks: tuple[str, ...], own: bool) -> None:
        self.marks, self.own = marks, own
        self.steps: list[Step] = []
        self._places: dict[CodeType, tuple[str, str] | None] = {}
        self._generators: set[FrameType] = set()
        self._open = threading.local()

    def during(self, work: Callable[[], None]) -> Way:
        """Threads that run already, as the sandbox's do, are not looked at."""
        threading.setprofile(self._event)
        sys.setprofile(self._event)
        try:
            work()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        return Way(self.steps)

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return"):
            return
        place = self._place(frame.f_code)
        if place is None:
            return
        inside: list[FrameType] = self._open.__dict__.setdefault("inside", [])
        if event == "return":
            if inside and inside[-1] is frame:
                inside.pop()
        elif self._counts(frame):
            self.steps.append(Step(*place, len(inside)))
            inside.append(frame)

    def _counts(self, frame: FrameType) -> bool:
        if not frame.f_code.co_flags & CO_GENERATOR:  # a generator goes on with a "call" each time
            return self._is_handed_it(frame)
        if frame in self._generators:
            return False
        self._generators.add(frame)
        return self._is_handed_it(frame)

    def _is_handed_it(self, frame: FrameType) -> bool:
        code, given = frame.f_code, frame.f_locals
        count = (
            code.co_argcount
            + code.co_kwonlyargcount
            + bool(code.co_flags & CO_VARARGS)
            + bool(code.co_flags & CO_VARKEYWORDS)
        )
        names = code.co_varnames[:count]
        return any(holds(given.get(name), self.marks) for name in names if self.own or name not in ("self", "cls"))

    def _place(self, code: CodeType) -> tuple[str, str] | None:
        """Module and function; None for what is not counted."""
        if code not in self._places:
            path = Path(code.co_filename)
            ours = path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "sandbox")
            counts = ours and code.co_name not in COMPREHENSIONS
            self._places[code] = (str(path.relative_to(ROOT)), code.co_qualname) if counts else None
        return self._places[code]


class World:
    """One customer, project, employee, article and work order: the least that all three records can live in."""

    def fill(self, box: Any) -> None:
        """Put it in, as people would have."""
        books, plan = box.accountview, box.crafter
        books.add("PRO_TYPE", PT_CODE="SRV", PT_DESC="Service")
        books.add("EMPLOYEE", EMP_NR="007", EMP_NAME="Jan Bakker")
        books.add("HRS_CODE", HRS_CODE="100", HRS_DESC="Werk")
        books.add("HRS_CODE", HRS_CODE="200", HRS_DESC="Reis")
        books.add("ARTICLE", ART_CODE=ARTICLE, ART_DESC1="Pomp")
        books.add(
            "CONTACT", SUB_NR=NUMBER, ACCT_NAME="Bakkerij Jansen", SRC_CODE="X", ACCT_NR="1300", CNT_CODE="NL",
            ADDRESS1="Dorpsstraat 1", POST_CODE="1234 AB", CITY="Ede", TEL_BUS="038-1", MAIL_BUS="info@jansen.example",
        )  # fmt: skip
        books.add(
            "PROJECTS", PROJ_CODE="P1", PROJ_DESC="Ketelhuis", SUB_NR=NUMBER, PRO_TYPE="SRV", EMP_NR="007",
            BEG_DATE="2026-02-01",
        )  # fmt: skip
        plan.add("users", id="user-1", name="Jan Bakker", unique_code="007")
        plan.add("work-types", id="type-1", code="O", name="Onderhoud")


def _settle(one: Office) -> None:
    for _ in range(QUIET):
        told = one.run()
        if told["exit"]:
            raise RuntimeError(f"{told}\n{one.errors()}")


def _only(one: Office, resource: str) -> str:
    (found,) = one.box.crafter.records(resource)
    return str(found["id"])


def _work_order(one: Office) -> None:
    """A checked one with a line that is not ticked, on the project of the customer."""
    one.box.crafter.add(
        "work-orders", id="order-1", status="checked", description="Ketel", target_date="2026-12-01",
        customer_id=_only(one, "customers"), project_id=_only(one, "projects"), work_type_id="type-1",
        lines=[_line(False)],
    )  # fmt: skip


def _line(ticked: bool) -> dict[str, Any]:
    known = {"id": "trip-line", "article_number": ARTICLE, "description": "Pomp", "quantity": "2"}
    return {**known, "checked": ticked}


def _nothing(_: Office) -> None:
    """No more than the world holds."""


def _new_hour(one: Office) -> None:
    one.box.crafter.add(
        "hours", id="trip-hour", user_id="user-1", work_order_id="order-1", project_id=None, kind="work",
        date="2026-11-02", hours="2.50",
    )  # fmt: skip


def _hour_marks(one: Office) -> tuple[str, ...]:
    return ("trip-hour", *(row["EXT_ID"] for row in one.box.accountview.rows("HRS_LINE") if row["EXT_ID"]))


def _edit_both(one: Office) -> None:
    one.box.accountview.edit("CONTACT", NUMBER, TEL_BUS=PHONE)
    one.box.crafter.edit("customers", _only(one, "customers"), email=EMAIL)


def _customer_marks(one: Office) -> tuple[str, ...]:
    return NUMBER, _only(one, "customers"), PHONE, EMAIL


def _tick(one: Office) -> None:
    one.box.crafter.edit("work-orders", "order-1", lines=[_line(True)])


def _line_marks(_: Office) -> tuple[str, ...]:
    return ("trip-line",)


@dataclass(frozen=True)
class Case:
    """Which flows are on, what is in step before, what changes then; its marks and whether it arrived, afterwards."""

    flows: Mapping[str, str]
    before: Callable[[Office], None]
    change: Callable[[Office], None]
    marks: Callable[[Office], tuple[str, ...]]
    arrived: Callable[[Office], bool]


def _hour_arrived(one: Office) -> bool:
    return len(one.box.accountview.rows("HRS_LINE")) == 1


def _customer_arrived(one: Office) -> bool:
    (row,), (record,) = one.box.accountview.rows("CONTACT"), one.box.crafter.records("customers")
    return bool(row["MAIL_BUS"] == EMAIL and record["phone"] == PHONE)


def _line_arrived(one: Office) -> bool:
    return len(one.box.accountview.rows("SO_LINE")) == 1


CASES = {
    "a new hours line": Case(ALL_ON, _work_order, _new_hour, _hour_marks, _hour_arrived),
    "a customer edited on both sides": Case(
        {"customers": "both"}, _nothing, _edit_both, _customer_marks, _customer_arrived
    ),
    "a ticked line of a checked work order": Case(ALL_ON, _work_order, _tick, _line_marks, _line_arrived),
}


def walk(case: Case, own: bool = False) -> Way:
    """The way of the record of a case. A rehearsal in a world of its own tells the marks."""
    with _ready(case) as one:
        _run_once(one)
        marks = case.marks(one)
    with _ready(case) as one:
        way = Profiler(marks, own).during(lambda: _run_once(one))
        if not case.arrived(one):
            raise RuntimeError("the record has not arrived")
    return way


@contextmanager
def _ready(case: Case) -> Iterator[Office]:
    """All in step but for the one record."""
    with tempfile.TemporaryDirectory(prefix="trip-") as folder, office(Path(folder), World(), dict(case.flows)) as one:
        for side in ("accountview", "crafter"):
            one.config[side]["concurrency"] = 1
        _settle(one)
        case.before(one)
        _settle(one)
        case.change(one)
        yield one


def _run_once(one: Office) -> None:
    told = one.avsync("--json", "run-all")
    if told.exit:
        raise RuntimeError(f"{told}\n{one.errors()}")


def show(way: Way) -> None:
    """The sequence itself, and between which modules it moves most."""
    last = ""
    for step in way.steps:
        print(f"{step.module if step.module != last else '':32} {'  ' * step.depth}{step.function}")
        last = step.module
    print()
    for (a, b), times in Counter(way.crossings).most_common(10):
        print(f"{times:4} x {a} -> {b}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trip", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the sequence itself too, indented by depth")
    parser.add_argument("--self", action="store_true", help="count methods of an object that holds the record too")
    arguments = parser.parse_args()
    rows = []
    for name, case in CASES.items():
        way = walk(case, arguments.self)
        if arguments.show:
            print(f"\n{name}\n")
            show(way)
            print()
        rows.append((name, way.functions, way.modules, len(way.crossings), way.returns))
    print(tabulate(rows, headers=["the way of", "functions", "modules", "moves", "returns"]))


if __name__ == "__main__":
    main()
