"""`python -m avsync.sandbox.demo`: the main job from login to the last repaired error, against the sandbox.

It runs the commands an operator runs, each as a process of its own, and fails when one does not do what it should.
Nothing is left behind: the sandbox is stopped and its folder removed, also after a failure or Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

import yaml

SECONDS = 120
WAYS_TO_LOOK = """
Both sides keep running, with these problems open. Look at them, change records by hand, mend them, make new ones:

{pages}
   {page:<12} {report}

   cd {folder}
   ./avsync errors              what is wrong, who must act, what to do
   ./avsync errors {number:<12} that one whole
   ./avsync history {key:<11} what happened to one record
   ./avsync run-all             what cron does every ten minutes
   ./avsync report -o report.html
   ./mend                       people mend everything; then ./avsync run-all

Ctrl-C stops it and cleans up."""


class DemoError(Exception):
    """A command did not do what it should; the sentence says which and what."""


class Demo:
    """One sandbox in a folder of its own, and the commands that are run against it."""

    def __init__(self, folder: Path, like: str = "") -> None:
        self.config = folder / "config.yaml"
        self.like = like
        self.pages: dict[str, str] = {}
        self._folder = folder
        self._sandbox: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the sandbox on free ports and wait until it answers."""
        command = [sys.executable, "-m", "avsync.sandbox", "--accountview-port", "0", "--crafter-port", "0"]
        command += ["--write-config", str(self.config), *(["--like", self.like] if self.like else [])]
        self._sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603
        assert self._sandbox.stdout is not None  # noqa: S101 - it was asked for
        for _ in range(2):
            side, _, address = self._sandbox.stdout.readline().strip().partition(" ")
            if not address:
                raise DemoError("the sandbox did not start")
            self.pages[side] = address.strip()
        self._adapt_config()

    def _adapt_config(self) -> None:
        """English, and a free port for the browser to come back to."""
        config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        config["language"] = "en"
        config["accountview"]["redirect_uri"] = f"http://localhost:{_free_port()}/callback"
        self.config.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def paste(self, block: str) -> None:
        """Put what `check --learn` printed into the config, in place of the schema there."""
        config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        for side, parts in yaml.safe_load(block).items():
            config[side] |= parts
        self.config.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def shorten(self) -> Path:
        """Put short commands into the folder, for somebody who plays on; returns where they are."""
        avsync = f"{sys.executable} -m avsync -c {self.config}"
        mend = f"{sys.executable} -m avsync.sandbox.demo --mend {self.pages['AccountView']}"
        for name, command in (("avsync", avsync), ("mend", mend)):
            script = self._folder / name
            script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        return self._folder

    def stop(self) -> None:
        """Stop the sandbox, if it runs."""
        if self._sandbox is not None:
            self._sandbox.terminate()
            try:
                self._sandbox.wait(10)
            except subprocess.TimeoutExpired:
                self._sandbox.kill()
                self._sandbox.wait()

    def post(self, action: str, body: Any = None) -> Any:
        """One of the endpoints by which a person's work is done from outside."""
        return _post(self.pages["AccountView"], action, body)

    def stored(self) -> Any:
        """Everything that both sides hold."""
        with _OPENER.open(f"{self.pages['AccountView']}_sandbox/state", timeout=SECONDS) as answer:
            state = json.load(answer)
        return {side: state[side] for side in ("accountview", "crafter")}

    def errors(self) -> list[dict[str, Any]]:
        """What is open."""
        return list(json.loads(self.run("--json", "errors").stdout))

    def command(self, *arguments: str) -> list[str]:
        """The command line of avsync with the demo's config."""
        return [sys.executable, "-m", "avsync", "-c", str(self.config), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command; its log goes where ours goes."""
        return subprocess.run(  # noqa: S603
            self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=SECONDS
        )

    def avsync(self, *arguments: str, expect: int = 0) -> str:
        """Run a command, show what it says, and insist on its exit code; what stood on stdout."""
        print(f"\n$ avsync {' '.join(arguments)}", flush=True)
        done = self.run(*arguments)
        print(done.stdout, end="", flush=True)
        if done.returncode != expect:
            raise DemoError(f"avsync {' '.join(arguments)}: exit {done.returncode}, {expect} was expected")
        return done.stdout

    def log_in(self) -> None:
        """`avsync login` on a machine without a screen: consent elsewhere, and paste the address it ends on."""
        print("\n$ avsync login --no-browser", flush=True)
        login = subprocess.Popen(  # noqa: S603
            self.command("login", "--no-browser"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert login.stdin is not None  # noqa: S101 - it was asked for
        assert login.stdout is not None  # noqa: S101 - and so was this
        try:
            for line in login.stdout:
                print(line, end="", flush=True)
                if line.startswith("http"):
                    redirect = self.post("approve", {"url": line.strip()})["redirect"]
                    print(f"   (consent given in AccountView; pasting {redirect.partition('?')[0]}?...)", flush=True)
                    login.stdin.write(redirect + "\n")
                    login.stdin.flush()
            if login.wait(SECONDS) != 0:
                raise DemoError(f"avsync login: exit {login.returncode}")
        finally:
            login.kill()
            login.wait()


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _post(address: str, action: str, body: Any = None) -> Any:
    data = json.dumps(body or {}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}_sandbox/{action}", data, headers)  # noqa: S310 - loopback
    with _OPENER.open(request, timeout=SECONDS) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _say(number: int, sentence: str) -> None:
    print(f"\n=== {number}. {sentence}", flush=True)


def play(demo: Demo) -> None:
    """The whole story. DemoError when something is not as it should be."""
    _say(1, "AccountView and Crafter of an installation company, made up, on this computer. Look at them in a browser:")
    demo.start()
    for side, address in demo.pages.items():
        print(f"   {side:<12} {address}", flush=True)
    _say(2, "An operator logs in to AccountView, once.")
    demo.log_in()
    if demo.like:
        _say(3, "What does this installation call everything? The block goes into the config; then: is all there?")
        demo.paste(demo.avsync("check", "--learn"))
    else:
        _say(3, "Is everything there that a run needs?")
    demo.avsync("check")
    _say(4, "The run that cron will do every ten minutes. The company has records that cannot succeed: exit 1.")
    demo.avsync("run-all", expect=1)
    _say(5, "What went wrong, who must act, and what is the next step? The same stands in Crafter's timelines.")
    demo.avsync("errors")
    found = demo.errors()
    if not found:
        raise DemoError("the run ended with exit 1, but no errors are listed")
    number, key = _one_to_follow(found)
    _say(6, "One of them whole: both sides, in their own words, since when.")
    demo.avsync("errors", number)
    _say(7, "People mend those records, in AccountView and in Crafter. The next run takes them along: exit 0.")
    demo.post("repair")
    demo.avsync("run-all")
    _after(demo, key)


def _one_to_follow(found: list[dict[str, Any]]) -> tuple[str, str]:
    """An error of one record that people know by a number: its own number, and the record's."""
    own = [one for one in found if one["severity"] == "error" and one["count"] == 1 and one["key"] != one["record"]]
    chosen = next((one for one in own if one["side"] == "crafter"), (own or found)[0])
    return str(chosen["id"]), str(chosen["key"])


def _after(demo: Demo, key: str) -> None:
    """After the repair: no errors, a story to tell, and a run with nothing to do writes nothing."""
    demo.avsync("errors")
    left = demo.errors()
    if left:
        raise DemoError(f"{len(left)} errors are left after the repair")
    _say(8, "What happened to that record? Every change is kept, on either side, with the old and the new value.")
    if not demo.avsync("history", key).strip():
        raise DemoError(f"nothing is told of {key}")
    _say(9, "Nothing changed since. A quiet run says nothing and writes nothing, on either side.")
    before = demo.stored()
    said = demo.avsync("run-all")
    if said or demo.stored() != before:
        raise DemoError("a run with nothing to do wrote or said something")
    print("   (both sides are byte for byte what they were)", flush=True)
    _say(10, "How do things stand? On the screen, and as a page for a browser.")
    demo.avsync("status")
    _page(demo)
    print("\nAll as it should be.", flush=True)


def _page(demo: Demo) -> Path:
    file = demo.config.with_name("report.html")
    demo.avsync("report", "-o", str(file))
    if "</html>" not in file.read_text(encoding="utf-8"):
        raise DemoError("the page is not whole")
    return file


def open_problems(demo: Demo) -> None:
    """For who wants to play on: another morning's mistakes."""
    _say(11, "Another morning: people work on, and some of it cannot go along as it stands.")
    demo.post("mistakes")
    demo.avsync("run-all", expect=1)
    demo.avsync("errors")
    file = _page(demo)
    number, key = _one_to_follow(demo.errors())
    pages = "\n".join(f"   {side:<12} {address}" for side, address in demo.pages.items())
    told = {"pages": pages, "page": "Report", "report": file.as_uri(), "number": number, "key": key}
    print(WAYS_TO_LOOK.format(folder=demo.shorten(), **told), flush=True)


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Play the demo; 0 when all went as it should."""
    parser = argparse.ArgumentParser(prog="python -m avsync.sandbox.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the sandbox running, with problems open, to play on")
    parser.add_argument(
        "--like", default="", metavar="FILE", help="on a recorded installation instead of the usual one"
    )
    parser.add_argument("--mend", default="", metavar="ADDRESS", help="mend all records in a sandbox that is kept")
    arguments = parser.parse_args()
    if arguments.mend:
        _post(arguments.mend, "repair")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    folder = Path(tempfile.mkdtemp(prefix="avsync-demo-"))
    demo, played = Demo(folder, arguments.like), False
    try:
        play(demo)
        played = True
        if arguments.keep:
            open_problems(demo)
            signal.pause()
    except DemoError as error:
        print(f"\nThe demo failed: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if played else 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
