"""Preparation: who stands twice, wherever it breaks off; and whose turn it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.events import EventType
from batchwire.domain.ledger import unpack_numbers
from batchwire.domain.lifecycle import Operation, Status, Trigger
from batchwire.domain.outcome import Outcome
from batchwire.engine import preparation
from batchwire.engine.preparation import Preparation
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StaleLease, StoreBusy, StoreFull, StoreInDoubt
from batchwire.testing.builders import (
    FastClock,
    FlakyStore,
    ScriptedProvider,
    Service,
    numbers,
    until,
)
from batchwire.testing.contracts.store_steps import SIZE, entering, new_chunk

PEOPLE = numbers(30)
LIST = [*PEOPLE, *PEOPLE[:20], "nonsense", *reversed(PEOPLE)]


async def prepare(
    store: object, clock: FastClock, batch_id: str, real: SqlStore
) -> None:
    batch = await real.batch(batch_id)
    await Preparation(store, clock, batch, "me").run()  # type: ignore[arg-type]


async def outcomes(store: SqlStore, batch_id: str) -> list[tuple[str, Outcome]]:
    return [
        pair
        async for chunk in store.chunks(batch_id)
        for pair in zip(
            unpack_numbers(chunk.payload),
            map(Outcome, chunk.state.recorded),
            strict=True,
        )
    ]


@pytest.mark.parametrize("most", [1000, 2, 1], ids=["one look", "some", "each"])
async def test_preparation_that_ends_at_any_call_goes_on_to_the_same_result(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(preparation, "_CHUNKS_A_LOOK", most)
    monkeypatch.setattr(preparation, "_CHUNKS_A_COMMIT", 3)
    service = Service(store, clock, {})
    expected = [
        *((number, Outcome.OPEN) for number in PEOPLE),
        *((number, Outcome.DUPLICATE) for number in PEOPLE[:20]),
        ("nonsense", Outcome.INVALID),
        *((number, Outcome.DUPLICATE) for number in reversed(PEOPLE)),
    ]
    last = 0
    while True:
        last += 1
        batch_id = f"b{last}"
        await service.take(LIST, batch_id, chunk_size=7)
        flaky = FlakyStore(store, last.__eq__)
        try:
            await prepare(flaky, clock, batch_id, store)
        except StoreBusy:
            await prepare(store, clock, batch_id, store)
        batch = await store.batch(batch_id)
        assert batch.state.status is Status.DELIVERY_READY
        assert await outcomes(store, batch_id) == expected
        assert batch.parts == batch.counts[Outcome.OPEN] == len(PEOPLE)
        assert batch.counts[Outcome.DUPLICATE] == 50
        assert await service.flaws(batch_id) == []
        if not flaky.failures:
            break
    assert last > 10


async def test_a_batch_whose_prepared_chunks_hold_somebody_twice_is_not_sent(
    store: SqlStore, clock: FastClock
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    await service.take(PEOPLE, chunk_size=SIZE)
    await store.begin_preparing("b1", "dead")
    await store.change("b1", partial(entering, Trigger.PREPARATION_STARTED))
    await store.write_prepared(
        "b1", "dead", [new_chunk(0), msgspec.structs.replace(new_chunk(0), number=1)]
    )
    await store.cease_preparing("b1", "dead")
    async with service.running():
        batch = await service.until(Status.PREPARATION_FAILED)
    assert batch.state.reason.startswith("numbers stand twice in what is prepared")


class Watched(FlakyStore):
    """A store whose table of numbers tells how many were looked at at once."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store, lambda _: False)
        self.looks: list[int] = []

    @asynccontextmanager
    async def repeats(self) -> AsyncIterator[Any]:
        """See the port."""
        async with self._store.repeats() as one:
            self._one, self._added = one, 0
            yield self

    def add(self, numbers: Sequence[str], flawed: Collection[int]) -> None:
        """See the port."""
        self._added += len(numbers)
        self._one.add(numbers, flawed)

    def look(self) -> Awaitable[list[int]]:
        """See the port."""
        self.looks.append(self._added)
        self._added = 0
        return self._one.look()


