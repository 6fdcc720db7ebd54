"""The command line in a folder of its own, in this process or as a real one."""

import os
import subprocess
import sys
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
