"""Batches that other systems execute: a log as ours have, and a state of their own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row as SqlRow, bindparam, insert, select, update

from batchwire.adapters.sql import log
from batchwire.adapters.sql.among import among
from batchwire.adapters.sql.bulk import Bulk, Row
from batchwire.adapters.sql.tables import batches, observed
from batchwire.domain.events import GENESIS, Event, Fact
from batchwire.domain.observed import ObservedBatch, ObservedState, step

AGGREGATE = "observed"

_state = msgspec.json.Decoder(ObservedState)
_new = Bulk(insert(observed), ("batch_id", "last_hash", "state"))
_changed = Bulk(
    update(observed)
    .where(observed.c.id == bindparam("row"))
    .values(last_hash=bindparam("hash"), state=bindparam("new")),
    ("hash", "new", "row"),
)


class Logbook:
    """
    The observed batches that one transaction touches, read and written together.

    Facts are applied in memory in their order; ``write`` stores all of them at once.
    """

    def __init__(self, conn: Connection, batch_ids: Iterable[str]) -> None:
        self._conn = conn
        wanted = sorted(batch_ids)  # one order of locks for all
        known = select(observed).where(among(conn, observed.c.batch_id, wanted))
        rows = conn.execute(known.order_by(observed.c.id).with_for_update())
        self._rows = {row.batch_id: _Pages(row.id, row) for row in rows}
        self._events: list[Row] = []
        self.ours = _ours(conn, [one for one in wanted if one not in self._rows])

    def state(self, batch_id: str) -> ObservedState | None:
        """Give the state of an observed batch; None where there is none yet."""
        pages = self._rows.get(batch_id)
        return pages.state if pages else None

    def append(self, batch_id: str, fact: Fact, now: datetime) -> tuple[Event, bytes]:
        """Append a fact, the first one of a batch makes it; returns event and hash."""
        pages = self._rows.setdefault(batch_id, _Pages(None, None))
        event = Event(
            batch_id=batch_id,
            sequence=pages.state.sequence + 1,
            type=fact.type,
            at=now,
            data=fact.data,
            delta=fact.delta,
        )
        pages.hash = event.digest(pages.hash)
        pages.state = step(pages.state, event)
        pages.is_changed = True
        self._events.append(log.row_of_event(event, pages.hash, AGGREGATE))
        return event, pages.hash

    def write(self) -> None:
        """Store what was appended."""
        if not self._events:
            return
        log.append_rows(self._conn, self._events)
        new, old = [], []
        for batch_id, pages in self._rows.items():
            state = pages.state.encode() if pages.is_changed else b""
            if pages.row_id is None:
                new.append((batch_id, pages.hash, state))
            elif pages.is_changed:
                old.append((pages.hash, state, pages.row_id))
        _new.execute(self._conn, new)
        _changed.execute(self._conn, old)


def _ours(conn: Connection, batch_ids: list[str]) -> set[str]:
    """Find which of the ids are batches of our own; an observed one never is."""
    if not batch_ids:
        return set()
    query = select(batches.c.batch_id).where(among(conn, batches.c.batch_id, batch_ids))
    return set(conn.execute(query).scalars())


class _Pages:
    def __init__(self, row_id: int | None, row: SqlRow[Any] | None) -> None:
        self.row_id = row_id
        self.hash: bytes = row.last_hash if row else GENESIS
        self.state = _state.decode(row.state) if row else ObservedState()
        self.is_changed = False


def find(conn: Connection, limit: int) -> list[ObservedBatch]:
    """Read observed batches, newest first."""
    query = select(observed).order_by(observed.c.id.desc())
    if limit:
        query = query.limit(limit)
    return [
        ObservedBatch(batch_id=row.batch_id, state=_state.decode(row.state))
        for row in conn.execute(query)
    ]


def one(conn: Connection, batch_id: str) -> ObservedState | None:
    """Read one; None where there is none."""
    row = row_of(conn, batch_id)
    return _state.decode(row.state) if row else None


def row_of(conn: Connection, batch_id: str) -> SqlRow[Any] | None:
    """Find the row of an observed batch."""
    query = select(observed).where(observed.c.batch_id == batch_id)
    return conn.execute(query).first()
