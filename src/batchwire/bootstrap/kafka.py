"""The Kafka adapters, by the settings; loaded only where brokers are named."""

from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.subscription import KafkaSubscription
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.config import Settings


def producer(settings: Settings) -> KafkaProducer:
    """Make what the relay publishes with."""
    config = settings.batch_events.build().kafka
    return KafkaProducer(
        ProducerSettings(
            connection=settings.batch_events.kafka.connection(),
            compression=config.compression,
            batch_size=config.batch_size,
            batch_timeout_s=config.batch_timeout_s,
        )
    )


def subscription(settings: Settings, number: int) -> KafkaSubscription:
    """Make a member of the group; ``number`` tells this process's members apart."""
    config = settings.batch_events.build().consumer
    instance_id = settings.batch_events.consumer.instance_id
    return KafkaSubscription(
        SubscriptionSettings(
            connection=settings.batch_events.kafka.connection(config.brokers),
            topic=config.topic,
            group_id=config.group_id,
            instance_id=f"{instance_id}-{number}" if instance_id else "",
            min_bytes=config.min_bytes,
            max_bytes=config.max_bytes,
            batch_records=config.most_at_once,
            is_heard=number == 0,
        )
    )
