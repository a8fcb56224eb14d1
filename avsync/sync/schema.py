"""Before a flow writes: do AccountView's names, columns and rights stand as the schema says? (RULES.md, the house)

Only what was found right is remembered, for a day: a right that was just given must not have to wait for tomorrow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from avsync.errors import AvsyncError, ConfigError, SchemaMismatch
from avsync.records.fit import Column
from avsync.records.kind import Kind, LookUp, Policy
from avsync.records.registry import KINDS, accountview_needs, is_optional, kinds_of, lists_of
from avsync.records.values import ACCOUNTVIEW, CRAFTER
from avsync.services.accountview.metadata import Metadata, Missing, load, verify

if TYPE_CHECKING:
    from avsync.services.accountview.schema import TableSchema
    from avsync.state.store import Store
    from avsync.sync.session import Session

log = logging.getLogger(__name__)
CACHE_KEY = "metadata"
REFERENCES = "REFERENCE:"
_RIGHTS = ("insert", "update")


def pass_gate(session: Session) -> None:
    """Verify the flows that are on against metadata of at most a day old, read afresh when that finds a fault.

    The session learns the columns' shapes, what AccountView does without, and which flows cannot run.
    """
    wanted = merged(accountview_needs(flow, session.policy.flows) for flow in session.on())
    metadata = _cached(session, wanted)
    refused = _judge(session, metadata) if metadata else None
    if metadata is None or refused:
        session.gate_is_new = True
        metadata = load(session.accountview, session.accountview.schema, wanted)
        refused = _judge(session, metadata)
        if not refused:
            with session.store.transaction():
                session.store.cache(CACHE_KEY, metadata.to_json(), session.now())
    session.errors.update(refused or {})


def pass_gate_again(session: Session) -> None:
    """Once AccountView has told its clock, what was remembered may turn out to be older than was thought."""
    if not session.gate_is_new and session.store.cached(CACHE_KEY, *session.lately()) is None:
        pass_gate(session)


def merged(parts: Iterable[Mapping[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    """The union of rights per AccountView kind."""
    total: dict[str, frozenset[str]] = {}
    for part in parts:
        for kind, rights in part.items():
            total[kind] = total.get(kind, frozenset()) | rights
    return total


def _cached(session: Session, wanted: Mapping[str, object]) -> Metadata | None:
    text = session.store.cached(CACHE_KEY, *session.lately())
    try:
        metadata = Metadata.from_json(text) if text is not None else None
    except ValueError:
        return None
    return metadata if metadata and metadata.covers(session.accountview.schema, wanted) else None


def _judge(session: Session, metadata: Metadata) -> dict[str, AvsyncError]:
    accountview = session.accountview
    refused: dict[str, AvsyncError] = {}
    accountview.types.update(metadata.types())
    accountview.absent.clear()
    without: set[str] = set()
    for flow in session.on():
        missing = missing_for(flow, session.policy, metadata, accountview.schema)
        accountview.absent.update((one.kind, one.neutral) for one in missing if one.what == "column")
        without |= {one.kind for one in missing if is_optional(one.kind) and not stops(one) and one.what == "object"}
        no = refusal(flow, missing)
        if no is not None:
            refused[flow] = no
    accountview.absent.update((kind.table, "reference") for kind in not_keeping(session.store, accountview.schema))
    session.without, session.dictionary = frozenset(without), metadata.columns
    session.columns = lambda kind, neutral: _shape(metadata, kind, neutral, session.learnt)
    return refused


def missing_for(flow: str, policy: Policy, metadata: Metadata, schema: Mapping[str, TableSchema]) -> list[Missing]:
    """What a flow needs and AccountView lacks; `optional` where it does not use it.

    Of what it only looks up it needs the key alone, and what a row cannot be read without.
    """
    needs = accountview_needs(flow, policy.flows)
    return verify(metadata, schema, needs, spared(flow, policy, schema))


def spared(flow: str, policy: Policy, schema: Mapping[str, TableSchema]) -> set[tuple[str, str]]:
    """(kind, neutral column) that a flow does not use as it is configured."""
    needs, kinds = accountview_needs(flow, policy.flows), kinds_of(flow)
    own = {name for kind in kinds for name in (kind.table, kind.details_of)}
    found = {(kind.table, one.accountview or "") for kind in kinds for one in kind.fields
              if one.used is not None and not one.used(policy)}  # fmt: skip
    for name in needs.keys() - own:
        fields = KINDS[name].fields if name in KINDS else ()
        needed = {schema[name].key, *(one.accountview for one in fields if ACCOUNTVIEW in one.needed)}
        found |= {(name, column) for column in schema[name].columns if column not in needed}
    return found


def _shape(metadata: Metadata, kind: str, neutral: str, learnt: Mapping[str, Mapping[str, int]]) -> Column:
    """A column's shape, for fitting values: as the dictionary has it, or as it turned out to be."""
    found = metadata.column(kind, neutral) or metadata.column(f"{kind}.header", neutral)
    if found is None:
        return Column()
    seen = learnt.get(f"{kind}.{neutral}", {})
    return Column(
        seen.get("length", found.length if found.type == "C" else 0), found.upper, found.type == "M",
        seen.get("decimals", found.decimals) if found.type in ("N", "Y", "B") else None, found.mandatory,
    )  # fmt: skip


