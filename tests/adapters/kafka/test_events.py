"""The whole service on a real broker, seen by plain clients."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from batchwire.config import Settings
from batchwire.domain.record import Place, Record
from batchwire.testing.contracts.events import EventsContract, service_settings
from batchwire.testing.kafka.fixtures import NewTopicFor

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
        await asyncio.to_thread(self._publish, records)

    async def read(self, *, is_dead: bool = False) -> list[Record]:
        return await asyncio.to_thread(self._read, self._dead if is_dead else self._topic)

    def _publish(self, records: Sequence[Record]) -> None:
        producer = Producer({"bootstrap.servers": self._brokers, "log_level": 0})
        for one in records:
            headers = list(one.headers)
            producer.produce(self._topic, one.value, one.key, headers=headers)
        assert producer.flush(ANSWER_S) == 0

    def _read(self, name: str) -> list[Record]:
        settings = {"bootstrap.servers": self._brokers, "group.id": "reader"}
        consumer = Consumer({**settings, "enable.auto.commit": False, "log_level": 0})
        partition = TopicPartition(name, 0, 0)
        _, end = consumer.get_watermark_offsets(partition, ANSWER_S)
        consumer.assign([partition])
        records: list[Record] = []
        while len(records) < end:
            for one in consumer.consume(end - len(records), ANSWER_S):
                headers = tuple(one.headers() or ())
                place = Place(name, 0, one.offset() or 0)
                key, value = one.key(), one.value()
                records.append(
                    Record(key=key, value=value, headers=headers, place=place)
                )
        consumer.close()
        return records


@pytest.mark.timeout(90)
class TestKafkaEvents(EventsContract):
    """As on the embedded transport."""

    @pytest.fixture
    def topic(self, kafka: str, new_topic: NewTopicFor) -> KafkaTopic:
        return KafkaTopic(kafka, new_topic(), new_topic())

    @pytest.fixture
    def settings(self, tmp_path: Path, topic: KafkaTopic) -> Settings:
        return service_settings(str(tmp_path / "batchwire.db"), topic)
