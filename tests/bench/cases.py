"""The measurements. Each returns rows for the table: what, avsync, floor, ratio, target."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests as http
import yaml

from avsync.records.values import format_utc
from avsync.state import db
from avsync.state.events import KEPT_DAYS, Event
from avsync.state.lock import RunLock
from avsync.state.problems import About, Cause
from avsync.state.store import Store
from tests.bench.measure import Cost, interleaved, ratio, run, typical
from tests.bench.server import Server
from tests.support.office import ALL_ON, Office, shop
from tests.support.world import line

Row = tuple[str, str, str, str, str]
CONNECTIONS = {"accountview": 2, "crafter": 8}
CLICK = [sys.executable, "-c", "import click"]
BORNE = 3


@contextmanager
def _office(world: str, size: int, latency: float = 0.0, **flows: str) -> Iterator[Office]:
    """An avsync beside a sandbox in another process. Without flows all are on."""
    with Server(world, size, latency) as server, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        office = Office(server, Path(folder), **flows)  # type: ignore[arg-type]
        office.config["timeouts"] = {"connect": 10, "read": 60}
        office.config["budget"] = 3600
        yield office


def _avsync(office: Office, *args: str) -> Cost:
    return run(office.command("--json", *args), expect=(0, 1))


def _floor(office: Office, name: str, requests: list[Any], imports: Sequence[str] = ()) -> Cost:
    server: Any = office.box
    told = {**server.names, "token": server.grant()["access_token"], "requests": requests, "connections": CONNECTIONS,
            "imports": list(imports)}  # fmt: skip
    told["hashes"] = str(office.folder / "hashes.db")
    file = office.folder / "floor.json"
    file.write_text(json.dumps(told), encoding="utf-8")
    return run([sys.executable, "-m", "tests.bench.floors", name, str(file)])


def quiet(links: list[int], latencies: list[float], times: int) -> Iterator[Row]:
    """A run with all flows on and nothing to do, at growing numbers of links in state.db and with a service further
    away; against a script with the same imports that sends the same requests one after the other."""
    for number, latency in [*((number, 0.0) for number in links), *((links[0], latency) for latency in latencies)]:
        with _office("in_step", 400, latency) as office:
            server: Any = office.box
            _avsync(office, "run-all")
            _add_links(office, number)
            _avsync(office, "run-all")
            server.ask("requests")
            told = json.loads(_avsync(office, "run-all").out)["requests"]
            requests, imports = server.ask("requests"), _imports(office)

            def bare_run(requests: list[Any] = requests, imports: list[str] = imports) -> Cost:
                return _floor(office, "requests", requests, imports)

            writes = sum(one[1] != "GET" for one in requests)
            ours, bare = interleaved(times, lambda: _avsync(office, "run-all"), bare_run)
            what = f"quiet run-all, {number:,} links, {latency * 1000:.0f} ms"
            yield _row(f"{what}: requests (writes, token calls)", f"{sum(told.values())} ({writes})", "", "",
                       "<= 12 (0)")  # fmt: skip
            yield _timed(f"{what}: seconds (floor: same imports and requests)", ours, bare, "<= 1.5", "")
            yield _timed(f"{what}: processor seconds", ours, bare, "", "cpu")


def _imports(office: Office) -> list[str]:
    """The modules of others that a quiet run has imported when it ends."""
    program = (
        "import sys\nfrom avsync.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *office.command("--json", "run-all")[3:]]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()[-1].split()
    return [name for name in loaded if name.partition(".")[0] not in ("avsync", "__main__")]


def _add_links(office: Office, number: int) -> None:
    """Fill state.db up to so many links, spread over the kinds."""
    db = sqlite3.connect(office.state / "state.db")
    have = db.execute("SELECT count(*) FROM links").fetchone()[0]
    base = json.dumps({"number": "1", "name": "Installatiebedrijf Jansén & Zn", "phone": "038-1234567", "email": None})
    kinds = ("customer", "location", "contact", "project", "order", "hour", "hour", "hour")
    rows = (
        (kinds[one % 8], f"X{one}", f"x-{one}", base, base, f"{one:016x}", f"{one:016x}", "accountview", 0, 0)
        for one in range(have, number)
    )
    ends = ("", "_told", "_print")
    columns = ", ".join(["kind", *(side + end for end in ends for side in ("accountview", "crafter")), "origin"])
    with db:
        db.executemany(f"INSERT INTO links ({columns}, adopted, gone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.close()


def first_import(world: str, flow: str, size: int, latency: float, times: int) -> Iterator[Row]:
    """Records per second of a first run, against bare sessions that send the very same requests to a fresh sandbox."""
    direction = {"customers": "import", "hours": "export"}[flow]
    ours, bare, count = [], [], 0
    for _ in range(times):
        with _office(world, size, latency, **{flow: direction}) as office:
            server: Any = office.box
            ours.append(_avsync(office, "sync", flow, "--force"))
            requests = server.ask("requests")
            count = sum(one[1] != "GET" for one in requests)
        with _office(world, size, latency, **{flow: direction}) as office:
            bare.append(_floor(office, "replay", requests))
    rate, best = count / typical(ours), count / typical(bare)
    what = f"first run of {flow}, {count:,} writes at {latency * 1000:.0f} ms"
    yield _row(f"{what}: writes per second", f"{rate:.0f}", f"{best:.0f}", f"{1 / ratio(ours, bare):.2f}", ">= 0.85")
    yield _row(f"{what}: peak MB", f"{typical(ours, 'peak'):.0f}", f"{typical(bare, 'peak'):.0f}", "", "")


def pace(size: int, latency: float, times: int) -> Iterator[Row]:
    """A first import into a Crafter that bears few requests at a time, against the best fixed number of them."""
    ours: list[Cost] = []
    fixed: list[Cost] = []
    refused = 0
    for _ in range(times):
        for costs, most in ((ours, CONNECTIONS["crafter"]), (fixed, BORNE)):
            with _office("books", size, latency, customers="import") as office:
                server: Any = office.box
                server.ask(f"bears {BORNE}")
                office.config["crafter"]["concurrency"] = most
                costs.append(_avsync(office, "sync", "customers", "--force"))
                if json.loads(costs[-1].out)["exit"]:
                    raise RuntimeError(f"not well: {costs[-1].out}")
                if costs is ours:
                    refused = sum(one[4] == 429 for one in server.ask("requests"))
    what = f"first import of {size:,} customers, Crafter bears {BORNE} at a time (floor: concurrency {BORNE})"
    yield _timed(f"{what}: seconds", ours, fixed, "", "")
    yield _row(f"{what}: refused with 429", str(refused), "0", "", "")


def edits(number: int, latency: float, times: int) -> Iterator[Row]:
    """One run after so many edits, against bare sessions that send its listings and its writes, and nothing else."""
    ours: list[Cost] = []
    bare: list[Cost] = []
    sent: list[Any] = []
    with _office("in_step", number, latency, customers="both") as office:
        server: Any = office.box
        _avsync(office, "run-all", "--force")
        for attempt in range(times):
            _avsync(office, "run-all", "--force")  # what the floor has written comes back as a change of AccountView
            _edit(server, number, attempt)
            server.ask("requests")
            ours.append(_avsync(office, "run-all", "--force"))
            sent = server.ask("requests")
            needed = [one for one in sent if not _is_single(one)]
            bare.append(_floor(office, "replay", needed))
    told = json.loads(ours[-1].out)["flows"]["customers"]
    writes = sum(one[1] != "GET" for one in sent)
    if writes != number or told["failed"]:
        raise RuntimeError(f"{writes} writes for {number} edits: {told}")
    singles = sum(_is_single(one) for one in sent)
    what = f"{number} edits of customers in Crafter"
    yield _row(
        f"{what}: requests (GETs of one customer's /work-locations)", f"{len(sent)} ({singles})", str(len(needed)),
        f"{len(sent) / len(needed):.2f}", "",
    )  # fmt: skip
    yield _timed(f"{what} at {latency * 1000:.0f} ms: seconds", ours, bare, "", "")


def _is_single(one: list[Any]) -> bool:
    """A look at some places, such as one customer's: no part of the listing."""
    _, method, path, query, *_ = one
    return (
        method == "GET"
        and "/work-locations" in path
        and (not path.endswith("/work-locations") or "customer_id=" in (query or ""))
    )


