"""Which names of a dictionary are meant, held against labels of real tables (avsync/sandbox/installations)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from avsync.sandbox.accountview.installation import load
from avsync.services.accountview import learn
from avsync.services.accountview.learn import SURE, Dictionary
from avsync.services.accountview.metadata import Column, Rights
from avsync.services.accountview.schema import TableSchema, load_schema
from avsync.services.labels import alike, ideas
from tests.support.installations import SHIPPED, dictionary, learnt, names, scrambled

SCHEMA = load_schema()
RECORDINGS = {name: load(name) for name in SHIPPED}
REAL = dictionary(RECORDINGS["elsewhere"]).columns


def read(there: Dictionary) -> Dictionary:
    """With the columns of the shortlist alone, as a command reads them."""
    short = learn.shortlist(there, SCHEMA, SCHEMA)
    return replace(there, columns={name: there.columns[name] for name in short})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", SHIPPED)
def test_every_name_of_an_installation_is_found(name: str, seed: int) -> None:
    """As it stands (0), and with every name scrambled; nothing is found that is not there."""
    like = scrambled(RECORDINGS[name], seed) if seed else RECORDINGS[name]
    found = learn.learn(read(dictionary(like)), SCHEMA, list(SCHEMA))
    assert {kind: learnt(one.lines) for kind, one in found.items() if one.lines} == {
        kind: names(part) for kind, part in like.parts.items() if kind in SCHEMA
    }
    columns = [line for one in found.values() for line in one.lines if "columns" in line.path]
    assert all(line.score >= SURE for line in columns)
    assert name != "contract" or len(columns) == 70


def test_few_tables_are_read_closely() -> None:
    there = dictionary(RECORDINGS["elsewhere"])
    assert len(there.files) > 20
    assert len(learn.shortlist(there, SCHEMA, SCHEMA)) <= 16


def best(table: str, kind: str, neutral: str) -> str:
    """The column of a real table that fits best, under whatever name: labels alone."""
    nameless = replace(SCHEMA[kind], columns=dict.fromkeys(SCHEMA[kind].columns, ""))
    return next(iter(learn.candidates(nameless, neutral, REAL[table])), "")


@pytest.mark.parametrize(
    ("table", "kind", "neutral", "column"),
    [
        *((table, "customer", "changed_at", "CNG_DATE") for table in (
            "CONTACT", "VAT", "LEDGER", "COMP_HDR", "DAILY", "COST", "DJ_PAGE", "DCT_FILE", "DCT_FLD")),
        *((table, "customer", "created_at", "INP_DATE") for table in (
            "CONTACT", "VAT", "LEDGER", "COMP_HDR", "DAILY", "COST", "DJ_PAGE", "DCT_FILE", "DCT_FLD")),
        *(("CONTACT", "customer", neutral, column) for neutral, column in SCHEMA["customer"].columns.items()),
        *((table, "hour", "project", "PROJ_CODE") for table in ("TRANSACT", "DJ_PAGE", "DJ_LINE")),
        *((table, "hour", "id", "REC_ID") for table in ("TRANSACT", "DJ_LINE")),
        *((table, "contact", "customer", "SUB_NR") for table in ("CONTACT", "TRANSACT", "DJ_PAGE", "DJ_LINE")),
        *((table, "customer", "blocked", "REC_BLK") for table in ("CONTACT", "LEDGER", "DJ_PAGE", "DCT_FILE")),
        *((table, "project", "description", column) for table, column in (
            ("LEDGER", "DOSS_DESC"), ("DJ_PAGE", "COMMENT1"), ("DCT_FILE", "DBF_EXTRA"))),
        ("CONTACT", "contact", "mobile", "TEL_MOB"),
        ("CONTACT", "contact", "phone", "TEL_BUS"),
        ("DJ_LINE", "hour", "description", "TRN_DESC"),
        ("TRANSACT", "order_line", "quantity", "DIST_QTY"),
        ("DAILY", "customer", "country", "CNT_CODE"),
    ],
)  # fmt: skip
def test_labels_of_real_tables_are_understood(table: str, kind: str, neutral: str, column: str) -> None:
    assert best(table, kind, neutral) == column


@pytest.mark.parametrize("table", sorted(name for name in REAL if "CNG_DATE" not in REAL[name]))
def test_a_line_without_a_moment_of_change_gets_none(table: str) -> None:
    """INP_DATE is no moment of change, nor is any other."""
    found = learn.columns_of(SCHEMA["hour"], {name: one for name, one in REAL[table].items() if "WYZ" not in name})
    assert "changed_at" not in {line.path[-1] for line in found.lines}


@pytest.mark.parametrize(
    ("kind", "neutral", "label"),
    [
        ("customer", "number", "Debiteurnr"),
        ("customer", "number", "Relatienummer"),
        ("customer", "number", "Klantnummer"),
        ("customer", "name", "Naam debiteur"),
        ("customer", "name", "Naam"),
        ("customer", "search_code", "Zoekcode"),
        ("customer", "ledger_account", "Verzamelrek."),
        ("customer", "phone", "Telefoonnummer"),
        ("customer", "email", "E-mailadres"),
        ("customer", "street", "Bezoekadres"),
        ("customer", "street", "Straat en huisnummer"),
        ("customer", "postal_code", "Postcode bezoekadres"),
        ("customer", "city", "Woonplaats"),
        ("customer", "country", "Landcode"),
        ("customer", "postal_street", "Postbus"),
        ("customer", "postal_postal_code", "Postcode postbus"),
        ("customer", "postal_city", "Plaats postbus"),
        ("customer", "blocked_for_orders", "Orders geblokkeerd"),
        ("customer", "changed_at", "Gewijzigd op"),
        ("customer", "created_at", "Aanmaakdatum"),
        ("contact", "code", "Code contactpersoon"),
        ("contact", "customer", "Relatie"),
        ("contact", "last_name", "Naam"),
        ("contact", "email", "E-mail"),
        ("contact", "mobile", "Mobiel nummer"),
        ("project", "code", "Projectnr"),
        ("project", "name", "Projectnaam"),
        ("project", "name", "Omschrijving"),
        ("project", "customer", "Opdrachtgever"),
        ("project", "start_date", "Startdatum"),
        ("project", "end_date", "Einddatum project"),
        ("project", "status", "Status"),
        ("project", "type", "Soort project"),
        ("project", "employee", "Projectleider"),
        ("project", "employee", "Verantwoordelijke"),
        ("project", "description", "Opmerkingen"),
        ("article", "number", "Artikelnummer"),
        ("article", "name", "Artikelomschrijving"),
        ("order", "number", "Verkoopordernr"),
        ("order", "customer", "Debiteurnummer"),
        ("order", "invoice_customer", "Factuurdebiteur/crediteur"),
        ("order", "delivery_date", "Gewenste leverdatum"),
        ("order", "work_type", "Notitie extern"),
        ("order", "project", "Project"),
        ("order", "reference", "Referentie extern systeem"),
        ("order_line", "id", "Regelnummer"),
        ("order_line", "quantity", "Aantal"),
        ("hour", "time_code", "Tijdsoort"),
        ("hour", "time_code", "Urencode"),
        ("hour", "employee", "Werknemer"),
        ("hour", "quantity", "Uren"),
        ("hour", "date", "Datum uren"),
        ("hour", "description", "Toelichting"),
    ],
)
def test_other_words_for_the_same_are_understood(kind: str, neutral: str, label: str) -> None:
    """One label of the contract's table at a time, under a name that says nothing."""
    table, there = SCHEMA[kind], dict(dictionary(RECORDINGS["contract"]).columns[SCHEMA[kind].table])
    meant = replace(there.pop(table.columns[neutral]), description=label)
    found = learn.columns_of(table, there | {"QQXYZ": meant})
    assert {line.path[-1]: line.name for line in found.lines}[neutral] == "QQXYZ"


