"""What becomes of recipients by what a provider answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain import operations
from batchwire.domain.batch import OnUncertain
from batchwire.domain.lifecycle import Operation, Status, Trigger
from batchwire.domain.operations import Command
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.engine.control import Control
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StoreDamaged, StoreInDoubt, UnreadableList
from batchwire.ports.store import Flush, Flushed
from batchwire.testing.builders import (
    ACCEPTED,
    NOON,
    FastClock,
    ScriptedProvider,
    Service,
    counted_cycles,
    numbers,
    until,
)


async def test_transient_failures_are_retried_and_then_fail(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        if message.position % 3:
            return ACCEPTED
        return Answer(Verdict.TRANSIENT, error_code="30003")

    provider = ScriptedProvider(script)
    patient = EngineSettings(circuit_failures=1000)
    service = Service(store, clock, {"scripted": provider}, patient)
    await service.take(numbers(30), max_retries=2)
    await service.run()
    batch = await store.batch("b1")
    assert (batch.counts[Outcome.ACCEPTED], batch.counts[Outcome.FAILED]) == (20, 10)
    assert Counter(provider.sent_to.values()) == {1: 20, 3: 10}
    assert set(provider.keys.values()) == {1}
    assert await service.flaws() == []


@pytest.mark.parametrize("clock", [200.0], indirect=True)
async def test_who_always_fails_does_not_keep_the_circuit_open_for_ever(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(lambda _: Answer(Verdict.TRANSIENT, error_code="503"))
    quick = EngineSettings(
        circuit_failures=2, circuit_max_delay_s=1.0, circuit_patience_s=20.0
    )
    service = Service(store, clock, {"scripted": provider}, quick)
    await service.take(numbers(3), max_retries=3, timeout_s=100_000)
    started = clock.monotonic()
    await service.run()
    assert clock.monotonic() - started > 20
    batch = await store.batch("b1")
    assert batch.state.status is Status.DELIVERY_FAILED
    assert batch.counts[Outcome.FAILED] == 3
    assert await service.flaws() == []


async def test_throttling_is_no_attempt(store: SqlStore, clock: FastClock) -> None:
    throttled: set[int] = set()

    def script(message: Message) -> Answer:
        if message.position % 10 or message.position in throttled:
            return ACCEPTED
        throttled.add(message.position)
        return Answer(Verdict.THROTTLED, error_code="429", retry_after_s=1.0)

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(50), max_retries=0)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == 50
    assert {message.attempt for message in provider.submitted} == {1}
    assert await service.flaws() == []


@pytest.mark.parametrize(
    ("policy", "outcome", "times"),
    [
        (OnUncertain.HOLD, Outcome.UNCERTAIN, 1),
        (OnUncertain.RESEND, Outcome.ACCEPTED, 2),
        (OnUncertain.DROP, Outcome.FAILED, 1),
    ],
)
async def test_uncertain_submissions_follow_the_policy(
    store: SqlStore,
    clock: FastClock,
    policy: OnUncertain,
    outcome: Outcome,
    times: int,
) -> None:
    seen: Counter[str] = Counter()

    def script(message: Message) -> Answer:
        seen[message.key] += 1
        if message.position == 3 and seen[message.key] == 1:
            return Answer(Verdict.UNCERTAIN, error_code="timeout")
        return ACCEPTED

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    recipients = numbers(10)
    await service.take(recipients, on_uncertain=policy)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[outcome] == (10 if outcome is Outcome.ACCEPTED else 1)
    assert provider.sent_to[recipients[3]] == times
    assert len(provider.keys) == 10  # a repeat has the key of the first
    assert await service.flaws() == []


async def test_whose_second_answer_is_lost_too_is_uncertain_and_sent_no_third_time(
    store: SqlStore, clock: FastClock
) -> None:
    lost = Answer(Verdict.UNCERTAIN, error_code="timeout")
    provider = ScriptedProvider(lambda m: lost if m.position == 3 else ACCEPTED)
    service = Service(store, clock, {"scripted": provider})
    recipients = numbers(10)
    await service.take(recipients, on_uncertain=OnUncertain.RESEND)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.UNCERTAIN] == 1
    assert provider.sent_to[recipients[3]] == 2
    assert await service.flaws() == []


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], "answer_count"),
        ([ACCEPTED, ACCEPTED], "answer_count"),
        (None, "provider_raised"),
    ],
)
async def test_what_a_faulty_provider_was_given_is_uncertain(
    store: SqlStore, clock: FastClock, answers: list[Answer] | None, code: str
) -> None:
    service = Service(store, clock, {"scripted": FaultyProvider(answers)})
    # Fewer than open the circuit, behind which each waits its minute for a trial.
    await service.take(numbers(15), on_uncertain=OnUncertain.HOLD)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.UNCERTAIN] == 15
    async for chunk in store.chunks("b1"):
        (told,) = {
            error for one in chunk.state.segments for error in one.errors.values()
        }
        assert told == ("uncertain", code)
    assert await service.flaws() == []


class FaultyProvider(ScriptedProvider):
    """Gives the same answers whatever it is asked; None: it raises."""

    def __init__(self, answers: list[Answer] | None) -> None:
        super().__init__(lambda _: ACCEPTED)
        self._answers = answers

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """Answer as told."""
        if self._answers is None:
            raise LookupError(messages[0].to)
        return self._answers


async def test_refused_credentials_pause_the_batch_and_burn_nobody(
    store: SqlStore, clock: FastClock
) -> None:
    refused = Answer(
        Verdict.CONFIGURATION, error_code="401", error_message="unknown account"
    )
    provider = ScriptedProvider(lambda _: refused)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(40), max_retries=0)
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.DELIVERY_PAUSED
    assert batch.state.reason == "scripted: unknown account (401)"
    assert batch.resume_at is None
    assert batch.counts[Outcome.OPEN] == 40
    provider.script = lambda _: ACCEPTED
    await service.operate(Operation.RESUME)
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 40
    assert await service.flaws() == []


async def test_a_resume_tries_what_was_refused_again_in_the_same_engine(
    store: SqlStore, clock: FastClock
) -> None:
    refused = Answer(Verdict.CONFIGURATION, error_code="http_401")
    provider = ScriptedProvider(lambda _: refused)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(20))
    async with service.running():
        await service.until(Status.DELIVERY_PAUSED)
        provider.script = lambda _: ACCEPTED
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 20
    assert await service.flaws() == []


async def test_an_answer_that_comes_before_a_pause_by_the_service_escapes_and_is_told(
    store: SqlStore, clock: FastClock
) -> None:
    refused = Answer(Verdict.CONFIGURATION, error_code="401")
    provider = ScriptedProvider(
        lambda m: refused if m.position == 1 else ACCEPTED, hold_after=0, concurrency=2
    )
    service = Service(store, clock, {"scripted": provider})
    flush = store.flush

    async def answered_meanwhile(*args: Any) -> list[Flushed]:  # noqa: ANN401 - as the store's
        found = await flush(*args)
        if len(provider.submitted) == 2:
            provider.let_go()
            await asyncio.sleep(0.1)
        return found

    store.flush = answered_meanwhile  # type: ignore[method-assign,assignment]
    await service.take(numbers(40))
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.DELIVERY_PAUSED
    assert batch.counts[Outcome.ACCEPTED] == batch.state.escaped > 0
    assert await service.flaws() == []


@pytest.mark.parametrize("clock", [1500.0], indirect=True)
async def test_a_provider_away_for_half_an_hour_burns_nobody(
    store: SqlStore, clock: FastClock
) -> None:
    back_at = inf  # until the pause was seen: on a busy machine half an hour is short

    def script(_: Message) -> Answer:
        if clock.monotonic() < back_at:
            return Answer(Verdict.CONNECTION, error_code="refused")
        return ACCEPTED

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), max_retries=0, timeout_s=100_000)
    async with service.running():
        paused = await service.until(Status.DELIVERY_PAUSED)
        assert paused.state.reason == "scripted cannot be reached: refused"
        assert paused.resume_at is not None
        back_at = clock.monotonic() + 1800
        batch = await service.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 100
    assert {message.attempt for message in provider.submitted} == {1}
    assert len(provider.submitted) < 300  # it was not hammered
    assert await service.flaws() == []


@pytest.mark.parametrize("clock", [1500.0], indirect=True)
@pytest.mark.parametrize("count", [1, 3, 100])
async def test_half_an_hour_of_503_burns_nobody_of_a_list_however_short(
    store: SqlStore, clock: FastClock, count: int
) -> None:
    back_at = clock.monotonic() + 1800

    def script(_: Message) -> Answer:
        if clock.monotonic() < back_at:
            return Answer(Verdict.TRANSIENT, error_code="http_503")
        return ACCEPTED

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(count), max_retries=1, timeout_s=100_000)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == count
    assert await service.flaws() == []


@pytest.mark.parametrize("clock", [5.0], indirect=True)
async def test_an_outage_uses_up_nobody_over_restarts_either(
    store: SqlStore, clock: FastClock
) -> None:
    away = Answer(Verdict.TRANSIENT, error_code="http_503")
    provider = ScriptedProvider(lambda _: away)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(3), max_retries=1, timeout_s=100_000)
    for _ in range(4):  # another process each time, or another worker
        tried = len(provider.submitted)
        async with Service(store, clock, {"scripted": provider}).running():
            await until(lambda: len(provider.submitted) >= tried + 3)  # noqa: B023
            await service.until(Status.DELIVERY_PAUSED)
    provider.script = lambda _: ACCEPTED
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 3
    assert await service.flaws() == []


@pytest.mark.parametrize("hopeless", [2, 10])
async def test_who_always_fails_holds_up_nobody_after_an_outage(
    store: SqlStore, clock: FastClock, hopeless: int
) -> None:
    """Neither of their own batch nor of others."""
    back_at = clock.monotonic() + 60

    def script(message: Message) -> Answer:
        is_hopeless = message.batch_id == "b1" and message.position < hopeless
        if clock.monotonic() < back_at or is_hopeless:
            return Answer(Verdict.TRANSIENT, error_code="http_503")
        return ACCEPTED

    provider = ScriptedProvider(script, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), timeout_s=100_000)
    await service.take(numbers(100), "b2", timeout_s=100_000)

    async def are_all_others_accepted() -> bool:
        ids = ("b1", "b2")
        accepted = [(await store.batch(b)).counts[Outcome.ACCEPTED] for b in ids]
        return accepted == [100 - hopeless, 100]

    async with service.running():
        await until(are_all_others_accepted)
    assert clock.monotonic() - back_at < 1200  # far less than the circuit is patient
    assert await service.flaws() == []


async def test_mixed_refusals_of_an_outage_use_up_nobody(
    store: SqlStore, clock: FastClock
) -> None:
    """Beside one who is refused for good, and with flow control between."""

    def script(message: Message) -> Answer:
        if message.position == 4:
            return Answer(Verdict.PERMANENT, error_code="21211")
        if len(provider.submitted) > 60:
            return ACCEPTED
        if len(provider.submitted) % 3 == 0:
            return Answer(Verdict.THROTTLED, error_code="http_429")
        return Answer(Verdict.TRANSIENT, error_code="http_503")

    provider = ScriptedProvider(script, batch_size=2, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(5), max_retries=2, timeout_s=100_000)
    await service.run()
    batch = await store.batch("b1")
    assert batch.counts[Outcome.FAILED] == 1
    assert batch.counts[Outcome.ACCEPTED] == 4
    assert await service.flaws() == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            Answer(Verdict.TRANSIENT, error_code="http_503"),
            "scripted takes nothing for now: http_503",
        ),
        (
            Answer(Verdict.UNCERTAIN, error_code="timeout", error_message="too late"),
            "scripted gives no clear answer: too late (timeout)",
        ),
    ],
)
async def test_the_reason_of_a_pause_says_what_the_provider_does(
    store: SqlStore, clock: FastClock, answer: Answer, reason: str
) -> None:
    provider = ScriptedProvider(lambda _: answer)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), timeout_s=100_000)
    async with service.running():
        paused = await service.until(Status.DELIVERY_PAUSED)
    assert paused.state.reason == reason


async def test_answers_that_nobody_understands_wait_for_a_person(
    store: SqlStore, clock: FastClock
) -> None:
    """Each was probably taken: a trial would make one more uncertain."""
    unclear = Answer(Verdict.UNCERTAIN, error_code="answer_not_json", is_unclear=True)
    provider = ScriptedProvider(lambda _: unclear, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100))
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.DELIVERY_PAUSED
    assert batch.resume_at is None
    assert batch.state.reason == (
        "scripted: no clear answer: answer_not_json; do the settings say how it answers?"
    )
    assert batch.counts[Outcome.UNCERTAIN] == len(provider.submitted) < 30
    assert await service.flaws() == []


async def test_a_refusal_of_everybody_that_nobody_explained_asks_once(
    store: SqlStore, clock: FastClock
) -> None:
    """An account that is no good must not burn the list; a list of wrong numbers may."""
    refused = Answer(
        Verdict.PERMANENT, error_code="21659", error_message="no From", is_unclear=True
    )
    provider = ScriptedProvider(lambda _: refused, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100))
    async with service.running():
        paused = await service.until(Status.DELIVERY_PAUSED)
        assert paused.state.reason == (
            "scripted: refuses one like the other: no From (21659); if that is about the"
            " recipients, list the code or status as permanent, and resume"
        )
        assert paused.counts[Outcome.OPEN] > 50
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.DELIVERY_FAILED)
    assert batch.counts[Outcome.FAILED] == 100
    assert len(provider.submitted) == 100


async def test_refusals_with_acceptances_between_them_ask_nobody(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        if message.position % 20 == 0:
            return ACCEPTED
        return Answer(Verdict.PERMANENT, error_code="http_400", is_unclear=True)

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100))
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.FAILED] == 95


async def test_what_a_provider_says_with_a_code_is_logged_once(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        code = "E1" if message.position % 2 else "E2"
        return Answer(Verdict.PERMANENT, error_code=code, error_message=f"no {code}")

    service = Service(store, clock, {"scripted": ScriptedProvider(script)})
    await service.take(numbers(30))
    with capture_logs() as logs:
        await service.run()
    said = [one["error_message"] for one in logs if one["event"] == "provider_said"]
    assert sorted(said) == ["no E1", "no E2"]


async def test_a_code_for_each_message_is_no_line_for_each(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        code = f"E{message.position}"
        return Answer(Verdict.PERMANENT, error_code=code, error_message="no")

    service = Service(store, clock, {"scripted": ScriptedProvider(script)})
    await service.take(numbers(50))
    with capture_logs() as logs:
        await service.run()
    assert [one["event"] for one in logs].count("provider_said") == 20


async def test_who_opted_out_is_never_submitted_to_again(
    store: SqlStore, clock: FastClock
) -> None:
    def script(message: Message) -> Answer:
        if message.position < 3:
            return Answer(Verdict.PERMANENT, error_code="21610", suppress=True)
        return ACCEPTED

    provider = ScriptedProvider(script)
    service = Service(store, clock, {"scripted": provider})
    recipients = numbers(10)
    await service.take(recipients)
    await service.run()
    provider.script = lambda _: ACCEPTED
    await service.take(list(reversed(recipients)), "b2", chunk_size=4)
    await service.take(recipients[:3], "b3")
    await service.run()
    second, third = await store.batch("b2"), await store.batch("b3")
    assert second.counts[Outcome.SUPPRESSED] == 3
    assert second.counts[Outcome.ACCEPTED] == 7
    assert third.counts[Outcome.SUPPRESSED] == 3
    assert third.state.status is Status.COMPLETED
    assert {provider.sent_to[number] for number in recipients[:3]} == {1}
    assert [await service.flaws(b) for b in ("b1", "b2", "b3")] == [[], [], []]


async def test_who_is_suppressed_from_elsewhere_is_left_out_of_what_is_under_way(
    store: SqlStore, clock: FastClock
) -> None:
    """Its chunk is in memory already; what stands in the line still goes."""

    async def suppressed() -> int:
        return (await store.batch("b1")).counts[Outcome.SUPPRESSED]

    provider = ScriptedProvider(concurrency=1, hold_after=10)
    service = Service(store, clock, {"scripted": provider})
    recipients = numbers(1000)
    await service.take(recipients)
    async with service.running():
        await until(lambda: len(provider.submitted) > 10)
        await store.suppress(recipients[900:], "opted out")  # as another process does
        await until(suppressed)
        provider.let_go()
        await service.until(Status.COMPLETED)
    batch = await store.batch("b1")
    assert batch.counts[Outcome.SUPPRESSED] == 100
    assert batch.counts[Outcome.ACCEPTED] == 900
    assert not set(recipients[900:]) & set(provider.sent_to)
    assert await service.flaws() == []


async def test_a_batch_with_nobody_to_send_to_ends(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider()
    service = Service(store, clock, {"scripted": provider})
    await service.take("to\nnot-a-number\n12\n")
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert batch.counts[Outcome.INVALID] == 2
    assert provider.submitted == []
    assert await service.flaws() == []


async def test_an_empty_list_is_refused(store: SqlStore, clock: FastClock) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    with pytest.raises(UnreadableList, match="Give at least one recipient"):
        await service.take("\n\n")
    assert await store.batches() == []


async def test_an_unknown_provider_pauses_the_batch(
    store: SqlStore, clock: FastClock
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    await service.take(numbers(3), provider="gone")
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.DELIVERY_PAUSED
    assert "no provider 'gone' in the settings (there: scripted)" in batch.state.reason
    assert await service.flaws() == []


async def test_not_after_expires_who_is_still_open(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(rate_parts_per_s=2.0)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(500), not_after=clock.now() + timedelta(seconds=100))
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.EXPIRED
    assert batch.counts[Outcome.ACCEPTED] == len(provider.submitted)
    assert batch.counts[Outcome.EXPIRED] == 500 - len(provider.submitted)
    assert 0 < len(provider.submitted) < 500
    assert await service.flaws() == []


async def test_a_small_urgent_batch_overtakes_a_large_one_that_goes_on(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(rate_parts_per_s=50.0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(600), priority=1, chunk_size=100)
    async with service.running():
        await until(lambda: len(provider.submitted) > 10)
        await service.take(numbers(30, 1000), "urgent", priority=9)
        await service.until(Status.COMPLETED, batch_id="urgent")
        large = await store.batch("b1")
        assert large.open_recipients > 50
        await service.until(Status.COMPLETED)
    assert set(provider.sent_to.values()) == {1}
    assert [await service.flaws(b) for b in ("b1", "urgent")] == [[], []]


async def test_several_batches_run_at_once_and_none_starves(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(rate_parts_per_s=100.0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    for n in range(4):
        await service.take(numbers(200, n * 1000), f"b{n}", priority=3 * n)
    async with service.running():
        await until(lambda: len({m.batch_id for m in provider.submitted}) == 4)
        assert len(provider.submitted) < 800
        for n in range(4):
            await service.until(Status.COMPLETED, batch_id=f"b{n}")
    assert set(provider.sent_to.values()) == {1}
    assert [await service.flaws(f"b{n}") for n in range(4)] == [[]] * 4


async def test_a_provider_that_throttled_once_and_then_hangs_is_a_stall(
    store: SqlStore, clock: FastClock
) -> None:
    throttled = Answer(Verdict.THROTTLED)
    provider = ScriptedProvider(
        lambda _: throttled if len(provider.submitted) == 5 else ACCEPTED,
        hold_after=10,
        concurrency=1,
    )
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), timeout_s=60)
    async with service.running():
        batch = await service.until(Status.EXPIRED)
        provider.let_go()
    assert batch.state.reason == "no progress for 60 s"


async def test_batches_that_have_every_place_hold_up_none_more_urgent_or_elsewhere(
    store: SqlStore, clock: FastClock
) -> None:
    held = ScriptedProvider(hold_after=0, concurrency=1)
    settings = EngineSettings(max_running_batches=1)
    providers = {"scripted": held, "other": ScriptedProvider(name="other")}
    service = Service(store, clock, providers, settings)
    await service.take(numbers(10), "first", timeout_s=10_000)
    async with service.running():
        await until(lambda: held.submitted)
        await service.take(numbers(10, 100), "second")
        await service.take(numbers(10, 200), "urgent", priority=9)
        await service.take(numbers(10, 300), "other", provider="other")
        await service.until(Status.COMPLETED, batch_id="other")
        await service.until(Status.DELIVERY_RUNNING, batch_id="urgent")
        second = await store.batch("second")
        held.let_go()
        for batch_id in ("first", "second", "urgent"):
            await service.until(Status.COMPLETED, batch_id=batch_id)
    assert second.state.status is Status.DELIVERY_READY


async def test_a_loop_that_raises_is_started_again_and_counted(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider()
    settings = EngineSettings(max_running_batches=4)
    service = Service(store, clock, {"scripted": provider}, settings)
    calls = 0
    batches = store.batches

    async def broken(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise RuntimeError("a bug")
        return await batches(*args)  # type: ignore[arg-type]

    store.batches = broken  # type: ignore[method-assign,assignment]
    await service.take(numbers(100))
    await service.run()
    assert service.engine.restarts == 1
    assert set(provider.sent_to.values()) == {1}
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 100
    assert await service.flaws() == []


async def test_a_chunk_that_cannot_be_read_ends_the_engine_and_costs_nothing_else(
    store: SqlStore, clock: FastClock
) -> None:
    provider = ScriptedProvider(concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    flush = store.flush

    async def damaged(*args: Any) -> list[Flushed]:  # noqa: ANN401 - as the store's
        return [
            replace(
                one,
                claims=tuple(
                    replace(claim, payload=b"nonsense") if claim.number == 2 else claim
                    for claim in one.claims
                ),
            )
            for one in await flush(*args)
        ]

    store.flush = damaged  # type: ignore[method-assign,assignment]
    await service.take(numbers(100), chunk_size=20)
    with pytest.raises(
        StoreDamaged, match="batch b1, chunk 2: what is stored packed cannot"
    ):
        await asyncio.wait_for(service.run(), 20)
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 40
    assert await service.flaws() == []

    store.flush = flush  # type: ignore[method-assign]
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 100
    assert set(provider.sent_to.values()) == {1}
    assert await service.flaws() == []


OPTED_OUT = Answer(Verdict.PERMANENT, error_code="21610", suppress=True)


class InAnyOrder(ScriptedProvider):
    """Answers while others are stored."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        await asyncio.sleep(messages[0].position % 7 / 500)
        return await super().submit(messages)


