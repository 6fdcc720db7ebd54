"""
Recipients move from one outcome to another: what is written for that.

A segment says who moved; the counts of the chunk and of the batch move along.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Table,
    bindparam,
    func,
    insert,
    update,
)

from batchwire.adapters.sql.bulk import Bulk
from batchwire.adapters.sql.tables import OUTCOMES, batches, chunks, results
from batchwire.domain.counts import Counts, add, count
from batchwire.domain.ledger import Segment, pack
from batchwire.domain.outcome import Outcome

DELTAS = tuple(f"d_{name}" for name in OUTCOMES)  # parameters of ``adding``, in order


def adding(
    table: Table,
    own: Any,  # noqa: ANN401 - an SQL expression
    **values: Any,  # noqa: ANN401 - the same
) -> Any:  # noqa: ANN401 - the same
    """Make an update that adds a delta to each count of the rows it matches."""
    deltas = {n: table.c[n] + bindparam(f"d_{n}") for n in OUTCOMES}
    return update(table).where(own).values({**deltas, **values})


this_chunk = (chunks.c.batch == bindparam("b")) & (chunks.c.number == bindparam("n"))
keep = Bulk(
    adding(
        chunks,
        this_chunk,
        intent=func.coalesce(bindparam("intent_", type_=Integer), chunks.c.intent),
    ),
    ("intent_", *DELTAS, "b", "n"),
)
_append = Bulk(insert(results).inline(), ("batch", "number", "data"))
_add_to_batch = adding(batches, batches.c.id == bindparam("b")).returning(
    *(batches.c[name] for name in OUTCOMES)
)


def append_segments(
    conn: Connection, batch: int, segments: Iterable[tuple[int, Segment]]
) -> None:
    """Append segments, each with the number of its chunk; counts are not touched."""
    _append.execute(conn, [(batch, number, pack(one)) for number, one in segments])


def append_answers(
    conn: Connection,
    batch: int,
    told: Sequence[tuple[int, Segment]],
    source: Outcome,
) -> None:
    """Append segments by which recipients leave an outcome; leases stay."""
    if not told:
        return
    append_segments(conn, batch, told)
    moves = [(number, moved(one, source)) for number, one in told]
    keep.execute(conn, [(None, *move, batch, number) for number, move in moves])
    add_to_batch(conn, batch, reduce(add, (move for _, move in moves)))


def moved(segment: Segment, source: Outcome) -> Counts:
    """Count where answered recipients go; they leave one outcome."""
    delta = list(count(segment.outcomes))
    delta[Outcome.OPEN] = 0
    delta[source] -= sum(delta)
    return tuple(delta)


def add_to_batch(conn: Connection, batch: int, delta: Counts) -> Counts:
    """Move the counts of a batch; returns what they are now."""
    values = {"b": batch, **dict(zip(DELTAS, delta, strict=True))}
    return tuple(conn.execute(_add_to_batch, values).one())
