"""What happened: `history`, a line per record with `-v`, and the log in a file or the syslog."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.state import db
from avsync.state.store import Store
from tests.support.bench import CUSTOMERS, Axe, bench
from tests.support.office import Office, Told, office, shop
from tests.support.world import line, place

SMALL: dict[str, Any] = {"customers": 8, "projects": 4, "orders": 2, "work_orders": 6, "hours": 8}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    """A small shop, in step."""
    with shop(tmp_path, {"invoice": "export", "hours": "export"}) as found:
        found.goes()
        yield found


def history(one: Office, *args: str) -> list[dict[str, Any]]:
    return list(one.avsync("--json", "history", *args).json)


def last(one: Office, *args: str) -> dict[str, Any]:
    return history(one, *args)[-1]


def told(one: Office, *args: str) -> str:
    """As text, on one line."""
    return " ".join(one.avsync("history", *args).out.split())


# --- a record's story


def test_who_changed_that_phone_number_and_when(one: Office) -> None:
    one.in_crafter("10001", phone="058-1")
    one.goes()
    one.in_books("10001", TEL_BUS="06-2")
    one.goes()
    told_of = [(row["side"], row["fields"]["phone"]) for row in history(one, "10001") if "phone" in row["fields"]]
    assert told_of == [
        ("accountview", {"old": None, "new": "058-1"}), ("crafter", {"old": "058-1", "new": "06-2"}),
    ]  # fmt: skip
    said = told(one, "10001")
    assert said.startswith("Customer 10001 (Bakkerij Vos)")
    assert "changed in AccountView, taken over in Crafter: phone 058-1 → 06-2" in said
    one.config["language"] = "nl"
    assert "gewijzigd in AccountView, overgenomen in Crafter: telefoon 058-1 → 06-2" in told(one, "10001")


def test_a_conflict_tells_both_values(one: Office) -> None:
    one.in_crafter("10001", phone="058-1")
    one.in_books("10001", TEL_BUS="06-2")
    one.run()
    said = told(one, "10001")
    assert "058-1" in said
    assert "06-2" in said
    assert "warning: " in said


def test_an_order_is_found_by_either_number_and_its_lines_are_in_its_story(one: Office) -> None:
    one.work_order("wo-1", number="WB-77")
    one.goes()
    number = one.werkbon("wo-1")["order_number"]
    one.change("wo-1", status="checked", lines=[line("l1"), line("l2", "PIPE-2", "3")])
    one.goes()
    stories = [history(one, key) for key in (number, number.lower(), "wo-1", "WB-77")]
    assert all(story == stories[0] for story in stories)
    assert [(row["kind"], row["action"]) for row in stories[0]] == [
        ("order", "create"), ("order", "update"), ("order_line", "create"), ("order_line", "create"),
    ]  # fmt: skip
    assert stories[0][3]["fields"] == {"article": {"old": None, "new": "PIPE-2"}, "quantity": {"old": None, "new": "3"}}
    assert "line put on the sales order: article PIPE-2, quantity 3" in told(one, number)


def test_what_belongs_to_a_customer_is_in_its_story(one: Office) -> None:
    one.person("C1", "10001", TEL_BUS="1")
    one.goes()
    one.box.accountview.edit("ASC_PP", "C1", LAST_NAME="de Groot")
    one.goes()
    said = told(one, "10001")
    assert "Contact person Eva de Wit: new in AccountView, created in Crafter" in said
    assert "last name de Wit → de Groot" in said


def test_a_renumbered_and_a_deleted_record_keep_their_story(one: Office) -> None:
    one.box.crafter.remove("customers", "klant-2")
    one.goes()
    assert [row["action"] for row in history(one, "10002") if row["kind"] == "customer"] == ["adopt", "gone", "create"]
    assert "deleted in Crafter; it is made there again" in told(one, "10002")
    one.box.accountview.remove("CONTACT", "10001")
    one.run("--full")
    assert "deleted in AccountView; nothing is sent for it any more" in told(one, "klant-1")
    row = one.books("10002")
    one.box.accountview.remove("CONTACT", "10002")
    one.debtor("20002", **{name: row[name] for name in ("ACCT_NAME", "ADDRESS1", "POST_CODE", "CITY")})
    one.run("--full")
    assert history(one, "20002") == history(one, "10002")
    assert "got another number in AccountView: number 10002 → 20002" in told(one, "20002")


def test_problems_come_and_go_in_the_story_and_may_be_ignored(one: Office) -> None:
    name = "Vereniging van Eigenaars Residentie Waterland"
    identity = one.new_klant(name, place())
    one.run()
    number = one.problem()["id"]
    one.avsync("errors", str(number), "--ignore", "--because", "is on holiday")
    one.avsync("errors", str(number), "--unignore")
    one.avsync("errors", str(number), "--ignore", "--because", "is on holiday")
    one.box.crafter.edit("customers", identity, name="VvE Waterland")
    one.goes()
    story = history(one, "residentie")
    assert [row["action"] for row in story if row["kind"] == "customer"] == [
        "problem", "ignored", "unignored", "ignored", "create", "solved", "update",
    ]  # fmt: skip
    assert story[0]["code"] == "too_long"
    assert story[0]["problem"] == number
    said = told(one, identity)
    assert said.startswith(
        f"Customer {one.box.crafter.record('customers', identity)['customer_number']} (VvE Waterland)"
    )  # type: ignore[index]
    assert "ignored by the operator (is on holiday): " in said
    assert said.count(name) >= 2


def test_what_a_lost_answer_had_made_is_told_as_made(one: Office) -> None:
    one.box.faults.add(side="accountview", method="POST", path="accountviewdata", nth=1, do="commit_drop")
    one.work_order("wo-1")
    one.run()
    one.goes()
    assert [row["action"] for row in history(one, "wo-1") if row["side"] != "crafter"][-1] == "create"


def test_nothing_known_nothing_done(one: Office) -> None:
    assert one.avsync("--json", "history", "77777") == Told(0, "[]\n", "")
    assert "“77777”" in one.avsync("history", "77777").out
    assert history(one, "--run", "99") == []
    (one.state / "state.db").unlink()
    assert history(one) == []
    assert one.avsync("history", "--since", "yesterday-ish").exit == 2


def test_a_part_of_a_name_may_mean_many(one: Office) -> None:
    for number in range(30):
        one.debtor(f"30{number:03}", ACCT_NAME=f"Garage Peters {number}", POST_CODE=f"8911 A{chr(65 + number % 26)}")
    one.goes()
    said = one.avsync("history", "garage peters").out
    assert said.count("Customer 30") == 20
    assert "and 10 more" in said
    assert len({row["accountview"] for row in history(one, "GARAGE PETERS") if row["kind"] == "customer"}) == 30


# --- a run, a time


def test_what_a_run_did_and_what_was_done_since(one: Office) -> None:
    one.in_books("10001", TEL_BUS="1")
    run = one.run()["run"]
    assert [(row["key"], row["action"]) for row in history(one, "--run", str(run))] == [("10001", "update")]
    assert history(one, "--run", str(run), "10001") == history(one, "--run", str(run))
    everything = history(one)
    assert history(one, "--since", "1h") == history(one, "--since", "2020-01-01") == everything
    assert history(one, "--since", "01-01-2020") == everything
    assert history(one, "--since", "2999-01-01") == []
    assert "Customer 10001 (Bakkerij Vos): changed in AccountView" in told(one, "--run", str(run))


def test_runs_that_find_nothing_new_leave_no_trail(tmp_path: Path) -> None:
    with office(tmp_path, seed.world(seed=3, **SMALL)) as one:
        first = one.run()["run"]
        assert len(history(one, "--run", str(first))) > 50
        for more in ((), ("--full",), ()):
            number = one.run(*more)["run"]
            assert history(one, "--run", str(number)) == []
        one.run("--dry-run")
        assert one.errors()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_keep_within_the_terminal(one: Office, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    one.in_crafter("10001", name="Bakkerij Vos en Zonen")
    one.goes()
    assert max(map(len, one.avsync("history").out.splitlines())) <= width


def test_no_id_is_shown_to_people(one: Office) -> None:
    one.hour("4f5c7e0a-0000-4000-8000-000000000001", project_id="project-1")
    one.work_order(
        "4f5c7e0a-0000-4000-8000-000000000002", project_id="project-1", work_type_id="onderhoud", description="Ketel"
    )
    one.goes()
    assert "4f5c7e0a" not in one.avsync("history").out
    assert "project P1" in told(one)


def test_hours_are_told_by_employee_day_hours_kind_and_project(one: Office) -> None:
    """Behaviour 49, of what is made, of what changes later and of what is made anew out of a lost answer."""
    one.hour("h1", project_id="project-1", date="2026-06-02", hours="7.5")
    one.box.faults.add(side="accountview", method="POST", path="HOURS", times=1, do="commit_drop")
    one.hour("h2", project_id="project-1", date="2026-06-03", hours="0.25", kind="travel")
    one.goes()
    one.goes()
    one.box.crafter.edit("hours", "h1", hours="8")
    one.config["language"] = "nl"
    log = one.avsync("run-all", "-v").err
    named = "Urenregel Anja Bos, 2 juni 2026, 8 uur werktijd, project P1"
    assert f"{named}: gewijzigd in Crafter, overgenomen in AccountView: aantal 7,5 → 8" in " ".join(log.split())
    said = told(one)
    assert f"{named}: gewijzigd" in said
    assert "Urenregel Anja Bos, 2 juni 2026, 7,5 uur werktijd, project P1: nieuw in Crafter" in said
    assert "3 juni 2026, 0,25 uur reistijd, project P1: " in said
    assert not re.search(r"\d\.\d|2026-\d\d", said.replace("e-mail", ""))


def test_a_work_order_is_told_by_its_own_number_and_that_of_its_order(one: Office) -> None:
    one.work_order("w1", number="WB0042", description="Ketel")
    one.goes()
    number = one.box.crafter.record("work-orders", "w1")["order_number"]  # type: ignore[index]
    said = told(one, "WB0042")
    assert said.startswith(f"Work order WB0042 ({number}), Ketel")
    assert f"Work order WB0042 ({number}), Ketel: new in Crafter, created in AccountView" in told(one)


def test_a_location_has_no_number_to_be_told(one: Office) -> None:
    row = one.books("10002")
    one.box.accountview.remove("CONTACT", "10002")
    one.debtor("20002", **{name: row[name] for name in ("ACCT_NAME", "ADDRESS1", "POST_CODE", "CITY")})
    one.run("--full")
    said = told(one, "20002")
    assert "number 10002 → 20002" in said
    assert "Work location Dorpsstraat 2: went along to the new number" in said
    assert ":visiting" not in said


# --- as true as the links


@pytest.mark.parametrize("place", range(1, 40, 3))
def test_a_run_that_is_killed_leaves_an_event_for_each_link(place: int) -> None:
    with bench(CUSTOMERS, wire=False) as one:
        one.lists()
        for number in range(6):
            one.customer(f"1000{number}", f"Klant {number}")
            one.new_klant(f"Uit Crafter {number}")
        one.run(Axe(place))
        one.until_quiet()
        store = one.store()
        sql = "SELECT kind, accountview FROM events WHERE action IN ('create', 'adopt') ORDER BY 1, 2"
        made, links = (
            list(store.db.execute(sql)),
            list(store.db.execute("SELECT kind, accountview FROM links ORDER BY 1, 2")),
        )
        store.close()
        assert made == links


# --- a line per record, and the log


def test_verbose_tells_a_line_per_record(one: Office) -> None:
    one.in_books("10001", TEL_BUS="1")
    one.customer("10003", "Garage Peters")
    said = one.avsync("run-all", "-v").err
    assert said.count("\n") == 3
    assert "Customer 10001 (Bakkerij Vos): changed in AccountView, taken over in Crafter: phone 1\n" in said
    assert "Customer 10003 (Garage Peters): new in AccountView, created in Crafter\n" in said
    assert one.avsync("run-all", "-v").err == ""
    assert one.avsync("run-all").err == ""


def test_the_log_bears_the_runs_number_and_survives_rotation(one: Office) -> None:
    log = one.folder / "avsync.log"
    one.config["log"] = {"file": "avsync.log"}
    one.in_books("10001", TEL_BUS="1")
    told = one.avsync("run-all")
    assert told.err == ""
    assert " INFO run 2: Customer 10001 (Bakkerij Vos): changed in AccountView" in log.read_text("utf-8")
    assert log.stat().st_mode & 0o777 == 0o640
    log.rename(one.folder / "avsync.log.1")
    one.in_books("10001", TEL_BUS="2")
    one.goes()
    assert "phone 1 → 2" in log.read_text("utf-8")


def test_a_log_in_json_has_one_object_a_line(one: Office) -> None:
    one.config["log"] = {"file": str(one.folder / "log.json"), "format": "json"}
    one.in_books("10001", TEL_BUS="1")
    one.goes()
    lines = [json.loads(text) for text in (one.folder / "log.json").read_text("utf-8").splitlines()]
    begun, done, finished = lines
    assert begun["message"] == "begun: run-all"
    assert (finished["event"]["action"], finished["event"]["exit"]) == ("finished", 0)
    assert (done["run"], done["level"], done["event"]) == (2, "INFO", last(one, "10001"))
    assert {"time", "level", "run", "logger", "message"} <= done.keys()


def test_the_log_may_go_to_the_syslog(one: Office) -> None:
    place = str(one.folder / "syslog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(place)
        listening.settimeout(10)
        one.config["log"] = {"syslog": place}
        one.in_books("10001", TEL_BUS="1")
        one.goes()
        said = "\n".join(listening.recv(65536).decode() for _ in range(3))
    assert f"avsync[{os.getpid()}]: INFO run 2: Customer 10001 (Bakkerij Vos): changed in AccountView" in said


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(one: Office) -> None:
    (one.state / "log").mkdir()
    for log in (
        {"file": str(one.folder / "nowhere" / "log")},
        {"file": "/dev/full"},
        {"file": str(one.state / "log")},
        {"syslog": "/nowhere"},
    ):
        one.config["log"] = log
        one.in_books("10001", TEL_BUS=str(len(str(log))))
        one.customer(f"2{len(str(log)):04}", f"Klant {len(str(log))}")
        told = one.process("run-all")
        assert told.exit == 0, told
        assert told.err.count("\n") == 1, told.err
        assert str(next(iter(log.values()))) in told.err
    one.config["log"] = {"format": "json"}
    told = one.avsync("run-all")
    assert told.exit == 2
    assert "syslog" in told.err


def test_no_secret_reaches_the_log_or_the_trail(one: Office) -> None:
    token = json.loads((one.state / "token.json").read_text("utf-8"))
    one.config["log"] = {"file": str(one.folder / "log")}
    one.box.expire_tokens()
    one.in_books("10001", TEL_BUS="1")
    one.avsync("run-all", "-vv")
    written = (one.folder / "log").read_text("utf-8") + repr(
        list(db.open_for_reading(one.state).execute("select * from events"))
    )  # type: ignore[union-attr]
    fresh = json.loads((one.state / "token.json").read_text("utf-8"))
    for secret in (*token.values(), *fresh.values(), one.box.client_secret, one.box.api_key):
        if isinstance(secret, str) and len(secret) > 8:
            assert secret not in written


def test_a_fault_of_our_own_keeps_its_places_for_a_developer(one: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from avsync.sync import flow

    def stumble(*args: Any, **more: Any) -> Any:
        raise KeyError(args[1].name)

    monkeypatch.setattr(flow, "plan", stumble)
    one.customer("10003", "Garage Peters")
    assert one.run()["exit"] == 1
    store = Store(db.open_for_reading(one.state))  # type: ignore[arg-type]
    (problem,) = [each for each in store.problems.all() if each.about.key == "10003" and each.about.kind == "customer"]
    assert problem.cause.code == "unexpected"
    assert "flow.py" in problem.cause.params["trace"]
    assert "Garage Peters" not in json.dumps(problem.cause.params)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_was_solved_is_told_in_whole_sentences(tmp_path: Path, language: str) -> None:
    """On every way: the mail of a run, the story, the log. A customer, an hours line, a project of either side."""
    with office(tmp_path, seed.world(seed=2, bad=True, **SMALL)) as one:
        one.config["language"] = language
        one.run()
        seed.repair(one.box)
        mail = one.avsync("run-all", "-v")
        assert " … " in mail.out or "…" in mail.out
        assert "avsync history --run 2" in mail.out, "where the rest of what is solved stands"
        for said in (mail.out, mail.err, one.avsync("history", "--run", "2").out, one.avsync("history").out):
            assert not re.findall(r"\{\w+\}", said)
        assert not [row for row in history(one, "--run", "2") if "{" in row.get("message", "")]