async def test_whoever_opts_out_while_others_are_stored_is_suppressed_too(
    store: SqlStore, clock: FastClock
) -> None:
    people = numbers(1500)
    provider = InAnyOrder(lambda _: OPTED_OUT, concurrency=32)
    service = Service(store, clock, {"scripted": provider})
    await service.take(people, chunk_size=50)
    await service.run()
    assert await store.suppressed(people) == set(people)
    await service.take(people, batch_id="b2")
    await service.run()
    assert len(provider.submitted) == len(people)


async def test_what_may_be_stored_already_is_not_stored_again_by_the_drain(
    store: SqlStore, clock: FastClock
) -> None:
    flush, has_failed = store.flush, False

    async def doubtful(owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
        nonlocal has_failed
        found = await flush(owner, flushes)
        kept = [u for f in flushes for u in f.updates if u.segments]
        if kept and not has_failed:
            has_failed = True
            raise StoreInDoubt("it went away during a commit")
        return found

    store.flush = doubtful  # type: ignore[method-assign]
    provider = InAnyOrder(concurrency=8)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(600))
    with pytest.raises(StoreInDoubt):
        await service.run()
    assert await service.flaws() == []

    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert set(provider.sent_to.values()) == {1}
    assert batch.counts[Outcome.ACCEPTED] + batch.counts[Outcome.UNCERTAIN] == 600
    assert await service.flaws() == []


