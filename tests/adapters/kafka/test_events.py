"""The whole service on a real broker, seen by plain clients."""

from pathlib import Path

import pytest

from batchwire.config import Settings
from batchwire.testing.contracts.events import EventsContract, service_settings
from batchwire.testing.kafka.fixtures import NewTopicFor
from batchwire.testing.kafka.topic import KafkaTopic


@pytest.mark.timeout(90)
class TestKafkaEvents(EventsContract):
    """As on the embedded transport."""

    @pytest.fixture
    def topic(self, kafka: str, new_topic: NewTopicFor) -> KafkaTopic:
        return KafkaTopic(kafka, new_topic(), new_topic())

    @pytest.fixture
    def settings(self, tmp_path: Path, topic: KafkaTopic) -> Settings:
        return service_settings(str(tmp_path / "batchwire.db"), topic)
