"""What a person should hear of a member: one line at each change, never a stream."""

import logging
from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaError, TopicPartition

# librdkafka's own words: it goes on at the earliest record and calls nobody.
_RESET = "offset reset"


class MemberLog(logging.Handler):
    """
    Says what befalls a member; the same error twice in a row is said once.

    It listens to librdkafka's log too, for the one event that has no callback: the
    committed offset is no longer in the topic.
    """

    def __init__(self, topic: str, group: str) -> None:
        super().__init__()
        self._log = structlog.get_logger().bind(topic=topic, group=group)
        self._last = ""
        self._commit_error = ""

    def failed(self, error: KafkaError) -> None:
        """Take an error of the client or of a partition."""
        name, before = error.name(), self._last
        self._last = name
        if name != before:
            level = logging.ERROR if error.fatal() else logging.WARNING
            self._log.log(
                level, "subscription_failed", error_code=name, error=error.str()
            )

    def committed(self, error: KafkaError | None, _: Sequence[TopicPartition]) -> None:
        """Take the outcome of a commit."""
        name, before = error.name() if error else "", self._commit_error
        self._commit_error = name
        if error and name not in (before, "_NO_OFFSET"):
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
