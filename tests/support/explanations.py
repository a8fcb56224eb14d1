"""Judges the list of problems against both worlds, and what must stand on every sales order. Not by the core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.comparison import Row, Snapshot, held
from tests.support.people import Life

Lines = Counter[tuple[str, Decimal]]


@dataclass(frozen=True)
class Open:
    """An open problem, as far as it matters here. `record` is an AccountView key or a Crafter id."""

    flow: str
    kind: str
    record: str
    code: str
    severity: str
    params: dict[str, Any]
    key: str = ""

    def __str__(self) -> str:
        return f"{self.flow}/{self.kind} {self.record}: {self.code} {self.params}"


def without_cause(found: list[Open], now: Snapshot, life: Life) -> list[str]:
    """The problems that should not be there (any more)."""
    questions = [one for one in found if one.code == "same_customer_by_number"]  # what refers to it waits for a person
    asked = {name for one in questions for name in (one.record, one.params["number"])}
    rest = [one for one in found if asked.isdisjoint((one.params.get("parent_id"), _customer_of(one, now)))]
    return [str(one) for one in rest if one.code not in _CAUSES or not _CAUSES[one.code](one, now, life)]


def not_said(found: list[Open], life: Life) -> list[str]:
    """What is wrong and does not stand in the list."""
    said = {(one.record, one.code) for one in found}
    return [bad.what for bad in life.bad if bad.still() and not any((bad.about, code) in said for code in bad.codes)]


def excused(found: list[Open], now: Snapshot, life: Life) -> set[str]:
    """What need not be in step: it has an open problem, or the rules leave it alone."""
    ids = {one.record for one in found if one.severity != "warning"}
    ids |= {one.partition(":")[0] for one in ids} | life.gone
    ids |= {one["id"] for one in now.records("work-orders") if one["status"] == "cancelled"}
    ids |= {one["id"] for one in now.records("customers") if _is_held(now, one, life)}
    for one in (*now.records("customers"), *now.records("projects")):  # what is not in AccountView has no number there
        if one["id"] in ids:
            ids.add(one.get("customer_number") or one.get("project_code") or one["id"])
    ids |= {one["order_number"] for one in now.records("work-orders") if one["id"] in ids and one["order_number"]}
    users = {one["user_id"] for one in now.records("hours") if one["id"] in ids} | ids
    return ids | {one["unique_code"] for one in now.records("users") if one["id"] in users and one["unique_code"]}


def _is_held(now: Snapshot, klant: Row, life: Life) -> bool:
    """A klant without a location waits for it, an hour at most (behaviour 7)."""
    age = life.today() - datetime.fromisoformat(klant["created_at"])
    return not _placed(now, klant["id"]) and age <= timedelta(hours=1)


def _placed(now: Snapshot, klant: str) -> bool:
    return any(place["customer_id"] == klant for place in now.records("work-locations"))


def _without_address(one: Open, now: Snapshot, life: Life) -> bool:
    klanten = [
        klant["id"] for klant in now.records("customers") if one.record in (klant["id"], klant["customer_number"])
    ]
    return not any(_placed(now, klant) for klant in klanten)


def judged_here(difference: str) -> bool:
    """Lines of orders (the ledger knows them better), and hours without an employee (their user's problem says so)."""
    return ": lines are missing: " in difference or "missing in AccountView of ('', " in difference


# causes

Cause = Callable[[Open, Snapshot, Life], bool]


def _record(one: Open, now: Snapshot, resource: str) -> Row:
    found = now.plan[resource].get(one.record)
    if found is None and resource == "work-orders":  # told of the order in AccountView
        found = next((other for other in now.records(resource) if other["order_number"] == one.record), None)
    return found or {}


def _customer_of(one: Open, now: Snapshot) -> Any:
    """Whose work order has no order yet."""
    return _record(one, now, "work-orders").get("customer_id") if one.code == "order_not_linked" else None


def _owner_unknown(now: Snapshot, record: Row) -> bool:
    klant = now.plan["customers"].get(record.get("customer_id") or "", {})
    return held(klant.get("customer_number"), upper=True) not in now.books["CONTACT"]


def _project_unknown(now: Snapshot, record: Row) -> bool:
    order = now.plan["work-orders"].get(record.get("work_order_id") or "", {})
    project = record.get("project_id") or order.get("project_id") or ""
    code = held(now.plan["projects"].get(project, {}).get("project_code"), upper=True)
    return bool(project) and code not in now.books["PROJECTS"]


def _is_closed(now: Snapshot, code: str, life: Life) -> bool:
    row = now.books["PROJECTS"].get(code, {})
    return row.get("PRO_STAT") in ("90", "C") or "" < row.get("END_DATE", "") < life.day(0)


def _refused(one: Open, now: Snapshot, life: Life) -> bool:
    if one.kind == "project":
        record = _record(one, now, "projects")
        return bool(record.get("end_date")) and record["end_date"] < (record.get("start_date") or "")
    if one.kind == "hour":
        record = _record(one, now, "hours")
        order = now.plan["work-orders"].get(record.get("work_order_id") or "", {})
        project = now.plan["projects"].get(record.get("project_id") or order.get("project_id") or "", {})
        user = now.plan["users"].get(record.get("user_id") or "", {})
        codes = {held(project.get("project_code"), upper=True)}
        codes |= {row["PROJ_CODE"] for row in now.rows("HRS_LINE")}  # what it stood on before
        employee = now.books["EMPLOYEE"].get(held(user.get("unique_code"), upper=True))
        return employee is None or any(_is_closed(now, code, life) for code in codes) or _project_unknown(now, record)
    if one.kind == "order":
        record = _record(one, now, "work-orders")
        klant = now.plan["customers"].get(record.get("customer_id") or "", {})
        row = now.books["CONTACT"].get(held(klant.get("customer_number"), upper=True), {"BLK_SP": True})
        there = now.books["SO_HDR"].get(held(record.get("order_number") or one.record, upper=True), {})
        return bool(row["BLK_SP"]) or bool(there.get("CLOSED")) or _project_unknown(now, record)
    return False


def _of_two_customers(one: Open, now: Snapshot, life: Life) -> bool:
    record = _record(one, now, "work-orders")
    klant = now.plan["customers"].get(record.get("customer_id") or "", {})
    there = now.books["SO_HDR"].get(held(record.get("order_number"), upper=True), {})
    return there.get("RPL_DEL") != held(klant.get("customer_number"), upper=True)


def _lines_refused(one: Open, now: Snapshot, life: Life) -> bool:
    number = held(_record(one, now, "work-orders").get("order_number"), upper=True)
    return number not in now.books["SO_HDR"] or bool(now.books["SO_HDR"][number]["CLOSED"])


def _waits(one: Open, now: Snapshot, life: Life) -> bool:
    kind, parent = one.params["parent_kind"], one.params["parent"]
    if kind == "order":
        return True
    table = {"customer": "CONTACT", "project": "PROJECTS", "project_type": "PRO_TYPE"}[kind]
    if parent and parent in now.books[table] and parent not in {bad.about for bad in life.bad}:
        return False
    return parent not in now.books[table] or parent in {bad.about for bad in life.bad}


def _parent_gone(one: Open, now: Snapshot, life: Life) -> bool:
    table = {"customer": "CONTACT", "project": "PROJECTS", "project_type": "PRO_TYPE"}[one.params["parent_kind"]]
    return one.params["parent"] not in now.books[table]


def _slip(one: Open, now: Snapshot, life: Life) -> bool:
    return any(bad.about == one.record and one.code in bad.codes and bad.still() for bad in life.bad)


def _ticked(one: Open, now: Snapshot) -> list[Row]:
    return [line for line in _record(one, now, "work-orders").get("lines", []) if line["checked"]]


def _replaced(one: Open, now: Snapshot, life: Life) -> bool:
    """Each field had a value, and another one since."""
    return all(old and new and old != new for _, old, new in one.params["changes"]) and bool(one.params["changes"])


def _let_go(one: Open, now: Snapshot, life: Life) -> bool:
    """An edit of a card, or of what hangs on it, whose number is another's by now (behaviour 36)."""
    place = now.plan["work-locations"].get(one.record, {"customer_id": one.record})
    klant = now.plan["customers"].get(place["customer_id"], {})
    return klant.get("customer_number") != one.params["number"]


def _unalike(one: Open, now: Snapshot, life: Life) -> bool:
    """Two that met by number have no word of their names in common (behaviour 6), of which `'t` and `B.` are none."""
    words = (
        [word.strip(".,'&") for word in one.params[side].casefold().split()] for side in ("accountview", "crafter")
    )
    ours, theirs = ({word for word in some if len(word) > 1} for some in words)
    return not ours & theirs


_CAUSES: dict[str, Cause] = {
    "same_customer_by_number": _unalike,
    "values_replaced": _replaced,
    "conflict": lambda one, now, life: life.flows.get(one.flow) == "both",
    "unreadable": _slip,
    "foreign_characters": _slip,
    "too_long": _slip,
    "customer_without_address": _without_address,
    "project_without_type": _slip,
    "order_customers_differ": _of_two_customers,
    "order_number_other_customer": _of_two_customers,
    "order_number_unknown": lambda one, now, life: (
        held(_record(one, now, "work-orders").get("order_number"), upper=True) not in now.books["SO_HDR"]
    ),
    "user_without_code": _slip,
    "hour_deleted": lambda one, now, life: (
        one.record in now.buried["hours"] and one.params["slot"] in now.books["HRS_LINE"]
    ),
    "article_missing": lambda one, now, life: any(not line["article_number"] for line in _ticked(one, now)),
    "article_unknown": lambda one, now, life: any(
        held(line["article_number"], upper=True) not in now.books["ARTICLE"] for line in _ticked(one, now)
    ),
    "cut": lambda one, now, life: len(held(_record(one, now, "work-orders").get("description"), width=40)) > 40,
    "order_cancelled": lambda one, now, life: _record(one, now, "work-orders").get("status") == "cancelled",
    "order_not_linked": lambda one, now, life: (
        held(_record(one, now, "work-orders").get("order_number"), upper=True) not in now.books["SO_HDR"]
        or _of_two_customers(one, now, life)
    ),
    "order_closed": _lines_refused,
    "lines_rejected": _lines_refused,
    "line_gone": lambda one, now, life: one.params["slot"] in life.struck,
    "line_unticked": lambda one, now, life: bool(_record(one, now, "work-orders")),
    "lines_counted": lambda one, now, life: set(one.params["slot"].split()) <= life.counted,
    "cut_text_edited": lambda one, now, life: len(held(one.params["kept"], width=40)) > 40,
    "order_unchecked": lambda one, now, life: _record(one, now, "work-orders").get("status") not in ("checked", None),
    "order_project_missing": lambda one, now, life: (
        one.params["project"] not in {held(found["project_code"], upper=True) for found in now.records("projects")}
    ),
    "project_unknown": lambda one, now, life: _project_unknown(now, {"work_order_id": one.record, **_any(one, now)}),
    "key_of_another": _let_go,
    "parent_gone": _parent_gone,
    "waiting_for_parent": _waits,
    "rejected_by_accountview": _refused,
}


def _any(one: Open, now: Snapshot) -> Row:
    return _record(one, now, "hours") or _record(one, now, "work-orders")


# lines


@dataclass
class Ledger:
    """What was sent of each work order's lines, told after every run."""

    life: Life

    @property
    def sent(self) -> dict[str, tuple[str, str, Decimal]]:
        """Crafter line id → order, article, quantity."""
        return self.life.sent

    def observe(self, now: Snapshot, found: list[Open]) -> None:
        """A healthy run is over: what is checked and ticked has gone, unless a problem says otherwise."""
        self.forget(now, self.life.remade)
        self.life.remade.clear()
        self._count(now, found)
        stuck = {one.record for one in found if one.code in ("lines_rejected", "order_closed", "order_not_linked")}
        for record in now.records("work-orders"):
            number = held(record["order_number"], upper=True)
            if record["status"] == "checked" and record["id"] not in stuck and number in now.books["SO_HDR"]:
                self._note(now, number, record)

    def _count(self, now: Snapshot, found: list[Open]) -> None:
        """Rows that stood there already and were told to count as sent (behaviour 4 and 41)."""
        told = {row for one in found if one.code == "lines_counted" for row in one.params["slot"].split()}
        rows = {row["REC_ID"] for row in now.rows("SO_LINE")}
        new = (told & rows) - self.life.counted
        self.life.counted |= new
        self.life.own -= new

    def glance(self, now: Snapshot) -> None:
        """After any run, however it went: what stands there and was not known, is what is ticked at this moment."""
        surplus = Counter((row["ORD_NR"], row["ART_CODE"], row["ORD_QTY"]) for row in now.rows("SO_LINE"))
        surplus.subtract(
            (row["ORD_NR"], row["ART_CODE"], row["ORD_QTY"])
            for row in now.rows("SO_LINE")
            if row["REC_ID"] in self.life.own
        )
        surplus.subtract(self.sent.values())
        for record in now.records("work-orders"):
            number = held(record["order_number"], upper=True)
            for line in record["lines"] if record["status"] == "checked" else ():
                quantity = Decimal(line["quantity"]).quantize(Decimal("0.0001"))
                told = (number, held(line["article_number"], upper=True), quantity)
                self._same_line(record, line["id"], told)
                if line["checked"] and self.sent.get(line["id"]) != told and surplus[told] > 0:
                    self.sent[line["id"]] = told
                    surplus[told] -= 1

    def _note(self, now: Snapshot, number: str, record: Row) -> None:
        for line in record["lines"]:
            article = held(line["article_number"], upper=True)
            if line["id"] not in self.life.struck and line["checked"] and article in now.books["ARTICLE"]:
                quantity = Decimal(line["quantity"]).quantize(Decimal("0.0001"))
                self._same_line(record, line["id"], (number, article, quantity))
                self.sent[line["id"]] = (number, article, quantity)

    def _same_line(self, record: Row, identity: str, told: tuple[str, str, Decimal]) -> None:
        """An equal one whose id vanished from the work order is this line (behaviour 4)."""
        here = {line["id"] for line in record["lines"]}
        former = next((one for one, sent in self.sent.items() if sent == told and one not in here), None)
        if identity not in self.sent and former is not None:
            del self.sent[former]

    def forget(self, now: Snapshot, orders: set[str] | None = None) -> None:
        """From now on an equal line counts as sent, whoever put it there (behaviour 4); None: on all orders."""
        if orders is None:
            orders = set(now.books["SO_HDR"])
            self.life.struck.clear()
        self.life.adopted |= orders
        ticked = {
            line["id"]
            for record in now.records("work-orders")
            for line in record["lines"]
            if record["status"] == "checked" and line["checked"]
        }
        for identity in [one for one in self.sent if one not in ticked and self.sent[one][0] in orders]:
            number, article, quantity = self.sent.pop(identity)
            for row in now.rows("SO_LINE"):
                here = (row["ORD_NR"], row["ART_CODE"], row["ORD_QTY"]) == (number, article, quantity)
                if here and row["REC_ID"] not in self.life.own:
                    self.life.own.add(row["REC_ID"])
                    break

    def wrong(self, now: Snapshot, found: list[Open]) -> list[str]:
        """The orders whose lines are not what they must be."""
        stuck = {one.record for one in found if one.flow == "invoice" and one.severity != "warning"}
        skipped = {held(now.plan["work-orders"].get(one, {}).get("order_number"), upper=True) for one in stuck}
        own, sent, there = Counter[Any](), Counter[Any](), Counter[Any]()
        for row in now.rows("SO_LINE"):
            line = (row["ORD_NR"], row["ART_CODE"], row["ORD_QTY"])
            there[line] += 1
            own[line] += row["REC_ID"] in self.life.own
        sent.update(line for line in self.sent.values() if line[0] in now.books["SO_HDR"])
        return [
            f"order {line[0]}: {there[line]} x {line[1]} {line[2]}, and {own[line]} of its own + {sent[line]} sent"
            for line in sorted({*own, *sent, *there})
            if line[0] not in skipped and not self._fits(line[0], there[line], own[line], sent[line])
        ]

    def _fits(self, number: str, there: int, own: int, sent: int) -> bool:
        """On an adopted order an equal line of AccountView's own counts as sent."""
        return there == own + sent or (number in self.life.adopted and max(own, sent) <= there <= own + sent)
