"""Tables as files that people open: .csv (`;`, with a BOM) and .xlsx, in which every cell is text, whatever it begins
with; and such files, or what other programs made of them, read back as text.

Where a .csv would start a formula (`=1+1`, `@SUM`), an apostrophe goes before it, and is taken away when it is read.
"""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from avsync.errors import ConfigError

LARGEST = 64 << 20  # bytes of a file that is read
MOST_ROWS = 1_000_000
_DELIMITERS = ";,\t"
FORMATS = (".csv", ".xlsx")
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")  # how one begins in this spreadsheet or that
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what no sheet can hold
_LONGEST = 32_767  # characters in a cell
_BROKEN = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, RuntimeError, ParseError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def must_be_known(path: Path) -> None:
    """ConfigError("sheet_format") for a name that is neither .csv nor .xlsx."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError("sheet_format", path=str(path))


def write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A file that is there whole or not at all. Errors: ConfigError("sheet_format", "config_not_written")."""
    must_be_known(path)
    table = ([_clean(cell) for cell in row] for row in (heads, *rows))
    _whole(path, lambda part: (_write_csv if path.suffix.lower() == ".csv" else _write_xlsx)(part, table))


def put(path: Path, text: str) -> None:
    """A page, whole or not at all. Errors: ConfigError("config_not_written")."""
    _whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _whole(path: Path, write_to: Callable[[Path], object]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            write_to(temporary)
            os.replace(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink()
    except OSError as error:
        raise ConfigError("config_not_written", path=str(path), detail=error.strerror or str(error)) from None


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """What a .csv holds, for those who print it."""
    file = io.StringIO(newline="")
    table = ([_guarded(_clean(cell)) for cell in row] for row in (heads, *rows))
    csv.writer(file, delimiter=";").writerows(table)
    return f"\ufeff{file.getvalue()}"


def read(path: Path) -> list[list[str]]:
    """The rows of a .csv (whatever its delimiter and alphabet) or of the first sheet of an .xlsx; empty ones left out.

    Errors: ConfigError("sheet_format", "sheet_unreadable").
    """
    must_be_known(path)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"> {LARGEST >> 20} MB")
        rows = _read_csv(path.read_bytes()) if path.suffix.lower() == ".csv" else _read_xlsx(path)
        found = []
        for number, row in enumerate(rows):
            if number > MOST_ROWS:
                raise ValueError(f"> {MOST_ROWS} rows")
            if any(row):
                found.append(row)
    except OSError as error:
        raise ConfigError("sheet_unreadable", path=str(path), detail=error.strerror or str(error)) from None
    except (*_BROKEN, csv.Error) as error:
        raise ConfigError("sheet_unreadable", path=str(path), detail=str(error) or type(error).__name__) from None
    return found


def _clean(cell: str) -> str:
    return _CONTROL.sub(" ", cell)[:_LONGEST]


def _write_csv(path: Path, table: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([_guarded(cell) for cell in row] for row in table)


def _guarded(cell: str) -> str:
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _write_xlsx(path: Path, table: Iterable[Sequence[str]]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("avsync")
    sheet.freeze_panes = "A2"
    for row in table:
        cells = []
        for text in row:
            cell = WriteOnlyCell(sheet, value=text)
            cell.data_type, cell.number_format = "s", "@"  # whatever it was taken for
            cells.append(cell)
        sheet.append(cells)
    book.save(path)


def _read_csv(raw: bytes) -> Iterator[list[str]]:
    text = _decoded(raw).replace("\0", "")
    if text.lower().startswith("sep="):
        text = text.partition("\n")[2]
    lines = (line for line in text.splitlines() if any(one in line for one in _DELIMITERS))
    delimiter = max(_DELIMITERS, key=next(lines, "").count)  # what stands above the heads has none
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        yield [_unguarded(cell.strip()).strip() for cell in row]


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")  # what Dutch Excel calls CSV


def _read_xlsx(path: Path) -> Iterator[list[str]]:
    import openpyxl

    book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield [_text(value) for value in row]
    finally:
        book.close()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
