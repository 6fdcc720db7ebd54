"""What a dead worker had submitted under ``resend``, and the batch ends before the rest."""

from functools import partial
from typing import Any

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain import operations
from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Operation, Trigger
from batchwire.domain.operations import Change
from batchwire.domain.outcome import Outcome
from batchwire.engine.control import Selection
from batchwire.engine.rescue import rescue
from batchwire.ports.store import ChunkUpdate, Flush
from batchwire.testing.builders import (
    FastClock,
    ScriptedProvider,
    Service,
    create,
    spec,
)
from batchwire.testing.contracts.store_steps import SIZE, answers, new_chunk, told_of

INTENT = 3  # of four recipients in each of two chunks
_TO_DELIVERY = (Trigger.PREPARATION_STARTED, Trigger.SEALED, Trigger.DELIVERY_STARTED)
ACCEPTED, ABORTED, UNCERTAIN = Outcome.ACCEPTED, Outcome.ABORTED, Outcome.UNCERTAIN


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def service(
    store: SqlStore, clock: FastClock, provider: ScriptedProvider
) -> Service:
    """Give the service beside a worker that died while it had intended three."""
    asked = spec(on_uncertain=OnUncertain.RESEND, chunk_size=SIZE)
    await create(store, asked)
    for trigger in _TO_DELIVERY:
        await store.change("b1", partial(_enter, trigger))
        if trigger is Trigger.PREPARATION_STARTED:
            await store.begin_preparing("b1", "dead")
            await store.write_prepared("b1", "dead", [new_chunk(0), new_chunk(1)])
    await _intend(store)
    await store.resign("dead")
    await rescue(store, clock)
    return Service(store, clock, {"scripted": provider})


def _enter(trigger: Trigger, batch: Batch) -> Change:
    return operations.enter(batch, trigger, batch.spec.created_at)


async def _intend(store: SqlStore, *updates: ChunkUpdate) -> int:
    await store.become_engine("dead", 30.0)
    (found,) = await store.flush("dead", [Flush(batch_id="b1", claim=1)])
    (claim,) = found.claims
    intent = ChunkUpdate(number=claim.number, fence=claim.fence, intent=INTENT)
    await store.flush("dead", [Flush(batch_id="b1", updates=(intent, *updates))])
    return claim.fence


async def test_whom_a_dead_worker_intended_an_abort_tells_as_uncertain(
    service: Service,
) -> None:
    batch = await service.operate(Operation.ABORT)
    assert told_of(batch.counts) == {UNCERTAIN: INTENT, ABORTED: 2 * SIZE - INTENT}
    codes = [
        e async for c in service.store.chunks("b1") for e in c.state.errors.values()
    ]
    assert codes == [("uncertain", "crash")] * INTENT
    assert await service.flaws() == []


async def test_whom_two_dead_workers_intended_an_abort_tells_as_uncertain(
    service: Service, store: SqlStore, clock: FastClock
) -> None:
    await _intend(store)
    await store.resign("dead")
    await rescue(store, clock)
    batch = await service.operate(Operation.ABORT)
    assert told_of(batch.counts) == {UNCERTAIN: INTENT, ABORTED: 2 * SIZE - INTENT}
    assert await service.flaws() == []


async def test_who_is_in_doubt_and_intended_again_at_an_abort_is_uncertain_once(
    service: Service, store: SqlStore, clock: FastClock
) -> None:
    await _intend(store)
    await service.operate(Operation.ABORT)
    await store.resign("dead")
    await rescue(store, clock)
    batch = await store.batch("b1")
    assert told_of(batch.counts) == {UNCERTAIN: INTENT, ABORTED: 2 * SIZE - INTENT}
    assert await service.flaws() == []


async def test_whom_the_second_try_reached_nothing_marks_any_more(
    service: Service, store: SqlStore
) -> None:
    fence = await _intend(store)
    told = answers(fence, [ACCEPTED, Outcome.FAILED], {1: ("permanent", "21610")})
    await store.flush("dead", [Flush(batch_id="b1", updates=(told,))])
    batch = await service.operate(Operation.ABORT)
    assert told_of(batch.counts) == {
        ACCEPTED: 1,
        Outcome.FAILED: 1,
        UNCERTAIN: 1,
        ABORTED: 2 * SIZE - INTENT,
    }
    assert await service.flaws() == []


async def test_who_is_sent_again_keeps_the_key(
    service: Service, provider: ScriptedProvider
) -> None:
    await service.run()
    batch = await service.store.batch("b1")
    assert told_of(batch.counts) == {ACCEPTED: 2 * SIZE}
    assert set(provider.keys) == {f"b1:{p}:1" for p in range(2 * SIZE)}
    assert await service.flaws() == []


async def test_the_uncertain_of_an_expired_batch_are_found_by_their_code(
    service: Service, store: SqlStore
) -> None:
    await store.change("b1", partial(_enter, Trigger.EXPIRED))
    lost = Selection(UNCERTAIN, error_code="crash")
    batch = await service.operate(Operation.RETRY, selection=lost)
    assert told_of(batch.counts) == {
        Outcome.OPEN: INTENT,
        Outcome.EXPIRED: 2 * SIZE - INTENT,
    }
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[ACCEPTED] == INTENT
    assert await service.flaws() == []


async def test_a_retry_of_the_expired_leaves_the_others_their_errors(
    service: Service, store: SqlStore
) -> None:
    fence = await _intend(store)
    refused = {1: ("permanent", "21610")}
    told = answers(fence, [ACCEPTED, Outcome.FAILED], refused, is_released=True)
    await store.flush("dead", [Flush(batch_id="b1", updates=(told,))])
    await store.change("b1", partial(_enter, Trigger.EXPIRED))
    expired = Selection(Outcome.EXPIRED)
    await service.operate(Operation.RETRY, selection=expired)
    first, _ = [chunk async for chunk in store.chunks("b1")]
    assert first.state.errors == {**refused, 2: ("uncertain", "crash")}
    assert await service.flaws() == []


@pytest.mark.parametrize("is_resumed", [False, True])
async def test_what_was_in_flight_at_a_pause_has_escaped_though_its_engine_died(
    service: Service, store: SqlStore, clock: FastClock, *, is_resumed: bool
) -> None:
    await _intend(store)
    await service.operate(Operation.PAUSE)
    if is_resumed:
        await service.operate(Operation.RESUME)
    await store.resign("dead")
    await rescue(store, clock)
    assert (await store.batch("b1")).state.escaped == (0 if is_resumed else INTENT)
    assert await service.flaws() == []


async def test_who_finds_that_another_took_it_back_leaves_it_at_that(
    store: SqlStore,
    service: Service,
    clock: FastClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _intend(store)
    await store.resign("dead")
    change = store.change

    async def late(*args: Any, **told: Any) -> Batch:  # noqa: ANN401
        monkeypatch.undo()
        await rescue(store, clock)
        return await change(*args, **told)

    monkeypatch.setattr(store, "change", late)
    await rescue(store, clock)
    notes = [e async for e in store.replay("b1") if e.type is EventType.NOTE]
    assert [note.data["note"] for note in notes] == ["recovered"] * 2
    assert await service.flaws() == []
