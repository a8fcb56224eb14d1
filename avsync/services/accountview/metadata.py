"""AccountView's description of itself (AccountView contract 6), and what our schema asks for that it lacks."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from avsync.services.accountview import wire
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.schema import TableSchema
from avsync.services.http import words

if TYPE_CHECKING:
    from avsync.services.accountview import learn

OBJECTS = "/accountviewsystembusinessobjects"
SYSTEM = "/accountviewsystemdata"
PAGE_SIZE = 1000  # rows are numbered per answer, so a table must fit into one wherever it can
NAME_WIDTH = 8  # table names are padded to this in the dictionary
_FLD = "dbf_name,field_name,field_len,field_type,inp_mand,com_blk,fld_fmt,fld_desc"
_DBF = "dbf_name,dbf_desc,obj_code,tbl_hdr,tbl_child,no_insert,no_update,no_xml_upd"
CANDIDATES = 3
_TRUE = ("TRUE", "T", ".T.", "Y", "J", "1")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the dictionary has it. `decimals` is None where the dictionary does not tell; `closed` (COM_BLK) is
    a hint only."""

    type: str
    length: int
    decimals: int | None
    mandatory: bool
    upper: bool
    description: str = ""
    closed: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Rights:
    """What the consenting user may do through an object, or with a table of one; COM_BLK is only a hint.

    `header` and `child` are the tables that a table hangs on, or that hangs on it.
    """

    description: str
    insert: bool
    update: bool
    business_object: str = ""
    header: str = ""
    child: str = ""


@dataclass(frozen=True)
class Metadata:
    """The dictionary as far as our kinds go; names of objects, tables and columns in upper case.

    `tables` lists all tables only when one of ours was not found, to name candidates. `kinds` (kind -> table) and
    `names` (kind -> neutral name -> column) are what our schema said when this was loaded.
    """

    objects: dict[str, Rights]
    tables: dict[str, Rights]
    columns: dict[str, dict[str, Column]]
    kinds: dict[str, str]
    names: dict[str, dict[str, str]]

    def column(self, kind: str, neutral: str) -> Column | None:
        """The column behind a neutral name, None when it does not exist there (or the kind was not loaded)."""
        table, name = self.kinds.get(kind, ""), self.names.get(kind, {}).get(neutral, "")
        return self.columns.get(table, {}).get(name)

    def types(self) -> dict[tuple[str, str], str]:
        """Dictionary letters by (kind, neutral name), as `AccountView.types` takes them."""
        found = ((kind, name, self.column(kind, name)) for kind, names in self.names.items() for name in names)
        return {(kind, name): column.type for kind, name, column in found if column}

    def covers(self, schema: Mapping[str, TableSchema], kinds: Iterable[str]) -> bool:
        """Whether this was loaded for these kinds under these very names; if not, load again."""
        return all(
            self.kinds.get(kind) == table.table.upper() and self.names[kind] == _own_names(table)
            for kind, table in _with_sheets(schema, kinds).items()
        )

    def to_json(self) -> str:
        """Text to keep."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Metadata:
        """What `to_json` made; ValueError when it is anything else."""
        try:
            data = json.loads(text)
            return cls(
                {code: Rights(**value) for code, value in data["objects"].items()},
                {name: Rights(**value) for name, value in data["tables"].items()},
                {name: {one: Column(**of) for one, of in value.items()} for name, value in data["columns"].items()},
                data["kinds"],
                data["names"],
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("not a metadata text") from None


def load_dictionary(
    client: AccountView, schema: Mapping[str, TableSchema], kinds: Iterable[str], more: Iterable[str] = ()
) -> learn.Dictionary:
    """All objects and tables, with the columns of those that may be meant by these kinds, and of `more` that are there.

    Errors as of any read.
    """
    from avsync.services.accountview import learn

    named = learn.Dictionary(_load_objects(client), _load_tables(client, None))
    wanted = [*learn.shortlist(named, schema, kinds), *(name for name in more if name in named.files)]
    columns = {name: _load_columns(client, name) for name in dict.fromkeys(wanted)}
    return replace(named, columns=columns)


def load(client: AccountView, schema: Mapping[str, TableSchema], kinds: Iterable[str]) -> Metadata:
    """Read the business objects, and for each table of these kinds its columns and rights. Errors as of any read."""
    ours = _with_sheets(schema, kinds)
    metadata = Metadata(
        objects=_load_objects(client),
        tables={},
        columns={},
        kinds={kind: table.table.upper() for kind, table in ours.items()},
        names={kind: _own_names(table) for kind, table in ours.items()},
    )
    for table in ours.values():
        name = table.table.upper()
        if table.business_object.upper() not in metadata.objects or name in metadata.columns:
            continue
        metadata.columns[name] = _with_decimals(_load_columns(client, name), table)
        if metadata.columns[name]:
            metadata.tables.update(_load_tables(client, name))
        if above := _unknown_sheet(metadata, table):
            metadata.tables.update(_load_tables(client, above))
    if not all(metadata.columns.values()):
        metadata.tables.update(_load_tables(client, None))
    return metadata


def _with_sheets(schema: Mapping[str, TableSchema], kinds: Iterable[str]) -> dict[str, TableSchema]:
    """The tables of these kinds, and those of the sheets that their rows stand on."""
    ours = {kind: schema[kind] for kind in kinds}
    return ours | {one.header.table.kind: one.header.table for one in ours.values() if one.header is not None}


def _unknown_sheet(metadata: Metadata, table: TableSchema) -> str:
    """The sheet that its rows stand on, where our schema knows of none or of another."""
    file = metadata.tables.get(table.table.upper())
    known = table.header.table.table.upper() if table.header else ""
    return file.header if table.sheet and file and file.header != known else ""


def _own_names(table: TableSchema) -> dict[str, str]:
    return {neutral: name.upper() for neutral, name in table.columns.items()}


def _with_decimals(columns: dict[str, Column], table: TableSchema) -> dict[str, Column]:
    """The dictionary may give a length without decimals; then the contract's own count holds."""
    for neutral, decimals in table.decimals.items():
        name = table.columns[neutral].upper()
        if name in columns and columns[name].decimals is None:
            columns[name] = replace(columns[name], decimals=decimals)
    return columns


