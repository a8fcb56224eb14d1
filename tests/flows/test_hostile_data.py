"""Whatever a service sends: one record's problem at most, never a traceback, never a raw filter, never a stuck run."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsync.errors import AvsyncError, Malformed
from avsync.records import order_lines
from avsync.records.fit import Column
from avsync.records.kind import Answer as Told
from avsync.records.kind import Known, Policy
from avsync.records.registry import KINDS, LISTS, listing, listings
from avsync.records.rows import Listing, Reach
from avsync.records.values import ACCOUNTVIEW, Record
from avsync.sandbox import seed
from avsync.services import http as http_module
from avsync.services.accountview import wire
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.metadata import load as load_metadata
from avsync.services.accountview.schema import load_schema
from avsync.services.crafter.client import Crafter
from avsync.services.crafter.client import load_schema as load_crafter_schema
from avsync.services.http import Answer, Done, Http, NotSent, Rejected, Unknown, read_json, write_json
from avsync.state import db
from avsync.state.store import Store
from avsync.sync.plan import Meeting, plan
from avsync.sync.refs import look_up
from tests.support.office import Office, office
from tests.support.world import place

# The ordinary suite sees the same examples every time; the long one new ones, and many.
QUICK = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
LONG = settings(QUICK, max_examples=2_000, derandomize=False)

SYNTAX = [
    "'; DROP TABLE links; --", '" OR ""="', "1=1; DELETE FROM intents", '" .OR. .T. .OR. "', "') .OR. .T. && (",
    "CHR(34)",
    "{^2020-01-01}", "&MACRO.", "%s %(name)s {0} {name!r} ${HOME}", "$(reboot)", "`id`", "<script>alert(1)</script>",
    "Filter=.T.&MatchAnyFilter=true", "a\r\nX-Injected: 1", "../../token", "[[Code]]", "\\", "'", '"', "%00",
    "\ufeff", "=1+1",
]  # fmt: skip
STRANGE = [
    "\x00", "a\x00b", "\x1b[2J\x1b]0;pwned\x07", "\x85\x9b31m", "\u2028\u2029", "\u202egnp.exe", "\ud800",
    "x\udfff", "\ufffe",
    "e\u0301" * 50, "👩‍👩‍👧", "ß" * 60, "İ" * 10, "\t", "\n", " \xa0 ", "a\tb", "a\nb", "x" * 300, "x" * 100_001,
    "０１２", "-0",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, -1, 10**11, 10**30, -(10**30), True, Decimal("0.1"), Decimal("-0"), Decimal("1E+1000000"), Decimal("1E-1000000"),
    Decimal("0E+999999"), Decimal("NaN"), Decimal("1e400"), "1e5", "NaN", "Infinity", "1_000", "0x10", "9" * 40,
    "0.000000000000000001", "-0.0", "1,5",
]  # fmt: skip
MOMENTS = [
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59",
    "9999-12-31",
    "0999-05-05T00:00:00Z", "1900-12-31", "2026-02-30", "2026-1-1", "2024-W01-1", "2026-06-31T00:00:00Z", "20260101",
    "2026-01-01T00:00:00", "2026-01-01T00:00:00+99:99", "2026-01-01T24:00:00Z", "2026-10-25T02:30:00", "gisteren",
]  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, but for tabs and line ends
DEEP: list[Any] = [[], {}, [[]], {"a": None}, [1, [2]], nested(30), nested(700)]
json_values = st.one_of(
    st.none(), st.booleans(), st.sampled_from([*SYNTAX, *STRANGE, *NUMBERS, *MOMENTS, *DEEP]), st.text(max_size=30),
    st.integers(), st.decimals(), st.dates().map(str), st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)  # fmt: skip
POLICY = Policy(
    {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"},
    "2026-01-01", "2026-06-01", {"work": "100", "travel": "200"}, debtor_account="1300",
)  # fmt: skip
FIELDS: dict[tuple[str, str], list[str]] = {
    **{("accountview", kind): list(table.columns) for kind, table in load_schema({}).items()},
    **{("crafter", kind): [*res.fields, "deleted_at"] for kind, res in load_crafter_schema().items()},
}
# What a healthy row holds, so that one hostile value at a time gets past the first check as well.
HEALTHY: dict[str, Any] = {
    "id": "11", "number": "10001", "code": "A1", "name": "Jansen", "customer": "10001", "customer_id": "c1",
    "street": "Weg 1",
    "postal_code": "1234 AB", "city": "Delft", "updated_at": "2026-05-01T10:00:00Z",
    "created_at": "2026-05-01T10:00:00Z",
    "changed_at": "2026-05-01T10:00:00", "project_code": "P1", "project_type_id": "t1", "kind": "work",
    "date": "2026-05-01",
    "hours": "7.5", "user_id": "u1", "work_order_id": "w1", "order_date": "2026-05-01", "status": "checked",
    "quantity": "2",
    "article": "PUMP", "is_main": True, "type": "A1", "employee": "007",
    "lines": [{"id": "l1", "article_number": "PUMP", "quantity": "2", "checked": True, "description": "Pomp"}],
}  # fmt: skip


@st.composite
def rows(draw: Callable[..., Any], source: Listing) -> dict[str, Any]:
    """A row of a listing: healthy but for a few values, or hostile through and through."""
    names = FIELDS[source.side, source.kind]
    row = {name: HEALTHY[name] for name in names if name in HEALTHY and draw(st.integers(0, 9))}
    some = draw(st.lists(st.sampled_from(names), max_size=len(names)))
    row |= {name: draw(json_values) for name in (some if draw(st.booleans()) else some[:2])}
    if "lines" in row and draw(st.booleans()):
        line = st.dictionaries(
            st.sampled_from(["id", "article_number", "quantity", "checked", "description"]), json_values
        )
        row["lines"] = draw(st.one_of(json_values, st.lists(st.one_of(line, json_values), max_size=4)))
    return draw(st.sampled_from([row, row, row, {"_broken": "'x'"}]))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    found = Store(db.open_copy(Path("/nowhere")))
    yield found
    found.close()


ALL = [*listings()]


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.name)
def test_every_reader_understands_a_row_or_says_which_field_it_does_not(source: Listing, store: Store) -> None:
    understands(source, store, QUICK)


@pytest.mark.long
@pytest.mark.parametrize("source", ALL, ids=lambda source: source.name)
def test_every_reader_understands_thousands_of_rows(source: Listing, store: Store) -> None:
    understands(source, store, LONG)


def understands(source: Listing, store: Store, how: settings) -> None:
    @how
    @given(rows(source))
    def holds(row: dict[str, Any]) -> None:
        seen = source.see(row)
        identity = seen.id
        assert len(seen.fingerprint) == 16
        reach = Reach(source.side)
        reach.saw([seen.moment])
        newest, since = reach.marks("", "", "2026-06-01T00:00:00.000000Z")
        assert since <= newest <= "2026-06-01T00:00:01.000000Z", "no later than the clock, to the second"
        try:
            records = source.read(row, POLICY)
        except Malformed as fault:
            assert told(fault.field, fault.found)  # noqa: PT017
            return
        for record in records:
            assert identity is not None
            may_be_kept(store, record)
            may_be_planned(record)

    holds()


def told(*words: str) -> bool:
    """Whether words can be shown to people."""
    return all(text.isprintable() for text in words)


def may_be_kept(store: Store, record: Record) -> None:
    """It goes into the database and comes back; nothing in it moves a cursor, or breaks a line where it must not."""
    for value in (record.id, record.key, record.alike, record.reference, *record.fields.values()):
        assert not MOVES.search(value or "")
    if record.side == ACCOUNTVIEW:
        assert len(record.id) <= 270
        assert record.id.isprintable() or "\xa0" in record.id or not record.id.isascii()
    json.dumps(asdict(record), allow_nan=False)
    with store.transaction():
        store.inbox.put(record, "plan")
        store.inbox.done(store.inbox.get(record.kind, record.side, [record.id]).values())


class Anyone(dict[Any, Told]):
    """Everything that is referred to is known, under a key of its own."""

    def get(self, ask: Any, default: Any = None) -> Told:
        place = {"main": "true", "street": "Weg 1", "postal_code": "1234 AB", "city": None, "country": None}
        return Told("found", "10001", "c1", "Iemand", records=(Record("location", "crafter", "l1", "", "", place),))


def may_be_planned(record: Record) -> None:
    """The whole way to the wire: planned, fitted, typed, and written as JSON that holds the same text."""
    if record.absent:
        return
    columns = {True: Column(40, True, False, 2), False: Column()}
    known = Known(POLICY, Anyone(), lambda kind, name: columns[name in ("name", "code", "quantity")])
    for write in plan(KINDS[record.kind], record, None, None, known, Meeting()).writes:
        if write.side == ACCOUNTVIEW:
            table = load_schema({})[KINDS[record.kind].table]
            sent = write.values["lines"] if write.lines else [write.values]
            body = wire.document(table, date(2026, 6, 1), wire.Rows(table, {}, sent))
        else:
            body = {name: str(value) for name, value in write.values.items()}
        json.loads(write_json(body))


@QUICK
@given(st.dictionaries(st.sampled_from(["id", "name", "unique_code", "active"]), json_values))
def test_a_user_is_read_or_left_out(row: dict[str, Any]) -> None:
    (found,) = look_up(LISTS["user"], "crafter", ["u1"], [row, {"id": "u1"}]).values()
    assert found.crafter == "u1" or found.state == "several"


@QUICK
@given(st.dictionaries(st.sampled_from(["id", "article", "quantity", "delivery_date"]), json_values))
def test_a_line_on_an_order_is_read_or_refused(row: dict[str, Any]) -> None:
    with suppress(Malformed):
        line = order_lines.read_standing(row)
        assert Decimal(line.quantity).is_finite()
        assert len(line.quantity) < 60


# the clients


class Canned(Http):
    """Answers everything with the same bytes."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        super().__init__("http://127.0.0.1:1/api", service="Canned", pause=lambda seconds: None)
        self.body, self.status = body, status

    def _once(self, *args: Any, **kwargs: Any) -> Answer:
        self.requests += 1
        assert self.requests < 60, "it never ends"
        return Answer(self.status, {"Date": "Mon, 01 Jun 2026 10:00:00 GMT", "Retry-After": "nooit"}, self.body)


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return None if not value.is_finite() else float(value) if abs(value.adjusted()) < 300 else 1e300
    return value


