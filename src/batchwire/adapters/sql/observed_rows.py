"""Batches that other systems execute: a log as ours have, and a state of their own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row as SqlRow, bindparam, insert, select, update

from batchwire.adapters.sql import log
from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.bulk import Bulk, Row
from batchwire.adapters.sql.tables import batches, observed
from batchwire.domain.events import GENESIS, Event, Fact
from batchwire.domain.observed import ObservedBatch, ObservedState, step

AGGREGATE = "observed"

_state = msgspec.json.Decoder(ObservedState)
_known = (
    select(observed.c.id, observed.c.batch_id, observed.c.last_hash, observed.c.state)
    .where(IsAmong(observed.c.batch_id, "batch_ids"))
    .order_by(observed.c.batch_id)
    .with_for_update()
)
_own = select(batches.c.batch_id).where(IsAmong(batches.c.batch_id, "batch_ids"))
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
    ``now`` is the time of all of them.
    """

    def __init__(
        self, conn: Connection, batch_ids: Iterable[str], now: datetime
    ) -> None:
        self._conn = conn
        self._now = now
        self._at = now.isoformat()
        wanted = sorted(batch_ids)  # one order of locks for all
        self._pages = _read(conn, wanted)
        self._events: list[Row] = []
        self.ours = _ours(conn, [one for one in wanted if one not in self._pages])

    def state(self, batch_id: str) -> ObservedState | None:
        """Give the state of an observed batch; None where there is none yet."""
        page = self._pages.get(batch_id)
        return page.state if page else None

    def append(self, batch_id: str, fact: Fact) -> tuple[Event, bytes]:
        """Append a fact, the first one of a batch makes it; returns event and hash."""
        page = self._pages.get(batch_id)
        if page is None:
            page = self._pages[batch_id] = _Page(None, GENESIS, ObservedState())
        event = Event(
            batch_id=batch_id,
            sequence=page.state.sequence + 1,
            type=fact.type,
            at=self._now,
            data=fact.data,
            delta=fact.delta,
        )
        page.hash = digest = event.digest(page.hash)
        page.state = step(page.state, event)
        page.is_changed = True
        self._events.append(log.row_of_event(event, digest, AGGREGATE, self._at))
        return event, digest

    def write(self) -> None:
        """Store what was appended."""
        if not self._events:
            return
        log.append_rows(self._conn, self._events)
        new, old = [], []
        for batch_id, page in self._pages.items():
            if page.row_id is None:
                new.append((batch_id, page.hash, page.state.encode()))
            elif page.is_changed:
                old.append((page.hash, page.state.encode(), page.row_id))
        _new.execute(self._conn, new)
        _changed.execute(self._conn, old)


class _Page:
    """What is known of one batch; no row yet where it has no ``row_id``."""

    __slots__ = ("hash", "is_changed", "row_id", "state")

    def __init__(self, row_id: int | None, last: bytes, state: ObservedState) -> None:
        self.row_id = row_id
        self.hash = last
        self.state = state
        self.is_changed = False


def _read(conn: Connection, batch_ids: list[str]) -> dict[str, _Page]:
    if not batch_ids:
        return {}
    rows = conn.execute(_known, {"batch_ids": batch_ids}).all()
    return {
        name: _Page(id_, last, _state.decode(state)) for id_, name, last, state in rows
    }


def _ours(conn: Connection, batch_ids: list[str]) -> set[str]:
    """Find which of the ids are batches of our own; an observed one never is."""
    if not batch_ids:
        return set()
    return set(conn.execute(_own, {"batch_ids": batch_ids}).scalars())


def find(conn: Connection) -> list[ObservedBatch]:
    """Read observed batches, newest first."""
    query = select(observed).order_by(observed.c.id.desc())
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
