"""The rates of providers: seen, set for every engine, and taken back."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def on(request: pytest.FixtureRequest, cli: Cli, slow: Path) -> tuple[str, ...]:
    """Name a database that exists already; the settings name a provider ``slow``."""
    if request.param == "postgresql":
        return ("--database", request.getfixturevalue("postgres_url"))
    cli("send", slow, "--template", "Hi", "--provider", "slow", "--dry-run")
    cli("db", "upgrade")
    return ()


def of_slow(cli: Cli, on: tuple[str, ...]) -> tuple[object, object, object]:
    found = json.loads(cli(*on, "providers", "list", "--json").stdout)
    one = next(each for each in found if each["provider"] == "slow")
    return one["rate_parts_per_s"], one["burst_parts"], one["rate_from"]


def test_a_rate_is_set_until_it_is_taken_back(cli: Cli, on: tuple[str, ...]) -> None:
    assert of_slow(cli, on) == (1, 2, "settings")
    done = cli(*on, "providers", "set-rate", "slow", "250", "--burst", "40")
    assert (done.returncode, done.stdout) == (0, "slow: 250.0 parts/s (set-rate)\n")
    assert of_slow(cli, on) == (250, 40, "set-rate")
    assert cli(*on, "providers", "set-rate", "slow", "0").returncode == 0
    assert of_slow(cli, on) == (None, None, "set-rate")
    assert cli(*on, "providers", "set-rate", "slow", "--default").returncode == 0
    assert of_slow(cli, on) == (1, 2, "settings")


def test_a_dry_run_goes_by_the_rate_that_was_set(
    cli: Cli, on: tuple[str, ...], slow: Path
) -> None:
    cli(*on, "providers", "set-rate", "slow", "4")
    asked = ("send", slow, "--template", "Hi", "--provider", "slow", "--dry-run")
    found = json.loads(cli(*on, *asked, "--json").stdout)
    assert found["rate_parts_per_s"] == 4
    slower = json.loads(cli(*on, *asked, "--rate", "2", "--json").stdout)
    assert slower["rate_parts_per_s"] == 2


def test_a_provider_that_is_not_there_is_refused(cli: Cli, on: tuple[str, ...]) -> None:
    done = cli(*on, "providers", "set-rate", "slwo", "5")
    assert done.returncode == ExitCode.SETTINGS
    assert "there is no such provider (there: sandbox, slow)" in done.stderr


@pytest.mark.parametrize("words", [(), ("5", "--default"), ("-1",)])
def test_a_rate_or_the_default_is_said_and_not_both(
    cli: Cli, on: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = cli(*on, "providers", "set-rate", "slow", *words)
    assert done.returncode == ExitCode.USAGE
