"""`kill -9` on real runs, at random moments and at every step; then: is anything doubled, lost, open or logged out?

`python -m tests.crash.kills 1000`. A process that has avsync loaded forks for every run, so that starting costs
nothing; every so often a run is a fresh `python -m avsync run-all` instead. People keep working in both worlds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avsync.sandbox.faults import Request
from avsync.sandbox.server import Sandbox
from avsync.state import db
from avsync.state.store import Store
from tests.support.folders import MEMORY
from tests.support.forks import Forks
from tests.support.office import Office
from tests.support.world import World, line

FLOWS = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
LATENCY = 0.004  # seconds per answer
GRACE = 1.5  # seconds; many times what the sandbox needs for a request it has received
BATCH = 100  # kills in one world
FRESH = 20  # every so many runs one is a process of its own


@dataclass
class Figures:
    """What came of it. `unsavable`: logins lost between AccountView's answer and our disk, before anybody used them."""

    runs: int = 0
    kills: int = 0
    doubled: int = 0
    lost: int = 0
    open: int = 0
    logins_lost: int = 0
    unsavable: int = 0
    tracebacks: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.doubled or self.lost or self.open or self.logins_lost or self.tracebacks)

    def __str__(self) -> str:
        logins = f"{self.logins_lost} logins lost (and {self.unsavable} that no client could have saved)"
        ended = f"{self.doubled} doubled, {self.lost} lost, {self.open} intents left open, {logins}"
        return f"{self.kills} kills in {self.runs} runs: {ended}, {self.tracebacks} tracebacks"


class People(World):
    """Work on in both worlds, and know what must be where in the end."""

    def __init__(self, box: Sandbox, chance: random.Random) -> None:
        super().__init__(box)
        self.chance, self.turn = chance, 0
        self.hours: Counter[tuple[str, str]] = Counter()
        self.unchecked: list[str] = []
        self.lists()
        self.customer()
        self.add_klant(customer_number="10001")

    def work(self) -> None:
        """A bit of everything."""
        self.turn += 1
        turn, box = self.turn, self.box
        self.customer(str(50000 + turn), f"Boek {turn}", PO_BOX=f"Postbus {turn}", PO_CODE="1234 AC", PO_CITY="Ede")
        self.add_klant(f"k-{turn}", f"Klant {turn}")
        box.accountview.add(
            "PROJECTS", PROJ_CODE=f"P{turn}", PROJ_DESC=f"Project {turn}", SUB_NR="10001", PRO_TYPE="ONDERHOUD"
        )
        box.accountview.add("SO_HDR", RPL_DEL="10001", RPL_INV="10001", ORD_DATE="2026-11-02", COMMENT1=f"Order {turn}")
        for letter in "abc":
            self.work_order(f"w-{turn}{letter}", customer_id=self.chance.choice(["klant-1", f"k-{turn}"]))
        ticked = [
            line(f"l-{turn}-{n}", quantity=str(self.chance.randint(1, 2))) for n in range(self.chance.randint(2, 4))
        ]
        self.unchecked += [f"w-{turn}a", f"w-{turn}b"]
        self.chance.shuffle(self.unchecked)
        box.crafter.edit("work-orders", self.unchecked.pop(), status="checked", lines=ticked)
        for copy in range(self.chance.randint(1, 2)):
            self._book(f"h-{turn}-{copy}", f"2026-{turn % 9 + 1:02d}-{turn % 27 + 1:02d}", f"{turn % 9 + 1}.25")
        box.accountview.edit("CONTACT", "10001", TEL_BUS=f"0318-{turn:06d}")
        box.crafter.edit("customers", "klant-1", email=f"post{turn}@jansen.example")

    def _book(self, identity: str, date: str, quantity: str) -> None:
        self.hour(identity, date=date, hours=quantity)
        self.hours[date, quantity] += 1

    def judge(self, figures: Figures) -> None:
        """Count what is there against what must be there."""
        box, turns = self.box, range(1, self.turn + 1)
        books, crafter = box.accountview, box.crafter
        klanten = crafter.records("customers")
        self._count(figures, Counter(one["name"] for one in klanten), [f"Boek {n}" for n in turns])
        self._count(figures, Counter(one["ACCT_NAME"] for one in books.rows("CONTACT")), [f"Klant {n}" for n in turns])
        self._count(
            figures, Counter(one["name"] for one in crafter.records("projects")), [f"Project {n}" for n in turns]
        )
        orders, work = books.rows("SO_HDR"), crafter.records("work-orders")
        self._count(
            figures, Counter(one["COMMENT1"] for one in orders), [f"Ketel w-{n}{x}" for n in turns for x in "abc"]
        )
        self._count(figures, Counter(one["description"] for one in work), [f"Order {n}" for n in turns])
        booked = Counter((one["HRS_DATE"][:10], f"{one['HRS_QTY']:.2f}") for one in books.rows("HRS_LINE"))
        self._compare(figures, "hours", self.hours, booked)
        wanted = Counter(
            (one["order_number"], part["article_number"], part["quantity"])
            for one in work
            for part in one["lines"]
            if part["checked"]
        )
        there = Counter((one["ORD_NR"], one["ART_CODE"], f"{one['ORD_QTY']:.0f}") for one in books.rows("SO_LINE"))
        self._compare(figures, "lines", wanted, there)
        self._last_edits(figures)
        self._compare(
            figures, "numbers", Counter(one["ORD_NR"] for one in orders), Counter(one["order_number"] for one in work)
        )
        self._compare(figures, "names", Counter(one["SUB_NR"] for one in books.rows("CONTACT")),
                      Counter(one["customer_number"] for one in klanten))  # fmt: skip

    def _last_edits(self, figures: Figures) -> None:
        """Edited in every turn, the telephone in AccountView and the e-mail address in Crafter: the last one stands."""
        row, klant = self.box.accountview.row("CONTACT", "10001"), self.box.crafter.record("customers", "klant-1")
        assert row
        assert klant
        wanted = (f"0318-{self.turn:06d}", f"post{self.turn}@jansen.example")
        there = Counter([(row["TEL_BUS"], row["MAIL_BUS"]), (klant["phone"], klant["email"])])
        self._compare(figures, "edits", Counter({wanted: 2}), there)

    def _count(self, figures: Figures, there: Counter[Any], names: list[str]) -> None:
        self._compare(figures, "", Counter(names), Counter({name: there[name] for name in names}))

    def _compare(self, figures: Figures, what: str, wanted: Counter[Any], there: Counter[Any]) -> None:
        more, fewer = there - wanted, wanted - there
        figures.doubled += more.total()
        figures.lost += fewer.total()
        figures.said += [f"too many: {what} {name} ({count})" for name, count in more.items()]
        figures.said += [f"missing: {what} {name} ({count})" for name, count in fewer.items()]


