"""
The door to the topic: records out, acknowledged; records in, with their place.

Two adapters, held by one conformance suite: Apache Kafka, and the embedded one on the
database. A topic keeps the order of the records of one key that one producer wrote.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from batchwire.domain.record import Partition, Record
from batchwire.errors import BrokerError


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A record on its way to a topic."""

    topic: str
    record: Record


class Producer(Protocol):
    """Writes to topics. One instance serves one event loop."""

    async def open(self) -> None:
        """
        Make ready to publish; does not wait for a broker. Idempotent.

        Raises:
            BrokerError: the settings cannot work.

        """
        ...

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """
        Write in order; returns, record by record, None or why it was not written.

        Waits until each is acknowledged by all in-sync replicas, or is surely given up;
        while the broker is away it waits on. Where several were given up, none of the
        same key that came later was written. A retryable error says "again": it may
        have been written all the same.
        """
        ...

    async def close(self) -> None:
        """Let go of the broker; what is not acknowledged stays the caller's."""
        ...


class Listener(Protocol):
    """
    Who takes what a subscription receives.

    Called on the event loop, one after another, in the order in which things happened.
    """

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Expect records of these from now on; their first is what was committed."""
        ...

    def received(self, records: Sequence[Record]) -> None:
        """Take records, each with its place, per partition in order."""
        ...

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """
        Finish what runs of these, and call ``finish`` for it, before this returns.

        Nothing of them is received any more. The subscription waits at most 20 s or a
        fifth of the poll interval; then they belong to somebody else.
        """
        ...

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Forget these: somebody else has them already. ``finish`` has no effect."""
        ...


class SubscriptionState(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a subscription is.

    ``polled_at``: monotonic seconds of its last poll, 0 before the first. ``lag``:
    records that are in the topic and not received, by partition. ``commits`` and
    ``failed_commits`` of finished positions, since it was opened.
    """

    is_joined: bool
    polled_at: float
    lag: Mapping[Partition, int] = {}
    commits: int = 0
    failed_commits: int = 0


class Subscription(Protocol):
    """One member of a consumer group on one topic."""

    async def open(self, listener: Listener) -> None:
        """
        Join the group; returns at once, the broker may be away.

        Raises:
            BrokerError: the settings cannot work.

        """
        ...

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """
        Say up to where all is finished: per partition the offset to read next.

        Committed within a second and on revoke; ignored for partitions not assigned.
        """
        ...

    def pause(self) -> None:
        """Receive nothing more for now; membership is kept. Idempotent."""
        ...

    def resume(self) -> None:
        """Receive again. Idempotent."""
        ...

    @property
    def state(self) -> SubscriptionState:
        """How it is now; costs nothing."""
        ...

    async def close(self) -> None:
        """Revoke all (``Listener.revoked``), commit, and leave the group."""
        ...
