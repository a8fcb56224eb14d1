"""Day one at an installation that nobody has seen: the names are learnt, pasted, and all flows run.

No step by hand beyond the paste.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.sandbox import seed
from avsync.sandbox.__main__ import flows_of
from avsync.sandbox.accountview.installation import Installation, load
from tests.support.comparison import Snapshot, look
from tests.support.installations import SHIPPED, scrambled
from tests.support.office import Office, office


def learnt(one: Office) -> dict[str, Any]:
    """What `check --learn` says, which must answer everything."""
    told = one.avsync("check", "--learn")
    assert told.exit == 0, told.err
    return dict(yaml.safe_load(told.out))


def paste(one: Office, block: Mapping[str, Any]) -> None:
    for side, parts in block.items():
        one.config[side] |= parts


def starts(one: Office, before: Snapshot) -> None:
    """From the paste on: login, check, the first run, and further ones that write nothing."""
    paste(one, learnt(one))
    one.log_in()
    checked = one.avsync("check")
    assert checked.exit == 0, checked.out
    one.goes()
    persons = () if "contact" in one.box.options.like.parts else before.books["ASC_PP"]
    one.in_step(before, but=tuple(persons))


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("name", SHIPPED)
def test_an_installation_is_learnt_and_all_its_flows_run(tmp_path: Path, name: str, number: int) -> None:
    """As it stands, and with every name scrambled."""
    like = scrambled(load(name), number) if number else load(name)
    flows = flows_of(like)
    with office(tmp_path, seed.world(seed=7, bad=False), flows, like=like) as one:
        starts(one, look(one.box))
        assert one.box.accountview.rows("SO_LINE")
        assert one.box.accountview.rows("HRS_LINE") or flows["hours"] == "off"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_bad_records_of_the_demo_are_told_and_mended_there_too(tmp_path: Path, name: str) -> None:
    like: Installation = load(name)
    with office(tmp_path, seed.world(seed=1), flows_of(like), like=like) as one:
        paste(one, learnt(one))
        assert one.run()["exit"] == 1
        assert len(one.errors()) > 5
        seed.repair(one.box)
        one.goes()
        one.rests()
