"""The group ``batch_events``: the specification's YAML as it stands, and what it lacks."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.config.durations import Duration
from batchwire.config.group import Group, Integer, Number
from batchwire.config.kafka_security import SaslGroup, TlsGroup
from batchwire.events.settings import (
    BatchEventServiceConfig,
    Compression,
    KafkaConfig,
    KafkaConsumerConfig,
)

_OF_EVENTS = BatchEventServiceConfig()
_OF_KAFKA = KafkaConfig()
_OF_CONSUMER = KafkaConsumerConfig()

TOPIC_PATTERN = r"^[A-Za-z0-9._-]{1,249}$"


def _listed(value: Any) -> Any:  # noqa: ANN401 unvalidated
    """Read ``a:9092,b:9092`` as a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[^\s,/]+:\d{1,5}", value):
        problem = "must be host:port, such as localhost:9092"
        raise ValueError(problem)
    return value


Broker = Annotated[str, AfterValidator(_address)]
Brokers = Annotated[tuple[Broker, ...], BeforeValidator(_listed)]


class KafkaGroup(Group):
    """What is published, and how the brokers are reached."""

    brokers: Brokers = Field(
        default=(),
        description="`host:port` of brokers, a list or with commas between. Without any"
        " the events stay in the database.",
    )
    topic: str = Field(
        default=_OF_KAFKA.topic,
        pattern=TOPIC_PATTERN,
        description="Topic of the batch events.",
    )
    compression: Compression = Field(
        default=_OF_KAFKA.compression, description="Of what is published."
    )
    batch_size: Integer = Field(
        default=_OF_KAFKA.batch_size,
        ge=1,
        le=1_000_000,
        description="Most records of one producer batch.",
    )
    batch_timeout: Duration = Field(
        default=_OF_KAFKA.batch_timeout_s,
        description="Longest wait of a producer batch to be full, `1s` or seconds.",
    )
    max_attempts: Integer = Field(
        default=_OF_KAFKA.max_attempts,
        ge=1,
        le=1000,
        description="Attempts before a publish that waits reports failure; the event"
        " stays in the outbox.",
    )
    is_async: bool = Field(
        default=_OF_KAFKA.is_async,
        alias="async",
        description="Publish returns at once; else it waits for the acknowledgement.",
    )
    tls: TlsGroup = Field(default=TlsGroup(), description="TLS to the brokers.")
    sasl: SaslGroup = Field(default=SaslGroup(), description="Who we are to them.")

    def connection(self, brokers: tuple[str, ...] = ()) -> KafkaConnectionSettings:
        """Say how brokers are reached; those that are published to, by default."""
        return KafkaConnectionSettings(
            brokers=brokers or self.brokers,
            tls=self.tls.build(),
            sasl=self.sasl.build(),
        )


class ConsumerGroup(Group):
    """What is consumed."""

    brokers: Brokers = Field(
        default=(), description="As `batch_events.kafka.brokers`, which it defaults to."
    )
    topic: str = Field(
        default="",
        pattern=r"^$|" + TOPIC_PATTERN,
        description="Topic to consume; `batch_events.kafka.topic` where empty.",
    )
    group_id: str = Field(
        default=_OF_CONSUMER.group_id,
        min_length=1,
        max_length=249,
        description="Consumer group; also names what was handled in the inbox.",
    )
    processors: Integer = Field(
        default=_OF_CONSUMER.processors,
        ge=1,
        le=1000,
        description="Events handled at once in one process.",
    )
    consumers: Integer = Field(
        default=_OF_CONSUMER.consumers,
        ge=1,
        le=100,
        description="Members of the group that one process runs.",
    )
    force_commit: bool = Field(
        default=_OF_CONSUMER.force_commit,
        description="An event that still fails after its retries becomes a dead letter;"
        " else its partition waits for it.",
    )
    queue_capacity: Integer = Field(
        default=_OF_CONSUMER.queue_capacity,
        ge=1,
        le=1_000_000,
        description="Most events waiting or running; at the limit fetching pauses.",
    )
    min_bytes: Integer = Field(
        default=_OF_CONSUMER.min_bytes,
        ge=1,
        le=100_000_000,
        description="Bytes that a fetch waits for, at most a tenth of a second.",
    )
    max_bytes: Integer = Field(
        default=_OF_CONSUMER.max_bytes,
        ge=1024,
        le=1_000_000_000,
        description="Most bytes of one fetch.",
    )
    instance_id: str = Field(
        default="",
        max_length=200,
        description="Static membership: a name that stays the same over restarts, other"
        " on each machine; then a restart moves no partition.",
    )


class BatchEventsGroup(Group):
    """Batch events in both directions."""

    kafka: KafkaGroup = Field(default=KafkaGroup(), description="Publishing.")
    consumer: ConsumerGroup = Field(default=ConsumerGroup(), description="Consuming.")
    source: str = Field(
        default=_OF_EVENTS.source,
        min_length=1,
        max_length=200,
        description="CloudEvents `source` of what we publish; one name an installation.",
    )
    type_prefix: str = Field(
        default=_OF_EVENTS.type_prefix,
        pattern=r"^[A-Za-z0-9.-]{1,100}$",
        description="Reverse domain at the head of `ce_type`.",
    )
    dead_letter_topic: str = Field(
        default=_OF_EVENTS.dead_letter_topic,
        pattern=r"^[A-Za-z0-9._{}-]{1,249}$",
        description="Topic of the dead letters; `{topic}` is the topic's name.",
    )
    unknown_batch_grace_s: Number = Field(
        default=_OF_EVENTS.unknown_batch_grace_s,
        ge=0,
        le=86_400,
        description="Seconds that an operation waits for its batch to become known.",
    )
    inbox_days: Integer = Field(
        default=_OF_EVENTS.inbox_days,
        ge=1,
        le=3650,
        description="Days that handled events are remembered, to know repeats.",
    )
    outbox_max_rows: Integer = Field(
        default=_OF_EVENTS.outbox_max_rows,
        ge=100,
        description="Records that may wait to be published; then new batches are"
        " refused.",
    )
    max_replays: Integer = Field(
        default=_OF_EVENTS.max_replays,
        ge=1,
        le=1000,
        description="Redrives of one dead letter before it is quarantined.",
    )
    lists: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(),
        description="Where `recipients_ref` of a request may point: URLs of folders,"
        " `file:///data/lists/` or `https://lists.example.com/march/`, or of lists.",
    )

    def build(self) -> BatchEventServiceConfig:
        """Make what the event service takes."""
        kafka, consumer = self.kafka, self.consumer
        brokers = consumer.brokers or kafka.brokers
        topic = consumer.topic or kafka.topic
        publishing = kafka.model_dump(exclude={"batch_timeout", "tls", "sasl"})
        consuming = consumer.model_dump(exclude={"brokers", "topic", "instance_id"})
        return BatchEventServiceConfig(
            kafka=KafkaConfig(batch_timeout_s=kafka.batch_timeout, **publishing),
            consumer=KafkaConsumerConfig(brokers=brokers, topic=topic, **consuming),
            **self.model_dump(exclude={"kafka", "consumer", "lists"}),
        )
