"""Looking after topics and connection, by the settings; loaded where it is asked for."""

from collections.abc import Sequence

from batchwire.adapters.kafka import doctor, topics
from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.diagnosis import Examination, Patient
from batchwire.adapters.kafka.entrance import admin_client
from batchwire.adapters.kafka.topic_settings import Difference, TopicSettings
from batchwire.config import Settings
from batchwire.errors import SettingsError


def create_topics(settings: Settings, wanted: Sequence[TopicSettings]) -> list[str]:
    """Make those that do not exist; returns their names."""
    return topics.create(admin_client(_brokers(settings)), wanted)


def check_topics(
    settings: Settings, wanted: Sequence[TopicSettings]
) -> list[Difference]:
    """Compare the topics with what is wanted."""
    return topics.check(admin_client(_brokers(settings)), wanted)


def examine(settings: Settings) -> Examination:
    """Take the way to the brokers as the consumer takes it."""
    config = settings.batch_events.build()
    patient = Patient(
        connection=_brokers(settings),
        topic=config.consumer.topic,
        dead_letters=config.dead_letters_of(config.consumer.topic),
        group_id=config.consumer.group_id,
    )
    return doctor.examine(patient)


def _brokers(settings: Settings) -> KafkaConnectionSettings:
    way = settings.batch_events.kafka.connection()
    if not way.brokers:
        message = (
            "batch_events.kafka.brokers: no broker is named, so there is nothing to"
            " look after; set it, or KAFKA_BROKERS, to host:port"
        )
        raise SettingsError(message)
    return way
