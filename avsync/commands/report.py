"""Tables and JSON for people and for programs: totals, plans, problems, status, checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from avsync import __version__
from avsync.config import FLOWS
from avsync.messages import texts as problems
from avsync.messages.texts import known, word

if TYPE_CHECKING:
    from avsync.state.problems import Problem
    from avsync.state.store import Store


def headings(names: Iterable[str], language: str) -> list[str]:
    """Column headings; some differ from the word itself (`id`, `name`)."""
    return [word(f"table_{name}" if known(f"table_{name}") else name, language) for name in names]


def totals_table(flows: Mapping[str, Mapping[str, int]], language: str) -> str:
    """What each flow did."""
    names = ("read", "created", "updated", "adopted", "unchanged", "waiting", "failed", "unknown")
    rows = [[word(flow, language), *(counts[name] for name in names)] for flow, counts in flows.items()]
    return tabulate(rows, headings(("flow", *names), language), tablefmt="simple")


def plan_table(rows: Sequence[Mapping[str, Any]], skipped: int, language: str) -> str:
    """What a run would do, per record: direction, action, fields, reason."""
    names = ("direction", "action", "what", "key", "name", "fields", "reason")
    body = [
        [word(row["direction"], language), word(row["action"], language), problems.kind_word(language, row["kind"]),
         row["key"], row["name"], _few(row["fields"]), _reason(row, language)]
        for row in rows
    ]  # fmt: skip
    widths = [None, None, None, None, 32, 36, 48]
    table = tabulate(body, headings(names, language), tablefmt="simple", maxcolwidths=widths, disable_numparse=True)
    said = table if body else word("nothing", language)
    return said + ("\n" + word("skipped", language).format(count=skipped) if skipped else "")


def _few(fields: Sequence[str]) -> str:
    return ", ".join(fields)


def _reason(row: Mapping[str, Any], language: str) -> str:
    reason = str(row["reason"])
    return word(reason, language) if known(reason) else problems.text(reason, language, row.get("params", {}))[0]


def problem_json(problem: Problem, language: str) -> dict[str, Any]:
    """One open problem in the shape that others build on (design: commands)."""
    about, cause = problem.about, problem.cause
    message, hint = problems.text(cause.code, language, cause.params)
    return {
        "id": problem.id, "flow": about.flow, "kind": about.kind, "key": about.key, "name": about.name,
        "code": cause.code, "who": problems.row(cause.code).who, "message": message, "hint": hint,
        "severity": cause.severity, "first_seen": problem.first_seen, "last_seen": problem.last_seen,
        "attempts": problem.attempts,
    }  # fmt: skip


def problems_table(found: Sequence[Mapping[str, Any]], language: str) -> str:
    """Open problems, each with what to do."""
    if not found:
        return word("none", language)
    names = ("id", "flow", "what", "problem", "next", "who", "since", "tries")
    rows = [
        [one["id"], word(one["flow"], language), _what(one, language), one["message"], one["hint"],
         word(one["who"], language), one["first_seen"][:16].replace("T", " "), one["attempts"]]
        for one in found
    ]  # fmt: skip
    widths = [None, None, 26, 44, 44, None, 10, None]
    return tabulate(rows, headings(names, language), tablefmt="grid", maxcolwidths=widths)


def _what(one: Mapping[str, Any], language: str) -> str:
    return problems.about(language, one["kind"], one["key"], one["name"])


def status_json(store: Store, token: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of behaviour.md; `watermarks` per flow and listing."""
    from avsync.records.registry import FLOW_OF, SOURCES

    marks, ok = store.watermarks(), store.flows_ok()
    flows: dict[str, dict[str, Any]] = {}
    for flow in FLOWS:
        names = [one.name for one in SOURCES if flow in {FLOW_OF[kind] for kind in one.makes}]
        flows[flow] = {
            "watermarks": {name: marks[name].newest for name in names if name in marks},
            "last_ok": ok.get(flow),
        }
    return {
        "last_run": store.last_run(), "flows": flows, "open": store.problems.counts(), "intents": len(store.intents()),
        "token": dict(token), "version": __version__,
    }  # fmt: skip


def status_table(shape: Mapping[str, Any], language: str) -> str:
    """The same for people."""
    last = shape["last_run"]
    lines = [f"avsync {shape['version']}"]
    if last is None:
        lines.append(word("no_run", language))
    else:
        done = f"{word('finished', language)} {_minute(last['finished'])}, exit {last['exit']}"
        ending = done if last["finished"] else word("unfinished", language)
        lines.append(
            f"{word('last_run', language)} {last['run']} ({last['command']}): {_minute(last['started'])}, {ending}"
        )
        lines += ["", totals_table(last["flows"], language)] if last["flows"] else []
    rows = [
        [word(flow, language), _minute(one["last_ok"]), "\n".join(f"{k} {v}" for k, v in one["watermarks"].items())]
        for flow, one in shape["flows"].items()
    ]
    lines += [
        "",
        tabulate(rows, headings(("flow", "last_ok", "watermark"), language), tablefmt="simple"),
        "",
    ]
    counts = ", ".join(f"{count} {word(name, language)}" for name, count in shape["open"].items())
    lines.append(f"{word('open_problems', language)}: {counts}")
    lines.append(f"{word('intents', language)}: {shape['intents']}")
    token = shape["token"]
    said = word("present" if token["present"] else "absent", language)
    expires = f", {word('expires', language)} {token['expires_at']}" if token.get("expires_at") else ""
    lines.append(f"{word('token', language)}: {said}{expires}")
    return "\n".join(lines)


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "-"


def checks_table(checks: Sequence[Mapping[str, Any]], language: str) -> str:
    """What `check` found, each with the next step."""
    rows = [
        [
            one["name"],
            word("ok" if one["ok"] else "wrong", language),
            "\n".join(filter(None, (one["message"], one["hint"]))),
        ]
        for one in checks
    ]
    headers = [*headings(("check", "result"), language), ""]
    return tabulate(rows, headers, tablefmt="simple", maxcolwidths=[None, None, 90])
