"""A reader of the embedded topic gets over what was forgotten before it came."""

from datetime import timedelta

from batchwire.adapters.sql import topic_rows
from batchwire.adapters.sql.embedded_bus import EmbeddedSubscription
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing
from batchwire.testing.builders import NOON, FastClock
from batchwire.testing.collector import Collector


def outgoing(*values: bytes) -> list[Outgoing]:
    return [
        Outgoing(topic="t", record=Record(key=b"k", value=value, headers=()))
        for value in values
    ]


async def test_a_reader_that_missed_records_gets_each_later_one_once(
    database: SqliteDatabase, store: SqlStore
) -> None:
    await store.open()
    await database.write(topic_rows.append, outgoing(b"0", b"1", b"2"), NOON)
    await database.write(topic_rows.append, outgoing(b"3", b"4"), NOON + timedelta(1))
    assert await database.write(topic_rows.purge, NOON + timedelta(1), 100) == 3
    collector = Collector()
    one = EmbeddedSubscription(database, FastClock(), "t", "g")
    await one.open(collector)
    await collector.count(2)
    await database.write(topic_rows.append, outgoing(b"5"), NOON + timedelta(1))
    await collector.count(3)
    one.finish(collector.positions)
    await one.close()
    assert collector.values == [b"3", b"4", b"5"]
    assert list(collector.positions.values()) == [6]

    again = Collector()
    two = EmbeddedSubscription(database, FastClock(), "t", "g")
    await two.open(again)
    await database.write(topic_rows.append, outgoing(b"6"), NOON + timedelta(1))
    await again.count(1)
    await two.close()
    assert again.values == [b"6"]
