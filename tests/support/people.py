"""What people do all day on either side, by seed: a Sandbox's data, edited by hand.

    life = Life(box, seed=1, flows=flows)
    life.edit()          # one edit, as a sentence; `life.diary` keeps them all

An edit only does what the flows carry over (nobody expects that a klant made in Crafter turns up where customers are
imported), and deletes in AccountView only what nothing refers to, as an ERP insists. What a person got wrong stands in
`life.bad` until it is mended; what was deleted in AccountView stands in `life.gone`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from avsync.sandbox import seed_names
from tests.support.comparison import reference

Row = dict[str, Any]
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
QUANTITIES = ("1", "2", "3", "0.5", "6.25", "12", "0.3333")
HOURS = ("0.25", "1", "2.5", "7.75", "8")
SIGNS = ("", "", "", " & Zn.", " 'De Hoek'", " Café", " Straße", " <nieuw>", " 100%")


@dataclass
class Bad:
    """Something wrong that somebody will mend. `about`: the record (id or key) whose problem must be open meanwhile."""

    what: str
    about: str
    codes: frozenset[str]
    still: Callable[[], bool]
    mend: Callable[[], None]


@dataclass
class Life:
    """The people of one office. `gone` holds AccountView keys and Crafter ids, `own` the REC_IDs of lines that a person
    put on an order in AccountView, `counted` those that were told to count as sent all the same, `adopted` the orders
    on which an equal line counts as sent."""

    box: Any
    seed: int
    flows: Mapping[str, str]
    diary: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    bad: list[Bad] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    adopted: set[str] = field(default_factory=set)
    sent: dict[str, tuple[str, str, Decimal]] = field(default_factory=dict)  # Crafter line → order, article, quantity
    struck: set[str] = field(default_factory=set)  # Crafter lines whose line in AccountView a bookkeeper deleted
    remade: set[str] = field(default_factory=set)  # orders whose work order somebody deleted
    lines_rest: bool = False  # nobody touches lines (state.db was lost: what is not sent yet cannot be told apart)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.made = 0
        self.books, self.plan = self.box.accountview, self.box.crafter
        self.own |= {row["REC_ID"] for row in self.books.rows("SO_LINE")}
        self.adopted |= {one["order_number"] for one in self.plan.records("work-orders") if one["order_number"]}

    # looking around

    def imports(self, flow: str) -> bool:
        return self.flows.get(flow) in ("import", "both")

    def exports(self, flow: str) -> bool:
        return self.flows.get(flow) in ("export", "both")

    def pick(self, rows: list[Row]) -> Row | None:
        """One of them, none when there is none."""
        return self.rng.choice(rows) if rows else None

    def fresh(self, prefix: str) -> str:
        """A name nobody has yet."""
        self.made += 1
        return f"{prefix}{self.seed % 1000}{self.made:04d}"

    def called(self) -> str:
        trade, surname = self.rng.choice(seed_names.TRADES), self.rng.choice(seed_names.SURNAMES)
        name = f"{trade} {surname}"[:22].strip() + self.rng.choice(SIGNS)
        return f"{name} {self.fresh('')}"[:40]

    def today(self) -> datetime:
        return self.books.clock().astimezone(AMSTERDAM)  # type: ignore[no-any-return]

    def day(self, ahead: int) -> str:
        return (self.today() + timedelta(days=ahead)).date().isoformat()

    def rows(self, table: str) -> list[Row]:
        """Rows of AccountView that are all right."""
        wrong = {bad.about.partition(":")[0] for bad in self.bad}
        key = self.books.tables[table].spec.key
        return [row for row in self.books.rows(table) if row[key] not in wrong]

    def records(self, resource: str) -> list[Row]:
        """Live records of Crafter that are all right, in an order that does not hang on moments."""
        wrong = {bad.about for bad in self.bad}
        found = [one for one in self.plan.records(resource) if one["id"] not in wrong]
        return sorted(found, key=lambda one: str(one.get("order_number") or one.get("customer_number") or one["id"]))

    def klanten(self) -> list[Row]:
        """Customers of Crafter that AccountView knows by number."""
        known = self.books.tables["CONTACT"].rows
        return [one for one in self.records("customers") if (one["customer_number"] or "").upper() in known]

    def linked_projects(self) -> list[Row]:
        known = self.books.tables["PROJECTS"].rows
        return [one for one in self.records("projects") if one["project_code"] in known and not self._ended(one)]

    def _ended(self, project: Row) -> bool:
        row = self.books.row("PROJECTS", project["project_code"]) or {}
        return row.get("PRO_STAT") in ("90", "C") or "" < row.get("END_DATE", "") <= self.day(3)

    def orders(self, *statuses: str) -> list[Row]:
        """Work orders that have an order in AccountView that is not invoiced."""
        known = self.books.tables["SO_HDR"].rows
        found = [one for one in self.records("work-orders") if (one["order_number"] or "") in known]
        return [
            one for one in found
            if not known[one["order_number"]]["CLOSED"] and (not statuses or one["status"] in statuses)
        ]  # fmt: skip

    def klant_of(self, number: str) -> Row | None:
        return next((one for one in self.plan.records("customers") if one["customer_number"] == number), None)

    # doing

    def edit(self) -> str:
        """One edit that is possible now."""
        for _ in range(100):
            name = self.rng.choices(list(EDITS), weights=[weight for _, weight in EDITS.values()])[0]
            told = EDITS[name][0](self)
            if told:
                self.diary.append(f"{name}: {told}")
                return self.diary[-1]
        raise AssertionError("nothing to do")

    def mend(self, share: float = 1.0) -> None:
        """People put right what is wrong (some of it)."""
        for bad in [one for one in self.bad if self.rng.random() < share]:
            self.bad.remove(bad)
            if bad.still():
                bad.mend()
                self.diary.append(f"mended: {bad.what}")

    def address(self, which: str) -> dict[str, str]:
        """All six address columns of a customer: visiting, postal, both or none."""
        town, area = self.rng.choice(seed_names.PLACES)
        letters = "".join(self.rng.choice("ABCDEGH") for _ in range(2))
        visiting = {"ADDRESS1": f"{self.rng.choice(seed_names.STREETS)} {self.rng.randint(1, 240)}",
                    "POST_CODE": f"{area} {letters}", "CITY": town}  # fmt: skip
        postal = {"PO_BOX": f"Postbus {self.rng.randint(1, 900)}", "PO_CODE": f"{area + 1} {letters}", "PO_CITY": town}
        empty = dict.fromkeys((*visiting, *postal), "")
        return empty | {"visiting": visiting, "postal": postal, "both": visiting | postal, "none": {}}[which]

    def remove_row(self, table: str, key: str, *crafter_ids: str) -> str:
        self.books.remove(table, key)
        self.gone |= {key, *crafter_ids}
        return f"{table} {key} deleted"

    def spoil(self, bad: Bad) -> str:
        self.bad.append(bad)
        return bad.what


EDITS: dict[str, tuple[Callable[[Life], str | None], int]] = {}
Edit = Callable[[Life], str | None]


def edit(weight: int = 3) -> Callable[[Edit], Edit]:
    """Register an edit; the weight says how often it happens."""

    def register(function: Edit) -> Edit:
        EDITS[function.__name__] = (function, weight)
        return function

    return register


# customers, behind AccountView's screen


@edit(4)
def new_customer(life: Life) -> str | None:
    if not life.imports("customers"):
        return None
    number = life.fresh("7")
    which = life.rng.choice(("visiting", "visiting", "postal", "both", "none"))
    life.books.add("CONTACT", SUB_NR=number, ACCT_NAME=life.called(), SRC_CODE="N", ACCT_NR="1300",
                   TEL_BUS="050-1234567", CNT_CODE="NL", **life.address(which))  # fmt: skip
    return f"customer {number}, {which}"


@edit(4)
def edit_customer(life: Life) -> str | None:
    row = life.pick(life.rows("CONTACT"))
    if row is None or not life.imports("customers"):
        return None
    change = life.rng.choice((
        {"TEL_BUS": f"06-{life.rng.randint(10_000_000, 59_999_999)}"}, {"TEL_BUS": ""},
        {"MAIL_BUS": f"{life.fresh('m')}@klant.example"}, {"ACCT_NAME": life.called()},
    ))  # fmt: skip
    life.books.edit("CONTACT", row["SUB_NR"], **change)
    return f"{row['SUB_NR']} {change}"


@edit(4)
def move_customer(life: Life) -> str | None:
    row = life.pick(life.rows("CONTACT"))
    if row is None or not life.imports("customers"):
        return None
    which = life.rng.choice(("visiting", "postal", "both", "none"))
    life.books.edit("CONTACT", row["SUB_NR"], **life.address(which))
    return f"{row['SUB_NR']} now has {which}"


@edit(2)
def change_country(life: Life) -> str | None:
    row = life.pick(life.rows("CONTACT"))
    if row is None or not life.imports("customers"):
        return None
    life.books.edit("CONTACT", row["SUB_NR"], CNT_CODE=life.rng.choice(("NL", "BE", "DE", "")))
    return str(row["SUB_NR"])


def _free_customers(life: Life) -> list[Row]:
    used = {row["SUB_NR"] for table in ("PROJECTS", "ASC_PP") for row in life.books.rows(table)}
    used |= {row["RPL_DEL"] for row in life.books.rows("SO_HDR")} | {"90000"}
    busy = {one["customer_id"] for place in ("work-orders", "projects") for one in life.plan.records(place)}
    numbers = {one["customer_number"] for one in life.plan.records("customers") if one["id"] in busy}
    return [row for row in life.rows("CONTACT") if row["SUB_NR"] not in used | numbers]


@edit(1)
def remove_customer(life: Life) -> str | None:
    row = life.pick(_free_customers(life))
    if row is None:
        return None
    klant = life.klant_of(row["SUB_NR"])
    return life.remove_row("CONTACT", row["SUB_NR"], *([klant["id"]] if klant else []))


@edit(1)
def renumber_customer(life: Life) -> str | None:
    """A customer gets another number: for avsync one goes and another comes (CONTACT has no other key)."""
    row = life.pick(_free_customers(life))
    if row is None or not life.imports("customers"):
        return None
    number, klant = life.fresh("8"), life.klant_of(row["SUB_NR"])
    life.books.edit("CONTACT", row["SUB_NR"], SUB_NR=number)
    life.gone |= {row["SUB_NR"], *([klant["id"]] if klant else [])}
    return f"{row['SUB_NR']} is {number} from now on"


@edit(1)
def reuse_number(life: Life) -> str | None:
    """A debtor is deleted and another firm gets the number, which a planner takes away from the old card."""
    row = life.pick(_free_customers(life))
    klant = life.klant_of(row["SUB_NR"]) if row else None
    if row is None or klant is None or not life.imports("customers"):
        return None
    number = row["SUB_NR"]
    life.books.remove("CONTACT", number)
    life.books.add("CONTACT", SUB_NR=number, ACCT_NAME=f"Opvolger {life.fresh('')}", SRC_CODE="N", ACCT_NR="1300",
                   TEL_BUS=f"0{life.fresh('')}", **life.address("visiting"))  # fmt: skip
    life.plan.edit("customers", klant["id"], customer_number=None)
    places = [place["id"] for place in life.plan.records("work-locations") if place["customer_id"] == klant["id"]]
    life.gone |= {klant["id"], *places}
    return f"{number}, which was that of {row['ACCT_NAME']}"


@edit(3)
def new_contact(life: Life) -> str | None:
    row = life.pick(life.rows("CONTACT"))
    if row is None or not life.imports("customers"):
        return None
    code = life.fresh("C")
    life.books.add("ASC_PP", PP_CODE=code, SUB_NR=row["SUB_NR"], FRST_NAME=life.rng.choice(seed_names.FIRST_NAMES),
                   LAST_NAME=f"{life.rng.choice(seed_names.SURNAMES)} {code}", MAIL_PRIV=f"{code}@p.nl")  # fmt: skip
    return f"{code} of {row['SUB_NR']}"


@edit(3)
def edit_contact(life: Life) -> str | None:
    row = life.pick(life.rows("ASC_PP"))
    if row is None or not life.imports("customers"):
        return None
    change = life.rng.choice((
        {"TEL_MOB": f"06-{life.rng.randint(10_000_000, 59_999_999)}"}, {"PP_DEAR": "Geachte Ré"}, {"MAIL_PRIV": ""},
        {"SUB_NR": life.rng.choice(life.rows("CONTACT"))["SUB_NR"]},
    ))  # fmt: skip
    life.books.edit("ASC_PP", row["PP_CODE"], **change)
    return f"{row['PP_CODE']} {change}"


@edit(1)
def remove_contact(life: Life) -> str | None:
    row = life.pick(life.rows("ASC_PP"))
    if row is None:
        return None
    mark = f"av:DEMO:contact:{row['PP_CODE']}"
    return life.remove_row(
        "ASC_PP", row["PP_CODE"], *(one["id"] for one in life.plan.records("contacts") if one["external_ref"] == mark)
    )


# customers, in Crafter


@edit(3)
def new_klant(life: Life) -> str | None:
    if not life.exports("customers"):
        return None
    number = life.rng.choice((None, life.fresh("6")))
    found = life.plan.add("customers", customer_number=number, name=life.called(), phone="058-7654321")
    if life.rng.random() < 0.8:
        life.plan.add("work-locations", customer_id=found, street=f"Nieuwe Kade {life.made}", city="Sneek",
                      postal_code="8601 AB", country="NL", is_main=True)  # fmt: skip
    return f"{found} ({number})"


@edit(4)
def edit_klant(life: Life) -> str | None:
    one = life.pick(life.klanten())
    if one is None or not life.exports("customers"):
        return None
    change = life.rng.choice((
        {"phone": f"010-{life.rng.randint(1_000_000, 9_999_999)}"}, {"phone": None},
        {"email": f"{life.fresh('k')}@klant.example"}, {"name": life.called()},
    ))  # fmt: skip
    life.plan.edit("customers", one["id"], **change)
    return f"{one['customer_number']} {change}"


@edit(1)
def mistype_number(life: Life) -> str | None:
    """Somebody changes the number of a customer in Crafter; AccountView's stands."""
    one = life.pick(life.klanten())
    if one is None or not life.imports("customers"):
        return None
    number = life.fresh("4")
    life.plan.edit("customers", one["id"], customer_number=number)
    return f"{one['customer_number']} into {number}"


