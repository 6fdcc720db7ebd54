"""Faults 20, 22 and 28, with the engine in this process: ends, clocks, a loop that dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.errors import UnreadableList
from batchwire.testing.builders import (
    ACCEPTED,
    NOON,
    FastClock,
    ScriptedProvider,
    Service,
    numbers,
    until,
)

HOUR_S = 3600.0


class JumpingClock(FastClock):
    """A clock whose wall time somebody sets; the monotonic one goes on."""

    jumped_s = 0.0

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        return super().now() + timedelta(seconds=self.jumped_s)


class BrokenStore:
    """A store whose ``method`` raises what no store should, at its n-th call."""

    def __init__(self, store: SqlStore, method: str, call: int) -> None:
        self._store = store
        self._method = method
        self._left = call

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the store
        if name == self._method:
            self._left -= 1
            if not self._left:
                raise RuntimeError("a defect")
        return getattr(self._store, name)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
async def store(tmp_path: Path, clock: JumpingClock) -> AsyncIterator[SqlStore]:
    opened = SqlStore(SqliteDatabase(str(tmp_path / "batchwire.db")), clock)
    await opened.open()
    yield opened
    await opened.close()


async def ends(service: Service) -> list[str]:
    """Give the statuses by which the batch ended, one an event."""
    events = [e async for e in service.store.replay("b1")]
    moves = [e.data["status"] for e in events if e.type is EventType.STATUS
             and "status" in e.data]  # fmt: skip
    return [status for status in moves if Status(status).has_ended]


@pytest.mark.parametrize("text", ["", "to\n", "\n\n\n"])
async def test_a_list_without_recipients_is_refused_and_leaves_no_batch(
    store: SqlStore, clock: JumpingClock, text: str
) -> None:
    service = Service(store, clock, {})
    with pytest.raises(UnreadableList, match="Give"):
        await service.take(text)
    assert await store.batches() == []


@pytest.mark.parametrize("first", ["nobody", "12", "+1"])
async def test_a_batch_of_invalid_numbers_has_one_defined_end(
    store: SqlStore, clock: JumpingClock, first: str
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    await service.take(["to", first, "x", "+49"], chunk_size=1)
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status.has_ended
    assert batch.counts[Outcome.INVALID] == sum(batch.counts) == 3
    assert len(await ends(service)) == 1
    assert provider.submitted == []
    assert await service.flaws() == []


async def test_a_batch_of_suppressed_numbers_has_one_defined_end(
    store: SqlStore, clock: JumpingClock
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    await store.suppress(numbers(30), "opted out")
    await service.take(numbers(30), chunk_size=10)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.SUPPRESSED] == 30
    assert batch.state.status is Status.COMPLETED
    assert len(await ends(service)) == 1
    assert provider.submitted == []
    assert await service.flaws() == []


@pytest.mark.parametrize("chunks", [2, 5, 16])
async def test_the_last_chunks_finish_at_once_and_the_batch_ends_once(
    store: SqlStore, clock: JumpingClock, chunks: int
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=chunks)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(chunks), chunk_size=1)
    async with service.running():
        await until(lambda: len(provider.submitted) == chunks)
        provider.let_go()
        batch = await service.until(Status.COMPLETED)
        await asyncio.sleep(0.05)  # who would end it again does it now
    assert batch.counts[Outcome.ACCEPTED] == chunks
    assert await ends(service) == ["completed"]
    assert await service.flaws() == []


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_jump_of_the_clock_in_delivery_loses_and_doubles_nobody(
    store: SqlStore, clock: JumpingClock, jump_s: float
) -> None:
    provider = ScriptedProvider(hold_after=100, concurrency=8)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(400), chunk_size=25)
    async with service.running():
        await until(lambda: len(provider.submitted) == 108)
        clock.jumped_s = jump_s
        provider.let_go()
        batch = await service.until(Status.COMPLETED, Status.EXPIRED)
    assert batch.counts[Outcome.ACCEPTED] == 400
    assert max(provider.sent_to.values()) == 1
    assert await service.flaws() == []


async def test_a_retry_does_not_wait_for_a_clock_that_was_set_back(
    store: SqlStore, clock: JumpingClock
) -> None:
    def script(message: Message) -> Answer:
        if message.position == 3 and message.attempt <= 5:
            return Answer(Verdict.TRANSIENT, error_code="503")
        return ACCEPTED

    provider = ScriptedProvider(script, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(10), max_retries=9, timeout_s=100_000)
    async with service.running():
        await until(lambda: len(provider.submitted) == 14)
        await asyncio.sleep(0.05)  # it is due in 8 … 16 s of the clock, as is stored
        clock.jumped_s = -HOUR_S
        await service.until(Status.COMPLETED)
    assert len(provider.submitted) == 15
    assert await service.flaws() == []


async def test_a_schedule_follows_the_wall_clock_forward_and_back(
    store: SqlStore, clock: JumpingClock
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(5), schedule_time=NOON + timedelta(hours=2))
    async with service.running():
        clock.jumped_s = -HOUR_S
        await asyncio.sleep(0.1)
        assert (await store.batch("b1")).state.status is Status.SCHEDULED
        clock.jumped_s = 2 * HOUR_S
        await service.until(Status.COMPLETED)
    assert len(provider.submitted) == 5
    assert await service.flaws() == []


@pytest.mark.parametrize(
    ("method", "call"),
    [("flush", 1), ("flush", 4), ("batches", 3), ("flush", 2)],
)
async def test_a_loop_that_raises_is_started_again_and_counted(
    store: SqlStore, clock: JumpingClock, method: str, call: int
) -> None:
    provider = ScriptedProvider(concurrency=4)
    broken = BrokenStore(store, method, call)
    service = Service(store, clock, {"scripted": provider}, engine_store=broken)
    await service.take(numbers(300), chunk_size=20)
    await service.run()
    batch = await store.batch("b1")
    assert service.engine.restarts == 1
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.ACCEPTED] == len(provider.submitted) == 300
    assert max(provider.sent_to.values()) == 1
    assert await service.flaws() == []
