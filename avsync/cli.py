"""The commands: parse, call, turn the result into an exit code. Results on stdout, log on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

import click

from avsync import __version__
from avsync.config import FLOWS
from avsync.errors import AvsyncError

if TYPE_CHECKING:
    from avsync.config.settings import Config

_GLOBAL = ("config_path", "as_json", "quiet", "verbose")


@dataclass(slots=True)
class Options:
    """The global options, and the config once it is loaded."""

    config_path: str | None
    as_json: bool
    quiet: bool
    verbose: int
    language: str = "nl"

    def config(self) -> Config:
        """Load the config; from here on messages are in its language."""
        from avsync.config import settings as config

        loaded = config.load(config.find(self.config_path, os.environ))
        self.language = loaded.language
        return loaded

    def say(self, text: str, shape: Any) -> None:
        """A result: JSON when asked for, else text."""
        click.echo(json.dumps(shape, ensure_ascii=False, indent=2) if self.as_json else text)


class Commands(click.Group):
    """Turns errors into one clear message and an exit code; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except AvsyncError as error:
            options = ctx.obj
            _fail(error, options.language if isinstance(options, Options) else "nl")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _fail(error: AvsyncError, language: str) -> NoReturn:
    from avsync.messages.texts import text

    message, hint = text(error.code, error.params.get("language", language), error.params)
    click.echo(f"{message}\n{hint}", err=True)
    raise SystemExit(error.exit_code)


def _take_options(ctx: click.Context, given: dict[str, Any]) -> None:
    """The global options may stand before or after the command; what stands after it goes before."""
    options = ctx.find_root().obj
    if not isinstance(options, Options):
        options = ctx.find_root().obj = Options(None, False, False, 0)
    options.config_path = given["config_path"] or options.config_path
    options.as_json = given["as_json"] or options.as_json
    options.quiet = given["quiet"] or options.quiet
    options.verbose = max(given["verbose"], options.verbose)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)]
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("avsync").setLevel(logging.ERROR if options.quiet else level)


def _global_options(command: Callable[..., None]) -> Callable[..., None]:
    """-c, -v, -q and --json, for the group and for every command."""

    @wraps(command)
    def taken(*args: Any, **given: Any) -> None:
        _take_options(click.get_current_context(), given)
        command(*args, **{name: value for name, value in given.items() if name not in _GLOBAL})

    for option in (
        click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout."),
        click.option("-q", "--quiet", is_flag=True, help="Only results and errors."),
        click.option("-v", "--verbose", count=True, help="More log on stderr; twice for every request."),
        click.option("-c", "--config", "config_path", metavar="FILE",
                     help="The config (else AVSYNC_CONFIG, ./config.yaml, your own, /etc/avsync/config.yaml)."),
    ):  # fmt: skip
        taken = option(taken)
    return taken


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="avsync")
@_global_options
def main() -> None:
    """Keeps Crafter and AccountView in step: nothing twice, nothing lost."""


@main.command()
@click.option("--no-browser", is_flag=True, help="Also accept the pasted redirect URL on stdin.")
@_global_options
@click.pass_obj
def login(options: Options, no_browser: bool) -> None:
    """Log in to AccountView, once."""
    from avsync.commands import login as logging_in

    logging_in.run(options.config(), no_browser=no_browser, stdin=sys.stdin, echo=click.echo)


@main.command()
@_global_options
@click.pass_obj
def check(options: Options) -> None:
    """Look at everything a run needs, and change nothing."""
    from avsync.commands import check as checking
    from avsync.commands import report

    config = options.config()
    found = checking.run(config)
    rows = [{key: value for key, value in asdict(one).items() if key != "exit_code"} for one in found]
    code = checking.exit_code(found)
    options.say(report.checks_table(rows, options.language), {"ok": code == 0, "checks": rows})
    raise SystemExit(code)


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--dry-run", "dry", is_flag=True, help="Say what would happen, per record, and write nothing."),
        click.option("--full", is_flag=True, help="Read everything, not only what changed."),
        click.option("--force", is_flag=True, help="Go on in spite of a safety stop."),
    ):
        command = option(command)
    return command


@main.command("run-all")
@_run_options
@_global_options
@click.pass_obj
def run_all(options: Options, dry: bool, full: bool, force: bool) -> None:
    """Run every flow that is on; this is what cron calls."""
    _run(options, FLOWS, "run-all", dry, full, force, None)


@main.command()
@click.argument("flow", type=click.Choice(FLOWS))
@_run_options
@click.option("--only", metavar="KEY", help="One record: a number, code, order number or Crafter id.")
@_global_options
@click.pass_obj
def sync(options: Options, flow: str, dry: bool, full: bool, force: bool, only: str | None) -> None:
    """Run one flow."""
    if getattr(options.config().flows, flow) == "off":
        from avsync.errors import ConfigError

        raise ConfigError("flow_off", flow=flow)
    _run(options, (flow,), f"sync {flow}", dry, full, force, only)


def _run(
    options: Options, flows: tuple[str, ...], command: str, dry: bool, full: bool, force: bool, only: str | None
) -> None:
    from avsync.commands import run as launch
    from avsync.sync.session import Wish

    names = frozenset({only.strip().upper()}) if only else None
    wish = Wish(flows, command, full, force, dry, names)
    raise SystemExit(launch.run(options.config(), wish, options))


@main.command()
@click.option("--flow", type=click.Choice(FLOWS), help="Only of one flow.")
@click.option("--retry", metavar="ID|all", help="Handle this record now (or all of them).")
@click.option("--ignore", "ignore", type=int, metavar="ID", help="Leave it out until its record changes.")
@_global_options
@click.pass_obj
def errors(options: Options, flow: str | None, retry: str | None, ignore: int | None) -> None:
    """What went wrong, and what to do about it."""
    from avsync.commands import errors as errands

    config = options.config()
    if ignore is not None:
        errands.ignore(config, ignore)
    if retry is not None:
        raise SystemExit(errands.retry(config, retry, options))
    errands.show(config, flow, options)


@main.command()
@_global_options
@click.pass_obj
def status(options: Options) -> None:
    """The last runs, how far each flow has read, what is open."""
    from avsync.commands import errors as errands

    errands.status(options.config(), options)
