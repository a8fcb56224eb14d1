"""`avsync check`: everything that must be right before a run can succeed, looked at without changing anything.

Each part stands alone: a service that fails is one bad check, and the parts that do not need it go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from avsync.commands import connect, users
from avsync.commands.finding import Check, crafter_names, debtor_account
from avsync.config import FLOWS
from avsync.config.settings import Config
from avsync.errors import AvsyncError, ConfigError, FlowMustLook, PersonMustLook
from avsync.messages.texts import phrase, text, word
from avsync.records.registry import KINDS, accountview_needs, crafter_needs, kinds_of, wanted, writable
from avsync.records.values import ACCOUNTVIEW
from avsync.services.accountview import metadata
from avsync.services.accountview.client import AccountView, company_code, pick_company
from avsync.services.accountview.metadata import Metadata, Missing
from avsync.services.crafter.client import load_schema as crafter_schema
from avsync.state import db
from avsync.state.folder import claim
from avsync.state.store import Store
from avsync.sync import caution
from avsync.sync import schema as needs
from avsync.sync.session import policy_of

REFERENCE_LENGTH = 27  # behaviour 2: avs and 24 hexadecimal digits
ORDER_OF_EXITS = (5, 3, 2, 4)
_MOST_PAGES = 25  # of a table that is read whole, to say what that costs
MOST_NAMES = 30  # in one row

Rows = Callable[[], Iterable[Mapping[str, Any]]]


def run(config: Config) -> list[Check]:
    """Look at everything; never raises for what a service or the operator did wrong."""
    return list(_Checker(config).all())


def exit_code(checks: list[Check]) -> int:
    """0, or the code that goes before the others: 5, 3, 2, 4 (behaviour 30)."""
    found = {check.exit_code for check in checks}
    return next((code for code in ORDER_OF_EXITS if code in found), 0)


class _Checker:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.flows: dict[str, str] = dict(config.flows.values)
        self.on = [flow for flow in FLOWS if self.flows[flow] != "off"]
        self.staff: Rows | None = None  # AccountView's employees and Crafter's users, once they are known to be there
        self.accounts: Rows | None = None

    def all(self) -> Iterator[Check]:
        yield from self._guarded("config", self._config)
        try:
            claim(self.config.state_dir)
        except PersonMustLook as error:  # with a login that is due for renewal, looking on would write there
            yield self._bad("state_dir", error)
            return
        yield from self._guarded("schema", self._accountview)
        yield from self._guarded("crafter", self._crafter)
        yield from self._guarded("users", self._users)

    def _guarded(self, name: str, part: Callable[[], Iterator[Check]]) -> Iterator[Check]:
        """The checks of a part up to the one that fails it."""
        try:
            yield from part()
        except AvsyncError as error:
            yield self._bad(name, error)

    def _good(self, name: str, key: str, hint: str = "", /, **params: Any) -> Check:
        return Check(name, True, self._say(key, **params), hint)

    def _bad(self, name: str, error: AvsyncError) -> Check:
        message, hint = text(error.code, self.config.language, error.params)
        return Check(name, False, message, hint, error.exit_code if error.exit_code in ORDER_OF_EXITS else 2)

    def _say(self, key: str, /, **params: Any) -> str:
        if "flow" in params:
            params["part"] = word(params["flow"], self.config.language)
        return phrase("check", key, self.config.language, **params)

    def _config(self) -> Iterator[Check]:
        """The secrets too: cron's environment differs from a terminal's."""
        for secret in (self.config.accountview.client_secret, self.config.crafter.api_key):
            secret.reveal()
        yield self._good("config", "config")

    def _accountview(self) -> Iterator[Check]:
        client, part = connect.accountview(self.config), "token"
        try:
            connect.token_source(self.config).access_token()
            companies = client.companies()
            yield self._good(part, "token")
            part = "company"
            chosen = pick_company(companies, self.config.company)
        except AvsyncError as error:
            yield self._bad(part, error)
            return
        yield self._good(part, "company", code=company_code(chosen), name=chosen.get("Description") or "")
        yield from self._guarded("schema", lambda: self._installation(str(chosen["Id"])))

    def _installation(self, company_id: str) -> Iterator[Check]:
        """What this installation calls things, and what its user may do."""
        client = connect.accountview(self.config, company_id)
        wanted = needs.merged(accountview_needs(flow, self.flows) for flow in self.on)
        found = metadata.load(client, client.schema, wanted)
        missing = metadata.verify(found, client.schema, wanted)
        for flow in self.on:
            yield from self._flow(flow, needs.missing_for(flow, policy_of(self.config, ""), found, client.schema))
        narrow = list(self._widths(client, found))
        yield from narrow
        yield from self._references(client)
        yield from self._modules(missing)
        yield from self._sheets(client, missing)
        client.absent |= {(one.kind, one.neutral) for one in missing if one.what == "column"}
        lost = [one for one in missing if one.kind == "employee" and not (one.optional and one.what == "column")]
        if "employee" in wanted and not lost:
            self.staff = lambda: (row for page in client.pages("employee") for row in page.rows)
        yield from self._guarded("cost", lambda: self._cost(client, missing))
        if "hours" in self.on:
            yield from self._guarded("time_codes", lambda: self._time_codes(client, missing))
        if self.flows["customers"] in ("export", "both") and not any("debtor_account" in one.message for one in narrow):
            yield from debtor_account(self.config, client)

    def _flow(self, flow: str, missing: list[Missing]) -> Iterator[Check]:
        rights = [one for one in missing if one.what in ("insert", "update")]
        names = [one for one in missing if one not in rights]
        without = [needs.described(one) for one in names if not needs.stops(one) and not _is_module(one)]
        hint = self._say("without", missing=", ".join(without)) if without else ""
        refused, denied = needs.refusal(flow, names), needs.refusal(flow, rights)
        name = f"schema.{flow}"
        yield self._bad(name, refused) if refused else self._good(name, "schema", hint, flow=flow)
        if denied:
            yield self._bad(f"rights.{flow}", denied)
        elif not refused:  # rights on a table under another name are unknown
            yield self._good(f"rights.{flow}", "rights", flow=flow)

    def _widths(self, client: AccountView, found: Metadata) -> Iterator[Check]:
        """What avsync itself will write must fit; what people wrote is judged record by record."""
        for kind, neutral, key, needed in self._written(client):
            column = found.column(kind, neutral)
            if column is not None and 0 < column.length < needed and column.type == "C":
                name = f"{client.schema[kind].table}.{client.schema[kind].columns[neutral]}"
                about = {"column": name, "length": column.length, "key": key, "needed": needed}
                yield self._bad(f"width.{kind}.{neutral}", ConfigError("schema_too_narrow", **about))

    def _references(self, client: AccountView) -> Iterator[Check]:
        """What earlier runs have learnt: our reference may not be kept (behaviour 2)."""
        with db.in_words(self.config.state_dir):
            base = db.open_for_reading(self.config.state_dir)
        if base is None:
            return
        store = Store(base)
        for flow in self.on:
            yield from self._first_writes(flow, store, client)
        for kind in needs.not_keeping(store, client.schema):
            if kind.flow in self.on:
                message, hint = text("reference_not_kept", self.config.language, {"parent_kind": kind.name})
                yield Check(f"reference.{kind.name}", True, message, hint)
        store.close()

    def _first_writes(self, flow: str, store: Store, client: AccountView) -> Iterator[Check]:
        """What the first write of each sort has shown (nobody has seen AccountView's Web API do it before)."""
        found = caution.seen(store, flow, (client.schema, crafter_schema(self.config.crafter.schema_)))
        harms = [told["harm"] for *_, told in found if told.get("harm")]
        if harms:
            yield self._bad(f"first.{flow}", FlowMustLook(harms[0]["code"], **harms[0]["params"]))
            return
        language, learnt = self.config.language, []
        for _, side, _, told in found:
            for what, name in told["learnt"]:
                learnt.append(self._say(f"learnt_{what}", name=name, service=caution.SERVICES[side]))
        seen = [f"{word(kind.name, language)} {word(f'first_{sort}', language)}" for kind, _, sort, _ in found]
        hint = self._say("first_learnt", learnt=", ".join(dict.fromkeys(learnt))) if learnt else ""
        key = "first_seen" if seen else "first_unseen"
        yield self._good(f"first.{flow}", key, hint, flow=word(flow, language), seen=", ".join(dict.fromkeys(seen)))

    def _written(self, client: AccountView) -> Iterator[tuple[str, str, str, int]]:
        """(kind, neutral column, whose value, its length)"""
        policy = policy_of(self.config, "")
        for flow in self.on:
            for kind in writable(flow) if policy.writes(flow, ACCOUNTVIEW) else ():
                for column, key, value in kind.configured(policy) if kind.configured else ():
                    yield kind.table, column, key, len(value)
                if "reference" in client.schema[kind.table].columns and ACCOUNTVIEW in kind.made:
                    whose = f"accountview.schema: reference (avs…, {REFERENCE_LENGTH})"
                    yield kind.table, "reference", whose, REFERENCE_LENGTH

    def _modules(self, missing: list[Missing]) -> Iterator[Check]:
        """Kinds whose module AccountView may lack."""
        for kind in (kind for flow in self.on for kind in kinds_of(flow) if kind.optional):
            if self.flows[kind.flow] in ("import", "both"):
                absent = [one for one in missing if one.kind == kind.name and one.what == "object"]
                name = f"{kind.name}s"
                yield self._good(name, f"no_{name}" if absent else name, self._maybe(absent))

    def _sheets(self, client: AccountView, missing: list[Missing]) -> Iterator[Check]:
        """Rows that stand on a sheet, which the schema says (if it does not, that stops the flow)."""
        wrong = {one.kind.removesuffix(".header") for one in missing if needs.stops(one)}
        for kind in (kind for flow in self.on for kind in kinds_of(flow)):
            header = client.schema[kind.table].header
            if header is not None and kind.table not in wrong:
                made = "sheet_made" if header.create else "sheet_found"
                said = {name: word(name, self.config.language) for name in (kind.name, header.period)}
                about = {"parent_kind": said[kind.name], "table": header.table.table, "period": said[header.period]}
                yield self._good(f"sheet.{kind.name}", made, **about)

    def _cost(self, client: AccountView, missing: list[Missing]) -> Iterator[Check]:
        """What a run costs in which nothing is new: a request for each listing, and more for what must be read whole,
        because nothing tells what changed."""
        lacking = {one.kind for one in missing if one.what in ("object", "table", "header")}
        count, whole, cut = 0, [], False
        for one in wanted(policy_of(self.config, ""), self.on):
            if one.side != ACCOUNTVIEW or client.lists_changes(one.kind):
                count += 1
            elif one.kind not in lacking:
                pages = sum(1 for _ in islice(client.pages(one.kind), _MOST_PAGES))
                count, cut = count + pages, cut or pages == _MOST_PAGES
                whole += [one.kind] if pages > 1 else []
        named = ", ".join(word(kind, self.config.language) for kind in whole)
        hint = self._say("read_whole", kinds=named) if whole else ""
        yield self._good("cost", "cost_at_least" if cut else "cost", hint, count=count)

    def _maybe(self, missing: list[Missing]) -> str:
        meant = [needs.described(one) for one in missing if one.candidates]
        return self._say("maybe", missing=", ".join(meant)) if meant else ""

    def _time_codes(self, client: AccountView, missing: list[Missing]) -> Iterator[Check]:
        stopped = [one for one in missing if one.kind == "time_code" and not one.optional]
        if stopped:
            yield self._good("time_codes", "no_time_codes", self._maybe(stopped))
            return
        given = [code for code in self.config.time_codes.values.values() if code]
        found = {code: client.by_key("time_code", code.upper()) for code in dict.fromkeys(given)}
        unknown = [code for code, row in found.items() if row is None]
        if unknown:
            raise ConfigError("time_codes_unknown", codes=", ".join(unknown))
        named = ", ".join(f"{code} ({str((row or {}).get('name') or '').strip()})" for code, row in found.items())
        yield self._good("time_codes", "time_codes", codes=named)

    def _crafter(self) -> Iterator[Check]:
        client = connect.crafter(self.config)
        needed = {kind for flow in self.on for kind in crafter_needs(flow, self.flows)}
        names, learnt = crafter_names(self.config, client, needed | {"timeline"})
        yield from names
        if "me" in learnt:
            return
        account = client.me()
        yield self._good("crafter", "crafter", name=str(account.get("account_name") or "?"))
        features = account.get("features")
        if not isinstance(features, list):
            return
        switched_on = {str(feature).strip("/") for feature in features}
        paths = {kind: resource.path.strip("/") for kind, resource in client.schema.items()}
        usual = {kind: resource.path.strip("/") for kind, resource in crafter_schema().items()}

        def off(kind: str) -> bool:
            return not {paths[kind], usual[kind], learnt.get(kind)} & switched_on

        for flow in self.on:
            lacking = sorted(paths[kind] for kind in crafter_needs(flow, self.flows) if off(kind))
            refused = ConfigError("crafter_functions_off", flow=flow, missing=", ".join(lacking))
            name = f"features.{flow}"
            yield self._bad(name, refused) if lacking else self._good(name, "features", flow=flow)
        if off("timeline"):
            yield self._good("timeline", "no_timeline")
        if not off("user") and "user" not in learnt:
            self.accounts = lambda: (row for page in client.pages("user", include_deleted=False) for row in page.rows)

    def _users(self) -> Iterator[Check]:
        """Whose hours cannot be booked: that is no fault of the set-up, and seen here before the first run sees it."""
        if not any("user" in crafter_needs(flow, self.flows) for flow in self.on):
            return
        if self.staff is None or self.accounts is None:
            return
        found = users.judge(self.accounts(), self.staff())
        told = {
            "users_without": [self._meant(user.name, meant) for user, meant in found.without],
            "users_unknown": [self._meant(f"{user.name}: {user.code}", meant) for user, meant in found.unknown],
            "users_shared": [f"{code}: {', '.join(names)}" for code, names in found.shared.items()],
        }
        for name, people in told.items():
            if people:
                yield self._good(name.replace("_", "."), name, self._say(f"{name}_next"), count=len(people),
                                 names=self._some(people))  # fmt: skip
        if not any(told.values()):
            yield self._good("users", "users", count=found.count)

    def _meant(self, name: str, meant: users.Person | None) -> str:
        return self._say("users_meant", name=name, code=meant.code, employee=meant.name) if meant else name

    def _some(self, people: list[str]) -> str:
        more = [self._say("users_more", count=len(people) - MOST_NAMES)] if len(people) > MOST_NAMES else []
        return "; ".join([*people[:MOST_NAMES], *more])


def _is_module(missing: Missing) -> bool:
    """Whether a module of its own is meant, which is told by itself."""
    return missing.kind in KINDS and KINDS[missing.kind].optional