class Killer:
    """Starts runs in one world and kills them."""

    def __init__(self, folder: Path, forks: Forks, chance: random.Random, figures: Figures) -> None:
        self.box = Sandbox(latency=LATENCY)
        self.forks, self.chance, self.figures = forks, chance, figures
        self.people = People(self.box, chance)
        self.office = Office(self.box, folder, **FLOWS)
        self.office.config |= {"settle_grace": GRACE, "safety": {"max_new": 100000, "max_share": 1.0}}
        self.office.write_config()
        self.errors = folder / "stderr"
        self.lasts = 0.0
        self.box.start()

    def count_steps(self) -> int:
        """How many steps a run with work to do takes."""
        self._first_run()
        self.people.work()
        self.forks.start(self.office.path, self.errors, -1)
        self.forks.wait()
        self.figures.runs += 1
        return self.forks.steps()

    def _first_run(self) -> None:
        self.forks.start(self.office.path, self.errors)
        self.forks.wait()
        self.people.work()
        begun = time.monotonic()
        self.forks.start(self.office.path, self.errors)
        self.forks.wait()
        self.lasts = time.monotonic() - begun
        self.figures.runs += 2

    def at_step(self, step: int) -> bool:
        """A run with work to do that dies at this step; False when it had fewer steps."""
        self.people.work()
        if step % 3 == 0:
            self.box.expire_tokens()
        self.forks.start(self.office.path, self.errors, step)
        return self._seen(self.forks.wait() == signal.SIGKILL)

    def at_random(self) -> bool:
        """A run with work to do that is killed at any moment; False when it was quicker."""
        if not self.lasts:
            self._first_run()
        self.people.work()
        if self.chance.random() < 0.2:
            self.box.expire_tokens()
        if self.figures.runs % FRESH == 0:
            return self._seen(self._kill_a_process())
        pid = self.forks.start(self.office.path, self.errors)
        time.sleep(self.chance.uniform(0, self.lasts * 1.05))
        os.kill(pid, signal.SIGKILL)  # not reaped yet: the number is still its own
        return self._seen(self.forks.wait() == signal.SIGKILL)

    def _kill_a_process(self) -> bool:
        with self.errors.open("ab") as errors:
            run = subprocess.Popen(self.office.command("run-all"), stdout=subprocess.DEVNULL, stderr=errors)
        time.sleep(self.chance.uniform(0.1, 0.6 + self.lasts))
        run.kill()
        return run.wait() == -signal.SIGKILL

    def _seen(self, killed: bool) -> bool:
        self.figures.runs += 1
        self.figures.kills += killed
        self._look_at_the_login()
        return killed

    def _look_at_the_login(self) -> None:
        """Lost: the refresh token on disk is spent. No client could help it when the new pair had not been used yet."""
        kept = json.loads((self.office.state / "token.json").read_text())["refresh_token"]
        if kept in self.box.authority._refresh:
            return
        until = time.monotonic() + 5
        while len(self._renewals()) < self.box.token_refreshes and time.monotonic() < until:
            time.sleep(0.01)  # the sandbox has given the new pair, but is still writing that down
        calls = [one for one in self.box.requests if one.side == "accountview"]
        given = max(one.time for one in self._renewals())
        used = [one for one in calls if one.time > given and one.status != 401 and not one.path.endswith("/token")]
        self.figures.unsavable += not used
        self.figures.logins_lost += bool(used)
        self.figures.said += [f"login lost after {one.method} {one.path} {one.status}" for one in used[:3]]
        self.office.log_in()

    def _renewals(self) -> list[Request]:
        return [one for one in self.box.requests if one.path.endswith("/token") and one.status == 200]

    def settle(self) -> None:
        """Run until nothing is written any more, then judge."""
        for _ in range(8):
            self.box.requests.clear()
            self.forks.start(self.office.path, self.errors)
            status = self.forks.wait()
            self.figures.runs += 1
            if not self.office.writes() and not status and not self._intents():
                break
            time.sleep(GRACE if self._intents() else 0)
        self.figures.open += self._intents()
        self.people.judge(self.figures)
        self.figures.tracebacks += self.errors.read_text().count("Traceback") if self.errors.exists() else 0
        if self.figures.said or self.figures.open:
            self.figures.said += [f"{one['code']}: {one['message']}" for one in self.office.errors()]
        self.box.stop()

    def _intents(self) -> int:
        base = db.open_for_reading(self.office.state)
        return len(Store(base).intents.open()) if base is not None else 0