bodies = st.recursive(
    json_values.map(plain),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["data", "next_cursor", "error", "message", "fields", "existing_id", "id", "code", "CONTACT",
                "SO_HDR", "SO_LINE",
                 "SUB_NR", "ORD_NR", "REC_ID", "ErrorType", "ErrorMessage", "ErrorNumbers", "SO_HDR_Id", "DCT_FLD",
                 "DBF_NAME",
                 "FIELD_NAME", "FIELD_LEN", "FLD_DESC", "Code", "Id", "InsertAllowed", "deleted_at", "lines"]
            ), inner, max_size=5,
        ),
        inner.map(lambda value: {"CONTACT": value, "SO_HDR": value, "DCT_FLD": value, "data": value}),
        inner.map(lambda value: {"ErrorType": "AccountViewError", "ErrorMessage": value, "ErrorNumbers": value}),
        inner.map(lambda value: {"error": {"message": value, "code": value, "existing_id": value, "fields": value}}),
        inner.map(lambda value: {"data": [value, value], "next_cursor": value}),
    ), max_leaves=8,
)  # fmt: skip


def calls(http: Http) -> list[Callable[[], Any]]:
    accountview = AccountView(http, load_schema({}), "x")
    crafter = Crafter(http, load_crafter_schema())
    return [
        accountview.companies,
        lambda: list(accountview.pages("customer", page_size=2)),
        lambda: accountview.by_key("customer", "10001"),
        lambda: accountview.details("order_line", "26100001"),
        lambda: accountview.create("customer", {"name": "X"}),
        lambda: accountview.update("order", "1", {"description": None}),
        lambda: accountview.put_details("order_line", "1", [{"article": "A", "quantity": Decimal(1)}]),
        lambda: load_metadata(accountview, accountview.schema, ["customer", "order_line"]),
        lambda: list(crafter.pages("order")),
        lambda: crafter.get("order", "1"),
        lambda: crafter.find("customer", {"customer_number": "10001"}),
        crafter.me,
        lambda: crafter.create("customer", {"name": "X"}, "key"),
        lambda: crafter.update("customer", "1", {"name": None}),
        lambda: crafter.post_timeline({"entity": "order"}, "key"),
    ]


