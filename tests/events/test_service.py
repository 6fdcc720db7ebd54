"""The service: asks the loops, starts them again, ends in order."""

import asyncio
from collections.abc import Callable

from tests.events.world import World

from batchwire.domain.record import Record
from batchwire.errors import BrokerUnreachable
from batchwire.events.consumer import BatchMessageConsumer
from batchwire.events.publisher import BatchEventPublisher
from batchwire.events.relay import Relay
from batchwire.events.service import BatchEventService, Check, ServiceParts
from batchwire.events.settings import BatchEventServiceConfig, KafkaConfig
from batchwire.ports.inbox import Effect, Handled
from batchwire.testing.builders import until
from batchwire.testing.contracts.outbox import many
from batchwire.testing.events import (
    ScriptedProducer,
    ScriptedSubscription,
    record,
    request,
    update,
)


def service(
    world: World,
    *,
    producer: ScriptedProducer | None = None,
    consumer: Callable[[], BatchMessageConsumer] | None = None,
    outbox_max_rows: int = 100,
) -> BatchEventService:
    relay = Relay(world.outbox, producer, world.clock, "relay") if producer else None
    asynchronous = BatchEventServiceConfig(kafka=KafkaConfig(is_async=True))
    parts = ServiceParts(
        publisher=BatchEventPublisher(world.outbox, world.clock, asynchronous),
        outbox=world.outbox,
        outbox_max_rows=outbox_max_rows,
        consumer=consumer,
        relay=relay,
    )
    return BatchEventService(parts, world.clock, world.metrics)


def check(one: BatchEventService, name: str) -> Check:
    return next(check for check in one.checks() if check.name == name)


async def test_a_member_that_does_not_poll_is_not_well(world: World) -> None:
    topic = ScriptedSubscription()
    one = service(world, consumer=lambda: world.consumer(topic))
    await one.start()
    assert check(one, "consumer").seen == "has not joined its group"
    await topic.is_open.wait()
    assert one.is_healthy()
    await world.passing(lambda: world.clock.monotonic() >= 31)
    assert not one.is_healthy()
    topic.polled_at = world.clock.monotonic()
    assert one.is_healthy()
    await one.stop()
    assert check(one, "consumer") == Check(name="consumer", is_ok=False, seen="ended")


async def test_a_loop_that_raises_is_counted_and_started_again(world: World) -> None:
    topics = [ScriptedSubscription(), ScriptedSubscription()]
    made = iter(topics)

    class Broken(ScriptedSubscription):
        async def open(self, _: object) -> None:
            raise ZeroDivisionError

    subscriptions: list[ScriptedSubscription] = [Broken(), *topics]
    made = iter(subscriptions)
    one = service(world, consumer=lambda: world.consumer(next(made)))
    await one.start()
    await until(lambda: one.restarts == 1)
    assert not one.is_healthy()
    await world.passing(topics[0].is_open.is_set)
    assert one.is_healthy()
    topics[0].give(record("batch_status_update", update()))
    await until(lambda: one.get_metrics()["processed"] == 1)
    assert one.get_metrics()["restarts"] == 1
    await one.stop()


async def test_a_topic_full_of_poison_stops_the_consumer_for_good_and_says_so(
    world: World,
) -> None:
    topic = ScriptedSubscription()
    one = service(world, consumer=lambda: world.consumer(topic))
    await one.start()
    await topic.is_open.wait()
    number = 0
    while not one.failure:
        if topic.state.is_joined and not topic.is_paused:
            topic.give(Record(key=b"k%d" % number, value=b"{"))
            number += 1
        await asyncio.sleep(0.001)
    await world.passing(lambda: world.clock.monotonic() > 5)
    assert one.restarts == 0
    told = check(one, "consumer")
    assert not told.is_ok
    assert "100 events in a row" in told.seen
    assert one.get_metrics()["errors"] >= 1
    await one.stop()


async def test_an_outbox_that_fills_is_not_well_at_80_percent(world: World) -> None:
    one = service(world)
    await world.outbox.add(many(79))
    await one.start()
    await until(lambda: one.get_metrics()["outbox_pending"] == 79)
    assert one.is_healthy()
    await world.outbox.add(many(1))
    await world.passing(lambda: not one.is_healthy())
    assert check(one, "outbox").seen == "80 of 100 records wait"
    await one.stop()


async def test_a_broker_that_is_away_is_said_and_is_no_reason_to_restart(
    world: World,
) -> None:
    away = ScriptedProducer(lambda _: BrokerUnreachable("nobody answers"))
    one = service(world, producer=away)
    await one.start()
    await one.publisher.publish_sms_batch_paused("b1")
    await world.passing(lambda: check(one, "relay").seen == "nobody answers")
    assert one.is_healthy()
    assert one.get_metrics()["published"] == 0
    away.script = lambda _: None
    await world.passing(lambda: one.get_metrics()["published"] == 1)
    assert check(one, "relay").seen == "runs"
    await one.stop()


async def test_the_end_finishes_what_runs_then_publishes_what_waits(
    world: World,
) -> None:
    topic, producer = ScriptedSubscription(), ScriptedProducer()
    started, gate = asyncio.Event(), asyncio.Event()
    one: BatchEventService

    async def publish(_: object) -> Effect:
        started.set()
        await gate.wait()
        await one.publisher.publish_sms_batch_paused("b2")
        return Handled()

    handlers = {**world.handlers()}
    for kind in handlers:
        handlers[kind] = publish
    one = service(
        world,
        producer=producer,
        consumer=lambda: world.consumer(topic, handlers=handlers),
    )
    await one.start()
    await topic.is_open.wait()
    topic.give(record("batch_request", request()), record("batch_request", request()))
    await started.wait()
    stopping = asyncio.create_task(one.stop())
    await asyncio.sleep(0.02)
    assert not stopping.done()
    gate.set()
    await world.passing(stopping.done)
    assert topic.positions == {topic.partitions[0]: 1}
    assert len(producer.taken) == 1
    assert not producer.is_open
    assert (await world.outbox.depth()).rows == 0
    assert await world.outbox.lease("next") == 64  # nobody waits for a dead relay


async def test_stopping_before_starting_and_starting_twice_are_harmless(
    world: World,
) -> None:
    topic = ScriptedSubscription()
    one = service(world, consumer=lambda: world.consumer(topic))
    await one.stop()
    two = service(world, consumer=lambda: world.consumer(topic))
    await two.start()
    await two.start()
    await topic.is_open.wait()
    await two.stop()
    assert two.restarts == 0
