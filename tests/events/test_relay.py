"""The relay: order per batch, nothing lost, one event id, one topic holds up no other."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs
from tests.events.world import World

from batchwire.adapters.sql.event_doors import SqlOutbox
from batchwire.errors import (
    BrokerError,
    BrokerUnreachable,
    RecordTooLarge,
    StoreBusy,
    StoreDamaged,
    TopicMissing,
)
from batchwire.events.relay import Relay
from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Pending
from batchwire.testing.builders import until
from batchwire.testing.contracts.outbox import many, outgoing
from batchwire.testing.events import ScriptedProducer


class LostMarks(SqlOutbox):
    """An outbox whose first marks are lost, as by a crash in between."""

    lost = 1

    async def done(self, owner: str, pending: Sequence[Pending]) -> int:
        """Lose it, or do it."""
        if self.lost:
            self.lost -= 1
            raise StoreBusy("lost")
        return await super().done(owner, pending)


def relay_of(world: World, producer: ScriptedProducer, owner: str = "one") -> Relay:
    return Relay(world.outbox, producer, world.clock, owner)


async def test_records_are_published_in_order_and_forgotten(world: World) -> None:
    await world.outbox.add(many(120))
    producer = ScriptedProducer()
    relay = relay_of(world, producer)
    await world.outbox.lease("one")
    assert await relay.publish_some()
    assert not await relay.publish_some()
    assert producer.event_ids == [f"e{n}" for n in range(120)]
    assert relay.published == 120
    assert (await world.outbox.depth()).rows == 0


async def test_a_lost_mark_publishes_again_with_the_same_event_id(world: World) -> None:
    outbox, producer = LostMarks(world.database, world.clock), ScriptedProducer()
    relay = Relay(outbox, producer, world.clock, "one")
    await outbox.add([outgoing(1), outgoing(2)])
    await outbox.lease("one")
    with pytest.raises(StoreBusy):
        await relay.publish_some()
    assert await relay.publish_some()
    assert producer.event_ids == ["e1", "e2", "e1", "e2"]


async def test_a_record_that_is_too_large_is_a_dead_letter_and_the_rest_goes_on(
    world: World,
) -> None:
    def script(one: Outgoing) -> BrokerError | None:
        return RecordTooLarge("too large") if one.record.value == b"1" else None

    producer = ScriptedProducer(script)
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(n) for n in range(3)])
    await world.outbox.lease("one")
    assert await relay.publish_some()
    assert producer.event_ids == ["e0", "e2"]
    assert (relay.published, relay.refused) == (2, 1)
    assert [one.disposition for one in await world.letters()] == ["too-large"]
    assert not await relay.publish_some()
    assert relay.last_error == ""


async def test_a_topic_that_is_missing_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchwire.events.relay.PAGE", page := 50)
    is_missing = True

    def script(one: Outgoing) -> BrokerError | None:
        if is_missing and one.topic == "topic.dlq":
            return TopicMissing("topic.dlq does not exist")
        return None

    producer = ScriptedProducer(script)
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(n, topic="topic.dlq") for n in range(page)])
    await world.outbox.lease("one")
    with capture_logs() as logs:
        assert not await relay.publish_some()
        await world.outbox.add([outgoing(page)])
        assert await relay.publish_some()
        assert producer.event_ids == [f"e{page}"]
        assert "topic.dlq" in relay.last_error
        for _ in range(20):
            await world.clock.advance(10)
            await relay.publish_some()
    warned = [one for one in logs if one["event"] == "Failed to publish"]
    assert [one["topic"] for one in warned] == ["topic.dlq"]
    is_missing = False
    await world.clock.advance(10)
    assert await relay.publish_some()
    assert producer.event_ids[1:] == [f"e{n}" for n in range(page)]
    assert relay.last_error == ""


async def test_a_broker_that_is_away_is_tried_again_ever_more_rarely(
    world: World,
) -> None:
    is_away = True

    def script(_: Outgoing) -> BrokerError | None:
        return BrokerUnreachable("away") if is_away else None

    producer, stop = ScriptedProducer(script), asyncio.Event()
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(n) for n in range(3)])
    with capture_logs() as logs:
        running = asyncio.create_task(relay.run(stop))
        await world.passing(lambda: world.clock.monotonic() >= 120)
        assert 5 <= producer.pages <= 25
        assert producer.taken == []
        is_away = False
        await world.passing(lambda: len(producer.taken) == 3)
        stop.set()
        await running
    assert producer.event_ids == ["e0", "e1", "e2"]
    warned = [one for one in logs if one["event"] == "Failed to publish"]
    assert len(warned) == 1


async def test_two_relays_publish_each_record_once_and_each_batch_in_order(
    world: World,
) -> None:
    producers = [ScriptedProducer(), ScriptedProducer()]
    stop = asyncio.Event()
    relays = [relay_of(world, one, f"r{n}") for n, one in enumerate(producers)]
    running = [asyncio.create_task(one.run(stop)) for one in relays]
    await world.passing(lambda: world.clock.monotonic() >= 15)
    await world.outbox.add(many(500))
    await world.passing(lambda: sum(len(one.taken) for one in producers) == 500)
    stop.set()
    await asyncio.gather(*running)
    assert all(one.taken for one in producers)
    for one in producers:
        numbers = [int(told[1:]) for told in one.event_ids]
        assert numbers == sorted(numbers)
    assert len({told for one in producers for told in one.event_ids}) == 500


async def test_a_relay_that_was_taken_over_marks_nothing(world: World) -> None:
    has_begun, gate = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedProducer):
        async def publish(
            self, records: Sequence[Outgoing]
        ) -> list[BrokerError | None]:
            has_begun.set()
            await gate.wait()
            return await super().publish(records)

    stale, fresh = Slow(), ScriptedProducer()
    old, new = relay_of(world, stale, "old"), relay_of(world, fresh, "new")
    await world.outbox.add([outgoing(n) for n in range(3)])
    await world.outbox.lease("old")
    publishing = asyncio.create_task(old.publish_some())
    await has_begun.wait()
    await world.clock.advance(29)
    assert await world.outbox.lease("new") == 0
    await world.clock.advance(2)  # more than 30 s of silence
    assert await world.outbox.lease("new") == 64
    gate.set()
    await publishing
    assert (await world.outbox.depth()).rows == 3  # the stale one marked nothing
    assert await new.publish_some()
    assert stale.event_ids == fresh.event_ids == ["e0", "e1", "e2"]
    assert not await old.publish_some()


class LateAnswers(ScriptedProducer):
    """What it takes it acknowledges once ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.has_taken, self.gate = asyncio.Event(), asyncio.Event()

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """Take them, and wait."""
        answers = await super().publish(records)
        self.has_taken.set()
        await self.gate.wait()
        return answers