@QUICK
@given(bodies, st.sampled_from([200, 201, 400, 404, 409, 422, 429, 500, 302]))
def test_no_answer_takes_a_client_by_surprise(body: Any, status: int) -> None:
    no_surprise(json.dumps(body).encode(), status)


@pytest.mark.long
@LONG
@given(bodies, st.sampled_from([200, 201, 400, 404, 409, 422, 429, 500, 302]))
def test_nor_do_thousands_of_answers(body: Any, status: int) -> None:
    no_surprise(json.dumps(body).encode(), status)


@QUICK
@given(st.binary(max_size=60), st.sampled_from([200, 404, 422]))
def test_nor_do_bytes_that_are_no_json(body: bytes, status: int) -> None:
    no_surprise(body, status)


def no_surprise(body: bytes, status: int) -> None:
    for number in range(len(calls(Canned(body, status)))):
        http = Canned(body, status)
        try:
            outcome = calls(http)[number]()
        except AvsyncError as error:
            assert told(*map(str, error.params.values()))  # noqa: PT017
            continue
        if isinstance(outcome, Rejected):
            words = [outcome.message, outcome.existing_id or "", *(part for pair in outcome.fields for part in pair)]
            assert told(*words)
            assert max(map(len, words)) <= 600
        elif isinstance(outcome, Unknown):
            assert outcome.reason.isprintable()
        else:
            assert not isinstance(outcome, Done) or outcome.row is None or isinstance(outcome.row, Mapping)
            assert not isinstance(outcome, NotSent) or status == 429


