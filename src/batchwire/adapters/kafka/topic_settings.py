"""Topics as they should be, and what is not so: values, for who asks and for who shows."""

from dataclasses import dataclass, replace

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """
    A topic as it should be. What is None is left to the broker and not compared.

    ``retention_ms`` -1 keeps records for ever. ``min_insync_replicas`` must be less than
    ``replication``, or one node away stops every producer.
    """

    name: str
    partitions: int = 8
    replication: int | None = None
    retention_ms: int | None = 7 * DAY_MS
    min_insync_replicas: int | None = None
    cleanup_policy: str | None = "delete"
    max_message_bytes: int | None = None

    @property
    def config(self) -> dict[str, str]:
        """What is asked for, by Kafka's names."""
        asked = {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": self.max_message_bytes,
            "min.insync.replicas": self.min_insync_replicas,
            "retention.ms": self.retention_ms,
        }
        return {name: str(value) for name, value in asked.items() if value is not None}


def dead_letters(name: str, events: TopicSettings) -> TopicSettings:
    """Give the topic of dead letters: few records, kept for a month."""
    kept_ms = 30 * DAY_MS
    return replace(
        events, name=name, partitions=1, retention_ms=kept_ms, cleanup_policy="delete"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as asked: ``setting`` by Kafka's name, or ``topic``."""

    topic: str
    setting: str
    wanted: str
    found: str
