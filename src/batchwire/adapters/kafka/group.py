"""What a group may do, who reads for it, and what waits for it."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from batchwire.adapters.kafka.diagnosis import Lag
from batchwire.adapters.kafka.translation import translated
from batchwire.errors import BrokerError

T = TypeVar("T")

_PAUSE_S = 0.1
_FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call] # the library's
_LAST = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the library's
# Groups of these states have members.
_WITH_MEMBERS = {
    "STABLE",
    "PREPARING_REBALANCING",
    "COMPLETING_REBALANCING",
    "ASSIGNING",
    "RECONCILING",
}


def operations_on_group(
    admin: AdminClient, group_id: str, timeout_s: float
) -> set[str]:
    """
    Name what we may do with the group: ``READ`` is what a consumer needs.

    Raises:
        BrokerError: it may not even be looked at, or the broker is away.

    """

    def ask() -> set[str]:
        asked = admin.describe_consumer_groups(
            [group_id], include_authorized_operations=True, request_timeout=timeout_s
        )
        allowed = asked[group_id].result().authorized_operations
        return {one.name for one in allowed}

    return _answer(f"describing the group {group_id}", timeout_s, ask)


def lag_of(
    admin: AdminClient, group_id: str, topic: str, partitions: int, timeout_s: float
) -> Lag:
    """
    Count what the group has not committed yet.

    Raises:
        BrokerError: the broker does not tell.

    """
    places = [TopicPartition(topic, number) for number in range(partitions)]

    def ask() -> Lag:
        first = _offsets(admin, places, _FIRST, timeout_s)
        last = _offsets(admin, places, _LAST, timeout_s)
        committed = _committed(admin, group_id, places, timeout_s)
        # What retention has deleted waits no more, whatever was committed.
        read = {n: max(committed.get(n, 0), first[n]) for n in first}
        return Lag(
            group_id=group_id,
            records=sum(max(0, last[n] - read[n]) for n in last),
            partitions=partitions,
            uncommitted=partitions - len(committed),
            has_readers=_has_readers(admin, group_id, timeout_s),
        )

    return _answer(f"reading the offsets of the group {group_id}", timeout_s, ask)


def _answer(what: str, timeout_s: float, ask: Callable[[], T]) -> T:
    """
    Ask until the brokers know what they still look for.

    The first question about any group makes them make the topic of the offsets; a
    partition that was just made has no leader yet.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with translated(what):
                return ask()
        except BrokerError as error:
            if not error.retryable or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def _offsets(
    admin: AdminClient,
    places: Sequence[TopicPartition],
    spec: OffsetSpec,
    timeout_s: float,
) -> dict[int, int]:
    asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=timeout_s)
    return {place.partition: asked[place].result().offset for place in asked}


def _committed(
    admin: AdminClient,
    group_id: str,
    places: Sequence[TopicPartition],
    timeout_s: float,
) -> dict[int, int]:
    """Read the committed offsets by partition; those without one are left out."""
    request = ConsumerGroupTopicPartitions(group_id, list(places))
    asked = admin.list_consumer_group_offsets([request], request_timeout=timeout_s)
    answered = asked[group_id].result().topic_partitions
    return {one.partition: one.offset for one in answered if one.offset >= 0}


def _has_readers(admin: AdminClient, group_id: str, timeout_s: float) -> bool:
    groups = admin.list_consumer_groups(request_timeout=timeout_s).result().valid
    return any(
        group.group_id == group_id and group.state.name in _WITH_MEMBERS
        for group in groups
    )