@pytest.mark.parametrize("depth", [100, 900, 5_000, 200_000])
def test_a_value_nested_too_deep_costs_that_value_and_no_more(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    body = (
        f'{{"data": [{{"id": "1", "name": {deep}}}, {{"id": "2", "name": "de [tweede]}} \\" "}}], "next_cursor": null}}'
    )
    first, second = read_json(body.encode())["data"]
    assert first["id"] == "1"
    assert first["name"] is None or isinstance(first["name"], list)
    assert second == {"id": "2", "name": 'de [tweede]} " '}
    (page,) = Crafter(Canned(body.encode()), load_crafter_schema()).pages("customer")
    source = listing("crafter", KINDS["customer"])
    seen = [source.see(row) for row in page.rows]
    assert [one.id for one in seen] == ["1", "2"]
    assert seen[0].fingerprint != seen[1].fingerprint


@pytest.mark.parametrize(
    "number", ["1" * 5000, "-" + "9" * 20000, "1e999999999999999999999", "0." + "3" * 9000, "1E-99999999"]
)
def test_a_number_that_cannot_be_held_costs_that_number_and_no_more(number: str) -> None:
    first, second = read_json(f'[{{"quantity": {number}}}, {{"quantity": 2}}]'.encode())
    with pytest.raises(Malformed):
        order_lines.read_standing({"id": "1", **first})
    assert order_lines.read_standing({"id": "1", **second}).quantity == "2"


def test_looking_for_hostile_text_is_a_parameter_or_is_refused() -> None:
    sent: list[str] = []

    class Listening(Canned):
        def _once(self, method: str, path: str, target: str, *args: Any, **kwargs: Any) -> Answer:
            sent.append(target)
            return super()._once()

    for text in [*SYNTAX, *STRANGE]:
        accountview = AccountView(Listening(b'{"CONTACT": []}'), load_schema({}), "x")
        crafter = Crafter(Listening(b'{"data": [], "next_cursor": null}'), load_crafter_schema())
        for ask in (
            lambda: accountview.find("customer", {"name": text, "number": text}),  # noqa: B023
            lambda: crafter.find("customer", {"customer_number": text}),  # noqa: B023
            lambda: crafter.get("customer", text),  # noqa: B023
        ):
            with suppress(Malformed, UnicodeEncodeError):
                ask()
    for target in sent:
        assert target.isascii()
        assert target.isprintable()
        path, _, query = target.partition("?")
        assert path in ("/api/accountviewdata", "/api/customers") or re.fullmatch(r"/api/customers/[^/]+", path)
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
        assert "Filter" not in names
        assert len(names) == len(set(names))


# through the command line


def small(**more: int) -> Any:
    return seed.world(
        seed=1, bad=False, **({"customers": 4, "projects": 2, "orders": 2, "work_orders": 4, "hours": 6} | more)
    )


def no_raw_filter(one: Office) -> None:
    for each in one.box.requests:
        assert "Filter" not in [name for name, _ in parse_qsl(each.query, keep_blank_values=True)], each


Mangle = Callable[[dict[str, Any]], None]


def mangling(monkeypatch: pytest.MonkeyPatch, list_name: str, key: str, identity: str, change: Mangle) -> None:
    """One record in the services' answers is changed on its way to us; everything else is as it is."""
    real = read_json

    def read(body: bytes) -> Any:
        data = real(body)
        listed = data.get(list_name) if isinstance(data, dict) else None
        for row in listed if isinstance(listed, list) else [data]:
            if isinstance(row, dict) and row.get(key) == identity:
                change(row)
        return data

    monkeypatch.setattr("avsync.services.http.read_json", read)


def others_are_in_step(one: Office, exits: tuple[int, ...] = (0, 1)) -> list[dict[str, Any]]:
    """Two runs: no traceback (the harness sees to that), and the second writes nothing; what is listed is returned."""
    assert one.run("--full")["exit"] in exits, one.errors()
    one.box.requests.clear()
    assert one.run("--full")["exit"] in exits
    assert [each for each in one.writes() if not each.path.endswith("timeline")] == []
    no_raw_filter(one)
    found = one.errors()
    assert one.avsync("errors").exit == 0
    assert one.avsync("status").exit == 0
    return found


TARGETS = [
    ("CONTACT", "SUB_NR", "accountviewdata", ["SUB_NR", "ACCT_NAME", "TEL_BUS", "ADDRESS1", "POST_CODE",
    "CNG_DATE", "INP_DATE"]),
    ("PROJECTS", "PROJ_CODE", "accountviewdata", ["PROJ_CODE", "PROJ_DESC", "SUB_NR", "BEG_DATE", "PRO_TYPE",
    "EMP_NR"]),
    ("SO_HDR", "ORD_NR", "accountviewdata", ["ORD_NR", "RPL_DEL", "DEL_DATE", "COMMENT1", "COMMENT2", "PROJ_CODE",
    "EXT_ID"]),
    ("customers", "id", "customers", ["id", "customer_number", "name", "phone", "updated_at", "deleted_at",
    "external_ref"]),
    ("work-orders", "id", "work-orders", ["id", "order_number", "customer_id", "project_id", "work_type_id",
    "description", "lines",
                                          "target_date", "status", "created_at", "external_ref", "number"]),
    ("hours", "id", "hours", ["id", "user_id", "project_id", "work_order_id", "kind", "date", "hours", "updated_at"]),
    ("users", "id", "users", ["id", "name", "unique_code", "active"]),
]  # fmt: skip
PART = 6  # every field gets one in so many of the values
VALUES: list[Any] = [
    None, 7, True, 10**40, Decimal("1E+400"), "", "\x00", "\ud800\udc00x\ud800", "\x1b[2J", "x" * 300, "a\nb",
    MOMENTS[1], MOMENTS[2],
    SYNTAX[0], SYNTAX[3], [], {"a": 1}, nested(700), ["x"], [{"id": None}, 3, {"id": "l", "checked": True,
    "quantity": "veel"}],
]  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "key", "path", "fields"), TARGETS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_one_hostile_value_is_one_records_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, key: str, path: str, fields: list[str]
) -> None:
    """Each field of one record takes hostile values in turn; the run after that brings all the others in step."""
    with office(tmp_path, small()) as one:
        stored = one.box.accountview.rows(listed) if listed.isupper() else one.box.crafter.records(listed)
        identity = stored[0][key]
        current: dict[str, Any] = {}
        name = listed if listed.isupper() else "data"
        mangling(monkeypatch, name, key, identity, lambda row: row.update(current))
        for number, field in enumerate(fields):
            for value in VALUES[number % PART :: PART]:
                current.clear()
                current[field] = value
                told = one.avsync("--json", "run-all", "--full", "--force")  # what it keeps is not what was sent
                assert told.exit in (0, 1), (field, value, told.err)
                assert "Traceback" not in told.err
                problems = [each for each in one.errors() if each["severity"] == "error"]
                assert not [each for each in problems if each["code"] == "unexpected"], (field, value, problems)
                assert all(each["message"].isprintable() and not MOVES.search(each["name"]) for each in problems), (
                    field,
                    value,
                    problems,
                )
        current.clear()
        left = [(each["code"], each["key"], each["message"]) for each in others_are_in_step(one)]
        told_once = ("conflict", "values_replaced")
        assert [each for each in left if each[0] not in told_once] == [] or listed in ("work-orders", "SO_HDR"), left


