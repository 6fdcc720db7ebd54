"""Where the demo plays: a folder, real processes, and commands as a user types them."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from batchwire.cli import output

_PATIENCE_S = 60.0


class Broken(Exception):
    """A step of the demo did not work; says which."""


class Stage:
    """
    Runs ``batchwire`` commands in a folder; ends what it started.

    ``say`` prints what a person reads.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._started: list[subprocess.Popen[str]] = []
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BATCHWIRE_")
        }
        self.url = ""  # of the provider

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process that is still there."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def tell(self, text: str) -> None:
        """Say a line about what was seen."""
        self._say(f"    {text}")

    def title(self, text: str) -> None:
        """Announce a step."""
        self._say(f"\n# {text}")

    def do(self, command: str, *, shown: int = 1) -> None:
        """Run a command to its end; shows so many lines of its output, 0 is all."""
        self._show(command)
        lines = self._run(command).splitlines()
        for line in lines[:shown] if shown else lines:
            self.tell(line)

    def ask(self, command: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command with ``--json``, unseen."""
        return json.loads(self._run(f"{command} --json"))

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command that goes on by itself."""
        self._show(f"{command} &")
        process = subprocess.Popen(  # noqa: S603 - our own program
            self._argv(command),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which ends them
        )
        self._started.append(process)
        return process

    def start_provider(self, command: str) -> None:
        """Start the provider and wait until it listens."""
        process = self.start(command)
        said = process.stdout.readline() if process.stdout else ""
        if "http" not in said:
            raise Broken("the sandbox provider did not start")
        self.url = said.split()[-1]

    def stats(self) -> dict[str, Any]:
        """Ask the provider what it counted."""
        with urllib.request.urlopen(f"{self.url}/stats", timeout=10) as answer:  # noqa: S310 - loopback
            counted: dict[str, Any] = json.load(answer)
        return counted

    def wait_until_accepted(self, count: int) -> int:
        """Wait until the provider accepted so many; returns how many it is then."""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            accepted = int(self.stats()["accepted"])
            if accepted >= count:
                return accepted
            time.sleep(0.05)
        raise Broken(f"the provider did not accept {count:,} messages in time")

    def _run(self, command: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                self._argv(command),
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Broken(f"`batchwire {command}` took too long") from None
        if done.returncode:
            told = (done.stderr or done.stdout).strip()
            message = f"`batchwire {command}` ended with {done.returncode}: {told}"
            raise Broken(message)
        return done.stdout

    def _argv(self, command: str) -> list[str]:
        return [sys.executable, "-m", "batchwire", *shlex.split(command)]

    def _show(self, command: str) -> None:
        self._say(f"$ batchwire {command}")


def printer(*, is_quiet: bool) -> Callable[[str], None]:
    """Give what prints lines: on standard error where only JSON is wanted."""
    return output.note if is_quiet else _print


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the program's output
