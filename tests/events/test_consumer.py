"""The consumer: order, bounds, what is finished, what a revoke waits for."""

import asyncio
from collections import defaultdict

import pytest
from tests.events.world import World, config

from batchwire.domain.dead_letter import Disposition
from batchwire.domain.record import Record
from batchwire.errors import DeadLettersExceeded, StoreBusy, StoreDamaged
from batchwire.events.arrivals import Received
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages.message import MessageType
from batchwire.ports.inbox import Effect, Handled
from batchwire.testing.builders import until
from batchwire.testing.events import ScriptedSubscription, operation, record, update

STATUS = MessageType.BATCH_STATUS_UPDATE


class Gate:
    """A handler that waits for each batch to be let go, and notes what runs."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.handled: list[str] = []
        self.most = 0
        self._open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __call__(self, received: Received) -> Effect:
        """Wait for the batch to be let go."""
        assert received.batch_id not in self.running, (
            "the same batch runs twice at once"
        )
        self.running.append(received.batch_id)
        self.most = max(self.most, len(self.running))
        await self._open[received.batch_id].wait()
        self.running.remove(received.batch_id)
        self.handled.append(received.event_id)
        return Handled()

    def let_go(self, *batch_ids: str) -> None:
        """Let batches be handled."""
        for batch_id in batch_ids:
            self._open[batch_id].set()


def event(batch_id: str, number: int = 0, **fields: object) -> Record:
    return record(STATUS, update(batch_id, **fields), ce_id=f"{batch_id}-{number}")


async def test_one_batch_is_handled_in_order_and_others_beside_it(world: World) -> None:
    gate, topic = Gate(), ScriptedSubscription()
    consumer = world.consumer(topic, handlers={STATUS: gate})
    async with world.running(consumer):
        topic.give(*(event(b, n) for n in range(3) for b in ("a", "b", "c")))
        await until(lambda: len(gate.running) == 3)
        gate.let_go("b")
        await until(lambda: len(gate.handled) == 3)
        assert gate.handled == ["b-0", "b-1", "b-2"]
        assert topic.told == []  # nothing is finished before a's first
        gate.let_go("a", "c")
        await until(lambda: topic.positions.get(topic.partitions[0]) == 9)
    assert [one for one in gate.handled if one[0] == "a"] == ["a-0", "a-1", "a-2"]


async def test_no_more_than_the_processors_are_handled_at_once(world: World) -> None:
    gate, topic = Gate(), ScriptedSubscription()
    settings = config(processors=3)
    consumer = world.consumer(topic, handlers={STATUS: gate}, settings=settings)
    async with world.running(consumer):
        topic.give(*(event(f"b{n}") for n in range(20)))
        await until(lambda: len(gate.running) == 3)
        gate.let_go(*(f"b{n}" for n in range(20)))
        await until(lambda: len(gate.handled) == 20)
    assert gate.most == 3


@pytest.mark.parametrize("capacity", [1, 2, 10, 200])
@pytest.mark.parametrize("members", [1, 4])
async def test_never_more_than_the_queues_capacity_is_waiting_or_running(
    world: World, capacity: int, members: int
) -> None:
    gate = Gate()
    topics = [ScriptedSubscription() for _ in range(members)]
    settings = config(queue_capacity=capacity, consumers=members)
    consumer = world.consumer(*topics, handlers={STATUS: gate}, settings=settings)
    at_once = settings.consumer.most_at_once
    async with world.running(consumer):
        for turn in range(3 * capacity):
            for number, topic in enumerate(topics):
                if not topic.is_paused:
                    batches = [f"{number}-{turn}-{n}" for n in range(at_once)]
                    topic.give(*(event(one) for one in batches))
                # A member that has less than a batch of room each was told to pause.
                assert consumer.queued <= max(capacity, members)
        assert all(topic.is_paused for topic in topics)
        while consumer.queued:
            gate.let_go(*gate.running)
            await asyncio.sleep(0.001)
        assert not any(topic.is_paused for topic in topics)


async def test_large_records_pause_the_topic_before_they_are_32_mib(
    world: World,
) -> None:
    gate, topic = Gate(), ScriptedSubscription()
    consumer = world.consumer(topic, handlers={STATUS: gate})
    taken = 0
    async with world.running(consumer):
        while not topic.is_paused:
            large = [
                event(f"{taken}-{n}", error_message="x" * 900_000) for n in range(5)
            ]
            topic.give(*large)
            taken += sum(len(one.value or b"") for one in large)
        assert 20 * 1024**2 < taken <= 32 * 1024**2
        while consumer.queued:
            gate.let_go(*gate.running)
            await asyncio.sleep(0.001)
        assert not topic.is_paused


async def test_a_revoke_waits_for_what_runs_and_drops_what_waits(world: World) -> None:
    gate, topic = Gate(), ScriptedSubscription()
    consumer = world.consumer(topic, handlers={STATUS: gate})
    async with world.running(consumer):
        topic.give(event("a", 0), event("a", 1), event("b", 0))
        await until(lambda: len(gate.running) == 2)
        revoking = asyncio.create_task(topic.revoke())
        await asyncio.sleep(0.02)
        assert not revoking.done()
        gate.let_go("a", "b")
        await asyncio.wait_for(revoking, 5)
        assert topic.positions == {topic.partitions[0]: 1}
        assert sorted(gate.handled) == ["a-0", "b-0"]
        assert consumer.queued == 0


async def test_a_revoke_does_not_wait_for_what_waits_to_be_tried_again(
    world: World,
) -> None:
    topic, tried = ScriptedSubscription(), asyncio.Event()

    async def fail(_: Received) -> Effect:
        tried.set()
        raise StoreBusy("busy")

    settings = BatchEventServiceConfig(retry_least_s=3600.0, retry_most_s=3600.0)
    consumer = world.consumer(topic, handlers={STATUS: fail}, settings=settings)
    async with world.running(consumer):
        topic.give(event("a", 0), event("a", 1))
        await tried.wait()
        await asyncio.wait_for(topic.revoke(), 5)
        assert (topic.told, consumer.queued) == ([], 0)


async def test_what_ends_after_its_partition_was_lost_commits_nothing(
    world: World,
) -> None:
    gate, topic = Gate(), ScriptedSubscription()
    consumer = world.consumer(topic, handlers={STATUS: gate})
    async with world.running(consumer):
        placed = topic.give(event("a", 0), event("b", 0))
        await until(lambda: len(gate.running) == 2)
        topic.lose()
        gate.let_go("a")
        await until(lambda: gate.handled == ["a-0"])
        await until(lambda: consumer.queued == 1)
        assert topic.told == []
        topic.assign()  # and comes back, with what was not committed
        topic.again(*placed)
        await until(lambda: consumer.outcomes["duplicate"] == 1)
        gate.let_go("b")
        await until(lambda: topic.positions == {topic.partitions[0]: 2})


async def test_an_event_that_comes_three_times_has_one_effect(world: World) -> None:
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    async with world.running(consumer):
        topic.give(*[event("a")] * 3)
        await until(lambda: consumer.outcomes.total() == 3)
    assert consumer.outcomes == {"ok": 1, "duplicate": 2}
    state = await world.observed("a")
    assert state is not None
    assert state.sequence == 1


async def test_our_own_records_have_no_effect(world: World) -> None:
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    async with world.running(consumer):
        topic.give(record(STATUS, update(), ce_id="1", ce_source="/batchwire"))
        await until(lambda: consumer.outcomes["echo"] == 1)
        assert topic.positions == {topic.partitions[0]: 1}
    assert await world.observed() is None


async def test_with_force_commit_a_failing_event_is_parked_and_the_offset_goes_on(
    world: World,
) -> None:
    topic, tries = ScriptedSubscription(), 0

    async def fail(received: Received) -> Effect:
        nonlocal tries
        if received.batch_id == "good":
            return Handled()
        tries += 1
        raise StoreBusy("busy")

    settings = BatchEventServiceConfig(
        retries=2, retry_least_s=0.001, retry_most_s=0.001, parked_retries=3
    )
    consumer = world.consumer(topic, handlers={STATUS: fail}, settings=settings)
    async with world.running(consumer):
        topic.give(event("bad", 0), event("bad", 1), event("good", 0))
        await until(lambda: topic.positions == {topic.partitions[0]: 3})
        assert tries >= 3  # the second event's own tries, too
        await world.passing(lambda: consumer.outcomes["dead"] == 2)
    letters = await world.letters()
    assert [one.event_id for one in letters] == ["bad-0", "bad-1"]
    assert {one.disposition for one in letters} == {"retries-exhausted"}


async def test_without_force_commit_its_partition_waits(world: World) -> None:
    topic, tries, is_well = ScriptedSubscription(2), 0, False

    async def fail(received: Received) -> Effect:
        nonlocal tries
        if received.batch_id == "good" or is_well:
            return Handled()
        tries += 1
        raise StoreBusy("busy")

    settings = config(force_commit=False)
    quick = BatchEventServiceConfig(
        consumer=settings.consumer, retries=2, retry_least_s=0.001, retry_most_s=0.001
    )
    consumer = world.consumer(topic, handlers={STATUS: fail}, settings=quick)
    async with world.running(consumer):
        topic.give(event("bad"), event("good", 0))
        topic.give(event("good", 1), partition=1)
        await until(lambda: tries > 10 and consumer.outcomes["ok"] == 2)
        assert topic.positions == {topic.partitions[1]: 1}
        is_well = True
        await until(lambda: topic.positions.get(topic.partitions[0]) == 2)
    assert consumer.outcomes["failed"] == tries - quick.retries
    assert await world.letters() == []


async def test_a_defect_of_a_handler_is_tried_again(world: World) -> None:
    topic, tries = ScriptedSubscription(), 0

    async def fail_once(_: Received) -> Effect:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        return Handled()

    settings = BatchEventServiceConfig(retry_least_s=0.001, retry_most_s=0.001)
    consumer = world.consumer(topic, handlers={STATUS: fail_once}, settings=settings)
    async with world.running(consumer):
        topic.give(event("a"))
        await until(lambda: consumer.outcomes["ok"] == 1)
    assert (tries, consumer.failed) == (2, 1)


async def test_a_database_that_cannot_be_used_ends_the_consumer_not_the_event(
    world: World,
) -> None:
    topic = ScriptedSubscription()

    async def fail(_: Received) -> Effect:
        raise StoreDamaged("broken")

    consumer = world.consumer(topic, handlers={STATUS: fail})
    running = asyncio.create_task(consumer.run(asyncio.Event()))
    await topic.is_open.wait()
    topic.give(event("a"))
    with pytest.raises(StoreDamaged):
        await asyncio.wait_for(running, 10)
    assert topic.told == []
    assert await world.letters() == []


@pytest.mark.parametrize(
    ("good_between", "total"), [(0, 101), (8, 101 * 9)], ids=["in a row", "a share"]
)
async def test_a_topic_full_of_poison_stops_the_consumer(
    world: World, good_between: int, total: int
) -> None:
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    running = asyncio.create_task(consumer.run(asyncio.Event()))
    await topic.is_open.wait()
    for number in range(total):
        is_bad = number % (good_between + 1) == 0
        bad = Record(key=b"k%d" % number, value=b"{")
        topic.give(bad if is_bad else event(f"b{number}"))
        await until(lambda: not topic.is_paused or running.done())
    with pytest.raises(DeadLettersExceeded):
        await asyncio.wait_for(running, 10)
    assert max(topic.positions.values(), default=0) < total
    assert len(await world.letters()) <= 101


async def test_an_operation_behind_a_parked_one_of_its_batch_waits_its_turn(
    world: World,
) -> None:
    topic, done, is_well = ScriptedSubscription(), list[str](), False

    async def operate(received: Received) -> Effect:
        if not is_well and "pause" in received.event_id:
            raise StoreBusy("busy")
        done.append(received.event_id)
        return Handled()

    settings = BatchEventServiceConfig(retries=0, retry_least_s=0.001)
    table = {MessageType.BATCH_OPERATION: operate}
    consumer = world.consumer(topic, handlers=table, settings=settings)
    async with world.running(consumer):
        for name in ("pause", "resume"):
            topic.give(record("batch_operation", operation(name), ce_id=name))
        await until(lambda: topic.positions == {topic.partitions[0]: 2})
        assert done == []
        is_well = True
        await world.passing(lambda: len(done) == 2)
    assert done == ["pause", "resume"]


async def test_what_cannot_be_read_behind_a_parked_one_is_told_why(
    world: World,
) -> None:
    topic = ScriptedSubscription()
    newer = {"ce_id": "2", "ce_type": "io.x.batch_status_update.v2"}
    async with world.running(world.consumer(topic)):
        topic.give(record("batch_operation", operation("pause"), ce_id="1"))
        topic.give(record("batch_status_update", update(), **newer))
        await until(lambda: topic.positions == {topic.partitions[0]: 2})
        told = list[Disposition]()

        async def have_come() -> bool:
            told[:] = [letter.disposition for letter in await world.letters()]
            return len(told) == 2

        while not await have_come():
            await world.clock.advance(5)
            await asyncio.sleep(0.01)
    expected = [Disposition.UNKNOWN_BATCH, Disposition.UNSUPPORTED_TYPE]
    assert sorted(told) == expected


async def test_one_poison_batch_holds_up_only_itself(world: World) -> None:
    topic = ScriptedSubscription()

    async def fail(received: Received) -> Effect:
        if received.batch_id == "bad":
            raise StoreBusy("busy")
        return Handled()

    settings = BatchEventServiceConfig(retries=1, retry_least_s=0.001)
    consumer = world.consumer(topic, handlers={STATUS: fail}, settings=settings)
    async with world.running(consumer):
        for n in range(50):
            topic.give(event("bad", n), event(f"good{n}", n))
            await until(lambda: not topic.is_paused)
        await until(lambda: topic.positions == {topic.partitions[0]: 100})
    assert consumer.outcomes["ok"] == 50
    assert consumer.outcomes["retried"] == 50
    assert await world.letters() == []
