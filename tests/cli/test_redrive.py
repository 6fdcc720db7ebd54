"""A dead letter, from the topic and back, in a real service."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import msgspec

from batchwire.adapters.sql.embedded_bus import EmbeddedProducer
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing

Cli = Callable[..., CompletedProcess[str]]


async def _publish(path: Path, value: bytes) -> None:
    database = SqliteDatabase(str(path))
    await database.open()
    record = Record(key=b"b1", value=value)
    producer = EmbeddedProducer(database, SystemClock())
    await producer.publish([Outgoing(topic="sms-batch-events", record=record)])
    await database.close()


def until(condition: Callable[[], object]) -> None:
    """Wait, at most 30 s, as a person would."""
    for _ in range(150):
        if condition():
            return
        time.sleep(0.2)
    raise TimeoutError


def test_an_operation_that_came_too_early_is_redriven(
    cli: Cli, start: Callable[..., Popen[str]], slow: Path, folder: Path
) -> None:
    settings = folder / "batchwire.yaml"
    grace = "batch_events: {unknown_batch_grace_s: 0}\n"
    settings.write_text(settings.read_text() + grace)
    pause = {"batch_id": "b1", "operation": "pause", "operator_id": "eve"}
    database = folder / "batchwire.db"
    asyncio.run(_publish(database, msgspec.json.encode(pause)))
    asyncio.run(_publish(database, b"{"))

    def letters(*words: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(
            cli("dlq", "list", "--json", *words).stdout
        )
        return found

    def status() -> object:
        return json.loads(cli("show", "b1", "--json").stdout)["status"]

    start("serve")
    until(lambda: len(letters()) == 2)
    assert {one["disposition"] for one in letters()} == {"unknown-batch", "malformed"}
    words = ("--provider", "slow", "--batch-id", "b1", "--no-wait")
    cli("send", slow, "--template", "Hi", *words)
    until(lambda: status() == "delivery_running")
    assert cli("dlq", "redrive", "--everything", "--operator", "eve").returncode == 0
    until(lambda: status() == "delivery_paused")
    until(letters)
    [letter] = letters()
    assert (letter["disposition"], letter["replays"]) == ("malformed", 1)
    assert len(letters("--all")) == 2
    assert "dead_letters_redriven" in cli("events", "b1").stdout