def test_syntax_in_every_text_field_arrives_as_it_is(tmp_path: Path) -> None:
    """What is code to a database, a shell, FoxPro or a browser is a name to us, in both directions."""
    with office(tmp_path, small()) as one:
        texts = [text for text in SYNTAX if text.isprintable() and text.strip() == text and len(text) <= 35]
        for number, text in enumerate(texts):
            one.box.accountview.add("CONTACT", SUB_NR=f"8{number:04}", ACCT_NAME=text, ACCT_NR="1300", ADDRESS1=text,
                                    POST_CODE="1234 AB", CITY=text)  # fmt: skip
            customer = one.box.crafter.add("customers", name=f"{text} C")
            one.box.crafter.add("work-locations", customer_id=customer, street=text, postal_code="4321 BA", city=text)
            one.box.crafter.add("work-orders", customer_id=customer, description=text, status="open")
        assert others_are_in_step(one) == []
        assert set(texts) <= {each["name"] for each in one.box.crafter.records("customers")}
        assert set(texts) <= {each["street"] for each in one.box.crafter.records("work-locations")}
        assert {f"{text} C" for text in texts} <= {row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")}
        assert set(texts) <= {row["COMMENT1"] for row in one.box.accountview.rows("SO_HDR")}


def test_a_tab_in_a_name_does_not_stop_the_look_up_of_a_write_in_doubt(tmp_path: Path) -> None:
    with office(tmp_path, small()) as one:
        one.run()
        one.new_klant("Jansen\tZoon \x0b Dochter", place())
        one.box.faults.add(side="accountview", method="POST", path="accountviewdata", do="commit_drop")
        assert one.run()["exit"] in (0, 1, 4)
        assert others_are_in_step(one) == []
        assert (
            len([row for row in one.box.accountview.rows("CONTACT") if row["ACCT_NAME"].startswith("Jansen Zoon")]) == 1
        )


@pytest.mark.parametrize(
    "message", ["\ud800", "\x1b]0;x\x07", "x" * 5000, {"a": [1]}, nested(700), None, 5, "{name} {0} %s"]
)
def test_a_refusal_in_odd_words_is_one_records_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: Any
) -> None:
    with office(tmp_path, small()) as one:
        one.run()
        one.new_klant("Geweigerd", place())
        one.box.accountview.add("CONTACT", SUB_NR="77777", ACCT_NAME="Ook geweigerd", ACCT_NR="1300")
        real = Http.send

        def send(self: Http, method: str, path: str, body: Any, **kwargs: Any) -> Any:
            if b"eweigerd" in write_json(body) and not path.endswith("timeline"):
                error = {"ErrorType": "AccountViewError", "ErrorMessage": message, "ErrorNumbers": message}
                fields = [{"name": message, "message": message}, message]
                error |= {"error": {"message": message, "code": message, "existing_id": message, "fields": fields}}
                return Answer(409 if self.service == "Crafter" else 200, {}, json.dumps(error).encode())
            return real(self, method, path, body, **kwargs)

        monkeypatch.setattr(http_module.Http, "send", send)
        assert one.run()["exit"] == 1
        assert {each["code"] for each in one.errors()} == {"rejected_by_accountview", "rejected_by_crafter"}
        assert all(each["message"].isprintable() for each in one.errors())
        monkeypatch.undo()
        assert others_are_in_step(one) == []