@pytest.mark.parametrize("label", ["Uw referentie", "Referentie klant", "Importtype", "Intern nummer"])
def test_what_belongs_to_somebody_else_is_no_place_for_our_reference(label: str) -> None:
    """What avsync can do without is better missed than mistaken: this would be printed on an invoice."""
    there = {
        "ORD_NR": Column("C", 10, None, True, True, "Ordernummer"),
        "UW_REF": Column("C", 32, None, False, False, label),
    }
    found = learn.columns_of(SCHEMA["order"], there)
    assert "reference" in found.missing
    assert "reference" not in found.left


def test_a_type_that_cannot_hold_it_is_never_offered() -> None:
    there = {
        "A": Column("C", 10, None, False, False, "Leverdatum"),
        "B": Column("N", 8, 2, False, False, "Artikelcode"),
    }
    found = learn.columns_of(SCHEMA["order_line"], there)
    assert found.lines == ()
    assert set(found.left) == {"id", "article", "quantity", "delivery_date"}


def test_two_columns_that_fit_alike_are_for_a_person_to_confirm() -> None:
    same = Column("N", 13, 4, False, False, "Aantal besteld")
    (line,) = learn.columns_of(SCHEMA["order_line"], {"X": same, "Y": same}).lines
    assert (line.path, line.name) == (("columns", "quantity"), "X")
    assert line.score < SURE


