"""Faults 23 and 24: a provider that misbehaves, dies, or refuses us."""

import asyncio
import time
from collections import Counter

import pytest
from tests.faults.conftest import KEYED, Watch, World, accepted, settled

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.rate import TokenBucket
from batchwire.adapters.sandbox.server import SandboxServer, ServerSettings
from batchwire.domain.batch import OnUncertain
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.testing import fault_server
from batchwire.testing.builders import numbers, until
from batchwire.testing.fault_server import Act, FaultServer, Received, answer

# What each message gets first, and what SMS-RULES.md makes of it without idempotency:
# how often it then arrives whole, its outcome, and how.
ONCE_MORE = (2, Outcome.ACCEPTED)
UNKNOWN = (1, Outcome.UNCERTAIN)
GIVEN_UP = (1, Outcome.FAILED)
MISHAPS: dict[str, tuple[Act, tuple[int, Outcome]]] = {
    "time-out": (fault_server.say_nothing, UNKNOWN),
    "slow drip": (fault_server.drip(0.2), UNKNOWN),
    "reset after the request": (fault_server.reset, UNKNOWN),
    "hung up after the request": (fault_server.hang_up, UNKNOWN),
    "half an answer": (fault_server.half_answer(), UNKNOWN),
    "not HTTP": (fault_server.raw(b"* OK IMAP4 ready\r\n\r\n"), UNKNOWN),
    "200, not JSON": (answer(body=b"<html>busy</html>"), UNKNOWN),
    "504": (answer(504, b"{}"), UNKNOWN),
    "500": (answer(500, b"{}"), ONCE_MORE),
    "503, not JSON": (answer(503, b"<html>"), ONCE_MORE),
    "429": (answer(429, b"{}", {"retry-after": "1"}), ONCE_MORE),
    "400": (answer(400, b"{}"), GIVEN_UP),
}  # fmt: skip


@pytest.mark.parametrize("mishap", MISHAPS)
async def test_each_mishap_has_the_outcome_of_the_rules(
    world: World, watch: Watch, mishap: str
) -> None:
    act, (times, outcome) = MISHAPS[mishap]
    async with FaultServer() as server:
        server.will(act, act, act)
        world.configure(
            server.url,
            timeout_s=1.0,
            connect_timeout_s=0.5,
            body={"to": "<to>", "text": "<text>", "key": "<to>"},
        )
        await watch.take(numbers(20), provider="acme", chunk_size=5)
        engine = await world.engine("--until-idle")
        assert await engine.ended() == 0, engine.said
        received = server.received
    batch = await watch.store.batch("b1")
    outcomes = await watch.outcomes()
    assert await watch.broken(20) == []
    assert batch.state.status is Status.COMPLETED
    told = Counter(outcomes.values())
    assert told == ({outcome: 20} if times > 1 else {Outcome.ACCEPTED: 17, outcome: 3})
    assert set(received) == set(outcomes)  # nobody is lost
    assert received.total() == (23 if times == 2 else 20)  # nor sent once too often


async def test_a_flow_control_answer_is_no_attempt_and_its_retry_after_is_kept(
    world: World, watch: Watch
) -> None:
    async with FaultServer() as server:
        server.will(answer(429, b"{}", {"retry-after": "1"}))
        world.configure(server.url, concurrency=1, idempotency_header="Idempotency-Key")
        await watch.take(numbers(3), provider="acme", max_retries=0)
        engine = await world.engine()
        await until(lambda: len(server.requests) == 1)
        first = time.monotonic()
        await watch.until(Status.COMPLETED)
        assert time.monotonic() - first > 0.9  # it waited as long as it was told
        assert engine.is_running
        assert server.received[server.requests[0].key] == 2  # and under the same key
    assert (await watch.store.batch("b1")).counts[Outcome.ACCEPTED] == 3


THEIRS = 100.0  # parts a second that the provider takes; we could send ten times that


@pytest.mark.parametrize("headers", [{}, {"retry-after": "1"}])
async def test_lasting_flow_control_slows_down_until_hardly_anything_is_refused(
    world: World, watch: Watch, headers: dict[str, str]
) -> None:
    bucket = TokenBucket(THEIRS, THEIRS / 10, time.monotonic())
    told: list[int] = []

    async def limited(request: Received, transport: asyncio.Transport) -> None:
        told.append(429 if bucket.take(1, time.monotonic()) else 200)
        await asyncio.sleep(0.005)
        act = answer(429, b"{}", headers) if told[-1] == 429 else answer()
        await act(request, transport)

    async with FaultServer(otherwise=limited) as server:
        world.configure(server.url)
        await watch.take(numbers(5000), provider="acme")
        engine = await world.engine()
        await until(lambda: told.count(200) > 5 * THEIRS)
        settled = len(told)
        await until(lambda: told[settled:].count(200) > 3 * THEIRS)
        refused = told[settled:].count(429) / len(told[settled:])
        assert (await watch.store.batch("b1")).limited_by == "throttled"
        await engine.kill()
    assert refused < 0.05


