"""Kafka keeps the promises of the bus, on a real broker."""

from dataclasses import dataclass

import pytest

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.subscription import KafkaSubscription
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.testing.contracts.bus import BusContract


@dataclass
class KafkaBus:
    """Makes clients of one broker; a group's name is its own in each topic."""

    connection: KafkaConnectionSettings
    topic: str
    partitions: int = 4
    too_large: int = 2_000_000

    def producer(self) -> KafkaProducer:
        """Make one, not opened."""
        return KafkaProducer(ProducerSettings(connection=self.connection))

    def subscription(self, group: str) -> KafkaSubscription:
        """Make a member, not opened."""
        return KafkaSubscription(
            SubscriptionSettings(
                connection=self.connection,
                topic=self.topic,
                group_id=f"{group}-{self.topic}",
            )
        )


@pytest.mark.timeout(60)
class TestKafkaBus(BusContract):
    """As in service: four partitions, gzip, a batch time-out of a second."""

    @pytest.fixture
    def bus(self, kafka: str, topic: str) -> KafkaBus:
        """Give a fresh topic on the shared broker."""
        return KafkaBus(KafkaConnectionSettings(brokers=(kafka,)), topic)
