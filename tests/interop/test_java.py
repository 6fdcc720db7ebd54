"""A Java service asks for a batch, operates on it, and reads what comes back."""

import asyncio
import json
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Consumer
from tests.interop.conftest import Run

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing
from batchwire.testing.kafka.fixtures import NewTopicFor

pytestmark = pytest.mark.timeout(180)

BATCH_ID = "batch-67890"
KEYS = [f"batch-{number}" for number in range(990)]
KEYS += ["b", "Batch:1", "a.b_c-d", "0", "x" * 128, "7f:9", "Z", "-", "..", "b-é"]
REQUEST = {
    "request_id": "req-12345",
    "batch_id": BATCH_ID,
    "user_id": "user-123",
    "batch_type": "sms",
    "message_type": "template",
    "recipients": ["+8613800138000", "+8613900139000"],
    "template": "Hello {{name}}",
    "params": {"name": "José"},
    "schedule_time": "2999-01-01T00:00:00Z",
    "priority": 5,
}


async def test_a_batch_has_the_same_partition_from_java_and_from_us(
    kafka: str, new_topic: NewTopicFor, java_service: Run
) -> None:
    topic = new_topic(8)
    given = "".join(f"batch_request\t{key}\t{{}}\n" for key in KEYS)
    printed = await java_service("send", kafka, topic, given=given)
    theirs = dict(line.split("\t") for line in printed.splitlines())
    producer = KafkaProducer(
        ProducerSettings(connection=KafkaConnectionSettings(brokers=(kafka,)))
    )
    await producer.open()
    ours = [Record(key=key.encode(), value=b"ours") for key in KEYS]
    await producer.publish([Outgoing(topic=topic, record=one) for one in ours])
    await producer.close()
    found = await asyncio.to_thread(partitions, kafka, topic)
    assert found == {key: int(number) for key, number in theirs.items()}
    assert set(found.values()) == set(range(8))


async def test_a_java_service_commands_a_batch_and_reads_what_becomes_of_it(
    kafka: str, topic: str, java_service: Run, serving: None
) -> None:
    del serving
    said = [line("batch_request", REQUEST)]
    said += [operation(name) for name in ("pause", "resume", "pause", "abort")]
    await java_service("send", kafka, topic, given="".join(said))
    printed = await java_service("follow", kafka, topic, BATCH_ID, "aborted")
    updates = [read(one) for one in printed.splitlines()]
    for headers, update in updates:
        assert headers["batch_id"] == headers["ce_subject"] == update["batch_id"]
        assert headers["status"] == update["status"]
        assert headers["content-type"] == "application/json"
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == "io.batchwire.batch_status_update.v1"
        assert headers["timestamp"].isdecimal()
    statuses = [update["status"] for _, update in updates]
    assert statuses[-1] == "aborted"
    assert sum(status.endswith("_paused") for status in statuses) == 2
    order = [headers["ce_sequence"] for headers, _ in updates]
    assert order == sorted(set(order))
    assert len({headers["ce_id"] for headers, _ in updates}) == len(updates)


def line(message_type: str, message: dict[str, Any]) -> str:
    """Give a message as the Java service takes it."""
    body = json.dumps(message, ensure_ascii=False)
    return f"{message_type}\t{message['batch_id']}\t{body}\n"


numbers = count(1)


def operation(name: str) -> str:
    """Give an operation with a request_id of its own."""
    message = {
        "request_id": f"req-12345-{name}-{next(numbers)}",
        "batch_id": BATCH_ID,
        "operation": name,
        "phase": "",
        "reason": "asked by a person",
        "operator_id": "admin-123",
        "requested_at": "2024-01-01T00:03:00.123456789Z",
    }
    return line("batch_operation", message)


def read(printed: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Take apart what the Java service printed of a record."""
    *headers, body = printed.split("\t")
    return dict(one.split("=", 1) for one in headers), json.loads(body)


def partitions(kafka: str, topic: str) -> dict[str, int]:
    """Read on which partition each of our records is."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    found: dict[str, int] = {}
    try:
        while len(found) < len(KEYS):
            for record in consumer.consume(500, 0.2):
                key, partition = record.key(), record.partition()
                if record.value() == b"ours" and key and partition is not None:
                    found[key.decode()] = partition
    finally:
        consumer.close()
    return found
