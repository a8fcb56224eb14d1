"""Lost state: whether deleted, put back or damaged, nothing is doubled and nothing overwritten with old values."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avsync.sandbox import seed
from avsync.sandbox.seed_names import ARTICLES
from tests.support.comparison import differences
from tests.support.office import Office, Told, office, shop
from tests.support.world import line

FLOWS = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
BOOKS = ("CONTACT", "ASC_PP", "PROJECTS", "PRO_TYPE", "SO_HDR", "SO_LINE", "HRS_LINE")
PLAN = ("customers", "work-locations", "contacts", "project-types", "projects", "work-orders", "hours")
MOMENTS = ("CNG_DATE", "INP_DATE", "EXT_KEY", "updated_at", "created_at")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is tried again need not wait for it here."""
    monkeypatch.setattr("avsync.commands.run.Budget.pause", lambda budget, seconds: None)


@contextmanager
def busy(tmp_path: Path, **options: Any) -> Iterator[Office]:
    """A healthy company, all flows on and in step."""
    world = seed.world(seed=7, customers=12, projects=6, orders=5, work_orders=12, hours=15, bad=False)
    with office(tmp_path, world, flows=FLOWS, **options) as one:
        assert one.run()["exit"] == 0, one.errors()
        yield one


def worlds(one: Office) -> dict[str, Any]:
    """Both worlds, without their moments of change."""

    def bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in MOMENTS} for row in rows]

    books = {name: bare(one.box.accountview.rows(name)) for name in BOOKS}
    plan = {name: sorted(bare(one.box.crafter.records(name)), key=lambda row: str(row["id"])) for name in PLAN}
    return books | plan


def same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, rows in before.items():
        assert after[name] == rows, name


def a_day_of_work(one: Office, tag: str) -> None:
    """New customers, projects, orders, lines and hours on either side, and edits of what is there."""
    av, crafter = one.box.accountview, one.box.crafter
    users = [row["id"] for row in crafter.records("users") if row["unique_code"]]
    number = av.add(
        "CONTACT",
        SUB_NR=f"5{tag}",
        ACCT_NAME=f"Nieuw {tag}",
        SRC_CODE="X",
        ACCT_NR="1300",
        ADDRESS1="Dam 1",
        CITY="Ede",
    )
    av.add(
        "PROJECTS",
        PROJ_CODE=f"N{tag}",
        PROJ_DESC=f"Werk {tag}",
        SUB_NR=number,
        PRO_TYPE=av.rows("PRO_TYPE")[0]["PT_CODE"],
    )
    av.add("SO_HDR", RPL_DEL=number, ORD_DATE="2026-11-01", COMMENT1=f"Order {tag}")
    made = crafter.add("customers", name=f"Uit Crafter {tag}")
    crafter.add("work-orders", customer_id=made, description=f"Nieuwe bon {tag}", status="checked", lines=lines(2))
    for row in crafter.records("work-orders"):
        if row["status"] in ("open", "planned", "completed") and not row["lines"]:
            crafter.edit("work-orders", row["id"], status="checked", lines=lines(3))
            break
    for hours in ("1", "1", "2.5"):
        crafter.add("hours", user_id=users[0], date="2026-11-03", hours=hours)
    crafter.edit("hours", crafter.records("hours")[0]["id"], hours="3.75")
    crafter.edit("customers", klant(one)["id"], phone=f"010-{tag}")
    av.edit("CONTACT", klant(one)["customer_number"], ACCT_NAME=f"Anders {tag}")


def lines(count: int) -> list[dict[str, Any]]:
    """Ticked lines, two of which are twins."""
    return [{"article_number": ARTICLES[0][0], "quantity": "1.5", "checked": True}] * count


def klant(one: Office) -> dict[str, Any]:
    """The customer that is edited."""
    found = [row for row in one.box.crafter.records("customers") if row["customer_number"]]
    return min(found, key=lambda row: str(row["customer_number"]))


def settle(one: Office) -> None:
    """Run until nothing moves."""
    for _ in range(2):
        assert one.run()["exit"] == 0, one.errors()
    one.box.requests.clear()


