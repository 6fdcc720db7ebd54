"""``PostgresDatabase``: many writers, row locks, commits that are accounted for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

import asyncpg
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from batchwire.adapters.sql import commits, migrate, worker_rows
from batchwire.adapters.sql.changes import Changes
from batchwire.adapters.sql.database import Snapshot, to_its_end
from batchwire.adapters.sql.log import ANNOUNCER
from batchwire.adapters.sql.postgres_connect import (
    LOCK_TIMEOUT_S,
    arguments,
    name_of,
    pool,
)
from batchwire.adapters.sql.postgres_errors import is_passing, translated
from batchwire.adapters.sql.postgres_listen import Listener
from batchwire.adapters.sql.worker_rows import IS_TIME_OF_SERVER
from batchwire.errors import StoreError, StoreInDoubt
from batchwire.messages.announcement import Announcer

T = TypeVar("T")
P = ParamSpec("P")

OLDEST = 14
IN_DOUBT_S = 300.0

# Of an advisory lock, which counts within one database: a number nobody else takes.
_SCHEMA = int.from_bytes(b"bw schem")
_TRIES = 3
_ASK_AGAIN_S = 0.05
_CLOSE_S = 2.0
_ASK_AGAIN_AT_MOST_S = 2.0
_FAILURES = (
    DBAPIError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


class PostgresDatabase:
    """
    A database on PostgreSQL. Implements ``database.Database``.

    Opening makes the schema in an empty database; another schema only ``upgrade``
    touches, because other machines may be at work on it. Writes run at READ COMMITTED
    with row locks; reads see one moment (REPEATABLE READ). ``is_time_of_server``: leases
    go by the time of the server, not by that of this machine.
    """

    def __init__(
        self,
        url: str,
        announcer: Announcer | None = None,
        *,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        is_time_of_server: bool = True,
    ) -> None:
        self._url = url
        self._name = name_of(url)
        told = {ANNOUNCER: announcer, IS_TIME_OF_SERVER: is_time_of_server}
        self._writers = pool(url, lock_timeout_s).execution_options(**told)
        self._pool_of_readers = pool(url, lock_timeout_s)
        self._readers = self._pool_of_readers.execution_options(
            isolation_level="REPEATABLE READ",
            postgresql_readonly=True,
            **{IS_TIME_OF_SERVER: is_time_of_server},
        )
        self.changes = Changes()
        self._listener = Listener(arguments(url, lock_timeout_s), self.changes)

    async def open(self) -> None:
        """See ``Database``."""
        await self.read(_must_be_recent, self._name)
        if not await self.read(migrate.current):
            await self.upgrade()
        await self.read(migrate.check, self._name)

    async def upgrade(self) -> tuple[str, str]:
        """See ``Database``; of several processes at once one does it."""
        patient = pool(self._url, lock_timeout_s=0, command_timeout_s=None)
        with translated(self._name):
            try:
                async with patient.begin() as conn:
                    return await conn.run_sync(_upgrade, self._name)
            finally:
                await patient.dispose()

    async def close(self) -> None:
        """See ``Database``; a server that does not answer is not waited for."""
        for end in (
            self._listener.end,
            self._pool_of_readers.dispose,
            self._writers.dispose,
        ):
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await end()

    @property
    def is_exclusive(self) -> bool:
        """See ``Database``."""
        return False

    async def listen(self) -> bool:
        """See ``Database``."""
        with translated(self._name):
            await self._listener.start()
        return True

    def version(self) -> int | None:
        """See ``Database``."""
        return None

    async def empty_log(self) -> None:
        """See ``Database``: the server's log is the server's."""

    async def become_engine(self) -> bool:
        """See ``Database``."""
        return False

    async def has_engine(self, now: datetime) -> bool:
        """See ``Database``."""
        return await self.read(worker_rows.has_engine, now)

    async def write(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See ``Database``."""
        with translated(self._name):

            def call(conn: Connection) -> T:
                return body(conn, *args, **kwargs)

            return await to_its_end(_tried(lambda: self._commit(call)))

    async def read(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See ``Database``."""

        async def transaction() -> T:
            async with self._readers.begin() as conn:
                return await conn.run_sync(body, *args, **kwargs)

        with translated(self._name):
            return await to_its_end(_tried(transaction))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """See ``Database``."""
        with translated(self._name):
            conn = await self._readers.connect()

        async def read(
            body: Callable[Concatenate[Connection, P], T],
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> T:
            with translated(self._name):
                return await to_its_end(conn.run_sync(body, *args, **kwargs))

        try:
            await read(_may_be_idle)
            yield read
        finally:
            await conn.close()

    async def _commit(self, body: Callable[[Connection], T]) -> T:
        """Run a transaction; know afterwards whether it was committed."""

        def marked(conn: Connection) -> tuple[T, commits.Mark]:
            return body(conn), commits.leave(conn)

        async with self._writers.connect() as conn:
            result, mark = await conn.run_sync(marked)
            try:
                await conn.commit()
            except _FAILURES as error:
                if not await self._stands(mark, error):
                    raise
        return result

    async def _stands(self, mark: commits.Mark, error: Exception) -> bool:
        """Ask until the server answers: to say "nothing was stored" may be untrue."""
        loop = asyncio.get_running_loop()
        until, wait_s = loop.time() + IN_DOUBT_S, _ASK_AGAIN_S
        while True:
            try:
                async with self._writers.begin() as conn:
                    return await conn.run_sync(commits.stands, mark)
            except _FAILURES:
                if loop.time() > until:
                    message = (
                        f"database {self._name}: it went away during a commit and did"
                        " not come back; whether that was stored is unknown"
                    )
                    raise StoreInDoubt(message) from error
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _ASK_AGAIN_AT_MOST_S)


async def _tried(transaction: Callable[[], Awaitable[T]]) -> T:
    """Run again at once what the database gave up, a few times."""
    for _ in range(_TRIES - 1):
        try:
            return await transaction()
        except DBAPIError as error:
            if not is_passing(error):
                raise
    return await transaction()


def _upgrade(conn: Connection, name: str) -> tuple[str, str]:
    conn.execute(select(func.pg_advisory_xact_lock(_SCHEMA)))
    return migrate.upgrade(conn, name)


def _may_be_idle(conn: Connection) -> None:
    """Let a snapshot be idle while what it gave is written elsewhere."""
    conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _must_be_recent(conn: Connection, name: str) -> None:
    found = conn.execute(text("SHOW server_version_num")).scalar_one()
    if int(found) < OLDEST * 10_000:
        version = f"{int(found) // 10_000}"
        message = (
            f"database {name}: PostgreSQL {version} is too old; {OLDEST} or later is"
            " needed"
        )
        raise StoreError(message)
