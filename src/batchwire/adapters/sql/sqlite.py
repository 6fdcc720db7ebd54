"""``SqliteDatabase``: one file, one writer at a time, one engine by a file lock."""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from batchwire.adapters.sql import migrate
from batchwire.adapters.sql.changes import Changes
from batchwire.adapters.sql.database import Snapshot, to_its_end
from batchwire.adapters.sql.log import ANNOUNCER
from batchwire.adapters.sql.sqlite_connect import (
    BUSY_TIMEOUT_S,
    READERS,
    connect,
    translated,
)
from batchwire.errors import EngineAlreadyRunning, StoreReplaced
from batchwire.messages.announcement import Announcer

T = TypeVar("T")
P = ParamSpec("P")
_Identity = tuple[int, int] | None

_LOCK_TRIES = 20
_LOCK_TRY_S = 0.01
_LOG_TRIES = 10
_LOG_TRY_S = 0.1


class SqliteDatabase:
    """
    An SQLite file; opening it migrates it. Implements ``database.Database``.

    One connection writes; a few read beside it (WAL), all in threads: a transaction is
    one hop. ``busy_timeout_s``: how long a call waits for other processes. ``announcer``
    makes the records of the topic; without one the topic is told nothing.
    """

    def __init__(
        self,
        path: str,
        announcer: Announcer | None = None,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._path = path
        self._file = Path(path).absolute()  # whatever becomes the working directory
        writer = connect(path, is_writer=True, busy_timeout_s=busy_timeout_s)
        self.writer = writer.execution_options(**{ANNOUNCER: announcer})
        self._reader = connect(path, is_writer=False, busy_timeout_s=busy_timeout_s)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._watching: sqlite3.Connection | None = None  # never writes anything
        self._engine_lock: int | None = None
        self._opened: _Identity = None  # what the path named when it was opened
        self.changes = Changes()

    async def open(self) -> None:
        """See ``Database``."""
        await self.upgrade()
        if self._watching is None:
            with translated(self._path):
                self._watching = sqlite3.connect(self._path, timeout=0)

    async def upgrade(self) -> tuple[str, str]:
        """See ``Database``."""
        with translated(self._path):
            self._check_remains()
        revisions = await self.write(migrate.upgrade, self._path)
        with translated(self._path):
            self._opened = _identity(self._file)
        return revisions

    async def close(self) -> None:
        """See ``Database``."""
        self._reading.shutdown()
        self._writing.shutdown()
        self._reader.dispose()
        self.writer.dispose()
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        if self._engine_lock is not None:
            os.close(self._engine_lock)
            self._engine_lock = None

    @property
    def is_exclusive(self) -> bool:
        """See ``Database``."""
        return True

    async def listen(self) -> bool:
        """See ``Database``."""
        return False

    def version(self) -> int | None:
        """See ``Database``."""
        if self._watching is None:
            return None
        try:
            found: int = self._watching.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:  # who looks at the tables hears what it is
            return None
        return found

    async def empty_log(self) -> None:
        """See ``Database``; who reads for long just then is not waited for."""

        def is_emptied() -> bool:
            with translated(self._path), closing(self.writer.raw_connection()) as raw:
                cursor = raw.cursor()
                (usual_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
                cursor.execute("PRAGMA busy_timeout=0")  # nobody may write meanwhile
                try:
                    done = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    cursor.execute(f"PRAGMA busy_timeout={usual_ms}")
                return not done[0]

        loop = asyncio.get_running_loop()
        for _ in range(_LOG_TRIES):
            if await to_its_end(loop.run_in_executor(self._writing, is_emptied)):
                return
            await asyncio.sleep(_LOG_TRY_S)

    async def become_engine(self) -> bool:
        """See ``Database``."""
        if self._engine_lock is not None:
            return False
        for _ in range(_LOCK_TRIES):  # another command may just be looking
            self._engine_lock = self._lock(fcntl.LOCK_EX)
            if self._engine_lock is not None:
                return True
            await asyncio.sleep(_LOCK_TRY_S)
        message = (
            f"database {self._path}: another engine works on it already;"
            " use that one, or stop it first"
        )
        raise EngineAlreadyRunning(message)

    async def has_engine(self, now: datetime) -> bool:
        """See ``Database``."""
        del now
        if self._engine_lock is not None:
            return True
        if _identity(self._lock_file()) is None:
            return False
        # Shared: who looks sees no other who looks, and needs no right to write.
        lock = self._lock(fcntl.LOCK_SH, os.O_RDONLY)
        if lock is None:
            return True
        os.close(lock)
        return False

    async def write(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See ``Database``."""
        return await self._run(self.writer, body, *args, **kwargs)

    async def read(
        self,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See ``Database``."""
        return await self._run(self._reader, body, *args, **kwargs)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """See ``Database``."""
        loop = asyncio.get_running_loop()
        with translated(self._path):
            conn = await loop.run_in_executor(self._reading, self._reader.connect)

        async def read(
            body: Callable[Concatenate[Connection, P], T],
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> T:
            def call() -> T:
                with translated(self._path):
                    return body(conn, *args, **kwargs)

            return await to_its_end(loop.run_in_executor(self._reading, call))

        try:
            yield read
        finally:
            await loop.run_in_executor(self._reading, conn.close)

    async def _run(
        self,
        engine: Engine,
        body: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def transaction() -> T:
            with translated(self._path):
                self._check_place()
                if engine is self.writer:
                    self._keep_lock()
                with engine.begin() as conn:
                    return body(conn, *args, **kwargs)

        threads = self._writing if engine is self.writer else self._reading
        loop = asyncio.get_running_loop()
        return await to_its_end(loop.run_in_executor(threads, transaction))

    def _check_remains(self) -> None:
        """Refuse to make a database where another one has left what it wrote last."""
        file, log = self._file, Path(f"{self._file}-wal")
        is_there = file.exists() and file.stat().st_size > 0
        if not is_there and log.exists() and log.stat().st_size > 0:
            raise StoreReplaced(
                f"database {self._path}: it is not there, but {log.name} is, with what"
                " was written to it last; put it back, or remove that too"
            )

    def _check_place(self) -> None:
        """
        Whether the path still names the file that we use.

        Others look there: where it names another file, or none, they would pause a batch
        that goes on here.
        """
        if self._opened is not None and _identity(self._file) != self._opened:
            raise StoreReplaced(
                f"database {self._path} was moved, deleted or replaced while it was in"
                " use; stop what uses it, then put it where it belongs"
            )

    def _keep_lock(self) -> None:
        """Take an engine's lock anew where its file was removed, unless somebody has."""
        held = self._engine_lock
        if held is None or _identity(self._lock_file()) == _identity(held):
            return
        self._engine_lock = self._lock(fcntl.LOCK_EX)
        os.close(held)
        if self._engine_lock is None:
            raise StoreReplaced(
                f"database {self._path}: its .lock was removed, and another engine works"
                " on it now"
            )

    def _lock(self, kind: int, flags: int = os.O_RDWR | os.O_CREAT) -> int | None:
        """Take the file lock; an engine's is exclusive. The kernel drops it with us."""
        with translated(self._path):
            lock = os.open(self._lock_file(), flags, 0o644)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _lock_file(self) -> Path:
        return Path(f"{self._file.resolve()}.lock")  # one, whatever links lead to it


def _identity(file: Path | int) -> _Identity:
    """Tell a file, by path or descriptor, from all others; None where there is none."""
    try:
        found = os.fstat(file) if isinstance(file, int) else file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
