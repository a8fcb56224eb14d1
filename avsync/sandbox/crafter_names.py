"""Crafter under other names, as somebody else might have built it: Dutch paths and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EVERY = {"created_at": "aangemaakt_op", "updated_at": "gewijzigd_op", "deleted_at": "verwijderd_op"}

OTHER: Mapping[str, Mapping[str, Any]] = {
    "customers": {"path": "klanten", "fields": {
        **_EVERY, "customer_number": "klantnummer", "name": "bedrijfsnaam", "phone": "telefoon",
        "external_ref": "external_id",
    }},
    "work-locations": {"path": "werklocaties", "fields": {
        "customer_id": "klant_id", "street": "straat", "postal_code": "postcode", "city": "plaats",
        "is_main": "hoofdlocatie",
    }},
    "users": {"path": "gebruikers", "fields": {"unique_code": "unieke_code", "active": "actief"}},
    "work-orders": {"path": "werkbonnen", "fields": {
        "order_number": "ordernummer", "customer_id": "klantId", "target_date": "richtdatum",
        "description": "omschrijving", "lines": "regels", "lines.article_number": "artikelnummer",
        "lines.quantity": "aantal", "lines.checked": "aangevinkt",
    }},
    "hours": {"path": "uren", "fields": {
        "user_id": "gebruiker_id", "date": "datum", "hours": "aantal_uren", "kind": "soort",
    }},
    "timeline": {"path": "tijdlijn"},
}  # fmt: skip
KINDS = {"customers": "customer", "work-locations": "location", "contacts": "contact", "project-types": "project_type",
         "projects": "project", "users": "user", "work-types": "work_type", "work-orders": "order", "hours": "hour",
         "timeline": "timeline"}  # fmt: skip


def overrides(names: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The `crafter.schema` of a config that fits the sandbox with these names."""
    return {
        KINDS[resource]: {key: f"/{part}" if key == "path" else dict(part) for key, part in parts.items()}
        for resource, parts in names.items()
    }
