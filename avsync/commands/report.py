"""Tables and JSON for people and for programs: totals, plans, problems, status, checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from avsync.messages import texts
from avsync.messages.texts import known, phrase, word

if TYPE_CHECKING:
    from avsync.errors import AvsyncError
    from avsync.sync.session import Result

_ACTIONS = ("create", "update", "adopt", "wait", "reject")  # in this order, others behind
_FOR_PEOPLE = ("params", "side", "called")  # what a row of a plan also says


def headings(names: Iterable[str], language: str) -> list[str]:
    """Column headings; some differ from the word itself (`id`, `name`)."""
    return [word(f"table_{name}" if known(f"table_{name}") else name, language) for name in names]


def table(rows: Iterable[Any], heads: Sequence[str], **how: Any) -> str:
    """A table for the screen."""
    from tabulate import tabulate  # takes longer to import than most commands have need of it

    return tabulate(rows, heads, **how)


def totals_table(flows: Mapping[str, Mapping[str, int]], language: str) -> str:
    """What each flow did, within 79 columns."""
    names = ("read", "created", "updated", "adopted", "unchanged", "waiting", "failed", "unknown")
    rows = [[word(flow, language), *(str(counts[name]) for name in names)] for flow, counts in flows.items()]
    lines = [headings(("flow", *names), language), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    shown = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines)
    return "\n".join(map(" ".join, shown))


def run_json(result: Result, language: str) -> dict[str, Any]:
    """A run in the shape that others build on (RULES.md, commands)."""
    shape: dict[str, Any] = {"run": result.run, "exit": result.exit, "flows": result.flows, "requests": result.requests}
    shape["incidents"] = result.incidents
    if result.errors:
        shape["errors"] = {flow: error_json(error, language) for flow, error in result.errors.items()}
    if result.caution is not None:
        shape["caution"] = error_json(result.caution, language)
    if result.plan is None:
        return shape
    plan = [{name: value for name, value in row.items() if name not in _FOR_PEOPLE} for row in result.plan]
    return {**shape, "dry_run": True, "skipped": result.skipped, "plan": plan}


def error_json(error: AvsyncError, language: str) -> dict[str, str]:
    """What stopped a flow or a command."""
    message, hint = texts.text(error.code, language, error.params)
    return {"code": error.code, "message": message, "hint": hint}


def plan_summary(rows: Sequence[Mapping[str, Any]], skipped: int, language: str) -> str:
    """What a run would do, per flow, direction and action."""
    found = Counter((row["flow"], row["direction"], row["action"]) for row in rows)
    flows = list(dict.fromkeys(row["flow"] for row in rows))
    places = {action: place for place, action in enumerate(_ACTIONS)}
    ordered = sorted(found, key=lambda one: (flows.index(one[0]), one[1] == "export", places.get(one[2], len(places))))
    names = [phrase("run", f"head_{name}", language) for name in ("flow", "way", "action", "count")]
    body = [[word(flow, language), phrase("run", direction, language), word(action, language),
             found[flow, direction, action]] for flow, direction, action in ordered]  # fmt: skip
    said = [phrase("run", "would", language), "", table(body, names, tablefmt="simple")] if body else []
    said = said or [word("nothing", language)]
    return "\n".join(said + ([phrase("words", "skipped", language, count=skipped)] if skipped else []))


def plan_table(rows: Sequence[Mapping[str, Any]], language: str) -> str:
    """What a run would do, per record: direction, action, fields, reason."""
    names = ("direction", "action", "what", "name", "fields", "reason")
    body = [
        [word(row["direction"], language), word(row["action"], language),
         _kind(row, language), row["called"], _fields(row, language), _reason(row, language)]
        for row in rows
    ]  # fmt: skip
    widths = [None, None, None, 60, 36, 48]
    if not body:
        return ""
    return table(body, headings(names, language), tablefmt="simple", maxcolwidths=widths, disable_numparse=True)


def _kind(row: Mapping[str, Any], language: str) -> str:
    return texts.kind_word(language, row["kind"], row["side"])


def _fields(row: Mapping[str, Any], language: str) -> str:
    """What would be written, as the screens call it."""
    names = (texts.field_name(name, language, row["kind"]).partition(" ")[2] for name in row["fields"])
    return ", ".join(dict.fromkeys(names))


def _reason(row: Mapping[str, Any], language: str) -> str:
    reason = str(row["reason"])
    return (
        word(reason, language)
        if known(reason)
        else texts.text(reason, language, row["params"], row["kind"], row["side"])[0]
    )


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "-"


def _looked_at(name: str, language: str) -> str:
    """A check's name in words; in English it is the name that programs see."""
    if language == "en":
        return name
    whole = f"part_{name.replace('.', '_')}"
    if known(whole, "check"):
        return phrase("check", whole, language)
    part, *about = name.split(".")
    shown = phrase("check", f"part_{part}", language) if known(f"part_{part}", "check") else part
    return " ".join([shown, *(word(one, language) for one in about)])


def checks_table(checks: Sequence[Mapping[str, Any]], language: str) -> str:
    """What `check` found, each with the next step."""
    rows = [
        [
            _looked_at(one["name"], language),
            word("ok" if one["ok"] else "wrong", language),
            f"{one['message']}\n{one['hint']}".strip(),
        ]
        for one in checks
    ]
    headers = [*headings(("check", "result"), language), ""]
    return table(rows, headers, tablefmt="simple", maxcolwidths=[None, None, 90])
