"""What the producer survives: errors, a leader that dies, its own death."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.domain.record import Record
from batchwire.errors import BrokerUnreachable, RecordTooLarge, TopicMissing
from batchwire.ports.bus import Outgoing
from batchwire.testing.collector import numbered
from batchwire.testing.kafka import mock
from batchwire.testing.kafka.broker import Broker
from batchwire.testing.kafka.cluster import addresses

pytestmark = pytest.mark.timeout(60)

NOT_ENOUGH_REPLICAS = 19
NOT_LEADER = 6
TIMED_OUT = 7
OUT_OF_ORDER = 45


@pytest.fixture
def cluster() -> Iterator[mock.MockCluster]:
    with mock.mock_cluster() as cluster:
        cluster.create_topic("t", 1)
        yield cluster


@asynccontextmanager
async def producing(address: str, **settings: Any) -> AsyncIterator[KafkaProducer]:  # noqa: ANN401 - fields of ProducerSettings
    connection = KafkaConnectionSettings(brokers=tuple(address.split(",")))
    producer = KafkaProducer(ProducerSettings(connection=connection, **settings))
    await producer.open()
    try:
        yield producer
    finally:
        await producer.close()


def page(topic: str, *numbers: int, keys: int = 1) -> list[Outgoing]:
    return [Outgoing(topic=topic, record=numbered(n, keys)) for n in numbers]


def written(address: str, topic: str, last: bytes) -> list[bytes | None]:
    """Read from the start until a value comes that is the last one."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": f"of-{topic}",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes | None] = []
    while last not in values:
        message = consumer.poll(0.2)
        if message and not message.error():
            values.append(message.value())
    consumer.close()
    return values


async def test_errors_that_pass_are_waited_out(cluster: mock.MockCluster) -> None:
    cluster.fail_next(mock.PRODUCE, NOT_ENOUGH_REPLICAS, NOT_LEADER, TIMED_OUT)
    async with producing(cluster.address) as producer:
        assert await producer.publish(page("t", *range(300))) == [None] * 300
    values = await asyncio.to_thread(written, cluster.address, "t", b"299")
    assert values == [b"%d" % n for n in range(300)]


async def test_a_producer_that_ended_is_followed_by_another(
    cluster: mock.MockCluster,
) -> None:
    async with producing(cluster.address) as producer:
        assert await producer.publish(page("t", 0)) == [None]
        cluster.fail_next(mock.PRODUCE, OUT_OF_ORDER)
        with capture_logs() as logs:
            assert await producer.publish(page("t", *range(1, 301))) == [None] * 300
        ended = [line for line in logs if line["event"] == "producer_ended"]
        assert len(ended) == 1
        assert await producer.publish(page("t", 301)) == [None]
    values = await asyncio.to_thread(written, cluster.address, "t", b"301")
    # written again or not, the last of each is in order, and none is missing
    last = {value: at for at, value in enumerate(values)}
    assert sorted(last, key=last.__getitem__) == [b"%d" % n for n in range(302)]


async def test_only_the_record_that_the_topic_does_not_take_is_refused(
    kafka: str, new_topic: Callable[..., str]
) -> None:
    """Though the broker refuses the whole batch in which it travelled."""
    topic = new_topic(1, max_message_bytes="3000")
    out = page(topic, *range(100))
    large = Record(key=b"key-0", value=bytes(range(256)) * 20)
    out[50] = Outgoing(topic=topic, record=large)
    async with producing(kafka, compression="none") as producer:
        results = await producer.publish(out)
        assert isinstance(results.pop(50), RecordTooLarge)
        assert results == [None] * 99
    values = await asyncio.to_thread(written, kafka, topic, b"99")
    last = {value: at for at, value in enumerate(values)}
    wanted = [b"%d" % n for n in range(100) if n != 50]
    assert sorted(last, key=last.__getitem__) == wanted


async def test_a_missing_topic_is_said_and_the_others_are_written(
    kafka: str, topic: str, kafka_admin: AdminClient
) -> None:
    late = f"late-{topic}"
    async with producing(kafka) as producer:
        out = page(late, 0, 1) + page(topic, 0)
        results = await producer.publish(out)
        assert [type(result) for result in results[:2]] == [TopicMissing] * 2
        assert results[2] is None
        kafka_admin.create_topics([NewTopic(late, 1)])[late].result(30)
        # A producer that still knows it is missing says so at once, but not for long.
        while any(await producer.publish(page(late, 0))):
            pass


async def test_nobody_waits_for_a_batch_to_be_full(kafka: str, topic: str) -> None:
    """Else this would time out: the page is all that comes."""
    async with producing(kafka, batch_size=10_000, batch_timeout_s=300.0) as producer:
        assert await producer.publish(page(topic, 0, 1, 2)) == [None] * 3


async def test_more_than_the_queue_holds_is_written_all_the_same(
    kafka: str, topic: str
) -> None:
    async with producing(kafka, queue_records=50, batch_timeout_s=300.0) as producer:
        assert await producer.publish(page(topic, *range(500))) == [None] * 500


async def test_closing_gives_back_what_waits_for_a_broker_that_is_away(
    own_broker: Broker,
) -> None:
    async with producing(own_broker.address) as producer:
        own_broker.kill()
        waiting = asyncio.create_task(producer.publish(page("t", *range(10))))
        await asyncio.sleep(0.5)
        assert not waiting.done()
    results = await waiting
    assert [type(result) for result in results] == [BrokerUnreachable] * 10


async def test_what_was_published_while_the_broker_was_away_is_written_after(
    own_broker: Broker,
) -> None:
    admin = AdminClient({"bootstrap.servers": own_broker.address, "log_level": 0})
    admin.create_topics([NewTopic("t", 1)])["t"].result(30)
    async with producing(own_broker.address) as producer:
        assert await producer.publish(page("t", 0)) == [None]
        await asyncio.to_thread(own_broker.kill)
        waiting = asyncio.create_task(producer.publish(page("t", *range(1, 100))))
        await asyncio.to_thread(own_broker.start)
        assert await waiting == [None] * 99
    values = await asyncio.to_thread(written, own_broker.address, "t", b"99")
    assert values == [b"%d" % n for n in range(100)]


@pytest.mark.timeout(90)
async def test_the_death_of_a_leader_loses_nothing_and_keeps_the_order(
    kafka_cluster: Sequence[Broker],
) -> None:
    brokers = addresses(kafka_cluster)
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    admin.create_topics([NewTopic("t", 3, 3)])["t"].result(30)
    async with producing(brokers) as producer:
        for number in range(20):
            if number == 5:
                kafka_cluster[1].kill()
            numbers = range(500 * number, 500 * (number + 1))
            assert not any(await producer.publish(page("t", *numbers, keys=30)))
    values = await asyncio.to_thread(_all_of, brokers, "t", 10_000)
    assert len(values) == len(set(values)) == 10_000
    for key in range(30):
        of_key = [value for value in values if value % 30 == key]
        assert of_key == sorted(of_key)


def _all_of(address: str, topic: str, count: int) -> list[int]:
    """Read so many different ones."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": f"all-of-{topic}",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    values: list[int] = []
    while len(set(values)) < count:
        got: list[Message] = consumer.consume(1000, 0.2)
        values += [int(each.value() or b"") for each in got if not each.error()]
    consumer.close()
    return values
