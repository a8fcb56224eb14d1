"""`avsync check --record FILE`: an installation as others may study it. Names, types, labels and habits; no data, no
secret, no name of the company. The sandbox plays it (`python -m avsync.sandbox --like FILE`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from avsync import __version__
from avsync.commands import connect, probe
from avsync.config.settings import Config
from avsync.errors import ConfigError
from avsync.services.accountview import learn, metadata
from avsync.services.accountview.client import AccountView, company_code, pick_company
from avsync.services.accountview.learn import Dictionary, Learnt
from avsync.services.accountview.metadata import Column, Rights
from avsync.services.accountview.schema import LEDGER
from avsync.state import db
from avsync.state.store import Store
from avsync.sync import caution, habits
from avsync.sync.schema import REFERENCES

FORMAT = 1
_HEAD = """# An AccountView installation as avsync {version} saw it: names, types, labels and habits; no data.
# Play it: python -m avsync.sandbox --like {name}
"""


def run(config: Config, path: Path) -> Path:
    """Write the recording; its path. Errors: of the login, as of any read, and ConfigError("record_unwritable")."""
    client = connect.company(config)
    there = metadata.load_dictionary(client, client.schema, client.schema, more=(LEDGER.table,))
    found = learn.learn(there, client.schema, list(client.schema))
    answers = _answers(config)
    private = _private(config, client)
    text = _HEAD.format(version=__version__, name=path.name) + as_yaml(there, found, answers, private)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        detail = error.strerror or str(error)
        raise ConfigError("record_unwritable", path=str(path), detail=detail) from None
    return path


def _answers(config: Config) -> Mapping[str, Any]:
    """What the probe saw (asked now where nobody has asked yet), and what the first writes have shown."""
    kept: Mapping[str, Any] = {}
    shown: dict[str, Any] = {}
    with db.in_words(config.state_dir):
        base = db.open_for_reading(config.state_dir)
        if base is not None:
            store = Store(base)
            kept = habits.kept(store)
            shown = {"learnt": store.cached(caution.LEARNT, "") or {}}
            references = store.cached_under(REFERENCES).values()
            if references:
                shown["reference"] = "kept" if all(references) else "empty"
            store.close()
    return {**(kept or probe.run(config)[1]), **shown}


def _private(config: Config, client: AccountView) -> list[str]:
    """What no label and no words may hold."""
    company = pick_company(client.companies(), config.company)
    names = [config.company, company_code(company), str(company.get("Description") or ""), str(company["Id"])]
    return sorted({name.strip() for name in names if len(name.strip()) > 1}, key=len, reverse=True)


def as_yaml(there: Dictionary, found: Mapping[str, Learnt], answers: Mapping[str, Any], private: Iterable[str]) -> str:
    """The recording: the tables that were looked at closely, who plays which part, and what was seen to happen."""

    def clean(label: str) -> str:
        for name in private:
            label = re.sub(re.escape(name), "…", label, flags=re.IGNORECASE)
        return " ".join(label.split())

    parts = {kind: _part(one) for kind, one in found.items() if one.lines}
    if LEDGER.table in there.columns and LEDGER.business_object in there.objects:
        parts["ledger"] = {"business_object": LEDGER.business_object, "table": LEDGER.table,
                           "columns": dict(LEDGER.columns)}  # fmt: skip
    data = {
        "format": FORMAT,
        "objects": {code: f"{_rights(one)} {clean(one.description)}" for code, one in there.objects.items()},
        "tables": {
            name: _table(there.files[name], columns, clean) for name, columns in there.columns.items() if columns
        },
        "schema": parts,
        "answers": _told(answers, clean),
        "others": {
            name: clean(f"{one.business_object or '-'} {one.description}")
            for name, one in there.files.items()
            if not there.columns.get(name)
        },
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=160)


def _rights(one: Rights) -> str:
    return ("i" if one.insert else "") + ("u" if one.update else "") or "-"


def _table(file: Rights, columns: Mapping[str, Column], clean: Any) -> dict[str, Any]:
    hangs = {name: value for name, value in (("header", file.header), ("child", file.child)) if value}
    return {
        "description": clean(file.description),
        "object": file.business_object,
        "rights": _rights(file),
        **hangs,
        "columns": {name: clean(f"{notation(one)} {one.description}") for name, one in columns.items()},
    }


def notation(column: Column) -> str:
    """Letter, width, decimals, and flags: * mandatory, ^ upper case, - blocked for others."""
    width = str(column.length) if column.type in ("C", "N") and column.length else ""
    decimals = f".{column.decimals}" if width and column.decimals else ""
    flags = ("*" if column.mandatory else "") + ("^" if column.upper else "") + ("-" if column.closed else "")
    return f"{column.type}{width}{decimals}{flags}"


def _part(one: Learnt) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for line in one.lines:
        place = part
        for name in line.path[:-1]:
            place = place.setdefault(name, {})
        place[line.path[-1]] = line.name
    return part


def _told(answers: Mapping[str, Any], clean: Any) -> dict[str, Any]:
    names = ("no_rows", "page_size", "last_key_with_filter", "unknown_column", "equal", "filter_time", "at_once",
             "reference", "learnt")  # fmt: skip
    told = {name: answers[name] for name in names if answers.get(name) not in (None, {})}
    if answers.get("no_rows_words"):
        told["no_rows_words"] = clean(answers["no_rows_words"])
    years = sorted({int(day[:4]) for day in answers.get("years_refused") or {}})
    return told | {"book_date": {"matters": bool(answers.get("book_date_matters")), "refused": years}}
