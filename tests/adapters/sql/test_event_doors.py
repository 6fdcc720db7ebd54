"""Inbox and outbox keep the promises of their ports, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.event_doors import SqlDeadLetters, SqlInbox, SqlOutbox
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.tables import workers
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.messages.dead_letter import to_record
from batchwire.ports.bus import Outgoing
from batchwire.ports.dead_letters import Filter
from batchwire.ports.inbox import Applied, Effect, Handled, Park
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.inbox import (
    InboxContract,
    applied,
    arrival,
    bury,
    observe,
)
from batchwire.testing.contracts.outbox import OutboxContract, outgoing

NOW = ManualClock().now()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(str(tmp_path / "doors.db"))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_url)
    await database.open()
    yield database
    await database.close()


class TestSqliteInbox(InboxContract):
    """One file, one writer."""

    @pytest.fixture
    def inbox(self, sqlite: SqliteDatabase, clock: ManualClock) -> SqlInbox:
        """Give the door to test."""
        return SqlInbox(sqlite, clock)


class TestPostgresInbox(InboxContract):
    """Writers at once, on a server."""

    @pytest.fixture
    def inbox(self, postgres: PostgresDatabase, clock: ManualClock) -> SqlInbox:
        """Give the door to test."""
        return SqlInbox(postgres, clock)


@pytest.mark.parametrize(
    "effect",
    [Handled(), bury(), Park(due_at=NOW, reason="why"), observe(NOW)],
    ids=lambda effect: type(effect).__name__,
)
async def test_who_has_just_started_knows_what_was_handled(
    sqlite: SqliteDatabase, clock: ManualClock, effect: Effect
) -> None:
    before, after = SqlInbox(sqlite, clock), SqlInbox(sqlite, clock)
    assert await applied(before, (arrival("e1"), observe(NOW))) == [Applied.DONE]
    group = (arrival("e0"), observe(NOW)), (arrival("e1"), effect)
    assert await applied(after, *group) == [Applied.DONE, Applied.DUPLICATE]
    assert await after.repeats("group") == 1
    assert await SqlDeadLetters(sqlite, clock).count() == 0


class TestSqliteOutbox(OutboxContract):
    """One file, one writer."""

    @pytest.fixture
    def outbox(self, sqlite: SqliteDatabase, clock: ManualClock) -> SqlOutbox:
        """Give the door to test."""
        return SqlOutbox(sqlite, clock)

    async def test_what_is_refused_is_a_dead_letter(
        self, sqlite: SqliteDatabase, clock: ManualClock
    ) -> None:
        """Kept, with why."""
        await refused_is_a_dead_letter(sqlite, clock)


class TestPostgresOutbox(OutboxContract):
    """Writers at once, on a server."""

    @pytest.fixture
    def outbox(self, postgres: PostgresDatabase, clock: ManualClock) -> SqlOutbox:
        """Give the door to test."""
        self._server = postgres
        return SqlOutbox(postgres, clock)

    async def silence(self, clock: ManualClock, seconds: float) -> None:
        """Set back until when each is believed: the server's clock does not jump."""
        earlier = workers.c.dead_at - int(seconds * 1000)
        await self._server.write(
            lambda conn: conn.execute(update(workers).values(dead_at=earlier))
        )
        await clock.advance(seconds)

    async def test_what_is_refused_is_a_dead_letter(
        self, postgres: PostgresDatabase, clock: ManualClock
    ) -> None:
        """Kept, with why."""
        await refused_is_a_dead_letter(postgres, clock)


async def refused_is_a_dead_letter(database: Database, clock: ManualClock) -> None:
    outbox = SqlOutbox(database, clock)
    await outbox.add([outgoing(1)])
    await outbox.lease("a")
    (one,) = await outbox.pending("a", 10)
    await outbox.refuse("a", one, "it is too large")
    (letter,) = await SqlDeadLetters(database, clock).find(Filter())
    assert (letter.disposition, letter.event_id) == ("too-large", "e1")
    assert letter.record == one.outgoing.record
    assert (await outbox.depth()).rows == 0


async def test_the_copy_of_a_dead_letter_that_is_refused_is_no_second_letter(
    sqlite: SqliteDatabase, clock: ManualClock
) -> None:
    letter = DeadLetter(
        event_id="e-1",
        batch_id="b1",
        disposition=Disposition.MALFORMED,
        message="bad",
        record=outgoing(1).record,
        topic="t",
        failed_at=clock.now(),
    )
    outbox = SqlOutbox(sqlite, clock)
    await outbox.add([Outgoing(topic="t.dlq", record=to_record(letter))])
    await outbox.lease("a")
    (one,) = await outbox.pending("a", 10)
    await outbox.refuse("a", one, "it is too large")
    assert await SqlDeadLetters(sqlite, clock).count() == 0
    assert await outbox.pending("a", 10) == []
