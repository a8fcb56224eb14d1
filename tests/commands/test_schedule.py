"""`avsync schedule`: what it prints is what cron, systemd and Kubernetes take, and it runs as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from avsync.config.settings import load
from tests.support.office import Told

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("avsync")
SCHEMA = json.loads((ROOT / "tests" / "data" / "kubernetes.json").read_text(encoding="utf-8"))
CONFIG = """\
# Ours, with a note.
language: en
company: "{company}"
flows: {{customers: import}}
state_dir: state/demo
accountview:
  client_id: "x"
  client_secret:
    file: demo.accountview.secret   # beside this file
crafter: {{base_url: "https://crafter.example/api/v1", api_key: {{file: demo.crafter.key}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a company's config and secrets stand; a folder with a name that must be quoted."""
    place = tmp_path / "Jansen & Zn 100%"
    place.mkdir()
    (place / "demo.yaml").write_text(CONFIG.format(company="DEMO"), encoding="utf-8")
    for name in ("demo.accountview.secret", "demo.crafter.key"):
        (place / name).write_text("secret\n")
    return place


def schedule(folder: Path, system: str, name: str = "demo.yaml", cwd: Path = Path("/")) -> str:
    done = subprocess.run(
        [PROGRAM, "-c", os.path.relpath(folder / name, cwd), "schedule", system], cwd=cwd, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "secret\n" not in done.stdout.replace("accountview.secret\n", "")
    return done.stdout


# --- cron


def entry(printed: str) -> tuple[list[str], str]:
    """(when, command) of the only line that is no comment, as cron takes it."""
    [line] = [line for line in printed.splitlines() if not line.startswith("#")]
    *when, command = line.split(None, 5)
    assert re.search(r"(?<!\\)%", command) is None  # to cron that would be the end of the command
    return when, command.replace(r"\%", "%")


def test_the_line_for_cron_runs_from_anywhere_with_nothing_set(folder: Path) -> None:
    when, command = entry(schedule(folder, "cron"))
    assert re.fullmatch(r"(\*|[1-9]-59)/10 \* \* \* \*", " ".join(when))
    done = subprocess.run(["/bin/sh", "-c", command], cwd="/", env={}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr  # as far as a run without a login comes
    assert "avsync login" in done.stderr


def test_companies_start_at_minutes_of_their_own_which_stay(folder: Path) -> None:
    minutes = []
    for number in range(12):
        (folder / f"c{number}.yaml").write_text(CONFIG.format(company=f"C{number}"), encoding="utf-8")
    from avsync.commands.schedule import Company

    for number in range(12):
        path = folder / f"c{number}.yaml"
        minutes.append(Company(load(path), path, ["avsync"]).minute)
    assert minutes == [Company(load(path), path, ["x"]).minute for path in (folder / f"c{n}.yaml" for n in range(12))]
    assert len(set(minutes)) > 5
    assert all(0 <= minute < 10 for minute in minutes)


def test_a_secret_that_cron_does_not_know_is_pointed_out(folder: Path) -> None:
    path = folder / "demo.yaml"
    path.write_text(path.read_text().replace("{file: demo.crafter.key}", "{env: CRAFTER_KEY}"))
    for system in ("cron", "systemd"):
        printed = schedule(folder, system)
        assert "crafter.api_key stands in the environment variable CRAFTER_KEY" in printed


# --- systemd


def units(printed: str) -> dict[str, str]:
    """File name → content."""
    parts = re.split(r"^# /etc/systemd/system/(\S+)$", printed, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_units_serve_every_config_in_the_folder(folder: Path) -> None:
    found = units(schedule(folder, "systemd"))
    assert list(found) == ["avsync@.service", "avsync@.timer"]
    service, timer = settings(found["avsync@.service"]), settings(found["avsync@.timer"])
    place = str(folder).replace("%", "%%")
    assert service["ExecStart"] == [f'{PROGRAM} -c "{place}/%i.yaml" run-all']
    assert service["LoadCredential"] == [
        f"%i.accountview.secret:{place}/%i.accountview.secret", f"%i.crafter.key:{place}/%i.crafter.key",
    ]  # fmt: skip
    assert service["ReadWritePaths"] == [f'"{place}/state/%i"']
    assert service["Type"] == ["oneshot"]
    for key in ("NoNewPrivileges", "PrivateDevices", "RestrictNamespaces", "LockPersonality"):
        assert service[key] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]
    assert (timer["OnCalendar"], timer["RandomizedDelaySec"]) == (["*:0/10"], ["9min"])
    assert timer["FixedRandomDelay"] == ["yes"]  # else two runs may be nineteen minutes apart


def test_what_a_run_writes_elsewhere_may_be_written(folder: Path) -> None:
    """Else the log, the figures and the page would be refused without a word."""
    path = folder / "demo.yaml"
    inside = "report_file: state/demo/page.html\n"
    outside = (
        "log: {file: /var/log/avsync/demo.log}\nmetrics_file: /srv/a b/demo.prom\nreport_file: /srv/a b/demo.html\n"
    )
    before = path.read_text(encoding="utf-8")
    path.write_text(before + inside, encoding="utf-8")
    (service, _) = units(schedule(folder, "systemd")).values()
    assert len(settings(service)["ReadWritePaths"]) == 1, "it stands in state_dir"
    path.write_text(before + outside, encoding="utf-8")
    (service, _) = units(schedule(folder, "systemd")).values()
    assert settings(service)["ReadWritePaths"][1:] == ["-/var/log/avsync", '-"/srv/a b"']


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
@pytest.mark.parametrize("name", ["demo.yaml", "other company.yaml"])
def test_systemd_finds_nothing_wrong_with_them(folder: Path, tmp_path: Path, name: str) -> None:
    if name != "demo.yaml":
        (folder / name).write_text((folder / "demo.yaml").read_text())
    found = units(schedule(folder, "systemd", name))
    (tmp_path / "units").mkdir()
    for file, content in found.items():
        (tmp_path / "units" / file).write_text(content)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / "units" / file) for file in found)], capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_credential_that_systemd_hands_over_goes_before_the_file(folder: Path, tmp_path: Path) -> None:
    handed = tmp_path / "credentials"
    handed.mkdir()
    program = (
        "from avsync.config.settings import load; import sys\n"
        "config = load(__import__('pathlib').Path(sys.argv[1]))\n"
        "print(config.accountview.client_secret.reveal(), config.crafter.api_key.reveal())"
    )

    def revealed(**env: str) -> str:
        command = [sys.executable, "-c", program, str(folder / "demo.yaml")]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout.strip()

    assert revealed() == "secret secret"
    (handed / "demo.accountview.secret").write_text("handed over\n")
    assert revealed(CREDENTIALS_DIRECTORY=str(handed)) == "handed over secret"
    assert revealed(CREDENTIALS_DIRECTORY="") == "secret secret"


# --- kubernetes


def documents(printed: str) -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(printed)}


@pytest.mark.parametrize("company", ["DEMO", "Jansen & Zn", "42", "___"])
def test_the_manifests_are_valid_for_kubernetes(folder: Path, company: str) -> None:
    (folder / "demo.yaml").write_text(CONFIG.format(company=company), encoding="utf-8")
    found = documents(schedule(folder, "kubernetes"))
    assert list(found) == ["Secret", "ConfigMap", "PersistentVolumeClaim", "CronJob"]
    for kind, document in found.items():
        jsonschema.validate(document, {**SCHEMA["kinds"][kind], "$defs": SCHEMA["$defs"]})
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", document["metadata"]["name"])
    assert len({one["metadata"]["name"] for one in found.values()}) == 1


def test_the_schema_refuses_what_kubernetes_would_refuse(folder: Path) -> None:
    job = documents(schedule(folder, "kubernetes"))["CronJob"]
    for spoil in (lambda spec: spec.pop("schedule"), lambda spec: spec.update(concurencyPolicy="Forbid")):
        spoilt = json.loads(json.dumps(job))
        spoil(spoilt["spec"])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, {**SCHEMA["kinds"]["CronJob"], "$defs": SCHEMA["$defs"]})


