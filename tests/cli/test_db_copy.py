"""``batchwire db copy``: one command from SQLite to PostgreSQL, and back."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]


def test_a_batch_comes_over_and_back(cli: Cli, people: Path, postgres_url: str) -> None:
    sent = cli("send", people, "--template", "Hi", "--batch-id", "b1", "--json")
    assert sent.returncode == ExitCode.OK
    copied = cli("db", "copy", "--to", postgres_url)
    assert copied.returncode == ExitCode.OK, copied.stderr
    assert copied.stdout.endswith("rows; verified 1 batches\n")
    there = cli("--database", postgres_url, "recipients", "b1")
    assert there.stdout == cli("recipients", "b1").stdout
    back = cli("db", "copy", "--from", postgres_url, "--to", "back.db", "--json")
    assert json.loads(back.stdout)["batches"] == 1
    assert cli("--database", "back.db", "recipients", "b1").stdout == there.stdout


def test_a_target_that_is_not_empty_is_refused(cli: Cli, people: Path) -> None:
    cli("send", people, "--template", "Hi", "--batch-id", "b1")
    copied = cli("db", "copy", "--to", "copy.db")
    assert copied.returncode == ExitCode.OK
    assert "start no engine on the source any more" in copied.stderr
    again = cli("db", "copy", "--to", "copy.db")
    assert again.returncode == ExitCode.STORE
    assert "the target is not empty: it holds batches (1 rows), " in again.stderr


def test_what_cannot_be_meant_is_refused(cli: Cli, people: Path) -> None:
    none = cli("db", "copy", "--to", "copy.db")
    assert none.returncode == ExitCode.STORE
    assert "there is no such file" in none.stderr
    cli("send", people, "--template", "Hi")
    same = cli("db", "copy", "--to", "batchwire.db")
    assert same.returncode == ExitCode.USAGE
    assert "that is the source itself" in same.stderr
    other = cli("db", "copy", "--to", "mysql://h/d")
    assert other.returncode == ExitCode.USAGE
    assert "mysql is no database for this version" in other.stderr
    assert not Path("copy.db").exists()
