"""Faults 4 and 27: one engine a database, stopped and continued, and its two ways to end."""

import asyncio
import signal
import sqlite3
from contextlib import closing

from tests.faults.conftest import Process, Watch, World, accepted

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.cli.exit_codes import ExitCode
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RECIPIENTS = 1000


async def delivering(world: World, watch: Watch, provider: SandboxServer) -> Process:
    """Start an engine, and wait until it is in the middle of a batch."""
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=100)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > RECIPIENTS // 5)
    return engine


async def all_accepted_once(watch: Watch, provider: SandboxServer) -> None:
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS
    assert accepted(provider).total() == RECIPIENTS
    assert provider.stats.distinct_recipients == RECIPIENTS
    assert await watch.broken(RECIPIENTS) == []


def stands_between_writes(world: World, engine: Process) -> bool:
    """Stop an engine; go on where it has the write lock: others then hear of that."""
    engine.signal(signal.SIGSTOP)
    with closing(sqlite3.connect(world.database, timeout=0.2)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            engine.signal(signal.SIGCONT)
            return False
    return True


async def test_a_stopped_engine_keeps_its_right_and_goes_on_when_continued(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engine = await delivering(world, watch, provider)
    await until(lambda: stands_between_writes(world, engine))
    await asyncio.sleep(0.2)  # what was on its way arrives
    before = provider.stats.requests
    code, said = await world.command("serve")
    assert code == ExitCode.STORE
    assert "another engine works on it already; use that one, or stop it first" in said
    assert "Traceback" not in said
    assert provider.stats.requests == before
    engine.signal(signal.SIGCONT)
    await all_accepted_once(watch, provider)
    assert engine.is_running


async def test_commands_that_ask_for_an_engine_do_not_keep_one_from_starting(
    world: World, watch: Watch
) -> None:
    is_over = asyncio.Event()

    async def ask() -> None:
        while not is_over.is_set():
            for _ in range(100):
                await watch.store.has_engine()
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    for _ in range(3):
        engine = await world.engine("--until-idle")
        assert await engine.ended() == 0, engine.said
    is_over.set()
    await asking


async def test_sigterm_drains_and_the_next_engine_goes_on(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engine = await delivering(world, watch, provider)
    engine.signal(signal.SIGTERM)
    assert await engine.ended() == ExitCode.OK
    batch = await watch.store.batch("b1")
    assert batch.state.status is Status.DELIVERY_RUNNING
    assert batch.counts[Outcome.UNCERTAIN] == 0
    assert batch.counts[Outcome.ACCEPTED] == provider.stats.accepted < RECIPIENTS
    assert await watch.broken(RECIPIENTS) == []
    assert "Traceback" not in engine.said

    await world.engine()
    await all_accepted_once(watch, provider)


async def test_a_second_sigterm_ends_at_once_and_loses_nothing(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engine = await delivering(world, watch, provider)
    provider.change(Behaviour(latency_ms=4000))
    known = provider.stats.requests
    await until(lambda: provider.stats.requests >= known + 16)
    engine.signal(signal.SIGTERM)
    await until(lambda: _at_risk(watch, 16))
    await asyncio.sleep(0.5)  # sooner a second signal would be the same one
    assert engine.is_running  # it drains
    engine.signal(signal.SIGTERM)
    assert await engine.ended(timeout_s=2) == ExitCode.INTERRUPTED
    assert "Traceback" not in engine.said

    provider.change(Behaviour())
    await world.engine()
    batch = await watch.until(Status.COMPLETED)
    assert await watch.broken(RECIPIENTS) == []
    assert batch.counts[Outcome.UNCERTAIN] == 16
    assert max(accepted(provider).values()) == 1
    assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS - 16


async def _at_risk(watch: Watch, count: int) -> bool:
    """Whether so many would be uncertain if the engine were killed now."""
    chunks = [chunk async for chunk in watch.store.chunks("b1", is_leased=True)]
    lost = [chunk.state.unanswered(chunk.fence, chunk.intent) for chunk in chunks]
    return sum(map(len, lost)) == count
