"""The commands: parse, call, turn the result into an exit code. Results on stdout, log on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from avsync import __version__
from avsync.config import FLOWS
from avsync.errors import AvsyncError, ConfigError, TryLater

if TYPE_CHECKING:
    from avsync.config.settings import Config

Decorated = Callable[..., Any]


@dataclass(slots=True)
class Options:
    """The global options, the language once the config is loaded, and whether a run's exit code says what was done."""

    config_path: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    language: str = "nl"
    ran: bool = False

    def config(self) -> Config:
        """Load the config; from here on messages are in its language."""
        from avsync.config import settings

        loaded = settings.load(settings.find(self.config_path, os.environ))
        self.language = loaded.language
        return loaded

    def say(self, text: str, shape: Any) -> None:
        """A result: JSON when asked for, else text."""
        ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
        click.echo(json.dumps(shape, ensure_ascii=ascii_only, indent=2) if self.as_json else text)


class Commands(click.Group):
    """Turns errors into one clear message and an exit code; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except AvsyncError as error:
            _fail(error, ctx.ensure_object(Options).language)
        except KeyboardInterrupt:
            _fail(TryLater("broken_off"), ctx.ensure_object(Options).language)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _fail(error: AvsyncError, language: str) -> NoReturn:
    from avsync.messages.texts import text

    message, hint = text(error.code, error.params.get("language", language), error.params)
    click.echo(f"{message}\n{hint}", err=True)
    raise SystemExit(error.exit_code)


def _take(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """The global options may stand before or after the command; what stands after it goes before."""
    options = ctx.find_root().ensure_object(Options)
    if option.name == "verbose":
        options.verbose = max(options.verbose, value)
    elif value:
        setattr(options, str(option.name), value)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)]
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("avsync").setLevel(logging.ERROR if options.quiet else level)


def _with(*options: Decorated) -> Callable[[Decorated], Decorated]:
    """Several options as one decorator, in the order of --help."""

    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _global(*names: str, **settings: Any) -> Decorated:
    return click.option(*names, callback=_take, expose_value=False, **settings)


global_options = _with(
    _global("-c", "--config", "config_path", metavar="FILE",
            help="The config (else AVSYNC_CONFIG, ./config.yaml, your own, /etc/avsync/config.yaml)."),
    _global("-v", "--verbose", count=True, help="More log on stderr; twice for every request."),
    _global("-q", "--quiet", is_flag=True, help="Only results and errors."),
    _global("--json", "as_json", is_flag=True, help="Results as JSON on stdout."),
)  # fmt: skip
run_options = _with(
    click.option("--force", is_flag=True, help="Go on in spite of a safety stop."),
    click.option("--full", is_flag=True, help="Read everything, not only what changed."),
    click.option("--dry-run", "dry", is_flag=True, help="Say what would happen, per record, and write nothing."),
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="avsync")
@global_options
def main() -> None:
    """Keeps Crafter and AccountView in step: nothing twice, nothing lost."""


@main.command()
@click.argument("path", required=False)
@click.option("--example", is_flag=True, help="Only print the example config, in which every key is explained.")
@click.option("--no-browser", is_flag=True, help="Also accept the pasted redirect URL on stdin.")
@global_options
@click.pass_obj
def init(options: Options, path: str | None, example: bool, no_browser: bool) -> None:
    """Ask what avsync must know, log in, and write a config (to PATH, else where it is looked for)."""
    if example:
        from avsync.config.example import text

        click.echo(text(), nl=False)
        return
    from avsync.commands import init as setting_up

    given = path or options.config_path or os.environ.get("AVSYNC_CONFIG")
    setting_up.run(setting_up.target(given, os.environ), no_browser=no_browser)


@main.command()
@click.option("--no-browser", is_flag=True, help="Also accept the pasted redirect URL on stdin.")
@click.option("--pkce", is_flag=True, help="With proof of who asked (S256), as accountview.pkce in the config.")
@global_options
@click.pass_obj
def login(options: Options, no_browser: bool, pkce: bool) -> None:
    """Log in to AccountView, once."""
    from avsync.commands import login as logging_in

    logging_in.run(options.config(), no_browser=no_browser, pkce=pkce, stdin=sys.stdin, echo=click.echo)


@main.command()
@global_options
@click.pass_obj
def logout(options: Options) -> None:
    """Delete the login to AccountView."""
    from avsync.commands import login as logging_in

    logging_in.log_out(options.config(), echo=click.echo)


@main.command()
@global_options
@click.pass_obj
def check(options: Options) -> None:
    """Look at everything a run needs, and change nothing."""
    from avsync.commands import check as checking
    from avsync.commands import report

    found = checking.run(options.config())
    rows = [{key: value for key, value in asdict(one).items() if key != "exit_code"} for one in found]
    code = checking.exit_code(found)
    options.say(report.checks_table(rows, options.language), {"ok": code == 0, "checks": rows})
    raise SystemExit(code)


@main.command()
@click.argument("system", type=click.Choice(("cron", "systemd", "kubernetes")))
@global_options
@click.pass_obj
def schedule(options: Options, system: str) -> None:
    """Print what to install so that this company runs every ten minutes."""
    from avsync.commands import schedule as scheduling
    from avsync.config.settings import find

    click.echo(scheduling.run(options.config(), find(options.config_path, os.environ), system))


@main.command("run-all")
@run_options
@global_options
@click.pass_obj
def run_all(options: Options, /, **wish: Any) -> None:
    """Run every flow that is on; this is what cron calls."""
    _run(options, options.config(), FLOWS, "run-all", **wish)


@main.command()
@click.argument("flow", type=click.Choice(FLOWS))
@run_options
@click.option("--only", metavar="KEY", help="One record: a number, code, order number or Crafter id.")
@global_options
@click.pass_obj
def sync(options: Options, /, flow: str, only: str | None, **wish: Any) -> None:
    """Run one flow."""
    config = options.config()
    if getattr(config.flows, flow) == "off":
        raise ConfigError("flow_off", flow=flow)
    _run(options, config, (flow,), f"sync {flow}", only=frozenset({only.strip().upper()}) if only else None, **wish)


def _run(options: Options, config: Config, flows: tuple[str, ...], command: str, **wish: Any) -> NoReturn:
    from avsync.commands import run as launch

    code = launch.run(config, options, flows=flows, command=command, **wish)
    options.ran = True
    raise SystemExit(code)


@main.command()
@click.option("--flow", type=click.Choice(FLOWS), help="Only of one flow.")
@click.option("--retry", metavar="ID|all", help="Handle this record now (or all of them).")
@click.option("--ignore", type=int, metavar="ID", help="Leave it out until its record changes.")
@global_options
@click.pass_obj
def errors(options: Options, flow: str | None, retry: str | None, ignore: int | None) -> None:
    """What went wrong, and what to do about it."""
    from avsync.commands import errors as looking

    config = options.config()
    if ignore is not None:
        looking.ignore(config, ignore)
    if retry is not None:
        code = looking.retry(config, retry, options)
        options.ran = True
        raise SystemExit(code)
    looking.show(config, flow, options)


@main.command()
@global_options
@click.pass_obj
def status(options: Options) -> None:
    """The last runs, how far each flow has read, what is open."""
    from avsync.commands import errors as looking

    looking.status(options.config(), options)


@main.command()
@click.option("-o", "--output", metavar="FILE", help="Write AccountView's articles to a .xlsx or .csv for Crafter.")
@click.option("--compare", metavar="FILE", help="Crafter's own list: which numbers does AccountView lack?")
@click.option("--column", metavar="HEAD", help="The column of article numbers in that list.")
@global_options
@click.pass_obj
def articles(options: Options, output: str | None, compare: str | None, column: str | None) -> None:
    """AccountView's articles for Crafter, and Crafter's list held against them."""
    if not (output or compare):
        raise click.UsageError("give -o FILE, --compare FILE, or both")
    from avsync.commands import articles as listing

    raise SystemExit(listing.run(options.config(), options, output=output, compare=compare, column=column))
