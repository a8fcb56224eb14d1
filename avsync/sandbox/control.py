"""Endpoints by which another process steers a running sandbox: approve a login, repair the world, add faults, look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from avsync.sandbox import seed

if TYPE_CHECKING:
    from avsync.sandbox.server import Sandbox


def routes(box: Sandbox) -> Blueprint:
    """The control endpoints, under /_sandbox on both ports."""
    control = Blueprint("sandbox_control", __name__, url_prefix="/_sandbox")

    @control.post("/approve")
    def approve() -> tuple[dict[str, str], int]:
        asked = request.get_json()
        try:
            return {"redirect": box.approve(asked["url"], asked.get("decision", "approve"))}, 200
        except (KeyError, ValueError) as error:
            return {"error": str(error)}, 400

    @control.post("/repair")
    def repair() -> dict[str, bool]:
        seed.repair(box)
        return {"repaired": True}

    @control.post("/mistakes")
    def mistakes() -> dict[str, bool]:
        seed.mistakes(box)
        return {"made": True}

    @control.post("/faults")
    def faults() -> tuple[dict[str, Any], int]:
        rules = request.get_json()
        try:
            box.faults.clear()
            box.faults.extend(rules if isinstance(rules, list) else [rules])
        except (TypeError, ValueError) as error:
            return {"error": str(error)}, 400
        return {"rules": len(box.faults.rules)}, 200

    @control.get("/state")
    def state() -> Response:
        return Response(json.dumps(box.state(), default=str, ensure_ascii=False), mimetype="application/json")

    return control