async def test_a_provider_without_a_rate_that_throttles_is_used_as_it_allows(
    store: SqlStore, clock: FastClock
) -> None:
    seconds: Counter[int] = Counter()

    def script(_: Message) -> Answer:
        second = int(clock.monotonic())
        seconds[second] += 1
        if seconds[second] <= 300:
            return ACCEPTED
        return Answer(Verdict.THROTTLED, error_code="429", retry_after_s=1.0)

    provider = ScriptedProvider(script, concurrency=8)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(6000), timeout_s=100_000)
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 6000
    # At a pace that has fallen to its least, one part a second, this mean is 1.
    assert sum(seconds.values()) / len(seconds) > 10


async def test_a_repeat_that_fails_for_the_moment_leaves_the_doubt(
    store: SqlStore, clock: FastClock
) -> None:
    said = [
        Answer(Verdict.UNCERTAIN, error_code="http_504"),
        Answer(Verdict.TRANSIENT, error_code="http_503"),
    ]
    provider = ScriptedProvider(lambda _: said.pop(0))
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(1), on_uncertain=OnUncertain.RESEND)
    await service.run()
    assert (await store.batch("b1")).counts[Outcome.UNCERTAIN] == 1
    assert provider.keys == {"b1:0:1": 2}


class Deaf(ScriptedProvider):
    """Loses the first cancellation of each submission, and answers instead."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        self.submitted += messages
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return [ACCEPTED] * len(messages)
        return []


async def test_a_drain_survives_a_client_that_loses_a_cancellation(
    store: SqlStore, clock: FastClock
) -> None:
    provider = Deaf(concurrency=2)
    brief = EngineSettings(drain_timeout_s=0.1)
    service = Service(store, clock, {"scripted": provider}, brief)
    await service.take(numbers(5))
    async with asyncio.timeout(30):
        async with service.running():
            await until(lambda: len(provider.submitted) == 2)
    assert len(provider.submitted) == 2
    assert await service.flaws() == []


class AllOrNone(ScriptedProvider):
    """Refuses whoever is bad, and everybody who comes with one."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        answers = await super().submit(messages)
        if len(messages) == 1 or {a.verdict for a in answers} == {Verdict.ACCEPTED}:
            return answers
        return [Answer(Verdict.PERMANENT, in_company=True)] * len(messages)


