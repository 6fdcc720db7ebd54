"""Faults 18 and 19, and the promise that a pause holds, by processes that race."""

import asyncio
import time
from collections.abc import Callable

from tests.faults.conftest import Watch, World, accepted, settled

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.cli.exit_codes import ExitCode
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RECIPIENTS = 3000


async def test_four_processes_that_race_see_one_history(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=300))  # half a minute for all of them
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=200)
    await world.engine()
    await until(lambda: provider.stats.accepted > 50)

    answers: list[tuple[str, str, int, str]] = []

    async def operate(*words: str) -> None:
        for n, word in enumerate(words):
            asked = f"{words[0]}-{n}"
            code, said = await world.command(word, "b1", "--request-id", asked)
            answers.append((asked, word, code, said))

    await asyncio.gather(
        operate("pause", "resume"),
        operate("resume", "pause"),
        operate("retry", "resume"),
        operate("abort", "retry"),
    )
    await until(settled(watch))
    batch = await watch.store.batch("b1")
    assert batch.state.status is Status.ABORTED
    assert await watch.broken(RECIPIENTS) == []
    assert max(accepted(provider).values()) == 1
    assert batch.counts[Outcome.ACCEPTED] == accepted(provider).total()

    events = await watch.events()
    told = {e.data.get("request_id"): e for e in events}
    for asked, word, code, said in answers:
        assert "Traceback" not in said
        assert told[asked].data["operation"] == word
        if code == ExitCode.OK:
            assert told[asked].type is EventType.OPERATION
        else:
            assert code == ExitCode.BATCH, said
            assert told[asked].type is EventType.REFUSAL
            assert "what fits now" in said
    refused = {asked for asked, _, code, _ in answers if code != ExitCode.OK}
    assert "abort-1" in refused  # nobody retries what was aborted


async def test_operations_in_any_order_at_any_moment_end_in_one_way(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=50)
    engine = await world.engine()
    for _ in range(12):
        batch = await watch.operate(Operation.PAUSE)
        assert batch.state.status in {
            Status.PREPARATION_PAUSED,
            Status.DELIVERY_PAUSED,
        }
        await watch.operate(Operation.RESUME)
        await asyncio.sleep(0.15)
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS
    assert accepted(provider).total() == RECIPIENTS
    assert await watch.broken(RECIPIENTS) == []
    assert engine.is_running


async def test_after_a_pause_is_acknowledged_only_what_was_in_flight_arrives(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=40))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=200)
    await world.engine()
    latest_s = []
    for n in range(3):
        known = provider.stats.accepted
        await until(has_accepted(provider, known + 300))
        await watch.operate(Operation.PAUSE)
        acknowledged = time.time()
        at_once = provider.stats.accepted
        await until(settled(watch, n + 1))
        total = provider.stats.accepted
        await asyncio.sleep(0.3)
        batch = await watch.store.batch("b1")
        assert provider.stats.accepted == total  # it holds
        assert batch.state.status is Status.DELIVERY_PAUSED
        assert batch.counts[Outcome.ACCEPTED] == total
        assert batch.state.escaped >= total - at_once
        last = provider.stats.last_accepted_at or 0.0
        latest_s.append(last - acknowledged)
        await watch.operate(Operation.RESUME)
    print("last submission after the acknowledged pause, s:", latest_s)  # noqa: T201
    batch = await watch.until(Status.COMPLETED)
    assert accepted(provider).total() == RECIPIENTS == batch.counts[Outcome.ACCEPTED]
    assert await watch.broken(RECIPIENTS) == []


def has_accepted(provider: SandboxServer, goal: int) -> Callable[[], bool]:
    return lambda: provider.stats.accepted > goal


async def test_ten_sends_of_one_request_make_one_batch(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    (world.folder / "list.csv").write_text("to\n" + "\n".join(numbers(50)))
    asked = ("send", "list.csv", "--template", "Hi", "--request-id", "r1", "--no-wait")
    sends = await asyncio.gather(*(world.command(*asked) for _ in range(10)))
    assert [code for code, _ in sends] == [0] * 10, sends
    (batch,) = await watch.store.batches()
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0
    assert accepted(provider).total() == 50
    assert await watch.broken(50, batch.spec.batch_id) == []

    code, said = await world.command(*asked[:3], "Other", *asked[4:])
    assert code == ExitCode.BATCH, said
    assert len(await watch.store.batches()) == 1
