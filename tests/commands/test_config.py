"""The config: every mistake at once, in plain words, with the place where it stands."""

from __future__ import annotations

import stat
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from avsync.config import FLOWS, settings
from avsync.config import mistakes as config_mistakes
from avsync.config import model as config
from avsync.config.model import Config, Flows
from avsync.config.secret import Secret
from avsync.config.settings import find, load, places
from avsync.errors import ConfigError
from avsync.services import names_of
from avsync.services.accountview.schema import load_schema
from avsync.services.urls import is_loopback

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"

MINIMAL = {
    "language": "en",
    "company": "DEMO",
    "start_date": "2026-01-01",
    "flows": {"customers": "import"},
    "accountview": {"client_id": "id", "client_secret": {"env": "AV_SECRET"}},
    "crafter": {"base_url": "https://crafter.example/api/v1", "api_key": {"env": "CRAFTER_KEY"}},
}


def write(folder: Path, content: Any) -> Path:
    path = folder / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


def with_(dotted: str, value: Any, base: dict[str, Any] = MINIMAL) -> dict[str, Any]:
    """A copy of the minimal config in which one key differs."""
    first, _, rest = dotted.partition(".")
    return {**base, first: with_(rest, value, base.get(first, {})) if rest else value}


def mistakes(folder: Path, content: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, content))
    assert caught.value.code == "config_invalid", caught.value
    assert caught.value.exit_code == 2
    lines: list[str] = caught.value.params["mistakes"].splitlines()
    assert all(line.startswith("- ") for line in lines)
    return [line[2:] for line in lines]


def one(folder: Path, content: Any) -> str:
    found = mistakes(folder, content)
    assert len(found) == 1, found
    return found[0]


def test_the_example_is_valid_and_names_every_key() -> None:
    loaded = load(EXAMPLE)
    assert loaded.flows.customers == "both"
    assert loaded.start_date == date(2026, 1, 1)
    assert loaded.time_codes.work == "100"
    text = EXAMPLE.read_text("utf-8")
    for path in config_mistakes._paths(Config):
        key = path.removesuffix(".plain").rpartition(".")[2]  # an address may stand there as it is
        assert f"\n{key}:" in text or f"  {key}:" in text or f"# {key}:" in text or f"{{{key}:" in text, path


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    shown, bare = load(EXAMPLE), load(write(tmp_path, MINIMAL))
    for name in ("state_dir", "timeouts", "budget", "full_every", "settle_grace", "safety", "default_project_type"):
        assert getattr(shown, name) == getattr(bare, name), name
    for name in ("base_url", "authorize_url", "redirect_uri", "open_project_statuses", "concurrency", "schema_"):
        assert getattr(shown.accountview, name) == getattr(bare.accountview, name), name
    assert shown.crafter.concurrency == bare.crafter.concurrency


def test_defaults_are_those_of_the_behaviour(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, MINIMAL))
    assert (loaded.timeouts.connect, loaded.timeouts.read, loaded.budget) == (10, 90, 480)
    assert (loaded.full_every, loaded.settle_grace) == (86400, 120)
    assert (loaded.safety.max_new, loaded.safety.max_share) == (500, 0.3)
    assert (loaded.accountview.concurrency, loaded.crafter.concurrency) == (2, 8)
    assert loaded.accountview.token_url == "https://www.accountview.net/api/v3/token"
    assert loaded.flows.hours == "off"
    assert loaded.default_project_type is None
    assert loaded.accountview.new_project_status is None


