"""The door to the dead letters: what could not be handled, kept until somebody decides."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from batchwire.domain.dead_letter import DeadLetter, Disposition


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; what is empty says nothing."""

    ids: Sequence[int] = ()
    batch_id: str = ""
    disposition: Disposition | None = None
    include_redriven: bool = False


class DeadLetters(Protocol):
    """Dead letters, in the order in which they were given up."""

    async def find(self, wanted: Filter, limit: int = 0) -> list[DeadLetter]:
        """Read those that fit, oldest first."""
        ...

    async def redrive(self, ids: Sequence[int], most_replays: int) -> list[int]:
        """
        Put these back on their topics by the outbox, in their order, and mark them.

        One transaction: a crash redrives all or none. Those that wait redriven already
        and those with ``most_replays`` behind them are left alone; returns who went.
        """
        ...

    async def discard(self, ids: Sequence[int]) -> int:
        """Forget these for good; returns how many there were."""
        ...

    async def count(self) -> int:
        """How many wait for a decision."""
        ...
