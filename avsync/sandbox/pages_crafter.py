"""Crafter as the pages see it, in the words of its users: klant, werkbon, uren, tijdlijn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avsync.sandbox.crafter_fields import ENTITIES, RESOURCES, Field
from avsync.sandbox.crafter_store import CrafterStore
from avsync.sandbox.pages_parts import MANY, Cell, Input, Part, Place, Row, dutch

PLACES = {
    "work-orders": "Werkbonnen",
    "customers": "Klanten",
    "work-locations": "Werklocaties",
    "contacts": "Contactpersonen",
    "projects": "Projecten",
    "hours": "Uren",
    "users": "Gebruikers",
    "project-types": "Projecttypen",
    "work-types": "Typen werkzaamheid",
    "timeline": "Tijdlijn",
}
LABELS = {
    "customer_number": "Klantnummer",
    "name": "Naam",
    "phone": "Telefoon",
    "email": "E-mail",
    "external_ref": "Externe referentie",
    "customer_id": "Klant",
    "street": "Straat en huisnummer",
    "postal_code": "Postcode",
    "city": "Plaats",
    "country": "Land",
    "is_main": "Hoofdlocatie",
    "salutation": "Aanhef",
    "first_name": "Voornaam",
    "last_name": "Achternaam",
    "mobile": "Mobiel",
    "code": "Code",
    "project_code": "Projectcode",
    "description": "Omschrijving",
    "project_type_id": "Projecttype",
    "start_date": "Begindatum",
    "end_date": "Einddatum",
    "responsible_user_id": "Verantwoordelijke",
    "unique_code": "Unieke code",
    "active": "Actief",
    "number": "Werkbon",
    "order_number": "Ordernummer",
    "project_id": "Project",
    "work_type_id": "Type werkzaamheid",
    "target_date": "Richtdatum",
    "status": "Status",
    "user_id": "Medewerker",
    "work_order_id": "Werkbon",
    "kind": "Soort",
    "date": "Datum",
    "hours": "Uren",
    "entity": "Bij",
    "entity_id": "Record",
    "message": "Bericht",
    "dedupe_key": "Sleutel",
    "resolved": "Opgelost",
    "updated_at": "Gewijzigd",
}
WORDS = {
    "open": "Open",
    "planned": "Gepland",
    "completed": "Voltooid",
    "checked": "Gecontroleerd",
    "cancelled": "Geannuleerd",
    "work": "Werktijd",
    "travel": "Reistijd",
    "error": "Fout",
    "info": "Melding",
    "customer": "Klant",
    "project": "Project",
    "work_order": "Werkbon",
    "hour": "Uren",
}
COLUMNS = {
    "work-orders": ("number", "status", "order_number", "customer_id", "description", "target_date", "work_type_id"),
    "customers": ("name", "customer_number", "phone", "email", "updated_at"),
    "work-locations": ("street", "postal_code", "city", "customer_id", "is_main"),
    "contacts": ("last_name", "first_name", "customer_id", "email", "mobile"),
    "projects": ("project_code", "name", "customer_id", "project_type_id", "start_date", "end_date"),
    "hours": ("date", "user_id", "kind", "hours", "work_order_id", "project_id"),
    "users": ("name", "unique_code", "email", "active"),
    "timeline": ("kind", "message", "entity", "resolved", "updated_at"),
}
BELONGING = {
    "customers": (("work-locations", "customer_id"), ("contacts", "customer_id"), ("work-orders", "customer_id")),
    "projects": (("work-orders", "project_id"), ("hours", "project_id")),
    "work-orders": (("hours", "work_order_id"),),
    "users": (("hours", "user_id"),),
}
CAPTION = (
    *("project_code", "number", "customer_number", "code", "name", "street"),
    *("first_name", "last_name", "city", "description"),
)
LINE = ("article_number", "description", "quantity")
EXTRA_LINES = 3


class Planning:
    """Crafter's records; a save goes through the store as a person's work."""

    title = "Crafter"
    theme = "planning"
    dates = frozenset({"target_date", "start_date", "end_date", "date", "updated_at"})

    def __init__(self, store: CrafterStore) -> None:
        self.store = store

    def places(self) -> list[Place]:
        return [Place(name, label, self.store.count(name)) for name, label in PLACES.items()]

    def label(self, place: str) -> str:
        return PLACES[place]

    def columns(self, place: str) -> list[tuple[str, str]]:
        names = COLUMNS.get(place) or tuple(field.name for field in RESOURCES[place].fields)
        return [(name, LABELS[name]) for name in names]

    def inputs(self, place: str, new: bool) -> list[Input]:
        return [self._input(field) for field in RESOURCES[place].fields if field.kind != "lines"]

    def blank(self, place: str) -> Row:
        return {field.name: field.default for field in RESOURCES[place].fields} | {"lines": []}

    def rows(self, place: str) -> list[Row]:
        """The newest change first."""
        return self.store.records(place)[::-1]

    def find(self, place: str, key: str) -> Row | None:
        return self.store.record(place, key)

    def key(self, place: str, row: Row) -> str:
        return str(row["id"])

    def caption(self, place: str, row: Row) -> str:
        if place == "hours":
            return f"{dutch(row['date'])} {WORDS.get(row['kind'], row['kind'])} {row['hours']}"
        if place == "timeline":
            return str(row["message"])
        names = (
            "project_code",
            "number",
            "customer_number",
            "code",
            "name",
            "street",
            "first_name",
            "last_name",
            "city",
        )
        found = [str(row[name]) for name in names if row.get(name)]
        return " ".join(found[:2]) or PLACES[place]

    def show(self, place: str, row: Row, name: str) -> Cell:
        value = row[name]
        if name == self.columns(place)[0][0]:
            return Cell(WORDS.get(str(value), dutch(value)) or "(leeg)", (place, str(row["id"])))
        field = RESOURCES[place].field(name)
        if field is not None and field.kind == "ref":
            return self._linked(field.refers, value)
        if name == "status":
            return Cell(WORDS.get(str(value), str(value)), mark=f"status {value}")
        return Cell(WORDS.get(str(value), str(value)) if name in ("kind", "entity") else dutch(value))

    def value(self, place: str, row: Row, name: str) -> str:
        """A value as it stands in the form."""
        value = row.get(name)
        return "1" if value is True else "" if value in (None, False) else str(value)

    def save(self, place: str, row: Row | None, form: dict[str, str]) -> str:
        """Only what the person changed goes to the store; the lines of a work order as a whole."""
        changed: dict[str, Any] = {}
        for given in self.inputs(place, row is None):
            entered = form.get(given.name, "").replace("\r\n", "\n").strip()
            if given.required and not entered:
                raise ValueError(f"{given.label} is verplicht.")
            before = self.value(place, row, given.name).replace("\r\n", "\n") if row else None
            if not given.read_only and entered != before:
                changed[given.name] = bool(entered) if given.kind == "yesno" else entered or None
        if place == "work-orders":
            lines = _lines(form, row["lines"] if row else [])
            changed |= {} if row and lines == row["lines"] else {"lines": lines}
        if row is None:
            return self.store.add(place, **changed)
        if changed:
            self.store.edit(place, row["id"], **changed)
        return str(row["id"])

    def remove(self, place: str, key: str) -> None:
        self.store.remove(place, key)

    def parts(self, place: str, row: Row) -> list[Part]:
        found = []
        for other, column in BELONGING.get(place, ()):
            rows = [record for record in self.rows(other) if record[column] == row["id"]]
            found.append(Part(PLACES[other], other, rows, {column: row["id"]}))
        return found

    def timeline(self, place: str, row: Row) -> list[Row] | None:
        """The entries of this record, the newest first; None when this kind of record has no tijdlijn."""
        entity = next((entity for entity, resource in ENTITIES.items() if resource == place), None)
        if entity is None:
            return None
        own = [entry for entry in self.store.timeline if (entry["entity"], entry["entity_id"]) == (entity, row["id"])]
        return own[::-1]

    def news(self) -> list[Row]:
        """The open errors of all tijdlijnen, the newest first, each with the record it is about."""
        found = []
        for entry in self.rows("timeline"):
            place = ENTITIES.get(entry["entity"], "")
            about = self.store.record(place, entry["entity_id"]) if place else None
            if about and entry["kind"] == "error" and not entry["resolved"]:
                found.append({"message": entry["message"], "place": place, "key": about["id"]})
                found[-1]["about"] = f"{WORDS[entry['entity']]} {self.caption(place, about)}"
        return found

    def _linked(self, place: str, value: Any) -> Cell:
        other = self.store.record(place, str(value)) if value else None
        if other is None:
            return Cell("(verwijderd)" if value else "", mark="bad" if value else "")
        return Cell(self.caption(place, other), (place, other["id"]))

    def _input(self, field: Field) -> Input:
        label = LABELS[field.name]
        if field.kind == "bool":
            return Input(field.name, label, "yesno")
        if field.kind == "enum":
            choices = tuple((value, WORDS[value]) for value in field.values)
            return Input(field.name, label, "choice", choices, field.required)
        if field.kind == "ref" and self.store.count(field.refers) <= MANY:
            rows = sorted(self.store.records(field.refers), key=lambda row: self.caption(field.refers, row).casefold())
            choices = tuple((row["id"], self.caption(field.refers, row)) for row in rows)
            return Input(field.name, label, "choice", choices, field.required)
        kind = "long" if field.name in ("description", "message") else "text"
        return Input(field.name, label, kind, (), field.required, not field.writable)


def _lines(form: Mapping[str, str], before: list[Row]) -> list[Row]:
    """The lines as the form has them: emptied lines go, filled empty ones are added."""
    lines = []
    for place in range(len(before) + EXTRA_LINES):
        old = before[place] if place < len(before) else {}
        entered = {name: form.get(f"line-{place}-{name}", "").strip() for name in LINE}
        if any(entered[name] for name in ("article_number", "description")):
            ticked = {"checked": f"line-{place}-checked" in form}
            values = {"article_number": entered["article_number"] or None, "quantity": entered["quantity"] or "1"}
            lines.append({**old, **entered, **values, **ticked})
    return lines
