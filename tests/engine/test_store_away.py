"""A store that is away for a while: nothing is lost, nobody is submitted twice."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection

from batchwire.adapters.sql import worker_rows
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import Change
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.errors import StoreBusy, StoreInDoubt
from batchwire.ports.store import Flush, Flushed
from batchwire.testing.builders import (
    ACCEPTED,
    FastClock,
    FlakyStore,
    ScriptedProvider,
    Service,
    counted_cycles,
    numbers,
    until,
)


def every_fifth_once_more(message: Message) -> Answer:
    if message.attempt == 1 and message.position % 5 == 0:
        return Answer(Verdict.TRANSIENT, error_code="try_later")
    return ACCEPTED


class Slow(ScriptedProvider):
    """Takes a while for each."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        await asyncio.sleep(0.05)
        return await super().submit(messages)


async def deliver_all(store: SqlStore, clock: FastClock, flaky: FlakyStore) -> None:
    provider = ScriptedProvider(every_fifth_once_more)
    service = Service(store, clock, {"scripted": provider}, engine_store=flaky)
    await service.take(numbers(250), chunk_size=20)
    await service.run()
    batch = await store.batch("b1")
    assert flaky.failures > 0
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.ACCEPTED] == 250
    assert max(provider.keys.values()) == 1
    assert provider.sent_to.total() == 300
    assert await service.flaws() == []


@pytest.mark.parametrize("first", range(2, 31))  # the first takes the engine lock
async def test_three_calls_in_a_row_fail_anywhere_and_nothing_is_lost(
    store: SqlStore, clock: FastClock, first: int
) -> None:
    fails = range(first, first + 3).__contains__
    await deliver_all(store, clock, FlakyStore(store, fails))


@pytest.mark.parametrize("every", [7, 11, 13])
async def test_every_nth_call_fails_and_nothing_is_lost(
    store: SqlStore, clock: FastClock, every: int
) -> None:
    await deliver_all(store, clock, FlakyStore(store, lambda n: n % every == 0))


@pytest.mark.parametrize("every", [5, 7])
async def test_a_pause_holds_although_every_nth_call_fails(
    store: SqlStore, clock: FastClock, every: int
) -> None:
    provider = ScriptedProvider(hold_after=60, concurrency=4)
    # As often, but out of step with rounds of as many calls: else one kind of call
    # fails for ever.
    cycles = counted_cycles(store)
    flaky = FlakyStore(store, lambda n: n * 40_503 % 65_536 < 65_536 // every)
    service = Service(store, clock, {"scripted": provider}, engine_store=flaky)
    await service.take(numbers(250), chunk_size=50)
    async with service.running():
        await until(lambda: len(provider.submitted) == 64)
        await service.operate(Operation.PAUSE)
        known = cycles() + 2
        await until(lambda: cycles() >= known)
        provider.let_go()
        await until(service.has_settled)
    batch = await store.batch("b1")
    assert flaky.failures > 0
    assert len(provider.submitted) == 64
    assert batch.counts[Outcome.ACCEPTED] == 64
    assert batch.state.status is Status.DELIVERY_PAUSED
    assert 4 <= batch.state.escaped <= 64  # unstored answers count too
    assert await service.flaws() == []


async def test_an_outage_longer_than_the_time_out_ends_no_batch(
    store: SqlStore, clock: FastClock
) -> None:
    """What a batch waits for is the database then, not its provider."""
    away_until: float | None = None

    class Away(FlakyStore):
        async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
            nonlocal away_until
            if away_until is None and any(u.intent for f in flushes for u in f.updates):
                away_until = clock.monotonic() + 60
            if away_until is not None and clock.monotonic() < away_until:
                raise StoreBusy("away")
            return await store.flush(owner, flushes)

    provider = ScriptedProvider()
    away = Away(store, lambda _: False)
    service = Service(store, clock, {"scripted": provider}, engine_store=away)
    await service.take(numbers(250), timeout_s=20)
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.ACCEPTED] == 250


