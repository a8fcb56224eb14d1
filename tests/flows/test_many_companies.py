"""Several companies on one machine at the same moment: they share nothing, so none waits for another or sees it."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.support.office import Office, office

COMPANIES = 5


def _opened(stack: ExitStack, folder: Path, number: int) -> Office:
    """A company with books, a planning and a config of its own; the number shows in all that it has."""
    place = folder / f"company-{number}"
    place.mkdir()
    one = stack.enter_context(office(place, flows={"customers": "both"}, wire=True))
    one.lists()
    for customer in range(number + 1):
        one.customer(f"2{number}00{customer}", f"Klant {number}-{customer}")
    return one


def test_all_at_once_each_does_its_own_work(tmp_path: Path) -> None:
    with ExitStack() as stack:
        all_of_them = [_opened(stack, tmp_path, number) for number in range(COMPANIES)]
        for again in range(2):
            for one in all_of_them:
                one.box.requests.clear()
            processes = [
                subprocess.Popen(
                    one.command("--json", "run-all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                for one in all_of_them
            ]
            for number, (one, process) in enumerate(zip(all_of_them, processes, strict=True)):
                out, err = process.communicate(timeout=120)
                assert process.returncode == 0, err
                told = json.loads(out)["flows"]["customers"]
                assert told["created"] == (0 if again else 2 * (number + 1))  # each with its address
                assert bool(one.writes()) is not bool(again)
                names = {record["name"] for record in one.box.crafter.records("customers")}
                assert names == {f"Klant {number}-{customer}" for customer in range(number + 1)}
        assert len({one.state for one in all_of_them}) == COMPANIES
