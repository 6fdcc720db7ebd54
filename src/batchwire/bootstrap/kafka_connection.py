"""How the brokers are reached, by the settings; loads no client of Kafka."""

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.config import Settings


def connection(
    settings: Settings, brokers: tuple[str, ...] = ()
) -> KafkaConnectionSettings:
    """Say how the brokers are reached; those that are published to, by default."""
    group = settings.batch_events.kafka
    return KafkaConnectionSettings(
        brokers=brokers or group.brokers,
        tls=group.tls.build(),
        sasl=group.sasl.build(),
    )