def check(one: Office, before: dict[str, Any]) -> None:
    """The next runs find everything again: nothing is written, and both worlds are as they were.

    That equal lines count as sent is told once, on every work order that has some (behaviour 4).
    """
    for options in ((), ("--full",), ()):
        result = one.run(*options)
        assert result["exit"] == 0, one.errors()
        same(before, worlds(one))
    assert [(request.method, request.path, request.body) for request in one.sent("accountview")] == []
    assert [(request.method, request.path, request.body) for request in one.sent("crafter")] == []
    told = [json.loads(request.body) for request in one.writes()]
    assert all("counts them as sent" in entry["message"] for entry in told)
    assert len({entry["entity_id"] for entry in told}) == len(told)
    assert differences(one.box, FLOWS) == []


def lose(one: Office, saved: Path | None, what: str) -> None:
    """`db`: only state.db is lost or put back; `folder`: everything beside it as well."""
    if what == "folder":
        shutil.rmtree(one.state)
        if saved is None:
            one.state.mkdir(mode=0o700)
            one.log_in()
        else:
            shutil.copytree(saved, one.state)
        return
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (one.state / name).unlink(missing_ok=True)
    if saved is not None:
        shutil.copyfile(saved / "state.db", one.state / "state.db")


@pytest.mark.parametrize("ext_id", [True, False])
@pytest.mark.parametrize("what", ["db", "folder"])
def test_with_state_db_deleted_everything_is_found_again_and_nothing_is_written(
    tmp_path: Path, what: str, ext_id: bool
) -> None:
    with busy(tmp_path, ext_id=ext_id) as one:
        a_day_of_work(one, "001")
        settle(one)
        before = worlds(one)
        lose(one, None, what)
        check(one, before)


@pytest.mark.parametrize("ext_id", [True, False])
@pytest.mark.parametrize("what", ["db", "folder"])
def test_with_state_db_put_back_from_a_backup_nothing_is_doubled_or_overwritten(
    tmp_path: Path, what: str, ext_id: bool
) -> None:
    with busy(tmp_path, ext_id=ext_id) as one:
        a_day_of_work(one, "001")
        settle(one)
        shutil.copytree(one.state, tmp_path / "backup")
        for tag in ("002", "003"):
            a_day_of_work(one, tag)
            settle(one)
        before = worlds(one)
        lose(one, tmp_path / "backup", what)
        check(one, before)


@pytest.mark.parametrize("what", ["db", "folder"])
def test_work_that_came_after_the_backup_was_put_back_still_travels(tmp_path: Path, what: str) -> None:
    with busy(tmp_path) as one:
        shutil.copytree(one.state, tmp_path / "backup")
        a_day_of_work(one, "001")
        settle(one)
        lose(one, tmp_path / "backup", what)
        a_day_of_work(one, "002")
        settle(one)
        assert differences(one.box, FLOWS) == []
        check(one, worlds(one))


@pytest.mark.parametrize("what", ["db", "folder"])
@pytest.mark.parametrize("sent", ["hours", "customer", "order"])
def test_order_lines_sent_since_the_backup_are_not_sent_twice(tmp_path: Path, what: str, sent: str) -> None:
    """One new record besides the lines is enough to see that the state is an older one."""
    with busy(tmp_path) as one:
        crafter = one.box.crafter
        owner = klant(one)["id"]
        made = crafter.add("work-orders", customer_id=owner, description="Al gekoppeld")
        settle(one)
        shutil.copytree(one.state, tmp_path / "backup")
        crafter.edit("work-orders", made, status="checked", lines=lines(2))
        if sent == "hours":
            crafter.add("hours", user_id=crafter.records("hours")[0]["user_id"], date="2026-11-05", hours="1")
        elif sent == "customer":
            one.box.accountview.add("CONTACT", SUB_NR="5999", ACCT_NAME="Nieuw", SRC_CODE="X", ACCT_NR="1300")
        else:
            crafter.add("work-orders", customer_id=owner, description="Nieuw")
        settle(one)
        before = worlds(one)
        lose(one, tmp_path / "backup", what)
        check(one, before)


