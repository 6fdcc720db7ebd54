"""The door to the event log (specification, "事件存储")."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from batchwire.domain.events import Event, Fact


class EventStore(Protocol):
    """Append-only; per batch a contiguous sequence from 1 and a hash chain."""

    async def store(self, batch_id: str, fact: Fact) -> Event:
        """
        Append a fact to a batch's log, as its next event.

        Raises:
            UnknownBatch: there is none of this id.

        """
        ...

    def replay(
        self, batch_id: str, until: datetime | None = None
    ) -> AsyncIterator[Event]:
        """Yield the events in order, to the last at or before ``until``; no effect."""
        ...

    async def check(self) -> None:
        """
        Have the database look at its file as a whole, where that is its own to check.

        Raises:
            StoreDamaged: a page is damaged, though perhaps no batch's.

        """
        ...

    async def verify(self, batch_id: str) -> list[str]:
        """
        Check sequence, hashes, fold against the stored state, and the ledger's sums.

        Returns one sentence per contradiction found; empty is good. Of a batch whose
        recipients were purged the counts are added up, but not read again one by one.
        """
        ...