def test_the_language_is_dutch_unless_it_says_otherwise(tmp_path: Path) -> None:
    content = {key: value for key, value in MINIMAL.items() if key != "language"}
    assert load(write(tmp_path, content)).language == "nl"
    found = one(tmp_path, {**content, "budget": "x"})
    assert "moet een getal zijn; er staat x" in found


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """\
language: en
company: 0042
flows: {projects: both, orders: export, hours: on}
accountview:
  client_id: x
  client_secret: hunter2
crafter: {api_key: {env: A, file: b}}
full-every: 3
""",
    )
    places = [line.split(":")[0] for line in found]
    assert places == [
        "start_date",
        "company (line 2)",
        "flows.projects (line 3)",
        "flows.hours (line 3)",
        "accountview.client_secret (line 6)",
        "crafter.base_url",
        "crafter.api_key (line 7)",
        "full-every (line 8)",
    ]
    assert not any("hunter2" in line for line in found)


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("company", "0042"),
        ("company", "2026-01-01"),
        ("company", "no"),
        ("company", "12.50"),
        ("accountview.debtor_account", "01300"),
        ("accountview.new_project_status", "01"),
        ("default_project_type", "007"),
        ("time_codes.work", "0100"),
        ("accountview.client_id", "123"),
    ],
)
def test_a_code_that_yaml_would_change_must_be_quoted_and_is_shown_as_written(
    tmp_path: Path, key: str, written: str
) -> None:
    text = yaml.safe_dump(with_(key, "@@@")).replace("'@@@'", written)
    found = one(tmp_path, text)
    assert found.startswith(key)
    assert f'put it between quotes: "{written}"' in found
    quoted = load(write(tmp_path, text.replace(f" {written}\n", f' "{written}"\n')))
    value: Any = quoted
    for part in key.split("."):
        value = getattr(value, part)
    assert value == written


