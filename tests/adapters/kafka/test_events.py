"""The whole service on a real broker, seen by plain clients."""

from pathlib import Path

import pytest
from tests.events.contract import EventsContract, service_settings

from batchwire.config import Settings
from batchwire.testing.kafka.fixtures import NewTopicFor
from batchwire.testing.kafka.topic import KafkaTopic


@pytest.mark.timeout(90)
class TestKafkaEvents(EventsContract):
    """As on the embedded transport."""

    @pytest.fixture
    def topic(self, kafka: str, new_topic: NewTopicFor) -> KafkaTopic:
        """Give a topic of this test alone."""
        return KafkaTopic(kafka, new_topic(), new_topic())

    @pytest.fixture
    def settings(self, tmp_path: Path, topic: KafkaTopic) -> Settings:
        """Give the settings of the service."""
        return service_settings(str(tmp_path / "batchwire.db"), topic)
