"""What a person should hear of a member: one line at each change, never a stream."""

import logging
from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaError, TopicPartition

# librdkafka's own words: it goes on at the earliest record and calls nobody.
_RESET = "offset reset"
_NOTHING = "_NO_OFFSET"  # there was nothing to commit


class MemberLog(logging.Handler):
    """
    Says what befalls a member; the same error is said once until all is well.

    It listens to librdkafka's log too, for the one event that has no callback: the
    committed offset is no longer in the topic.
    """

    def __init__(self, topic: str, group: str) -> None:
        super().__init__()
        self._log = structlog.get_logger().bind(topic=topic, group=group)
        self._said: set[str] = set()
        self._commit_error = ""
        self.commits = 0
        self.failed_commits = 0

    def failed(self, error: KafkaError) -> None:
        """Take an error of the group, the topic or a partition."""
        name, said = error.name(), error.str()
        if name not in self._said:
            self._said.add(name)
            self._log.warning("subscription_failed", error_code=name, error=said)

    def well(self) -> None:
        """Say errors again from now on: partitions were assigned."""
        self._said.clear()

    def committed(self, error: KafkaError | None, _: Sequence[TopicPartition]) -> None:
        """Take the outcome of a commit."""
        name, before = error.name() if error else "", self._commit_error
        if error is None:
            self.commits += 1
        elif name != _NOTHING:
            self.failed_commits += 1
        self._commit_error = name
        if error and name not in (before, _NOTHING):
            self._log.warning("commit_failed", error_code=name, error=error.str())

    def revoked_late(self, count: int, budget_s: float) -> None:
        """Say that events still ran when their partitions went."""
        self._log.warning("revoked_late", count=count, budget_s=budget_s)

    def lost(self, count: int) -> None:
        """Say that partitions were taken without a word."""
        self._log.warning("partitions_lost", count=count)

    def emit(self, record: logging.LogRecord) -> None:
        """Read librdkafka's log."""
        if _RESET in (said := record.getMessage()):
            self._log.warning("offset_out_of_range", error=said)