def test_a_dry_run_after_the_backup_was_put_back_plans_no_second_set_of_lines(tmp_path: Path) -> None:
    with busy(tmp_path) as one:
        made = one.box.crafter.add("work-orders", customer_id=klant(one)["id"], description="Al gekoppeld")
        settle(one)
        shutil.copytree(one.state, tmp_path / "backup")
        one.box.crafter.edit("work-orders", made, status="checked", lines=lines(2))
        settle(one)
        lose(one, tmp_path / "backup", "db")
        plan = one.avsync("--json", "run-all", "--dry-run").json["plan"]
        assert [row for row in plan if row["action"] == "create"] == []


def test_what_was_deleted_since_the_backup_is_not_brought_back_to_life(tmp_path: Path) -> None:
    with busy(tmp_path) as one:
        number = one.box.accountview.add("CONTACT", SUB_NR="5998", ACCT_NAME="Tijdelijk", SRC_CODE="X", ACCT_NR="1300")
        settle(one)
        shutil.copytree(one.state, tmp_path / "backup")
        one.box.accountview.remove("CONTACT", number)
        assert one.run("--full")["exit"] == 0
        lose(one, tmp_path / "backup", "db")
        (there,) = [row for row in one.box.crafter.records("customers") if row["customer_number"] == number]
        one.box.crafter.edit("customers", there["id"], phone="1")
        for options in ((), ("--full",)):
            assert one.run(*options)["exit"] == 0, one.errors()
        assert one.box.accountview.row("CONTACT", number) is None
        one.box.crafter.remove("customers", there["id"])
        settle(one)
        assert number not in {row["customer_number"] for row in one.box.crafter.records("customers")}


@pytest.mark.parametrize("kind", ["customer", "order"])
def test_what_was_deleted_in_accountview_is_not_sent_to_it_again_although_the_state_is_lost(
    tmp_path: Path, kind: str
) -> None:
    with busy(tmp_path) as one:
        av, crafter = one.box.accountview, one.box.crafter
        number = av.add("CONTACT", SUB_NR="5998", ACCT_NAME="Tijdelijk", SRC_CODE="X", ACCT_NR="1300")
        order = av.add("SO_HDR", RPL_DEL=number, ORD_DATE="2026-11-01", COMMENT1="Tijdelijk")
        settle(one)
        av.remove("SO_HDR", order)
        if kind == "customer":
            av.remove("CONTACT", number)
        assert one.run("--full")["exit"] == 0
        before = worlds(one)
        lose(one, None, "db")
        for options in ((), ("--full",), ()):
            assert one.run(*options)["exit"] == 0, one.errors()
            same(before, worlds(one))
        for row in crafter.records("work-orders"):
            if row["order_number"] == order:
                crafter.edit("work-orders", row["id"], description="Toch nog iets")
        assert one.run()["exit"] == 0, one.errors()
        assert av.row("SO_HDR", order) is None


def test_an_order_whose_number_had_not_reached_crafter_is_found_by_its_reference(tmp_path: Path) -> None:
    with busy(tmp_path) as one:
        made = one.box.crafter.add("work-orders", customer_id=klant(one)["id"], description="Onderweg")
        settle(one)
        number = one.box.crafter.record("work-orders", made)["order_number"]
        one.box.crafter.edit("work-orders", made, order_number=None, external_ref=None)
        lose(one, None, "db")
        settle(one)
        assert one.box.crafter.record("work-orders", made)["order_number"] == number
        assert differences(one.box, FLOWS) == []


def test_starting_all_over_with_an_empty_crafter_and_no_state_fills_it_again(tmp_path: Path) -> None:
    flows = {"customers": "import"}
    with office(tmp_path, flows=flows) as one:
        for number in ("10001", "10002"):
            one.box.accountview.add(
                "CONTACT", SUB_NR=number, ACCT_NAME=f"Klant {number}", SRC_CODE="X", ACCT_NR="1300", CITY="Ede"
            )
        assert one.run()["exit"] == 0
        for row in one.box.crafter.records("customers"):
            one.box.crafter.remove("customers", row["id"])
        lose(one, None, "folder")
        assert one.run()["exit"] == 0
        assert differences(one.box, flows) == []
        assert len(one.box.crafter.records("customers")) == 2


