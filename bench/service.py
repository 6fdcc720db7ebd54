"""Ours: the service's parts on a database, as ``bootstrap`` puts them together."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.system.clock import SystemClock
from batchwire.bootstrap import spare_collections, switch_often
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import Command
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake, Submission
from batchwire.engine.preparation import Preparation
from batchwire.engine.run import Engine
from batchwire.engine.settings import EngineSettings
from batchwire.ports.provider import Provider
from bench.lists import TEMPLATE, pieces
from bench.providers import Stopwatch

BATCH_ID = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An open store and who works on it."""

    store: SqlStore
    clock: SystemClock
    control: Control
    provider: str

    async def take(self, path: Path, batch_id: str = BATCH_ID) -> Batch:
        """Take the list in as a batch."""
        submission = Submission(
            batch_id=batch_id,
            request_id=batch_id,
            template=TEMPLATE,
            provider=self.provider,
            source=path.name,
            default_region="DE",
        )
        batch, _ = await Intake(self.store, self.clock).take(submission, pieces(path))
        return batch

    async def prepare(self, batch_id: str = BATCH_ID) -> None:
        """Prepare the batch to its seal, without the scheduler's ticks."""
        batch = await self.store.batch(batch_id)
        await Preparation(self.store, self.clock, batch, "bench").run()

    async def operate(self, batch_id: str, operation: Operation) -> None:
        """Carry out an operation on a batch."""
        request_id = uuid.uuid4().hex
        await self.control.operate(
            Command(batch_id=batch_id, operation=operation, request_id=request_id)
        )

    async def run(self, provider: Provider, stop: asyncio.Event | None = None) -> Batch:
        """Run the engine until the batch has ended, or ``stop``."""
        engine = Engine(
            self.store, self.clock, {self.provider: provider}, EngineSettings()
        )
        await engine.run(stop or asyncio.Event(), until_idle=stop is None)
        return await self.store.batch(BATCH_ID)


@asynccontextmanager
async def service(
    database: Path | str, provider: str = "bench"
) -> AsyncIterator[Service]:
    """Open the service on a file, or on the database of a URL, as our processes do."""
    spare_collections()
    switch_often()
    clock = SystemClock()
    is_file = isinstance(database, Path)
    one = SqliteDatabase(str(database)) if is_file else PostgresDatabase(str(database))
    store = SqlStore(one, clock)
    await store.open()
    try:
        yield Service(
            store=store,
            clock=clock,
            control=Control(store, clock),
            provider=provider,
        )
    finally:
        await store.close()


def quiet() -> None:
    """Let only errors be logged: benches and their processes talk on standard output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )


async def prepared(database: Path | str, path: Path) -> None:
    """Leave behind a database whose batch is ready to be delivered."""
    async with service(database) as ours:
        await ours.take(path)
        await ours.prepare()


async def delivery_s(database: Path | str, provider: Stopwatch) -> float:
    """Deliver the prepared batch; seconds from first submission to recorded end."""
    async with service(database) as ours:
        batch = await ours.run(provider)
    if batch.state.status is not Status.COMPLETED or batch.state.ended_at is None:
        problem = f"the batch ended {batch.state.status}: {batch.state.reason}"
        raise RuntimeError(problem)
    return batch.state.ended_at.timestamp() - provider.first_at
