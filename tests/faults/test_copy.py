"""An engine is killed in the middle, the database copied, and the batch ends elsewhere."""

import json

from tests.faults.conftest import Watch, World, accepted, reached

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.bootstrap import opened
from batchwire.config import load
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RECIPIENTS = 2000


async def test_a_batch_goes_on_where_its_copy_is(
    world: World, watch: Watch, provider: SandboxServer, postgres_url: str
) -> None:
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=250)
    engine = await world.engine()
    await until(reached(watch, RECIPIENTS // 3))
    await engine.kill()
    leased = [c.number async for c in watch.store.chunks("b1", is_leased=True)]
    assert leased
    code, said = await world.command("db", "copy", "--to", postgres_url)
    assert code == 0, said
    assert "verified 1 batches" in said

    settings = json.loads(world.config.read_text())
    world.config.write_text(json.dumps(settings | {"database_url": postgres_url}))
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0

    async with opened(load(world.config, environ={})) as app:
        there = Watch(app)
        batch = await there.store.batch("b1")
        assert await there.broken(RECIPIENTS) == []
        assert batch.state.status is Status.COMPLETED
        notes = [e.data for e in await there.events() if "unanswered" in e.data]
        outcomes = await there.outcomes()
    counted = accepted(provider)
    lost = {n for n, outcome in outcomes.items() if outcome is Outcome.UNCERTAIN}
    assert max(counted.values()) == 1
    assert len(lost) == sum(note["unanswered"] for note in notes) > 0
    assert set(outcomes) == set(numbers(RECIPIENTS))
    assert {n for n in outcomes if not counted[n]} <= lost
