"""``SqlOutbox``, ``SqlInbox``, ``SqlDeadLetters``: the doors of the events, on SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

from batchwire.adapters.sql import (
    dead_letter_rows,
    inbox_rows,
    outbox_rows,
    parked_rows,
    redrive_rows,
)
from batchwire.adapters.sql.database import Database
from batchwire.domain.dead_letter import DeadLetter
from batchwire.ports.bus import Outgoing
from batchwire.ports.clock import Clock
from batchwire.ports.dead_letters import Filter, Portion, Redrive
from batchwire.ports.inbox import (
    Applied,
    Arrival,
    Bury,
    Effect,
    Note,
    Park,
    Parked,
)
from batchwire.ports.outbox import Depth, Pending

_LOOKING = 100  # groups: where one event came again, others do


class SqlOutbox:
    """The table ``outbox``. Implements ``ports.outbox.Outbox``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._nothing: object = None  # the question to which nothing was the answer

    async def add(self, records: Sequence[Outgoing]) -> list[int]:
        """See the port."""
        now = self._clock.now()
        return await self._database.write(outbox_rows.add, records, now)

    async def lease(self, owner: str) -> int:
        """See the port."""
        now = self._clock.now()
        return await self._database.write(outbox_rows.lease, owner, now)

    async def release(self, owner: str) -> None:
        """See the port."""
        await self._database.write(outbox_rows.release, owner)

    async def pending(
        self, owner: str, most: int, *, without: Collection[str] = ()
    ) -> list[Pending]:
        """See the port."""
        version = self._database.version()
        asked = (version, owner, tuple(without))
        if version is not None and asked == self._nothing:
            return []
        found = await self._database.read(outbox_rows.pending, owner, most, without)
        self._nothing = None if found else asked
        return found

    async def done(self, owner: str, pending: Sequence[Pending]) -> int:
        """See the port."""
        positions = [one.position for one in pending]
        return await self._database.write(outbox_rows.done, owner, positions)

    async def refuse(self, owner: str, pending: Pending, reason: str) -> None:
        """See the port."""
        now = self._clock.now()
        await self._database.write(outbox_rows.refuse, owner, pending, reason, now)

    async def waiting(self, positions: Sequence[int]) -> set[int]:
        """See the port."""
        return await self._database.read(outbox_rows.waiting, positions)

    async def refused(self, event_ids: Sequence[str]) -> set[str]:
        """See the port."""
        waiting = dead_letter_rows.waiting_events
        return await self._database.read(waiting, "", event_ids)

    async def depth(self) -> Depth:
        """See the port."""
        return await self._database.read(outbox_rows.depth, self._clock.now())


class SqlInbox:
    """The tables ``inbox``, ``parked``, ``observed``. Implements ``ports.inbox.Inbox``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._looking = 0  # so many groups more look for repeats first

    async def apply(self, work: Sequence[tuple[Arrival, Effect]]) -> list[Applied]:
        """See the port."""
        now = self._clock.now()
        self._looking -= 1
        # These leave no row in the inbox that a repeat would meet.
        must_look = any(isinstance(effect, Bury | Park | Note) for _, effect in work)
        if self._looking <= 0 and not must_look:
            try:
                return await self._write(work, now, looks_first=False)
            except inbox_rows.MustLook:
                self._looking = _LOOKING
        return await self._write(work, now, looks_first=True)

    async def _write(
        self,
        work: Sequence[tuple[Arrival, Effect]],
        now: datetime,
        *,
        looks_first: bool,
    ) -> list[Applied]:
        return await self._database.write(
            inbox_rows.apply, work, now, looks_first=looks_first
        )

    async def is_waiting(self, consumer: str, batch_id: str) -> bool:
        """See the port."""
        is_waiting = parked_rows.is_waiting
        return await self._database.read(is_waiting, consumer, batch_id)

    async def due(self, consumer: str, most: int) -> list[Parked]:
        """See the port."""
        now = self._clock.now()
        return await self._database.read(parked_rows.due, consumer, most, now)

    async def purge(self, before: datetime, most: int) -> int:
        """See the port."""
        return await self._database.write(inbox_rows.purge, before, most)

    async def repeats(self, consumer: str) -> int:
        """See the port."""
        return await self._database.read(inbox_rows.count_repeats, consumer)


class SqlDeadLetters:
    """The table ``dead_letters``. Implements ``ports.dead_letters.DeadLetters``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, wanted: Filter, limit: int = 0) -> list[DeadLetter]:
        """See the port."""
        return await self._database.read(dead_letter_rows.find, wanted, limit)

    async def redrive(self, wanted: Filter, how: Redrive) -> Portion:
        """See the port."""
        now = self._clock.now()
        if how.is_dry_run:
            return await self._database.read(redrive_rows.redrive, wanted, how, now)
        return await self._database.write(redrive_rows.redrive, wanted, how, now)

    async def discard(self, wanted: Filter, by: str, reason: str) -> list[int]:
        """See the port."""
        now = self._clock.now()
        return await self._database.write(redrive_rows.discard, wanted, by, reason, now)

    async def count(self) -> int:
        """See the port."""
        return await self._database.read(dead_letter_rows.count)
