"""
The door to what has been consumed: each event once, its effect with it.

An event's row in the inbox is written in the transaction of its effect; where it is
there already, there is no effect.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from batchwire.domain.dead_letter import Disposition
from batchwire.domain.observed import Announcement, Report
from batchwire.domain.record import Record


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """
    A consumed event: who consumed it, what identifies it, and the record itself.

    ``parked_id`` is set where it comes from the retry table; 0 where from the topic.
    """

    consumer: str
    event_id: str
    batch_id: str
    record: Record
    parked_id: int = 0


class Handled(msgspec.Struct, frozen=True, tag=True):
    """Nothing is to be written but that it was handled."""


class Observe(msgspec.Struct, frozen=True, tag=True):
    """Another system says where its batch is; makes the observed batch if need be."""

    report: Report


class Announce(msgspec.Struct, frozen=True, tag=True):
    """Another system says that it has a batch."""

    announcement: Announcement


class Note(msgspec.Struct, frozen=True, tag=True):
    """An operation on an observed batch: kept in its audit log, executed elsewhere."""

    data: dict[str, Any]


class Park(msgspec.Struct, frozen=True, tag=True):
    """
    Keep it in the retry table until ``due_at``; later events of its batch wait.

    ``attempts`` failed since it stands there; what only waits makes none.
    """

    due_at: datetime
    reason: str
    attempts: int = 0


class Bury(msgspec.Struct, frozen=True, tag=True):
    """
    Make it a dead letter: here, and by the outbox on the dead-letter topic.

    ``topic`` is where it comes from, ``dead_letter_topic`` where its copy goes.
    """

    disposition: Disposition
    message: str
    topic: str
    dead_letter_topic: str
    deliveries: int = 1


Effect = Handled | Observe | Announce | Note | Park | Bury


class Applied(StrEnum):
    """What became of one effect."""

    DONE = "ok"
    DUPLICATE = "duplicate"  # its event was here before: no effect
    STALE = "stale"  # older than what is known: in the log, but no change
    PARKED = "parked"  # waits behind earlier events of its batch in the retry table
    UNKNOWN = "unknown"  # nothing is known of its batch: nothing was written
    CONFLICT = "conflict"  # the batch is ours to execute: nothing was written


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the retry table; ``attempts`` failed, first seen at ``first_at``."""

    parked_id: int
    event_id: str
    batch_id: str
    record: Record
    attempts: int
    first_at: datetime
    reason: str


class Inbox(Protocol):
    """What has been consumed, and what waits to be tried again."""

    async def apply(self, work: Sequence[tuple[Arrival, Effect]]) -> list[Applied]:
        """
        Write many effects in one transaction, in their order; durable on return.

        What another system says waits behind parked events of its batch, unless it is
        what they wait for: the first that is known of the batch.

        Raises:
            StoreError: nothing was written.

        """
        ...

    async def is_waiting(self, consumer: str, batch_id: str) -> bool:
        """Whether an event of the batch is parked: what comes later has its turn later."""
        ...

    async def due(self, consumer: str, most: int) -> list[Parked]:
        """
        Read what is to be tried again now, oldest first, one a batch.

        Only the first parked event of a batch is ever due: the others wait behind it.
        """
        ...

    async def purge(self, before: datetime, most: int) -> int:
        """
        Forget handled events older than that, at most so many; returns how many.

        Dead letters that were redriven before then, and never came back, go too.
        """
        ...

    async def repeats(self, consumer: str) -> int:
        """How many events this consumer has had that were here before."""
        ...
