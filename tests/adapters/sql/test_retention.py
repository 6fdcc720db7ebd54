"""What is purged is gone; what stays can be shown, replayed and verified."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, insert, select, update

from batchwire.adapters.sql import copy_rows, topic_rows
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.retention import SqlRetention
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.tables import (
    batches,
    chunks,
    dead_letters,
    inbox,
    outbox,
    parked,
)
from batchwire.adapters.sql.times import millis
from batchwire.domain.ledger import unpack_payload
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.record import Record
from batchwire.engine import retention
from batchwire.engine.rescue import rescue
from batchwire.engine.retention import Purge, Purged, daily
from batchwire.engine.settings import EngineSettings
from batchwire.errors import IllegalOperation, RecipientsPurged, StoreBusy
from batchwire.ports.bus import Outgoing
from batchwire.testing.builders import (
    NOON,
    FastClock,
    ScriptedProvider,
    Service,
    numbers,
    until,
)

DAY = timedelta(days=1)
RECIPIENTS = 100


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def one(request: pytest.FixtureRequest, path: Path) -> Database:
    """Give one of each kind; not opened in the loop, where no fixture can be asked for."""
    if request.param == "sqlite":
        return SqliteDatabase(str(path))
    return PostgresDatabase(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(one: Database) -> AsyncIterator[Database]:
    await one.open()
    yield one
    await one.close()


@pytest.fixture
def service(database: Database, clock: FastClock) -> Service:
    provider = ScriptedProvider()
    return Service(
        SqlStore(database, clock),
        clock,
        {"scripted": provider},
        EngineSettings(flush_interval_ms=50),
    )


@pytest.fixture
def purge(service: Service, database: Database, clock: FastClock) -> Purge:
    return Purge(service.store, SqlRetention(database), clock)


async def delivered(service: Service, batch_id: str = "b1") -> datetime:
    await service.take(numbers(RECIPIENTS), batch_id, chunk_size=2)
    await service.run()
    ended_at = (await service.store.batch(batch_id)).state.ended_at
    assert ended_at is not None
    return ended_at


async def left(database: Database) -> dict[str, int]:
    return await database.read(copy_rows.counts)


async def test_the_recipients_go_and_the_rest_stays(
    service: Service,
    database: Database,
    purge: Purge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 20)  # several are needed
    ended_at = await delivered(service)
    before = await service.store.batch("b1")
    done = await purge.run(ended_at + DAY, "ann")
    rest = await left(database)
    assert not {"payloads", "results", "list_blocks"} & set(rest)
    assert rest["chunks"] == RECIPIENTS // 2
    assert (done.batches, done.recipients, done.unanswered) == (1, RECIPIENTS, 0)
    assert done.rows >= RECIPIENTS  # payloads and results of each chunk
    after = await service.store.batch("b1")
    assert after.counts == before.counts
    assert after.state.is_purged
    assert await service.flaws() == []
    last = [event async for event in service.store.replay("b1")][-1]
    assert last.data["note"] == "purged"
    assert last.data["by"] == "ann"


async def test_purging_again_does_nothing(
    service: Service, database: Database, purge: Purge
) -> None:
    ended_at = await delivered(service)
    await purge.run(ended_at + DAY, "ann")
    before = await left(database)
    assert await purge.run(ended_at + DAY, "bob") == Purged(
        batches=0, recipients=0, rows=0, unanswered=0
    )
    assert await left(database) == before


async def test_who_ended_later_or_not_at_all_is_left_alone(
    service: Service, database: Database, purge: Purge
) -> None:
    ended_at = await delivered(service)
    await service.take(numbers(10), "b2")
    before = await left(database)
    assert (await purge.run(ended_at, "ann")).batches == 0
    assert await left(database) == before


async def test_a_purge_that_was_cut_short_is_finished_by_the_next(
    service: Service, database: Database, clock: FastClock
) -> None:
    class CutShort(SqlRetention):
        async def erase(self, batch_id: str, before: datetime, most: int) -> int:
            if await super().erase(batch_id, before, most):
                raise StoreBusy("cut short")
            return 0

    ended_at = await delivered(service)
    with pytest.raises(StoreBusy):
        await Purge(service.store, CutShort(database), clock).run(ended_at + DAY, "a")
    assert "results" in await left(database)
    assert await service.flaws() == []
    purge = Purge(service.store, SqlRetention(database), clock)
    assert (await purge.run(ended_at + DAY, "a")).batches == 1
    assert "results" not in await left(database)
    events = [e.data.get("note") async for e in service.store.replay("b1")]
    assert events.count("purged") == 1


async def test_a_purged_batch_is_neither_retried_nor_read(
    service: Service, purge: Purge
) -> None:
    ended_at = await delivered(service)
    await purge.run(ended_at + DAY, "ann")
    with pytest.raises(IllegalOperation, match="its recipients were purged at 2030"):
        await service.operate(Operation.RETRY)
    with pytest.raises(RecipientsPurged):
        [chunk async for chunk in service.store.chunks("b1")]
    assert await service.flaws() == []
    await rescue(service.store, service.clock)


async def test_a_batch_that_waits_for_answers_is_left_for_later(
    service: Service, database: Database, purge: Purge
) -> None:
    await delivered(service)
    lease = update(chunks).values(lease_owner="dead", leased_at=1)
    await database.write(lambda conn: conn.execute(lease).rowcount)
    done = await purge.run(service.clock.now() + DAY, "ann")
    assert (done.batches, done.unanswered) == (0, 1)
    assert not (await service.store.batch("b1")).state.is_purged


async def test_counts_that_were_changed_after_a_purge_are_found(
    service: Service, database: Database, purge: Purge
) -> None:
    ended_at = await delivered(service)
    await purge.run(ended_at + DAY, "ann")
    miscount = update(batches).values(accepted=7)
    await database.write(lambda conn: conn.execute(miscount).rowcount)
    found = "; ".join(await service.store.verify("b1"))
    assert "the batch counts 7 accepted, its chunks say 100 accepted" in found


@pytest.mark.parametrize("is_purged", [False, True])
async def test_counts_that_were_changed_everywhere_do_not_fit_the_last_event(
    service: Service, database: Database, purge: Purge, *, is_purged: bool
) -> None:
    ended_at = await delivered(service)
    if is_purged:
        await purge.run(ended_at + DAY, "ann")
    half = RECIPIENTS // 2

    def change(conn: Connection) -> None:
        for table, count in ((batches, half), (chunks, 1)):
            conn.execute(update(table).values(accepted=count, failed=count))

    await database.write(change)
    told = (
        f"counts {half} accepted, {half} failed, its last event says {RECIPIENTS} acc"
    )
    assert told in "; ".join(await service.store.verify("b1"))


RECORD = Record(key=b"b1", value=b"+447810000000", headers=())


async def test_what_speaks_of_a_purged_batch_goes_with_it_where_it_is_old(
    service: Service, database: Database, purge: Purge
) -> None:
    ended_at = await delivered(service)
    before = ended_at + DAY
    await database.write(_leave_traces, millis(before) - 1, "old")
    await database.write(_leave_traces, millis(before), "new")
    await purge.run(before, "ann")
    for table in (outbox, parked, dead_letters):
        named = table.c["id" if table is outbox else "event_id"]
        kept = ["new", "told"] if table is outbox else ["new"]
        assert await database.read(_all_of, named) == kept, table.name


def _all_of(conn: Connection, column: Column[Any]) -> list[str]:
    return list(conn.execute(select(column).order_by(column)).scalars())


def _leave_traces(conn: Connection, at: int, name: str) -> None:
    blob = b"+447810000000"
    sent = {
        "id": name, "aggregatetype": "batch", "aggregateid": "b1", "type": "t",
        "headers": b"h", "topic": "t", "shard": 1, "at": at,
        "payload": b'{"batch_id": "b1", "recipients": ["+447810000000"]}',
    }  # fmt: skip
    again = {
        "consumer": "c", "event_id": name, "batch_id": "b1", "record": blob,
        "attempts": 1, "first_at": at, "due_at": at, "reason": "r",
    }  # fmt: skip
    dead = {
        "event_id": name, "batch_id": "b1", "disposition": "manual", "message": "m",
        "topic": "t", "record": blob, "group_id": "g", "deliveries": 1, "failed_at": at,
    }  # fmt: skip
    conn.execute(insert(outbox), sent)
    if name == "old":  # names nobody, and is still to be published
        told = {"id": "told", "payload": b'{"batch_id": "b1"}'}
        conn.execute(insert(outbox), sent | told)
    conn.execute(insert(parked), again)
    conn.execute(insert(dead_letters), dead)


async def test_records_go_by_age_alone_read_or_not(
    database: Database, purge: Purge
) -> None:
    for days in range(4):
        out = [Outgoing(topic=topic, record=RECORD) for topic in ("t", "u", "t")]
        await database.write(topic_rows.append, out, NOON + days * DAY)
    await purge.run(NOON + 2 * DAY, "ann")
    for topic, first in (("t", 4), ("u", 2)):
        rest = await database.read(topic_rows.read, topic, 0, 100)
        assert [r.place.offset for r in rest if r.place] == list(
            range(first, 2 * first)
        )
        assert await database.read(topic_rows.lag, topic, 0) == first
    await purge.run(NOON + 9 * DAY, "ann")
    assert await database.read(topic_rows.lag, "t", 0) == 0
    await database.write(topic_rows.append, [Outgoing(topic="t", record=RECORD)], NOON)
    (new,) = await database.read(topic_rows.read, "t", 0, 9)
    assert new.place
    assert new.place.offset == 8


async def test_what_was_consumed_and_redriven_long_ago_goes(
    database: Database, purge: Purge
) -> None:
    def fill(conn: Connection) -> None:
        for name, at in (("old", NOON - DAY), ("new", NOON)):
            seen = {"consumer": "c", "event_id": name, "at": millis(at)}
            conn.execute(insert(inbox), seen)
            _leave_traces(conn, millis(at), name)
            conn.execute(
                update(dead_letters)
                .where(dead_letters.c.event_id == name)
                .values(redriven_at=millis(at))
            )
        _leave_traces(conn, millis(NOON - DAY), "waits")

    await database.write(fill)
    done = await purge.run(NOON, "ann")
    assert done.rows == 2
    assert await database.read(_all_of, dead_letters.c.event_id) == ["new", "waits"]
    assert await database.read(_all_of, inbox.c.event_id) == ["new"]


async def test_a_service_purges_by_itself_once_a_day(
    service: Service, database: Database
) -> None:
    fast = FastClock(speed=200_000.0)
    await delivered(service)
    purge = Purge(service.store, SqlRetention(database), fast)
    work = asyncio.create_task(daily(purge, 2, fast))  # a day is 0.4 s

    async def is_purged() -> bool:
        return (await service.store.batch("b1")).state.is_purged

    await until(is_purged)
    work.cancel()
    last = [event async for event in service.store.replay("b1")][-1]
    assert last.data["by"] == "batchwire"


async def test_nothing_of_the_payloads_is_left_in_the_file(path: Path) -> None:
    clock = FastClock()
    database = SqliteDatabase(str(path))
    await database.open()
    store = SqlStore(database, clock)
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    ended_at = await delivered(service)
    with sqlite3.connect(path) as direct:
        blobs = [data for (data,) in direct.execute("SELECT data FROM payloads")]
    direct.close()
    beside = Path(f"{path}-wal")
    assert (await asyncio.to_thread(beside.stat)).st_size > 0
    assert len(unpack_payload(blobs[0]).numbers.split("\n")) == 2
    purge = Purge(store, SqlRetention(database), clock)
    await purge.run(ended_at + DAY, "ann")
    assert (await asyncio.to_thread(beside.stat)).st_size == 0
    await database.close()
    content = await asyncio.to_thread(path.read_bytes)
    assert len(blobs) == RECIPIENTS // 2
    assert not [blob for blob in blobs if blob[-30:] in content]


async def test_whoever_reads_for_long_holds_up_no_writer_for_the_log(
    path: Path,
) -> None:
    database = SqliteDatabase(str(path))
    await database.open()
    store = SqlStore(database, FastClock())
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM batches").fetchall()
        await store.suppress({"+447810000000"}, "by hand")
        emptying = asyncio.create_task(database.empty_log())
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):  # others wait ten for a lock
            await store.suppress({"+447810000001"}, "by hand")
        await emptying
        reader.rollback()
        emptying = asyncio.create_task(database.empty_log())
        await emptying
    assert (await asyncio.to_thread(Path(f"{path}-wal").stat)).st_size == 0
    await database.close()


async def test_an_engine_delivers_while_older_batches_are_purged(
    service: Service, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 5)
    for name in ("b1", "b2", "b3"):
        ended_at = await delivered(service, name)
    await service.take(numbers(RECIPIENTS, RECIPIENTS), "b4", chunk_size=2)
    async with service.running():
        done = await purge.run(ended_at + timedelta(milliseconds=1), "ann")
        await service.until(Status.COMPLETED, batch_id="b4")
    assert done.batches == 3
    for name in ("b1", "b2", "b3", "b4"):
        assert await service.flaws(name) == []
    assert not (await service.store.batch("b4")).state.is_purged


async def test_a_list_on_its_way_in_stays_whatever_is_purged(
    service: Service, database: Database, purge: Purge
) -> None:
    await service.store.add_list_blocks("coming", 0, [b"a"])
    await purge.run(service.clock.now() + DAY, "ann")
    assert (await left(database))["list_blocks"] == 1
    await SqlRetention(database).forget(NOON, service.clock.now() + DAY, 10)
    assert "list_blocks" not in await left(database)
