"""What a store needs of a database: transactions, a schema, the right to be the engine."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from batchwire.adapters.sql.changes import Changes

T = TypeVar("T")
P = ParamSpec("P")


class Database(Protocol):
    """
    One database. Every method raises ``StoreError``, and what a body itself raises.

    A body is a plain function of a connection and works on nothing else: it may be
    called again, where the database gave up the transaction. ``changes`` counts what
    was heard of.
    """

    changes: Changes

    async def open(self) -> None:
        """
        Connect; make the schema where there is none.

        Raises:
            UnknownSchema: the schema is not this program's; says what mends it.

        """
        ...

    async def upgrade(self) -> tuple[str, str]:
        """
        Bring the schema to this program's; returns the revisions before and after.

        The revision of an empty database is empty.

        Raises:
            UnknownSchema: a newer program migrated it.

        """
        ...

    async def close(self) -> None:
        """Let go of every connection. Idempotent."""
        ...

    @property
    def is_exclusive(self) -> bool:
        """Whether one process only can run an engine here, and age says nothing."""
        ...

    async def listen(self) -> bool:
        """Hear what other processes change; False where nobody can. Idempotent."""
        ...

    def version(self) -> int | None:
        """
        Give what stays the same until somebody commits, whichever process it is.

        Costs next to nothing. None where nobody can tell: look at the tables then.
        """
        ...

    async def empty_log(self) -> None:
        """Leave what was deleted in no file beside the database; it may take a while."""
        ...

    async def become_engine(self) -> bool:
        """
        Take the right to run an engine, where that is one process's.

        True where it is taken now: whoever had it before is gone. Raises
        ``EngineAlreadyRunning``.
        """
        ...

    async def has_engine(self, now: datetime) -> bool:
        """Whether some process runs an engine; ``now`` is our own time."""
        ...

    async def write(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """
        Call the body in one transaction; what it wrote is durable on return.

        What it reads under a lock (``batch_rows.locked_row_of``) is still true when it
        writes. Who is cancelled waits for the end of the transaction.
        """
        ...

    async def read(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call the body in one transaction that sees one moment and writes nothing."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager["Snapshot"]:
        """
        Give what reads one moment by many calls, for as long as it takes.

        The database keeps meanwhile what others delete.
        """
        ...


class Snapshot(Protocol):
    """One transaction that is read by portions. One call at a time."""

    async def __call__(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As ``Database.read``, but every call sees the same moment."""
        ...


async def to_its_end(work: Awaitable[T]) -> T:
    """Await what must not be cut short; a cancellation counts after its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # taken note of; nobody waits for it any more
        raise
