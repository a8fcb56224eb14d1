"""The commands: parse, call, turn the result into an exit code. Results on stdout, log on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from avsync import __version__
from avsync.commands import logs
from avsync.config import FLOWS
from avsync.errors import AvsyncError, ConfigError, TryLater

if TYPE_CHECKING:
    from avsync.commands.companies import Company
    from avsync.config.settings import Config

PEOPLE = ("planner", "bookkeeper", "operator", "support", "nobody")

Decorated = Callable[..., Any]


class Options:
    """The global options, the language once the config is loaded, and whether a run's exit code says what was done."""

    def __init__(self) -> None:
        self.config_paths: list[str] = []
        self.as_json = self.quiet = False
        self.verbose = 0
        self.language = "nl"
        self.ran = False

    def config(self) -> Config:
        """Load the config; from here on messages are in its language. Only `companies` takes several."""
        from avsync.config import settings

        if self.several:
            raise ConfigError("several_configs", paths=", ".join(self._pointed_to))
        loaded = settings.load(settings.find(self.config_path, os.environ))
        self.language = loaded.language
        return loaded

    @property
    def config_path(self) -> str | None:
        """The config that was pointed to."""
        return self.config_paths[-1] if self.config_paths else None

    @property
    def several(self) -> bool:
        """Whether more than one company is asked for: a folder of configs is, however many it holds."""
        return len(set(self._pointed_to)) > 1 or any(map(os.path.isdir, self._pointed_to))

    @property
    def _pointed_to(self) -> list[str]:
        return self.config_paths or [path for path in [os.environ.get("AVSYNC_CONFIG")] if path]

    def companies(self) -> list[Company]:
        """Every config that was pointed to (else the one that is found), with what is wrong with it."""
        from avsync.commands import companies

        found = companies.found(self._pointed_to, os.environ)
        self.language = next((one.language for one in found if one.config), self.language)
        return found

    def say(self, text: str, shape: Any) -> None:
        """A result: JSON when asked for, else text."""
        click.echo(as_document(shape) if self.as_json else text)


def as_document(shape: Any) -> str:
    """The one JSON document that a command prints with `--json`, whatever its ending."""
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    return json.dumps(shape, ensure_ascii=ascii_only, indent=2)


