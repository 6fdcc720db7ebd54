"""The command line in a folder of its own, in this process or as a real one."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
import structlog

from batchwire.cli import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with no settings from outside."""
    for name in os.environ:
        if name.startswith("BATCHWIRE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., CompletedProcess[str]]]:
    """Give what carries out one command line here."""

    def run(*arguments: object) -> CompletedProcess[str]:
        capfd.readouterr()
        words = [str(argument) for argument in arguments]
        code = app.run(words)
        out, err = capfd.readouterr()
        return CompletedProcess(words, code, out, err)

    yield run
    structlog.reset_defaults()


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Popen[str]]]:
    """Give what starts a command line as a process of its own."""
    started: list[Popen[str]] = []

    def process(*arguments: object) -> Popen[str]:
        words = [str(argument) for argument in arguments]
        started.append(
            Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "batchwire", *words],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield process
    for one in started:
        one.kill()
        one.communicate()


class Terminal:
    """A command line that runs on a terminal of its own, 80 columns wide."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self.process = Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "batchwire", *words],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        )
        os.close(theirs)
        self.shown = ""  # so far, with all that moves the cursor

    def until(self, text: str) -> None:
        """Read on until the terminal was shown this, at most half a minute."""
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown

    def end(self) -> str:
        """Read until the command has ended; gives all that was shown."""
        while self._read():
            pass
        self.process.wait(30)
        return self.shown

    def close(self) -> None:
        """Leave nobody behind."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 30)[0]:
            return False
        try:
            found = os.read(self._ours, 65536)
        except OSError:  # nobody holds the other side any more
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Callable[..., Terminal]]:
    """Give what starts a command line on a terminal."""
    started: list[Terminal] = []

    def process(*arguments: object) -> Terminal:
        words = [str(argument) for argument in arguments]
        started.append(Terminal(words, folder))
        return started[-1]

    yield process
    for one in started:
        one.close()


@pytest.fixture
def people(folder: Path) -> Path:
    """Write a list of four: good, the same again, no number, good outside GSM-7."""
    path = folder / "people.csv"
    path.write_text(
        "to,name\n"
        "+4917112345678,Ann\n"
        "0049 171 12345678,Ann again\n"
        "call me,Nobody\n"
        "+4917112345679,Zoë ☺\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def slow(folder: Path) -> Path:
    """Write a list and settings of a batch that would take minutes."""
    (folder / "batchwire.yaml").write_text(
        "providers:\n  slow: {kind: sandbox, rate_parts_per_s: 1}\n"
    )
    path = folder / "slow.txt"
    path.write_text("".join(f"+49171{n:08}\n" for n in range(2000)))
    return path
