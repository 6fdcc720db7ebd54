"""Flushes: leases taken, answers and intents written, leases given back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    String,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    update,
)

from batchwire.adapters.sql import log, suppression_rows
from batchwire.adapters.sql.batch_rows import (
    batch_of,
    counted_row_of,
    counts_of,
    row_of,
)
from batchwire.adapters.sql.bulk import Bulk
from batchwire.adapters.sql.chunk_rows import payloads_of, read, segments_of
from batchwire.adapters.sql.moves import (
    DELTAS,
    add_to_batch,
    adding,
    append_segments,
    keep,
    moved,
    this_chunk,
)
from batchwire.adapters.sql.tables import batches, chunks
from batchwire.domain import operations
from batchwire.domain.counts import ZERO, Counts, add, count
from batchwire.domain.ledger import ChunkState, Segment, unpack_numbers
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.domain.pacing import LONGEST_BACKOFF_S
from batchwire.ports.store import ChunkUpdate, Claim, Flush, Flushed

_release = Bulk(
    adding(
        chunks,
        this_chunk,
        lease_owner=null(),
        leased_at=null(),
        intent=literal_column("0"),
        due_at=bindparam("due"),
    ),
    ("due", *DELTAS, "b", "n"),
)
_lower = Bulk(
    update(chunks)
    .where(this_chunk, chunks.c.intent > bindparam("most"))
    .values(intent=bindparam("intent_")),
    ("intent_", "b", "n", "most"),
)
_MOST_AHEAD_MS = 1000 * LONGEST_BACKOFF_S  # more than that: the clock was set back
# One text for all of them: to hand over each row, SQLite's driver lets go of the
# interpreter, and takes it again from the thread that makes messages.
_leased = select(
    func.aggregate_strings(
        cast(chunks.c.number, String)
        + ":"
        + cast(chunks.c.fence, String)
        + ":"
        + cast(func.coalesce(chunks.c.closed_as, -1), String),
        ",",
    )
).where(chunks.c.batch == bindparam("b"), chunks.c.lease_owner == bindparam("owner"))
_due = (
    select(chunks.c.number, chunks.c.size, chunks.c.fence)
    .where(
        chunks.c.batch == bindparam("b"),
        chunks.c.open > 0,
        chunks.c.lease_owner.is_(None),
        chunks.c.due_at <= bindparam("now"),
    )
    .order_by(chunks.c.due_at.desc(), chunks.c.number)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_next_due = select(func.min(chunks.c.due_at)).where(
    chunks.c.batch == bindparam("b"),
    chunks.c.open > 0,
    chunks.c.lease_owner.is_(None),
)
_take = Bulk(
    update(chunks)
    .where(this_chunk)
    .values(
        lease_owner=bindparam("owner"),
        leased_at=bindparam("now"),
        fence=chunks.c.fence + literal_column("1"),
        intent=literal_column("0"),
    ),
    ("owner", "now", "b", "n"),
)


class Written(NamedTuple):
    """What a flush wrote of a batch's chunks; ``row`` is the batch's, counts as before."""

    row: Row[Any]
    moved: Counts = ZERO
    stale: tuple[int, ...] = ()
    claims: tuple[Claim, ...] = ()
    next_due_s: float | None = None


def flush(conn: Connection, owner: str, work: Flush, at_ms: int) -> Written:
    """
    Write one batch's chunks, and claim; ``at_ms`` is the time that leases go by.

    The batch is shared (``batch_rows.share``): others write other chunks meanwhile.
    """
    row = row_of(conn, work.batch_id)
    is_running = row.status == Status.DELIVERY_RUNNING
    stale, moved = _write_updates(
        conn, row, owner, work.updates, at_ms, is_running=is_running
    )
    claims: tuple[Claim, ...] = ()
    next_due = None
    if work.claim and is_running:
        claims = _claim(conn, row.id, owner, work.claim, (at_ms, at_ms))
        if len(claims) < work.claim:
            next_due = conn.execute(_next_due, {"b": row.id}).scalar()
        if next_due is not None and next_due - at_ms > _MOST_AHEAD_MS:
            claims += _claim(conn, row.id, owner, work.claim, (at_ms, next_due))
    due_s = None if next_due is None else max(0, next_due - at_ms) / 1000
    return Written(row, moved, stale, claims, due_s)


def count_up(conn: Connection, work: Flush, done: Written, now: datetime) -> Flushed:
    """
    Write what a flush changes of the batch itself: counts, limit, progress.

    After everything else: from here to the commit whoever else flushes waits.
    """
    row = done.row
    counts = counts_of(row)
    if any(done.moved):
        counts = add_to_batch(conn, row.id, done.moved)
    if work.limited_by not in {None, row.limited_by}:
        conn.execute(
            update(batches).where(batches.c.id == row.id),
            {"limited_by": work.limited_by},
        )
    if work.facts:
        row = counted_row_of(conn, work.batch_id)
        if not log.is_told(conn, row, now):
            log.append(conn, row, work.facts, now)
    if work.escaped is not None:
        row = counted_row_of(conn, work.batch_id)
        settled = operations.settle(batch_of(row), work.escaped)
        log.append(conn, row, settled.facts, now)
    return Flushed(
        status=Status(row.status),
        counts=counts,
        claims=done.claims,
        stale=done.stale,
        next_due_s=done.next_due_s,
    )


def _write_updates(
    conn: Connection,
    row: Row[Any],
    owner: str,
    updates: Sequence[ChunkUpdate],
    at_ms: int,
    *,
    is_running: bool,
) -> tuple[tuple[int, ...], Counts]:
    """
    Write answers, intents and releases.

    Returns the chunks that are ours no more, and how the batch's counts are to move.
    """
    if not updates:
        return (), ZERO
    held = _held(conn, row.id, owner)
    ours = [u for u in updates if (u.number, u.fence) in held]
    kept, released, told, total = [], [], [], ZERO
    for u in ours:
        segments: Sequence[Segment] = u.segments
        if segments and held[u.number, u.fence] is not None:
            delta, segments = _late(conn, row.id, u.number, segments)
        else:
            delta = reduce(add, (moved(one, Outcome.OPEN) for one in segments), ZERO)
        told += [(u.number, one) for one in segments]
        total = add(total, delta)
        if u.is_released:
            released.append((_due_at(u, at_ms), *delta, row.id, u.number))
        else:
            intent = u.intent if u.intent and is_running else None
            kept.append((intent, *delta, row.id, u.number))
    append_segments(conn, row.id, told)
    keep.execute(conn, kept)
    if not is_running:  # who was taken out of the line will not be submitted
        left = [u for u in ours if not u.is_released]
        _lower.execute(conn, [(u.intent, row.id, u.number, u.intent) for u in left])
    _release.execute(conn, released)
    stale = tuple(u.number for u in updates if (u.number, u.fence) not in held)
    return stale, total


def _held(
    conn: Connection, batch: int, owner: str
) -> dict[tuple[int, int], int | None]:
    """Give what a worker holds: (number, fence), and what that was closed as."""
    told = conn.execute(_leased, {"b": batch, "owner": owner}).scalar() or ""
    rows = (tuple(map(int, one.split(":"))) for one in told.split(",") if one)
    return {
        (number, fence): None if closed_as < 0 else closed_as
        for number, fence, closed_as in rows
    }


def _due_at(one: ChunkUpdate, at_ms: int) -> int:
    return at_ms + int(one.due_s * 1000) if one.due_s else 0


def _late(
    conn: Connection, batch: int, number: int, segments: Sequence[Segment]
) -> tuple[Counts, Sequence[Segment]]:
    """
    Count where who is answered in a closed chunk goes, and say what to append.

    Nobody is sent again any more: whose answer was lost is uncertain.
    """
    before = next(read(conn, batch, number - 1, 1))
    size, closed_as = len(before.state.recorded), before.state.closed_as
    told = [*before.state.segments, *segments]
    state = ChunkState(size, told, closed_as)
    last = segments[-1]
    if (given_up := state.given_up(last.at, last.fence)) is not None:
        told.append(given_up)
        state = ChunkState(size, told, closed_as)
    delta = map(int.__sub__, count(state.outcomes()), before.counts)
    return tuple(delta), told[len(before.state.segments) :]


def _claim(
    conn: Connection, batch: int, owner: str, most: int, times: tuple[int, int]
) -> tuple[Claim, ...]:
    """Lease what is due; ``times`` are now, and until when that is, in milliseconds."""
    at_ms, due_ms = times
    due = list(conn.execute(_due, {"b": batch, "now": due_ms, "most": most}))
    if not due:
        return ()
    _take.execute(conn, [(owner, at_ms, batch, d.number) for d in due])
    wanted = [d.number for d in due]
    data = payloads_of(conn, batch, wanted)
    parts = segments_of(conn, batch, wanted)
    suppressed = _suppressed(conn, data)
    return tuple(
        Claim(
            number=d.number,
            fence=d.fence + 1,
            payload=data[d.number],
            state=ChunkState(d.size, parts.get(d.number, ())),
            suppressed=suppressed.get(d.number, frozenset()),
        )
        for d in due
    )


def _suppressed(
    conn: Connection, data: Mapping[int, bytes]
) -> dict[int, frozenset[int]]:
    """Find where suppressed numbers stand, by chunk number; mostly there are none."""
    if suppression_rows.is_empty(conn):
        return {}
    numbers = {n: unpack_numbers(payload) for n, payload in data.items()}
    found = suppression_rows.among(conn, list(chain.from_iterable(numbers.values())))
    return {
        n: frozenset(p for p, number in enumerate(some) if number in found)
        for n, some in numbers.items()
    }
