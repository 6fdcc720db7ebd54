"""What an operator decides of dead letters: back to their topics, or away."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import (
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from batchwire.adapters.sql import notes, outbox_rows
from batchwire.adapters.sql.dead_letter_rows import WAITS, fitting, letter_of
from batchwire.adapters.sql.tables import dead_letters, inbox
from batchwire.adapters.sql.times import millis
from batchwire.messages.dead_letter import to_redrive
from batchwire.ports.bus import Outgoing
from batchwire.ports.dead_letters import Filter, Portion, Redrive

_MOST_DISCARDED = 500
_lane = (dead_letters.c.group_id, dead_letters.c.batch_id)


def redrive(conn: Connection, wanted: Filter, how: Redrive, now: datetime) -> Portion:
    """Put a portion back on its topics, by the outbox; see the port."""
    portion = _portion(conn, wanted, how)
    if not portion.sent or how.is_dry_run:
        return portion
    query = (
        select(dead_letters)
        .where(dead_letters.c.id.in_(portion.sent), WAITS)
        .order_by(dead_letters.c.id)
        .with_for_update()  # of two who redrive at once the second finds none
    )
    letters = [letter_of(row) for row in conn.execute(query)]
    if letters:
        again = [Outgoing(topic=one.topic, record=to_redrive(one)) for one in letters]
        outbox_rows.add(conn, again, now)
        conn.execute(
            update(dead_letters)
            .where(dead_letters.c.id.in_([one.id for one in letters]))
            .values(
                replays=dead_letters.c.replays + 1,
                redriven_at=millis(now),
                redriven_by=how.by,
            )
        )
        pairs = [(one.batch_id, one.id) for one in letters]
        notes.append(conn, "dead_letters_redriven", pairs, {"by": how.by}, now)
    return msgspec.structs.replace(portion, sent=tuple(one.id for one in letters))


def discard(
    conn: Connection, wanted: Filter, by: str, reason: str, now: datetime
) -> list[int]:
    """Delete some; what is delivered again of them has no effect."""
    of = dead_letters.c
    query = (
        select(of.id, of.batch_id, of.group_id, of.event_id)
        .where(*fitting(wanted))
        .order_by(of.id)
        .limit(_MOST_DISCARDED)
        .with_for_update()
    )
    rows = conn.execute(query).all()
    if not rows:
        return []
    _remember(conn, {(row.group_id, row.event_id) for row in rows}, now)
    conn.execute(delete(dead_letters).where(of.id.in_([row.id for row in rows])))
    pairs = [(row.batch_id, row.id) for row in rows]
    why = {"by": by, "reason": reason}
    notes.append(conn, "dead_letters_discarded", pairs, why, now)
    return [row.id for row in rows]


def purge(conn: Connection, before: datetime, most: int) -> None:
    """Forget those redriven before then that never came back, at most so many."""
    of = dead_letters.c
    old = select(of.id).where(of.redriven_at < millis(before)).limit(most)
    conn.execute(delete(dead_letters).where(of.id.in_(old)))


def _portion(conn: Connection, wanted: Filter, how: Redrive) -> Portion:
    of = dead_letters.c
    query = (
        select(of.id, of.replays, *_lane)
        .where(*fitting(wanted), WAITS, of.id > how.after)
        .order_by(of.id)
        .limit(how.most)
    )
    rows = conn.execute(query).all()
    if not rows:
        return Portion()
    staying = _first_staying(conn, wanted, how, rows)
    sent, quarantined, held = [], [], []
    for row in rows:
        if row.replays >= how.most_replays:
            quarantined.append(row.id)
        elif staying.get((row.group_id, row.batch_id), row.id) < row.id:
            held.append(row.id)
        else:
            sent.append(row.id)
    return Portion(
        sent=tuple(sent),
        quarantined=tuple(quarantined),
        held=tuple(held),
        last=rows[-1].id,
    )


def _first_staying(
    conn: Connection,
    wanted: Filter,
    how: Redrive,
    rows: Sequence[Row[int, int, str, str]],
) -> dict[tuple[str, str], int]:
    """
    Find the first letter of each batch that waits and does not go.

    Who is before this portion and waits still does not go any more; in a dry run he
    would have gone.
    """
    of = dead_letters.c
    goes = [*fitting(wanted), of.replays < how.most_replays]
    if not how.is_dry_run:
        goes.append(of.id > how.after)
    batches = {row.batch_id for row in rows if row.batch_id}
    query = (
        select(*_lane, func.min(of.id))
        .where(
            of.batch_id.in_(sorted(batches)),
            of.id < rows[-1].id,
            WAITS,
            not_(and_(*goes)),
        )
        .group_by(*_lane)
    )
    return {(group, batch): first for group, batch, first in conn.execute(query)}


def _remember(conn: Connection, events: set[tuple[str, str]], now: datetime) -> None:
    """Let events count as handled by their consumers."""
    same = [
        and_(inbox.c.consumer == group, inbox.c.event_id == event_id)
        for group, event_id in events
    ]
    known = {
        tuple(row)
        for row in conn.execute(
            select(inbox.c.consumer, inbox.c.event_id).where(or_(*same))
        )
    }
    new = [
        {"consumer": group, "event_id": event_id, "at": millis(now)}
        for group, event_id in sorted(events - known)
        if group
    ]
    if new:
        conn.execute(insert(inbox), new)