@edit(3)
def edit_place(life: Life) -> str | None:
    known = {one["id"] for one in life.klanten()}
    places = [one for one in life.records("work-locations") if one["customer_id"] in known and one["external_ref"]]
    one = life.pick([one for one in places if one["is_main"]])
    if one is None or life.flows["customers"] != "both":
        return None
    change = life.rng.choice((
        {"street": f"Verlengde Weg {life.fresh('')}"}, {"city": "Franeker"}, {"postal_code": "8801 kb"},
    ))  # fmt: skip
    life.plan.edit("work-locations", one["id"], **change)
    return f"{one['external_ref']} {change}"


@edit(2)
def address_later(life: Life) -> str | None:
    """A klant that was saved before its address gets it."""
    placed = {place["customer_id"] for place in life.plan.records("work-locations")}
    one = life.pick([one for one in life.records("customers") if one["id"] not in placed | life.gone])
    if one is None or not life.exports("customers"):
        return None
    life.plan.add("work-locations", customer_id=one["id"], street=f"Laan {life.fresh('')}", city="Joure", is_main=True)
    return str(one["id"])


@edit(1)
def new_place(life: Life) -> str | None:
    one = life.pick(life.klanten())
    if one is None:
        return None
    return str(
        life.plan.add("work-locations", customer_id=one["id"], street=f"Bijgebouw {life.fresh('')}", city="Joure")
    )


