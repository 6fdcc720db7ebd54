"""What waits to be published: added with what it tells, read by shard, gone when done."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from batchwire.adapters.sql import dead_letter_rows, worker_rows
from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.record_rows import SHARDS, outbox_row, pending_of
from batchwire.adapters.sql.tables import outbox, shards
from batchwire.adapters.sql.times import millis
from batchwire.adapters.sql.worker_rows import RELAY
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.messages.dead_letter import is_copy, redriven_as
from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Depth, Pending

DEAD_AFTER_S = 30.0  # without a sign

_MOST_BYTES = 32 * 1024 * 1024  # of values in one page, besides the number of rows

_mine = select(shards.c.shard).where(shards.c.owner == bindparam("owner"))
_pending = (
    select(
        outbox.c.position,
        outbox.c.topic,
        outbox.c.key,
        outbox.c.payload,
        outbox.c.headers,
    )
    .where(outbox.c.shard.in_(_mine))
    .order_by(outbox.c.position)
    .limit(bindparam("most"))
)
_these = IsAmong(outbox.c.position, "positions")
_done = delete(outbox).where(_these, outbox.c.shard.in_(_mine))


def add(conn: Connection, records: Sequence[Outgoing], now: datetime) -> list[int]:
    """Insert records in their order; returns their positions."""
    rows = [outbox_row(one, millis(now)) for one in records]
    statement = insert(outbox).returning(
        outbox.c.position, sort_by_parameter_order=True
    )
    return list(conn.execute(statement, rows).scalars())


def lease(conn: Connection, owner: str, now: datetime) -> int:
    """Say that we live; hold our fair share of the shards."""
    at_ms = worker_rows.join(conn, owner, RELAY, DEAD_AFTER_S, now)
    worker_rows.bury(conn, RELAY, at_ms)
    alive = set(conn.execute(worker_rows.alive(RELAY)).scalars())
    rows = conn.execute(select(shards).with_for_update())
    held = {row.shard: row.owner for row in rows}
    missing = [n for n in range(SHARDS) if n not in held]
    if missing:
        conn.execute(insert(shards), [{"shard": n, "owner": ""} for n in missing])
        held |= dict.fromkeys(missing, "")
    share = -(-SHARDS // len(alive))
    ours = [shard for shard, holder in held.items() if holder == owner]
    free = [shard for shard, holder in held.items() if holder not in alive]
    _give(conn, ours[share:], "")
    taken = free[: max(0, share - len(ours))]
    _give(conn, taken, owner)
    return min(len(ours), share) + len(taken)


def _give(conn: Connection, some: Sequence[int], owner: str) -> None:
    if some:
        conn.execute(update(shards).where(shards.c.shard.in_(some)), {"owner": owner})


def release(conn: Connection, owner: str) -> None:
    """Give all shards back: the others need not wait for our heartbeat to stop."""
    conn.execute(update(shards).where(shards.c.owner == owner), {"owner": ""})
    worker_rows.leave(conn, owner)


def pending(
    conn: Connection, owner: str, most: int, without: Collection[str]
) -> list[Pending]:
    """Read the oldest of our shards; mostly no topic is passed over."""
    query = _pending
    if without:
        query = query.where(outbox.c.topic.not_in(sorted(without)))
    found, size = list[Pending](), 0
    for row in conn.execute(query, {"owner": owner, "most": most}):
        found.append(pending_of(row))
        size += len(row.payload or b"")
        if size >= _MOST_BYTES:
            break
    return found


def done(conn: Connection, owner: str, positions: Sequence[int]) -> int:
    """Delete what was published, where its shard is still ours."""
    return conn.execute(_done, {"owner": owner, "positions": positions}).rowcount


def refuse(
    conn: Connection, owner: str, one: Pending, reason: str, now: datetime
) -> None:
    """Make a dead letter of what can never be published; only here, not on a topic."""
    if not done(conn, owner, [one.position]):
        return
    record = one.outgoing.record
    if is_copy(record):
        return  # of a dead letter that is kept here anyway
    told = outbox_row(one.outgoing, millis(now))
    letter = DeadLetter(
        event_id=told["id"] or redriven_as(record) or f"outbox:{one.position}",
        batch_id=told["aggregateid"],
        disposition=Disposition.TOO_LARGE,
        message=reason,
        record=record,
        topic=one.outgoing.topic,
        failed_at=now,
    )
    dead_letter_rows.keep(conn, letter)


def waiting(conn: Connection, positions: Sequence[int]) -> set[int]:
    """Which of these still wait."""
    query = select(outbox.c.position).where(_these)
    return set(conn.execute(query, {"positions": positions}).scalars())


def depth(conn: Connection, now: datetime) -> Depth:
    """Count the rows, and find the age of the oldest."""
    rows, oldest = conn.execute(select(func.count(), func.min(outbox.c.at))).one()
    age_s = (millis(now) - oldest) / 1000 if oldest is not None else 0.0
    return Depth(rows, max(0.0, age_s))


def is_full(conn: Connection, most: int) -> bool:
    """Whether so many wait; as long as they are few nothing is counted."""
    if span(conn) < most:
        return False
    rows = conn.execute(select(func.count()).select_from(outbox)).scalar_one()
    return rows >= most


def span(conn: Connection) -> int:
    """Give an upper bound of the rows, without counting them."""
    first, last = (
        conn.execute(select(end(outbox.c.position))).scalar()
        for end in (func.min, func.max)
    )
    return 0 if first is None or last is None else int(last - first + 1)
