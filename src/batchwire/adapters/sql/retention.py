"""``SqlRetention``: what is kept for a time only, on SQL."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from batchwire.adapters.sql import inbox_rows, lists, topic_rows
from batchwire.adapters.sql.batch_rows import counts_of, row_of, state_of
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.tables import (
    batches,
    dead_letters,
    inbox,
    list_blocks,
    outbox,
    parked,
    payloads,
    records,
    results,
)
from batchwire.adapters.sql.times import millis
from batchwire.domain.lifecycle import Status
from batchwire.ports.retention import Ended

_LIST = b'"recipients"'  # the field of a request
_MANY = 500  # batches looked at in one transaction
_ENDED = tuple(status for status in Status if status.has_ended)

_has_more = or_(
    exists().where(payloads.c.batch == batches.c.id),
    exists().where(results.c.batch == batches.c.id),
    exists().where(list_blocks.c.list_id == batches.c.list_id),
).label("has_more")


class SqlRetention:
    """Implements ``ports.retention.Retention``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(self, before: datetime) -> AsyncIterator[Ended]:
        """See the port."""
        after = 0
        while rows := await self._database.read(_ended, after):
            for row in rows:
                one = _told(row)
                if one.ended_at < before and (row.has_more or not one.is_purged):
                    yield one
            after = rows[-1].id

    async def erase(self, batch_id: str, before: datetime, most: int) -> int:
        """See the port."""
        return await self._database.write(_erase, batch_id, before, most)

    async def forget(self, before: datetime, unused_before: datetime, most: int) -> int:
        """See the port."""
        gone = await self._database.write(_forget, before, unused_before, most)
        if not gone:
            await self._database.empty_log()
        return gone

    async def old(self, before: datetime) -> dict[str, int]:
        """See the port."""
        return await self._database.read(_old, before)


def _ended(conn: Connection, after: int) -> Sequence[Row[Any]]:
    query = (
        select(batches, _has_more)
        .where(batches.c.id > after, batches.c.status.in_(_ENDED))
        .order_by(batches.c.id)
        .limit(_MANY)
    )
    return conn.execute(query).all()


def _told(row: Row[Any]) -> Ended:
    state = state_of(row)
    assert state.ended_at is not None  # noqa: S101 - by its status
    return Ended(
        batch_id=row.batch_id,
        ended_at=state.ended_at,
        recipients=sum(counts_of(row)),
        is_purged=state.is_purged,
    )


def _erase(conn: Connection, batch_id: str, before: datetime, most: int) -> int:
    row = row_of(conn, batch_id)
    if not state_of(row).is_purged:
        return 0
    for table, which in _of_batch(conn, row, millis(before)):
        if gone := _delete(conn, table, which, most):
            return gone
    return 0


def _of_batch(
    conn: Connection, row: Row[Any], before: int
) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Name the rows of a batch that tell of its recipients."""
    yield payloads, payloads.c.batch == row.id
    yield results, results.c.batch == row.id
    yield list_blocks, list_blocks.c.list_id == row.list_id
    batch_id = row.batch_id
    yield outbox, outbox.c.position.in_(_unpublished_lists(conn, batch_id, before))
    yield parked, (parked.c.batch_id == batch_id) & (parked.c.first_at < before)
    yield (
        dead_letters,
        (dead_letters.c.batch_id == batch_id) & (dead_letters.c.failed_at < before),
    )


def _unpublished_lists(conn: Connection, batch_id: str, before: int) -> list[int]:
    """
    Find the records in the outbox that name recipients.

    Only a request that carries its list does; what else waits is still published.
    """
    query = select(outbox.c.position, outbox.c.payload).where(
        outbox.c.aggregateid == batch_id, outbox.c.at < before
    )
    rows = conn.execute(query)
    return [at for at, payload in rows if _LIST in (payload or b"")]


def _forget(
    conn: Connection, before: datetime, unused_before: datetime, most: int
) -> int:
    redriven = dead_letters.c.redriven_at < millis(before)
    return (
        topic_rows.purge(conn, before, most)
        or _delete(conn, dead_letters, redriven, most)
        or inbox_rows.purge(conn, before, most)  # letters too, and does not count
        or lists.discard_orphans(conn, unused_before)
    )


def _old(conn: Connection, before: datetime) -> dict[str, int]:
    at = millis(before)
    old = {
        records: records.c.at < at,
        inbox: inbox.c.at < at,
        dead_letters: dead_letters.c.redriven_at < at,
    }
    return {
        table.name: conn.execute(
            select(func.count()).select_from(table).where(which)
        ).scalar_one()
        for table, which in old.items()
    }


def _delete(
    conn: Connection, table: Table, which: ColumnElement[bool], most: int
) -> int:
    key = list(table.primary_key)
    some = select(*key).where(which).order_by(*key).limit(most)
    return conn.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
