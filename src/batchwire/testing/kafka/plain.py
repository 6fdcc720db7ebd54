"""A plain producer and a plain consumer, which know nothing of us."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, Message, Producer


def send(address: str, topic: str, values: Iterable[bytes]) -> None:
    """
    Send, and wait until every replica has acknowledged every value.

    Each value is its own key, so that many of them reach every partition.
    """
    settings = {"bootstrap.servers": address, "enable.idempotence": True}
    producer = Producer(settings | {"log_level": 0})
    refused: list[KafkaError] = []

    def reported(error: KafkaError | None, _: Message) -> None:
        if error:
            refused.append(error)

    for value in values:
        producer.produce(topic, value, value, on_delivery=reported)
        producer.poll(0)
    left = producer.flush(60)
    if left or refused:
        message = f"{left} records not acknowledged, {len(refused)} refused: {refused}"
        raise AssertionError(message)


def read(address: str, topic: str, count: int, **settings: str) -> list[bytes]:
    """
    Wait for so many values from the start of a topic, in a group named as the topic.

    ``settings`` are librdkafka's, with ``_`` for ``.``.
    """
    wanted = {"bootstrap.servers": address, "group.id": topic, "log_level": "0"}
    wanted |= {"auto.offset.reset": "earliest"}
    wanted |= {name.replace("_", "."): value for name, value in settings.items()}
    consumer = Consumer(wanted)
    consumer.subscribe([topic])
    values: list[bytes] = []
    try:
        while len(values) < count:
            got = consumer.consume(count - len(values), 0.2)
            values += [record.value() or b"" for record in got if not record.error()]
    finally:
        consumer.close()
    return values
