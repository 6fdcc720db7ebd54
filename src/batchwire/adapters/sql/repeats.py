"""
``SqlRepeats``: a temporary table of every number, looked at beside the interpreter.

A database of SQLite that has no name: what its cache does not hold is in a file that is
unlinked as soon as it is there (https://sqlite.org/inmemorydb.html, "Temporary
Databases"). Numbers come by the ten thousands, and each look is one statement in a thread
of its own, which needs no lock of the interpreter: the loop prepares on meanwhile. They
are inserted in order: next to each other in the table's tree, which then is passed over
once instead of searched for each.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

from batchwire.adapters.sql.database import to_its_end
from batchwire.errors import StoreFull, StoreUnreachable

_SCHEMA = """
PRAGMA page_size=16384;
PRAGMA cache_size=-2048;
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
CREATE TABLE numbers (number INTEGER PRIMARY KEY, place INTEGER NOT NULL);
CREATE TABLE repeated (place INTEGER PRIMARY KEY);
CREATE TRIGGER stands_twice AFTER UPDATE ON numbers
BEGIN INSERT INTO repeated VALUES (new.place); END;
"""
_ADD = """
INSERT INTO numbers
SELECT value, key FROM json_each(?) WHERE value IS NOT NULL ORDER BY value, key
ON CONFLICT (number) DO UPDATE SET place = excluded.place
"""
_REPEATED = "SELECT place FROM repeated ORDER BY place"
_FORGET = "DELETE FROM repeated"


class SqlRepeats:
    """Implements ``ports.repeats.Repeats``."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            "", isolation_level=None, check_same_thread=False
        )
        self._connection.executescript(_SCHEMA)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repeats")
        self._added: list[str] = []  # JSON, without the brackets

    def add(self, numbers: Sequence[str], flawed: Collection[int]) -> None:
        """See the port."""
        if flawed:
            numbers = list(numbers)
            for place in flawed:
                numbers[place] = "null"
        if numbers:
            self._added.append(",".join(numbers).replace("+", ""))

    def look(self) -> Awaitable[list[int]]:
        """See the port."""
        added, self._added = f"[{','.join(self._added)}]", []
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, self._look, added)

    def _look(self, added: str) -> list[int]:
        with _translated():
            self._connection.execute(_ADD, (added,))
            found = [place for (place,) in self._connection.execute(_REPEATED)]
            self._connection.execute(_FORGET)
        return found

    async def close(self) -> None:
        """Let go of the table, once no look is under way."""
        loop = asyncio.get_running_loop()
        await to_its_end(loop.run_in_executor(self._thread, self._connection.close))
        self._thread.shutdown()


@contextmanager
def _translated() -> Iterator[None]:
    place = "temporary files (in SQLITE_TMPDIR, TMPDIR or else /var/tmp)"
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_FULL":
            problem = "the disk is full; free space and it goes on"
            raise StoreFull(f"{place}: {problem}") from error
        if error.sqlite_errorname.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")):
            problem = f"{error}; the directory must be writable for this user"
            raise StoreUnreachable(f"{place}: {problem}") from error
        raise


@asynccontextmanager
async def repeats() -> AsyncIterator[SqlRepeats]:
    """Give an empty one, for as long as a preparation takes."""
    one = SqlRepeats()
    try:
        yield one
    finally:
        await one.close()
