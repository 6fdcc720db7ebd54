"""How far ahead messages are intended: what a crash would leave uncertain."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Answer, Message
from batchwire.engine.settings import EngineSettings
from batchwire.testing.builders import (
    FastClock,
    FlakyStore,
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
        intended = await service.intended()
        provider.let_go()
        await service.until(Status.COMPLETED)
    assert 4 <= intended <= 64 + 4
    assert len(provider.submitted) == 2000
    assert await service.flaws() == []


async def test_no_more_is_intended_than_the_settings_allow_however_few_that_are(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=1)
    settings = EngineSettings(max_window=5)
    service = Service(store, clock, {"scripted": provider}, settings)
    await service.take(numbers(100))
    async with service.running():
        await until(lambda: provider.submitted)
        await asyncio.sleep(0.1)
        intended = await service.intended()
        provider.let_go()
        await service.until(Status.COMPLETED)
    assert 1 <= intended <= 5 + 1


async def test_a_slow_providers_line_is_no_longer_for_a_fast_one_beside_it(
    store: SqlStore, clock: FastClock
) -> None:
    fast = ScriptedProvider(name="fast", concurrency=64)
    slow = ScriptedProvider(name="slow", hold_after=3, concurrency=4)
    service = Service(store, clock, {"fast": fast, "slow": slow})
    await service.take(numbers(20_000), "fast", provider="fast")
    await service.take(numbers(4000, 30_000), "slow", provider="slow", chunk_size=100)
    async with service.running():
        await service.until(Status.COMPLETED, batch_id="fast")
        intended = await service.intended("slow")
        slow.let_go()
        await service.until(Status.COMPLETED, batch_id="slow")
    assert 4 <= intended <= 3 + 64 + 4


async def test_a_line_that_nobody_used_for_a_while_begins_short(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(20_000), "before")
    async with service.running():
        await service.until(Status.COMPLETED, batch_id="before")
        provider.hold()
        await service.take(numbers(4000, 30_000), "after", chunk_size=100)
        await until(lambda: of_each(provider)["after"] == 4)
        await asyncio.sleep(0.1)
        intended = await service.intended("after")
        provider.let_go()
        await service.until(Status.COMPLETED, batch_id="after")
    assert 4 <= intended <= 64 + 4


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
        intended = await service.intended()
        waiting = intended - len(provider.submitted)
        provider.let_go()
        await service.until(Status.COMPLETED)
    assert waiting <= 300
    assert len(provider.submitted) == 5000


class Slow(ScriptedProvider):
    """Takes a while of the service's own time for each."""

    def __init__(self, clock: FastClock, delay_s: float, **traits: Any) -> None:  # noqa: ANN401 - as the class
        super().__init__(**traits)
        self.delay_s = delay_s
        self._clock = clock

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        answers = await super().submit(messages)
        await self._clock.sleep(self.delay_s)
        return answers


def of_each(provider: ScriptedProvider) -> Counter[str]:
    return Counter(message.batch_id for message in provider.submitted)


async def test_a_batch_that_waits_its_turn_does_not_stall(
    store: SqlStore, clock: FastClock
) -> None:
    provider = Slow(clock, 0.5, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(300), "low", priority=0, timeout_s=10)
    async with service.running():
        await service.until(Status.DELIVERY_RUNNING, batch_id="low")
        await until(lambda: of_each(provider)["low"])
        await service.take(numbers(1000, 5000), "high", priority=9)
        await until(lambda: of_each(provider)["high"] > 500)  # for 60 s of its clock
        provider.delay_s = 0.0
        await service.until(Status.COMPLETED, batch_id="high")
        batch = await service.until(Status.COMPLETED, Status.EXPIRED, batch_id="low")
    assert batch.state.status is Status.COMPLETED


async def test_a_batch_whose_messages_stand_behind_others_in_the_line_does_not_stall(
    store: SqlStore, clock: FastClock
) -> None:
    provider = Slow(clock, 1.0, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), "first")
    async with service.running():
        await until(lambda: provider.submitted)
        await service.take(numbers(5, 5000), "second", timeout_s=20)
        await until(lambda: of_each(provider)["first"] >= 50)
        provider.delay_s = 0.0
        batch = await service.until(Status.COMPLETED, Status.EXPIRED, batch_id="second")
    assert batch.state.status is Status.COMPLETED


async def test_a_new_batch_takes_no_more_than_its_share(
    store: SqlStore, clock: FastClock
) -> None:
    provider = Slow(clock, 0.2, concurrency=8)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(5000), "a")
    await service.take(numbers(500, 10_000), "slow", rate_parts_per_s=1.0)
    async with service.running():
        await until(lambda: of_each(provider)["a"] > 1500)
        await service.take(numbers(5000, 20_000), "c")
        await until(lambda: of_each(provider)["c"] > 500)
        sent = of_each(provider)["a"]
        await until(lambda: of_each(provider)["c"] > 1000)
        assert of_each(provider)["a"] - sent > 250


async def test_the_rate_of_a_batch_is_kept_after_the_provider_hung(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=5, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(200), rate_parts_per_s=2.0)
    async with service.running():
        await until(lambda: len(provider.submitted) == 6)
        await clock.sleep(40.0)
        provider.let_go()
        await clock.sleep(1.0)
        assert len(provider.submitted) < 6 + 20


@pytest.mark.parametrize("clock", [1.0], indirect=True)
async def test_a_share_is_that_of_the_priority_though_chunks_are_claimed_meanwhile(
    store: SqlStore, clock: FastClock
) -> None:
    provider = Slow(clock, 0.002, concurrency=16)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(60_000), "low", priority=0)
    await service.take(numbers(60_000, 100_000), "high", priority=3)
    async with service.running():
        await until(lambda: len(of_each(provider)) == 2)
        before = of_each(provider)
        await until(lambda: len(provider.submitted) - before.total() > 25_000)
        later = of_each(provider) - before
        for batch_id in ("low", "high"):
            await service.operate(Operation.ABORT, batch_id)
    # It is 1 of 9; without credit 0.15 and more.
    assert 0.06 < later["low"] / later.total() < 0.145


@pytest.mark.parametrize("clock", [1.0], indirect=True)
async def test_a_line_that_ran_low_for_good_wakes_nobody(
    store: SqlStore, clock: FastClock
) -> None:
    """A provider without work beside a slow one; a pause beside a hung submission."""
    slow, idle = ScriptedProvider(hold_after=3), ScriptedProvider(name="idle")
    counting = FlakyStore(store, lambda _: False)
    providers = {"scripted": slow, "idle": idle}
    service = Service(store, clock, providers, engine_store=counting)

    async def calls_a_second() -> int:
        before = counting.calls
        await asyncio.sleep(1.0)
        return counting.calls - before

    await service.take(numbers(2000))
    async with service.running():
        await until(lambda: len(slow.submitted) > 3)
        await service.take(numbers(10, 5000), "small", provider="idle")
        await service.until(Status.COMPLETED, batch_id="small")
        beside_idle = await calls_a_second()
        await service.operate(Operation.PAUSE)
        await asyncio.sleep(0.3)
        paused = await calls_a_second()
        slow.let_go()
    assert beside_idle < 100
    assert paused < 100