async def test_a_pause_ends_preparation_though_the_list_goes_on(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_CHUNKS_A_LOOK", 2)
    monkeypatch.setattr(preparation, "_CHUNKS_A_COMMIT", 1)
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    written: list[Status] = []

    class Paused(Watched):
        async def write_prepared(self, *args: Any) -> Status:  # noqa: ANN401
            if len(written) == 10:
                await service.operate(Operation.PAUSE)
            written.append(await store.write_prepared(*args))
            return written[-1]

    await service.take([*numbers(500), *numbers(500)], chunk_size=10)
    paused = Paused(store)
    await prepare(paused, clock, "b1", store)
    assert written == [Status.PREPARATION_RUNNING] * 10 + [Status.PREPARATION_PAUSED]
    assert len(paused.looks) < 12
    assert (await store.batch("b1")).state.status is Status.PREPARATION_PAUSED
    await service.operate(Operation.RESUME)
    again = Watched(store)
    await prepare(again, clock, "b1", store)
    batch = await store.batch("b1")
    assert batch.counts[Outcome.OPEN] == batch.counts[Outcome.DUPLICATE] == 500
    assert max(again.looks) == 20
    assert await service.flaws() == []


async def test_whoever_cannot_store_reads_no_further(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_CHUNKS_A_LOOK", 2)
    is_writable = asyncio.Event()

    class Stuck(Watched):
        async def write_prepared(self, *args: Any) -> Status:  # noqa: ANN401
            await is_writable.wait()
            return await store.write_prepared(*args)

    await Service(store, clock, {}).take(numbers(1000), chunk_size=10)
    stuck = Stuck(store)
    preparing = asyncio.create_task(prepare(stuck, clock, "b1", store))
    await asyncio.sleep(0.2)
    looks = len(stuck.looks)
    is_writable.set()
    await preparing
    assert looks < 6
    assert len(stuck.looks) > 50


async def test_without_room_for_temporary_files_preparation_waits_and_goes_on(
    store: SqlStore, clock: FastClock
) -> None:
    is_full, tries = True, 0

    class Full(Watched):
        def look(self) -> Awaitable[list[int]]:
            nonlocal tries
            tries += 1
            if is_full:
                raise StoreFull("temporary files: the disk is full")
            return super().look()

    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=Full(store))
    await service.take(LIST)
    async with service.running():
        await clock.sleep(20.0)
        assert 1 < tries <= 11
        is_full = False
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == len(PEOPLE)


class HoldingStore:
    """A store in which the lists of some batches have no end until they are let go."""

    def __init__(self, store: SqlStore, *held: str) -> None:
        self._store = store
        self._gates = {batch_id: asyncio.Event() for batch_id in held}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the store
        return getattr(self._store, name)

    def let_go(self, *batch_ids: str) -> None:
        """Let their lists come to an end."""
        for batch_id in batch_ids:
            self._gates[batch_id].set()

    async def list_blocks(self, list_id: str) -> AsyncIterator[bytes]:
        """See the port."""
        async for block in self._store.list_blocks(list_id):
            yield block
        gate = self._gates.get(list_id.partition(".")[0])
        if gate is not None:
            await gate.wait()


async def test_a_small_urgent_batch_overtakes_large_ones_in_preparation(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_CHUNKS_A_LOOK", 2)
    holding = HoldingStore(store, "large", "larger")
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=holding)
    await service.take(LIST, "large", priority=3, chunk_size=7)
    await service.take(LIST, "larger", priority=3, chunk_size=7)
    async with service.running():
        for batch_id in ("large", "larger"):
            await until(partial(_has_chunks, store, batch_id))
        await service.take(LIST, "urgent", priority=9)
        await service.until(Status.COMPLETED, batch_id="urgent")
        for batch_id in ("large", "larger"):
            batch = await store.batch(batch_id)
            assert batch.state.status is Status.PREPARATION_RUNNING
        holding.let_go("large", "larger")
        for batch_id in ("large", "larger"):
            batch = await service.until(Status.COMPLETED, batch_id=batch_id)
            assert batch.counts[Outcome.ACCEPTED] == len(PEOPLE)
            assert await service.flaws(batch_id) == []
    assert max(provider.keys.values()) == 1


async def test_a_patient_batch_is_prepared_however_many_urgent_ones_come(
    store: SqlStore, clock: FastClock
) -> None:
    urgent = [f"urgent{n}" for n in range(5)]
    holding = HoldingStore(store, *urgent)
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=holding)
    for batch_id in (*urgent[:2], "patient", *urgent[2:]):
        priority = 1 if batch_id == "patient" else 10
        await service.take(LIST, batch_id, priority=priority)
    async with service.running():
        holding.let_go(*urgent[:2])
        await service.until(Status.COMPLETED, batch_id="patient")
        for batch_id in urgent[2:]:
            assert not (await store.batch(batch_id)).state.is_sealed
        holding.let_go(*urgent[2:])
        for batch_id in urgent:
            await service.until(Status.COMPLETED, batch_id=batch_id)