class Commands(click.Group):
    """Turns errors into one clear message and an exit code; never a traceback."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        """Wrong usage is told as JSON too, wherever `--json` stands."""
        as_json = "--json" in args
        try:
            ctx = super().make_context(info_name, args, *more, **extra)
        except click.UsageError as error:
            _tell_usage(error, as_json)
            raise
        ctx.ensure_object(Options).as_json |= as_json
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        options = ctx.ensure_object(Options)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _tell_usage(error, options.as_json)
            raise
        except AvsyncError as error:
            _fail(error, options)
        except KeyboardInterrupt:
            _fail(TryLater("broken_off"), options)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _tell_usage(error: click.UsageError, as_json: bool) -> None:
    if as_json:
        words = {"code": "usage", "message": error.format_message(), "hint": "avsync --help"}
        click.echo(as_document({"exit": error.exit_code, "error": words}))


def _fail(error: AvsyncError, options: Options, code: int = 0) -> NoReturn:
    from avsync.messages.texts import text

    message, hint = text(error.code, error.params.get("language", options.language), error.params)
    code = code or error.exit_code
    if options.as_json:
        words = {"code": error.code, "message": message, "hint": hint}
        click.echo(as_document({"exit": code, "error": words}))
    else:
        click.echo(f"{message}\n{hint}", err=True)
    raise SystemExit(code)


def _take(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """The global options may stand before or after the command; what stands after it goes before."""
    options = ctx.find_root().ensure_object(Options)
    if option.name == "verbose":
        options.verbose = max(options.verbose, value)
    elif option.name == "config_paths":
        options.config_paths += value
    elif value:
        setattr(options, str(option.name), value)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)]
    logs.to_stderr(logging.ERROR if options.quiet else level)


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
    _global("-c", "--config", "config_paths", metavar="FILE", multiple=True,
            help="The config (else AVSYNC_CONFIG, ./config.yaml, your own, /etc/avsync/config.yaml); status, errors and"
                 " report take several, or a folder of them."),
    _global("-v", "--verbose", count=True, help="More log on stderr; twice for every request."),
    _global("-q", "--quiet", is_flag=True, help="Only results and errors."),
    _global("--json", "as_json", is_flag=True, help="Results as JSON on stdout."),
)  # fmt: skip
run_options = _with(
    click.option("--force", is_flag=True, help="Go on in spite of a safety stop."),
    click.option("--full", is_flag=True, help="Read everything, not only what changed."),
    click.option("--after-restore", is_flag=True, help="state.db was put back: read everything anew."),
    click.option("--dry-run", "dry", is_flag=True, help="Say what would happen, and write nothing."),
    click.option("--details", is_flag=True, help="With --dry-run: each record."),
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

    echo = partial(click.echo, err=options.as_json)
    try:
        code, name = logging_in.run(options.config(), no_browser=no_browser, pkce=pkce, stdin=sys.stdin, echo=echo)
    except KeyboardInterrupt:
        _fail(TryLater("login_broken_off"), options, 130)
    if options.as_json:
        options.say("", {"exit": 0, "company": code, "name": name})


@main.command()
@global_options
@click.pass_obj
def logout(options: Options) -> None:
    """Delete the login to AccountView."""
    from avsync.commands import login as logging_in

    logging_in.log_out(options.config(), echo=partial(click.echo, err=options.as_json))
    if options.as_json:
        options.say("", {"exit": 0})


@main.command()
@click.option("--learn", is_flag=True, help="Print the names of this installation as a block for the config.")
@click.option("--probe", is_flag=True, help="Ask how AccountView answers, and keep it for the runs; reads only.")
@click.option("--record", metavar="FILE", help="Write names, types and habits of this installation to a file; no data.")
@global_options
@click.pass_obj
def check(options: Options, learn: bool, probe: bool, record: str | None) -> None:
    """Look at everything a run needs, and change nothing."""
    from avsync.commands import check as checking

    if learn:
        raise SystemExit(_learn(options))
    if probe:
        raise SystemExit(_probe(options))
    if record is not None:
        raise SystemExit(_record(options, record))
    raise SystemExit(_checked(options, checking.run(options.config())))


def _record(options: Options, file: str) -> int:
    from avsync.commands import record
    from avsync.messages.texts import phrase

    path = record.run(options.config(), Path(file))
    size = -(-path.stat().st_size // 1024)
    options.say(phrase("check", "recorded", options.language, path=path, size=size), {"ok": True, "file": str(path)})
    return 0


def _probe(options: Options) -> int:
    from avsync.commands import probe

    found, seen = probe.run(options.config())
    return _checked(options, found, probe=seen)


def _checked(options: Options, found: list[Any], **more: Any) -> int:
    from dataclasses import asdict

    from avsync.commands import check as checking
    from avsync.commands import report

    rows = [{key: value for key, value in asdict(one).items() if key != "exit_code"} for one in found]
    code = checking.exit_code(found)
    options.say(report.checks_table(rows, options.language), {"ok": code == 0, "checks": rows, **more})
    return code


def _learn(options: Options) -> int:
    from avsync.commands import learn

    found = learn.run(options.config())
    options.say(learn.as_yaml(found, options.language), found.as_json())
    click.echo(learn.commentary(found, options.language), err=True)
    return found.exit_code


@main.command()
@click.argument("flows", nargs=-1, type=click.Choice(FLOWS), metavar="[FLOW]...")
@click.option("-o", "--output", metavar="FILE", help="Write them to a .csv, .xlsx or .html.")
@click.option("--take", metavar="FILE", help="Read the decisions of such a .csv or .xlsx back, and keep them.")
@global_options
@click.pass_obj
def match(options: Options, flows: tuple[str, ...], output: str | None, take: str | None) -> None:
    """Who is one with whom on both sides, and what linking them would fill and replace; changes neither."""
    if take and (output or flows):
        raise click.UsageError("give --take FILE by itself")
    config = options.config()
    if take:
        from avsync.commands import take as taking

        raise SystemExit(taking.take(config, options, take))
    from avsync.commands import match as matching

    raise SystemExit(matching.run(config, options, flows, output))


@main.command()
@click.argument("kind")
@click.argument("accountview", metavar="ACCOUNTVIEW_KEY")
@click.argument("crafter", metavar="CRAFTER_ID")
@global_options
@click.pass_obj
def link(options: Options, kind: str, accountview: str, crafter: str) -> None:
    """Link two records that are one: AccountView's key, and Crafter's number or id."""
    from avsync.commands import link as linking

    linking.link(options.config(), options, kind, accountview, crafter)


@main.command()
@click.argument("kind")
@click.argument("key")
@global_options
@click.pass_obj
def unlink(options: Options, kind: str, key: str) -> None:
    """Take the link of a record away, and keep the two apart until they are linked again."""
    from avsync.commands import link as linking

    linking.unlink(options.config(), options, kind, key)


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
@click.option("--only", metavar="KEY", help="One record: a number, code, order or work order number, or Crafter id.")
@global_options
@click.pass_obj
def sync(options: Options, /, flow: str, only: str | None, **wish: Any) -> None:
    """Run one flow."""
    config = options.config()
    if getattr(config.flows, flow) == "off":
        raise ConfigError("flow_off", flow=flow)
    _run(options, config, (flow,), f"sync {flow}", only=only and only.strip(), **wish)


def _run(options: Options, config: Config, flows: tuple[str, ...], command: str, **wish: Any) -> NoReturn:
    from avsync.commands import start as launch

    code = launch.run(config, options, flows=flows, command=command, **wish)
    options.ran = True
    raise SystemExit(code)


class _Words(click.ParamType[str]):
    """One of some words, in either language."""

    name = "word"

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word as avsync knows it."""
        from avsync.messages.texts import word

        wanted = str(value).strip().casefold()
        for one in self.words:
            if wanted in (one, word(one, "nl").casefold(), word(one, "en").casefold()):
                return one
        return self.fail(f"{value!r} is not one of {', '.join(self.words)}.", param, ctx)


