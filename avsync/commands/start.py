"""How a run begins: the folder, the log, the secrets, the lock; and what is said where another run has it.

Most of a run is imported only once the lock is taken: cron calls every few minutes, however long a run may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from avsync.config import FLOWS
from avsync.errors import AvsyncError
from avsync.state.folder import claim
from avsync.state.lock import Holder, RunLock

if TYPE_CHECKING:
    from avsync.commands.alarm import Alarm
    from avsync.commands.run import Talker
    from avsync.config.settings import Config

STUCK_AFTER = 3600  # seconds


def run(
    config: Config,
    talker: Talker,
    *,
    flows: tuple[str, ...] = FLOWS,
    command: str = "run-all",
    full: bool = False,
    force: bool = False,
    dry: bool = False,
    only: frozenset[str] | str | None = None,
    after_restore: bool = False,
    details: bool = False,
) -> int:
    """Do the run and print what came of it (of a dry run with `details` each record); returns the exit code. `only`:
    ids, or what a person typed."""
    asked: dict[str, Any] = {"flows": flows, "command": command, "full": full, "force": force, "dry": dry, "only": only,
                             "details": details}  # fmt: skip
    if isinstance(only, str):
        asked |= {"only": frozenset({only.upper()}), "asked": only}
    lock = RunLock(config.state_dir)
    alarm = None
    try:
        _prepare(config, flows)
        if not dry and not lock.take():
            _say_busy(lock.holder(), config.language, talker)
            return 0
        alarm = None if dry else alarm_of(config, only)
        from avsync.commands import run as launched

        return launched.under(lock, config, talker, asked, alarm, after_restore)
    except AvsyncError as error:  # it never came to a run, or fell out of one
        lock.release()
        alarm = alarm or (None if dry else alarm_of(config, only))
        if alarm is not None:
            from avsync.messages.texts import text

            alarm.end(error.exit_code, " ".join(text(error.code, config.language, error.params)))
        raise
    finally:
        lock.release()


def alarm_of(config: Config, only: object) -> Alarm | None:
    """Who is warned, if anybody is; what a person retries says nothing of cron."""
    if config.notify is None:
        return None
    from avsync.commands.alarm import Alarm

    return Alarm(config, pings=only is None)


def _prepare(config: Config, flows: tuple[str, ...]) -> None:
    claim(config.state_dir)
    if config.log is not None:
        from avsync.commands import logfile

        logfile.open_log(config.log)
    if any(getattr(config.flows, flow) != "off" for flow in flows):
        config.accountview.client_secret.reveal()  # needed only once the token has expired: said today, not at night
        config.crafter.api_key.reveal()


def at_work(holder: Holder) -> dict[str, Any]:
    """Which process has the lock, and for how many minutes."""
    age = holder.age() if holder.started else 0.0
    return {"pid": holder.pid or "?", "minutes": int(age // 60)}


def _say_busy(holder: Holder, language: str, talker: Talker) -> None:
    from avsync.messages.texts import text

    params = at_work(holder)
    code = "run_stuck" if params["minutes"] * 60 >= STUCK_AFTER else "run_busy"
    if talker.as_json:
        talker.say("", {"run": None, "exit": 0, "flows": {}, "requests": {}, "incidents": [], "busy": params})
    elif not talker.quiet:
        click.echo(" ".join(text(code, language, params)), err=True)
