"""``SqlObserved``: the door to the batches that other systems execute, on SQL."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from batchwire.adapters.sql import batch_rows, log, observed_rows, outbox_rows
from batchwire.adapters.sql.database import Database
from batchwire.domain.events import EventType, Fact
from batchwire.domain.observed import ObservedBatch
from batchwire.domain.operations import Command
from batchwire.errors import UnknownBatch
from batchwire.ports.bus import Outgoing
from batchwire.ports.clock import Clock


class SqlObserved:
    """The table ``observed``. Implements ``ports.observed.ObservedBatches``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self) -> list[ObservedBatch]:
        """See the port."""
        return await self._database.read(observed_rows.find)

    async def one(self, batch_id: str) -> ObservedBatch:
        """See the port."""
        return await self._database.read(_one, batch_id)

    async def operate(
        self, command: Command, metadata: Mapping[str, str] | None = None
    ) -> ObservedBatch:
        """See the port."""
        now = self._clock.now()
        return await self._database.write(_operate, command, metadata or {}, now)


def _one(conn: Connection, batch_id: str) -> ObservedBatch:
    state = observed_rows.one(conn, batch_id)
    if state is None:
        raise UnknownBatch(batch_id)
    return ObservedBatch(batch_id=batch_id, state=state)


def _operate(
    conn: Connection, command: Command, metadata: Mapping[str, str], now: datetime
) -> ObservedBatch:
    batch_id = command.batch_id
    logbook = observed_rows.Logbook(conn, [batch_id], now)
    state = logbook.state(batch_id)
    if state is None:
        raise UnknownBatch(batch_id)
    if batch_rows.first_answer(conn, command, metadata):
        return ObservedBatch(batch_id=batch_id, state=state)
    batch_rows.keep_answer(conn, command, None, now)
    data = {**msgspec.to_builtins(command), "metadata": dict(metadata)}
    fact = Fact(type=EventType.OPERATION, data=data)
    event, digest = logbook.append(batch_id, fact)
    logbook.write()
    announcer = log.announcer_of(conn)
    if announcer is not None:
        told = Outgoing(topic=announcer.topic, record=announcer.asked(event, digest))
        outbox_rows.add(conn, [told], now)
    return _one(conn, batch_id)
