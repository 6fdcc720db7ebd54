"""How far ahead messages are intended: what a crash would leave uncertain."""

import asyncio

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Status
from batchwire.testing.builders import (
    FastClock,
    ScriptedProvider,
    Service,
    numbers,
    until,
)


async def test_no_more_is_intended_than_a_provider_that_does_not_answer_can_use(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(2000), chunk_size=100)
    async with service.running():
        await until(lambda: len(provider.submitted) == 4)
        await asyncio.sleep(0.1)
        leased = store.chunks("b1", is_leased=True)
        intended = sum([chunk.intent async for chunk in leased])
        provider.let_go()
        await service.until(Status.COMPLETED)
    assert 4 <= intended <= 64 + 4
    assert len(provider.submitted) == 2000
    assert await service.flaws() == []


async def test_a_batch_leaves_its_chunks_to_others_until_its_turn_comes(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(600), "first")
    async with service.running():
        await until(lambda: len(provider.submitted) == 4)
        await service.take(numbers(600, 1000), "second")
        await service.until(Status.DELIVERY_RUNNING, batch_id="second")
        await asyncio.sleep(0.1)
        leased = store.chunks("second", is_leased=True)
        taken = [chunk.number async for chunk in leased]
        provider.let_go()
        for batch_id in ("first", "second"):
            await service.until(Status.COMPLETED, batch_id=batch_id)
    assert not taken
    assert await service.flaws("second") == []


async def test_no_more_is_intended_than_the_rate_lets_go_soon(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(
        hold_after=0, concurrency=32, batch_size=100, rate_parts_per_s=300.0
    )
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(5000), chunk_size=500)
    async with service.running():
        await until(lambda: provider.submitted)
        await asyncio.sleep(0.1)
        leased = store.chunks("b1", is_leased=True)
        intended = sum([chunk.intent async for chunk in leased])
        waiting = intended - len(provider.submitted)
        provider.let_go()
        await service.until(Status.COMPLETED)
    assert waiting <= 300
    assert len(provider.submitted) == 5000
