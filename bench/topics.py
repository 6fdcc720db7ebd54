"""A real broker for a bench, and topics with something in them."""

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.domain.lifecycle import Phase
from batchwire.domain.record import Record
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.requests import BatchStatusUpdateRequest
from batchwire.testing.kafka.broker import running_broker

PARTITIONS = 12
BATCHES = 2_000
_ANSWER_S = 30.0


@contextmanager
def broker(scratch: Path) -> Iterator[str]:
    """Run one node; gives its address."""
    with running_broker(scratch / "kafka") as running:
        yield running.address


def connection(brokers: str) -> KafkaConnectionSettings:
    """Say how it is reached."""
    return KafkaConnectionSettings(brokers=(brokers,))


def topic(brokers: str, partitions: int = PARTITIONS) -> str:
    """Make a fresh topic."""
    name = f"bench-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(name, num_partitions=partitions)])[name].result(
        _ANSWER_S
    )
    return name


def updates(count: int, batches: int = BATCHES) -> list[Record]:
    """Make status updates of observed batches, as another system's service does."""
    chance = random.Random(1)  # noqa: S311 - the same batches every time
    at = datetime.now(UTC)
    return [
        encode(
            BatchStatusUpdateRequest(
                request_id=f"request-{number}",
                batch_id=f"batch-{chance.randrange(batches):06d}",
                status="delivery_running",
                current_phase=Phase.DELIVERY,
                progress=0.5,
                processed=number,
                success=number,
                updated_at=at,
            ),
            EventContext(
                event_id=str(uuid.UUID(int=number)),
                source="/another-service",
                type_prefix="com.example",
                time=at,
            ),
        )
        for number in range(count)
    ]


def fill(brokers: str, name: str, records: Sequence[Record]) -> None:
    """Publish the records."""
    produce_s(brokers, name, records)


def produce_s(brokers: str, name: str, records: Sequence[Record]) -> float:
    """
    Produce bare, with a delivery report for each; the seconds it took.

    The floor of the relay: the settings are ours (all replicas, idempotent, gzip).
    """
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "gzip",
            "batch.num.messages": 100,
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
        }
    )
    reported = 0

    def report(error: object, _: object) -> None:
        nonlocal reported
        if error is not None:
            raise RuntimeError(error)
        reported += 1

    producer.list_topics(name, timeout=_ANSWER_S)
    started = time.perf_counter()
    for record in records:
        while True:
            try:
                producer.produce(
                    name,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    on_delivery=report,
                )
            except BufferError:
                producer.poll(0.01)
            else:
                break
        producer.poll(0)
    producer.flush(_ANSWER_S)
    seconds = time.perf_counter() - started
    if reported != len(records):
        problem = f"{reported} of {len(records)} records were acknowledged"
        raise RuntimeError(problem)
    return seconds


def bare_consumer(brokers: str, name: str) -> Consumer:
    """Make a consumer that reads a topic from its beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"floor-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([name])
    return consumer
