"""The publisher: kept first; ``async`` decides whether a caller waits."""

import asyncio

import msgspec
import pytest
from tests.events.world import World

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.errors import BrokerUnreachable, MalformedMessage, RecordTooLarge
from batchwire.events.publisher import BatchEventPublisher
from batchwire.events.relay import Relay
from batchwire.events.settings import BatchEventServiceConfig, KafkaConfig
from batchwire.messages.codec import decode
from batchwire.messages.requests import (
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)
from batchwire.testing.events import ScriptedProducer, event_id_of


def publisher(
    world: World, *, is_async: bool = True, max_attempts: int = 3
) -> BatchEventPublisher:
    kafka = KafkaConfig(is_async=is_async, max_attempts=max_attempts)
    return BatchEventPublisher(
        world.outbox, world.clock, BatchEventServiceConfig(kafka=kafka)
    )


async def kept(world: World) -> list[msgspec.Struct]:
    await world.outbox.lease("reader")
    pending = await world.outbox.pending("reader", 100)
    return [decode(one.outgoing.record).message for one in pending]


async def test_async_true_returns_when_it_is_in_the_outbox(world: World) -> None:
    event_id = await publisher(world).publish_sms_batch_paused("b1", "delivery", "why")
    await world.outbox.lease("reader")
    (one,) = await world.outbox.pending("reader", 10)
    assert event_id_of(one.outgoing.record) == event_id
    assert one.outgoing.topic == "sms-batch-events"


async def test_async_false_returns_when_the_broker_has_acknowledged(
    world: World,
) -> None:
    publishing = asyncio.create_task(
        publisher(world, is_async=False).publish_sms_batch_aborted("b1")
    )
    await world.passing(lambda: world.clock.monotonic() > 5)
    assert not publishing.done()
    relay = Relay(world.outbox, ScriptedProducer(), world.clock, "one")
    await world.outbox.lease("one")
    await relay.publish_some()
    await world.passing(publishing.done)
    assert await publishing


async def test_async_false_raises_for_what_the_topic_never_takes(world: World) -> None:
    one = publisher(world, is_async=False)
    publishing = asyncio.create_task(one.publish_sms_batch_aborted("b1"))
    await world.passing(lambda: world.clock.monotonic() > 1)
    refusing = ScriptedProducer(lambda _: RecordTooLarge("too large"))
    await world.outbox.lease("one")
    await Relay(world.outbox, refusing, world.clock, "one").publish_some()
    await world.passing(publishing.done)
    (letter,) = await world.letters()
    with pytest.raises(RecordTooLarge, match=f"batchwire dlq show {letter.event_id}"):
        await publishing


@pytest.mark.parametrize("attempts", [1, 4])
async def test_after_max_attempts_it_fails_and_the_event_stays(
    world: World, attempts: int
) -> None:
    one = publisher(world, is_async=False, max_attempts=attempts)
    publishing = asyncio.create_task(one.publish_sms_batch_aborted("b1"))
    await world.passing(publishing.done, step_s=0.1)
    with pytest.raises(BrokerUnreachable, match=f"after {attempts} attempts"):
        await publishing
    assert world.clock.monotonic() >= attempts * 5
    assert len(await kept(world)) == 1


async def test_what_breaks_a_rule_is_refused_and_not_kept(world: World) -> None:
    with pytest.raises(MalformedMessage):
        await publisher(world).publish_sms_batch_paused("b 1")
    assert await kept(world) == []


async def test_the_messages_go_as_they_are_with_a_request_id_in_the_order_of_calls(
    world: World,
) -> None:
    one = publisher(world)
    request = BatchMessageRequest(
        batch_id="b1", batch_type="sms", recipients=("+447810000001",), template="Hi"
    )
    update = BatchStatusUpdateRequest(
        request_id="r", batch_id="b1", status="completed", current_phase=Phase.DELIVERY
    )
    await one.publish_batch_request(request)
    await one.publish_batch_status_update(update)
    await one.publish_batch_operation(
        BatchOperationRequest(batch_id="b1", operation=Operation.RETRY)
    )
    await one.publish_sms_batch_created(
        "b1", "u", ("+447810000001",), "Hi {{n}}", {"n": 1}
    )
    await one.publish_sms_batch_status_changed(update)
    await one.publish_sms_batch_resumed("b1", operator_id="o")
    await one.publish_sms_batch_retried("b1", phase="delivery")
    messages = await kept(world)
    kinds = [type(one).__name__ for one in messages]
    assert kinds == [
        "BatchMessageRequest",
        "BatchStatusUpdateRequest",
        "BatchOperationRequest",
        "BatchMessageRequest",
        "BatchStatusUpdateRequest",
        "BatchOperationRequest",
        "BatchOperationRequest",
    ]
    first, second = messages[0], messages[4]
    assert isinstance(first, BatchMessageRequest)
    assert first.request_id
    assert isinstance(second, BatchStatusUpdateRequest)
    assert second.updated_at == world.clock.now()
