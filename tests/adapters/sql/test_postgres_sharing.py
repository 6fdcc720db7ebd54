"""Faults 15 and 18 in the store: who flushes shares a batch, who decides has it alone."""

import asyncio
from itertools import chain

import msgspec
import pytest
from sqlalchemy import text

from batchwire.adapters.sql import batch_rows
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.postgres_connect import pool
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain import operations
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.ports.store import Flush
from batchwire.testing.builders import Service, until
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import SIZE, StoreSteps, answers

make = StoreSteps()
FOUR = 4
EACH = 5
WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
)


@pytest.fixture
def database(postgres_url: str) -> PostgresDatabase:
    return PostgresDatabase(postgres_url)


async def test_who_flushes_waits_for_no_other_flush_but_for_who_is_to_decide(
    store: SqlStore, postgres_url: str
) -> None:
    await make.delivering(store)
    others = pool(postgres_url, lock_timeout_s=10.0)

    async def are_waiting(count: int) -> bool:
        async with others.begin() as conn:
            waiting: int = (await conn.execute(WAITING)).scalar_one()
            return waiting == count

    async with others.begin() as flush_of_another:
        await flush_of_another.run_sync(batch_rows.share, ["b1"])
        first = await make.flush(store, claim=1)
        pause = asyncio.create_task(make.operate(store, Operation.PAUSE))
        await until(lambda: are_waiting(1))
        late = asyncio.create_task(make.flush(store, claim=1))
        await until(lambda: are_waiting(2))
    await others.dispose()
    assert len(first.claims) == 1
    assert (await pause).state.status is Status.DELIVERY_PAUSED
    assert (await late).status is Status.DELIVERY_PAUSED
    assert not (await late).claims


async def test_what_four_write_of_a_batch_at_once_adds_up(
    store: SqlStore, clock: ManualClock
) -> None:
    await make.delivering(store, chunks=FOUR * EACH)
    owners = [f"worker-{n}" for n in range(FOUR)]

    async def deliver(owner: str) -> list[int]:
        await store.become_engine(owner, 30.0)
        left = []
        while claims := (await make.flush(store, claim=1, owner=owner)).claims:
            done = answers(claims[0].fence, [Outcome.ACCEPTED] * SIZE)
            update = msgspec.structs.replace(
                done, number=claims[0].number, is_released=True
            )
            fact = operations.progress()
            flush = Flush(batch_id="b1", updates=(update,), facts=(fact,))
            left += [(await store.flush(owner, [flush]))[0].counts[Outcome.OPEN]]
        return left

    left = await asyncio.gather(*map(deliver, owners))
    assert sorted(chain.from_iterable(left)) == list(range(0, FOUR * EACH * SIZE, SIZE))
    assert await Service(store, clock, {}).flaws() == []


async def test_what_four_tell_of_a_batch_at_once_is_told_one_after_the_other(
    store: SqlStore, clock: ManualClock
) -> None:
    await make.delivering(store)
    await make.operate(store, Operation.PAUSE)

    async def tell(owner: str) -> None:
        await store.become_engine(owner, 30.0)
        for _ in range(EACH):
            await store.flush(owner, [Flush(batch_id="b1", escaped=1)])

    await asyncio.gather(*(tell(f"worker-{n}") for n in range(FOUR)))
    assert (await store.batch("b1")).state.escaped == FOUR * EACH
    assert await Service(store, clock, {}).flaws() == []
