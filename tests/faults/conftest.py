"""Batchwire as it runs: processes on one database, and a provider that counts."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchwire.adapters.sandbox.server import SandboxServer, ServerSettings
from batchwire.bootstrap import App, opened
from batchwire.config import load
from batchwire.domain.events import Event, EventType
from batchwire.domain.ledger import unpack_payload
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import Service

HTTP: dict[str, Any] = {
    "kind": "http",
    "body": {"to": "<to>", "text": "<text>", "reference": "<key>"},
    "answer": {"message_id": "id", "error_code": ["error.code"]},
    "concurrency": 16,
    "timeout_s": 5.0,
    "connect_timeout_s": 1.0,
}
KEYED: dict[str, Any] = {"idempotency_header": "Idempotency-Key"}


class Process:
    """A started ``batchwire``; what it says is in a file."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self._process = process
        self._said = said

    @property
    def said(self) -> str:
        """Everything it wrote, to both streams."""
        return self._said.read_text()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it has ended."""
        if self.is_running:
            self._process.send_signal(number)

    async def ended(self, timeout_s: float = 30.0) -> int:
        """Wait for its end; returns the exit code, negative for a signal."""
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self.signal(signal.SIGKILL)
        await self.ended()


class World:
    """One database, the settings beside it, and the processes that use it."""

    def __init__(self, folder: Path, url: str, database_url: str = "") -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self._said = folder
        self.database = self.folder / "batchwire.db"
        self._database_url = database_url or str(self.database)
        self.config = self.folder / "settings.yaml"
        self._processes: list[Process] = []
        self.configure(url)

    def configure(
        self, url: str, engine: dict[str, Any] | None = None, **provider: object
    ) -> None:
        """Write the settings that processes started from now on read."""
        settings = {
            "database_url": self._database_url,
            "providers": {"acme": {**HTTP, "url": url, **provider}},
            "engine": engine or {},
            "log_format": "json",
        }
        self.config.write_text(json.dumps(settings))

    async def start(self, *arguments: str, through: tuple[str, ...] = ()) -> Process:
        """Start a command; ``through`` is a program that becomes it."""
        said = self._said / f"said-{len(self._processes)}"
        program = (*through, sys.executable, "-m", "batchwire")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BATCHWIRE_")}
        with said.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *program,
                "--config",
                str(self.config),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=clean,
                cwd=self.folder,
            )
        self._processes.append(Process(process, said))
        return self._processes[-1]

    async def engine(self, *arguments: str) -> Process:
        """Start an engine."""
        return await self.start("serve", *arguments)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Carry out a command; returns its exit code and what it said."""
        process = await self.start(*arguments)
        return await process.ended(), process.said

    async def end(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            await process.kill()


class Watch(Service):
    """Looks at the database beside the processes, takes in batches, operates."""

    def __init__(self, app: App) -> None:
        super().__init__(app.store, app.clock, {})
        self.app = app

    async def events(self, batch_id: str = "b1") -> list[Event]:
        """Read a batch's events."""
        return [event async for event in self.store.replay(batch_id)]

    async def outcomes(self, batch_id: str = "b1") -> dict[str, Outcome]:
        """Read what became of each number; numbers are distinct."""
        found: dict[str, Outcome] = {}
        async for chunk in self.store.chunks(batch_id):
            numbers = unpack_payload(chunk.payload).numbers.split("\n")
            found |= dict(
                zip(numbers, map(Outcome, chunk.state.outcomes()), strict=True)
            )
        return found

    async def processed(self, batch_id: str = "b1") -> int:
        """Count the recipients that are no longer open."""
        batch = await self.store.batch(batch_id)
        return sum(batch.counts) - batch.open_recipients

    async def broken(self, recipients: int, batch_id: str = "b1") -> list[str]:
        """Say which of the invariants I1, I3, I4, I5 and I6 do not hold; empty is good."""
        found = await self.flaws(batch_id)
        batch = await self.store.batch(batch_id)
        if sum(batch.counts) != recipients:
            found.append(f"{recipients} recipients, but the counts are {batch.counts}")
        moves = [
            Status(e.data["status"])
            for e in await self.events(batch_id)
            if e.type is EventType.STATUS and "status" in e.data
        ]
        ends = [status for status in moves if status.has_ended]
        if batch.state.status.has_ended and len(ends) != 1:
            found.append(f"it ended {len(ends)} times: {ends}")
        return found


def reached(watch: Watch, goal: int) -> Callable[[], Awaitable[bool]]:
    """Give the condition that so many recipients are processed."""

    async def is_reached() -> bool:
        return await watch.processed() >= goal

    return is_reached


def settled(watch: Watch, times: int = 1) -> Callable[[], Awaitable[bool]]:
    """Give the condition that a pause has settled so many times."""

    async def is_settled() -> bool:
        notes = [e.data.get("note") for e in await watch.events()]
        return notes.count("pause_settled") >= times

    return is_settled


def accepted(provider: SandboxServer) -> Counter[str]:
    """Count how often the provider accepted each number."""
    by_number = provider.stats.recipients
    return Counter({} if by_number is msgspec.UNSET else by_number)


@pytest.fixture
async def provider() -> AsyncIterator[SandboxServer]:
    server = SandboxServer(ServerSettings())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(tmp_path: Path, provider: SandboxServer) -> AsyncIterator[World]:
    one = World(tmp_path, f"{provider.url}/messages")
    yield one
    await one.end()


@pytest.fixture
async def watch(world: World) -> AsyncIterator[Watch]:
    async with opened(load(world.config, environ={})) as app:
        yield Watch(app)