def bad(message: Message) -> Answer:
    """Refuse every eighth."""
    return ACCEPTED if message.position % 8 else Answer(Verdict.PERMANENT)


async def test_whoever_spoils_a_request_is_refused_alone_and_all_others_are_sent(
    store: SqlStore, clock: FastClock
) -> None:
    accepted: Counter[str] = Counter()

    class Counting(AllOrNone):
        async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
            answers = await super().submit(messages)
            for message, given in zip(messages, answers, strict=True):
                accepted[message.to] += given.verdict is Verdict.ACCEPTED
            return answers

    provider = Counting(bad, batch_size=64, concurrency=2)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(200))
    await service.run()
    batch = await store.batch("b1")
    assert (batch.counts[Outcome.ACCEPTED], batch.counts[Outcome.FAILED]) == (175, 25)
    assert sorted(accepted.values()) == [0] * 25 + [1] * 175
    assert await service.flaws() == []


async def test_a_pause_holds_amid_the_halves_of_a_refused_request(
    store: SqlStore, clock: FastClock
) -> None:
    cycles = counted_cycles(store)
    provider = AllOrNone(bad, hold_after=64, batch_size=64, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(64))
    async with service.running():
        await until(lambda: len(provider.submitted) > 64)  # the first half waits
        await service.operate(Operation.PAUSE)
        known = cycles() + 2
        await until(lambda: cycles() >= known)
        provider.let_go()
        await service.until(Status.DELIVERY_PAUSED)
        await asyncio.sleep(0.1)
        assert len(provider.submitted) == 64 + 32
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert (batch.counts[Outcome.ACCEPTED], batch.counts[Outcome.FAILED]) == (56, 8)
    assert await service.flaws() == []


