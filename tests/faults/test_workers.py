"""Faults 1, 4, 14, 18 and 21 with several engine processes on one PostgreSQL."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.conftest import Process, Watch, World, accepted, reached, settled

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.domain.batch import OnUncertain
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.errors import IllegalOperation
from batchwire.testing.builders import numbers, until
from batchwire.testing.postgres import Cluster

RECIPIENTS = 2400
CHUNK_SIZE = 20
ENGINES = 3
CONCURRENCY = 16
HASTY = {"heartbeat_s": 0.4, "trust_s": 2.0, "dead_after_s": 4.0}
LONG_S = 60.0


@pytest.fixture
async def world(
    tmp_path: Path, provider: SandboxServer, postgres_url: str
) -> AsyncIterator[World]:
    one = World(tmp_path, f"{provider.url}/messages", postgres_url)
    one.configure(f"{provider.url}/messages", HASTY)
    yield one
    await one.end()


async def delivering(
    world: World, watch: Watch, provider: SandboxServer
) -> list[Process]:
    """Start three engines, and wait until all are in the middle of a batch."""
    provider.change(Behaviour(latency_ms=40))
    engines = [await world.engine() for _ in range(ENGINES)]
    await until(lambda: _are_at_work(watch, ENGINES))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=CHUNK_SIZE)
    await until(lambda: _hold_leases(watch, ENGINES))
    return engines


async def _are_at_work(watch: Watch, count: int) -> bool:
    return (
        len(await _owners(watch, "SELECT owner FROM workers WHERE role = 'engine'"))
        == count
    )


async def _hold_leases(watch: Watch, count: int) -> bool:
    query = "SELECT DISTINCT lease_owner FROM chunks WHERE lease_owner IS NOT NULL"
    return len(await _owners(watch, query)) == count


async def _owners(watch: Watch, query: str) -> set[str]:
    database = watch.app.store._database  # noqa: SLF001 - nobody else looks there
    return set(
        await database.read(lambda conn: conn.exec_driver_sql(query).scalars().all())
    )


async def completed(watch: Watch, provider: SandboxServer) -> int:
    """Wait for the end; returns how many are uncertain."""
    await until(lambda: _has_ended(watch), timeout_s=LONG_S)
    batch = await watch.store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert await watch.broken(RECIPIENTS) == []
    assert max(accepted(provider).values()) == 1
    lost = batch.counts[Outcome.UNCERTAIN]
    assert batch.counts[Outcome.ACCEPTED] + lost == RECIPIENTS
    return lost


async def _has_ended(watch: Watch) -> bool:
    return (await watch.store.batch("b1")).state.status.has_ended


async def recoveries(watch: Watch) -> int:
    notes = [event.data.get("note") for event in await watch.events()]
    return notes.count("recovered")


async def test_what_a_killed_engine_held_the_others_take_over(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engines = await delivering(world, watch, provider)
    await engines[0].kill()
    lost = await completed(watch, provider)
    assert await recoveries(watch) == 1
    notes = [e.data for e in await watch.events() if e.data.get("note") == "recovered"]
    assert lost == notes[0]["unanswered"]


async def test_an_engine_stopped_past_its_lease_sends_and_writes_nothing_of_it(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engines = await delivering(world, watch, provider)
    engines[0].signal(signal.SIGSTOP)
    await completed(watch, provider)
    assert await recoveries(watch) == 1
    before = provider.stats.requests
    engines[0].signal(signal.SIGCONT)
    await until(lambda: "lease_lost" in engines[0].said)
    await until(lambda: _are_at_work(watch, ENGINES))  # under another name
    assert max(accepted(provider).values()) == 1
    assert provider.stats.requests - before <= CONCURRENCY
    assert await watch.broken(RECIPIENTS) == []
    assert "Traceback" not in engines[0].said

    for other in engines[1:]:
        other.signal(signal.SIGTERM)
        assert await other.ended() == 0
    more = numbers(40, RECIPIENTS)
    await watch.take(more, "b2", provider="acme")
    await watch.until(Status.COMPLETED, batch_id="b2")


async def test_under_resend_nobody_is_submitted_by_an_engine_that_wakes_up(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    keyed = {"idempotency_header": "Idempotency-Key"}
    world.configure(f"{provider.url}/messages", HASTY, **keyed)
    provider.change(Behaviour(latency_ms=40))
    engines = [await world.engine() for _ in range(2)]
    await until(lambda: _are_at_work(watch, 2))
    await watch.take(
        numbers(RECIPIENTS),
        provider="acme",
        chunk_size=CHUNK_SIZE,
        on_uncertain=OnUncertain.RESEND,
    )
    await until(lambda: _hold_leases(watch, 2))
    engines[0].signal(signal.SIGSTOP)
    assert await completed(watch, provider) == 0
    before = provider.stats.requests
    engines[0].signal(signal.SIGCONT)
    await until(lambda: "lease_lost" in engines[0].said)
    await until(lambda: _are_at_work(watch, 2))
    assert provider.stats.requests == before
    assert accepted(provider).total() == RECIPIENTS


async def test_an_engine_that_is_slow_but_lives_is_not_taken_over(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    few = CONCURRENCY
    provider.change(Behaviour(latency_ms=1000 * HASTY["dead_after_s"] + 1000))
    world.configure(f"{provider.url}/messages", HASTY, timeout_s=30.0)
    for _ in range(2):
        await world.engine()
    await until(lambda: _are_at_work(watch, 2))
    await watch.take(numbers(few), provider="acme", chunk_size=8)
    await until(lambda: _has_ended(watch), timeout_s=LONG_S)
    batch = await watch.store.batch("b1")
    assert batch.counts[Outcome.ACCEPTED] == few == accepted(provider).total()
    assert await recoveries(watch) == 0


async def test_the_preparation_of_a_killed_engine_another_goes_on_with(
    world: World, watch: Watch
) -> None:
    recipients = 12_000
    first = await world.engine()
    await until(lambda: _are_at_work(watch, 1))
    people = [*numbers(recipients), *numbers(500)]
    await watch.take(people, provider="acme", chunk_size=20)
    await until(lambda: _prepared(watch, 1000))
    await first.kill()
    prepared = sum((await watch.store.batch("b1")).counts)
    assert prepared < recipients
    second = await world.engine()
    await until(lambda: _is_sealed(watch), timeout_s=LONG_S)
    second.signal(signal.SIGTERM)  # what is read below must not move meanwhile
    assert await second.ended() == 0
    batch = await watch.store.batch("b1")
    assert batch.counts[Outcome.DUPLICATE] == 500
    assert await watch.broken(recipients + 500) == []


async def _prepared(watch: Watch, goal: int) -> bool:
    return sum((await watch.store.batch("b1")).counts) >= goal


async def _is_sealed(watch: Watch) -> bool:
    return (await watch.store.batch("b1")).state.is_sealed


async def test_a_pause_stops_all_engines_and_counts_what_escaped(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    await delivering(world, watch, provider)
    await watch.operate(Operation.PAUSE)
    known = accepted(provider).total()
    await until(settled(watch, ENGINES))
    batch = await watch.store.batch("b1")
    at_pause = accepted(provider).total()
    await asyncio.sleep(1.0)
    assert accepted(provider).total() == at_pause == batch.counts[Outcome.ACCEPTED]
    assert at_pause - known <= batch.state.escaped
    await watch.operate(Operation.RESUME)
    assert await completed(watch, provider) == 0


async def test_four_clients_race_over_three_engines_and_nobody_is_sent_twice(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    await delivering(world, watch, provider)

    async def client(number: int) -> None:
        for turn in range(4):
            for operation in (Operation.PAUSE, Operation.RESUME, Operation.RETRY):
                name = f"{number}-{turn}-{operation}"
                try:
                    await watch.operate(operation, request_id=name)
                except IllegalOperation:
                    continue

    await asyncio.gather(*(client(number) for number in range(4)))
    await watch.operate(Operation.RESUME)
    assert await completed(watch, provider) == 0


async def test_a_database_that_crashes_under_three_engines_loses_and_doubles_nothing(
    world: World, watch: Watch, provider: SandboxServer, cluster: Cluster
) -> None:
    engines = await delivering(world, watch, provider)
    for share in (3, 2):
        await until(reached(watch, RECIPIENTS // share))
        await asyncio.to_thread(cluster.kill)
        await asyncio.to_thread(cluster.start)
    await completed(watch, provider)
    assert all(engine.is_running for engine in engines)
    for engine in engines:
        assert "Traceback" not in engine.said