def test_no_column_is_used_twice() -> None:
    there = {"X": Column("C", 40, None, False, False, "Omschrijving order")}
    assert len(learn.columns_of(SCHEMA["order"], there).lines) == 1


def _order(**files: Rights) -> Dictionary:
    like = dictionary(RECORDINGS["elsewhere"])
    return replace(like, files={**like.files, **files})


def test_a_purchase_order_is_no_sales_order() -> None:
    without = {name: one for name, one in _order().files.items() if not name.startswith("VK")}
    there = dictionary(RECORDINGS["elsewhere"])
    found = learn.learn(read(replace(there, files=without)), SCHEMA, ["order", "order_line"])
    assert found["order"].left == ("object",)


def test_a_sheet_of_months_is_told_from_one_of_weeks() -> None:
    like = dictionary(RECORDINGS["elsewhere"])
    columns: dict[str, Any] = {name: dict(one) for name, one in like.columns.items()}
    week = columns["URENSTT"].pop("STT_WEEK")
    columns["URENSTT"]["STT_MAAND"] = replace(week, description="Maand")
    lines = learn.learn(replace(like, columns=columns), SCHEMA, ["hour"])["hour"].lines
    assert [line.name for line in lines if line.path == ("header", "period")] == ["month"]


def test_a_name_that_is_there_stands_whatever_it_is_called() -> None:
    there = {
        "ART_CODE": Column("C", 15, None, True, True, "Iets anders"),
        "X": Column("C", 15, None, True, True, "Artikelcode"),
    }
    found = {line.path[-1]: line for line in learn.columns_of(SCHEMA["order_line"], there).lines}
    assert (found["article"].name, found["article"].expected) == ("ART_CODE", True)


def test_a_similar_name_without_a_label_is_worth_a_question() -> None:
    there = {"ART_KODE": Column("C", 15, None, True, True)}
    (line,) = learn.columns_of(SCHEMA["order_line"], there).lines
    assert (line.name, line.score < SURE) == ("ART_KODE", True)


# --- labels


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("Debiteur-/crediteurnummer", {"debiteur", "crediteur", "nummer"}),
        ("Extern debiteurnr", {"extern", "debiteur", "nummer"}),
        ("Datum laatste wijz", {"datum", "laatste", "wijziging"}),
        ("Wijzigingsdatum", {"datum", "wijziging"}),
        ("Postcd postadres", {"postcode", "post", "adres"}),
        ("Uursoort", {"uur", "soort"}),
        ("E-mail zakelijk", {"email", "zakelijk"}),
        ("landafhankelijke indeling", {"landafhankelijke", "indeling"}),
        ("Kaartnummer", {"staat", "nummer"}),
        ("Plaats of plaats postadres", {"plaats", "of", "post", "adres"}),
        ("", set()),
        ("---", set()),
    ],
)
def test_a_label_is_taken_apart(label: str, parts: set[str]) -> None:
    assert ideas(label) == parts


def test_labels_are_compared_by_what_they_say() -> None:
    assert alike("Nummer debiteur", "Debiteurnr") == 1
    assert alike("Datum laatste wijziging", "Wijzigingsdatum") > 0.8
    assert alike("Invoerdatum", "Wijzigingsdatum") < 0.5
    assert alike("", "") == 0


def test_every_phrase_of_the_schema_says_something() -> None:
    def phrases(table: TableSchema) -> list[str]:
        more = phrases(table.sheet) if table.sheet else []
        return [*table.words, *(one for many in table.described.values() for one in many), *more]

    for kind, table in SCHEMA.items():
        assert set(table.described) == set(table.columns), kind
        assert all(ideas(one) for one in phrases(table)), kind
