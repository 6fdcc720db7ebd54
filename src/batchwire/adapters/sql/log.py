"""The event log's rows: numbered, chained, folded into the batch's state."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from batchwire.adapters.sql import outbox_rows
from batchwire.adapters.sql.bulk import Bulk, Row as BulkRow
from batchwire.adapters.sql.tables import OUTCOMES, batches, events
from batchwire.domain.batch import BatchSpec
from batchwire.domain.counts import tenth
from batchwire.domain.events import Event, EventType, Fact, State, step
from batchwire.messages.announcement import Announcer
from batchwire.ports.bus import Outgoing

AGGREGATE = "batch"
ANNOUNCER = "announcer"  # the execution option that has it

_COLUMNS = ("aggregatetype", "aggregateid", "sequence", "type", "at", "payload", "hash")
_insert = Bulk(insert(events), _COLUMNS)
_OPERATED = (EventType.OPERATION.value, EventType.REFUSAL.value)
_PROGRESS_EVERY = timedelta(seconds=0.9)
_encoder = msgspec.json.Encoder()


class _Body(msgspec.Struct):
    data: dict[str, Any]
    delta: dict[str, Any]


_body = msgspec.json.Decoder(_Body)
_state = msgspec.json.Decoder(State)
_spec = msgspec.json.Decoder(BatchSpec)
_last = (
    select(events.c.at)
    .where(events.c.aggregateid == bindparam("name"))
    .order_by(events.c.sequence.desc())
    .limit(1)
)
_live = select(batches.c.parts, *(batches.c[name] for name in OUTCOMES)).where(
    batches.c.id == bindparam("batch")
)


def announcer_of(conn: Connection) -> Announcer | None:
    """Find who makes the records of the topic; None where nobody is told."""
    announcer: Announcer | None = conn.get_execution_options().get(ANNOUNCER)
    return announcer


def append(
    conn: Connection, row: Row[Any], facts: Sequence[Fact], now: datetime
) -> State:
    """
    Append facts to the log of a batch and fold them into its stored state.

    ``row`` is the batch's, read in this transaction; the live counts are read here, so
    what they count must be written before.
    """
    live = conn.execute(_live, {"batch": row.id}).one()
    numbers = {"parts": live[0], "counts": list(live[1:])}
    state = _state.decode(row.state)
    previous = row.last_hash
    rows, at = [], now.isoformat()
    announced = []
    announcer = announcer_of(conn)
    for fact in facts:
        event = Event(
            batch_id=row.batch_id,
            sequence=state.sequence + 1,
            type=fact.type,
            at=now,
            data=msgspec.to_builtins(fact.data),
            delta=msgspec.to_builtins({**numbers, **fact.delta}),
        )
        previous = event.digest(previous)
        state = step(state, event)
        rows.append(row_of_event(event, previous, AGGREGATE, at))
        if announcer is not None:
            spec = _spec.decode(row.spec)
            record = announcer.record(event, previous, state, spec)
            if record is not None:
                announced.append(Outgoing(topic=announcer.topic, record=record))
    append_rows(conn, rows)
    if announced:
        outbox_rows.add(conn, announced, now)
    conn.execute(
        update(batches).where(batches.c.id == row.id),
        {"state": state.encode(), "last_hash": previous, "status": state.status},
    )
    return state


def is_told(conn: Connection, row: Row[Any], now: datetime) -> bool:
    """Whether the progress was told a moment ago, and no tenth is passed since."""
    last = conn.execute(_last, {"name": row.batch_id}).scalar()
    if last is None or now - datetime.fromisoformat(last) >= _PROGRESS_EVERY:
        return False
    live = conn.execute(_live, {"batch": row.id}).one()
    return tenth(_state.decode(row.state).counts) == tenth(live[1:])


def read(conn: Connection, batch_id: str, after: int, limit: int) -> list[Row[Any]]:
    """Read rows of a batch's log after a sequence number, in order."""
    query = (
        select(events)
        .where(events.c.aggregateid == batch_id, events.c.sequence > after)
        .order_by(events.c.sequence)
        .limit(limit)
    )
    return list(conn.execute(query))


def of_request(conn: Connection, batch_id: str, request_id: str) -> dict[str, Any]:
    """Read what a batch's log has of an operation; empty where it has nothing."""
    query = (
        select(events.c.payload)
        .where(events.c.aggregateid == batch_id, events.c.type.in_(_OPERATED))
        .order_by(events.c.sequence)
    )
    for payload in conn.execute(query).scalars():
        data = _body.decode(payload).data
        if data.get("request_id") == request_id:
            return data
    return {}


def event_of(row: Row[Any]) -> Event:
    """Read an event back from its row."""
    body = _body.decode(row.payload)
    return Event(
        batch_id=row.aggregateid,
        sequence=row.sequence,
        type=EventType(row.type),
        at=datetime.fromisoformat(row.at),
        data=body.data,
        delta=body.delta,
    )


def append_rows(conn: Connection, rows: Sequence[BulkRow]) -> None:
    """Insert what ``row_of_event`` made."""
    _insert.execute(conn, rows)


def row_of_event(event: Event, digest: bytes, aggregate: str, at: str) -> BulkRow:
    """Make the row of an event; ``digest`` is its own hash, ``at`` its time as text."""
    return (
        aggregate,
        event.batch_id,
        event.sequence,
        event.type.value,
        at,
        _encoder.encode({"data": event.data, "delta": event.delta}),
        digest,
    )
