"""Faults 15, 18 and 19 in the store: several processes decide at the same time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection

from batchwire.adapters.sql import batch_rows
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Operation, Status
from batchwire.errors import BatchConflict, IllegalOperation
from batchwire.testing.builders import FullStore, Service, create, spec
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import StoreSteps

make = StoreSteps()
FOUR = 4
ROUNDS = 5


@pytest.fixture
async def stores(
    postgres_url: str, clock: ManualClock
) -> AsyncIterator[list[SqlStore]]:
    """Give four stores on one database, as four processes have."""
    some = [SqlStore(PostgresDatabase(postgres_url), clock) for _ in range(FOUR)]
    await asyncio.gather(*(store.open() for store in some))
    yield some
    await asyncio.gather(*(store.close() for store in some))


async def operate_and_accept_refusal(
    store: FullStore, operation: Operation, request_id: str
) -> None:
    try:
        await make.operate(store, operation, request_id)
    except IllegalOperation:
        return


async def test_operations_of_four_make_one_linear_history(
    stores: list[SqlStore], clock: ManualClock
) -> None:
    await make.delivering(stores[0])
    work = [
        operate_and_accept_refusal(store, operation, f"{operation}-{n}-{turn}")
        for turn in range(ROUNDS)
        for operation in (Operation.PAUSE, Operation.RESUME, Operation.RETRY)
        for n, store in enumerate(stores)
    ]
    await asyncio.gather(*work)
    assert await Service(stores[0], clock, {}).flaws() == []
    events = [event async for event in stores[0].replay("b1")]
    refused = sum(event.type is EventType.REFUSAL for event in events)
    carried_out = sum(event.type is EventType.OPERATION for event in events)
    assert refused + carried_out == len(work)


async def test_one_of_four_aborts_ends_the_batch(stores: list[SqlStore]) -> None:
    await make.delivering(stores[0])
    work = [make.operate(s, Operation.ABORT, f"a{n}") for n, s in enumerate(stores)]
    await asyncio.gather(*work, return_exceptions=True)
    events = [event async for event in stores[0].replay("b1")]
    ends = [e for e in events if e.data.get("status") == Status.ABORTED]
    assert len(ends) == 1
    assert await stores[0].verify("b1") == []


async def test_a_request_that_comes_four_times_at_once_makes_one_batch(
    stores: list[SqlStore],
) -> None:
    made = await asyncio.gather(*(create(store, spec()) for store in stores))
    assert sorted(is_new for _, is_new in made) == [False, False, False, True]
    assert len({batch.spec.batch_id for batch, _ in made}) == 1
    assert len([event async for event in stores[0].replay("b1")]) == 1


async def test_a_batch_id_that_four_requests_want_at_once_goes_to_one(
    stores: list[SqlStore],
) -> None:
    made = await asyncio.gather(
        *(create(store, spec(request_id=f"r{n}")) for n, store in enumerate(stores)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, BatchConflict) for one in made) == FOUR - 1


async def test_an_operation_that_comes_four_times_at_once_is_done_once(
    stores: list[SqlStore],
) -> None:
    await make.delivering(stores[0])
    found = await asyncio.gather(
        *(make.operate(store, Operation.PAUSE, "same") for store in stores)
    )
    assert {batch.state.status for batch in found} == {Status.DELIVERY_PAUSED}
    events = [event async for event in stores[0].replay("b1")]
    assert sum(event.type is EventType.OPERATION for event in events) == 1


async def test_flushes_at_the_same_time_never_claim_the_same_chunk(
    stores: list[SqlStore],
) -> None:
    await make.delivering(stores[0], chunks=40)
    for n in range(FOUR):
        await stores[n].become_engine(f"worker-{n}", 30.0)
    found = await asyncio.gather(
        *(
            make.flush(store, claim=3, owner=f"worker-{n}")
            for _ in range(3)
            for n, store in enumerate(stores)
        )
    )
    claimed = [claim.number for flushed in found for claim in flushed.claims]
    assert len(claimed) == 3 * 3 * FOUR
    assert len(set(claimed)) == len(claimed)


async def test_of_two_who_wait_for_each_other_one_begins_again(
    stores: list[SqlStore], postgres_url: str
) -> None:
    for batch_id in ("b1", "b2"):
        await make.created(stores[0], batch_id)
    begun = []

    def lock_both(conn: Connection, first: str, second: str) -> str:
        begun.append(first)
        batch_rows.locked_row_of(conn, first)
        conn.exec_driver_sql("SELECT pg_sleep(0.1)")
        batch_rows.locked_row_of(conn, second)
        return first

    database = PostgresDatabase(postgres_url)
    found = await asyncio.gather(
        database.write(lock_both, "b1", "b2"), database.write(lock_both, "b2", "b1")
    )
    await database.close()
    assert list(found) == ["b1", "b2"]
    assert len(begun) == 3
