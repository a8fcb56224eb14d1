"""`python -m avsync.sandbox`: both services with made-up data, until it is told to stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import yaml

try:
    from avsync.sandbox import crafter_names, seed
    from avsync.sandbox.accountview import installation
    from avsync.sandbox.accountview.installation import Installation
    from avsync.sandbox.accountview.names import overrides
    from avsync.sandbox.server import Sandbox, World
except ModuleNotFoundError as lacking:
    if (lacking.name or "").partition(".")[0] not in ("flask", "waitress", "werkzeug"):
        raise
    print("The sandbox needs some further packages: pip install 'avsync[sandbox]'", file=sys.stderr)
    sys.exit(2)

_SIZES = ("customers", "projects", "orders", "work_orders", "hours")
REDIRECT_URI = "http://localhost:8765/callback"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m avsync.sandbox", description=__doc__)
    parser.add_argument("--accountview-port", type=int, default=8801, help="0 = any free port (default %(default)s)")
    parser.add_argument("--crafter-port", type=int, default=8802, help="0 = any free port (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another number, other made-up data")
    for size in _SIZES:
        parser.add_argument(f"--{size.replace('_', '-')}", type=int, metavar="N", help=f"how many {size}")
    parser.add_argument("--empty", action="store_true", help="start without any data")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="milliseconds for every request")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a fault script, YAML or JSON")
    parser.add_argument("--names", choices=["default", "other"], default="default", help="AccountView's names")
    parser.add_argument("--like", metavar="FILE", help="play a recorded installation; also: small, elsewhere, contract")
    parser.add_argument("--crafter-names", choices=["default", "other"], default="default", help="Crafter's names")
    parser.add_argument("--token-lifetime", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--write-config", type=Path, metavar="PATH", help="write an avsync config for this sandbox")
    return parser


def _world(arguments: argparse.Namespace) -> World | None:
    if arguments.empty:
        return None
    sizes = {size: getattr(arguments, size) for size in _SIZES if getattr(arguments, size) is not None}
    return seed.world(seed=arguments.seed, **sizes)


def write_config(box: Sandbox, path: Path) -> None:
    """Write an avsync config that fits the sandbox, its two secrets and its state beside it."""
    folder = path.resolve().parent
    secrets = {"accountview.secret": box.client_secret, "crafter.key": box.api_key}
    for name, secret in secrets.items():
        _write_private(folder / name, secret)
    config: dict[str, Any] = {
        "language": "nl",
        "company": box.company,
        "start_date": date.fromisoformat(f"{box.accountview.now().year}-01-01"),
        "flows": flows_of(box.options.like),
        "time_codes": {"work": "100", "travel": "200"},
        "state_dir": str(folder / "state"),
        "accountview": {
            "base_url": box.accountview_url,
            "authorize_url": box.authorize_url,
            "client_id": box.client_id,
            "client_secret": {"file": str(folder / "accountview.secret")},
            "redirect_uri": REDIRECT_URI,
            "debtor_account": box.options.ledger_accounts[0],
            "schema": overrides(box.options.names),
        },
        "crafter": {
            "base_url": box.crafter_url,
            "api_key": {"file": str(folder / "crafter.key")},
            "schema": crafter_names.overrides(box.crafter.ugly.names),
        },
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def flows_of(like: Installation | None) -> dict[str, str]:
    """All flows, or those that a recorded installation has the tables for."""
    flows = {"customers": "both", "projects": "import", "orders": "export", "invoice": "export", "hours": "export"}
    needs = {
        "projects": ("project", "project_type"),
        "orders": ("order",),
        "invoice": ("order_line",),
        "hours": ("hour",),
    }
    there = set(like.parts) if like else {kind for kinds in needs.values() for kind in kinds}
    return flows | {flow: "off" for flow, kinds in needs.items() if not there.issuperset(kinds)}


def _write_private(path: Path, secret: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")


def main() -> None:
    """Run the sandbox until SIGTERM or SIGINT."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        like = installation.load(arguments.like) if arguments.like else None
    except ValueError as error:
        parser.error(str(error))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    box = Sandbox(
        _world(arguments),
        latency=arguments.latency / 1000,
        accountview_port=arguments.accountview_port,
        crafter_port=arguments.crafter_port,
        names=arguments.names,
        like=like,
        token_lifetime=arguments.token_lifetime,
    )
    if arguments.crafter_names == "other":
        box.crafter.ugly.names = crafter_names.OTHER
    if arguments.faults:
        box.faults.load(arguments.faults)
    with box:
        if arguments.write_config:
            write_config(box, arguments.write_config)
        print(f"AccountView  {box.home('accountview')}/", flush=True)
        print(f"Crafter      {box.home('crafter')}/", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
