"""What a subscription survives: members that come and go, brokers, itself."""

import asyncio
import json
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from batchwire.adapters.kafka import member as member_module
from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.records import record_of
from batchwire.adapters.kafka.subscription import KafkaSubscription
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.domain.record import Partition, Record
from batchwire.errors import MalformedMessage
from batchwire.events.arrivals import receive
from batchwire.ports.bus import Outgoing
from batchwire.testing.collector import (
    Collector,
    eventually,
    in_order,
    numbered,
    partition_of,
    place_of,
)
from batchwire.testing.kafka import mock
from batchwire.testing.kafka.broker import Broker, running_broker
from batchwire.testing.kafka.fixtures import or_skip

pytestmark = pytest.mark.timeout(60)

COORDINATOR_NOT_AVAILABLE = 15
INVALID_COMMIT_OFFSET_SIZE = 28


def subscription(address: str, topic: str, **settings: Any) -> KafkaSubscription:  # noqa: ANN401 - fields of SubscriptionSettings
    connection = KafkaConnectionSettings(brokers=(address,))
    return KafkaSubscription(
        SubscriptionSettings(
            connection=connection, topic=topic, group_id=topic, **settings
        )
    )


@asynccontextmanager
async def member(
    address: str,
    topic: str,
    listener: Collector,
    **settings: Any,  # noqa: ANN401 - as above
) -> AsyncIterator[KafkaSubscription]:
    joining = subscription(address, topic, **settings)
    await joining.open(listener)
    try:
        yield joining
    finally:
        await joining.close()


async def publish(address: str, topic: str, numbers: range, keys: int = 20) -> None:
    connection = KafkaConnectionSettings(brokers=(address,))
    producer = KafkaProducer(ProducerSettings(connection=connection))
    await producer.open()
    out = [Outgoing(topic=topic, record=numbered(n, keys)) for n in numbers]
    assert not any(await producer.publish(out))
    await producer.close()


