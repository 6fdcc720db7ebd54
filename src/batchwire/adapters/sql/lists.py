"""Recipient lists, stored as compressed blocks until a batch is made of them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from batchwire.adapters.sql.tables import batches, list_blocks
from batchwire.adapters.sql.times import millis
from batchwire.domain.events import State
from batchwire.domain.lifecycle import Phase, Status
from batchwire.errors import StoreDamaged

_MAY_BE_PREPARED = tuple(
    status
    for status in Status
    if status.phase is not Phase.DELIVERY
    and status not in {Status.COMPLETED, Status.ABORTED}
)


def append(
    conn: Connection, list_id: str, first: int, blocks: Sequence[bytes], now: datetime
) -> None:
    """Append blocks, numbered from ``first``."""
    conn.execute(
        insert(list_blocks),
        [
            {
                "list_id": list_id,
                "number": first + i,
                "added_at": millis(now),
                "data": block,
            }
            for i, block in enumerate(blocks)
        ],
    )


def blocks(conn: Connection, list_id: str, first: int, most: int) -> Sequence[bytes]:
    """
    Read up to ``most`` blocks in order, from the number ``first`` on.

    Raises:
        StoreDamaged: one is missing before others.

    """
    query = (
        select(list_blocks.c.number, list_blocks.c.data)
        .where(list_blocks.c.list_id == list_id, list_blocks.c.number >= first)
        .order_by(list_blocks.c.number)
        .limit(most)
    )
    found = conn.execute(query).all()
    if [row.number for row in found] != list(range(first, first + len(found))):
        raise StoreDamaged(f"a block of the list {list_id} is missing: send it again")
    return [row.data for row in found]


def discard(conn: Connection, list_id: str) -> None:
    """Remove a list unless a batch is still to be prepared from it."""
    used = select(batches.c.state).where(batches.c.list_id == list_id)
    state = conn.execute(used).scalar()
    if state is None or msgspec.json.decode(state, type=State).is_sealed:
        conn.execute(delete(list_blocks).where(list_blocks.c.list_id == list_id))


def discard_orphans(conn: Connection, before: datetime) -> int:
    """Remove lists that no batch uses any more and that did not grow since then."""
    used = select(batches.c.list_id).where(batches.c.status.in_(_MAY_BE_PREPARED))
    query = (
        select(list_blocks.c.list_id)
        .where(list_blocks.c.list_id.not_in(used))
        .group_by(list_blocks.c.list_id)
        .having(func.max(list_blocks.c.added_at) < millis(before))
    )
    orphans = list(conn.execute(query).scalars())
    for list_id in orphans:
        conn.execute(delete(list_blocks).where(list_blocks.c.list_id == list_id))
    return len(orphans)
