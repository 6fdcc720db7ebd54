"""Ending everything of a batch that is open, without a segment for each."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select, update

from batchwire.adapters.sql import chunk_rows, moves
from batchwire.adapters.sql.tables import OUTCOMES, batches, chunks
from batchwire.adapters.sql.times import millis
from batchwire.domain.ledger import ChunkState, Segment
from batchwire.domain.outcome import Outcome

_FEW = 64  # chunks in memory

# Who may have been accepted was submitted once, under a lease.
_tried = (
    select(chunks.c.number, chunks.c.size, chunks.c.fence)
    .where(chunks.c.batch == bindparam("b"), chunks.c.open > 0, chunks.c.fence > 0)
    .order_by(chunks.c.number)
)


def close_open(conn: Connection, batch: int, outcome: Outcome, now: datetime) -> None:
    """
    End who is open; chunks under a lease too: their answers still come in.

    Who may have been accepted, and waits to be sent again, ends as uncertain.
    """
    given_up = list(_given_up(conn, batch, millis(now)))
    name = OUTCOMES[outcome]
    for table, own in ((chunks, chunks.c.batch), (batches, batches.c.id)):
        values: dict[str, Any] = {
            name: table.c[name] + table.c.open,
            "open": literal_column("0"),
        }
        if table is chunks:
            values["closed_as"] = int(outcome)
        conn.execute(update(table).where(own == batch, table.c.open > 0).values(values))
    moves.append_answers(conn, batch, given_up, outcome)


def _given_up(
    conn: Connection, batch: int, at_ms: int
) -> Iterator[tuple[int, Segment]]:
    tried = conn.execute(_tried, {"b": batch}).all()
    for some in (tried[at : at + _FEW] for at in range(0, len(tried), _FEW)):
        told = chunk_rows.segments_of(conn, batch, [one.number for one in some])
        for one in some:
            state = ChunkState(one.size, told.get(one.number, ()))
            if (segment := state.given_up(at_ms, one.fence)) is not None:
                yield one.number, segment
