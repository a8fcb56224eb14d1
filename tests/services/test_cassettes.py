"""Both clients against recorded traffic, without any server; and nothing secret in it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException

from avsync.errors import TryLater
from avsync.sandbox.server import Sandbox
from tests.services.scenes import ANSWERED, BEARER, FOLDER, SCENES, SCRUBBED, SECRETS, SENT, Access, cassettes, stage

TAPES = sorted(FOLDER.glob("*.yaml"))
LARGEST = 40_000


def _tape(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["interactions"])


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_plays_from_its_cassette_to_the_end(name: str) -> None:
    with cassettes("none").use_cassette(f"{name}.yaml") as tape:
        SCENES[name](Access())
        assert tape.all_played
        assert tape.play_count == len(_tape(f"{name}.yaml"))


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_still_plays_against_the_sandbox(name: str) -> None:
    """What was recorded is what the sandbox says today; otherwise: make cassettes."""
    with Sandbox() as box:
        SCENES[name](stage(box))


def test_there_is_a_cassette_for_every_scene_and_no_other() -> None:
    assert [tape.stem for tape in TAPES] == sorted(SCENES)
    assert all(tape.stat().st_size < LARGEST for tape in TAPES)


def test_another_request_than_the_recorded_one_is_not_answered() -> None:
    """Method, path, query and body must match, so that a change in what the clients send shows."""
    client = Access().crafter()
    with cassettes("none").use_cassette("crafter_writes.yaml"):
        with pytest.raises((CannotOverwriteExistingCassetteException, TryLater)):
            client.find("customer", {"customer_number": "1"})
        with pytest.raises(CannotOverwriteExistingCassetteException):
            client.create("customer", {"name": "Anders", "customer_number": "10001"}, "key-1")


@pytest.mark.parametrize("tape", TAPES, ids=lambda tape: tape.stem)
def test_no_secret_is_left_in_a_cassette(tape: Any) -> None:
    text = tape.read_text(encoding="utf-8")
    with Sandbox() as box:
        for secret in (box.api_key, box.client_secret, box.client_id):
            assert secret not in text
    assert "authorization:" not in text.lower()
    assert "cookie" not in text.lower()
    assert not BEARER.search(text)
    for one in _tape(tape.name):
        assert {name.lower() for name in one["request"]["headers"]} <= set(SENT)
        assert {name.lower() for name in one["response"]["headers"]} <= set(ANSWERED)
        if one["request"]["uri"].endswith("/token"):
            _only_scrubbed(dict(parse_qsl(one["request"]["body"])))
            _only_scrubbed(json.loads(one["response"]["body"]["string"]))


def _only_scrubbed(values: dict[str, Any]) -> None:
    assert all(value == SCRUBBED for name, value in values.items() if name in SECRETS), values


def test_the_hook_would_hide_a_token_that_came_in_any_answer() -> None:
    from tests.services.scenes import scrub_response

    answer = {
        "headers": {"Set-Cookie": ["a=b"], "Date": ["now"]},
        "body": {"string": b'{"access_token": "s3cret", "a": 1}'},
    }
    shown = scrub_response(answer)
    assert b"s3cret" not in shown["body"]["string"]
    assert list(shown["headers"]) == ["Date"]
