"""Fault 1: kill -9 at any moment; what had no answer is uncertain, nothing else is."""

import asyncio
import random
import secrets
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.faults.conftest import KEYED, Watch, World, accepted, reached

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.domain.batch import OnUncertain
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RECIPIENTS = 2000
KILLS = 8


@pytest.mark.parametrize("policy", OnUncertain)
async def test_an_engine_killed_again_and_again_in_delivery_ends_with_a_closed_ledger(
    world: World, watch: Watch, provider: SandboxServer, policy: OnUncertain
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    provider.change(Behaviour(latency_ms=10, jitter_ms=4))
    keyed = KEYED if policy is OnUncertain.RESEND else {}
    world.configure(f"{provider.url}/messages", **keyed)
    await watch.take(
        numbers(RECIPIENTS), provider="acme", on_uncertain=policy, chunk_size=250
    )
    for n in range(KILLS):
        engine = await world.engine()
        goal = RECIPIENTS * (n + 1) // (KILLS + 2)
        await until(reached(watch, goal))
        await asyncio.sleep(chance.uniform(0, 0.1))
        await engine.kill()
        assert await watch.broken(RECIPIENTS) == []
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0

    batch = await watch.store.batch("b1")
    outcomes = await watch.outcomes()
    counted = accepted(provider)
    assert await watch.broken(RECIPIENTS) == []
    assert batch.state.status is Status.COMPLETED
    assert max(counted.values()) == 1
    unknown = _unknown(policy)
    lost = [n for n, outcome in outcomes.items() if outcome is unknown]
    assert set(outcomes.values()) <= {Outcome.ACCEPTED, unknown}
    assert {n for n in outcomes if not counted[n]} <= set(lost)
    notes = [e.data for e in await watch.events() if e.data.get("note") == "recovered"]
    assert notes
    unanswered = sum(note["unanswered"] for note in notes)
    if policy is OnUncertain.RESEND:
        assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS
        assert sum(counted.values()) == RECIPIENTS
    else:
        assert len(lost) == unanswered


async def test_whom_a_killed_engine_may_have_sent_to_an_abort_tells_as_uncertain(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=10, jitter_ms=4))
    world.configure(f"{provider.url}/messages", **KEYED)
    await watch.take(
        numbers(RECIPIENTS),
        provider="acme",
        on_uncertain=OnUncertain.RESEND,
        chunk_size=250,
    )
    engine = await world.engine()
    await until(reached(watch, RECIPIENTS // 4))
    await engine.kill()
    await watch.operate(Operation.PAUSE)
    engine = await world.engine()
    await until(recovered(watch))
    await engine.kill()
    batch = await watch.operate(Operation.ABORT)

    (unanswered,) = [
        e.data["unanswered"]
        for e in await watch.events()
        if e.data.get("note") == "recovered"
    ]
    assert batch.counts[Outcome.UNCERTAIN] == unanswered > 0
    outcomes, counted = await watch.outcomes(), accepted(provider)
    told = {Outcome.ACCEPTED, Outcome.UNCERTAIN}
    assert {outcomes[to] for to in counted} <= told
    assert await watch.broken(RECIPIENTS) == []
    code, said = await world.command("recipients", "b1", "--outcome", "uncertain")
    assert code == 0
    assert said.count("crash") == unanswered


def recovered(watch: Watch) -> Callable[[], Awaitable[bool]]:
    async def is_recovered() -> bool:
        return any(e.data.get("note") == "recovered" for e in await watch.events())

    return is_recovered


def _unknown(policy: OnUncertain) -> Outcome:
    match policy:
        case OnUncertain.HOLD:
            return Outcome.UNCERTAIN
        case OnUncertain.DROP:
            return Outcome.FAILED
        case OnUncertain.RESEND:
            return Outcome.ACCEPTED


async def test_an_engine_killed_again_and_again_in_preparation_prepares_each_once(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    recipients = 8000
    world.configure(f"{provider.url}/messages")
    text = "\n".join([*numbers(recipients), *numbers(500)])
    await watch.take(text, provider="acme", chunk_size=40)
    for n in range(KILLS):
        engine = await world.engine()
        goal = recipients * (n + 1) // (KILLS + 2)
        await until(prepared(watch, goal))
        await engine.kill()
        assert await watch.store.verify("b1") == []
    assert not (await watch.store.batch("b1")).state.started_at
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0

    batch = await watch.store.batch("b1")
    assert await watch.broken(recipients + 500) == []
    assert batch.counts[Outcome.ACCEPTED] == recipients
    assert batch.counts[Outcome.DUPLICATE] == 500
    assert accepted(provider) == Counter(numbers(recipients))


async def test_an_engine_killed_while_it_marks_duplicates_marks_each_once(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    people = numbers(6000)
    await watch.take([*people, *people], provider="acme", chunk_size=10)
    engine = await world.engine()
    await until(marked(watch))
    await engine.kill()
    assert await watch.store.verify("b1") == []
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0

    batch = await watch.store.batch("b1")
    assert await watch.broken(2 * len(people)) == []
    assert batch.counts[Outcome.DUPLICATE] == len(people)
    counted = accepted(provider)
    assert max(counted.values()) == 1
    lost = batch.counts[Outcome.UNCERTAIN]  # where the kill came after the seal
    assert batch.counts[Outcome.ACCEPTED] + lost == len(people)


def marked(watch: Watch) -> Callable[[], Awaitable[bool]]:
    async def is_marked() -> bool:
        return (await watch.store.batch("b1")).counts[Outcome.DUPLICATE] > 0

    return is_marked


async def test_a_list_that_is_half_read_at_a_kill_never_becomes_a_batch(
    world: World, watch: Watch, tmp_path: Path
) -> None:
    list_file = tmp_path / "list.csv"
    list_file.write_text("to\n" + "\n".join(numbers(600_000)))
    asked = (
        "send", str(list_file), "--template", "Hi", "--provider", "acme",
        "--request-id", "r1", "--batch-id", "b1", "--no-wait",
    )  # fmt: skip
    sending = await world.start(*asked)
    await until(lambda: _blocks(world) > 0, timeout_s=30)
    await sending.kill()
    assert _blocks(world) > 0
    assert await watch.store.batches() == []

    code, said = await world.command(*asked)
    assert code == 0, said
    batch = await watch.store.batch("b1")
    assert batch.spec.list.records == 600_000
    code, said = await world.command(*asked)
    assert (code, len(await watch.store.batches())) == (0, 1), said
    orphans = await watch.store.discard_orphans(watch.clock.now())
    assert orphans == 1
    lists = await asyncio.to_thread(_lists, world)
    assert lists == {batch.spec.list.list_id}


def _blocks(world: World) -> int:
    with closing(sqlite3.connect(world.database)) as database:
        (count,) = database.execute("SELECT count(*) FROM list_blocks").fetchone()
    return int(count)


def _lists(world: World) -> set[str]:
    with closing(sqlite3.connect(world.database)) as database:
        return {one for (one,) in database.execute("SELECT list_id FROM list_blocks")}


def prepared(watch: Watch, goal: int) -> Callable[[], Awaitable[bool]]:
    async def is_prepared() -> bool:
        return sum((await watch.store.batch("b1")).counts) >= goal

    return is_prepared
