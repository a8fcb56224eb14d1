"""`avsync schedule`: what to install so that a company is kept in step every ten minutes, with whole paths.

cron: a line. systemd: a service and a timer that serve every config in the folder. kubernetes: all that one company
needs. Companies share nothing, so that any number of them may run beside each other; each has a minute of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avsync import __version__
from avsync.config import example
from avsync.config.secret import Secret
from avsync.config.settings import Config
from avsync.messages.texts import phrase

EVERY = 10  # minutes
BEYOND_BUDGET = 300  # seconds: a request under way at the end of the budget is waited for
IMAGE = f"avsync:{__version__}"
USER_ID = 10001
MOUNTS = {"config": "/etc/avsync", "secrets": "/etc/avsync-secrets", "state": "/var/lib/avsync"}
CREDENTIALS = {"accountview": ("client_secret", "accountview.secret"), "crafter": ("api_key", "crafter.key")}

HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077"""


@dataclass(frozen=True)
class Company:
    """One config, and the program that is to run it."""

    config: Config
    path: Path
    program: list[str]

    @property
    def minute(self) -> int:
        """0 to 9: when in the ten minutes it starts."""
        name = f"{self.config.company}@{self.path}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % EVERY

    @property
    def times(self) -> str:
        """As cron writes it."""
        return f"{f'{self.minute}-59' if self.minute else '*'}/{EVERY} * * * *"

    @property
    def user(self) -> str:
        """Whose the state is, else who asks."""
        try:
            uid = self.config.state_dir.stat().st_uid
        except OSError:
            uid = os.geteuid()
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    @property
    def seconds(self) -> int:
        """How long a run may take at most."""
        return round(self.config.budget) + BEYOND_BUDGET

    def written(self) -> list[str]:
        """The folders besides state_dir in which a run writes a file."""
        config = self.config
        files = [config.log.file if config.log else None, config.metrics_file, config.report_file]
        folders = [file.parent for file in files if file is not None]
        return [str(one) for one in dict.fromkeys(folders) if not one.is_relative_to(config.state_dir)]

    def secrets(self) -> Iterator[Secret]:
        yield self.config.accountview.client_secret
        yield self.config.crafter.api_key

    def remark(self, name: str, /, **params: Any) -> str:
        """A line of comment."""
        return f"# {phrase('schedule', name, self.config.language, **params)}"

    def unknown(self) -> Iterator[str]:
        """Remarks about secrets that no scheduler knows."""
        for secret in self.secrets():
            if secret.env:
                yield self.remark("env", key=secret.key, name=secret.env)


def run(config: Config, path: Path, system: str) -> str:
    """What to install for `cron`, `systemd` or `kubernetes`."""
    return SYSTEMS[system](Company(config, path.absolute(), program()))


def program() -> list[str]:
    """How this very program is called from anywhere."""
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "avsync" else None
    return [str(Path(called).absolute())] if called else [sys.executable, "-m", "avsync"]


# --- cron


def cron(company: Company) -> str:
    """A line of the crontab; there a % ends the command unless it is escaped."""
    command = shlex.join([*company.program, "-c", str(company.path), "run-all"]).replace("%", r"\%")
    lines = [company.remark("cron", user=company.user), company.remark("spread"), *company.unknown()]
    return "\n".join([*lines, f"{company.times} {command}"])


# --- systemd


def systemd(company: Company) -> str:
    """The service and the timer as templates: the instance is the name of the config."""
    instance = company.path.stem if re.fullmatch(r"[\w.:-]+", company.path.stem, re.ASCII) else "company"

    def general(path: str | Path) -> str:
        """A path in which the instance stands for itself, so that it serves the other companies too."""
        *folders, name = str(path).replace("%", "%%").split("/")
        stem, dot, rest = name.partition(".")
        return "/".join([*folders, f"%i{dot}{rest}" if stem == instance else name])

    here = company.path.parent
    service = [
        company.remark("units", folder=here),
        *company.unknown(),
        "",
        "# /etc/systemd/system/avsync@.service",
        *_service(company, general),
        "",
        "# /etc/systemd/system/avsync@.timer",
        company.remark("stable"),
        "[Unit]",
        f"Description=avsync: %i, every {EVERY} minutes",
        "",
        "[Timer]",
        f"OnCalendar=*:0/{EVERY}",
        f"RandomizedDelaySec={EVERY - 1}min",
        "FixedRandomDelay=yes",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
        company.remark("enable"),
        f"# systemctl daemon-reload && systemctl enable --now avsync@{instance}.timer",
    ]
    return "\n".join(service)


