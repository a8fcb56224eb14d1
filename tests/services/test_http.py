"""Time-outs, tries, outcomes and secrecy of `services.http`, against a server that sends scripted bytes."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsync.errors import ConfigError, LoginNeeded, OutOfTime, TryLater
from avsync.services.http import Answer, Flaw, Http, NotSent, Unknown, read_json, write_json
from tests.support.scripted_server import Scripted, Stopwatch, answer, drip, html

DATE = "Tue, 24 Nov 2026 05:00:00 GMT"


def made(url: str, pauses: list[float] | None = None, **options: Any) -> Http:
    waits = pauses if pauses is not None else []
    return Http(url, service="Crafter", **{"connect": 2.0, "read": 1.0, "pause": waits.append, **options})


def ok(reply: Answer) -> Any:
    data = reply.json()
    if not reply.ok:
        raise Flaw(detail=f"HTTP {reply.status}")
    return data


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


# --- reads


@pytest.mark.parametrize(
    "bad",
    [answer(b"", "500 Error"), html(), html("404 Not Found"), None, answer(b'{"data": [', "200 OK"), answer(b"NaN")],
)
def test_read_is_tried_again(bad: Any) -> None:
    with Scripted(bad, bad, answer({"a": 1})) as server:
        pauses: list[float] = []
        http = made(server.url, pauses)
        assert http.get("/x", None, ok) == {"a": 1}
        assert (http.requests, pauses) == (3, [0.5, 2.0])


def test_read_gives_up_after_three_tries() -> None:
    with Scripted(html("502 Bad Gateway"), repeat=True) as server:
        with pytest.raises(TryLater) as failed:
            made(server.url).get("/x", None, ok)
        assert failed.value.code == "service_unreachable"
        assert failed.value.params == {"service": "Crafter", "detail": "HTTP 502, no JSON"}
        assert len(server.seen) == 3


def test_unreachable_host_is_try_later() -> None:
    http = made(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(TryLater) as failed:
        http.get("/x", None, ok)
    assert (failed.value.params["detail"], http.requests) == ("no connection", 3)


def test_retry_after_is_obeyed() -> None:
    with Scripted(
        answer({}, "429 Too Many", Retry_After="7"),
        answer({}, "503 Busy", Date=DATE, Retry_After="Tue, 24 Nov 2026 05:00:09 GMT"),
        answer([1]),
    ) as server:
        pauses: list[float] = []
        assert made(server.url, pauses).get("/x", None, ok) == [1]
        assert pauses == [7.0, 9.0]


def test_a_long_retry_after_ends_at_once() -> None:
    with Scripted(answer({}, "429 Too Many", Retry_After="61")) as server:
        pauses: list[float] = []
        with pytest.raises(TryLater) as failed:
            made(server.url, pauses).get("/x", None, ok)
        assert (failed.value.code, len(server.seen), pauses) == ("throttled", 1, [])


def test_query_is_encoded_and_redirects_are_not_followed() -> None:
    with Scripted(answer([1])) as other, Scripted(answer(b"", "302 Found", Location=other.url), repeat=True) as server:
        with pytest.raises(TryLater):
            made(server.url).get("/x", {"q": "a&b=c {^2026} é+"}, ok, headers={"Authorization": "Bearer s3cret"})
        assert server.seen[0][0] == "GET /api/x?q=a%26b%3Dc%20%7B%5E2026%7D%20%C3%A9%2B HTTP/1.1"
        assert other.seen == []


def test_large_compressed_and_chunked_answers_arrive_whole() -> None:
    rows = json.dumps({"rows": ["x" * 100] * 30000}).encode()
    packed = gzip.compress(rows)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [rows[at : at + 100_000] for at in range(0, len(rows), 100_000)]
    chunked = head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with Scripted(answer(rows), answer(packed, Content_Encoding="gzip"), [chunked]) as server:
        http = made(server.url)
        assert [len(http.get("/x", None, ok)["rows"]) for _ in range(3)] == [30000] * 3


@pytest.mark.parametrize("body", [b" " * 2000, gzip.compress(b" " * 50_000_000)])
def test_an_endless_answer_is_refused(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr("avsync.services.transport.MAX_ANSWER", 1000)
    packing = {"Content_Encoding": "gzip"} if body[:1] == b"\x1f" else {}
    with Scripted(answer(body, "200 OK", **packing), repeat=True) as server:
        with pytest.raises(TryLater) as failed:
            made(server.url).get("/x", None, ok)
        assert failed.value.params["detail"] == "answer too large"


# --- time


@pytest.mark.parametrize(
    "script",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", *drip(b" " * 900, 0.05)],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *drip(b"1\r\nx\r\n" * 200, 0.05)],
        drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 900, 0.05),
    ],
    ids=["body", "chunks", "headers"],
)
def test_a_dripping_answer_meets_its_deadline(script: Any) -> None:
    with Scripted(script, repeat=True) as server, Stopwatch() as watch:
        outcome = made(server.url, connect=0.1, read=0.2).send("POST", "/x", {})
    assert outcome == Unknown("no complete answer in time")
    assert 0.3 < watch.seconds < 1.0


def test_silence_ends_with_the_read_time_out() -> None:
    with Scripted([], repeat=True) as server, Stopwatch() as watch:
        outcome = made(server.url, read=0.3).send("POST", "/x", {})
    assert outcome == Unknown("no complete answer in time")
    assert watch.seconds < 1.0


def test_slow_but_steady_is_fine() -> None:
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", *drip(b"[12]", 0.2)]
    with Scripted(script) as server:
        assert made(server.url, read=0.6).get("/x", None, ok) == [12]


def test_nothing_is_sent_when_the_budget_is_spent() -> None:
    with Scripted(answer({})) as server:
        http = made(server.url, time_left=lambda: 0.0)
        with pytest.raises(OutOfTime):
            http.get("/x", None, ok)
        with pytest.raises(OutOfTime):
            http.send("POST", "/x", {})
        assert (server.seen, http.requests) == ([], 0)


def test_no_waiting_beyond_the_budget() -> None:
    with Scripted(answer({}, "429 Too Many", Retry_After="30")) as server:
        pauses: list[float] = []
        with pytest.raises(OutOfTime):
            made(server.url, pauses, time_left=lambda: 20.0).get("/x", None, ok)
        assert pauses == []


def test_server_time_is_what_the_date_header_says() -> None:
    with Scripted(answer([], Date=DATE), answer([]), answer([], Date="soon")) as server:
        http = made(server.url)
        times = [http.get("/x", None, lambda answered: answered.server_time) for _ in range(3)]
        assert [time and time.isoformat() for time in times] == ["2026-11-24T05:00:00+00:00", None, None]


# --- writes


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "connection dropped"),
        ([b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{"], "no complete answer in time"),
        (answer({"error": {}}, "500 Error"), "HTTP 500"),
        (html("404 Not Found"), "HTTP 404, no JSON"),
        (html(), "HTTP 200, no JSON"),
        (answer(b'{"id": "1'), "HTTP 200, no JSON"),
        (answer(b"", "307 Moved", Location="http://127.0.0.1:1/"), "HTTP 307"),
    ],
)
def test_a_write_is_sent_once_and_may_be_unknown(script: Any, reason: str) -> None:
    with Scripted(script, repeat=True) as server:
        assert made(server.url, read=0.3).send("PUT", "/x", {"a": 1}) == Unknown(reason)
        assert len(server.seen) == 1


def test_a_write_that_was_not_sent() -> None:
    assert made(f"http://127.0.0.1:{unused_port()}").send("POST", "/x", {}) == NotSent("no connection")
    with Scripted(html("429 Too Many")) as server:
        assert made(server.url).send("POST", "/x", {}) == NotSent("HTTP 429", None)
    with Scripted(answer({}, "429 Too Many", Retry_After="90")) as server:
        assert made(server.url).send("POST", "/x", {}) == NotSent("HTTP 429", 90.0)


def test_a_refusal_is_an_answer() -> None:
    with Scripted(answer({"error": 1}, "422 No"), answer(b" \r\n", "404 No"), html("401 No")) as server:
        replies = [made(server.url).send("POST", "/x", {}) for _ in range(3)]
        assert [reply.status for reply in replies if isinstance(reply, Answer)] == [422, 404, 401]


def test_an_idle_connection_that_closed_costs_no_second_sending() -> None:
    with Scripted([*answer([]), b""], None, answer([])) as server:
        http = made(server.url)
        assert isinstance(http.send("POST", "/1", {}), Answer)
        assert http.send("POST", "/2", {}) == Unknown("connection dropped")
        assert isinstance(http.send("POST", "/3", {}), Answer)
        assert [line.split()[1] for line, _, _ in server.seen] == ["/api/1", "/api/2", "/api/3"]


def test_cookies_are_not_kept() -> None:
    with Scripted(answer([], Set_Cookie="a=b"), answer([])) as server:
        http = made(server.url)
        http.get("/x", None, ok)
        http.get("/x", None, ok)
        assert "cookie" not in server.seen[1][1]


def test_threads_share_one_pool() -> None:
    with Scripted(answer({"id": "1"}), repeat=True) as server:
        http = made(server.url, concurrency=4)
        calls = [threading.Thread(target=lambda: [http.send("POST", "/x", {}) for _ in range(25)]) for _ in range(4)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        assert (http.requests, len(server.seen)) == (100, 100)


# --- tokens, addresses, secrets


class FakeTokens:
    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.rejected: list[str] = []

    def access_token(self) -> str:
        return self.tokens[0]

    def refresh_after_401(self, rejected: str) -> str:
        self.rejected.append(rejected)
        self.tokens.pop(0)
        return self.tokens[0]


def test_a_401_is_sent_again_with_a_fresh_token() -> None:
    with Scripted(html("401 Unauthorized"), answer({"id": "1"}, "201 Created")) as server:
        tokens = FakeTokens("old", "new")
        reply = made(server.url).send("POST", "/x", {"a": 1}, auth=tokens)
        assert isinstance(reply, Answer)
        assert (reply.status, tokens.rejected) == (201, ["old"])
        assert [headers["authorization"] for _, headers, _ in server.seen] == ["Bearer old", "Bearer new"]
        assert [body for _, _, body in server.seen] == [b'{"a":1}'] * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_second_401_needs_a_person(method: str) -> None:
    with Scripted(answer({}, "401 Unauthorized"), repeat=True) as server:
        http, tokens = made(server.url), FakeTokens("old", "new")
        with pytest.raises(LoginNeeded):
            http.get("/x", None, ok, auth=tokens) if method == "GET" else http.send(method, "/x", {}, auth=tokens)
        assert len(server.seen) == 2


@pytest.mark.parametrize("url", ["http://example.org/api", "ftp://localhost/", "https://me:pw@example.org/", "http://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        made(url)


def test_secrets_reach_neither_log_nor_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="avsync")
    headers = {"Authorization": "Bearer s3cret"}
    with Scripted(None, answer({}), repeat=False) as server:
        http = made(server.url)
        http.send("POST", "/customers", {"name": "Geheim BV"}, headers=headers)
        http.get("/customers", {"name": "Geheim BV"}, ok, headers=headers)
        with pytest.raises(ConfigError) as refused:
            http.get("/x", None, ok, headers={"Authorization": "Bearer s3cret\n"})
    told = caplog.text + str(refused.value) + repr(refused.value.__context__)
    assert "POST /api" not in told
    assert "POST /customers: no answer" in told
    assert "GET /customers: 200" in told
    assert not any(secret in told for secret in ("s3cret", "Geheim", "Bearer"))


def test_loopback_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    with Scripted(answer([1])) as server:
        assert made(server.url).get("/x", None, ok) == [1]


def test_a_broken_environment_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@127.0.0.1:no-port")
    with pytest.raises(ConfigError) as refused:
        made("https://example.org/api")
    assert refused.value.code == "environment_refused"
    assert "s3cret" not in str(refused.value)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(ConfigError):
        made("https://example.org/api")


def test_an_untrusted_certificate_stops_everything(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    pem = tmp_path / "both.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    pem.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Scripted(answer([]), tls=context) as server:
        http = made(server.url.replace("http:", "https:"))
        with pytest.raises(TryLater) as caught:  # nothing was stored
            http.send("POST", "/x", {})
        assert (caught.value.code, caught.value.params["host"]) == ("certificate_untrusted", "127.0.0.1")
        assert server.seen == []


# --- exact JSON


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_keep_all_their_digits(number: Decimal) -> None:
    text = write_json({"a": [number]})
    back = read_json(text)["a"][0]
    assert isinstance(back, (int, Decimal))
    assert Decimal(back) == number
    assert b"e" not in text.lower()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=8))
def test_json_survives_both_ways(value: Any) -> None:
    assert read_json(write_json({"ü": value, "b": {}})) == {"ü": value, "b": {}}


def test_what_is_no_json() -> None:
    assert read_json(b"\xef\xbb\xbf[1.10]") == [Decimal("1.10")]
    assert read_json(b" \n") is None
    for text in (b"<html>", b"[1", b"[NaN]", b"\xff", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            read_json(text)
    with pytest.raises(ValueError, match="no number"):
        write_json(Decimal("NaN"))