@pytest.mark.parametrize(
    "body",
    ["[]", '"x"', "null", '{"data": null}', '{"data": "veel"}', '{"data": {"id": "1"}}', '{"data": [', "<html>",
     '{"data": [], "next_cursor": {"a": 1}}', '{"data": [], "next_cursor": "again"}', '{"rows": []}', "[" * 100_000],
)  # fmt: skip
def test_a_listing_that_is_none_stops_its_flow_and_concludes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    with office(tmp_path, small()) as one:
        one.run()
        real = read_json
        raw = json.dumps(["hours"])

        def read(content: bytes) -> Any:
            return real(body.encode()) if b'"user_id"' in content else real(content)

        monkeypatch.setattr("avsync.services.http.read_json", read)
        one.new_klant("Intussen", place())
        told = one.avsync("--json", "run-all", "--full")
        assert told.exit == 4, told.err
        assert "Intussen" in {row["ACCT_NAME"] for row in one.box.accountview.rows("CONTACT")}, (
            "the other flows went on"
        )
        monkeypatch.undo()
        assert others_are_in_step(one) == []
        assert raw


def test_a_cursor_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever new cursors and never a new record: the budget ends it, between pages."""
    with office(tmp_path, small()) as one:
        numbers = iter(range(10**6))
        real = read_json

        def read(content: bytes) -> Any:
            data = real(content)
            return (
                {"data": [], "next_cursor": f"c{next(numbers)}"} if isinstance(data, dict) and "data" in data else data
            )

        monkeypatch.setattr("avsync.services.http.read_json", read)
        one.config["budget"] = 1
        assert one.avsync("run-all").exit == 4
        monkeypatch.undo()
        one.config["budget"] = 480
        assert others_are_in_step(one) == []


def test_rows_that_are_no_objects_and_rows_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand for themselves in the list, and nobody takes their absence for a deletion."""
    with office(tmp_path, small()) as one:
        one.run()
        count = len(one.box.crafter.records("customers"))
        real = read_json
        odd = [None, 5, "x", [], ["SUB_NR"], {}, {"SUB_NR": None, "ACCT_NAME": "Zonder nummer"}, {"SUB_NR": {"a": 1}},
               {"SUB_NR": "a\nb", "ACCT_NAME": "Kapot nummer"}, {"SUB_NR": "x" * 300, "ACCT_NAME": "Lang"}]  # fmt: skip
        switched = [True]

        def read(content: bytes) -> Any:
            data = real(content)
            if (
                switched[0]
                and isinstance(data, dict)
                and isinstance(data.get("CONTACT"), list)
                and len(data["CONTACT"]) > 2
            ):
                data["CONTACT"] = [*odd[:5], *data["CONTACT"][1:], *odd[5:]]  # and one that was there is missing
            return data

        monkeypatch.setattr("avsync.services.http.read_json", read)
        told = one.run("--full")
        assert told["exit"] == 1
        found = one.errors()
        assert {each["code"] for each in found} == {"unreadable"}
        assert 4 <= len(found) <= len(odd)
        assert {"Zonder nummer", "Kapot nummer", "Lang"} <= {each["name"] for each in found}
        assert one.run("--full")["exit"] == 1
        assert len(one.errors()) == len(found), "the same rows are the same problems"
        switched[0] = False
        one.avsync("run-all", "--full")
        assert one.errors() == [], "gone with their cause"
        assert len(one.box.crafter.records("customers")) == count
        number = one.box.accountview.rows("CONTACT")[0]["SUB_NR"]
        one.box.accountview.edit("CONTACT", number, TEL_BUS="010-55")
        one.run()
        assert "010-55" in {each["phone"] for each in one.box.crafter.records("customers")}, "its link still lives"


