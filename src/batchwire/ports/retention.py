"""The door to what is kept for a time only."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """
    A batch that has ended and of which something is left to forget.

    ``is_purged``: that was begun already, and is to be finished.
    """

    batch_id: str
    ended_at: datetime
    recipients: int
    is_purged: bool


class Retention(Protocol):
    """Forgets by portions, each a short transaction, beside a service at work."""

    def ended(self, before: datetime) -> AsyncIterator[Ended]:
        """Yield the batches that ended before then, in the order they were made."""
        ...

    async def erase(self, batch_id: str, before: datetime, most: int) -> int:
        """
        Remove what names recipients of a batch, at most so many rows; 0 when done.

        Numbers and parameters, results with provider ids, the list. Of what is older
        than ``before``: its events in the retry table and among the dead letters, and
        requests in the outbox that carry its list. Nothing of a batch that was not
        decided to be purged.
        """
        ...

    async def forget(self, before: datetime, unused_before: datetime, most: int) -> int:
        """
        Remove what is older, at most so many rows of a table; 0 when done.

        Records of the embedded topic, read or not; which events were consumed; dead
        letters that were redriven. Lists that no batch uses and that did not grow since
        ``unused_before``: a younger one may be on its way in.
        """
        ...

    async def old(self, before: datetime) -> Mapping[str, int]:
        """Count what ``forget`` would remove, by table."""
        ...