def test_a_job_never_runs_beside_itself_and_has_what_the_config_names(folder: Path, tmp_path: Path) -> None:
    found = documents(schedule(folder, "kubernetes"))
    spec = found["CronJob"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    inside = tmp_path / "inside.yaml"
    inside.write_text(found["ConfigMap"]["data"]["config.yaml"])
    config = load(inside)
    assert config.company == "DEMO"
    assert "# Ours, with a note." in inside.read_text()
    assert config.state_dir.is_relative_to(mounted["state"])
    for secret in (config.accountview.client_secret, config.crafter.api_key):
        place = Path(str(secret.file))
        assert str(place.parent) == mounted["secrets"]
        assert place.name in found["Secret"]["stringData"]
    assert set(found["Secret"]["stringData"].values()) == {""}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(("said", "job"), [(0, 0), (1, 0), (4, 0), (2, 2), (3, 3), (5, 5)])
def test_a_job_fails_only_for_what_a_person_must_mend_here(folder: Path, tmp_path: Path, said: int, job: int) -> None:
    command = documents(schedule(folder, "kubernetes"))["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ][0]["command"]
    fake = tmp_path / "avsync"
    fake.write_text(f'#!/bin/sh\necho "$@"\nexit {said}\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (job, "-c /etc/avsync/config.yaml run-all\n")


def test_the_login_in_a_pod_has_the_same_volumes(folder: Path) -> None:
    printed = schedule(folder, "kubernetes")
    [line] = [line for line in printed.splitlines() if "kubectl run" in line]
    words = shlex.split(line.removeprefix("#"))
    [overrides] = [json.loads(word.partition("=")[2]) for word in words if word.startswith("--overrides=")]
    job = documents(printed)["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert overrides["spec"]["volumes"] == job["volumes"]
    [container] = overrides["spec"]["containers"]
    assert container["command"] == ["avsync", "-c", "/etc/avsync/config.yaml", "login", "--no-browser"]
    assert (container["stdin"], container["tty"]) == (True, True)
    schema = {"$ref": "#/$defs/io.k8s.api.core.v1.PodSpec", "$defs": SCHEMA["$defs"]}
    jsonschema.validate(overrides["spec"], schema)


def test_the_image_is_printed_with_it(folder: Path) -> None:
    printed = schedule(folder, "kubernetes")
    for line in ("FROM python", "COPY dist/avsync-", "RUN pip install", "USER 10001", 'ENTRYPOINT ["avsync"]'):
        assert f"#   {line}" in printed


def test_another_system_is_a_usage_error(folder: Path) -> None:
    done = subprocess.run([PROGRAM, "schedule", "launchd"], capture_output=True, text=True, timeout=60)
    assert Told(done.returncode, "", "").exit == 2
