"""
The door to what is to be published: kept durably, published later, in order.

The table ``outbox`` of the database, written in the transaction of what it tells, is
one; a host that has no database of ours has a spool file (``host_outbox``).
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing


class Pending(msgspec.Struct, frozen=True):
    """
    A record that waits; ``position`` is the outbox's own, ascending.

    It is kept as it was read, and made when it is published: ten thousand made at once
    leave the processor's cache before they are used, which costs more than making them.
    """

    position: int
    topic: str
    make: Callable[[], Record]

    @property
    def outgoing(self) -> Outgoing:
        """The record on its way; made anew each time."""
        return Outgoing(topic=self.topic, record=self.make())


class Depth(msgspec.Struct, frozen=True):
    """How much waits: ``rows``, and the age of the oldest in seconds (0 where none)."""

    rows: int = 0
    oldest_s: float = 0.0


class Waiting(Protocol):
    """What a relay reads: records that wait to be published."""

    async def lease(self, owner: str) -> int:
        """
        Take what shards are free, renew those held; returns how many are ours now.

        To be called every few seconds; a shard not renewed for 30 s is another's.
        """
        ...

    async def release(self, owner: str) -> None:
        """Give all shards back, at an orderly end."""
        ...

    async def pending(
        self, owner: str, most: int, *, without: Collection[str] = ()
    ) -> list[Pending]:
        """
        Read the oldest of our shards, in order per key; the same until ``done``.

        ``without`` names topics whose records are passed over.
        """
        ...

    async def done(self, owner: str, pending: Sequence[Pending]) -> int:
        """
        Forget what was published; returns how many.

        What another relay has taken over meanwhile is left to it.
        """
        ...

    async def refuse(self, owner: str, pending: Pending, reason: str) -> None:
        """Move what can never be published to the dead letters (``too-large``)."""
        ...


class Outbox(Waiting, Protocol):
    """Where records are put that are to be published."""

    async def add(self, records: Sequence[Outgoing]) -> list[int]:
        """Keep them durably, in this order; returns their positions."""
        ...

    async def waiting(self, positions: Sequence[int]) -> set[int]:
        """Which of these still wait."""
        ...

    async def refused(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these were refused, and not redriven since."""
        ...

    async def depth(self) -> Depth:
        """How much waits."""
        ...