def _load_objects(client: AccountView) -> dict[str, Rights]:
    found = client.fetch(OBJECTS, None, wire.as_list)[0] or []
    return {
        _text(row, "Code").upper(): Rights(
            _text(row, "Description"), _flag(row, "InsertAllowed", True), _flag(row, "UpdateAllowed", True)
        )
        for row in found
        if isinstance(row, dict)
    }


def _load_columns(client: AccountView, table: str) -> dict[str, Column]:
    listing = _listing(client, "fld", "DCT_FLD", _FLD, table)
    return {_text(row, "FIELD_NAME").upper(): _column(row) for row in listing}


def _load_tables(client: AccountView, table: str | None) -> dict[str, Rights]:
    return {
        _text(row, "DBF_NAME").upper(): Rights(
            _text(row, "DBF_DESC"),
            not (_flag(row, "NO_INSERT") or _flag(row, "NO_XML_UPD")),
            not (_flag(row, "NO_UPDATE") or _flag(row, "NO_XML_UPD")),
            *(_text(row, name).upper() for name in ("OBJ_CODE", "TBL_HDR", "TBL_CHILD")),
        )
        for row in _listing(client, "dbf", "DCT_FILE", _DBF, table)
    }


def _listing(client: AccountView, what: str, name: str, fields: str, table: str | None) -> Iterator[dict[str, Any]]:
    """The rows of a system table, of one table or of all; paged on `<NAME>_Id`."""
    named = ",".join(f"{name.lower()}.{field}" for field in fields.split(","))  # as every client sends them
    params = {"businessobject": what, "pagesize": str(PAGE_SIZE), "fields": named}
    if table is not None:
        params |= wire.condition(1, "DBF_NAME", "Contains", "C", table.ljust(NAME_WIDTH))
    passed: set[str | None] = {None}
    while True:
        found = client.fetch(SYSTEM, params, partial(wire.table, name=name))[0] or []
        for row in found:  # `Contains` also finds longer names
            if isinstance(row, dict) and table in (None, _text(row, "DBF_NAME").upper()):
                yield row
        key = wire.last_key(found, f"{name}_Id")
        if len(found) < PAGE_SIZE or key in passed:
            return
        passed.add(key)
        params["LastKey"] = str(key)


