"""Preparation's chunks."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, update

from batchwire.adapters.sql import log
from batchwire.adapters.sql.batch_rows import locked_row_of
from batchwire.adapters.sql.moves import add_to_batch, append_segments
from batchwire.adapters.sql.tables import OUTCOMES, batches, chunks, payloads
from batchwire.domain.counts import ZERO, add
from batchwire.domain.events import Fact
from batchwire.domain.lifecycle import Status
from batchwire.errors import StaleLease
from batchwire.ports.store import NewChunk


def write(
    conn: Connection,
    batch_id: str,
    owner: str,
    prepared: Sequence[NewChunk],
    facts: Sequence[Fact],
    now: datetime,
) -> Status:
    """Insert prepared chunks, if the batch is still being prepared."""
    row = locked_row_of(conn, batch_id)
    if row.prepared_by != owner:
        raise StaleLease(f"batch {batch_id} is prepared by another worker now")
    if row.status == Status.PREPARATION_RUNNING:
        if prepared:
            _insert(conn, row.id, prepared)
        if facts:
            log.append(conn, row, facts, now)
    return Status(row.status)


def _insert(conn: Connection, batch: int, new: Sequence[NewChunk]) -> None:
    conn.execute(
        insert(chunks),
        [
            {
                "batch": batch,
                "number": chunk.number,
                "size": sum(chunk.counts),
                "parts": chunk.parts,
                **dict(zip(OUTCOMES, chunk.counts, strict=True)),
            }
            for chunk in new
        ],
    )
    conn.execute(
        insert(payloads),
        [{"batch": batch, "number": c.number, "data": c.payload} for c in new],
    )
    append_segments(
        conn, batch, [(c.number, c.segment) for c in new if c.segment is not None]
    )
    total = ZERO
    for chunk in new:
        total = add(total, chunk.counts)
    add_to_batch(conn, batch, total)
    conn.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(parts=batches.c.parts + sum(chunk.parts for chunk in new))
    )
