"""Dead letters: kept once an event, put back by the outbox."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from batchwire.adapters.sql.among import among
from batchwire.adapters.sql.record_rows import outbox_row, packed, unpacked
from batchwire.adapters.sql.tables import dead_letters, outbox
from batchwire.adapters.sql.times import millis, moment
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.ports.bus import Outgoing
from batchwire.ports.dead_letters import Filter

_event = dead_letters.c.event_id
_waits = dead_letters.c.redriven_at.is_(None)
_by_event = select(dead_letters.c.id).where(
    _event == bindparam("event"), dead_letters.c.group_id == bindparam("group")
)
_again = (
    update(dead_letters)
    .where(dead_letters.c.id == bindparam("letter"))
    .values(
        disposition=bindparam("disposition"),
        message=bindparam("message"),
        failed_at=bindparam("failed_at"),
        deliveries=dead_letters.c.deliveries + 1,
        redriven_at=None,
    )
)


def keep(conn: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep them; one that was redriven and comes again keeps its row and its counts."""
    for letter in letters:
        key = {"event": letter.event_id, "group": letter.group}
        known = conn.execute(_by_event, key).scalar()
        if known is None:
            conn.execute(insert(dead_letters), _row(letter))
        else:
            conn.execute(
                _again,
                {
                    "letter": known,
                    "disposition": letter.disposition,
                    "message": letter.message,
                    "failed_at": millis(letter.failed_at),
                },
            )


def waiting_events(conn: Connection, event_ids: Sequence[str]) -> set[str]:
    """Which of these events are dead letters that wait for a decision."""
    if conn.execute(select(dead_letters.c.id).limit(1)).first() is None:
        return set()
    query = select(_event).where(among(conn, _event, event_ids), _waits)
    return set(conn.execute(query).scalars())


def replays_of(conn: Connection, event_id: str) -> int:
    """How often an event was redriven before."""
    query = select(dead_letters.c.replays).where(_event == event_id)
    return conn.execute(query).scalar() or 0


def find(conn: Connection, wanted: Filter, limit: int) -> list[DeadLetter]:
    """Read those that fit, oldest first."""
    query = _filtered(select(dead_letters), wanted).order_by(dead_letters.c.id)
    if limit:
        query = query.limit(limit)
    return [_letter(row) for row in conn.execute(query)]


def redrive(
    conn: Connection, ids: Sequence[int], most_replays: int, now_ms: int
) -> list[int]:
    """Put these back on their topics, by the outbox."""
    query = (
        _filtered(select(dead_letters), Filter(ids=ids))
        .where(dead_letters.c.replays < most_replays)
        .order_by(dead_letters.c.id)
        .with_for_update()
    )
    letters = [_letter(row) for row in conn.execute(query)]
    if letters:
        again = [Outgoing(topic=one.topic, record=one.record) for one in letters]
        conn.execute(insert(outbox), [outbox_row(one, now_ms) for one in again])
        conn.execute(
            update(dead_letters)
            .where(dead_letters.c.id.in_([one.id for one in letters]))
            .values(replays=dead_letters.c.replays + 1, redriven_at=now_ms)
        )
    return [one.id for one in letters]


def discard(conn: Connection, ids: Sequence[int]) -> int:
    """Delete them."""
    return conn.execute(delete(dead_letters).where(dead_letters.c.id.in_(ids))).rowcount


def count(conn: Connection) -> int:
    """Count those that wait for a decision."""
    query = select(func.count()).select_from(dead_letters).where(_waits)
    return conn.execute(query).scalar_one()


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    if not wanted.include_redriven:
        query = query.where(_waits)
    if wanted.ids:
        query = query.where(dead_letters.c.id.in_(wanted.ids))
    if wanted.batch_id:
        query = query.where(dead_letters.c.batch_id == wanted.batch_id)
    if wanted.disposition:
        query = query.where(dead_letters.c.disposition == wanted.disposition)
    return query


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "event_id": letter.event_id,
        "batch_id": letter.batch_id,
        "disposition": letter.disposition,
        "message": letter.message,
        "topic": letter.topic,
        "record": packed(letter.record),
        "group_id": letter.group,
        "deliveries": letter.deliveries,
        "failed_at": millis(letter.failed_at),
    }


def _letter(row: Row[Any]) -> DeadLetter:
    failed_at = moment(row.failed_at)
    assert failed_at is not None  # noqa: S101 - the column is NOT NULL
    return DeadLetter(
        id=row.id,
        event_id=row.event_id,
        batch_id=row.batch_id,
        disposition=Disposition(row.disposition),
        message=row.message,
        record=unpacked(row.record),
        topic=row.topic,
        group=row.group_id,
        deliveries=row.deliveries,
        failed_at=failed_at,
        replays=row.replays,
        redriven_at=moment(row.redriven_at),
    )