def kill_at_steps(every: int = 1, seed: int = 1) -> Figures:
    """One kill at each (or each so many-th) step of a run."""
    figures, forks = Figures(), Forks()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        killer = Killer(Path(folder), forks, random.Random(seed), figures)
        steps = killer.count_steps()
        for step in range(1, steps + 1, every):
            killer.at_step(step)
        killer.settle()
    forks.close()
    return figures


def kill_at_random(kills: int, seed: int = 1, tell: bool = False) -> Figures:
    """So many kills at random moments, in worlds of a hundred each."""
    figures, forks, chance = Figures(), Forks(), random.Random(seed)
    while figures.kills < kills:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            killer, goal = Killer(Path(folder), forks, chance, figures), min(kills, figures.kills + BATCH)
            while figures.kills < goal:
                killer.at_random()
            killer.settle()
        if tell:
            print(figures, flush=True)
    forks.close()
    return figures


def main() -> int:
    """Every step once, then as many random ones as asked for."""
    kills, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    steps = kill_at_steps(seed=seed)
    print(f"every step once: {steps}", flush=True)
    moments = kill_at_random(kills, seed, tell=True)
    print(f"at random moments: {moments}")
    for said in (*steps.said, *moments.said):
        print(f"  {said}")
    return 0 if steps.good and moments.good else 1


if __name__ == "__main__":
    sys.exit(main())
