"""A full outbox holds new batches back, and nothing else."""

from collections.abc import AsyncIterator

import pytest

from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.event_doors import SqlOutbox
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import VIA_TOPIC, Command
from batchwire.domain.record import Record
from batchwire.engine.control import Control
from batchwire.errors import OutboxFull, UnknownBatch
from batchwire.ports.bus import Outgoing
from batchwire.testing.builders import create, spec
from batchwire.testing.clock import ManualClock

MOST = 3
WAITING = Outgoing(topic="t", record=Record(key=b"k", value=b"{}"))


@pytest.fixture
async def outbox(database: Database, clock: ManualClock) -> AsyncIterator[SqlOutbox]:
    await database.open()
    yield SqlOutbox(database, clock)
    await database.close()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlStore:
    return SqlStore(database, clock, outbox_max_rows=MOST)


class _Outbox:
    """What clients may rely on."""

    async def test_at_the_limit_no_batch_is_created(
        self, outbox: SqlOutbox, store: SqlStore
    ) -> None:
        await outbox.add([WAITING] * MOST)
        with pytest.raises(OutboxFull, match="outbox_max_rows") as refused:
            await create(store, spec("b1"))
        assert refused.value.retryable
        with pytest.raises(UnknownBatch):
            await store.batch("b1")

    async def test_gaps_in_the_numbering_are_no_records(
        self, outbox: SqlOutbox, store: SqlStore
    ) -> None:
        await outbox.lease("relay")
        await outbox.add([WAITING] * MOST)
        await outbox.done("relay", (await outbox.pending("relay", MOST))[1:-1])
        _, is_new = await create(store, spec("b1"))
        assert is_new

    async def test_repeats_operations_and_requests_of_the_topic_pass(
        self, outbox: SqlOutbox, store: SqlStore, clock: ManualClock
    ) -> None:
        first, _ = await create(store, spec("b1"))
        await outbox.add([WAITING] * MOST)
        assert await create(store, spec("b1")) == (first, False)
        pause = Command(batch_id="b1", operation=Operation.PAUSE, request_id="p")
        paused = await Control(store, clock).operate(pause)
        assert paused.state.status is Status.PREPARATION_PAUSED
        assert (await create(store, spec("b2"), via=VIA_TOPIC))[1]


class TestOnSqlite(_Outbox):
    """Run on a file."""


class TestOnPostgres(_Outbox):
    """Run on a server."""

    @pytest.fixture
    def database(self, postgres_url: str) -> PostgresDatabase:
        """Give the server's."""
        return PostgresDatabase(postgres_url)
