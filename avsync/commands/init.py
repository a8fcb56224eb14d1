"""`avsync init`: from nothing to a config that works, in one conversation.

What can be tried is tried while the person is there: the addresses, the key of Crafter, the login. What AccountView can
tell (companies, time codes, the usual ledger account) is offered. The config is the example with the answers filled in,
so it explains itself; it is put in place whole, at the end. Without a login everything can still be typed by hand.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import click
import yaml
from tabulate import tabulate

from avsync.commands import connect, login
from avsync.config import FLOWS, example
from avsync.config.mistakes import DATED_FLOWS
from avsync.config.model import Flows, made
from avsync.config.secret import HomeUnknown, expanded
from avsync.config.settings import SYSTEM_WIDE, Config, load, places
from avsync.errors import AvsyncError, ConfigError, LoginNeeded
from avsync.messages.texts import phrase, text
from avsync.services.accountview.client import company_code
from avsync.services.urls import problem_with_redirect, problem_with_url
from avsync.state.folder import claim

MOST_SHOWN = 40  # rows of a list from AccountView
YES, NO = {"j", "ja", "y", "yes"}, {"n", "nee", "no"}

Mistake = Callable[[str], str]  # what is wrong with an answer, "" when nothing is


def target(given: str | None, environ: Mapping[str, str]) -> Path:
    """Where the config goes: as given (a folder gets a config.yaml), else the user's config folder, where every
    command looks."""
    if not given:
        return next(place for place in places(environ) if place.is_absolute())
    with suppress(HomeUnknown):
        given = str(expanded(given)) + ("/" if given.endswith("/") else "")
    path = Path(given)
    return path / "config.yaml" if given.endswith("/") or path.is_dir() else path


def run(path: Path, *, no_browser: bool) -> None:
    """Ask, log in, and write the config and its secrets.

    Errors: ConfigError("config_there", "config_not_written", "questions_unanswered").
    """
    conversation = _Conversation(path.absolute(), no_browser)
    try:
        conversation.hold()
    except click.Abort:
        raise ConfigError("questions_unanswered", language=conversation.language) from None
    except AvsyncError as error:
        error.params.setdefault("language", conversation.language)
        raise


class _Conversation:
    """`values` are the answers so far, by the place of their key in the config."""

    def __init__(self, path: Path, no_browser: bool) -> None:
        self.path, self.no_browser = path, no_browser
        self.language = "nl"
        self.values: dict[example.Loc, Any] = {}

    def hold(self) -> None:
        self.language = self.choose("language", ["nl", "en"], "nl")
        self.values["language",] = self.language
        self.may_write()
        self.say("hello", path=self.path)
        self.accountview()
        self.crafter()
        self.flows()
        self.state_dir()
        self.from_accountview(self.logged_in())
        self.write()

    # how questions are asked

    def say(self, name: str, /, **params: Any) -> None:
        click.echo(phrase("init", name, self.language, **params))

    def part(self, name: str) -> None:
        click.echo()
        self.say(name)

    def tell(self, error: AvsyncError) -> None:
        """A fault that does not end the conversation."""
        click.echo("\n".join(text(error.code, self.language, error.params)))

    def ask(self, name: str, default: str = "", wrong: Mistake = lambda _: "") -> str:
        """Until there is an answer that is right."""
        words = phrase("init", name, self.language)
        while True:
            given = str(click.prompt(words, default=default, show_default=bool(default))).strip()
            if not given.isprintable():
                mistake = phrase("config", "unwritable", self.language)
            else:
                mistake = wrong(given) if given else phrase("init", "needed", self.language)
            if not mistake:
                return given
            click.echo(f"  {mistake}")

    def choose(self, name: str, choices: Sequence[str], default: str) -> str:
        options = phrase("init", "choose", self.language, choices=", ".join(choices))
        given = self.ask(name, default, lambda given: "" if given.lower() in choices else options)
        return given.lower()

    def agrees(self, name: str, **params: Any) -> bool:
        """No, unless somebody says yes."""
        words = phrase("init", name, self.language, **params)
        default = "nee" if self.language == "nl" else "no"
        while (given := str(click.prompt(words, default=default)).strip().lower()) not in YES | NO:
            pass
        return given in YES

    # what is asked

    def may_write(self) -> None:
        """Never over a file, unless asked; a folder that cannot be written shows before the questions."""
        if os.path.lexists(self.path) and not self.agrees("replace", path=self.path, kept=_kept(self.path).name):
            raise ConfigError("config_there", path=str(self.path))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _place(self.path.with_name(f"{self.path.name}.{os.getpid()}.new"), "", 0o600).unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def accountview(self) -> None:
        self.part("part_accountview")
        base = self.address("accountview", "base_url", "base_url", _default("accountview", "base_url"))
        parts = urlsplit(base)
        self.address("accountview", "authorize_url", "authorize_url",
                     f"{parts.scheme}://{parts.netloc}/ams/authorize.aspx")  # fmt: skip
        self.values["accountview", "redirect_uri"] = self.ask(
            "redirect_uri", _default("accountview", "redirect_uri"), self.config_mistake(problem_with_redirect)
        )
        self.values["accountview", "client_id"] = self.ask("client_id")
        self.secret("accountview", "client_secret", "accountview.secret")

    def crafter(self) -> None:
        self.part("part_crafter")
        self.address("crafter", "base_url", "crafter_url")
        while True:
            self.secret("crafter", "api_key", "crafter.key")
            try:
                account = connect.crafter(self.config()).me()
            except AvsyncError as error:
                self.tell(error)
                if not isinstance(error, LoginNeeded):
                    self.say("crafter_fails")
                elif self.agrees("again"):
                    continue
                return
            self.say("crafter_knows", name=str(account.get("account_name") or "?"))
            return

    def flows(self) -> None:
        self.part("part_flows")
        chosen: dict[str, str] = {}
        for flow in FLOWS:
            possible = list(get_args(Flows.model_fields[flow].annotation))
            if flow == "invoice" and chosen["orders"] == "off":  # nothing to put lines on
                possible = ["off"]
            known = _default("flows", flow)
            chosen[flow] = self.choose(f"flow_{flow}", possible, known) if len(possible) > 1 else possible[0]
            self.values["flows", flow] = chosen[flow]
        if any(chosen[flow] != "off" for flow in DATED_FLOWS):
            given = self.ask("start_date", date.today().isoformat(), self.date_mistake)  # noqa: DTZ011 - theirs
            self.values["start_date",] = date.fromisoformat(given)

    def state_dir(self) -> None:
        system_wide = self.path.is_relative_to(SYSTEM_WIDE.parents[1])
        usual = "/var/lib/avsync" if system_wide else _default("state_dir")
        own = "" if self.path.stem == "config" else f"/{self.path.stem}"
        while True:
            given = self.ask("state_dir", usual + own, self.folder_mistake)
            self.values["state_dir",] = str(expanded(given))  # the same whoever runs it later
            try:
                folder = self.config().state_dir
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                claim(folder)
                return
            except OSError as error:
                self.tell(ConfigError("config_not_written", path=str(folder), detail=error.strerror or str(error)))
            except AvsyncError as error:
                self.tell(error)

    def logged_in(self) -> list[dict[str, Any]]:
        """The companies that AccountView shows, after a login where one is needed; none when that does not work."""
        self.part("part_login")
        config = self.config()
        try:
            try:
                found = connect.accountview(config).companies()
                self.say("logged_in")
            except LoginNeeded:
                login.log_in(config, no_browser=self.no_browser, stdin=sys.stdin, echo=click.echo)
                found = connect.accountview(config).companies()
            if not found:
                raise LoginNeeded("no_companies")
            return found
        except AvsyncError as error:
            self.tell(error)
            self.say("login_later")
            return []

    def from_accountview(self, companies: list[dict[str, Any]]) -> None:
        """What AccountView can tell, else by hand."""
        chosen = self.company(companies)
        company_id = str(chosen["Id"]) if chosen else ""
        if self.values["flows", "hours"] != "off":
            self.time_codes(company_id)
        if self.values["flows", "customers"] in ("export", "both"):
            usual = self.usual_account(company_id) or _default("accountview", "debtor_account")
            self.values["accountview", "debtor_account"] = self.ask("debtor_account", usual)

    def company(self, companies: list[dict[str, Any]]) -> Mapping[str, Any] | None:
        login.show_companies(companies, self.language, click.echo)
        known = {company_code(one).upper(): one for one in companies}

        def wrong(given: str) -> str:
            codes = ", ".join(map(company_code, companies))
            missing = known and given.upper() not in known
            return phrase("init", "company_unknown", self.language, codes=codes) if missing else ""

        given = self.ask("company", company_code(companies[0]) if companies else "", wrong)
        found = known.get(given.upper())
        self.values["company",] = company_code(found) if found else given
        return found

    def time_codes(self, company_id: str) -> None:
        found = self.read_time_codes(company_id) if company_id else {}
        if found:
            self.say("time_codes")
            shown = list(found.items())[:MOST_SHOWN]
            headers = [phrase("login", name, self.language) for name in ("code", "description")]
            click.echo(tabulate(shown, headers=headers, disable_numparse=True))

        def wrong(given: str) -> str:
            missing = found and given.upper() not in {code.upper() for code in found}
            return phrase("init", "code_unknown", self.language) if missing else ""

        for sort, words in (("work", ("werk", "work", "normaal")), ("travel", ("reis", "reiz", "travel"))):
            self.values["time_codes", sort] = self.ask(sort, _like(found, words), wrong)

    def read_time_codes(self, company_id: str) -> dict[str, str]:
        """Code → description."""
        try:
            client = connect.accountview(self.config(), company_id)
            rows = [row for page in client.pages("time_code") for row in page.rows]
        except AvsyncError as error:
            detail = text(error.code, self.language, error.params)[0].rstrip(".")
            self.say("time_codes_unread", detail=detail)
            return {}
        pairs = [(str(row.get("code") or "").strip(), str(row.get("name") or "").strip()) for row in rows]
        return {code: name for code, name in pairs if code}

    def usual_account(self, company_id: str) -> str:
        """The ledger account that most of the first debtors have."""
        if not company_id:
            return ""
        try:
            client = connect.accountview(self.config(), company_id)
            kind = next(kind for kind, table in client.schema.items() if "ledger_account" in table.columns)
            rows = next(iter(client.pages(kind))).rows
        except AvsyncError:
            return ""
        found = Counter(account for row in rows if (account := str(row.get("ledger_account") or "").strip()))
        return found.most_common(1)[0][0] if found else ""

    # how answers are judged and kept

    def address(self, side: str, key: str, name: str, default: str = "") -> str:
        given = self.ask(name, default, self.config_mistake(problem_with_url)).rstrip("/")
        self.values[side, key] = given
        return given

    def config_mistake(self, problem: Callable[[str], str | None]) -> Mistake:
        """What the config would say of it."""

        def wrong(given: str) -> str:
            found = problem(given)
            return phrase("config", found, self.language, written=given) if found else ""

        return wrong

    def date_mistake(self, given: str) -> str:
        try:
            date.fromisoformat(given)
        except ValueError:
            return phrase("config", "date_type", self.language, written=given)
        return ""

    def folder_mistake(self, given: str) -> str:
        try:
            expanded(given)
        except HomeUnknown:
            return phrase("config", "home_unknown", self.language)
        return ""

    def secret(self, side: str, key: str, name: str) -> None:
        """Into a file of its own beside the config; the config only says where."""
        own = "" if self.path.stem == "config" else f"{self.path.stem}."
        place = self.path.with_name(own + name)
        self.values[side, key] = {"file": place.name}
        there = place.exists()
        if there:
            self.say("secret_there", path=place)
        words = phrase("init", key, self.language)
        while True:
            given = str(click.prompt(words, default="", hide_input=True, show_default=False)).strip()
            if not given and there:
                return
            try:
                if given:
                    _place(place, given + "\n", 0o600)
                    self.revealed(side, key)
                    self.say("secret_kept", path=place)
                    return
                click.echo("  " + phrase("init", "needed", self.language))
            except OSError as error:
                raise _unwritable(place, error) from None
            except ConfigError as error:
                self.tell(error)
                place.unlink()
                there = False

    def revealed(self, side: str, key: str) -> str:
        secret = getattr(getattr(self.config(), side), key)
        return str(secret.reveal())

    def config(self) -> Config:
        """What is known so far, as far as a client needs it."""
        unknown: dict[example.Loc, Any] = {
            ("company",): "?", ("accountview", "client_secret"): {"env": "?"}, ("crafter", "api_key"): {"env": "?"},
            ("crafter", "base_url"): "https://localhost", ("accountview", "client_id"): "?",
            ("state_dir",): str(self.path.parent),
        }  # fmt: skip
        data: dict[str, Any] = {"flows": {}, "accountview": {}, "crafter": {}}
        for loc, value in {**unknown, **self.values}.items():
            if loc[0] in ("accountview", "crafter"):
                data[loc[0]][loc[1]] = value
            elif len(loc) == 1:
                data[loc[0]] = value
        return Config(made(data, self.path.parent))

    def write(self) -> None:
        """The example with the answers in it, judged before it takes its place."""
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            _place(new, example.filled(example.text(), self.values), 0o644)
            try:
                load(new)
                if os.path.lexists(self.path):
                    os.replace(self.path, _kept(self.path))
                os.replace(new, self.path)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        click.echo()
        self.say("written", path=self.path)
        self.say("next")
        named = "avsync" if _found_by_itself(self.path) else f"avsync -c {shlex.quote(str(self.path))}"
        logged_in = load(self.path).token_path.exists()
        for name in (*(() if logged_in else ("next_login",)), "next_check", "next_match", "next_dry", "next_schedule"):
            self.say(name, avsync=named)


def _default(*loc: str) -> str:
    """What the example says."""
    found: Any = yaml.safe_load(example.text())
    for key in loc:
        found = found[key]
    return "off" if found is False else str(found)


def _like(codes: Mapping[str, str], words: Iterable[str]) -> str:
    """The code whose description says one of these words and the least besides; empty when none does."""
    found = [code for code, name in codes.items() if any(word in name.lower() for word in words)]
    return min(found, key=lambda code: len(codes[code]), default="")


def _kept(path: Path) -> Path:
    """A name beside it that is free."""
    names = (path.with_name(f"{path.name}.old{number or ''}") for number in count())
    return next(name for name in names if not os.path.lexists(name))


def _place(path: Path, content: str, mode: int) -> Path:
    """A file in one piece, whoever else has it open; never through a link."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError("config_not_written", path=str(path), detail=error.strerror or str(error))


def _found_by_itself(path: Path) -> bool:
    """Whether every command finds it without being told."""
    found = next((place for place in places(os.environ) if os.path.exists(place)), None)
    return found is not None and os.path.samefile(found, path) and "AVSYNC_CONFIG" not in os.environ