def adopted(one: Office) -> int:
    """How many orders count as adopted."""
    with sqlite3.connect(one.state / "state.db") as db:
        return int(db.execute("SELECT count(*) FROM links WHERE kind = 'order' AND adopted = 1").fetchone()[0])


@pytest.mark.parametrize("why", ["no secret", "no login", "services down"])
def test_a_run_that_cannot_even_start_is_not_taken_for_lost_state(tmp_path: Path, why: str) -> None:
    with busy(tmp_path) as one:
        before, secret = adopted(one), (one.folder / "key").read_text(encoding="utf-8")
        if why == "no secret":
            (one.folder / "key").unlink()
        elif why == "no login":
            one.box.revoke_tokens()
        else:
            one.box.faults.add(times=0, do="drop")
        assert one.avsync("run-all").exit in (2, 3, 4)
        one.box.faults.clear()
        (one.folder / "key").write_text(secret, encoding="utf-8")
        one.log_in()
        one.box.requests.clear()
        assert one.run()["exit"] == 0
        assert adopted(one) == before
        assert len(one.box.requests) < 20  # nothing is read in full


def test_a_state_put_back_shows_also_when_the_last_run_was_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with busy(tmp_path) as one:
        shutil.copytree(one.state, tmp_path / "backup")
        one.box.faults.add(side="crafter", method="GET", path="/customers", do="hang", seconds=20)
        one.box.requests.clear()
        running = subprocess.Popen(one.command("run-all"))
        deadline = time.monotonic() + 20
        while not one.box.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        running.kill()
        running.wait()
        one.box.faults.clear()
        lose(one, tmp_path / "backup", "db")
        one.box.requests.clear()
        assert one.run()["exit"] == 0
        assert "was put back" in caplog.text
        assert not [each for each in one.box.requests if "updated_since" in each.query], "everything is read anew"


# a state that knows nothing of the lines that were sent since (behaviour 41)


def lines_on(one: Office, name: str) -> list[tuple[str, str]]:
    return one.standing(one.werkbon(name)["order_number"])


@contextmanager
def invoicing(tmp_path: Path, **options: Any) -> Iterator[Office]:
    """Two linked orders, of which a backup was made; nothing but lines has been sent since."""
    with shop(tmp_path, {"invoice": "export"}, **options) as one:
        one.work_order("wo-1")
        one.work_order("wo-2")
        one.goes()
        one.goes()
        shutil.copytree(one.state, tmp_path / "backup")
        yield one


def check_lines(one: Office, before: list[tuple[str, str]], *how: str) -> None:
    """The lines stand there as often as before, and that they count is told on their order."""
    one.goes(*how)
    assert lines_on(one, "wo-1") == before
    assert [row["code"] for row in one.errors()] == ["lines_counted"]
    assert one.werkbon("wo-1")["order_number"] in one.problem()["message"]
    one.rests()
    assert lines_on(one, "wo-1") == before


@pytest.mark.parametrize("how", ["gap", "--after-restore"])
def test_the_whole_folder_put_back_after_lines_were_sent_doubles_none(tmp_path: Path, how: str) -> None:
    with invoicing(tmp_path) as one:
        one.change("wo-1", status="checked", lines=[line("l1"), line("l2", quantity="2")])
        one.goes()
        sent = lines_on(one, "wo-1")
        assert len(sent) == 2
        lose(one, tmp_path / "backup", "folder")
        if how == "gap":
            one.later(hours=1.1)
        check_lines(one, sent, *([how] if how != "gap" else []))


@pytest.mark.parametrize("first", ["sync customers", "run-all --dry-run", "sync orders", "sync invoice"])
def test_whichever_command_comes_first_after_the_restore(tmp_path: Path, first: str) -> None:
    """What one command has found out the next one must not forget."""
    with invoicing(tmp_path) as one:
        one.change("wo-1", status="checked", lines=[line("l1")])
        one.goes()
        sent = lines_on(one, "wo-1")
        lose(one, tmp_path / "backup", "folder")
        one.later(hours=30)
        assert one.avsync(*first.split()).exit == 0
        assert lines_on(one, "wo-1") == sent
        check_lines(one, sent)


