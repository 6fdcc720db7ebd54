"""Pause, resume, abort and retry of a batch at work."""

import asyncio
from datetime import timedelta

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.batch import OnUncertain
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.engine.control import Selection
from batchwire.engine.settings import EngineSettings
from batchwire.errors import IllegalOperation
from batchwire.testing.builders import (
    ACCEPTED,
    NOON,
    FastClock,
    FlakyStore,
    ScriptedProvider,
    Service,
    counted_cycles,
    numbers,
    until,
)


async def test_a_paused_delivery_submits_no_more_and_resumes_exactly(
    store: SqlStore, clock: FastClock
) -> None:
    cycles = counted_cycles(store)
    provider = ScriptedProvider(hold_after=30, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), chunk_size=10)

    async def is_stored() -> bool:
        return (await store.batch("b1")).counts[Outcome.ACCEPTED] == 30

    async with service.running():
        await until(lambda: len(provider.submitted) == 34)
        await until(is_stored)
        await service.operate(Operation.PAUSE)
        known = cycles() + 2
        await until(lambda: cycles() >= known)
        provider.let_go()
        await until(service.has_settled)
        batch = await store.batch("b1")
        assert len(provider.submitted) == 34
        assert batch.counts[Outcome.ACCEPTED] == 34
        assert batch.state.escaped == 4
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 100
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


@pytest.mark.parametrize("operation", [Operation.PAUSE, Operation.ABORT])
async def test_once_it_has_stopped_only_who_is_in_flight_is_intended(
    store: SqlStore, clock: FastClock, operation: Operation
) -> None:
    """Else a crash would leave those uncertain who were taken out of the line."""
    provider = ScriptedProvider(hold_after=0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(200))

    async def is_lowered() -> bool:
        return await service.intended() == 4

    async with service.running():
        await until(lambda: len(provider.submitted) == 4)
        assert await service.intended() > 4
        await service.operate(operation)
        await until(is_lowered)
        provider.let_go()
        await until(service.has_settled)
    assert len(provider.submitted) == 4
    assert await service.flaws() == []


@pytest.mark.parametrize("schedule_s", [0, 40])
async def test_a_batch_paused_before_delivery_waits_and_goes_on(
    store: SqlStore, clock: FastClock, schedule_s: int
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    schedule = NOON.replace(second=schedule_s) if schedule_s else None
    await service.take(numbers(30), schedule_time=schedule)
    await service.operate(Operation.PAUSE)
    await service.run()
    assert provider.submitted == []
    assert (await store.batch("b1")).state.status is Status.PREPARATION_PAUSED
    await service.operate(Operation.RESUME)
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert (
        schedule is None
        or batch.state.started_at is None
        or (batch.state.started_at >= schedule)
    )
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


async def test_an_abort_keeps_the_answers_to_what_was_in_flight(
    store: SqlStore, clock: FastClock
) -> None:
    """And tells them in the transaction that stores the last: a crash may come next."""
    is_aborted = False

    class Engines(FlakyStore):
        async def change(self, *args: object, **kwargs: object) -> object:
            assert not is_aborted
            return await store.change(*args, **kwargs)  # type: ignore[arg-type]

    provider = ScriptedProvider(hold_after=20, concurrency=5)
    engines = Engines(store, lambda _: False)
    service = Service(store, clock, {"scripted": provider}, engine_store=engines)
    await service.take(numbers(100), chunk_size=10)
    async with service.running():
        await until(lambda: len(provider.submitted) == 25)
        await service.operate(Operation.ABORT)
        is_aborted = True
        await asyncio.sleep(0.05)
        provider.let_go()
        await until(service.has_settled)
    batch = await store.batch("b1")
    assert batch.state.status is Status.ABORTED
    assert batch.counts[Outcome.ACCEPTED] == len(provider.submitted) == 25
    assert batch.counts[Outcome.ABORTED] == 75
    assert batch.state.escaped >= 5
    assert batch.state.counts == batch.counts
    assert await service.flaws() == []


async def test_whose_answer_was_lost_ends_as_uncertain_before_the_second_try(
    store: SqlStore, clock: FastClock
) -> None:
    lost = Answer(Verdict.UNCERTAIN, error_code="timeout")
    provider = ScriptedProvider(
        lambda m: lost if m.position < 3 else ACCEPTED, hold_after=10, concurrency=10
    )
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(10), on_uncertain=OnUncertain.RESEND)
    async with service.running():
        await until(lambda: len(provider.submitted) == 13)  # the second tries wait
        batch = await service.operate(Operation.ABORT)
        assert batch.counts[Outcome.UNCERTAIN] == 3
        provider.script = lambda m: ACCEPTED if m.position == 0 else lost
        provider.let_go()
        await until(service.has_settled)
    batch = await store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == 8
    assert batch.counts[Outcome.UNCERTAIN] == 2
    assert sum(batch.counts) == 10
    assert await service.flaws() == []


