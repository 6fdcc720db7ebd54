"""The embedded transport keeps the promises of the bus."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batchwire.adapters.sql.embedded_bus import (
    LARGEST,
    EmbeddedProducer,
    EmbeddedSubscription,
)
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.testing.builders import until
from batchwire.testing.collector import Collector, numbered
from batchwire.testing.contracts.bus import BusContract, Open


@dataclass
class EmbeddedBus:
    """Makes clients of one database; one partition."""

    database: SqliteDatabase
    topic: str = "topic"
    partitions: int = 1
    too_large: int = LARGEST + 1

    def producer(self) -> EmbeddedProducer:
        """Make one, not opened."""
        return EmbeddedProducer(self.database, SystemClock())

    def subscription(self, group: str) -> EmbeddedSubscription:
        """Make a member, not opened."""
        return EmbeddedSubscription(self.database, SystemClock(), self.topic, group)


@pytest.mark.timeout(60)
class TestEmbeddedBus(BusContract):
    """On a file, as in service."""

    @pytest.fixture
    async def bus(self, tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
        """Both ends of the database."""
        database = SqliteDatabase(str(tmp_path / "bus.db"))
        await database.open()
        yield EmbeddedBus(database)
        await database.close()

    async def test_a_second_member_takes_over_where_the_first_leaves(
        self, opened: Open
    ) -> None:
        """And what it read goes on there."""
        await opened.publish(*(numbered(n) for n in range(4)))
        first, second = Collector(), Collector()
        member = await opened.member(first)
        await first.count(4)
        await opened.member(second)
        member.finish(dict.fromkeys(first.positions, 2))
        await member.close()
        await second.count(2)
        assert second.values == [b"2", b"3"]

    async def test_who_leaves_while_it_takes_the_right_to_read_keeps_nobody_waiting(
        self, bus: EmbeddedBus
    ) -> None:
        """The right may be his before he knows it."""
        first, second = bus.subscription("group"), bus.subscription("group")
        await first.open(Collector())
        await asyncio.sleep(0)  # the write is under way
        await first.close()
        await second.open(Collector())
        await until(lambda: second.state.is_joined, timeout_s=5)
        await second.close()