@edit(1)
def remove_klant(life: Life) -> str | None:
    busy = {one["customer_id"] for place in ("work-orders", "projects") for one in life.plan.records(place)}
    one = life.pick([one for one in life.klanten() if one["id"] not in busy])
    if one is None or not life.imports("customers"):
        return None
    life.plan.remove("customers", one["id"])
    return f"{one['customer_number']} deleted in Crafter"


@edit(1)
def remove_place_or_contact(life: Life) -> str | None:
    place = life.rng.choice(("work-locations", "contacts"))
    one = life.pick([one for one in life.records(place) if one["external_ref"]])
    if one is None or not life.imports("customers"):
        return None
    life.plan.remove(place, one["id"])
    return f"{one['external_ref']} deleted in Crafter"


# projects


@edit(3)
def new_project(life: Life) -> str | None:
    code = life.fresh("P")
    if life.imports("projects"):
        owner = life.rng.choice(life.rows("CONTACT"))["SUB_NR"]
        life.books.add("PROJECTS", PROJ_CODE=code, PROJ_DESC=life.called(), SUB_NR=owner, BEG_DATE=life.day(-3),
                       PRO_TYPE=life.rng.choice(life.rows("PRO_TYPE"))["PT_CODE"],
                       EMP_NR=life.rng.choice(life.rows("EMPLOYEE"))["EMP_NR"])  # fmt: skip
        return f"{code} in AccountView"
    klant = life.pick(life.klanten())
    if klant is None or not life.exports("projects"):
        return None
    users = [one["id"] for one in life.records("users") if one["unique_code"]]
    life.plan.add("projects", project_code=code, name=life.called(), customer_id=klant["id"], start_date=life.day(-2),
                  project_type_id=life.rng.choice(life.records("project-types"))["id"],
                  responsible_user_id=life.rng.choice([None, *users]))  # fmt: skip
    return f"{code} in Crafter"


