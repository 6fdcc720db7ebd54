"""
How events come and go; the names are those of the specification, "集成步骤" 1 and 2.

``batch_events.kafka`` is ``KafkaConfig``, ``batch_events.consumer`` is
``KafkaConsumerConfig``. Durations are seconds, sizes bytes.
"""

from dataclasses import dataclass, field
from typing import Literal

Compression = Literal["gzip", "snappy", "lz4", "zstd", "none"]

TOPIC = "sms-batch-events"
GROUP_ID = "sms-batch-event-processor"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """
    How we publish.

    - ``brokers``: ``host:port`` each; where there is none, the events stay in the
      database (the embedded transport).
    - ``compression``: of what the producer sends.
    - ``batch_size``, ``batch_timeout_s``: most records of one producer batch, and how
      long it waits to be full.
    - ``max_attempts``: attempts before ``publish`` reports failure to a caller that
      waits; the event stays in the outbox.
    - ``is_async``: publish returns at once; else it waits for the acknowledgement.
    """

    brokers: tuple[str, ...] = ()
    topic: str = TOPIC
    compression: Compression = "gzip"
    batch_size: int = 100
    batch_timeout_s: float = 1.0
    max_attempts: int = 3
    is_async: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConsumerConfig:
    """
    How we consume.

    - ``processors``: how many events are handled at once in one process.
    - ``consumers``: how many members of the group one process runs.
    - ``force_commit``: an event that still fails after its retries becomes a dead
      letter and its offset is committed; else its partition waits for it.
    - ``queue_capacity``: most events waiting or running; fetching pauses where what may
      come at once would exceed it, which is from about half on.
    - ``min_bytes``, ``max_bytes``: what one fetch brings.
    """

    brokers: tuple[str, ...] = ()
    topic: str = TOPIC
    group_id: str = GROUP_ID
    processors: int = 8
    consumers: int = 4
    force_commit: bool = True
    queue_capacity: int = 200
    min_bytes: int = 1024
    max_bytes: int = 1024 * 1024

    @property
    def most_at_once(self) -> int:
        """Records that one member hands over at once: all together half of the queue."""
        return max(1, self.queue_capacity * 19 // (40 * self.consumers))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEventServiceConfig:
    """
    Everything that the event service is told at its start.

    - ``source``: CloudEvents ``source`` of what we publish; names this installation. A
      record that comes back with it is an echo.
    - ``type_prefix``: reverse domain before the message type in ``ce_type``.
    - ``dead_letter_topic``: a template; ``{topic}`` is the topic's name.
    - ``retries``: how often an event is tried again in its lane, with full jitter
      between ``retry_least_s`` and ``retry_most_s``, before it is parked.
    - ``parked_retries``: how often it is tried again after that, minutes apart.
    - ``unknown_batch_grace_s``: how long an operation waits for its batch.
    - ``dead_share``, ``dead_in_a_row``: dead letters among the last 1,000 events, and
      one after another, at which the consumer stops instead of draining the topic.
    - ``inbox_days``: how long handled events are remembered.
    - ``outbox_max_rows``: records that may wait to be published; at 80 % health says
      degraded, at 100 % new batches are refused.
    - ``max_replays``: redrives of one dead letter before it is quarantined.
    """

    kafka: KafkaConfig = field(default_factory=KafkaConfig)
    consumer: KafkaConsumerConfig = field(default_factory=KafkaConsumerConfig)
    source: str = "/batchwire"
    type_prefix: str = "io.batchwire"
    dead_letter_topic: str = "{topic}.dlq"
    retries: int = 5
    retry_least_s: float = 0.1
    retry_most_s: float = 30.0
    parked_retries: int = 10
    unknown_batch_grace_s: float = 60.0
    dead_share: float = 0.1
    dead_in_a_row: int = 100
    inbox_days: int = 7
    outbox_max_rows: int = 1_000_000
    max_replays: int = 3

    def dead_letters_of(self, topic: str) -> str:
        """Name the topic of a topic's dead letters."""
        return self.dead_letter_topic.replace("{topic}", topic)
