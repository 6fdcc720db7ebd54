"""Faults 18, 20 and 22 with two engines in this process, each with a store of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import pytest

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.events import Event
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import (
    FastClock,
    ScriptedProvider,
    Service,
    numbers,
    until,
)

Two = tuple[Service, Service]
FIVE_MINUTES_S = 300.0


class ShiftedClock(FastClock):
    """A clock whose wall time is that much ahead of the others'."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        super().__init__(10.0)
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        return super().now() + self._ahead


@asynccontextmanager
async def services(
    url: str, *providers: ScriptedProvider, ahead_s: float = 0.0
) -> AsyncIterator[Two]:
    """Run two engines, each with a clock and a provider of its own."""
    async with AsyncExitStack() as stack:
        found = []
        for provider, ahead in zip(providers, (0.0, ahead_s), strict=True):
            clock = ShiftedClock(ahead)
            store = SqlStore(PostgresDatabase(url), clock)
            await store.open()
            stack.push_async_callback(store.close)
            service = Service(store, clock, {"scripted": provider})
            await stack.enter_async_context(service.running())
            found.append(service)
        yield found[0], found[1]


async def events(service: Service) -> list[Event]:
    return [event async for event in service.store.replay("b1")]


def both_hold(*providers: ScriptedProvider, count: int) -> Callable[[], bool]:
    return lambda: all(len(p.submitted) == count for p in providers)


async def test_the_last_two_chunks_finish_at_once_on_two_workers_and_it_ends_once(
    postgres_url: str,
) -> None:
    size = 200
    one, two = (ScriptedProvider(hold_after=1, concurrency=1) for _ in range(2))
    async with services(postgres_url, one, two) as (first, second):
        await first.take(numbers(2 * size), chunk_size=size)
        await until(both_hold(one, two, count=2))  # so none has both chunks
        for provider in (one, two):
            provider.let_go()
            provider.hold(after=size - 3)
        await until(both_hold(one, two, count=size))
        for provider in (one, two):
            provider.let_go()
        batch = await second.until(Status.COMPLETED)
        await asyncio.sleep(0.3)  # who would tell more does it now
        found = await events(first)
        assert await first.flaws() == []
    assert batch.counts[Outcome.ACCEPTED] == 2 * size
    assert set((one.sent_to + two.sent_to).values()) == {1}
    assert [event.data.get("status") for event in found].count("completed") == 1
    assert "pause_settled" not in [event.data.get("note") for event in found]


async def test_what_escaped_a_pause_adds_up_over_the_workers_and_starts_again(
    postgres_url: str,
) -> None:
    # Whoever comes second begins with a trial, so the first of each round is answered.
    one, two = (ScriptedProvider(hold_after=1, concurrency=4) for _ in range(2))
    async with services(postgres_url, one, two) as (first, second):
        await first.take(numbers(2000), chunk_size=10)
        for times in (1, 2):
            await until(both_hold(one, two, count=5 * times))
            await until(accepted_by(first, 10 * times - 8))
            await second.operate(Operation.PAUSE)
            await until(is_noticed(first))
            for provider in (one, two):
                provider.let_go()
            await until(settled_by(first, 2 * times))
            batch = await first.store.batch("b1")
            assert batch.state.escaped == 8
            assert batch.counts[Outcome.ACCEPTED] == 10 * times
            for provider in (one, two):
                provider.hold(after=1)
            await first.operate(Operation.RESUME)
        for provider in (one, two):
            provider.let_go()
        batch = await first.until(Status.COMPLETED)
        assert set((one.sent_to + two.sent_to).values()) == {1}
        assert await first.flaws() == []


def is_noticed(service: Service) -> Callable[[], Awaitable[bool]]:
    """Give the condition that both let go of all but what is in flight."""

    async def is_so() -> bool:
        chunks = service.store.chunks("b1", is_leased=True)
        return len([chunk async for chunk in chunks]) == 2

    return is_so


def accepted_by(service: Service, count: int) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        batch = await service.store.batch("b1")
        return batch.counts[Outcome.ACCEPTED] == count

    return is_so


def settled_by(service: Service, count: int) -> Callable[[], Awaitable[bool]]:
    async def is_settled() -> bool:
        notes = [event.data.get("note") for event in await events(service)]
        return notes.count("pause_settled") == count

    return is_settled


@pytest.mark.parametrize("ahead_s", [FIVE_MINUTES_S, -FIVE_MINUTES_S])
async def test_two_machines_whose_clocks_are_five_minutes_apart_work_as_one(
    postgres_url: str, ahead_s: float
) -> None:
    one, two = (
        # One rate for both, of the server's seconds.
        ScriptedProvider(concurrency=4, rate_parts_per_s=200.0)
        for _ in range(2)
    )
    async with services(postgres_url, one, two, ahead_s=ahead_s) as (first, second):
        await first.take(numbers(400), chunk_size=10)
        batch = await second.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 400
    assert one.submitted
    assert two.submitted
    assert set((one.sent_to + two.sent_to).values()) == {1}
    notes = [event.data.get("note") for event in await events_of(postgres_url)]
    assert "recovered" not in notes


async def events_of(url: str) -> list[Event]:
    store = SqlStore(PostgresDatabase(url), FastClock())
    found = [event async for event in store.replay("b1")]
    await store.close()
    return found


async def test_a_worker_with_nothing_to_do_hears_of_batch_and_operation_at_once(
    postgres_url: str,
) -> None:
    store = SqlStore(PostgresDatabase(postgres_url), FastClock(1.0))
    other = SqlStore(PostgresDatabase(postgres_url), FastClock(1.0))
    seen = await store.changed(0, 0.0)
    service = Service(other, FastClock(1.0), {})
    for change in (service.take(numbers(1)), service.operate(Operation.ABORT)):
        hearing = asyncio.ensure_future(store.changed(seen, 600.0))
        await change
        heard = await asyncio.wait_for(hearing, 20.0)
        assert heard > seen
        seen = heard
    await store.close()
    await other.close()