@edit(4)
def edit_project(life: Life) -> str | None:
    if life.imports("projects"):
        row = life.pick(life.rows("PROJECTS"))
        if row is None:
            return None
        change: Row = life.rng.choice((
            {"PROJ_DESC": life.called()}, {"COMMENT1": "regel één\nregel twee"}, {"END_DATE": life.day(30)},
            {"END_DATE": ""}, {"PRO_TYPE": life.rng.choice(life.rows("PRO_TYPE"))["PT_CODE"]},
            {"EMP_NR": life.rng.choice(life.rows("EMPLOYEE"))["EMP_NR"]}, {"EMP_NR": ""},
            {"SUB_NR": life.rng.choice(life.rows("CONTACT"))["SUB_NR"]},
        ))  # fmt: skip
        life.books.edit("PROJECTS", row["PROJ_CODE"], **change)
        return f"{row['PROJ_CODE']} {change}"
    one = life.pick(life.linked_projects())
    if one is None or not life.exports("projects"):
        return None
    change = life.rng.choice((
        {"name": life.called()}, {"description": "twee\nregels"}, {"end_date": life.day(25)}, {"end_date": None},
    ))  # fmt: skip
    life.plan.edit("projects", one["id"], **change)
    return f"{one['project_code']} {change}"


@edit(2)
def close_project(life: Life) -> str | None:
    row = life.pick([row for row in life.rows("PROJECTS") if not row["END_DATE"]])
    if row is None or not life.imports("projects") or life.lines_rest:
        return None
    life.books.edit("PROJECTS", row["PROJ_CODE"], END_DATE=life.day(-1), COMMENT1="afgerond")
    return str(row["PROJ_CODE"])


