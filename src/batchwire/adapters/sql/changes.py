"""That something about the batches may have changed: told and heard, never stored."""

import asyncio

from sqlalchemy import Connection, func, select

CHANNEL = "batchwire"

_notify = select(func.pg_notify(CHANNEL, ""))


def notify(conn: Connection) -> None:
    """
    Tell all processes, once this transaction is committed, where the database can.

    Only for what changes a few times in the life of a batch: PostgreSQL lets the
    transactions that notify commit one after the other.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(_notify)


class Changes:
    """Counts what this process has heard of; who waits for more is woken."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Count one, and wake everybody."""
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def more_than(self, seen: int) -> None:
        """Wait until more than that is counted."""
        while self.count <= seen:
            await self._next.wait()
