"""`avsync check` against the sandbox: each part alone, each finding with its next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.commands.check import Check, exit_code, run
from avsync.config import FLOWS
from avsync.config.settings import Config, load
from avsync.records.registry import accountview_needs, crafter_needs
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.metadata import Missing
from avsync.state.tokens import TokenFile
from avsync.sync import schema as needs
from tests.support.office import shop

ALL_ON = {"customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export"}
Make = Callable[..., Config]


@pytest.fixture
def boxes() -> Iterator[Callable[..., Sandbox]]:
    opened: list[Sandbox] = []

    def open_box(**options: Any) -> Sandbox:
        box = Sandbox(**options)
        box.start()
        opened.append(box)
        for code, name in (("100", "Werktijd"), ("200", "Reistijd")):
            box.accountview.add("HRS_CODE", HRS_CODE=code, HRS_DESC=name)
        return box

    yield open_box
    for box in opened:
        box.stop()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(box: Sandbox, *, logged_in: bool = True, **changes: Any) -> Config:
        monkeypatch.setenv("AV_SECRET", box.client_secret)
        monkeypatch.setenv("CRAFTER_KEY", box.api_key)
        accountview: dict[str, Any] = {
            "base_url": box.accountview_url,
            "authorize_url": box.authorize_url,
            "client_id": box.client_id,
            "client_secret": {"env": "AV_SECRET"},
            "debtor_account": "1300",
        }
        content: dict[str, Any] = {
            "language": "en",
            "company": box.company,
            "start_date": "2026-01-01",
            "flows": ALL_ON,
            "time_codes": {"work": "100", "travel": "200"},
            "state_dir": str(tmp_path / "state"),
            "timeouts": {"connect": 1, "read": 2},
            "accountview": accountview | changes.pop("accountview", {}),
            "crafter": {"base_url": box.crafter_url, "api_key": {"env": "CRAFTER_KEY"}} | changes.pop("crafter", {}),
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content | changes), "utf-8")
        config = load(path)
        if logged_in:
            TokenFile(config.token_path).save(box.grant())
        return config

    return make


def named(checks: list[Check]) -> dict[str, Check]:
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.message
        assert check.ok == (check.exit_code == 0)
        assert check.ok or check.hint, check
        assert "{" not in check.message + check.hint, check
    return {check.name: check for check in checks}


def bad(checks: list[Check]) -> dict[str, Check]:
    return {name: check for name, check in named(checks).items() if not check.ok}


def test_all_is_well(boxes: Callable[..., Sandbox], make: Make) -> None:
    box = boxes()
    before = box.state()
    checks = run(make(box))
    assert bad(checks) == {}
    assert exit_code(checks) == 0
    found = named(checks)
    assert found["company"].message == "Company DEMO (Demo Installatietechniek B.V.)."
    assert found["time_codes"].message == "Time codes: 100 (Werktijd), 200 (Reistijd)."
    assert found["debtor_account"].message == "New customers get collective account 1300."
    assert found["contacts"].message == "AccountView has the contacts module."
    for flow in FLOWS:
        assert {f"schema.{flow}", f"rights.{flow}", f"features.{flow}"} <= set(found)
    assert {request.method for request in box.requests} == {"GET"}
    assert box.state()["accountview"] == before["accountview"]
    assert box.state()["crafter"] == before["crafter"]


def test_it_speaks_dutch(boxes: Callable[..., Sandbox], make: Make) -> None:
    found = named(run(make(boxes(), language="nl")))
    assert found["schema.hours"].message == "uren: alle namen bestaan in AccountView."


def test_only_what_is_on_is_looked_at(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = named(run(make(boxes(), flows={"customers": "export"})))
    assert [name for name in checks if "." in name] == ["schema.customers", "rights.customers", "features.customers"]
    assert "contacts" not in checks
    assert "time_codes" not in checks


def test_without_login_crafter_is_checked_all_the_same(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = run(make(boxes(), logged_in=False))
    assert set(bad(checks)) == {"token"}
    assert bad(checks)["token"].exit_code == 3
    assert "avsync login" in bad(checks)["token"].hint
    assert exit_code(checks) == 3
    assert named(checks)["crafter"].ok


def test_a_login_that_was_withdrawn(boxes: Callable[..., Sandbox], make: Make) -> None:
    box = boxes()
    config = make(box)
    box.revoke_tokens()
    assert bad(run(config))["token"].exit_code == 3


def test_accountview_is_off_and_crafter_refuses_the_key(
    boxes: Callable[..., Sandbox], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(boxes(), accountview={"base_url": "http://127.0.0.1:1/api/v3"})
    monkeypatch.setenv("CRAFTER_KEY", "wrong")
    checks = run(config)
    assert {name: check.exit_code for name, check in bad(checks).items()} == {"token": 4, "crafter": 3}
    assert exit_code(checks) == 3


def test_a_secret_that_is_missing(boxes: Callable[..., Sandbox], make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make(boxes())
    monkeypatch.delenv("CRAFTER_KEY")
    checks = run(config)
    assert {name: check.exit_code for name, check in bad(checks).items()} == {"config": 2, "crafter": 2}
    assert "crafter.api_key" in bad(checks)["config"].message


def test_a_company_that_does_not_exist(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = bad(run(make(boxes(), company="NOPE")))
    assert set(checks) == {"company"}
    assert "DEMO, OUD" in checks["company"].message


def test_rights_that_are_missing_stop_only_the_flows_that_need_them(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = bad(run(make(boxes(rights={"SO_HDR": "ru", "HRS_LINE": "ri", "PROJECTS": "r"}))))
    assert {name: check.exit_code for name, check in checks.items()} == {"rights.orders": 2, "rights.hours": 2}
    assert "insert SO_HDR" in checks["rights.orders"].message
    assert "update HRS_LINE" in checks["rights.hours"].message


def test_other_names_are_found_by_their_description(boxes: Callable[..., Sandbox], make: Make) -> None:
    box = boxes(names="other")
    checks = run(make(box))
    found = bad(checks)
    assert exit_code(checks) == 2
    assert {"schema.projects", "schema.orders", "schema.hours"} <= set(found)
    assert "schema.customers" not in found
    assert "→" in found["schema.hours"].message
    assert named(checks)["contacts"].hint.startswith("Do they stand under another name?")
    assert "accountview.schema" in found["schema.hours"].hint


def mended(schema: dict[str, Any], words: str) -> None:
    """Put what stands behind each arrow into the overrides; of several the first that is still free."""
    arrows = [re.search(r"([a-z_.]+): \w+ → (.+)", item) for item in re.split(r"\n|, ", words)]
    found = [(arrow[1], re.findall(r"(\w+) \(", arrow[2])) for arrow in arrows if arrow]
    for path, names in sorted(found, key=lambda pair: len(pair[1])):
        kind, *parts = path.split(".")
        place = schema.setdefault(kind, {})
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        if parts[-1] not in place:
            place[parts[-1]] = next(name for name in names if name not in place.values())


def test_the_candidates_mend_the_config(boxes: Callable[..., Sandbox], make: Make) -> None:
    """An operator who follows the arrows ends up with a config that is right."""
    box = boxes(names="other")
    schema: dict[str, Any] = {}
    for _ in range(4):
        checks = run(make(box, accountview={"schema": schema}))
        for check in checks:
            mended(schema, check.message if check.name.startswith("schema.") else "")
            mended(schema, check.hint if check.name in ("contacts", "time_codes", "schema.hours") else "")
    assert bad(checks) == {}
    assert named(checks)["contacts"].message == "AccountView has the contacts module."
    assert named(checks)["time_codes"].message == "Time codes: 100 (Werktijd), 200 (Reistijd)."


def test_without_the_contacts_module(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = run(make(boxes(contacts_module=False)))
    assert bad(checks) == {}
    assert "contacts do not travel" in named(checks)["contacts"].message


def test_without_reference_columns(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = run(make(boxes(ext_id=False)))
    assert bad(checks) == {}
    assert "hour.columns.reference: EXT_ID" in named(checks)["schema.hours"].hint


def test_a_look_up_that_is_not_there_is_no_failure(boxes: Callable[..., Sandbox], make: Make) -> None:
    schema = {"time_code": {"business_object": "ZZ9"}, "employee": {"business_object": "ZZ8"}}
    checks = run(make(boxes(), accountview={"schema": schema}))
    assert bad(checks) == {}
    assert "line by line" in named(checks)["time_codes"].message
    assert "employee.business_object: ZZ8" in named(checks)["schema.hours"].hint


def test_two_names_on_one_column(boxes: Callable[..., Sandbox], make: Make) -> None:
    schema = {"hour": {"columns": {"employee": "PROJ_CODE"}}}
    checks = bad(run(make(boxes(), accountview={"schema": schema})))
    assert {name: check.exit_code for name, check in checks.items()} == {"schema": 2}


def test_time_codes_that_do_not_exist(boxes: Callable[..., Sandbox], make: Make) -> None:
    checks = bad(run(make(boxes(), time_codes={"work": "100", "travel": "0200"})))
    assert set(checks) == {"time_codes"}
    assert "0200" in checks["time_codes"].message
    assert checks["time_codes"].exit_code == 2


def test_codes_that_do_not_fit_their_column(boxes: Callable[..., Sandbox], make: Make) -> None:
    config = make(boxes(), accountview={"debtor_account": "12345678901"})
    checks = bad(run(config))
    assert set(checks) == {"width.customer.ledger_account"}
    assert "CONTACT.ACCT_NR is 10 characters wide" in checks["width.customer.ledger_account"].message


def test_functions_that_are_switched_off_in_crafter(boxes: Callable[..., Sandbox], make: Make) -> None:
    box = boxes()
    box.crafter.features.discard("users")
    box.crafter.features.discard("work-types")
    box.crafter.features.discard("timeline")
    checks = run(make(box))
    assert set(bad(checks)) == {"features.projects", "features.orders", "features.hours"}
    assert "users" in bad(checks)["features.hours"].message
    assert "avsync errors" in named(checks)["timeline"].message


def test_a_read_that_fails_is_one_bad_check(
    boxes: Callable[..., Sandbox], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = boxes()
    box.faults.add(side="accountview", path="accountviewsystemdata", do="500", times=0)
    checks = run(make(box))
    assert {name: check.exit_code for name, check in bad(checks).items()} == {"schema": 4}
    assert named(checks)["features.hours"].ok


# --- needs


def _needs(flows: dict[str, str]) -> dict[str, frozenset[str]]:
    return needs.merged(accountview_needs(flow, flows) for flow in FLOWS)


def test_needs_follow_the_direction() -> None:
    off = dict.fromkeys(FLOWS, "off")
    assert _needs(off) == {}
    assert _needs(off | {"customers": "import"}) == {"customer": {"read"}, "contact": {"read"}}
    assert _needs(off | {"customers": "export"}) == {"customer": {"read", "insert", "update"}}
    both = _needs(off | {"orders": "export", "invoice": "export"})
    assert both["order"] == {"read", "insert", "update"}
    assert both["order_line"] == {"read", "insert"}
    assert accountview_needs("orders", off | {"orders": "import"})["order"] == {"read"}
    assert "contact" in crafter_needs("customers", off | {"customers": "import"})
    assert "contact" not in crafter_needs("customers", off | {"customers": "export"})
    assert crafter_needs("hours", off) == frozenset()


def test_only_what_cannot_be_missed_stops_a_flow() -> None:
    without = [
        Missing("contact", "object", "PP1", ["CP1 (Contacten)"]),
        Missing("hour", "column", "EXT_ID", [], True, "reference"),
    ]
    assert needs.refusal("hours", without) is None
    column = Missing("hour", "column", "HRS_CODE", ["UURSOORT (Uursoort)"], False, "time_code")
    refused = needs.refusal("hours", [*without, column, Missing("hour", "insert", "HRS_LINE")])
    assert refused is not None
    assert refused.exit_code == 2
    assert refused.code == "schema_names_missing"
    assert refused.params["missing"] == "\n- hour.columns.time_code: HRS_CODE → UURSOORT (Uursoort)"
    rights = needs.refusal("hours", [Missing("hour", "insert", "HRS_LINE")])
    assert rights is not None
    assert (rights.code, rights.params["missing"]) == ("schema_rights_missing", "insert HRS_LINE")


def test_a_dutch_table_has_dutch_words_in_front(tmp_path: Path) -> None:
    with shop(tmp_path, {"invoice": "export", "hours": "export"}) as one:
        one.config["language"] = "nl"
        one.box.crafter.add("users", id="zonder", name="Wilma")
        one.hour("h1", project_id="project-1")
        one.run()
        for command in (("check",), ("check", "--probe")):
            names = [row["name"] for row in one.avsync("--json", *command).json["checks"]]
            assert len(names) > 8
            said = one.avsync(*command).out
            front = [line.partition("  ")[0].strip() for line in said.splitlines()[2:]]
            assert len([word for word in front if word]) == len(names)
            english = {"first", "cost", "without", "unknown", "clock", "schema", "rights", "features", "users", "token"}
            assert not [word for word in front if "_" in word or "." in word or english & set(word.split())]
