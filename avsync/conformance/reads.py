"""What can be tried without changing anything: the key, errors, listings, pages, changes, filters, single records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from avsync.conformance import names
from avsync.conformance.api import Reply, Row
from avsync.conformance.contract import Field, resources
from avsync.conformance.kit import Kit, some, status, told

MOST_PAGES = 40
FAR = "2999-01-01T00:00:00.000000Z"
CLOCKS = timedelta(minutes=5)
LISTED = [kind for kind in resources() if kind != "timeline"]


def run(kit: Kit, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """All of them, in the order in which one needs what another found."""
    _key(kit)
    first = _account(kit)
    _clock(kit, first, now())
    errors(kit, "a record that is not there", kit.api.ask("GET", f"{_some_path(kit)}/no-such-record"), 404)
    names.learn(kit)
    for kind in LISTED:
        if kind in kit.off:
            kit.untested(kind, f"/{kit.api.names.path(kind)}", "switched off for this account (403)")
        elif kit.usable(kind):
            _fields(kit, kind)
    busiest = max(filter(kit.usable, LISTED), key=lambda kind: len(kit.samples.get(kind, ())), default="")
    if busiest:
        _pages(kit, busiest)
        _changes(kit, busiest)
        _one(kit, busiest)
    _tombstones(kit)
    for kind in filter(kit.usable, LISTED):
        for name in resources()[kind].filters:
            _filter(kit, kind, name)
    _timeline(kit)


def _some_path(kit: Kit) -> str:
    known = [resources()[kind].path for kind in LISTED]
    return next((name for name in kit.features if name in known), next(iter(kit.features), known[0]))


def _key(kit: Kit) -> None:
    for words, key in (("without a key", ""), ("with a wrong key", "not-the-key")):
        reply = kit.api.ask("GET", "me", key=key)
        kit.judge("key", f"a request {words} is refused with 401", status(reply, 401))


def _account(kit: Kit) -> Reply:
    reply = kit.api.ask("GET", "me")
    inner = reply.data.get("data") if isinstance(reply.data, dict) and len(reply.data) == 1 else None
    account = inner if isinstance(inner, dict) else reply.record
    kit.judge("account", "GET /me answers 200 with an object", status(reply, 200) or ("" if account else "no object"))
    kit.judge("answers", "one record comes as it is", "in a lone data" if inner is not None else "", borne=True)
    kit.account = str(account.get("account_name") or "")
    wrong = "" if kit.account else "there is no account_name"
    kit.judge("account", "/me names the account (account_name)", wrong, borne=True)
    features = account.get("features")
    sound = isinstance(features, list) and all(isinstance(name, str) for name in features)
    kit.features = [name.strip("/") for name in features] if isinstance(features, list) and sound else []
    wrong = "" if sound else "there is no list of names"
    kit.judge("account", "/me lists what is switched on (features)", wrong, borne=True)
    kind = reply.headers.get("Content-Type", "")
    kit.judge("answers", "answers are application/json", "" if "json" in kind else f"Content-Type {kind or 'missing'}",
              borne=reply.is_json)  # fmt: skip
    return reply


def _clock(kit: Kit, reply: Reply, now: datetime) -> None:
    """The server's clock is what watermarks go by where the data does not tell."""
    try:
        said = parsedate_to_datetime(reply.headers.get("Date", ""))
    except (TypeError, ValueError):
        kit.judge("clock", "answers carry a Date header", "there is none", borne=True)
        return
    kit.judge("clock", "answers carry a Date header")
    off = abs(said.astimezone(UTC) - now)
    wrong = "" if off <= CLOCKS else f"{off.total_seconds():.0f} seconds from this machine's"
    kit.judge("clock", "the server's clock is right", wrong, borne=True)