@pytest.mark.long
def test_an_enormous_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows on one page than SQLite takes values in one statement."""
    enormous(tmp_path, monkeypatch, 300_000)


def test_a_page_larger_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avsync.state.links.ONE_STATEMENT", 100)
    monkeypatch.setattr("avsync.state.problems.ONE_STATEMENT", 100)
    enormous(tmp_path, monkeypatch, 2_000)


def enormous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    flows = {"hours": "export", "projects": "import"}
    with office(tmp_path, small(), flows=flows) as one:
        real = read_json

        def read(content: bytes) -> Any:
            data = real(content)
            if (
                isinstance(data, dict)
                and isinstance(data.get("data"), list)
                and any("user_id" in row for row in data["data"])
            ):
                line = {**next(row for row in data["data"] if "user_id" in row), "date": "2020-01-01"}
                data["data"] += [{**line, "id": f"extra-{number}"} for number in range(count)]
            return data

        monkeypatch.setattr("avsync.services.http.read_json", read)
        first = one.run()
        assert first["exit"] == 0
        assert first["flows"]["hours"]["read"] == 6 + count
        assert first["flows"]["hours"]["created"] == 6
        assert others_are_in_step(one) == []


# the record boundary: a mistake of our own


WORDS = "Bearer very-secret-token"


def broken(monkeypatch: pytest.MonkeyPatch, where: str, guilty: Callable[..., bool]) -> None:
    """A mapping of ours that stumbles over one record, with words in its exception that belong in no log."""
    real = pkgutil.resolve_name(where)

    def stumble(*args: Any, **kwargs: Any) -> Any:
        if guilty(*args, **kwargs):
            raise KeyError(WORDS)
        return real(*args, **kwargs)

    monkeypatch.setattr(where, stumble)


def about(number: str) -> Callable[..., bool]:
    """Whether a call is about this customer of AccountView: its record, its row's number, or what is sent for it."""

    def is_it(*args: Any, **kwargs: Any) -> bool:
        names = ("id", "number", "key")
        return any(number in (one, *(getattr(one, name, None) for name in names)) for one in flat(args))

    return is_it


