"""``SqlWorkers``: the engines on one SQL database. Implements ``ports.workers.Workers``."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from batchwire.adapters.sql import batch_rows, chunk_rows, worker_rows
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.worker_rows import ENGINE
from batchwire.engine.patience import told_within
from batchwire.ports.clock import Clock
from batchwire.ports.workers import Worker

_LOOK_S = 0.1  # where nobody tells what other processes change


class SqlWorkers:
    """The table ``workers``, as far as engines are concerned."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._gone: set[str] = set()  # who resigned and perhaps still has a row
        self._version: int | None = None  # of the database, when it was looked at last

    async def become_engine(self, owner: str, lasts_s: float) -> bool:
        """See the port."""
        is_alone = await self._database.become_engine()
        now = self._clock.now()
        await self._database.write(
            _become, owner, lasts_s, now, gone=tuple(self._gone), is_alone=is_alone
        )
        self._gone.clear()
        return self._database.is_exclusive

    async def renew(self, owner: str, lasts_s: float) -> None:
        """See the port."""
        now = self._clock.now()
        await self._database.write(worker_rows.renew, owner, lasts_s, now)

    async def resign(self, owner: str) -> None:
        """See the port."""
        self._gone.add(owner)
        await self._database.write(worker_rows.leave, owner)
        self._gone.discard(owner)

    async def has_engine(self) -> bool:
        """See the port."""
        return await self._database.has_engine(self._clock.now())

    async def has_service(self) -> bool:
        """See the port."""
        now, by_age = self._clock.now(), not self._database.is_exclusive
        return await self.has_engine() and await self._database.read(
            worker_rows.has_service, now, by_age=by_age
        )

    async def living(self) -> list[Worker]:
        """See the port."""
        found = await self._database.read(worker_rows.living, self._clock.now())
        if not self._database.is_exclusive or await self.has_engine():
            return found
        return [one for one in found if one.role != ENGINE]  # it was killed

    async def bury(self) -> list[str]:
        """See the port."""
        now, by_age = self._clock.now(), not self._database.is_exclusive
        return await self._database.write(_bury, now, by_age=by_age)

    async def changed(self, seen: int, timeout_s: float) -> int:
        """See the port."""
        hears_others = await self._database.listen()
        until = self._clock.monotonic() + timeout_s
        changes = self._database.changes
        while (left_s := until - self._clock.monotonic()) > 0:
            version = self._database.version()
            if version != self._version:
                self._version = version
                changes.tell()
            if changes.count > seen:
                break
            wait_s = left_s if hears_others else min(left_s, _LOOK_S)
            await told_within(changes.more_than(seen), wait_s, self._clock)
        return changes.count


def _become(
    conn: Connection,
    owner: str,
    lasts_s: float,
    now: datetime,
    *,
    gone: Sequence[str],
    is_alone: bool,
) -> None:
    for former in gone:
        worker_rows.leave(conn, former)
    worker_rows.join(conn, owner, ENGINE, lasts_s, now)
    if is_alone:
        worker_rows.leave_alone(conn, owner)


def _bury(conn: Connection, now: datetime, *, by_age: bool) -> list[str]:
    if by_age:
        worker_rows.bury(conn, ENGINE, worker_rows.now_ms(conn, now))
    batch_rows.free_preparations(conn)
    return chunk_rows.lost(conn)