async def test_chunks_are_free_though_the_resignation_was_not_stored(
    store: SqlStore, clock: FastClock
) -> None:
    is_broken = has_left = False

    class Broken(FlakyStore):
        async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
            nonlocal is_broken
            if not has_left and any(u.segments for f in flushes for u in f.updates):
                is_broken = True
                raise RuntimeError("a bug")
            return await store.flush(owner, flushes)

    leave = worker_rows.leave

    def refused(conn: Connection, owner: str) -> None:
        nonlocal has_left
        if is_broken and not has_left:
            has_left = True
            raise StoreBusy("another process keeps the write lock")
        leave(conn, owner)

    provider = ScriptedProvider()
    broken = Broken(store, lambda _: False)
    service = Service(store, clock, {"scripted": provider}, engine_store=broken)
    await service.take(numbers(250))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_rows, "leave", refused)
        await asyncio.wait_for(service.run(), 30)
    assert has_left
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.OPEN] == 0
    assert await service.flaws() == []


async def test_what_becomes_of_the_last_cycle_of_an_engine_that_is_stopped_is_told(
    store: SqlStore, clock: FastClock
) -> None:
    stop = asyncio.Event()

    class Doubtful(FlakyStore):
        async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
            found = await store.flush(owner, flushes)
            if any(u.segments for f in flushes for u in f.updates):
                stop.set()
                await asyncio.sleep(0.2)  # till the engine has seen it
                raise StoreInDoubt("it went away during a commit")
            return found

    doubtful = Doubtful(store, lambda _: False)
    providers = {"scripted": ScriptedProvider()}
    service = Service(store, clock, providers, engine_store=doubtful)
    await service.take(numbers(10))
    with pytest.raises(StoreInDoubt):
        await service.engine.run(stop)


@pytest.mark.parametrize("is_stuck", [True, False])
async def test_while_nothing_is_heard_of_the_store_nothing_is_submitted(
    store: SqlStore, clock: FastClock, *, is_stuck: bool
) -> None:
    """Somebody may have paused the batch."""
    is_away, back = False, asyncio.Event()

    class Away(FlakyStore):
        async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
            if is_away and not is_stuck:
                raise StoreBusy("away")
            if is_away:
                await back.wait()
            return await store.flush(owner, flushes)

    provider, away = Slow(concurrency=1), Away(store, lambda _: False)
    service = Service(store, clock, {"scripted": provider}, engine_store=away)
    await service.take(numbers(200))
    async with service.running():
        await until(lambda: len(provider.submitted) > 2)
        is_away = True
        await service.operate(Operation.PAUSE)
        await asyncio.sleep(1.3)
        known = len(provider.submitted)
        await asyncio.sleep(0.5)
        later = len(provider.submitted)
        is_away = False
        back.set()
        await until(service.has_settled)
    assert known == later == len(provider.submitted) < 40
    assert await service.flaws() == []


async def test_a_store_that_is_always_slow_keeps_nobody_from_sending(
    store: SqlStore, clock: FastClock
) -> None:
    """Nor does the time that the line is held meanwhile count as a stall."""

    class Distant(FlakyStore):
        async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
            found = await store.flush(owner, flushes)
            await asyncio.sleep(1.2)
            return found

    provider, distant = ScriptedProvider(), Distant(store, lambda _: False)
    service = Service(store, clock, {"scripted": provider}, engine_store=distant)
    await service.take(numbers(20), timeout_s=60)  # 1.2 s of this clock
    await asyncio.wait_for(service.run(), 60)
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.ACCEPTED] == 20
    assert await service.flaws() == []


async def test_while_another_batch_keeps_the_store_nothing_is_submitted(
    store: SqlStore, clock: FastClock
) -> None:
    """The cycle that would hear of a pause is not over then."""
    is_asked, back = asyncio.Event(), asyncio.Event()

    class Away(FlakyStore):
        async def change(
            self, batch_id: str, decide: Callable[[Batch], Change]
        ) -> Batch:
            batch = await store.batch(batch_id)
            if batch_id == "small" and batch.state.status is Status.DELIVERY_RUNNING:
                is_asked.set()
                await back.wait()
            return await store.change(batch_id, decide)

    provider, away = Slow(concurrency=1), Away(store, lambda _: False)
    providers = {"scripted": provider, "other": ScriptedProvider(name="other")}
    service = Service(store, clock, providers, engine_store=away)
    await service.take(numbers(5000))
    async with service.running():
        await until(lambda: len(provider.submitted) > 2)
        await service.take(numbers(1, 9000), "small", provider="other")
        await is_asked.wait()
        await asyncio.sleep(1.3)
        known = len(provider.submitted)
        await asyncio.sleep(0.5)
        later = len(provider.submitted)
        back.set()
        await service.until(Status.COMPLETED, batch_id="small")
        await until(lambda: len(provider.submitted) > later)
        await service.operate(Operation.ABORT)
    assert known == later
    assert await service.flaws() == []