def flat(args: Any) -> Iterator[Any]:
    for one in args:
        yield one
        yield from (getattr(entry, "record", None) for entry in getattr(one, "entries", ()))
        yield getattr(getattr(one, "action", None), "record", None)
        if isinstance(one, Mapping):
            yield one.get("customer_number")


PLACES = {
    "reading": "avsync.records.rows.required_code",
    "taking in": "avsync.sync.read._take",
    "preparing": "avsync.sync.flow._Page._know",
    "planning": "avsync.sync.flow.plan",
    "sending": "avsync.services.crafter.client.Crafter.create",
    "saving": "avsync.sync.write.Writer._link",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_broken_mapping_is_one_records_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    """Wherever our own code stumbles over one record, the others are in step and the log tells where, without words.

    What was sent and then not saved is found by the look-up before the run ends, so nothing is left to tell.
    """
    with office(tmp_path, small(), flows={"customers": "both"}) as one:
        number = one.box.accountview.add("CONTACT", SUB_NR="55555", ACCT_NAME="Struikelblok", ACCT_NR="1300")
        broken(monkeypatch, PLACES[place], about(number))
        told = one.avsync("-v", "--json", "run-all")
        assert told.exit == (0 if place == "saving" else 1), told.err
        assert told.json["flows"]["customers"]["created"] > 4, "the others went on"
        said = caplog.text + told.err + json.dumps(one.errors())
        assert "unexpected KeyError" in said
        assert "in stumble" in said, "the frames are there"
        assert WORDS not in said, "what the exception says is not"
        if place != "saving":
            of_support(one, number)
        monkeypatch.undo()
        assert others_are_in_step(one, exits=(0,)) == []
        found = [each for each in one.box.crafter.records("customers") if each["name"] == "Struikelblok"]
        assert [each["customer_number"] for each in found] == [number]


def of_support(one: Office, number: str) -> None:
    """It is in the list until it goes through, once."""
    for _ in range(2):
        (found,) = [each for each in one.errors() if each["code"] == "unexpected"]
        assert (found["key"], found["who"]) == (number, "support")
        assert "KeyError" in found["message"]
        assert f"`avsync errors {found['id']}`" in found["hint"]
        assert one.run()["exit"] == 1