def _edit(server: Any, number: int, attempt: int) -> None:
    """A planner changes the phone of each customer."""
    with http.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {server.api_key}"
        for one in range(number):
            address = f"{server.crafter_url}/customers/customer-{one}"
            session.patch(address, json={"phone": f"06-{attempt}{one:07d}"}).raise_for_status()


def full_pass(rows: int, times: int) -> Iterator[Row]:
    """Reading everything again when nothing has changed."""
    with _office("in_step", -(-rows // 3), customers="import") as office:
        server: Any = office.box
        first = _avsync(office, "sync", "customers")
        server.ask("requests")
        told = json.loads(_avsync(office, "sync", "customers", "--full").out)["flows"]["customers"]
        if told["unchanged"] != told["read"]:
            raise RuntimeError(f"not a quiet pass: {told}")
        requests = [one for one in server.ask("requests") if one[4] == 200]
        _floor(office, "pages", requests)
        ours, bare = interleaved(
            times, lambda: _avsync(office, "sync", "customers", "--full"), lambda: _floor(office, "pages", requests)
        )
        what = f"full pass, {told['read']:,} unchanged rows"
        yield _timed(f"{what}: seconds", ours, bare, "<= 1.5" if rows >= 100_000 else "", "")
        yield _timed(f"{what}: processor seconds (sandbox apart)", ours, bare, "", "cpu")
        yield _row(f"{what}: peak MB", f"{typical(ours, 'peak'):.0f}", f"{typical(bare, 'peak'):.0f}", "", "flat")
        yield _row(
            f"first meeting of {told['read']:,} rows: seconds, peak MB",
            f"{first.seconds:.1f}, {first.peak:.0f}",
            "",
            "",
            "flat",
        )


def loader(rows: int, times: int) -> Iterator[Row]:
    """Taking in everything for the first time and once more, against dlt that loads the same pages into SQLite."""
    with _office("in_step", -(-rows // 3), customers="import") as office, _with_dlt() as python:
        server: Any = office.box
        _avsync(office, "sync", "customers")  # it marks what it links in Crafter, which is no part of this
        for file in office.state.glob("state.db*"):
            file.unlink()
        first = _avsync(office, "sync", "customers")
        server.ask("requests")
        read = json.loads(_avsync(office, "sync", "customers", "--full").out)["flows"]["customers"]["read"]
        requests = [one for one in server.ask("requests") if one[4] == 200 and one[1] == "GET"]
        theirs = [_load(office, python, requests) for _ in range(times)]
        again = [_avsync(office, "sync", "customers", "--full") for _ in range(times)]
        for ours, what, targets in (
            ([first], "met for the first time", ("", "")),
            (again, "once more", ("0.35", "0.5")),
        ):
            for name, unit, target in zip(("seconds", "peak"), ("seconds", "peak MB"), targets, strict=True):
                here, there = typical(ours, name), typical(theirs, name)
                yield _row(f"{read:,} records {what}: {unit} (floor: dlt loads them into SQLite)", f"{here:.1f}",
                           f"{there:.1f}", f"{here / there:.2f}", f"<= {target}" if target else "")  # fmt: skip


def _load(office: Office, python: str, requests: list[Any]) -> Cost:
    """Whole and anew: keeping what is there by key (`merge`) takes it minutes in SQLite."""
    server: Any = office.box
    told = {**server.names, "token": server.grant()["access_token"], "requests": requests}
    file, folder = office.folder / "loader.json", office.folder / "loaded"
    file.write_text(json.dumps(told), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return run([python, str(Path(__file__).with_name("loader.py")), str(file), str(folder)])


@contextmanager
def _with_dlt() -> Iterator[str]:
    """The Python of an environment that holds dlt; only there, and only for as long as this takes."""
    with tempfile.TemporaryDirectory(prefix="bench-dlt-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "-qq", "dlt[sqlalchemy]", "requests"], check=True)
        yield python


def start(times: int) -> Iterator[Row]:
    """The time until a command answers, against a process that imports click; and a run that finds the lock taken."""
    with _office("in_step", 10) as office:
        _avsync(office, "run-all")
        for args in (("--help",), ("errors",), ("status",)):
            yield _started(office.command(*args), f"avsync {args[0]}", times, "")
        lock = RunLock(office.state)
        lock.take()
        yield _started(office.command("run-all"), "avsync run-all, the lock taken", times, "<= 2")
        lock.release()


def _started(command: list[str], what: str, times: int, target: str) -> Row:
    ours, bare = interleaved(times, lambda: run(command), lambda: run(CLICK))
    return _timed(f"{what}: seconds (floor: import click)", ours, bare, target, "")


def problems(number: int, times: int) -> Iterator[Row]:
    """What the list of many problems takes, against a bare reading of the same rows."""
    with _office("in_step", 10) as office:
        _avsync(office, "run-all")
        store = Store(db.open_for_writing(office.state))
        with store.transaction():
            for one in range(number):
                name = f"Vereniging van Eigenaars Residentie Waterland {one}"
                about = About(
                    "customers", "customer", "crafter", f"c-{one}", "", name, "customer", f"c-{one}", "v", name
                )
                params = {"field": "name", "value": name, "detail": "40"}
                store.problems.replace(
                    about, [Cause("too_long", "error", params, "name")], "2026-06-01T10:00:00.000000Z"
                )
        store.close()
        bare = (
            "import sqlite3, sys; print(len(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM problems').fetchall()))"
        )
        floor = [sys.executable, "-c", bare, str(office.state / "state.db")]
        for args, target in (
            (("--json", "errors"), "<= 1.5 s"),
            (("errors",), ""),
            (("errors", "--format", "html"), ""),
        ):
            ours, plain = interleaved(times, lambda args=args: run(office.command(*args)), lambda: run(floor))  # type: ignore[misc]
            yield _timed(f"{' '.join(args)}, {number:,} problems: seconds", ours, plain, target, "")


def companies(at_once: int, times: int) -> Iterator[Row]:
    """What a company costs that has nothing to do, so many of them at once, and what that makes of very many.

    Each has a config and a state of its own, as it would have; they share the sandbox, and here two cores."""
    with _office("in_step", 100) as office:
        server: Any = office.box
        for _ in range(2):
            _avsync(office, "run-all", "--force")
        server.ask("requests")
        alone = [_avsync(office, "run-all") for _ in range(times)]
        told = json.loads(alone[0].out)["requests"]
        commands = [_company(office, number) for number in range(at_once)]
        server.ask("writes")
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            together = list(pool.map(run, commands))
        wall, writes = time.perf_counter() - started, server.ask("writes")
        size = sum(file.stat().st_size for file in office.state.iterdir()) / 1024
    cpu, peak = typical(alone, "cpu"), typical(alone, "peak")
    yield _row("a company with nothing to do: processor seconds; peak MB; seconds",
               f"{cpu:.2f}; {peak:.0f}; {typical(alone):.2f}", "", "", "")  # fmt: skip
    slowest, in_turn = max(one.seconds for one in together), at_once * typical(alone)
    yield _row(f"{at_once} companies at once: seconds until the last is done (floor: one after the other)",
               f"{wall:.1f}", f"{in_turn:.1f}", f"{wall / in_turn:.2f}", "<= 1")  # fmt: skip
    yield _row(f"{at_once} companies at once: the slowest; writes; exits", f"{slowest:.1f}; {writes}; "
               f"{sorted({one.exit for one in together})}", "", "", "; 0; [0]")  # fmt: skip
    yield _row("200 companies in ten minutes: share of two cores", f"{200 * cpu / (600 * 2):.2f}", "", "", "<= 0.5")
    for number in (1_000, 10_000):
        cores, running = number * cpu / 600 / 0.7, number * typical(alone) / 600
        yield _row(
            f"{number:,} companies, by calculation: cores at 70 %; at work at a time; their GB; calls a second at"
            " AccountView and at Crafter; GB of state",
            f"{cores:.1f}; {running:.0f}; {running * peak / 1024:.1f}; {number * told['accountview'] / 600:.1f}, "
            f"{number * told['crafter'] / 600:.1f}; {number * size / 1024**2:.1f}", "", "", "",
        )  # fmt: skip


def _company(office: Office, number: int) -> list[str]:
    """The command of another company: a config and a state of its own."""
    state, path = office.folder / f"state-{number}", office.folder / f"company-{number}.yaml"
    shutil.copytree(office.state, state)
    path.write_text(yaml.safe_dump({**office.config, "state_dir": str(state)}), encoding="utf-8")
    return [sys.executable, "-m", "avsync", "-c", str(path), "--json", "run-all"]


def backlog(world: str, size: int, times: int) -> Iterator[Row]:
    """What records that wait, or that go wrong in every run, cost in a quiet run: neither planning nor reads, but for
    the lists in which they look things up."""
    with _office(world, size) as full, _office(world, 0) as empty:
        for office in (full, empty):
            for _ in range(2):
                _avsync(office, "run-all", "--force")
        ours, bare = interleaved(times, lambda: _avsync(full, "run-all"), lambda: _avsync(empty, "run-all"))
        told, floor = json.loads(ours[0].out), json.loads(bare[0].out)
        open_now = len(json.loads(run(full.command("--json", "errors")).out)[0]["records"])
    waiting = sum(flow["waiting"] + flow["failed"] for flow in told["flows"].values())
    asked, least = (sum(one["requests"].values()) for one in (told, floor))
    what = f"quiet run-all, {waiting:,} waiting or wrong ({world}; {open_now} behind the first row)"
    target = "" if world == "early_hours" else "1.00"  # users, employees, and hours that may be ours
    yield _row(f"{what}: requests (floor: none)", str(asked), str(least), f"{asked / least:.2f}", target)
    yield _timed(f"{what}: seconds", ours, bare, "<= 1.5", "")


def changes() -> Iterator[Row]:
    """What one change in each flow takes: requests to either service (of them writes), above those of a quiet run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, shop(Path(folder), dict(ALL_ON)) as one:
        one.work_order("wo-1")
        one.work_order("wo-2", status="checked", lines=[line("l1", "PIPE-2")])
        one.hour("h1")
        for _ in range(4):
            one.run("--force")
        quiet = one.run()["requests"]
        happens: dict[str, Callable[[], Any]] = {
            "customers": lambda: one.in_books(TEL_BUS="038-7654321"),
            "projects": lambda: one.box.accountview.edit("PROJECTS", "P1", PROJ_DESC="Nieuwbouw gemeentehuis, fase 2"),
            "orders": lambda: one.work_order("wo-3"),
            "invoice": lambda: one.change("wo-1", status="checked", lines=[line("l2", "PIPE-2")]),
            "hours": lambda: one.hour("h2"),
        }
        for flow, change in happens.items():
            change()
            one.box.requests.clear()
            result = one.run()
            if result["exit"]:
                raise RuntimeError(f"{flow}: {result}")
            more = {side: result["requests"][side] - quiet[side] for side in quiet}
            yield _row(f"one change in {flow}: requests above a quiet run's {sum(quiet.values())} (writes)",
                       f"{sum(more.values())} ({len(one.writes())}): {more['accountview']} + {more['crafter']}", "", "",
                       "")  # fmt: skip
            one.run()


def year(links: int, a_day: int) -> Iterator[Row]:
    """What a year leaves in state.db: links, so many events a day, and the runs of every ten minutes."""
    with _office("in_step", 10) as office:
        _avsync(office, "run-all")
        path, sizes = office.state / "state.db", []
        for step in ("links", "year"):
            if step == "links":
                _add_links(office, links)
            else:
                _a_year(office, a_day)
            with closing(sqlite3.connect(path)) as opened:
                opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                opened.execute("VACUUM")
            sizes.append(path.stat().st_size / 2**20)
    yield _row(f"state.db with {links:,} links: MB", f"{sizes[0]:.0f}", "", "", "")
    yield _row(f"the same after a year of runs and {a_day * 365:,} events: MB", f"{sizes[1]:.0f}", "", "", "")


def _a_year(office: Office, a_day: int) -> None:
    """Every run of a year, and its events, by the clock of each day."""
    store, first = Store(db.open_for_writing(office.state)), datetime(2025, 11, 26, tzinfo=UTC)
    values = {"phone": ("038-1234567", "038-7654321")}
    for day in range(365):
        now = format_utc(first + timedelta(days=day))
        with store.transaction():
            for number in range(144):
                run_number = store.start_run("run-all", now)
                if number == 0:
                    store.events.begin(run_number, lambda now=now: now)  # type: ignore[misc]
                store.finish_run(run_number, now, now, 0, {}, {"accountview": 5, "crafter": 7})
            for number in range(a_day):
                what = f"Installatiebedrijf Jansen & Zn {number}"
                store.events.record(Event("customers", "customer", "crafter", "update", str(10000 + number), what,
                                          str(10000 + number), f"x-{number}", values=values))  # fmt: skip
            store.events.drop_old(format_utc(first + timedelta(days=day - KEPT_DAYS)))
    store.close()


def match(size: int, times: int) -> Iterator[Row]:
    """What a first meeting would do, before anything is linked, as a file and on a screen."""
    with _office("to_meet", size, customers="both") as office:
        for what, args in (("as .xlsx", ("-o", str(office.folder / "koppelen.xlsx"))), ("on a screen", ())):
            costs = [run(office.command("match", *args)) for _ in range(times)]
            seconds, cpu, peak = (typical(costs, kind) for kind in ("seconds", "cpu", "peak"))
            yield _row(
                f"match, {size:,} × {size:,} customers, {what}: seconds (of the processor), peak MB",
                f"{seconds:.1f} ({cpu:.1f}), {peak:.0f}", "", "", "<= 30, 200" if size >= 5_000 else "",
            )  # fmt: skip


def _timed(what: str, ours: list[Cost], bare: list[Cost], target: str, kind: str) -> Row:
    kind = kind or "seconds"
    return _row(
        what, f"{typical(ours, kind):.3f}", f"{typical(bare, kind):.3f}", f"{ratio(ours, bare, kind):.2f}", target
    )


def _row(what: str, ours: str, floor: str, shown: str, target: str) -> Row:
    return what, ours, floor, shown, target
