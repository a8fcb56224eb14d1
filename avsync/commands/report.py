"""Tables and JSON for people and for programs: totals, plans, problems, status, checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from avsync import __version__
from avsync.config import FLOWS
from avsync.messages import texts
from avsync.messages.texts import known, phrase, word

if TYPE_CHECKING:
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
        [word(row["direction"], language), word(row["action"], language), word(row["kind"], language),
         row["key"], row["name"], ", ".join(row["fields"]), _reason(row, language)]
        for row in rows
    ]  # fmt: skip
    widths = [None, None, None, None, 32, 36, 48]
    table = tabulate(body, headings(names, language), tablefmt="simple", maxcolwidths=widths, disable_numparse=True)
    said = table if body else word("nothing", language)
    return said + ("\n" + phrase("words", "skipped", language, count=skipped) if skipped else "")


def _reason(row: Mapping[str, Any], language: str) -> str:
    reason = str(row["reason"])
    return word(reason, language) if known(reason) else texts.text(reason, language, row.get("params", {}))[0]


def problems_table(found: Sequence[Mapping[str, Any]], language: str) -> str:
    """Open problems, each with what to do."""
    if not found:
        return word("none", language)
    names = ("id", "flow", "what", "problem", "next", "who", "since", "tries")
    rows = [
        [one["id"], word(one["flow"], language), texts.about(language, one["kind"], one["key"], one["name"]),
         one["message"], one["hint"], word(one["who"], language), _minute(one["first_seen"]), one["attempts"]]
        for one in found
    ]  # fmt: skip
    widths = [None, None, 26, 44, 44, None, 10, None]
    return tabulate(rows, headings(names, language), tablefmt="grid", maxcolwidths=widths)


def status_json(store: Store, token: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of RULES.md, more JSON; `watermarks` per flow and listing."""
    from avsync.records.registry import listings

    marks, ok = store.watermarks(), store.flows_ok()

    def read_by(flow: str) -> dict[str, Any]:
        names = [one.name for one in listings() if not one.recent and flow in {kind.flow for kind in one.makes}]
        return {name: marks[name].newest for name in names if name in marks}

    return {
        "last_run": store.last_run(),
        "flows": {flow: {"watermarks": read_by(flow), "last_ok": ok.get(flow)} for flow in FLOWS},
        "open": store.problems.counts(), "records": store.problems.record_counts(),
        "intents": len(store.intents.open()), "token": dict(token),
        "version": __version__,
    }  # fmt: skip


def status_table(shape: Mapping[str, Any], language: str) -> str:
    """The same for people."""

    def say(name: str) -> str:
        return word(name, language)

    rows = [
        [say(flow), _minute(one["last_ok"]), "\n".join(f"{k} {v}" for k, v in one["watermarks"].items())]
        for flow, one in shape["flows"].items()
    ]
    counts = ", ".join(f"{count} {say(name)}" for name, count in shape["open"].items())
    token = shape["token"]
    login = say("present" if token["present"] else "absent")
    if token.get("expires_at"):
        login += f", {say('expires')} {token['expires_at']}"
    return "\n".join([
        f"avsync {shape['version']}",
        *_last_run(shape["last_run"], language),
        "",
        tabulate(rows, headings(("flow", "last_ok", "watermark"), language), tablefmt="simple"),
        "",
        f"{say('open_problems')}: {counts}",
        f"{say('intents')}: {shape['intents']}",
        f"{say('token')}: {login}",
    ])  # fmt: skip


def _last_run(last: Mapping[str, Any] | None, language: str) -> list[str]:
    if last is None:
        return [word("no_run", language)]
    ending = word("unfinished", language)
    if last["finished"]:
        ending = f"{word('finished', language)} {_minute(last['finished'])}, exit {last['exit']}"
    line = f"{word('last_run', language)} {last['run']} ({last['command']}): {_minute(last['started'])}, {ending}"
    return [line, "", totals_table(last["flows"], language)] if last["flows"] else [line]


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "-"


def checks_table(checks: Sequence[Mapping[str, Any]], language: str) -> str:
    """What `check` found, each with the next step."""
    rows = [
        [one["name"], word("ok" if one["ok"] else "wrong", language), f"{one['message']}\n{one['hint']}".strip()]
        for one in checks
    ]
    headers = [*headings(("check", "result"), language), ""]
    return tabulate(rows, headers, tablefmt="simple", maxcolwidths=[None, None, 90])
