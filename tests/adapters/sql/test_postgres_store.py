"""The store on PostgreSQL keeps the promises of its port."""

import pytest

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store import StoreContract
from batchwire.testing.contracts.store_steps import StoreSteps


@pytest.fixture
def database(postgres_url: str) -> PostgresDatabase:
    return PostgresDatabase(postgres_url, is_time_of_server=False)


class TestPostgresStore(StoreContract):
    """Run on a server of our own, as in service."""


async def test_a_pooler_need_not_keep_statements(
    postgres_url: str, clock: ManualClock
) -> None:
    url = f"{postgres_url}&prepared_statement_cache_size=0"
    store = SqlStore(PostgresDatabase(url), clock)
    await store.open()
    make = StoreSteps()
    await make.delivering(store)
    assert len((await make.flush(store, claim=2)).claims) == 2
    kept = "SELECT count(*) FROM pg_prepared_statements"
    database = PostgresDatabase(url)
    found = [
        await database.read(lambda conn: conn.exec_driver_sql(kept).scalar_one())
        for _ in range(3)
    ]
    assert max(found) <= 1  # the one that counts
    await database.close()
    await store.close()
