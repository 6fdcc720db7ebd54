"""Faults 1, 4, 21 and 22 in the store: who is dead, by the time of the server."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import Connection, text

from batchwire.adapters.sql import worker_rows
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.postgres_connect import arguments
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.outcome import Outcome
from batchwire.errors import StaleLease
from batchwire.testing.builders import until
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import (
    LASTS_S,
    ME,
    OTHER,
    SIZE,
    StoreSteps,
    answers,
)

make = StoreSteps()


@pytest.fixture
def database(postgres_url: str) -> PostgresDatabase:
    """Give one that goes by the clock of the test."""
    return PostgresDatabase(postgres_url, is_time_of_server=False)


async def test_who_gives_no_sign_is_dead_and_writes_no_more(
    store: SqlStore, clock: ManualClock
) -> None:
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    await clock.advance(LASTS_S - 1)
    await store.renew(OTHER, LASTS_S)
    assert await store.bury() == []
    await clock.advance(1)
    assert await store.has_engine()
    assert await store.bury() == ["b1"]
    with pytest.raises(StaleLease):
        await make.flush(store, answers(claim.fence, [Outcome.ACCEPTED]))
    with pytest.raises(StaleLease):
        await store.renew(ME, LASTS_S)
    await make.take_back(store, [c async for c in store.lost_chunks("b1")])
    (again,) = (await make.flush(store, claim=1, owner=OTHER)).claims
    assert list(again.state.open_positions()) == list(range(SIZE))
    assert await store.verify("b1") == []


async def test_who_falls_silent_in_the_middle_of_a_statement_keeps_nothing(
    store: SqlStore,
    clock: ManualClock,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped so, a process is not idle to PostgreSQL, and its locks would stay."""
    await make.delivering(store)
    await make.flush(store, claim=1)
    session = await asyncpg.connect(**arguments(postgres_url, 1.0))
    transaction = session.transaction()
    await transaction.start()
    await session.execute("SELECT 1 FROM workers FOR KEY SHARE")
    await session.prepare("SELECT 2 + $1::int")  # sent without the message that ends it
    await clock.advance(LASTS_S)
    assert await store.bury() == []  # he may be just writing
    monkeypatch.setattr(worker_rows, "_SILENT_S", 0.0)

    async def is_dead() -> bool:
        return await store.bury() == ["b1"]

    await until(is_dead)
    await until(session.is_closed)


async def test_a_slow_worker_that_gives_signs_keeps_what_it_holds(
    store: SqlStore, clock: ManualClock
) -> None:
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    for _ in range(100):
        await clock.advance(LASTS_S / 2)
        await store.renew(ME, LASTS_S)
        assert await store.bury() == []
    found = await make.flush(store, answers(claim.fence, [Outcome.ACCEPTED] * SIZE))
    assert found.counts[Outcome.ACCEPTED] == SIZE


async def test_no_engine_is_at_work_once_its_signs_are_too_old(
    store: SqlStore, clock: ManualClock
) -> None:
    await store.become_engine(ME, LASTS_S)
    await clock.advance(LASTS_S)
    assert not await store.has_engine()


async def test_a_relay_that_gives_signs_is_no_engine(
    postgres_url: str, clock: ManualClock
) -> None:
    database = PostgresDatabase(postgres_url, is_time_of_server=False)
    store = SqlStore(database, clock)
    await store.open()
    await database.write(
        worker_rows.join, OTHER, worker_rows.RELAY, LASTS_S, clock.now()
    )
    assert not await store.has_engine()
    await store.become_engine(ME, LASTS_S)
    assert await store.has_engine()
    await store.close()


async def test_who_is_just_writing_is_not_declared_dead_meanwhile(
    store: SqlStore, clock: ManualClock, postgres_url: str
) -> None:
    await make.delivering(store)
    await make.flush(store, claim=1)
    await clock.advance(LASTS_S)
    writing = await asyncpg.connect(postgres_url)
    async with writing.transaction():
        await writing.execute(
            "SELECT 1 FROM workers WHERE owner = $1 FOR KEY SHARE", ME
        )
        assert await store.bury() == []
    assert await store.bury() == ["b1"]
    await writing.close()


async def test_who_is_being_declared_dead_waits_and_then_writes_nothing(
    store: SqlStore, postgres_url: str
) -> None:
    await make.delivering(store)
    burying = await asyncpg.connect(postgres_url)
    async with burying.transaction():
        await burying.execute("DELETE FROM workers WHERE owner = $1", ME)
        flushing = asyncio.ensure_future(make.flush(store, claim=1))
        await until(lambda: is_waiting(postgres_url))
        assert not flushing.done()
    with pytest.raises(StaleLease):
        await flushing
    await burying.close()


async def is_waiting(url: str) -> bool:
    session = await asyncpg.connect(url)
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    count = await session.fetchval(query)
    await session.close()
    return bool(count)


@pytest.mark.parametrize("ahead_s", [300.0, -300.0])
async def test_machines_whose_clocks_disagree_agree_on_who_lives_and_what_is_due(
    postgres_url: str, clock: ManualClock, ahead_s: float
) -> None:
    other_clock = ManualClock(clock.now())
    other_clock.jump_wall(ahead_s)
    ours, theirs = (
        SqlStore(PostgresDatabase(postgres_url), one) for one in (clock, other_clock)
    )
    await make.delivering(ours)
    (claim,) = (await make.flush(ours, claim=1)).claims
    assert await theirs.bury() == []
    later = answers(claim.fence, [Outcome.ACCEPTED], is_released=True, due_s=60.0)
    await make.flush(ours, later)
    found = await make.flush(theirs, claim=2, owner=OTHER)
    assert [one.number for one in found.claims] == [1]
    assert found.next_due_s is not None
    assert 0 < found.next_due_s <= 60.0
    assert await ours.has_engine()
    assert await theirs.has_engine()
    for one in (ours, theirs):
        await one.close()


def dated(seconds: float) -> Callable[[Connection], int]:
    moved = text("UPDATE workers SET dead_at = dead_at - :ms")
    return lambda conn: conn.execute(moved, {"ms": int(seconds * 1000)}).rowcount


async def test_the_dead_are_known_by_the_time_of_the_server(
    postgres_url: str, clock: ManualClock
) -> None:
    database = PostgresDatabase(postgres_url)
    store = SqlStore(database, clock)
    await make.delivering(store)
    await make.flush(store, claim=1)
    await clock.advance(10 * LASTS_S)  # of no importance
    assert await store.bury() == []
    await database.write(dated(LASTS_S))
    assert await store.bury() == ["b1"]
    assert not await store.has_engine()
    await store.close()


async def test_the_time_is_that_of_the_server_or_our_own(
    postgres_url: str, clock: ManualClock
) -> None:
    for is_time_of_server in (True, False):
        database = PostgresDatabase(postgres_url, is_time_of_server=is_time_of_server)
        at_ms = await database.read(worker_rows.now_ms, clock.now())
        assert (at_ms != clock.now().timestamp() * 1000) is is_time_of_server
        await database.close()


async def test_a_session_that_could_not_listen_is_replaced(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cancelled meanwhile may come again, as an engine that is restarted."""
    listen = asyncpg.Connection.add_listener

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncpg.Connection, "add_listener", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await store.changed(0, 60.0)
    monkeypatch.setattr(asyncpg.Connection, "add_listener", listen)
    async with asyncio.timeout(20):  # the clock of the test stands still
        assert await store.changed(0, 60.0) == 1