async def test_whoever_opts_out_gets_nothing_more_of_a_batch_under_way(
    store: SqlStore, clock: FastClock
) -> None:
    people = numbers(40)
    slow = ScriptedProvider(rate_parts_per_s=0.4, burst_parts=1, concurrency=1)
    quick = ScriptedProvider(lambda _: OPTED_OUT, name="quick")
    service = Service(store, clock, {"scripted": slow, "quick": quick})
    await service.take(people, batch_id="slow", timeout_s=100_000)
    async with service.running():
        await until(lambda: slow.submitted)
        await service.take([people[39], people[37]], batch_id="out", provider="quick")
        batch = await service.until(Status.COMPLETED, batch_id="slow")
    assert batch.counts[Outcome.SUPPRESSED] == 2
    assert batch.counts[Outcome.ACCEPTED] == 38
    assert not {people[39], people[37]} & set(slow.sent_to)
    assert await service.flaws("slow") == []


async def test_who_is_refused_for_now_waits_as_long_as_the_provider_asks(
    store: SqlStore, clock: FastClock
) -> None:
    times: list[float] = []
    later = Answer(Verdict.TRANSIENT, error_code="http_503", retry_after_s=120.0)

    def script(message: Message) -> Answer:
        if message.position != 3:
            return ACCEPTED
        times.append(clock.monotonic())
        return later if len(times) == 1 else ACCEPTED

    service = Service(store, clock, {"scripted": ScriptedProvider(script)})
    await service.take(numbers(10), timeout_s=100_000)
    await service.run()
    first, second = times
    assert second - first >= 120
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 10


