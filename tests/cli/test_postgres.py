"""The program on PostgreSQL: the same commands, another URL."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from batchwire.adapters.sql.migrate import HEAD
from batchwire.cli.exit_codes import ExitCode
from batchwire.testing.postgres import Cluster

Cli = Callable[..., CompletedProcess[str]]


def test_a_list_is_sent_shown_and_verified(
    cli: Cli, people: Path, postgres_url: str
) -> None:
    on = ("--database", postgres_url)
    sent = cli(*on, "send", people, "--template", "Hi {{name}}", "--json")
    assert sent.returncode == ExitCode.OK
    batch = json.loads(sent.stdout)
    assert (batch["status"], batch["counts"]["accepted"]) == ("completed", 2)
    assert cli(*on, "verify").returncode == ExitCode.OK
    assert cli(*on, "show", batch["batch_id"]).returncode == ExitCode.OK
    assert cli(*on, "serve", "--until-idle").returncode == ExitCode.OK
    refused = cli(*on, "pause", batch["batch_id"])
    assert refused.returncode == ExitCode.BATCH


def test_a_batch_id_may_be_as_long_as_its_rule_says(
    cli: Cli, people: Path, postgres_url: str
) -> None:
    on = ("--database", postgres_url)
    words = ("--template", "Hi", "--batch-id", "b" * 128)
    assert cli(*on, "send", people, *words).returncode == ExitCode.OK


def test_no_password_is_told(cli: Cli, postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", "postgres:geheim@")
    for command in (
        ("serve", "--until-idle"),
        ("list",),
        ("config", "show"),
        ("db", "upgrade"),
    ):
        done = cli("--database", url, *command)
        assert done.returncode == ExitCode.OK
        assert "geheim" not in done.stdout + done.stderr
    away = cli("--database", "postgresql://u:geheim@127.0.0.1:1/db", "list")
    assert away.returncode == ExitCode.STORE
    assert "database 127.0.0.1:1/db: the server is away" in away.stderr
    assert "geheim" not in away.stderr


def test_an_empty_database_is_made_once(cli: Cli, cluster: Cluster) -> None:
    asyncio.run(cluster.execute("CREATE DATABASE for_upgrade"))
    on = ("--database", cluster.url("for_upgrade"))
    assert (
        cli(*on, "db", "upgrade").stdout == f"the schema is {HEAD} now; it was empty\n"
    )
    assert cli(*on, "db", "upgrade").stdout == f"the schema is {HEAD} already\n"
    again = cli(*on, "db", "upgrade", "--json")
    assert json.loads(again.stdout) == {"before": HEAD, "after": HEAD}


def test_a_schema_that_is_not_known_is_refused_by_every_command(
    cli: Cli, cluster: Cluster, postgres_url: str
) -> None:
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    newer = "UPDATE alembic_version SET version_num = '9999'"
    asyncio.run(cluster.execute(newer, name))
    for command in (("list",), ("serve",), ("db", "upgrade")):
        done = cli("--database", postgres_url, *command)
        assert done.returncode == ExitCode.STORE
        assert "9999 is newer than this program; upgrade batchwire" in done.stderr


@pytest.mark.parametrize("module", ["asyncpg", "greenlet"])
def test_without_the_driver_the_extra_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = cli("--database", "postgresql://h/db", "list")
    assert done.returncode == ExitCode.SETTINGS
    assert (
        f"PostgreSQL needs {module}; `pip install 'batchwire[postgres]'`" in done.stderr
    )