def _service(company: Company, general: Callable[[str | Path], str]) -> Iterator[str]:
    files = [secret.file for secret in company.secrets() if secret.file]
    touched = [company.program[0], str(company.path), str(company.config.state_dir), *files, *company.written()]
    at_home = any(path.startswith(("/home/", "/root/", "/run/user/")) for path in touched)
    yield "[Unit]"
    yield "Description=avsync: %i"
    yield "Wants=network-online.target"
    yield "After=network-online.target"
    yield ""
    yield "[Service]"
    yield "Type=oneshot"
    yield f"User={company.user}"
    command = [*(word.replace("%", "%%") for word in company.program), "-c", general(company.path), "run-all"]
    yield f"ExecStart={' '.join(map(_quoted, command))}"
    for file in files:
        yield f"LoadCredential={general(Path(file).name)}:{general(file)}"
    yield company.remark("exits")
    yield "SuccessExitStatus=1 4"
    yield f"TimeoutStartSec={company.seconds}"
    yield f"ReadWritePaths={_quoted(general(company.config.state_dir))}"
    for folder in company.written():
        yield f"ReadWritePaths=-{_quoted(general(folder))}"
    hardened = HARDENED.format(home="read-only" if at_home else "yes")
    in_tmp = any(path.startswith(("/tmp/", "/var/tmp/")) for path in touched)  # noqa: S108 - only looked at
    yield from (line for line in hardened.splitlines() if not (in_tmp and line.startswith("PrivateTmp")))


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else json.dumps(word, ensure_ascii=False)


# --- kubernetes


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, and no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def kubernetes(company: Company) -> str:
    """Secret, ConfigMap, volume and CronJob of one company, and what is done once."""
    name = "avsync-" + (re.sub(r"[^a-z0-9]+", "-", company.config.company.lower()).strip("-")[:40] or "company")
    labels = {"app.kubernetes.io/name": "avsync", "app.kubernetes.io/instance": name}

    def document(version: str, kind: str, **content: Any) -> dict[str, Any]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, **content}

    files = [file for _, file in CREDENTIALS.values()]
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    documents = [
        document("v1", "Secret", type="Opaque", stringData=dict.fromkeys(files, "")),
        document("v1", "ConfigMap", data={"config.yaml": _in_a_pod(company)}),
        document("v1", "PersistentVolumeClaim", spec=storage),
        document("batch/v1", "CronJob", spec=_cron_job(company, name, labels)),
    ]
    given = zip(files, company.secrets(), strict=True)
    sources = " ".join(f"--from-file={file}={shlex.quote(secret.file or 'FILE')}" for file, secret in given)
    pod = json.dumps(
        {"apiVersion": "v1", "spec": _pod(name, [*_command(), "login", "--no-browser"], talks=True)},
        separators=(",", ":"),
    )
    lines = [
        company.remark("image"),
        *(f"#   {line}" for line in _image()),
        company.remark("apply"),
        f"#   kubectl create secret generic {name} {sources}",
        company.remark("kube_login"),
        f"#   kubectl run {name}-login --rm -it --restart=Never --image={IMAGE} --overrides={shlex.quote(pod)}",
    ]
    dumped = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True)
    return "\n".join([*lines, dumped.rstrip()])


def _image() -> list[str]:
    wheel = f"avsync-{__version__}-py3-none-any.whl"
    return [
        "FROM python:3.13-slim",
        f"COPY dist/{wheel} /tmp/",
        f"RUN pip install --no-cache-dir /tmp/{wheel} && useradd --uid {USER_ID} avsync",
        f"USER {USER_ID}",
        'ENTRYPOINT ["avsync"]',
    ]


def _in_a_pod(company: Company) -> str:
    """The config as it stands, with the paths of the pod. The state is a folder within the volume, which avsync makes
    itself: one that the cluster gives to a group is open to others (behaviour 53)."""
    values: dict[example.Loc, Any] = {("state_dir",): f"{MOUNTS['state']}/state"}
    values |= {(side, key): {"file": f"{MOUNTS['secrets']}/{file}"} for side, (key, file) in CREDENTIALS.items()}
    text = example.filled(company.path.read_text(encoding="utf-8-sig"), values)
    return "\n".join(line.rstrip() for line in text.replace("\t", " ").splitlines()) + "\n"


def _command() -> list[str]:
    return ["avsync", "-c", f"{MOUNTS['config']}/config.yaml"]


def _cron_job(company: Company, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Exit 1 (records need attention) and 4 (a service is down) are no failures of a job."""
    call = shlex.join([*_command(), "run-all"])
    shell = ["/bin/sh", "-c", f"{call}; code=$?; case $code in 1|4) code=0;; esac; exit $code"]
    return {
        "schedule": company.times,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 60 * EVERY // 2,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": company.seconds,
                "template": {"metadata": {"labels": labels}, "spec": _pod(name, shell)},
            }
        },
    }


def _pod(name: str, command: list[str], *, talks: bool = False) -> dict[str, Any]:
    """A pod that may do nothing but this; `talks`: with somebody at a terminal."""
    mounts = [{"name": volume, "mountPath": path} for volume, path in MOUNTS.items()]
    container = {
        "name": "avsync",
        "image": IMAGE,
        "command": command,
        **({"stdin": True, "tty": True} if talks else {}),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "secrets", "secret": {"secretName": name, "defaultMode": 0o440}},
            {"name": "state", "persistentVolumeClaim": {"claimName": name}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


SYSTEMS = {"cron": cron, "systemd": systemd, "kubernetes": kubernetes}