async def test_whose_answer_is_lost_after_an_abort_is_uncertain(
    store: SqlStore, clock: FastClock
) -> None:
    lost = Answer(Verdict.UNCERTAIN, error_code="timeout")
    provider = ScriptedProvider(lambda _: lost, hold_after=0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(10), on_uncertain=OnUncertain.RESEND)
    async with service.running():
        await until(lambda: len(provider.submitted) == 4)
        await service.operate(Operation.ABORT)
        provider.let_go()
        await until(service.has_settled)
    batch = await store.batch("b1")
    assert batch.counts[Outcome.UNCERTAIN] == len(provider.submitted)
    assert batch.counts[Outcome.ABORTED] == 10 - len(provider.submitted)
    assert await service.flaws() == []


def refusing(message: Message) -> Answer:
    if message.attempt > 1:
        return ACCEPTED
    match message.position % 4:
        case 0:
            return Answer(Verdict.PERMANENT, error_code="21610")
        case 1:
            return Answer(Verdict.PERMANENT, error_code="30005")
        case 2:
            return Answer(Verdict.UNCERTAIN, error_code="timeout")
        case _:
            return ACCEPTED


@pytest.mark.parametrize(
    ("selection", "accepted"),
    [
        (Selection(), 15),
        (Selection(error_code="21610"), 10),
        (Selection(error_class="permanent"), 15),
        (Selection(Outcome.UNCERTAIN), 10),
    ],
)
async def test_a_retry_takes_up_whom_it_selects_and_nobody_else(
    store: SqlStore, clock: FastClock, selection: Selection, accepted: int
) -> None:
    provider = ScriptedProvider(refusing)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(20), chunk_size=7)
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 5
    await service.operate(Operation.RETRY, selection=selection)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == accepted
    words = [selection.outcome.name, selection.error_class, selection.error_code]
    told = [e.data.get("selection") async for e in store.replay("b1")]
    assert [one for one in told if one] == [" ".join(filter(None, words)).lower()]
    assert set(provider.keys.values()) == {1}
    assert await service.flaws() == []


async def test_a_retry_of_the_uncertain_that_is_aborted_leaves_them_uncertain(
    store: SqlStore, clock: FastClock
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider(refusing)})
    await service.take(numbers(20), chunk_size=7)
    await service.run()
    uncertain = Selection(Outcome.UNCERTAIN)
    assert (
        await service.operate(Operation.RETRY, selection=uncertain)
    ).open_recipients == 5
    batch = await service.operate(Operation.ABORT)
    assert batch.counts[Outcome.UNCERTAIN] == 5
    assert batch.counts[Outcome.ABORTED] == 0
    assert await service.flaws() == []


async def test_whom_a_retry_takes_up_and_a_claim_finds_suppressed_stays_uncertain(
    store: SqlStore, clock: FastClock
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider(refusing)})
    recipients = numbers(8)
    await service.take(recipients)
    await service.run()
    await store.suppress([recipients[0], recipients[2]], "opted out")
    for outcome in (Outcome.FAILED, Outcome.UNCERTAIN):
        await service.operate(Operation.RETRY, selection=Selection(outcome))
        await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.SUPPRESSED] == 1
    assert batch.counts[Outcome.UNCERTAIN] == 1
    (chunk,) = [chunk async for chunk in store.chunks("b1")]
    assert chunk.state.errors == {2: ("uncertain", "timeout")}
    assert await service.flaws() == []


async def test_a_retry_that_selects_nobody_is_refused(
    store: SqlStore, clock: FastClock
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    await service.take(numbers(3))
    await service.run()
    with pytest.raises(IllegalOperation, match=r"failed transient(?! \()"):
        await service.operate(
            Operation.RETRY, selection=Selection(error_class="transient")
        )
    assert await service.flaws() == []


async def test_a_retry_waits_for_what_is_in_flight(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=2)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(10), timeout_s=5)
    async with service.running():
        await service.until(Status.EXPIRED)
        expired = Selection(Outcome.EXPIRED)
        with pytest.raises(IllegalOperation, match="still waiting for their answer"):
            await service.operate(Operation.RETRY, selection=expired)
        provider.let_go()
        await until(service.has_settled)
        await service.operate(Operation.RETRY, selection=expired)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 10
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


