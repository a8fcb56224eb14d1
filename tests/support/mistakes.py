"""What people get wrong, by seed, and how they mend it: further edits for `people` (importing this adds them)."""

from __future__ import annotations

from typing import Any

from tests.support.people import Bad, Life, edit


def _slip(life: Life, what: str, about: str, *codes: str, still: Any, mend: Any) -> str:
    return life.spoil(Bad(what, about, frozenset(codes), still, mend))


@edit(1)
def nameless_customer(life: Life) -> str | None:
    if not life.imports("customers"):
        return None
    number = life.fresh("9")
    life.books.add("CONTACT", SUB_NR=number, ACCT_NAME="", SRC_CODE="X", ACCT_NR="1300", **life.address("visiting"))
    return _slip(
        life, f"customer {number} has no name", number, "unreadable",
        still=lambda: not (life.books.row("CONTACT", number) or {"ACCT_NAME": "-"})["ACCT_NAME"],
        mend=lambda: life.books.edit("CONTACT", number, ACCT_NAME=f"Naam {number}"),
    )  # fmt: skip


@edit(1)
def misspelt_klant(life: Life) -> str | None:
    if not life.exports("customers"):
        return None
    wrong = life.rng.choice(("Установка Иванова", "Installatiebedrijf met een veel te lange naam in Leeuwarden"))
    found = life.plan.add("customers", name=f"{wrong} {life.fresh('')}", customer_number=life.fresh("6"))
    return _slip(
        life, f"klant {found} has an impossible name", found, "foreign_characters", "too_long",
        still=lambda: (life.plan.record("customers", found) or {"name": ""})["name"].startswith(wrong),
        mend=lambda: life.plan.edit("customers", found, name=f"Ivanov {life.fresh('')}"),
    )  # fmt: skip


@edit(1)
def typeless_project(life: Life) -> str | None:
    row = life.pick(life.rows("CONTACT"))
    if row is None or not life.imports("projects"):
        return None
    code = life.fresh("P")
    life.books.add("PROJECTS", PROJ_CODE=code, PROJ_DESC="Zonder type", SUB_NR=row["SUB_NR"], BEG_DATE=life.day(0))
    return _slip(
        life, f"project {code} has no type", code, "project_without_type",
        still=lambda: not (life.books.row("PROJECTS", code) or {"PRO_TYPE": "-"})["PRO_TYPE"],
        mend=lambda: life.books.edit("PROJECTS", code, PRO_TYPE=life.books.rows("PRO_TYPE")[0]["PT_CODE"]),
    )  # fmt: skip


@edit(1)
def typed_number(life: Life) -> str | None:
    klant = life.pick(life.klanten())
    if klant is None or not life.exports("orders"):
        return None
    found = life.plan.add("work-orders", customer_id=klant["id"], order_number=life.fresh("X"), description="Tikfout")
    return _slip(
        life, f"work order {found} carries a number of nobody", found, "order_number_unknown",
        still=lambda: (life.plan.record("work-orders", found) or {"order_number": ""})["order_number"][:1] == "X",
        mend=lambda: life.plan.edit("work-orders", found, order_number=None),
    )  # fmt: skip


def _goes_to(life: Life, work_order: str) -> str | None:
    """The debtor for whom it has yet to become an order: none once it has one, as when he was not blocked for once."""
    order = life.plan.record("work-orders", work_order)
    klant = life.plan.record("customers", order["customer_id"]) if order and not order["order_number"] else None
    return ((klant or {}).get("customer_number") or "").upper()


@edit(1)
def blocked_debtor(life: Life) -> str | None:
    klant = life.pick(life.klanten())
    if klant is None or not life.exports("orders"):
        return None
    number = klant["customer_number"].upper()
    life.books.edit("CONTACT", number, BLK_SP=True)
    found = life.plan.add("work-orders", customer_id=klant["id"], description="Voor een geblokkeerde klant")
    return _slip(
        life, f"customer {number} is blocked for order {found}", found, "rejected_by_accountview",
        still=lambda: _goes_to(life, found) == number and bool((life.books.row("CONTACT", number) or {}).get("BLK_SP")),
        mend=lambda: life.books.edit("CONTACT", number, BLK_SP=False),
    )  # fmt: skip


@edit(1)
def unknown_article(life: Life) -> str | None:
    one = life.pick(life.orders("checked"))
    if one is None or not life.exports("invoice") or life.lines_rest:
        return None
    code = life.fresh("NIET-")
    line = {"article_number": code, "description": "onbekend", "quantity": "1", "checked": True}
    life.plan.edit("work-orders", one["id"], lines=[*one["lines"], line])

    def still() -> bool:
        now = life.plan.record("work-orders", one["id"])
        ticked = [line["article_number"] for line in now["lines"] if line["checked"]] if now else []
        known = life.books.row("ARTICLE", code) or not life.books.row("SO_HDR", one["order_number"])
        return now is not None and now["status"] == "checked" and code in ticked and not known

    return _slip(
        life, f"article {code} on {one['order_number']}", one["id"], "article_unknown", "order_closed", still=still,
        mend=lambda: life.books.add("ARTICLE", ART_CODE=code, ART_DESC1="Alsnog"),
    )  # fmt: skip


@edit(1)
def uncoded_user(life: Life) -> str | None:
    if not life.exports("hours"):
        return None
    number = life.fresh("5")
    user = life.plan.add("users", name=f"Zonder code {number}", unique_code=None)
    line = life.plan.add("hours", user_id=user, date=life.day(-1), hours="4", kind="work")

    def mend() -> None:
        life.books.add("EMPLOYEE", EMP_NR=number, EMP_NAME="Nieuw")
        life.plan.edit("users", user, unique_code=number)

    return _slip(
        life, f"user {user} has no code", user, "user_without_code",
        still=lambda: not life.plan.record("users", user)["unique_code"] and life.plan.record("hours", line),
        mend=mend,
    )  # fmt: skip


@edit(1)
def impossible_day(life: Life) -> str | None:
    users = [
        one for one in life.records("users") if one["unique_code"] and life.books.row("EMPLOYEE", one["unique_code"])
    ]
    if not users or not life.exports("hours"):
        return None
    found = life.plan.add("hours", user_id=life.rng.choice(users)["id"], date="2026-11-31", hours="3", kind="work")
    return _slip(
        life, f"hours {found} on an impossible day", found, "unreadable",
        still=lambda: (life.plan.record("hours", found) or {"date": ""})["date"] == "2026-11-31",
        mend=lambda: life.plan.edit("hours", found, date=life.day(-2)),
    )  # fmt: skip


@edit(1)
def invoiced_order(life: Life) -> str | None:
    """An order is invoiced, and only then somebody ticks another line."""
    one = life.pick(life.orders("checked"))
    if one is None or not life.exports("invoice") or life.lines_rest:
        return None
    number = one["order_number"]
    life.books.edit("SO_HDR", number, CLOSED=True)
    article = life.rng.choice(life.rows("ARTICLE"))["ART_CODE"]
    late = {"article_number": article, "description": "te laat", "quantity": "99", "checked": True}
    life.plan.edit("work-orders", one["id"], lines=[*one["lines"], late])
    return _slip(
        life, f"order {number} was invoiced", one["id"], "lines_rejected", "order_closed", "order_not_linked",
        still=lambda: bool((life.books.row("SO_HDR", number) or {"CLOSED": False})["CLOSED"]),
        mend=lambda: life.books.edit("SO_HDR", number, CLOSED=False),
    )  # fmt: skip
