"""The conformance kit: it passes on the sandbox, and finds whatever the sandbox is told to do otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from avsync.conformance.__main__ import main
from avsync.conformance.contract import resources
from avsync.sandbox import crafter_names, seed
from avsync.sandbox.crafter_fields import RESOURCES
from avsync.sandbox.server import Sandbox
from avsync.services import names_of
from tests.support.office import shop
from tests.support.scripted_server import Scripted, answer, html
from tests.support.world import line


@contextmanager
def server(**ugly: Any) -> Iterator[Sandbox]:
    with Sandbox(seed.world(seed=1)) as box:
        for name, value in ugly.items():
            setattr(box.crafter.ugly, name, value)
        yield box


class Told:
    """What the kit said of a server."""

    def __init__(self, capsys: pytest.CaptureFixture[str], box: Sandbox, *flags: str) -> None:
        os.environ["AVSYNC_CRAFTER_API_KEY"] = box.api_key
        try:
            self.exit = main(["--crafter", box.crafter_url, "--json", *flags])
        finally:
            del os.environ["AVSYNC_CRAFTER_API_KEY"]
        self.out = capsys.readouterr().out
        self.shape = json.loads(self.out)
        self.findings = self.shape["findings"]

    def of(self, *verdicts: str) -> list[tuple[str, str]]:
        return [(one["topic"], one["found"]) for one in self.findings if one["verdict"] in verdicts]


@pytest.mark.parametrize("flags", [(), ("--write",)], ids=["reading", "writing"])
def test_it_passes_on_the_sandbox(capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]) -> None:
    with server() as box:
        told = Told(capsys, box, *flags)
        assert told.of("borne", "breaks") == []
        assert told.exit == 0
        assert told.shape["schema"] == {}
        assert told.shape["account"] == "Installatiebedrijf De Kraan"
        assert 35 <= told.shape["requests"] == len(box.requests) <= 80
        assert box.api_key not in told.out


def test_reading_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with server() as box:
        before = box.state()["crafter"]
        Told(capsys, box)
        assert box.state()["crafter"] == before
        assert {request.method for request in box.requests} == {"GET"}


def test_writing_makes_only_what_bears_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with server() as box:
        known = {name: {one["id"] for one in box.crafter.records(name)} for name in RESOURCES}
        before = box.state()["crafter"]
        Told(capsys, box, "--write")
        for name in RESOURCES:
            rows = {one["id"]: one for one in box.crafter.records(name)}
            assert [rows[one["id"]] for one in before[name] if name != "timeline"] == [
                one for one in before[name] if name != "timeline"
            ]
            for identity in rows.keys() - known[name]:
                assert "avs" in json.dumps(rows[identity]).lower()


def test_twice_in_a_row_it_passes_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with server() as box:
        assert [Told(capsys, box, "--write").exit for _ in range(2)] == [0, 0]


def test_an_empty_account_is_tried_as_far_as_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as box:
        told = Told(capsys, box)
        assert (told.exit, told.of("borne", "breaks")) == (0, [])
        assert len(told.of("untested")) > 10
        assert Told(capsys, box, "--write").exit == 0


DEVIATIONS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"errors": "problem"}, "borne", "errors", "problem details"),
    ({"errors": "message"}, "borne", "errors", "message and errors"),
    ({"wrap": True}, "borne", "answers", "in a lone data"),
    ({"date_header": False}, "borne", "clock", "there is none"),
    ({"clock_shift": timedelta(hours=3)}, "borne", "clock", "seconds from this machine's"),
    ({"ignore_idempotency": True}, "borne", "idempotency", "HTTP 409"),
    ({"tick": timedelta(minutes=1)}, "borne", "changes", "after"),
    ({"extra_fields": {"vat": "NL1"}}, "noted", "customer", "vat"),
    ({"repeat_across_pages": True}, "noted", "pages", "came twice"),
    ({"move_while_paging": True}, "noted", "pages", "came twice"),
    ({"enum_values": {"work": "werk", "travel": "reis"}}, "breaks", "hour", ", not one of work, travel"),
    ({"null_fields": frozenset({"updated_at"})}, "breaks", "customer", "updated_at is null"),
    ({"names": crafter_names.OTHER}, "borne", "customer", "name is called bedrijfsnaam"),
    ({"names": {"hours": {"path": "uren"}}}, "borne", "hour", "is /uren"),
    ({"names": {"timeline": {"path": "tijdlijn"}}}, "borne", "timeline", "is /tijdlijn"),
]


@pytest.mark.parametrize(("ugly", "verdict", "topic", "words"), DEVIATIONS, ids=lambda value: str(value)[:40])
def test_every_deviation_of_the_sandbox_is_found(
    capsys: pytest.CaptureFixture[str], ugly: dict[str, Any], verdict: str, topic: str, words: str
) -> None:
    with server(**ugly) as box:
        told = Told(capsys, box, "--write")
        assert [found for name, found in told.of(verdict) if name == topic and words in found], told.of(verdict)
        assert told.exit == (0 if verdict == "noted" else 1)
        others = {name for name, _ in told.of("breaks")}
        assert verdict == "breaks" or not others, told.of("breaks")


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"path": "/hours", "do": "html", "times": 0}, "hour", "HTTP 502"),
    ({"path": "/users", "do": "answer", "content": [{"id": "1"}], "times": 0}, "user", "a list"),
    ({"path": "/projects", "do": "answer", "content": {"items": []}, "times": 0}, "project", "a dict with items"),
    ({"path": "customer_number=", "do": "answer", "content": {"data": [], "next_cursor": None}, "times": 0}, "filters",
     "the record itself is not there"),
    ({"path": "cursor=", "do": "answer", "content": {"data": [], "next_cursor": "same"}, "times": 0}, "pages",
     "a cursor came twice"),
    ({"method": "PATCH", "do": "answer", "status": 405, "content": {}, "times": 0}, "writing", "HTTP 405"),
    ({"method": "POST", "path": "/timeline", "do": "500", "times": 0}, "timeline", "HTTP 500"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "topic", "words"), FAULTS, ids=lambda value: str(value)[:40])
def test_other_servers_are_told_apart_and_never_stop_the_kit(
    capsys: pytest.CaptureFixture[str], rule: dict[str, Any], topic: str, words: str
) -> None:
    with server() as box:
        box.faults.add(side="crafter", **rule)
        told = Told(capsys, box, "--write")
        assert told.exit == 1
        assert [found for name, found in told.of("breaks") if name == topic and words in found], told.of("breaks")


def test_functions_that_are_switched_off_are_not_tested(capsys: pytest.CaptureFixture[str]) -> None:
    with server() as box:
        box.crafter.features -= {"hours", "timeline"}
        told = Told(capsys, box, "--write")
        assert told.of("borne", "breaks") == []
        assert ("hour", "switched off for this account (403)") in told.of("untested")


def test_the_block_it_prints_is_all_that_avsync_needs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop(tmp_path, {"hours": "export", "invoice": "export"}) as one:
        lines = [line("l1", quantity="2")]
        order = one.work_order(customer_id="klant-1", status="checked", lines=lines)
        one.box.crafter.add(
            "hours", user_id="anja", date="2026-05-05", hours="2.5", kind="work", project_id="project-1"
        )
        one.box.crafter.ugly.names = crafter_names.OTHER
        monkeypatch.setenv("AVSYNC_CRAFTER_API_KEY", one.box.api_key)
        assert main(["--crafter", one.box.crafter_url]) == 1
        printed = capsys.readouterr().out
        block = printed[printed.index("\ncrafter:\n") :].partition("\n\n")[0]
        one.config["crafter"] |= yaml.safe_load(block)["crafter"]
        assert one.run()["exit"] == 0, one.errors()
        assert one.standing(one.werkbon(order)["order_number"]) == [("PUMP-1", "2")]
        assert len(one.booked()) == 1
        one.rests()


def test_names_that_nobody_can_know_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    names = {"customers": {"path": "zqx", "fields": {"name": "qq7"}}, "users": {"fields": {"unique_code": "xx9"}}}
    with server(names=names) as box:
        told = Told(capsys, box)
        assert [found for topic, found in told.of("breaks") if topic == "user" and "without unique_code" in found]
        assert told.exit == 1


# --- how it is called


def run(url: str, *flags: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "avsync.conformance", "--crafter", url, *flags], capture_output=True, text=True,
        timeout=120, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})},
    )  # fmt: skip


def test_as_a_program_it_says_what_agrees_and_what_differs(tmp_path: Path) -> None:
    with server(wrap=True) as box:
        key = tmp_path / "key"
        key.write_text(box.api_key + "\n")
        done = run(box.crafter_url, "--key-file", str(key))
        assert (done.returncode, done.stderr) == (1, "")
        assert "differs, and avsync copes: [answers] one record comes as it is — in a lone data" in done.stdout
        assert "agrees: key (2)" in done.stdout
        assert "With --write, and a test account" in done.stdout
        told = run(box.crafter_url, "--verbose", "--write", env={"AVSYNC_CRAFTER_API_KEY": box.api_key})
        assert "agrees: [writing] PATCH with null empties a field" in told.stdout


@pytest.mark.parametrize("url", ["ftp://x/", "nonsense", "http://crafter.example/api/v1"])
def test_an_address_that_cannot_be_used_is_said(url: str) -> None:
    done = run(url, env={"AVSYNC_CRAFTER_API_KEY": "k"})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_without_a_key_or_a_server_it_does_not_run(tmp_path: Path) -> None:
    assert "there is no API key" in run("http://127.0.0.1:9/api/v1").stderr
    assert run("http://127.0.0.1:9/api/v1", "--key-file", str(tmp_path / "none")).returncode == 2
    done = run("http://127.0.0.1:9/api/v1", env={"AVSYNC_CRAFTER_API_KEY": "sekret-key"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "GET /me: ConnectionError; the kit stopped." in done.stderr
    assert "sekret" not in done.stderr


@pytest.mark.parametrize(
    "said", [html("502 Bad Gateway"), answer([]), answer({"data": {}}), answer({"account_name": 7, "features": "all"})]
)
def test_a_server_that_is_something_else_gets_a_verdict(said: Callable[..., Any]) -> None:
    with Scripted(*[said] * 200) as box:
        done = run(box.url, "--write", env={"AVSYNC_CRAFTER_API_KEY": "k"})
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "DIFFERS" in done.stdout


# --- three tellings of one contract


def test_the_kits_contract_is_that_of_avsync_and_of_the_sandbox() -> None:
    schema = {kind: parts for kind, parts in names_of("crafter").items() if kind != "me"}
    assert {kind: f"/{one.path}" for kind, one in resources().items()} == {
        kind: parts["path"] for kind, parts in schema.items()
    }
    for kind, one in resources().items():
        ours = {*one.fields, *(f"lines.{name}" for name in one.lines or ())}
        assert ours == set(schema[kind]["fields"]), kind
        theirs = RESOURCES[one.path]
        assert one.natural == theirs.natural
        assert one.writable == theirs.writable
        assert set(one.filters) == set(theirs.filters), kind
        for name in one.fields.keys() - {"id", "created_at", "updated_at", "deleted_at"}:
            field = theirs.field(name)
            assert field is not None, (kind, name)
            assert one.fields[name].sort == field.kind, (kind, name)
            assert one.fields[name].required == field.required, (kind, name)
            if field.kind == "text" and one.fields[name].size:
                assert one.fields[name].size == field.size, (kind, name)
            if field.kind == "enum":
                assert one.fields[name].values == field.values