@pytest.mark.parametrize(("rate", "most"), [(20.0, 10), (0.5, 1), (0.0, 100)])
async def test_a_call_of_many_carries_no_more_than_goes_in_half_a_second(
    store: SqlStore, clock: FastClock, rate: float, most: int
) -> None:
    calls: list[int] = []

    class Counting(ScriptedProvider):
        async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
            calls.append(len(messages))
            return await super().submit(messages)

    provider = Counting(rate_parts_per_s=rate, batch_size=100)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100 if rate != 0.5 else 5), timeout_s=100_000)
    await service.run()
    assert max(calls) == most
    assert await service.flaws() == []


@pytest.mark.parametrize("is_throttled", [False, True])
async def test_whoever_opts_out_while_in_the_line_gets_nothing_either(
    store: SqlStore, clock: FastClock, *, is_throttled: bool
) -> None:
    """Also who was throttled before, and so surely has got nothing."""
    people = numbers(60)
    answer = Answer(Verdict.THROTTLED, retry_after_s=0.0) if is_throttled else ACCEPTED
    provider = ScriptedProvider(lambda _: answer, hold_after=0, concurrency=4)
    service = Service(store, clock, {"scripted": provider})
    await service.take(people, timeout_s=100_000)
    gone = {people[1], people[20], people[59]}
    async with service.running():
        await until(lambda: len(provider.submitted) == 4)
        assert await service.intended() == 60
        await store.suppress(gone, "by hand")
        await asyncio.sleep(0.2)  # ten seconds of its clock
        provider.let_go()
        if is_throttled:
            await until(lambda: len(provider.submitted) > 10)
            provider.script = lambda _: ACCEPTED
        batch = await service.until(Status.COMPLETED)
    in_flight = 0 if is_throttled else 1
    assert batch.counts[Outcome.SUPPRESSED] == 3 - in_flight
    assert batch.counts[Outcome.ACCEPTED] == 57 + in_flight
    assert provider.sent_to[people[1]] == 1
    assert not {people[20], people[59]} & set(provider.sent_to)
    assert await service.flaws() == []


