"""The data dictionary: AccountView contract 5 as data, under the names of one installation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from avsync.sandbox.accountview.installation import File, Installation, Seen
from avsync.sandbox.accountview.names import OTHER, PARTS, SHEET
from avsync.sandbox.accountview.options import Options


@dataclass(frozen=True)
class Column:
    """One column. `name` is the sandbox's own name (as in the contract), `wire` what this installation calls it.

    `type` is a dictionary letter (C, N, L, D, T, M); `hidden` columns are kept in the store but never on the wire.
    """

    name: str
    wire: str
    type: str
    length: int
    decimals: int
    mandatory: bool
    upper: bool
    read_only: bool
    hidden: bool
    references: str
    description: str


@dataclass(frozen=True)
class TableSpec:
    """One table. A detail table names its header table in `parent` and is reached through its business object."""

    name: str
    wire: str
    code: str
    description: str
    key: str
    columns: dict[str, Column]
    parent: str = ""
    child: str = ""
    rights: str = "riu"

    @property
    def visible(self) -> list[Column]:
        """The columns that exist on the wire."""
        return [column for column in self.columns.values() if not column.hidden]


SHEETS = "HRS_HDR"

# A column is "name notation [>table referred to] description"; in the notation * = mandatory, ^ = upper case,
# - = read only, # = not on the wire. The first column is the key.
_TABLES: list[tuple[str, str, str, str, str]] = [
    (
        "CONTACT",
        "AR1",
        "",
        "Debiteuren",
        """
        SUB_NR C10*^ Debiteurnummer
        ACCT_NAME C40* Naam
        SRC_CODE C10*^ Zoekcode
        ACCT_NR C10^ Verzamelrekening
        TEL_BUS C20 Telefoon zakelijk
        MAIL_BUS C50 E-mail zakelijk
        ADDRESS1 C80 Bezoekadres
        POST_CODE C10^ Postcode bezoekadres
        CITY C35 Plaats bezoekadres
        CNT_CODE C2^ Landcode
        PO_BOX C80 Postadres
        PO_CODE C10^ Postcode postadres
        PO_CITY C35 Plaats postadres
        REC_BLK L Geblokkeerd
        BLK_SP L Geblokkeerd voor orders
        CNG_DATE T- Gewijzigd op
        INP_DATE T- Ingevoerd op
        """,
    ),
    (
        "ASC_PP",
        "PP1",
        "",
        "Contactpersonen",
        """
        PP_CODE C10*^ Code contactpersoon
        SUB_NR C10*^ >CONTACT Debiteurnummer
        PP_DEAR C40 Aanhef
        FRST_NAME C40 Voornaam
        LAST_NAME C40 Achternaam
        MAIL_PRIV C50 E-mail
        TEL_BUS C20 Telefoon zakelijk
        TEL_MOB C20 Telefoon mobiel
        CNG_DATE T- Gewijzigd op
        """,
    ),
    (
        "PROJECTS",
        "PJ1",
        "",
        "Projecten",
        """
        PROJ_CODE C10*^ Projectcode
        PROJ_DESC C40* Omschrijving
        SUB_NR C10^ >CONTACT Debiteurnummer
        BEG_DATE D Begindatum
        END_DATE D Einddatum
        PRO_STAT C2 Projectstatus
        PRO_TYPE C10^ >PRO_TYPE Projecttype
        EMP_NR C10^ >EMPLOYEE Verantwoordelijke medewerker
        COMMENT1 M Opmerking
        CNG_DATE T- Gewijzigd op
        """,
    ),
    ("PRO_TYPE", "PT1", "", "Projecttypen", "PT_CODE C10*^ Projecttype\nPT_DESC C40* Omschrijving"),
    (
        "EMPLOYEE",
        "EM1",
        "",
        "Medewerkers",
        "EMP_NR C10*^ Medewerkernummer\nEMP_NAME C40* Naam\nREC_BLK L Geblokkeerd",
    ),
    (
        "ARTICLE",
        "AK1",
        "",
        "Artikelen",
        """
        ART_CODE C15*^ Artikelcode
        ART_DESC1 C40* Omschrijving
        REC_BLK L Geblokkeerd
        CNG_DATE T- Gewijzigd op
        PRICE N13.2# Verkoopprijs
        """,
    ),
    (
        "LEDGER",
        "GL1",
        "",
        "Grootboekrekeningen",
        "ACCT_NR C10*^ Rekeningnr\nACCT_NAME C40 Omschrijving rekening\nREC_BLK L Geblokkeerd",
    ),
    (
        "SO_HDR",
        "SO1",
        "",
        "Verkooporders",
        """
        ORD_NR C10*^ Ordernummer
        RPL_DEL C10*^ >CONTACT Afleverdebiteur
        RPL_INV C10^ >CONTACT Factuurdebiteur
        ORD_DATE D Orderdatum
        DEL_DATE D Leverdatum
        COMMENT1 C40 Omschrijving
        COMMENT2 M Externe opmerking
        PROJ_CODE C10^ >PROJECTS Projectcode
        EXT_ID C32 Referentie extern systeem
        INV_DATE D Factuurdatum
        TO_EMAIL C50 E-mail
        CNG_DATE T- Gewijzigd op
        CLOSED L# Gefactureerd
        """,
    ),
    (
        "SO_LINE",
        "SO1",
        "SO_HDR",
        "Verkooporderregels",
        """
        REC_ID C10^ Regelnummer
        ART_CODE C15*^ >ARTICLE Artikelcode
        ORD_QTY N13.4 Aantal besteld
        ART_PX N13.2 Prijs
        DEL_DATE D Leverdatum
        ORD_NR C10*^# Ordernummer
        """,
    ),
    (
        SHEETS,
        "HR1",
        "",
        "Urenstaten",
        """
        SHT_NR C10*^ Urenstaatnummer
        EMP_NR C10*^ >EMPLOYEE Medewerkercode
        BEG_DATE D* Begindatum
        CNG_DATE T- Datum laatste wijziging
        CLOSED L# Afgesloten
        """,
    ),
    (
        "HRS_LINE",
        "HR1",
        "",
        "Urenregels",
        """
        REC_ID C10^ Regelnummer
        EMP_NR C10*^ >EMPLOYEE Medewerkernummer
        PROJ_CODE C10^ >PROJECTS Projectcode
        HRS_CODE C10*^ >HRS_CODE Uursoort
        HRS_DATE D* Datum
        HRS_DESC C40 Omschrijving
        HRS_QTY N9.2 Aantal uren
        EXT_ID C32 Referentie extern systeem
        CNG_DATE T- Gewijzigd op
        """,
    ),
    ("HRS_CODE", "HC1", "", "Uursoorten", "HRS_CODE C10*^ Uursoort\nHRS_DESC C40* Omschrijving"),
]

_NOTATION = re.compile(r"(\w+) ([CNLDTM])(\d*)(?:\.(\d+))?([*^#-]*)(?: >(\w+))? (.+)")
_LENGTHS = {"D": 8, "T": 8, "L": 1, "M": 4, "Y": 8, "B": 8, "I": 4}


def _column(text: str) -> Column:
    match = _NOTATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"column notation: {text!r}")
    name, letter, length, decimals, flags, references, description = match.groups()
    return Column(
        name=name,
        wire=name,
        type=letter,
        length=_LENGTHS.get(letter) or int(length),
        decimals=int(decimals or 0),
        mandatory="*" in flags,
        upper="^" in flags,
        read_only="-" in flags,
        hidden="#" in flags,
        references=references or "",
        description=description,
    )


def _plain_tables() -> list[TableSpec]:
    tables = []
    children = {parent: name for name, _, parent, _, _ in _TABLES if parent}
    for name, code, parent, description, text in _TABLES:
        columns = [_column(line) for line in text.strip().splitlines()]
        by_name = {column.name: column for column in columns}
        child = children.get(name, "")
        tables.append(TableSpec(name, name, code, description, columns[0].name, by_name, parent, child))
    return tables


def _renamed(table: TableSpec) -> TableSpec:
    code, wire, names = OTHER.get(table.name, (table.code, table.wire, {}))
    columns = {name: replace(column, wire=names.get(name, name)) for name, column in table.columns.items()}
    return replace(table, code=code, wire=wire, columns=columns)


def _adapted(table: TableSpec, options: Options) -> TableSpec:
    columns = dict(table.columns)
    if not options.ext_id and "EXT_ID" in columns:
        columns["EXT_ID"] = replace(columns["EXT_ID"], hidden=True)
    for name in [name for of, name in options.lacking if of == table.name]:
        columns[name] = replace(columns[name], hidden=True)
    if options.extra_columns:
        key, *others = columns.values()
        extra = [_column(f"X_{number:04} C20 Vrij veld {number}") for number in range(options.extra_columns)]
        columns = {column.name: column for column in (key, *extra, *others)}
    if table.name == "HRS_LINE" and options.hours == "sheets":
        columns["EMP_NR"] = replace(columns["EMP_NR"], hidden=True)  # it stands on the sheet
        columns["SHT_NR"] = _column("SHT_NR C10*^- Urenstaatnummer")
        table = replace(table, parent=SHEETS)
    if table.name == SHEETS:
        table = replace(table, child="HRS_LINE")
    if table.name == "HRS_LINE" and options.project_on_hours:
        columns["PROJ_CODE"] = replace(columns["PROJ_CODE"], mandatory=True)
    return replace(table, columns=columns)


def _played(table: TableSpec, like: Installation) -> TableSpec:
    """A table as a recorded installation has it; what plays no part there is kept, but never on the wire."""
    part, columns = _part_of(table.name, like)
    file = like.files.get(str(part.get("table", "")).upper()) if part else None
    if file is None:
        hidden = {name: replace(one, hidden=True, mandatory=False) for name, one in table.columns.items()}
        return replace(table, code="", columns=hidden)
    named = {wire.upper(): own for own, wire in columns.items()}
    own = {named[wire]: wire for wire in file.columns if wire in named}
    made: dict[str, Column] = {}
    for name, one in table.columns.items():
        if name not in own:
            made[name] = replace(one, hidden=True, mandatory=False)
    for wire, seen in file.columns.items():
        name = named.get(wire, "")
        plain = table.columns.get(name) or _extra(wire)
        made[name or wire] = _like(plain, wire, seen, extra=not name)
    key = made.pop(table.key)
    return replace(table, code=_object(file, like), wire=str(part["table"]).upper(), description=file.description,
                   columns={table.key: key, **made}, rights=f"r{file.rights}")  # fmt: skip


def _part_of(name: str, like: Installation) -> tuple[Mapping[str, Any], dict[str, str]]:
    """What plays a table of the sandbox there, and its columns: the sandbox's own name -> there."""
    for kind, (table, columns) in PARTS.items():
        if table == name and kind in like.parts:
            part = like.parts[kind]
            return part, {columns[neutral]: wire for neutral, wire in part["columns"].items() if neutral in columns}
    header = like.parts.get("hour", {}).get("header")
    if name == SHEETS and header:
        named = {"key": header["key"], **header["columns"]}
        return header, {SHEET[1][neutral]: wire for neutral, wire in named.items() if neutral in SHEET[1]}
    return {}, {}


