"""What a real broker promises, and ours for tests keeps."""

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer


def produce(address: str, topic: str, values: list[bytes]) -> None:
    """Send and wait until all are acknowledged."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "log_level": 0})
    refused: list[KafkaError] = []

    def reported(error: KafkaError | None, _: Message) -> None:
        if error:
            refused.append(error)

    for value in values:
        producer.produce(topic, value, on_delivery=reported)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not refused


def consume(address: str, topic: str, count: int, **settings: str) -> list[bytes]:
    """Read so many from the start, with a group of its own."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": f"of-{topic}",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
        | {name.replace("_", "."): value for name, value in settings.items()}
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    try:
        while len(values) < count:
            got = consumer.consume(count - len(values), 0.5)
            values += [record.value() or b"" for record in got if not record.error()]
    finally:
        consumer.close()
    return values


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.timeout(60)
def test_a_group_of_either_protocol_reads_what_was_sent(
    kafka: str, topic: str, protocol: str
) -> None:
    sent = [b"%d" % n for n in range(100)]
    produce(kafka, topic, sent)
    assert sorted(consume(kafka, topic, 100, group_protocol=protocol)) == sorted(sent)
