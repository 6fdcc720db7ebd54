"""Hosts as processes, and what the topic has of them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from tests.events.world import World

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.testing.clock import ManualClock

HOST = Path(__file__).parent / "host.py"
SILENT_S = 1.0


class Host:
    """One process of ``host.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[int] = []

    async def said_so_many(self, count: int) -> None:
        """Wait until so many calls have returned."""
        assert self._process.stdout is not None
        while len(self.said) < count:
            self.said.append(int(await self._process.stdout.readline()))

    async def kill(self) -> None:
        """End it by SIGKILL; then everything that it said is known."""
        self._process.send_signal(signal.SIGKILL)
        assert self._process.stdout is not None
        rest = (await self._process.stdout.read()).splitlines(keepends=True)
        self.said += [int(line) for line in rest if line.endswith(b"\n")]
        await self._process.wait()

    async def end(self, timeout_s: float = 30.0) -> int:
        """Let it end in good order; returns the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()


@asynccontextmanager
async def host(*arguments: object) -> AsyncIterator[Host]:
    """Start a host; it is killed at the end where it still runs."""
    environment = {k: v for k, v in os.environ.items() if "BATCHWIRE" not in k}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HOST),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        yield Host(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Topic:
    """Reads a topic from its start."""

    def __init__(self, address: str, name: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": f"read-{name}",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._consumer.subscribe([name])
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def _take(self) -> None:
        for record in self._consumer.consume(1000, 0.2):
            if not record.error():
                self.bodies.append(json.loads(record.value() or b""))
                pairs = record.headers() or []
                self.headers.append({k: bytes(v or b"").decode() for k, v in pairs})  # type: ignore[arg-type,str-unpack]

    async def until(
        self, condition: Callable[["Topic"], bool], timeout_s: float = 40.0
    ) -> None:
        """Read on until something holds."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                await asyncio.to_thread(self._take)

    def numbers(self) -> list[int]:
        """Give what the hosts reported, each once, in the order of its first record."""
        first: dict[str, int] = {}
        for headers, body in zip(self.headers, self.bodies, strict=True):
            first.setdefault(headers["ce_id"], body.get("processed", -1))
        return list(first.values())

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


@pytest.fixture
async def reading(kafka: str, topic: str) -> AsyncIterator[Topic]:
    one = Topic(kafka, topic)
    yield one
    one.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    database = SqliteDatabase(str(tmp_path / "batchwire.db"))
    await database.open()
    yield World(database, clock)
    await database.close()