def test_after_restore_says_it_for_a_flow_that_runs_later(tmp_path: Path) -> None:
    with invoicing(tmp_path) as one:
        one.change("wo-1", status="checked", lines=[line("l1")])
        one.goes()
        sent = lines_on(one, "wo-1")
        lose(one, tmp_path / "backup", "folder")
        assert one.avsync("sync", "customers", "--after-restore").exit == 0
        check_lines(one, sent)


def test_an_old_state_db_put_back_after_an_empty_one_ran_doubles_none(tmp_path: Path) -> None:
    with invoicing(tmp_path) as one:
        lose(one, None, "db")
        one.goes()
        one.change("wo-1", status="checked", lines=[line("l1")])
        one.goes()
        sent = lines_on(one, "wo-1")
        lose(one, tmp_path / "backup", "db")
        check_lines(one, sent)


def test_lines_changed_since_the_backup_keep_their_newest_quantity(tmp_path: Path) -> None:
    with invoicing(tmp_path) as one:
        one.change("wo-1", status="checked", lines=[line("l1"), line("l2", "PIPE-2")])
        one.goes()
        shutil.rmtree(tmp_path / "backup")
        shutil.copytree(one.state, tmp_path / "backup")
        one.change("wo-1", lines=[line("l1", quantity="3"), line("l2", "PIPE-2"), line("l3", "VALVE-3")])
        one.goes()
        sent = lines_on(one, "wo-1")
        assert sorted(sent) == [("PIPE-2", "1"), ("PUMP-1", "3"), ("VALVE-3", "1")]
        lose(one, tmp_path / "backup", "folder")
        one.later(hours=2)
        check_lines(one, sent)


def test_a_line_that_a_person_put_on_an_order_that_was_not_touched_since_withholds_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export"}) as one:
        one.work_order("wo-1")
        one.work_order("wo-2")
        one.goes()
        number = one.werkbon("wo-2")["order_number"]
        one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE="PUMP-1", ORD_QTY="1")
        one.later(hours=0.1)
        one.work_order("wo-3")
        one.goes()
        one.goes()
        shutil.copytree(one.state, tmp_path / "backup")
        one.later(hours=2)
        lose(one, tmp_path / "backup", "folder")
        for name in ("wo-2", "wo-3"):
            one.change(name, status="checked", lines=[line(f"{name}-l")])
        one.goes()
        assert lines_on(one, "wo-2") == [("PUMP-1", "1"), ("PUMP-1", "1")]
        assert lines_on(one, "wo-3") == [("PUMP-1", "1")]
        assert one.errors() == []
        one.rests()


def test_two_restores_of_one_backup_in_a_row(tmp_path: Path) -> None:
    with invoicing(tmp_path) as one:
        one.change("wo-1", status="checked", lines=[line("l1")])
        one.goes()
        sent = lines_on(one, "wo-1")
        for _ in range(2):
            lose(one, tmp_path / "backup", "folder")
            one.later(hours=2)
            check_lines(one, sent)


def test_hours_and_orders_made_since_the_backup_are_not_made_again(tmp_path: Path) -> None:
    for ext_id in (True, False):
        folder = tmp_path / str(ext_id)
        folder.mkdir()
        with shop(folder, {"invoice": "export", "hours": "export"}, ext_id=ext_id) as one:
            one.goes()
            shutil.copytree(one.state, folder / "backup")
            one.work_order("wo-1", status="checked", lines=[line("l1")])
            one.hour("h1")
            one.new_klant("Nieuw BV")
            one.goes()
            one.goes()
            before = worlds(one)
            lose(one, folder / "backup", "folder")
            one.later(hours=2)
            for how in ((), ("--full",), ()):
                one.goes(*how)
                same(before, worlds(one))


def test_a_quiet_hour_is_no_restore_as_long_as_runs_go_on(tmp_path: Path) -> None:
    """A service that is down for hours, with runs that say so every ten minutes."""
    with invoicing(tmp_path) as one:
        one.box.faults.add(side="accountview", times=0, do="500")
        for _ in range(8):
            one.later(hours=0.9)
            assert one.avsync("run-all").exit == 4
        one.box.faults.clear()
        one.box.requests.clear()
        one.later(hours=0.9)
        one.goes()
        assert len(one.box.requests) <= 12


