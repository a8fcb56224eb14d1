"""`python -m avsync.conformance --crafter URL [--write]`: does this server do what avsync expects of Crafter?

It reads; with --write it also makes records (a customer, a project, a work order …), so only with a test account: the
contract knows no delete, and they stay. The API key comes from the environment or a file, never from the command line.

Exit: 0 all that could be tested agrees; 1 something differs, and the text says whether avsync copes; 2 it did not run.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avsync.conformance import names, reads, writes
from avsync.conformance.api import Api, Unreachable
from avsync.conformance.kit import Kit

SIGNS = {
    "breaks": "DIFFERS, and avsync cannot work with it", "borne": "differs, and avsync copes", "noted": "noted",
    "untested": "not tested", "agrees": "agrees",
}  # fmt: skip
KEY = "AVSYNC_CRAFTER_API_KEY"


def main(arguments: list[str] | None = None) -> int:
    """Run the kit and print what it found."""
    asked = _parser().parse_args(arguments)
    try:
        kit = Kit(Api(asked.crafter, _key(asked)))
        reads.run(kit)
        if asked.write:
            writes.run(kit)
    except Unreachable as error:
        print(f"{error}; the kit stopped.", file=sys.stderr)
        return 2
    print(json.dumps(_shape(kit), ensure_ascii=False, indent=2) if asked.json else _told(kit, asked))
    return 1 if any(one.verdict in ("breaks", "borne") for one in kit.findings) else 0


def _parser() -> argparse.ArgumentParser:
    head, _, more = str(__doc__).partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m avsync.conformance", description=head.partition(": ")[2], epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--crafter", required=True, metavar="URL", help="where the API is, such as https://…/api/v1")
    parser.add_argument("--write", action="store_true", help="also make and change records; only with a test account")
    parser.add_argument(
        "--key-env", default=KEY, metavar="NAME", help="variable with the API key (default %(default)s)"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="a file that holds only the API key")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="also what agrees, one by one")
    return parser


def _key(asked: argparse.Namespace) -> str:
    try:
        if asked.key_file:
            return str(asked.key_file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"the key in {asked.key_file} cannot be read ({error.__class__.__name__})") from None
    key = os.environ.get(asked.key_env, "").strip()
    if not key and sys.stdin.isatty():
        key = getpass.getpass("API key: ").strip()
    if not key:
        raise Unreachable(f"there is no API key: set {asked.key_env}, or give --key-file")
    if not (key.isascii() and key.isprintable()):
        raise Unreachable("the API key has characters that no header can hold")
    return key


def _shape(kit: Kit) -> dict[str, Any]:
    return {
        "account": kit.account,
        "requests": kit.api.requests,
        "findings": [asdict(one) for one in kit.findings],
        "schema": names.overrides(kit),
    }


def _told(kit: Kit, asked: argparse.Namespace) -> str:
    counts = Counter(one.verdict for one in kit.findings)
    how = "reading and writing" if asked.write else "reading only"
    lines = [f"{kit.api.base} ({kit.account or 'account without a name'}): {kit.api.requests} requests, {how}.", ""]
    for verdict in SIGNS:
        shown = [one for one in kit.findings if one.verdict == verdict]
        if verdict == "agrees" and not asked.verbose:
            topics = Counter(one.topic for one in shown)
            lines += [f"{SIGNS[verdict]}: " + ", ".join(f"{topic} ({count})" for topic, count in topics.items())]
            continue
        for one in shown:
            lines.append(f"{SIGNS[verdict]}: [{one.topic}] {one.expected}" + (f" — {one.found}" if one.found else ""))
    differ = f"{counts['borne'] + counts['breaks']} differ ({counts['breaks']} of them stop avsync)"
    told = f"{counts['agrees']} agree, {differ}, {counts['noted']} noted, {counts['untested']} could not be tested."
    lines += ["", told]
    block = list(names.block(kit))
    if block:
        lines += ["", "Other names: put this into avsync's config.", "", *block]
    if not asked.write:
        lines += ["", "With --write, and a test account, what only shows by writing is tried too."]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
