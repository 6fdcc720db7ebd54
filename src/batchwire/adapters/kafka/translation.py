"""The client's errors, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from batchwire.adapters.kafka.logs import REFUSALS
from batchwire.errors import (
    BrokerError,
    BrokerRefused,
    BrokerUnreachable,
    RecordTooLarge,
    TopicMissing,
)

_REFUSED = REFUSALS | {
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
}
_DOCTOR = "; `batchwire doctor` finds out why"
_MISSING = {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"}
_TOO_LARGE = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"}
_AWAY = {
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
    "_RESOLVE",
    "_TIMED_OUT",
    "_MSG_TIMED_OUT",
    "_TIMED_OUT_QUEUE",
    "REQUEST_TIMED_OUT",
    # A broker starts, or a leader or coordinator moves.
    "BROKER_NOT_AVAILABLE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_FOR_PARTITION",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
}


def ours(error: KafkaError, doing: str) -> BrokerError:
    """Turn an error of librdkafka or of the broker into ours; ``doing`` says at what."""
    kind = _kind(error)
    remedy = _DOCTOR if kind is BrokerUnreachable else ""
    return kind(f"kafka, {doing}: {error.str()} ({error.name()}){remedy}")


def _kind(error: KafkaError) -> type[BrokerError]:
    name = error.name()
    if name in _REFUSED:
        return BrokerRefused
    if name in _MISSING:
        return TopicMissing
    if name in _TOO_LARGE:
        return RecordTooLarge
    return BrokerUnreachable if name in _AWAY or error.retriable() else BrokerError


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """
    Raise ours for theirs.

    Raises:
        BrokerError: of the kind that fits.

    """
    try:
        yield
    except KafkaException as error:
        raise ours(error.args[0], doing) from error