def test_statuses_in_a_list_are_text_as_well(tmp_path: Path) -> None:
    text = yaml.safe_dump(with_("accountview.open_project_statuses", "@@@")).replace("'@@@'", '["01", 02]')
    found = one(tmp_path, text)
    assert found.startswith("accountview.open_project_statuses.1 (line ")
    assert 'put it between quotes: "02"' in found


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("language", "de", "moet een van deze zijn: nl, en; er staat de"),
        ("flows.projects", "both", "must be one of: off, import, export; it says both"),
        ("flows.invoice", "import", "must be one of: off, export; it says import"),
        ("flows.hours", "both", "must be one of: off, export; it says both"),
        ("flows.customers", True, "must be one of: off, import, export, both; it says true"),
        ("start_date", "2026-02-30", "must be an existing date such as 2026-01-01; it says 2026-02-30"),
        ("start_date", 20260101, "must be an existing date"),
        ("start_date", "2026-01-01 10:00:00", "must be an existing date"),
        ("company", "  ", "must not be empty"),
        ("accountview.concurrency", 0, "must be at least 1; it says 0"),
        ("accountview.concurrency", 17, "must be at most 16"),
        ("crafter.concurrency", 2.5, "must be a whole number; it says 2.5"),
        ("timeouts.read", 0, "must be more than 0"),
        ("timeouts.read", "fast", "must be a number; it says fast"),
        ("budget", -1, "must be more than 0"),
        ("budget", float("inf"), "must be an ordinary number"),
        ("full_every", -1, "must be at least 0"),
        ("safety.max_share", 1.5, "must be at most 1"),
        ("safety.max_new", -1, "must be at least 0"),
        ("safety.max_new", True, "must be a whole number"),
        ("state_dir", 7, "must be a folder, as text"),
        ("accountview.open_project_statuses", "A", 'must be a list such as ["A", "B"]'),
        ("flows", "import", "must be a group of keys: customers, projects, orders, invoice, hours"),
        ("accountview.schema", [], "must be a group of keys"),
        ("crafter.base_url", "crafter.nl/api", "must be a full address that starts with https://"),
        ("crafter.base_url", "https://user:pw@crafter.nl/api", "must not contain a user name, a password"),
        ("crafter.base_url", "https://crafter.nl/api?key=1", "must not contain"),
        ("crafter.base_url", "https://…/api/v1", "must be a full address"),
        ("crafter.base_url", "http://crafter.nl/api", "http is allowed only to this computer itself"),
        ("accountview.base_url", "http://localhost.example.com/api", "http is allowed only"),
        ("accountview.authorize_url", "http://10.0.0.1/ams", "http is allowed only"),
        ("accountview.base_url", "https://host:99999/api", "must be a full address"),
        ("accountview.redirect_uri", "http://localhost/callback", "with a port"),
        ("accountview.redirect_uri", "https://localhost:8765/callback", "with a port"),
        ("accountview.redirect_uri", "http://example.com:8765/callback", "must be an address on this computer"),
    ],
)
def test_a_wrong_value_names_what_is_allowed(tmp_path: Path, key: str, value: Any, words: str) -> None:
    found = one(tmp_path, with_(key, value))
    assert found.startswith(key)
    assert words in found


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("compani", "did you mean company?"),
        ("flows.customer", "did you mean flows.customers?"),
        ("timeouts.conect", "did you mean timeouts.connect?"),
        ("debtor_account", "did you mean accountview.debtor_account?"),
        ("crafter.apikey", "did you mean crafter.api_key?"),
        ("accountview.xyz", "known are: base_url, authorize_url"),
        ("accountview.schema_", "did you mean accountview.schema?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path, key: str, hint: str) -> None:
    found = one(tmp_path, with_(key, "x"))
    assert found.startswith(f"{key} (line ")
    assert "there is no such key" in found
    assert hint in found


def test_an_unknown_key_without_a_value_is_refused_too(tmp_path: Path) -> None:
    assert "no such key" in one(tmp_path, with_("compani", None))


@pytest.mark.parametrize("key", ["company", "flows", "accountview", "crafter"])
def test_required_keys(tmp_path: Path, key: str) -> None:
    found = one(tmp_path, {name: value for name, value in MINIMAL.items() if name != key})
    assert found == f"{key}: is missing, but required"


@pytest.mark.parametrize("key", ["timeouts", "safety", "time_codes", "accountview.schema", "accountview.base_url"])
def test_a_key_with_nothing_behind_it_counts_as_not_set(tmp_path: Path, key: str) -> None:
    assert load(write(tmp_path, with_(key, None))) == load(write(tmp_path, MINIMAL))


@pytest.mark.parametrize("flow", ["orders", "invoice", "hours"])
def test_start_date_is_required_as_soon_as_a_dated_flow_is_on(tmp_path: Path, flow: str) -> None:
    flows = {"orders": "export", flow: "export"}
    content = {**MINIMAL, "flows": flows, "time_codes": {"work": "1", "travel": "2"}}
    assert load(write(tmp_path, content)).start_date == date(2026, 1, 1)
    found = one(tmp_path, {key: value for key, value in content.items() if key != "start_date"})
    assert found.startswith("start_date: is required as soon as orders, invoice or hours are on")
    assert "is required as soon as" in one(tmp_path, {**content, "start_date": None})
    assert flow in found


def test_start_date_may_be_left_out_otherwise(tmp_path: Path) -> None:
    assert load(write(tmp_path, with_("start_date", None))).start_date is None


@pytest.mark.parametrize("direction", ["export", "both"])
def test_debtor_account_is_required_when_customers_go_to_accountview(tmp_path: Path, direction: str) -> None:
    content = with_("flows.customers", direction)
    assert one(tmp_path, content).startswith("accountview.debtor_account: is required with")
    assert (
        load(write(tmp_path, with_("accountview.debtor_account", "1300", content))).accountview.debtor_account == "1300"
    )


def test_invoice_cannot_do_without_orders(tmp_path: Path) -> None:
    assert "cannot do without orders" in one(tmp_path, with_("flows", {"invoice": "export", "orders": False}))
    assert load(write(tmp_path, with_("flows", {"invoice": "export", "orders": "import"}))).flows.invoice == "export"


def test_hours_need_both_time_codes(tmp_path: Path) -> None:
    found = mistakes(tmp_path, with_("flows.hours", "export"))
    assert [line.split(":")[0] for line in found] == ["time_codes.work", "time_codes.travel"]


def test_a_bare_off_is_off(tmp_path: Path) -> None:
    text = yaml.safe_dump(MINIMAL).replace("customers: import", "customers: off\n  orders: OFF")
    assert (load(write(tmp_path, text)).flows.customers, load(write(tmp_path, text)).flows.orders) == ("off", "off")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_plain_http_is_accepted_on_loopback(tmp_path: Path, host: str) -> None:
    loaded = load(write(tmp_path, with_("crafter.base_url", f"http://{host}:5000/api/v1/")))
    assert loaded.crafter.base_url == f"http://{host}:5000/api/v1"
    assert load(write(tmp_path, with_("accountview.redirect_uri", f"http://{host}:5000/"))).accountview.redirect_uri


@pytest.mark.parametrize(
    "host", ["localhost.evil.nl", "127.0.0.1.evil.nl", "0.0.0.0", "2130706433", "", None, "10.0.0.1"]
)
def test_no_other_host_is_loopback(host: str | None) -> None:
    assert not is_loopback(host)


# --- files that cannot be read


def refused(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml").code == "config_not_found"
    assert refused(tmp_path).code == "config_is_directory"
    assert refused(write(tmp_path, "")).code == "config_empty"
    assert refused(write(tmp_path, "# nothing but a remark\n")).code == "config_empty"
    (tmp_path / "config.yaml").write_bytes(b"company: \xff\xfe\n")
    assert refused(tmp_path / "config.yaml").code == "config_not_utf8"
    assert refused(tmp_path / "config.yaml" / "deeper").code in ("config_not_found", "config_unreadable")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load(write(tmp_path, "\ufeff" + yaml.safe_dump(MINIMAL))).company == "DEMO"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: b: c\n", 1), ("a: 1\n---\nb: 2\n", 2), ("a: *x\n", 1)],
)
def test_broken_yaml_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    error = refused(write(tmp_path, text))
    assert (error.code, error.params["line"]) == ("config_broken", line)


@pytest.mark.parametrize("text", ["just words\n", "- a\n- b\n", "42\n"])
def test_a_file_that_is_no_group_of_keys(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, text)
    assert found.startswith("het bestand: moet een groep sleutels zijn: language, company")


def test_odd_yaml_is_a_message_and_never_a_traceback(tmp_path: Path) -> None:
    text = yaml.safe_dump(MINIMAL)
    assert "there is a key here that is not a word" in " ".join(mistakes(tmp_path, text + "? [a, b]\n: 1\n"))
    assert "nested too deeply" in " ".join(mistakes(tmp_path, text + "budget: &x [*x]\n"))
    assert "must be a number" in one(tmp_path, text + "budget: !!python/object:os.system 5\n")
    assert "must be a number" in one(tmp_path, text + "budget: !!int abc\n")


def test_a_key_that_stands_there_twice(tmp_path: Path) -> None:
    text = yaml.safe_dump(MINIMAL)
    found = one(tmp_path, text + "company: OTHER\n")
    assert found.startswith("company (line ")
    assert "stands there twice" in found


# --- where it is found


def test_the_order_of_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, home = tmp_path / "work", tmp_path / "home"
    for folder in (work, home / ".config" / "avsync", tmp_path / "xdg" / "avsync"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setattr(settings, "SYSTEM_WIDE", tmp_path / "etc" / "config.yaml")
    environ = {"HOME": str(home)}
    with pytest.raises(ConfigError) as caught:
        find(None, environ)
    assert caught.value.code == "config_nowhere"
    assert (
        caught.value.params["places"] == f"config.yaml, {home}/.config/avsync/config.yaml, {tmp_path}/etc/config.yaml"
    )

    (tmp_path / "etc").mkdir()
    system_wide = write(tmp_path / "etc", MINIMAL)
    assert find(None, environ) == system_wide
    own = write(home / ".config" / "avsync", MINIMAL)
    assert find(None, environ) == own
    assert find(None, {**environ, "XDG_CONFIG_HOME": "relative"}) == own
    xdg = write(tmp_path / "xdg" / "avsync", MINIMAL)
    assert find(None, {**environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == xdg
    write(work, MINIMAL)
    assert find(None, environ) == Path("config.yaml")
    assert find(None, {**environ, "AVSYNC_CONFIG": "/from/env.yaml"}) == Path("/from/env.yaml")
    assert find("/given.yaml", {**environ, "AVSYNC_CONFIG": "/from/env.yaml"}) == Path("/given.yaml")


def test_the_last_place_is_that_of_the_whole_machine() -> None:
    assert places({"HOME": "/home/us"})[-1] == Path("/etc/avsync/config.yaml")
    assert len(places({})) == 3


def test_paths_know_the_home_folder_and_the_folder_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(write(tmp_path, with_("state_dir", "~/state"))).state_dir == tmp_path / "state"
    assert load(write(tmp_path, with_("state_dir", "state"))).state_dir == tmp_path / "state"
    loaded = load(write(tmp_path, MINIMAL))
    assert loaded.state_dir == tmp_path / ".local/state/avsync"
    assert loaded.token_path == loaded.state_dir / "token.json"


# --- secrets


def secret(folder: Path, form: dict[str, str]) -> Secret:
    return load(write(folder, with_("crafter.api_key", form))).crafter.api_key


def missing(found: Secret) -> dict[str, Any]:
    with pytest.raises(ConfigError) as caught:
        found.reveal()
    assert caught.value.code == "secret_missing"
    assert caught.value.params["key"] == "crafter.api_key"
    return caught.value.params


def test_the_three_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("CRAFTER_KEY", "from-env")
    assert secret(tmp_path, {"env": "CRAFTER_KEY"}).reveal() == "from-env"
    assert secret(tmp_path, {"file": "key"}).reveal() == "from-file"
    assert secret(tmp_path, {"file": str(tmp_path / "key")}).reveal() == "from-file"
    command = f"{sys.executable} -c \"print('from $HOME;|')\""
    assert secret(tmp_path, {"command": command}).reveal() == "from $HOME;|"


def test_nothing_shows_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFTER_KEY", "s3cret")
    loaded = load(write(tmp_path, with_("crafter.api_key", {"command": "echo s3cret"})))
    loaded.crafter.api_key.reveal()
    assert "s3cret" not in repr(loaded) + str(loaded) + f"{loaded.crafter.api_key!r}"


@pytest.mark.parametrize("value", ["s3cret", 12345678, ["s3cret"], {}, {"env": "A", "file": "b"}, None])
def test_a_secret_in_the_file_is_refused_with_the_three_forms(tmp_path: Path, value: Any) -> None:
    found = one(tmp_path, with_("crafter.api_key", value))
    assert found.startswith("crafter.api_key")
    assert '{env: NAME}, {file: PATH} or {command: "program argument"}' in found
    assert "s3cret" not in found
    assert "12345678" not in found


def test_an_unknown_form_of_secret(tmp_path: Path) -> None:
    found = mistakes(tmp_path, with_("crafter.api_key", {"envv": "A"}))
    assert any("did you mean crafter.api_key.env?" in line for line in found)


def test_a_command_that_cannot_be_split(tmp_path: Path) -> None:
    assert "check the quotes" in one(tmp_path, with_("crafter.api_key", {"command": 'pass "show'}))


def test_a_secret_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRAFTER_KEY", raising=False)
    assert missing(secret(tmp_path, {"env": "CRAFTER_KEY"}))["source"] == "env CRAFTER_KEY"
    monkeypatch.setenv("CRAFTER_KEY", " \n")
    assert missing(secret(tmp_path, {"env": "CRAFTER_KEY"}))["detail"] == "empty"
    monkeypatch.setenv("CRAFTER_KEY", "two\nlines")
    assert "line breaks" in missing(secret(tmp_path, {"env": "CRAFTER_KEY"}))["detail"]
    assert missing(secret(tmp_path, {"file": "none"}))["detail"] == "No such file or directory"
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    assert missing(secret(tmp_path, {"file": "key"}))["detail"] == "not UTF-8 text"
    (tmp_path / "key").write_bytes(b"x" * 5000)
    assert "4096" in missing(secret(tmp_path, {"file": "key"}))["detail"]
    assert missing(secret(tmp_path, {"file": "."}))["detail"] == "Is a directory"


def test_a_command_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(secret(tmp_path, {"command": "false"}))["detail"] == "exit code 1"
    assert missing(secret(tmp_path, {"command": "/no/such/program"}))["detail"] == "No such file or directory"
    monkeypatch.setattr("avsync.config.secret.COMMAND_TIMEOUT", 0.2)
    assert "no answer within" in missing(secret(tmp_path, {"command": "sleep 5"}))["detail"]


def test_a_command_runs_without_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "show"
    script.write_text('#!/bin/sh\nprintf "%s" "$1"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    assert secret(tmp_path, {"command": f"{script} 'a;touch {tmp_path}/evil'"}).reveal() == f"a;touch {tmp_path}/evil"
    assert not (tmp_path / "evil").exists()


# --- names of the other side


def test_overrides_are_kept_as_they_are(tmp_path: Path) -> None:
    hour = {"business_object": "HR9", "table": "HRS_X", "columns": {"employee": "EMP_NR", "time_code": "UURSOORT"}}
    assert load(write(tmp_path, with_("accountview.schema", {"hour": hour}))).accountview.schema_ == {"hour": hour}
    customer = {"path": "/klanten", "fields": {"name": "bedrijfsnaam"}}
    assert (
        load(write(tmp_path, with_("crafter.schema", {"customer": customer}))).crafter.schema_["customer"] == customer
    )


SHEET: dict[str, Any] = {"table": "URENSTT", "key": "STT_NR", "columns": {"employee": "MW", "period_start": "BEG"}}


def test_the_sheet_that_hours_stand_on_is_an_override_too(tmp_path: Path) -> None:
    hour = {"header": {**SHEET, "period": "month", "create": False}}
    assert load(write(tmp_path, with_("accountview.schema", {"hour": hour}))).accountview.schema_ == {"hour": hour}
    header = load_schema({"hour": hour})["hour"].header
    assert header is not None
    assert (header.table.table, header.table.columns["key"], header.table.business_object) == (
        "URENSTT",
        "STT_NR",
        "HR1",
    )
    assert (header.create, header.start("2026-03-31")) == (False, "2026-03-01")
    usual = load_schema({"hour": {"business_object": "HR9", "header": SHEET}})["hour"].header
    assert usual is not None
    assert (usual.create, usual.period, usual.table.business_object) == (True, "week", "HR9")
    weeks = {"2026-03-29": "2026-03-23", "2026-03-30": "2026-03-30", "2027-01-01": "2026-12-28"}
    assert {day: usual.start(day) for day in weeks} == weeks


@pytest.mark.parametrize(
    ("header", "place", "words"),
    [
        ("URENSTT", "", "must be a group of keys: table, key, columns, period, create"),
        ({}, ".table", "required"),
        ({**SHEET, "columns": {"employee": "MW"}}, ".columns.period_start", "required"),
        ({**SHEET, "columns": {**SHEET["columns"], "week": "W"}}, ".columns.week", "known are: employee, period_start"),
        ({**SHEET, "period": "day"}, ".period", "must be one of: week, month"),
        ({**SHEET, "create": "ja"}, ".create", "must be true or false"),
        ({**SHEET, "key": "A B"}, ".key", "letters, digits and _"),
        ({**SHEET, "tabel": "X"}, ".tabel", "did you mean accountview.schema.hour.header.table?"),
    ],
)
def test_a_sheet_that_is_not_right_is_explained(tmp_path: Path, header: Any, place: str, words: str) -> None:
    wrong = mistakes(tmp_path, with_("accountview.schema", {"hour": {"header": header}}))
    named = [line for line in wrong if line.startswith(f"accountview.schema.hour.header{place}")]
    assert any(words in line for line in named), wrong
    assert "accountview.schema.order.header" in one(tmp_path, with_("accountview.schema", {"order": {"header": SHEET}}))


@pytest.mark.parametrize(
    ("side", "override", "place", "words"),
    [
        ("accountview", {"hours": {"table": "X"}}, "hours", "did you mean accountview.schema.hour?"),
        ("accountview", {"hour": {"tabel": "X"}}, "hour.tabel", "did you mean accountview.schema.hour.table?"),
        (
            "accountview",
            {"hour": {"columns": {"timecode": "X"}}},
            "hour.columns.timecode",
            "did you mean accountview.schema.hour.columns.time_code?",
        ),
        ("accountview", {"hour": {"columns": {"employee": "A B"}}}, "hour.columns.employee", "letters, digits and _"),
        ("accountview", {"hour": {"table": "X;DROP"}}, "hour.table", "letters, digits and _"),
        ("accountview", {"hour": {"table": 9}}, "hour.table", 'put it between quotes: "9"'),
        ("accountview", {"hour": {"columns": ["A"]}}, "hour.columns", "must be a group of keys: changed_at"),
        ("accountview", {"hour": "HR9"}, "hour", "must be a group of keys"),
        ("crafter", {"klant": {}}, "klant", "known are: contact, customer, hour"),
        ("crafter", {"customer": {"path": "klanten"}}, "customer.path", "must be a path such as /klanten"),
        ("crafter", {"customer": {"path": "/../x?y"}}, "customer.path", "must be a path such as /klanten"),
        ("crafter", {"customer": {"fields": {"naam": "x"}}}, "customer.fields.naam", "did you mean"),
    ],
)
def test_an_override_of_something_unknown_is_refused(
    tmp_path: Path, side: str, override: dict[str, Any], place: str, words: str
) -> None:
    found = one(tmp_path, with_(f"{side}.schema", override))
    assert found.startswith(f"{side}.schema.{place} (line ")
    assert words in found


def test_the_names_that_may_be_overridden_are_those_that_are_promised() -> None:
    known = names_of("accountview")
    assert set(known["contact"]["columns"]) == {
        "code",
        "customer",
        "salutation",
        "first_name",
        "last_name",
        "email",
        "phone",
        "mobile",
        "changed_at",
    }
    assert set(known["order_line"]["columns"]) == {"id", "article", "quantity", "delivery_date"}
    assert set(known) - {"ledger"} == {
        "customer",
        "contact",
        "project",
        "project_type",
        "employee",
        "article",
        "order",
        "order_line",
        "hour",
        "time_code",
    }
    crafter = names_of("crafter")
    assert set(crafter) == {
        "customer",
        "location",
        "contact",
        "project_type",
        "project",
        "user",
        "work_type",
        "order",
        "hour",
        "timeline",
        "me",
    }
    assert {"project_code", "responsible_user_id"} <= set(crafter["project"]["fields"])


# --- the model itself


def test_the_flows_of_the_command_line_are_those_of_the_model() -> None:
    assert tuple(Flows.model_fields) == FLOWS


def test_a_section_has_no_field_the_yaml_cannot_name() -> None:
    def walk(section: type[BaseModel]) -> None:
        assert all(not key.endswith("_") for key in config.keys_of(section))
        for _, child in config_mistakes._children(section):
            walk(child)

    walk(Config)
