"""Makes the rows of a seeded world: AccountView's books and Crafter's planning, drawn from one random source."""

from __future__ import annotations

import random
import uuid
from datetime import date, datetime, timedelta
from typing import Any

from avsync.sandbox import seed_bad, seed_names
from avsync.sandbox.seed_customers import Customer, customer, klant, locations

Row = tuple[str, dict[str, Any]]
STATUSES = ("open", "planned", "completed", "checked", "checked", "cancelled")
OLD = 400  # days; before the start date of the example config


class Maker:
    """Makes the world bit by bit; every part draws from one random source, in a fixed order."""

    def __init__(self, seed: int, today: date) -> None:
        self.accountview: list[Row] = []
        self.crafter: list[Row] = []
        self.spoil: list[tuple[str, str, dict[str, Any]]] = []
        self.seed = seed
        self.today = today
        self.rng = random.Random(seed)
        self.owners: list[Customer] = []
        self.met: list[Customer] = []
        self.open_projects: list[dict[str, Any]] = []
        self.sales: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []

    # small things

    def id(self, kind: str, name: object) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seed}/{kind}/{name}"))

    def day(self, ago: int) -> str:
        return (self.today - timedelta(days=ago)).isoformat()

    def moment(self, ago: int) -> str:
        """A local moment in working hours, as AccountView keeps it."""
        at = timedelta(seconds=self.rng.randrange(7 * 3600, 17 * 3600))
        return (datetime.combine(self.today, datetime.min.time()) - timedelta(days=ago) + at).isoformat()

    def recent(self, days: int) -> int:
        return self.rng.randint(1, days)

    def book(self, table: str, **columns: Any) -> None:
        self.accountview.append((table, columns))

    def plan(self, resource: str, ago: int, **fields: Any) -> None:
        made = f"{self.moment(ago)}.{self.rng.randrange(1_000_000):06d}Z"
        self.crafter.append((resource, {"created_at": made, "updated_at": made} | fields))

    # the parts

    def lists(self) -> None:
        """What both sides need before anything else: types, employees, articles, time codes, users, work types."""
        for code, name in seed_names.PROJECT_TYPES:
            self.book("PRO_TYPE", PT_CODE=code, PT_DESC=name)
            self.plan("project-types", 290, id=self.id("type", code), code=code, name=name)
        for code, name in seed_names.TIME_CODES:
            self.book("HRS_CODE", HRS_CODE=code, HRS_DESC=name)
        for code, name, price in seed_names.ARTICLES:
            self.book("ARTICLE", ART_CODE=code, ART_DESC1=name, PRICE=price, CNG_DATE=self.moment(self.recent(300)))
        for code, name in seed_names.EMPLOYEES:
            email = f"{name.split()[0].lower()}.{code.lower()}@dekraan.example"
            self.book("EMPLOYEE", EMP_NR=code, EMP_NAME=name)
            self.plan("users", 290, id=self.id("user", code), name=name, email=email, unique_code=code)
        self.plan("users", 290, id=self.id("user", "planner"), name="Wilma (planning)", email=None, unique_code=None)
        for code, name in seed_names.WORK_TYPES:
            self.plan("work-types", 290, id=self.id("work type", code), code=code, name=name)

    def customers(self, count: int) -> None:
        taken: set[str] = set()
        for number in range(count):
            made = customer(self.rng, number, taken)
            changed = self.moment(self.recent(300))
            self.owners.append(made)
            self.book("CONTACT", **made.columns, CNG_DATE=changed, INP_DATE=changed)
            for contact in made.contacts:
                self.book("ASC_PP", **contact, CNG_DATE=self.moment(self.recent(300)))

    def projects(self, count: int) -> None:
        for number in range(count if self.owners else 0):
            owner = self.rng.choice(self.owners)
            closed = number % 4 == 3
            begun = self.recent(250) + (40 if closed else 0)
            ends = self.day(self.rng.randint(5, 35)) if closed else self.rng.choice(["", self.day(-self.recent(200))])
            columns = {
                "PROJ_CODE": f"P26-{number + 1:03d}",
                "PROJ_DESC": f"{self.rng.choice(seed_names.PROJECT_WORK)} fase {number % 3 + 1}",
                "SUB_NR": owner.number,
                "BEG_DATE": self.day(begun),
                "END_DATE": ends,
                "PRO_STAT": "90" if closed else "10",
                "PRO_TYPE": self.rng.choice(seed_names.PROJECT_TYPES)[0],
                "EMP_NR": self.rng.choice(seed_names.EMPLOYEES)[0],
                "COMMENT1": self.rng.choice(seed_names.REMARKS),
            }
            self.book("PROJECTS", **columns, CNG_DATE=self.moment(self.recent(begun)))
            if not closed:
                self.open_projects.append(columns)

    def meet(self, count: int, users: int) -> None:
        """Put into Crafter what its work orders and hours need: a third of the open projects, and customers."""
        if not users or not self.owners:
            return
        self.open_projects = self.open_projects[: -(-len(self.open_projects) // 3)]
        needed = {project["SUB_NR"] for project in self.open_projects}
        picked = {owner.number for owner in self.rng.sample(self.owners, min(count, len(self.owners)))}
        self.met = [owner for owner in self.owners if owner.number in needed | picked]
        for owner in self.met:
            found = self.id("customer", owner.number)
            self.plan("customers", 280, id=found, customer_number=owner.number, **klant(owner))
            if self.rng.random() < 0.7:
                self._locations(owner, found)
        for project in self.open_projects:
            code = project["PROJ_CODE"]
            self.plan(
                "projects",
                200,
                id=self.id("project", code),
                project_code=code,
                name=project["PROJ_DESC"],
                customer_id=self.id("customer", project["SUB_NR"]),
                project_type_id=self.id("type", project["PRO_TYPE"]),
                start_date=project["BEG_DATE"],
            )

    def _locations(self, owner: Customer, found: str) -> None:
        for number, place in enumerate(locations(owner)):
            named = self.id("location", f"{owner.number}/{number}")
            self.plan("work-locations", 280, id=named, customer_id=found, is_main=number == 0, **place)

    def orders(self, count: int) -> None:
        for number in range(count if self.owners else 0):
            owner = self.rng.choice(self.met or self.owners)
            ordered = self.recent(80)
            columns = {
                "ORD_NR": f"26{number + 1:06d}",
                "RPL_DEL": owner.number,
                "RPL_INV": owner.number,
                "ORD_DATE": self.day(ordered),
                "DEL_DATE": self.day(ordered - self.rng.randint(7, 60)),
                "COMMENT1": self.rng.choice(seed_names.JOBS),
                "COMMENT2": self.rng.choice(seed_names.WORK_TYPES)[1],
            }
            self.sales.append(columns)
            self.book("SO_HDR", **columns, CNG_DATE=self.moment(self.recent(ordered)))
            for code, _, price in self.rng.sample(seed_names.ARTICLES, self.rng.randint(1, 4)):
                quantity = self.rng.choice(["1", "2", "2.5", "12"])
                self.book("SO_LINE", ORD_NR=columns["ORD_NR"], ART_CODE=code, ORD_QTY=quantity, ART_PX=price)

    def work_orders(self, count: int, linked: int) -> None:
        for number in range(count if self.met else 0):
            job = self._job(number)
            if number < linked:
                self._belongs_to(job, self.sales[number])
            made = OLD if number % 20 == 19 else self.recent(60)
            self.plan("work-orders", made, **job)
            if job["status"] != "cancelled" and made != OLD:
                self.jobs.append(job)

    def _job(self, number: int) -> dict[str, Any]:
        project = self.rng.choice(self.open_projects) if self.open_projects and self.rng.random() < 0.4 else None
        owner = project["SUB_NR"] if project else self.rng.choice(self.met).number
        status = STATUSES[number % len(STATUSES)]
        return {
            "id": self.id("work order", number),
            "customer_id": self.id("customer", owner),
            "project_id": self.id("project", project["PROJ_CODE"]) if project else None,
            "work_type_id": self.id("work type", self.rng.choice(seed_names.WORK_TYPES)[0]),
            "description": self.rng.choice(seed_names.JOBS),
            "target_date": self.day(-self.rng.randint(-20, 40)),
            "status": status,
            "lines": self._lines(number, status),
        }

    def _belongs_to(self, job: dict[str, Any], sale: dict[str, Any]) -> None:
        kinds = {name: code for code, name in seed_names.WORK_TYPES}
        job |= {
            "order_number": sale["ORD_NR"],
            "customer_id": self.id("customer", sale["RPL_DEL"]),
            "project_id": None,
            "work_type_id": self.id("work type", kinds[sale["COMMENT2"]]),
            "description": sale["COMMENT1"],
            "target_date": sale["DEL_DATE"],
        }

    def _lines(self, number: int, status: str) -> list[dict[str, Any]]:
        done = status in ("completed", "checked")
        lines = []
        for place, (code, name, _) in enumerate(self.rng.sample(seed_names.ARTICLES, self.rng.randint(1, 4))):
            ticked = done and (place == 0 or self.rng.random() < 0.7)
            quantity = self.rng.choice(["1", "1", "2", "0.5", "6.25"])
            found = self.id("line", f"{number}/{place}")
            line = {"id": found, "article_number": code, "description": name, "quantity": quantity, "checked": ticked}
            lines.append(line)
        if number % 5 == 4:
            free = {"article_number": None, "description": "Klein materiaal (vrije regel)", "quantity": "1"}
            lines.append({"id": self.id("line", f"{number}/free"), "checked": False} | free)
        return lines

    def hours(self, count: int) -> None:
        last: dict[str, Any] = {}
        for number in range(count):
            old = number % 30 == 29
            travel = number % 4 == 3
            line = self._hour(number, travel)
            line["date"] = self.day(OLD if old else self.recent(60))
            if number % 25 == 24:  # the same work twice on one day: two lines, not one
                line = last
            last = line
            self.plan("hours", OLD if old else 1, id=self.id("hour", number), **line)

    def _hour(self, number: int, travel: bool) -> dict[str, Any]:
        """By turns on a work order alone, on a work order and its project, on a project alone."""
        job = self.rng.choice(self.jobs) if self.jobs and number % 3 != 2 else None
        project_id = job["project_id"] if job and number % 3 == 1 else None
        if self.open_projects and number % 3 == 2:
            project_id = self.id("project", self.rng.choice(self.open_projects)["PROJ_CODE"])
        quantities = ["0.25", "0.50", "0.75"] if travel else ["0.25", "1.00", "2.50", "4.00", "7.75", "8.00"]
        return {
            "user_id": self.id("user", self.rng.choice(seed_names.EMPLOYEES)[0]),
            "work_order_id": job["id"] if job else None,
            "project_id": project_id,
            "kind": "travel" if travel else "work",
            "hours": self.rng.choice(quantities),
        }

    def strangers(self, count: int) -> None:
        """Customers without a number in Crafter: new ones, and one that AccountView has under the same name."""
        taken = {owner.name.casefold() for owner in self.owners}
        new = [customer(self.rng, len(self.owners) + number, taken, "visiting") for number in range(count)]
        met = {owner.number for owner in self.met}
        known = [owner for owner in self.owners if owner.number not in met and "POST_CODE" in owner.columns]
        for owner in [*new, *known[: min(1, count)]]:
            found = self.id("stranger", owner.number)
            name = owner.name if owner in new else owner.name.upper()
            self.plan("customers", self.recent(30), id=found, **klant(owner) | {"name": name})
            self._locations(owner, found)

    def bad(self) -> None:
        books, plans = seed_bad.around()
        rows = seed_bad.table(self.today)
        for table, columns in books + [row for bad in rows for row in bad.accountview]:
            timed = table in ("CONTACT", "ASC_PP", "PROJECTS", "SO_HDR")
            self.book(table, **columns, **({"CNG_DATE": self.moment(self.recent(30))} if timed else {}))
        for resource, fields in plans + [row for bad in rows for row in bad.crafter]:
            self.plan(resource, self.recent(10), **fields)
        self.spoil += [spoilt for bad in rows for spoilt in bad.spoil]
