"""How a member of a consumer group behaves, and what librdkafka is told for it."""

from dataclasses import dataclass
from typing import Final, Literal

from batchwire.adapters.kafka.connection import (
    Configuration,
    KafkaConnectionSettings,
    configuration,
)

GroupProtocol = Literal["consumer", "classic"]

# A fifth of the poll interval, and never more, for what runs when partitions go.
REVOKE_SHARE: Final = 0.2
REVOKE_MOST_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSettings:
    """
    What to read, as whom, and how much at once.

    - ``instance_id``: static membership: the same name after a restart keeps the
      partitions; unique in the group. Empty: none.
    - ``min_bytes``, ``max_bytes``: what one fetch brings; a fetch that is not full
      waits ``fetch_wait_s`` at most.
    - ``batch_records``: most records handed to the listener at once.
    - ``buffer_bytes``: most that is fetched ahead.
    - ``is_heard``: whether it logs how the brokers are; one member of a process does.
    - ``max_poll_interval_s``: a member that does not move for so long is put out of its
      group.
    """

    connection: KafkaConnectionSettings
    topic: str
    group_id: str
    instance_id: str = ""
    min_bytes: int = 1024
    max_bytes: int = 1024 * 1024
    fetch_wait_s: float = 0.1
    batch_records: int = 100
    buffer_bytes: int = 16 * 1024 * 1024
    is_heard: bool = True
    max_poll_interval_s: float = 300.0

    @property
    def revoke_budget_s(self) -> float:
        """How long a listener has to finish when partitions go."""
        return min(REVOKE_SHARE * self.max_poll_interval_s, REVOKE_MOST_S)


def member_configuration(
    settings: SubscriptionSettings, protocol: GroupProtocol
) -> Configuration:
    """Give librdkafka's settings; the secrets are in it."""
    named = {"group.instance.id": settings.instance_id} if settings.instance_id else {}
    classic = {"partition.assignment.strategy": "cooperative-sticky"}
    return {
        **configuration(settings.connection),
        **_reading(settings),
        **named,
        **(classic if protocol == "classic" else {}),
        "group.protocol": protocol,
        "group.id": settings.group_id,
        "max.poll.interval.ms": int(settings.max_poll_interval_s * 1000),
        # What is stored is committed every second and when partitions go; only what
        # is finished is stored. An explicit commit of offsets would be taken by the
        # broker for a partition that has moved on; a stored one is refused.
        "enable.auto.offset.store": False,
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 1000,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }


def _reading(settings: SubscriptionSettings) -> Configuration:
    return {
        "fetch.min.bytes": settings.min_bytes,
        "fetch.max.bytes": settings.max_bytes,
        "fetch.message.max.bytes": settings.max_bytes,
        # librdkafka wants it to be no more than fetch.max.bytes; it is for producers.
        "message.max.bytes": min(settings.max_bytes, 1_000_000),
        "fetch.wait.max.ms": int(settings.fetch_wait_s * 1000),
        "queued.max.messages.kbytes": settings.buffer_bytes // 1024,
        # A full buffer stops fetching for this long: a second, unless told otherwise,
        # which halves the rate.
        "fetch.queue.backoff.ms": 10,
    }
