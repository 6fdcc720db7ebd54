"""The program as a whole: version, help, failures, processes."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest

from batchwire import __version__, errors
from batchwire.cli import app, exit_codes, failures, session
from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]
Start = Callable[..., Popen[str]]


def test_the_version_is_told_without_importing_a_command(start: Start) -> None:
    version = start("--version")
    assert version.communicate(timeout=30)[0] == f"batchwire {__version__}\n"
    assert version.returncode == 0


def test_help_names_every_command(cli: Cli) -> None:
    words = [line.strip("│ ").split(" ")[0] for line in cli().stdout.splitlines()]
    assert set(app.COMMANDS) <= set(words)


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_has_help(cli: Cli, name: str) -> None:
    done = cli(name, "--help")
    assert done.returncode == 0
    assert f"batchwire {name}" in done.stdout


def test_a_command_that_is_misspelt_is_guessed(cli: Cli) -> None:
    done = cli("wach")
    assert done.returncode == ExitCode.USAGE
    assert "Did you mean 'watch'? `batchwire --help` shows what fits" in done.stderr


def test_every_exit_code_has_a_meaning() -> None:
    assert set(exit_codes.MEANINGS) == set(ExitCode)


@pytest.mark.parametrize("kind", errors.BatchwireError.__subclasses__())
def test_every_kind_of_error_has_an_exit_code(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    assert isinstance(error, errors.BatchwireError)
    assert exit_codes.of_error(error) is not ExitCode.INTERNAL


def test_a_defect_is_a_sentence_and_a_traceback_only_for_who_asks(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    (folder / "batchwire.db").touch()
    monkeypatch.setattr(session, "opened", broken)
    told = cli("list")
    assert told.returncode == ExitCode.INTERNAL
    assert told.stderr.startswith("error: this is a defect")
    assert "Traceback" not in told.stderr
    monkeypatch.setenv(failures.DEBUG_VARIABLE, "1")
    assert "Traceback" in cli("list").stderr


def test_the_sandbox_provider_behaves_as_told(start: Start) -> None:
    provider = start("sandbox-provider", "--port", "0", "--latency-ms", "3")
    assert provider.stdout is not None
    url = provider.stdout.readline().split()[-1]
    with urllib.request.urlopen(f"{url}/behaviour", timeout=10) as answer:  # noqa: S310
        assert json.load(answer)["latency_ms"] == 3


def test_a_port_that_is_taken(cli: Cli, start: Start) -> None:
    provider = start("sandbox-provider", "--port", "0")
    assert provider.stdout is not None
    port = provider.stdout.readline().rsplit(":")[-1].strip()
    done = cli("sandbox-provider", "--port", port)
    assert done.returncode == ExitCode.PROVIDER
    assert "another host or port" in done.stderr
