"""The world builder: puts records into both services as people would, and shows them as they stand there now.

`World(box)` works on a sandbox; an `Office` and a `Bench` are worlds too. Without names it is a small shop: `klant-1`
is 10001, `anja` and `bram` work there, `onderhoud` and `storing` are kinds of work.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

NAME = "Installatie Jansen"
VISITING = {"ADDRESS1": "Dorpsstraat 1", "POST_CODE": "6711 AB", "CITY": "Ede"}
POSTAL = {"PO_BOX": "Postbus 9", "PO_CODE": "6710 BA", "PO_CITY": "Ede"}
NOWHERE = dict.fromkeys((*VISITING, *POSTAL), "")
ADDRESSES = {"none": {}, "visiting": VISITING, "postal": POSTAL, "both": {**VISITING, **POSTAL}}
MADE = "2026-05-04T09:00:00.000000Z"
TIMED = {"target_date": "2026-12-01", "work_type_id": "onderhoud"}

Row = dict[str, Any]


def place(street: str = "Dorpsstraat 1", postal_code: str = "6711 AB", city: str = "Ede", **more: Any) -> Row:
    """A werklocatie."""
    return {"street": street, "postal_code": postal_code, "city": city, **more}


def line(
    name: str, article: str | None = "PUMP-1", quantity: str | None = "1", ticked: bool = True, **more: Any
) -> Row:
    """A line of a work order."""
    known = {"id": name, "article_number": article, "quantity": quantity, "checked": ticked}
    return {**known, "description": f"Regel {name}", **more}


class World:
    """Builds; what a method adds has an id or a number that it returns."""

    box: Any

    def __init__(self, box: Any) -> None:
        self.box = box

    def later(self, **span: float) -> None:
        """Time passes, by the clocks of both services (it is those that are believed: behaviour 51)."""
        books, planning, by = self.box.accountview.clock, self.box.crafter._clock, timedelta(**span)
        self.box.accountview.clock, self.box.crafter._clock = lambda: books() + by, lambda: planning() + by

    # what is there before anybody comes

    def lists(self) -> None:
        """What every world needs: types, employees, articles, time codes, kinds of work."""
        books, crafter = self.box.accountview, self.box.crafter
        books.add("PRO_TYPE", PT_CODE="ONDERHOUD", PT_DESC="Onderhoud")
        for number, identity, name in (("0101", "anja", "Anja Bos"), ("0102", "bram", "Bram Kok")):
            books.add("EMPLOYEE", EMP_NR=number, EMP_NAME=name)
            crafter.add("users", id=identity, name=name, unique_code=number)
        for article in ("PUMP-1", "PIPE-2", "VALVE-3"):
            books.add("ARTICLE", ART_CODE=article, ART_DESC1=article.title(), PRICE="12.50")
        for code, name in (("100", "Werk"), ("200", "Reis")):
            books.add("HRS_CODE", HRS_CODE=code, HRS_DESC=name)
        crafter.add("work-types", id="onderhoud", code="OND", name="Onderhoud")
        crafter.add("work-types", id="storing", code="STO", name="Storing & spoed")

    def shop(self) -> None:
        """Two customers and three projects, known on both sides."""
        self.lists()
        self.box.crafter.add("project-types", id="soort", code="ONDERHOUD", name="Onderhoud")
        for number, name in (("1", "Bakkerij Vos"), ("2", "Garage Smit")):
            street = f"Dorpsstraat {number}"
            self.debtor(f"1000{number}", ACCT_NAME=name, SRC_CODE=f"1000{number}", CNT_CODE="", ADDRESS1=street,
                        POST_CODE="8911 AB", CITY="Leeuwarden")  # fmt: skip
            there = place(street, "8911 AB", "Leeuwarden", id=f"plaats-{number}", is_main=True)
            self.new_klant(name, there, id=f"klant-{number}", customer_number=f"1000{number}")
        for number, owner in (("1", "1"), ("2", "1"), ("3", "2")):
            code, name = f"P{number}", f"Project P{number}"
            self.box.accountview.add(
                "PROJECTS", PROJ_CODE=code, PROJ_DESC=name, SUB_NR=f"1000{owner}", PRO_TYPE="ONDERHOUD"
            )
            self.box.crafter.add(
                "projects", id=f"project-{number}", project_type_id="soort", project_code=code, name=name,
                customer_id=f"klant-{owner}",
            )  # fmt: skip

    def known_customer(self) -> None:
        self.lists()
        self.customer()
        self.add_klant(customer_number="10001")

    def with_project(self) -> None:
        self.known_customer()
        self.project()

    def with_order(self) -> None:
        self.known_customer()
        self.work_order(**TIMED)

    def checked_order(self) -> None:
        self.with_order()
        self.change("wo-1", status="checked", lines=[line("l1"), line("l2", quantity="2")])

    # AccountView

    def debtor(self, number: str = "10001", **columns: Any) -> str:
        """A person adds a debtor."""
        known = {"ACCT_NAME": NAME, "SRC_CODE": "JANSEN", "ACCT_NR": "1300", "CNT_CODE": "NL"}
        return str(self.box.accountview.add("CONTACT", SUB_NR=number, **{**known, **columns}))

    def customer(self, number: str = "10001", name: str = "Bakkerij Jansen", **columns: Any) -> str:
        """A debtor with a visiting address."""
        return self.debtor(number, ACCT_NAME=name, **VISITING | columns)

    def books(self, number: str = "10001") -> Row:
        """The debtor as it stands in AccountView."""
        row = self.box.accountview.row("CONTACT", number)
        assert row is not None, number
        return dict(row)

    def in_books(self, number: str = "10001", **columns: Any) -> None:
        """A person changes a debtor."""
        self.box.accountview.edit("CONTACT", number, **columns)

    def person(self, code: str = "C1", number: str = "10001", **columns: Any) -> str:
        """A person adds a contact to a debtor."""
        known = {"PP_DEAR": "Beste Eva", "FRST_NAME": "Eva", "LAST_NAME": "de Wit", "MAIL_PRIV": "eva@jansen.example"}
        return str(self.box.accountview.add("ASC_PP", PP_CODE=code, SUB_NR=number, **{**known, **columns}))

    def project(self) -> None:
        self.box.accountview.add(
            "PROJECTS", PROJ_CODE="P1", PROJ_DESC="Ketelhuis", SUB_NR="10001", PRO_STAT="10", PRO_TYPE="ONDERHOUD",
            EMP_NR="0101", COMMENT1="Let op de hond", BEG_DATE="2026-02-01",
        )  # fmt: skip

    def sales_order(self, number: str = "", **columns: Any) -> str:
        """A sales order of 10001, of May 2026."""
        known = {"RPL_DEL": "10001", "RPL_INV": "10001", "ORD_DATE": "2026-05-04", "COMMENT1": f"Order {number}"}
        return str(self.box.accountview.add("SO_HDR", **{**known, "ORD_NR": number, **columns}))

    def order_of(self, name: str) -> Row:
        """The sales order whose number the work order shows."""
        row = self.box.accountview.row("SO_HDR", self.werkbon(name)["order_number"])
        assert row is not None
        return dict(row)

    def order_number(self) -> str:
        """The number of the first sales order."""
        return str(self.box.accountview.rows("SO_HDR")[0]["ORD_NR"])

    def standing(self, number: str) -> list[tuple[str, str]]:
        """(article, quantity) of the lines on a sales order, in the order in which they were added."""
        rows = [row for row in self.box.accountview.rows("SO_LINE") if row["ORD_NR"] == number]
        return [(row["ART_CODE"], f"{row['ORD_QTY'].normalize():f}") for row in rows]

    def booked(self) -> list[tuple[str, ...]]:
        """The hours lines: employee, project, time code, date, description, hours."""
        columns = ("EMP_NR", "PROJ_CODE", "HRS_CODE", "HRS_DATE", "HRS_DESC")
        rows = self.box.accountview.rows("HRS_LINE")
        return sorted((*(row[name] for name in columns), f"{row['HRS_QTY'].normalize():f}") for row in rows)

    # Crafter

    def new_klant(self, name: str = NAME, *places: Row, **fields: Any) -> str:
        """A planner adds a klant with its werklocaties, the first of them main."""
        identity = str(self.box.crafter.add("customers", name=name, **fields))
        for one in places:
            self.box.crafter.add("work-locations", customer_id=identity, **one)
        return identity

    def add_klant(self, identity: str = "klant-1", name: str = "Bakkerij Jansen", **fields: Any) -> str:
        """A klant under a known id, at the address of `customer`."""
        return self.new_klant(name, place(id=f"{identity}-loc", country="NL", is_main=True), id=identity, **fields)

    def klant(self, number: str = "10001") -> Row:
        """The one live klant with this number."""
        found = [record for record in self.box.crafter.records("customers") if record["customer_number"] == number]
        assert len(found) == 1, f"{len(found)} customers {number} in Crafter: {found}"
        return dict(found[0])

    def in_crafter(self, number: str = "10001", **fields: Any) -> None:
        """A planner changes a klant."""
        self.box.crafter.edit("customers", self.klant(number)["id"], **fields)

    def places(self, number: str = "10001") -> dict[str, Row]:
        """The werklocaties of a klant by street, with at most one main among them."""
        owner = self.klant(number)["id"]
        found = [record for record in self.box.crafter.records("work-locations") if record["customer_id"] == owner]
        assert sum(record["is_main"] for record in found) == (1 if found else 0), found
        assert len({record["street"] for record in found}) == len(found), found
        return {record["street"]: dict(record) for record in found}

    def main_street(self, number: str = "10001") -> str:
        """The street of the main location."""
        return next(street for street, record in self.places(number).items() if record["is_main"])

    def contact(self, code: str = "C1") -> Row:
        """The one live contactpersoon that this contact became."""
        found = [
            one for one in self.box.crafter.records("contacts") if one["external_ref"] == f"av:DEMO:contact:{code}"
        ]
        assert len(found) == 1, found
        return dict(found[0])

    def work_order(self, name: str = "wo-1", **fields: Any) -> str:
        """A work order of klant-1, made in May 2026 and changed just now; its id is its name."""
        known = {"customer_id": "klant-1", "description": f"Ketel {name}", "created_at": MADE}
        self.box.crafter.add("work-orders", id=name, **{**known, **fields})
        self.change(name)
        return name

    def change(self, name: str, **fields: Any) -> None:
        """A person changes a work order."""
        self.box.crafter.edit("work-orders", name, **fields)

    def werkbon(self, name: str) -> Row:
        """The work order as it stands in Crafter."""
        found = self.box.crafter.record("work-orders", name)
        assert found is not None
        return dict(found)

    def hour(self, name: str, **fields: Any) -> str:
        """A line of Anja's in the uren-menu; its id is its name."""
        known = {"user_id": "anja", "kind": "work", "date": "2026-06-01", "hours": "7.5"}
        return str(self.box.crafter.add("hours", id=name, **{**known, **fields}))

    def told(self, entity_id: str) -> list[str]:
        """What the timeline of an item says now."""
        entries = [one for one in self.box.crafter.timeline if one["entity_id"] == entity_id and not one["resolved"]]
        return [entry["message"] for entry in entries]
