"""Conversations of both clients, one cassette each: recorded against the sandbox, replayed without any server.

`python -m tests.services.record` (make cassettes) records. One hook each way scrubs: of headers only an allow-list
stays, of every body that carries a token or a secret only the names, of the address only what does not differ per
recording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import vcr

from avsync.sandbox.server import Sandbox
from avsync.services.accountview import metadata
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.grant import InvalidGrant, TokenService
from avsync.services.accountview.schema import load_schema
from avsync.services.crafter.client import Crafter
from avsync.services.crafter.client import load_schema as load_crafter_schema
from avsync.services.http import Done, Http, Rejected

FOLDER = Path(__file__).with_name("cassettes")
TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 11, 0, 0, 123456, tzinfo=UTC)
DATE = "Tue, 24 Nov 2026 11:00:00 GMT"
REDIRECT = "http://localhost:8765/callback"
SCRUBBED = "scrubbed"
SENT = ("accept", "content-type", "x-company", "idempotency-key")
ANSWERED = ("content-type", "date", "retry-after")
SECRETS = ("client_id", "client_secret", "code", "access_token", "refresh_token")


# --- the hook


def scrub_request(request: Any) -> Any:
    """No secret, and no address that changes with every recording, reaches a cassette."""
    request.headers = {name: value for name, value in request.headers.items() if name.lower() in SENT}
    parts = urlsplit(request.uri)
    request.uri = parts._replace(scheme="https", netloc="service.example").geturl()
    if parts.path.endswith("/token"):
        pairs = parse_qsl((request.body or b"").decode())
        request.body = urlencode([(name, SCRUBBED if name in SECRETS else value) for name, value in pairs])
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """The same for an answer; its clock is always that of the recorded world."""
    kept = {name: values for name, values in response["headers"].items() if name.lower() in ANSWERED}
    response["headers"] = {name: [DATE] if name.lower() == "date" else values for name, values in kept.items()}
    body = response["body"]["string"]
    if any(f'"{name}"'.encode() in body for name in SECRETS):
        shown = json.loads(body)
        response["body"]["string"] = json.dumps(
            {name: SCRUBBED if name in SECRETS else value for name, value in shown.items()}
        ).encode()
    return response


def cassettes(mode: str) -> vcr.VCR:
    """`all` records anew, `none` replays and asks no server."""
    return vcr.VCR(
        cassette_library_dir=str(FOLDER),
        record_mode=mode,
        match_on=["method", "path", "query", "body"],
        before_record_request=scrub_request,
        before_record_response=scrub_response,
        decode_compressed_response=True,
    )


# --- who speaks


@dataclass(frozen=True)
class Access:
    """Where the services are and what opens them; in a replay nothing listens there and nothing opens."""

    accountview_url: str = "http://127.0.0.1:9/api/v3"
    crafter_url: str = "http://127.0.0.1:9/api/v1"
    token: str = SCRUBBED
    api_key: str = SCRUBBED
    client_id: str = SCRUBBED
    client_secret: str = SCRUBBED
    code: str = SCRUBBED

    def accountview(self) -> AccountView:
        http = Http(self.accountview_url, service="AccountView", connect=2, read=2, pause=lambda _: None)
        bearer = {"Authorization": f"Bearer {self.token}"}
        return AccountView(http, load_schema(), "7c1e-0001-demo", auth=lambda: bearer, today=lambda: TODAY)

    def crafter(self) -> Crafter:
        http = Http(self.crafter_url, service="Crafter", connect=2, read=2, pause=lambda _: None)
        bearer = {"Authorization": f"Bearer {self.api_key}"}
        return Crafter(http, load_crafter_schema(), auth=lambda: bearer)

    def tokens(self) -> TokenService:
        return TokenService(f"{self.accountview_url}/token", self.client_id, self.client_secret, (2, 2))


def stage(box: Sandbox) -> Access:
    """The world that the scenes play in, always the same."""
    box.accountview.clock = lambda: NOW
    box.crafter._clock = lambda: NOW
    for number, name in (("0042", "Café René & Zn."), ("10001", "Bakker"), ("10002", "Visser")):
        box.accountview.add("CONTACT", SUB_NR=number, ACCT_NAME=name, SRC_CODE="X", ACCT_NR="1300", POST_CODE="8911 AB")
    box.accountview.add("CONTACT", SUB_NR="10003", ACCT_NAME="Geblokkeerd", SRC_CODE="X", BLK_SP=True)
    for code in ("PUMP-1", "PIPE"):
        box.accountview.add("ARTICLE", ART_CODE=code, ART_DESC1=code)
    box.accountview.add("SO_HDR", ORD_NR="26000001", RPL_DEL="10001", ORD_DATE="2026-11-20")
    box.crafter.add("customers", id="klant-1", customer_number="0042", name="Café René & Zn.")
    box.crafter.add("customers", id="klant-2", name="Ontwerp <Büro> 's-Hertogenbosch 🛠")
    redirect = box.approve(box.login_url(REDIRECT))
    code = dict(parse_qsl(urlsplit(redirect).query.replace("+", "%2B")))["code"]
    return Access(
        box.accountview_url, box.crafter_url, box.grant()["access_token"], box.api_key, box.client_id,
        box.client_secret, code,
    )  # fmt: skip


# --- the conversations; each checks what it hears, when recording as well as when replaying


def login(access: Access) -> None:
    """The code for a pair, the pair for the next one; a refresh token that is dead (here: unknown) is refused."""
    first = access.tokens().exchange(access.code, REDIRECT)
    assert {"access_token", "refresh_token", "token_type", "expires_in"} <= first.keys()
    second = access.tokens().refresh(first["refresh_token"])
    assert second["token_type"] == "bearer"


def login_refused(access: Access) -> None:
    try:
        access.tokens().refresh("dead")
    except InvalidGrant:
        return
    raise AssertionError("a dead refresh token was taken")


def accountview_reads(access: Access) -> None:
    client = access.accountview()
    assert [one["Code"] for one in client.companies()] == ["DEMO", "OUD"]
    pages = list(client.pages("customer", page_size=2))
    assert [row["number"] for page in pages for row in page.rows] == ["0042", "10001", "10002", "10003"]
    assert pages[0].rows[0]["name"] == "Café René & Zn."
    assert pages[0].server_time == NOW.replace(microsecond=0)
    assert [len(page.rows) for page in client.pages("customer", since="2030-01-01T00:00:00")] == [0]
    found = client.by_key("customer", "0042")
    assert found is not None
    assert found["postal_code"] == "8911 AB"
    assert client.by_key("customer", "99999") is None
    assert client.find("customer", {"name": "Bakker", "number": "10002"}) == []
    assert len(client.find("customer", {"name": "Bakker", "number": "10001"})) == 1


def accountview_writes(access: Access) -> None:
    client = access.accountview()
    new = {"name": "Ürün 't Veld", "search_code": "URUN", "ledger_account": "1300", "email": None}
    made = client.create("customer", new)
    assert isinstance(made, Done)
    assert made.row is not None
    number = str(made.row["number"])
    changed = client.update("customer", number, {"phone": "020-1", "email": None})
    assert isinstance(changed, Done)
    assert isinstance(client.update("customer", "99999", {"phone": "1"}), Rejected)
    blocked = client.create("order", {"customer": "10003", "order_date": TODAY})
    assert isinstance(blocked, Rejected)
    assert "geblokkeerd" in blocked.message
    lines: list[dict[str, Any]] = [
        {"article": "PUMP-1", "quantity": Decimal("2.5")},
        {"article": "PIPE", "quantity": Decimal("0.1")},
    ]
    assert isinstance(client.put_details("order_line", "26000001", lines), Done)
    stands = client.details("order_line", "26000001")
    assert stands is not None
    assert [(one["article"], one["quantity"]) for one in stands] == [
        ("PUMP-1", Decimal("2.5")),
        ("PIPE", Decimal("0.1")),
    ]


def accountview_metadata(access: Access) -> None:
    client = access.accountview()
    client.schema = load_schema({"time_code": {"columns": {"name": "HRS_NAAM"}}})
    found = metadata.load(client, client.schema, ["time_code"])
    [missing] = metadata.verify(found, client.schema, {"time_code": {"read"}})
    assert (missing.what, missing.name) == ("column", "HRS_NAAM")
    assert any("HRS_DESC" in one for one in missing.candidates)


def crafter_reads(access: Access) -> None:
    client = access.crafter()
    assert client.me()["account_name"] == "Installatiebedrijf De Kraan"
    [page] = client.pages("customer", since="2026-11-24T00:00:00Z")
    assert [row["name"] for row in page.rows] == ["Café René & Zn.", "Ontwerp <Büro> 's-Hertogenbosch 🛠"]
    [one] = client.find("customer", {"customer_number": "0042"})
    assert one["id"] == "klant-1"
    assert client.get("customer", "nobody") is None


def crafter_writes(access: Access) -> None:
    client = access.crafter()
    made = client.create("customer", {"name": "Nieuw", "customer_number": "10001"}, "key-1")
    assert isinstance(made, Done)
    assert made.row is not None
    assert isinstance(client.update("customer", made.row["id"], {"phone": "020-2"}), Done)
    twice = client.create("customer", {"name": "Weer", "customer_number": "0042"}, "key-2")
    assert isinstance(twice, Rejected)
    assert twice.existing_id == "klant-1"
    wrong = client.create("customer", {"name": "x" * 300}, "key-3")
    assert isinstance(wrong, Rejected)
    assert wrong.fields[0][0] == "name"
    gone = client.update("customer", "nobody", {"phone": "1"})
    assert isinstance(gone, Rejected)
    assert gone.missing
    entry = {"entity": "customer", "entity_id": "klant-1", "kind": "info", "message": "Te lang…", "resolved": False}
    assert isinstance(client.post_timeline(entry | {"dedupe_key": "avsync:customer:klant-1:customers"}, "key-4"), Done)


SCENES: dict[str, Callable[[Access], None]] = {
    scene.__name__: scene
    for scene in (
        *(login, login_refused, accountview_reads, accountview_writes, accountview_metadata),
        *(crafter_reads, crafter_writes),
    )
}
BEARER = re.compile(r"bearer\s+\S{8,}", re.I)
