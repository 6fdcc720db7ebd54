"""The retry table: events that are tried again later, and those behind them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.record_rows import packed, unpacked
from batchwire.adapters.sql.tables import parked
from batchwire.adapters.sql.times import at, millis
from batchwire.ports.inbox import Arrival, Park, Parked

_of_batches = select(parked.c.event_id, parked.c.batch_id).where(
    parked.c.consumer == bindparam("consumer"),
    IsAmong(parked.c.batch_id, "batch_ids"),
)
_leave = delete(parked).where(parked.c.id == bindparam("parked_id"))
_again = (
    update(parked)
    .where(parked.c.id == bindparam("parked_id"))
    .values(
        attempts=bindparam("made"),
        due_at=bindparam("due"),
        reason=bindparam("why"),
    )
)


def of_batches(
    conn: Connection, consumer: str, batch_ids: Collection[str]
) -> list[tuple[str, str]]:
    """Give (event, batch) of what is parked of these batches."""
    wanted = {"consumer": consumer, "batch_ids": sorted(batch_ids)}
    return [
        (event_id, batch_id) for event_id, batch_id in conn.execute(_of_batches, wanted)
    ]


def is_waiting(conn: Connection, consumer: str, batch_id: str) -> bool:
    """Whether an event of the batch is parked."""
    return bool(of_batches(conn, consumer, [batch_id]))


def keep(conn: Connection, arrival: Arrival, effect: Park, now: datetime) -> None:
    """Park an event, the last of its batch, or park it again in its place."""
    due_ms = millis(effect.due_at)
    if arrival.parked_id:
        again = {
            "parked_id": arrival.parked_id,
            "due": due_ms,
            "why": effect.reason,
            "made": effect.attempts,
        }
        conn.execute(_again, again)
        return
    row = {
        "consumer": arrival.consumer,
        "event_id": arrival.event_id,
        "batch_id": arrival.batch_id,
        "record": packed(arrival.record),
        "attempts": effect.attempts,
        "first_at": millis(now),
        "due_at": due_ms,
        "reason": effect.reason,
    }
    conn.execute(insert(parked), row)


def leave(conn: Connection, parked_id: int) -> None:
    """Forget an event that is finished."""
    conn.execute(_leave, {"parked_id": parked_id})


def due(conn: Connection, consumer: str, most: int, now: datetime) -> list[Parked]:
    """Read the first parked event of each batch, where it is due."""
    first = (
        select(func.min(parked.c.id))
        .where(parked.c.consumer == consumer)
        .group_by(parked.c.batch_id)
    )
    query = (
        select(parked)
        .where(parked.c.id.in_(first), parked.c.due_at <= millis(now))
        .order_by(parked.c.id)
        .limit(most)
    )
    return [
        Parked(
            parked_id=row.id,
            event_id=row.event_id,
            batch_id=row.batch_id,
            record=unpacked(row.record),
            attempts=row.attempts,
            first_at=at(row.first_at),
            reason=row.reason,
        )
        for row in conn.execute(query)
    ]
