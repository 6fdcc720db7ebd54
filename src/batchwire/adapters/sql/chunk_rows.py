"""Chunks: prepared once, leased, answered, rewritten."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)

from batchwire.adapters.sql import log, suppression_rows, worker_rows
from batchwire.adapters.sql.batch_rows import counted_row_of, locked_row_of, row_of
from batchwire.adapters.sql.bulk import Bulk
from batchwire.adapters.sql.tables import (
    OUTCOMES,
    batches,
    chunks,
    payloads,
    results,
)
from batchwire.domain.counts import ZERO, Counts, add, count
from batchwire.domain.events import Fact
from batchwire.domain.ledger import (
    ChunkState,
    Payload,
    Segment,
    pack,
    unpack_payload,
    unpack_segment,
)
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.errors import StaleBatch, StaleLease
from batchwire.ports.store import (
    Chunk,
    ChunkUpdate,
    Claim,
    Flush,
    Flushed,
    NewChunk,
    Rewrite,
)


def _adding(
    table: Table,
    own: Any,  # noqa: ANN401 - an SQL expression
    **values: Any,  # noqa: ANN401 - the same
) -> Any:  # noqa: ANN401 - the same
    """Make an update that adds a delta to each count of the rows it matches."""
    deltas = {n: table.c[n] + bindparam(f"d_{n}") for n in OUTCOMES}
    return update(table).where(own).values({**deltas, **values})


_this_chunk = (chunks.c.batch == bindparam("b")) & (chunks.c.number == bindparam("n"))
_add_to_batch = _adding(batches, batches.c.id == bindparam("b"))
_add_and_tell = _add_to_batch.returning(*(batches.c[name] for name in OUTCOMES))
_DELTAS = tuple(f"d_{name}" for name in OUTCOMES)
_append = Bulk(insert(results).inline(), ("batch", "number", "data"))
_keep = Bulk(
    _adding(
        chunks,
        _this_chunk,
        intent=func.coalesce(bindparam("intent_", type_=Integer), chunks.c.intent),
    ),
    ("intent_", *_DELTAS, "b", "n"),
)
_release = Bulk(
    _adding(
        chunks,
        _this_chunk,
        lease_owner=null(),
        leased_at=null(),
        intent=literal_column("0"),
        due_at=bindparam("due"),
    ),
    ("due", *_DELTAS, "b", "n"),
)
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
LEASED = chunks.c.lease_owner.is_not(None)
LOST = worker_rows.is_lost(chunks.c.lease_owner)
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
    .where(_this_chunk)
    .values(
        lease_owner=bindparam("owner"),
        leased_at=bindparam("now"),
        fence=chunks.c.fence + literal_column("1"),
        intent=literal_column("0"),
    ),
    ("owner", "now", "b", "n"),
)
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


def _deltas(counts: Counts) -> dict[str, int]:
    return {f"d_{n}": counts[i] for i, n in enumerate(OUTCOMES)}


def append_chunks(
    conn: Connection,
    batch_id: str,
    owner: str,
    new: Sequence[NewChunk],
    facts: Sequence[Fact],
    now: datetime,
) -> Status:
    """Insert prepared chunks, if the batch is still being prepared."""
    row = _prepared_by(conn, batch_id, owner)
    status = Status(row.status)
    if status is not Status.PREPARATION_RUNNING:
        return status
    if new:
        _insert(conn, row.id, new)
    if facts:
        log.append(conn, row, facts, now)
    return status


def rewrite_prepared(
    conn: Connection,
    batch_id: str,
    owner: str,
    rewrites: Sequence[Rewrite],
    facts: Sequence[Fact],
    now: datetime,
) -> Status:
    """Rewrite prepared chunks, if the batch is still being prepared."""
    row = _prepared_by(conn, batch_id, owner)
    status = Status(row.status)
    if status is not Status.PREPARATION_RUNNING:
        return status
    if rewrites:
        rewrite(conn, batch_id, row.id, rewrites)
    if facts:
        log.append(conn, row, facts, now)
    return status


def _prepared_by(conn: Connection, batch_id: str, owner: str) -> Row[Any]:
    row = locked_row_of(conn, batch_id)
    if row.prepared_by != owner:
        raise StaleLease(f"batch {batch_id} is prepared by another worker now")
    return row


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
    _append_segments(
        conn, batch, [(c.number, c.segment) for c in new if c.segment is not None]
    )
    total = ZERO
    for chunk in new:
        total = add(total, chunk.counts)
    conn.execute(_add_to_batch, {"b": batch, **_deltas(total)})
    conn.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(parts=batches.c.parts + sum(chunk.parts for chunk in new))
    )


def _append_segments(
    conn: Connection, batch: int, segments: Iterable[tuple[int, Segment]]
) -> None:
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
    _append_segments(conn, batch, told)
    moves = [(number, _moved(one, source)) for number, one in told]
    _keep.execute(conn, [(None, *move, batch, number) for number, move in moves])
    total = reduce(add, (move for _, move in moves))
    conn.execute(_add_to_batch, {"b": batch, **_deltas(total)})


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
        claims = _claim(conn, row.id, owner, work.claim, at_ms)
        if len(claims) < work.claim:
            next_due = conn.execute(_next_due, {"b": row.id}).scalar()
    due_s = None if next_due is None else max(0, next_due - at_ms) / 1000
    return Written(row, moved, stale, claims, due_s)


def count_up(conn: Connection, work: Flush, done: Written, now: datetime) -> Flushed:
    """
    Write what a flush changes of the batch itself: counts, limit, progress.

    After everything else: from here to the commit whoever else flushes waits.
    """
    row = done.row
    counts: Counts = tuple(getattr(row, name) for name in OUTCOMES)
    if any(done.moved):
        added = {"b": row.id, **_deltas(done.moved)}
        counts = tuple(conn.execute(_add_and_tell, added).one())
    if work.limited_by not in {None, row.limited_by}:
        conn.execute(
            update(batches).where(batches.c.id == row.id),
            {"limited_by": work.limited_by},
        )
    if work.facts:
        row = counted_row_of(conn, work.batch_id)
        if not log.is_told(conn, row, now):
            log.append(conn, row, work.facts, now)
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
        moved, segments = ZERO, [u.segment] if u.segment else []
        if u.segment and held[u.number, u.fence] is not None:
            moved, segments = _late(conn, row.id, u.number, u.segment)
        elif u.segment:
            moved = _moved(u.segment, Outcome.OPEN)
        told += [(u.number, one) for one in segments]
        total = add(total, moved)
        if u.is_released:
            released.append((_due_at(u, at_ms), *moved, row.id, u.number))
        else:
            intent = u.intent if u.intent and is_running else None
            kept.append((intent, *moved, row.id, u.number))
    _append_segments(conn, row.id, told)
    _keep.execute(conn, kept)
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


def _moved(segment: Segment, source: Outcome) -> Counts:
    """Count where answered recipients go; they leave one outcome."""
    delta = list(count(segment.outcomes))
    delta[Outcome.OPEN] = 0
    delta[source] -= sum(delta)
    return tuple(delta)


def _late(
    conn: Connection, batch: int, number: int, segment: Segment
) -> tuple[Counts, list[Segment]]:
    """
    Count where who is answered in a closed chunk goes, and say what to append.

    Nobody is sent again any more: whose answer was lost is uncertain.
    """
    before = next(read(conn, batch, number - 1, 1))
    size, closed_as = len(before.state.recorded), before.state.closed_as
    told = [*before.state.segments, segment]
    state = ChunkState(size, told, closed_as)
    if (given_up := state.given_up(segment.at, segment.fence)) is not None:
        told.append(given_up)
        state = ChunkState(size, told, closed_as)
    moved = map(int.__sub__, count(state.outcomes()), before.counts)
    return tuple(moved), told[len(before.state.segments) :]


def _claim(
    conn: Connection, batch: int, owner: str, most: int, at_ms: int
) -> tuple[Claim, ...]:
    due = list(conn.execute(_due, {"b": batch, "now": at_ms, "most": most}))
    if not due:
        return ()
    _take.execute(conn, [(owner, at_ms, batch, d.number) for d in due])
    wanted = [d.number for d in due]
    found = payloads_of(conn, batch, wanted)
    # Unpacked here, in the writer's thread: half of it needs no interpreter.
    data = {n: unpack_payload(packed) for n, packed in found.items()}
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
    conn: Connection, data: Mapping[int, Payload]
) -> dict[int, frozenset[str]]:
    """Find the suppressed numbers of payloads, by chunk number; mostly there are none."""
    if suppression_rows.is_empty(conn):
        return {}
    numbers = {n: payload.numbers.split("\n") for n, payload in data.items()}
    found = suppression_rows.among(conn, list(chain.from_iterable(numbers.values())))
    return {n: frozenset(found.intersection(some)) for n, some in numbers.items()}


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
            counts=tuple(getattr(row, name) for name in OUTCOMES),
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
    """Rewrite chunks outside delivery; the batch's counts and parts move along."""
    ended = {(r.number, r.fence) for r in rewrites if r.fence is not None}
    if ended:
        query = select(chunks.c.number, chunks.c.fence)
        query = query.where(chunks.c.batch == batch, LOST)
        if not ended.issubset(map(tuple, conn.execute(query))):
            raise StaleBatch(batch_id, "another worker took these chunks back")
    _append_segments(conn, batch, [(r.number, s) for r in rewrites for s in r.segments])
    wanted = [r.number for r in rewrites]
    total = ZERO
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        query = select(*(func.sum(chunks.c[n]) for n in OUTCOMES)).where(
            chunks.c.batch == batch, chunks.c.number.in_(some)
        )
        total = add(total, [-before for before in conn.execute(query).one()])
    for one in rewrites:
        total = add(total, one.counts)
    conn.execute(_add_to_batch, {"b": batch, **_deltas(total)})
    conn.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(parts=batches.c.parts - sum(r.parts_removed for r in rewrites))
    )
    conn.execute(
        _rewrite,
        [
            {
                "b": batch,
                "n": r.number,
                "closed": r.closed_as,
                "removed": r.parts_removed,
                **{f"v_{n}": r.counts[i] for i, n in enumerate(OUTCOMES)},
            }
            for r in rewrites
        ],
    )


_rewrite = (
    update(chunks)
    .where(_this_chunk)
    .values(
        closed_as=bindparam("closed"),
        parts=chunks.c.parts - bindparam("removed"),
        lease_owner=null(),
        leased_at=null(),
        intent=0,
        due_at=0,
        **{n: bindparam(f"v_{n}") for n in OUTCOMES},
    )
)
