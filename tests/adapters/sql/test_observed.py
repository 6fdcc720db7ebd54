"""Observed batches in the database, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.event_doors import SqlInbox, SqlOutbox
from batchwire.adapters.sql.observed_door import SqlObserved
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.tables import events
from batchwire.domain import operations
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Operation
from batchwire.domain.observed import Announcement, Report, fold
from batchwire.domain.operations import Command
from batchwire.domain.record import Record
from batchwire.errors import BatchConflict, UnknownBatch
from batchwire.messages.announcement import Announcer
from batchwire.messages.codec import decode
from batchwire.messages.requests import BatchOperationRequest
from batchwire.ports.inbox import Announce, Applied, Arrival, Effect, Observe
from batchwire.testing.builders import create, spec
from batchwire.testing.clock import ManualClock

ANNOUNCER = Announcer("/here", "org.example", "t")
RUNNING = Report(
    status="delivery_running",
    phase="delivery",
    progress=0.5,
    at=datetime(2030, 1, 1, 11, 59, 59, 123456, tzinfo=UTC),
    source="/there",
)
PAUSE = Command(
    batch_id="b1",
    operation=Operation.PAUSE,
    request_id="p1",
    operator_id="eve",
    reason="lunch",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where observed batches come in, and are looked at."""

    database: Database
    store: SqlStore
    inbox: SqlInbox
    outbox: SqlOutbox
    observed: SqlObserved

    async def hear(self, *effects: Effect, batch_id: str = "b1") -> list[Applied]:
        """Consume events of a batch."""
        work = [
            (
                Arrival(
                    consumer="group",
                    event_id=f"{batch_id}-{id(effect)}",
                    batch_id=batch_id,
                    record=Record(key=b"", value=b"{}"),
                ),
                effect,
            )
            for effect in effects
        ]
        return await self.inbox.apply(work)

    async def published(self) -> list[Record]:
        """Give what waits to be published."""
        await self.outbox.lease("relay")
        pending = await self.outbox.pending("relay", 100)
        return [one.outgoing.record for one in pending]


@pytest.fixture
def database(path: Path) -> Database:
    return SqliteDatabase(str(path), ANNOUNCER)


@pytest.fixture
async def doors(database: Database, clock: ManualClock) -> AsyncIterator[Doors]:
    await database.open()
    yield Doors(
        database=database,
        store=SqlStore(database, clock),
        inbox=SqlInbox(database, clock),
        outbox=SqlOutbox(database, clock),
        observed=SqlObserved(database, clock),
    )
    await database.close()


class _Observed:
    """What an operator may rely on."""

    async def test_they_are_found_newest_first(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        await doors.hear(Announce(Announcement(user_id="u")), batch_id="b2")
        assert [one.batch_id for one in await doors.observed.find()] == ["b2", "b1"]
        with pytest.raises(UnknownBatch):
            await doors.observed.one("b3")

    async def test_its_events_fold_to_its_state(
        self, doors: Doors, clock: ManualClock
    ) -> None:
        await doors.hear(Announce(Announcement(user_id="u", recipients=3)))
        await clock.advance(5)
        await doors.hear(Observe(RUNNING))
        one = await doors.observed.one("b1")
        replayed = [event async for event in doors.store.replay("b1")]
        assert fold(replayed).encode() == one.state.encode()
        early = [e async for e in doors.store.replay("b1", replayed[0].at)]
        assert fold(early).status == ""
        assert one.state.created_at == replayed[0].at
        assert await doors.store.verify("b1") == []

    async def test_an_event_that_is_gone_is_found(self, doors: Doors) -> None:
        await doors.hear(Announce(Announcement()), Observe(RUNNING))
        await doors.database.write(_lose, 1)
        assert await doors.store.verify("b1")

    async def test_an_operation_is_published_and_changes_nothing(
        self, doors: Doors
    ) -> None:
        await doors.hear(Observe(RUNNING))
        one = await doors.observed.operate(PAUSE)
        assert one.state.status == "delivery_running"
        [record] = await doors.published()
        decoded = decode(record)
        message = decoded.message
        assert isinstance(message, BatchOperationRequest)
        assert (message.batch_id, message.operation) == ("b1", Operation.PAUSE)
        assert (message.operator_id, message.reason) == ("eve", "lunch")
        assert decoded.source == "/here"
        last = [event async for event in doors.store.replay("b1")][-1]
        assert last.type is EventType.OPERATION
        assert last.data["operator_id"] == "eve"
        assert await doors.store.verify("b1") == []

    async def test_whom_a_retry_means_goes_along(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        retry = Command(batch_id="b1", operation=Operation.RETRY, request_id="r1")
        await doors.observed.operate(retry, {"outcome": "failed"})
        [record] = await doors.published()
        message = decode(record).message
        assert isinstance(message, BatchOperationRequest)
        assert message.metadata == {"outcome": "failed"}

    async def test_a_request_id_publishes_once(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        for _ in range(2):
            await doors.observed.operate(PAUSE)
        assert len(await doors.published()) == 1
        abort = Command(batch_id="b1", operation=Operation.ABORT, request_id="p1")
        with pytest.raises(BatchConflict, match="was to pause it"):
            await doors.observed.operate(abort)
        assert len(await doors.published()) == 1

    async def test_a_request_id_is_of_one_selection(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        retry = Command(batch_id="b1", operation=Operation.RETRY, request_id="r1")
        for _ in range(2):
            await doors.observed.operate(retry, {"outcome": "failed"})
        with pytest.raises(BatchConflict, match="'expired'} needs"):
            await doors.observed.operate(retry, {"outcome": "expired"})
        assert len(await doors.published()) == 1

    async def test_nobody_can_make_a_batch_of_its_id(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        with pytest.raises(BatchConflict, match="another system executes it"):
            await create(doors.store, spec("b1"))
        with pytest.raises(UnknownBatch):
            await doors.store.batch("b1")

    async def test_of_an_id_told_twice_at_once_one_kind_stays(
        self, doors: Doors
    ) -> None:
        for n in range(10):
            batch_id = f"b{n}"
            made, heard = await asyncio.gather(
                create(doors.store, spec(batch_id)),
                doors.hear(Observe(RUNNING), batch_id=batch_id),
                return_exceptions=True,
            )
            is_ours = not isinstance(made, BaseException)
            assert is_ours or isinstance(made, BatchConflict)
            assert heard == [Applied.CONFLICT if is_ours else Applied.DONE]
            assert await doors.store.verify(batch_id) == []

    async def test_a_batch_of_ours_is_not_observed(self, doors: Doors) -> None:
        await create(doors.store, spec("b1"))
        assert await doors.hear(Observe(RUNNING)) == [Applied.CONFLICT]
        with pytest.raises(UnknownBatch):
            await doors.observed.operate(PAUSE)

    async def test_a_note_stands_in_its_log(self, doors: Doors) -> None:
        await doors.hear(Observe(RUNNING))
        event = await doors.store.store("b1", operations.note("hello"))
        assert event.sequence == 2
        assert await doors.store.verify("b1") == []


def _lose(conn: Connection, sequence: int) -> None:
    conn.execute(delete(events).where(events.c.sequence == sequence))


class TestOnSqlite(_Observed):
    """Run on a file."""


class TestOnPostgres(_Observed):
    """Run on a server."""

    @pytest.fixture
    def database(self, postgres_url: str) -> PostgresDatabase:
        """Give the server's."""
        return PostgresDatabase(postgres_url, ANNOUNCER)
