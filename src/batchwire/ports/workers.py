"""The door to the other workers: who is at work, and what the dead left behind."""

from datetime import datetime
from typing import Protocol

import msgspec

PASSING = "passing-"  # begins the name of an engine that ends with a batch of its own


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """
    One loop at work: an engine, or a relay.

    ``process`` is host and process id. ``heard_s``: seconds since its last sign of
    life. ``chunks``: how many it holds by lease.
    """

    owner: str
    role: str
    process: str
    since: datetime
    heard_s: float
    chunks: int


class Workers(Protocol):
    """
    The engines on one database.

    ``owner`` names one, from its start to its end; no name ever comes back. ``lasts_s``:
    without a further sign for so long it may be declared dead.
    """

    async def become_engine(self, owner: str, lasts_s: float) -> bool:
        """
        Begin to work; whoever was the only engine here before and is gone is dead.

        True where no other process can work here as long as this one does: then no
        sign of life is needed.

        Raises:
            EngineAlreadyRunning: the database takes one process, and another has it.

        """
        ...

    async def renew(self, owner: str, lasts_s: float) -> None:
        """
        Give a sign.

        Raises:
            StaleLease: it was declared dead; nothing of its work is written any more.

        """
        ...

    async def resign(self, owner: str) -> None:
        """End the work: what the engine still holds is lost to it at once. Idempotent."""
        ...

    async def has_engine(self) -> bool:
        """Whether some process runs an engine on this database."""
        ...

    async def has_service(self) -> bool:
        """Whether one of them is no ``PASSING`` one, but goes on with whatever comes."""
        ...

    async def living(self) -> list[Worker]:
        """Read who is at work, relays too; whoever was silent too long is not."""
        ...

    async def bury(self) -> list[str]:
        """
        Declare dead whoever has given no sign for too long.

        Returns the batches that still have chunks of dead workers.
        """
        ...

    async def changed(self, seen: int, timeout_s: float) -> int:
        """
        Wait until a batch may have changed its status, at most so long.

        Returns how many changes are known, and at once where that is more than ``seen``.
        Some of them may be changes of something else.
        """
        ...