class Unopenable(ScriptedProvider):
    """Has a bug."""

    async def open(self) -> None:
        """See the port."""
        raise ValueError("what was that")


async def test_a_provider_that_cannot_be_opened_stops_its_own_batch_only(
    store: SqlStore, clock: FastClock
) -> None:
    providers = {"scripted": ScriptedProvider(), "odd": Unopenable(name="odd")}
    service = Service(store, clock, providers)
    await service.take(numbers(3), batch_id="a", provider="odd")
    await service.take(numbers(3), batch_id="b")
    async with service.running():
        await service.until(Status.COMPLETED, batch_id="b")
        batch = await service.until(Status.DELIVERY_PAUSED, batch_id="a")
    assert "odd cannot be opened: what was that" in batch.state.reason


async def test_who_opts_out_at_the_moment_of_a_pause_is_recorded_once(
    store: SqlStore, clock: FastClock
) -> None:
    """What is put back of one call has gaps, where others were answered."""

    class Partly(ScriptedProvider):
        async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
            is_first = not self.submitted
            answers = await super().submit(messages)
            if not is_first:
                return answers
            throttled = Answer(Verdict.THROTTLED, retry_after_s=100.0)
            refused = Answer(Verdict.PERMANENT, error_code="21610", suppress=True)
            special = {3: throttled, 8: refused, 9: throttled}
            return [special.get(m.position, ACCEPTED) for m in messages]

    provider = Partly(hold_after=0, concurrency=1, batch_size=10)
    slow = EngineSettings(flush_interval_ms=20_000)
    service = Service(store, clock, {"scripted": provider}, slow)
    await service.take(numbers(100))
    async with service.running():
        await until(lambda: provider.submitted)
        await asyncio.sleep(0.1)
        provider.let_go()
        await service.operate(Operation.PAUSE)
        await until(lambda: _is_settled(store))
        await service.operate(Operation.RESUME)
        batch = await service.until(Status.COMPLETED)
    assert (batch.counts[Outcome.ACCEPTED], batch.counts[Outcome.FAILED]) == (99, 1)
    assert await service.flaws() == []


async def _is_settled(store: SqlStore) -> bool:
    """Whether the pause is over on this side: nothing is held any more."""
    return not [chunk async for chunk in store.chunks("b1", is_leased=True)]


async def test_a_process_that_stood_still_expires_nothing(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider(hold_after=3, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(30), timeout_s=300)
    async with service.running():
        await until(lambda: len(provider.submitted) > 3)
        await asyncio.sleep(0.1)
        told = clock.monotonic
        monkeypatch.setattr(clock, "monotonic", lambda: told() + 400.0)
        await asyncio.sleep(0.1)
        provider.let_go()
        batch = await service.until(Status.COMPLETED, Status.EXPIRED)
    assert batch.state.status is Status.COMPLETED


@pytest.mark.parametrize("clock", [1.0], indirect=True)
async def test_who_waits_for_the_last_answers_writes_no_more_often(
    store: SqlStore, clock: FastClock
) -> None:
    cycles = counted_cycles(store)
    provider = ScriptedProvider(hold_after=0, concurrency=64)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(3))
    async with service.running():
        await until(lambda: len(provider.submitted) == 3)
        before, since = cycles(), clock.monotonic()
        await asyncio.sleep(1)
        assert cycles() - before <= 2 + (clock.monotonic() - since) / 0.1
        provider.let_go()
        await service.until(Status.COMPLETED)