@edit(1)
def remove_project(life: Life) -> str | None:
    used = {row["PROJ_CODE"] for table in ("SO_HDR", "HRS_LINE") for row in life.books.rows(table)}
    busy = {one["project_id"] for place in ("work-orders", "hours") for one in life.plan.records(place)}
    codes = {one["project_code"]: one["id"] for one in life.plan.records("projects")}
    free = [row for row in life.rows("PROJECTS")
            if row["PROJ_CODE"] not in used and codes.get(row["PROJ_CODE"]) not in busy - {None}]  # fmt: skip
    row = life.pick(free)
    if row is None:
        return None
    return life.remove_row("PROJECTS", row["PROJ_CODE"], *([found] if (found := codes.get(row["PROJ_CODE"])) else []))


@edit(1)
def remove_project_in_crafter(life: Life) -> str | None:
    busy = {one["project_id"] for place in ("work-orders", "hours") for one in life.plan.records(place)}
    one = life.pick([one for one in life.linked_projects() if one["id"] not in busy])
    if one is None or not life.imports("projects"):
        return None
    life.plan.remove("projects", one["id"])
    return f"{one['project_code']} deleted in Crafter"


@edit(2)
def types(life: Life) -> str | None:
    if not life.imports("projects"):
        return None
    if life.rng.random() < 0.4:
        return str(life.books.add("PRO_TYPE", PT_CODE=life.fresh("T"), PT_DESC=life.called()))
    row = life.rng.choice(life.rows("PRO_TYPE"))
    life.books.edit("PRO_TYPE", row["PT_CODE"], PT_DESC=life.called())
    return f"{row['PT_CODE']} renamed"


@edit(2)
def new_colleague(life: Life) -> str | None:
    number = life.fresh("0")
    life.books.add("EMPLOYEE", EMP_NR=number, EMP_NAME=life.called())
    life.plan.add("users", name=f"Collega {number}", unique_code=number)
    return number