async def _has_chunks(store: SqlStore, batch_id: str) -> bool:
    return sum((await store.batch(batch_id)).counts) > 0


async def test_what_another_prepares_takes_no_place_here(
    store: SqlStore, clock: FastClock
) -> None:
    settings = EngineSettings(max_preparing_batches=1)
    service = Service(store, clock, {"scripted": ScriptedProvider()}, settings)
    async with service.running():
        await store.become_engine("other", 100_000.0)
        await service.take(PEOPLE, schedule_time=clock.now() + timedelta(seconds=20))
        assert await store.begin_preparing("b1", "other")
        await asyncio.sleep(0.5)  # 25 s of its clock: the first is ready
        await service.take(PEOPLE, "b2")
        await service.until(Status.COMPLETED, batch_id="b2")
        assert (await store.batch("b1")).prepared_by == "other"


async def test_a_list_that_cannot_be_read_back_fails_its_batch_in_a_sentence(
    store: SqlStore, clock: FastClock
) -> None:
    class Damaged(FlakyStore):
        async def list_blocks(self, _: str) -> AsyncIterator[bytes]:
            yield b"nonsense"

    damaged = Damaged(store, lambda _: False)
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=damaged)
    await service.take(PEOPLE)
    async with service.running():
        batch = await service.until(Status.PREPARATION_FAILED)
    assert batch.state.reason.startswith("what is stored packed cannot be read")


async def test_after_a_commit_in_doubt_it_goes_on_behind_what_is_stored(
    store: SqlStore, clock: FastClock
) -> None:
    is_lost = False

    class Doubtful(FlakyStore):
        async def write_prepared(self, *args: Any) -> Status:  # noqa: ANN401 - as the store's
            nonlocal is_lost
            status = await store.write_prepared(*args)
            if not is_lost:
                is_lost = True
                raise StoreInDoubt("it went away during a commit")
            return status

    doubtful = Doubtful(store, lambda _: False)
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=doubtful)
    await service.take(numbers(200), chunk_size=5)
    await service.run()
    assert is_lost
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 200
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


async def test_whoever_lost_its_lease_fails_no_batch(
    store: SqlStore, clock: FastClock
) -> None:
    is_lost = False

    class Lost(FlakyStore):
        async def write_prepared(self, *args: Any) -> Status:  # noqa: ANN401
            nonlocal is_lost
            if not is_lost:
                is_lost = True
                raise StaleLease("batch b1 is prepared by another worker now")
            return await store.write_prepared(*args)

    lost = Lost(store, lambda _: False)
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=lost)
    await service.take(PEOPLE)
    await service.run()
    assert is_lost
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == len(PEOPLE)
    assert await service.flaws() == []


async def test_whoever_is_cancelled_waits_for_what_is_being_written(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_CHUNKS_A_LOOK", 16)
    is_writing = asyncio.Event()
    written: list[Status] = []

    class Slow(FlakyStore):
        async def write_prepared(self, *args: Any) -> Status:  # noqa: ANN401
            is_writing.set()
            await asyncio.sleep(0.1)
            written.append(await store.write_prepared(*args))
            return written[-1]

    await Service(store, clock, {}).take(numbers(200), chunk_size=5)
    slow = Slow(store, lambda _: False)
    preparing = asyncio.create_task(prepare(slow, clock, "b1", store))
    await is_writing.wait()
    preparing.cancel()
    await asyncio.wait([preparing])
    assert set(written) == {Status.PREPARATION_RUNNING}
    stored = [chunk.number async for chunk in store.chunks("b1")]
    assert stored == list(range(16 * len(written)))
    assert (await store.batch("b1")).prepared_by == ""


async def test_a_list_of_which_a_part_is_gone_fails_its_batch(
    store: SqlStore, clock: FastClock
) -> None:
    class Shortened(FlakyStore):
        async def list_blocks(self, _: str) -> AsyncIterator[bytes]:
            for block in list[bytes]():
                yield block

    shortened = Shortened(store, lambda _: False)
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider}, engine_store=shortened)
    await service.take(PEOPLE)
    async with service.running():
        batch = await service.until(Status.PREPARATION_FAILED)
    assert batch.state.reason == "0 of 1 blocks of the list are left: send it again"
    await service.operate(Operation.RETRY)  # of everybody: nobody is chosen
    asked = [e.data async for e in store.replay("b1") if e.type is EventType.OPERATION]
    assert [data.get("selection", "") for data in asked] == [""]
