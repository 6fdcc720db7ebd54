"""Chunks: read as they stand, and rewritten outside delivery."""

from collections.abc import Iterator, Sequence
from functools import reduce

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    func,
    null,
    select,
    update,
)

from batchwire.adapters.sql import worker_rows
from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.batch_rows import counts_of
from batchwire.adapters.sql.moves import add_to_batch, append_segments, this_chunk
from batchwire.adapters.sql.tables import (
    OUTCOMES,
    batches,
    chunks,
    payloads,
    results,
)
from batchwire.domain.counts import add
from batchwire.domain.ledger import ChunkState, Segment, unpack_segment
from batchwire.domain.outcome import Outcome
from batchwire.errors import StaleBatch
from batchwire.ports.store import Chunk, Rewrite

LEASED = chunks.c.lease_owner.is_not(None)
LOST = worker_rows.is_lost(chunks.c.lease_owner)
# Statements are built once: building one costs more than SQLite takes to run it.
_payloads_of = select(payloads.c.number, payloads.c.data).where(
    payloads.c.batch == bindparam("b"),
    payloads.c.number.in_(bindparam("wanted", expanding=True)),
)
_segments_of = (
    select(results.c.number, results.c.data)
    .where(
        results.c.batch == bindparam("b"),
        results.c.number.in_(bindparam("wanted", expanding=True)),
    )
    .order_by(results.c.id)
)
_counts_of = select(*(func.sum(chunks.c[n]) for n in OUTCOMES)).where(
    chunks.c.batch == bindparam("b"), IsAmong(chunks.c.number, "wanted")
)


def payloads_of(
    conn: Connection, batch: int, wanted: Sequence[int]
) -> dict[int, bytes]:
    """Read the payloads of chunks, by chunk number."""
    found = conn.execute(_payloads_of, {"b": batch, "wanted": wanted})
    return {row.number: row.data for row in found}


def segments_of(
    conn: Connection, batch: int, wanted: Sequence[int]
) -> dict[int, list[Segment]]:
    """Read the segments of chunks in the order they were appended, by chunk number."""
    found: dict[int, list[Segment]] = {}
    for number, data in conn.execute(_segments_of, {"b": batch, "wanted": wanted}):
        found.setdefault(number, []).append(unpack_segment(data))
    return found


def read(
    conn: Connection,
    batch: int,
    after: int,
    most: int,
    only: ColumnElement[bool] | None = None,
) -> Iterator[Chunk]:
    """Read chunks after a number, in order; all, or ``LEASED``, or ``LOST``."""
    query = (
        select(chunks)
        .where(chunks.c.batch == batch, chunks.c.number > after)
        .order_by(chunks.c.number)
        .limit(most)
    )
    if only is not None:
        query = query.where(only)
    rows = list(conn.execute(query))
    wanted = [row.number for row in rows]
    data = payloads_of(conn, batch, wanted)
    parts = segments_of(conn, batch, wanted)
    for row in rows:
        closed = None if row.closed_as is None else Outcome(row.closed_as)
        yield Chunk(
            number=row.number,
            payload=data[row.number],
            state=ChunkState(row.size, parts.get(row.number, ()), closed),
            counts=counts_of(row),
            parts=row.parts,
            fence=row.fence,
            intent=row.intent,
        )


def lost(conn: Connection) -> list[str]:
    """Find the batches with chunks whose worker was declared dead."""
    query = (
        select(batches.c.batch_id)
        .join(chunks, chunks.c.batch == batches.c.id)
        .where(LOST)
        .distinct()
        .order_by(batches.c.batch_id)
    )
    return list(conn.execute(query).scalars())


def rewrite(
    conn: Connection, batch_id: str, batch: int, rewrites: Sequence[Rewrite]
) -> None:
    """Rewrite chunks outside delivery; the batch's counts move along."""
    ended = {(r.number, r.fence) for r in rewrites if r.fence is not None}
    if ended:
        query = select(chunks.c.number, chunks.c.fence)
        query = query.where(chunks.c.batch == batch, LOST)
        if not ended.issubset(map(tuple, conn.execute(query))):
            raise StaleBatch(batch_id, "another worker took these chunks back")
    append_segments(conn, batch, [(r.number, s) for r in rewrites for s in r.segments])
    wanted = {"b": batch, "wanted": [r.number for r in rewrites]}
    before = tuple(conn.execute(_counts_of, wanted).one())
    after = reduce(add, (r.counts for r in rewrites))
    add_to_batch(conn, batch, tuple(map(int.__sub__, after, before)))
    conn.execute(
        _rewrite,
        [
            {
                "b": batch,
                "n": r.number,
                "closed": r.closed_as,
                **{f"v_{n}": r.counts[i] for i, n in enumerate(OUTCOMES)},
            }
            for r in rewrites
        ],
    )


_rewrite = (
    update(chunks)
    .where(this_chunk)
    .values(
        closed_as=bindparam("closed"),
        lease_owner=null(),
        leased_at=null(),
        intent=0,
        due_at=0,
        **{n: bindparam(f"v_{n}") for n in OUTCOMES},
    )
)