def _object(file: File, like: Installation) -> str:
    above = like.files.get(file.header)
    return above.object if above else file.object


def _extra(wire: str) -> Column:
    return _column(f"{wire} C40 {wire}")


def _like(plain: Column, wire: str, seen: Seen, extra: bool) -> Column:
    """A column as it was recorded. What is blocked is a hint, also set on keys that may be sent: an `extra` one is."""
    return replace(
        plain, wire=wire, type=seen.type, length=_LENGTHS.get(seen.type) or seen.length or plain.length,
        decimals=seen.decimals or plain.decimals, mandatory=seen.mandatory, upper=seen.upper,
        read_only=plain.read_only or (seen.read_only and extra), hidden=False, description=seen.label,
    )  # fmt: skip


_APART = "~"  # behind the sandbox's own name of a table that plays no part


def _bystander(name: str, file: File) -> TableSpec:
    """A table that plays no part: it is there, and empty."""
    columns = {wire: _like(_extra(wire), wire, seen, extra=True) for wire, seen in file.columns.items()}
    near = [f"{one}{_APART}" if one else "" for one in (name, file.header, file.child)]
    return TableSpec(near[0], name, file.object, file.description, next(iter(columns)), columns, near[1], near[2],
                     f"r{file.rights}")  # fmt: skip


