"""
A database copied into another one, batches in progress included.

While it goes on, and where it was cut short, the target's schema has the version
``migrate.COPYING``: every program refuses half a copy, and only the next copy, which
starts anew, takes it. What a killed engine left (leases, intents) is copied like
everything else, so rescue finds on the target what it would have found on the source.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, select

from batchwire.adapters.sql import audit, copy_rows, migrate
from batchwire.adapters.sql.bulk import Row
from batchwire.adapters.sql.database import Database, Snapshot
from batchwire.adapters.sql.tables import batches, observed
from batchwire.errors import CopyRefused, EngineAlreadyRunning, StoreDamaged

Tell = Callable[[str, int, int], None]  # at what, how many are done, of how many

VERIFYING, COMPARING = "verify", "compare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """
    What was copied: rows by table, batches that were verified.

    ``contradictions`` of a batch are in the source as well. ``is_anew``: what an
    earlier copy had left in the target was removed first.
    """

    rows: dict[str, int]
    batches: int
    contradictions: dict[str, list[str]]
    is_anew: bool


async def copy(source: Database, target: Database, tell: Tell) -> Copied:
    """
    Copy everything; no engine may work on either one meanwhile.

    Raises:
        EngineAlreadyRunning: an engine works on one of them.
        CopyRefused: the target holds something, or the source changed meanwhile.
        StoreError: one of them cannot be used; the target is left to the next copy.

    """
    await source.open()
    await _take(source, "the source")
    if await target.read(migrate.current) != migrate.COPYING:
        await target.open()
    await _take(target, "the target")
    is_anew = await target.write(_begin)
    async with source.snapshot() as read:
        rows = await read(copy_rows.counts)
        whole, done = sum(rows.values()), 0
        contents = {table.name: 0 for table in copy_rows.TABLES}
        for table in copy_rows.TABLES:
            async for some in _portions(read, table):
                await target.write(copy_rows.put, table, some)
                contents[table.name] += copy_rows.content(some)
                done += len(some)
                tell(table.name, done, whole)
        await target.write(copy_rows.keep_last_ids, await read(copy_rows.last_ids))
        ids = await read(_batch_ids)
        found = {}
        for place, batch_id in enumerate(ids):
            if problems := await _verified(read, target, batch_id):
                found[batch_id] = problems
            tell(VERIFYING, place + 1, len(ids))
    await _compare(source, target, contents, tell)
    await target.write(migrate.mark, migrate.HEAD)
    return Copied(rows=rows, batches=len(ids), contradictions=found, is_anew=is_anew)


async def _take(database: Database, which: str) -> None:
    """Be its engine, so that nobody else is; where others may come, look again later."""
    if await database.has_engine(datetime.now(UTC)):
        raise EngineAlreadyRunning(
            f"an engine works on {which}; stop it first, then copy"
        )
    await database.become_engine()


def _begin(conn: Connection) -> bool:
    """Make sure that the target is empty, and mark it; whether a copy was cut short."""
    is_anew = migrate.current(conn) == migrate.COPYING
    if is_anew:
        copy_rows.clear(conn)
    if held := copy_rows.counts(conn):
        told = ", ".join(f"{name} ({count:,} rows)" for name, count in held.items())
        raise CopyRefused(
            f"the target is not empty: it holds {told}; name an empty database"
        )
    migrate.mark(conn, migrate.COPYING)
    return is_anew


async def _portions(read: Snapshot, table: Table) -> AsyncIterator[list[Row]]:
    """Read a table, portion by portion."""
    after: Row = ()
    while rows := await read(copy_rows.page, table, after):
        yield rows
        after = copy_rows.key_of(table, rows[-1])


async def _compare(
    source: Database, target: Database, contents: dict[str, int], tell: Tell
) -> None:
    """Refuse where one of them does not hold what was read; the source comes last."""
    is_shared = not source.is_exclusive
    if is_shared and await source.has_engine(datetime.now(UTC)):
        raise EngineAlreadyRunning(
            "an engine came to work on the source meanwhile; stop it, then copy again"
        )
    if differing := await _differing(target, contents, tell):
        raise CopyRefused(
            f"the target does not hold what was copied into it ({differing}); let"
            " nothing else write there, and copy again"
        )
    if differing := await _differing(source, contents, tell):
        raise CopyRefused(
            f"the source changed while it was copied ({differing}); stop what works on"
            " it, and copy again"
        )


async def _differing(database: Database, contents: dict[str, int], tell: Tell) -> str:
    """Name the tables that hold something else, however many rows."""
    found = []
    async with database.snapshot() as read:
        for place, table in enumerate(copy_rows.TABLES):
            held = 0
            async for some in _portions(read, table):
                held += copy_rows.content(some)
            if held != contents[table.name]:
                found.append(table.name)
            tell(COMPARING, place + 1, len(contents))
    return ", ".join(found)


def _batch_ids(conn: Connection) -> list[str]:
    """Name the batches, those that other systems execute too."""
    queries = (select(t.c.batch_id).order_by(t.c.id) for t in (batches, observed))
    return [one for query in queries for one in conn.execute(query).scalars()]


async def _verified(read: Snapshot, target: Database, batch_id: str) -> list[str]:
    """Verify a batch on the target; what contradicts itself must do so in the source."""
    problems = await target.read(audit.contradictions, batch_id)
    if problems and problems != await read(audit.contradictions, batch_id):
        raise StoreDamaged(
            f"batch {batch_id} was not copied well: {'; '.join(problems)}"
        )
    return problems
