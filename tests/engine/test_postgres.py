"""The engine on PostgreSQL, which goes away and comes back (faults 14 and 15)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.engine.settings import EngineSettings
from batchwire.testing.builders import FastClock, ScriptedProvider, Service, numbers
from batchwire.testing.postgres import Cluster

SIZE = 400
CHUNK_SIZE = 20


@pytest.fixture
async def store(postgres_url: str, clock: FastClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(PostgresDatabase(postgres_url), clock)
    await store.open()
    yield store
    await store.close()


async def test_a_batch_is_paused_resumed_and_delivered(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=50)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(SIZE), chunk_size=CHUNK_SIZE)
    async with service.running():
        await service.until(Status.DELIVERY_RUNNING)
        await service.operate(Operation.PAUSE)
        provider.let_go()
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == SIZE
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


@pytest.mark.parametrize("clock", [10.0], indirect=True)
async def test_a_server_that_crashes_twice_during_delivery_loses_and_doubles_nothing(
    store: SqlStore, clock: FastClock, cluster: Cluster
) -> None:
    provider = ScriptedProvider(rate_parts_per_s=200.0)  # of the server's seconds
    settings = EngineSettings(drain_timeout_s=200.0)
    service = Service(store, clock, {"scripted": provider}, settings)
    await service.take(numbers(SIZE), chunk_size=CHUNK_SIZE, timeout_s=3600)
    async with service.running():
        await service.until(Status.DELIVERY_RUNNING)
        for _ in range(2):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(cluster.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(cluster.start)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == SIZE
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []
