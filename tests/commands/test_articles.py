"""`avsync articles`: AccountView's articles as Crafter imports them, and Crafter's own list held against them."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from avsync.commands import sheets
from avsync.errors import ConfigError
from tests.support.office import Office, Told, office

HOSTILE = ["=1+1", "+SOM(A1)", "-2+3", "@A1", "=cmd|' /C calc'!A0", "\t=1", " =1+1", "'=1", "'quoted", "0042", "-5",
           'a;"b"', "é ß €", "#N/A", "TRUE", "2026-01-01", "1E5"]  # fmt: skip


def articles(one: Office, *numbers: str, **columns: Any) -> None:
    for number in numbers:
        one.box.accountview.add("ARTICLE", ART_CODE=number, ART_DESC1=f"Artikel {number}", **columns)


def crafter_list(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "crafter.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def findings(told: Told) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """number → (finding, [(number that may be meant, difference)])."""
    return {
        one["number"]: (one["finding"], [(near["number"], near["difference"]) for near in one["near"]])
        for one in told.json["compared"]["findings"]
    }


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_accountviews_articles_in_columns_that_crafter_takes(tmp_path: Path, suffix: str) -> None:
    with office(tmp_path) as one:
        articles(one, "PUMP-1", "0042")
        articles(one, "OLD-9", REC_BLK=True)
        one.box.requests.clear()
        told = one.avsync("articles", "-o", str(tmp_path / f"artikelen{suffix}"))
        assert (told.exit, told.err) == (0, "")
        assert "3 articles of AccountView" in told.out
        assert one.writes() == []
        assert sheets.read(tmp_path / f"artikelen{suffix}") == [
            ["Article number", "Description", "Blocked"],
            ["0042", "Artikel 0042", "no"], ["OLD-9", "Artikel OLD-9", "yes"], ["PUMP-1", "Artikel PUMP-1", "no"],
        ]  # fmt: skip


def test_in_dutch_with_dutch_heads_as_excel_opens_it(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        one.config["language"] = "nl"
        articles(one, "PUMP-1")
        one.avsync("articles", "-o", str(tmp_path / "a.csv"))
        raw = (tmp_path / "a.csv").read_bytes().decode()
        assert raw == "\ufeffArtikelnummer;Omschrijving;Geblokkeerd\r\nPUMP-1;Artikel PUMP-1;nee\r\n"


def test_no_cell_of_a_sheet_is_a_formula(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        for number, text in enumerate(HOSTILE):
            one.box.accountview.add("ARTICLE", ART_CODE=f"A{number}", ART_DESC1=text)
        one.avsync("articles", "-o", str(tmp_path / "a.xlsx"))
        one.avsync("articles", "-o", str(tmp_path / "a.csv"))
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s"}
    assert b"<f>" not in zipfile.ZipFile(tmp_path / "a.xlsx").read("xl/worksheets/sheet1.xml")
    rows = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text("utf-8-sig"), newline=""), delimiter=";"))
    for row in rows:
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or cell == "-5"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_is_written_is_what_is_read(tmp_path: Path, suffix: str) -> None:
    rows = [[text, text[::-1]] for text in HOSTILE]
    path = tmp_path / f"x{suffix}"
    sheets.write(path, ["one", "two"], rows)
    assert sheets.read(path) == [["one", "two"], *([cell.strip() for cell in row] for row in rows)]
    sheets.write(path, ["one"], [["\x00\x07x"], ["y" * 40_000]])
    assert [len(row[0]) for row in sheets.read(path)] == [3, 1, 32_767]
    assert os.listdir(tmp_path) == [path.name]


def test_numbers_that_accountview_lacks_with_what_may_be_meant(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        articles(one, "PUMP-1", "0042", "PIPE 2", "VALVE-3", "00X")
        articles(one, "OLD-9", REC_BLK=True)
        path = crafter_list(
            tmp_path,
            "Artikelnummer;Naam\npump-1;Pomp\n42;Klep\nPIPE2;Pijp\nVALVE.3;Kraan\nOLD-9;Oud\nNIETS;Iets\nVALVE-3;Kraan\n"
            "X;Kort\n",
        )
        told = one.avsync("--json", "articles", "--compare", path)
        assert told.exit == 1
        assert told.json["compared"]["numbers"] == 8
        assert findings(told) == {
            "42": ("missing", [("0042", "zeros")]),
            "PIPE2": ("missing", [("PIPE 2", "blanks")]),
            "VALVE.3": ("missing", [("VALVE-3", "signs")]),
            "X": ("missing", [("00X", "zeros")]),
            "NIETS": ("missing", []),
            "OLD-9": ("in_books_blocked", []),
            "pump-1": ("case", [("PUMP-1", "case")]),
        }
        shown = one.avsync("articles", "--compare", path)
        assert "Of the 8 article numbers" in shown.out
        assert "0042 (leading zeros)" in shown.out
        assert "only capitals differ; that does no harm" in shown.out


def test_a_list_in_which_all_is_known_is_in_order(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        articles(one, "PUMP-1", "PIPE-2")
        path = crafter_list(tmp_path, "Artikelnummer\npump-1\nPIPE-2\n\u200bPUMP-1\n")
        told = one.avsync("articles", "--compare", path)
        assert told.exit == 0
        assert "AccountView knows all 3 article numbers" in told.out


LISTS = [
    ("Code,Omschrijving\r\nA-1,Een\r\nB-2,Twee\r\n", "utf-8"),
    ("Omschrijving\tSKU\nEen\tA-1\nTwéé\tB-2\n", "utf-16"),
    ("Naam;Artikel-nr.\nEén;A-1\nTwee;B-2\n", "cp1252"),
    ("sep=;\nArtikelnummer;Naam\nA-1;Een\nB-2;Twee\n", "utf-8-sig"),
    ("Artikelen van Jansen;\n;\nArtikelnummer;Naam\nA-1;Een\n;zonder nummer\nB-2;Twee\n", "utf-8"),
    ("A-1\nB-2\n", "utf-8"),
]


@pytest.mark.parametrize(("text", "encoding"), LISTS)
def test_lists_as_other_programs_write_them(tmp_path: Path, text: str, encoding: str) -> None:
    with office(tmp_path) as one:
        articles(one, "A-1")
        told = one.avsync("--json", "articles", "--compare", crafter_list(tmp_path, text, encoding))
        assert told.json["compared"]["numbers"] == 2
        assert list(findings(told)) == ["B-2"]


def test_a_workbook_in_which_numbers_are_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Artikelnummer", "Naam"], [42, "Klep"], [7.0, "Zeven"], [None, "niets"], ["7A", None]):
        sheet.append(row)
    book.save(tmp_path / "crafter.xlsx")
    with office(tmp_path) as one:
        articles(one, "0042", "7", "7A")
        told = one.avsync("--json", "articles", "--compare", str(tmp_path / "crafter.xlsx"))
        assert findings(told) == {"42": ("missing", [("0042", "zeros")])}


def test_a_column_that_is_not_recognised_is_asked_for(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        articles(one, "A-1")
        path = crafter_list(tmp_path, "Ref intern;Tekst\nA-1;Een\nB-2;Twee\n")
        told = one.avsync("articles", "--compare", path)
        assert told.exit == 2
        assert "(columns: Ref intern, Tekst)" in told.err
        assert "--column" in told.err
        assert list(findings(one.avsync("--json", "articles", "--compare", path, "--column", "ref INTERN"))) == ["B-2"]
        assert one.avsync("articles", "--compare", path, "--column", "nummer").exit == 2


def test_files_that_cannot_be_read_or_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("no workbook")
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("hello", "x")
    with office(tmp_path) as one:
        for arguments in (
            ("--compare", str(tmp_path / "a.xlsx")), ("--compare", str(tmp_path / "b.xlsx")),
            ("--compare", str(tmp_path / "none.csv")), ("--compare", str(tmp_path / "list.ods")),
            ("-o", str(tmp_path / "list.pdf")), ("-o", str(tmp_path / "nowhere" / "a.csv")),
        ):  # fmt: skip
            told = one.avsync("articles", *arguments)
            assert told.exit == 2, arguments
            assert told.err.strip().count("\n") == 1
        assert one.avsync("articles").exit == 2


def test_an_installation_with_other_names(tmp_path: Path) -> None:
    with office(tmp_path, lacking=frozenset({("ARTICLE", "REC_BLK"), ("ARTICLE", "CNG_DATE")})) as one:
        articles(one, "A-1")
        assert one.avsync("articles", "-o", str(tmp_path / "a.csv")).exit == 0
        assert sheets.read(tmp_path / "a.csv")[1] == ["A-1", "Artikel A-1", "no"]
        one.config["accountview"]["schema"] = {"article": {"columns": {"number": "ARTNR"}}}
        told = one.avsync("articles", "-o", str(tmp_path / "a.csv"))
        assert told.exit == 2
        assert "article.columns.number: ARTNR → ART_CODE" in told.err


def test_a_listing_of_more_pages_is_whole(tmp_path: Path) -> None:
    with office(tmp_path) as one:
        articles(one, *(f"A{number:05d}" for number in range(1201)))
        told = one.avsync("--json", "articles", "-o", str(tmp_path / "a.xlsx"))
        assert told.json == {"articles": 1201, "file": str(tmp_path / "a.xlsx")}


def test_the_formats_are_known_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        sheets.must_be_known(tmp_path / "x.xls")
    with office(tmp_path) as one:
        one.box.requests.clear()
        one.avsync("articles", "-o", "x.xls")
        assert one.box.requests == []
