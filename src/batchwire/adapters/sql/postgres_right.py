"""The right to be the engine of a PostgreSQL database: a lock of one session."""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import Connection, text

from batchwire.errors import EngineAlreadyRunning

# Locks count within one database. Any two numbers that nobody else takes.
ENGINE = int.from_bytes(b"bw engin")
SCHEMA = int.from_bytes(b"bw schem")

_TRIES = 10
_TRY_S = 0.05

_HELD = text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32 | objid::bigint) = :key"
)


class Right:
    """
    Held by a connection of its own; the server drops it with the connection.

    So it needs a session: behind a pooler that shares sessions it holds nothing.
    """

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._name = name
        self._arguments = arguments
        self._session: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def take(self) -> None:
        """
        Take it. Idempotent.

        Raises:
            EngineAlreadyRunning: another process has it.

        """
        async with self._one_at_a_time:
            if self._session is not None and not self._session.is_closed():
                return
            session = await asyncpg.connect(**self._arguments)
            try:
                if await _is_given(session):
                    self._session = session
            finally:
                if self._session is not session:
                    await session.close()
            if self._session is not session:
                message = (
                    f"database {self._name}: another engine works on it already;"
                    " use that one, or stop it first"
                )
                raise EngineAlreadyRunning(message)

    async def keep(self) -> None:
        """Take again what the server dropped, where we had it; raises as ``take``."""
        if self._session is not None and self._session.is_closed():
            await self.take()

    async def end(self) -> None:
        """Let go of it."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _is_given(session: asyncpg.Connection) -> bool:
    """Try for a moment: of an engine that was killed the server may not know yet."""
    for _ in range(_TRIES):
        if await session.fetchval("SELECT pg_try_advisory_lock($1)", ENGINE):
            return True
        await asyncio.sleep(_TRY_S)
    return False


def is_taken(conn: Connection) -> bool:
    """Whether some process has it."""
    return conn.execute(_HELD, {"key": ENGINE}).first() is not None
