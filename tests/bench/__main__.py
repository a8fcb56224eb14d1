"""`python -m tests.bench [--small | --large] [--only NAME]`: measures and prints the table.

The sandbox runs in a process of its own, on the same cores as what is measured. Everything is a ratio against a floor
of plain code in the same run; absolute numbers are this machine's on this day.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tabulate import tabulate

from tests.bench import cases


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    links: list[int]
    customers: int
    hours: int
    passes: list[int]
    waiting: int
    companies: int
    times: int


SMALL = Sizes([1_000, 10_000], 200, 100, [3_000], 500, 10, 2)
USUAL = Sizes([1_000, 100_000], 2_000, 1_000, [10_000, 100_000], 5_000, 50, 3)
LARGE = Sizes([1_000, 100_000, 1_000_000], 2_000, 1_000, [10_000, 100_000, 300_000], 5_000, 200, 5)


_ASKED_FOR = ("loader",)  # installs something, so it is measured only when it is named


def _cases(size: Sizes) -> dict[str, Callable[[], Iterator[cases.Row]]]:
    return {
        "start": lambda: cases.start(2 * size.times),
        "quiet": lambda: cases.quiet(size.links, [0.02, 0.1], size.times),
        "changes": cases.changes,
        "customers": lambda: (
            row
            for latency in (0.01, 0.02, 0.1)
            for row in cases.first_import("books", "customers", size.customers, latency, size.times)
        ),
        "hours": lambda: cases.first_import("hours", "hours", size.hours, 0.01, size.times),
        "pace": lambda: cases.pace(size.customers, 0.02, size.times),
        "full": lambda: (row for rows in size.passes for row in cases.full_pass(rows, size.times)),
        "loader": lambda: cases.loader(size.passes[-1], size.times),
        "edits": lambda: cases.edits(62, 0.04, size.times),
        "problems": lambda: cases.problems(10_000, size.times),
        "companies": lambda: cases.companies(size.companies, 2 * size.times),
        "backlog": lambda: (
            row
            for world in ("backlog", "early_hours", "lost_orders")
            for row in cases.backlog(world, size.waiting, size.times)
        ),
        "year": lambda: cases.year(100_000, 200),
        "match": lambda: cases.match(size.waiting, size.times),
    }


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a minute instead of ten")
    parser.add_argument("--large", action="store_true", help="a million links too")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="one of: " + ", ".join(_cases(SMALL)),
    )
    arguments = parser.parse_args()
    size = SMALL if arguments.small else LARGE if arguments.large else USUAL
    rows: list[cases.Row] = []
    for name, case in _cases(size).items():
        if name in arguments.only if arguments.only else name not in _ASKED_FOR:
            for row in case():
                print(" | ".join(row), flush=True)
                rows.append(row)
    print(f"\n{os.cpu_count()} cores, shared by avsync (or its floor) and the sandbox; medians of interleaved runs\n")
    print(tabulate(rows, headers=["what", "avsync", "floor", "ratio", "target"], disable_numparse=True))


if __name__ == "__main__":
    main()