def committed(admin: AdminClient, topic: str) -> dict[int, int]:
    """Ask the broker: offset by number of partition."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])
    told = asked[topic].result(30).topic_partitions
    return {each.partition: each.offset for each in told if each.offset >= 0}


class Finishing(Collector):
    """Finishes each batch a little later, as a consumer with work does."""

    def __init__(self, done: dict[bytes | None, int]) -> None:
        super().__init__()
        self.done = done
        self.subscription: KafkaSubscription | None = None
        self._running: list[Record] = []

    def received(self, records: Sequence[Record]) -> None:
        """Begin to work on them."""
        super().received(records)
        self._running += records
        asyncio.get_running_loop().call_later(0.02, self.finish)

    def finish(self) -> None:
        """Finish all that runs."""
        running, self._running = self._running, []
        for record in running:
            self.done[record.value] = self.done.get(record.value, 0) + 1
        if self.subscription:
            self.subscription.finish(
                {partition_of(each): place_of(each).offset + 1 for each in running}
            )

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Finish first."""
        self.finish()
        await super().revoked(partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Drop what runs."""
        self._running = []
        super().lost(partitions)


async def test_fifty_joins_and_leaves_lose_nothing_and_keep_the_order(
    kafka: str, topic: str
) -> None:
    """Two members stay, a third comes and goes while records come in."""
    done: dict[bytes | None, int] = {}
    everyone: list[Finishing] = []

    @asynccontextmanager
    async def working() -> AsyncIterator[None]:
        listener = Finishing(done)
        everyone.append(listener)
        async with member(kafka, topic, listener) as joined:
            listener.subscription = joined
            yield

    async with working():
        for turn in range(25):  # each is a join and a leave
            numbers = range(100 * turn, 100 * (turn + 1))
            async with working():
                await publish(kafka, topic, numbers)
                if turn % 2:
                    await eventually(lambda: everyone[-1].has("assigned"))
        await eventually(lambda: len(done) == 2500)
    for listener in everyone:
        in_order(listener.records)
    assert set(done) == {b"%d" % n for n in range(2500)}
    # Each is finished before it goes over to another: handled once, every one of them.
    assert set(done.values()) == {1}


async def test_what_is_assigned_to_a_paused_member_waits_with_the_rest(
    kafka: str, topic: str
) -> None:
    await publish(kafka, topic, range(100))
    paused, leaving = Collector(), Collector()
    async with member(kafka, topic, paused) as stays:
        stays.pause()
        await paused.until(lambda: paused.has("assigned"))
        async with member(kafka, topic, leaving):
            await leaving.until(lambda: leaving.has("assigned"))
        # Its partitions come back: the first assignment, and one more.
        await paused.until(
            lambda: [name for name, _ in paused.events].count("assigned") > 1
        )
        await publish(kafka, topic, range(100, 200))
        await asyncio.sleep(0.5)
        assert paused.records == []
        stays.resume()
        await paused.count(200)
    assert len(set(paused.values)) == 200


async def test_a_member_with_a_name_keeps_its_partitions_over_a_restart(
    kafka: str, topic: str
) -> None:
    """A rolling restart moves nothing to the others."""
    other, first, again = Collector(), Collector(), Collector()
    async with member(kafka, topic, other, instance_id="other"):
        await other.until(lambda: other.has("assigned"))
        async with member(kafka, topic, first, instance_id="named"):
            await first.until(lambda: first.has("assigned"))
        before = list(other.events)
        async with member(kafka, topic, again, instance_id="named"):
            await again.until(lambda: again.has("assigned"))
            assert other.events == before


async def test_a_listener_beyond_its_budget_stops_nobody_and_commits_nothing(
    kafka: str, topic: str, kafka_admin: AdminClient
) -> None:
    await publish(kafka, topic, range(100))
    slow, next_one = Collector(), Collector()
    forever = asyncio.Event()

    async def never(_: Sequence[Partition]) -> None:
        await forever.wait()

    slow.on_revoked = never
    # A fifth of two seconds is its budget.
    async with member(kafka, topic, slow, max_poll_interval_s=2.0) as stuck:
        await slow.count(100)
        async with member(kafka, topic, next_one):
            await next_one.until(lambda: bool(next_one.records))
            gone = {partition_of(record) for record in next_one.records}
            stuck.finish(dict.fromkeys(gone, 1))
            await asyncio.sleep(1.5)  # longer than it takes to commit
            numbers = {partition.number for partition in gone}
            assert not numbers & set(
                await asyncio.to_thread(committed, kafka_admin, topic)
            )


async def test_what_is_lost_is_not_committed_and_the_member_comes_back(
    tmp_path: Path,
) -> None:
    """Stopped by SIGSTOP for longer than its session: the broker has put it out."""
    session = {
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "1000",
    }
    with or_skip(), running_broker(tmp_path / "kafka", session) as broker:
        _create(broker.address)
        await publish(broker.address, "t", range(100))
        admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        async with _program(broker.address, "t") as process:
            events = process.stdout
            assert events
            await _until(events, "received", 100)
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(3)
            process.send_signal(signal.SIGCONT)
            await _until(events, "lost", 1)
            assert await asyncio.to_thread(committed, admin, "t") == {}
            await _until(events, "received", 200)  # all of it again
        assert await asyncio.to_thread(committed, admin, "t") == {0: 100}


@asynccontextmanager
async def _program(
    address: str, topic: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a member of its own; at the end it finishes all, and leaves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("member_program.py")),
        address,
        topic,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        await process.communicate(b"")  # the end of its input is its end
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until(events: asyncio.StreamReader, event: str, count: int) -> None:
    while line := await events.readline():
        if line.startswith(b"[") and json.loads(line) == [event, count]:
            return
    pytest.fail(f"the member ended before it said {event} {count}")


async def test_a_committed_offset_that_is_gone_is_said_once(
    kafka: str,
    kafka_admin: AdminClient,
    new_topic: Any,  # noqa: ANN401 - a maker
) -> None:
    topic = new_topic(1)
    await publish(kafka, topic, range(100))
    first, second = Collector(), Collector()
    async with member(kafka, topic, first) as joined:
        await first.count(100)
        joined.finish({Partition(topic, 0): 10})
    kafka_admin.delete_records([TopicPartition(topic, 0, 50)])[
        TopicPartition(topic, 0, 50)
    ].result(30)
    with capture_logs() as logs:
        async with member(kafka, topic, second):
            await second.count(50)
    assert second.values == [b"%d" % n for n in range(50, 100)]
    said = [line for line in logs if line["event"] == "offset_out_of_range"]
    assert len(said) == 1
    assert said[0]["topic"] == topic


@pytest.fixture
def cluster() -> Iterator[mock.MockCluster]:
    with mock.mock_cluster() as cluster:
        cluster.create_topic("t", 1)
        yield cluster


async def test_a_commit_that_fails_is_said_and_the_next_one_counts(
    cluster: mock.MockCluster,
) -> None:
    await publish(cluster.address, "t", range(10))
    first, second = Collector(), Collector()
    with capture_logs() as logs:
        async with member(cluster.address, "t", first) as joined:
            await first.count(10)
            cluster.fail_next(mock.OFFSET_COMMIT, INVALID_COMMIT_OFFSET_SIZE)
            joined.finish({Partition("t", 0): 5})
            await eventually(lambda: any(_is_failed_commit(line) for line in logs))
            await publish(cluster.address, "t", range(10, 20))
            await first.count(20)
            joined.finish({Partition("t", 0): 15})
    assert sum(_is_failed_commit(line) for line in logs) == 1
    async with member(cluster.address, "t", second):
        await second.count(5)
    assert second.values == [b"%d" % n for n in range(15, 20)]


async def test_headers_that_cannot_be_read_make_a_record_malformed_and_stop_nothing(
    cluster: mock.MockCluster,
) -> None:
    listener = Collector()
    async with member(cluster.address, "t", listener):
        await publish(cluster.address, "t", range(100))  # so that Python specialises
        await listener.count(100)
        cluster.publish("t", b"bad", b"\xff\xfe")
        await publish(cluster.address, "t", range(1))
        await listener.count(102)
    bad, good = listener.records[-2:]
    assert (bad.value, good.value) == (b"bad", b"0")
    assert isinstance(receive(bad).error, MalformedMessage)


async def test_a_member_that_raises_is_followed_by_another(
    cluster: mock.MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0

    def broken(message: Message, topic: str) -> Record:
        nonlocal failures
        if not failures:
            failures += 1
            raise RuntimeError("a bug")
        return record_of(message, topic)

    monkeypatch.setattr(member_module, "record_of", broken)
    listener = Collector()
    async with member(cluster.address, "t", listener):
        await publish(cluster.address, "t", range(5))
        await listener.count(5)
    assert failures == 1
    assert listener.values == [b"%d" % n for n in range(5)]


def _is_failed_commit(line: Any) -> bool:  # noqa: ANN401 - structlog's own type
    return bool(line["event"] == "commit_failed")


async def test_a_broker_without_kip_848_is_joined_the_older_way(tmp_path: Path) -> None:
    classic = {"group.coordinator.rebalance.protocols": "classic"}
    with or_skip(), running_broker(tmp_path / "kafka", classic) as broker:
        _create(broker.address)
        await publish(broker.address, "t", range(10))
        listener = Collector()
        async with member(broker.address, "t", listener) as joined:
            await listener.count(10)
            assert joined.state.is_joined


async def test_a_broker_that_comes_back_finds_its_members(own_broker: Broker) -> None:
    _create(own_broker.address)
    await publish(own_broker.address, "t", range(10))
    listener = Collector()
    async with member(own_broker.address, "t", listener) as joined:
        await listener.count(10)
        joined.finish(listener.positions)
        await asyncio.to_thread(own_broker.kill)
        await eventually(lambda: not joined.state.is_joined)
        await asyncio.to_thread(own_broker.start)
        await publish(own_broker.address, "t", range(10, 20))
        await listener.count(20)
        await eventually(lambda: joined.state.is_joined)
    assert listener.values[-10:] == [b"%d" % n for n in range(10, 20)]


async def test_a_member_leaves_though_the_broker_is_away(own_broker: Broker) -> None:
    """The test's time-out is what it may take."""
    _create(own_broker.address)
    listener = Collector()
    async with member(own_broker.address, "t", listener):
        await listener.until(lambda: listener.has("assigned"))
        await asyncio.to_thread(own_broker.kill)
    assert listener.has("revoked") or listener.has("lost")


def _create(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([NewTopic("t", 1)])["t"].result(30)


async def test_what_is_not_committed_keeps_nobody_while_the_broker_is_away(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchwire.adapters.kafka.subscription.LEAVE_S", 0.5)
    _create(own_broker.address)
    await publish(own_broker.address, "t", range(10))
    collector = Collector()
    joining = subscription(own_broker.address, "t")
    await joining.open(collector)
    await collector.count(10)
    await asyncio.to_thread(own_broker.kill)
    joining.finish(collector.positions)
    await asyncio.sleep(0.5)  # until it is stored
    async with asyncio.timeout(10):  # librdkafka's own close takes more than thirty
        await joining.close()
    assert collector.has("revoked")
    await asyncio.to_thread(own_broker.start)  # what was given up ends too, then
    await eventually(lambda: not _gives_up())


async def test_a_topic_that_is_missing_is_said_once_and_read_when_it_comes(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchwire.adapters.kafka.member.MISSING_S", 0.2)
    listener = Collector()
    with capture_logs() as logs:
        async with member(own_broker.address, "t", listener):
            await eventually(lambda: any(map(_is_missing, logs)))
            await asyncio.sleep(1)
            _create(own_broker.address)
            await publish(own_broker.address, "t", range(3))
            await listener.count(3)
    assert sum(map(_is_missing, logs)) == 1


def _gives_up() -> bool:
    return any(one.name == "kafka-subscription" for one in threading.enumerate())


def _is_missing(line: Any) -> bool:  # noqa: ANN401 - as structlog captures it
    return bool(line.get("error_code") == "UNKNOWN_TOPIC_OR_PART")
