"""`avsync articles`: AccountView's articles as a list that Crafter imports, and Crafter's own list held against them.

Crafter's "Importeer data" lets people choose which column is what, so that the heads only have to be clear. What it
exports is read by its heads as well, or by `--column`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tabulate import tabulate

from avsync.commands import connect, sheets
from avsync.config.settings import Config
from avsync.errors import ConfigError, Malformed, SchemaMismatch
from avsync.messages.texts import phrase
from avsync.records.values import bare, code, loose
from avsync.services.accountview import metadata
from avsync.state.folder import claim
from avsync.sync import schema as needs

KIND = "article"
HEAD_WITHIN = 10  # rows: what may stand above the heads
NUMBERS = ("artikelnummer", "artikelnr", "artnr", "artikelcode", "articlenumber", "articleno", "artikel", "article",
           "sku", "itemnumber", "productnummer", "productcode", "nummer", "number", "code")  # fmt: skip
NAMES = ("omschrijving", "artikelomschrijving", "naam", "artikelnaam", "description", "name", "productnaam", "titel")
NEAREST = 3


class Talker(Protocol):
    """The global options, as far as this command needs them."""

    as_json: bool

    def say(self, text: str, shape: object) -> None:
        """Print a result."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article of AccountView; `number` as it is stored there."""

    number: str
    name: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A number of Crafter's list that is not simply an article: `what` is missing, in_books_blocked or case.

    `near` are articles that may be meant, with how they differ: case, blanks, zeros or signs.
    """

    what: str
    number: str
    name: str
    near: tuple[tuple[Article, str], ...] = ()


@dataclass
class Comparison:
    """Crafter's list against AccountView's articles."""

    numbers: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        """Those with which a line does not go onto a sales order."""
        return [one for one in self.findings if one.what != "case"]


def run(config: Config, talker: Talker, *, output: str | None, compare: str | None, column: str | None) -> int:
    """Write the list, compare the other, and say what came of it; 1 when a number needs attention, else 0.

    Errors: ConfigError("sheet_format", "sheet_unreadable", "sheet_without_column", "config_not_written").
    """
    listed = _listed(Path(compare), column) if compare else None
    if output:
        sheets.must_be_known(Path(output))
    articles = read(config)
    if output:
        write(Path(output), articles, config.language)
    found = compared(articles, listed) if listed is not None else None
    talker.say(_told(config.language, articles, output, compare, found), _shape(articles, output, found))
    return 1 if found and found.wrong else 0


def read(config: Config) -> list[Article]:
    """AccountView's articles by number."""
    claim(config.state_dir)
    client = connect.company(config)
    missing = metadata.verify(metadata.load(client, client.schema, [KIND]), client.schema, {KIND: frozenset()})
    key = client.schema[KIND].key
    stopping = [one for one in missing if one.what != "column" or one.neutral == key]
    if stopping:
        told = "".join(f"\n- {needs.described(one)}" for one in stopping)
        raise SchemaMismatch("articles_names_missing", missing=told)
    client.absent |= {(one.kind, one.neutral) for one in missing if one.what == "column"}
    rows = [row for page in client.pages(KIND) for row in page.rows]
    found = {number: row for row in rows if (number := _shown(row.get("number")))}
    return [
        Article(number, _shown(found[number].get("name")), found[number].get("blocked") is True)
        for number in sorted(found)
    ]


def write(path: Path, articles: Sequence[Article], language: str) -> None:
    """The file for Crafter, whole or not at all."""
    heads = [phrase("articles", name, language) for name in ("number", "name", "blocked")]
    rows = (
        [one.number, one.name, phrase("articles", f"blocked_{'yes' if one.blocked else 'no'}", language)]
        for one in articles
    )
    sheets.write(path, heads, rows)


