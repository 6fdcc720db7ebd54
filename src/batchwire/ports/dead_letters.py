"""The door to the dead letters: what could not be handled, kept until somebody decides."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from batchwire.domain.dead_letter import DeadLetter, Disposition


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; what is empty says nothing."""

    ids: Sequence[int] = ()
    batch_id: str = ""
    disposition: Disposition | None = None
    since: datetime | None = None
    include_redriven: bool = False


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """
    How to redrive a portion: at most ``most``, of those after the id ``after``.

    ``most_replays`` redrives quarantine a letter. ``by`` is who, for the record.
    """

    by: str
    most_replays: int
    most: int
    after: int = 0
    is_dry_run: bool = False


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a portion, by id.

    ``held`` wait behind an earlier letter of the same batch that does not go. ``last``
    is the last one looked at; 0 where there was none.
    """

    sent: tuple[int, ...] = ()
    quarantined: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    last: int = 0


class DeadLetters(Protocol):
    """
    Dead letters, in the order in which they were given up first.

    The database decides; the copy on the dead-letter topic is for others to see.
    """

    async def find(self, wanted: Filter, limit: int = 0) -> list[DeadLetter]:
        """Read those that fit, oldest first; at most so many, all where it is 0."""
        ...

    async def redrive(self, wanted: Filter, how: Redrive) -> Portion:
        """
        Put some back on their topics by the outbox, in their order, and mark them.

        One transaction: a crash redrives all or none. A later letter of a batch never
        goes before an earlier one that waits. Noted in the log of each batch known here.
        """
        ...

    async def discard(self, wanted: Filter, by: str, reason: str) -> list[int]:
        """
        Forget some for good; returns their ids, none where none is left.

        Their events count as handled. Noted as a redrive is.
        """
        ...

    async def count(self) -> int:
        """How many wait for a decision."""
        ...
