"""The whole service on the embedded transport."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.events.contract import EventsContract, service_settings

from batchwire.adapters.sql import topic_rows
from batchwire.adapters.sql.embedded_bus import EmbeddedProducer
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.config import Settings
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing
from batchwire.testing.events import TOPIC


class EmbeddedTopic:
    """The topic in the service's own database, seen by another program."""

    settings: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def publish(self, records: Sequence[Record]) -> None:
        """Append records."""
        producer = EmbeddedProducer(self._database, SystemClock())
        out = [Outgoing(topic=TOPIC, record=record) for record in records]
        assert await producer.publish(out) == [None] * len(records)

    async def read(self, *, is_dead: bool = False) -> list[Record]:
        """Read all that stands there."""
        name = f"{TOPIC}.dlq" if is_dead else TOPIC
        return await self._database.read(topic_rows.read, name, 0, 10_000)


@pytest.mark.timeout(60)
class TestEmbeddedEvents(EventsContract):
    """One file, as in service."""

    @pytest.fixture
    async def topic(self, tmp_path: Path) -> AsyncIterator[EmbeddedTopic]:
        """Give a topic of this test alone."""
        database = SqliteDatabase(str(tmp_path / "batchwire.db"))
        await database.open()
        yield EmbeddedTopic(database)
        await database.close()

    @pytest.fixture
    def settings(self, tmp_path: Path, topic: EmbeddedTopic) -> Settings:
        """Give the settings of the service."""
        return service_settings(str(tmp_path / "batchwire.db"), topic)
