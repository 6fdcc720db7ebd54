"""One provider's rate over all engine processes, by the count of the provider itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.conftest import Process, Watch, World

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RATE = 150.0
SLACK_S = 1.0  # what the way to the provider, and a busy machine, may push together


@pytest.fixture
async def world(
    tmp_path: Path, provider: SandboxServer, postgres_url: str
) -> AsyncIterator[World]:
    url = f"{provider.url}/messages"
    one = World(tmp_path, url, postgres_url)
    one.configure(url, rate_parts_per_s=RATE)
    yield one
    await one.end()


def strict(rate: float) -> Behaviour:
    """Refuse whatever is more than the rate and one burst."""
    burst = rate / 10 + rate * SLACK_S
    return Behaviour(latency_ms=5, rate_parts_per_s=rate, burst_parts=int(burst))


async def test_engines_that_come_and_go_share_one_rate_that_is_changed_meanwhile(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(strict(RATE))
    await watch.take(numbers(20_000), provider="acme", chunk_size=100)
    engines = [await world.engine("--roles", "engine") for _ in range(3)]
    await until(lambda: provider.stats.accepted > 3 * RATE)
    await engines.pop().kill()
    await until(lambda: provider.stats.accepted > 5 * RATE)
    engines.append(await world.engine("--roles", "engine"))
    await until(lambda: provider.stats.accepted > 8 * RATE)
    assert provider.stats.throttled == 0
    assert (await watch.store.batch("b1")).limited_by == "rate"

    provider.change(strict(4 * RATE))
    code, said = await world.command("providers", "set-rate", "acme", str(4 * RATE))
    assert code == 0, said
    before, since = provider.stats.accepted, asyncio.get_running_loop().time()
    await until(lambda: provider.stats.accepted > before + 8 * RATE)
    assert asyncio.get_running_loop().time() - since < 8  # else it is still the old one
    assert provider.stats.throttled == 0
    await all_ended(engines)


async def test_a_batch_has_one_rate_of_its_own_over_all_engines(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(strict(60))
    await watch.take(
        numbers(400), provider="acme", chunk_size=20, rate_parts_per_s=50.0
    )
    engines = [await world.engine("--roles", "engine") for _ in range(2)]
    await until(lambda: provider.stats.accepted == 400, timeout_s=60)
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == 400
    assert provider.stats.throttled == 0
    await all_ended(engines)


async def all_ended(engines: list[Process]) -> None:
    for engine in engines:
        await engine.kill()
