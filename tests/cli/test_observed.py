"""Batches that other systems execute, at the command line."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest

from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.domain.observed import Report
from batchwire.domain.record import Record
from batchwire.ports.inbox import Arrival, Observe

Cli = Callable[..., CompletedProcess[str]]


async def _hear(path: Path, number: int, status: str) -> None:
    database = SqliteDatabase(str(path))
    await database.open()
    arrival = Arrival(
        consumer="group",
        event_id=f"e{number}",
        batch_id="theirs",
        record=Record(key=b"theirs", value=b"{}"),
    )
    report = Report(status=status, phase="delivery", success=number, number=number)
    await SqlInbox(database, SystemClock()).apply([(arrival, Observe(report))])
    await database.close()


@pytest.fixture
def theirs(folder: Path) -> str:
    """Have heard of a batch that another system executes; give its id."""
    asyncio.run(_hear(folder / "batchwire.db", 1, "delivery_running"))
    return "theirs"


def test_both_kinds_are_listed(cli: Cli, people: Path, theirs: str) -> None:
    cli("send", people, "--template", "Hi", "--batch-id", "ours", "--no-wait")
    listed = {
        one["batch_id"]: one["execution"]
        for one in json.loads(cli("list", "--json").stdout)
    }
    assert listed == {"ours": "managed", theirs: "observed"}
    lines = [line.split()[:3] for line in cli("list").stdout.splitlines()]
    assert lines[1:] == [
        ["ours", "managed", "preparation_ready"],
        [theirs, "observed", "delivery_running"],
    ]
    shown = json.loads(cli("list", "--status", "delivery_running", "--json").stdout)
    assert [one["batch_id"] for one in shown] == [theirs]
    assert len(json.loads(cli("list", "--limit", "1", "--json").stdout)) == 1


def test_show_events_and_verify_know_it(cli: Cli, theirs: str) -> None:
    assert cli("show", theirs).stdout.startswith("theirs: delivery_running, observed\n")
    assert json.loads(cli("show", theirs, "--json").stdout)["success"] == 1
    assert "status=delivery_running" in cli("events", theirs).stdout
    state = json.loads(cli("events", theirs, "--json").stdout)["state"]
    assert state["status"] == "delivery_running"
    early = cli("events", theirs, "--as-of", "2001-01-01T00:00:00Z")
    assert "did not exist yet" in early.stdout
    assert cli("verify").stdout == "theirs: no contradiction\n"


def test_an_operation_is_asked_of_who_executes_it(cli: Cli, theirs: str) -> None:
    done = cli("pause", theirs, "--reason", "lunch", "--operator", "eve")
    assert done.returncode == 0
    assert "pause is asked of the system, which executes this batch" in done.stdout
    assert "operator_id=eve" in cli("events", theirs).stdout
    told = json.loads(cli("retry", theirs, "--json").stdout)
    assert (told["published"], told["status"]) == ("retry", "delivery_running")


def test_its_id_is_taken(cli: Cli, people: Path, theirs: str) -> None:
    done = cli("send", people, "--template", "Hi", "--batch-id", theirs, "--no-wait")
    assert done.returncode == 5
    assert "another system executes it" in done.stderr


def test_watch_ends_with_it(cli: Cli, folder: Path, theirs: str) -> None:
    asyncio.run(_hear(folder / "batchwire.db", 2, "completed"))
    done = cli("watch", theirs)
    assert done.returncode == 0
    assert done.stdout == "theirs: completed, observed\n"
    asyncio.run(_hear(folder / "batchwire.db", 3, "aborted"))
    assert cli("watch", theirs, "--json").returncode == 1


def test_watch_tells_no_report_that_changes_nothing(
    start: Callable[..., Popen[str]], folder: Path, theirs: str
) -> None:
    watch = start("watch", theirs)
    assert watch.stderr is not None
    told = watch.stderr.readline()
    assert told == "theirs: delivery_running, observed: 0%\n"
    asyncio.run(_hear(folder / "batchwire.db", 2, "delivery_running"))
    time.sleep(1)
    asyncio.run(_hear(folder / "batchwire.db", 3, "completed"))
    assert watch.communicate(timeout=30)[1] == "theirs: completed, observed: 0%\n"


def test_of_no_kind_is_unknown(cli: Cli, theirs: str) -> None:
    for command in ("show", "events", "verify", "watch", "pause"):
        assert cli(command, f"not-{theirs}").returncode == 5
