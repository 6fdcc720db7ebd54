"""Dead letters: kept once an event, whatever becomes of it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    func,
    insert,
    select,
    update,
)

from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.record_rows import packed, unpacked
from batchwire.adapters.sql.tables import dead_letters
from batchwire.adapters.sql.times import at, millis, moment
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.messages.dead_letter import redriven_as
from batchwire.ports.dead_letters import Filter

WAITS = dead_letters.c.redriven_at.is_(None)
_known = (
    select(dead_letters)
    .where(
        dead_letters.c.event_id.in_(bindparam("event_ids", expanding=True)),
        dead_letters.c.group_id == bindparam("group"),
    )
    .order_by(dead_letters.c.id)
    .limit(1)
    .with_for_update()
)
_waiting = select(dead_letters.c.event_id).where(
    IsAmong(dead_letters.c.event_id, "event_ids"),
    dead_letters.c.group_id == bindparam("group"),
    WAITS,
)
_again = (
    update(dead_letters)
    .where(dead_letters.c.id == bindparam("letter"))
    .values(
        event_id=bindparam("event"),
        disposition=bindparam("why"),
        message=bindparam("told"),
        failed_at=bindparam("at"),
        deliveries=bindparam("tries"),
        redriven_at=None,
    )
)


def keep(conn: Connection, letter: DeadLetter) -> DeadLetter:
    """
    Keep one; returns it with its counts.

    One that was redriven and comes again keeps its row, its counts and the record as it
    was first. Its event id may be another now: what could not be read then can be now.
    """
    names = {letter.event_id, redriven_as(letter.record) or letter.event_id}
    wanted = {"event_ids": sorted(names), "group": letter.group}
    row = conn.execute(_known, wanted).first()
    if row is None:
        conn.execute(insert(dead_letters), _row(letter))
        return letter
    tries = row.deliveries + letter.deliveries
    again = {
        "letter": row.id,
        "event": letter.event_id,
        "why": letter.disposition,
        "told": letter.message,
        "at": millis(letter.failed_at),
        "tries": tries,
    }
    conn.execute(_again, again)
    return msgspec.structs.replace(letter, deliveries=tries, replays=row.replays)


def waiting_events(conn: Connection, group: str, event_ids: Sequence[str]) -> set[str]:
    """Which of these events are dead letters of a consumer that wait for a decision."""
    wanted = {"event_ids": event_ids, "group": group}
    return set(conn.execute(_waiting, wanted).scalars())


def find(conn: Connection, wanted: Filter, limit: int) -> list[DeadLetter]:
    """Read those that fit, oldest first."""
    query = select(dead_letters).where(*fitting(wanted)).order_by(dead_letters.c.id)
    if limit:
        query = query.limit(limit)
    return [letter_of(row) for row in conn.execute(query)]


def count(conn: Connection) -> int:
    """Count those that wait for a decision."""
    query = select(func.count()).select_from(dead_letters).where(WAITS)
    return conn.execute(query).scalar_one()


def fitting(wanted: Filter) -> list[ColumnElement[bool]]:
    """Give what a row must fulfil."""
    must: list[ColumnElement[bool]] = [] if wanted.include_redriven else [WAITS]
    if wanted.ids:
        must.append(dead_letters.c.id.in_(wanted.ids))
    if wanted.batch_id:
        must.append(dead_letters.c.batch_id == wanted.batch_id)
    if wanted.disposition:
        must.append(dead_letters.c.disposition == wanted.disposition)
    if wanted.since:
        must.append(dead_letters.c.failed_at >= millis(wanted.since))
    return must


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
        "replays": letter.replays,
    }


def letter_of(row: Row[Any]) -> DeadLetter:
    """Read a dead letter from its row."""
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
        failed_at=at(row.failed_at),
        replays=row.replays,
        redriven_at=moment(row.redriven_at),
        redriven_by=row.redriven_by,
    )