async def test_messages_whose_connection_is_refused_wait_and_are_no_attempts(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    with fault_server.closed_port() as url:
        world.configure(url, {"circuit_failures": 5, "circuit_max_delay_s": 0.5})
        await watch.take(numbers(100), provider="acme", max_retries=0)
        engine = await world.engine()
        batch = await watch.until(Status.DELIVERY_PAUSED)
        assert "acme cannot be reached: Connection refused" in batch.state.reason
        await asyncio.sleep(1.5)  # some trials
        assert (await watch.store.batch("b1")).open_recipients == 100
        await engine.kill()
    world.configure(f"{provider.url}/messages")
    await world.engine()
    batch = await watch.until(Status.COMPLETED)
    assert await watch.broken(100) == []
    unanswered = batch.counts[Outcome.UNCERTAIN]
    assert batch.counts[Outcome.ACCEPTED] == accepted(provider).total()
    assert batch.counts[Outcome.ACCEPTED] + unanswered == 100


async def test_a_storm_of_resets_throttling_and_failures_loses_and_doubles_nobody(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    world.configure(f"{provider.url}/messages", {"circuit_failures": 1000}, **KEYED)
    provider.change(
        Behaviour(
            seed=7,
            reset_rate=0.04,
            transient_rate=0.05,
            rate_parts_per_s=1500,
            latency_ms=3,
        )
    )
    await watch.take(
        numbers(1500), provider="acme", chunk_size=100, max_retries=20,
        on_uncertain=OnUncertain.RESEND,
    )  # fmt: skip
    engine = await world.engine("--until-idle")
    assert await engine.ended(60) == 0, engine.said
    stats = provider.stats
    batch = await watch.store.batch("b1")
    assert stats.resets > 0
    assert stats.failed_transient > 0
    # A submission is repeated once; who is unlucky twice is left to an operator.
    unlucky = batch.counts[Outcome.UNCERTAIN]
    assert unlucky < 15
    assert batch.counts[Outcome.ACCEPTED] == 1500 - unlucky
    counted = accepted(provider)
    assert max(counted.values()) == 1
    outcomes = await watch.outcomes()
    assert {outcomes[n] for n in outcomes if not counted[n]} <= {Outcome.UNCERTAIN}
    assert await watch.broken(1500) == []


async def test_a_provider_that_dies_pauses_the_batch_and_coming_back_resumes_it(
    world: World, watch: Watch
) -> None:
    first = SandboxServer(ServerSettings(behaviour=Behaviour(latency_ms=20)))
    await first.start()
    settings = {"circuit_failures": 10, "circuit_max_delay_s": 1.0}
    world.configure(f"{first.url}/messages", settings)
    await watch.take(numbers(1500), provider="acme", chunk_size=100)
    await world.engine()
    await until(lambda: first.stats.accepted > 300)
    await first.stop()
    batch = await watch.until(Status.DELIVERY_PAUSED)
    assert batch.state.reason.startswith("acme ")
    assert batch.state.paused_by == "batchwire"
    await asyncio.sleep(2.5)  # several trials
    batch = await watch.store.batch("b1")
    assert batch.counts[Outcome.FAILED] == 0
    assert batch.open_recipients > 1000

    second = SandboxServer(ServerSettings(port=first.port))
    await second.start()
    batch = await watch.until(Status.COMPLETED)
    counted = accepted(first) + accepted(second)
    await second.stop()
    assert await watch.broken(1500) == []
    assert max(counted.values()) == 1
    assert batch.counts[Outcome.FAILED] == 0
    assert batch.counts[Outcome.UNCERTAIN] <= 16  # in flight when it died
    assert batch.counts[Outcome.ACCEPTED] + batch.counts[Outcome.UNCERTAIN] == 1500


async def test_a_provider_that_takes_nothing_for_now_burns_no_list_however_short(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(transient_rate=1.0))
    world.configure(f"{provider.url}/messages", {"circuit_max_delay_s": 0.5})
    await watch.take(numbers(3), provider="acme", max_retries=1)
    await world.engine()
    batch = await watch.until(Status.DELIVERY_PAUSED)
    assert "acme takes nothing for now" in batch.state.reason
    await until(lambda: provider.stats.requests > 9, 30)  # more than attempts
    assert (await watch.store.batch("b1")).open_recipients == 3
    provider.change(Behaviour())
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == accepted(provider).total() == 3
    assert await watch.broken(3) == []


async def test_refused_credentials_pause_the_batch_and_burn_nobody(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=10))
    await watch.take(numbers(1000), provider="acme", chunk_size=100, max_retries=0)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > 200)
    provider.change(Behaviour(refuse_credentials=True))
    batch = await watch.until(Status.DELIVERY_PAUSED)
    assert "acme: refuses our credentials or account" in batch.state.reason
    await until(settled(watch))
    tried = provider.stats.requests
    await asyncio.sleep(1.5)
    assert provider.stats.requests == tried  # nobody tries again by himself
    batch = await watch.store.batch("b1")
    assert batch.counts[Outcome.FAILED] == batch.counts[Outcome.UNCERTAIN] == 0
    assert batch.counts[Outcome.ACCEPTED] == provider.stats.accepted < 1000

    provider.change(Behaviour())
    await watch.operate(Operation.RESUME)
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == accepted(provider).total() == 1000
    assert await watch.broken(1000) == []
    assert engine.is_running