@main.command()
@click.argument("numbers", nargs=-1, metavar="[ID | ID-ID]...")
@click.option("--flow", type=_Words(*FLOWS), metavar="FLOW", help="Only of one flow.")
@click.option("--who", type=_Words(*PEOPLE), metavar="WHO", help="Only what this person must do.")
@click.option("--severity", type=_Words("error", "warning", "waiting"), metavar="HOW", help="Only what is this bad.")
@click.option("--search", metavar="TEXT", help="Only what holds this text.")
@click.option("--ignored", is_flag=True, help="Those that are left out of the list.")
@click.option("--format", "how", type=click.Choice(["cards", "table", "csv", "html", "json"]), help="How to show them.")
@click.option("-o", "--output", metavar="FILE", help="Where to, in place of the screen.")
@click.option("--retry", is_flag=True, help="Handle their records now (`all`: every one).")
@click.option("--ignore", is_flag=True, help="Leave them out until a record of theirs changes.")
@click.option("--unignore", is_flag=True, help="Put them back into the list.")
@click.option("--because", metavar="TEXT", default="", help="Why they are ignored.")
@global_options
@click.pass_obj
def errors(options: Options, /, numbers: tuple[str, ...], **wish: Any) -> None:
    """What went wrong, and what to do about it; with a number, all about that one."""
    from avsync.commands import errors as looking
    from avsync.commands.listing import Wish

    verbs = [name for name in ("retry", "ignore", "unignore") if wish.pop(name)]
    because, how, file = wish.pop("because"), wish.pop("how"), wish.pop("output")
    if len(verbs) > 1 or (verbs and not numbers) or (because and verbs != ["ignore"]):
        raise click.UsageError("Give one of --retry, --ignore (with or without --because) and --unignore, and numbers.")
    how = "json" if options.as_json else how or _by_name(file)
    if options.several and not (verbs or numbers):
        raise SystemExit(looking.show_several(options.companies(), Wish(**wish), how, file))
    config = options.config()
    if verbs == ["retry"]:
        code = looking.retry(config, numbers, options)
        options.ran = True
        raise SystemExit(code)
    if verbs:
        change = looking.ignore if verbs == ["ignore"] else looking.unignore
        change(config, numbers, because.strip(), options)
        if not options.as_json:
            return
        numbers = ()
    looking.show(config, numbers, Wish(**wish), how, file)


def _by_name(file: str | None) -> str:
    """The format that the name of a file asks for."""
    ending = (file or "").rpartition(".")[2].lower()
    return ending if ending in ("csv", "html", "json") else "cards"


@main.command()
@click.argument("key", required=False)
@click.option("--since", metavar="WHEN", help="From then on: a day (2026-11-24) or how long ago (2h, 7d).")
@click.option("--run", type=click.IntRange(1, 1 << 62), metavar="N", help="What this run did.")
@global_options
@click.pass_obj
def history(options: Options, key: str | None, since: str | None, run: int | None) -> None:
    """What happened to a record, by its number, code, id or name; or what was done lately."""
    from avsync.commands import history as telling

    telling.show(options.config(), key, since, run, options)


@main.command()
@click.option(
    "--test", is_flag=True, required=True, help="Warn everybody who is named in the config, to see it arrive."
)
@global_options
@click.pass_obj
def notify(options: Options, test: bool) -> None:
    """Try out who is warned of what a run meets."""
    from avsync.commands import alarm

    raise SystemExit(alarm.test(options.config(), options))


@main.command()
@click.option("--check", is_flag=True, help="Exit as the last run did, and 4 when that is too long ago.")
@click.option("--max-age", default="30m", show_default=True, metavar="TIME", help="How long ago is too long (2h, 1d).")
@click.option("--runs", type=click.IntRange(0, 5000), default=0, metavar="N", help="The last N runs as well.")
@global_options
@click.pass_obj
def status(options: Options, check: bool, max_age: str, runs: int) -> None:
    """The last run, how far each flow has read, what is open, the login; of several configs an overview."""
    from avsync.commands import status as looking

    code = looking.show(
        options.companies(), options, alone=not options.several, check=check, max_age=max_age, runs=runs
    )
    raise SystemExit(code)


@main.command()
@click.option("-o", "--output", metavar="FILE", required=True, help="Where to write it.")
@global_options
@click.pass_obj
def report(options: Options, output: str) -> None:
    """Make a page of how things stand: problems, what was synchronised per day, login, services, the last runs."""
    from avsync.commands import page

    raise SystemExit(page.make(options.companies(), output, options, alone=not options.several))


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