class Dictionary:
    """All tables by the sandbox's own name in `tables`; those that this installation shows in `shown`.

    Look-ups by wire name ignore case.
    """

    def __init__(self, options: Options) -> None:
        plain = [table for table in _plain_tables() if table.name != SHEETS or options.hours == "sheets"]
        specs = [_adapted(table, options) for table in plain]
        like = options.like
        if options.names == "other":
            specs = [_renamed(table) for table in specs]
        if like:
            specs = [_played(table, like) for table in specs]
        shown = [table for table in specs if table.code and (options.contacts_module or table.name != "ASC_PP")]
        files = {name: file for name, file in (like.files if like else {}).items() if file.columns}
        others = [_bystander(name, file) for name, file in files.items() if name not in {one.wire for one in shown}]
        self.tables = {table.name: table for table in [*specs, *others]}
        self.shown = [*shown, *others]
        self.recorded = like
        self._objects = {table.code.lower(): table for table in reversed(self.shown) if not table.parent}
        self._columns = {
            name: {column.wire.lower(): column for column in table.visible} for name, table in self.tables.items()
        }

    @property
    def objects(self) -> list[TableSpec]:
        """The header tables, one for each business object."""
        return list(reversed(self._objects.values()))

    def by_object(self, code: str) -> TableSpec | None:
        """The table of a business object, None when this installation lacks it."""
        return self._objects.get(code.lower())

    def column(self, table: TableSpec, wire: str) -> Column | None:
        """A column by its name on the wire."""
        return self._columns[table.name].get(wire.strip().lower())