def _column(row: Mapping[str, Any]) -> Column:
    """A length of `13.4` is thirteen positions of which four decimals."""
    size = re.match(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?", wire.key_text(wire.field(row, "FIELD_LEN")) or "")
    return Column(
        type=_text(row, "FIELD_TYPE").upper()[:1],
        length=int(size[1]) if size else 0,
        decimals=int(size[2]) if size and size[2] else None,
        mandatory=_flag(row, "INP_MAND"),
        upper="!" in _text(row, "FLD_FMT"),
        description=_text(row, "FLD_DESC"),
        closed=_flag(row, "COM_BLK"),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    return words(wire.field(row, name))


def _flag(row: Mapping[str, Any], name: str, missing: bool = False) -> bool:
    value = wire.field(row, name)
    return missing if value is None else value is True or words(value).upper() in _TRUE


# --- what our schema asks for, compared with it (pure)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a kind needs that is not there. `name` is AccountView's name; `neutral` ours, when it is a column.

    `candidates` are shown to a person, e.g. `UURSOORT (Uursoort)`. `optional`: avsync can do without. A `header`: the
    rows are details of the only candidate, which the schema does not say.
    """

    kind: str
    what: Literal["object", "table", "column", "header", "insert", "update"]
    name: str
    candidates: list[str] = field(default_factory=list)
    optional: bool = False
    neutral: str = ""


def verify(
    metadata: Metadata,
    schema: Mapping[str, TableSchema],
    needs: Mapping[str, Collection[str]],
    spared: Collection[tuple[str, str]] = (),
) -> list[Missing]:
    """All that is missing for these kinds; `needs` says per kind whether avsync will `read`, `insert`, `update`.

    `spared` are (kind, neutral column) that it can do without.
    """
    found = [missing for kind, rights in needs.items() for missing in _kind(metadata, schema[kind], rights)]
    return [replace(one, optional=True) if (one.kind, one.neutral) in spared else one for one in found]


def _kind(metadata: Metadata, table: TableSchema, rights: Collection[str]) -> Iterator[Missing]:
    if table.business_object.upper() not in metadata.objects:
        from avsync.services.accountview import learn

        options = {code: one.description for code, one in metadata.objects.items()}
        meant = learn.likely(options, table.business_object, table.words)
        yield Missing(table.kind, "object", table.business_object, _shown(meant, options))
    elif not metadata.columns.get(table.table.upper()):
        yield Missing(table.kind, "table", table.table, _tables(metadata, table))
    elif above := _unknown_sheet(metadata, table):
        labels = {name: one.description for name, one in metadata.tables.items()}
        yield Missing(table.kind, "header", table.table, _shown([above], {above: "", **labels}))
    else:
        yield from _columns(metadata, table)
        yield from _rights(metadata, table, rights)
        if table.header is not None:
            sheet, made = table.header.table, {"insert"} if table.header.create else set()
            yield from _kind(metadata, sheet, {"read", *(made & set(rights))})


def _tables(metadata: Metadata, table: TableSchema) -> list[str]:
    """Tables of the same business object come first: there the name alone is wrong."""
    from avsync.services.accountview import learn

    code = table.business_object.upper()
    options = {name: one.description for name, one in metadata.tables.items()}
    own = [name for name, one in metadata.tables.items() if one.business_object == code]
    return _shown([*own, *learn.likely(options, table.table, table.words)], options)


def _columns(metadata: Metadata, table: TableSchema) -> Iterator[Missing]:
    there = metadata.columns[table.table.upper()]
    labels = {name: column.description for name, column in there.items()}
    on_sheet = {"employee"} if table.header else set()  # the line may have it as well
    for neutral, name in table.columns.items():
        if name.upper() not in there and neutral not in on_sheet:
            from avsync.services.accountview import learn

            meant = _shown(learn.candidates(table, neutral, there), labels)
            yield Missing(table.kind, "column", name, meant, neutral in table.optional, neutral)


def _shown(names: Iterable[str], described: Mapping[str, str]) -> list[str]:
    """The first few, each with its description."""
    few = list(dict.fromkeys(names))[:CANDIDATES]
    return [f"{name} ({described[name]})" if described[name] else name for name in few]


def _rights(metadata: Metadata, table: TableSchema, rights: Collection[str]) -> Iterator[Missing]:
    """Rights of the object and of the table; details are written by updating the object of their header."""
    granted = metadata.objects[table.business_object.upper()]
    file = metadata.tables.get(table.table.upper())
    object_insert = granted.update if table.parent or table.header else granted.insert
    if "insert" in rights and not (object_insert and (file is None or file.insert)):
        yield Missing(table.kind, "insert", table.table)
    if "update" in rights and not (granted.update and (file is None or file.update)):
        yield Missing(table.kind, "update", table.table)