# --- our reference (behaviour 2): the dictionary may have a column for it that belongs to the importer


def reference_kept(store: Store, schema: Mapping[str, TableSchema], kind: Kind) -> bool | None:
    """Whether AccountView keeps the reference of this kind, None until an answer has shown it."""
    key = _reference_key(schema, kind)
    found = store.cached(key, "") if key else None
    return None if found is None else bool(found)


def not_keeping(store: Store, schema: Mapping[str, TableSchema]) -> list[Kind]:
    """The kinds whose reference turned out not to be kept: for them there is no such column."""
    return [kind for kind in KINDS.values() if kind.bears and reference_kept(store, schema, kind) is False]


def learn_reference(
    session: Session, kind: Kind, sent: object, row: Mapping[str, object] | None, again: bool = False
) -> None:
    """The first answer that shows what became of our reference decides, for good; what was read back (`again`) goes
    before an answer. Inside a transaction."""
    accountview, key = session.accountview, _reference_key(session.accountview.schema, kind)
    if not (kind.bears and key and sent) or row is None or "reference" not in row:
        return
    if (kind.table, "reference") in accountview.absent or (session.store.cached(key, "") is not None and not again):
        return
    kept = str(row["reference"] or "").strip().upper() == str(sent).upper()
    session.store.cache(key, kept, session.now())
    if not kept:
        log.warning("%s: AccountView does not keep our reference; records are recognised by their columns", kind.name)
        accountview.absent.add((kind.table, "reference"))


def _reference_key(schema: Mapping[str, TableSchema], kind: Kind) -> str:
    table = schema.get(kind.table)
    column = table.columns.get("reference") if table else None
    return f"{REFERENCES}{table.table}.{column}".upper() if table and column else ""


def stops(missing: Missing) -> bool:
    """Whether a flow that needs this cannot run: not for what is optional, nor for a module that is not there."""
    return not missing.optional and not (missing.what == "object" and is_optional(missing.kind))


def refusal(flow: str, missing: Iterable[Missing]) -> SchemaMismatch | None:
    """The error that keeps a flow from running, naming everything that stops it; None when nothing does.

    Names go before rights: rights on a table that is not there mean nothing. A module that is not there is named by
    itself, and so is a sheet that the rows stand on: other names would not mend that.
    """
    stopping = [one for one in missing if stops(one)]
    for one in stopping:
        if one.what == "object" and not one.candidates:
            named = {"parent_kind": one.kind, "name": one.name, "module": f"module_{one.kind}"}
            return SchemaMismatch("schema_module_missing", flow=flow, **named)
    for one in stopping:
        if one.what == "header":
            return SchemaMismatch("schema_header_missing", flow=flow, table=one.name, header=one.candidates[0])
    names = [one for one in stopping if one.what not in _RIGHTS]
    if names:
        told = "".join(f"\n- {described(one)}" for one in names)
        return SchemaMismatch("schema_names_missing", flow=flow, missing=told)
    rights = ", ".join(described(one) for one in stopping)
    return SchemaMismatch("schema_rights_missing", flow=flow, missing=rights) if rights else None


def described(missing: Missing) -> str:
    """E.g. `hour.columns.time_code: HRS_CODE → UURSOORT (Uursoort)`, by the path of the override that mends it."""
    if missing.what in _RIGHTS:
        return f"{missing.what} {missing.name}"
    column = "key" if missing.kind.endswith(".header") and missing.neutral == "key" else f"columns.{missing.neutral}"
    parts = {"object": "business_object", "table": "table", "column": column, "header": "header"}
    meant = f" → {' / '.join(missing.candidates)}" if missing.candidates else ""
    return f"{missing.kind}.{parts[missing.what]}: {missing.name}{meant}"


def check_codes(session: Session, flow: str) -> None:
    """Raise ConfigError when AccountView has no such time code as the config names: it would refuse them line by line.

    What was found right counts for a day.
    """
    lists = [one for kind in kinds_of(flow) for one in lists_of(kind) if one.side == ACCOUNTVIEW and not one.whole]
    for one in lists:
        if one.optional and one.name not in session.without and _some_wait(session, flow):
            _check_list(session, one)


def _some_wait(session: Session, flow: str) -> bool:
    return any(session.store.inbox.some(kind.name, CRAFTER) for kind in kinds_of(flow))


def _check_list(session: Session, wanted: LookUp) -> None:
    codes = [code.upper() for code in session.policy.time_codes.values()]
    key = f"{wanted.name}s:{','.join(codes)}"
    if session.store.cached(key, *session.lately()):
        return
    unknown = [code for code in codes if session.accountview.by_key(wanted.name, code) is None]
    if unknown:
        known = [row for page in session.accountview.pages(wanted.name) for row in page.rows]
        raise ConfigError("time_codes_unknown", codes=", ".join(unknown), known=shown_codes(known))
    with session.store.transaction():
        session.store.cache(key, codes, session.now())


def shown_codes(rows: Sequence[Mapping[str, object]]) -> str:
    """Codes and names of a list, for a message."""
    return ", ".join(f"{row.get('code')} ({row.get('name')})" for row in rows[:20]) or "-"