def errors(kit: Kit, what: str, reply: Reply, *wanted: int, field: str = "") -> None:
    """A refusal: its status, and where its words stand."""
    kit.judge("errors", f"{what} is {' or '.join(map(str, wanted))}", status(reply, *wanted))
    if reply.status < 400:
        return
    shape = _shape(reply)
    kit.judge("errors", f"{what} is told as {{'error': {{code, message}}}}", "" if shape == "contract" else shape,
              borne=shape in ("problem details", "message and errors"))  # fmt: skip
    if field and shape == "contract":
        named = [one.get("name") for one in reply.data["error"].get("fields") or () if isinstance(one, dict)]
        wrong = "" if field in named else f"names {some(named) or 'none'}"
        kit.judge("errors", f"{what} names the field {field}", wrong, borne=True)


def _shape(reply: Reply) -> str:
    data = reply.data
    if not isinstance(data, dict):
        return "no object of JSON" if reply.is_json else "no JSON"
    error = data.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str) and isinstance(error.get("code"), str):
        return "contract"
    if isinstance(data.get("title"), str) or isinstance(data.get("detail"), str):
        return "problem details"
    return "message and errors" if isinstance(data.get("message"), str) else f"an object with {some(list(data))}"


def _fields(kit: Kit, kind: str) -> None:
    """Every field of the contract is there and holds what it should; further fields do no harm."""
    resource, rows = resources()[kind], kit.samples.get(kind, [])
    path = kit.api.names.path(kind)
    learnt = kit.api.names.fields.get(kind, {}).items()
    renamed = told(
        f"is /{path}" if kind in kit.api.names.paths else "", *(f"{one} is called {two}" for one, two in learnt)
    )
    kit.judge(kind, f"/{resource.path} and its fields are called so", _mended(renamed), borne=True)
    if not rows:
        kit.untested(kind, f"records of /{path} hold what they should", "there are no records")
        return
    lines = [line for row in rows for line in row.get("lines") or () if isinstance(line, dict)]
    checked = [(resource.fields, rows, "")] + ([(resource.lines, lines, "lines.")] if resource.lines and lines else [])
    missing: list[str] = []
    wrong: list[tuple[str, bool]] = []
    further: list[str] = []
    for fields, records, before in checked:
        missing += [before + name for name in fields if not any(name in row for row in records)]
        wrong += _mistakes(list(fields.values()), records, before)
        further += [before + name for name in {name: 0 for row in records for name in row} if name not in fields]
    kit.judge(kind, f"records of /{path} have every field", f"without {some(missing)}" if missing else "")
    said = told(*(mistake for mistake, _ in wrong[:4]))
    kit.judge(kind, f"fields of /{path} hold what they should", said, noted=not any(many for _, many in wrong))
    kit.judge(kind, f"records of /{path} have no further fields", some(further), noted=True)


def _mended(renamed: str) -> str:
    return f"{renamed} (the config below mends it)" if renamed else ""


def _mistakes(fields: Sequence[Field], rows: Sequence[Row], before: str) -> Iterator[tuple[str, bool]]:
    """What is wrong with a field's values, and whether with most of them: a single one is a record that avsync reports,
    many are another API."""
    for field in fields:
        found = [field.mistake(row[field.name]) for row in rows if field.name in row]
        wrong = list(filter(None, found))
        if wrong:
            many = len(wrong) > len(found) / 2
            yield f"{before}{field.name} {wrong[0]}" + ("" if many else f" ({len(wrong)} of {len(found)})"), many


def _walk(kit: Kit, kind: str, limit: int, **more: str) -> tuple[list[list[Any]], str]:
    """The pages of a listing, and what was wrong with one; at most forty."""
    pages: list[list[Any]] = []
    cursor, seen = "", set()
    while len(pages) < MOST_PAGES:
        reply = kit.api.list(kind, limit=str(limit), **({"cursor": cursor} if cursor else {}), **more)
        if reply.status != 200 or not isinstance(reply.data, dict):
            return pages, f"page {len(pages) + 1}: HTTP {reply.status}"
        pages.append(reply.rows)
        following = reply.data.get("next_cursor")
        if following in (None, ""):
            return pages, "" if "next_cursor" in reply.data else "there is no next_cursor"
        if str(following) in seen:
            return pages, "a cursor came twice"
        cursor = str(following)
        seen.add(cursor)
    return pages, ""