@pytest.mark.parametrize("statuses", [[], ["10"]])
def test_the_closing_of_a_project_travels_although_the_state_was_lost_meanwhile(
    tmp_path: Path, statuses: list[str]
) -> None:
    with shop(tmp_path) as one:
        one.config["accountview"]["open_project_statuses"] = statuses
        for code in ("P1", "P2", "P3"):
            one.box.accountview.edit("PROJECTS", code, PRO_STAT="10")
        one.goes()
        lose(one, None, "folder")
        one.box.accountview.edit("PROJECTS", "P1", PRO_STAT="90", END_DATE="2026-03-01", COMMENT1="Opgeleverd")
        one.goes()
        (found,) = [row for row in one.box.crafter.records("projects") if row["project_code"] == "P1"]
        assert (found["end_date"], found["description"]) == ("2026-03-01", "Opgeleverd")
        one.in_step()


# a damaged database


def page_size(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18], "big")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def other_file(path: Path) -> None:
    path.write_text("this is not a database\n" * 100, encoding="utf-8")


def zeroed_pages(path: Path) -> None:
    """Everything from the fourth page to the middle of the file is lost."""
    size = page_size(path)
    with path.open("r+b") as file:
        file.seek(3 * size)
        file.write(bytes(path.stat().st_size // 2 - 3 * size))


def zeroed_first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(page_size(path)))


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def missing_table(table: str) -> Callable[[Path], None]:
    def drop(path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute(f"DROP TABLE {table}")
        db.close()

    drop.__name__ = f"without_{table}"
    return drop


DAMAGES = [
    truncated, cut_within_a_page, emptied, garbage, other_file, zeroed_pages, zeroed_first_page, folder_instead,
    *map(missing_table, ("links", "inbox", "intents", "problems", "watermarks", "_sqlite_migrations")),
]  # fmt: skip
COMMANDS = [
    ("run-all",), ("run-all", "--dry-run"), ("run-all", "--force"), ("sync", "customers"), ("errors",),
    ("errors", "--ignore", "1"), ("errors", "--retry", "all"), ("status",),
]  # fmt: skip


def told_what_to_do(told: Told, path: Path) -> None:
    assert told.exit == 5, (told.out, told.err)
    assert str(path) in told.err
    assert "damaged" in told.err
    assert "backup" in told.err


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Path]]:
    """An office in step with a copy of its state folder, and records that a fresh start would send again."""
    folder = tmp_path_factory.mktemp("healthy")
    with busy(folder) as one:
        shutil.copytree(one.state, folder / "copy")
        yield one, folder / "copy"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_database_is_exit_5_and_what_to_do_for_every_command(
    healthy: tuple[Office, Path], damage: Callable[[Path], None]
) -> None:
    one, copy = healthy
    shutil.rmtree(one.state)
    shutil.copytree(copy, one.state)
    path = one.state / "state.db"
    damage(path)
    one.box.requests.clear()
    spoilt = path.read_bytes() if path.is_file() else b""
    for command in COMMANDS:
        told_what_to_do(one.avsync(*command), path)
    assert one.box.requests == []
    assert (path.read_bytes() if path.is_file() else b"") == spoilt


def test_with_a_damaged_database_moved_away_as_advised_everything_is_found_again(tmp_path: Path) -> None:
    with busy(tmp_path) as one:
        settle(one)
        before = worlds(one)
        garbage(one.state / "state.db")
        assert one.avsync("run-all").exit == 5
        (one.state / "state.db").rename(tmp_path / "broken.db")
        check(one, before)


def test_the_lock_file_alone_starts_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    with busy(tmp_path) as one:
        before = worlds(one)
        for text in ("", "{", '{"pid": "x"}', "[]", '{"pid": 1, "started": "never", "identity": 3, "run": "x"}'):
            (one.state / "lock").write_text(text, encoding="utf-8")
            assert one.run()["exit"] == 0
        same(before, worlds(one))