@edit(2)
def new_article(life: Life) -> str | None:
    return str(life.books.add("ARTICLE", ART_CODE=life.fresh("ART-"), ART_DESC1=life.called(), PRICE="9.95"))


# orders


@edit(8)
def new_work_order(life: Life) -> str | None:
    project = life.pick(life.linked_projects()) if life.rng.random() < 0.5 else None
    klant = {"id": project["customer_id"]} if project else life.pick(life.klanten())
    if klant is None or not life.exports("orders"):
        return None
    works = [one["id"] for one in life.records("work-types")]
    return str(life.plan.add(
        "work-orders", customer_id=klant["id"], project_id=project["id"] if project else None,
        description=life.rng.choice(("Lekkage", "Onderhoud ketel, 2e verdieping (kast <links>)", "cv\nboiler", None)),
        target_date=life.rng.choice((None, life.day(life.rng.randint(1, 40)))),
        work_type_id=life.rng.choice([None, *works]), lines=_some_lines(life),
        status=life.rng.choice(("open", "open", "planned")),
    ))  # fmt: skip


def _some_lines(life: Life, ticked: bool = False) -> list[Row]:
    articles = [row for row in life.rows("ARTICLE") if not row["REC_BLK"]]
    return [
        {"article_number": life.rng.choice(articles)["ART_CODE"], "description": "materiaal", "checked": ticked,
         "quantity": life.rng.choice(QUANTITIES)}
        for _ in range(life.rng.randint(0, 3))
    ]  # fmt: skip


@edit(6)
def edit_work_order(life: Life) -> str | None:
    one = life.pick(life.orders("open", "planned", "completed", "checked"))
    if one is None or not life.exports("orders"):
        return None
    works = [work["id"] for work in life.records("work-types")]
    change: Row = life.rng.choice((
        {"description": f"Bijgewerkt {life.fresh('')}"}, {"description": None}, {"target_date": life.day(9)},
        {"target_date": None}, {"work_type_id": life.rng.choice(works)}, {"work_type_id": None},
        {"description": f"Een heel lange omschrijving, {life.fresh('')}, die AccountView niet kan houden"},
    ))  # fmt: skip
    life.plan.edit("work-orders", one["id"], **change)
    return f"{one['order_number']} {change}"


@edit(4)
def new_sales_order(life: Life) -> str | None:
    row = life.pick([row for row in life.rows("CONTACT") if not row["REC_BLK"] and not row["BLK_SP"]])
    if row is None or not life.imports("orders"):
        return None
    projects = [one["PROJ_CODE"] for one in life.rows("PROJECTS")]
    number = life.books.add(
        "SO_HDR", RPL_DEL=row["SUB_NR"], RPL_INV=row["SUB_NR"], ORD_DATE=life.day(0), COMMENT1=life.called(),
        DEL_DATE=life.rng.choice(("", life.day(12))), PROJ_CODE=life.rng.choice(["", "", *projects]),
        COMMENT2=life.rng.choice(("", "Montage", "storing", "Let op: hond")),
    )  # fmt: skip
    _own_line(life, number)
    return str(number)


def _own_line(life: Life, number: str) -> None:
    article = life.rng.choice([row for row in life.rows("ARTICLE") if not row["REC_BLK"]])
    found = life.books.add("SO_LINE", ORD_NR=number, ART_CODE=article["ART_CODE"], ORD_QTY=life.rng.choice(QUANTITIES))
    life.own.add(found)


@edit(4)
def edit_sales_order(life: Life) -> str | None:
    cut = {one["order_number"] for one in life.plan.records("work-orders") if len(one["description"] or "") > 40}
    row = life.pick([row for row in life.rows("SO_HDR") if not row["CLOSED"] and row["ORD_NR"] not in cut])
    if row is None or not life.imports("orders"):
        return None
    change = life.rng.choice((
        {"DEL_DATE": life.day(life.rng.randint(2, 30))}, {"DEL_DATE": ""}, {"COMMENT1": life.called()},
        {"COMMENT2": "Inspectie"}, {"COMMENT2": "MONTAGE"},
    ))  # fmt: skip
    life.books.edit("SO_HDR", row["ORD_NR"], **change)
    return f"{row['ORD_NR']} {change}"


@edit(2)
def line_by_bookkeeper(life: Life) -> str | None:
    row = life.pick([row for row in life.rows("SO_HDR") if not row["CLOSED"]])
    if row is None or life.lines_rest:
        return None
    _own_line(life, row["ORD_NR"])
    return f"on {row['ORD_NR']}"