async def test_a_drain_stores_what_was_answered_while_others_hang(
    store: SqlStore, clock: FastClock
) -> None:
    class Hanging(ScriptedProvider):
        async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
            if messages[0].position == 0:
                await comes.wait()
            return await super().submit(messages)

    async def is_stored() -> bool:
        return (await store.batch("b1")).counts[Outcome.ACCEPTED] == 7

    comes, stop = asyncio.Event(), asyncio.Event()
    provider = Hanging(hold_after=0, concurrency=8)
    patient = EngineSettings(drain_timeout_s=10_000)
    service = Service(store, clock, {"scripted": provider}, patient)
    await service.take(numbers(8))
    work = asyncio.create_task(service.engine.run(stop))
    await until(lambda: len(provider.submitted) == 7)
    stop.set()
    await asyncio.sleep(0.2)
    provider.let_go()
    await until(is_stored)
    assert not work.done()
    comes.set()
    await work
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 8
    assert await service.flaws() == []


async def test_a_provider_that_takes_another_batch_is_back_for_all(
    store: SqlStore, clock: FastClock
) -> None:
    away = Answer(Verdict.TRANSIENT, error_code="http_503")
    provider = ScriptedProvider(lambda _: away, hold_after=0, concurrency=2)
    settings = EngineSettings(circuit_max_delay_s=3600)
    service = Service(store, clock, {"scripted": provider}, settings)
    stopped, resume_at = Trigger.PROVIDER_STOPPED, clock.now() + timedelta(minutes=55)
    await service.take(numbers(10), "first")
    async with service.running():
        await until(lambda: len(provider.submitted) == 2)
        await store.change(
            "first", lambda b: operations.enter(b, stopped, NOON, resume_at=resume_at)
        )
        provider.let_go()
        await until(lambda: service.has_settled("first"))
        provider.script = lambda _: ACCEPTED
        await service.take(numbers(5000, 1000), "second")
        await until(lambda: len(provider.submitted) > 12)
        provider.hold()
        await service.until(Status.DELIVERY_RUNNING, batch_id="first")
        assert clock.now() < resume_at
        provider.let_go()
        for batch_id in ("first", "second"):
            await service.until(Status.COMPLETED, batch_id=batch_id)
    assert await service.flaws("first") == []


class JumpingClock(FastClock):
    """Its wall clock can be set."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Tell the time that was set."""
        return super().now() + self.ahead


async def test_a_clock_that_is_set_back_holds_up_no_trial(store: SqlStore) -> None:
    clock = JumpingClock()
    provider = ScriptedProvider(lambda _: Answer(Verdict.CONNECTION))
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(30))
    async with service.running():
        await service.until(Status.DELIVERY_PAUSED)
        clock.ahead = -timedelta(hours=5)
        provider.script = lambda _: ACCEPTED
        await service.until(Status.COMPLETED)
    assert await service.flaws() == []


@pytest.mark.parametrize("rate", [0.0, 50.0])
async def test_what_waits_in_the_line_at_not_after_is_not_submitted(
    store: SqlStore, rate: float
) -> None:
    def script(message: Message) -> Answer:
        if message.position == 10:
            clock.ahead = timedelta(hours=2)
        return ACCEPTED

    clock = JumpingClock()
    provider = ScriptedProvider(script, concurrency=1, rate_parts_per_s=rate)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100), not_after=clock.now() + timedelta(hours=1))
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.EXPIRED
    assert batch.counts[Outcome.ACCEPTED] == len(provider.submitted) == 11
    assert batch.counts[Outcome.EXPIRED] == 89
    assert await service.flaws() == []


async def test_of_two_batches_that_are_late_at_once_neither_goes_on(
    store: SqlStore,
) -> None:
    """Both wait in one line."""

    async def is_intended() -> bool:
        return any([chunk.intent async for chunk in store.chunks("b2")])

    clock = JumpingClock()
    provider = ScriptedProvider(concurrency=1, hold_after=3)
    service = Service(store, clock, {"scripted": provider})
    first = clock.now() + timedelta(hours=1)
    await service.take(numbers(20), "b1", not_after=first)
    await service.take(numbers(300), "b2", not_after=first + timedelta(seconds=30))
    async with service.running():
        await until(is_intended)
        known = len(provider.submitted)
        clock.ahead = timedelta(hours=2)
        provider.let_go()
        for batch_id in ("b1", "b2"):
            await service.until(Status.EXPIRED, batch_id=batch_id)
    assert len(provider.submitted) == known == 4
    assert [await service.flaws(b) for b in ("b1", "b2")] == [[], []]


async def test_whoever_stood_still_submits_nothing_before_he_knows_of_a_pause(
    store: SqlStore, clock: FastClock, tmp_path: Path
) -> None:
    async def pause() -> None:
        other = SqlStore(SqliteDatabase(str(tmp_path / "batchwire.db")), clock)
        command = Command(batch_id="b1", operation=Operation.PAUSE, request_id="p")
        await other.open()
        await Control(other, clock).operate(command)
        await other.close()

    def script(message: Message) -> Answer:
        if message.position == 10:
            thread = Thread(target=lambda: asyncio.run(pause()))
            thread.start()
            thread.join()
            time.sleep(1.2)
        return ACCEPTED

    provider = ScriptedProvider(script, concurrency=1)
    service = Service(store, clock, {"scripted": provider})
    await service.take(numbers(100))
    async with service.running():
        await until(service.has_settled)
    assert len(provider.submitted) == 11
    assert (await store.batch("b1")).state.status is Status.DELIVERY_PAUSED
    assert await service.flaws() == []
