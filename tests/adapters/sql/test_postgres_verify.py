"""Whoever changes PostgreSQL's rows behind our back is found too (fault 29)."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Operation
from batchwire.domain.outcome import Outcome
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import StoreSteps, answers

make = StoreSteps()


@pytest.fixture
async def delivered(postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(PostgresDatabase(postgres_url), clock)
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    await make.flush(store, answers(claim.fence, [Outcome.ACCEPTED], is_released=True))
    await make.operate(store, Operation.PAUSE)
    assert await store.verify("b1") == []
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE events SET at = '2031-01-01T00:00:00+00:00' WHERE sequence = 3",
            "event 3 (batch_status_update) was changed",
        ),
        (
            "UPDATE events SET payload = 'nonsense' WHERE sequence = 2",
            "event 2 (batch_status_update) cannot be read",
        ),
        ("DELETE FROM events WHERE sequence = 2", "event 2 is missing"),
        (
            "DELETE FROM events WHERE sequence = 6",
            "the log ends at event 5, but the batch has gone further",
        ),
        (
            "UPDATE batches SET accepted = 2",
            "the batch counts 7 open, 2 accepted, its chunks say 7 open, 1 accepted",
        ),
        ("DELETE FROM results", "chunk 0 counts 3 open, 1 accepted"),
        (
            "DELETE FROM payloads WHERE number = 1",
            "of chunks 0 to 15 one cannot be read",
        ),
    ],
)
async def test_what_was_changed_is_named(
    delivered: SqlStore, postgres_url: str, statement: str, sentence: str
) -> None:
    session = await asyncpg.connect(postgres_url)
    assert (await session.execute(statement)).endswith(" 1")
    await session.close()
    assert sentence in "; ".join(await delivered.verify("b1"))


async def test_verifying_sees_one_moment_while_others_write(
    delivered: SqlStore, postgres_url: str
) -> None:
    database = PostgresDatabase(postgres_url)
    seen = await database.read(
        lambda conn: [
            conn.exec_driver_sql("SELECT count(*), pg_sleep(0.05) FROM events").first(),
            conn.exec_driver_sql("SHOW transaction_isolation").scalar(),
            conn.exec_driver_sql("SHOW transaction_read_only").scalar(),
        ]
    )
    await database.close()
    assert seen[1:] == ["repeatable read", "on"]
    assert await delivered.verify("b1") == []