def compared(articles: Sequence[Article], listed: Sequence[tuple[str, str]]) -> Comparison:
    """Every number of Crafter's list, (number, description), by what AccountView says of it (behaviour 1)."""
    known = {_key(one.number): one for one in articles}
    alike: dict[str, list[Article]] = {}
    for one in articles:
        alike.setdefault(_core(one.number), []).append(one)
    found = Comparison()
    for number, name in dict(reversed([(number, (number, name)) for number, name in listed])).values():
        found.numbers += 1
        article = known.get(_key(number))
        if article is None:
            near = tuple((one, _difference(number, one.number)) for one in alike.get(_core(number), ())[:NEAREST])
            found.findings.append(Finding("missing", number, name, near))
        elif article.blocked:
            found.findings.append(Finding("in_books_blocked", number, name))
        elif article.number != number:
            found.findings.append(Finding("case", number, name, ((article, "case"),)))
    found.findings.sort(key=lambda one: (one.what == "case", one.what, one.number))
    return found


def _key(number: str) -> str:
    """A number as avsync compares it; one that cannot be a number is nobody's."""
    try:
        return code(bare(number, KIND), KIND) or ""
    except Malformed:
        return ""


def _core(number: str) -> str:
    """What is left of it without capitals, blanks, punctuation and leading zeros."""
    return loose(_key(number))


def _difference(number: str, other: str) -> str:
    one, two = _key(number), _key(other)
    one, two = re.sub(r"\s+", "", one), re.sub(r"\s+", "", two)
    if one == two:
        return "blanks"
    return "zeros" if one.lstrip("0") == two.lstrip("0") else "signs"


def _shown(value: object) -> str:
    return str(value).strip() if value is not None else ""


# --- Crafter's list


def _listed(path: Path, column: str | None) -> list[tuple[str, str]]:
    """(number, description) of each row that has a number."""
    rows = sheets.read(path)
    if len({len(row) for row in rows}) == 1 and len(rows[0]) == 1 and not column and not _place(rows[0], NUMBERS):
        return [(row[0], "") for row in rows]
    for above, heads in enumerate(rows[:HEAD_WITHIN]):
        place = _place(heads, (_plain(column),) if column else NUMBERS)
        if place:
            name = _place(heads, NAMES)
            return list(_pairs(rows[above + 1 :], place - 1, name - 1 if name else None))
    raise ConfigError("sheet_without_column", path=str(path), heads=", ".join(filter(None, rows[0])) if rows else "")


def _pairs(rows: Sequence[Sequence[str]], number: int, name: int | None) -> Iterator[tuple[str, str]]:
    for row in rows:
        if number < len(row) and row[number]:
            yield row[number], row[name] if name is not None and name < len(row) else ""


def _place(heads: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Which column, from 1, has the first of these heads that is there."""
    plain = [_plain(head) for head in heads]
    return next((plain.index(name) + 1 for name in wanted if name in plain), None)


def _plain(head: str) -> str:
    return re.sub(r"[\W_]+", "", head.casefold())


# --- what is said


def _told(
    language: str, articles: Sequence[Article], output: str | None, compare: str | None, found: Comparison | None
) -> str:
    def say(name: str, /, **params: Any) -> str:
        return phrase("articles", name, language, **params)

    lines = [say("written", count=len(articles), path=output)] if output else []
    if found is None:
        return "\n".join(lines)
    if not found.wrong:
        lines.append(say("all_known", count=found.numbers, path=compare))
    else:
        lines.append(say("some_unknown", count=found.numbers, wrong=len(found.wrong), path=compare))
    if found.findings:
        rows = [
            [one.number, one.name, say(one.what), ", ".join(f"{near.number} ({say(f'differ_{how}')})"
             for near, how in one.near)]
            for one in found.findings
        ]  # fmt: skip
        heads = [say(name) for name in ("number", "name", "finding", "meant")]
        lines.append(tabulate(rows, heads, maxcolwidths=[None, 40, None, 40], disable_numparse=True))
    if found.wrong:
        lines.append(say("hint"))
    return "\n".join(lines)


def _shape(articles: Sequence[Article], output: str | None, found: Comparison | None) -> dict[str, Any]:
    shape: dict[str, Any] = {"articles": len(articles), "file": output}
    if found is not None:
        shape["compared"] = {"numbers": found.numbers, "findings": [
            {"finding": one.what, "number": one.number, "name": one.name, "near": [
                {"number": near.number, "name": near.name, "difference": how} for near, how in one.near]}
            for one in found.findings
        ]}  # fmt: skip
    return shape