async def test_operations_raced_by_four_clients_have_one_history(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(200), chunk_size=10)

    async def client() -> None:
        for operation in (Operation.PAUSE, Operation.RESUME) * 5:
            try:
                await service.operate(operation)
            except IllegalOperation:
                continue

    async with service.running():
        await asyncio.gather(*(client() for _ in range(4)))
        if not (await store.batch("b1")).state.status.has_ended:
            await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 200
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


async def test_who_pauses_what_the_service_paused_keeps_it_paused(
    store: SqlStore, clock: FastClock
) -> None:
    refused = Answer(Verdict.CONNECTION, error_code="refused")
    provider = ScriptedProvider(lambda _: refused, concurrency=1)
    service = Service(
        store, clock, {"scripted": provider}, EngineSettings(circuit_failures=3)
    )
    await service.take(numbers(50), timeout_s=100_000)
    async with service.running():
        paused = await service.until(Status.DELIVERY_PAUSED)
        assert paused.resume_at is not None
        mine = await service.operate(Operation.PAUSE)
        assert (mine.state.paused_by, mine.resume_at) == ("tester", None)
        provider.script = lambda _: ACCEPTED
        known = len(provider.submitted)
        await asyncio.sleep(1.5)  # 75 s of its clock: the service tries within 30
        assert len(provider.submitted) == known
        await service.operate(Operation.RESUME)
        await service.until(Status.COMPLETED)
    assert await service.flaws() == []


@pytest.mark.parametrize("verdict", [Verdict.TRANSIENT, Verdict.PERMANENT])
async def test_a_retry_that_is_refused_leaves_the_doubt_of_before(
    store: SqlStore, clock: FastClock, verdict: Verdict
) -> None:
    said = Answer(Verdict.UNCERTAIN, error_code="timeout")
    provider = ScriptedProvider(lambda _: said)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(3), on_uncertain=OnUncertain.HOLD)
    await service.run()
    said = Answer(verdict, error_code="no")
    await service.operate(Operation.RETRY, selection=Selection(Outcome.UNCERTAIN))
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.UNCERTAIN] == 3
    with pytest.raises(IllegalOperation, match=r"failed \(there are: 3 uncertain\)"):
        await service.operate(Operation.RETRY)
    assert len(provider.submitted) == 6
    assert await service.flaws() == []


async def test_a_batch_of_which_nobody_is_left_completes_whatever_stops_others(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        if message.batch_id == "good":
            return ACCEPTED
        return Answer(Verdict.CONFIGURATION, error_code="401")

    provider = ScriptedProvider(script, hold_after=0, concurrency=40)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(10), "good")
    await service.take(numbers(10, 100), "bad")
    async with service.running():
        await until(lambda: len(provider.submitted) == 20)
        provider.let_go()
        await service.until(Status.DELIVERY_PAUSED, batch_id="bad")
        await service.until(Status.COMPLETED, batch_id="good")


async def test_a_paused_batch_of_which_nobody_is_left_does_not_expire(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(hold_after=0, concurrency=10)
    service = Service(store, clock, {"scripted": provider})
    until_then = clock.now() + timedelta(seconds=200)
    await service.take(numbers(10), not_after=until_then)
    async with service.running():
        await until(lambda: len(provider.submitted) == 10)
        await service.operate(Operation.PAUSE)
        provider.let_go()
        await until(lambda: clock.now() > until_then + timedelta(seconds=30))
        batch = await store.batch("b1")
        assert batch.state.status is Status.DELIVERY_PAUSED
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 10


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_what_escaped_a_pause_is_counted_though_the_engine_is_stopped(
    store: SqlStore, clock: FastClock, *, is_noticed: bool
) -> None:
    provider = ScriptedProvider(hold_after=30, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), chunk_size=10)
    async with service.running():
        await until(lambda: len(provider.submitted) == 34)
        await service.operate(Operation.PAUSE)
        if is_noticed:
            await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_later(0.1, provider.let_go)
    batch = await store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == len(provider.submitted) == 34
    assert batch.state.escaped >= 4
    assert await service.flaws() == []
