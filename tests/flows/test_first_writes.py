"""What an installation makes of our writes nobody has seen yet: the first of each sort is looked at before the second
goes. Each risk is acted out by the sandbox; the flow concerned stops with 5, says what is wrong, and sends nothing more
until a person goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avsync.state import db
from avsync.state.store import Store
from tests.support.office import Office, Told, shop
from tests.support.world import line

FLOWS = {"customers": "both", "projects": "import", "orders": "both", "invoice": "export", "hours": "export"}
Prepare = Callable[[Office], None]


def hours(one: Office) -> None:
    for number in range(4):
        one.hour(f"h{number}", project_id="project-1", hours="7.25")


def orders(one: Office) -> None:
    for number in range(4):
        one.work_order(f"w{number}", description="Ketel vervangen in één dag", target_date="2026-12-01")


def lines(one: Office) -> None:
    for number in range(4):
        one.work_order(f"w{number}", status="checked", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1")])


def customers(one: Office) -> None:
    for number in range(4):
        one.add_klant(f"nieuw-{number}", name=f"Café Zoë {number}", customer_number=None)


def phones(one: Office) -> None:
    """Two linked customers, of whom somebody corrects the phone number."""
    for number in ("10001", "10002"):
        one.in_books(number, TEL_BUS="050-1", MAIL_BUS="x@y.nl", PO_BOX="")
    one.goes()
    for name in ("klant-1", "klant-2"):
        one.box.crafter.edit("customers", name, phone="058-1234567")


def stops(one: Office, flow: str, told: Told | None = None) -> Told:
    """A run that stops this flow after one write of the sort, and says so; the next one writes nothing for it."""
    told = told or one.avsync("run-all")
    assert told.exit == 5, told
    assert [row["flow"] for row in one.errors() if row["kind"] == "flow"] == [flow]
    for _ in range(2):
        one.box.requests.clear()
        assert one.avsync("run-all").exit == 5
        assert one.sent("accountview") == []
    (row,) = [row for row in one.avsync("check", "--json").json["checks"] if not row["ok"]]
    assert row["name"] == f"first.{flow}"
    assert row["message"] in told.err
    assert one.avsync("check").exit == 5
    return told


def goes_on(one: Office) -> None:
    """A person has looked: from then on nobody asks again."""
    assert one.avsync("run-all", "--force").exit == 0, one.errors()
    assert one.avsync("check").exit == 0
    one.rests()


AT_CREATION: list[tuple[dict[str, Any], str, Prepare, str, list[str]]] = [
    ({"day_shift": -1}, "hours", hours, "HRS_LINE", ["Datum", "2026-06-01", "2026-05-31"]),
    ({"day_shift": 1}, "orders", orders, "SO_HDR", ["Orderdatum", "Leverdatum"]),
    ({"decimals": {("HRS_LINE", "HRS_QTY"): 0}}, "hours", hours, "HRS_LINE", ["Aantal uren", "7.25", "“7”"]),
    ({"decimals": {("HRS_LINE", "HRS_QTY"): 1}}, "hours", hours, "HRS_LINE", ["“7.3”"]),
    ({"drops": frozenset({("HRS_LINE", "PROJ_CODE")})}, "hours", hours, "HRS_LINE", ["Projectcode", "nothing stands"]),
    ({"drops": frozenset({("SO_HDR", "COMMENT1")})}, "orders", orders, "SO_HDR", ["Omschrijving", "nothing stands"]),
    ({"narrow": {("CONTACT", "ACCT_NAME"): 6}}, "customers", customers, "CONTACT", ["Naam", "only “Café Z”"]),
    ({"ascii_only": True}, "orders", orders, "SO_HDR", ["Ketel vervangen in ??n dag", "letters were damaged"]),
    ({"ascii_only": True}, "customers", customers, "CONTACT", ["Naam", "Caf? Zo?", "letters were damaged"]),
    ({"drops": frozenset({("CONTACT", "ADDRESS1")})}, "customers", customers, "CONTACT", ["Bezoekadres"]),
]


@pytest.mark.parametrize(("risk", "flow", "prepare", "table", "words"), AT_CREATION)
def test_a_first_record_that_is_stored_otherwise_stops_its_flow_before_the_second(
    tmp_path: Path, risk: dict[str, Any], flow: str, prepare: Prepare, table: str, words: list[str]
) -> None:
    with shop(tmp_path, FLOWS, **risk) as one:
        before = len(one.box.accountview.rows(table))
        prepare(one)
        told = stops(one, flow)
        assert len(one.box.accountview.rows(table)) == before + 1
        for word in words:
            assert word in told.err
        assert "--force" in told.err
        assert one.avsync("run-all", "--force").exit in (0, 1)
        assert len(one.box.accountview.rows(table)) == before + 4


@pytest.mark.parametrize(
    ("touches", "words"),
    [
        ({("CONTACT", "MAIL_BUS"): ""}, ["E-mail zakelijk", "“x@y.nl”", "was emptied"]),
        ({("CONTACT", "REC_BLK"): True}, ["Geblokkeerd", "is “True” now"]),
        ({("CONTACT", "ACCT_NR"): "1310"}, ["Verzamelrekening", "“1300”", "“1310”"]),
        ({("CONTACT", "X_0000"): "30 dagen"}, ["Vrij veld 0", "“14 dagen”", "“30 dagen”"]),
    ],
)
def test_a_first_update_that_touches_what_it_does_not_name(
    tmp_path: Path, touches: dict[tuple[str, str], Any], words: list[str]
) -> None:
    with shop(tmp_path, FLOWS, touches=touches, extra_columns=3) as one:
        for number in ("10001", "10002"):
            one.in_books(number, X_0000="14 dagen")
        phones(one)
        told = stops(one, "customers")
        for word in words:
            assert word in told.err
        assert sorted(one.books(number)["TEL_BUS"] for number in ("10001", "10002")) == ["050-1", "058-1234567"]
        one.box.options.touches = {}
        goes_on(one)


def test_a_first_update_that_does_not_keep_what_was_sent(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        phones(one)
        one.box.options.drops = frozenset({("CONTACT", "TEL_BUS")})
        told = stops(one, "customers")
        assert "Telefoon zakelijk: sent “058-1234567”, “050-1” stands there" in told.err


@pytest.mark.parametrize(
    ("way", "count", "words"), [("replace", 2, "3 + 2"), ("twice", 7, "3 + 2"), ("lose", 3, "3 + 2")]
)
def test_the_first_lines_on_an_order_are_counted(tmp_path: Path, way: str, count: int, words: str) -> None:
    """Lines that a person has put there already must still stand, and ours once."""
    with shop(tmp_path, FLOWS, lines_put=way) as one:
        orders(one)
        one.goes()
        for name in ("w0", "w1"):
            number = one.order_of(name)["ORD_NR"]
            for article in ("PUMP-1", "PIPE-2", "VALVE-3"):
                one.box.accountview.add("SO_LINE", ORD_NR=number, ART_CODE=article, ORD_QTY="9")
            one.change(name, status="checked", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1")])
        told = one.avsync("run-all")
        standing = sorted(len(one.standing(one.order_of(name)["ORD_NR"])) for name in ("w0", "w1"))
        assert told.exit == 5, told
        assert standing == sorted([3, count])
        assert words in told.err
        assert "sales order" in told.err
        stops(one, "invoice", told)
        one.box.options.lines_put = "add"
        assert one.avsync("run-all", "--force").exit in (0, 1)
        assert 5 in {len(one.standing(one.order_of(name)["ORD_NR"])) for name in ("w0", "w1")}


def test_an_order_whose_header_is_emptied_by_its_lines(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, touches={("SO_HDR", "DEL_DATE"): ""}) as one:
        lines(one)
        for number in range(4):
            one.change(f"w{number}", target_date="2026-12-01")
        told = stops(one, "invoice")
        assert "Leverdatum: was “2026-12-01T00:00:00” and was emptied" in told.err


# --- Crafter


CRAFTER: list[tuple[str, str, str]] = [
    ("customers", "phone", "telefoon"),
    ("customers", "external_ref", "externe verwijzing"),
    ("work-locations", "city", "plaats"),
    ("contacts", "last_name", "achternaam"),
]


@pytest.mark.parametrize(("resource", "field", "_"), CRAFTER)
def test_crafter_is_held_to_it_too(tmp_path: Path, resource: str, field: str, _: str) -> None:
    with shop(tmp_path, FLOWS | {"hours": "off"}) as one:
        one.goes()
        before = one.box.crafter.count(resource)
        one.box.crafter.ugly.drops = frozenset({(resource, field)})
        for number in range(4):
            one.customer(f"2000{number}", f"Nieuwe klant {number}", TEL_BUS="050-1")
            one.person(f"C{number}", f"2000{number}")
        told = one.avsync("run-all")
        assert told.exit == 5
        assert "nothing stands there" in told.err
        assert one.box.crafter.count(resource) == before + 1
        one.box.requests.clear()
        assert one.avsync("run-all").exit == 5
        assert one.writes() == []
        one.box.crafter.ugly.drops = frozenset()
        assert one.avsync("run-all", "--force").exit == 0, one.errors()
        assert one.box.crafter.count(resource) == before + 4


def test_a_patch_in_crafter_that_empties_something_else(tmp_path: Path) -> None:
    """The first one leaves our mark on a customer that was adopted."""
    with shop(tmp_path, FLOWS) as one:
        one.box.crafter.ugly.touches = {("customers", "email"): None}
        for number in ("1", "2"):
            one.in_books(f"1000{number}", MAIL_BUS="x@y.nl")
            one.box.crafter.edit("customers", f"klant-{number}", email="x@y.nl")
        told = one.avsync("run-all")
        assert told.exit == 5
        assert "was “x@y.nl” and was emptied" in told.err
        emails = sorted(str(one.box.crafter.record("customers", f"klant-{number}")["email"]) for number in ("1", "2"))
        assert emails == ["None", "x@y.nl"]


# --- what harms nobody


def learnt(one: Office, flow: str) -> str:
    (row,) = [row for row in one.avsync("check", "--json").json["checks"] if row["name"] == f"first.{flow}"]
    assert row["ok"]
    return str(row["hint"])


@pytest.mark.parametrize(
    ("harmless", "flow", "prepare", "said"),
    [
        ({"narrow": {("SO_HDR", "COMMENT1"): 12}}, "orders", orders, "Omschrijving cut"),
        ({"decimals": {("HRS_LINE", "HRS_QTY"): 2}}, "hours", hours, ""),
        ({"reference": "empty"}, "hours", hours, ""),
        ({"reference": "other"}, "orders", orders, ""),
    ],
)
def test_a_harmless_difference_is_learnt_and_goes_on(
    tmp_path: Path, harmless: dict[str, Any], flow: str, prepare: Prepare, said: str
) -> None:
    with shop(tmp_path, FLOWS, **harmless) as one:
        prepare(one)
        one.goes()
        assert said in learnt(one, flow)
        one.rests()


@pytest.mark.parametrize(("decimals", "exit_code", "orders_with_lines"), [(4, 0, 3), (2, 0, 3), (0, 5, 1)])
def test_a_third_of_a_metre_in_a_coarser_column(
    tmp_path: Path, decimals: int, exit_code: int, orders_with_lines: int
) -> None:
    """Two decimals harm nobody, whatever the dictionary says; none make nothing of it."""
    with shop(tmp_path, FLOWS, decimals={("SO_LINE", "ORD_QTY"): decimals}) as one:
        for number in range(3):
            one.work_order(
                f"w{number}", status="checked", lines=[line("a", "PIPE-2", "0.3333"), line("b", quantity="2")]
            )
        told = one.avsync("run-all")
        assert told.exit == exit_code
        assert len({row["ORD_NR"] for row in one.box.accountview.rows("SO_LINE")}) == orders_with_lines
        assert ("PIPE-2: sent “0.3333”, nothing stands there" in told.err) == (decimals == 0)
        if not exit_code:
            one.goes()  # that it was rounded is told once
            one.rests()


def test_what_follows_from_a_value_is_no_harm(tmp_path: Path) -> None:
    """An address in lines is made of what was sent; a search key is filled in by itself."""
    with shop(tmp_path, FLOWS, extra_columns=2) as one:
        for number in ("10001", "10002"):
            one.in_books(number, X_0000="tel 050-1")
        phones(one)
        one.box.options.touches = {("CONTACT", "X_0000"): "tel 058-1234567", ("CONTACT", "X_0001"): "S530"}
        one.goes()
        hint = learnt(one, "customers")
        assert "Vrij veld 0 is adapted by AccountView itself" in hint
        assert "Vrij veld 1 is filled in by AccountView itself" in hint


def test_other_flows_go_on(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, decimals={("HRS_LINE", "HRS_QTY"): 0}) as one:
        hours(one)
        orders(one)
        assert one.run()["exit"] == 5
        assert len(one.box.accountview.rows("SO_HDR")) == 4
        assert len(one.box.accountview.rows("HRS_LINE")) == 1


def test_in_dutch_with_the_words_of_the_screen(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, day_shift=-1) as one:
        one.config["language"] = "nl"
        hours(one)
        told = one.avsync("run-all")
        assert "Datum: verstuurd 2026-06-01, er staat 2026-05-31" in told.err
        assert "h0" not in told.err
        assert "uren" in told.err


# --- what it costs, and when it cannot be done


def whole(one: Office) -> int:
    """Reads of everything there is to a record."""
    return sum("Fields=%2A" in request.query for request in one.box.requests)


def test_it_is_done_once_per_sort_and_never_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        hours(one)
        lines(one)
        customers(one)
        one.goes()
        first = whole(one)
        assert 0 < first <= 10
        one.box.requests.clear()
        one.goes()
        assert len(one.box.requests) <= 12
        one.box.requests.clear()
        for number in range(10, 14):
            one.hour(f"h{number}", project_id="project-1")
            one.add_klant(f"later-{number}", name=f"Later {number}", customer_number=None)
        one.goes()
        assert whole(one) == 0


def test_what_cannot_be_read_back_is_looked_at_with_the_next_one(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, day_shift=-1) as one:
        one.box.faults.add(side="accountview", path="Fields=%2A", do="500", times=3)
        hours(one)
        assert one.run()["exit"] == 5
        assert len(one.box.accountview.rows("HRS_LINE")) == 2


def test_a_server_that_knows_no_star_is_asked_for_our_columns(tmp_path: Path) -> None:
    refused = {"ErrorType": "AccountViewError", "ErrorNumbers": None, "ErrorMessage": "Onbekende kolom '*'."}
    with shop(tmp_path, FLOWS, day_shift=-1) as one:
        one.box.faults.add(side="accountview", path="Fields=%2A", do="answer", times=0, status=400, content=refused)
        hours(one)
        stops(one, "hours")


def test_a_second_sort_that_stops_is_told_though_a_first_one_was(tmp_path: Path) -> None:
    """A run tells only what is new; that another flow has stopped is."""
    with shop(tmp_path, FLOWS, day_shift=-1) as one:
        hours(one)
        assert "hours line" in one.avsync("run-all").err
        assert one.avsync("run-all").err == ""
        orders(one)
        told = one.avsync("run-all")
        assert told.exit == 5
        assert "work order WB00001" in told.err
        assert one.avsync("run-all").err == ""


def test_a_dry_run_says_that_the_flow_is_stopped(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS, day_shift=-1) as one:
        hours(one)
        assert one.run()["exit"] == 5
        assert one.avsync("run-all", "--dry-run").exit == 5


def test_under_another_name_it_is_another_place(tmp_path: Path) -> None:
    """What was learnt of one table says nothing of another."""
    with shop(tmp_path, FLOWS) as one:
        hours(one)
        one.goes()
        base = db.open_for_reading(one.state)
        assert base is not None
        known = Store(base).cached_under("first:")
        assert "first:hour:create:hrs_line" in known
        assert known["first:hour:create:hrs_line"]["harm"] == {}


def test_an_answer_that_is_not_the_record_says_nothing_of_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.faults.add(side="crafter", method="GET", path="/projects/", do="error_in_2xx", nth=2)
        one.goes()
        assert one.box.faults.rules[0].hits == 1
