"""What waits is left alone while nothing has changed, and nothing that is seen of it is another for that: not the
totals, not the list, not the timelines, and above all not the moment when it goes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avsync.state.inbox import Inbox
from avsync.state.store import Store
from avsync.sync import flow, rest
from avsync.sync.plan import ALONE, HELD, LATER, plan
from tests.support.comparison import look
from tests.support.office import Office, shop
from tests.support.world import VISITING, line, place

ALL = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
LONG = "Vereniging van Eigenaars Residentie Waterland te Leeuwarden en omstreken " * 2
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")

DIES = object()  # this run dies before its end

Story = Callable[[Office], Iterator[Any]]


def waits(one: Office) -> None:
    """A contact, a project and an order of debtors that are not there."""
    one.person("C9", "90001", LAST_NAME="Bakker")
    one.box.accountview.add("PROJECTS", PROJ_CODE="P9", PROJ_DESC="Kas", SUB_NR="90001", PRO_TYPE="ONDERHOUD")
    one.sales_order("500", RPL_DEL="90002", RPL_INV="90002")


def held_up(one: Office) -> None:
    """A klant whose name does not fit, and what hangs on it."""
    one.new_klant(LONG, place("Kade 1", "1111 AA", "Sneek"), id="klant-9")
    one.work_order("wo-9", customer_id="klant-9")


def quiet(times: int = 3) -> Iterator[None]:
    """Runs in which nothing has happened."""
    for _ in range(times):
        yield


# each is told up to a yield, where a run follows; what it yields are the words of another command, before that


def the_debtor_is_entered(one: Office) -> Iterator[Any]:
    waits(one)
    yield from quiet()
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    yield from quiet(2)
    one.debtor("90002", ACCT_NAME="Kwekerij Kok", **VISITING)
    yield from quiet(2)


def the_parent_is_mended(one: Office) -> Iterator[Any]:
    held_up(one)
    yield from quiet()
    one.box.crafter.edit("customers", "klant-9", name="VvE Waterland")
    yield from quiet(2)


def the_parent_is_deleted(one: Office) -> Iterator[Any]:
    held_up(one)
    waits(one)
    one.debtor("90002", ACCT_NAME="", **VISITING)
    yield from quiet()
    one.box.crafter.remove("customers", "klant-9")
    yield from quiet(2)
    one.box.accountview.remove("CONTACT", "90002")
    yield ("run-all", "--full")
    yield from quiet(2)


def a_pair_is_linked_by_hand(one: Office) -> Iterator[Any]:
    twins(one)
    yield from quiet()
    yield ("link", "customer", "90001", "bos-1")
    yield from quiet(2)
    yield ("unlink", "customer", "90001")
    yield from quiet(2)


def a_pair_is_decided_in_a_list(one: Office) -> Iterator[Any]:
    twins(one)
    yield from quiet()
    path = one.folder / "besluiten.csv"
    path.write_text("soort;accountview;crafter;besluit\nklant;90001;bos-2;koppelen\n", encoding="utf-8")
    yield ("match", "--take", str(path))
    yield from quiet(2)


def twins(one: Office) -> None:
    """A debtor who may be either of two klanten, and what hangs on them."""
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    waits(one)
    for number in "12":
        one.new_klant("Kwekerij Bos", place(), id=f"bos-{number}")
    one.work_order("wo-9", customer_id="bos-1")


def the_parents_problem_is_ignored(one: Office) -> Iterator[Any]:
    held_up(one)
    yield from quiet()
    (number,) = [str(found["id"]) for found in one.errors() if found["code"] == "too_long"]
    yield ("errors", "--ignore", number)
    yield from quiet(2)
    yield ("errors", "--unignore", number)
    yield from quiet(2)


def the_wait_itself_is_ignored(one: Office) -> Iterator[Any]:
    waits(one)
    yield from quiet()
    for found in one.errors():
        one.avsync("errors", "--ignore", str(found["id"]))
    yield from quiet(2)
    one.box.accountview.edit("ASC_PP", "C9", LAST_NAME="Bakker-Vos")
    yield from quiet(2)


def what_waits_is_edited_and_deleted(one: Office) -> Iterator[Any]:
    waits(one)
    yield from quiet()
    one.box.accountview.edit("ASC_PP", "C9", LAST_NAME="Bakker-Vos")
    one.box.accountview.edit("PROJECTS", "P9", SUB_NR="10001")
    yield from quiet()
    one.box.accountview.remove("ASC_PP", "C9")
    yield from quiet(1)
    yield ("run-all", "--full")
    yield from quiet(2)


def a_flow_is_switched_off_and_on(one: Office) -> Iterator[Any]:
    waits(one)
    yield from quiet()
    for way in ("off", "import"):
        one.config["flows"] = {**one.config["flows"], "projects": way}
        yield from quiet(2)
    one.config["flows"] = {**one.config["flows"], "customers": "import"}
    yield from quiet(2)
    one.config["flows"] = {**one.config["flows"], "customers": "both"}
    yield from quiet(2)


def the_config_changes(one: Office) -> Iterator[Any]:
    waits(one)
    held_up(one)
    yield from quiet()
    for key, value in (("language", "nl"), ("start_date", "2026-06-01"), ("start_date", "2026-01-01")):
        one.config[key] = value
        yield from quiet(2)


def a_user_gets_his_code(one: Office) -> Iterator[Any]:
    one.box.crafter.add("users", id="kees", name="Kees Vis", unique_code=None)
    for number in range(3):
        one.hour(f"h{number}", user_id="kees", date=f"2026-06-0{number + 1}", project_id="project-1")
    yield from quiet()
    one.box.crafter.edit("users", "kees", unique_code="0103")
    yield from quiet(2)
    one.box.accountview.add("EMPLOYEE", EMP_NR="0103", EMP_NAME="Kees Vis")
    yield from quiet(2)


def a_project_of_hours_is_entered(one: Office) -> Iterator[Any]:
    one.box.crafter.add("projects", id="vroeg", project_code="P8", name="Vroeg", customer_id="klant-1",
                        project_type_id="soort")  # fmt: skip
    for number in range(3):
        one.hour(f"h{number}", date=f"2026-06-0{number + 1}", project_id="vroeg")
    yield from quiet()
    one.box.accountview.add("PROJECTS", PROJ_CODE="P8", PROJ_DESC="Vroeg", SUB_NR="10001", PRO_TYPE="ONDERHOUD")
    yield from quiet(2)


def a_project_is_entered_in_capitals(one: Office) -> Iterator[Any]:
    """What was looked for in vain is found as soon as a listing shows it, as people write it or not."""
    one.box.crafter.add("projects", id="vroeg", project_code="p8a", name="Vroeg", customer_id="klant-1",
                        project_type_id="soort")  # fmt: skip
    one.hour("h1", project_id="vroeg")
    one.box.crafter.add("projects", id="naamloos", project_code="", name="Zonder", customer_id="klant-1",
                        project_type_id="soort")  # fmt: skip
    one.hour("h2", project_id="naamloos")
    one.hour("h3", project_id="nergens")
    yield from quiet()
    one.box.accountview.add("PROJECTS", PROJ_CODE="P8A", PROJ_DESC="Vroeg", SUB_NR="10001", PRO_TYPE="ONDERHOUD")
    yield from quiet(2)
    one.box.crafter.edit("projects", "naamloos", project_code="P3X")
    one.box.accountview.add("PROJECTS", PROJ_CODE="P3X", PROJ_DESC="Nu wel", SUB_NR="10001", PRO_TYPE="ONDERHOUD")
    yield from quiet(2)


def somebody_is_left_alone(one: Office) -> Iterator[Any]:
    waits(one)
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    path = one.folder / "besluiten.csv"
    for word in ("overslaan", ""):
        path.write_text(f"soort;accountview;crafter;besluit\nklant;90001;;{word}\n", encoding="utf-8")
        yield ("match", "--take", str(path))
        yield from quiet()


def a_debtor_is_a_question(one: Office) -> Iterator[Any]:
    """Everything that hangs on a linked customer of which nobody knows whether it is still the same."""
    one.work_order("wo-1", project_id="project-1")
    yield from quiet(2)
    one.box.accountview.remove("CONTACT", "10001")
    one.debtor("10001", INP_DATE="2026-05-05T09:00:00", ACCT_NAME="Heel iemand anders", ADDRESS1="Dorpsstraat 1",
               POST_CODE="8911 AB", CITY="Leeuwarden")  # fmt: skip
    one.work_order("wo-2", status="checked", lines=[line("l1")])
    one.person("C1", "10001")
    yield from quiet()
    one.box.accountview.edit("CONTACT", "10001", ACCT_NAME="Bakkerij Vos")
    yield from quiet(2)


def a_day_goes_by(one: Office) -> Iterator[Any]:
    waits(one)
    held_up(one)
    yield from quiet()
    one.later(hours=25)
    yield from quiet(2)
    one.later(days=2)
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    yield from quiet(2)


def there_is_more_than_may_go_at_once(one: Office) -> Iterator[Any]:
    """What comes free together is still looked at by the safety stop, also where only a service knows that it does."""
    one.box.crafter.add("users", id="kees", name="Kees Vis", unique_code=None)
    for number in range(4):
        one.hour(f"h{number}", user_id="kees", date=f"2026-06-0{number + 1}")
    one.config["safety"] = {"max_new": 2}
    yield from quiet()
    one.box.crafter.edit("users", "kees", unique_code="0103")
    one.box.accountview.add("EMPLOYEE", EMP_NR="0103", EMP_NAME="Kees Vis")
    yield from quiet(2)
    yield ("run-all", "--force")
    yield from quiet(1)


def a_run_dies(one: Office) -> Iterator[Any]:
    waits(one)
    held_up(one)
    yield DIES
    yield from quiet(2)
    yield DIES
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    yield DIES
    yield from quiet(2)


def the_state_is_put_back(one: Office) -> Iterator[Any]:
    waits(one)
    held_up(one)
    yield from quiet()
    saved = one.folder / "saved"
    shutil.copytree(one.state, saved)
    one.debtor("90001", ACCT_NAME="Kwekerij Bos", **VISITING)
    one.box.crafter.edit("customers", "klant-9", name="VvE Waterland")
    yield from quiet(2)
    shutil.rmtree(one.state)
    shutil.copytree(saved, one.state)
    yield from quiet()


def it_is_asked_for_by_itself(one: Office) -> Iterator[Any]:
    waits(one)
    yield from quiet(2)
    for found in one.errors():
        one.avsync("errors", "--retry", str(found["id"]))
        yield
    yield ("run-all", "--full")
    one.avsync("run-all", "--dry-run")
    yield from quiet(2)


STORIES = {name: story for name, story in globals().items() if getattr(story, "__annotations__", {}).get("one") and
           story.__annotations__.get("return") == "Iterator[Any]"}  # fmt: skip


def seen(one: Office, result: Any) -> str:
    """Everything that anybody can see, but for moments and ids that are drawn."""
    shown = look(one.box)
    told = {name: value for name, value in result.items() if name not in ("requests", "plan")}
    listed = [one.avsync("--json", "errors", *more).json for more in ((), ("--ignored",))]
    entries = [{key: value for key, value in entry.items() if key != "id"} for entry in one.box.crafter.timeline]
    text = json.dumps([told, listed, entries, shown.books, shown.plan], default=str, sort_keys=True)
    drawn: dict[str, str] = {}
    text = _ID.sub(lambda found: drawn.setdefault(found[0], f"#{len(drawn)}"), text)
    return _MOMENT.sub("@", text)


class Dead(BaseException):
    """The process is gone."""


def tell(folder: Path, story: Story, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int]:
    """What is seen after each run, and how many versions were planned in all."""
    folder.mkdir()
    found, planned = [], []

    def counted(*args: Any) -> Any:
        planned.append(args)
        return plan(*args)

    def dies(*_: Any) -> None:
        raise Dead

    with shop(folder, ALL) as one, monkeypatch.context() as spy:
        spy.setattr(flow, "plan", counted)
        for side in ("accountview", "crafter"):
            one.config[side]["concurrency"] = 1  # what is made gets its number in the same order
        one.run()
        for words in story(one):
            if words is DIES:
                with monkeypatch.context() as axe:
                    axe.setattr(Store, "finish_run", dies)
                    with pytest.raises(Dead):
                        one.run()
                continue
            said: tuple[str, ...] = words or ()
            if said and said[0] != "run-all":
                told = one.avsync(*said)
                assert told.exit == 0, (said, told)
                said = ()
            found.append(seen(one, one.run(*said[1:])))
    return found, len(planned)


def test_rest_and_plan_mean_the_same_by_their_words() -> None:
    """`rest` is at work in a run that imports nothing that plans."""
    assert (rest.STAYS, rest.HELD) == ((LATER, ALONE), HELD)


@pytest.mark.parametrize("name", STORIES)
def test_it_is_seen_as_if_it_had_been_planned(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left_alone, fewer = tell(tmp_path / "resting", STORIES[name], monkeypatch)
    monkeypatch.setattr(Inbox, "marks", lambda inbox, kind: [])  # nothing ever rests
    planned, more = tell(tmp_path / "planned", STORIES[name], monkeypatch)
    for number, (ours, theirs) in enumerate(zip(left_alone, planned, strict=True)):
        assert json.loads(ours) == json.loads(theirs), number
    assert fewer < more
