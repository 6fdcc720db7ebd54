"""A topic on a broker as plain clients see it (``tests.events.contract.Topic``)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from batchwire.domain.record import Headers, Place, Record

ANSWER_S = 10.0


class KafkaTopic:
    """Two topics of one partition: for events, and for dead letters."""

    def __init__(self, brokers: str, topic: str, dead: str) -> None:
        self._brokers, self._topic, self._dead = brokers, topic, dead
        self.settings: dict[str, Any] = {
            "batch_events": {
                "kafka": {"brokers": brokers, "topic": topic, "batch_timeout": "5ms"},
                "consumer": {
                    "brokers": brokers,
                    "topic": topic,
                    "group_id": f"group-{topic}",
                    "consumers": 1,
                    "min_bytes": 1,
                },
                "dead_letter_topic": dead,
            }
        }

    async def publish(self, records: Sequence[Record]) -> None:
        """Append records, acknowledged."""
        await asyncio.to_thread(self._publish, records)

    async def read(self, *, is_dead: bool = False) -> list[Record]:
        """Read all that stands in one of them now."""
        return await asyncio.to_thread(
            self._read, self._dead if is_dead else self._topic
        )

    def _publish(self, records: Sequence[Record]) -> None:
        producer = Producer({"bootstrap.servers": self._brokers, "log_level": 0})
        for one in records:
            headers: list[tuple[str, str | bytes | None]] = list(one.headers)
            producer.produce(self._topic, one.value, one.key, headers=headers)
        if producer.flush(ANSWER_S):
            raise TimeoutError("the broker did not take the records")

    def _read(self, name: str) -> list[Record]:
        settings = {"bootstrap.servers": self._brokers, "group.id": "reader"}
        consumer = Consumer({**settings, "enable.auto.commit": False, "log_level": 0})
        partition = TopicPartition(name, 0, 0)
        _, end = consumer.get_watermark_offsets(partition, ANSWER_S)
        consumer.assign([partition])
        records: list[Record] = []
        while len(records) < end:
            for one in consumer.consume(end - len(records), ANSWER_S):
                headers: Headers = tuple(one.headers() or ())  # type: ignore[arg-type]
                place = Place(name, 0, one.offset() or 0)
                key, value = one.key(), one.value()
                records.append(
                    Record(key=key, value=value, headers=headers, place=place)
                )
        consumer.close()
        return records
