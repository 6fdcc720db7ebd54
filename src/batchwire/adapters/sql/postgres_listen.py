"""Hearing what other processes change on PostgreSQL: one session that listens."""

import asyncio
from typing import Any

import asyncpg

from batchwire.adapters.sql.changes import CHANNEL, Changes


class Listener:
    """
    Listens from ``start`` on; ``changes`` is told.

    Behind a pooler that shares sessions it hears nothing: whoever waits must look from
    time to time, too.
    """

    def __init__(self, arguments: dict[str, Any], changes: Changes) -> None:
        self._arguments = arguments
        self._changes = changes
        self._session: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Listen, where nobody does or the session was lost. Idempotent."""
        async with self._one_at_a_time:
            if self._session is not None and not self._session.is_closed():
                return
            session = await asyncpg.connect(**self._arguments)
            try:
                await session.add_listener(CHANNEL, self._heard)
            except BaseException:
                session.terminate()
                raise
            self._session = session
            self._changes.tell()  # of what happened before

    async def end(self) -> None:
        """Listen no more."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _heard(self, *_: object) -> None:
        self._changes.tell()