def _pages(kit: Kit, kind: str) -> None:
    rows, path = kit.samples[kind], kit.api.names.path(kind)
    if len(rows) < 3:
        kit.untested("pages", "a listing comes in pages", "no resource has three records")
        return
    limit = max(2, len(rows) // 4)
    pages, wrong = _walk(kit, kind, limit)
    kit.judge("pages", f"/{path}?limit={limit} goes on by next_cursor to its end", wrong)
    large = [len(page) for page in pages if len(page) > limit]
    kit.judge("pages", "a page has no more than limit records", f"{some(large)} records" if large else "")
    found = [row for page in pages for row in page if isinstance(row, dict)]
    counted = [row.get("id") for row in found]
    twice = len(counted) - len(set(counted))
    wrong = f"{twice} came twice" if twice else ""
    kit.judge("pages", "nothing comes twice over the pages", wrong, noted=True)
    lost = {row.get("id") for row in rows} - set(counted) if len(pages) < MOST_PAGES else set()
    kit.judge("pages", "nothing is left out between pages", f"{len(lost)} records" if lost else "")
    order = [(str(row.get("updated_at")), str(row.get("id"))) for row in found]
    unique = list(dict.fromkeys(order))
    wrong = "" if unique == sorted(unique) else "another order"
    kit.judge("pages", "records come ordered by updated_at, id", wrong, borne=bool(twice) and not lost)
    kit.judge("pages", "limit=200 is taken", status(kit.api.list(kind, limit="200"), 200))
    reply = kit.api.list(kind, limit="2", cursor="not-a-cursor")
    wrong = "" if 400 <= reply.status < 500 else f"HTTP {reply.status}"
    kit.judge("pages", "a cursor that is none is refused (4xx)", wrong, borne=True)


def _changes(kit: Kit, kind: str) -> None:
    rows = [row for row in kit.samples[kind] if isinstance(row.get("updated_at"), str)]
    if not rows:
        kit.untested("changes", "updated_since lists what changed", "there are no records with a moment")
        return
    middle = sorted(rows, key=lambda row: str(row["updated_at"]))[len(rows) // 2]
    since = middle["updated_at"]
    reply = kit.api.list(kind, limit="200", updated_since=since)
    found = [row for row in reply.rows if isinstance(row, dict)]
    kit.judge("changes", "updated_since is taken", status(reply, 200))
    inside = middle["id"] in {row.get("id") for row in found} or len(found) >= 200
    kit.judge("changes", "updated_since is inclusive", "" if inside else "the record of that very moment is left out")
    older = [row for row in found if str(row.get("updated_at")) < since]
    kit.judge("changes", "updated_since leaves out what is older", f"{len(older)} older" if older else "", borne=True)
    reply = kit.api.list(kind, updated_since=FAR)
    wrong = status(reply, 200) or (f"{len(reply.rows)} records" if reply.rows else "")
    kit.judge("changes", "nothing changed in the future: an empty listing", wrong)
    reply = kit.api.list(kind, updated_since="yesterday")
    wrong = "" if 400 <= reply.status < 500 else f"HTTP {reply.status}"
    kit.judge("changes", "updated_since that is no moment is refused (4xx)", wrong, borne=True)
    fine = [
        row for row in rows if "." in row["updated_at"] and row["updated_at"].rstrip("Z").rpartition(".")[2].strip("0")
    ]
    wrong = "" if fine or len(rows) < 3 else "all moments are whole seconds, so that records share one"
    kit.judge("changes", "moments are finer than a second", wrong, borne=True)


def _one(kit: Kit, kind: str) -> None:
    row = next((row for row in kit.samples[kind] if isinstance(row.get("id"), str) and not row.get("deleted_at")), None)
    if row is None:
        kit.untested("single", "GET by id answers the record", "there are no records")
        return
    reply = kit.api.get(kind, row["id"])
    same = {name for name in row if name != "updated_at" and reply.record.get(name) != row[name]}
    wrong = status(reply, 200) or (f"differs in {some(sorted(same))}" if same else "")
    kit.judge("single", f"GET /{kit.api.names.path(kind)}/{{id}} answers the record of the listing", wrong)
    if reply.wrapped:
        kit.judge("answers", "GET by id answers the record as it is", "in a lone data", borne=True)


def _tombstones(kit: Kit) -> None:
    for kind in filter(kit.usable, LISTED):
        reply = kit.api.list(kind, limit="200", include_deleted="true")
        if wrong := status(reply, 200):
            kit.judge("deleted", f"/{kit.api.names.path(kind)}?include_deleted=true is taken", wrong)
            continue
        gone = [row for row in reply.rows if isinstance(row, dict) and row.get("deleted_at")]
        if not gone:
            continue
        live = kit.api.list(kind, limit="200")
        hidden = not [row for row in live.rows if isinstance(row, dict) and row.get("deleted_at")]
        kit.judge("deleted", "deleted records come only when they are asked for", "" if hidden else "they always come")
        kit.judge("deleted", "a deleted record is 404", status(kit.api.get(kind, str(gone[-1]["id"])), 404))
        return
    kit.untested("deleted", "include_deleted=true shows deleted records with deleted_at", "nothing was ever deleted")


def _filter(kit: Kit, kind: str, name: str) -> None:
    path, row = kit.api.names.path(kind), kit.with_value(kind, name)
    told_as = f"/{path}?{kit.api.names.out(kind, name)}=…"
    if row is None:
        kit.untested("filters", f"{told_as} is exact", f"no record has a {name}")
        return
    value = str(row[name])
    reply = kit.api.list(kind, limit="200", **{name: value})
    others = {str(one.get(name)) for one in reply.rows if isinstance(one, dict)} - {value}
    missing = row.get("id") not in {one.get("id") for one in reply.rows if isinstance(one, dict)}
    lost = "the record itself is not there" if missing and len(reply.rows) < 200 else ""
    wrong = status(reply, 200) or told(f"also {some(sorted(others))}" if others else "", lost)
    kit.judge("filters", f"{told_as} is exact", wrong, borne=bool(others) and not lost and reply.status == 200)
    if name not in ("status", "entity"):
        reply = kit.api.list(kind, **{name: "avsync-there-is-no-such-value"[:20]})
        wrong = status(reply, 200) or (f"{len(reply.rows)} records" if reply.rows else "")
        kit.judge("filters", f"{told_as} without a match is an empty listing", wrong)


def _timeline(kit: Kit) -> None:
    if "timeline" in kit.off:
        kit.untested("timeline", "GET /timeline of one record", "switched off for this account")
        return
    renamed = f"is /{kit.api.names.paths['timeline']}" if "timeline" in kit.api.names.paths else ""
    kit.judge("timeline", "/timeline is called so", _mended(renamed), borne=True)
    for kind, entity in (("customer", "customer"), ("order", "work_order"), ("project", "project")):
        row = next(iter(kit.samples.get(kind, ())), None)
        if row is not None:
            reply = kit.api.list("timeline", entity=entity, entity_id=str(row["id"]))
            wrong = status(reply, 200) or ("" if isinstance(reply.record.get("data"), list) else "no data")
            kit.judge("timeline", f"GET /{kit.api.names.path('timeline')} of a {entity} is a listing", wrong)
            return
    kit.untested("timeline", "GET /timeline of one record", "there are no records")