@edit(1)
def strike_line(life: Life) -> str | None:
    """The bookkeeper deletes a line, her own or one that came from a work order."""
    told = {line: [one for one, sent in life.sent.items() if sent == line] for line in life.sent.values()}
    rows = [(row, told.get((row["ORD_NR"], row["ART_CODE"], row["ORD_QTY"]), [])) for row in life.books.rows("SO_LINE")]
    fit = [(row, ids) for row, ids in rows if not ids or (len(ids) == 1 and row["ORD_NR"] not in life.adopted)]
    here = {line["id"] for one in life.records("work-orders") for line in one["lines"]}
    fit = [(row, ids) for row, ids in fit if here.issuperset(ids)]  # else nobody here knows what their ids are now
    twins = {row["REC_ID"] for row, ids in fit if ids and row["REC_ID"] in life.own}
    fit = [(row, ids) for row, ids in fit if row["REC_ID"] not in twins and (ids or row["REC_ID"] in life.own)]
    if not fit or life.lines_rest:
        return None
    row, ids = life.rng.choice(fit)
    life.books.remove("SO_LINE", row["REC_ID"])
    life.own.discard(row["REC_ID"])
    life.struck |= set(ids)
    for one in ids:
        del life.sent[one]
    return f"{row['ART_CODE']} from {row['ORD_NR']}"


@edit(1)
def remove_sales_order(life: Life) -> str | None:
    row = life.pick(life.rows("SO_HDR"))
    if row is None:
        return None
    number = row["ORD_NR"]
    found = [one["id"] for one in life.plan.records("work-orders") if one["order_number"] == number]
    ours = [one["id"] for one in life.plan.records("work-orders") if reference("order", one["id"]) == row["EXT_ID"]]
    return life.remove_row("SO_HDR", number, *found, *ours)


@edit(1)
def remove_work_order(life: Life) -> str | None:
    busy = {one["work_order_id"] for one in life.plan.records("hours")}
    one = life.pick([one for one in life.orders() if one["id"] not in busy])
    if one is None or life.lines_rest:
        return None
    life.plan.remove("work-orders", one["id"])
    life.remade.add(one["order_number"])
    return f"{one['order_number']} deleted in Crafter"


# the life of a work order


@edit(6)
def check_work_order(life: Life) -> str | None:
    one = life.pick(life.orders("open", "planned", "completed"))
    if one is None or life.lines_rest:
        return None
    lines = [{**line, "checked": line["checked"] or life.rng.random() < 0.8} for line in one["lines"]]
    life.plan.edit("work-orders", one["id"], status="checked", lines=[*lines, *_some_lines(life, True)])
    return str(one["order_number"])


@edit(4)
def change_lines(life: Life) -> str | None:
    one = life.pick([one for one in life.orders("checked", "completed") if one["lines"]])
    if one is None or life.lines_rest:
        return None
    lines = one["lines"]
    line = life.rng.choice(lines)
    what = life.rng.choice(("quantity", "untick", "tick", "add", "drop"))
    if what == "quantity":
        line["quantity"] = life.rng.choice(QUANTITIES)
    elif what in ("untick", "tick"):
        line["checked"] = what == "tick"
    elif what == "drop":
        lines.remove(line)
    else:
        lines += _some_lines(life, True)
    life.plan.edit("work-orders", one["id"], lines=lines)
    return f"{one['order_number']} {what}"


@edit(2)
def new_line_ids(life: Life) -> str | None:
    """Crafter gives the lines of a work order new ids, as some do with every save."""
    found = [one for one in life.orders("checked", "completed") if one["lines"]]
    one = life.pick([one for one in found if life.struck.isdisjoint(line["id"] for line in one["lines"])])
    if one is None or life.lines_rest:
        return None
    lines = [{name: value for name, value in line.items() if name != "id"} for line in one["lines"]]
    life.plan.edit("work-orders", one["id"], lines=lines)
    return str(one["order_number"])


@edit(3)
def uncheck(life: Life) -> str | None:
    one = life.pick(life.orders("checked"))
    if one is None or life.lines_rest:
        return None
    life.plan.edit("work-orders", one["id"], status="completed")
    return str(one["order_number"])


