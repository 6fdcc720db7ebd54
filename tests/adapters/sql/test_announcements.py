"""What the topic is told of our batches: with the fact, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Connection

from batchwire.adapters.sql import batch_rows, log
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.event_doors import SqlOutbox
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain import operations
from batchwire.domain.batch import Trace
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import VIA_TOPIC, Command
from batchwire.domain.record import Record
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.errors import IllegalOperation
from batchwire.events.relay import Relay
from batchwire.messages.announcement import Announcer
from batchwire.messages.codec import decode
from batchwire.messages.requests import BatchMessageRequest
from batchwire.testing.builders import (
    FastClock,
    ScriptedProvider,
    Service,
    pieces,
    submission,
)
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.outbox import outgoing
from batchwire.testing.events import ScriptedProducer, event_id_of
from batchwire.testing.postgres import Cluster

ANNOUNCER = Announcer("/here", "io.batchwire", "topic")
TOLD = {EventType.REQUEST, EventType.STATUS, EventType.OPERATION}


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Make the database; what is asynchronous of PostgreSQL is made before."""
    if request.param == "sqlite":
        return SqliteDatabase(str(tmp_path / "told.db"), ANNOUNCER)
    cluster: Cluster = request.getfixturevalue("cluster")
    template = request.getfixturevalue("migrated")
    name = f"told_{uuid4().hex}"
    with asyncio.Runner() as runner:
        runner.run(cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    return PostgresDatabase(cluster.url(name), ANNOUNCER)


@pytest.fixture
async def database(made: Database) -> AsyncIterator[Database]:
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlStore:
    return SqlStore(database, clock)


async def told(database: Database, clock: ManualClock) -> list[Record]:
    outbox = SqlOutbox(database, clock)
    await outbox.lease("reader")
    return [one.outgoing.record for one in await outbox.pending("reader", 1000)]


def number_of(record: Record) -> int:
    return int(dict(record.headers)["ce_sequence"] or 0)


def pause(request_id: str = "p1", via: str = "") -> Command:
    return Command(
        batch_id="b1",
        operation=Operation.PAUSE,
        request_id=request_id,
        operator_id="o",
        reason="because",
        via=via,
    )


async def take(
    store: SqlStore, clock: ManualClock, via: str = "", trace: Trace | None = None
) -> None:
    await Intake(store, clock).take(
        submission("b1", provider="scripted"),
        pieces("+447810000001\n"),
        via=via,
        trace=trace or Trace(),
    )


async def test_who_reads_of_a_batch_hears_how_many_recipients_it_has(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    await take(store, clock)
    message = decode((await told(database, clock))[0]).message
    assert isinstance(message, BatchMessageRequest)
    assert message.recipients_count == 1


async def test_every_event_for_the_wire_is_told_with_its_number(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    await take(store, clock)
    control = Control(store, clock)
    await control.operate(pause())
    await control.operate(pause("p2"))  # holds already: an event, but no news
    resume = Command(batch_id="b1", operation=Operation.RESUME, request_id="r1")
    await control.operate(resume)
    records = await told(database, clock)
    events = [one async for one in store.replay("b1")]
    expected = [
        one for one in events if one.type in TOLD and one.data.get("effect") != "none"
    ]
    assert [number_of(one) for one in records] == [one.sequence for one in expected]
    for record, event in zip(records, expected, strict=True):
        headers = {name: (value or b"").decode() for name, value in record.headers}
        assert record.key == b"b1"
        assert headers["message_type"] == event.type
        assert headers["batch_id"] == headers["ce_subject"] == "b1"
        assert headers["ce_source"] == "/here"
        assert headers["ce_type"] == f"io.batchwire.{event.type}.v1"
        assert headers["ce_sequence"] == f"{event.sequence:019}"
        assert headers["ce_specversion"] == "1.0"
        assert headers["content-type"] == "application/json"
        assert headers["timestamp"] == str(int(event.at.timestamp()))
        assert decode(record).message.batch_id == "b1"
    kinds = [dict(one.headers).get("execution") for one in records]
    assert kinds == [b"observed"] + [None] * (len(records) - 1)
    operated = dict(records[1].headers)
    assert (operated["operation"], operated["operator_id"]) == (b"pause", b"o")
    moved = dict(records[2].headers)
    assert moved["status"] == b"preparation_paused"
    assert len({event_id_of(one) for one in records}) == len(records)


async def test_a_change_that_is_rolled_back_tells_nothing(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    await take(store, clock)
    before = await told(database, clock)

    def change_and_break(conn: Connection) -> None:
        row = batch_rows.locked_row_of(conn, "b1")
        change = operations.operate(batch_rows.batch_of(row), pause(), clock.now())
        log.append(conn, row, change.facts, clock.now())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(change_and_break)
    assert await told(database, clock) == before
    assert len([one async for one in store.replay("b1")]) == 1


async def test_a_refusal_stays_in_the_log(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    await take(store, clock)
    before = await told(database, clock)

    retry = Command(batch_id="b1", operation=Operation.RETRY, request_id="t")
    with pytest.raises(IllegalOperation):
        await Control(store, clock).operate(retry)
    assert await told(database, clock) == before


async def test_what_came_from_the_topic_is_not_told_it_again(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    await take(store, clock, via=VIA_TOPIC)
    assert await told(database, clock) == []
    await Control(store, clock).operate(pause(via=VIA_TOPIC))
    (moved,) = await told(database, clock)
    assert dict(moved.headers)["status"] == b"preparation_paused"


async def test_all_that_is_told_of_a_batch_has_the_trace_of_its_request(
    store: SqlStore, database: Database, clock: ManualClock
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await take(store, clock, trace=Trace(traceparent=parent, tracestate="a=1"))
    await Control(store, clock).operate(pause())
    records = [decode(record) for record in await told(database, clock)]
    assert len(records) == 3
    assert {(one.traceparent, one.tracestate) for one in records} == {(parent, "a=1")}


async def test_a_whole_life_is_told_in_order_and_ends_once(
    tmp_path: Path,
) -> None:
    clock = FastClock()
    database = SqliteDatabase(str(tmp_path / "life.db"), ANNOUNCER)
    store = SqlStore(database, clock)
    await store.open()
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    await service.take(["+447810000001", "+447810000002"])
    await service.run()
    outbox = SqlOutbox(database, clock)
    await outbox.lease("a")
    records = [one.outgoing.record for one in await outbox.pending("a", 1000)]
    updates = [dict(one.headers).get("status") for one in records]
    assert updates.count(Status.COMPLETED.encode()) == 1
    assert [number_of(one) for one in records] == sorted(map(number_of, records))
    assert await service.flaws() == []
    await store.close()


async def test_a_transaction_with_a_lower_position_that_commits_later_is_published_too(
    postgres_url: str, clock: ManualClock
) -> None:
    database = PostgresDatabase(postgres_url)
    await database.open()
    outbox, producer = SqlOutbox(database, clock), ScriptedProducer()
    relay = Relay(outbox, producer, clock, "relay")
    await outbox.lease("relay")
    slow = await asyncpg.connect(
        postgres_url.replace("postgresql+asyncpg", "postgresql")
    )
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("SELECT nextval(pg_get_serial_sequence('outbox', 'position'))")
    position = await slow.fetchval(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, key,"
        " headers, topic, shard, at) SELECT 'late', 'batch', 'b2', 'x', 'late'::bytea,"
        " 'b2'::bytea, '\\x90'::bytea, 'topic', 1, 0 RETURNING position"
    )
    early = await outbox.add([outgoing(1), outgoing(2)])
    assert position < early[0]
    assert await relay.publish_some()
    assert not await relay.publish_some()
    await transaction.commit()
    await outbox.add([outgoing(3), outgoing(4, "b2")])
    assert await relay.publish_some()
    values = [one.record.value for one in producer.taken]
    assert values == [b"1", b"2", b"late", b"3", b"4"]
    assert (await outbox.depth()).rows == 0
    await slow.close()
    await database.close()