async def test_a_relay_that_is_stopped_finishes_its_page_and_publishes_none_twice(
    world: World,
) -> None:
    producer = LateAnswers()
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(n) for n in range(3)])
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await producer.has_taken.wait()
    stop.set()
    await asyncio.sleep(0.05)
    producer.gate.set()
    await running
    assert await relay.drain(world.clock.monotonic() + 5)
    assert producer.event_ids == ["e0", "e1", "e2"]


async def test_a_relay_that_is_stopped_waits_for_no_broker_for_ever(
    world: World,
) -> None:
    producer = LateAnswers()
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(1)])
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await producer.has_taken.wait()
    stop.set()
    await asyncio.wait_for(running, 10)
    assert (await world.outbox.depth()).rows == 1


async def test_a_drain_says_whether_something_is_left(world: World) -> None:
    producer = ScriptedProducer()
    relay = relay_of(world, producer)
    await world.outbox.add([outgoing(1)])
    assert await relay.drain(world.clock.monotonic() + 5)
    assert producer.event_ids == ["e1"]
    away = relay_of(world, ScriptedProducer(lambda _: BrokerUnreachable("away")), "two")
    await world.outbox.add([outgoing(2)])
    assert not await away.drain(world.clock.monotonic() + 5)
    assert (await world.outbox.depth()).rows == 1
    assert await relay_of(world, producer, "three").drain(world.clock.monotonic() + 5)


async def test_a_database_that_cannot_be_used_ends_the_relay(world: World) -> None:
    class Broken(SqlOutbox):
        async def pending(self, *_: object, **__: object) -> list[Pending]:
            raise StoreDamaged("broken")

    outbox = Broken(world.database, world.clock)
    relay = Relay(outbox, ScriptedProducer(), world.clock, "one")
    with pytest.raises(StoreDamaged):
        await asyncio.wait_for(relay.run(asyncio.Event()), 10)


async def test_a_database_that_is_away_is_waited_for(world: World) -> None:
    class Flaky(SqlOutbox):
        fails = 5

        async def pending(self, *args: object, **named: object) -> list[Pending]:
            self.fails -= 1
            if self.fails >= 0:
                raise StoreBusy("busy")
            return await super().pending(*args, **named)  # type: ignore[arg-type]

    producer, stop = ScriptedProducer(), asyncio.Event()
    relay = Relay(Flaky(world.database, world.clock), producer, world.clock, "one")
    await world.outbox.add([outgoing(1)])
    running = asyncio.create_task(relay.run(stop))
    await world.passing(lambda: len(producer.taken) == 1)
    assert world.clock.monotonic() >= 0.5 + 1 + 2 + 4
    await until(lambda: relay.last_error == "")
    stop.set()
    await running