@edit(2)
def plan_or_cancel(life: Life) -> str | None:
    one = life.pick(life.orders("open", "planned"))
    if one is None or life.lines_rest:
        return None
    status = life.rng.choice(("planned", "completed", "planned", "cancelled"))
    life.plan.edit("work-orders", one["id"], status=status)
    return f"{one['order_number']} {status}"


# hours


@edit(10)
def new_hours(life: Life) -> str | None:
    users = [
        one for one in life.records("users") if one["unique_code"] and life.books.row("EMPLOYEE", one["unique_code"])
    ]
    if not users or not life.exports("hours"):
        return None
    project = life.pick(life.linked_projects())
    good = {one["id"] for one in life.linked_projects()}
    job = life.pick([one for one in life.orders() if one["project_id"] in good])
    where: Row = {"project_id": project["id"]} if project and life.rng.random() < 0.6 else {}
    where = where or ({"work_order_id": job["id"]} if job else {})
    line = {"user_id": life.rng.choice(users)["id"], "kind": life.rng.choice(("work", "work", "travel")),
            "date": life.day(-life.rng.randint(0, 20)), "hours": life.rng.choice(HOURS), **where}  # fmt: skip
    found = [life.plan.add("hours", **line)]
    if life.rng.random() < 0.1:  # the same work twice on one day
        found.append(life.plan.add("hours", **line))
    return f"{found} {line['hours']}"


@edit(4)
def correct_hours(life: Life) -> str | None:
    closed = {one["id"] for one in life.plan.records("projects")} - {one["id"] for one in life.linked_projects()}
    one = life.pick([one for one in life.records("hours") if one["project_id"] not in closed])
    if one is None or (life.lines_rest and not life.box.options.ext_id):
        return None
    change = life.rng.choice((
        {"hours": life.rng.choice(HOURS)}, {"date": life.day(-life.rng.randint(0, 9))},
        {"kind": "travel" if one["kind"] == "work" else "work"},
    ))  # fmt: skip
    life.plan.edit("hours", one["id"], **change)
    return f"{one['id']} {change}"


@edit(1)
def remove_hours(life: Life) -> str | None:
    one = life.pick(life.records("hours"))
    if one is None:
        return None
    life.plan.remove("hours", one["id"])
    return f"{one['id']} deleted in Crafter"


@edit(2)
def enter_hours_again(life: Life) -> str | None:
    """Somebody deletes a line and enters it anew, mostly with other hours."""
    closed = {one["id"] for one in life.plan.records("projects")} - {one["id"] for one in life.linked_projects()}
    one = life.pick([one for one in life.records("hours") if one["project_id"] and one["project_id"] not in closed])
    if one is None or (life.lines_rest and not life.box.options.ext_id):
        return None
    life.plan.remove("hours", one["id"])
    same = {name: one[name] for name in ("user_id", "project_id", "work_order_id", "kind", "date")}
    return f"{one['id']} as {life.plan.add('hours', **same, hours=life.rng.choice(HOURS))}"


@edit(2)
def project_later(life: Life) -> str | None:
    """A work order gets its project after hours were worked on it."""
    orders = {row["EXT_ID"] for row in life.books.rows("SO_HDR")}
    jobs = {one["work_order_id"] for one in life.records("hours")}
    mine = [one for one in life.orders() if one["id"] in jobs and reference("order", one["id"]) in orders]
    one, project = life.pick(mine), life.pick(life.linked_projects())
    if one is None or project is None or not life.exports("orders"):
        return None
    life.plan.edit("work-orders", one["id"], project_id=project["id"])
    return f"{one['order_number']} on {project['project_code']}"


@edit(1)
def remove_booked_hours(life: Life) -> str | None:
    marks = {reference("hour", one["id"]): one["id"] for one in life.plan.records("hours")}
    row = life.pick([row for row in life.rows("HRS_LINE") if row["EXT_ID"] in marks])
    if row is None:
        return None
    return life.remove_row("HRS_LINE", row["REC_ID"], marks[row["EXT_ID"]])


def booked(life: Life) -> Decimal:
    """The hours of Crafter's live lines as they stand in AccountView."""
    marks = {reference("hour", one["id"]) for one in life.plan.records("hours")}
    return sum((row["HRS_QTY"] for row in life.books.rows("HRS_LINE") if row["EXT_ID"] in marks), Decimal(0))
